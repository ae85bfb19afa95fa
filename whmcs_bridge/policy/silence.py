"""When a payment gateway has been silent for longer than its own history makes likely. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from math import log

from whmcs_bridge.policy.calendar import Calendar

LOOKS_BACK_DAYS = 365
FEWEST_PAYMENT_DAYS = 20
"""A gateway with fewer days of payments in a year has no habit that could be broken."""
UNLIKELY = 1e-4
"""How small the chance of such a silence has to be, if the gateway's days of payments came by chance."""
TIMES_AS_LONG = 2
SPARE_BANK_DAYS = 2
"""A silence is no longer ordinary when it exceeds TIMES_AS_LONG the longest but one, and so many bank days."""


def silent_since(paid_on: Sequence[date], today: date, calendar: Calendar) -> date | None:
    """Return the day of a gateway's last payment where its silence since then is out of the ordinary, else None.

    `paid_on` are the days, oldest first, on which invoices of the gateway were paid. Silence is counted in whole bank
    days between two payments; today is not over and counts for none. Two things must hold: it is longer than twice
    the longest but one of the last twelve months and two days more (the longest may have been an outage itself), and
    its chance is below one in ten thousand by the share of bank days that brought payments. So a gateway of daily
    payments is silent after a few days, one of few payments never, and one that is paid at each month's turn not
    before a turn has passed it by.
    """
    first = today - timedelta(days=LOOKS_BACK_DAYS)
    days = [day for day in paid_on if first <= day <= today]
    if len(days) < FEWEST_PAYMENT_DAYS:
        return None
    silent = _Between(days[0], today, calendar)
    gaps = sorted(silent.days(one, other) for one, other in pairwise(days))
    now = silent.days(days[-1], today)
    if now <= TIMES_AS_LONG * gaps[-2] + SPARE_BANK_DAYS:
        return None
    usual = gaps[:-1]
    share = min(len(usual) / (len(usual) + sum(usual)), 0.99)
    return days[-1] if now * log(1 - share) < log(UNLIKELY) else None


class _Between:
    """Counts the bank days strictly between two days."""

    def __init__(self, first: date, last: date, calendar: Calendar) -> None:
        self._first = first
        self._before = [0]
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            self._before.append(self._before[-1] + calendar.is_bank_day(day))

    def days(self, one: date, other: date) -> int:
        """Bank days after `one` and before `other`."""
        if other <= one:
            return 0
        return self._before[(other - self._first).days] - self._before[(one - self._first).days + 1]
