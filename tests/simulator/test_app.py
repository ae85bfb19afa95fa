"""The simulator over real sockets, and the calls that steer it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.simulator.worlds import a_client, a_service, a_world, an_invoice, hosting
from whmcs_bridge.simulator.app import Server, run, serve
from whmcs_bridge.simulator.state import new_world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    world = a_world(AutoSuspension="on", AutoSuspensionDays="5")
    client = a_client(world)
    service = a_service(world, client)
    an_invoice(world, client, hosting(service))
    with serve(world) as running:
        yield running


def api(server: Server, action: str, **params: Any) -> Any:
    known = server.front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": action, **params}
    return requests.post(f"{server.url}includes/api.php", data=form, timeout=5)


def control(server: Server, method: str, name: str, data: Any = None, **query: Any) -> tuple[int, Any]:
    reply = requests.request(method, f"{server.url}simulator/{name}", json=data, params=query, timeout=5)
    return reply.status_code, reply.json()


def test_an_action_is_answered_as_json(server: Server) -> None:
    reply = api(server, "GetClients")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json()["totalresults"] == 1


def test_the_system_url_is_the_address_served(server: Server) -> None:
    assert api(server, "GetConfigurationValue", setting="SystemURL").json()["value"] == server.url


def test_parameters_may_come_in_the_query_string(server: Server) -> None:
    known = server.front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret}
    url = f"{server.url}includes/api.php"
    assert requests.post(f"{url}?action=GetClients", data=form, timeout=5).json()["result"] == "success"
    got = requests.get(url, params={**form, "action": "GetClients"}, timeout=5)
    assert got.json()["result"] == "success"


def test_a_multipart_form_is_read_too(server: Server) -> None:
    known = server.front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": "GetClientsProducts", "clientid": "1"}
    files = {name: (None, value) for name, value in form.items()}
    reply = requests.post(f"{server.url}includes/api.php", files=files, timeout=5).json()
    assert reply["clientid"] == "1"


def test_xml_is_served_as_xml(server: Server) -> None:
    reply = api(server, "GetActivityLog", responsetype="xml")
    assert reply.headers["Content-Type"].startswith("application/xml")
    assert "<action>getactivitylog</action>" in reply.text


def test_a_doubled_slash_is_one(server: Server) -> None:
    known = server.front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": "GetClients"}
    reply = requests.post(f"{server.url}/includes/api.php", data=form, timeout=5, allow_redirects=False)
    assert reply.json()["result"] == "success"


def test_a_doubled_path_is_answered_like_whmcs_answers_it(server: Server) -> None:
    reply = requests.post(f"{server.url}includes/api.php/includes/api.php", data={}, timeout=5)
    assert reply.json()["message"] == "An admin user is required"


def test_a_payment_settles_the_invoice(server: Server) -> None:
    status, reply = control(server, "POST", "pay", {"invoice": 1, "amount": "4.00"})
    assert (status, reply["status"], reply["balance"]) == (200, "Unpaid", 6.0)
    assert control(server, "POST", "pay", {"invoice": 1})[1]["status"] == "Paid"


def test_time_passes_with_the_cron(server: Server) -> None:
    """The service is due on 1 May after its payment; five days later the cron suspends it."""
    status, reply = control(server, "POST", "advance", {"to": "2025-05-07"})
    assert (status, reply["clock"][:10]) == (200, "2025-05-07")
    assert [run["suspended"] for run in reply["cron"] if run["suspended"]] == [[1]]
    events = control(server, "GET", "log", kind="module:suspend")[1]["events"]
    assert [(event["service"], event["actor"]) for event in events] == [(1, "cron")]


def test_the_log_can_be_followed(server: Server) -> None:
    total = control(server, "GET", "log")[1]["total"]
    api(server, "AddClientNote", userid=1, notes="hello")
    events = control(server, "GET", "log", since=total)[1]["events"]
    assert [(event["number"], event["kind"]) for event in events] == [(total + 1, "note")]


def test_the_state_is_told_in_numbers(server: Server) -> None:
    reply = control(server, "GET", "state")[1]
    assert reply["counts"]["clients"] == 1
    assert reply["calls"]["getclients"] >= 1


def test_switches_are_read_and_set(server: Server) -> None:
    assert control(server, "GET", "switches")[1]["suspend_boundary"] == ">="
    assert control(server, "POST", "switches", {"ids_as_strings": "all"})[1]["ids_as_strings"] == "all"
    assert api(server, "GetClients").json()["totalresults"] == "1"
    control(server, "POST", "switches", {"ids_as_strings": "default"})
    assert control(server, "POST", "switches", {"nonsense": 1}) == (400, {"error": "no switch 'nonsense'"})


def test_settings_of_whmcs_are_read_and_set(server: Server) -> None:
    control(server, "POST", "settings", {"CompanyName": "Example Ltd"})
    assert api(server, "GetConfigurationValue", setting="CompanyName").json()["value"] == "Example Ltd"


@pytest.mark.parametrize(
    ("method", "name", "data", "status"),
    [
        ("POST", "pay", {"invoice": 999}, 400),
        ("POST", "pay", {"invoice": 1, "amount": "much"}, 400),
        ("POST", "pay", {}, 400),
        ("POST", "pay", {"invoice": 1, "amount": "-5.00"}, 400),
        ("POST", "pay", {"invoice": 1, "amout": "5.00"}, 400),
        ("POST", "advance", {"dais": 3}, 400),
        ("POST", "advance", {"days": -3}, 400),
        ("POST", "advance", {"to": "2020-01-01"}, 400),
        ("POST", "advance", [1], 400),
        ("POST", "switches", ["ip_denied"], 400),
        ("POST", "switches", {"suspend_boundary": "?"}, 400),
        ("POST", "switches", {"ip_denied": "yes"}, 400),
        ("POST", "faults", {"fautls": []}, 400),
        ("POST", "advance", {"to": "someday"}, 400),
        ("POST", "faults", [{"kind": "odd"}], 400),
        ("GET", "nothing", None, 404),
        ("DELETE", "state", None, 404),
    ],
)
def test_a_wrong_control_call_says_what_is_wrong(
    server: Server, method: str, name: str, data: Any, status: int
) -> None:
    code, reply = control(server, method, name, data)
    assert code == status
    assert reply["error"]


def test_a_control_call_that_is_no_json_says_so(server: Server) -> None:
    reply = requests.post(f"{server.url}simulator/pay", data="{", timeout=5)
    assert (reply.status_code, "not JSON" in reply.json()["error"]) == (400, True)


def test_a_switch_that_is_refused_changes_no_other(server: Server) -> None:
    assert control(server, "POST", "switches", {"ip_denied": True, "ids_as_strings": "some"})[0] == 400
    assert control(server, "GET", "switches")[1]["ip_denied"] is False


def test_actions_are_taken_from_the_role_and_given_back(server: Server) -> None:
    control(server, "POST", "switches", {"role_denied_actions": ["GetStats"]})
    assert api(server, "GetStats").status_code == 403
    control(server, "POST", "switches", {"role_denied_actions": []})
    assert api(server, "GetStats").status_code == 200


def test_a_setting_that_is_a_yes_or_no_is_kept_as_whmcs_keeps_it(server: Server) -> None:
    control(server, "POST", "settings", {"MaintenanceMode": True})
    assert api(server, "GetConfigurationValue", setting="MaintenanceMode").json()["value"] == "on"
    control(server, "POST", "settings", {"MaintenanceMode": False})
    assert api(server, "GetConfigurationValue", setting="MaintenanceMode").json()["value"] == ""


BREAKS = [
    ("reset_after_send", requests.ConnectionError),
    ("connection_refused", requests.ConnectionError),
    ("incomplete_read", requests.exceptions.ChunkedEncodingError),
]


@pytest.mark.parametrize(("kind", "error"), BREAKS)
def test_faults_break_the_real_connection_and_end(server: Server, kind: str, error: type[Exception]) -> None:
    shown = control(server, "POST", "faults", {"seed": 3, "faults": [{"action": "Get*", "kind": kind}]})[1]
    assert shown["faults"][0]["kind"] == kind
    with pytest.raises(error):
        api(server, "GetClients")
    assert api(server, "GetClients").status_code == 200
    assert control(server, "GET", "faults")[1]["faults"][0]["fired"] == 1
    assert control(server, "DELETE", "faults")[1]["faults"] == []


def test_a_silent_server_is_left_by_the_read_timeout(server: Server) -> None:
    control(server, "POST", "faults", [{"kind": "timeout_before", "seconds": 2}])
    known = server.front.world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": "GetClients"}
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{server.url}includes/api.php", data=form, timeout=0.2)
    control(server, "DELETE", "faults")


def test_sleeping_requests_do_not_wait_for_one_another() -> None:
    with serve(new_world(), latency_ms=150) as server:
        began = time.monotonic()
        threads = [threading.Thread(target=api, args=(server, "GetClients")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0.15 <= time.monotonic() - began < 0.9


def test_a_server_runs_until_it_is_closed() -> None:
    told: list[str] = []

    def ready(server: Server) -> None:
        told.append(server.url)
        threading.Timer(0.05, server.close).start()

    run(new_world(), ready=ready)
    with pytest.raises(requests.ConnectionError):
        requests.get(told[0], timeout=1)


def test_a_taken_port_is_an_error() -> None:
    with serve(new_world()) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        with pytest.raises(OSError, match=r"in use"):
            serve(new_world(), port=port)
