"""A run is taken back as far as the world allows, and what cannot be is said."""

from datetime import date
from typing import Any

import pytest

from tests.house import HOSTING, House, client_id, results, service_id
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.jobs.undo import Undo
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Client, Service

ENDS = {"class": {"hosting": HOSTING}, "approval": {"terminate": "automatic"}}
VIP = {**ENDS, "vip": {"group": "VIP", "min_tenure_months": 1, "exempt_max_days": 0}}


@pytest.fixture
def house() -> Any:
    with House.of(ENDS) as house:
        yield house


def planned(house: House, run: int, days: int = 3, **more: Any) -> Undo:
    return house.bridge.plan_undo(run, by="ana", reason="wrong settings", days=days, **more)


def undone(house: House, run: int, **more: Any) -> RunReport:
    return house.bridge.apply(planned(house, run, **more).plan.fingerprint)


def stays(undo: Undo) -> dict[str, str]:
    """Kind of each step that stays -> why."""
    return {one.step.kind.value: one.why for one in undo.stays}


def status_tomorrow(house: House, service: Service) -> str:
    house.next_day()
    return service.status


def a_suspending_run(house: House, debtors: int = 1) -> tuple[int, list[Any]]:
    found = [house.a_debtor(overdue=5) for _ in range(debtors)]
    return house.sync().run, found


# --- suspensions ----------------------------------------------------------------------------------


def test_services_come_back_with_an_apology_and_stay_up_until_the_day_named(house: House) -> None:
    run, [(client, service, _)] = a_suspending_run(house)
    report = undone(house, run, apologise=True)
    assert results(report) == [("notice", "done"), ("unsuspend", "done")]
    assert len(house.mails(client, "apologies")) == 1
    assert [status_tomorrow(house, service) for _ in range(4)] == ["Active"] * 3 + ["Suspended"]
    assert len(house.mails(client, "apologies")) == 1


def test_the_case_begins_anew_and_no_release_counts_against_the_client(house: House) -> None:
    run, [(_, service, _)] = a_suspending_run(house)
    undone(house, run, days=1)
    assert [r.kind for r in house.bridge.journal.records()] == [RecordKind.HOLD]
    house.next_day(2)
    assert (service.status, house.case(service).suspended_on) == ("Suspended", house.today)


def test_without_days_the_next_run_does_what_the_rules_say(house: House) -> None:
    run, [(_, service, _)] = a_suspending_run(house)
    undone(house, run, days=0)
    assert (service.status, house.bridge.journal.records()) == ("Active", [])
    assert status_tomorrow(house, service) == "Suspended"


def test_settings_that_were_mended_need_no_days(house: House) -> None:
    run, [(_, service, _)] = a_suspending_run(house)
    house.reconfigure({**ENDS, "class": {"hosting": {**HOSTING, "suspend_after_days": 10}}})
    undone(house, run, days=0)
    house.next_day(2)
    assert service.status == "Active"


def test_who_has_paid_since_comes_back_as_anybody_who_pays(house: House) -> None:
    run, [(_, service, invoice)] = a_suspending_run(house)
    house.pay(invoice)
    assert results(undone(house, run)) == [("unsuspend", "done")]
    assert (service.status, house.bridge.journal.records()) == ("Active", [])


def test_what_staff_has_done_since_is_left_alone(house: House) -> None:
    run, found = a_suspending_run(house, 3)
    lifted, reworded, moved_on = (service for _, service, _ in found)
    lifted.status, lifted.suspend_reason = "Active", ""
    reworded.suspend_reason = "phishing"
    moved_on.status = "Terminated"
    undo = planned(house, run)
    assert undo.plan.steps == ()
    assert [one.why for one in undo.stays] == [
        "it is up already",
        "it was not suspended for debt (phishing)",
        "it is Terminated: nothing to unsuspend",
    ]


def test_a_suspension_of_a_later_run_is_not_lifted(house: House) -> None:
    first, [(_, service, invoice)] = a_suspending_run(house)
    house.pay(invoice)
    house.next_day()
    house.an_invoice(service, due=-5)
    later = house.next_day()
    assert service.status == "Suspended"
    undo = planned(house, first)
    assert undo.plan.steps == ()
    assert [one.why for one in undo.stays if one.step.kind is Kind.SUSPEND] == [
        f"run {later.run} took another step since: suspend"
    ]


def test_a_suspension_by_hand_is_taken_back_while_its_words_stand(house: House) -> None:
    one, other = house.a_service(), house.a_service()
    house.sync()
    services = [service_id(one), service_id(other)]
    plan = house.bridge.plan_by_hand(Kind.SUSPEND, services, ByHand("ana", "spam", staffs=True))
    run = house.bridge.apply(plan.fingerprint).run
    other.suspend_reason = "spam, and phishing"
    report = undone(house, run)
    assert results(report) == [("unsuspend", "done")]
    assert (one.status, other.status) == ("Active", "Suspended")


def test_an_undo_can_be_undone_and_asks_again_what_is_owed(house: House) -> None:
    run, found = a_suspending_run(house, 2)
    back = undone(house, run, days=0)
    house.pay(found[0][2])
    house.pass_days()
    undo = planned(house, back.run)
    assert [step.service for step in undo.plan.steps] == [found[1][1].id]
    assert "nothing that counts is owed" in stays(undo)["unsuspend"]
    house.bridge.apply(undo.plan.fingerprint)
    assert [service.status for _, service, _ in found] == ["Active", "Suspended"]


# --- releases, groups, addons ---------------------------------------------------------------------


def test_who_was_released_and_owes_goes_down_again_and_nobody_else(house: House) -> None:
    _, [(_, wrong, one), (_, right, two)] = a_suspending_run(house, 2)
    house.pay(one)
    house.pay(two)
    run = house.next_day().run
    assert (wrong.status, right.status) == ("Active", "Active")
    house.pass_days()
    house.an_invoice(wrong, due=-5)
    report = undone(house, run)
    assert results(report, Kind.SUSPEND) == [("suspend", "done")]
    assert (wrong.status, right.status) == ("Suspended", "Active")


def test_a_group_is_put_back_and_the_next_run_respects_it() -> None:
    with House.of(VIP) as house:
        client = house.a_client(group=0, created=date(2020, 1, 1))
        house.a_service(client)
        run = house.sync().run
        assert client.group == 1
        assert results(undone(house, run)) == [("vip_remove", "done")]
        assert client.group == 0
        house.next_day(3)
        assert client.group == 0


def a_member(house: House) -> tuple[Client, Any]:
    client = house.a_client(group=1, created=date(2020, 1, 1))
    service = house.a_service(client)
    house.sync()
    return client, house.an_invoice(service, due=-1)


def test_who_left_the_group_comes_back_into_it_unless_overdue() -> None:
    with House.of(VIP) as house:
        client, invoice = a_member(house)
        run = house.next_day().run
        assert client.group == 0
        undo = planned(house, run)
        assert stays(undo)["vip_remove"] == "the client is overdue, and no member before that is paid"
        house.pay(invoice)
        assert results(undone(house, run)) == [("vip_add", "done")]
        assert client.group == 1


def test_a_group_that_staff_has_set_since_stays() -> None:
    with House.of(VIP) as house:
        client = house.a_client(group=0, created=date(2020, 1, 1))
        house.a_service(client)
        run = house.sync().run
        client.group = 3
        undo = planned(house, run)
        assert (undo.plan.steps, stays(undo)["vip_add"]) == ((), "the client's group is 3 by now, not 1")


def test_an_addon_that_was_set_down_comes_up(house: House) -> None:
    hosting = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({**ENDS, "class": {"hosting": hosting}}) as house:
        service = house.a_service()
        addon = house.an_addon(service)
        house.an_invoice(service, due=-5, lines=[("Addon", addon.id, 300)])
        run = house.sync().run
        assert addon.status == "Suspended"
        assert results(undone(house, run)) == [("unsuspend_addon", "done")]
        assert addon.status == "Active"
        house.next_day(3)
        assert addon.status == "Active"


# --- what cannot be taken back --------------------------------------------------------------------


def test_ends_and_mails_stay_and_each_says_what_can_be_done() -> None:
    hosting = {**HOSTING, "on_end_message": "service-ended", "terminate_after_days": 5, "final_warning_days": 1}
    with House.of({**ENDS, "class": {"hosting": hosting}}) as house:
        _, service, _ = house.a_debtor(overdue=9)
        house.sync()
        while service.status != "Terminated":
            run = house.next_day().run
        undo = planned(house, run)
        assert undo.plan.steps == ()
        assert stays(undo) == {"notice": "the mail is out", "terminate": "an end cannot be taken back"}
        assert any("backup" in one.todo for one in undo.stays)


def test_a_run_that_is_unknown_or_did_nothing_is_one_line(house: House) -> None:
    run = house.sync().run
    with pytest.raises(UnknownId, match="no run 99"):
        planned(house, 99)
    with pytest.raises(UsageProblem, match=f"run {run} .* did nothing"):
        planned(house, run)


# --- twice, and cut short -------------------------------------------------------------------------


def test_twice_does_nothing_twice(house: House) -> None:
    run, found = a_suspending_run(house, 2)
    undone(house, run, apologise=True)
    undo = planned(house, run)
    assert undo.plan.steps == ()
    assert len(house.events("module:unsuspend")) == 2
    assert len(house.bridge.journal.records()) == 2
    assert all(service.status == "Active" for _, service, _ in found)


def test_one_that_fails_stops_no_other_and_is_tried_again(house: House) -> None:
    run, _ = a_suspending_run(house, 3)
    house.faults(Fault("ModuleUnsuspend", faults.Kind.TIMEOUT_BEFORE, count=1))
    report = undone(house, run)
    assert sorted(state for _, state in results(report)) == ["done", "done", "unknown"]
    house.faults()
    assert results(undone(house, run)) == [("unsuspend", "done")]
    assert {e.state for e in house.bridge.journal.steps(kind="unsuspend")} == {StepState.DONE, StepState.FAILED}


def test_a_pause_holds_no_service_down(house: House) -> None:
    run, [(_, service, _)] = a_suspending_run(house)
    house.bridge.pause(reason="something is wrong")
    assert undone(house, run).exit_code == 0
    assert service.status == "Active"


def test_shadow_mode_takes_nothing_back(house: House) -> None:
    run, [(_, service, _)] = a_suspending_run(house)
    house.enforcing(False)
    undo = planned(house, run)
    with pytest.raises(UsageProblem, match="mode is shadow"):
        house.bridge.apply(undo.plan.fingerprint)
    assert service.status == "Suspended"


def test_the_journal_tells_who_took_which_run_back(house: House) -> None:
    run, [(client, _, _)] = a_suspending_run(house)
    undone(house, run)
    info = house.bridge.journal.runs(1)[0]
    assert (info.job, info.outcome) == ("undo", "ok")
    assert info.summary == f"undo of run {run}, ana: wrong settings: 1 unsuspend done"
    (step,) = house.bridge.journal.steps(client=client_id(client), kind="unsuspend")
    assert step.step.reason == f"undo of run {run}: ana: wrong settings"
