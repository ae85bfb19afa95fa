"""Invoices, payments and credit through the API, with the documented refusals."""

from datetime import date
from typing import Any

import pytest

from tests.simulator.calls import a_front, reply_of
from tests.simulator.worlds import a_client, a_service, a_world, an_invoice, hosting, listen
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import InvoiceStatus


@pytest.fixture
def front() -> Front:
    """Invoice 1: 10.00 for service 1, unpaid, due 1 March; it is 10 March 2025."""
    world = a_world()
    client = a_client(world)
    an_invoice(world, client, hosting(a_service(world, client)))
    return a_front(world)


def message(front: Front, action: str, **params: Any) -> str:
    reply = reply_of(front, action, **params)
    assert reply.get("result") == "error", reply
    return str(reply["message"])


PAYMENT = {"invoiceid": 1, "transid": "T1", "gateway": "paypal", "date": "2025-03-09 08:00:00"}


def test_a_payment_without_an_amount_pays_everything_and_renews(front: Front) -> None:
    listener = listen(front.world)
    reply_of(front, "AddInvoicePayment", **PAYMENT)
    shown = reply_of(front, "GetInvoice", invoiceid=1)
    assert (shown["status"], shown["balance"]) == ("Paid", "0.00")
    payment = shown["transactions"]["transaction"][0]
    assert (payment["transid"], payment["amountin"], payment["date"]) == ("T1", "10.00", "2025-03-09 08:00:00")
    assert front.world.services[1].next_due == date(2025, 5, 1)
    assert listener.points.index("InvoicePaidPreEmail") < listener.points.index("InvoicePaid")


def test_a_partial_payment_leaves_the_invoice_open(front: Front) -> None:
    listener = listen(front.world)
    reply_of(front, "AddInvoicePayment", amount="4.00", **PAYMENT)
    shown = reply_of(front, "GetInvoice", invoiceid=1)
    assert (shown["status"], shown["total"], shown["balance"]) == ("Unpaid", "10.00", "6.00")
    assert "AddInvoicePayment" in listener.points
    assert "InvoicePaid" not in listener.points


def test_too_much_becomes_credit(front: Front) -> None:
    reply_of(front, "AddInvoicePayment", amount="25.00", **PAYMENT)
    assert reply_of(front, "GetClientsDetails", clientid=1)["client"]["credit"] == "15.00"


def test_a_payment_is_booked_by_the_payment_not_by_the_api(front: Front) -> None:
    reply_of(front, "AddInvoicePayment", **PAYMENT)
    assert {event.actor for event in front.world.log if event.kind in ("payment", "invoice:paid")} == {"payment"}


def test_a_cancelled_invoice_takes_no_payment(front: Front) -> None:
    front.world.set_invoice_status(front.world.invoices[1], InvoiceStatus.CANCELLED)
    assert message(front, "AddInvoicePayment", **PAYMENT) == (
        "It is not possible to add a payment to an invoice that is Cancelled"
    )


def test_the_gateway_is_the_system_name(front: Front) -> None:
    text = message(front, "AddInvoicePayment", **PAYMENT | {"gateway": "PayPal"})
    assert text == "Invalid Payment Method. Valid options include banktransfer, paypal, mailin, stripe"


CREDIT_REFUSALS = [
    ({"clientid": 1}, "No Amount Provided"),
    ({"clientid": 1, "amount": "x"}, "Amount must be in decimal format: ### or ###.##"),
    ({"clientid": 1, "amount": "5", "type": "steal"}, "Type can only be add or remove"),
    ({"clientid": 1, "amount": "5", "adminid": 7}, "Admin ID Not Found"),
    ({"clientid": 1, "amount": "5", "date": "someday"}, "Date Format is not Valid"),
]


@pytest.mark.parametrize(("params", "text"), CREDIT_REFUSALS)
def test_credit_is_refused_in_the_documented_words(front: Front, params: Any, text: str) -> None:
    assert message(front, "AddCredit", **params) == text


def test_credit_pays_an_invoice(front: Front) -> None:
    reply_of(front, "AddCredit", clientid=1, amount="30.00", description="gift")
    reply = reply_of(front, "ApplyCredit", invoiceid=1, amount="4.00")
    assert (reply["amount"], reply["invoicepaid"]) == ("4.00", "false")
    assert reply_of(front, "ApplyCredit", invoiceid=1, amount="full")["invoicepaid"] == "true"
    shown = reply_of(front, "GetInvoice", invoiceid=1)
    assert (shown["status"], shown["credit"], shown["total"]) == ("Paid", "10.00", "0.00")
    log = reply_of(front, "GetCredits", clientid=1)["credits"]["credit"]
    assert [row["amount"] for row in log] == ["30.00", "-4.00", "-6.00"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("50", "Amount exceeds customer credit balance"),
        ("15", "Amount Exceeds Invoice Balance"),
        ("0", "Credit Amount to apply must be greater than zero"),
        ("x", "Credit Amount to apply must be greater than zero"),
    ],
)
def test_applying_credit_is_refused_in_the_documented_words(front: Front, amount: str, text: str) -> None:
    reply_of(front, "AddCredit", clientid=1, amount="20.00", description="gift")
    assert message(front, "ApplyCredit", invoiceid=1, amount=amount) == text


def test_credit_does_not_pay_what_is_not_unpaid(front: Front) -> None:
    front.world.set_invoice_status(front.world.invoices[1], InvoiceStatus.COLLECTIONS)
    assert message(front, "ApplyCredit", invoiceid=1, amount="1") == "Invoice Not in Unpaid Status"


def test_a_status_set_to_paid_is_no_payment(front: Front) -> None:
    """No transaction, and nothing is renewed."""
    reply_of(front, "UpdateInvoice", invoiceid=1, status="Paid")
    assert reply_of(front, "GetInvoice", invoiceid=1)["transactions"] == ""
    assert front.world.services[1].next_due == date(2025, 4, 1)


@pytest.mark.parametrize("fires", [False, True])
def test_whether_cancelling_by_api_fires_the_hook_is_a_switch(front: Front, fires: bool) -> None:
    """Q20."""
    front.world.switches.api_cancel_fires_invoice_cancelled = fires
    listener = listen(front.world)
    reply_of(front, "UpdateInvoice", invoiceid=1, status="Cancelled")
    assert ("InvoiceCancelled" in listener.points) is fires


def test_lines_are_changed_added_and_deleted(front: Front) -> None:
    line = front.world.invoices[1].lines[0].id
    changed = {f"itemdescription[{line}]": "new", f"itemamount[{line}]": "7.00", f"itemtaxed[{line}]": "0"}
    added = {"newitemdescription[0]": "extra", "newitemamount[0]": "2.50", "newitemtaxed[0]": "0"}
    reply_of(front, "UpdateInvoice", invoiceid=1, **changed, **added)
    shown = reply_of(front, "GetInvoice", invoiceid=1)
    assert [(row["description"], row["amount"]) for row in shown["items"]["item"]] == [
        ("new", "7.00"),
        ("extra", "2.50"),
    ]
    assert shown["total"] == "9.50"
    reply_of(front, "UpdateInvoice", invoiceid=1, **{"deletelineids[0]": line})
    assert reply_of(front, "GetInvoice", invoiceid=1)["total"] == "2.50"
    assert front.world.invoices_by_service[1] == []


UPDATE_REFUSALS = [
    ({"publish": 1}, "Invoice must be in Draft status to be published"),
    ({"status": "Lost"}, "Invalid status Lost"),
    ({"itemdescription[1]": "x"}, "Missing Variables: itemamount"),
    ({"paymentmethod": "cash"}, "Invalid Payment Method. Valid options include banktransfer, paypal, mailin, stripe"),
]


@pytest.mark.parametrize(("params", "text"), UPDATE_REFUSALS)
def test_an_update_is_refused_in_the_documented_words(front: Front, params: Any, text: str) -> None:
    assert message(front, "UpdateInvoice", invoiceid=1, **params) == text


def test_an_immutable_invoice_refuses_lines_and_dates_but_not_notes(front: Front) -> None:
    """WHMCS 9.0, Q21."""
    front.world.switches.invoice_immutable = True
    assert message(front, "UpdateInvoice", invoiceid=1, duedate="2025-04-01") == (
        "You cannot modify an Invoice that is Unpaid"
    )
    assert reply_of(front, "UpdateInvoice", invoiceid=1, notes="n")["result"] == "success"


def test_a_draft_is_published_with_its_mail(front: Front) -> None:
    made = reply_of(front, "CreateInvoice", userid=1, draft=1, itemdescription1="x", itemamount1="5.00")
    assert made["status"] == "Draft"
    listener = listen(front.world)
    reply_of(front, "UpdateInvoice", invoiceid=made["invoiceid"], publishandsendemail=1)
    assert reply_of(front, "GetInvoice", invoiceid=made["invoiceid"])["status"] == "Unpaid"
    assert listener.points[-1] == "InvoiceCreated"
    assert reply_of(front, "GetEmails", clientid=1)["emails"]["email"][0]["subject"] == "Customer Invoice"


def test_a_draft_cannot_be_sent_at_once(front: Front) -> None:
    text = message(front, "CreateInvoice", userid=1, draft=1, sendinvoice=1)
    assert text.startswith("Cannot create and send a draft invoice in a single API request.")


def test_a_hand_made_invoice_has_taxes_and_no_tie_to_a_service(front: Front) -> None:
    made = reply_of(
        front,
        "CreateInvoice",
        userid=1,
        taxrate="10",
        itemdescription1="a",
        itemamount1="10.00",
        itemtaxed1=1,
        itemdescription2="b",
        itemamount2="5.00",
    )
    shown = reply_of(front, "GetInvoice", invoiceid=made["invoiceid"])
    assert (shown["subtotal"], shown["tax"], shown["total"], shown["taxrate"]) == ("15.00", "1.00", "16.00", "10.000")
    assert [(row["type"], row["relid"]) for row in shown["items"]["item"]] == [("", 0), ("", 0)]


def test_credit_is_used_when_asked_for(front: Front) -> None:
    reply_of(front, "AddCredit", clientid=1, amount="30.00", description="gift")
    made = reply_of(front, "CreateInvoice", userid=1, itemdescription1="a", itemamount1="10.00", autoapplycredit=1)
    assert made["status"] == "Paid"


TRANSACTION_REFUSALS = [
    ({}, "Payment Method is required"),
    ({"paymentmethod": "paypal", "userid": 9}, "Client ID Not Found"),
    ({"paymentmethod": "paypal", "invoiceid": 9}, "Invoice ID Not Found"),
    ({"paymentmethod": "paypal", "userid": 2, "invoiceid": 1}, "User ID does not own the given Invoice ID"),
    ({"paymentmethod": "paypal", "currencyid": 9}, "Currency ID Not Found"),
    ({"paymentmethod": "paypal"}, "A Currency ID is required for non-customer related transactions"),
    ({"paymentmethod": "paypal", "userid": 1, "transid": "OLD"}, "Transaction ID must be Unique"),
]


@pytest.mark.parametrize(("params", "text"), TRANSACTION_REFUSALS)
def test_a_transaction_is_refused_in_the_documented_words(front: Front, params: Any, text: str) -> None:
    a_client(front.world)
    reply_of(front, "AddTransaction", paymentmethod="paypal", userid=1, transid="OLD")
    assert message(front, "AddTransaction", **params) == text


def test_a_transaction_for_an_invoice_settles_it(front: Front) -> None:
    reply_of(front, "AddTransaction", paymentmethod="paypal", invoiceid=1, amountin="10.00", date="10/03/2025")
    shown = reply_of(front, "GetInvoice", invoiceid=1)
    assert (shown["status"], shown["transactions"]["transaction"][0]["date"]) == ("Paid", "2025-03-10 00:00:00")


def test_transactions_are_found_by_invoice_client_and_number(front: Front) -> None:
    reply_of(front, "AddInvoicePayment", **PAYMENT)
    for filters in ({"invoiceid": 1}, {"clientid": 1}, {"transid": "T1"}, {}):
        assert reply_of(front, "GetTransactions", **filters)["totalresults"] == 1
    for filters in ({"invoiceid": 9}, {"clientid": 9}, {"transid": "T9"}):
        assert reply_of(front, "GetTransactions", **filters)["totalresults"] == 0
    front.world.switches.bare_gettransactions_returns_all = False
    assert reply_of(front, "GetTransactions")["totalresults"] == 0


ITEM_REFUSALS = [
    ({"clientid": 9}, "Client ID not found"),
    ({"description": ""}, "You must provide a description"),
    ({"invoiceaction": "now"}, "Invalid Invoice Action"),
    ({"invoiceaction": "recur"}, "Recurring must have a unit, cycle and limit"),
    ({"invoiceaction": "duedate"}, "Due date is required"),
    ({"duedate": "soon"}, "Invalid Date Format - Expected: 'YYYY-mm-dd'"),
    ({"unit": "miles"}, "Invalid Unit, please specify either 'hours' or 'quantity'"),
]


@pytest.mark.parametrize(("changes", "text"), ITEM_REFUSALS)
def test_a_billable_item_is_refused_in_the_documented_words(front: Front, changes: Any, text: str) -> None:
    item = {"clientid": 1, "description": "work", "amount": "5.00", "unit": "quantity"}
    assert message(front, "AddBillableItem", **item | changes) == text


MAIL_REFUSALS = [
    ({}, "You must provide either an existing email template name or a custom message type"),
    ({"customtype": "love", "id": 1}, "Invalid message type provided"),
    ({"customtype": "general", "id": 1}, "A subject is required for a custom message"),
    ({"customtype": "general", "customsubject": "s", "id": 1}, "A message body is required for a custom message"),
    ({"messagename": "Client Signup Email"}, "A related ID is required"),
    ({"messagename": "Client Signup Email", "id": 99}, "Sending Failed. Please see documentation."),
    ({"messagename": "No Such Mail", "id": 1}, "Email Template not found"),
    (
        {"messagename": "Client Signup Email", "id": 1, "customvars": "x"},
        "The custom variables you provided are invalid.",
    ),
]


@pytest.mark.parametrize(("params", "text"), MAIL_REFUSALS)
def test_a_mail_is_refused_in_the_documented_words(front: Front, params: Any, text: str) -> None:
    assert message(front, "SendEmail", **params) == text


@pytest.mark.parametrize(("kind", "number"), [("general", 1), ("product", 1), ("invoice", 1)])
def test_the_related_id_follows_the_kind_of_mail(front: Front, kind: str, number: int) -> None:
    custom = {"customtype": kind, "customsubject": "s", "custommessage": "<p>m</p>"}
    reply_of(front, "SendEmail", id=number, **custom)
    mail = reply_of(front, "GetEmails", clientid=1)["emails"]["email"][0]
    assert (mail["subject"], mail["message"], mail["to"]) == ("s", "<p>m</p>", "c0@example.com")


def test_a_hook_can_stop_a_mail(front: Front) -> None:
    listener = listen(front.world)
    listener.answers["EmailPreSend"] = lambda _: {"abortsend": True}
    text = message(front, "SendEmail", messagename="Client Signup Email", id=1)
    assert text == "Sending Failed. Please see documentation."


def test_a_mailer_out_of_order_is_an_error_and_in_the_log(front: Front) -> None:
    front.world.switches.mail_fails = True
    text = message(front, "SendEmail", messagename="Client Signup Email", id=1)
    assert text == "Sending Failed. Please see documentation."
    assert reply_of(front, "GetEmails", clientid=1)["emails"]["email"][0]["failed"] == 1
