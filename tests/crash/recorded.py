"""A sync in this process over a forgetful disk, and a WHMCS that remembers how it stood at every moment of it."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import requests

from tests.crash.place import SETTINGS, FolderStore, Place, Trial
from tests.crash.power import Disk, Fate, Mark, forgetful
from tests.house import NEVER_SLEEP, WorldClock
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.backups import BackupItem, Receipt
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import Journal
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.wiring import open_bridge

ACTING: Mapping[str, frozenset[Kind]] = {
    "modulesuspend": frozenset({Kind.SUSPEND}),
    "moduleunsuspend": frozenset({Kind.UNSUSPEND}),
    "moduleterminate": frozenset({Kind.TERMINATE}),
    "updateclientproduct": frozenset({Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE}),
    "updateclientaddon": frozenset({Kind.SUSPEND_ADDON, Kind.UNSUSPEND_ADDON, Kind.CLOSE_ADDON, Kind.TERMINATE}),
    "updateinvoice": frozenset({Kind.CANCEL_INVOICE}),
    "updateclient": frozenset({Kind.VIP_ADD, Kind.VIP_REMOVE}),
    "sendemail": frozenset({Kind.NOTICE}),
}
"""Calls that change something, and the kinds of step that they may belong to."""


@dataclass(frozen=True)
class Sent:
    """A call that changes something is about to reach WHMCS."""

    action: str
    number: int
    """Its service, addon, invoice or client."""


@dataclass(frozen=True)
class Outside:
    """What the world outside the machine had come to: it loses nothing."""

    world: bytes
    backups: tuple[str, ...]


class Watching(SimulatorAdapter):
    """A network that leaves a mark before and after every call that changes something."""

    def __init__(self, trial: Trial, disk: Disk) -> None:
        super().__init__(trial.world)
        self._disk, self._vault = disk, trial.folder / "vault"
        self.journal: Journal | None = None
        self.undocumented: list[Sent] = []
        """Calls that changed something and whose step the journal did not have."""
        self.front.on_call = self._before

    def _before(self, action: str, params: Params) -> None:
        if action.lower() not in ACTING or self.journal is None:
            return
        number = next(int(params.text(n)) for n in ("serviceid", "invoiceid", "clientid", "id") if params.text(n))
        call = Sent(action.lower(), number)
        self._disk.mark(call)
        if not any(belongs(call, entry.step) for entry in self.journal.open_steps()):
            self.undocumented.append(call)

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        calls = self.front.calls.copy()
        response = super().send(request, *args, **more)
        if any(action in ACTING for action in self.front.calls - calls):
            self.outside()
        return response

    def outside(self) -> None:
        """Note how things stand outside."""
        backups = tuple(sorted(path.name for path in self._vault.iterdir()))
        self._disk.mark(Outside(pickle.dumps(self.world), backups))


class WatchedVault(FolderStore):
    """Backups whose deletion is seen."""

    def __init__(self, folder: Path, deleted: Callable[[], None]) -> None:
        super().__init__(folder)
        self._deleted = deleted

    def delete(self, item: BackupItem) -> Receipt:
        receipt = super().delete(item)
        self._deleted()
        return receipt


def belongs(call: Sent, step: Step) -> bool:
    """The call is part of this step."""
    if step.kind not in ACTING[call.action]:
        return False
    if step.kind is Kind.TERMINATE and call.action == "updateclientaddon":
        return True
    return call.number in (step.service, step.client, step.target, *step.invoices)


@contextmanager
def watched_bridge(trial: Trial, disk: Disk, log_pages: int = 1000) -> Iterator[tuple[Bridge, Watching]]:
    """A bridge on the trial's files whose calls and deletions are marked; `log_pages`: when logs are folded in."""
    network = Watching(trial, disk)
    network.outside()
    bridge = open_bridge(
        replace(SETTINGS, source=trial.folder / "bridge.toml", folder=trial.folder),
        adapter=network,
        clock=WorldClock(trial.world),
        stores=[WatchedVault(trial.folder / "vault", network.outside)],
        sleep=NEVER_SLEEP,
    )
    network.journal = bridge.journal
    for port in (bridge.journal, bridge.mirror):
        port._store.conn.execute(f"PRAGMA wal_autocheckpoint={log_pages}")  # type: ignore[union-attr]
    try:
        yield bridge, network
    finally:
        bridge.close()


def a_recorded_sync(trial: Trial, log_pages: int) -> Disk:
    """Run one sync in this process, and keep what it wrote and what it did outside."""
    with forgetful(trial.folder) as disk, watched_bridge(trial, disk, log_pages) as (bridge, network):
        bridge.sync()
    assert network.undocumented == []
    return disk


def after_the_cut(place: Place, disk: Disk, point: int, fate: Fate, chance: Random) -> Trial:
    """The machine as it starts again, and the world as it was then."""
    trial = place.trial()
    for path in trial.folder.iterdir():
        if path.is_file():
            path.unlink()
    disk.restore_at(point, fate, chance, trial.folder)
    outside = [event.what for event in disk.log[:point] if isinstance(event, Mark) and isinstance(event.what, Outside)]
    if outside:
        trial.front = Front(pickle.loads(outside[-1].world))
        for path in (trial.folder / "vault").iterdir():
            if path.name not in outside[-1].backups:
                path.unlink()
    return trial
