"""The indexes of a world stay right through every change."""

from datetime import date, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.simulator.worlds import a_client, a_service, a_world, an_addon, hosting
from whmcs_bridge.simulator.records import Client, Invoice, InvoiceLine, InvoiceStatus, ServiceStatus, Transaction
from whmcs_bridge.simulator.state import CLOSED, World, aborts

STATUSES = st.sampled_from(list(InvoiceStatus))
PICK = st.integers(0, 10**6)


class Changes(RuleBasedStateMachine):
    """Random mutations of a small company, with every index recomputed after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = a_world()
        a_service(self.world, a_client(self.world))

    def pick(self, table: dict[int, Any], number: int) -> Any:
        keys = sorted(table)
        return table[keys[number % len(keys)]] if keys else None

    @rule()
    def client(self) -> None:
        a_client(self.world)

    @rule(number=PICK)
    def service(self, number: int) -> None:
        client = self.pick(self.world.clients, number)
        if client:
            an_addon(self.world, a_service(self.world, client))

    @rule(number=PICK, status=STATUSES)
    def invoice(self, number: int, status: str) -> None:
        service = self.pick(self.world.services, number)
        if service:
            day = date(2025, 1, 1)
            self.world.add_invoice(
                Invoice(0, service.client, day, day, status, lines=[hosting(service), hosting(service, 5)])
            )

    @rule(number=PICK, status=STATUSES)
    def invoice_status(self, number: int, status: str) -> None:
        invoice = self.pick(self.world.invoices, number)
        if invoice:
            self.world.set_invoice_status(invoice, status)

    @rule(number=PICK, status=st.sampled_from(list(ServiceStatus)))
    def service_status(self, number: int, status: str) -> None:
        service = self.pick(self.world.services, number)
        if service:
            self.world.set_service_status(service, status)

    @rule(number=PICK, other=PICK)
    def lines(self, number: int, other: int) -> None:
        invoice, service = self.pick(self.world.invoices, number), self.pick(self.world.services, other)
        if invoice and service:
            self.world.add_line(invoice, hosting(service, other % 1000))
            self.world.remove_lines(invoice, [invoice.lines[0].id])

    @rule(number=PICK, other=PICK)
    def move(self, number: int, other: int) -> None:
        client = self.pick(self.world.clients, other)
        service, invoice = self.pick(self.world.services, number), self.pick(self.world.invoices, number)
        if client and service:
            self.world.move_service(service, client.id)
        if client and invoice:
            self.world.move_invoice(invoice, client.id)

    @rule(number=PICK)
    def payment(self, number: int) -> None:
        invoice = self.pick(self.world.invoices, number)
        if invoice:
            entry = Transaction(0, invoice.client, invoice.id, "paypal", self.world.clock, number % 5000)
            self.world.add_transaction(entry)

    @rule(number=PICK, what=st.sampled_from(["service", "invoice", "client"]))
    def removal(self, number: int, what: str) -> None:
        if what == "service" and (service := self.pick(self.world.services, number)):
            self.world.delete_service(service)
        elif what == "invoice" and (invoice := self.pick(self.world.invoices, number)):
            self.world.delete_invoice(invoice)
        elif what == "client" and (client := self.pick(self.world.clients, number)):
            self.world.delete_client(client)

    @invariant()
    def indexes_are_right(self) -> None:
        world = self.world
        assert grouped(world.services, "client") == cleaned(world.services_by_client)
        assert grouped(world.services, "status") == cleaned(world.services_by_status)
        assert grouped(world.addons, "service") == cleaned(world.addons_by_service)
        assert grouped(world.invoices, "client") == cleaned(world.invoices_by_client)
        openly = {number: row for number, row in world.invoices.items() if row.status not in CLOSED}
        assert grouped(openly, "status") == cleaned(world.invoices_by_status)
        by_service: dict[Any, list[int]] = {}
        for number, invoice in world.invoices.items():
            for service in {line.relid for line in invoice.lines if line.type == "Hosting"}:
                by_service.setdefault(service, []).append(number)
        assert {key: sorted(ids) for key, ids in by_service.items()} == cleaned(world.invoices_by_service)

    @invariant()
    def totals_follow_the_lines(self) -> None:
        for invoice in self.world.invoices.values():
            assert invoice.subtotal == sum(line.amount for line in invoice.lines)
            assert invoice.total == invoice.subtotal + invoice.tax + invoice.tax2 - invoice.credit


def grouped(table: dict[int, Any], name: str) -> dict[Any, list[int]]:
    result: dict[Any, list[int]] = {}
    for number, row in table.items():
        result.setdefault(getattr(row, name), []).append(number)
    return {key: sorted(ids) for key, ids in result.items()}


def cleaned(index: Any) -> dict[Any, list[int]]:
    return {key: sorted(ids) for key, ids in index.items() if ids}


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def an_invoice_of(world: World, **fields: Any) -> Invoice:
    service = a_service(world, a_client(world))
    return world.add_invoice(Invoice(0, service.client, date(2025, 1, 1), date(2025, 1, 8), **fields))


def test_taxes_apply_to_taxed_lines_half_up() -> None:
    lines = [InvoiceLine(0, "", 0, "a", 1005, True), InvoiceLine(0, "", 0, "b", 5000)]
    invoice = an_invoice_of(a_world(), lines=lines, taxrate=10_000, taxrate2=5_000)
    assert (invoice.subtotal, invoice.tax, invoice.tax2, invoice.total) == (6005, 101, 50, 6156)


def test_settled_history_has_one_derived_payment_and_no_balance() -> None:
    world = a_world()
    paid = datetime(2025, 1, 7, 9, 0)  # noqa: DTZ001 (wall clock)
    lines = [InvoiceLine(0, "", 0, "a", 1000)]
    invoice = an_invoice_of(world, lines=lines, status="Paid", paid_at=paid, plain_payment=True)
    payment = world.transactions_of(invoice)[0]
    assert (payment.amount_in, payment.at, world.balance(invoice)) == (1000, paid, 0)
    assert not world.transactions


def test_a_balance_is_the_total_less_payments_plus_refunds() -> None:
    world = a_world()
    invoice = an_invoice_of(world, lines=[InvoiceLine(0, "", 0, "a", 1000)], credit=100)
    world.add_transaction(Transaction(0, 1, invoice.id, "paypal", world.clock, amount_in=600))
    world.add_transaction(Transaction(0, 1, invoice.id, "paypal", world.clock, amount_out=50))
    assert world.balance(invoice) == 350


def test_given_ids_are_never_given_out_again() -> None:
    world = a_world()
    world.add_client(Client(7, "Ann"))
    assert a_client(world).id == 8


def test_acting_is_undone_even_by_an_error() -> None:
    world = a_world()
    before = world.actor
    try:
        with world.acting("cron"):
            assert world.actor == "cron"
            raise ValueError
    except ValueError:
        pass
    assert world.actor == before


def test_any_abort_wins() -> None:
    assert aborts([{}, {"abortcmd": True}])
    assert not aborts([{}, {"abortcmd": False}, {"other": True}])


def test_closed_invoices_are_found_by_looking_at_all() -> None:
    world = a_world()
    invoice = an_invoice_of(world, lines=[InvoiceLine(0, "", 0, "a", 1000)])
    world.set_invoice_status(invoice, InvoiceStatus.PAID)
    assert list(world.invoices_in(InvoiceStatus.PAID)) == [invoice]
    assert list(world.invoices_in(InvoiceStatus.UNPAID)) == []
