"""whmcs-bridge approve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.app import App, Command, login_name, pass_app
from commands.options import ID, json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.approvals import Waiting


@click.command(cls=Command)
@click.argument("services", nargs=-1, type=ID, metavar="[SERVICE]...")
@click.option(
    "--kind",
    type=click.Choice(["suspend", "terminate", "delete_backups"]),
    help="Only this kind of step: suspend, terminate or delete_backups. By default what waits.",
)
@click.option("--run", type=ID, metavar="N", help="Everything that run N found waiting.")
@click.option("--by", metavar="NAME", help="Who approves; by default your login name.")
@json_option
@pass_app
def approve(
    app: App, services: tuple[int, ...], kind: str | None, run: int | None, by: str | None, as_json_: bool
) -> None:
    """Approve steps that wait for a person; without a service or --run, list what waits.

    The list says what each approval would let happen: to which service of whom, for how much, owed since when, and
    who proposed it: the rules, or a person by hand. What a run found is carried out by the next sync, if it is still
    due then; what a person proposed is carried out by that person's command. Who approved is kept in the journal.

    All that is named is approved, or nothing: a service of which nothing waits is refused. With
    `own_proposals = "forbidden"` under [approval], nobody approves what they proposed themselves.

    Exits 0, or 2 where something cannot be approved.

    \b
    Example:
        whmcs-bridge approve
        whmcs-bridge approve 34 35 --by "Ana"
        whmcs-bridge approve --run 812
    """
    from commands.show import as_json

    who = by or login_name()
    with app.bridge(offline=True) as bridge:
        if not services and run is None:
            waiting = [one for one in bridge.waiting() if kind in (None, one.kind)]
            as_json([one.to_json() for one in waiting]) if as_json_ else _show(waiting)
            return
        chosen = _chosen(bridge, services, kind, run)
        bridge.approve_waiting(chosen, who)
        for one in chosen:
            click.echo(f"approved by {who}: {one.kind} of service {one.service}; {_way_on(bridge, one)}", err=True)
        if as_json_:
            as_json([{**one.to_json(), "by": who} for one in chosen])


def _chosen(bridge: Bridge, services: tuple[int, ...], kind: str | None, run: int | None) -> list[Waiting]:
    """Return what is to be approved; raises UsageProblem where nothing waits of a service that was named."""
    from whmcs_bridge.domain.ids import ServiceId

    found: list[Waiting] = []
    if run is not None:
        found = [one for one in bridge.waiting(run=run) if kind in (None, one.kind)]
        if services:
            found = [one for one in found if one.service in services]
        if not found:
            raise UsageProblem(f"nothing that run {run} found waits for approval; see: whmcs-bridge approve")
        return found
    for number in dict.fromkeys(services):
        own = [one for one in bridge.waiting_of(ServiceId(number)) if kind in (None, one.kind)]
        if not own:
            text = f"no {kind or 'step'} of service {number} waits for approval"
            raise UsageProblem(f"{text}; see: whmcs-bridge explain service:{number}; nothing was approved")
        found += own
    return found


def _way_on(bridge: Bridge, one: Waiting) -> str:
    from whmcs_bridge.policy.decision import Kind

    if not one.by_hand:
        return "the next sync carries it out"
    fingerprint = bridge.plan_that_has(Kind(one.kind), one.service)
    if fingerprint:
        return f"carry it out with: whmcs-bridge apply --fingerprint {fingerprint}"
    return f"carry it out with the same command again: whmcs-bridge service {one.kind} ..."


def _proposal(one: Waiting) -> str:
    """Who proposed it, when, and for a person why."""
    since = f" on {one.since}" if one.since is not None else ""
    return f"{one.proposer}{since}" + (f": {one.reason}" if one.by_hand else "")


def _show(waiting: Sequence[Waiting]) -> None:
    from commands.show import command, console, table

    out = console()
    if not waiting:
        out.print("Nothing waits for approval.")
        return
    rows = table("step", "service", "client", "owes", "due since", "proposed by", keep=("step", "due since"))
    for one in waiting:
        service, debts = one.explained.facts.service, one.debts
        rows.add_row(
            one.kind,
            f"{service.id} {service.domain or service.name}",
            f"{one.client} {one.explained.facts.client.client.name}",
            ", ".join(str(debt.amount) for debt in debts) or "nothing",
            f"{debts[0].due}" if debts else "",
            _proposal(one),
        )
    out.print(rows)
    numbers = " ".join(str(service) for service in dict.fromkeys(one.service for one in waiting))
    command(out, "To approve all of them: ", f"whmcs-bridge approve {numbers}")
