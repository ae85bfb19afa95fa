"""The real command, killed between sending and answer, or started twice: the next one continues."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from zoneinfo import ZoneInfo

import pytest

from tests.crash.place import FolderStore
from tests.effort import SOAK
from tests.house import House, a_world
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.app import Server, serve
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.state import World

RULES = """
[class.hosting]
product_types = ["hostingaccount"]
notices = [{ day = 2, message = "suspension-warning" }]
suspend_after_days = 3
terminate_after_days = 15
on_suspend_message = "service-suspended"
on_release_message = "service-released"
[sanity]
enabled = false
[approval]
terminate = "automatic"
[limits]
suspend = "off"
terminate = "off"
notice = "off"
"""
TABLES = {
    "class": {
        "hosting": {
            "product_types": ["hostingaccount"],
            "notices": [{"day": 2, "message": "suspension-warning"}],
            "suspend_after_days": 3,
            "terminate_after_days": 15,
            "on_suspend_message": "service-suspended",
            "on_release_message": "service-released",
        }
    }
}


def a_zone_at_noon() -> tuple[str, datetime]:
    """A time zone in which it is about noon now: no test meets midnight."""
    ahead = 12 - datetime.now(UTC).hour
    zone = f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"
    return zone, datetime.now(ZoneInfo(zone))


@pytest.fixture
def morning(tmp_path: Path) -> Iterator[tuple[World, Server, Path]]:
    """A served WHMCS on today's date: one service to warn, one to suspend, one to end, one to put back on."""
    zone, now = a_zone_at_noon()
    world = a_world(now.replace(tzinfo=None) - timedelta(days=15))
    with House.of(TABLES, world=world, folder=tmp_path, stores=[FolderStore(tmp_path / "vault")]) as house:
        for due in (13, 12, 0, 8):
            house.an_invoice(house.a_service(), due=due)
        house.sync()
        house.next_day(14)
        house.pass_days()
        house.pay(world.invoices[4])
    with serve(world) as server:
        head = f'mode = "enforce"\n[calendar]\ntimezone = "{zone}"\n[whmcs]\nurl = "{server.url}"\n'
        text = f'{head}identifier = "env:ID"\nsecret = "env:SECRET"\n{RULES}'
        (tmp_path / "bridge.toml").write_text(text)
        yield world, server, tmp_path


def start(folder: Path) -> subprocess.Popen[str]:
    """`whmcs-bridge sync` as cron would run it."""
    here = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LANG")}
    env = {**here, "ID": "simulator-identifier", "SECRET": "simulator-secret", "HOME": str(folder)}
    command = [sys.executable, "-m", "whmcs_bridge", "sync", "--config", str(folder / "bridge.toml")]
    return subprocess.Popen(
        command, env=env, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# test_kill.py kills a process around every call of a run; here it is the command itself, from its settings file.
ACTIONS = ("ModuleTerminate", "SendEmail", "GetInvoices", *(("ModuleUnsuspend", "ModuleSuspend") if SOAK > 1 else ()))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_killed_command_is_taken_up_by_the_next(action: str, morning: tuple[World, Server, Path]) -> None:
    """WHMCS has carried the call out, its answer is on the way, and the process is gone."""
    world, server, folder = morning
    front = server.front
    arrived = threading.Event()
    front.faults.add(Fault(action, Kind.LATENCY, seconds=20))

    def seen(name: str, _params: Params) -> None:
        if name == action:
            arrived.set()

    front.on_call = seen
    process = start(folder)
    assert arrived.wait(30), process.communicate(timeout=5)
    with front.lock:  # the call is through
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    front.faults.clear()

    for _ in range(2):
        after = start(folder)
        out, err = after.communicate(timeout=60)
        assert after.returncode == 0, out + err
    everything_once(world, folder)


def everything_once(world: World, folder: Path) -> None:
    """The day is as it would be had one command run undisturbed."""
    assert [s.status for s in world.services.values()] == ["Active", "Suspended", "Terminated", "Active"]
    today = world.today
    mails = Counter((m.client, m.subject) for m in world.emails.values() if m.at.date() == today)
    acts = Counter(e.kind for e in world.log if e.kind.startswith("module:") and e.at.date() == today)
    assert acts == {"module:renew": 1, "module:unsuspend": 1, "module:suspend": 1, "module:terminate": 1}
    assert set(mails.values()) == {1}
    assert sorted(subject.split(":")[0].split(" before")[0] for _, subject in mails) == [
        "Back online",
        "Please pay",
        "Suspended",
    ]
    journal = SqliteJournal(folder / "journal.db")
    assert journal.open_steps() == []
    journal.close()


def first_to_end(both: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Wait until the system says that one of them has ended; it stays to be asked."""
    ended: Queue[subprocess.Popen[str]] = Queue()

    def wait_for(process: subprocess.Popen[str]) -> None:
        with suppress(ChildProcessError):  # the test has reaped it
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ended.put(process)

    for process in both:
        threading.Thread(target=wait_for, args=(process,), daemon=True).start()
    return ended.get(timeout=60)


@pytest.mark.parametrize("killed", [False, True])
def test_of_two_commands_started_at_once_one_works_and_the_other_names_it(
    killed: bool, morning: tuple[World, Server, Path]
) -> None:
    """The winner waits for WHMCS while the other one gives up; killed or not, the next one finds the lock free."""
    world, server, folder = morning
    front = server.front
    arrived, answer = threading.Event(), threading.Event()

    def held_up(name: str, _params: Params) -> None:
        if name == "ModuleSuspend":
            arrived.set()
            answer.wait(120)

    front.on_call = held_up
    both = [start(folder), start(folder)]
    try:
        loser = first_to_end(both)
        winner = both[1 - both.index(loser)]
        out, err = loser.communicate(timeout=60)
        assert (loser.returncode, out) == (1, "")
        # the one that came in the moment between taking the lock and signing it reads no name, or the last holder's
        whose = r"process \d+( \(sync\))?, for \d+ (s|min)|another process"
        assert re.fullmatch(rf"error: \S+journal\.db is being written by ({whose}); wait for it or end it\n", err), err
        assert arrived.wait(60), "the winner never came to its first suspension"
        late = start(folder)
        out, err = late.communicate(timeout=60)
        assert (late.returncode, out) == (1, "")
        assert f"is being written by process {winner.pid} (sync), for " in err
        assert winner.poll() is None
        if killed:
            winner.kill()
    finally:
        answer.set()
        for process in both:
            process.communicate(timeout=60)
    with front.lock:  # whatever the winner had sent has been carried out
        front.on_call = None
    assert winner.returncode == (-signal.SIGKILL if killed else 0)
    after = start(folder)
    out, err = after.communicate(timeout=60)
    assert after.returncode == 0, out + err
    everything_once(world, folder)
