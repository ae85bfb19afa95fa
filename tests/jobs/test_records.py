"""What people tell the bridge: admitted whole or not at all, ended by a person, found kept or broken by the runs."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, NEVER_SLEEP, House, WorldClock, a_world, client_id, service_id, settings_of
from whmcs_bridge.domain.ids import ClientId, InvoiceId, LineId, ServiceId
from whmcs_bridge.domain.records import Instalment, Record, RecordKind, RecordState
from whmcs_bridge.errors import BridgeError, RecordRefused, UnknownId
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.records import settle_records
from whmcs_bridge.simulator import automation
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.simulator.records import Client, Invoice, Service
from whmcs_bridge.wiring import open_bridge

WAYS = [
    (RecordKind.PROMISE, RecordState.CANCELLED),
    (RecordKind.RELEASE, RecordState.CANCELLED),
    (RecordKind.DISPUTE, RecordState.RESOLVED),
    (RecordKind.DISPUTE, RecordState.UPHELD),
    (RecordKind.RECEIPT, RecordState.VERIFIED),
    (RecordKind.RECEIPT, RecordState.REJECTED),
    (RecordKind.RECEIPT, RecordState.FORGED),
    (RecordKind.HOLD, RecordState.LIFTED),
    (RecordKind.FREEZE, RecordState.LIFTED),
    (RecordKind.ARRANGEMENT, RecordState.CANCELLED),
]


def wanted(house: House, kind: RecordKind, until: int | None = None, **fields: Any) -> Record:
    fields = {"author": "ana", "reason": "phoned", "since": house.today, **fields}
    last = None if until is None else house.day(until)
    return Record(0, kind, RecordState.OPEN, made_on=house.today, until=last, **fields)


def of_kind(house: House, kind: RecordKind, client: Client, service: Service, invoice: Invoice) -> Record:
    """One that is admitted for a service suspended for this invoice."""
    about: Mapping[RecordKind, dict[str, Any]] = {
        RecordKind.PROMISE: {"client_id": client_id(client)},
        RecordKind.RELEASE: {"service_id": service_id(service)},
        RecordKind.DISPUTE: {"invoice_id": InvoiceId(invoice.id)},
        RecordKind.RECEIPT: {"invoice_id": InvoiceId(invoice.id), "sort": "bank"},
        RecordKind.HOLD: {"service_id": service_id(service), "sort": "legal"},
        RecordKind.FREEZE: {},
        RecordKind.ARRANGEMENT: {
            "client_id": client_id(client),
            "parts": (Instalment(Decimal("4.00"), house.day(1)), Instalment(Decimal("6.00"), house.day(20))),
        },
    }
    until = None if kind in (RecordKind.RELEASE, RecordKind.RECEIPT, RecordKind.ARRANGEMENT) else 3
    return wanted(house, kind, until, **about[kind])


def suspended(house: House) -> tuple[Client, Service, Invoice]:
    """A client of three years, whose service we suspended today for an invoice of 10.00."""
    client, service, invoice = house.a_debtor(overdue=3)
    client.created = house.day(-1100)
    house.sync()
    assert service.status == "Suspended"
    return client, service, invoice


# --- admitted, or refused in one line ---------------------------------------------------------------


@pytest.mark.parametrize(("kind", "state"), WAYS)
def test_every_kind_is_recorded_and_ended_by_a_person(kind: RecordKind, state: RecordState) -> None:
    with House.of() as house:
        made = house.bridge.record(of_kind(house, kind, *suspended(house)))
        assert (made.id, made.state, made.against) == (1, RecordState.OPEN, "")
        ended = house.bridge.end_record(made.id, kind, state, author="bob", reason="called back")
        assert (ended.state, ended.closed_on) == (state, house.today)
        assert (ended.closed_by, ended.closed_why) == ("bob", "called back")
        with pytest.raises(RecordRefused, match=f"{kind} 1 is {state}"):
            house.bridge.end_record(made.id, kind, state, author="bob")


def test_a_record_is_ended_as_what_it_is() -> None:
    with House.of() as house:
        made = house.bridge.record(of_kind(house, RecordKind.HOLD, *suspended(house)))
        with pytest.raises(UnknownId, match="1 is a hold, no promise"):
            house.bridge.end_record(made.id, RecordKind.PROMISE, RecordState.CANCELLED, author="bob")
        with pytest.raises(UnknownId, match="no promise 9"):
            house.bridge.end_record(9, RecordKind.PROMISE, RecordState.CANCELLED, author="bob")
        with pytest.raises(RecordRefused, match="cannot be kept by hand"):
            house.bridge.end_record(made.id, RecordKind.HOLD, RecordState.KEPT, author="bob")


def test_a_receipt_may_turn_out_forged_when_it_was_verified_already() -> None:
    with House.of() as house:
        client, service, invoice = suspended(house)
        made = house.bridge.record(of_kind(house, RecordKind.RECEIPT, client, service, invoice))
        for state in (RecordState.VERIFIED, RecordState.FORGED):
            house.bridge.end_record(made.id, RecordKind.RECEIPT, state, author="bob")
        other = house.an_invoice(service, due=10)
        house.bridge.reevaluate(client_id(client), "a new invoice")
        with pytest.raises(RecordRefused, match="receipt 1 of this client was forged; wait for the money"):
            house.bridge.record(of_kind(house, RecordKind.RECEIPT, client, service, other))


BAD: list[tuple[RecordKind, dict[str, Any], str]] = [
    (RecordKind.PROMISE, {"until": -1}, "a promise needs a day from"),
    (
        RecordKind.PROMISE,
        {"until": 3, "amount": Decimal("10.01")},
        "10.01 is more than the debt of 10.00; name at most",
    ),
    (RecordKind.PROMISE, {"until": 3, "amount": Decimal(0)}, "0 is no amount to pay"),
    (RecordKind.PROMISE, {"until": 11}, "beyond the 10 days that promises of one case may defer; the last day is"),
    (RecordKind.PROMISE, {"until": 3, "reason": "  "}, "needs a reason"),
    (RecordKind.PROMISE, {"until": 3, "author": ""}, "needs a reason and somebody"),
    (RecordKind.RELEASE, {"until": -1}, "is past; a release ends on"),
    (RecordKind.RELEASE, {"until": 4}, "beyond the 3 days of a client of 36 months; the last day is"),
    (RecordKind.RELEASE, {"service_id": None, "client_id": ClientId(1)}, "a trust release is for one service"),
    (RecordKind.DISPUTE, {"until": -1}, "is past; name a day"),
    (RecordKind.DISPUTE, {"amount": Decimal("10.01")}, "10.01 is more than the balance of 10.00"),
    (RecordKind.DISPUTE, {"line_id": LineId(77)}, "has no line 77; it has"),
    (RecordKind.RECEIPT, {"sort": "picture"}, "a receipt comes via client or bank"),
    (RecordKind.RECEIPT, {"until": 30}, "beyond 3 bank days; the last day is"),
    (RecordKind.RECEIPT, {"until": -1}, "is past; name a day"),
    (RecordKind.HOLD, {"until": -1}, "is past; name a day"),
    (RecordKind.HOLD, {"sort": "mood"}, "a hold is legal or other, not 'mood'"),
    (RecordKind.FREEZE, {"until": None}, "a freeze needs its last day"),
    (RecordKind.FREEZE, {"until": -4}, "is before its first"),
    (RecordKind.FREEZE, {"since": date(2024, 1, 1)}, "more than 60 days ago"),
    (RecordKind.ARRANGEMENT, {"parts": ()}, "needs its parts; name each as AMOUNT@DATE"),
]


@pytest.mark.parametrize(("kind", "fields", "said"), BAD)
def test_bad_input_is_refused_in_one_line_and_nothing_is_recorded(
    kind: RecordKind, fields: dict[str, Any], said: str
) -> None:
    with House.of() as house:
        good = of_kind(house, kind, *suspended(house))
        if isinstance(fields.get("until"), int):
            fields = {**fields, "until": house.day(fields["until"])}
        with pytest.raises(RecordRefused) as refused:
            house.bridge.record(replace(good, **fields))
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
        assert house.bridge.journal.records() == []


@pytest.mark.parametrize(
    "about", [{"client_id": ClientId(99)}, {"service_id": ServiceId(99)}, {"invoice_id": InvoiceId(99)}]
)
def test_unknown_ids_are_named_with_what_to_do(about: dict[str, Any]) -> None:
    with House.of() as house:
        suspended(house)
        with pytest.raises(UnknownId, match="99 is not in the mirror; check the number, or run a sync first"):
            house.bridge.record(wanted(house, RecordKind.DISPUTE, 3, **about))
        assert house.bridge.journal.records() == []


def test_a_service_of_another_client_is_not_taken_for_this_ones() -> None:
    with House.of() as house:
        _, service, _ = suspended(house)
        other = house.a_client()
        house.sync()
        asked = wanted(house, RecordKind.HOLD, 3, client_id=client_id(other), service_id=service_id(service))
        with pytest.raises(RecordRefused, match=f"is client 1's, not client {other.id}'s"):
            house.bridge.record(asked)


def test_what_is_paid_needs_no_receipt_and_no_dispute() -> None:
    with House.of() as house:
        client, service, invoice = suspended(house)
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "paid")
        for kind in (RecordKind.RECEIPT, RecordKind.DISPUTE):
            with pytest.raises(BridgeError, match=f"invoice {invoice.id} is not"):
                house.bridge.record(of_kind(house, kind, client, service, invoice))


# --- past the rules, with a reason ------------------------------------------------------------------


def test_staff_goes_past_a_rule_with_a_reason_and_the_record_says_past_which() -> None:
    with House.of() as house:
        client, service, invoice = suspended(house)
        long = replace(of_kind(house, RecordKind.PROMISE, client, service, invoice), until=house.day(30))
        made = house.bridge.record(long, override=True)
        assert made.against.endswith("is beyond the 10 days that promises of one case may defer")
        assert house.bridge.journal.records() == [made]


def test_an_override_without_need_is_an_ordinary_record() -> None:
    with House.of() as house:
        made = house.bridge.record(of_kind(house, RecordKind.PROMISE, *suspended(house)), override=True)
        assert made.against == ""


def test_no_override_without_a_reason_and_none_past_what_cannot_be() -> None:
    with House.of() as house:
        client, service, invoice = suspended(house)
        good = of_kind(house, RecordKind.PROMISE, client, service, invoice)
        for bad in (replace(good, reason=""), replace(good, amount=Decimal(999)), replace(good, until=house.day(-1))):
            with pytest.raises(RecordRefused):
                house.bridge.record(bad, override=True)
        assert house.bridge.journal.records() == []


def test_an_abuser_is_not_released_by_any_override() -> None:
    with House.of() as house:
        client, service, invoice = suspended(house)
        service.suspend_reason = "Abuse"
        house.sync()
        with pytest.raises(RecordRefused, match=r"others suspended it \(Abuse\); settle that first"):
            house.bridge.record(of_kind(house, RecordKind.RELEASE, client, service, invoice), override=True)
        assert service.status == "Suspended"


def test_a_release_brings_the_service_back_now_and_takes_it_down_by_itself() -> None:
    with House.of() as house:
        _, service, _ = found = suspended(house)
        made = house.bridge.record(of_kind(house, RecordKind.RELEASE, *found))
        assert (service.status, made.until) == ("Active", house.day(3))
        house.next_day(3)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"
        assert [r.state for r in house.bridge.journal.records()] == [RecordState.RESOLVED]


# --- kept and broken --------------------------------------------------------------------------------


def test_a_promise_is_found_kept_when_the_money_comes() -> None:
    with House.of() as house:
        client, _, invoice = found = suspended(house)
        house.bridge.record(of_kind(house, RecordKind.PROMISE, *found))
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        (kept,) = house.bridge.journal.records()
        assert (kept.state, kept.closed_on, kept.closed_by) == (RecordState.KEPT, house.today, "bridge")
        assert kept.closed_why == f"10.00 of 10.00 came by {house.day(3)}"


def test_a_promise_is_found_broken_by_the_run_after_its_last_day_and_not_by_a_hook() -> None:
    with House.of() as house:
        client, _, invoice = found = suspended(house)
        house.bridge.record(of_kind(house, RecordKind.PROMISE, *found))
        house.pay(invoice, cents=400)
        house.next_day(3)
        house.pass_days(1)
        house.bridge.reevaluate(client_id(client), "UserLogin")
        assert [r.state for r in house.bridge.journal.records()] == [RecordState.OPEN]
        house.sync()
        (broken,) = house.bridge.journal.records()
        assert (broken.state, broken.closed_on) == (RecordState.BROKEN, house.today)
        assert broken.closed_why == f"4.00 of 10.00 came by {house.day(-1)}"


def test_a_payment_that_is_taken_back_leaves_the_kept_promise_kept() -> None:
    with House.of() as house:
        client, _, invoice = found = suspended(house)
        house.bridge.record(of_kind(house, RecordKind.PROMISE, *found))
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        automation.reverse_payment(house.world, invoice, 1000)
        house.next_day(5)
        assert [r.state for r in house.bridge.journal.records()] == [RecordState.KEPT]


def test_an_arrangement_says_why_it_ended() -> None:
    with House.of() as house:
        client, service, invoice = found = suspended(house)
        house.bridge.record(of_kind(house, RecordKind.ARRANGEMENT, *found))
        house.pay(invoice, cents=400)
        house.bridge.reevaluate(client_id(client), "AddInvoicePayment")
        assert service.status == "Active"
        said = house.bridge.explain_service(service_id(service)).stands
        assert [s.kind for s in said] == ["arrangement"]
        assert "4.00 came, next 6.00 by" in said[0].said
        house.next_day(20)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"
        (ended,) = house.bridge.journal.records()
        assert ended.state is RecordState.BROKEN
        assert ended.closed_why == f"6.00 was due on {house.day(-1)} and did not come"


# --- what is shown ----------------------------------------------------------------------------------


def test_an_explanation_names_the_freeze_that_moved_the_clock_after_it_is_over() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.bridge.record(wanted(house, RecordKind.FREEZE, 1, reason="bank is down"))
        house.next_day(3)
        assert service.status == "Active"
        stands = house.bridge.explain_service(service_id(service)).stands
        assert [(s.kind, s.record) for s in stands] == [("freeze", 1)]
        assert "stood still for everyone on 2 of the days since" in stands[0].said
        house.next_day()
        assert service.status == "Suspended"


def test_whmcs_own_override_stands_beside_ours_and_is_listed_when_it_ran_out() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=1)
        service.override, service.override_until = True, house.day(2)
        house.sync()
        (stands,) = house.bridge.explain_service(service_id(service)).stands
        assert (stands.kind, stands.until, stands.over) == ("override", house.day(1), False)
        house.next_day(2)
        (stands,) = house.bridge.explain_service(service_id(service)).stands
        assert stands.over
        assert "override-over" in house.task_codes()


# --- two at once ------------------------------------------------------------------------------------


def _ask(folder: str, service: int, day: str, go: Any, said: Any) -> None:
    """Another operator's command: the same release, at the same moment."""
    world = a_world()
    settings = settings_of({"class": {"hosting": HOSTING}}, Path(folder, "bridge.toml"))
    bridge = open_bridge(settings, adapter=SimulatorAdapter(world), clock=WorldClock(world), sleep=NEVER_SLEEP)
    today = date.fromisoformat(day)
    one = Record(0, RecordKind.PROMISE, RecordState.OPEN, "op", "phoned", today, today, today)
    try:
        go.wait(30)
        kept = bridge.record(replace(one, service_id=ServiceId(service)))
        said.put(f"recorded {kept.id}")
    except BridgeError as refused:
        said.put(str(refused))
    finally:
        bridge.close()


def test_two_operators_at_once_do_not_both_get_the_only_one(tmp_path: Path) -> None:
    with House.of(folder=tmp_path) as house:
        _, service, _ = suspended(house)
        today = house.today.isoformat()
    there = multiprocessing.get_context("spawn")
    go, said = there.Event(), there.Queue()
    asked = [there.Process(target=_ask, args=(str(tmp_path), service.id, today, go, said)) for _ in range(2)]
    for process in asked:
        process.start()
    go.set()
    answers = sorted(said.get(timeout=60) for _ in asked)
    for process in asked:
        process.join(30)
    assert answers[1] == "recorded 1"
    assert answers[0].startswith("another promise is still running (1 until")


def test_what_a_person_ends_while_a_run_judges_it_stays_as_the_person_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with House.of() as house:
        made = house.bridge.record(of_kind(house, RecordKind.PROMISE, *suspended(house)))
        house.pass_days(5)
        journal, seen = house.bridge.journal, list[ClientId]()

        def ended_meanwhile(client: ClientId) -> Any:
            if not seen:
                seen.append(client)
                house.bridge.end_record(made.id, RecordKind.PROMISE, RecordState.CANCELLED, author="bob", reason="typo")
            return found(client)

        found = house.bridge.mirror.book
        monkeypatch.setattr(house.bridge.ports, "mirror", _Watched(house.bridge.mirror, ended_meanwhile))
        with journal.writer():
            settle_records(house.bridge.ports, Memory(journal, house.today))
        assert seen == [made.client_id]
        (record,) = journal.records()
        assert (record.state, record.closed_by, record.closed_why) == (RecordState.CANCELLED, "bob", "typo")


class _Watched:
    """A mirror whose reading of one client is looked at."""

    def __init__(self, mirror: Any, book: Any) -> None:
        self._mirror, self.book = mirror, book

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mirror, name)
