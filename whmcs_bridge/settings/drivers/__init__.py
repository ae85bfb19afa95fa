"""What each driver of a backup store or panel takes in the settings file: one module a driver, one line here."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

from whmcs_bridge.settings.kinds import Key, SecretRef, read_keys
from whmcs_bridge.settings.report import Place, Report
from whmcs_bridge.settings.secret import Secret

Check = Callable[[Mapping[str, Any], Place, Report], None]
"""Gets every option, typed, with its default; reports what single options cannot see."""


def _never(options: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """The options of one driver, beside name, driver and servers, which all of them take."""

    doc: str
    keys: tuple[Key, ...]
    check: Check | None = None
    needs_servers: str = ""
    """Why `servers` has to be set, which other drivers may leave out."""
    lists_only: Callable[[Mapping[str, Any]], bool] = _never
    """Whether a store of these options deletes nothing."""

    @property
    def credentials(self) -> tuple[Key, ...]:
        """Options that it logs in with, none of them required: what `delete_with` takes."""
        return tuple(replace(key, required=False) for key in self.keys if _logs_in(key))


STORES: Mapping[str, str] = {
    "borg": "whmcs_bridge.settings.drivers.repositories:BORG",
    "ftp": "whmcs_bridge.settings.drivers.ftp:OPTIONS",
    "jetbackup": "whmcs_bridge.settings.drivers.jetbackup:OPTIONS",
    "local": "whmcs_bridge.settings.drivers.local:OPTIONS",
    "manual": "whmcs_bridge.settings.drivers.manual:OPTIONS",
    "openstack": "whmcs_bridge.settings.drivers.openstack:OPTIONS",
    "pbs": "whmcs_bridge.settings.drivers.hypervisors:PBS",
    "proxmox": "whmcs_bridge.settings.drivers.hypervisors:PROXMOX",
    "restic": "whmcs_bridge.settings.drivers.repositories:RESTIC",
    "s3": "whmcs_bridge.settings.drivers.s3:OPTIONS",
    "sftp": "whmcs_bridge.settings.drivers.sftp:OPTIONS",
    "solusvm2": "whmcs_bridge.settings.drivers.solusvm2:OPTIONS",
    "virtualizor": "whmcs_bridge.settings.drivers.virtualizor:OPTIONS",
    "webdav": "whmcs_bridge.settings.drivers.webdav:OPTIONS",
}
NO_DRIVER: Mapping[str, str] = {
    "solusvm1": "SolusVM 1 has no documented API for backups: take sftp or ftp with a template for the folder that "
    "they lie in, or manual"
}
"""What people look for and will not find -> what to do."""
PANELS: Mapping[str, str] = {
    "directadmin": "whmcs_bridge.settings.drivers.panels:DIRECTADMIN",
    "hestia": "whmcs_bridge.settings.drivers.panels:HESTIA",
    "names": "whmcs_bridge.settings.drivers.names:OPTIONS",
    "proxmox": "whmcs_bridge.settings.drivers.hypervisors:PANEL",
    "vesta": "whmcs_bridge.settings.drivers.panels:VESTA",
    "whm": "whmcs_bridge.settings.drivers.panels:WHM",
}


LOGINS = frozenset({"user", "token_id", "identity_file", "application_credential_id"})
"""Options that say who logs in, beside the secrets."""


def _logs_in(key: Key) -> bool:
    return isinstance(key.kind, SecretRef) or key.name in LOGINS


def read_hand(
    options: DriverOptions, read: Mapping[str, Any], table: Mapping[str, Any], at: Place, report: Report
) -> dict[str, Any] | None:
    """Return the credentials that delete, typed; None after reporting any mistake.

    `read`: the options with the credentials that list. Secrets of theirs are never taken over: what the deleting hand
    logs in with is named whole.
    """
    if not options.credentials:
        report.refuse(at, "found credentials, but this driver takes none: it acts as the user that runs the bridge")
        return None
    before = len(report.problems)
    found = read_keys(options.credentials, table, at, report)
    if found is None:
        return None
    for key in options.keys:
        if key.required and isinstance(key.kind, SecretRef) and key.name not in found:
            report.refuse(at.to(key.name), f"missing, expected {key.kind.expected}")
    if options.check is not None and len(report.problems) == before:
        rest = {name: value for name, value in read.items() if not isinstance(value, Secret)}
        options.check({**rest, **found}, at, report)
    same = [name for name in found if isinstance(found[name], Secret) and _same(found[name], read.get(name))]
    if same and len(report.problems) == before:
        report.warn(at.to(same[0]), "the same secret as the one that lists: nothing is kept apart by it")
    return found if len(report.problems) == before else None


def _same(one: Secret, other: Any) -> bool:
    return isinstance(other, Secret) and one.reference == other.reference


@cache
def store_options(driver: str) -> DriverOptions:
    """Return what a store's driver takes; raises KeyError for one that is not there."""
    return _loaded(STORES[driver])


@cache
def panel_options(driver: str) -> DriverOptions:
    """Return what a panel's driver takes; raises KeyError for one that is not there."""
    return _loaded(PANELS[driver])


def _loaded(reference: str) -> DriverOptions:
    module, _, name = reference.partition(":")
    found = getattr(import_module(module), name)
    assert isinstance(found, DriverOptions)
    return found


def read_options(options: DriverOptions, table: Mapping[str, Any], at: Place, report: Report) -> dict[str, Any] | None:
    """Return every option that is set or has a default, typed; None after reporting any mistake."""
    found = read_keys(options.keys, table, at, report)
    if found is None:
        return None
    for key in options.keys:
        if key.name not in found and key.default is not None:
            found[key.name] = key.kind.read(_written(key.default), at.to(key.name), report)
    before = len(report.problems)
    if options.check is not None:
        options.check(found, at, report)
    return found if len(report.problems) == before else None


def _written(default: str) -> Any:
    return tomllib.loads(f"value = {default}")["value"]


def _same_cloud(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """One region, and the same project of it, or all of them in either."""
    if one.get("region") != other.get("region"):
        return False
    return bool(one.get("all_projects") or other.get("all_projects")) or one.get("project") == other.get("project")


WHERE = ("host", "port", "url", "endpoint_url", "bucket", "repository", "datastore")
"""Options that say which machine, service or repository a store is on."""
INSIDE = ("root", "prefix")
"""Options that say where on it the store begins."""
SEVERAL = ("storages", "namespaces")
"""Options that list the parts of it that a store is."""
WHOLE = ("borg", "jetbackup", "restic", "solusvm2", "virtualizor")
"""Drivers whose stores are all that is there."""


def same_place(one: tuple[str, Mapping[str, Any]], other: tuple[str, Mapping[str, Any]]) -> bool:
    """Whether two stores, as driver and options, hold the same items, or one lies within the other.

    What is deleted in one of them would vanish from the other without a plan.
    """
    (driver, options), (other_driver, other_options) = one, other
    if driver != other_driver or any(options.get(key) != other_options.get(key) for key in WHERE):
        return False
    if driver == "openstack":
        return _same_cloud(options, other_options)
    for key in INSIDE:
        if key in options:
            here, there = f"{options[key]}/", f"{other_options[key]}/"
            return here.startswith(there) or there.startswith(here)
    for key in SEVERAL:
        if key in options:
            return not set(options[key]).isdisjoint(other_options[key])
    return driver in WHOLE
