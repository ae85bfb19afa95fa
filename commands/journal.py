"""whmcs-bridge journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, pass_app
from commands.journal_inbox import inbox
from commands.options import ID, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.ports import JournalStep, PolicyText, RunInfo

STATE_STYLES = {"failed": "red", "unknown": "bold red", "skipped": "yellow", "begun": "bold red"}
SHORT = 10
"""So many characters of a policy's version tell it apart."""

_day = click.DateTime(["%Y-%m-%d"])


class JournalGroup(Options, click.Group):
    """Lists steps by itself; its commands are about the rules and the whole record."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; None is any."""

    client: int | None
    service: int | None
    run: int | None
    kind: str | None
    since: date | None
    until: date | None
    state: str | None
    actor: str | None
    limit: int

    @property
    def of_one(self) -> bool:
        """All that concerns a service or a client, and not steps alone."""
        about = self.client is not None or self.service is not None
        return about and self._of_everything

    @property
    def of_days(self) -> bool:
        """All that was done on some days, whoever it concerns."""
        about = self.client is not None or self.service is not None
        return not about and (self.since is not None or self.until is not None) and self._of_everything

    @property
    def _of_everything(self) -> bool:
        return (self.run, self.kind, self.state, self.actor) == (None,) * 4


@click.group(cls=JournalGroup, invoke_without_command=True)
@click.option("--client", type=ID, metavar="ID", help="All about this client.")
@click.option("--service", type=ID, metavar="ID", help="All about this service.")
@click.option("--run", type=ID, metavar="N", help="Steps of this run.")
@click.option("--kind", metavar="KIND", help="Steps of this kind: suspend, unsuspend, terminate, notice, ...")
@click.option("--date", type=_day, metavar="DATE", help="Of this house day.")
@click.option("--since", type=_day, metavar="DATE", help="From this house day on.")
@click.option("--until", type=_day, metavar="DATE", help="Up to this house day, that day included.")
@click.option("--state", metavar="STATE", help="Steps that ended so: done, failed, skipped, unknown, begun.")
@click.option("--actor", metavar="NAME", help="Steps that this person's command took, or bridge.")
@click.option("--limit", type=ID, default=50, show_default=True, help="The newest so many.")
@click.option("--runs", "show_runs", is_flag=True, help="List the runs instead of their steps.")
@json_option
@click.pass_context
def journal(
    ctx: click.Context,
    client: int | None,
    service: int | None,
    run: int | None,
    kind: str | None,
    date: datetime | None,
    since: datetime | None,
    until: datetime | None,
    state: str | None,
    actor: str | None,
    limit: int,
    show_runs: bool,
    as_json_: bool,
) -> None:
    """Show what was done, newest first: every step with its outcome, its evidence and the rules it was taken under.

    With --service or --client alone it is the whole story: also what others did, what shadow mode would have done,
    promises and other records, approvals, tasks and what was said about them. With days alone it is all that was done
    on them: runs of every job, steps, what others did. A client, service or run that was never heard of is exit code 2.

    \b
    Example:
        whmcs-bridge journal --service 34
        whmcs-bridge journal --date 2026-03-02
        whmcs-bridge journal --kind suspend --since 2026-03-02 --state failed
        whmcs-bridge journal --runs
    """
    if ctx.invoked_subcommand is not None:
        return
    from commands.show import as_json

    first, last = _days(date, since, until)
    asked = Asked(client, service, run, _known_kind(kind), first, last, _known_state(state), actor, limit)
    with ctx.ensure_object(App).bridge(offline=True) as bridge:
        if show_runs:
            runs = bridge.journal.runs(limit)
            as_json([_run_json(one) for one in runs]) if as_json_ else _show_runs(runs)
        elif asked.of_one or asked.of_days:
            lines = _history(bridge, asked)
            if not lines:
                _heard_of(bridge, asked)
            as_json(lines) if as_json_ else _show_history(lines, limit)
        else:
            steps = _steps(bridge, asked)
            if not steps:
                _heard_of(bridge, asked)
            as_json([_step_json(step) for step in steps]) if as_json_ else _show_steps(steps, limit)


def _days(date: datetime | None, since: datetime | None, until: datetime | None) -> tuple[date | None, date | None]:
    from whmcs_bridge.errors import UsageProblem

    if date is not None and (since is not None or until is not None):
        raise UsageProblem("--date is one day; leave it out with --since or --until")
    first, last = since or date, until or date
    if first is not None and last is not None and first > last:
        raise UsageProblem(f"--since {first:%Y-%m-%d} is after --until {last:%Y-%m-%d}")
    return first.date() if first is not None else None, last.date() if last is not None else None


def _known_kind(kind: str | None) -> str | None:
    from whmcs_bridge.policy.decision import Kind

    return _one_of("--kind", kind, tuple(Kind))


def _known_state(state: str | None) -> str | None:
    from whmcs_bridge.ports import StepState

    return _one_of("--state", state, tuple(StepState))


def _one_of(option: str, given: str | None, known: Sequence[str]) -> str | None:
    from whmcs_bridge.errors import UsageProblem

    if given is not None and given not in known:
        raise UsageProblem(f"{option} {given}: expected one of {', '.join(known)}")
    return given


def _steps(bridge: Bridge, asked: Asked) -> list[JournalStep]:
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.ports import StepState

    return bridge.journal.steps(
        client=ClientId(asked.client) if asked.client is not None else None,
        service=ServiceId(asked.service) if asked.service is not None else None,
        run=asked.run,
        kind=asked.kind,
        since=asked.since,
        until=asked.until,
        state=StepState(asked.state) if asked.state is not None else None,
        actor=asked.actor,
        limit=asked.limit,
    )


def _history(bridge: Bridge, asked: Asked) -> list[dict[str, Any]]:
    from whmcs_bridge.domain.ids import ClientId, ServiceId

    service = ServiceId(asked.service) if asked.service is not None else None
    client = ClientId(asked.client) if asked.client is not None else None
    if service is not None and client is None:
        client = next(iter(bridge.mirror.clients_of({service})), None)
    return bridge.journal.history(
        client=client, service=service, since=asked.since, until=asked.until, limit=asked.limit
    )


def _heard_of(bridge: Bridge, asked: Asked) -> None:
    """Raise UnknownId for a client, service or run that neither mirror nor journal has: nothing found, and a typo."""
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.errors import UnknownId

    journal, mirror, check = bridge.journal, bridge.mirror, "check the number, or run a sync first"
    if asked.run is not None:
        newest = next(iter(journal.runs(1)), None)  # runs are numbered without gaps
        if newest is None or asked.run > newest.number:
            raise UnknownId(f"no run {asked.run}; `whmcs-bridge journal --runs` lists them")
    if asked.service is not None:
        service = ServiceId(asked.service)
        if mirror.book_of_service(service) is None and not journal.history(service=service, limit=1):
            raise UnknownId(f"no service {service} in mirror or journal; {check}")
    if asked.client is not None:
        client = ClientId(asked.client)
        if mirror.book(client) is None and not journal.history(client=client, limit=1):
            raise UnknownId(f"no client {client} in mirror or journal; {check}")


def _step_json(entry: JournalStep) -> dict[str, Any]:
    from whmcs_bridge.plan.render import step_json

    return {
        "type": "step",
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


# --- the rules ----------------------------------------------------------------------------------------


journal.add_command(inbox)


@journal.command("policies", cls=Command)
@json_option
@pass_app
def policies(app: App, as_json_: bool) -> None:
    """List the rules that were in force: version, first and last day, syncs under them.

    \b
    Example:
        whmcs-bridge journal policies
    """
    from commands.show import as_json, console, table

    with app.bridge(offline=True) as bridge:
        found, current = bridge.journal.policies(), bridge.settings.policy.version
    if as_json_:
        as_json([_policy_json(one) for one in found])
        return
    rows = table("version", "first used", "last used", "syncs", "", right=("syncs",))
    for one in found:
        now = "in the settings now" if one.version == current else ""
        rows.add_row(one.version[:SHORT], f"{one.first_used_on}", f"{one.last_used_on}", f"{one.syncs:,}", now)
    console().print(rows if found else "No run yet; whmcs-bridge sync makes the first.")


@journal.command("policy", cls=Command)
@click.argument("version")
@click.option("--diff", "other", metavar="VERSION", help="Show what changed from VERSION to this one.")
@json_option
@pass_app
def policy(app: App, version: str, other: str | None, as_json_: bool) -> None:
    """Print the rules of a version (its first characters do), or what is different between two.

    The text is JSON, a line a value: every table of the settings that decisions depend on.

    \b
    Example:
        whmcs-bridge journal policy 3f2a1b9c
        whmcs-bridge journal policy 3f2a1b9c --diff 77d0e1f2
    """
    from commands.show import as_json

    with app.bridge(offline=True) as bridge:
        known = bridge.journal.policies()
    found = _version(known, version)
    before = _version(known, other) if other is not None else None
    difference = _diff(before, found) if before is not None else None
    if as_json_:
        as_json(_policy_json(found) | ({"diff": difference} if difference is not None else {"text": found.text}))
    elif difference is None:
        click.echo(found.text)
    else:
        click.echo("\n".join(difference) if difference else "no difference")


def _version(known: Sequence[PolicyText], start: str) -> PolicyText:
    from whmcs_bridge.errors import UnknownId

    found = [one for one in known if one.version.startswith(start.lower())]
    if len(found) == 1:
        return found[0]
    what = "no rules of version" if not found else f"{len(found)} versions begin with"
    raise UnknownId(f"{what} {start}; `whmcs-bridge journal policies` lists them")


def _diff(before: PolicyText, after: PolicyText) -> list[str]:
    from difflib import unified_diff

    old, new = (f"{one.version[:SHORT]} {one.first_used_on} to {one.last_used_on}" for one in (before, after))
    return list(unified_diff(before.text.splitlines(), after.text.splitlines(), old, new, n=5, lineterm=""))


def _policy_json(one: PolicyText) -> dict[str, Any]:
    return {
        "version": one.version,
        "first_used_on": one.first_used_on.isoformat(),
        "last_used_on": one.last_used_on.isoformat(),
        "syncs": one.syncs,
    }


# --- the whole record ---------------------------------------------------------------------------------


@journal.command("export", cls=Command)
@click.option("--since", type=_day, metavar="DATE", help="From this house day on.")
@click.option("--until", type=_day, metavar="DATE", help="Up to this house day, that day included.")
@pass_app
def export(app: App, since: datetime | None, until: datetime | None) -> None:
    """Print everything that happened as JSON, one object a line, each with its "type".

    Rules, runs, steps, shadow steps, acts of others, records, approvals, tasks with comments, adoptions, morning
    mails, evidence, accounts, deletions of backups with their chain of evidence, tombstones. The first line says the
    version of the format; fields are added, never renamed (docs/reference/journal-export.md). It is streamed: the
    size of the journal does not matter.

    \b
    Example:
        whmcs-bridge journal export > journal.jsonl
        whmcs-bridge journal export --since 2026-03-01 --until 2026-03-31
    """
    import sys

    import msgspec

    first, last = _days(None, since, until)
    encode = msgspec.json.Encoder().encode
    with app.bridge(offline=True) as bridge:
        for line in bridge.journal.export(first, last):
            sys.stdout.write(encode(line).decode() + "\n")


# --- for people ---------------------------------------------------------------------------------------


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
        rows.add_row(
            f"{entry.begun_at:%Y-%m-%d %H:%M}",
            Text(_called(step.kind.value, step.message), style=KIND_STYLES.get(step.kind.value, "")),
            f"{step.client}",
            f"{step.service or ''}",
            Text(state, style=STATE_STYLES.get(state, "")),
            f"{step.reason}; {entry.note}" if entry.note else step.reason,
        )
    out.print(rows)
    _footer(
        {e.actor: None for e in steps}, {e.policy_version: None for e in steps}, full=len(steps) == limit, limit=limit
    )


def _called(kind: str, message: str) -> str:
    return f"{kind} {message}".strip() if kind == "notice" else kind


def _footer(actors: Mapping[str, None], versions: Mapping[str, None], *, full: bool, limit: int) -> None:
    from rich.text import Text

    from commands.show import command, console

    out = console()
    if full:
        out.print(Text(f"The newest {limit}; --limit shows more.", style="dim"))
    if actors:
        out.print(Text(f"By {', '.join(actors)}.", style="dim"))
    for version in list(versions)[:3]:
        command(out, "The rules: ", f"whmcs-bridge journal policy {version[:SHORT]}")


def _show_history(lines: Sequence[Mapping[str, Any]], limit: int) -> None:
    from rich.text import Text

    from commands.show import KIND_STYLES, console, table

    out = console()
    if not lines:
        out.print("Nothing in the journal answers to that.")
        return
    rows = table("when", "what", "by", "outcome", "why")
    for column in rows.columns[:4]:
        column.no_wrap = True
    for line in lines:
        when, what, who, outcome, why = SAID[line["type"]](line)
        style = KIND_STYLES.get(what, "")
        rows.add_row(when, Text(what, style=style), who, Text(outcome, style=STATE_STYLES.get(outcome, "")), why)
    out.print(rows)
    versions = {line["policy"]: None for line in lines if line["type"] == "step"}
    _footer({}, versions, full=len(lines) == limit, limit=limit)


Told = tuple[str, str, str, str, str]


def _said_step(line: Mapping[str, Any]) -> Told:
    step = line["step"]
    why = f"{step['reason']}; {line['note']}" if line["note"] else step["reason"]
    return _minute(line["begun_at"]), _called(step["kind"], step["message"]), line["actor"], line["state"], why


def _said_act(line: Mapping[str, Any]) -> Told:
    who = f"{line['actor']} {line['user']}".strip()
    why = line["line"] or line["reason_after"] or "no line of the activity log tells"
    when = _minute(line["at"]) if line["at"] else line["day"]
    return when, f"others: {line['kind']}", who, line["after"], why


def _said_shadow(line: Mapping[str, Any]) -> Told:
    step = line["step"]
    over = f" ({line['over']})" if line["over"] else ""
    return line["date"], f"would {_called(step['kind'], step['message'])}", "shadow", "", step["reason"] + over


def _said_record(line: Mapping[str, Any]) -> Told:
    until = f", until {line['until']}" if line["until"] else ""
    closed = f" {line['closed_on']}" if line["closed_on"] else ""
    note = f"; {line['note']}" if line["note"] else ""
    return line["made_on"], line["kind"], line["author"], f"{line['state']}{closed}", f"{line['reason']}{until}{note}"


def _said_approval(line: Mapping[str, Any]) -> Told:
    return line["date"], f"approval {line['kind']}", line["author"], "", ""


def _said_task(line: Mapping[str, Any]) -> Told:
    closed = f" {line['closed_on']}" if line["closed_on"] else ""
    members = line["members"]
    text = members[0]["text"] if members else line["text"]
    return line["opened_on"], f"task {line['number']}", line["acknowledged_by"], f"{line['state']}{closed}", text


def _said_comment(line: Mapping[str, Any]) -> Told:
    return _minute(line["at"]), f"task {line['task']}", line["author"], "said", line["text"]


def _said_run(line: Mapping[str, Any]) -> Told:
    return _minute(line["started_at"]), f"run {line['number']}: {line['job']}", "", line["outcome"], line["summary"]


def _said_evidence(line: Mapping[str, Any]) -> Told:
    kept, service = line["payload"], line["service"]
    what = "for billing" if kept["whose"] == "whmcs" else "staff's own, never touched"
    why = f"service {service}: the suspension without a reason is {what}"
    return _minute(line["at"]), "confirmed", kept["by"], kept["whose"], why


SAID = {
    "step": _said_step,
    "run": _said_run,
    "evidence": _said_evidence,
    "foreign_act": _said_act,
    "shadow_step": _said_shadow,
    "record": _said_record,
    "approval": _said_approval,
    "task": _said_task,
    "task_comment": _said_comment,
}
"""How a line of each type is told to people: when, what, by whom, outcome, why."""


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _show_runs(runs: list[RunInfo]) -> None:
    from commands.show import console, table

    rows = table("run", "job", "mode", "began", "outcome", "summary", right=("run",), keep=("began",))
    for run in runs:
        rows.add_row(f"{run.number}", run.job, run.mode, f"{run.started_at:%Y-%m-%d %H:%M}", run.outcome, run.summary)
    console().print(rows if runs else "No run yet; whmcs-bridge sync makes the first.")
