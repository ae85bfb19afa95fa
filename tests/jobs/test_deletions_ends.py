"""Every way in which a service ends, what a client's wish holds, and what is kept too long."""

from collections.abc import Callable, Iterator

import pytest

from hooks import client_close, pre_delete_client, service_delete
from tests.house import House, done, service_id, the_result
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import MADE, a_house, end, plan_of, set_status
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs import backup_desk
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import endings
from whmcs_bridge.simulator.records import Actor, Service

HANDLERS = {
    "ClientClose": client_close.handle,
    "PreDeleteClient": pre_delete_client.handle,
    "ServiceDelete": service_delete.handle,
}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def panel() -> Names:
    return Names()


@pytest.fixture
def house(shelf: Shelf, panel: Names) -> Iterator[House]:
    with a_house(shelf, panels=(panel,), layer={"delete_backups_after_days": 2}) as made:
        yield made


def living(house: House, shelf: Shelf, panel: Names) -> Service:
    """A service that the bridge has seen living, with one backup, and a neighbour of another client."""
    service, neighbour = house.a_service(), house.a_service()
    for one in (service, neighbour):
        shelf.put(one.username, "full", MADE)
        panel.add(one.username, f"uid-{one.id}")
    house.sync()
    house.pass_days()
    return service


def hook(house: House, point: str, service: Service) -> None:
    now = house.bridge.clock.now()
    given = {"userid": service.client, "serviceid": service.id}
    HANDLERS[point](HookEvent(point, given, now, Actor.ADMIN), house.bridge)


# --- every end counts -----------------------------------------------------------------------------------


def by_module(house: House, service: Service) -> None:
    set_status(house, service, ServiceStatus.TERMINATED)


def cancelled_by_hand(house: House, service: Service) -> None:
    set_status(house, service, ServiceStatus.CANCELLED)


def client_closed(house: House, service: Service) -> None:
    endings.close_client(house.world, house.world.clients[service.client])
    hook(house, "ClientClose", service)


def client_deleted(house: House, service: Service) -> None:
    hook(house, "PreDeleteClient", service)
    endings.delete_client(house.world, house.world.clients[service.client])


def record_deleted(house: House, service: Service) -> None:
    hook(house, "ServiceDelete", service)
    house.world.delete_service(service)


Ends = Callable[[House, Service], None]
ENDS: list[Ends] = [by_module, cancelled_by_hand, client_closed, client_deleted, record_deleted]


@pytest.mark.parametrize("ends", ENDS)
def test_after_every_end_the_backups_go_and_the_neighbours_stay(
    house: House, shelf: Shelf, panel: Names, ends: Ends
) -> None:
    service = living(house, shelf, panel)
    ends(house, service)
    del panel.living_now[service.username]
    house.sync()
    assert len(shelf.names()) == 2
    house.next_day(5)
    assert shelf.names() == ["site2/full"]
    assert plan_of(house, service).state is PlanState.DONE
    assert plan_of(house, service).complete


@pytest.mark.parametrize("ends", ENDS)
def test_no_end_in_whmcs_counts_while_the_account_is_on_its_server(
    house: House, shelf: Shelf, panel: Names, ends: Ends
) -> None:
    """A closed client, a status by hand and a deleted record end no account: only the panel knows."""
    service = living(house, shelf, panel)
    ends(house, service)
    house.next_day(6)
    assert len(shelf.names()) == 2
    assert service_id(service) not in house.bridge.journal.deletions.tombstones()


@pytest.mark.parametrize(("says", "left"), [(True, []), (False, ["site1/full"])])
def test_cancelled_without_a_request_counts_as_the_house_says(says: bool, left: list[str]) -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"cancelled_ends": says}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        house.pass_days()
        set_status(house, service, ServiceStatus.CANCELLED)
        report = house.next_day(3)
        assert shelf.names() == left
        assert house.withheld(report, service) == ({} if says else {"cancelled": "delete_backups"})


def test_cancelled_by_a_request_counts_whatever_the_house_says_of_others() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"cancelled_ends": False}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        endings.request_cancellation(house.world, service)
        house.next_day()
        set_status(house, service, ServiceStatus.CANCELLED)
        house.next_day(3)
        assert shelf.names() == []


def test_an_end_that_the_module_refused_waits_for_a_person_where_no_panel_can_tell() -> None:
    """The module failed, and somebody set the status by hand: the account may well be there."""
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        house.pass_days()
        failed = {"kind": "module-failed", "act": "AfterModuleTerminateFailed", "at": f"{house.today}T12:00:00"}
        house.bridge.journal.add_evidence(service_id(service), house.bridge.clock.now(), failed)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day(3)
        plan = plan_of(house, service)
        assert "its module could not end it" in plan.needs[0]
        assert shelf.names() == ["site1/full"]
        backup_desk.approve_plan(house.bridge.ports, plan.digest)
        house.next_day()
        assert shelf.names() == []


# --- a client's wish ------------------------------------------------------------------------------------


def wished(house: House, shelf: Shelf, panel: Names) -> Service:
    service = living(house, shelf, panel)
    end(house, service)
    panel.living_now.pop(service.username)
    backup_desk.request(house.bridge.ports, service_id(service), "ticket 12")
    return service


@pytest.mark.parametrize("state", ["handed-over", "withdrawn"])
def test_a_wish_holds_the_deletion_until_it_is_over(house: House, shelf: Shelf, panel: Names, state: str) -> None:
    service = wished(house, shelf, panel)
    house.next_day(5)
    assert len(shelf.names()) == 2
    [task] = [t for t in house.bridge.journal.tasks() if t.code == "backups-asked-for"]
    assert "what is owed comes first" in task.text
    backup_desk.end_request(house.bridge.ports, service_id(service), state)
    house.next_day()
    assert shelf.names() == ["site2/full"]
    assert "backups-asked-for" not in house.task_codes()
    with pytest.raises(UsageProblem, match="are gone"):
        backup_desk.request(house.bridge.ports, service_id(service))


def test_a_wish_holds_no_longer_than_its_days_and_is_no_task_afterwards(
    house: House, shelf: Shelf, panel: Names
) -> None:
    service = wished(house, shelf, panel)
    house.next_day(30)
    assert len(shelf.names()) == 2
    house.next_day(2)
    assert shelf.names() == ["site2/full"]
    house.next_day()
    assert "backups-asked-for" not in house.task_codes()
    assert house.bridge.journal.deletions.handovers(open_only=False)[service_id(service)].state == "ended"


def test_a_wish_holds_a_person_as_well_and_one_wish_at_a_time(house: House, shelf: Shelf, panel: Names) -> None:
    service = wished(house, shelf, panel)
    house.next_day(3)
    with house.bridge.journal.writer(), pytest.raises(Exception, match="handover"):
        backup_desk.plan_by_hand(house.bridge.ports, service_id(service))
    with pytest.raises(UsageProblem, match="stands until"):
        backup_desk.request(house.bridge.ports, service_id(service))
    with pytest.raises(UnknownId, match="no request stands"):
        backup_desk.end_request(house.bridge.ports, service_id(house.a_service()), "withdrawn")


# --- kept too long --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["never", 60])
def test_what_is_kept_longer_than_the_house_allows_is_a_task_until_it_is_gone(after: str | int) -> None:
    """Whatever keeps it: a setting, a hold, a lock, an approval that nobody gives."""
    shelf = Shelf()
    layer = {"delete_backups_after_days": after}
    with a_house(shelf, layer=layer, backups={"keep_at_most_days": 10}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(10)
        assert "backups-kept" not in house.task_codes()
        house.next_day()
        assert "backups-kept" in house.task_codes()
        house.next_day(50)
        assert ("backups-kept" in house.task_codes()) is (after == "never")


def test_a_deleted_record_is_told_of_as_well_when_its_backups_are_kept_too_long(shelf: Shelf) -> None:
    with a_house(shelf, backups={"keep_at_most_days": 5}) as house:  # no panel to confirm: it goes to staff
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        record_deleted(house, service)
        house.next_day(8)
        assert "backups-kept" in house.task_codes()


def test_fraud_counts_only_where_the_house_says_so_and_a_person_is_held_too(shelf: Shelf) -> None:
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        house.pass_days()
        set_status(house, service, ServiceStatus.FRAUD)
        report = house.next_day(3)
        assert house.withheld(report, service) == {"fraud": "delete_backups"}
        with house.bridge.journal.writer(), pytest.raises(Exception, match="fraud"):
            backup_desk.plan_by_hand(house.bridge.ports, service_id(service))


def test_a_status_by_hand_that_is_taken_back_the_same_day_ends_nothing(
    house: House, shelf: Shelf, panel: Names
) -> None:
    service = living(house, shelf, panel)
    account = panel.living_now.pop(service.username)
    set_status(house, service, ServiceStatus.TERMINATED)
    house.sync()
    set_status(house, service, ServiceStatus.ACTIVE)
    panel.living_now[service.username] = account
    house.next_day(5)
    assert len(shelf.names()) == 2
    assert plan_of(house, service).state is PlanState.FROZEN


def test_the_step_of_a_deletion_says_what_was_deleted(house: House, shelf: Shelf, panel: Names) -> None:
    service = living(house, shelf, panel)
    end(house, service)
    panel.living_now.pop(service.username)
    report = house.next_day(2)
    assert done(report) == ["delete_backups"]
    assert the_result(report, Kind.DELETE_BACKUPS).note == "shelf: 1 deleted and gone"
