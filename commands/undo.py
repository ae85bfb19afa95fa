"""whmcs-bridge undo."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, login_name, pass_app
from commands.options import ID, all_option, allow_option, counts_of, json_option
from whmcs_bridge.errors import BridgeError, UsageProblem

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.undo import Stays, Undo

SHOWN = 20
FAILED = 1


@click.command(cls=Command)
@click.argument("run", type=ID, metavar="RUN")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the journal with your name.")
@click.option(
    "--days",
    type=click.IntRange(0, 90),
    default=3,
    show_default=True,
    metavar="N",
    help="What comes back although it owes stays up for so many days; 0: until the next run.",
)
@click.option("--apologise", is_flag=True, help="Send the message `apology` to the clients whose service comes back.")
@click.option("--dry-run", is_flag=True, help="Show what would be taken back and what stays; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody is at a terminal.")
@click.option("--by", metavar="NAME", help="Who takes it back; by default your login name.")
@allow_option
@all_option
@json_option
@pass_app
def undo(
    app: App,
    run: int,
    reason: str,
    days: int,
    apologise: bool,
    dry_run: bool,
    yes: bool,
    by: str | None,
    allow: tuple[str, ...],
    everything: bool,
    as_json_: bool,
) -> None:
    """Take back what a run did, as far as the world allows, and list what stays.

    Services that RUN suspended come back, services that it released and that still owe are suspended again, and clients
    go back to the VIP group, or out of it, as before. Mails, ends, deletions and cancelled invoices stay; for each you
    are told what you can do.

    What has changed since is left alone: who has paid, what staff has suspended or moved, what a later run did. Each
    step is looked at live, limited, journaled and read back as in any run. Mend what was wrong first (settings, dates):
    what comes back although it owes is held up for --days, and then the rules decide again, from their first stage.

    Run it again if it was cut short: it goes on where it ended. `whmcs-bridge journal --runs` lists runs.

    Exits 0 when done, or when nothing is left to take back, 1 when something failed or was not agreed to, 2 for a run
    that is not known or did nothing, 3 when a limit, a pause or a sanity stop refuses something.

    \b
    Example:
        whmcs-bridge undo 812 --reason "wrong holidays" --dry-run
        whmcs-bridge undo 812 --reason "wrong holidays" --apologise --days 5
    """
    from commands.running import finish, finishing, show_report
    from commands.service import NOT_CONFIRMED, at_a_terminal, checked_reason
    from commands.show import as_json

    reason = checked_reason(reason)
    if not (dry_run or yes) and (as_json_ or not at_a_terminal()):
        raise UsageProblem("undo changes WHMCS: add --yes, or --dry-run to look at it first")
    counts = counts_of(allow)
    with app.bridge() as bridge:
        if not dry_run:
            bridge.refuse_in_shadow()
        found = bridge.plan_undo(
            run, by=by or login_name(), reason=reason, days=days, apologise=apologise, allow=counts
        )
        if dry_run or not (found.plan.steps or found.plan.refused):
            if as_json_:
                as_json(found.to_json())
            else:
                _show(bridge, found, everything=everything)
            sys.exit(FAILED if found.plan.problems else 0)
        if not yes:
            _show(bridge, found, everything=everything)
            if not click.confirm("Take this back?", default=False, err=True):
                raise BridgeError(NOT_CONFIRMED)
        with finishing(bridge) as signalled:
            report = bridge.apply(found.plan.fingerprint, allow=counts)
            if as_json_:
                as_json({**report.to_json(), "undoes": run, "stays": found.to_json()["stays"]})
            else:
                from commands.show import console

                show_report(bridge, report, everything=everything)
                if yes:
                    _stays(console(), found.stays, everything=everything)
            finish(report, signalled())


def _show(bridge: Bridge, found: Undo, *, everything: bool) -> None:
    from commands.show import console, heading, show_plan

    out, run = console(), found.run
    out.print(heading(f"Undo run {run.number}, {run.job} of {run.today}: {run.summary}"))
    if found.plan.steps or found.plan.refused or found.plan.problems:
        show_plan(out, bridge, replace(found.plan, withheld=()), everything=everything)
    else:
        out.print("Nothing is left to take back.")
    _stays(out, found.stays, everything=everything)


def _stays(out: Console, stays: tuple[Stays, ...], *, everything: bool) -> None:
    """Print what is not taken back: one line a reason, with the first of those it is about."""
    from rich.text import Text

    from commands.show import heading, table

    if not stays:
        return
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in stays:
        kind = f"{one.step.kind.value} {one.step.message if one.step.kind.value == 'notice' else ''}".strip()
        groups.setdefault((kind, one.why, one.todo), []).append(one.step.subject)
    out.print()
    out.print(heading(f"Stays as it is: {len(stays):,}", "bold yellow"))
    rows = table("step", "about", "why", "what you can do", keep=("step",))
    shown = list(groups.items()) if everything else list(groups.items())[:SHOWN]
    for (kind, why, todo), subjects in shown:
        named = subjects if everything else subjects[:3]
        more = f" and {len(subjects) - len(named)} more" if len(subjects) > len(named) else ""
        rows.add_row(kind, ", ".join(named) + more, why, todo or "nothing")
    out.print(rows)
    if len(groups) > len(shown):
        out.print(Text(f"... and {len(groups) - len(shown):,} more lines (--all)", style="dim"))
