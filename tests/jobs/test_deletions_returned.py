"""What lies aside when a deletion stops: a living client's backups go back to their place, a hold leaves them there."""

import json
from collections.abc import Iterator

import pytest

from tests.builders import a_record
from tests.house import House, service_id
from tests.jobs.shelves import Shelf
from tests.jobs.test_deletions import MADE, a_house, end, kinds, plan_of, set_status, states
from whmcs_bridge.domain.backups import BackupItem, Probe, Receipt
from whmcs_bridge.domain.deletions import FrozenBy, ItemState, PlanState
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import backup_guard
from whmcs_bridge.simulator.records import Service

ASIDE = {"quarantine_days": 30}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(quarantine=True)


@pytest.fixture
def house(shelf: Shelf) -> Iterator[House]:
    with a_house(shelf, backups=ASIDE) as made:
        yield made


def moved_aside(house: House, shelf: Shelf, *names: str) -> Service:
    """A service whose backups lie in quarantine for thirty days."""
    service = house.a_service()
    for name in names or ("one", "two"):
        shelf.put("site1", name, MADE)
    shelf.put("site2", "full", MADE)
    end(house, service)
    house.next_day()
    assert shelf.names() == ["site2/full"]
    assert states(plan_of(house, service)) == {"shelf": "quarantined"}
    return service


def test_a_service_that_lives_again_has_its_backups_back_in_their_place(house: House, shelf: Shelf) -> None:
    service = moved_aside(house, shelf)
    set_status(house, service, ServiceStatus.ACTIVE)
    house.next_day()
    assert shelf.names() == ["site1/one", "site1/two", "site2/full"]
    plan = plan_of(house, service)
    assert (plan.state, plan.frozen_by, plan.returned) == (PlanState.FROZEN, FrozenBy.LIFE, True)
    assert {(row.state, row.note) for row in plan.items} == {(ItemState.PLANNED, "put back")}
    assert kinds(house, service).count("put-back") == 2
    assert "backups-put-back" in house.task_codes()
    asked = len(shelf.asked)
    house.next_day(3)
    assert len(shelf.asked) == asked
    end(house, service)
    house.next_day(2)
    assert shelf.names() == ["site2/full"]


def test_another_service_under_the_name_has_nothing_of_it_left_aside(house: House, shelf: Shelf) -> None:
    service = moved_aside(house, shelf)
    house.a_service(username="site1", registered=house.today)
    house.next_day()
    assert shelf.names() == ["site1/one", "site1/two", "site2/full"]
    assert plan_of(house, service).frozen_by is FrozenBy.NAME


def test_a_hold_only_stops_and_what_lies_aside_stays_there(house: House, shelf: Shelf) -> None:
    """Who holds backups for a court wants them where they are; the evidence says that they lie aside."""
    service = moved_aside(house, shelf)
    plan = plan_of(house, service)
    house.bridge.journal.add_record(a_record(RecordKind.HOLD, house.today, house.day(40), client=service.client))
    house.next_day(35)
    held = plan_of(house, service)
    assert (held.digest, held.state, held.frozen_by) == (plan.digest, PlanState.FROZEN, FrozenBy.HOLD)
    assert shelf.names() == ["site2/full"]
    assert len(shelf.held) == 3
    [frozen] = [n for n in house.bridge.journal.deletions.links(service_id(service)) if n.kind == "frozen"]
    assert json.loads(frozen.body)["aside_in"] == ["shelf"]
    house.next_day(7)
    assert plan_of(house, service).complete
    assert len(shelf.held) == 1


def test_a_place_that_is_taken_is_a_task_and_nothing_is_overwritten(house: House, shelf: Shelf) -> None:
    service = moved_aside(house, shelf)
    set_status(house, service, ServiceStatus.ACTIVE)
    fresh = shelf.put("site1", "one", house.today)
    house.next_day()
    assert shelf.held[("site1/one", "")] == fresh
    assert "site1/two" in shelf.names()
    assert "backups-aside" in house.task_codes()
    assert {row.item.locator: row.state for row in plan_of(house, service).items} == {
        "site1/one": ItemState.REFUSED,
        "site1/two": ItemState.PLANNED,
    }


@pytest.mark.parametrize("trouble", ["away", "half a view", "halted"])
def test_what_cannot_be_put_back_now_is_put_back_by_a_later_run(house: House, shelf: Shelf, trouble: str) -> None:
    service = moved_aside(house, shelf)
    set_status(house, service, ServiceStatus.ACTIVE)
    if trouble == "away":
        shelf.trouble = StoreUnreachable("shelf is away")
    elif trouble == "halted":
        backup_guard.halt(house.bridge.ports, (service_id(service), ""), "shelf", "somebody's has vanished", [])
    else:
        shelf.state = Probe(complete=False, why="no right to list")
    report = house.next_day()
    assert "could not be put back" in "".join(report.problems)
    assert shelf.names() == ["site2/full"]
    shelf.trouble, shelf.state = None, Probe(complete=True)
    backup_guard.lift_halt(house.bridge.ports, "shelf", "looked at")
    house.next_day()
    assert len(shelf.names()) == 3


class Killed(BaseException):
    """The process dies."""


@pytest.mark.parametrize("after_the_move", [False, True])
def test_a_run_that_dies_while_it_puts_back_is_taken_up_and_each_has_its_record(
    house: House, shelf: Shelf, after_the_move: bool
) -> None:
    service = moved_aside(house, shelf)
    set_status(house, service, ServiceStatus.ACTIVE)
    really = shelf.put_back

    def dies(item: BackupItem) -> Receipt:
        if after_the_move:
            really(item)
        raise Killed

    shelf.put_back = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        house.next_day()
    shelf.put_back = really  # type: ignore[method-assign]
    house.next_day()
    assert len(shelf.names()) == 3
    links = [n for n in house.bridge.journal.deletions.links(service_id(service)) if n.kind == "put-back"]
    assert {json.loads(n.body)["to"] for n in links} == {"site1/one", "site1/two"}
    assert plan_of(house, service).returned


def test_what_a_run_moved_and_could_not_write_down_goes_back_as_well(house: House, shelf: Shelf) -> None:
    """Killed between the move and its record: the row knows of no place aside, and the listing tells."""
    service = house.a_service()
    item = shelf.put("site1", "full", MADE)
    end(house, service)
    shelf.quarantine(item, plan_of(house, service).digest)
    set_status(house, service, ServiceStatus.ACTIVE)
    house.next_day()
    assert shelf.names() == ["site1/full"]


def test_what_is_moved_aside_and_was_replaced_meanwhile_goes_back_at_once(house: House, shelf: Shelf) -> None:
    """Between listing and move another file took the name: nobody has planned that one."""
    service = house.a_service()
    shelf.put("site1", "full", MADE)
    end(house, service)
    really = shelf.quarantine

    def too_late(item: BackupItem, plan: str) -> Receipt:
        return really(shelf.put("site1", "full", house.today, size=7), plan)

    shelf.quarantine = too_late  # type: ignore[method-assign]
    house.next_day()
    shelf.quarantine = really  # type: ignore[method-assign]
    assert shelf.names() == ["site1/full"]
    house.sync()
    assert "backups-left" in house.task_codes()
    assert not shelf.deleted


def test_what_an_older_plan_has_moved_aside_is_deleted_where_it_lies() -> None:
    """It is in quarantine already: it is not moved once more, and its days begin anew with the plan that names it."""
    shelf = Shelf(quarantine=True)
    with a_house(shelf, backups={"quarantine_days": 3}) as house:
        service = house.a_service()
        shelf.put("site1", "old", MADE)
        end(house, service)
        house.next_day()
        first = plan_of(house, service)
        shelf.put("site1", "late", house.today)
        house.next_day(3)
        second = plan_of(house, service)
        assert second.digest != first.digest
        assert {row.aside is not None for row in second.items} == {True}
        house.next_day(4)
        assert (shelf.held, plan_of(house, service).complete) == ({}, True)
