"""What WHMCS tells: the plain variables, once, and nothing else."""

from datetime import datetime

from tests.needs import needs
from tests.php.calls import OWING, SERVICE, SUSPEND
from tests.php.receiver import Receiver
from tests.php.test_spool import bad
from tests.php.whmcs import CLIENT_PAGE, Whmcs

pytestmark = needs("php")


def test_a_tell_is_told_once_with_its_plain_variables(over_http: Whmcs, receiver: Receiver) -> None:
    page = over_http.page(
        ("TicketOpen", {"ticketid": 5, "userid": 3, "subject": "help", "message": "my password is x", "deptid": 2}),
        script=CLIENT_PAGE,
        session={"uid": "3"},
    )
    assert page.answer is None
    (event,) = receiver.events()
    assert event["vars"] == {"ticketid": "5", "userid": "3", "deptid": "2"}
    assert set(event) == {"v", "id", "point", "at", "actor", "who", "vars", "facts"}
    assert datetime.fromisoformat(event["at"]).tzinfo is not None
    assert event["facts"] == {}
    assert page.seen["local"] == []


def test_every_event_has_an_id_of_its_own(whmcs: Whmcs, receiver: Receiver) -> None:
    paid = ("InvoicePaid", {"invoiceid": 99})
    whmcs.page(paid, paid)
    one, other = receiver.heard
    assert one.event["id"] != other.event["id"]
    assert one.nonce != other.nonce
    assert len(one.nonce) == len(one.event["id"]) == 32


def test_a_change_of_group_tells_the_old_one_as_well(whmcs: Whmcs, receiver: Receiver) -> None:
    edited = {
        "userid": 3,
        "groupid": 1,
        "email": "jo@example.com",
        "olddata": {"groupid": 0, "email": "old@example.com"},
    }
    whmcs.page(("ClientEdit", edited))
    assert receiver.events()[0]["vars"] == {"userid": "3", "groupid": "1", "olddata": {"groupid": "0"}}


def test_a_login_tells_whose(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.page(("UserLogin", {}), session={"uid": "3"}, script=CLIENT_PAGE)
    assert receiver.events()[0]["vars"] == {"userid": "3"}


def test_a_client_that_is_about_to_be_deleted_leaves_its_accounts(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.page(("PreDeleteClient", {"userid": 3}), local=OWING)
    (event,) = receiver.events()
    assert event["facts"]["services"][0]["username"] == "jo"
    assert event["facts"]["client"] == "3"


def test_a_tell_that_the_bridge_does_not_know_is_not_kept_for_ever(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["InvoicePaid"] = (404, {"error": "unknown hook"})
    first = whmcs.page(("InvoicePaid", {"invoiceid": 99}))
    again = whmcs.page(("InvoicePaid", {"invoiceid": 99}))
    assert whmcs.spool == []
    assert len(bad(whmcs)) == 2
    assert "the bridge never takes 1 of the events told" in first.log
    assert again.log == ""


def test_without_a_spool_it_is_said_that_an_event_is_lost(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.set(spool="")
    receiver.answers["InvoicePaid"] = (404, {"error": "unknown hook"})
    assert "never takes InvoicePaid: it says 404" in whmcs.page(("InvoicePaid", {"invoiceid": 99})).log


def test_names_that_are_no_utf8_are_told_all_the_same(whmcs: Whmcs, receiver: Receiver) -> None:
    odd = {**SERVICE, "username": "café"}
    local = {**OWING, "GetClientsProducts": {**OWING["GetClientsProducts"], "products": {"product": [odd]}}}
    whmcs.page(SUSPEND, local=local, latin1=True)
    assert receiver.events()[0]["facts"]["service"]["username"] == "caf\N{REPLACEMENT CHARACTER}"


def test_of_custom_fields_only_those_that_hold_ids_leave(whmcs: Whmcs, receiver: Receiver) -> None:
    fields = {"VMID|Machine": "104", "vm id": 105, "Root password": "field-Passw0rd", "vmids": "1", "x": ["104"]}
    params = {"serviceid": 34, "userid": 3, "customfields": fields}
    ended = ("AfterModuleTerminate", {"params": params})
    whmcs.set(id_fields=["vmid", "VM ID"])
    whmcs.page(ended)
    whmcs.set(id_fields=[])
    whmcs.page(ended)
    one, other = (event["vars"]["params"] for event in receiver.events())
    assert one["customfields"] == {"VMID|Machine": "104", "vm id": "105"}
    assert "customfields" not in other


def test_services_are_told_with_the_ids_in_their_custom_fields(whmcs: Whmcs, receiver: Receiver) -> None:
    fields = [{"id": 1, "name": "vmid", "value": "104"}, {"id": 2, "name": "Senha", "value": "secret"}]
    service = {**SERVICE, "customfields": {"customfield": fields}}
    local = {
        **OWING,
        "GetClientsProducts": {"result": "success", "totalresults": 1, "products": {"product": [service]}},
    }
    whmcs.set(id_fields=["VMID"])
    whmcs.page(("ClientClose", {"userid": 3}), local=local)
    ((told,),) = (event["facts"]["services"] for event in receiver.events())
    assert told["customfields"] == {"customfield": [{"name": "vmid", "value": "104"}]}
