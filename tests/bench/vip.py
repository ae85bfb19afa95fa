"""A year of VIPs: how often groups change, and what that costs in calls."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final
from unittest.mock import patch

from tests.bench.house import SEED, Following, settings
from tests.bench.model import Measure
from tests.bench.worlds import company
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.jobs.carry import carry_out
from whmcs_bridge.jobs.hand import Hand
from whmcs_bridge.jobs.report import StepResult
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.settings import from_mapping
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.cron import advance
from whmcs_bridge.simulator.habits import live_one_day
from whmcs_bridge.wiring import open_bridge

CLIENTS: Final = 5_000
DAYS: Final = 365
AGAIN_EVERY: Final = 30
"""So often a second sync follows the first at once: it must move nobody."""
MOVES: Final = (Kind.VIP_ADD, Kind.VIP_REMOVE)
RULES: Final = {
    "mode": "enforce",
    "staff": {"morning_mail": "never"},
    "sanity": {"enabled": False},
    "limits": {"vip": "off"},
    "vip": {"group": "VIP", "min_tenure_months": 18, "max_late_payments": 1},
    # Suspensions are other benchmarks' business: here nobody's habits are bent by one.
    "class": {"all": {"product_types": ["hostingaccount", "reselleraccount", "server", "other"]}},
}


def vip_year() -> Iterator[Measure]:
    """A sync a day over 5,000 clients who pay as people do; calls that moves make are counted apart.

    A run reads the same lists with and without VIP (`tests/jobs/test_vip.py`): its moves are all that it costs.
    """
    world, rng = company(CLIENTS, 12, more_services=0, lead_days=7), Random(SEED)
    adapter, calls = SimulatorAdapter(world), Counter[str]()
    costs = _Costs(calls)
    adapter.front.on_call = lambda action, _parameters: calls.update([action.lower()])
    base = settings(connections=1, page_size=1000)
    rules = replace(from_mapping({"whmcs": {"url": base.whmcs.url, **_NOBODY}, **RULES}), whmcs=base.whmcs)
    begun = time.perf_counter()
    with costs, open_bridge(rules, adapter=adapter, clock=Following(world), in_memory=True, stores=()) as bridge:
        bridge.sync()
        first, flips = Counter(costs.moves), 0
        costs.moves.clear()
        costs.calls = 0
        calls.clear()
        for day in range(DAYS):
            advance(world)
            live_one_day(world, rng)
            report = bridge.sync()
            if report.problems or not report.plan.complete:
                raise RuntimeError(f"{world.today}: {report.problems}")
            if day % AGAIN_EVERY == 0:
                flips += sum(step.kind in MOVES for step in bridge.sync().plan.steps)
        flaps, members = _moved_twice(bridge), _members(bridge)
    detail = {
        "clients": CLIENTS,
        "days": DAYS,
        "first_day": {kind.value: first[kind] for kind in MOVES},
        "moves": {kind.value: costs.moves[kind] for kind in MOVES},
        "members_at_the_end": members,
        "calls_for_moves": costs.calls,
        "calls_a_day": round(sum(calls.values()) / DAYS, 1),
        "seconds": round(time.perf_counter() - begun, 1),
    }
    yield Measure("vip_year", sum(costs.moves.values()), "moves", "", detail)
    yield Measure("vip_year_calls", costs.calls / DAYS / CLIENTS * 100, "% of the clients a day", "<= 1")
    yield Measure("vip_year_flaps", flaps + flips, "clients moved twice on a day", "<= 0")


_NOBODY: Final = {"identifier": "env:UNUSED", "secret": "env:UNUSED"}


class _Costs:
    """While it is entered: counts the moves that are made, and the calls of each, last look and read-back included."""

    def __init__(self, calls: Counter[str]) -> None:
        self.moves: Counter[Kind] = Counter()
        self.calls = 0
        self._all = calls
        self._patch = patch("whmcs_bridge.jobs.sync.carry_out", self._carry_out)

    def __enter__(self) -> None:
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def _carry_out(self, hand: Hand, step: Step) -> StepResult:
        before = self._all.total()
        result = carry_out(hand, step)
        if step.kind in MOVES:
            self.calls += self._all.total() - before
            self.moves[step.kind] += result.state is StepState.DONE
        return result


def _moved_twice(bridge: Bridge) -> int:
    """Clients who joined or left more than once on a house day."""
    days = Counter((move.client, move.on) for move in bridge.journal.membership_moves())
    return sum(count > 1 for count in days.values())


def _members(bridge: Bridge) -> int:
    group = bridge.mirror.group_named("VIP")
    return len(bridge.mirror.members(group.id)) if group is not None else 0
