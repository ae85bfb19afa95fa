"""whmcs-bridge hand-back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, login_name, pass_app
from commands.options import all_option, json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.hand_back import HandBack, Leftover
    from whmcs_bridge.plan.model import Step

SHOWN = 20
NOT_AGREED = "nothing was changed"


@click.command("hand-back", cls=Command)
@click.option("--dry-run", is_flag=True, help="Show what would be handed back; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody is at a terminal.")
@click.option("--by", metavar="NAME", help="Who hands back; by default your login name.")
@all_option
@json_option
@pass_app
def hand_back(app: App, dry_run: bool, yes: bool, by: str | None, everything: bool, as_json_: bool) -> None:
    """Leave: give every service that the bridge suspended back to WHMCS's own automation.

    WHMCS lifts a suspension on payment only where its reason is blank, and ours is not. So services that are paid
    are released first, as a sync would, and our reason is blanked on the others: they stay down until paid. What
    WHMCS cannot take over is listed. Suspensions by staff and by WHMCS are not touched.

    It works in shadow mode as well, because it is what you ask for and nothing the bridge does by itself; that is
    why it asks first. It leaves a pause, so that a forgotten timer harms nobody. Run it again if it was cut
    short: it goes on where it ended.

    Exits 0 when all is handed back or there was nothing to do, 1 when something failed, could not be read or was
    not agreed to.

    \b
    Example:
        whmcs-bridge hand-back --dry-run
        whmcs-bridge hand-back --yes
    """
    from commands.running import finishing
    from commands.show import as_json

    if not (dry_run or yes) and (as_json_ or not at_a_terminal()):
        raise UsageProblem("hand-back changes WHMCS: add --yes, or --dry-run to look at it first")
    with app.bridge() as bridge, finishing(bridge) as signalled:

        def agree(found: HandBack) -> bool:
            if yes or not (found.releases or found.blanks):
                return True
            _show_plan(bridge, found, everything=everything)
            return click.confirm("Hand these services back to WHMCS?", default=False, err=True)

        found = bridge.hand_back(by=by or login_name(), dry_run=dry_run, agree=agree)
        if as_json_:
            as_json(found.to_json())
        elif dry_run:
            _show_plan(bridge, found, everything=everything)
        else:
            _show_done(bridge, found, everything=everything)
        sys.exit(_code(found, signalled()))


def at_a_terminal() -> bool:
    """Somebody is there to be asked."""
    return sys.stdin.isatty()


def _code(found: HandBack, signalled: int) -> int:
    for problem in found.problems:
        click.echo(f"error: {problem}", err=True)
    if found.broken_off:
        click.echo(f"error: {found.broken_off}", err=True)
    if not found.agreed:
        click.echo(f"error: {NOT_AGREED}", err=True)
    return signalled or found.exit_code


def _show_plan(bridge: Bridge, found: HandBack, *, everything: bool) -> None:
    from commands.show import console

    out = console()
    if not (found.releases or found.blanks):
        out.print("No suspension carries our reason: nothing to hand back.")
    _steps(out, bridge, "Paid, to be released first", found.releases, everything=everything)
    _steps(out, bridge, "Still owing, to be handed back (our reason is blanked)", found.blanks, everything=everything)
    _left(out, found.left, everything=everything)


def _steps(out: Console, bridge: Bridge, title: str, steps: Sequence[Step], *, everything: bool) -> None:
    from rich.text import Text

    from commands.show import heading, names_from, table

    if not steps:
        return
    out.print(heading(f"{title}: {len(steps):,}"))
    names = names_from(bridge)
    rows = table("service", "client", "why")
    for step in steps if everything else steps[:SHOWN]:
        client, service = names(step.client, step.service)
        what = f"{step.service} {service}" + (f" (addon {step.target})" if step.target else "")
        rows.add_row(what, f"{step.client} {client}", step.reason)
    out.print(rows)
    if not everything and len(steps) > SHOWN:
        out.print(Text(f"... and {len(steps) - SHOWN:,} more (--all)", style="dim"))
    out.print()


def _left(out: Console, left: Sequence[Leftover], *, everything: bool) -> None:
    from rich.text import Text

    from commands.show import heading, table

    if not left:
        return
    out.print(heading(f"What WHMCS does not take over: {len(left):,}", "bold yellow"))
    rows = table("what", "what to do")
    for one in left if everything else left[:SHOWN]:
        rows.add_row(one.text, one.todo)
    out.print(rows)
    if not everything and len(left) > SHOWN:
        out.print(Text(f"... and {len(left) - SHOWN:,} more (--all)", style="dim"))
    out.print()


def _show_done(bridge: Bridge, found: HandBack, *, everything: bool) -> None:
    from rich.text import Text

    from commands.show import console, wrapped
    from whmcs_bridge.ports import StepState

    if not found.agreed:
        return
    out = console()
    out.print(Text(f"Run {found.run}, hand-back, {found.today}: {found.summary()}", style="bold"))
    for state, style in ((StepState.FAILED, "red"), (StepState.UNKNOWN, "bold red"), (StepState.SKIPPED, "yellow")):
        for result in found.of(state):
            text = f"{state.value}: {result.step.kind.value} of {result.step.subject}: {result.note}"
            wrapped(out, text, lead="  ", style=style)
    _left(out, found.left, everything=everything)
    if found.exit_code:
        out.print("Run it again: it goes on where it ended.")
    for line in _afterwards():
        wrapped(out, line, lead="- ")


def _afterwards() -> Sequence[str]:
    enforcing = "an enforcing sync takes services with a blank reason for WHMCS's own and looks after them again"
    return (
        f"Stop the timer or cron job of sync: {enforcing}.",
        "A pause keeps every run from harming anybody until then; to start anew: whmcs-bridge pause --off.",
        "Keep journal.db: it is the record of what was done to whom.",
    )
