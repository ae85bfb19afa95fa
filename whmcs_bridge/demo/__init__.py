"""The demonstration: a small hosting company lives, the bridge keeps the house rules, and every step is told."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from whmcs_bridge.demo.company import Company, demo_settings
from whmcs_bridge.demo.story import Day, Journey, Line, Summary, Teller
from whmcs_bridge.simulator.seed import generate

ONE_DAY = dt.timedelta(days=1)


def play(clients: int, seed: int, days: int, last: dt.date, folder: Path | None = None) -> Iterator[Day | Summary]:
    """Yield the account of each day, then the summary. The last day is `last`; the same arguments tell the same story.

    `folder` keeps journal.db, mirror.db and bridge.toml there.
    """
    first = last - (days - 1) * ONE_DAY
    world = generate(clients, seed, first - ONE_DAY)
    with Company(world, demo_settings(folder), seed, in_memory=folder is None) as company:
        teller = Teller(company, first, last, seed)
        for number in range(days):
            yield teller.tell(company.live(first + number * ONE_DAY))
        yield teller.finish()


__all__ = ["Day", "Journey", "Line", "Summary", "play"]
