import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from random import Random

import pytest

from whmcs_bridge.simulator.cron import advance, run_daily_cron
from whmcs_bridge.simulator.cycles import add_months, months_in
from whmcs_bridge.simulator.habits import Habit, delay_of, habit_of, live_one_day
from whmcs_bridge.simulator.records import InvoiceStatus
from whmcs_bridge.simulator.seed import EXEMPT, VIP, BookShape, digest, generate
from whmcs_bridge.simulator.state import World

TODAY = date(2025, 6, 10)


@pytest.fixture(scope="module")
def book() -> World:
    """A company of 1,500 clients; tests that change it make their own."""
    return generate(1500, seed=7, today=TODAY)


def test_the_same_seed_gives_the_same_book_record_for_record() -> None:
    one, two = generate(120, 3, TODAY), generate(120, 3, TODAY)
    assert digest(one) == digest(two)
    assert digest(one) != digest(generate(120, 4, TODAY))


def test_a_book_does_not_depend_on_the_process_that_makes_it() -> None:
    """Hash randomisation must not leak into a book."""
    program = (
        "from datetime import date; from whmcs_bridge.simulator.seed import digest, generate;"
        "import sys; sys.stdout.write(digest(generate(60, 3, date(2025, 6, 10))))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    ).stdout
    assert elsewhere == digest(generate(60, 3, TODAY))


def test_a_book_holds_every_kind_of_invoice_service_and_oddity(book: World) -> None:
    assert {invoice.status for invoice in book.invoices.values()} == set(InvoiceStatus)
    lines = {line.type for invoice in book.invoices.values() for line in invoice.lines}
    assert lines >= {"Hosting", "Addon", "Domain", "LateFee", "GroupDiscount", "AddFunds", "Invoice", ""}
    assert {service.status for service in book.services.values()} >= {
        "Active",
        "Suspended",
        "Terminated",
        "Cancelled",
        "Pending",
        "Completed",
    }
    reasons = Counter(bool(each.suspend_reason) for each in book.services.values() if each.status == "Suspended")
    assert min(reasons[True], reasons[False]) > 0
    overrides = [service.override_until for service in book.services.values() if service.override]
    assert None in overrides
    assert any(until is not None and until < TODAY for until in overrides)
    assert any(until is not None and until > TODAY for until in overrides)
    assert {client.group for client in book.clients.values()} == {0, 1, 2, 3}
    assert {client.currency for client in book.clients.values()} == {1, 2, 3}
    assert {invoice.gateway for invoice in book.invoices.values()} == {
        "boleto",
        "banktransfer",
        "paypal",
        "creditcard",
    }
    for table in (book.tickets, book.contacts, book.emails, book.cancel_requests, book.credits, book.notes):
        assert table
    assert any(client.email.endswith(".example.net") for client in book.clients.values())


def test_debts_have_every_age(book: World) -> None:
    ages = [(TODAY - invoice.due).days for invoice in book.invoices_in("Unpaid", "Collections")]
    for low, high in ((0, 5), (5, 15), (15, 45), (45, 120), (120, 400)):
        assert any(low <= age < high for age in ages), f"none between {low} and {high} days"


def test_even_a_small_book_has_debtors_and_odd_cases() -> None:
    book = generate(60, 1, TODAY)
    overdue = [invoice for invoice in book.invoices_in("Unpaid") if invoice.due < TODAY]
    assert len(overdue) >= 3
    assert book.tickets
    assert any(service.override for service in book.services.values())
    assert any(client.credit for client in book.clients.values())
    assert {client.group for client in book.clients.values()} >= {0, VIP}


@pytest.mark.parametrize("clients", [0, 1, 2, 5])
def test_the_smallest_companies_can_be_made_and_lived_in(clients: int) -> None:
    book = generate(clients, 9, TODAY)
    assert len(book.clients) == clients
    live(book, 40)


def test_the_indexes_of_a_book_are_whole(book: World) -> None:
    for number, invoice in book.invoices.items():
        assert invoice.id == number
        assert number in book.invoices_by_client[invoice.client]
        assert invoice.total == sum(line.amount for line in invoice.lines)
        for line in invoice.lines:
            if line.type == "Hosting":
                assert book.services[line.relid].client == invoice.client
                assert number in book.invoices_by_service[line.relid]
    assert book.users_of_client == {number: [number] for number in book.clients}
    for kind, table in (("invoice", book.invoices), ("service", book.services), ("client", book.clients)):
        assert book.counters[kind] == max(table)
    line_ids = [line.id for invoice in book.invoices.values() for line in invoice.lines]
    assert len(line_ids) == len(set(line_ids)) == book.counters["line"]
    for status, numbers in book.services_by_status.items():
        assert {book.services[number].status for number in numbers} <= {status}


def test_invoices_are_numbered_in_the_order_they_were_made(book: World) -> None:
    renewals = [invoice for invoice in book.invoices.values() if invoice.lines[0].type == "Hosting"]
    days = [invoice.created for invoice in renewals]
    assert days == sorted(days)


def test_money_adds_up_in_settled_history(book: World) -> None:
    for invoice in book.invoices.values():
        if invoice.status == InvoiceStatus.PAID:
            assert book.balance(invoice) == 0
            assert book.transactions_of(invoice)[0].amount_in == invoice.total
        if invoice.status == InvoiceStatus.REFUNDED:
            assert book.balance(invoice) == invoice.total
    stored = set(book.transactions)
    derived = {invoice.id for invoice in book.invoices.values() if invoice.plain_payment}
    assert not stored & derived


def test_a_service_is_due_for_the_first_period_it_has_not_paid(book: World) -> None:
    """Its date is whole cycles after its registration, and at or before what it was last invoiced for."""
    for service in book.services.values():
        months = months_in(service.cycle)
        if not months or service.status == "Pending" or service.next_due is None:
            continue
        elapsed = (service.next_due.year - service.registered.year) * 12
        elapsed += service.next_due.month - service.registered.month
        assert elapsed % months == 0
        assert service.next_due == add_months(service.registered, elapsed)
        unpaid = [
            invoice.due
            for invoice in (book.invoices[number] for number in book.invoices_by_service.get(service.id, ()))
            if invoice.status in ("Unpaid", "Payment Pending", "Collections")
        ]
        if unpaid:
            assert service.next_due == min(unpaid)


def test_a_service_belongs_to_its_time_and_a_book_never_to_the_future(book: World) -> None:
    for service in book.services.values():
        assert book.clients[service.client].created <= service.registered <= TODAY
        assert service.terminated is None or service.terminated <= TODAY
    for invoice in book.invoices.values():
        assert invoice.created <= TODAY
        assert invoice.paid_at is None or invoice.paid_at.date() < TODAY


def test_the_first_cron_on_a_fresh_book_finds_only_an_ordinary_days_work() -> None:
    """What was due to be invoiced has been: the rest is one day's share of the book."""
    book = generate(600, 5, TODAY)
    report = run_daily_cron(book)
    assert len(report.invoices) < 600 * 0.05
    assert not report.suspended
    assert not report.terminated


@pytest.mark.parametrize("continuous", [False, True])
def test_continuous_generation_decides_how_many_invoices_a_debtor_has(continuous: bool) -> None:
    book = generate(400, 2, TODAY, shape=BookShape(continuous=continuous))
    most = max(
        sum(book.invoices[number].status in ("Unpaid", "Collections") for number in numbers)
        for numbers in book.invoices_by_service.values()
    )
    assert (most > 2) is continuous


def test_history_reaches_back_as_far_as_asked() -> None:
    book = generate(200, 2, TODAY, months_of_history=3)
    oldest = min(invoice.due for invoice in book.invoices.values())
    assert date(2025, 3, 1) <= oldest <= date(2025, 3, 31)


def test_habits_are_spread_evenly_and_last() -> None:
    habits = Counter(habit_of(1, client) for client in range(1, 201))
    assert set(habits) == set(Habit)
    assert habits[Habit.ON_TIME] > habits[Habit.REMINDED] > habits[Habit.NEVER] > 0
    assert all(delay_of(1, client, Habit.EARLY) < 0 < delay_of(1, client, Habit.REMINDED) for client in range(50))


# --- living on ------------------------------------------------------------------------------------


def live(world: World, days: int, seed: int = 1) -> list[str]:
    rng = Random(seed)
    said = []
    for _ in range(days):
        advance(world)
        said += live_one_day(world, rng)
    return said


def test_the_same_rng_lives_the_same_days() -> None:
    one, two = generate(80, 3, TODAY), generate(80, 3, TODAY)
    assert live(one, 20) == live(two, 20)
    assert digest(one) == digest(two)


def test_sixty_days_go_by_with_a_strict_whmcs() -> None:
    """Invoices come and are paid; who pays only when suspended is suspended and comes back; who never
    pays ends; and nobody's account is ever in the red."""
    world = generate(150, 11, TODAY)
    world.settings |= {
        "AutoSuspension": "on",
        "AutoSuspensionDays": "5",
        "AutoTermination": "on",
        "AutoTerminationDays": "30",
        "AutoUnsuspend": "on",
    }
    before = len(world.invoices)
    said = live(world, 60)
    assert world.today == TODAY + timedelta(days=60)
    assert len(world.invoices) > before + 150
    kinds = Counter(event.kind for event in world.log)
    assert min(kinds["module:suspend"], kinds["module:unsuspend"], kinds["module:terminate"]) > 0
    assert kinds["payment"] > 150
    assert any(sentence.endswith("on time.") for sentence in said)
    assert any("days late" in sentence for sentence in said)
    assert all(client.credit >= 0 for client in world.clients.values())
    ended = {event.client for event in world.log if event.kind == "module:terminate" and event.actor == "cron"}
    assert any(habit_of(11, client) is Habit.NEVER for client in ended)


def test_groups_are_as_the_policy_examples_name_them(book: World) -> None:
    assert book.groups[VIP].name == "VIP"
    assert book.groups[EXEMPT].exempt
    assert [group.name for group in book.product_groups.values()] == ["Hosting", "Resellers", "VPS", "Licences"]
