"""Quiet days, bank days, and counting over frozen days. Pure: which days are holidays is handed in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Protocol

ONE_DAY = timedelta(days=1)
SATURDAY = 5
LONGEST_QUIET_RUN = 366
"""No calendar may be quiet for longer; `policy check` refuses one that is quiet on all seven days."""


class Days(Protocol):
    """A set of dates, however it is computed."""

    def __contains__(self, day: object, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Calendar:
    """The house's days. `act_hours` is looked at by the run, not by the policy: decisions know days only."""

    timezone: str = "UTC"
    quiet_weekdays: frozenset[int] = frozenset()
    """0 is Monday, as in date.weekday()."""
    quiet_holidays: bool = False
    holidays: Days = frozenset()
    clearing_bank_days: Mapping[str, int] = field(default_factory=dict)
    """Bank days after the due date until a payment is booked, per gateway's system name."""
    act_hours: tuple[time, time] | None = None

    def is_quiet(self, day: date) -> bool:
        """Nothing is suspended or terminated on this day."""
        return day.weekday() in self.quiet_weekdays or (self.quiet_holidays and day in self.holidays)

    def next_active(self, day: date) -> date:
        """Return `day`, or the first later day that is not quiet."""
        for _ in range(LONGEST_QUIET_RUN):
            if not self.is_quiet(day):
                return day
            day += ONE_DAY
        return day

    def is_eve_of_quiet(self, day: date) -> bool:
        """The next day is quiet: what is given today cannot be taken back tomorrow."""
        return self.is_quiet(day + ONE_DAY)

    def is_bank_day(self, day: date) -> bool:
        """Monday to Friday, and no holiday."""
        return day.weekday() < SATURDAY and day not in self.holidays

    def next_bank_day(self, day: date) -> date:
        """Return `day`, or the first later bank day."""
        while not self.is_bank_day(day):
            day += ONE_DAY
        return day

    def add_bank_days(self, day: date, count: int) -> date:
        """Return the `count`-th bank day after `day`; `day` itself for 0."""
        for _ in range(count):
            day = self.next_bank_day(day + ONE_DAY)
        return day


def move_on(day: date, frozen: Collection[date]) -> date:
    """Return `day`, or the first later day on which the clock does not stand still."""
    while day in frozen:
        day += ONE_DAY
    return day


def add_days(start: date, count: int, frozen: Collection[date] = ()) -> date:
    """Return the day `count` days after `start`, where days in `frozen` do not count and are never the answer."""
    if not frozen:
        return start + timedelta(days=count)
    day = start
    while count > 0:
        day += ONE_DAY
        if day not in frozen:
            count -= 1
    return move_on(day, frozen)
