"""A town with people in it: an operator types, time goes by, the bridge looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands import app as commands_app
from tests.house import NEVER_SLEEP, House, a_world
from tests.journeys.town import SETTINGS, Town, error_of
from whmcs_bridge.api import client
from whmcs_bridge.api.client import WhmcsApi
from whmcs_bridge.simulator.app import serve
from whmcs_bridge.simulator.records import Client, Invoice, Service
from whmcs_bridge.wiring import HouseClock

RULES = """
[sanity]
enabled = false
[approval]
terminate = "automatic"
[limits]
suspend = "off"
terminate = "off"
[promises]
max_days = 10
cooldown_days = 60
[trust_release]
cooldown_days = 30
tiers = [{ days = 3 }]
"""


@dataclass
class People(Town):
    """A town on a day of its own, whose operator records what people said."""

    def type(self, *args: str, code: int = 0) -> str:
        """Type a command that exits with `code`; return what it printed, both streams."""
        result = self.run(*args)
        assert result.exit_code == code, result.output
        return result.output

    def refused(self, *args: str) -> str:
        """Type a command that is refused with one line; return the line."""
        result = self.run(*args)
        assert result.exit_code == 2, result.output
        assert not result.stdout
        return error_of(result).removeprefix("error: ")

    def printed(self, *args: str) -> Any:
        """Type a command with --json."""
        return self.json(*args)

    def sync(self) -> None:
        """What the timer runs."""
        result = self.run("sync")
        assert result.exit_code == 0, result.output

    def days(self, count: int) -> None:
        """Let days go by, a sync on each."""
        for _ in range(count):
            self.house.pass_days()
            self.sync()

    def day(self, offset: int) -> str:
        """The day so many days from today, as it is typed."""
        return self.house.day(offset).isoformat()

    def a_debtor(self, *, overdue: int = 0, **fields: Any) -> tuple[Client, Service, Invoice]:
        """A client with one service and one invoice, due so many days ago, seen by a sync."""
        found = self.house.a_debtor(overdue=overdue, **fields)
        self.sync()
        return found

    def status(self, service: Service) -> str:
        return self.house.world.services[service.id].status

    def happened(self, kind: str, service: Service) -> int:
        """How often this was done to the service (`module:unsuspend`)."""
        return len(self.house.events(kind, service=service))


@contextmanager
def a_town_of_people(folder: Path, monkeypatch: pytest.MonkeyPatch, *, mode: str = "enforce") -> Iterator[People]:
    """Serve a WHMCS whose day is Monday, March 10th 2025; the command line lives on the same day."""
    monkeypatch.setattr(client, "WhmcsApi", partial(WhmcsApi, sleep=NEVER_SLEEP))
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    world = a_world()
    with House.of(world=world) as house, serve(world) as server:
        town = People(house, server, folder)
        monkeypatch.setattr(HouseClock, "now", lambda self: house.bridge.clock.now())
        monkeypatch.setattr(commands_app, "played_day", lambda: None)
        town.settle(SETTINGS, mode=mode, more=RULES)
        yield town
