"""What a store may lose without a halt, and what not: rotations, listings that lag behind, views that shrink."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import House, service_id
from tests.jobs.shelves import Lie, Shelf
from tests.jobs.test_deletions import MADE, a_house, end, kinds, plan_of, set_status, states
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs import backup_guard
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.policy.rotation import Rotation, unexplained
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.simulator.records import Service


class Late(Shelf):
    """A shelf of many accounts whose listings are what the test says, each once, and then the truth."""

    def __init__(self, name: str = "shelf") -> None:
        super().__init__(name)
        self.told: list[list[BackupItem]] = []
        self.by_the_way: list[str] = []
        """Locators that vanish with the next deletion, by another hand."""
        self.on_delete = self._lose

    def _lose(self, _item: BackupItem) -> None:
        for locator in self.by_the_way:
            del self.held[(locator, "")]
        self.by_the_way = []

    def items(self) -> Iterable[BackupItem]:
        truth = list(super().items())
        return self.told.pop(0) if self.told else truth

    def put_series(self, *accounts: str, days: int = 5, until: date = MADE) -> None:
        for account in accounts:
            for n in range(days):
                day = until - timedelta(days=n)
                self.put(account, f"daily-{day}", day)


@pytest.fixture
def shelf() -> Late:
    return Late()


@pytest.fixture
def house(shelf: Late) -> Iterator[House]:
    with a_house(shelf) as made:
        yield made


def ended(house: House, shelf: Late, *neighbours: str) -> Service:
    service = house.a_service()
    shelf.put("site1", "full", MADE)
    shelf.put_series(*(neighbours or ("eve", "bob")))
    end(house, service)
    return service


def rotates(house: House, days: int | None = None, count: int | None = None) -> None:
    stores = (BackupStoreSettings("shelf", "local", rotation_days=days, rotation_count=count),)
    house.bridge.ports.settings = replace(house.bridge.settings, backup_stores=stores)


# --- rotation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("says", [{"count": 4}, {"days": 60}, {"days": 60, "count": 99}])
def test_what_the_panel_rotates_away_while_items_go_halts_nothing(
    house: House, shelf: Late, says: dict[str, int]
) -> None:
    service = ended(house, shelf)
    rotates(house, **says)
    oldest = MADE - timedelta(days=4)
    shelf.by_the_way = [f"eve/daily-{oldest}", f"bob/daily-{oldest}"]
    house.next_day()
    assert halted(house.bridge.journal) == {}
    assert plan_of(house, service).complete
    assert [n.kind for n in house.bridge.journal.deletions.links()].count("rotated") == 1


@pytest.mark.parametrize(
    ("says", "lost"),
    [
        pytest.param({}, 4, id="the-settings-say-nothing"),
        pytest.param({"count": 5}, 4, id="fewer-stay-than-are-kept"),
        pytest.param({"count": 4}, 0, id="the-newest"),
        pytest.param({"count": 2}, 2, id="an-older-one-stays"),
        pytest.param({"days": 90}, 4, id="not-old-enough"),
    ],
)
def test_a_neighbour_that_no_rotation_explains_still_halts(
    house: House, shelf: Late, says: dict[str, int], lost: int
) -> None:
    service = ended(house, shelf)
    rotates(house, **says)
    shelf.by_the_way = [f"eve/daily-{MADE - timedelta(days=lost)}"]
    house.next_day()
    assert "eve/daily-" in halted(house.bridge.journal)["shelf"]
    assert not plan_of(house, service).complete


def item(account: str, day: date) -> BackupItem:
    return BackupItem("s", f"{day}/{account}.tar.gz", 1, account=account, made_on=day)


@settings(max_examples=100)
@given(
    st.sets(st.integers(0, 30), max_size=12),
    st.sets(st.integers(0, 30), max_size=12),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_a_rotation_takes_the_oldest_of_a_series_only(lost: set[int], left: set[int], days: int, count: int) -> None:
    """Whatever vanished: what is explained is older than all that stays, and past the days or beyond the number."""
    today = date(2025, 3, 1)
    gone = [item("eve", today - timedelta(days=n)) for n in sorted(lost)]
    stay = [item("eve", today - timedelta(days=n)) for n in sorted(left)]
    stay += [item("bob", today - timedelta(days=30))]  # another account's say nothing about hers
    found = unexplained(gone, stay, Rotation(days, count), today)
    for one in gone:
        age = (today - one.made_on).days if one.made_on else 0
        rightly = all(age >= other for other in left) and (age >= days or len(left) >= count)
        assert (one not in found) is rightly
    assert unexplained(gone, stay, Rotation(), today) == gone


@pytest.mark.parametrize("what", [{"shared": True}, {"lock": "legal-hold"}, {"quarantine": "0f"}, {"account": ""}])
def test_no_rotation_takes_what_is_shared_locked_aside_or_of_nobody(what: dict[str, object]) -> None:
    odd = replace(item("eve", date(2025, 1, 1)), **what)  # type: ignore[arg-type]
    assert unexplained([odd], [], Rotation(1, 1), date(2025, 3, 1)) == [odd]


# --- listings that lag behind -----------------------------------------------------------------------


def test_a_listing_that_lags_behind_once_is_neither_a_success_nor_a_halt(house: House, shelf: Late) -> None:
    """After the deletion the store shows an older state: the item still there, the neighbour's newest not yet."""
    service = ended(house, shelf)
    before = list(shelf.held.values())
    newest = f"eve/daily-{MADE}"
    shelf.told = [before, [i for i in before if i.locator != newest]]
    house.next_day()
    assert halted(house.bridge.journal) == {}
    assert states(plan_of(house, service)) == {"shelf": "failed"}
    assert house.case(service).erased_on is None
    house.next_day()
    assert plan_of(house, service).complete


def test_what_another_plan_has_deleted_is_missed_by_no_lagging_listing(house: House, shelf: Late) -> None:
    """The second deletion's first listing still shows what the first one took an hour before."""
    first, second = house.a_service(), house.a_service()
    shelf.put("site1", "full", MADE)
    shelf.put("site2", "full", MADE)
    shelf.put_series("eve")
    end(house, first)
    before = list(shelf.held.values())
    house.next_day()
    assert plan_of(house, first).complete
    end(house, second)
    house.pass_days()
    shelf.told = [before]
    house.sync()
    assert halted(house.bridge.journal) == {}
    assert "site2/full" not in shelf.names()


def test_a_halt_ends_by_itself_when_everything_is_listed_again(house: House, shelf: Late) -> None:
    """The store lagged for longer than we asked: the alarm was raised, and the next listing takes it back."""
    service = ended(house, shelf)
    before = list(shelf.held.values())
    without = [i for i in before if i.locator != f"eve/daily-{MADE}" and i.account != "site1"]
    shelf.told = [before, without, without, without]
    house.next_day()
    assert "shelf" in halted(house.bridge.journal)
    assert "store-collateral" in house.task_codes()
    assert not plan_of(house, service).complete
    house.next_day(2)
    assert halted(house.bridge.journal) == {}
    assert plan_of(house, service).complete
    assert [n.kind for n in house.bridge.journal.deletions.links()].count("lifted") == 1


def test_a_halt_stands_as_long_as_one_item_is_missing(house: House, shelf: Late) -> None:
    ended(house, shelf)
    shelf.by_the_way = [f"eve/daily-{MADE}", f"bob/daily-{MADE}"]
    house.next_day()
    shelf.put("eve", f"daily-{MADE}", MADE)
    house.next_day(2)
    assert "shelf" in halted(house.bridge.journal)


# --- kills and outages between the deletion and the look ----------------------------------------------


@pytest.mark.parametrize("how", ["killed", "away"])
def test_a_neighbour_that_vanished_before_a_kill_is_missed_by_the_next_run(house: House, shelf: Late, how: str) -> None:
    service = ended(house, shelf)
    shelf.by_the_way = [f"eve/daily-{MADE}"]
    shelf.lie = Lie.ANSWER_LOST if how == "away" else None
    really = shelf.delete

    class Killed(BaseException):
        pass

    def dies(one: BackupItem):  # type: ignore[no-untyped-def]
        try:
            return really(one)
        finally:
            if how == "killed":
                raise Killed
            shelf.trouble = StoreUnreachable("shelf is away")

    shelf.delete = dies  # type: ignore[method-assign, assignment]
    if how == "killed":
        with pytest.raises(Killed):
            house.next_day()
    else:
        house.next_day()
    shelf.delete, shelf.trouble, shelf.lie = really, None, None  # type: ignore[method-assign]
    assert halted(house.bridge.journal) == {}
    house.next_day()
    assert "eve/daily-" in halted(house.bridge.journal)["shelf"]
    assert not plan_of(house, service).complete


def test_what_only_an_accounts_own_look_shows_is_missed_by_no_other_accounts(house: House, shelf: Late) -> None:
    """Logs and part uploads beside the backups: nobody else's look lists them, so they are no neighbours."""
    first, second = house.a_service(), house.a_service()
    log = replace(shelf.put("site1", "log", MADE), shared=True)
    del shelf.held[(log.locator, "")]
    shelf.residue = lambda account: [log] if account.username == "site1" else []  # type: ignore[method-assign]
    shelf.put("site1", "full", MADE)
    shelf.put("site2", "full", MADE)
    shelf.put_series("eve")
    end(house, first)
    really = shelf.delete

    class Killed(BaseException):
        pass

    def dies(_item: BackupItem):  # type: ignore[no-untyped-def]
        raise Killed

    shelf.delete = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        house.next_day()
    shelf.delete = really  # type: ignore[method-assign]
    shelf.residue = lambda _account: []  # type: ignore[method-assign, assignment]
    set_status(house, second, ServiceStatus.TERMINATED)
    house.next_day(2)
    assert halted(house.bridge.journal) == {}
    assert plan_of(house, second).complete


def test_bytes_that_were_to_go_by_themselves_and_are_listed_again_are_deleted_again(house: House, shelf: Late) -> None:
    shelf.state = replace(shelf.state, keeps_for=timedelta(days=10))
    service = ended(house, shelf)
    house.next_day()
    assert states(plan_of(house, service)) == {"shelf": "residual_until"}
    shelf.put("site1", "full", MADE)
    house.next_day(12)
    assert "site1/full" not in shelf.names()
    assert not plan_of(house, service).complete
    house.next_day(12)
    assert plan_of(house, service).complete


# --- a view that shrinks ------------------------------------------------------------------------------


def test_a_view_that_has_lost_the_others_halts_before_anything_is_concluded(house: House, shelf: Late) -> None:
    """The credential was cut down to less than it saw when the deletion was planned: nothing is gone by that."""
    service = ended(house, shelf, "eve", "bob", "joe", "ann")
    shelf.told = [[]]
    house.next_day()
    assert "its listing has 0 items and had 21" in halted(house.bridge.journal)["shelf"]
    assert states(plan_of(house, service)) == {"shelf": "refused"}
    assert {row.state.gone for row in plan_of(house, service).items} == {False}
    assert "site1/full" in shelf.names()
    assert backup_guard.lift_halt(house.bridge.ports, "shelf", "the key has its rights again")
    house.next_day()
    assert plan_of(house, service).complete


def test_half_of_a_large_view_halts_although_the_services_own_is_listed(house: House, shelf: Late) -> None:
    service = ended(house, shelf, "eve", "bob", "joe", "ann", "kim")
    shelf.told = [[i for i in shelf.held.values() if i.account in ("site1", "eve")]]
    house.next_day()
    assert "shelf" in halted(house.bridge.journal)
    assert "site1/full" in shelf.names()
    assert not plan_of(house, service).complete


def test_a_store_that_somebody_has_tidied_up_goes_on(house: House, shelf: Late) -> None:
    """Less than half has gone, or a few of few: that is a day's work of somebody, and no lie."""
    service = ended(house, shelf, "eve")
    for n in range(1, 4):
        del shelf.held[(f"eve/daily-{MADE - timedelta(days=n)}", "")]
    house.next_day()
    assert halted(house.bridge.journal) == {}
    assert plan_of(house, service).complete


def test_our_own_deletions_shrink_no_view() -> None:
    """Five of six accounts end one after the other, and the last one's backups are all that is left in the store."""
    shelf = Late()
    with a_house(shelf, backups={"max_percent_of_store": 100}) as house:
        services = [house.a_service() for _ in range(6)]
        shelf.put_series(*(s.username for s in services))
        house.sync()
        for service in services[:-1]:
            set_status(house, service, ServiceStatus.TERMINATED)
            house.next_day(2)
            assert plan_of(house, service).complete
        assert halted(house.bridge.journal) == {}
        assert len(shelf.names()) == 5


def test_a_lookout_for_what_was_deleted_is_not_taken_in_by_a_view_that_shrinks(house: House, shelf: Late) -> None:
    service = ended(house, shelf, "eve", "bob")
    house.next_day()
    done = plan_of(house, service)
    shelf.told = [[]]
    house.next_day()
    assert "shelf" in halted(house.bridge.journal)
    after = plan_of(house, service)
    assert (after.state, after.stores[0].checks) == (PlanState.DONE, done.stores[0].checks)
    assert "verified" not in kinds(house, service)
    assert service_id(service) in house.bridge.journal.deletions.tombstones()
