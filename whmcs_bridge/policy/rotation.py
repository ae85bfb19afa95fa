"""What a panel's own rotation explains among items that vanished from a store. Pure.

A listing alone proves nothing: a fault that takes a whole day's folder away looks as a rotation does. So nothing is
explained unless the settings say how the store rotates, and then only what such a rotation would have taken: the oldest
of a series, past its days or beyond the number that is kept.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from whmcs_bridge.domain.backups import BackupItem

DIGITS = re.compile(r"\d+")
Series = tuple[str, str]
"""Account, and the item's name without its numbers: its daily, weekly and monthly backups are series of their own."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a panel removes old backups from a store by itself; None: not in this way."""

    days: int | None = None
    """It keeps nothing that is older."""
    count: int | None = None
    """It keeps so many of each series, the newest."""


def made(item: BackupItem) -> date | None:
    """The day on which an item was made, as its name says, or else as its store does."""
    if item.made_on is not None:
        return item.made_on
    return item.at.astimezone(UTC).date() if item.at is not None else None


def series_of(item: BackupItem) -> Series:
    return item.account, DIGITS.sub("#", item.locator)


def unexplained(
    lost: Iterable[BackupItem], left: Iterable[BackupItem], rotation: Rotation, today: date
) -> list[BackupItem]:
    """Return what of the lost items the rotation would not have taken; `left` is what a listing shows afterwards."""
    lost = list(lost)
    if not lost or (rotation.days is None and rotation.count is None):
        return lost
    wanted = {series_of(item) for item in lost}
    days: dict[Series, list[date]] = defaultdict(list)
    for item in left:
        day = made(item)
        if day is not None and not item.quarantine and (series := series_of(item)) in wanted:
            days[series].append(day)
    return [item for item in lost if not _explained(item, days[series_of(item)], rotation, today)]


def _explained(item: BackupItem, left: Sequence[date], rotation: Rotation, today: date) -> bool:
    day = made(item)
    if day is None or not item.account or item.shared or item.lock or item.quarantine or any(d < day for d in left):
        return False
    by_age = rotation.days is not None and day + timedelta(days=rotation.days) <= today
    return by_age or (rotation.count is not None and len(left) >= rotation.count)
