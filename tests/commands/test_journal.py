"""`journal`: who did what, when, why, by which rules."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.commands.desk import Desk, a_desk
from tests.journal.test_export import an_act, filled
from tests.journal.values import AT, TODAY, a_step
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState

OLD = json.dumps({"defaults": {"suspend_after_days": 3}, "messages": {}}, indent=1)
NEW = json.dumps({"defaults": {"suspend_after_days": 5}, "messages": {}}, indent=1)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return a_desk(tmp_path, monkeypatch)


def stepped(desk: Desk, *steps: tuple[Kind, int, date, str, StepState]) -> None:
    with desk.journal() as journal:
        for kind, service, day, actor, state in steps:
            run = journal.begin_run("sync", "enforce", day, AT, "v1")
            number = journal.begin(run, a_step(kind, service, day=day), AT, actor, "v1")
            journal.end(number, state, AT, "")


def test_the_story_of_a_service_is_one_timeline(desk: Desk) -> None:
    with desk.journal() as journal:
        filled(journal)
    shown = desk.run("journal", "--service", "1")
    for said in (
        "suspend",
        "others: unsuspend",
        "staff ben",
        "would terminate",
        "approval terminate",
        "called them",
        "task 1",
    ):
        assert said in shown, said
    assert "whmcs-bridge journal policy v1" in shown
    assert {line["type"] for line in desk.json("journal", "--service", "1")} >= {"step", "foreign_act", "task_comment"}


def test_steps_are_found_by_days_state_and_actor(desk: Desk) -> None:
    days = [TODAY + timedelta(days=n) for n in range(4)]
    stepped(
        desk,
        (Kind.SUSPEND, 1, days[0], "bridge", StepState.DONE),
        (Kind.SUSPEND, 2, days[1], "ana", StepState.FAILED),
        (Kind.UNSUSPEND, 3, days[2], "ana", StepState.DONE),
        (Kind.SUSPEND, 4, days[3], "bridge", StepState.DONE),
    )

    def services(*args: str) -> list[int]:
        return [entry["step"]["service"] for entry in desk.json("journal", *args) if entry["type"] == "step"]

    assert services() == [4, 3, 2, 1]
    assert services("--since", str(days[1]), "--until", str(days[2])) == [3, 2]
    assert services("--date", str(days[3])) == [4]
    assert services("--state", "failed") == [2]
    assert services("--actor", "ana") == [3, 2]
    assert services("--actor", "ana", "--kind", "suspend") == [2]
    assert services("--service", "2", "--state", "failed") == [2]
    assert "By bridge, ana." in desk.run("journal")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--date", "2025-03-10", "--since", "2025-03-01"), "--date is one day"),
        (("--since", "2025-03-10", "--until", "2025-03-01"), "is after --until"),
        (("--state", "finished"), "expected one of begun, done"),
        (("--kind", "delete"), "expected one of"),
        (("policy", "77"), "no rules of version 77"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(desk: Desk, args: tuple[str, ...], said: str) -> None:
    assert said in desk.run("journal", *args, code=2)


def test_nothing_found_is_said(desk: Desk) -> None:
    for args in ((), ("--kind", "suspend"), ("--date", "2025-03-10")):
        assert desk.run("journal", *args) == "Nothing in the journal answers to that.\n"


@pytest.mark.parametrize(
    "args", [("--service", "7"), ("--client", "7"), ("--run", "7"), ("--service", "7", "--since", "2025-01-01")]
)
def test_what_neither_mirror_nor_journal_has_ever_heard_of_is_refused(desk: Desk, args: tuple[str, ...]) -> None:
    with desk.journal() as journal:
        filled(journal)
    said = desk.run("journal", *args, code=2)
    assert said.startswith(f"error: no {args[0][2:]} 7")
    assert len(said.splitlines()) == 1


def test_nothing_on_the_days_asked_about_is_no_error_for_a_service_that_is_known(desk: Desk) -> None:
    with desk.journal() as journal:
        filled(journal)
    assert "Nothing in the journal" in desk.run("journal", "--service", "1", "--until", "2001-01-01")
    assert "Nothing in the journal" in desk.run("journal", "--run", "1", "--kind", "unsuspend")


def test_a_day_without_steps_tells_its_runs_and_what_others_did(desk: Desk) -> None:
    with desk.journal() as journal:
        for job in ("adopt", "pause", "sync"):
            run = journal.begin_run(job, "shadow", TODAY, AT, "v1")
            journal.end_run(run, AT, "ok", f"what {job} says")
        journal.save_foreign_acts(run, [an_act()])
    shown = desk.run("journal", "--date", str(TODAY))
    for said in ("run 1: adopt", "run 2: pause", "run 3: sync", "what sync says", "others: unsuspend"):
        assert said in shown, said
    assert {line["type"] for line in desk.json("journal", "--date", str(TODAY))} == {"run", "foreign_act"}
    assert "Nothing" in desk.run("journal", "--date", str(TODAY - timedelta(days=1)))


def test_the_story_of_a_service_tells_who_confirmed_whose_its_suspension_is(desk: Desk) -> None:
    with desk.journal() as journal:
        filled(journal)
        journal.add_evidence(ServiceId(1), AT, {"kind": "adoption", "whose": "whmcs", "by": "eva"})
    shown = desk.run("journal", "--service", "1")
    assert "confirmed" in shown
    assert "eva" in shown
    (told,) = [line for line in desk.json("journal", "--service", "1") if line["type"] == "evidence"]
    assert told["payload"] == {"kind": "adoption", "whose": "whmcs", "by": "eva"}


def test_rules_are_listed_printed_and_compared(desk: Desk) -> None:
    with desk.journal() as journal:
        journal.note_policy("aa11" * 16, OLD, TODAY)
        journal.note_policy("bb22" * 16, NEW, TODAY + timedelta(days=1))
    shown = desk.run("journal", "policies")
    assert shown.index("bb22bb22bb") < shown.index("aa11aa11aa")
    assert desk.run("journal", "policy", "aa") == OLD + "\n"
    difference = desk.run("journal", "policy", "bb", "--diff", "aa")
    assert '-  "suspend_after_days": 3' in difference
    assert '+  "suspend_after_days": 5' in difference
    assert desk.run("journal", "policy", "aa", "--diff", "aa") == "no difference\n"
    assert desk.json("journal", "policy", "bb", "--diff", "aa")["diff"]


def test_a_version_that_could_be_two_is_refused(desk: Desk) -> None:
    with desk.journal() as journal:
        journal.note_policy("aa1", OLD, TODAY)
        journal.note_policy("aa2", NEW, TODAY)
    assert "2 versions begin with aa" in desk.run("journal", "policy", "aa", code=2)


def test_the_export_is_one_object_a_line(desk: Desk) -> None:
    with desk.journal() as journal:
        filled(journal)
        journal.save_foreign_acts(1, [an_act(day=TODAY + timedelta(days=5))])
    told = [json.loads(line) for line in desk.run("journal", "export").splitlines()]
    assert told[0]["version"] == 1
    assert len([line for line in told if line["type"] == "foreign_act"]) == 3
    cut = desk.run("journal", "export", "--until", str(TODAY)).splitlines()
    assert len([line for line in map(json.loads, cut) if line["type"] == "foreign_act"]) == 2
