"""Domain values into rows."""

import sqlite3
from collections.abc import Collection, Iterable
from datetime import date, datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Final

import msgspec

from whmcs_bridge.domain.book import Addon, CancelRequest, Client, ClientGroup, Invoice, InvoiceHead, Product, Service
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.status import InvoiceStatus, LineType

OPEN: Final = "('Unpaid','Collections','Payment Pending')"
"""Statuses of InvoiceStatus.open, for SQL."""
BILLS: Final = {LineType.HOSTING: 0, LineType.ADDON: 1}
"""Line types whose relid is a service (0) or an addon (1)."""


def of_client(client: str, table: str = "") -> str:
    """Return the SQL condition for the rows of one client; keys hold the client's id in their upper half."""
    key = f"{table}.key" if table else "key"
    return f"{key} >= {client} << 32 AND {key} < ({client} + 1) << 32"


_encode: Final = msgspec.json.Encoder().encode


def body_of(value: object) -> str:
    """Return the value as JSON text."""
    return _encode(value).decode()


def save_groups(conn: sqlite3.Connection, groups: Iterable[ClientGroup]) -> None:
    """Replace the groups: one that is not listed any more does not exist any more."""
    conn.execute("DELETE FROM client_groups")
    conn.executemany("INSERT OR REPLACE INTO client_groups VALUES(?,?,?)", [(g.id, g.name, body_of(g)) for g in groups])


def save_products(conn: sqlite3.Connection, products: Iterable[Product]) -> None:
    """Add or replace; a product that is gone may still be some service's."""
    conn.executemany("INSERT OR REPLACE INTO products VALUES(?,?)", [(p.id, body_of(p)) for p in products])


def save_clients(conn: sqlite3.Connection, clients: Iterable[Client], seen: int) -> None:
    """Add or replace."""
    conn.executemany(
        "INSERT OR REPLACE INTO clients VALUES(?,?,0,?,?)",
        [(c.id, c.group_id, seen, _encode(c).decode()) for c in clients],
    )


_UPSERT_SERVICE: Final = """
    INSERT INTO services(key, id, client_id, status, seen, body) VALUES(?,?,?,?,?,?)
    ON CONFLICT(id) DO UPDATE SET
        ended_seen_on=CASE
            WHEN excluded.status NOT IN ('Terminated','Cancelled','Fraud') THEN NULL
            WHEN status IN ('Active','Suspended') THEN ? ELSE ended_seen_on END,
        key=excluded.key, client_id=excluded.client_id, status=excluded.status, missing=0, seen=excluded.seen,
        body=excluded.body
    WHERE body <> excluded.body OR missing OR key <> excluded.key"""


def save_services(conn: sqlite3.Connection, services: Iterable[Service], seen: int, day: str) -> None:
    """Add, or replace what has changed; one that was living and has ended is noted with the day."""
    rows = [
        (s.client_id << 32 | s.id, s.id, s.client_id, s.status or "", seen, _encode(s).decode(), day) for s in services
    ]
    conn.executemany(_UPSERT_SERVICE, rows)
    conn.executemany("INSERT OR IGNORE INTO seen_services VALUES(?)", [row[1:2] for row in rows])


def save_addons(conn: sqlite3.Connection, addons: Iterable[Addon], seen: int) -> None:
    """Add or replace."""
    conn.executemany(
        "INSERT OR REPLACE INTO addons VALUES(?,?,?,?,?,?)",
        [(a.client_id << 32 | a.id, a.id, a.client_id, a.service_id, seen, _encode(a).decode()) for a in addons],
    )


def save_cancel_requests(conn: sqlite3.Connection, requests: Iterable[CancelRequest], seen: int) -> None:
    """Add or replace."""
    conn.executemany(
        "INSERT OR REPLACE INTO cancel_requests VALUES(?,?,?,?)",
        [(r.id, r.service_id, seen, _encode(r).decode()) for r in requests],
    )


# --- invoices ---------------------------------------------------------------------------------

_UPSERT_HEAD: Final = """
    INSERT INTO invoices(key, id, client_id, status, due, created_on, first_seen_on, pending_since, seen, head)
    VALUES(?,?,?,?,?,?,?,?,?,?)
    ON CONFLICT(id) DO UPDATE SET
        key=excluded.key, client_id=excluded.client_id, status=excluded.status, due=excluded.due,
        created_on=excluded.created_on,
        pending_since=iif(excluded.pending_since IS NULL, NULL, coalesce(pending_since, excluded.pending_since)),
        closed_on=NULL, seen=excluded.seen, head=excluded.head
    WHERE head <> excluded.head OR status <> excluded.status OR key <> excluded.key"""

_UPSERT_READ: Final = """
    INSERT INTO invoices(key, id, client_id, status, due, created_on, first_seen_on, pending_since, seen,
        read_head, read_on, body)
    VALUES(?,?,?,?,?,?,?,?,?,'',?,?)
    ON CONFLICT(id) DO UPDATE SET
        key=excluded.key, client_id=excluded.client_id, status=excluded.status, due=excluded.due,
        created_on=coalesce(created_on, excluded.created_on),
        pending_since=iif(excluded.pending_since IS NULL, NULL, coalesce(pending_since, excluded.pending_since)),
        closed_on=NULL, seen=max(seen, excluded.seen), read_head=head, read_on=excluded.read_on,
        body=excluded.body"""

_SEEN: Final = "INSERT OR IGNORE INTO seen_invoices VALUES(?)"

_UPSERT_HISTORY: Final = """
    INSERT INTO history VALUES(?,?)
    ON CONFLICT(key) DO UPDATE SET
        body=iif(instr(body, '"reversed"'), json_set(excluded.body, '$.reversed', json('true')), excluded.body)"""

_REVERSE: Final = """
    UPDATE history SET body=json_set(body, '$.reversed', json('true'))
    WHERE key=? AND NOT instr(body, '"reversed"')"""

_CANCEL: Final = "UPDATE invoices SET status='Cancelled', closed_on=coalesce(closed_on, ?), seen=? WHERE id=?"

_UPSERT_CURRENCY: Final = """
    INSERT INTO client_money(client_id, currency, newest_invoice) VALUES(?,?,?)
    ON CONFLICT(client_id) DO UPDATE SET currency=excluded.currency, newest_invoice=excluded.newest_invoice
    WHERE excluded.newest_invoice >= newest_invoice AND currency <> excluded.currency"""


def save_heads(conn: sqlite3.Connection, heads: Iterable[InvoiceHead], seen: int, today: date) -> tuple[int, int]:
    """Save a page of heads of any status; return the highest id, and the highest one that is settled.

    Open ones are kept whole, settled ones as history, cancelled ones only if they were open here before.
    """
    day = today.isoformat()
    piles: dict[_Fate, list[InvoiceHead]] = {fate: [] for fate in _Fate}
    currencies: dict[ClientId, tuple[int, str]] = {}
    for head in heads:
        piles[_FATES[head.status]].append(head)
        if head.currency and head.id >= currencies.get(head.client_id, (0, ""))[0]:
            currencies[head.client_id] = (head.id, head.currency)
    settled = piles[_Fate.SETTLED]
    _save_open(conn, piles[_Fate.OPEN], seen, day)
    conn.executemany(_CANCEL, [(_day(head.cancelled_at) or day, seen, head.id) for head in piles[_Fate.CANCELLED]])
    paid = [head for head in settled if head.paid_at]
    conn.executemany(_UPSERT_HISTORY, [_history_row(head) for head in paid])
    _note_payment_days(conn, paid)
    _drop(conn, [head.id for head in (*settled, *piles[_Fate.OTHER])])
    conn.executemany(_UPSERT_CURRENCY, [(client, word, invoice) for client, (invoice, word) in currencies.items()])
    highest = max((head.id for pile in piles.values() for head in pile), default=0)
    return highest, max((head.id for head in settled), default=0)


def save_invoice(conn: sqlite3.Connection, invoice: Invoice, at: datetime, seen: int) -> None:
    """Save one invoice as read with its lines at `at`."""
    fate = _FATES[invoice.status]
    if fate is _Fate.OPEN:
        conn.execute(_UPSERT_READ, _read_row(invoice, at, seen))
        conn.execute(_SEEN, (invoice.id,))
        conn.execute(_REVERSE, (invoice.client_id << 32 | invoice.id,))
        _save_bills(conn, invoice)
    elif fate is _Fate.CANCELLED:
        conn.execute(_CANCEL, (at.date().isoformat(), seen, invoice.id))
        if invoice.lines:
            conn.execute("UPDATE invoices SET body=? WHERE id=?", (body_of(invoice), invoice.id))
    else:
        if fate is _Fate.SETTLED and invoice.paid_at:
            conn.execute(_UPSERT_HISTORY, _history_row(invoice))
            _note_payment_days(conn, (invoice,))
        _drop(conn, [invoice.id])


def close_others(conn: sqlite3.Connection, client: ClientId, still_open: Collection[int], today: date) -> None:
    """Take the client's open invoices that are not among `still_open` for closed; how is not known yet."""
    rows = conn.execute(f"SELECT id FROM invoices WHERE {of_client('?1')} AND status IN {OPEN}", (client,)).fetchall()
    gone = [(today.isoformat(), number) for (number,) in rows if number not in still_open]
    conn.executemany("UPDATE invoices SET status='', closed_on=? WHERE id=?", gone)


def miss_others(conn: sqlite3.Connection, client: ClientId, found: Collection[int]) -> None:
    """Mark the client's services that are not among `found` as missing; absence never ends one."""
    rows = conn.execute(f"SELECT id FROM services WHERE {of_client('?1')} AND NOT missing", (client,)).fetchall()
    conn.executemany("UPDATE services SET missing=1 WHERE id=?", [row for row in rows if row[0] not in found])


class _Fate(Enum):
    """What becomes of an invoice in the mirror, by its status."""

    OPEN = auto()
    SETTLED = auto()
    CANCELLED = auto()
    OTHER = auto()
    """A draft, or a status we do not know: nothing is owed on it as far as we may judge."""


_FATES: Final[dict[InvoiceStatus | None, _Fate]] = {
    InvoiceStatus.UNPAID: _Fate.OPEN,
    InvoiceStatus.COLLECTIONS: _Fate.OPEN,
    InvoiceStatus.PAYMENT_PENDING: _Fate.OPEN,
    InvoiceStatus.PAID: _Fate.SETTLED,
    InvoiceStatus.REFUNDED: _Fate.SETTLED,
    InvoiceStatus.CANCELLED: _Fate.CANCELLED,
    InvoiceStatus.DRAFT: _Fate.OTHER,
    None: _Fate.OTHER,
}


def _save_open(conn: sqlite3.Connection, heads: Collection[InvoiceHead], seen: int, day: str) -> None:
    conn.executemany(_UPSERT_HEAD, [_head_row(head, seen, day) for head in heads])
    conn.executemany(_SEEN, [(head.id,) for head in heads])
    conn.executemany(_REVERSE, [(head.client_id << 32 | head.id,) for head in heads])


def _head_row(head: InvoiceHead, seen: int, day: str) -> tuple[object, ...]:
    return (
        head.client_id << 32 | head.id,
        head.id,
        head.client_id,
        head.status,
        _day(head.due),
        _day(head.created_at or head.issued),
        day,
        day if head.status is InvoiceStatus.PAYMENT_PENDING else None,
        seen,
        # Lines are read again when any of these differs from what it was at the last reading.
        f"{head.updated_at}|{head.status}|{head.total}|{head.credit}|{head.due}|{head.gateway}",
    )


def _read_row(invoice: Invoice, at: datetime, seen: int) -> tuple[object, ...]:
    day = at.date().isoformat()
    return (
        invoice.client_id << 32 | invoice.id,
        invoice.id,
        invoice.client_id,
        invoice.status,
        _day(invoice.due),
        _day(invoice.issued),
        day,
        day if invoice.status is InvoiceStatus.PAYMENT_PENDING else None,
        seen,
        day,
        body_of(invoice),
    )


def _history_row(paid: InvoiceHead | Invoice) -> tuple[int, str]:
    """The JSON of a PaidInvoice, written by hand because there are millions; absent is not reversed."""
    due = f'"{paid.due}"' if paid.due else "null"
    reversed_ = ',"reversed":true,"refunded":true' if paid.status is InvoiceStatus.REFUNDED else ""
    body = (
        f'{{"id":{paid.id},"due":{due},"paid_on":"{_day(paid.paid_at)}","total":"{paid.total}",'
        f'"gateway":{_word(paid.gateway)}{reversed_}}}'
    )
    return paid.client_id << 32 | paid.id, body


def _note_payment_days(conn: sqlite3.Connection, paid: Iterable[InvoiceHead | Invoice]) -> None:
    days = {(head.gateway, _day(head.paid_at)) for head in paid if head.gateway}
    conn.executemany("INSERT OR IGNORE INTO payment_days VALUES(?,?)", sorted(days))


@lru_cache(maxsize=256)
def _word(text: str) -> str:
    return body_of(text)


def _save_bills(conn: sqlite3.Connection, invoice: Invoice) -> None:
    conn.execute("DELETE FROM bills WHERE invoice_id=?", (invoice.id,))
    conn.executemany(
        "INSERT OR IGNORE INTO bills VALUES(?,?,?,?)",
        [(BILLS[line.type], line.relid, invoice.id, invoice.client_id) for line in invoice.lines if line.type in BILLS],
    )


def _drop(conn: sqlite3.Connection, ids: Collection[int]) -> None:
    keys = [(number,) for number in ids]
    conn.executemany("DELETE FROM invoices WHERE id=?", keys)
    conn.executemany("DELETE FROM bills WHERE invoice_id=?", keys)


def _day(value: date | None) -> str | None:
    """Return the Y-m-d of a day or an instant."""
    return None if value is None else value.isoformat()[:10]
