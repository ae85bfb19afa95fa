"""Invoices: list, read, create, change, generate; billable items."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from whmcs_bridge.simulator import automation, invoicing
from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    day_text,
    find,
    moment_text,
    money,
    paged,
    percent,
    to_cents,
    valid_gateway,
)
from whmcs_bridge.simulator.actions.payments import transaction_row
from whmcs_bridge.simulator.listing import listing
from whmcs_bridge.simulator.records import Actor, BillableItem, Invoice, InvoiceLine, InvoiceStatus
from whmcs_bridge.simulator.state import CLOSED, World

INVOICE_MISSING = "Invoice ID Not Found"
CLIENT_MISSING = "Client ID Not Found"
STATUSES = frozenset(InvoiceStatus)
IMMUTABLE = "You cannot modify an Invoice that is {status}"

_ORDER: Mapping[str, Callable[[Invoice], Any]] = {
    "invoicenumber": lambda i: (i.number, i.id),
    "date": lambda i: (i.created, i.id),
    "duedate": lambda i: (i.due, i.id),
    "total": lambda i: (i.total, i.id),
    "status": lambda i: (i.status, i.id),
}


def get_invoices(world: World, params: Params) -> Reply:
    """GetInvoices: without lines; `status=Overdue` is Unpaid and past due."""
    rows = _matching(world, params)
    return paged(params, rows, lambda number: invoice_row(world, world.invoices[number]), "invoices", "invoice")


def _matching(world: World, params: Params) -> list[int]:
    status = params.text("status").strip().lower()
    client = params.number("userid")
    order = params.text("orderby").lower()
    backwards = params.text("order").lower() == "desc"
    today = world.today if status == "overdue" else None

    def build() -> list[int]:
        rows = _by_client(world, client) if client else _all(world, status)
        if status:
            rows = [number for number in rows if _has_status(world, world.invoices[number], status)]
        if order in _ORDER:
            key = _ORDER[order]
            rows = sorted(rows, key=lambda number: key(world.invoices[number]))
        return rows[::-1] if backwards else rows

    if client:
        return build()
    return listing(world, ("invoices", status, order, backwards, today), build)


def _by_client(world: World, client: int) -> list[int]:
    return sorted(world.invoices_by_client.get(client, ()))


def _all(world: World, status: str) -> list[int]:
    stored = {"overdue": InvoiceStatus.UNPAID}.get(status) or _status_word(status)
    if stored and stored not in CLOSED:
        return sorted(world.invoices_by_status.get(stored, ()))
    return sorted(world.invoices)


def _status_word(text: str) -> str:
    return next((word for word in STATUSES if word.lower() == text), "")


def _has_status(world: World, invoice: Invoice, status: str) -> bool:
    if status == "overdue":
        return invoice.status == InvoiceStatus.UNPAID and invoice.due < world.today
    return invoice.status.lower() == status


def invoice_row(world: World, invoice: Invoice) -> Reply:
    """One `invoice` of GetInvoices."""
    client = world.clients[invoice.client]
    currency = world.currencies.get(client.currency)
    return {
        "id": invoice.id,
        "userid": invoice.client,
        "firstname": client.firstname,
        "lastname": client.lastname,
        "companyname": client.companyname,
        "invoicenum": invoice.number,
        "date": day_text(invoice.created),
        "duedate": day_text(invoice.due),
        "datepaid": moment_text(invoice.paid_at),
        "last_capture_attempt": moment_text(invoice.capture_at),
        "date_refunded": moment_text(invoice.refunded_at),
        "date_cancelled": moment_text(invoice.cancelled_at),
        "subtotal": money(invoice.subtotal),
        "credit": money(invoice.credit),
        "tax": money(invoice.tax),
        "tax2": money(invoice.tax2),
        "total": money(invoice.total),
        "taxrate": percent(invoice.taxrate),
        "taxrate2": percent(invoice.taxrate2),
        "status": invoice.status,
        "paymentmethod": invoice.gateway,
        "paymethodid": None,
        "notes": invoice.notes,
        "created_at": moment_text(invoice.created_at),
        "updated_at": moment_text(invoice.updated_at),
        "currencycode": currency.code if currency else "",
        "currencyprefix": currency.prefix if currency else "",
        "currencysuffix": currency.suffix if currency else "",
    }


def get_invoice(world: World, params: Params) -> Reply:
    """GetInvoice: fields at top level, `transactions` is `""` when there are none."""
    invoice = find(world.invoices, params.number("invoiceid"), INVOICE_MISSING)
    method = world.payment_methods.get(invoice.gateway)
    payments = world.transactions_of(invoice)
    return {
        "result": "success",
        "invoiceid": invoice.id,
        "invoicenum": invoice.number,
        "userid": invoice.client,
        "date": day_text(invoice.created),
        "duedate": day_text(invoice.due),
        "datepaid": moment_text(invoice.paid_at),
        "lastcaptureattempt": moment_text(invoice.capture_at),
        "subtotal": money(invoice.subtotal),
        "credit": money(invoice.credit),
        "tax": money(invoice.tax),
        "tax2": money(invoice.tax2),
        "total": money(invoice.total),
        "balance": money(world.balance(invoice)),
        "taxrate": percent(invoice.taxrate),
        "taxrate2": percent(invoice.taxrate2),
        "status": invoice.status,
        "paymentmethod": invoice.gateway,
        "notes": invoice.notes,
        "ccgateway": bool(method and method.card),
        "items": {
            "item": [
                {
                    "id": line.id,
                    "type": line.type,
                    "relid": line.relid,
                    "description": line.description,
                    "amount": money(line.amount),
                    "taxed": int(line.taxed),
                }
                for line in invoice.lines
            ]
        },
        "transactions": {"transaction": [transaction_row(row) for row in payments]} if payments else "",
    }


def create_invoice(world: World, params: Params) -> Reply:
    """CreateInvoice: lines made here are tied to nothing, so paying them renews nothing."""
    client = find(world.clients, params.number("userid"), CLIENT_MISSING)
    draft = params.flag("draft") or params.text("status").lower() == "draft"
    if draft and params.flag("sendinvoice"):
        raise ApiError(
            "Cannot create and send a draft invoice in a single API request. Please create and send separately."
        )
    given = _status_word(params.text("status").lower())
    gateway = valid_gateway(world, params)
    status = InvoiceStatus.DRAFT if draft else given or InvoiceStatus.UNPAID
    auto = params.text("autoapplycredit").lower() not in ("", "0", "false")
    invoice = invoicing.create_invoice(
        world,
        client,
        _numbered_lines(params),
        params.day("duedate") or world.today,
        created=params.day("date"),
        gateway=gateway,
        status=status,
        source="api",
        actor=Actor.API,
        notes=params.text("notes"),
        mail=params.flag("sendinvoice"),
        use_credit=auto,
        taxrate=_rate(params, "taxrate"),
        taxrate2=_rate(params, "taxrate2"),
    )
    return {"result": "success", "invoiceid": invoice.id, "status": invoice.status}


def _numbered_lines(params: Params) -> list[InvoiceLine]:
    numbers = sorted(int(match.group(1)) for key in params if (match := re.fullmatch(r"itemdescription(\d+)", key)))
    return [
        InvoiceLine(
            0,
            "",
            0,
            params.text(f"itemdescription{number}"),
            to_cents(params.text(f"itemamount{number}")) or 0,
            params.flag(f"itemtaxed{number}"),
        )
        for number in numbers
    ]


def _rate(params: Params, name: str) -> int:
    cents = params.cents(name)
    return (cents or 0) * 10


def update_invoice(world: World, params: Params) -> Reply:
    """UpdateInvoice: a status set here runs no payment automation; 9.0 refuses line changes (switch)."""
    invoice = find(world.invoices, params.number("invoiceid"), INVOICE_MISSING)
    publish = params.flag("publish") or params.flag("publishandsendemail")
    if publish and invoice.status != InvoiceStatus.DRAFT:
        raise ApiError("Invoice must be in Draft status to be published")
    status = _status_word(params.text("status").lower())
    if params.text("status") and not status:
        raise ApiError(f"Invalid status {params.text('status')}")
    _refuse_if_immutable(world, invoice, params)
    gateway = valid_gateway(world, params)
    _apply_fields(world, invoice, params)
    if gateway and gateway != invoice.gateway:
        invoice.gateway = gateway
        world.fire("InvoiceChangeGateway", {"invoiceid": invoice.id, "paymentmethod": gateway})
    if _change_lines(world, invoice, params):
        world.fire("UpdateInvoiceTotal", {"invoiceid": invoice.id})
    if publish:
        invoicing.publish_invoice(world, invoice, Actor.API, mail=params.flag("publishandsendemail"))
    if status and status != invoice.status:
        _set_status(world, invoice, status)
    if params.day("datepaid"):
        invoice.paid_at = params.moment("datepaid")
    world.touch(invoice)
    return {"result": "success", "invoiceid": invoice.id}


_FROZEN = (
    "itemdescription",
    "newitemdescription",
    "deletelineids",
    "date",
    "duedate",
    "taxrate",
    "taxrate2",
    "credit",
)


def _refuse_if_immutable(world: World, invoice: Invoice, params: Params) -> None:
    frozen = world.switches.invoice_immutable and invoice.status != InvoiceStatus.DRAFT
    if frozen and any(name in params for name in _FROZEN):
        raise ApiError(IMMUTABLE.format(status=invoice.status))


def _apply_fields(world: World, invoice: Invoice, params: Params) -> None:
    invoice.created = params.day("date") or invoice.created
    due = params.day("duedate")
    if due and due != invoice.due:
        invoice.due = due
        world.revision += 1
    if "notes" in params:
        invoice.notes = params.text("notes")
    for name in ("taxrate", "taxrate2"):
        if name in params:
            setattr(invoice, name, _rate(params, name))
    credit = params.cents("credit")
    if credit is not None:
        invoice.credit = credit
    if any(name in params for name in ("taxrate", "taxrate2", "credit")):
        world.retotal(invoice)


def _change_lines(world: World, invoice: Invoice, params: Params) -> bool:
    """Change, add and delete lines; all three values are needed per changed line."""
    changed = False
    descriptions, amounts, taxed = (params.get(name) for name in ("itemdescription", "itemamount", "itemtaxed"))
    if isinstance(descriptions, dict):
        if not isinstance(amounts, dict) or not isinstance(taxed, dict):
            missing = "itemamount" if not isinstance(amounts, dict) else "itemtaxed"
            raise ApiError(f"Missing Variables: {missing}")
        for line in invoice.lines:
            key = str(line.id)
            if key in descriptions:
                line.description = descriptions[key]
                line.amount = to_cents(amounts.get(key, "")) or 0
                line.taxed = taxed.get(key, "") not in ("", "0")
                changed = True
    added = params.get("newitemdescription")
    if isinstance(added, dict):
        prices, taxes = params.get("newitemamount") or {}, params.get("newitemtaxed") or {}
        for key, description in added.items():
            cents = to_cents(prices.get(key, "")) or 0
            flag = taxes.get(key, "") not in ("", "0")
            world.add_line(invoice, InvoiceLine(0, "", 0, description, cents, flag))
            changed = True
    removed = _ids(params, "deletelineids")
    if removed:
        world.remove_lines(invoice, removed)
        changed = True
    if changed:
        world.retotal(invoice)
    return changed


def _set_status(world: World, invoice: Invoice, status: str) -> None:
    if status == InvoiceStatus.CANCELLED:
        automation.cancel_invoice(world, invoice, Actor.API)
        return
    if status == InvoiceStatus.UNPAID:
        automation.mark_unpaid(world, invoice, Actor.API)
        return
    world.set_invoice_status(invoice, status)
    if status == InvoiceStatus.REFUNDED:
        world.fire("InvoiceRefunded", {"invoiceid": invoice.id})


_ITEM_ACTIONS = ("noinvoice", "nextcron", "nextinvoice", "duedate", "recur")


def add_billable_item(world: World, params: Params) -> Reply:
    """AddBillableItem; success is told under `result` and, as in the reference's example, `status`."""
    client = find(world.clients, params.number("clientid"), "Client ID not found")
    if not params.text("description"):
        raise ApiError("You must provide a description")
    action = params.text("invoiceaction").lower() or "noinvoice"
    if action not in _ITEM_ACTIONS:
        raise ApiError("Invalid Invoice Action")
    recurring = params.number("recur") and params.text("recurcycle") and params.number("recurfor")
    if action == "recur" and not recurring:
        raise ApiError("Recurring must have a unit, cycle and limit")
    if action == "duedate" and not params.text("duedate"):
        raise ApiError("Due date is required")
    if params.text("duedate") and params.day("duedate") is None:
        raise ApiError("Invalid Date Format - Expected: 'YYYY-mm-dd'")
    if params.text("unit") not in ("", "hours", "quantity"):
        raise ApiError("Invalid Unit, please specify either 'hours' or 'quantity'")
    item = BillableItem(
        world.new_id("billable"),
        client.id,
        params.text("description"),
        params.cents("amount") or 0,
        action,
        params.day("duedate"),
        recur=params.number("recur"),
        recur_cycle=params.text("recurcycle"),
        recur_for=params.number("recurfor"),
    )
    world.billable_items[item.id] = item
    return {"result": "success", "status": "success", "billableid": item.id}


def gen_invoices(world: World, params: Params) -> Reply:
    """GenInvoices: what is due within the configured lead; `latestinvoiceid` only with `clientid`."""
    client = params.number("clientid")
    if params.text("clientid"):
        find(world.clients, client, CLIENT_MISSING)
    made = invoicing.generate_invoices(
        world,
        Actor.API,
        client=client,
        services=_ids(params, "serviceids"),
        addons=_ids(params, "addonids"),
        domains=_ids(params, "domainids"),
        mail=not params.flag("noemails"),
    )
    reply: Reply = {"result": "success", "numcreated": str(len(made))}
    if client:
        reply["latestinvoiceid"] = str(made[-1]) if made else "0"
    return reply


def _ids(params: Params, name: str) -> list[int]:
    return [int(item) for item in params.list(name) if item.isdigit()]


ACTIONS: Mapping[str, Handler] = {
    "GenInvoices": gen_invoices,
    "GetInvoices": get_invoices,
    "GetInvoice": get_invoice,
    "CreateInvoice": create_invoice,
    "UpdateInvoice": update_invoice,
    "AddBillableItem": add_billable_item,
}
