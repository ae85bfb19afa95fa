"""Stores that are away, at work, taken out of the settings, added, renamed or moved while a deletion is under way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.house import House, service_id, the_result
from tests.jobs.shelves import Shelf
from tests.jobs.test_deletions import MADE, a_house, approve, end, plan_of, set_status, states
from whmcs_bridge.domain.backups import Probe
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import backup_audit, backup_desk
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator.records import Service


@pytest.fixture
def shelves() -> list[Shelf]:
    return [Shelf(name) for name in ("a", "b", "c")]


@pytest.fixture
def house(shelves: list[Shelf]) -> Iterator[House]:
    with a_house(*shelves, layer={"delete_backups_after_days": 2}) as made:
        yield made


def ended(house: House, shelves: list[Shelf]) -> Service:
    """A service with one backup in each store, whose plan is made and due in two days."""
    service = house.a_service()
    for shelf in shelves:
        shelf.put("site1", "full", MADE)
    end(house, service)
    return service


def settle_on(house: House, *stores: Shelf) -> None:
    """The operator edits the [[backup_store]] tables."""
    house.bridge.ports.stores = stores


# --- down, at work ------------------------------------------------------------------------------------


def test_with_one_of_three_down_the_verdict_names_it_until_it_is_back(house: House, shelves: list[Shelf]) -> None:
    service = ended(house, shelves)
    shelves[1].trouble = StoreUnreachable("b is away")
    result = the_result(house.next_day(2), Kind.DELETE_BACKUPS)
    assert (result.state, "b is away" in result.note) == (StepState.FAILED, True)
    assert states(plan_of(house, service)) == {"a": "gone_verified", "b": "unverifiable", "c": "gone_verified"}
    assert service_id(service) not in house.bridge.journal.deletions.tombstones()
    house.next_day(3)
    assert len(shelves[1].names()) == 1
    shelves[1].trouble = None
    house.next_day()
    plan = plan_of(house, service)
    assert (plan.complete, plan.state, shelves[1].names()) == (True, PlanState.DONE, [])
    assert house.case(service).erased_on == house.today


def test_a_backup_that_ends_between_the_listing_and_the_look_afterwards_makes_another_plan(
    house: House, shelves: list[Shelf]
) -> None:
    service = ended(house, shelves)
    first = plan_of(house, service)
    shelves[0].on_delete = lambda _item: late(shelves[0])

    def late(shelf: Shelf) -> None:
        shelf.on_delete = None
        shelf.put("site1", "late", house.day(-1))

    house.next_day(2)
    assert shelves[0].names() == ["site1/late"]
    assert not plan_of(house, service).complete
    assert "not in its plan yet" in plan_of(house, service).stores[0].why
    house.next_day()
    assert (shelves[0].names(), plan_of(house, service).complete) == ([], True)
    assert plan_of(house, service).digest != first.digest


def test_while_a_backup_of_the_account_is_at_work_nothing_is_called_gone(house: House, shelves: list[Shelf]) -> None:
    """What it makes is not listed yet, so an empty listing says little."""
    service = house.a_service()
    end(house, service)
    shelves[2].state = Probe(complete=True, busy=("site1",))
    house.next_day(2)
    assert states(plan_of(house, service)) == {"a": "gone_before", "b": "gone_before", "c": "planned"}
    assert house.case(service).erased_on is None
    shelves[2].state = Probe(complete=True)
    house.next_day()
    assert plan_of(house, service).complete


def test_what_may_be_the_accounts_and_comes_after_the_deletion_is_told_and_left(
    house: House, shelves: list[Shelf]
) -> None:
    """Somebody goes on making backups under the name: outside its days, so nothing of it goes, and it is no secret."""
    service = ended(house, shelves)
    house.next_day(2)
    assert plan_of(house, service).complete
    shelves[0].put("site1", "later", house.day(9))
    house.next_day()
    assert "backups-since" in house.task_codes()
    plan = plan_of(house, service)
    assert (plan.state, plan.stores[0].why[:38]) == (PlanState.DONE, "1 items that may be its own are left a")
    assert shelves[0].names() == ["site1/later"]


def test_services_that_end_together_are_planned_and_looked_at_again_by_one_listing_of_each_store() -> None:
    """A store of a hundred thousand items takes its time; only a deletion needs a listing of its own."""
    shelf = Shelf()
    with a_house(shelf, layer={"delete_backups_after_days": 3}) as house:
        services = [house.a_service() for _ in range(5)]
        for service in services:
            shelf.put(service.username, "full", MADE)
        house.sync()
        house.pass_days()
        for service in services:
            set_status(house, service, ServiceStatus.TERMINATED)
        house.sync()
        assert shelf.asked.count("items") == 1
        assert {len(plan_of(house, s).items) for s in services} == {1}
        house.next_day(3)
        assert {plan_of(house, s).complete for s in services} == {True}
        shelf.asked.clear()
        house.next_day()
        assert shelf.asked.count("items") == 1
        assert {plan_of(house, s).stores[0].checks for s in services} == {2}


# --- taken out ----------------------------------------------------------------------------------------


def test_a_store_that_is_taken_out_of_the_settings_keeps_the_verdict_open(house: House, shelves: list[Shelf]) -> None:
    service = ended(house, shelves)
    settle_on(house, *shelves[:2])
    house.next_day(2)
    plan = plan_of(house, service)
    assert states(plan) == {"a": "gone_verified", "b": "gone_verified", "c": "refused"}
    assert "no store of this service in the settings any more (shelf:c), and 1 items" in plan.stores[2].why
    assert not plan.complete
    assert house.case(service).erased_on is None
    house.next_day()
    assert "backups-left" in house.task_codes()
    house.next_day(2)
    settle_on(house, *shelves)
    house.next_day()
    assert (plan_of(house, service).complete, shelves[2].names()) == (True, [])


def test_staff_closes_a_plan_whose_store_is_gone_for_good(house: House, shelves: list[Shelf]) -> None:
    service = ended(house, shelves)
    settle_on(house, *shelves[:2])
    house.next_day(3)
    plan = plan_of(house, service)
    backup_desk.close_plan(house.bridge.ports, plan.digest, "the box was scrapped")
    assert not plan_of(house, service).complete
    assert house.case(service).erased_on is not None


def test_a_store_that_was_done_with_before_it_was_taken_out_is_no_matter(house: House, shelves: list[Shelf]) -> None:
    service = ended(house, shelves)
    shelves[0].trouble = StoreUnreachable("a is away")
    house.next_day(2)
    shelves[0].trouble = None
    settle_on(house, *shelves[:2])
    house.next_day()
    assert plan_of(house, service).complete


# --- renamed, moved -----------------------------------------------------------------------------------


def renamed(shelf: Shelf, name: str) -> Shelf:
    """The same place by another name of the settings."""
    other = Shelf(name)
    other._root = shelf.root
    other.held = {key: replace(item, store=name) for key, item in shelf.held.items()}
    return other


def test_a_renamed_store_is_the_same_place_and_no_store_is_missed(house: House, shelves: list[Shelf]) -> None:
    service = ended(house, shelves)
    other = renamed(shelves[2], "offsite")
    settle_on(house, *shelves[:2], other)
    house.next_day(2)
    assert states(plan_of(house, service)) == dict.fromkeys(("a", "b", "offsite"), "gone_verified")
    assert plan_of(house, service).complete
    assert other.names() == []


def test_a_store_that_points_elsewhere_now_proves_nothing_about_where_it_was(
    house: House, shelves: list[Shelf]
) -> None:
    """Somebody has edited the root: the new place is empty, and the backups still lie in the old one."""
    service = ended(house, shelves)
    moved = Shelf("c")
    moved._root = "shelf:elsewhere"
    settle_on(house, *shelves[:2], moved)
    house.next_day(2)
    plan = plan_of(house, service)
    assert states(plan)["c"] == "gone_before"
    assert states(plan)["c (was shelf:c)"] == "refused"
    assert not plan.complete
    settle_on(house, *shelves)
    house.next_day()
    assert (plan_of(house, service).complete, shelves[2].names()) == (True, [])


# --- added --------------------------------------------------------------------------------------------


def test_a_store_that_is_added_while_a_plan_waits_is_looked_into_before_the_verdict(
    house: House, shelves: list[Shelf]
) -> None:
    settle_on(house, *shelves[:2])
    service = house.a_service()
    for shelf in shelves:
        shelf.put("site1", "full", MADE)
    end(house, service)
    shelves[0].held[("site1/full", "")] = replace(shelves[0].held[("site1/full", "")], lock="governance")
    house.next_day(2)
    assert states(plan_of(house, service)) == {"a": "locked_until", "b": "gone_verified"}
    settle_on(house, *shelves)
    house.next_day()
    assert shelves[2].names() == []
    assert states(plan_of(house, service)) == {"a": "locked_until", "b": "gone_before", "c": "gone_verified"}


def test_a_store_that_is_added_after_a_deletion_is_told_of_and_the_audit_names_what_it_has(
    house: House, shelves: list[Shelf]
) -> None:
    settle_on(house, *shelves[:2])
    service = house.a_service()
    for shelf in shelves:
        shelf.put("site1", "full", MADE)
    end(house, service)
    house.next_day(2)
    assert plan_of(house, service).complete
    settle_on(house, *shelves)
    house.next_day()
    assert "backups-new-store" in house.task_codes()
    [found] = backup_audit.audit(house.bridge.ports, "c").stores
    assert [(heap.account, heap.erased) for heap in found.heaps] == [("site1", True)]
    with house.bridge.journal.writer():
        plan = backup_desk.plan_by_hand(house.bridge.ports, service_id(service))
        backup_desk.delete_by_hand(house.bridge.ports, service_id(service), plan.digest)
    assert (shelves[2].names(), plan_of(house, service).complete) == ([], True)


def test_where_no_store_keeps_backups_of_the_server_nothing_counts_as_erased() -> None:
    elsewhere, here = Shelf("elsewhere", servers=(7,)), Shelf("here", servers=(1,))
    with a_house(elsewhere) as house:
        service = house.a_service()
        here.put("site1", "full", MADE)
        end(house, service)
        house.next_day(2)
        assert house.case(service).erased_on is None
        assert house.withheld(house.next_day(), service) == {"backups-no-store": "delete_backups"}
        settle_on(house, elsewhere, here)
        house.next_day()
        assert (here.names(), plan_of(house, service).complete) == ([], True)


def test_an_approval_stands_where_the_very_same_list_is_made_again() -> None:
    shelf, second = Shelf("a"), Shelf("b")
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("one", "two"):
            shelf.put("site1", name, MADE)
        end(house, service)
        house.next_day()
        approve(house, plan_of(house, service))
        settle_on(house, shelf, second)
        house.next_day()
        assert (shelf.names(), plan_of(house, service).complete) == ([], True)
