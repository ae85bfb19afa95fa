"""whmcs-bridge hook."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, pass_app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.receiver.desk import Desk


@click.command(cls=Command)
@click.argument("point", metavar="NAME")
@click.option("--screen", is_flag=True, help="Fill a part of a page instead.")
@click.option("--wait", is_flag=True, help="Work the inbox off before the command ends, not behind it.")
@pass_app
def hook(app: App, point: str, screen: bool, wait: bool) -> None:
    """Take one event of WHMCS's hooks from standard input; print the answer as JSON.

    What the file in WHMCS runs where no daemon may: no signature, since only this user may run it. A question is
    answered; what is told is kept, and worked off behind the command unless a run is under way. Exits 1 with an error
    and a status where an event is not taken.

    \b
    Example:
        whmcs-bridge hook PreModuleSuspend < event.json
        whmcs-bridge hook InvoicePaid --wait < event.json
    """
    from whmcs_bridge.errors import BridgeError

    try:
        said, kept = _take(app, point, screen)
    except BridgeError as error:
        status = getattr(error, "status", None)
        _print({"error": str(error)} | ({"status": status} if status is not None else {}))
        raise SystemExit(error.exit_code) from None
    _print(said)
    if kept and (wait or _behind()):
        _work_off(app)


def _take(app: App, point: str, screen: bool) -> tuple[Mapping[str, Any], bool]:
    """Return what to print, and whether something new waits to be worked off."""
    with open_late(app) as bridge:
        desk = desk_of(bridge)
        if screen:
            from whmcs_bridge.screens import SERVED

            desk.screens = SERVED
        body = sys.stdin.buffer.read(desk.max_body_bytes + 1)
        reply = desk.show(point, body) if screen else desk.receive(point, body)
    return reply.body, reply.outcome == "accepted"


def open_late(app: App) -> Bridge:
    """Wire everything, but load what speaks to WHMCS only when it is spoken to."""
    from commands.app import played_day
    from whmcs_bridge.wiring import HouseClock, open_bridge

    settings = app.settings()
    clock = HouseClock(settings.policy.calendar.timezone, played_day())
    return open_bridge(settings, clock=clock, actor="hook", late=True)


def desk_of(bridge: Bridge) -> Desk:
    """Return the desk that answers and keeps events."""
    from hooks import HANDLERS
    from whmcs_bridge.api.told import told_of
    from whmcs_bridge.receiver.desk import Desk

    return Desk(bridge, HANDLERS, told_of, max_body_bytes=bridge.settings.hooks.max_body_kib * 1024)


def _behind() -> bool:
    """Leave the caller, who has the answer and must not wait; True in the process that goes on."""
    sys.stdout.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return True


def _work_off(app: App) -> None:
    """Handle what waits; whoever holds the journal now will look again, and a sync does so in any case."""
    from contextlib import suppress

    from whmcs_bridge.errors import Locked

    with open_late(app) as bridge, suppress(Locked):
        bridge.deliver = desk_of(bridge).handle
        bridge.work_off()


def _print(said: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(said))
