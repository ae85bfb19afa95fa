"""What keeps and tells staff on every day, killed anywhere: limits, tasks with staff's marks, the morning mail."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.place import Place, Trial
from tests.crash.test_kill import differences, some_kills
from tests.effort import SOAK
from tests.house import HOSTING, WARNED, House
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.journal import SqliteJournal

DUE = 4
"""Suspensions that are due on the limited morning."""
KILLS = 10


def tried(
    place: Place,
    end: Callable[[Trial], dict[str, Any]],
    act: Callable[[Bridge], object],
    *,
    after: Callable[[Trial, bool], list[str]] = lambda _trial, _killed: [],
    calls: tuple[str, ...] = ("Update", "Module", "Send"),
    kills: int = KILLS,
    seed: int = 1,
) -> None:
    """Kill `act` at some places; `end` plays on and says what came of it, which is what an undisturbed twin came to.

    `after` looks at what the one that died left behind, and returns what is wrong with it.
    """
    twin = place.trial()
    run = twin.run(act)
    wanted = end(twin)
    wrong, died = [], 0
    for kill in some_kills(run, Random(seed), kills, calls):
        trial = place.trial()
        killed = trial.run(act, kill).killed
        died += killed
        found = after(trial, killed) + differences(end(trial), wanted)
        if found:
            where = run.boundaries[kill.number - 1] if kill.where == "boundary" else run.calls[kill.number - 1]
            wrong.append(f"{kill} ({where}):\n    " + "\n    ".join(found))
        trial.clear()
    assert not wrong, f"{len(wrong)} of {died} kills:\n" + "\n".join(wrong[:8])
    assert died >= min(kills, 8)


# --- limits -----------------------------------------------------------------------------------------


def a_limited_morning(base: Path, allowed: int) -> Place:
    def furnish(house: House) -> None:
        for _ in range(DUE):
            house.a_debtor(overdue=3)

    limits = {"suspend": {"always_allowed": 0, "max": allowed, "percent": 100}}
    return Place.furnished(base, {"class": {"hosting": HOSTING}, "limits": limits}, furnish)


def suspended(trial: Trial) -> int:
    return sum(event.kind == "module:suspend" for event in trial.world.log)


def tasks_of(trial: Trial) -> dict[int, tuple[Any, ...]]:
    """Every task as staff sees it, closed ones too, with what was said."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return {
            t.number: (
                *(t.code, t.text, t.client, t.service, t.invoice, t.pile, t.size, t.state, t.opened_on, t.closed_on),
                *(t.comment, t.acknowledged_by, t.acknowledged_on, t.snoozed_until),
                tuple((c.author, c.text) for c in journal.task_comments(t.number)),
            )
            for t in journal.tasks(open_only=False)
        }
    finally:
        journal.close()


def counted(trial: Trial) -> dict[str, Any]:
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return {
            **trial.state(),
            "suspended": suspended(trial),
            "counted": {kind: n for (kind, _), n in journal.counts(trial.world.today).items()},
        }
    finally:
        journal.close()


def outcome(trial: Trial) -> str:
    """How the last run ended."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return journal.runs(1)[0].outcome
    finally:
        journal.close()


def limit_tasks(trial: Trial) -> list[str]:
    return [task[1] for task in tasks_of(trial).values() if task[0] == "limit:suspend" and task[7] == "open"]


def test_what_a_killed_run_did_counts_for_the_day_once_and_no_more(tmp_path: Path) -> None:
    """As many are due as may be: counted twice, the rest is refused; forgotten, one more of the same day passes."""
    place = a_limited_morning(tmp_path, DUE)

    def end(trial: Trial) -> dict[str, Any]:
        trial.sync()
        trial.sync()
        before = counted(trial)
        a_debtor_more(trial)
        trial.sync()
        return {**before, "refused": limit_tasks(trial), "after the refusal": suspended(trial)}

    def a_debtor_more(trial: Trial) -> None:
        house = House(trial.world, None, None)  # type: ignore[arg-type]
        house.a_debtor(overdue=3)

    twin = end(place.trial())
    assert (twin["suspended"], twin["after the refusal"]) == (DUE, DUE)
    assert twin["counted"] == {"suspend": DUE}
    assert twin["refused"] == [f"{DUE + 1} suspend steps, {DUE} a day allowed"]
    tried(place, end, Bridge.sync)


def test_a_refused_morning_stays_refused_wherever_the_run_died(tmp_path: Path) -> None:
    place = a_limited_morning(tmp_path, DUE - 1)

    def end(trial: Trial) -> dict[str, Any]:
        trial.sync()
        return {**counted(trial), "refused": limit_tasks(trial), "tasks": tasks_of(trial), "unfinished": outcome(trial)}

    twin = end(place.trial())
    assert (twin["suspended"], twin["counted"]) == (0, {})
    assert twin["refused"] == [f"{DUE} suspend steps, {DUE - 1} a day allowed"]
    tried(place, end, Bridge.sync, after=lambda trial, _: ["acted"] * suspended(trial))


# --- the morning mail -------------------------------------------------------------------------------


def mails_to_staff(trial: Trial) -> int:
    today = trial.world.today
    return sum(event.kind == "email:staff" and event.at.date() == today for event in trial.world.log)


def test_the_morning_mail_goes_at_most_once_whatever_dies_and_its_file_is_there(tmp_path: Path) -> None:
    def furnish(house: House) -> None:
        house.a_debtor(overdue=2)
        house.a_debtor(overdue=3)

    place = Place.furnished(tmp_path, {"class": {"hosting": WARNED}, "staff": {"morning_mail": "always"}}, furnish)
    left: dict[Path, str] = {}

    def after(trial: Trial, killed: bool) -> list[str]:
        journal = SqliteJournal(trial.folder / "journal.db")
        mail = journal.morning_mail(trial.world.today)
        journal.close()
        left[trial.folder] = mail.state if mail is not None else ""
        return []

    def end(trial: Trial) -> dict[str, Any]:
        had, state = mails_to_staff(trial), left.get(trial.folder, "")
        trial.sync()
        trial.sync()
        journal = SqliteJournal(trial.folder / "journal.db")
        mail = journal.morning_mail(trial.world.today)
        codes = {task.code for task in journal.tasks()}
        journal.close()
        assert mail is not None
        sent, path = mails_to_staff(trial), trial.folder / "morning" / f"{trial.world.today}.txt"
        return {
            "once": sent == 1 if mail.state == "sent" else (mail.state, sent) in (("begun", 0), ("begun", 1)),
            "begun is not sent again": state != "begun" or (mail.state, sent) == ("begun", had),
            "not begun is sent": state != "" or mail.state == "sent",
            "in doubt is said": ("morning-mail" in codes) == (mail.state == "begun"),
            "file": path.read_text("utf-8") == f"{mail.subject}\n\n{mail.text}",
            "no part of a file": [p.name for p in path.parent.iterdir()] == [path.name],
        }

    assert set(end(place.trial()).values()) == {True}
    tried(place, end, Bridge.sync, after=after, calls=("SendAdmin",), kills=16)


# --- tasks ------------------------------------------------------------------------------------------


def a_morning_with_tasks(base: Path) -> Place:
    """Staff has said something of four tasks; one cause is gone by now, and two are new."""

    def furnish(house: House) -> None:
        blank = [house.a_service(status="Suspended") for _ in range(5)]
        house.a_service(next_due=house.day(-40))
        house.sync()
        journal, today, now = house.bridge.journal, house.today, house.bridge.clock.now()
        numbers = [task.number for task in journal.tasks()]
        assert len(numbers) >= 4, "a blank suspension is a task"
        journal.acknowledge_task(numbers[0], "ana", today)
        journal.comment_task(numbers[0], now, "ana", "asked the client")
        journal.set_task(numbers[1], "snoozed", today, "next week", until=today + timedelta(days=7))
        journal.set_task(numbers[2], "done", today, "it stays down")
        journal.set_task(numbers[3], "snoozed", today, "until tomorrow", until=today + timedelta(days=1))
        house.pass_days()
        blank[4].status = "Active"
        for _ in range(2):
            house.a_service(status="Suspended")
            house.a_service(next_due=house.day(-40))

    return Place.furnished(base, {"class": {"hosting": HOSTING}}, furnish)


def test_tasks_are_one_a_cause_and_keep_what_staff_said_wherever_a_run_died(tmp_path: Path) -> None:
    place = a_morning_with_tasks(tmp_path)

    def end(trial: Trial) -> dict[str, Any]:
        trial.sync()
        trial.sync()
        return {"tasks": tasks_of(trial)}

    twin = end(place.trial())["tasks"]
    causes = [(task[0], task[2:6]) for task in twin.values() if task[7] != "closed"]
    assert len(causes) == len(set(causes))
    assert {task[7] for task in twin.values()} >= {"open", "done", "snoozed"}
    assert any(task[-1] == (("ana", "asked the client"),) for task in twin.values())
    tried(place, end, Bridge.sync)


@pytest.mark.skipif(SOAK < 3, reason="a soak: two deaths at every boundary of a limited morning, in three seeds")
@pytest.mark.parametrize("seed", range(3))
def test_two_deaths_in_a_row_refuse_no_less(seed: int, tmp_path: Path) -> None:
    place = a_limited_morning(tmp_path, DUE)

    def end(trial: Trial) -> dict[str, Any]:
        chance = Random(f"{seed} {trial.folder.name}")
        run = place.trial().run(Bridge.sync)
        trial.sync(some_kills(run, chance, 1, ())[0])
        trial.sync()
        trial.sync()
        return counted(trial)

    tried(place, end, Bridge.sync, kills=60, seed=seed)
