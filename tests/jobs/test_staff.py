"""What staff is told: every cause once, many subjects of one cause together, and nothing that is over."""

from datetime import timedelta

from tests.house import HOSTING, House, service_id
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Task
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.faults import Kind as Trouble


def the_task(house: House, code: str) -> Task:
    found = [task for task in house.bridge.journal.tasks() if task.code == code]
    assert len(found) == 1, f"{len(found)} tasks of {code}: {[t.text for t in found]}"
    return found[0]


# --- one cause behind many --------------------------------------------------------------------------


def test_a_server_that_is_down_is_one_task_with_a_list() -> None:
    with House.of() as house:
        owing = [house.a_debtor(overdue=4)[1] for _ in range(5)]
        for service in owing:
            house.world.failing_services[service.id] = "cPanel: connection refused"
        house.sync()
        task = the_task(house, "module-failed:suspend")
        assert task.text == "suspend fails on server 1: 5 services"
        assert {m.service for m in task.members} == {s.id for s in owing}
        house.world.failing_services.clear()
        house.sync()
        house.next_day()
        assert house.task_codes() == set(), "nothing fails any more"


def test_special_invoices_of_many_clients_are_one_task_that_names_each() -> None:
    with House.of() as house:
        for _ in range(30):
            client = house.a_client()
            house.a_service(client)
            house.an_invoice(client=client, due=-5, lines=[("AddFunds", 0, 500)])
        house.sync()
        task = the_task(house, "special-invoices")
        assert (task.size, len(task.members)) == (30, 30)
        assert task.text == "invoices that can suspend nothing: 30 clients"


def test_an_unreachable_whmcs_is_one_task_however_much_could_not_be_read() -> None:
    with House.of() as house:
        for _ in range(12):
            house.a_debtor(overdue=4)
        house.sync()
        house.pass_days()
        house.faults(Fault(kind=Trouble.CONNECTION_REFUSED, count=0))
        house.sync()
        assert the_task(house, "run-problem").text
        house.faults()
        house.sync()
        assert "run-problem" not in house.task_codes()


# --- what nobody is judged for ------------------------------------------------------------------------


def test_a_next_due_date_that_lags_behind_without_debt_is_reported_and_never_acted_on() -> None:
    with House.of() as house:
        late = [house.a_service(next_due=house.day(-10)) for _ in range(3)]
        house.a_service(next_due=house.day(-1))
        house.a_service(next_due=house.day(-10), amount=0)
        _, billed, _ = house.a_debtor(overdue=1)
        billed.next_due = house.day(-10)
        report = house.sync()
        task = the_task(house, "due-date-lag")
        assert [m.service for m in task.members] == [s.id for s in late]
        assert {step.service for step in report.plan.steps} <= {billed.id}
        for service in late:
            service.next_due = house.day(20)
        house.sync()
        assert "due-date-lag" not in house.task_codes()


def test_a_next_due_date_that_lags_behind_an_invoice_not_yet_due_is_reported() -> None:
    """The worst case: WHMCS's cron suspends by that date although the client has time to pay."""
    with House.of() as house:
        service = house.a_service(next_due=house.day(-10))
        invoice = house.an_invoice(service, due=5)
        overdue = house.a_service(next_due=house.day(-10))
        house.an_invoice(overdue, due=-10)
        house.sync()
        task = the_task(house, "due-date-lag")
        assert task.service == service.id
        assert "no overdue invoice bills it" in task.text
        invoice.due = house.day(-1)
        house.sync()
        assert "due-date-lag" not in house.task_codes()


def test_services_that_the_list_does_not_have_any_more_are_told_of_though_they_owe_nothing() -> None:
    with House.of() as house:
        gone, _ = house.a_service(), house.a_service()
        house.sync()
        house.world.delete_service(gone)
        house.next_day()
        assert the_task(house, "missing").service == gone.id


# --- what hooks told of -----------------------------------------------------------------------------


def test_a_module_failure_that_a_hook_told_of_goes_when_whmcs_shows_that_it_worked() -> None:
    with House.of() as house:
        one, other = house.a_service(), house.a_service()
        house.sync()
        for service in (one, other):
            note = Note("module-suspend", f"service {service.id}", "look", None, service_id(service), pile="server 1")
            house.bridge.journal.add_task(note, house.today, by_hand=False)
        house.next_day()
        assert the_task(house, "module-suspend").size == 2, "nothing has changed"
        one.status, one.suspend_reason = "Suspended", "Abuse"
        house.next_day()
        assert [m.service for m in the_task(house, "module-suspend").members] == [ServiceId(other.id)]
        other.status = "Terminated"
        house.next_day()
        assert "module-suspend" not in house.task_codes()


def test_a_snooze_ends_on_its_day_with_the_run_of_that_day() -> None:
    with House.of({"class": {"hosting": HOSTING}}) as house:
        client = house.a_client()
        house.a_service(client, status="Suspended", suspend_reason="Abuse")
        house.an_invoice(house.world.services[1], due=-3)
        house.sync()
        task = the_task(house, "foreign-suspension")
        journal = house.bridge.journal
        journal.set_task(task.number, "snoozed", house.today, until=house.today + timedelta(days=2))
        house.next_day()
        assert journal.tasks() == []
        house.next_day()
        assert the_task(house, "foreign-suspension").number == task.number
