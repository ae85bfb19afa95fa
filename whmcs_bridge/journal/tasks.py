"""Tasks for staff: one per cause, closed when the cause is gone."""

import sqlite3
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Task

_COLUMNS: Final = (
    "number, code, text, todo, client_id, service_id, invoice_id, opened_on, last_seen_on, closed_on, state, comment"
)
_OPENED: Final = """
    INSERT INTO tasks(code, client_id, service_id, invoice_id, text, todo, opened_on, last_seen_on, state, raised,
        by_hand) VALUES(?,?,?,?,?,?,?7,?7,'open',1,?8)"""

Cause = tuple[str, int | None, int | None, int | None]


def reconcile(conn: sqlite3.Connection, notes: Iterable[Note], today: date, *, complete: bool) -> None:
    """Bring the tasks in line with what a run raised.

    A task that staff marked done or snoozed stays so for as long as its cause is raised; when the cause goes and
    comes back, a new task opens. A run that did not see everything closes nothing.
    """
    raised = {_cause(note): note for note in notes}
    day = today.isoformat()
    standing: dict[Cause, int] = {}
    gone: list[tuple[str, int]] = []
    seen: list[tuple[str, str, str, int]] = []
    for number, by_hand, *cause in conn.execute(
        "SELECT number, by_hand, code, client_id, service_id, invoice_id FROM tasks WHERE raised"
    ).fetchall():
        key: Cause = (cause[0], cause[1], cause[2], cause[3])
        note = raised.get(key)
        standing[key] = number
        if note is not None:
            seen.append((note.text, note.todo, day, number))
        elif complete and not by_hand:
            gone.append((day, number))
    conn.executemany("UPDATE tasks SET text=?, todo=?, last_seen_on=?, by_hand=0 WHERE number=?", seen)
    conn.executemany(
        "UPDATE tasks SET raised=0, closed_on=coalesce(closed_on, ?), state=iif(state='done', 'done', 'closed') "
        "WHERE number=?",
        gone,
    )
    conn.executemany(
        _OPENED, [(*key, note.text, note.todo, day, 0) for key, note in raised.items() if key not in standing]
    )


def add(conn: sqlite3.Connection, note: Note, today: date) -> None:
    """Open a task that no run raises again: it stays until staff is done with it. One per cause."""
    day = today.isoformat()
    key = _cause(note)
    row = conn.execute(
        "SELECT number FROM tasks WHERE raised AND state <> 'done' AND code=? AND client_id IS ? AND service_id IS ? "
        "AND invoice_id IS ?",
        key,
    ).fetchone()
    if row is None:
        # What staff was done with has happened again.
        conn.execute(
            "UPDATE tasks SET raised=0 WHERE raised AND code=? AND client_id IS ? AND service_id IS ? "
            "AND invoice_id IS ?",
            key,
        )
        conn.execute(_OPENED, (*key, note.text, note.todo, day, 1))
    else:
        conn.execute(
            "UPDATE tasks SET text=?, todo=?, last_seen_on=? WHERE number=?", (note.text, note.todo, day, row[0])
        )


def tasks(conn: sqlite3.Connection, *, open_only: bool) -> list[Task]:
    """Tasks by number; `open_only` leaves out done, snoozed and closed ones."""
    where = "WHERE state='open'" if open_only else ""
    return [_task(row) for row in conn.execute(f"SELECT {_COLUMNS} FROM tasks {where} ORDER BY number")]


def set_state(conn: sqlite3.Connection, number: int, state: str, today: date, comment: str) -> None:
    """Set a task's state; raises UnknownId."""
    closed_on = today.isoformat() if state in ("done", "closed") else None
    found = conn.execute(
        "UPDATE tasks SET state=?1, closed_on=?2, comment=iif(?3='', comment, ?3), "
        "raised=CASE ?1 WHEN 'open' THEN 1 WHEN 'closed' THEN 0 WHEN 'done' THEN raised AND NOT by_hand "
        "ELSE raised END WHERE number=?4",
        (state, closed_on, comment, number),
    ).rowcount
    if not found:
        raise UnknownId(f"no task {number}; `whmcs-bridge tasks` lists them")


def _cause(note: Note) -> Cause:
    return note.code, note.client, note.service, note.invoice


def _task(row: tuple[Any, ...]) -> Task:
    number, code, text, todo, client, service, invoice, opened_on, last_seen_on, closed_on, state, comment = row
    return Task(
        number,
        code,
        text,
        todo,
        None if client is None else ClientId(client),
        None if service is None else ServiceId(service),
        None if invoice is None else InvoiceId(invoice),
        date.fromisoformat(opened_on),
        date.fromisoformat(last_seen_on),
        None if closed_on is None else date.fromisoformat(closed_on),
        state,
        comment,
    )
