"""Making invoices: one by hand, or every renewal that is due (facts sheet 10.2)."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from whmcs_bridge.simulator import cycles
from whmcs_bridge.simulator.automation import apply_credit, invoice_paid
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import (
    Actor,
    Addon,
    BillableItem,
    Client,
    Domain,
    Group,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    Service,
    ServiceStatus,
)
from whmcs_bridge.simulator.state import World

BILLED: tuple[str, ...] = (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED)
UNSETTLED: tuple[str, ...] = (
    InvoiceStatus.UNPAID,
    InvoiceStatus.PAYMENT_PENDING,
    InvoiceStatus.COLLECTIONS,
    InvoiceStatus.DRAFT,
)
_DAYS_OF_ACTION = {"Days": 1, "Weeks": 7}


@dataclass(slots=True)
class _Charge:
    """One thing to be billed; `settle` notes on its record that it has been."""

    client: int
    due: date
    gateway: str
    line: InvoiceLine
    discounted: bool
    settle: Callable[[int], None]


def create_invoice(
    world: World,
    client: Client,
    lines: list[InvoiceLine],
    due: date,
    *,
    created: date | None = None,
    gateway: str = "",
    status: str = InvoiceStatus.UNPAID,
    source: str = "adminarea",
    actor: str = Actor.ADMIN,
    notes: str = "",
    mail: bool = True,
    use_credit: bool = False,
    taxrate: int = 0,
    taxrate2: int = 0,
) -> Invoice:
    """Make an invoice with its hooks and mail; `source` is adminarea, api or autogen.

    A Draft fires InvoiceCreation only. Otherwise: InvoiceCreation, the pre-mail hook of the admin area,
    the "Invoice Created" mail, InvoiceCreated; then, if asked, the client's credit is used; an invoice
    of nothing is paid at once (switch `zero_total_is_paid`).
    """
    with world.acting(actor):
        invoice = Invoice(
            0,
            client.id,
            created or world.today,
            due,
            status=status,
            lines=lines,
            gateway=gateway or client.gateway or next(iter(world.payment_methods), ""),
            notes=notes,
            taxrate=taxrate,
            taxrate2=taxrate2,
        )
        world.add_invoice(invoice)
        variables = _creation_vars(world, invoice, source)
        world.fire("InvoiceCreation", variables)
        if source == "adminarea":
            world.fire("InvoiceCreationAdminArea", variables)
        if status != InvoiceStatus.DRAFT:
            _announce(world, invoice, source, mail=mail)
            if status == InvoiceStatus.UNPAID:
                _settle_at_once(world, invoice, actor, use_credit=use_credit, mail=mail)
        return invoice


def publish_invoice(world: World, invoice: Invoice, actor: str = Actor.ADMIN, *, mail: bool = True) -> None:
    """Take an invoice out of Draft. ValueError with WHMCS's text when it is not one."""
    if invoice.status != InvoiceStatus.DRAFT:
        raise ValueError("Invoice must be in Draft status to be published")
    with world.acting(actor):
        world.set_invoice_status(invoice, InvoiceStatus.UNPAID)
        _announce(world, invoice, "api" if actor == Actor.API else "adminarea", mail=mail)


def generate_invoices(
    world: World,
    actor: str = Actor.CRON,
    *,
    client: int = 0,
    services: Collection[int] = (),
    addons: Collection[int] = (),
    domains: Collection[int] = (),
    mail: bool = True,
) -> list[int]:
    """Invoice everything due within `CreateInvoiceDaysBefore` days; return the new invoice ids.

    `client`, or ids of services, addons and domains, narrow the run (the GenInvoices action). With
    Continuous Invoice Generation off, what has an unpaid invoice gets no other. Lines due the same day
    through the same gateway share an invoice unless client or group wants them separate. Fires
    PreInvoicingGenerateInvoiceItems and AfterInvoicingGenerateInvoiceItems around it all.
    """
    with world.acting(actor):
        world.fire("PreInvoicingGenerateInvoiceItems", {})
        wanted = _Wanted(client, frozenset(services), frozenset(addons), frozenset(domains))
        made = []
        for charges in _grouped(world, _charges(world, wanted)):
            made.append(_invoice_for(world, charges, actor, mail=mail))
        world.fire("AfterInvoicingGenerateInvoiceItems", {})
        return made


@dataclass(frozen=True, slots=True)
class _Wanted:
    client: int
    services: frozenset[int]
    addons: frozenset[int]
    domains: frozenset[int]

    @property
    def everything(self) -> bool:
        return not (self.services or self.addons or self.domains)


def _charges(world: World, wanted: _Wanted) -> Iterator[_Charge]:
    horizon = world.today + timedelta(days=world.number("CreateInvoiceDaysBefore", 14))
    continuous = world.is_on("ContinuousInvoiceGeneration")
    unpaid = set() if continuous else _unpaid_items(world)
    leaving = {request.service for request in world.cancel_requests.values()}
    for service in _services(world, wanted):
        due = _bill_date(service, horizon, continuous)
        if due is None or ("Hosting", service.id) in unpaid or service.id in leaving:
            continue
        yield _service_charge(world, service, due)
    for addon in _addons(world, wanted):
        due = _bill_date(addon, horizon, continuous)
        if due is not None and ("Addon", addon.id) not in unpaid and addon.service not in leaving:
            yield _addon_charge(addon, due)
    for domain in _domains(world, wanted):
        if domain.next_due is None or domain.next_due > horizon or ("Domain", domain.id) in unpaid:
            continue
        if domain.next_invoice is None or domain.next_invoice <= domain.next_due:
            yield _domain_charge(domain, domain.next_due)
    if wanted.everything:
        yield from _billable_items(world, wanted.client, horizon)


def _services(world: World, wanted: _Wanted) -> Iterator[Service]:
    if wanted.services:
        numbers = sorted(wanted.services)
    elif not wanted.everything:
        return
    elif wanted.client:
        numbers = world.services_by_client.get(wanted.client, [])
    else:
        numbers = sorted(number for status in BILLED for number in world.services_by_status.get(status, ()))
    for number in numbers:
        service = world.services.get(number)
        if service is not None and service.status in BILLED and wanted.client in (0, service.client):
            yield service


def _addons(world: World, wanted: _Wanted) -> Iterator[Addon]:
    if not (wanted.everything or wanted.addons):
        return
    for addon in world.addons.values():
        if wanted.addons and addon.id not in wanted.addons:
            continue
        if addon.status in BILLED and wanted.client in (0, addon.client):
            yield addon


def _domains(world: World, wanted: _Wanted) -> Iterator[Domain]:
    if not (wanted.everything or wanted.domains):
        return
    for domain in world.domains.values():
        if wanted.domains and domain.id not in wanted.domains:
            continue
        alive = domain.status == ServiceStatus.ACTIVE and not domain.do_not_renew
        if alive and wanted.client in (0, domain.client):
            yield domain


def _unpaid_items(world: World) -> set[tuple[str, int]]:
    return {(line.type, line.relid) for invoice in world.invoices_in(*UNSETTLED) for line in invoice.lines}


def _bill_date(item: Service | Addon, horizon: date, continuous: bool) -> date | None:
    """The date to bill for, if it has come: the next one not yet invoiced (continuous), else the next
    due date unless that has been invoiced already."""
    due, ahead = item.next_due, item.next_invoice
    if due is None or not cycles.months_in(item.cycle):
        return None
    if ahead is not None and ahead > due:
        if not continuous:
            return None
        due = ahead
    return due if due <= horizon else None


def _service_charge(world: World, service: Service, due: date) -> _Charge:
    product = world.products.get(service.product)
    name = product.name if product else "Service"
    if service.domain:
        name = f"{name} - {service.domain}"
    following = cycles.advance(due, service.cycle, service.registered.day)

    def settle(_: int) -> None:
        service.next_invoice = following

    line = InvoiceLine(0, "Hosting", service.id, _period(name, due, following), service.amount)
    return _Charge(service.client, due, service.gateway, line, True, settle)


def _addon_charge(addon: Addon, due: date) -> _Charge:
    following = cycles.advance(due, addon.cycle, addon.registered.day)

    def settle(_: int) -> None:
        addon.next_invoice = following

    line = InvoiceLine(0, "Addon", addon.id, _period(addon.name, due, following), addon.amount, addon.taxed)
    return _Charge(addon.client, due, addon.gateway, line, True, settle)


def _domain_charge(domain: Domain, due: date) -> _Charge:
    following = cycles.add_months(due, 12 * domain.years, domain.registered.day)

    def settle(_: int) -> None:
        domain.next_invoice = following

    text = _period(f"Domain Renewal - {domain.name} - {domain.years} Year/s", due, following)
    line = InvoiceLine(0, "Domain", domain.id, text, domain.amount)
    return _Charge(domain.client, due, domain.gateway, line, False, settle)


def _billable_items(world: World, client: int, horizon: date) -> Iterator[_Charge]:
    """Items for the next cron, or due; `nextinvoice` ones wait for another line of their client."""
    for item in world.billable_items.values():
        if item.invoiced or item.action in ("noinvoice", "nextinvoice") or client not in (0, item.client):
            continue
        due = item.due or world.today
        if item.action == "nextcron" or due <= horizon:
            owner = world.clients[item.client]
            line = InvoiceLine(0, "Item", item.id, item.description, item.amount)
            yield _Charge(item.client, due, owner.gateway, line, False, _item_settler(item, due))


def _item_settler(item: BillableItem, due: date) -> Callable[[int], None]:
    def settle(invoice: int) -> None:
        if item.action != "recur" or item.recur_for == 1:
            item.invoiced = invoice
            return
        item.recur_for = max(item.recur_for - 1, 0)
        step = max(item.recur, 1)
        if item.recur_cycle in _DAYS_OF_ACTION:
            item.due = due + timedelta(days=step * _DAYS_OF_ACTION[item.recur_cycle])
        else:
            item.due = cycles.add_months(due, step * (12 if item.recur_cycle == "Years" else 1))

    return settle


def _period(name: str, start: date, following: date | None) -> str:
    if following is None or following == start:
        return name
    return f"{name} ({start:%d/%m/%Y} - {following - timedelta(days=1):%d/%m/%Y})"


def _grouped(world: World, charges: Iterator[_Charge]) -> list[list[_Charge]]:
    together: dict[tuple[object, ...], list[_Charge]] = {}
    for charge in charges:
        client = world.clients[charge.client]
        key: tuple[object, ...] = (client.id, charge.due, charge.gateway)
        if client.separate_invoices or _group_of(world, client).separate_invoices:
            key = (*key, charge.line.type, charge.line.relid)
        together.setdefault(key, []).append(charge)
    return list(together.values())


_NO_GROUP = Group(0, "")


def _group_of(world: World, client: Client) -> Group:
    return world.groups.get(client.group, _NO_GROUP)


def _invoice_for(world: World, charges: list[_Charge], actor: str, *, mail: bool) -> int:
    first = charges[0]
    client = world.clients[first.client]
    lines = [charge.line for charge in charges]
    discount = Decimal(_group_of(world, client).discount_percent)
    if discount:
        lines.extend(_discount_line(charge.line, discount) for charge in charges if charge.discounted)
    waiting = [
        item
        for item in world.billable_items.values()
        if item.client == client.id and item.action == "nextinvoice" and not item.invoiced
    ]
    lines.extend(InvoiceLine(0, "Item", item.id, item.description, item.amount) for item in waiting)
    invoice = create_invoice(
        world,
        client,
        lines,
        first.due,
        gateway=first.gateway,
        source="autogen",
        actor=actor,
        mail=mail,
        use_credit=not world.is_on("NoAutoApplyCredit"),
    )
    for charge in charges:
        charge.settle(invoice.id)
    for item in waiting:
        item.invoiced = invoice.id
    return invoice.id


def _discount_line(line: InvoiceLine, percent: Decimal) -> InvoiceLine:
    off = (line.amount * percent / 100).quantize(Decimal(1), ROUND_HALF_UP)
    return InvoiceLine(0, "GroupDiscount", line.relid, f"Client Group Discount - {percent}%", -int(off))


def _creation_vars(world: World, invoice: Invoice, source: str) -> dict[str, object]:
    user: object = 1 if world.actor in (Actor.ADMIN, Actor.API) else "system"
    return {"source": source, "user": user, "invoiceid": invoice.id, "status": invoice.status}


def _announce(world: World, invoice: Invoice, source: str, *, mail: bool) -> None:
    variables = _creation_vars(world, invoice, source)
    if source == "adminarea":
        world.fire("InvoiceCreationPreEmail", variables)
    if mail:
        send_mail(world, world.clients[invoice.client], "Invoice Created", invoice.id)
    world.fire("InvoiceCreated", variables)


def _settle_at_once(world: World, invoice: Invoice, actor: str, *, use_credit: bool, mail: bool) -> None:
    if use_credit and world.clients[invoice.client].credit > 0 and world.balance(invoice) > 0:
        apply_credit(world, invoice, None, actor, mail=mail)
    elif invoice.total <= 0 and world.switches.zero_total_is_paid:
        invoice_paid(world, invoice, actor, mail=mail)
