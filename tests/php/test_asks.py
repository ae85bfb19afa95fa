"""What WHMCS asks: the answer reaches it, with the client as it is now, and with who acts."""

from typing import Any

import pytest

from tests.needs import needs
from tests.php.calls import CANCELS, INVOICE, LINE, NONE, OWING, REFUSED, SERVICE, SUSPEND, TERMINATE, UNSUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import ADMIN, ADMIN_PAGE, API_PAGE, CLIENT_PAGE, CRON_PAGE, Whmcs

pytestmark = needs("php")


# --- asks -----------------------------------------------------------------------------------------


def test_what_the_bridge_lets_through_goes_on(over_http: Whmcs, receiver: Receiver) -> None:
    page = over_http.page(SUSPEND, local=OWING)
    assert page.answer is None
    (heard,) = receiver.heard
    assert (heard.method, heard.path, heard.signed) == ("POST", "/hooks/PreModuleSuspend", True)


@pytest.mark.parametrize(
    ("call", "key"),
    [(SUSPEND, "abortcmd"), (UNSUSPEND, "abortcmd"), (TERMINATE, "abortcmd"), (CANCELS, "abortCancel")],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_the_bridge_refuses_is_stopped_and_logged(whmcs: Whmcs, receiver: Receiver, call: Any, key: str) -> None:
    receiver.answers[call[0]] = REFUSED
    page = whmcs.page(call, local=OWING)
    assert page.answer == {key: True}
    ((text, client),) = page.seen["log"]
    assert text.startswith(f"whmcs-bridge: {call[0]} refused - ")
    assert text.endswith(" - no debt")
    assert client == 3


def test_a_refusal_reaches_whmcs(over_http: Whmcs, receiver: Receiver) -> None:
    receiver.answers["PreModuleSuspend"] = REFUSED
    assert over_http.page(SUSPEND, local=OWING).answer == {"abortcmd": True}


def test_an_ask_carries_the_client_as_whmcs_has_it_now(whmcs: Whmcs, receiver: Receiver) -> None:
    """Read through localAPI in the same request, in WHMCS's own shapes, without what is nobody's business."""
    whmcs.page(SUSPEND, local=OWING)
    (event,) = receiver.events()
    assert event["vars"] == {"params": {"serviceid": "34", "userid": "3", "pid": "1", "username": "jo"}}
    own = {name: value for name, value in SERVICE.items() if name not in ("password", "notes")}
    open_invoice = {name: value for name, value in INVOICE.items() if name not in ("result", "notes", "transactions")}
    assert event["facts"] == {
        "client": "3",
        "group": {"id": "2"},
        "credit": "1.50",
        "currency": "BRL",
        "service": own,
        "services": [own],
        "invoices": [open_invoice | {"currencycode": "BRL"}],
    }


def test_a_termination_is_asked_about_with_the_terms_that_the_api_does_not_tell(
    whmcs: Whmcs, receiver: Receiver
) -> None:
    tables = {"tblproducts": [{"id": 1, "autoterminatedays": 30}, {"id": 2, "autoterminatedays": 0}]}
    whmcs.page(TERMINATE, SUSPEND, local=OWING, tables=tables)
    terminate, suspend = receiver.events()
    assert terminate["facts"]["fixed_terms"] == {"34": 30}
    assert "fixed_terms" not in suspend["facts"]


def test_half_a_clients_debt_is_not_told(whmcs: Whmcs, receiver: Receiver) -> None:
    """One list that cannot be read, and the bridge answers from what it knows itself."""
    lists = {**OWING["GetInvoices"], "Collections": {"result": "error", "message": "busy"}}
    whmcs.page(SUSPEND, local={**OWING, "GetInvoices": lists})
    (event,) = receiver.events()
    assert "invoices" not in event["facts"]
    assert event["facts"]["client"] == "3"


def test_a_list_that_is_shorter_than_it_says_is_not_told(whmcs: Whmcs, receiver: Receiver) -> None:
    short = {**OWING["GetInvoices"], "Unpaid": {**OWING["GetInvoices"]["Unpaid"], "totalresults": "2"}}
    whmcs.page(SUSPEND, local={**OWING, "GetInvoices": short})
    assert "invoices" not in receiver.events()[0]["facts"]


def test_one_invoice_that_cannot_be_read_leaves_out_all(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.page(SUSPEND, local={**OWING, "GetInvoice": {"result": "error", "message": "gone"}})
    assert "invoices" not in receiver.events()[0]["facts"]


def test_a_client_with_very_many_open_invoices_is_left_to_the_bridge(whmcs: Whmcs, receiver: Receiver) -> None:
    many = [{"id": str(number), "currencycode": "BRL"} for number in range(31)]
    page = whmcs.page(
        SUSPEND,
        local={**OWING, "GetInvoices": {"": NONE, "Unpaid": {"result": "success", "invoices": {"invoice": many}}}},
    )
    assert "invoices" not in receiver.events()[0]["facts"]
    assert page.local("GetInvoice") == []


def test_an_event_that_would_be_too_large_goes_without_the_long_lists(whmcs: Whmcs, receiver: Receiver) -> None:
    long = {**INVOICE, "items": {"item": [{**LINE, "description": "x" * 500}] * 200}}
    receiver.answers["PreModuleSuspend"] = REFUSED
    page = whmcs.page(SUSPEND, local={**OWING, "GetInvoice": long})
    assert page.answer == {"abortcmd": True}
    (heard,) = receiver.heard
    assert len(heard.body) < 65_536
    assert heard.event["facts"]["service"]["id"] == "34"
    assert "invoices" not in heard.event["facts"]


def test_localapi_that_throws_costs_the_facts_and_nothing_else(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["PreModuleSuspend"] = REFUSED
    page = whmcs.page(SUSPEND, throws=["GetClientsDetails"], local=OWING)
    assert page.answer == {"abortcmd": True}
    assert "group" not in receiver.events()[0]["facts"]


# --- who acts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "session", "actor"),
    [
        (ADMIN_PAGE, {"adminid": "1"}, ("admin", "1")),
        (API_PAGE, {"adminid": "1"}, ("api", "")),
        (CRON_PAGE, {}, ("cron", "")),
        (CLIENT_PAGE, {"uid": "3"}, ("client", "3")),
        ("/modules/gateways/callback/example.php", {}, ("api", "")),
    ],
)
def test_who_acts_is_told(
    whmcs: Whmcs, receiver: Receiver, script: str, session: dict[str, str], actor: tuple[str, str]
) -> None:
    whmcs.page(SUSPEND, script=script, session=session)
    (event,) = receiver.events()
    assert (event["actor"], event["who"]) == actor


def test_a_php_on_the_command_line_is_the_cron(whmcs: Whmcs, receiver: Receiver) -> None:
    page = whmcs.cron(SUSPEND)
    assert page.answer is None
    assert receiver.events()[0]["actor"] == "cron"


def test_the_invoice_that_is_being_paid_is_named(whmcs: Whmcs, receiver: Receiver) -> None:
    """Its services are unsuspended between these two; afterwards nobody is paying any more."""
    before, after = ("InvoicePaidPreEmail", {"invoiceid": 99}), ("InvoicePaid", {"invoiceid": 99})
    whmcs.page(before, UNSUSPEND, after, UNSUSPEND, script="/modules/gateways/callback/example.php")
    asked, paid, later = receiver.events()
    assert (asked["actor"], asked["facts"]["paying"]) == ("payment", "99")
    assert (paid["point"], paid["actor"]) == ("InvoicePaid", "payment")
    assert later["actor"] == "api"
    assert "paying" not in later["facts"]


def test_a_payment_that_staff_books_is_no_click_on_unsuspend(whmcs: Whmcs, receiver: Receiver) -> None:
    """Or else one booked payment of several would lift a suspension, as an admin's own wish."""
    whmcs.page(("InvoicePaidPreEmail", {"invoiceid": 99}), UNSUSPEND, script=ADMIN_PAGE, session=ADMIN)
    (asked,) = receiver.events()
    assert (asked["actor"], asked["who"]) == ("payment", "1")


def test_a_child_of_a_mass_payment_is_paid_inside_its_parent(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.page(
        ("InvoicePaidPreEmail", {"invoiceid": 100}),
        ("InvoicePaidPreEmail", {"invoiceid": 99}),
        UNSUSPEND,
        ("InvoicePaid", {"invoiceid": 99}),
        UNSUSPEND,
    )
    asked = receiver.events("PreModuleUnsuspend")
    assert [event["facts"]["paying"] for event in asked] == ["99", "100"]
