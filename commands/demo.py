"""whmcs-bridge demo."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.app import App, Command, pass_app
from commands.options import json_option
from whmcs_bridge.errors import UsageProblem

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.demo import Day, Summary

TONES = {"quiet": "dim", "warn": "yellow", "harm": "red", "good": "green", "staff": "cyan"}
MARKS = {"quiet": " ", "warn": "!", "harm": "x", "good": "+", "staff": ">"}
ACTS = {
    1: "First act: a ten-year-old book, in shadow mode",
    2: "The house rules are enforced",
    3: "Second story: WHMCS asks before it acts",
    4: "Third story: what clients say, and what comes of it",
    5: "Fourth story: a service ends, and its backups with it",
}
JOURNEYS = 12
TASKS = 5
FILES = ("journal.db", "mirror.db", "bridge.toml")


@click.command(cls=Command)
@click.option("--clients", type=click.IntRange(1, 20_000), default=300, show_default=True, help="Size of the company.")
@click.option("--seed", type=int, default=8, show_default=True, help="The same seed and last day tell the same story.")
@click.option(
    "--shadow-days",
    type=click.IntRange(0, 365),
    default=14,
    show_default=True,
    help="Length of the first act, in shadow mode; 0 for a tidy book without one.",
)
@click.option("--days", type=click.IntRange(1, 1000), default=60, show_default=True, help="How long it lives after it.")
@click.option(
    "--today", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last simulated day; by default today."
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Leave journal.db, mirror.db and bridge.toml there, to try plan --offline, explain and journal on.",
)
@json_option
@pass_app
def demo(
    app: App,
    clients: int,
    seed: int,
    shadow_days: int,
    days: int,
    today: datetime | None,
    keep: Path | None,
    as_json_: bool,
) -> None:
    """Watch house rules come to a hosting company with a messy ten-year-old book, with nothing installed.

    First act: the book is adopted, and for two weeks the bridge only says what it would do, while a forgotten
    plugin acts as well. Second act, two months: invoices fall due, warnings go out, services are suspended and
    come back when paid, the hopeless are ended with a person's approval. A second story, in a small house, shows
    the hooks: one of two invoices paid, WHMCS's own cron that would suspend a client who paid, staff's click on a
    debtor. A third is about people: a promise kept and one broken, a release that ends by itself, a VIP lost and
    regained. A fourth ends a service, deletes its backups in two stores, and prints the proof. At the end WHMCS's
    own tables are asked whether anybody was wronged.

    WHMCS is simulated in this process; client, mirror, policy, planner and executor are the real ones. --json
    prints one object a day and the summary last, one a line.

    Exits 0; 1 when anybody was wronged.

    \b
    Example:
        whmcs-bridge demo
        whmcs-bridge demo --keep /tmp/demo
        whmcs-bridge --config /tmp/demo/bridge.toml explain client:12
    """
    from commands.show import as_json, console, heading
    from whmcs_bridge.demo import Summary, play

    if keep is not None:
        _refuse_to_overwrite(keep)
    last = today.date() if today is not None else datetime.now(UTC).date()
    out = console()
    summary, act = None, 0
    for part in play(clients, seed, days, last, keep, shadow_days):
        if isinstance(part, Summary):
            summary = part
        elif as_json_:
            lines = [{"text": line.text, "tone": line.tone} for line in part.lines]
            as_json({"date": part.day.isoformat(), "act": part.act, "lines": lines}, indent=None)
        else:
            if part.act != act:
                act = part.act
                out.print(heading(f"\n{ACTS[act]}\n"))
            _day(out, part)
    assert summary is not None
    if as_json_:
        as_json({"summary": summary.to_json()}, indent=None)
    else:
        _summary(out, summary, keep)
    sys.exit(1 if summary.proof.wronged or summary.troubles else 0)


def _refuse_to_overwrite(folder: Path) -> None:
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise UsageProblem(f"{folder}: {', '.join(there)} would be overwritten; name an empty folder")


def _day(out: Console, day: Day) -> None:
    """One day; a day on which nothing notable happened is left out."""
    from commands.show import heading, wrapped

    if not day.lines:
        return
    out.print(heading(f"{day.day:%a %d %b %Y}"))
    for line in day.lines:
        wrapped(out, line.text, lead=f"  {MARKS[line.tone]} ", style=TONES[line.tone])


def _summary(out: Console, summary: Summary, keep: Path | None) -> None:
    from rich.text import Text

    from commands.show import heading, plural, table, wrapped

    out.print()
    span = f"{summary.first:%d %b %Y} to {summary.last:%d %b %Y}"
    out.print(heading(f"{plural(summary.clients, 'client')}, {plural(summary.services, 'service')}, {span}"))

    out.print(heading("\nWho went through which stages"))
    stages = table("", "services", right=("services",))
    for name, count in (
        ("warned", len(summary.warned)),
        ("suspended", len(summary.suspended)),
        ("came back after paying", len(summary.returned)),
        ("ended for debt, each approved by a person", len(summary.ended)),
        ("still suspended on the last day", len(summary.still_down)),
        ("backups erased (debt and cancellations)", len(summary.erased)),
    ):
        stages.add_row(name, f"{count}")
    out.print(stages)
    _journeys(out, summary)

    out.print(heading("\nMoney recovered after a suspension"))
    recovered = [f"{amount:,.2f} {code}" for code, amount in sorted(summary.recovered.items())]
    out.print("  " + (" + ".join(recovered) or "none"))
    prompt, later = summary.released_at_once, summary.released_by_sync
    out.print(f"  {plural(prompt, 'release')} in the moment of the payment, {later} with the next sync")
    _proof(out, summary)

    out.print(heading("\nWithheld, and why"))
    held = table("step", "services", "because", right=("services",), keep=("step",))
    for (kind, code), services in sorted(summary.withheld.items()):
        held.add_row(kind, f"{len(services)}", f"{code}: e.g. {summary.why[kind, code]}")
    out.print(held)

    out.print(heading("\nSteps"))
    steps = table("step", "outcome", "count", right=("count",))
    for (kind, state), count in sorted(summary.steps.items()):
        steps.add_row(kind, state, f"{count}")
    out.print(steps)
    mails = ", ".join(f"{count} {name}" for name, count in sorted(summary.notices.items()))
    wrapped(out, f"notices: {mails or 'none'}", lead="  ")
    wrapped(out, f"approved by the operator: {plural(summary.approvals, 'termination')}", lead="  ")
    for line in summary.limits:
        wrapped(out, f"let past a limit by the operator: {line}", lead="  ", style="cyan")
    for line in summary.troubles:
        wrapped(out, line, lead="  ", style="red")
    if summary.tasks:
        out.print(heading(f"\nLeft for staff: {plural(len(summary.tasks), 'task')}"))
        for line in summary.tasks[:TASKS]:
            wrapped(out, line, lead="  - ")
        if len(summary.tasks) > TASKS:
            out.print(Text(f"  ... and {len(summary.tasks) - TASKS} more", style="dim"))
    if keep is not None:
        out.print(heading("\nLeft behind to try"))
        for command in (
            "plan --offline",
            f"explain service:{_interesting(summary)}",
            "journal --kind suspend",
            "tasks",
        ):
            out.print(f"  whmcs-bridge --config {keep / 'bridge.toml'} {command}", soft_wrap=True)


def _proof(out: Console, summary: Summary) -> None:
    """Whether anybody was wronged, each claim with its count: all of them have to be 0."""
    from rich.text import Text

    from commands.show import heading, plural, wrapped
    from whmcs_bridge.demo import CLAIMS

    proof, first = summary.proof, summary.proof.first_day
    out.print(heading("\nWas anybody wronged? (asked of WHMCS's own tables and log)"))
    acts = [plural(proof.acts["suspend"], "suspension"), plural(proof.acts["release"], "release")]
    wrapped(out, f"{', '.join(acts)} and {plural(proof.acts['end'], 'end')} by the bridge, of which", lead="  ")
    for key, text in CLAIMS:
        count = len(set(proof.failed[key]))
        out.print(Text(f"  {count:>3}  {text}", style="red" if count else "green"))
    if summary.first_act is not None:
        told = f"{first['suspend']} suspended, {first['end']} ended, {first['release']} given back"
        wrapped(out, f"the first enforced day on the old book: {told}", lead="  ")
        wrapped(out, summary.first_act.told(), lead="  ")


def _journeys(out: Console, summary: Summary) -> None:
    from rich.text import Text

    from commands.show import wrapped

    ends = [j for j in summary.journeys.values() if j.suspended or j.ended is not None]
    ends.sort(key=lambda j: (j.ended is None, not j.back, j.suspended[:1], j.service))
    for journey in ends[:JOURNEYS]:
        style = "red" if journey.ended is not None else "green" if not journey.is_down else ""
        wrapped(out, f"{journey.name}: {journey.told()}", lead="  - ", style=style)
    if len(ends) > JOURNEYS:
        out.print(Text(f"  ... and {len(ends) - JOURNEYS} more (--json)", style="dim"))


def _interesting(summary: Summary) -> int:
    """A service worth explaining: one that is down now, else any."""
    down = summary.still_down or list(summary.journeys.values())
    return down[-1].service if down else 1
