"""whmcs-bridge adopt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, login_name, pass_app
from commands.options import all_option, json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.domain.case import Case
    from whmcs_bridge.domain.ids import ClientId
    from whmcs_bridge.jobs.scope import Scope

FAILED = 1
MOST_DAYS = 365


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[GROUP|CLIENT|SERVICE]...")
@click.option("--offline", is_flag=True, help="From the mirror only: WHMCS is not asked.")
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=30,
    show_default=True,
    metavar="N",
    help="How far to look ahead.",
)
@click.option("--only", is_flag=True, help="Enforce for the client groups (names) and clients (numbers) given.")
@click.option("--everyone", is_flag=True, help="Enforce for everyone again: the end of --only.")
@click.option("--confirm", is_flag=True, help="Settle whose the blank suspensions of the services given are.")
@click.option(
    "--as",
    "whose",
    type=click.Choice(["whmcs", "staff"]),
    help="With --confirm: whmcs (it was for billing, the default) or staff (never touched).",
)
@click.option("--by", metavar="NAME", help="Who says so; by default your login name.")
@all_option
@json_option
@pass_app
def adopt(
    app: App,
    names: tuple[str, ...],
    offline: bool,
    days: int,
    only: bool,
    everyone: bool,
    confirm: bool,
    whose: str | None,
    by: str | None,
    everything: bool,
    as_json_: bool,
) -> None:
    """Look at the book before the rules are switched on: whose each suspension is, what the rules would do today and
    over 30 days if nobody paid, what they would have done with last year's invoices, which settings of WHMCS fight
    them, what is odd. Changes nothing; the findings are kept in the journal.

    --only lets enforced runs act for a few first; --everyone ends that. --confirm settles suspensions whose reason is
    blank although nothing is owed: they are staff's, and stay, until somebody says that they were for billing.

    Exits 0; 1 when something could not be read.

    \b
    Example:
        whmcs-bridge adopt
        whmcs-bridge adopt --offline --days 60 --all
        whmcs-bridge adopt --confirm 12 13
        whmcs-bridge adopt --only "Friends" 34 35
        whmcs-bridge adopt --everyone
    """
    _check(names, only=only, everyone=everyone, confirm=confirm, whose=whose, by=by)
    who = by or login_name()
    if confirm:
        _confirm(app, [_number(name, "a service's number") for name in names], whose or "whmcs", who, as_json_)
    elif only or everyone:
        _scope(app, names, who, everyone, as_json_)
    else:
        _look(app, offline, days, everything, as_json_)


def _check(
    names: Sequence[str], *, only: bool, everyone: bool, confirm: bool, whose: str | None, by: str | None
) -> None:
    """Refuse options that do not go together."""
    if only + everyone + confirm > 1:
        raise UsageProblem("--only, --everyone and --confirm do not go together: one at a time")
    if (only or confirm) and not names:
        wanted = "client groups or clients" if only else "services"
        raise UsageProblem(f"{'--only' if only else '--confirm'} needs {wanted}: whmcs-bridge adopt --help")
    if names and not (only or confirm):
        raise UsageProblem(f"what about {names[0]}? say --only (enforce for it first) or --confirm (settle it)")
    if whose is not None and not confirm:
        raise UsageProblem("--as goes with --confirm")
    if by is not None and not (only or everyone or confirm):
        raise UsageProblem("--by goes with --only, --everyone or --confirm")


def _number(text: str, wanted: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or not int(text):
        raise UsageProblem(f"found {text[:40]!r}, expected {wanted}")
    return int(text)


# --- looking ------------------------------------------------------------------------------------


def _look(app: App, offline: bool, days: int, everything: bool, as_json_: bool) -> None:
    from commands.show import as_json, console

    with app.bridge(offline=offline) as bridge:
        found = bridge.adopt(offline=offline, days=days)
        if as_json_:
            as_json(found.to_json())
        else:
            from commands.show_adoption import show_findings

            show_findings(console(), found, everything=everything)
    if found.problems or not found.complete:
        from commands.failures import gathered

        for problem in gathered(found.problems):
            click.echo(f"could not read: {problem}", err=True)
        sys.exit(FAILED)


# --- a few first --------------------------------------------------------------------------------


def _scope(app: App, names: Sequence[str], who: str, everyone: bool, as_json_: bool) -> None:
    from commands.show import as_json

    with app.bridge(offline=True) as bridge:
        if everyone:
            scope = bridge.enforce_everyone(who)
        else:
            groups, clients = _named(names)
            scope = bridge.enforce_only(groups, clients, who)
        if as_json_:
            as_json({"acts_for": scope.said(), "by": who, "mode": bridge.settings.mode})
        else:
            _say_scope(bridge, scope)


def _named(names: Sequence[str]) -> tuple[list[str], list[ClientId]]:
    """Part the names into groups and clients; `group:12` is a group that is called by a number."""
    from whmcs_bridge.domain.ids import ClientId

    groups: list[str] = []
    clients: list[ClientId] = []
    for name in names:
        kind, colon, rest = name.partition(":")
        if colon and kind == "group":
            groups.append(rest)
        elif (colon and kind == "client") or name.isdecimal():
            clients.append(ClientId(_number(rest if colon else name, "a client's number")))
        else:
            groups.append(name)
    return groups, clients


def _say_scope(bridge: Bridge, scope: Scope) -> None:
    if scope.everyone:
        click.echo("The bridge acts for everyone.")
    else:
        click.echo(f"The bridge acts for {scope.said()} only; all others stay as in shadow mode.")
    if bridge.settings.enforcing:
        click.echo("From the next sync on. To see it first: whmcs-bridge plan")
        if not scope.everyone:
            click.echo("To act for all again: whmcs-bridge adopt --everyone")
    else:
        click.echo(f'Mode is shadow: nothing is enforced until mode = "enforce" is set in {bridge.settings.source}')


# --- doubtful suspensions -----------------------------------------------------------------------


def _confirm(app: App, numbers: Sequence[int], whose: str, who: str, as_json_: bool) -> None:
    """Settle each; those that cannot be are said at the end, and the exit code is theirs."""
    from commands.show import as_json
    from whmcs_bridge.domain.case import Adoption
    from whmcs_bridge.domain.ids import ServiceId

    refused: list[UsageProblem] = []
    done: list[Case] = []
    with app.bridge() as bridge:
        for number in dict.fromkeys(numbers):
            try:
                done.append(bridge.confirm_suspension(ServiceId(number), Adoption(whose), who))
            except UsageProblem as error:
                refused.append(error)
                continue
            if not as_json_:
                click.echo(f"service {number}: {_what_follows(bridge, ServiceId(number), whose)}")
    if as_json_:
        as_json([{"service": case.service_id, "whose": whose, "by": who} for case in done])
    for problem in refused[:-1]:
        click.echo(f"error: {problem}", err=True)
    if refused:
        raise refused[-1]


def _what_follows(bridge: Bridge, service: object, whose: str) -> str:
    """Say what becomes of a suspension that was just settled."""
    if whose == "staff":
        return "staff's. The bridge never touches it, and nobody is asked again."
    found = bridge.explain_service(service)  # type: ignore[arg-type]
    if found.decision.holding:
        debts = ", ".join(d.number for d in found.decision.holding)
        then = f"released once invoice {debts} is paid"
    else:
        then = "released by the next sync, since nothing that counts is owed"
    if not found.decision.class_name:
        then = "but no class takes its product: nothing is done until one does"
    if not bridge.settings.enforcing:
        then += f' (mode is shadow: not before mode = "enforce" is set in {bridge.settings.source})'
    return f"for billing: {then}."
