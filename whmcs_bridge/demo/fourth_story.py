"""The fourth story: a service ends, its backups go from two folders, its neighbour's stay, and the proof is printed."""

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whmcs_bridge.backups import open_panels, open_stores
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.demo.company import OPERATOR_AT, Company, demo_settings
from whmcs_bridge.demo.house import SETTINGS
from whmcs_bridge.demo.second_story import small_whmcs
from whmcs_bridge.demo.story import Day, Line
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines
from whmcs_bridge.settings import from_mapping, parse
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor, Client, Service

DAYS = 4
ENDS = 1
"""Day of the scene, counted from 0, on which staff ends the service."""
ONE_DAY = dt.timedelta(days=1)
BACKED_UP_BEFORE = (9 * ONE_DAY, 2 * ONE_DAY)
"""How long before the first day the backups were made."""
PATHS = {"disk": "{day}/accounts/{user}.tar.gz", "offsite": "{user}.{day}_03-15-00.tar"}
"""Store -> how a panel names a backup there: cPanel on the disk, Hestia on the other."""
STORES = """
[[backup_store]]
name = "disk"
driver = "local"
root = "{folder}/disk"
layout = "cpanel"

[[backup_store]]
name = "offsite"
driver = "local"
root = "{folder}/offsite"
layout = "hestia"

[[panel]]
name = "accounts"
driver = "names"
servers = [1]
path = "{folder}/trueuserdomains"
"""


@dataclass(slots=True)
class FourthStory:
    """What was left in the stores, and the certificate."""

    ended: int = 0
    neighbour: int = 0
    left: int = 0
    """Items of the ended service that are still in a store."""
    kept: int = 0
    """Items of its neighbour."""
    certificate: dict[str, Any] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the story for machines."""
        return {
            "ended": self.ended,
            "neighbour": self.neighbour,
            "left": self.left,
            "kept": self.kept,
            "certificate": self.certificate,
        }


class BackupScene:
    """Plays the fourth story in a small house of its own, whose stores are real folders; they are removed with it."""

    def __init__(self, last: dt.date) -> None:
        self.first = last - (DAYS - 1) * ONE_DAY
        self.world = small_whmcs(AutoSuspension="")
        self.story = FourthStory()

    def play(self) -> Iterator[Day]:
        """Yield the days; then `story` is whole."""
        with tempfile.TemporaryDirectory(prefix="whmcs-bridge-demo-") as made:
            yield from self._play(Path(made).resolve())

    def _play(self, folder: Path) -> Iterator[Day]:
        story = self.story
        ended, neighbour = self._client("bakery"), self._client("bakery2")
        story.ended, story.neighbour = ended.id, neighbour.id
        text = SETTINGS + STORES.format(folder=folder)
        settings = from_mapping(parse(text.encode(), "demo"), source="demo", path=folder / "bridge.toml")
        with Company(self.world, demo_settings(None), seed=0) as company:
            company.bridge.ports.stores = open_stores(settings)
            company.bridge.ports.account_panels = open_panels(settings)
            self._eve(company, folder, (ended, neighbour))
            name = company.name_of(ended.id)
            for number in range(DAYS):
                book = company.morning(self.first + number * ONE_DAY)
                lines: list[Line] = []
                if number == 0:
                    lines += self._begins(company)
                if number == ENDS:
                    company.at(book.day, OPERATOR_AT)
                    with self.world.acting(Actor.ADMIN):
                        modules.run_module(self.world, ended, modules.TERMINATE)
                    _write_accounts(folder, (neighbour,))
                    company.deliver()
                    lines.append(Line(f"{name} is ended by staff; its backups still lie in two stores.", "harm"))
                if number == DAYS - 1:
                    lines += self._proof(company, folder)
                story.troubles += [f"{book.day}: {trouble}" for trouble in book.troubles]
                story.troubles += [f"{book.day}: {problem}" for report in book.reports for problem in report.problems]
                yield Day(book.day, tuple(lines), act=5)

    def _eve(self, company: Company, folder: Path, services: tuple[Service, ...]) -> None:
        """Backups of both lie in both stores, and the panel names both accounts."""
        company.at(self.first - ONE_DAY, OPERATOR_AT)
        for store, pattern in PATHS.items():
            (folder / store).mkdir()
            (folder / store / SENTINEL).touch()
            for service in services:
                for before in BACKED_UP_BEFORE:
                    _back_up(folder / store / _path(pattern, service, self.first - before), self.first - before)
        _write_accounts(folder, services)
        company.bridge.sync()
        company.deliver()

    def _begins(self, company: Company) -> Iterator[Line]:
        names = f"{company.name_of(self.story.ended)} and {company.name_of(self.story.neighbour)}"
        yield Line(
            f"A fourth house: {names} are backed up into two folders, as cPanel and as Hestia name files.", "quiet"
        )

    def _proof(self, company: Company, folder: Path) -> Iterator[Line]:
        story = self.story
        ended, neighbour = (self.world.services[n] for n in (story.ended, story.neighbour))
        story.left, story.kept = self._count(folder, ended), self._count(folder, neighbour)
        story.certificate = certificate(company.bridge.ports, ServiceId(story.ended))
        if story.left or story.kept != len(PATHS) * len(BACKED_UP_BEFORE):
            story.troubles.append(f"{story.left} backups are left, {story.kept} of the neighbour's")
        yield Line(f"{story.left} of its backups are left; {story.kept} of its neighbour's are untouched.", "good")
        for line in certificate_lines(story.certificate):
            if line:
                yield Line(line, "quiet")

    def _count(self, folder: Path, service: Service) -> int:
        """Files of a service that are on the disk wherever, in a quarantine too."""
        wanted = {
            Path(_path(pattern, service, self.first - before)).name
            for pattern in PATHS.values()
            for before in BACKED_UP_BEFORE
        }
        return sum(1 for path in folder.rglob("*") if path.name in wanted)

    def _client(self, name: str) -> Service:
        world = self.world
        number = len(world.clients) + 1
        client = world.add_client(
            Client(0, "Client", f"{number}", email=f"client{number}@example.com", created=self.first - 400 * ONE_DAY)
        )
        return world.add_service(
            Service(
                0,
                client.id,
                1,
                domain=f"{name}.example.com",
                username=name,
                server=1,
                amount=4000,
                registered=self.first - 400 * ONE_DAY,
                next_due=self.first + 200 * ONE_DAY,
            )
        )


def _path(pattern: str, service: Service, day: dt.date) -> str:
    return pattern.format(user=service.username, day=day)


def _back_up(path: Path, day: dt.date) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 4096)
    night = dt.datetime.combine(day, dt.time(3, 15), dt.UTC).timestamp()
    os.utime(path, (night, night))


def _write_accounts(folder: Path, services: tuple[Service, ...]) -> None:
    """The panel's list of who lives, as cPanel writes it."""
    lines = "".join(f"{service.domain}: {service.username}\n" for service in services)
    (folder / "trueuserdomains").write_text(lines, "ascii")
