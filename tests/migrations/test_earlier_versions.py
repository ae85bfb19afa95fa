"""Files of every earlier version open, keep what they hold, and the work goes on with them."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from signal import SIGKILL
from typing import Any

import msgspec
import pytest

from tests.house import House
from tests.migrations.past import KINDS, OTHERS, TABLES, fixture, played, restore
from whmcs_bridge import storage
from whmcs_bridge.domain import book
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import Membership, PaidInvoice
from whmcs_bridge.domain.records import Record
from whmcs_bridge.plan.model import Step
from whmcs_bridge.storage import Store

EARLIER = [(name, version) for name, kind in KINDS.items() for version in range(1, kind.version)]
EACH = pytest.mark.parametrize(("name", "version"), EARLIER, ids=[f"{name}-{version}" for name, version in EARLIER])
DAYS_AFTER = 16
DROPPED = frozenset({("journal", "nonces")})
"""Tables that a later shape has not any more: nothing ever wrote to them."""
SOAK = int(os.environ.get("WHMCS_BRIDGE_SOAK", "1"))

BODIES: Mapping[tuple[str, str], type] = {
    ("journal", "steps"): Step,
    ("journal", "cases"): Case,
    ("journal", "records"): Record,
    ("journal", "memberships"): Membership,
    ("mirror", "client_groups"): book.ClientGroup,
    ("mirror", "products"): book.Product,
    ("mirror", "clients"): book.Client,
    ("mirror", "services"): book.Service,
    ("mirror", "addons"): book.Addon,
    ("mirror", "cancel_requests"): book.CancelRequest,
    ("mirror", "invoices"): book.Invoice,
    ("mirror", "history"): PaidInvoice,
}


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of ours, by column name."""
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        ours = [name for name in names if name not in OTHERS]
        return {name: [dict(row) for row in conn.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2')] for name in ours}


def shape_of(path: Path) -> list[tuple[str, str]]:
    """Name and definition of everything in the file, and its version."""
    with closing(sqlite3.connect(path)) as conn:
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        found = conn.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%sqlite%' ORDER BY name")
        return [("version", str(version)), *((row[0], row[1] or "") for row in found)]


def lost(before: Any, after: Any, where: str = "") -> Iterator[str]:
    """What a value had that another one does not have; more is fine."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from lost(value, after.get(key), f"{where}.{key}")
    elif before != after:
        yield f"{where}: {before!r} has become {after!r}"


@pytest.mark.parametrize("name", KINDS)
def test_every_earlier_version_is_kept(name: str) -> None:
    """A migration that is added leaves a version behind, and files of it somewhere."""
    missing = [version for version in range(1, KINDS[name].version) if not fixture(name, version).exists()]
    assert not missing, (
        f"no {name} of version {missing}: with the code before the migration, see tests/migrations/past.py"
    )


@EACH
def test_a_file_of_an_earlier_version_has_something_in_every_table(name: str, version: int, tmp_path: Path) -> None:
    """So that a migration has something to lose."""
    restore(name, version, tmp_path / "file.db")
    assert [table for table, rows in rows_of(tmp_path / "file.db").items() if not rows] == []


@EACH
def test_a_file_of_an_earlier_version_opens_and_keeps_every_value(name: str, version: int, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    restore(name, version, old)
    before = rows_of(old)
    for _ in range(2):
        Store(KINDS[name], old).close()
    after = rows_of(old)
    for table, rows in before.items():
        if (name, table) in DROPPED:
            assert table not in after
            continue
        kept = after[table]
        assert len(kept) == len(rows), table
        assert [line for n, row in enumerate(rows) for line in lost(row, kept[n], f"{table}[{n}]")] == []
    Store(KINDS[name], new).close()
    assert shape_of(old) == shape_of(new)
    with closing(sqlite3.connect(old)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@EACH
def test_the_values_inside_the_rows_are_read_as_they_were_written(name: str, version: int, tmp_path: Path) -> None:
    """A field that is renamed or retyped would be read as its default, without a word."""
    restore(name, version, tmp_path / "file.db")
    Store(KINDS[name], tmp_path / "file.db").close()
    rows = rows_of(tmp_path / "file.db")
    read = 0
    for (where, table), kind in BODIES.items():
        for row in rows[table] if where == name else ():
            if row["body"] is None:
                continue
            again = msgspec.json.encode(msgspec.json.decode(row["body"], type=kind))
            assert list(lost(msgspec.json.decode(row["body"]), msgspec.json.decode(again), table)) == []
            read += 1
    assert read > 20


def _what_happened(house: House, since: int) -> list[tuple[str, int, int, str]]:
    return [(e.kind, e.client, e.service, e.detail) for e in house.world.log[since:]]


@pytest.mark.parametrize("version", range(1, max(kind.version for kind in KINDS.values())))
def test_the_house_goes_on_with_earlier_files_as_with_its_own(version: int, tmp_path: Path) -> None:
    """Over all that was begun: a step without an answer, a promise, final warnings, backups waiting to go."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    for name, kind in KINDS.items():
        restore(name, min(version, kind.version - 1), other / f"{name}.db")
    with played(own) as house:
        world, stores = deepcopy(house.world), deepcopy(house.bridge.stores)
        with House.of(TABLES, world=world, folder=other, stores=stores) as heir:
            since = len(world.log)
            assert [s.step.kind for s in heir.bridge.journal.open_steps()] == ["suspend"]
            for each in (house, heir):
                assert each.sync().exit_code == 0
                each.next_day(DAYS_AFTER)
            assert _what_happened(heir, since) == _what_happened(house, since)
            assert {s.status for s in world.services.values()} == {"Active", "Suspended", "Terminated"}
            assert heir.bridge.journal.cases() == house.bridge.journal.cases()


# --- killed in the middle -------------------------------------------------------------------------


def _open_until(name: str, path: Path, deadly: int) -> bool:
    """Open the file in a child that is killed at its n-th statement; return whether it came so far."""
    child = os.fork()
    if not child:
        code = 1
        try:
            connect = sqlite3.connect
            left = deadly

            def count(_statement: str) -> None:
                nonlocal left
                left -= 1
                if not left:
                    os.kill(os.getpid(), SIGKILL)

            def traced(*args: Any, **more: Any) -> sqlite3.Connection:
                conn: sqlite3.Connection = connect(*args, **more)
                conn.execute("PRAGMA synchronous=OFF")  # the system lives on
                conn.set_trace_callback(count)
                return conn

            storage.sqlite3.connect = traced  # type: ignore[attr-defined]
            Store(KINDS[name], path).close()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -SIGKILL)
    return code != 0


@EACH
def test_a_migration_that_was_killed_is_done_by_the_next_opening(name: str, version: int, tmp_path: Path) -> None:
    """At every statement of it in a soak, at every other one in the suite."""
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    restore(name, version, old)
    before = rows_of(old)
    Store(KINDS[name], fresh).close()
    wanted = shape_of(fresh)
    deadly = 1
    while True:
        path = tmp_path / f"{deadly}.db"
        shutil.copyfile(old, path)
        if not _open_until(name, path, deadly):
            break
        with closing(sqlite3.connect(path)) as conn:
            # Either shape, and nothing in between.
            assert conn.execute("PRAGMA user_version").fetchone()[0] in (version, KINDS[name].version)
        Store(KINDS[name], path).close()
        assert shape_of(path) == wanted
        after = rows_of(path)
        kept = {table: rows for table, rows in before.items() if (name, table) not in DROPPED}
        assert {table: len(after[table]) for table in kept} == {table: len(rows) for table, rows in kept.items()}
        deadly += 1 if SOAK > 1 else 2
    assert deadly > 10
