"""Whether a promise, a trust release or a receipt may be recorded today; "" is yes, else one line why not."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.facts import ClientFacts
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.debt import Ledger
from whmcs_bridge.policy.rules import Policy, ReleaseTier
from whmcs_bridge.policy.stages import View, is_ours
from whmcs_bridge.policy.vip import tenure_months


def _same_scope(one: Record, other: Record) -> bool:
    """A promise of the client concerns all its services, one of a service only that one."""
    return one.service_id is None or other.service_id is None or one.service_id == other.service_id


def promise_refusal(wanted: Record, facts: ClientFacts, book: Ledger, policy: Policy, today: date) -> str:
    """Judge a promise: its dates, the debt, promises before it, the eve of a quiet day."""
    rules = policy.promises
    until = wanted.until
    if until is None or until < today:
        return f"a promise needs a day from {today} on"
    if not book.entries:
        return "nothing is owed: there is nothing to promise"
    owed = sum((e.owed for e in book.entries), ZERO)
    if wanted.amount is not None and wanted.amount > owed:
        return f"{wanted.amount} is more than the debt of {owed}"
    if rules.not_on_eve and policy.calendar.is_eve_of_quiet(today):
        return "no promise on the eve of a quiet day ([promises] not_on)"
    earlier = [r for r in facts.records if r.kind is RecordKind.PROMISE and _same_scope(r, wanted)]
    if any(r.protects_on(today) for r in earlier):
        return "another promise is still running"
    if any(
        r.state is RecordState.BROKEN and r.closed_on and today < r.closed_on + timedelta(days=rules.cooldown_days)
        for r in earlier
    ):
        return f"a promise was broken less than {rules.cooldown_days} days ago"
    used = sum(_days(r) for r in earlier if _in_this_case(r, book))
    if used + (until - today).days > rules.max_days:
        return f"{until} is beyond the {rules.max_days} days that promises of one case may defer"
    return ""


def _days(record: Record) -> int:
    end = record.until or record.since
    if record.closed_on is not None:
        end = min(end, record.closed_on)
    return max((end - record.since).days, 0)


def _in_this_case(record: Record, book: Ledger) -> bool:
    """Made since the oldest open debt began, or shortly before: promises may come before the due date."""
    return bool(book.entries) and record.since >= book.entries[0].clock - timedelta(days=31)


def release_refusal(wanted: Record, view: View, today: date) -> str:
    """Judge a trust release for a service: whose suspension, tenure, history, cool-down, the eve of a quiet day."""
    policy = view.policy
    rules = policy.trust_release
    facts = view.facts.client
    if not is_ours(view):
        return "only a suspension for debt can be released on trust"
    if rules.not_on_eve and policy.calendar.is_eve_of_quiet(today):
        return "no release on the eve of a quiet day ([trust_release] not_on)"
    months = tenure_months(facts.client.since, today)
    tier = tier_for(rules.tiers, months)
    if tier is None:
        return f"no tier of [trust_release] takes a client of {months} months"
    if wanted.until is not None and (wanted.until - today).days > tier.days:
        return f"{wanted.until} is beyond the {tier.days} days of a client of {months} months"
    if wanted.until is not None and wanted.until < today:
        return f"{wanted.until} is past"
    earlier = [r for r in facts.records if r.kind is RecordKind.RELEASE and r.client_id == wanted.client_id]
    if tier.times is not None and len(earlier) >= tier.times:
        return f"{len(earlier)} of {tier.times} releases are used up"
    broken = sum(1 for r in facts.records if r.kind is RecordKind.PROMISE and r.state is RecordState.BROKEN)
    if broken > rules.max_broken_promises:
        return f"{broken} broken promises, {rules.max_broken_promises} allowed"
    last = max((r.until or r.since for r in earlier), default=None)
    if last is not None and today < last + timedelta(days=rules.cooldown_days):
        return f"the last release ended on {last}, less than {rules.cooldown_days} days ago"
    return ""


def tier_for(tiers: tuple[ReleaseTier, ...], months: int) -> ReleaseTier | None:
    """Return the first tier that takes a client of `months` months; a maximum is inclusive."""
    for tier in tiers:
        low = tier.min_tenure_months is None or months >= tier.min_tenure_months
        high = tier.max_tenure_months is None or months <= tier.max_tenure_months
        if low and high:
            return tier
    return None


def receipt_refusal(wanted: Record, facts: ClientFacts) -> str:
    """A forged receipt bars the next one."""
    if any(r.kind is RecordKind.RECEIPT and r.state is RecordState.FORGED for r in facts.records):
        return "an earlier receipt of this client was forged"
    if any(
        r.kind is RecordKind.RECEIPT and r.state is RecordState.OPEN and r.invoice_id == wanted.invoice_id
        for r in facts.records
    ):
        return "a receipt for this invoice already waits to be checked"
    return ""


def verdict_on_promise(
    promise: Record, owed_now: bool, today: date, left: Mapping[InvoiceId, Decimal] | None = None
) -> RecordState | None:
    """Kept when nothing is owed any more; after its last day kept if the promised amount came, else broken.

    `left` is what each of its invoices owes now. None while it runs: who pays his part early is protected to the end.
    """
    if promise.state is not RecordState.OPEN:
        return None
    if not owed_now:
        return RecordState.KEPT
    if promise.until is None or today <= promise.until:
        return None
    if promise.amount is None or left is None:
        return RecordState.BROKEN
    paid = sum((max(then - left.get(invoice, ZERO), ZERO) for invoice, then in promise.owed), ZERO)
    return RecordState.KEPT if paid >= promise.amount > 0 else RecordState.BROKEN
