"""whmcs-bridge journal."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, pass_app
from commands.options import json_option

if TYPE_CHECKING:
    from whmcs_bridge.ports import JournalStep, RunInfo

STATE_STYLES = {"failed": "red", "unknown": "bold red", "skipped": "yellow", "begun": "bold red"}


@click.command(cls=Command)
@click.option("--client", type=click.IntRange(min=1), metavar="ID", help="Steps of this client.")
@click.option("--service", type=click.IntRange(min=1), metavar="ID", help="Steps of this service.")
@click.option("--run", type=click.IntRange(min=1), metavar="N", help="Steps of this run.")
@click.option("--kind", metavar="KIND", help="Steps of this kind: suspend, unsuspend, terminate, notice, ...")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Steps of this house day.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest so many.")
@click.option("--runs", "show_runs", is_flag=True, help="List the runs instead of their steps.")
@json_option
@pass_app
def journal(
    app: App,
    client: int | None,
    service: int | None,
    run: int | None,
    kind: str | None,
    date: datetime | None,
    limit: int,
    show_runs: bool,
    as_json_: bool,
) -> None:
    """Show what was done: every step with its outcome and evidence, newest first.

    \b
    Example:
        whmcs-bridge journal --service 34
        whmcs-bridge journal --kind suspend --date 2026-03-02 --json
        whmcs-bridge journal --runs
    """
    from commands.show import as_json
    from whmcs_bridge.domain.ids import ClientId, ServiceId

    if kind is not None:
        _known(kind)
    with app.bridge(offline=True) as bridge:
        if show_runs:
            runs = bridge.journal.runs(limit)
            as_json([_run_json(one) for one in runs]) if as_json_ else _show_runs(runs)
            return
        steps = bridge.journal.steps(
            client=ClientId(client) if client is not None else None,
            service=ServiceId(service) if service is not None else None,
            run=run,
            kind=kind,
            day=date.date() if date is not None else None,
            limit=limit,
        )
    as_json([_step_json(step) for step in steps]) if as_json_ else _show_steps(steps, limit)


def _known(kind: str) -> None:
    from whmcs_bridge.errors import UsageProblem
    from whmcs_bridge.policy.decision import Kind

    if kind not in tuple(Kind):
        raise UsageProblem(f"--kind {kind}: expected one of {', '.join(Kind)}")


def _step_json(entry: JournalStep) -> dict[str, Any]:
    from whmcs_bridge.plan.render import step_json

    return {
        "number": entry.number,
        "run": entry.run,
        "state": entry.state.value,
        "begun_at": entry.begun_at.isoformat(),
        "ended_at": entry.ended_at.isoformat() if entry.ended_at is not None else None,
        "note": entry.note,
        "actor": entry.actor,
        "policy": entry.policy_version,
        "step": step_json(entry.step),
    }


def _run_json(run: RunInfo) -> dict[str, Any]:
    return {
        "run": run.number,
        "job": run.job,
        "mode": run.mode,
        "date": run.today.isoformat(),
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at is not None else None,
        "outcome": run.outcome,
        "policy": run.policy_version,
        "summary": run.summary,
    }


def _show_steps(steps: list[JournalStep], limit: int) -> None:
    from rich.text import Text

    from commands.show import KIND_STYLES, console, table

    out = console()
    if not steps:
        out.print("Nothing in the journal answers to that.")
        return
    rows = table("when", "step", "client", "service", "outcome", "why", right=("client", "service"))
    for column in rows.columns[:5]:
        column.no_wrap = True
    for entry in steps:
        step, state = entry.step, entry.state.value
        kind = f"{step.kind} {step.message}".strip() if step.kind == "notice" else step.kind.value
        why = f"{step.reason}; {entry.note}" if entry.note else step.reason
        rows.add_row(
            f"{entry.begun_at:%Y-%m-%d %H:%M}",
            Text(kind, style=KIND_STYLES.get(step.kind.value, "")),
            f"{step.client}",
            f"{step.service or ''}",
            Text(state, style=STATE_STYLES.get(state, "")),
            why,
        )
    out.print(rows)
    if len(steps) == limit:
        out.print(Text(f"The newest {limit}; --limit shows more.", style="dim"))


def _show_runs(runs: list[RunInfo]) -> None:
    from commands.show import console, table

    rows = table("run", "job", "mode", "began", "outcome", "summary", right=("run",), keep=("began",))
    for run in runs:
        rows.add_row(f"{run.number}", run.job, run.mode, f"{run.started_at:%Y-%m-%d %H:%M}", run.outcome, run.summary)
    console().print(rows if runs else "No run yet; whmcs-bridge sync makes the first.")
