"""The fourth story: a service ends, its backups go from two stores, its neighbour's stay, and the proof is printed."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from whmcs_bridge.backups.memory import MemoryStore
from whmcs_bridge.demo.company import OPERATOR_AT, Company, demo_settings
from whmcs_bridge.demo.second_story import small_whmcs
from whmcs_bridge.demo.story import Day, Line
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor, Client, Service

DAYS = 4
ENDS = 1
"""Day of the scene, counted from 0, on which staff ends the service."""
NAMES = ("monday.tar", "friday.tar")
ONE_DAY = dt.timedelta(days=1)


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
    """Plays the fourth story in a small house of its own."""

    def __init__(self, last: dt.date) -> None:
        self.first = last - (DAYS - 1) * ONE_DAY
        self.world = small_whmcs(AutoSuspension="")
        self.stores = [MemoryStore("disk"), MemoryStore("offsite")]
        self.story = FourthStory()

    def play(self) -> Iterator[Day]:
        """Yield the days; then `story` is whole."""
        story = self.story
        ended, neighbour = self._client("bakery"), self._client("bakery2")
        story.ended, story.neighbour = ended.id, neighbour.id
        with Company(self.world, demo_settings(None), seed=0) as company:
            company.bridge.ports.stores = tuple(self.stores)
            self._eve(company, ended, neighbour)
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
                    company.deliver()
                    lines.append(Line(f"{name} is ended by staff; its backups still lie in two stores.", "harm"))
                if number == DAYS - 1:
                    lines += self._proof(company)
                story.troubles += [f"{book.day}: {trouble}" for trouble in book.troubles]
                story.troubles += [f"{book.day}: {problem}" for report in book.reports for problem in report.problems]
                yield Day(book.day, tuple(lines), act=5)

    def _eve(self, company: Company, ended: Service, neighbour: Service) -> None:
        company.at(self.first - ONE_DAY, OPERATOR_AT)
        for store in self.stores:
            for service in (ended, neighbour):
                for backup in NAMES:
                    store.put(ServiceId(service.id), backup, size=1_000_000, at=company.bridge.clock.now())
        company.bridge.sync()
        company.deliver()

    def _begins(self, company: Company) -> Iterator[Line]:
        names = f"{company.name_of(self.story.ended)} and {company.name_of(self.story.neighbour)}"
        yield Line(f"A fourth house: {names} are backed up to a disk and to another place.", "quiet")

    def _proof(self, company: Company) -> Iterator[Line]:
        story = self.story
        story.left = sum(store.count(ServiceId(story.ended)) for store in self.stores)
        story.kept = sum(store.count(ServiceId(story.neighbour)) for store in self.stores)
        story.certificate = certificate(company.bridge.ports, ServiceId(story.ended))
        if story.left or story.kept != len(self.stores) * len(NAMES):
            story.troubles.append(f"{story.left} backups are left, {story.kept} of the neighbour's")
        yield Line(f"{story.left} of its backups are left; {story.kept} of its neighbour's are untouched.", "good")
        for line in certificate_lines(story.certificate):
            if line:
                yield Line(line, "quiet")

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
