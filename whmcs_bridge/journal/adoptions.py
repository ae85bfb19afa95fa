"""What each `adopt` found, kept whole: the first day is what everything later is compared with."""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from whmcs_bridge.ports import AdoptionFindings

_DEFLATE_LEVEL: Final = 6


def add(
    conn: sqlite3.Connection, day: date, at: datetime, author: str, policy_version: str, payload: Mapping[str, Any]
) -> int:
    """Keep the findings of one `adopt`; return their number."""
    packed = zlib.compress(json.dumps(payload, ensure_ascii=False, default=str).encode(), _DEFLATE_LEVEL)
    cursor = conn.execute(
        "INSERT INTO adoptions(day, at, author, policy_version, payload) VALUES(?,?,?,?,?)",
        (day.isoformat(), at.isoformat(), author, policy_version, packed),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def newest(conn: sqlite3.Connection, limit: int) -> list[AdoptionFindings]:
    """Return the newest ones first."""
    rows = conn.execute(
        "SELECT number, day, at, author, policy_version, payload FROM adoptions ORDER BY number DESC LIMIT ?", (limit,)
    )
    return [
        AdoptionFindings(
            number,
            date.fromisoformat(day),
            datetime.fromisoformat(at),
            author,
            version,
            json.loads(zlib.decompress(packed)),
        )
        for number, day, at, author, version, packed in rows
    ]
