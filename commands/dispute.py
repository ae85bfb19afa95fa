"""whmcs-bridge dispute."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, Options, pass_app
from commands.options import ID, json_option
from commands.people import (
    AMOUNT,
    DAY,
    INVOICE,
    by_option,
    list_options,
    number_argument,
    override_option,
    reason_option,
    why_option,
)

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.ids import LineId


class DisputeGroup(Options, click.Group):
    """Its commands open, resolve and list disputes."""


@click.group(cls=DisputeGroup)
def dispute() -> None:
    """A client denies an invoice, a line or a part of it: that much is no debt until it is resolved.

    What is left of the invoice still counts.

    \b
    Example:
        whmcs-bridge dispute open 77 --line 2 --until 2026-04-15 --reason "says the addon was cancelled"
        whmcs-bridge dispute resolve 5 --outcome client
    """


@dispute.command("open", cls=Command)
@click.argument("invoice", type=INVOICE, metavar="INVOICE")
@click.option("--line", type=ID, metavar="N", help="Only this line: 1 is the invoice's first.")
@click.option("--amount", type=AMOUNT, metavar="AMOUNT", help="Only so much of it; by default all.")
@click.option("--until", type=DAY, required=True, metavar="DATE", help="The day by which it has to be resolved.")
@reason_option
@by_option
@override_option
@json_option
@pass_app
def open_(
    app: App,
    invoice: int,
    line: int | None,
    amount: Decimal | None,
    until: date,
    reason: str,
    by: str | None,
    override: bool,
    as_json_: bool,
) -> None:
    """Open a dispute; a service that was down only for what is disputed comes back now.

    Through its last day what is disputed counts as no debt; after it, it is overdue again. What was decided for the
    house is not disputed twice, unless with --override.

    Exits 0, 1 when the module or WHMCS failed (the next sync tries again), 2 for what cannot be disputed.

    \b
    Example:
        whmcs-bridge dispute open 77 --until 2026-04-15 --reason "never ordered it, ticket 4711"
        whmcs-bridge dispute open 77 --line 2 --until 2026-04-15 --reason "says the addon was cancelled"
    """
    from commands.people import keep, new_record, tell, until_of
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge() as bridge:
        until_of(until, bridge.today())
        wanted = new_record(
            bridge,
            RecordKind.DISPUTE,
            by,
            reason,
            until=until,
            invoice_id=invoice,
            line_id=_line(bridge, invoice, line) if line is not None else None,
            amount=amount,
        )
        code = tell(keep(bridge, wanted, override=override), as_json_=as_json_)
    raise SystemExit(code)


def _line(bridge: Bridge, invoice: int, place: int) -> LineId:
    """Return the line at this place of the invoice as WHMCS has it now; raises UsageProblem, WhmcsError."""
    from whmcs_bridge.domain.ids import InvoiceId
    from whmcs_bridge.errors import BridgeError, UsageProblem

    _, found = next(bridge.panel.invoices([InvoiceId(invoice)]))
    if isinstance(found, BridgeError):
        raise found
    if place > len(found.lines):
        lines = ", ".join(f"{n} {line.description}" for n, line in enumerate(found.lines, 1))
        raise UsageProblem(f"invoice {invoice} has no line {place}; its lines are: {lines or 'none'}")
    return found.lines[place - 1].id


@dispute.command("resolve", cls=Command)
@number_argument
@click.option(
    "--outcome",
    type=click.Choice(["client", "host"]),
    required=True,
    help="client: it is no debt any more; host: it counts again.",
)
@why_option
@by_option
@json_option
@pass_app
def resolve(app: App, number: int, outcome: str, reason: str | None, by: str | None, as_json_: bool) -> None:
    """Resolve a dispute for the client or for the house. What WHMCS has to be told (a credit, a cancellation) is yours.

    \b
    Example:
        whmcs-bridge dispute resolve 5 --outcome client --reason "billed twice"
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    state = RecordState.UPHELD if outcome == "client" else RecordState.RESOLVED
    with app.bridge() as bridge:
        code = tell(end(bridge, number, RecordKind.DISPUTE, state, by, reason), as_json_=as_json_)
    raise SystemExit(code)


@dispute.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the open disputes; --all also those resolved.

    \b
    Example:
        whmcs-bridge dispute list
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.DISPUTE, client, service, everything=everything, as_json_=as_json_)
