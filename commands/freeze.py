"""whmcs-bridge freeze."""

from __future__ import annotations

from datetime import date

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import DAY, by_option, number_argument, reason_option, why_option


class FreezeGroup(Options, click.Group):
    """Its commands add, end and list freezes."""


@click.group(cls=FreezeGroup)
def freeze() -> None:
    """Clients could not pay (the bank, the gateway, the client area was down): the clock stands still for those days.

    It may be recorded afterwards, and is shown in every explanation that it touches.

    \b
    Example:
        whmcs-bridge freeze add --from 2026-03-13 --until 2026-03-15 --reason "the bank's system was down"
        whmcs-bridge freeze list
    """


@freeze.command("add", cls=Command)
@click.option(
    "--from", "since", type=DAY, required=True, metavar="DATE", help="The first day on which nobody could pay."
)
@click.option("--until", type=DAY, required=True, metavar="DATE", help="The last one.")
@click.option("--gateway", default="", metavar="NAME", help="Only who pays by this gateway, by its system name.")
@reason_option
@by_option
@json_option
@pass_app
def add(app: App, since: date, until: date, gateway: str, reason: str, by: str | None, as_json_: bool) -> None:
    """Let the clock stand still from one day through another, for everyone or for one gateway's clients.

    Harmful steps move by as many days. It lifts nothing that is down: `release` does.

    \b
    Example:
        whmcs-bridge freeze add --from 2026-03-13 --until 2026-03-15 --reason "the bank's system was down"
        whmcs-bridge freeze add --from 2026-03-13 --until 2026-03-14 --gateway boleto --reason "no boletos"
    """
    from commands.people import keep, new_record, tell
    from whmcs_bridge.domain.records import RecordKind
    from whmcs_bridge.errors import UsageProblem

    if until < since:
        raise UsageProblem(f"--until {until} lies before --from {since}: name the first day and the last one")
    with app.bridge(offline=True) as bridge:
        wanted = new_record(
            bridge, RecordKind.FREEZE, by, reason, since=since, until=until, gateway=gateway.strip().casefold()
        )
        code = tell(keep(bridge, wanted), as_json_=as_json_)
    raise SystemExit(code)


@freeze.command("end", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def end(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """End a freeze today: the clock goes on.

    \b
    Example:
        whmcs-bridge freeze end 4 --reason "the gateway is back"
    """
    from commands.people import end as ended
    from commands.people import tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge(offline=True) as bridge:
        code = tell(ended(bridge, number, RecordKind.FREEZE, RecordState.LIFTED, by, reason), as_json_=as_json_)
    raise SystemExit(code)


@freeze.command("list", cls=Command)
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@json_option
@pass_app
def list_(app: App, everything: bool, as_json_: bool) -> None:
    """List the freezes that stand; --all also those that are over.

    \b
    Example:
        whmcs-bridge freeze list --all
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.FREEZE, None, None, everything=everything, as_json_=as_json_)
