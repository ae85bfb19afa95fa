"""The snapshot: whole or said to be incomplete, and never more calls than it takes."""

import pytest

from tests.house import HOSTING, House, done, results
from whmcs_bridge.errors import AccessRefused
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import endings, faults
from whmcs_bridge.simulator.automation import cancel_invoice, payment_pending, refund
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Actor

LISTS = (
    "GetClientGroups",
    "GetProducts",
    "GetClients",
    "GetClientsProducts",
    "GetClientsAddons",
    "GetCancelledPackages",
    "GetInvoices",
    "GetInvoice",
)


def a_house_with_debt(page_size: int = 250) -> House:
    """Twelve clients; the last one is due for suspension, and every kind of list has rows."""
    house = House.of(page_size=page_size)
    for _ in range(11):
        service = house.a_service()
        house.an_addon(service)
        house.an_invoice(service, due=5)
    _, leaving, _ = house.a_debtor(overdue=3)
    leaving.next_due = house.day(300)
    endings.request_cancellation(house.world, house.world.services[1], endings.END_OF_PERIOD)
    return house


def calls_of(house: House) -> dict[str, int]:
    found = dict(house.adapter.front.calls)
    house.adapter.front.calls.clear()
    return found


@pytest.mark.parametrize("page_size", [1, 2, 25, 250])
def test_a_book_is_read_whole_whatever_the_page_size(page_size: int) -> None:
    with a_house_with_debt(page_size) as house:
        report = house.sync()
        info = house.bridge.mirror.last()
        assert info is not None
        assert (info.complete, info.clients, info.services, info.open_invoices) == (True, 12, 12, 12)
        assert done(report) == ["suspend"]


def test_the_first_snapshot_asks_for_nothing_twice() -> None:
    """One call a list and status, one for each open invoice, and two for the payment history."""
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        calls = calls_of(house)
        assert calls["getinvoice"] == 12
        assert calls["getinvoices"] == 3 + 2
        assert {calls[name.lower()] for name in LISTS[:6]} == {1}


def test_the_second_snapshot_of_an_unchanged_book_reads_no_invoice_lines() -> None:
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        calls_of(house)
        house.bridge.snapshot()
        assert "getinvoice" not in calls_of(house)


def test_only_changed_invoices_are_read_again() -> None:
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        calls_of(house)
        house.pass_days()
        changed = house.world.invoices[3]
        house.pay(changed, 400)
        house.bridge.snapshot()
        assert calls_of(house)["getinvoice"] == 1


def test_an_invoice_that_left_the_open_lists_is_read_to_know_how() -> None:
    """Paid, cancelled and refunded invoices leave the lists alike; what became of each is kept apart."""
    with a_house_with_debt() as house:
        house.pay(house.an_invoice(house.a_service()))
        house.bridge.snapshot()
        calls_of(house)
        house.pass_days()
        house.pay(house.world.invoices[1])
        cancel_invoice(house.world, 2, Actor.ADMIN)
        house.pay(house.world.invoices[3])
        refund(house.world, 3)
        house.bridge.snapshot()
        assert calls_of(house)["getinvoice"] == 3
        one, two = (house.bridge.mirror.book(n) for n in (1, 2))  # type: ignore[arg-type]
        assert one is not None
        assert two is not None
        assert [p.id for p in one.history] == [1]
        assert [i.id for i in two.cancelled] == [2]
        assert (one.invoices, two.invoices) == ((), ())


def test_clients_whom_we_keep_down_are_read_again_once_a_day() -> None:
    """A partial payment need not change anything that a list shows."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.world.switches.partial_payment_touches_updated_at = False
        house.sync()
        assert service.status == "Suspended"
        house.pay(invoice, 400)
        house.next_day()
        book = house.bridge.mirror.book(1)  # type: ignore[arg-type]
        assert book is not None
        assert [str(i.balance) for i in book.invoices] == ["6.00"]


def test_payment_pending_and_collections_are_open_too() -> None:
    with House.of() as house:
        for status in ("Payment Pending", "Collections"):
            house.an_invoice(house.a_service(), due=-1, status=status)
        house.bridge.snapshot()
        info = house.bridge.mirror.last()
        assert info is not None
        assert info.open_invoices == 2


def test_the_history_is_read_once_and_then_only_what_is_new() -> None:
    with House.of() as house:
        service = house.a_service()
        for _ in range(30):
            house.pay(house.an_invoice(service))
        house.bridge.snapshot()
        calls_of(house)
        house.pass_days()
        house.pay(house.an_invoice(service))
        house.bridge.snapshot()
        assert calls_of(house)["getinvoices"] == 5
        book = house.bridge.mirror.book(1)  # type: ignore[arg-type]
        assert book is not None
        assert len(book.history) == 31


ALWAYS = 0
PAGE = "<html><body><h1>Welcome</h1></body></html>"
TROUBLE = {
    "no connection": faults.Kind.CONNECTION_REFUSED,
    "no answer": faults.Kind.TIMEOUT_BEFORE,
    "500": faults.Kind.HTTP_500,
    "maintenance": faults.Kind.MAINTENANCE,
    "an HTML page": faults.Kind.HTML_200,
    "half a body": faults.Kind.TRUNCATED,
    "an empty body": faults.Kind.EMPTY_BODY,
    "a broken connection": faults.Kind.INCOMPLETE_READ,
    "a short page": faults.Kind.SHORT_PAGE,
    "a wrong total": faults.Kind.WRONG_TOTAL,
    "an error inside HTTP 200": faults.Kind.ERROR,
}
COUNTED = (faults.Kind.SHORT_PAGE, faults.Kind.WRONG_TOTAL)
"""Trouble with a list's count: a single invoice has none."""


@pytest.mark.parametrize("kind", TROUBLE.values(), ids=list(TROUBLE))
@pytest.mark.parametrize("action", LISTS)
def test_a_list_that_cannot_be_trusted_lets_nothing_harmful_follow(action: str, kind: faults.Kind) -> None:
    """Whatever comes in place of any list, the debtor stays up, and the run says what it could not read."""
    if action == "GetInvoice" and kind in COUNTED:
        pytest.skip("one invoice has no count")
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        house.pass_days()
        house.world.touch(house.world.invoices[12])
        text = PAGE if kind is faults.Kind.HTML_200 else ""
        house.faults(Fault(action, kind, count=ALWAYS, text=text))
        report = house.sync()
        assert report.problems
        assert (report.exit_code, report.outcome) == (1, "failed")
        assert house.events("module:suspend") == []
        assert "suspend" not in done(report)


@pytest.mark.parametrize("action", LISTS)
def test_trouble_that_passes_is_read_again(action: str) -> None:
    """One bad answer costs a call, not the day's work."""
    with a_house_with_debt() as house:
        house.faults(Fault(action, faults.Kind.HTTP_503), Fault(action, faults.Kind.TIMEOUT_BEFORE, nth=2))
        report = house.sync()
        assert report.plan.complete, report.problems
        assert done(report) == ["suspend"]


@pytest.mark.parametrize("form", ["string", "list", "object", "wrapper", "absent", "null"])
@pytest.mark.parametrize("action", LISTS[:5] + LISTS[6:])
def test_an_empty_list_that_should_not_be_is_not_believed(action: str, form: str) -> None:
    """cloud-custodian deleted what an empty answer did not show; the count beside the list tells the lie."""
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        house.pass_days()
        house.world.touch(house.world.invoices[12])
        house.faults(Fault(action, faults.Kind.EMPTY_LIST, count=ALWAYS, text=form))
        report = house.sync()
        assert report.problems
        assert house.events("module:") == []
        assert house.events("service:status") == []


@pytest.mark.parametrize("kind", [faults.Kind.ROW_INSERTED, faults.Kind.ROW_REMOVED, faults.Kind.ROW_MOVED])
@pytest.mark.parametrize("action", ["GetClientsProducts", "GetInvoices", "GetClients"])
@pytest.mark.parametrize("page_size", [2, 4])
def test_rows_that_move_between_pages_are_read_or_the_snapshot_says_no(
    page_size: int, action: str, kind: faults.Kind
) -> None:
    """Complete means every row; a debtor whose row moved is never lost in a snapshot that calls itself complete."""
    with a_house_with_debt(page_size) as house:
        house.faults(Fault(action, kind, nth=3))
        report = house.sync()
        info = house.bridge.mirror.last()
        assert info is not None
        if kind is not faults.Kind.ROW_REMOVED and report.plan.complete:
            assert (info.clients, info.services, info.open_invoices) == (12, 12, 12)
        assert report.plan.complete or house.events("module:suspend") == []


@pytest.mark.parametrize("kind", [faults.Kind.SINGLE_OBJECT, faults.Kind.NUMERIC_KEYS, faults.Kind.JUNK_BEFORE_JSON])
def test_odd_shapes_of_the_same_list_change_nothing(kind: faults.Kind) -> None:
    with a_house_with_debt() as house:
        house.faults(Fault("Get*", kind, count=ALWAYS))
        assert done(house.sync()) == ["suspend"]


@pytest.mark.parametrize("action", LISTS)
def test_a_role_that_lacks_an_action_ends_the_run_before_any_step(action: str) -> None:
    """A denied action is no trouble of the line: the run ends with the error that names it."""
    with a_house_with_debt() as house:
        house.bridge.snapshot()
        house.pass_days()
        house.world.touch(house.world.invoices[12])
        house.faults(Fault(action, faults.Kind.DENIED, count=ALWAYS))
        if action == "GetInvoice":
            report = house.sync()
            assert any(action.lower() in problem.lower() for problem in report.problems)
        else:
            with pytest.raises(AccessRefused, match=f"(?i){action}"):
                house.sync()
            assert house.bridge.journal.runs()[0].outcome == "failed"
        assert house.events("module:") == []


def test_an_incomplete_snapshot_still_lifts_a_paid_suspension() -> None:
    """Gaps hold what harms, never what is owed to a client who has paid."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.pass_days()
        house.faults(Fault("GetClientsAddons", faults.Kind.HTTP_500, count=1, nth=1))
        house.faults(Fault("GetProducts", faults.Kind.HTML_200, count=ALWAYS, text=PAGE))
        report = house.sync()
        assert not report.plan.complete
        assert results(report, Kind.UNSUSPEND) == [("unsuspend", "done")]
        assert service.status == "Active"


def test_a_service_missing_from_a_complete_list_is_reported_and_left_alone() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.pass_days(2)
        house.world.delete_service(service)
        report = house.sync()
        assert house.events("module:") == []
        assert done(report) == []
        assert "missing" in house.task_codes()


def test_a_payment_on_its_way_is_seen_from_the_list() -> None:
    """Payment Pending holds the suspension for its clearing days."""
    with House.of({"class": {"hosting": HOSTING}, "calendar": {"clearing_bank_days": {"banktransfer": 2}}}) as house:
        _, service, invoice = house.a_debtor(overdue=1)
        house.sync()
        house.pass_days(1)
        payment_pending(house.world, invoice)
        house.next_day()
        assert service.status == "Active"
