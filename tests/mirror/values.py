"""Values of a book for the mirror's tests; each test states only what matters to it."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from whmcs_bridge.domain.book import (
    Addon,
    CancelRequest,
    Client,
    ClientGroup,
    Invoice,
    InvoiceHead,
    InvoiceLine,
    Product,
    Service,
)
from whmcs_bridge.domain.ids import (
    AddonId,
    ClientId,
    GroupId,
    InvoiceId,
    LineId,
    ProductId,
    ServerId,
    ServiceId,
)
from whmcs_bridge.domain.status import CancelType, ClientStatus, InvoiceStatus, LineType, ServiceStatus

TODAY = date(2025, 3, 10)
AT = datetime.fromisoformat("2025-03-10T09:00:00")
ALICE, BOB = ClientId(1), ClientId(2)
VIP = ClientGroup(GroupId(4), "VIP", False, Decimal("5.00"), False)
BASIC = Product(ProductId(7), 1, "", "Basic", "hostingaccount", "cpanel")


def a_client(number: int = 1, group: int = 0) -> Client:
    return Client(
        ClientId(number), f"Client {number}", f"c{number}@example.com", TODAY, GroupId(group), ClientStatus.ACTIVE
    )


def a_service(number: int, client: int = 1, status: ServiceStatus | None = ServiceStatus.ACTIVE) -> Service:
    return Service(
        ServiceId(number),
        ClientId(client),
        ProductId(7),
        ServerId(1),
        "Basic",
        "Hosting",
        f"d{number}.example.com",
        f"user{number}",
        status,
        "",
        Decimal("10.00"),
        "Monthly",
        date(2024, 1, 1),
        date(2025, 4, 1),
        False,
        None,
    )


def an_addon(number: int, service: int, client: int = 1) -> Addon:
    return Addon(AddonId(number), ServiceId(service), ClientId(client), "SSL", ServiceStatus.ACTIVE, None)


def a_request(number: int, service: int, at: str | None = "2025-03-01T10:00:00") -> CancelRequest:
    when = None if at is None else datetime.fromisoformat(at)
    return CancelRequest(number, ServiceId(service), when, CancelType.IMMEDIATE, "too dear")


def a_head(
    number: int,
    client: int = 1,
    status: InvoiceStatus | None = InvoiceStatus.UNPAID,
    *,
    issued: date | None = date(2025, 2, 20),
    due: date | None = date(2025, 3, 1),
    paid_at: str | None = None,
    cancelled_at: str | None = None,
    created_at: str | None = "2025-02-20T01:00:00",
    updated_at: str = "2025-02-20 01:00:00",
    total: str = "10.00",
    currency: str = "BRL",
    gateway: str = "boleto",
) -> InvoiceHead:
    def instant(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    return InvoiceHead(
        InvoiceId(number),
        ClientId(client),
        str(number),
        issued,
        due,
        instant(paid_at),
        instant(cancelled_at),
        None,
        instant(created_at),
        updated_at,
        Decimal(total),
        Decimal("0.00"),
        currency,
        status,
        gateway,
    )


def a_line(service: int, sort: LineType = LineType.HOSTING, amount: str = "10.00") -> InvoiceLine:
    return InvoiceLine(LineId(service * 10), sort, service, "Basic - d.example.com", Decimal(amount), False)


def an_invoice(
    number: int,
    client: int = 1,
    status: InvoiceStatus | None = InvoiceStatus.UNPAID,
    *,
    lines: Sequence[InvoiceLine] = (),
    due: date | None = date(2025, 3, 1),
    paid_at: str | None = None,
) -> Invoice:
    return Invoice(
        InvoiceId(number),
        ClientId(client),
        str(number),
        date(2025, 2, 20),
        due,
        None if paid_at is None else datetime.fromisoformat(paid_at),
        Decimal("10.00"),
        Decimal("0.00"),
        Decimal("0.00"),
        Decimal("10.00"),
        Decimal("10.00"),
        status,
        "boleto",
        tuple(lines),
    )
