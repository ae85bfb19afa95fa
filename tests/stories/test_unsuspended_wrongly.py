"""What put others back on too early, or never. Numbers are those of docs/reference/failure-stories.md."""

from itertools import permutations

import pytest

from tests.house import HOSTING, WARNED, House, client_id, done, results, service_id
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.automation import add_late_fee, reverse_payment
from whmcs_bridge.simulator.records import Actor


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_service_stays_down_until_everything_is_paid_in_any_order(order: tuple[int, ...]) -> None:
    """Stories 25, 26 and 27: three invoices; neither the last row nor the oldest one decides."""
    with House.of() as house:
        _, service, first = house.a_debtor(overdue=3)
        invoices = [first, house.an_invoice(service, due=-2), house.an_invoice(service, due=-1)]
        house.sync()
        assert service.status == "Suspended"
        for number in order[:-1]:
            house.pay(invoices[number])
            house.bridge.reevaluate(client_id(house.world.clients[service.client]), "InvoicePaid")
            house.next_day()
            assert service.status == "Suspended"
        house.pay(invoices[order[-1]])
        house.next_day()
        assert service.status == "Active"


@pytest.mark.parametrize(
    ("counts", "status"), [(["service", "addon", "overage"], "Active"), (["service", "addon", "fee"], "Suspended")]
)
def test_a_late_fee_left_open_holds_a_release_only_by_rule(counts: list[str], status: str) -> None:
    """Story 28: the service is paid, the fee is not."""
    with House.of({"policy": {"release_counts": counts}, "class": {"hosting": HOSTING}}) as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        add_late_fee(house.world, invoice, 250)
        house.pay(invoice, 1000)
        house.next_day()
        assert service.status == status


def test_a_suspension_for_abuse_is_neither_lifted_by_a_payment_nor_ended_by_the_debt() -> None:
    """Story 29: foreign reasons are never touched, whatever is owed and whatever is paid."""
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=3)
        with house.world.acting(Actor.ADMIN):
            modules.run_module(house.world, service, modules.SUSPEND, reason="abuse")
        house.next_day(30)
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        house.next_day(3)
        assert (service.status, service.suspend_reason) == ("Suspended", "abuse")
        assert house.events("module:", service=service, actor="api") == []


def test_a_staff_reason_added_to_ours_keeps_the_service_down() -> None:
    """Story 29: payment lifts only ours."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        service.suspend_reason += "; phishing, see ticket 12"
        house.pay(invoice)
        house.next_day(3)
        assert service.status == "Suspended"


def test_a_release_that_never_reaches_the_panel_is_tried_again_and_shown() -> None:
    """Story 31: paid, and the control panel is out of order for three days."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.world.failing_services[service.id] = "connection timed out"
        for _ in range(3):
            report = house.next_day()
            assert results(report, Kind.UNSUSPEND) == [("unsuspend", "failed")]
        assert "module-failed:unsuspend" in house.task_codes()
        house.world.failing_services.clear()
        assert done(house.next_day()) == ["unsuspend"]


def test_an_invoice_that_is_said_to_be_paid_and_is_not_releases_nothing() -> None:
    """Story 32: mark-as-paid did not mark; the event is no evidence, the invoice is."""
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        house.next_day()
        assert (invoice.status, service.status) == ("Unpaid", "Suspended")


def test_a_payment_that_was_taken_back_goes_on_where_it_was_without_new_days_of_grace() -> None:
    """Story 33: released on payment, charged back a week later: the old due date counts at the next sync."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.next_day()
        assert service.status == "Active"
        house.next_day(7)
        reverse_payment(house.world, invoice)
        assert done(house.next_day()) == ["suspend"]


def test_a_payment_that_was_taken_back_goes_one_stage_a_day() -> None:
    """Story 33: where a warning comes first, it comes first again."""
    with House.of({"class": {"hosting": WARNED}}) as house:
        _, service, invoice = house.a_debtor()
        house.next_day(3)
        house.pay(invoice)
        house.next_day(4)
        reverse_payment(house.world, invoice)
        assert done(house.next_day()) == ["suspension-warning"]
        assert done(house.next_day()) == ["suspend"]
        assert service.status == "Suspended"


def test_a_trust_release_ends_by_itself() -> None:
    """Story 34: released for three days on the word of the client, and forgotten by everyone."""
    with House.of() as house:
        client, service, _ = house.a_debtor(overdue=3)
        house.sync()
        release = Record(
            0,
            RecordKind.RELEASE,
            RecordState.OPEN,
            "Ann",
            "showed a receipt",
            house.today,
            house.today,
            house.day(3),
            client_id=client_id(client),
            service_id=service_id(service),
        )
        house.bridge.record(release, override=True)
        assert service.status == "Active"
        house.next_day(3)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


def test_catch_up_invoices_made_on_reactivation_suspend_nobody_again() -> None:
    """Story 35: the invoices of the months that were skipped are made today with due dates in the past."""
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=40)
        house.sync()
        assert service.status == "Suspended"
        house.pass_days()
        house.pay(invoice)
        for ago in (30, 1):
            house.an_invoice(service, due=-ago, made=0)
        house.sync()
        house.bridge.reevaluate(client_id(client), "InvoiceCreated")
        assert service.status == "Active"
        house.next_day(2)
        assert service.status == "Active"


def test_a_service_that_was_released_is_not_ended_by_what_was_due_before() -> None:
    """Story 36: the end was due today; the client paid a second before."""
    with House.of() as house:
        _, service, invoice = house.a_debtor()
        house.next_day(14)
        house.pass_days()
        assert [s.kind for s in house.bridge.plan().steps] == [Kind.TERMINATE]
        house.pay(invoice)
        assert done(house.sync()) == ["unsuspend"]
        house.next_day(20)
        assert service.status == "Active"
