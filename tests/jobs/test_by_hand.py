"""What staff asks for by hand: the same checks as a run's, and nothing done by halves."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, results, service_id
from whmcs_bridge.domain.ids import InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import StalePlan, UnknownId, UsageProblem
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Service

ENDS = {"class": {"hosting": HOSTING}, "approval": {"terminate": "automatic"}}


@pytest.fixture
def house() -> Any:
    with House.of(ENDS) as house:
        yield house


def planned(house: House, kind: Kind, *services: Service, reason: str = "asked for", **more: Any) -> Plan:
    asked = ByHand("ana", reason, **more)
    return house.bridge.plan_by_hand(kind, [service_id(s) for s in services], asked)


def act(house: House, kind: Kind, *services: Service, **more: Any) -> RunReport:
    return house.bridge.apply(planned(house, kind, *services, **more).fingerprint)


def codes(plan: Plan) -> list[str]:
    return [held.withheld.code for held in plan.withheld]


def why(plan: Plan) -> str:
    return "; ".join(held.withheld.why for held in plan.withheld)


def a_record(house: House, service: Service, kind: RecordKind, days: int = 9) -> Record:
    today = house.today
    return Record(
        id=0,
        kind=kind,
        state=RecordState.OPEN,
        author="ana",
        reason="a reason",
        made_on=today,
        since=today,
        until=today + timedelta(days=days),
        client_id=house.bridge.mirror.book_of_service(service_id(service)).client.id,  # type: ignore[union-attr]
        service_id=service_id(service),
        sort="legal",
    )


def a_hold(house: House, service: Service, kind: RecordKind = RecordKind.HOLD, days: int = 9) -> Record:
    return house.bridge.journal.add_record(a_record(house, service, kind, days))


# --- down for abuse -------------------------------------------------------------------------------


def test_a_suspension_for_abuse_has_the_staffs_words_and_no_payment_lifts_it(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    report = act(house, Kind.SUSPEND, service, reason="phishing", staffs=True)
    assert (results(report), report.exit_code) == ([("suspend", "done")], 0)
    assert (service.status, service.suspend_reason) == ("Suspended", "phishing")
    house.pay(invoice)
    house.next_day(20)
    assert (service.status, service.suspend_reason) == ("Suspended", "phishing")


def test_the_next_run_takes_nobody_else_for_the_author(house: House) -> None:
    service = house.a_service()
    house.sync()
    act(house, Kind.SUSPEND, service, reason="phishing", staffs=True)
    house.next_day()
    assert house.bridge.journal.foreign_acts(house.day(-3)) == []
    (step,) = house.bridge.journal.steps(kind="suspend")
    assert (step.step.reason, step.note) == ("ana: phishing", "Suspended: phishing")


def test_abuse_waits_for_no_quiet_day_and_no_act_hours_but_for_a_pause() -> None:
    calendar = {"quiet_days": ["monday"], "act_hours": "01:00-02:00"}
    with House.of({**ENDS, "calendar": calendar}) as house:
        first, second = house.a_service(), house.a_service()
        house.sync()
        assert results(act(house, Kind.SUSPEND, first, staffs=True)) == [("suspend", "done")]
        house.bridge.pause(reason="a look")
        report = act(house, Kind.SUSPEND, second, staffs=True)
        assert (report.results, report.exit_code, second.status) == ([], 3, "Active")
        assert "pause --off" in report.plan.stops[0].way_past


def test_a_legal_hold_and_the_day_s_one_act_hold_abuse_too(house: House) -> None:
    held = house.a_service()
    _, twice, invoice = house.a_debtor(overdue=3)
    house.sync()
    a_hold(house, held)
    house.pay(invoice)
    house.bridge.reevaluate(house.bridge.mirror.book_of_service(service_id(twice)).client.id, "paid")  # type: ignore[union-attr]
    assert twice.status == "Active"
    plan = planned(house, Kind.SUSPEND, held, twice, staffs=True)
    assert (plan.steps, codes(plan)) == ((), ["hold", "acted-today"])


def test_a_pause_that_comes_between_two_steps_leaves_the_rest(house: House) -> None:
    services = [house.a_service() for _ in range(3)]
    house.sync()
    plan = planned(house, Kind.SUSPEND, *services, staffs=True)
    begun = house.bridge.journal.begin

    def pausing(*args: Any, **more: Any) -> int:
        number = begun(*args, **more)
        house.bridge.pause(reason="wait")
        return number

    house.bridge.journal.begin = pausing  # type: ignore[method-assign]
    report = house.bridge.apply(plan.fingerprint)
    assert (results(report), len(report.left), report.exit_code) == ([("suspend", "done")], 2, 3)


# --- down for debt --------------------------------------------------------------------------------


def test_for_debt_it_is_ours_and_comes_back_when_paid(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    assert codes(planned(house, Kind.SUSPEND, service)) == ["early"]
    report = act(house, Kind.SUSPEND, service, early=True)
    assert results(report) == [("suspend", "done")]
    assert service.suspend_reason == f"Overdue: invoice {invoice.id} [whmcs-bridge]"
    assert house.case(service).suspended_on == house.today
    house.pay(invoice)
    house.next_day()
    assert service.status == "Active"


def test_without_a_debt_that_counts_nobody_goes_down_for_it(house: House) -> None:
    client = house.a_client()
    nothing, soon = house.a_service(client), house.a_service()
    house.an_invoice(soon, due=2)
    no_class = house.a_service(product=2)
    house.an_invoice(no_class, due=-9)
    house.sync()
    plan = planned(house, Kind.SUSPEND, nothing, soon, no_class, early=True)
    assert (plan.steps, codes(plan)) == ((), ["no-debt", "no-debt", "no-class"])
    assert "not overdue before" in why(plan)


@pytest.mark.parametrize("protection", ["promise", "override", "exempt", "credit", "quiet", "clearing"])
def test_what_protects_from_the_rules_protects_from_a_person(protection: str) -> None:
    calendar: dict[str, Any] = {"quiet_days": ["monday"]} if protection == "quiet" else {}
    if protection == "clearing":
        calendar = {"clearing_bank_days": {"boleto": 5}}
    with House.of({**ENDS, "calendar": calendar}) as house:
        group = 2 if protection == "exempt" else 0
        client = house.a_client(group=group, credit=5000 if protection == "credit" else 0)
        service = house.a_service(client, override=protection == "override")
        gateway: dict[str, Any] = {"gateway": "boleto"} if protection == "clearing" else {}
        house.an_invoice(service, due=-4 if gateway else -2, **gateway)
        house.sync()
        if protection == "promise":
            a_hold(house, service, RecordKind.PROMISE)
        plan = planned(house, Kind.SUSPEND, service, early=True)
        assert plan.steps == ()
        wanted = {"exempt": "exempt-group", "quiet": "quiet-day"}.get(protection, protection)
        assert wanted in codes(plan)


def test_who_pays_after_the_plan_is_left_alone(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    plan = planned(house, Kind.SUSPEND, service, early=True)
    house.pay(invoice)
    report = house.bridge.apply(plan.fingerprint)
    assert (report.results, service.status) == ([], "Active")
    assert list(report.gone.values()) == ["nothing that counts is owed for it"]


def test_a_day_s_limit_counts_what_people_do_and_has_its_way_past() -> None:
    limits = {"suspend": {"always_allowed": 0, "max": 2, "percent": 100}}
    with House.of({**ENDS, "limits": limits}) as house:
        services = [house.a_debtor(overdue=1)[1] for _ in range(3)]
        house.sync()
        plan = planned(house, Kind.SUSPEND, *services, early=True)
        assert (plan.steps, len(plan.refused)) == ((), 3)
        assert plan.stops[0].way_past == f"whmcs-bridge apply --fingerprint {plan.fingerprint} --allow suspend=3"
        assert house.bridge.apply(plan.fingerprint).exit_code == 3
        report = house.bridge.apply(plan.fingerprint, allow={"suspend": 3})
        assert results(report) == [("suspend", "done")] * 3
        assert "let past: suspend=3" in house.bridge.journal.runs(1)[0].summary


def test_a_sanity_stop_of_now_holds_people_too_until_it_is_accepted() -> None:
    with House.of({**ENDS, "sanity": {"max_days_since_run": 7}}) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.pass_days(9)
        plan = planned(house, Kind.SUSPEND, service)
        assert [stop.code for stop in plan.stops] == ["sanity:long-gap"]
        assert house.bridge.apply(plan.fingerprint).exit_code == 3
        report = house.bridge.apply(plan.fingerprint, accept_sanity={"long-gap"})
        assert results(report) == [("suspend", "done")]


def test_a_sanity_stop_that_the_last_run_left_holds_people_too() -> None:
    with House.of({**ENDS, "sanity": {"same_age_percent": 20}}) as house:
        services = [house.a_debtor(overdue=1)[1] for _ in range(3)]
        house.sync()
        house.bridge.journal.put("sanity:standing", [["sanity:same-age", "3 of 3 are of one age"]])
        plan = planned(house, Kind.SUSPEND, *services, early=True)
        assert (plan.steps, plan.stops[0].why) == ((), "the last run found: 3 of 3 are of one age")
        assert planned(house, Kind.UNSUSPEND, services[0]).stops[0].kinds.count(Kind.UNSUSPEND) == 0


# --- up -------------------------------------------------------------------------------------------


def down(house: House, overdue: int = 5) -> Any:
    debtor = house.a_debtor(overdue=overdue)
    house.sync()
    assert debtor[1].status == "Suspended"
    return debtor


def test_who_still_owes_comes_up_only_against_the_rules_and_stays_up_as_long_as_was_said(house: House) -> None:
    _, service, _ = down(house)
    plan = planned(house, Kind.UNSUSPEND, service)
    assert codes(plan) == ["owed"]
    assert "--override" in why(plan)
    until = house.day(2)
    report = act(house, Kind.UNSUSPEND, service, override=True, until=until, reason="the bank is down")
    assert results(report) == [("unsuspend", "done")]
    (record,) = house.bridge.journal.records(kind=RecordKind.RELEASE)
    assert (record.until, record.author, record.reason) == (until, "ana", "the bank is down")
    for _ in range(2):
        house.next_day()
        assert service.status == "Active"
    house.next_day()
    assert service.status == "Suspended"


def test_an_override_is_recorded_once_however_often_it_is_asked_for(house: House) -> None:
    _, service, _ = down(house)
    plan = planned(house, Kind.UNSUSPEND, service, override=True)
    house.faults(Fault("ModuleUnsuspend", faults.Kind.TIMEOUT_BEFORE, count=1))
    assert house.bridge.apply(plan.fingerprint).exit_code == 1
    assert service.status == "Suspended"
    house.faults()
    assert results(house.bridge.apply(plan.fingerprint)) == [("unsuspend", "done")]
    assert len(house.bridge.journal.records(kind=RecordKind.RELEASE)) == 1


def test_whmcs_is_told_of_the_override_at_once() -> None:
    with House.of({**ENDS, "staff": {"log_records": True, "note_records": True}}) as house:
        _, service, _ = down(house)
        act(house, Kind.UNSUSPEND, service, override=True, until=house.day(1), reason="the bank is down")
        (note,) = house.world.notes.values()
        assert "the bank is down" in note.text
        house.next_day()
        assert len(house.world.notes) == 1


def test_the_gate_file_knows_what_was_done_before_the_next_sync(tmp_path: Path) -> None:
    with House.of(ENDS, folder=tmp_path) as house:
        _, service, _ = down(house)
        file = tmp_path / "gate.json"
        assert str(service.id) in json.loads(file.read_text("utf-8"))["unsuspend_refused"]
        act(house, Kind.UNSUSPEND, service, override=True, until=house.day(2))
        gate = json.loads(file.read_text("utf-8"))
        assert str(service.id) not in {*gate["unsuspend_refused"], *gate["suspend"]}


def test_what_cannot_be_recorded_does_not_come_up(house: House) -> None:
    """The next run would take it down again."""
    _, service, _ = down(house)
    report = act(house, Kind.UNSUSPEND, service, override=True, until=house.day(-1))
    assert results(report) == [("unsuspend", "skipped")]
    assert (service.status, house.bridge.journal.records()) == ("Suspended", [])


def test_who_has_paid_comes_up_without_more(house: House) -> None:
    _, service, invoice = down(house)
    house.pay(invoice)
    assert results(act(house, Kind.UNSUSPEND, service)) == [("unsuspend", "done")]
    assert house.bridge.journal.records() == []


def test_a_suspension_for_abuse_is_lifted_by_name_only(house: House) -> None:
    spam = house.a_service(status="Suspended", suspend_reason="sends spam")
    house.sync()
    plan = planned(house, Kind.UNSUSPEND, spam, override=True)
    assert codes(plan) == ["staffs"]
    assert "sends spam" in why(plan)
    assert results(act(house, Kind.UNSUSPEND, spam, staffs=True)) == [("unsuspend", "done")]
    house.next_day()
    assert spam.status == "Active"


def test_one_lifted_for_abuse_that_owes_is_held_up_for_a_while(house: House) -> None:
    client = house.a_client()
    spam = house.a_service(client, status="Suspended", suspend_reason="sends spam")
    house.an_invoice(spam, due=-9)
    house.sync()
    assert codes(planned(house, Kind.UNSUSPEND, spam, staffs=True)) == ["owed"]
    act(house, Kind.UNSUSPEND, spam, staffs=True, override=True)
    (record,) = house.bridge.journal.records()
    assert (record.kind, record.until) == (RecordKind.HOLD, house.day(3))
    house.next_day(3)
    assert spam.status == "Active"
    house.next_day()
    assert spam.suspend_reason.endswith("[whmcs-bridge]")


# --- the end --------------------------------------------------------------------------------------


def test_an_end_before_its_time_is_asked_for_and_remembered_as_ours(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=2)
    house.sync()
    assert codes(planned(house, Kind.TERMINATE, service)) == ["early"]
    report = act(house, Kind.TERMINATE, service, early=True)
    assert results(report) == [("terminate", "done")]
    assert service.status == "Terminated"
    assert house.case(service).ended_by == "bridge"


def test_what_nobody_owes_for_ends_only_when_that_is_said(house: House) -> None:
    service = house.a_service()
    house.sync()
    assert codes(planned(house, Kind.TERMINATE, service, early=True)) == ["paid-up"]
    assert results(act(house, Kind.TERMINATE, service, paid_up=True)) == [("terminate", "done")]
    assert codes(planned(house, Kind.TERMINATE, service, paid_up=True)) == ["state"]


def test_who_pays_before_an_end_that_was_planned_keeps_the_service(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=2)
    house.sync()
    plan = planned(house, Kind.TERMINATE, service, early=True)
    house.pay(invoice)
    report = house.bridge.apply(plan.fingerprint)
    assert (service.status, report.results) == ("Active", [])
    assert "--paid-up" in next(iter(report.gone.values()))


def test_a_payment_on_its_way_is_waited_for(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=2)
    invoice.status = "Payment Pending"
    house.sync()
    assert codes(planned(house, Kind.TERMINATE, service, early=True, paid_up=True)) == ["pending"]


def test_a_hold_keeps_every_end_away(house: House) -> None:
    _, debtor, _ = house.a_debtor(overdue=2)
    paid = house.a_service()
    house.sync()
    a_hold(house, debtor)
    a_hold(house, paid)
    assert codes(planned(house, Kind.TERMINATE, debtor, early=True)) == ["hold"]
    assert codes(planned(house, Kind.TERMINATE, paid, paid_up=True)) == ["hold"]


def test_haste_ends_nothing_whose_payment_may_not_be_booked_yet() -> None:
    with House.of({**ENDS, "calendar": {"clearing_bank_days": {"boleto": 5}}}) as house:
        service = house.a_service()
        house.an_invoice(service, due=-4, gateway="boleto")
        house.sync()
        assert codes(planned(house, Kind.TERMINATE, service, early=True)) == ["clearing"]
        house.pass_days(9)
        assert len(planned(house, Kind.TERMINATE, service, early=True).steps) == 1


def test_what_is_disputed_is_not_ended_as_paid_up(house: House) -> None:
    client, service, invoice = house.a_debtor(overdue=2)
    other = house.a_service(client)
    house.sync()
    dispute = replace(a_record(house, service, RecordKind.DISPUTE), service_id=None, invoice_id=InvoiceId(invoice.id))
    dispute = house.bridge.journal.add_record(dispute)
    assert codes(planned(house, Kind.TERMINATE, service, paid_up=True)) == ["dispute"]
    assert len(planned(house, Kind.TERMINATE, other, paid_up=True).steps) == 1
    house.bridge.journal.close_record(dispute.id, RecordState.UPHELD, house.today, "for the client", "ana")
    assert len(planned(house, Kind.TERMINATE, service, paid_up=True).steps) == 1


def test_a_freeze_and_a_quiet_day_keep_what_is_paid_up_too() -> None:
    with House.of({**ENDS, "calendar": {"quiet_days": ["monday"]}}) as house:
        service = house.a_service()
        house.sync()
        assert codes(planned(house, Kind.TERMINATE, service, paid_up=True)) == ["quiet-day"]
        house.next_day()
        a_hold(house, service, RecordKind.FREEZE)
        assert codes(planned(house, Kind.TERMINATE, service, paid_up=True)) == ["freeze"]


# --- lists and fingerprints -----------------------------------------------------------------------


def test_a_list_leaves_out_what_is_not_allowed_and_says_why_of_each(house: House) -> None:
    up, gone = house.a_service(), house.a_service(status="Terminated")
    spam = house.a_service(status="Suspended", suspend_reason="spam")
    house.sync()
    plan = planned(house, Kind.SUSPEND, up, spam, gone, up, staffs=True)
    assert [step.service for step in plan.steps] == [up.id]
    assert {held.service: held.withheld.why for held in plan.withheld} == {
        spam.id: "it is Suspended (spam) already",
        gone.id: "it is Terminated: nothing to suspend",
    }
    assert results(house.bridge.apply(plan.fingerprint)) == [("suspend", "done")]


def test_an_unknown_service_refuses_the_whole_list_by_name(house: House) -> None:
    service = house.a_service()
    house.sync()
    with pytest.raises(UnknownId, match="no services 77, 78 in the mirror"):
        house.bridge.plan_by_hand(Kind.SUSPEND, [service_id(service), ServiceId(77), ServiceId(78)], ByHand("ana", "x"))


def test_an_empty_mirror_says_to_sync_first(house: House) -> None:
    with pytest.raises(UsageProblem, match="run a sync first"):
        house.bridge.plan_by_hand(Kind.SUSPEND, [ServiceId(1)], ByHand("ana", "x", staffs=True))


def test_planning_changes_nothing_in_whmcs(house: House) -> None:
    service = house.a_service()
    house.sync()
    before = len(house.world.log)
    planned(house, Kind.SUSPEND, service, staffs=True)
    assert house.world.log[before:] == []
    assert [run.job for run in house.bridge.journal.runs()] == ["sync"]


def test_a_fingerprint_is_of_one_day_one_policy_and_one_wish(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    abuse = planned(house, Kind.SUSPEND, service, staffs=True)
    debt = planned(house, Kind.SUSPEND, service, early=True)
    other = planned(house, Kind.SUSPEND, service, staffs=True, reason="spam")
    assert len({abuse.fingerprint, debt.fingerprint, other.fingerprint}) == 3
    house.reconfigure({**ENDS, "policy": {"min_debt": "1.00"}})
    with pytest.raises(StalePlan, match="policy has changed"):
        house.bridge.apply(abuse.fingerprint)
    house.reconfigure(ENDS)
    house.pass_days()
    with pytest.raises(StalePlan, match="run the same command again"):
        house.bridge.apply(abuse.fingerprint)
    assert service.status == "Active"


def test_a_plan_applied_twice_does_nothing_twice(house: House) -> None:
    service = house.a_service()
    house.sync()
    plan = planned(house, Kind.SUSPEND, service, staffs=True)
    house.bridge.apply(plan.fingerprint)
    again = house.bridge.apply(plan.fingerprint)
    assert (again.results, len(house.events("module:suspend"))) == ([], 1)


def test_clients_are_worked_on_side_by_side_and_each_once(house: House) -> None:
    services = [house.a_debtor(overdue=1)[1] for _ in range(9)]
    house.sync()
    alone = planned(house, Kind.TERMINATE, *services, early=True)
    house.bridge.ports.workers = 4
    plan = planned(house, Kind.TERMINATE, *services, early=True)
    assert (plan.fingerprint, plan.steps) == (alone.fingerprint, alone.steps)
    report = house.bridge.apply(plan.fingerprint)
    assert results(report, Kind.TERMINATE) == [("terminate", "done")] * 9
    assert len(house.events("module:terminate")) == 9


def test_shadow_mode_shows_and_does_nothing(house: House) -> None:
    service = house.a_service()
    house.sync()
    house.enforcing(False)
    plan = planned(house, Kind.SUSPEND, service, staffs=True)
    assert len(plan.steps) == 1
    with pytest.raises(UsageProblem, match="mode is shadow"):
        house.bridge.apply(plan.fingerprint)
    assert service.status == "Active"


def test_a_client_that_cannot_be_read_is_a_problem_and_nothing_happens_to_it(house: House) -> None:
    one, other = house.a_service(), house.a_service()
    house.sync()
    house.faults(Fault("GetClientsAddons", faults.Kind.HTTP_500, count=0))
    plan = planned(house, Kind.SUSPEND, one, other, staffs=True)
    assert (plan.steps, len(plan.problems)) == ((), 2)


def test_clients_the_bridge_does_not_act_for_yet_are_left_out(house: House) -> None:
    one, other = house.a_service(), house.a_service()
    house.sync()
    client = house.bridge.mirror.book_of_service(service_id(one))
    assert client is not None
    house.bridge.enforce_only([], [client.client.id], "ana")
    plan = planned(house, Kind.SUSPEND, one, other, staffs=True)
    assert ([step.service for step in plan.steps], codes(plan)) == ([one.id], ["only"])


def test_what_whmcs_does_not_answer_is_unknown_and_found_out_later(house: House) -> None:
    service = house.a_service()
    house.sync()
    plan = planned(house, Kind.SUSPEND, service, staffs=True, reason="it's <spam> & more")
    house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER, count=1))
    assert results(house.bridge.apply(plan.fingerprint)) == [("suspend", "unknown")]
    house.faults()
    house.next_day()
    (step,) = house.bridge.journal.steps(kind="suspend")
    assert (step.state, service.status) == (StepState.DONE, "Suspended")
    house.next_day(3)
    assert service.suspend_reason == "it's <spam> & more"


def test_a_warning_that_never_went_out_holds_a_suspension_that_is_not_early() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.sync()
        assert codes(planned(house, Kind.SUSPEND, service)) == ["early"]
        assert results(act(house, Kind.SUSPEND, service, early=True)) == [("suspend", "done")]
