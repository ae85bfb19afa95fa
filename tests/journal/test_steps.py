"""Runs and steps: what was begun, how it went, and what a day has seen."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.journal.values import AT, TODAY, a_step
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import Journal, RunInfo, StepState

TOMORROW = TODAY + timedelta(days=1)
LATER = AT + timedelta(minutes=1)


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    opened = SqliteJournal()
    yield opened
    opened.close()


def begin_run(journal: Journal, day: int = 0) -> int:
    shift = timedelta(days=day)
    return journal.begin_run("sync", "enforce", TODAY + shift, AT + shift, "v1")


def begin(journal: Journal, run: int, kind: Kind = Kind.SUSPEND, service: int = 1, *, announced: bool = False) -> int:
    return journal.begin(run, a_step(kind, service, announced=announced), AT, "sync", "v1")


def test_the_journal_is_the_port_the_jobs_know() -> None:
    """mypy checks the assignment."""
    journal: Journal = SqliteJournal()
    assert journal.runs() == []
    journal.close()


def test_a_run_is_kept_from_its_beginning(journal: SqliteJournal) -> None:
    run = begin_run(journal)
    expected = RunInfo(run, "sync", "enforce", TODAY, AT, None, "running", "v1", "")
    assert journal.runs() == [expected]
    assert journal.last_run("sync") is None
    journal.end_run(run, LATER, "ok", "2 done")
    ended = RunInfo(run, "sync", "enforce", TODAY, AT, LATER, "ok", "v1", "2 done")
    assert journal.last_run("sync") == ended
    assert journal.last_run("apply") is None
    other = begin_run(journal, 1)
    assert [r.number for r in journal.runs()] == [other, run]
    assert [r.number for r in journal.runs(limit=1)] == [other]
    journal.begin_run("hook", "enforce", TODAY, LATER, "v1")
    assert [r.number for r in journal.runs(2, "sync")] == [other, run]
    assert journal.runs(job="apply") == []


def test_a_step_is_open_until_its_outcome_is_known(journal: SqliteJournal) -> None:
    run = begin_run(journal)
    numbers = [begin(journal, run, service=s) for s in (1, 2, 3)]
    journal.end(numbers[0], StepState.DONE, LATER, "read back: Suspended")
    journal.end(numbers[2], StepState.UNKNOWN, LATER, "no answer")
    assert [(s.number, s.state) for s in journal.open_steps()] == [
        (numbers[1], StepState.BEGUN),
        (numbers[2], StepState.UNKNOWN),
    ]
    done = journal.steps(service=ServiceId(1))[0]
    assert (done.run, done.step, done.begun_at, done.ended_at) == (run, a_step(service=1), AT, LATER)
    assert (done.note, done.actor, done.policy_version) == ("read back: Suspended", "sync", "v1")


def test_steps_are_found_by_what_they_are_about(journal: SqliteJournal) -> None:
    first, second = begin_run(journal), begin_run(journal, 1)
    one = begin(journal, first, Kind.SUSPEND, 1)
    two = begin(journal, first, Kind.NOTICE, 2)
    three = journal.begin(second, a_step(Kind.VIP_ADD, None, client=9), AT, "staff", "v2")
    found = {
        "client": journal.steps(client=ClientId(9)),
        "service": journal.steps(service=ServiceId(2)),
        "run": journal.steps(run=first),
        "kind": journal.steps(kind="suspend"),
        "day": journal.steps(day=TOMORROW),
        "both": journal.steps(run=first, kind="notice"),
        "limit": journal.steps(limit=2),
    }
    assert {name: [s.number for s in steps] for name, steps in found.items()} == {
        "client": [three],
        "service": [two],
        "run": [two, one],
        "kind": [one],
        "day": [three],
        "both": [two],
        "limit": [three, two],
    }


def test_a_day_counts_what_was_or_may_have_been_done(journal: SqliteJournal) -> None:
    """Skipped and failed steps did nothing; an unknown one may have."""
    run = begin_run(journal)
    for state in StepState:
        number = begin(journal, run, service=1)
        if state is not StepState.BEGUN:
            journal.end(number, state, LATER, "")
    begin(journal, run, announced=True)
    begin(journal, begin_run(journal, 1), Kind.TERMINATE, 8)
    assert journal.counts(TODAY) == {("suspend", False): 3, ("suspend", True): 1}
    assert journal.counts(TOMORROW) == {("terminate", False): 1}
    assert journal.counts(TODAY - timedelta(days=1)) == {}


def test_a_run_over_midnight_counts_on_its_own_house_day(journal: SqliteJournal) -> None:
    run = begin_run(journal)
    journal.begin(run, a_step(), AT + timedelta(hours=20), "sync", "v1")
    assert journal.counts(TODAY) == {("suspend", False): 1}


def test_only_suspensions_and_terminations_bar_a_second_act_on_the_day(journal: SqliteJournal) -> None:
    run = begin_run(journal)
    begin(journal, run, Kind.SUSPEND, 1)
    begin(journal, run, Kind.TERMINATE, 2)
    begin(journal, run, Kind.NOTICE, 3)
    begin(journal, run, Kind.UNSUSPEND, 4)
    journal.end(begin(journal, run, Kind.SUSPEND, 5), StepState.FAILED, LATER, "module said no")
    assert journal.acted_on(TODAY) == {1, 2}
    assert journal.acted_on(TOMORROW) == set()


def test_the_usual_is_counted_over_days_that_had_such_a_step(journal: SqliteJournal) -> None:
    for day, steps in {0: 3, 1: 0, 2: 1, 3: 2}.items():
        run = begin_run(journal, day)
        for service in range(steps):
            begin(journal, run, service=service + 1)
        journal.end(begin(journal, run, service=99), StepState.SKIPPED, LATER, "paid")
    assert journal.usual(["suspend"], TODAY + timedelta(days=4)) == [2, 1, 3]
    assert journal.usual(["suspend"], TODAY + timedelta(days=3)) == [1, 3]
    assert journal.usual(["suspend"], TODAY + timedelta(days=4), days=2) == [2, 1]
    assert journal.usual(["terminate"], TOMORROW) == []


def test_the_usual_of_several_kinds_is_counted_together_and_what_was_announced_can_be_left_out(
    journal: SqliteJournal,
) -> None:
    for day, kinds in {0: [Kind.VIP_ADD, Kind.VIP_REMOVE], 1: [Kind.VIP_ADD], 2: [Kind.SUSPEND]}.items():
        run = begin_run(journal, day)
        for service, kind in enumerate(kinds, 1):
            begin(journal, run, kind, service)
        begin(journal, run, Kind.SUSPEND, 9, announced=True)
    later = TODAY + timedelta(days=5)
    assert journal.usual(["vip_add", "vip_remove"], later) == [1, 2]
    assert journal.usual(["suspend"], later) == [2, 1, 1]
    assert journal.usual(["suspend"], later, announced=False) == [1]
