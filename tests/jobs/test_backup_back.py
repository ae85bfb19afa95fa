"""What was erased and is back long after the last look: told to staff, whoever's look it was that saw it."""

import pytest

from tests.house import House, service_id
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import MADE, a_house, delete_record, end, kinds, plan_of, set_status, tasks
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs import backup_audit, backup_back, backup_desk
from whmcs_bridge.simulator.records import Service


def erased(house: House, shelf: Shelf) -> Service:
    """A service whose backups have gone, and on which the last look has been taken days ago."""
    service = house.a_service()
    shelf.put("site1", "full", MADE)
    end(house, service)
    house.next_day(6)
    plan = plan_of(house, service)
    assert (plan.state, [s.next_check_at for s in plan.stores]) == (PlanState.DONE, [None])
    return service


def another_end(house: House) -> Service:
    """Another service ends, so the store is listed for it."""
    other = house.a_service()
    end(house, other)
    return other


def the_task(house: House, code: str) -> str:
    texts = [task.text for task in house.bridge.journal.tasks() if task.code == code]
    assert len(texts) == 1
    return texts[0]


# --- a restored store -------------------------------------------------------------------------------


def test_a_look_for_another_service_sees_what_a_restore_has_brought_back() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = erased(house, shelf)
        shelf.put("site1", "full", MADE)
        house.next_day(3)
        assert "backups-back" not in tasks(house)  # nobody has listed the store since
        another_end(house)
        assert f"1 items of service {service.id} are there, erased on" in the_task(house, "backups-back")
        assert kinds(house, service).count("back") == 0


def test_what_is_provably_the_erased_ones_is_planned_again_and_goes() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = erased(house, shelf)
        shelf.put("site1", "full", MADE)
        another_end(house)
        house.next_day()
        assert "back" in kinds(house, service)
        plan = plan_of(house, service)
        assert (shelf.names(), plan.state, plan.complete) == ([], PlanState.DONE, True)
        assert house.bridge.journal.deletions.tombstones()[service_id(service)].erased_on == house.today


def test_a_listing_without_names_of_erased_services_says_nothing() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        erased(house, shelf)
        for name in ("site11", "sit", "Site1", "stranger"):
            shelf.put(name, "full", MADE)
        another_end(house)
        assert "backups-back" not in tasks(house)


def test_what_a_plan_has_left_knowingly_is_not_back() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        shelf.put("site1", "kept", MADE, lock="compliance")
        end(house, service)
        house.next_day()
        backup_desk.close_plan(house.bridge.ports, plan_of(house, service).digest, "the locked one stays")
        house.next_day(5)
        another_end(house)
        assert "backups-back" not in tasks(house)
        [store] = backup_audit.audit(house.bridge.ports).stores
        assert not any(heap.erased for heap in store.heaps)
        shelf.put("site1", "full", MADE)
        another_end(house)
        assert "backups-back" in tasks(house)


def test_the_name_in_other_hands_is_no_return() -> None:
    """A later service has the name, or an account of it lives on the panel: those are its own backups."""
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        erased(house, shelf)
        house.a_service(username="site1", registered=house.today)
        panel.add("site1")
        house.sync()
        shelf.put("site1", "new", house.today)
        another_end(house)
        assert "backups-back" not in tasks(house)


def test_an_account_that_lives_on_the_panel_again_is_no_restored_store() -> None:
    """Somebody has made it anew on the panel, without WHMCS: what is backed up under its name is its own."""
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        erased(house, shelf)
        panel.add("site1")
        shelf.put("site1", "full", MADE)
        another_end(house)
        assert "backups-back" not in tasks(house)


def test_it_is_told_also_where_only_its_place_in_the_old_plan_tells() -> None:
    """A name and a time are all this store has, and the panel that would confirm cannot be asked."""
    shelf, panel = Shelf(name_is_all=True), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = erased(house, shelf)
        house.bridge.ports.account_panels = ()
        shelf.put("site1", "full", MADE)
        for _ in range(2):
            another_end(house)
        assert "backups-back" in tasks(house)
        assert kinds(house, service).count("back") == 1


def test_many_at_once_are_one_task_and_nothing_of_them_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_back, "TOO_MANY", 2)
    shelf = Shelf()
    with a_house(shelf) as house:
        services = [house.a_service() for _ in range(4)]
        for number in range(1, 5):
            shelf.put(f"site{number}", "full", MADE)
        house.sync()
        house.pass_days()
        for service in services[:3]:
            set_status(house, service, ServiceStatus.TERMINATED)
        house.sync()
        house.next_day(6)
        assert shelf.names() == ["site4/full"]
        for number in range(1, 4):
            shelf.put(f"site{number}", "full", MADE)
        another_end(house)
        house.next_day(2)
        assert "items of 3 erased services" in the_task(house, "backups-back")
        assert len(shelf.names()) == 4


# --- the audit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["journal-knows-the-account", "only-the-tombstone-is-left"])
def test_the_audit_counts_what_is_back(known: bool) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = erased(house, shelf)
        house.a_service()
        house.sync()
        shelf.put("site1", "full", MADE)
        shelf.put("site2", "full", MADE)
        shelf.put("stranger", "full", MADE)
        if not known:
            with house.bridge.journal._store.writing as conn:  # type: ignore[attr-defined]
                conn.execute("DELETE FROM accounts WHERE service_id=?", (service.id,))
        found = backup_audit.audit(house.bridge.ports)
        assert found.back == 1
        assert [heap.account for heap in found.stores[0].heaps if heap.erased] == ["site1"]
        assert backup_audit.audit_json(found)["erased_and_back"] == 1


# --- a restored WHMCS -----------------------------------------------------------------------------------


def test_a_service_that_lives_in_spite_of_its_tombstone_is_told_of_for_as_long_as_it_does() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = erased(house, shelf)
        set_status(house, service, ServiceStatus.ACTIVE)
        for _ in range(4):
            house.next_day()
            assert "erased-is-back" in tasks(house)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day()
        assert "erased-is-back" not in tasks(house)


def test_a_record_that_was_deleted_and_is_there_again_is_told_of_as_well() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = erased(house, shelf)
        delete_record(house, service)
        house.next_day(2)
        service.status = ServiceStatus.ACTIVE
        house.world.add_service(service)
        house.next_day(2)
        assert "erased-is-back" in tasks(house)
