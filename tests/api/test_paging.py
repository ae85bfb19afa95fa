"""Whole lists: complete when they are, and never short without saying so."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.api.servers import ClientBook, Response, Scripted, an_api, client_row, page_of
from tests.effort import examples
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.paging import SweepResult
from whmcs_bridge.errors import IncompleteList, Unavailable, UnreadableReply

HTML = b"<html><head><title>Oops</title></head></html>"


def read(book: ClientBook, *, page_size: int = 3, connections: int = 1) -> tuple[list[int], SweepResult]:
    with an_api(Scripted(book), page_size=page_size, connections=connections) as api:
        listing = api.clients()
        ids = [client.id for page in listing for client in page]
        return [int(id_) for id_ in ids], listing.end


def read_unordered(book: ClientBook, *, page_size: int = 3) -> tuple[list[int], SweepResult]:
    with an_api(Scripted(book), page_size=page_size) as api:
        listing = api.listing("GetOrders")
        ids = [int(str(order["id"])) for page in listing for order in page]
        return ids, listing.end


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 250, 1000])
@pytest.mark.parametrize("page_size", [1, 3, 25, 250])
def test_every_row_comes_once_and_in_order_with_no_call_too_many(count: int, page_size: int) -> None:
    """Neighbours overlap by a row, and yet there are no more calls than pages of `page_size`."""
    book = ClientBook(range(1, count + 1))
    ids, end = read(book, page_size=page_size, connections=3)
    assert ids == list(range(1, count + 1))
    assert end.complete
    assert (end.rows, end.total, end.problems) == (count, count, ())
    assert end.calls == len(book.offsets) <= max(1, -(-count // page_size))


def test_neighbouring_pages_share_a_row() -> None:
    book = ClientBook(range(1, 11))
    read(book, page_size=3)
    assert sorted(zip(book.offsets, book.limits, strict=True)) == [(0, 4), (3, 4), (6, 4)]


def test_clients_are_asked_for_in_the_order_of_their_ids() -> None:
    adapter = Scripted(page_of([], 0))
    with an_api(adapter) as api:
        assert api.clients().everything() == []
    assert adapter.forms[0] | {"orderby": "id", "sorting": "ASC", "action": "GetClients"} == adapter.forms[0]


def test_the_end_is_not_known_before_the_last_page() -> None:
    with an_api(Scripted(ClientBook(range(9)[1:])), page_size=3) as api:
        listing = api.clients()
        next(iter(listing))
        with pytest.raises(RuntimeError):
            _ = listing.end


def test_pages_stream_with_only_a_few_asked_for_ahead() -> None:
    book = ClientBook(range(1, 1001))
    with an_api(Scripted(book), page_size=10, connections=1) as api:
        pages = iter(api.clients())
        next(pages)
        next(pages)
        assert len(book.offsets) <= 5


def test_a_row_deleted_between_two_pages_hides_no_other_row() -> None:
    """The row on the border moves to the page that was read already: it is fetched across the border."""

    def delete_first(book: ClientBook, request: int) -> None:
        if request == 2:
            book.ids.remove(1)

    ids, end = read(ClientBook(range(1, 8), before=delete_first))
    assert set(range(2, 8)) <= set(ids)
    assert end.complete


def test_a_gap_between_two_pages_is_read_across_even_if_the_count_comes_out() -> None:
    """Two rows deleted and two added: every count fits, and row 5 would be missing."""

    def delete_and_add(book: ClientBook, request: int) -> None:
        if request == 2:
            book.ids[:2] = []
            book.ids += [8, 9]

    ids, end = read(ClientBook(range(1, 8), before=delete_and_add))
    assert set(ids) >= {3, 4, 5, 6, 7}
    assert end.complete


def test_a_list_that_shrinks_under_the_last_page_is_read_to_its_end() -> None:
    def delete_many(book: ClientBook, request: int) -> None:
        if request == 2:
            del book.ids[:2]

    ids, end = read(ClientBook(range(1, 6), before=delete_many))
    assert set(ids) >= {3, 4, 5}
    assert end.complete


def test_rows_added_while_reading_are_read_too() -> None:
    def add(book: ClientBook, request: int) -> None:
        if request in (2, 3):
            book.ids.append(book.ids[-1] + 1)

    ids, end = read(ClientBook(range(1, 8), before=add))
    assert ids == list(range(1, 10))
    assert end.complete


def test_a_row_that_moves_to_a_page_already_read_is_found() -> None:
    """Where WHMCS cannot order by id a row may jump; the count tells."""

    def move_last_to_front(book: ClientBook, request: int) -> None:
        if request == 2:
            book.ids.insert(0, book.ids.pop())

    ids, end = read_unordered(ClientBook([5, 3, 9, 1, 7, 2, 8, 4, 6], before=move_last_to_front))
    assert sorted(ids) == list(range(1, 10))
    assert end.complete


def test_a_page_without_one_of_its_rows_is_read_again() -> None:
    def drop(request: int, answer: dict[str, Any]) -> Response:
        if request == 2:
            del answer["clients"]["client"][1]
            answer["numreturned"] -= 1
        return answer

    ids, end = read(ClientBook(range(1, 8), mangle=drop))
    assert ids == list(range(1, 8))
    assert end.complete


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_page_that_stays_short_makes_the_list_incomplete(page: int) -> None:
    def drop(request: int, answer: dict[str, Any]) -> Response:
        if answer["startnumber"] == (page - 1) * 3:
            answer["clients"]["client"] = answer["clients"]["client"][:1]
        return answer

    _, end = read(ClientBook(range(1, 11), mangle=drop))
    assert not end.complete
    assert end.problems


def test_an_empty_page_in_the_middle_is_not_the_end() -> None:
    def empty(request: int, answer: dict[str, Any]) -> Response:
        return {**answer, "clients": "", "numreturned": 0} if answer["startnumber"] == 3 else answer

    ids, end = read(ClientBook(range(1, 11), mangle=empty))
    assert not end.complete
    assert set(range(8, 11)) <= set(ids)


def test_an_empty_list_under_a_count_is_incomplete() -> None:
    _, end = read(ClientBook(range(1, 11), mangle=lambda request, answer: {**answer, "clients": ""}))
    assert not end.complete


def test_a_page_that_cannot_be_read_makes_the_list_incomplete_and_is_named() -> None:
    def html(request: int, answer: dict[str, Any]) -> Response:
        return HTML if answer["startnumber"] == 3 else answer

    ids, end = read(ClientBook(range(1, 11), mangle=html))
    assert not end.complete
    assert any("page at 3" in problem and "Oops" in problem for problem in end.problems)
    assert set(ids) >= {1, 2, 3, 4, 8, 9, 10}


def test_a_first_page_that_cannot_be_read_raises_its_own_error() -> None:
    with an_api(Scripted(Answer(503, HTML))) as api, pytest.raises(Unavailable):
        list(api.clients())


def test_when_whmcs_shuts_us_out_in_the_middle_nothing_more_is_asked() -> None:
    refusal = Answer(403, b'{"result":"error","message":"Authentication Failed"}')

    def shut(request: int, answer: dict[str, Any]) -> Response:
        return answer if request == 1 else refusal

    book = ClientBook(range(1, 301), mangle=shut)
    _, end = read(book)
    assert not end.complete
    assert len(book.offsets) < 6


def test_a_server_with_a_page_size_of_its_own_is_followed() -> None:
    """The server gives 25 rows a page whatever is asked for (facts sheet section 5)."""
    everyone = [client_row(number) for number in range(1, 101)]

    def capped(form: dict[str, str]) -> Response:
        start, limit = int(form["limitstart"]), min(25, int(form["limitnum"]))
        return page_of(everyone[start : start + limit], 100, start)

    with an_api(Scripted(capped)) as api:
        listing = api.clients()
        assert [client.id for page in listing for client in page] == list(range(1, 101))
        assert listing.end.complete


def test_a_server_that_gives_everything_at_once_is_done_in_one_call() -> None:
    book = [client_row(number) for number in range(1, 101)]
    adapter = Scripted(page_of(book, 100))
    with an_api(adapter, page_size=10) as api:
        assert len(api.clients().everything()) == 100
    assert len(adapter.forms) == 1


def test_a_server_that_ignores_the_start_is_noticed_early() -> None:
    book = [client_row(number) for number in range(1, 12)]
    adapter = Scripted(page_of(book, 5000))
    with an_api(adapter, page_size=10) as api:
        listing = api.clients()
        assert len([client for page in listing for client in page]) == 11
        assert not listing.end.complete
    assert len(adapter.forms) < 12


def test_without_a_count_only_a_page_with_nothing_new_is_the_end() -> None:
    everyone = [client_row(number) for number in range(1, 9)]

    def uncounted(form: dict[str, str]) -> Response:
        start, limit = int(form["limitstart"]), int(form["limitnum"])
        return {"result": "success", "clients": {"client": everyone[start : start + limit]}}

    with an_api(Scripted(uncounted), page_size=3) as api:
        listing = api.clients()
        assert [client.id for page in listing for client in page] == list(range(1, 9))
        assert listing.end.complete


def test_an_empty_list_without_a_count_proves_nothing() -> None:
    with an_api(Scripted({"result": "success", "clients": ""})) as api, pytest.raises(IncompleteList):
        api.clients().everything()


def test_rows_that_do_not_fit_the_filter_are_dropped_and_reported() -> None:
    """A server that does not know a parameter ignores it (story 17)."""
    everyone = [{**client_row(1), "userid": 7}, {**client_row(2), "userid": 8}]
    answer = {"result": "success", "totalresults": 2, "contacts": {"contact": everyone}}
    with an_api(Scripted(answer)) as api:
        assert [contact.id for contact in api.contacts(7)] == [1]  # type: ignore[arg-type]


def test_a_sweep_that_nobody_finishes_leaves_nothing_running() -> None:
    with an_api(Scripted(ClientBook(range(1, 500))), page_size=3, connections=2) as api:
        next(iter(api.clients()))


CHANGES = st.tuples(st.sampled_from(["delete", "insert", "append"]), st.integers(0, 40))
MANGLINGS = st.tuples(
    st.sampled_from(["drop", "repeat", "html", "empty", "wrong_page", "junk", "uncounted"]), st.integers(0, 40)
)


class Restless:
    """A book that changes, and a server that errs, at chosen requests. Its first rows have even ids."""

    def __init__(
        self, count: int, changes: dict[int, list[tuple[str, int]]], manglings: dict[int, tuple[str, int]]
    ) -> None:
        self.next_id = 2 * count + 2
        self.throughout = set(range(2, self.next_id, 2))
        self.changes = changes
        self.manglings = manglings

    def before(self, book: ClientBook, request: int) -> None:
        for kind, number in self.changes.get(request, []):
            if kind == "delete" and book.ids:
                self.throughout.discard(book.ids.pop(number % len(book.ids)))
            elif kind == "append":
                book.ids.append(self.next_id)
                self.next_id += 2
            elif kind == "insert" and 2 * number + 1 not in book.ids:
                book.ids = sorted([*book.ids, 2 * number + 1])

    def mangle(self, request: int, answer: dict[str, Any]) -> Response:
        kind, number = self.manglings.get(request, ("", 0))
        rows: list[Any] = answer["clients"]["client"]
        if kind == "drop" and rows:
            del rows[number % len(rows)]
        elif kind == "repeat" and rows:
            rows[-1] = rows[number % len(rows)]
        elif kind == "html":
            return HTML
        elif kind == "empty":
            return {**answer, "clients": ["", [], {}, None][number % 4]}
        elif kind == "wrong_page" and rows:
            answer["clients"]["client"] = [client_row(2 * (n + 1)) for n in range(len(rows))]
        elif kind == "junk":
            return b"<br />\n<b>Notice</b>: {undefined}\n" + json.dumps(answer).encode()
        elif kind == "uncounted":
            del answer["totalresults"]
        return answer


@settings(max_examples=examples(150), deadline=None)
@given(
    count=st.integers(0, 30),
    page_size=st.integers(1, 8),
    changes=st.dictionaries(st.integers(1, 12), st.lists(CHANGES, min_size=1, max_size=4), max_size=4),
    manglings=st.dictionaries(st.integers(1, 14), MANGLINGS, max_size=4),
)
def test_a_complete_list_has_every_row_that_was_there_throughout(
    count: int,
    page_size: int,
    changes: dict[int, list[tuple[str, int]]],
    manglings: dict[int, tuple[str, int]],
) -> None:
    """Whatever shifts, is dropped, repeated or mangled: complete means whole, and nobody comes twice."""
    restless = Restless(count, changes, manglings)
    book = ClientBook(sorted(restless.throughout), before=restless.before, mangle=restless.mangle)
    try:
        ids, end = read(book, page_size=page_size)
    except UnreadableReply:
        return  # a first page that cannot be read says so itself
    assert len(ids) == len(set(ids)) == end.rows
    if end.complete:
        assert restless.throughout <= set(ids)
    else:
        assert end.problems


@settings(max_examples=examples(120), deadline=None)
@example(ids=[1, 2, 3, 4, 5, 6], page_size=1, moves={5: [(4, 2)]}, others={2: 0}, other="delete")
@given(
    ids=st.lists(st.integers(1, 60), unique=True, max_size=25),
    page_size=st.integers(1, 6),
    moves=st.dictionaries(
        st.integers(1, 12), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=3), max_size=4
    ),
    others=st.dictionaries(st.integers(1, 12), st.integers(0, 40), max_size=3),
    other=st.sampled_from(["delete", "append"]),
)
def test_rows_that_move_in_an_unordered_list_are_never_lost_silently(
    ids: list[int],
    page_size: int,
    moves: dict[int, list[tuple[int, int]]],
    others: dict[int, int],
    other: str,
) -> None:
    """Where WHMCS cannot order by id, rows jump while others are deleted, or are added."""
    throughout = set(ids)

    def change(book: ClientBook, request: int) -> None:
        for taken, place in moves.get(request, []) if book.ids else []:
            row = book.ids.pop(taken % len(book.ids))
            book.ids.insert(place % (len(book.ids) + 1), row)
        if request in others and other == "append":
            book.ids.insert(others[request] % (len(book.ids) + 1), 100 + request)
        elif request in others and book.ids:
            throughout.discard(book.ids.pop(others[request] % len(book.ids)))

    got, end = read_unordered(ClientBook(ids, before=change), page_size=page_size)
    assert len(got) == len(set(got))
    if end.complete:
        assert throughout <= set(got)
    else:
        assert end.problems


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(0, 40), page_size=st.integers(1, 9), skipped=st.dictionaries(st.integers(1, 9), st.integers(0, 9))
)
def test_a_reply_that_skips_a_row_without_being_short_is_noticed(
    count: int, page_size: int, skipped: dict[int, int]
) -> None:
    """The server leaves one row out and fills the page with the next: only border and count can tell."""
    everyone = list(range(1, count + 1))
    asked_so_far = 0

    def skipping(form: dict[str, str]) -> Response:
        nonlocal asked_so_far
        asked_so_far += 1
        start, limit = int(form["limitstart"]), int(form["limitnum"])
        ids = everyone[start : start + limit + 1]
        left_out = skipped.get(asked_so_far)
        if left_out is not None and len(ids) > limit:
            del ids[left_out % limit]
        return page_of([client_row(number) for number in ids[:limit]], count, start)

    with an_api(Scripted(skipping), page_size=page_size) as api:
        listing = api.clients()
        got = [int(client.id) for page in listing for client in page]
        assert len(got) == len(set(got))
        assert not listing.end.complete or sorted(got) == everyone
