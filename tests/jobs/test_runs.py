"""Plan, apply, shadow, locks, tasks and VIP: what a run leaves behind besides its steps."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, client_id, done, results, the_result
from whmcs_bridge.errors import Locked, StalePlan
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor

MEMBERS: dict[str, Any] = {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 6}
VIP: dict[str, Any] = {"class": {"hosting": HOSTING}, "vip": MEMBERS}


# --- plan and apply -------------------------------------------------------------------------------


def test_a_plan_changes_nothing_and_says_the_same_twice() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        house.a_debtor(overdue=2)
        _, service, _ = house.a_debtor(overdue=3)
        before = len(house.world.log)
        one, two = house.bridge.plan(), house.bridge.plan()
        assert one.fingerprint == two.fingerprint
        assert len(house.world.log) == before
        assert house.bridge.journal.cases() == {}
        assert house.bridge.journal.steps() == []
        assert service.status == "Active"


def test_an_offline_plan_asks_whmcs_nothing() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        house.bridge.snapshot()
        house.adapter.front.calls.clear()
        plan = house.bridge.plan(offline=True)
        assert [s.kind for s in plan.steps] == [Kind.SUSPEND]
        assert not house.adapter.front.calls


def test_apply_does_the_reviewed_steps_and_no_others() -> None:
    with House.of() as house:
        _, one, _ = house.a_debtor(overdue=3)
        plan = house.bridge.plan()
        _, late, _ = house.a_debtor(overdue=3)
        report = house.bridge.apply(plan.fingerprint)
        assert done(report) == ["suspend"]
        assert (one.status, late.status) == ("Suspended", "Active")


def test_a_payment_does_not_spoil_a_reviewed_plan() -> None:
    with House.of() as house:
        _, one, invoice = house.a_debtor(overdue=3)
        _, two, _ = house.a_debtor(overdue=3)
        plan = house.bridge.plan()
        house.pay(invoice)
        report = house.bridge.apply(plan.fingerprint)
        assert (one.status, two.status) == ("Active", "Suspended")
        assert list(report.gone) == [f"suspend-s{one.id}@{house.today}"]
        assert report.exit_code == 0


def test_a_plan_of_another_day_is_refused() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        plan = house.bridge.plan()
        house.pass_days()
        with pytest.raises(StalePlan, match="is of 2025-03-10, today is 2025-03-11"):
            house.bridge.apply(plan.fingerprint)
        assert house.events("module:") == []


def test_a_plan_under_another_policy_is_refused() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        plan = house.bridge.plan()
        house.reconfigure({"class": {"hosting": {**HOSTING, "suspend_after_days": 2}}})
        with pytest.raises(StalePlan, match="policy has changed"):
            house.bridge.apply(plan.fingerprint)


def test_an_unknown_fingerprint_is_refused() -> None:
    with House.of() as house, pytest.raises(StalePlan, match="no plan has the fingerprint"):
        house.bridge.apply("c0ffee")


def test_a_fingerprint_changes_with_what_is_owed() -> None:
    with House.of() as house:
        _, _, invoice = house.a_debtor(overdue=3)
        before = house.bridge.plan().fingerprint
        house.pay(invoice, 100)
        assert house.bridge.plan().fingerprint != before


# --- shadow ---------------------------------------------------------------------------------------


def test_shadow_mode_changes_nothing_sends_nothing_and_advances_no_stage() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        house.enforcing(False)
        _, service, _ = house.a_debtor()
        house.next_day(30)
        assert (service.status, house.mails()) == ("Active", [])
        assert house.bridge.journal.cases() == {}
        assert house.bridge.journal.steps() == []
        assert house.bridge.journal.runs()[0].outcome == "shadow"


def test_leaving_shadow_mode_starts_every_case_at_its_first_stage() -> None:
    """A book of year-old debts: warned today, suspended tomorrow at the earliest, ended after the waiting time."""
    with House.of({"class": {"hosting": WARNED}}) as house:
        house.enforcing(False)
        _, service, _ = house.a_debtor(overdue=400)
        house.next_day(5)
        house.enforcing(True)
        assert done(house.next_day()) == ["suspension-warning"]
        assert done(house.next_day()) == ["suspend"]
        assert done(house.next_day(11)) == []
        house.next_day()
        assert service.status == "Terminated"


# --- one at a time --------------------------------------------------------------------------------


def _hold(path: str, ready: Any, release: Any) -> None:
    journal = SqliteJournal(Path(path))
    with journal.writer():
        ready.set()
        release.wait(20)


def test_two_runs_at_once_are_one_too_many(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        house.a_debtor(overdue=3)
        there = multiprocessing.get_context("spawn")
        ready, release = there.Event(), there.Event()
        other = there.Process(target=_hold, args=(str(tmp_path / "journal.db"), ready, release))
        other.start()
        try:
            assert ready.wait(20)
            with pytest.raises(Locked):
                house.sync()
            assert house.events("module:") == []
        finally:
            release.set()
            other.join(20)
        assert done(house.sync()) == ["suspend"]


def test_memory_survives_a_restart(tmp_path: Path) -> None:
    """Each day another process: the journal and the mirror carry the case to its end."""
    house = House.of(folder=tmp_path)
    _, service, _ = house.a_debtor()
    for _ in range(15):
        house.pass_days()
        house.bridge.close()
        house = House.of(folder=tmp_path, world=house.world)
        house.sync()
    house.bridge.close()
    assert service.status == "Terminated"
    assert len(house.mails(about="Final warning")) == 1


# --- a day's order --------------------------------------------------------------------------------


def test_steps_go_from_lifting_to_harming() -> None:
    """Fifteen days on, something of every kind is due."""
    with House.of({**VIP, "class": {"hosting": WARNED}}) as house:
        for due in (0, 12, 13):  # to be ended, suspended, warned
            house.an_invoice(house.a_service(house.a_client(created=house.day(-30))), due=due)
        _, _, paid = house.a_debtor(overdue=-9, created=house.day(-30))
        member = house.a_client(created=house.day(-900))
        house.an_invoice(house.a_service(member), due=14)
        joiner = house.a_client(created=house.day(-900), group=3)
        house.a_service(joiner)
        house.sync()
        house.next_day(14)
        house.pay(paid)
        joiner.group = 0
        report = house.next_day()
        assert list(
            dict.fromkeys(r.step.kind for r in report.results if r.step.day is not None or not r.step.message)
        ) == [
            Kind.VIP_REMOVE,
            Kind.UNSUSPEND,
            Kind.VIP_ADD,
            Kind.NOTICE,
            Kind.SUSPEND,
            Kind.TERMINATE,
        ]


def test_one_suspension_or_termination_a_service_and_day() -> None:
    """Suspended this morning, put back on by staff at noon: not suspended again before tomorrow."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.sync()
        with house.world.acting(Actor.ADMIN):
            modules.run_module(house.world, service, modules.UNSUSPEND)
        report = house.sync()
        assert house.withheld(report, service) == {"acted-today": "suspend"}
        assert done(house.next_day()) == ["suspend"]


# --- tasks ----------------------------------------------------------------------------------------


def test_a_task_closes_itself_when_its_cause_is_gone() -> None:
    with House.of() as house:
        client, _, _ = house.a_debtor(overdue=3)
        house.world.add_credit(client, 1000, "deposit")
        house.sync()
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "credit"]
        assert task.opened_on == house.today
        house.next_day()
        assert [t.number for t in house.bridge.journal.tasks() if t.code == "credit"] == [task.number]
        client.credit = 0
        house.next_day()
        assert "credit" not in house.task_codes()


def test_an_incomplete_run_closes_no_task() -> None:
    from whmcs_bridge.simulator.faults import Fault
    from whmcs_bridge.simulator.faults import Kind as Trouble

    with House.of() as house:
        client, _, _ = house.a_debtor(overdue=3)
        house.world.add_credit(client, 1000, "deposit")
        house.sync()
        client.credit = 0
        house.faults(Fault("GetClientsAddons", Trouble.HTTP_500, count=0))
        house.next_day()
        assert "credit" in house.task_codes()


def test_a_foreign_suspension_of_a_debtor_is_listed_for_staff() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        with house.world.acting(Actor.ADMIN):
            modules.run_module(house.world, service, modules.SUSPEND, reason="abuse")
        house.next_day(30)
        assert (service.status, service.suspend_reason) == ("Suspended", "abuse")
        assert "foreign-suspension" in house.task_codes()


def test_nobody_is_taken_down_whose_group_is_not_listed() -> None:
    """The list of groups came without the exempt one: unknown is no leave to harm."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3, group=2)
        exempt = house.world.groups.pop(2)
        report = house.sync()
        assert house.withheld(report, service) == {"unlisted-group": "suspend"}
        assert "unlisted-group" in house.task_codes()
        house.world.groups[2] = exempt
        report = house.next_day()
        assert house.withheld(report, service) == {"exempt-group": "suspend"}
        assert service.status == "Active"


# --- VIP ------------------------------------------------------------------------------------------


def a_vip(house: House) -> tuple[Any, Any]:
    client = house.a_client(created=house.day(-900))
    service = house.a_service(client)
    house.sync()
    assert client.group == 1
    return client, service


def test_members_are_out_on_their_first_overdue_day_and_back_when_paid() -> None:
    with House.of(VIP) as house:
        client, service = a_vip(house)
        invoice = house.an_invoice(service, due=1)
        house.next_day()
        assert client.group == 1
        house.next_day()
        assert client.group == 0
        house.pay(invoice)
        house.next_day()
        assert client.group == 1


def test_who_paid_late_is_not_back_before_the_record_is_clean() -> None:
    """Two days after the due date is late, and no late payment is forgiven here."""
    with House.of(VIP) as house:
        client, service = a_vip(house)
        invoice = house.an_invoice(service, due=-1)
        house.next_day()
        house.pay(invoice)
        house.next_day(3)
        assert client.group == 0


def test_the_group_a_client_came_from_is_given_back() -> None:
    config = {**VIP, "vip": {**MEMBERS, "managed_groups": ["VIP", "", "Resellers"]}}
    with House.of(config) as house:
        client = house.a_client(created=house.day(-900), group=3)
        service = house.a_service(client)
        house.sync()
        assert client.group == 1
        invoice = house.an_invoice(service, due=0)
        house.next_day()
        assert client.group == 3
        house.pay(invoice)
        house.next_day()
        assert client.group == 1


def test_clients_in_groups_that_are_not_managed_are_never_moved() -> None:
    with House.of(VIP) as house:
        client = house.a_client(created=house.day(-900), group=3)
        house.a_service(client)
        house.next_day(5)
        assert client.group == 3
        assert house.events("group") == []


def test_a_member_whom_staff_took_out_stays_out() -> None:
    with House.of(VIP) as house:
        client, _ = a_vip(house)
        house.world.set_group(client, 0)
        house.next_day(5)
        assert client.group == 0


def test_a_member_whom_staff_put_in_is_not_thrown_out_for_the_record() -> None:
    with House.of(VIP) as house:
        client = house.a_client(created=house.day(-30))
        service = house.a_service(client)
        house.sync()
        house.world.set_group(client, 1)
        house.next_day(3)
        assert client.group == 1
        invoice = house.an_invoice(service, due=-1)
        house.next_day()
        assert client.group == 0
        house.pay(invoice)
        house.next_day()
        assert client.group == 1


def test_who_was_a_member_on_the_due_date_keeps_the_courtesy() -> None:
    with House.of(VIP) as house:
        client, service = a_vip(house)
        house.an_invoice(service, due=0)
        house.next_day(5)
        assert (client.group, service.status) == (0, "Active")
        house.next_day()
        assert service.status == "Suspended"


def test_a_hook_moves_a_payer_back_at_once() -> None:
    with House.of(VIP) as house:
        client, service = a_vip(house)
        invoice = house.an_invoice(service, due=0)
        house.next_day()
        assert client.group == 0
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        assert client.group == 1


# --- what hooks may do between runs ---------------------------------------------------------------


def test_a_payment_brings_a_service_back_at_once_and_nothing_harmful_follows() -> None:
    with House.of() as house:
        client = house.a_client()
        one, two = house.a_service(client), house.a_service(client)
        invoice = house.an_invoice(one, due=-3)
        house.sync()
        house.pay(invoice)
        house.an_invoice(two, due=-30)
        house.pass_days(4)
        report = house.bridge.reevaluate(client_id(client), "InvoicePaid")
        assert report is not None
        assert "suspend" not in done(report)
        assert two.status == "Active"


def test_a_hook_during_a_run_waits_for_its_end() -> None:
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        other = house.a_debtor(overdue=2)
        house.pass_days()

        def pay_meanwhile(_plan: Any) -> None:
            house.pay(invoice)
            assert house.bridge.reevaluate(client_id(client), "InvoicePaid") is None
            assert service.status == "Suspended"

        house.sync(on_planned=pay_meanwhile)
        assert service.status == "Active"
        assert other[1].status == "Suspended"


def test_a_client_merge_and_other_odd_events_do_not_break_reevaluation() -> None:
    """A hook may name a client that the mirror has never seen."""
    with House.of() as house:
        house.sync()
        client, _, _ = house.a_debtor(overdue=3)
        report = house.bridge.reevaluate(client_id(client), "InvoicePaid")
        assert report is not None
        assert house.events("module:") == []


def test_the_same_day_brings_no_second_release() -> None:
    with House.of() as house:
        client, _, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        for _ in range(3):
            house.bridge.reevaluate(client_id(client), "InvoicePaid")
        house.sync()
        assert len(house.events("module:unsuspend")) == 1


def test_a_skipped_step_is_in_the_journal_with_its_reason() -> None:
    with House.of() as house:
        _, _, invoice = house.a_debtor(overdue=3)
        report = house.sync(on_planned=lambda _plan: house.pay(invoice))
        assert the_result(report, Kind.SUSPEND).state is StepState.SKIPPED
        (step,) = house.bridge.journal.steps()
        assert (step.state, bool(step.note)) == (StepState.SKIPPED, True)
        assert results(report) == [("suspend", "skipped")]
