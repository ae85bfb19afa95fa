"""A name that lives again: only what is surely from before goes, by a person's override of that very list."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.house import House, service_id
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import a_house, kinds, plan_of, set_status, states
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, LivingAccount, Verdict
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, UsageProblem
from whmcs_bridge.jobs import backup_desk
from whmcs_bridge.policy.ownership import PANEL_ID, SLACK, surely_before, times_of

WHY = "ticket 12-345"


class Town:
    """Bob's old account has ended, another service has bob's name since ten days later."""

    def __init__(self, house: House, shelf: Shelf, panel: Names) -> None:
        self.house, self.shelf, self.panel = house, shelf, panel
        panel.add("bob", "uid-old")
        self.old = house.a_service(username="bob", registered=house.day(-100))
        house.sync()
        house.pass_days(10)
        self.ended = house.today
        set_status(house, self.old, ServiceStatus.TERMINATED)
        del panel.living_now["bob"]
        house.sync()
        house.pass_days(10)
        self.new = house.a_service(username="bob", registered=house.today)
        self.since = house.today
        panel.add("bob", "uid-new")
        house.sync()

    def backups(self, *days: date) -> list[str]:
        for day in days:
            self.shelf.put("bob", day.isoformat(), day)
        return self.shelf.names()

    def plan(self) -> str:
        with self.house.bridge.journal.writer():
            return backup_desk.plan_by_hand(self.house.bridge.ports, service_id(self.old)).digest

    def delete(self, digest: str, override: str = "") -> str:
        with self.house.bridge.journal.writer():
            return backup_desk.delete_by_hand(self.house.bridge.ports, service_id(self.old), digest, override)


@pytest.fixture
def town() -> Iterator[Town]:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,), layer={"delete_backups_after_days": 3}) as house:
        yield Town(house, shelf, panel)


def days(town: Town) -> tuple[date, date, date]:
    """In the old account's days, in nobody's, in the new one's."""
    return town.ended - timedelta(days=20), town.ended + timedelta(days=5), town.since + timedelta(days=1)


def test_a_person_lets_go_what_is_surely_from_before_and_nothing_else(town: Town) -> None:
    old, between, new = days(town)
    town.backups(old, between, new)
    digest = town.plan()
    plan = plan_of(town.house, town.old)
    assert [row.item.locator for row in plan.items] == [f"bob/{old}"]
    assert plan.lives_again == "service 2 lives on the same server under the name bob"
    assert plan.waits_for_approval
    town.house.next_day(2)  # no run does it by itself
    assert len(town.shelf.names()) == 3
    with pytest.raises(BridgeError, match="left alone"):
        town.delete(digest, WHY)
    assert town.shelf.names() == [f"bob/{between}", f"bob/{new}"]
    [approved] = [n for n in town.house.bridge.journal.deletions.links(service_id(town.old)) if n.kind == "approved"]
    assert json.loads(approved.body)["override"] == WHY
    town.house.next_day(5)
    assert town.shelf.names() == [f"bob/{between}", f"bob/{new}"]
    backup_desk.close_plan(town.house.bridge.ports, digest, "the rest is the new client's")
    assert town.house.case(town.old).erased_on is not None


def test_a_plan_in_spite_of_a_living_name_needs_a_reason_and_no_other_takes_one(town: Town) -> None:
    town.backups(days(town)[0])
    digest = town.plan()
    with pytest.raises(UsageProblem, match="--override"):
        town.delete(digest)
    with pytest.raises(UsageProblem, match="--override"):
        backup_desk.approve_plan(town.house.bridge.ports, digest)
    other = town.house.a_service(username="eve")
    town.shelf.put("eve", "full", town.house.day(-1))
    town.house.sync()
    set_status(town.house, other, ServiceStatus.TERMINATED)
    town.house.sync()
    with pytest.raises(UsageProblem, match="nobody else lives"):
        backup_desk.approve_plan(town.house.bridge.ports, plan_of(town.house, other).digest, WHY)


@pytest.mark.parametrize("shown", ["uid-old", "", None])
def test_the_panel_has_to_show_that_the_living_account_is_another_one(town: Town, shown: str | None) -> None:
    """The same id, none, or no such account at all: then nobody knows whose it is."""
    town.backups(days(town)[0])
    if shown is None:
        del town.panel.living_now["bob"]
        assert plan_of_hand(town).items == ()
    else:
        town.panel.add("bob", shown)
        with pytest.raises(BridgeError, match="still lives"):
            town.plan()


def plan_of_hand(town: Town):  # type: ignore[no-untyped-def]
    town.plan()
    return plan_of(town.house, town.old)


def test_without_a_panel_nothing_is_surely_from_before(town: Town) -> None:
    town.backups(days(town)[0])
    town.house.bridge.ports.account_panels = ()
    assert plan_of_hand(town).items == ()


def test_what_is_updated_in_place_never_goes(town: Town) -> None:
    item = town.shelf.put("bob", "incremental", days(town)[0])
    town.shelf.held[(item.locator, "")] = replace(item, meta={"kind": "tree"})
    plan = plan_of_hand(town)
    assert plan.items == ()
    assert "updated in place" in plan.untouched[0].why


def test_a_plan_in_spite_of_a_name_ends_with_the_name(town: Town) -> None:
    old, _, new = days(town)
    town.backups(old, new)
    plan = plan_of_hand(town)
    set_status(town.house, town.new, ServiceStatus.TERMINATED)
    del town.panel.living_now["bob"]
    town.house.next_day()
    after = plan_of(town.house, town.old)
    assert (after.digest != plan.digest, after.lives_again) == (True, "")
    town.house.next_day(5)
    assert town.shelf.names() == []
    assert plan_of(town.house, town.new).complete


def test_an_approved_plan_goes_on_by_itself_where_a_store_was_away(town: Town) -> None:
    """The list that a person has let go is that list tomorrow as well."""
    old = days(town)[0]
    town.backups(old)
    digest = town.plan()
    town.shelf.state = replace(town.shelf.state, busy=("bob",))
    with pytest.raises(BridgeError, match="at work"):
        town.delete(digest, WHY)
    town.shelf.state = replace(town.shelf.state, busy=())
    town.house.next_day()
    assert town.shelf.names() == []
    assert plan_of(town.house, town.old).state is PlanState.DONE
    assert kinds(town.house, town.old).count("approved") == 1


def test_a_third_owner_of_the_name_needs_another_override(town: Town) -> None:
    town.backups(days(town)[0])
    digest = town.plan()
    set_status(town.house, town.new, ServiceStatus.TERMINATED)
    town.house.sync()
    town.house.pass_days(3)
    town.house.a_service(username="bob", registered=town.house.today)
    town.panel.add("bob", "uid-third")
    town.house.sync()
    assert plan_of(town.house, town.old).state is PlanState.FROZEN
    with pytest.raises(BridgeError, match="was replaced"):
        town.delete(digest, WHY)
    assert town.plan() != digest


# --- one store for several servers --------------------------------------------------------------------


def test_the_same_name_on_another_server_of_the_store_keeps_what_may_be_its_own() -> None:
    """One folder holds the backups of two servers: bob of the first has ended, bob of the second lives."""
    shelf = Shelf()
    with a_house(shelf) as house:
        one = house.a_service(username="bob", server=1, registered=date(2024, 1, 1))
        two = house.a_service(username="bob", server=2, registered=date(2024, 6, 1))
        shelf.put("bob", "before", date(2024, 3, 1))
        shelf.put("bob", "theirs", date(2025, 1, 10))
        house.sync()
        house.pass_days()
        set_status(house, one, ServiceStatus.TERMINATED)
        house.sync()
        house.next_day(3)
        assert shelf.names() == ["bob/theirs"]
        assert states(plan_of(house, one)) == {"shelf": "refused"}
        assert house.case(two) is None or house.case(two).ended_on is None


def test_who_lives_on_another_server_of_the_store_by_its_panel_alone_keeps_it_too() -> None:
    """The second server's bob has ended by WHMCS, and is still on that server: what is made there goes on coming."""
    shelf, panel = Shelf(), Names(servers=(2,))
    with a_house(shelf, panels=(panel,)) as house:
        one = house.a_service(username="bob", server=1, registered=date(2024, 1, 1))
        two = house.a_service(username="bob", server=2, registered=date(2024, 1, 1))
        panel.add("bob", "uid-2")
        house.sync()
        set_status(house, two, ServiceStatus.TERMINATED)
        house.next_day(10)
        shelf.put("bob", "late", house.day(-3))
        set_status(house, one, ServiceStatus.TERMINATED)
        house.next_day(3)
        assert shelf.names() == ["bob/late"]
        del panel.living_now["bob"]
        house.next_day(2)
        assert shelf.names() == []


def test_a_panel_that_does_not_name_whom_whmcs_has_living_confirms_nobodys_end() -> None:
    """Its token sees one reseller's accounts only: that it does not name the account is no word about it."""
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        for _ in range(9):
            panel.add(house.a_service().username, "uid")
        shelf.put("site1", "full", house.day(-60))
        panel.add("site1", "uid-1")
        house.sync()
        set_status(house, service, ServiceStatus.TERMINATED)
        seen, panel.living_now = panel.living_now, {}
        house.next_day(3)
        assert shelf.names() == ["site1/full"]
        panel.living_now = {name: one for name, one in seen.items() if name != "site1"}
        house.next_day()
        assert shelf.names() == []


# --- the rule by itself -------------------------------------------------------------------------------

DAY = st.integers(-400, 400).map(lambda n: date(2025, 1, 1) + timedelta(days=n))
MOMENT = st.builds(lambda day, hour: datetime(day.year, day.month, day.day, hour, tzinfo=UTC), DAY, st.integers(0, 23))


def tenure(service: int, since: date | None, until: date | None, identity: str = "") -> AccountIdentity:
    proofs = {PANEL_ID: identity} if identity else {}
    return AccountIdentity(ServiceId(service), ClientId(service), 1, "bob", "", since, until, proofs)


@settings(max_examples=150)
@given(
    st.tuples(DAY, DAY),
    st.lists(st.tuples(DAY | st.none(), DAY | st.none()), min_size=1, max_size=3),
    MOMENT | st.none(),
    DAY | st.none(),
    st.booleans(),
    st.sampled_from(["", "tree"]),
    st.sampled_from([None, "", "old", "new"]),
)
def test_nothing_made_since_a_later_owner_less_the_slack_ever_goes(
    own: tuple[date, date],
    later: list[tuple[date | None, date | None]],
    at: datetime | None,
    made_on: date | None,
    proven: bool,
    kind: str,
    living: str | None,
) -> None:
    since, until = own
    assume(since <= until)
    account = tenure(1, since, until, "old")
    heirs = [tenure(n, first, last) for n, (first, last) in enumerate(later, 2)]
    item = BackupItem("s", "bob/x", 1, at, account="bob", made_on=made_on, meta={"kind": kind} if kind else {})
    claim = Claim(Verdict.MINE, ("name", "recorded uuid") if proven else ("name",), proven=proven)
    lives = None if living is None else LivingAccount("bob", living)
    found = surely_before(item, claim, account, heirs, [], lives=lives)
    if found.verdict is not Verdict.MINE:
        return
    assert living == "new"
    assert not (kind == "tree" and made_on is None)
    for heir in heirs:
        for first, last in times_of(item):
            ended = heir.until is not None and _start(heir.until) + timedelta(days=1) + SLACK < first
            assert ended or (heir.since is not None and last < _start(heir.since) - SLACK)
    assert proven or (times_of(item) and _start(since) <= times_of(item)[0][0])


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_an_id_that_the_new_owner_has_as_well_proves_nothing() -> None:
    account, heir = tenure(1, date(2024, 1, 1), date(2025, 1, 1), "old"), tenure(2, date(2025, 2, 1), None)
    item = BackupItem("s", "bob/x", 1, None, account="bob")
    proven = Claim(Verdict.MINE, ("name", "recorded address"), proven=True)
    lives = LivingAccount("bob", "new")
    assert surely_before(item, proven, account, [heir], [Claim(Verdict.NOT_MINE)], lives=lives).verdict is Verdict.MINE
    assert surely_before(item, proven, account, [heir], [proven], lives=lives).verdict is Verdict.AMBIGUOUS
