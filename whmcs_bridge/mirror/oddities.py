"""What is odd about the book as a whole, found in one statement each: nobody has to be judged for it."""

import sqlite3
from datetime import date, timedelta
from typing import Final

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.mirror.saving import OPEN

LAG_DAYS: Final = 3
"""WHMCS has had time to bill what was due so many days ago."""


def lagging(conn: sqlite3.Connection, today: date) -> list[tuple[ClientId, ServiceId, date]]:
    """See ports.Mirror."""
    rows = conn.execute(
        f"""SELECT client_id, id, json_extract(body, '$.next_due') FROM services INDEXED BY services_due
            WHERE status='Active' AND missing=0 AND json_extract(body, '$.next_due') < ?
            AND CAST(json_extract(body, '$.amount') AS REAL) > 0
            AND NOT EXISTS (SELECT 1 FROM bills JOIN invoices ON invoices.id = bills.invoice_id
                WHERE bills.addon=0 AND bills.relid=services.id AND invoices.status IN {OPEN}
                AND (invoices.due < ? OR invoices.status='Payment Pending'))
            AND NOT EXISTS (SELECT 1 FROM cancel_requests WHERE service_id=services.id)
            ORDER BY id""",
        ((today - timedelta(days=LAG_DAYS)).isoformat(), today.isoformat()),
    )
    return [(ClientId(client), ServiceId(service), date.fromisoformat(due)) for client, service, due in rows]


def missing(conn: sqlite3.Connection) -> list[tuple[ClientId, ServiceId]]:
    """See ports.Mirror."""
    rows = conn.execute(
        "SELECT client_id, id FROM services WHERE missing AND status IN ('Active','Suspended') ORDER BY id"
    )
    return [(ClientId(client), ServiceId(service)) for client, service in rows]
