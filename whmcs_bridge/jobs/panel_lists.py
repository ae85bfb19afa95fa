"""What the panels themselves say of backups, beside what is configured here: hints for staff. Changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.panel_lists import PanelBackup, PanelDestination, PanelInventory
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.ports import AccountPanel, BackupStore


@dataclass(slots=True)
class GoneAccount:
    """An account that a panel lists backups of, and that does not live there."""

    account: str
    services: tuple[ServiceId, ...] = ()
    """Services that had the name on its servers; empty: WHMCS never had it."""
    backups: int = 0
    newest: date | None = None
    kept_at: set[str] = field(default_factory=set)


@dataclass(slots=True)
class PanelSays:
    """One panel's word."""

    panel: str
    living: int = 0
    unknown: list[str] = field(default_factory=list)
    """Accounts that live there and that no service in WHMCS has."""
    lists: bool = False
    """It was asked for its list of backups, and has one."""
    backups: int = 0
    gone: list[GoneAccount] = field(default_factory=list)
    unnamed: list[PanelDestination] = field(default_factory=list)
    """Places it sends backups to, or did, that no [[backup_store]] seems to name."""
    notes: tuple[str, ...] = ()
    troubles: list[str] = field(default_factory=list)


def ask_all(ports: Ports) -> list[PanelSays]:
    """Ask every panel who lives there, which backups it lists and where it sends them."""
    accounts = list(ports.journal.deletions.accounts())
    return [_ask(panel, accounts, ports.stores) for panel in ports.account_panels]


def _ask(panel: AccountPanel, accounts: Sequence[AccountIdentity], stores: Sequence[BackupStore]) -> PanelSays:
    says = PanelSays(panel.name)
    ours: dict[str, list[AccountIdentity]] = {}
    for account in accounts:
        if account.username and panel.serves(account.server):
            ours.setdefault(account.username, []).append(account)
    try:
        living = panel.living()
    except StoreTrouble as error:
        says.troubles.append(str(error))
        return says
    says.living = len(living)
    now = {name for name, known in ours.items() if any(a.until is None for a in known)}
    says.unknown = sorted(name for name in living if name not in now and not living[name].owner)
    try:
        inventory = panel.inventory()
    except StoreTrouble as error:
        says.troubles.append(f"who lives is known, its list of backups is not: {error}")
        return says
    if inventory is None:
        return says
    says.lists, says.backups, says.notes = True, len(inventory.backups), inventory.notes
    says.gone = _gone(inventory.backups, living, ours)
    says.unnamed = _unnamed(inventory, panel, {a.server for a in accounts}, stores)
    return says


def _gone(
    backups: Iterable[PanelBackup], living: Mapping[str, object], ours: Mapping[str, Sequence[AccountIdentity]]
) -> list[GoneAccount]:
    found: dict[str, GoneAccount] = {}
    for backup in backups:
        if not backup.account or backup.account in living:
            continue
        one = found.get(backup.account)
        if one is None:
            services = tuple(dict.fromkeys(a.service for a in ours.get(backup.account, ())))
            one = found[backup.account] = GoneAccount(backup.account, services)
        one.backups += 1
        one.kept_at.update(backup.kept_at)
        if backup.day is not None and (one.newest is None or backup.day > one.newest):
            one.newest = backup.day
    return sorted(found.values(), key=lambda one: (not one.services, one.account))


def _unnamed(
    inventory: PanelInventory, panel: AccountPanel, servers: Iterable[int], stores: Sequence[BackupStore]
) -> list[PanelDestination]:
    """Return the destinations that no store of the panel's servers could be.

    A host or bucket is told by its name alone, for a panel and a program may write one path in two ways; a kind
    without a place (a word such as "sftp") tells nothing and is left out where some store of that kind is there.
    """
    served = [s for s in stores if any(panel.serves(n) and s.serves(n) for n in servers)]
    places = [place for place in map(_place, served) if place is not None]
    return [d for d in inventory.destinations if not any(_may_be(d, kind, host, path) for kind, host, path in places)]


def _place(store: BackupStore) -> tuple[str, str, str] | None:
    try:
        root = store.root
    except StoreTrouble:  # it cannot be opened, and says so elsewhere
        return None
    if "://" not in root:
        return store.kind, "", root
    parts = urlsplit(root)
    return store.kind, parts.hostname or parts.netloc, parts.path


def _may_be(destination: PanelDestination, kind: str, host: str, path: str) -> bool:
    if destination.host:
        return host.lower() == destination.host.lower()
    if not destination.path:
        return kind == destination.kind.lower()
    # A folder of the panel's machine: this machine's, or reached through a line to it; its host is not told.
    theirs, ours = PurePosixPath(destination.path), PurePosixPath(path or "/")
    return kind in ("local", "sftp", "ftp", "webdav") and (theirs == ours or ours in theirs.parents)


def says_json(says: PanelSays) -> dict[str, Any]:
    """One entry of `backups panels --json`; fields are added, never renamed."""
    return {
        "panel": says.panel,
        "living": says.living,
        "unknown_to_whmcs": says.unknown,
        "lists_backups": says.lists,
        "backups": says.backups,
        "accounts_gone": [
            {
                "account": one.account,
                "services": list(one.services),
                "backups": one.backups,
                "newest": one.newest.isoformat() if one.newest else None,
                "kept_at": sorted(one.kept_at),
            }
            for one in says.gone
        ],
        "destinations_without_store": [
            {"name": d.name, "kind": d.kind, "host": d.host, "path": d.path, "used": d.used} for d in says.unnamed
        ],
        "notes": list(says.notes),
        "troubles": says.troubles,
    }
