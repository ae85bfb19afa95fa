"""The inbox: what WHMCS told us and we have not worked off yet. Kept before WHMCS is told that it arrived."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.ports import EventState, InboxDepth, InboxEvent

HANDLED_KEPT_DAYS: Final = 30
"""So long a delivery that comes again is known to have come before."""

_COLUMNS: Final = "number, event_id, hook, client_id, payload, received_at, state, tries, next_try_at, error"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def accept(
    conn: sqlite3.Connection,
    event_id: str,
    point: str,
    client: ClientId | None,
    payload: Mapping[str, Any],
    at: datetime,
) -> bool:
    """Keep one event; False if one with this id came before.

    News of a client makes its earlier events due again: whoever waits for WHMCS need not hold a payment up.
    """
    made = conn.execute(
        "INSERT OR IGNORE INTO inbox(event_id, hook, client_id, payload, received_at, state) VALUES(?,?,?,?,?,?)",
        (event_id, point, client, _encode(payload).decode(), at.isoformat(), EventState.WAITING),
    ).rowcount
    if made == 1 and client is not None:
        conn.execute(
            "UPDATE inbox SET next_try_at=NULL WHERE state='waiting' AND next_try_at IS NOT NULL AND client_id=?",
            (client,),
        )
    return made == 1


def waiting(conn: sqlite3.Connection, at: datetime, limit: int) -> list[InboxEvent]:
    """Events that may be handled now, in order of arrival.

    A client's events are handled in order: while an earlier one waits for its next try, the later ones wait with it.
    """
    found: list[InboxEvent] = []
    held: set[ClientId] = set()
    rows = conn.execute(f"SELECT {_COLUMNS} FROM inbox WHERE state=? ORDER BY number", (EventState.WAITING,))
    for row in rows:
        event = _event(row)
        if event.client in held:
            continue
        if event.next_try_at is not None and event.next_try_at > at:
            if event.client is not None:
                held.add(event.client)
            continue
        found.append(event)
        if len(found) == limit:
            break
    return found


def done(conn: sqlite3.Connection, numbers: Sequence[int], at: datetime) -> None:
    """These are handled; what was handled long ago is forgotten."""
    conn.executemany(
        "UPDATE inbox SET state=?, handled_at=?, error='' WHERE number=?",
        [(EventState.HANDLED, at.isoformat(), number) for number in numbers],
    )
    long_ago = (at - timedelta(days=HANDLED_KEPT_DAYS)).isoformat()
    conn.execute("DELETE FROM inbox WHERE state=? AND handled_at < ?", (EventState.HANDLED, long_ago))


def failed(conn: sqlite3.Connection, numbers: Sequence[int], error: str, next_try_at: datetime | None) -> None:
    """These failed: tried again at `next_try_at`, or set aside for a person."""
    state = EventState.SET_ASIDE if next_try_at is None else EventState.WAITING
    later = None if next_try_at is None else next_try_at.isoformat()
    conn.executemany(
        "UPDATE inbox SET state=?, tries=tries + 1, next_try_at=?, error=? WHERE number=?",
        [(state, later, error, number) for number in numbers],
    )


def retry(conn: sqlite3.Connection, number: int) -> None:
    """Put one that was set aside back in line; raises UnknownId."""
    found = conn.execute(
        "UPDATE inbox SET state=?, tries=0, next_try_at=NULL WHERE number=? AND state=?",
        (EventState.WAITING, number, EventState.SET_ASIDE),
    ).rowcount
    if not found:
        raise UnknownId(f"no event {number} was set aside; whmcs-bridge journal inbox lists them")


def events(conn: sqlite3.Connection, state: EventState | None, limit: int) -> list[InboxEvent]:
    """The newest events, newest first."""
    where, given = ("WHERE state=?", [state]) if state is not None else ("", [])
    rows = conn.execute(f"SELECT {_COLUMNS} FROM inbox {where} ORDER BY number DESC LIMIT ?", (*given, limit))
    return [_event(row) for row in rows]


def depth(conn: sqlite3.Connection) -> InboxDepth:
    """How much waits, and since when."""
    count, oldest = conn.execute(
        "SELECT count(*), min(received_at) FROM inbox WHERE state=?", (EventState.WAITING,)
    ).fetchone()
    aside = conn.execute("SELECT count(*) FROM inbox WHERE state=?", (EventState.SET_ASIDE,)).fetchone()[0]
    return InboxDepth(count, aside, datetime.fromisoformat(oldest) if oldest else None)


def _event(row: tuple[Any, ...]) -> InboxEvent:
    number, event_id, point, client, payload, received_at, state, tries, next_try_at, error = row
    return InboxEvent(
        number,
        event_id,
        point,
        None if client is None else ClientId(client),
        _decode(payload),
        datetime.fromisoformat(received_at),
        EventState(state),
        tries,
        None if next_try_at is None else datetime.fromisoformat(next_try_at),
        error,
    )
