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
    from whmcs_bridge.receiver.desk import Desk, Reply


@click.command(cls=Command)
@click.argument("point", metavar="NAME")
@click.option("--screen", is_flag=True, help="Fill a part of a page instead.")
@click.option("--wait", is_flag=True, help="Work the inbox off before the answer, not behind it.")
@pass_app
def hook(app: App, point: str, screen: bool, wait: bool) -> None:
    """Take one event of WHMCS's hooks from standard input; print the answer as JSON.

    What the file in WHMCS runs where no daemon may: no signature, since only this user may run it. A question is
    answered; what is told is kept, and worked off behind the command unless a run is under way. With --wait it is
    worked off first, and the answer says whether all is settled; at most for the event's wait_seconds, where it has
    any: then the rest is done behind the command. Exits 1 with an error and a status where an event is not taken.

    \b
    Example:
        whmcs-bridge hook PreModuleSuspend < event.json
        whmcs-bridge hook PreCronJob --wait < event.json
    """
    import gc

    gc.disable()  # a process of a moment: looking for garbage while it loads costs a tenth of it
    from whmcs_bridge.errors import BridgeError

    try:
        reply, seconds = _take(app, point, screen)
    except BridgeError as error:
        status = getattr(error, "status", None)
        _print({"error": str(error)} | ({"status": status} if status is not None else {}))
        raise SystemExit(error.exit_code) from None
    finally:
        gc.enable()
    told = reply.status == 202
    if told and wait:
        _print({**reply.body, "settled": _settle(app, seconds) if seconds else _work_off(app)})
        return
    _print(reply.body)
    recorded = screen and bool(reply.body.get("message"))
    if (reply.outcome == "accepted" or recorded) and _behind():
        _work_off(app)


def _take(app: App, point: str, screen: bool) -> tuple[Reply, float]:
    """Return what to say, and for how many seconds its sender waits for the inbox."""
    from whmcs_bridge.receiver.events import read

    with open_late(app) as bridge:
        desk = desk_of(bridge)
        if screen:
            from whmcs_bridge.screens import SERVED

            desk.screens = SERVED
        body = sys.stdin.buffer.read(desk.max_body_bytes + 1)
        reply = desk.show(point, body) if screen else desk.receive(point, body)
    return reply, read(body).wait_seconds


def open_late(app: App) -> Bridge:
    """Wire everything, but load what speaks to WHMCS only when it is spoken to."""
    from commands.app import played_day
    from whmcs_bridge.wiring import HouseClock, open_bridge

    settings = app.settings()
    clock = HouseClock(settings.policy.calendar.timezone, played_day())
    return open_bridge(settings, clock=clock, actor="hook", late=True)


def desk_of(bridge: Bridge) -> Desk:
    """Return the desk that answers and keeps events."""
    from functools import partial

    from hooks import HANDLERS
    from whmcs_bridge.api.told import services_told, told_of
    from whmcs_bridge.receiver.desk import Desk

    most, ids = bridge.settings.hooks.max_body_kib * 1024, bridge.settings.policy.backups.id_fields
    told, services = partial(told_of, id_fields=ids), partial(services_told, id_fields=ids)
    return Desk(bridge, HANDLERS, told, services=services, max_body_bytes=most)


def _behind() -> bool:
    """Leave the caller, who has the answer and must not wait; True in the process that goes on."""
    sys.stdout.flush()
    if os.fork():
        os._exit(0)
    _leave()
    return True


def _leave() -> None:
    """Belong to nobody: whoever reads our output has all of it."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _work_off(app: App, seconds: float = 0) -> bool:
    """Handle what waits, and say whether that is all of it.

    Whoever else holds the journal will look again when it has let go, and is waited for at most so long.
    """
    from whmcs_bridge.receiver.settling import settled

    with open_late(app) as bridge:
        bridge.deliver = desk_of(bridge).handle
        return settled(bridge.journal, bridge.clock, seconds, bridge.work_off)


def _settle(app: App, seconds: float) -> bool:
    """Work off in a process of its own, which goes on when the time is up; say whether all of it was settled."""
    import time

    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            _leave()
            code = 0 if _work_off(app, seconds) else 1
        finally:
            os._exit(code)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    return False


def _print(said: Mapping[str, Any]) -> None:
    import json

    click.echo(json.dumps(said))
