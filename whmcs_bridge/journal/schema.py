"""The shape of journal.db. A new shape is a new migration at the end; a shipped one is never edited."""

from typing import Final

from sqlite_utils import Database, Migrations

from whmcs_bridge.storage import JOURNAL_ID, FileKind

migrations: Final = Migrations("journal")

FIRST_SHAPE: Final = (
    """CREATE TABLE runs (
        number INTEGER PRIMARY KEY, job TEXT NOT NULL, mode TEXT NOT NULL, today TEXT NOT NULL,
        started_at TEXT NOT NULL, ended_at TEXT, outcome TEXT NOT NULL, policy_version TEXT NOT NULL,
        summary TEXT NOT NULL DEFAULT '')""",
    # `body` is the whole value as JSON, so that a field added to it needs no migration. Columns are what is looked
    # up, counted or changed.
    """CREATE TABLE steps (
        number INTEGER PRIMARY KEY, run INTEGER NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL,
        client_id INTEGER NOT NULL, service_id INTEGER, announced INTEGER NOT NULL, state TEXT NOT NULL,
        begun_at TEXT NOT NULL, ended_at TEXT, note TEXT NOT NULL DEFAULT '', policy_version TEXT NOT NULL,
        actor TEXT NOT NULL, body TEXT NOT NULL)""",
    """CREATE INDEX steps_by_kind ON steps(kind, day)""",
    """CREATE INDEX steps_by_day ON steps(day)""",
    """CREATE INDEX steps_by_run ON steps(run)""",
    """CREATE INDEX steps_by_client ON steps(client_id)""",
    """CREATE INDEX steps_by_service ON steps(service_id) WHERE service_id IS NOT NULL""",
    """CREATE INDEX steps_open ON steps(state) WHERE state IN ('begun','unknown')""",
    """CREATE TABLE cases (service_id INTEGER PRIMARY KEY, open INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE INDEX cases_open ON cases(service_id) WHERE open""",
    """CREATE TABLE records (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, client_id INTEGER, closed_on TEXT,
        note TEXT NOT NULL DEFAULT '', body TEXT NOT NULL)""",
    """CREATE INDEX records_by_client ON records(client_id)""",
    """CREATE TABLE memberships (client_id INTEGER PRIMARY KEY, body TEXT NOT NULL)""",
    # `raised`: a run that saw everything last raised the cause. `by_hand`: added outside the runs; only staff ends it.
    """CREATE TABLE tasks (
        number INTEGER PRIMARY KEY, code TEXT NOT NULL, client_id INTEGER, service_id INTEGER, invoice_id INTEGER,
        text TEXT NOT NULL, todo TEXT NOT NULL, opened_on TEXT NOT NULL, last_seen_on TEXT NOT NULL, closed_on TEXT,
        state TEXT NOT NULL, comment TEXT NOT NULL DEFAULT '', raised INTEGER NOT NULL, by_hand INTEGER NOT NULL)""",
    """CREATE INDEX tasks_raised ON tasks(raised) WHERE raised""",
    """CREATE INDEX tasks_by_state ON tasks(state)""",
    """CREATE TABLE approvals (
        service_id INTEGER NOT NULL, kind TEXT NOT NULL, approved_by TEXT NOT NULL, approved_on TEXT NOT NULL,
        PRIMARY KEY (service_id, kind))""",
    # `payload` and `digests` are JSON, deflated.
    """CREATE TABLE plans (
        number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, day TEXT NOT NULL, payload BLOB NOT NULL,
        digests BLOB NOT NULL, UNIQUE (fingerprint, day))""",
    """CREATE INDEX plans_by_day ON plans(day)""",
    """CREATE TABLE policies (
        version TEXT PRIMARY KEY, first_used_on TEXT NOT NULL, last_used_on TEXT NOT NULL, text TEXT NOT NULL)""",
    """CREATE TABLE remembered (key TEXT PRIMARY KEY, value TEXT NOT NULL)""",
    """CREATE TABLE evidence (
        number INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, at TEXT NOT NULL, payload TEXT NOT NULL)""",
    """CREATE INDEX evidence_by_service ON evidence(service_id)""",
    """CREATE TABLE inbox (
        number INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, hook TEXT NOT NULL, client_id INTEGER,
        payload TEXT NOT NULL, received_at TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
        next_try_at TEXT, handled_at TEXT, error TEXT NOT NULL DEFAULT '')""",
    """CREATE INDEX inbox_waiting ON inbox(next_try_at) WHERE state = 'waiting'""",
)


@migrations()
def first_shape(db: Database) -> None:
    """Create the tables of version 1."""
    for statement in FIRST_SHAPE:
        db.execute(statement)


SECOND_SHAPE: Final = (
    # Hooks make hundreds of runs a day; the last syncs are asked for at every start.
    """CREATE INDEX runs_by_job ON runs(job)""",
    """ALTER TABLE tasks ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT ''""",
    """ALTER TABLE tasks ADD COLUMN acknowledged_on TEXT""",
    """ALTER TABLE tasks ADD COLUMN snoozed_until TEXT""",
    # One cause behind many subjects is one task: `members` is JSON, the first of them; `size` counts all.
    """ALTER TABLE tasks ADD COLUMN pile TEXT NOT NULL DEFAULT ''""",
    """ALTER TABLE tasks ADD COLUMN size INTEGER NOT NULL DEFAULT 1""",
    """ALTER TABLE tasks ADD COLUMN members TEXT NOT NULL DEFAULT ''""",
    """CREATE TABLE task_comments (
        number INTEGER PRIMARY KEY, task INTEGER NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL,
        text TEXT NOT NULL)""",
    """CREATE INDEX task_comments_by_task ON task_comments(task)""",
    """CREATE INDEX tasks_by_service ON tasks(service_id) WHERE service_id IS NOT NULL""",
    """CREATE INDEX tasks_by_client ON tasks(client_id) WHERE client_id IS NOT NULL""",
    """CREATE INDEX tasks_of_many ON tasks(size) WHERE size > 1""",
    # What people approved; `approvals` loses what has been used.
    """CREATE TABLE approvals_given (
        number INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, kind TEXT NOT NULL, approved_by TEXT NOT NULL,
        approved_on TEXT NOT NULL)""",
    """CREATE INDEX approvals_given_by_service ON approvals_given(service_id)""",
    # What others did to services: seen as a changed status between two snapshots, explained by the activity log.
    """CREATE TABLE foreign_acts (
        number INTEGER PRIMARY KEY, run INTEGER NOT NULL, day TEXT NOT NULL, service_id INTEGER NOT NULL,
        client_id INTEGER NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL)""",
    """CREATE INDEX foreign_acts_by_day ON foreign_acts(day)""",
    """CREATE INDEX foreign_acts_by_service ON foreign_acts(service_id)""",
    """CREATE INDEX foreign_acts_by_client ON foreign_acts(client_id)""",
    # Signatures that were used: a delivery is taken once, also after a restart.
    """CREATE TABLE nonces (nonce TEXT PRIMARY KEY, used_at REAL NOT NULL) WITHOUT ROWID""",
    """CREATE INDEX nonces_by_time ON nonces(used_at)""",
    # What shadow mode would have done, and how far each case would have come by it (`body` is a Case and a status).
    """CREATE TABLE shadow_steps (
        number INTEGER PRIMARY KEY, run INTEGER NOT NULL, day TEXT NOT NULL, step_id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL, client_id INTEGER NOT NULL, service_id INTEGER, body TEXT NOT NULL)""",
    """CREATE INDEX shadow_steps_by_day ON shadow_steps(day)""",
    """CREATE INDEX shadow_steps_by_service ON shadow_steps(service_id) WHERE service_id IS NOT NULL""",
    """CREATE INDEX shadow_steps_by_client ON shadow_steps(client_id)""",
    """CREATE TABLE shadow_cases (service_id INTEGER PRIMARY KEY, body TEXT NOT NULL)""",
    # Findings of `adopt`; `payload` is JSON, deflated.
    """CREATE TABLE adoptions (
        number INTEGER PRIMARY KEY, day TEXT NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL,
        policy_version TEXT NOT NULL, payload BLOB NOT NULL)""",
    # One morning mail a house day, written down before it is sent: an answer that was lost is not sent twice.
    """CREATE TABLE morning_mails (
        day TEXT PRIMARY KEY, run INTEGER NOT NULL, state TEXT NOT NULL, begun_at TEXT NOT NULL, ended_at TEXT,
        note TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL, text TEXT NOT NULL)""",
)


@migrations()
def second_shape(db: Database) -> None:
    """Tasks that staff talks about, what others did, shadow mode's record, adoptions, the morning mail."""
    for statement in SECOND_SHAPE:
        db.execute(statement)


THIRD_SHAPE: Final = (
    # Never used: the receiver remembers them in a file of its own, which costs an ask no transaction.
    """DROP TABLE nonces""",
    # Every (server, account name) that a service ever had; `body` is an AccountIdentity.
    """CREATE TABLE accounts (
        number INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, client_id INTEGER NOT NULL, server INTEGER NOT NULL,
        username TEXT NOT NULL, under TEXT NOT NULL DEFAULT '', body TEXT NOT NULL,
        UNIQUE (service_id, server, username))""",
    """CREATE INDEX accounts_by_name ON accounts(username, server)""",
    """CREATE INDEX accounts_by_client ON accounts(client_id)""",
    # What is to go: frozen lists, their items one by one, and (in `body`) what each store has come to.
    """CREATE TABLE deletion_plans (
        number INTEGER PRIMARY KEY, digest TEXT NOT NULL, service_id INTEGER NOT NULL, client_id INTEGER NOT NULL,
        state TEXT NOT NULL, made_at TEXT NOT NULL, next_check_at TEXT, body TEXT NOT NULL)""",
    """CREATE INDEX deletion_plans_to_check ON deletion_plans(next_check_at) WHERE next_check_at IS NOT NULL""",
    """CREATE INDEX deletion_plans_by_service ON deletion_plans(service_id)""",
    """CREATE INDEX deletion_plans_by_digest ON deletion_plans(digest)""",
    """CREATE INDEX deletion_plans_open ON deletion_plans(state) WHERE state IN ('open','frozen')""",
    """CREATE TABLE deletion_items (
        plan INTEGER NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (plan, position)) WITHOUT ROWID""",
    # Rows are only ever added; each digest covers the row and the digest before it.
    """CREATE TABLE evidence_chain (
        number INTEGER PRIMARY KEY, service_id INTEGER NOT NULL, plan TEXT NOT NULL, at TEXT NOT NULL,
        kind TEXT NOT NULL, body TEXT NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL)""",
    """CREATE INDEX evidence_chain_by_service ON evidence_chain(service_id)""",
    """CREATE TABLE handovers (service_id INTEGER PRIMARY KEY, open INTEGER NOT NULL, body TEXT NOT NULL)""",
    """CREATE TABLE tombstones (service_id INTEGER PRIMARY KEY, body TEXT NOT NULL)""",
    """CREATE TABLE gone_records (service_id INTEGER PRIMARY KEY, open INTEGER NOT NULL, body TEXT NOT NULL)""",
    # Who joined and left the VIP group, and when; `memberships` has how things stand.
    """CREATE TABLE membership_moves (
        number INTEGER PRIMARY KEY, client_id INTEGER NOT NULL, day TEXT NOT NULL, joined INTEGER NOT NULL,
        by_hand INTEGER NOT NULL)""",
    """CREATE INDEX membership_moves_by_client ON membership_moves(client_id)""",
    # What WHMCS was told about a record, and by which way; written before it is said.
    """CREATE TABLE tells (
        record INTEGER NOT NULL, what TEXT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (record, what, channel)) WITHOUT ROWID""",
)


@migrations()
def third_shape(db: Database) -> None:
    """What goes, and what came with people's records and backups."""
    for statement in THIRD_SHAPE:
        db.execute(statement)


JOURNAL: Final = FileKind(
    application_id=JOURNAL_ID,
    version=3,
    migrations=migrations,
    # A step must be on the disk before it is sent: after a power cut we have to know that it may have happened.
    synchronous="FULL",
    checkpoint_pages=1_000,
    when_lost="put the latest backup in its place",
)
