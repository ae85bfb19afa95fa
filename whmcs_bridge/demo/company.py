"""A small hosting company on the simulator, run by the real bridge: one call lives one day."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from hooks import HANDLERS
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.demo.house import SETTINGS
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.hookpoints import HookEvent, Tell, default_answer
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.scenarios.stage import ABORT_KEYS, SimulatedClock
from whmcs_bridge.settings import Secret, Settings, from_mapping, parse
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.cron import run_daily_cron
from whmcs_bridge.simulator.habits import live_one_day
from whmcs_bridge.simulator.records import ServiceStatus
from whmcs_bridge.simulator.state import HookVars, SimEvent, World
from whmcs_bridge.wiring import open_bridge

CRON_AT = dt.time(9)
SYNC_AT = dt.time(10)
CLIENTS_AT = dt.time(15)
"""Clients see to their money in the afternoon."""
OPERATOR_AT = dt.time(17)
OPERATOR = "operator"
BACKUP_EVERY_DAYS = 7
BACKUP_BYTES = 1_500_000_000
LIVING = (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Asked:
    """WHMCS asked before it acted on a service, and what it was told."""

    at: dt.datetime
    point: str
    actor: str
    service: int
    refused: bool
    reason: str


@dataclass(slots=True)
class DayBook:
    """What one day left behind, raw."""

    day: dt.date
    reports: list[RunReport] = field(default_factory=list)
    allowed: list[tuple[str, str]] = field(default_factory=list)
    """(why a limit refused, the command the operator used)."""
    approved: list[int] = field(default_factory=list)
    """Services whose termination the operator approved."""
    cancelled: list[int] = field(default_factory=list)
    """Services that WHMCS's cron ended because their client had asked for it."""
    said: list[str] = field(default_factory=list)
    """What clients did, in the simulator's words."""
    down_before: frozenset[int] = frozenset()
    """Clients with a suspended service before the afternoon's payments."""
    troubles: list[str] = field(default_factory=list)


class Company:
    """World, bridge and the wire between them. Use as a context manager."""

    def __init__(
        self, world: World, settings: Settings, seed: int, *, in_memory: bool = True, approving: bool = True
    ) -> None:
        """`in_memory` leaves no databases behind; `approving`: the operator says yes to whatever waits for a yes."""
        self.world = world
        self.world.settings["SystemURL"] = settings.whmcs.url
        self.store = MemoryStore("nightly")
        self.bridge: Bridge = open_bridge(
            settings,
            adapter=SimulatorAdapter(self.world),
            clock=SimulatedClock(self.world),
            in_memory=in_memory,
            stores=_stores(self.store),
            actor="bridge",
            sleep=lambda _seconds: None,
        )
        self.world.hook_listener = self._hear
        self._told: list[tuple[Callable[[HookEvent, Bridge], None], HookEvent]] = []
        self.asked: list[Asked] = []
        """What others than the bridge itself wanted to do to services, oldest first."""
        self._rng = Random(f"days {seed}")
        self._paying = 0
        self.approving = approving
        self._today = DayBook(world.today)

    def __enter__(self) -> "Company":
        return self

    def __exit__(self, *_: object) -> None:
        self.bridge.close()

    def live(self, day: dt.date, see: Callable[[Sequence[SimEvent], dt.date], None] | None = None) -> DayBook:
        """Live one day: WHMCS's cron, the bridge's sync, the clients, the operator.

        `see` is shown what happened, after the sync and at the end of the day.
        """
        mark = len(self.world.log)
        book = self.morning(day)
        if see is not None:
            see(self.world.log[mark:], day)
        mark = len(self.world.log)
        self.afternoon(book)
        if see is not None:
            see(self.world.log[mark:], day)
        return book

    def morning(self, day: dt.date) -> DayBook:
        """WHMCS's cron and the bridge's sync."""
        book = self._today = DayBook(day)
        self.at(day, CRON_AT)
        book.cancelled = run_daily_cron(self.world).cancelled
        self.deliver()
        if day.toordinal() % BACKUP_EVERY_DAYS == 0:
            self._back_up(day)
        self.at(day, SYNC_AT)
        self._sync(book)
        return book

    def afternoon(self, book: DayBook) -> None:
        """The clients see to their money; the operator to what waits for a person."""
        self.at(book.day, CLIENTS_AT)
        book.down_before = self._down()
        book.said = live_one_day(self.world, self._rng)
        self.deliver()
        self.at(book.day, OPERATOR_AT)
        if self.approving:
            self._approve(book)

    def name_of(self, service: int) -> str:
        """Name a service for people: its domain, or its product."""
        record = self.world.services[service]
        product = self.world.products.get(record.product)
        return f"{record.domain or (product.name if product is not None else 'service')} (service {service})"

    def enforcing(self, yes: bool) -> None:
        """Switch between enforce and shadow mode."""
        self.bridge.ports.settings = replace(self.bridge.settings, mode="enforce" if yes else "shadow")

    def at(self, day: dt.date, time: dt.time) -> None:
        """Set WHMCS's clock, and with it the house's."""
        self.world.clock = dt.datetime.combine(day, time)

    def _down(self) -> frozenset[int]:
        ids = self.world.services_by_status.get(ServiceStatus.SUSPENDED, {})
        return frozenset(self.world.services[number].client for number in ids)

    def _sync(self, book: DayBook) -> None:
        """One sync; where a limit refuses, the operator looks and lets it pass with the command it names."""
        report = self.bridge.sync()
        book.reports.append(report)
        allow = {}
        for stop in report.plan.stops:
            name, _, count = stop.way_past.rpartition("--allow ")[2].partition("=")
            if stop.code.startswith("limit:") and count.isdigit():
                allow[name] = int(count)
                book.allowed.append((stop.why, stop.way_past))
        if allow:
            book.reports.append(self.bridge.sync(allow=allow))
        self.deliver()

    def _approve(self, book: DayBook) -> None:
        known = self.bridge.journal.approvals()
        for held in book.reports[-1].plan.withheld:
            kind = held.withheld.kind
            if held.withheld.code != "approval" or held.service is None or kind in known.get(held.service, ()):
                continue
            self.bridge.approve(held.service, kind, OPERATOR)
            book.approved.append(held.service)

    def _back_up(self, day: dt.date) -> None:
        for status in LIVING:
            for number in self.world.services_by_status.get(status, {}):
                if self.world.services[number].domain:
                    at = self.bridge.clock.now()
                    self.store.put(ServiceId(number), f"{day}.tar.gz", size=BACKUP_BYTES, at=at)

    # --- hooks --------------------------------------------------------------------------------------

    def _hear(self, point: str, variables: HookVars) -> HookVars | None:
        """WHMCS calls a hook point: asks are answered at once, tells are handled when it has finished."""
        if point in ("InvoicePaidPreEmail", "InvoicePaid"):
            self._paying = int(variables["invoiceid"]) if point == "InvoicePaidPreEmail" else 0
        handler = HANDLERS.get(point)
        if handler is None:
            return None
        event = HookEvent(point, variables, self.bridge.clock.now(), self.world.actor, facts=self._facts(variables))
        if isinstance(handler, Tell):
            self._told.append((handler.handle, event))
            return None
        answer = default_answer(event)
        with suppress(BridgeError):
            answer = handler.handle(event, self.bridge)
        if not answer.ours:
            number = event.number("serviceid")
            self.asked.append(Asked(self.world.clock, point, event.actor, number, answer.abort, answer.reason))
        return {ABORT_KEYS.get(point, "abortcmd"): True} if answer.abort else None

    def _facts(self, variables: Mapping[str, object]) -> dict[str, object]:
        """What the shim reads in the same request: whose invoice it is, and which one is being paid."""
        invoice = self.world.invoices.get(int(str(variables.get("invoiceid") or 0)))
        facts: dict[str, object] = {"client": invoice.client} if invoice is not None else {}
        return {**facts, "paying": self._paying} if self._paying else facts

    def deliver(self) -> None:
        """Handle what was told; a handler's own acts make WHMCS tell of more."""
        while self._told:
            handle, event = self._told.pop(0)
            try:
                handle(event, self.bridge)
            except BridgeError as error:
                self._today.troubles.append(f"{event.point}: {error}")


def demo_settings(folder: Path | None) -> Settings:
    """Return the demo's settings; a folder gets them as bridge.toml, and the databases lie beside it."""
    path = (folder or Path()) / "bridge.toml"
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(SETTINGS, "utf-8")
    settings = from_mapping(parse(SETTINGS.encode(), "demo"), source=str(path), path=path)
    identifier, secret = Secret.given("simulator-identifier"), Secret.given("simulator-secret")
    return replace(settings, whmcs=replace(settings.whmcs, identifier=identifier, secret=secret))


def _stores(store: MemoryStore) -> Sequence[BackupStore]:
    return (store,)
