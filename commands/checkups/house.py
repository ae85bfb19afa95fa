"""What can be looked at without WHMCS and without our databases: settings, secrets, packages, calendar data."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Mapping
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from commands.checkups.finding import Finding, Grade
from whmcs_bridge.errors import SettingsProblem

if TYPE_CHECKING:
    from whmcs_bridge.settings import Secret, Settings

PACKAGES = ("whmcs_bridge", "hooks", "commands")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ZONES_OLD_AFTER_YEARS = 2
NEVER = {
    "suspend_after_days": ("nobody is suspended for debt", "who owes keeps the service, however much it is"),
    "terminate_after_days": ("nothing is ended for debt", "who owes is suspended at most, however long it lasts"),
    "delete_backups_after_days": ("no backup is deleted", "backups of ended services are kept for good"),
}
"""Setting that is never -> what that means, and what follows from it."""
BECAUSE = {
    "set": "it is set so there or in [defaults]",
    "default": "the default: neither it nor [defaults] sets it",
    "never suspended": "it follows from suspend_after_days, which is never",
}
"""Where a never comes from, as never_list names it -> the same for people."""


def settings_and_rules(settings: Settings) -> Iterator[Finding]:
    """Warnings of the settings, and what is set to never."""
    from whmcs_bridge.settings.never import never_list

    yield Finding("settings", Grade.OK, f"{settings.source} is in order, mode {settings.mode}")
    for warning in settings.warnings:
        why = "it is allowed, but hardly meant"
        yield Finding("settings", Grade.WARN, warning, "see: whmcs-bridge policy check", why)
    for one in never_list(settings):
        means, why = NEVER[one.key]
        text = f"{one.layer}: {means}, because {one.key} is never ({BECAUSE[one.why]})"
        yield Finding("never", Grade.INFO, text, f"if that is not meant, set {one.key} in {one.layer}", why)


def credentials(settings: Settings) -> Iterator[Finding]:
    """Secrets are there, files of theirs are private, and nobody reads along."""
    whmcs = settings.whmcs
    for name, secret in (("identifier", whmcs.identifier), ("secret", whmcs.secret), ("access_key", whmcs.access_key)):
        if secret is None:
            continue
        try:
            secret.reveal()
        except SettingsProblem as problem:
            why = "WHMCS cannot be asked anything without it"
            yield Finding("credentials", Grade.FAIL, problem.problems[0], "set it where the settings say", why)
            continue
        if _open_to_others(secret):
            why = "who has it can do in WHMCS whatever the bridge can"
            text = f"{secret.path} can be read by others"
            yield Finding("credentials", Grade.WARN, text, f"chmod 600 {secret.path}", why)
        else:
            yield Finding("credentials", Grade.OK, f"{name} is there ({secret.reference})")
    parts = urlsplit(whmcs.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        why = "the secret and the clients' data can be read on their way"
        yield Finding("credentials", Grade.WARN, f"{whmcs.url} is not encrypted", "use https in [whmcs] url", why)


def store_credentials(settings: Settings) -> Iterator[Finding]:
    """Secrets of backup stores are there; those that only delete may lie on another machine."""
    for store in settings.backup_stores:
        for name, secret in _secrets(store.options):
            why = "it cannot be listed, so nothing is known of what it holds, and nothing in it is deleted"
            yield from _readable(f"store {store.name}: {name}", secret, Grade.WARN, why)
        for name, secret in _secrets(store.delete_with or {}):
            why = "audits and plans work, and nothing in it is deleted from this machine"
            yield from _readable(f"store {store.name}: delete_with.{name}", secret, Grade.INFO, why)
    if settings.evidence_key is not None:
        why = "the head of the evidence in the morning mail is not signed"
        yield from _readable("evidence_key", settings.evidence_key, Grade.WARN, why)


def _secrets(options: Mapping[str, object]) -> Iterator[tuple[str, Secret]]:
    from whmcs_bridge.settings import Secret

    yield from ((name, value) for name, value in options.items() if isinstance(value, Secret))


def _readable(what: str, secret: Secret, grade: Grade, why: str) -> Iterator[Finding]:
    try:
        secret.reveal()
    except SettingsProblem as problem:
        yield Finding("credentials", grade, f"{what}: {problem.problems[0]}", "set it where the settings say", why)


def _open_to_others(secret: Secret) -> bool:
    return secret.path is not None and bool(secret.path.stat().st_mode & 0o077)


def packages() -> Iterator[Finding]:
    """Our three packages are ours: nothing else brings one of the same name."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    root = Path(__file__).resolve().parent.parent.parent
    clean = True
    why = "another program's code may run in place of ours, and removing it takes ours along"
    for name in PACKAGES:
        others = sorted(set(owners.get(name, ())) - {"whmcs-bridge"})
        if others:
            clean = False
            text = f"the Python package {name} is also brought by {', '.join(others)}"
            todo = f"pip uninstall {others[0]}, or a virtual environment of our own"
            yield Finding("packages", Grade.FAIL, text, todo, why)
        found = Path(getattr(import_module(name), "__file__", None) or "/").resolve().parent.parent
        if found != root:
            clean = False
            text = f"{name} is imported from {found}, not from {root}"
            yield Finding(
                "packages", Grade.FAIL, text, "mend PYTHONPATH, or install into an environment of its own", why
            )
    if clean:
        version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
        yield Finding("packages", Grade.OK, f"no collisions; Python {version}")


def calendar(settings: Settings, today: date) -> Iterator[Finding]:
    """The data behind time zone and holidays are not of yesterday."""
    found = zone_data_version()
    zone = settings.policy.calendar.timezone
    if found[:4].isdigit() and today.year - int(found[:4]) >= ZONES_OLD_AFTER_YEARS:
        text = f"the time zone data are of {found}"
        why = f"a country that moved its clocks since has another midnight than we think (house: {zone})"
        yield Finding("calendar", Grade.WARN, text, "update the system's tzdata, or: pip install -U tzdata", why)
    else:
        yield Finding("calendar", Grade.OK, f"house time zone {zone}, data {found or 'of the system'}")
    yield from _holidays(settings, today)


def _holidays(settings: Settings, today: date) -> Iterator[Finding]:
    from whmcs_bridge.settings.days import CountryHolidays

    days = settings.policy.calendar.holidays
    if not isinstance(days, CountryHolidays):
        return
    empty = [str(year) for year in (today.year, today.year + 1) if not _any_of(days, year)]
    if empty:
        text = f"no holidays of {days.spec} are known for {' and '.join(empty)}"
        why = "quiet days and bank days are counted wrong without them"
        yield Finding("calendar", Grade.WARN, text, "pip install -U holidays", why)
    else:
        yield Finding("calendar", Grade.OK, f"holidays of {days.spec} are known for this year and the next")


def _any_of(days: Container[date], year: int) -> bool:
    first = date(year, 1, 1)
    return any(first + timedelta(n) in days for n in range(365))


def zone_data_version() -> str:
    """Return the release of the time zone data in use, such as 2025b; "" where they do not say."""
    import zoneinfo

    for folder in zoneinfo.TZPATH:
        for name in ("tzdata.zi", "+VERSION"):
            path = Path(folder) / name
            if path.exists():
                with path.open("r", encoding="ascii", errors="replace") as lines:
                    return lines.readline().removeprefix("# version").strip()
    try:
        return str(import_module("tzdata").IANA_VERSION)
    except ImportError:
        return ""
