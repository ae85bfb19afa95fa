"""What others did to services, as a run found it."""

import sqlite3
from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import ForeignAct

_encode: Final = msgspec.json.Encoder().encode
_act: Final = msgspec.json.Decoder(ForeignAct).decode


def save_acts(conn: sqlite3.Connection, run: int, acts: Iterable[ForeignAct]) -> None:
    """Add what a run found."""
    conn.executemany(
        "INSERT INTO foreign_acts(run, day, service_id, client_id, actor, body) VALUES(?,?,?,?,?,?)",
        [(run, a.day.isoformat(), a.service, a.client, a.actor, _encode(a).decode()) for a in acts],
    )


def acts(conn: sqlite3.Connection, since: date, service: ServiceId | None) -> list[ForeignAct]:
    """See ports.Journal."""
    if service is None:
        rows = conn.execute("SELECT body FROM foreign_acts WHERE day >= ? ORDER BY number", (since.isoformat(),))
    else:
        rows = conn.execute(
            "SELECT body FROM foreign_acts WHERE service_id = ? AND day >= ? ORDER BY number",
            (service, since.isoformat()),
        )
    return [_act(body) for (body,) in rows]
