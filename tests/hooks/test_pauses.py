"""While a pause stands WHMCS's cron is refused harm; a person, a release and our own call pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from tests.hooks.house import SHOP, SITE, UNKNOWN, ask, house, module_event
from whmcs_bridge.hookpoints import Actor
from whmcs_bridge.scenarios.stage import Stage

DAY_2, DAY_4 = date(2026, 3, 12), date(2026, 3, 14)


@contextmanager
def on_the_day_of_suspension(mode: str = "enforce") -> Iterator[Stage]:
    """The morning of day 3, before that day's sync: the rules would let the cron suspend."""
    with house(DAY_2, mode) as stage:
        stage.world.clock += timedelta(days=1)
        yield stage


def test_the_cron_is_refused_what_it_may_do_on_any_other_day() -> None:
    with on_the_day_of_suspension() as stage:
        asked = module_event(stage, "PreModuleSuspend", SITE)
        assert not ask(stage, asked).abort
        stage.bridge.pause(reason="looking at the invoices")
        answer = ask(stage, asked)
        assert answer.abort
        assert "looking at the invoices" in answer.reason
        assert ask(stage, module_event(stage, "PreModuleTerminate", SHOP)).abort
        stage.bridge.end_pause()
        assert not ask(stage, asked).abort


@pytest.mark.parametrize("point", ["PreModuleSuspend", "PreModuleTerminate"])
def test_a_persons_act_is_let_through(point: str) -> None:
    with on_the_day_of_suspension() as stage:
        stage.bridge.pause()
        assert not ask(stage, module_event(stage, point, SITE, Actor.ADMIN)).abort


def test_a_release_is_answered_as_on_any_other_day() -> None:
    with house(DAY_4) as stage:
        stage.bridge.pause()
        asked = module_event(stage, "PreModuleUnsuspend", SITE, Actor.PAYMENT, paying=1001)
        assert not ask(stage, asked).abort


def test_in_shadow_mode_nothing_is_refused_by_a_pause_either() -> None:
    with on_the_day_of_suspension("shadow") as stage:
        stage.bridge.pause()
        answer = ask(stage, module_event(stage, "PreModuleSuspend", SITE))
        assert not answer.abort
        assert "paused" in answer.reason


def test_after_a_hand_back_the_hooks_refuse_nothing() -> None:
    """WHMCS's own automation has to take over, also for services we never saw."""
    with house(DAY_4) as stage:
        stage.bridge.hand_back(by="ana")
        for point, service in (("PreModuleSuspend", SHOP), ("PreModuleTerminate", SITE), ("PreModuleUnsuspend", SITE)):
            assert not ask(stage, module_event(stage, point, service)).abort
        assert not ask(stage, module_event(stage, "PreModuleSuspend", UNKNOWN)).abort
        stage.bridge.end_pause()
        assert ask(stage, module_event(stage, "PreModuleSuspend", SHOP)).abort
