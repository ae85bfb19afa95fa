"""Rules meeting each other: groups that change, two services, several invoices, records over weekends."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.builders import (
    DUE,
    a_group,
    a_line,
    a_policy,
    a_product,
    a_record,
    a_service,
    an_invoice,
    day,
    due_kinds,
    facts,
    first_day,
)
from tests.policy.life import Life
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.records import RecordKind, RecordState
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.rules import (
    FINAL_WARNING,
    PAYMENT_REMINDER,
    SUSPENSION_WARNING,
    ClassRules,
    Policy,
    Scope,
    VipRules,
)

FRIDAY, MONDAY = date(2026, 3, 13), date(2026, 3, 16)

# --- groups that change in an open case ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "suspended_on"),
    [("Resellers", "", 10), ("", "Resellers", 10), ("Resellers", "Strict", 10), ("Strict", "", 3)],
)
def test_a_group_layer_that_changes_in_an_open_case_only_ever_gives_time(
    before: str, after: str, suspended_on: int
) -> None:
    """ "Layers are resolved anew every day"; what hastens applies to new cases only."""
    numbers = {"Resellers": 5, "Strict": 6}
    policy = a_policy(3, None, groups={"Resellers": {"suspend_after_days": 10}, "Strict": {"suspend_after_days": 2}})
    groups = {name: a_group(number, name) for name, number in numbers.items()}
    life = Life(facts(group=groups.get(before)), policy).until(day(1))
    life.client_becomes(group=groups.get(after))
    life.until(day(20), start=day(2))
    assert life.days_of("suspend") == [suspended_on]


def test_leaving_an_exempt_vip_group_on_the_first_overdue_day_starts_the_case_on_the_next() -> None:
    """Out on day 1 by our own hand; the courtesy holds to day 10, the reminder of day 1 comes again but once."""
    vip = replace(a_group(9, "VIP"), exempt=True)
    policy = a_policy(3, 15, notices=[(1, PAYMENT_REMINDER)], vip=VipRules("VIP", exempt_max_days=10))
    life = Life(facts(group=vip, membership=Membership(date.min, DUE)), policy)
    life.run(day(1))
    life.client_becomes(group=None, membership=Membership(None, day(1), day(1), 0))
    life.until(day(40), start=day(2))
    assert life.days_of(PAYMENT_REMINDER) == [1, 10]
    assert life.days_of("suspend") == [10]
    assert life.days_of("terminate") == [22], "twelve days from the actual suspension"


@pytest.mark.parametrize(("suspend", "expected"), [(1, 3), (9, 9)])
def test_a_product_that_changes_its_class_never_moves_the_next_stage_earlier(suspend: int, expected: int) -> None:
    """ "product changed in an open case: the new class from the next stage on; nothing moves earlier"."""
    policy = Policy(
        approval={},
        classes=(
            ClassRules("hosting", product_types=frozenset({"hostingaccount"}), layer={"suspend_after_days": 3}),
            ClassRules("vps", product_types=frozenset({"server"}), layer={"suspend_after_days": suspend}),
        ),
    )
    life = Life(facts(), policy).until(day(2))
    life.becomes(product_id=60)
    life.facts = replace(life.facts, product=a_product(60, type="server"))
    life.until(day(20), start=day(3))
    assert life.days_of("suspend") == [expected]


# --- two services, several invoices ---------------------------------------------------------------------------------

SHARED = an_invoice(100, DUE, a_line("service", "50.00"), a_line("service", "40.00", 11))


@pytest.mark.parametrize(
    ("paid", "first", "second"), [("0.00", True, True), ("50.00", False, True), ("89.99", False, True)]
)
def test_a_part_payment_of_a_shared_invoice_frees_the_services_in_the_order_of_their_lines(
    paid: str, first: bool, second: bool
) -> None:
    shared = replace(SHARED, balance=SHARED.total - Decimal(paid))
    one = facts(others=[a_service(11)], invoices=[shared])
    two = facts(a_service(11), others=[a_service()], invoices=[shared])
    assert (due_kinds(one, today=day(3)) == ["suspend"]) is first
    assert (due_kinds(two, today=day(3)) == ["suspend"]) is second


def test_scope_client_takes_every_service_down_for_one_and_brings_them_back_together() -> None:
    """Failure story 6: both scopes tested."""
    policy = a_policy(layer={"scope": Scope.CLIENT})
    hers = an_invoice(100, DUE, a_line("service", "40.00", 11))
    life = Life(facts(others=[a_service(11)], invoices=[hers]), policy).until(day(4))
    assert life.days_of("suspend") == [3]
    life.pays(100, day(5))
    life.run(day(5))
    assert life.is_up


def test_an_older_invoice_that_turns_up_after_the_warning_needs_no_second_one() -> None:
    """A chargeback of an older invoice in an open case: warned is warned, and the next stage comes at once."""
    life = Life(facts(invoices=[an_invoice(101, DUE)]), a_policy(7, None, warn=2)).until(day(3))
    life.owes(an_invoice(100, day(-30)))
    life.until(day(10), start=day(4))
    assert life.days_of(SUSPENSION_WARNING) == [2]
    assert life.days_of("suspend") == [4]


def test_a_debt_of_the_minimum_is_nothing_and_a_cent_more_starts_a_case() -> None:
    life = Life(facts(invoices=[an_invoice(100, amount="5.00")]), a_policy(min_debt="5.00")).until(day(20))
    assert life.story() == {}
    life.owes(replace(an_invoice(101, day(20), amount="5.01")))
    life.until(day(30), start=day(21))
    assert life.days_of("suspend") == [23]


def test_a_disputed_case_that_is_decided_against_the_client_goes_on_from_the_old_due_date_with_a_warning() -> None:
    life = Life(policy=a_policy(warn=2)).until(day(2))
    life.told(a_record(RecordKind.DISPUTE, day(3), day(60), invoice=100))
    life.until(day(20), start=day(3))
    assert life.days_of("suspend") == []
    life.told(a_record(RecordKind.DISPUTE, day(3), day(60), invoice=100, state=RecordState.RESOLVED, closed_on=day(21)))
    life.until(day(30), start=day(21))
    assert life.days_of(SUSPENSION_WARNING) == [2, 21]
    assert life.days_of("suspend") == [22]


# --- weekends ---------------------------------------------------------------------------------------------------------


def test_a_warning_that_was_missed_before_a_quiet_weekend_goes_out_on_it_and_suspends_after_it() -> None:
    policy = a_policy(3, None, warn=2, quiet=["friday", "saturday", "sunday"])
    life = Life(policy=policy).until(day(8), without=lambda today: today == day(2))
    assert life.story() == {3: [SUSPENSION_WARNING], 6: ["suspend"]}
    assert day(3) == FRIDAY
    assert day(6) == MONDAY


def test_a_freeze_on_friday_through_monday_over_a_quiet_weekend() -> None:
    """Due on Tuesday, day 3 is Friday, frozen; the next day that counts is Tuesday the 17th."""
    frozen = a_record(RecordKind.FREEZE, FRIDAY, MONDAY, client=None)
    policy = a_policy(3, None, quiet=["saturday", "sunday"])
    assert first_day(facts(records=[frozen]), Kind.SUSPEND, policy) == date(2026, 3, 17)


def test_a_final_warning_before_a_quiet_weekend_is_not_repeated_after_it() -> None:
    """A quiet day moves the end; it is no reason to warn again."""
    policy = a_policy(quiet=["wednesday", "thursday"])
    life = Life(policy=policy).until(day(25))
    assert life.days_of(FINAL_WARNING) == [12]
    assert life.days_of("terminate") == [17]


def test_promises_over_a_weekend_end_on_their_day_and_the_step_waits_for_monday() -> None:
    life = Life(policy=a_policy(1, None, quiet=["saturday", "sunday"]))
    life.told(a_record(RecordKind.PROMISE, DUE, FRIDAY))
    life.until(day(10))
    assert life.days_of("suspend") == [6]
