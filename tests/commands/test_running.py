"""A signal ends a run after the step in hand; a second one at once."""

import os
import signal
from pathlib import Path

import pytest

from commands.running import finishing
from tests.house import House
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.ports import StepState

RULES = {"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}}


def a_house_of_debtors(count: int) -> House:
    house = House.of(RULES)
    for _ in range(count):
        house.a_debtor(overdue=10)
    return house


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_acting_ends_after_the_step_in_hand(number: signal.Signals, code: int) -> None:
    """The step in hand is finished and written down; no further one begins; the next run does the others."""
    with a_house_of_debtors(4) as house, finishing(house.bridge) as signalled:

        def during(action: str, params: object) -> None:
            if action == "ModuleSuspend":
                os.kill(os.getpid(), number)

        house.adapter.front.on_call = during
        report = house.sync()
        house.adapter.front.on_call = None
        assert signalled() == code
        assert [result.state for result in report.results] == [StepState.DONE]
        assert report.outcome == "interrupted"
        assert report.exit_code == 1
        house.bridge.ports.stopping.asked = False
        again = house.sync()
    assert len(again.results) == 3
    assert {service.status for service in house.world.services.values()} == {"Suspended"}


def test_a_signal_while_reading_ends_at_once() -> None:
    """Nothing is in hand yet: no reason to wait for a slow WHMCS."""
    with a_house_of_debtors(1) as house:
        house.adapter.front.on_call = lambda action, params: os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), finishing(house.bridge):
            house.sync()
        house.adapter.front.on_call = None
        assert house.events("module:suspend") == []
        assert house.bridge.journal.steps(service=ServiceId(1)) == []


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with a_house_of_debtors(0) as house, finishing(house.bridge):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
