"""Quiet days, bank days and counting: inclusive, over month ends, 29 February and holidays."""

from datetime import date, timedelta

import pytest

from whmcs_bridge.policy.calendar import Calendar, add_days

MONDAY = date(2026, 3, 9)
SATURDAY = date(2026, 3, 14)
WEEKEND = frozenset({5, 6})


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (date(2026, 3, 10), 3, date(2026, 3, 13)),
        (date(2026, 3, 10), 0, date(2026, 3, 10)),
        (date(2026, 1, 31), 1, date(2026, 2, 1)),
        (date(2024, 2, 28), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 1, date(2024, 3, 1)),
        (date(2026, 2, 28), 1, date(2026, 3, 1)),
        (date(2025, 12, 31), 15, date(2026, 1, 15)),
    ],
)
def test_days_are_counted_inclusively(start: date, count: int, end: date) -> None:
    """ "due on the 10th, suspended on the 13th" is three days."""
    assert add_days(start, count) == end


@pytest.mark.parametrize(
    ("count", "frozen", "end"),
    [
        (3, {10, 11}, 14),
        (3, {12}, 14),
        (1, {11, 12}, 13),
        (0, {10}, 11),
        (0, {10, 11, 12}, 13),
        (2, {12, 13}, 14),
        (2, {20}, 12),
        (2, {1, 2, 3}, 12),
    ],
)
def test_frozen_days_do_not_count_and_are_never_the_answer(count: int, frozen: set[int], end: int) -> None:
    days = {date(2026, 3, n) for n in frozen}
    assert add_days(date(2026, 3, 10), count, days) == date(2026, 3, end)


def test_a_freeze_that_never_touches_the_count_changes_nothing() -> None:
    days = {date(2026, 5, n) for n in range(1, 31)}
    assert all(add_days(MONDAY, n, days) == MONDAY + timedelta(days=n) for n in range(20))


# --- quiet days -----------------------------------------------------------------------------------


def test_a_quiet_day_is_a_named_week_day_or_a_holiday_if_asked() -> None:
    holiday = date(2026, 4, 21)
    assert Calendar(quiet_weekdays=WEEKEND).is_quiet(SATURDAY)
    assert not Calendar(quiet_weekdays=WEEKEND).is_quiet(MONDAY)
    assert not Calendar(holidays={holiday}).is_quiet(holiday)
    assert Calendar(holidays={holiday}, quiet_holidays=True).is_quiet(holiday)


def test_the_next_active_day_is_the_day_itself_or_the_first_after_a_run_of_quiet_ones() -> None:
    """ "on a quiet day the step moves to the next day that is not quiet": a weekend, then a Monday holiday."""
    calendar = Calendar(quiet_weekdays=WEEKEND, quiet_holidays=True, holidays={date(2026, 3, 16)})
    assert calendar.next_active(MONDAY) == MONDAY
    assert calendar.next_active(SATURDAY) == date(2026, 3, 17)


def test_the_eve_of_a_quiet_day_is_the_day_before_one() -> None:
    calendar = Calendar(quiet_weekdays=WEEKEND)
    assert calendar.is_eve_of_quiet(date(2026, 3, 13))
    assert calendar.is_eve_of_quiet(SATURDAY), "Sunday is quiet as well"
    assert not calendar.is_eve_of_quiet(date(2026, 3, 15))


# --- bank days ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_bank_day"),
    [
        (MONDAY, True),
        (date(2026, 3, 13), True),
        (SATURDAY, False),
        (date(2026, 3, 15), False),
        (date(2026, 4, 3), False),
    ],
)
def test_bank_days_are_monday_to_friday_without_holidays(day: date, is_bank_day: bool) -> None:
    good_friday = date(2026, 4, 3)
    assert Calendar(holidays={good_friday}).is_bank_day(day) is is_bank_day


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (date(2026, 3, 13), 1, date(2026, 3, 16)),
        (date(2026, 3, 13), 3, date(2026, 3, 18)),
        (MONDAY, 0, MONDAY),
        (MONDAY, 5, date(2026, 3, 16)),
        (date(2026, 4, 2), 1, date(2026, 4, 6)),
        (date(2026, 4, 17), 2, date(2026, 4, 22)),
    ],
)
def test_bank_days_are_counted_after_the_day(start: date, count: int, end: date) -> None:
    """Friday the 17th with two bank days over a holiday on Tuesday the 21st: Wednesday the 22nd."""
    calendar = Calendar(holidays={date(2026, 4, 3), date(2026, 4, 21)})
    assert calendar.add_bank_days(start, count) == end


def test_the_next_bank_day_is_the_day_itself_if_it_is_one() -> None:
    assert Calendar().next_bank_day(MONDAY) == MONDAY
    assert Calendar().next_bank_day(SATURDAY) == date(2026, 3, 16)
