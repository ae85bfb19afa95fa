"""What a client still owes, line by line, and which of it counts against or for a service."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.book import Addon, Invoice, InvoiceLine, Service
from whmcs_bridge.domain.facts import ClientFacts
from whmcs_bridge.domain.ids import AddonId, InvoiceId, LineId, ServiceId
from whmcs_bridge.domain.money import ZERO, Money
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import InvoiceStatus, LineType
from whmcs_bridge.policy.calendar import Calendar, add_days, move_on
from whmcs_bridge.policy.decision import Debt, Standing
from whmcs_bridge.policy.rules import Category, Release, Rules, Scope

OVERAGE_MARK = "[whmcs-bridge overage "
"""Billable items of ours name their service: `... [whmcs-bridge overage 12]`."""

_CATEGORY: Mapping[LineType, Category] = {
    LineType.HOSTING: Category.SERVICE,
    LineType.PROMO_HOSTING: Category.SERVICE,
    LineType.ADDON: Category.ADDON,
    LineType.PROMO_ADDON: Category.ADDON,
    LineType.DOMAIN: Category.DOMAIN,
    LineType.DOMAIN_REGISTER: Category.DOMAIN,
    LineType.DOMAIN_TRANSFER: Category.DOMAIN,
    LineType.LATE_FEE: Category.FEE,
}
_NO_DEBT_LINES = frozenset({LineType.ADD_FUNDS, LineType.UPGRADE, LineType.INVOICE})
"""Orders nobody has to take, and mass payments, which count through their children."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one invoice still owes for one thing."""

    category: Category
    service: ServiceId | None
    """The service billed, also for an addon's line; None where the line bills none that this client has."""
    addon: AddonId | None
    owed: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """One open invoice, weighed for today."""

    invoice: Invoice
    clock: date
    """Day counts start here: the later of due date and creation."""
    due: date
    """Last day to pay: the clock, moved to a bank day for a gateway with clearing days."""
    overdue: bool
    pending: bool
    """Payment Pending and still within its clearing days."""
    disputed: bool
    """A dispute takes at least a part of it away."""
    parts: tuple[Part, ...]
    owed: Decimal
    """What counts as debt, all parts together."""
    counts_for_standing: bool
    counts_again: date | None = None
    """Pending: the day on which the debt counts again if nothing came."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every open invoice of a client that is or may become debt, oldest clock first, and what was left out and why."""

    entries: tuple[Entry, ...]
    left_out: tuple[tuple[InvoiceId, str], ...]
    frozen: frozenset[date]
    standing: Standing
    debt: Decimal


EMPTY_LEDGER = Ledger((), (), frozenset(), Standing.PAID_UP, ZERO)


def frozen_days(records: Iterable[Record], today: date) -> frozenset[date]:
    """Return the days up to and including today on which the clock stands still for everyone."""
    days: set[date] = set()
    for record in records:
        if record.kind is RecordKind.FREEZE and not record.gateway:
            days.update(days_frozen_by(record, today))
    return frozenset(days)


def days_frozen_by(freeze: Record, today: date) -> Iterable[date]:
    """Yield the days up to and including today on which it stopped the clock."""
    last = min(freeze.until or today, today)
    if freeze.closed_on is not None:
        last = min(last, freeze.closed_on - timedelta(days=1))
    day = freeze.since
    while day <= last:
        yield day
        day += timedelta(days=1)


def ledger(facts: ClientFacts, rules: Rules, calendar: Calendar, today: date) -> Ledger:
    """Weigh every open invoice of the client for `today`.

    Draft, Paid, Cancelled, Refunded, add-funds, upgrade and mass-payment invoices and those without a due date are
    left out; a disputed part is taken away; `min_debt` is compared with what is left of the invoice.
    """
    if not facts.invoices:
        return EMPTY_LEDGER
    frozen = frozen_days(facts.records, today) if facts.records else frozenset[date]()
    entries: list[Entry] = []
    left_out: list[tuple[InvoiceId, str]] = []
    least = rules.min_debt.of(facts.currency)
    for invoice in facts.invoices:
        if invoice.client_id != facts.client.id:
            continue
        why_not = _no_debt(invoice)
        if why_not:
            left_out.append((invoice.id, why_not))
            continue
        entry = _weigh(invoice, facts, rules, calendar, today, frozen)
        if entry.owed > least:
            entries.append(entry)
        elif entry.owed > 0:
            left_out.append((invoice.id, f"owes {entry.owed}, not above min_debt {least}"))
    entries.sort(key=lambda e: (e.clock, e.invoice.id))
    counting = [e for e in entries if e.counts_for_standing]
    if any(e.overdue and not e.pending for e in counting):
        standing = Standing.OVERDUE
    else:
        standing = Standing.DUE if counting else Standing.PAID_UP
    debt = sum((e.owed for e in counting if e.overdue), ZERO)
    return Ledger(tuple(entries), tuple(left_out), frozen, standing, debt)


UNDATED = "has no due date"
AN_ORDER = "is an order for funds or an upgrade"
SPECIAL = (UNDATED, AN_ORDER)
"""Why an open invoice is no debt though somebody should look at it."""


def _no_debt(invoice: Invoice) -> str:
    if invoice.status is None or not invoice.status.open:
        return f"is {invoice.status}"
    if invoice.due is None:
        return UNDATED
    if invoice.lines and all(line.type in _NO_DEBT_LINES for line in invoice.lines):
        mass = any(line.type is LineType.INVOICE for line in invoice.lines)
        return "collects other invoices" if mass else AN_ORDER
    return ""


def _weigh(
    invoice: Invoice,
    facts: ClientFacts,
    rules: Rules,
    calendar: Calendar,
    today: date,
    frozen: frozenset[date],
) -> Entry:
    assert invoice.due is not None
    created = facts.created_on.get(invoice.id)
    clock = max(invoice.due, created) if created is not None else invoice.due
    bank_days = calendar.clearing_bank_days.get(invoice.gateway)
    due = clock if bank_days is None else calendar.next_bank_day(clock)
    if facts.records:
        frozen = with_gateway(frozen, facts.records, invoice.gateway, today)
    overdue = add_days(due, 1, frozen) <= today
    again = None
    if invoice.status is InvoiceStatus.PAYMENT_PENDING:
        since = facts.pending_since.get(invoice.id, today)
        again = calendar.add_bank_days(since, PENDING_BANK_DAYS if bank_days is None else bank_days)
    pending = again is not None and today < again
    disputes = _disputes(invoice, facts, today) if facts.records else ()
    parts = outstanding(invoice, facts.services, facts.addons, rules.payment_order, disputes)
    owed = parts[0].owed if len(parts) == 1 else sum((p.owed for p in parts), ZERO)
    standing = not all(line.type in _NO_DEBT_LINES for line in invoice.lines) if invoice.lines else True
    return Entry(invoice, clock, due, overdue, pending, bool(disputes), parts, owed, standing, again)


PENDING_BANK_DAYS = 3
"""How long Payment Pending holds for a gateway that `clearing_bank_days` does not name."""


def with_gateway(frozen: frozenset[date], records: Iterable[Record], gateway: str, today: date) -> frozenset[date]:
    """Return `frozen` and the days on which the clock stands still for this gateway alone."""
    days: set[date] = set()
    for record in records:
        if record.kind is RecordKind.FREEZE and record.gateway and record.gateway == gateway:
            days.update(days_frozen_by(record, today))
    return frozen | days if days else frozen


def frozen_for(record: Record, facts: ClientFacts, today: date) -> frozenset[date]:
    """Return the days on which nobody could pay what the record is about: for everyone, or by none of its gateways."""
    frozen = frozen_days(facts.records, today)
    about = {invoice for invoice, _ in record.owed}
    gateways = {invoice.gateway for invoice in facts.invoices if invoice.id in about}
    by_gateway = [with_gateway(frozen, facts.records, gateway, today) for gateway in gateways]
    return frozenset.intersection(*by_gateway) if by_gateway else frozen


def last_day_to_pay(promise: Record, facts: ClientFacts, today: date) -> date | None:
    """Return the last day of a promise; where clients could not pay on it, the first day on which they could."""
    return promise.until and move_on(promise.until, frozen_for(promise, facts, today))


def category_of(line: InvoiceLine) -> Category:
    """Return what the line bills, as far as rules tell lines apart."""
    found = _CATEGORY.get(line.type)
    if found is not None:
        return found
    if OVERAGE_MARK in line.description:
        return Category.OVERAGE
    return Category.NOTHING_KNOWN


def _billed(
    line: InvoiceLine, category: Category, services: Mapping[ServiceId, Service], addons: Mapping[AddonId, Addon]
) -> tuple[ServiceId | None, AddonId | None]:
    if category is Category.SERVICE:
        service = ServiceId(line.relid)
        return (service if service in services else None), None
    if category is Category.ADDON:
        addon = addons.get(AddonId(line.relid))
        return (addon.service_id, addon.id) if addon is not None else (None, None)
    if category is Category.OVERAGE:
        digits = line.description.split(OVERAGE_MARK, 1)[1].split("]", 1)[0].strip()
        service = ServiceId(int(digits)) if digits.isdecimal() else ServiceId(0)
        return (service if service in services else None), None
    return None, None


Key = tuple[Category, ServiceId | None, AddonId | None, int]
"""What tells one thing billed from another; the number only where it is no service."""


def outstanding(
    invoice: Invoice,
    services: Mapping[ServiceId, Service],
    addons: Mapping[AddonId, Addon],
    payment_order: Sequence[Category],
    disputes: Sequence[Record] = (),
) -> tuple[Part, ...]:
    """Return what is still owed per thing billed; without disputes the parts add up to the balance.

    Tax and general discounts are spread over the lines; a discount on a service is taken off that service; what has
    been paid covers lines in `payment_order`, lines of no known kind last. What is disputed is left out, and what has
    been paid is not taken for it while anything else is open: who pays all but the disputed line owes nothing. What
    staff has taken off the invoice for a dispute meanwhile does not count twice.
    """
    if invoice.balance <= 0 or any(d.line_id is None and d.amount is None for d in disputes):
        return ()
    if len(invoice.lines) == 1 and not disputes:
        line = invoice.lines[0]
        category = category_of(line)
        service, addon = _billed(line, category, services, addons)
        return (Part(category, service, addon, invoice.balance),)
    grouped: dict[Key, Decimal] = {}
    key_of: dict[LineId, Key] = {}
    for line in invoice.lines:
        category = category_of(line)
        if category is Category.NOTHING_KNOWN and line.amount < 0:
            continue  # a general discount: spread below, with tax
        service, addon = _billed(line, category, services, addons)
        key = key_of[line.id] = (category, service, addon, 0 if service else line.relid)
        grouped[key] = grouped.get(key, ZERO) + line.amount
    positive = {key: amount for key, amount in grouped.items() if amount > 0}
    gross = sum(positive.values(), ZERO)
    if gross <= 0:
        return (Part(Category.NOTHING_KNOWN, None, None, invoice.balance),)
    whole = max(invoice.subtotal + invoice.tax, invoice.balance)
    booked = _booked(invoice, disputes) if disputes else ZERO
    paid = whole - invoice.balance
    whole += booked
    shares = {key: amount * whole / gross if whole != gross else amount for key, amount in positive.items()}
    disputed = _disputed_shares(invoice, disputes, key_of, shares, whole / gross)
    parts = _cover(shares, disputed, paid, whole - paid, payment_order)
    return _less(parts, sum((d.amount for d in disputes if d.line_id is None and d.amount is not None), ZERO))


def _booked(invoice: Invoice, disputes: Sequence[Record]) -> Decimal:
    """What staff has taken off the invoice since it was disputed, and is disputed: payments and credit are not that.

    A line that was itself lowered or taken out is disputed no more as it is; its own change is left aside.
    """
    now = invoice.subtotal + invoice.tax
    asked = max((then for d in disputes for number, then in d.owed if number == invoice.id), default=now)
    if asked <= now:
        return ZERO
    off = -sum((x.amount for x in invoice.lines if x.amount < 0 and category_of(x) is Category.NOTHING_KNOWN), ZERO)
    lines = {x.id: x.amount for x in invoice.lines}
    of_lines = sum((lines.get(d.line_id, ZERO) for d in disputes if d.line_id is not None and d.amount is None), ZERO)
    tax = now / invoice.subtotal if invoice.subtotal > 0 else Decimal(1)
    most = min(of_lines, off) * tax + sum((d.amount for d in disputes if d.amount is not None), ZERO)
    return min(asked - now, most)


def _disputed_shares(
    invoice: Invoice, disputes: Sequence[Record], key_of: Mapping[LineId, Key], shares: dict[Key, Decimal], tax: Decimal
) -> dict[Key, Decimal]:
    """Move what is disputed of single lines, with its tax, out of `shares`."""
    disputed: dict[Key, Decimal] = {}
    for dispute in disputes:
        line = next((x for x in invoice.lines if x.id == dispute.line_id), None)
        key = key_of.get(line.id) if line is not None else None
        if line is None or key not in shares:
            continue
        taken = min(line.amount * tax if dispute.amount is None else dispute.amount, shares[key])
        if taken > 0:
            shares[key] -= taken
            disputed[key] = disputed.get(key, ZERO) + taken
    return disputed


def _cover(
    shares: Mapping[Key, Decimal],
    disputed: Mapping[Key, Decimal],
    paid: Decimal,
    balance: Decimal,
    payment_order: Sequence[Category],
) -> tuple[Part, ...]:
    """Let `paid` cover the shares in order, then what is disputed; return what is left of the former."""
    rank = {category: place for place, category in enumerate(payment_order)}
    ordered = sorted(shares.items(), key=lambda item: rank.get(item[0][0], len(rank)))
    last = len(ordered) - 1 if not disputed else -1
    parts: list[Part] = []
    left = balance
    for place, ((category, service, addon, _), share) in enumerate(ordered):
        covered = min(paid, share)
        paid -= covered
        owed = left if place == last else min((share - covered).quantize(CENT), left)
        left -= owed
        if owed > 0:
            parts.append(Part(category, service, addon, owed))
    return tuple(parts)


def _less(parts: tuple[Part, ...], amount: Decimal) -> tuple[Part, ...]:
    """Take a disputed amount that names no line off the parts, first ones first, as a payment would."""
    if amount <= 0:
        return parts
    kept: list[Part] = []
    for part in parts:
        taken = min(amount, part.owed)
        amount -= taken
        if part.owed > taken:
            kept.append(replace(part, owed=part.owed - taken))
    return tuple(kept)


CENT = Decimal("0.01")


def _disputes(invoice: Invoice, facts: ClientFacts, today: date) -> tuple[Record, ...]:
    """What is disputed of this invoice today, or was decided for the client: nobody has to wait for the books."""
    return tuple(
        r
        for r in facts.records
        if r.kind is RecordKind.DISPUTE
        and r.invoice_id == invoice.id
        and (r.protects_on(today) or r.state is RecordState.UPHELD)
    )


def billed_by(invoice: Invoice, facts: ClientFacts) -> set[ServiceId | None]:
    """Return every service on the invoice's lines, paid and disputed ones too; None for a line that bills none."""
    return {_billed(line, category_of(line), facts.services, facts.addons)[0] for line in invoice.lines}


# --- which of it counts -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """The debt that matters for one service."""

    concerning: tuple[Debt, ...]
    """What suspends it, oldest first; overdue, not pending."""
    ending: tuple[Debt, ...]
    """The part of it that may end the service: an addon never ends its parent."""
    holding: tuple[Debt, ...]
    """What keeps it suspended: overdue, pending ones too."""
    coming: tuple[Debt, ...]
    """Concerns the service and is not past its last day to pay yet."""
    pending: tuple[Debt, ...]
    """Would suspend if its payment were not on the way."""
    addons: Mapping[AddonId, Debt]
    """Overdue debt of single addons, where addons answer for themselves."""
    old: tuple[Debt, ...]
    """Debt of services that have ended."""


NOTHING = Counted((), (), (), (), (), {}, ())


def count(book: Ledger, facts: ClientFacts, service: Service, rules: Rules) -> Counted:
    """Sort the ledger's parts for one service under its rules."""
    if not book.entries:
        return NOTHING
    concerning: list[Debt] = []
    ending: list[Debt] = []
    holding: list[Debt] = []
    coming: list[Debt] = []
    pending: list[Debt] = []
    addons: dict[AddonId, Debt] = {}
    old: list[Debt] = []
    for entry in book.entries:
        about = [p for p in entry.parts if _concerns(p, service, rules, facts)]
        debt = _debt(entry, about, facts.currency) if about else None
        if debt is not None:
            if not entry.overdue:
                coming.append(debt)
            elif entry.pending:
                pending.append(debt)
            else:
                concerning.append(debt)
                ends = [p for p in about if p.category is not Category.ADDON]
                if ends:
                    ending.append(debt if len(ends) == len(about) else _debt(entry, ends, facts.currency))
        if entry.overdue and not entry.pending and rules.overdue_addon_suspends == "addon":
            for part in entry.parts:
                if part.addon is not None and part.service == service.id and part.addon not in addons:
                    addons[part.addon] = _debt(entry, [part], facts.currency)
        if entry.overdue:
            holds = [p for p in entry.parts if _holds(p, service, rules, facts)]
            if holds:
                # Nearly always what concerns the service is what holds it: one value for both.
                holding.append(debt if debt is not None and holds == about else _debt(entry, holds, facts.currency))
            ended = [p for p in entry.parts if _of_ended(p, facts)]
            if ended:
                old.append(_debt(entry, ended, facts.currency))
    return Counted(tuple(concerning), tuple(ending), tuple(holding), tuple(coming), tuple(pending), addons, tuple(old))


def _debt(entry: Entry, parts: Sequence[Part], currency: str) -> Debt:
    owed = parts[0].owed if len(parts) == 1 else sum((p.owed for p in parts), ZERO)
    number = entry.invoice.number or str(entry.invoice.id)
    return Debt(entry.invoice.id, number, entry.due, entry.clock, Money(owed, currency), entry.invoice.gateway)


def _concerns(part: Part, service: Service, rules: Rules, facts: ClientFacts) -> bool:
    if part.category is Category.NOTHING_KNOWN:
        return False
    if part.category is Category.ADDON and rules.overdue_addon_suspends != "parent":
        return False
    if part.service == service.id:
        return part.category in (Category.SERVICE, Category.ADDON, Category.OVERAGE)
    if rules.scope is Scope.SERVICE or part.category not in rules.release_counts:
        return False
    # scope = "client": what would hold no release back suspends nothing either, or services would flap
    return _is_clients_own(part, facts) and not _of_ended(part, facts)


def _holds(part: Part, service: Service, rules: Rules, facts: ClientFacts) -> bool:
    if part.category is Category.NOTHING_KNOWN or part.category not in rules.release_counts:
        return False
    if rules.release is Release.SERVICE_PAID:
        return _concerns(part, service, rules, facts)
    if part.category is Category.ADDON and rules.overdue_addon_suspends != "parent" and part.service == service.id:
        return False
    if not _is_clients_own(part, facts):
        return False
    return rules.old_debt == "hold" or not _of_ended(part, facts)


def _is_clients_own(part: Part, facts: ClientFacts) -> bool:
    """The thing billed is this client's now: a moved or deleted service's debt is nobody's here."""
    return part.service is not None or part.category in (Category.DOMAIN, Category.FEE)


def _of_ended(part: Part, facts: ClientFacts) -> bool:
    billed = facts.services.get(part.service) if part.service is not None else None
    return billed is not None and billed.status is not None and billed.status.ended
