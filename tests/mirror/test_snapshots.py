"""What a snapshot leaves behind, finished or not."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.migrations.past import restore
from tests.mirror.values import ALICE, AT, TODAY, a_client, a_head, a_line, a_service, an_invoice
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.ports import Mirror

LATER = AT + timedelta(hours=1)


@pytest.fixture
def mirror() -> Iterator[SqliteMirror]:
    opened = SqliteMirror()
    yield opened
    opened.close()


def read(mirror: Mirror, services: Iterable[int] = (1,), heads: Iterable[int] = (), *, complete: bool = True) -> int:
    """One snapshot with these services and open invoices, all of client 1."""
    number = mirror.begin(AT)
    mirror.save_clients([a_client()], number)
    mirror.save_services([a_service(s) for s in services], number)
    mirror.save_heads([a_head(h) for h in heads], number, TODAY)
    mirror.finish(number, LATER, complete, () if complete else ("services: short",), TODAY)
    return number


def test_the_mirror_is_the_port_the_jobs_know() -> None:
    """mypy checks the assignment."""
    mirror: Mirror = SqliteMirror()
    assert mirror.last() is None
    mirror.close()


def test_a_finished_snapshot_says_what_it_counted(mirror: SqliteMirror) -> None:
    number = mirror.begin(AT)
    mirror.save_clients([a_client(1), a_client(2)], number)
    mirror.save_services(
        [a_service(1), a_service(2, 2, ServiceStatus.SUSPENDED), a_service(3, 2, ServiceStatus.CANCELLED)], number
    )
    mirror.save_heads([a_head(8), a_head(9, due=TODAY), a_head(5, status=InvoiceStatus.COLLECTIONS)], number, TODAY)
    mirror.finish(number, LATER, True, (), TODAY)
    last = mirror.last()
    assert last is not None
    assert (last.at, last.complete, last.problems) == (AT, True, ())
    assert (last.clients, last.services, last.living_services) == (2, 3, 2)
    assert (last.open_invoices, last.overdue_invoices) == (3, 2)
    assert (last.highest_client, last.highest_service, last.highest_invoice) == (2, 3, 9)
    assert mirror.count_living() == 2


def test_an_interrupted_snapshot_never_counts(mirror: SqliteMirror) -> None:
    """Begun and left: the one before it is still the last, and nothing is missing because of it."""
    read(mirror, services=(1, 2))
    before = mirror.last()
    number = mirror.begin(LATER)
    mirror.save_services([a_service(1)], number)
    assert mirror.last() == before
    book = mirror.book(ALICE)
    assert book is not None
    assert not book.missing


def test_an_incomplete_snapshot_marks_nothing_missing_and_keeps_its_problems(mirror: SqliteMirror) -> None:
    read(mirror, services=(1, 2), heads=(5,))
    read(mirror, services=(1,), complete=False)
    last, book = mirror.last(), mirror.book(ALICE)
    assert last is not None
    assert book is not None
    assert (last.complete, last.problems, last.services) == (False, ("services: short",), 2)
    assert not book.missing
    assert InvoiceId(5) in book.created_on


def test_a_complete_snapshot_marks_what_it_did_not_have(mirror: SqliteMirror) -> None:
    """Absence is reported, never taken for an end: the row stays as it was."""
    read(mirror, services=(1, 2))
    read(mirror, services=(1,))
    book = mirror.book(ALICE)
    assert book is not None
    assert book.missing == {ServiceId(2)}
    assert [s.id for s in book.services] == [1, 2]
    assert book.services[1].status is ServiceStatus.ACTIVE
    assert mirror.count_living() == 1


def test_what_comes_back_is_not_missing_any_more(mirror: SqliteMirror) -> None:
    for services in ((1, 2), (1,), (1, 2)):
        read(mirror, services=services)
    book = mirror.book(ALICE)
    assert book is not None
    assert not book.missing


def test_a_snapshot_that_another_one_overtook_marks_nothing(mirror: SqliteMirror) -> None:
    """What it had seen is not known any more."""
    read(mirror, services=(1, 2))
    first = mirror.begin(AT)
    mirror.save_services([a_service(1), a_service(2)], first)
    second = mirror.begin(LATER)
    mirror.finish(first, LATER, True, (), TODAY)
    book = mirror.book(ALICE)
    assert book is not None
    assert not book.missing
    mirror.save_services([a_service(1)], second)
    mirror.finish(second, LATER, True, (), TODAY)
    book = mirror.book(ALICE)
    assert book is not None
    assert book.missing == {ServiceId(2)}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sets(st.integers(1, 8)), st.sampled_from(["complete", "incomplete", "broken off"]))))
def test_missing_is_what_the_last_complete_snapshot_and_all_since_did_not_have(
    history: list[tuple[set[int], str]],
) -> None:
    """Whatever the order of whole, partial and broken snapshots."""
    mirror = SqliteMirror()
    known: set[int] = set()
    missing: set[int] = set()
    for present, fate in history:
        number = mirror.begin(AT)
        mirror.save_clients([a_client()], number)
        mirror.save_services([a_service(s) for s in present], number)
        known |= present
        missing -= present
        if fate != "broken off":
            mirror.finish(number, LATER, fate == "complete", (), TODAY)
        if fate == "complete":
            missing = known - present
    book = mirror.book(ALICE)
    found = set() if book is None else set(book.missing)
    assert found == missing
    assert (set() if book is None else {int(s.id) for s in book.services}) == known
    assert mirror.count_living() == len(known - missing)
    mirror.close()


# --- which invoices have to be read -------------------------------------------------------------


def test_an_open_invoice_without_lines_is_stale_until_it_is_read(mirror: SqliteMirror) -> None:
    number = mirror.begin(AT)
    mirror.save_heads([a_head(5), a_head(6)], number, TODAY)
    assert mirror.stale_invoices(number, TODAY, ()) == [5, 6]
    mirror.save_invoice(an_invoice(5), AT)
    assert mirror.stale_invoices(number, TODAY, ()) == [6]


def test_an_unchanged_book_has_no_stale_invoices(mirror: SqliteMirror) -> None:
    read(mirror, heads=(5,))
    mirror.save_invoice(an_invoice(5), AT)
    number = read(mirror, heads=(5,))
    assert mirror.stale_invoices(number, TODAY, ()) == []


@pytest.mark.parametrize(
    "changed",
    [
        a_head(5, updated_at="2025-03-09 10:00:00"),
        a_head(5, total="8.00"),
        a_head(5, status=InvoiceStatus.COLLECTIONS),
        a_head(5, due=date(2025, 3, 2)),
    ],
    ids=["updated", "total", "status", "due"],
)
def test_a_changed_head_makes_its_lines_stale(mirror: SqliteMirror, changed: object) -> None:
    read(mirror, heads=(5,))
    mirror.save_invoice(an_invoice(5, lines=[a_line(1)]), AT)
    number = mirror.begin(LATER)
    mirror.save_heads([changed], number, TODAY)  # type: ignore[list-item]
    assert mirror.stale_invoices(number, TODAY, ()) == [5]
    book = mirror.book(ALICE)
    assert book is not None
    assert book.unread == {5}
    assert [i.id for i in book.invoices] == [5]


def test_named_clients_are_read_again_once_a_day(mirror: SqliteMirror) -> None:
    """A partial payment need not change anything that a list shows."""
    read(mirror, heads=(5,))
    mirror.save_invoice(an_invoice(5), AT)
    number = read(mirror, heads=(5,))
    assert mirror.stale_invoices(number, TODAY, [ALICE]) == []
    assert mirror.stale_invoices(number, TODAY + timedelta(days=1), [ALICE]) == [5]
    assert mirror.stale_invoices(number, TODAY + timedelta(days=1), [ClientId(2)]) == []


def test_an_open_invoice_that_the_lists_lost_has_vanished(mirror: SqliteMirror) -> None:
    read(mirror, heads=(5, 6))
    number = mirror.begin(LATER)
    mirror.save_heads([a_head(6)], number, TODAY)
    assert mirror.vanished_invoices(number) == [5]
    mirror.save_invoice(an_invoice(5, status=InvoiceStatus.PAID, paid_at="2025-03-09T08:00:00"), LATER)
    assert mirror.vanished_invoices(number) == []
    mirror.finish(number, LATER, True, (), TODAY)
    book = mirror.book(ALICE)
    assert book is not None
    assert set(book.created_on) == {6}
    assert [paid.id for paid in book.history] == [5]


def test_a_vanished_invoice_that_is_still_open_stays(mirror: SqliteMirror) -> None:
    """It only moved between two pages."""
    read(mirror, heads=(5,))
    number = mirror.begin(LATER)
    mirror.save_invoice(an_invoice(5, lines=[a_line(1)]), LATER)
    assert mirror.vanished_invoices(number) == []
    mirror.finish(number, LATER, True, (), TODAY)
    book = mirror.book(ALICE)
    assert book is not None
    assert [i.id for i in book.invoices] == [5]


def test_an_invoice_deleted_in_whmcs_is_no_debt_after_the_next_complete_snapshot(mirror: SqliteMirror) -> None:
    """What was read whole did not have it among the open ones; a partial reading proves nothing."""
    read(mirror, heads=(5,))
    read(mirror, complete=False)
    book = mirror.book(ALICE)
    assert book is not None
    assert book.unread == {5}
    read(mirror)
    book = mirror.book(ALICE)
    assert book is not None
    assert not book.unread
    assert not book.created_on


def test_how_an_invoice_closed_is_asked_for_three_days(mirror: SqliteMirror) -> None:
    """It could not be read when it vanished; whether it was paid or cancelled makes a difference."""
    read(mirror, heads=(5, 6))
    for days in range(4):
        number = mirror.begin(AT + timedelta(days=days))
        assert mirror.vanished_invoices(number) == [5, 6]
        mirror.finish(number, LATER, True, (), TODAY + timedelta(days=days))
    mirror.save_invoice(an_invoice(5, status=InvoiceStatus.CANCELLED, lines=[a_line(1)]), AT)
    number = mirror.begin(AT + timedelta(days=4))
    assert mirror.vanished_invoices(number) == [6]
    mirror.finish(number, LATER, True, (), TODAY + timedelta(days=4))
    assert mirror.vanished_invoices(mirror.begin(LATER)) == []
    book = mirror.book(ALICE)
    assert book is not None
    assert [i.id for i in book.cancelled] == [5]


# --- highest ids ------------------------------------------------------------------------------


def test_payment_history_is_kept_up_to_the_highest_settled_id_of_a_complete_snapshot(mirror: SqliteMirror) -> None:
    """Read newest first and broken off, the older ones are still unknown: the next one must read them all."""
    paid = a_head(90, status=InvoiceStatus.PAID, paid_at="2025-03-01T08:00:00")
    number = mirror.begin(AT)
    mirror.save_heads([paid], number, TODAY)
    assert mirror.highest_invoice() == 0
    number = mirror.begin(AT)
    mirror.save_heads([paid], number, TODAY)
    mirror.finish(number, LATER, False, (), TODAY)
    assert mirror.highest_invoice() == 0
    number = mirror.begin(AT)
    mirror.save_heads([paid, a_head(95)], number, TODAY)
    mirror.finish(number, LATER, True, (), TODAY)
    assert mirror.highest_invoice() == 90


def test_highest_ids_go_back_only_when_a_complete_snapshot_shows_it(mirror: SqliteMirror) -> None:
    """WHMCS restored from a backup: its newest services are gone."""
    read(mirror, services=(1, 9))
    read(mirror, services=(1,), complete=False)
    last = mirror.last()
    assert last is not None
    assert last.highest_service == 9
    read(mirror, services=(1,))
    last = mirror.last()
    assert last is not None
    assert last.highest_service == 1


def test_paying_the_newest_invoice_does_not_look_like_a_restored_backup(mirror: SqliteMirror) -> None:
    read(mirror, heads=(5, 6))
    read(mirror, heads=(5,))
    last = mirror.last()
    assert last is not None
    assert last.highest_invoice == 6


def test_the_days_on_which_a_gateway_booked_are_kept_once_each(mirror: SqliteMirror) -> None:
    paid = [
        a_head(1, status=InvoiceStatus.PAID, paid_at="2025-03-03T08:00:00"),
        a_head(2, status=InvoiceStatus.PAID, paid_at="2025-03-03T23:00:00"),
        a_head(3, status=InvoiceStatus.REFUNDED, paid_at="2025-02-01T10:00:00"),
        a_head(4, status=InvoiceStatus.PAID, paid_at="2025-03-04T10:00:00", gateway="paypal"),
        a_head(5, status=InvoiceStatus.PAID, paid_at="2025-03-04T10:00:00", gateway=""),
        a_head(6, status=InvoiceStatus.PAID),
    ]
    for _ in range(2):  # a page may be read twice
        number = mirror.begin(AT)
        mirror.save_heads(paid, number, TODAY)
        mirror.finish(number, LATER, True, (), TODAY)
    early, late, other = date(2025, 2, 1), date(2025, 3, 3), date(2025, 3, 4)
    assert mirror.payment_days(early) == {"boleto": [early, late], "paypal": [other]}
    assert mirror.payment_days(late) == {"boleto": [late], "paypal": [other]}
    mirror.finish(mirror.begin(AT), LATER, True, (), early + timedelta(days=401))
    assert mirror.payment_days(early) == {"boleto": [late], "paypal": [other]}


def test_a_payment_of_an_invoice_that_was_open_counts_for_its_gateway(mirror: SqliteMirror) -> None:
    number = read(mirror, heads=[8])
    mirror.save_invoice(an_invoice(8, status=InvoiceStatus.PAID, paid_at="2025-03-09T10:00:00"), AT)
    assert mirror.payment_days(date(2025, 1, 1)) == {"boleto": [date(2025, 3, 9)]}
    assert number == 1


def test_gateways_with_open_invoices_past_due_are_named(mirror: SqliteMirror) -> None:
    read(mirror, heads=[8, 9])
    mirror.save_invoice(an_invoice(8), AT)
    mirror.save_invoice(an_invoice(9, due=TODAY), AT)
    assert mirror.gateways_owed(TODAY) == {"boleto"}
    assert mirror.gateways_owed(date(2025, 3, 1)) == set()


def test_a_mirror_of_the_first_shape_knows_the_days_of_its_payments(tmp_path: Path) -> None:
    restore("mirror", 1, tmp_path / "mirror.db")
    mirror = SqliteMirror(tmp_path / "mirror.db")
    assert mirror.payment_days(date(2025, 1, 1)) == {"banktransfer": [date(2025, 3, 10), date(2025, 3, 22)]}
    mirror.close()
