"""Billing cycles: how far each moves a due date, month ends included."""

from calendar import monthrange
from datetime import date

MONTHS: dict[str, int] = {
    "monthly": 1,
    "quarterly": 3,
    "semi-annually": 6,
    "semiannually": 6,
    "annually": 12,
    "biennially": 24,
    "triennially": 36,
}


def months_in(cycle: str) -> int:
    """Months of a billing cycle in any of its spellings; 0 for one-time and free ones."""
    return MONTHS.get(cycle) or MONTHS.get(cycle.lower(), 0)


def add_months(day: date, months: int, anchor: int = 0) -> date:
    """The day `months` later; a month too short ends early, and `anchor` (a day of the month) is where
    a date at a month's end belongs: the 31st, the 28th of February, then the 31st again."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    length = monthrange(years, month + 1)[1]
    wanted = day.day
    if anchor > wanted and wanted == monthrange(day.year, day.month)[1]:
        wanted = anchor
    return date(years, month + 1, min(wanted, length))


def advance(day: date | None, cycle: str, anchor: int = 0) -> date | None:
    """The next due date after `day`; unchanged for cycles that do not recur and for no date at all."""
    months = months_in(cycle)
    return add_months(day, months, anchor) if day is not None and months else day
