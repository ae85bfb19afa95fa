"""Every example reply of the public API reference has the shape that the simulator answers with."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.worlds import a_client, a_service, a_world, an_addon, an_invoice, hosting
from whmcs_bridge.simulator import automation
from whmcs_bridge.simulator.panel import Panel
from whmcs_bridge.simulator.php import parse_pairs
from whmcs_bridge.simulator.records import CancelRequest, Contact, Email, Group, Order, Server
from whmcs_bridge.simulator.state import World

REPLIES = Path(__file__).parent.parent / "replies"
SAMPLES = sorted(path.stem for path in REPLIES.glob("*.json"))

MORE = {
    "AddBillableItem": {"result"},  # real installs send `result`; the reference's example `status`
    "GetTicket": {"id"},  # read by public clients, missing from the example
    "GetHealthStatus": {"checks"},  # the example shows the marker alone
}
"""Keys that we send beyond the example's."""
OPAQUE = {"statistics", "timeline_data", "pricing", "configoptions", "customfields", "allowedpermissions"}
"""Values whose inside depends on the installation."""

PARAMS: dict[str, dict[str, str]] = {
    "AddBillableItem": {"clientid": "1", "description": "Work", "amount": "5.00", "unit": "quantity"},
    "AddCancelRequest": {"serviceid": "1", "type": "Immediate"},
    "AddClientNote": {"userid": "1", "notes": "hello"},
    "AddCredit": {"clientid": "1", "description": "gift", "amount": "1.00"},
    "AddInvoicePayment": {"invoiceid": "1", "transid": "T1", "gateway": "paypal"},
    "AddTicketNote": {"ticketid": "1", "message": "note"},
    "AddTicketReply": {"ticketid": "1", "message": "reply", "adminusername": "admin"},
    "AddTransaction": {"paymentmethod": "paypal", "userid": "1", "amountin": "1.00"},
    "ApplyCredit": {"invoiceid": "1", "amount": "1.00"},
    "CreateInvoice": {"userid": "1", "itemdescription1": "x", "itemamount1": "5.00"},
    "GetClientsAddons": {"clientid": "1"},
    "GetClientsDetails": {"clientid": "1", "stats": "1"},
    "GetConfigurationValue": {"setting": "SystemURL"},
    "GetContacts": {"userid": "1"},
    "GetCredits": {"clientid": "1"},
    "GetInvoice": {"invoiceid": "1"},
    "GetStats": {"timeline_days": "3"},
    "GetTicket": {"ticketid": "1"},
    "GetTransactions": {"clientid": "1"},
    "LogActivity": {"description": "something"},
    "ModuleCustom": {"serviceid": "1", "func_name": "reboot"},
    "OpenTicket": {"deptid": "1", "clientid": "1", "subject": "s", "message": "m"},
    "SendAdminEmail": {"customsubject": "s", "custommessage": "m"},
    "SendEmail": {"messagename": "Client Signup Email", "id": "1"},
    "TriggerNotificationEvent": {"notification_identifier": "n", "title": "t", "message": "m"},
    "UpdateClient": {"clientid": "1", "notes": "n"},
    "UpdateClientAddon": {"id": "1", "notes": "n"},
    "UpdateClientProduct": {"serviceid": "1", "notes": "n"},
    "UpdateInvoice": {"invoiceid": "1", "notes": "n"},
    "UpdateTicket": {"ticketid": "1", "subject": "s"},
} | {f"Module{name}": {"serviceid": "1"} for name in ("Create", "Suspend", "Unsuspend", "Terminate", "ChangePackage")}


def a_full_world() -> World:
    """One of everything that the examples show, and two where lists are compared."""
    world = a_world()
    world.add_group(Group(0, "VIP", exempt=True))
    world.add_server(Server(0, "Saturn", "saturn.example.com", "192.0.2.1", "cpanel"))
    client = a_client(world, lastname="Example", customfields={1: "Custom Field Value"})
    world.add_contact(Contact(0, client.id, "Test", "Contact", email="contact@example.com"))
    order = world.add_order(Order(0, "456789", client.id, world.clock))
    service = a_service(world, client, order=order.id, server=1)
    an_addon(world, service)
    an_invoice(world, client, hosting(service))
    world.add_credit(client, 1000, "opening")
    paid = an_invoice(world, client, hosting(service))
    automation.record_payment(world, paid, None, "paypal", "T0")
    world.add_cancel_request(CancelRequest(0, a_service(world, client).id, world.clock))
    world.add_email(Email(0, client.id, "Welcome", "<p>hi</p>", world.clock))
    panel = Panel(world)
    file = base64.b64encode(b'[{"name": "a.txt", "data": "aGk="}]').decode()
    panel.call("OpenTicket", {**PARAMS["OpenTicket"], "attachments": file})
    panel.call("AddTicketReply", PARAMS["AddTicketReply"])
    panel.call("AddTicketNote", PARAMS["AddTicketNote"])
    return world


def sample(action: str) -> dict[str, Any]:
    """The example, nested where the reference prints flattened keys."""
    data: dict[str, Any] = json.loads((REPLIES / f"{action}.json").read_text())
    flat = {key: value for key, value in data.items() if "[" in key}
    nested = parse_pairs((key.replace(" ", ""), str(value)) for key, value in flat.items())
    return {key: value for key, value in data.items() if "[" not in key} | nested


def keys_missing(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where `found` lacks a key that `expected` has; rows are compared by their first."""
    if isinstance(expected, dict) and expected and all(key.isdigit() for key in expected):
        expected = list(expected.values())
    if isinstance(expected, list):
        if not expected or not isinstance(expected[0], dict):
            return []
        if not (isinstance(found, list) and found):
            return [f"{path}: rows expected, found {found!r}"]
        return keys_missing(expected[0], found[0], f"{path}[0]")
    if not isinstance(expected, dict):
        return []
    if not isinstance(found, dict):
        return [f"{path}: object expected, found {found!r}"]
    gaps = [f"{path}.{key}" for key in expected if key not in found]
    for key in expected:
        if key in found and key not in OPAQUE:
            gaps += keys_missing(expected[key], found[key], f"{path}.{key}")
    return gaps


def answered(action: str) -> dict[str, Any]:
    return Panel(a_full_world()).call(action, PARAMS.get(action, {}))


REFUSED = {"SetConfigurationValue": "API Command Restricted to Internal API"}
SHAPED = [action for action in SAMPLES if action not in REFUSED]


def test_there_are_examples_to_compare_with() -> None:
    assert len(SAMPLES) > 50


@pytest.mark.parametrize("action", SHAPED)
def test_a_reply_has_every_key_of_the_reference_example(action: str) -> None:
    assert keys_missing(sample(action), answered(action)) == []


@pytest.mark.parametrize("action", SHAPED)
def test_a_reply_has_no_top_level_key_that_the_example_lacks(action: str) -> None:
    """GetClientsDetails repeats the client's fields at top level (Q25)."""
    reply = answered(action)
    allowed = set(sample(action)) | MORE.get(action, set())
    if action == "GetClientsDetails":
        allowed |= set(reply["client"])
    assert set(reply) <= allowed


@pytest.mark.parametrize("action", [a for a in SHAPED if a not in {"GetAdminUsers"}])
def test_a_reply_says_success(action: str) -> None:
    reply = answered(action)
    assert reply.get("result", reply.get("status")) == "success", reply


@pytest.mark.parametrize(("action", "text"), list(REFUSED.items()))
def test_what_works_inside_whmcs_only_is_refused(action: str, text: str) -> None:
    assert answered(action) == {"result": "error", "message": text}


KINDS: list[tuple[str, Callable[[dict[str, Any]], Any], type]] = [
    ("GetClients", lambda r: r["clients"]["client"][0]["id"], int),
    ("GetClients", lambda r: r["totalresults"], int),
    ("GetClientsProducts", lambda r: r["products"]["product"][0]["id"], str),
    ("GetClientsProducts", lambda r: r["products"]["product"][0]["clientid"], str),
    ("GetClientsProducts", lambda r: r["totalresults"], str),
    ("GetClientsProducts", lambda r: r["numreturned"], int),
    ("GetInvoices", lambda r: r["invoices"]["invoice"][0]["id"], int),
    ("GetInvoice", lambda r: r["invoiceid"], int),
    ("GetInvoice", lambda r: r["items"]["item"][0]["relid"], int),
    ("CreateInvoice", lambda r: r["invoiceid"], int),
    ("GetTransactions", lambda r: r["transactions"]["transaction"][0]["id"], str),
    ("GetTransactions", lambda r: r["totalresults"], int),
    ("GetClientsAddons", lambda r: r["addons"]["addon"][0]["id"], str),
    ("GetClientGroups", lambda r: r["groups"]["group"][0]["id"], int),
    ("GetProducts", lambda r: r["products"]["product"][0]["pid"], int),
    ("GetServers", lambda r: r["servers"][0]["id"], int),
    ("GetTicket", lambda r: r["ticketid"], str),
    ("OpenTicket", lambda r: r["id"], str),
    ("UpdateClient", lambda r: r["clientid"], str),
    ("GetSupportDepartments", lambda r: r["departments"]["department"][0]["id"], str),
    ("GetClientsDetails", lambda r: r["client"]["taxexempt"], bool),
    ("ApplyCredit", lambda r: r["invoicepaid"], str),
]


@pytest.mark.parametrize(("action", "pick", "kind"), KINDS)
def test_ids_and_counts_have_the_type_that_the_action_is_known_for(
    action: str, pick: Callable[[dict[str, Any]], Any], kind: type
) -> None:
    """Facts sheet section 4: text in some actions, numbers in others."""
    assert type(pick(answered(action))) is kind


def test_an_invoice_without_payments_says_so_with_an_empty_text() -> None:
    assert answered("GetInvoice")["transactions"] == ""


def test_admin_users_come_without_a_success_marker() -> None:
    reply = answered("GetAdminUsers")
    assert "result" not in reply
    assert reply["count"] == len(reply["admin_users"])


def test_mail_of_an_unknown_client_is_refused_under_status() -> None:
    reply = Panel(a_full_world()).call("GetEmails", {"clientid": "99"})
    assert reply == {"status": "error", "message": "Client ID Not Found"}
