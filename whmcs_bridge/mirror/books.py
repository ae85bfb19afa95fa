"""Rows into ClientBooks, a chunk of clients at a time."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.book import (
    NO_GROUP,
    Addon,
    CancelRequest,
    Client,
    ClientGroup,
    Invoice,
    Product,
    Service,
)
from whmcs_bridge.domain.facts import PaidInvoice
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus
from whmcs_bridge.mirror.saving import BILLS, OPEN, body_of, of_client
from whmcs_bridge.ports import ClientBook

CHUNK_CLIENTS: Final = 500
"""How many clients are read at once: enough to spread the cost of a query, few enough to stay small in memory."""
HORIZON_DAYS: Final = 35
"""An open invoice that is due later than this cannot call for anything yet, not even a reminder."""
ENDED_DAYS: Final = 60
"""For so long a service that was seen ending keeps its client in view."""

WANTED: Final = "CREATE TEMP TABLE wanted (client_id INTEGER PRIMARY KEY)"

_clients: Final = msgspec.json.Decoder(Client).decode
_services: Final = msgspec.json.Decoder(tuple[Service, ...]).decode
service_of: Final = msgspec.json.Decoder(Service).decode
_addons: Final = msgspec.json.Decoder(tuple[Addon, ...]).decode
_invoice: Final = msgspec.json.Decoder(Invoice).decode
_history: Final = msgspec.json.Decoder(tuple[PaidInvoice, ...]).decode
_request: Final = msgspec.json.Decoder(CancelRequest).decode
_group: Final = msgspec.json.Decoder(ClientGroup).decode
_product: Final = msgspec.json.Decoder(Product).decode

# One row a client: SQLite strings the bodies together, and one call decodes them all.
_SERVICES: Final = f"""
    SELECT w.client_id, '[' || group_concat(s.body) || ']', group_concat(iif(s.missing, s.id, NULL)),
        min(iif(s.missing, NULL, s.seen)), group_concat(s.id || ' ' || s.ended_seen_on)
    FROM wanted w CROSS JOIN services s ON {of_client("w.client_id", "s")} GROUP BY w.client_id"""
_ADDONS: Final = f"""
    SELECT w.client_id, '[' || group_concat(a.body) || ']'
    FROM wanted w CROSS JOIN addons a ON {of_client("w.client_id", "a")} GROUP BY w.client_id"""
_HISTORY: Final = f"""
    SELECT w.client_id, '[' || group_concat(h.body) || ']'
    FROM wanted w CROSS JOIN history h ON {of_client("w.client_id", "h")} GROUP BY w.client_id"""
_REQUESTS: Final = f"""
    SELECT w.client_id, r.body
    FROM wanted w CROSS JOIN services s ON {of_client("w.client_id", "s")}
    JOIN cancel_requests r ON r.service_id = s.id"""
_CLIENTS: Final = """
    SELECT w.client_id, c.body, c.seen, m.currency, m.credit, m.credit_read_on, l.at, l.seen
    FROM wanted w LEFT JOIN clients c ON c.id = w.client_id LEFT JOIN client_money m ON m.client_id = w.client_id
    LEFT JOIN live_reads l ON l.client_id = w.client_id ORDER BY w.client_id"""

_INVOICE_COLUMNS: Final = """
    i.id, i.status, i.body, i.read_head IS NOT i.head, coalesce(i.created_on, i.first_seen_on), i.pending_since,
    i.seen"""
_INVOICES: Final = f"""
    SELECT w.client_id, {_INVOICE_COLUMNS}
    FROM wanted w CROSS JOIN invoices i ON {of_client("w.client_id", "i")} WHERE i.status <> ''"""

_INVOICES_BY_ID: Final = f"""
    SELECT i.client_id, {_INVOICE_COLUMNS}
    FROM invoices i WHERE i.id IN (SELECT value FROM json_each(?)) AND i.status <> ''"""

# Invoices that bill a service which another client owns (a moved service), by the service's owner.
_MOVED: Final = """
    SELECT s.key >> 32, b.invoice_id FROM bills b JOIN services s ON s.id = b.relid
        WHERE b.addon = 0 AND s.key >> 32 <> b.client_id
    UNION
    SELECT s.key >> 32, b.invoice_id FROM bills b JOIN addons a ON a.id = b.relid JOIN services s ON s.id = a.service_id
        WHERE b.addon = 1 AND s.key >> 32 <> b.client_id"""
_MOVED_OF: Final = f"""
    SELECT s.client_id, b.invoice_id FROM services s CROSS JOIN bills b ON b.addon = 0 AND b.relid = s.id
        WHERE {of_client("?1", "s")} AND b.client_id <> ?1
    UNION
    SELECT s.client_id, b.invoice_id FROM addons a CROSS JOIN bills b ON b.addon = 1 AND b.relid = a.id
        CROSS JOIN services s ON s.id = a.service_id
        WHERE {of_client("?1", "a")} AND b.client_id <> ?1 AND s.client_id = ?1"""

_INTERESTING: Final = f"""
    SELECT key >> 32 FROM invoices WHERE status IN {OPEN} AND due < ?
    UNION SELECT key >> 32 FROM invoices WHERE status IN {OPEN} AND due IS NULL
    UNION SELECT key >> 32 FROM services WHERE status = 'Suspended'
    UNION SELECT key >> 32 FROM services WHERE ended_seen_on >= ?
    UNION SELECT value FROM json_each(?)"""
_EVERYONE: Final = """
    SELECT id FROM clients UNION SELECT key >> 32 FROM services UNION SELECT key >> 32 FROM invoices"""


class _Days(dict[str, date]):
    """Dates by their text: a book names the same few hundred days over and over."""

    def __missing__(self, text: str) -> date:
        value = self[text] = date.fromisoformat(text)
        return value


_DAYS: Final = _Days()
_NO_DAYS: Final[Mapping[InvoiceId, date]] = MappingProxyType({})
_NO_REQUESTS: Final[Mapping[ServiceId, CancelRequest]] = MappingProxyType({})
_NO_ENDS: Final[Mapping[ServiceId, date]] = MappingProxyType({})
_NONE_MISSING: Final[frozenset[ServiceId]] = frozenset()
_NONE_UNREAD: Final[frozenset[InvoiceId]] = frozenset()


@dataclass(slots=True)
class Catalogue:
    """What all books share: groups, products, and when each snapshot was begun."""

    groups: Mapping[int, ClientGroup]
    products: Mapping[int, Product]
    snapshots: dict[int, datetime] = field(default_factory=dict)

    def begun_at(self, conn: sqlite3.Connection, number: int) -> datetime | None:
        """When snapshot `number` was begun; None for 0."""
        if number not in self.snapshots:
            row = conn.execute("SELECT at FROM snapshots WHERE number=?", (number,)).fetchone()
            if row is None:
                return None
            self.snapshots[number] = datetime.fromisoformat(row[0])
        return self.snapshots[number]


Moved = Mapping[int, Sequence[int]]
"""Owner of a service -> other clients' invoices that bill it."""


def load_catalogue(conn: sqlite3.Connection) -> Catalogue:
    """Read groups and products."""
    groups = (_group(body) for (body,) in conn.execute("SELECT body FROM client_groups"))
    products = (_product(body) for (body,) in conn.execute("SELECT body FROM products"))
    return Catalogue({group.id: group for group in groups}, {product.id: product for product in products})


def all_moved(conn: sqlite3.Connection) -> Moved:
    """Return every moved service's owner with the invoices."""
    return _grouped(conn.execute(_MOVED))


def moved_of(conn: sqlite3.Connection, client: ClientId) -> Moved:
    """Return the same for one owner."""
    return _grouped(conn.execute(_MOVED_OF, (client,)))


def interesting(conn: sqlite3.Connection, today: date, also: Iterable[ClientId], moved: Moved) -> list[int]:
    """Return, in order, the clients about whom something may have to be decided."""
    horizon = (today + timedelta(days=HORIZON_DAYS)).isoformat()
    ended_since = (today - timedelta(days=ENDED_DAYS)).isoformat()
    more = body_of([*also, *moved])
    return sorted(row[0] for row in conn.execute(_INTERESTING, (horizon, ended_since, more)))


def everyone(conn: sqlite3.Connection) -> list[int]:
    """Return every client of whom anything is known, in order."""
    return sorted(row[0] for row in conn.execute(_EVERYONE))


def read_books(
    conn: sqlite3.Connection, clients: Sequence[int], moved: Moved, catalogue: Catalogue
) -> list[ClientBook]:
    """Read the books of a chunk of clients, given in order; unknown ones are left out."""
    conn.execute("DELETE FROM wanted")
    conn.execute("INSERT INTO wanted SELECT value FROM json_each(?)", (body_of(list(clients)),))
    services = {row[0]: row[1:] for row in conn.execute(_SERVICES)}
    addons = {client: _addons(bodies) for client, bodies in conn.execute(_ADDONS)}
    history = {client: _history(bodies) for client, bodies in conn.execute(_HISTORY)}
    requests: defaultdict[int, list[CancelRequest]] = defaultdict(list)
    for client, body in conn.execute(_REQUESTS):
        requests[client].append(_request(body))
    invoices = _read_invoices(conn, clients, moved)
    books = []
    for row in conn.execute(_CLIENTS).fetchall():
        client = row[0]
        owned = services.get(client)
        if row[1] is None and owned is None and client not in invoices:
            continue
        books.append(
            _book(
                conn,
                row,
                owned,
                addons.get(client, ()),
                invoices.get(client, _NO_INVOICES),
                history.get(client, ()),
                requests.get(client, ()),
                catalogue,
            )
        )
    return books


@dataclass(slots=True)
class _Invoices:
    """One client's invoices while its book is put together."""

    open: list[Invoice] = field(default_factory=list)
    cancelled: list[Invoice] = field(default_factory=list)
    created_on: dict[InvoiceId, date] = field(default_factory=dict)
    pending_since: dict[InvoiceId, date] = field(default_factory=dict)
    unread: list[InvoiceId] = field(default_factory=list)
    seen: int | None = None


def _read_invoices(conn: sqlite3.Connection, clients: Sequence[int], moved: Moved) -> dict[int, _Invoices]:
    found: defaultdict[int, _Invoices] = defaultdict(_Invoices)
    for client, *row in conn.execute(_INVOICES):
        _sort_in(found[client], row)
    owners = [(client, invoice) for client in clients for invoice in moved.get(client, ())]
    if owners:
        numbers = sorted({invoice for _, invoice in owners})
        rows = {row[1]: row[1:] for row in conn.execute(_INVOICES_BY_ID, (body_of(numbers),))}
        for client, number in owners:
            if number in rows:
                _sort_in(found[client], rows[number])
    return found


def _sort_in(invoices: _Invoices, row: Sequence[Any]) -> None:
    """Add one invoice row to the client's pile that its status belongs to."""
    number, status, body, unread, created_on, pending_since, seen = row
    if status == "Cancelled":
        if body is not None:
            invoice = _invoice(body)
            # The lines are those of the last reading, when it was still open.
            invoices.cancelled.append(replace(invoice, status=InvoiceStatus.CANCELLED))
        return
    if unread:
        invoices.unread.append(number)
    if invoices.seen is None or seen < invoices.seen:
        invoices.seen = seen
    invoices.created_on[number] = _DAYS[created_on]
    if pending_since is not None:
        invoices.pending_since[number] = _DAYS[pending_since]
    if body is not None:
        invoices.open.append(_invoice(body))


_NO_INVOICES: Final = _Invoices()


def _book(
    conn: sqlite3.Connection,
    row: Sequence[Any],
    owned: Sequence[Any] | None,
    addons: tuple[Addon, ...],
    invoices: _Invoices,
    history: tuple[PaidInvoice, ...],
    requests: Sequence[CancelRequest],
    catalogue: Catalogue,
) -> ClientBook:
    """Put one client's book together."""
    number, body, client_seen, currency, credit, credit_read_on, live_at, live_seen = row
    client = _clients(body) if body is not None else _stranger(number)
    services: tuple[Service, ...] = ()
    missing: frozenset[ServiceId] = _NONE_MISSING
    ended_seen = _NO_ENDS
    seen = invoices.seen
    if owned is not None:
        bodies, missing_ids, services_seen, ends = owned
        services = _services(bodies)
        if missing_ids is not None:
            missing = frozenset(ServiceId(int(word)) for word in str(missing_ids).split(","))
        if ends is not None:
            ended_seen = {ServiceId(int(number)): _DAYS[day] for number, day in map(str.split, ends.split(","))}
        if services_seen is not None and (seen is None or services_seen < seen):
            seen = services_seen
    if seen is None:
        seen = client_seen or 0
    products = catalogue.products
    return ClientBook(
        client,
        catalogue.groups.get(client.group_id),
        currency or "",
        services,
        addons,
        _by_id(invoices.open),
        invoices.created_on or _NO_DAYS,
        invoices.pending_since or _NO_DAYS,
        _billing(_by_id(invoices.cancelled), services, addons) if invoices.cancelled else (),
        history,
        _newest(requests) if requests else _NO_REQUESTS,
        {s.product_id: products[s.product_id] for s in services if s.product_id in products},
        missing,
        ended_seen,
        frozenset(invoices.unread) if invoices.unread else _NONE_UNREAD,
        datetime.fromisoformat(live_at) if live_at and live_seen >= seen else catalogue.begun_at(conn, seen),
        None if credit is None else Decimal(credit),
        None if credit_read_on is None else _DAYS[credit_read_on],
    )


def _stranger(number: int) -> Client:
    """A client whose services or invoices are known before its own row is."""
    return Client(ClientId(number), "", "", None, NO_GROUP, None)


def _by_id(invoices: list[Invoice]) -> tuple[Invoice, ...]:
    if len(invoices) > 1:
        invoices.sort(key=attrgetter("id"))
    return tuple(invoices)


def _billing(
    invoices: tuple[Invoice, ...], services: Sequence[Service], addons: Sequence[Addon]
) -> tuple[Invoice, ...]:
    """Return those that bill one of the services or addons."""
    billed = {(0, service.id) for service in services} | {(1, addon.id) for addon in addons}
    return tuple(i for i in invoices if any((BILLS.get(line.type), line.relid) in billed for line in i.lines))


def _newest(requests: Sequence[CancelRequest]) -> dict[ServiceId, CancelRequest]:
    """Return the newest request of each service; one without a date is older than any with one."""
    newest: dict[ServiceId, CancelRequest] = {}
    for request in sorted(requests, key=lambda r: (r.at.isoformat() if r.at else "", r.id)):
        newest[request.service_id] = request
    return newest


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
