"""What makes a generated book a real one: the odd cases that every host has some of."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import TypeVar

from whmcs_bridge.simulator.endings import END_OF_PERIOD, IMMEDIATE
from whmcs_bridge.simulator.habits import open_dispute
from whmcs_bridge.simulator.records import (
    CancelRequest,
    Client,
    Contact,
    Email,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    Note,
    PayMethod,
    Service,
    ServiceStatus,
    Transaction,
)
from whmcs_bridge.simulator.state import World

T = TypeVar("T")
TRIAL, ONE_OFF = 8, 9
"""Products without a rhythm, by id; `seed` puts them into the catalogue under these numbers."""
_SUSPENDED_AFTER_DAYS = 20
_ENDED_AFTER_DAYS = 150


def add_details(world: World, rng: Random) -> None:
    """Add every odd case to a plain book, at least one of each where the book has room for it.

    Debtors' services suspended with a blank reason or ended, abuse, overrides, cancellation requests,
    disputes, credit, contacts, invoices of every status and kind, partial payments, mail. Leaves
    `world.log` empty: nothing of this happened today.
    """
    debts = _overdue(world)
    _act_on_debts(world, rng, debts)
    _suspend_for_abuse(world, rng)
    _set_overrides(world, rng, debts)
    _request_cancellations(world, rng)
    _add_people(world, rng)
    _add_credit(world, rng)
    _vary_open_invoices(world, rng)
    _vary_history(world, rng)
    _add_special_invoices(world, rng)
    _add_odd_services(world, rng)
    _add_mail(world)
    _dispute(world, rng)
    _close_clients(world)
    world.log.clear()
    world.activity.clear()


def some(rng: Random, items: Sequence[T], share: float) -> list[T]:
    """A random share of the items in their order, at least one if there are any."""
    if not items:
        return []
    count = min(max(1, round(len(items) * share)), len(items))
    return [items[position] for position in sorted(rng.sample(range(len(items)), count))]


def _overdue(world: World) -> list[Invoice]:
    return [invoice for invoice in world.invoices_in(InvoiceStatus.UNPAID) if invoice.due < world.today]


def _services_of(world: World, invoice: Invoice) -> list[Service]:
    return [world.services[line.relid] for line in invoice.lines if line.type == "Hosting"]


def _with_status(world: World, status: str) -> list[Service]:
    return [world.services[number] for number in sorted(world.services_by_status.get(status, ()))]


def _act_on_debts(world: World, rng: Random, debts: list[Invoice]) -> None:
    """Half of the old debts have been acted upon: suspended (mostly with a blank reason), or ended."""
    for invoice in debts:
        age = (world.today - invoice.due).days
        draw = rng.random()
        for service in _services_of(world, invoice):
            if service.status != ServiceStatus.ACTIVE or age < _SUSPENDED_AFTER_DAYS:
                continue
            if age > _ENDED_AFTER_DAYS and draw < 0.4:
                world.set_service_status(service, ServiceStatus.TERMINATED)
                service.terminated = invoice.due + timedelta(days=60)
            elif draw < 0.6:
                world.set_service_status(service, ServiceStatus.SUSPENDED)
                service.suspend_reason = "" if draw < 0.5 else "Does not answer our calls"


def _suspend_for_abuse(world: World, rng: Random) -> None:
    reasons = ("Abuse: outgoing spam", "Abuse: phishing page", "Court order", "Resource use")
    for service in some(rng, _with_status(world, ServiceStatus.ACTIVE), 0.004):
        world.set_service_status(service, ServiceStatus.SUSPENDED)
        service.suspend_reason = rng.choice(reasons)


def _set_overrides(world: World, rng: Random, debts: list[Invoice]) -> None:
    """Override Auto-Suspend on some services, debtors among them: ahead, past, and without an end."""
    owing = [service for invoice in debts for service in _services_of(world, invoice)]
    chosen = some(rng, owing, 0.05) + some(rng, _with_status(world, ServiceStatus.ACTIVE), 0.003)
    for position, service in enumerate(chosen):
        service.override = True
        days = (30, -10, None, 5)[position % 4]
        service.override_until = None if days is None else world.today + timedelta(days=days)


def _request_cancellations(world: World, rng: Random) -> None:
    """A few open requests, and the old ones that ended services as Cancelled."""
    for service in _with_status(world, ServiceStatus.CANCELLED):
        ended = service.terminated or world.today
        _request(world, service, _at(ended - timedelta(days=1)), IMMEDIATE)
    for service in some(rng, _with_status(world, ServiceStatus.ACTIVE), 0.005):
        asked = _at(world.today - timedelta(days=rng.randrange(1, 20)))
        _request(world, service, asked, END_OF_PERIOD)


def _request(world: World, service: Service, at: datetime, kind: str) -> None:
    world.add_cancel_request(CancelRequest(0, service.id, at, "No longer needed", kind))


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 15, 0)  # noqa: DTZ001 (WHMCS's wall clock)


def _add_people(world: World, rng: Random) -> None:
    clients = list(world.clients.values())
    for client in some(rng, clients, 0.10):
        kinds = frozenset(some(rng, ("general", "invoice", "product", "support"), 0.5))
        email = f"contact{client.id}@example.org"
        world.add_contact(
            Contact(0, client.id, "Contact", str(client.id), email=email, country=client.country, emails=kinds)
        )
    for client in some(rng, [each for each in clients if world.domains_by_client.get(each.id)], 0.03):
        # their only mailbox goes down with the site
        world.set_email(client, f"owner@site{client.id}.example.net")
    for client in some(rng, clients, 0.02):
        client.no_overdue_notices = True
    for client in some(rng, clients, 0.03):
        client.email_off = frozenset({"invoice"})
    for client in some(rng, clients, 0.02):
        client.separate_invoices = True
    for client in some(rng, clients, 0.01):
        number = world.new_id("note")
        world.notes[number] = Note(number, client.id, "Prefers to be called before noon.", world.clock)
    for client in [each for each in clients if each.gateway == "creditcard"]:
        number = world.new_id("pay_method")
        world.pay_methods[number] = PayMethod(
            number, client.id, "CreditCard", "Card", "creditcard", "Visa", "4242", "12/30"
        )


def _add_credit(world: World, rng: Random) -> None:
    for client in some(rng, list(world.clients.values()), 0.03):
        world.add_credit(client, rng.randrange(1, 60) * 50, "Goodwill")


def _vary_open_invoices(world: World, rng: Random) -> None:
    """Pending, in collections, part paid, with a late fee: the open invoices are not all alike."""
    debts = _overdue(world)
    for invoice in some(rng, debts, 0.10):
        world.set_invoice_status(invoice, InvoiceStatus.PAYMENT_PENDING)
        invoice.updated_at = world.clock - timedelta(days=rng.randrange(0, 4))
    debts = _overdue(world)
    for invoice in some(rng, debts, 0.08):
        paid = max(world.balance(invoice) // 3, 1)
        entry = Transaction(0, invoice.client, invoice.id, invoice.gateway, world.clock, paid)
        entry.transid = f"PART{invoice.id}"
        world.add_transaction(entry)
    for invoice in some(rng, debts, 0.15):
        world.add_line(invoice, InvoiceLine(0, "LateFee", invoice.id, "Late Fee", 250))
        invoice.updated_at = _at(invoice.due + timedelta(days=1))
    old = [invoice for invoice in debts if (world.today - invoice.due).days > 90]
    for invoice in some(rng, old, 0.10):
        world.set_invoice_status(invoice, InvoiceStatus.COLLECTIONS)


def _vary_history(world: World, rng: Random) -> None:
    """Some of what looks paid was refunded, and some was cancelled and never paid."""
    last = world.counters["invoice"]
    chosen = rng.sample(range(1, last + 1), min(max(6, last // 150), last))
    for position, number in enumerate(sorted(chosen)):
        invoice = world.invoices[number]
        if invoice.status != InvoiceStatus.PAID or invoice.paid_at is None:
            continue
        paid = invoice.paid_at
        if position % 2:
            _refund(world, invoice, paid + timedelta(days=3))
        else:
            invoice.plain_payment = False
            world.set_invoice_status(invoice, InvoiceStatus.CANCELLED)
            invoice.paid_at, invoice.cancelled_at = None, paid
            invoice.updated_at = paid


def _refund(world: World, invoice: Invoice, at: datetime) -> None:
    (payment,) = world.transactions_of(invoice)
    invoice.plain_payment = False
    world.add_transaction(payment)
    back = Transaction(0, invoice.client, invoice.id, invoice.gateway, at, amount_out=invoice.total)
    back.refund_of, back.transid, back.description = payment.id, f"R{invoice.id}", "Refund"
    world.add_transaction(back)
    paid_at = invoice.paid_at
    world.set_invoice_status(invoice, InvoiceStatus.REFUNDED)
    invoice.paid_at, invoice.refunded_at, invoice.updated_at = paid_at, at, at


def _add_special_invoices(world: World, rng: Random) -> None:
    """Drafts, hand-made ones, money put aside, and mass payments over several open invoices."""
    clients = list(world.clients.values())
    today = world.today
    for client in some(rng, clients, 0.003):
        line = InvoiceLine(0, "", 0, "Consulting, draft", 5000)
        _file(world, client, [line], today + timedelta(days=14), InvoiceStatus.DRAFT)
    for client in some(rng, clients, 0.005):
        due = today - timedelta(days=rng.randrange(-10, 40))
        _file(world, client, [InvoiceLine(0, "", 0, "Site transfer by hand", 4000)], due)
    for client in some(rng, clients, 0.004):
        due = today - timedelta(days=rng.randrange(0, 20))
        _file(world, client, [InvoiceLine(0, "AddFunds", client.id, "Add Funds", 10_000)], due)
    owing = [
        (client, open_ones)
        for client in clients
        if len(open_ones := _unpaid_of(world, client)) > 1 and client.group != 3
    ]
    for client, open_ones in some(rng, owing, 0.10):
        lines = [InvoiceLine(0, "Invoice", each.id, f"Invoice #{each.id}", world.balance(each)) for each in open_ones]
        _file(world, client, lines, today)


def _unpaid_of(world: World, client: Client) -> list[Invoice]:
    invoices = (world.invoices[number] for number in world.invoices_by_client.get(client.id, ()))
    special = ("AddFunds", "Invoice")
    return [
        invoice
        for invoice in invoices
        if invoice.status == InvoiceStatus.UNPAID and not any(line.type in special for line in invoice.lines)
    ]


def _file(
    world: World, client: Client, lines: list[InvoiceLine], due: date, status: str = InvoiceStatus.UNPAID
) -> None:
    created = min(due, world.today) - timedelta(days=5)
    invoice = Invoice(0, client.id, created, due, status, lines, gateway=client.gateway)
    invoice.created_at = invoice.updated_at = _at(created)
    world.add_invoice(invoice, recorded=False)


def _add_odd_services(world: World, rng: Random) -> None:
    """Free trials of a fixed term, one-time work, and orders nobody has accepted."""
    for position, client in enumerate(some(rng, list(world.clients.values()), 0.01)):
        start = max(client.created, world.today - timedelta(days=rng.randrange(1, 28)))
        service = Service(0, client.id, TRIAL, registered=start, gateway=client.gateway)
        if position % 3 == 0:
            service.username, service.domain = f"trial{client.id}", f"trial{client.id}.example.net"
            service.cycle, service.server = "Free Account", 1
        elif position % 3 == 1:
            service.product, service.cycle, service.amount = ONE_OFF, "One Time", 4000
            service.status = ServiceStatus.COMPLETED
        else:
            service.product, service.cycle, service.amount = 1, "Monthly", 590
            service.status, service.next_due, service.registered = ServiceStatus.PENDING, start, start
        world.add_service(service)


def _add_mail(world: World) -> None:
    """The mails that went with the open invoices; of the settled past none is kept."""
    for invoice in list(world.invoices_in(InvoiceStatus.UNPAID)):
        client = world.clients[invoice.client]
        if invoice.created_at is not None and "invoice" not in client.email_off:
            world.add_email(
                Email(
                    0,
                    client.id,
                    "Customer Invoice",
                    "<p>Invoice Created</p>",
                    invoice.created_at,
                    client.email,
                    template="Invoice Created",
                    relid=invoice.id,
                )
            )


def _dispute(world: World, rng: Random) -> None:
    for invoice in some(rng, _overdue(world), 0.04):
        open_dispute(world, world.clients[invoice.client], invoice)


def _close_clients(world: World) -> None:
    """A client whose every service has ended is Inactive."""
    ended = (ServiceStatus.CANCELLED, ServiceStatus.TERMINATED)
    for client in world.clients.values():
        services = [world.services[number] for number in world.services_by_client.get(client.id, ())]
        if services and all(service.status in ended for service in services):
            client.status = "Inactive"
