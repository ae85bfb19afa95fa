"""whmcs-bridge arrangement."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import (
    AMOUNT,
    CLIENT,
    amount_of,
    by_option,
    day_of,
    list_options,
    number_argument,
    override_option,
    reason_option,
    why_option,
)


class ArrangementGroup(Options, click.Group):
    """Its commands make, list and cancel arrangements."""


def part_of(text: str) -> tuple[Decimal, date]:
    """50.00@2026-03-20: so much, by that day."""
    amount, at, day = text.partition("@")
    if not at:
        raise click.BadParameter(f"{text[:40]!r} is no part: write it as 50.00@2026-03-20")
    return amount_of(amount), day_of(day)


@click.group(cls=ArrangementGroup)
def arrangement() -> None:
    """A client pays in parts: the services return with the first part, each later one is a promise ([arrangements]).

    A part that is missed, or a new invoice that goes overdue, ends it.

    \b
    Example:
        whmcs-bridge arrangement add 12 --part 60@2026-03-20 --part 60@2026-04-20 --reason "ticket 4711"
        whmcs-bridge arrangement list
    """


@arrangement.command("add", cls=Command)
@click.argument("client", type=CLIENT, metavar="CLIENT")
@click.option(
    "--part",
    "parts",
    type=part_of,
    multiple=True,
    required=True,
    metavar="AMOUNT@DATE",
    help="So much by that day; once for each part.",
)
@click.option("--discount", type=AMOUNT, metavar="AMOUNT", help="What the house lets go; you book it in WHMCS.")
@reason_option
@override_option
@by_option
@json_option
@pass_app
def add(
    app: App,
    client: int,
    parts: tuple[tuple[Decimal, date], ...],
    discount: Decimal | None,
    reason: str,
    override: bool,
    by: str | None,
    as_json_: bool,
) -> None:
    """Record that a client pays what is owed in parts; refused where the rules do not admit it.

    Nothing comes back before the first part is booked in WHMCS.

    Exits 0, 1 when the module or WHMCS failed (the next sync tries again), 2 with the rule that refuses it.

    \b
    Example:
        whmcs-bridge arrangement add 12 --part 60@2026-03-20 --part 60@2026-04-20 --reason "ticket 4711"
        whmcs-bridge arrangement add 12 --part 50@2026-03-20 --part 50@2026-04-20 --discount 20 --reason "the owner"
    """
    from commands.people import keep, new_record, tell
    from whmcs_bridge.domain.records import Instalment, RecordKind

    with app.bridge() as bridge:
        wanted = new_record(
            bridge,
            RecordKind.ARRANGEMENT,
            by,
            reason,
            client_id=client,
            parts=tuple(Instalment(amount, day) for amount, day in parts),
            discount=discount,
        )
        code = tell(keep(bridge, wanted, override=override), as_json_=as_json_)
    raise SystemExit(code)


@arrangement.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the arrangements that run; --all also those kept, broken and cancelled.

    \b
    Example:
        whmcs-bridge arrangement list --client 12 --all
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.ARRANGEMENT, client, service, everything=everything, as_json_=as_json_)


@arrangement.command("cancel", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def cancel(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """End an arrangement: what is owed is due again as it was.

    \b
    Example:
        whmcs-bridge arrangement cancel 3 --reason "paid everything at once"
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge(offline=True) as bridge:
        code = tell(end(bridge, number, RecordKind.ARRANGEMENT, RecordState.CANCELLED, by, reason), as_json_=as_json_)
    raise SystemExit(code)
