"""whmcs-bridge release."""

from __future__ import annotations

import click

from commands.app import App, Command, Options, pass_app
from commands.options import json_option
from commands.people import (
    SERVICE,
    by_option,
    list_options,
    number_argument,
    override_option,
    reason_option,
    why_option,
)


class ReleaseGroup(Options, click.Group):
    """`release 34` is short for `release grant 34`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or (self.commands["grant"] if _is_service(cmd_name) else None)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if _is_service(args[0]):
            return "grant", self.commands["grant"], args
        return super().resolve_command(ctx, args)


def _is_service(text: str) -> bool:
    return text[:1].isdecimal() or ":" in text


@click.group(cls=ReleaseGroup)
def release() -> None:
    """Put a service that is suspended for debt back on for a few days, on trust ([trust_release]).

    It goes down again by itself on the run after its last day if the debt is still there; until its end the clock of
    the termination goes on. `release 34` is short for `release grant 34`.

    \b
    Example:
        whmcs-bridge release 34 --reason "boleto paid on Friday, booked on Monday"
        whmcs-bridge release list
    """


@release.command("grant", cls=Command)
@click.argument("service", type=SERVICE, metavar="SERVICE")
@click.option("--days", type=click.IntRange(1, 365), metavar="N", help="For so many days; by default the tier's own.")
@reason_option
@override_option
@by_option
@json_option
@pass_app
def grant(
    app: App, service: int, days: int | None, reason: str, override: bool, by: str | None, as_json_: bool
) -> None:
    """Release a service on trust: judged by tenure and history, it comes back now; else why not, and from when.

    In shadow mode it is kept, and what would follow is said.

    Exits 0, 1 when the module or WHMCS failed (the next sync tries again), or 2 with the rule that refuses it.

    \b
    Example:
        whmcs-bridge release 34 --reason "boleto paid on Friday, booked on Monday"
        whmcs-bridge release grant 34 --days 2 --override --reason "the owner, by phone"
    """
    from datetime import timedelta

    from commands.people import keep, new_record, tell
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge() as bridge:
        until = bridge.today() + timedelta(days=days) if days is not None else None
        wanted = new_record(bridge, RecordKind.RELEASE, by, reason, until=until, service_id=service)
        code = tell(keep(bridge, wanted, override=override), as_json_=as_json_)
    raise SystemExit(code)


@release.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App, client: int | None, service: int | None, everything: bool, as_json_: bool) -> None:
    """List the releases that run; --all also those that are over.

    \b
    Example:
        whmcs-bridge release list --all
    """
    from commands.people import show_list
    from whmcs_bridge.domain.records import RecordKind

    with app.bridge(offline=True) as bridge:
        show_list(bridge, RecordKind.RELEASE, client, service, everything=everything, as_json_=as_json_)


@release.command("end", cls=Command)
@number_argument
@why_option
@by_option
@json_option
@pass_app
def end(app: App, number: int, reason: str | None, by: str | None, as_json_: bool) -> None:
    """End a release today: the next sync suspends the service if it is still owed for.

    \b
    Example:
        whmcs-bridge release end 8 --reason "given for the wrong service"
    """
    from commands.people import end as ended
    from commands.people import tell
    from whmcs_bridge.domain.records import RecordKind, RecordState

    with app.bridge(offline=True) as bridge:
        code = tell(ended(bridge, number, RecordKind.RELEASE, RecordState.CANCELLED, by, reason), as_json_=as_json_)
    raise SystemExit(code)
