"""The inbox keeps what WHMCS told us, once, in order, until it is worked off."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.ports import EventState, InboxDepth

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOON = NOON + timedelta(seconds=30)
ANA, BOB = ClientId(1), ClientId(2)


def filled(*events: tuple[str, ClientId | None]) -> SqliteJournal:
    journal = SqliteJournal()
    for event_id, client in events:
        assert journal.accept_event(event_id, "InvoicePaid", client, {"id": event_id}, NOON)
    return journal


def ids(journal: SqliteJournal, at: datetime = NOON) -> list[str]:
    return [event.event_id for event in journal.waiting_events(at)]


def test_an_event_is_kept_once_however_often_it_is_delivered() -> None:
    journal = filled(("a", ANA))
    assert not journal.accept_event("a", "InvoicePaid", ANA, {"id": "again"}, SOON)
    (event,) = journal.waiting_events(NOON)
    assert (event.payload, event.received_at, event.tries) == ({"id": "a"}, NOON, 0)


def test_a_handled_event_is_known_when_it_comes_again() -> None:
    journal = filled(("a", ANA))
    journal.events_done([1], NOON)
    assert not journal.accept_event("a", "InvoicePaid", ANA, {}, SOON)
    assert ids(journal) == []
    assert [event.state for event in journal.events()] == [EventState.HANDLED]


def test_what_was_handled_a_month_ago_is_forgotten() -> None:
    journal = filled(("a", ANA), ("b", ANA))
    journal.events_done([1], NOON)
    journal.events_done([2], NOON + timedelta(days=31))
    assert [event.event_id for event in journal.events()] == ["b"]


def test_a_clients_later_events_wait_for_the_earlier_one() -> None:
    journal = filled(("a", ANA), ("b", BOB), ("c", ANA), ("d", None))
    journal.events_failed([1], "WHMCS did not answer", SOON)
    assert ids(journal) == ["b", "d"]
    assert ids(journal, SOON) == ["a", "b", "c", "d"]


def test_news_of_a_client_makes_its_earlier_events_due_again() -> None:
    """They may wait for a WHMCS that is back since; a payment does not wait with them."""
    journal = filled(("a", ANA), ("b", BOB))
    journal.events_failed([1, 2], "WHMCS did not answer", SOON)
    assert journal.accept_event("c", "InvoicePaid", ANA, {}, NOON)
    assert ids(journal) == ["a", "c"]


def test_events_about_nobody_known_hold_nobody_up() -> None:
    journal = filled(("a", None), ("b", None), ("c", ANA))
    journal.events_failed([1], "away", SOON)
    assert ids(journal) == ["b", "c"]


def test_a_poison_event_is_set_aside_and_holds_nobody_up() -> None:
    journal = filled(("a", ANA), ("b", ANA))
    journal.events_failed([1], "no such thing", None)
    assert ids(journal) == ["b"]
    (aside,) = journal.events(EventState.SET_ASIDE)
    assert (aside.event_id, aside.error, aside.tries) == ("a", "no such thing", 1)
    assert journal.inbox_depth() == InboxDepth(1, 1, NOON)
    journal.retry_event(1)
    assert ids(journal) == ["a", "b"]
    with pytest.raises(UnknownId, match="no event 1 was set aside"):
        journal.retry_event(1)


def test_events_outlive_the_process(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.accept_event("a", "InvoicePaid", ANA, {"vars": {"invoiceid": "7"}}, NOON)
    journal.close()
    again = SqliteJournal(tmp_path / "journal.db")
    assert [event.payload for event in again.waiting_events(NOON)] == [{"vars": {"invoiceid": "7"}}]
    again.close()


@given(st.lists(st.tuples(st.sampled_from(["come", "fail", "drop", "done"]), st.integers(0, 3)), max_size=25))
def test_whatever_happens_a_client_is_never_served_out_of_order(acts: list[tuple[str, int]]) -> None:
    journal, came = SqliteJournal(), 0
    at = NOON
    for act, who in acts:
        at += timedelta(seconds=1)
        if act == "come":
            came += 1
            journal.accept_event(f"e{came}", "ClientEdit", ClientId(who) if who else None, {}, at)
            continue
        events = journal.waiting_events(at)
        if not events:
            continue
        event = events[who % len(events)]
        earlier = [e for e in journal.events(EventState.WAITING) if e.number < event.number]
        due = [e for e in earlier if e.client == event.client and event.client is not None]
        assert all(e.next_try_at is None or e.next_try_at <= at for e in due)
        if act == "done":
            journal.events_done([event.number], at)
        else:
            journal.events_failed([event.number], "why", at + timedelta(seconds=3) if act == "fail" else None)
    counted = {state: len(journal.events(state, 100)) for state in EventState}
    assert sum(counted.values()) == came
