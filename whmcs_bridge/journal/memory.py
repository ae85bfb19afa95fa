"""Cases, records, memberships, approvals, plans and other things worth remembering."""

import sqlite3
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.ports import Approval, MembershipMove, PolicyText

PLANS_KEPT_DAYS: Final = 30
ANNOUNCING_DAYS: Final = 7
"""A step is announced by one of the last so many days that had a plan."""
_DEFLATE_LEVEL: Final = 3

NO_MEMBERSHIP: Final = Membership()
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_case: Final = msgspec.json.Decoder(Case).decode
_cases: Final = msgspec.json.Decoder(tuple[Case, ...]).decode
_record: Final = msgspec.json.Decoder(Record).decode
_records: Final = msgspec.json.Decoder(list[Record]).decode
_membership: Final = msgspec.json.Decoder(Membership).decode


# --- cases ------------------------------------------------------------------------------------


def cases(conn: sqlite3.Connection, services: Collection[ServiceId] | None) -> dict[ServiceId, Case]:
    """Return the cases of these services, or all."""
    if services is None:
        rows = conn.execute("SELECT body FROM cases")
    else:
        wanted = _encode(list(services)).decode()
        rows = conn.execute("SELECT body FROM cases WHERE service_id IN (SELECT value FROM json_each(?))", (wanted,))
    return {case.service_id: case for case in (_case(body) for (body,) in rows)}


def save_cases(conn: sqlite3.Connection, changed: Iterable[Case]) -> None:
    """Add or replace."""
    conn.executemany(
        "INSERT OR REPLACE INTO cases VALUES(?,?,?)",
        [(case.service_id, is_open(case), _encode(case).decode()) for case in changed],
    )


def is_open(case: Case) -> bool:
    """Something may still have to happen: debt is or was seen, the service is down, or its backups are not gone."""
    if case.opened_on or case.suspended_on or case.adopted_on:
        return True
    return case.ended_on is not None and case.erased_on is None


def open_cases(conn: sqlite3.Connection) -> set[ServiceId]:
    """Services whose case is open."""
    return {ServiceId(row[0]) for row in conn.execute("SELECT service_id FROM cases WHERE open")}


# --- records and memberships --------------------------------------------------------------------


def records(
    conn: sqlite3.Connection, client: ClientId | None, kind: RecordKind | None, *, open_only: bool
) -> list[Record]:
    """Records by number; a client's own, not those for everyone."""
    wanted = {"client_id": client, "kind": kind, "state": RecordState.OPEN if open_only else None}
    given = {column: value for column, value in wanted.items() if value is not None}
    where = " AND ".join(f"{column}=?" for column in given) or "1"
    rows = conn.execute(f"SELECT body FROM records WHERE {where} ORDER BY id", tuple(given.values()))
    return [_record(body) for (body,) in rows]


def add_record(conn: sqlite3.Connection, record: Record) -> Record:
    """Store a new record; return it with its number."""
    number = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM records").fetchone()[0]
    kept = replace(record, id=number)
    conn.execute(
        "INSERT INTO records(id, kind, state, client_id, closed_on, body) VALUES(?,?,?,?,?,?)",
        (number, kept.kind, kept.state, kept.client_id, kept.closed_on and kept.closed_on.isoformat(), _json(kept)),
    )
    return kept


def close_record(conn: sqlite3.Connection, number: int, state: RecordState, on: date, note: str, by: str) -> None:
    """Close a record; raises UnknownId."""
    row = conn.execute("SELECT body FROM records WHERE id=?", (number,)).fetchone()
    if row is None:
        raise UnknownId(f"no record {number}")
    closed = replace(_record(row[0]), state=state, closed_on=on, closed_by=by, closed_why=note)
    conn.execute(
        "UPDATE records SET state=?, closed_on=?, note=?, body=? WHERE id=?",
        (state, on.isoformat(), note, _json(closed), number),
    )


def memberships(conn: sqlite3.Connection) -> dict[ClientId, Membership]:
    """Every membership known."""
    return {
        ClientId(client): _membership(body) for client, body in conn.execute("SELECT client_id, body FROM memberships")
    }


def membership(conn: sqlite3.Connection, client: ClientId) -> Membership | None:
    """One client's membership, if it is known."""
    row = conn.execute("SELECT body FROM memberships WHERE client_id=?", (client,)).fetchone()
    return None if row is None else _membership(row[0])


def merge_clients(conn: sqlite3.Connection, source: ClientId, target: ClientId) -> None:
    """Let what is kept about one client follow its services to another; a membership only where the other has none."""
    for table in ("records", "cases"):
        where = "client_id=?1" if table == "records" else "json_extract(body, '$.client_id')=?1"
        conn.execute(f"UPDATE {table} SET body=json_set(body, '$.client_id', ?2) WHERE {where}", (source, target))
    for table in ("records", "tasks", "inbox", "membership_moves"):
        conn.execute(f"UPDATE {table} SET client_id=?2 WHERE client_id=?1", (source, target))
    conn.execute("UPDATE OR IGNORE memberships SET client_id=?2 WHERE client_id=?1", (source, target))
    conn.execute("DELETE FROM memberships WHERE client_id=?", (source,))


_KEPT_OF_CLIENT: Final = """
    SELECT (SELECT '[' || group_concat(body) || ']' FROM records WHERE client_id=?1),
        (SELECT body FROM memberships WHERE client_id=?1),
        (SELECT '[' || group_concat(body) || ']' FROM cases WHERE service_id IN (SELECT value FROM json_each(?2)))"""


def kept_of(
    conn: sqlite3.Connection, client: ClientId, services: Collection[ServiceId]
) -> tuple[list[Record], Membership | None, dict[ServiceId, Case]]:
    """Return a client's own records by number, its membership, and the cases of these services, with one statement."""
    row = conn.execute(_KEPT_OF_CLIENT, (client, _encode(list(services)).decode())).fetchone()
    told, member, known = row
    return (
        [] if told is None else sorted(_records(told), key=attrgetter("id")),
        None if member is None else _membership(member),
        {} if known is None else {case.service_id: case for case in _cases(known)},
    )


def save_memberships(conn: sqlite3.Connection, changed: Mapping[ClientId, Membership]) -> None:
    """Add or replace; a move into or out of the group is kept for good, what was so before we came is none."""
    wanted = _json(list(changed))
    rows = conn.execute(
        "SELECT client_id, body FROM memberships WHERE client_id IN (SELECT value FROM json_each(?))", (wanted,)
    )
    known = {client: _membership(body) for client, body in rows}
    moves = [(client, *move) for client, new in changed.items() if (move := _move(known.get(client), new)) is not None]
    conn.executemany("INSERT INTO membership_moves(client_id, day, joined, by_hand) VALUES(?,?,?,?)", moves)
    rows_now = [(client, _json(new)) for client, new in changed.items()]
    conn.executemany("INSERT OR REPLACE INTO memberships VALUES(?,?)", rows_now)


def _move(known: Membership | None, new: Membership) -> tuple[str, bool, bool] | None:
    """Day, whether the client joined, whether somebody else did it; None where nobody moved."""
    if known is None:
        known = NO_MEMBERSHIP
    by_hand = new.set_by_hand_on is not None and new.set_by_hand_on != known.set_by_hand_on
    if known.member_since is None and new.member_since not in (None, date.min):
        return str(new.member_since), True, by_hand
    if known.member_since is not None and new.member_since is None:
        left = new.set_by_hand_on if by_hand else new.removed_by_us_on
        return None if left is None else (left.isoformat(), False, by_hand)
    return None


def membership_moves(conn: sqlite3.Connection, client: ClientId | None) -> list[MembershipMove]:
    """See ports.Journal."""
    where, given = ("WHERE client_id=?", (client,)) if client is not None else ("", ())
    rows = conn.execute(f"SELECT client_id, day, joined, by_hand FROM membership_moves {where} ORDER BY number", given)
    return [
        MembershipMove(ClientId(who), date.fromisoformat(day), bool(joined), bool(by_hand))
        for who, day, joined, by_hand in rows
    ]


# --- approvals --------------------------------------------------------------------------------


def approvals(conn: sqlite3.Connection) -> dict[ServiceId, frozenset[str]]:
    """Approved step kinds of each service that has any."""
    found: dict[ServiceId, set[str]] = {}
    for service, kind in conn.execute("SELECT service_id, kind FROM approvals"):
        found.setdefault(ServiceId(service), set()).add(kind)
    return {service: frozenset(kinds) for service, kinds in found.items()}


def approve(conn: sqlite3.Connection, approval: Approval) -> None:
    """Add or replace; that it was given is kept for good."""
    given = (approval.service, approval.kind, approval.by, approval.on.isoformat())
    conn.execute("INSERT OR REPLACE INTO approvals VALUES(?,?,?,?)", given)
    conn.execute("INSERT INTO approvals_given(service_id, kind, approved_by, approved_on) VALUES(?,?,?,?)", given)


def drop_approval(conn: sqlite3.Connection, service: ServiceId, kind: str) -> None:
    """Take an approval back; none is fine."""
    conn.execute("DELETE FROM approvals WHERE service_id=? AND kind=?", (service, kind))


# --- plans and policies ---------------------------------------------------------------------------


def save_plan(conn: sqlite3.Connection, day: date, fingerprint: str, payload: str, digests: Mapping[str, str]) -> None:
    """Keep a plan; drop those of days more than a month before the last day that had one."""
    conn.execute(
        "INSERT OR REPLACE INTO plans(fingerprint, day, payload, digests) VALUES(?,?,?,?)",
        (fingerprint, day.isoformat(), _deflate(payload.encode()), _deflate(_encode(digests))),
    )
    before = conn.execute("SELECT max(day) FROM plans WHERE day < ?", (day.isoformat(),)).fetchone()[0]
    if before is not None:
        oldest = date.fromisoformat(before) - timedelta(days=PLANS_KEPT_DAYS)
        conn.execute("DELETE FROM plans WHERE day < ?", (oldest.isoformat(),))


def plan(conn: sqlite3.Connection, fingerprint: str) -> tuple[date, str] | None:
    """Return a kept plan's day and JSON text."""
    row = conn.execute(
        "SELECT day, payload FROM plans WHERE fingerprint=? ORDER BY number DESC LIMIT 1", (fingerprint,)
    ).fetchone()
    return None if row is None else (date.fromisoformat(row[0]), zlib.decompress(row[1]).decode())


def announced(conn: sqlite3.Connection, day: date) -> dict[str, str]:
    """See ports.Journal."""
    rows = conn.execute(
        "SELECT digests, max(number) FROM plans WHERE day < ? GROUP BY day ORDER BY day DESC LIMIT ?",
        (day.isoformat(), ANNOUNCING_DAYS),
    ).fetchall()
    digests: dict[str, str] = {}
    for packed, _ in reversed(rows):
        digests.update(_decode(zlib.decompress(packed)))
    return digests


def note_policy(conn: sqlite3.Connection, version: str, text: str, on: date) -> None:
    """Keep the rules that were in force under their version, with the first and last day of use."""
    conn.execute(
        "INSERT INTO policies VALUES(?1,?2,?2,?3) "
        "ON CONFLICT(version) DO UPDATE SET last_used_on=max(last_used_on, excluded.last_used_on)",
        (version, on.isoformat(), text),
    )


def policy_is_noted(conn: sqlite3.Connection, version: str, on: date) -> bool:
    """See ports.Journal."""
    row = conn.execute("SELECT last_used_on FROM policies WHERE version=?", (version,)).fetchone()
    return row is not None and bool(row[0] >= on.isoformat())


def policies(conn: sqlite3.Connection) -> list[PolicyText]:
    """See ports.Journal."""
    syncs = dict(conn.execute("SELECT policy_version, count(*) FROM runs WHERE job='sync' GROUP BY policy_version"))
    rows = conn.execute(
        "SELECT version, first_used_on, last_used_on, text FROM policies ORDER BY last_used_on DESC, rowid DESC"
    )
    return [
        PolicyText(version, date.fromisoformat(first), date.fromisoformat(last), text, syncs.get(version, 0))
        for version, first, last, text in rows
    ]


# --- small values and evidence --------------------------------------------------------------------


def get(conn: sqlite3.Connection, key: str, default: Any) -> Any:
    """See ports.Journal."""
    row = conn.execute("SELECT value FROM remembered WHERE key=?", (key,)).fetchone()
    return default if row is None else _decode(row[0])


def put(conn: sqlite3.Connection, key: str, value: Any) -> None:
    """Remember a value that JSON can hold."""
    conn.execute("INSERT OR REPLACE INTO remembered VALUES(?,?)", (key, _json(value)))


def add_evidence(conn: sqlite3.Connection, service: ServiceId, at: datetime, payload: Mapping[str, Any]) -> None:
    """Add a piece of evidence; none is ever changed."""
    conn.execute(
        "INSERT INTO evidence(service_id, at, payload) VALUES(?,?,?)", (service, at.isoformat(), _json(payload))
    )


def evidence(conn: sqlite3.Connection, service: ServiceId) -> list[Mapping[str, Any]]:
    """The service's evidence, oldest first."""
    rows = conn.execute("SELECT payload FROM evidence WHERE service_id=? ORDER BY number", (service,))
    return [_decode(payload) for (payload,) in rows]


def _json(value: object) -> str:
    return _encode(value).decode()


def _deflate(data: bytes) -> bytes:
    return zlib.compress(data, _DEFLATE_LEVEL)
