"""The power goes at any point of the writing: what was promised is there, the rest is there whole or not at all."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.place import Place
from tests.crash.power import Disk, Event, Fate, Mark, forgetful, need_a_forgetful_disk, points, restarted
from tests.crash.recorded import Outside, Sent, a_recorded_sync, after_the_cut, belongs
from tests.crash.test_kill import differences
from tests.journal.values import AT, TODAY, a_note, a_record, a_step
from tests.migrations.past import KINDS, restore
from tests.migrations.test_earlier_versions import EACH, rows_of
from tests.mirror import values
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, GroupId, ServiceId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.ports import StepState
from whmcs_bridge.storage import Store

SOAK = int(os.environ.get("WHMCS_BRIDGE_SOAK", "1"))
"""How many times as many cuts are tried; from 10 on, every point of each log."""
ALL = 10**9


@pytest.fixture(scope="module", autouse=True)
def disk_needed(tmp_path_factory: pytest.TempPathFactory) -> None:
    need_a_forgetful_disk(tmp_path_factory.mktemp("probe"))


def some_points(log: list[Event], chance: Random, count: int) -> list[int]:
    return points(log, chance, ALL if SOAK >= 10 else count * SOAK)


def test_the_disk_really_forgets(tmp_path: Path) -> None:
    """What the tests below rest on: without a sync a write is lost, kept or torn, and with one it is there."""
    home = tmp_path / "home"
    home.mkdir()
    path = home / "file.db"
    with forgetful(home) as disk, closing(SqliteJournal(path)) as journal:
        journal.put("synced", 1)
        journal._store.conn.execute("PRAGMA synchronous=OFF")
        journal.put("not synced", "x" * 50_000)
        end = len(disk.log)
    found: dict[Fate, set[str]] = {fate: set() for fate in Fate}
    for fate in Fate:
        for turn in range(10):
            folder = tmp_path / f"{fate.name}-{turn}"
            folder.mkdir()
            disk.restore_at(end, fate, Random(turn), folder)
            with restarted(), closing(SqliteJournal(folder / "file.db")) as journal:
                found[fate].add(" ".join(key for key in ("synced", "not synced") if journal.get(key)))
    assert found[Fate.LOST] == {"synced"}
    assert found[Fate.KEPT] == {"synced not synced"}
    assert "synced" in found[Fate.SOME] & found[Fate.TORN]
    whole = (home / "file.db").read_bytes()
    assert disk.files_at(len(disk.log), Fate.KEPT, Random(0))["file.db"] == whole


# --- one database: a prefix of what was written, no shorter than what was promised ------------------


@dataclass(frozen=True)
class Begun:
    """The method was called."""

    number: int


@dataclass(frozen=True)
class Returned:
    """The method has returned."""

    number: int


Work = Callable[[Any], object]


def journal_work(chance: Random) -> Iterator[Work]:
    """All kinds of methods, some of them with a lot to write."""
    yield partial(SqliteJournal.begin_run, job="sync", mode="enforce", today=TODAY, at=AT, policy_version="v1")
    for turn in range(1, 12):
        noise = chance.randbytes(chance.randrange(10, 9000)).hex()
        step, service, client = a_step(service=turn), ServiceId(turn), ClientId(turn)
        yield partial(SqliteJournal.begin, run=1, step=step, at=AT, actor="sync", policy_version="v1", note="begun")
        two = [Case(ServiceId(n), opened_on=TODAY) for n in (turn, -turn)]
        notes = [a_note(service=turn), a_note("odd", turn)]
        more: list[Work] = [
            partial(SqliteJournal.save_cases, cases=two),
            partial(SqliteJournal.save_plan, day=TODAY, fingerprint=noise[:4], payload=noise, digests={"a": noise}),
            partial(SqliteJournal.add_evidence, service=service, at=AT, payload={"left": 0, "text": noise}),
            partial(SqliteJournal.put, key=f"key {turn % 3}", value={"turn": turn}),
            partial(SqliteJournal.reconcile_tasks, notes=notes, today=TODAY, complete=True),
            partial(SqliteJournal.add_record, record=a_record()),
            partial(SqliteJournal.save_membership, client=client, membership=Membership(TODAY)),
            partial(SqliteJournal.note_policy, version="v1", text="[policy]", on=TODAY),
        ]
        yield from chance.sample(more, 4)
        yield partial(SqliteJournal.end, number=turn, state=StepState.DONE, at=AT, note="Suspended")
    yield partial(SqliteJournal.end_run, run=1, at=AT, outcome="ok", summary="all done")


def mirror_work(chance: Random) -> Iterator[Work]:
    """Three snapshots, the second one broken off, and what runs write between them."""
    for number in (1, 2, 3):
        at, day = AT + timedelta(days=number), TODAY + timedelta(days=number)
        clients = [values.a_client(n) for n in range(1, 30 * number)]
        services = [values.a_service(n, n % 20 + 1) for n in range(1, 50 * number) if n % (number + 5)]
        heads = [values.a_head(n, n % 20 + 1) for n in range(1, 40 * number) if n % (number + 3)]
        yield partial(SqliteMirror.begin, at=at)
        yield partial(SqliteMirror.save_groups, groups=[values.VIP])
        yield partial(SqliteMirror.save_products, products=[values.BASIC])
        yield partial(SqliteMirror.save_clients, clients=clients, snapshot=number)
        yield partial(SqliteMirror.save_services, services=services, snapshot=number)
        yield partial(SqliteMirror.save_heads, heads=heads, snapshot=number, today=day)
        for invoice in chance.sample(range(1, 40), 3):
            yield partial(SqliteMirror.save_invoice, invoice=values.an_invoice(invoice, invoice % 20 + 1), at=at)
        if number != 2:
            yield partial(SqliteMirror.finish, snapshot=number, at=at, complete=True, problems=(), today=day)
        yield partial(SqliteMirror.save_client_group, client=ClientId(number), group=GroupId(4))


def content_of(conn: sqlite3.Connection) -> tuple[Any, ...]:
    """Every row of every table that lasts."""
    names = [row[0] for row in conn.execute("SELECT name FROM main.sqlite_master WHERE type='table' ORDER BY name")]
    return tuple(tuple(conn.execute(f'SELECT * FROM main."{name}"')) for name in names if name != "_sqlite_migrations")


def write_down(disk: Disk, path: Path, opener: Callable[[Path], Any], work: list[Work], chance: Random) -> list[Any]:
    """Do the work in several sessions; return what was in the file after each part of it, beginning with none."""
    contents: list[Any] = []
    parts = enumerate(work, start=1)
    while session := list(islice(parts, 17)):
        with closing(opener(path)) as port:
            conn = port._store.conn
            # Small logs: what matters is where they are folded into the file.
            conn.execute(f"PRAGMA wal_autocheckpoint={chance.choice((6, 30, 1000))}")
            if not contents:
                contents.append(content_of(conn))
                disk.mark(Returned(0))
            for number, part in session:
                disk.mark(Begun(number))
                part(port)
                disk.mark(Returned(number))
                contents.append(content_of(conn))
    return contents


def reached(log: list[Event], point: int, kind: type[Any]) -> int:
    """The highest number that a mark of this kind in front of the point has."""
    numbers = [e.what.number for e in log[:point] if isinstance(e, Mark) and isinstance(e.what, kind)]
    return max(numbers, default=0)


BOTH = pytest.mark.parametrize("name", KINDS)
OPENERS: dict[str, Callable[[Path], Any]] = {"journal": SqliteJournal, "mirror": SqliteMirror}


@BOTH
@pytest.mark.parametrize("seed", range(2))
def test_after_a_power_cut_a_file_holds_a_beginning_of_what_was_written(name: str, seed: int, tmp_path: Path) -> None:
    """Nothing torn, nothing out of order; of the journal nothing that a method had returned from is missing."""
    chance = Random(seed)
    home, opener = tmp_path / "home", OPENERS[name]
    home.mkdir()
    work = list((journal_work if name == "journal" else mirror_work)(chance))
    with forgetful(home) as disk:
        contents = write_down(disk, home / "file.db", opener, work, chance)
    shorter = 0
    for point in some_points(disk.log, chance, 45):
        begun = reached(disk.log, point, Begun)
        promised = reached(disk.log, point, Returned) if name == "journal" else 0
        for fate in Fate:
            folder = tmp_path / f"{point}-{fate.name}"
            folder.mkdir()
            disk.restore_at(point, fate, chance, folder)
            with restarted(), closing(opener(folder / "file.db")) as port:
                conn = port._store.conn
                assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)], (point, fate)
                found = content_of(conn)
                assert found in contents[promised : begun + 1], (point, fate)
                shorter += found != contents[begun]
                if name == "mirror":
                    # A snapshot without its end is not the last one.
                    ends = [end for _, _, end, *_ in conn.execute("SELECT * FROM snapshots") if end is not None]
                    last = port.last()
                    assert (last is None) == (not ends)
                    assert port.begin(AT) == len(found[_place(conn, "snapshots")]) + 1
                else:
                    port.put("after", 1)
                    assert port.get("after") == 1
    assert shorter > 20


def _place(conn: sqlite3.Connection, table: str) -> int:
    names = [row[0] for row in conn.execute("SELECT name FROM main.sqlite_master WHERE type='table' ORDER BY name")]
    return [name for name in names if name != "_sqlite_migrations"].index(table)


@EACH
def test_a_migration_that_lost_its_power_is_done_by_the_next_opening(name: str, version: int, tmp_path: Path) -> None:
    """The old shape with everything in it, or the new one."""
    chance = Random(version)
    home = tmp_path / "home"
    home.mkdir()
    restore(name, version, home / "file.db")
    before = rows_of(home / "file.db")
    with forgetful(home) as disk:
        Store(KINDS[name], home / "file.db").close()
    after = rows_of(home / "file.db")
    versions = set()
    for point in some_points(disk.log, chance, 20):
        for fate in Fate:
            folder = tmp_path / f"{point}-{fate.name}"
            folder.mkdir()
            disk.restore_at(point, fate, chance, folder)
            with restarted():
                with closing(sqlite3.connect(folder / "file.db")) as conn:
                    shape = conn.execute("PRAGMA user_version").fetchone()[0]
                    assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert rows_of(folder / "file.db") == (before if shape == version else after)
                Store(KINDS[name], folder / "file.db").close()
                assert rows_of(folder / "file.db") == after
            versions.add(shape)
    assert versions == {version, KINDS[name].version}


# --- a whole sync ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[4, 0, *((1, *range(5, 5 + 3 * min(SOAK - 1, 5))) if SOAK > 1 else ())])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Disk]:
    """A busy morning, and the log of a sync on it."""
    place = Place.made(tmp_path_factory.mktemp("place"), request.param, 5)
    return place, a_recorded_sync(place.trial(), log_pages=(8, 25, 1000)[request.param % 3])


def test_a_sync_that_lost_its_power_is_taken_up_by_the_next(recorded: tuple[Place, Disk]) -> None:
    """Nothing lost and nothing twice, whatever became of the writes that were not synced."""
    place, disk = recorded
    chance = Random(place.seed)
    wanted = place.undisturbed()
    wrong: list[str] = []
    # WHMCS has done it, and the machine has lost everything that it had not put down before.
    answered = [
        n + 1 for n, event in enumerate(disk.log) if isinstance(event, Mark) and isinstance(event.what, Outside)
    ]
    cuts = [(point, Fate.LOST) for point in answered]
    cuts += [(point, chance.choice(list(Fate))) for point in some_points(disk.log, chance, 5)]
    for point, fate in cuts:
        trial = after_the_cut(place, disk, point, fate, chance)
        trial.sync()
        trial.sync()
        found = differences(trial.state(), wanted)
        if found:
            wrong.append(f"{point} of {len(disk.log)}, {fate}:\n    " + "\n    ".join(found))
        for name in ("journal.db", "mirror.db"):
            with closing(sqlite3.connect(trial.folder / name)) as conn:
                assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        trial.clear()
    assert not wrong, f"seed {place.seed}:\n" + "\n".join(wrong[:8])


def test_nothing_reaches_whmcs_before_its_step_would_outlast_a_power_cut(recorded: tuple[Place, Disk]) -> None:
    """At the moment of each call that changes something, with everything lost that was not synced."""
    place, disk = recorded
    calls = [n for n, event in enumerate(disk.log) if isinstance(event, Mark) and isinstance(event.what, Sent)]
    for point in calls:
        trial = after_the_cut(place, disk, point, Fate.LOST, Random(place.seed))
        with restarted(), closing(SqliteJournal(trial.folder / "journal.db")) as journal:
            steps = [entry.step for entry in journal.open_steps() if entry.state is StepState.BEGUN]
            call = disk.log[point].what  # type: ignore[union-attr]
            assert any(belongs(call, step) for step in steps), (call, steps)
        trial.clear()
    assert len(calls) >= 4
