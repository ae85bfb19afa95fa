"""The stage a timeline is played on: the simulated WHMCS, the bridge, the hooks between them, and what happened."""

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import requests

from hooks import HANDLERS
from hooks.looking_again import look_again
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import Record, RecordState
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.hookpoints import Answer, Ask, HookEvent, Tell, default_answer
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.scenarios import actions
from whmcs_bridge.scenarios.actions import Action
from whmcs_bridge.scenarios.events import Impossible
from whmcs_bridge.scenarios.model import Event, Scenario
from whmcs_bridge.scenarios.world import build_world
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.records import Invoice, Service
from whmcs_bridge.simulator.state import HookVars, World
from whmcs_bridge.wiring import open_bridge

MOST_DELIVERIES = 500
"""Hook events handled in one go; more means that two of them keep causing each other."""
DEFAULT_STORE = "local"
ABORT_KEYS = {"PreInvoiceAutomaticCancellation": "abortCancel"}
"""What WHMCS wants to read; `abortcmd` elsewhere (facts sheet 11.2, 11.3)."""


class SimulatedClock:
    """The world's wall clock, which is the house's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._zone = ZoneInfo(world.timezone)

    def now(self) -> dt.datetime:
        return self._world.clock.replace(tzinfo=self._zone)


class Line(SimulatorAdapter):
    """The way to WHMCS; while it is `away` every call finds a server that is out of order."""

    away = False

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        """Answer one request, or fail as a web server does whose PHP is down."""
        if not self.away:
            return super().send(request, *args, **more)
        response = requests.Response()
        response.status_code, response.reason = 503, "Service Unavailable"
        response.url, response.request = request.url or "", request
        response.headers["Content-Type"] = "text/html"
        response._content = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
        return response


class Stage:
    """Everything that one timeline needs, and nothing that outlives it. Use as a context manager."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.world = build_world(scenario)
        self.line = Line(self.world)
        aside = scenario.settings.policy.backups.quarantine_days > 0
        self.stores = {name: MemoryStore(name, self._deleted, aside=aside) for name in _store_names(scenario)}
        one_line = replace(scenario.settings.whmcs, connections=1)
        self.bridge: Bridge = open_bridge(
            replace(scenario.settings, whmcs=one_line),
            adapter=self.line,
            clock=SimulatedClock(self.world),
            in_memory=True,
            stores=_as_stores(self.stores),
            sleep=lambda _seconds: None,
        )
        self.world.hook_listener = self._hear
        self.invoices: dict[str, int] = {}
        self.actions: list[Action] = []
        self.problems: list[tuple[dt.date, str]] = []
        """What runs could not do; shown beside failures."""
        self.troubles: list[tuple[dt.date, Callable[[], None]]] = []
        """(last day, what ends it)."""
        self.bridge_away = False
        self._paying = 0
        self._told: list[tuple[Callable[[HookEvent, Bridge], None], HookEvent]] = []
        self._delivering = False
        self._read = 0
        """Entries of the world's log that are actions already."""
        self._notices: set[int] = set()
        self._tasks: set[int] = set()
        self._wants_actions = any(one.actions or one.no_actions for one in scenario.expect)
        self._vip = scenario.number("group", scenario.vip_group) if scenario.vip_group else 0

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_: object) -> None:
        self.bridge.close()

    # --- looking things up --------------------------------------------------------------------------

    @property
    def today(self) -> dt.date:
        """The house day."""
        return self.world.clock.date()

    def now(self) -> dt.datetime:
        """The instant, aware."""
        return self.bridge.clock.now()

    def number(self, kind: str, label: str) -> int:
        """WHMCS's number of a label of the file."""
        return self.invoices[label] if kind == "invoice" else self.scenario.number(kind, label)

    def service(self, event: Event) -> Service:
        """The service that an event names; raises Impossible where it was deleted."""
        found = self.world.services.get(self.number("service", event.text("service")))
        if found is None:
            raise Impossible(f"service {event.text('service')} does not exist any more")
        return found

    def invoice(self, event: Event) -> Invoice:
        """The invoice that an event names; raises Impossible where it was deleted."""
        found = self.world.invoices.get(self.invoices.get(event.text("invoice"), 0))
        if found is None:
            raise Impossible(f"invoice {event.text('invoice')} does not exist any more")
        return found

    def owner(self, event: Event) -> int:
        """The client that an event is about: named, or of its service, or of its invoice."""
        if event.text("client"):
            return self.number("client", event.text("client"))
        return self.service(event).client if event.text("service") else self.invoice(event).client

    def until(self, event: Event) -> dt.date:
        """The last day of a trouble: the day itself, unless it says otherwise."""
        return event.day("until") or event.date

    def store(self, name: str) -> MemoryStore:
        """A backup store by name; the first one for none."""
        return self.stores[name] if name else next(iter(self.stores.values()))

    def backups_of(self, service: int) -> int:
        """Items of a service left in all stores."""
        return sum(store.count(ServiceId(service)) for store in self.stores.values())

    # --- the bridge ---------------------------------------------------------------------------------

    def run_sync(self, on_planned: Callable[[Plan], None] | None = None) -> None:
        """Run one sync, unless the bridge is away; a run that fails is part of the story."""
        if self.bridge_away:
            return
        self.deliver()
        try:
            report = self.bridge.sync(on_planned=on_planned)
            self.problems += [(self.today, problem) for problem in report.problems]
        except BridgeError as error:
            self.problems.append((self.today, str(error)))
        self.deliver()

    def record(self, wanted: Record) -> None:
        """Ask the bridge to keep a record; raises RecordRefused."""
        self.bridge.record(wanted)

    def close_record(self, record: Record, state: RecordState, note: str) -> None:
        """Close a record through the bridge."""
        self.bridge.end_record(record.id, record.kind, state, author="staff", reason=note)

    # --- hooks --------------------------------------------------------------------------------------

    def _hear(self, point: str, variables: HookVars) -> HookVars | None:
        """WHMCS called a hook point: asks are answered now, tells are handled as soon as it has finished."""
        self._remember_payment(point, variables)
        handler = HANDLERS.get(point)
        if handler is None:
            return None
        event = HookEvent(point, variables, self.now(), self.world.actor, facts=self._facts(variables))
        if isinstance(handler, Tell):
            self._told.append((handler.handle, event))
            return None
        answer = self._answer(handler, event)
        if not answer.ours:
            name = f"{'refuse' if answer.abort else 'allow'}:{point}"
            self.note(name, service=event.number("serviceid"), client=self._client_of(event), detail=answer.reason)
        return {ABORT_KEYS.get(point, "abortcmd"): True} if answer.abort else None

    def _answer(self, handler: Ask, event: HookEvent) -> Answer:
        if not self.bridge_away:
            with suppress(BridgeError):
                return handler.handle(event, self.bridge)
        answer = default_answer(event)
        if handler.note is not None and (event.by_person or answer.abort):
            self._told.append((handler.note, event))
        return answer

    def deliver(self) -> None:
        """Hand the events that were told to their handlers; while the bridge is away they stay spooled."""
        if self.bridge_away or self._delivering:
            return
        self._delivering = True
        try:
            for _ in range(MOST_DELIVERIES):
                if not self._told:
                    return
                handle, event = self._told.pop(0)
                if self._comes_again(handle, event):
                    continue
                try:
                    handle(event, self.bridge)
                except BridgeError as error:
                    self.problems.append((self.today, f"{event.point}: {error}"))
            raise Impossible(f"hook events keep causing each other; the last one was {self._told[0][1].point}")
        finally:
            self._delivering = False

    def _comes_again(self, handle: Callable[[HookEvent, Bridge], None], event: HookEvent) -> bool:
        """The same look at the same client is still waiting: an inbox folds them into one."""
        client = self._client_of(event)
        return bool(client) and any(
            later is handle and self._client_of(other) == client and other.actor == event.actor
            for later, other in self._told
            if later is look_again
        )

    def _remember_payment(self, point: str, variables: Mapping[str, Any]) -> None:
        """Which invoice is being paid right now: the shim keeps it between these two hook points."""
        if point == "InvoicePaidPreEmail":
            self._paying = int(variables["invoiceid"])
        elif point == "InvoicePaid":
            self._paying = 0

    def _facts(self, variables: Mapping[str, Any]) -> dict[str, object]:
        """What the shim reads through localAPI beside the hook's own variables."""
        invoice = self.world.invoices.get(int(variables.get("invoiceid") or 0))
        facts: dict[str, object] = {"client": invoice.client} if invoice is not None else {}
        return {**facts, "paying": self._paying} if self._paying else facts

    def _client_of(self, event: HookEvent) -> int:
        found = event.number("userid", "clientId", "client_id") or event.facts.get("client", 0)
        return found if isinstance(found, int) else 0

    # --- what happened ------------------------------------------------------------------------------

    def note(self, name: str, *, service: int = 0, client: int = 0, detail: str = "") -> None:
        """Write an action down; what WHMCS did before it comes first."""
        self._collect_world()
        known = self.world.services.get(service)
        self.actions.append(Action(name, self.today, service, client or (known.client if known else 0), detail))

    def collect(self) -> None:
        """Gather what has happened since the last look: in WHMCS, as notices, as tasks."""
        self._collect_world()
        if self._wants_actions:
            steps = self.bridge.journal.steps(kind="notice", day=self.today)
            self.actions += actions.of_notices(steps, self._notices, self.today)
            self.actions += actions.of_tasks(self.bridge.journal.tasks(open_only=False), self._tasks, self.today)

    def _collect_world(self) -> None:
        for entry in self.world.log[self._read :]:
            action = actions.of_world(entry, self.world, self._vip)
            if action is not None:
                self.actions.append(action)
        self._read = len(self.world.log)

    def _deleted(self, item: BackupItem, service: ServiceId) -> None:
        self.note("module:delete_backups", service=service, detail=item.locator)

    def end_troubles(self) -> None:
        """End every trouble whose last day is past."""
        for last, end in self.troubles:
            if last < self.today:
                end()
        self.troubles = [trouble for trouble in self.troubles if trouble[0] >= self.today]


def _store_names(scenario: Scenario) -> list[str]:
    """The stores that the file names anywhere, else one."""
    names = [event.text("store") for event in scenario.events if event.type == "backup_made"]
    return list(dict.fromkeys(name or DEFAULT_STORE for name in names)) or [DEFAULT_STORE]


def _as_stores(stores: Mapping[str, MemoryStore]) -> tuple[BackupStore, ...]:
    return tuple(stores.values())
