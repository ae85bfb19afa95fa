"""Random histories: whatever happens, nobody is harmed who owes nothing, and nothing is skipped or done twice."""

from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import SOAK
from tests.properties.history import EVENTS, History
from tests.properties.houses import HOUSES
from tests.properties.lies import BENDS, LIES
from tests.soak.one import lived
from whmcs_bridge.simulator.faults import Kind
from whmcs_bridge.simulator.switches import Switches

SEEDS = range(8 * SOAK)
DAYS = 45

_NAMES = sorted(HOUSES)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_history_harms_the_paid_up_skips_a_stage_or_does_a_step_twice(seed: int) -> None:
    """Invoices, payments, staff, WHMCS's own cron, kills, settings, lies: the oracle watches; then all comes to rest.

    `make soak` plays a thousand of these.
    """
    outcome = lived(seed, DAYS)
    assert not outcome.wrong, f"seed {seed}, {outcome.rules}: {outcome.wrong}\n" + "\n".join(outcome.story[-40:])
    assert outcome.tally["days"] == DAYS


def test_the_lies_of_the_histories_are_all_that_the_simulator_knows() -> None:
    """Who teaches the simulator a new fault or switch names it in lies.py too."""
    assert set(LIES) == set(Kind)
    assert set(BENDS) == {f.name for f in fields(Switches)}


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
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.sampled_from(_NAMES), _events)
def test_no_sequence_of_events_harms_the_paid_up(rules: str, events: list[tuple[str, int, int]]) -> None:
    """The same events in the order that hypothesis finds worst; a failure comes back as the shortest story."""
    history = History(rules=rules, clients=2)
    try:
        for event, who, how in events:
            history.happen(event, who, how)
        for _ in range(3):
            history.happen("a_day", 0, 0)
    except AssertionError as error:
        raise AssertionError(f"{error}\n" + "\n".join(history.story)) from error
    finally:
        history.close()
