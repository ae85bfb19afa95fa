"""WHMCS replies into domain values: the only module that knows WHMCS's field names in replies.

The fast way decodes a well-formed body straight into typed rows; whatever it cannot take goes the tolerant way,
which accepts every spelling of facts sheet section 4 and otherwise names the field that cannot be read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from whmcs_bridge.api.actions import Action, ListShape, action_of
from whmcs_bridge.api.reply import Reply, field_of
from whmcs_bridge.api.shapes import (
    OPTIONAL,
    Id,
    Owner,
    Row,
    Shape,
    amount,
    day,
    flag,
    listed,
    megabytes,
    moment,
    plain,
    shaped,
    whole_number,
)
from whmcs_bridge.domain.backups import ids_among
from whmcs_bridge.domain.book import (
    ActivityEntry,
    Addon,
    CancelRequest,
    Client,
    ClientDetails,
    ClientGroup,
    Contact,
    Domain,
    Invoice,
    InvoiceHead,
    InvoiceLine,
    PanelAbout,
    Product,
    QueueEntry,
    SentEmail,
    Server,
    Service,
    Ticket,
    Transaction,
)
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
from whmcs_bridge.errors import UnreadableReply

R = TypeVar("R", bound=Shape)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one reply, in its order."""

    rows: Sequence[T]
    ids: Sequence[int]
    total: int | None
    """WHMCS's `totalresults`; None where it does not say."""
    returned: int | None
    """WHMCS's `numreturned`; None where it does not say."""


V_co = TypeVar("V_co", covariant=True)


class Reader(Protocol[V_co]):
    """How one action's reply becomes a value."""

    @property
    def action(self) -> Action: ...
    def fast(self, body: bytes) -> V_co | None: ...
    def tolerant(self, reply: Reply) -> V_co: ...


class ListReader(Generic[R, T]):
    """Reads one list action: body -> rows -> domain values."""

    def __init__(self, action: str, kind: type[R], convert: Callable[[R], T], *, key: str = "id") -> None:
        """`key` is the row's field that identifies it."""
        self.action: Action = action_of(action)
        self._kind = kind
        self._convert = convert
        self._key = key
        self._shape = _shape_of(self.action)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_type(self._shape, kind), strict=False)

    def fast(self, body: bytes) -> Page[T] | None:
        """Return the page of a well-formed body, or None: then the tolerant way decides."""
        try:
            page = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if page.result != "success":
            return None
        rows = getattr(page, self._shape.plural)
        if self._shape.singular:
            rows = getattr(rows, self._shape.singular)
        try:
            return self._page(rows, page.totalresults, page.numreturned)
        except UnreadableReply:
            return None

    def tolerant(self, reply: Reply) -> Page[T]:
        """Return the page of a reply in any spelling. Raises UnreadableReply naming action, field and value."""
        try:
            total, rows = _found(reply, self._shape)
            return self._page([self._row(row) for row in rows], total, _count(reply, "numreturned"))
        except UnreadableReply as error:
            raise UnreadableReply(f"{self.action.name}: {error}") from None

    def _row(self, row: Row) -> R:
        try:
            return shaped(self._kind, row)
        except UnreadableReply as error:
            raise UnreadableReply(f"{self._key} {field_of(row, self._key)}: {error}") from None

    def _page(self, rows: list[R], total: int | None, returned: int | None) -> Page[T]:
        convert, key = self._convert, self._key
        return Page([convert(row) for row in rows], [getattr(row, key) for row in rows], total, returned)

    def one(self, row: Row) -> T:
        """Return the value of one row, in any spelling. Raises UnreadableReply naming field and value."""
        return self._convert(_row_of(self._kind, row))


class OneReader(Generic[R, T]):
    """Reads an action that answers with one thing, at the reply's top level or under `under`."""

    def __init__(self, action: str, kind: type[R], convert: Callable[[R], T], *, under: str = "") -> None:
        self.action: Action = action_of(action)
        self._kind = kind
        self._convert = convert
        self._under = under
        fields: list[tuple[str, Any]] = [("result", str)]
        if under:
            fields.append((under, kind))
        self._envelope: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct(action, fields), strict=False
        )
        self._decoder = msgspec.json.Decoder(kind, strict=False)

    def fast(self, body: bytes) -> T | None:
        """Return the value of a well-formed body, or None: then the tolerant way decides."""
        try:
            envelope = self._envelope.decode(body)
            if envelope.result != "success":
                return None
            return self._convert(getattr(envelope, self._under) if self._under else self._decoder.decode(body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnreadableReply):
            return None

    def tolerant(self, reply: Reply) -> T:
        """Return the value of a reply in any spelling. Raises UnreadableReply naming action, field and value."""
        try:
            inner: object = field_of(reply, self._under) if self._under else reply
            if not isinstance(inner, dict):
                raise UnreadableReply(f"{self._under}: missing")
            return self._convert(shaped(self._kind, inner))
        except UnreadableReply as error:
            raise UnreadableReply(f"{self.action.name}: {error}") from None

    def one(self, row: Row) -> T:
        """Return the value of a reply that lies inside of something else. Raises UnreadableReply."""
        return self._convert(_row_of(self._kind, row))


def _row_of(kind: type[R], row: Row) -> R:
    try:
        return msgspec.convert(row, kind, strict=False)
    except msgspec.MsgspecError:
        return shaped(kind, row)


class RawReader:
    """Reads any list action without knowing its fields: rows stay as decoded JSON."""

    def __init__(self, action: str) -> None:
        """Raises ValueError for an action that is not known to answer with a list."""
        self.action: Action = action_of(action)
        self.shape = _shape_of(self.action)

    def fast(self, body: bytes) -> Page[Reply] | None:
        """Rows of unknown fields have no fast way."""
        return None

    def tolerant(self, reply: Reply) -> Page[Reply]:
        """Return the page. Raises UnreadableReply naming action, field and value."""
        try:
            total, found = _found(reply, self.shape)
            rows = [dict(row) for row in found]
            if not self.shape.paged:  # one piece: nothing to tell apart, and not every action counts
                return Page(rows, range(1, len(rows) + 1), len(rows) if total is None else total, None)
            ids = [whole_number(field_of(row, self.shape.key), self.shape.key) for row in rows]
            return Page(rows, ids, total, _count(reply, "numreturned"))
        except UnreadableReply as error:
            raise UnreadableReply(f"{self.action.name}: {error}") from None


def _found(reply: Reply, shape: ListShape) -> tuple[int | None, list[Row]]:
    """Return WHMCS's count and the rows. A list that is absent is empty only if the count is 0."""
    total = _count(reply, "totalresults", "count")
    rows = listed(reply, shape.plural, shape.singular)
    if rows is None and total != 0:
        said = "no totalresults either" if total is None else f"totalresults {total}"
        raise UnreadableReply(f"{shape.plural}: missing, with {said}")
    return total, rows or []


def _shape_of(action: Action) -> ListShape:
    if action.rows is None:
        raise ValueError(f"{action.name} is not known to answer with a list")
    return action.rows


def _page_type(shape: ListShape, kind: type[Shape]) -> type[Any]:
    rows: Any = list[kind]  # type: ignore[valid-type]
    if shape.singular:
        rows = msgspec.defstruct("Rows", [(shape.singular, rows)])
    counts = [("totalresults", int | None, None), ("numreturned", int | None, None)]
    return msgspec.defstruct("Page", [("result", str), (shape.plural, rows), *counts])


def _count(reply: Reply, *names: str) -> int | None:
    for name in names:
        value = field_of(reply, name)
        if value is not None and value != "":
            return whole_number(value, name)
    return None


# --- clients ------------------------------------------------------------------------------------


class ClientRow(Shape, frozen=True, gc=False):
    id: Id
    firstname: str
    lastname: str
    companyname: str
    email: str
    datecreated: str
    groupid: Owner
    status: str


OPTIONAL[ClientRow] = frozenset({"firstname", "lastname", "companyname", "email", "datecreated"})


def _client(row: ClientRow) -> Client:
    return Client(
        id=ClientId(row.id),
        name=_client_name(row.companyname, row.firstname, row.lastname),
        email=plain(row.email),
        since=day(row.datecreated, "datecreated"),
        group_id=GroupId(row.groupid),
        status=ClientStatus.parse(row.status),
    )


def _client_name(company: str, first: str, last: str) -> str:
    return plain(company.strip() or f"{first} {last}".strip())


CLIENTS = ListReader("GetClients", ClientRow, _client)


class ClientDetailsRow(Shape, frozen=True, gc=False):
    id: Id
    firstname: str
    lastname: str
    companyname: str
    email: str
    groupid: Owner
    status: str
    credit: Decimal
    currency_code: str
    language: str
    emailoptout: Any


OPTIONAL[ClientDetailsRow] = frozenset(
    {"firstname", "lastname", "companyname", "email", "currency_code", "language", "emailoptout"}
)


def _client_details(row: ClientDetailsRow) -> ClientDetails:
    return ClientDetails(
        id=ClientId(row.id),
        name=_client_name(row.companyname, row.firstname, row.lastname),
        email=plain(row.email),
        group_id=GroupId(row.groupid),
        status=ClientStatus.parse(row.status),
        credit=amount(row.credit, "credit"),
        currency=row.currency_code,
        language=row.language,
        email_opt_out=flag(row.emailoptout, "emailoptout"),
    )


CLIENT_DETAILS = OneReader("GetClientsDetails", ClientDetailsRow, _client_details, under="client")


class GroupRow(Shape, frozen=True, gc=False):
    id: Id
    groupname: str
    discountpercent: Decimal
    susptermexempt: Any
    separateinvoices: Any


OPTIONAL[GroupRow] = frozenset({"discountpercent", "separateinvoices"})


def _group(row: GroupRow) -> ClientGroup:
    return ClientGroup(
        id=GroupId(row.id),
        name=plain(row.groupname),
        exempt=flag(row.susptermexempt, "susptermexempt"),
        discount_percent=amount(row.discountpercent, "discountpercent"),
        separate_invoices=flag(row.separateinvoices, "separateinvoices"),
    )


GROUPS = ListReader("GetClientGroups", GroupRow, _group)


class ContactRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    email: str
    invoiceemails: Any
    productemails: Any
    generalemails: Any


OPTIONAL[ContactRow] = frozenset({"email", "invoiceemails", "productemails", "generalemails"})


def _contact(row: ContactRow) -> Contact:
    return Contact(
        id=row.id,
        client_id=ClientId(row.userid),
        email=plain(row.email),
        invoice_emails=flag(row.invoiceemails, "invoiceemails"),
        product_emails=flag(row.productemails, "productemails"),
        general_emails=flag(row.generalemails, "generalemails"),
    )


CONTACTS = ListReader("GetContacts", ContactRow, _contact)


# --- services, addons, domains ------------------------------------------------------------------


class ServiceRow(Shape, frozen=True, gc=False):
    id: Id
    clientid: Owner
    pid: Owner
    regdate: str
    name: str
    groupname: str
    domain: str
    dedicatedip: str
    serverid: int
    servername: str
    suspensionreason: str
    recurringamount: Decimal
    paymentmethod: str
    billingcycle: str
    nextduedate: str
    status: str
    username: str
    overideautosuspend: Any
    overidesuspenduntil: str
    bwusage: Any
    bwlimit: Any


OPTIONAL[ServiceRow] = frozenset(
    {
        "regdate",
        "name",
        "groupname",
        "domain",
        "dedicatedip",
        "serverid",
        "servername",
        "recurringamount",
        "paymentmethod",
        "billingcycle",
        "username",
        "bwusage",
        "bwlimit",
    }
)


def _service(row: ServiceRow, ids: tuple[tuple[str, str], ...] = ()) -> Service:
    return Service(
        id=ServiceId(row.id),
        client_id=ClientId(row.clientid),
        product_id=ProductId(row.pid),
        server_id=ServerId(row.serverid),
        name=plain(row.name),
        group=plain(row.groupname),
        domain=plain(row.domain),
        username=plain(row.username),
        status=ServiceStatus.parse(row.status),
        suspension_reason=plain(row.suspensionreason),
        amount=amount(row.recurringamount, "recurringamount"),
        billing_cycle=row.billingcycle,
        registered=day(row.regdate, "regdate"),
        next_due=day(row.nextduedate, "nextduedate"),
        override=flag(row.overideautosuspend, "overideautosuspend"),
        override_until=day(row.overidesuspenduntil, "overidesuspenduntil"),
        server_name=plain(row.servername),
        payment_method=row.paymentmethod,
        bandwidth_used_mb=megabytes(row.bwusage),
        bandwidth_limit_mb=megabytes(row.bwlimit),
        dedicated_ip=row.dedicatedip,
        ids=ids,
    )


SERVICES = ListReader("GetClientsProducts", ServiceRow, _service)
IdFields = Mapping[str, tuple[str, ...]]
"""[backups] id_fields: name that an id is kept under -> custom fields that may hold it."""


class MachineRow(ServiceRow, frozen=True, gc=False):
    customfields: Any


OPTIONAL[MachineRow] = OPTIONAL[ServiceRow] | {"customfields"}


def services_reader(id_fields: IdFields) -> ListReader[Any, Service]:
    """Return the reader of services that takes these of their custom fields, and nothing else of them, as ids.

    What else a house keeps in custom fields may be secret, and costs time: without id fields they are not looked at.
    """
    return _services_reader(tuple(sorted(id_fields.items()))) if id_fields else SERVICES


@cache
def _services_reader(id_fields: tuple[tuple[str, tuple[str, ...]], ...]) -> ListReader[MachineRow, Service]:
    wanted = dict(id_fields)
    holds: dict[object, bool] = {}  # custom field's name -> whether it holds an id: the same few names a million times

    def is_wanted(name: object) -> bool:
        if not isinstance(name, str):
            return False
        if name not in holds:
            holds[name] = bool(ids_among([(plain(name), "1")], wanted))
        return holds[name]

    def convert(row: MachineRow) -> Service:
        fields = [field for field in _custom_fields(row.customfields) if is_wanted(field.get("name"))]
        if not fields:
            return _service(row)
        return _service(row, ids_among(((plain(str(f["name"])), _plain(f.get("value"))) for f in fields), wanted))

    return ListReader("GetClientsProducts", MachineRow, convert)


def _custom_fields(value: object) -> Sequence[Row]:
    """Return the rows; a list in another shape has none: what was known before stays known."""
    try:
        return listed({"customfields": value}, "customfields", "customfield") or ()
    except UnreadableReply:
        return ()


def _plain(value: object) -> object:
    return plain(value) if isinstance(value, str) else value


class AddonRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    serviceid: Owner
    name: str
    status: str
    nextduedate: str


OPTIONAL[AddonRow] = frozenset({"name"})


def _addon(row: AddonRow) -> Addon:
    return Addon(
        id=AddonId(row.id),
        service_id=ServiceId(row.serviceid),
        client_id=ClientId(row.userid),
        name=plain(row.name),
        status=ServiceStatus.parse(row.status),
        next_due=day(row.nextduedate, "nextduedate"),
    )


ADDONS = ListReader("GetClientsAddons", AddonRow, _addon)


class CancelRow(Shape, frozen=True, gc=False):
    id: Id
    relid: Owner
    date: str
    reason: str
    type: str


OPTIONAL[CancelRow] = frozenset({"date", "reason"})


def _cancel_request(row: CancelRow) -> CancelRequest:
    return CancelRequest(
        id=row.id,
        service_id=ServiceId(row.relid),
        at=moment(row.date, "date"),
        type=CancelType.parse(row.type),
        reason=plain(row.reason),
    )


CANCEL_REQUESTS = ListReader("GetCancelledPackages", CancelRow, _cancel_request)


class DomainRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    domainname: str
    status: str
    nextduedate: str


OPTIONAL[DomainRow] = frozenset({"domainname"})


def _domain(row: DomainRow) -> Domain:
    return Domain(
        id=DomainId(row.id),
        client_id=ClientId(row.userid),
        name=plain(row.domainname),
        status=row.status,
        next_due=day(row.nextduedate, "nextduedate"),
    )


DOMAINS = ListReader("GetClientsDomains", DomainRow, _domain)


class QueueRow(Shape, frozen=True, gc=False):
    id: Id
    serviceType: str
    serviceId: Owner
    moduleName: str
    moduleAction: str
    lastAttempt: str
    lastAttemptError: str


OPTIONAL[QueueRow] = frozenset({"moduleName", "lastAttempt", "lastAttemptError"})


def _queue_entry(row: QueueRow) -> QueueEntry:
    return QueueEntry(
        id=row.id,
        service_type=row.serviceType,
        service_id=row.serviceId,
        module=row.moduleName,
        action=row.moduleAction,
        last_error=plain(row.lastAttemptError),
        last_attempt=moment(row.lastAttempt, "lastAttempt"),
    )


MODULE_QUEUE = ListReader("GetModuleQueue", QueueRow, _queue_entry)


# --- invoices and money -------------------------------------------------------------------------


class HeadRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    invoicenum: str
    date: str
    duedate: str
    datepaid: str
    date_refunded: str
    date_cancelled: str
    created_at: str
    updated_at: str
    total: Decimal
    credit: Decimal
    currencycode: str
    status: str
    paymentmethod: str


OPTIONAL[HeadRow] = frozenset(
    {
        "invoicenum",
        "datepaid",
        "date_refunded",
        "date_cancelled",
        "created_at",
        "updated_at",
        "currencycode",
        "paymentmethod",
    }
)


def _head(row: HeadRow) -> InvoiceHead:
    return InvoiceHead(
        id=InvoiceId(row.id),
        client_id=ClientId(row.userid),
        number=row.invoicenum or str(row.id),
        issued=day(row.date, "date"),
        due=day(row.duedate, "duedate"),
        paid_at=moment(row.datepaid, "datepaid"),
        cancelled_at=moment(row.date_cancelled, "date_cancelled"),
        refunded_at=moment(row.date_refunded, "date_refunded"),
        created_at=moment(row.created_at, "created_at"),
        updated_at=row.updated_at,
        total=amount(row.total, "total"),
        credit=amount(row.credit, "credit"),
        currency=row.currencycode,
        status=InvoiceStatus.parse(row.status),
        gateway=row.paymentmethod,
    )


INVOICES = ListReader("GetInvoices", HeadRow, _head)


class LineRow(Shape, frozen=True, gc=False):
    id: Owner
    type: str
    relid: int
    description: str
    amount: Decimal
    taxed: Any


OPTIONAL[LineRow] = frozenset({"description", "taxed"})


class _Items(Shape, frozen=True, gc=False):
    item: list[LineRow]


class InvoiceRow(Shape, frozen=True, gc=False):
    invoiceid: Id
    userid: Owner
    invoicenum: str
    date: str
    duedate: str
    datepaid: str
    subtotal: Decimal
    tax: Decimal
    tax2: Decimal
    credit: Decimal
    total: Decimal
    balance: Decimal
    status: str
    paymentmethod: str
    items: Any
    """Lines in whatever shape WHMCS gave them; `{"item": [...]}` is the usual one."""


OPTIONAL[InvoiceRow] = frozenset({"invoicenum", "datepaid", "subtotal", "tax", "tax2", "paymentmethod"})


def _invoice(row: InvoiceRow) -> Invoice:
    lines = tuple(_line(line) for line in _lines(row.items))
    subtotal = amount(row.subtotal, "subtotal")
    if subtotal > 0 and not lines:
        # What is owed for nothing would suspend nobody and hold no release back.
        raise UnreadableReply(f"invoice {row.invoiceid}: no lines where the subtotal is {subtotal}")
    return Invoice(
        id=InvoiceId(row.invoiceid),
        client_id=ClientId(row.userid),
        number=row.invoicenum or str(row.invoiceid),
        issued=day(row.date, "date"),
        due=day(row.duedate, "duedate"),
        paid_at=moment(row.datepaid, "datepaid"),
        subtotal=subtotal,
        tax=amount(row.tax, "tax") + amount(row.tax2, "tax2"),
        credit=amount(row.credit, "credit"),
        total=amount(row.total, "total"),
        balance=amount(row.balance, "balance"),
        status=InvoiceStatus.parse(row.status),
        gateway=row.paymentmethod,
        lines=lines,
    )


def _lines(items: object) -> Sequence[LineRow]:
    try:
        return msgspec.convert(items, _Items, strict=False).item
    except msgspec.ValidationError:
        return [shaped(LineRow, row) for row in listed({"items": items}, "items", "item") or []]


def _line(row: LineRow) -> InvoiceLine:
    type_ = LineType.parse(row.type)
    return InvoiceLine(
        id=LineId(row.id),
        type=LineType.OTHER if type_ is None else type_,
        relid=row.relid,
        description=plain(row.description),
        amount=amount(row.amount, "amount"),
        taxed=flag(row.taxed, "taxed"),
    )


INVOICE = OneReader("GetInvoice", InvoiceRow, _invoice)


class TransactionRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    invoiceid: int
    gateway: str
    date: str
    amountin: Decimal
    amountout: Decimal
    refundid: int
    transid: str


OPTIONAL[TransactionRow] = frozenset({"invoiceid", "gateway", "refundid", "transid"})


def _transaction(row: TransactionRow) -> Transaction:
    return Transaction(
        id=row.id,
        client_id=ClientId(row.userid),
        invoice_id=InvoiceId(row.invoiceid),
        gateway=row.gateway,
        at=moment(row.date, "date"),
        amount_in=amount(row.amountin, "amountin"),
        amount_out=amount(row.amountout, "amountout"),
        refund_of=row.refundid,
        transid=row.transid,
    )


TRANSACTIONS = ListReader("GetTransactions", TransactionRow, _transaction)


# --- catalogue ----------------------------------------------------------------------------------


class ProductRow(Shape, frozen=True, gc=False):
    pid: Id
    gid: Owner
    type: str
    name: str
    module: str


OPTIONAL[ProductRow] = frozenset({"name", "module"})


def _product(row: ProductRow) -> Product:
    return Product(
        id=ProductId(row.pid),
        group_id=row.gid,
        group="",
        name=plain(row.name),
        type=row.type,
        module=row.module,
    )


PRODUCTS = ListReader("GetProducts", ProductRow, _product, key="pid")


class ServerRow(Shape, frozen=True, gc=False):
    id: Id
    name: str
    hostname: str
    module: str
    active: Any


OPTIONAL[ServerRow] = frozenset({"hostname", "module"})


def _server(row: ServerRow) -> Server:
    return Server(
        id=ServerId(row.id),
        name=plain(row.name),
        hostname=plain(row.hostname),
        module=row.module,
        active=flag(row.active, "active"),
    )


SERVERS = ListReader("GetServers", ServerRow, _server)


class CurrencyRow(Shape, frozen=True, gc=False):
    id: Id
    code: str


CURRENCIES = ListReader("GetCurrencies", CurrencyRow, lambda row: (row.id, row.code))


class PaymentMethodRow(Shape, frozen=True, gc=False):
    module: str
    displayname: str


PAYMENT_METHODS = ListReader(
    "GetPaymentMethods", PaymentMethodRow, lambda row: (row.module, plain(row.displayname)), key="module"
)


# --- mail, tickets, logs ------------------------------------------------------------------------


class TemplateRow(Shape, frozen=True, gc=False):
    id: Id
    name: str
    subject: str


OPTIONAL[TemplateRow] = frozenset({"subject"})
EMAIL_TEMPLATES = ListReader("GetEmailTemplates", TemplateRow, lambda row: (plain(row.name), plain(row.subject)))


class EmailRow(Shape, frozen=True, gc=False):
    id: Id
    userid: Owner
    subject: str
    date: str
    to: str
    failed: Any
    pending: Any
    failure_reason: str


OPTIONAL[EmailRow] = frozenset({"to", "failed", "pending", "failure_reason"})


def _email(row: EmailRow) -> SentEmail:
    return SentEmail(
        id=EmailId(row.id),
        client_id=ClientId(row.userid),
        subject=plain(row.subject),
        at=moment(row.date, "date"),
        to=plain(row.to),
        failed=flag(row.failed, "failed"),
        pending=flag(row.pending, "pending"),
        failure_reason=plain(row.failure_reason),
    )


EMAILS = ListReader("GetEmails", EmailRow, _email)


class TicketRow(Shape, frozen=True, gc=False):
    id: Id
    tid: str
    deptid: int
    userid: int
    subject: str
    status: str
    date: str
    lastreply: str


OPTIONAL[TicketRow] = frozenset({"tid", "deptid", "subject", "date", "lastreply"})


def _ticket(row: TicketRow) -> Ticket:
    return Ticket(
        id=row.id,
        number=row.tid,
        client_id=ClientId(row.userid),
        department_id=row.deptid,
        subject=plain(row.subject),
        status=row.status,
        last_reply=moment(row.lastreply, "lastreply"),
        opened=moment(row.date, "date"),
    )


TICKETS = ListReader("GetTickets", TicketRow, _ticket)


class TicketReplyRow(Shape, frozen=True, gc=False):
    ticketid: Id
    tid: str
    deptid: int
    userid: int
    subject: str
    status: str
    date: str
    lastreply: str


OPTIONAL[TicketReplyRow] = frozenset({"tid", "deptid", "subject", "date", "lastreply"})


def _ticket_reply(row: TicketReplyRow) -> Ticket:
    return Ticket(
        id=row.ticketid,
        number=row.tid,
        client_id=ClientId(row.userid),
        department_id=row.deptid,
        subject=plain(row.subject),
        status=row.status,
        last_reply=moment(row.lastreply, "lastreply"),
        opened=moment(row.date, "date"),
    )


TICKET = OneReader("GetTicket", TicketReplyRow, _ticket_reply)


class DepartmentRow(Shape, frozen=True, gc=False):
    id: Id
    name: str


DEPARTMENTS = ListReader("GetSupportDepartments", DepartmentRow, lambda row: (row.id, plain(row.name)))


class ActivityRow(Shape, frozen=True, gc=False):
    id: Id
    date: str
    description: str
    username: str
    clientId: int
    adminId: int


OPTIONAL[ActivityRow] = frozenset({"username", "clientId", "adminId"})


def _activity(row: ActivityRow) -> ActivityEntry:
    return ActivityEntry(
        id=row.id,
        at=moment(row.date, "date"),
        description=plain(row.description),
        user=plain(row.username),
        client_id=ClientId(row.clientId),
        admin_id=row.adminId,
    )


ACTIVITY_LOG = ListReader("GetActivityLog", ActivityRow, _activity)


# --- the installation ---------------------------------------------------------------------------


class AdminRow(Shape, frozen=True, gc=False):
    adminid: Id
    name: str
    allowedpermissions: str
    whmcs: Any


OPTIONAL[AdminRow] = frozenset({"name", "allowedpermissions", "whmcs"})


def _admin(row: AdminRow) -> PanelAbout:
    about = row.whmcs if isinstance(row.whmcs, dict) else {}
    return PanelAbout(
        version=str(field_of(about, "version") or ""),
        admin_id=row.adminid,
        admin_name=plain(row.name),
        permissions=tuple(part.strip() for part in row.allowedpermissions.split(",") if part.strip()),
    )


ADMIN_DETAILS = OneReader("GetAdminDetails", AdminRow, _admin)


class ClockRow(Shape, frozen=True, gc=False):
    currentDatetime: str
    lastDailyCronInvocationTime: str


OPTIONAL[ClockRow] = frozenset({"lastDailyCronInvocationTime"})
AUTOMATION_CLOCK = OneReader(
    "GetAutomationLog",
    ClockRow,
    lambda row: (
        moment(row.currentDatetime, "currentDatetime"),
        moment(row.lastDailyCronInvocationTime, "lastDailyCronInvocationTime"),
    ),
)


class SettingRow(Shape, frozen=True, gc=False):
    setting: str
    value: str


CONFIGURATION_VALUE = OneReader("GetConfigurationValue", SettingRow, lambda row: (row.setting, row.value))
