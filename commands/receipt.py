"""whmcs-bridge receipt."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import AMOUNT, DAY, INVOICE, by_option, list_options, number_argument, override_option, why_option


class ReceiptGroup(Options, click.Group):
    """Its commands take, verify and reject receipts."""


@click.group(cls=ReceiptGroup)
def receipt() -> None:
    """Somebody says that an invoice is paid: it lifts nothing, and can hold harmful steps for some bank days.

    Which gateways' receipts hold is [receipts] accept; money that is booked in WHMCS is what counts.

    \b
    Example:
        whmcs-bridge receipt add 77 --via client --reason "mailed a photo, ticket 4711"
        whmcs-bridge receipt reject 6 --forged --reason "the bank has no such transfer"
    """


@receipt.command("add", cls=Command)
@click.argument("invoice", type=INVOICE, metavar="INVOICE")
@click.option(
    "--via",
    type=click.Choice(["client", "bank"]),
    required=True,
    help="client: the client's word or picture; bank: the bank's own notice.",
)
@click.option("--amount", type=AMOUNT, metavar="AMOUNT", help="What it says was paid; by default the whole invoice.")
@click.option(
    "--until", type=DAY, metavar="DATE", help="The day by which the money is here; by default some bank days."
)
@why_option
@override_option
@by_option
@json_option
@pass_app
def add(
    app: App,
    invoice: int,
    via: str,
    amount: Decimal | None,
    until: date | None,
    reason: str | None,
    override: bool,
    by: str | None,
    as_json_: bool,
) -> None:
    """Record a receipt for an invoice. A forged one before it bars this one.

    Exits 0, or 2 with the rule that refuses it.

    \b
    Example:
        whmcs-bridge receipt add 77 --via client --reason "mailed a photo, ticket 4711"
        whmcs-bridge receipt add invoice:77 --via bank --until 2026-03-20
    """
    from commands.people import keep, new_record, tell, until_of
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge() as bridge:
        if until is not None:
            until_of(until, bridge.today())
        wanted = new_record(
            bridge,
            RecordKind.RECEIPT,
            by,
            reason or f"receipt by the {via}",
            until=until,
            invoice_id=invoice,
            amount=amount,
            sort=via,
        )
        code = tell(keep(bridge, wanted, override=override), as_json_=as_json_)
    raise SystemExit(code)


@receipt.command("verify", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def verify(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """The money is here: book it in WHMCS, and say so. What the booking settles comes back.

    \b
    Example:
        whmcs-bridge receipt verify 6
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge() as bridge:
        code = tell(end(bridge, number, RecordKind.RECEIPT, RecordState.VERIFIED, by, reason), as_json_=as_json_)
    raise SystemExit(code)


@receipt.command("reject", cls=Command)
@number_argument
@click.option("--forged", is_flag=True, help="It was false: remembered, and this client's next receipt is refused.")
@why_option
@by_option
@json_option
@pass_app
def reject(app: App, number: int, forged: bool, reason: str | None, by: str | None, as_json_: bool) -> None:
    """It proves nothing (unreadable, another invoice's), or was forged: it holds nothing any more.

    \b
    Example:
        whmcs-bridge receipt reject 6 --reason "of another invoice"
        whmcs-bridge receipt reject 6 --forged --reason "the bank has no such transfer"
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    state = RecordState.FORGED if forged else RecordState.REJECTED
    with app.bridge() as bridge:
        code = tell(end(bridge, number, RecordKind.RECEIPT, state, by, reason), as_json_=as_json_)
    raise SystemExit(code)


@receipt.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the receipts that wait to be checked; --all also those verified, rejected and forged.

    \b
    Example:
        whmcs-bridge receipt list
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.RECEIPT, client, service, everything=everything, as_json_=as_json_)
