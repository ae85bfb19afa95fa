"""whmcs-bridge simulator."""

import signal
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.lazy import Entry, LazyGroup
from commands.options import json_option

if TYPE_CHECKING:
    from whmcs_bridge.simulator.app import Server
    from whmcs_bridge.simulator.state import World


@click.group(cls=LazyGroup, sections={"Commands": {"serve": Entry("commands.simulator:serve", "Serve it over HTTP.")}})
def simulator() -> None:
    """A simulated WHMCS: the API, the daily cron, a company with a past, faults on demand.

    \b
    Example:
        whmcs-bridge simulator serve --clients 500
    """


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port to listen on.")
@click.option("--clients", type=click.IntRange(min=0), default=200, show_default=True, help="Size of the book.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same book.")
@click.option("--messy", is_flag=True, help="Ten years old: imports, hand-made states, WHMCS's own automation on.")
@click.option("--latency-ms", type=click.FloatRange(min=0), default=0.0, help="Every answer is so many ms late.")
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Day in the simulated WHMCS; by default today.",
)
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="JSON file of faults to begin with.")
@json_option
@pass_app
def serve(
    app: App,
    port: int,
    clients: int,
    seed: int,
    messy: bool,
    latency_ms: float,
    today: datetime | None,
    faults: Path | None,
    as_json_: bool,
) -> None:
    """Serve a simulated WHMCS on 127.0.0.1 until Ctrl-C or SIGTERM; print its address and credentials.

    Other programs use it as they use WHMCS; POST /simulator/advance, /simulator/pay, /simulator/faults steer
    it (docs/reference/simulator.md).

    \b
    Example:
        whmcs-bridge simulator serve --port 8090 --clients 500 --seed 7
        whmcs-bridge simulator serve --clients 20000 --messy
        whmcs-bridge simulator serve --json
    """
    from whmcs_bridge.simulator.app import run
    from whmcs_bridge.simulator.faults import load_faults

    trouble = load_faults(faults) if faults is not None else None
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    world = _book(clients, seed, today.date() if today is not None else now.date(), messy)
    if today is None:
        world.clock = max(world.clock, now)

    def ready(server: "Server") -> None:
        known = world.credentials
        if as_json_:
            from commands.show import as_json

            as_json({"url": server.url, "identifier": known.identifier, "secret": known.secret}, indent=None)
        else:
            click.echo(f"url         {server.url}\nidentifier  {known.identifier}\nsecret      {known.secret}")
            click.echo(f"{clients} clients, seed {seed}, {world.today}; Ctrl-C ends it", err=True)
        sys.stdout.flush()

    signal.signal(signal.SIGTERM, _end)
    try:
        run(world, port=port, latency_ms=latency_ms, faults=trouble, ready=ready)
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {port}: {error.strerror}; choose another --port") from error


def _book(clients: int, seed: int, today: date, messy: bool) -> "World":
    from whmcs_bridge.simulator.seed import generate
    from whmcs_bridge.simulator.seed_messy import messy_book

    return messy_book(clients, seed, today).world if messy else generate(clients, seed, today)


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
