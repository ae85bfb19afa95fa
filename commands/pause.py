"""whmcs-bridge pause."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge


@click.command(cls=Command)
@click.option("--until", metavar="WHEN", help="End by itself after this day (2026-03-31), or at 2026-03-31T14:00.")
@click.option(
    "--reason", default="", metavar="TEXT", help="Kept with the pause, and shown wherever it stops something."
)
@click.option("--off", is_flag=True, help="End the pause.")
@click.option("--show", is_flag=True, help="Only say whether a pause stands.")
@json_option
@pass_app
def pause(app: App, until: str | None, reason: str, off: bool, show: bool, as_json_: bool) -> None:
    """Stop every suspension, termination and deletion at once, until --off or --until.

    It works while a sync is running: the run leaves the harmful steps it has not begun. WHMCS's own cron is
    refused them too, through the hooks; what a person does in the admin area is let through. Releases, VIP
    moves and notices go on. A file named PAUSE beside the settings does the same. Days and times are the
    house's own ([calendar] timezone).

    Exits 0 when done, 2 for a time that has passed or options that exclude each other, 3 when --off leaves a PAUSE
    file in force.

    \b
    Example:
        whmcs-bridge pause --reason "boletos are being booked by hand"
        whmcs-bridge pause --until 2026-03-31
        whmcs-bridge pause --off
    """
    from whmcs_bridge.errors import DatabaseTrouble, Locked, UsageProblem

    if off + show > 1 or ((off or show) and (until or reason)):
        raise UsageProblem("--off and --show stand alone; --until and --reason begin a pause")
    try:
        with app.bridge(offline=True) as bridge:
            code = _pause(bridge, until, reason, off=off, show=show, as_json_=as_json_)
    except (DatabaseTrouble, Locked) as trouble:
        file = app.settings().pause_file
        raise type(trouble)(f"{trouble}; to pause without the journal: touch {file}") from trouble
    if code:
        raise SystemExit(code)


def _pause(bridge: Bridge, until: str | None, reason: str, *, off: bool, show: bool, as_json_: bool) -> int:
    from commands.show import as_json
    from whmcs_bridge.jobs.pause import pause_stop

    ended = None
    if off:
        ended = bridge.end_pause()
    elif not show:
        bridge.pause(_moment(until, bridge.clock.now()) if until else None, reason)
    stop = pause_stop(bridge.ports)
    if as_json_:
        as_json(_json(bridge))
    elif stop is not None:
        click.echo(f"Nothing harmful happens: {stop.why}\n  to go on: {stop.way_past}")
    else:
        click.echo("The pause has ended." if ended else "No pause stands.")
    return 3 if off and stop is not None else 0


def _json(bridge: Bridge) -> dict[str, object]:
    from whmcs_bridge.jobs.pause import pause_stop, standing

    found, file = standing(bridge.ports), bridge.settings.pause_file
    return {
        "paused": pause_stop(bridge.ports) is not None,
        "by": found.by if found else None,
        "since": found.since.isoformat() if found else None,
        "until": found.until.isoformat() if found and found.until else None,
        "reason": found.reason if found else None,
        "file": str(file) if file.exists() else None,
    }


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment at which the pause ends: of a day, its midnight; raises UsageProblem."""
    from whmcs_bridge.errors import UsageProblem

    try:
        if len(text) <= len("2026-03-31"):
            found = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), now.tzinfo)
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageProblem(f"--until {text}: expected a day (2026-03-31) or a time (2026-03-31T14:00)") from None
    found = found.astimezone(now.tzinfo) if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
    if found <= now:  # said in the words that were typed: a day ends at the midnight after it
        raise UsageProblem(f"--until {text} has passed; it is {now:%Y-%m-%d %H:%M}")
    return found
