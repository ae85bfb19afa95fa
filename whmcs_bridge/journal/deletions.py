"""Whose accounts there were, what is planned to go, and the evidence of what went: a chain of hashes."""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import (
    ChainLink,
    DeletionPlan,
    GoneRecord,
    Handover,
    PlannedItem,
    PlanState,
    Tombstone,
)
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.ports import EvidenceLink
from whmcs_bridge.storage import Store

FIRST_LINK: Final = "0" * 64
"""What the first record of the chain names as the one before it."""

_encode: Final = msgspec.json.Encoder().encode
_canonical: Final = msgspec.json.Encoder(order="sorted").encode
_account: Final = msgspec.json.Decoder(AccountIdentity).decode
_plan: Final = msgspec.json.Decoder(DeletionPlan).decode
_item: Final = msgspec.json.Decoder(PlannedItem).decode
_handover: Final = msgspec.json.Decoder(Handover).decode
_tombstone: Final = msgspec.json.Decoder(Tombstone).decode
_gone: Final = msgspec.json.Decoder(GoneRecord).decode


class SqliteDeletions:
    """The part of the journal that is about backups; see ports.Deletions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- whose accounts

    def accounts(self, services: Collection[ServiceId] | None = None) -> Iterator[AccountIdentity]:
        with self._store.looking as conn:
            if services is None:
                rows = conn.execute("SELECT body FROM accounts").fetchall()
            else:
                wanted = _json([int(s) for s in services])
                rows = conn.execute(
                    "SELECT body FROM accounts WHERE service_id IN (SELECT value FROM json_each(?)) ORDER BY number",
                    (wanted,),
                ).fetchall()
        return (_account(body) for (body,) in rows)

    def accounts_named(self, server: int | None, username: str) -> list[AccountIdentity]:
        with self._store.looking as conn:
            rows = conn.execute(
                "SELECT body FROM accounts WHERE username=?1 AND (?2 IS NULL OR server=?2) ORDER BY number",
                (username, server),
            )
            return [_account(body) for (body,) in rows]

    def save_accounts(self, accounts: Iterable[AccountIdentity]) -> None:
        rows = [(int(a.service), int(a.client), a.server, a.username, a.under, _encode(a).decode()) for a in accounts]
        if not rows:
            return
        with self._store.writing as conn:
            conn.executemany(
                "INSERT INTO accounts(service_id, client_id, server, username, under, body) VALUES(?,?,?,?,?,?) "
                "ON CONFLICT(service_id, server, username) DO UPDATE SET "
                "client_id=excluded.client_id, under=excluded.under, body=excluded.body",
                rows,
            )

    def drop_accounts(self, accounts: Iterable[AccountIdentity]) -> None:
        rows = [(int(a.service), a.server, a.username) for a in accounts]
        with self._store.writing as conn:
            conn.executemany("DELETE FROM accounts WHERE service_id=? AND server=? AND username=?", rows)

    # --- plans

    def add_plan(self, plan: DeletionPlan, links: Iterable[EvidenceLink] = ()) -> DeletionPlan:
        with self._store.writing as conn:
            conn.execute(
                "UPDATE deletion_plans SET state=?, body=json_set(body, '$.state', ?1) WHERE service_id=? AND state<>?",
                (PlanState.REPLACED, int(plan.service), PlanState.REPLACED),
            )
            cursor = conn.execute(
                "INSERT INTO deletion_plans(digest, service_id, client_id, state, made_at, next_check_at, body) "
                "VALUES(?,?,?,?,?,?,?)",
                (
                    plan.digest,
                    int(plan.service),
                    int(plan.client),
                    plan.state,
                    plan.made_at.isoformat(),
                    _next_check(plan),
                    _head(plan),
                ),
            )
            assert cursor.lastrowid is not None
            kept = replace(plan, number=cursor.lastrowid)
            conn.executemany(
                "INSERT INTO deletion_items(plan, position, state, body) VALUES(?,?,?,?)",
                [(kept.number, n, p.state, _encode(p).decode()) for n, p in enumerate(kept.items)],
            )
            _append(conn, links)
        return kept

    def save_plan(self, plan: DeletionPlan, links: Iterable[EvidenceLink] = ()) -> None:
        with self._store.writing as conn:
            _append(conn, links)
            conn.execute(
                "UPDATE deletion_plans SET state=?, next_check_at=?, body=? WHERE number=?",
                (plan.state, _next_check(plan), _head(plan), plan.number),
            )

    def save_items(self, plan: int, items: Mapping[int, PlannedItem], links: Iterable[EvidenceLink] = ()) -> None:
        with self._store.writing as conn:
            _append(conn, links)
            conn.executemany(
                "UPDATE deletion_items SET state=?, body=? WHERE plan=? AND position=?",
                [(p.state, _encode(p).decode(), plan, n) for n, p in items.items()],
            )

    def plan_of(self, service: ServiceId) -> DeletionPlan | None:
        """The newest plan of a service."""
        return next(iter(self._plans("service_id=?", (int(service),), 1)), None)

    def digests_of(self, service: ServiceId) -> frozenset[str]:
        with self._store.looking as conn:
            rows = conn.execute("SELECT digest FROM deletion_plans WHERE service_id=?", (int(service),))
            return frozenset(row[0] for row in rows)

    def plan_named(self, digest: str) -> list[DeletionPlan]:
        return self._plans("substr(digest, 1, ?)=?", (len(digest), digest), 10)

    def plans(self, states: Collection[PlanState] | None = None) -> list[DeletionPlan]:
        if states is None:
            return self._plans("1", ())
        return self._plans(f"state IN ({','.join('?' * len(states))})", tuple(states))

    def plan_heads(self, states: Collection[PlanState], *, to_check: datetime | None = None) -> list[DeletionPlan]:
        """Plans of these states without their items: for what is asked at every run."""
        marks = ",".join("?" * len(states))
        where, given = f"state IN ({marks})", list(map(str, states))
        if to_check is not None:
            where += " AND next_check_at <= ?"
            given.append(_utc(to_check))
        with self._store.looking as conn:
            rows = conn.execute(f"SELECT number, body FROM deletion_plans WHERE {where} ORDER BY number", given)
            return [replace(_plan(body), number=number) for number, body in rows]

    def services_planned(self) -> set[ServiceId]:
        with self._store.looking as conn:
            rows = conn.execute("SELECT DISTINCT service_id FROM deletion_plans WHERE state<>?", (PlanState.REPLACED,))
            return {ServiceId(row[0]) for row in rows}

    def _plans(self, where: str, given: Sequence[object], limit: int = -1) -> list[DeletionPlan]:
        """`limit`: so many of the newest; below 0 all."""
        with self._store.looking as conn:
            heads = conn.execute(
                f"SELECT number, body FROM deletion_plans WHERE {where} ORDER BY number DESC LIMIT ?", (*given, limit)
            ).fetchall()
            return [
                replace(
                    _plan(body),
                    number=number,
                    items=tuple(
                        _item(row[0])
                        for row in conn.execute(
                            "SELECT body FROM deletion_items WHERE plan=? ORDER BY position", (number,)
                        )
                    ),
                )
                for number, body in heads
            ]

    # --- evidence

    def add_links(self, links: Iterable[EvidenceLink]) -> str:
        with self._store.writing as conn:
            return _append(conn, links)

    def links(self, service: ServiceId | None = None) -> Iterator[ChainLink]:
        where, given = ("1", ()) if service is None else ("service_id=?", (int(service),))
        last = 0
        while True:
            with self._store.looking as conn:
                rows = conn.execute(
                    f"SELECT * FROM evidence_chain WHERE {where} AND number>? ORDER BY number LIMIT 1000",
                    (*given, last),
                ).fetchall()
            if not rows:
                return
            for row in rows:
                last = row[0]
                yield ChainLink(row[0], ServiceId(row[1]), *row[2:])

    def head(self) -> str:
        with self._store.looking as conn:
            row = conn.execute("SELECT digest FROM evidence_chain ORDER BY number DESC LIMIT 1").fetchone()
        return FIRST_LINK if row is None else str(row[0])

    def newest(self) -> ChainLink | None:
        return self._link("1", ())

    def link_of(self, digest: str) -> ChainLink | None:
        return self._link("digest=?", (digest,))

    def _link(self, where: str, given: Sequence[object]) -> ChainLink | None:
        with self._store.looking as conn:
            row = conn.execute(
                f"SELECT * FROM evidence_chain WHERE {where} ORDER BY number DESC LIMIT 1", given
            ).fetchone()
        return None if row is None else ChainLink(row[0], ServiceId(row[1]), *row[2:])

    def deleted_on(self, day: date) -> int:
        """Counted from the end, as far as the day reaches back."""
        with self._store.looking as conn:
            row = conn.execute(
                "SELECT count(*) FROM evidence_chain WHERE kind='deleted' AND substr(at, 1, 10)=?1 AND number > "
                "coalesce((SELECT number FROM evidence_chain WHERE substr(at, 1, 10)<?1 "
                "ORDER BY number DESC LIMIT 1), 0)",
                (day.isoformat(),),
            ).fetchone()
        return int(row[0])

    def broken_at(self) -> str:
        """Check the whole chain; say what is wrong with it, "" for nothing."""
        before = FIRST_LINK
        for number, link in enumerate(self.links(), 1):
            if link.number != number:
                return f"record {number} is missing"
            if link.previous != before:
                return f"record {number} does not follow the one before it"
            if digest_of(link) != link.digest:
                return f"record {number} was changed after it was written"
            before = link.digest
        return ""

    # --- wishes, tombstones, deleted records

    def save_handover(self, handover: Handover) -> None:
        with self._store.writing as conn:
            conn.execute(
                "INSERT OR REPLACE INTO handovers VALUES(?,?,?)",
                (int(handover.service), handover.state == "open", _encode(handover).decode()),
            )

    def handovers(self, *, open_only: bool = True) -> dict[ServiceId, Handover]:
        with self._store.looking as conn:
            rows = conn.execute(f"SELECT body FROM handovers{' WHERE open' if open_only else ''}")
            found = [_handover(body) for (body,) in rows]
        return {h.service: h for h in found}

    def save_tombstone(self, stone: Tombstone) -> None:
        with self._store.writing as conn:
            conn.execute("INSERT OR REPLACE INTO tombstones VALUES(?,?)", (int(stone.service), _encode(stone).decode()))

    def tombstones(self) -> dict[ServiceId, Tombstone]:
        with self._store.looking as conn:
            found = [_tombstone(body) for (body,) in conn.execute("SELECT body FROM tombstones")]
        return {stone.service: stone for stone in found}

    def erased_names(self) -> dict[str, list[tuple[int, ServiceId]]]:
        found: dict[str, list[tuple[int, ServiceId]]] = {}
        with self._store.looking as conn:
            for name, server, service in conn.execute(
                "SELECT username, server, service_id FROM accounts JOIN tombstones USING (service_id) "
                "WHERE username<>''"
            ):
                found.setdefault(name, []).append((server, ServiceId(service)))
        return found

    def drop_tombstone(self, service: ServiceId) -> None:
        with self._store.writing as conn:
            conn.execute("DELETE FROM tombstones WHERE service_id=?", (int(service),))

    def save_gone(self, record: GoneRecord) -> None:
        with self._store.writing as conn:
            conn.execute(
                "INSERT OR REPLACE INTO gone_records VALUES(?,?,?)",
                (int(record.service), not record.done, _encode(record).decode()),
            )

    def gone(self, service: ServiceId | None = None) -> list[GoneRecord]:
        """Records that are still looked at; or the one of a service, whatever its state."""
        with self._store.looking as conn:
            rows = (
                conn.execute("SELECT body FROM gone_records WHERE open ORDER BY service_id")
                if service is None
                else conn.execute("SELECT body FROM gone_records WHERE service_id=?", (int(service),))
            )
            return [_gone(body) for (body,) in rows]


def _append(conn: sqlite3.Connection, links: Iterable[EvidenceLink]) -> str:
    """Append records to the chain; return the digest of the newest."""
    row = conn.execute("SELECT number, digest FROM evidence_chain ORDER BY number DESC LIMIT 1").fetchone()
    number, digest = row if row is not None else (0, FIRST_LINK)
    rows = []
    for service, plan, at, kind, what in links:
        number += 1
        link = ChainLink(number, service, plan, at.isoformat(), kind, _canonical(what).decode(), digest, "")
        digest = digest_of(link)
        rows.append((number, int(service), plan, link.at, kind, link.body, link.previous, digest))
    conn.executemany("INSERT INTO evidence_chain VALUES(?,?,?,?,?,?,?,?)", rows)
    return str(digest)


def digest_of(link: ChainLink) -> str:
    """Return the sha256 that covers the record and the one before it."""
    whole = [link.previous, link.number, int(link.service), link.plan, link.at, link.kind, link.body]
    return hashlib.sha256(_encode(whole)).hexdigest()


def merge_clients(conn: sqlite3.Connection, source: ClientId, target: ClientId) -> None:
    """What was kept about one client's accounts follows them to another."""
    for table in ("accounts", "deletion_plans"):
        conn.execute(
            f"UPDATE {table} SET client_id=?2, body=json_set(body, '$.client', ?2) WHERE client_id=?1",
            (source, target),
        )
    for table in ("handovers", "tombstones", "gone_records"):
        conn.execute(
            f"UPDATE {table} SET body=json_set(body, '$.client', ?2) WHERE json_extract(body, '$.client')=?1",
            (source, target),
        )


def _next_check(plan: DeletionPlan) -> str | None:
    times = [s.next_check_at for s in plan.stores if s.next_check_at is not None]
    return _utc(min(times)) if times and plan.state in (PlanState.OPEN, PlanState.DONE) else None


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _head(plan: DeletionPlan) -> str:
    """The plan without its items, which lie in rows of their own."""
    return _encode(replace(plan, items=())).decode()


def _json(value: object) -> str:
    return _encode(value).decode()
