"""`service`, `undo`, `approve` and `client show` as an operator types them."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.journeys.town import Town, error_of
from whmcs_bridge.simulator.records import Invoice, Service


@pytest.fixture
def house(town: Town) -> Any:
    town.settle(mode="enforce")
    return town.house


def synced(town: Town) -> None:
    assert town.run("sync").exit_code in (0, 3)


def a_debtor(town: Town, overdue: int) -> tuple[Service, Invoice]:
    _, service, invoice = town.house.a_debtor(overdue=overdue)
    synced(town)
    return service, invoice


def suspend(town: Town, *args: str, reason: str = "phishing", answers: str | None = None) -> Result:
    return town.run("service", "suspend", "--reason", reason, *args, answers=answers)


def a_list(town: Town, text: str | bytes) -> str:
    path = Path(town.folder) / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.service.at_a_terminal", lambda: True)


def fits(shown: str) -> bool:
    """Everything is within 100 columns; a command to copy is on one line, however long its paths are."""
    return all(len(line.rstrip()) <= 100 for line in shown.splitlines() if "--config" not in line)


# --- one service ----------------------------------------------------------------------------------


def test_one_is_shown_and_done_when_agreed(town: Town, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = house.a_service()
    synced(town)
    at_a_terminal(monkeypatch)
    refused = suspend(town, "1", "--abuse", answers="n\n")
    assert refused.exit_code == 1
    assert "not confirmed: nothing was done" in refused.stderr
    assert (service.status, "phishing" in refused.stderr) == ("Active", True)
    agreed = suspend(town, "1", "--abuse", answers="y\n")
    assert agreed.exit_code == 0
    assert "1 suspend done" in agreed.stdout
    assert service.suspend_reason == "phishing"


def test_nobody_is_asked_where_nobody_is(town: Town, house: Any) -> None:
    service = house.a_service()
    synced(town)
    unasked = suspend(town, "1", "--abuse")
    assert unasked.exit_code == 2
    assert "add --yes" in error_of(unasked)
    assert suspend(town, "1", "--abuse", "--yes").exit_code == 0
    assert service.status == "Suspended"


def test_machines_get_the_outcome(town: Town, house: Any) -> None:
    house.a_service()
    synced(town)
    found = town.json("service", "suspend", "1", "--abuse", "--yes", "--reason", "spam")
    assert [(r["kind"], r["state"]) for r in found["results"]] == [("suspend", "done")]
    assert found["job"] == "service"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("suspend", "1", "--yes"), "say --for-debt (it comes back when paid) or --abuse"),
        (("suspend", "1", "--abuse", "--for-debt", "--yes"), "say --for-debt"),
        (("suspend", "1", "--abuse", "--early", "--yes"), "--early is for --for-debt"),
        (("suspend", "--abuse"), "name one service, or a list with --from"),
        (("suspend", "1", "--abuse", "--from", "x"), "name one service, or a list with --from"),
        (("suspend", "--abuse", "--from", "x", "--yes"), "--yes is for a single service"),
        (
            ("suspend", "--abuse", "--from", "x", "--accept-sanity", "long-gap"),
            "give --accept-sanity to whmcs-bridge apply",
        ),
        (("suspend", "77", "--abuse", "--yes"), "no service 77 in the mirror"),
        (("suspend", "1", "--for-debt", "--yes"), "service 1: nothing that counts is owed for it"),
        (("unsuspend", "1", "--yes"), "service 1: it is up already; nothing was done"),
        (("unsuspend", "1", "--days", "2", "--yes"), "--days goes with --override"),
        (("terminate", "1", "--yes"), "nothing is owed for it; --paid-up ends it all the same"),
        (("terminate", "--paid-up", "--from", "x"), "--paid-up ends one service at a time"),
        (("suspend", "1", "--abuse", "--yes", "--reason", "  "), "--reason: say why"),
        (("suspend", "1", "--abuse", "--yes", "--reason", "x" * 201), "201 characters; 200 are allowed"),
        (("suspend", "1", "--abuse", "--yes", "--reason", "by [whmcs-bridge]"), "marks the bridge's own suspensions"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_one_line_and_nothing_is_done(
    town: Town, house: Any, args: tuple[str, ...], line: str
) -> None:
    house.a_service()
    synced(town)
    runs = len(town.json("journal", "--runs"))
    given = args if "--reason" in args else (*args, "--reason", "a reason")
    result = town.run("service", *given)
    assert result.exit_code == 2
    assert line in error_of(result)
    assert (town.harm(), len(town.json("journal", "--runs"))) == ([], runs)


def test_a_pause_is_said_with_the_way_past_it(town: Town, house: Any) -> None:
    service = house.a_service()
    synced(town)
    town.run("pause")
    result = suspend(town, "1", "--abuse", "--yes")
    assert (result.exit_code, service.status) == (3, "Active")
    assert "pause --off" in result.stdout


def test_shadow_mode_is_said_before_anybody_is_asked(town: Town) -> None:
    town.settle()
    town.house.a_service()
    town.run("sync")
    result = suspend(town, "1", "--abuse", "--yes")
    assert result.exit_code == 2
    assert "mode is shadow" in error_of(result)


def test_a_service_that_owes_comes_up_with_an_override_that_is_kept(town: Town, house: Any) -> None:
    service, _ = a_debtor(town, 5)
    assert service.status == "Suspended"
    plain = town.run("service", "unsuspend", "1", "--yes", "--reason", "phoned")
    assert plain.exit_code == 2
    assert "--override" in error_of(plain)
    done = town.run("service", "unsuspend", "1", "--override", "--days", "2", "--yes", "--reason", "phoned")
    assert (done.exit_code, service.status) == (0, "Active")
    (record,) = town.json("client", "show", "1")["records"]
    assert (record["kind"], record["reason"], record["in_force"]) == ("release", "phoned", True)


# --- the end --------------------------------------------------------------------------------------


def test_an_end_is_proposed_and_listed_and_approved_and_done(town: Town, house: Any) -> None:
    service, _ = a_debtor(town, 1)
    proposed = town.run("service", "terminate", "1", "--early", "--yes", "--by", "Bo", "--reason", "left")
    assert (proposed.exit_code, service.status) == (3, "Active")
    assert "whmcs-bridge approve 1" in proposed.stdout
    shown = town.run("approve").stdout
    assert "Bo" in shown
    assert "left" in shown
    assert "10.00" in shown
    assert fits(shown)
    approved = town.run("approve", "1", "--by", "Ana")
    fingerprint = approved.stderr.split("--fingerprint ")[1].strip()
    assert "approved by Ana: terminate of service 1" in approved.stderr
    done = town.run("apply", "--fingerprint", fingerprint)
    assert (done.exit_code, service.status) == (0, "Terminated")
    assert "approval terminate:by-hand" in town.run("journal", "--service", "1").stdout


def test_what_nobody_owes_for_is_typed(town: Town, house: Any) -> None:
    town.settle(mode="enforce", more='[approval]\nterminate = "automatic"\n')
    service = house.a_service()
    synced(town)
    args = ("service", "terminate", "1", "--paid-up", "--yes", "--reason", "asked by phone")
    for wrong in ("", "2\n", "yes\n"):
        result = town.run(*args, answers=wrong)
        assert (result.exit_code, service.status) == (1, "Active")
        assert "nothing was done" in result.stderr
    assert town.run(*args, answers="1\n").exit_code == 0
    assert service.status == "Terminated"


def test_nothing_is_approved_that_does_not_wait(town: Town, house: Any) -> None:
    a_debtor(town, 1)
    house.a_service()
    synced(town)
    town.run("service", "terminate", "1", "--early", "--yes", "--reason", "left")
    for args in (("1", "2"), ("1", "--kind", "suspend"), ("--run", "1")):
        result = town.run("approve", *args)
        assert result.exit_code == 2
        assert "waits for approval" in error_of(result)
    assert [one["service"] for one in town.json("approve")] == [1]


def test_ones_own_proposal_waits_for_somebody_else(town: Town, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    town.settle(mode="enforce", more='[approval]\nown_proposals = "forbidden"\n')
    monkeypatch.setattr("getpass.getuser", lambda: "bo")
    a_debtor(town, 1)
    town.run("service", "terminate", "1", "--early", "--yes", "--reason", "left")
    result = town.run("approve", "1", "--by", "Ana")
    assert result.exit_code == 2
    assert "somebody else approves it" in error_of(result)
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    assert town.run("approve", "1").exit_code == 0


# --- lists ----------------------------------------------------------------------------------------


def test_a_list_is_a_plan_first(town: Town, house: Any) -> None:
    services = [house.a_service() for _ in range(3)]
    services[2].status = "Terminated"
    synced(town)
    path = a_list(town, "\ufeff1\nservice:2 # the second\n\n3\n1\n")
    shown = suspend(town, "--abuse", "--from", path)
    assert shown.exit_code == 0
    assert "Left out: service 3: it is Terminated: nothing to suspend" in shown.stdout
    assert "service 1 is on the list 2 times" in shown.stderr
    assert town.harm() == []
    fingerprint = shown.stdout.split("--fingerprint ")[1].split()[0]
    assert town.run("apply", "--fingerprint", fingerprint).exit_code == 0
    assert [service.status for service in services] == ["Suspended", "Suspended", "Terminated"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1\nabc\n-2\n", "line 2 ('abc'), line 3 ('-2') are no service numbers; nothing was done"),
        ("# nothing\n", "no service in it"),
        (b"\xff\xfe1", "not a text file"),
        ("1\n0\n", "line 2 ('0') is no service number"),
        ("1\n99\n", "no service 99 in the mirror"),
        ("\n".join(["x"] * 9), "and 4 more are no service numbers"),
    ],
)
def test_a_list_with_junk_is_refused_whole(town: Town, house: Any, text: str | bytes, line: str) -> None:
    house.a_service()
    synced(town)
    result = suspend(town, "--abuse", "--from", a_list(town, text))
    assert result.exit_code == 2
    assert line in error_of(result)


def test_a_list_that_is_not_there_is_one_line_and_standard_input_is_a_list(town: Town, house: Any) -> None:
    house.a_service()
    synced(town)
    assert "No such file" in error_of(suspend(town, "--abuse", "--from", "/nowhere/list"))
    assert "1 suspend" in suspend(town, "--abuse", "--from", "-", answers="1\n").stdout.replace("Suspend", "1 suspend")


def test_a_list_for_machines(town: Town, house: Any) -> None:
    house.a_service()
    synced(town)
    found = town.json("service", "suspend", "--abuse", "--from", a_list(town, "1\n"), "--reason", "spam")
    assert [(step["kind"], step["service"], step["reason"]) for step in found["steps"]] == [
        ("suspend", 1, found["steps"][0]["reason"])
    ]
    assert found["steps"][0]["reason"].endswith(": spam")


# --- undo -----------------------------------------------------------------------------------------


def test_a_run_is_shown_and_taken_back(town: Town, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _ = a_debtor(town, 5)
    look = town.run("undo", "1", "--reason", "wrong", "--dry-run")
    assert look.exit_code == 0
    assert "Undo run 1, sync" in look.stdout
    assert service.status == "Suspended"
    unasked = town.run("undo", "1", "--reason", "wrong")
    assert (unasked.exit_code, "--dry-run" in error_of(unasked)) == (2, True)
    at_a_terminal(monkeypatch)
    assert town.run("undo", "1", "--reason", "wrong", answers="n\n").exit_code == 1
    done = town.run("undo", "1", "--reason", "wrong", "--apologise", answers="y\n")
    assert (done.exit_code, service.status) == (0, "Active")
    again = town.run("undo", "1", "--reason", "wrong", "--yes")
    assert again.exit_code == 0
    assert "Nothing is left to take back." in again.stdout
    assert "run 2 took another step since: unsuspend" in again.stdout


def test_an_undo_for_machines_says_what_stays(town: Town, house: Any) -> None:
    a_debtor(town, 5)
    found = town.json("undo", "1", "--reason", "wrong", "--dry-run")
    assert [step["kind"] for step in found["steps"]] == ["unsuspend"]
    done = town.json("undo", "1", "--reason", "wrong", "--yes")
    assert (done["undoes"], [r["state"] for r in done["results"]]) == (1, ["done"])


def test_a_run_that_cannot_be_undone_is_one_line(town: Town, house: Any) -> None:
    house.a_service()
    synced(town)
    for number, line in (("99", "no run 99"), ("1", "there is nothing to undo")):
        result = town.run("undo", number, "--reason", "wrong", "--dry-run")
        assert (result.exit_code, line in error_of(result)) == (2, True)


# --- client show ----------------------------------------------------------------------------------


def test_a_client_is_on_one_screen(town: Town, house: Any) -> None:
    client = house.a_client(firstname="Example", created=date(2020, 1, 1))
    service = house.a_service(client)
    house.an_invoice(service, due=-5)
    house.a_service(client, override=True, override_until=house.day(-1))
    synced(town)
    shown = town.run("client", "show", "client:1").stdout
    for text in (
        "Client 1  Example  overdue",
        "10.00 USD overdue",
        "Suspended by us since",
        "ran out on",
        "What was done",
        "whmcs-bridge explain service:1",
    ):
        assert text in shown
    assert fits(shown)
    found = town.json("client", "show", "1")
    assert [o["over"] for o in found["whmcs_overrides"]] == [True]
    assert town.run("client", "show", "1", "--all").exit_code == 0


@pytest.mark.parametrize("text", ["99", "service:1", "x", "-1"])
def test_a_client_that_nobody_knows_is_one_line(town: Town, house: Any, text: str) -> None:
    house.a_service()
    synced(town)
    result = town.run("client", "show", "--", text)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


# --- together -------------------------------------------------------------------------------------


def test_two_operators_and_a_running_sync_do_nothing_twice(town: Town, house: Any) -> None:
    """Three processes at once: one writes, the others are told so and type it again; no step is taken twice."""
    spam = [house.a_service() for _ in range(3)]
    synced(town)
    debtor = house.a_debtor(overdue=5)[1]
    numbers = "\n".join(str(service.id) for service in spam)
    shown = suspend(town, "--abuse", "--from", a_list(town, numbers), reason="spam")
    fingerprint = shown.stdout.split("--fingerprint ")[1].split()[0]
    asked = [("apply", "--fingerprint", fingerprint), ("apply", "--fingerprint", fingerprint), ("sync",)]
    command = [sys.executable, "-m", "whmcs_bridge", "--config", str(town.config)]
    env = {**os.environ, **{key: value or "" for key, value in town.env.items()}}
    together = [
        subprocess.Popen([*command, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for args in asked
    ]
    said = [process.communicate(timeout=300)[0] for process in together]
    refused = [process.returncode != 0 for process in together]
    assert all("is being written by process" in text for text, no in zip(said, refused, strict=True) if no), said
    for args, no in zip(asked, refused, strict=True):
        assert not no or town.run(*args).exit_code == 0
    down = [service.id for service in (*spam, debtor)]
    assert sorted(town.harm()) == [f"module:suspend {number}" for number in down]
    assert [service.suspend_reason for service in spam] == ["spam"] * 3
    steps = town.json("journal", "--kind", "suspend")
    assert sorted(line["step"]["service"] for line in steps) == down


HUGE = "9" * 20


@pytest.mark.parametrize(
    "args",
    [
        ["approve", HUGE],
        ["approve", "--run", HUGE],
        ["undo", HUGE, "--reason", "x"],
        ["service", "suspend", HUGE, "--abuse", "--reason", "x", "--yes"],
        ["client", "show", HUGE],
        ["explain", HUGE],
        ["explain", f"service:{HUGE}"],
        ["adopt", "--confirm", HUGE],
        ["hold", "lift", HUGE, "--reason", "x"],
        ["hold", "list", "--client", HUGE],
        ["dispute", "open", HUGE, "--until", "2099-01-01", "--reason", "x"],
        ["journal", "--limit", HUGE],
        ["tasks", "done", HUGE],
    ],
    ids=" ".join,
)
def test_a_number_that_no_thing_has_is_one_line(town: Town, house: Any, args: list[str]) -> None:
    synced(town)
    result = town.run(*args)
    assert result.exit_code == 2, result.output
    assert error_of(result)
    assert "unexpected" not in result.output
    assert "Traceback" not in result.output
