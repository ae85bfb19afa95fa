"""Settings -> Bridge: the one place that picks real adapters."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import DatabaseTrouble
from whmcs_bridge.jobs.context import Ports, Progress, Silent
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.ports import AccountPanel, BackupStore, Clock, Panel
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.secret import Secret

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from whmcs_bridge.api.client import WhmcsApi


class HouseClock:
    """The machine's clock in the house's time zone; with `day`, its time of that day."""

    def __init__(self, timezone: str, day: date | None = None) -> None:
        self._zone, self._day = ZoneInfo(timezone), day
        self.played = day is not None

    def now(self) -> datetime:
        now = datetime.now(self._zone)
        return now if self._day is None else datetime.combine(self._day, now.time(), self._zone)


def open_api(
    settings: Settings, *, adapter: "BaseAdapter | None" = None, sleep: Callable[[float], None] | None = None
) -> "WhmcsApi":
    """Return the API client of these settings; raises SettingsProblem for a secret that is not there."""
    from whmcs_bridge.api.client import WhmcsApi
    from whmcs_bridge.api.transport import Timeouts

    whmcs = settings.whmcs
    more = {"sleep": sleep} if sleep is not None else {}
    return WhmcsApi(
        whmcs.url,
        whmcs.identifier.reveal(),
        whmcs.secret.reveal(),
        whmcs.access_key.reveal() if whmcs.access_key else None,
        connections=whmcs.connections,
        page_size=whmcs.page_size,
        adapter=adapter,
        timeouts=Timeouts(
            connect_seconds=whmcs.connect_timeout_seconds,
            read_seconds=whmcs.read_timeout_seconds,
            module_seconds=whmcs.module_timeout_seconds,
        ),
        ca_bundle=str(whmcs.ca_bundle) if whmcs.ca_bundle else None,
        id_fields=settings.policy.backups.id_fields,
        **more,
    )


class _LatePanel:
    """A panel that is made when it is first called."""

    def __init__(self, make: "Callable[[], WhmcsApi]") -> None:
        self._make, self._lock = make, Lock()
        self._made: tuple[Panel, Callable[[], None]] | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _panel(self._make, late=False)
        return getattr(self._made[0], name)

    def close(self) -> None:
        if self._made is not None:
            self._made[1]()


def _panel(make: "Callable[[], WhmcsApi]", *, late: bool) -> tuple[Panel, Callable[[], None]]:
    """Return the panel, and how it is closed."""
    if late:
        panel = _LatePanel(make)
        return cast(Panel, panel), panel.close
    from whmcs_bridge.api.panel import LivePanel

    api = make()
    return LivePanel(api), api.close


def open_bridge(
    settings: Settings,
    *,
    adapter: "BaseAdapter | None" = None,
    clock: Clock | None = None,
    in_memory: bool = False,
    stores: Sequence[BackupStore] | None = None,
    account_panels: Sequence[AccountPanel] | None = None,
    progress: Progress | None = None,
    actor: str = "bridge",
    sleep: Callable[[float], None] | None = None,
    offline: bool = False,
    late: bool = False,
) -> Bridge:
    """Wire everything. `adapter` replaces the network (the simulator); `in_memory` keeps both databases off the disk.

    `offline` is for what looks into mirror and journal only: no credentials are read, and none are there to be sent.
    `late` reads them, and loads what speaks to WHMCS, when it is first spoken to.
    `stores` and `account_panels` stand in for those of the settings, whose drivers are loaded when they are first used.
    Raises SettingsProblem, DatabaseTrouble, Locked.
    """
    journal_file: Path | None = None if in_memory else settings.journal
    mirror_file: Path | None = None if in_memory else settings.mirror
    if journal_file is not None:
        _make_folder(settings.folder)
    known = _without_credentials(settings) if offline else settings
    panel, close = _panel(lambda: open_api(known, adapter=adapter, sleep=sleep), late=late)
    journal = SqliteJournal(journal_file)
    mirror = SqliteMirror(mirror_file)
    stores = _stores(settings) if stores is None else tuple(stores)
    panels = _panels(settings) if account_panels is None else tuple(account_panels)
    ports = Ports(
        settings=settings,
        panel=panel,
        mirror=mirror,
        journal=journal,
        clock=clock or HouseClock(settings.policy.calendar.timezone),
        stores=stores,
        account_panels=panels,
        progress=progress or Silent(),
        workers=1 if adapter is not None else settings.whmcs.connections,
        actor=actor,
        morning_folder=None if in_memory else settings.folder / "morning",
        gate_file=None if in_memory else settings.gate,
    )
    opened = [*(store.close for store in stores), *(one.close for one in panels)]
    return Bridge(ports, (close, *opened, mirror.close, journal.close))


def _stores(settings: Settings) -> tuple[BackupStore, ...]:
    if not settings.backup_stores:
        return ()
    from whmcs_bridge.backups import open_stores

    return open_stores(settings)


def _panels(settings: Settings) -> tuple[AccountPanel, ...]:
    if not settings.panels:
        return ()
    from whmcs_bridge.backups import open_panels

    return open_panels(settings)


def _without_credentials(settings: Settings) -> Settings:
    nobody = Secret.given("offline")
    return replace(settings, whmcs=replace(settings.whmcs, identifier=nobody, secret=nobody, access_key=None))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseTrouble(f"{folder}: cannot be made ({error.strerror}); set [storage] folder") from error
