"""What has to be asked of WHMCS: connection, permissions, clocks, its own automation, which installation it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from commands.checkups.finding import Finding, Grade, plural
from whmcs_bridge.errors import AccessRefused, Refused, WhmcsError

if TYPE_CHECKING:
    from whmcs_bridge.api.client import WhmcsApi
    from whmcs_bridge.domain.book import PanelAbout
    from whmcs_bridge.ports import Journal
    from whmcs_bridge.settings import Settings

READS: Mapping[str, str] = {
    "GetClients": "who the clients are, and in which group",
    "GetClientGroups": "which groups are exempt, and which one is VIP",
    "GetClientsDetails": "credit and group, read again before anything harmful",
    "GetClientsProducts": "the services and their status",
    "GetClientsAddons": "whose addon a line of an invoice bills",
    "GetCancelledPackages": "who has asked for an end",
    "GetContacts": "who gets mail beside the client",
    "GetEmails": "whether a warning was delivered",
    "GetInvoice": "what an invoice bills, and what is left to pay",
    "GetInvoices": "which invoices are open",
    "GetProducts": "which class a product is in, and whether it has a module",
}
"""Without one of these no run can trust what it reads: what it is for."""
WRITES: Mapping[str, str] = {
    "ModuleSuspend": "suspending",
    "ModuleUnsuspend": "releasing",
    "ModuleTerminate": "ending",
    "SendEmail": "warning before anything is done",
    "UpdateClient": "moving clients into and out of VIP",
    "UpdateClientAddon": "suspending and closing addons",
    "UpdateClientProduct": "products without a module, and blanking reasons on hand-back",
    "UpdateInvoice": "cancelling invoices of ended services",
}
"""Without one of these some step fails when it is carried out."""
USEFUL: Mapping[str, str] = {
    "AddClientNote": "what people record, as a note at the client",
    "GetActivityLog": "who else suspends, releases and ends services",
    "GetAdminDetails": "which administrator we are, and which version WHMCS is",
    "GetAutomationLog": "whether WHMCS's clock is ours, and its cron alive",
    "GetConfigurationValue": "which settings of WHMCS work against the rules",
    "GetEmailTemplates": "whether a template that messages name exists",
    "GetModuleQueue": "which module actions failed and wait",
    "GetTicket": "what a client asks for in a ticket ([requests] ticket_phrases)",
    "LogActivity": "lines of ours in WHMCS's activity log",
    "SendAdminEmail": "the morning mail to the staff",
}
"""Without these some check is blind, or somebody is not told."""
CLOCK_SLACK = timedelta(minutes=5)
HOUR = 3600
CRON_OVERDUE = timedelta(hours=26)
QUEUE_SHOWN = 5
PANEL = "panel"
"""Journal key: what WHMCS said about itself when the last run read it."""


def connection(api: WhmcsApi, settings: Settings) -> Iterator[Finding | PanelAbout]:
    """Who we are to WHMCS: a finding, and what WHMCS says of itself unless it does not let us in."""
    try:
        about = api.admin_details()
    except WhmcsError as error:
        why = "no run can read the book: nobody is warned, suspended or released; nothing else could be looked at"
        cause, _, todo = str(error).partition(": ")
        yield Finding("connection", Grade.FAIL, cause, todo or "check the address, the network and WHMCS itself", why)
        return
    who = about.admin_name or f"number {about.admin_id}"
    key = ", with an access key" if settings.whmcs.access_key is not None else ""
    text = f"{settings.whmcs.url}: WHMCS {about.version or '?'}, as administrator {who}{key}"
    yield Finding("connection", Grade.OK, text)
    yield about


def permissions(api: WhmcsApi) -> Iterator[Finding]:
    """Every action we need is in the credential's role; asked with ids that cannot exist, so nothing changes."""
    granted = 0
    for purposes, grade in ((READS, Grade.FAIL), (WRITES, Grade.FAIL), (USEFUL, Grade.WARN)):
        for name, purpose in purposes.items():
            try:
                allowed = api.probe_permission(name)
            except WhmcsError as error:
                text = f"whether {name} is allowed could not be found out: {error}"
                yield Finding("permission", Grade.WARN, text, "run doctor again", f"needed for: {purpose}")
                continue
            granted += allowed is not False
            if allowed is False:
                todo = f"allow {name} in System Settings > API Roles, for the role of our credential"
                yield Finding("permission", grade, f"the API role lacks {name}", todo, f"needed for: {purpose}")
    asked = len(READS) + len(WRITES) + len(USEFUL)
    yield Finding("permission", Grade.OK, f"{granted} of {asked} actions are allowed")


def clock(api: WhmcsApi, settings: Settings) -> Iterator[Finding]:
    """Clock and time zone apart: minutes are a clock that is wrong, whole hours another time zone."""
    zone = settings.policy.calendar.timezone
    try:
        theirs, last_cron = api.automation_clock()
    except WhmcsError as error:
        why = "a house day that begins at another hour than WHMCS's makes somebody overdue too early"
        yield Finding("clock", Grade.WARN, f"WHMCS's clock cannot be read: {error}", "allow GetAutomationLog", why)
        return
    apart = (theirs - datetime.now(ZoneInfo(zone)).replace(tzinfo=None)).total_seconds()
    hours = round(apart / HOUR)
    rest = timedelta(seconds=abs(apart - hours * HOUR))
    if rest > CLOCK_SLACK:
        minutes = round(rest.total_seconds() / 60)
        why = "around midnight the two work on different days"
        text = f"WHMCS's clock and ours are {minutes} min apart"
        yield Finding("clock", Grade.WARN, text, "set both by NTP", why)
    if hours:
        where = "ahead of" if hours > 0 else "behind"
        text = f"WHMCS's wall clock ({theirs:%Y-%m-%d %H:%M}) is {abs(hours)} h {where} {zone}"
        why = "due dates are WHMCS's days: ours begin and end at another hour"
        yield Finding("time zone", Grade.WARN, text, "set [calendar] timezone to WHMCS's own", why)
    if rest <= CLOCK_SLACK and not hours:
        yield Finding("clock", Grade.OK, f"WHMCS's clock and time zone are ours ({theirs:%H:%M}, {zone})")
    yield _cron(theirs, last_cron)


def _cron(now: datetime, last: datetime | None) -> Finding:
    why = "without it no invoices are made, no payments booked by their date, no reminders sent"
    if last is None:
        text = "WHMCS does not say when its daily cron last ran"
        return Finding("cron", Grade.WARN, text, "see Utilities > Automation Status in WHMCS", why)
    if now - last > CRON_OVERDUE:
        text = f"WHMCS's daily cron last ran {last:%Y-%m-%d %H:%M}"
        return Finding("cron", Grade.WARN, text, "check the crontab entry of crons/cron.php", why)
    return Finding("cron", Grade.OK, f"WHMCS's daily cron ran {last:%Y-%m-%d %H:%M}")


def automation(values: Mapping[str, str | None], settings: Settings) -> Iterator[Finding]:
    """WHMCS's own automation that works against the house's rules, or gives service away."""
    from whmcs_bridge.policy.whmcs_settings import Weight, judge_settings

    grades = {
        Weight.FIGHTS: Grade.WARN,
        Weight.GIVES_AWAY: Grade.WARN,
        Weight.LOOK: Grade.INFO,
        Weight.UNKNOWN: Grade.INFO,
        Weight.FINE: Grade.OK,
    }
    for one in judge_settings(values, settings.policy, enforcing=settings.enforcing):
        grade = grades[one.weight]
        text = f"{one.setting} is {one.value}: {one.does}" if one.value else f"{one.setting}: {one.does}"
        todo = f"set it to {one.set_to} ({one.where})" if one.set_to and one.value else one.set_to
        why = one.why
        if one.set_to and one.uncovered:
            why = f"{why}; if the bridge stops then: {one.uncovered}"
        yield Finding("whmcs", grade, text, todo, why if grade is not Grade.OK else "")


def settings_of_whmcs(api: WhmcsApi) -> Mapping[str, str | None]:
    """Read what the check-ups judge; None where this WHMCS or the role does not tell."""
    from whmcs_bridge.policy.whmcs_settings import NAMES

    return {name: _value(api, name) for name in (*NAMES, "MaintenanceMode", "SystemURL", "Version")}


def _value(api: WhmcsApi, name: str) -> str | None:
    try:
        return api.configuration_value(name)
    except (Refused, AccessRefused):
        return None


def installation(
    api: WhmcsApi, values: Mapping[str, str | None], settings: Settings, journal: Journal | None
) -> Iterator[Finding]:
    """The same WHMCS as the last time: no copy, not restored, not upgraded, not in maintenance."""
    from whmcs_bridge.jobs.sanity import SEEN
    from whmcs_bridge.policy.whmcs_settings import is_on

    seen: Mapping[str, Any] = (journal.get(SEEN) if journal is not None else None) or {}
    heard: Mapping[str, Any] = (journal.get(PANEL) if journal is not None else None) or {}
    found = list(_itself(values, settings, is_on(values["MaintenanceMode"]), str(seen.get("system_url") or "")))
    found.extend(_others(heard.get("others") or {}, seen.get("others") or {}))
    version, before = values["Version"], str(seen.get("version") or "")
    if version and before and version != before:
        text = f"WHMCS was {before} at the last run and is {version}"
        why = "an upgrade may change what actions answer: harmful steps wait until a person has looked"
        todo = "look at a plan, then: whmcs-bridge sync --accept-sanity version"
        found.append(Finding("installation", Grade.WARN, text, todo, why))
    found.extend(_restored(api, seen))
    yield from found
    if not found:
        known = ", nothing of it went backwards" if seen else ""
        yield Finding("installation", Grade.OK, f"WHMCS calls itself what the settings say{known}")


def _others(heard: Mapping[str, str], accepted: Mapping[str, str]) -> Iterator[Finding]:
    """Instances of the bridge that told WHMCS's log that they act on it, as the last run read it."""
    for name, at in sorted(heard.items()):
        grade = Grade.INFO if accepted.get(name, "") >= at else Grade.WARN
        text = f"another whmcs-bridge, {name}, acts on this WHMCS; last heard of on {at[:16].replace('T', ' ')}"
        why = "two journals do not know of each other: warnings go out twice, limits count half, releases are undone"
        todo = (
            "stop one of them; if it is this one with a new journal: whmcs-bridge sync --accept-sanity other-instance"
        )
        yield Finding("installation", grade, text, todo if grade is Grade.WARN else "", why)


def _itself(
    values: Mapping[str, str | None], settings: Settings, maintenance: bool, accepted: str
) -> Iterator[Finding]:
    if maintenance:
        why = "clients cannot pay meanwhile: harmful steps wait until it is over"
        yield Finding(
            "installation", Grade.WARN, "WHMCS is in maintenance mode", "switch it off when you are done", why
        )
    address = values["SystemURL"] or ""
    if address and _bare(address) != _bare(settings.whmcs.url):
        text = f"WHMCS calls itself {address}, the settings say {settings.whmcs.url}"
        why = "a copy of the installation mails and suspends real clients: harmful steps wait until that is clear"
        todo = "set [whmcs] url to the one that is meant, or WHMCS's System URL"
        if address.rstrip("/").casefold() == accepted:
            yield Finding("installation", Grade.INFO, f"{text}; a person has accepted that")
        else:
            yield Finding("installation", Grade.WARN, text, todo, why)


def _bare(url: str) -> str:
    return url.rstrip("/").casefold().split("://")[-1]


def _restored(api: WhmcsApi, seen: Mapping[str, Any]) -> Iterator[Finding]:
    """Ids that go backwards: WHMCS was restored from a backup, or this is a copy of an older day."""
    before = int(seen.get("invoice") or 0)
    if not before:
        return
    try:
        newest = max((head.id for head in next(iter(api.invoices(newest_first=True)), ())), default=0)
    except WhmcsError as error:
        yield Finding("installation", Grade.WARN, f"the newest invoice cannot be read: {error}", "run doctor again")
        return
    if newest < before:
        text = f"the highest invoice id was {before} at the last run and is {newest}: WHMCS was restored from a backup?"
        why = "payments booked since that backup are missing: who has paid looks like a debtor"
        todo = "book what is missing first; then: whmcs-bridge sync --accept-sanity ids-back-invoice"
        yield Finding("installation", Grade.FAIL, text, todo, why)


def module_queue(api: WhmcsApi) -> Iterator[Finding]:
    """Module actions that failed: WHMCS does not retry them by itself (facts sheet 10.2)."""
    try:
        waiting = api.module_queue()
    except WhmcsError as error:
        why = "an account that was to be suspended or ended may be up without anybody knowing"
        yield Finding("module queue", Grade.WARN, f"it cannot be read: {error}", "allow GetModuleQueue", why)
        return
    if not waiting:
        yield Finding("module queue", Grade.OK, "no module action waits")
        return
    oldest = min((e.last_attempt for e in waiting if e.last_attempt is not None), default=None)
    since = f", the oldest tried {oldest:%Y-%m-%d}" if oldest is not None else ""
    few = "; ".join(
        f"{e.action} of {e.service_type or 'service'} {e.service_id} ({e.last_error or 'no error told'})"
        for e in waiting[:QUEUE_SHOWN]
    )
    more = ", ..." if len(waiting) > QUEUE_SHOWN else ""
    text = f"failed and waiting: {plural(len(waiting), 'module action')}{since}: {few}{more}"
    why = "WHMCS does not retry by itself: the account on the server is not what WHMCS shows"
    yield Finding("module queue", Grade.WARN, text, "Utilities > Module Queue in WHMCS: retry or settle each", why)
