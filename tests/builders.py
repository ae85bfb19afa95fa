"""Facts and policies with sensible defaults, so that a test states only what matters to it.

The usual house: one class `hosting` (suspended on day 3, ended on day 15), one client 1, one service 10, and one
invoice 100 of 40.00 for it, due on Tuesday 10 March 2026. Nothing else is set unless a test says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from whmcs_bridge.domain.book import (
    NO_GROUP,
    NO_SERVER,
    Addon,
    CancelRequest,
    Client,
    ClientGroup,
    Invoice,
    InvoiceLine,
    Product,
    Service,
)
from whmcs_bridge.domain.case import Case, SentNotice
from whmcs_bridge.domain.facts import ClientFacts, PaidInvoice, ServiceFacts
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, LineId, ProductId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import CancelType, ClientStatus, InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.policy import View, decide, view_of
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.cases import observe
from whmcs_bridge.policy.decision import Decision, Due, Kind, Withheld
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING, ClassRules, MinDebt, Notice, Policy
from whmcs_bridge.policy.stages import reason_for

DUE = date(2026, 3, 10)
"""A Tuesday; day N of a case in the usual house is `day(N)`."""

CLIENT = ClientId(1)
SERVICE = ServiceId(10)
INVOICE = InvoiceId(100)
OUR_REASON = reason_for((INVOICE,))

BLANK = ""
"""A suspension reason of WHMCS's own cron."""


def day(number: int) -> date:
    """Return day `number` counted from DUE: `day(0)` is the due date itself."""
    return DUE + timedelta(days=number)


# --- the book -----------------------------------------------------------------------------------


def a_client(number: int = 1, *, since: date | None = date(2020, 1, 15), group: int = 0) -> Client:
    return Client(
        ClientId(number),
        f"Client {number}",
        f"client{number}@example.com",
        since,
        GroupId(group) if group else NO_GROUP,
        ClientStatus.ACTIVE,
    )


def a_group(number: int = 5, name: str = "Partners", *, exempt: bool = False) -> ClientGroup:
    return ClientGroup(GroupId(number), name, exempt, Decimal(0), False)


def a_product(
    number: int = 50, *, type: str = "hostingaccount", group: str = "Hosting", module: str = "cpanel"
) -> Product:
    return Product(ProductId(number), 1, group, f"Product {number}", type, module)


def a_service(
    number: int = 10,
    status: ServiceStatus | None = ServiceStatus.ACTIVE,
    *,
    client: int = 1,
    product: int = 50,
    reason: str = "",
    override: bool = False,
    override_until: date | None = None,
    next_due: date | None = None,
    registered: date | None = date(2020, 1, 15),
) -> Service:
    return Service(
        id=ServiceId(number),
        client_id=ClientId(client),
        product_id=ProductId(product),
        server_id=NO_SERVER,
        name=f"Product {product}",
        group="Hosting",
        domain=f"site{number}.example.com",
        username=f"user{number}",
        status=status,
        suspension_reason=reason,
        amount=Decimal("40.00"),
        billing_cycle="Monthly",
        registered=registered,
        next_due=next_due,
        override=override,
        override_until=override_until,
    )


def suspended(reason: str = OUR_REASON, number: int = 10, **more: Any) -> Service:
    """A service that is down; by default with our reason."""
    return a_service(number, ServiceStatus.SUSPENDED, reason=reason, **more)


def an_addon(number: int = 30, service: int = 10, status: ServiceStatus = ServiceStatus.ACTIVE) -> Addon:
    return Addon(AddonId(number), ServiceId(service), CLIENT, f"Addon {number}", status, None)


_LINES: Mapping[str, LineType] = {
    "service": LineType.HOSTING,
    "addon": LineType.ADDON,
    "domain": LineType.DOMAIN,
    "fee": LineType.LATE_FEE,
    "funds": LineType.ADD_FUNDS,
    "upgrade": LineType.UPGRADE,
    "mass": LineType.INVOICE,
    "text": LineType.HAND_MADE,
    "item": LineType.ITEM,
    "promo": LineType.PROMO_HOSTING,
    "discount": LineType.GROUP_DISCOUNT,
}


def a_line(what: str, amount: str, relid: int = 10, *, number: int = 0, text: str = "") -> InvoiceLine:
    """One line; `what` is service, addon, domain, fee, funds, upgrade, mass, text, item, promo, discount, overage."""
    if what == "overage":
        line_type, text = LineType.ITEM, f"Traffic [whmcs-bridge overage {relid}]"
    else:
        line_type = _LINES[what]
    return InvoiceLine(LineId(number), line_type, relid, text or what, Decimal(amount), False)


def an_invoice(
    number: int = 100,
    due: date | None = DUE,
    *lines: InvoiceLine,
    client: int = 1,
    amount: str = "40.00",
    paid: str = "0.00",
    tax: str = "0.00",
    status: InvoiceStatus | None = InvoiceStatus.UNPAID,
    gateway: str = "banktransfer",
) -> Invoice:
    """An invoice; without `lines`, one line of `amount` for service 10. `paid` is what was paid of it already."""
    lines = lines or (a_line("service", amount),)
    lines = tuple(replace(x, id=x.id or LineId(number * 10 + place)) for place, x in enumerate(lines))
    subtotal = sum((x.amount for x in lines), Decimal("0.00"))
    total = subtotal + Decimal(tax)
    return Invoice(
        InvoiceId(number),
        ClientId(client),
        str(number),
        due,
        due,
        None,
        subtotal,
        Decimal(tax),
        Decimal("0.00"),
        total,
        total - Decimal(paid),
        status,
        gateway,
        lines,
    )


def paid_invoice(
    number: int = 90, due: date | None = DUE, paid_on: date = DUE, *, total: str = "40.00", **more: Any
) -> PaidInvoice:
    return PaidInvoice(InvoiceId(number), due, paid_on, Decimal(total), **more)


def a_request(type: CancelType = CancelType.END_OF_PERIOD, *, at: date = DUE, service: int = 10) -> CancelRequest:
    return CancelRequest(1, ServiceId(service), datetime.combine(at, time()), type, "moves away")


# --- what we remember and what people told us -----------------------------------------------------


def a_case(service: int = 10, **more: Any) -> Case:
    """A case; `opened_on` is day 1 unless given."""
    more.setdefault("opened_on", day(1))
    return Case(ServiceId(service), **more)


def a_notice(
    message: str = SUSPENSION_WARNING, on: date | None = None, *, day: int | None = 2, delivered: bool | None = True
) -> SentNotice:
    return SentNotice(message, day, on if on is not None else DUE + timedelta(days=day or 0), delivered)


def a_final_warning(on: date, *, delivered: bool | None = True) -> SentNotice:
    return SentNotice(FINAL_WARNING, None, on, delivered)


def a_record(
    kind: RecordKind,
    since: date = DUE,
    until: date | None = None,
    *,
    number: int = 1,
    state: RecordState = RecordState.OPEN,
    closed_on: date | None = None,
    client: int | None = 1,
    service: int | None = None,
    invoice: int | None = None,
    line: int | None = None,
    amount: str | None = None,
    sort: str = "",
    gateway: str = "",
) -> Record:
    return Record(
        number,
        kind,
        state,
        "staff",
        "because",
        since,
        since,
        until,
        closed_on,
        None if client is None else ClientId(client),
        None if service is None else ServiceId(service),
        None if invoice is None else InvoiceId(invoice),
        None if line is None else LineId(line),
        None if amount is None else Decimal(amount),
        sort,
        gateway,
    )


# --- facts ----------------------------------------------------------------------------------------


def client_facts(
    *,
    client: Client | None = None,
    group: ClientGroup | None = None,
    services: Iterable[Service] = (),
    addons: Iterable[Addon] = (),
    invoices: Sequence[Invoice] | None = None,
    records: Sequence[Record] = (),
    currency: str = "USD",
    **more: Any,
) -> ClientFacts:
    """Facts of a client; without `invoices`, the usual one of 40.00."""
    client = client or a_client(group=group.id if group else 0)
    created = more.pop("created_on", {})
    return ClientFacts(
        client=client,
        group=group,
        currency=currency,
        services={s.id: s for s in services},
        addons={a.id: a for a in addons},
        invoices=tuple(invoices) if invoices is not None else (an_invoice(),),
        created_on={InvoiceId(k): v for k, v in created.items()},
        pending_since={InvoiceId(k): v for k, v in more.pop("pending_since", {}).items()},
        records=tuple(records),
        **more,
    )


_OF_SERVICE = frozenset(ServiceFacts.__slots__) - {"service", "client", "case", "product"}


def facts(
    service: Service | None = None,
    *,
    case: Case | None = None,
    others: Iterable[Service] = (),
    product: Product | None = None,
    **more: Any,
) -> ServiceFacts:
    """Facts of one service; what is not about the service goes into those of its client."""
    service = service or a_service()
    own = {key: more.pop(key) for key in list(more) if key in _OF_SERVICE}
    client = client_facts(services=(service, *others), **more)
    return ServiceFacts(
        service=service,
        product=product or a_product(service.product_id),
        client=client,
        case=case or Case(service.id),
        **own,
    )


# --- policies ---------------------------------------------------------------------------------------


def a_policy(
    suspend: int | None = 3,
    terminate: int | None = 15,
    *,
    warn: int | None = None,
    notices: Iterable[tuple[int, str]] = (),
    quiet: Iterable[str] = (),
    holidays: Iterable[date] = (),
    clearing: Mapping[str, int] | None = None,
    min_debt: str | Mapping[str, str] = "0.00",
    approval: Mapping[str, str] | None = None,
    layer: Mapping[str, Any] | None = None,
    **more: Any,
) -> Policy:
    """A policy of one class `hosting`. `warn` is the day of a suspension-warning; `quiet` names week days or "holiday".

    `layer` sets further keys of the class; `more` goes to Policy. Nothing needs approval unless given.
    """
    wanted = [Notice(number, message) for number, message in notices]
    if warn is not None:
        wanted.append(Notice(warn, SUSPENSION_WARNING))
    named = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    quiet = list(quiet)
    calendar = Calendar(
        quiet_weekdays=frozenset(named.index(q) for q in quiet if q != "holiday"),
        quiet_holidays="holiday" in quiet,
        holidays=frozenset(holidays),
        clearing_bank_days=dict(clearing or {}),
    )
    limit = (
        MinDebt(Decimal(min_debt))
        if isinstance(min_debt, str)
        else MinDebt(by_currency={code: Decimal(least) for code, least in min_debt.items()})
    )
    rules = {
        "notices": tuple(wanted),
        "suspend_after_days": suspend,
        "terminate_after_days": terminate,
        "min_debt": limit,
        **(layer or {}),
    }
    classes = more.pop("classes", None) or (
        ClassRules("hosting", product_types=frozenset({"hostingaccount"}), layer=rules),
    )
    return Policy(calendar=calendar, classes=classes, approval=dict(approval or {}), **more)


# --- asking -----------------------------------------------------------------------------------------


def view(found: ServiceFacts, policy: Policy | None = None, today: date = DUE) -> View:
    return view_of(found, policy or a_policy(), today)[0]


def judged(found: ServiceFacts, policy: Policy | None = None, today: date = DUE) -> Decision:
    return decide(found, policy or a_policy(), today)


def kinds(decision: Decision) -> list[str]:
    """What is due, by kind; a notice by its message."""
    return [d.message if d.kind is Kind.NOTICE else d.kind.value for d in decision.due]


def due_kinds(found: ServiceFacts, policy: Policy | None = None, today: date = DUE) -> list[str]:
    return kinds(judged(found, policy, today))


def withheld_by(decision: Decision, kind: Kind | None = None) -> list[str]:
    """Codes of what withholds steps (of one kind)."""
    return [w.code for w in decision.withheld if kind is None or w.kind is kind]


def the(decision: Decision, kind: Kind) -> Due:
    """The one due step of this kind."""
    (found,) = [d for d in decision.due if d.kind is kind]
    return found


def the_hold(decision: Decision, code: str) -> Withheld:
    """The one thing that withholds a step with this code."""
    (found,) = [w for w in decision.withheld if w.code == code]
    return found


def first_day(
    found: ServiceFacts, kind: Kind, policy: Policy | None = None, *, start: date = DUE, within: int = 120
) -> date | None:
    """Return the first day from `start` on which a step of this kind is due, the facts standing still."""
    for number in range(within):
        today = start + timedelta(days=number)
        if any(d.kind is kind for d in judged(found, policy, today).due):
            return today
    return None


def seen(found: ServiceFacts, policy: Policy | None = None, today: date = DUE) -> ServiceFacts:
    """The same facts after an enforced run looked at them on `today` and remembered what it saw."""
    policy = policy or a_policy()
    look = view(found, policy, today)
    return replace(found, case=observe(look, decide(found, policy, today), today))
