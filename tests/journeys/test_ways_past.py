"""What is printed as the way past a limit or a sanity stop works as it was printed, character for character."""

import re
import shlex
from typing import Any

from click.testing import Result

from tests.house import House
from tests.journeys.town import Town

LIMITED = """
[limits]
suspend = { always_allowed = 1, max = 2, percent = 100, max_announced = 2 }
terminate = { always_allowed = 0, max = 1, percent = 100 }
[approval]
terminate = "automatic"
"""


class Played:
    """A town on the simulator's day: commands are typed as printed."""

    def __init__(self, town: Town, more: str = LIMITED) -> None:
        self.town = town
        town.settle(mode="enforce", more=more)
        world = town.house.world
        world.advance(days=7 - world.today.weekday())  # a Monday

    @property
    def house(self) -> House:
        return self.town.house

    def run(self, *args: str) -> Result:
        return self.town.run(*args, env={"WHMCS_BRIDGE_TODAY": self.house.today.isoformat()})

    def type(self, line: str) -> Result:
        """Type a whole line as it was printed."""
        name, *args = shlex.split(line)
        assert name == "whmcs-bridge"
        return self.run(*args)

    def live(self, days: int) -> Result:
        """Let days go by, a sync on each; return the last one's result."""
        for _ in range(days):
            self.house.pass_days()
            result = self.run("sync")
        return result

    def debtors(self, count: int, overdue: int = 10) -> list[Any]:
        return [self.house.a_debtor(overdue=overdue)[1] for _ in range(count)]


def ways(result: Result) -> list[str]:
    """The commands behind "to go past it"."""
    return re.findall(r"to go past it: (.*)", result.stdout)


def down(services: list[Any]) -> int:
    return sum(service.status == "Suspended" for service in services)


def test_the_way_past_one_limit_works_as_printed(town: Town) -> None:
    played = Played(town)
    services = played.debtors(4)
    stopped = played.run("sync")
    assert (stopped.exit_code, down(services)) == (3, 0)
    (way,) = ways(stopped)
    assert played.type(way).exit_code == 0
    assert down(services) == 4


def two_of_each(played: Played) -> tuple[list[Any], list[Any], Result]:
    """Two services to be ended, one more than allowed, and four to be suspended, two more than allowed."""
    ended = played.debtors(2)
    played.run("sync")
    played.live(11)
    services = played.debtors(4, overdue=2)
    return ended, services, played.live(1)


def test_the_way_past_of_a_kind_that_falls_with_another_names_both(town: Town) -> None:
    """Terminations are refused for their own number, and with the suspensions."""
    played = Played(town)
    ended, services, stopped = two_of_each(played)
    suspensions, terminations = ways(stopped)
    assert " --allow suspend=4" in suspensions
    assert "terminate" not in suspensions
    assert " --allow suspend=4 --allow terminate=2" in terminations
    only_suspended = played.type(suspensions)
    assert only_suspended.exit_code == 3
    assert (down(services), down(ended)) == (4, 2)
    (way,) = ways(only_suspended)
    assert "--allow suspend" not in way
    assert played.type(way).exit_code == 0
    assert [s.status for s in ended] == ["Terminated"] * 2


def test_both_at_once_by_the_one_command(town: Town) -> None:
    played = Played(town)
    ended, services, stopped = two_of_each(played)
    assert played.type(ways(stopped)[-1]).exit_code == 0
    assert (down(services), [s.status for s in ended]) == (4, ["Terminated"] * 2)


def test_the_way_past_several_sanity_stops_and_a_limit(town: Town) -> None:
    played = Played(town)
    played.run("sync")
    played.house.pass_days(20)
    services = played.debtors(4)
    played.house.world.settings["Version"] = "99.1.0-release.1"
    stopped = played.run("sync")
    assert stopped.exit_code == 3
    first, second, limit = ways(stopped)
    assert first == second
    assert "--allow" not in first
    accepted = played.type(first)
    assert (accepted.exit_code, down(services)) == (3, 0)
    assert ways(accepted) == [limit.replace(first.partition("sync ")[2].partition(" --config")[0] + " ", "")]
    assert played.type(ways(accepted)[0]).exit_code == 0
    assert down(services) == 4


def test_past_sanity_and_limit_in_one_go(town: Town) -> None:
    played = Played(town)
    played.run("sync")
    played.house.pass_days(20)
    services = played.debtors(4)
    assert played.type(ways(played.run("sync"))[-1]).exit_code == 0
    assert down(services) == 4


def test_an_apply_is_told_its_own_way_and_does_nothing_else_by_it(town: Town) -> None:
    played = Played(town)
    services = played.debtors(4)
    planned = played.run("plan", "--json")
    fingerprint = re.findall(r'"fingerprint": "(\w+)"', planned.stdout)[0]
    later = played.debtors(1)
    stopped = played.run("apply", "--fingerprint", fingerprint)
    assert stopped.exit_code == 3
    (way,) = ways(stopped)
    assert way.startswith(f"whmcs-bridge apply --fingerprint {fingerprint} --allow suspend=4 ")
    assert played.type(way).exit_code == 0
    assert (down(services), down(later)) == (4, 0)


def test_an_apply_goes_past_a_sanity_stop_as_printed(town: Town) -> None:
    played = Played(town)
    played.run("sync")
    played.house.pass_days(20)
    services = played.debtors(1)
    fingerprint = re.findall(r'"fingerprint": "(\w+)"', played.run("plan", "--json").stdout)[0]
    stopped = played.run("apply", "--fingerprint", fingerprint)
    assert (stopped.exit_code, down(services)) == (3, 0)
    (way,) = ways(stopped)
    assert played.type(way).exit_code == 0
    assert down(services) == 1


def test_an_apply_counts_what_was_reviewed_and_no_more(town: Town) -> None:
    """Two suspensions were reviewed; that two more became due since is no reason to refuse them."""
    played = Played(town)
    services = played.debtors(2)
    fingerprint = re.findall(r'"fingerprint": "(\w+)"', played.run("plan", "--json").stdout)[0]
    later = played.debtors(2)
    assert played.run("apply", "--fingerprint", fingerprint).exit_code == 0
    assert (down(services), down(later)) == (2, 0)


def test_announced_suspensions_over_their_own_number_are_let_past_as_printed(town: Town) -> None:
    quiet = """
[calendar]
timezone = "UTC"
quiet_days = ["thursday", "friday", "saturday", "sunday"]
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
terminate_after_days = 15
notices = [{ day = 1, message = "suspension-warning" }]
"""
    played = Played(town)
    text = town.config.read_text()
    head, tail = text.partition("[calendar]")[0], text.partition("[limits]")[2]
    town.config.write_text(f"{head}{quiet}[limits]{tail}")
    services = [played.house.a_service() for _ in range(4)]
    for service in services:
        played.house.an_invoice(service, due=1)  # Tuesday: the warning on Wednesday, the suspension on Friday
    stopped = played.live(7)
    assert (stopped.exit_code, down(services)) == (3, 0), stopped.output
    assert "4 announced suspend steps, 2 a day allowed" in stopped.stdout
    (way,) = ways(stopped)
    assert played.type(way).exit_code == 0
    assert down(services) == 4


def test_a_code_that_no_check_has_is_refused_and_the_codes_are_named(town: Town) -> None:
    played = Played(town)
    result = played.run("sync", "--accept-sanity", "long-gep")
    assert result.exit_code == 2
    assert "expected one of clock-back, long-gap" in result.stderr
    assert played.run("sync", "--accept-sanity", "gateway-silence:boleto").exit_code == 0
    assert played.run("sync", "--accept-sanity", "sanity:version").exit_code == 0
