"""Replies become domain values, however WHMCS spells them; a mangled one never becomes a shorter list."""

import copy
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.servers import REPLIES, asked, client_row, page_of, reply, reply_of
from whmcs_bridge.api import parse
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.client import WhmcsApi
from whmcs_bridge.api.reply import read_reply
from whmcs_bridge.domain.book import (
    ActivityEntry,
    Addon,
    CancelRequest,
    Client,
    ClientDetails,
    ClientGroup,
    Contact,
    Domain,
    Invoice,
    InvoiceHead,
    InvoiceLine,
    Product,
    QueueEntry,
    SentEmail,
    Server,
    Service,
    Ticket,
    Transaction,
)
from whmcs_bridge.domain.ids import (
    AddonId,
    ClientId,
    DomainId,
    EmailId,
    GroupId,
    InvoiceId,
    LineId,
    ProductId,
    ServerId,
    ServiceId,
)
from whmcs_bridge.domain.status import CancelType, ClientStatus, InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.errors import UnreadableReply, WhmcsError

READERS = [value for value in vars(parse).values() if isinstance(value, parse.ListReader | parse.OneReader)]
LISTS = [reader for reader in READERS if isinstance(reader, parse.ListReader)]
SAMPLED = [reader for reader in READERS if (REPLIES / f"{reader.action.name}.json").exists()]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def both_ways(reader: Any, body: bytes) -> Any:
    """What the reader makes of a body, the fast way where that is possible."""
    fast = reader.fast(body)
    return fast if fast is not None else tolerantly(reader, body)


def tolerantly(reader: Any, body: bytes) -> Any:
    return reader.tolerant(read_reply(reader.action, Answer(200, body)))


# --- the examples of the API reference ----------------------------------------------------------

INVOICE = Invoice(
    id=InvoiceId(1),
    client_id=ClientId(2361),
    number="1",
    issued=date(2016, 1, 1),
    due=date(2020, 12, 30),
    paid_at=None,
    subtotal=Decimal("15.95"),
    tax=Decimal("0.00"),
    credit=Decimal("0.00"),
    total=Decimal("15.95"),
    balance=Decimal("15.95"),
    status=InvoiceStatus.UNPAID,
    gateway="paypalcheckout",
    lines=(
        InvoiceLine(
            id=LineId(1),
            type=LineType.HOSTING,
            relid=1,
            description="Sample Monthly Product (01/01/2016 - 31/01/2016)",
            amount=Decimal("15.95"),
            taxed=False,
        ),
    ),
)
HEAD = InvoiceHead(
    id=InvoiceId(1),
    client_id=ClientId(1),
    number="1",
    issued=date(2016, 1, 1),
    due=date(2016, 1, 8),
    paid_at=None,
    cancelled_at=None,
    refunded_at=None,
    created_at=moment("2016-01-08 14:06:34"),
    updated_at="2016-01-08 14:07:17",
    total=Decimal("15.95"),
    credit=Decimal("0.00"),
    currency="USD",
    status=InvoiceStatus.UNPAID,
    gateway="paypalcheckout",
)
SERVICE = Service(
    id=ServiceId(1),
    client_id=ClientId(1),
    product_id=ProductId(1),
    server_id=ServerId(1),
    name="Starter",
    group="Shared Hosting",
    domain="demodomain.com",
    username="demodoma",
    status=ServiceStatus.TERMINATED,
    suspension_reason="",
    amount=Decimal("12.95"),
    billing_cycle="Monthly",
    registered=date(2015, 1, 1),
    next_due=date(2016, 11, 25),
    override=False,
    override_until=None,
    server_name="Saturn",
    payment_method="authorize",
)

EXAMPLES: list[tuple[Callable[[WhmcsApi], Any], str, Any]] = [
    (
        lambda api: api.clients().everything()[0],
        "GetClients",
        Client(
            ClientId(2), "Angelica Mohr", "price.ima@example.com", date(2016, 1, 15), GroupId(0), ClientStatus.ACTIVE
        ),
    ),
    (
        lambda api: api.client_details(ClientId(1)),
        "GetClientsDetails",
        ClientDetails(
            ClientId(1),
            "Test Client",
            "test-client@example.com",
            GroupId(0),
            ClientStatus.ACTIVE,
            Decimal("0.00"),
            "USD",
            "",
            False,
        ),
    ),
    (
        lambda api: api.groups(),
        "GetClientGroups",
        [
            ClientGroup(GroupId(1), "Client Group 1", True, Decimal("10.00"), True),
            ClientGroup(GroupId(2), "Client Group 2", False, Decimal("0.00"), False),
        ],
    ),
    (
        lambda api: api.contacts(ClientId(1)),
        "GetContacts",
        [Contact(1, ClientId(1), "contact@example.com", True, True, True)],
    ),
    (lambda api: api.services().everything()[0], "GetClientsProducts", SERVICE),
    (
        lambda api: api.addons(),
        "GetClientsAddons",
        [Addon(AddonId(1), ServiceId(1), ClientId(1), "Addon 1", ServiceStatus.ACTIVE, date(2016, 10, 3))],
    ),
    (
        lambda api: api.cancel_requests().everything(),
        "GetCancelledPackages",
        [
            CancelRequest(1, ServiceId(1), moment("2016-02-24 21:27:04"), CancelType.END_OF_PERIOD, "Client Requested"),
            CancelRequest(2, ServiceId(2), moment("2016-02-24 21:27:04"), CancelType.IMMEDIATE, "Client Requested"),
        ],
    ),
    (lambda api: api.invoices().everything(), "GetInvoices", [HEAD]),
    (lambda api: api.invoice(InvoiceId(1)), "GetInvoice", INVOICE),
    (
        lambda api: api.transactions(invoice=InvoiceId(59)),
        "GetTransactions",
        [
            Transaction(
                10,
                ClientId(1),
                InvoiceId(59),
                "paypal",
                moment("2016-01-01 06:41:11"),
                Decimal("45.90"),
                Decimal("0.00"),
                0,
                "1479732071aad259f3513ec",
            )
        ],
    ),
    (
        lambda api: api.products(),
        "GetProducts",
        [Product(ProductId(1), 1, "", "Best Hosting Plan", "hostingaccount", "cpanel")],
    ),
    (
        lambda api: api.servers(),
        "GetServers",
        [Server(ServerId(1), "Sample cPanel Box", "hostname.example.com", "cpanel", True)],
    ),
    (lambda api: api.currencies(), "GetCurrencies", {1: "USD"}),
    (lambda api: api.payment_methods(), "GetPaymentMethods", {"paypal": "PayPal", "authorize": "Credit Card"}),
    (
        lambda api: api.email_templates(),
        "GetEmailTemplates",
        {
            "Automated Password Reset": "Your new password for {$company_name}",
            "Client Email Address Verification": "Confirm Your Registration",
        },
    ),
    (lambda api: api.departments(), "GetSupportDepartments", {1: "Sample Support Department"}),
    (
        lambda api: api.ticket(1),
        "GetTicket",
        Ticket(
            1,
            "516757",
            ClientId(1),
            1,
            "This is a sample ticket",
            "Closed",
            moment("2016-01-01 06:30:16"),
            moment("2016-01-01 06:26:29"),
        ),
    ),
    (lambda api: api.configuration_value("SystemURL"), "GetConfigurationValue", "http://www.example.com/whmcs/"),
    (
        lambda api: api.automation_clock(),
        "GetAutomationLog",
        (moment("2016-11-09 15:37:58"), moment("2016-11-09 11:00:00")),
    ),
    (lambda api: api.admin_details().version, "GetAdminDetails", "7.10.2"),
    (lambda api: api.admin_details().permissions[:2], "GetAdminDetails", ("Main Homepage", "My Account")),
    (lambda api: api.add_client_note(ClientId(1), "x"), "AddClientNote", 1),
    (lambda api: api.open_ticket(1, "s", "m", client=ClientId(1)), "OpenTicket", 1),
    (lambda api: api.suspend(ServiceId(1), "x"), "ModuleSuspend", None),
    (lambda api: api.unsuspend(ServiceId(1)), "ModuleUnsuspend", None),
    (lambda api: api.terminate(ServiceId(1)), "ModuleTerminate", None),
    (lambda api: api.create(ServiceId(1)), "ModuleCreate", None),
    (lambda api: api.set_service_status(ServiceId(1), ServiceStatus.SUSPENDED), "UpdateClientProduct", None),
    (lambda api: api.set_addon_status(AddonId(1), ServiceStatus.TERMINATED), "UpdateClientAddon", None),
    (lambda api: api.set_client_group(ClientId(1), GroupId(2)), "UpdateClient", None),
    (lambda api: api.cancel_invoice(InvoiceId(1)), "UpdateInvoice", None),
    (lambda api: api.send_email("Invoice Created", 1), "SendEmail", None),
    (lambda api: api.send_admin_email("s", "m"), "SendAdminEmail", None),
    (lambda api: api.log_activity("x"), "LogActivity", None),
    (lambda api: api.add_ticket_note(1, "x"), "AddTicketNote", None),
]


@pytest.mark.parametrize(("read", "action", "expected"), EXAMPLES, ids=[example[1] for example in EXAMPLES])
def test_the_example_of_the_api_reference_is_read(
    read: Callable[[WhmcsApi], Any], action: str, expected: object
) -> None:
    assert read(asked(reply(action))) == expected


def test_every_example_for_an_action_that_is_read_as_values_is_tried() -> None:
    tried = {action for _, action, _ in EXAMPLES}
    assert {reader.action.name for reader in SAMPLED} <= tried


@pytest.mark.parametrize("path", sorted(REPLIES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_is_a_success(path: Any) -> None:
    """Also those only `call` reaches, with `status` in place of `result` among them (E2)."""
    assert asked(path.read_bytes()).call(path.stem)


@pytest.mark.parametrize("reader", SAMPLED, ids=lambda reader: reader.action.name)
def test_the_fast_and_the_tolerant_way_agree(reader: Any) -> None:
    body = reply(reader.action.name)
    assert both_ways(reader, body) == tolerantly(reader, body)


FAST = ["GetClients", "GetClientsProducts", "GetInvoices", "GetInvoice", "GetClientsDetails", "GetProducts"]


@pytest.mark.parametrize("action", FAST)
def test_well_formed_replies_take_the_fast_way(action: str) -> None:
    [reader] = [reader for reader in SAMPLED if reader.action.name == action]
    assert reader.fast(reply(action)) is not None


# --- rows for which the reference has no example ------------------------------------------------

EMAIL = {
    "id": 7,
    "userid": 1,
    "subject": "Invoice &amp; more",
    "message": "<p>x</p>",
    "date": "2025-01-02 03:04:05",
    "to": "a@example.com",
    "failed": 1,
    "failure_reason": "no such mailbox",
    "pending": 0,
}
OTHERS: list[tuple[Any, dict[str, Any], object]] = [
    (
        parse.EMAILS,
        EMAIL,
        SentEmail(
            EmailId(7),
            ClientId(1),
            "Invoice & more",
            moment("2025-01-02 03:04:05"),
            "a@example.com",
            True,
            False,
            "no such mailbox",
        ),
    ),
    (
        parse.TICKETS,
        {
            "id": "3",
            "tid": "ABC-123",
            "deptid": "2",
            "userid": "1",
            "c": "x",
            "subject": "Help",
            "status": "Open",
            "date": "2025-01-02 03:04:05",
            "lastreply": "2025-01-03 03:04:05",
        },
        Ticket(
            3, "ABC-123", ClientId(1), 2, "Help", "Open", moment("2025-01-03 03:04:05"), moment("2025-01-02 03:04:05")
        ),
    ),
    (
        parse.ACTIVITY_LOG,
        {
            "id": 9,
            "clientId": 4,
            "adminId": 2,
            "date": "2025-01-02 03:04:05",
            "description": "Logged",
            "username": "maria",
        },
        ActivityEntry(9, moment("2025-01-02 03:04:05"), "Logged", "maria", ClientId(4), 2),
    ),
    (
        parse.DOMAINS,
        {"id": 2, "userid": 4, "domainname": "example.net", "status": "Active", "nextduedate": "2026-01-01"},
        Domain(DomainId(2), ClientId(4), "example.net", "Active", date(2026, 1, 1)),
    ),
    (
        parse.MODULE_QUEUE,
        {
            "id": 1,
            "serviceType": "service",
            "serviceId": 12,
            "moduleName": "cpanel",
            "moduleAction": "SuspendAccount",
            "lastAttempt": "2025-01-02 03:04:05",
            "lastAttemptError": "no route",
        },
        QueueEntry(1, "service", 12, "cpanel", "SuspendAccount", "no route", moment("2025-01-02 03:04:05")),
    ),
]


@pytest.mark.parametrize(("reader", "row", "expected"), OTHERS, ids=[other[0].action.name for other in OTHERS])
def test_rows_of_other_lists_are_read(reader: Any, row: dict[str, Any], expected: object) -> None:
    shape = reader.action.rows
    rows = {shape.singular: [row]} if shape.singular else [row]
    body = json.dumps({"result": "success", "totalresults": 1, shape.plural: rows}).encode()
    assert reader.fast(body).rows == [expected]
    assert tolerantly(reader, body).rows == [expected]


# --- quirks -------------------------------------------------------------------------------------


def one_client(**changes: Any) -> Client:
    return read_clients(page_of([client_row(1, **changes)], 1))[0]


def read_clients(answer: dict[str, Any]) -> list[Client]:
    page: parse.Page[Client] = both_ways(parse.CLIENTS, json.dumps(answer).encode())
    return list(page.rows)


THREE = [client_row(1), client_row(2), client_row(3)]
SHAPES: list[Any] = [
    pytest.param({"client": THREE}, id="nested"),
    pytest.param(THREE, id="bare-array"),
    pytest.param({"client": {"0": THREE[0], "1": THREE[1], "2": THREE[2]}}, id="numeric-keys"),
    pytest.param({"2": THREE[2], "0": THREE[0], "1": THREE[1]}, id="numeric-keys-unsorted-at-the-top"),
    pytest.param({"Client": THREE}, id="key-case"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_list_is_the_same_in_every_shape(shape: object) -> None:
    """Story 16."""
    assert [client.id for client in read_clients({**page_of([], 3), "clients": shape})] == [1, 2, 3]


def test_flattened_keys_are_nested_again() -> None:
    flat = {f"clients[client][{n}][{key}]": value for n, row in enumerate(THREE) for key, value in row.items()}
    assert len(read_clients({"result": "success", "totalresults": "3", **flat})) == 3


@pytest.mark.parametrize("shape", [{"client": THREE[0]}, THREE[0]], ids=["in-its-wrapper", "in-place-of-the-wrapper"])
def test_one_row_may_come_without_its_array(shape: object) -> None:
    assert [client.id for client in read_clients({**page_of([], 1), "clients": shape})] == [1]


@pytest.mark.parametrize("empty", ["", [], {}, None, {"client": []}, {"client": ""}, {"client": None}, [[]]])
def test_no_rows_come_in_every_shape(empty: object) -> None:
    assert read_clients({**page_of([], 0), "clients": empty}) == []


def test_an_absent_list_is_empty_only_if_whmcs_counts_none() -> None:
    assert read_clients({"result": "success", "totalresults": "0"}) == []
    for answer in ({"result": "success", "totalresults": 3}, {"result": "success"}):
        with pytest.raises(UnreadableReply, match="GetClients: clients: missing"):
            read_clients(answer)


@pytest.mark.parametrize("shape", ["oops", 5, True, [1], ["x"], {"client": [None]}, [[], []]], ids=repr)
def test_what_is_no_list_is_not_an_empty_list(shape: object) -> None:
    with pytest.raises(UnreadableReply, match="GetClients: clients: expected a list"):
        read_clients({**page_of([], 0), "clients": shape})


@pytest.mark.parametrize("number", [7, "7", " 7 ", 7.0, "7.0", "007"], ids=repr)
def test_numbers_may_be_text(number: object) -> None:
    assert one_client(id=number).id == 7


@pytest.mark.parametrize("number", ["", None, "x", 0, "0", -1, True, 1.5, [], "7 of 9", "٧"], ids=repr)
def test_an_id_that_is_none_is_named(number: object) -> None:
    with pytest.raises(UnreadableReply, match=r"GetClients: .*id: expected"):
        one_client(id=number)


@pytest.mark.parametrize("zero", ["0000-00-00", "0000-00-00 00:00:00", "", None, "-0001-11-30 00:00:00"], ids=repr)
def test_zero_dates_are_none(zero: object) -> None:
    assert one_client(datecreated=zero).since is None


@pytest.mark.parametrize("text", ["2024-02-29", "2024-02-29 12:30:00", " 2024-02-29"])
def test_dates_are_days(text: str) -> None:
    assert one_client(datecreated=text).since == date(2024, 2, 29)


@pytest.mark.parametrize("text", ["31/01/2024", "2023-02-29", "tomorrow", "2024-1-3", "20240103"])
def test_a_date_in_another_format_is_named(text: str) -> None:
    with pytest.raises(UnreadableReply, match=f"datecreated: expected Y-m-d, got '{text}'"):
        one_client(datecreated=text)


def test_names_are_unescaped_once() -> None:
    assert one_client(companyname="Bolts &amp; Nuts &amp;amp; O&#039;Neil").name == "Bolts & Nuts &amp; O'Neil"


def test_keys_match_in_any_case() -> None:
    row = {key.upper(): value for key, value in client_row(5, groupid=3).items()}
    [client] = read_clients(page_of([row], 1))
    assert (client.id, client.group_id, client.name) == (5, 3, "Client 5")


@pytest.mark.parametrize("word", ["active", " Active", "ACTIVE"])
def test_status_words_match_in_any_case(word: str) -> None:
    assert one_client(status=word).status is ClientStatus.ACTIVE


def test_a_status_we_do_not_know_is_not_guessed() -> None:
    assert one_client(status="Dormant").status is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *((word, True) for word in (True, 1, "1", "on", "true", "yes", "On")),
        *((word, False) for word in (False, 0, "0", "", "off", "false", "no", None)),
    ],
    ids=repr,
)
def test_yes_and_no_come_in_every_form(said: object, meant: bool) -> None:
    group = {"id": 1, "groupname": "VIP", "susptermexempt": said, "discountpercent": "0.00", "separateinvoices": ""}
    body = json.dumps({"result": "success", "totalresults": 1, "groups": {"group": [group]}}).encode()
    assert both_ways(parse.GROUPS, body).rows[0].exempt is meant


# --- mandatory fields ---------------------------------------------------------------------------

NEEDED: list[tuple[Any, list[str]]] = [
    (parse.CLIENTS, ["id", "groupid", "status"]),
    (
        parse.SERVICES,
        [
            "id",
            "clientid",
            "pid",
            "status",
            "suspensionreason",
            "nextduedate",
            "overideautosuspend",
            "overidesuspenduntil",
        ],
    ),
    (parse.INVOICES, ["id", "userid", "date", "duedate", "total", "credit", "status"]),
    (parse.GROUPS, ["id", "groupname", "susptermexempt"]),
    (parse.PRODUCTS, ["pid", "gid", "type"]),
]


@pytest.mark.parametrize(
    ("reader", "field"),
    [pytest.param(reader, field, id=f"{reader.action}-{field}") for reader, fields in NEEDED for field in fields],
)
def test_a_row_without_a_field_that_decides_is_unreadable(reader: Any, field: str) -> None:
    answer = reply_of(reader.action.name)
    shape = reader.action.rows
    del answer[shape.plural][shape.singular][0][field]
    with pytest.raises(UnreadableReply, match=f"{reader.action.name}: .*{field}: missing"):
        both_ways(reader, json.dumps(answer).encode())


@pytest.mark.parametrize(
    "field", ["invoiceid", "userid", "date", "duedate", "total", "credit", "balance", "status", "items"]
)
def test_an_invoice_without_a_field_that_decides_is_unreadable(field: str) -> None:
    answer = reply_of("GetInvoice")
    del answer[field]
    with pytest.raises(UnreadableReply, match=f"GetInvoice: {field}: missing"):
        asked(answer).invoice(InvoiceId(1))


@pytest.mark.parametrize(
    "balance", ["", None, "NaN", "Infinity", "1e400", "15,95", "1,234.50", "x", [], True], ids=repr
)
def test_a_balance_that_is_no_money_is_unreadable(balance: object) -> None:
    with pytest.raises(UnreadableReply, match="GetInvoice: balance: expected an amount"):
        asked({**reply_of("GetInvoice"), "balance": balance}).invoice(InvoiceId(1))


@pytest.mark.parametrize(
    ("balance", "owed"), [("15.95", "15.95"), (15.95, "15.95"), (15, "15"), ("-3.00", "-3.00"), (" 1.5 ", "1.5")]
)
def test_money_may_be_a_number(balance: object, owed: str) -> None:
    invoice = asked({**reply_of("GetInvoice"), "balance": balance}).invoice(InvoiceId(1))
    assert str(invoice.balance) == owed


@pytest.mark.parametrize("field", ["type", "relid", "amount"])
def test_a_line_without_what_it_bills_is_unreadable(field: str) -> None:
    answer = reply_of("GetInvoice")
    del answer["items"]["item"][0][field]
    with pytest.raises(UnreadableReply, match=f"GetInvoice: {field}: missing"):
        asked(answer).invoice(InvoiceId(1))


LINE = reply_of("GetInvoice")["items"]["item"][0]


@pytest.mark.parametrize(
    ("items", "count"),
    [("", 0), ([], 0), ({"item": []}, 0), ({"item": LINE}, 1), ({"item": {"0": LINE, "1": LINE}}, 2), ([LINE], 1)],
    ids=["text", "list", "wrapper", "single", "numeric", "bare"],
)
def test_lines_come_in_every_shape(items: object, count: int) -> None:
    answer = reply_of("GetInvoice") | ({} if count else {"subtotal": "0.00"})
    assert len(asked({**answer, "items": items}).invoice(InvoiceId(1)).lines) == count


@pytest.mark.parametrize("items", ["", [], {"item": []}], ids=["text", "list", "wrapper"])
def test_an_invoice_that_asks_for_money_without_a_line_is_unreadable(items: object) -> None:
    """What is owed for nothing would suspend nobody and hold no release back."""
    with pytest.raises(UnreadableReply, match="no lines where the subtotal is"):
        asked({**reply_of("GetInvoice"), "items": items}).invoice(InvoiceId(1))


def test_a_line_type_we_do_not_know_bills_nothing_we_may_act_on() -> None:
    answer = reply_of("GetInvoice")
    answer["items"]["item"] = [{**LINE, "type": "Teleport"}, {**LINE, "type": None, "relid": ""}]
    lines = asked(answer).invoice(InvoiceId(1)).lines
    assert [(line.type, line.relid) for line in lines] == [(LineType.OTHER, 1), (LineType.HAND_MADE, 0)]


@pytest.mark.parametrize("figure", ["Unlimited", "", None, "-", [], "NaN"], ids=repr)
def test_a_usage_figure_in_words_does_not_stop_the_reading(figure: object) -> None:
    answer = reply_of("GetClientsProducts")
    answer["products"]["product"][0]["bwlimit"] = figure
    [first, _] = asked(answer).services().everything()
    assert first.bandwidth_limit_mb == 0


# --- mangled replies ----------------------------------------------------------------------------


def harmless(data: st.DataObject, value: Any) -> Any:
    """Another spelling of the same value."""
    if isinstance(value, bool):
        return data.draw(st.sampled_from([value, int(value), str(int(value))]))
    if isinstance(value, int):
        return data.draw(st.sampled_from([value, str(value), f" {value}"]))
    if isinstance(value, dict):
        return {key: harmless(data, item) for key, item in value.items()}
    if isinstance(value, list):
        rows = [harmless(data, item) for item in value]
        if not rows or not all(isinstance(row, dict) for row in rows):
            return rows
        shapes: list[Any] = [rows, {str(n): row for n, row in enumerate(rows)}]
        return data.draw(st.sampled_from(shapes if len(rows) > 1 else [*shapes, rows[0]]))
    return value


def harmful(data: st.DataObject, value: dict[str, Any]) -> Any:
    """The reply with something torn out, replaced or doubled, anywhere in it."""
    mangled = copy.deepcopy(value)
    here: Any = mangled
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return mangled
        key = data.draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and data.draw(st.booleans()):
            here = here[key]
            continue
        how = data.draw(st.sampled_from(["delete", "replace"]))
        if how == "delete":
            del here[key]
        else:
            here[key] = data.draw(st.sampled_from([None, "", [], {}, "x", 0, -1, True, "NaN", [[]], {"0": {}}]))
        return mangled


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_another_spelling_of_a_reply_gives_the_same_values(data: st.DataObject) -> None:
    reader = data.draw(st.sampled_from(SAMPLED))
    answer = reply_of(reader.action.name)
    spelled = {key: item if key == "result" else harmless(data, item) for key, item in answer.items()}
    assert both_ways(reader, json.dumps(spelled).encode()) == both_ways(reader, json.dumps(answer).encode())


ROWS = {
    parse.CLIENTS: [client_row(n) for n in range(1, 5)],
    parse.SERVICES: [reply_of("GetClientsProducts")["products"]["product"][0] | {"id": str(n)} for n in range(1, 5)],
    parse.INVOICES: [reply_of("GetInvoices")["invoices"]["invoice"][0] | {"id": n} for n in range(1, 5)],
}


@settings(max_examples=400, deadline=None)
@given(data=st.data(), cut=st.integers(0, 400))
def test_a_mangled_list_is_whole_or_an_error_or_caught_by_its_count(data: st.DataObject, cut: int) -> None:
    """Rows may only be fewer where the reply's own count says so, and then the list is read again."""
    reader: Any = data.draw(st.sampled_from(list(ROWS)))
    shape = reader.action.rows
    answer = {"result": "success", "totalresults": 4, "numreturned": 4, shape.plural: {shape.singular: ROWS[reader]}}
    body = json.dumps(harmful(data, answer)).encode()
    if data.draw(st.booleans()):
        body = body[cut % len(body) :] if data.draw(st.booleans()) else body[: cut % len(body)]
    try:
        page = both_ways(reader, body)
    except WhmcsError:
        return
    assert len(page.rows) == 4 or page.total != len(page.rows)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_mangled_invoice_never_owes_something_else(data: st.DataObject) -> None:
    """Balance, status, due date, client and id are right, or the reply is refused."""
    mangled = harmful(data, reply_of("GetInvoice"))
    try:
        invoice = asked(mangled).invoice(InvoiceId(1))
    except WhmcsError:
        return
    told = mangled["balance"], mangled["userid"], mangled["total"]
    assert (str(invoice.balance), int(invoice.client_id)) == (str(told[0]), int(told[1]))
    assert invoice.due == INVOICE.due or mangled["duedate"] in (None, "", [], {})


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=200))
def test_noise_is_never_a_reply(body: bytes) -> None:
    with pytest.raises(WhmcsError):
        asked(body).clients().everything()


# --- ids in custom fields -------------------------------------------------------------------------

ID_FIELDS = {"uuid": ("Machine UUID",), "vmid": ("vmid", "VM ID")}


def with_fields(fields: object) -> dict[str, Any]:
    """The sample reply with these custom fields in its first row."""
    body = copy.deepcopy(reply_of("GetClientsProducts"))
    rows = body["products"]["product"]
    rows[0] = {**rows[0], "customfields": fields}
    return body


def ids_read(fields: object) -> set[tuple[tuple[str, str], ...]]:
    """What both ways of reading make of them."""
    reader, body = parse.services_reader(ID_FIELDS), with_fields(fields)
    fast = reader.fast(json.dumps(body).encode())
    pages = [reader.tolerant(body), *([fast] if fast is not None else [])]
    return {page.rows[0].ids for page in pages}


def a_field(name: str, value: object) -> dict[str, Any]:
    return {"id": 7, "name": name, "translated_name": name, "value": value}


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ([a_field("vmid", "104")], (("vmid", "104"),)),
        ([a_field(" VMID ", 104)], (("vmid", "104"),)),
        ([a_field("vmid|Number of the machine", " 104 ")], (("vmid", "104"),)),
        ([a_field("machine|VM ID", "104")], (("vmid", "104"),)),
        ([a_field("VM ID", "105"), a_field("vmid", "104")], (("vmid", "104"),)),
        ([a_field("vmid", ""), a_field("VM ID", "105")], (("vmid", "105"),)),
        ([a_field("vmid", "104"), a_field("Machine UUID", "U-1")], (("uuid", "U-1"), ("vmid", "104"))),
        ([a_field("vmid", "104"), a_field("Root password", "secret")], (("vmid", "104"),)),
        ([a_field("vmid", "  "), a_field("vmids", "1"), a_field("", "2")], ()),
        ([a_field("vmid", None), a_field("vmid", "0"), a_field("VM ID", ["x"]), a_field("vmid", True)], ()),
    ],
)
def test_of_custom_fields_only_the_ids_are_taken(fields: list[object], ids: object) -> None:
    assert ids_read({"customfield": fields}) == {ids}
    if len(fields) == 1:
        assert ids_read({"customfield": fields[0]}) == {ids}


@pytest.mark.parametrize("fields", ["", [], {}, None, "x", 3, {"customfield": ""}, {"customfield": [3]}])
def test_custom_fields_in_another_shape_hold_no_ids_and_spoil_nothing(fields: object) -> None:
    assert ids_read(fields) == {()}


def test_without_id_fields_custom_fields_are_not_looked_at() -> None:
    assert parse.services_reader({}) is parse.SERVICES
    body = with_fields({"customfield": [a_field("vmid", "104")]})
    page = parse.SERVICES.fast(json.dumps(body).encode())
    assert page is not None
    assert page.rows[0].ids == ()
    assert parse.services_reader(ID_FIELDS) is parse.services_reader(dict(ID_FIELDS))
