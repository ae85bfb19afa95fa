"""What the mirror knows of one client, and of whom it has something to say."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mirror.values import (
    ALICE,
    AT,
    BASIC,
    BOB,
    TODAY,
    VIP,
    a_client,
    a_head,
    a_line,
    a_request,
    a_service,
    an_addon,
    an_invoice,
)
from whmcs_bridge.domain.ids import ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.mirror.books import CHUNK_CLIENTS
from whmcs_bridge.ports import ClientBook

LATER = AT + timedelta(hours=1)
YESTERDAY = TODAY - timedelta(days=1)
PAID = InvoiceStatus.PAID


@pytest.fixture
def mirror() -> Iterator[SqliteMirror]:
    """Two clients with one service each, Alice's in the VIP group."""
    opened = SqliteMirror()
    number = opened.begin(AT)
    opened.save_groups([VIP])
    opened.save_products([BASIC])
    opened.save_clients([a_client(1, group=4), a_client(2)], number)
    opened.save_services([a_service(1, 1), a_service(2, 2)], number)
    yield opened
    opened.close()


def book_of(mirror: SqliteMirror, client: ClientId = ALICE) -> ClientBook:
    found = mirror.book(client)
    assert found is not None
    return found


def ids(mirror: SqliteMirror, *also: ClientId, everyone: bool = False) -> list[int]:
    return [book.client.id for book in mirror.books(TODAY, also, everyone=everyone)]


# --- whose books are read -----------------------------------------------------------------------


def test_a_client_without_open_invoice_or_suspended_service_is_left_out(mirror: SqliteMirror) -> None:
    assert ids(mirror) == []
    assert ids(mirror, BOB) == [2]
    assert ids(mirror, everyone=True) == [1, 2]


@pytest.mark.parametrize(
    ("due", "read"),
    [(TODAY, True), (None, True), (TODAY + timedelta(days=34), True), (TODAY + timedelta(days=60), False)],
    ids=["today", "no due date", "within reminders", "far off"],
)
def test_an_open_invoice_counts_up_to_five_weeks_ahead(mirror: SqliteMirror, due: date | None, read: bool) -> None:
    mirror.save_heads([a_head(5, due=due)], 1, TODAY)
    assert ids(mirror) == ([1] if read else [])


def test_a_suspended_service_keeps_its_client_in_view(mirror: SqliteMirror) -> None:
    mirror.save_services([a_service(2, 2, ServiceStatus.SUSPENDED)], 1)
    assert ids(mirror) == [2]


def test_a_service_seen_ending_keeps_its_client_in_view_for_sixty_days(mirror: SqliteMirror) -> None:
    mirror.save_services([a_service(1, 1, ServiceStatus.CANCELLED)], 1)
    assert book_of(mirror).ended_seen == {ServiceId(1): TODAY}
    assert ids(mirror) == [1]
    assert [b.client.id for b in mirror.books(TODAY + timedelta(days=60), ())] == [1]
    assert [b.client.id for b in mirror.books(TODAY + timedelta(days=61), ())] == []


def test_a_service_that_had_ended_before_we_came_is_no_news(mirror: SqliteMirror) -> None:
    mirror.save_services([a_service(9, 1, ServiceStatus.TERMINATED)], 1)
    later = mirror.begin(AT + timedelta(days=1))
    mirror.save_services([a_service(9, 1, ServiceStatus.TERMINATED)], later)
    assert not book_of(mirror).ended_seen
    assert ids(mirror) == []


def test_the_day_of_an_end_stays_until_the_service_lives_again(mirror: SqliteMirror) -> None:
    mirror.save_services([a_service(1, 1, ServiceStatus.TERMINATED)], 1)
    later = mirror.begin(AT + timedelta(days=5))
    mirror.save_services([a_service(1, 1, ServiceStatus.CANCELLED)], later)
    assert book_of(mirror).ended_seen == {ServiceId(1): TODAY}
    mirror.save_services([a_service(1, 1)], later)
    assert not book_of(mirror).ended_seen


@pytest.mark.parametrize("clients", [CHUNK_CLIENTS, 2 * CHUNK_CLIENTS + 1])
def test_books_come_once_each_in_order_of_client_ids(clients: int) -> None:
    mirror = SqliteMirror()
    number = mirror.begin(AT)
    mirror.save_clients([a_client(n) for n in range(clients, 0, -1)], number)
    mirror.save_services(
        [a_service(n, 1 + n % clients, ServiceStatus.SUSPENDED) for n in range(1, 3 * clients)], number
    )
    found = list(mirror.books(TODAY, ()))
    assert [b.client.id for b in found] == list(range(1, clients + 1))
    assert sum(len(b.services) for b in found) == 3 * clients - 1
    assert found == [mirror.book(b.client.id) for b in found]
    mirror.close()


def test_other_work_goes_on_while_books_are_read(mirror: SqliteMirror) -> None:
    """A step may be written down, and its client read again, in the middle of a plan."""
    for book in mirror.books(TODAY, (), everyone=True):
        mirror.save_client_group(book.client.id, GroupId(0))
        assert book_of(mirror, book.client.id).group is None


# --- one book ---------------------------------------------------------------------------------


def test_a_book_holds_everything_of_its_client(mirror: SqliteMirror) -> None:
    mirror.save_addons([an_addon(31, 1), an_addon(32, 2, 2)], 1)
    mirror.save_cancel_requests([a_request(41, 1), a_request(42, 2)], 1)
    mirror.save_heads([a_head(5), a_head(6, 2), a_head(3, status=PAID, paid_at="2025-02-01T08:00:00")], 1, TODAY)
    read = an_invoice(5, lines=[a_line(1)])
    mirror.save_invoice(read, AT)
    mirror.save_credit(ALICE, Decimal("3.50"), "BRL", TODAY)
    mirror.finish(1, LATER, True, (), TODAY)
    book = book_of(mirror)
    assert book.client == a_client(1, group=4)
    assert book.group == VIP
    assert book.currency == "BRL"
    assert book.services == (a_service(1),)
    assert book.addons == (an_addon(31, 1),)
    assert book.invoices == (read,)
    assert book.cancel_requests == {ServiceId(1): a_request(41, 1)}
    assert book.products == {7: BASIC}
    assert [(p.id, p.paid_on, p.total, p.gateway) for p in book.history] == [
        (3, date(2025, 2, 1), Decimal("10.00"), "boleto")
    ]
    assert (book.credit, book.credit_read_on) == (Decimal("3.50"), TODAY)
    assert book.as_of == AT
    assert not book.unread
    assert mirror.book_of_service(ServiceId(1)) == book


def test_nobody_knows_a_client_that_was_never_read(mirror: SqliteMirror) -> None:
    assert mirror.book(ClientId(99)) is None
    assert mirror.book_of_service(ServiceId(99)) is None
    assert ids(mirror, ClientId(99)) == []


def test_services_known_before_their_client_make_a_book_of_a_stranger(mirror: SqliteMirror) -> None:
    """The list of clients may have failed; debt and services must not disappear with it."""
    mirror.save_services([a_service(8, 77, ServiceStatus.SUSPENDED)], 1)
    book = book_of(mirror, ClientId(77))
    assert (book.client.name, book.client.status, book.services) == (
        "",
        None,
        (a_service(8, 77, ServiceStatus.SUSPENDED),),
    )


def test_invoices_come_oldest_first(mirror: SqliteMirror) -> None:
    for number in (9, 5, 7):
        mirror.save_invoice(an_invoice(number), AT)
    assert [i.id for i in book_of(mirror).invoices] == [5, 7, 9]


def test_the_newest_request_of_a_service_counts(mirror: SqliteMirror) -> None:
    requests = [a_request(3, 1, "2025-02-01T10:00:00"), a_request(2, 1, "2025-03-01T10:00:00"), a_request(4, 1, None)]
    mirror.save_cancel_requests(requests, 1)
    assert book_of(mirror).cancel_requests == {ServiceId(1): requests[1]}


def test_a_withdrawn_request_is_gone_after_a_complete_snapshot(mirror: SqliteMirror) -> None:
    mirror.save_cancel_requests([a_request(3, 1)], 1)
    mirror.save_addons([an_addon(31, 1)], 1)
    mirror.finish(mirror.begin(LATER), LATER, True, (), TODAY)
    assert not book_of(mirror).cancel_requests
    assert not book_of(mirror).addons


def test_a_service_moves_with_its_new_client(mirror: SqliteMirror) -> None:
    mirror.save_services([a_service(1, 2)], 1)
    mirror.save_addons([an_addon(31, 1, 1)], 1)
    mirror.save_addons([an_addon(31, 1, 2)], 1)
    assert book_of(mirror).services == ()
    assert book_of(mirror).addons == ()
    assert [s.id for s in book_of(mirror, BOB).services] == [1, 2]
    assert [a.id for a in book_of(mirror, BOB).addons] == [31]


@pytest.mark.parametrize(
    "line", [a_line(1), replace(a_line(31), type=LineType.ADDON)], ids=["by its line", "by its addon's line"]
)
def test_an_invoice_for_a_moved_service_stands_in_both_books(mirror: SqliteMirror, line: object) -> None:
    """Service 1 went from Bob to Alice, who has nothing due herself."""
    mirror.save_addons([an_addon(31, 1)], 1)
    mirror.save_heads([a_head(5, 2)], 1, TODAY)
    mirror.save_invoice(an_invoice(5, 2, lines=[line]), AT)  # type: ignore[list-item]
    assert ids(mirror) == [1, 2]
    for client in (ALICE, BOB):
        assert [i.id for i in book_of(mirror, client).invoices] == [5]
        assert book_of(mirror, client).created_on == {InvoiceId(5): date(2025, 2, 20)}
    assert [[i.id for i in book.invoices] for book in mirror.books(TODAY, ())] == [[5], [5]]


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_client_reads_the_same_alone_as_among_all(chance: Random) -> None:
    """One statement answers WHMCS, others fill the plan: both have to see the same."""
    mirror, owners = SqliteMirror(), {number: chance.randint(1, 3) for number in range(1, 7)}
    number = mirror.begin(AT)
    mirror.save_products([BASIC])
    mirror.save_clients([a_client(n) for n in (1, 2)], number)  # the third is a stranger
    mirror.save_services([a_service(n, owner) for n, owner in owners.items()], number)
    mirror.save_addons([an_addon(n + 30, n, chance.choice((owner, 1))) for n, owner in owners.items()], number)
    mirror.save_cancel_requests([a_request(n, chance.randint(1, 7)) for n in range(5)], number)
    for invoice in range(1, 9):
        client, status = chance.randint(1, 3), chance.choice(tuple(InvoiceStatus))
        mirror.save_heads([a_head(invoice, client, paid_at="2025-03-02T10:00:00")], number, TODAY)
        lines = [replace(a_line(chance.randint(1, 7)), type=LineType.HOSTING), a_line(chance.randint(31, 37))]
        if chance.random() < 0.8:
            lines[1] = replace(lines[1], type=LineType.ADDON)
            mirror.save_invoice(an_invoice(invoice, client, lines=lines), AT)
        mirror.save_heads([a_head(invoice, client, status, paid_at="2025-03-02T10:00:00")], number, TODAY)
    if chance.random() < 0.5:
        mirror.finish(number, LATER, chance.random() < 0.5, (), TODAY)
        again = mirror.begin(LATER)
        mirror.save_services([a_service(n, owners[n], ServiceStatus.TERMINATED) for n in (1, 2, 3)], again)
        mirror.finish(again, LATER, True, (), TODAY)
    for book in mirror.books(TODAY, (), everyone=True):
        assert mirror.book(book.client.id) == book
        for service in book.services:
            assert mirror.book_of_service(service.id) == book
    mirror.close()


def test_a_book_is_as_old_as_the_newest_complete_snapshot_whoever_took_it(tmp_path: Path) -> None:
    with closing(SqliteMirror(tmp_path / "mirror.db")) as asked, closing(SqliteMirror(tmp_path / "mirror.db")) as other:
        for at in (AT, LATER):
            number = other.begin(at)
            other.save_clients([a_client(1)], number)
            other.finish(number, at, True, (), TODAY)
            assert book_of(asked).as_of == at
        asked.finish(asked.begin(LATER + timedelta(hours=1)), LATER, True, (), TODAY)
        assert book_of(asked).as_of == LATER + timedelta(hours=1)


# --- the clock of an invoice ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "created_at", "expected"),
    [
        (date(2025, 1, 1), "2025-03-08T23:59:00", date(2025, 3, 8)),
        (date(2025, 1, 1), None, date(2025, 1, 1)),
        (None, None, YESTERDAY),
    ],
    ids=["backdated", "unknown creation", "nothing known"],
)
def test_an_invoice_came_to_be_when_it_was_created(
    mirror: SqliteMirror, issued: date | None, created_at: str | None, expected: date
) -> None:
    """Its creation, else its own date, else the day on which it was first seen; later sightings change nothing."""
    head = a_head(5, issued=issued, created_at=created_at)
    mirror.save_heads([head], 1, YESTERDAY)
    mirror.save_heads([head], 1, TODAY)
    mirror.save_invoice(replace(an_invoice(5), issued=issued), AT)
    assert book_of(mirror).created_on == {InvoiceId(5): expected}


def test_pending_counts_from_the_first_day_seen_and_ends_with_it(mirror: SqliteMirror) -> None:
    pending = a_head(5, status=InvoiceStatus.PAYMENT_PENDING)
    mirror.save_heads([pending], 1, YESTERDAY)
    mirror.save_heads([pending], 1, TODAY)
    assert book_of(mirror).pending_since == {InvoiceId(5): YESTERDAY}
    mirror.save_heads([a_head(5)], 1, TODAY)
    assert not book_of(mirror).pending_since
    mirror.save_heads([pending], 1, TODAY)
    assert book_of(mirror).pending_since == {InvoiceId(5): TODAY}


# --- closed invoices ----------------------------------------------------------------------------


def test_an_invoice_cancelled_while_open_is_remembered_with_its_lines(mirror: SqliteMirror) -> None:
    mirror.save_heads([a_head(5), a_head(6)], 1, TODAY)
    mirror.save_invoice(an_invoice(5, lines=[a_line(1)]), AT)
    mirror.save_invoice(an_invoice(6, lines=[a_line(0, LineType.ITEM)]), AT)
    gone = [a_head(n, status=InvoiceStatus.CANCELLED, cancelled_at="2025-03-09T10:00:00") for n in (5, 6, 7)]
    mirror.save_heads(gone, 1, TODAY)
    book = book_of(mirror)
    assert [(i.id, i.status) for i in book.cancelled] == [(5, InvoiceStatus.CANCELLED)]
    assert book.cancelled[0].lines == (a_line(1),)
    assert book.invoices == ()


@pytest.mark.parametrize(("days", "kept"), [(399, True), (402, False)])
def test_a_cancelled_invoice_is_forgotten_after_four_hundred_days(mirror: SqliteMirror, days: int, kept: bool) -> None:
    mirror.save_invoice(an_invoice(5, lines=[a_line(1)]), AT)
    mirror.save_invoice(an_invoice(5, status=InvoiceStatus.CANCELLED, lines=[a_line(1)]), AT)
    mirror.finish(mirror.begin(LATER), LATER, False, (), TODAY + timedelta(days=days))
    assert bool(book_of(mirror).cancelled) is kept


def test_a_payment_that_comes_back_marks_the_history_for_good(mirror: SqliteMirror) -> None:
    """Chargeback: paid, open again, paid again."""
    settled = a_head(5, status=PAID, paid_at="2025-03-02T08:00:00")
    mirror.save_heads([settled], 1, TODAY)
    assert [p.reversed for p in book_of(mirror).history] == [False]
    mirror.save_heads([a_head(5)], 1, TODAY)
    book = book_of(mirror)
    assert [p.reversed for p in book.history] == [True]
    assert set(book.created_on) == {5}
    mirror.save_heads([replace(settled, total=Decimal("11.00"))], 1, TODAY)
    assert [(p.reversed, p.total) for p in book_of(mirror).history] == [(True, Decimal("11.00"))]
    assert not book_of(mirror).created_on


def test_a_refunded_invoice_is_history_that_did_not_last(mirror: SqliteMirror) -> None:
    mirror.save_heads([a_head(5, status=InvoiceStatus.REFUNDED, paid_at="2025-03-02T08:00:00")], 1, TODAY)
    mirror.save_heads([a_head(6, status=InvoiceStatus.COLLECTIONS, paid_at="2025-03-02T08:00:00")], 1, TODAY)
    assert [(p.id, p.reversed) for p in book_of(mirror).history] == [(5, True)]


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, None])
def test_a_draft_or_an_unknown_word_is_no_debt(mirror: SqliteMirror, status: InvoiceStatus | None) -> None:
    mirror.save_heads([a_head(5)], 1, TODAY)
    mirror.save_heads([a_head(5, status=status), a_head(6, status=status)], 1, TODAY)
    book = book_of(mirror)
    assert not book.created_on
    assert not book.unread


# --- currency, groups -----------------------------------------------------------------------------


def test_the_currency_is_that_of_the_newest_invoice_or_of_the_client_itself(mirror: SqliteMirror) -> None:
    assert book_of(mirror).currency == ""
    mirror.save_credit(ALICE, Decimal("0.00"), "USD", TODAY)
    assert book_of(mirror).currency == "USD"
    mirror.save_heads([a_head(9, currency="EUR"), a_head(7, currency="BRL")], 1, TODAY)
    mirror.save_heads([a_head(8, currency="BRL")], 1, TODAY)
    assert book_of(mirror).currency == "EUR"
    mirror.save_credit(ALICE, Decimal("1.00"), "", TODAY)
    assert book_of(mirror).currency == "EUR"


def test_a_changed_group_is_known_at_once(mirror: SqliteMirror) -> None:
    assert mirror.members(VIP.id) == [1]
    assert mirror.client_groups() == {ALICE: VIP.id}
    mirror.save_client_group(BOB, VIP.id)
    mirror.save_client_group(ALICE, GroupId(0))
    assert mirror.members(VIP.id) == [2]
    assert (book_of(mirror).group, book_of(mirror).client.group_id) == (None, 0)
    assert (book_of(mirror, BOB).group, book_of(mirror, BOB).client.group_id) == (VIP, 4)


def test_a_group_is_found_by_its_name_until_it_is_deleted(mirror: SqliteMirror) -> None:
    assert mirror.group_named("VIP") == VIP
    assert mirror.group_named("Other") is None
    mirror.save_groups([])
    assert mirror.group_named("VIP") is None
    assert book_of(mirror).group is None


def test_groups_changed_by_another_process_are_seen(tmp_path: Path) -> None:
    """A receiver that runs for weeks reads the mirror that every sync writes."""
    one, other = SqliteMirror(tmp_path / "mirror.db"), SqliteMirror(tmp_path / "mirror.db")
    assert one.group_named("VIP") is None
    other.save_groups([VIP])
    assert one.group_named("VIP") == VIP
    one.close()
    other.close()


# --- one client read live -----------------------------------------------------------------------


def test_a_live_reading_replaces_what_was_known_of_the_client(mirror: SqliteMirror) -> None:
    mirror.save_addons([an_addon(31, 1), an_addon(32, 1)], 1)
    mirror.save_services([a_service(3)], 1)
    mirror.save_heads([a_head(5), a_head(6), a_head(7, 2)], 1, YESTERDAY)
    mirror.save_invoice(an_invoice(5, lines=[a_line(1)]), AT)
    suspended = a_service(1, 1, ServiceStatus.SUSPENDED)
    fresh = an_invoice(6, lines=[a_line(1)])
    mirror.save_book_live(ALICE, [suspended], [an_addon(32, 1)], [a_head(6)], [fresh], LATER, TODAY)
    book = book_of(mirror)
    assert [(s.id, s.status) for s in book.services] == [(1, ServiceStatus.SUSPENDED), (3, ServiceStatus.ACTIVE)]
    assert book.missing == {ServiceId(3)}
    assert [a.id for a in book.addons] == [32]
    assert book.invoices == (fresh,)
    assert not book.unread
    assert book.as_of == LATER
    assert set(book_of(mirror, BOB).created_on) == {7}


def test_how_a_live_reading_found_an_invoice_closed_is_asked_at_the_next_snapshot(mirror: SqliteMirror) -> None:
    """Not in the open list any more: paid, cancelled or deleted."""
    mirror.save_heads([a_head(5)], 1, TODAY)
    mirror.save_book_live(ALICE, [a_service(1)], [], [], [], LATER, TODAY)
    assert not book_of(mirror).created_on
    number = mirror.begin(LATER)
    assert mirror.vanished_invoices(number) == [5]
    mirror.save_invoice(an_invoice(5, status=PAID, paid_at="2025-03-10T09:30:00"), LATER)
    assert mirror.vanished_invoices(number) == []
    assert [p.id for p in book_of(mirror).history] == [5]


def test_a_book_is_as_old_as_the_last_whole_reading_or_its_own(mirror: SqliteMirror) -> None:
    """A snapshot with gaps may not have read this client at all."""
    mirror.finish(1, LATER, True, (), TODAY)
    assert book_of(mirror).as_of == AT
    mirror.save_book_live(ALICE, [a_service(1)], [], [], [], LATER, TODAY)
    assert (book_of(mirror).as_of, book_of(mirror, BOB).as_of) == (LATER, AT)
    later = AT + timedelta(days=1)
    mirror.finish(mirror.begin(later), later, False, ("services: short",), TODAY)
    assert (book_of(mirror).as_of, book_of(mirror, BOB).as_of) == (LATER, AT)
    mirror.finish(mirror.begin(later), later, True, (), TODAY)
    assert (book_of(mirror).as_of, book_of(mirror, BOB).as_of) == (later, later)


def test_a_client_first_met_live_has_a_book(mirror: SqliteMirror) -> None:
    mirror.save_book_live(ClientId(50), [a_service(60, 50)], [], [a_head(9, 50)], [an_invoice(9, 50)], LATER, TODAY)
    book = book_of(mirror, ClientId(50))
    assert [i.id for i in book.invoices] == [9]
    assert book.as_of == LATER
