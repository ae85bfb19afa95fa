"""whmcs-bridge hold."""

from __future__ import annotations

from datetime import date

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import (
    DAY,
    Subject,
    by_option,
    list_options,
    number_argument,
    reason_option,
    subject_argument,
    why_option,
)


class HoldGroup(Options, click.Group):
    """Its commands set, list and lift holds."""


@click.group(cls=HoldGroup)
def hold() -> None:
    """Nothing harmful to a client or a service, the deletion of backups included: a court, an heir, a doubt.

    \b
    Example:
        whmcs-bridge hold set client:12 --kind legal --reason "court order 55/26"
        whmcs-bridge hold lift 9 --reason "closed by the court"
    """


@hold.command("set", cls=Command)
@subject_argument
@click.option(
    "--kind",
    type=click.Choice(["legal", "other"]),
    required=True,
    help="legal: somebody has to preserve it; other: the house's own reason.",
)
@click.option("--until", type=DAY, metavar="DATE", help="Its last day; by default until it is lifted.")
@reason_option
@by_option
@json_option
@pass_app
def set_(
    app: App, subject: Subject, kind: str, until: date | None, reason: str, by: str | None, as_json_: bool
) -> None:
    """Hold every suspension, termination and deletion from now on. It lifts nothing that is down.

    \b
    Example:
        whmcs-bridge hold set client:12 --kind legal --reason "court order 55/26"
        whmcs-bridge hold set service:34 --kind other --until 2026-04-30 --reason "the owner has died"
    """
    from commands.people import keep, new_record, tell, until_of
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        if until is not None:
            until_of(until, bridge.today())
        wanted = new_record(
            bridge,
            RecordKind.HOLD,
            by,
            reason,
            until=until,
            client_id=subject.client,
            service_id=subject.service,
            sort=kind,
        )
        code = tell(keep(bridge, wanted), as_json_=as_json_)
    raise SystemExit(code)


@hold.command("lift", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def lift(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """End a hold: what is due is done by the next sync, from the case's first stage.

    \b
    Example:
        whmcs-bridge hold lift 9 --reason "closed by the court"
    """
    from commands.people import end, tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge(offline=True) as bridge:
        code = tell(end(bridge, number, RecordKind.HOLD, RecordState.LIFTED, by, reason), as_json_=as_json_)
    raise SystemExit(code)


@hold.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the holds that stand; --all also those lifted.

    \b
    Example:
        whmcs-bridge hold list
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.HOLD, client, service, everything=everything, as_json_=as_json_)
