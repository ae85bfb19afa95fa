"""What waits for a person's word: who proposed it, who may approve it, and for how long that stands."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.house import HOSTING, House, results, service_id
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.jobs.proposals import VALID_DAYS
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.records import Service

LADDER = {**HOSTING, "suspend_after_days": 1, "terminate_after_days": 3, "final_warning_days": 1}
ASKED = {"class": {"hosting": HOSTING}, "approval": {"terminate": "required"}}
FORBIDDEN = {"class": {"hosting": HOSTING}, "approval": {"terminate": "required", "own_proposals": "forbidden"}}
QUICK = {"class": {"hosting": LADDER}, "approval": {"terminate": "required"}}
"""Whoever owes is about to end within days."""


@pytest.fixture
def house() -> Any:
    with House.of(ASKED) as house:
        yield house


def end(house: House, *services: Service, by: str = "bo", **more: Any) -> Plan:
    house.bridge.ports.actor = by
    given: dict[str, Any] = {"reason": "left without a word", "early": True} | more
    asked = ByHand(by, **given)
    return house.bridge.plan_by_hand(Kind.TERMINATE, [service_id(s) for s in services], asked)


def until_it_waits(house: House, overdue: int = 1) -> tuple[Service, int]:
    """A debtor whose end the rules name as due; the number of the run that found it waiting."""
    _, service, _ = house.a_debtor(overdue=overdue)
    report = house.sync()
    for _ in range(9):
        if house.withheld(report, service).get("approval"):
            return service, report.run
        report = house.next_day()
    raise AssertionError("nothing waits")


# --- what runs find -------------------------------------------------------------------------------


@pytest.fixture
def quick() -> Any:
    with House.of(QUICK) as house:
        yield house


def test_what_a_run_found_is_listed_with_its_run_its_money_and_since_when(quick: House) -> None:
    house = quick
    service, run = until_it_waits(house)
    found_on = house.today
    house.next_day()
    (waits,) = house.bridge.waiting()
    assert (waits.kind, waits.service, waits.proposer) == ("terminate", service.id, f"the rules, run {run}")
    assert (waits.since, str(waits.debts[0].amount)) == (found_on, "10.00 USD")


def test_what_a_run_found_is_approved_by_that_run_and_carried_out_by_the_next(quick: House) -> None:
    house = quick
    first, run = until_it_waits(house)
    _, later, _ = house.a_debtor(overdue=1)
    house.next_day(3)
    assert {one.service for one in house.bridge.waiting()} == {first.id, later.id}
    (waits,) = house.bridge.waiting(run=run)
    house.bridge.approve_waiting([waits], "ana")
    assert results(house.next_day(), Kind.TERMINATE) == [("terminate", "done")]
    assert (first.status, later.status) == ("Terminated", "Suspended")


def test_what_is_paid_waits_no_more(quick: House) -> None:
    house = quick
    service, run = until_it_waits(house)
    house.pay(next(iter(house.world.invoices.values())))
    house.next_day()
    assert (service.status, house.bridge.waiting(), house.bridge.waiting(run=run)) == ("Active", [], [])


def test_a_run_that_nobody_knows_is_one_line(house: House) -> None:
    house.sync()
    with pytest.raises(UnknownId, match="no run 77"):
        house.bridge.waiting(run=77)


# --- what people propose --------------------------------------------------------------------------


def test_an_end_by_hand_is_proposed_then_approved_then_done(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    plan = end(house, service)
    assert (plan.steps, plan.stops[0].way_past) == ((), f"whmcs-bridge approve {service.id}")
    assert house.bridge.apply(plan.fingerprint).exit_code == 3
    (waits,) = house.bridge.waiting()
    assert (waits.proposer, waits.reason) == ("bo", "left without a word")
    house.bridge.approve_waiting([waits], "ana")
    assert house.bridge.waiting() == []
    assert results(house.bridge.apply(plan.fingerprint), Kind.TERMINATE) == [("terminate", "done")]
    (given,) = [line for line in house.bridge.journal.export() if line["type"] == "approval"]
    assert (given["author"], given["kind"]) == ("ana", "terminate:by-hand")


def test_an_approval_by_hand_lets_no_run_end_anything(quick: House) -> None:
    """What a person proposed is that person's act: the ladder needs a word of its own."""
    house = quick
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    house.next_day()
    end(house, service)
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    for _ in range(6):
        house.next_day()
    assert service.status == "Suspended"


def test_it_is_used_up_by_the_one_end_it_is_for(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    plan = end(house, service)
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    house.bridge.apply(plan.fingerprint)
    service.status = "Active"
    house.next_day()
    assert len(end(house, service).refused) == 1


def test_a_proposal_and_its_approval_stand_for_a_week(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    end(house, service)
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    house.pass_days(VALID_DAYS)
    assert len(end(house, service).steps) == 1
    house.pass_days(1)
    assert len(end(house, service).refused) == 1
    (waits,) = house.bridge.waiting()
    assert waits.since == house.today


def test_who_was_paid_up_and_approved_is_looked_at_again_before_the_end(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    plan = end(house, service)
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    house.pay(invoice)
    report = house.bridge.apply(plan.fingerprint)
    assert (report.results, service.status) == ([], "Active")


def test_a_list_is_done_in_part_where_a_part_is_approved(house: House) -> None:
    services = [house.a_debtor(overdue=1)[1] for _ in range(2)]
    house.sync()
    plan = end(house, *services)
    house.bridge.approve_waiting(house.bridge.waiting_of(service_id(services[1])), "ana")
    report = house.bridge.apply(plan.fingerprint)
    assert results(report, Kind.TERMINATE) == [("terminate", "done")]
    assert (report.exit_code, services[0].status, services[1].status) == (3, "Active", "Terminated")


def test_what_something_else_forbids_is_not_put_before_anybody(house: House) -> None:
    client, service, _ = house.a_debtor(overdue=1)
    client.credit = 5000
    house.sync()
    plan = end(house, service)
    assert ([held.withheld.code for held in plan.withheld], plan.refused) == (["credit"], ())
    assert house.bridge.waiting() == []


def test_what_the_rules_name_needs_no_haste_once_it_is_approved_by_hand(quick: House) -> None:
    service, _ = until_it_waits(quick)
    assert len(end(quick, service, early=False).refused) == 1
    (by_hand,) = [one for one in quick.bridge.waiting() if one.by_hand]
    quick.bridge.approve_waiting([by_hand], "ana")
    assert len(end(quick, service, early=False).steps) == 1


def test_a_proposal_is_a_task_until_it_is_approved_or_too_old(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    end(house, service)
    assert "approval" in house.task_codes()
    house.next_day()
    (task,) = [task for task in house.bridge.journal.tasks() if task.code == "approval"]
    assert task.text == "terminate by hand, proposed by bo: left without a word"
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    house.next_day()
    assert "approval" not in house.task_codes()


def test_a_proposal_that_nobody_approves_leaves_the_desk(house: House) -> None:
    service = house.a_service()
    house.sync()
    end(house, service, paid_up=True)
    house.next_day(VALID_DAYS)
    assert "approval" in house.task_codes()
    house.next_day()
    assert "approval" not in house.task_codes()


# --- what an approval is for -----------------------------------------------------------------------


def approved(house: House, **more: Any) -> tuple[Service, Any]:
    """A debtor whose end by hand was proposed by bo and approved by ana."""
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    end(house, service, **more)
    house.bridge.approve_waiting(house.bridge.waiting(), "ana")
    return service, invoice


def test_an_approval_lets_nobody_else_and_nothing_else_past(house: House) -> None:
    service, invoice = approved(house)
    house.pay(invoice)
    plan = end(house, service, by="carl", early=False, paid_up=True, reason="asked for by phone")
    assert (plan.steps, len(plan.refused)) == ((), 1)
    assert house.bridge.apply(plan.fingerprint).results == []
    assert service.status != "Terminated"
    (waits,) = house.bridge.waiting()
    assert (waits.proposed_by, waits.reason) == (("carl",), "asked for by phone")


@pytest.mark.parametrize("other", [{"by": "carl"}, {"reason": "fraud"}, {"paid_up": True}], ids=str)
def test_another_person_reason_or_flag_waits_for_a_word_of_its_own(house: House, other: dict[str, Any]) -> None:
    service, _ = approved(house)
    assert len(end(house, service).steps) == 1
    assert len(end(house, service, **other).refused) == 1
    assert len(end(house, service).refused) == 1, "the last wish stands, and what was approved before it does not"


def test_an_approval_goes_with_the_debt_it_rested_on(house: House) -> None:
    service, invoice = approved(house)
    house.pay(invoice)
    house.sync()
    assert house.bridge.journal.approvals().get(service_id(service), frozenset()) == frozenset()
    house.an_invoice(service, due=-3)
    assert len(end(house, service).refused) == 1


def test_a_part_paid_needs_a_new_approval_and_more_debt_does_not(house: House) -> None:
    service, invoice = approved(house)
    house.an_invoice(service, due=-1)
    assert len(end(house, service).steps) == 1
    house.pay(invoice, 400)
    assert len(end(house, service).refused) == 1


def test_what_is_proposed_otherwise_since_it_was_read_is_not_approved(house: House) -> None:
    _, service, _ = house.a_debtor(overdue=1)
    house.sync()
    end(house, service)
    seen = house.bridge.waiting()
    end(house, service, by="carl", reason="another reason")
    with pytest.raises(UsageProblem, match="is proposed otherwise by now"):
        house.bridge.approve_waiting(seen, "ana")
    assert len(end(house, service).refused) == 1


# --- one's own ------------------------------------------------------------------------------------


def test_nobody_approves_their_own_proposal_where_that_is_forbidden() -> None:
    with House.of(FORBIDDEN) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        end(house, service)
        waits = house.bridge.waiting()
        with pytest.raises(UsageProblem, match="was proposed by bo: somebody else approves it"):
            house.bridge.approve_waiting(waits, "bo")
        with pytest.raises(UsageProblem, match="somebody else"):
            house.bridge.approve_waiting(waits, "ana")  # bo is still logged in
        house.bridge.ports.actor = "ana"
        house.bridge.approve_waiting(waits, "ana")
        assert house.bridge.waiting() == []


def test_who_joins_a_proposal_is_a_proposer_too() -> None:
    with House.of(FORBIDDEN) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        end(house, service)
        end(house, service, by="ana")
        (waits,) = house.bridge.waiting()
        with pytest.raises(UsageProblem, match="proposed by bo, ana"):
            house.bridge.approve_waiting([waits], "ana")


def test_one_that_may_not_be_approved_keeps_the_others_from_it() -> None:
    with House.of(FORBIDDEN) as house:
        mine, theirs = house.a_debtor(overdue=1)[1], house.a_debtor(overdue=1)[1]
        house.sync()
        end(house, mine)
        end(house, theirs, by="ana")
        house.bridge.ports.actor = "bo"
        with pytest.raises(UsageProblem):
            house.bridge.approve_waiting(house.bridge.waiting(), "bo")
        assert len(house.bridge.waiting()) == 2


def test_what_the_rules_propose_anybody_may_approve() -> None:
    with House.of({**QUICK, "approval": FORBIDDEN["approval"]}) as house:
        service, _ = until_it_waits(house)
        house.bridge.approve_waiting(house.bridge.waiting(), "bo")
        house.next_day()
        assert service.status == "Terminated"


@pytest.mark.parametrize("paid_up", [False, True])
def test_a_week_of_syncs_between_approval_and_act_changes_nothing(paid_up: bool) -> None:
    with House.of(ASKED) as house:
        _, service, invoice = house.a_debtor(overdue=1)
        house.sync()
        if paid_up:
            house.pay(invoice)
            house.next_day()
        asked: Callable[[], Plan] = lambda: end(house, service, paid_up=paid_up)  # noqa: E731
        asked()
        house.bridge.approve_waiting(house.bridge.waiting(), "ana")
        house.pass_days()
        house.sync()
        assert len(asked().steps) == 1


def test_a_service_that_nobody_knows_is_one_line(house: House) -> None:
    house.sync()
    with pytest.raises(UnknownId, match="no service 99"):
        house.bridge.waiting_of(ServiceId(99))
