"""whmcs-bridge serve."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option

if TYPE_CHECKING:
    from whmcs_bridge.settings import Settings

LOOPBACK = ("127.", "localhost", "::1")
SWITCH_SECONDS = 0.001
"""Far less than a page takes, and more than an answer holds the interpreter between two looks into a database."""


@click.command(cls=Command)
@click.option("--listen", metavar="ADDRESS:PORT", help="Instead of [hooks] listen; port 0 takes a free one.")
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy with TLS is in front: other addresses than loopback are allowed, X-Forwarded-For is believed.",
)
@json_option
@pass_app
def serve(app: App, listen: str | None, behind_proxy: bool, as_json_: bool) -> None:
    """Answer WHMCS's hooks until Ctrl-C or SIGTERM; print the address when ready, a line an event to stderr.

    Needs [hooks] secret. A sync still has to run by a timer: hooks make things prompt, the sync makes them true.

    \b
    Example:
        whmcs-bridge serve
        whmcs-bridge serve --listen 127.0.0.1:0 --json
    """
    from dataclasses import replace

    settings = app.settings()
    if listen is not None:
        settings = replace(settings, hooks=replace(settings.hooks, listen=listen))
    host, port = _address(settings, behind_proxy)
    secret = secret_of(settings)
    _serve(settings, secret, host, port, behind_proxy, as_json_)


def _address(settings: Settings, behind_proxy: bool) -> tuple[str, int]:
    from whmcs_bridge.errors import UsageProblem
    from whmcs_bridge.settings.kinds import address_of

    text = settings.hooks.listen
    found = address_of(text)
    if found is None:
        raise UsageProblem(f"--listen {text}: expected an address and a port, such as 127.0.0.1:8765")
    if not found[0].startswith(LOOPBACK) and not behind_proxy:
        raise UsageProblem(
            f"{text} can be reached from the network, and events carry clients' names and debts: put a proxy with TLS "
            "in front and say --behind-proxy, or listen on 127.0.0.1"
        )
    return found


def secret_of(settings: Settings) -> bytes:
    """Return what both sides sign with; raises UsageProblem where the settings have none."""
    from whmcs_bridge.errors import UsageProblem

    if settings.hooks.secret is None:
        raise UsageProblem(
            f'{settings.source}: [hooks] secret is not set; WHMCS signs with it: write "file:PATH" or "env:NAME"'
        )
    return settings.hooks.secret.reveal().encode()


def _serve(settings: Settings, secret: bytes, host: str, port: int, behind_proxy: bool, as_json_: bool) -> None:
    from functools import partial

    from commands.app import played_day
    from hooks import HANDLERS
    from whmcs_bridge.api.told import services_told, told_of
    from whmcs_bridge.receiver.opening import Receiver
    from whmcs_bridge.screens import SERVED
    from whmcs_bridge.storage import WriterLock
    from whmcs_bridge.wiring import HouseClock, open_bridge

    clock = HouseClock(settings.policy.calendar.timezone, played_day())
    ids = settings.policy.backups.id_fields
    _log_to_stderr()
    with (
        # Two connections to each file: an answer does not wait for what the worker writes.
        open_bridge(settings, clock=clock, actor="hook") as asks,
        open_bridge(settings, clock=clock, actor="hook") as work,
        WriterLock(settings.folder / "serve.lock", "the inbox").hold("serve", wait_seconds=0),
    ):
        receiver = Receiver(
            asks,
            work,
            HANDLERS,
            secret,
            facts=partial(told_of, id_fields=ids),
            services=partial(services_told, id_fields=ids),
            screens=SERVED,
            nonces=settings.folder / "nonces",
        )
        try:
            server = receiver.server(host, port, proxied=behind_proxy)
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {settings.hooks.listen}: {error.strerror}; choose another with --listen"
            ) from error
        _end_on_signals(server.stop)
        _spare_the_threads()
        with server:
            _ready(server.url, as_json_)
            server.wait()
        receiver.close()


def _ready(url: str, as_json_: bool) -> None:
    if as_json_:
        from commands.show import as_json

        as_json({"url": url}, indent=None)
    else:
        click.echo(f"listening on {url}")
    sys.stdout.flush()


def _end_on_signals(stop: Callable[[], None]) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _spare_the_threads() -> None:
    """Let an answer be found without a break.

    What is loaded by now stays: looking through it again and again would hold up single answers. And a thread that puts
    a page together, or looks at a client again, gives the interpreter back sooner than after Python's 5 ms: an answer
    lets go of it at every look into a database, and would wait as often.
    """
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)


def _log_to_stderr() -> None:
    """One line an event; waitress and everything else only when something is wrong."""
    import logging

    # Nobody reads where in the code a line came from, and it costs more than the line (the manual's "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.ERROR)
    logging.getLogger("whmcs_bridge.receiver").setLevel(logging.INFO)
