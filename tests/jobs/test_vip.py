"""VIP over runs: what it costs, groups that change, merges, and what holds whatever happens to a book."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hooks.after_client_merge import handle as merged
from tests.house import HOSTING, House, client_id, done, results
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.jobs.vip import Place, vip_audit, vip_line
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.automation import refund, reverse_payment
from whmcs_bridge.simulator.endings import merge_clients
from whmcs_bridge.simulator.records import Client, Group

MEMBERS: Mapping[str, Any] = {"group": "VIP", "min_tenure_months": 18, "max_late_payments": 1}
RULES: Mapping[str, Any] = {"class": {"hosting": {**HOSTING, "suspend_after_days": 9}}, "vip": MEMBERS}


def a_vip(house: House, **fields: Any) -> Client:
    """An old client with a service, a member after this."""
    client = house.a_client(created=house.day(-900), **fields)
    house.a_service(client, registered=house.day(-900))
    house.sync()
    assert client.group == 1
    return client


# --- what it costs ----------------------------------------------------------------------------------------


def test_on_an_ordinary_day_vip_costs_no_call_of_its_own() -> None:
    """History comes from the mirror: the same calls with and without the rules, however many clients there are."""
    counts = []
    for rules in (RULES, {"class": RULES["class"]}):
        with House.of(rules) as house:
            for number in range(30):
                client = house.a_client(created=house.day(-900))
                service = house.a_service(client, registered=house.day(-900))
                house.pay(house.an_invoice(service, due=-30 + number % 20))
            house.sync()
            calls: Counter[str] = Counter()
            house.adapter.front.on_call = lambda action, _, calls=calls: calls.update([action.lower()])
            house.next_day(3)
            counts.append(calls)
            assert calls["getclientsdetails"] == 0
    assert counts[0] == counts[1]


def test_a_payment_reaches_the_record_without_reading_the_client() -> None:
    with House.of(RULES) as house:
        client = a_vip(house)
        invoice = house.an_invoice(house.a_service(client), due=4)
        house.next_day()
        house.pay(invoice)
        house.next_day()
        book = house.bridge.mirror.book(client_id(client))
        assert book is not None
        assert [paid.id for paid in book.history] == [invoice.id]


# --- groups that are not what they were -------------------------------------------------------------------


def test_another_group_in_the_settings_is_looked_at_as_on_the_first_day() -> None:
    """Who was a member of the old one was not taken out of the new one by anybody's hand."""
    with House.of(RULES) as house:
        house.world.add_group(Group(7, "Gold"))
        client = a_vip(house)
        house.reconfigure({**RULES, "vip": {**MEMBERS, "group": "Gold", "managed_groups": ["Gold", "VIP", ""]}})
        assert done(house.next_day()) == ["vip_add"]
        assert client.group == 7
        invoice = house.an_invoice(house.a_service(client), due=-1)
        house.next_day()
        assert client.group == 1
        house.pay(invoice)
        house.next_day()
        assert client.group == 7


def test_a_group_that_was_made_anew_in_whmcs_is_another_one() -> None:
    with House.of(RULES) as house:
        client = a_vip(house)
        house.world.set_group(client, 0)
        del house.world.groups[1]
        house.next_day()
        house.world.add_group(Group(8, "VIP"))
        house.next_day()
        assert client.group == 8


def test_a_previous_group_that_whmcs_has_no_more_is_not_gone_back_to() -> None:
    with House.of({**RULES, "vip": {**MEMBERS, "managed_groups": ["VIP", "Resellers", ""]}}) as house:
        client = a_vip(house, group=3)
        del house.world.groups[3]
        house.an_invoice(house.a_service(client), due=-1)
        report = house.next_day()
        assert results(report, Kind.VIP_REMOVE) == [("vip_remove", "done")]
        assert client.group == 0


def test_what_a_move_brings_stands_in_the_plan_and_the_journal() -> None:
    with House.of({**RULES, "vip": {**MEMBERS, "managed_groups": ["VIP", "Resellers", ""]}}) as house:
        house.world.groups[1] = Group(1, "VIP", discount_percent="15.00")
        client = a_vip(house, group=3)
        (step,) = house.bridge.journal.steps(client=client_id(client), kind=Kind.VIP_ADD)
        assert step.step.reason.endswith("; 15 % discount on new invoices")
        house.an_invoice(house.a_service(client), due=-1)
        house.next_day()
        (step,) = house.bridge.journal.steps(client=client_id(client), kind=Kind.VIP_REMOVE)
        assert step.step.reason.endswith("; back to Resellers, no 15 % discount any more")


# --- records that change hands or are taken back ----------------------------------------------------------


def test_tenure_and_history_follow_a_merged_client() -> None:
    with House.of(RULES) as house:
        old = house.a_client(created=house.day(-900), group=3)
        young = house.a_client(created=house.day(-30))
        service = house.a_service(old, registered=house.day(-900))
        house.pay(house.an_invoice(service, due=-20))
        house.sync()
        assert vip_line(house.bridge.ports, client_id(young)).place is Place.OUT
        merge_clients(house.world, old, young)
        at = house.bridge.clock.now()
        told = {"toUserID": young.id, "fromUserID": old.id}
        merged(HookEvent("AfterClientMerge", told, at, Actor.ADMIN), house.bridge)
        house.next_day(2)
        assert young.group == 1
        book = house.bridge.mirror.book(client_id(young))
        assert book is not None
        assert len(book.history) == 1
        known = house.bridge.journal.membership(client_id(young))
        assert known is not None
        assert known.merged_since == old.created


@pytest.mark.parametrize("back", [reverse_payment, refund])
def test_a_reversal_stands_in_the_record_and_a_refund_does_not(back: Any) -> None:
    with House.of({**RULES, "vip": {**MEMBERS, "max_late_payments": 0}}) as house:
        client = a_vip(house)
        invoice = house.an_invoice(house.a_service(client), due=5)
        house.pay(invoice)
        house.next_day()
        back(house.world, invoice)
        house.next_day(2)
        assert client.group == 1
        if back is reverse_payment:
            house.pay(invoice)
            house.next_day()
        line = vip_line(house.bridge.ports, client_id(client))
        assert line.member
        assert line.eligible is (back is refund)


# --- whatever happens -------------------------------------------------------------------------------------

HAPPENINGS = ("bill", "bill", "bill late", "pay", "pay", "pay", "reverse", "staff moves", "pin", "unpin", "nothing")


class Book:
    """Four clients in a house, and what staff did to whom."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.touched: set[int] = set()
        for age in (900, 900, 500, 90):
            client = house.a_client(created=house.day(-age), group=1 if age == 500 else 0)
            house.a_service(client, registered=house.day(-age))

    def happen(self, what: str, number: int, days: int) -> None:
        """One thing happens to one client."""
        house, world = self.house, self.house.world
        client = list(world.clients.values())[number]
        service = world.services[world.services_by_client[client.id][0]]
        mine = [i for i in world.invoices.values() if i.client == client.id]
        unpaid = [i for i in mine if i.status == "Unpaid"]
        paid = [i for i in mine if i.status == "Paid"]
        if what.startswith("bill"):
            house.an_invoice(service, due=-1 if what.endswith("late") else days)
        elif what == "pay" and unpaid:
            house.pay(unpaid[-1])
        elif what == "reverse" and paid:
            reverse_payment(world, paid[-1])
        elif what == "staff moves":
            self.touched.add(client.id)
            world.set_group(client, (0, 1, 3)[days % 3])
        elif what in ("pin", "unpin"):
            self.touched.add(client.id)
            self._pin(client, what == "pin", days)

    def _pin(self, client: Client, pins: bool, days: int) -> None:
        bridge, today = self.house.bridge, self.house.today
        number = client_id(client)
        held = [r for r in bridge.journal.records(client=number, kind=RecordKind.PIN) if r.protects_on(today)]
        if pins and not held:
            until = self.house.day(days)
            wanted = Record(0, RecordKind.PIN, RecordState.OPEN, "ana", "x", today, today, until, client_id=number)
            bridge.record(wanted)
        elif not pins and held:
            bridge.end_record(held[0].id, RecordKind.PIN, RecordState.LIFTED, author="ana", reason="x")

    def owing(self) -> set[int]:
        """Who owes something overdue in WHMCS itself."""
        return {
            i.client for i in self.house.world.invoices.values() if i.status == "Unpaid" and i.due < self.house.today
        }

    def members(self) -> set[int]:
        return {c.id for c in self.house.world.clients.values() if c.group == 1}


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(0, 3), st.integers(0, 5)), max_size=3),
        min_size=3,
        max_size=9,
    )
)
def test_nobody_overdue_is_a_member_after_a_run_and_nobody_paid_up_is_put_out(days: list[list[Any]]) -> None:
    rules = {**RULES, "vip": {**MEMBERS, "managed_groups": ["VIP", "Resellers", ""]}}
    with House.of(rules) as house:
        book = Book(house)
        house.sync()
        for happenings in days:
            before = book.members()
            for what, number, count in happenings:
                book.happen(what, number, count)
            report = house.next_day()
            owing, members = book.owing(), book.members()
            assert not report.problems
            assert not owing & members
            assert before - members <= owing | book.touched
            again = house.sync()
            assert results(again, Kind.VIP_ADD) == results(again, Kind.VIP_REMOVE) == []
            assert [d for d in vip_audit(house.bridge.ports, live=True) if d.grade == "drift"] == []
