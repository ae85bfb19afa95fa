"""whmcs-bridge status."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.jobs.status import Database, Status
    from whmcs_bridge.ports import RunInfo

LATE = 1
HOURS = {"m": 1 / 60, "h": 1, "d": 24}
GOOD = {"ok": "green", "shadow": "green", "refused": "yellow", "running": "dim"}
SHOWN = 8


@click.command(cls=Command)
@click.option("--max-age", metavar="AGE", help="Exit 1 unless a sync succeeded within it: 26h, 90m, 2d.")
@json_option
@pass_app
def status(app: App, max_age: str | None, as_json_: bool) -> None:
    """Show on one screen how the house stands: mode, last sync, tasks, approvals, pause, stops, databases.

    Reads the two database files only: it works while WHMCS is away, and without credentials.

    With --max-age it is a check for monitoring. A sync has succeeded when it read WHMCS whole and came to its end
    with nothing failed; one whose steps a limit or a sanity stop refused has succeeded too, for it did run. It
    counts from the moment at which it began to read. In shadow mode the same holds.

    Exits 0; 1 with --max-age when no sync succeeded within that time or the last one failed, with one line on
    stderr; 2 when AGE makes no sense.

    \b
    Example:
        whmcs-bridge status
        whmcs-bridge status --max-age 26h --json
    """
    from commands.show import as_json

    allowed = age_of(max_age) if max_age is not None else None
    found = _look(app)
    if as_json_:
        as_json(found.to_json())
    else:
        _show(found)
    late = found.overdue(allowed) if allowed is not None else ""
    if late:
        click.echo(f"error: {late}; see: whmcs-bridge journal --runs", err=True)
        sys.exit(LATE)


def age_of(text: str) -> timedelta:
    """Return the time of `--max-age`; raises UsageProblem."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([mhd])", text.strip().lower(), re.ASCII)
    hours = float(found[1]) * HOURS[found[2]] if found else 0
    if not hours:
        raise UsageProblem(f"--max-age {text}: expected a time such as 26h, 90m or 2d")
    return timedelta(hours=hours)


def _look(app: App) -> Status:
    from commands.app import played_day
    from whmcs_bridge.jobs import status as job
    from whmcs_bridge.wiring import HouseClock

    settings = app.settings()
    if not settings.journal.exists():
        now = HouseClock(settings.policy.calendar.timezone, played_day()).now()
        return job.nothing_yet(now, settings.mode, settings.source, settings.journal, settings.mirror)
    with app.bridge(offline=True) as bridge:
        return bridge.status()


def _show(found: Status) -> None:
    from rich.text import Text

    from commands.show import console, heading, table, wrapped

    out = console()
    rows = table("", "", keep=("",))
    rows.show_header = False
    rows.columns[1].no_wrap, rows.columns[1].overflow = False, "fold"
    for name, said, style in _lines(found):
        rows.add_row(Text(name, style="dim"), Text(said, style=style))
    out.print(heading(f"{found.now:%A %Y-%m-%d %H:%M}  {found.source}"))
    out.print(rows)
    for stop in found.stops[:SHOWN]:
        wrapped(out, f"Stopped: {stop.why}", style="bold red")
        _way_past(out, stop.way_past)
    if len(found.stops) > SHOWN:
        out.print(f"... and {len(found.stops) - SHOWN} more: whmcs-bridge tasks")


def _way_past(out: Console, todo: str) -> None:
    from commands.show import command

    if todo:
        command(out, "  to go past it: ", todo)


def _lines(found: Status) -> list[tuple[str, str, str]]:
    """Name, what is said, style."""
    from commands.show import plural

    lines = [("mode", _mode(found), "bold" if found.mode == "enforce" else "")]
    if found.paused:
        lines.append(("paused", found.paused, "bold yellow"))
    if found.handed_back is not None:
        when = f"{found.handed_back.started_at:%Y-%m-%d %H:%M}"
        lines.append(("handed back", f"on {when}: {found.handed_back.summary}", "bold yellow"))
    lines += _syncs(found)
    lines.append(("mirror", _mirror(found), "" if found.mirror is not None and found.mirror.complete else "yellow"))
    lines.append(("tasks", _tasks(found), "yellow" if found.tasks else "green"))
    if found.approvals:
        lines.append(("approvals", f"{found.approvals} waiting: whmcs-bridge approve", "yellow"))
    if found.unknown_steps:
        text = f"{plural(found.unknown_steps, 'step')} whose outcome is not known; the next sync finds out"
        lines.append(("unknown", text, "yellow"))
    lines.append(("held down", f"{plural(found.held_down, 'service')} by us", ""))
    if found.vip_members or found.vip_waiting:
        text = f"{plural(found.vip_members, 'member')}, {found.vip_waiting} out until paid"
        lines.append(("VIP", text, ""))
    lines.append(("databases", ", ".join(_size(one) for one in found.databases), ""))
    return lines


def _mode(found: Status) -> str:
    if found.mode != "enforce":
        return f"{found.mode}: nothing is changed in WHMCS"
    return f"enforce, only for {found.scope}" if found.scope else "enforce"


def _syncs(found: Status) -> list[tuple[str, str, str]]:
    if found.last is None:
        return [("last sync", "none has run yet", "yellow")]
    lines = []
    if found.last.ended_at is None:
        began = f"began {_ago(found, found.last)} and has not ended: it is under way, or it was killed"
        lines.append(("sync", began, GOOD["running"]))
    if found.last_ended is not None:
        run = found.last_ended
        said = f"{_ago(found, run)}: {', '.join(part for part in (run.outcome, run.summary) if part)}"
        lines.append(("last sync", said, GOOD.get(run.outcome, "bold red")))
        if found.last_good is None:
            lines.append(("last good", "none of the last ones succeeded", "bold red"))
        elif found.last_good.number != run.number:
            lines.append(("last good", _ago(found, found.last_good), ""))
    expected = found.next_expected
    if expected is not None and found.usual_gap is not None:
        from whmcs_bridge.jobs.status import readable

        late = found.now > expected + found.usual_gap
        text = f"about {expected:%Y-%m-%d %H:%M} (usually every {readable(found.usual_gap)})"
        lines.append(("next sync", f"was due {text}" if late else text, "bold red" if late else ""))
    return lines


def _ago(found: Status, run: RunInfo) -> str:
    from whmcs_bridge.jobs.status import readable

    return f"{run.started_at:%Y-%m-%d %H:%M}, {readable(found.age(run))} ago"


def _mirror(found: Status) -> str:
    from whmcs_bridge.jobs.status import readable

    info = found.mirror
    if info is None:
        return "nothing read yet"
    size = f"{info.living_services:,} living services, {info.overdue_invoices:,} overdue invoices"
    whole = "" if info.complete else "; NOT complete"
    return f"read {readable(found.now - info.at)} ago: {size}{whole}"


def _tasks(found: Status) -> str:
    if not found.tasks:
        return "none open"
    oldest = min(task.opened_on for task in found.tasks)
    return f"{len(found.tasks)} open, the oldest since {oldest}: whmcs-bridge tasks"


def _size(one: Database) -> str:
    if one.size_bytes is None:
        return f"{one.path.name} not there yet"
    return f"{one.path.name} {one.size_bytes / 1e6:.1f} MB"
