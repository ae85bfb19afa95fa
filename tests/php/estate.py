"""Everything at once: a simulated WHMCS whose hooks run in real PHP, and the bridge's receiver behind a socket."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from hooks import HANDLERS
from tests.house import HOSTING, NEVER_SLEEP, House, WorldClock, a_world
from tests.php.receiver import SECRET
from tests.php.whmcs import (
    ADMIN,
    ADMIN_PAGE,
    API_PAGE,
    CLIENT_PAGE,
    CRON_PAGE,
    NOBODY,
    SECRETS,
    Call,
    Page,
    Whmcs,
)
from whmcs_bridge.api.told import told_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.receiver.opening import Receiver
from whmcs_bridge.receiver.server import Server
from whmcs_bridge.screens import SERVED
from whmcs_bridge.simulator.app import serve
from whmcs_bridge.simulator.modules import Command, module_params, run_module
from whmcs_bridge.simulator.records import Actor, Service
from whmcs_bridge.wiring import open_bridge

CALLBACK = "/modules/gateways/callback/example.php"
PAGES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    Actor.ADMIN: (ADMIN_PAGE, ADMIN),
    Actor.API: (API_PAGE, NOBODY),
    Actor.CLIENT: (CLIENT_PAGE, {"uid": "1"}),
    Actor.CRON: (CRON_PAGE, NOBODY),
    Actor.PAYMENT: (CALLBACK, NOBODY),
}
"""On which page of WHMCS each of them acts."""
HEARD = {*HANDLERS, "InvoicePaidPreEmail"}
PATIENCE_SECONDS = 60.0


@dataclass
class Estate:
    """WHMCS, its hooks, the receiver and the bridge, on one clock: today's."""

    house: House
    whmcs: Whmcs
    panel_url: str
    stack: ExitStack
    pages: list[tuple[str, Page]] = field(default_factory=list)
    """Every hook point that was called, with what came of it."""
    sent: list[str] = field(default_factory=list)
    """Every request of the hook file, headers included."""
    _paying: list[Call] = field(default_factory=list)
    _server: Server | None = None

    # --- the receiver -----------------------------------------------------------------------------

    def start_receiver(self) -> None:
        """Serve as `whmcs-bridge serve` does: one bridge that answers, one that works off."""
        asks, work = self._bridge(), self._bridge()
        folder = asks.settings.folder
        receiver = Receiver(
            asks, work, HANDLERS, SECRET.encode(), facts=told_of, screens=SERVED, nonces=folder / "nonces"
        )
        self.stack.callback(receiver.close)
        receiver.app.wsgi_app = self._noting(receiver.app.wsgi_app)  # type: ignore[method-assign]
        self._server = self.stack.enter_context(receiver.server("127.0.0.1", 0))
        self.whmcs.set(url=self._server.url)

    def _noting(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        """Keep everything that is sent, headers included, before the receiver sees it."""

        def noted(environ: dict[str, Any], start_response: Any) -> Any:
            body = environ["wsgi.input"].read()
            heads = [f"{name}: {value}" for name, value in environ.items() if isinstance(value, str)]
            self.sent.append("\n".join(heads) + body.decode())
            return inner({**environ, "wsgi.input": BytesIO(body)}, start_response)

        return noted

    def stop_receiver(self) -> None:
        assert self._server is not None
        self._server.close()

    def _bridge(self) -> Bridge:
        house = self.house
        clock = WorldClock(house.world)
        return self.stack.enter_context(
            open_bridge(
                house.bridge.settings, adapter=house.adapter, clock=clock, stores=(), sleep=NEVER_SLEEP, actor="hook"
            )
        )

    def kept_no_secret(self) -> None:
        """Whatever the story was: nothing secret was sent, and none waits on the disk."""
        world = self.house.world
        known = [module_params(world, service) for service in world.services.values()]
        own = {str(value) for params in known for name, value in params.items() if re.search("pass|hash", name)}
        spool = Path(self.whmcs.settings["spool"])
        told = "\n".join([*self.sent, *(file.read_text() for file in spool.glob("*-*"))])
        assert self.sent
        assert [secret for secret in {*own, *SECRETS} - {""} if secret in told] == []

    # --- WHMCS ------------------------------------------------------------------------------------

    def hook(self, point: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """What the simulator's WHMCS does at a hook point: open the page in PHP, as whoever acts."""
        if point not in HEARD:
            return None
        call = (point, {name: value for name, value in variables.items() if name != "invoice"})
        if point == "InvoicePaidPreEmail":  # what follows until InvoicePaid happens in the same request
            self._paying.append(call)
            return None
        script, session = PAGES[self.house.world.actor]
        page = self.whmcs.page(*self._paying, call, session=session, script=script)
        if point == "InvoicePaid":
            self._paying.pop()
        self.pages.append((point, page))
        answer: dict[str, Any] | None = page.answers[-1][0]
        return answer

    def command(self, actor: Actor, service: Service, command: Command) -> None:
        """Somebody runs a module command."""
        with self.house.world.acting(actor):
            run_module(self.house.world, service, command)

    def log(self, point: str) -> str:
        """What WHMCS's activity log says of the hooks at this point."""
        return "\n".join(page.log for found, page in self.pages if found == point)

    def until(self, true: Any) -> None:
        """Wait for what the worker does; on a busy machine that may take its time."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.02)

    def worked_off(self) -> None:
        """Wait until nothing waits in the inbox."""
        journal = self.house.bridge.journal
        self.until(lambda: not journal.inbox_depth().waiting)


@contextmanager
def estate(port: int, folder: Path, more: Mapping[str, Any] | None = None) -> Iterator[Estate]:
    """Enforcing, hosting suspended on day 3 and ended on day 15."""
    world = a_world(datetime.now(UTC).replace(tzinfo=None, microsecond=0))
    with (
        House.of({"class": {"hosting": HOSTING}, **(more or {})}, world=world, folder=folder) as house,
        serve(world) as panel,
        ExitStack() as stack,
    ):
        whmcs = Whmcs.at(port, folder / "whmcs", "http://127.0.0.1:9")
        whmcs.set(gate=str(house.bridge.settings.gate))
        whmcs.job = {
            "panel": f"{panel.url}includes/api.php",
            "credentials": {"identifier": "simulator-identifier", "secret": "simulator-secret"},
        }
        found = Estate(house, whmcs, panel.url, stack)
        found.start_receiver()
        world.hook_listener = found.hook
        yield found
        world.hook_listener = None
        found.kept_no_secret()
