"""Outcomes as text for people and as one JSON object a line for machines."""

import json
from collections.abc import Sequence
from typing import Any

from whmcs_bridge.scenarios.play import Outcome


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The object that `--json` prints for one scenario."""
    return {
        "id": outcome.id,
        "passed": outcome.passed,
        "failures": [
            {
                "date": failure.date.isoformat(),
                "expected": failure.expected,
                "found": failure.found,
                "explanation": failure.explanation,
            }
            for failure in outcome.failures
        ],
        "error": outcome.error or None,
    }


def to_line(outcome: Outcome) -> str:
    """The same as one line of JSON."""
    return json.dumps(to_json(outcome), ensure_ascii=False)


def render(outcome: Outcome) -> str:
    """One line for a scenario that holds; for one that does not, every failure with the bridge's explanation."""
    if outcome.passed:
        return f"ok      {outcome.id}"
    lines = [
        f"{'WRONG' if outcome.wrong_file else 'FAILED'}  {outcome.id}{f': {outcome.title}' if outcome.title else ''}"
    ]
    lines += [f"        {line}" for line in outcome.error.splitlines()]
    for failure in outcome.failures:
        remark = f"  ({failure.reason})" if failure.reason else ""
        lines.append(f"  {failure.date}  expected  {failure.expected}{remark}")
        lines.append(f"              found     {failure.found}")
        lines += [f"              because   {line}" for line in failure.explanation.splitlines()]
    if not outcome.wrong_file and outcome.numbers:
        lines.append(f"  numbers: {_numbers(outcome)}")
    return "\n".join(lines)


def _numbers(outcome: Outcome) -> str:
    shown = [
        f"{kind} {label} = {number}"
        for kind in ("client", "service", "invoice")
        for label, number in outcome.numbers.get(kind, {}).items()
    ]
    return ", ".join(shown)


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many held, in one line."""
    held = sum(outcome.passed for outcome in outcomes)
    wrong = sum(outcome.wrong_file for outcome in outcomes)
    parts = [f"{held} of {len(outcomes)} scenarios hold"]
    if wrong:
        parts.append(f"{wrong} cannot be read")
    return ", ".join(parts)
