"""A database file is ours, whole and writable, or the message says what to do."""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.mirror.values import AT, a_client, a_service
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.schema import JOURNAL
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.mirror.schema import MIRROR
from whmcs_bridge.storage import FileKind, Store

Opener = Callable[[Path], SqliteMirror | SqliteJournal]
BOTH = pytest.mark.parametrize("opener", [SqliteMirror, SqliteJournal], ids=["mirror", "journal"])
KINDS = pytest.mark.parametrize("kind", [MIRROR, JOURNAL], ids=["mirror", "journal"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(JOURNAL, tmp_path / "journal.db")
    opened.conn.execute("PRAGMA busy_timeout=20")
    yield opened
    opened.close()


def said(error: pytest.ExceptionInfo[BridgeError]) -> str:
    """The message, which is one line."""
    text = str(error.value)
    assert "\n" not in text
    return text


# --- opening ----------------------------------------------------------------------------------


@BOTH
def test_only_the_owner_may_read_the_files(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.db"
    with closing(opener(path)) as opened:
        if isinstance(opened, SqliteMirror):
            opened.begin(AT)
        else:
            opened.put("key", 1)
        found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert set(found) == {"file.db", "file.db-wal", "file.db-shm"}
    assert set(found.values()) == {0o600}


@KINDS
def test_files_are_ready_for_readers_beside_one_writer(kind: FileKind, tmp_path: Path) -> None:
    with closing(Store(kind, tmp_path / "file.db")) as opened:
        settings = {
            name: opened.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "busy_timeout", "application_id", "user_version", "synchronous")
        }
    assert settings == {
        "journal_mode": "wal",
        "busy_timeout": 10_000,
        "application_id": kind.application_id,
        "user_version": kind.version,
        "synchronous": {"NORMAL": 1, "FULL": 2}[kind.synchronous],
    }


@KINDS
def test_the_version_is_the_number_of_migrations(kind: FileKind) -> None:
    with closing(Store(kind, None)) as opened:
        assert len(kind.migrations.applied(opened.db)) == kind.version


@BOTH
def test_opening_again_finds_everything(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    for expected in (1, 2):
        with closing(opener(path)) as opened:
            if isinstance(opened, SqliteMirror):
                assert opened.begin(AT) == expected
            else:
                assert opened.get("times", 0) == expected - 1
                opened.put("times", expected)


@BOTH
def test_another_programs_file_is_refused_and_left_alone(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    Database(path).table("things").insert({"id": 1})
    before = path.read_bytes()
    with pytest.raises(DatabaseTrouble, match="belongs to another program") as error:
        opener(path)
    assert "a path of its own" in said(error)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("first", "second"), [(SqliteMirror, SqliteJournal), (SqliteJournal, SqliteMirror)])
def test_a_swapped_file_is_refused_by_name(first: Opener, second: Opener, tmp_path: Path) -> None:
    first(tmp_path / "file.db").close()
    with pytest.raises(DatabaseTrouble, match=r"is a (mirror|journal), not a (mirror|journal)") as error:
        second(tmp_path / "file.db")
    assert "swapped" in said(error)


@BOTH
def test_a_file_of_a_later_version_is_refused(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    opener(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA user_version=99")
    with pytest.raises(DatabaseTrouble, match="newer whmcs-bridge") as error:
        opener(path)
    assert "upgrade" in said(error)


@BOTH
@pytest.mark.parametrize("content", [b"<html>not a database</html>" * 99, b"SQLite format 3\0" + bytes(4080)])
def test_a_file_that_is_no_database_is_refused(opener: Opener, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseTrouble) as error:
        opener(path)
    assert "backup" in said(error) or "next sync" in said(error)


def test_a_file_damaged_in_the_middle_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    with closing(SqliteMirror(path)) as mirror:
        mirror.save_clients([a_client(n) for n in range(1, 2000)], mirror.begin(AT))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xa5" * (size // 2))
    with pytest.raises(DatabaseTrouble, match="damaged") as error, closing(SqliteMirror(path)) as mirror:
        list(mirror.books(AT.date(), (), everyone=True))
    assert "next sync fills a new one" in said(error)


@BOTH
def test_a_file_without_its_tables_is_called_damaged(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    opener(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DROP TABLE " + ("snapshots" if opener is SqliteMirror else "remembered"))
    with closing(opener(path)) as opened, pytest.raises(DatabaseTrouble, match="damaged"):
        opened.last() if isinstance(opened, SqliteMirror) else opened.get("x")


@BOTH
def test_a_folder_that_cannot_be_is_named(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseTrouble, match="check the path and its permissions") as error:
        opener(tmp_path / "file" / "file.db")
    assert str(tmp_path) in said(error)


@BOTH
def test_a_folder_in_the_files_place_is_named(opener: Opener, tmp_path: Path) -> None:
    with pytest.raises(DatabaseTrouble, match="check the path and its permissions"):
        opener(tmp_path)


# --- writing ----------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_that_was_written(store: Store, tmp_path: Path) -> None:
    with store.writing as conn:
        conn.execute("INSERT INTO remembered VALUES('kept', '1')")
    pages = store.conn.execute("PRAGMA page_count").fetchone()[0]
    store.conn.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseTrouble, match="no room left") as error, store.writing as conn:
        conn.executemany("INSERT INTO remembered VALUES(?, ?)", [("also", "2"), ("big", "x" * 100_000)])
    assert "free some disk space" in said(error)
    assert store.conn.execute("SELECT key FROM remembered").fetchall() == [("kept",)]
    store.conn.execute("PRAGMA max_page_count=1000000")
    with store.writing as conn:
        conn.execute("INSERT INTO remembered VALUES('later', '3')")
    assert not store.conn.in_transaction


def test_a_file_that_may_not_be_written_says_so(store: Store) -> None:
    store.conn.execute("PRAGMA query_only=ON")
    with pytest.raises(DatabaseTrouble, match="cannot be written to") as error, store.writing as conn:
        conn.execute("INSERT INTO remembered VALUES('key', '1')")
    assert "writable" in said(error)


def test_another_writer_makes_us_wait_and_then_say_so(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked, match="another process is writing") as error, store.writing:
            pass
        assert "wait for it" in said(error)
        assert store.conn.execute("SELECT count(*) FROM remembered").fetchone() == (0,)
        other.execute("COMMIT")
    with store.writing as conn:
        conn.execute("INSERT INTO remembered VALUES('key', '1')")


def test_a_failing_block_leaves_nothing_behind(store: Store) -> None:
    rows = (("key", str(1 // n)) for n in (1, 0))
    with pytest.raises(ZeroDivisionError), store.writing as conn:
        conn.executemany("INSERT INTO remembered VALUES(?, ?)", rows)
    with store.writing as conn:
        assert conn.execute("SELECT count(*) FROM remembered").fetchone() == (0,)


def test_an_inner_block_ends_with_the_outer_one(store: Store, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other, store.writing:
        with store.writing as conn:
            conn.execute("INSERT INTO remembered VALUES('key', '1')")
        assert other.execute("SELECT count(*) FROM remembered").fetchone() == (0,)
    with store.looking as conn:
        assert conn.execute("SELECT count(*) FROM remembered").fetchone() == (1,)


def test_an_id_that_whmcs_cannot_have_is_refused_whole() -> None:
    """Keys hold client and id side by side: a number beyond 32 bits would land in another client's book."""
    mirror = SqliteMirror()
    with pytest.raises(DatabaseTrouble, match="cannot hold"):
        mirror.save_services([a_service(1), a_service(2**32)], mirror.begin(AT))
    assert mirror.book_of_service(a_service(1).id) is None
    mirror.close()


@BOTH
def test_threads_share_one_store(opener: Opener, tmp_path: Path) -> None:
    with closing(opener(tmp_path / "file.db")) as opened:

        def work(number: int) -> None:
            for turn in range(20):
                if isinstance(opened, SqliteMirror):
                    opened.save_clients([a_client(number * 100 + turn)], 1)
                    opened.book(a_client(number * 100 + turn).id)
                else:
                    opened.put(f"{number}-{turn}", turn)
                    opened.get(f"{number}-{turn}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        table = "clients" if isinstance(opened, SqliteMirror) else "remembered"
        with closing(sqlite3.connect(tmp_path / "file.db")) as conn:
            assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (100,)


@BOTH
def test_many_processes_may_create_the_file_at_once(opener: Opener, tmp_path: Path) -> None:
    """A timer, a hook and a person on the first day."""
    children = []
    for number in range(6):
        child = os.fork()
        if not child:
            code = 1
            try:
                opened = opener(tmp_path / "file.db")
                opened.begin(AT) if isinstance(opened, SqliteMirror) else opened.put(str(number), number)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    with closing(sqlite3.connect(tmp_path / "file.db")) as conn:
        table = "snapshots" if opener is SqliteMirror else "remembered"
        assert conn.execute(f"SELECT count(*) FROM {table}").fetchone() == (6,)
