"""What must hold in every history: judged from the simulated WHMCS alone, at each call and after each run.

The oracle shares no code with the policy. Of the bridge it reads only what people told it (records) and its tasks.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from tests.house import House
from tests.properties.houses import EXEMPT_GROUP, HOUSES, VIP_GROUP
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.jobs.report import RunReport, StepResult
from whmcs_bridge.plan.model import Step
from whmcs_bridge.ports import StepState, Task
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.records import Actor, Email, Invoice, InvoiceLine, Service, ServiceStatus
from whmcs_bridge.simulator.state import SimEvent

OURS = re.compile(r"Overdue: invoice \d+(, \d+)* \[whmcs-bridge\]")
OPEN = ("Unpaid", "Collections", "Payment Pending")
ENDED = ("Terminated", "Cancelled", "Fraud")
WARNING, FINAL = "Please pay before", "Final warning"
WRITES = ("Module", "Update", "SendEmail", "AddCancelRequest")


VALID_DAYS = 30
Warned = tuple[str, int, int, int]


@dataclass
class Act:
    """One harmful or lifting call of the bridge, as the world was when it came."""

    name: str
    service: int
    day: date


@dataclass(kw_only=True)
class Oracle:
    """Watches one house; whoever lets things happen in it says what excuses a warning from being the only one."""

    house: House = field(init=False)
    rules: str
    """The name in HOUSES of the settings in force."""
    calls: list[Act] = field(default_factory=list)
    """Since the last run began."""
    reopened: Counter[int] = field(default_factory=Counter)
    disturbed: set[int] = field(default_factory=set)
    """Services with an exemption, a record or a staff act: their warnings may have to be repeated."""
    warned: dict[Warned, list[date]] = field(default_factory=dict)
    """(kind, service, oldest invoice, times it was reopened) -> days of the mails that reached the log."""
    approved: set[tuple[str, int]] = field(default_factory=set)
    """(kind, service) that a person has ever approved."""
    least: dict[str, int] = field(default_factory=dict)
    limits_changed: bool = False
    released: dict[int, date] = field(default_factory=dict)
    """Service -> first day after its last trust release."""
    lost_mails: list[Email] = field(default_factory=list)
    lost_log: list[SimEvent] = field(default_factory=list)
    """What a WHMCS restored from a backup has forgotten; clients and panels have not."""
    by_hand: bool = False
    """A person does it, whatever the mode."""
    restored: bool = False
    """WHMCS went back to a backup: what the bridge did since has never happened there."""
    _speaking: tuple[int, list[Warned]] | None = None

    # --- terms that the settings of this history have ever named --------------------------------------

    def note_rules(self, name: str) -> None:
        """The shortest terms that any policy of this history has named bound what may ever happen."""
        for kind, rules in HOUSES[name]["class"].items():
            waiting = rules["terminate_after_days"] - rules["suspend_after_days"]
            named = {
                "suspend_after_days": rules["suspend_after_days"],
                "terminate_after_days": rules["terminate_after_days"],
                "waiting": waiting,
                "final": min(rules.get("final_warning_days", 3), waiting),
            }
            for key, days in named.items():
                self.least[f"{kind}.{key}"] = min(days, self.least.get(f"{kind}.{key}", days))

    def _term(self, service: Service, key: str) -> int:
        return self.least[f"{self.class_of(service)}.{key}"]

    def class_of(self, service: Service) -> str:
        return "vps" if self.house.world.products[service.product].type == "server" else "hosting"

    def setting(self, table: str, key: str) -> Any:
        return HOUSES[self.rules].get(table, {}).get(key)

    # --- what the world says ------------------------------------------------------------------------

    def debts(self, service: Service) -> list[Invoice]:
        """Open invoices past their due date that bill the service (or, under scope client, its owner)."""
        whole = self.setting("policy", "scope") == "client"
        return [
            invoice
            for invoice in self.open_invoices(service.client)
            if clock_of(invoice) < self.house.today
            and self.house.world.balance(invoice) > 0
            and any(self._bills(line, service, whole=whole) for line in invoice.lines)
        ]

    def open_invoices(self, client: int) -> Iterator[Invoice]:
        world = self.house.world
        for number in world.invoices_by_client.get(client, ()):
            if world.invoices[number].status in OPEN:
                yield world.invoices[number]

    def _bills(self, line: InvoiceLine, service: Service, *, whole: bool) -> bool:
        billed = self._service_behind(line)
        return billed is not None and (billed.client == service.client if whole else billed.id == service.id)

    def owes_nothing(self, client: int) -> bool:
        """No open invoice at all is past its due date."""
        return not any(invoice.due < self.house.today for invoice in self.open_invoices(client))

    def on_one_day(self) -> bool:
        """The bridge and WHMCS agree on what day it is."""
        return True

    def hides_debt(self) -> bool:
        """What is owed cannot be known from WHMCS's answers."""
        return False

    def records(self, client: int) -> Sequence[Record]:
        """What people told the bridge about a client."""
        return self.house.bridge.journal.records(client=ClientId(client))

    def mails(self, client: int) -> Iterator[Email]:
        """Every mail that the client got, a restored WHMCS's forgotten ones too."""
        world = self.house.world
        yield from (world.emails[number] for number in world.emails_by_client.get(client, ()))
        yield from (mail for mail in self.lost_mails if mail.client == client)

    def events(self, kind: str, service: Service) -> list[SimEvent]:
        lost = [e for e in self.lost_log if e.kind.startswith(kind) and e.service == service.id]
        return lost + self.house.events(kind, service=service)

    def kept_down(self) -> Iterator[Service]:
        """Services that are down with our reason although their client owes nothing at all."""
        for service in self.house.world.services.values():
            if (
                service.status == ServiceStatus.SUSPENDED
                and OURS.fullmatch(service.suspend_reason)
                and self.owes_nothing(service.client)
            ):
                yield service

    # --- at the moment of a call --------------------------------------------------------------------

    def watch(self, action: str, params: Params) -> None:
        """Judge one call of the bridge before WHMCS carries it out."""
        self.hear()
        if action.startswith(WRITES) and action != "UpdateInvoice":
            assert self.by_hand or self.house.bridge.settings.enforcing, f"{action} in shadow mode"
        world = self.house.world
        if action == "ModuleSuspend":
            self._may_suspend(world.services[params.number("serviceid")], params.text("suspendreason"))
        elif action == "ModuleTerminate":
            self._may_terminate(world.services[params.number("serviceid")])
        elif action == "ModuleUnsuspend":
            self._may_unsuspend(world.services[params.number("serviceid")])
        elif action == "UpdateClientProduct" and params.text("status"):
            self._may_set_status(world.services[params.number("serviceid")], params)
        elif action == "UpdateClient":
            client = world.clients[params.number("clientid")]
            assert client.group in (0, VIP_GROUP), f"client {client.id} was moved out of group {client.group}"
            self.disturbed.update(world.services_by_client.get(client.id, ()))  # a courtesy may begin, or end
        elif action == "SendEmail":
            self._speaking = (len(world.emails), self._warns_of(params))

    def hear(self) -> None:
        """Count the warnings of the last mail, if it went out."""
        if self._speaking is None:
            return
        before, warnings = self._speaking
        self._speaking = None
        if len(self.house.world.emails) > before and not next(reversed(self.house.world.emails.values())).failed:
            for warning in warnings:
                self.warned.setdefault(warning, []).append(self.house.today)

    def _act(self, name: str, service: Service) -> str:
        self.calls.append(Act(name, service.id, self.house.today))
        return f"{name} of service {service.id} on {self.house.today}"

    def _may_set_status(self, service: Service, params: Params) -> None:
        match params.text("status"):
            case "Suspended" if self.by_hand and service.status == ServiceStatus.SUSPENDED:
                pass  # handed back: it stays down, without our reason
            case "Suspended":
                self._may_suspend(service, params.text("suspendreason"))
            case "Active":
                self._may_unsuspend(service)
            case "Cancelled":  # after an end on request, WHMCS's own word for it
                assert service.status in ENDED, f"service {service.id} is {service.status}, not ended"
            case _:
                self._may_terminate(service)

    def _may_suspend(self, service: Service, reason: str) -> None:
        what = self._act("suspend", service)
        debts = self.debts(service)
        assert debts, f"{what}: nothing is owed"
        assert service.status == ServiceStatus.ACTIVE, f"{what}: it is {service.status}"
        assert OURS.fullmatch(reason), f"{what}: reason {reason!r}"
        oldest = min(clock_of(debt) for debt in debts)
        age = (self.house.today - oldest).days
        assert age >= self._term(service, "suspend_after_days"), f"{what}: only {age} days"
        self._not_protected(what, service)
        if self._needs_warning(service):
            told = self._told(service, WARNING)
            assert any(on < self.house.today and on > oldest for on in told), f"{what}: warned on {told}, due {oldest}"

    def _may_terminate(self, service: Service) -> None:
        what = self._act("terminate", service)
        debts = self.debts(service)
        assert debts, f"{what}: nothing is owed"
        assert service.status == ServiceStatus.SUSPENDED, f"{what}: it is {service.status}"
        assert not service.suspend_reason or OURS.fullmatch(service.suspend_reason), f"{what}: not our suspension"
        down = self._down_since(service, first=service.id in self.released)
        today = self.house.today
        assert (today - down).days >= self._term(service, "waiting"), f"{what}: down only since {down}"
        age = (today - min(clock_of(debt) for debt in debts)).days
        assert age >= self._term(service, "terminate_after_days"), f"{what}: only {age} days"
        self._not_protected(what, service)
        if self.setting("approval", "terminate") == "required":
            assert ("terminate", service.id) in self.approved, f"{what}: nobody approved"
        fresh = max(down, self.released.get(service.id, down))
        told = [on for on in self._told(service, FINAL) if on >= fresh]
        ahead = timedelta(days=self._term(service, "final"))
        assert any(on + ahead <= today for on in told), f"{what}: final warnings {told}, down since {down}"

    def _may_unsuspend(self, service: Service) -> None:
        what = self._act("unsuspend", service)
        assert service.status == ServiceStatus.SUSPENDED, f"{what}: it is {service.status}"
        assert not service.suspend_reason or OURS.fullmatch(service.suspend_reason), (
            f"{what}: that was somebody else's ({service.suspend_reason})"
        )
        if self.hides_debt() or self._released(service):
            return
        due = [
            i
            for i in self.debts(service)
            if self._owed_for_services(i) > 0
            and self.house.world.balance(i) > self._least_that_counts()
            and max(clock_of(i), self._last_day_to_pay(i)) < self.house.today
        ]
        assert not due, f"{what}: still owes {[i.id for i in due]}"

    def _last_day_to_pay(self, invoice: Invoice) -> date:
        """The due date; where the gateway has clearing days, a weekend's moves to Monday."""
        if not self.setting("calendar", "clearing_bank_days"):
            return invoice.due
        return invoice.due + timedelta(days=max(0, 7 - invoice.due.weekday()) if invoice.due.weekday() > 4 else 0)

    def _least_that_counts(self) -> int:
        return 100 if self.setting("policy", "min_debt") else 0

    def _owed_for_services(self, invoice: Invoice) -> int:
        """Cents owed on the lines of services: what was paid covers them first. Old debt of ended ones is reported."""
        world = self.house.world
        billed = 0
        for line in invoice.lines:
            service = self._service_behind(line)
            if service is None:
                continue
            if service.status in ENDED:
                return 0
            billed += line.amount
        paid = sum(line.amount for line in invoice.lines) - world.balance(invoice)
        return max(0, billed - paid)

    def _service_behind(self, line: InvoiceLine) -> Service | None:
        world = self.house.world
        if line.type == "Addon":
            addon = world.addons.get(line.relid)
            return world.services.get(addon.service) if addon is not None else None
        return world.services.get(line.relid) if line.type == "Hosting" else None

    def protection(self, service: Service) -> str:
        """Say what withholds everything harmful from the service today; "" for nothing."""
        client = self.house.world.clients[service.client]
        until = service.override_until
        if service.override and (until is None or self.house.today < until):
            return "WHMCS's override is on"
        if client.group == EXEMPT_GROUP:
            return "the group is exempt"
        owed = sum(self.house.world.balance(i) for i in self.debts(service))
        if client.credit >= owed:
            return f"credit {client.credit} covers {owed}"
        told = [r for r in self.records(client.id) if self._holds(r, service)]
        if told:
            return f"{told[0].kind} of {told[0].made_on} until {told[0].until}"
        quiet = self.setting("calendar", "quiet_days")
        return "a quiet day" if quiet and self.house.today.weekday() >= 4 else ""

    def _not_protected(self, what: str, service: Service) -> None:
        found = self.protection(service)
        assert not found, f"{what}: {found}"

    def _holds(self, record: Record, service: Service) -> bool:
        """A promise, release or hold that people recorded and that is in force for this service today."""
        about = record.service_id in (None, service.id)
        in_time = record.since <= self.house.today and (record.until is None or self.house.today <= record.until)
        return about and in_time and record.state is RecordState.OPEN

    def _released(self, service: Service) -> bool:
        records = self.records(service.client)
        return any(r.kind is RecordKind.RELEASE and self._holds(r, service) for r in records)

    def _needs_warning(self, service: Service) -> bool:
        return self.class_of(service) == "hosting" and "notices" in HOUSES[self.rules]["class"]["hosting"]

    def _told(self, service: Service, subject: str) -> list[date]:
        """Days on which a mail with this subject, naming the service's domain, went out and did not fail."""
        return [
            mail.at.date()
            for mail in self.mails(service.client)
            if not mail.failed and mail.subject.startswith(subject) and service.domain in mail.subject
        ]

    def _down_since(self, service: Service, *, first: bool) -> date:
        """Day of the last suspension; of the first one where a trust release lay in between: its clock goes on."""
        downs = [e.at.date() for e in self.events("module:suspend", service) if "failed" not in e.kind]
        downs += [e.at.date() for e in self.events("service:status", service) if e.detail.endswith("Suspended")]
        return min(downs) if first else max(downs)

    def _warns_of(self, params: Params) -> list[Warned]:
        """A warning for the same oldest debt of a service goes out once."""
        subject = params.text("customsubject")
        kind = next((k for k in (WARNING, FINAL) if subject.startswith(k)), "")
        found = []
        for service in self.house.world.services.values() if kind else ():
            if re.search(rf"\b{re.escape(service.domain)}(,|$| )", subject) and (debts := self.debts(service)):
                oldest = min(debts, key=lambda i: (i.due, i.id))
                found.append((kind, service.id, oldest.id, self.reopened[oldest.id]))
        return found

    def erased(self, item: BackupItem, owner: ServiceId) -> None:
        """Judge the deletion of one backup."""
        service = self.house.world.services.get(int(owner))
        what = f"{item.locator} deleted on {self.house.today}"
        assert service is not None, f"{what}: the service's record is gone, which proves nothing"
        assert service.status in ENDED, f"{what}: its service is {service.status}"
        if self.setting("approval", "delete_backups") == "required":
            assert ("delete_backups", service.id) in self.approved, f"{what}: nobody approved"

    # --- after a run --------------------------------------------------------------------------------

    def nothing_twice(self) -> None:
        """One suspension or termination a service and day, no mail twice a day, no warning twice for one debt."""
        self.hear()
        day = self.house.today
        log = [e for e in (*self.lost_log, *self.house.world.log) if e.at.date() == day and e.actor == Actor.API]
        acts = Counter(e.service for e in log if _takes_down(e))
        twice = [service for service, count in acts.items() if count > 1]
        assert not twice, f"more than one suspension or termination on {day}: services {twice}"
        ends = Counter(e.service for e in log if e.kind == "module:terminate")
        assert not [s for s, count in ends.items() if count > 1], f"ended twice: {ends}"
        mails = Counter(
            (mail.client, mail.subject)
            for client in self.house.world.clients
            for mail in self.mails(client)
            if mail.at.date() == day and not mail.failed and not mail.template
        )
        assert not [m for m, count in mails.items() if count > 1], f"the same mail twice on {day}: {mails}"
        if self.on_one_day():
            staff = [e for e in self.house.events("email:staff") if e.at.date() == day]
            assert len(staff) <= 1, f"{len(staff)} morning mails on {day}"
        again = [key for key, on in self.warned.items() if _too_often(on) and key[1] not in self.disturbed]
        assert not again, f"warned again about the same debt: {again}"

    def within_limits(self) -> None:
        """Of each kind no more in a day than the limits let through."""
        limits: Mapping[str, Mapping[str, int]] = HOUSES[self.rules].get("limits", {})
        if self.limits_changed:
            return
        day = self.house.today
        for kind, limit in limits.items():
            most = max(limit["always_allowed"], limit["max"]) + limit.get("max_announced", 0)
            done = [
                e
                for e in self.house.events(f"module:{kind}", actor="api")
                if e.at.date() == day and "failed" not in e.kind
            ]
            assert len(done) <= most, f"{len(done)} of {kind} on {day}, {most} allowed"

    def nothing_forgotten(self, report: RunReport, paid_up: Collection[int]) -> None:
        """What the run did not do is in a task: a step that failed or is not known, one refused, one never tried."""
        tasks = self.house.bridge.journal.tasks()
        last: dict[str, StepResult] = {r.step.id: r for r in report.results}
        for result in last.values():
            if result.state in (StepState.FAILED, StepState.UNKNOWN):
                said = f"{result.step.kind} of {result.step.subject} is {result.state} ({result.note})"
                assert _is_told(tasks, result.step), f"{said}, and no task says so: {_codes(tasks)}"
        codes = {task.code for task in tasks}
        for step in report.plan.steps:
            if step.id not in last and report.job == "sync":
                told = _is_told(tasks, step) or (report.problems and any(_is_general(t) for t in tasks))
                assert told, f"{step.kind} of {step.subject} was never tried: {_codes(tasks)}"
        if report.plan.refused:
            stops = {stop.code for stop in report.plan.stops}
            assert stops & codes, f"{len(report.plan.refused)} steps refused by {stops}, no task: {_codes(tasks)}"
        if not report.plan.complete or report.problems:
            assert any(code.startswith("run-problem") for code in codes), f"{report.problems}: no task"
        if not self.restored:
            assert "another-bridge" not in codes, f"there is no other bridge: {_codes(tasks)}"
        for service in (s for s in self.kept_down() if s.client in paid_up):
            told = any(t.is_about(service=ServiceId(service.id)) or _is_general(t) for t in tasks)
            assert told, f"service {service.id} owes nothing, is down, and no task says so: {report.summary()}"


def clock_of(invoice: Invoice) -> date:
    """Day that day counts start from: a backdated invoice makes nobody instantly overdue."""
    return max(invoice.due, invoice.created)


def _too_often(days: list[date]) -> bool:
    """A warning is good for thirty days; before that nobody hears the same again."""
    return any((later - earlier).days <= VALID_DAYS for earlier, later in pairwise(days))


def _takes_down(event: SimEvent) -> bool:
    if event.kind == "service:status":
        return event.detail.endswith((">Suspended", ">Terminated"))
    return event.kind in ("module:suspend", "module:terminate")


def _is_told(tasks: list[Task], step: Step) -> bool:
    """A task is about the step's service, or about its client where the step is, or about the whole run."""
    return any(
        task.is_about(client=step.client, service=step.service) or task.code in ("broken-off", "left-over")
        for task in tasks
        if task.client is not None or task.members or task.code in ("broken-off", "left-over")
    )


def _is_general(task: Task) -> bool:
    return task.code.startswith(("run-problem", "broken-off"))


def _codes(tasks: list[Task]) -> list[str]:
    return [f"{t.code}/{t.client}/{t.service}" for t in tasks]
