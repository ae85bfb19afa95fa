"""Tasks for staff: one per cause, closed when the cause is gone."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Comment, Member, Task

MEMBERS_KEPT: Final = 1000
"""So many subjects of a pile are listed; all are counted."""

COLUMNS: Final = (
    "number, code, text, todo, client_id, service_id, invoice_id, opened_on, last_seen_on, closed_on, state, comment, "
    "acknowledged_by, acknowledged_on, snoozed_until, pile, size, members"
)
_ABOUT: Final = "code=? AND pile=? AND (pile<>'' OR client_id IS ? AND service_id IS ? AND invoice_id IS ?)"
_OPENED: Final = """
    INSERT INTO tasks(code, pile, client_id, service_id, invoice_id, text, todo, size, members, opened_on, last_seen_on,
        state, raised, by_hand) VALUES(?,?,?,?,?,?,?,?,?,?10,?10,'open',1,?11)"""
_SEEN: Final = (
    "UPDATE tasks SET text=?, todo=?, last_seen_on=?, by_hand=by_hand AND ?, client_id=?, service_id=?, invoice_id=?, "
    "size=?, members=? WHERE number=?"
)
_REOPENED: Final = (
    "UPDATE tasks SET state='open', closed_on=NULL, acknowledged_by='', acknowledged_on=NULL WHERE number=?"
)

Cause = tuple[str, str, int | None, int | None, int | None]
"""Code and pile; client, service and invoice where there is no pile."""

_encode: Final = msgspec.json.Encoder().encode
_members: Final = msgspec.json.Decoder(list[Member]).decode


@dataclass(frozen=True, slots=True)
class _Raised:
    """One cause as it was raised, by one note or by many of a pile."""

    cause: Cause
    text: str
    todo: str
    members: Sequence[Member]

    @property
    def about(self) -> tuple[int | None, int | None, int | None]:
        """Client, service and invoice; of a pile, while there is one of them."""
        if not self.cause[1]:
            return self.cause[2:]
        only = self.members[0]
        return (only.client, only.service, only.invoice) if len(self.members) == 1 else (None, None, None)

    @property
    def listed(self) -> str:
        """The members as the table keeps them."""
        return _encode(self.members[:MEMBERS_KEPT]).decode() if self.cause[1] else ""


def reconcile(conn: sqlite3.Connection, notes: Iterable[Note], today: date, *, complete: bool) -> None:
    """Bring the tasks in line with what a run raised.

    A task that staff marked done or snoozed stays so for as long as its cause is raised; when the cause goes and
    comes back, a new task opens. A pile that was done is open again when something joins it. A run that did not see
    everything closes nothing, and takes nothing off a pile.
    """
    wake(conn, today)
    raised = {one.cause: one for one in _gathered(notes)}
    day = today.isoformat()
    standing: set[Cause] = set()
    gone: list[tuple[str, int]] = []
    seen: list[tuple[object, ...]] = []
    for number, by_hand, state, listed, *rest in conn.execute(
        "SELECT number, by_hand, state, members, code, pile, client_id, service_id, invoice_id FROM tasks WHERE raised"
    ).fetchall():
        cause: Cause = (rest[0], rest[1], None, None, None) if rest[1] else (rest[0], "", rest[2], rest[3], rest[4])
        one = raised.get(cause)
        standing.add(cause)
        if one is not None:
            known = _members(listed) if listed else []
            if cause[1] and not complete:
                one = _joined(one, known)
            if state == "done" and _is_new(one.members, known):
                conn.execute(_REOPENED, (number,))
            seen.append((one.text, one.todo, day, 0, *one.about, max(len(one.members), 1), one.listed, number))
        elif complete and not by_hand:
            gone.append((day, number))
    conn.executemany(_SEEN, seen)
    conn.executemany(
        "UPDATE tasks SET raised=0, closed_on=coalesce(closed_on, ?), state=iif(state='done', 'done', 'closed') "
        "WHERE number=?",
        gone,
    )
    conn.executemany(_OPENED, [_row(one, day, by_hand=False) for one in raised.values() if one.cause not in standing])


def add(conn: sqlite3.Connection, note: Note, today: date, *, by_hand: bool) -> None:
    """Open a task outside the runs, one per cause: `by_hand` ones stay until staff is done with them."""
    day = today.isoformat()
    one = _one(_cause(note), [note])
    row = conn.execute(
        f"SELECT number, members FROM tasks WHERE raised AND state <> 'done' AND {_ABOUT}", one.cause
    ).fetchone()
    if row is None:
        # What staff was done with has happened again.
        conn.execute(f"UPDATE tasks SET raised=0 WHERE raised AND {_ABOUT}", one.cause)
        conn.execute(_OPENED, _row(one, day, by_hand=by_hand))
        return
    number, listed = row
    if note.pile:
        one = _joined(one, _members(listed) if listed else [])
    conn.execute(_SEEN, (one.text, one.todo, day, by_hand, *one.about, max(len(one.members), 1), one.listed, number))


def wake(conn: sqlite3.Connection, today: date) -> None:
    """Open the tasks whose snooze is over."""
    conn.execute(
        "UPDATE tasks SET state='open', snoozed_until=NULL WHERE state='snoozed' AND snoozed_until<=?",
        (today.isoformat(),),
    )


def tasks(conn: sqlite3.Connection, today: date | None, *, open_only: bool) -> list[Task]:
    """Tasks by number; `open_only` leaves out done, snoozed and closed ones."""
    where = "WHERE state='open' OR (state='snoozed' AND snoozed_until<=?1)" if open_only else "WHERE ?1 IS ?1"
    day = None if today is None else today.isoformat()
    rows = conn.execute(f"SELECT {COLUMNS} FROM tasks {where} ORDER BY number", (day,))
    return [task_of(row, today) for row in rows]


def raised(conn: sqlite3.Connection, codes: Collection[str]) -> list[Task]:
    """Tasks of these codes whose cause stood at the last run, by number."""
    marks = ",".join("?" * len(codes))
    rows = conn.execute(f"SELECT {COLUMNS} FROM tasks WHERE raised AND code IN ({marks}) ORDER BY number", (*codes,))
    return [task_of(row, None) for row in rows]


def task(conn: sqlite3.Connection, number: int) -> Task:
    """Return one task; raises UnknownId."""
    row = conn.execute(f"SELECT {COLUMNS} FROM tasks WHERE number=?", (number,)).fetchone()
    if row is None:
        raise _unknown(number)
    return task_of(row, None)


def set_state(
    conn: sqlite3.Connection, number: int, state: str, today: date, said: str, until: date | None = None
) -> None:
    """Set a task's state; raises UnknownId. One that is opened again is nobody's."""
    closed_on = today.isoformat() if state in ("done", "closed") else None
    back_on = until.isoformat() if until is not None and state == "snoozed" else None
    _change(
        conn,
        number,
        "state=?1, closed_on=?2, comment=iif(?3='', comment, ?3), snoozed_until=?4, "
        "acknowledged_by=iif(?1='open', '', acknowledged_by), "
        "acknowledged_on=iif(?1='open', NULL, acknowledged_on), "
        "raised=CASE ?1 WHEN 'open' THEN 1 WHEN 'closed' THEN 0 WHEN 'done' THEN raised AND NOT by_hand "
        "ELSE raised END",
        (state, closed_on, said, back_on),
    )


def acknowledge(conn: sqlite3.Connection, number: int, by: str, on: date) -> None:
    """Say who is at it; raises UnknownId."""
    _change(conn, number, "acknowledged_by=?1, acknowledged_on=?2", (by, on.isoformat()))


def comment(conn: sqlite3.Connection, number: int, at: datetime, author: str, text: str) -> None:
    """Keep what was said; raises UnknownId."""
    if conn.execute("SELECT 1 FROM tasks WHERE number=?", (number,)).fetchone() is None:
        raise _unknown(number)
    conn.execute(
        "INSERT INTO task_comments(task, at, author, text) VALUES(?,?,?,?)", (number, at.isoformat(), author, text)
    )


def comments(conn: sqlite3.Connection, number: int) -> list[Comment]:
    """What was said about a task, oldest first."""
    rows = conn.execute("SELECT at, author, text FROM task_comments WHERE task=? ORDER BY number", (number,))
    return [Comment(datetime.fromisoformat(at), author, text) for at, author, text in rows]


def _change(conn: sqlite3.Connection, number: int, what: str, values: tuple[object, ...]) -> None:
    if not conn.execute(f"UPDATE tasks SET {what} WHERE number=?{len(values) + 1}", (*values, number)).rowcount:
        raise _unknown(number)


def _unknown(number: int) -> UnknownId:
    return UnknownId(f"no task {number}; `whmcs-bridge tasks` lists them")


# --- notes -> causes ----------------------------------------------------------------------------


def _cause(note: Note) -> Cause:
    if note.pile:
        return note.code, note.pile, None, None, None
    return note.code, "", note.client, note.service, note.invoice


def _gathered(notes: Iterable[Note]) -> list[_Raised]:
    causes: dict[Cause, list[Note]] = {}
    for note in notes:
        causes.setdefault(_cause(note), []).append(note)
    return [_one(cause, mine) for cause, mine in causes.items()]


def _one(cause: Cause, notes: Sequence[Note]) -> _Raised:
    last = notes[-1]
    if not cause[1]:
        return _Raised(cause, last.text, last.todo, ())
    members = list(dict.fromkeys(Member(n.text, n.client, n.service, n.invoice) for n in notes))
    return _Raised(cause, _headline(cause[1], members), last.todo, members)


def _headline(pile: str, members: Sequence[Member]) -> str:
    if len(members) == 1:
        return members[0].text
    return f"{pile}: {_counted(members)}"


def _counted(members: Sequence[Member]) -> str:
    """Return `212 services`, or of what else the members are."""
    for what in ("service", "invoice", "client"):
        subjects = {getattr(one, what) for one in members}
        if None not in subjects:
            return f"{len(subjects):,} {what}s" if len(subjects) > 1 else f"{len(members):,} times"
    return f"{len(members):,} problems"


def _key(one: Member) -> object:
    """Which subject it is, whatever is said of it today."""
    ids = (one.client, one.service, one.invoice)
    return ids if any(ids) else one.text


def _is_new(members: Collection[Member], known: Collection[Member]) -> bool:
    """Something has joined the pile; beyond what is listed nobody can tell."""
    if len(known) >= MEMBERS_KEPT:
        return False
    return not {_key(one) for one in members} <= {_key(one) for one in known}


def _joined(one: _Raised, known: Iterable[Member]) -> _Raised:
    """The pile with those it already had."""
    together = {_key(member): member for member in (*known, *one.members)}
    members = list(together.values())
    return _Raised(one.cause, _headline(one.cause[1], members), one.todo, members)


# --- rows ---------------------------------------------------------------------------------------


def _row(one: _Raised, day: str, *, by_hand: bool) -> tuple[object, ...]:
    size = max(len(one.members), 1)
    return (*one.cause[:2], *one.about, one.text, one.todo, size, one.listed, day, by_hand)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def task_of(row: tuple[Any, ...], today: date | None) -> Task:
    """Return the task of a row of COLUMNS; with `today` it counts as open if its snooze is over by then."""
    number, code, text, todo, client, service, invoice, opened, seen, closed, state, said, by, on, until, *pile = row
    back_on = _day(until)
    if state == "snoozed" and today is not None and back_on is not None and back_on <= today:
        state, back_on = "open", None
    return Task(
        number,
        code,
        text,
        todo,
        None if client is None else ClientId(client),
        None if service is None else ServiceId(service),
        None if invoice is None else InvoiceId(invoice),
        date.fromisoformat(opened),
        date.fromisoformat(seen),
        _day(closed),
        state,
        said,
        by,
        _day(on),
        back_on,
        pile[0],
        pile[1],
        tuple(_members(pile[2])) if pile[2] else (),
    )
