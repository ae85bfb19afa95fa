"""What other clients' integration suites do: set up fixtures, use them, clear them away.

The order of calls and what is looked at follow what a public JavaScript client's suite asserts on a
real WHMCS 8; a form library that writes `false` and `true` as words is part of it.
"""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from whmcs_bridge.simulator.app import Server, serve
from whmcs_bridge.simulator.state import new_world

PERSON = {
    "firstname": "John",
    "lastname": "Doe",
    "email": "john.doe@example.com",
    "address1": "Street 1",
    "city": "Town",
    "state": "State",
    "postcode": "9999-999",
    "country": "US",
    "phonenumber": "123456789",
    "password2": "123qwe",
}


class Suite:
    """A client with the fixtures that a suite makes first."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        self.client = self.ok("AddClient", **PERSON)
        self.id = self.client["clientid"]
        contact = PERSON | {"email": "contact@example.com", "clientid": self.id}
        self.contact = self.ok("AddContact", **contact)["contactid"]
        self.product = self.ok("AddProduct", name="Test product", gid="1", type="hostingaccount")["pid"]
        methods = self.ok("GetPaymentMethods")["paymentmethods"]["paymentmethod"]
        self.gateway = methods[0]["module"]
        self.order = self.ordered(**{"pid[0]": self.product, "domain[0]": "hosting.example", "priceoverride[0]": 1})
        services = self.ok("GetClientsProducts", domain="hosting.example", limitstart=0, limitnum=1)
        self.service = services["products"]["product"][0]["id"]
        self.department = self.ok("GetSupportDepartments")["departments"]["department"][0]["id"]

    def ask(self, action: str, **params: Any) -> Any:
        known = self.server.front.world.credentials
        words = {key: str(value).lower() if isinstance(value, bool) else value for key, value in params.items()}
        form = {"action": action, "username": "", "password": "", "identifier": known.identifier}
        form |= {"secret": known.secret, "accesskey": "", "responsetype": "json"}
        url = f"{self.server.url}includes/api.php"
        return self.session.post(url, data={**form, **words}, timeout=5).json()

    def ok(self, action: str, **params: Any) -> Any:
        reply = self.ask(action, **params)
        assert reply.get("result", reply.get("status")) == "success", (action, reply)
        return reply

    def ordered(self, **cart: Any) -> Any:
        cart |= {"billingcycle[0]": "monthly"}
        return self.ok("AddOrder", clientid=self.id, paymentmethod=self.gateway, **cart)["orderid"]

    def domain_ordered(self) -> Any:
        return self.ordered(**{"domain[0]": "domain.example", "domaintype[0]": "register", "regperiod[0]": 1})


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    with serve(new_world()) as server:
        made = Suite(server)
        yield made
        made.ok("DeleteClient", clientid=made.id, deleteusers=True, deletetransactions=True)
        world = server.front.world
        left = (world.clients, world.services, world.invoices, world.users, world.tickets)
        assert [len(table) for table in left] == [0, 0, 0, 0, 0]


def test_a_client_and_a_contact_come_and_go(suite: Suite) -> None:
    made = suite.ok("AddClient", **PERSON | {"email": "second@example.com"})
    assert made["owner_id"] is not None
    contact = suite.ok("AddContact", clientid=made["clientid"], firstname="Ground", email="g@example.com")
    suite.ok("DeleteContact", contactid=contact["contactid"])
    suite.ok("CloseClient", clientid=made["clientid"])
    suite.ok("DeleteClient", clientid=made["clientid"], deleteusers=True)
    assert suite.ask("GetClientsDetails", clientid=made["clientid"])["message"] == "Client Not Found"


def test_the_same_address_cannot_be_taken_twice(suite: Suite) -> None:
    assert suite.ask("AddClient", **PERSON)["message"] == "A user already exists with that email address"


def test_a_client_is_found_by_address(suite: Suite) -> None:
    found = suite.ok("GetClients", search=PERSON["email"])
    assert (found["numreturned"], len(found["clients"]["client"])) == (1, 1)
    users = suite.ok("GetUsers", search=PERSON["email"])
    assert (users["numreturned"], len(users["users"])) == (1, 1)


def test_updates_echo_the_id_as_text(suite: Suite) -> None:
    assert suite.ok("UpdateClient", clientid=suite.id, lastname="updated")["clientid"] == str(suite.id)
    assert suite.ok("UpdateContact", contactid=suite.contact, lastname="new")["contactid"] == str(suite.contact)


def test_a_password_is_given_out_as_a_hash_and_a_login_checked(suite: Suite) -> None:
    assert isinstance(suite.ok("GetClientPassword", userid=suite.id)["password"], str)
    suite.ok("ValidateLogin", email=PERSON["email"], password2=PERSON["password2"])
    assert suite.ask("ValidateLogin", email=PERSON["email"], password2="no")["message"] == "Email or Password Invalid"
    suite.ok("ResetPassword", id=suite.client["owner_id"])
    suite.ok("CreateSsoToken", client_id=suite.id)


def test_an_order_goes_through_its_states(suite: Suite) -> None:
    order = suite.domain_ordered()
    listed = suite.ok("GetOrders", id=order)["orders"]["order"]
    assert [row["id"] == order for row in listed] == [True]
    suite.ok("FraudOrder", orderid=order)
    suite.ok("OrderFraudCheck", orderid=order)
    suite.ok("PendingOrder", orderid=order)
    suite.ok("CancelOrder", orderid=order)
    suite.ok("DeleteOrder", orderid=order)
    suite.ok("AcceptOrder", orderid=suite.domain_ordered())
    assert suite.ask("DeleteOrder", orderid=suite.order)["message"].startswith("The order status must be in")
    assert isinstance(suite.ok("GetOrderStatuses")["statuses"]["status"], list)
    assert isinstance(suite.ok("GetPromotions")["promotions"]["promotion"], list)


def test_a_product_is_read_back(suite: Suite) -> None:
    product = suite.ok("GetProducts", pid=suite.product)["products"]["product"]
    assert [row["pid"] == suite.product for row in product] == [True]
    assert suite.ask("AddProduct", name="x", gid="99")["message"] == "You must supply a valid Product Group ID"


@pytest.mark.parametrize(
    "action", ["ModuleCreate", "ModuleSuspend", "ModuleUnsuspend", "ModuleChangePackage", "ModuleChangePw"]
)
def test_a_service_without_a_module_says_so(suite: Suite, action: str) -> None:
    assert suite.ask(action, serviceid=suite.service)["message"] == "Service not assigned to a module"


def test_an_upgrade_is_calculated(suite: Suite) -> None:
    reply = suite.ok(
        "UpgradeProduct",
        serviceid=suite.service,
        type="product",
        calconly=True,
        newproductid=suite.product,
        newproductbillingcycle="monthly",
    )
    assert reply["newproductname"] == "Test product"


def test_an_invoice_is_made_changed_and_partly_paid(suite: Suite) -> None:
    made = suite.ok("CreateInvoice", userid=suite.id, itemdescription0="test", itemamount0=1, autoapplycredit=False)
    invoice = made["invoiceid"]
    assert isinstance(invoice, int)
    lines = {"itemdescription[0]": "updated", "itemamount[0]": 1, "itemtaxed[0]": False}
    assert suite.ok("UpdateInvoice", invoiceid=invoice, **lines)["invoiceid"] == invoice
    assert len(suite.ok("GetInvoice", invoiceid=invoice)["items"]["item"]) == 1
    suite.ok("AddInvoicePayment", invoiceid=invoice, transid=1234, amount=0.01, gateway="paypal")
    assert suite.ok("GetInvoice", invoiceid=invoice)["balance"] == "0.99"
    refused = suite.ask("ApplyCredit", invoiceid=invoice, amount=0.01, noemail=True)
    assert refused["message"] == "Amount exceeds customer credit balance"
    assert suite.ask("CapturePayment", invoiceid=invoice)["message"] == "Payment Attempt Failed"


def test_a_quote_becomes_an_invoice(suite: Suite) -> None:
    items = b'a:1:{i:0;a:3:{s:4:"desc";s:1:"x";s:3:"qty";i:2;s:2:"up";s:5:"10.00";}}'
    quote = suite.ok(
        "CreateQuote",
        subject="test quote",
        stage="Draft",
        validuntil="01-01-2099",
        userid=suite.id,
        lineitems=base64.b64encode(items).decode(),
    )["quoteid"]
    suite.ok("UpdateQuote", quoteid=quote, subject="updated")
    shown = suite.ok("GetQuotes", quoteid=quote)["quotes"]["quote"]
    assert [(row["subject"], row["total"], row["validuntil"]) for row in shown] == [("updated", "20.00", "2099-01-01")]
    invoice = suite.ok("AcceptQuote", quoteid=quote)["invoiceid"]
    assert suite.ok("GetInvoice", invoiceid=invoice)["total"] == "20.00"
    suite.ok("SendQuote", quoteid=quote)
    suite.ok("DeleteQuote", quoteid=quote)


def test_a_pay_method_is_kept_without_its_number(suite: Suite) -> None:
    made = suite.ok("AddPayMethod", clientid=suite.id, type="BankAccount", bank_code="1234", bank_account="999999999")
    ids = {"clientid": suite.id, "paymethodid": made["paymethodid"]}
    listed = suite.ok("GetPayMethods", **ids)["paymethods"]
    assert len(listed) == 1
    assert "999999999" not in str(listed)
    suite.ok("UpdatePayMethod", **ids)
    suite.ok("DeletePayMethod", **ids)


def test_credit_and_transactions_are_booked(suite: Suite) -> None:
    assert suite.ok("AddCredit", clientid=suite.id, description="test", amount=1)["newbalance"] == "1.00"
    assert isinstance(suite.ok("GetCredits", clientid=suite.id)["credits"]["credit"], list)
    suite.ok("AddCredit", clientid=suite.id, description="back", amount=1, type="remove")
    suite.ok("AddTransaction", paymentmethod=suite.gateway, userid=suite.id)
    row = suite.ok("GetTransactions", clientid=suite.id)["transactions"]["transaction"][0]["id"]
    assert suite.ok("UpdateTransaction", transactionid=row, description="new")["transactionid"] == row


def test_a_billable_item_and_invoice_generation(suite: Suite) -> None:
    assert suite.ok("AddBillableItem", clientid=suite.id, description="x", amount="10.00", unit="quantity")[
        "billableid"
    ]
    assert suite.ok("GenInvoices", clientid=suite.id)["numcreated"] is not None


def test_a_ticket_is_answered_merged_and_deleted(suite: Suite) -> None:
    opening = {"deptid": suite.department, "clientid": suite.id, "subject": "s", "message": "m"}
    ticket = suite.ok("OpenTicket", **opening)["id"]
    suite.ok("AddTicketNote", ticketid=ticket, message="note")
    suite.ok("AddTicketReply", ticketid=ticket, clientid=suite.id, message="reply")
    assert suite.ok("UpdateTicket", ticketid=ticket, subject="new")["ticketid"] == ticket
    other = suite.ok("OpenTicket", **opening)["id"]
    assert suite.ok("MergeTicket", ticketid=ticket, mergeticketids=other)["ticketid"] == ticket
    assert suite.ask("BlockTicketSender", ticketid=ticket)["message"] == "A Client Cannot Be Blocked"
    shown = suite.ok("GetTicket", ticketid=ticket)
    assert shown["id"] == ticket
    assert len(shown["replies"]["reply"]) == 3
    reply, note = shown["replies"]["reply"][1]["replyid"], shown["notes"]["note"][0]["noteid"]
    suite.ok("UpdateTicketReply", replyid=reply, message="updated")
    suite.ok("DeleteTicketReply", ticketid=ticket, replyid=reply)
    suite.ok("DeleteTicketNote", noteid=note)
    assert suite.ok("GetTicketNotes", ticketid=ticket)["notes"]["note"] == []
    assert suite.ok("GetTickets", clientid=suite.id, ignore_dept_assignments=True)["tickets"]["ticket"]
    assert suite.ask("GetTicketAttachment", relatedid=ticket, type="ticket", index=0)["message"] == (
        "No Attachments Found"
    )
    suite.ok("DeleteTicket", ticketid=ticket)


def test_a_domain_is_registered_and_steered(suite: Suite) -> None:
    prices = {f"{kind}[1]": 15 for kind in ("register", "transfer", "renew")}
    tld = suite.ok("CreateOrUpdateTLD", extension=".example", currency_code="USD", **prices)
    assert tld["extension"] == ".example"
    pricing = suite.ok("GetTLDPricing", clientid=suite.id)["pricing"]
    assert pricing["example"]["register"]["1"] == "15.00"
    suite.domain_ordered()
    listed = suite.ok("GetClientsDomains", domain="domain.example", limitstart=0, limitnum=1)
    domain = listed["domains"]["domain"][0]["id"]
    assert isinstance(suite.ok("DomainGetLockingStatus", domainid=domain)["lockstatus"], str)
    assert suite.ok("DomainGetNameservers", domainid=domain)["ns1"]
    for action in ("Register", "Renew", "RequestEPP", "ToggleIdProtect", "Transfer", "UpdateLockingStatus"):
        suite.ok(f"Domain{action}", domainid=domain)
    suite.ok("DomainUpdateNameservers", domainid=domain, ns1="ns1.example", ns2="ns2.example")
    assert suite.ask("DomainUpdateWhoisInfo", domainid=domain)["message"] == "XML Required"
    assert suite.ask("DomainWhois", domainid=domain)["message"] == "No response from API command"
    assert suite.ok("DomainWhois", domain="domain.example")["status"] == "unavailable"
    assert suite.ok("UpdateClientDomain", domainid=domain, idprotection=False)["domainid"] == int(domain)


def test_logins_are_invited_and_permitted(suite: Suite) -> None:
    suite.ok("CreateClientInvite", client_id=suite.id, email="friend@example.com", permissions="products,domains")
    assert suite.ask("GetPermissionsList")["permissions"]["permission"]
    suite.ok("GetUserPermissions", user_id=suite.client["owner_id"], client_id=suite.id)
    suite.ok("UpdateUser", user_id=suite.client["owner_id"], lastname="updated lastname")


def test_an_oauth_credential_comes_and_goes(suite: Suite) -> None:
    made = suite.ok("CreateOAuthCredential", grantType="authorization_code", scope="clientarea:sso", name="x")
    number = made["credentialId"]
    suite.ok("UpdateOAuthCredential", credentialId=number, scope="clientarea:billing_info")
    assert number in [row["credentialId"] for row in suite.ok("ListOAuthCredentials")["clients"]]
    suite.ok("DeleteOAuthCredential", credentialId=number)


def test_an_affiliate_is_activated(suite: Suite) -> None:
    suite.ok("AffiliateActivate", userid=suite.id)
    rows = suite.ok("GetAffiliates", userid=suite.id)["affiliates"]["affiliate"]
    assert [row["clientid"] for row in rows] == [str(suite.id)]


def test_a_project_has_tasks_messages_and_timers(suite: Suite) -> None:
    project = suite.ok("CreateProject", title="demo", adminid=1)["projectid"]
    assert suite.ok("GetProjects", limitnum=1)["projects"]
    assert suite.ok("UpdateProject", projectid=project, title="new")["message"] == "Project Has Been Updated"
    said = suite.ok("AddProjectMessage", projectid=project, message="hello")
    assert said["message"] == "Message has been added"
    added = suite.ok("AddProjectTask", projectid=project, duedate="1969-07-11", task="leave")
    assert added["message"] == "Task has been added"
    shown = suite.ok("GetProject", projectid=project)
    assert shown["projectinfo"]["title"] == "new"
    assert [row["message"] for row in shown["messages"]["message"]] == ["hello"]
    task = shown["tasks"]["task"][0]["id"]
    suite.ok("UpdateProjectTask", taskid=task, task="step")
    suite.ok("StartTaskTimer", projectid=project, taskid=task)
    timer = suite.ok("GetProject", projectid=project)["tasks"]["task"][0]["timelogs"]["timelog"][0]["id"]
    assert suite.ok("EndTaskTimer", projectid=project, timerid=timer)["message"] == "Timer Has Ended"
    assert suite.ok("DeleteProjectTask", projectid=project, taskid=task)["message"] == "Task has been deleted"


def test_the_office_works(suite: Suite) -> None:
    made = suite.ok("AddAnnouncement", date="1969-07-11", title="t", announcement="a")["announcementid"]
    suite.ok("UpdateAnnouncement", announcementid=made, title="new")
    assert suite.ok("GetAnnouncements", limitnum=1)["announcements"]["announcement"][0]["title"] == "new"
    suite.ok("DeleteAnnouncement", announcementid=made)
    secret = suite.ok("EncryptPassword", password2="n2w47bVW#QABW63vVw")["password"]
    assert suite.ok("DecryptPassword", password2=secret)["password"] == "n2w47bVW#QABW63vVw"
    assert suite.ok("GetStaffOnline")["staffonline"]["staff"]
    assert isinstance(suite.ok("GetToDoItemStatuses")["todoitemstatuses"]["status"], list)
    assert "items" not in suite.ok("GetToDoItems")
    assert suite.ok("GetTicketCounts")["allActive"] is not None
    assert suite.ok("GetTicketPredefinedCats")["categories"]["category"] == []
    assert suite.ok("GetTicketPredefinedReplies")["predefinedreplies"]["predefinedreply"] == []
    calls: dict[str, dict[str, Any]] = {
        "AddBannedIp": {"ip": "192.0.2.4", "reason": "x", "days": 1},
        "UpdateAdminNotes": {"notes": "n"},
        "LogActivity": {"clientid": suite.id, "description": "log"},
        "SendAdminEmail": {"customsubject": "s", "custommessage": "m"},
        "SendEmail": {"id": suite.id, "customsubject": "s", "custommessage": "m", "customtype": "general"},
        "AddCancelRequest": {"serviceid": suite.service},
    }
    for action, params in calls.items():
        suite.ok(action, **params)


def test_modules_are_read_configured_and_switched_off(suite: Suite) -> None:
    paypal = {"moduleType": "gateway", "moduleName": "paypal"}
    assert isinstance(suite.ok("GetModuleConfigurationParameters", **paypal)["parameters"], list)
    assert suite.ask("ActivateModule", **paypal)["message"].startswith("Failed to activate:")
    suite.ok("UpdateModuleConfiguration", **paypal)
    suite.ok("DeactivateModule", newGateway="paypal", **paypal)
    assert isinstance(suite.ok("GetModuleQueue")["queue"], list)
