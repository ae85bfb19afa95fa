"""The demonstration: the same seed tells the same story, and what it leaves behind can be asked."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from commands import cli
from whmcs_bridge.demo import CLAIMS
from whmcs_bridge.demo.fourth_story import BackupScene
from whmcs_bridge.demo.second_story import Scene
from whmcs_bridge.demo.third_story import PeopleScene

PLAIN = ["demo", "--shadow-days", "0", "--clients", "40", "--days", "30", "--seed", "8", "--today", "2025-10-31"]
MESSY = ["demo", "--shadow-days", "8", "--clients", "150", "--days", "5", "--seed", "8", "--today", "2025-10-31"]


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(args), env={"COLUMNS": "100"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def told() -> str:
    code, text = run(*PLAIN)
    assert code == 0, text
    return text


@pytest.fixture(scope="module")
def messy() -> str:
    """A ten-year-old book, told for people."""
    code, text = run(*MESSY)
    assert code == 0, text
    return text


def test_the_account_tells_who_was_warned_suspended_and_came_back(told: str) -> None:
    for words in ("Reminded:", "Warned:", "suspended: invoice", "back at once", "Who went through which stages"):
        assert words in told
    assert "First act" not in told
    assert max(map(len, told.splitlines())) <= 100


def test_the_first_act_tells_what_shadow_mode_would_do_and_who_else_acts(messy: str) -> None:
    shadow, _, enforced = messy.partition("The house rules are enforced")
    for words in (
        "adopt looks at 150 clients",
        "Nothing was changed.",
        "by nobody we know",
        "shadow report:",
        "switches it off",
        'sets mode = "enforce"',
    ):
        assert words in " ".join(shadow.split())
    for words in ("suspended: invoice", "Warned:"):
        assert words not in shadow
        assert words in enforced
    assert max(map(len, messy.splitlines())) <= 100


@pytest.mark.parametrize("story", ["told", "messy"])
def test_whmcs_own_tables_say_that_nobody_was_wronged(story: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(story)
    assert isinstance(text, str)
    _, _, proof = text.partition("Was anybody wronged?")
    counts = [proof.splitlines()[2 + place].split()[0] for place in range(len(CLAIMS))]
    assert counts == ["0"] * len(CLAIMS)


def test_the_same_seed_and_day_tell_the_same_story() -> None:
    short = ["demo", "--clients", "25", "--shadow-days", "2", "--days", "3", "--today", "2025-10-31"]
    told = without_the_disks_own(run(*short)[1])
    assert without_the_disks_own(run(*short)[1]) == told
    assert without_the_disks_own(run(*short, "--seed", "9")[1]) != told


def without_the_disks_own(text: str) -> str:
    """What a story says apart from its folder's name, and from hashes that cover a disk's own numbers of files."""
    text = re.sub(r"whmcs-bridge-demo-\w{8}", "FOLDER", text)
    return re.sub(r"\b[0-9a-f]{12}\b|\b[0-9a-f]{64}\b", "HASH", text)


def test_machines_get_a_day_a_line_and_the_summary_last() -> None:
    code, text = run(*PLAIN, "--json")
    assert code == 0
    lines = [json.loads(line) for line in text.splitlines()]
    lived = [line["date"] for line in lines[:-1] if line["act"] == 2]
    assert lived == [f"2025-10-{day:02d}" for day in range(2, 32)]
    summary = lines[-1]["summary"]
    stages = summary["stages"]
    assert stages["suspended"] >= stages["came_back"] > 0
    assert summary["suspended_without_debt"] == 0
    assert summary["released_at_once"] > 0
    assert summary["recovered_after_suspension"]
    assert summary["first_act"] is None
    assert set(summary["second_story"]) == {"two_invoices", "paid_up", "staffs_click"}
    assert set(summary["third_story"]) == {"kept", "broken", "trusted", "vip", "notes"}


def test_the_second_story_tells_what_was_refused_let_through_and_given_back(told: str) -> None:
    _, _, second = told.partition("Second story: WHMCS asks before it acts")
    text = " ".join(second.partition("Who went through which stages")[0].split())
    for words in (
        "pays invoice 1, 40.00 USD; invoice 2 stays open",
        "wants to unsuspend two-invoices.example.com (service 1). The bridge refuses",
        "It stays suspended.",
        "is back in the moment of the payment",
        "wants to suspend paid-up.example.com (service 2). The bridge refuses: no debt",
        "on 10 mornings and was refused each time; staff has 1 task about it",
        "recorded as a release of 3 days",
        "one-click.example.com (service 3) is suspended by WHMCS's cron, and the bridge lets it",
    ):
        assert words in text


def test_the_third_story_tells_what_came_of_what_clients_said(told: str) -> None:
    _, _, third = told.partition("Third story: what clients say")
    text = " ".join(third.partition("Who went through which stages")[0].split())
    for words in (
        "The client of kept.example.com (service 1) phones and promises Thursday",
        "The promise of kept.example.com (service 1) is kept.",
        "The promise of broken.example.com (service 2) is broken.",
        "promises once more. Refused: a promise was broken less than 60 days ago",
        "trusted.example.com (service 3) is back: trust release",
        "The release of trusted.example.com (service 3) is over.",
        "The client of vip.example.com (service 4) is no VIP any more",
        "The client of vip.example.com (service 4) is VIP again",
        "WHMCS has 6 lines in its log and 6 notes at the clients",
    ):
        assert words in text


@pytest.mark.parametrize("later", [0, 3, 6])
def test_the_third_story_is_the_same_on_whatever_day_it_ends(later: int) -> None:
    scene = PeopleScene(date(2026, 2, 25) + timedelta(days=later))
    list(scene.play())
    story, first = scene.story, scene.first
    assert not story.troubles
    assert [(at.date() - first, act, service) for at, act, service in story.acts] == [
        (timedelta(days=1), "suspend", story.trusted),
        (timedelta(days=1), "release", story.trusted),
        (timedelta(days=4), "suspend", story.broken),
        (timedelta(days=4), "suspend", story.trusted),
    ]
    assert [(record.kind, record.state) for record in story.records] == [
        ("promise", "kept"),
        ("promise", "broken"),
        ("release", "resolved"),
    ]
    assert story.membership == [(first + timedelta(days=2), "lost"), (first + timedelta(days=2), "regained")]
    assert (len(story.refused), story.notes) == (1, 6)


def test_machines_get_both_acts_and_the_proof() -> None:
    code, text = run(*MESSY, "--json")
    assert code == 0
    *days, last = [json.loads(line) for line in text.splitlines()]
    assert [day["date"] for day in days if day["act"] < 3] == [f"2025-10-{day:02d}" for day in range(18, 32)]
    assert [day["act"] for day in days] == [1] * 9 + [2] * 5 + [3] * 11 + [4] * 9 + [5] * 4
    act, proof = last["summary"]["first_act"], last["summary"]["proof"]
    assert act["shadow_days"] == 8
    assert act["would_have"]["suspend"] > 0
    assert act["adopt"]["book"]["clients"] == 150
    assert {one["whose"] for one in act["adopt"]["suspended"]} == {"whmcs", "staff"}
    assert {one["setting"] for one in act["adopt"]["settings"] if one["weight"] == "fights"} == {
        "AutoSuspension",
        "AutoTermination",
    }
    assert {other["actor"] for other in act["by_others"]} >= {"unknown", "cron"}
    assert act["put_right_by_operator"] > 0
    assert proof["failed"] == {key: [] for key, _ in CLAIMS}
    assert proof["acts"]["suspend"] > 0
    assert proof["first_enforced_day"]["suspend"] == proof["first_enforced_day"]["end"] == 0


@pytest.fixture(scope="module")
def second() -> dict[str, Any]:
    """The second story alone, for machines."""
    scene = Scene(date(2025, 10, 31))
    days = list(scene.play())
    assert [day.day for day in days] == [date(2025, 10, 21) + timedelta(days=each) for each in range(11)]
    assert not scene.story.troubles
    return json.loads(json.dumps(scene.story.to_json()))  # type: ignore[no-any-return]


def test_who_pays_one_of_two_invoices_stays_down_until_the_second(second: dict[str, Any]) -> None:
    story = second["two_invoices"]
    first, last = story["paid_at"]
    asked = [(one["at"], one["by"], one["hook"], one["refused"]) for one in story["asked"]]
    assert asked == [
        (first, "payment", "PreModuleUnsuspend", True),
        (last, "payment", "PreModuleUnsuspend", False),
    ]
    assert story["asked"][0]["reason"] == "invoice 2 is still open"
    assert story["acts"] == [{"at": last, "act": "release", "by": "payment"}]


def test_the_cron_never_gets_at_who_paid_and_staff_hears_of_it_once(second: dict[str, Any]) -> None:
    story = second["paid_up"]
    assert len({one["at"] for one in story["asked"]}) == 10
    assert {(one["by"], one["hook"], one["refused"]) for one in story["asked"]} == {("cron", "PreModuleSuspend", True)}
    assert all(one["reason"].startswith("no debt") for one in story["asked"])
    assert story["acts"] == []
    assert len(story["tasks"]) == 1


def test_staffs_click_on_a_debtor_holds_for_three_days(second: dict[str, Any]) -> None:
    story = second["staffs_click"]
    assert [one["refused"] for one in story["asked"] if one["by"] == "admin"] == [False]
    assert story["releases"] == [{"since": "2025-10-27", "until": "2025-10-30"}]
    cron = [(one["at"][:10], one["refused"]) for one in story["asked"] if one["by"] == "cron"]
    assert cron == [(f"2025-10-{day}", day < 31) for day in (28, 29, 30, 31)]
    assert [(act["at"][:10], act["act"], act["by"]) for act in story["acts"]] == [
        ("2025-10-23", "suspend", "api"),
        ("2025-10-27", "release", "admin"),
        ("2025-10-31", "suspend", "cron"),
    ]


@pytest.mark.parametrize("later", range(7))
def test_the_second_story_is_the_same_on_whatever_day_it_ends(later: int) -> None:
    scene = Scene(date(2026, 2, 25) + timedelta(days=later))
    list(scene.play())
    assert [(act, by) for _, act, by, _ in scene.story.acts] == [
        ("suspend", "api"),
        ("release", "admin"),
        ("release", "payment"),
        ("suspend", "cron"),
    ]
    assert len(scene.story.tasks) == 1


def test_what_is_kept_can_be_asked_without_whmcs(tmp_path: Path) -> None:
    """No --today: the last simulated day is today, so the offline commands stand on the same day."""
    kept = tmp_path / "kept"
    code, text = run("demo", "--clients", "40", "--shadow-days", "0", "--days", "15", "--keep", str(kept))
    assert code == 0, text
    config = ["--config", str(kept / "bridge.toml")]
    assert (kept / "journal.db").exists()
    assert (kept / "mirror.db").exists()
    assert run(*config, "plan", "--offline")[0] == 0
    done = json.loads(run(*config, "journal", "--kind", "suspend", "--json")[1])
    assert done
    service = done[0]["step"]["service"]
    code, why = run(*config, "explain", f"service:{service}")
    assert code == 0
    assert f"Service {service}" in why
    assert run(*config, "tasks")[0] == 0
    again, said = run("demo", "--clients", "40", "--shadow-days", "0", "--days", "15", "--keep", str(kept))
    assert again == 2
    assert "would be overwritten" in said


def test_the_fourth_story_leaves_the_neighbours_backups_and_prints_the_proof() -> None:
    scene = BackupScene(date(2026, 3, 20))
    days = list(scene.play())
    story = scene.story
    assert (story.left, story.kept, story.troubles) == (0, 4, [])
    assert story.certificate["complete"]
    assert {store["store"] for store in story.certificate["stores"]} == {"disk", "offsite"}
    assert any("chain whole" in line.text for line in days[-1].lines)
