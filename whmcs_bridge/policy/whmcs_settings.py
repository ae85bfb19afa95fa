"""WHMCS's own automation against the house's rules: which setting fights them, what to set, what that leaves open."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from whmcs_bridge.policy.rules import PAYMENT_REMINDER, Policy, Rules, reminder_days

SUSPENSION = "AutoSuspension"
SUSPENSION_DAYS = "AutoSuspensionDays"
TERMINATION = "AutoTermination"
TERMINATION_DAYS = "AutoTerminationDays"
UNSUSPENSION = "AutoUnsuspend"
CONTINUOUS = "ContinuousInvoiceGeneration"
CANCELLATION = "AutoCancellationRequests"
LEAD_DAYS = "CreateInvoiceDaysBefore"

NAMES = (
    SUSPENSION,
    SUSPENSION_DAYS,
    TERMINATION,
    TERMINATION_DAYS,
    UNSUSPENSION,
    CONTINUOUS,
    CANCELLATION,
    LEAD_DAYS,
)
"""What to ask of GetConfigurationValue (facts sheet 7.6); the last four names are believed, not documented."""

MODULES = "System Settings > Automation Settings > Automatic Module Functions"
BILLING = "System Settings > Automation Settings > Billing Settings"
INVOICES = "System Settings > General Settings > Invoices"
REQUESTS = "System Settings > Automation Settings > Cancellation Requests"


class Weight(StrEnum):
    """How a setting stands to our rules; the worst first."""

    FIGHTS = "fights"
    """It does what our rules would not, or undoes what they did."""
    GIVES_AWAY = "gives-away"
    """Somebody is served and never billed for it."""
    LOOK = "look"
    """It works together with our rules, in a way that somebody should know of."""
    UNKNOWN = "unknown"
    """WHMCS or our role does not tell its value."""
    FINE = "fine"


@dataclass(frozen=True, slots=True)
class SettingFinding:
    """One setting of WHMCS, judged. Texts are whole sentences without a full stop, for a table or a mail."""

    setting: str
    """WHMCS's name for it, as GetConfigurationValue takes it."""
    value: str
    """As WHMCS prints it, made readable: `on, 5 days`, `off`; "" is not known."""
    weight: Weight
    does: str
    """What WHMCS does because of it."""
    why: str = ""
    """Why that matters under our rules."""
    set_to: str = ""
    """What to set; "" is leave it."""
    where: str = ""
    """Where in WHMCS's admin area (names of WHMCS 8)."""
    uncovered: str = ""
    """What nobody does if the bridge stops once it is set so."""


def is_on(value: str | None) -> bool:
    """WHMCS prints a ticked box as `on` or `1`, an empty one as nothing."""
    return (value or "").strip().casefold() in ("on", "1", "true", "yes")


def judge_settings(
    values: Mapping[str, str | None], policy: Policy, *, enforcing: bool = True
) -> tuple[SettingFinding, ...]:
    """Judge the values of NAMES as WHMCS gave them (None: not told); the worst first.

    Until the bridge enforces, what it does not do yet is left to WHMCS: `enforcing` words the advice.
    """
    rules = _by_class(policy)
    found = (
        _suspension(values, rules, enforcing=enforcing),
        _termination(values, rules),
        _unsuspension(values, rules, enforcing=enforcing),
        _continuous(values, rules, policy),
        _cancellation(values),
        *_lead_days(values, policy),
    )
    order = list(Weight)
    return tuple(sorted(found, key=lambda f: order.index(f.weight)))


def _by_class(policy: Policy) -> dict[str, Rules]:
    return {c.name: Rules(**{**policy.defaults, **c.layer}) for c in policy.classes}


def _on_off(name: str, days: str, values: Mapping[str, str | None]) -> str:
    if not is_on(values.get(name)):
        return "off"
    count = (values.get(days) or "").strip()
    return f"on, {count} days" if count else "on"


def _days(values: Mapping[str, str | None], name: str) -> int | None:
    text = (values.get(name) or "").strip()
    return int(text) if text.isdecimal() else None


def _not_told(setting: str, where: str, what: str) -> SettingFinding:
    does = "its value cannot be read: this WHMCS does not know it, or the API role lacks GetConfigurationValue"
    return SettingFinding(
        setting, "", Weight.UNKNOWN, does, f"{what} may work against our rules", "look by hand", where
    )


def _suspension(values: Mapping[str, str | None], rules: Mapping[str, Rules], *, enforcing: bool) -> SettingFinding:
    if values.get(SUSPENSION) is None:
        return _not_told(SUSPENSION, MODULES, "WHMCS's own suspension")
    value = _on_off(SUSPENSION, SUSPENSION_DAYS, values)
    nobody = "who owes stays up until the bridge runs again, and products without a class for good"
    if value == "off":
        does = "WHMCS's cron suspends nobody"
        return SettingFinding(SUSPENSION, value, Weight.FINE, does, where=MODULES, uncovered=nobody)
    count = _days(values, SUSPENSION_DAYS)
    after = f"{count} days after" if count is not None else "some days after"
    does = f"its cron suspends a service {after} the next due date on the service, whether or not anything is owed"
    why = "no quiet day, warning, promise or hold of ours is looked at"
    sooner = _sooner(count, {name: r.suspend_after_days for name, r in rules.items()})
    if sooner:
        why = f"sooner than {sooner}; {why}"
    when = "off" if enforcing else 'off, on the day you set mode = "enforce"'
    return SettingFinding(SUSPENSION, value, Weight.FIGHTS, does, why, when, MODULES, nobody)


def _termination(values: Mapping[str, str | None], rules: Mapping[str, Rules]) -> SettingFinding:
    if values.get(TERMINATION) is None:
        return _not_told(TERMINATION, MODULES, "WHMCS's own termination")
    value = _on_off(TERMINATION, TERMINATION_DAYS, values)
    nobody = "nothing is ended for debt until the bridge runs again: nobody loses data by that"
    if value == "off":
        does = "WHMCS's cron ends no service for debt"
        return SettingFinding(TERMINATION, value, Weight.FINE, does, where=MODULES, uncovered=nobody)
    count = _days(values, TERMINATION_DAYS)
    after = f"{count} days after" if count is not None else "some days after"
    does = f"its cron ends a service for good {after} the next due date on the service, whether or not anything is owed"
    why = "no stage, final warning, approval or hold of ours is looked at, and it cannot be undone"
    sooner = _sooner(count, {name: r.terminate_after_days for name, r in rules.items()})
    if sooner:
        why = f"sooner than {sooner}; {why}"
    return SettingFinding(TERMINATION, value, Weight.FIGHTS, does, why, "off, today", MODULES, nobody)


def _sooner(count: int | None, ours: Mapping[str, int | None]) -> str:
    """Name the classes that our rules would leave alone for longer."""
    if count is None:
        return ""
    said = [
        f"class {name} ({'never' if days is None else f'{days} days'})"
        for name, days in sorted(ours.items())
        if days is None or days > count
    ]
    return ", ".join(said)


def _unsuspension(values: Mapping[str, str | None], rules: Mapping[str, Rules], *, enforcing: bool) -> SettingFinding:
    if values.get(UNSUSPENSION) is None:
        return _not_told(UNSUSPENSION, MODULES, "WHMCS's own unsuspension")
    nobody = "who pays stays down until the bridge runs again, or staff unsuspends"
    if not is_on(values[UNSUSPENSION]):
        does = "WHMCS unsuspends nobody on payment"
        why = "" if enforcing else "in shadow mode nobody does but your staff"
        return SettingFinding(UNSUSPENSION, "off", Weight.FINE, does, why, where=MODULES, uncovered=nobody)
    does = "paying one invoice of a service lifts its suspension where the reason is blank, whatever else is owed"
    why = "our suspensions carry a reason and are safe from it; those with a blank reason (WHMCS's own) are not"
    if not enforcing:
        why = f"needed while WHMCS suspends; later: {why}"
    when = "off, once no suspension with a blank reason is left (see adopt)"
    return SettingFinding(UNSUSPENSION, "on", Weight.LOOK, does, why, when, MODULES, nobody)


def _continuous(values: Mapping[str, str | None], rules: Mapping[str, Rules], policy: Policy) -> SettingFinding:
    if values.get(CONTINUOUS) is None:
        return _not_told(CONTINUOUS, INVOICES, "how WHMCS bills a debtor")
    lenient = sorted(name for name, r in rules.items() if r.suspend_after_days is None)
    if is_on(values[CONTINUOUS]):
        stopping = sorted(name for name, r in rules.items() if r.invoices_while_suspended != "continue")
        does = "a new invoice each cycle, also while older ones are unpaid: a debtor owes several"
        if stopping:
            why = (
                f"class {', '.join(stopping)} says invoices_while_suspended = none or fee: the debt grows all the same"
            )
            return SettingFinding(CONTINUOUS, "on", Weight.FIGHTS, does, why, "off", INVOICES)
        why = "release waits for all of them, as set; nothing to change"
        return SettingFinding(CONTINUOUS, "on", Weight.FINE, does, why, where=INVOICES)
    does = "no new invoice for a service while an older one is unpaid"
    if policy.vip is not None or lenient:
        whom = [f"class {name} (never suspended)" for name in lenient]
        if policy.vip is not None:
            whom.append(f"the group {policy.vip.group} (courtesy)")
        why = f"who is not suspended and does not pay is served and never billed again: {', '.join(whom)}"
        return SettingFinding(CONTINUOUS, "off", Weight.GIVES_AWAY, does, why, "on", INVOICES)
    why = "clients of exempt groups who do not pay are served and never billed again"
    return SettingFinding(CONTINUOUS, "off", Weight.LOOK, does, why, "on, if you have exempt client groups", INVOICES)


def _cancellation(values: Mapping[str, str | None]) -> SettingFinding:
    if values.get(CANCELLATION) is None:
        return _not_told(CANCELLATION, REQUESTS, "who carries out cancellation requests")
    if is_on(values[CANCELLATION]):
        does = "its cron ends a service on the date of a cancellation request"
        why = "by WHMCS's own dates, not by our ladder; backups follow by our rules"
        return SettingFinding(CANCELLATION, "on", Weight.FINE, does, why, where=REQUESTS)
    does = "cancellation requests wait for staff"
    why = (
        "a service that was asked to end at the end of its cycle stays up until somebody ends it by hand: "
        "billed to a client who has left, or given away"
    )
    return SettingFinding(CANCELLATION, "off", Weight.GIVES_AWAY, does, why, "on, unless staff does it daily", REQUESTS)


def _lead_days(values: Mapping[str, str | None], policy: Policy) -> Iterator[SettingFinding]:
    lead, ahead = _days(values, LEAD_DAYS), reminder_days(policy)
    if lead is None or not ahead:
        return
    does = f"renewal invoices are made {lead} days before the due date"
    if lead >= ahead:
        yield SettingFinding(LEAD_DAYS, f"{lead} days", Weight.FINE, does, where=BILLING)
        return
    why = f"the {PAYMENT_REMINDER} of day -{ahead} has no invoice to speak of before that: it goes out late"
    yield SettingFinding(LEAD_DAYS, f"{lead} days", Weight.LOOK, does, why, f"at least {ahead}", BILLING)
