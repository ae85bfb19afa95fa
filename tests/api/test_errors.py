"""Every way WHMCS, or what stands in front of it, says no."""

import pytest

from tests.api.servers import Naps, Response, Scripted, an_api, asked
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.errors import (
    AccessRefused,
    ActionRefused,
    ActionUnknown,
    AddressRefused,
    BlockedByFirewall,
    CredentialsRefused,
    ModuleFailed,
    NoModule,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
    UnreadableReply,
    WhmcsError,
    WrongAddress,
)


def error(message: str, status: int = 200, key: str = "result") -> Answer:
    return Answer(status, f'{{"{key}":"error","message":"{message}"}}'.encode())


def page(status: int, title: str = "Welcome", body: str = "") -> Answer:
    return Answer(status, f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body>".encode())


FORBIDDEN_ACTION = 'Invalid Permissions: API action \\"getclients\\" is not allowed'
NO_ACTION = 'Invalid API Action: \\"xyz\\" is not a valid API action'
LOGIN = '<form action="dologin.php"><input type="password" name="password"></form>'

FORMS = [
    pytest.param("GetClientsDetails", error("Client Not Found"), NotFound, "Client Not Found", id="E1"),
    pytest.param("GetInvoice", error("invoice id not found"), NotFound, "invoice id not found", id="E1-other-case"),
    pytest.param("UpdateInvoice", error("Invalid status"), Refused, "UpdateInvoice: Invalid status", id="E1-other"),
    pytest.param("GetEmails", error("Client ID Not Found", key="status"), NotFound, "Client ID", id="E2"),
    pytest.param("GetClients", error("Authentication Failed", 403), CredentialsRefused, "identifier", id="E4"),
    pytest.param(
        "GetClients", error("Invalid or missing credentials", 403), CredentialsRefused, "secret", id="E4-other"
    ),
    pytest.param("GetClients", error("Invalid IP 192.0.2.7", 403), AddressRefused, "192.0.2.7", id="E5"),
    pytest.param("GetClients", error(FORBIDDEN_ACTION, 403), ActionRefused, "API Roles", id="E6"),
    pytest.param("Xyz", error(NO_ACTION), ActionUnknown, "Xyz", id="E7"),
    pytest.param("Xyz", error("The requested API Action could not be found", 400), ActionUnknown, "Xyz", id="E7-old"),
    pytest.param("Xyz", error("Empty action request", 400), ActionUnknown, "Xyz", id="E8"),
    pytest.param(
        "GetClients", error("Administrator Account Disabled", 403), CredentialsRefused, "administrator", id="E9"
    ),
    pytest.param("GetClients", error("Access Denied", 403), CredentialsRefused, "API Access", id="E9-denied"),
    pytest.param("GetClients", error("Something new", 403), AccessRefused, "Something new", id="E9-unheard-of"),
    pytest.param("GetClients", error("An admin user is required"), WrongAddress, "root", id="E10"),
    pytest.param(
        "GetClients",
        Answer(403, b"result=error;message=Invalid IP 192.0.2.7"),
        AddressRefused,
        "192.0.2.7",
        id="E11",
    ),
    pytest.param("GetClients", page(200, "Oops"), UnreadableReply, "'Oops'", id="E13"),
    pytest.param("GetClients", page(200, "Down for maintenance"), Unavailable, "maintenance", id="E13-maintenance"),
    pytest.param("GetClients", page(503, "Maintenance Mode"), Unavailable, "503", id="E13-maintenance-503"),
    pytest.param("GetClients", page(200, "Client Area", LOGIN), WrongAddress, "login page", id="E13-login"),
    pytest.param("GetClients", page(403, "Forbidden"), BlockedByFirewall, "firewall", id="E13-firewall"),
    pytest.param("GetClients", Answer(403, b""), BlockedByFirewall, "firewall", id="E13-firewall-empty"),
    pytest.param("GetClients", Answer(403, b'{"error":"blocked"}'), BlockedByFirewall, "firewall", id="E13-edge-json"),
    pytest.param("GetClients", page(500, "Fatal"), Unavailable, "500", id="E13-fatal"),
    pytest.param("GetClients", page(502, "Bad gateway"), Unavailable, "502", id="E14"),
    pytest.param("GetClients", Answer(429, b"slow down"), Unavailable, "429", id="too-many"),
    pytest.param("GetClients", page(404, "Not Found"), WrongAddress, "404", id="no-such-page"),
    pytest.param(
        "GetClients",
        Answer(302, b"", location="https://billing.example.com/login.php?secret=x"),
        WrongAddress,
        "https://billing.example.com/login.php:",
        id="redirect",
    ),
    pytest.param(
        "UpdateClient",
        b'{"warning":"Invalid or Missing Payment Information"}',
        Refused,
        "Payment Information",
        id="E16-without-marker",
    ),
    pytest.param("GetClients", b"", UnreadableReply, "empty body", id="empty"),
    pytest.param("GetClients", b" \n", UnreadableReply, "empty body", id="blank"),
    pytest.param("GetClients", b"[]", UnreadableReply, "text", id="bare-list"),
    pytest.param("GetClients", b"null", UnreadableReply, "text", id="null"),
    pytest.param("GetClients", b"{}", UnreadableReply, "neither", id="no-marker"),
    pytest.param("GetClients", b'{"result":"success","clients":{"cli', UnreadableReply, "broken JSON", id="half"),
    pytest.param("GetClients", b'{"result":"maybe"}', UnreadableReply, "neither", id="unheard-of-marker"),
    pytest.param("GetClients", b'{"result":"success","a":"\xff"}', UnreadableReply, "broken", id="not-utf8"),
    pytest.param("GetClients", b'{"a":' * 3000, UnreadableReply, "broken", id="bottomless"),
    pytest.param("GetClients", Answer(500, b'{"result":"success"}'), Unavailable, "claims success", id="500-success"),
    pytest.param("GetClients", error("Database trouble", 500), Unavailable, "Database trouble", id="500-error"),
    pytest.param(
        "ModuleSuspend", error("Service not assigned to a module"), NoModule, "no module", id="module-missing"
    ),
    pytest.param("ModuleSuspend", error("Service ID not found"), NotFound, "Service ID", id="module-no-service"),
    pytest.param("ModuleSuspend", error("Service ID is required"), Refused, "required", id="module-no-id"),
    pytest.param("ModuleSuspend", error("Module Not Found"), ModuleFailed, "Module Not Found", id="module-files"),
    pytest.param(
        "ModuleSuspend", error("Authentication failed"), ModuleFailed, "Authentication failed", id="module-own-login"
    ),
    pytest.param("ModuleSuspend", error("Access denied"), ModuleFailed, "Access denied", id="module-own-denial"),
    pytest.param(
        "ModuleSuspend", error("Authentication Failed", 403), CredentialsRefused, "identifier", id="module-our-login"
    ),
]


@pytest.mark.parametrize(("action", "answer", "kind", "words"), FORMS)
def test_every_refusal_becomes_its_own_error(action: str, answer: Response, kind: type[WhmcsError], words: str) -> None:
    with pytest.raises(WhmcsError) as caught:
        asked(answer).call(action)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_keeps_whmcs_own_words() -> None:
    with pytest.raises(ModuleFailed) as caught:
        asked(error("cPanel: <b>no such   account</b>")).call("ModuleSuspend", serviceid=1)
    assert caught.value.reason == "cPanel: <b>no such   account</b>"
    assert "cPanel: no such account" in str(caught.value)


JUNK = [
    pytest.param(b"\xef\xbb\xbf", id="bom"),
    pytest.param(b"\n\n ", id="blank-lines"),
    pytest.param(b"<br />\n<b>Warning</b>: Undefined variable $x in /x.php on line 3<br />\n", id="notice"),
    pytest.param(b'Array { oops } {"result"', id="notice-with-braces"),
]


@pytest.mark.parametrize("junk", JUNK)
def test_what_a_hook_prints_before_the_reply_is_cut_off(junk: bytes) -> None:
    """E12: hook files load on every request, and some print."""
    assert asked(junk + b'{"result":"success","setting":"a","value":"b"}\n').call("GetConfigurationValue") == {
        "result": "success",
        "setting": "a",
        "value": "b",
    }


def test_a_refusal_behind_junk_is_a_refusal() -> None:
    with pytest.raises(NotFound):
        asked(b'<b>Notice</b>{"result":"error","message":"Client Not Found"}').call("GetClientsDetails")


def test_success_may_stand_in_status() -> None:
    """E2."""
    assert asked(b'{"status":"success","billableid":1}').call("AddBillableItem")["billableid"] == 1


def test_the_marker_may_be_missing_where_whmcs_documents_none() -> None:
    """E3: GetAdminUsers says neither result nor status."""
    assert asked(b'{"count":1,"admin_users":[{"id":1}]}').call("GetAdminUsers")["count"] == 1
    with pytest.raises(UnreadableReply):
        asked(b'{"count":1,"admin_users":[{"id":1}]}').call("GetClients")


WRITES_UNKNOWN = [
    pytest.param(page(500, "Fatal"), id="fatal-error"),
    pytest.param(page(502, "Bad gateway"), id="proxy"),
    pytest.param(b"", id="empty"),
    pytest.param(b'{"result":"succ', id="half"),
    pytest.param(page(200, "Oops"), id="html"),
]


@pytest.mark.parametrize("answer", WRITES_UNKNOWN)
def test_a_write_whose_answer_cannot_be_read_is_unknown_and_not_repeated(answer: Response) -> None:
    """The request arrived: it may have been carried out before the reply broke (story 18)."""
    adapter = Scripted(answer)
    with pytest.raises(OutcomeUnknown, match="ModuleSuspend may have been carried out"):
        an_api(adapter).call("ModuleSuspend", serviceid=1)
    assert len(adapter.forms) == 1


def test_a_write_that_was_throttled_was_not_carried_out() -> None:
    adapter = Scripted(Answer(429, b"", retry_after="7"))
    with pytest.raises(Unavailable):
        an_api(adapter).call("ModuleSuspend", serviceid=1)
    assert len(adapter.forms) == 1


def test_a_warning_is_kept_for_the_report() -> None:
    """E15: success plus a deprecation notice is a success."""
    api = asked(b'{"result":"success","clientid":"5","warning":"Deprecated: card fields"}')
    api.set_client_group(5, 1)  # type: ignore[arg-type]
    assert api.warnings == (("UpdateClient", "Deprecated: card fields"),)


def test_success_with_a_warning_is_not_taken_for_success() -> None:
    """E16: an operation with a warning may not have taken effect."""
    api = asked(b'{"result":"success","warning":"Invalid or Missing Payment Information"}')
    with pytest.raises(OutcomeUnknown, match="Payment Information"):
        api.suspend(1, "Overdue")  # type: ignore[arg-type]


def test_reads_wait_as_long_as_the_server_asks_but_not_for_ever() -> None:
    naps = Naps()
    adapter = Scripted(
        Answer(429, b"", retry_after="7"), Answer(503, b"", retry_after="86400"), b'{"result":"success"}'
    )
    an_api(adapter, sleep=naps).call("GetStats")
    assert naps.seconds[0] >= 7
    assert naps.seconds[1] == 60


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [(page(502), 4), (page(403), 2), (b"half", 2), (error("Client Not Found"), 1), (error("Invalid IP 1", 403), 1)],
    ids=["unavailable", "firewall", "unreadable", "refused", "shut-out"],
)
def test_reads_are_repeated_as_often_as_it_can_help(answer: Response, attempts: int) -> None:
    adapter = Scripted(answer)
    with pytest.raises(WhmcsError):
        an_api(adapter).call("GetStats")
    assert len(adapter.forms) == attempts


def test_an_action_we_do_not_know_is_never_repeated() -> None:
    adapter = Scripted(page(502))
    with pytest.raises(OutcomeUnknown):
        an_api(adapter).call("DoSomethingNew")
    assert len(adapter.forms) == 1
