"""A town for journeys: a simulated WHMCS served over HTTP, a settings file beside it, and the command line."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands import cli
from tests.house import NEVER_SLEEP, House, a_world
from whmcs_bridge.api import client
from whmcs_bridge.api.client import WhmcsApi
from whmcs_bridge.simulator.app import Server, serve
from whmcs_bridge.simulator.faults import Fault

SETTINGS = """\
mode = "{mode}"
[whmcs]
url = "{url}"
identifier = "env:TOWN_IDENTIFIER"
secret = "env:TOWN_SECRET"
[calendar]
timezone = "UTC"
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
terminate_after_days = 15
"""
CREDENTIALS = {"TOWN_IDENTIFIER": "simulator-identifier", "TOWN_SECRET": "simulator-secret"}


@dataclass
class Town:
    """One WHMCS, one folder, one operator at the keyboard."""

    house: House
    server: Server
    folder: Path
    env: dict[str, str | None] = field(default_factory=lambda: {**CREDENTIALS, "COLUMNS": "100"})

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def config(self) -> Path:
        return self.folder / "bridge.toml"

    def settle(self, text: str = SETTINGS, *, mode: str = "shadow", more: str = "") -> None:
        """Write the settings file."""
        self.config.write_text(text.format(mode=mode, url=self.url) + more, "utf-8")

    def run(self, *args: str, answers: str | None = None, env: Mapping[str, str | None] | None = None) -> Result:
        """Type a command; nobody's exception comes out of it."""
        given = [*args] if "--config" in args or args[0] == "init" else ["--config", str(self.config), *args]
        result = CliRunner().invoke(cli, given, input=answers, env={**self.env, **(env or {})})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    def json(self, *args: str) -> Any:
        """Type a command with --json; return what it prints."""
        return json.loads(self.run(*args, "--json").stdout)

    def faults(self, *faults: Fault) -> None:
        """These faults, and no others, from now on."""
        self.server.front.faults.clear()
        self.server.front.faults.add(*faults)

    def harm(self) -> list[str]:
        """Whatever was suspended or ended, in the simulated WHMCS's own words."""
        kinds = ("module:suspend", "module:terminate", "service:status")
        return [f"{event.kind} {event.service}" for event in self.house.world.log if event.kind in kinds]


@contextmanager
def a_town(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Serve an empty WHMCS whose clock is ours; waiting between attempts is left out."""
    monkeypatch.setattr(client, "WhmcsApi", partial(WhmcsApi, sleep=NEVER_SLEEP))
    world = a_world(datetime.now(UTC).replace(tzinfo=None, microsecond=0))
    with House.of(world=world) as house, serve(world) as server:
        yield Town(house, server, folder)


def error_of(result: Result) -> str:
    """The one line that a command says when it fails."""
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1, f"{len(lines)} lines on stderr: {lines}"
    return lines[0]
