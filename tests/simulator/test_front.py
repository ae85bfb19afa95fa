"""Who is let in, and every form of refusal (facts sheet section 2)."""

import hashlib
from typing import Any

import msgspec
import pytest

from tests.simulator.calls import a_front, ask, reply_of
from tests.simulator.worlds import a_client, a_world
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.front import PATH, Front


@pytest.fixture
def front() -> Front:
    world = a_world()
    a_client(world)
    return a_front(world)


def refused(front: Front, **changes: Any) -> tuple[int, str]:
    answer = ask(front, "GetClients", **changes)
    return answer.status, msgspec.json.decode(answer.body)["message"]


@pytest.mark.parametrize("action", ["GetClients", "getclients", "GETCLIENTS"])
def test_the_case_of_an_action_does_not_matter(front: Front, action: str) -> None:
    assert reply_of(front, action)["totalresults"] == 1


def test_the_pair_may_come_as_username_and_password(front: Front) -> None:
    known = front.world.credentials
    form = {"username": known.identifier, "password": known.secret, "action": "GetClients"}
    assert front.answer(Params(form)).status == 200


def test_a_blank_username_beside_the_identifier_does_no_harm(front: Front) -> None:
    assert ask(front, "GetClients", username="", password="", accesskey="").status == 200


def test_an_admin_may_sign_in_with_the_md5_of_the_password(front: Front) -> None:
    secret = hashlib.md5(b"password", usedforsecurity=False).hexdigest()
    form = {"username": "admin", "password": secret, "action": "GetClients"}
    assert front.answer(Params(form)).status == 200


def test_wrong_credentials_are_refused(front: Front) -> None:
    assert refused(front, secret="wrong") == (403, "Authentication Failed")


def test_missing_credentials_are_refused(front: Front) -> None:
    assert refused(front, identifier="", secret="") == (403, "Invalid or missing credentials")


def test_a_foreign_address_is_refused_by_name(front: Front) -> None:
    front.world.switches.ip_denied = True
    assert refused(front) == (403, "Invalid IP 127.0.0.1")


def test_the_access_key_lifts_the_address_list_only(front: Front) -> None:
    front.world.switches.ip_denied = True
    front.world.credentials.access_key = "key!"
    assert ask(front, "GetClients", accesskey="key!").status == 200
    assert refused(front, accesskey="other") == (403, "Invalid IP 127.0.0.1")
    assert refused(front, accesskey="key!", secret="wrong") == (403, "Authentication Failed")


def test_a_disabled_admin_is_refused(front: Front) -> None:
    front.world.switches.admin_disabled = True
    assert refused(front) == (403, "Administrator Account Disabled")


def test_an_action_that_the_role_lacks_is_refused_by_its_lower_case_name(front: Front) -> None:
    front.world.switches.set("role_denied_actions", ["GetClients"])
    assert refused(front) == (403, 'Invalid Permissions: API action "getclients" is not allowed')


def test_a_space_behind_an_action_is_no_part_of_its_name(front: Front) -> None:
    """whmcs-js sends "DeleteTicket "."""
    assert ask(front, "GetClients ").status == 200
    assert msgspec.json.decode(ask(front, "GetClients ").body)["result"] == "success"


def test_an_unknown_action_is_an_error(front: Front) -> None:
    answer = ask(front, "ModuleQueue")
    assert msgspec.json.decode(answer.body)["message"] == (
        'Invalid API Action: "modulequeue" is not a valid API action'
    )


def test_an_empty_action_is_a_bad_request(front: Front) -> None:
    answer = ask(front, "")
    assert (answer.status, msgspec.json.decode(answer.body)["message"]) == (400, "Empty action request")


def test_a_doubled_path_has_no_admin(front: Front) -> None:
    answer = ask(front, "GetClients", path=PATH + PATH)
    assert (answer.status, msgspec.json.decode(answer.body)["message"]) == (200, "An admin user is required")


def test_another_path_is_a_page_that_does_not_exist(front: Front) -> None:
    answer = ask(front, "GetClients", path="/index.php")
    assert (answer.status, answer.body[:9]) == (404, b"<!DOCTYPE")


def test_parameters_count_from_the_query_string_too(front: Front) -> None:
    known = front.world.credentials
    body = f"identifier={known.identifier}&secret={known.secret}"
    assert front.answer_text(body, "action=GetClients").status == 200


def test_calls_are_counted_and_told(front: Front) -> None:
    told: list[tuple[str, Any]] = []
    front.on_call = lambda action, params: told.append((action, params["limitnum"]))
    ask(front, "GetClients", limitnum=5)
    assert front.calls == {"getclients": 1}
    assert told == [("GetClients", "5")]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("GetInvoice", "Invoice ID Not Found"),
        ("ModuleSuspend", "Service ID not found"),
        ("UpdateClientProduct", "Service ID Not Found"),
        ("UpdateClient", "Client ID Not Found"),
        ("UpdateClientAddon", "Addon ID Not Found"),
        ("GetTicket", "Ticket ID not found"),
        ("AddClientNote", "Client ID not found"),
    ],
)
def test_an_impossible_id_tells_that_the_action_is_permitted(front: Front, action: str, message: str) -> None:
    """Q16: how a client probes its role without changing anything."""
    ids = dict.fromkeys(("invoiceid", "serviceid", "clientid", "id", "ticketid", "userid"), "999999")
    assert reply_of(front, action, **ids) == {"result": "error", "message": message}
