"""`shadow report` from the keyboard: what a week of shadow has shown, in words and for machines."""

from tests.journeys.town import Town
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor


def a_week_of_shadow(town: Town) -> dict[str, str]:
    """One debtor whom the rules would suspend, one service that a stranger takes down; a sync a day."""
    town.settle(mode="shadow")
    house = town.house
    house.a_debtor(overdue=10)
    stranger = house.a_service()
    for day in range(7):
        if day == 5:
            with house.world.acting(Actor.API):
                modules.run_module(house.world, stranger, modules.SUSPEND)
        played = {"WHMCS_BRIDGE_TODAY": house.today.isoformat()}
        assert town.run("sync", env=played).exit_code == 0
        house.pass_days()
    return {"WHMCS_BRIDGE_TODAY": (house.day(-1)).isoformat()}


def test_the_report_compares_and_ends_with_a_verdict(town: Town) -> None:
    result = town.run("shadow", "report", env=a_week_of_shadow(town))
    assert result.exit_code == 0
    text = result.stdout
    assert "The bridge would have, nobody did" in text
    assert "By somebody we do not know" in text
    assert "Module Suspend Successful - Service ID: 2" in text
    assert "7 of 14 shadow days in a row" in text
    assert text.splitlines()[-1].startswith("not yet: too few shadow days, somebody unknown acts")
    assert max(len(line) for line in text.splitlines()) <= 100


def test_machines_get_the_verdict_as_ready(town: Town) -> None:
    played = a_week_of_shadow(town)
    town.env.update(played)
    told = town.json("shadow", "report", "--days", "30")
    assert told["ready"] is False
    assert told["shadow_days"] == 7
    assert told["counts"]["only-we"] == {"suspend": 1}
    assert [a["service"] for a in told["second_actors"]] == [2]


def test_a_house_without_a_sync_has_a_report_too(town: Town) -> None:
    town.settle(mode="shadow")
    result = town.run("shadow", "report")
    assert result.exit_code == 0
    assert "WHMCS was never read" in result.stdout


def test_the_group_says_what_it_is_for(town: Town) -> None:
    result = town.run("shadow", "--help")
    assert result.exit_code == 0
    assert "report" in result.stdout
