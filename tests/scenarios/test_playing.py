"""The runner really looks: what is right holds, every single thing that is not fails, with the bridge's own account."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from whmcs_bridge.scenarios import Outcome, exit_code, load, play, render, run_files, summary, to_json, to_line
from whmcs_bridge.scenarios.model import Scenario

STORY = """
id = "story"
title = "Ana pays late, eva is VIP"
clients = [{ id = "ana" }, { id = "eva", since = 2020-01-01, group = "VIP" }]
services = [
  { id = "site", client = "ana", class = "hosting" },
  { id = "blog", client = "eva", class = "hosting" },
]
events = [
  { date = 2026-03-08, type = "backup_made", service = "site", name = "nightly", size = 1000 },
  { date = 2026-03-08, type = "invoice_issued", invoice = "I1", client = "ana", due = 2026-03-10, amount = "40.00" },
  { date = 2026-03-15, type = "payment", invoice = "I1", ref = "paid" },
]
[config.class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
notices = [{ day = 2, message = "suspension-warning" }]
[config.vip]
group = "VIP"
min_tenure_months = 60
"""

HELD = [
    'date = 2026-03-12, service = "site", state = "warned"',
    'date = 2026-03-12, service = "site", state = "active", also_ok = ["warned"]',
    'date = 2026-03-13, service = "site", status = "Suspended"',
    'date = 2026-03-13, service = "site", reason_contains = "invoice {I1} "',
    'date = 2026-03-13, client = "eva", vip = true',
    'date = 2026-03-13, client = "eva", group = "VIP"',
    'date = 2026-03-13, service = "blog", vip = true',
    'date = 2026-03-13, client = "ana", standing = "overdue"',
    'date = 2026-03-13, invoice = "I1", invoice_status = "Unpaid"',
    'date = 2026-03-13, service = "site", backups = 1',
    'date = 2026-03-13, service = "site", actions = ["module:suspend"]',
    'date = 2026-03-13, client = "ana", actions = ["module:suspend"]',
    'date = 2026-03-13, actions = ["module:suspend"]',
    'date = 2026-03-13, service = "blog", no_actions = ["module:suspend"]',
    'date = 2026-03-13, client = "eva", no_actions = ["module:suspend"]',
    'date = 2026-03-12, service = "site", actions = ["notice:suspension-warning"]',
    'date = 2026-03-11, service = "site", next = { step = "notice", date = 2026-03-12 }',
    'date = 2026-03-15, when = "after_run", service = "site", state = "suspended"',
    'date = 2026-03-15, after = "paid", service = "site", state = "active", actions = ["module:unsuspend"]',
    'date = 2026-03-15, after = "paid", no_actions = ["module:suspend", "invoice:create"]',
]
BROKEN = [
    ('date = 2026-03-12, service = "site", state = "active"', "state active", "state warned (Active)"),
    ('date = 2026-03-13, service = "site", state = "active", also_ok = ["warned"]', "active or warned", "suspended"),
    ('date = 2026-03-13, service = "site", status = "Active"', "status Active", "status Suspended"),
    (
        'date = 2026-03-13, service = "site", reason_contains = "invoice {I1}7"',
        "invoice 10017",
        "Overdue: invoice 1001 ",
    ),
    ('date = 2026-03-13, client = "eva", vip = false', "vip false", "vip true"),
    ('date = 2026-03-13, client = "ana", vip = true', "vip true", "vip false"),
    ('date = 2026-03-13, client = "eva", group = ""', 'group ""', 'group "VIP"'),
    ('date = 2026-03-13, client = "ana", standing = "paid-up"', "standing paid-up", "standing overdue"),
    (
        'date = 2026-03-13, invoice = "I1", invoice_status = "Paid"',
        "invoice I1 (1001) Paid",
        "invoice I1 (1001) Unpaid",
    ),
    ('date = 2026-03-13, service = "site", backups = 0', "0 backups", "1 backups"),
    ('date = 2026-03-12, service = "site", actions = ["module:suspend"]', "module:suspend to happen", "notice:"),
    ('date = 2026-03-13, service = "blog", actions = ["module:suspend"]', "module:suspend to happen", "nothing"),
    ('date = 2026-03-13, client = "eva", actions = ["module:suspend"]', "module:suspend to happen", "nothing"),
    ('date = 2026-03-13, service = "site", no_actions = ["module:suspend"]', "not to happen", "module:suspend"),
    ('date = 2026-03-13, no_actions = ["module:suspend"]', "not to happen", "module:suspend"),
    (
        'date = 2026-03-13, actions = ["notice:suspension-warning"]',
        "notice:suspension-warning to happen",
        "module:suspend",
    ),
    ('date = 2026-03-11, service = "site", next = { step = "suspend" }', "next suspend", "next notice"),
    (
        'date = 2026-03-11, service = "site", next = { step = "notice", date = 2026-03-13 }',
        "next notice on 2026-03-13",
        "next notice on 2026-03-12",
    ),
    ('date = 2026-03-15, when = "after_run", service = "site", state = "active"', "state active", "state suspended"),
    ('date = 2026-03-15, after = "paid", service = "site", state = "suspended"', "state suspended", "state active"),
    ('date = 2026-03-15, after = "paid", actions = ["invoice:create"]', "invoice:create to happen", "module:unsuspend"),
]


def story(folder: Path, *expect: str, text: str = STORY) -> Scenario:
    rows = ", ".join(f"{{ {one} }}" for one in expect)
    before, table, after = text.partition("[config.class.hosting]")
    file = folder / "story.toml"
    file.write_text(f"{before}expect = [{rows}]\n{table}{after}", encoding="utf-8")
    (scenario,) = load([file])
    return scenario


@pytest.mark.parametrize("expect", HELD)
def test_what_is_so_holds(tmp_path: Path, expect: str) -> None:
    outcome = play(story(tmp_path, expect))
    assert outcome.passed, render(outcome)


@pytest.mark.parametrize(("expect", "expected", "found"), BROKEN, ids=[expect for expect, _, _ in BROKEN])
def test_what_is_not_so_fails(tmp_path: Path, expect: str, expected: str, found: str) -> None:
    outcome = play(story(tmp_path, expect))
    assert not outcome.passed
    assert outcome.error == ""
    (failure,) = outcome.failures
    assert expected in failure.expected
    assert found in failure.found


def test_a_failure_carries_the_bridges_own_explanation_and_the_remark(tmp_path: Path) -> None:
    wrong = 'date = 2026-03-13, service = "site", state = "active", reason = "the day of the suspension"'
    outcome = play(story(tmp_path, wrong))
    (failure,) = outcome.failures
    assert failure.date == date(2026, 3, 13)
    assert failure.expected == "service site (101): state active"
    for said in ("service 101: suspended", "client overdue", "class hosting", "owes 40.00 USD since 2026-03-10"):
        assert said in failure.explanation
    text = render(outcome)
    assert "(the day of the suspension)" in text
    assert "client ana = 1, client eva = 2, service site = 101, service blog = 102, invoice I1 = 1001" in text


def test_json_is_one_object_a_line_with_iso_dates(tmp_path: Path) -> None:
    outcome = play(story(tmp_path, 'date = 2026-03-13, service = "site", state = "active"'))
    line = to_line(outcome)
    assert "\n" not in line
    found = json.loads(line)
    assert found == to_json(outcome)
    assert set(found) == {"id", "passed", "failures", "error"}
    assert (found["id"], found["passed"], found["error"]) == ("story", False, None)
    assert set(found["failures"][0]) == {"date", "expected", "found", "explanation"}
    assert found["failures"][0]["date"] == "2026-03-13"


def test_every_failure_is_listed_and_a_good_story_is_one_line(tmp_path: Path) -> None:
    wrong = 'date = 2026-03-13, service = "site", state = "active", status = "Active", backups = 3'
    assert len(play(story(tmp_path, wrong)).failures) == 3
    good = play(story(tmp_path, HELD[0]))
    assert render(good) == "ok      story"


def test_an_expectation_on_a_during_run_event_is_looked_at(tmp_path: Path) -> None:
    during = STORY.replace('type = "payment", invoice', 'type = "payment", at = "during_run", invoice')
    outcome = play(
        story(tmp_path, 'date = 2026-03-15, after = "paid", service = "site", state = "active"', text=during)
    )
    assert [failure.found for failure in outcome.failures] == [
        "state suspended (Suspended: Overdue: invoice 1001 [whmcs-bridge])"
    ]


def test_a_standing_task_counts_for_actions_every_day_and_for_no_actions_on_its_first(tmp_path: Path) -> None:
    text = STORY.replace('{ id = "ana" }', '{ id = "ana", credit = "40.00" }').replace("2026-03-15", "2026-03-25")
    held = [
        'date = 2026-03-13, service = "site", actions = ["staff:review"]',
        'date = 2026-03-14, service = "site", actions = ["staff:review"]',
        'date = 2026-03-14, service = "site", no_actions = ["staff:review"]',
    ]
    outcome = play(story(tmp_path, *held, text=text))
    assert outcome.passed, render(outcome)
    assert not play(story(tmp_path, held[0].replace("actions", "no_actions"), text=text)).passed


def test_an_event_that_cannot_happen_is_the_files_mistake(tmp_path: Path) -> None:
    gone = '{ date = 2026-03-14, type = "invoice_deleted", invoice = "I1" },'
    text = STORY.replace("events = [", f"events = [\n  {gone}").replace(gone, "") + ""
    text = text.replace("  { date = 2026-03-15", f"  {gone}\n  {{ date = 2026-03-15")
    outcome = play(story(tmp_path, HELD[0], text=text))
    assert outcome.wrong_file
    assert "events #4 (payment on 2026-03-15): invoice I1 does not exist any more" in outcome.error
    assert exit_code([outcome]) == 2


def test_the_clock_follows_the_dates_of_the_file(tmp_path: Path) -> None:
    outcome = play(story(tmp_path, 'date = 2026-04-20, service = "site", state = "active"'))
    assert outcome.passed, render(outcome)


def test_the_same_story_goes_the_same_way_twice(tmp_path: Path) -> None:
    wrong = story(tmp_path, *(expect for expect, _, _ in BROKEN))
    assert play(wrong) == play(wrong)


def test_exit_codes_are_those_of_the_manual(tmp_path: Path) -> None:
    good = Outcome("good")
    failed = replace(good, failures=play(story(tmp_path, BROKEN[0][0])).failures)
    wrong = Outcome("wrong", error="x", wrong_file=True)
    assert exit_code([good]) == 0
    assert exit_code([good, failed]) == 1
    assert exit_code([good, Outcome("crashed", error="x")]) == 1
    assert exit_code([failed, wrong]) == 2
    assert summary([good, failed, wrong]) == "1 of 3 scenarios hold, 1 cannot be read"


def test_a_wrong_file_does_not_keep_the_others_from_being_played(tmp_path: Path) -> None:
    story(tmp_path, HELD[0])
    (tmp_path / "wrong.toml").write_text("id = ", encoding="utf-8")
    outcomes = run_files([tmp_path])
    assert [(outcome.id, outcome.passed, outcome.wrong_file) for outcome in outcomes] == [
        ("story", True, False),
        ("wrong", False, True),
    ]
    assert "not valid TOML" in render(outcomes[1])
