"""One client on one screen: what is on it, and that it asks WHMCS nothing."""

import json
from datetime import date
from typing import Any

import pytest

from tests.house import HOSTING, House, client_id, service_id
from whmcs_bridge.domain.ids import ClientId, InvoiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.jobs.client_sheet import ClientSheet
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Client


@pytest.fixture
def house() -> Any:
    with House.of() as house:
        yield house


def sheet(house: House, client: Client, **more: Any) -> ClientSheet:
    return house.bridge.client_sheet(client_id(client), **more)


def recorded(house: House, kind: RecordKind, reason: str = "a reason", **fields: Any) -> Record:
    given = {"until": house.day(5), "since": house.today} | fields
    wanted = Record(id=0, kind=kind, state=RecordState.OPEN, author="ana", reason=reason, made_on=house.today, **given)
    return house.bridge.journal.add_record(wanted)


def test_what_is_owed_is_told_by_what_is_overdue_and_what_is_not(house: House) -> None:
    client, service, late = house.a_debtor(overdue=2)
    house.an_invoice(service, due=3)
    house.sync()
    found = sheet(house, client)
    assert [str(amount) for amount in found.owed()] == ["10.00", "10.00"]
    assert next((one.invoice.id, one.days, one.services) for one in found.invoices) == (late.id, 2, (service.id,))
    assert found.explained.standing == "overdue"


def test_an_invoice_of_another_client_is_shown_and_not_counted(house: House) -> None:
    client = house.a_client()
    service = house.a_service(client)
    other = house.a_client()
    house.an_invoice(service, client=other, due=-2)
    house.sync()
    found = sheet(house, client)
    assert [one.owner for one in found.invoices] == [other.id]
    assert str(found.owed()[0]) == "0"


def test_records_are_parted_into_what_counts_and_how_the_others_ended(house: House) -> None:
    client, service, _ = house.a_debtor(overdue=1)
    house.sync()
    kept = recorded(house, RecordKind.PROMISE, client_id=client_id(client))
    house.bridge.journal.close_record(kept.id, RecordState.KEPT, house.today)
    broken = recorded(house, RecordKind.PROMISE, client_id=client_id(client))
    house.bridge.journal.close_record(broken.id, RecordState.BROKEN, house.today)
    hold = recorded(house, RecordKind.HOLD, client_id=client_id(client), service_id=service_id(service))
    freeze = recorded(house, RecordKind.FREEZE)
    recorded(house, RecordKind.FREEZE, since=house.day(-9), until=house.day(-8))
    recorded(house, RecordKind.HOLD, client_id=ClientId(77))
    found = sheet(house, client)
    assert [record.id for record in found.in_force()] == [freeze.id, hold.id]
    assert [record.id for record in found.over()] == [broken.id, kept.id]
    assert found.to_json()["records_over"] == {"promise": {"broken": 1, "kept": 1}}


def test_a_record_that_ran_out_does_not_count_before_a_run_has_closed_it(house: House) -> None:
    client, service, _ = house.a_debtor(overdue=1)
    house.sync()
    recorded(house, RecordKind.RELEASE, client_id=client_id(client), service_id=service_id(service), until=house.day(1))
    house.pass_days(2)
    assert sheet(house, client).in_force() == []


def test_whmcs_own_override_is_there_with_its_end_also_when_that_is_over(house: House) -> None:
    client = house.a_client()
    for until in (None, date(2025, 3, 20), date(2025, 3, 10)):
        house.a_service(client, override=True, override_until=until)
    house.a_service(client)
    house.a_service(client, override=True, status="Terminated")
    house.sync()
    overrides = sheet(house, client).overrides
    assert [(one.service, one.over, one.said) for one in overrides] == [
        (1, False, "without an end"),
        (2, False, "until 2025-03-19"),
        (3, True, "ran out on 2025-03-09"),
    ]


def test_what_waits_for_a_person_is_on_it(house: House) -> None:
    hosting = {"class": {"hosting": HOSTING}, "approval": {"terminate": "required"}}
    with House.of(hosting) as house:
        client, service, _ = house.a_debtor(overdue=2)
        house.sync()
        asked = ByHand("bo", "left", early=True)
        house.bridge.plan_by_hand(Kind.TERMINATE, [service_id(service)], asked)
        assert [(one.kind, one.proposed_by) for one in sheet(house, client).waiting] == [
            ("terminate", ("bo", "bridge"))
        ]


def test_what_was_done_is_the_newest_first(house: House) -> None:
    client, _, invoice = house.a_debtor(overdue=5)
    house.sync()
    house.pay(invoice)
    house.next_day()
    history = sheet(house, client).history
    assert [line["step"]["kind"] for line in history if line["type"] == "step"] == ["unsuspend", "suspend"]
    assert len(sheet(house, client, history=1).history) == 1


def test_of_many_services_those_in_debt_come_first_and_the_rest_is_counted(house: House) -> None:
    client = house.a_client()
    services = [house.a_service(client) for _ in range(5)]
    house.an_invoice(services[4], due=-1)
    house.sync()
    found = sheet(house, client, services=2)
    assert found.explained.services[0].facts.service.id == services[4].id
    assert found.services_left_out == 3


def test_it_works_while_whmcs_is_away_and_says_of_whom_it_knows_nothing(house: House) -> None:
    client, _, _ = house.a_debtor(overdue=5)
    house.sync()
    house.faults(Fault("*", faults.Kind.HTTP_500, count=0))
    assert json.dumps(sheet(house, client).to_json())
    with pytest.raises(UnknownId, match="no client 99"):
        house.bridge.client_sheet(ClientId(99))


def test_machines_get_every_part_of_it(house: House) -> None:
    client, _, invoice = house.a_debtor(overdue=5)
    house.sync()
    recorded(house, RecordKind.RECEIPT, client_id=client_id(client), invoice_id=InvoiceId(invoice.id), sort="client")
    found = sheet(house, client).to_json()
    assert found["owed"] == {"overdue": "10.00", "not_yet_due": "0"}
    assert [record["kind"] for record in found["records"]] == ["receipt"]
    assert found["services"][0]["stage"] == "suspended"
    assert {"vip", "membership", "whmcs_overrides", "waiting_for_approval", "tasks", "history"} <= set(found)
