"""The breaker: too many failures among the last steps end the run, wherever in it they begin; releases go on."""

from collections.abc import Collection
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, done, results
from whmcs_bridge.jobs.sync import BREAKER_FAILURES, BREAKER_LOOKS_BACK
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault


def debtors(house: House, count: int) -> list[Any]:
    return [house.a_debtor(overdue=3)[1] for _ in range(count)]


def out_of_order(house: House, services: Collection[Any]) -> None:
    house.world.failing_services.update({s.id: "server on fire" for s in services})


def test_a_run_whose_first_steps_fail_ends_after_eight() -> None:
    with House.of() as house:
        services = debtors(house, 40)
        out_of_order(house, services[:20])
        report = house.sync()
        assert results(report) == [("suspend", "failed")] * BREAKER_FAILURES
        assert report.broken_off == "broke off: 8 of the last 8 steps failed"
        assert (report.exit_code, report.outcome) == (1, "failed")
        assert {s.status for s in services} == {"Active"}
        assert "broken-off" in house.task_codes()


def test_a_run_that_goes_well_and_then_fails_ends_in_the_middle() -> None:
    with House.of() as house:
        services = debtors(house, 60)
        out_of_order(house, services[25:45])
        report = house.sync()
        assert done(report) == ["suspend"] * 25
        assert len(report.results) == 25 + BREAKER_FAILURES
        assert report.broken_off == "broke off: 8 of the last 20 steps failed"
        assert {s.status for s in services[45:]} == {"Active"}


@pytest.mark.parametrize(("failing", "breaks"), [(BREAKER_FAILURES - 1, False), (BREAKER_FAILURES, True)])
def test_what_counts_is_the_share_of_the_last_twenty(failing: int, breaks: bool) -> None:
    """Seven of every twenty go on failing to the end of the run; eight of twenty end it."""
    with House.of() as house:
        services = debtors(house, 3 * BREAKER_LOOKS_BACK)
        out_of_order(house, [s for n, s in enumerate(services) if n % BREAKER_LOOKS_BACK < failing])
        report = house.sync()
        assert bool(report.broken_off) is breaks
        assert (len(report.results) == len(services)) is not breaks


def test_steps_whose_outcome_is_not_known_count_as_failures() -> None:
    with House.of() as house:
        debtors(house, 20)
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER, count=0))
        report = house.sync()
        assert results(report) == [("suspend", "unknown")] * BREAKER_FAILURES
        assert report.broken_off


def test_steps_that_are_not_due_any_more_count_for_neither() -> None:
    with House.of() as house:
        services = debtors(house, 20)
        invoices = list(house.world.invoices.values())

        def pay(_plan: Plan) -> None:
            for invoice in invoices[:15]:
                house.pay(invoice)

        report = house.sync(on_planned=pay)
        assert not report.broken_off
        assert [s.status for s in services] == ["Active"] * 15 + ["Suspended"] * 5


def test_mails_that_fail_end_the_run_before_anybody_is_suspended() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        down = house.a_debtor()[1]
        house.next_day(2)
        for _ in range(10):
            house.a_debtor(overdue=1)
        house.faults(Fault("SendEmail", faults.Kind.DENIED, count=0))
        report = house.next_day()
        assert report.broken_off
        assert down.status == "Active"


def test_releases_that_fail_are_all_tried_and_nothing_harmful_follows() -> None:
    with House.of() as house:
        book = [house.a_debtor(overdue=3) for _ in range(20)]
        house.sync()
        for _, _, invoice in book:
            house.pay(invoice)
        out_of_order(house, [s for _, s, _ in book[:12]])
        harmed = debtors(house, 1)
        report = house.next_day()
        assert [r.step.kind for r in report.results] == [Kind.UNSUSPEND] * 20
        assert [s.status for _, s, _ in book] == ["Suspended"] * 12 + ["Active"] * 8
        assert report.broken_off
        assert harmed[0].status == "Active"


def test_the_next_run_begins_afresh() -> None:
    with House.of() as house:
        services = debtors(house, 12)
        out_of_order(house, services)
        assert house.sync().broken_off
        house.world.failing_services.clear()
        report = house.next_day()
        assert not report.broken_off
        assert {s.status for s in services} == {"Suspended"}
        assert "broken-off" not in house.task_codes()


@pytest.mark.parametrize("workers", [2, 4])
def test_side_by_side_no_more_than_what_is_in_hand_comes_after(workers: int) -> None:
    with House.of({"class": {"hosting": HOSTING}}) as house:
        house.bridge.ports.workers = workers
        out_of_order(house, debtors(house, 40))
        report = house.sync()
        assert report.broken_off
        assert BREAKER_FAILURES <= len(report.results) < BREAKER_FAILURES + workers
