"""A book that ten years of hands, imports and modules have been through, and a list of who is what in it.

It is a generated book (`seed.generate`) whose WHMCS suspends after 5 days, ends after 30 and lifts its
own suspensions. Chosen clients, each for one mess only, are then brought into the states that such a
book holds. Everybody in it stays where he is when WHMCS's own cron runs: who was not ended has a reason.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from random import Random

from whmcs_bridge.simulator import cycles, modules
from whmcs_bridge.simulator.endings import END_OF_PERIOD, IMMEDIATE
from whmcs_bridge.simulator.habits import SILENT_SETTING
from whmcs_bridge.simulator.records import (
    NO_DAY,
    Addon,
    CancelRequest,
    Client,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    ModuleQueueEntry,
    PaymentMethod,
    Product,
    Service,
    ServiceStatus,
    Transaction,
)
from whmcs_bridge.simulator.seed import EXEMPT, BookShape, generate, without_garbage_collection
from whmcs_bridge.simulator.state import World

SUSPENDS_AFTER_DAYS, ENDS_AFTER_DAYS = 5, 30
"""WHMCS's own automation in such a house."""
SILENT_GATEWAY, SILENT_DAYS = "pix", 21
LOST_GROUP, LOST_PRODUCT, OLD_PRODUCT = 77, 777, 10
"""A client group and a product that no list names any more, and a hidden product without a module."""
SETTINGS = {
    "AutoSuspension": "on",
    "AutoSuspensionDays": str(SUSPENDS_AFTER_DAYS),
    "AutoTermination": "on",
    "AutoTerminationDays": str(ENDS_AFTER_DAYS),
    "AutoUnsuspend": "on",
    "AutoCancellationRequests": "",
    SILENT_SETTING: SILENT_GATEWAY,
}
_UNPAID, _PAID = InvoiceStatus.UNPAID, InvoiceStatus.PAID
_ACTIVE, _SUSPENDED, _TERMINATED = ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED, ServiceStatus.TERMINATED
_ABUSE = (
    "spam",
    "phishing report",
    "Abuse: outgoing spam (ticket 481516)",
    "DMCA",
    "malware, see ticket",
    "DDoS source",
)
_BY_STAFF = ("Overdue", "overdue, called twice", "Overdue on Payment", "nicht bezahlt", "awaiting payment")
_NAMES = (
    ("Zo&euml;", "&Oslash;rsted"),
    ("Jos\u00e9", "Gon\u00e7alves"),
    ("O&#039;Example", "Mc&quot;Test&quot;"),
    ("\u041f\u0440\u0438\u043c\u0435\u0440", "\u0422\u0435\u0441\u0442"),
    ("\u4f8b", "\u3048"),
    ("A &amp;amp; B", "&lt;none&gt;"),
)
_COMPANIES = ("Example &amp; S\u00f6hne GmbH", "P\u00e3o &amp; Caf&eacute; Ltda", "Test &lt;Two&gt; Ltd")


@dataclass(frozen=True, slots=True)
class MessyBook:
    """The world, and who is what in it: ids, ascending within a kind. No client is in two kinds."""

    world: World

    # services that are down
    abuse_blank: tuple[int, ...]
    """Suspended by staff for abuse, no reason given; the client owes nothing."""
    abuse_named: tuple[int, ...]
    """Suspended by staff with a reason; the client owes nothing."""
    abuse_in_debt: tuple[int, ...]
    """Suspended by staff with a reason that is not the debt; the service's invoice is unpaid too."""
    down_for_months: tuple[int, ...]
    """Suspended by WHMCS's cron months ago (blank), unpaid until today."""
    down_lately: tuple[int, ...]
    """Suspended by WHMCS's cron (blank), 6 to 28 days overdue."""
    paid_but_down: tuple[int, ...]
    """Suspended by WHMCS's cron (blank), paid since: nobody has lifted it."""
    staff_overdue: tuple[int, ...]
    """Suspended by staff for debt, in their own words."""

    # services that are up and in debt
    owing_exempt: tuple[int, ...]
    """A year in debt, in a group exempt from suspension."""
    owing_override_past: tuple[int, ...]
    """Long in debt; Override Auto-Suspend is on with a date that is past."""
    owing_override_open: tuple[int, ...]
    """Long in debt; the override has no date."""
    owing_override_ahead: tuple[int, ...]
    """Long in debt; the override's date lies ahead."""
    date_ahead: tuple[int, ...]
    """In debt, but the next due date lies ahead: WHMCS sees nothing."""
    moduleless: tuple[int, ...]
    """In debt, of a hidden product without a module."""
    productless: tuple[int, ...]
    """Of a product that does not exist any more; every other one is in debt."""

    # services that are up and owe nothing
    lagging: tuple[int, ...]
    """All paid, next due date months ago; WHMCS tried to suspend, failed, and does not try again."""
    long_cancelled: tuple[int, ...]
    """A cancellation request of long ago was never carried out."""
    zero_dates: tuple[int, ...]
    """Zero registration and next due dates."""
    twins: tuple[int, ...]
    """Two and two share an account name on one server; of every other pair one has ended."""
    moved: tuple[int, ...]
    """Given to another client; the unpaid invoice stayed with the old one."""
    closed_living: tuple[int, ...]
    """The client is Closed or Inactive, the service is Active."""
    lost_group: tuple[int, ...]
    """The client's group does not exist any more; every other client is in debt."""
    odd_names: tuple[int, ...]
    """The client's name holds HTML entities or letters of other alphabets."""

    # services that are neither up nor down
    pending_for_years: tuple[int, ...]
    completed: tuple[int, ...]
    fraud: tuple[int, ...]
    ended_owing: tuple[int, ...]
    """Terminated years ago; invoices are open, some in Collections."""
    orphan_addons: tuple[int, ...]
    """Addons (ids) that are Active on an ended service."""

    # invoices
    imported: tuple[int, ...]
    """Created days ago with a due date of years ago; the service is Active."""
    undated: tuple[int, ...]
    drafts: tuple[int, ...]
    handmade: tuple[int, ...]
    """Overdue, a line without type and relid."""
    mass: tuple[int, ...]
    """Mass payments over two overdue invoices."""
    of_deleted: tuple[int, ...]
    """Overdue, for a service whose record is gone."""
    domain_only: tuple[int, ...]
    """Overdue, for a domain nobody renews."""
    late_fees: tuple[int, ...]
    """A late fee is all that is left of it."""
    tiny: tuple[int, ...]
    """Paid but for some cents."""
    collections: tuple[int, ...]
    """In Collections; the service is Active."""
    pending_long: tuple[int, ...]
    """Payment Pending for months; the service is Active."""
    refunded: tuple[int, ...]
    charged_back: tuple[int, ...]
    """Paid, and the money went back: Unpaid again with the old due date; the service is Active."""
    silenced: tuple[int, ...]
    """Their gateway has booked nothing for three weeks; suspended by WHMCS from the sixth day on."""

    @property
    def kinds(self) -> dict[str, tuple[int, ...]]:
        """Every kind by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "world"}


def messy_book(clients: int, seed: int, today: date, months_of_history: int = 18) -> MessyBook:
    """A ten-year-old book of that many clients at 10:00 on `today`; the same arguments give the same book.

    From some 400 clients on every kind of mess is in it, in a smaller book as many as have room.
    """
    shape = BookShape(mean_tenure_months=48, oldest_months=120)
    world = generate(clients, seed, today, months_of_history, shape)
    with without_garbage_collection():
        world.settings |= SETTINGS
        world.add_payment_method(PaymentMethod(SILENT_GATEWAY, "Pix"))
        world.add_product(Product(OLD_PRODUCT, 1, "Webspace 2014 &amp; mail", "hostingaccount", hidden=True))
        _let_whmcs_act(world)
        mess = _Mess(world, Random(f"mess {seed}"))
        for name, share, make in _MAKERS:
            for place in range(max(1, round(share * clients))):
                mess.make(name, make, place)
        world.log.clear()
        world.activity.clear()
    return MessyBook(world, **{name: tuple(sorted(found)) for name, found in mess.found.items()})


def _let_whmcs_act(world: World) -> None:
    """What WHMCS's cron has done with the plain book's debtors by today; who has an override got a later date."""
    exempt = {group.id for group in world.groups.values() if group.exempt}
    for service in list(world.services.values()):
        if service.status not in (_ACTIVE, _SUSPENDED) or service.next_due is None:
            continue
        late = (world.today - service.next_due).days
        if late < SUSPENDS_AFTER_DAYS or not cycles.months_in(service.cycle):
            continue
        if world.clients[service.client].group in exempt or not modules.module_of(world, service):
            continue
        if service.override:
            _put_off(world, service, 40)
        elif late > ENDS_AFTER_DAYS:
            _end(world, service, service.next_due + timedelta(days=ENDS_AFTER_DAYS + 1))
        elif service.status == _ACTIVE:
            world.set_service_status(service, _SUSPENDED)


class _Mess:
    """Hands out clients who are like any other, one mess each, and keeps what was made of them."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng, self.today = world, rng, world.today
        self.found: dict[str, list[int]] = {each.name: [] for each in fields(MessyBook) if each.name != "world"}
        ordinary = list(_ordinary(world))
        rng.shuffle(ordinary)
        self._left = ordinary

    def next_one(self) -> Service | None:
        """The next ordinary service, or None when all are taken."""
        return self._left.pop() if self._left else None

    def make(self, name: str, make: "_Maker", place: int) -> None:
        """Make one mess, if anybody is left for it."""
        service = self.next_one()
        if service is not None:
            self.found[name] += make(self, service, place)

    def client_of(self, service: Service) -> Client:
        return self.world.clients[service.client]

    def days(self, low: int, high: int) -> int:
        return self.rng.randrange(low, high)


def _ordinary(world: World) -> Iterator[Service]:
    """Monthly services with a module whose client has no other, no group, no credit, no request, and owes nothing."""
    owing = {each.client for each in world.invoices_in(*_OPEN) if each.due < world.today or len(each.lines) > 3}
    leaving = {request.service for request in world.cancel_requests.values()}
    young = world.today - timedelta(days=75)
    for client in world.clients.values():
        mine = world.services_by_client.get(client.id, ())
        if len(mine) != 1 or client.group or client.credit or client.id in owing or client.status != "Active":
            continue
        service = world.services[mine[0]]
        if service.status != _ACTIVE or service.override or service.cycle != "Monthly" or service.registered > young:
            continue
        if service.id not in leaving and service.domain and modules.module_of(world, service):
            yield service


_OPEN = (_UNPAID, InvoiceStatus.COLLECTIONS, InvoiceStatus.PAYMENT_PENDING)
_Maker = Callable[[_Mess, Service, int], list[int]]


# --- hands ------------------------------------------------------------------------------------------


def _at(day: date) -> datetime:
    return datetime.combine(day, time(15, 0))


def _bills(world: World, service: Service) -> list[Invoice]:
    return [world.invoices[number] for number in world.invoices_by_service.get(service.id, ())]


def _open_again(world: World, invoice: Invoice, status: str = _UNPAID) -> None:
    """As if it had never been paid."""
    invoice.plain_payment = False
    world.set_invoice_status(invoice, status)
    invoice.paid_at = invoice.cancelled_at = invoice.refunded_at = None
    invoice.updated_at = invoice.created_at


def _stop_paying(mess: _Mess, service: Service, low: int, high: int, status: str = _UNPAID) -> Invoice:
    """The renewal that fell due so many days ago (the nearest there is) is open, and none came after it."""
    wanted = mess.today - timedelta(days=mess.days(low, high))
    bills = _bills(mess.world, service)
    past = [each for each in bills if each.due <= wanted] or bills[:1]
    invoice = max(past, key=lambda each: each.due, default=None)
    if invoice is None:  # nobody ever billed it: one by hand
        invoice = _file(mess, service, [_line(service)], wanted)
    if invoice.due < mess.today - timedelta(days=high):
        invoice.due = wanted
    for later in bills:
        if later.due > invoice.due:
            mess.world.delete_invoice(later)
    if invoice.status != status:
        _open_again(mess.world, invoice, status)
    service.next_due = invoice.due
    service.next_invoice = cycles.add_months(invoice.due, 1)
    return invoice


def _line(service: Service, amount: int = 0) -> InvoiceLine:
    return InvoiceLine(0, "Hosting", service.id, f"Renewal - {service.domain}", amount or service.amount)


def _file(
    mess: _Mess,
    service: Service,
    lines: list[InvoiceLine],
    due: date,
    *,
    created: date | None = None,
    status: str = _UNPAID,
) -> Invoice:
    made = created or min(due, mess.today) - timedelta(days=10)
    invoice = Invoice(0, service.client, made, due, status, lines, gateway=service.gateway)
    invoice.created_at = invoice.updated_at = _at(made)
    return mess.world.add_invoice(invoice, recorded=False)


def _put_off(world: World, service: Service, days: int) -> None:
    """Staff moved the next due date ahead, so that WHMCS leaves the service alone."""
    service.next_due = world.today + timedelta(days=days)
    service.next_invoice = service.next_due + timedelta(days=31)


def _suspend(world: World, service: Service, reason: str = "") -> None:
    world.set_service_status(service, _SUSPENDED)
    service.suspend_reason = reason


def _end(world: World, service: Service, day: date) -> None:
    world.set_service_status(service, _TERMINATED)
    service.terminated = min(day, world.today)


def _queue(mess: _Mess, service: Service, command: modules.Command, error: str, days: int) -> None:
    """A module call that failed long ago and waits for a person: WHMCS does not repeat it."""
    world = mess.world
    number = world.new_id("queue")
    at = world.clock - timedelta(days=days)
    module = modules.module_of(world, service)
    world.module_queue[number] = ModuleQueueEntry(number, service.id, module, command.queue_action, at, error)


def _survive(mess: _Mess, service: Service, place: int) -> None:
    """Why WHMCS has not ended it: its module refused, or staff moved the date."""
    if place % 2:
        _put_off(mess.world, service, mess.days(20, 200))
    else:
        _queue(mess, service, modules.TERMINATE, "Account is locked by its reseller", mess.days(5, 40))


# --- what is down -----------------------------------------------------------------------------------


def _abuse_blank(mess: _Mess, service: Service, place: int) -> list[int]:
    _suspend(mess.world, service)
    return [service.id]


def _abuse_named(mess: _Mess, service: Service, place: int) -> list[int]:
    _suspend(mess.world, service, _ABUSE[place % len(_ABUSE)])
    return [service.id]


def _abuse_in_debt(mess: _Mess, service: Service, place: int) -> list[int]:
    _stop_paying(mess, service, 20, 300)
    _suspend(mess.world, service, _ABUSE[place % len(_ABUSE)])
    _survive(mess, service, place)
    return [service.id]


def _down_for_months(mess: _Mess, service: Service, place: int) -> list[int]:
    _stop_paying(mess, service, 45, 400)
    _suspend(mess.world, service)
    _survive(mess, service, place)
    return [service.id]


def _down_lately(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _stop_paying(mess, service, 6, 29)
    _suspend(mess.world, service)
    if (mess.today - invoice.due).days > ENDS_AFTER_DAYS:
        _survive(mess, service, 1)
    return [service.id]


def _paid_but_down(mess: _Mess, service: Service, place: int) -> list[int]:
    """Paid with credit, or while the module did not answer: WHMCS lifts at the payment or never."""
    _suspend(mess.world, service)
    if place % 2:
        _queue(mess, service, modules.UNSUSPEND, "Connection timed out", mess.days(10, 200))
    return [service.id]


def _staff_overdue(mess: _Mess, service: Service, place: int) -> list[int]:
    _stop_paying(mess, service, 15, 250)
    _suspend(mess.world, service, _BY_STAFF[place % len(_BY_STAFF)])
    _survive(mess, service, place)
    return [service.id]


# --- what is up and in debt ---------------------------------------------------------------------------


def _owing_exempt(mess: _Mess, service: Service, place: int) -> list[int]:
    mess.client_of(service).group = EXEMPT
    _stop_paying(mess, service, 200, 420)
    return [service.id]


def _owing_override_past(mess: _Mess, service: Service, place: int) -> list[int]:
    return _overridden(mess, service, mess.today - timedelta(days=mess.days(30, 300)))


def _owing_override_open(mess: _Mess, service: Service, place: int) -> list[int]:
    return _overridden(mess, service, None)


def _owing_override_ahead(mess: _Mess, service: Service, place: int) -> list[int]:
    return _overridden(mess, service, mess.today + timedelta(days=mess.days(40, 300)))


def _overridden(mess: _Mess, service: Service, until: date | None) -> list[int]:
    _stop_paying(mess, service, 120, 400)
    service.override, service.override_until = True, until
    _put_off(mess.world, service, mess.days(20, 200))
    return [service.id]


def _date_ahead(mess: _Mess, service: Service, place: int) -> list[int]:
    _stop_paying(mess, service, 20, 150)
    _put_off(mess.world, service, mess.days(20, 200))
    return [service.id]


def _moduleless(mess: _Mess, service: Service, place: int) -> list[int]:
    _stop_paying(mess, service, 10, 200)
    service.product = OLD_PRODUCT
    return [service.id]


def _productless(mess: _Mess, service: Service, place: int) -> list[int]:
    if place % 2 == 0:
        _stop_paying(mess, service, 30, 300)
    service.product = LOST_PRODUCT
    return [service.id]


# --- what is up and owes nothing ----------------------------------------------------------------------


def _lagging(mess: _Mess, service: Service, place: int) -> list[int]:
    """Payments renewed nothing for a while: the date stayed behind, what it was invoiced for did not."""
    ahead = service.next_invoice or mess.today
    service.next_due = cycles.add_months(ahead, -mess.days(3, 15), service.registered.day)
    service.next_invoice = max(ahead, mess.today + timedelta(days=12))
    _queue(mess, service, modules.SUSPEND, "Account not found on this server", mess.days(5, 60))
    _queue(mess, service, modules.TERMINATE, "Account not found on this server", mess.days(1, 5))
    return [service.id]


def _long_cancelled(mess: _Mess, service: Service, place: int) -> list[int]:
    asked = _at(mess.today - timedelta(days=mess.days(100, 1500)))
    kind = END_OF_PERIOD if place % 2 else IMMEDIATE
    mess.world.add_cancel_request(CancelRequest(0, service.id, asked, "Moving elsewhere", kind))
    return [service.id]


def _zero_dates(mess: _Mess, service: Service, place: int) -> list[int]:
    service.registered, service.next_due, service.next_invoice = NO_DAY, None, None
    if place % 2:
        mess.client_of(service).created = NO_DAY
    return [service.id]


def _twins(mess: _Mess, service: Service, place: int) -> list[int]:
    other = mess.next_one()
    if other is None:
        return []
    other.username, other.server = service.username, service.server
    if place % 2 == 0:
        _end(mess.world, other, mess.today - timedelta(days=mess.days(100, 900)))
    return [service.id, other.id]


def _moved(mess: _Mess, service: Service, place: int) -> list[int]:
    other = mess.next_one()
    if other is None:
        return []
    _stop_paying(mess, service, 20, 200)
    _put_off(mess.world, service, mess.days(10, 30))
    mess.world.move_service(service, other.client)
    return [service.id]


def _closed_living(mess: _Mess, service: Service, place: int) -> list[int]:
    mess.client_of(service).status = "Inactive" if place % 2 else "Closed"
    return [service.id]


def _lost_group(mess: _Mess, service: Service, place: int) -> list[int]:
    if place % 2 == 0:
        _stop_paying(mess, service, 20, 200)
        _put_off(mess.world, service, mess.days(10, 90))
    mess.client_of(service).group = LOST_GROUP
    return [service.id]


def _odd_names(mess: _Mess, service: Service, place: int) -> list[int]:
    client = mess.client_of(service)
    client.firstname, client.lastname = _NAMES[place % len(_NAMES)]
    if place % 2:
        client.companyname = _COMPANIES[place % len(_COMPANIES)]
    user = mess.world.users[client.owner]
    user.firstname, user.lastname = client.firstname, client.lastname
    return [service.id]


# --- what is neither up nor down ----------------------------------------------------------------------


def _pending_for_years(mess: _Mess, service: Service, place: int) -> list[int]:
    """An order that was never accepted, its first invoice open."""
    ordered = mess.today - timedelta(days=mess.days(400, 2500))
    other = Service(0, service.client, service.product, ServiceStatus.PENDING, f"old{service.id}.example.net")
    other.registered, other.next_due, other.amount = ordered, ordered, service.amount
    mess.world.add_service(other)
    _file(mess, other, [_line(other)], ordered, created=ordered)
    return [other.id]


def _completed(mess: _Mess, service: Service, place: int) -> list[int]:
    done = mess.today - timedelta(days=mess.days(200, 2500))
    other = Service(0, service.client, _ONE_OFF, ServiceStatus.COMPLETED, registered=done, cycle="One Time")
    other.first_amount = 4000
    return [mess.world.add_service(other).id]


_ONE_OFF = 9


def _fraud(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _stop_paying(mess, service, 100, 400)
    mess.world.set_service_status(service, ServiceStatus.FRAUD)
    if place % 2:
        mess.world.set_invoice_status(invoice, InvoiceStatus.CANCELLED)
    return [service.id]


def _ended_owing(mess: _Mess, service: Service, place: int) -> list[int]:
    status = InvoiceStatus.COLLECTIONS if place % 3 == 2 else _UNPAID
    invoice = _stop_paying(mess, service, 200, 500, status)
    _end(mess.world, service, invoice.due + timedelta(days=ENDS_AFTER_DAYS + 1))
    return [service.id]


def _orphan_addons(mess: _Mess, service: Service, place: int) -> list[int]:
    ended = mess.today - timedelta(days=mess.days(30, 800))
    _end(mess.world, service, ended)
    addon = Addon(0, service.client, service.id, "Daily backup", _ACTIVE, 1, service.order, 0, 200)
    addon.registered, addon.gateway = service.registered, service.gateway
    addon.next_due, addon.next_invoice = ended, mess.today + timedelta(days=20)
    return [mess.world.add_addon(addon).id]


# --- invoices -----------------------------------------------------------------------------------------


def _imported(mess: _Mess, service: Service, place: int) -> list[int]:
    due = mess.today - timedelta(days=mess.days(400, 2500))
    made = mess.today - timedelta(days=mess.days(0, 3))
    return [_file(mess, service, [_line(service)], due, created=made).id]


def _undated(mess: _Mess, service: Service, place: int) -> list[int]:
    made = mess.today - timedelta(days=mess.days(50, 900))
    return [_file(mess, service, [_line(service)], NO_DAY, created=made).id]


def _drafts(mess: _Mess, service: Service, place: int) -> list[int]:
    due = mess.today - timedelta(days=mess.days(50, 900))
    return [_file(mess, service, [_line(service)], due, status=InvoiceStatus.DRAFT).id]


def _handmade(mess: _Mess, service: Service, place: int) -> list[int]:
    due = mess.today - timedelta(days=mess.days(10, 900))
    return [_file(mess, service, [InvoiceLine(0, "", 0, "Help with a site, 2 hours", 9000)], due).id]


def _mass(mess: _Mess, service: Service, place: int) -> list[int]:
    first = _stop_paying(mess, service, 40, 90)
    second = _file(mess, service, [_line(service)], first.due + timedelta(days=30))
    _put_off(mess.world, service, mess.days(20, 60))
    lines = [InvoiceLine(0, "Invoice", each.id, f"Invoice #{each.id}", each.total) for each in (first, second)]
    return [_file(mess, service, lines, mess.today - timedelta(days=mess.days(1, 5))).id]


def _of_deleted(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _stop_paying(mess, service, 60, 400)
    mess.world.delete_service(service)
    return [invoice.id]


def _domain_only(mess: _Mess, service: Service, place: int) -> list[int]:
    """The domain itself is not in the book any more, or never was in this one."""
    own = mess.world.domains_by_client.get(service.client, [0])[0]
    due = mess.today - timedelta(days=mess.days(30, 500))
    return [_file(mess, service, [InvoiceLine(0, "Domain", own, "Domain Renewal - example.net", 1500)], due).id]


def _late_fees(mess: _Mess, service: Service, place: int) -> list[int]:
    """The renewal was paid after its fee had been added, without the fee."""
    wanted = mess.today - timedelta(days=mess.days(10, 400))
    paid = [each for each in _bills(mess.world, service) if each.status == _PAID and each.due <= wanted]
    related = paid[-1].id if paid else 0
    return [_file(mess, service, [InvoiceLine(0, "LateFee", related, "Late Fee", 250)], wanted).id]


def _tiny(mess: _Mess, service: Service, place: int) -> list[int]:
    past = [each for each in _bills(mess.world, service) if each.due < mess.today and each.plain_payment]
    invoice = past[-1] if past else _file(mess, service, [_line(service)], mess.today - timedelta(days=40))
    _open_again(mess.world, invoice)
    _book(mess, invoice, invoice.due, amount_in=invoice.total - mess.days(3, 95))
    return [invoice.id]


def _book(mess: _Mess, invoice: Invoice, day: date, *, amount_in: int = 0, amount_out: int = 0) -> Transaction:
    entry = Transaction(0, invoice.client, invoice.id, invoice.gateway, _at(day), amount_in, amount_out=amount_out)
    entry.transid = f"M{invoice.id}{'R' if amount_out else ''}"
    return mess.world.add_transaction(entry)


def _collections(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _stop_paying(mess, service, 150, 450, InvoiceStatus.COLLECTIONS)
    _put_off(mess.world, service, mess.days(20, 200))
    return [invoice.id]


def _pending_long(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _stop_paying(mess, service, 40, 200, InvoiceStatus.PAYMENT_PENDING)
    invoice.updated_at = _at(invoice.due)
    _put_off(mess.world, service, mess.days(20, 200))
    return [invoice.id]


def _refunded(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _gone_back(mess, service)
    if invoice is None:
        return []
    mess.world.set_invoice_status(invoice, InvoiceStatus.REFUNDED)
    invoice.refunded_at = invoice.updated_at = _at(invoice.due + timedelta(days=8))
    return [invoice.id]


def _charged_back(mess: _Mess, service: Service, place: int) -> list[int]:
    invoice = _gone_back(mess, service)
    if invoice is None:
        return []
    _open_again(mess.world, invoice)
    invoice.updated_at = _at(min(invoice.due + timedelta(days=20), mess.today))
    return [invoice.id]


def _gone_back(mess: _Mess, service: Service) -> Invoice | None:
    """A paid renewal of this year whose money has gone back; its service's dates stay as they are."""
    wanted = mess.today - timedelta(days=mess.days(25, 200))
    paid = [each for each in _bills(mess.world, service) if each.plain_payment and each.due <= wanted]
    if not paid:
        return None
    invoice = paid[-1]
    invoice.plain_payment = False
    _book(mess, invoice, invoice.due, amount_in=invoice.total)
    _book(mess, invoice, invoice.due + timedelta(days=8), amount_out=invoice.total)
    return invoice


def _silenced(mess: _Mess, service: Service, place: int) -> list[int]:
    """A client of the gateway that fell silent: what came in since was never booked, and WHMCS has acted on it."""
    world, since = mess.world, mess.today - timedelta(days=SILENT_DAYS)
    mess.client_of(service).gateway = service.gateway = SILENT_GATEWAY
    unbooked: list[Invoice] = []
    for number in world.invoices_by_client[service.client]:
        invoice = world.invoices[number]
        invoice.gateway = SILENT_GATEWAY
        if invoice.plain_payment and invoice.paid_at is not None and invoice.paid_at.date() > since:
            _open_again(world, invoice)
            unbooked.append(invoice)
    overdue = [each for each in unbooked if each.due < mess.today]
    if any(service.id == line.relid for each in unbooked for line in each.lines if line.type == "Hosting"):
        service.next_due = min(each.due for each in unbooked)
        if (mess.today - service.next_due).days >= SUSPENDS_AFTER_DAYS:
            _suspend(world, service)
    return [each.id for each in overdue]


_MAKERS: tuple[tuple[str, float, _Maker], ...] = (
    # kind, share of clients, how it is made
    ("abuse_blank", 0.004, _abuse_blank),
    ("abuse_named", 0.005, _abuse_named),
    ("abuse_in_debt", 0.003, _abuse_in_debt),
    ("down_for_months", 0.012, _down_for_months),
    ("down_lately", 0.006, _down_lately),
    ("paid_but_down", 0.005, _paid_but_down),
    ("staff_overdue", 0.004, _staff_overdue),
    ("owing_exempt", 0.003, _owing_exempt),
    ("owing_override_past", 0.003, _owing_override_past),
    ("owing_override_open", 0.002, _owing_override_open),
    ("owing_override_ahead", 0.002, _owing_override_ahead),
    ("date_ahead", 0.005, _date_ahead),
    ("moduleless", 0.002, _moduleless),
    ("productless", 0.004, _productless),
    ("lagging", 0.008, _lagging),
    ("long_cancelled", 0.004, _long_cancelled),
    ("zero_dates", 0.002, _zero_dates),
    ("twins", 0.002, _twins),
    ("moved", 0.002, _moved),
    ("closed_living", 0.004, _closed_living),
    ("lost_group", 0.004, _lost_group),
    ("odd_names", 0.010, _odd_names),
    ("pending_for_years", 0.004, _pending_for_years),
    ("completed", 0.004, _completed),
    ("fraud", 0.002, _fraud),
    ("ended_owing", 0.008, _ended_owing),
    ("orphan_addons", 0.003, _orphan_addons),
    ("imported", 0.005, _imported),
    ("undated", 0.003, _undated),
    ("drafts", 0.003, _drafts),
    ("handmade", 0.004, _handmade),
    ("mass", 0.002, _mass),
    ("of_deleted", 0.003, _of_deleted),
    ("domain_only", 0.005, _domain_only),
    ("late_fees", 0.004, _late_fees),
    ("tiny", 0.003, _tiny),
    ("collections", 0.003, _collections),
    ("pending_long", 0.003, _pending_long),
    ("refunded", 0.003, _refunded),
    ("charged_back", 0.003, _charged_back),
    ("silenced", 0.020, _silenced),
)
