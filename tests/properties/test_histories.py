"""Random histories: whatever happens, nobody is harmed who owes nothing, and nothing is skipped or done twice."""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.history import EVENTS, HOUSES, WEIGHTS, History

SOAK = int(os.environ.get("WHMCS_BRIDGE_SOAK", "1"))
"""How many times as many histories are played."""
SEEDS = range(21 * SOAK)
DAYS = 45
MOST_EVENTS_A_DAY = 3

_NAMES = sorted(HOUSES)


def play(history: History, days: int, chance: Random) -> None:
    """Live through so many days of random events."""
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    for _ in range(days):
        for _ in range(chance.randrange(MOST_EVENTS_A_DAY + 1)):
            history.happen(chance.choices(kinds, weights)[0], chance.randrange(1000), chance.randrange(1000))
        if chance.random() < 0.01:
            history.happen("policy_changes", 0, chance.randrange(1000))
        history.happen("a_day", chance.randrange(1000), chance.randrange(1000))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_history_harms_the_paid_up_skips_a_stage_or_does_a_step_twice(seed: int) -> None:
    """Invoices, payments, reversals, staff acts, missed runs, settings, faults on the line: the oracle watches all."""
    history = History(_NAMES[seed % len(_NAMES)], seed, clients=5, hooked=seed % 2 == 1)
    try:
        play(history, DAYS, Random(seed))
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {history.name}: {error}\n" + "\n".join(history.story[-40:])) from error
    finally:
        history.house.bridge.close()


_events = st.lists(
    st.tuples(
        st.sampled_from(["a_day"] * 3 + ["issue", "issue", "pay"] + sorted(set(EVENTS) - {"policy_changes"})),
        st.integers(0, 20),
        st.integers(0, 40),
    ),
    min_size=10,
    max_size=60,
)


@settings(
    max_examples=25 * SOAK,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.sampled_from(_NAMES), _events)
def test_no_sequence_of_events_harms_the_paid_up(name: str, events: list[tuple[str, int, int]]) -> None:
    """The same events in the order that hypothesis finds worst; a failure comes back as the shortest story."""
    history = History(name, clients=2)
    try:
        for event, who, how in events:
            history.happen(event, who, how)
        for _ in range(3):
            history.happen("a_day", 0, 0)
    except AssertionError as error:
        raise AssertionError(f"{error}\n" + "\n".join(history.story)) from error
    finally:
        history.house.bridge.close()
