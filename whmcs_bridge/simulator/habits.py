"""How the simulated clients pay: each has a habit that the seeded history and the days to come share."""

from enum import StrEnum
from random import Random

from whmcs_bridge.simulator.automation import (
    payment_failed,
    payment_pending,
    payment_settled,
    record_payment,
)
from whmcs_bridge.simulator.endings import END_OF_PERIOD, IMMEDIATE, open_request, request_cancellation
from whmcs_bridge.simulator.records import Actor, Client, Invoice, InvoiceStatus, Service, ServiceStatus, Ticket
from whmcs_bridge.simulator.state import World

SEED_SETTING = "SimulatorSeed"
"""The configuration value that holds a book's seed, so that habits outlive the generator."""
SILENT_SETTING = "SimulatorSilentGateway"
"""The configuration value that names a gateway whose payments are not booked any more."""


class Habit(StrEnum):
    """When a client pays."""

    EARLY = "early"
    ON_TIME = "on time"
    REMINDED = "after a reminder"
    SUSPENDED = "after suspension"
    NEVER = "never"


SHARES: tuple[tuple[float, Habit], ...] = (
    (0.27, Habit.EARLY),
    (0.71, Habit.ON_TIME),
    (0.87, Habit.REMINDED),
    (0.955, Habit.SUSPENDED),
    (1.0, Habit.NEVER),
)
"""Upper bounds of each habit's share of all clients."""

SLOW_GATEWAYS = frozenset({"boleto", "banktransfer"})
"""Money that is on its way for days before it is booked."""
DAYS_TO_SETTLE = 2
TIRED_AFTER_DAYS = 30
"""Days overdue after which even who waits for a suspension may pay without one."""
FORGOTTEN_AFTER_DAYS = 20
"""Days overdue after which who pays in time has forgotten an invoice, and remembers it on a day in fifty."""
_GOLDEN = 2654435769
"""2**32 over the golden ratio: multiples of it spread evenly, so that even twenty clients show every habit."""


def habit_of(seed: int, client: int) -> Habit:
    """The habit of a client, by its id: the same for ever in a book of one seed."""
    share = _spread(seed, client) / 2**32
    return next(habit for bound, habit in SHARES if share < bound)


def delay_of(seed: int, client: int, habit: Habit) -> int:
    """Days between due date and payment in ordinary times; negative is early. NEVER has none: 0."""
    draw = (_spread(seed, client) * 48271) % 2147483647
    match habit:
        case Habit.EARLY:
            return -2 - draw % 6
        case Habit.ON_TIME:
            return -(draw % 2)
        case Habit.REMINDED:
            return 1 + draw % 5
        case Habit.SUSPENDED:
            return 7 + draw % 9
        case _:
            return 0


def _spread(seed: int, client: int) -> int:
    return (client * _GOLDEN + seed * 40503) % 2**32


def live_one_day(world: World, rng: Random) -> list[str]:
    """Let every client do what it does on `world.today`; return what happened, a sentence each.

    Pending money settles or bounces; open invoices are paid by habit, through the payment automation;
    now and then a client pays a part, asks to cancel, or disputes an invoice. The same world and the
    same `rng` state give the same day.
    """
    seed, silent = world.number(SEED_SETTING), world.settings.get(SILENT_SETTING)
    said: list[str] = []
    for invoice in list(world.invoices_in(InvoiceStatus.PAYMENT_PENDING)):
        _settle(world, invoice, rng, said)
    touched: set[int] = set()
    for invoice in list(world.invoices_in(InvoiceStatus.UNPAID)):
        if invoice.client in touched or world.clients[invoice.client].status == "Closed":
            continue
        if invoice.gateway == silent:
            continue  # paid or not, nobody hears of it
        if _wants_to_pay(world, invoice, habit_of(seed, invoice.client), seed, rng):
            _pay(world, invoice, rng, said)
            # a debtor of several invoices pays one a day, the oldest first
            touched.add(invoice.client)
        elif invoice.due < world.today:
            _grumble(world, invoice, rng, said)
    return said


def _settle(world: World, invoice: Invoice, rng: Random, said: list[str]) -> None:
    since = invoice.updated_at or world.clock
    if (world.clock - since).days < DAYS_TO_SETTLE:
        return
    if rng.random() < 0.04:
        payment_failed(world, invoice)
        said.append(f"The payment of {_words(world, invoice)} bounced.")
    else:
        payment_settled(world, invoice, f"S{invoice.id}")
        said.append(f"The money for {_words(world, invoice)} has arrived.")


def _wants_to_pay(world: World, invoice: Invoice, habit: Habit, seed: int, rng: Random) -> bool:
    overdue = (world.today - invoice.due).days
    if habit is Habit.NEVER:
        return False
    if habit is Habit.SUSPENDED:
        down = _is_down(world, invoice.client)
        return rng.random() < (0.35 if down else 0.03 if overdue > TIRED_AFTER_DAYS else 0.0)
    if overdue > FORGOTTEN_AFTER_DAYS:
        return rng.random() < 0.02
    return overdue >= delay_of(seed, invoice.client, habit)


def _is_down(world: World, client: int) -> bool:
    services = (world.services[number] for number in world.services_by_client.get(client, ()))
    return any(service.status == ServiceStatus.SUSPENDED for service in services)


def _pay(world: World, invoice: Invoice, rng: Random, said: list[str]) -> None:
    owed = world.balance(invoice)
    if owed <= 0:
        return
    what = _words(world, invoice)
    if invoice.gateway in SLOW_GATEWAYS and rng.random() < 0.5:
        payment_pending(world, invoice)
        said.append(f"{_who(invoice)} sends money for {what}; the bank takes {DAYS_TO_SETTLE} days.")
        return
    if rng.random() < 0.02:
        record_payment(world, invoice, max(owed // 2, 1), transid=_transid(world))
        said.append(f"{_who(invoice)} pays half of {what}.")
        return
    overdue = (world.today - invoice.due).days
    record_payment(world, invoice, None, transid=_transid(world))
    said.append(f"{_who(invoice)} pays {what}, {_when(overdue)}.")


def _grumble(world: World, invoice: Invoice, rng: Random, said: list[str]) -> None:
    """What a debtor does instead of paying, rarely: leave, or dispute the invoice."""
    chance = rng.random()
    client = world.clients[invoice.client]
    if chance < 0.002:
        open_dispute(world, client, invoice)
        said.append(f"{_who(invoice)} disputes {_words(world, invoice)}.")
    elif chance < 0.006:
        service = _living_service(world, client)
        if service is not None and open_request(world, service) is None:
            kind = END_OF_PERIOD if rng.random() < 0.7 else IMMEDIATE
            request_cancellation(world, service, kind, "No longer needed")
            said.append(f"{_who(invoice)} asks to cancel {service.domain or f'service {service.id}'} ({kind}).")


def open_dispute(world: World, client: Client, invoice: Invoice) -> Ticket:
    """A client's ticket about an invoice it does not accept; fires TicketOpen."""
    with world.acting(Actor.CLIENT):
        subject = f"Wrong amount on invoice #{invoice.id}"
        message = "This invoice is not right. Please check it before you go on."
        ticket = world.add_ticket(Ticket(0, "", "simulated", 1, client.id, subject, message, world.clock, world.clock))
        ticket.tid = f"{100000 + ticket.id}"
        ticket.name, ticket.email = f"{client.firstname} {client.lastname}", client.email
        world.record("ticket", client=client.id, invoice=invoice.id, detail=subject)
        world.fire(
            "TicketOpen",
            {
                "ticketid": ticket.id,
                "ticketmask": ticket.tid,
                "userid": client.id,
                "deptid": ticket.department,
                "deptname": world.departments[1].name,
                "subject": subject,
                "message": message,
                "priority": ticket.priority,
            },
        )
        return ticket


def _living_service(world: World, client: Client) -> Service | None:
    services = (world.services[number] for number in world.services_by_client.get(client.id, ()))
    living = (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED)
    return next((service for service in services if service.status in living), None)


def _when(overdue: int) -> str:
    if not overdue:
        return "on time"
    days = "1 day" if abs(overdue) == 1 else f"{abs(overdue)} days"
    return f"{days} {'late' if overdue > 0 else 'early'}"


def _who(invoice: Invoice) -> str:
    return f"Client {invoice.client}"


def _words(world: World, invoice: Invoice) -> str:
    currency = world.currencies[world.clients[invoice.client].currency]
    whole, rest = divmod(abs(invoice.total), 100)
    return f"invoice {invoice.id} ({currency.code} {whole}.{rest:02d})"


def _transid(world: World) -> str:
    return f"P{world.counters.get('transaction', 0) + 1}"
