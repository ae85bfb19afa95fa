"""What `sync` and `apply` share: signals that end a run after the step in hand, and the report at its end."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.text import Text

from commands.failures import gathered
from commands.show import console, plural, show_plan, show_stop, table
from whmcs_bridge.ports import StepState

if TYPE_CHECKING:
    from rich.console import Console

    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.report import RunReport, StepResult

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
SHOWN = 20


def hearing(bridge: Bridge) -> Bridge:
    """Let the run handle what WHMCS's hooks tell meanwhile; nobody else can while it holds the journal."""
    from commands.hook import desk_of

    bridge.deliver = desk_of(bridge).handle
    return bridge


@contextmanager
def finishing(bridge: Bridge) -> Iterator[Callable[[], int]]:
    """While steps are carried out, let Ctrl-C and SIGTERM end the run after the step in hand; a second one at once.

    Yields a function that says with which code to exit because of a signal; 0 for none.
    """
    stopping, caught = bridge.ports.stopping, 0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal caught
        again, caught = stopping.asked, SIGNALS[signal.Signals(number)]
        stopping.asked = True
        if again or not stopping.acting:
            raise KeyboardInterrupt
        click.echo("ending after the step in hand; once more ends it at once", err=True)

    try:
        before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield lambda: caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show_report(bridge: Bridge, report: RunReport, *, everything: bool) -> None:
    """Print what a run planned and did."""
    out = console()
    if report.mode == "shadow":
        show_plan(out, bridge, report.plan, everything=everything)
        out.print(Text("Shadow mode: nothing was changed."))
        return
    out.print(Text(f"Run {report.run}, {report.job}, {report.today}: {report.summary()}", style="bold"))
    _results(out, report)
    troubled = [r for r in report.results if r.state is not StepState.DONE]
    _troubled(out, troubled, None if everything else SHOWN)
    for gone, why in report.gone.items():
        out.print(f"  not due any more: {gone} ({why})")
    for stop in report.plan.stops:
        show_stop(out, stop)
    held = Counter((h.withheld.kind.value, h.withheld.code) for h in report.plan.withheld)
    if held:
        said = ", ".join(f"{count} {kind} ({code})" for (kind, code), count in sorted(held.items()))
        out.print(Text(f"Withheld: {said}; see: whmcs-bridge plan --offline", style="dim"))


def _results(out: Console, report: RunReport) -> None:
    if not report.results:
        return
    states = [state for state in StepState if report.of(state)]
    rows = table("step", *(state.value for state in states), right=tuple(state.value for state in states))
    counted = Counter((result.step.kind, result.state) for result in report.results)
    for kind in dict.fromkeys(result.step.kind for result in report.results):
        rows.add_row(kind.value, *(f"{counted[kind, state] or ''}" for state in states))
    out.print(rows)


def _troubled(out: Console, results: list[StepResult], limit: int | None) -> None:
    for result in results[:limit]:
        out.print(Text(f"  {result.state.value}: {result.step.kind.value} of {result.step.subject}: {result.note}"))
    if limit is not None and len(results) > limit:
        out.print(Text(f"  ... and {plural(len(results) - limit, 'step')} more (--all)", style="dim"))


def finish(report: RunReport, signalled: int) -> None:
    """Say on stderr what could not be read or done, and exit with the run's code."""
    for problem in gathered(report.problems):
        click.echo(f"error: {problem}", err=True)
    if report.broken_off:
        click.echo(f"error: {report.broken_off}", err=True)
    sys.exit(signalled or report.exit_code)
