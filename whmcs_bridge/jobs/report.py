"""How a run went."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.ports import StepState

DONE, FAILED, REFUSED = 0, 1, 3
STOPS = {"limit": "limits", "sanity": "sanity stops", "paused": "a pause", "act-hours": "the act hours"}
"""Begin of a stop's code -> what it is called."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step and how it ended."""

    step: Step
    state: StepState
    note: str = ""


@dataclass(slots=True)
class RunReport:
    """What one run planned and what became of it."""

    run: int
    job: str
    mode: str
    today: date
    plan: Plan
    results: list[StepResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What could not be read or done beside the steps; one line each."""
    gone: Mapping[str, str] = field(default_factory=dict)
    """Steps of the reviewed plan that were not due any more, with the reason; only `apply` has them."""
    left: tuple[str, ...] = ()
    """Harmful steps that a pause, the act hours or midnight left to the next run."""
    broken_off: str = ""
    """Why the run ended before its last step; "" if it did not."""
    calls: Mapping[str, int] = field(default_factory=dict)
    let_past: str = ""
    """Who let what past which stop: part of the record of this run."""

    def of(self, state: StepState) -> list[StepResult]:
        return [r for r in self.results if r.state is state]

    @property
    def exit_code(self) -> int:
        """0 done; 1 something failed or could not be read; 3 a stop refused something, before the run or in it."""
        if self.problems or self.broken_off or self.of(StepState.FAILED) or self.of(StepState.UNKNOWN):
            return FAILED
        return REFUSED if self.plan.refused or self.left else DONE

    @property
    def outcome(self) -> str:
        if self.mode == "shadow":
            return "shadow" if not self.problems else "failed"
        if self.broken_off.startswith("interrupted"):
            return "interrupted"
        if self.exit_code == FAILED:
            return "failed"
        return "refused" if self.exit_code == REFUSED else "ok"

    def summary(self) -> str:
        """One line: counts by kind and outcome."""
        counted = Counter((r.step.kind.value, r.state.value) for r in self.results)
        parts = [f"{n} {kind} {state}" for (kind, state), n in sorted(counted.items())]
        if self.mode == "shadow":
            kinds = Counter(step.kind.value for step in self.plan.steps)
            parts = [f"would {kind}: {n}" for kind, n in sorted(kinds.items())]
        if self.plan.refused:
            parts.append(f"{len(self.plan.refused)} refused by {self._refused_by()}")
        if self.left:
            parts.append(f"{len(self.left)} left to the next run (paused, or the day is over)")
        if self.problems:
            count = len(self.problems)
            parts.append("1 problem" if count == 1 else f"{count} problems")
        if self.broken_off:
            parts.append(self.broken_off)
        if self.let_past:
            parts.append(self.let_past)
        return ", ".join(parts) or "nothing to do"

    def _refused_by(self) -> str:
        found = dict.fromkeys(STOPS.get(stop.code.partition(":")[0], stop.code) for stop in self.plan.stops)
        return " and ".join(found) or "limits"

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "job": self.job,
            "mode": self.mode,
            "date": self.today.isoformat(),
            "fingerprint": self.plan.fingerprint,
            "outcome": self.outcome,
            "results": [
                {
                    "id": r.step.id,
                    "kind": r.step.kind.value,
                    "client": r.step.client,
                    "service": r.step.service,
                    "state": r.state.value,
                    "note": r.note,
                }
                for r in self.results
            ],
            "gone": dict(self.gone),
            "left": list(self.left),
            "refused": [s.id for s in self.plan.refused],
            "problems": list(self.problems),
            "broken_off": self.broken_off,
            "let_past": self.let_past,
        }
