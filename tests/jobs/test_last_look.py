"""Between plan and act the world goes on: what is no longer due is skipped, and what WHMCS says is read back."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.house import HOSTING, WARNED, House, client_id, done, results, service_id, the_result
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults, modules
from whmcs_bridge.simulator.automation import cancel_invoice
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Invoice, Service, ServiceStatus


def suspended_house(**rules: object) -> tuple[House, Service, Invoice]:
    """A debtor suspended by us, the final warning sent and delivered, to be terminated on the next day."""
    house = House.of({"class": {"hosting": {**HOSTING, **rules}}})
    _, service, invoice = house.a_debtor()
    house.next_day(14)
    assert service.status == "Suspended"
    assert "final-warning" in str(house.case(service).notices)
    return house, service, invoice


# --- the client pays between plan and act -------------------------------------------------------


def test_a_payment_after_the_plan_keeps_the_service_up() -> None:
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        report = house.sync(on_planned=lambda _plan: house.pay(invoice))
        assert [s.kind for s in report.plan.steps] == [Kind.SUSPEND]
        result = the_result(report, Kind.SUSPEND)
        assert result.state is StepState.SKIPPED
        assert "not due any more" in result.note
        assert service.status == "Active"
        assert house.events("module:suspend") == []
        assert report.exit_code == 0


def test_a_payment_after_the_plan_keeps_the_service_alive() -> None:
    house, service, invoice = suspended_house()
    with house:
        house.pass_days()
        report = house.sync(on_planned=lambda _plan: house.pay(invoice))
        assert the_result(report, Kind.TERMINATE).state is StepState.SKIPPED
        assert service.status == "Suspended"
        assert house.events("module:terminate") == []
        report = house.next_day()
        assert done(report) == ["unsuspend"]


def test_a_payment_after_the_plan_stops_the_warning() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        client, _, invoice = house.a_debtor(overdue=2)
        report = house.sync(on_planned=lambda _plan: house.pay(invoice))
        assert results(report, Kind.NOTICE) == [("notice", "skipped")]
        assert house.mails(client) == []


def test_a_new_debt_after_the_plan_stops_the_release() -> None:
    """The client pays one invoice while another has become overdue: a release is looked at again as well."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.pass_days()
        report = house.sync(on_planned=lambda _plan: house.an_invoice(service, due=-1) and None)
        assert results(report, Kind.UNSUSPEND) == [("unsuspend", "skipped")]
        assert service.status == "Suspended"


def _pay(house: House, service: Service, invoice: Invoice) -> None:
    house.pay(invoice)


def _cancel(house: House, service: Service, invoice: Invoice) -> None:
    cancel_invoice(house.world, invoice)


def _move_due_date(house: House, service: Service, invoice: Invoice) -> None:
    invoice.due = house.day(5)
    house.world.touch(invoice)


def _override(house: House, service: Service, invoice: Invoice) -> None:
    service.override = True


def _override_until(house: House, service: Service, invoice: Invoice) -> None:
    service.override = True
    service.override_until = house.day(1)


def _exempt(house: House, service: Service, invoice: Invoice) -> None:
    house.world.set_group(house.world.clients[service.client], 2)


def _by_staff(house: House, service: Service, invoice: Invoice) -> None:
    with house.world.acting("admin"):
        modules.run_module(house.world, service, modules.SUSPEND, reason="abuse")


def _ended(house: House, service: Service, invoice: Invoice) -> None:
    house.world.set_service_status(service, ServiceStatus.CANCELLED, recorded=True)


def _moved(house: House, service: Service, invoice: Invoice) -> None:
    house.world.move_service(service, house.a_client().id)


def _deleted(house: House, service: Service, invoice: Invoice) -> None:
    house.world.delete_service(service)


def _credit(house: House, service: Service, invoice: Invoice) -> None:
    house.world.add_credit(house.world.clients[service.client], 1000, "goodwill")


def _hold(house: House, service: Service, invoice: Invoice) -> None:
    house.bridge.journal.add_record(
        Record(
            0,
            RecordKind.HOLD,
            RecordState.OPEN,
            "Ann",
            "court order",
            house.today,
            house.today,
            None,
            client_id=client_id(house.world.clients[service.client]),
            service_id=service_id(service),
        )
    )


CHANGES = [
    _pay,
    _cancel,
    _move_due_date,
    _override,
    _override_until,
    _exempt,
    _by_staff,
    _ended,
    _moved,
    _deleted,
    _credit,
    _hold,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__.strip("_"))
def test_whatever_withholds_a_suspension_still_does_between_plan_and_act(
    change: Callable[[House, Service, Invoice], None],
) -> None:
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        report = house.sync(on_planned=lambda _plan: change(house, service, invoice))
        assert [r.state for r in report.results if r.step.kind is Kind.SUSPEND] == [StepState.SKIPPED]
        assert house.events("module:suspend", actor="api") == []


@pytest.mark.parametrize("change", [c for c in CHANGES if c is not _by_staff], ids=lambda f: f.__name__.strip("_"))
def test_whatever_withholds_a_termination_still_does_between_plan_and_act(
    change: Callable[[House, Service, Invoice], None],
) -> None:
    house, service, invoice = suspended_house()
    with house:
        house.pass_days()
        report = house.sync(on_planned=lambda _plan: change(house, service, invoice))
        assert [r.state for r in report.results if r.step.kind is Kind.TERMINATE] == [StepState.SKIPPED]
        assert house.events("module:terminate") == []


def test_a_staff_reason_put_in_place_of_ours_stops_the_termination() -> None:
    house, service, _ = suspended_house()

    def take_over(_plan: Plan) -> None:
        service.suspend_reason = "phishing, police informed"

    with house:
        house.pass_days()
        report = house.sync(on_planned=take_over)
        assert results(report, Kind.TERMINATE) == [("terminate", "skipped")]
        assert service.status == "Suspended"


def test_a_client_who_cannot_be_read_again_is_left_alone() -> None:
    """The last look fails: nothing is done on what was read before, and the others go on."""
    with House.of() as house:
        _, first, _ = house.a_debtor(overdue=3)
        _, second, _ = house.a_debtor(overdue=3)

        def break_one(_plan: Plan) -> None:
            # the look at a client begins with its services: the first client's fail, four tries included
            house.faults(Fault("GetClientsProducts", faults.Kind.HTTP_500, count=4))

        report = house.sync(on_planned=break_one)
        assert [r.state for r in report.results] == [StepState.FAILED, StepState.DONE]
        assert "could not look again" in report.results[0].note
        assert (first.status, second.status) == ("Active", "Suspended")


# --- read-back ----------------------------------------------------------------------------------


def test_a_suspension_that_changed_nothing_has_failed() -> None:
    """WHMCS says success, the status says Active: the step failed, and is tried again."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", faults.Kind.STATUS_KEY, effect=False))
        report = house.sync()
        result = the_result(report, Kind.SUSPEND)
        assert result.state is StepState.FAILED
        assert "WHMCS said success, but the service is Active" in result.note
        assert report.exit_code == 1
        assert house.case(service).suspended_on is None
        assert done(house.sync()) == ["suspend"]


def test_an_unsuspend_that_suspends_is_noticed() -> None:
    """wisp-gg/whmcs#4: the module's unsuspend suspended. The state is read back after each act."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.pay(invoice)
        house.pass_days()
        house.faults(Fault("ModuleUnsuspend", faults.Kind.STATUS_KEY, effect=False))
        report = house.sync()
        result = the_result(report, Kind.UNSUSPEND)
        assert (result.state, service.status) == (StepState.FAILED, "Suspended")
        assert done(house.sync()) == ["unsuspend"]


def test_a_termination_that_changed_nothing_has_failed() -> None:
    house, service, _ = suspended_house()
    with house:
        house.pass_days()
        house.faults(Fault("ModuleTerminate", faults.Kind.STATUS_KEY, effect=False))
        report = house.sync()
        assert the_result(report, Kind.TERMINATE).state is StepState.FAILED
        assert (service.status, house.case(service).ended_on) == ("Suspended", None)
        assert results(house.sync(), Kind.TERMINATE) == [("terminate", "done")]


def test_a_failing_module_is_reported_and_stops_nobody_else() -> None:
    with House.of() as house:
        _, broken, _ = house.a_debtor(overdue=3)
        _, other, _ = house.a_debtor(overdue=3)
        house.world.failing_services[broken.id] = "cPanel: connection refused"
        report = house.sync()
        assert report.results[0].state is StepState.FAILED
        assert "cPanel: connection refused" in report.results[0].note
        assert (broken.status, other.status) == ("Active", "Suspended")
        assert "module-failed:suspend" in house.task_codes()
        assert house.case(broken).suspended_on is None
        house.world.failing_services.clear()
        assert done(house.sync()) == ["suspend"]
        assert broken.status == "Suspended"


def test_the_waiting_time_counts_from_the_suspension_that_came_about() -> None:
    """The module was out of order for ten days: the waiting time begins when the service is really down."""
    with House.of() as house:
        _, service, _ = house.a_debtor()
        house.world.failing_services[service.id] = "out of order"
        house.next_day(13)
        house.world.failing_services.clear()
        house.next_day()
        suspended_on = house.today
        while service.status != "Terminated":
            house.next_day()
            assert house.today < suspended_on + timedelta(days=40)
        assert house.today == suspended_on + timedelta(days=12)
