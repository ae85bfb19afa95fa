"""A sync killed at any boundary: the next one comes to the same end, with nothing lost and nothing twice."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.crash.place import JOURNALED, NOWHERE, Kill, Place, Run
from tests.effort import SOAK

SEEDS = range(2 * SOAK)
"""Places; from a SOAK of 3 on, every boundary of each is tried."""
FATES = 5
TRIALS = 30
"""Kills for each seed."""

_WRITES = ("Update", "Module", "SendEmail")
_ABOUT_STEPS = tuple(f"{side}:journal.{method}" for side in ("before", "after") for method in sorted(JOURNALED))


def kills_for(run: Run, chance: Random) -> list[Kill]:
    """Both sides of every writing call, and boundaries of journal and mirror by chance; all of them in a soak."""
    calls = [number for number, action in enumerate(run.calls, start=1) if action.startswith(_WRITES)]
    around = [Kill(where, number) for where in ("call-lost", "answer-lost") for number in calls]
    journal = [n for n, mark in enumerate(run.boundaries, start=1) if mark in _ABOUT_STEPS]
    others = [n for n in range(1, len(run.boundaries) + 1) if n not in set(journal)]
    if SOAK >= 3:
        return around + [Kill("boundary", n) for n in journal + others]
    room = max(TRIALS - len(around), 10)
    few = min(room // 4, len(others))
    picked = chance.sample(journal, min(room - few, len(journal))) + chance.sample(others, few)
    return around + [Kill("boundary", n) for n in picked]


def some_kills(run: Run, chance: Random, count: int, writes: tuple[str, ...]) -> list[Kill]:
    """Both sides of each call that begins so, at most half of `count`, and boundaries by chance; all in a soak."""
    calls = [number for number, action in enumerate(run.calls, start=1) if writes and action.startswith(writes)]
    around = [Kill(where, number) for where in ("call-lost", "answer-lost") for number in calls]
    journal = [n for n, mark in enumerate(run.boundaries, start=1) if mark in _ABOUT_STEPS]
    others = [n for n in range(1, len(run.boundaries) + 1) if n not in set(journal)]
    if SOAK >= 3 and count > 1:
        return around + [Kill("boundary", n) for n in journal + others]
    around = chance.sample(around, min(count // 2, len(around)))
    room = count - len(around)
    few = min(room // 4, len(others))
    picked = chance.sample(journal, min(room - few, len(journal))) + chance.sample(others, few)
    return around + [Kill("boundary", n) for n in picked]


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What is not as it would be if nobody had died, one line each."""
    lines: list[str] = []
    for key in wanted:
        one, other = found[key], wanted[key]
        if one == other:
            continue
        if isinstance(other, dict):
            lines += [
                f"{key}[{k}]: {one.get(k)} is not {other.get(k)}" for k in {*one, *other} if one.get(k) != other.get(k)
            ]
        elif isinstance(other, str | bool | int):
            lines.append(f"{key}: {one} is not {other}")
        else:
            lines += [f"{key}: {item} is too much" for item in one if item not in other]
            lines += [f"{key}: {item} is missing" for item in other if item not in one]
    return lines


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_sync_is_taken_up_by_the_next_with_nothing_lost_and_nothing_twice(seed: int, tmp_path: Path) -> None:
    """Killed at a journal boundary, between sending and answer, or anywhere else, one time in three once more."""
    chance = Random(seed)
    place = Place.made(tmp_path, seed, FATES)
    workers = 1 + seed % 3
    undisturbed = place.trial()
    run = undisturbed.sync(workers=workers)
    undisturbed.sync()
    wanted = undisturbed.state()
    assert wanted["open"] == []
    wrong: list[str] = []
    died = 0
    for kill in kills_for(run, chance):
        trial = place.trial()
        died += trial.sync(kill, workers).killed
        if chance.random() < 0.33:
            died += trial.sync(Kill("boundary", chance.randrange(1, len(run.boundaries))), workers).killed
        trial.sync(NOWHERE, workers)
        trial.sync()
        found = differences(trial.state(), wanted)
        if found:
            where = run.boundaries[kill.number - 1] if kill.where == "boundary" else run.calls[kill.number - 1]
            wrong.append(f"{kill} ({where}):\n    " + "\n    ".join(found))
        trial.clear()
    assert not wrong, f"seed {seed}, {len(wrong)} of {died} kills:\n" + "\n".join(wrong[:8])
    assert died >= 25


def test_an_undisturbed_second_sync_of_a_day_does_nothing_new(tmp_path: Path) -> None:
    """What the comparison above rests on: after two runs the day is done."""
    place = Place.made(tmp_path, 99)
    trial = place.trial()
    trial.sync()
    trial.sync()
    second = trial.state()
    trial.sync()
    assert differences(trial.state(), second) == []
