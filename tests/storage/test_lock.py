"""One process writes; the next one is told who, and for how long."""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.mirror.values import AT, TODAY
from whmcs_bridge.errors import DatabaseTrouble, Locked
from whmcs_bridge.journal import SqliteJournal


@contextmanager
def another_process(path: Path, job: str = "", *, recording: bool = False) -> Iterator[int]:
    """A forked process that holds the writer lock, or the records', until it is killed; yields its number."""
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            journal = SqliteJournal(path)
            with journal.recording() if recording else journal.writer():
                if job:
                    journal.begin_run(job, "enforce", TODAY, AT, "v1")
                os.write(tell, b"!")
                os.read(os.pipe()[0], 1)
        finally:
            os._exit(1)
    try:
        assert os.read(ready, 1) == b"!"
        yield child
    finally:
        os.kill(child, SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteJournal(tmp_path / "journal.db").close()
    return tmp_path / "journal.db"


def test_a_second_writer_is_told_who_holds_the_lock_and_since_when(path: Path) -> None:
    journal = SqliteJournal(path)
    with another_process(path, "sync") as child:
        lock = path.with_name("journal.db.lock")
        process, since, job = lock.read_text().split()
        assert (process, job) == (str(child), "sync")
        earlier = datetime.now(UTC) - timedelta(minutes=3, seconds=5)
        lock.write_text(f"{process} {earlier.isoformat()} {job}\n")
        assert datetime.fromisoformat(since).tzinfo is not None
        message = f"journal.db is being written by process {child} \\(sync\\), for 3 min; wait for it or end it"
        with pytest.raises(Locked, match=message), journal.writer():
            pass
    journal.close()


def test_the_lock_goes_with_its_process(path: Path) -> None:
    """Killed without a word: nobody has to clear anything away."""
    journal = SqliteJournal(path)
    with another_process(path):
        pass
    with journal.writer():
        journal.put("key", 1)
    journal.close()


def test_a_process_enters_its_own_lock_as_often_as_it_likes(path: Path) -> None:
    """Also through another journal object on the same file; others stay out until the last one leaves."""
    one, other = SqliteJournal(path), SqliteJournal(path)
    with one.writer():
        with other.writer(), one.writer():
            pass
        assert not free(path)
    assert free(path)
    one.close()
    other.close()


def test_a_forked_child_does_not_inherit_the_lock(path: Path) -> None:
    journal = SqliteJournal(path)
    with journal.writer():
        assert not free(path)
    journal.close()


def test_who_works_off_hook_events_is_waited_for(path: Path) -> None:
    """It takes seconds, many times a day: a sync that would not wait would often not run."""
    journal = SqliteJournal(path)
    with another_process(path, "hook") as child:
        with pytest.raises(Locked, match=f"process {child} \\(hook\\)"), journal.writer(wait_seconds=0.1):
            pass
        killer = threading.Timer(0.1, os.kill, (child, SIGKILL))
        killer.start()
        with journal.writer():
            journal.put("key", 1)
        killer.join()
    journal.close()


def test_a_run_that_works_hook_events_off_on_its_way_is_not_waited_for(path: Path) -> None:
    journal = SqliteJournal(path)
    lock = path.with_name("journal.db.lock")
    with journal.writer("hook"):
        assert lock.read_text().split()[2] == "hook"
        journal.begin_run("sync", "enforce", TODAY, AT, "v1")
        journal.begin_run("hook", "enforce", TODAY, AT, "v1")
        assert lock.read_text().split()[2] == "sync"
    journal.close()


def test_who_records_is_waited_for_and_waits_for_no_run(path: Path) -> None:
    """What a client says on the phone is kept while a sync goes on for minutes."""
    journal = SqliteJournal(path)
    with another_process(path, "sync"), journal.recording():
        journal.put("key", 1)
    with another_process(path, recording=True) as child:
        with journal.writer():
            pass
        killer = threading.Timer(0.1, os.kill, (child, SIGKILL))
        killer.start()
        with journal.recording():
            journal.put("key", 2)
        killer.join()
    journal.close()


def test_threads_that_record_take_turns(path: Path) -> None:
    """A file lock is the process's own: two screens of one receiver need another."""
    journal = SqliteJournal(path)
    inside = threading.Semaphore(1)

    def count() -> None:
        for _ in range(20):
            with journal.recording():
                assert inside.acquire(blocking=False)
                journal.put("count", (journal.get("count") or 0) + 1)
                inside.release()

    both = [threading.Thread(target=count) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert journal.get("count") == 40
    journal.close()


def test_readers_need_no_lock(path: Path) -> None:
    journal = SqliteJournal(path)
    with another_process(path, "sync"):
        assert [run.job for run in journal.runs()] == ["sync"]
    journal.close()


def test_the_lock_file_is_private_and_an_unreadable_holder_does_no_harm(path: Path) -> None:
    journal = SqliteJournal(path)
    lock = path.with_name("journal.db.lock")
    with another_process(path):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        lock.write_text("")
        with pytest.raises(Locked, match="another process"), journal.writer():
            pass
    journal.close()


def test_a_lock_file_that_cannot_be_opened_is_named(path: Path) -> None:
    journal = SqliteJournal(path)
    path.with_name("journal.db.lock").mkdir()
    with pytest.raises(DatabaseTrouble, match=r"journal\.db\.lock"), journal.writer():
        pass
    journal.close()


def test_a_journal_in_memory_has_nobody_to_lock_out() -> None:
    journal = SqliteJournal()
    with journal.writer(), journal.writer():
        journal.put("key", 1)
    journal.close()


def free(path: Path) -> bool:
    """A forked process could take the lock."""
    child = os.fork()
    if not child:
        code = 2
        try:
            with SqliteJournal(path).writer():
                code = 0
        except Locked:
            code = 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return code == 0
