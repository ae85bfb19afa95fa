"""A journal as version 1 wrote it, spelled out so that it stays what it was when the code moves on."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

SHAPE = """
CREATE TABLE "_sqlite_migrations" (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name" ON "_sqlite_migrations" (migration_set, name);
CREATE TABLE runs (
    number INTEGER PRIMARY KEY, job TEXT NOT NULL, mode TEXT NOT NULL, today TEXT NOT NULL,
    started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT NOT NULL, policy_version TEXT NOT NULL,
    summary TEXT NOT NULL DEFAULT '');
CREATE TABLE steps (
    number INTEGER PRIMARY KEY, run INTEGER NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL,
    client_id INTEGER NOT NULL, service_id INTEGER, announced INTEGER NOT NULL, state TEXT NOT NULL,
    begun_at TEXT NOT NULL, ended_at TEXT, note TEXT NOT NULL DEFAULT '', policy_version TEXT NOT NULL,
    actor TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX steps_by_kind ON steps(kind, day);
CREATE INDEX steps_by_day ON steps(day);
CREATE INDEX steps_by_run ON steps(run);
CREATE INDEX steps_by_client ON steps(client_id);
CREATE INDEX steps_by_service ON steps(service_id) WHERE service_id IS NOT NULL;
CREATE INDEX steps_open ON steps(state) WHERE state IN ('begun','unknown');
CREATE TABLE cases (service_id INTEGER PRIMARY KEY, open INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX cases_open ON cases(service_id) WHERE open;
CREATE TABLE records (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, client_id INTEGER, closed_on TEXT,
    note TEXT NOT NULL DEFAULT '', body TEXT NOT NULL);
CREATE INDEX records_by_client ON records(client_id);
CREATE TABLE memberships (client_id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY, code TEXT NOT NULL, client_id INTEGER, service_id INTEGER, invoice_id INTEGER,
    text TEXT NOT NULL, todo TEXT NOT NULL, opened_on TEXT NOT NULL, last_seen_on TEXT NOT NULL, closed_on TEXT,
    state TEXT NOT NULL, comment TEXT NOT NULL DEFAULT '', raised INTEGER NOT NULL, by_hand INTEGER NOT NULL);
CREATE INDEX tasks_raised ON tasks(raised) WHERE raised;
CREATE INDEX tasks_by_state ON tasks(state);
CREATE TABLE approvals (
    service_id INTEGER NOT NULL, kind TEXT NOT NULL, approved_by TEXT NOT NULL, approved_on TEXT NOT NULL,
    PRIMARY KEY (service_id, kind));
CREATE TABLE plans (
    number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, day TEXT NOT NULL, payload BLOB NOT NULL,
    digests BLOB NOT NULL, UNIQUE (fingerprint, day));
CREATE INDEX plans_by_day ON plans(day);
CREATE TABLE policies (
    version TEXT PRIMARY KEY, first_used_on TEXT NOT NULL, last_used_on TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE remembered (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE evidence (
    number INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, at TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX evidence_by_service ON evidence(service_id);
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, hook TEXT NOT NULL, client_id INTEGER,
    payload TEXT NOT NULL, received_at TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    next_try_at TEXT, handled_at TEXT, error TEXT NOT NULL DEFAULT '');
CREATE INDEX inbox_waiting ON inbox(next_try_at) WHERE state = 'waiting';
PRAGMA application_id=2002930225;
PRAGMA user_version=1;
"""

STEP = (
    '{"id":"suspend:1:2025-03-10","kind":"suspend","client":1,"service":1,"date":"2025-03-10",'
    '"reason":"invoice 5, due 2025-03-01","invoices":[5],"amount":{"amount":"10.00","currency":"BRL"},'
    '"message":"","day":null,"target":0,"by_request":false,"after_payment":false,"digest":"","announced":false}'
)
CASE = (
    '{"service_id":1,"opened_on":"2025-03-07","restarted_on":null,"exempt_on":null,"kept_days":{"suspend":3},'
    '"notices":[{"message":"suspension-warning","day":2,"on":"2025-03-09","delivered":null,"by_whmcs":false}],'
    '"suspended_on":"2025-03-10","adopted_on":null,"adoption":null,"ended_on":null,"ended_by":"","erased_on":null,'
    '"last_act_on":"2025-03-10","released_on":null}'
)
RECORD = (
    '{"id":1,"kind":"promise","state":"open","author":"staff","reason":"will pay on Friday","made_on":"2025-03-10",'
    '"since":"2025-03-10","until":"2025-03-14","closed_on":null,"client_id":1,"service_id":null,"invoice_id":null,'
    '"line_id":null,"amount":"10.00","sort":"","gateway":""}'
)
MEMBERSHIP = (
    '{"member_since":"2025-03-10","last_member_on":"2025-03-10","removed_by_us_on":null,"previous_group":0,'
    '"set_by_hand_on":null}'
)
AT = "2025-03-10T09:00:00-03:00"
ROWS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("_sqlite_migrations", (1, "journal", "first_shape", "2025-03-01 10:00:00+00:00")),
    ("runs", (1, "sync", "enforce", "2025-03-10", AT, AT, "ok", "v1", "1 done")),
    ("steps", (1, 1, "2025-03-10", "suspend", 1, 1, 0, "unknown", AT, AT, "no answer", "v1", "sync", STEP)),
    ("cases", (1, 1, CASE)),
    ("records", (1, "promise", "open", 1, None, "", RECORD)),
    ("memberships", (1, MEMBERSHIP)),
    (
        "tasks",
        (
            1,
            "moved",
            1,
            1,
            None,
            "service 1 has moved",
            "look at it",
            "2025-03-09",
            "2025-03-10",
            None,
            "open",
            "",
            1,
            0,
        ),
    ),
    ("approvals", (1, "terminate", "boss", "2025-03-10")),
    ("plans", (1, "4f1c", "2025-03-10", zlib.compress(b"{}"), zlib.compress(b'{"suspend:1":"aa"}'))),
    ("policies", ("v1", "2025-03-01", "2025-03-10", "[policy]")),
    ("remembered", ("cursor", '{"day":3}')),
    ("evidence", (1, 1, AT, '{"left":0}')),
    ("inbox", (1, "e-1", "InvoicePaid", 1, "{}", AT, "waiting", 0, None, None, "")),
)


def write_first_version(path: Path) -> None:
    """Write a journal file of version 1 with a row in every table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.executescript(SHAPE)
        for table, row in ROWS:
            conn.execute(f"INSERT INTO {table} VALUES({','.join('?' * len(row))})", row)
