"""What keeps a run from doing too much: limits, the breaker, a pause, hours, and the sanity of the whole book."""

from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, client_id, done, results
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault


def limited(**limits: Any) -> dict[str, Any]:
    return {"class": {"hosting": HOSTING}, "limits": limits}


def debtors(house: House, count: int, overdue: int = 3) -> list[Any]:
    return [house.a_debtor(overdue=overdue) for _ in range(count)]


# --- limits ---------------------------------------------------------------------------------------


def test_a_kind_over_its_limit_is_refused_whole_with_the_exact_way_past_it() -> None:
    with House.of(limited(suspend={"always_allowed": 2, "max": 5, "percent": 100})) as house:
        debtors(house, 6)
        report = house.sync()
        assert results(report) == []
        assert len(report.plan.refused) == 6
        assert report.exit_code == 3
        (stop,) = report.plan.stops
        assert (stop.code, stop.why) == ("limit:suspend", "6 suspend steps, 5 a day allowed")
        assert stop.way_past == "whmcs-bridge sync --allow suspend=6"
        assert len(done(house.sync(allow={"suspend": 6}))) == 6


def test_who_let_what_past_stands_in_the_journal() -> None:
    config = {**limited(suspend={"max": 2}), "sanity": {"enabled": True}}
    with House.of(config) as house:
        debtors(house, 3)
        house.bridge.ports.actor = "ana"
        house.sync()
        (run,) = house.bridge.journal.runs(1)
        assert run.summary == "3 refused by limits"
        house.sync(allow={"suspend": 3}, accept_sanity=["version", "long-gap"])
        (run,) = house.bridge.journal.runs(1)
        assert run.summary == "3 suspend done, ana let past: suspend=3 long-gap version"


def test_going_past_a_limit_allows_the_number_that_was_named_and_no_more() -> None:
    with House.of(limited(suspend={"max": 2})) as house:
        debtors(house, 4)
        report = house.sync(allow={"suspend": 3})
        assert results(report) == []


def test_what_is_always_allowed_passes_whatever_its_share() -> None:
    with House.of(limited(suspend={"always_allowed": 3, "max": 25, "percent": 0.01})) as house:
        debtors(house, 3)
        assert len(done(house.sync())) == 3


def test_a_share_of_the_services_is_a_limit() -> None:
    with House.of(limited(suspend={"always_allowed": 1, "max": 25, "percent": 10})) as house:
        for _ in range(18):
            house.a_service()
        debtors(house, 2)
        assert len(done(house.sync())) == 2
        house.pass_days()
        debtors(house, 3)
        report = house.sync()
        assert results(report) == []
        assert "more than 10" in report.plan.stops[0].why


def test_limits_count_over_all_runs_of_a_day() -> None:
    with House.of(limited(suspend={"max": 3})) as house:
        debtors(house, 2)
        house.sync()
        debtors(house, 2)
        report = house.sync()
        assert len(report.plan.refused) == 2
        assert "4 suspend steps, 3 a day allowed" in report.plan.stops[0].why
        assert len(done(house.next_day())) == 2


def test_a_refused_suspension_refuses_every_more_harmful_kind() -> None:
    with House.of(limited(suspend={"max": 1}, terminate={"max": 5})) as house:
        _, ending, _ = house.a_debtor(overdue=-3)
        house.next_day(17)
        debtors(house, 2)
        house.pass_days()
        report = house.sync()
        assert {s.kind for s in report.plan.refused} == {Kind.SUSPEND, Kind.TERMINATE}
        assert ending.status == "Suspended"


def test_a_refused_termination_refuses_no_suspension() -> None:
    with House.of(limited(terminate={"max": 0})) as house:
        _, ending, _ = house.a_debtor()
        house.next_day(14)
        debtors(house, 2)
        report = house.next_day()
        assert done(report) == ["suspend", "suspend"]
        assert [s.kind for s in report.plan.refused] == [Kind.TERMINATE]
        assert ending.status == "Suspended"


def test_releases_after_payment_are_never_limited() -> None:
    """Everything is refused, paused, out of hours, insane: who has paid comes back."""
    config = {
        "class": {"hosting": WARNED},
        "limits": {k: {"max": 0} for k in ("suspend", "terminate", "delete_backups", "notice")},
        "calendar": {"act_hours": "01:00-02:00"},
        "sanity": {"enabled": True},
    }
    with House.of({"class": {"hosting": HOSTING}}) as house:
        paid = debtors(house, 12)
        house.sync()
        house.reconfigure(config)
        for _, _, invoice in paid:
            house.pay(invoice)
        debtors(house, 5)
        house.pass_days(40)
        report = house.sync()
        assert done(report) == ["unsuspend"] * 12
        assert {s.status for _, s, _ in paid} == {"Active"}


def test_announced_suspensions_count_against_a_limit_of_their_own() -> None:
    """Monday after a quiet weekend is an ordinary day: warned, in yesterday's plan, nothing changed since."""
    config = {
        "class": {"hosting": {**WARNED, "suspend_after_days": 3}},
        "calendar": {"quiet_days": ["friday", "saturday", "sunday"]},
        "limits": {"suspend": {"always_allowed": 0, "max": 1, "percent": 100, "max_announced": 8}},
    }
    with House.of(config) as house:
        for due in (1, 2, 3, 3):  # to be suspended on Friday, Saturday, Sunday
            house.an_invoice(house.a_service(), due=due)
        for _ in range(6):
            house.next_day()
        assert house.events("module:suspend") == []
        report = house.next_day()
        assert report.today.strftime("%A") == "Monday"
        assert done(report) == ["suspend"] * 4
        assert all(r.step.announced for r in report.results)


def test_a_suspension_whose_debt_has_changed_since_is_not_announced() -> None:
    config = {
        "class": {"hosting": WARNED},
        "calendar": {"quiet_days": ["thursday", "friday", "saturday", "sunday"]},
        "limits": {"suspend": {"always_allowed": 0, "max": 1, "percent": 100, "max_announced": 8}},
    }
    with House.of(config) as house:
        three = [house.an_invoice(house.a_service(), due=0) for _ in range(3)]
        house.next_day(6)
        for invoice in three:
            house.pay(invoice, 100)
        report = house.next_day()
        assert len(report.plan.refused) == 3


def test_a_day_unlike_the_usual_ones_is_refused() -> None:
    """Thirty days with one suspension each, then six on a day."""
    with House.of(limited(suspend={"always_allowed": 1, "max": 50, "percent": 100})) as house:
        for day in range(-2, 30):
            house.an_invoice(house.a_service(), due=day - 1)
        for _ in range(31):
            house.next_day()
        debtors(house, 6)
        report = house.next_day()
        assert len(report.plan.refused) >= 6
        assert "on a usual day" in report.plan.stops[0].why


def test_vip_moves_have_a_limit() -> None:
    config = {
        "class": {"hosting": HOSTING},
        "vip": {"group": "VIP", "min_tenure_months": 0},
        "limits": {"vip": {"max": 2}},
    }
    with House.of(config) as house:
        for _ in range(3):
            house.a_service()
        report = house.sync()
        assert len(report.plan.refused) == 3
        assert {c.group for c in house.world.clients.values()} == {0}


def test_vip_moves_by_hooks_count_with_those_of_the_runs() -> None:
    """A payment moves a client at once; the day's limit is one for all runs."""
    config = {
        "class": {"hosting": HOSTING},
        "vip": {"group": "VIP", "min_tenure_months": 0},
        "limits": {"vip": {"max": 3}},
    }
    with House.of(config) as house:
        book = [house.a_debtor(overdue=1) for _ in range(4)]
        house.a_service()
        house.sync()  # one joins; who is overdue does not
        for client, _, invoice in book:
            house.pay(invoice)
            house.bridge.reevaluate(client_id(client), "InvoicePaid")
        assert sorted(c.group for c in house.world.clients.values()) == [0, 0, 1, 1, 1]
        report = house.sync()
        assert len(report.plan.refused) == 2
        (stop,) = report.plan.stops
        assert (stop.why, stop.flag) == ("5 vip steps, 3 a day allowed", "--allow vip=5")
        house.next_day()
        assert {c.group for c in house.world.clients.values()} == {1}


def test_what_is_usual_for_addons_and_services_is_counted_together() -> None:
    """Thirty days with two suspensions each, one of them an addon's: eleven on a day are unlike them, ten are not."""
    addons = {**HOSTING, "overdue_addon_suspends": "addon", "terminate_after_days": "never"}
    limits = {"suspend": {"always_allowed": 1, "max": 50, "percent": 100}}
    with House.of({"class": {"hosting": addons}, "limits": limits}) as house:
        for day in range(30):
            house.an_invoice(house.a_service(), due=day - 2)
            addon = house.an_addon(house.a_service())
            house.an_invoice(due=day - 2, client=house.world.clients[addon.client], lines=[("Addon", addon.id, 300)])
        for _ in range(30):
            assert house.next_day().plan.refused == ()
        debtors(house, 10, overdue=2)
        house.pass_days()
        assert house.bridge.plan().refused == ()
        debtors(house, 1, overdue=3)
        (stop,) = house.sync().plan.stops
        assert stop.why == "11 suspend steps, 2 on a usual day (factor 5)"


def test_announced_suspensions_are_no_part_of_a_usual_day() -> None:
    """Mondays with nine announced ones do not make six new ones on a Wednesday ordinary."""
    config = {
        "class": {"hosting": {**WARNED, "terminate_after_days": "never"}},
        "calendar": {"quiet_days": ["saturday", "sunday"]},
        "limits": {"suspend": {"always_allowed": 1, "max": 50, "percent": 100, "max_announced": 100}},
    }
    with House.of(config) as house:
        for day in range(50):
            weekend = house.day(day).weekday() in (2, 3)  # due so, they are to be suspended on Saturday or Sunday
            for _ in range(4 if weekend else 1):
                house.an_invoice(house.a_service(), due=day)
        for _ in range(47):
            assert house.next_day().plan.refused == ()
        debtors(house, 6, overdue=2)
        house.next_day()
        (stop,) = house.next_day().plan.stops
        assert stop.why == "7 suspend steps, 1 on a usual day (factor 5)"


# --- the breaker ----------------------------------------------------------------------------------


def test_a_rising_error_rate_ends_the_run() -> None:
    with House.of() as house:
        for _, service, _ in debtors(house, 30):
            house.world.failing_services[service.id] = "server on fire"
        report = house.sync()
        assert report.broken_off
        assert len(report.results) < 12
        assert report.exit_code == 1


def test_who_has_paid_comes_back_whatever_else_fails() -> None:
    """The role may not move clients between groups, and two dozen of them lose their membership today."""
    config = {"class": {"hosting": HOSTING}, "vip": {"group": "VIP", "min_tenure_months": 0, "exempt_max_days": 0}}
    with House.of(config) as house:
        for _ in range(24):
            client = house.a_client(group=1)
            house.an_invoice(house.a_service(client), due=4)
        paid = house.a_debtor(overdue=3)
        house.sync()
        assert paid[1].status == "Suspended"
        house.next_day(4)
        house.pay(paid[2])
        house.faults(Fault("UpdateClient", faults.Kind.DENIED, count=0))
        report = house.next_day()
        assert report.broken_off
        assert paid[1].status == "Active"
        assert "suspend" not in done(report)


# --- pause and hours ------------------------------------------------------------------------------


def test_a_pause_file_stops_every_harmful_step_and_nothing_else(tmp_path: Any) -> None:
    config = {"class": {"hosting": WARNED}}
    with House.of(config, folder=tmp_path) as house:
        _, service, invoice = house.a_debtor()
        house.a_debtor(overdue=-1)
        house.next_day(2)
        (tmp_path / "PAUSE").touch()
        report = house.next_day()
        assert service.status == "Active"
        assert done(report) == ["suspension-warning"]
        assert report.exit_code == 3
        assert "PAUSE" in report.plan.stops[0].why
        (tmp_path / "PAUSE").unlink()
        assert "suspend" in done(house.sync())
        house.pay(invoice)
        (tmp_path / "PAUSE").touch()
        assert done(house.next_day()) == ["unsuspend"]


def test_a_pause_that_comes_while_a_run_is_under_way_stops_it_there(tmp_path: Any) -> None:
    with House.of(folder=tmp_path) as house:
        debtors(house, 3)
        house.adapter.front.on_call = lambda action, _params: (
            (tmp_path / "PAUSE").touch() if action == "ModuleSuspend" else None
        )
        house.sync()
        assert len(house.events("module:suspend")) == 1


@pytest.mark.parametrize(("hours", "acts"), [("09:00-16:00", True), ("13:00-16:00", False), ("12:00-12:30", True)])
def test_harmful_steps_keep_to_the_hours(hours: str, acts: bool) -> None:
    config = {"class": {"hosting": HOSTING}, "calendar": {"act_hours": hours}}
    with House.of(config) as house:  # it is noon
        debtors(house, 1)
        report = house.sync()
        assert (done(report) == ["suspend"]) is acts
        assert report.exit_code == (0 if acts else 3)


# --- sanity ---------------------------------------------------------------------------------------


def sane(**rules: Any) -> dict[str, Any]:
    return {"class": {"hosting": HOSTING}, "sanity": {"enabled": True, **rules}}


def stop_codes(report: Any) -> list[str]:
    return [stop.code for stop in report.plan.stops]


def test_a_clock_that_jumped_holds_every_harmful_step_until_a_person_says_so() -> None:
    with House.of(sane(max_days_since_run=7)) as house:
        _, service, _ = house.a_debtor(overdue=-30)
        house.sync()
        house.pass_days(350)
        report = house.sync()
        assert stop_codes(report) == ["sanity:long-gap"]
        assert report.plan.stops[0].way_past == "whmcs-bridge sync --accept-sanity long-gap"
        assert (service.status, report.exit_code) == ("Active", 3)
        for report in (house.sync(), house.next_day()):  # a timer that runs again is no person
            assert "sanity:long-gap" in stop_codes(report)
            assert service.status == "Active"
        assert done(house.sync(accept_sanity=["long-gap"])) == ["suspend"]
        assert stop_codes(house.next_day()) == []


def test_a_sanity_stop_is_passed_once() -> None:
    with House.of(sane(max_days_since_run=7)) as house:
        debtors(house, 1, overdue=-5)
        house.sync()
        house.pass_days(20)
        assert done(house.sync(accept_sanity=["long-gap"])) == ["suspend"]


def test_a_clock_that_went_back_is_noticed() -> None:
    with House.of(sane()) as house:
        debtors(house, 1, overdue=3)
        house.sync()
        house.pass_days(-2)
        assert "sanity:clock-back" in stop_codes(house.sync())


def test_a_jump_in_new_overdue_invoices_is_noticed() -> None:
    """Continuous invoicing was switched on: dozens of invoices for services nobody owed anything for."""
    with House.of(sane(new_overdue_factor=5)) as house:
        debtors(house, 2, overdue=1)
        house.sync()
        house.pass_days()
        for _ in range(30):
            house.an_invoice(house.a_service(), due=-40)
        report = house.sync()
        assert "sanity:new-overdue" in stop_codes(report)
        assert "sanity:new-overdue" in stop_codes(house.next_day())
        assert house.events("module:suspend") == []


def test_many_services_of_the_same_sudden_age_are_noticed() -> None:
    """An import moved the due dates of half the book into the past."""
    with House.of(sane(same_age_percent=20, new_overdue_factor=1000)) as house:
        book = [house.a_debtor(overdue=-60) for _ in range(40)]
        house.sync()
        house.pass_days()
        for _, _, invoice in book[:25]:
            invoice.due = house.day(-90)
            house.world.touch(invoice)
        report = house.next_day(3)
        assert "sanity:same-age" in stop_codes(report)
        assert house.events("module:suspend") == []


def test_highest_ids_that_went_backwards_are_noticed() -> None:
    """WHMCS was restored from a backup: what we remember is of a future that is not."""
    with House.of(sane()) as house:
        debtors(house, 2, overdue=1)
        client, _, _ = house.a_debtor(overdue=1)
        house.sync()
        house.world.delete_client(client)
        report = house.next_day()
        assert {"sanity:ids-back-client", "sanity:ids-back-service"} <= set(stop_codes(report))


def test_a_copy_of_the_installation_is_noticed() -> None:
    with House.of(sane()) as house:
        house.world.settings["SystemURL"] = "http://staging.example.com/"
        debtors(house, 1)
        report = house.sync()
        assert "sanity:system-url" in stop_codes(report)
        assert house.events("module:suspend") == []


def test_many_of_the_same_age_are_held_on_the_next_day_too_though_they_were_warned_and_planned() -> None:
    config = {"class": {"hosting": WARNED}, "sanity": {"enabled": True, "new_overdue_factor": 1000}}
    with House.of(config) as house:
        book = [house.a_debtor(overdue=-60) for _ in range(40)]
        house.sync()
        for _, _, invoice in book[:25]:
            invoice.due = house.day(-1)
            house.world.touch(invoice)
        house.next_day(2)
        for _ in range(3):
            assert "sanity:same-age" in stop_codes(house.next_day())
        assert house.events("module:suspend") == []


def test_another_version_of_whmcs_is_noticed_until_a_person_says_so() -> None:
    with House.of(sane()) as house:
        _, service, _ = house.a_debtor(overdue=-2)
        house.sync()
        house.world.settings["Version"] = "99.1.0-release.1"
        for _ in range(5):
            assert "sanity:version" in stop_codes(house.next_day())
        assert service.status == "Active"
        assert done(house.sync(accept_sanity=["version"])) == ["suspend"]
        assert stop_codes(house.next_day()) == []


def test_maintenance_mode_is_noticed() -> None:
    with House.of(sane()) as house:
        house.sync()
        house.world.settings["MaintenanceMode"] = "on"
        debtors(house, 1)
        report = house.next_day()
        assert "sanity:maintenance" in stop_codes(report)


def test_an_ordinary_month_meets_no_sanity_stop() -> None:
    with House.of(sane()) as house:
        for day in range(25):
            house.an_invoice(house.a_service(), due=day)
        for _ in range(28):
            assert stop_codes(house.next_day()) == []


def test_warnings_still_go_out_when_suspensions_are_refused() -> None:
    config = {"class": {"hosting": WARNED}, "limits": {"suspend": {"max": 0}}}
    with House.of(config) as house:
        client, _, _ = house.a_debtor()
        house.next_day(2)
        house.faults(Fault("GetEmailTemplates", faults.Kind.HTTP_500, count=0))
        other = house.a_debtor(overdue=1)
        house.next_day()
        assert len(house.mails(client, "Please pay")) == 1
        assert len(house.mails(other[0], "Please pay")) == 1
