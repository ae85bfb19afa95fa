"""Rows into ClientBooks, a chunk of clients at a time."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

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
from whmcs_bridge.mirror.snapshots import newest_complete
from whmcs_bridge.ports import ClientBook

CHUNK_CLIENTS: Final = 500
"""How many clients are read at once: enough to spread the cost of a query, few enough to stay small in memory."""
ENDED_DAYS: Final = 60
"""For so long a service that was seen ending keeps its client in view."""

_client: Final = msgspec.json.Decoder(Client).decode
_services: Final = msgspec.json.Decoder(tuple[Service, ...]).decode
service_of: Final = msgspec.json.Decoder(Service).decode
_addons: Final = msgspec.json.Decoder(tuple[Addon, ...]).decode
_invoices: Final = msgspec.json.Decoder(tuple[Invoice, ...]).decode
_days: Final = msgspec.json.Decoder(dict[InvoiceId, date]).decode
_ids: Final = msgspec.json.Decoder(frozenset[InvoiceId]).decode
_missing: Final = msgspec.json.Decoder(frozenset[ServiceId]).decode
_ends: Final = msgspec.json.Decoder(dict[ServiceId, date]).decode
_history: Final = msgspec.json.Decoder(tuple[PaidInvoice, ...]).decode
_request: Final = msgspec.json.Decoder(CancelRequest).decode
_requests: Final = msgspec.json.Decoder(tuple[CancelRequest, ...]).decode
_group: Final = msgspec.json.Decoder(ClientGroup).decode
_product: Final = msgspec.json.Decoder(Product).decode

# One row a client: SQLite strings the bodies together, and one call decodes them all.
_SERVICES: Final = f"""
    SELECT w.client_id, '[' || group_concat(s.body) || ']', '[' || group_concat(iif(s.missing, s.id, NULL)) || ']',
        '{{' || group_concat('"' || s.id || '":"' || s.ended_seen_on || '"') || '}}'
    FROM wanted w CROSS JOIN services s ON {of_client("w.client_id", "s")} GROUP BY w.client_id"""
_ADDONS: Final = f"""
    SELECT w.client_id, '[' || group_concat(a.body) || ']'
    FROM wanted w CROSS JOIN addons a ON {of_client("w.client_id", "a")} GROUP BY w.client_id"""
_HISTORY: Final = f"""
    SELECT w.client_id, '[' || group_concat(h.body) || ']'
    FROM wanted w CROSS JOIN history h ON {of_client("w.client_id", "h")} GROUP BY w.client_id"""
_REQUESTS: Final = "SELECT body FROM cancel_requests WHERE id IN (SELECT value FROM json_each(?))"
_CLIENTS: Final = """
    SELECT w.client_id, c.body, m.currency, m.credit, m.credit_read_on, l.at, l.seen
    FROM wanted w LEFT JOIN clients c ON c.id = w.client_id LEFT JOIN client_money m ON m.client_id = w.client_id
    LEFT JOIN live_reads l ON l.client_id = w.client_id ORDER BY w.client_id"""

_PILES: Final = """
    '[' || group_concat(iif(i.status <> 'Cancelled', i.body, NULL)) || ']',
    '[' || group_concat(iif(i.status = 'Cancelled', i.body, NULL)) || ']',
    '{' || group_concat(iif(i.status <> 'Cancelled',
        '"' || i.id || '":"' || coalesce(i.created_on, i.first_seen_on) || '"', NULL)) || '}',
    '{' || group_concat('"' || i.id || '":"' || i.pending_since || '"') || '}',
    '[' || group_concat(iif(i.status <> 'Cancelled' AND i.read_head IS NOT i.head, i.id, NULL)) || ']'"""
"""Open ones, cancelled ones, created_on, pending_since, unread; NULL for none of a kind."""
_INVOICES: Final = f"""
    SELECT w.client_id, {_PILES}
    FROM wanted w CROSS JOIN invoices i ON {of_client("w.client_id", "i")}
    WHERE i.status <> '' GROUP BY w.client_id"""
_INVOICES_BY_ID: Final = f"""
    SELECT i.id, {_PILES}
    FROM invoices i WHERE i.id IN (SELECT value FROM json_each(?)) AND i.status <> '' GROUP BY i.id"""

# The same for one client, as one row: each statement costs an answer to WHMCS more than the few rows it finds.
_BOOK: Final = f"""
    SELECT w.client_id, c.body, m.currency, m.credit, m.credit_read_on, l.at, l.seen,
        s.bodies, s.missing, s.ends, a.bodies, h.bodies, r.bodies, b.ids, i.*
    FROM (SELECT {{client}} AS client_id) w LEFT JOIN clients c ON c.id = w.client_id
        LEFT JOIN client_money m ON m.client_id = w.client_id LEFT JOIN live_reads l ON l.client_id = w.client_id,
        (SELECT '[' || group_concat(s.body) || ']' AS bodies,
            '[' || group_concat(iif(s.missing, s.id, NULL)) || ']' AS missing,
            '{{{{' || group_concat('"' || s.id || '":"' || s.ended_seen_on || '"') || '}}}}' AS ends
            FROM services s WHERE {of_client("{client}", "s")}) s,
        (SELECT '[' || group_concat(a.body) || ']' AS bodies
            FROM addons a WHERE {of_client("{client}", "a")}) a,
        (SELECT '[' || group_concat(h.body) || ']' AS bodies
            FROM history h WHERE {of_client("{client}", "h")}) h,
        (SELECT '[' || group_concat(r.body) || ']' AS bodies FROM services s
            CROSS JOIN cancel_requests r ON r.service_id = s.id WHERE {of_client("{client}", "s")}) r,
        (SELECT '[' || group_concat(invoice_id) || ']' AS ids FROM (
            SELECT b.invoice_id FROM services s CROSS JOIN bills b ON b.addon = 0 AND b.relid = s.id
                WHERE {of_client("{client}", "s")} AND b.client_id <> s.client_id
            UNION
            SELECT b.invoice_id FROM addons a CROSS JOIN bills b ON b.addon = 1 AND b.relid = a.id
                CROSS JOIN services s ON s.id = a.service_id
                WHERE {of_client("{client}", "a")} AND b.client_id <> a.client_id AND s.client_id = a.client_id)) b,
        (SELECT {_PILES.replace("{", "{{").replace("}", "}}")}
            FROM invoices i WHERE {of_client("{client}", "i")} AND i.status <> '') i"""
_BOOK_OF_CLIENT: Final = _BOOK.format(client="?1")
_BOOK_OF_SERVICE: Final = _BOOK.format(client="(SELECT client_id FROM services WHERE id = ?1)")

# Invoices that bill a service which another client owns (a moved service), by the service's owner.
_MOVED: Final = """
    SELECT s.key >> 32, b.invoice_id FROM bills b JOIN services s ON s.id = b.relid
        WHERE b.addon = 0 AND s.key >> 32 <> b.client_id
    UNION
    SELECT s.key >> 32, b.invoice_id FROM bills b JOIN addons a ON a.id = b.relid JOIN services s ON s.id = a.service_id
        WHERE b.addon = 1 AND s.key >> 32 <> b.client_id"""

_REQUESTING: Final = """
    SELECT s.key >> 32, r.id FROM cancel_requests r JOIN services s ON s.id = r.service_id"""

_INTERESTING: Final = f"""
    SELECT key >> 32 FROM invoices WHERE status IN {OPEN} AND due <= ?
    UNION SELECT key >> 32 FROM invoices WHERE status IN {OPEN} AND due IS NULL
    UNION SELECT key >> 32 FROM services WHERE status = 'Suspended'
    UNION SELECT key >> 32 FROM services WHERE ended_seen_on >= ?
    UNION SELECT value FROM json_each(?)"""
_EVERYONE: Final = """
    SELECT id FROM clients UNION SELECT key >> 32 FROM services UNION SELECT key >> 32 FROM invoices"""


_NO_DAYS: Final[Mapping[InvoiceId, date]] = MappingProxyType({})
_NO_REQUESTS: Final[Mapping[ServiceId, CancelRequest]] = MappingProxyType({})
_NO_ENDS: Final[Mapping[ServiceId, date]] = MappingProxyType({})
_NONE_MISSING: Final[frozenset[ServiceId]] = frozenset()
_NONE_UNREAD: Final[frozenset[InvoiceId]] = frozenset()


@dataclass(slots=True)
class Catalogue:
    """What all books share: groups and products."""

    groups: Mapping[int, ClientGroup]
    products: Mapping[int, Product]


Snapshot = tuple[int, datetime | None]
"""Number and beginning of the snapshot that says how old the book is."""


@dataclass(frozen=True, slots=True)
class Links:
    """Per client, what hangs on its services and is kept elsewhere."""

    moved: Mapping[int, Sequence[int]]
    """Other clients' invoices that bill one of its services."""
    requests: Mapping[int, Sequence[int]]
    """Cancellation requests for its services."""


def load_catalogue(conn: sqlite3.Connection) -> Catalogue:
    """Read groups and products."""
    groups = (_group(body) for (body,) in conn.execute("SELECT body FROM client_groups"))
    products = (_product(body) for (body,) in conn.execute("SELECT body FROM products"))
    return Catalogue({group.id: group for group in groups}, {product.id: product for product in products})


def all_links(conn: sqlite3.Connection) -> Links:
    """Find the links of every client."""
    return Links(_grouped(conn.execute(_MOVED)), _grouped(conn.execute(_REQUESTING)))


def interesting(
    conn: sqlite3.Connection, today: date, also: Iterable[ClientId], links: Links, days_ahead: int
) -> list[int]:
    """Return, in order, the clients about whom something may have to be decided."""
    horizon = (today + timedelta(days=days_ahead)).isoformat()
    ended_since = (today - timedelta(days=ENDED_DAYS)).isoformat()
    more = body_of([*also, *links.moved])
    return sorted(row[0] for row in conn.execute(_INTERESTING, (horizon, ended_since, more)))


def everyone(conn: sqlite3.Connection) -> list[int]:
    """Return every client of whom anything is known, in order."""
    return sorted(row[0] for row in conn.execute(_EVERYONE))


def read_books(
    conn: sqlite3.Connection, clients: Sequence[int], links: Links, catalogue: Catalogue
) -> list[ClientBook]:
    """Read the books of a chunk of clients, given in order; unknown ones are left out."""
    conn.execute("DELETE FROM wanted")
    conn.execute("INSERT INTO wanted SELECT value FROM json_each(?)", (body_of(list(clients)),))
    services = {client: row for client, *row in conn.execute(_SERVICES)}
    addons = dict(conn.execute(_ADDONS).fetchall())
    history = dict(conn.execute(_HISTORY).fetchall())
    requests = _read_requests(conn, clients, links)
    invoices = {client: _piles(row) for client, *row in conn.execute(_INVOICES)}
    _add_moved(conn, invoices, clients, links)
    snapshot = newest_complete(conn)
    books = []
    for row in conn.execute(_CLIENTS).fetchall():
        client = row[0]
        owned, piles = services.get(client), invoices.get(client)
        if row[1] is None and owned is None and piles is None:
            continue
        extras = _addons(addons[client]) if client in addons else ()
        past = _history(history[client]) if client in history else ()
        asked = requests.get(client, _NO_REQUESTS)
        books.append(_book(row, owned, extras, piles, past, asked, catalogue, snapshot))
    return books


def read_book(
    conn: sqlite3.Connection, client: ClientId, catalogue: Catalogue, snapshot: Snapshot
) -> ClientBook | None:
    """Read one client's book; None for nobody we know."""
    return _read_one(conn, _BOOK_OF_CLIENT, client, catalogue, snapshot)


def read_book_of_service(
    conn: sqlite3.Connection, service: ServiceId, catalogue: Catalogue, snapshot: Snapshot
) -> ClientBook | None:
    """Read the book of the client who owns a service; None for a service that we do not know."""
    return _read_one(conn, _BOOK_OF_SERVICE, service, catalogue, snapshot)


def _read_one(
    conn: sqlite3.Connection, statement: str, number: int, catalogue: Catalogue, snapshot: Snapshot
) -> ClientBook | None:
    row = conn.execute(statement, (number,)).fetchone()
    services, extras, past, asked, moved, piled = row[7:10], row[10], row[11], row[12], row[13], row[14:]
    known = _piles(piled) if any(piled) else None
    if row[0] is None or (row[1] is None and services[0] is None and known is None and moved is None):
        return None
    if moved is not None:
        for found in conn.execute(_INVOICES_BY_ID, (moved,)).fetchall():
            known = _joined(known or _NO_PILES, _piles(found[1:]))
    return _book(
        row[:7],
        None if services[0] is None else services,
        () if extras is None else _addons(extras),
        known,
        () if past is None else _history(past),
        _NO_REQUESTS if asked is None else _newest(_requests(asked)),
        catalogue,
        snapshot,
    )


class _Piles(NamedTuple):
    """One client's invoices, sorted."""

    open: tuple[Invoice, ...]
    cancelled: tuple[Invoice, ...]
    created_on: Mapping[InvoiceId, date]
    pending_since: Mapping[InvoiceId, date]
    unread: frozenset[InvoiceId]


_NO_PILES: Final = _Piles((), (), _NO_DAYS, _NO_DAYS, _NONE_UNREAD)


def _piles(row: Sequence[Any]) -> _Piles:
    """Decode the columns of _PILES."""
    opened, cancelled, created_on, pending_since, unread = row
    return _Piles(
        () if opened is None else _invoices(opened),
        () if cancelled is None else _as_cancelled(_invoices(cancelled)),
        _NO_DAYS if created_on is None else _days(created_on),
        _NO_DAYS if pending_since is None else _days(pending_since),
        _NONE_UNREAD if unread is None else _ids(unread),
    )


def _as_cancelled(invoices: Sequence[Invoice]) -> tuple[Invoice, ...]:
    # They carry the lines and the status of the last reading, when they were still open.
    return tuple(replace(invoice, status=InvoiceStatus.CANCELLED) for invoice in invoices)


def _add_moved(conn: sqlite3.Connection, invoices: dict[int, _Piles], clients: Sequence[int], links: Links) -> None:
    """Give other clients' invoices also to the owner of the service that they bill."""
    owners = [(client, invoice) for client in clients for invoice in links.moved.get(client, ())]
    if not owners:
        return
    numbers = sorted({invoice for _, invoice in owners})
    found = {number: _piles(row) for number, *row in conn.execute(_INVOICES_BY_ID, (body_of(numbers),))}
    for client, number in owners:
        if number in found:
            invoices[client] = _joined(invoices.get(client, _NO_PILES), found[number])


def _joined(own: _Piles, other: _Piles) -> _Piles:
    return _Piles(
        tuple(sorted(own.open + other.open, key=attrgetter("id"))),
        tuple(sorted(own.cancelled + other.cancelled, key=attrgetter("id"))),
        {**own.created_on, **other.created_on},
        {**own.pending_since, **other.pending_since},
        own.unread | other.unread,
    )


def _read_requests(
    conn: sqlite3.Connection, clients: Sequence[int], links: Links
) -> dict[int, dict[ServiceId, CancelRequest]]:
    """Return each client's newest request per service; one without a date is older than any with one."""
    owners = {request: client for client in clients for request in links.requests.get(client, ())}
    if not owners:
        return {}
    found: defaultdict[int, list[CancelRequest]] = defaultdict(list)
    for (body,) in conn.execute(_REQUESTS, (body_of(list(owners)),)):
        request = _request(body)
        found[owners[request.id]].append(request)
    return {client: _newest(own) for client, own in found.items()}


def _newest(requests: Iterable[CancelRequest]) -> dict[ServiceId, CancelRequest]:
    in_order = sorted(requests, key=lambda request: (request.at.isoformat() if request.at else "", request.id))
    return {request.service_id: request for request in in_order}


def _book(
    row: Sequence[Any],
    owned: Sequence[Any] | None,
    addons: tuple[Addon, ...],
    piles: _Piles | None,
    history: tuple[PaidInvoice, ...],
    requests: Mapping[ServiceId, CancelRequest],
    catalogue: Catalogue,
    snapshot: Snapshot,
) -> ClientBook:
    """Put one client's book together."""
    number, body, currency, credit, credit_read_on, live_at, live_seen = row
    client = _client(body) if body is not None else _stranger(number)
    opened, cancelled, created_on, pending_since, unread = piles or _NO_PILES
    services: tuple[Service, ...] = ()
    missing, ended_seen = _NONE_MISSING, _NO_ENDS
    if owned is not None:
        bodies, missing_ids, ends = owned
        services = _services(bodies)
        if missing_ids is not None:
            missing = _missing(missing_ids)
        if ends is not None:
            ended_seen = _ends(ends)
    products = catalogue.products
    return ClientBook(
        client,
        catalogue.groups.get(client.group_id) if client.group_id else None,
        currency or "",
        services,
        addons,
        opened,
        created_on,
        pending_since,
        _billing(cancelled, services, addons) if cancelled else (),
        history,
        requests,
        {s.product_id: products[s.product_id] for s in services if s.product_id in products},
        missing,
        ended_seen,
        unread,
        datetime.fromisoformat(live_at) if live_at is not None and live_seen >= snapshot[0] else snapshot[1],
        None if credit is None else Decimal(credit),
        None if credit_read_on is None else date.fromisoformat(credit_read_on),
    )


def _stranger(number: int) -> Client:
    """A client whose services or invoices are known before its own row is."""
    return Client(ClientId(number), "", "", None, NO_GROUP, None)


def _billing(
    invoices: tuple[Invoice, ...], services: Sequence[Service], addons: Sequence[Addon]
) -> tuple[Invoice, ...]:
    """Return those that bill one of the services or addons."""
    billed = {(0, service.id) for service in services} | {(1, addon.id) for addon in addons}
    return tuple(i for i in invoices if any((BILLS.get(line.type), line.relid) in billed for line in i.lines))


def _grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
