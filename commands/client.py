"""whmcs-bridge client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, pass_app
from commands.options import all_option, json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from whmcs_bridge.domain.records import Record
    from whmcs_bridge.jobs.client_sheet import ClientSheet
    from whmcs_bridge.jobs.explain import Explanation

SERVICES_SHOWN = 15
OVER_SHOWN = 5
MANY = 1_000


class ClientGroup(Options, click.Group):
    """Its commands are about single clients."""


def _number(text: str) -> int:
    kind, colon, digits = text.rpartition(":")
    if kind != ("client" if colon else "") or not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise UsageProblem(f"{text[:40]!r} is no client: write its number, as 12 or client:12")
    return int(digits)


@click.group(cls=ClientGroup)
def client() -> None:
    """Look at one client.

    \b
    Example:
        whmcs-bridge client show 12
    """


@client.command("show", cls=Command)
@click.argument("number", metavar="CLIENT")
@all_option
@json_option
@pass_app
def show(app: App, number: str, everything: bool, as_json_: bool) -> None:
    """Show all about a client on one screen.

    Its position and what it owes; open invoices; services with their stage and the next step; VIP; promises, releases,
    receipts, disputes and holds, those in force and how earlier ones ended; WHMCS's own override beside them, also one
    that has run out and still stands there; what waits for approval or for staff; what was done and when.

    Reads mirror and journal only, so it works while WHMCS is away. --all shows every service, record and the whole
    history. Why a service stands where it stands: `whmcs-bridge explain service:34`.

    Exits 0, or 2 for a client that the mirror does not have.

    \b
    Example:
        whmcs-bridge client show 12
        whmcs-bridge client show 12 --json
    """
    from commands.show import as_json, console
    from whmcs_bridge.domain.ids import ClientId
    from whmcs_bridge.jobs.client_sheet import HISTORY

    wanted = ClientId(_number(number))
    with app.bridge(offline=True) as bridge:
        if as_json_:
            as_json(bridge.client_sheet(wanted, history=MANY if everything else HISTORY).to_json())
            return
        limits: dict[str, Any] = {"history": MANY} if everything else {"services": SERVICES_SHOWN}
        sheet = bridge.client_sheet(wanted, **limits)
        show_sheet(console(), sheet, _vip(bridge, wanted), everything=everything)


def _vip(bridge: Any, client: Any) -> Any:
    """The client's membership in the words of `vip`; None where there are no rules or no group."""
    from whmcs_bridge.jobs.vip import vip_line

    try:
        return vip_line(bridge.ports, client)
    except UsageProblem:
        return None


# --- the screen -----------------------------------------------------------------------------------


def show_sheet(out: Console, sheet: ClientSheet, vip: Any, *, everything: bool) -> None:
    """Print the sheet, section by section; empty ones are left out."""
    _position(out, sheet, vip)
    _invoices(out, sheet)
    _services(out, sheet)
    _records(out, sheet, everything=everything)
    _to_do(out, sheet)
    _done(out, sheet, everything=everything)


def _position(out: Console, sheet: ClientSheet, vip: Any) -> None:
    from commands.show import HARMFUL, day_or, heading
    from whmcs_bridge.policy.vip import tenure_months

    book, standing = sheet.book, sheet.explained.standing
    title = heading(f"Client {book.client.id}  {book.client.name}")
    title.append(f"  {standing}", style=HARMFUL if standing == "overdue" else "green")
    out.print(title)
    rows = _pairs()
    months = tenure_months(book.client.since, sheet.today)
    rows.add_row("client since", f"{day_or(book.client.since, 'not known')} ({months} months)")
    rows.add_row("group", book.group.name if book.group is not None else "none")
    for label, line in zip(("vip", ""), _vip_lines(vip), strict=False):
        rows.add_row(label, line)
    rows.add_row("owes", _owes(sheet))
    rows.add_row("read", f"{book.as_of:%Y-%m-%d %H:%M}" if book.as_of is not None else "never")
    out.print(rows)


def _vip_lines(vip: Any) -> Iterator[str]:
    if vip is None:
        return
    since = f" since {vip.since}" if vip.since is not None and vip.since.year > 1 else ""
    yield f"{vip.place.value}{since}: {vip.why}"
    if vip.would_change:
        yield f"what changes it: {'; '.join(vip.would_change)}"


def _owes(sheet: ClientSheet) -> str:
    overdue, coming = sheet.owed()
    currency = sheet.book.currency
    said = [f"{overdue:,.2f} {currency} overdue"] if overdue else []
    said += [f"{coming:,.2f} {currency} not yet due"] if coming else []
    credit = sheet.book.credit
    if credit:
        said.append(f"has {credit:,.2f} {currency} of account credit")
    return ", ".join(said) or "nothing"


def _pairs() -> Table:
    from commands.show import table

    rows = table("", "")
    rows.show_header = False
    rows.columns[0].style = "dim"
    rows.columns[0].no_wrap = True
    return rows


def _invoices(out: Console, sheet: ClientSheet) -> None:
    from commands.show import HARMFUL, heading, plural, table

    if not sheet.invoices:
        return
    from rich.text import Text

    out.print()
    out.print(heading("Open invoices"))
    rows = table("invoice", "status", "due", "overdue", "balance", "for", right=("balance",), keep=("due", "overdue"))
    for one in sheet.invoices:
        invoice = one.invoice
        late = Text(plural(one.days, "day"), style=HARMFUL) if one.days > 0 else Text("")
        billed = f"service {', '.join(str(s) for s in one.services)}" if one.services else "no service"
        if one.owner != sheet.book.client.id:
            billed += f" (invoice of client {one.owner})"
        rows.add_row(
            f"{invoice.number or invoice.id}",
            invoice.status.value if invoice.status is not None else "?",
            f"{invoice.due}" if invoice.due is not None else "none",
            late,
            f"{invoice.balance:,.2f} {sheet.book.currency}",
            billed,
        )
    out.print(rows)


def _services(out: Console, sheet: ClientSheet) -> None:
    from commands.show import command, heading, table

    if not sheet.explained.services:
        return
    from rich.text import Text

    out.print()
    out.print(heading("Services"))
    rows = table("service", "status", "stage", "next step", keep=("stage",))
    for found in sheet.explained.services:
        service = found.facts.service
        rows.add_row(
            f"{service.id} {service.domain or service.name}",
            _status(found),
            found.decision.stage.value,
            _next(found, sheet.today),
        )
    out.print(rows)
    if sheet.services_left_out:
        out.print(Text(f"... and {sheet.services_left_out:,} more, none of them in debt (--all)", style="dim"))
    first = sheet.explained.services[0].facts.service.id
    command(out, "Why: ", f"whmcs-bridge explain service:{first}")


def _status(found: Explanation) -> str:
    service = found.facts.service
    status = service.status.value if service.status is not None else "unknown"
    if status != "Suspended":
        return status
    if found.ours:
        since = found.facts.case.suspended_on or found.facts.case.adopted_on
        return f"Suspended by us{f' since {since}' if since else ''}"
    return f"Suspended by others ({service.suspension_reason.strip() or 'no reason'})"


def _next(found: Explanation, today: date) -> Text:
    """What is due, what is withheld and by what, what comes next."""
    from rich.text import Text

    from commands.show import KIND_STYLES

    said = Text()
    for due in found.decision.due:
        said.append(f"{due.kind.value} {due.message}".strip() + " today", style=KIND_STYLES.get(due.kind.value, ""))
        said.append("; ")
    for held in found.decision.withheld:
        until = f" until {held.until}" if held.until is not None else ""
        said.append(f"{held.kind.value} withheld{until} ({held.code})", style="yellow")
        said.append("; ")
    if found.next is not None and not (found.decision.due and found.next[1] == today):
        due, day = found.next
        said.append(f"{due.kind.value} {due.message}".strip() + f" on {day}; ")
    said.rstrip()
    said.right_crop(1) if said.plain.endswith(";") else None
    return said if said.plain else Text("nothing", style="dim")


def _records(out: Console, sheet: ClientSheet, *, everything: bool) -> None:
    """Ours in force, WHMCS's own override beside them, and how earlier ones ended."""
    from commands.show import heading, table

    standing, over = sheet.in_force(), sheet.over()
    if standing or sheet.overrides:
        out.print()
        out.print(heading("In force"))
        rows = table("what", "about", "until", "by", "why", keep=("what", "until"))
        for record in standing:
            begins = f"from {record.since}: " if record.since > sheet.today else ""
            until = f"{record.until}" if record.until is not None else "open"
            rows.add_row(_what(record), _about(record), until, record.author, begins + _why(record))
        for override in sheet.overrides:
            note = "it protects from nothing any more: take it out in WHMCS" if override.over else ""
            rows.add_row("override", f"service {override.service}", override.said, "WHMCS", note)
        out.print(rows)
    past = list(_past(sheet))
    if past or over:
        out.print()
        out.print(heading("Before"))
    for line in past:
        out.print(f"  {line}")
    shown = over if everything else over[:OVER_SHOWN]
    if shown:
        rows = table("what", "about", "ended", "how", "why", keep=("what", "ended"))
        for record in shown:
            ended = record.closed_on or record.until
            how = record.state.value if record.closed_on is not None else "ran out"
            rows.add_row(_what(record), _about(record), f"{ended or ''}", how, _why(record))
        out.print(rows)
    if len(over) > len(shown):
        from rich.text import Text

        out.print(Text(f"... and {len(over) - len(shown)} more (--all)", style="dim"))


def _past(sheet: ClientSheet) -> Iterator[str]:
    for kind, states in sheet.past().items():
        total = sum(states.values())
        said = ", ".join(f"{count} {state.value}" for state, count in states.items())
        yield f"{total} {kind.value}{'s' if total != 1 else ''}: {said}"


def _what(record: Record) -> str:
    sort = f" ({record.sort})" if record.sort else ""
    return f"{record.kind.value} {record.id}{sort}"


def _about(record: Record) -> str:
    if record.line_id is not None:
        return f"invoice {record.invoice_id}, line {record.line_id}"
    if record.invoice_id is not None:
        return f"invoice {record.invoice_id}"
    if record.service_id is not None:
        return f"service {record.service_id}"
    if record.client_id is not None:
        return "all services"
    return f"all who pay by {record.gateway}" if record.gateway else "everyone"


def _why(record: Record) -> str:
    amount = f"{record.amount:,.2f}: " if record.amount is not None else ""
    against = f" (past the rules: {record.against})" if record.against else ""
    closed = f"; {record.closed_why}" if record.closed_why else ""
    return f"{amount}{record.reason}{against}{closed}"


def _to_do(out: Console, sheet: ClientSheet) -> None:
    from commands.show import command, heading, wrapped

    if not sheet.waiting and not sheet.tasks:
        return
    out.print()
    out.print(heading("To do"))
    waits = {(one.service, "approval") for one in sheet.waiting}
    for one in sheet.waiting:
        wrapped(out, f"{one.kind} of service {one.service}, proposed by {one.proposer}: {one.reason}", lead="  ")
        command(out, "  ", f"whmcs-bridge approve {one.service}")
    for task in sheet.tasks:
        if (task.service, task.code) not in waits:
            wrapped(out, f"{task.text}; {task.todo}", lead=f"  task {task.number}  ")


def _done(out: Console, sheet: ClientSheet, *, everything: bool) -> None:
    from commands.show import KIND_STYLES, command, heading, table

    lines = [line for line in sheet.history if line["type"] not in ("task", "task_comment")]
    if not lines:
        return
    from rich.text import Text

    out.print()
    out.print(heading("What was done"))
    rows = table("when", "what", "service", "by", "why", keep=("when", "what", "service"))
    for line in lines:
        day, what, about, who, why = _told(line)
        rows.add_row(day, Text(what, style=KIND_STYLES.get(what, "")), about, who, why)
    out.print(rows)
    if not everything:
        command(out, "All of it: ", f"whmcs-bridge journal --client {sheet.book.client.id}")


def _told(line: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return day, what, about which service, by whom and why; an outcome only where it is not done."""
    from commands.journal import SAID

    when, what, who, outcome, why = SAID[line["type"]](line)
    step = line.get("step", line)
    service = step.get("service")
    if line["type"] == "step":
        why = step["reason"] if outcome == "done" else f"{outcome}: {line['note'] or step['reason']}"
        what = what.removeprefix("notice ")
    return when[:10], what, f"{service}" if service is not None else "", who, why
