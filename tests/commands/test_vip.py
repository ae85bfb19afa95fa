"""`vip`: who is a member and why, pins, what happened, where WHMCS differs from the rules."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.commands.people import RULES, People, a_town_of_people
from tests.journeys.town import SETTINGS
from whmcs_bridge.simulator.records import Client, Group

VIP = """
[vip]
group = "VIP"
min_tenure_months = 18
max_late_payments = 1
"""


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    with a_town_of_people(tmp_path, monkeypatch) as town:
        town.settle(SETTINGS, mode="enforce", more=RULES + VIP)
        yield town


def a_customer(people: People, years: int = 5, **fields: object) -> Client:
    """A client of so many years with a service."""
    client = people.house.a_client(created=people.house.today - timedelta(days=366 * years), **fields)
    people.house.a_service(client, registered=people.house.today - timedelta(days=366 * years))
    return client


def group_of(people: People, client: Client) -> int:
    return people.house.world.clients[client.id].group


def line_of(people: People, client: Client) -> dict[str, object]:
    (line,) = people.printed("vip", "list", "--client", str(client.id))["clients"]
    assert isinstance(line, dict)
    return line


# --- list -------------------------------------------------------------------------------------------------


def test_the_list_says_who_since_when_why_and_what_would_change_it(people: People) -> None:
    old, young = a_customer(people), a_customer(people, 1)
    owing = a_customer(people, group=1)
    people.house.an_invoice(people.house.a_service(owing), due=0)
    people.sync()
    people.days(1)
    shown = people.type("vip", "list")
    assert "Group VIP: not exempt in WHMCS" in shown
    assert "1 member, 1 out until paid, 0 eligible and no member." in shown
    assert "2025-03-10" in shown
    assert f"{young.id} Client" not in shown
    assert "payment of everything" in shown
    assert line_of(people, old) == {
        "client": old.id,
        "name": "Client 1",
        "group": "VIP",
        "member": True,
        "place": "member",
        "eligible": True,
        "why": "60 months, 0 late payments of 1 allowed",
        "standing": "paid-up",
        "since": "2025-03-10",
        "next": None,
        "would_change": ["an invoice that is overdue"],
        "pin": None,
        "by_hand_on": None,
    }
    assert line_of(people, young)["would_change"] == ["tenure of 18 months on 2025-09-09"]
    assert line_of(people, owing)["since"] == "2025-03-11"


def test_the_list_is_narrowed_to_one_place(people: People) -> None:
    old, young = a_customer(people), a_customer(people, 1)
    people.sync()

    def those(place: str) -> list[int]:
        return [line["client"] for line in people.printed("vip", "list", "--only", place)["clients"]]

    assert (those("member"), those("out"), those("waiting")) == ([old.id], [young.id], [])
    assert len(people.printed("vip", "list", "--all")["clients"]) == 2
    assert "No client answers to that." in people.type("vip", "list", "--only", "eligible")


def test_what_a_move_brings_is_said_before_it(people: People) -> None:
    people.house.world.groups[1] = Group(1, "VIP", discount_percent="10.00", separate_invoices=True)
    a_customer(people)
    people.settle(SETTINGS, mode="shadow", more=RULES + VIP)
    people.sync()
    listed = " ".join(people.type("vip", "list").split())
    assert "10 % discount on new invoices" in listed
    assert "would join (shadow mode" in listed
    (line,) = people.printed("vip", "list")["clients"]
    assert line["next"]["held"] == "shadow mode moves nobody"
    assert people.printed("vip", "audit")[0]["todo"] == "shadow mode moves nobody"
    (step,) = people.printed("plan", "--offline")["steps"]
    assert step["kind"] == "vip_add"
    assert "10 % discount on new invoices, an invoice for each service" in step["reason"]


# --- pins -------------------------------------------------------------------------------------------------


def test_a_pin_makes_a_young_client_a_member_at_once_and_its_end_undoes_that(people: People) -> None:
    young = a_customer(people, 1)
    people.sync()
    said = people.type("vip", "pin", str(young.id), "--reason", "sponsor of the meeting")
    assert "sponsor of the meeting" in said
    assert f"vip_add of client {young.id}: done" in said
    assert f"client {young.id} is a member" in said
    assert group_of(people, young) == 1
    said = people.type("vip", "unpin", str(young.id), "--reason", "no sponsor any more")
    assert f"vip_remove of client {young.id}: done" in said
    assert group_of(people, young) == 0
    people.days(1)
    assert group_of(people, young) == 0


def test_a_pin_with_an_end_runs_out_by_itself(people: People) -> None:
    young = a_customer(people, 1)
    people.sync()
    people.type("vip", "pin", str(young.id), "--until", people.day(3), "--reason", "trial")
    people.days(3)
    assert group_of(people, young) == 1
    assert line_of(people, young)["would_change"] == ["an invoice that is overdue", "the end of the pin on 2025-03-13"]
    people.days(1)
    assert group_of(people, young) == 0
    whats = [event["what"] for event in people.printed("vip", "history", str(young.id))["events"]]
    assert whats == ["pinned until 2025-03-13", "joined", "pin ended", "left"]


def test_in_shadow_mode_a_pin_is_kept_and_nobody_is_moved(people: People) -> None:
    people.settle(SETTINGS, mode="shadow", more=RULES + VIP)
    young = a_customer(people, 1)
    people.sync()
    said = people.type("vip", "pin", str(young.id), "--reason", "sponsor")
    assert "shadow mode: vip_add" in said
    assert group_of(people, young) == 0
    assert line_of(people, young)["pin"] == {"number": 1, "author": "ana", "reason": "sponsor", "until": None}


def test_bad_input_is_refused_with_one_line_and_nothing_is_kept(people: People) -> None:
    old = a_customer(people)
    people.sync()
    assert people.refused("vip", "pin", "99", "--reason", "x") == (
        "client 99 is not in the mirror; check the number, or run a sync first"
    )
    past = people.day(-1)
    assert people.refused("vip", "pin", str(old.id), "--until", past, "--reason", "x") == (
        f"until {past} is past; today is 2025-03-10"
    )
    assert people.refused("vip", "unpin", str(old.id), "--reason", "x") == (
        f"client {old.id} has no pin; `whmcs-bridge vip history {old.id}` shows what it had"
    )
    assert people.refused("vip", "unpin", "99", "--reason", "x").startswith("client 99 is not in the mirror")
    assert people.refused("vip", "history", "99").startswith("client 99 is not in the mirror")
    assert people.refused("vip", "list", "--client", "99").startswith("no client 99 in the mirror")
    people.type("vip", "pin", str(old.id), "--reason", "founder", "--until", people.day(30))
    assert people.refused("vip", "pin", str(old.id), "--reason", "again") == (
        f"client {old.id} is pinned already until 2025-04-09 (pin 1 by ana: founder); "
        f"first: whmcs-bridge vip unpin {old.id} --reason ..."
    )
    with people.house.bridge.journal.writer():
        assert len(people.printed("vip", "history", str(old.id))["events"]) == 2
    closed = a_customer(people)
    people.house.world.clients[closed.id].status = "Closed"
    people.sync()
    assert "is closed in WHMCS" in people.refused("vip", "pin", str(closed.id), "--reason", "x")


def test_a_group_that_whmcs_does_not_have_is_said_with_what_to_do(people: People) -> None:
    old = a_customer(people)
    people.settle(SETTINGS, mode="enforce", more=RULES + VIP.replace('"VIP"', '"Gold"'))
    assert people.refused("vip", "list") == "the mirror is empty: run a sync first"
    people.sync()
    line = "WHMCS has no client group Gold: make it in System Settings > Client Groups (the API cannot), then sync"
    for words in (["list"], ["audit", "--offline"], ["pin", str(old.id), "--reason", "x"]):
        assert people.refused("vip", *words) == line
    (found,) = people.printed("vip", "audit")
    assert (found["grade"], found["code"]) == ("drift", "no-group")


def test_without_rules_the_line_says_how_to_have_some(people: People) -> None:
    people.settle(SETTINGS, mode="enforce", more=RULES)
    client = a_customer(people)
    people.sync()
    for words in (["list"], ["audit"], ["pin", str(client.id), "--reason", "x"]):
        assert people.refused("vip", *words).startswith("the settings have no [vip] table")


# --- history ----------------------------------------------------------------------------------------------


def test_the_history_tells_moves_of_ours_and_of_others(people: People) -> None:
    client = a_customer(people)
    invoice = people.house.an_invoice(people.house.a_service(client), due=1)
    people.sync()
    people.days(2)
    people.house.pay(invoice)
    people.days(1)
    people.house.world.clients[client.id].group = 3
    people.days(2)
    events = people.printed("vip", "history", str(client.id))["events"]
    assert [(e["date"], e["what"], e["who"]) for e in events] == [
        ("2025-03-10", "joined", "ana"),
        ("2025-03-12", "left", "ana"),
        ("2025-03-13", "joined", "ana"),
        ("2025-03-14", "left", "by hand"),
    ]
    assert events[1]["why"] == f"overdue: invoice {invoice.id}"
    assert "by hand" in people.type("vip", "history", str(client.id))
    assert "never moved" in people.type("vip", "history", str(a_known(people).id))


def a_known(people: People) -> Client:
    client = a_customer(people, 1)
    people.sync()
    return client


# --- audit ------------------------------------------------------------------------------------------------


def test_the_audit_finds_nothing_where_whmcs_is_as_the_rules_have_it(people: People) -> None:
    a_customer(people)
    a_customer(people, 1)
    people.sync()
    assert people.type("vip", "audit") == "WHMCS and the rules agree.\n"


def test_the_audit_finds_who_was_moved_who_owes_and_who_is_held_out(people: People) -> None:
    house = people.house
    moved, young, charity, partner = a_customer(people), a_customer(people, 1, group=1), *two(people)
    house.an_invoice(house.a_service(charity), due=-40)
    owing = a_customer(people, group=1)
    people.sync()
    house.world.clients[moved.id].group = 0
    house.an_invoice(house.a_service(owing), due=-1)
    people.settle(SETTINGS, mode="shadow", more=RULES + VIP)
    people.sync()
    house.world.clients[moved.id].group = 1
    found = {(one["grade"], one["code"], one["client"]) for one in people.printed("vip", "audit")}
    assert found == {
        ("drift", "changed-in-whmcs", moved.id),
        ("drift", "should-leave", owing.id),
        ("drift", "should-join", moved.id),
        ("look", "unearned", young.id),
        ("look", "exempt-debt", charity.id),
        ("look", "held-out", partner.id),
    }
    shown = people.type("vip", "audit")
    assert "WHMCS and the rules differ: 3 findings" in shown
    assert people.run("vip", "audit", "--detailed-exitcode").exit_code == 4
    assert people.run("vip", "audit", "--offline").exit_code == 0


def two(people: People) -> tuple[Client, Client]:
    """A client of an exempt group, and one of a group that is not managed."""
    return a_customer(people, group=2), a_customer(people, group=3)


def test_names_of_groups_that_whmcs_does_not_have_are_found(people: People) -> None:
    people.settle(SETTINGS, mode="enforce", more=RULES + VIP + 'managed_groups = ["", "Silver"]\n')
    a_known(people)
    codes = {one["code"] for one in people.printed("vip", "audit", "--offline")}
    assert codes == {"not-managed", "unknown-group"}


def test_explain_says_since_when_and_what_would_change_it(people: People) -> None:
    old, young = a_customer(people), a_customer(people, 1)
    people.sync()
    shown = people.type("explain", f"client:{old.id}")
    assert "member since 2025-03-10" in shown
    assert "what changes it: an invoice that is overdue" in shown
    found = people.printed("explain", f"client:{young.id}")["vip"]
    assert found["member"] is False
    assert found["would_change"] == ["tenure of 18 months on 2025-09-09"]
