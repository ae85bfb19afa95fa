"""Shadow mode's record: what would have been done, and how far each case would have come by it."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import ShadowCase, ShadowStep

_encode: Final = msgspec.json.Encoder().encode
_step: Final = msgspec.json.Decoder(ShadowStep).decode
_case: Final = msgspec.json.Decoder(ShadowCase).decode


def save_steps(conn: sqlite3.Connection, run: int, steps: Iterable[ShadowStep]) -> None:
    """Add imagined steps, each id once; one that is known already stays as it was."""
    conn.executemany(
        "INSERT OR IGNORE INTO shadow_steps(run, day, step_id, kind, client_id, service_id, body) "
        "VALUES(?,?,?,?,?,?,?)",
        [
            (run, s.step.date.isoformat(), s.step.id, s.step.kind, s.step.client, s.step.service, _encode(s).decode())
            for s in steps
        ],
    )


def steps(conn: sqlite3.Connection, since: date) -> list[ShadowStep]:
    """See ports.Journal."""
    rows = conn.execute("SELECT body FROM shadow_steps WHERE day >= ? ORDER BY number", (since.isoformat(),))
    return [_step(body) for (body,) in rows]


def usual(conn: sqlite3.Connection, before: date, days: int) -> Mapping[str, list[int]]:
    """See ports.Journal."""
    found: dict[str, list[int]] = {}
    rows = conn.execute(
        "SELECT kind, count(*) FROM shadow_steps WHERE day < ? GROUP BY kind, day ORDER BY day DESC",
        (before.isoformat(),),
    )
    for kind, count in rows:
        counts = found.setdefault(kind, [])
        if len(counts) < days:
            counts.append(count)
    return found


def counts(conn: sqlite3.Connection, day: date) -> Mapping[tuple[str, bool], int]:
    """(kind, announced) -> steps imagined on this house day."""
    rows = conn.execute("SELECT body FROM shadow_steps WHERE day = ?", (day.isoformat(),))
    return Counter((found.kind.value, found.announced) for found in (_step(body).step for (body,) in rows))


def cases(conn: sqlite3.Connection) -> dict[ServiceId, ShadowCase]:
    """See ports.Journal."""
    return {ServiceId(service): _case(body) for service, body in conn.execute("SELECT * FROM shadow_cases")}


def save_cases(conn: sqlite3.Connection, changed: Iterable[ShadowCase]) -> None:
    """Add or replace."""
    conn.executemany(
        "INSERT OR REPLACE INTO shadow_cases VALUES(?,?)",
        [(shadow.case.service_id, _encode(shadow).decode()) for shadow in changed],
    )


def drop_cases(conn: sqlite3.Connection, services: Collection[ServiceId] | None) -> None:
    """Forget these imagined cases, or all."""
    if services is None:
        conn.execute("DELETE FROM shadow_cases")
    else:
        conn.executemany("DELETE FROM shadow_cases WHERE service_id = ?", [(service,) for service in services])


def sync_days(conn: sqlite3.Connection, since: date) -> dict[date, set[tuple[str, str]]]:
    """See ports.Journal."""
    found: dict[date, set[tuple[str, str]]] = {}
    rows = conn.execute(
        "SELECT DISTINCT today, mode, outcome FROM runs WHERE job = 'sync' AND today >= ?", (since.isoformat(),)
    )
    for day, mode, outcome in rows:
        found.setdefault(date.fromisoformat(day), set()).add((mode, outcome))
    return found
