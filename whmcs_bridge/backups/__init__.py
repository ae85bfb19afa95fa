"""Backup stores and panels: the drivers that list and delete what an ended service leaves behind, by name.

What a driver takes in the settings file stands in `whmcs_bridge.settings.drivers`, under the same name.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from threading import Lock
from typing import Any, Final, cast

from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.backups.two_handed import TwoHanded
from whmcs_bridge.errors import SettingsProblem, StoreAuthFailed, ViewIncomplete
from whmcs_bridge.ports import AccountPanel, BackupStore
from whmcs_bridge.settings.model import BackupStoreSettings, PanelSettings, Settings

__all__ = ["DRIVERS", "PANELS", "MemoryStore", "open_panels", "open_stores"]

DRIVERS: Mapping[str, str] = {
    "borg": "whmcs_bridge.backups.borg:open_store",
    "ftp": "whmcs_bridge.backups.ftp:open_store",
    "jetbackup": "whmcs_bridge.backups.jetbackup:open_store",
    "local": "whmcs_bridge.backups.local:open_store",
    "manual": "whmcs_bridge.backups.manual:open_store",
    "openstack": "whmcs_bridge.backups.openstack:open_store",
    "pbs": "whmcs_bridge.backups.pbs:open_store",
    "proxmox": "whmcs_bridge.backups.proxmox:open_store",
    "restic": "whmcs_bridge.backups.restic:open_store",
    "s3": "whmcs_bridge.backups.s3:open_store",
    "sftp": "whmcs_bridge.backups.sftp:open_store",
    "solusvm2": "whmcs_bridge.backups.solusvm2:open_store",
    "virtualizor": "whmcs_bridge.backups.virtualizor:open_store",
    "webdav": "whmcs_bridge.backups.webdav:open_store",
}
"""Driver -> what opens its stores: a function of BackupStoreSettings. It connects to nothing yet."""

PANELS: Mapping[str, str] = {
    "directadmin": "whmcs_bridge.backups.panels:open_directadmin",
    "hestia": "whmcs_bridge.backups.panels:open_hestia",
    "names": "whmcs_bridge.backups.names_panel:open_panel",
    "proxmox": "whmcs_bridge.backups.proxmox_panel:open_panel",
    "vesta": "whmcs_bridge.backups.panels:open_vesta",
    "whm": "whmcs_bridge.backups.panels:open_whm",
}
"""Driver -> what opens its panels: a function of PanelSettings. It connects to nothing yet."""

READS: Final = frozenset(("probe", "items", "residue", "capture", "living", "inventory", "poll"))
"""What a driver does by reading another side's answers: any of them may be damaged in a way that nobody thought of."""
DAMAGE: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


def open_stores(settings: Settings) -> tuple[BackupStore, ...]:
    """Return the stores of the settings, in their order. A driver is loaded, and secrets are read, at first use."""
    return tuple(_opened(given) for given in settings.backup_stores)


def _opened(given: BackupStoreSettings) -> BackupStore:
    """The store, or the same place opened with two credentials, each read only when it is needed."""
    reading = cast(BackupStore, _Late(given, DRIVERS[given.driver], "store"))
    if given.delete_with is None:
        return reading
    hand = replace(given, options=given.acting_options, delete_with=None)
    return TwoHanded(reading, cast(BackupStore, _Late(hand, DRIVERS[given.driver], "store")))


def open_panels(settings: Settings) -> tuple[AccountPanel, ...]:
    """Return the panels of the settings, in their order. A driver is loaded, and secrets are read, at first use."""
    return tuple(cast(AccountPanel, _Late(given, PANELS[given.driver], "panel")) for given in settings.panels)


class _Late:
    """A store or panel that is made when it is first asked for more than the settings know."""

    def __init__(self, given: BackupStoreSettings | PanelSettings, reference: str, what: str) -> None:
        self._given, self._reference, self._what = given, reference, what
        self._lock = Lock()
        self._made: Any = None

    @property
    def name(self) -> str:
        return self._given.name

    @property
    def kind(self) -> str:
        return self._given.driver

    def serves(self, server: int) -> bool:
        return not self._given.servers or server in self._given.servers

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._open()
        found = getattr(self._made, name)
        return self._netted(found) if name in READS else found

    def _netted(self, read: Callable[..., Any]) -> Callable[..., Any]:
        """The same read; an answer that its driver cannot take ends in ViewIncomplete, not the run over all stores."""

        def netted(*given: Any, **named: Any) -> Any:
            with self._net():
                found = read(*given, **named)
            return self._each(found) if isinstance(found, Iterator) else found

        return netted

    def _each(self, rows: Iterator[Any]) -> Iterator[Any]:
        """The rows of a driver that reads on while it is asked for more."""
        with self._net():
            yield from rows

    @contextmanager
    def _net(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:  # without the value, which may be anything that the other side sent
            told = f"{self._what} {self.name}: an answer that cannot be read ({type(error).__name__})"
            raise ViewIncomplete(told) from None

    def _open(self) -> Any:
        """Raises StoreAuthFailed where a secret is not there: one such store must not end a run over the others."""
        module, _, function = self._reference.partition(":")
        make: Callable[[Any], Any] = getattr(import_module(module), function)
        try:
            return make(self._given)
        except SettingsProblem as problem:
            raise StoreAuthFailed(f"{self._what} {self.name}: {problem}") from None
