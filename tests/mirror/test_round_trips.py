"""Whatever WHMCS sends comes out of the mirror as it went in."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mirror.values import ALICE, AT, TODAY, a_client, a_head, a_service
from whmcs_bridge.domain.book import Addon, CancelRequest, Client, ClientGroup, Invoice, InvoiceLine, Product, Service
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, LineId, ProductId, ServerId, ServiceId
from whmcs_bridge.domain.status import CancelType, ClientStatus, InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.mirror import SqliteMirror

NUMBERS = st.integers(1, 2**32 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MONEY = st.decimals(-(10**9), 10**9, places=2) | st.sampled_from(
    [Decimal("0"), Decimal("-0.00"), Decimal("1E+3"), Decimal("0.0000001"), Decimal("99999999999999.999")]
)
DAYS = st.dates()
INSTANTS = st.datetimes() | st.datetimes(timezones=st.just(UTC))
OPEN = st.sampled_from([InvoiceStatus.UNPAID, InvoiceStatus.COLLECTIONS, InvoiceStatus.PAYMENT_PENDING])

LINES = st.builds(InvoiceLine, NUMBERS.map(LineId), st.sampled_from(LineType), NUMBERS, TEXT, MONEY, st.booleans())
INVOICES = st.builds(
    Invoice,
    NUMBERS.map(InvoiceId),
    st.just(ALICE),
    TEXT,
    st.none() | DAYS,
    st.none() | DAYS,
    st.none() | INSTANTS,
    MONEY,
    MONEY,
    MONEY,
    MONEY,
    MONEY,
    OPEN,
    TEXT,
    st.lists(LINES, max_size=4).map(tuple),
)
SERVICES = st.builds(
    Service,
    NUMBERS.map(ServiceId),
    st.just(ALICE),
    NUMBERS.map(ProductId),
    NUMBERS.map(ServerId),
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    st.none() | st.sampled_from(ServiceStatus),
    TEXT,
    MONEY,
    TEXT,
    st.none() | DAYS,
    st.none() | DAYS,
    st.booleans(),
    st.none() | DAYS,
    TEXT,
    TEXT,
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    TEXT,
)
CLIENTS = st.builds(
    Client,
    st.just(ALICE),
    TEXT,
    TEXT,
    st.none() | DAYS,
    NUMBERS.map(GroupId),
    st.none() | st.sampled_from(ClientStatus),
)


def by_id(values: list[Any]) -> tuple[Any, ...]:
    return tuple({value.id: value for value in sorted(values, key=lambda v: v.id)}.values())


@settings(max_examples=60)
@given(st.lists(INVOICES, max_size=3, unique_by=lambda i: i.id))
def test_open_invoices_come_back_as_they_were_read(invoices: list[Invoice]) -> None:
    """Decimals keep their digits, lines their order, dates of any century their day."""
    mirror = SqliteMirror()
    for invoice in invoices:
        mirror.save_invoice(invoice, AT)
    book = mirror.book(ALICE)
    found = () if book is None else book.invoices
    assert found == by_id(invoices)
    assert [str(i.balance) for i in found] == [str(i.balance) for i in by_id(invoices)]
    mirror.close()


@settings(max_examples=60)
@given(CLIENTS, st.lists(SERVICES, max_size=3, unique_by=lambda s: s.id))
def test_clients_and_services_come_back_as_they_were_read(client: Client, services: list[Service]) -> None:
    mirror = SqliteMirror()
    number = mirror.begin(AT)
    mirror.save_clients([client], number)
    mirror.save_services(services, number)
    book = mirror.book(ALICE)
    assert book is not None
    assert book.client == client
    assert book.services == by_id(services)
    mirror.close()


@settings(max_examples=30)
@given(NUMBERS, TEXT, DAYS, INSTANTS, MONEY, st.booleans())
def test_the_smaller_things_come_back_too(
    number: int, text: str, day: date, at: datetime, money: Decimal, flag: bool
) -> None:
    mirror = SqliteMirror()
    snapshot = mirror.begin(AT)
    group = ClientGroup(GroupId(number), text, flag, money, flag)
    product = Product(ProductId(number), number, text, text, text, text)
    addon = Addon(AddonId(number), ServiceId(1), ALICE, text, ServiceStatus.COMPLETED, day)
    request = CancelRequest(number, ServiceId(1), at, CancelType.END_OF_PERIOD, text)
    mirror.save_groups([group])
    mirror.save_products([product])
    mirror.save_clients([a_client(group=number)], snapshot)
    mirror.save_services([replace(a_service(1), product_id=ProductId(number))], snapshot)
    mirror.save_addons([addon], snapshot)
    mirror.save_cancel_requests([request], snapshot)
    mirror.save_credit(ALICE, money, text, day)
    book = mirror.book(ALICE)
    assert book is not None
    assert (book.group, book.products, book.addons) == (group, {number: product}, (addon,))
    assert book.cancel_requests == {ServiceId(1): request}
    assert (str(book.credit), book.currency, book.credit_read_on) == (str(money), text, day)
    mirror.close()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 6), st.none() | st.sampled_from(InvoiceStatus)), max_size=12))
def test_open_and_settled_follow_the_last_word_whatever_came_before(
    words: list[tuple[int, InvoiceStatus | None]],
) -> None:
    """Each invoice is open, or settled in the history (reversed once it was open again), or neither."""
    mirror = SqliteMirror()
    number = mirror.begin(AT)
    last: dict[int, InvoiceStatus | None] = {}
    settled: set[int] = set()
    reversed_: set[int] = set()
    for invoice, status in words:
        mirror.save_heads([a_head(invoice, status=status, paid_at="2025-03-02T08:00:00")], number, TODAY)
        last[invoice] = status
        if status in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
            settled.add(invoice)
        if (status is not None and status.open and invoice in settled) or status is InvoiceStatus.REFUNDED:
            reversed_.add(invoice)
    mirror.save_clients([a_client()], number)
    book = mirror.book(ClientId(1))
    assert book is not None
    assert set(book.created_on) == {i for i, status in last.items() if status is not None and status.open}
    assert {p.id for p in book.history} == settled
    assert {p.id for p in book.history if p.reversed} == reversed_
    mirror.close()
