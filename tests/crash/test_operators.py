"""Two operators type at once while a sync is under way: no record is lost, and no step is done twice."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.test_command import a_zone_at_noon
from tests.house import HOSTING, House, a_world
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.app import Server, serve
from whmcs_bridge.simulator.records import Service
from whmcs_bridge.simulator.state import World

RULES = """
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
terminate_after_days = 15
[trust_release]
tiers = [{ days = 3 }]
[sanity]
enabled = false
[limits]
suspend = "off"
"""


@dataclass
class Office:
    """A served WHMCS on today's date, and a folder with the settings: one service down, four to suspend today."""

    world: World
    server: Server
    folder: Path
    down: Service
    due: list[Service]

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Type a command at a keyboard of its own."""
        here = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LANG")}
        env = {**here, "ID": "simulator-identifier", "SECRET": "simulator-secret", "HOME": str(self.folder)}
        command = [sys.executable, "-m", "whmcs_bridge", *args, "--config", str(self.folder / "bridge.toml")]
        return subprocess.Popen(
            command, env=env, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def happened(self, kind: str, service: Service) -> int:
        today = self.world.today
        return sum(e.kind == kind and e.service == service.id and e.at.date() == today for e in self.world.log)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    zone, now = a_zone_at_noon()
    world = a_world(now.replace(tzinfo=None) - timedelta(days=5))
    with House.of({"class": {"hosting": HOSTING}}, world=world, folder=tmp_path) as house:
        down = house.a_service()
        house.an_invoice(down, due=1)
        due = [house.a_service() for _ in range(4)]
        for service in due:
            house.an_invoice(service, due=2)
        house.sync()
        house.next_day(4)
        house.pass_days()
        assert [s.status for s in (down, *due)] == ["Suspended", *["Active"] * 4]
    with serve(world) as server:
        # one connection: clients are worked on one after the other, in the order of their numbers
        head = f'mode = "enforce"\n[calendar]\ntimezone = "{zone}"\n[whmcs]\nurl = "{server.url}"\nconnections = 1\n'
        (tmp_path / "bridge.toml").write_text(f'{head}identifier = "env:ID"\nsecret = "env:SECRET"\n{RULES}')
        yield Office(world, server, tmp_path, down, due)


def test_what_two_operators_record_during_a_sync_is_kept_and_heeded_and_done_once(office: Office) -> None:
    """The sync is held in its first suspension until all of them have typed."""
    front = office.server.front
    arrived, answer = threading.Event(), threading.Event()

    def held_up(name: str, _params: Params) -> None:
        if name == "ModuleSuspend":
            arrived.set()
            answer.wait(120)

    front.on_call = held_up
    first, promised, held, last = office.due
    until = (office.world.today + timedelta(days=3)).isoformat()
    sync = office.start("sync")
    try:
        assert arrived.wait(60), sync.communicate(timeout=5)
        both = [office.start("release", f"{office.down.id}", "--reason", f"operator {n}") for n in (1, 2)]
        others = [
            office.start("promise", "add", f"service:{promised.id}", "--until", until, "--reason", "phoned"),
            office.start("hold", "set", f"service:{held.id}", "--kind", "legal", "--reason", "court order"),
        ]
        said = [process.communicate(timeout=60) for process in (*both, *others)]
        assert sorted(process.returncode for process in both) == [0, 2], said
        assert [process.returncode for process in others] == [0, 0], said
        kept = both[0].returncode
        winner, loser = (said[0], said[1]) if kept == 0 else (said[1], said[0])
        assert "a run is under way" in winner[0]
        assert loser[1].startswith("error: ")
        assert len(loser[1].splitlines()) == 1
        assert sync.poll() is None, "the sync did not wait for its answer"
    finally:
        answer.set()
        out, err = sync.communicate(timeout=60)
    assert sync.returncode == 0, out + err
    front.on_call = None

    statuses = {s.id: s.status for s in office.world.services.values()}
    assert statuses[office.down.id] == "Active"  # looked at by the sync itself, when it had ended
    assert [statuses[s.id] for s in (first, promised, held, last)] == ["Suspended", "Active", "Active", "Suspended"]

    again = office.start("sync")
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, out + err
    assert office.happened("module:unsuspend", office.down) == 1
    assert [office.happened("module:suspend", s) for s in (office.down, *office.due)] == [0, 1, 0, 0, 1]

    journal = SqliteJournal(office.folder / "journal.db")
    assert sorted(record.kind for record in journal.records()) == ["hold", "promise", "release"]
    assert sorted(record.id for record in journal.records()) == [1, 2, 3]
    assert journal.open_steps() == []
    journal.close()
    lines = [line.description for line in office.world.activity if line.description.startswith("whmcs-bridge: ")]
    notes = [note.text for note in office.world.notes.values()]
    assert sorted(lines) == sorted(notes)
    assert len({line.partition(" recorded")[0] for line in lines}) == len(lines) == 3


def test_two_operators_who_close_the_same_record_at_once_close_it_once(office: Office) -> None:
    service = office.due[0]
    hold = office.start("hold", "set", f"service:{service.id}", "--kind", "other", "--reason", "heirs")
    assert hold.communicate(timeout=60)[1] == ""
    both = [office.start("hold", "lift", "1", "--by", name, "--reason", f"as {name} says") for name in ("Ana", "Bea")]
    said = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], said
    winner = "Ana" if both[0].returncode == 0 else "Bea"
    journal = SqliteJournal(office.folder / "journal.db")
    (kept,) = journal.records(kind=RecordKind.HOLD)
    assert (kept.closed_by, kept.closed_why) == (winner, f"as {winner} says")
    journal.close()
