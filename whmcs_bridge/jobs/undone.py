"""What a run did not do: a task for each step that failed or is not known, until a later run has done it."""

from collections.abc import Iterator, Sequence

from whmcs_bridge.jobs.report import RunReport, StepResult
from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.policy.decision import LIFTING, Kind, Note
from whmcs_bridge.ports import StepState

NOT_DONE = "not-done"
"""Begins the code of a task about one step; its kind follows."""


def undone_notes(report: RunReport, told: Sequence[Note]) -> Iterator[Note]:
    """Yield a note for every failed or unknown step that none of `told` speaks of, and one for what was left over."""
    known = {(note.code.partition(":")[2], note.service) for note in told if note.service is not None}
    for result in {r.step.id: r for r in report.results}.values():
        step = result.step
        if result.state not in (StepState.FAILED, StepState.UNKNOWN):
            continue
        if (_what(step), step.service) not in known:
            yield _note(result)
    if report.left:
        count = "1 step was" if len(report.left) == 1 else f"{len(report.left)} steps were"
        yield Note("left-over", f"{count} left to the next run: a pause, or the day was over", "see: whmcs-bridge plan")


def _what(step: Step) -> str:
    """A notice by its name; a suspension's message is a step of its own."""
    return step.message if step.kind is Kind.NOTICE else step.kind.value


def _note(result: StepResult) -> Note:
    step, what = result.step, _what(result.step)
    if result.state is StepState.UNKNOWN:
        text = f"{what} for {step.subject} was sent, and what became of it is not known: {result.note}"
        todo = "the next run finds out by reading; if it cannot, look in WHMCS"
    else:
        text = f"{what} for {step.subject} failed: {result.note}"
        todo = "it is tried again by the next run; if it fails again: whmcs-bridge journal"
    pile = f"{what} was sent, outcome not known" if result.state is StepState.UNKNOWN else f"{what} failed"
    return Note(f"{NOT_DONE}:{what}", text, todo, step.client, step.service, pile=pile)


def kept_down(plan: Plan) -> Iterator[Note]:
    """Yield a note for each service that is down by the bridge and would come back, were this not shadow mode.

    Shadow mode changes nothing, whoever has paid: a person has to.
    """
    for step in plan.steps:
        if step.kind in LIFTING:
            text = f"{step.subject} is down by the bridge although nothing that counts is owed any more: shadow mode"
            todo = 'unsuspend it in WHMCS, or set mode = "enforce"'
            yield Note("down-in-shadow", text, todo, step.client, step.service)
