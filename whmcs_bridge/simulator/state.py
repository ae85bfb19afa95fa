"""The whole WHMCS database of the simulator in memory, with the indexes that its answers need.

Records are in `records.py` (money in cents, wall-clock dates). Everything that an index, a time
stamp or a hook depends on is changed through `World`'s mutators; other fields are set directly.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from whmcs_bridge.simulator.events import Credentials as Credentials
from whmcs_bridge.simulator.events import SimEvent as SimEvent
from whmcs_bridge.simulator.records import (
    ActivityEntry,
    Actor,
    Addon,
    Admin,
    BillableItem,
    CancelRequest,
    Client,
    Contact,
    CreditEntry,
    Currency,
    Department,
    Domain,
    Email,
    EmailTemplate,
    Group,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    ModuleQueueEntry,
    Note,
    Order,
    PaymentMethod,
    PayMethod,
    Product,
    ProductGroup,
    Server,
    Service,
    ServiceStatus,
    Ticket,
    Transaction,
    User,
)
from whmcs_bridge.simulator.stock import DEFAULT_SETTINGS, STOCK_TEMPLATES
from whmcs_bridge.simulator.switches import Switches

HookVars = dict[str, Any]
HookListener = Callable[[str, HookVars], HookVars | None]

CLOSED: frozenset[str] = frozenset({InvoiceStatus.PAID, InvoiceStatus.CANCELLED})
"""Statuses not held in `invoices_by_status`: history is large and rarely asked for by status."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class World:
    """Everything the simulated WHMCS knows. `clock` is its wall clock, moved by whoever plays time."""

    clock: datetime = datetime(2025, 1, 1, 10, 0)  # noqa: DTZ001 (WHMCS shows wall-clock time)
    timezone: str = "UTC"
    settings: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    switches: Switches = field(default_factory=Switches)
    credentials: Credentials = field(default_factory=Credentials)
    hook_listener: HookListener | None = None
    actor: str = Actor.API
    log: list[SimEvent] = field(default_factory=list)
    failing_services: dict[int, str] = field(default_factory=dict)
    """Service id -> the text its module answers to every call."""
    waited: float = 0.0
    """Seconds that module calls have taken so far; the faces sleep or judge what a call added."""

    currencies: dict[int, Currency] = field(default_factory=dict)
    payment_methods: dict[str, PaymentMethod] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    clients: dict[int, Client] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    contacts: dict[int, Contact] = field(default_factory=dict)
    product_groups: dict[int, ProductGroup] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    servers: dict[int, Server] = field(default_factory=dict)
    services: dict[int, Service] = field(default_factory=dict)
    addons: dict[int, Addon] = field(default_factory=dict)
    domains: dict[int, Domain] = field(default_factory=dict)
    invoices: dict[int, Invoice] = field(default_factory=dict)
    transactions: dict[int, Transaction] = field(default_factory=dict)
    credits: dict[int, CreditEntry] = field(default_factory=dict)
    departments: dict[int, Department] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    templates: dict[int, EmailTemplate] = field(default_factory=dict)
    emails: dict[int, Email] = field(default_factory=dict)
    cancel_requests: dict[int, CancelRequest] = field(default_factory=dict)
    module_queue: dict[int, ModuleQueueEntry] = field(default_factory=dict)
    activity: list[ActivityEntry] = field(default_factory=list)
    orders: dict[int, Order] = field(default_factory=dict)
    billable_items: dict[int, BillableItem] = field(default_factory=dict)
    pay_methods: dict[int, PayMethod] = field(default_factory=dict)
    notes: dict[int, Note] = field(default_factory=dict)
    admins: dict[int, Admin] = field(default_factory=lambda: {1: Admin(1)})
    shelf: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    """Kinds nobody reckons with (quotes, projects, announcements, ...), as rows by id."""

    field_names: dict[int, str] = field(default_factory=dict)
    """Custom field's id -> its name; `Field 7` for one that has none here."""

    services_by_client: dict[int, list[int]] = field(default_factory=dict)
    services_by_status: dict[str, dict[int, None]] = field(default_factory=dict)
    addons_by_service: dict[int, list[int]] = field(default_factory=dict)
    domains_by_client: dict[int, list[int]] = field(default_factory=dict)
    contacts_by_client: dict[int, list[int]] = field(default_factory=dict)
    invoices_by_client: dict[int, list[int]] = field(default_factory=dict)
    invoices_by_service: dict[int, list[int]] = field(default_factory=dict)
    """Ids of invoices with a `Hosting` line of the service, oldest first."""
    invoices_by_status: dict[str, dict[int, None]] = field(default_factory=dict)
    """Open statuses only, see `CLOSED`."""
    transactions_by_invoice: dict[int, list[int]] = field(default_factory=dict)
    transactions_by_client: dict[int, list[int]] = field(default_factory=dict)
    emails_by_client: dict[int, list[int]] = field(default_factory=dict)
    clients_by_email: dict[str, int] = field(default_factory=dict)
    users_of_client: dict[int, list[int]] = field(default_factory=dict)

    revision: int = 0
    """Grows when a client, service or invoice is added, removed or moved: cached listings depend on it."""
    counters: dict[str, int] = field(default_factory=dict)

    # --- time, actors, hooks --------------------------------------------------------------------

    @property
    def today(self) -> date:
        """The date on WHMCS's wall clock."""
        return self.clock.date()

    def field_name(self, number: int) -> str:
        """The name of a custom field."""
        return self.field_names.get(number, f"Field {number}")

    def advance(self, **delta: float) -> None:
        """Move the clock by a timedelta's arguments; runs nothing."""
        self.clock += timedelta(**delta)

    @contextmanager
    def acting(self, actor: str) -> Iterator[None]:
        """Everything inside is done by `actor` (in the log, and in `actor` for the hook listener)."""
        before = self.actor
        self.actor = actor
        try:
            yield
        finally:
            self.actor = before

    def fire(self, hook_point: str, variables: HookVars) -> list[HookVars]:
        """Call the hook listener; return what it returned, as the list WHMCS would collect."""
        if self.switches.debug_hooks:
            self.note_activity(f"Hooks Debug: Called Hook Point {hook_point}")
        if self.hook_listener is None:
            return []
        reply = self.hook_listener(hook_point, variables)
        return [reply] if reply else []

    def record(self, kind: str, *, client: int = 0, service: int = 0, invoice: int = 0, detail: str = "") -> None:
        """Write an effect to `log`, by the current actor."""
        self.log.append(SimEvent(self.clock, kind, self.actor, client, service, invoice, detail))

    def note_activity(self, description: str, client: int = 0) -> ActivityEntry:
        """Write a row of WHMCS's activity log."""
        admin = 1 if self.actor in (Actor.API, Actor.ADMIN) else 0
        entry = ActivityEntry(
            self.new_id("activity"),
            self.clock,
            description,
            client,
            admin=admin,
            username=self.admins[1].username if admin else "System",
        )
        self.activity.append(entry)
        return entry

    # --- ids ------------------------------------------------------------------------------------

    def new_id(self, kind: str) -> int:
        """The next id of a kind (`client`, `service`, `invoice`, `line`, `transaction`, ...)."""
        number = self.counters.get(kind, 0) + 1
        self.counters[kind] = number
        return number

    def _claim(self, kind: str, number: int) -> int:
        """A given id, or the next one for 0; the counter never falls behind."""
        if not number:
            return self.new_id(kind)
        if number > self.counters.get(kind, 0):
            self.counters[kind] = number
        return number

    # --- clients --------------------------------------------------------------------------------

    def add_client(self, client: Client) -> Client:
        """Store a client (id 0 takes the next) with an owner login if it names none."""
        client.id = self._claim("client", client.id)
        self.clients[client.id] = client
        self.clients_by_email[client.email.lower()] = client.id
        if not client.owner:
            user = User(0, client.firstname, client.lastname, client.email, self.clock, {client.id: True})
            client.owner = self.add_user(user).id
        self.revision += 1
        return client

    def add_user(self, user: User) -> User:
        """Store a login."""
        user.id = self._claim("user", user.id)
        self.users[user.id] = user
        for client in user.clients:
            self.users_of_client.setdefault(client, []).append(user.id)
        return user

    def link_user(self, user: User, client: int, *, owner: bool = False) -> None:
        """Let a login into a client's account."""
        user.clients[client] = owner
        known = self.users_of_client.setdefault(client, [])
        if user.id not in known:
            known.append(user.id)

    def unlink_user(self, user: User, client: int) -> None:
        """Take a login out of a client's account."""
        user.clients.pop(client, None)
        known = self.users_of_client.get(client, [])
        if user.id in known:
            known.remove(user.id)

    def set_email(self, client: Client, email: str) -> None:
        """Change a client's address, keeping the look-up by address right."""
        if self.clients_by_email.get(client.email.lower()) == client.id:
            del self.clients_by_email[client.email.lower()]
        client.email = email
        self.clients_by_email[email.lower()] = client.id

    def set_group(self, client: Client, group: int) -> None:
        """Move a client to a group (0: none); recorded when it changes anything."""
        if client.group != group:
            before, client.group = client.group, group
            self.record("group", client=client.id, detail=f"{before}->{group}")

    def add_credit(self, client: Client, amount: int, description: str, relid: int = 0) -> CreditEntry:
        """Add cents to a client's credit (negative takes away) and log it."""
        client.credit += amount
        entry = CreditEntry(self.new_id("credit"), client.id, self.today, description, amount, relid)
        self.credits[entry.id] = entry
        self.record("credit", client=client.id, detail=f"{amount} {description}")
        return entry

    def delete_client(self, client: Client) -> None:
        """Remove a client with everything that belongs to it."""
        for service in list(self.services_by_client.get(client.id, ())):
            self.delete_service(self.services[service])
        for invoice in list(self.invoices_by_client.get(client.id, ())):
            self.delete_invoice(self.invoices[invoice])
        for domain in self.domains_by_client.pop(client.id, ()):
            self.domains.pop(domain, None)
        for contact in self.contacts_by_client.pop(client.id, ()):
            self.contacts.pop(contact, None)
        for transaction in self.transactions_by_client.pop(client.id, ()):
            self.transactions.pop(transaction, None)
        for email in self.emails_by_client.pop(client.id, ()):
            self.emails.pop(email, None)
        for table in (self.orders, self.tickets, self.notes, self.pay_methods, self.billable_items, self.credits):
            for number in [key for key, row in table.items() if row.client == client.id]:
                del table[number]
        self.services_by_client.pop(client.id, None)
        self.invoices_by_client.pop(client.id, None)
        if self.clients_by_email.get(client.email.lower()) == client.id:
            del self.clients_by_email[client.email.lower()]
        for number in self.users_of_client.pop(client.id, ()):
            if number in self.users:
                self.users[number].clients.pop(client.id, None)
        del self.clients[client.id]
        self.revision += 1

    def add_contact(self, contact: Contact) -> Contact:
        """Store a sub-account."""
        contact.id = self._claim("contact", contact.id)
        self.contacts[contact.id] = contact
        self.contacts_by_client.setdefault(contact.client, []).append(contact.id)
        return contact

    def delete_contact(self, contact: Contact) -> None:
        """Remove a sub-account."""
        del self.contacts[contact.id]
        self.contacts_by_client[contact.client].remove(contact.id)

    # --- catalogue ------------------------------------------------------------------------------

    def add_currency(self, currency: Currency) -> Currency:
        """Store a currency."""
        currency.id = self._claim("currency", currency.id)
        self.currencies[currency.id] = currency
        return currency

    def add_payment_method(self, method: PaymentMethod) -> PaymentMethod:
        """Store a gateway under its system name."""
        self.payment_methods[method.module] = method
        return method

    def add_group(self, group: Group) -> Group:
        """Store a client group."""
        group.id = self._claim("group", group.id)
        self.groups[group.id] = group
        return group

    def add_product_group(self, group: ProductGroup) -> ProductGroup:
        """Store a product group."""
        group.id = self._claim("product_group", group.id)
        self.product_groups[group.id] = group
        return group

    def add_product(self, product: Product) -> Product:
        """Store a product."""
        product.id = self._claim("product", product.id)
        self.products[product.id] = product
        return product

    def add_server(self, server: Server) -> Server:
        """Store a server."""
        server.id = self._claim("server", server.id)
        self.servers[server.id] = server
        return server

    # --- services -------------------------------------------------------------------------------

    def add_service(self, service: Service) -> Service:
        """Store a service (id 0 takes the next) and index it."""
        service.id = self._claim("service", service.id)
        self.services[service.id] = service
        self.services_by_client.setdefault(service.client, []).append(service.id)
        self.services_by_status.setdefault(service.status, {})[service.id] = None
        self.revision += 1
        return service

    def set_service_status(self, service: Service, status: str, *, recorded: bool = False) -> None:
        """Change a service's status and what hangs on it.

        Leaving Suspended clears the suspension reason; an ended one gets its termination date.
        `recorded` writes `service:status` to the log (a status set by hand, not through a module).
        """
        before = service.status
        if before == status:
            return
        self.services_by_status.get(before, {}).pop(service.id, None)
        service.status = status
        self.services_by_status.setdefault(status, {})[service.id] = None
        if before == ServiceStatus.SUSPENDED:
            service.suspend_reason = ""
        if status in (ServiceStatus.TERMINATED, ServiceStatus.CANCELLED) and service.terminated is None:
            service.terminated = self.today
        if recorded:
            self.record("service:status", client=service.client, service=service.id, detail=f"{before}->{status}")

    def move_service(self, service: Service, client: int) -> None:
        """Give a service (with its addons) to another client."""
        self.services_by_client[service.client].remove(service.id)
        service.client = client
        self.services_by_client.setdefault(client, []).append(service.id)
        for addon in self.addons_by_service.get(service.id, ()):
            self.addons[addon].client = client
        self.revision += 1

    def delete_service(self, service: Service) -> None:
        """Remove a service with its addons; its invoices stay. Fires ServiceDelete."""
        del self.services[service.id]
        self.services_by_client[service.client].remove(service.id)
        self.services_by_status[service.status].pop(service.id, None)
        for addon in self.addons_by_service.pop(service.id, ()):
            self.addons.pop(addon, None)
        self.revision += 1
        self.record("service:deleted", client=service.client, service=service.id)
        variables = {"userid": service.client, "clientId": service.client, "serviceid": service.id}
        self.fire("ServiceDelete", variables)

    def add_addon(self, addon: Addon) -> Addon:
        """Store an addon and index it by its service."""
        addon.id = self._claim("addon", addon.id)
        self.addons[addon.id] = addon
        self.addons_by_service.setdefault(addon.service, []).append(addon.id)
        return addon

    def add_domain(self, domain: Domain) -> Domain:
        """Store a domain and index it by its client."""
        domain.id = self._claim("domain", domain.id)
        self.domains[domain.id] = domain
        self.domains_by_client.setdefault(domain.client, []).append(domain.id)
        return domain

    # --- invoices and money -----------------------------------------------------------------------

    def add_invoice(self, invoice: Invoice, *, recorded: bool = True) -> Invoice:
        """Store an invoice: fills ids (0 takes the next), totals from the lines, time stamps, indexes."""
        invoice.id = self._claim("invoice", invoice.id)
        for line in invoice.lines:
            line.id = self._claim("line", line.id)
        self.retotal(invoice)
        if invoice.created_at is None:
            invoice.created_at = self.clock
        if invoice.updated_at is None:
            invoice.updated_at = invoice.created_at
        self.index_invoice(invoice)
        if recorded:
            self.record("invoice:created", client=invoice.client, invoice=invoice.id)
        return invoice

    def index_invoice(self, invoice: Invoice) -> None:
        """Put a finished invoice into the table and every index: the fast way in for seeds.

        The caller has set ids, totals and stamps, and keeps `counters` right.
        """
        number = invoice.id
        self.invoices[number] = invoice
        self.invoices_by_client.setdefault(invoice.client, []).append(number)
        for line in invoice.lines:
            if line.type == "Hosting":
                known = self.invoices_by_service.setdefault(line.relid, [])
                if not known or known[-1] != number:
                    known.append(number)
        if invoice.status not in CLOSED:
            self.invoices_by_status.setdefault(invoice.status, {})[number] = None
        self.revision += 1

    def retotal(self, invoice: Invoice) -> None:
        """Work out subtotal, taxes (tax rates on taxed lines, half up) and total from the lines."""
        invoice.subtotal = sum(line.amount for line in invoice.lines)
        if invoice.taxrate or invoice.taxrate2:
            taxed = sum(line.amount for line in invoice.lines if line.taxed)
            invoice.tax = (taxed * invoice.taxrate + 50_000) // 100_000
            invoice.tax2 = (taxed * invoice.taxrate2 + 50_000) // 100_000
        invoice.total = invoice.subtotal + invoice.tax + invoice.tax2 - invoice.credit

    def add_line(self, invoice: Invoice, line: InvoiceLine) -> InvoiceLine:
        """Append a line, index it and total again."""
        line.id = self._claim("line", line.id)
        invoice.lines.append(line)
        if line.type == "Hosting":
            known = self.invoices_by_service.setdefault(line.relid, [])
            if invoice.id not in known:
                known.append(invoice.id)
        self.retotal(invoice)
        self.touch(invoice)
        return line

    def remove_lines(self, invoice: Invoice, lines: Iterable[int]) -> None:
        """Remove lines by id and total again."""
        gone = set(lines)
        services = {line.relid for line in invoice.lines if line.type == "Hosting"}
        invoice.lines = [line for line in invoice.lines if line.id not in gone]
        services -= {line.relid for line in invoice.lines if line.type == "Hosting"}
        for service in services:
            known = self.invoices_by_service.get(service, [])
            if invoice.id in known:
                known.remove(invoice.id)
        self.retotal(invoice)
        self.touch(invoice)

    def touch(self, invoice: Invoice) -> None:
        """Move `updated_at` to now."""
        invoice.updated_at = self.clock

    def set_invoice_status(self, invoice: Invoice, status: str) -> None:
        """Change a status: index, stamps (paid, refunded, cancelled) and log. Fires no hook."""
        before = invoice.status
        if before == status:
            return
        if before not in CLOSED:
            self.invoices_by_status.get(before, {}).pop(invoice.id, None)
        if status not in CLOSED:
            self.invoices_by_status.setdefault(status, {})[invoice.id] = None
        invoice.status = status
        if status == InvoiceStatus.PAID:
            invoice.paid_at = self.clock
        elif status == InvoiceStatus.CANCELLED:
            invoice.cancelled_at = self.clock
        elif status == InvoiceStatus.REFUNDED:
            invoice.refunded_at = self.clock
        elif status == InvoiceStatus.UNPAID:
            invoice.paid_at = invoice.cancelled_at = invoice.refunded_at = None
        self.touch(invoice)
        self.revision += 1
        kind = f"invoice:{status.lower().replace(' ', '-')}"
        self.record(kind, client=invoice.client, invoice=invoice.id, detail=f"{before}->{status}")

    def delete_invoice(self, invoice: Invoice) -> None:
        """Remove an invoice as staff can in the admin area (no API action does)."""
        del self.invoices[invoice.id]
        self.invoices_by_client[invoice.client].remove(invoice.id)
        for service in {line.relid for line in invoice.lines if line.type == "Hosting"}:
            known = self.invoices_by_service.get(service, [])
            if invoice.id in known:
                known.remove(invoice.id)
        self.invoices_by_status.get(invoice.status, {}).pop(invoice.id, None)
        for number in self.transactions_by_invoice.pop(invoice.id, ()):
            self.transactions[number].invoice = 0
        self.revision += 1
        self.record("invoice:deleted", client=invoice.client, invoice=invoice.id)

    def move_invoice(self, invoice: Invoice, client: int) -> None:
        """Give an invoice to another client (staff do it in the database)."""
        self.invoices_by_client[invoice.client].remove(invoice.id)
        invoice.client = client
        ids = self.invoices_by_client.setdefault(client, [])
        ids.insert(bisect_left(ids, invoice.id), invoice.id)
        self.revision += 1

    def invoices_in(self, *statuses: str) -> Iterator[Invoice]:
        """Invoices of the given statuses by id; fast for open ones, a full scan for closed ones."""
        if any(status in CLOSED for status in statuses):
            yield from (invoice for invoice in self.invoices.values() if invoice.status in statuses)
            return
        ids = sorted(number for status in statuses for number in self.invoices_by_status.get(status, ()))
        yield from (self.invoices[number] for number in ids)

    def add_transaction(self, transaction: Transaction) -> Transaction:
        """Store a payment or refund and index it."""
        transaction.id = self._claim("transaction", transaction.id)
        self.transactions[transaction.id] = transaction
        if transaction.invoice:
            self.transactions_by_invoice.setdefault(transaction.invoice, []).append(transaction.id)
        self.transactions_by_client.setdefault(transaction.client, []).append(transaction.id)
        return transaction

    def transactions_of(self, invoice: Invoice) -> list[Transaction]:
        """The payments and refunds of an invoice, oldest first.

        Settled history (`plain_payment`) stores none: its one payment is derived, with the invoice's
        own id; seeds start the transaction counter beyond.
        """
        stored = [self.transactions[number] for number in self.transactions_by_invoice.get(invoice.id, ())]
        if not invoice.plain_payment:
            return stored
        at = invoice.paid_at or datetime.combine(invoice.due, datetime.min.time())
        amount = invoice.subtotal + invoice.tax + invoice.tax2 - invoice.credit
        derived = Transaction(
            invoice.id, invoice.client, invoice.id, invoice.gateway, at, amount, transid=f"H{invoice.id}"
        )
        return [derived, *stored]

    def balance(self, invoice: Invoice) -> int:
        """Cents still owed on an invoice: total (net of credit) less payments plus refunds."""
        if invoice.plain_payment and invoice.id not in self.transactions_by_invoice:
            return 0
        paid = sum(entry.amount_in - entry.amount_out for entry in self.transactions_of(invoice))
        return invoice.total - paid

    # --- support, mail, logs ----------------------------------------------------------------------

    def add_email(self, email: Email) -> Email:
        """Store a mail in a client's log and record `email` (detail: the template, else the subject)."""
        email.id = self._claim("email", email.id)
        self.emails[email.id] = email
        self.emails_by_client.setdefault(email.client, []).append(email.id)
        self.record("email", client=email.client, detail=email.template or email.subject)
        return email

    def add_ticket(self, ticket: Ticket) -> Ticket:
        """Store a ticket."""
        ticket.id = self._claim("ticket", ticket.id)
        self.tickets[ticket.id] = ticket
        return ticket

    def add_order(self, order: Order) -> Order:
        """Store an order."""
        order.id = self._claim("order", order.id)
        self.orders[order.id] = order
        return order

    def add_cancel_request(self, request: CancelRequest) -> CancelRequest:
        """Store a cancellation request."""
        request.id = self._claim("cancel_request", request.id)
        self.cancel_requests[request.id] = request
        return request

    def queue_module_failure(self, service: Service, action: str, error: str) -> ModuleQueueEntry:
        """Put a failed module action (`SuspendAccount`, ...) into the module queue."""
        product = self.products.get(service.product)
        module = product.module if product else ""
        entry = ModuleQueueEntry(self.new_id("queue"), service.id, module, action, self.clock, error)
        self.module_queue[entry.id] = entry
        return entry

    # --- settings ---------------------------------------------------------------------------------

    def is_on(self, setting: str) -> bool:
        """Whether a WHMCS configuration value is switched on."""
        return self.settings.get(setting, "").lower() in {"on", "1", "true", "yes"}

    def number(self, setting: str, default: int = 0) -> int:
        """A WHMCS configuration value as a number."""
        text = self.settings.get(setting, "")
        return int(text) if text.lstrip("-").isdigit() else default


def aborts(replies: Iterable[HookVars], key: str = "abortcmd") -> bool:
    """Whether any hook reply asks to abort (facts sheet 11.1: any abort wins)."""
    return any(bool(reply.get(key)) for reply in replies)


def new_world(clock: datetime | None = None, timezone: str = "UTC") -> World:
    """A world with what every WHMCS has: a currency, gateways, a department, the stock mail templates."""
    world = World(timezone=timezone)
    if clock is not None:
        world.clock = clock
    world.add_currency(Currency(0, "USD", "$", " USD"))
    world.add_payment_method(PaymentMethod("banktransfer", "Bank Transfer"))
    world.add_payment_method(PaymentMethod("paypal", "PayPal"))
    world.add_payment_method(PaymentMethod("mailin", "Mail In Payment"))
    world.add_payment_method(PaymentMethod("stripe", "Credit Card", card=True))
    world.departments[1] = Department(1, "Support")
    world.counters["department"] = 1
    for number, (kind, name, subject) in enumerate(STOCK_TEMPLATES, start=1):
        world.templates[number] = EmailTemplate(number, kind, name, subject)
    world.counters["template"] = len(STOCK_TEMPLATES)
    return world
