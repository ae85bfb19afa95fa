"""A small company through two months of whatever can happen, watched by an oracle that knows only the world.

The oracle shares no code with the policy: it looks at the simulated WHMCS at the moment of every call, and at what
each run left behind.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.house import House, a_world
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.ports import BackupItem
from whmcs_bridge.simulator import faults, modules
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.automation import cancel_invoice, payment_pending, refund, reverse_payment
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Actor, Client, Invoice, Service, ServiceStatus
from whmcs_bridge.simulator.state import HookVars

OURS = re.compile(r"Overdue: invoice \d+(, \d+)* \[whmcs-bridge\]")
OPEN = ("Unpaid", "Collections", "Payment Pending")
ENDED = ("Terminated", "Cancelled", "Fraud")
WARNING, FINAL = "Please pay before", "Final warning"
EXEMPT_GROUP, VIP_GROUP, RESELLERS = 2, 1, 3

_WARN = [{"day": 1, "message": "payment-reminder"}, {"day": 2, "message": "suspension-warning"}]
_TIGHT = {"suspend": {"always_allowed": 1, "max": 2, "percent": 50, "max_announced": 2}}
_SERVER = {"product_types": ["server"], "suspend_after_days": 1, "terminate_after_days": 3}


def _hosting(**rules: Any) -> dict[str, Any]:
    given = {"product_types": ["hostingaccount"], "suspend_after_days": 3, "terminate_after_days": 15}
    return {**given, "delete_backups_after_days": 0, **rules}


HOUSES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"class": {"hosting": _hosting(), "vps": _SERVER}},
    "warned": {"class": {"hosting": _hosting(notices=_WARN, on_suspend_message="service-suspended"), "vps": _SERVER}},
    "limited": {
        "class": {"hosting": _hosting(notices=_WARN), "vps": _SERVER},
        "limits": {**_TIGHT, "terminate": {"always_allowed": 0, "max": 1, "percent": 50}},
    },
    "quiet": {
        "class": {"hosting": _hosting(suspend_after_days=2, terminate_after_days=8), "vps": _SERVER},
        "calendar": {"quiet_days": ["friday", "saturday", "sunday"], "clearing_bank_days": {"banktransfer": 2}},
    },
    "whole-client": {
        "policy": {"scope": "client", "min_debt": "1.00"},
        "class": {"hosting": _hosting(delete_backups_after_days=3, cancel_invoices_of_ended=True), "vps": _SERVER},
    },
    "own-debt": {
        "policy": {"release": "service-paid", "on_release_message": "service-released"},
        "class": {"hosting": _hosting(notices=_WARN, final_warning_days=5), "vps": _SERVER},
    },
    "vip": {
        "class": {"hosting": _hosting(notices=_WARN), "vps": _SERVER},
        "vip": {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 6},
    },
}


@dataclass
class Act:
    """One harmful or lifting call of the bridge, as the world was when it came."""

    name: str
    service: int
    day: date


@dataclass
class History:
    """One house under one of `HOUSES`; events are methods in `EVENTS`, each naming who it happens to."""

    name: str
    seed: int = 0
    clients: int = 5
    hooked: bool = False
    house: House = field(init=False)
    random: Random = field(init=False)
    calls: list[Act] = field(default_factory=list)
    """Since the last run began."""
    story: list[str] = field(default_factory=list)
    reopened: Counter[int] = field(default_factory=Counter)
    disturbed: set[int] = field(default_factory=set)
    """Services with an exemption, a failed mail or a staff act: their warnings may have to be repeated."""
    warned: Counter[tuple[str, int, int, int]] = field(default_factory=Counter)
    least: dict[str, int] = field(default_factory=dict)
    limits_changed: bool = False
    released: dict[int, date] = field(default_factory=dict)
    """Service -> first day after its last trust release."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.store = MemoryStore("vault", self._erased)
        self.house = House.of(HOUSES[self.name], world=a_world(), stores=[self.store])
        self._note_rules(self.name)
        world = self.house.world
        for _ in range(self.clients):
            client = self.house.a_client(created=date(2023, 1, 1))
            for number in range(self.random.choice((1, 1, 2))):
                service = self.house.a_service(client, product=self.random.choice((1, 1, 1, 3, 4)))
                self.store.put(ServiceId(service.id), f"full-{number}.tar")
        self.house.adapter.front.on_call = self._watch
        if self.hooked:
            world.hook_listener = self._hook

    def _note_rules(self, name: str) -> None:
        """The shortest terms that any policy of this history has named bound what may ever happen."""
        for kind, rules in HOUSES[name]["class"].items():
            for key in ("suspend_after_days", "terminate_after_days"):
                known = self.least.get(f"{kind}.{key}")
                self.least[f"{kind}.{key}"] = rules[key] if known is None else min(known, rules[key])
            waiting = rules["terminate_after_days"] - rules["suspend_after_days"]
            known = self.least.get(f"{kind}.waiting")
            self.least[f"{kind}.waiting"] = waiting if known is None else min(known, waiting)
            final = min(rules.get("final_warning_days", 3), waiting)
            known = self.least.get(f"{kind}.final")
            self.least[f"{kind}.final"] = final if known is None else min(known, final)

    def _term(self, service: Service, key: str) -> int:
        kind = "vps" if self.house.world.products[service.product].type == "server" else "hosting"
        return self.least[f"{kind}.{key}"]

    # --- the oracle: what the world says at the moment of a call ------------------------------------

    def debts(self, service: Service) -> list[Invoice]:
        """Open invoices past their due date that bill the service (or, under scope client, its owner)."""
        whole = HOUSES[self.name].get("policy", {}).get("scope") == "client"
        world = self.house.world
        return [
            invoice
            for number in world.invoices_by_client.get(service.client, ())
            if (invoice := world.invoices[number]).status in ("Unpaid", "Collections", "Payment Pending")
            and invoice.due < world.today
            and world.balance(invoice) > 0
            and any(line.type == "Hosting" and (whole or line.relid == service.id) for line in invoice.lines)
        ]

    def owes_nothing(self, client: int) -> bool:
        """No open invoice at all is past its due date."""
        world = self.house.world
        return not any(
            world.invoices[n].status in OPEN and world.invoices[n].due < world.today
            for n in world.invoices_by_client.get(client, ())
        )

    def _watch(self, action: str, params: Params) -> None:
        world = self.house.world
        if action == "ModuleSuspend":
            self._may_suspend(world.services[params.number("serviceid")], params.text("suspendreason"))
        elif action == "ModuleTerminate":
            self._may_terminate(world.services[params.number("serviceid")])
        elif action == "ModuleUnsuspend":
            self._may_unsuspend(world.services[params.number("serviceid")])
        elif action == "UpdateClientProduct" and params.text("status"):
            service = world.services[params.number("serviceid")]
            match params.text("status"):
                case "Suspended":
                    self._may_suspend(service, params.text("suspendreason"))
                case "Active":
                    self._may_unsuspend(service)
                case _:
                    self._may_terminate(service)
        elif action == "UpdateClient":
            client = world.clients[params.number("clientid")]
            assert client.group in (0, VIP_GROUP), f"client {client.id} was moved out of group {client.group}"
        elif action == "SendEmail":
            self._may_warn(params)

    def _act(self, name: str, service: Service) -> str:
        self.calls.append(Act(name, service.id, self.house.today))
        return f"{name} of service {service.id} on {self.house.today}"

    def _may_suspend(self, service: Service, reason: str) -> None:
        what = self._act("suspend", service)
        debts = self.debts(service)
        assert debts, f"{what}: nothing is owed"
        assert service.status == ServiceStatus.ACTIVE, f"{what}: it is {service.status}"
        assert OURS.fullmatch(reason), f"{what}: reason {reason!r}"
        oldest = min(debt.due for debt in debts)
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
        age = (today - min(debt.due for debt in debts)).days
        assert age >= self._term(service, "terminate_after_days"), f"{what}: only {age} days"
        self._not_protected(what, service)
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
        if self._released(service):
            return
        due = [
            i
            for i in self.debts(service)
            if self._owed_for_services(i) > 0
            and self.house.world.balance(i) > self._least_that_counts()
            and self._last_day_to_pay(i) < self.house.today
        ]
        assert not due, f"{what}: still owes {[i.id for i in due]}"

    def _last_day_to_pay(self, invoice: Invoice) -> date:
        """The due date; where the gateway has clearing days, a weekend's moves to Monday."""
        if "clearing_bank_days" not in HOUSES[self.name].get("calendar", {}):
            return invoice.due
        return invoice.due + timedelta(days=max(0, 7 - invoice.due.weekday()) if invoice.due.weekday() > 4 else 0)

    def _least_that_counts(self) -> int:
        return 100 if "min_debt" in HOUSES[self.name].get("policy", {}) else 0

    def _owed_for_services(self, invoice: Invoice) -> int:
        """Cents owed on the lines of services: what was paid covers them first. Old debt of ended ones is reported."""
        world = self.house.world
        hosting = [line for line in invoice.lines if line.type == "Hosting"]
        if any(world.services[line.relid].status in ENDED for line in hosting):
            return 0
        billed = sum(line.amount for line in hosting)
        paid = sum(line.amount for line in invoice.lines) - world.balance(invoice)
        return max(0, billed - paid)

    def _not_protected(self, what: str, service: Service) -> None:
        client = self.house.world.clients[service.client]
        until = service.override_until
        overridden = service.override and (until is None or self.house.today < until)
        assert not overridden, f"{what}: WHMCS's override is on"
        assert client.group != EXEMPT_GROUP, f"{what}: the group is exempt"
        credit = client.credit
        owed = sum(self.house.world.balance(i) for i in self.debts(service))
        assert credit < owed, f"{what}: credit {credit} covers {owed}"
        told = [r for r in self.house.bridge.journal.records(client=ClientId(client.id)) if self._holds(r, service)]
        assert not told, f"{what}: {told[0].kind} of {told[0].made_on} until {told[0].until}"
        quiet = "quiet_days" in HOUSES[self.name].get("calendar", {})
        assert not (quiet and self.house.today.weekday() >= 4), f"{what}: a quiet day"

    def _holds(self, record: Record, service: Service) -> bool:
        """A promise, release or hold that people recorded and that is in force for this service today."""
        about = record.service_id in (None, service.id)
        in_time = record.since <= self.house.today and (record.until is None or self.house.today <= record.until)
        return about and in_time and record.state is RecordState.OPEN

    def _released(self, service: Service) -> bool:
        records = self.house.bridge.journal.records(client=ClientId(service.client), kind=RecordKind.RELEASE)
        return any(self._holds(record, service) for record in records)

    def _needs_warning(self, service: Service) -> bool:
        if self.house.world.products[service.product].type == "server":
            return False
        return "notices" in HOUSES[self.name]["class"]["hosting"]

    def _told(self, service: Service, subject: str) -> list[date]:
        """Days on which a mail with this subject, naming the service's domain, went out and did not fail."""
        world = self.house.world
        return [
            mail.at.date()
            for number in world.emails_by_client.get(service.client, ())
            if not (mail := world.emails[number]).failed
            and mail.subject.startswith(subject)
            and service.domain in mail.subject
        ]

    def _down_since(self, service: Service, *, first: bool) -> date:
        """Day of the last suspension; of the first one where a trust release lay in between: its clock goes on."""
        downs = [e.at.date() for e in self.house.events("module:suspend", service=service) if "failed" not in e.kind]
        downs += [
            e.at.date() for e in self.house.events("service:status", service=service) if e.detail.endswith("Suspended")
        ]
        return min(downs) if first else max(downs)

    def _may_warn(self, params: Params) -> None:
        """A warning for the same oldest debt of a service goes out once."""
        subject = params.text("customsubject")
        kind = next((k for k in (WARNING, FINAL) if subject.startswith(k)), "")
        if not kind:
            return
        world = self.house.world
        for service in world.services.values():
            if re.search(rf"\b{re.escape(service.domain)}(,|$| )", subject) and (debts := self.debts(service)):
                oldest = min(debts, key=lambda i: (i.due, i.id))
                key = (kind, service.id, oldest.id, self.reopened[oldest.id])
                if world.switches.mail_fails:
                    self.disturbed.add(service.id)
                self.warned[key] += 1

    def _erased(self, item: BackupItem, owner: ServiceId) -> None:
        service = self.house.world.services.get(int(owner))
        what = f"{item.locator} deleted on {self.house.today}"
        assert service is not None, f"{what}: the service's record is gone, which proves nothing"
        assert service.status in ENDED, f"{what}: its service is {service.status}"

    # --- after a run --------------------------------------------------------------------------------

    def run(self, *, at_plan: Callable[[], None] | None = None) -> RunReport:
        """One sync, watched."""
        self.calls.clear()
        paid_up = {client for client in self.house.world.clients if self.owes_nothing(client)}
        self.story.append(f"{self.house.today} sync")
        report = self.house.sync(on_planned=lambda _plan: at_plan() if at_plan is not None else None)
        self.story.append(f"    -> {report.summary()}" + "".join(f"\n       {p}" for p in report.problems))
        if not report.plan.complete:
            harm = [act for act in self.calls if act.name in ("suspend", "terminate")]
            assert not harm, f"harm on an incomplete snapshot: {harm}"
        self._nothing_twice()
        self._within_limits()
        self._nobody_kept_down(report, paid_up)
        return report

    def _nothing_twice(self) -> None:
        day = self.house.today
        acts = Counter(
            event.service
            for kind in ("module:suspend", "module:terminate")
            for event in self.house.events(kind, actor="api")
            if event.at.date() == day and "failed" not in event.kind
        )
        twice = [service for service, count in acts.items() if count > 1]
        assert not twice, f"more than one suspension or termination on {day}: services {twice}"
        mails = Counter(
            (mail.client, mail.subject)
            for mail in self.house.world.emails.values()
            if mail.at.date() == day and not mail.failed
        )
        assert not [m for m, count in mails.items() if count > 1], f"the same mail twice on {day}: {mails}"
        again = [key for key, count in self.warned.items() if count > 1 and key[1] not in self.disturbed]
        assert not again, f"warned again about the same debt: {again}"

    def _within_limits(self) -> None:
        limits = HOUSES[self.name].get("limits")
        if not limits or self.limits_changed:
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

    def _nobody_kept_down(self, report: RunReport, paid_up: set[int]) -> None:
        """Whoever owed nothing before it is up again after a run that could read everything and met no trouble."""
        world = self.house.world
        if report.problems or self.house.adapter.faults.rules or report.broken_off:
            return
        for service in world.services.values():
            if (
                service.status == ServiceStatus.SUSPENDED
                and OURS.fullmatch(service.suspend_reason)
                and service.client in paid_up
                and service.id not in world.failing_services
            ):
                raise AssertionError(f"service {service.id} is kept down on {self.house.today}: {report.summary()}")

    # --- what can happen ----------------------------------------------------------------------------

    def _hook(self, point: str, variables: HookVars) -> None:
        if point in ("InvoicePaid", "InvoiceUnpaid", "InvoiceRefunded"):
            invoice = self.house.world.invoices[int(variables["invoiceid"])]
            self.house.bridge.reevaluate(ClientId(invoice.client), point)

    def happen(self, event: str, who: int, how: int) -> None:
        """Let one event of `EVENTS` happen; `who` and `how` choose among what there is."""
        did = EVENTS[event](self, who, how)
        if did:
            self.story.append(f"{self.house.today} {event}: {did}")

    def _service(self, who: int) -> Service:
        services = list(self.house.world.services.values())
        return services[who % len(services)]

    def _open_invoice(self, who: int) -> Invoice | None:
        found = [i for i in self.house.world.invoices.values() if i.status in OPEN]
        return found[who % len(found)] if found else None

    def issue(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status in ENDED:
            return ""
        lines = [("Hosting", service.id, 1000)]
        if how % 4 == 1:
            lines.append(("Domain", 7, 1500))
        if how % 4 == 2:
            others = self.house.world.services_by_client[service.client]
            lines += [("Hosting", other, 700) for other in others if other != service.id]
        invoice = self.house.an_invoice(service, due=how % 9 - 2, lines=lines)
        return f"invoice {invoice.id} of service {service.id} due {invoice.due}"

    def pay(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        self.house.pay(invoice)
        return f"invoice {invoice.id}"

    def pay_part(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        cents = min(100 + how % 900, self.house.world.balance(invoice))
        self.house.pay(invoice, cents)
        return f"{cents} of invoice {invoice.id}"

    def pend(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        payment_pending(self.house.world, invoice)
        self.reopened[invoice.id] += 1
        return f"invoice {invoice.id}"

    def reverse(self, who: int, how: int) -> str:
        paid = [i for i in self.house.world.invoices.values() if i.status == "Paid" and i.total > 0]
        if not paid:
            return ""
        invoice = paid[who % len(paid)]
        self.reopened[invoice.id] += 1
        if how % 3:
            reverse_payment(self.house.world, invoice)
        else:
            refund(self.house.world, invoice)
        return f"invoice {invoice.id} is {invoice.status}"

    def cancel(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        cancel_invoice(self.house.world, invoice)
        return f"invoice {invoice.id}"

    def credit(self, who: int, how: int) -> str:
        client = self._client(who)
        self.house.world.add_credit(client, 500 + how % 1500, "goodwill")
        self._disturb(client)
        return f"client {client.id} has {client.credit}"

    def staff_suspends(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status != ServiceStatus.ACTIVE:
            return ""
        self.disturbed.add(service.id)
        reason = ("", "abuse", "Overdue on Payment", "asked by the client")[how % 4]
        with self.house.world.acting(Actor.ADMIN):
            if modules.run_module(self.house.world, service, modules.SUSPEND, reason=reason):
                self.house.world.set_service_status(service, ServiceStatus.SUSPENDED, recorded=True)
                service.suspend_reason = reason
        return f"service {service.id} for {reason!r}"

    def staff_unsuspends(self, who: int, how: int) -> str:
        """One time in two a run comes right after it, on the same day."""
        down = [s for s in self.house.world.services.values() if s.status == ServiceStatus.SUSPENDED]
        if not down:
            return ""
        service = down[who % len(down)]
        self.disturbed.add(service.id)
        with self.house.world.acting(Actor.ADMIN):
            if modules.run_module(self.house.world, service, modules.UNSUSPEND):
                self.house.world.set_service_status(service, ServiceStatus.ACTIVE, recorded=True)
        if how % 2:
            self.run()
        return f"service {service.id}"

    def staff_takes_over(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status != ServiceStatus.SUSPENDED:
            return ""
        self.disturbed.add(service.id)
        service.suspend_reason = f"{service.suspend_reason}; and phishing" if how % 2 else "phishing"
        return f"service {service.id}: {service.suspend_reason}"

    def staff_ends(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status in ENDED or how % 3:
            return ""
        with self.house.world.acting(Actor.ADMIN):
            self.house.world.set_service_status(service, ServiceStatus.CANCELLED, recorded=True)
        return f"service {service.id}"

    def override(self, who: int, how: int) -> str:
        service = self._service(who)
        self.disturbed.add(service.id)
        service.override = how % 3 != 0
        service.override_until = self.house.day(how % 10) if how % 3 == 1 else None
        return f"service {service.id}: {service.override} until {service.override_until}"

    def regroup(self, who: int, how: int) -> str:
        client = self._client(who)
        self._disturb(client)
        self.house.world.set_group(client, how % 4)
        return f"client {client.id} into {client.group}"

    def move_due_date(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        invoice.due = self.house.day(how % 20 - 10)
        self.house.world.touch(invoice)
        self.disturbed.update(line.relid for line in invoice.lines if line.type == "Hosting")
        return f"invoice {invoice.id} to {invoice.due}"

    def promise(self, who: int, how: int) -> str:
        return self._record(who, RecordKind.PROMISE, how % 8 + 1)

    def hold(self, who: int, how: int) -> str:
        return self._record(who, RecordKind.HOLD, how % 5)

    def release(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status != ServiceStatus.SUSPENDED:
            return ""
        said = self._record(who, RecordKind.RELEASE, how % 4 + 1)
        self.released[service.id] = self.house.day(how % 4 + 2)
        return said

    def _record(self, who: int, kind: RecordKind, days: int) -> str:
        """Somebody tells the bridge something; admission has its own tests, so it is written down as it is."""
        service = self._service(who)
        self.disturbed.add(service.id)
        today = self.house.today
        record = Record(
            0,
            kind,
            RecordState.OPEN,
            "Ann",
            "said so",
            today,
            today,
            self.house.day(days),
            client_id=ClientId(service.client),
            service_id=ServiceId(service.id),
        )
        self.house.bridge.journal.add_record(record)
        return f"{kind} for service {service.id} until {record.until}"

    def module_breaks(self, who: int, how: int) -> str:
        world = self.house.world
        service = self._service(who)
        if world.failing_services:
            world.failing_services.clear()
            return "all well again"
        world.failing_services[service.id] = "the control panel does not answer"
        return f"service {service.id}"

    def mail_breaks(self, who: int, how: int) -> str:
        world = self.house.world
        world.switches.mail_fails = not world.switches.mail_fails
        self.disturbed.update(world.services)
        return f"{world.switches.mail_fails}"

    def trouble(self, who: int, how: int) -> str:
        """Something is wrong with the line for the next run."""
        action = TROUBLED[who % len(TROUBLED)]
        kind = TROUBLE[how % len(TROUBLE)]
        self.house.adapter.faults.add(Fault(action, kind, nth=how % 3, count=1 + who % 6))
        self.disturbed.update(self.house.world.services)
        return f"{kind} on {action}"

    def policy_changes(self, who: int, how: int) -> str:
        names = sorted(HOUSES)
        self.name = names[how % len(names)]
        self._note_rules(self.name)
        self.limits_changed = True
        self.disturbed.update(self.house.world.services)
        self.house.reconfigure(HOUSES[self.name])
        return self.name

    def run_again(self, who: int, how: int) -> str:
        self.run()
        return "a second run on the same day"

    def a_day(self, who: int, how: int) -> str:
        """A day passes; most days have a run, and some of them a payment between plan and act."""
        self.house.pass_days()
        if how % 7 != 6:
            self.run(at_plan=(lambda: self.happen("pay", who, how)) if how % 5 == 4 else None)
        self.house.faults()
        return ""

    def _client(self, who: int) -> Client:
        clients = list(self.house.world.clients.values())
        return clients[who % len(clients)]

    def _disturb(self, client: Client) -> None:
        self.disturbed.update(self.house.world.services_by_client.get(client.id, ()))


TROUBLED = ("Get*", "GetInvoices", "GetClientsProducts", "GetInvoice", "Module*", "SendEmail", "Update*", "GetEmails")
TROUBLE = (
    faults.Kind.TIMEOUT_AFTER,
    faults.Kind.TIMEOUT_BEFORE,
    faults.Kind.HTTP_500,
    faults.Kind.TRUNCATED,
    faults.Kind.SHORT_PAGE,
    faults.Kind.RESET_AFTER_SEND,
    faults.Kind.EMPTY_LIST,
    faults.Kind.CONNECTION_REFUSED,
    faults.Kind.ERROR,
)

EVENTS: Mapping[str, Callable[[History, int, int], str]] = {
    "a_day": History.a_day,
    "issue": History.issue,
    "pay": History.pay,
    "pay_part": History.pay_part,
    "pend": History.pend,
    "reverse": History.reverse,
    "cancel": History.cancel,
    "credit": History.credit,
    "staff_suspends": History.staff_suspends,
    "staff_unsuspends": History.staff_unsuspends,
    "staff_takes_over": History.staff_takes_over,
    "staff_ends": History.staff_ends,
    "override": History.override,
    "regroup": History.regroup,
    "move_due_date": History.move_due_date,
    "promise": History.promise,
    "hold": History.hold,
    "release": History.release,
    "module_breaks": History.module_breaks,
    "mail_breaks": History.mail_breaks,
    "trouble": History.trouble,
    "policy_changes": History.policy_changes,
    "run_again": History.run_again,
}
WEIGHTS = {
    "issue": 14,
    "pay": 6,
    "pay_part": 3,
    "pend": 1,
    "reverse": 2,
    "cancel": 1,
    "credit": 1,
    "staff_suspends": 1,
    "staff_unsuspends": 1,
    "staff_takes_over": 1,
    "staff_ends": 1,
    "override": 1,
    "regroup": 1,
    "move_due_date": 1,
    "promise": 1,
    "hold": 1,
    "release": 1,
    "module_breaks": 1,
    "mail_breaks": 1,
    "trouble": 3,
    "run_again": 2,
}
