"""How the house stands, and when a sync counts as one that succeeded."""

from datetime import timedelta

import pytest

from tests.house import HOSTING, House
from whmcs_bridge.jobs.status import readable
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault

DAY = timedelta(hours=26)


def test_a_house_without_a_sync_says_so() -> None:
    with House.of() as house:
        found = house.bridge.status()
        assert (found.last, found.mirror, found.next_expected) == (None, None, None)
        assert found.overdue(DAY) == "no sync has ever ended"


def test_a_sync_counts_from_the_moment_it_began_to_read() -> None:
    with House.of() as house:
        house.sync()
        house.world.advance(hours=26)
        assert house.bridge.status().overdue(DAY) == ""
        house.world.advance(hours=1)
        said = house.bridge.status().overdue(DAY)
        assert said.startswith("no sync has succeeded for 27 h (26 h allowed)")


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
def test_a_whmcs_that_could_not_be_read_is_no_success(mode: str) -> None:
    with House.of() as house:
        house.enforcing(mode == "enforce")
        house.sync()
        house.faults(Fault("GetClients", faults.Kind.HTTP_500, count=0))
        house.next_day()
        found = house.bridge.status()
        assert found.last_ended is not None
        assert found.last_good is not None
        assert found.last_good.number < found.last_ended.number
        assert "ended failed" in found.overdue(timedelta(days=3))
        house.faults()
        house.sync()
        assert house.bridge.status().overdue(DAY) == ""


def test_a_run_that_limits_refused_did_run() -> None:
    with House.of({"class": {"hosting": HOSTING}, "limits": {"suspend": {"always_allowed": 0, "max": 1}}}) as house:
        for _ in range(3):
            house.a_debtor(overdue=3)
        assert house.sync().outcome == "refused"
        found = house.bridge.status()
        assert found.overdue(DAY) == ""
        assert [stop.code for stop in found.stops] == ["limit:suspend"]
        assert found.stops[0].way_past.startswith("whmcs-bridge sync --allow suspend=")


def test_a_run_that_was_killed_is_shown_and_does_not_count() -> None:
    with House.of() as house:
        house.sync()
        house.pass_days(2)
        house.bridge.journal.begin_run("sync", "enforce", house.today, house.bridge.clock.now(), "v")
        found = house.bridge.status()
        assert found.last is not None
        assert found.last.ended_at is None
        assert found.overdue(DAY).startswith("no sync has succeeded for 48 h")


def test_a_hundred_hooks_between_two_syncs_hide_none() -> None:
    with House.of() as house:
        client = house.a_client()
        house.sync()
        for _ in range(100):
            house.bridge.reevaluate(client.id, "a hook")  # type: ignore[arg-type]
        assert house.bridge.status().overdue(DAY) == ""


def test_the_next_sync_is_expected_by_habit() -> None:
    with House.of() as house:
        house.sync()
        house.next_day(3)
        found = house.bridge.status()
        assert found.usual_gap == timedelta(days=1)
        assert found.next_expected == house.bridge.clock.now() + timedelta(days=1)


def test_what_is_down_by_us_what_waits_and_what_staff_should_see_is_counted() -> None:
    vip = {"group": "VIP", "min_tenure_months": 0}
    with House.of(
        {"class": {"hosting": HOSTING}, "vip": vip, "approval": {"terminate": "required"}, "policy": {}}
    ) as house:
        _, service, invoice = house.a_debtor(overdue=3)
        _, other, _ = house.a_debtor(overdue=-20)
        house.sync()
        assert (service.status, other.status) == ("Suspended", "Active")
        found = house.bridge.status()
        assert (found.held_down, found.vip_members) == (1, 1)
        house.next_day(14)
        assert house.bridge.status().approvals == 1
        house.pay(invoice)
        house.sync()
        assert house.bridge.status().held_down == 0


def test_a_handed_back_house_says_so_until_it_is_taken_up_again() -> None:
    with House.of() as house:
        house.sync()
        run = house.bridge.journal.begin_run("hand-back", "enforce", house.today, house.bridge.clock.now(), "v")
        house.bridge.journal.end_run(run, house.bridge.clock.now(), "ok", "3 handed back")
        found = house.bridge.status().handed_back
        assert found is not None
        assert found.summary == "3 handed back"
        house.next_day()
        assert house.bridge.status().handed_back is None


@pytest.mark.parametrize(
    ("minutes", "said"), [(0, "0 min"), (119, "119 min"), (120, "2 h"), (71 * 60, "71 h"), (76 * 60, "3 d 4 h")]
)
def test_times_are_readable(minutes: int, said: str) -> None:
    assert readable(timedelta(minutes=minutes)) == said


def test_a_sanity_stop_is_shown_once_also_when_staff_has_put_its_task_aside() -> None:
    with House.of({"class": {"hosting": HOSTING}, "sanity": {}}) as house:
        house.sync()
        house.world.settings["Version"] = "9.0.1-release.1"
        house.next_day()
        journal = house.bridge.journal
        journal.put("sanity:standing", [["sanity:version", "WHMCS is another version"]])
        way_past = "whmcs-bridge sync --accept-sanity version"
        assert [(s.code, s.way_past) for s in house.bridge.status().stops] == [("sanity:version", way_past)]
        for task in journal.tasks():
            journal.set_task(task.number, "done", house.today)
        assert [(s.code, s.way_past) for s in house.bridge.status().stops] == [("sanity:version", way_past)]
