"""Trouble on demand: how each kind looks, whether its effect takes place, and which calls it hits."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from tests.simulator.calls import a_front, ask, reply_of
from tests.simulator.worlds import a_client, a_service, a_world
from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.faults import AFTER, Fault, Faults, Kind, faults_from, load_faults
from whmcs_bridge.simulator.state import World


def a_book(clients: int = 6) -> World:
    world = a_world()
    for _ in range(clients):
        a_service(world, a_client(world))
    return world


def a_session(world: World, *faults: Fault) -> tuple[requests.Session, SimulatorAdapter]:
    adapter = SimulatorAdapter(world, Faults(faults))
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter)
    return session, adapter


def post(session: requests.Session, world: World, action: str, **params: Any) -> requests.Response:
    known = world.credentials
    form = {"identifier": known.identifier, "secret": known.secret, "action": action, **params}
    return session.post("https://billing.example.com/includes/api.php", data=form, timeout=(5, 60))


TRANSPORT = [
    (Kind.CONNECTION_REFUSED, requests.ConnectionError, False),
    (Kind.CONNECT_TIMEOUT, requests.ConnectTimeout, False),
    (Kind.TIMEOUT_BEFORE, requests.ReadTimeout, False),
    (Kind.TIMEOUT_AFTER, requests.ReadTimeout, True),
    (Kind.RESET_BEFORE, requests.ConnectionError, False),
    (Kind.RESET_AFTER_SEND, requests.ConnectionError, True),
    (Kind.INCOMPLETE_READ, requests.exceptions.ChunkedEncodingError, True),
]


@pytest.mark.parametrize(("kind", "error", "happened"), TRANSPORT)
def test_a_broken_line_raises_what_requests_raises(kind: Kind, error: type[Exception], happened: bool) -> None:
    """And the suspension took place exactly where the kind says so."""
    world = a_book(1)
    session, _ = a_session(world, Fault("Module*", kind))
    with pytest.raises(error):
        post(session, world, "ModuleSuspend", serviceid=1)
    assert (world.services[1].status == "Suspended") is happened


def inner(error: BaseException) -> object:
    """The urllib3 error inside, as the real adapter wraps it."""
    wrapped = error.args[0]
    return getattr(wrapped, "reason", wrapped)


def test_a_refused_connection_is_told_from_a_dropped_one_by_the_error_inside() -> None:
    world = a_book(1)
    session, _ = a_session(world, Fault("*", Kind.CONNECTION_REFUSED), Fault("*", Kind.RESET_AFTER_SEND))
    with pytest.raises(requests.ConnectionError) as refused:
        post(session, world, "GetClients")
    with pytest.raises(requests.ConnectionError) as dropped:
        post(session, world, "GetClients")
    assert isinstance(inner(refused.value), NewConnectionError)
    assert isinstance(inner(dropped.value), ProtocolError)


PAGES = [
    (Kind.HTTP_403, 403),
    (Kind.HTTP_429, 429),
    (Kind.HTTP_500, 500),
    (Kind.HTTP_502, 502),
    (Kind.HTTP_503, 503),
    (Kind.WAF, 403),
    (Kind.MAINTENANCE, 503),
    (Kind.HTML_200, 200),
]


@pytest.mark.parametrize(("kind", "status"), PAGES)
def test_pages_are_html_and_nothing_happened(kind: Kind, status: int) -> None:
    front = a_front(a_book(1), Fault("ModuleSuspend", kind))
    answer = ask(front, "ModuleSuspend", serviceid=1)
    assert (answer.status, answer.body[:9]) == (status, b"<!DOCTYPE")
    assert front.world.services[1].status == "Active"


def test_an_effect_can_take_place_behind_a_gateway_error() -> None:
    front = a_front(a_book(1), Fault("ModuleSuspend", Kind.HTTP_502, effect=True))
    assert ask(front, "ModuleSuspend", serviceid=1).status == 502
    assert front.world.services[1].status == "Suspended"


def test_a_late_refusal_can_be_without_effect() -> None:
    front = a_front(a_book(1), Fault("ModuleSuspend", Kind.TRUNCATED, effect=False))
    ask(front, "ModuleSuspend", serviceid=1)
    assert front.world.services[1].status == "Active"


def test_a_truncated_body_is_no_json() -> None:
    answer = ask(a_front(a_book(), Fault("*", Kind.TRUNCATED)), "GetClients")
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.body)


def test_an_empty_body_is_empty() -> None:
    assert ask(a_front(a_book(), Fault("*", Kind.EMPTY_BODY)), "GetClients").body == b""


@pytest.mark.parametrize("kind", [Kind.JUNK_BEFORE_JSON, Kind.BOM])
def test_junk_stands_before_a_whole_reply(kind: Kind) -> None:
    body = ask(a_front(a_book(), Fault("*", kind)), "GetClients").body
    assert not body.startswith(b"{")
    assert msgspec.json.decode(body[body.index(b"{") :])["totalresults"] == 6


@pytest.mark.parametrize(
    ("form", "value"),
    [("string", ""), ("list", []), ("object", {}), ("wrapper", {"client": []}), ("null", None), ("", "")],
)
def test_a_list_can_be_empty_in_every_form(form: str, value: Any) -> None:
    reply = reply_of(a_front(a_book(), Fault("GetClients", Kind.EMPTY_LIST, text=form)), "GetClients")
    assert reply["clients"] == value
    assert reply["totalresults"] == 6


def test_a_list_can_be_absent() -> None:
    front = a_front(a_book(), Fault("GetClients", Kind.EMPTY_LIST, text="absent"))
    assert "clients" not in reply_of(front, "GetClients")


def test_a_short_page_lacks_its_last_row() -> None:
    reply = reply_of(a_front(a_book(), Fault("GetClients", Kind.SHORT_PAGE)), "GetClients")
    assert len(reply["clients"]["client"]) == 5
    assert reply["totalresults"] == 6


def test_a_total_can_be_wrong_and_keeps_its_type() -> None:
    front = a_front(a_book(), Fault("*", Kind.WRONG_TOTAL, count=0, rows=3))
    assert reply_of(front, "GetClients")["totalresults"] == 9
    assert reply_of(front, "GetClientsProducts")["totalresults"] == "9"


def test_a_list_of_one_comes_as_the_one() -> None:
    front = a_front(a_book(1), Fault("GetClients", Kind.SINGLE_OBJECT))
    assert reply_of(front, "GetClients")["clients"]["client"]["id"] == 1


def test_lists_come_with_numbers_for_keys() -> None:
    front = a_front(a_book(2), Fault("GetClients", Kind.NUMERIC_KEYS))
    assert set(reply_of(front, "GetClients")["clients"]["client"]) == {"0", "1"}


@pytest.mark.parametrize("kind", [Kind.STATUS_KEY, Kind.SINGLE_OBJECT, Kind.SHORT_PAGE, Kind.WRONG_TOTAL])
@pytest.mark.parametrize(("switch", "value"), [("html_page_200", True), ("junk_before_json", "<br />")])
def test_what_is_no_json_has_no_shape_to_change(switch: str, value: object, kind: Kind) -> None:
    """Several troubles at once: a login page stays the page that it is."""
    world = a_book()
    plain = ask(a_front(world), "GetClients").status
    world.switches.set(switch, value)
    before = ask(a_front(world), "GetClients").body
    answer = ask(a_front(world, Fault("*", kind)), "GetClients")
    assert (answer.status, answer.body) == (plain, before)


def test_success_comes_under_status() -> None:
    assert reply_of(a_front(a_book(), Fault("*", Kind.STATUS_KEY)), "GetClients")["status"] == "success"


REFUSALS = [
    (Kind.DENIED, 403, 'Invalid Permissions: API action "modulesuspend" is not allowed'),
    (Kind.IP_DENIED, 403, "Invalid IP 127.0.0.1"),
    (Kind.BAD_CREDENTIALS, 403, "Authentication Failed"),
    (Kind.ADMIN_DISABLED, 403, "Administrator Account Disabled"),
    (Kind.ADMIN_REQUIRED, 200, "An admin user is required"),
    (Kind.ERROR, 200, "An error occurred"),
]


@pytest.mark.parametrize(("kind", "status", "message"), REFUSALS)
def test_refusals_carry_whmcs_own_texts_and_nothing_happened(kind: Kind, status: int, message: str) -> None:
    front = a_front(a_book(1), Fault("ModuleSuspend", kind))
    answer = ask(front, "ModuleSuspend", serviceid=1)
    assert (answer.status, msgspec.json.decode(answer.body)["message"]) == (status, message)
    assert front.world.services[1].status == "Active"


def test_a_refusal_can_come_as_name_and_value_text() -> None:
    answer = ask(a_front(a_book(), Fault("*", Kind.NVP)), "GetClients")
    assert (answer.status, answer.body[:13]) == (403, b"result=error;")


def test_a_warning_says_success_although_nothing_happened() -> None:
    """Facts sheet E16."""
    front = a_front(a_book(1), Fault("ModuleSuspend", Kind.WARNING))
    reply = reply_of(front, "ModuleSuspend", serviceid=1)
    assert reply["result"] == "success"
    assert "warning" in reply
    assert front.world.services[1].status == "Active"


def test_latency_is_told_not_slept() -> None:
    answer = ask(a_front(a_book(), Fault("*", Kind.LATENCY, seconds=9)), "GetClients")
    assert (answer.delay, msgspec.json.decode(answer.body)["totalresults"]) == (9, 6)


def test_latency_beyond_the_read_timeout_raises_and_the_effect_took_place() -> None:
    world = a_book(1)
    session, _ = a_session(world, Fault("*", Kind.LATENCY, seconds=61))
    with pytest.raises(requests.ReadTimeout):
        post(session, world, "ModuleSuspend", serviceid=1)
    assert world.services[1].status == "Suspended"


def test_module_latency_counts_against_the_timeout_as_well() -> None:
    world = a_book(1)
    world.switches.module_latency = 61
    session, _ = a_session(world)
    with pytest.raises(requests.ReadTimeout):
        post(session, world, "ModuleSuspend", serviceid=1)
    assert world.services[1].status == "Suspended"


# --- which calls are hit ------------------------------------------------------------------------


def hits(faults: Faults, actions: list[str]) -> list[int]:
    return [number for number, action in enumerate(actions, start=1) if faults.strike(action)]


def test_a_glob_chooses_the_action_whatever_the_case() -> None:
    faults = Faults([Fault("module*", count=0)])
    assert hits(faults, ["GetClients", "ModuleSuspend", "MODULECREATE"]) == [2, 3]


def test_nth_counts_matching_calls_only() -> None:
    faults = Faults([Fault("GetInvoices", nth=2)])
    assert hits(faults, ["GetInvoices", "GetClients", "GetInvoices", "GetInvoices"]) == [3]


def test_count_limits_and_zero_does_not() -> None:
    assert hits(Faults([Fault(count=2)]), ["A"] * 4) == [1, 2]
    assert hits(Faults([Fault(count=0)]), ["A"] * 4) == [1, 2, 3, 4]


def test_equal_seeds_give_equal_trouble_and_others_do_not() -> None:
    def run(seed: int) -> list[int]:
        return hits(Faults([Fault(probability=0.3, count=0)], seed), ["A"] * 200)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 30 < len(run(1)) < 90


def test_the_first_rule_that_fires_wins() -> None:
    faults = Faults([Fault("B"), Fault("*", Kind.WAF)])
    struck = faults.strike("A")
    assert struck is not None
    assert struck.kind is Kind.WAF


# --- rows that move between pages -----------------------------------------------------------------


def page(front: Any, start: int, size: int = 3) -> tuple[list[int], int]:
    reply = reply_of(front, "GetClients", orderby="id", limitstart=start, limitnum=size)
    return [row["id"] for row in reply["clients"]["client"]], reply["totalresults"]


def test_a_removed_row_makes_the_next_page_skip_one() -> None:
    front = a_front(a_book(), Fault("GetClients", Kind.ROW_REMOVED, nth=2))
    assert page(front, 0) == ([1, 2, 3], 6)
    assert page(front, 3) == ([5, 6], 5)


def test_an_inserted_row_makes_the_next_page_repeat_one() -> None:
    front = a_front(a_book(), Fault("GetClients", Kind.ROW_INSERTED, nth=2))
    assert page(front, 0) == ([2, 3, 4], 5)
    assert page(front, 3) == ([4, 5, 6], 6)
    assert page(front, 0) == ([1, 2, 3], 6)


def test_a_moved_row_is_missed_although_the_total_is_right() -> None:
    front = a_front(a_book(), Fault("GetClients", Kind.ROW_MOVED, nth=2))
    assert page(front, 0) == ([1, 2, 3], 6)
    assert page(front, 3) == ([3, 4, 5], 6)
    assert page(front, 0) == ([6, 1, 2], 6)


def test_shifts_keep_totals_that_are_text() -> None:
    front = a_front(a_book(), Fault("GetClientsProducts", Kind.ROW_REMOVED))
    reply = reply_of(front, "GetClientsProducts", limitnum=2)
    assert (reply["totalresults"], reply["numreturned"]) == ("5", 2)


# --- from a file ------------------------------------------------------------------------------


def test_faults_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"seed": 7, "faults": [{"action": "Get*", "kind": "latency", "seconds": 0.5}]}))
    faults = load_faults(file)
    assert faults.seed == 7
    assert faults.rules == [Fault("Get*", Kind.LATENCY, seconds=0.5)]


WRONG: list[tuple[Any, str]] = [
    ("text", "expected a list"),
    ([{"kind": "no_such_kind"}], "rule 1"),
    ([{}, {"actoin": "x"}], "rule 2: unknown key 'actoin'"),
    ([{"nth": "many"}], "rule 1"),
    ([{"kind": "empty_list", "text": "odd"}], "none of"),
]


@pytest.mark.parametrize(("data", "text"), WRONG)
def test_a_wrong_rule_is_named(data: Any, text: str) -> None:
    with pytest.raises(UsageProblem, match=text):
        faults_from(data)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="No such file"):
        load_faults(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageProblem, match="not JSON"):
        load_faults(tmp_path / "bad.json")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_answers_or_breaks_but_never_fails(kind: Kind) -> None:
    front = a_front(a_book(), Fault("*", kind, seconds=0.1))
    answer = ask(front, "GetClients")
    assert (kind in AFTER) == Fault(kind=kind).takes_effect
    assert answer.trouble or answer.status in (200, 403, 429, 500, 502, 503)
