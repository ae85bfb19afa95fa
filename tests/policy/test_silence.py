"""A gateway is silent when it books nothing for longer than its own history makes likely."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.silence import FEWEST_PAYMENT_DAYS, silent_since

PLAIN = Calendar()
MONDAY = date(2025, 6, 2)


def bank_days(first: date, count: int, calendar: Calendar = PLAIN) -> list[date]:
    """So many bank days from the first on."""
    days = [calendar.next_bank_day(first)]
    while len(days) < count:
        days.append(calendar.add_bank_days(days[-1], 1))
    return days


def first_silent_day(paid_on: Sequence[date], calendar: Calendar = PLAIN, within: int = 200) -> int | None:
    """Bank days without a payment, today not among them, after which the gateway is first called silent."""
    quiet = 0
    for number in range(1, within):
        today = paid_on[-1] + timedelta(days=number)
        if silent_since(paid_on, today, calendar) is not None:
            return quiet
        quiet += calendar.is_bank_day(today)
    return None


def test_a_gateway_of_daily_payments_is_silent_after_three_bank_days() -> None:
    """It last booked on a Friday; Monday, Tuesday and Wednesday bring nothing: on Thursday staff is asked."""
    paid_on = bank_days(MONDAY, 30)
    assert paid_on[-1].strftime("%A") == "Friday"
    for days in range(6):
        assert silent_since(paid_on, paid_on[-1] + timedelta(days=days), PLAIN) is None
    assert silent_since(paid_on, paid_on[-1] + timedelta(days=6), PLAIN) == paid_on[-1]


def test_holidays_are_no_days_of_silence() -> None:
    paid_on = bank_days(MONDAY, 30)
    friday = paid_on[-1]
    feast = Calendar(holidays=frozenset(friday + timedelta(days=n) for n in (3, 4, 5)))
    assert silent_since(paid_on, friday + timedelta(days=6), feast) is None
    assert first_silent_day(paid_on, feast) == first_silent_day(paid_on) == 3


@pytest.mark.parametrize(("days", "judged"), [(FEWEST_PAYMENT_DAYS - 1, False), (FEWEST_PAYMENT_DAYS, True)])
def test_a_gateway_without_a_history_is_never_silent(days: int, judged: bool) -> None:
    assert (first_silent_day(bank_days(MONDAY, days)) is not None) is judged


def test_a_history_that_is_older_than_a_year_is_none() -> None:
    paid_on = bank_days(MONDAY, 60)
    assert silent_since(paid_on, paid_on[-1] + timedelta(days=30), PLAIN) is not None
    assert silent_since(paid_on, paid_on[-1] + timedelta(days=350), PLAIN) is None


def test_one_outage_in_the_past_makes_no_later_one_ordinary() -> None:
    paid_on = [*bank_days(MONDAY, 30), *bank_days(MONDAY + timedelta(days=70), 30)]
    assert first_silent_day(paid_on) == 3


def test_payments_that_come_at_the_turn_of_the_month_are_waited_for_over_two_of_them() -> None:
    """Five days a month: three weeks without a payment are ordinary, two months are not."""
    paid_on = [day for month in range(1, 7) for day in bank_days(date(2025, month, 1), 5)]
    quiet = first_silent_day(paid_on)
    assert quiet is not None
    assert 30 < quiet < 45


def test_card_payments_on_weekends_are_payments_as_any_other() -> None:
    every_day = [MONDAY + timedelta(days=n) for n in range(60)]
    assert first_silent_day(every_day) == 3


@settings(max_examples=150, deadline=None)
@given(gaps=st.lists(st.integers(3, 25), min_size=15, max_size=60), calm=st.integers(0, 25))
def test_a_small_gateway_with_rare_payments_is_never_called_silent(gaps: list[int], calm: int) -> None:
    """A payment every three to twenty-five days: no silence of up to twenty-five days is out of the ordinary."""
    day, paid_on = MONDAY, [MONDAY]
    for gap in gaps:
        day += timedelta(days=gap)
        paid_on.append(day)
    for today in range(calm + 1):
        assert silent_since(paid_on, day + timedelta(days=today), PLAIN) is None


@settings(max_examples=150, deadline=None)
@given(misses=st.sets(st.integers(1, 118), max_size=10), weekends=st.booleans(), start=st.integers(0, 6))
def test_a_gateway_of_almost_daily_payments_is_silent_within_eight_bank_days_and_not_at_once(
    misses: set[int], weekends: bool, start: int
) -> None:
    """Of 120 bank days up to ten brought nothing, no three of them in a row."""
    days = bank_days(MONDAY + timedelta(days=start), 120)
    paid_on = [d for n, d in enumerate(days) if n not in misses or {n - 1, n - 2} & misses]
    if weekends:
        paid_on = sorted({*paid_on, *(d + timedelta(days=1) for d in paid_on if d.weekday() == 4)})
    quiet = first_silent_day(paid_on)
    assert quiet is not None
    assert 3 <= quiet <= 8


@settings(max_examples=100, deadline=None)
@given(paid=st.sets(st.integers(0, 500), max_size=120), today=st.integers(0, 520))
def test_who_booked_on_one_of_the_last_two_bank_days_is_never_silent(paid: set[int], today: int) -> None:
    """Whatever the history; and the answer is always the day of the last payment."""
    paid_on = [MONDAY + timedelta(days=n) for n in sorted(paid)]
    now = MONDAY + timedelta(days=today)
    since = silent_since(paid_on, now, PLAIN)
    before = [d for d in paid_on if d <= now]
    if since is not None:
        assert since == before[-1]
        assert PLAIN.add_bank_days(since, 3) < now
