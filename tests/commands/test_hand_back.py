"""`hand-back` as an operator types it."""

import pytest

from tests.journeys.town import Town, error_of
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import Service


@pytest.fixture
def down(town: Town) -> Service:
    """A service that the bridge has suspended."""
    town.settle(mode="enforce")
    _, service, _ = town.house.a_debtor(overdue=10)
    assert town.run("sync").exit_code == 0
    assert "[whmcs-bridge]" in service.suspend_reason
    return service


def test_a_look_shows_who_and_what_stays_and_changes_nothing(town: Town, down: Service) -> None:
    result = town.run("hand-back", "--dry-run")
    assert result.exit_code == 0
    assert f"{down.id} {down.domain}" in result.stdout
    assert "Enable Unsuspension" in result.stdout
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert "[whmcs-bridge]" in down.suspend_reason
    assert town.json("status")["paused"] is None


def test_it_asks_first_or_wants_yes(town: Town, down: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    unasked = town.run("hand-back")
    assert unasked.exit_code == 2
    assert "--dry-run" in error_of(unasked)
    monkeypatch.setattr("commands.hand_back.at_a_terminal", lambda: True)
    refused = town.run("hand-back", answers="n\n")
    assert refused.exit_code == 1
    assert "nothing was changed" in refused.stderr
    assert "[whmcs-bridge]" in down.suspend_reason
    assert town.run("hand-back", answers="y\n").exit_code == 0
    assert down.suspend_reason == ""


def test_it_says_what_it_did_and_what_must_be_stopped(town: Town, down: Service) -> None:
    result = town.run("hand-back", "--yes", "--by", "Ana")
    assert result.exit_code == 0
    assert (down.status, down.suspend_reason) == ("Suspended", "")
    assert "1 handed back" in result.stdout
    assert "Stop the timer" in result.stdout
    assert "handed back to WHMCS" in town.json("status")["paused"]
    (entry,) = town.json("journal", "--kind", "hand_back")
    assert (entry["state"], entry["actor"]) == ("done", "Ana")
    again = town.run("hand-back", "--yes")
    assert again.exit_code == 0
    assert "0 handed back" in again.stdout


def test_machines_get_every_service_and_the_outcome(town: Town, down: Service) -> None:
    found = town.json("hand-back", "--yes")
    assert [step["service"] for step in found["hand_back"]] == [down.id]
    assert [(r["kind"], r["state"]) for r in found["results"]] == [("hand_back", "done")]
    assert found["outcome"] == "ok"
    assert found["paused"].startswith("paused by ")
    assert {"code", "text", "todo", "client", "service"} == set(found["left"][0])


def test_a_failure_is_said_and_exits_1(town: Town, down: Service) -> None:
    town.faults(Fault("UpdateClientProduct", Kind.ERROR, text="No such thing", count=0))
    result = town.run("hand-back", "--yes")
    assert result.exit_code == 1
    assert "No such thing" in result.stdout
    assert "Run it again" in result.stdout


def test_a_book_that_cannot_be_read_is_one_line(town: Town, down: Service) -> None:
    town.faults(Fault("GetClientsProducts", Kind.HTTP_500, count=0))
    result = town.run("hand-back", "--yes")
    assert result.exit_code == 1
    assert "nothing was handed back" in error_of(result)
