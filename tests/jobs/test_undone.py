"""Whatever a run did not do is in a task, and the task closes when a later run has done it."""

import pytest

from tests.house import HOSTING, House, results
from whmcs_bridge.errors import AccessRefused
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault


def test_a_step_whose_look_failed_is_in_a_task_until_it_is_done() -> None:
    """Suspend, and WHMCS refuses to say what the client owes: nothing is sent, and staff can see why."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("GetClientsDetails", faults.Kind.ERROR, count=0))
        report = house.sync()
        assert results(report, Kind.SUSPEND) == [("suspend", "failed")]
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "not-done:suspend"]
        assert (task.service, task.client) == (service.id, service.client)
        assert "could not look again" in task.text
        house.faults()
        house.sync()
        assert service.status == "Suspended"
        assert "not-done:suspend" not in house.task_codes()


def test_a_step_without_an_answer_is_in_a_task_until_it_is_known() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_AFTER))
        house.sync()
        assert service.status == "Suspended"
        assert "not-done:suspend" in house.task_codes()
        house.sync()
        assert "not-done:suspend" not in house.task_codes()


def test_a_module_that_says_no_is_in_one_task_and_not_in_two() -> None:
    with House.of({"policy": {"on_suspend_message": "service-suspended"}, "class": {"hosting": HOSTING}}) as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.world.failing_services[service.id] = "the server does not answer"
        house.sync()
        assert house.task_codes() == {"module-failed:suspend"}


def test_a_run_that_whmcs_does_not_let_in_is_in_a_task_until_one_gets_in() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        house.sync()
        house.world.switches.ip_denied = True
        with pytest.raises(AccessRefused):
            house.next_day()
        assert "run-problem" in house.task_codes()
        house.world.switches.ip_denied = False
        house.next_day()
        assert "run-problem" not in house.task_codes()


def test_every_problem_of_a_run_is_counted_in_its_task() -> None:
    with House.of() as house:
        for _ in range(8):
            house.an_invoice(house.a_service(), due=-3)
        house.faults(Fault("GetInvoice", faults.Kind.ERROR, count=0))
        house.sync()
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "run-problem"]
        assert task.size == 8
