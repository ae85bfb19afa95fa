"""whmcs-bridge tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, Options, pass_app
from commands.options import all_option, json_option

if TYPE_CHECKING:
    from whmcs_bridge.ports import Task


class TasksGroup(Options, click.Group):
    """Lists the tasks by itself; its commands mark one."""


@click.group(cls=TasksGroup, invoke_without_command=True)
@all_option
@json_option
@click.pass_context
def tasks(ctx: click.Context, everything: bool, as_json_: bool) -> None:
    """List what staff has to do: what, why, since when. A task closes itself when its cause is gone.

    --all shows those that are done, snoozed or closed as well.

    \b
    Example:
        whmcs-bridge tasks
        whmcs-bridge tasks done 7 --comment "called them"
        whmcs-bridge tasks snooze 8
    """
    if ctx.invoked_subcommand is not None:
        return
    from commands.show import as_json

    app = ctx.ensure_object(App)
    with app.bridge(offline=True) as bridge:
        found = bridge.journal.tasks(open_only=not everything)
    as_json([_json(task) for task in found]) if as_json_ else _show(found)


def _marking(name: str, state: str, line: str) -> click.Command:
    @click.command(name, cls=Command, help=f"{line}\n\n\b\nExample:\n    whmcs-bridge tasks {name} 7")
    @click.argument("number", type=click.IntRange(min=1), metavar="N")
    @click.option("--comment", default="", metavar="TEXT", help="Kept with the task.")
    @pass_app
    def mark(app: App, number: int, comment: str) -> None:
        with app.bridge(offline=True) as bridge, bridge.journal.writer():
            bridge.journal.set_task(number, state, bridge.today(), comment)
        click.echo(f"task {number}: {state}")

    return mark


tasks.add_command(_marking("done", "done", "Mark a task as done; it comes back if its cause goes and returns."))
tasks.add_command(_marking("snooze", "snoozed", "Put a task aside until its cause is gone."))
tasks.add_command(_marking("reopen", "open", "Put a task back on the list."))


def _json(task: Task) -> dict[str, Any]:
    return {
        "number": task.number,
        "code": task.code,
        "text": task.text,
        "todo": task.todo,
        "client": task.client,
        "service": task.service,
        "invoice": task.invoice,
        "opened_on": task.opened_on.isoformat(),
        "last_seen_on": task.last_seen_on.isoformat(),
        "closed_on": task.closed_on.isoformat() if task.closed_on is not None else None,
        "state": task.state,
        "comment": task.comment,
    }


def _show(found: list[Task]) -> None:
    from commands.show import console, table

    out = console()
    if not found:
        out.print("Nothing to do.")
        return
    rows = table("N", "since", "about", "what", "to do", right=("N",), keep=("since",))
    rows.columns[2].no_wrap = True
    for task in found:
        state = "" if task.state == "open" else f"[{task.state}] "
        rows.add_row(f"{task.number}", f"{task.opened_on}", _about(task), state + task.text, task.todo)
    out.print(rows)


def _about(task: Task) -> str:
    if task.service is not None:
        return f"service {task.service}"
    if task.client is not None:
        return f"client {task.client}"
    return f"invoice {task.invoice}" if task.invoice is not None else ""
