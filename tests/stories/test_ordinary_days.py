"""Limits and ordinary days: what a house does every Monday and every first of a month, and what it never does."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.house import WARNED, House, a_world, done
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.policy.decision import HARMFUL, Kind
from whmcs_bridge.policy.rules import Limits
from whmcs_bridge.settings.keys import DEFAULT_LIMITS

TUESDAY = datetime(2025, 11, 18, 12)  # noqa: DTZ001 (WHMCS shows wall-clock time)
"""Before Thursday 20 November, a holiday in Brazil, and the quiet Friday, Saturday and Sunday after it."""
SERVICES = 5_000
A_DAY = 15
"""Suspensions on an ordinary day: 0.3 % of the services, which is nine of a hundred invoices unpaid three days late."""
QUIET_DAYS = 4


def defaults(house: House) -> None:
    """The limits and sanity checks of a settings file that says nothing about them."""
    settings = house.bridge.settings
    policy = replace(settings.policy, limits=Limits(DEFAULT_LIMITS))
    house.bridge.ports.settings = replace(settings, policy=policy)


def a_long_weekend(times: int) -> tuple[House, RunReport, list[Any]]:
    """Live from Tuesday to Monday, so many times an ordinary day's debtors; return Monday's run and who has paid."""
    rules = {**WARNED, "notices": [{"day": 2, "message": "suspension-warning"}]}
    calendar = {"holidays": "BR-SP", "quiet_days": ["friday", "saturday", "sunday", "holiday"]}
    unwarned = {"product_types": ["server"], "suspend_after_days": 1}
    config = {"class": {"hosting": rules, "vps": unwarned}, "calendar": calendar, "sanity": {"enabled": True}}
    house = House.of(config, world=a_world(TUESDAY), page_size=1_000)
    defaults(house)
    book = iter([house.a_service() for _ in range(SERVICES)])
    for due in range(-1, QUIET_DAYS):  # to be suspended from Thursday to Monday
        for _ in range(A_DAY * times):
            house.an_invoice(next(book), due=due)
    payers = [house.a_service(product=3) for _ in range(5)]
    invoices = [house.an_invoice(service, due=-1) for service in payers]  # suspended on Wednesday
    for _ in range(QUIET_DAYS + 1):
        house.next_day()
    for invoice in invoices:
        house.pay(invoice)
    report = house.next_day()
    assert report.today.strftime("%A") == "Monday"
    return house, report, payers


def test_a_monday_after_four_quiet_days_passes_without_a_limit_in_the_way() -> None:
    house, report, payers = a_long_weekend(times=1)
    with house:
        announced = [r for r in report.results if r.step.announced]
        assert len(announced) == A_DAY * QUIET_DAYS
        assert done(report).count("suspend") == A_DAY * (QUIET_DAYS + 1)
        assert (report.plan.stops, report.exit_code) == ((), 0)
        assert done(report).count("unsuspend") == len(payers)


def test_ten_times_such_a_monday_stops_and_says_exactly_what_to_type() -> None:
    house, report, payers = a_long_weekend(times=10)
    with house:
        (stop,) = report.plan.stops
        assert stop.why == "600 announced suspend steps, 100 a day allowed; 150 suspend steps, 25 a day allowed"
        assert set(HARMFUL) <= set(stop.kinds)
        assert done(report) == ["unsuspend"] * len(payers)
        assert {s.status for s in payers} == {"Active"}
        assert report.exit_code == 3
        assert len(house.events("module:suspend")) == len(payers)  # Wednesday's, and nobody since
        program, verb, option, value = stop.way_past.split()
        assert (program, verb, option) == ("whmcs-bridge", "sync", "--allow")
        kind, _, count = value.partition("=")
        past = house.bridge.plan(allow={kind: int(count)})
        assert (past.stops, [s.kind for s in past.steps]) == ((), [Kind.SUSPEND] * A_DAY * 10 * (QUIET_DAYS + 1))


def test_a_limit_too_tight_for_a_first_of_month_says_why_and_the_one_way_past_it() -> None:
    """Everything is due on the 1st here: once a month forty go down on one day, more than the 25 of the defaults."""
    config = {"class": {"hosting": WARNED}, "sanity": {"enabled": True}}
    with House.of(config, world=a_world(datetime(2025, 3, 1, 12))) as house:  # noqa: DTZ001
        defaults(house)
        services = [house.a_service() for _ in range(400)]
        for service in services[:40]:
            house.an_invoice(service, due=0)
        house.next_day(2)
        report = house.next_day()
        (stop,) = report.plan.stops
        assert (stop.why, stop.way_past) == (
            "40 suspend steps, 25 a day allowed",
            "whmcs-bridge sync --allow suspend=40",
        )
        assert report.exit_code == 3
        assert done(report) == []
        assert len(done(house.sync(allow={"suspend": 40}))) == 40


def test_the_way_past_a_limit_is_documented_once() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "stops.md"
    assert page.read_text("utf-8").count("## Past a limit") == 1
