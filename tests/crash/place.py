"""Where a sync is killed: a child process that runs it, and a WHMCS in the parent that outlives it.

The child reaches the simulated WHMCS over a pair of sockets; the parent answers, and kills the child between the
sending and the answer. Boundaries inside the child (around every write to journal and mirror, and after an answer)
are counted, and the child kills itself at the chosen one. SIGKILL each time: no handler, no clean-up.
"""

import contextlib
import gc
import os
import shutil
import signal
import socket
import struct
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from inspect import isfunction, unwrap
from pathlib import Path
from random import Random
from typing import Any

import requests
from requests.adapters import BaseAdapter

from tests.house import NEVER_SLEEP, House, WorldClock, a_world, settings_of
from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, Outcome, Receipt, Verdict
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.deletions import SqliteDeletions
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import BackupStore, Deletions, Journal, JournalStep, Mirror, StepState
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import Client, Service
from whmcs_bridge.simulator.state import World
from whmcs_bridge.wiring import open_bridge

CONFIG: Mapping[str, Any] = {
    "policy": {
        "on_suspend_message": "service-suspended",
        "on_release_message": "service-released",
        "on_end_message": "service-ended",
        "cancel_invoices_of_ended": True,
    },
    "class": {
        "hosting": {
            "product_types": ["hostingaccount"],
            "notices": [{"day": -4, "message": "payment-reminder"}, {"day": 2, "message": "suspension-warning"}],
            "suspend_after_days": 3,
            "terminate_after_days": 15,
            "delete_backups_after_days": 0,
        },
        "vps": {"product_types": ["server"], "suspend_after_days": 1, "terminate_after_days": 3},
    },
    "vip": {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 1},
}
PRELUDE_DAYS = 15
SETTINGS = replace(settings_of(CONFIG), whmcs=replace(settings_of(CONFIG).whmcs, connections=1))


class FolderStore(SimpleStore):
    """Backups as files `<service>-<name>` in a folder: what is deleted stays deleted, whoever dies."""

    kind = "folder"

    def __init__(self, folder: Path) -> None:
        super().__init__("vault", root="folder:vault")  # the same store in every copy of a place
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def name(self) -> str:
        return "vault"

    def items(self) -> Sequence[BackupItem]:
        return [BackupItem(self.name, path.name) for path in sorted(self.folder.iterdir())]

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        mine = item.locator.split("-", 1)[0] == str(int(account.service))
        return Claim(Verdict.MINE, ("name", "its service"), proven=True) if mine else Claim(Verdict.NOT_MINE)

    def delete(self, item: BackupItem) -> Receipt:
        (self.folder / item.locator).unlink(missing_ok=True)
        return Receipt(Outcome.DELETED)


# --- a day on which everything is due -------------------------------------------------------------


def _reminded(house: House, client: Client, service: Service) -> None:
    house.an_invoice(service, due=PRELUDE_DAYS + 4)


def _warned(house: House, client: Client, service: Service) -> None:
    house.an_invoice(service, due=PRELUDE_DAYS - 2)


def _warned_twice(house: House, client: Client, service: Service) -> None:
    """Two services of one client share the mail."""
    other = house.a_service(client)
    for each in (service, other):
        house.an_invoice(each, due=PRELUDE_DAYS - 2)


def _suspended(house: House, client: Client, service: Service) -> None:
    house.an_invoice(service, due=PRELUDE_DAYS - 3)


def _suspended_by_status(house: House, client: Client, service: Service) -> None:
    service.product = 4
    house.an_invoice(service, due=PRELUDE_DAYS - 3)


def _suspended_with_final_warning(house: House, client: Client, service: Service) -> None:
    service.product = 3
    house.an_invoice(service, due=PRELUDE_DAYS - 1)


def _finally_warned(house: House, client: Client, service: Service) -> None:
    house.an_invoice(service, due=PRELUDE_DAYS - 12)


def _ended(house: House, client: Client, service: Service) -> None:
    """Ended today, with an addon, two backups and an invoice nobody will pay."""
    house.an_addon(service)
    house.an_invoice(service, due=0)
    house.an_invoice(service, due=PRELUDE_DAYS + 20)


def _released(house: House, client: Client, service: Service) -> None:
    client.notes = "pays on the day"
    house.an_invoice(service, due=PRELUDE_DAYS - 6)


def _loses_vip(house: House, client: Client, service: Service) -> None:
    client.created = house.day(-1000)
    house.an_invoice(service, due=PRELUDE_DAYS - 1)


def _joins_vip(house: House, client: Client, service: Service) -> None:
    """Eligible once the group set by hand is gone."""
    client.created = house.day(-1000)
    client.group = 3
    client.notes = "leaves its group on the day"


FATES: tuple[Callable[[House, Client, Service], None], ...] = (
    _reminded,
    _warned,
    _warned_twice,
    _suspended,
    _suspended_by_status,
    _suspended_with_final_warning,
    _finally_warned,
    _ended,
    _released,
    _loses_vip,
    _joins_vip,
)


Crossed = Callable[[str], None]
Stores = Callable[[Path, Crossed], Sequence[BackupStore]]
"""Opens a trial's stores in the child; what is done to them is told as boundaries."""


def a_vault(folder: Path, crossed: Crossed) -> Sequence[BackupStore]:
    """The store that a place has unless it is given others."""
    return [WatchedStore(folder / "vault", crossed)]


@dataclass
class Place:
    """A house on the morning of a busy day, with its databases as files; every trial starts from a copy."""

    base: Path
    seed: int
    world: World = field(init=False)
    settings: Settings = SETTINGS
    stores: Stores = a_vault
    trials: int = 0
    _wanted: dict[str, Any] | None = None

    @classmethod
    def made(cls, base: Path, seed: int, fates: int = len(FATES)) -> "Place":
        """Play the days before in an undisturbed house, then stop on the busy morning."""
        place = cls(base, seed)
        home = base / "morning"
        home.mkdir()
        chosen = Random(seed).sample(FATES, fates)
        store = FolderStore(home / "vault")
        with House.of(CONFIG, world=a_world(), folder=home, stores=[store]) as house:
            house.bridge.journal._store.conn.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]
            for fate in chosen:
                client = house.a_client(created=house.day(-100))
                service = house.a_service(client)
                for name in ("full", "daily"):
                    (store.folder / f"{service.id}-{name}").touch()
                fate(house, client, service)
            house.sync()
            house.next_day(PRELUDE_DAYS - 1)
            house.pass_days()
            for client in house.world.clients.values():
                if client.notes == "pays on the day":
                    house.pay(house.world.invoices[house.world.invoices_by_client[client.id][0]])
                if client.notes == "leaves its group on the day":
                    client.group = 0
        place.world = house.world
        return place

    @classmethod
    def furnished(
        cls,
        base: Path,
        config: Mapping[str, Any],
        furnish: Callable[[House], None],
        *,
        shadow: bool = False,
        stores: Stores = a_vault,
    ) -> "Place":
        """A house of one's own under these tables; it stops where `furnish` leaves it.

        Stores other than the vault are there in the trials only.
        """
        settings = settings_of(config)
        whmcs = replace(settings.whmcs, connections=1)
        place = cls(base, 0, replace(settings, whmcs=whmcs, mode="shadow" if shadow else "enforce"), stores=stores)
        home = base / "morning"
        home.mkdir()
        vault = FolderStore(home / "vault")
        with House.of(config, world=a_world(), folder=home, stores=[vault] if stores is a_vault else []) as house:
            house.bridge.journal._store.conn.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]
            house.enforcing(not shadow)
            furnish(house)
        place.world = house.world
        return place

    def trial(self) -> "Trial":
        """A fresh copy of the morning."""
        self.trials += 1
        folder = self.base / f"trial-{self.trials}"
        shutil.copytree(self.base / "morning", folder)
        return Trial(folder, Front(deepcopy(self.world)), self.settings, self.stores)

    def undisturbed(self) -> dict[str, Any]:
        """The state after two syncs in which nobody died."""
        if self._wanted is None:
            trial = self.trial()
            trial.sync()
            trial.sync()
            self._wanted = trial.state()
            trial.clear()
        return self._wanted


# --- one trial ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """Where the child dies: at its n-th boundary, or at its n-th call before or after WHMCS carried it out."""

    where: str
    """boundary, call-lost, answer-lost; or "" for nowhere."""
    number: int = 0


NOWHERE = Kill("")


@dataclass
class Run:
    """What one child met."""

    boundaries: list[str]
    calls: list[str]
    killed: bool


@dataclass
class Trial:
    """One copy of the morning, in which children run and die."""

    folder: Path
    front: Front
    settings: Settings = SETTINGS
    stores: Stores = a_vault

    @property
    def world(self) -> World:
        return self.front.world

    def sync(self, kill: Kill = NOWHERE, workers: int = 1) -> Run:
        """Run a sync in a child of its own; it dies where it should."""
        return self.run(Bridge.sync, kill, workers)

    def run(self, act: Callable[[Bridge], object], kill: Kill = NOWHERE, workers: int = 1) -> Run:
        """Let the bridge act in a child of its own; it dies where it should."""
        here, there = socket.socketpair()
        marks = self.folder / "boundaries"
        marks.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            here.close()
            _child(there, self, kill, marks, workers, act)
        there.close()
        calls: list[str] = []
        with here:
            while (body := _receive(here)) is not None:
                action = _action(body)
                calls.append(action)
                mine = len(calls) == kill.number
                if mine and kill.where == "call-lost":
                    os.kill(pid, signal.SIGKILL)
                    break
                answer = self.front.answer_text(body.decode())
                if mine and kill.where == "answer-lost":
                    os.kill(pid, signal.SIGKILL)
                    break
                # a child that died elsewhere meanwhile reads no answer; what it did is judged all the same
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    _send(here, answer.status.to_bytes(2, "big") + answer.body)
            _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        error = self.folder / "error"
        assert killed or os.WEXITSTATUS(status) == 0, error.read_text() if error.exists() else f"exit {status}"
        return Run(marks.read_text().split() if marks.exists() else [], calls, killed)

    def clear(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder)

    def state(self) -> dict[str, Any]:
        """Everything that has to come out the same, however often somebody died."""
        world = self.world
        journal = SqliteJournal(self.folder / "journal.db")
        try:
            steps: list[JournalStep] = journal.steps(limit=1000)
            cases = {number: replace(case, last_act_on=None) for number, case in journal.cases().items()}
            return {
                "services": {s.id: (s.status, s.suspend_reason) for s in world.services.values()},
                "addons": {a.id: a.status for a in world.addons.values()},
                "groups": {c.id: c.group for c in world.clients.values()},
                "invoices": {i.id: i.status for i in world.invoices.values()},
                "mails": Counter((m.client, m.subject) for m in world.emails.values()),
                "acts": Counter((e.kind, e.service) for e in world.log if e.kind.startswith(("module:", "service:"))),
                "moves": Counter((e.client, e.detail) for e in world.log if e.kind == "group"),
                "backups": sorted(path.name for path in (self.folder / "vault").iterdir()),
                # an addon is closed with its service, or by a step of its own where a run died in between
                "done": {
                    (s.step.id, s.step.message)
                    for s in steps
                    if s.state is StepState.DONE and s.step.kind is not Kind.CLOSE_ADDON
                },
                "open": [s for s in steps if s.state in (StepState.BEGUN, StepState.UNKNOWN)],
                "cases": cases,
                "members": journal.memberships(),
                # old debt is told of by what a run saw before its own steps, and closes with the one after them
                "tasks": sorted((t.code, t.service) for t in journal.tasks() if t.code != "old-debt"),
                "unfinished": [r.number for r in journal.runs(1) if r.outcome not in ("ok", "failed")],
            }
        finally:
            journal.close()


def _action(body: bytes) -> str:
    for pair in body.split(b"&"):
        if pair.startswith(b"action="):
            return pair[7:].decode()
    return ""


# --- the line between them --------------------------------------------------------------------------


def _send(line: socket.socket, data: bytes) -> None:
    line.sendall(struct.pack(">I", len(data)) + data)


def _receive(line: socket.socket) -> bytes | None:
    head = _exactly(line, 4)
    return None if head is None else _exactly(line, struct.unpack(">I", head)[0])


def _exactly(line: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        try:
            more = line.recv(count - len(data))
        except ConnectionError:
            return None
        if not more:
            return None
        data += more
    return data


class LineAdapter(BaseAdapter):
    """The child's network: every request goes to the parent."""

    def __init__(self, line: socket.socket, crossed: Crossed) -> None:
        super().__init__()
        self._line, self._crossed, self._lock = line, crossed, threading.Lock()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
        with self._lock:
            _send(self._line, body)
            answer = _receive(self._line)
        assert answer is not None
        self._crossed(f"answered:{_action(body)}")
        response = requests.Response()
        response.status_code = int.from_bytes(answer[:2], "big")
        response._content = answer[2:]
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None: ...


# --- the child ----------------------------------------------------------------------------------------


def writing_methods(port: type, implementation: type) -> frozenset[str]:
    """Methods of a port whose implementation opens a writing transaction: each is a boundary, none has to be listed."""
    return frozenset(
        name
        for name, method in vars(port).items()
        if isfunction(method)
        and not name.startswith("_")
        and "writing" in unwrap(getattr(implementation, name)).__code__.co_names
    )


JOURNALED = writing_methods(Journal, SqliteJournal)
MIRRORED = writing_methods(Mirror, SqliteMirror)
DELETED = writing_methods(Deletions, SqliteDeletions)


class Watched:
    """A port whose writes are boundaries: one before it, one after it."""

    def __init__(self, inner: Any, name: str, methods: frozenset[str], crossed: Crossed) -> None:
        self._inner, self._name, self._methods, self._crossed = inner, name, methods, crossed

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if method == "deletions":
            return Watched(found, "journal.deletions", DELETED, self._crossed)
        if method not in self._methods:
            return found

        def around(*args: Any, **more: Any) -> Any:
            self._crossed(f"before:{self._name}.{method}")
            value = found(*args, **more)
            self._crossed(f"after:{self._name}.{method}")
            return value

        return around


class WatchedStore(FolderStore):
    """Deletions are boundaries too."""

    def __init__(self, folder: Path, crossed: Crossed) -> None:
        super().__init__(folder)
        self._crossed = crossed

    def delete(self, item: BackupItem) -> Receipt:
        self._crossed("before:store.delete")
        receipt = super().delete(item)
        self._crossed("after:store.delete")
        return receipt


def _child(
    line: socket.socket, trial: Trial, kill: Kill, marks: Path, workers: int, act: Callable[[Bridge], object]
) -> None:
    """Act and leave for good; never returns."""
    folder = trial.folder
    met: list[str] = []
    lock = threading.Lock()

    def crossed(boundary: str) -> None:
        with lock:
            met.append(boundary)
            if kill.where == "boundary" and len(met) == kill.number:
                os.kill(os.getpid(), signal.SIGKILL)

    gc.disable()  # a collection would touch, and so copy, every page of the parent
    try:
        settings = replace(trial.settings, source=folder / "bridge.toml", folder=folder)
        bridge = open_bridge(
            settings,
            adapter=LineAdapter(line, crossed),
            clock=WorldClock(trial.world),
            stores=trial.stores(folder, crossed),
            sleep=NEVER_SLEEP,
        )
        # Killed processes lose nothing that the system has taken, so the tests need not wait for the disk.
        for store in (bridge.journal._store, bridge.mirror._store):  # type: ignore[attr-defined]
            store.conn.execute("PRAGMA synchronous=OFF")
        bridge.ports.workers = workers
        bridge.ports.journal = Watched(bridge.ports.journal, "journal", JOURNALED, crossed)
        bridge.ports.mirror = Watched(bridge.ports.mirror, "mirror", MIRRORED, crossed)
        act(bridge)
        bridge.close()
        marks.write_text("\n".join(met))
        os._exit(0)
    except BaseException:
        (folder / "error").write_text(traceback.format_exc())
        os._exit(1)
