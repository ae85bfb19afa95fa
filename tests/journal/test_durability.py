"""What the journal said is there after a kill, in a backup, and under a later version."""

import os
import random
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.journal.first_version import write_first_version
from tests.journal.values import AT, TODAY, a_note, a_record, a_step
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import DatabaseTrouble
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.schema import JOURNAL, migrations
from whmcs_bridge.ports import StepState


def write_until_killed(path: Path, tell: int) -> None:
    """Begin and end steps as fast as possible; each number is told once its method has returned."""
    journal = SqliteJournal(path)
    with journal.writer():
        run = journal.begin_run("sync", "enforce", TODAY, AT, "v1")
        service = 0
        while True:
            service += 1
            number = journal.begin(run, a_step(service=service), AT, "sync", "v1")
            os.write(tell, b"b%d\n" % number)
            journal.save_cases([Case(ServiceId(service), opened_on=TODAY), Case(ServiceId(-service), opened_on=TODAY)])
            journal.end(number, StepState.DONE, AT, "")
            os.write(tell, b"e%d\n" % number)


def kill_after(path: Path, seconds: float, *, writing: bool) -> list[str]:
    """Let a forked child work for a while (counted from its first step if `writing`), kill it; return what it told."""
    listen, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(listen)
            write_until_killed(path, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with open(listen, "rb") as pipe:
        first = pipe.read(1) if writing else b""
        time.sleep(seconds)
        os.kill(child, SIGKILL)
        os.waitpid(child, 0)
        return (first + pipe.read()).decode().split()


@pytest.mark.parametrize("seed", range(24))
def test_a_kill_at_any_moment_loses_nothing_that_was_said(seed: int, tmp_path: Path) -> None:
    """Three times in a row: while the file is made, while steps are written, and after a recovery."""
    path, chance = tmp_path / "journal.db", random.Random(seed)
    said = kill_after(path, chance.uniform(0.0, 0.04), writing=False)
    for _ in range(2):
        said += kill_after(path, chance.uniform(0.0, 0.04), writing=True)
    with closing(SqliteJournal(path)) as journal, journal.writer():
        steps = {step.number: step for step in journal.steps(limit=10**9)}
        begun = {int(word[1:]) for word in said if word[0] == "b"}
        ended = {int(word[1:]) for word in said if word[0] == "e"}
        assert begun <= set(steps)
        assert all(steps[number].state is StepState.DONE for number in ended)
        # At most the step in hand at each kill is there without having been told.
        assert len(set(steps) - begun) <= 3
        assert len(journal.open_steps()) <= 3
        cases = journal.cases()
        assert {-service for service in cases} == set(cases)
        assert journal.get("missing") is None
        journal.put("after", 1)
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_backup_is_one_private_whole_file_made_while_in_use(tmp_path: Path) -> None:
    copy = tmp_path / "backups" / "journal.db"
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        journal.add_record(a_record())
        journal.backup(copy)
        journal.add_record(a_record())
        journal.backup(copy)
        journal.add_record(a_record())
    assert [p.name for p in copy.parent.iterdir()] == ["journal.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(SqliteJournal(copy)) as restored:
        assert [record.id for record in restored.records()] == [1, 2]


def test_a_backup_that_cannot_be_written_says_so_and_keeps_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        with pytest.raises(DatabaseTrouble, match="file/copy"):
            journal.backup(tmp_path / "file" / "copy.db")
        assert journal.records() == []


def test_a_journal_of_the_first_version_opens_with_everything_in_it(tmp_path: Path) -> None:
    """Every later version must read what the first one wrote."""
    path = tmp_path / "journal.db"
    write_first_version(path)
    with closing(SqliteJournal(path)) as journal:
        run = journal.runs()[0]
        assert (run.job, run.outcome, run.today) == ("sync", "ok", TODAY)
        assert journal.last_run("sync") == run
        assert [(s.number, s.step, s.state) for s in journal.steps()] == [(1, a_step(), StepState.UNKNOWN)]
        assert journal.cases()[ServiceId(1)].suspended_on == TODAY
        assert [record.id for record in journal.records()] == [1]
        assert [task.text for task in journal.tasks()] == [a_note().text]
        assert journal.approvals() == {1: {"terminate"}}
        assert journal.plan("4f1c") == (TODAY, "{}")
        assert journal.get("cursor") == {"day": 3}
        assert journal.evidence(ServiceId(1)) == [{"left": 0}]
        assert journal.memberships()[next(iter(journal.memberships()))].member_since == TODAY
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (JOURNAL.version,)
        names = [row[0] for row in conn.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    assert names == [migration.name for migration in migrations._migrations]
