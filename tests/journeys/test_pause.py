"""`pause` from the keyboard: at once, with an end, shown, ended; and while a sync runs elsewhere."""

import pytest

from tests.journeys.town import Town, error_of
from whmcs_bridge.journal import SqliteJournal


def test_pausing_stops_a_sync_and_going_on_lets_it_act(town: Town) -> None:
    town.settle(mode="enforce")
    _, service, _ = town.house.a_debtor(overdue=10)
    played = {"WHMCS_BRIDGE_TODAY": town.house.today.isoformat()}
    paused = town.run("pause", "--reason", "the bank is on strike", env=played)
    assert paused.exit_code == 0
    assert "the bank is on strike" in paused.stdout
    assert "to go on: whmcs-bridge pause --off" in paused.stdout
    stopped = town.run("sync", env=played)
    assert stopped.exit_code == 3
    assert "to go past it: whmcs-bridge pause --off" in stopped.stdout
    assert town.harm() == []
    assert "The pause has ended." in town.run("pause", "--off", env=played).stdout
    assert town.run("sync", env=played).exit_code == 0
    assert service.status == "Suspended"


def test_showing_changes_nothing(town: Town) -> None:
    town.settle()
    assert town.run("pause", "--show").stdout == "No pause stands.\n"
    assert town.json("pause", "--show") == {
        "paused": False,
        "by": None,
        "since": None,
        "until": None,
        "reason": None,
        "file": None,
    }


def test_a_day_ends_at_its_midnight_and_a_time_at_its_minute(town: Town) -> None:
    town.settle()
    played = {"WHMCS_BRIDGE_TODAY": "2026-03-30"}
    for text, ends in (
        ("2026-03-31", "2026-04-01T00:00:00+00:00"),
        ("2026-03-31T14:00", "2026-03-31T14:00:00+00:00"),
        ("2026-03-31T14:00+02:00", "2026-03-31T12:00:00+00:00"),
    ):
        assert town.run("pause", "--until", text, env=played).exit_code == 0
        journal = SqliteJournal(town.folder / "journal.db")
        assert journal.get("pause")["until"] == ends
        journal.close()


@pytest.mark.parametrize("text", ["2026-02-30", "tomorrow", "12:00", "9999-12-31", ""])
def test_a_time_that_is_none_is_one_line(town: Town, text: str) -> None:
    town.settle()
    result = town.run("pause", "--until", text or " ")
    assert result.exit_code == 2
    assert "expected a day (2026-03-31) or a time" in error_of(result)


def test_a_time_that_has_passed_is_refused(town: Town) -> None:
    town.settle()
    result = town.run("pause", "--until", "2020-01-01")
    assert result.exit_code == 2
    assert "has passed" in error_of(result)
    assert town.json("pause", "--show")["paused"] is False


def test_a_file_that_still_holds_is_told_when_the_pause_is_ended(town: Town) -> None:
    town.settle()
    (town.folder / "PAUSE").touch()
    ended = town.run("pause", "--off")
    assert ended.exit_code == 3
    assert f"rm {town.folder / 'PAUSE'}" in ended.stdout
    (town.folder / "PAUSE").unlink()
    assert town.run("pause", "--off").exit_code == 0


def test_without_a_journal_the_file_is_named(town: Town) -> None:
    town.settle()
    (town.folder / "journal.db").write_text("this is no database, and it is longer than a header would be" * 20)
    result = town.run("pause")
    assert result.exit_code == 1
    assert f"touch {town.folder / 'PAUSE'}" in error_of(result)
