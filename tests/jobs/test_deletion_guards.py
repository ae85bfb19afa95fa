"""What stands between a plan and a deletion, guard by guard: who lives, what has ended, caps, switches, other plans."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from hooks import after_module_failed
from tests.builders import a_record
from tests.house import HOSTING, House, done, service_id, the_result
from tests.jobs.shelves import Lie, Names, Shelf
from tests.jobs.test_deletions import (
    MADE,
    a_house,
    approve,
    delete_record,
    end,
    kinds,
    plan_of,
    set_status,
    states,
    tasks,
)
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Claim,
    LivingAccount,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.domain.deletions import ItemState, PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, MovedOn, StalePlan, StoreUnreachable, UsageProblem
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs import backup_audit, backup_carry, backup_desk, backup_guard, erase
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.jobs.explain import facts_for
from whmcs_bridge.jobs.pause import end_pause, pause
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.ownership import PANEL_ID, surely_before
from whmcs_bridge.policy.rotation import Rotation, unexplained
from whmcs_bridge.simulator.records import Actor

# --- who lives --------------------------------------------------------------------------------------


def test_a_panel_is_asked_again_before_each_store() -> None:
    """Listing and deleting takes its time: whoever is given the name meanwhile loses nothing in the stores to come."""
    first, second, panel = Shelf("first"), Shelf("second"), Names()
    with a_house(first, second, panels=(panel,)) as house:
        service = house.a_service()
        for shelf in (first, second):
            shelf.put("site1", "full", MADE)
        end(house, service)
        first.on_delete = lambda _item: panel.add("site1")
        assert "still lives" in the_result(house.next_day(), Kind.DELETE_BACKUPS).note
        assert (first.names(), second.names()) == ([], ["site1/full"])


def test_a_panel_that_goes_away_between_two_stores_stops_the_rest() -> None:
    first, second, panel = Shelf("first"), Shelf("second"), Names()
    with a_house(first, second, panels=(panel,)) as house:
        service = house.a_service()
        for shelf in (first, second):
            shelf.put("site1", "full", MADE)
        end(house, service)

        def leave(_item: BackupItem) -> None:
            panel.trouble = StoreUnreachable("panel is away")

        first.on_delete = leave
        house.next_day()
        assert (first.names(), second.names()) == ([], ["site1/full"])
        panel.trouble = None
        house.next_day()
        assert second.names() == []


def test_whoever_is_given_the_name_while_a_store_is_listed_keeps_what_is_there() -> None:
    """Listings are long; the panel's word is from right before the first deletion."""

    class Slow(Shelf):
        def items(self) -> Iterable[BackupItem]:
            if len(self.asked) > before[0]:
                panel.add("site1", "uid-2")
            return super().items()

    shelf, panel, before = Slow(), Names(), [99]
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        panel.add("site1", "uid-1")
        house.sync()
        panel.living_now = {}
        end(house, service)
        before[0] = len(shelf.asked)
        house.next_day()
        assert shelf.names() == ["site1/full"]


@pytest.mark.parametrize("comes", ["a hold", "the service"])
def test_what_comes_against_a_deletion_while_items_go_stops_the_rest(comes: str) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for name in ("a", "b", "c"):
            shelf.put("site1", name, MADE)
        end(house, service)

        def come(_item: BackupItem) -> None:
            if comes == "a hold":
                hold(house, service, RecordKind.HOLD)
            else:
                set_status(house, service, ServiceStatus.ACTIVE)
                house.world.advance(minutes=6)

        shelf.on_delete = come
        house.next_day()
        assert len(shelf.names()) == 2


# --- what has ended -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED, ServiceStatus.PENDING])
def test_a_service_that_is_not_ended_has_nothing_deleted_whatever_a_plan_says(status: ServiceStatus) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        ports, number = house.bridge.ports, service_id(service)
        facts = facts_for(ports, number)
        step = the_result(house.next_day(), Kind.DELETE_BACKUPS).step
        shelf.put("site1", "newer", MADE)
        living = replace(facts, service=replace(facts.service, status=status))
        with pytest.raises(MovedOn, match="nothing is deleted"):
            erase.delete_for(ports, living, step)
        assert shelf.names() == ["site1/newer"]


def test_what_its_module_could_not_end_goes_only_by_a_persons_word_or_a_panels() -> None:
    for panels in ((), (Names(),)):
        shelf = Shelf()
        with a_house(shelf, panels=panels) as house:
            service = house.a_service()
            shelf.put("site1", "full", MADE)
            house.sync()
            now = house.bridge.clock.now()
            failed = HookEvent(
                "AfterModuleTerminateFailed", {"params": {"serviceid": str(service.id)}}, now, Actor.ADMIN
            )
            after_module_failed.handle(failed, house.bridge)
            end(house, service)
            house.next_day(2)
            assert shelf.names() == ([] if panels else ["site1/full"])
            if not panels:
                assert "could not end it" in plan_of(house, service).needs[0]
                approve(house, plan_of(house, service))
                house.next_day()
                assert shelf.names() == []


def test_a_second_life_after_the_first_one_s_backups_went_has_its_own_end() -> None:
    """Nobody looks at a client who owes nothing: the case still says erased when the service ends again."""
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "first", MADE)
        end(house, service)
        house.next_day()
        assert house.case(service).erased_on == house.today
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        shelf.put("site1", "second", house.today)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day()
        assert shelf.names() == ["site1/second"]
        house.next_day(2)
        assert shelf.names() == []
        assert plan_of(house, service).complete


def test_a_person_cannot_delete_the_backups_of_a_service_that_lives() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        with pytest.raises(BridgeError, match="while it lives"):
            backup_desk.plan_by_hand(house.bridge.ports, service_id(service))


def test_a_hold_keeps_the_backups_of_a_deleted_record_too() -> None:
    shelf, panel = Shelf(), Names()
    with a_house(shelf, panels=(panel,)) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        house.sync()
        delete_record(house, service)
        hold(house, service, RecordKind.HOLD)
        house.next_day(4)
        assert shelf.names() == ["site1/full"]


@pytest.mark.parametrize("kind", [RecordKind.HOLD, RecordKind.DISPUTE])
def test_a_hold_or_a_dispute_keeps_them_as_long_as_it_stands(kind: RecordKind) -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        hold(house, service, kind)
        house.next_day(3)
        assert shelf.names() == ["site1/full"]
        with pytest.raises(BridgeError, match="withheld"):
            backup_desk.plan_by_hand(house.bridge.ports, service_id(service))


def hold(house: House, service: Any, kind: RecordKind) -> None:
    """Staff records a hold or a dispute for half a year."""
    record = a_record(kind, house.today, house.day(180), client=service.client, service=service.id, sort="legal")
    house.bridge.journal.add_record(record)


def test_a_wish_for_the_data_holds_the_deletion() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        backup_desk.request(house.bridge.ports, service_id(service))
        assert house.withheld(house.next_day(3), service) == {"handover": "delete_backups"}
        assert shelf.names() == ["site1/full"]
        backup_desk.end_request(house.bridge.ports, service_id(service), "handed-over")
        house.next_day()
        assert shelf.names() == []


# --- names that others had ------------------------------------------------------------------------------


def test_what_was_made_on_the_day_a_name_changed_hands_is_neithers() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        old = house.a_service(username="bob", registered=house.day(-100))
        house.sync()
        house.pass_days(10)
        handed_over = house.today
        set_status(house, old, ServiceStatus.TERMINATED)
        new = house.a_service(username="bob", registered=handed_over)
        shelf.put("bob", "that-day", handed_over)
        house.next_day(5)
        set_status(house, new, ServiceStatus.TERMINATED)
        house.next_day(5)
        assert shelf.names() == ["bob/that-day"]
        for service in (old, new):
            [left] = plan_of(house, service).untouched
            assert "may have had the name then" in left.why


def test_what_lies_in_the_quarantine_of_another_service_is_its_own() -> None:
    shelf = Shelf(quarantine=True)
    with a_house(shelf) as house:
        service = house.a_service()
        item = shelf.put("site1", "full", MADE)
        shelf.quarantine(item, "0f" * 32)
        end(house, service)
        house.next_day()
        assert [i.quarantine for i in shelf.held.values()] == ["0f" * 32]


def test_in_a_store_of_several_servers_a_name_is_everybodys_who_has_it_on_any() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service(username="bob")
        house.a_service(username="bob", server=2)
        shelf.put("bob", "whose", MADE)
        end(house, service)
        house.next_day(2)
        assert shelf.names() == ["bob/whose"]


# --- caps, switches, modes --------------------------------------------------------------------------------


def two_ended(house: House, shelf: Shelf) -> None:
    for service in (house.a_service(), house.a_service()):
        shelf.put(service.username, "full", MADE)
        house.sync()
        set_status(house, service, ServiceStatus.TERMINATED)
    house.sync()


def test_more_deletions_than_a_day_may_have_are_all_refused() -> None:
    shelf = Shelf()
    with a_house(shelf, limits={"delete_backups": {"always_allowed": 0, "max": 1, "percent": 100}}) as house:
        two_ended(house, shelf)
        report = house.next_day()
        assert [stop.code for stop in report.plan.stops] == ["limit:delete_backups"]
        assert shelf.names() == ["site1/full", "site2/full"]
        house.sync(allow={"delete_backups": 2})
        assert shelf.names() == []


@pytest.mark.parametrize("cap", [{"max_items": 2}, {"max_gib": 1}, {"max_percent_of_store": 20}])
def test_each_cap_by_itself_needs_a_person(cap: dict[str, int]) -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 99, "max_gib": 99, "max_percent_of_store": 100, **cap}) as house:
        service = house.a_service()
        for number in range(20):
            shelf.put("site1", f"{number:02}", MADE, size=2**30)
        end(house, service)
        assert len(plan_of(house, service).needs) == 1
        house.next_day(2)
        assert len(shelf.names()) == 20


def test_a_plan_that_needs_a_person_is_not_carried_out_by_whoever_asks() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("a", "b"):
            shelf.put("site1", name, MADE)
        end(house, service)
        ports = house.bridge.ports
        subject = erase.subject_for(ports, facts_for(ports, service_id(service)))
        plan = backup_carry.carry(ports, subject, house.today, lambda: True)
        assert plan.waits_for_approval
        assert len(shelf.names()) == 2


@pytest.mark.parametrize("switch", ["pause", "file"])
def test_a_switch_that_is_thrown_while_items_go_keeps_all_that_are_left(switch: str, tmp_path: Any) -> None:
    shelf = Shelf()
    with House.of({"class": {"hosting": HOSTING}}, stores=[shelf], folder=tmp_path) as house:
        service = house.a_service()
        for name in ("a", "b", "c"):
            shelf.put("site1", name, MADE)
        end(house, service)
        ports = house.bridge.ports
        file = ports.settings.pause_file

        def throw(_item: BackupItem) -> None:
            if switch == "pause":
                pause(ports)
            else:
                file.touch()

        shelf.on_delete = throw
        house.next_day()
        assert len(shelf.names()) == 2
        assert states(plan_of(house, service)) == {"shelf": "planned"}
        house.next_day()
        assert len(shelf.names()) == 2
        shelf.on_delete = None
        end_pause(ports)
        file.unlink(missing_ok=True)
        house.next_day()
        assert shelf.names() == []


def test_midnight_ends_the_deletions_of_a_run() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for name in ("a", "b"):
            shelf.put("site1", name, MADE)
        end(house, service)
        shelf.on_delete = lambda _item: house.world.advance(days=1)
        house.next_day()
        assert len(shelf.names()) == 1


def test_in_shadow_nothing_is_deleted_planned_or_approved() -> None:
    shelf = Shelf(quarantine=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        plan = plan_of(house, service)
        house.enforcing(False)
        house.next_day(4)
        assert shelf.names() == ["site1/full"]
        assert not [asked for asked in shelf.asked if asked.startswith(("delete", "quarantine"))]
        with pytest.raises(UsageProblem, match="mode is shadow"):
            backup_desk.delete_by_hand(house.bridge.ports, service_id(service), plan.digest)
        assert plan_of(house, service) == plan


def test_listing_probing_and_an_audit_ask_for_no_deletion() -> None:
    shelf = Shelf(quarantine=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        shelf.put("nobody", "full", MADE)
        end(house, service)
        ports = house.bridge.ports
        backup_desk.list_backups(ports, service_id(service))
        backup_desk.probe_all(ports)
        backup_audit.audit(ports)
        assert shelf.names() == ["nobody/full", "site1/full"]
        assert set(shelf.asked) <= {"probe", "items"}


# --- exactly what was planned -------------------------------------------------------------------------------


def test_the_hash_that_a_person_names_has_to_be_that_of_the_list() -> None:
    shelf = Shelf()
    with a_house(shelf, approval={"delete_backups": "required"}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day()
        ports, number = house.bridge.ports, service_id(service)
        named = backup_desk.plan_by_hand(ports, number)
        shelf.put("site1", "one-more", MADE)
        with pytest.raises(StalePlan, match="something else by now"):
            backup_desk.delete_by_hand(ports, number, named.digest)
        assert len(shelf.names()) == 2
        backup_desk.delete_by_hand(ports, number, backup_desk.plan_by_hand(ports, number).digest)
        assert shelf.names() == []


def test_what_changed_after_it_was_moved_aside_is_not_deleted() -> None:
    class Slipped(Shelf):
        """Something else takes the place of a file between the look and the move."""

        def quarantine(self, item: BackupItem, plan: str) -> Receipt:
            moved = super().quarantine(item, plan).item
            assert moved is not None
            other = replace(moved, size=7, etag="another's", at=None)
            self.held[(moved.locator, "")] = other
            return Receipt(Outcome.QUARANTINED, item=other)

        def put_back(self, item: BackupItem) -> Receipt:
            return Receipt(Outcome.REFUSED, "its place is taken")

    shelf = Slipped(quarantine=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(2)
        assert len(shelf.held) == 1
        assert not plan_of(house, service).complete


def test_what_cannot_be_moved_aside_is_not_deleted_where_it_lies() -> None:
    class Stuck(Shelf):
        def quarantine(self, item: BackupItem, plan: str) -> Receipt:
            return Receipt(Outcome.FAILED, "no room")

    shelf = Stuck(quarantine=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(2)
        assert shelf.names() == ["site1/full"]
        assert not [asked for asked in shelf.asked if asked.startswith("delete")]


def test_an_approval_of_one_list_is_none_of_the_next() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("a", "b"):
            shelf.put("site1", name, MADE)
        end(house, service)
        approve(house, plan_of(house, service))
        shelf.put("site1", "c", MADE)
        house.next_day(2)
        assert len(shelf.names()) == 3
        assert plan_of(house, service).waits_for_approval


# --- what a store's word is worth ---------------------------------------------------------------------------


def test_nothing_is_said_of_a_store_that_cannot_be_listed_after_the_deletion() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)

        def leave(_item: BackupItem) -> None:
            shelf.trouble = StoreUnreachable("it has gone away")

        shelf.on_delete = leave
        house.next_day()
        assert states(plan_of(house, service)) == {"shelf": "unverifiable"}
        assert house.case(service).erased_on is None
        shelf.on_delete = shelf.trouble = None
        house.next_day()
        assert plan_of(house, service).complete


def test_what_a_store_accepted_and_never_did_is_told_and_sent_again() -> None:
    shelf = Shelf(async_delete=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day(6)
        assert shelf.asked.count("delete site1/full") > 1
        assert not plan_of(house, service).complete
        shelf.work_off()
        house.next_day()
        assert plan_of(house, service).complete


def test_a_busy_store_is_busy_for_everybody_and_one_that_says_whose_for_that_one() -> None:
    for busy in ("*", "site1"):
        shelf = Shelf(quarantine=True)
        with a_house(shelf) as house:
            service = house.a_service()
            shelf.put("site1", "full", MADE)
            end(house, service)
            shelf.state = Probe(complete=True, busy=(busy,))
            house.next_day()
            assert shelf.names() == ["site1/full"]


def test_a_clock_an_hour_and_a_minute_off_postpones_and_one_an_hour_off_does_not() -> None:
    for off, left in ((timedelta(minutes=61), 1), (timedelta(minutes=-61), 1), (timedelta(minutes=60), 0)):
        shelf = Shelf()
        with a_house(shelf) as house:
            service = house.a_service()
            shelf.put("site1", "full", MADE)
            end(house, service)
            shelf.state = Probe(complete=True, clock_skew=off)
            house.next_day()
            assert len(shelf.names()) == left


def test_a_lock_that_only_the_deletion_tells_of_keeps_the_item_and_its_end() -> None:
    class Locked(Shelf):
        def delete(self, item: BackupItem) -> Receipt:
            return Receipt(Outcome.LOCKED, "legal-hold", until=datetime.fromisoformat("2025-05-01T00:00:00+00:00"))

    shelf = Locked(locks=True)
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.next_day()
        [store] = plan_of(house, service).stores
        assert (store.state, store.until and store.until.date()) == (ItemState.LOCKED_UNTIL, date(2025, 5, 1))
        assert "legal-hold" in store.why


def test_a_halt_stops_the_plan_that_found_it_and_every_other_and_is_in_the_evidence() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for name in ("site1", "site2", "site3"):
            shelf.put(name, "full", MADE)
        end(house, service)
        shelf.lie = Lie.NEIGHBOUR
        house.next_day()
        plan = plan_of(house, service)
        assert (states(plan), plan.state) == ({"shelf": "refused"}, PlanState.OPEN)
        assert "halt" in kinds(house, service)
        assert "store-collateral" in tasks(house)
        assert house.case(service).erased_on is None
        shelf.lie = None
        assert "delete_backups" not in done(house.next_day())
        assert backup_carry.lift_halt(house.bridge.ports, "shelf", "found out")
        house.next_day()
        assert plan_of(house, service).complete


# --- a name that lives again, and what is surely from before it ------------------------------------------------


def tenant(service: int, since: date | None, until: date | None = None, identity: str = "") -> AccountIdentity:
    proofs = {PANEL_ID: identity} if identity else {}
    return AccountIdentity(ServiceId(service), ClientId(service), 1, "bob", "example.com", since, until, proofs)


OLD = tenant(1, date(2024, 1, 1), date(2024, 6, 30), "uid-1")
NEW = tenant(2, date(2024, 9, 1))
LIVES = LivingAccount("bob", "uid-2")
BY_NAME = Claim(Verdict.MINE, ("name",))
BY_ID = Claim(Verdict.MINE, ("name", "recorded id"), proven=True)


def dated(day: date | None, **more: Any) -> BackupItem:
    return BackupItem("s", "bob/x", 1, None, account="bob", made_on=day, **more)


@pytest.mark.parametrize(
    ("item", "claim", "lives", "others", "theirs", "verdict"),
    [
        (dated(date(2024, 3, 1)), BY_NAME, LIVES, [OLD, NEW], [], Verdict.MINE),
        (dated(date(2024, 3, 1)), BY_NAME, None, [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 3, 1)), BY_NAME, LivingAccount("bob", "uid-1"), [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 3, 1)), BY_NAME, LivingAccount("bob"), [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 7, 2)), BY_NAME, LIVES, [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 9, 5)), BY_ID, LIVES, [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 3, 1)), BY_NAME, LIVES, [tenant(2, None)], [], Verdict.AMBIGUOUS),
        (dated(None), BY_NAME, LIVES, [NEW], [], Verdict.AMBIGUOUS),
        (dated(None, meta={"kind": "tree"}), BY_ID, LIVES, [NEW], [], Verdict.AMBIGUOUS),
        (dated(date(2024, 3, 1)), BY_ID, LIVES, [NEW], [BY_ID], Verdict.AMBIGUOUS),
        (dated(date(2024, 3, 1)), BY_ID, LIVES, [NEW], [BY_NAME], Verdict.MINE),
        (dated(date(2024, 3, 1), shared=True), BY_ID, LIVES, [NEW], [], Verdict.SHARED),
    ],
)
def test_while_the_name_lives_again_only_what_is_surely_from_before_is_the_accounts(
    item: BackupItem,
    claim: Claim,
    lives: LivingAccount | None,
    others: list[AccountIdentity],
    theirs: list[Claim],
    verdict: Verdict,
) -> None:
    assert surely_before(item, claim, OLD, others, theirs, lives=lives).verdict is verdict


# --- what a panel's own rotation explains ---------------------------------------------------------------------


def series(*ages: int, account: str = "eve", **more: Any) -> list[BackupItem]:
    """Daily backups of an account, so many days old."""
    return [
        BackupItem("s", f"{(TODAY - timedelta(days=n)):%Y-%m-%d}/{account}", 1, None, account=account,
                   made_on=TODAY - timedelta(days=n), **more)
        for n in ages
    ]  # fmt: skip


TODAY = date(2025, 3, 10)


@pytest.mark.parametrize(
    ("rotation", "lost", "left", "explained"),
    [
        (Rotation(), series(40), series(1, 2), False),
        (Rotation(days=30), series(40), series(1, 2), True),
        (Rotation(days=30), series(29), series(1, 2), False),
        (Rotation(days=30), series(40), series(1, 50), False),
        (Rotation(count=2), series(3), series(1, 2), True),
        (Rotation(count=2), series(3), series(1), False),
        (Rotation(count=2), series(1), series(2, 3), False),
        (Rotation(count=2), series(3), series(1, 2, account="ann"), False),
        (Rotation(days=30), series(40, shared=True), series(1), False),
        (Rotation(days=30), series(40, lock="hold"), series(1), False),
        (Rotation(days=30), series(40, account=""), series(1), False),
        (Rotation(days=30), [BackupItem("s", "eve", account="eve")], [], False),
    ],
)
def test_a_rotation_explains_only_what_it_would_have_taken(
    rotation: Rotation, lost: list[BackupItem], left: list[BackupItem], explained: bool
) -> None:
    assert (unexplained(lost, left, rotation, TODAY) == []) is explained


# --- what should be there, and is not ---------------------------------------------------------------------------


def test_a_store_that_leaves_the_settings_keeps_the_whole_from_being_complete() -> None:
    first, second = Shelf("first"), Shelf("second")
    with a_house(first, second) as house:
        service = house.a_service()
        for shelf in (first, second):
            shelf.put("site1", "full", MADE)
        house.sync()
        set_status(house, service, ServiceStatus.TERMINATED)
        house.sync()
        house.bridge.ports.stores = [first]
        house.next_day(3)
        assert first.names() == []
        plan = plan_of(house, service)
        assert not plan.complete
        assert "put it back into the settings" in next(s.why for s in plan.stores if s.store == "second")
        assert house.case(service).erased_on is None
        house.bridge.ports.stores = [first, second]
        house.next_day(3)
        assert second.names() == []
        assert plan_of(house, service).complete


class Died(BaseException):
    """The process ends here."""


def test_a_neighbour_that_vanished_before_a_run_died_is_missed_by_the_next_one() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        for name in ("site1", "site2", "site3"):
            shelf.put(name, "full", MADE)
        end(house, service)

        def die(_item: BackupItem) -> None:
            del shelf.held["site2/full", ""]
            raise Died

        shelf.on_delete = die
        with pytest.raises(Died):
            house.next_day()
        shelf.on_delete = None
        assert not halted(house.bridge.journal)
        house.next_day()
        assert list(halted(house.bridge.journal)) == ["shelf"]
        assert "site1/full" in shelf.names()


@pytest.mark.parametrize("others", [1, 30])
def test_a_listing_that_has_lost_what_was_in_no_plan_is_not_believed(others: int) -> None:
    """Rights that were taken away, and a disk that is not there, look like an empty store, or like half of one."""
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        for number in range(others):
            shelf.put(f"else{number}", "full", MADE)
        end(house, service)
        house.next_day()
        shelf.put("site1", "newer", MADE)
        house.sync()
        held, shelf.held = shelf.held, dict(list(shelf.held.items())[: others // 3])
        house.next_day(2)
        assert list(halted(house.bridge.journal)) == ["shelf"]
        shelf.held = held
        assert "store-collateral" in tasks(house)


def halted_house(house: House, *shelves: Shelf) -> Any:
    """One service has ended, with a backup in each store; every plan on the first store stands still."""
    service = house.a_service()
    for shelf in shelves:
        shelf.put("site1", "full", MADE)
    house.sync()
    set_status(house, service, ServiceStatus.TERMINATED)
    house.sync()
    plan = plan_of(house, service)
    about = (plan.service, plan.digest)
    backup_guard.halt(house.bridge.ports, about, shelves[0].name, "somebody's has vanished", [])
    return service


def test_a_halted_store_is_left_out_of_a_plan_that_goes_on_in_another() -> None:
    first, second = Shelf("first"), Shelf("second")
    with a_house(first, second) as house:
        service = halted_house(house, first, second)
        house.next_day(2)
        assert (first.names(), second.names()) == (["site1/full"], [])
        assert states(plan_of(house, service)) == {"first": "refused", "second": "gone_verified"}


def test_a_plan_that_only_waits_for_a_halt_is_withheld_with_its_reason() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = halted_house(house, shelf)
        assert house.withheld(house.next_day(), service) == {"backups-halted": "delete_backups"}
        assert shelf.names() == ["site1/full"]
