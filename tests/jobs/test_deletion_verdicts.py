"""What vanishes without our doing is no end yet: rights that were taken away look exactly like it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.house import House
from tests.jobs.shelves import Lie, Shelf
from tests.jobs.test_deletions import MADE, a_house, end, plan_of, set_status, states, tasks
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import backup_desk, backup_guard
from whmcs_bridge.jobs.backup_look import Look
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.simulator.records import Service

GRACE = {"delete_backups_after_days": 5}


class Half(Shelf):
    """Its listing leaves out one account, as after the rights to it were taken away."""

    hidden = ""

    def items(self) -> Iterable[BackupItem]:
        return [item for item in super().items() if item.account != self.hidden]


def an_end_of_eight(house: House, *shelves: Shelf) -> Service:
    """A service with eight backups among a neighbour's thirty that has just ended."""
    service = house.a_service()
    for shelf in shelves:
        for n in range(8):
            shelf.put("site1", f"n{n}", MADE + timedelta(days=n))
        for n in range(30):
            shelf.put("site2", f"n{n}", MADE + timedelta(days=n))
    end(house, service)
    return service


def remove(shelf: Shelf, *names: str) -> None:
    for name in names:
        del shelf.held[(name, "")]


# --- everything at once ---------------------------------------------------------------------------


def test_all_that_vanishes_at_once_and_comes_back_is_no_end_and_is_deleted_after_all() -> None:
    shelf = Half()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        shelf.hidden = "site1"
        house.next_day(5)
        plan = plan_of(house, service)
        assert (plan.state, states(plan)) == (PlanState.OPEN, {"shelf": "unverifiable"})
        assert "8 of 8 items are not listed any more, and nothing was sent" in plan.stores[0].why
        assert house.case(service).erased_on is None
        house.sync()
        assert "backups-unverifiable" in tasks(house)
        shelf.hidden = ""
        house.next_day(3)
        plan = plan_of(house, service)
        assert plan.complete
        assert not [name for name in shelf.names() if name.startswith("site1/")]
        assert states(plan) == {"shelf": "gone_verified"}


def test_what_an_operator_removes_by_hand_is_gone_when_a_later_listing_says_so_again() -> None:
    shelf = Shelf()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        remove(shelf, *(f"site1/n{n}" for n in range(8)))
        house.next_day(5)
        assert states(plan_of(house, service)) == {"shelf": "unverifiable"}
        house.next_day()
        assert not plan_of(house, service).complete  # a day later, and not yet 25 hours
        house.next_day()
        plan = plan_of(house, service)
        assert (plan.state, states(plan)) == (PlanState.DONE, {"shelf": "gone_before"})
        assert house.case(service).erased_on == house.today
        house.next_day()
        assert "backups-unverifiable" not in tasks(house)
        assert halted(house.bridge.journal) == {}


def test_one_of_several_that_a_rotation_took_holds_nothing_up() -> None:
    shelf = Shelf()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        remove(shelf, "site1/n0")
        house.next_day(5)
        plan = plan_of(house, service)
        assert (plan.complete, sorted(row.state.value for row in plan.items)[0]) == (True, "gone_before")


def test_one_that_comes_back_takes_the_rest_for_gone_no_sooner() -> None:
    """Some rights are back, not all: what is still not listed has its day to go through as before."""
    shelf = Half()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        kept = {key: item for key, item in shelf.held.items() if item.account == "site1"}
        remove(shelf, *(locator for locator, _ in kept))
        house.next_day(5)
        first = next(iter(kept))
        shelf.held[first] = kept[first]
        house.next_day(2)
        assert states(plan_of(house, service)) == {"shelf": "gone_verified"}
        assert plan_of(house, service).complete


def test_another_plan_forgets_no_doubt() -> None:
    """A backup that comes in another store makes another plan, which has no rows of what has vanished."""
    first, second = Half("first"), Shelf("second")
    with a_house(first, second, layer=GRACE) as house:
        service = an_end_of_eight(house, first)
        before = plan_of(house, service)
        first.hidden = "site1"
        second.put("site1", "late", house.today)
        house.next_day(5)
        plan = plan_of(house, service)
        assert plan.digest != before.digest
        assert states(plan) == {"first": "unverifiable", "second": "gone_verified"}
        house.next_day(2)
        assert plan_of(house, service).complete  # said again by a later listing, its neighbour's still there


# --- a store that turns empty ---------------------------------------------------------------------


def test_a_store_with_this_account_alone_that_turns_empty_halts() -> None:
    shelf = Shelf()
    with a_house(shelf, layer=GRACE, backups={"max_percent_of_store": 100}) as house:
        service = house.a_service()
        for n in range(10):
            shelf.put("site1", f"n{n}", MADE + timedelta(days=n))
        end(house, service)
        shelf.lie = Lie.EMPTY_LIST
        house.next_day(8)
        plan = plan_of(house, service)
        assert (plan.state, states(plan)) == (PlanState.OPEN, {"shelf": "refused"})
        assert "its listing has 0 items and had 10" in halted(house.bridge.journal)["shelf"]
        shelf.lie = None
        backup_guard.lift_halt(house.bridge.ports, "shelf", "the key has its rights again")
        house.next_day(2)
        assert (plan_of(house, service).complete, shelf.names()) == (True, [])


def test_a_store_that_is_really_empty_is_gone_a_day_after_a_person_has_lifted_its_halt() -> None:
    shelf = Shelf()
    with a_house(shelf, layer=GRACE) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        remove(shelf, "site1/full")
        house.next_day(5)
        assert "shelf" in halted(house.bridge.journal)
        backup_guard.lift_halt(house.bridge.ports, "shelf", "removed by hand")
        house.next_day(3)
        assert halted(house.bridge.journal) == {}
        assert states(plan_of(house, service)) == {"shelf": "gone_before"}


def test_a_store_that_only_people_delete_in_may_turn_empty() -> None:
    shelf = Shelf("tape", deletes=False)
    with a_house(shelf, Shelf()) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(2)
        assert shelf.names() == ["site1/full"]
        remove(shelf, "site1/full")
        house.next_day(4)
        assert halted(house.bridge.journal) == {}
        assert plan_of(house, service).complete


@pytest.mark.parametrize("days", [1, 2])
def test_a_service_that_lives_again_while_its_backups_are_in_doubt_ends_nothing(days: int) -> None:
    shelf = Half()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        shelf.hidden = "site1"
        house.next_day(5)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day(days)
        assert plan_of(house, service).state is PlanState.FROZEN
        assert len([name for name in shelf.names() if name.startswith("site1/")]) == 8


class WithLogs(Shelf):
    """Keeps logs beside the backups, which only a look for their account shows."""

    seen: int | None = None

    def put_log(self, account: str, name: str) -> None:
        item = self.put(account, name, MADE)
        del self.held[item.locator, ""]
        self.held[f"log/{name}", ""] = replace(item, locator=f"log/{name}")

    def items(self) -> Iterable[BackupItem]:
        return [item for item in super().items() if not item.locator.startswith("log/")][: self.seen]

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        return [i for i in self.held.values() if i.locator.startswith("log/") and i.account == account.username]


@pytest.mark.parametrize("logs", [0, 12])
def test_what_lies_beside_its_backups_hides_no_view_that_shrinks(logs: int) -> None:
    """The store's own listing never counted it: it may not be taken off that count either."""
    shelf = WithLogs()
    with a_house(shelf, layer=GRACE) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        for n in range(logs):
            shelf.put_log("site1", f"n{n}")
        for n in range(30):
            shelf.put("site2", f"n{n}", MADE + timedelta(days=n))
        end(house, service)
        assert len(plan_of(house, service).items) == 1 + logs
        shelf.seen = 6
        house.next_day(5)
        assert "its listing has 6 items and had 31" in halted(house.bridge.journal)["shelf"]
        assert shelf.deleted == []


# --- a store that points elsewhere ----------------------------------------------------------------


def test_a_store_that_points_elsewhere_has_lost_nothing_and_is_compared_when_it_is_back() -> None:
    shelf, elsewhere = Shelf(), Shelf()
    elsewhere._root = "shelf:elsewhere"
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        for n in range(5):
            shelf.put("site2", f"n{n}", MADE)
        elsewhere.put("site2", "other", MADE)
        end(house, service)

        def away(_item: BackupItem) -> None:
            shelf.trouble = StoreUnreachable("away")

        shelf.on_delete = away
        house.next_day(2)
        assert shelf.names() == [f"site2/n{n}" for n in range(5)]
        house.bridge.ports.stores = (elsewhere,)
        house.next_day(2)
        assert halted(house.bridge.journal) == {}
        shelf.trouble = None
        remove(shelf, "site2/n3")
        house.bridge.ports.stores = (shelf,)
        house.next_day(2)
        assert "1 items vanished that were in no plan, such as site2/n3" in halted(house.bridge.journal)["shelf"]


# --- more plans than anybody counts ---------------------------------------------------------------


def test_no_plan_is_left_out_of_a_list_however_many_there_are() -> None:
    """What an old plan has deleted explains a listing that lags behind as well as what a new one has."""
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(2)
        first, deletions = plan_of(house, service), house.bridge.journal.deletions
        for n in range(201):
            deletions.add_plan(replace(first, digest=f"{n:064}", service=ServiceId(1000 + n), items=()))
        assert len(backup_desk.open_plans(house.bridge.ports, everything=True)) == 202
        gone = first.items[0].item
        deletions.add_plan(replace(first, digest="f" * 64, service=ServiceId(999), items=()))
        backup_guard.begin_batch(house.bridge.ports, first, Look(shelf, [gone]), (), 0)  # as a stale listing had it
        assert backup_guard.compare(house.bridge.ports, Look(shelf, []))


# --- a run that dies as it halts a store ----------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


def die_in(patch: pytest.MonkeyPatch, house: House, at: str) -> None:
    """The next halt dies at one of its writes."""
    if at == "halt":
        patch.setattr(backup_guard, "halt", die)
    elif at == "task":
        patch.setattr(type(house.bridge.journal), "add_task", die)
    else:
        put = type(house.bridge.journal).put

        def at_key(self: object, key: str, value: object) -> None:
            if key.startswith(at):
                raise Killed
            put(self, key, value)  # type: ignore[arg-type]

        patch.setattr(type(house.bridge.journal), "put", at_key)


def die(*_args: object, **_more: object) -> None:
    raise Killed


def dies_at(house: House, at: str, days: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        die_in(patch, house, at)
        with pytest.raises(Killed):
            house.next_day(days)


HALTING = ["halt", "backup-lost", "task", "backup-halts"]


@pytest.mark.parametrize("at", HALTING)
def test_a_neighbour_that_vanished_is_missed_although_the_run_died_as_it_halted(at: str) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for n in range(6):
            shelf.put("site2", f"n{n}", MADE)
        shelf.put("site1", "full", MADE)
        end(house, service)
        shelf.lie = Lie.NEIGHBOUR
        dies_at(house, at, 1)
        shelf.lie = None
        house.next_day(2)
        assert "items vanished that were in no plan" in halted(house.bridge.journal)["shelf"]
        assert "store-collateral" in tasks(house)


@pytest.mark.parametrize("at", [*HALTING, "backup-views"])
def test_a_view_that_has_shrunk_halts_although_the_run_died_as_it_halted(at: str) -> None:
    shelf = Shelf()
    with a_house(shelf, layer=GRACE) as house:
        service = an_end_of_eight(house, shelf)
        shelf.lie = Lie.EMPTY_LIST
        dies_at(house, at, 5)
        house.next_day(2)
        assert "its listing has 0 items and had 38" in halted(house.bridge.journal)["shelf"]
        assert "store-collateral" in tasks(house)
        assert plan_of(house, service).state is PlanState.OPEN
