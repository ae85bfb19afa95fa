"""`tasks`: what staff reads, says and marks."""

from datetime import date
from pathlib import Path

import pytest

from tests.commands.desk import Desk, a_desk
from tests.journal.values import TODAY
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.policy.decision import Note

DAY = date(2025, 3, 11)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return a_desk(tmp_path, monkeypatch)


def a_note(code: str, service: int, *, pile: str = "", text: str = "") -> Note:
    return Note(code, text or f"{code} of {service}", "look at it", ClientId(1), ServiceId(service), pile=pile)


def raised(desk: Desk, *notes: Note, day: date = TODAY) -> None:
    with desk.journal() as journal:
        journal.reconcile_tasks(notes, day, complete=True)


def test_an_empty_desk_says_so(desk: Desk) -> None:
    assert desk.run("tasks") == "Nothing to do.\n"


def test_the_list_says_what_since_when_and_how_many(desk: Desk) -> None:
    raised(desk, a_note("credit", 4))
    raised(desk, a_note("credit", 4), a_note("moved", 5), day=DAY)
    shown = desk.run("tasks")
    assert "2025-03-10" in shown
    assert "service 5" in shown
    assert "2 open (1 new today)." in shown
    assert "whmcs-bridge tasks show 1" in shown


def test_five_hundred_blank_suspensions_are_read_as_one_line(desk: Desk) -> None:
    raised(desk, a_note("moved", 1), *(a_note("blank-suspension", n) for n in range(2, 502)))
    shown = desk.run("tasks")
    assert "500 times" in shown
    assert "501 open" in shown
    assert "whmcs-bridge tasks --code blank-suspension" in shown
    assert len(shown.splitlines()) < 10
    assert len(desk.json("tasks", "--code", "blank-suspension")) == 500


def test_what_somebody_is_at_is_read_alone(desk: Desk) -> None:
    raised(desk, *(a_note("blank-suspension", n) for n in range(1, 11)))
    desk.run("tasks", "ack", "4")
    shown = desk.run("tasks")
    assert "9 times" in shown
    assert "[ana] blank-suspension of 4" in shown


def test_tasks_are_found_by_what_they_are_about(desk: Desk) -> None:
    server = "suspend fails on server 3"
    raised(
        desk,
        a_note("moved", 1),
        a_note("module-failed:suspend", 2, pile=server),
        a_note("module-failed:suspend", 3, pile=server),
    )
    assert [t["number"] for t in desk.json("tasks", "--service", "3")] == [2]
    assert [t["number"] for t in desk.json("tasks", "--client", "1")] == [1, 2]
    assert [t["number"] for t in desk.json("tasks", "--code", "module-failed")] == [2]
    assert "No task answers to that." in desk.run("tasks", "--service", "77")


def test_a_task_shows_all_of_itself_and_what_to_type(desk: Desk) -> None:
    raised(desk, a_note("approval", 34, text="terminate withheld: waits for a person"))
    desk.run("tasks", "ack", "1")
    desk.run("tasks", "comment", "1", "they promised to pay")
    shown = desk.run("tasks", "show", "1")
    for said in (
        "terminate withheld: waits for a person",
        "look at it",
        "2025-03-10",
        "ana, since 2025-03-11",
        "ana: they promised to pay",
        "whmcs-bridge approve 34",
        "whmcs-bridge explain service:34",
        "whmcs-bridge tasks done 1",
    ):
        assert said in shown, said
    told = desk.json("tasks", "show", "1")
    assert told["acknowledged_by"] == "ana"
    assert [(c["author"], c["text"]) for c in told["comments"]] == [("ana", "they promised to pay")]
    assert "whmcs-bridge approve 34" in told["commands"]


def test_a_task_of_many_lists_them(desk: Desk) -> None:
    server = "suspend fails on server 3"
    raised(
        desk, *(a_note("module-failed:suspend", n, pile=server, text=f"service {n}: refused") for n in range(1, 201))
    )
    shown = desk.run("tasks", "show", "1")
    assert "suspend fails on server 3: 200 services" in shown
    assert "and 160 more (--all shows 200)" in shown
    assert "service 200: refused" in desk.run("tasks", "show", "1", "--all")
    assert desk.json("tasks", "show", "1")["count"] == 200


def test_a_snoozed_task_is_away_until_its_day(desk: Desk) -> None:
    raised(desk, a_note("moved", 1), a_note("moved", 2))
    assert desk.run("tasks", "snooze", "1", "--until", "2025-03-14") == "task 1: snoozed until 2025-03-14\n"
    assert [t["number"] for t in desk.json("tasks")] == [2]
    assert "1 snoozed (--all)." in desk.run("tasks")
    desk.day = "2025-03-14"
    assert [(t["number"], t["state"]) for t in desk.json("tasks")] == [(1, "open"), (2, "open")]


def test_a_snooze_until_today_is_refused(desk: Desk) -> None:
    raised(desk, a_note("moved", 1))
    assert "expected a day after today" in desk.run("tasks", "snooze", "1", "--until", "2025-03-11", code=2)
    assert [t["state"] for t in desk.json("tasks")] == ["open"]


def test_many_are_marked_at_once(desk: Desk) -> None:
    raised(desk, *(a_note("blank-suspension", n) for n in range(1, 8)), a_note("moved", 9))
    desk.run("tasks", "done", "--code", "blank-suspension", "--comment", "all of them are ours")
    assert [t["code"] for t in desk.json("tasks")] == ["moved"]
    assert [c["text"] for c in desk.json("tasks", "show", "3")["comments"]] == ["all of them are ours"]
    desk.run("tasks", "reopen", "2", "3")
    assert [t["number"] for t in desk.json("tasks")] == [2, 3, 8]


@pytest.mark.parametrize("args", [("ack",), ("done",), ("snooze",), ("reopen",), ("done", "--code", "nothing-like-it")])
def test_marking_nothing_is_a_mistake(desk: Desk, args: tuple[str, ...]) -> None:
    assert "name a task by its number" in desk.run("tasks", *args, code=2)


@pytest.mark.parametrize("args", [("show", "7"), ("ack", "7"), ("comment", "7", "hm"), ("done", "7"), ("snooze", "7")])
def test_a_task_that_is_not_there_is_named(desk: Desk, args: tuple[str, ...]) -> None:
    assert "no task 7" in desk.run("tasks", *args, code=2)


def test_an_empty_comment_is_refused(desk: Desk) -> None:
    raised(desk, a_note("moved", 1))
    assert "an empty comment says nothing" in desk.run("tasks", "comment", "1", " ", code=2)
