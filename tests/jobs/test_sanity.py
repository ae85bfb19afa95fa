"""Sanity stops: what is not plausible about the whole book holds every harmful step until a person has looked, once."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.hooks.house import SITE, ask, module_event
from tests.hooks.house import house as hooked
from tests.house import HOSTING, House, WorldClock, done
from whmcs_bridge.jobs import sanity
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault


def sane(**rules: Any) -> dict[str, Any]:
    return {"class": {"hosting": HOSTING}, "sanity": {"enabled": True, **rules}}


def stop_codes(report: Any) -> list[str]:
    return [stop.code.removeprefix("sanity:") for stop in report.plan.stops]


class OwnClock(WorldClock):
    """Our clock, which need not be WHMCS's."""

    apart = timedelta()
    stands: datetime | None = None

    def now(self) -> datetime:
        return self.stands or super().now() + self.apart


def with_own_clock(house: House) -> OwnClock:
    clock = house.bridge.ports.clock = OwnClock(house.world)
    return clock


def accepted_once(house: House, code: str) -> None:
    """The stop stands, timer or no timer, until a person accepts it; then the new state is the known one."""
    service = house.a_debtor(overdue=3)[1]
    for report in (house.sync(), house.sync()):
        assert stop_codes(report) == [code]
        assert report.plan.stops[0].way_past == f"whmcs-bridge sync --accept-sanity {code}"
        assert (service.status, report.exit_code) == ("Active", 3)
    assert "suspend" in done(house.sync(accept_sanity=[code]))
    assert stop_codes(house.sync()) == []


# --- clocks -----------------------------------------------------------------------------------------


def our_clock_stands(house: House, clock: OwnClock) -> None:
    clock.stands = clock.now()
    house.sync()
    house.world.advance(hours=5)


def our_clock_jumps(house: House, clock: OwnClock) -> None:
    clock.apart = timedelta(hours=11)


def whmcs_jumps(house: House, clock: OwnClock) -> None:
    house.world.clock += timedelta(hours=11)
    clock.apart = timedelta(hours=-11)


def whmcs_stands(house: House, clock: OwnClock) -> None:
    clock.apart = timedelta(hours=11, seconds=30)
    house.world.clock += timedelta(seconds=10)


@pytest.mark.parametrize(
    ("happens", "code", "why"),
    [
        (our_clock_stands, "clock-stood-still", "0.0 hours passed here and 5.0 hours in WHMCS: our clock stands still"),
        (
            whmcs_stands,
            "clock-stood-still",
            "11.0 hours passed here and 0.0 hours in WHMCS: WHMCS's clock stands still",
        ),
        (our_clock_jumps, "clock-jumped", "35.0 hours passed here and 24.0 hours in WHMCS: one of the clocks jumped"),
        (whmcs_jumps, "clock-jumped", "24.0 hours passed here and 35.0 hours in WHMCS: one of the clocks jumped"),
    ],
    ids=["ours-stands", "whmcss-stands", "ours-jumps", "whmcss-jumps"],
)
def test_clocks_that_go_apart_are_noticed(happens: Callable[[House, OwnClock], None], code: str, why: str) -> None:
    with House.of(sane()) as house:
        clock = with_own_clock(house)
        house.sync()
        if code == "clock-jumped":
            house.pass_days()
        happens(house, clock)
        report = house.sync()
        assert stop_codes(report) == [code]
        assert report.plan.stops[0].why == f"since the last run {why}"
        accepted_once(house, code)


def test_clocks_that_are_apart_by_a_time_zone_and_stay_so_stop_nothing() -> None:
    with House.of(sane()) as house:
        with_own_clock(house).apart = timedelta(hours=-9)
        for _ in range(5):
            assert stop_codes(house.next_day()) == []


def test_summer_time_on_one_side_stops_nothing() -> None:
    with House.of(sane()) as house:
        clock = with_own_clock(house)
        house.sync()
        for apart in (1, 2, 1, 0):
            clock.apart = timedelta(hours=apart)
            assert stop_codes(house.next_day()) == []


def test_a_second_sync_in_the_same_minute_is_an_ordinary_one() -> None:
    with House.of(sane()) as house:
        house.sync()
        for _ in range(3):
            assert stop_codes(house.sync()) == []
            house.world.clock += timedelta(seconds=20)


def test_a_clock_that_whmcs_does_not_tell_is_held_against_nothing() -> None:
    with House.of(sane()) as house:
        clock = with_own_clock(house)
        house.sync()
        house.faults(
            Fault("GetHealthStatus", faults.Kind.DENIED, count=0),
            Fault("GetAutomationLog", faults.Kind.DENIED, count=0),
        )
        clock.apart = timedelta(hours=11)
        house.bridge.ports.journal.put(sanity.PANEL, {})
        assert "clock-jumped" not in stop_codes(house.sync())


@pytest.mark.parametrize(
    ("days", "code"),
    [(30, []), (200, []), (264, []), (300, ["another-year"]), (366, ["long-gap"])],
    ids=["april", "september", "december", "january", "next-year"],
)
def test_another_year_is_noticed_also_where_long_gaps_are_allowed(days: int, code: list[str]) -> None:
    """The last run was on 10 March 2025."""
    with House.of(sane(max_days_since_run=365)) as house:
        house.sync()
        house.pass_days(days)
        assert stop_codes(house.sync()) == code


def test_the_turn_of_the_year_is_an_ordinary_day() -> None:
    with House.of(sane()) as house:
        house.pass_days(294)
        assert house.today.isoformat() == "2025-12-29"
        for _ in range(6):
            assert stop_codes(house.next_day()) == []


# --- the book ---------------------------------------------------------------------------------------


def test_many_more_clients_and_services_at_once_are_noticed() -> None:
    with House.of(sane(book_change_percent=20)) as house:
        for _ in range(100):
            house.a_service()
        house.sync()
        for _ in range(20):
            house.a_service()
        assert stop_codes(house.next_day()) == []  # a sixth more
        for _ in range(25):
            house.a_service()
        report = house.next_day()
        assert stop_codes(report) == ["clients-jump", "services-jump"]
        assert report.plan.stops[0].why == (
            "WHMCS had 120 clients at the last run and has 145, 20 % more or less allowed"
        )
        assert "--accept-sanity clients-jump --accept-sanity services-jump" in report.plan.stops[0].way_past
        house.sync(accept_sanity=["clients-jump", "services-jump"])
        assert stop_codes(house.next_day()) == []


def test_many_fewer_services_at_once_are_noticed() -> None:
    """Somebody removed them, or the role does not see them any more: nobody is ended on that."""
    with House.of(sane()) as house:
        book = [house.a_service() for _ in range(100)]
        house.sync()
        for service in book[:30]:
            house.world.delete_client(house.world.clients[service.client])
        report = house.next_day()
        assert stop_codes(report) == ["clients-jump", "services-jump"]
        house.sync(accept_sanity=["clients-jump", "services-jump"])
        assert stop_codes(house.sync()) == []


def test_a_small_book_may_double() -> None:
    with House.of(sane()) as house:
        for _ in range(5):
            house.a_service()
            assert stop_codes(house.next_day()) == []
        for _ in range(15):
            house.a_service()
        assert stop_codes(house.next_day()) == []


def test_what_was_not_read_whole_is_not_counted() -> None:
    with House.of(sane()) as house:
        for _ in range(60):
            house.a_service()
        house.sync()
        for _ in range(60):
            house.a_service()
        house.faults(Fault("GetClients", faults.Kind.HTTP_500, count=0))
        assert stop_codes(house.next_day()) == []
        house.faults()
        assert stop_codes(house.next_day()) == ["clients-jump", "services-jump"]


# --- the installation -------------------------------------------------------------------------------


def another_version(house: House) -> None:
    house.world.settings["Version"] = "99.1.0-release.1"


def maintenance(house: House) -> None:
    house.world.settings["MaintenanceMode"] = "on"


def another_address(house: House) -> None:
    house.world.settings["SystemURL"] = "https://my.example.com/"


@pytest.mark.parametrize(
    ("happens", "code"),
    [(another_version, "version"), (maintenance, "maintenance"), (another_address, "system-url")],
    ids=["version", "maintenance", "system-url"],
)
def test_what_a_person_has_accepted_about_whmcs_is_known_from_then_on(
    happens: Callable[[House], None], code: str
) -> None:
    with House.of(sane()) as house:
        house.sync()
        happens(house)
        house.pass_days()
        accepted_once(house, code)
        house.faults(Fault("GetConfigurationValue", faults.Kind.DENIED, count=0))
        assert stop_codes(house.next_day()) == []  # not told is not another one
        house.faults()
        for _ in range(3):
            assert stop_codes(house.next_day()) == []


# --- another instance -------------------------------------------------------------------------------


def another(house: House) -> House:
    """Another bridge with a journal of its own, on the same WHMCS."""
    return House.of(sane(), world=house.world)


def lines(house: House) -> list[str]:
    found = house.bridge.panel.activity(text="whmcs-bridge instance")
    return [entry.description for entry in found]


def test_an_instance_tells_the_log_once_a_day_that_it_acts() -> None:
    with House.of(sane()) as house:
        house.sync()
        house.sync()
        house.next_day()
        assert len(lines(house)) == 2
        assert len(set(lines(house))) == 1
        house.enforcing(False)
        house.next_day()
        assert len(lines(house)) == 2


def test_the_later_of_two_instances_stops_and_the_earlier_one_goes_on() -> None:
    with House.of(sane()) as old:
        service = old.a_debtor(overdue=2)[1]
        old.sync()
        with another(old) as new:
            assert stop_codes(new.sync()) == ["other-instance"]
            old.pass_days()
            assert stop_codes(new.sync()) == ["other-instance"]
            assert service.status == "Active"
            assert stop_codes(old.sync()) == []
            assert service.status == "Suspended"


def test_an_instance_in_shadow_mode_sees_the_other_and_says_nothing() -> None:
    with House.of(sane()) as old:
        old.sync()
        with another(old) as new:
            new.enforcing(False)
            assert stop_codes(new.sync()) == ["other-instance"]
            assert stop_codes(old.next_day()) == []


def test_another_instance_that_is_accepted_is_noticed_again_when_it_goes_on() -> None:
    with House.of(sane()) as old:
        old.sync()
        with another(old) as new:
            old.pass_days()
            accepted_once(new, "other-instance")
            assert stop_codes(old.sync()) == ["other-instance"]
            old.sync(accept_sanity=["other-instance"])
            assert stop_codes(new.next_day()) == ["other-instance"]


def test_an_instance_that_is_not_heard_of_for_days_is_none_any_more() -> None:
    with House.of(sane()) as old:
        old.sync()
        with another(old) as new:
            assert stop_codes(new.sync()) == ["other-instance"]
            for _ in range(3):
                assert stop_codes(new.next_day()) == ["other-instance"]
            assert stop_codes(new.next_day()) == []


def test_a_suspension_with_our_reason_that_the_journal_does_not_know_is_a_sign_of_another_instance() -> None:
    """The other one may not write into the log; what it does is seen."""
    with House.of(sane()) as house:
        service, other = house.a_service(), house.a_service()
        house.sync()
        for number, down in enumerate((service, other)):
            house.pass_days()
            down.status, down.suspend_reason = "Suspended", f"Overdue: invoice {number} [whmcs-bridge]"
            report = house.sync()
            assert stop_codes(report) == ["other-instance"]
            assert report.plan.stops[0].why.endswith(f"suspended with our reason, and not by us: service {down.id}")
            house.sync(accept_sanity=["other-instance"])
            assert stop_codes(house.sync()) == []


def test_a_log_that_cannot_be_written_stops_nothing_and_is_written_later() -> None:
    with House.of(sane()) as house:
        house.faults(Fault("LogActivity", faults.Kind.DENIED, count=0))
        service = house.a_debtor(overdue=3)[1]
        assert house.sync().exit_code == 0
        assert service.status == "Suspended"
        house.faults()
        house.sync()
        assert len(lines(house)) == 1


# --- what a stop does and does not ------------------------------------------------------------------


def test_in_shadow_mode_a_stop_is_shown_and_hides_nothing_of_the_plan() -> None:
    with House.of(sane()) as house:
        house.enforcing(False)
        house.a_debtor(overdue=3)
        house.sync()
        another_version(house)
        report = house.next_day()
        assert stop_codes(report) == ["version"]
        assert [s.kind.value for s in report.plan.refused] == ["suspend"]
        assert report.plan.fingerprint


def test_the_hooks_refuse_the_cron_harm_while_a_stop_of_the_last_run_stands_and_release_whoever_pays() -> None:
    with hooked(date(2026, 3, 12)) as stage:
        policy = stage.bridge.settings.policy
        stage.bridge.ports.settings = replace(
            stage.bridge.settings, policy=replace(policy, sanity=replace(policy.sanity, enabled=True))
        )
        stage.world.clock += timedelta(days=1)
        asked = module_event(stage, "PreModuleSuspend", SITE)
        assert not ask(stage, asked).abort
        stage.bridge.journal.put(sanity.STANDING, [["sanity:version", "WHMCS was 1 at the last run and is 2"]])
        answer = ask(stage, asked)
        assert answer.abort
        assert "WHMCS was 1" in answer.reason
        assert not ask(stage, module_event(stage, "PreModuleUnsuspend", SITE, "payment", paying=1001)).abort


def test_two_ordinary_months_of_a_small_house_meet_no_stop() -> None:
    """Five clients, a run every day, each paying by a gateway on days of their own, one of them never."""
    with House.of(sane()) as house:
        services = [house.a_service() for _ in range(5)]
        never = services[0]
        for day in range(60):
            for number, service in enumerate(services):
                if day % 30 == number * 5:
                    invoice = house.an_invoice(service, due=3)
                    if service is not never:
                        house.pay(invoice)
            assert stop_codes(house.next_day()) == [], house.today
        assert never.status == "Terminated"


def test_every_code_is_documented_with_what_to_look_at() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "stops.md"
    table = page.read_text("utf-8").partition("## Sanity codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(sanity.CODES)


def test_every_code_that_a_check_gives_can_be_accepted() -> None:
    source = Path(sanity.__file__).read_text("utf-8")
    given = set(re.findall(r'yield "([\w-]+)",', source))
    assert given
    assert given <= set(sanity.CODES)
