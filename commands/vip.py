"""whmcs-bridge vip."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, pass_app
from commands.options import all_option, json_option
from commands.people import CLIENT, DAY, by_option, reason_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from commands.people import Kept
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.book import ClientGroup
    from whmcs_bridge.jobs.vip import Difference, VipEvent, VipLine

SHOWN = 50
PLACES = ("member", "waiting", "eligible", "out")

client_argument = click.argument("client", type=CLIENT, metavar="CLIENT")


class VipGroup(Options, click.Group):
    """Its commands list, pin, audit and tell the history."""


@click.group(cls=VipGroup)
def vip() -> None:
    """Who is VIP and why; exceptions by hand, with a reason; where WHMCS differs from the rules.

    \b
    Example:
        whmcs-bridge vip list
        whmcs-bridge vip pin 12 --reason "sponsor of the meeting" --until 2026-12-31
        whmcs-bridge vip audit
    """


# --- list -------------------------------------------------------------------------------------------


@vip.command("list", cls=Command)
@click.option("--client", type=CLIENT, metavar="ID", help="This client alone, whatever it is.")
@click.option(
    "--only",
    type=click.Choice(PLACES),
    help="member; waiting: taken out, back when paid; eligible: no member, though the record would do; out: neither.",
)
@all_option
@json_option
@pass_app
def list_(app: App, client: int | None, only: str | None, everything: bool, as_json_: bool) -> None:
    """List members, who waits to come back and who could be one: since when, why, what would change it and when.

    From mirror and journal; WHMCS is not asked. --all shows every line and every client, also those whose record does
    not earn it.

    \b
    Example:
        whmcs-bridge vip list
        whmcs-bridge vip list --only waiting
        whmcs-bridge vip list --client 12 --json
    """
    from commands.show import as_json, console
    from whmcs_bridge.domain.ids import ClientId
    from whmcs_bridge.jobs.vip import group_of, vip_line, vip_lines

    with app.bridge(offline=True) as bridge:
        group = group_of(bridge.ports)
        if client is not None:
            lines = [vip_line(bridge.ports, ClientId(client))]
        else:
            lines = list(vip_lines(bridge.ports, everyone=everything or only == "out"))
        lines = [line for line in lines if only in (None, line.place.value)]
        if as_json_:
            as_json({"group": _group_json(group), "clients": [line.to_json() for line in lines]})
            return
        _show_lines(console(), group, lines, None if everything else SHOWN)


def _group_json(group: ClientGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "discount_percent": str(group.discount_percent),
        "separate_invoices": group.separate_invoices,
        "exempt": group.exempt,
    }


def _show_lines(out: Console, group: ClientGroup, lines: Sequence[VipLine], limit: int | None) -> None:
    from rich.text import Text

    from commands.show import heading, plural, table
    from whmcs_bridge.jobs.vip import Place, counted, describe_group

    out.print(heading(f"Group {group.name}: ").append(describe_group(group), style="not bold dim"))
    if not lines:
        out.print("No client answers to that.")
        return
    rows = table("client", "member", "since", "eligible, why", "what would change it", right=(), keep=("since",))
    rows.columns[0].max_width = 20
    order = list(Place)
    ranked = sorted(lines, key=lambda line: (order.index(line.place), line.client))
    for line in ranked[:limit]:
        rows.add_row(
            f"{line.client} {line.name}",
            Text(_member(line), style={"member": "green", "waiting": "yellow"}.get(line.place.value, "")),
            _since(line),
            f"{'yes' if line.eligible else 'no'}: {line.why}" + _by_hand(line),
            _change(line),
        )
    out.print(rows)
    if limit is not None and len(ranked) > limit:
        out.print(Text(f"... and {len(ranked) - limit:,} more (--all)", style="dim"))
    counts = counted(lines)
    said = [
        plural(counts[Place.MEMBER], "member"),
        f"{counts[Place.WAITING]:,} out until paid",
        f"{counts[Place.ELIGIBLE]:,} eligible and no member",
    ]
    out.print(Text(", ".join(said) + ".", style="dim"))


def _member(line: VipLine) -> str:
    return {"member": "yes", "waiting": "out"}.get(line.place.value, "no")


def _since(line: VipLine) -> str:
    from commands.show import day_or

    return "before us" if line.since == date.min else day_or(line.since)


def _by_hand(line: VipLine) -> str:
    return f"; moved by hand on {line.by_hand}" if line.by_hand is not None and "by hand" not in line.why else ""


def _change(line: VipLine) -> str:
    """The next run's move comes first, with what it brings."""
    would = "would " if line.move_held else ""
    plain = {"vip_add": "join", "vip_remove": "leave"}.get(line.move, "")
    coming = f"{would}{plain}{'' if would else 's'}" if plain else ""
    change = " or ".join(text for text in line.would_change if not (coming and text == "the next run"))
    if not coming:
        return change
    brings = line.move_why.partition("; ")[2] if line.move == "vip_add" else line.move_why
    when = f" ({line.move_held})" if line.move_held else " with the next run"
    lead = f"{coming}{when}" + (f": {brings}" if brings else "")
    return f"{lead}; {change}" if change else lead


# --- pins -------------------------------------------------------------------------------------------


@vip.command("pin", cls=Command)
@client_argument
@click.option("--until", type=DAY, metavar="DATE", help="Its last day; by default until it is taken back.")
@reason_option
@by_option
@json_option
@pass_app
def pin(app: App, client: int, until: date | None, reason: str, by: str | None, as_json_: bool) -> None:
    """Make a client eligible whatever the record says. A member only while paid up, like anybody.

    Joins at once where nothing is overdue. Who became a member by the pin leaves with its end, unless the record earns
    it by then. In shadow mode it is recorded, and nobody is moved.

    \b
    Example:
        whmcs-bridge vip pin 12 --reason "sponsor of the meeting" --until 2026-12-31
    """
    from commands.people import keep, new_record
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge() as bridge:
        wanted = new_record(bridge, RecordKind.PIN, by, reason, until=until, client_id=client)
        code = _tell(bridge, keep(bridge, wanted), as_json_=as_json_)
    raise SystemExit(code)


@vip.command("unpin", cls=Command)
@client_argument
@reason_option
@by_option
@json_option
@pass_app
def unpin(app: App, client: int, reason: str, by: str | None, as_json_: bool) -> None:
    """Take a pin back: who became a member by it leaves at once, unless the record earns it by now.

    \b
    Example:
        whmcs-bridge vip unpin 12 --reason "no sponsor any more"
    """
    from commands.people import end
    from whmcs_bridge.domain.ids import ClientId
    from whmcs_bridge.domain.records import RecordKind, RecordState
    from whmcs_bridge.jobs.vip import pin_to_end

    with app.bridge() as bridge:
        number = pin_to_end(bridge.ports, ClientId(client)).id
        code = _tell(bridge, end(bridge, number, RecordKind.PIN, RecordState.LIFTED, by, reason), as_json_=as_json_)
    raise SystemExit(code)


def _tell(bridge: Bridge, kept: Kept, *, as_json_: bool) -> int:
    """Say what was kept, what came of it, and how the client stands then; return the exit code."""
    from commands.people import tell
    from commands.show import console, wrapped
    from whmcs_bridge.jobs.vip import vip_line

    code, client = tell(kept, as_json_=as_json_), kept.record.client_id
    if not as_json_ and client is not None:
        line = vip_line(bridge.ports, client)
        stands, change = "is a member" if line.member else "is no member", _change(line)
        wrapped(console(), f"client {client} {stands}; what would change it: {change or 'nothing'}", lead="  ")
    return code


# --- history ----------------------------------------------------------------------------------------


@vip.command("history", cls=Command)
@client_argument
@json_option
@pass_app
def history(app: App, client: int, as_json_: bool) -> None:
    """Show when a client joined and left, by whom and why, and its pins; oldest first.

    \b
    Example:
        whmcs-bridge vip history 12
    """
    from commands.show import as_json, console
    from whmcs_bridge.domain.ids import ClientId
    from whmcs_bridge.jobs.vip import vip_history

    with app.bridge(offline=True) as bridge:
        found = vip_history(bridge.ports, ClientId(client))
        if as_json_:
            as_json({"client": client, "events": [event.to_json() for event in found]})
            return
        _show_history(console(), client, found)


def _show_history(out: Console, client: int, found: Sequence[VipEvent]) -> None:
    from commands.show import heading, table

    out.print(heading(f"VIP history of client {client}"))
    if not found:
        out.print("Nothing: never moved, never pinned.")
        return
    rows = table("date", "what", "by", "why", keep=("date",))
    for event in found:
        rows.add_row(f"{event.on}", event.what, event.who, event.why)
    out.print(rows)


# --- audit ------------------------------------------------------------------------------------------


@vip.command("audit", cls=Command)
@click.option("--offline", is_flag=True, help="From the mirror only: WHMCS is not asked.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 4 where WHMCS and the rules differ.")
@all_option
@json_option
@pass_app
def audit(app: App, offline: bool, detailed_exitcode: bool, everything: bool, as_json_: bool) -> None:
    """Hold WHMCS's VIP group against the rules: who should join or leave, who was moved since the last sync, who is
    a member though the record would not earn it, who is held out, exempt clients who owe. Changes nothing.

    Exits 0; 4 where they differ and --detailed-exitcode is given.

    \b
    Example:
        whmcs-bridge vip audit
        whmcs-bridge vip audit --offline --json
    """
    from commands.show import as_json, console
    from whmcs_bridge.jobs.vip import Grade, vip_audit

    with app.bridge(offline=offline) as bridge:
        found = vip_audit(bridge.ports, live=not offline)
        if as_json_:
            as_json([one.to_json() for one in found])
        else:
            _show_audit(console(), found, None if everything else SHOWN)
    drifts = any(one.grade is Grade.DRIFT for one in found)
    raise SystemExit(4 if drifts and detailed_exitcode else 0)


def _show_audit(out: Console, found: Sequence[Difference], limit: int | None) -> None:
    from rich.text import Text

    from commands.show import heading, plural, table
    from whmcs_bridge.jobs.vip import Grade

    if not found:
        out.print("WHMCS and the rules agree.")
        return
    titles = {Grade.DRIFT: "WHMCS and the rules differ", Grade.LOOK: "To look at; respected"}
    for grade, title in titles.items():
        here = [one for one in found if one.grade is grade]
        if not here:
            continue
        out.print(
            heading(f"{title}: {plural(len(here), 'finding')}", "bold yellow" if grade is Grade.DRIFT else "bold")
        )
        rows = table("client", "what", "why", "to do")
        rows.columns[0].max_width = 20
        rows.columns[1].no_wrap = True
        for one in here[:limit]:
            about = f"{one.client} {one.name}" if one.client is not None else "all"
            rows.add_row(about, one.code, one.text, one.todo)
        out.print(rows)
        if limit is not None and len(here) > limit:
            out.print(Text(f"... and {len(here) - limit:,} more (--all)", style="dim"))
