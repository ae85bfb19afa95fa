"""A sync that dies in the middle: a forked child on the history's database files, and a WHMCS that outlives it.

The parent answers for WHMCS and for the backup store; the child has nothing but the files and the line. It is killed
by SIGKILL: no handler runs and nothing is cleaned up.
"""

import contextlib
import gc
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from tests.crash.place import JOURNALED, MIRRORED, Watched
from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, Receipt
from whmcs_bridge.errors import WhmcsError
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.front import PATH, Answer, Front

WRITES = ("Module", "Update", "SendEmail")


@dataclass(frozen=True)
class Kill:
    """Where the child dies: at its n-th journal or mirror boundary, or at the n-th call before or after its effect."""

    where: str
    """boundary, call-lost, answer-lost; "" for nowhere."""
    number: int = 0
    writing: bool = False
    """Only calls that change something are counted."""


@dataclass
class Death:
    """What became of one child."""

    killed: bool
    calls: list[str] = field(default_factory=list)


class LineFront:
    """The child's WHMCS: every request goes to the parent."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def answer_text(self, body: str, query: str = "", ip: str = "127.0.0.1", path: str = PATH) -> Answer:
        self._line.send(("call", (body, query, ip, path)))
        answer: Answer = self._line.recv()
        return answer


class LineStore(SimpleStore):
    """The child's backup store; only deletions change anything, and the parent carries them out."""

    def __init__(self, line: Connection, store: MemoryStore) -> None:
        super().__init__(store.name, root=store.root)
        self._line, self._store = line, store

    def items(self) -> Sequence[BackupItem]:
        self._line.send(("items", ()))
        found: Sequence[BackupItem] = self._line.recv()
        return found

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        return self._store.claim(item, account)

    def delete(self, item: BackupItem) -> Receipt:
        self._line.send(("delete", (item,)))
        receipt: Receipt = self._line.recv()
        return receipt


def sync_and_die(
    open_bridge: Callable[[Any, Any], Any], front: Front, store: MemoryStore, kill: Kill, at_first: Callable[[], None]
) -> Death:
    """Run a sync in a child that dies where it should. `open_bridge` takes an adapter and a store.

    `at_first` is called in the parent when the child's first call has come: its run is under way then.
    """
    here, there = Pipe()
    pid = os.fork()
    if pid == 0:
        here.close()
        _child(there, open_bridge, front, store, kill)
    there.close()
    death = Death(False)
    try:
        _serve(here, front, store, kill, pid, death, at_first)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        here.close()
    _, status = os.waitpid(pid, 0)
    death.killed = os.WIFSIGNALED(status)
    return death


def _serve(
    line: Connection, front: Front, store: MemoryStore, kill: Kill, pid: int, death: Death, at_first: Callable[[], None]
) -> None:
    counted = 0
    while True:
        try:
            what, given = line.recv()
        except (EOFError, ConnectionError):
            return
        if what == "error":
            raise AssertionError(f"the run failed in an unforeseen way:\n{given}")
        if what != "call":
            if what == "delete":
                store.delete(*given)
            _send(line, store.items())
            continue
        if not death.calls:
            at_first()
        action = _action(given[0])
        death.calls.append(action)
        counted += not kill.writing or action.startswith(WRITES)
        if counted == kill.number and kill.where == "call-lost":
            os.kill(pid, signal.SIGKILL)
            return
        found = front.answer_text(*given)
        if counted == kill.number and kill.where == "answer-lost":
            os.kill(pid, signal.SIGKILL)
            return
        _send(line, found)


def _send(line: Connection, answer: object) -> None:
    try:
        line.send(answer)
    except (BrokenPipeError, ConnectionResetError):
        return  # it died elsewhere meanwhile; what it did is judged all the same


def _action(body: str) -> str:
    return next((pair[7:] for pair in body.split("&") if pair.startswith("action=")), "")


def _child(
    line: Connection, open_bridge: Callable[[Any, Any], Any], front: Front, store: MemoryStore, kill: Kill
) -> None:
    """Run one sync and leave for good; never returns."""
    gc.disable()  # a collection would touch, and so copy, every page of the parent
    met = 0

    def crossed(_boundary: str) -> None:
        nonlocal met
        met += 1
        if kill.where == "boundary" and met == kill.number:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        adapter = SimulatorAdapter(front.world)
        adapter.front = LineFront(line)  # type: ignore[assignment]
        bridge = open_bridge(adapter, LineStore(line, store))
        bridge.ports.journal = Watched(bridge.ports.journal, "journal", JOURNALED, crossed)
        bridge.ports.mirror = Watched(bridge.ports.mirror, "mirror", MIRRORED, crossed)
        with contextlib.suppress(WhmcsError):  # it would not talk to us: nothing was done
            bridge.sync()
        bridge.close()
    except BaseException:
        line.send(("error", traceback.format_exc()))
        os._exit(1)
    os._exit(0)
