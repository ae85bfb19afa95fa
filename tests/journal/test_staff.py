"""Staff's side of the tasks: who is at it, what was said, put aside until a day; and one task for one cause of many."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.journal.values import AT, TODAY, a_note
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.tasks import MEMBERS_KEPT
from whmcs_bridge.policy.decision import Note

NEXT = TODAY + timedelta(days=1)
THIRD = TODAY + timedelta(days=2)
SERVER = "suspend fails on server 3"


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    opened = SqliteJournal()
    yield opened
    opened.close()


def on_server(*services: int, pile: str = SERVER) -> list[Note]:
    return [
        Note("module-failed:suspend", f"suspend of service {n} failed", "mend it", ClientId(n), ServiceId(n), pile=pile)
        for n in services
    ]


# --- one person's word ------------------------------------------------------------------------------


def test_who_is_at_it_is_kept_until_it_is_put_back(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.acknowledge_task(1, "ana", NEXT)
    journal.reconcile_tasks([a_note(text="due 4 days")], NEXT, complete=True)
    assert (journal.task(1).acknowledged_by, journal.task(1).acknowledged_on) == ("ana", NEXT)
    journal.set_task(1, "open", NEXT)
    assert (journal.task(1).acknowledged_by, journal.task(1).acknowledged_on) == ("", None)


def test_what_was_said_is_kept_with_who_and_when(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note(), a_note(service=2)], TODAY, complete=True)
    for author, text in (("ana", "called them"), ("ben", "they will pay")):
        journal.comment_task(2, AT, author, text)
    assert [(c.at, c.author, c.text) for c in journal.task_comments(2)] == [
        (AT, "ana", "called them"),
        (AT, "ben", "they will pay"),
    ]
    assert journal.task_comments(1) == []


def test_a_task_that_is_not_there_is_named_whatever_is_asked(journal: SqliteJournal) -> None:
    for ask in (
        lambda: journal.task(7),
        lambda: journal.acknowledge_task(7, "ana", TODAY),
        lambda: journal.comment_task(7, AT, "ana", "hm"),
    ):
        with pytest.raises(UnknownId, match="no task 7"):
            ask()


def test_a_snoozed_task_is_back_on_its_day(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.set_task(1, "snoozed", TODAY, until=THIRD)
    journal.reconcile_tasks([a_note()], NEXT, complete=True)
    assert journal.tasks(today=NEXT) == []
    assert [(t.number, t.state) for t in journal.tasks(today=THIRD)] == [(1, "open")], "also before a run has seen it"
    assert journal.tasks() == []
    journal.reconcile_tasks([a_note()], THIRD, complete=True)
    assert [(t.number, t.state, t.snoozed_until) for t in journal.tasks()] == [(1, "open", None)]


def test_a_snoozed_task_whose_cause_goes_first_does_not_come_back(journal: SqliteJournal) -> None:
    journal.reconcile_tasks([a_note()], TODAY, complete=True)
    journal.set_task(1, "snoozed", TODAY, until=THIRD)
    journal.reconcile_tasks([], NEXT, complete=True)
    journal.reconcile_tasks([], THIRD, complete=True)
    assert journal.tasks(today=THIRD) == []
    assert journal.task(1).state == "closed"


# --- one cause behind many ----------------------------------------------------------------------------


def test_a_module_that_fails_for_two_hundred_services_is_one_task_that_lists_them(journal: SqliteJournal) -> None:
    journal.reconcile_tasks(on_server(*range(1, 201)), TODAY, complete=True)
    (task,) = journal.tasks()
    assert (task.text, task.size, task.service) == ("suspend fails on server 3: 200 services", 200, None)
    assert [m.service for m in task.members] == list(range(1, 201))
    assert task.is_about(service=ServiceId(77))
    assert not task.is_about(service=ServiceId(201))


def test_a_pile_of_one_is_told_as_the_one_it_is(journal: SqliteJournal) -> None:
    journal.reconcile_tasks(on_server(5), TODAY, complete=True)
    (task,) = journal.tasks()
    assert (task.text, task.client, task.service) == ("suspend of service 5 failed", 5, 5)
    journal.reconcile_tasks(on_server(5, 6), NEXT, complete=True)
    (task,) = journal.tasks()
    assert (task.number, task.size, task.service) == (1, 2, None)


def test_two_servers_are_two_causes(journal: SqliteJournal) -> None:
    other = "suspend fails on server 4"
    journal.reconcile_tasks([*on_server(1, 2), *on_server(3, pile=other)], TODAY, complete=True)
    assert [(t.size, t.pile) for t in journal.tasks()] == [(2, SERVER), (1, other)]


def test_a_pile_closes_when_nothing_is_left_of_it(journal: SqliteJournal) -> None:
    for raised in (on_server(1, 2, 3), on_server(2), []):
        journal.reconcile_tasks(raised, TODAY, complete=True)
    assert journal.tasks() == []
    assert [m.service for m in journal.task(1).members] == [2]


def test_a_run_that_did_not_see_everything_takes_nothing_off_a_pile(journal: SqliteJournal) -> None:
    journal.reconcile_tasks(on_server(1, 2), TODAY, complete=True)
    journal.reconcile_tasks(on_server(3), NEXT, complete=False)
    assert [m.service for m in journal.task(1).members] == [1, 2, 3]


def test_a_pile_that_was_done_is_open_again_when_something_joins_it(journal: SqliteJournal) -> None:
    journal.reconcile_tasks(on_server(1, 2), TODAY, complete=True)
    journal.acknowledge_task(1, "ana", TODAY)
    journal.set_task(1, "done", TODAY)
    journal.reconcile_tasks(on_server(2), NEXT, complete=True)
    assert journal.tasks() == [], "what is left of it was looked at"
    journal.reconcile_tasks(on_server(2, 9), THIRD, complete=True)
    (task,) = journal.tasks()
    assert (task.number, task.acknowledged_by, task.closed_on) == (1, "", None)


def test_what_hooks_tell_of_one_by_one_joins_its_pile(journal: SqliteJournal) -> None:
    for note in on_server(1, 2, 1):
        journal.add_task(note, TODAY, by_hand=False)
    (task,) = journal.tasks()
    assert [m.service for m in task.members] == [1, 2]
    journal.reconcile_tasks([], NEXT, complete=True)
    assert journal.tasks() == [], "no run raises it any more"


def test_a_long_list_is_counted_whole_and_kept_in_part(journal: SqliteJournal) -> None:
    journal.reconcile_tasks(on_server(*range(1, MEMBERS_KEPT + 500)), TODAY, complete=True)
    (task,) = journal.tasks()
    assert (task.size, len(task.members)) == (MEMBERS_KEPT + 499, MEMBERS_KEPT)
