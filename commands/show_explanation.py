"""An explanation for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from commands.show import HARMFUL, KIND_STYLES, day_or, heading, table
from whmcs_bridge.domain.case import Adoption, Stage
from whmcs_bridge.plan.render import days
from whmcs_bridge.policy.rules import MinDebt, Notice

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from whmcs_bridge.jobs.explain import ClientExplanation, Explanation
    from whmcs_bridge.jobs.vip import VipLine
    from whmcs_bridge.policy.decision import Debt

SHOWN_ALWAYS = ("scope", "release", "suspend_after_days", "terminate_after_days", "delete_backups_after_days")


def show_client(out: Console, found: ClientExplanation, *, everything: bool) -> None:
    """Print a client: position, membership, open invoices, then each service."""
    book = found.book
    out.print(heading(f"Client {book.client.id}  {book.client.name}"))
    rows = _facts()
    rows.add_row("standing", Text(found.standing, style=HARMFUL if found.standing == "overdue" else ""))
    rows.add_row("client since", day_or(book.client.since, "not known"))
    rows.add_row("group", book.group.name if book.group is not None else "none")
    if found.membership is not None:
        rows.add_row("vip", f"{'eligible' if found.membership.eligible else 'not eligible'}: {found.membership.why}")
    if found.vip is not None:
        for label, text in _membership(found.vip):
            rows.add_row(label, text)
    for invoice in book.invoices:
        status = invoice.status.value if invoice.status is not None else "?"
        rows.add_row(f"invoice {invoice.id}", f"{status}, due {day_or(invoice.due)}, {invoice.balance} {book.currency}")
    out.print(rows)
    for service in found.services:
        out.print()
        show_service(out, service, everything=everything, client=False)


def _membership(vip: VipLine) -> Iterator[tuple[str, str]]:
    """What the next run does, with what that brings, and what else would change it."""
    if vip.member:
        yield "", f"member since {day_or(vip.since, 'before the bridge came')}"
    if vip.move:
        when = f"would be made ({vip.move_held})" if vip.move_held else "with the next run"
        yield "", f"{vip.move} {when}: {vip.move_why}"
    changes = [text for text in vip.would_change if not (vip.move and text == "the next run")]
    if changes:
        yield "", f"what changes it: {' or '.join(changes)}"


def show_service(out: Console, found: Explanation, *, everything: bool, client: bool = True) -> None:
    """Print a service: how it stands and why, what comes next, what would change it."""
    service = found.facts.service
    out.print(heading(f"Service {service.id}  {service.name}" + (f"  {service.domain}" if service.domain else "")))
    rows, last = _facts(), ""
    for label, text in _lines(found, client=client):
        rows.add_row("" if label == last else label, text)
        last = label
    out.print(rows)
    _layers(out, found, everything=everything)


def _lines(found: Explanation, *, client: bool) -> Iterator[tuple[str, str | Text]]:
    facts, decision = found.facts, found.decision
    if client:
        yield "client", f"{facts.client.client.id} {facts.client.client.name}, {decision.standing.value}"
    yield "status", _status(found)
    yield "stage", f"{decision.stage.value}{_since(found)}"
    yield "class", decision.class_name or "none: no step is ever taken"
    for debt in decision.debts:
        yield "owes", _debt(debt, found)
    if decision.stage is Stage.SUSPENDED:
        for debt in decision.holding:
            yield "comes back with", _debt(debt, found)
    for notice in facts.case.notices:
        state = {True: "delivered", False: "failed", None: "delivery not yet looked up"}[notice.delivered]
        yield "sent", f"{notice.message} on {notice.on}, {state}" + (" (by WHMCS)" if notice.by_whmcs else "")
    for due in decision.due:
        style = KIND_STYLES.get(due.kind.value, "bold")
        yield "due today", _styled(f"{due.kind.value} {due.message}".strip(), style, due.reason)
    for held in decision.withheld:
        until = f" until {held.until}" if held.until is not None else ""
        yield "withheld", _styled(f"{held.kind.value}{until} ({held.code})", "yellow", held.why)
    for one in found.stands:
        until = f" until {one.until}" if one.until is not None and not one.over else ""
        yield "stands", _styled(f"{one.kind}{until}", "yellow" if one.over else "", one.said)
    yield "next", _next(found)
    for change in found.would_change:
        yield "what changes it", change
    for note in decision.notes:
        yield "for staff", f"{note.text}; {note.todo}"
    yield "read", f"{facts.as_of:%Y-%m-%d %H:%M}" if facts.as_of is not None else "never"
    if not facts.complete:
        yield "", Text("the last snapshot was not complete: nothing harmful follows from it", style=HARMFUL)


def _styled(lead: str, style: str, rest: str) -> Text:
    return Text(lead, style=style).append(f": {rest}", style="none")


def _facts() -> Table:
    rows = table("", "")
    rows.show_header = False
    rows.columns[0].style = "dim"
    rows.columns[0].no_wrap = True
    return rows


def _status(found: Explanation) -> str:
    service = found.facts.service
    status = service.status.value if service.status is not None else "a word we do not know"
    if status != "Suspended":
        return status
    reason, case = service.suspension_reason.strip(), found.facts.case
    if not reason and case.settled_by:
        whose = "for billing" if case.adoption is Adoption.WHMCS else "not for billing, never touched"
        return f"{status}, blank reason, {whose}: confirmed by {case.settled_by}"
    if not reason and found.ours and case.adoption is not Adoption.OURS:
        return f"{status}, blank reason, for billing: there is a debt behind it"
    shown = f'reason "{reason}"' if reason else "no reason"
    return f"{status}, {shown}: {'ours' if found.ours else 'not ours, never touched'}"


def _since(found: Explanation) -> str:
    case = found.facts.case
    said = (
        ("case opened", case.opened_on),
        ("suspended", case.suspended_on),
        ("adopted", case.adopted_on),
        ("ended", case.ended_on),
        ("backups gone", case.erased_on),
    )
    parts = [f"{what} {day}" for what, day in said if day is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _debt(debt: Debt, found: Explanation) -> str:
    as_of = found.facts.as_of
    late = (as_of.date() - debt.due).days if as_of is not None else 0
    return f"{debt.amount} for invoice {debt.number or debt.invoice}, due {debt.due}" + (
        f" ({days(late)} overdue)" if late > 0 else ""
    )


def _next(found: Explanation) -> str:
    if found.next is None:
        return "nothing, if nothing changes"
    due, day = found.next
    return f"{due.kind.value} {due.message}".strip() + f" on {day}"


def _layers(out: Console, found: Explanation, *, everything: bool) -> None:
    """Print the settings in force and which layer each comes from."""
    layers = found.decision.layers
    chosen: Iterable[str] = [k for k in layers if everything or k in SHOWN_ALWAYS or layers[k] != "defaults"]
    out.print()
    rows = table("setting", "in force", "from", keep=("setting", "from"))
    for key in chosen:
        rows.add_row(key, _value(getattr(found.rules, key)), layers[key])
    out.print(rows)


def _value(value: object) -> str:
    if value is None:
        return "never"
    if isinstance(value, tuple):
        return ", ".join(_value(item) for item in value) or "none"
    if isinstance(value, Notice):
        return f"{value.message} on day {value.day}"
    if isinstance(value, MinDebt):
        named = value.by_currency
        return ", ".join(f"{code} {amount}" for code, amount in named.items()) if named else str(value.default)
    return str(value)
