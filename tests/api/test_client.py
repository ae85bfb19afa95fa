"""The typed methods: what they ask WHMCS for, and what they refuse to believe."""

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from tests.api.servers import Form, Response, Scripted, an_api, asked, reply, reply_of
from whmcs_bridge.api.actions import ACTIONS, action_of
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.client import OVERDUE, WhmcsApi
from whmcs_bridge.api.redact import redact
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import (
    CredentialsRefused,
    IncompleteList,
    NotFound,
    OutcomeUnknown,
    UnreadableReply,
    UsageProblem,
    WhmcsError,
)

CLIENT, SERVICE = ClientId(5), ServiceId(7)
OK = {"result": "success"}
HIDDEN_FIELDS = {"action", "responsetype", "identifier", "secret", "accesskey"}


def sent(call: Callable[[WhmcsApi], object], answer: Response = OK) -> tuple[str, Form]:
    """The action and the parameters that one call sends."""
    adapter = Scripted(answer)
    call(an_api(adapter))
    [form] = adapter.forms
    return form["action"], {name: value for name, value in form.items() if name not in HIDDEN_FIELDS}


WRITES: list[tuple[Callable[[WhmcsApi], object], str, Form]] = [
    (
        lambda api: api.suspend(SERVICE, "Overdue: invoice 1"),
        "ModuleSuspend",
        {"serviceid": "7", "suspendreason": "Overdue: invoice 1"},
    ),
    (lambda api: api.unsuspend(SERVICE), "ModuleUnsuspend", {"serviceid": "7"}),
    (lambda api: api.terminate(SERVICE), "ModuleTerminate", {"serviceid": "7"}),
    (lambda api: api.create(SERVICE), "ModuleCreate", {"serviceid": "7"}),
    (
        lambda api: api.set_service_status(SERVICE, ServiceStatus.SUSPENDED, "Overdue"),
        "UpdateClientProduct",
        {"serviceid": "7", "status": "Suspended", "suspendreason": "Overdue"},
    ),
    (
        lambda api: api.set_service_status(SERVICE, ServiceStatus.ACTIVE, ""),
        "UpdateClientProduct",
        {"serviceid": "7", "status": "Active", "unset[0]": "suspendreason"},
    ),
    (
        lambda api: api.set_service_status(SERVICE, ServiceStatus.TERMINATED),
        "UpdateClientProduct",
        {"serviceid": "7", "status": "Terminated"},
    ),
    (
        lambda api: api.set_suspension_reason(SERVICE, "Overdue"),
        "UpdateClientProduct",
        {"serviceid": "7", "suspendreason": "Overdue"},
    ),
    (
        lambda api: api.clear_suspension_reason(SERVICE),
        "UpdateClientProduct",
        {"serviceid": "7", "unset[0]": "suspendreason"},
    ),
    (
        lambda api: api.set_addon_status(AddonId(3), ServiceStatus.TERMINATED),
        "UpdateClientAddon",
        {"id": "3", "status": "Terminated"},
    ),
    (
        lambda api: api.set_client_group(CLIENT, GroupId(0)),
        "UpdateClient",
        {"clientid": "5", "groupid": "0", "skipvalidation": "1"},
    ),
    (lambda api: api.add_client_note(CLIENT, "x"), "AddClientNote", {"userid": "5", "notes": "x"}),
    (lambda api: api.send_email("Final Warning", 7), "SendEmail", {"messagename": "Final Warning", "id": "7"}),
    (
        lambda api: api.send_custom_email("product", 7, "Subject", "<p>Hi</p>"),
        "SendEmail",
        {"customtype": "product", "id": "7", "customsubject": "Subject", "custommessage": "<p>Hi</p>"},
    ),
    (
        lambda api: api.send_admin_email("S", "M"),
        "SendAdminEmail",
        {"customsubject": "S", "custommessage": "M", "type": "system"},
    ),
    (
        lambda api: api.open_ticket(2, "S", "M", client=CLIENT, service=SERVICE, notify=False),
        "OpenTicket",
        {
            "deptid": "2",
            "subject": "S",
            "message": "M",
            "clientid": "5",
            "serviceid": "7",
            "priority": "Medium",
            "noemail": "1",
        },
    ),
    (lambda api: api.add_ticket_note(9, "M"), "AddTicketNote", {"ticketid": "9", "message": "M"}),
    (lambda api: api.log_activity("x", CLIENT), "LogActivity", {"description": "x", "clientid": "5"}),
    (lambda api: api.cancel_invoice(InvoiceId(4)), "UpdateInvoice", {"invoiceid": "4", "status": "Cancelled"}),
]


@pytest.mark.parametrize(("call", "action", "fields"), WRITES, ids=[write[1] for write in WRITES])
def test_a_write_sends_what_it_changes_and_nothing_else(
    call: Callable[[WhmcsApi], object], action: str, fields: Form
) -> None:
    assert sent(call) == (action, fields)


def test_merge_fields_of_a_template_are_serialized() -> None:
    _, fields = sent(lambda api: api.send_email("Final Warning", 7, {"days": "3"}))
    assert base64.b64decode(fields["customvars"]) == b'a:1:{s:4:"days";s:1:"3";}'


def test_a_write_that_answers_about_something_else_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown, match="UpdateClientProduct of 7"):
        asked({"result": "success", "serviceid": "8"}).clear_suspension_reason(SERVICE)


# --- asking about one thing ---------------------------------------------------------------------

WRONG_THING: list[tuple[Callable[[WhmcsApi], object], str]] = [
    (lambda api: api.invoice(InvoiceId(77)), "GetInvoice"),
    (lambda api: api.client_details(ClientId(77)), "GetClientsDetails"),
    (lambda api: api.ticket(77), "GetTicket"),
    (lambda api: api.service(ServiceId(77)), "GetClientsProducts"),
    (lambda api: api.configuration_value("Version"), "GetConfigurationValue"),
]


@pytest.mark.parametrize(("read", "action"), WRONG_THING, ids=[wrong[1] for wrong in WRONG_THING])
def test_an_answer_about_another_thing_is_not_believed(read: Callable[[WhmcsApi], object], action: str) -> None:
    """A server that does not know a parameter ignores it (story 17)."""
    with pytest.raises(UnreadableReply, match=action):
        read(asked(reply(action)))


def test_a_service_whmcs_does_not_have_is_none() -> None:
    assert asked({"result": "success", "totalresults": "0", "products": ""}).service(SERVICE) is None


@pytest.mark.parametrize("answer", [{"result": "success", "products": ""}, {"result": "success", "totalresults": 3}])
def test_a_service_is_not_gone_because_a_reply_is_empty(answer: dict[str, Any]) -> None:
    with pytest.raises(UnreadableReply):
        asked(answer).service(SERVICE)


def test_a_service_is_found_even_if_the_server_ignores_the_filter() -> None:
    found = asked(reply("GetClientsProducts")).service(ServiceId(2))
    assert found is not None
    assert found.name == "Plus"


def test_invoices_of_another_status_or_client_are_dropped() -> None:
    row = reply_of("GetInvoices")["invoices"]["invoice"][0]
    rows = [
        row | {"id": 1, "status": "Unpaid", "userid": 5},
        row | {"id": 2, "status": "Paid", "userid": 5},
        row | {"id": 3, "status": "Unpaid", "userid": 6},
    ]
    answer = {"result": "success", "totalresults": 3, "invoices": {"invoice": rows}}
    listing = asked(answer).invoices(status=InvoiceStatus.UNPAID, client=CLIENT)
    assert [head.id for page in listing for head in page] == [1]
    assert listing.end.complete
    assert "ignored the filter; 2 rows" in listing.end.problems[0]


@pytest.mark.parametrize("status", ["Unpaid", "Collections", "Payment Pending"])
def test_overdue_is_a_filter_and_not_a_status(status: str) -> None:
    row = reply_of("GetInvoices")["invoices"]["invoice"][0] | {"status": status}
    answer = {"result": "success", "totalresults": 1, "invoices": {"invoice": [row]}}
    assert len(asked(answer).invoices(status=OVERDUE).everything()) == 1


def test_invoices_can_come_newest_first() -> None:
    empty = {"result": "success", "totalresults": 0}
    _, fields = sent(lambda api: api.invoices(newest_first=True).everything(), empty)
    assert fields == {"orderby": "id", "order": "desc", "limitstart": "0", "limitnum": "251"}


def test_addons_of_many_services_are_asked_for_in_bundles() -> None:
    row = {"id": 1, "userid": 5, "serviceid": 1, "name": "Backup", "status": "Active", "nextduedate": "2025-01-01"}

    def addons(form: Form) -> Response:
        ids = [int(number) for number in form["serviceid"].split(",")]
        rows = [row | {"id": number, "serviceid": number} for number in ids]
        return {"result": "success", "totalresults": len(rows), "addons": {"addon": rows}}

    adapter = Scripted(addons)
    with an_api(adapter, connections=2) as api:
        services = [ServiceId(number) for number in range(1, 251)]
        assert [addon.service_id for addon in api.addons(service_ids=services)] == services
    assert len(adapter.forms) == 3


def test_addons_of_other_services_are_dropped() -> None:
    assert asked(reply("GetClientsAddons")).addons(service_ids=[ServiceId(9)]) == []
    assert asked(reply("GetClientsAddons")).addons(client=ClientId(9)) == []


def test_a_list_in_one_piece_is_counted_and_read_again() -> None:
    short = {**reply_of("GetClientGroups"), "totalresults": 3}
    assert len(asked(short, reply("GetClientGroups")).groups()) == 2
    with pytest.raises(IncompleteList, match="2 rows came where WHMCS counts 3"):
        asked(short).groups()


def test_transactions_are_never_asked_for_bare() -> None:
    with pytest.raises(UsageProblem):
        asked(reply("GetTransactions")).transactions()


def test_emails_are_narrowed_to_what_was_asked_for() -> None:
    row = {"id": 1, "userid": 5, "subject": "Final warning", "date": "2025-01-02 03:04:05", "failed": 0}
    rows = [row, row | {"id": 2, "userid": 6}, row | {"id": 3, "subject": "Other"}]
    rows.append(row | {"id": 4, "date": "2024-12-31 23:59:59"})
    answer = {"result": "success", "totalresults": 4, "emails": {"email": rows}}
    mails = asked(answer).emails(CLIENT, since=date(2025, 1, 1), subject="final WARNING")
    assert [mail.id for mail in mails] == [1]


def test_the_activity_log_comes_newest_first_and_only_what_was_asked_for() -> None:
    entry = {"id": 1, "clientId": 5, "date": "2025-01-02 03:04:05", "description": "Module Suspend", "username": "x"}
    rows = [entry, entry | {"id": 3}, entry | {"id": 2, "clientId": 6}]
    answer = {"result": "success", "totalresults": 3, "activity": {"entry": rows}}
    assert [row.id for row in asked(answer).activity_log(client=CLIENT, description="suspend")] == [3, 1]


def test_a_clock_that_shows_nothing_is_unreadable() -> None:
    answer = {**reply_of("GetAutomationLog"), "currentDatetime": "0000-00-00 00:00:00"}
    with pytest.raises(UnreadableReply, match="currentDatetime"):
        asked(answer).automation_clock()


# --- many at once -------------------------------------------------------------------------------


def test_many_invoices_come_side_by_side_and_each_failure_with_its_number() -> None:
    threads: set[int] = set()
    both = threading.Barrier(2)

    def invoice(form: Form) -> Response:
        threads.add(threading.get_ident())
        number = int(form["invoiceid"])
        if number <= 2:
            both.wait(5)
        if number == 3:
            return {"result": "error", "message": "Invoice ID Not Found"}
        return {**reply_of("GetInvoice"), "invoiceid": number}

    with an_api(Scripted(invoice), connections=2) as api:
        found = dict(api.invoices_many(InvoiceId(number) for number in range(1, 6)))
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert isinstance(found[InvoiceId(3)], NotFound)
    assert all(isinstance(found[InvoiceId(number)], Invoice) for number in (1, 2, 4, 5))
    assert len(threads) == 2


def test_only_a_few_of_many_invoices_are_asked_for_ahead() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[InvoiceId]:
        for number in range(1, 1000):
            taken.append(number)
            yield InvoiceId(number)

    adapter = Scripted(lambda form: {**reply_of("GetInvoice"), "invoiceid": form["invoiceid"]})
    with an_api(adapter, connections=2) as api:
        next(api.invoices_many(numbers()))
        assert len(taken) <= 8


def test_a_forked_child_gets_workers_and_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It inherits the pool without its threads, and sockets that are the parent's."""
    api = asked(lambda form: {**reply_of("GetInvoice"), "invoiceid": form["invoiceid"]})
    assert len(list(api.invoices_many([InvoiceId(1)]))) == 1
    pool, session = api._workers(), api._transport._session()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert api._workers() is not pool
    assert api._transport._session() is not session
    assert len(list(api.invoices_many([InvoiceId(1)]))) == 1
    api.close()
    pool.shutdown()


def test_calls_are_counted_by_action_with_their_repetitions() -> None:
    api = asked(Answer(502, b""), OK, OK)
    api.call("GetStats")
    api.call("GetStats")
    assert api.calls == {"GetStats": 3}
    assert api.seconds >= 0


# --- permissions --------------------------------------------------------------------------------

DENIED = Answer(403, b'{"result":"error","message":"Invalid Permissions: API action \\"x\\" is not allowed"}')


NO_ACTION = Answer(200, b'{"result":"error","message":"Invalid API Action: \\"x\\" is not a valid API action"}')


@pytest.mark.parametrize(
    ("answer", "permitted"),
    [
        (OK, True),
        ({"result": "error", "message": "Service ID not found"}, True),
        ({"result": "error", "message": "Client ID Not Found"}, True),
        (DENIED, False),
        (NO_ACTION, False),
    ],
    ids=["success", "not-found", "client", "denied", "no-such-action"],
)
def test_a_permission_is_probed_with_an_id_that_cannot_exist(answer: Response, permitted: bool) -> None:
    """Q16."""
    adapter = Scripted(answer)
    assert an_api(adapter).probe_permission("ModuleTerminate") is permitted
    assert adapter.forms[0]["serviceid"] == "2147483647"


@pytest.mark.parametrize("action", ["CreateQuote", "AddOrder", "LogActivity", "SetConfigurationValue", "Unheard"])
def test_what_cannot_be_probed_safely_is_not_probed(action: str) -> None:
    """Q17: CreateQuote makes a quote for a client that does not exist."""
    adapter = Scripted(OK)
    assert an_api(adapter).probe_permission(action) is None
    assert adapter.forms == []


def test_a_probe_that_learns_nothing_says_why() -> None:
    refusal = Answer(403, b'{"result":"error","message":"Authentication Failed"}')
    with pytest.raises(CredentialsRefused):
        asked(refusal).probe_permission("GetClients")


@pytest.mark.parametrize("action", [action for action in ACTIONS.values() if action.probe and not action.reads])
def test_a_probe_of_a_write_cannot_change_anything(action: Any) -> None:
    """It names something that does not exist, and never gives all that a creation would need."""
    probe = dict(action.probe)
    assert 2147483647 in probe.values() or probe.get("messagename") == "whmcs-bridge permission probe"
    assert not {"subject", "status", "groupid", "suspendreason"} & set(probe)


# --- the table of actions -----------------------------------------------------------------------


def test_every_action_of_the_examples_is_known() -> None:
    from tests.api.servers import REPLIES

    assert {path.stem.casefold() for path in REPLIES.glob("*.json")} <= set(ACTIONS)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_only_what_reads_counts_as_reading(name: str) -> None:
    action = ACTIONS[name]
    looks = name.startswith(("get", "list", "whmcsdetails", "decrypt", "encrypt", "domainget", "domainwhois"))
    assert action.reads is looks


def test_an_action_is_known_in_any_case() -> None:
    assert action_of("getCLIENTS").name == "GetClients"
    assert not action_of("GetSomethingNew").reads


# --- any list, any action -----------------------------------------------------------------------


@pytest.mark.parametrize("action", ["GetClients", "GetPaymentMethods", "GetServers", "GetSupportStatuses", "GetOrders"])
def test_any_list_action_can_be_read_whole(action: str) -> None:
    answer = reply(action) if action != "GetOrders" else b'{"result":"success","totalresults":0,"orders":""}'
    listing = asked(answer).listing(action)
    rows = [row for page in listing for row in page]
    assert listing.end.complete
    assert bool(rows) is (action != "GetOrders")


def test_an_action_that_gives_no_list_has_no_pages() -> None:
    with pytest.raises(ValueError, match="GetStats"):
        asked(OK).listing("GetStats")


def test_a_list_of_unknown_fields_needs_its_ids() -> None:
    with pytest.raises(WhmcsError, match="id: expected a number"):
        asked({"result": "success", "totalresults": 1, "orders": {"order": [{"x": 1}]}}).listing(
            "GetOrders"
        ).everything()


# --- what is shown ------------------------------------------------------------------------------


def test_secrets_are_hidden_when_a_reply_is_shown() -> None:
    shown = redact(
        {
            "password": "p",
            "Password2": "p",
            "servicepassword": "p",
            "serveraccesshash": "p",
            "c": "AbCd",
            "cardnum": "4111",
            "transfersecret": "p",
            "access_token": "p",
            "username": "demo",
            "products": {"product": [{"password": "p", "domain": "example.com"}]},
            "empty": {"password": ""},
        }
    )
    assert "'p'" not in repr(shown)
    assert "4111" not in repr(shown)
    assert "AbCd" not in repr(shown)
    assert shown["username"] == "demo"
    assert shown["products"] == {"product": [{"password": "[hidden]", "domain": "example.com"}]}
    assert shown["empty"] == {"password": ""}


@pytest.mark.parametrize(("setting", "value"), [("SMTPPassword", "[hidden]"), ("SystemURL", "v")])
def test_the_name_of_a_setting_tells_whether_its_value_is_secret(setting: str, value: str) -> None:
    assert redact({"setting": setting, "value": "v"}) == {"setting": setting, "value": value}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x.example.com/sso.php?access_token=abc", "https://x.example.com/sso.php?access_token=[hidden]"),
        ('<a href="https://x/viewticket.php?tid=5&c=AbCd">', '<a href="https://x/viewticket.php?tid=5&c=[hidden]">'),
        ("https://x.example.com/?pid=5&cc=1", "https://x.example.com/?pid=5&cc=1"),
    ],
)
def test_links_are_shown_without_what_opens_them(address: str, shown: str) -> None:
    """CreateSsoToken gives its token twice: once as a field, once in the link."""
    assert redact({"redirect_url": address}) == {"redirect_url": shown}


def test_redacting_changes_nothing_in_the_reply_itself() -> None:
    answer = {"a": [{"password": "p"}]}
    redact(answer)
    assert answer == {"a": [{"password": "p"}]}
