"""The ten-year-old book: every mess is in it, as it says, and WHMCS's own cron can live with it."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random

import pytest
from click.testing import CliRunner

from commands import cli
from whmcs_bridge.simulator.cron import advance, run_daily_cron
from whmcs_bridge.simulator.habits import live_one_day
from whmcs_bridge.simulator.records import NO_DAY, Invoice, Service
from whmcs_bridge.simulator.seed import digest
from whmcs_bridge.simulator.seed_messy import LOST_GROUP, LOST_PRODUCT, SILENT_GATEWAY, MessyBook, messy_book
from whmcs_bridge.simulator.state import World

TODAY = date(2025, 6, 10)
OPEN = ("Unpaid", "Collections", "Payment Pending")


@pytest.fixture(scope="module")
def book() -> MessyBook:
    """Of 1,500 clients; tests that change it make their own."""
    return messy_book(1500, 7, TODAY)


def overdue(world: World, service: Service) -> list[Invoice]:
    """Open invoices past their due date that bill this service, by WHMCS's own tables."""
    invoices = (world.invoices[number] for number in world.invoices_by_service.get(service.id, ()))
    return [each for each in invoices if each.status in OPEN and each.due < world.today and world.balance(each) > 0]


def services(book: MessyBook, name: str) -> Iterator[Service]:
    yield from (book.world.services[number] for number in book.kinds[name])


@pytest.mark.parametrize("clients", [400, 1500])
def test_every_kind_of_mess_is_in_a_book_of_some_hundred_clients(clients: int) -> None:
    made = messy_book(clients, 7, TODAY)
    assert [name for name, ids in made.kinds.items() if not ids] == []
    assert len(made.world.clients) == clients


def test_the_same_arguments_give_the_same_book_record_for_record() -> None:
    one, two, other = (messy_book(150, seed, TODAY) for seed in (7, 7, 8))
    assert one.kinds == two.kinds
    assert digest(one.world) == digest(two.world)
    assert digest(one.world) != digest(other.world)


@pytest.mark.parametrize("clients", [0, 1, 5, 60])
def test_a_small_book_holds_what_there_is_room_for(clients: int) -> None:
    made = messy_book(clients, 3, TODAY)
    assert len(made.world.clients) == clients
    run_daily_cron(made.world)


Sentence = Callable[[World, Service], bool]
DOWN: dict[str, tuple[bool, bool]] = {
    # kind: (reason given, in debt)
    "abuse_blank": (False, False),
    "abuse_named": (True, False),
    "abuse_in_debt": (True, True),
    "down_for_months": (False, True),
    "down_lately": (False, True),
    "paid_but_down": (False, False),
    "staff_overdue": (True, True),
}


@pytest.mark.parametrize("name", DOWN)
def test_what_is_down_is_down_for_the_reason_it_says(book: MessyBook, name: str) -> None:
    reason, debt = DOWN[name]
    for service in services(book, name):
        assert service.status == "Suspended"
        assert bool(service.suspend_reason) is reason
        assert bool(overdue(book.world, service)) is debt


@pytest.mark.parametrize(
    "name",
    [
        "owing_exempt",
        "owing_override_past",
        "owing_override_open",
        "owing_override_ahead",
        "date_ahead",
        "moduleless",
    ],
)
def test_who_owes_and_is_up_owes_and_is_up(book: MessyBook, name: str) -> None:
    for service in services(book, name):
        assert service.status == "Active"
        assert overdue(book.world, service)


@pytest.mark.parametrize("name", ["lagging", "long_cancelled", "zero_dates", "closed_living", "odd_names"])
def test_who_owes_nothing_owes_nothing(book: MessyBook, name: str) -> None:
    for service in services(book, name):
        assert service.status == "Active"
        assert not overdue(book.world, service)


def test_dates_lag_lie_ahead_and_are_missing(book: MessyBook) -> None:
    for service in services(book, "lagging"):
        assert service.next_due is not None
        assert service.next_due < TODAY - timedelta(days=20)
    for service in services(book, "date_ahead"):
        assert service.next_due is not None
        assert service.next_due > TODAY
    for service in services(book, "zero_dates"):
        assert (service.registered, service.next_due) == (NO_DAY, None)
    overrides: dict[str, Callable[[date | None], bool]] = {
        "owing_override_past": lambda day: day is not None and day < TODAY,
        "owing_override_open": lambda day: day is None,
        "owing_override_ahead": lambda day: day is not None and day > TODAY,
    }
    for name, fits in overrides.items():
        assert all(each.override and fits(each.override_until) for each in services(book, name))


def test_invoices_are_what_they_are_listed_as(book: MessyBook) -> None:
    world = book.world
    for number in book.imported:
        invoice = world.invoices[number]
        assert invoice.due < TODAY - timedelta(days=365)
        assert invoice.created >= TODAY - timedelta(days=3)
    assert {world.invoices[number].due for number in book.undated} == {NO_DAY}
    assert {world.invoices[number].status for number in book.drafts} == {"Draft"}
    assert {world.invoices[number].status for number in book.collections} == {"Collections"}
    assert {world.invoices[number].status for number in book.pending_long} == {"Payment Pending"}
    assert {world.invoices[number].status for number in book.refunded} == {"Refunded"}
    for name, kinds in (("handmade", {""}), ("mass", {"Invoice"}), ("late_fees", {"LateFee"})):
        assert {line.type for number in book.kinds[name] for line in world.invoices[number].lines} == kinds
    assert all("Hosting" not in {line.type for line in world.invoices[number].lines} for number in book.domain_only)
    assert all(0 < world.balance(world.invoices[number]) < 100 for number in book.tiny)
    for number in book.charged_back:
        invoice = world.invoices[number]
        assert (invoice.status, world.balance(invoice)) == ("Unpaid", invoice.total)
        assert any(entry.amount_out for entry in world.transactions_of(invoice))
    for number in book.of_deleted:
        assert all(line.relid not in world.services for line in world.invoices[number].lines if line.type == "Hosting")
    for service in services(book, "moved"):
        assert {each.client for each in overdue(world, service)}.isdisjoint({service.client})


def test_products_groups_and_accounts_are_lost_or_shared(book: MessyBook) -> None:
    world = book.world
    assert LOST_PRODUCT not in world.products
    assert {each.product for each in services(book, "productless")} == {LOST_PRODUCT}
    assert LOST_GROUP not in world.groups
    assert {world.clients[each.client].group for each in services(book, "lost_group")} == {LOST_GROUP}
    assert {world.products[each.product].module for each in services(book, "moduleless")} == {""}
    accounts = [(each.server, each.username) for each in services(book, "twins")]
    assert len(set(accounts)) * 2 == len(accounts)
    for number in book.orphan_addons:
        assert world.addons[number].status == "Active"
        assert world.services[world.addons[number].service].status == "Terminated"
    assert {world.clients[each.client].status for each in services(book, "closed_living")} == {"Closed", "Inactive"}
    assert any("&" in world.clients[each.client].firstname for each in services(book, "odd_names"))
    assert world.module_queue


def test_one_gateway_booked_money_for_a_year_and_then_none(book: MessyBook) -> None:
    booked = [
        invoice.paid_at.date()
        for invoice in book.world.invoices.values()
        if invoice.gateway == SILENT_GATEWAY and invoice.paid_at is not None
    ]
    assert len(booked) > 100
    assert TODAY - timedelta(days=30) < max(booked) <= TODAY - timedelta(days=21)
    assert len(book.silenced) > 5


def test_whmcs_own_cron_finds_an_ordinary_days_work_in_it() -> None:
    """Who was not ended by it has a reason not to be: nothing of the mess goes on the first day."""
    made = messy_book(800, 5, TODAY)
    report = run_daily_cron(made.world)
    assert len(report.suspended) < 800 * 0.02
    assert len(report.terminated) < 800 * 0.005
    assert not set(report.terminated) & {number for name in DOWN for number in made.kinds[name]}
    assert not set(report.suspended) & {*made.lagging, *made.date_ahead, *made.owing_exempt}


def test_weeks_go_by_in_it_and_the_silent_gateway_stays_silent() -> None:
    made = messy_book(400, 5, TODAY)
    rng = Random(1)
    for _ in range(30):
        advance(made.world)
        live_one_day(made.world, rng)
    paid = [each for each in made.world.log if each.kind == "payment"]
    assert len(paid) > 100
    assert not {made.world.invoices[each.invoice].gateway for each in paid} & {SILENT_GATEWAY}


def test_serve_offers_it() -> None:
    said = CliRunner().invoke(cli, ["simulator", "serve", "--help"]).output
    assert "--messy" in said
