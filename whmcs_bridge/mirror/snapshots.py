"""Snapshots in the mirror: begun, finished, and what the last one counted."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.mirror.saving import OPEN, body_of, of_client
from whmcs_bridge.ports import SnapshotInfo, StatusChange

CANCELLED_KEPT_DAYS: Final = 400
CHANGES_KEPT_SNAPSHOTS: Final = 90
PAYMENT_DAYS_KEPT: Final = 400
UNEXPLAINED_KEPT_DAYS: Final = 3
"""For so long it is asked how an invoice closed; one that was deleted in WHMCS never says."""

_COLUMNS: Final = (
    "at, complete, problems, clients, services, living_services, open_invoices, overdue_invoices, "
    "highest_client, highest_service, highest_invoice"
)


# Rows that were added or changed, by whichever process, carry the snapshot's number; unchanged ones only the scratch
# tables know.
_UNSEEN_INVOICE: Final = "seen<? AND id NOT IN (SELECT id FROM seen_invoices)"


def begin(conn: sqlite3.Connection, at: datetime) -> int:
    """Open a snapshot; return its number. Only the last one begun here may still say what is missing."""
    for table in ("in_hand", "seen_services", "seen_invoices"):
        conn.execute(f"DELETE FROM {table}")
    number = conn.execute("INSERT INTO snapshots(at) VALUES(?)", (at.isoformat(),)).lastrowid
    assert number is not None
    conn.execute("INSERT INTO in_hand VALUES(?)", (number,))
    return number


def newest(conn: sqlite3.Connection) -> int:
    """Number of the newest snapshot, finished or not; 0 for none."""
    number: int = conn.execute("SELECT coalesce(max(number), 0) FROM snapshots").fetchone()[0]
    return number


def day_of(conn: sqlite3.Connection, number: int) -> str:
    """Day on which the snapshot was begun, Y-m-d."""
    at: str = conn.execute("SELECT at FROM snapshots WHERE number=?", (number,)).fetchone()[0]
    return at[:10]


def note_highest(conn: sqlite3.Connection, number: int, invoice: int, settled: int) -> None:
    """Remember the highest ids of a page of heads."""
    conn.execute(
        "UPDATE snapshots SET highest_invoice=max(highest_invoice, ?), highest_settled=max(highest_settled, ?) "
        "WHERE number=?",
        (invoice, settled, number),
    )


def highest_settled(conn: sqlite3.Connection) -> InvoiceId:
    """Highest settled id that a complete snapshot saw: everything below it was read, also if a later one broke off."""
    row = conn.execute("SELECT coalesce(max(highest_settled), 0) FROM snapshots WHERE complete").fetchone()
    return InvoiceId(row[0])


def stale_invoices(
    conn: sqlite3.Connection, reread_before: date, reread_clients: Collection[ClientId]
) -> list[InvoiceId]:
    """See ports.Mirror."""
    rows = conn.execute(
        f"SELECT id FROM invoices NOT INDEXED WHERE status IN {OPEN} AND read_head IS NOT head "
        "AND id IN (SELECT id FROM seen_invoices) "
        f"UNION SELECT i.id FROM json_each(?) CROSS JOIN invoices i ON {of_client('value', 'i')} "
        f"WHERE status IN {OPEN} AND read_on < ? AND i.id IN (SELECT id FROM seen_invoices) ORDER BY 1",
        (body_of(list(reread_clients)), reread_before.isoformat()),
    )
    return [InvoiceId(row[0]) for row in rows]


def vanished_invoices(conn: sqlite3.Connection, number: int) -> list[InvoiceId]:
    """See ports.Mirror; also those found closed lately of which nobody could read how."""
    rows = conn.execute(
        f"SELECT id FROM invoices NOT INDEXED WHERE status='' OR (status IN {OPEN} AND {_UNSEEN_INVOICE}) ORDER BY id",
        (number,),
    )
    return [InvoiceId(row[0]) for row in rows]


def finish(
    conn: sqlite3.Connection, number: int, at: datetime, complete: bool, problems: Sequence[str], today: date
) -> None:
    """Close the snapshot: mark or drop what a complete one did not have, then count."""
    before = last(conn)
    if complete and conn.execute("SELECT 1 FROM in_hand WHERE number=?", (number,)).fetchone():
        _mark_unseen(conn, number, today)
    _forget_closed(conn, today)
    conn.execute("DELETE FROM status_changes WHERE snapshot < ?", (number - CHANGES_KEPT_SNAPSHOTS,))
    conn.execute("DELETE FROM payment_days WHERE day < ?", ((today - timedelta(days=PAYMENT_DAYS_KEPT)).isoformat(),))
    clients, highest_client = conn.execute(
        "SELECT sum(NOT missing), max(iif(seen=?, id, 0)) FROM clients", (number,)
    ).fetchone()
    services, highest_service = conn.execute(
        "SELECT (SELECT count(*) FROM services) - (SELECT count(*) FROM services WHERE missing), "
        "(SELECT max(id) FROM seen_services)"
    ).fetchone()
    owing, overdue = conn.execute(
        f"SELECT count(*), sum(due < ? AND status <> 'Payment Pending') FROM invoices WHERE status IN {OPEN}",
        (today.isoformat(),),
    ).fetchone()
    highs = _highest(conn, number, complete, before, highest_client or 0, highest_service or 0)
    conn.execute(
        "UPDATE snapshots SET ended_at=?, complete=?, problems=?, clients=?, services=?, living_services=?, "
        "open_invoices=?, overdue_invoices=?, highest_client=?, highest_service=?, highest_invoice=? WHERE number=?",
        (
            at.isoformat(),
            complete,
            body_of(list(problems)),
            clients or 0,
            services,
            count_living(conn),
            owing or 0,
            overdue or 0,
            *highs,
            number,
        ),
    )


def count_living(conn: sqlite3.Connection) -> int:
    """Services that are Active or Suspended and not missing."""
    # Word for word the condition of the index that answers it.
    row = conn.execute("SELECT count(*) FROM services WHERE status IN ('Active','Suspended') AND missing = 0")
    count: int = row.fetchone()[0]
    return count


def newest_complete(conn: sqlite3.Connection) -> tuple[int, datetime | None]:
    """Number and beginning of the newest complete snapshot, else of the newest finished one; 0 and None for none."""
    row = conn.execute(
        "SELECT number, at FROM snapshots WHERE ended_at IS NOT NULL ORDER BY complete DESC, number DESC LIMIT 1"
    ).fetchone()
    return (0, None) if row is None else (row[0], datetime.fromisoformat(row[1]))


def last(conn: sqlite3.Connection) -> SnapshotInfo | None:
    """The newest finished snapshot."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM snapshots WHERE ended_at IS NOT NULL ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    at, complete, problems, *counts = row
    return SnapshotInfo(datetime.fromisoformat(at), bool(complete), tuple(msgspec.json.decode(problems)), *counts)


def status_changes(conn: sqlite3.Connection, after: int) -> list[StatusChange]:
    """See ports.Mirror."""
    rows = conn.execute(
        "SELECT number, service_id, client_id, before, after, coalesce(reason_before, ''), coalesce(reason_after, ''), "
        "snapshot FROM status_changes WHERE number > ? ORDER BY number",
        (after,),
    )
    return [
        StatusChange(number, ServiceId(service), ClientId(client), *rest) for number, service, client, *rest in rows
    ]


def snapshot_times(conn: sqlite3.Connection) -> tuple[datetime | None, datetime | None]:
    """See ports.Mirror."""
    rows = conn.execute("SELECT at FROM snapshots WHERE ended_at IS NOT NULL ORDER BY number DESC LIMIT 2").fetchall()
    times = [datetime.fromisoformat(row[0]) for row in rows]
    return (times[0] if times else None, times[1] if len(times) > 1 else None)


def payment_days(conn: sqlite3.Connection, since: date) -> dict[str, list[date]]:
    """See ports.Mirror."""
    found: dict[str, list[date]] = {}
    rows = conn.execute("SELECT gateway, day FROM payment_days WHERE day >= ? ORDER BY 1, 2", (since.isoformat(),))
    for gateway, day in rows:
        found.setdefault(gateway, []).append(date.fromisoformat(day))
    return found


def gateways_owed(conn: sqlite3.Connection, today: date) -> set[str]:
    """See ports.Mirror."""
    rows = conn.execute(
        f"SELECT DISTINCT json_extract(body, '$.gateway') FROM invoices WHERE status IN {OPEN} AND due < ?",
        (today.isoformat(),),
    )
    return {row[0] for row in rows if row[0]}


def _mark_unseen(conn: sqlite3.Connection, number: int, today: date) -> None:
    """Services and clients stay, marked; what hangs on them goes; what was open is closed, we cannot say how."""
    conn.execute("UPDATE clients SET missing=1 WHERE seen<? AND NOT missing", (number,))
    conn.execute(
        "UPDATE services SET missing=1 WHERE seen<? AND NOT missing "
        "AND id IN (SELECT id FROM services WHERE id NOT IN (SELECT id FROM seen_services))",
        (number,),
    )
    conn.execute("DELETE FROM addons WHERE seen<?", (number,))
    conn.execute("DELETE FROM cancel_requests WHERE seen<?", (number,))
    conn.execute(
        f"UPDATE invoices SET status='', closed_on=? WHERE status IN {OPEN} AND {_UNSEEN_INVOICE}",
        (today.isoformat(), number),
    )


def _forget_closed(conn: sqlite3.Connection, today: date) -> None:
    """Drop closed invoices of which nothing more can follow."""
    for status, days in (("Cancelled", CANCELLED_KEPT_DAYS), ("", UNEXPLAINED_KEPT_DAYS)):
        gone = conn.execute(
            "DELETE FROM invoices WHERE status=? AND closed_on < ? RETURNING id",
            (status, (today - timedelta(days=days)).isoformat()),
        ).fetchall()
        conn.executemany("DELETE FROM bills WHERE invoice_id=?", gone)


def _highest(
    conn: sqlite3.Connection, number: int, complete: bool, before: SnapshotInfo | None, client: int, service: int
) -> tuple[int, int, int]:
    """Highest client, service and invoice id of this snapshot.

    What was not read whole cannot show that WHMCS went back in time: it never lowers the mark. For invoices that
    is so unless settled ones were read as well, because the newest open invoice is paid every day.
    """
    invoice, settled = conn.execute(
        "SELECT highest_invoice, highest_settled FROM snapshots WHERE number=?", (number,)
    ).fetchone()
    kept = conn.execute("SELECT coalesce(max(id), 0) FROM invoices").fetchone()[0]
    invoice = max(invoice, kept)
    if before is None:
        return client, service, invoice
    if not complete:
        client, service = max(client, before.highest_client), max(service, before.highest_service)
    if not complete or not settled:
        invoice = max(invoice, before.highest_invoice)
    return client, service, invoice
