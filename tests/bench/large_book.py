"""A child process that writes a large house's mirror and journal: `python -m tests.bench.large_book FOLDER SERVICES`.

Seven clients hold ten services. A fifth of the services has an open invoice: three quarters of these are renewals
that are not yet due, the rest are overdue, mostly for days, some for months; those are suspended with our reason and
have their case in the journal. Each service has a paid invoice behind it.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from tests.bench.house import settings
from tests.bench.machine import hand_over
from whmcs_bridge.domain.book import Client, ClientGroup, Invoice, InvoiceHead, InvoiceLine, Product, Service
from whmcs_bridge.domain.case import Case, SentNotice
from whmcs_bridge.domain.ids import ClientId, GroupId, InvoiceId, LineId, ProductId, ServerId, ServiceId
from whmcs_bridge.domain.status import ClientStatus, InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror

T = TypeVar("T")

PAGE: Final = 5000
TODAY: Final = datetime.now(UTC).date()
"""The command that plans from it reads the clock."""
AT: Final = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=6)
PRODUCTS: Final = (
    ("Starter", "hostingaccount", "cpanel", Decimal("5.90")),
    ("Business", "hostingaccount", "cpanel", Decimal("12.90")),
    ("Reseller 50", "reselleraccount", "cpanel", Decimal("29.90")),
    ("VPS Small", "server", "vpsmanager", Decimal("14.90")),
    ("Panel licence", "other", "licensing", Decimal("15.00")),
)
GATEWAYS: Final = ("paypal", "creditcard", "banktransfer", "boleto")
LONG_AGO: Final = 20
"""Overdue for so many days: suspended by us."""


def client_of(service: int) -> ClientId:
    return ClientId(1 + (service - 1) * 7 // 10)


def due_of(service: int) -> date | None:
    """Due date of the open invoice of every fifth service; None for the others."""
    if service % 5:
        return None
    turn = service // 5
    if turn % 4:
        return TODAY + timedelta(days=turn % 10)
    overdue = turn // 4
    if overdue % 10 == 0:
        return TODAY - timedelta(days=LONG_AGO + overdue % 97)
    return TODAY - timedelta(days=1 + overdue % 13)


def a_service(number: int) -> Service:
    name, _, _, amount = PRODUCTS[number % len(PRODUCTS)]
    due = due_of(number)
    status, reason = ServiceStatus.ACTIVE, ""
    if due is not None and (TODAY - due).days >= LONG_AGO:
        status, reason = ServiceStatus.SUSPENDED, f"Overdue: invoice {invoice_of(number)} [whmcs-bridge]"
    elif due is None and number % 16 == 1:
        status = ServiceStatus.TERMINATED
    return Service(
        ServiceId(number),
        client_of(number),
        ProductId(1 + number % len(PRODUCTS)),
        ServerId(1 + number % 200),
        name,
        "Hosting",
        f"site{number}.example.net",
        f"u{number}",
        status,
        reason,
        amount,
        "Monthly",
        date(2022, 1 + number % 12, 1 + number % 28),
        due or TODAY + timedelta(days=11 + number % 20),
        False,
        None,
        f"server{1 + number % 200}",
        GATEWAYS[number % len(GATEWAYS)],
    )


def a_client(number: int) -> Client:
    return Client(
        ClientId(number),
        f"Client {number}",
        f"client{number}@example.com",
        date(2022, 1 + number % 12, 1 + number % 28),
        GroupId(1 if number % 50 == 0 else 0),
        ClientStatus.ACTIVE,
    )


def invoice_of(service: int) -> InvoiceId:
    return InvoiceId(10_000_000 + service)


def a_head(number: int, invoice: InvoiceId, due: date, paid: bool) -> InvoiceHead:
    made = due - timedelta(days=10)
    at = datetime.combine(made, datetime.min.time())
    return InvoiceHead(
        invoice,
        client_of(number),
        "",
        made,
        due,
        at + timedelta(days=9) if paid else None,
        None,
        None,
        at,
        f"{made} 09:00:00",
        PRODUCTS[number % len(PRODUCTS)][3],
        Decimal("0.00"),
        "USD",
        InvoiceStatus.PAID if paid else InvoiceStatus.UNPAID,
        GATEWAYS[number % len(GATEWAYS)],
    )


def an_invoice(number: int, due: date) -> Invoice:
    made, amount, none = due - timedelta(days=10), PRODUCTS[number % len(PRODUCTS)][3], Decimal("0.00")
    line = InvoiceLine(
        LineId(number), LineType.HOSTING, number, f"Hosting - site{number}.example.net ({made} - {due})", amount, False
    )
    return Invoice(
        invoice_of(number),
        client_of(number),
        "",
        made,
        due,
        None,
        amount,
        none,
        none,
        amount,
        amount,
        InvoiceStatus.UNPAID,
        GATEWAYS[number % len(GATEWAYS)],
        (line,),
    )


def a_case(number: int, due: date) -> Case:
    age = (TODAY - due).days
    notices = (SentNotice("suspension-warning", 2, due + timedelta(days=2), True),) if age > 2 else ()
    down = due + timedelta(days=3) if age >= LONG_AGO else None
    return Case(
        ServiceId(number), due + timedelta(days=1), notices=notices, suspended_on=down, client_id=client_of(number)
    )


def in_pages(rows: Iterator[T], save: Callable[[Sequence[T]], object]) -> int:
    """Save the rows a page at a time; return how many there were."""
    number, page = 0, []
    for row in rows:
        page.append(row)
        if len(page) == PAGE:
            save(page)
            number, page = number + len(page), []
    save(page)
    return number + len(page)


def fill(mirror: SqliteMirror, services: int) -> dict[str, int]:
    """Write the book as a snapshot would; return how many rows of each kind."""
    snapshot = mirror.begin(AT)
    mirror.save_groups([ClientGroup(GroupId(1), "Resellers", False, Decimal("10.00"), False)])
    mirror.save_products(
        Product(ProductId(number), 1, "Hosting", name, kind, module)
        for number, (name, kind, module, _) in enumerate(PRODUCTS, start=1)
    )
    numbers = range(1, services + 1)
    owing = [(number, due) for number in numbers if (due := due_of(number)) is not None]
    past = (a_head(number, InvoiceId(number), TODAY - timedelta(days=20 + number % 30), True) for number in numbers)
    counts = {
        "clients": in_pages(
            map(a_client, range(1, client_of(services) + 1)), lambda c: mirror.save_clients(c, snapshot)
        ),
        "services": in_pages(map(a_service, numbers), lambda s: mirror.save_services(s, snapshot)),
        "paid_invoices": in_pages(past, lambda h: mirror.save_heads(h, snapshot, TODAY)),
        "open_invoices": in_pages(
            (a_head(number, invoice_of(number), due, False) for number, due in owing),
            lambda h: mirror.save_heads(h, snapshot, TODAY),
        ),
        "overdue_invoices": sum(due < TODAY for _, due in owing),
    }
    for number, due in owing:
        mirror.save_invoice(an_invoice(number, due), AT)
    mirror.finish(snapshot, AT, True, [], TODAY)
    return counts


def main(folder: str, services: int) -> None:
    begun = time.perf_counter()
    house = settings(folder=Path(folder))
    mirror, journal = SqliteMirror(house.mirror), SqliteJournal(house.journal)
    counts = fill(mirror, services)
    overdue = [(number, due) for number in range(1, services + 1) if (due := due_of(number)) and due < TODAY]
    with journal.writer():
        journal.save_cases(a_case(number, due) for number, due in overdue)
    mirror.close()
    journal.close()
    hand_over(seconds=time.perf_counter() - begun, **counts)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
