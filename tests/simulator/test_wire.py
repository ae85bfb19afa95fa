"""The wire switches change how a reply looks."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.calls import a_front, ask, reply_of
from tests.simulator.worlds import a_client, a_service, a_world, an_invoice, hosting
from whmcs_bridge.simulator import wire
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.switches import Switches


def a_small_front(**switches: Any) -> Front:
    world = a_world()
    client = a_client(world)
    an_invoice(world, client, hosting(a_service(world, client)))
    for name, value in switches.items():
        world.switches.set(name, value)
    return a_front(world)


def test_nothing_is_changed_without_a_switch() -> None:
    reply = {"result": "success", "id": 5}
    assert wire.shaped(Switches(), reply) is reply


def test_every_number_can_come_as_text() -> None:
    reply = reply_of(a_small_front(ids_as_strings="all"), "GetInvoices")
    assert reply["totalresults"] == "1"
    assert reply["invoices"]["invoice"][0]["id"] == "1"


def test_ids_can_all_come_as_numbers() -> None:
    reply = reply_of(a_small_front(ids_as_strings="none"), "GetClientsProducts")
    assert reply["totalresults"] == 1
    row = reply["products"]["product"][0]
    assert (row["id"], row["clientid"], row["recurringamount"]) == (1, 1, "10.00")


def test_one_action_can_send_its_ids_otherwise_than_the_rest() -> None:
    front = a_small_front(ids_as_strings_of={"GetInvoices": "all", "GetClientsProducts": "none"})
    assert reply_of(front, "GetInvoices")["totalresults"] == "1"
    assert reply_of(front, "GetClientsProducts")["totalresults"] == 1
    assert reply_of(front, "GetClients")["totalresults"] == 1


FORMS = [("string", ""), ("list", []), ("object", {}), ("null", None), ("wrapper", {"contact": []})]


@pytest.mark.parametrize(("form", "value"), FORMS)
def test_an_empty_list_comes_in_the_form_asked_for(form: str, value: Any) -> None:
    assert reply_of(a_small_front(empty_list_form=form), "GetContacts")["contacts"] == value


def test_an_empty_list_can_be_absent() -> None:
    reply = reply_of(a_small_front(empty_list_form="absent"), "GetContacts")
    assert "contacts" not in reply
    assert reply["totalresults"] == 0


def test_lists_can_come_flattened() -> None:
    reply = reply_of(a_small_front(flattened_lists=True), "GetInvoices")
    assert reply["invoices[invoice][0][id]"] == 1
    assert reply["totalresults"] == 1


def test_a_list_of_one_can_come_as_the_one() -> None:
    assert reply_of(a_small_front(single_as_object=True), "GetInvoices")["invoices"]["invoice"]["id"] == 1


def test_lists_can_come_as_objects_with_numbers_for_keys() -> None:
    reply = reply_of(a_small_front(numeric_key_objects=True), "GetInvoices")
    assert reply["invoices"]["invoice"]["0"]["id"] == 1


def test_success_can_be_told_under_status() -> None:
    reply = reply_of(a_small_front(result_key="status"), "GetInvoices")
    assert (reply["status"], "result" in reply) == ("success", False)


def test_a_status_that_says_something_else_keeps_its_name() -> None:
    """An invoice's own status is never taken for the call's."""
    reply = reply_of(a_small_front(result_key="status"), "GetInvoice", invoiceid=1)
    assert (reply["result"], reply["status"]) == ("success", "Unpaid")


def test_status_can_be_told_under_result() -> None:
    assert reply_of(a_small_front(result_key="result"), "GetPermissionsList")["result"] == "success"


def test_junk_can_stand_before_the_json() -> None:
    body = ask(a_small_front(junk_before_json="<b>Warning</b>\n"), "GetInvoices").body
    assert body.startswith(b"<b>Warning</b>\n{")
    assert msgspec.json.decode(body.partition(b"\n")[2])["result"] == "success"


def test_a_login_page_can_stand_in_for_every_reply() -> None:
    answer = ask(a_small_front(html_page_200=True), "GetInvoices")
    assert answer.status == 200
    assert answer.body.startswith(b"<!DOCTYPE")


def test_refusals_can_come_as_name_and_value_text() -> None:
    answer = ask(a_small_front(auth_error_form="nvp", ip_denied=True), "GetInvoices")
    assert (answer.status, answer.body) == (403, b"result=error;message=Invalid IP 127.0.0.1;")


def test_xml_has_the_action_and_the_data_under_one_root() -> None:
    answer = ask(a_small_front(), "GetInvoices", responsetype="xml")
    assert answer.content_type == "application/xml"
    assert b"<action>getinvoices</action>" in answer.body
    assert b"<result>success</result>" in answer.body


def test_xml_escapes_and_repairs_names() -> None:
    body = wire.encode_xml("X", {"a&b": "<1>", "1": None, "flag": True}).decode()
    assert "<a_b>&lt;1&gt;</a_b>" in body
    assert "<item_1></item_1>" in body
    assert "<flag>1</flag>" in body


TREES = st.recursive(
    st.one_of(st.integers(0, 99), st.text(max_size=5), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abid", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=80)
@given(st.dictionaries(st.text("abid", min_size=1, max_size=4), TREES, max_size=4))
def test_every_combination_of_shapes_can_be_encoded(tree: dict[str, Any]) -> None:
    switches = Switches(
        ids_as_strings="all",
        empty_list_form="string",
        flattened_lists=True,
        single_as_object=True,
        numeric_key_objects=True,
        result_key="status",
    )
    assert isinstance(msgspec.json.decode(wire.encode(switches, dict(tree))), dict)
    assert wire.encode_xml("A", tree).startswith(b"<?xml")


def test_an_unknown_switch_is_an_error() -> None:
    with pytest.raises(KeyError):
        Switches().set("no_such_switch", True)
