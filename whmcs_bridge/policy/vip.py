"""VIP: in by tenure, punctuality and revenue (or a pin), a member only while paid up."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.book import ClientGroup, Service
from whmcs_bridge.domain.facts import ClientFacts, PaidInvoice
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import ClientStatus
from whmcs_bridge.policy import Ledgers
from whmcs_bridge.policy.calendar import Calendar, add_days
from whmcs_bridge.policy.debt import EMPTY_LEDGER, Ledger, frozen_days, with_gateway
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


def custom_since(facts: ClientFacts, away_months: int, today: date) -> date | None:
    """Return the day from which tenure counts: the client's first, or the return of one who was away.

    Away is a time of more than `away_months` without a living service and without a payment, between two that are
    known, or since the last that is known; 0 never counts as away. A client into whom others were merged came when the
    first of them did. None where WHMCS does not say when the client came.
    """
    came = facts.client.since
    if facts.membership.merged_since is not None and came is not None:
        came = min(came, facts.membership.merged_since)
    if came is None or not away_months:
        return came
    alive = min((s.registered for s in facts.services.values() if _lives(s) and s.registered), default=None)
    if alive is not None and alive <= months_before(came, -away_months):
        return came  # nearly everybody: the first service still lives
    since, covered = came, None
    for first, last in [*sorted(_custom(facts, today)), (today, today)]:
        if covered is not None and first > months_before(covered, -away_months):
            since = first
        covered = last if covered is None else max(covered, last)
    return since


def _custom(facts: ClientFacts, today: date) -> Iterator[tuple[date, date]]:
    """Times for which the client is known to have been one: a service's life, the day of a payment.

    When a service ended is not told; what it was paid for is.
    """
    for service in facts.services.values():
        if service.registered is not None:
            ended = service.status is not None and service.status.ended
            last = max(service.registered, service.next_due or service.registered) if ended else today
            yield service.registered, last
    for paid in facts.history:
        yield paid.paid_on, paid.paid_on


def _lives(service: Service) -> bool:
    return service.status is not None and service.status.living


def due_day(paid: PaidInvoice, calendar: Calendar) -> date | None:
    """Return the last day on which the payment was in time, moved to a bank day where its gateway has clearing days."""
    if paid.due is None or paid.gateway not in calendar.clearing_bank_days:
        return paid.due
    return calendar.next_bank_day(paid.due)


def is_late(paid: PaidInvoice, late_means_days: int, calendar: Calendar, frozen: Collection[date] = ()) -> bool:
    """Paid more than `late_means_days` after its (bank-day) due date, or taken back; a refund of ours is not that.

    Days in `frozen`, on which clients could not pay, do not count: the ladder's clock stands still on them as well.
    """
    if paid.reversed and not paid.refunded:
        return True
    due = due_day(paid, calendar)
    return due is not None and paid.paid_on > add_days(due, late_means_days, frozen)


def frozen_for(paid: PaidInvoice, facts: ClientFacts, today: date) -> frozenset[date]:
    """Return the days on which this invoice could not be paid: frozen for everyone, or for its gateway."""
    if not facts.records:
        return frozenset()
    return with_gateway(frozen_days(facts.records, today), facts.records, paid.gateway, today)


def pin_of(facts: ClientFacts, today: date) -> Record | None:
    """Return the pin in force, the newest of several."""
    return next((r for r in reversed(_pins(facts)) if r.protects_on(today)), None)


def _pins(facts: ClientFacts) -> list[Record]:
    """The client's own, oldest first."""
    return [r for r in facts.records if r.kind is RecordKind.PIN and r.client_id == facts.client.id]


def eligibility(facts: ClientFacts, vip: VipRules, calendar: Calendar, today: date) -> tuple[bool, str]:
    """Return whether the record earns membership, and why (not), in one line."""
    pin = pin_of(facts, today) if facts.records else None
    if pin is not None:
        until = f" until {pin.until}" if pin.until is not None else ""
        return True, f"pinned by {pin.author}{until}: {pin.reason}"
    if facts.client.status is ClientStatus.INACTIVE:
        return False, "Inactive in WHMCS: nothing of theirs is active"
    months = (
        tenure_months(facts.client.since, today) if facts.membership.merged_since is None else vip.min_tenure_months
    )
    if months >= vip.min_tenure_months:  # being away, or a merge, can only change what is enough so far
        months = tenure_months(custom_since(facts, vip.away_months, today), today)
    if months < vip.min_tenure_months:
        return False, f"{months} of {vip.min_tenure_months} months{_returned(facts, vip, today)}"
    late = len(late_payments(facts, vip, calendar, today))
    if late > vip.max_late_payments:
        window = vip.late_payments_window_months
        return False, f"{_payments(late)} in {window} months, {vip.max_late_payments} allowed"
    if vip.min_monthly_revenue:
        revenue = monthly_revenue(facts, today)
        if revenue < vip.min_monthly_revenue:
            return False, f"pays {revenue:.2f} a month, {vip.min_monthly_revenue} asked"
    return True, f"{months} months, {_payments(late)} of {vip.max_late_payments} allowed"


def _payments(late: int) -> str:
    return f"{late} late payment{'' if late == 1 else 's'}"


def _returned(facts: ClientFacts, vip: VipRules, today: date) -> str:
    """Say why tenure is less than the client's age in WHMCS."""
    since = custom_since(facts, vip.away_months, today)
    return (
        f", back since {since}"
        if since is not None and facts.client.since is not None and since > facts.client.since
        else ""
    )


def late_payments(facts: ClientFacts, vip: VipRules, calendar: Calendar, today: date) -> list[PaidInvoice]:
    """Return the late payments that still count."""
    window = months_before(today, vip.late_payments_window_months)
    return [
        paid
        for paid in facts.history
        if paid.paid_on >= window
        and (paid.reversed or paid.due is None or paid.paid_on > paid.due)  # nearly all are in time: asked first
        and is_late(paid, vip.late_means_days, calendar, frozen_for(paid, facts, today))
    ]


def monthly_revenue(facts: ClientFacts, today: date) -> Decimal:
    """Return what the client brings in a month: the mean of a year's payments, or what its services bill, if more."""
    return max(_monthly_paid(facts.history, today), _recurring(facts))


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
        if _lives(service) and service.billing_cycle.strip().casefold() in CYCLE_MONTHS
    )
    return sum(amounts, ZERO)


def _monthly_paid(history: Iterable[PaidInvoice], today: date) -> Decimal:
    year_ago = months_before(today, MONTHS_A_YEAR)
    paid = sum((p.total for p in history if p.paid_on >= year_ago and not p.reversed), ZERO)
    return paid / MONTHS_A_YEAR


def decide_client(
    facts: ClientFacts, policy: Policy, group: ClientGroup | None, today: date, ledgers: Ledgers | None = None
) -> ClientDecision:
    """Judge one client's membership; `group` is the VIP group as WHMCS has it, None where it does not exist."""
    owes = facts.invoices  # most owe nothing at all
    book = (ledgers or Ledgers(facts, policy, today)).under(_defaults(policy)) if owes else EMPTY_LEDGER
    vip = policy.vip
    client = facts.client
    if vip is None:
        return ClientDecision(client.id, book.standing, False, "no [vip] rules")
    eligible, why = eligibility(facts, vip, policy.calendar, today)
    if group is None:
        note = Note("vip-group", f"WHMCS has no client group {vip.group}", "make it under Setup > Client Groups")
        return ClientDecision(client.id, book.standing, eligible, why, notes=(note,))
    overdue = book.standing is Standing.OVERDUE
    due: tuple[Due, ...] = ()
    if client.group_id == group.id:
        if vip.group in vip.managed_groups:
            due = _leave(facts, book, eligible, today)
    elif not overdue and client.status is not ClientStatus.CLOSED:
        due, why = _join(facts, policy, vip, eligible, why, today)
    return ClientDecision(client.id, book.standing, eligible, why, due)


def _leave(facts: ClientFacts, book: Ledger, eligible: bool, today: date) -> tuple[Due, ...]:
    """A member leaves with the first overdue day, or with the pin that brought it in; for no other reason."""
    if book.standing is Standing.OVERDUE:
        debts = [e for e in book.entries if e.overdue and not e.pending and e.counts_for_standing]
        reason = f"overdue: invoice {', '.join(str(e.invoice.id) for e in debts)}"
        return (Due(Kind.VIP_REMOVE, reason, tuple(e.invoice.id for e in debts), since=debts[0].due),)
    pin = None if eligible else _pin_that_ended(facts, today)
    if pin is None:
        return ()
    return (Due(Kind.VIP_REMOVE, f"the pin by {pin.author} ended on {_last_day(pin)}", since=_last_day(pin)),)


def _last_day(pin: Record) -> date | None:
    """Last day on which the pin held; None while it holds without an end."""
    closed = None if pin.closed_on is None else pin.closed_on - timedelta(days=1)
    return min((day for day in (pin.until, closed) if day is not None), default=None)


def _pin_that_ended(facts: ClientFacts, today: date) -> Record | None:
    """The newest pin that is over, where the client became a member under it: not before, and not by hand."""
    membership, pins = facts.membership, _pins(facts)
    since = membership.member_since
    if not pins or since is None or membership.set_by_hand_on is not None:
        return None
    for pin in reversed(pins):
        last = _last_day(pin)
        if last is not None and last < today and pin.since <= since <= last + timedelta(days=1):
            return pin
    return None


def _join(
    facts: ClientFacts, policy: Policy, vip: VipRules, eligible: bool, why: str, today: date
) -> tuple[tuple[Due, ...], str]:
    membership = facts.membership
    back = membership.removed_by_us_on is not None and membership.set_by_hand_on is not None
    if not eligible and not back:
        return (), why
    held = _held_out(facts, policy, vip, today)
    if held:
        return (), f"{why}; {held}"
    return (Due(Kind.VIP_ADD, why),), why


def _held_out(facts: ClientFacts, policy: Policy, vip: VipRules, today: date) -> str:
    """Say what keeps a client out whose record would do; "" is nothing."""
    membership = facts.membership
    by_hand = membership.set_by_hand_on
    if by_hand is not None and membership.removed_by_us_on is None:
        pin = pin_of(facts, today)
        if pin is None or pin.made_on < by_hand:  # a later word of the staff's
            return f"taken out by hand on {by_hand}"
    if facts.client.group_id and facts.group is None:
        return "in a group that WHMCS does not list"
    name = facts.group.name if facts.group else ""
    if name not in vip.managed_groups:
        return f"group {name} is not managed" if name else "clients without a group are not managed"
    ends = probation_ends(facts, policy, vip, today)
    if ends is not None and ends > today:
        return f"on probation until {ends}"
    return ""


def probation_ends(facts: ClientFacts, policy: Policy, vip: VipRules, today: date) -> date | None:
    """Return the first day on which a client whom we took out may be a member again; None where nothing is waited for.

    Counted from the day on which the last overdue invoice was settled; what was paid in time changes nothing.
    """
    removed = facts.membership.removed_by_us_on
    if removed is None or not vip.probation_days:
        return None
    clean = removed
    for paid in facts.history:
        due = due_day(paid, policy.calendar)
        if due is None or paid.paid_on <= max(due, clean):
            continue
        if paid.paid_on > add_days(due, 0, frozen_for(paid, facts, today)):
            clean = paid.paid_on
    return clean + timedelta(days=vip.probation_days)


def would_change(
    facts: ClientFacts, decision: ClientDecision, policy: Policy, group: ClientGroup | None, today: date
) -> tuple[str, ...]:
    """Say what would change the client's membership, as `decide_client` judged it, and when."""
    vip = policy.vip
    if vip is None or group is None:
        return ()
    if facts.client.group_id == group.id:
        return tuple(_takes_out(facts, decision, policy, vip, today))
    return tuple(_brings_in(facts, decision, policy, vip, today))


def _takes_out(
    facts: ClientFacts, decision: ClientDecision, policy: Policy, vip: VipRules, today: date
) -> Iterator[str]:
    if vip.group not in vip.managed_groups:
        yield f"nothing: [vip] managed_groups lacks {vip.group}"
        return
    if decision.standing is Standing.OVERDUE:
        numbers = ", ".join(str(i) for due in decision.due for i in due.invoices)
        yield f"payment of invoice {numbers} before the next run keeps it"
        return
    ledger = Ledgers(facts, policy, today).under(_defaults(policy))
    coming = [e for e in ledger.entries if e.counts_for_standing]
    if coming:
        first = coming[0]
        yield f"invoice {first.invoice.id} unpaid on {first.due + timedelta(days=1)}"
    else:
        yield "an invoice that is overdue"
    pin = pin_of(facts, today)
    without = replace(facts, records=tuple(r for r in facts.records if r.kind is not RecordKind.PIN))
    if pin is not None and pin.until is not None and not eligibility(without, vip, policy.calendar, today)[0]:
        since = facts.membership.member_since
        if since is not None and since >= pin.since and facts.membership.set_by_hand_on is None:
            yield f"the end of the pin on {pin.until}"


def _brings_in(
    facts: ClientFacts, decision: ClientDecision, policy: Policy, vip: VipRules, today: date
) -> Iterator[str]:
    if facts.client.status is ClientStatus.CLOSED:
        yield "opening the client again"
        return
    if decision.standing is Standing.OVERDUE:
        yield "payment of everything overdue"
    if any(due.kind is Kind.VIP_ADD for due in decision.due):
        yield "the next run"
        return
    held = _held_out(facts, policy, vip, today)
    if held.startswith("taken out by hand"):
        yield "a pin, or putting the client in by hand"
    elif held.startswith("on probation"):
        yield f"the end of probation on {probation_ends(facts, policy, vip, today)}"
    elif held:
        yield "another group, by hand, or adding this one to [vip] managed_groups"
    if not decision.eligible:
        yield from _earns(facts, policy, vip, today)


def _earns(facts: ClientFacts, policy: Policy, vip: VipRules, today: date) -> Iterator[str]:
    """Say what the record lacks, and the day on which that is over by itself."""
    if facts.client.status is ClientStatus.INACTIVE:
        yield "a service that is active"
    since = custom_since(facts, vip.away_months, today)
    if since is None:
        yield "a pin: WHMCS does not say since when the client is one"
    elif tenure_months(since, today) < vip.min_tenure_months:
        yield f"tenure of {vip.min_tenure_months} months on {months_before(since, -vip.min_tenure_months)}"
    late = sorted(late_payments(facts, vip, policy.calendar, today), key=lambda p: p.paid_on)
    if len(late) > vip.max_late_payments:
        last = late[-1 - vip.max_late_payments]
        leaves = _leaves_window(last.paid_on, vip.late_payments_window_months)
        yield f"the late payment of invoice {last.id} leaves the record on {leaves}"
    revenue = monthly_revenue(facts, today)
    if revenue < vip.min_monthly_revenue:
        yield f"revenue of {vip.min_monthly_revenue} a month, now {revenue:.2f}"


def _leaves_window(paid_on: date, months: int) -> date:
    """Return the first day on which a payment of `paid_on` is older than the window."""
    day = months_before(paid_on, -months)
    while months_before(day, months) <= paid_on:
        day += timedelta(days=1)
    return day


def effects_of_move(before: ClientGroup | None, after: ClientGroup | None) -> str:
    """Say what changes for the client besides membership; "" is nothing. None is no group.

    A group's discount and its separate invoices hold for invoices made from then on (facts sheet 10.4).
    """
    said = []
    old, new = (g.discount_percent if g is not None else ZERO for g in (before, after))
    if old != new:
        instead = f" instead of {percent(old)}" if old else ""
        said.append(
            f"{percent(new)} discount on new invoices{instead}" if new else f"no {percent(old)} discount any more"
        )
    if _separate(before) is not _separate(after):
        said.append("an invoice for each service" if _separate(after) else "services share invoices again")
    if _exempt(before) is not _exempt(after):
        said.append("exempt in WHMCS" if _exempt(after) else "not exempt in WHMCS any more")
    return ", ".join(said)


def _separate(group: ClientGroup | None) -> bool:
    return group is not None and group.separate_invoices


def _exempt(group: ClientGroup | None) -> bool:
    return group is not None and group.exempt


def percent(number: Decimal) -> str:
    """Return `10 %` for 10.00."""
    return f"{number.normalize():f} %"


def _defaults(policy: Policy) -> Rules:
    return Rules(**policy.defaults)
