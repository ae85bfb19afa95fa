"""All that a rule may know about a client and one of its services, with when it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from whmcs_bridge.domain.book import Addon, CancelRequest, Client, ClientGroup, Invoice, Product, Service
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.deletions import Waiting
from whmcs_bridge.domain.ids import AddonId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """One settled invoice of the client's payment history; enough for a record of punctuality."""

    id: InvoiceId
    due: date | None
    paid_on: date
    total: Decimal
    reversed: bool = False
    """It was paid once and is not any more, or the payment was reversed in between."""
    gateway: str = ""
    refunded: bool = False
    """Status Refunded: given back by the house. `reversed` as well: the money is gone again."""


@dataclass(frozen=True, slots=True)
class Membership:
    """VIP as far as the bridge has seen it."""

    member_since: date | None = None
    """Member of the VIP group now, first seen on this day (`date.min`: since before we came); None is no member."""
    last_member_on: date | None = None
    """Last day of a membership that is over; of one that lasts, its first."""
    removed_by_us_on: date | None = None
    previous_group: int | None = None
    """Group to go back to when removed; None unknown."""
    set_by_hand_on: date | None = None
    """Day on which someone else moved the client into or out of the VIP group."""
    last_member_since: date | None = None
    """Day on which the membership began that is over now; None is not known."""
    merged_since: date | None = None
    """Day on which the first came of those whom WHMCS has merged into this client; kept whatever else changes."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What concerns the client as a whole; shared by the facts of all its services."""

    client: Client
    group: ClientGroup | None
    """None: no group, or a group that GetClientGroups does not list."""
    currency: str
    services: Mapping[ServiceId, Service]
    addons: Mapping[AddonId, Addon]
    invoices: tuple[Invoice, ...]
    """Open invoices (Unpaid, Collections, Payment Pending) with their lines, oldest id first; also those of other
    clients that bill one of this client's services (a moved service)."""
    created_on: Mapping[InvoiceId, date] = field(default_factory=dict)
    """Day an invoice came to be (created_at, else first seen): the clock starts no earlier."""
    pending_since: Mapping[InvoiceId, date] = field(default_factory=dict)
    """Day on which an invoice was first seen Payment Pending."""
    cancelled: tuple[Invoice, ...] = ()
    """Invoices that were open, billed a service with an open case, and are Cancelled now."""
    history: tuple[PaidInvoice, ...] = ()
    records: tuple[Record, ...] = ()
    """Everything recorded for the client, its services and its invoices, and freezes for everyone; ended ones too."""
    membership: Membership = Membership()
    credit: Decimal | None = None
    """Account credit; None is not read (only read where a harmful step is due)."""
    foreign_owner: frozenset[ServiceId] = frozenset()
    """Services billed by an open invoice of another client."""
    silent_gateways: Mapping[str, date] = field(default_factory=dict)
    """Gateways that book nothing though they used to: day of the last payment. Who owes by one may have paid."""
    group_since: date | None = None
    """First day on which the client was seen in its present group."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What `decide` looks at for one service."""

    service: Service
    product: Product | None
    client: ClientFacts
    case: Case
    cancel_request: CancelRequest | None = None
    backups_left: int | None = None
    """Items known to be left in its stores; None is unknown or no store."""
    approved: frozenset[str] = frozenset()
    """Step kinds that a person approved for this case."""
    ended_seen: date | None = None
    """Day on which a service that was seen living was first seen ended."""
    missing: bool = False
    """WHMCS's last complete list did not have it: reported, never taken for ended."""
    as_of: datetime | None = None
    """When the oldest part was read (panel wall clock)."""
    complete: bool = True
    """False: the snapshot behind it had gaps; nothing harmful may follow."""
    acted_today: bool = False
    """We already began a suspension or termination of it on this house day."""
    deletion: Waiting | None = None
    """Why the deletion of its backups cannot go on now."""
    end_refused: bool = False
    """WHMCS wanted to end it (a cancellation request, a fixed term) and was refused for want of an answer."""
