"""What people told us: promises, releases, disputes, receipts, holds, freezes. Each has an author, a reason, an end."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from whmcs_bridge.domain.ids import ClientId, InvoiceId, LineId, ServiceId


class RecordKind(StrEnum):
    PROMISE = "promise"
    RELEASE = "release"
    """A trust release: the suspended service is back on until a day."""
    DISPUTE = "dispute"
    RECEIPT = "receipt"
    HOLD = "hold"
    """Legal or other hold: nothing harmful."""
    ARRANGEMENT = "arrangement"
    """Payment in parts: services return with the first part, each later one is a promise."""
    FREEZE = "freeze"
    """Clients could not pay: the clock stands still."""
    CONTACT = "contact"
    """A sign of life: ticket, payment, login, or noted by staff."""
    PIN = "pin"
    """VIP whatever the record says."""
    ATTESTED = "attested"
    """Staff confirmed something that the bridge could not see (a warning delivered, a foreign suspension)."""


class RecordState(StrEnum):
    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    CANCELLED = "cancelled"
    RESOLVED = "resolved"
    UPHELD = "upheld"
    """A dispute decided for the client: what it was about is no debt any more."""
    VERIFIED = "verified"
    REJECTED = "rejected"
    """A receipt that proves nothing: unreadable, of another invoice. It holds nothing any more."""
    FORGED = "forged"
    """A receipt that was false: it bars the next."""
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class Instalment:
    """One part of an arrangement."""

    amount: Decimal
    on: date
    """Last day to pay it, that day included."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record. Which fields mean something depends on `kind`; scope is the narrowest id given."""

    id: int
    kind: RecordKind
    state: RecordState
    author: str
    reason: str
    made_on: date
    since: date
    """First day it counts."""
    until: date | None
    """Last day it counts, that day included; None is open-ended."""
    closed_on: date | None = None
    """Day on which it left `open`; it does not protect on later days (nor on that day)."""
    client_id: ClientId | None = None
    service_id: ServiceId | None = None
    invoice_id: InvoiceId | None = None
    line_id: LineId | None = None
    amount: Decimal | None = None
    """Promised, disputed, or said to be paid; None is all of it."""
    sort: str = ""
    """hold: legal, other; contact: ticket, payment, login, staff; receipt: client, bank; dispute: its outcome."""
    gateway: str = ""
    """A freeze of one gateway only; "" is everyone."""
    owed: tuple[tuple[InvoiceId, Decimal], ...] = ()
    """promise, arrangement: what each invoice it is about still owed on the day it was made; dispute: its lines and tax
    on that day, whatever was paid of them."""
    beside: tuple[InvoiceId, ...] = ()
    """arrangement: what was overdue when it was made and is no part of it; the house knew, and it ends nothing."""
    parts: tuple[Instalment, ...] = ()
    """arrangement: in the order of their days."""
    discount: Decimal | None = None
    """arrangement: what the house lets go; staff books it in WHMCS."""
    how: str = ""
    """How we know: phone, ticket 12, mail, client area."""
    against: str = ""
    """The rule that staff went past with this record, word for word; "" is none."""
    leaving: bool = False
    """The client had asked to cancel what it is about when it was made."""
    closed_by: str = ""
    closed_why: str = ""
    hastens: bool = False
    """promise, arrangement: a broken one leads to the end sooner, as it was when the word was given (`on_broken`)."""

    def protects_on(self, day: date) -> bool:
        """It is in force on `day`: begun, not closed before or on it, not past its last day."""
        if day < self.since or (self.until is not None and day > self.until):
            return False
        return self.state is RecordState.OPEN or (self.closed_on is not None and day < self.closed_on)
