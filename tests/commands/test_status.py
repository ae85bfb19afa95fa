"""`status` as an operator and a monitoring system call it."""

from pathlib import Path

import pytest

from tests.journeys.town import Town, error_of
from whmcs_bridge.simulator.faults import Fault, Kind

NONSENSE = ["", "26", "h", "-1h", "0h", "0.0d", "26 hours", "1w", "1e9h", "٣h"]


def test_it_needs_neither_whmcs_nor_credentials_and_makes_no_files(town: Town) -> None:
    town.settle()
    nobody: dict[str, str | None] = {"TOWN_IDENTIFIER": None, "TOWN_SECRET": None}
    before = sorted(town.folder.iterdir())
    result = town.run("status", env=nobody)
    assert result.exit_code == 0
    assert "none has run yet" in result.stdout
    assert sorted(town.folder.iterdir()) == before
    town.run("sync")
    town.faults(Fault("*", Kind.BAD_CREDENTIALS, count=0))
    assert town.run("status", env=nobody).exit_code == 0


def test_one_screen_says_what_matters(town: Town) -> None:
    town.settle(mode="enforce")
    _, _, _ = town.house.a_debtor(overdue=10)
    spam = town.house.a_service(status="Suspended", suspend_reason="sends spam")
    town.house.an_invoice(spam, due=-20)
    town.run("sync")
    (town.folder / "PAUSE").touch()
    shown = town.run("status").stdout
    for said in (
        "enforce",
        "paused",
        "1 service by us",
        "1 open, the oldest since",
        "journal.db",
        "ok, 1 suspend done",
    ):
        assert said in shown, said
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert len(shown.splitlines()) <= 24


def test_machines_get_the_same(town: Town) -> None:
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=10)
    town.run("sync")
    found = town.json("status", "--max-age", "26h")
    assert (found["mode"], found["last_good_sync"]["outcome"], found["held_down"]) == ("enforce", "ok", 1)
    assert found["mirror"]["complete"] is True
    assert found["mirror"]["age_seconds"] >= 0
    assert {Path(one["path"]).name for one in found["databases"]} == {"journal.db", "mirror.db"}


@pytest.mark.parametrize("age", NONSENSE)
def test_an_age_that_makes_no_sense_is_a_usage_error(town: Town, age: str) -> None:
    town.settle()
    result = town.run("status", "--max-age", age)
    assert result.exit_code == 2
    assert "26h, 90m or 2d" in error_of(result)


@pytest.mark.parametrize("age", ["26h", "90m", "2d", "1.5h", "2D"])
def test_monitoring_is_content_after_a_good_sync_and_not_before(town: Town, age: str) -> None:
    town.settle()
    late = town.run("status", "--max-age", age)
    assert late.exit_code == 1
    assert error_of(late).startswith("error: no sync has ever ended")
    town.run("sync")
    assert town.run("status", "--max-age", age).exit_code == 0


def test_monitoring_learns_of_a_sync_that_could_not_read(town: Town) -> None:
    town.settle()
    town.run("sync")
    town.faults(Fault("GetInvoices", Kind.HTTP_500, count=0))
    assert town.run("sync").exit_code == 1
    result = town.run("status", "--max-age", "26h")
    assert result.exit_code == 1
    assert "ended failed" in error_of(result)


def test_monitoring_is_content_with_a_run_that_a_limit_refused(town: Town) -> None:
    town.settle(mode="enforce")
    for _ in range(7):
        town.house.a_debtor(overdue=10)
    assert town.run("sync").exit_code == 3
    result = town.run("status", "--max-age", "26h")
    assert result.exit_code == 0
    assert "whmcs-bridge sync --allow suspend=7" in result.stdout
