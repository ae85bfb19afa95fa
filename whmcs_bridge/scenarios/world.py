"""The simulated WHMCS that a scenario starts from: groups, products, clients, services, under stable numbers."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal

from whmcs_bridge.scenarios.model import ClientSpec, Event, LineSpec, Scenario, ServiceSpec
from whmcs_bridge.simulator import cycles
from whmcs_bridge.simulator.mail import template_named
from whmcs_bridge.simulator.records import (
    Addon,
    Client,
    Currency,
    Domain,
    EmailTemplate,
    Group,
    PaymentMethod,
    Product,
    ProductGroup,
    Server,
    Service,
)
from whmcs_bridge.simulator.state import Credentials, World, new_world

FIRST_INVOICE = 1001
DEFAULT_GATEWAY = "paypal"
"""Of an invoice that names none: a gateway that nobody gives clearing days by accident."""
DEFAULT_PRICE = 1000
"""Cents."""


def cents(amount: Decimal) -> int:
    """An amount in cents."""
    return int(amount * 100)


def build_world(scenario: Scenario) -> World:
    """Return the world on the morning of the scenario's first date."""
    calendar = scenario.settings.policy.calendar
    world = new_world(datetime.combine(scenario.first, time()), calendar.timezone)
    whmcs = scenario.settings.whmcs
    world.settings["SystemURL"] = whmcs.url + "/"
    world.credentials = Credentials(whmcs.identifier.reveal(), whmcs.secret.reveal())
    _switch(world, scenario)
    _add_gateways(world, scenario)
    _add_templates(world, scenario)
    for spec in scenario.groups:
        number = scenario.number("group", spec.name)
        world.add_group(Group(number, spec.name, discount_percent=f"{spec.discount:.2f}", exempt=spec.exempt))
    _add_products(world, scenario)
    for client in scenario.clients:
        _add_client(world, scenario, client)
    for service in scenario.services:
        _add_service(world, scenario, service)
    world.counters["invoice"] = FIRST_INVOICE - 1
    world.log.clear()
    return world


def _switch(world: World, scenario: Scenario) -> None:
    """WHMCS's own automation: off unless `panel` says so."""
    panel = scenario.panel
    flags = {
        "AutoSuspension": panel.suspend_days is not None,
        "AutoTermination": panel.terminate_days is not None,
        "AutoUnsuspend": panel.auto_unsuspend,
        "AutoCancellationRequests": panel.cancellation_requests,
        "CancelInvoiceOnCancellation": panel.cancellation_requests,
        "ContinuousInvoiceGeneration": panel.continuous_invoicing,
        "GenerateInvoices": panel.invoice_lead_days is not None,
        "NoAutoApplyCredit": not panel.auto_apply_credit,
        "SendOverdueReminders": False,
    }
    world.settings.update({key: "on" if flag else "" for key, flag in flags.items()})
    numbers = {
        "AutoSuspensionDays": panel.suspend_days,
        "AutoTerminationDays": panel.terminate_days,
        "CreateInvoiceDaysBefore": panel.invoice_lead_days,
    }
    world.settings.update({key: str(number) for key, number in numbers.items() if number is not None})


def _add_gateways(world: World, scenario: Scenario) -> None:
    named = [event.text("gateway") for event in scenario.events]
    for name in (*scenario.settings.policy.calendar.clearing_bank_days, *named):
        if name and name not in world.payment_methods:
            world.add_payment_method(PaymentMethod(name, name.title()))


def _add_templates(world: World, scenario: Scenario) -> None:
    """A message of the file that is neither built in nor written out is a mail template, as the house would have it."""
    later = [event.settings for event in scenario.events if event.settings is not None]
    for settings in (scenario.settings, *later):
        for message in settings.policy.messages.values():
            if message.template and template_named(world, message.template) is None:
                number = world.new_id("template")
                kind, name = message.about, message.template
                world.templates[number] = EmailTemplate(number, kind, name, name, custom=True)


def _add_products(world: World, scenario: Scenario) -> None:
    world.add_server(Server(1, "server1", "server1.example.net", "192.0.2.1", "cpanel"))
    shelves: dict[str, int] = {}
    for spec in scenario.products:
        if spec.group not in shelves:
            shelves[spec.group] = world.add_product_group(ProductGroup(0, spec.group)).id
        price = DEFAULT_PRICE if spec.price is None else cents(spec.price)
        prices = {"USD": {spec.cycle: price}}
        number = scenario.number("product", spec.label)
        name = spec.label.removeprefix("class ").title()
        world.add_product(Product(number, shelves[spec.group], name, spec.type, spec.module, prices=prices))


def _add_client(world: World, scenario: Scenario, spec: ClientSpec) -> None:
    number = scenario.number("client", spec.label)
    world.add_client(
        Client(
            number,
            firstname=spec.name or spec.label,
            email=spec.email or f"{slug(spec.label)}.{number}@example.com",
            created=spec.since,
            group=scenario.number("group", spec.group) if spec.group else 0,
            currency=_currency(world, spec.currency),
            credit=cents(spec.credit),
            gateway=DEFAULT_GATEWAY,
        )
    )


def _currency(world: World, code: str) -> int:
    for known in world.currencies.values():
        if known.code == code:
            return known.id
    return world.add_currency(Currency(0, code, "", f" {code}")).id


def _add_service(world: World, scenario: Scenario, spec: ServiceSpec) -> None:
    number = scenario.number("service", spec.label)
    product = world.products[scenario.number("product", spec.product)]
    client = world.clients[scenario.number("client", spec.client)]
    cycle, price = next(iter(product.prices["USD"].items()))
    billed = next(_bills(scenario, spec.label), None)
    amount = spec.amount if spec.amount is not None else (billed[1].amount if billed else None)
    due = spec.next_due or _next_due(scenario, billed[0] if billed else None, cycle)
    world.add_service(
        Service(
            number,
            client.id,
            product.id,
            spec.status,
            spec.domain or f"{slug(spec.label)}-{number}.example.org",
            spec.username or f"{slug(spec.label)[:5]}{number}",
            server=1 if product.module else 0,
            registered=spec.registered or client.created,
            next_due=due,
            next_invoice=due,
            terminated=scenario.first if spec.status in ("Terminated", "Cancelled") else None,
            cycle=cycle.title(),
            amount=price if amount is None else cents(amount),
            gateway=DEFAULT_GATEWAY,
            suspend_reason=spec.suspension_reason,
        )
    )


def _bills(scenario: Scenario, label: str) -> Iterator[tuple[Event, LineSpec]]:
    """The invoices of the file that bill a service, oldest first, with their line for it."""
    for event in scenario.events:
        for line in event.values.get("lines", ()):
            if line.kind == "service" and line.what == label:
                yield event, line


def _next_due(scenario: Scenario, bill: Event | None, cycle: str) -> date | None:
    """Without a next due date of its own, a service is due when its first invoice is; where WHMCS makes the
    renewals itself, a cycle later; without an invoice a cycle after the last date."""
    due = bill.day("due") if bill is not None else None
    if due is None:
        return cycles.advance(scenario.last, cycle)
    return due if scenario.panel.invoice_lead_days is None else cycles.advance(due, cycle)


def addon_for(world: World, scenario: Scenario, client: int, line: LineSpec) -> int:
    """Return the addon that a line bills, made when first billed.

    Its parent is the service named beside it, else the service that its own label names (`site`, `site:ssl`), else
    the client's first.
    """
    services = scenario.numbers["service"]
    parent = line.service or next((part for part in re.split(r"[:/@ ]", line.what) if part in services), "")
    number = scenario.number("service", parent) if parent else world.services_by_client[client][0]
    for known in world.addons_by_service.get(number, ()):
        if world.addons[known].name == line.what:
            return known
    service = world.services[number]
    addon = Addon(0, client, number, line.what, amount=cents(line.amount), registered=service.registered)
    addon.next_due = service.next_due
    addon.gateway = DEFAULT_GATEWAY
    return world.add_addon(addon).id


def domain_for(world: World, client: int, line: LineSpec, due: date) -> int:
    """Return the domain registration that a line bills, made when first billed."""
    for known in world.domains_by_client.get(client, ()):
        if world.domains[known].name == line.what:
            return known
    registered = world.clients[client].created
    domain = Domain(0, client, line.what, registered=registered, expires=due, next_due=due, amount=cents(line.amount))
    return world.add_domain(domain).id


def slug(label: str) -> str:
    """A label as part of a host name."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "x"
