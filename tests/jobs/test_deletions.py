"""Deletions of backups: whose, how much unasked, through which states, and what a store's word is worth."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from hooks import service_delete
from tests.house import HOSTING, House, done, results, service_id, the_result
from tests.jobs.shelves import HOUR, Lie, Names, Shelf
from whmcs_bridge.backups.local import open_store
from whmcs_bridge.domain.backups import BackupItem, Probe
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState, PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs import backup_carry, backup_desk
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import BackupStore, StepState
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.simulator.records import Actor, Service

MADE = date(2025, 1, 10)


@contextmanager
def a_house(*stores: Shelf, panels: tuple[Names, ...] = (), **more: Any) -> Iterator[House]:
    tables = {"class": {"hosting": {**HOSTING, **more.pop("layer", {})}}, **more}
    with House.of(tables, stores=list(stores)) as house:
        house.bridge.ports.account_panels = panels
        yield house


def end(house: House, service: Service) -> None:
    """Staff ends a service that the bridge has seen living; its backups are due on the second day after."""
    house.sync()
    house.pass_days()
    set_status(house, service, ServiceStatus.TERMINATED)
    house.sync()


def ended(house: House, *shelves: Shelf) -> Service:
    """A service with one backup in each of these stores that has just ended."""
    service = house.a_service()
    for shelf in shelves:
        shelf.put("site1", "full", MADE)
    end(house, service)
    return service


@contextmanager
def an_end(shelf: Shelf | None = None, **more: Any) -> Iterator[tuple[House, Shelf, Service]]:
    """A house with one store, and a service with one backup in it that has just ended."""
    shelf = shelf or Shelf()
    with a_house(shelf, **more) as house:
        yield house, shelf, ended(house, shelf)


def set_status(house: House, service: Service, status: ServiceStatus) -> None:
    with house.world.acting(Actor.ADMIN):
        house.world.set_service_status(service, status, recorded=True)


def plan_of(house: House, service: Service) -> DeletionPlan:
    plan = house.bridge.journal.deletions.plan_of(service_id(service))
    assert plan is not None
    return plan


def kinds(house: House, service: Service) -> list[str]:
    return [link.kind for link in house.bridge.journal.deletions.links(service_id(service))]


def tasks(house: House) -> set[str]:
    return {task.code for task in house.bridge.journal.tasks()}


def states(plan: DeletionPlan) -> dict[str, str]:
    return {s.store: s.state.value for s in plan.stores}


# --- the ordinary way -----------------------------------------------------------------------------


def test_a_plan_is_frozen_at_the_end_and_carried_out_after_the_grace() -> None:
    with an_end(layer={"delete_backups_after_days": 5}) as (house, shelf, service):
        plan = plan_of(house, service)
        assert (plan.state, len(plan.items), shelf.names()) == (PlanState.OPEN, 1, ["site1/full"])
        house.next_day(4)
        assert shelf.names() == ["site1/full"]
        house.next_day()
        assert shelf.names() == []
        after = plan_of(house, service)
        assert (after.digest, after.state) == (plan.digest, PlanState.DONE)
        assert kinds(house, service) == ["plan", "deleted", "store", "verdict"]


def test_only_the_account_of_exactly_that_name_is_touched() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service(username="bob")
        for name in ("bob", "bob1", "bobby", "Bob", "bo", "xbob", "b.b"):
            shelf.put(name, "full", MADE)
        end(house, service)
        house.next_day()
        assert shelf.deleted == ["bob/full"]


def test_an_item_that_came_after_the_plan_makes_another_plan() -> None:
    with an_end(layer={"delete_backups_after_days": 5}) as (house, shelf, service):
        first = plan_of(house, service)
        shelf.put("site1", "late", house.today)
        house.next_day(5)
        second = plan_of(house, service)
        assert first.digest != second.digest
        assert (len(second.items), shelf.names()) == (2, [])
        assert kinds(house, service).count("plan") == 2


def test_an_item_replaced_after_the_plan_is_planned_anew_and_never_deleted_by_the_old_one() -> None:
    with an_end(layer={"delete_backups_after_days": 5}) as (house, shelf, service):
        first = plan_of(house, service)
        shelf.put("site1", "full", date(2020, 1, 1), size=7)  # not of this account's days any more
        house.next_day(5)
        assert shelf.names() == ["site1/full"]
        assert plan_of(house, service).digest != first.digest or not plan_of(house, service).complete


def test_nothing_there_is_a_verdict_too() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        end(house, service)
        assert done(house.next_day()) == ["delete_backups"]
        assert states(plan_of(house, service)) == {"shelf": "gone_before"}


def test_a_store_that_does_not_serve_the_server_is_not_asked() -> None:
    here, elsewhere = Shelf("here"), Shelf("elsewhere", servers=(7,))
    with a_house(here, elsewhere) as house:
        service = house.a_service()
        elsewhere.put("site1", "full", MADE)
        end(house, service)
        house.next_day()
        assert states(plan_of(house, service)) == {"here": "gone_before"}
        assert elsewhere.asked == []


# --- quarantine -----------------------------------------------------------------------------------


def test_items_are_moved_aside_first_where_the_store_can() -> None:
    with an_end(Shelf(quarantine=True)) as (house, shelf, service):
        house.next_day()
        assert shelf.held == {}
        assert kinds(house, service) == ["plan", "quarantined", "deleted", "store", "verdict"]


def test_quarantine_days_keep_items_aside_and_the_verdict_says_so() -> None:
    with an_end(Shelf(quarantine=True), backups={"quarantine_days": 3}) as (house, shelf, service):
        house.next_day()
        assert (shelf.names(), len(shelf.held)) == ([], 1)
        assert states(plan_of(house, service)) == {"shelf": "quarantined"}
        assert house.case(service).erased_on is None
        house.next_day(4)
        assert shelf.held == {}
        assert plan_of(house, service).complete


def test_a_deletion_that_failed_waits_for_no_second_quarantine() -> None:
    with an_end(Shelf(quarantine=True), backups={"quarantine_days": 3}) as (house, shelf, service):
        house.next_day()
        shelf.lie = Lie.NEVER_SENT
        house.next_day(4)
        assert len(shelf.held) == 1
        shelf.lie = None
        house.next_day()
        assert shelf.held == {}
        assert plan_of(house, service).complete


# --- lies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", [Lie.SUCCESS_WITHOUT_EFFECT, Lie.STALE_LIST])
def test_a_success_that_a_listing_does_not_show_is_a_failure(lie: Lie) -> None:
    with an_end() as (house, shelf, service):
        shelf.lie = lie
        assert results(house.next_day(), Kind.DELETE_BACKUPS) == [("delete_backups", "failed")]
        assert states(plan_of(house, service)) == {"shelf": "failed"}
        assert house.case(service).erased_on is None
        shelf.lie = None
        house.next_day()
        assert plan_of(house, service).complete


def test_a_list_that_is_empty_for_want_of_rights_is_not_believed() -> None:
    """A driver that takes 403 for empty lies to us: what was planned was listed, and nobody has deleted it."""
    with an_end() as (house, shelf, service):
        shelf.lie = Lie.EMPTY_LIST
        house.next_day()
        assert plan_of(house, service).state is PlanState.OPEN
        assert "store-collateral" in tasks(house)
        shelf.lie = None
        assert backup_carry.lift_halt(house.bridge.ports, "shelf", "the key has its rights again")
        house.next_day()
        assert shelf.names() == []
        assert plan_of(house, service).state is PlanState.DONE


def test_a_view_that_is_not_complete_proves_nothing_and_nothing_is_deleted() -> None:
    with an_end() as (house, shelf, service):
        shelf.state = Probe(complete=False, why="no right to list")
        report = house.next_day()
        assert "no right to list" in the_result(report, Kind.DELETE_BACKUPS).note
        assert states(plan_of(house, service)) == {"shelf": "unverifiable"}
        assert shelf.names() == ["site1/full"]


def test_a_neighbour_that_vanishes_halts_every_plan_on_the_store_until_a_person_lifts_it() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        first, second = house.a_service(), house.a_service()
        house.a_service()
        for name in ("site1", "site2", "site3"):
            shelf.put(name, "full", MADE)
        end(house, first)
        shelf.lie = Lie.NEIGHBOUR
        house.next_day()
        assert "store-collateral" in tasks(house)
        assert len(shelf.names()) == 1
        shelf.lie = None
        end(house, second)
        shelf.put("site2", "newer", MADE)
        house.next_day(2)
        assert "site2/newer" in shelf.names()
        assert "backups-halted" in tasks(house)
        assert backup_carry.lift_halt(house.bridge.ports, "shelf", "a colleague had removed it")
        house.next_day()
        assert "site2/newer" not in shelf.names()
        assert "backups-halted" not in tasks(house)


@pytest.mark.parametrize("lie", [Lie.ANSWER_LOST, Lie.NEVER_SENT])
def test_a_lost_answer_is_settled_by_listing(lie: Lie) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for name in ("one", "two"):
            shelf.put("site1", name, MADE)
        end(house, service)
        shelf.lie = lie
        house.next_day()
        assert len(shelf.names()) == (1 if lie is Lie.ANSWER_LOST else 2)
        shelf.lie = None
        house.next_day()
        assert (shelf.names(), plan_of(house, service).complete) == ([], True)
        assert sorted(shelf.deleted) == ["site1/one", "site1/two"]


def test_what_comes_back_a_day_later_is_planned_anew_and_staff_is_told() -> None:
    with an_end() as (house, shelf, service):
        house.next_day()
        shelf.put("site1", "full", MADE)  # a sync job of the store has put it back
        house.next_day()
        assert "backups-back" in tasks(house)
        assert shelf.names() == []
        assert kinds(house, service).count("verdict") == 2


def test_a_store_is_listed_again_an_hour_and_a_day_after_a_deletion_and_then_no_more() -> None:
    with an_end() as (house, shelf, service):
        house.next_day(5)
        assert kinds(house, service).count("verified") == 2
        before = len(shelf.asked)
        house.next_day()
        assert len(shelf.asked) == before


# --- away, busy, locked, working ------------------------------------------------------------------


def test_with_one_of_three_stores_down_the_others_are_done_and_the_whole_is_not() -> None:
    shelves = [Shelf(name) for name in ("a", "b", "c")]
    with a_house(*shelves) as house:
        service = ended(house, *shelves)
        shelves[1].trouble = StoreUnreachable("b is away")
        assert the_result(house.next_day(), Kind.DELETE_BACKUPS).state is StepState.FAILED
        assert [len(s.names()) for s in shelves] == [0, 1, 0]
        assert house.case(service).erased_on is None
        shelves[1].trouble = None
        house.next_day()
        assert plan_of(house, service).complete
        assert house.case(service).erased_on == house.today


def test_a_backup_at_work_postpones() -> None:
    with an_end() as (house, shelf, _service):
        shelf.state = Probe(complete=True, busy=("site1",))
        assert "a backup is at work" in the_result(house.next_day(), Kind.DELETE_BACKUPS).note
        assert shelf.names() == ["site1/full"]
        shelf.state = Probe(complete=True, busy=("somebody",))
        house.next_day()
        assert shelf.names() == []


def test_a_clock_too_far_off_postpones() -> None:
    with an_end() as (house, shelf, _service):
        shelf.state = Probe(complete=True, clock_skew=-2 * HOUR)
        assert "off ours" in the_result(house.next_day(), Kind.DELETE_BACKUPS).note
        assert shelf.names() == ["site1/full"]


def test_a_lock_is_reported_with_its_end_and_taken_up_again_when_it_is_over() -> None:
    shelf = Shelf(locks=True)
    with a_house(shelf) as house:
        service = house.a_service()
        item = shelf.put("site1", "full", MADE, lock="governance")
        end(house, service)
        until = house.bridge.clock.now() + timedelta(days=4)
        shelf.held[(item.locator, "")] = replace(item, locked_until=until)
        house.next_day()
        assert states(plan_of(house, service)) == {"shelf": "locked_until"}
        assert not any(asked.startswith("delete") for asked in shelf.asked)
        assert house.withheld(house.next_day(), service) == {"backups-locked": "delete_backups"}
        assert "backups-locked" in tasks(house)
        shelf.held[(item.locator, "")] = replace(item, lock="", locked_until=None)
        house.next_day(5)
        assert shelf.names() == []
        assert plan_of(house, service).complete


def test_what_a_store_only_accepts_is_not_gone_until_a_listing_says_so() -> None:
    with an_end(Shelf(async_delete=True)) as (house, shelf, service):
        house.next_day()
        assert states(plan_of(house, service)) == {"shelf": "accepted"}
        shelf.work_off()
        house.next_day()
        assert plan_of(house, service).complete
        assert house.case(service).erased_on == house.today


def test_bytes_that_stay_after_a_deletion_are_residual_until_their_day() -> None:
    with an_end() as (house, shelf, service):
        shelf.state = Probe(complete=True, keeps_for=timedelta(days=3))
        house.next_day()
        plan = plan_of(house, service)
        assert states(plan) == {"shelf": "residual_until"}
        house.next_day()
        assert not plan_of(house, service).complete
        house.next_day(3)
        assert plan_of(house, service).complete


def test_a_product_that_only_people_look_into_waits_for_one_and_fails_no_run() -> None:
    shelf, tape = Shelf(), Shelf("tape", deletes=False)
    tape.state = Probe(complete=False, why="only a person can look into it")
    with House.of({"class": {"hosting": HOSTING}}, stores=[shelf, tape]) as house:
        service = ended(house, shelf)
        assert the_result(house.next_day(), Kind.DELETE_BACKUPS).state is StepState.SKIPPED
        assert states(plan_of(house, service)) == {"shelf": "gone_verified", "tape": "unverifiable"}
        assert house.withheld(house.next_day(), service) == {"backups-unverifiable": "delete_backups"}
        ports = house.bridge.ports
        backup_desk.close_plan(ports, plan_of(house, service).digest, "taken off by hand")
        assert house.case(service).erased_on == house.today
        assert not plan_of(house, service).complete


def test_a_store_that_cannot_be_opened_keeps_no_other_from_its_work() -> None:
    class Shut(Shelf):
        def __getattribute__(self, name: str) -> Any:
            if name in ("caps", "probe", "items", "root") and object.__getattribute__(self, "__dict__").get("shut"):
                raise StoreUnreachable("its secret is not there")
            return object.__getattribute__(self, name)

    shut, shelf = Shut("shut"), Shelf("open")
    with a_house(shut, shelf) as house:
        service = ended(house, shelf)
        shut.__dict__["shut"] = True
        house.next_day()
        assert shelf.names() == []
        assert states(plan_of(house, service)) == {"shut": "unverifiable", "open": "gone_verified"}


# --- panels ---------------------------------------------------------------------------------------


def test_a_panel_that_cannot_say_who_lives_stops_everything() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        ended(house, shelf)
        panel.trouble = StoreUnreachable("panel is away")
        assert the_result(house.next_day(), Kind.DELETE_BACKUPS).state is StepState.FAILED
        assert shelf.names() == ["site1/full"]
        panel.trouble = None
        house.next_day()
        assert shelf.names() == []


@pytest.mark.parametrize(("captured", "now"), [("uid-1", "uid-1"), ("", "uid-2"), ("uid-1", "")])
def test_an_account_that_still_lives_on_the_panel_keeps_its_backups(captured: str, now: str) -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        panel.add("site1", captured)
        end(house, service)
        panel.add("site1", now)
        assert "still lives" in the_result(house.next_day(), Kind.DELETE_BACKUPS).note
        assert shelf.names() == ["site1/full"]


def test_a_name_given_to_another_account_on_the_panel_leaves_what_only_a_time_proves() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        panel.add("site1", "uid-1")
        end(house, service)
        panel.add("site1", "uid-2")
        house.next_day()
        assert shelf.names() == ["site1/full"]
        assert states(plan_of(house, service)) == {"shelf": "refused"}
        assert "backups-left" in tasks_after(house)


def tasks_after(house: House) -> set[str]:
    house.next_day()
    return tasks(house)


def test_where_a_name_is_all_there_is_a_panel_has_to_confirm() -> None:
    with an_end(Shelf(name_is_all=True)) as (house, shelf, _service):
        house.next_day()
        assert shelf.names() == ["site1/full"]
        house.bridge.ports.account_panels = (Names(),)
        house.next_day(2)
        assert shelf.names() == []


def test_a_resellers_accounts_are_its_own_and_always_need_approval() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service(username="seller")
        for name in ("seller", "sub1", "sub2", "else"):
            shelf.put(name, "full", MADE)
        panel.add("seller", "u1")
        panel.add("sub1", "u2", owner="seller")
        panel.add("sub2", "u3", owner="seller")
        panel.add("else", "u4")
        end(house, service)
        panel.living_now = {"else": panel.living_now["else"]}
        house.next_day()
        plan = plan_of(house, service)
        assert [p.item.account for p in plan.items] == ["seller", "sub1", "sub2"]
        assert any("2 accounts below it" in need for need in plan.needs)
        assert len(shelf.names()) == 4
        approve(house, plan)
        house.next_day()
        assert shelf.names() == ["else/full"]


def approve(house: House, plan: DeletionPlan) -> None:
    approved = replace(plan, approved_by="owner", approved_at=house.bridge.clock.now())
    house.bridge.journal.deletions.save_plan(approved)


# --- names that were used before, or are again ----------------------------------------------------


def test_of_a_name_that_two_services_had_each_gets_its_own_days() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        old = house.a_service(username="bob", registered=house.day(-100))
        house.sync()
        house.pass_days(10)
        shelf.put("bob", "old", house.day(-20))
        set_status(house, old, ServiceStatus.TERMINATED)
        house.sync()
        house.pass_days(10)
        new = house.a_service(username="bob", registered=house.today)
        house.sync()
        shelf.put("bob", "new", house.day(6))
        house.next_day(12)
        assert shelf.names() == ["bob/new", "bob/old"]  # the name lives again: nothing goes by itself
        assert plan_of(house, old).state is PlanState.FROZEN
        set_status(house, new, ServiceStatus.TERMINATED)
        house.next_day(4)
        assert shelf.names() == []


def test_an_old_name_on_an_old_server_is_searched_too() -> None:
    old, new = Shelf("old", servers=(1,)), Shelf("new", servers=(2,))
    with a_house(old, new) as house:
        service = house.a_service()
        shelf_days = house.day(-30)
        old.put("site1", "before", shelf_days)
        house.sync()
        service.server = 2
        house.next_day(5)
        new.put("site1", "after", house.today)
        end(house, service)
        house.next_day(2)
        assert (old.names(), new.names()) == ([], [])
        assert states(plan_of(house, service)) == {"old": "gone_verified", "new": "gone_verified"}


def test_what_only_may_be_the_accounts_is_left_and_the_verdict_is_not_complete() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        shelf.put("site1", "ancient", date(2019, 1, 1))
        shelf.put("site1", "everybody", MADE, shared=True)
        end(house, service)
        house.next_day()
        assert shelf.names() == ["site1/ancient", "site1/everybody"]
        plan = plan_of(house, service)
        assert states(plan) == {"shelf": "refused"}
        assert {u.verdict for u in plan.untouched} == {"ambiguous", "shared"}
        assert house.case(service).erased_on is None


# --- freezing -------------------------------------------------------------------------------------


def test_a_service_that_lives_again_freezes_its_plan_and_another_end_makes_another() -> None:
    with an_end(layer={"delete_backups_after_days": 5}) as (house, shelf, service):
        house.next_day()
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert plan_of(house, service).state is PlanState.FROZEN
        house.next_day(10)
        assert shelf.names() == ["site1/full"]
        end(house, service)
        house.next_day(6)
        assert shelf.names() == []


def test_fraud_keeps_its_backups_unless_the_house_says_otherwise() -> None:
    for counts in (False, True):
        shelf = Shelf()
        with a_house(shelf, backups={"fraud_ends": counts}) as house:
            service = house.a_service()
            shelf.put("site1", "full", MADE)
            house.sync()
            set_status(house, service, ServiceStatus.FRAUD)
            house.next_day(3)
            assert shelf.names() == ([] if counts else ["site1/full"])


# --- caps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [{"max_items": 2}, {"max_gib": 1}, {"max_percent_of_store": 20}])
def test_more_than_goes_unasked_waits_for_the_approval_of_that_very_plan(cap: dict[str, int]) -> None:
    shelf = Shelf()
    with a_house(shelf, backups=cap) as house:
        service = house.a_service()
        for number in range(25):
            shelf.put("site1", f"{number:02}", MADE, size=2**30)
        end(house, service)
        house.next_day()
        plan = plan_of(house, service)
        assert plan.waits_for_approval
        assert len(shelf.names()) == 25
        assert house.withheld(house.next_day(), service) == {"backups-approval": "delete_backups"}
        assert "backups-approval" in tasks(house)
        approve(house, plan)
        shelf.put("site1", "one-more", MADE)
        house.next_day()
        assert len(shelf.names()) == 26  # it is another list now, and nobody approved that one
        approve(house, plan_of(house, service))
        house.next_day()
        assert shelf.names() == []


def test_a_list_that_spans_more_days_than_the_house_allows_waits_for_its_own_approval() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_span_days": 30}) as house:
        service = house.a_service()
        for on in (date(2024, 11, 1), MADE):
            shelf.put("site1", str(on), on)
        end(house, service)
        house.next_day()
        plan = plan_of(house, service)
        assert (plan.waits_for_approval, len(shelf.names())) == (True, 2)
        assert plan.needs == ("70 days from the oldest to the newest item, 30 go unasked",)
        approve(house, plan)
        house.next_day()
        assert shelf.names() == []


@pytest.mark.parametrize("quarantine", [True, False])
def test_the_house_deletes_only_so_many_items_on_one_day_approved_or_not(quarantine: bool) -> None:
    shelves = [Shelf(name, quarantine=quarantine) for name in ("one", "two")]
    with a_house(*shelves, backups={"max_items_a_day": 4, "max_items": 1}) as house:
        service = house.a_service()
        for shelf in shelves:
            for number in range(5):
                shelf.put("site1", f"{number}", MADE)
        end(house, service)
        house.next_day()
        approve(house, plan_of(house, service))
        gone = []
        for _ in range(4):
            house.next_day()
            house.sync()  # a second run of the same day deletes no more
            gone.append(sum(len(shelf.deleted) for shelf in shelves))
            plan = plan_of(house, service)
            if gone[-1] < 10:
                assert any("max_items_a_day = 4" in store.why for store in plan.stores), plan.stores
        assert gone == [4, 8, 10, 10]
        assert plan.complete


@pytest.mark.parametrize("quarantine", [True, False])
@pytest.mark.parametrize("how", ["file", "pause"])
def test_a_pause_in_the_middle_of_a_list_stops_at_the_next_item(tmp_path: Path, how: str, quarantine: bool) -> None:
    """The kill switch is looked at before every single item."""
    shelf, switch = Shelf(quarantine=quarantine), tmp_path / "PAUSE"
    with House.of({"class": {"hosting": HOSTING}}, folder=tmp_path, stores=[shelf]) as house:
        service = house.a_service()
        for number in range(6):
            shelf.put("site1", f"{number}", MADE)
        end(house, service)

        def stop(_: BackupItem) -> None:
            if len(shelf.deleted) == 1:  # while the second one goes
                switch.touch() if how == "file" else house.bridge.pause()

        shelf.on_delete = stop
        house.next_day()
        assert len(shelf.deleted) == 2
        plan = plan_of(house, service)
        assert (plan.state, plan.complete) == (PlanState.OPEN, False)
        switch.unlink(missing_ok=True)
        house.bridge.end_pause()
        house.next_day()
        assert len(shelf.deleted) == 6
        assert plan_of(house, service).complete


# --- evidence -------------------------------------------------------------------------------------


def test_the_evidence_holds_what_went_where_and_why_and_breaks_when_it_is_touched() -> None:
    with an_end() as (house, _shelf, service):
        house.next_day()
        deletions = house.bridge.journal.deletions
        links = list(deletions.links(service_id(service)))
        [deleted] = [json.loads(link.body) for link in links if link.kind == "deleted"]
        assert (deleted["locator"], deleted["size"], deleted["answer"]) == ("site1/full", 1000, "deleted")
        assert deleted["proofs"][0] == "name"
        assert deletions.broken_at() == ""
        with house.bridge.journal._store.writing as conn:  # type: ignore[attr-defined]
            conn.execute("UPDATE evidence_chain SET body=replace(body, '1000', '1001') WHERE kind='deleted'")
        assert deletions.broken_at() == "record 2 was changed after it was written"


def test_erased_services_leave_numbers_and_hashes_and_are_told_of_when_they_are_back() -> None:
    with an_end() as (house, _shelf, service):
        house.next_day()
        stone = house.bridge.journal.deletions.tombstones()[service_id(service)]
        assert (stone.erased_on, len(stone.accounts[0])) == (house.today, 64)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert "erased-is-back" in tasks(house)


def test_every_state_that_is_not_gone_keeps_a_plan_from_being_complete() -> None:
    for state in ItemState:
        assert state.gone is (state in (ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE))


# --- deleted records ------------------------------------------------------------------------------


def delete_record(house: House, service: Service) -> None:
    """WHMCS tells through its hook that it deletes the record, and does."""
    now = house.bridge.clock.now()
    event = HookEvent("ServiceDelete", {"userid": service.client, "serviceid": service.id}, now, Actor.ADMIN)
    service_delete.handle(event, house.bridge)
    house.world.delete_service(service)


def test_a_deleted_record_is_an_end_after_two_empty_days_and_the_panels_word() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        house.a_service()
        for name in ("site1", "site2"):
            shelf.put(name, "full", MADE)
        panel.add("site2", "uid-2")
        house.sync()
        delete_record(house, service)
        house.next_day()
        house.next_day()
        assert "site1/full" in shelf.names()
        assert done(house.next_day()) == ["delete_backups"]
        assert shelf.names() == ["site2/full"]
        assert house.next_day().results == []


def test_a_deleted_record_goes_to_staff_where_no_panel_can_confirm() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        delete_record(house, service)
        house.next_day(5)
        assert shelf.names() == ["site1/full"]
        assert "backups-of-deleted" in tasks(house)


def test_a_deleted_record_whose_account_lives_on_keeps_its_backups() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        panel.add("site1", "uid-1")
        house.sync()
        delete_record(house, service)
        assert "still lives" in the_result(house.next_day(3), Kind.DELETE_BACKUPS).note
        assert shelf.names() == ["site1/full"]


def test_a_record_that_was_not_deleted_after_all_is_no_end() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        delete_record(house, service)
        house.next_day()
        house.world.add_service(service)  # restored
        house.next_day(5)
        assert shelf.names() == ["site1/full"]
        assert house.bridge.journal.deletions.gone() == []


# --- with a real folder -----------------------------------------------------------------------------


def a_folder(root: Path) -> BackupStore:
    """A folder of this machine as cPanel fills it, through the real driver."""
    root.mkdir()
    (root / ".whmcs-bridge-store").touch()
    for day in ("2025-01-10", "2025-02-10"):
        accounts = root / day / "accounts"
        accounts.mkdir(parents=True)
        for name in ("site1", "site11", "site2"):
            path = accounts / f"{name}.tar.gz"
            path.write_bytes(b"x" * 100)
            os.utime(path, (1_739_000_000, 1_739_000_000))
    options = {"root": str(root), "layout": "cpanel", "leave_out": (), "busy_files": (), "bytes_kept_days": 0}
    return open_store(BackupStoreSettings("disk", "local", (), options))


def test_a_folder_of_this_machine_loses_exactly_the_accounts_files(tmp_path: Path) -> None:
    """The whole way through a real driver: moved aside, looked at again, deleted, listed anew."""
    root = tmp_path / "backup"
    with House.of({"class": {"hosting": HOSTING}}, stores=[a_folder(root)]) as house:
        house.bridge.ports.account_panels = (Names(),)
        service = house.a_service()
        end(house, service)
        assert done(house.next_day()) == ["delete_backups"]
        assert plan_of(house, service).complete
        assert kinds(house, service) == ["plan", "quarantined", "quarantined", "deleted", "deleted", "store", "verdict"]
    left = sorted(path.name for path in root.rglob("*.tar.gz"))
    assert left == ["site11.tar.gz", "site11.tar.gz", "site2.tar.gz", "site2.tar.gz"]


def test_a_folder_of_this_machine_has_everything_back_when_the_service_lives_again(tmp_path: Path) -> None:
    root = tmp_path / "backup"
    tables = {"class": {"hosting": HOSTING}, "backups": {"quarantine_days": 9}}
    with House.of(tables, stores=[a_folder(root)]) as house:
        house.bridge.ports.account_panels = (Names(),)
        before = {path: path.stat().st_ino for path in root.rglob("*.tar.gz")}
        service = house.a_service()
        end(house, service)
        house.next_day()
        assert not (root / "2025-01-10/accounts/site1.tar.gz").exists()
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert {path: path.stat().st_ino for path in root.rglob("*.tar.gz")} == before
        assert kinds(house, service).count("put-back") == 2
