"""The demonstration: the same seed tells the same story, and what it leaves behind can be asked."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands import cli

STORY = ["demo", "--clients", "40", "--days", "30", "--seed", "8", "--today", "2025-10-31"]


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(args), env={"COLUMNS": "100"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def told() -> str:
    code, text = run(*STORY)
    assert code == 0, text
    return text


def test_the_account_tells_who_was_warned_suspended_and_came_back(told: str) -> None:
    for words in ("Reminded:", "Warned:", "suspended: invoice", "back at once", "Who went through which stages"):
        assert words in told
    assert "0 suspended without an overdue invoice" in told
    assert max(map(len, told.splitlines())) <= 100


def test_the_same_seed_and_day_tell_the_same_story(told: str) -> None:
    assert run(*STORY)[1] == told
    assert run(*STORY, "--seed", "9")[1] != told


def test_machines_get_a_day_a_line_and_the_summary_last() -> None:
    code, text = run(*STORY, "--json")
    assert code == 0
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["date"] for line in lines[:-1]] == [f"2025-10-{day:02d}" for day in range(2, 32)]
    summary = lines[-1]["summary"]
    stages = summary["stages"]
    assert stages["suspended"] >= stages["came_back"] > 0
    assert summary["suspended_without_debt"] == 0
    assert summary["released_at_once"] > 0
    assert summary["recovered_after_suspension"]


def test_what_is_kept_can_be_asked_without_whmcs(tmp_path: Path) -> None:
    """No --today: the last simulated day is today, so the offline commands stand on the same day."""
    kept = tmp_path / "kept"
    code, text = run("demo", "--clients", "40", "--days", "15", "--keep", str(kept))
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
    again, said = run("demo", "--clients", "40", "--days", "15", "--keep", str(kept))
    assert again == 2
    assert "would be overwritten" in said
