from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.worlds import a_client, a_service, a_world, an_invoice, hosting, listen
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.cron import advance, run_daily_cron
from whmcs_bridge.simulator.endings import request_cancellation
from whmcs_bridge.simulator.modules import SUSPEND, run_module
from whmcs_bridge.simulator.records import Actor, Group, InvoiceLine, Product, Server, Service
from whmcs_bridge.simulator.state import World

TODAY = date(2025, 3, 10)
SUSPENDS = {"GenerateInvoices": "", "AutoSuspension": "on", "AutoSuspensionDays": "5"}
TERMINATES = {"GenerateInvoices": "", "AutoTermination": "on", "AutoTerminationDays": "30"}


def one_service(world_settings: dict[str, str], **fields: object) -> tuple[World, Service]:
    world = a_world(**world_settings)
    return world, a_service(world, a_client(world), **fields)


def texts(world: World) -> list[str]:
    return [entry.description for entry in world.activity]


# --- suspension -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boundary", "due", "expected"),
    [
        pytest.param(">=", date(2025, 3, 6), "Active", id="four-days"),
        pytest.param(">=", date(2025, 3, 5), "Suspended", id="this-many-days"),
        pytest.param(">", date(2025, 3, 5), "Active", id="not-more-than-five"),
        pytest.param(">", date(2025, 3, 4), "Suspended", id="more-than-five"),
    ],
)
def test_suspension_goes_by_the_next_due_date_and_one_global_number(boundary: str, due: date, expected: str) -> None:
    world, service = one_service(SUSPENDS, next_due=due)
    world.switches.set("suspend_boundary", boundary)
    run_daily_cron(world)
    assert service.status == expected


def test_a_paid_up_service_with_a_lagging_date_is_suspended_all_the_same() -> None:
    """Q32, G2: WHMCS does not look at the invoices."""
    world, service = one_service(SUSPENDS, next_due=date(2025, 3, 1))
    world.switches.due_date_lag = True
    record_payment(world, an_invoice(world, world.clients[service.client], hosting(service)))
    report = run_daily_cron(world)
    assert report.suspended == [service.id]


def test_a_debt_without_a_due_service_suspends_nothing() -> None:
    """G1."""
    world, service = one_service(SUSPENDS, next_due=date(2025, 4, 1))
    an_invoice(world, world.clients[service.client], InvoiceLine(0, "", 0, "Work", 50_000), due=date(2024, 1, 1))
    run_daily_cron(world)
    assert service.status == "Active"


def test_the_cron_suspends_with_a_blank_reason_its_hooks_and_its_log_text() -> None:
    world, service = one_service(SUSPENDS, next_due=date(2025, 3, 1))
    heard = listen(world)
    actors: list[str] = []
    heard.answers["PreModuleSuspend"] = lambda _: actors.append(world.actor)
    run_daily_cron(world)
    assert (service.status, service.suspend_reason) == ("Suspended", "")
    assert heard.variables("PreModuleSuspend")[0]["params"]["serviceid"] == service.id
    assert "AfterModuleSuspend" in heard.points
    assert actors == [Actor.CRON]
    assert "Automated Task: Starting Overdue Suspensions" in texts(world)
    assert f"Cron Job: Suspending Service - Service ID: {service.id}" in texts(world)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"cycle": "Free Account"}, id="free"),
        pytest.param({"cycle": "One Time"}, id="one-time"),
        pytest.param({"next_due": None}, id="no-date"),
        pytest.param({"status": "Pending"}, id="not-active"),
        pytest.param({"product": 2}, id="no-module"),
        pytest.param({"override": True}, id="override-without-end"),
        pytest.param({"override": True, "override_until": date(2025, 3, 11)}, id="override-until-tomorrow"),
    ],
)
def test_what_the_suspension_leaves_alone(fields: dict[str, object]) -> None:
    world, service = one_service(SUSPENDS, **({"next_due": date(2025, 1, 1)} | fields))
    before = service.status
    run_daily_cron(world)
    assert service.status == before


@pytest.mark.parametrize(("inclusive", "expected"), [(True, "Active"), (False, "Suspended")])
def test_the_day_of_an_override_counts_by_switch(inclusive: bool, expected: str) -> None:
    world, service = one_service(SUSPENDS, next_due=date(2025, 1, 1), override=True, override_until=TODAY)
    world.switches.override_until_inclusive = inclusive
    run_daily_cron(world)
    assert service.status == expected
    advance(world)
    assert service.status == "Suspended"


def test_an_exempt_group_is_neither_suspended_nor_terminated() -> None:
    world = a_world(**(TERMINATES | SUSPENDS))
    world.add_group(Group(1, "Friends", exempt=True))
    service = a_service(world, a_client(world, group=1), next_due=date(2024, 1, 1))
    run_daily_cron(world)
    assert service.status == "Active"


def test_a_suspension_refused_by_a_hook_returns_tomorrow() -> None:
    world, service = one_service(SUSPENDS, next_due=date(2025, 3, 1))
    heard = listen(world)
    heard.answers["PreModuleSuspend"] = lambda _: {"abortcmd": True}
    advance(world, 2)
    assert heard.points.count("PreModuleSuspend") == 2
    assert service.status == "Active"
    assert not world.module_queue


def test_a_failed_suspension_waits_in_the_module_queue_and_is_not_retried() -> None:
    """G9."""
    world, service = one_service(SUSPENDS, next_due=date(2025, 3, 1))
    world.failing_services[service.id] = "no route to panel"
    advance(world)
    world.failing_services.clear()
    advance(world, 3)
    (entry,) = world.module_queue.values()
    assert (entry.action, entry.error, entry.completed) == ("SuspendAccount", "no route to panel", False)
    assert service.status == "Active"
    run_module(world, service, SUSPEND)
    assert entry.completed


def test_the_clients_mail_about_a_suspension_is_a_setting() -> None:
    for switched, mails in (("", []), ("on", ["Service Suspension Notification"])):
        world, _ = one_service(SUSPENDS | {"SuspensionMails": switched}, next_due=date(2025, 3, 1))
        run_daily_cron(world)
        assert [mail.template for mail in world.emails.values()] == mails


# --- termination ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("due", "ended"), [(date(2025, 2, 8), False), (date(2025, 2, 7), True)])
@pytest.mark.parametrize("status", ["Active", "Suspended"])
def test_termination_comes_after_more_than_the_global_days(due: date, ended: bool, status: str) -> None:
    world, service = one_service(TERMINATES, next_due=due, status=status)
    run_daily_cron(world)
    assert (service.status == "Terminated") is ended
    if ended:
        assert service.terminated == TODAY
        assert f"Cron Job: Terminating Service - Service ID: {service.id}" in texts(world)


@pytest.mark.parametrize(("blocks", "expected"), [(False, "Terminated"), (True, "Active")])
def test_an_override_blocks_termination_by_switch(blocks: bool, expected: str) -> None:
    world, service = one_service(TERMINATES, next_due=date(2024, 1, 1), override=True)
    world.switches.override_blocks_terminate = blocks
    run_daily_cron(world)
    assert service.status == expected


def test_fixed_terms_end_on_their_day_exempt_group_or_not() -> None:
    world = a_world(GenerateInvoices="")
    world.add_group(Group(1, "Friends", exempt=True))
    world.add_product(Product(3, 1, "Trial", module="cpanel", autoterminate_days=30))
    client = a_client(world, group=1)
    over = a_service(world, client, product=3, registered=date(2025, 2, 8))
    running = a_service(world, client, product=3, registered=date(2025, 2, 9))
    run_daily_cron(world)
    assert (over.status, running.status) == ("Terminated", "Active")
    assert f"Cron Job: Auto Terminating Fixed Term Service - Service ID: {over.id}" in texts(world)


# --- cancellation requests ------------------------------------------------------------------------


def test_an_immediate_request_ends_the_service_at_the_next_cron_as_cancelled() -> None:
    world, service = one_service({"AutoCancellationRequests": "on", "GenerateInvoices": ""})
    request_cancellation(world, service, "Immediate")
    heard = listen(world)
    report = run_daily_cron(world)
    assert (service.status, service.terminated) == ("Cancelled", TODAY)
    assert report.cancelled == [service.id]
    assert "AfterModuleTerminate" in heard.points


def test_a_request_for_the_end_of_the_period_waits_for_the_next_due_date() -> None:
    world, service = one_service({"AutoCancellationRequests": "on", "GenerateInvoices": ""}, next_due=date(2025, 3, 12))
    request_cancellation(world, service, "End of Billing Period")
    advance(world, to=date(2025, 3, 11))
    assert service.status == "Active"
    advance(world, to=date(2025, 3, 12))
    assert service.status == "Cancelled"


def test_requests_wait_for_staff_when_their_automation_is_off() -> None:
    world, service = one_service({"GenerateInvoices": ""})
    request_cancellation(world, service)
    run_daily_cron(world)
    assert service.status == "Active"


def test_a_service_without_a_module_is_cancelled_by_its_status() -> None:
    world, service = one_service({"AutoCancellationRequests": "on", "GenerateInvoices": ""}, product=2)
    request_cancellation(world, service)
    run_daily_cron(world)
    assert service.status == "Cancelled"


# --- the run itself -------------------------------------------------------------------------------


def test_the_hooks_of_a_run_are_wrapped_and_in_order() -> None:
    world, _ = one_service({"GenerateInvoices": "on"})
    heard = listen(world)
    run_daily_cron(world)
    assert heard.points[:4] == [
        "PreCronJob",
        "PreAutomationTask",
        "PreInvoicingGenerateInvoiceItems",
        "AfterInvoicingGenerateInvoiceItems",
    ]
    assert heard.points[-3:] == ["DailyCronJobPreEmail", "DailyCronJob", "AfterCronJob"]
    assert heard.points.count("PreAutomationTask") == heard.points.count("PostAutomationTask")
    assert world.settings["lastDailyCronInvocationTime"] == "2025-03-10 12:00:00"


def test_reminders_go_out_on_their_days_and_tell_their_hook() -> None:
    world, service = one_service({"GenerateInvoices": "", "SendOverdueReminders": "on"})
    an_invoice(world, world.clients[service.client], hosting(service), due=date(2025, 3, 13), mail=False)
    heard = listen(world)
    run_daily_cron(world)
    advance(world, 12)
    assert [mail.template for mail in world.emails.values()] == [
        "Invoice Payment Reminder",
        "First Invoice Overdue Notice",
        "Second Invoice Overdue Notice",
        "Third Invoice Overdue Notice",
    ]
    assert [variables["type"] for variables in heard.variables("InvoicePaymentReminder")] == [
        "reminder",
        "firstoverdue",
        "secondoverdue",
        "thirdoverdue",
    ]


def test_a_client_without_overdue_notices_gets_reminders_only() -> None:
    world = a_world(GenerateInvoices="", SendOverdueReminders="on")
    client = a_client(world, no_overdue_notices=True)
    an_invoice(world, client, InvoiceLine(0, "", 0, "Work", 500), due=date(2025, 3, 13), mail=False)
    run_daily_cron(world)
    advance(world, 12)
    assert [mail.template for mail in world.emails.values()] == ["Invoice Payment Reminder"]


@pytest.mark.parametrize(("kind", "expected"), [("Fixed", 250), ("Percentage", 25)])
def test_a_late_fee_is_added_once(kind: str, expected: int) -> None:
    world, service = one_service(
        {"GenerateInvoices": "", "InvoiceLateFeeAmount": "2.50", "LateFeeType": kind, "AddLateFeeDays": "3"}
    )
    invoice = an_invoice(world, world.clients[service.client], hosting(service), due=date(2025, 3, 9))
    heard = listen(world)
    run_daily_cron(world)
    assert invoice.total == 1000
    advance(world, 5)
    assert [line.amount for line in invoice.lines if line.type == "LateFee"] == [expected]
    assert heard.variables("AddInvoiceLateFee") == [{"invoiceid": invoice.id}]


def test_usage_is_updated_on_active_servers() -> None:
    world = a_world(GenerateInvoices="")
    world.add_server(Server(1, "one"))
    world.add_server(Server(2, "two", active=False))
    client = a_client(world)
    first, second = a_service(world, client, server=1), a_service(world, client, server=2)
    run_daily_cron(world)
    assert (first.last_update, second.last_update) == (world.clock, None)


def test_time_passes_day_by_day_with_a_cron_at_its_hour() -> None:
    world = a_world(DailyCronExecutionHour="06:30")
    ran: list[datetime] = []

    def note(point: str, _: object) -> None:
        if point == "DailyCronJob":
            ran.append(world.clock)

    world.hook_listener = note
    reports = advance(world, 2)
    assert ran == [datetime(2025, 3, 11, 6, 30), datetime(2025, 3, 12, 6, 30)]  # noqa: DTZ001
    assert [report.day for report in reports] == [date(2025, 3, 11), date(2025, 3, 12)]
    assert world.clock == datetime(2025, 3, 12, 12, 0)  # noqa: DTZ001
    assert advance(world, to=date(2025, 3, 1)) == []
    assert world.today == date(2025, 3, 12)


def test_the_cron_of_today_still_runs_when_its_hour_lies_ahead() -> None:
    world = a_world(DailyCronExecutionHour="23:00")
    assert [report.day for report in advance(world, 1)] == [TODAY]
    assert [report.day for report in advance(world, 1, hour=13)] == [date(2025, 3, 11)]


def test_three_unpaid_months_and_one_payment_bring_a_service_back_for_a_day() -> None:
    """U6: continuous invoicing, one of three paid: live again, and down again at the next cron."""
    world, service = one_service(
        {
            "ContinuousInvoiceGeneration": "on",
            "AutoUnsuspend": "on",
            "AutoSuspension": "on",
            "AutoSuspensionDays": "3",
        },
        next_due=date(2025, 3, 20),
    )
    advance(world, to=date(2025, 5, 30))
    unpaid = [invoice for invoice in world.invoices.values() if invoice.due < world.today]
    assert (service.status, len(unpaid)) == ("Suspended", 3)
    record_payment(world, unpaid[-1])
    assert (service.status, service.next_due) == ("Active", date(2025, 4, 20))
    advance(world)
    assert service.status == "Suspended"


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10),
    st.integers(11, 40),
    st.lists(st.integers(1, 45), min_size=0, max_size=6, unique=True),
    st.booleans(),
)
def test_paying_on_any_days_never_bills_a_period_twice_nor_skips_one(
    suspend_days: int, terminate_days: int, paying_days: list[int], continuous: bool
) -> None:
    """Every renewal invoice is for the month after the last; a service that ended gets none."""
    world, service = one_service(
        {
            "AutoSuspension": "on",
            "AutoSuspensionDays": str(suspend_days),
            "AutoTermination": "on",
            "AutoTerminationDays": str(terminate_days),
            "AutoUnsuspend": "on",
            "ContinuousInvoiceGeneration": "on" if continuous else "",
        },
        next_due=date(2025, 3, 20),
    )
    for day in range(60):
        advance(world)
        if day in paying_days:
            for invoice in list(world.invoices_in("Unpaid"))[:1]:
                record_payment(world, invoice)
    dues = [invoice.due for invoice in world.invoices.values()]
    assert dues == [date(2025, 3, 20), date(2025, 4, 20), date(2025, 5, 20)][: len(dues)]
    paid = sum(invoice.status == "Paid" for invoice in world.invoices.values())
    if service.status != "Terminated":
        assert service.next_due == date(2025, 3 + paid, 20)
