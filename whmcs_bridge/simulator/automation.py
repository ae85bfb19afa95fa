"""What WHMCS does by itself when money arrives, comes back, or an invoice changes its status.

Facts sheet 10.2 and 10.3; the order on payment is U8. Amounts are cents. A refusal is a ValueError
whose text is WHMCS's own where one is documented.
"""

from datetime import datetime

from whmcs_bridge.simulator import cycles, modules
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import (
    Actor,
    Addon,
    Domain,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    Service,
    ServiceStatus,
    Transaction,
)
from whmcs_bridge.simulator.state import World

LIVING: frozenset[str] = frozenset({ServiceStatus.PENDING, ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED})
DOMAIN_LINES: frozenset[str] = frozenset({"Domain", "DomainRegister", "DomainTransfer"})
PAYABLE: frozenset[str] = frozenset({InvoiceStatus.UNPAID, InvoiceStatus.PAYMENT_PENDING, InvoiceStatus.COLLECTIONS})


def record_payment(
    world: World,
    invoice: Invoice | int,
    amount: int | None = None,
    gateway: str = "",
    transid: str = "",
    actor: str = Actor.PAYMENT,
    *,
    fees: int = 0,
    at: datetime | None = None,
    mail: bool = True,
) -> Transaction:
    """Book a payment of `amount` cents (None: the whole balance) and run what follows from it.

    Fires AddTransaction and AddInvoicePayment. An invoice whose balance is gone becomes Paid with all
    the automation of `invoice_paid`; what was paid beyond the balance becomes client credit. A partial
    payment leaves the status alone and renews nothing. ValueError for a Cancelled invoice.
    """
    invoice = _invoice(world, invoice)
    if invoice.status == InvoiceStatus.CANCELLED:
        raise ValueError("It is not possible to add a payment to an invoice that is Cancelled")
    with world.acting(actor):
        owed = max(world.balance(invoice), 0)
        paid = owed if amount is None else amount
        entry = Transaction(
            0,
            invoice.client,
            invoice.id,
            gateway or invoice.gateway,
            at or world.clock,
            amount_in=paid,
            fees=fees,
            transid=transid,
        )
        _book(world, invoice, entry)
        world.record("payment", client=invoice.client, invoice=invoice.id, detail=decimal_text(paid))
        world.fire("AddInvoicePayment", {"invoiceid": invoice.id})
        if paid > owed:
            client = world.clients[invoice.client]
            world.add_credit(client, paid - owed, f"Invoice #{invoice.id} Overpayment", invoice.id)
        if paid >= owed and invoice.status != InvoiceStatus.PAID:
            invoice_paid(world, invoice, actor, mail=mail)
        elif world.switches.partial_payment_touches_updated_at:
            world.touch(invoice)
        return entry


def invoice_paid(
    world: World, invoice: Invoice | int, actor: str = Actor.PAYMENT, *, mail: bool = True, tell: bool = True
) -> None:
    """Mark an invoice Paid and run payment automation, in the order of facts sheet U8.

    InvoicePaidPreEmail, the receipt, then line by line (due dates, module Renew, module Unsuspend,
    credit, paid children of a mass payment), then InvoicePaid, twice under `duplicate_invoice_paid`.
    Without `tell` the invoice's own two hooks stay silent (children of a mass payment, switch).
    """
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        world.set_invoice_status(invoice, InvoiceStatus.PAID)
        if tell:
            world.fire("InvoicePaidPreEmail", {"invoiceid": invoice.id})
        if mail:
            send_mail(world, world.clients[invoice.client], "Invoice Payment Confirmation", invoice.id)
        with world.acting(actor if actor in (Actor.ADMIN, Actor.CRON) else Actor.PAYMENT):
            for line in list(invoice.lines):
                _settle_line(world, invoice, line)
        for _ in range(int(tell) + int(tell and world.switches.duplicate_invoice_paid)):
            world.fire("InvoicePaid", {"invoiceid": invoice.id, "invoice": invoice})


def apply_credit(
    world: World, invoice: Invoice | int, amount: int | None = None, actor: str = Actor.ADMIN, *, mail: bool = True
) -> int:
    """Pay an Unpaid invoice from the client's credit; return the cents used.

    None uses as much as there is and is owed. An invoice left with no balance becomes Paid, with its
    automation. ValueError with the documented texts otherwise.
    """
    invoice = _invoice(world, invoice)
    client = world.clients[invoice.client]
    owed = world.balance(invoice)
    wanted = min(client.credit, owed) if amount is None else amount
    if invoice.status != InvoiceStatus.UNPAID:
        raise ValueError("Invoice Not in Unpaid Status")
    if wanted <= 0:
        raise ValueError("Credit Amount to apply must be greater than zero")
    if wanted > client.credit:
        raise ValueError("Amount exceeds customer credit balance")
    if wanted > owed:
        raise ValueError("Amount Exceeds Invoice Balance")
    with world.acting(actor):
        _use_credit(world, invoice, wanted)
        if wanted == owed:
            invoice_paid(world, invoice, actor, mail=mail)
    return wanted


def payment_pending(world: World, invoice: Invoice | int, actor: str = Actor.PAYMENT) -> None:
    """A payment has started and is not confirmed: status Payment Pending, nothing else moves (G13)."""
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        world.set_invoice_status(invoice, InvoiceStatus.PAYMENT_PENDING)


def payment_settled(world: World, invoice: Invoice | int, transid: str = "", actor: str = Actor.PAYMENT) -> None:
    """The pending payment arrived: the whole balance is booked."""
    record_payment(world, invoice, None, "", transid, actor)


def payment_failed(world: World, invoice: Invoice | int, actor: str = Actor.PAYMENT) -> None:
    """The pending payment did not arrive: Unpaid again."""
    mark_unpaid(world, invoice, actor)


def mark_unpaid(world: World, invoice: Invoice | int, actor: str = Actor.ADMIN) -> None:
    """Set the status Unpaid and fire InvoiceUnpaid; no due date moves back (G14)."""
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        store_payment(world, invoice)
        world.set_invoice_status(invoice, InvoiceStatus.UNPAID)
        world.fire("InvoiceUnpaid", {"invoiceid": invoice.id})


def reverse_payment(
    world: World,
    invoice: Invoice | int,
    amount: int | None = None,
    actor: str = Actor.PAYMENT,
    *,
    description: str = "Reversed Payment",
) -> Transaction:
    """A payment is taken back (reversal, chargeback): a row out, and the invoice is Unpaid again.

    None takes back all that was paid. No due date moves back and no service is suspended (G14).
    """
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        entry = _pay_out(world, invoice, amount, description)
        world.record("payment:reversed", client=invoice.client, invoice=invoice.id, detail=description)
        mark_unpaid(world, invoice, actor)
        return entry


def refund(
    world: World,
    invoice: Invoice | int,
    amount: int | None = None,
    actor: str = Actor.ADMIN,
    *,
    to_credit: bool = False,
) -> Transaction:
    """Give money back (None: all of it), to the payer or to the client's credit.

    Fires ManualRefund; when nothing paid remains the status becomes Refunded and InvoiceRefunded
    fires. A partial refund leaves the status alone. ValueError when there is nothing to refund.
    """
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        entry = _pay_out(world, invoice, amount, "Refund of Transaction")
        world.record("refund", client=invoice.client, invoice=invoice.id, detail=decimal_text(entry.amount_out))
        world.fire("ManualRefund", {"transid": entry.transid, "amount": decimal_text(entry.amount_out)})
        if to_credit:
            client = world.clients[invoice.client]
            world.add_credit(client, entry.amount_out, f"Refund of Invoice #{invoice.id}", invoice.id)
        if paid_in(world, invoice) <= 0:
            world.set_invoice_status(invoice, InvoiceStatus.REFUNDED)
            send_mail(world, world.clients[invoice.client], "Invoice Refund Confirmation", invoice.id)
            world.fire("InvoiceRefunded", {"invoiceid": invoice.id})
        elif world.switches.paid_refund_touches_updated_at:
            world.touch(invoice)
        return entry


def cancel_invoice(world: World, invoice: Invoice | int, actor: str = Actor.ADMIN) -> None:
    """Set the status Cancelled; InvoiceCancelled fires unless the API did it (Q20, switch)."""
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        world.set_invoice_status(invoice, InvoiceStatus.CANCELLED)
        if actor != Actor.API or world.switches.api_cancel_fires_invoice_cancelled:
            world.fire("InvoiceCancelled", {"invoiceid": invoice.id})


def send_to_collections(world: World, invoice: Invoice | int, actor: str = Actor.ADMIN) -> None:
    """Set the status Collections: still debt, no longer reminded."""
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        world.set_invoice_status(invoice, InvoiceStatus.COLLECTIONS)


def add_late_fee(world: World, invoice: Invoice | int, amount: int, actor: str = Actor.CRON) -> InvoiceLine:
    """Add a late fee line of `amount` cents; fires AddInvoiceLateFee and UpdateInvoiceTotal."""
    invoice = _invoice(world, invoice)
    with world.acting(actor):
        text = f"Late Fee (Added {world.today:%d/%m/%Y})"
        line = world.add_line(invoice, InvoiceLine(0, "LateFee", invoice.id, text, amount))
        world.fire("AddInvoiceLateFee", {"invoiceid": invoice.id})
        world.fire("UpdateInvoiceTotal", {"invoiceid": invoice.id})
        return line


def paid_in(world: World, invoice: Invoice) -> int:
    """Cents that came in for an invoice and were not given back; credit used does not count."""
    return sum(entry.amount_in - entry.amount_out for entry in world.transactions_of(invoice))


def store_payment(world: World, invoice: Invoice) -> None:
    """Write down the derived payment of settled history (`plain_payment`), before anything changes it."""
    if invoice.plain_payment:
        derived = world.transactions_of(invoice)[0]
        invoice.plain_payment = False
        world.add_transaction(derived)


def decimal_text(cents: int) -> str:
    """Cents as WHMCS writes decimals: `1595` is `15.95`."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def _invoice(world: World, invoice: Invoice | int) -> Invoice:
    return invoice if isinstance(invoice, Invoice) else world.invoices[invoice]


def _book(world: World, invoice: Invoice, entry: Transaction) -> None:
    """Store a transaction and tell the AddTransaction hook (its `invocieid` is WHMCS's spelling)."""
    store_payment(world, invoice)
    world.add_transaction(entry)
    world.fire(
        "AddTransaction",
        {
            "id": entry.id,
            "userid": entry.client,
            "currency": entry.currency,
            "gateway": entry.gateway,
            "date": entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            "description": entry.description,
            "amountin": decimal_text(entry.amount_in),
            "fees": decimal_text(entry.fees),
            "amountout": decimal_text(entry.amount_out),
            "rate": entry.rate,
            "transid": entry.transid,
            "invocieid": entry.invoice,
            "refundid": entry.refund_of,
        },
    )


def _pay_out(world: World, invoice: Invoice, amount: int | None, description: str) -> Transaction:
    store_payment(world, invoice)
    paid = paid_in(world, invoice)
    going = paid if amount is None else amount
    if going <= 0 or going > paid:
        raise ValueError(f"invoice {invoice.id} has {decimal_text(paid)} to give back, not {decimal_text(going)}")
    source = next(entry for entry in reversed(world.transactions_of(invoice)) if entry.amount_in)
    entry = Transaction(
        0,
        invoice.client,
        invoice.id,
        source.gateway,
        world.clock,
        amount_out=going,
        transid=f"{source.transid or source.id}-R",
        description=f"{description} {source.transid or source.id}",
        refund_of=source.id,
    )
    _book(world, invoice, entry)
    return entry


def _use_credit(world: World, invoice: Invoice, amount: int) -> None:
    client = world.clients[invoice.client]
    world.add_credit(client, -amount, f"Credit Applied to Invoice #{invoice.id}", invoice.id)
    invoice.credit += amount
    world.retotal(invoice)
    world.touch(invoice)


def _settle_line(world: World, invoice: Invoice, line: InvoiceLine) -> None:
    if line.type == "Hosting":
        service = world.services.get(line.relid)
        if service is not None and service.status in LIVING:
            _renew_service(world, service)
    elif line.type == "Addon":
        addon = world.addons.get(line.relid)
        if addon is not None and addon.status in LIVING:
            _renew_addon(world, addon)
    elif line.type in DOMAIN_LINES:
        domain = world.domains.get(line.relid)
        if domain is not None:
            _renew_domain(world, domain)
    elif line.type == "AddFunds":
        _add_funds(world, invoice, line)
    elif line.type == "Invoice":
        _settle_child(world, line)


def _renew_service(world: World, service: Service) -> None:
    if not world.switches.due_date_lag:
        move_on(world, service)
    if service.status == ServiceStatus.PENDING or not modules.module_of(world, service):
        return
    modules.run_module(world, service, modules.RENEW)
    if _may_unsuspend(world, service):
        modules.run_module(world, service, modules.UNSUSPEND)


def _may_unsuspend(world: World, service: Service) -> bool:
    """U1 to U3, U7: the setting is on, the reason is blank, and (switch) the new due date lies ahead."""
    if service.status != ServiceStatus.SUSPENDED or service.suspend_reason or not world.is_on("AutoUnsuspend"):
        return False
    if not world.switches.unsuspend_requires_future_due:
        return True
    return service.next_due is not None and service.next_due > world.today


def move_on(world: World, item: Service | Addon) -> None:
    """Advance the next due date by one cycle; what was invoiced ahead of it stays invoiced."""
    item.next_due = cycles.advance(item.next_due, item.cycle, item.registered.day)
    ahead = item.next_invoice
    if item.next_due is not None and (ahead is None or ahead < item.next_due):
        item.next_invoice = item.next_due


def _renew_addon(world: World, addon: Addon) -> None:
    move_on(world, addon)
    variables = {
        "id": addon.id,
        "userid": addon.client,
        "serviceid": addon.service,
        "addonid": addon.predefined,
    }
    world.fire("AddonRenewal", variables)
    if addon.status == ServiceStatus.SUSPENDED and world.switches.addon_payment_unsuspends_addon:
        addon.status = ServiceStatus.ACTIVE
        world.record("addon:status", client=addon.client, service=addon.service, detail="Suspended->Active")
        world.fire("AddonUnsuspended", variables)


def _renew_domain(world: World, domain: Domain) -> None:
    anchor = domain.registered.day
    if domain.next_due is not None:
        domain.next_due = cycles.add_months(domain.next_due, 12 * domain.years, anchor)
        ahead = domain.next_invoice
        domain.next_invoice = domain.next_due if ahead is None else max(ahead, domain.next_due)
    if domain.expires is not None:
        domain.expires = cycles.add_months(domain.expires, 12 * domain.years, anchor)


def _add_funds(world: World, invoice: Invoice, line: InvoiceLine) -> None:
    world.add_credit(world.clients[invoice.client], line.amount, f"Add Funds Invoice #{invoice.id}", invoice.id)


def _settle_child(world: World, line: InvoiceLine) -> None:
    """Pay one invoice of a mass payment: the money passes through the client's credit [M]."""
    child = world.invoices.get(line.relid)
    if child is None:
        return
    client = world.clients[child.client]
    world.add_credit(client, line.amount, f"Mass Invoice Payment Credit for Invoice #{child.id}", child.id)
    owed = world.balance(child)
    if child.status not in PAYABLE or owed <= 0:
        return
    used = min(line.amount, owed)
    _use_credit(world, child, used)
    if used < owed:
        return
    invoice_paid(world, child, world.actor, tell=world.switches.mass_pay_child_events)
