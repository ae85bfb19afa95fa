"""What must be quick every time: one judgement, the start of the command, one timeline."""

import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import worlds
from tests.bench.house import TODAY, Following, settings
from tests.bench.model import Measure
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.policy import decide as judge
from whmcs_bridge.scenarios import load, play
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.wiring import open_bridge

ROUNDS: Final = 2000
REPEATS: Final = 9
STARTS: Final = 15
SCENARIO_RUNS: Final = 5
DAYS: Final = 60
SERVICES: Final = 5


def decide() -> Iterator[Measure]:
    """Microseconds for one service with debt, and for one without; the fastest of REPEATS."""
    world = worlds.company(60, 6)
    house = settings()
    with open_bridge(house, adapter=SimulatorAdapter(world), clock=Following(world), in_memory=True) as bridge:
        bridge.snapshot()
        memory = Memory(bridge.journal, TODAY)
        books = list(bridge.mirror.books(TODAY, (), everyone=True))
        every = [facts for book in books for facts in facts_of(book, memory, complete=True)[1]]
    up = [facts for facts in every if facts.service.status is ServiceStatus.ACTIVE]
    policy = house.policy
    owing = next(facts for facts in up if judge(facts, policy, TODAY).debts)
    clear = next(facts for facts in up if not facts.client.invoices)
    for name, facts in (("decide", owing), ("decide_without_debt", clear)):
        yield Measure(name, _fastest(partial(judge, facts, policy, TODAY)) * 1e6, "µs", "", _about(facts))


def _about(facts: ServiceFacts) -> dict[str, int]:
    return {
        "open_invoices": len(facts.client.invoices),
        "services_of_client": len(facts.client.services),
        "rounds": ROUNDS,
        "repeats": REPEATS,
    }


def _fastest(work: Callable[[], object]) -> float:
    """Seconds for one call, from the fastest of REPEATS rounds."""
    rounds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            work()
        rounds.append((time.perf_counter() - begun) / ROUNDS)
    return min(rounds)


def cli_start() -> Iterator[Measure]:
    """`whmcs-bridge --help` over `python -c "import click"`, in turns; the fastest of each."""
    ours = [str(Path(sysconfig.get_path("scripts")) / "whmcs-bridge"), "--help"]
    bare = [sys.executable, "-c", "import click"]
    help_seconds, click_seconds = [], []
    for _ in range(STARTS):
        help_seconds.append(_started(ours))
        click_seconds.append(_started(bare))
    fastest, floor = min(help_seconds), min(click_seconds)
    detail = {"help_ms": round(fastest * 1000, 1), "import_click_ms": round(floor * 1000, 1), "starts": STARTS}
    yield Measure("cli_start", fastest / floor, "times import click", "<= 2.5", detail)


def _started(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - begun


def scenario() -> Iterator[Measure]:
    """A timeline of 60 days with 5 services, in debt, paid and in debt again; the fastest of SCENARIO_RUNS."""
    (timeline,) = load([Path(__file__).with_name("timeline.toml")])
    seconds = []
    for _ in range(SCENARIO_RUNS):
        begun = time.perf_counter()
        outcome = play(timeline)
        seconds.append(time.perf_counter() - begun)
        if not outcome.passed:
            raise RuntimeError(f"the timeline does not hold: {outcome.error or outcome.failures}")
    days = (timeline.last - timeline.first) // timedelta(days=1) + 1
    detail = {"days": days, "services": len(timeline.services), "all_seconds": [round(each, 2) for each in seconds]}
    yield Measure("scenario", min(seconds), "s", "<= 1", detail)
