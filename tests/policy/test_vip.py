"""VIP: eligible by tenure, record and revenue or a pin; a member only while paid up (design section 9)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    DUE,
    a_client,
    a_group,
    a_line,
    a_policy,
    a_record,
    a_service,
    an_invoice,
    client_facts,
    day,
    paid_invoice,
)
from whmcs_bridge.domain.book import ClientGroup
from whmcs_bridge.domain.facts import ClientFacts, Membership, PaidInvoice
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ClientStatus, InvoiceStatus, ServiceStatus
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.decision import ClientDecision, Kind, Standing
from whmcs_bridge.policy.rules import VipRules
from whmcs_bridge.policy.vip import (
    custom_since,
    decide_client,
    effects_of_move,
    eligibility,
    is_late,
    months_before,
    tenure_months,
    would_change,
)

VIP_GROUP = a_group(9, "VIP")
RULES = VipRules("VIP", min_tenure_months=18, max_late_payments=1, managed_groups=("VIP", ""))


def client(group: ClientGroup | None = None, since: date | None = date(2020, 1, 15), **more: Any) -> ClientFacts:
    more.setdefault("invoices", [])
    found = a_client(since=since, group=group.id if group else 0)
    return client_facts(client=found, group=group, services=[a_service()], **more)


def judge(facts: ClientFacts, rules: VipRules = RULES, today: date = DUE, group: ClientGroup | None = VIP_GROUP) -> Any:
    return decide_client(facts, a_policy(vip=rules), group, today)


def moves(decision: ClientDecision) -> list[str]:
    return [d.kind.value for d in decision.due]


# --- months -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 3, 10), 12, date(2025, 3, 10)),
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2026, 1, 31), 2, date(2025, 11, 30)),
        (date(2026, 1, 15), 13, date(2024, 12, 15)),
        (date(2026, 5, 31), 0, date(2026, 5, 31)),
        (date(2025, 8, 31), -6, date(2026, 2, 28)),
    ],
)
def test_months_back_end_on_the_same_day_or_the_last(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before


@pytest.mark.parametrize(
    ("since", "today", "months"),
    [
        (date(2025, 3, 10), date(2026, 3, 10), 12),
        (date(2025, 3, 10), date(2026, 3, 9), 11),
        (date(2025, 8, 31), date(2026, 2, 28), 6),
        (date(2025, 8, 31), date(2026, 2, 27), 5),
        (date(2024, 2, 29), date(2025, 2, 28), 12),
        (date(2024, 2, 29), date(2025, 2, 27), 11),
        (date(2024, 2, 29), date(2028, 2, 28), 47),
        (date(2024, 2, 29), date(2028, 2, 29), 48),
        (date(2026, 1, 31), date(2026, 3, 30), 1),
        (date(2026, 1, 31), date(2026, 3, 31), 2),
        (date(2026, 3, 10), date(2026, 3, 10), 0),
        (date(2026, 3, 11), date(2026, 3, 10), 0),
        (None, date(2026, 3, 10), 0),
    ],
)
def test_tenure_counts_whole_months(since: date | None, today: date, months: int) -> None:
    assert tenure_months(since, today) == months


# --- the record ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("paid_on", "late"), [(0, False), (1, False), (2, True), (-5, False)])
def test_late_means_more_than_n_days_after_due(paid_on: int, late: bool) -> None:
    """ "`late_means_days` = 1: paid more than N days after due"."""
    assert is_late(paid_invoice(paid_on=day(paid_on)), 1, Calendar()) is late


def test_a_reversed_payment_is_late_whenever_it_came() -> None:
    assert is_late(paid_invoice(paid_on=day(-5), reversed=True), 1, Calendar())


def test_a_due_date_on_a_weekend_is_mondays_for_a_gateway_with_clearing_days() -> None:
    saturday, tuesday = date(2026, 3, 14), date(2026, 3, 17)
    calendar = Calendar(clearing_bank_days={"boleto": 2})
    assert not is_late(paid_invoice(due=saturday, paid_on=tuesday, gateway="boleto"), 1, calendar)
    assert is_late(paid_invoice(due=saturday, paid_on=tuesday, gateway="stripe"), 1, calendar)


def test_an_invoice_without_a_due_date_cannot_be_late() -> None:
    assert not is_late(paid_invoice(due=None, paid_on=day(900)), 1, Calendar())


def late_on(when: date, number: int = 90) -> PaidInvoice:
    return paid_invoice(number, when - timedelta(days=10), when)


@pytest.mark.parametrize(
    ("history", "eligible"),
    [
        ((), True),
        ((late_on(day(-5)),), True),
        ((late_on(day(-5)), late_on(day(-35), 91)), False),
        ((late_on(day(-5)), late_on(date(2025, 3, 10), 91)), False),
        ((late_on(day(-5)), late_on(date(2025, 3, 9), 91)), True),
    ],
)
def test_late_payments_within_the_window_count(history: tuple[PaidInvoice, ...], eligible: bool) -> None:
    """ "`max_late_payments` = 1 within `late_payments_window_months` = 12": paid exactly a year ago still counts."""
    assert eligibility(client(history=history), RULES, Calendar(), DUE)[0] is eligible


@pytest.mark.parametrize(("since", "eligible"), [(date(2024, 9, 10), True), (date(2024, 9, 11), False), (None, False)])
def test_tenure_is_asked_for(since: date | None, eligible: bool) -> None:
    assert eligibility(client(since=since), RULES, Calendar(), DUE)[0] is eligible


@pytest.mark.parametrize(("least", "eligible"), [("40.01", False), ("40.00", True)])
def test_what_the_services_bill_in_a_month_is_revenue_too(least: str, eligible: bool) -> None:
    """One service of 40.00 a month; nothing was paid yet that WHMCS remembers."""
    rules = VipRules("VIP", min_monthly_revenue=Decimal(least))
    assert eligibility(client(), rules, Calendar(), DUE)[0] is eligible


@pytest.mark.parametrize(("total", "eligible"), [("599.99", False), ("600.00", True)])
def test_revenue_is_the_mean_of_a_year(total: str, eligible: bool) -> None:
    rules = VipRules("VIP", min_monthly_revenue=Decimal("50.00"))
    paid = paid_invoice(total=total, due=day(-20), paid_on=day(-20))
    old = paid_invoice(91, total="9000.00", due=date(2024, 1, 1), paid_on=date(2024, 1, 1))
    gone = paid_invoice(92, total="9000.00", due=day(-9), paid_on=day(-9), reversed=True)
    rules_without_lateness = VipRules("VIP", max_late_payments=9, min_monthly_revenue=rules.min_monthly_revenue)
    assert eligibility(client(history=(paid, old, gone)), rules_without_lateness, Calendar(), DUE)[0] is eligible


@pytest.mark.parametrize(("today", "eligible"), [(4, False), (5, True), (9, True), (10, False)])
def test_a_pin_makes_eligible_whatever_the_record_says_while_it_lasts(today: int, eligible: bool) -> None:
    pinned = client(since=day(-10), records=[a_record(RecordKind.PIN, day(5), day(9))])
    found, why = eligibility(pinned, RULES, Calendar(), day(today))
    assert found is eligible
    assert ("pinned by staff" in why) is eligible


# --- in and out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("today", "expected"), [(0, []), (1, ["vip_remove"]), (9, ["vip_remove"])])
def test_out_on_the_first_overdue_day(today: int, expected: list[str]) -> None:
    """ "member only while paid up; out on the first overdue day"."""
    decision = judge(client(VIP_GROUP, invoices=[an_invoice()]), today=day(today))
    assert moves(decision) == expected
    if expected:
        assert decision.due[0].invoices == (100,)
        assert decision.due[0].since == DUE


def test_a_pin_does_not_keep_a_member_who_is_overdue() -> None:
    pinned = client(VIP_GROUP, invoices=[an_invoice()], records=[a_record(RecordKind.PIN, day(-9))])
    assert moves(judge(pinned, today=day(1))) == ["vip_remove"]


def test_a_member_whose_invoice_is_disputed_or_pending_stays() -> None:
    disputed = client(VIP_GROUP, invoices=[an_invoice()], records=[a_record(RecordKind.DISPUTE, invoice=100)])
    assert moves(judge(disputed, today=day(5))) == []
    pending = client(VIP_GROUP, invoices=[an_invoice(status=InvoiceStatus.PAYMENT_PENDING)])
    assert moves(judge(pending, today=day(1))) == []


def test_a_member_is_not_taken_out_while_paid_up() -> None:
    """A worse record keeps nobody from being a member until something is overdue."""
    poor = client(VIP_GROUP, since=day(-3), history=(late_on(day(-5)), late_on(day(-35), 91)))
    assert moves(judge(poor)) == []


def test_back_when_paid() -> None:
    """ "back when paid", one late payment of the one allowed."""
    was = Membership(None, day(1), day(1), 0)
    back = client(membership=was, history=(paid_invoice(100, DUE, day(4)),))
    assert moves(judge(back, today=day(4))) == ["vip_add"]


def test_not_back_when_the_record_has_become_too_bad() -> None:
    was = Membership(None, day(1), day(1), 0)
    back = client(membership=was, history=(late_on(day(-40)), paid_invoice(100, DUE, day(4))))
    assert moves(judge(back, today=day(4))) == []


def test_removed_and_added_on_the_same_day() -> None:
    """Out in the morning's run, paid at noon: in again at once; and nobody is both at a time."""
    overdue = client(VIP_GROUP, invoices=[an_invoice()])
    assert moves(judge(overdue, today=day(1))) == ["vip_remove"]
    out = client(membership=Membership(None, day(1), day(1), 0), history=(paid_invoice(100, DUE, day(1)),))
    assert moves(judge(out, today=day(1))) == ["vip_add"]
    again = client(VIP_GROUP, membership=Membership(day(1), day(1), None, 0))
    assert moves(judge(again, today=day(1))) == []


@pytest.mark.parametrize(("group", "expected"), [(None, ["vip_add"]), (a_group(5, "Partners"), [])])
def test_groups_outside_managed_groups_are_respected(group: ClientGroup | None, expected: list[str]) -> None:
    """ "Groups outside `managed_groups` ... are respected"; "" is no group."""
    assert moves(judge(client(group))) == expected


def test_a_group_that_whmcs_does_not_list_is_respected() -> None:
    unknown = client_facts(client=a_client(group=77), group=None, services=[a_service()], invoices=[])
    assert moves(judge(unknown)) == []


def test_who_was_taken_out_by_hand_stays_out() -> None:
    """ "groups changed by hand are respected"."""
    by_hand = client(membership=Membership(None, day(-30), None, None, day(-20)))
    assert moves(judge(by_hand)) == []


def test_who_was_put_in_by_hand_comes_back_after_paying_whatever_the_record_says() -> None:
    by_hand = Membership(None, day(1), day(1), 0, day(-90))
    assert moves(judge(client(since=day(-30), membership=by_hand), today=day(4))) == ["vip_add"]


@pytest.mark.parametrize(("today", "expected"), [(33, []), (34, ["vip_add"])])
def test_probation_counts_from_the_payment(today: int, expected: list[str]) -> None:
    rules = VipRules("VIP", max_late_payments=9, managed_groups=("VIP", ""), probation_days=30)
    was = Membership(None, day(1), day(1), 0)
    back = client(membership=was, history=(paid_invoice(100, DUE, day(4)),))
    assert moves(judge(back, rules, day(today))) == expected


def test_a_vip_group_that_does_not_exist_is_reported_and_nobody_is_moved() -> None:
    decision = judge(client(), group=None)
    assert moves(decision) == []
    assert [n.code for n in decision.notes] == ["vip-group"]


def test_without_vip_rules_there_is_no_vip_work() -> None:
    """ "no `[vip]` table means no VIP work"."""
    assert moves(decide_client(client(VIP_GROUP, invoices=[an_invoice()]), a_policy(), VIP_GROUP, day(5))) == []


@pytest.mark.parametrize(
    ("what", "standing"),
    [
        ("service", Standing.OVERDUE),
        ("domain", Standing.OVERDUE),
        ("funds", Standing.PAID_UP),
        ("mass", Standing.PAID_UP),
    ],
)
def test_standing_is_of_the_client_as_a_whole(what: str, standing: Standing) -> None:
    found = client(VIP_GROUP, invoices=[an_invoice(100, DUE, a_line(what, "40.00", 10))])
    decision = judge(found, today=day(2))
    assert decision.standing is standing
    assert (Kind.VIP_REMOVE in [d.kind for d in decision.due]) is (standing is Standing.OVERDUE)


# --- tenure of those who went, came back or were merged ---------------------------------------------------


def ended(number: int, registered: date, last: date) -> Any:
    return a_service(number, registered=registered, next_due=last, status=ServiceStatus.TERMINATED)


def test_a_refund_by_the_house_is_no_late_payment() -> None:
    assert not is_late(paid_invoice(paid_on=day(-5), reversed=True, refunded=True), 1, Calendar())
    assert is_late(paid_invoice(paid_on=day(5), reversed=True, refunded=True), 1, Calendar())


def test_tenure_of_one_who_left_and_came_back_counts_from_the_return() -> None:
    """Since 2015, gone in 2019, back in June 2025: the years between are none of custom."""
    came_back = client_facts(
        client=a_client(since=date(2015, 1, 15)),
        services=[ended(9, date(2015, 1, 15), date(2019, 3, 1)), a_service(registered=date(2025, 6, 1))],
        invoices=[],
    )
    assert custom_since(came_back, 18, DUE) == date(2025, 6, 1)
    assert eligibility(came_back, RULES, Calendar(), DUE) == (False, "9 of 18 months, back since 2025-06-01")
    assert custom_since(came_back, 0, DUE) == date(2015, 1, 15)


def test_payments_and_short_breaks_keep_tenure_going() -> None:
    """A new service every few years, domains paid in between: the first day stands."""
    services = [ended(9, date(2015, 1, 15), date(2019, 3, 1)), a_service(registered=date(2025, 6, 1))]
    paid = [paid_invoice(n, date(2019 + n, 9, 1), date(2019 + n, 9, 1)) for n in range(1, 6)]
    stayed = client_facts(client=a_client(since=date(2015, 1, 15)), services=services, invoices=[], history=tuple(paid))
    assert custom_since(stayed, 18, DUE) == date(2015, 1, 15)
    gone = replace(stayed, history=tuple(paid[2:]))
    assert custom_since(gone, 18, DUE) == paid[2].paid_on


def test_who_has_been_away_until_now_has_no_tenure() -> None:
    left = client_facts(
        client=a_client(since=date(2015, 1, 15)), services=[ended(9, date(2015, 1, 15), date(2019, 3, 1))], invoices=[]
    )
    assert tenure_months(custom_since(left, 18, DUE), DUE) == 0


def test_without_a_trace_of_a_break_the_clients_own_day_counts() -> None:
    late_first_service = client_facts(
        client=a_client(since=date(2015, 1, 15)), services=[a_service(registered=date(2025, 6, 1))], invoices=[]
    )
    assert custom_since(late_first_service, 18, DUE) == date(2015, 1, 15)


def test_a_merged_client_is_as_old_as_the_first_of_them() -> None:
    merged = client(since=day(-20), membership=Membership(merged_since=date(2019, 5, 1)))
    assert custom_since(merged, 18, DUE) == date(2019, 5, 1)
    assert eligibility(merged, RULES, Calendar(), DUE)[0]


def test_an_inactive_client_is_not_made_a_member() -> None:
    inactive = client()
    inactive = replace(inactive, client=replace(inactive.client, status=ClientStatus.INACTIVE))
    assert moves(judge(inactive)) == []
    assert moves(judge(replace(inactive, records=(a_record(RecordKind.PIN),)))) == ["vip_add"]


# --- probation, pins, hands -------------------------------------------------------------------------------


def test_invoices_paid_in_time_do_not_prolong_probation() -> None:
    rules = VipRules("VIP", max_late_payments=9, managed_groups=("VIP", ""), probation_days=60)
    was = Membership(None, day(1), day(1), 0)
    in_time = tuple(paid_invoice(200 + n, day(10 * n), day(10 * n - 1)) for n in range(1, 6))
    back = client(membership=was, history=(paid_invoice(100, DUE, day(4)), *in_time))
    assert moves(judge(back, rules, day(63))) == []
    assert moves(judge(back, rules, day(64))) == ["vip_add"]


def test_a_member_by_a_pin_leaves_when_the_pin_ends() -> None:
    pin = a_record(RecordKind.PIN, day(-9), day(5))
    young = client(VIP_GROUP, since=day(-30), membership=Membership(day(-9), day(4), None, 0), records=[pin])
    assert moves(judge(young, today=day(5))) == []
    out = judge(young, today=day(6))
    assert moves(out) == ["vip_remove"]
    assert out.due[0].reason == f"the pin by staff ended on {day(5)}"


@pytest.mark.parametrize(
    ("since", "membership"),
    [
        (date(2020, 1, 15), Membership(day(-9), day(4), None, 0)),  # the record would do
        (day(-30), Membership(day(-20), day(4), None, 0)),  # a member before the pin
        (day(-30), Membership(date.min, day(4))),
        (day(-30), Membership(day(-9), day(4), None, 0, day(-9))),  # put in by hand
    ],
)
def test_the_end_of_a_pin_takes_out_nobody_else(since: date, membership: Membership) -> None:
    pin = a_record(RecordKind.PIN, day(-9), day(5))
    assert moves(judge(client(VIP_GROUP, since=since, membership=membership, records=[pin]), today=day(8))) == []


@pytest.mark.parametrize(("pinned_on", "expected"), [(day(-21), []), (day(-20), ["vip_add"])])
def test_a_pin_is_a_later_word_than_a_removal_by_hand(pinned_on: date, expected: list[str]) -> None:
    by_hand = client(
        membership=Membership(None, day(-30), None, None, day(-20)), records=[a_record(RecordKind.PIN, pinned_on)]
    )
    assert moves(judge(by_hand)) == expected


def test_a_vip_group_that_is_not_managed_is_left_alone() -> None:
    """ "Only clients in these groups are moved": out of them as well as into VIP."""
    rules = replace(RULES, managed_groups=("",))
    assert moves(judge(client(VIP_GROUP, invoices=[an_invoice()]), rules, day(5))) == []


# --- what would change it ---------------------------------------------------------------------------------


def change(facts: ClientFacts, rules: VipRules = RULES, today: date = DUE) -> tuple[str, ...]:
    return would_change(facts, judge(facts, rules, today), a_policy(vip=rules), VIP_GROUP, today)


def test_what_would_change_a_membership_is_said_with_its_day() -> None:
    assert change(client(VIP_GROUP)) == ("an invoice that is overdue",)
    assert change(client(VIP_GROUP, invoices=[an_invoice()])) == (f"invoice 100 unpaid on {day(1)}",)
    assert change(client(VIP_GROUP, invoices=[an_invoice()]), today=day(1)) == (
        "payment of invoice 100 before the next run keeps it",
    )
    assert change(client(invoices=[an_invoice()]), today=day(1)) == ("payment of everything overdue",)
    assert change(client()) == ("the next run",)
    assert change(client(since=date(2025, 3, 10))) == ("tenure of 18 months on 2026-09-10",)
    assert change(client(a_group(5, "Partners"))) == (
        "another group, by hand, or adding this one to [vip] managed_groups",
    )
    by_hand = client(membership=Membership(None, day(-30), None, None, day(-20)))
    assert change(by_hand) == ("a pin, or putting the client in by hand",)


def test_what_would_change_by_waiting_does_on_that_day() -> None:
    late = client(history=(late_on(day(-40)), late_on(day(-9), 91)))
    (said,) = change(late)
    turns = date.fromisoformat(said.rsplit(" ", 1)[1])
    assert said.startswith("the late payment of invoice 90 leaves the record on")
    assert not eligibility(late, RULES, Calendar(), turns - timedelta(days=1))[0]
    assert eligibility(late, RULES, Calendar(), turns)[0]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (None, VIP_GROUP, ""),
        (None, replace(VIP_GROUP, discount_percent=Decimal("10.00")), "10 % discount on new invoices"),
        (replace(VIP_GROUP, separate_invoices=True), None, "services share invoices again"),
        (
            a_group(5, "Resellers"),
            replace(VIP_GROUP, separate_invoices=True, exempt=True),
            "an invoice for each service, exempt in WHMCS",
        ),
    ],
)
def test_what_else_a_group_brings_is_said(before: ClientGroup | None, after: ClientGroup | None, said: str) -> None:
    assert effects_of_move(before, after) == said
