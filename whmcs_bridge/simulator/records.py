"""What a WHMCS database holds, one slotted record a kind.

Conventions, chosen so that two million invoice lines fit in memory:

- money is `int` cents of the record's currency (`1595` is `"15.95"` on the wire);
- days are `date`, moments are naive `datetime` in WHMCS's own wall clock; `None` is the zero date;
- seeds share date, datetime and str objects between records;
- records point at each other by id, and are changed only through `World`'s mutators where an index
  depends on the field (client, service and status fields).
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

NO_DAY = date.min
"""The zero date in a field that is never None: a due date or a registration nobody ever entered."""


class InvoiceStatus(StrEnum):
    """Stored invoice statuses, facts sheet section 6. `Overdue` is a filter, never stored."""

    DRAFT = "Draft"
    UNPAID = "Unpaid"
    PAID = "Paid"
    CANCELLED = "Cancelled"
    REFUNDED = "Refunded"
    COLLECTIONS = "Collections"
    PAYMENT_PENDING = "Payment Pending"


class ServiceStatus(StrEnum):
    """Service statuses, facts sheet section 6; addons use the same words."""

    PENDING = "Pending"
    ACTIVE = "Active"
    COMPLETED = "Completed"
    SUSPENDED = "Suspended"
    TERMINATED = "Terminated"
    CANCELLED = "Cancelled"
    FRAUD = "Fraud"


class Actor(StrEnum):
    """Who made something happen."""

    API = "api"
    CRON = "cron"
    ADMIN = "admin"
    PAYMENT = "payment"
    CLIENT = "client"


@dataclass(slots=True)
class Currency:
    """A currency; id 1 is the default."""

    id: int
    code: str
    prefix: str = ""
    suffix: str = ""
    format: int = 1
    rate: str = "1.00000"


@dataclass(slots=True)
class PaymentMethod:
    """A gateway: `module` is the system name that every `paymentmethod` field holds."""

    module: str
    displayname: str
    card: bool = False


@dataclass(slots=True)
class Group:
    """A client group; `exempt` is WHMCS's susptermexempt."""

    id: int
    name: str
    colour: str = "#FFFFFF"
    discount_percent: str = "0.00"
    exempt: bool = False
    separate_invoices: bool = False


@dataclass(slots=True)
class Client:
    """A customer. `credit` is cents of `currency`; `group` 0 is none."""

    id: int
    firstname: str = ""
    lastname: str = ""
    companyname: str = ""
    email: str = ""
    created: date = date(2020, 1, 1)
    group: int = 0
    status: str = "Active"
    currency: int = 1
    credit: int = 0
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = "US"
    phonenumber: str = ""
    tax_id: str = ""
    language: str = ""
    notes: str = ""
    gateway: str = ""
    owner: int = 0
    billing_contact: int = 0
    tax_exempt: bool = False
    no_late_fees: bool = False
    no_overdue_notices: bool = False
    separate_invoices: bool = False
    disable_auto_cc: bool = False
    email_optout: bool = False
    marketing_optin: bool = False
    override_auto_close: bool = False
    email_verified: bool = True
    allow_sso: bool = True
    last_login: datetime | None = None
    email_off: frozenset[str] = frozenset()
    customfields: dict[int, str] | None = None


@dataclass(slots=True)
class User:
    """A login (8.0 and later); `clients` maps client id to whether this user owns it."""

    id: int
    firstname: str
    lastname: str
    email: str
    created: datetime
    clients: dict[int, bool] = field(default_factory=dict)
    password: str = ""
    permissions: dict[int, str] | None = None


@dataclass(slots=True)
class Contact:
    """A sub-account; `emails` names the kinds of mail it is sent."""

    id: int
    client: int
    firstname: str = ""
    lastname: str = ""
    companyname: str = ""
    email: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phonenumber: str = ""
    tax_id: str = ""
    emails: frozenset[str] = frozenset()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(slots=True)
class ProductGroup:
    """A shelf of products."""

    id: int
    name: str
    slug: str = ""


@dataclass(slots=True)
class Product:
    """A product. `prices` is currency code -> cycle (lower case, as on the wire) -> cents."""

    id: int
    group: int
    name: str
    type: str = "hostingaccount"
    module: str = ""
    paytype: str = "recurring"
    description: str = ""
    slug: str = ""
    prices: dict[str, dict[str, int]] = field(default_factory=dict)
    autoterminate_days: int = 0
    hidden: bool = False
    allow_qty: int = 0
    stock: int = 0
    welcome_template: str = ""


@dataclass(slots=True)
class Server:
    """A machine that a module provisions on."""

    id: int
    name: str
    hostname: str = ""
    ipaddress: str = ""
    module: str = ""
    active: bool = True
    max_accounts: int = 200


@dataclass(slots=True)
class Service:
    """A hosting account (a row of tblhosting). Change `client` and `status` through `World`."""

    id: int
    client: int
    product: int
    status: str = ServiceStatus.ACTIVE
    domain: str = ""
    username: str = ""
    password: str = ""
    server: int = 0
    order: int = 0
    registered: date = date(2020, 1, 1)
    next_due: date | None = None
    next_invoice: date | None = None
    terminated: date | None = None
    cycle: str = "Monthly"
    first_amount: int = 0
    amount: int = 0
    gateway: str = "banktransfer"
    suspend_reason: str = ""
    override: bool = False
    override_until: date | None = None
    promo: int = 0
    qty: int = 1
    dedicated_ip: str = ""
    assigned_ips: str = ""
    ns1: str = ""
    ns2: str = ""
    notes: str = ""
    subscription: str = ""
    disk_usage: int = 0
    disk_limit: int = 0
    bw_usage: int = 0
    bw_limit: int = 0
    last_update: datetime | None = None
    customfields: dict[int, str] | None = None
    configoptions: dict[int, str] | None = None


@dataclass(slots=True)
class Addon:
    """An addon of a service; `predefined` 0 is a hand-made one."""

    id: int
    client: int
    service: int
    name: str
    status: str = ServiceStatus.ACTIVE
    predefined: int = 0
    order: int = 0
    setup_fee: int = 0
    amount: int = 0
    cycle: str = "Monthly"
    registered: date = date(2020, 1, 1)
    next_due: date | None = None
    next_invoice: date | None = None
    terminated: date | None = None
    gateway: str = "banktransfer"
    taxed: bool = False
    notes: str = ""
    qty: int = 1


@dataclass(slots=True)
class Domain:
    """A domain registration; `years` is the registration period."""

    id: int
    client: int
    name: str
    status: str = ServiceStatus.ACTIVE
    order: int = 0
    kind: str = "Register"
    registrar: str = ""
    registered: date = date(2020, 1, 1)
    expires: date | None = None
    next_due: date | None = None
    next_invoice: date | None = None
    years: int = 1
    first_amount: int = 0
    amount: int = 0
    gateway: str = "banktransfer"
    locked: bool = True
    id_protection: bool = False
    dns_management: bool = False
    email_forwarding: bool = False
    do_not_renew: bool = False
    nameservers: tuple[str, ...] = ()
    whois: dict[str, object] | None = None
    notes: str = ""
    subscription: str = ""
    promo: int = 0


@dataclass(slots=True)
class InvoiceLine:
    """One line. `type` and `relid` tie it to a service, addon, domain, item or (mass pay) invoice."""

    id: int
    type: str
    relid: int
    description: str
    amount: int
    taxed: bool = False


@dataclass(slots=True)
class Invoice:
    """An invoice with its lines. Change `status` and `lines` through `World`.

    `total` is net of `credit`: subtotal + tax + tax2 - credit. `plain_payment` marks settled history
    whose single payment is derived (`World.transactions_of`) in place of being stored.
    """

    id: int
    client: int
    created: date
    due: date
    status: str = InvoiceStatus.UNPAID
    lines: list[InvoiceLine] = field(default_factory=list)
    subtotal: int = 0
    credit: int = 0
    tax: int = 0
    tax2: int = 0
    total: int = 0
    taxrate: int = 0
    """Thousandths of a percent: 7250 is "7.250"."""
    taxrate2: int = 0
    gateway: str = "banktransfer"
    number: str = ""
    notes: str = ""
    paid_at: datetime | None = None
    capture_at: datetime | None = None
    refunded_at: datetime | None = None
    cancelled_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    plain_payment: bool = False


@dataclass(slots=True)
class Transaction:
    """A payment or refund booked; `currency` 0 means the client's own."""

    id: int
    client: int
    invoice: int
    gateway: str
    at: datetime
    amount_in: int = 0
    fees: int = 0
    amount_out: int = 0
    transid: str = ""
    description: str = "Invoice Payment"
    refund_of: int = 0
    currency: int = 0
    rate: str = "1.00000"


@dataclass(slots=True)
class CreditEntry:
    """One row of a client's credit log; removals are negative."""

    id: int
    client: int
    at: date
    description: str
    amount: int
    relid: int = 0


@dataclass(slots=True)
class TicketReply:
    """A reply or (in `Ticket.notes`) a staff note."""

    id: int
    message: str
    at: datetime
    client: int = 0
    contact: int = 0
    name: str = ""
    email: str = ""
    admin: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(slots=True)
class Ticket:
    """A support ticket; `service` is `S12` for a service, `D9` for a domain, or empty."""

    id: int
    tid: str
    code: str
    department: int
    client: int
    subject: str
    message: str
    opened: datetime
    last_reply: datetime
    user: int = 0
    contact: int = 0
    name: str = ""
    email: str = ""
    cc: str = ""
    status: str = "Open"
    priority: str = "Medium"
    admin: str = ""
    flag: int = 0
    service: str = ""
    attachments: tuple[str, ...] = ()
    replies: list[TicketReply] = field(default_factory=list)
    notes: list[TicketReply] = field(default_factory=list)


@dataclass(slots=True)
class Department:
    """A support department."""

    id: int
    name: str


@dataclass(slots=True)
class EmailTemplate:
    """A mail template by name; `type` decides what the related id means."""

    id: int
    type: str
    name: str
    subject: str
    custom: bool = False
    disabled: bool = False


@dataclass(slots=True)
class Email:
    """A mail in a client's mail log. `template` and `relid` are not on the wire: tests read them."""

    id: int
    client: int
    subject: str
    message: str
    at: datetime
    to: str = ""
    cc: str = ""
    template: str = ""
    relid: int = 0
    failed: bool = False
    failure_reason: str = ""


@dataclass(slots=True)
class CancelRequest:
    """A cancellation request; `type` is `Immediate` or `End of Billing Period`."""

    id: int
    service: int
    at: datetime
    reason: str = ""
    type: str = "Immediate"


@dataclass(slots=True)
class ModuleQueueEntry:
    """A module action that failed and waits for a person."""

    id: int
    service: int
    module: str
    action: str
    at: datetime
    error: str
    service_type: str = "service"
    retries: int = 0
    completed: bool = False


@dataclass(slots=True)
class ActivityEntry:
    """A row of the activity log."""

    id: int
    at: datetime
    description: str
    client: int = 0
    user: int = 0
    admin: int = 0
    username: str = "System"
    ipaddress: str = ""


@dataclass(slots=True)
class Order:
    """An order and what it brought."""

    id: int
    number: str
    client: int
    at: datetime
    status: str = "Pending"
    invoice: int = 0
    amount: int = 0
    gateway: str = ""
    services: list[int] = field(default_factory=list)
    addons: list[int] = field(default_factory=list)
    domains: list[int] = field(default_factory=list)
    contact: int = 0
    ipaddress: str = ""
    promocode: str = ""
    notes: str = ""
    nameservers: str = ""
    fraud_module: str = ""
    fraud_output: str = ""


@dataclass(slots=True)
class BillableItem:
    """Something to be invoiced by hand or by the cron."""

    id: int
    client: int
    description: str
    amount: int
    action: str = "noinvoice"
    due: date | None = None
    invoiced: int = 0
    recur: int = 0
    recur_cycle: str = ""
    recur_for: int = 0


@dataclass(slots=True)
class PayMethod:
    """A stored card or bank account; only the last four digits are kept."""

    id: int
    client: int
    kind: str
    description: str = ""
    gateway: str = ""
    card_type: str = ""
    last_four: str = ""
    expiry: str = ""
    start: str = ""
    bank_name: str = ""
    account_type: str = ""
    holder: str = ""
    remote_token: str = ""
    updated_at: datetime | None = None


@dataclass(slots=True)
class Note:
    """A staff note on a client."""

    id: int
    client: int
    text: str
    at: datetime
    sticky: bool = False


@dataclass(slots=True)
class Admin:
    """A staff account; `password` is plain text, for ValidateLogin-like legacy credentials."""

    id: int
    username: str = "admin"
    firstname: str = "Example"
    lastname: str = "Admin"
    email: str = "admin@example.com"
    role: int = 1
    password: str = "password"
    disabled: bool = False
    notes: str = ""
