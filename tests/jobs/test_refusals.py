"""What a run was stopped from, WHMCS's own cron does not do in its place: neither asked nor by the gate file."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, House, client_id, done, service_id
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.decision import Kind


def config(**sections: Any) -> dict[str, Any]:
    return {"class": {"hosting": HOSTING}, **sections}


def gate_of(house: House) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((house.bridge.settings.folder / "gate.json").read_text("utf-8"))
    return found


def suspended(house: House, count: int) -> list[Any]:
    """Debtors on the day before their services end."""
    services = [house.a_debtor()[1] for _ in range(count)]
    house.sync()
    return services


def test_a_limit_on_terminations_holds_the_cron_as_well_and_suspensions_go_on(tmp_path: Path) -> None:
    with House.of(config(limits={"terminate": {"max": 1}}), folder=tmp_path) as house:
        ending = suspended(house, 3)
        house.next_day(14)
        house.pass_days()
        due = house.a_debtor(overdue=3)[1]
        report = house.sync()
        assert [stop.code for stop in report.plan.stops] == ["limit:terminate"]
        for service in ending:
            answer = house.bridge.may(Kind.TERMINATE, service_id(service))
            assert not answer.allowed
            assert "1 a day allowed" in answer.why
            assert house.bridge.may(Kind.TERMINATE, service_id(service), by_person=True).allowed
        gate = gate_of(house)
        assert (gate["terminate"], gate["held"]) == ({}, "")
        assert list(gate["suspend"]) == [str(due.id)]
        house.sync(allow={"terminate": 3})
        assert {service.status for service in ending} == {"Terminated"}


def test_a_limit_on_suspensions_holds_every_harm_until_the_next_run_that_may(tmp_path: Path) -> None:
    with House.of(config(limits={"suspend": {"max": 1}}), folder=tmp_path) as house:
        due = [house.a_debtor(overdue=3)[1] for _ in range(2)]
        leaving = house.a_service()
        house.sync()
        for kind, service in ((Kind.SUSPEND, due[0]), (Kind.TERMINATE, due[0]), (Kind.TERMINATE, leaving)):
            assert "1 a day allowed" in house.bridge.may(kind, service_id(service)).why
        assert gate_of(house)["suspend"] == {}
        house.pass_days()
        assert house.bridge.may(Kind.SUSPEND, service_id(due[0])).allowed  # nobody has planned today
        house.sync(allow={"suspend": 2})
        assert set(gate_of(house)["suspend"]) == {str(service.id) for service in due}


def test_a_reviewed_part_of_a_plan_leaves_the_rest_refused_and_may_do_its_own(tmp_path: Path) -> None:
    with House.of(config(limits={"suspend": {"max": 1}}), folder=tmp_path) as house:
        due = [house.a_debtor(overdue=3)[1] for _ in range(2)]
        plan = house.sync().plan
        report = house.bridge.apply(plan.fingerprint, allow={"suspend": 2})
        assert done(report) == ["suspend", "suspend"]
        assert set(gate_of(house)["suspend"]) == {str(service.id) for service in due}  # its own, while they lasted
        other = house.a_debtor(overdue=3)[1]
        house.bridge.snapshot()
        assert not house.bridge.may(Kind.SUSPEND, service_id(other)).allowed


def test_out_of_hours_the_cron_does_no_harm(tmp_path: Path) -> None:
    with House.of(config(calendar={"act_hours": "01:00-02:00"}), folder=tmp_path) as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.sync()
        answer = house.bridge.may(Kind.SUSPEND, service_id(service))
        assert (answer.allowed, "only from 01:00 to 02:00" in answer.why) == (False, True)
        assert "only from 01:00 to 02:00" in gate_of(house)["held"]
        assert house.bridge.may(Kind.SUSPEND, service_id(service), by_person=True).allowed


def test_after_the_breaker_the_cron_does_no_harm_until_the_next_run(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        services = [house.a_debtor(overdue=3)[1] for _ in range(10)]
        house.world.failing_services.update({service.id: "server on fire" for service in services})
        assert house.sync().broken_off
        assert "broke off" in house.bridge.may(Kind.SUSPEND, service_id(services[-1])).why
        assert "broke off" in gate_of(house)["held"]


def test_the_gate_of_a_run_that_met_a_sanity_stop_says_so_before_and_after_it(tmp_path: Path) -> None:
    with House.of(config(sanity={"enabled": True}), folder=tmp_path) as house:
        house.a_debtor(overdue=3)
        house.sync()
        house.pass_days(40)
        held: list[str] = []
        house.bridge.sync(on_planned=lambda plan: held.append(gate_of(house)["held"]))
        assert held == [gate_of(house)["held"]]
        assert "days" in held[0]
        house.sync(accept_sanity=["long-gap", "another-year"])
        assert gate_of(house)["held"] == ""


def test_a_pause_is_in_the_gate_at_once_and_so_is_its_end(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        client, _, _ = house.a_debtor(overdue=3)
        house.sync()
        house.bridge.pause(reason="inventory")
        assert gate_of(house)["held"].endswith("inventory")
        house.bridge.end_pause()
        assert gate_of(house)["held"] == ""
        house.bridge.enforce_only([], [client_id(client)], "ana")
        assert gate_of(house)["only"] == {"clients": [client.id], "groups": []}
        house.bridge.enforce_everyone("ana")
        assert gate_of(house)["only"] is None


def test_a_house_that_was_handed_back_lets_everything_through_without_us_too(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        house.a_debtor(overdue=3)
        house.sync()
        house.bridge.hand_back(by="ana")
        assert (gate_of(house)["mode"], gate_of(house)["held"]) == ("shadow", "")
        house.bridge.end_pause()
        assert gate_of(house)["mode"] == "enforce"


@pytest.mark.parametrize(
    ("kind", "end"), [(RecordKind.FREEZE, RecordState.LIFTED), (RecordKind.PROMISE, RecordState.CANCELLED)]
)
def test_a_record_is_in_the_gate_at_once_and_so_is_its_end(tmp_path: Path, kind: RecordKind, end: RecordState) -> None:
    """The module broke under the bridge's own step: WHMCS's cron might do it tonight."""
    with House.of(folder=tmp_path) as house:
        ana, service, _ = house.a_debtor(overdue=3)
        house.world.clients[ana.id].created = house.day(-900)
        house.world.failing_services[service.id] = "server on fire"
        house.sync()
        assert list(gate_of(house)["suspend"]) == [str(service.id)]
        until = house.today + timedelta(days=3)
        given = Record(0, kind, RecordState.OPEN, "ana", "bank is slow", house.today, house.today, until)
        given = replace(given, client_id=client_id(ana), service_id=service_id(service))
        kept = house.bridge.record(given, override=True)
        assert gate_of(house)["suspend"] == {}
        house.bridge.end_record(kept.id, kind, end, author="ana")
        assert list(gate_of(house)["suspend"]) == [str(service.id)]
