"""The house whose rules the benchmarks use: every class, every common setting, nothing exotic."""

import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from whmcs_bridge.settings import Secret, Settings, from_mapping
from whmcs_bridge.simulator.state import World

TODAY: Final = date(2026, 3, 17)
SEED: Final = 7
RULES: Final = """
[calendar]
timezone = "UTC"
holidays = "BR-SP"
quiet_days = ["saturday", "sunday", "holiday"]
clearing_bank_days = { boleto = 2, banktransfer = 3 }

[policy]
min_debt = "1.00"

[class.hosting]
product_types = ["hostingaccount", "reselleraccount"]
notices = [{ day = -4, message = "payment-reminder" }, { day = 2, message = "suspension-warning" }]
suspend_after_days = 3
terminate_after_days = 15
delete_backups_after_days = 0

[class.licence]
product_types = ["other"]
suspend_after_days = 1
terminate_after_days = 3

[class.vps]
product_types = ["server"]
suspend_after_days = 1
terminate_after_days = 3
"""


class Fixed:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self._now = now.replace(tzinfo=UTC) if now.tzinfo is None else now

    def now(self) -> datetime:
        return self._now


class Following:
    """A simulated world's own clock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.clock.replace(tzinfo=UTC)


def settings(
    url: str = "https://billing.example.com", folder: Path | None = None, page_size: int = 250, connections: int = 4
) -> Settings:
    """The house's settings, in shadow mode, pointed at a simulator."""
    whmcs = {
        "url": url,
        "identifier": "env:UNUSED",
        "secret": "env:UNUSED",
        "page_size": page_size,
        "connections": connections,
    }
    found = from_mapping({"whmcs": whmcs, **tomllib.loads(RULES)})
    known = replace(
        found.whmcs, identifier=Secret.given("simulator-identifier"), secret=Secret.given("simulator-secret")
    )
    return replace(found, whmcs=known, folder=folder or found.folder)


def settings_file(folder: Path) -> Path:
    """Write the same house's bridge.toml, which points nowhere, for the real command."""
    whmcs = '[whmcs]\nurl = "https://billing.example.com"\nidentifier = "env:UNUSED"\nsecret = "env:UNUSED"\n'
    file = folder / "bridge.toml"
    file.write_text(whmcs + RULES, "utf-8")
    return file
