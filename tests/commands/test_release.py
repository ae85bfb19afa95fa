"""`release`: a suspended service is back on for some days, on trust, and goes down again by itself."""

from pathlib import Path

import pytest

from tests.commands.people import People, a_town_of_people
from whmcs_bridge.simulator.faults import Fault, Kind


def test_the_service_comes_back_now_and_goes_down_by_itself(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=3)
    assert people.status(service) == "Suspended"
    said = people.type("release", f"{service.id}", "--reason", "boleto paid, booked on Monday")
    assert said == (
        "release 1 of service 1 until 2025-03-13, by ana: boleto paid, booked on Monday\n"
        "  unsuspend of service 1: done\n"
    )
    assert people.status(service) == "Active"
    people.days(3)
    assert people.status(service) == "Active"
    people.days(1)
    assert people.status(service) == "Suspended"
    assert people.happened("module:suspend", service) == 2
    assert people.printed("release", "list", "--all")[0]["state"] != "open"


def test_json_says_what_was_done(people: People) -> None:
    people.a_debtor(overdue=3)
    found = people.printed("release", "grant", "service:1", "--days", "2", "--reason", "phoned")
    assert found["record"]["until"] == "2025-03-12"
    assert found["did"] == [{"kind": "unsuspend", "service": 1, "state": "done", "note": found["did"][0]["note"]}]
    assert found["later"] is False


def test_in_shadow_mode_it_says_what_would_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with a_town_of_people(tmp_path, monkeypatch, mode="shadow") as people:
        _, service, _ = people.house.a_debtor(overdue=3)
        service.status, service.suspend_reason = "Suspended", "Overdue: invoice 1 [whmcs-bridge]"
        people.sync()
        said = people.type("release", "1", "--reason", "phoned")
        assert "shadow mode: unsuspend of service 1 would follow now" in said
        assert people.happened("module:unsuspend", service) == 0
        assert people.printed("release", "list")[0]["state"] == "open"


def test_a_refusal_says_from_when_it_could_be_and_staff_may_go_past_it(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=3)
    people.type("release", "1", "--reason", "first time")
    people.days(4)
    said = people.refused("release", "1", "--reason", "once more")
    assert "the next may come on 2025-04-12" in said
    assert said.endswith("or take it on yourself: --override")
    assert people.status(service) == "Suspended"
    taken = people.type("release", "1", "--reason", "the owner, by phone", "--override")
    assert "against the rule: " in taken
    assert people.status(service) == "Active"


def test_a_second_one_while_one_runs_is_refused_whoever_asks(people: People) -> None:
    people.a_debtor(overdue=3)
    people.type("release", "1", "--reason", "phoned")
    assert "release" in people.refused("release", "1", "--reason", "phoned again")
    assert len(people.printed("release", "list", "--all")) == 1


def test_a_module_that_fails_is_exit_1_and_the_next_sync_tries_again(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=3)
    people.faults(Fault("ModuleUnsuspend", Kind.ERROR, text="cPanel: connection refused"))
    said = people.type("release", "1", "--reason", "phoned", code=1)
    assert "unsuspend of service 1: failed: " in said
    people.faults()
    people.sync()
    assert people.status(service) == "Active"


def test_a_whmcs_that_is_away_is_exit_1_and_nothing_is_lost(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=3)
    people.faults(Fault("*", Kind.CONNECTION_REFUSED, count=0))
    said = people.type("release", "1", "--reason", "phoned", code=1)
    assert "it is kept, and the next sync looks again" in said
    people.faults()
    people.sync()
    assert people.status(service) == "Active"


def test_a_suspension_by_staff_is_not_released_even_with_an_override(people: People) -> None:
    _, service, _ = people.house.a_debtor(overdue=3)
    service.status, service.suspend_reason = "Suspended", "abuse"
    people.sync()
    for more in ([], ["--override"]):
        said = people.refused("release", "1", "--reason", "phoned", *more)
        assert "abuse" in said
        assert "settle that first" in said
    assert people.printed("release", "list", "--all") == []
    assert people.status(service) == "Suspended"


def test_whatever_is_wrong_is_one_line_and_nothing_is_recorded(people: People) -> None:
    people.a_debtor(overdue=1)
    for args, line in (
        (["99", "--reason", "x"], "service 99 is not in the mirror"),
        (["client:1", "--reason", "x"], "'client:1' is no service"),
        (["lits"], "No such command 'lits'"),
        (["grant", "client:1", "--reason", "x"], "'client:1' is no service: write its number, as 34 or service:34"),
        (["1"], "Missing option '--reason'"),
        (["1", "--days", "0", "--reason", "x"], "0 is not in the range"),
        (["1", "--reason", "x"], "record a promise if it is to stay up"),
    ):
        said = people.refused("release", *args)
        assert line.casefold() in said.casefold(), (args, said)
    assert people.printed("release", "list", "--all") == []


def test_one_that_is_ended_by_hand_holds_nothing_any_more(people: People) -> None:
    _, service, _ = people.a_debtor(overdue=3)
    people.type("release", "1", "--reason", "phoned")
    said = people.type("release", "end", "1", "--reason", "the wrong service")
    assert "[cancelled on 2025-03-10 by ana: the wrong service]" in said
    people.days(1)
    assert people.status(service) == "Suspended"
