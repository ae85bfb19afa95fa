"""A service that lives once more: its backups are its client's again, and what was said of its first end is over."""

import json

import pytest

from tests.house import House, service_id
from tests.jobs.shelves import Lie, Shelf
from tests.jobs.test_attested import a_tape, attested, ended_with
from tests.jobs.test_deletions import MADE, a_house, end, kinds, plan_of, set_status, states, tasks
from tests.jobs.test_deletions_returned import ASIDE, moved_aside
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.jobs import backup_desk, backup_guard
from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines
from whmcs_bridge.simulator.records import Service

PLACE = ["site1/one", "site1/two", "site2/full"]


def aside(shelf: Shelf) -> list[str]:
    return [item.locator for item in shelf.held.values() if item.quarantine]


# --- what lies aside ------------------------------------------------------------------------------


def test_a_store_that_is_away_from_the_settings_on_the_day_of_the_new_life_gives_back_later() -> None:
    shelf = Shelf(quarantine=True)
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        house.bridge.ports.stores = [Shelf("other")]
        set_status(house, service, ServiceStatus.ACTIVE)
        report = house.next_day()
        assert "shelf" in "".join(report.problems)
        assert "backups-aside" in tasks(house)
        assert not plan_of(house, service).returned
        house.bridge.ports.stores = [shelf]
        house.next_day(2)
        assert shelf.names() == PLACE
        assert plan_of(house, service).returned
        asked = len(shelf.asked)
        house.next_day(2)
        assert len(shelf.asked) == asked


def test_a_plan_that_was_replaced_and_never_made_anew_gives_back_as_well() -> None:
    shelf, other = Shelf(quarantine=True), Shelf("other")
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        house.bridge.pause(reason="inventory")
        house.bridge.ports.stores = [shelf, other]
        house.next_day()
        assert plan_of(house, service).state is PlanState.REPLACED
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        house.bridge.end_pause()
        house.next_day(2)
        assert shelf.names() == PLACE
        assert kinds(house, service).count("put-back") == 2
        asked = len(shelf.asked)
        house.next_day(2)
        assert len(shelf.asked) == asked


def test_a_store_that_was_taken_out_before_the_new_life_gives_back_when_it_is_there_again() -> None:
    """The plan that was made without it names none of its items; only the earlier one does."""
    shelf, other = Shelf(quarantine=True), Shelf("other")
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        house.bridge.ports.stores = [other]
        house.next_day()
        assert not any(row.aside for row in plan_of(house, service).items)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert "backups-aside" in tasks(house)
        house.bridge.ports.stores = [shelf, other]
        house.next_day()
        assert shelf.names() == PLACE


def test_a_plan_with_something_aside_cannot_be_closed() -> None:
    shelf = Shelf(quarantine=True)
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        with pytest.raises(UsageProblem, match="2 items aside in store shelf"):
            backup_desk.close_plan(house.bridge.ports, plan_of(house, service).digest, "the client comes back")
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert shelf.names() == PLACE


def test_a_plan_closed_over_a_store_that_is_away_gives_back_when_both_are_there_again() -> None:
    shelf, other = Shelf(quarantine=True), Shelf("other")
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        house.bridge.ports.stores = [other]
        house.next_day()
        backup_desk.close_plan(house.bridge.ports, plan_of(house, service).digest, "the box is away")
        house.bridge.ports.stores = [shelf, other]
        house.next_day()
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert shelf.names() == PLACE


def test_a_plan_that_was_replaced_gives_back_when_another_service_has_the_name() -> None:
    shelf, other = Shelf(quarantine=True), Shelf("other")
    with a_house(shelf, backups=ASIDE) as house:
        service = moved_aside(house, shelf)
        house.bridge.pause(reason="inventory")
        house.bridge.ports.stores = [shelf, other]
        house.next_day()
        house.a_service(username="site1", registered=house.today)
        house.next_day()
        assert shelf.names() == PLACE
        assert service_id(service) in {plan.service for plan in backup_desk.open_plans(house.bridge.ports)}


# --- what was said of the first end ---------------------------------------------------------------


def erased(house: House, shelf: Shelf) -> Service:
    """A service whose backups were deleted five days after its end."""
    service = house.a_service()
    shelf.put("site1", "full", MADE)
    shelf.put("site2", "full", MADE)
    end(house, service)
    house.next_day(8)
    assert shelf.names() == ["site2/full"]
    return service


def test_a_wish_in_a_second_life_is_taken_and_holds() -> None:
    shelf = Shelf()
    with a_house(shelf, layer={"delete_backups_after_days": 5}) as house:
        service = erased(house, shelf)
        with pytest.raises(UsageProblem, match="are gone"):
            backup_desk.request(house.bridge.ports, service_id(service))
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day(30)
        assert "erased-is-back" in tasks(house)
        shelf.put("site1", "new", house.today)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day()
        wish = backup_desk.request(house.bridge.ports, service_id(service))
        house.next_day(8)
        assert wish.until >= house.today
        assert "site1/new" in shelf.names()
        house.next_day((wish.until - house.today).days + 2)
        assert shelf.names() == ["site2/full"]
        assert not house.bridge.journal.deletions.handovers()


def test_a_wish_is_taken_where_a_person_has_closed_the_plan_and_the_data_is_there() -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("one", "two"):
            shelf.put("site1", name, MADE)
        end(house, service)
        backup_desk.close_plan(house.bridge.ports, plan_of(house, service).digest, "the client wants them")
        assert backup_desk.request(house.bridge.ports, service_id(service)).state == "open"


def test_a_persons_word_about_the_first_end_does_not_settle_the_second() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape()) as house:
        service = ended_with(house, shelf)
        assert attested(house, service).attested
        house.next_day(40)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day(30)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day(4)
        plan = plan_of(house, service)
        assert (plan.settled, states(plan)["tape"]) == (False, "unverifiable")
        assert "backups-unverifiable" in tasks(house)


# --- what a person types, and what a person may leave ---------------------------------------------


@pytest.mark.parametrize("said", ["", "  ", "two\nlines", "a\0b", "x" * 401])
def test_what_a_person_says_is_one_line_that_can_be_printed(said: str) -> None:
    shelf = Shelf()
    with a_house(shelf, backups={"max_items": 1}) as house:
        service = house.a_service()
        for name in ("one", "two"):  # more than go unasked
            shelf.put("site1", name, MADE)
        end(house, service)
        ports, digest = house.bridge.ports, plan_of(house, service).digest
        backup_guard.halt(ports, (service_id(service), ""), "shelf", "somebody's has vanished", [])
        for ask in (backup_desk.close_plan, backup_desk.lift):
            with pytest.raises(UsageProblem, match="--because"):
                ask(ports, digest if ask is backup_desk.close_plan else "shelf", said)
        assert plan_of(house, service).state is PlanState.OPEN
        if said:  # neither has to be given
            with pytest.raises(UsageProblem, match="--note"):
                backup_desk.request(ports, service_id(service), said)
            with pytest.raises(UsageProblem, match="--override"):
                backup_desk.approve_plan(ports, digest, said)
            backup_desk.request(ports, service_id(service))
            with pytest.raises(UsageProblem, match="--note"):
                backup_desk.end_request(ports, service_id(service), "withdrawn", said)


def test_what_a_store_never_lets_go_can_be_closed_and_is_named() -> None:
    shelf = Shelf()
    with a_house(shelf) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        digest = plan_of(house, service).digest
        with pytest.raises(UsageProblem, match="let the next run go on"):
            backup_desk.close_plan(house.bridge.ports, digest, "it may read there, and not delete")
        shelf.lie = Lie.SUCCESS_WITHOUT_EFFECT
        house.next_day(3)
        assert states(plan_of(house, service)) == {"shelf": "failed"}
        closed = backup_desk.close_plan(house.bridge.ports, digest, " it may read there, and not delete ")
        assert (closed.state, closed.complete) == (PlanState.DONE, False)
        assert closed.why.endswith(": it may read there, and not delete")
        links = house.bridge.journal.deletions.links(service_id(service))
        verdict = [json.loads(link.body) for link in links if link.kind == "verdict"][-1]
        assert [item["locator"] for item in verdict["left"]] == ["site1/full"]
        told = certificate(house.bridge.ports, service_id(service))
        assert (told["complete"], told["outcome"]) == (False, "closed")
        assert "site1/full" in "\n".join(certificate_lines(told))
        sent = shelf.asked.count("delete site1/full")
        house.next_day(3)
        assert (sent > 0, shelf.asked.count("delete site1/full")) == (True, sent)
