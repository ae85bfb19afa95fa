"""whmcs-bridge journal inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.app import App, Command, pass_app
from commands.options import ID, json_option

if TYPE_CHECKING:
    from whmcs_bridge.ports import InboxDepth, InboxEvent


@click.command(cls=Command)
@click.option("--state", metavar="STATE", help="Only these: waiting, handled, set-aside.")
@click.option("--limit", type=ID, default=50, show_default=True, help="The newest so many.")
@click.option("--retry", type=ID, multiple=True, metavar="N", help="Try event N again. Repeatable.")
@json_option
@pass_app
def inbox(app: App, state: str | None, limit: int, retry: tuple[int, ...], as_json_: bool) -> None:
    """List what WHMCS's hooks told, newest first: what waits, what was handled, what was set aside and why.

    An event that failed too often is set aside; --retry puts it back in line, for `serve` or the next sync.

    \b
    Example:
        whmcs-bridge journal inbox
        whmcs-bridge journal inbox --state set-aside
        whmcs-bridge journal inbox --retry 17
    """
    from commands.show import as_json

    with app.bridge(offline=True) as bridge:
        for number in retry:
            bridge.journal.retry_event(number)
        events = bridge.journal.events(_known(state), limit)
        depth = bridge.journal.inbox_depth()
    as_json([_event_json(event) for event in events]) if as_json_ else _show(events, depth)


def _known(state: str | None) -> Any:
    from whmcs_bridge.errors import UsageProblem
    from whmcs_bridge.ports import EventState

    if state is None:
        return None
    known = {one.value.replace(" ", "-"): one for one in EventState}
    if state not in known:
        raise UsageProblem(f"--state {state}: expected one of {', '.join(known)}")
    return known[state]


def _event_json(event: InboxEvent) -> dict[str, Any]:
    later = event.next_try_at
    return {
        "number": event.number,
        "id": event.event_id,
        "point": event.point,
        "client": event.client,
        "received_at": event.received_at.isoformat(),
        "state": event.state.value,
        "tries": event.tries,
        "next_try_at": later.isoformat() if later is not None else None,
        "error": event.error,
        "vars": event.payload.get("vars"),
    }


def _show(events: list[InboxEvent], depth: InboxDepth) -> None:
    from rich.text import Text

    from commands.show import console, table

    out = console()
    if not events:
        out.print("Nothing in the inbox answers to that.")
        return
    rows = table("event", "came", "point", "client", "state", "tries", "why", right=("event", "client", "tries"))
    styles = {"set aside": "bold red", "waiting": "yellow"}
    for event in events:
        state = event.state.value
        rows.add_row(
            f"{event.number}",
            f"{event.received_at:%Y-%m-%d %H:%M:%S}",
            event.point,
            f"{event.client or ''}",
            Text(state, style=styles.get(state, "")),
            f"{event.tries or ''}",
            event.error,
        )
    out.print(rows)
    out.print(Text(f"{depth.waiting} waiting, {depth.set_aside} set aside.", style="dim"))
