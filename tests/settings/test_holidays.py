"""Real holidays, computed when asked."""

from datetime import date, datetime

import pytest

from tests.settings.files import settings_of
from whmcs_bridge.settings.days import CountryHolidays


def test_the_holidays_of_a_country_and_of_its_part() -> None:
    brazil, sao_paulo = CountryHolidays("BR"), CountryHolidays("BR-SP")
    assert date(2026, 4, 21) in brazil
    assert date(2026, 7, 9) not in brazil
    assert date(2026, 7, 9) in sao_paulo
    assert date(2031, 12, 25) in sao_paulo
    assert date(2026, 7, 10) not in sao_paulo
    assert "2026-07-09" not in sao_paulo
    assert datetime(2026, 7, 9, 12) in sao_paulo  # noqa: DTZ001 - a day of the house has no zone


def test_the_calendar_skips_them() -> None:
    text = '[calendar]\ntimezone = "UTC"\nholidays = "BR-SP"\nquiet_days = ["holiday"]'
    calendar = settings_of(text).policy.calendar
    assert calendar.next_active(date(2026, 7, 9)) == date(2026, 7, 10)
    assert calendar.add_bank_days(date(2026, 7, 8), 1) == date(2026, 7, 10)


@pytest.mark.parametrize("spec", ["", "XX", "br", "BR-", "BR-ZZ", "BR-sp", "-SP"])
def test_an_unknown_country_or_part_is_refused(spec: str) -> None:
    with pytest.raises(LookupError):
        CountryHolidays(spec)
