"""VIP: in by tenure, punctuality and revenue (or a pin), a member only while paid up."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.book import ClientGroup
from whmcs_bridge.domain.facts import ClientFacts, PaidInvoice
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ClientStatus
from whmcs_bridge.policy import Ledgers
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.decision import ClientDecision, Due, Kind, Note, Standing
from whmcs_bridge.policy.rules import Policy, Rules, VipRules

MONTHS_A_YEAR = 12


def months_before(day: date, months: int) -> date:
    """Return the same day of the month `months` earlier; the last day where that month is shorter."""
    year, month = divmod(day.year * MONTHS_A_YEAR + day.month - 1 - months, MONTHS_A_YEAR)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def tenure_months(since: date | None, today: date) -> int:
    """Return whole months since the client came; 0 where WHMCS does not say.

    A month is full on the same day of the month, or on its last day where it is shorter: from 31 August to 28 February
    are six.
    """
    if since is None or since > today:
        return 0
    months = (today.year - since.year) * MONTHS_A_YEAR + today.month - since.month
    return months if months_before(since, -months) <= today else months - 1


def is_late(paid: PaidInvoice, late_means_days: int, calendar: Calendar) -> bool:
    """Paid more than `late_means_days` after its (bank-day) due date, or taken back."""
    if paid.reversed:
        return True
    if paid.due is None:
        return False
    due = calendar.next_bank_day(paid.due) if paid.gateway in calendar.clearing_bank_days else paid.due
    return paid.paid_on > due + timedelta(days=late_means_days)


def eligibility(facts: ClientFacts, vip: VipRules, calendar: Calendar, today: date) -> tuple[bool, str]:
    """Return whether the record earns membership, and why (not), in one line."""
    for record in facts.records:
        if record.kind is RecordKind.PIN and record.client_id == facts.client.id and record.protects_on(today):
            return True, f"pinned by {record.author}: {record.reason}"
    months = tenure_months(facts.client.since, today)
    if months < vip.min_tenure_months:
        return False, f"{months} of {vip.min_tenure_months} months"
    window = months_before(today, vip.late_payments_window_months)
    late = sum(1 for p in facts.history if p.paid_on >= window and is_late(p, vip.late_means_days, calendar))
    if late > vip.max_late_payments:
        return (
            False,
            f"{late} late payments in {vip.late_payments_window_months} months, {vip.max_late_payments} allowed",
        )
    revenue = max(_monthly_revenue(facts.history, today), _recurring(facts))
    if revenue < vip.min_monthly_revenue:
        return False, f"pays {revenue:.2f} a month, {vip.min_monthly_revenue} asked"
    return True, f"{months} months, {late} late payments of {vip.max_late_payments} allowed"


CYCLE_MONTHS = {
    "monthly": 1,
    "quarterly": 3,
    "semi-annually": 6,
    "annually": 12,
    "biennially": 24,
    "triennially": 36,
}
"""WHMCS's billing cycles that recur, in months (facts sheet section 6)."""


def _recurring(facts: ClientFacts) -> Decimal:
    """What the client's living services bill in a month: a house that is young in WHMCS has no year behind it."""
    amounts = (
        service.amount / CYCLE_MONTHS[service.billing_cycle.strip().casefold()]
        for service in facts.services.values()
        if service.status is not None
        and service.status.living
        and service.billing_cycle.strip().casefold() in CYCLE_MONTHS
    )
    return sum(amounts, ZERO)


def _monthly_revenue(history: Iterable[PaidInvoice], today: date) -> Decimal:
    year_ago = months_before(today, MONTHS_A_YEAR)
    paid = sum((p.total for p in history if p.paid_on >= year_ago and not p.reversed), ZERO)
    return paid / MONTHS_A_YEAR


def decide_client(
    facts: ClientFacts, policy: Policy, group: ClientGroup | None, today: date, ledgers: Ledgers | None = None
) -> ClientDecision:
    """Judge one client's membership; `group` is the VIP group as WHMCS has it, None where it does not exist."""
    book = (ledgers or Ledgers(facts, policy, today)).under(_defaults(policy))
    vip = policy.vip
    client = facts.client
    if vip is None:
        return ClientDecision(client.id, book.standing, False, "no [vip] rules")
    eligible, why = eligibility(facts, vip, policy.calendar, today)
    if group is None:
        note = Note("vip-group", f"WHMCS has no client group {vip.group}", "make it under Setup > Client Groups")
        return ClientDecision(client.id, book.standing, eligible, why, notes=(note,))
    member = client.group_id == group.id
    overdue = book.standing is Standing.OVERDUE
    due: tuple[Due, ...] = ()
    if member and overdue:
        debts = [e for e in book.entries if e.overdue and not e.pending and e.counts_for_standing]
        reason = f"overdue: invoice {', '.join(str(e.invoice.id) for e in debts)}"
        due = (Due(Kind.VIP_REMOVE, reason, tuple(e.invoice.id for e in debts), since=debts[0].due),)
    elif not member and not overdue and client.status is not ClientStatus.CLOSED:
        due, why = _join(facts, vip, eligible, why, today)
    return ClientDecision(client.id, book.standing, eligible, why, due)


def _join(facts: ClientFacts, vip: VipRules, eligible: bool, why: str, today: date) -> tuple[tuple[Due, ...], str]:
    membership = facts.membership
    back = membership.removed_by_us_on is not None and membership.set_by_hand_on is not None
    if not eligible and not back:
        return (), why
    if membership.set_by_hand_on is not None and membership.removed_by_us_on is None:
        return (), f"{why}; taken out by hand on {membership.set_by_hand_on}"
    name = facts.group.name if facts.group else ""
    if facts.client.group_id and facts.group is None:
        return (), f"{why}; in a group that WHMCS does not list"
    if name not in vip.managed_groups:
        return (), f"{why}; group {name} is not managed"
    waits = membership.removed_by_us_on
    if waits is not None and vip.probation_days and _clean_since(facts) + timedelta(days=vip.probation_days) > today:
        return (), f"{why}; on probation"
    return (Due(Kind.VIP_ADD, why),), why


def _clean_since(facts: ClientFacts) -> date:
    """Day of the last payment, from which probation counts."""
    return max((p.paid_on for p in facts.history), default=date.min)


def _defaults(policy: Policy) -> Rules:
    return Rules(**policy.defaults)
