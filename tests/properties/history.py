"""A small company through two months of whatever can happen, watched by an oracle that knows only the world."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.house import NEVER_SLEEP, House, a_world, settings_of
from tests.properties.houses import HOUSES
from tests.properties.killed import Kill, sync_and_die
from tests.properties.lies import Told, a_fault, bend, straighten
from tests.properties.oracle import ENDED, OPEN, Oracle, clock_of
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import BridgeError, Locked, StalePlan, UnknownId, UsageProblem, WhmcsError
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.policy.decision import HARMFUL, Kind
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.simulator import faults, modules
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.automation import (
    add_late_fee,
    cancel_invoice,
    mark_unpaid,
    payment_pending,
    refund,
    reverse_payment,
    send_to_collections,
)
from whmcs_bridge.simulator.cron import run_daily_cron
from whmcs_bridge.simulator.endings import END_OF_PERIOD, IMMEDIATE, request_cancellation
from whmcs_bridge.simulator.faults import Faults
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import Actor, Client, Invoice, Service, ServiceStatus
from whmcs_bridge.simulator.state import HookVars, World
from whmcs_bridge.simulator.switches import Switches
from whmcs_bridge.wiring import open_bridge

PLENTY = {"suspend": 1000, "terminate": 1000, "delete_backups": 1000, "notice": 1000, "vip": 1000}
PAGE_SIZES = (250, 3, 250, 2)
AUTOMATION = ("AutoSuspension", "AutoTermination", "AutoUnsuspend", "AutoCancellationRequests", "SendOverdueReminders")
ASKED: Mapping[str, Kind] = {
    "PreModuleSuspend": Kind.SUSPEND,
    "PreModuleUnsuspend": Kind.UNSUSPEND,
    "PreModuleTerminate": Kind.TERMINATE,
}
TOLD = ("InvoicePaid", "InvoiceUnpaid", "InvoiceRefunded")
DAYS_TO_REST = 9
LONG_DAYS = 12
"""Longer than any class waits before it suspends, warnings and courtesies and a quiet weekend included."""


@dataclass(kw_only=True)
class History(Oracle):
    """One house under one of `HOUSES`; events are methods in `EVENTS`, each naming who it happens to.

    With a `folder` its databases are files, and runs can be killed.
    """

    seed: int = 0
    clients: int = 5
    hooked: bool = False
    folder: Path | None = None
    random: Random = field(init=False)
    story: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    """What this history has been through: days, runs, kills, faults by kind, events by name."""
    told: list[Told] = field(default_factory=list)
    """Lies in force."""
    apart: timedelta = timedelta()
    """How far the bridge's clock is from WHMCS's."""
    backup: World | None = None
    last: RunReport | None = None
    hook_luck: int = 0
    """0: each hook arrives; 1: none does; 2: each arrives twice."""
    deaf: Mapping[int, Sequence[Record]] | None = None
    """What people had told the bridge when it went to run elsewhere, to be killed there: it hears no hooks."""
    last_calls: int = 40

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.store = MemoryStore("vault", self.erased)
        adapter = SimulatorAdapter(a_world(), Faults(seed=self.seed))
        settings = settings_of(HOUSES[self.rules], None if self.folder is None else self.folder / "bridge.toml")
        pages = PAGE_SIZES[self.seed % len(PAGE_SIZES)]
        settings = replace(settings, whmcs=replace(settings.whmcs, connections=1, page_size=pages))
        bridge = self._open(settings, adapter, self.store)
        self.house = House(adapter.world, adapter, bridge, dict(HOUSES[self.rules]))
        self.note_rules(self.rules)
        for _ in range(self.clients):
            client = self.house.a_client(created=date(2023, 1, 1))
            for number in range(self.random.choice((1, 1, 2))):
                service = self.house.a_service(client, product=self.random.choice((1, 1, 1, 3, 4)))
                if self.random.random() < 0.2:
                    self.house.an_addon(service)
                self.store.put(ServiceId(service.id), f"full-{number}.tar")
        self._connect()

    def _open(self, settings: Settings, adapter: SimulatorAdapter, store: Any) -> Bridge:
        in_memory = self.folder is None
        return open_bridge(
            settings, adapter=adapter, clock=self, in_memory=in_memory, stores=[store], sleep=NEVER_SLEEP
        )

    def _connect(self) -> None:
        """Watch every call, and hear every hook, of the world as it is now."""
        self.house.adapter.front.on_call = self.watch
        if self.hooked:
            self.house.world.hook_listener = self._hook

    def now(self) -> datetime:
        """The bridge's clock."""
        return self.house.world.clock.replace(tzinfo=UTC) + self.apart

    def close(self) -> None:
        self.house.bridge.close()

    def records(self, client: int) -> Sequence[Record]:
        return self.deaf.get(client, ()) if self.deaf is not None else super().records(client)

    def on_one_day(self) -> bool:
        return not any(lie.clock for lie in self.told)

    def hides_debt(self) -> bool:
        """A list of invoices leaves one out and says that it is whole: nobody can know of that one."""
        told = (lie.fault for lie in self.told if lie.fault is not None)
        hiding = (faults.Kind.ROW_INSERTED, faults.Kind.ROW_REMOVED)
        return any(fault.kind in hiding and fault.action == "GetInvoices" for fault in told)

    # --- runs -----------------------------------------------------------------------------------------

    def run(
        self,
        *,
        at_plan: Callable[[], None] | None = None,
        accept_sanity: Collection[str] = (),
        allow: Mapping[str, int] | None = None,
    ) -> RunReport | None:
        """One sync, watched; None where WHMCS would not talk to us."""
        bridge = self.house.bridge
        return self._watched(
            "sync",
            lambda: bridge.sync(
                accept_sanity=accept_sanity,
                allow=allow,
                on_planned=lambda _plan: at_plan() if at_plan is not None else None,
            ),
        )

    def _watched(self, job: str, work: Callable[[], RunReport]) -> RunReport | None:
        self.calls.clear()
        paid_up = {client for client in self.house.world.clients if self.owes_nothing(client)}
        before = self.house.adapter.front.calls.total()
        self.story.append(f"{self.house.today} {job}")
        self.tally["runs"] += 1
        report: RunReport | None = None
        try:
            report = work()
            said = report.summary() + "".join(f"\n       {p}" for p in report.problems)
        except WhmcsError as error:
            said = f"{type(error).__name__}: {error}"
        self.story.append(f"    -> {said}")
        self.last_calls = max(10, self.house.adapter.front.calls.total() - before)
        self._judge(report, paid_up)
        self.last = report or self.last
        return report

    def _judge(self, report: RunReport | None, paid_up: set[int]) -> None:
        harm = [act for act in self.calls if act.name in ("suspend", "terminate")]
        if report is None or not report.plan.complete:
            assert not harm, f"harm on an incomplete snapshot: {harm}"
        self.nothing_twice()
        self.within_limits()
        if report is None:
            codes = [task.code for task in self.house.bridge.journal.tasks()]
            assert any(code.startswith("run-problem") for code in codes), f"no task says that the run failed: {codes}"
            return
        if report.mode == "enforce":
            self.nothing_forgotten(report, paid_up)
        if report.mode == "enforce" and not (report.problems or self.told or report.broken_off):
            kept = [s.id for s in self.kept_down() if s.client in paid_up and s.id not in self._failing()]
            kept = [s for s in kept if not self._left_to_staff(s)]
            assert not kept, f"services {kept} are kept down on {self.house.today}: {report.summary()}"

    def _failing(self) -> Collection[int]:
        return self.house.world.failing_services

    def _left_to_staff(self, service: int) -> bool:
        """It went to another client while it was down, or asked to end: staff has a task."""
        tasks = self.house.bridge.journal.tasks()
        about = [t for t in tasks if t.code in ("moved", "debt-dropped")]
        return any(t.is_about(service=ServiceId(service)) for t in about)

    def killed_run(self, how: int) -> None:
        """A sync in a child that is killed somewhere; one time in four a second sync is tried while it runs."""
        if self.folder is None:
            self.run()
            return
        kinds = (
            Kill("boundary", 1 + how % (2 * self.last_calls)),
            Kill("boundary", 1 + how % (4 * self.last_calls)),
            Kill("call-lost", 1 + how % self.last_calls),
            Kill("answer-lost", 1 + how % self.last_calls),
            Kill("call-lost", 1 + how % 2, writing=True),
            Kill("answer-lost", 1, writing=True),
            Kill("answer-lost", 1 + how % 3, writing=True),
        )
        kill = kinds[how % len(kinds)]
        self.calls.clear()
        settings = self.house.bridge.settings
        self.story.append(f"{self.house.today} sync, to be killed: {kill}")
        known = {client: self.records(client) for client in self.house.world.clients}
        self.house.bridge.close()
        self.deaf = known

        def at_first() -> None:
            if how % 4 == 0:
                self._second_sync(settings)

        try:
            death = sync_and_die(
                lambda adapter, store: self._open(settings, adapter, store),
                self.house.adapter.front,
                self.store,
                kill,
                at_first,
            )
        finally:
            self.house.bridge = self._open(settings, self.house.adapter, self.store)
            self.deaf = None
        self.tally["kills"] += death.killed
        self.story.append(
            f"    -> {'killed' if death.killed else 'was done before that'} after {len(death.calls)} calls"
        )
        self.nothing_twice()
        self.within_limits()

    def _second_sync(self, settings: Settings) -> None:
        """Two at once are one too many."""
        with self._open(settings, self.house.adapter, self.store) as second:
            try:
                second.sync()
            except Locked:
                return
        raise AssertionError("a second sync ran beside the first")

    def reviewed_run(self, who: int, how: int) -> None:
        """A plan, perhaps a payment, and the apply of that plan."""
        bridge = self.house.bridge
        try:
            plan = bridge.plan()
        except WhmcsError as error:
            self.story.append(f"{self.house.today} plan -> {error}")
            return
        if how % 2:
            self.happen("pay", who, how)
        try:
            self._watched("apply", lambda: bridge.apply(plan.fingerprint))
        except (StalePlan, UsageProblem) as refused:
            self.story.append(f"    -> {refused}")

    # --- the end --------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """The lies end, everything works, staff lets pass what was stopped; then nothing may be left over."""
        self.speak_truth()
        for _ in range(DAYS_TO_REST):
            self.house.pass_days()
            for service in list(self.house.world.services):
                self._approve(service)
            report = self.run()
            assert report is not None, "a clean run failed"
            if report.plan.stops:
                codes = [s.code.removeprefix("sanity:") for s in report.plan.stops if s.code.startswith("sanity:")]
                self.limits_changed = True
                self.run(accept_sanity=codes, allow=PLENTY)
        self.all_is_settled()

    def speak_truth(self) -> None:
        """No lie is in force any more."""
        world = self.house.world
        for lie in self.told:
            self._take_back(lie)
        self.told.clear()
        world.switches = Switches()
        world.failing_services.clear()
        for setting in AUTOMATION:
            world.settings[setting] = ""
        self.apart, self.hook_luck = timedelta(), 0
        self.house.enforcing(True)
        self.house.bridge.enforce_everyone("Ann")
        self.house.bridge.end_pause()
        self._pause(False)

    def all_is_settled(self) -> None:
        """Nobody who paid is down, nothing is open or failing, and every debtor is where the rules put him."""
        journal, world = self.house.bridge.journal, self.house.world
        assert not journal.open_steps(), f"still open at the end: {journal.open_steps()}"
        tasks = journal.tasks()
        wrong = [t for t in tasks if t.code.startswith(("run-problem", "not-done", "module-failed", "broken-off"))]
        assert not wrong, f"tasks whose cause is gone: {wrong}"
        kept = [s.id for s in self.kept_down() if not self._left_to_staff(s.id)]
        assert not kept, f"services {kept} owe nothing and are down at the end"
        about = {t.service for t in tasks} | {m.service for t in tasks for m in t.members}
        for service in world.services.values():
            if service.status == ServiceStatus.ACTIVE and self._long_overdue(service) and service.id not in about:
                raise AssertionError(f"service {service.id} is long overdue, up, and in no task: {self._tasks()}")
            left = self.store.count(ServiceId(service.id))
            if left and self._ended_long_ago(service) and service.id not in about:
                raise AssertionError(f"service {service.id} has ended and keeps {left} backups, no task says why")

    def _tasks(self) -> list[str]:
        return [f"{t.code}/{t.service}" for t in self.house.bridge.journal.tasks()]

    def _long_overdue(self, service: Service) -> bool:
        """It owes for more days than any stage before the suspension can take, and nothing protects it."""
        oldest = [
            i
            for i in self.debts(service)
            if i.status != "Payment Pending"
            and self._owed_for_services(i) > 0
            and self.house.world.balance(i) > self._least_that_counts()
            and (self.house.today - clock_of(i)).days >= LONG_DAYS
        ]
        quiet = self.setting("calendar", "quiet_days") and self.house.today.weekday() >= 4
        return bool(oldest) and not quiet and not self.protection(service)

    def _ended_long_ago(self, service: Service) -> bool:
        ended = service.terminated
        return (
            self.class_of(service) == "hosting"
            and service.status in ("Terminated", "Cancelled")
            and ended is not None
            and (self.house.today - ended).days >= LONG_DAYS
            and not self.protection(service)
        )

    # --- what can happen ------------------------------------------------------------------------------

    def _hook(self, point: str, variables: HookVars) -> HookVars | None:
        """WHMCS asks, or tells; a lost hook costs minutes, a doubled one nothing."""
        if self.deaf is not None or self.hook_luck == 1:
            return None
        bridge, world = self.house.bridge, self.house.world
        if point in ASKED and world.actor != Actor.ADMIN:
            service = ServiceId(int(variables["params"]["serviceid"]))
            verdict = bridge.may(ASKED[point], service)
            return None if verdict.allowed else {"abortcmd": True}
        if point in TOLD:
            client = ClientId(world.invoices[int(variables["invoiceid"])].client)
            for _ in range(max(1, self.hook_luck)):
                bridge.reevaluate(client, point)
        return None

    def happen(self, event: str, who: int, how: int) -> None:
        """Let one event of `EVENTS` happen; `who` and `how` choose among what there is."""
        did = EVENTS[event](self, who, how)
        if did:
            self.tally[event] += 1
            self.story.append(f"{self.house.today} {event}: {did}")

    def _service(self, who: int) -> Service:
        services = list(self.house.world.services.values())
        return services[who % len(services)]

    def _somebody(self, who: int, how: int) -> Service:
        """Two times in three a service in debt, if there is one: that is where something hangs on it."""
        living = [s for s in self.house.world.services.values() if s.status not in ENDED]
        debtors = [s for s in living if self.debts(s)] if how % 3 else []
        return debtors[who % len(debtors)] if debtors else self._service(who)

    def _open_invoice(self, who: int) -> Invoice | None:
        found = [i for i in self.house.world.invoices.values() if i.status in OPEN]
        return found[who % len(found)] if found else None

    def issue(self, who: int, how: int) -> str:
        service = self._service(who)
        if service.status in ENDED:
            return ""
        lines = [("Hosting", service.id, 1000)]
        lines += [("Addon", addon, 300) for addon in self.house.world.addons_by_service.get(service.id, ())]
        if how % 4 == 1:
            lines.append(("Domain", 7, 1500))
        if how % 4 == 3 and len(lines) > 1:
            lines = lines[1:]  # only the addon is billed
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
        client = self.house.world.clients[self._somebody(who, how).client]
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
        service = self._somebody(who, how)
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
        service = self._somebody(who, how)
        self.disturbed.add(service.id)
        service.override = how % 3 != 0
        service.override_until = self.house.day(how % 10) if how % 3 == 1 else None
        return f"service {service.id}: {service.override} until {service.override_until}"

    def regroup(self, who: int, how: int) -> str:
        client = self.house.world.clients[self._somebody(who, how).client]
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
        return self._record(self._somebody(who, how), RecordKind.PROMISE, how % 8 + 1)

    def hold(self, who: int, how: int) -> str:
        return self._record(self._somebody(who, how), RecordKind.HOLD, how % 5)

    def release(self, who: int, how: int) -> str:
        down = [s for s in self.house.world.services.values() if s.status == ServiceStatus.SUSPENDED]
        if not down:
            return ""
        service = down[who % len(down)]
        said = self._record(service, RecordKind.RELEASE, how % 4 + 1)
        self.released[service.id] = self.house.day(how % 4 + 2)
        return said

    def _record(self, service: Service, kind: RecordKind, days: int) -> str:
        """Somebody tells the bridge something; admission has its own tests, so it is written down as it is."""
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

    # --- more of what people do -----------------------------------------------------------------------

    def mass_pay(self, who: int, how: int) -> str:
        """One invoice for all that a client owes; paying it pays them."""
        client = self._client(who)
        children = [i for i in self.open_invoices(client.id) if all(line.type != "Invoice" for line in i.lines)]
        if not children:
            return ""
        lines = [("Invoice", i.id, self.house.world.balance(i)) for i in children]
        whole = self.house.an_invoice(client=client, due=0, lines=lines)
        if how % 3:
            self.house.pay(whole)
        return f"invoice {whole.id} for {[i.id for i in children]}, {whole.status}"

    def collections(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        send_to_collections(self.house.world, invoice)
        self.reopened[invoice.id] += 1
        return f"invoice {invoice.id}"

    def late_fee(self, who: int, how: int) -> str:
        invoice = self._open_invoice(who)
        if invoice is None:
            return ""
        add_late_fee(self.house.world, invoice, 250)
        return f"invoice {invoice.id}"

    def marked_unpaid(self, who: int, how: int) -> str:
        """Staff takes back that an invoice was paid, or says so of one that was cancelled."""
        closed = [i for i in self.house.world.invoices.values() if i.status in ("Paid", "Cancelled") and i.total > 0]
        if not closed:
            return ""
        invoice = closed[who % len(closed)]
        self.reopened[invoice.id] += 1
        mark_unpaid(self.house.world, invoice)
        return f"invoice {invoice.id}"

    def ask_to_cancel(self, who: int, how: int) -> str:
        service = self._service(who)
        try:
            request_cancellation(self.house.world, service, (IMMEDIATE, END_OF_PERIOD)[how % 2], "no longer needed")
        except ValueError:
            return ""
        self.disturbed.add(service.id)
        return f"service {service.id}"

    def move_service(self, who: int, how: int) -> str:
        service, client = self._service(who), self._client(how)
        if service.client == client.id:
            return ""
        self.disturbed.add(service.id)
        self.house.world.move_service(service, client.id)
        return f"service {service.id} to client {client.id}"

    def lag(self, who: int, how: int) -> str:
        """The next due date falls behind, as imports and edits do."""
        service = self._service(who)
        service.next_due = self.house.day(-(how % 60))
        return f"service {service.id}: next due {service.next_due}"

    def automation(self, who: int, how: int) -> str:
        """WHMCS's own daily cron acts too, or stops."""
        setting = AUTOMATION[who % len(AUTOMATION)]
        settings = self.house.world.settings
        settings[setting] = "" if settings[setting] else "on"
        self.disturbed.update(self.house.world.services)
        return f"{setting} {settings[setting] or 'off'}"

    def approve(self, who: int, how: int) -> str:
        service = self._service(who)
        return f"service {service.id}" if self._approve(service.id) else ""

    def _approve(self, service: int) -> bool:
        if not self.setting("approval", "terminate"):
            return False
        try:
            for kind in HARMFUL[1:]:
                self.house.bridge.approve(ServiceId(service), kind, "Ann")
                self.approved.add((kind, service))
        except UnknownId:
            return False  # not in the mirror yet
        return True

    def pause(self, who: int, how: int) -> str:
        """Staff puts the PAUSE file there, or takes it away."""
        return self._pause(not self.house.bridge.settings.pause_file.exists()) if self.folder else ""

    def _pause(self, wanted: bool) -> str:
        if self.folder is None:
            return ""
        file = self.house.bridge.settings.pause_file
        if wanted:
            file.touch()
        else:
            file.unlink(missing_ok=True)
        return "paused" if wanted else "goes on"

    def pause_in_journal(self, who: int, how: int) -> str:
        """Staff says `pause`, perhaps with an end, or that it is over."""
        bridge = self.house.bridge
        if how % 3 == 0:
            return "is over" if bridge.end_pause() is not None else ""
        until = self.now() + timedelta(days=how % 3) if how % 2 else None
        return f"until {bridge.pause(until, 'to have a look').until}"

    def adopt(self, who: int, how: int) -> str:
        """The findings of the first day, asked for on any day: nothing changes in WHMCS."""
        try:
            self.house.bridge.adopt()
        except BridgeError as error:  # refused by WHMCS, or nothing could be read at all
            return str(error)
        return "findings"

    def only(self, who: int, how: int) -> str:
        """The bridge acts for one client first, or for everyone again."""
        bridge = self.house.bridge
        try:
            if how % 2:
                said = bridge.enforce_only((), (ClientId(self._client(who).id),), "Ann").said()
            else:
                said = bridge.enforce_everyone("Ann").said()
        except UsageProblem as refused:
            return str(refused)
        self.disturbed.update(self.house.world.services)
        return said

    def confirm(self, who: int, how: int) -> str:
        """Staff says whose a suspension with a blank reason is."""
        down = [
            s
            for s in self.house.world.services.values()
            if s.status == ServiceStatus.SUSPENDED and not s.suspend_reason
        ]
        if not down:
            return ""
        service, whose = down[who % len(down)], (Adoption.WHMCS, Adoption.STAFF)[how % 2]
        self.disturbed.add(service.id)
        try:
            self.house.bridge.confirm_suspension(ServiceId(service.id), whose, "Ann")
        except UsageProblem as refused:
            return str(refused)
        return f"service {service.id} is {whose}'s"

    def hand_back(self, who: int, how: int) -> str:
        """Our reasons are blanked for WHMCS's own unsuspend; and staff goes on with us all the same."""
        self.disturbed.update(self.house.world.services)
        self.by_hand = True
        try:
            done = self.house.bridge.hand_back(by="Ann")
        except BridgeError as error:
            return f"{type(error).__name__}: {error}"
        finally:
            self.by_hand = False
        return str(done)[:100]

    def shadow(self, who: int, how: int) -> str:
        self.disturbed.update(self.house.world.services)
        self.house.enforcing(not self.house.bridge.settings.enforcing)
        return self.house.bridge.settings.mode

    def accept(self, who: int, how: int) -> str:
        """Staff lets pass what the last run stopped at, if the clock is right."""
        stops = self.last.plan.stops if self.last is not None else ()
        codes = [s.code.removeprefix("sanity:") for s in stops if s.code.startswith("sanity:")]
        if not codes or self.apart:
            return ""
        self.run(accept_sanity=codes)
        return ", ".join(codes)

    # --- how WHMCS lies -------------------------------------------------------------------------------

    def lie(self, who: int, how: int) -> str:
        """One to three faults, for one to four days."""
        found = []
        for _ in range(1 + who % 3):
            fault = a_fault(self.random)
            self.house.adapter.faults.add(fault)
            self.told.append(Told(self.house.day(how % 4), fault=fault))
            found.append(f"{fault.kind} on {fault.action}")
        return ", ".join(found)

    def bend(self, who: int, how: int) -> str:
        """One switch of the simulator is bent for a few days."""
        name = bend(self.house.world.switches, self.random)
        self.told.append(Told(self.house.day(how % 4), switch=name))
        return f"{name} = {getattr(self.house.world.switches, name)}"

    def odd_installation(self, who: int, how: int) -> str:
        """Maintenance, a copy under another address, or a new version."""
        name, value = (("MaintenanceMode", "on"), ("SystemURL", "https://staging.example.com/"), ("Version", "9.0.1"))[
            who % 3
        ]
        settings = self.house.world.settings
        self.told.append(Told(self.house.day(how % 4), setting=f"{name}={settings[name]}"))
        settings[name] = value
        return f"{name} = {value}"

    def clock_apart(self, who: int, how: int) -> str:
        """The bridge's clock is hours off on the same day, or so far off that it must be noticed."""
        self.apart = timedelta(hours=(11, -11)[who % 2]) if how % 2 else timedelta(days=(400, -3)[who % 2])
        self.told.append(Told(self.house.day(how % 4), clock=True))
        return f"by {self.apart}"

    def hooks_fail(self, who: int, how: int) -> str:
        self.hook_luck = how % 3
        return ("all arrive", "all are lost", "each comes twice")[self.hook_luck] if self.hooked else ""

    def back_up(self, who: int, how: int) -> str:
        """WHMCS's database is copied, to be restored some day."""
        self.house.world.hook_listener = None
        self.backup = deepcopy(self.house.world)
        self._connect()
        return "WHMCS is backed up"

    def restore(self, who: int, how: int) -> str:
        """WHMCS goes back to its last backup: ids and payments too. Mails stay sent, and panels as they are."""
        if self.backup is None:
            return ""
        old, new = self.house.world, self.backup
        self.backup = None
        self.lost_mails += [mail for number, mail in old.emails.items() if number not in new.emails]
        self.lost_log += old.log[len(new.log) :]
        new.clock, new.switches, new.settings, new.failing_services = (
            old.clock,
            old.switches,
            old.settings,
            old.failing_services,
        )
        self.house.world = new
        self.house.adapter.front = Front(new, self.house.adapter.faults)
        self._connect()
        self.warned.clear()
        self.restored = True
        self.disturbed.update(new.services)
        self.limits_changed = True
        return f"{len(old.invoices) - len(new.invoices)} invoices are gone"

    def _tell_no_more(self) -> None:
        """Lies whose time is up end."""
        for lie in [lie for lie in self.told if lie.until < self.house.today]:
            self._take_back(lie)
            self.told.remove(lie)

    def _take_back(self, lie: Told) -> None:
        if lie.fault is not None:
            self.tally[f"fault:{lie.fault.kind}"] += lie.fault.fired
            rules = self.house.adapter.faults.rules
            rules[:] = [rule for rule in rules if rule is not lie.fault]
        elif lie.clock:
            self.apart = timedelta()
        elif lie.switch:
            straighten(self.house.world.switches, lie.switch)
        else:
            name, _, value = lie.setting.partition("=")
            self.house.world.settings[name] = value

    # --- settings and time ----------------------------------------------------------------------------

    def policy_changes(self, who: int, how: int) -> str:
        names = sorted(HOUSES)
        self.rules = names[how % len(names)]
        self.note_rules(self.rules)
        self.limits_changed = True
        self.disturbed.update(self.house.world.services)
        enforcing = self.house.bridge.settings.enforcing
        self.house.reconfigure(HOUSES[self.rules])
        self.house.enforcing(enforcing)
        return self.rules

    def run_again(self, who: int, how: int) -> str:
        self.run()
        return "a second run on the same day"

    def a_day(self, who: int, how: int) -> str:
        """A day passes; most days have a run, and on some somebody pays between plan and act, or the run dies."""
        self.house.pass_days()
        self.tally["days"] += 1
        self._tell_no_more()
        if any(self.house.world.settings[name] for name in AUTOMATION):
            run_daily_cron(self.house.world)
        match how % 20:
            case 6 | 13 | 19:
                pass
            case 4 | 9:
                self.run(at_plan=lambda: self.happen("pay", who, how))
            case 14:
                self.reviewed_run(who, how)
            case 2 | 11 | 17:
                self.killed_run(who)
                if how % 3:
                    self.run()
            case _:
                self.run()
        return ""

    def _client(self, who: int) -> Client:
        clients = list(self.house.world.clients.values())
        return clients[who % len(clients)]

    def _disturb(self, client: Client) -> None:
        self.disturbed.update(self.house.world.services_by_client.get(client.id, ()))


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
    "mass_pay": History.mass_pay,
    "collections": History.collections,
    "late_fee": History.late_fee,
    "marked_unpaid": History.marked_unpaid,
    "ask_to_cancel": History.ask_to_cancel,
    "move_service": History.move_service,
    "lag": History.lag,
    "automation": History.automation,
    "approve": History.approve,
    "pause": History.pause,
    "pause_in_journal": History.pause_in_journal,
    "adopt": History.adopt,
    "only": History.only,
    "confirm": History.confirm,
    "hand_back": History.hand_back,
    "shadow": History.shadow,
    "accept": History.accept,
    "lie": History.lie,
    "bend": History.bend,
    "odd_installation": History.odd_installation,
    "clock_apart": History.clock_apart,
    "hooks_fail": History.hooks_fail,
    "back_up": History.back_up,
    "restore": History.restore,
    "policy_changes": History.policy_changes,
    "run_again": History.run_again,
}
WEIGHTS: Mapping[str, float] = {
    "issue": 14,
    "pay": 7,
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
    "promise": 2,
    "hold": 1,
    "release": 1,
    "module_breaks": 1,
    "mass_pay": 1,
    "collections": 0.5,
    "late_fee": 0.5,
    "marked_unpaid": 0.5,
    "ask_to_cancel": 0.5,
    "move_service": 0.3,
    "lag": 0.5,
    "automation": 0.5,
    "approve": 2,
    "pause": 0.6,
    "pause_in_journal": 0.4,
    "adopt": 0.2,
    "only": 0.4,
    "confirm": 0.7,
    "hand_back": 0.1,
    "shadow": 0.4,
    "accept": 1,
    "lie": 9,
    "bend": 2,
    "odd_installation": 0.5,
    "clock_apart": 0.3,
    "hooks_fail": 0.5,
    "back_up": 0.5,
    "restore": 0.15,
    "run_again": 2,
    "policy_changes": 0.3,
}
"""How often each happens, beside the days."""
MOST_EVENTS_A_DAY = 3


def play(history: History, days: int, chance: Random) -> None:
    """Live through so many days of random events, then come to rest."""
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    for _ in range(days):
        for _ in range(chance.randrange(MOST_EVENTS_A_DAY + 1)):
            history.happen(chance.choices(kinds, weights)[0], chance.randrange(1000), chance.randrange(1000))
        history.happen("a_day", chance.randrange(1000), chance.randrange(1000))
    history.come_to_rest()
