"""The gate file says what WHMCS may do by itself while the bridge cannot be asked."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, House, client_id, service_id
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.jobs.gate import ALSO_DOWN
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.endings import request_cancellation


def gate_of(house: House) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((house.bridge.settings.folder / "gate.json").read_text("utf-8"))
    return found


def test_it_answers_as_the_bridge_would_this_moment(tmp_path: Path) -> None:
    """Every service of a mixed house: what the file says is what the bridge says, a suspension by itself aside."""
    with House.of(folder=tmp_path) as house:
        house.a_debtor(overdue=3)
        house.a_debtor(overdue=1)
        _, down, _ = house.a_debtor(overdue=2)
        paid_up = house.a_service()
        leaving = house.a_service()
        request_cancellation(house.world, leaving, "Immediate", "moving")
        abuse = house.a_service(status="Suspended", suspend_reason="spam")
        blank = house.a_service(status="Suspended")
        house.an_invoice(blank, due=-30)
        house.next_day()
        assert down.status == "Suspended"
        gate = gate_of(house)
        assert (gate["v"], gate["mode"], gate["held"], gate["only"]) == (1, "enforce", "", None)
        for service in house.world.services.values():
            number, asked = str(service.id), service_id(service)
            refused = number in gate["unsuspend_refused"] or number in gate["unsuspend_never"]
            assert (not refused) is house.bridge.may(Kind.UNSUSPEND, asked).allowed
            assert (number in gate["terminate"]) is house.bridge.may(Kind.TERMINATE, asked).allowed
        assert gate["unsuspend_refused"][str(down.id)]["why"] in (ALSO_DOWN, "invoice 3 is still open")
        assert gate["unsuspend_refused"][str(down.id)]["invoices"] == [3]
        assert gate["terminate"][str(leaving.id)]["invoices"] == []
        assert str(leaving.id) in gate["terminate"]
        assert str(paid_up.id) not in {*gate["suspend"], *gate["terminate"], *gate["unsuspend_refused"]}
        assert str(abuse.id) not in gate["terminate"]


def test_a_service_that_is_due_today_may_go_down_whoever_asks_first(tmp_path: Path) -> None:
    """The module broke under the bridge's own step: WHMCS's cron may do it, and nobody may lift it."""
    with House.of(folder=tmp_path) as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        gate = gate_of(house)
        assert gate["suspend"] == {str(service.id): {"why": "overdue by the house's rules", "invoices": [invoice.id]}}
        assert gate["unsuspend_refused"] == {str(service.id): {"why": ALSO_DOWN, "invoices": [invoice.id]}}


def test_what_no_payment_changes_is_listed_apart(tmp_path: Path) -> None:
    """WHMCS's side lets whoever has paid since past the list of debtors, and past this one nobody."""
    with House.of(folder=tmp_path) as house:
        service = house.a_service(status="Suspended")
        house.sync()
        house.bridge.confirm_suspension(service_id(service), Adoption.STAFF, "ana")
        house.sync()
        assert list(gate_of(house)["unsuspend_never"]) == [str(service.id)]
        assert gate_of(house)["unsuspend_refused"] == {}


def test_products_without_a_class_are_nobodys_business(tmp_path: Path) -> None:
    with House.of({"class": {"vps": {"product_types": ["server"], "suspend_after_days": 1}}}, folder=tmp_path) as house:
        house.a_debtor(overdue=5)
        house.sync()
        assert (gate_of(house)["free_products"], gate_of(house)["suspend"]) == ([1], {})


def test_a_pause_and_a_few_first_are_in_it(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        client, _, _ = house.a_debtor(group=3)
        house.sync()
        house.bridge.enforce_only(["Resellers"], [client_id(client)], "ana")
        house.bridge.pause(reason="inventory")
        house.sync()
        gate = gate_of(house)
        assert gate["only"] == {"clients": [client.id], "groups": [3]}
        assert gate["held"].endswith("inventory")


def test_half_a_book_makes_no_gate_and_a_file_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    with House.of({"class": {"hosting": HOSTING}}, folder=tmp_path) as house:
        house.a_debtor()
        house.sync()
        path = tmp_path / "gate.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.unlink()
        path.mkdir()
        report = house.next_day()
        assert [p for p in report.problems if p.startswith(f"the gate file {path} could not be written")]
        assert list(tmp_path.glob("*.part")) == []


# --- between two syncs ----------------------------------------------------------------------------


def told_of(house: House, client: ClientId, event_id: str = "e") -> None:
    """WHMCS tells something of a client, and it is worked off."""
    bridge = house.bridge
    bridge.deliver = lambda event: {client: event.point}
    assert bridge.journal.accept_event(event_id, "InvoicePaid", client, {}, bridge.ports.now())
    bridge.work_off()


def test_who_has_paid_since_is_not_held_by_it_any_more(tmp_path: Path) -> None:
    """Paid, told, and then the receiver dies: WHMCS's own cron may not suspend, and nobody is kept down."""
    with House.of(folder=tmp_path) as house:
        ana, service, invoice = house.a_debtor(overdue=3)
        other = house.a_debtor(overdue=3)[1]
        house.sync()
        before = gate_of(house)
        assert set(before["unsuspend_refused"]) == {str(service.id), str(other.id)}
        house.pass_days()
        house.pay(invoice)
        told_of(house, client_id(ana))
        after = gate_of(house)
        assert set(after["suspend"]) == set(after["unsuspend_refused"]) == {str(other.id)}
        kept = ("made_at", "mode", "held", "only", "free_products")
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_what_staff_lifts_is_in_it_at_once(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        ana, service, _ = house.a_debtor(overdue=3)
        house.world.clients[ana.id].created = house.day(-900)
        house.sync()
        assert str(service.id) in gate_of(house)["suspend"]
        given = Record(0, RecordKind.RELEASE, RecordState.OPEN, "ana", "pays tomorrow", house.today, house.today, None)
        house.bridge.record(replace(given, client_id=client_id(ana), service_id=service_id(service)))
        assert service.status == "Active"
        assert gate_of(house)["suspend"] == gate_of(house)["unsuspend_refused"] == {}


def test_it_is_not_written_again_where_it_would_say_the_same(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        ana, _, _ = house.a_debtor(overdue=3)
        house.next_day()
        told_of(house, client_id(ana))  # down by now, where the sync's file foresaw it
        file = house.bridge.settings.folder / "gate.json"
        written = file.stat().st_ino
        told_of(house, client_id(ana), "again")
        assert file.stat().st_ino == written


@pytest.mark.parametrize("content", ["", "[]", '{"v": 2}', '{"v": 1}', '{"v": 1, "suspend": 3}'])
def test_a_file_that_is_none_of_ours_is_left_to_the_next_sync(tmp_path: Path, content: str) -> None:
    with House.of(folder=tmp_path) as house:
        ana, _, invoice = house.a_debtor(overdue=3)
        house.sync()
        file = house.bridge.settings.folder / "gate.json"
        file.write_text(content)
        house.pay(invoice)
        told_of(house, client_id(ana))
        assert file.read_text() == content
