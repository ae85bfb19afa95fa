"""Payments, credit and transactions."""

from collections.abc import Mapping

from whmcs_bridge.simulator import automation
from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    find,
    moment_text,
    money,
    to_cents,
    to_day,
    valid_gateway,
)
from whmcs_bridge.simulator.actions.localised import local_moment
from whmcs_bridge.simulator.records import Actor, InvoiceStatus, Transaction
from whmcs_bridge.simulator.state import World

INVOICE_MISSING = "Invoice ID Not Found"
CLIENT_MISSING = "Client ID Not Found"


def add_invoice_payment(world: World, params: Params) -> Reply:
    """AddInvoicePayment: the whole balance without `amount`; automation runs when nothing is left."""
    invoice = find(world.invoices, params.number("invoiceid"), INVOICE_MISSING)
    gateway = valid_gateway(world, params, "gateway")
    try:
        automation.record_payment(
            world,
            invoice,
            params.cents("amount"),
            gateway,
            params.text("transid"),
            Actor.PAYMENT,
            fees=params.cents("fees") or 0,
            at=params.moment("date"),
            mail=not params.flag("noemail"),
        )
    except ValueError as refusal:
        raise ApiError(str(refusal)) from refusal
    return {"result": "success"}


def capture_payment(world: World, params: Params) -> Reply:
    """CapturePayment: charges the stored card; fails for a client without a pay method."""
    invoice = world.invoices.get(params.number("invoiceid"))
    if invoice is None or invoice.status != InvoiceStatus.UNPAID:
        raise ApiError("Invoice Not Found or Not Unpaid")
    invoice.capture_at = world.clock
    if not any(method.client == invoice.client for method in world.pay_methods.values()):
        raise ApiError("Payment Attempt Failed")
    automation.record_payment(world, invoice, None, invoice.gateway, f"CAP{invoice.id}", Actor.PAYMENT)
    return {"result": "success"}


def apply_credit(world: World, params: Params) -> Reply:
    """ApplyCredit; `amount` may be `full`."""
    invoice = find(world.invoices, params.number("invoiceid"), INVOICE_MISSING)
    full = params.text("amount").lower() == "full"
    cents = None if full else params.cents("amount")
    if not full and cents is None:
        cents = 0
    try:
        mail = not params.flag("noemail")
        used = automation.apply_credit(world, invoice, cents, Actor.API, mail=mail)
    except ValueError as refusal:
        raise ApiError(str(refusal)) from refusal
    paid = "true" if invoice.status == InvoiceStatus.PAID else "false"
    return {"result": "success", "invoiceid": str(invoice.id), "amount": money(used), "invoicepaid": paid}


def add_credit(world: World, params: Params) -> Reply:
    """AddCredit: adds, or with `type=remove` takes away, and says the new balance."""
    kind = params.text("type").lower() or "add"
    if kind not in ("add", "remove"):
        raise ApiError("Type can only be add or remove")
    client = find(world.clients, params.number("clientid"), CLIENT_MISSING)
    if params.text("adminid") and params.number("adminid") not in world.admins:
        raise ApiError("Admin ID Not Found")
    if not params.text("amount"):
        raise ApiError("No Amount Provided")
    cents = to_cents(params.text("amount"))
    if cents is None or cents <= 0:
        raise ApiError("Amount must be in decimal format: ### or ###.##")
    if params.text("date") and to_day(params.text("date")) is None:
        raise ApiError("Date Format is not Valid")
    if kind == "remove" and cents > client.credit:
        raise ApiError("Insufficient Credit Balance")
    entry = world.add_credit(client, cents if kind == "add" else -cents, params.text("description"))
    entry.at = to_day(params.text("date")) or world.today
    return {"result": "success", "newbalance": money(client.credit)}


def get_credits(world: World, params: Params) -> Reply:
    """GetCredits: the credit log of one client."""
    client = find(world.clients, params.number("clientid"), CLIENT_MISSING)
    rows = [
        {
            "id": str(entry.id),
            "date": entry.at.isoformat(),
            "description": entry.description,
            "amount": money(entry.amount),
            "relid": str(entry.relid),
        }
        for entry in world.credits.values()
        if entry.client == client.id
    ]
    return {
        "result": "success",
        "totalresults": str(len(rows)),
        "clientid": str(client.id),
        "credits": {"credit": rows},
    }


def transaction_row(row: Transaction) -> Reply:
    """One `transaction`, as in GetTransactions and GetInvoice."""
    return {
        "id": str(row.id),
        "userid": str(row.client),
        "currency": str(row.currency),
        "gateway": row.gateway,
        "date": moment_text(row.at),
        "description": row.description,
        "amountin": money(row.amount_in),
        "fees": money(row.fees),
        "amountout": money(row.amount_out),
        "rate": row.rate,
        "transid": row.transid,
        "invoiceid": str(row.invoice),
        "refundid": str(row.refund_of),
    }


def get_transactions(world: World, params: Params) -> Reply:
    """GetTransactions: never paged; with no filter at all it returns everything (switch)."""
    if params.text("invoiceid"):
        invoice = world.invoices.get(params.number("invoiceid"))
        rows = world.transactions_of(invoice) if invoice else []
    elif params.text("clientid"):
        rows = _of_client(world, params.number("clientid"))
    elif params.text("transid") or world.switches.bare_gettransactions_returns_all:
        rows = list(world.transactions.values())
    else:
        rows = []
    if params.text("clientid"):
        rows = [row for row in rows if row.client == params.number("clientid")]
    if params.text("transid"):
        rows = [row for row in rows if row.transid == params.text("transid")]
    return {
        "result": "success",
        "totalresults": len(rows),
        "startnumber": 0,
        "numreturned": len(rows),
        "transactions": {"transaction": [transaction_row(row) for row in rows]},
    }


def _of_client(world: World, client: int) -> list[Transaction]:
    """Stored ones, and those derived from settled history, by id."""
    rows = [world.transactions[number] for number in world.transactions_by_client.get(client, ())]
    for number in world.invoices_by_client.get(client, ()):
        invoice = world.invoices[number]
        if invoice.plain_payment:
            rows.append(world.transactions_of(invoice)[0])
    return sorted(rows, key=lambda row: row.id)


def add_transaction(world: World, params: Params) -> Reply:
    """AddTransaction: books money; one for an invoice settles it when nothing is left."""
    if not params.text("paymentmethod"):
        raise ApiError("Payment Method is required")
    gateway = valid_gateway(world, params)
    client = params.number("userid")
    if client and client not in world.clients:
        raise ApiError(CLIENT_MISSING)
    invoice = world.invoices.get(params.number("invoiceid"))
    if params.number("invoiceid") and invoice is None:
        raise ApiError(INVOICE_MISSING)
    if invoice is not None and client and invoice.client != client:
        raise ApiError("User ID does not own the given Invoice ID")
    if params.number("currencyid") and params.number("currencyid") not in world.currencies:
        raise ApiError("Currency ID Not Found")
    owner = client or (invoice.client if invoice else 0)
    if not owner and not params.number("currencyid"):
        raise ApiError("A Currency ID is required for non-customer related transactions")
    if owner and params.number("currencyid") not in (0, world.clients[owner].currency):
        raise ApiError("Currency ID does not match Client currency")
    transid = params.text("transid")
    known = transid and any(row.transid == transid for row in world.transactions.values())
    if known and not params.flag("allowduplicatetransid"):
        raise ApiError("Transaction ID must be Unique")
    _book(world, params, gateway, owner)
    return {"result": "success"}


def _book(world: World, params: Params, gateway: str, owner: int) -> None:
    invoice = world.invoices.get(params.number("invoiceid"))
    amount_in, amount_out = params.cents("amountin") or 0, params.cents("amountout") or 0
    fees = params.cents("fees") or 0
    at = local_moment(world, params.text("date"))
    if invoice is not None and amount_in and not amount_out:
        automation.record_payment(
            world, invoice, amount_in, gateway, params.text("transid"), Actor.PAYMENT, fees=fees, at=at
        )
        return
    world.add_transaction(
        Transaction(
            0,
            owner,
            invoice.id if invoice else 0,
            gateway,
            at or world.clock,
            amount_in,
            fees,
            amount_out,
            params.text("transid"),
            params.text("description"),
            currency=0 if owner else params.number("currencyid"),
            rate=params.text("rate") or "1.00000",
        )
    )
    if params.flag("credit") and owner and invoice is None and amount_in:
        world.add_credit(world.clients[owner], amount_in, params.text("description") or "Payment")


_TRANSACTION_AMOUNTS: Mapping[str, str] = {"amountin": "amount_in", "fees": "fees", "amountout": "amount_out"}


def update_transaction(world: World, params: Params) -> Reply:
    """UpdateTransaction."""
    row = find(world.transactions, params.number("transactionid"), "Transaction ID Not Found")
    if params.text("gateway"):
        row.gateway = valid_gateway(world, params, "gateway")
    for name in ("transid", "description", "rate"):
        if name in params:
            setattr(row, name, params.text(name))
    for name, attribute in _TRANSACTION_AMOUNTS.items():
        cents = params.cents(name)
        if cents is not None:
            setattr(row, attribute, cents)
    if "refundid" in params:
        row.refund_of = params.number("refundid")
    moment = params.moment("date")
    if moment is not None:
        row.at = moment
    return {"result": "success", "transactionid": str(row.id)}


ACTIONS: Mapping[str, Handler] = {
    "AddInvoicePayment": add_invoice_payment,
    "CapturePayment": capture_payment,
    "ApplyCredit": apply_credit,
    "AddCredit": add_credit,
    "GetCredits": get_credits,
    "GetTransactions": get_transactions,
    "AddTransaction": add_transaction,
    "UpdateTransaction": update_transaction,
}
