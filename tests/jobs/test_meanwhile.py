"""A run may take minutes; who pays in its midst does not wait for its end, and neither writes over the other."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house import House, results, service_id
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.status import ServiceStatus as Status
from whmcs_bridge.jobs import meanwhile
from whmcs_bridge.jobs.sync import sync
from whmcs_bridge.jobs.turns import Turns
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import InboxEvent
from whmcs_bridge.simulator.records import Invoice, Service, ServiceStatus


@pytest.fixture(autouse=True)
def always_time_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanwhile, "EVERY_SECONDS", 0.0)


def told(event: InboxEvent) -> Mapping[ClientId, str]:
    """Stands in for the handlers."""
    return {event.client: event.point} if event.client is not None else {}


class Payment:
    """Ana pays, and WHMCS tells; once."""

    def __init__(self, house: House, invoice: Invoice) -> None:
        self.house, self.invoice, self.made = house, invoice, False

    def __call__(self) -> None:
        if self.made:
            return
        self.made = True
        self.house.pay(self.invoice)
        bridge = self.house.bridge
        bridge.journal.accept_event("paid", "InvoicePaid", ClientId(self.invoice.client), {}, bridge.ports.now())


class Pages:
    """Progress that does something when so many pages have come."""

    def __init__(self, after: int, act: Callable[[], None]) -> None:
        self.left, self.act = after, act

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator["Pages"]:
        yield self

    def advance(self, count: int = 1) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


@contextmanager
def a_house(folder: Path | None = None) -> Iterator[tuple[House, Service, Invoice]]:
    """Ana is down for debt since yesterday; a dozen others go down today."""
    with House.of(page_size=3, folder=folder) as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.bridge.deliver = told
        house.sync()
        for _ in range(12):
            house.a_debtor(overdue=2)
        house.pass_days()
        assert service.status == ServiceStatus.SUSPENDED
        yield house, service, invoice


def order(house: House, kind: str) -> list[int]:
    """When each of these happened in the world, as places in its log."""
    return [place for place, event in enumerate(house.world.log) if event.kind == kind]


def settled(house: House, service: Service) -> None:
    """Ana is up, known to be up, and nothing is done about her any more."""
    assert service.status == ServiceStatus.ACTIVE
    book = house.bridge.mirror.book(ClientId(service.client))
    assert book is not None
    assert [s.status for s in book.services] == [Status.ACTIVE]
    assert not book.invoices
    assert house.case(service).suspended_on is None
    assert len(house.events("module:unsuspend", service=service)) == 1
    report = house.next_day()
    assert not [r for r in report.results if r.step.service == service_id(service)]


@pytest.mark.parametrize("page", range(1, 30, 3))
def test_a_payment_while_pages_are_read_is_answered_before_the_plan(page: int) -> None:
    """Whatever page was on its way with the old state, the mirror ends with the new one."""
    with a_house() as (house, service, invoice):
        house.bridge.ports.progress = Pages(page, Payment(house, invoice))
        planned: list[Plan] = []
        report = house.sync(on_planned=planned.append)
        assert results(report, Kind.SUSPEND) == [("suspend", "done")] * 12
        assert not [step for step in planned[0].steps if step.service == service_id(service)]
        assert order(house, "module:unsuspend")[0] < order(house, "module:suspend")[1]
        settled(house, service)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_payment_while_steps_are_carried_out_is_answered_between_them(workers: int) -> None:
    with a_house() as (house, service, invoice):
        house.bridge.ports.workers = workers
        pay = Payment(house, invoice)

        def hear(point: str, variables: object) -> None:
            if point == "AfterModuleSuspend":
                pay()

        house.world.hook_listener = hear
        report = house.sync()
        assert results(report, Kind.SUSPEND) == [("suspend", "done")] * 12
        assert order(house, "module:unsuspend")[0] < order(house, "module:suspend")[-1]
        settled(house, service)


def test_a_run_that_leaves_the_inbox_to_others_does_not_touch_it() -> None:
    with a_house() as (house, _, invoice):
        house.bridge.deliver = None
        house.bridge.ports.progress = Pages(2, Payment(house, invoice))
        house.sync()
        assert house.bridge.journal.inbox_depth().waiting == 1


def test_a_flood_does_not_keep_a_run_from_its_end() -> None:
    """One portion between two pages and two steps: here every event that is handled brings another one."""
    with a_house() as (house, _, _):
        bridge, count = house.bridge, 0

        def another(event: InboxEvent) -> Mapping[ClientId, str]:
            nonlocal count
            count += 1
            bridge.journal.accept_event(f"e{count}", "ClientEdit", event.client, {}, bridge.ports.now())
            return {}

        bridge.journal.accept_event("e", "ClientEdit", ClientId(1), {}, bridge.ports.now())
        report = sync(bridge.ports, deliver=another)
        assert count > 12
        assert results(report, Kind.SUSPEND) == [("suspend", "done")] * 12


def test_two_threads_take_turns_at_a_client_and_not_at_two() -> None:
    turns, inside, together = Turns(), threading.Event(), threading.Barrier(2, timeout=10)

    def hold(client: int) -> None:
        with turns.of(ClientId(client)), turns.of(ClientId(client)):
            inside.set()
            together.wait()

    other = threading.Thread(target=hold, args=(1,))
    other.start()
    inside.wait(10)
    with turns.of(ClientId(2)):
        together.wait()
    other.join(10)
    with turns.of(ClientId(1)):
        assert not other.is_alive()
