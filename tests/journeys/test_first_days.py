"""From nothing to a suspended service and back, as an operator types it."""

import json
from pathlib import Path

import pytest

from tests.journeys.town import Town, error_of
from whmcs_bridge.simulator.faults import Fault, Kind


def test_an_operator_starts_reviews_applies_and_asks_why(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """init, doctor, plan, apply, explain, journal: each says what it did, and the service goes down and comes back."""
    _, service, invoice = town.house.a_debtor(overdue=10)
    _, paid_up, _ = town.house.a_debtor(overdue=-5)
    monkeypatch.chdir(town.folder)

    written = town.run("init", answers=f"{town.url}\nUTC\npatient-8-30\nenv:TOWN_IDENTIFIER\nenv:TOWN_SECRET\n")
    assert written.exit_code == 0, written.output
    assert "connected: WHMCS" in written.output
    assert 'mode = "shadow"' in town.config.read_text("utf-8")

    checked = town.run("doctor")
    assert checked.exit_code == 0, checked.output

    town.settle(mode="shadow")
    planned = town.run("plan", "--detailed-exitcode")
    assert planned.exit_code == 4
    assert f"{service.id} {service.domain}" in planned.stdout
    assert f"{paid_up.id} {paid_up.domain}" not in planned.stdout
    assert town.harm() == []

    fingerprint = town.json("plan")["fingerprint"]
    assert f"whmcs-bridge apply --fingerprint {fingerprint}" in planned.stdout
    refused = town.run("apply", "--fingerprint", fingerprint)
    assert refused.exit_code == 2
    assert 'set mode = "enforce"' in error_of(refused)
    assert town.harm() == []

    town.settle(mode="enforce")
    applied = town.run("apply", "--fingerprint", fingerprint)
    assert applied.exit_code == 0, applied.output
    assert service.status == "Suspended"
    assert service.suspend_reason == f"Overdue: invoice {invoice.id} [whmcs-bridge]"

    why = town.run("explain", f"service:{service.id}")
    assert f"invoice {invoice.id}" in why.stdout
    assert "suspend_after_days" in why.stdout
    assert "[class.hosting]" in why.stdout
    done = town.json("journal", "--kind", "suspend")
    assert [(entry["state"], entry["step"]["service"]) for entry in done] == [("done", service.id)]

    town.house.pay(invoice)
    town.run("sync")
    assert service.status == "Active"
    assert town.run("plan", "--detailed-exitcode").exit_code == 0


def test_a_plan_for_machines_has_the_documented_shape(town: Town) -> None:
    town.settle()
    client, service, invoice = town.house.a_debtor(overdue=10)
    plan = town.json("plan")
    assert {"fingerprint", "complete", "limits", "steps", "withheld"} <= set(plan)
    assert plan["complete"] is True
    assert plan["limits"] == {"passed": True, "stops": []}
    (step,) = plan["steps"]
    assert (step["kind"], step["client"], step["service"]) == ("suspend", client.id, service.id)
    assert (step["invoices"], step["amount"], step["currency"]) == ([invoice.id], "10.00", "USD")
    assert step["date"] == plan["date"]
    assert str(invoice.id) in step["reason"]
    assert step["id"]


def test_explaining_for_machines_has_the_documented_shape(town: Town) -> None:
    town.settle()
    client, service, _ = town.house.a_debtor(overdue=1)
    town.run("sync")
    found = town.json("explain", f"service:{service.id}")
    assert {"service", "stage", "facts", "rule", "layers", "due", "withheld", "next"} <= set(found)
    assert found["rule"] == "hosting"
    assert found["layers"]["suspend_after_days"] == "[class.hosting]"
    assert found["next"]["step"] == "suspend"
    whole = town.json("explain", "--client", str(client.id))
    assert [one["service"] for one in whole["services"]] == [service.id]


def test_shadow_mode_plans_records_and_changes_nothing(town: Town) -> None:
    town.settle(mode="shadow")
    town.house.a_debtor(overdue=40)
    before = len(town.house.world.log)
    result = town.run("sync")
    assert result.exit_code == 0
    assert "Shadow mode: nothing was changed" in result.stdout
    assert town.house.world.log[before:] == []
    assert [run["outcome"] for run in town.json("journal", "--runs")] == ["shadow"]


def test_a_limit_refuses_names_the_command_and_lets_a_person_past(town: Town) -> None:
    """always_allowed 5, and 2 % of few services is 1: seven suspensions at once are too many."""
    town.settle(mode="enforce")
    debtors = [town.house.a_debtor(overdue=10)[1] for _ in range(7)]
    refused = town.run("sync")
    assert refused.exit_code == 3
    assert "whmcs-bridge sync --allow suspend=7" in refused.stdout
    assert town.harm() == []
    allowed = town.run("sync", "--allow", "suspend=7")
    assert allowed.exit_code == 0, allowed.output
    assert {service.status for service in debtors} == {"Suspended"}


def test_a_step_waits_for_a_person_and_goes_on_with_the_approval(town: Town) -> None:
    """`approve` lists what waits, refuses what does not, and keeps the name of who approves."""
    town.settle(mode="enforce", more='[approval]\nsuspend = "required"\n')
    _, service, _ = town.house.a_debtor(overdue=10)
    _, other, _ = town.house.a_debtor(overdue=1)
    town.run("sync")
    assert town.harm() == []
    (waiting,) = town.json("approve")
    assert (waiting["service"], waiting["kind"]) == (service.id, "suspend")
    assert f"whmcs-bridge approve {service.id}" in town.run("approve").stdout
    assert error_of(town.run("approve", str(other.id))).startswith(f"error: no step of service {other.id} waits")
    assert town.run("approve", str(service.id), "--kind", "terminate").exit_code == 2
    approved = town.run("approve", str(service.id), "--by", "Ana")
    assert approved.exit_code == 0
    assert "approved by Ana: suspend" in approved.stderr
    assert "Nothing waits" in town.run("approve").stdout
    town.run("sync")
    assert (service.status, other.status) == ("Suspended", "Active")


def test_a_stale_fingerprint_is_refused(town: Town) -> None:
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=10)
    fingerprint = town.json("plan")["fingerprint"]
    unknown = town.run("apply", "--fingerprint", "4f1c9a02b7de")
    assert unknown.exit_code == 3
    assert "no plan has the fingerprint" in error_of(unknown)
    town.settle(mode="enforce", more="\n[policy]\nmin_debt = '2.00'\n")
    changed = town.run("apply", "--fingerprint", fingerprint)
    assert changed.exit_code == 3
    assert "the policy has changed" in error_of(changed)
    assert town.harm() == []


def test_a_payment_between_plan_and_apply_is_skipped_with_the_reason(town: Town) -> None:
    town.settle(mode="enforce")
    _, service, invoice = town.house.a_debtor(overdue=10)
    fingerprint = town.json("plan")["fingerprint"]
    town.house.pay(invoice)
    result = town.run("apply", "--fingerprint", fingerprint)
    assert result.exit_code == 0
    assert "not due any more" in result.stdout
    assert service.status == "Active"


def test_ids_that_nobody_has_are_one_line(town: Town) -> None:
    town.settle()
    town.run("sync")
    for args in (
        ("explain", "service:77"),
        ("explain", "client:77"),
        ("explain", "77"),
        ("approve", "77"),
        ("tasks", "done", "77"),
    ):
        result = town.run(*args)
        assert result.exit_code == 2, args
        assert "77" in error_of(result)


def test_tasks_are_listed_and_marked(town: Town) -> None:
    """A debtor whom staff has suspended for another reason is a task: decide by hand."""
    town.settle(mode="enforce")
    client = town.house.a_client()
    service = town.house.a_service(client, status="Suspended", suspend_reason="sends spam")
    town.house.an_invoice(service, due=-20)
    town.run("sync")
    (task,) = town.json("tasks")
    assert (task["service"], task["state"]) == (service.id, "open")
    assert "spam" in town.run("tasks").stdout
    assert town.run("tasks", "done", str(task["number"]), "--comment", "talked to them").exit_code == 0
    assert town.json("tasks") == []
    (done,) = town.json("tasks", "--all")
    assert (done["state"], done["comment"]) == ("done", "talked to them")
    assert service.status == "Suspended"


def test_any_action_is_called_and_secrets_are_hidden(town: Town) -> None:
    town.settle()
    service = town.house.a_service(password="not-for-the-screen")
    for _ in range(3):
        town.house.a_client()
    found = town.run("api", "GetClientsProducts", f"serviceid={service.id}")
    assert found.exit_code == 0
    assert service.domain in found.stdout
    assert "not-for-the-screen" not in found.stdout
    rows = town.json("api", "GetClients", "--paginate")
    assert [row["id"] for row in rows] == sorted(town.house.world.clients)
    refused = town.run("api", "GetClientsDetails", "clientid=99")
    assert refused.exit_code == 1
    assert "Client Not Found" in error_of(refused)
    assert town.run("api", "GetClients", "limitnum").exit_code == 2
    assert town.run("api", "GetClients", "secret=abc").exit_code == 2


def test_doctor_names_what_is_wrong_and_what_to_do(town: Town) -> None:
    """A role without ModuleSuspend, WHMCS's own suspension switched on, and a clock that is three hours off."""
    town.settle()
    world = town.house.world
    world.switches.role_denied_actions = {"modulesuspend"}
    world.settings["AutoSuspension"] = "on"
    world.advance(hours=3)
    result = town.run("doctor")
    assert result.exit_code == 1
    assert "the API role lacks ModuleSuspend" in result.stdout
    found = {finding["area"]: finding for finding in town.json("doctor")["findings"] if finding["grade"] != "ok"}
    assert "3 h ahead of UTC" in found["time zone"]["text"]
    assert "AutoSuspension is on, 5 days" in result.stdout
    assert found["permission"]["grade"] == "fail"
    assert town.harm() == []


def test_doctor_changes_nothing(town: Town) -> None:
    town.settle()
    town.house.a_debtor(overdue=10)
    before = len(town.house.world.log)
    assert town.run("doctor").exit_code == 0
    assert town.house.world.log[before:] == []
    assert not (town.folder / "journal.db").exists()


def test_init_never_overwrites_unasked_and_never_takes_a_secret(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(town.folder)
    town.config.write_text("mine", "utf-8")
    assert town.run("init", answers="n\n").exit_code == 2
    assert town.run("init", answers="").exit_code == 2
    assert town.config.read_text("utf-8") == "mine"
    given = ["init", "--output", "new.toml", "--url", town.url, "--timezone", "UTC", "--preset", "strict"]
    pasted = town.run(*given, "--identifier", "env:A", "--secret", "s3cr3t-pasted")
    assert pasted.exit_code == 2
    assert "s3cr3t-pasted" not in pasted.output
    assert not Path("new.toml").exists()
    wrong = town.run(
        *given[:5], "--timezone", "Mars/Olympus", "--preset", "strict", "--identifier", "env:A", "--secret", "env:B"
    )
    assert wrong.exit_code == 2
    assert "Mars/Olympus" in wrong.stderr
    assert not Path("new.toml").exists()


def test_init_keeps_the_file_when_the_connection_fails(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(town.folder)
    town.faults(Fault("*", Kind.BAD_CREDENTIALS, count=0))
    given = ("--url", town.url, "--timezone", "UTC", "--preset", "strict")
    result = town.run("init", *given, "--identifier", "env:TOWN_IDENTIFIER", "--secret", "env:TOWN_SECRET")
    assert result.exit_code == 1
    assert "written: bridge.toml" in result.stdout
    assert town.config.exists()


def test_a_scenario_for_machines_is_one_line_each(town: Town, tmp_path: Path) -> None:
    held = {
        "id": "held",
        "config": {"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}},
        "clients": [{"id": "c", "since": "2024-01-01"}],
        "services": [{"id": "s", "client": "c", "class": "hosting"}],
        "events": [
            {
                "date": "2025-03-01",
                "type": "invoice_issued",
                "invoice": "i",
                "client": "c",
                "due": "2025-03-10",
                "lines": [{"service": "s", "amount": "10.00"}],
            }
        ],
        "expect": [{"date": "2025-03-13", "service": "s", "state": "suspended"}],
    }
    broken = {**held, "id": "broken", "expect": [{"date": "2025-03-12", "service": "s", "state": "suspended"}]}
    (tmp_path / "a.json").write_text(json.dumps([held, broken]), "utf-8")
    result = town.run("scenario", "test", str(tmp_path / "a.json"), "--json")
    assert result.exit_code == 1
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["id"], first["passed"]) == ("held", True)
    assert (second["id"], second["passed"], second["failures"][0]["date"]) == ("broken", False, "2025-03-12")
    (tmp_path / "b.toml").write_text("id = 3", "utf-8")
    assert town.run("scenario", "test", str(tmp_path / "b.toml")).exit_code == 2
