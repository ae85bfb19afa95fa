"""WHMCS's daily cron with its real gaps (facts sheet 10), and time that passes with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from whmcs_bridge.simulator import cycles, modules
from whmcs_bridge.simulator.automation import add_late_fee
from whmcs_bridge.simulator.endings import END_OF_PERIOD, ENDED
from whmcs_bridge.simulator.invoicing import generate_invoices
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import Actor, Invoice, InvoiceStatus, Service, ServiceStatus
from whmcs_bridge.simulator.state import World

DEFAULT_CRON_HOUR = "09:00"
DEFAULT_REMINDER_DAYS = {
    "SendInvoiceReminderDays": 3,
    "SendFirstOverdueInvoiceReminder": 1,
    "SendSecondOverdueInvoiceReminder": 3,
    "SendThirdOverdueInvoiceReminder": 7,
}
_REMINDERS: tuple[tuple[str, int, str, str], ...] = (
    ("SendInvoiceReminderDays", -1, "Invoice Payment Reminder", "reminder"),
    ("SendFirstOverdueInvoiceReminder", 1, "First Invoice Overdue Notice", "firstoverdue"),
    ("SendSecondOverdueInvoiceReminder", 1, "Second Invoice Overdue Notice", "secondoverdue"),
    ("SendThirdOverdueInvoiceReminder", 1, "Third Invoice Overdue Notice", "thirdoverdue"),
)


@dataclass(slots=True)
class CronReport:
    """What one daily run did, as ids of services (invoices where named so)."""

    day: date
    invoices: list[int] = field(default_factory=list)
    late_fees: list[int] = field(default_factory=list)
    reminded: list[int] = field(default_factory=list)
    suspended: list[int] = field(default_factory=list)
    terminated: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """Services whose step failed, was aborted by a hook, or has no module."""


def run_daily_cron(world: World) -> CronReport:
    """Run the daily tasks now, whatever the hour, in the order of facts sheet 10.1.

    PreCronJob; each task inside PreAutomationTask and PostAutomationTask; DailyCronJobPreEmail and
    DailyCronJob at the end, then AfterCronJob. What is switched off in `world.settings` is left out.
    """
    report = CronReport(world.today)
    with world.acting(Actor.CRON):
        world.fire("PreCronJob", {})
        for name, setting, task in _TASKS:
            if not setting or world.is_on(setting):
                with _task(world, name):
                    task(world, report)
        world.settings["lastDailyCronInvocationTime"] = world.clock.strftime("%Y-%m-%d %H:%M:%S")
        world.record("cron", detail=report.day.isoformat())
        world.fire("DailyCronJobPreEmail", {})
        world.fire("DailyCronJob", {})
        world.fire("AfterCronJob", {})
    return report


def advance(world: World, days: int = 1, *, to: date | None = None, hour: int | None = None) -> list[CronReport]:
    """Move the clock by whole days (or to the same time on `to`) and run the cron on its way.

    The cron runs at `hour`, or at the configured `DailyCronExecutionHour`, whenever the clock passes
    that moment. Returns one report a run; a target that lies behind moves nothing.
    """
    if to is not None:
        days = (to - world.today).days
    target = world.clock + timedelta(days=days)
    reports = []
    moment = _next_cron(world, world.clock, hour)
    while moment <= target:
        world.clock = moment
        reports.append(run_daily_cron(world))
        moment = _next_cron(world, moment, hour)
    world.clock = max(world.clock, target)
    return reports


def _next_cron(world: World, after: datetime, hour: int | None) -> datetime:
    at = time(hour) if hour is not None else _cron_time(world)
    moment = datetime.combine(after.date(), at)
    return moment if moment > after else moment + timedelta(days=1)


def _cron_time(world: World) -> time:
    text = world.settings.get("DailyCronExecutionHour") or DEFAULT_CRON_HOUR
    hours, _, minutes = text.partition(":")
    return time(int(hours) % 24, int(minutes or 0))


@contextmanager
def _task(world: World, name: str) -> Iterator[None]:
    world.fire("PreAutomationTask", {"task": name})
    yield
    world.fire("PostAutomationTask", {"task": name, "completed": True})


# --- the tasks ------------------------------------------------------------------------------------


def _create_invoices(world: World, report: CronReport) -> None:
    report.invoices = generate_invoices(world, Actor.CRON)


def _add_late_fees(world: World, report: CronReport) -> None:
    """`InvoiceLateFeeAmount` (an amount, or a percentage with LateFeeType Percentage) once per invoice,
    `AddLateFeeDays` days after its due date."""
    rate = _cents(world.settings.get("InvoiceLateFeeAmount", ""))
    if rate <= 0:
        return
    percentage = world.settings.get("LateFeeType", "Percentage") == "Percentage"
    cut = world.today - timedelta(days=world.number("AddLateFeeDays", 1))
    for invoice in list(world.invoices_in(InvoiceStatus.UNPAID)):
        if invoice.due > cut or world.clients[invoice.client].no_late_fees:
            continue
        if any(line.type in ("LateFee", "AddFunds", "Invoice") for line in invoice.lines):
            continue
        fee = world.balance(invoice) * rate // 10_000 if percentage else rate
        if fee > 0:
            add_late_fee(world, invoice, fee)
            report.late_fees.append(invoice.id)


def _send_reminders(world: World, report: CronReport) -> None:
    for invoice in list(world.invoices_in(InvoiceStatus.UNPAID)):
        overdue = (world.today - invoice.due).days
        for setting, sign, template, kind in _REMINDERS:
            days = world.number(setting, DEFAULT_REMINDER_DAYS[setting])
            if days and overdue == sign * days:
                _remind(world, invoice, template, kind)
                report.reminded.append(invoice.id)


def _remind(world: World, invoice: Invoice, template: str, kind: str) -> None:
    client = world.clients[invoice.client]
    if client.no_overdue_notices and kind != "reminder":
        return
    send_mail(world, client, template, invoice.id)
    world.fire("InvoicePaymentReminder", {"invoiceid": invoice.id, "type": kind})


def _process_cancellations(world: World, report: CronReport) -> None:
    failed = _failed_before(world, modules.TERMINATE)
    for request in list(world.cancel_requests.values()):
        service = world.services.get(request.service)
        if service is None or service.status in ENDED or service.id in failed:
            continue
        if request.type == END_OF_PERIOD and (service.next_due is None or service.next_due > world.today):
            continue
        if _end(world, service, ServiceStatus.CANCELLED):
            report.cancelled.append(service.id)
        else:
            report.refused.append(service.id)


def _suspend_overdue(world: World, report: CronReport) -> None:
    world.note_activity("Automated Task: Starting Overdue Suspensions")
    at_least = world.number("AutoSuspensionDays") + (world.switches.suspend_boundary == ">")
    failed = _failed_before(world, modules.SUSPEND)
    for service in _overdue(world, (ServiceStatus.ACTIVE,), at_least):
        if service.id in failed or _is_overridden(world, service):
            continue
        if modules.run_module(world, service, modules.SUSPEND):
            report.refused.append(service.id)
            continue
        report.suspended.append(service.id)
        if world.is_on("SuspensionMails"):
            send_mail(world, world.clients[service.client], "Service Suspension Notification", service.id)


def _terminate_overdue(world: World, report: CronReport) -> None:
    world.note_activity("Automated Task: Starting Overdue Terminations")
    more_than = world.number("AutoTerminationDays")
    failed = _failed_before(world, modules.TERMINATE)
    held = world.switches.override_blocks_terminate
    for service in _overdue(world, (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED), more_than + 1):
        if service.id in failed or (held and _is_overridden(world, service)):
            continue
        if modules.run_module(world, service, modules.TERMINATE):
            report.refused.append(service.id)
        else:
            report.terminated.append(service.id)


def _terminate_fixed_terms(world: World, report: CronReport) -> None:
    """Product setting Auto Terminate/Fixed Term; the exempt group does not cover it."""
    terms = {number: product.autoterminate_days for number, product in world.products.items()}
    if not any(terms.values()):
        return
    world.note_activity("Automated Task: Starting Fixed Term Terminations")
    failed = _failed_before(world, modules.TERMINATE)
    for service in _with_status(world, ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED):
        days = terms.get(service.product, 0)
        if not days or service.id in failed or service.registered + timedelta(days=days) > world.today:
            continue
        text = f"Cron Job: Auto Terminating Fixed Term Service - Service ID: {service.id}"
        world.note_activity(text, service.client)
        if _end(world, service, ServiceStatus.TERMINATED):
            report.terminated.append(service.id)
        else:
            report.refused.append(service.id)


def _update_usage(world: World, report: CronReport) -> None:
    active = {server.id for server in world.servers.values() if server.active}
    for service in _with_status(world, ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED):
        if service.server in active:
            service.last_update = world.clock


_Task = Callable[[World, CronReport], None]
_TASKS: tuple[tuple[str, str, _Task], ...] = (
    ("CreateInvoices", "GenerateInvoices", _create_invoices),
    ("AddLateFees", "", _add_late_fees),
    ("InvoiceReminders", "SendOverdueReminders", _send_reminders),
    ("CancellationRequests", "AutoCancellationRequests", _process_cancellations),
    ("AutoSuspensions", "AutoSuspension", _suspend_overdue),
    ("AutoTerminations", "AutoTermination", _terminate_overdue),
    ("FixedTermTerminations", "", _terminate_fixed_terms),
    ("UpdateServerUsage", "", _update_usage),
)
"""Task name (facts sheet 10.1), the setting that switches it on ("" is always), what it does."""


def _end(world: World, service: Service, status: str) -> bool:
    """Terminate through the module, or by status alone for a product without one."""
    if not modules.module_of(world, service):
        world.set_service_status(service, status, recorded=True)
        return True
    return not modules.run_module(world, service, modules.TERMINATE, end_status=status)


def _with_status(world: World, *statuses: str) -> Iterator[Service]:
    ids = sorted(number for status in statuses for number in world.services_by_status.get(status, ()))
    yield from (world.services[number] for number in ids)


def _overdue(world: World, statuses: tuple[str, ...], at_least: int) -> list[Service]:
    """Services whose next due date (not their invoices, G1) is `at_least` days past, exempt groups,
    free and one-time cycles left out."""
    cut = world.today - timedelta(days=at_least)
    exempt = {group.id for group in world.groups.values() if group.exempt}
    return [
        service
        for service in _with_status(world, *statuses)
        if service.next_due is not None
        and service.next_due <= cut
        and cycles.months_in(service.cycle)
        and world.clients[service.client].group not in exempt
    ]


def _is_overridden(world: World, service: Service) -> bool:
    if not service.override:
        return False
    until = service.override_until
    if until is None or world.today < until:
        return True
    return until == world.today and world.switches.override_until_inclusive


def _failed_before(world: World, command: modules.Command) -> set[int]:
    """Services whose action waits in the module queue: WHMCS does not retry by itself."""
    return {
        entry.service
        for entry in world.module_queue.values()
        if entry.action == command.queue_action and not entry.completed
    }


def _cents(text: str) -> int:
    whole, _, part = text.strip().partition(".")
    digits = f"{whole or '0'}{(part + '00')[:2]}"
    return int(digits) if digits.isdigit() else 0
