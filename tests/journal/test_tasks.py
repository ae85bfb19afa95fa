"""Tasks: one per cause, closed when the cause is gone, never nagging about what staff is done with."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.values import TODAY, a_note
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.ports import Journal

NEXT = TODAY + timedelta(days=1)
THIRD = TODAY + timedelta(days=2)


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    opened = SqliteJournal()
    yield opened
    opened.close()


def states(journal: Journal) -> list[tuple[int, str]]:
    return [(task.number, task.state) for task in journal.tasks(open_only=False)]


def test_a_cause_raised_every_day_is_one_task(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note(text="due 3 days"), a_note(service=2)], TODAY, complete=True)
    journal.reconcile_tasks([a_note(text="due 4 days"), a_note(service=2)], NEXT, complete=True)
    first, second = journal.tasks()
    assert (first.text, first.todo, first.opened_on, first.last_seen_on) == ("due 4 days", "look at it", TODAY, NEXT)
    assert (first.code, first.client, first.service, first.invoice) == ("moved", 1, 1, None)
    assert second.service == 2


def test_a_cause_that_is_gone_closes_its_task(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note(), a_note(service=2)], TODAY, complete=True)
    journal.reconcile_tasks([a_note(service=2)], NEXT, complete=True)
    assert [task.service for task in journal.tasks()] == [2]
    closed = journal.tasks(open_only=False)[0]
    assert (closed.state, closed.closed_on, closed.last_seen_on) == ("closed", NEXT, TODAY)


def test_a_run_that_did_not_see_everything_closes_nothing(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.reconcile_tasks([a_note(service=2)], NEXT, complete=False)
    assert [task.service for task in journal.tasks()] == [1, 2]


def test_a_cause_that_comes_back_is_a_new_task(journal: SqliteJournal) -> None:
    for raised in ([a_note()], [], [a_note()]):
        journal.reconcile_tasks(raised, TODAY, complete=True)
    assert states(journal) == [(1, "closed"), (2, "open")]


@pytest.mark.parametrize("state", ["done", "snoozed"])
def test_what_staff_put_aside_stays_aside_while_its_cause_lasts(journal: SqliteJournal, state: str) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.set_task(1, state, TODAY, "called them")
    journal.reconcile_tasks([a_note()], NEXT, complete=True)
    assert journal.tasks() == []
    task = journal.tasks(open_only=False)[0]
    assert (task.state, task.comment, task.last_seen_on) == (state, "called them", NEXT)
    journal.reconcile_tasks([], NEXT, complete=True)
    journal.reconcile_tasks([a_note()], THIRD, complete=True)
    assert [(task.number, task.opened_on) for task in journal.tasks()] == [(2, THIRD)]
    assert states(journal)[0] == (1, "done" if state == "done" else "closed")


def test_a_task_that_no_run_raises_waits_for_staff(journal: SqliteJournal) -> None:
    """A service without a module was suspended by its status only: somebody has to switch it off."""
    journal.add_task(a_note("no-module"), TODAY)
    journal.add_task(a_note("no-module", text="again"), NEXT)
    journal.reconcile_tasks([], NEXT, complete=True)
    assert [(task.text, task.opened_on) for task in journal.tasks()] == [("again", TODAY)]
    journal.set_task(1, "done", NEXT)
    assert journal.tasks() == []
    journal.add_task(a_note("no-module"), THIRD)
    assert states(journal) == [(1, "done"), (2, "open")]


def test_staff_may_open_a_task_again(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.set_task(1, "done", TODAY, "first comment")
    journal.set_task(1, "open", NEXT)
    task = journal.tasks()[0]
    assert (task.closed_on, task.comment) == (None, "first comment")


def test_an_unknown_task_is_named(journal: SqliteJournal) -> None:
    with pytest.raises(UnknownId, match="no task 7"):
        journal.set_task(7, "done", TODAY)


DAY_NOTES = st.sets(st.integers(1, 4))


@settings(max_examples=40)
@given(st.lists(st.tuples(DAY_NOTES, st.booleans()), max_size=8))
def test_open_tasks_are_what_was_raised_since_the_last_run_that_saw_everything(
    days: list[tuple[set[int], bool]],
) -> None:
    journal = SqliteJournal()
    expected: set[int] = set()
    for number, (services, complete) in enumerate(days):
        today: date = TODAY + timedelta(days=number)
        journal.reconcile_tasks([a_note(service=s) for s in services], today, complete=complete)
        expected = services if complete else expected | services
        assert {task.service for task in journal.tasks()} == expected
        assert len(journal.tasks()) == len(expected)
    journal.close()
