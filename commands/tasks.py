"""whmcs-bridge tasks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, login_name, pass_app
from commands.options import ID, all_option, json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.explain import Explanation
    from whmcs_bridge.ports import Comment, Task

MEMBERS_SHOWN = 40


class TasksGroup(Options, click.Group):
    """Lists the tasks by itself; its commands are about single ones."""


client_option = click.option("--client", type=ID, metavar="ID", help="About this client.")
service_option = click.option("--service", type=ID, metavar="ID", help="About this service.")
code_option = click.option("--code", metavar="CODE", help="Of this kind: blank-suspension, approval, ...")
comment_option = click.option("--comment", default="", metavar="TEXT", help="Kept with the task, under your name.")
numbers_argument = click.argument("numbers", nargs=-1, type=ID, metavar="N...")


@click.group(cls=TasksGroup, invoke_without_command=True)
@client_option
@service_option
@code_option
@all_option
@json_option
@click.pass_context
def tasks(
    ctx: click.Context, client: int | None, service: int | None, code: str | None, everything: bool, as_json_: bool
) -> None:
    """List what staff has to do: what, why, since when, who is at it. A task closes itself when its cause is gone.

    Many of one kind are one line; --code lists them. Snoozed ones are left out until they are back. --all shows
    every line, and those that are done, snoozed or closed as well.

    \b
    Example:
        whmcs-bridge tasks
        whmcs-bridge tasks --code blank-suspension
        whmcs-bridge tasks show 7
        whmcs-bridge tasks done 7 --comment "called them"
    """
    if ctx.invoked_subcommand is not None:
        return
    from commands.show import as_json
    from whmcs_bridge.jobs.staff import task_json

    app = ctx.ensure_object(App)
    with app.bridge(offline=True) as bridge:
        today = bridge.today()
        every = bridge.journal.tasks(open_only=False, today=today)
    wanted = [t for t in every if everything or t.state == "open"]
    found = _chosen(wanted, client, service, code)
    if as_json_:
        as_json([task_json(task) for task in found])
        return
    narrowed = client is not None or service is not None or code is not None
    _show(found, every, today, whole=everything or narrowed, narrowed=narrowed)


def _chosen(found: Sequence[Task], client: int | None, service: int | None, code: str | None) -> list[Task]:
    from whmcs_bridge.domain.ids import ClientId, ServiceId

    wanted_client = ClientId(client) if client is not None else None
    wanted_service = ServiceId(service) if service is not None else None
    return [
        task
        for task in found
        if (code is None or task.code == code or task.code.startswith(f"{code}:"))
        and task.is_about(client=wanted_client, service=wanted_service)
    ]


# --- one task ---------------------------------------------------------------------------------------


@tasks.command("show", cls=Command)
@click.argument("number", type=ID, metavar="N")
@all_option
@json_option
@pass_app
def show(app: App, number: int, everything: bool, as_json_: bool) -> None:
    """Show all of a task: what, why, what to do, since when, who is at it, what was said, and what to type.

    --all lists every subject of a task that stands for many.

    \b
    Example:
        whmcs-bridge tasks show 7
    """
    from commands.show import as_json
    from whmcs_bridge.jobs.staff import helpful, task_json

    with app.bridge(offline=True) as bridge:
        task, said = bridge.journal.task(number), bridge.journal.task_comments(number)
        explained = _explained(bridge, task)
        if as_json_:
            more = {
                "comments": [_comment_json(one) for one in said],
                "commands": helpful(task),
                "explain": _line(explained) if explained is not None else None,
            }
            as_json(task_json(task) | more)
            return
        _show_one(task, said, explained, None if everything else MEMBERS_SHOWN)


def _explained(bridge: Bridge, task: Task) -> Explanation | None:
    from whmcs_bridge.errors import UnknownId

    if task.service is None:
        return None
    try:
        return bridge.explain_service(task.service)
    except UnknownId:
        return None


def _comment_json(one: Comment) -> dict[str, Any]:
    return {"at": one.at.isoformat(), "author": one.author, "text": one.text}


def _line(found: Explanation) -> str:
    """Return how the service stands, in one line."""
    decision, service = found.decision, found.facts.service
    said = [f"{service.status.value if service.status else 'unknown'}, stage {decision.stage.value}"]
    said += [f"owes {debt.amount} since {debt.due}" for debt in decision.debts[:3]]
    said += [f"{held.kind.value} withheld: {held.why}" for held in decision.withheld[:2]]
    if found.next is not None:
        said.append(f"next: {found.next[0].kind.value} on {found.next[1]}")
    return "; ".join(said)


def _show_one(task: Task, said: Sequence[Comment], explained: Explanation | None, limit: int | None) -> None:
    from rich.text import Text

    from commands.show import command, console, heading, wrapped
    from whmcs_bridge.jobs.staff import helpful, subject

    out = console()
    out.print(heading(f"Task {task.number}  {task.code}  {subject(task)}".rstrip()))
    for label, text in (
        ("what", task.text),
        ("to do", task.todo),
        ("since", f"{task.opened_on}, last seen {task.last_seen_on}"),
        ("state", _state(task)),
        ("who", f"{task.acknowledged_by}, since {task.acknowledged_on}" if task.acknowledged_by else "nobody yet"),
        ("service", _line(explained) if explained is not None else ""),
    ):
        if text:
            wrapped(out, text, lead=f"  {label:<8} ")
    for one in said:
        wrapped(out, one.text, lead=f"  {one.at:%Y-%m-%d %H:%M} {one.author}: ")
    if task.size > 1:
        out.print(Text(f"\n{task.text}", style="bold"))
        shown = task.members if limit is None else task.members[:limit]
        for member in shown:
            wrapped(out, member.text, lead=f"  {_ids(member)}")
        if task.size > len(shown):
            more = f"--all shows {len(task.members):,}" if len(shown) < len(task.members) else "the list ends here"
            out.print(Text(f"  ... and {task.size - len(shown):,} more ({more})", style="dim"))
    out.print()
    for line in [*helpful(task), f"whmcs-bridge tasks done {task.number}"]:
        command(out, "  ", line)


def _ids(member: Any) -> str:
    known = (("client", member.client), ("service", member.service), ("invoice", member.invoice))
    said = ", ".join(f"{what} {number}" for what, number in known if number is not None)
    return f"{said}: " if said else ""


def _state(task: Task) -> str:
    until = f" until {task.snoozed_until}" if task.snoozed_until is not None else ""
    closed = f" on {task.closed_on}" if task.closed_on is not None else ""
    return f"{task.state}{until}{closed}"


# --- marking ----------------------------------------------------------------------------------------


def _mark(app: App, numbers: tuple[int, ...], code: str | None, said: str, act: Callable[[Bridge, int], str]) -> None:
    """Do it to each of the tasks named, or to every open one of the code; one writer for all of them."""
    from whmcs_bridge.errors import UsageProblem

    with app.bridge(offline=True) as bridge, bridge.journal.writer():
        chosen = list(numbers)
        if code is not None:
            chosen += [t.number for t in _chosen(bridge.journal.tasks(today=bridge.today()), None, None, code)]
        if not chosen:
            raise UsageProblem("name a task by its number, or many by --code; `whmcs-bridge tasks` lists them")
        for number in dict.fromkeys(chosen):
            line = act(bridge, number)
            if said:
                bridge.journal.comment_task(number, bridge.clock.now(), login_name(), said)
            click.echo(f"task {number}: {line}")


@tasks.command("ack", cls=Command)
@numbers_argument
@code_option
@comment_option
@pass_app
def ack(app: App, numbers: tuple[int, ...], code: str | None, comment: str) -> None:
    """Say that you are at it: others see your name.

    \b
    Example:
        whmcs-bridge tasks ack 7 8
    """

    def act(bridge: Bridge, number: int) -> str:
        bridge.journal.acknowledge_task(number, login_name(), bridge.today())
        return f"{login_name()} is at it"

    _mark(app, numbers, code, comment, act)


@tasks.command("comment", cls=Command)
@click.argument("number", type=ID, metavar="N")
@click.argument("text")
@pass_app
def comment(app: App, number: int, text: str) -> None:
    """Keep what is known about a task, with your name and the time.

    \b
    Example:
        whmcs-bridge tasks comment 7 "they will pay on Friday"
    """
    from whmcs_bridge.errors import UsageProblem

    if not text.strip():
        raise UsageProblem('an empty comment says nothing; as in: whmcs-bridge tasks comment 7 "called them"')
    _mark(app, (number,), None, text.strip(), lambda bridge, _: f"comment of {login_name()} kept")


@tasks.command("done", cls=Command)
@numbers_argument
@code_option
@comment_option
@pass_app
def done(app: App, numbers: tuple[int, ...], code: str | None, comment: str) -> None:
    """Mark a task as done; it comes back if its cause goes and returns, or something joins it.

    \b
    Example:
        whmcs-bridge tasks done 7 --comment "called them"
    """

    def act(bridge: Bridge, number: int) -> str:
        bridge.journal.set_task(number, "done", bridge.today(), comment)
        return "done"

    _mark(app, numbers, code, comment, act)


@tasks.command("snooze", cls=Command)
@numbers_argument
@code_option
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Open again on this day.")
@comment_option
@pass_app
def snooze(app: App, numbers: tuple[int, ...], code: str | None, until: datetime | None, comment: str) -> None:
    """Put a task aside: until a day, on which it is back by itself, or until its cause is gone.

    \b
    Example:
        whmcs-bridge tasks snooze 8 --until 2026-04-01
    """
    from whmcs_bridge.errors import UsageProblem

    day = until.date() if until is not None else None

    def act(bridge: Bridge, number: int) -> str:
        if day is not None and day <= bridge.today():
            raise UsageProblem(f"--until {day}: expected a day after today, {bridge.today()}")
        bridge.journal.set_task(number, "snoozed", bridge.today(), comment, until=day)
        return f"snoozed until {day if day is not None else 'its cause is gone'}"

    _mark(app, numbers, code, comment, act)


@tasks.command("reopen", cls=Command)
@numbers_argument
@comment_option
@pass_app
def reopen(app: App, numbers: tuple[int, ...], comment: str) -> None:
    """Put a task back on the list, for whoever takes it.

    \b
    Example:
        whmcs-bridge tasks reopen 7
    """

    def act(bridge: Bridge, number: int) -> str:
        bridge.journal.set_task(number, "open", bridge.today(), comment)
        return "open"

    _mark(app, numbers, None, comment, act)


# --- the list ---------------------------------------------------------------------------------------


def _show(found: Sequence[Task], every: Sequence[Task], today: date, *, whole: bool, narrowed: bool) -> None:
    from rich.text import Text

    from commands.show import command, console, table
    from whmcs_bridge.jobs.staff import grouped

    out = console()
    if not found:
        out.print("No task answers to that." if narrowed else "Nothing to do." + _snoozed(every))
        return
    rows = table("N", "since", "about", "what", "to do", right=("N",), keep=("since",))
    rows.columns[2].no_wrap = True
    lines = [[task] for task in found] if whole else grouped(found)
    for line in lines:
        rows.add_row(*_row(line))
    out.print(rows)
    new = sum(task.opened_on == today for task in found)
    fresh = f" ({new:,} new today)" if new else ""
    count = f"{len(found):,} open{fresh}.{_snoozed(every)}" if not narrowed else f"{len(found):,}."
    out.print(Text(count, style="dim"))
    for line in lines:
        if len(line) > 1:
            command(out, f"{len(line):,} of them: ", f"whmcs-bridge tasks --code {line[0].code}")
    command(out, "All of one: ", f"whmcs-bridge tasks show {found[0].number}")


def _snoozed(every: Sequence[Task]) -> str:
    count = sum(task.state == "snoozed" for task in every)
    return f" {count:,} snoozed (--all)." if count else ""


def _row(line: Sequence[Task]) -> tuple[str, str, str, str, str]:
    from whmcs_bridge.jobs.staff import subject

    first = line[0]
    state = "" if first.state == "open" else f"[{_state(first)}] "
    who = f"[{first.acknowledged_by}] " if first.acknowledged_by else ""
    if len(line) == 1:
        return f"{first.number}", f"{first.opened_on}", subject(first), state + who + first.text, first.todo
    what = f"{first.text}; and {len(line) - 1:,} more"
    return f"{first.number}", f"{min(t.opened_on for t in line)}", f"{len(line):,} times", what, first.todo
