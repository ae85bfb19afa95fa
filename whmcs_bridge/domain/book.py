"""The book: clients, services, invoices as WHMCS holds them, read once at the edge and never half-parsed later.

Field names are WHMCS's where it has one. A date that WHMCS prints as 0000-00-00 is None here. Instants are the
panel's local wall clock without offset, as WHMCS gives them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from whmcs_bridge.domain.ids import (
    AddonId,
    ClientId,
    DomainId,
    EmailId,
    GroupId,
    InvoiceId,
    LineId,
    ProductId,
    ServerId,
    ServiceId,
)
from whmcs_bridge.domain.status import CancelType, ClientStatus, InvoiceStatus, LineType, ServiceStatus

NO_GROUP = GroupId(0)
NO_SERVER = ServerId(0)


@dataclass(frozen=True, slots=True)
class Client:
    """One row of GetClients."""

    id: ClientId
    name: str
    """Company name, else first and last name; unescaped."""
    email: str
    since: date | None
    group_id: GroupId
    """0 is no group."""
    status: ClientStatus | None


@dataclass(frozen=True, slots=True)
class ClientDetails:
    """What only GetClientsDetails tells: read for single clients, never for the whole book."""

    id: ClientId
    name: str
    email: str
    group_id: GroupId
    status: ClientStatus | None
    credit: Decimal
    currency: str
    """ISO code; "" where this WHMCS does not print it."""
    language: str
    email_opt_out: bool


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """One row of GetClientGroups."""

    id: GroupId
    name: str
    exempt: bool
    """`susptermexempt`: WHMCS's own cron neither suspends nor terminates its members."""
    discount_percent: Decimal
    separate_invoices: bool


@dataclass(frozen=True, slots=True)
class Product:
    """One row of GetProducts."""

    id: ProductId
    group_id: int
    group: str
    """Name of the product group; GetProducts gives only its number, GetClientsProducts its name. "" if unknown."""
    name: str
    type: str
    """hostingaccount, reselleraccount, server, other."""
    module: str
    """System name of the provisioning module; "" is a product without one."""


@dataclass(frozen=True, slots=True)
class Service:
    """One row of GetClientsProducts, without its secrets."""

    id: ServiceId
    client_id: ClientId
    product_id: ProductId
    server_id: ServerId
    name: str
    """Product name."""
    group: str
    """Name of the product group."""
    domain: str
    username: str
    status: ServiceStatus | None
    """None is a word we do not know: nothing is ever done to such a service."""
    suspension_reason: str
    amount: Decimal
    """Recurring amount in the client's currency."""
    billing_cycle: str
    registered: date | None
    next_due: date | None
    override: bool
    """`overideautosuspend`: WHMCS's own switch against suspension."""
    override_until: date | None
    """None with `override` on means without end (WHMCS's 0000-00-00)."""
    server_name: str = ""
    payment_method: str = ""
    bandwidth_used_mb: int = 0
    bandwidth_limit_mb: int = 0
    dedicated_ip: str = ""
    ids: tuple[tuple[str, str], ...] = ()
    """What its custom fields hold of [backups] id_fields, as pairs such as ("vmid", "104"); no blank ones."""


@dataclass(frozen=True, slots=True)
class Addon:
    """One row of GetClientsAddons: an addon booked on a service."""

    id: AddonId
    service_id: ServiceId
    client_id: ClientId
    name: str
    status: ServiceStatus | None
    next_due: date | None


@dataclass(frozen=True, slots=True)
class InvoiceHead:
    """One row of GetInvoices: no lines, no balance."""

    id: InvoiceId
    client_id: ClientId
    number: str
    issued: date | None
    """`date`: when it was made out; invoices made later with an older date exist."""
    due: date | None
    paid_at: datetime | None
    cancelled_at: datetime | None
    refunded_at: datetime | None
    created_at: datetime | None
    updated_at: str
    """As printed: compared for change, never for order. "" where this WHMCS does not print it."""
    total: Decimal
    """Net of applied credit."""
    credit: Decimal
    currency: str
    status: InvoiceStatus | None
    gateway: str
    """System name of the payment method."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One item of GetInvoice."""

    id: LineId
    type: LineType
    relid: int
    """Service id for Hosting, addon id for Addon, domain id for Domain..., child invoice id for Invoice."""
    description: str
    amount: Decimal
    taxed: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """One reply of GetInvoice: head, lines, and what is still owed."""

    id: InvoiceId
    client_id: ClientId
    number: str
    issued: date | None
    """`date`: when it was made out; invoices made later with an older date exist."""
    due: date | None
    paid_at: datetime | None
    subtotal: Decimal
    tax: Decimal
    """tax and tax2 together."""
    credit: Decimal
    total: Decimal
    balance: Decimal
    """What is still owed; WHMCS's own sum."""
    status: InvoiceStatus | None
    gateway: str
    lines: tuple[InvoiceLine, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row of GetTransactions. A refund or reversal has amount_out."""

    id: int
    client_id: ClientId
    invoice_id: InvoiceId
    gateway: str
    at: datetime | None
    amount_in: Decimal
    amount_out: Decimal
    refund_of: int
    transid: str


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """One row of GetCancelledPackages; WHMCS never tells whether it is still open: join with the service's status."""

    id: int
    service_id: ServiceId
    at: datetime | None
    type: CancelType | None
    reason: str


@dataclass(frozen=True, slots=True)
class SentEmail:
    """One row of GetEmails."""

    id: EmailId
    client_id: ClientId
    subject: str
    at: datetime | None
    to: str
    failed: bool
    pending: bool
    failure_reason: str


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One row of GetModuleQueue: a module action that failed."""

    id: int
    service_type: str
    service_id: int
    module: str
    action: str
    last_error: str
    last_attempt: datetime | None


@dataclass(frozen=True, slots=True)
class Server:
    """One row of GetServers."""

    id: ServerId
    name: str
    hostname: str
    module: str
    active: bool


@dataclass(frozen=True, slots=True)
class Contact:
    """One row of GetContacts: a further address of a client, with the mails it receives."""

    id: int
    client_id: ClientId
    email: str
    invoice_emails: bool
    product_emails: bool
    general_emails: bool


@dataclass(frozen=True, slots=True)
class Ticket:
    """One row of GetTickets, without its access code."""

    id: int
    number: str
    client_id: ClientId
    department_id: int
    subject: str
    status: str
    last_reply: datetime | None
    opened: datetime | None


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One row of GetActivityLog."""

    id: int
    at: datetime | None
    description: str
    user: str
    client_id: ClientId
    admin_id: int = 0
    """Administrator who did it; 0 for WHMCS itself and for clients."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One row of GetClientsDomains."""

    id: DomainId
    client_id: ClientId
    name: str
    status: str
    next_due: date | None


@dataclass(frozen=True, slots=True)
class PanelAbout:
    """What GetAdminDetails and WhmcsDetails tell about the installation and about us."""

    version: str
    admin_id: int
    admin_name: str
    permissions: tuple[str, ...]
