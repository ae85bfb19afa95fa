"""What WHMCS was told about people's records: written down before it is said, so that nothing is said twice."""

import sqlite3
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final

import msgspec

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import Record
from whmcs_bridge.ports import Telling, TellState

_record: Final = msgspec.json.Decoder(Record).decode
_encode: Final = msgspec.json.Encoder().encode


def recent(conn: sqlite3.Connection, kinds: Collection[str], since: date, client: ClientId | None) -> list[Record]:
    """Records of these kinds made or closed on that day or later, by number; of one client, or of all."""
    rows = conn.execute(
        """SELECT body FROM records WHERE kind IN (SELECT value FROM json_each(:kinds))
            AND (closed_on >= :since OR json_extract(body, '$.made_on') >= :since)"""
        + (" AND client_id = :client" if client is not None else "")
        + " ORDER BY id",
        {"kinds": _encode(sorted(kinds)).decode(), "since": since.isoformat(), "client": client},
    )
    return [_record(body) for (body,) in rows]


def of_records(conn: sqlite3.Connection, numbers: Collection[int]) -> Mapping[Telling, tuple[TellState, datetime]]:
    """What was told of these records, and when."""
    rows = conn.execute(
        "SELECT record, what, channel, state, at FROM tells WHERE record IN (SELECT value FROM json_each(?))",
        (_encode(list(numbers)).decode(),),
    )
    return {
        Telling(record, what, channel): (TellState(state), datetime.fromisoformat(at))
        for record, what, channel, state, at in rows
    }


def keep(conn: sqlite3.Connection, tell: Telling, state: TellState | None, at: datetime) -> None:
    """Write down how far a tell has come; None: it was provably never said."""
    key = (tell.record, tell.what, tell.channel)
    if state is None:
        conn.execute("DELETE FROM tells WHERE record=? AND what=? AND channel=?", key)
    else:
        conn.execute("INSERT OR REPLACE INTO tells VALUES(?,?,?,?,?)", (*key, state, at.isoformat()))
