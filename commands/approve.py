"""whmcs-bridge approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, login_name, pass_app
from commands.options import json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.explain import Explanation

APPROVAL = "approval"


@click.command(cls=Command)
@click.argument("services", nargs=-1, type=click.IntRange(min=1), metavar="[SERVICE]...")
@click.option(
    "--kind",
    type=click.Choice(["suspend", "terminate", "delete_backups"]),
    help="Only this kind of step: suspend, terminate or delete_backups. By default what waits.",
)
@click.option("--by", metavar="NAME", help="Who approves; by default your login name.")
@json_option
@pass_app
def approve(app: App, services: tuple[int, ...], kind: str | None, by: str | None, as_json_: bool) -> None:
    """Approve a step that waits for a person; without a service, list what waits.

    The next sync carries it out, if it is still due then: a payment in between undoes its cause.

    \b
    Example:
        whmcs-bridge approve
        whmcs-bridge approve 34 35 --by "Ana"
    """
    from commands.show import as_json

    who = by or login_name()
    with app.bridge(offline=True) as bridge:
        if not services:
            waiting = _waiting(bridge)
            as_json([_json(found, step) for found, step in waiting]) if as_json_ else _show(waiting)
            return
        done = [(number, one) for number in services for one in _approve(bridge, number, kind, who)]
        if as_json_:
            as_json([{"service": number, "kind": one, "by": who} for number, one in done])


def _approve(bridge: Bridge, number: int, kind: str | None, who: str) -> list[str]:
    """Approve what waits of one service; return the kinds. Raises UsageProblem where nothing does."""
    from whmcs_bridge.domain.ids import ServiceId

    service = ServiceId(number)
    kinds = [one for one in _kinds_waiting(bridge.explain_service(service)) if kind in (None, one)]
    if not kinds:
        what = kind or "step"
        raise UsageProblem(
            f"no {what} of service {number} waits for approval; see: whmcs-bridge explain service:{number}"
        )
    for one in kinds:
        bridge.approve(service, one, who)
        click.echo(f"approved by {who}: {one} of service {number}; the next sync carries it out", err=True)
    return kinds


def _kinds_waiting(found: Explanation) -> list[str]:
    return [held.kind.value for held in found.decision.withheld if held.code == APPROVAL]


def _waiting(bridge: Bridge) -> list[tuple[Explanation, str]]:
    """Return what waits now: the tasks say where to look, the facts of today decide."""
    services = dict.fromkeys(
        task.service for task in bridge.journal.tasks() if task.code == APPROVAL and task.service is not None
    )
    found = (bridge.explain_service(service) for service in services)
    return [(one, kind) for one in found for kind in _kinds_waiting(one)]


def _json(found: Explanation, kind: str) -> dict[str, Any]:
    return {
        "service": found.facts.service.id,
        "client": found.facts.service.client_id,
        "kind": kind,
        "invoices": [debt.invoice for debt in found.decision.debts],
    }


def _show(waiting: list[tuple[Explanation, str]]) -> None:
    from commands.show import command, console, table

    out = console()
    if not waiting:
        out.print("Nothing waits for approval.")
        return
    rows = table("step", "service", "client", "owes", "due since", keep=("step", "due since"))
    for found, kind in waiting:
        service, debts = found.facts.service, found.decision.debts
        rows.add_row(
            kind,
            f"{service.id} {service.domain or service.name}",
            f"{service.client_id} {found.facts.client.client.name}",
            ", ".join(str(debt.amount) for debt in debts),
            f"{debts[0].due}" if debts else "",
        )
    out.print(rows)
    command(
        out, "To approve all of them: ", "whmcs-bridge approve " + " ".join(str(f.facts.service.id) for f, _ in waiting)
    )
