"""Printing for people: rich tables on a terminal, the same text without colour elsewhere; JSON for machines."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.app import App
from commands.failures import gathered
from whmcs_bridge.plan.render import HeldGroup, Section, View, view

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.domain.money import Money
    from whmcs_bridge.plan.model import Plan, Stop

PLAIN_WIDTH = 100
"""Columns where nobody says: a pipe, a file, a mail from cron."""
HARMFUL = "bold red"
KIND_STYLES = {
    "suspend": HARMFUL,
    "suspend_addon": HARMFUL,
    "terminate": HARMFUL,
    "delete_backups": HARMFUL,
    "unsuspend": "bold green",
    "unsuspend_addon": "bold green",
    "vip_add": "bold green",
}


def console() -> Console:
    """Return a console on stdout; COLUMNS and NO_COLOR are honoured."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else PLAIN_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def as_json(data: Any, *, indent: int | None = 2) -> None:
    """Print one JSON document; `indent` None puts it on one line."""
    click.echo(json.dumps(data, indent=indent, ensure_ascii=False, default=str))


def table(*headers: str, right: Sequence[str] = (), keep: Sequence[str] = ()) -> Table:
    """Return an empty table without lines; `right` columns are aligned right, `keep` columns never wrap."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for header in headers:
        whole = header in keep or header in right
        made.add_column(
            header,
            justify="right" if header in right else "left",
            no_wrap=whole,
            overflow="ellipsis" if whole else "fold",
        )
    return made


def heading(text: str, style: str = "bold") -> Text:
    """Return a line that begins a block."""
    return Text(text, style=style)


def plural(count: int, one: str, many: str = "") -> str:
    """Return `1 step`, `2 steps`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def sums(totals: Iterable[Money]) -> str:
    """Return amounts of several currencies in one line."""
    return " + ".join(str(money) for money in totals)


# --- a plan -------------------------------------------------------------------------------------------


def names_from(bridge: Bridge) -> Callable[[ClientId, ServiceId | None], tuple[str, str]]:
    """Return a look-up of names in the mirror, for the lines that are shown."""

    def look_up(client: ClientId, service: ServiceId | None) -> tuple[str, str]:
        book = bridge.mirror.book(client)
        if book is None:
            return "", ""
        found = next((s for s in book.services if s.id == service), None)
        return book.client.name, (found.domain or found.name) if found is not None else ""

    return look_up


def show_plan(out: Console, bridge: Bridge, plan: Plan, *, everything: bool = False) -> None:
    """Print a plan: what, who, why, how much, what is withheld, what the limits say, how to go on."""
    seen = view(plan, names_from(bridge), None) if everything else view(plan, names_from(bridge))
    _header(out, bridge, seen)
    for section in (*seen.sections, *seen.refused):
        _section(out, section)
    _held(out, seen.held)
    _verdict(out, plan)
    _way_on(out, seen, enforcing=bridge.settings.enforcing)


def _header(out: Console, bridge: Bridge, seen: View) -> None:
    plan, info = seen.plan, bridge.mirror.last()
    read_at = f", read {info.at:%Y-%m-%d %H:%M}" if info is not None else ""
    mode = "enforce" if bridge.settings.enforcing else "shadow"
    title = heading(f"Plan for {plan.today:%A} {plan.today}")
    title.append(f"  {plural(plan.services_seen, 'living service')}{read_at}; mode {mode}", style="not bold dim")
    out.print(title)
    if not plan.complete:
        out.print(Text("What was read is not complete: nothing is suspended, ended or deleted.", style=HARMFUL))
    for problem in gathered(plan.problems):
        wrapped(out, f"could not read: {problem}", lead="  ", style=HARMFUL)
    _tally(out, seen)


def _tally(out: Console, seen: View) -> None:
    """One line a kind: how many, how many clients, how much money."""
    if seen.empty:
        out.print("\nNothing to do.")
        return
    rows = table("step", "count", "clients", "money behind it", "", right=("count", "clients"))
    for section in (*seen.sections, *seen.refused):
        note = "refused, see below" if section.refused else ""
        rows.add_row(
            Text(section.title, style=_style(section)),
            f"{section.count:,}",
            f"{section.clients:,}",
            sums(section.totals),
            Text(note, style=HARMFUL),
        )
    out.print()
    out.print(rows)


def _style(section: Section) -> str:
    return "dim" if section.refused else KIND_STYLES.get(section.kind.value, "bold")


def _section(out: Console, section: Section) -> None:
    out.print()
    title = Text(f"{section.title}: {section.count:,}", style=_style(section))
    if section.refused:
        title.append("  refused", style=HARMFUL)
    out.print(title)
    owing = all(row.since is not None and row.invoices for row in section.rows)
    out.print(_owing(section) if owing else _other(section))
    if section.more:
        out.print(Text(f"... and {section.more:,} more (--all)", style="dim"))


def _owing(section: Section) -> Table:
    """Steps because of debt: whose, which invoices, since when, how much."""
    columns = {"client": 11, "service": 13, "invoice": 7}
    if not any(row.service for row in section.rows):
        del columns["service"]
    rows = table(*columns, "due", "days", "owes", right=("days", "owes"), keep=("due",))
    rows.expand = True
    for column, share in zip(rows.columns, columns.values(), strict=False):
        column.no_wrap, column.overflow, column.ratio = True, "ellipsis", share
    for row in section.rows:
        who = [row.client, row.service] if "service" in columns else [row.client]
        rows.add_row(*who, row.invoices, day_or(row.since), f"{row.days}", row.owes)
    return rows


def _other(section: Section) -> Table:
    """Steps for another reason, in its own words."""
    with_service = any(row.service for row in section.rows)
    rows = table("client", "service", "why") if with_service else table("client", "why")
    for row in section.rows:
        rows.add_row(*([row.client, row.service, row.why] if with_service else [row.client, row.why]))
    return rows


def _held(out: Console, groups: Sequence[HeldGroup]) -> None:
    if not groups:
        return
    out.print()
    out.print(heading(f"Withheld: {sum(group.count for group in groups):,}", "bold yellow"))
    rows = table("step", "count", "until", "because", right=("count",), keep=("step", "until"))
    for group in groups:
        why = Text(f"{group.code}: {group.why}")
        subjects = ", ".join(group.subjects) + (", ..." if group.count > len(group.subjects) else "")
        why.append(f" ({subjects})", style="dim")
        rows.add_row(group.kind.value, f"{group.count:,}", _until(group), why)
    out.print(rows)


def _until(group: HeldGroup) -> str:
    first, last = group.first_end, group.last_end
    if first is None or last is None:
        return "open"
    spread = str(first) if first == last else f"{first} to {last}"
    return f"{spread}, {group.open_ended} open" if group.open_ended else spread


def _verdict(out: Console, plan: Plan) -> None:
    out.print()
    if not plan.stops:
        out.print(Text("Limits: passed.", style="green"))
    for stop in plan.stops:
        show_stop(out, stop)


def show_stop(out: Console, stop: Stop) -> None:
    """Print what was refused, why, and the exact command that goes past it."""
    out.print(Text(f"Stopped: {stop.why}; no {_kinds(stop)}.", style=HARMFUL))
    command(out, "  to go past it: ", stop.way_past)


def command(out: Console, lead: str, text: str) -> None:
    """Print a command to copy: on one line, however long, and for the settings that are in use."""
    out.print(Text(lead).append(_with_config(text), style="bold"), soft_wrap=True)


def _with_config(text: str) -> str:
    """Add the `--config` that this command was typed with: without it, another house may be meant."""
    context = click.get_current_context(silent=True)
    app = context.find_object(App) if context is not None else None
    if app is None or app.config is None:
        return text
    own = f" --config {shlex.quote(app.config)}"
    return " && ".join(part + own if part.startswith("whmcs-bridge ") else part for part in text.split(" && "))


def _kinds(stop: Stop) -> str:
    return ", ".join(kind.value for kind in stop.kinds)


def _way_on(out: Console, seen: View, *, enforcing: bool) -> None:
    """The command that carries it out; in shadow mode, what has to be set first."""
    plan = seen.plan
    line = f"whmcs-bridge apply --fingerprint {plan.fingerprint}"
    if seen.empty:
        out.print(Text(f"Fingerprint {plan.fingerprint}", style="dim"))
        return
    if plan.steps:
        command(out, "To carry out exactly this: ", line)
    past = [stop.flag for stop in plan.stops if stop.code.startswith("limit:")]
    if plan.refused and len(past) == len(plan.stops):
        command(out, "With what the limits refuse: ", " ".join([line, *past]))
    if not enforcing:
        out.print(Text('Shadow mode changes nothing: set mode = "enforce" before.', style="dim"))


def wrapped(out: Console, text: str, *, lead: str = "", style: str = "") -> None:
    """Print a paragraph behind `lead`; further lines are indented as far."""
    lines = textwrap.wrap(text, max(out.width - 1, 40), initial_indent=lead, subsequent_indent=" " * len(lead))
    for line in lines:
        out.print(Text(line, style=style))


def day_or(day: date | None, otherwise: str = "") -> str:
    """Return the day in ISO form; `otherwise` where there is none."""
    return otherwise if day is None or day == date.min else day.isoformat()
