"""The house day and WHMCS's day: together on a played day, never far apart."""

from datetime import timedelta

from tests.journeys.town import Town, error_of


def test_the_commands_play_the_day_to_which_the_simulator_was_moved(town: Town) -> None:
    """Due in two days, suspended three days after: five days on it goes down."""
    town.settle(mode="enforce")
    _, service, _ = town.house.a_debtor(overdue=-2)
    assert town.run("sync").exit_code == 0
    assert service.status == "Active"
    town.house.world.advance(days=5)
    played = town.run("sync", env={"WHMCS_BRIDGE_TODAY": town.house.today.isoformat()})
    assert played.exit_code == 0, played.output
    assert service.status == "Suspended"


def test_a_day_that_is_not_whmcss_stops_every_harmful_step(town: Town) -> None:
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=10)
    wrong = (town.house.today + timedelta(days=5)).isoformat()
    stopped = town.run("sync", env={"WHMCS_BRIDGE_TODAY": wrong})
    assert stopped.exit_code == 3
    assert "--accept-sanity clock-apart" in " ".join(stopped.stdout.split())
    assert town.harm() == []


def test_a_played_day_that_is_none_is_one_line(town: Town) -> None:
    town.settle()
    result = town.run("plan", env={"WHMCS_BRIDGE_TODAY": "tomorrow"})
    assert result.exit_code == 2
    assert "expected a day such as 2026-03-31" in error_of(result)
