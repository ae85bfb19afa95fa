"""Every timeline holds, and together they cover the specification's hard cases and the whole vocabulary."""

import re
from dataclasses import fields

import pytest

from tests.scenarios import HERE
from whmcs_bridge.scenarios import Outcome, load, play, render
from whmcs_bridge.scenarios.events import EVENTS as HAPPENINGS
from whmcs_bridge.scenarios.model import Expectation, Scenario
from whmcs_bridge.scenarios.vocabulary import EVENTS

TIMELINES = load([HERE])
HARD_CASES = (
    "counting",
    "clock of an invoice",
    "missed runs, first run",
    "partial payment",
    "min_debt",
    "not yet due invoices",
    "client credit",
    "invoice cancelled, voided or written off",
    "invoice cancelled by a cancellation request",
    "refund, reversal",
    "clearing days",
    "payment pending",
    "special invoices",
    "shared invoice",
    "addon's line",
    "client of the service differs from client of the invoice (moved service)",
    "which class",
    "several reasons for a suspension",
    "override date",
    "exemptions (exempt group, VIP courtesy, override)",
    "promise, release",
    "contact",
    "suspended time",
    "cancellation request, fixed term",
    "product changed in an open case",
    "suspended before we came",
    "module call failed",
    "opt-out of mail",
    "exempt client with old debt",
)
ROW = re.compile(r"^\| (.+?) \| (`.+`) \|$", re.MULTILINE)


@pytest.mark.parametrize("scenario", TIMELINES, ids=lambda scenario: scenario.id)
def test_timeline_holds(scenario: Scenario) -> None:
    """What the specification says comes out, the whole way from the API client to the handlers."""
    outcome: Outcome = play(scenario)
    assert outcome.passed, f"\n{render(outcome)}"


def test_readme_names_the_files_of_every_hard_case() -> None:
    """Every row of the specification's table has files, and every file there belongs to a row."""
    table = {case: re.findall(r"`([^`]+)`", files) for case, files in ROW.findall((HERE / "README.md").read_text())}
    assert tuple(table) == HARD_CASES
    named = {file for files in table.values() for file in files}
    assert [file for file in named if not (HERE / file).is_file()] == []
    assert {f"hard-cases/{file.name}" for file in (HERE / "hard-cases").iterdir()} <= named


def test_every_event_type_can_happen_and_does() -> None:
    assert set(HAPPENINGS) == set(EVENTS)
    assert {event.type for scenario in TIMELINES for event in scenario.events} == set(EVENTS)


def test_every_expectation_key_is_used() -> None:
    """A key that no timeline uses would be a check that nobody has seen failing or holding."""
    used = {
        f.name
        for scenario in TIMELINES
        for one in scenario.expect
        for f in fields(Expectation)
        if getattr(one, f.name) != f.default
    }
    assert used == {f.name for f in fields(Expectation)}


def test_ids_are_unique_over_all_files() -> None:
    ids = [scenario.id for scenario in TIMELINES]
    assert sorted(ids) == sorted(set(ids))
