"""What `doctor` looks at: each check-up yields findings and changes nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from whmcs_bridge.errors import AccessRefused, BridgeError, Refused, SettingsProblem, WhmcsError

if TYPE_CHECKING:
    from whmcs_bridge.api.client import WhmcsApi
    from whmcs_bridge.settings import Secret, Settings

READS = (
    "GetClients",
    "GetClientGroups",
    "GetClientsDetails",
    "GetClientsProducts",
    "GetClientsAddons",
    "GetCancelledPackages",
    "GetContacts",
    "GetEmails",
    "GetInvoice",
    "GetInvoices",
    "GetProducts",
)
"""Without one of these no run can trust what it reads."""
WRITES = (
    "ModuleSuspend",
    "ModuleUnsuspend",
    "ModuleTerminate",
    "SendEmail",
    "UpdateClient",
    "UpdateClientAddon",
    "UpdateClientProduct",
    "UpdateInvoice",
)
"""Without one of these some step fails when it is carried out."""
USEFUL = ("GetAutomationLog", "GetConfigurationValue", "GetEmailTemplates", "GetModuleQueue", "SendAdminEmail")
"""Without these some check is blind."""
CLOCK_SLACK = timedelta(minutes=5)
HOUR = 3600
CRON_OVERDUE = timedelta(hours=26)
LITTLE_ROOM_BYTES = 200 * 1024 * 1024
STALE_AFTER = timedelta(hours=36)
PACKAGES = ("whmcs_bridge", "hooks", "commands")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Grade(StrEnum):
    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `todo` says what to do about it."""

    area: str
    grade: Grade
    text: str
    todo: str = ""


# --- without WHMCS ------------------------------------------------------------------------------------


def settings_and_rules(settings: Settings) -> Iterator[Finding]:
    """Warnings of the settings, what is set to never, a pause, the mode."""
    from whmcs_bridge.settings.never import never_list

    yield Finding("settings", Grade.OK, f"{settings.source} is in order, mode {settings.mode}")
    for warning in settings.warnings:
        yield Finding("settings", Grade.WARN, warning, "see: whmcs-bridge policy check")
    if settings.pause_file.exists():
        yield Finding("settings", Grade.WARN, f"{settings.pause_file} holds every harmful step", "remove it to go on")
    for one in never_list(settings):
        yield Finding("never", Grade.INFO, f"{one.layer} {one.key} is never ({one.why})")


def credentials(settings: Settings) -> Iterator[Finding]:
    """Secrets are there, and files of theirs are private."""
    whmcs = settings.whmcs
    for name, secret in (("identifier", whmcs.identifier), ("secret", whmcs.secret), ("access_key", whmcs.access_key)):
        if secret is None:
            continue
        try:
            secret.reveal()
        except SettingsProblem as problem:
            yield Finding("credentials", Grade.FAIL, problem.problems[0], "set it where the settings say")
            continue
        open_to_all = _open_to_others(secret)
        if open_to_all:
            yield Finding("credentials", Grade.WARN, f"{secret.path} can be read by others", f"chmod 600 {secret.path}")
        else:
            yield Finding("credentials", Grade.OK, f"{name} is there ({secret.reference})")
    parts = urlsplit(whmcs.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield Finding(
            "credentials", Grade.WARN, f"{whmcs.url} is not encrypted: the secret can be read on its way", "use https"
        )


def _open_to_others(secret: Secret) -> bool:
    return secret.path is not None and bool(secret.path.stat().st_mode & 0o077)


def packages() -> Iterator[Finding]:
    """Our three packages are ours: nothing else brings one of the same name."""
    from importlib import import_module
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    root = Path(__file__).resolve().parent.parent
    clean = True
    for name in PACKAGES:
        others = sorted(set(owners.get(name, ())) - {"whmcs-bridge"})
        if others:
            clean = False
            text = f"the Python package {name} is also brought by {', '.join(others)}"
            yield Finding(
                "packages", Grade.FAIL, text, f"pip uninstall {others[0]}, or a virtual environment of our own"
            )
        found = Path(getattr(import_module(name), "__file__", None) or "/").resolve().parent.parent
        if found != root:
            clean = False
            yield Finding(
                "packages", Grade.FAIL, f"{name} is imported from {found}, not from {root}", "mend PYTHONPATH"
            )
    if clean:
        version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
        yield Finding("packages", Grade.OK, f"no collisions; Python {version}")


def databases(settings: Settings) -> Iterator[Finding]:
    """Both files are sound, there is room for them, and the last runs went well."""
    for path in (settings.journal, settings.mirror):
        yield _sound(path)
    folder = settings.folder if settings.folder.exists() else settings.folder.parent
    if folder.exists() and shutil.disk_usage(folder).free < LITTLE_ROOM_BYTES:
        yield Finding("database", Grade.WARN, f"less than 200 MiB are left for {settings.folder}", "free some space")
    if settings.journal.exists():
        yield from _last_runs(settings)


def _sound(path: Path) -> Finding:
    from whmcs_bridge.storage import fault_in

    if not path.exists():
        return Finding("database", Grade.INFO, f"{path} is not there yet; the first run makes it")
    said = fault_in(path)
    if not said:
        return Finding("database", Grade.OK, f"{path} is sound ({path.stat().st_size / 1e6:.1f} MB)")
    todo = "delete it: the next sync makes it anew" if path.name == "mirror.db" else "restore it from its backup"
    if "unable to open" in said or "disk I/O" in said:  # nothing says that the file itself is damaged
        todo = "check the disk, and that the file and its folder are writable for this user"
    return Finding("database", Grade.FAIL, f"{path}: {said}", todo)


def _last_runs(settings: Settings) -> Iterator[Finding]:
    from whmcs_bridge.journal import SqliteJournal

    try:
        journal = SqliteJournal(settings.journal)
    except BridgeError as error:
        yield Finding("database", Grade.FAIL, str(error))
        return
    with closing(journal):
        last, unknown = journal.last_run("sync"), journal.open_steps()
    if last is None:
        yield Finding("runs", Grade.INFO, "no sync has run yet")
    else:
        age = datetime.now(UTC) - last.started_at.astimezone(UTC)
        grade = Grade.WARN if age > STALE_AFTER or last.outcome not in ("ok", "shadow") else Grade.OK
        todo = "see: whmcs-bridge journal --runs" if grade is Grade.WARN else ""
        yield Finding("runs", grade, f"the last sync began {last.started_at:%Y-%m-%d %H:%M}: {last.outcome}", todo)
    if unknown:
        text = f"{len(unknown)} steps have an outcome that is not known"
        yield Finding("runs", Grade.WARN, text, "the next sync looks what became of them")


# --- with WHMCS ---------------------------------------------------------------------------------------


def connection(api: WhmcsApi, settings: Settings) -> Iterator[Finding]:
    """Everything that has to ask WHMCS; ends at the first refusal that concerns all of it."""
    try:
        about = api.admin_details()
    except WhmcsError as error:
        yield Finding("connection", Grade.FAIL, str(error), "nothing else of WHMCS could be looked at")
        return
    who = about.admin_name or f"number {about.admin_id}"
    yield Finding("connection", Grade.OK, f"{settings.whmcs.url}: WHMCS {about.version or '?'}, as administrator {who}")
    yield from permissions(api)
    yield from clock(api, settings)
    yield from whmcs_settings(api, settings)
    yield from catalogue(api, settings)


def permissions(api: WhmcsApi) -> Iterator[Finding]:
    """Every action we need is in the credential's role; asked with ids that cannot exist, so nothing changes."""
    granted = 0
    for names, grade in ((READS, Grade.FAIL), (WRITES, Grade.FAIL), (USEFUL, Grade.WARN)):
        for name in names:
            try:
                allowed = api.probe_permission(name)
            except WhmcsError as error:
                yield Finding("permission", Grade.WARN, f"{name}: {error}")
                continue
            granted += allowed is not False
            if allowed is False:
                todo = "allow it in Setup > Staff > API Credentials > API Roles"
                yield Finding("permission", grade, f"the API role lacks {name}", todo)
    asked = len(READS) + len(WRITES) + len(USEFUL)
    yield Finding("permission", Grade.OK, f"{granted} of {asked} actions are allowed")


def clock(api: WhmcsApi, settings: Settings) -> Iterator[Finding]:
    """Clock and time zone apart: minutes are a clock that is wrong, whole hours another time zone."""
    zone = settings.policy.calendar.timezone
    try:
        theirs, last_cron = api.automation_clock()
    except WhmcsError as error:
        yield Finding("clock", Grade.WARN, f"WHMCS's clock cannot be read: {error}")
        return
    apart = (theirs - datetime.now(ZoneInfo(zone)).replace(tzinfo=None)).total_seconds()
    hours = round(apart / HOUR)
    rest = timedelta(seconds=abs(apart - hours * HOUR))
    if rest > CLOCK_SLACK:
        minutes = round(rest.total_seconds() / 60)
        yield Finding("clock", Grade.WARN, f"WHMCS's clock and ours are {minutes} min apart", "set both by NTP")
    if hours:
        where = "ahead of" if hours > 0 else "behind"
        text = f"WHMCS's wall clock ({theirs:%Y-%m-%d %H:%M}) is {abs(hours)} h {where} {zone}"
        yield Finding("time zone", Grade.WARN, text, "set [calendar] timezone to WHMCS's own")
    if rest <= CLOCK_SLACK and not hours:
        yield Finding("clock", Grade.OK, f"WHMCS's clock and time zone are ours ({theirs:%H:%M}, {zone})")
    if last_cron is None:
        yield Finding(
            "cron", Grade.WARN, "WHMCS does not say when its daily cron last ran", "see its automation status"
        )
    elif theirs - last_cron > CRON_OVERDUE:
        text = f"WHMCS's daily cron last ran {last_cron:%Y-%m-%d %H:%M}"
        yield Finding("cron", Grade.WARN, text, "no invoices are made without it: check its crontab")
    else:
        yield Finding("cron", Grade.OK, f"WHMCS's daily cron ran {last_cron:%Y-%m-%d %H:%M}")


def whmcs_settings(api: WhmcsApi, settings: Settings) -> Iterator[Finding]:
    """WHMCS's own automation that works against the house's rules."""
    values = {name: _value(api, name) for name in ("AutoSuspension", "AutoTermination", "AutoUnsuspend")}
    own = {"AutoSuspension": "AutoSuspensionDays", "AutoTermination": "AutoTerminationDays"}
    verbs = {"AutoSuspension": "suspends", "AutoTermination": "terminates"}
    for name, days_name in own.items():
        if _is_on(values[name]):
            count = _value(api, days_name) or "?"
            text = f"WHMCS's own cron {verbs[name]} {count} days after the next due date, whatever our rules say"
            yield Finding("whmcs", Grade.WARN, text, f"switch {name} off once the bridge enforces")
    if _is_on(values["AutoUnsuspend"]):
        text = "WHMCS unsuspends on payment of any invoice, also of the oldest of several"
        yield Finding("whmcs", Grade.INFO, text, "our suspensions carry a reason, which keeps it off them")
    if _is_on(_value(api, "MaintenanceMode")):
        yield Finding("whmcs", Grade.WARN, "WHMCS is in maintenance mode", "harmful steps wait until it is over")
    address = _value(api, "SystemURL") or ""
    if address and _bare(address) != _bare(settings.whmcs.url):
        text = f"WHMCS calls itself {address}, the settings say {settings.whmcs.url}"
        yield Finding("whmcs", Grade.WARN, text, "a staging copy? harmful steps wait until that is clear")
    if not any(_is_on(values[name]) for name in own):
        yield Finding("whmcs", Grade.OK, "WHMCS's own suspension and termination are off")


def catalogue(api: WhmcsApi, settings: Settings) -> Iterator[Finding]:
    """Products without a class or with two, the VIP group, templates that messages name."""
    from whmcs_bridge.policy.rules import choose_class

    policy = settings.policy
    try:
        groups, templates = api.groups(), {name.strip() for name in api.email_templates()}
        products = api.products()
    except WhmcsError as error:
        yield Finding("catalogue", Grade.WARN, f"cannot be read: {error}")
        return
    without = []
    for product in products:
        names = choose_class(policy, product.id, product.group, product.type)
        if len(names) > 1:
            text = f"product {product.id} {product.name} is claimed by the classes {', '.join(names)}"
            yield Finding("classes", Grade.FAIL, text, "give it to exactly one class")
        elif not names:
            without.append(product)
    by_group = any(one.product_groups for one in policy.classes)
    if without and not by_group:
        shown = ", ".join(f"{p.id} {p.name}" for p in without[:5]) + (", ..." if len(without) > 5 else "")
        yield Finding(
            "classes", Grade.INFO, f"no class takes {len(without)} products: {shown}", "nothing is done to them"
        )
    if policy.vip is not None and all(group.name != policy.vip.group for group in groups):
        text = f"WHMCS has no client group called {policy.vip.group}"
        yield Finding("vip", Grade.FAIL, text, "make it in WHMCS: the API cannot")
    for message in policy.messages.values():
        if message.template and templates and message.template not in templates:
            text = f"message {message.name}: WHMCS has no e-mail template called {message.template}"
            yield Finding("messages", Grade.FAIL, text, "correct the name, or make the template")
    yield Finding(
        "catalogue", Grade.OK, f"{len(products)} products, {len(groups)} client groups, {len(templates)} templates"
    )


def _value(api: WhmcsApi, name: str) -> str | None:
    """Return one of WHMCS's settings; None where this WHMCS or the role does not tell."""
    try:
        return api.configuration_value(name)
    except (Refused, AccessRefused):
        return None


def _is_on(value: str | None) -> bool:
    return (value or "").strip().casefold() in ("on", "1", "true", "yes")


def _bare(url: str) -> str:
    return url.rstrip("/").casefold().split("://")[-1]


__all__ = ["Finding", "Grade", "connection", "credentials", "databases", "packages", "settings_and_rules"]
