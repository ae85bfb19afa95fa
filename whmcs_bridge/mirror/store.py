"""The mirror on SQLite: the port's methods, each one block under the store's lock."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from whmcs_bridge.domain.book import (
    Addon,
    CancelRequest,
    Client,
    ClientGroup,
    Invoice,
    InvoiceHead,
    Product,
    Service,
)
from whmcs_bridge.domain.ids import ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.mirror import books as reading
from whmcs_bridge.mirror import oddities, saving, snapshots
from whmcs_bridge.mirror.books import Catalogue, load_catalogue
from whmcs_bridge.mirror.schema import MIRROR, SCRATCH
from whmcs_bridge.ports import DAYS_AHEAD, ClientBook, SnapshotInfo, StatusChange
from whmcs_bridge.storage import Store

SERVICES_AT_ONCE = 5_000


class SqliteMirror:
    """WHMCS's truth in one SQLite file. Safe to use from several threads; see ports.Mirror for each method."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the mirror; None keeps it in memory. Raises DatabaseTrouble or Locked."""
        self._store = Store(MIRROR, path)
        self._catalogue: Catalogue | None = None
        self._version = 0
        self._snapshot: tuple[object, reading.Snapshot] | None = None
        with self._store.looking as conn:
            for statement in SCRATCH:
                conn.execute(statement)

    # --- snapshots

    def begin(self, at: datetime) -> int:
        with self._store.writing as conn:
            return snapshots.begin(conn, at)

    def save_groups(self, groups: Iterable[ClientGroup]) -> None:
        with self._store.writing as conn:
            saving.save_groups(conn, groups)
            self._catalogue = None

    def save_products(self, products: Iterable[Product]) -> None:
        with self._store.writing as conn:
            saving.save_products(conn, products)
            self._catalogue = None

    def save_clients(self, clients: Iterable[Client], snapshot: int) -> None:
        with self._store.writing as conn:
            saving.save_clients(conn, clients, snapshot)

    def save_services(self, services: Iterable[Service], snapshot: int) -> None:
        with self._store.writing as conn:
            saving.save_services(conn, services, snapshot, snapshots.day_of(conn, snapshot))

    def save_service_live(self, service: Service) -> None:
        with self._store.writing as conn:
            newest = snapshots.newest(conn)
            saving.save_services(conn, (service,), newest, snapshots.day_of(conn, newest))

    def save_addons(self, addons: Iterable[Addon], snapshot: int) -> None:
        with self._store.writing as conn:
            saving.save_addons(conn, addons, snapshot)

    def save_cancel_requests(self, requests: Iterable[CancelRequest], snapshot: int) -> None:
        with self._store.writing as conn:
            saving.save_cancel_requests(conn, requests, snapshot)

    def save_heads(self, heads: Iterable[InvoiceHead], snapshot: int, today: date) -> None:
        with self._store.writing as conn:
            highest, settled = saving.save_heads(conn, heads, snapshot, today)
            snapshots.note_highest(conn, snapshot, highest, settled)

    def save_invoice(self, invoice: Invoice, at: datetime) -> None:
        with self._store.writing as conn:
            saving.save_invoice(conn, invoice, at, snapshots.newest(conn))

    def stale_invoices(
        self, snapshot: int, reread_before: date, reread_clients: Collection[ClientId]
    ) -> list[InvoiceId]:
        with self._store.looking as conn:
            return snapshots.stale_invoices(conn, reread_before, reread_clients)

    def vanished_invoices(self, snapshot: int) -> list[InvoiceId]:
        with self._store.looking as conn:
            return snapshots.vanished_invoices(conn, snapshot)

    def highest_invoice(self) -> InvoiceId:
        with self._store.looking as conn:
            return snapshots.highest_settled(conn)

    def finish(self, snapshot: int, at: datetime, complete: bool, problems: Sequence[str], today: date) -> None:
        with self._store.writing as conn:
            snapshots.finish(conn, snapshot, at, complete, problems, today)

    def moment(self) -> AbstractContextManager[object]:
        return self._store.reading

    def last(self) -> SnapshotInfo | None:
        with self._store.looking as conn:
            return snapshots.last(conn)

    # --- books

    def books(
        self, today: date, also: Collection[ClientId], *, everyone: bool = False, days_ahead: int = DAYS_AHEAD
    ) -> Iterator[ClientBook]:
        with self._store.reading as conn:
            links = reading.all_links(conn)
            clients = reading.everyone(conn) if everyone else reading.interesting(conn, today, also, links, days_ahead)
        for start in range(0, len(clients), reading.CHUNK_CLIENTS):
            # The lock is free between chunks: a step may be written down while the plan is still being read.
            with self._store.reading as conn:
                chunk = reading.read_books(
                    conn, clients[start : start + reading.CHUNK_CLIENTS], links, self._shared(conn)
                )
            yield from chunk

    def book(self, client: ClientId) -> ClientBook | None:
        with self._store.reading as conn:
            return reading.read_book(conn, client, *self._about_all(conn))

    def book_of_service(self, service: ServiceId) -> ClientBook | None:
        with self._store.reading as conn:
            return reading.read_book_of_service(conn, service, *self._about_all(conn))

    def client_of_invoice(self, invoice: InvoiceId) -> ClientId | None:
        with self._store.reading as conn:
            row = conn.execute("SELECT client_id FROM invoices WHERE id=?", (invoice,)).fetchone()
        return None if row is None else ClientId(row[0])

    def save_book_live(
        self,
        client: ClientId,
        services: Sequence[Service],
        addons: Sequence[Addon],
        heads: Sequence[InvoiceHead],
        invoices: Sequence[Invoice],
        at: datetime,
        today: date,
    ) -> None:
        with self._store.writing as conn:
            seen = snapshots.newest(conn)
            saving.save_services(conn, services, seen, today.isoformat())
            saving.miss_others(conn, client, {service.id for service in services})
            conn.execute(f"DELETE FROM addons WHERE {saving.of_client('?1')}", (client,))
            saving.save_addons(conn, addons, seen)
            saving.save_heads(conn, heads, seen, today)
            saving.close_others(conn, client, {head.id for head in heads}, today)
            for invoice in invoices:
                saving.save_invoice(conn, invoice, at, seen)
            conn.execute("INSERT OR REPLACE INTO live_reads VALUES(?,?,?)", (client, at.isoformat(), seen))

    def save_client_group(self, client: ClientId, group: GroupId) -> None:
        with self._store.writing as conn:
            conn.execute(
                "UPDATE clients SET group_id=?1, body=json_set(body, '$.group_id', ?1) WHERE id=?2", (group, client)
            )

    def save_credit(self, client: ClientId, credit: Decimal, currency: str, today: date) -> None:
        with self._store.writing as conn:
            conn.execute(
                "INSERT INTO client_money(client_id, currency, credit, credit_read_on) VALUES(?,?,?,?) "
                "ON CONFLICT(client_id) DO UPDATE SET currency=iif(excluded.currency='', currency, excluded.currency), "
                "credit=excluded.credit, credit_read_on=excluded.credit_read_on",
                (client, currency, str(credit), today.isoformat()),
            )

    def merge_history(self, source: ClientId, target: ClientId) -> None:
        with self._store.writing as conn:
            conn.execute(
                f"UPDATE OR REPLACE history SET key = key - (?1 << 32) + (?2 << 32) WHERE {saving.of_client('?1')}",
                (source, target),
            )

    # --- groups and counts

    def group_named(self, name: str) -> ClientGroup | None:
        with self._store.reading as conn:
            return next((group for group in self._shared(conn).groups.values() if group.name == name), None)

    def group(self, number: GroupId) -> ClientGroup | None:
        with self._store.reading as conn:
            return self._shared(conn).groups.get(number)

    def members(self, group: GroupId) -> list[ClientId]:
        with self._store.looking as conn:
            rows = conn.execute("SELECT id FROM clients WHERE group_id=? AND NOT missing ORDER BY id", (group,))
            return [ClientId(row[0]) for row in rows]

    def client_groups(self) -> Mapping[ClientId, GroupId]:
        with self._store.looking as conn:
            return dict(conn.execute("SELECT id, group_id FROM clients WHERE group_id <> 0 AND NOT missing").fetchall())

    def clients_of(self, services: Collection[ServiceId]) -> set[ClientId]:
        with self._store.looking as conn:
            find = "SELECT client_id FROM services WHERE id=?"
            found = (conn.execute(find, (service,)).fetchone() for service in services)
            return {ClientId(row[0]) for row in found if row is not None}

    def services_with_account(self, server: int, username: str) -> Sequence[Service]:
        # Not indexed: asked once a deletion, of a name that every sync would otherwise have to index.
        with self._store.looking as conn:
            rows = conn.execute("SELECT body FROM services WHERE json_extract(body, '$.username') = ?", (username,))
            found = [reading.service_of(row[0]) for row in rows]
            return [service for service in found if int(service.server_id) == server]

    def changed_services(self, after: int) -> tuple[int, Iterator[Service]]:
        with self._store.looking as conn:
            newest = snapshots.newest(conn)
            # A mirror that was made anew counts from 1 again: everything in it is new.
            since = after if after <= newest else 0
            keys = [row[0] for row in conn.execute("SELECT key FROM services WHERE seen >= ? ORDER BY key", (since,))]
        return newest, self._by_key(keys)

    def _by_key(self, keys: Sequence[int]) -> Iterator[Service]:
        for first in range(0, len(keys), SERVICES_AT_ONCE):
            wanted = json.dumps(keys[first : first + SERVICES_AT_ONCE])
            with self._store.looking as conn:
                rows = conn.execute(
                    "SELECT body FROM services WHERE key IN (SELECT value FROM json_each(?))", (wanted,)
                ).fetchall()
            yield from (reading.service_of(body) for (body,) in rows)

    def newly_overdue(self, today: date, since: date, highest: int) -> int:
        with self._store.looking as conn:
            # The status is spelled out as in the index on due dates, and narrowed.
            count: int = conn.execute(
                f"SELECT count(*) FROM invoices WHERE status IN {saving.OPEN} AND status <> 'Payment Pending' "
                "AND due < ? AND (due >= ? OR id > ?)",
                (today.isoformat(), since.isoformat(), highest),
            ).fetchone()[0]
            return count

    def asked_to_end(self) -> set[ServiceId]:
        with self._store.looking as conn:
            rows = conn.execute(
                "SELECT DISTINCT service_id FROM cancel_requests JOIN services ON services.id = service_id "
                "WHERE status IN ('Active','Suspended') AND NOT services.missing"
            )
            return {ServiceId(row[0]) for row in rows}

    def count_living(self) -> int:
        with self._store.looking as conn:
            return snapshots.count_living(conn)

    def status_changes(self, after: int = 0) -> list[StatusChange]:
        with self._store.looking as conn:
            return snapshots.status_changes(conn, after)

    def snapshot_times(self) -> tuple[datetime | None, datetime | None]:
        with self._store.looking as conn:
            return snapshots.snapshot_times(conn)

    def payment_days(self, since: date) -> Mapping[str, Sequence[date]]:
        with self._store.looking as conn:
            return snapshots.payment_days(conn, since)

    def lagging(self, today: date) -> list[tuple[ClientId, ServiceId, date]]:
        with self._store.looking as conn:
            return oddities.lagging(conn, today)

    def missing_services(self) -> list[tuple[ClientId, ServiceId]]:
        with self._store.looking as conn:
            return oddities.missing(conn)

    def gateways_owed(self, today: date) -> set[str]:
        with self._store.looking as conn:
            return snapshots.gateways_owed(conn, today)

    def close(self) -> None:
        self._store.close()

    def _about_all(self, conn: sqlite3.Connection) -> tuple[Catalogue, reading.Snapshot]:
        """Return what every book shares, read again when anybody has written."""
        # The second counts what this connection writes, in files and in memory.
        version = (conn.execute("PRAGMA data_version").fetchone()[0], conn.total_changes)
        if self._snapshot is None or self._snapshot[0] != version:
            self._snapshot = (version, snapshots.newest_complete(conn))
        return self._shared(conn, version[0]), self._snapshot[1]

    def _shared(self, conn: sqlite3.Connection, version: int | None = None) -> Catalogue:
        """Return groups and products, read again when another process has written."""
        if version is None:
            version = conn.execute("PRAGMA data_version").fetchone()[0]
        if self._catalogue is None or version != self._version:
            self._catalogue, self._version = load_catalogue(conn), version
        return self._catalogue
