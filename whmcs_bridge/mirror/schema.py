"""The shape of mirror.db. A new shape is a new migration at the end; a shipped one is never edited."""

from typing import Final

from sqlite_utils import Database, Migrations

from whmcs_bridge.storage import MIRROR_ID, FileKind

migrations: Final = Migrations("mirror")

FIRST_SHAPE: Final = (
    # `body` is a whole domain value as JSON: decoding it in one go costs half of building the value from columns,
    # and a book of a million services is read in every plan. Columns are what is looked up, compared or changed.
    # `key` is client id * 2^32 + id: what belongs to one client lies side by side and is read with one seek.
    """CREATE TABLE snapshots (
        number INTEGER PRIMARY KEY, at TEXT NOT NULL, ended_at TEXT, complete INTEGER, problems TEXT,
        clients INTEGER, services INTEGER, living_services INTEGER, open_invoices INTEGER, overdue_invoices INTEGER,
        highest_client INTEGER, highest_service INTEGER,
        highest_invoice INTEGER NOT NULL DEFAULT 0, highest_settled INTEGER NOT NULL DEFAULT 0)""",
    """CREATE INDEX snapshots_finished ON snapshots(complete, number) WHERE ended_at IS NOT NULL""",
    """CREATE TABLE client_groups (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL)""",
    """CREATE TABLE products (id INTEGER PRIMARY KEY, body TEXT NOT NULL)""",
    """CREATE TABLE clients (
        id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, missing INTEGER NOT NULL DEFAULT 0,
        seen INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE INDEX clients_by_group ON clients(group_id) WHERE group_id <> 0""",
    # Apart from `clients`, because invoices may arrive before their client does.
    """CREATE TABLE client_money (
        client_id INTEGER PRIMARY KEY, currency TEXT NOT NULL DEFAULT '', newest_invoice INTEGER NOT NULL DEFAULT 0,
        credit TEXT, credit_read_on TEXT)""",
    """CREATE TABLE live_reads (client_id INTEGER PRIMARY KEY, at TEXT NOT NULL, seen INTEGER NOT NULL)""",
    """CREATE TABLE services (
        key INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE CHECK (id BETWEEN 0 AND 4294967295),
        client_id INTEGER NOT NULL, status TEXT NOT NULL, missing INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL,
        ended_seen_on TEXT, body TEXT NOT NULL)""",
    """CREATE INDEX services_living ON services(id) WHERE status IN ('Active','Suspended') AND missing = 0""",
    """CREATE INDEX services_suspended ON services(status) WHERE status = 'Suspended'""",
    """CREATE INDEX services_missing ON services(id) WHERE missing""",
    """CREATE INDEX services_by_end ON services(ended_seen_on) WHERE ended_seen_on IS NOT NULL""",
    """CREATE TABLE addons (
        key INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE CHECK (id BETWEEN 0 AND 4294967295),
        client_id INTEGER NOT NULL, service_id INTEGER NOT NULL, seen INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE TABLE cancel_requests (
        id INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, seen INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE INDEX cancel_requests_by_service ON cancel_requests(service_id)""",
    # Open invoices, those cancelled while open, and (status '') those that closed and nobody could read how.
    """CREATE TABLE invoices (
        key INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE CHECK (id BETWEEN 0 AND 4294967295),
        client_id INTEGER NOT NULL, status TEXT NOT NULL, due TEXT, created_on TEXT, first_seen_on TEXT NOT NULL,
        pending_since TEXT, closed_on TEXT, seen INTEGER NOT NULL, head TEXT NOT NULL DEFAULT '', read_head TEXT,
        read_on TEXT, body TEXT)""",
    """CREATE INDEX invoices_open ON invoices(due) WHERE status IN ('Unpaid','Collections','Payment Pending')""",
    # What the lines in `invoices` bill: a service (addon 0) or an addon (addon 1).
    """CREATE TABLE bills (
        addon INTEGER NOT NULL, relid INTEGER NOT NULL, invoice_id INTEGER NOT NULL, client_id INTEGER NOT NULL,
        PRIMARY KEY (addon, relid, invoice_id)) WITHOUT ROWID""",
    """CREATE INDEX bills_by_invoice ON bills(invoice_id)""",
    # Settled invoices, a PaidInvoice each.
    """CREATE TABLE history (key INTEGER PRIMARY KEY, body TEXT NOT NULL)""",
)


# What the snapshot in hand has had so far. Not in the file: writing a row again only to say that it was seen unchanged
# would rewrite the whole book at every sync; and with the process the snapshot is lost anyway.
SCRATCH: Final = (
    "CREATE TEMP TABLE in_hand (number INTEGER PRIMARY KEY)",
    "CREATE TEMP TABLE seen_services (id INTEGER PRIMARY KEY)",
    "CREATE TEMP TABLE seen_invoices (id INTEGER PRIMARY KEY)",
    # The clients of the chunk of books that is being read.
    "CREATE TEMP TABLE wanted (client_id INTEGER PRIMARY KEY)",
)


@migrations()
def first_shape(db: Database) -> None:
    """Create the tables of version 1."""
    for statement in FIRST_SHAPE:
        db.execute(statement)


SECOND_SHAPE: Final = (
    """CREATE TABLE status_changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT, service_id INTEGER NOT NULL, client_id INTEGER NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, reason_before TEXT, reason_after TEXT, snapshot INTEGER NOT NULL)""",
    # A trigger, because a changed service is noticed where it is written, whoever writes it; it costs nothing for
    # the many that did not change.
    """CREATE TRIGGER service_changed AFTER UPDATE ON services
        WHEN old.status <> new.status OR (new.status = 'Suspended' AND
            json_extract(old.body, '$.suspension_reason') IS NOT json_extract(new.body, '$.suspension_reason'))
        BEGIN INSERT INTO status_changes(service_id, client_id, before, after, reason_before, reason_after, snapshot)
            VALUES(new.id, new.client_id, old.status, new.status, json_extract(old.body, '$.suspension_reason'),
                json_extract(new.body, '$.suspension_reason'), new.seen); END""",
    # Which next due dates lie behind is asked at every sync: reading a million bodies for it takes seconds.
    """CREATE INDEX services_due ON services(json_extract(body, '$.next_due')) WHERE status='Active' AND missing=0""",
    # Days on which invoices of a gateway were paid. Days and not counts: a page that is read twice changes nothing.
    """CREATE TABLE payment_days (gateway TEXT, day TEXT, PRIMARY KEY (gateway, day)) WITHOUT ROWID""",
    """INSERT OR IGNORE INTO payment_days
        SELECT DISTINCT json_extract(body, '$.gateway'), json_extract(body, '$.paid_on') FROM history
        WHERE json_extract(body, '$.gateway') <> ''""",
)


@migrations()
def second_shape(db: Database) -> None:
    """Remember when a service's status changed, or the reason of its suspension, and on which days gateways booked."""
    for statement in SECOND_SHAPE:
        db.execute(statement)


MIRROR: Final = FileKind(
    application_id=MIRROR_ID,
    version=2,
    migrations=migrations,
    # A mirror that loses its last seconds with the power is mended by the next sync.
    synchronous="NORMAL",
    checkpoint_pages=16_000,
    when_lost="delete it together with its -wal and -shm files, the next sync fills a new one",
)
