"""A small house for tests: a simulated WHMCS and the bridge beside it, in one process and on one clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.jobs.report import RunReport, StepResult
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import BackupStore, StepState
from whmcs_bridge.settings import scenario_policy
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.secret import Secret
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.invoicing import create_invoice
from whmcs_bridge.simulator.records import Actor, Addon, Client, Group, Invoice, InvoiceLine, Product, Server, Service
from whmcs_bridge.simulator.records import ProductGroup as Shelf
from whmcs_bridge.simulator.state import SimEvent, World, new_world
from whmcs_bridge.wiring import open_bridge

START = datetime(2025, 3, 10, 12, 0)  # noqa: DTZ001 (WHMCS shows wall-clock time); a Monday
NEVER_SLEEP = lambda _seconds: None  # noqa: E731

HOSTING: Mapping[str, Any] = {
    "product_types": ["hostingaccount"],
    "suspend_after_days": 3,
    "terminate_after_days": 15,
    "delete_backups_after_days": 0,
}
WARNED: Mapping[str, Any] = {
    **HOSTING,
    "notices": [{"day": -4, "message": "payment-reminder"}, {"day": 2, "message": "suspension-warning"}],
}


class WorldClock:
    """The bridge's clock: WHMCS's own, in the house's time zone (UTC)."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now(self) -> datetime:
        return self.world.clock.replace(tzinfo=UTC)


def settings_of(config: Mapping[str, Any], source: Path | None = None) -> Settings:
    """Settings of these tables with the simulator's credentials: enforcing, approved at once, nothing limited."""
    settings = scenario_policy(config, {}, {})
    whmcs = replace(
        settings.whmcs,
        url="http://127.0.0.1",
        identifier=Secret.given("simulator-identifier"),
        secret=Secret.given("simulator-secret"),
    )
    settings = replace(settings, whmcs=whmcs)
    return settings if source is None else replace(settings, source=source, folder=source.parent)


def a_world(clock: datetime = START) -> World:
    """A WHMCS with hosting (1), a licence (2), a VPS (3) and advice without a module (4), a VIP and an exempt group."""
    world = new_world(clock)
    world.add_product_group(Shelf(1, "Hosting"))
    world.add_product_group(Shelf(2, "Licences"))
    world.add_product(Product(1, 1, "Starter", module="cpanel"))
    world.add_product(Product(2, 2, "Licence", type="other", module="licensing"))
    world.add_product(Product(3, 1, "VPS Small", type="server", module="vpsmanager"))
    world.add_product(Product(4, 1, "Advice", type="hostingaccount"))
    world.add_server(Server(1, "web1"))
    world.add_group(Group(1, "VIP"))
    world.add_group(Group(2, "Charity", exempt=True))
    world.add_group(Group(3, "Resellers"))
    return world


@dataclass
class House:
    """One world, one bridge, and short words for what happens to them."""

    world: World
    adapter: SimulatorAdapter
    bridge: Bridge
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        config: Mapping[str, Any] | None = None,
        *,
        world: World | None = None,
        folder: Path | None = None,
        stores: Sequence[BackupStore] = (),
        page_size: int = 250,
    ) -> Self:
        """A house under these tables of bridge.toml (`HOSTING` for none); `folder` keeps its databases as files."""
        tables = dict(config if config is not None else {"class": {"hosting": HOSTING}})
        world = world or a_world()
        adapter = SimulatorAdapter(world)
        source = None if folder is None else folder / "bridge.toml"
        bridge = cls._open(tables, world, adapter, source, stores, page_size)
        return cls(world, adapter, bridge, tables)

    @staticmethod
    def _open(
        tables: Mapping[str, Any],
        world: World,
        adapter: SimulatorAdapter,
        source: Path | None,
        stores: Sequence[BackupStore],
        page_size: int,
    ) -> Bridge:
        settings = settings_of(tables, source)
        settings = replace(settings, whmcs=replace(settings.whmcs, page_size=page_size))
        return open_bridge(
            settings,
            adapter=adapter,
            clock=WorldClock(world),
            in_memory=source is None,
            stores=stores,
            sleep=NEVER_SLEEP,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bridge.close()

    # --- time and runs --------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.world.today

    def day(self, offset: int) -> date:
        """The day so many days from today."""
        return self.today + timedelta(days=offset)

    def pass_days(self, days: int = 1) -> None:
        """Let days go by without a run."""
        self.world.advance(days=days)

    def sync(self, **more: Any) -> RunReport:
        return self.bridge.sync(**more)

    def next_day(self, days: int = 1, **more: Any) -> RunReport:
        """Let days go by, a sync on each; return the last report."""
        for _ in range(days):
            self.pass_days()
            report = self.sync(**more)
        return report

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        """The operator edits bridge.toml: the next run is under other settings, with the same memory."""
        self.config = dict(config)
        old = self.bridge.settings
        new = settings_of(config)
        self.bridge.ports.settings = replace(new, whmcs=old.whmcs, source=old.source, folder=old.folder)

    def enforcing(self, yes: bool) -> None:
        """Switch between enforce and shadow mode."""
        self.bridge.ports.settings = replace(self.bridge.settings, mode="enforce" if yes else "shadow")

    def faults(self, *faults: Fault) -> None:
        """These faults, and no others, from now on; none: all is well."""
        self.adapter.faults.clear()
        self.adapter.faults.add(*faults)

    # --- the book -------------------------------------------------------------------------------

    def a_client(self, **fields: Any) -> Client:
        number = len(self.world.clients) + 1
        given = {"firstname": f"Client {number}", "email": f"client{number}@example.com"} | fields
        return self.world.add_client(Client(0, **given))

    def a_service(self, client: Client | None = None, **fields: Any) -> Service:
        """A hosting account with a domain, a user name and a server, up and running unless said otherwise."""
        owner = client or self.a_client()
        number = len(self.world.services) + 1
        given: dict[str, Any] = {
            "product": 1,
            "amount": 1000,
            "domain": f"site{number}.example.net",
            "username": f"site{number}",
            "server": 1,
            "registered": date(2024, 1, 1),
            "next_due": date(2025, 12, 1),
        } | fields
        return self.world.add_service(Service(0, owner.id, **given))

    def an_addon(self, service: Service, **fields: Any) -> Addon:
        given: dict[str, Any] = {"name": "Backup", "amount": 300, "next_due": date(2025, 12, 1)} | fields
        return self.world.add_addon(Addon(0, service.client, service.id, **given))

    def an_invoice(
        self,
        service: Service | None = None,
        *,
        due: int = 0,
        made: int | None = None,
        client: Client | None = None,
        **fields: Any,
    ) -> Invoice:
        """An invoice that bills the service 10.00, due so many days from today (negative: ago).

        It was made so many days from today, or else ten days before its due date. `lines` are (type, relid, cents)
        and replace the service's own line.
        """
        owner = client or self.world.clients[service.client if service is not None else 0]
        own = [("Hosting", service.id, 1000)] if service is not None else []
        wanted = fields.pop("lines", None) or own
        lines = [InvoiceLine(0, kind, relid, "a line", cents) for kind, relid, cents in wanted]
        now = self.world.clock
        self.world.clock = now + timedelta(days=min(due - 10, 0) if made is None else made)
        try:
            return create_invoice(
                self.world, owner, lines, now.date() + timedelta(days=due), actor=Actor.CRON, mail=False, **fields
            )
        finally:
            self.world.clock = now

    def a_debtor(self, *, overdue: int = 0, **fields: Any) -> tuple[Client, Service, Invoice]:
        """A client with one service and one invoice, due so many days ago."""
        client = self.a_client(**fields)
        service = self.a_service(client)
        return client, service, self.an_invoice(service, due=-overdue)

    def pay(self, invoice: Invoice, cents: int | None = None) -> None:
        record_payment(self.world, invoice, cents, mail=False)

    # --- what happened --------------------------------------------------------------------------

    def events(self, kind: str, *, service: Service | None = None, actor: str = "") -> list[SimEvent]:
        """Effects on the world of this kind (a prefix), oldest first."""
        return [
            event
            for event in self.world.log
            if event.kind.startswith(kind)
            and (service is None or event.service == service.id)
            and (not actor or event.actor == actor)
        ]

    def mails(self, client: Client | None = None, about: str = "") -> list[str]:
        """Subjects (or template names) of the mails sent, oldest first; `about`: those that contain it."""
        return [
            event.detail
            for event in self.world.log
            if event.kind == "email" and (client is None or event.client == client.id) and about in event.detail
        ]

    def withheld(self, report: RunReport, service: Service) -> dict[str, str]:
        """Code -> kind of what the plan withholds from a service."""
        return {
            held.withheld.code: held.withheld.kind.value for held in report.plan.withheld if held.service == service.id
        }

    def task_codes(self) -> set[str]:
        return {task.code for task in self.bridge.journal.tasks()}

    def case(self, service: Service) -> Any:
        return self.bridge.journal.cases().get(ServiceId(service.id))


def client_id(client: Client) -> ClientId:
    return ClientId(client.id)


def service_id(service: Service) -> ServiceId:
    return ServiceId(service.id)


def results(report: RunReport, kind: Kind | None = None) -> list[tuple[str, str]]:
    """(kind, state) of every step of a run, or of one kind."""
    return [(r.step.kind.value, r.state.value) for r in report.results if kind is None or r.step.kind is kind]


def the_result(report: RunReport, kind: Kind) -> StepResult:
    """The one result of this kind."""
    found = [r for r in report.results if r.step.kind is kind]
    assert len(found) == 1, f"{len(found)} results of {kind}: {found}"
    return found[0]


def done(report: RunReport) -> list[str]:
    """Kinds of the steps that a run did, in order; a notice by its name."""
    return [
        r.step.message if r.step.kind is Kind.NOTICE else r.step.kind.value
        for r in report.results
        if r.state is StepState.DONE
    ]
