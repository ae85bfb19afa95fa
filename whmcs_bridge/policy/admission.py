"""Whether a record may be made today: what cannot be, what the house's rules say, what to do instead; in one line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.facts import ClientFacts
from whmcs_bridge.domain.ids import InvoiceId, ServiceId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.debt import Ledger
from whmcs_bridge.policy.rules import Policy, ReleaseTier
from whmcs_bridge.policy.stages import View, carries_our_reason, is_ours
from whmcs_bridge.policy.vip import months_before, tenure_months

GIVEN_ON_WORD = (RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.ARRANGEMENT)
"""Kinds that rest on the client's word, and can be broken."""
LEAVING = "the client has asked to cancel: nothing is given on trust any more"
NEXT_DAY = "ask again when the next day is no quiet one"
LEAD_DAYS = 31
"""A promise may come so long before the due date and still count for that debt."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and what to do instead."""

    why: str
    todo: str = ""
    rule: bool = False
    """A rule of the house, which staff may go past with a reason; else it cannot be at all."""

    @property
    def line(self) -> str:
        """Both in one line."""
        return f"{self.why}; {self.todo}" if self.todo else self.why


def _first(refusals: Iterable[Refusal]) -> str:
    return next((refusal.why for refusal in refusals), "")


def _about_same(one: Record, other: Record) -> bool:
    """A promise of the client concerns all its services, one of a service only that one."""
    return one.service_id is None or other.service_id is None or one.service_id == other.service_id


def _runs(record: Record, today: date) -> bool:
    """It is open and its last day has not gone by."""
    return record.state is RecordState.OPEN and (record.until is None or today <= record.until)


# --- promises -----------------------------------------------------------------------------------


def promise_refusal(wanted: Record, facts: ClientFacts, book: Ledger, policy: Policy, today: date) -> str:
    """Return why a promise may not be made, "" if it may."""
    return _first(promise_refusals(wanted, facts, book, policy, today))


def promise_refusals(
    wanted: Record,
    facts: ClientFacts,
    book: Ledger,
    policy: Policy,
    today: date,
    *,
    owed: Decimal | None = None,
    opened: Mapping[ServiceId, date] | None = None,
) -> Iterator[Refusal]:
    """Judge a promise: its dates, the debt, promises before it, the eve of a quiet day.

    `owed` is what it may be about, by default the client's whole debt; `opened` the first day of each open case.
    """
    rules = policy.promises
    until = wanted.until
    if until is None or until < today:
        yield Refusal(f"a promise needs a day from {today} on")
        return
    owed = sum((e.owed for e in book.entries), ZERO) if owed is None else owed
    if not book.entries or owed <= 0:
        yield Refusal("nothing is owed: there is nothing to promise")
        return
    yield from _amount(wanted, owed, "the debt")
    word = [r for r in facts.records if r.kind in GIVEN_ON_WORD]
    earlier = [r for r in word if r.kind is RecordKind.PROMISE and _about_same(r, wanted)]
    yield from _one_at_a_time(earlier, "promise", today)
    yield from _one_at_a_time([r for r in word if r.kind is RecordKind.ARRANGEMENT], "arrangement", today)
    if rules.not_on_eve and policy.calendar.is_eve_of_quiet(today):
        yield Refusal("no promise on the eve of a quiet day ([promises] not_on)", NEXT_DAY, rule=True)
    yield from _broken_lately(word, rules.cooldown_days, today)
    used = _days_used(wanted, earlier, facts, book, opened or {})
    left = rules.max_days - used
    # a promise for today alone asks for no further day: where the days are used up it is refused like any other
    if (until - today).days > left or (used and left <= 0):
        last = f"the last day is {today + timedelta(days=left)}" if left > 0 else "they are used up"
        why = f"{until} is beyond the {rules.max_days} days that promises of one case may defer"
        yield Refusal(why, last, rule=True)


def _amount(wanted: Record, most: Decimal, of_what: str) -> Iterator[Refusal]:
    if wanted.amount is not None and wanted.amount > most:
        yield Refusal(f"{wanted.amount} is more than {of_what} of {most}", "name at most that")
    if wanted.amount is not None and wanted.amount <= 0:
        yield Refusal(f"{wanted.amount} is no amount to pay", "name one above 0")


def _one_at_a_time(earlier: Iterable[Record], what: str, today: date) -> Iterator[Refusal]:
    running = next((r for r in earlier if _runs(r, today)), None)
    if running is not None:
        until = f" until {running.until}" if running.until is not None else ""
        yield Refusal(f"another {what} is still running ({running.id}{until})", "wait for its end, or cancel it first")


def _broken_lately(word: Iterable[Record], cooldown_days: int, today: date) -> Iterator[Refusal]:
    broken = max((r.closed_on for r in word if r.state is RecordState.BROKEN and r.closed_on), default=None)
    if broken is not None and today < broken + timedelta(days=cooldown_days):
        free = broken + timedelta(days=cooldown_days)
        why = f"a promise was broken less than {cooldown_days} days ago"
        yield Refusal(why, f"the next may come on {free}", rule=True)


def _days_used(
    wanted: Record,
    earlier: Iterable[Record],
    facts: ClientFacts,
    book: Ledger,
    opened: Mapping[ServiceId, date],
) -> int:
    """Return the days that promises have deferred in the case it is about; of several cases the most."""
    services = [wanted.service_id] if wanted.service_id is not None else list(facts.services)
    used = [
        sum(_days(r) for r in earlier if r.service_id in (None, s) and _in_this_case(r, book, opened.get(s)))
        for s in services
        if s is not None
    ]
    return max(used, default=0)


def _days(record: Record) -> int:
    """Days it deferred after its first; one for its first day alone costs one, one taken back at once none."""
    if _taken_back(record):
        return 0
    end = record.until or record.since
    if record.closed_on is not None:
        end = min(end, record.closed_on)
    return max((end - record.since).days, 1)


def _in_this_case(record: Record, book: Ledger, opened: date | None) -> bool:
    """About an invoice that is still open, or it ran while the case was open: paying one of two starts no new case."""
    if not book.entries:
        return False
    if opened is not None and (record.closed_on or record.until or record.since) >= opened:
        return True
    if record.owed:
        still = {e.invoice.id for e in book.entries}
        return any(invoice in still for invoice, _ in record.owed)
    return record.since >= book.entries[0].clock - timedelta(days=LEAD_DAYS)


# --- trust releases -----------------------------------------------------------------------------


def release_refusal(wanted: Record, view: View, today: date) -> str:
    """Return why a trust release may not be given, "" if it may."""
    return _first(release_refusals(wanted, view, today))


def release_refusals(wanted: Record, view: View, today: date) -> Iterator[Refusal]:
    """Judge a trust release for a service: whose suspension, tenure, history, cool-down, the eve of a quiet day."""
    policy = view.policy
    rules = policy.trust_release
    facts = view.facts.client
    yield from _not_to_release(view)
    if wanted.until is not None and wanted.until < today:
        yield Refusal(f"{wanted.until} is past", f"a release ends on {today} at the earliest")
    if view.facts.cancel_request is not None:
        yield Refusal(LEAVING, rule=True)
    if rules.not_on_eve and policy.calendar.is_eve_of_quiet(today):
        yield Refusal("no release on the eve of a quiet day ([trust_release] not_on)", NEXT_DAY, rule=True)
    months = tenure_months(facts.client.since, today)
    tier = tier_for(rules.tiers, months)
    released = [r for r in facts.records if r.kind is RecordKind.RELEASE and r.client_id == wanted.client_id]
    earlier = [r for r in released if not _taken_back(r)]
    if tier is None:
        yield Refusal(f"no tier of [trust_release] takes a client of {months} months", rule=True)
    else:
        yield from _beyond_the_tier(wanted, tier, months, len(earlier), today)
    broken = sum(1 for r in facts.records if r.kind in GIVEN_ON_WORD and r.state is RecordState.BROKEN)
    if broken > rules.max_broken_promises:
        yield Refusal(f"{broken} broken promises, {rules.max_broken_promises} allowed", rule=True)
    last = max((_last_day(r) for r in earlier), default=None)
    if last is not None and today < last + timedelta(days=rules.cooldown_days):
        free = last + timedelta(days=rules.cooldown_days)
        why = f"the last release ended on {last}, less than {rules.cooldown_days} days ago"
        yield Refusal(why, f"the next may come on {free}", rule=True)


def _taken_back(record: Record) -> bool:
    """A person ended it on the day it was made: typed for the wrong service, say. It counts against nobody."""
    return record.state is RecordState.CANCELLED and record.closed_on is not None and record.closed_on <= record.made_on


def _not_to_release(view: View) -> Iterator[Refusal]:
    """Only a suspension of ours, or a blank one that was adopted, is ever lifted, whoever asks."""
    if is_ours(view):
        return
    status, reason = view.service.status, view.service.suspension_reason.strip()
    if status is not ServiceStatus.SUSPENDED:
        why = f"only a suspension for debt can be released on trust, and it is {status.value if status else 'unknown'}"
        yield Refusal(why, "record a promise if it is to stay up")
    elif reason and not carries_our_reason(reason):
        why = f"only a suspension for debt can be released on trust, and others suspended it ({reason})"
        yield Refusal(why, "settle that first, in WHMCS")
    else:
        why = "only a suspension for debt can be released on trust, and this one has a blank reason"
        yield Refusal(why, f"say whose it is first: whmcs-bridge adopt --confirm {view.service.id}")


def _beyond_the_tier(wanted: Record, tier: ReleaseTier, months: int, given: int, today: date) -> Iterator[Refusal]:
    if wanted.until is not None and (wanted.until - today).days > tier.days:
        why = f"{wanted.until} is beyond the {tier.days} days of a client of {months} months"
        yield Refusal(why, f"the last day is {today + timedelta(days=tier.days)}", rule=True)
    if tier.times is not None and given >= tier.times:
        yield Refusal(f"{given} of {tier.times} releases are used up", rule=True)


def _last_day(release: Record) -> date:
    end = release.until or release.since
    return min(end, release.closed_on) if release.closed_on is not None else end


def tier_for(tiers: tuple[ReleaseTier, ...], months: int) -> ReleaseTier | None:
    """Return the first tier that takes a client of `months` months; a maximum is inclusive."""
    for tier in tiers:
        low = tier.min_tenure_months is None or months >= tier.min_tenure_months
        high = tier.max_tenure_months is None or months <= tier.max_tenure_months
        if low and high:
            return tier
    return None


# --- payment in parts ---------------------------------------------------------------------------


def arrangement_refusals(wanted: Record, facts: ClientFacts, policy: Policy, today: date) -> Iterator[Refusal]:
    """Judge payment in parts. `wanted.owed` is what it is about: parts and discount come to exactly that."""
    rules, parts = policy.arrangements, wanted.parts
    if not parts:
        yield Refusal("an arrangement needs its parts", "name each as AMOUNT@DATE, the first one first")
        return
    if parts[0].on < today:
        yield Refusal(f"the first part is due on {parts[0].on}, which is past", f"name a day from {today} on")
    if any(one.on >= other.on for one, other in pairwise(parts)):
        yield Refusal("the parts have to be in the order of their days, each on a day of its own")
    if any(part.amount <= 0 for part in parts) or (wanted.discount is not None and wanted.discount < 0):
        yield Refusal("every part needs an amount above 0")
    owed = sum((amount for _, amount in wanted.owed), ZERO)
    if owed <= 0:
        yield Refusal("nothing is owed: there is nothing to pay in parts")
        return
    whole = sum((part.amount for part in parts), wanted.discount or ZERO)
    if whole != owed:
        than = "more than" if whole > owed else "less than"
        yield Refusal(f"parts and discount come to {whole}, {than} the debt of {owed}", "make it exactly that")
    earlier = [r for r in facts.records if r.kind is RecordKind.ARRANGEMENT and not _taken_back(r)]
    yield from _one_at_a_time([r for r in earlier if _about_same(r, wanted)], "arrangement", today)
    if len(parts) > rules.max_parts:
        yield Refusal(
            f"{len(parts)} parts, at most {rules.max_parts} are allowed ([arrangements] max_parts)", rule=True
        )
    least = owed * rules.first_part_percent / 100
    if parts[0].amount < least:
        why = f"the first part of {parts[0].amount} is less than {rules.first_part_percent}% of {owed}"
        yield Refusal(why, f"it has to be {least:.2f} or more", rule=True)
    if (parts[-1].on - today).days > rules.max_days:
        last = today + timedelta(days=rules.max_days)
        yield Refusal(f"{parts[-1].on} is beyond {rules.max_days} days", f"the last part is due by {last}", rule=True)
    ended = max((r.closed_on or r.until or r.since for r in earlier), default=None)
    if ended is not None and ended > months_before(today, rules.cooldown_months):
        why = f"the last arrangement ended on {ended}, less than {rules.cooldown_months} months ago"
        yield Refusal(f"{why} ([arrangements] cooldown_months)", rule=True)


# --- receipts -----------------------------------------------------------------------------------


def receipt_refusal(wanted: Record, facts: ClientFacts, policy: Policy, today: date) -> str:
    """Return why a receipt may not be taken, "" if it may."""
    return _first(receipt_refusals(wanted, facts, policy, today))


def receipt_refusals(wanted: Record, facts: ClientFacts, policy: Policy, today: date) -> Iterator[Refusal]:
    """A forged receipt bars the next; all receipts for one invoice hold for the bank days of the first together."""
    invoice = _open_invoice(wanted, facts)
    if invoice is None:
        yield Refusal(f"invoice {wanted.invoice_id} is not open: no receipt is needed")
        return
    if wanted.sort not in ("", "client", "bank"):
        yield Refusal(f"a receipt comes via client or bank, not {wanted.sort!r}")
    if wanted.until is not None and wanted.until < today:
        yield Refusal(f"{wanted.until} is past", f"name a day from {today} on")
    yield from _amount(wanted, invoice.balance, "the balance")
    receipts = [r for r in facts.records if r.kind is RecordKind.RECEIPT]
    same = [r for r in receipts if r.invoice_id == wanted.invoice_id]
    waiting = next((r for r in same if r.state is RecordState.OPEN and _runs(r, today)), None)
    if waiting is not None:
        yield Refusal(f"receipt {waiting.id} for this invoice already waits to be checked", "verify or reject it first")
    forged = next((r for r in receipts if r.state is RecordState.FORGED), None)
    if forged is not None:
        yield Refusal(f"receipt {forged.id} of this client was forged", "wait for the money", rule=True)
    last = receipt_until(same, policy, today)
    if last < today:
        why = f"receipts for this invoice have held all they may, until {last}"
        yield Refusal(why, "wait for the money, or record a promise", rule=True)
    elif wanted.until is not None and wanted.until > last:
        days = policy.receipts.hold_bank_days
        yield Refusal(f"{wanted.until} is beyond {days} bank days", f"the last day is {last}", rule=True)


def receipt_until(same: Iterable[Record], policy: Policy, today: date) -> date:
    """Return the last day on which receipts for one invoice may hold: bank days after the first of `same`."""
    first = min((r.made_on for r in same), default=today)
    return policy.calendar.add_bank_days(first, policy.receipts.hold_bank_days)


def _open_invoice(wanted: Record, facts: ClientFacts) -> Invoice | None:
    return next(
        (i for i in facts.invoices if i.id == wanted.invoice_id and i.status is not None and i.status.open), None
    )


# --- disputes, holds, freezes -------------------------------------------------------------------


def dispute_refusals(wanted: Record, facts: ClientFacts, today: date) -> Iterator[Refusal]:
    """A dispute is about an open invoice, a line of it, or an amount that it has."""
    invoice = _open_invoice(wanted, facts)
    if invoice is None:
        yield Refusal(f"invoice {wanted.invoice_id} is not open: there is nothing to dispute")
        return
    if wanted.until is not None and wanted.until < today:
        yield Refusal(f"{wanted.until} is past", f"name a day from {today} on")
    line = next((x for x in invoice.lines if x.id == wanted.line_id), None)
    if wanted.line_id is not None and line is None:
        known = ", ".join(str(x.id) for x in invoice.lines)
        yield Refusal(f"invoice {invoice.id} has no line {wanted.line_id}", f"it has {known or 'none that was read'}")
    elif line is not None:
        yield from _amount(wanted, max(line.amount, invoice.balance if len(invoice.lines) == 1 else ZERO), "the line")
    else:
        yield from _amount(wanted, invoice.balance, "the balance")
    for record in facts.records:
        if record.kind is not RecordKind.DISPUTE or record.invoice_id != invoice.id or not _runs(record, today):
            continue
        if record.line_id in (None, wanted.line_id) and record.amount is None:
            yield Refusal(f"dispute {record.id} about it is open", "resolve that one first")
            return
    lost = next((r for r in reversed(facts.records) if _lost_about(r, wanted)), None)
    if lost is not None:
        why = f"dispute {lost.id} about it was decided for the house on {lost.closed_on}"
        yield Refusal(why, "take what is owed, or record a promise", rule=True)


def _lost_about(record: Record, wanted: Record) -> bool:
    """Decided for the house: the same line, or the invoice as a whole in one of them."""
    if record.kind is not RecordKind.DISPUTE or record.state is not RecordState.RESOLVED:
        return False
    same = record.line_id == wanted.line_id or None in (record.line_id, wanted.line_id)
    return record.invoice_id == wanted.invoice_id and same


def hold_refusals(wanted: Record, today: date) -> Iterator[Refusal]:
    """A hold needs a kind that we know and an end that is not past."""
    if wanted.sort not in ("", "legal", "other"):
        yield Refusal(f"a hold is legal or other, not {wanted.sort!r}")
    if wanted.until is not None and wanted.until < today:
        yield Refusal(f"{wanted.until} is past", f"name a day from {today} on")


def freeze_refusals(wanted: Record, known: Iterable[Record], today: date) -> Iterator[Refusal]:
    """A freeze has a first and a last day. Both may be past: an outage is often written down when it is over."""
    if wanted.until is None:
        yield Refusal("a freeze needs its last day", "if that is not known yet, name the next, and freeze again then")
        return
    if wanted.until < wanted.since:
        yield Refusal(f"its last day {wanted.until} is before its first, {wanted.since}", "swap them")
    if wanted.since < today - timedelta(days=OLDEST_FREEZE_DAYS):
        why = f"{wanted.since} is more than {OLDEST_FREEZE_DAYS} days ago"
        yield Refusal(why, "what followed is done: record promises or holds for whom it still hurts")
    for record in known:
        covers = record.since <= wanted.since and record.until is not None and wanted.until <= record.until
        if record.state is RecordState.OPEN and covers and record.gateway in ("", wanted.gateway):
            yield Refusal(f"freeze {record.id} covers these days already")


OLDEST_FREEZE_DAYS = 60


# --- verdicts -----------------------------------------------------------------------------------


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
