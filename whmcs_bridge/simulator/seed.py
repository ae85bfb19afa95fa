"""The book generator: a hosting company of any size with a past, the same for the same seed.

Built for speed: records are made with positional arguments, dates and texts are shared, settled
invoices keep their one payment derived (`plain_payment`), and the garbage collector rests meanwhile.
Names, addresses and domains are example ones.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from operator import attrgetter
from random import Random

from whmcs_bridge.simulator import seed_details
from whmcs_bridge.simulator.cycles import MONTHS
from whmcs_bridge.simulator.habits import SEED_SETTING, Habit, delay_of, habit_of
from whmcs_bridge.simulator.records import (
    Addon,
    Client,
    Currency,
    Domain,
    Group,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    Order,
    PaymentMethod,
    Product,
    ProductGroup,
    Server,
    Service,
    ServiceStatus,
    User,
)
from whmcs_bridge.simulator.state import World, new_world

CRON_AT = time(9, 0)
PAID_AT = time(11, 30)
ACCOUNTS_PER_SERVER = 400


@dataclass(frozen=True, slots=True)
class BookShape:
    """What kind of company it is. Shares are 0.0 to 1.0."""

    lead_days: int = 10
    """Days before the due date that renewals are invoiced (`CreateInvoiceDaysBefore`)."""
    continuous: bool = False
    """Continuous Invoice Generation: debtors collect one unpaid invoice a cycle."""
    more_services: float = 0.3
    """Chance of each further service of a client."""
    domain_share: float = 0.4
    addon_share: float = 0.12
    ended_share: float = 0.08
    """Services that ended long ago."""
    mean_tenure_months: int = 30
    oldest_months: int = 96
    """No client has been one for longer."""


# --- what the company sells -------------------------------------------------------------------------

_PRODUCTS: tuple[tuple[int, str, str, str, int, float], ...] = (
    # group, name, type, module, monthly price in US cents, share of new services
    (1, "Starter", "hostingaccount", "cpanel", 590, 0.44),
    (1, "Business", "hostingaccount", "cpanel", 1290, 0.24),
    (2, "Reseller 50", "reselleraccount", "cpanel", 2990, 0.07),
    (3, "VPS Small", "server", "vpsmanager", 1490, 0.10),
    (3, "VPS Large", "server", "vpsmanager", 3990, 0.05),
    (4, "Panel licence", "other", "licensing", 1500, 0.06),
    (4, "Backup space", "other", "", 700, 0.04),
)
_GROUPS = ("Hosting", "Resellers", "VPS", "Licences")
_TRIAL, _ONE_OFF = 8, 9
_CYCLES: tuple[tuple[str, float, int], ...] = (
    # cycle, share, price as a multiple of the monthly one
    ("Monthly", 0.62, 1),
    ("Quarterly", 0.12, 3),
    ("Semi-Annually", 0.05, 6),
    ("Annually", 0.19, 10),
    ("Biennially", 0.02, 18),
)
_CURRENCIES: tuple[tuple[Currency, float, float, str], ...] = (
    # currency, prices as a multiple of the dollar's, upper bound of its share of clients, country
    (Currency(1, "USD", "$", " USD"), 1.0, 0.5, "US"),
    (Currency(2, "BRL", "R$", "", 3, "5.00000"), 5.0, 0.85, "BR"),
    (Currency(3, "EUR", "", " EUR", 3, "0.90000"), 0.9, 1.0, "PT"),
)
_GATEWAYS: dict[int, tuple[str, ...]] = {
    1: ("paypal", "creditcard", "banktransfer"),
    2: ("boleto", "boleto", "creditcard"),
    3: ("banktransfer", "creditcard", "paypal"),
}
VIP, EXEMPT, RESELLERS = 1, 2, 3
_DEBT_AGES = ((15, 45), (120, 420), (5, 15), (45, 120), (0, 5))
"""Days for which clients who never pay have not paid, one band after the other."""
_UNPAID, _PAID = InvoiceStatus.UNPAID, InvoiceStatus.PAID
_WIRE_CYCLE = {"Semi-Annually": "semiannually"}


def generate(
    clients: int, seed: int, today: date, months_of_history: int = 12, shape: BookShape = BookShape()
) -> World:
    """A company of that many clients with that many months of invoices behind it, at 10:00 on `today`.

    The same arguments give the same book, record for record (`digest`). WHMCS's own suspension and
    termination are off; invoices are generated `shape.lead_days` ahead; cancellation requests are
    carried out by the cron.
    """
    with without_garbage_collection():
        world = _empty_company(seed, today, shape)
        builder = _Builder(world, seed, today, months_of_history, shape)
        for number in range(1, clients + 1):
            builder.add_client(number)
        builder.file_invoices()
        seed_details.add_details(world, Random(f"details {seed}"))
    return world


def digest(world: World) -> str:
    """A fingerprint of every record, setting and log line of a world, to compare two books."""
    total = sha256()
    for name in (field.name for field in fields(World)):
        value = getattr(world, name)
        if isinstance(value, dict):
            for key, item in value.items():
                total.update(f"{name} {key} {_stable(item)}".encode())
        else:
            total.update(f"{name} {_stable(value)}".encode())
    return total.hexdigest()


def _stable(value: object) -> str:
    """A text of a record that is the same in every process: sets in order."""
    if isinstance(value, frozenset | set):
        return repr(sorted(value))
    if is_dataclass(value):
        return " ".join(f"{each.name}={_stable(getattr(value, each.name))}" for each in fields(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_stable, value)) + "]"
    return repr(value)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Millions of records that all stay: looking for garbage among them doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _empty_company(seed: int, today: date, shape: BookShape) -> World:
    world = new_world(datetime.combine(today, time(10, 0)))
    world.settings |= {
        SEED_SETTING: str(seed),
        "CreateInvoiceDaysBefore": str(shape.lead_days),
        "ContinuousInvoiceGeneration": "on" if shape.continuous else "",
        "AutoCancellationRequests": "on",
        "lastDailyCronInvocationTime": f"{today} 09:00:00",
    }
    world.currencies.clear()
    for currency, *_ in _CURRENCIES:
        world.add_currency(Currency(currency.id, currency.code, currency.prefix, currency.suffix, currency.format))
        world.currencies[currency.id].rate = currency.rate
    world.payment_methods.clear()
    for module, label in (("boleto", "Boleto"), ("banktransfer", "Bank Transfer"), ("paypal", "PayPal")):
        world.add_payment_method(PaymentMethod(module, label))
    world.add_payment_method(PaymentMethod("creditcard", "Credit Card", card=True))
    world.add_group(Group(VIP, "VIP", "#FFD700"))
    world.add_group(Group(EXEMPT, "Partners", "#88CC88", exempt=True))
    world.add_group(Group(RESELLERS, "Resellers", "#8888CC", discount_percent="10.00"))
    _fill_catalogue(world)
    return world


def _fill_catalogue(world: World) -> None:
    for number, name in enumerate(_GROUPS, start=1):
        world.add_product_group(ProductGroup(number, name, name.lower()))
    for number, (group, name, kind, module, monthly, _) in enumerate(_PRODUCTS, start=1):
        world.add_product(Product(number, group, name, kind, module, prices=_prices(monthly)))
    world.add_product(Product(_TRIAL, 1, "Trial", "hostingaccount", "cpanel", paytype="free", autoterminate_days=30))
    world.add_product(Product(_ONE_OFF, 4, "Site transfer", "other", "", paytype="onetime"))


def _prices(monthly: int) -> dict[str, dict[str, int]]:
    return {
        currency.code: {
            _WIRE_CYCLE.get(cycle, cycle.lower()): round(monthly * rate) * multiple for cycle, _, multiple in _CYCLES
        }
        for currency, rate, *_ in _CURRENCIES
    }


# --- one client after the other ---------------------------------------------------------------------


@dataclass(slots=True)
class _Item:
    """Something billed again and again: a service, addon or domain with its rhythm in months."""

    record: Service | Addon | Domain
    type: str
    id: int
    months: int
    start: int
    amount: int
    name: str
    ends: date | None = None
    waiting: int = 0
    """The first month (absolute) that is not paid, 0 for none."""
    following: int = 0
    """The first month not yet invoiced."""


class _Builder:
    """Makes clients with all that is theirs; invoices are filed last, in the order of their creation."""

    def __init__(self, world: World, seed: int, today: date, months_of_history: int, shape: BookShape) -> None:
        self.world = world
        self.seed = seed
        self.today = today
        self.shape = shape
        self.rng = Random(seed)
        self.invoices: list[Invoice] = []
        self.this_month = _month(today)
        self.first_month = self.this_month - months_of_history
        self.horizon = today + timedelta(days=shape.lead_days)
        self._moments: dict[date, datetime] = {}
        self._paid_moments: dict[date, datetime] = {}
        self._texts: dict[tuple[str, int, int, int], str] = {}
        self._calendar = {day: self._due_days(day) for day in range(1, 29)}
        self._prices = {
            (number, currency.id, cycle): product.prices[currency.code][_WIRE_CYCLE.get(cycle, cycle.lower())]
            for number, product in world.products.items()
            if product.prices
            for currency, *_ in _CURRENCIES
            for cycle, *_ in _CYCLES
        }
        self._products = tuple(range(1, len(_PRODUCTS) + 1))
        self._product_shares = tuple(share for *_, share in _PRODUCTS)
        self._cycle_names = tuple(cycle for cycle, *_ in _CYCLES)
        self._cycle_shares = tuple(share for _, share, _ in _CYCLES)
        self.never_payers = 0
        self._accounts: dict[str, int] = {}
        self._server: dict[str, int] = {}

    def _due_days(self, day: int) -> list[tuple[int, date, date, datetime]]:
        """Month, due date, day and moment of creation, for all due dates of the book on that day."""
        lead = timedelta(days=self.shape.lead_days)
        days = []
        for month in range(self.first_month, self.this_month + 3):
            due = _day_in(month, day)
            if due <= self.horizon:
                created = due - lead
                days.append((month, due, created, self._moment(created)))
        return days

    def _moment(self, day: date) -> datetime:
        moment = self._moments.get(day)
        if moment is None:
            moment = self._moments[day] = datetime.combine(day, CRON_AT)
        return moment

    def _paid_moment(self, day: date) -> datetime:
        moment = self._paid_moments.get(day)
        if moment is None:
            moment = self._paid_moments[day] = datetime.combine(day, PAID_AT)
        return moment

    def add_client(self, number: int) -> None:
        """One client with services, addons, domains, an order and its invoices."""
        rng = self.rng
        habit = habit_of(self.seed, number)
        tenure = min(int(rng.expovariate(1 / self.shape.mean_tenure_months)), self.shape.oldest_months)
        if habit is Habit.NEVER:
            tenure = max(tenure, 15)  # time enough for a debt of any age
        billing_day = rng.randrange(1, 29)
        start = self._start_month(self.this_month - tenure, billing_day)
        since = _day_in(start, billing_day)
        draw = rng.random()
        currency, country = next((each.id, where) for each, _, bound, where in _CURRENCIES if draw < bound)
        gateway = rng.choice(_GATEWAYS[currency])
        client = self._store_client(number, since, currency, country, gateway, habit, tenure)
        items = self._holdings(client, start, billing_day, gateway, habit)
        self._bill(client, items, billing_day, gateway, habit)
        for item in items:
            self._date(item, billing_day)

    def _start_month(self, month: int, day: int) -> int:
        return month - 1 if _day_in(month, day) > self.today else month

    def _store_client(
        self, number: int, since: date, currency: int, country: str, gateway: str, habit: Habit, tenure: int
    ) -> Client:
        world = self.world
        email = f"client{number}@example.com"
        name = str(number)
        company = f"Example {number} Ltd" if number % 3 == 0 else ""
        client = Client(number, "Client", name, company, email, since, 0, "Active", currency)
        client.country, client.gateway, client.owner = country, gateway, number
        client.group = self._group_for(habit, tenure)
        world.clients[number] = client
        world.clients_by_email[email] = number
        world.users[number] = User(number, "Client", name, email, self._moment(since), {number: True})
        world.users_of_client[number] = [number]
        return client

    def _group_for(self, habit: Habit, tenure: int) -> int:
        draw = self.rng.random()
        if tenure >= 18 and (draw < 0.25 if habit in (Habit.EARLY, Habit.ON_TIME) else draw < 0.03):
            return VIP
        if draw > 0.99:
            return EXEMPT
        return RESELLERS if draw > 0.96 else 0

    def _holdings(self, client: Client, start: int, day: int, gateway: str, habit: Habit) -> list[_Item]:
        """The client's services with their addons, and perhaps a domain, under one order each."""
        rng, shape = self.rng, self.shape
        items = [self._service(client, start, day, gateway, 0, habit)]
        while rng.random() < shape.more_services and len(items) < 12:
            later = rng.randrange(start, self.this_month + 1)
            later = self._start_month(later, day)
            items.append(self._service(client, later, day, gateway, len(items), habit))
        services = list(items)
        for service in services:
            if service.months and rng.random() < shape.addon_share:
                items.append(self._addon(client, service, gateway))
        if rng.random() < shape.domain_share:
            items.append(self._domain(client, start, day, gateway))
        self._order(client, items, day)
        return items

    def _service(self, client: Client, start: int, day: int, gateway: str, position: int, habit: Habit) -> _Item:
        rng, world = self.rng, self.world
        start = max(start, _month(client.created))
        number = world.new_id("service")
        product = world.products[rng.choices(self._products, self._product_shares)[0]]
        cycle = rng.choices(self._cycle_names, self._cycle_shares)[0]
        if habit is Habit.NEVER:
            cycle = "Monthly"  # or years go by before anything is owed
        amount = self._prices[product.id, client.currency, cycle]
        registered = _day_in(start, day)
        service = Service(number, client.id, product.id, ServiceStatus.ACTIVE)
        if product.type in ("hostingaccount", "reselleraccount", "server"):
            service.domain = f"site{client.id}{'abcdefghijklm'[position] if position else ''}.example.net"
            service.username = f"u{number}"
            service.password = "simulated"
            service.server = self._server_for(product.module)
        service.registered, service.cycle, service.gateway = registered, cycle, gateway
        service.amount = service.first_amount = amount
        service.order = client.id
        ends = None
        age = (self.today - registered).days
        if age > 60 and rng.random() < self.shape.ended_share:
            ends = registered + timedelta(days=rng.randrange(20, age))
        item = _Item(service, "Hosting", number, MONTHS[cycle.lower()], start, amount, product.name, ends)
        if ends is not None:
            service.status = rng.choice((ServiceStatus.CANCELLED, ServiceStatus.TERMINATED))
            service.terminated = ends
        world.add_service(service)
        return item

    def _server_for(self, module: str) -> int:
        """A server with room; a new one for every ACCOUNTS_PER_SERVER accounts of a module."""
        count = self._accounts.get(module, 0)
        self._accounts[module] = count + 1
        if count % ACCOUNTS_PER_SERVER == 0:
            number = self.world.new_id("server")
            name = f"{module}{count // ACCOUNTS_PER_SERVER + 1}"
            address = f"192.0.2.{number % 250 + 1}"
            self.world.add_server(
                Server(number, name, f"{name}.example.com", address, module, max_accounts=ACCOUNTS_PER_SERVER)
            )
            self._server[module] = number
        return self._server[module]

    def _addon(self, client: Client, service: _Item, gateway: str) -> _Item:
        owner = service.record
        assert isinstance(owner, Service)
        number = self.world.new_id("addon")
        amount = max(service.amount // 4, 100)
        addon = Addon(number, client.id, owner.id, "Daily backup", owner.status, 1, owner.order, 0, amount)
        addon.cycle, addon.registered, addon.gateway = owner.cycle, owner.registered, gateway
        addon.terminated = owner.terminated
        self.world.add_addon(addon)
        return _Item(addon, "Addon", number, service.months, service.start, amount, addon.name, service.ends)

    def _domain(self, client: Client, start: int, day: int, gateway: str) -> _Item:
        number = self.world.new_id("domain")
        amount = round(1500 * _CURRENCIES[client.currency - 1][1])
        domain = Domain(number, client.id, f"site{client.id}.example.net", registered=_day_in(start, day))
        domain.order, domain.gateway, domain.registrar = client.id, gateway, "registry"
        domain.amount = domain.first_amount = amount
        domain.nameservers = ("ns1.example.com", "ns2.example.com")
        self.world.add_domain(domain)
        return _Item(domain, "Domain", number, 12, start, amount, f"Domain Renewal - {domain.name}")

    def _order(self, client: Client, items: list[_Item], day: int) -> None:
        order = Order(client.id, f"{2_000_000_000 + client.id}", client.id, self._moment(client.created), "Active")
        order.gateway = client.gateway
        for item in items:
            order.amount += item.amount
            getattr(order, _ORDER_LIST[item.type]).append(item.id)
        self.world.orders[client.id] = order

    # --- money ------------------------------------------------------------------------------------

    def _bill(self, client: Client, items: list[_Item], day: int, gateway: str, habit: Habit) -> None:
        """Every invoice of the window, paid or not as the client's habit has it."""
        stop = self._stopped_paying(habit)
        delay = delay_of(self.seed, client.id, habit)
        discount = 10 if client.group == RESELLERS else 0
        continuous = self.shape.continuous
        client_id, today = client.id, self.today
        for month, due, created, created_at in self._calendar[day]:
            billed = [
                item
                for item in items
                if month >= item.start
                and (month - item.start) % item.months == 0
                and (item.ends is None or due < item.ends)
                and (continuous or not item.waiting)
            ]
            if not billed:
                continue
            lines = [InvoiceLine(0, item.type, item.id, self._text(item, month, day), item.amount) for item in billed]
            if discount:
                lines.extend(_discounts(lines, discount))
            total = sum([line.amount for line in lines])
            paid_on = self._paid_on(due, delay, stop, created)
            if paid_on is None or paid_on >= today:
                invoice = Invoice(0, client_id, created, due, _UNPAID, lines, total, 0, 0, 0, total)
                invoice.gateway = gateway
                invoice.created_at = invoice.updated_at = created_at
                for item in billed:
                    item.waiting = item.waiting or month
            else:
                moment = self._paid_moment(paid_on)
                invoice = Invoice(0, client_id, created, due, _PAID, lines, total, 0, 0, 0, total)
                invoice.gateway = gateway
                invoice.paid_at = invoice.updated_at = moment
                invoice.created_at = created_at
                invoice.plain_payment = True
            for item in billed:
                item.following = month + item.months
            self.invoices.append(invoice)

    def _stopped_paying(self, habit: Habit) -> date | None:
        """The day after which a client of the worst habit pays no more: debts of every age."""
        if habit is not Habit.NEVER:
            return None
        low, high = _DEBT_AGES[self.never_payers % len(_DEBT_AGES)]
        self.never_payers += 1
        return self.today - timedelta(days=self.rng.randrange(low, high))

    def _paid_on(self, due: date, delay: int, stop: date | None, created: date) -> date | None:
        if stop is not None and due > stop:
            return None
        day = due + timedelta(days=delay + (self.rng.randrange(0, 3) if delay > 0 else 0))
        return max(day, created)

    def _text(self, item: _Item, month: int, day: int) -> str:
        key = (item.name, month, day, item.months)
        text = self._texts.get(key)
        if text is None:
            start, end = _day_in(month, day), _day_in(month + item.months, day) - timedelta(days=1)
            text = f"{item.name} ({start:%d/%m/%Y} - {end:%d/%m/%Y})"
            if item.type == "Domain":
                return text
            self._texts[key] = text
        return text

    def _date(self, item: _Item, day: int) -> None:
        """Next due date: the first month not paid; next invoice date: the first not invoiced."""
        following = item.following
        if not following:
            following = _first_at_least(self.first_month, item.start, item.months)
            until = item.ends or self.horizon
            while _day_in(following, day) <= until:
                following += item.months
        record = item.record
        record.next_due = _day_in(item.waiting or following, day)
        record.next_invoice = _day_in(following, day)
        if isinstance(record, Domain):
            record.expires = record.next_due + timedelta(days=15)

    def file_invoices(self) -> None:
        """Number the invoices by creation, as WHMCS would have, and put them into the indexes."""
        world = self.world
        self.invoices.sort(key=attrgetter("created"))
        line_number = 0
        for number, invoice in enumerate(self.invoices, start=1):
            invoice.id = number
            for line in invoice.lines:
                line_number += 1
                line.id = line_number
            world.index_invoice(invoice)
        clients = len(world.clients)
        world.counters |= {
            "client": clients,
            "user": clients,
            "order": clients,
            "invoice": len(self.invoices),
            "line": line_number,
            # derived payments of settled history carry their invoice's number
            "transaction": len(self.invoices),
        }


_ORDER_LIST = {"Hosting": "services", "Addon": "addons", "Domain": "domains"}


def _discounts(lines: list[InvoiceLine], percent: int) -> list[InvoiceLine]:
    text = f"Client Group Discount - {percent}.00%"
    return [
        InvoiceLine(0, "GroupDiscount", line.relid, text, -(line.amount * percent // 100))
        for line in lines
        if line.type != "Domain"
    ]


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _day_in(month: int, day: int) -> date:
    return date(month // 12, month % 12 + 1, day)


def _first_at_least(month: int, start: int, step: int) -> int:
    """The first month of a rhythm that is not before `month`."""
    if start >= month:
        return start
    return month + (start - month) % step
