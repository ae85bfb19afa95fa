"""Payment in parts: how far an arrangement has come, whether it protects today, whether it was kept or broken."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.ids import ClientId, InvoiceId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Instalment, Record, RecordState
from whmcs_bridge.policy.calendar import move_on
from whmcs_bridge.policy.debt import Ledger


@dataclass(frozen=True, slots=True)
class Progress:
    """One arrangement, looked at on one day."""

    paid: Decimal
    """Booked on its invoices since it was made."""
    begun: bool
    """The first part is booked: services are back."""
    next: Instalment | None
    """The part that comes next; None: all are booked."""
    missed: Instalment | None
    """The oldest part whose day has gone by without the money."""
    new_debt: InvoiceId | None
    """An invoice that became overdue since and is no part of it: that ends it."""
    discount_left: Decimal
    """All parts are booked, and the discount is not: staff has to."""

    @property
    def protects(self) -> bool:
        """It stands: begun and not done, no part missed, nothing new overdue."""
        done = self.next is None and not self.discount_left
        return self.begun and not done and self.missed is None and self.new_debt is None


def balances(invoices: Iterable[Invoice], client: ClientId) -> dict[InvoiceId, Decimal]:
    """Return what each open invoice of the client still has to get, whatever the rules count of it."""
    return {i.id: i.balance for i in invoices if i.client_id == client and i.status is not None and i.status.open}


def overdue_now(book: Ledger) -> tuple[InvoiceId, ...]:
    """Return the invoices that are overdue today, those whose payment is on its way aside."""
    return tuple(e.invoice.id for e in book.entries if e.overdue and not e.pending and e.counts_for_standing)


def progress(
    record: Record,
    left: Mapping[InvoiceId, Decimal],
    overdue: Collection[InvoiceId],
    today: date,
    frozen: Collection[date] = (),
) -> Progress:
    """Say how far it has come. `left` is what each invoice still has to get; a part may come on its day, and early."""
    paid = sum((max(then - left.get(invoice, ZERO), ZERO) for invoice, then in record.owed), ZERO)
    missed = following = None
    needed = ZERO
    for part in record.parts:
        needed += part.amount
        if paid >= needed:
            continue
        following = following or part
        if today > move_on(part.on, frozen):
            missed = part
            break
    settled = following is None
    known = {invoice for invoice, _ in record.owed}
    rest = sum((left.get(invoice, ZERO) for invoice in known), ZERO)
    return Progress(
        paid=paid,
        begun=bool(record.parts) and paid >= record.parts[0].amount,
        next=following,
        missed=missed,
        new_debt=next((i for i in overdue if i not in known and i not in record.beside), None),
        discount_left=min(rest, record.discount or ZERO) if settled else ZERO,
    )


def ends_on(record: Record, at: Progress) -> date | None:
    """Return the last day on which it protects if nothing more is paid; None: staff only has to book the discount."""
    return at.next.on if at.next is not None else None


def verdict(record: Record, at: Progress) -> RecordState | None:
    """Kept when every part is booked, and the discount too; broken by a missed part or a new overdue invoice."""
    if record.state is not RecordState.OPEN:
        return None
    if at.next is None and not at.discount_left:
        return RecordState.KEPT
    return RecordState.BROKEN if at.missed is not None or (at.new_debt is not None and at.next is not None) else None


def in_force(record: Record, today: date) -> bool:
    """It was made and nobody has ended it; its parts say whether it protects."""
    if today < record.since:
        return False
    return record.state is RecordState.OPEN or (record.closed_on is not None and today < record.closed_on)
