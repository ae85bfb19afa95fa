"""Clients, groups, services, addons, requests, settings and logs through the API."""

import base64
from datetime import date
from typing import Any

import pytest

from tests.simulator.calls import a_front, reply_of
from tests.simulator.worlds import a_client, a_service, a_world, an_addon, listen
from whmcs_bridge.simulator.actions.base import to_cents
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import Admin, Group, ProductGroup, Server


@pytest.fixture
def front() -> Front:
    world = a_world()
    world.add_group(Group(0, "VIP", exempt=True))
    client = a_client(world, lastname="One")
    an_addon(world, a_service(world, client, domain="one.example"), predefined=4)
    a_client(world, lastname="Two")
    return a_front(world)


def details(front: Front, number: int = 1) -> Any:
    return reply_of(front, "GetClientsDetails", clientid=number)["client"]


def test_a_client_is_moved_between_groups_and_the_hook_sees_both(front: Front) -> None:
    listener = listen(front.world)
    assert reply_of(front, "UpdateClient", clientid=1, groupid=1) == {"result": "success", "clientid": "1"}
    assert details(front)["groupid"] == 1
    edit = listener.variables("ClientEdit")[0]
    assert (edit["userid"], edit["groupid"], edit["olddata"]["groupid"]) == (1, 1, 0)
    assert [(event.kind, event.detail) for event in front.world.log] == [("group", "0->1")]
    reply_of(front, "UpdateClient", clientid=1, groupid=0)
    assert details(front)["groupid"] == 0


def test_only_what_is_sent_changes_and_empty_blanks(front: Front) -> None:
    reply_of(front, "UpdateClient", clientid=1, notes="careful", city="Town")
    assert (details(front)["notes"], details(front)["lastname"]) == ("careful", "One")
    reply_of(front, "UpdateClient", clientid=1, notes="")
    assert (details(front)["notes"], details(front)["city"]) == ("", "Town")


def test_an_address_belongs_to_one_client(front: Front) -> None:
    taken = reply_of(front, "UpdateClient", clientid=1, email="c1@example.com")
    assert taken["message"] == "Duplicate Email Address"
    odd = reply_of(front, "UpdateClient", clientid=1, email="nonsense")
    assert odd["message"] == "The email address entered is not valid"
    reply_of(front, "UpdateClient", clientid=1, email="new@example.com")
    assert reply_of(front, "GetClientsDetails", email="NEW@example.com")["client"]["id"] == 1
    assert reply_of(front, "GetClientsDetails", email="c0@example.com")["message"] == "Client Not Found"


def test_a_client_can_be_named_by_address(front: Front) -> None:
    reply_of(front, "UpdateClient", clientemail="c1@example.com", notes="n")
    assert details(front, 2)["notes"] == "n"


def test_details_need_an_id_or_an_address(front: Front) -> None:
    assert reply_of(front, "GetClientsDetails")["message"] == "Either clientid Or email Is Required"


def test_custom_fields_and_mail_preferences_are_stored(front: Front) -> None:
    fields = base64.b64encode(b'a:1:{i:7;s:5:"J\xc3\xbcrg";}').decode()
    preferences = {"email_preferences[support]": "0", "email_preferences[invoice]": "1"}
    reply_of(front, "UpdateClient", clientid=1, customfields=fields, latefeeoveride=1, **preferences)
    shown = details(front)
    assert shown["customfields"] == [{"id": 7, "value": "Jürg"}]
    assert shown["customfields1"] == "Jürg"
    assert (shown["email_preferences"]["support"], shown["email_preferences"]["invoice"]) == ("0", "1")
    assert shown["latefeeoveride"] is True


def test_statistics_count_what_is_overdue(front: Front) -> None:
    line = {"itemdescription1": "x", "itemamount1": "5.00"}
    reply_of(front, "CreateInvoice", userid=1, duedate="2025-03-01", **line)
    reply_of(front, "CreateInvoice", userid=1, duedate="2025-04-01", **line)
    stats = reply_of(front, "GetClientsDetails", clientid=1, stats=1)["stats"]
    assert (stats["numoverdueinvoices"], stats["numunpaidinvoices"]) == (1, 2)
    assert (stats["overdueinvoicesbalance"], stats["productsnumactive"]) == ("$5.00 USD", 1)


@pytest.mark.parametrize(("number", "shown"), [("5551234", "+1.5551234"), ("+1.5551234", "+1.5551234"), ("", "")])
def test_a_country_code_is_written_once(front: Front, number: str, shown: str) -> None:
    reply_of(front, "UpdateClient", clientid=1, phonenumber=number)
    assert details(front)["phonenumberformatted"] == shown


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "much", ""])
def test_what_is_no_amount_of_money_is_not_read_as_one(text: str) -> None:
    assert to_cents(text) is None


def test_a_note_is_added_and_never_empty(front: Front) -> None:
    assert reply_of(front, "AddClientNote", userid=1, notes="hello")["noteid"] == "1"
    assert reply_of(front, "AddClientNote", userid=1, notes="")["message"] == "Notes can not be empty"


def test_the_record_of_a_service_is_edited(front: Front) -> None:
    reply_of(
        front,
        "UpdateClientProduct",
        serviceid=1,
        overideautosuspend="on",
        overidesuspenduntil="2025-06-01",
        nextduedate="2025-05-01",
        recurringamount="12.50",
        serviceusername="user2",
        notes="n",
    )
    row = reply_of(front, "GetClientsProducts", serviceid=1)["products"]["product"][0]
    assert (row["overideautosuspend"], row["overidesuspenduntil"]) == ("1", "2025-06-01")
    assert (row["nextduedate"], row["recurringamount"], row["username"]) == ("2025-05-01", "12.50", "user2")
    reply_of(front, "UpdateClientProduct", serviceid=1, overideautosuspend="off", **{"unset[0]": "notes"})
    row = reply_of(front, "GetClientsProducts", serviceid=1)["products"]["product"][0]
    assert (row["overideautosuspend"], row["notes"], row["username"]) == ("", "", "user2")


def test_addons_are_found_and_closed_with_their_hook(front: Front) -> None:
    other = a_service(front.world, front.world.clients[2])
    an_addon(front.world, other)
    for filters, total in (
        ({"serviceid": "1"}, "1"),
        ({"serviceid": f"1,{other.id}"}, "2"),
        ({"clientid": 2}, "1"),
        ({"addonid": 4}, "1"),
        ({}, "2"),
    ):
        assert reply_of(front, "GetClientsAddons", **filters)["totalresults"] == total
    listener = listen(front.world)
    assert reply_of(front, "UpdateClientAddon", id=1, status="Terminated") == {"result": "success", "id": "1"}
    assert listener.fired == [("AddonTerminated", {"id": 1, "userid": 1, "serviceid": 1, "addonid": 4})]
    assert front.world.addons[1].terminated == date(2025, 3, 10)
    assert reply_of(front, "UpdateClientAddon", id=1)["message"] == "Nothing to Update"
    front.world.switches.bare_getclientsaddons_returns_all = False
    assert reply_of(front, "GetClientsAddons")["totalresults"] == "0"


@pytest.mark.parametrize(
    ("status", "hook"),
    [("Suspended", "AddonSuspended"), ("Cancelled", "AddonCancelled"), ("Active", None)],
)
def test_each_addon_status_has_its_hook(front: Front, status: str, hook: str | None) -> None:
    listener = listen(front.world)
    reply_of(front, "UpdateClientAddon", id=1, status=status)
    assert listener.points == ([hook] if hook else [])


def test_a_released_addon_fires_its_release(front: Front) -> None:
    reply_of(front, "UpdateClientAddon", id=1, status="Suspended")
    listener = listen(front.world)
    reply_of(front, "UpdateClientAddon", id=1, status="Active")
    assert listener.points == ["AddonUnsuspended"]


def test_a_cancellation_is_requested_once(front: Front) -> None:
    listener = listen(front.world)
    reply_of(front, "AddCancelRequest", serviceid=1, type="Immediate", reason="moving")
    assert listener.variables("CancellationRequest") == [
        {"userid": 1, "relid": 1, "reason": "moving", "type": "Immediate"}
    ]
    again = reply_of(front, "AddCancelRequest", serviceid=1)
    assert again["message"] == "Existing Cancellation Request Exists"
    listed = reply_of(front, "GetCancelledPackages")
    assert (listed["totalresults"], listed["packages"]["package"][0]["relid"]) == ("1", "1")
    assert listed["packages"]["package"][0]["type"] == "Immediate"


def test_configuration_values_are_read_by_name(front: Front) -> None:
    assert reply_of(front, "GetConfigurationValue", setting="systemurl")["value"] == "http://127.0.0.1/"
    assert reply_of(front, "GetConfigurationValue")["message"] == "Parameter setting is required"
    wrong = reply_of(front, "GetConfigurationValue", setting="NoSuchThing")
    assert wrong["message"] == "Invalid name for parameter setting"


def test_the_version_is_told_in_two_places(front: Front) -> None:
    front.world.settings["Version"] = "9.0.1-release.1"
    for action in ("WhmcsDetails", "GetAdminDetails"):
        assert reply_of(front, action)["whmcs"] == {"version": "9.0.1", "canonicalversion": "9.0.1-release.1"}


def test_the_clock_is_told_by_the_automation_log(front: Front) -> None:
    front.world.settings["lastDailyCronInvocationTime"] = "2025-03-10 09:00:00"
    reply = reply_of(front, "GetAutomationLog")
    assert reply["currentDatetime"] == "2025-03-10 12:00:00"
    assert reply["lastDailyCronInvocationTime"] == "2025-03-10 09:00:00"
    assert (reply["startdate"], reply["enddate"]) == ("2025-03-10 00:00:00", "2025-03-10 23:59:59")


def test_the_automation_log_counts_what_the_cron_did(front: Front) -> None:
    with front.world.acting("cron"):
        front.world.record("module:suspend", service=1)
    reply = reply_of(front, "GetAutomationLog")
    assert reply["statistics"] == {"2025-03-10": {"module:suspend": {"count": 1}}}


def test_the_activity_log_is_newest_first_and_searched(front: Front) -> None:
    for number in range(3):
        reply_of(front, "LogActivity", description=f"entry {number}", clientid=1 if number else 0)
    entries = reply_of(front, "GetActivityLog")["activity"]["entry"]
    assert [entry["description"] for entry in entries] == ["entry 2", "entry 1", "entry 0"]
    for filters, total in (
        ({"clientid": 1}, 2),
        ({"userid": 1}, 2),
        ({"description": "ENTRY 2"}, 1),
        ({"date": "10/03/2025"}, 3),
        ({"date": "09/03/2025"}, 0),
        ({"user": "admin"}, 3),
        ({"ipaddress": "192.0.2.1"}, 0),
    ):
        assert reply_of(front, "GetActivityLog", **filters)["totalresults"] == total
    page = reply_of(front, "GetActivityLog", limitstart=1, limitnum=1)["activity"]["entry"]
    assert [entry["description"] for entry in page] == ["entry 1"]


@pytest.mark.parametrize(
    ("form", "text"), [("DD/MM/YYYY", "10/03/2025"), ("MM/DD/YYYY", "03/10/2025"), ("YYYY-MM-DD", "2025-03-10")]
)
def test_localised_dates_follow_the_setting(front: Front, form: str, text: str) -> None:
    front.world.settings["DateFormat"] = form
    reply_of(front, "LogActivity", description="x")
    assert reply_of(front, "GetActivityLog", date=text)["totalresults"] == 1


def test_admins_are_listed_without_the_disabled(front: Front) -> None:
    front.world.admins[2] = Admin(2, "gone", email="gone@example.com", disabled=True)
    assert reply_of(front, "GetAdminUsers")["count"] == 1
    assert reply_of(front, "GetAdminUsers", include_disabled=1)["count"] == 2
    assert reply_of(front, "GetAdminUsers", include_disabled=1, email="gone")["count"] == 1


def test_products_are_found_and_priced(front: Front) -> None:
    front.world.add_product_group(ProductGroup(0, "More"))
    made = reply_of(
        front,
        "AddProduct",
        name="Big Plan",
        gid=2,
        module="plesk",
        type="server",
        **{"pricing[1][monthly]": "19.90", "pricing[1][msetupfee]": "5.00"},
    )
    found = reply_of(front, "GetProducts", module="plesk")["products"]["product"]
    assert [row["pid"] for row in found] == [made["pid"]]
    price = found[0]["pricing"]["USD"]
    assert (price["monthly"], price["msetupfee"], price["annually"]) == ("19.90", "5.00", "-1.00")
    assert found[0]["product-url"] == "http://127.0.0.1/store/more/big-plan"
    assert reply_of(front, "GetProducts", gid=2)["totalresults"] == 1
    assert reply_of(front, "GetProducts", pid="1,2")["totalresults"] == 2


def test_servers_tell_how_full_they_are(front: Front) -> None:
    front.world.add_server(Server(0, "one", module="cpanel", max_accounts=4))
    front.world.services[1].server = 1
    row = reply_of(front, "GetServers", fetchStatus=1)["servers"][0]
    assert (row["activeServices"], row["percentUsed"], row["status"]["http"]) == (1, 25, True)


def test_a_to_do_item_is_shown_and_done(front: Front) -> None:
    front.world.shelf["todo"] = {1: {"id": 1, "title": "call", "status": "New"}}
    assert reply_of(front, "GetToDoItems", status="Incomplete")["items"]["item"][0]["title"] == "call"
    reply_of(front, "UpdateToDoItem", itemid=1, status="Completed", adminid=1)
    assert "items" not in reply_of(front, "GetToDoItems", status="Incomplete")
    assert "items" not in reply_of(front, "GetToDoItems", status="Pending")
    counts = reply_of(front, "GetToDoItemStatuses")["todoitemstatuses"]["status"]
    assert [row["count"] for row in counts if row["type"] == "Completed"] == [1]


def test_a_closed_client_orders_nothing(front: Front) -> None:
    reply_of(front, "CloseClient", clientid=1)
    reply = reply_of(front, "AddOrder", clientid=1, paymentmethod="paypal", **{"pid[0]": 1})
    assert reply["message"] == "Unable to add order when client status is Closed"


def test_an_accepted_order_is_set_up_by_its_module_and_billed(front: Front) -> None:
    front.world.products[1].prices = {"USD": {"monthly": 1500}}
    cart = {"pid[0]": 1, "domain[0]": "new.example", "billingcycle[0]": "monthly"}
    order = reply_of(front, "AddOrder", clientid=1, paymentmethod="paypal", **cart)
    service = int(order["serviceids"])
    assert front.world.services[service].status == "Pending"
    invoice = reply_of(front, "GetInvoice", invoiceid=order["invoiceid"])
    assert (invoice["total"], invoice["items"]["item"][0]["relid"]) == ("15.00", service)
    listener = listen(front.world)
    reply_of(front, "AcceptOrder", orderid=order["orderid"], autosetup=1)
    assert listener.points == ["PreModuleCreate", "AfterModuleCreate", "AcceptOrder"]
    assert front.world.services[service].status == "Active"
    again = reply_of(front, "AcceptOrder", orderid=order["orderid"])
    assert again["message"] == "Order ID not found or Status not Pending"


def test_an_order_whose_module_fails_stays_pending(front: Front) -> None:
    order = reply_of(front, "AddOrder", clientid=1, paymentmethod="paypal", **{"pid[0]": 1})
    front.world.switches.module_failure_text = "no space"
    assert reply_of(front, "AcceptOrder", orderid=order["orderid"], autosetup=1)["message"] == "no space"
    assert reply_of(front, "GetOrders", id=order["orderid"])["orders"]["order"][0]["status"] == "Pending"


def test_an_empty_cart_is_refused(front: Front) -> None:
    reply = reply_of(front, "AddOrder", clientid=1, paymentmethod="paypal")
    assert reply["message"] == "No items added to cart so order cannot proceed"


def test_a_cancelled_order_takes_its_invoice_along(front: Front) -> None:
    order = reply_of(front, "AddOrder", clientid=1, paymentmethod="paypal", **{"pid[0]": 2, "priceoverride[0]": "5"})
    reply_of(front, "CancelOrder", orderid=order["orderid"])
    assert reply_of(front, "GetInvoice", invoiceid=order["invoiceid"])["status"] == "Cancelled"
    reply_of(front, "PendingOrder", orderid=order["orderid"])
    assert reply_of(front, "GetInvoice", invoiceid=order["invoiceid"])["status"] == "Unpaid"


TICKET_REFUSALS = [
    ({"clientid": 99}, "Client ID Not Found"),
    ({"clientid": 0}, "Name and email address are required if not a client"),
    ({"deptid": 9}, "Department ID not found"),
    ({"subject": ""}, "Subject is required"),
    ({"message": ""}, "Message is required"),
    ({"serviceid": 99}, "Service ID Not Found"),
    ({"created": "soon"}, "Invalid Date Format"),
    ({"created": "2030-01-01 00:00:00"}, "Ticket creation date cannot be in the future"),
    ({"priority": "Urgent"}, "Invalid Ticket Priority. Valid priorities are: Low,Medium,High"),
    ({"userid": 99}, "The system cannot find the provided user ID."),
]


@pytest.mark.parametrize(("changes", "text"), TICKET_REFUSALS)
def test_a_ticket_is_refused_in_the_documented_words(front: Front, changes: Any, text: str) -> None:
    opening = {"deptid": 1, "clientid": 1, "subject": "s", "message": "m"}
    assert reply_of(front, "OpenTicket", **opening | changes)["message"] == text


def test_a_ticket_knows_its_service_and_who_answered(front: Front) -> None:
    opening = {"deptid": 1, "clientid": 1, "subject": "s", "message": "m", "serviceid": 1}
    listener = listen(front.world)
    ticket = reply_of(front, "OpenTicket", **opening)["id"]
    reply_of(front, "AddTicketReply", ticketid=ticket, message="done", adminusername="admin")
    shown = reply_of(front, "GetTicket", ticketid=ticket)
    assert (shown["service"], shown["status"]) == ("S1", "Answered")
    assert [row["requestor_type"] for row in shown["replies"]["reply"]] == ["Owner", "Operator"]
    reply_of(front, "AddTicketReply", ticketid=ticket, message="no", clientid=1)
    assert reply_of(front, "GetTickets", status="Awaiting Reply")["totalresults"] == "1"
    assert [point for point in listener.points if point.startswith("Ticket")] == [
        "TicketOpen",
        "TicketAdminReply",
        "TicketUserReply",
    ]
    assert reply_of(front, "GetTicket", ticketnum=shown["tid"])["ticketid"] == ticket
