"""Play a timeline, one simulated day at a time, and check what it expects on the way."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whmcs_bridge.scenarios.events import Impossible, happen
from whmcs_bridge.scenarios.judge import Failure, judge
from whmcs_bridge.scenarios.load import Broken, read
from whmcs_bridge.scenarios.model import At, Event, Expectation, Scenario, When
from whmcs_bridge.scenarios.stage import Stage
from whmcs_bridge.simulator.cron import run_daily_cron

SYNC_AT = dt.time(6)
"""House time; a house with act_hours runs its sync when they begin."""
CRON_AT = dt.time(9)
EVENTS_FROM = dt.time(10)
END_OF_DAY = dt.time(23, 30)
ONE_DAY = dt.timedelta(days=1)
HELD, FAILED, WRONG_FILE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one scenario went. `error` says why it could not be played to its end."""

    id: str
    failures: tuple[Failure, ...] = ()
    error: str = ""
    title: str = ""
    wrong_file: bool = False
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    """Label -> WHMCS's number, by kind."""

    @property
    def passed(self) -> bool:
        return not self.failures and not self.error


def run_files(paths: Iterable[Path | str]) -> list[Outcome]:
    """Play every scenario of the files and folders; a wrong file is an outcome as well."""
    outcomes = []
    for item in read(paths).items:
        if isinstance(item, Broken):
            outcomes.append(Outcome(item.id, error="\n".join(item.problems), wrong_file=True))
        else:
            outcomes.append(play(item))
    return outcomes


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 when everything holds, 1 when an expectation fails, 2 when a file is wrong."""
    if any(outcome.wrong_file for outcome in outcomes):
        return WRONG_FILE
    return HELD if all(outcome.passed for outcome in outcomes) else FAILED


def play(scenario: Scenario) -> Outcome:
    """Play one scenario; nothing that goes wrong in it reaches the next one."""
    failures: list[Failure] = []
    error, wrong = "", False
    with Stage(scenario) as stage:
        try:
            _Player(scenario, stage, failures).play()
        except Impossible as problem:
            error, wrong = f"{scenario.file}: scenario {scenario.id}: {problem}", True
        except Exception as problem:
            error = f"{stage.today}: {type(problem).__name__}: {problem}"
        numbers = {**{kind: dict(found) for kind, found in scenario.numbers.items()}, "invoice": dict(stage.invoices)}
    return Outcome(scenario.id, tuple(failures), error, scenario.title, wrong, numbers)


class _Player:
    """Walks through the dates."""

    def __init__(self, scenario: Scenario, stage: Stage, failures: list[Failure]) -> None:
        self.scenario = scenario
        self.stage = stage
        self.failures = failures
        self.events: dict[tuple[dt.date, At], list[Event]] = {}
        for event in scenario.events:
            self.events.setdefault((event.date, event.at), []).append(event)
        self.expect: dict[dt.date, list[Expectation]] = {}
        for one in scenario.expect:
            self.expect.setdefault(one.date, []).append(one)

    def play(self) -> None:
        day, last = self.scenario.first, self.scenario.last
        while day <= last:
            self._day(day)
            day += ONE_DAY

    def _day(self, day: dt.date) -> None:
        stage = self.stage
        sync_at, cron_at, events_from = self._hours()
        self._clock(day, sync_at)
        stage.end_troubles()
        start = len(stage.actions)
        for event in self.events.get((day, At.BEFORE_RUN), ()):
            self._event(event)
        self._run(day)
        stage.collect()
        self._judge(day, When.AFTER_RUN, start)
        if self.scenario.panel.runs_cron:
            self._clock(day, cron_at)
            run_daily_cron(stage.world)
            stage.deliver()
        for place, event in enumerate(self.events.get((day, At.AFTER_RUN), ())):
            self._clock(day, events_from, minutes=place)
            self._event(event)
        self._clock(day, END_OF_DAY)
        stage.collect()
        self._judge(day, When.END_OF_DAY, start)

    def _hours(self) -> tuple[dt.time, dt.time, dt.time]:
        hours = self.stage.bridge.settings.policy.calendar.act_hours
        if hours is None or hours[0] <= SYNC_AT <= hours[1]:
            return SYNC_AT, CRON_AT, EVENTS_FROM
        sync_at = hours[0]
        return sync_at, max(sync_at, CRON_AT), max(sync_at, EVENTS_FROM)

    def _clock(self, day: dt.date, at: dt.time, minutes: int = 0) -> None:
        """Move the clock on; it never goes back."""
        moment = dt.datetime.combine(day, at) + dt.timedelta(minutes=minutes)
        self.stage.world.clock = max(moment, self.stage.world.clock)

    def _run(self, day: dt.date) -> None:
        """The day's sync, with what happens between its plan and its steps."""
        waiting = list(self.events.get((day, At.DURING_RUN), ()))

        def during(_plan: object) -> None:
            while waiting:
                self._event(waiting.pop(0), deliver=False)

        only = self.scenario.only
        if day not in self.scenario.without and (only is None or day in only):
            self.stage.run_sync(during)
        during(None)
        self.stage.deliver()

    def _event(self, event: Event, *, deliver: bool = True) -> None:
        start = len(self.stage.actions)
        try:
            happen(self.stage, event)
        except Impossible as problem:
            raise Impossible(f"events #{event.number} ({event.type} on {event.date}): {problem}") from problem
        if deliver:
            self.stage.deliver()
        if event.ref:
            self.stage.collect()
            for wanted in self.expect.get(event.date, ()):
                if wanted.after == event.ref:
                    self.failures += judge(self.stage, wanted, start)

    def _judge(self, day: dt.date, when: When, start: int) -> None:
        for wanted in self.expect.get(day, ()):
            if wanted.when is when and not wanted.after:
                self.failures += judge(self.stage, wanted, start)
