"""What WHMCS told is worked off: each event handled in order, each client looked at once, trouble tried again."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.house import House, client_id
from tests.storage.test_lock import another_process
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import DatabaseTrouble, Locked, OddEvent
from whmcs_bridge.jobs.aside import CODE
from whmcs_bridge.jobs.inbox import CLIENTS_AT_ONCE, RETRY_SECONDS, TRIES, work_portion
from whmcs_bridge.ports import EventState, InboxEvent
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import ServiceStatus


class Desk:
    """Stands in for the handlers: notes what it was given, and asks for the event's client to be looked at."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seen: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.house.bridge.deliver = self

    def __call__(self, event: InboxEvent) -> Mapping[ClientId, str]:
        self.seen.append(event.event_id)
        if event.event_id in self.errors:
            raise self.errors[event.event_id]
        return {event.client: event.point} if event.client is not None else {}

    def tell(self, event_id: str, client: ClientId | None, point: str = "InvoicePaid") -> None:
        bridge = self.house.bridge
        assert bridge.journal.accept_event(event_id, point, client, {}, bridge.ports.now())

    def wait(self, seconds: float) -> None:
        self.house.world.clock += timedelta(seconds=seconds)

    def looks(self) -> int:
        return sum(run.job == "hook" for run in self.house.bridge.journal.runs(1000))


def suspended(house: House) -> tuple[ClientId, int, int]:
    """A client whose service the bridge has suspended; its service and invoice."""
    client, service, invoice = house.a_debtor(overdue=3)
    house.sync()
    assert house.world.services[service.id].status == ServiceStatus.SUSPENDED
    return client_id(client), service.id, invoice.id


def test_whatever_is_told_of_a_client_it_is_looked_at_once() -> None:
    with House.of() as house:
        ana, service, invoice = suspended(house)
        desk = Desk(house)
        for number in range(30):
            desk.tell(f"e{number}", ana, "InvoicePaid" if number % 2 else "ClientEdit")
        house.pay(house.world.invoices[invoice])
        worked = house.bridge.work_off()
        assert (worked.handled, worked.looked_at, desk.looks()) == (30, 1, 1)
        assert desk.seen == [f"e{number}" for number in range(30)]
        assert house.world.services[service].status == ServiceStatus.ACTIVE
        assert house.bridge.work_off().handled == 0


def test_a_client_that_cannot_be_read_is_tried_again_and_holds_nobody_else_up() -> None:
    with House.of() as house:
        ana, service, invoice = suspended(house)
        bob = client_id(house.a_client())
        desk = Desk(house)
        desk.tell("a", ana)
        house.pay(house.world.invoices[invoice])
        house.faults(Fault("GetClientsProducts", Kind.HTTP_503, count=0))
        assert house.bridge.work_off().failed == 1
        house.faults()
        desk.tell("b", bob)
        desk.seen.clear()
        house.bridge.work_off()
        assert desk.seen == ["b"]
        desk.wait(RETRY_SECONDS[0])
        assert house.bridge.work_off().handled == 1
        assert house.world.services[service].status == ServiceStatus.ACTIVE


def test_a_client_that_came_since_the_last_sync_is_left_to_the_next() -> None:
    with House.of() as house:
        suspended(house)
        desk = Desk(house)
        desk.tell("a", client_id(house.a_client()))
        assert house.bridge.work_off().handled == 1
        assert desk.looks() == 0


def test_an_event_that_fails_again_and_again_is_set_aside_for_a_person() -> None:
    with House.of() as house:
        ana = client_id(house.a_client())
        desk = Desk(house)
        desk.errors["poison"] = ValueError("no such thing")
        desk.tell("poison", ana)
        desk.tell("after", ana)
        for wait in (0, *RETRY_SECONDS):
            desk.wait(wait)
            house.bridge.work_off()
        assert desk.seen == ["poison"] * TRIES + ["after"]
        (aside,) = house.bridge.journal.events(EventState.SET_ASIDE)
        assert aside.error == "unexpected ValueError: no such thing"
        house.sync()
        assert CODE in house.task_codes()
        desk.errors.clear()
        house.bridge.journal.retry_event(aside.number)
        house.sync()
        assert CODE not in house.task_codes()


def test_what_can_never_be_handled_is_set_aside_at_once() -> None:
    with House.of() as house:
        desk = Desk(house)
        desk.errors["odd"] = OddEvent("names no invoice")
        desk.tell("odd", None)
        assert house.bridge.work_off().set_aside == 1
        assert [event.error for event in house.bridge.journal.events(EventState.SET_ASIDE)] == ["names no invoice"]


def test_a_full_disk_sets_nothing_aside() -> None:
    with House.of() as house:
        desk = Desk(house)
        desk.errors["a"] = DatabaseTrouble("no room left")
        desk.tell("a", None)
        with pytest.raises(DatabaseTrouble):
            house.bridge.work_off()
        assert [(event.state, event.tries) for event in house.bridge.journal.events()] == [(EventState.WAITING, 0)]


def test_many_clients_come_in_portions_between_which_others_may_write() -> None:
    with House.of() as house:
        desk = Desk(house)
        for number in range(CLIENTS_AT_ONCE + 3):
            desk.tell(f"e{number}", client_id(house.a_client()))
        assert house.bridge.deliver is not None
        first = work_portion(house.bridge.ports, house.bridge.deliver)
        assert (first.handled, first.more) == (CLIENTS_AT_ONCE, True)
        assert house.bridge.work_off().handled == 3


def test_while_another_process_runs_nothing_is_tried(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        desk = Desk(house)
        desk.tell("a", client_id(house.a_client()))
        with another_process(tmp_path / "journal.db", "sync"), pytest.raises(Locked):
            house.bridge.work_off()
        assert desk.seen == []
        assert house.bridge.work_off().handled == 1


def test_a_sync_works_off_what_waits_before_it_plans_and_what_came_meanwhile() -> None:
    with House.of() as house:
        ana, service, invoice = suspended(house)
        desk = Desk(house)
        desk.tell("before", ana)
        house.pay(house.world.invoices[invoice])
        report = house.bridge.sync(on_planned=lambda _plan: desk.tell("meanwhile", ana))
        assert desk.seen == ["before", "meanwhile"]
        assert not report.plan.steps  # the release had been done before it planned
        assert house.world.services[service].status == ServiceStatus.ACTIVE
