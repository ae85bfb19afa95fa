"""Leaving strands nobody: what we suspended is WHMCS's own again, and who has paid is up."""

from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, House, service_id
from whmcs_bridge.errors import AccessRefused, IncompleteList
from whmcs_bridge.jobs.hand_back import HandBack
from whmcs_bridge.jobs.pause import pause_stop
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Invoice, Service


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with House.of(folder=tmp_path) as house:
        house.world.settings["AutoUnsuspend"] = "on"
        yield house


def a_service_down(house: House) -> tuple[Service, Invoice]:
    _, service, invoice = house.a_debtor(overdue=10)
    house.sync()
    assert service.suspend_reason == f"Overdue: invoice {invoice.id} [whmcs-bridge]"
    return service, invoice


def left(found: HandBack) -> set[str]:
    return {one.code for one in found.left if one.code not in ("suspension-off", "vip")}


def test_a_handed_back_service_comes_up_by_whmcs_itself_when_paid(house: House) -> None:
    """Facts sheet 10.3 U3: WHMCS lifts a suspension with a blank reason, and no other."""
    service, invoice = a_service_down(house)
    found = house.bridge.hand_back(by="ana")
    assert (found.exit_code, found.summary()) == (0, "0 released, 1 handed back")
    assert (service.status, service.suspend_reason) == ("Suspended", "")
    assert left(found) == set()
    house.pay(invoice)
    assert service.status == "Active"
    assert house.events("module:unsuspend", service=service)[-1].actor != "api"


def test_the_journal_has_each_service_with_who_did_it_and_what_was_there(house: House) -> None:
    service, _ = a_service_down(house)
    house.bridge.hand_back(by="ana")
    (entry,) = house.bridge.journal.steps(kind="hand_back")
    assert (entry.state, entry.actor, entry.step.service) == (StepState.DONE, "ana", service.id)
    assert "[whmcs-bridge]" in entry.note
    run = house.bridge.journal.runs(1, "hand-back")[0]
    assert (run.job, run.outcome) == ("hand-back", "ok")


def test_who_has_paid_is_released_first_and_not_handed_back(house: House) -> None:
    service, invoice = a_service_down(house)
    house.pay(invoice)
    assert service.status == "Suspended"
    found = house.bridge.hand_back(by="ana")
    assert [s.kind for s in found.releases] == [Kind.UNSUSPEND]
    assert found.blanks == ()
    assert service.status == "Active"


def test_shadow_mode_does_not_keep_a_person_from_leaving(house: House) -> None:
    """It holds back what the bridge does by itself; this is what a person asked for."""
    service, _ = a_service_down(house)
    house.enforcing(False)
    assert house.bridge.hand_back(by="ana").exit_code == 0
    assert service.suspend_reason == ""


@pytest.mark.parametrize("refused", [False, True], ids=["dry-run", "not-agreed"])
def test_looking_changes_nothing(house: House, refused: bool) -> None:
    service, _ = a_service_down(house)
    before, runs = len(house.world.log), len(house.bridge.journal.runs())
    found = house.bridge.hand_back(by="ana", dry_run=not refused, agree=lambda _: False)
    assert [s.service for s in found.blanks] == [service.id]
    assert found.exit_code == int(refused)
    assert house.world.log[before:] == []
    assert len(house.bridge.journal.runs()) == runs
    assert pause_stop(house.bridge.ports) is None


def test_a_forgotten_timer_finds_a_pause_and_harms_nobody(house: House) -> None:
    service, _ = a_service_down(house)
    found = house.bridge.hand_back(by="ana")
    assert found.paused.startswith("paused by ana")
    debtor = house.a_debtor(overdue=20)[1]
    for _ in range(3):
        house.next_day(10)
    assert (service.status, service.suspend_reason, debtor.status) == ("Suspended", "", "Active")


def test_a_book_that_was_not_read_whole_hands_nobody_back(house: House) -> None:
    service, _ = a_service_down(house)
    house.faults(Fault("GetInvoices", faults.Kind.HTTP_500, count=0))
    with pytest.raises(IncompleteList, match="nothing was handed back"):
        house.bridge.hand_back(by="ana")
    house.faults(Fault("*", faults.Kind.BAD_CREDENTIALS, count=0))
    with pytest.raises(AccessRefused):
        house.bridge.hand_back(by="ana")
    assert service.suspend_reason
    assert pause_stop(house.bridge.ports) is None


def test_what_staff_and_whmcs_suspended_stays_as_it_is(house: House) -> None:
    spam = house.a_service(status="Suspended", suspend_reason="sends spam")
    blank = house.a_service(status="Suspended")
    found = house.bridge.hand_back(by="ana")
    assert (found.releases, found.blanks) == ((), ())
    assert (spam.suspend_reason, blank.suspend_reason) == ("sends spam", "")


LOST = [
    pytest.param(faults.Kind.TIMEOUT_AFTER, True, id="timeout-after-the-effect"),
    pytest.param(faults.Kind.TIMEOUT_BEFORE, False, id="timeout-before-the-effect"),
]


@pytest.mark.parametrize(("trouble", "took_effect"), LOST)
@pytest.mark.parametrize("then", ["hand-back", "sync"])
def test_a_lost_answer_is_settled_by_reading(house: House, trouble: faults.Kind, took_effect: bool, then: str) -> None:
    """Handed back again, or found by a sync: what took effect is done, what did not is not, and nothing is doubled."""
    service, _ = a_service_down(house)
    house.faults(Fault("UpdateClientProduct", trouble, effect=took_effect, nth=2))
    found = house.bridge.hand_back(by="ana")
    assert [r.state for r in found.results] == [StepState.UNKNOWN]
    assert found.exit_code == 1
    assert len(house.bridge.journal.open_steps()) == 1
    house.faults()
    again = house.bridge.hand_back(by="ana") if then == "hand-back" else house.sync()
    first = house.bridge.journal.steps(kind="hand_back")[-1]
    assert first.state is (StepState.DONE if took_effect else StepState.FAILED)
    assert house.bridge.journal.open_steps() == []
    if then == "hand-back":
        assert isinstance(again, HandBack)
        assert len(again.blanks) == (0 if took_effect else 1)
        assert service.suspend_reason == ""


def test_one_that_cannot_be_handed_back_stops_no_other(house: House) -> None:
    first, _ = a_service_down(house)
    second, _ = a_service_down(house)
    house.faults(Fault("UpdateClientProduct", faults.Kind.ERROR))
    found = house.bridge.hand_back(by="ana")
    assert [r.state for r in found.results] == [StepState.FAILED, StepState.DONE]
    assert (bool(first.suspend_reason), second.suspend_reason) == (True, "")
    house.faults()
    assert house.bridge.hand_back(by="ana").exit_code == 0
    assert first.suspend_reason == ""


def on_the_call(house: House, action: str, act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen in WHMCS just before it carries out the next call of this action."""
    send, waiting = house.adapter.send, [act]

    def watched(request: Any, *args: Any, **more: Any) -> Any:
        if f"action={action}&" in str(request.body) and waiting:
            waiting.pop()()
        return send(request, *args, **more)

    monkeypatch.setattr(house.adapter, "send", watched)


def test_a_payment_in_the_very_moment_strands_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paid between our look and the blank: WHMCS saw our reason and lifted nothing, so we do."""
    service, invoice = a_service_down(house)
    on_the_call(house, "UpdateClientProduct", lambda: house.pay(invoice), monkeypatch)
    found = house.bridge.hand_back(by="ana")
    assert service.status == "Active"
    assert [(r.step.kind, r.state) for r in found.results] == [
        (Kind.HAND_BACK, StepState.DONE),
        (Kind.UNSUSPEND, StepState.DONE),
    ]


def test_a_payment_after_the_snapshot_is_a_release(house: House) -> None:
    service, invoice = a_service_down(house)

    def pay(_: HandBack) -> bool:
        house.pay(invoice)
        return True

    found = house.bridge.hand_back(by="ana", agree=pay)
    assert [r.step.kind for r in found.results] == [Kind.UNSUSPEND]
    assert service.status == "Active"


def test_what_staff_took_over_after_the_snapshot_is_left_to_them(house: House) -> None:
    service, _ = a_service_down(house)

    def staff(_: HandBack) -> bool:
        service.suspend_reason = "abuse"
        return True

    found = house.bridge.hand_back(by="ana", agree=staff)
    assert [r.state for r in found.results] == [StepState.SKIPPED]
    assert (service.suspend_reason, found.exit_code) == ("abuse", 0)


def test_a_run_that_enforces_again_counts_from_the_day_it_found_the_service(house: House) -> None:
    """Handed back and taken up again weeks later: WHMCS's own suspension then, with a waiting time of its own."""
    service, _ = a_service_down(house)
    house.bridge.hand_back(by="ana")
    assert house.case(service).suspended_on is None
    house.bridge.end_pause()
    house.pass_days(40)
    house.sync(accept_sanity=["long-gap"])
    case = house.case(service)
    assert (case.adoption, case.adopted_on, case.suspended_on) == ("whmcs", house.today, None)
    assert service.status == "Suspended"


def test_what_whmcs_cannot_take_over_is_named() -> None:
    """Unsuspension off, no module, several invoices, debt that does not bill the service, an addon we set down."""
    rules = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({"class": {"hosting": {**rules, "scope": "client"}}}) as house:
        by_hand = house.a_service(product=4)
        house.an_invoice(by_hand, due=-10)
        twice = house.a_service()
        house.an_invoice(twice, due=-10)
        house.an_invoice(twice, due=-9)
        owner = house.a_client()
        not_billed, other = house.a_service(owner), house.a_service(owner)
        house.an_invoice(other, due=-10)
        house.sync()
        found = house.bridge.hand_back(by="ana", dry_run=True)
        codes = {(one.code, one.service) for one in found.left}
        assert ("unsuspend-off", None) in codes
        assert {("no-module", by_hand.id), ("several", twice.id), ("not-billed", not_billed.id)} <= codes
        assert not {(code, service) for code, service in codes if service == other.id}


def test_addons_that_we_set_down_are_named() -> None:
    with House.of({"class": {"hosting": {**HOSTING, "overdue_addon_suspends": "addon"}}}) as house:
        service = house.a_service()
        addon = house.an_addon(service)
        house.an_invoice(service, due=-10, lines=[("Addon", addon.id, 300)])
        house.sync()
        assert addon.status == "Suspended"
        found = house.bridge.hand_back(by="ana", dry_run=True)
        assert [(x.service, f"addon {addon.id} " in x.text) for x in found.left if x.code == "addon"] == [
            (service.id, True)
        ]


def test_a_reason_that_somebody_added_to_is_theirs(house: House) -> None:
    service, _ = a_service_down(house)
    service.suspend_reason += " and abuse"
    found = house.bridge.hand_back(by="ana")
    assert [(x.code, x.service) for x in found.left if x.service] == [("other-words", service.id)]
    assert service.suspend_reason.endswith("and abuse")


def test_clients_outside_the_first_few_are_handed_back_too(house: House) -> None:
    """`adopt --only` narrows what the bridge begins; leaving concerns everybody whom it ever suspended."""
    service, _ = a_service_down(house)
    other = house.a_client()
    house.sync()
    house.bridge.enforce_only([], [other.id], "ana")  # type: ignore[list-item]
    house.bridge.hand_back(by="ana")
    assert service.suspend_reason == ""
    assert house.bridge.journal.steps(service=service_id(service))[0].step.kind is Kind.HAND_BACK


def test_it_ends_after_the_step_in_hand_and_goes_on_with_the_next_run(house: House) -> None:
    first, _ = a_service_down(house)
    second, _ = a_service_down(house)
    stopping = house.bridge.ports.stopping

    def signalled(_: HandBack) -> bool:
        stopping.asked = True
        return True

    found = house.bridge.hand_back(by="ana", agree=signalled)
    assert (found.outcome, found.exit_code, found.results) == ("interrupted", 1, [])
    stopping.asked = False
    assert house.bridge.hand_back(by="ana").exit_code == 0
    assert (first.suspend_reason, second.suspend_reason) == ("", "")


def test_a_server_that_fails_throughout_ends_it_early(house: House) -> None:
    """Twelve services, and WHMCS refuses each: the breaker opens long before the last."""
    services = [house.a_debtor(overdue=10)[1] for _ in range(12)]
    house.sync()
    house.faults(Fault("UpdateClientProduct", faults.Kind.ERROR, count=0))
    found = house.bridge.hand_back(by="ana")
    assert "broke off" in found.broken_off
    assert 0 < len(found.results) < len(services)
    assert all(service.suspend_reason for service in services)
