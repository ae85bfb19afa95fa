"""whmcs-bridge promise."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import (
    AMOUNT,
    DAY,
    Subject,
    by_option,
    list_options,
    number_argument,
    override_option,
    reason_option,
    subject_argument,
    why_option,
)


class PromiseGroup(Options, click.Group):
    """Its commands keep, list and cancel promises."""


@click.group(cls=PromiseGroup)
def promise() -> None:
    """A client says when they will pay: harmful steps wait through that day, inside the rules ([promises]).

    Whether it was kept is found out by the next sync, and counts.

    \b
    Example:
        whmcs-bridge promise add service:34 --until 2026-03-20 --reason "phoned, salary on Friday"
        whmcs-bridge promise list
    """


@promise.command("add", cls=Command)
@subject_argument
@click.option("--until", type=DAY, required=True, metavar="DATE", help="The day by which they will have paid.")
@click.option("--amount", type=AMOUNT, metavar="AMOUNT", help="What they will pay; by default everything that is owed.")
@click.option("--how", default="", metavar="TEXT", help="How they said so: phone, ticket 4711, mail.")
@reason_option
@override_option
@by_option
@json_option
@pass_app
def add(
    app: App,
    subject: Subject,
    until: date,
    amount: Decimal | None,
    how: str,
    reason: str,
    override: bool,
    by: str | None,
    as_json_: bool,
) -> None:
    """Record a promise to pay, of a client or for one service; refused where the rules do not admit it.

    Harmful steps wait through the day itself; the run after it does what is due. It lifts nothing that is down.

    Exits 0, or 2 with the rule that it breaks.

    \b
    Example:
        whmcs-bridge promise add client:12 --until 2026-03-20 --reason "phoned, salary on Friday"
        whmcs-bridge promise add service:34 --until 2026-03-20 --amount 59.90 --how phone --reason "half now"
    """
    from commands.people import keep, new_record, tell, until_of
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        until_of(until, bridge.today())
        wanted = new_record(
            bridge,
            RecordKind.PROMISE,
            by,
            reason,
            until=until,
            client_id=subject.client,
            service_id=subject.service,
            amount=amount,
            how=" ".join(how.split()),
        )
        code = tell(keep(bridge, wanted, override=override), as_json_=as_json_)
    raise SystemExit(code)


@promise.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the promises that run; --all also those kept, broken and cancelled.

    \b
    Example:
        whmcs-bridge promise list --client 12 --all
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.PROMISE, client, service, everything=everything, as_json_=as_json_)


@promise.command("cancel", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def cancel(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """Take a promise back, neither kept nor broken: it holds nothing from today on.

    \b
    Example:
        whmcs-bridge promise cancel 7 --reason "typed for the wrong client"
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge(offline=True) as bridge:
        code = tell(end(bridge, number, RecordKind.PROMISE, RecordState.CANCELLED, by, reason), as_json_=as_json_)
    raise SystemExit(code)
