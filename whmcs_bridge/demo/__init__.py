"""The demonstration: a small hosting company lives, the bridge keeps the house rules, and every step is told."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from whmcs_bridge.demo.company import LIVING, Company, demo_settings
from whmcs_bridge.demo.first_act import Takeover
from whmcs_bridge.demo.fourth_story import BackupScene, FourthStory
from whmcs_bridge.demo.proof import CLAIMS, Proof, taken_down_by_staff
from whmcs_bridge.demo.second_story import Scene, SecondStory
from whmcs_bridge.demo.story import Day, FirstAct, Journey, Line, Summary, Teller
from whmcs_bridge.demo.third_story import PeopleScene, ThirdStory
from whmcs_bridge.simulator.seed import generate
from whmcs_bridge.simulator.seed_messy import messy_book

ONE_DAY = dt.timedelta(days=1)


def play(
    clients: int, seed: int, days: int, last: dt.date, folder: Path | None = None, shadow_days: int = 14
) -> Iterator[Day | Summary]:
    """Yield the account of each day, then the summary. The last day is `last`; the same arguments tell the same story.

    The company's book is ten years old; it is adopted, and for `shadow_days` nothing is changed, before the rules are
    enforced for `days`. With 0 there is no such first act, and the book is a tidy one. `folder` keeps journal.db,
    mirror.db and bridge.toml there.
    """
    first = last - (days - 1) * ONE_DAY
    eve = first - (shadow_days + 1) * ONE_DAY
    book = messy_book(clients, seed, eve) if shadow_days else None
    world = book.world if book is not None else generate(clients, seed, eve)
    with Company(world, demo_settings(folder), seed, in_memory=folder is None) as company:
        act = None
        if book is not None:
            takeover = Takeover(company, book, eve + ONE_DAY, shadow_days)
            act = takeover.act
            yield from takeover.play()
        living = sum(len(world.services_by_status.get(status, {})) for status in LIVING)
        proof = Proof(world, taken_down_by_staff(world, *(book.abuse_blank if book is not None else ())), first)
        teller = Teller(company, Summary(len(world.clients), living, first, last, seed, proof, act))
        for number in range(days):
            yield teller.tell(company.live(first + number * ONE_DAY, proof.see))
        scene = Scene(last)
        yield from scene.play()
        people = PeopleScene(last)
        yield from people.play()
        backups = BackupScene(last)
        yield from backups.play()
        yield teller.finish(scene.story, people.story, backups.story)


__all__ = [
    "CLAIMS",
    "Day",
    "FirstAct",
    "FourthStory",
    "Journey",
    "Line",
    "Proof",
    "SecondStory",
    "Summary",
    "ThirdStory",
    "play",
]
