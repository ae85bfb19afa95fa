"""Whether a promise, a trust release or a receipt may be recorded; beyond a maximum is refused, never shortened."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    BLANK,
    DUE,
    a_case,
    a_client,
    a_policy,
    a_record,
    a_service,
    an_invoice,
    client_facts,
    day,
    facts,
    suspended,
    view,
)
from whmcs_bridge.domain.facts import ClientFacts
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.admission import (
    promise_refusal,
    receipt_refusal,
    release_refusal,
    tier_for,
    verdict_on_promise,
)
from whmcs_bridge.policy.debt import ledger
from whmcs_bridge.policy.rules import PromiseRules, ReleaseTier, Rules, TrustRules

TODAY = day(2)
"""Thursday 12 March 2026."""
PROMISES = PromiseRules(max_days=10, cooldown_days=60)


def a_promise(until: int, *, since: int = 2, **more: Any) -> Record:
    return a_record(RecordKind.PROMISE, day(since), day(until), **more)


def asked(wanted: Record, *earlier: Record, today: date = TODAY, rules: PromiseRules = PROMISES, **more: Any) -> str:
    found = client_facts(services=[a_service()], records=earlier, **more.pop("of", {}))
    policy = a_policy(promises=rules, **more)
    return promise_refusal(wanted, found, ledger(found, Rules(), policy.calendar, today), policy, today)


# --- promises ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("until", "refused"), [(2, False), (12, False), (13, True), (1, True)])
def test_a_promise_beyond_the_maximum_is_refused(until: int, refused: bool) -> None:
    """ "`until` beyond the maximum is refused, never shortened": ten days from today are the last."""
    assert bool(asked(a_promise(until))) is refused


def test_a_promise_needs_a_last_day() -> None:
    assert "needs a day" in asked(a_record(RecordKind.PROMISE, TODAY, None))


def test_there_has_to_be_something_to_promise() -> None:
    assert "nothing is owed" in asked(a_promise(5), of={"invoices": []})


@pytest.mark.parametrize(("amount", "refused"), [("40.00", False), ("40.01", True), ("1.00", False)])
def test_nobody_promises_more_than_is_owed(amount: str, refused: bool) -> None:
    assert bool(asked(a_promise(5, amount=amount))) is refused


def test_a_promise_may_come_before_the_due_date() -> None:
    assert asked(a_promise(5), of={"invoices": [an_invoice(100, day(4))]}) == ""


def test_one_promise_at_a_time() -> None:
    running = a_promise(4, since=1, number=7)
    assert "still running" in asked(a_promise(6), running)
    assert "still running" in asked(a_promise(6, service=10), running)
    assert asked(a_promise(6, service=10), a_promise(4, since=1, service=11, number=7)) == ""


@pytest.mark.parametrize(("used", "wanted", "refused"), [(4, 6, False), (4, 7, True), (10, 1, True), (0, 10, False)])
def test_all_promises_of_one_case_share_its_days(used: int, wanted: int, refused: bool) -> None:
    """ "`max_days` = 10: per case, all promises together"; failure story 52."""
    kept = a_promise(1 + used, since=1, number=7, state=RecordState.CANCELLED, closed_on=day(1 + used))
    today = day(12)
    assert bool(asked(a_promise(12 + wanted, since=12), kept, today=today)) is refused


def test_a_promise_cancelled_early_used_only_its_days() -> None:
    cut = a_promise(11, since=1, number=7, state=RecordState.CANCELLED, closed_on=day(2))
    assert asked(a_promise(12, since=3), cut, today=day(3)) == ""


def test_promises_of_an_older_debt_do_not_count() -> None:
    long_ago = a_promise(-90, since=-100, number=7, state=RecordState.KEPT, closed_on=day(-95))
    assert asked(a_promise(12), long_ago) == ""


@pytest.mark.parametrize(("since_broken", "refused"), [(0, True), (59, True), (60, False)])
def test_after_a_broken_promise_there_is_none_within_the_cool_down(since_broken: int, refused: bool) -> None:
    broken = TODAY - timedelta(days=since_broken)
    record = a_record(
        RecordKind.PROMISE,
        broken - timedelta(days=3),
        broken - timedelta(days=1),
        number=7,
        state=RecordState.BROKEN,
        closed_on=broken,
    )
    rules = PromiseRules(max_days=30, cooldown_days=60)
    assert bool(asked(a_promise(5), record, rules=rules)) is refused


@pytest.mark.parametrize(("on", "refused"), [(day(2), False), (day(3), True), (day(4), True), (day(5), False)])
def test_no_promise_on_the_eve_of_a_quiet_day(on: date, refused: bool) -> None:
    """ "`not_on` = [eve-of-quiet-day]": Friday, and Saturday before a quiet Sunday."""
    rules = PromiseRules(max_days=30, not_on_eve=True)
    wanted = a_record(RecordKind.PROMISE, on, day(9))
    assert bool(asked(wanted, today=on, rules=rules, quiet=["saturday", "sunday"])) is refused
    assert asked(wanted, today=on, rules=PromiseRules(max_days=30), quiet=["saturday", "sunday"]) == ""


@pytest.mark.parametrize(
    ("today", "owes", "verdict"),
    [(8, True, None), (9, True, RecordState.BROKEN), (8, False, RecordState.KEPT), (9, False, RecordState.KEPT)],
)
def test_a_promise_is_kept_or_broken_after_its_last_day(today: int, owes: bool, verdict: RecordState | None) -> None:
    """ "kept or broken is recorded": it has its last day whole."""
    assert verdict_on_promise(a_promise(8), owes, day(today)) is verdict


def test_what_is_closed_is_not_judged_again() -> None:
    closed = a_promise(8, state=RecordState.CANCELLED, closed_on=day(3))
    assert verdict_on_promise(closed, True, day(30)) is None


# --- trust releases -------------------------------------------------------------------------------------------


def a_release(days: int = 3, *, on: date = TODAY, **more: Any) -> Record:
    return a_record(RecordKind.RELEASE, on, on + timedelta(days=days), service=10, **more)


def released(
    wanted: Record,
    *earlier: Record,
    since: date | None = date(2020, 1, 15),
    reason: str | None = None,
    today: date = TODAY,
    rules: TrustRules | None = None,
    **more: Any,
) -> str:
    service = suspended() if reason is None else suspended(reason)
    found = facts(service, case=a_case(suspended_on=day(1)), client=a_client(since=since), records=earlier)
    policy = a_policy(1, None, trust_release=rules or TrustRules(), **more)
    return release_refusal(wanted, view(found, policy, today), today)


@pytest.mark.parametrize(
    ("since", "days"),
    [
        (date(2026, 3, 1), 5),
        (date(2025, 12, 12), 5),
        (date(2025, 11, 12), None),
        (date(2025, 3, 13), None),
        (date(2025, 3, 12), 3),
        (date(2015, 3, 12), 3),
        (None, 5),
    ],
)
def test_the_days_depend_on_tenure(since: date | None, days: int | None) -> None:
    """ "tiers = [{ max_tenure_months = 3, days = 5, times = 1 }, { min_tenure_months = 12, days = 3 }]"."""
    if days is None:
        assert "no tier" in released(a_release(1), since=since)
        return
    assert released(a_release(days), since=since) == ""
    assert "beyond" in released(a_release(days + 1), since=since)


def test_the_first_tier_that_takes_a_client_counts_and_limits_are_inclusive() -> None:
    tiers = (ReleaseTier(5, max_tenure_months=3), ReleaseTier(2, min_tenure_months=3), ReleaseTier(9))
    assert [tier_for(tiers, months) for months in (0, 3, 4)] == [tiers[0], tiers[0], tiers[1]]
    assert tier_for((), 5) is None


@pytest.mark.parametrize(
    ("reason", "refused"), [(None, False), (BLANK, False), ("Abuse", True), ("Overdue: invoice 100", True)]
)
def test_only_a_suspension_for_debt_is_released(reason: str | None, refused: bool) -> None:
    assert bool(released(a_release(), reason=reason)) is refused


def test_a_service_that_is_up_needs_no_release() -> None:
    policy = a_policy(1, None)
    assert release_refusal(a_release(), view(facts(), policy, TODAY), TODAY) != ""


@pytest.mark.parametrize(("ended", "refused"), [(0, True), (89, True), (90, False)])
def test_not_twice_in_the_cool_down(ended: int, refused: bool) -> None:
    """ "not twice in the cool-down" of 90 days, counted from the last one's end."""
    last = TODAY - timedelta(days=ended)
    earlier = a_record(
        RecordKind.RELEASE,
        last - timedelta(days=3),
        last,
        number=7,
        service=10,
        state=RecordState.RESOLVED,
        closed_on=last + timedelta(days=1),
    )
    assert bool(released(a_release(), earlier)) is refused


def test_a_new_client_gets_one_release_only() -> None:
    rules = TrustRules(cooldown_days=0)
    earlier = a_record(
        RecordKind.RELEASE, day(-9), day(-6), number=7, service=11, state=RecordState.RESOLVED, closed_on=day(-5)
    )
    assert "used up" in released(a_release(), earlier, since=date(2026, 2, 20), rules=rules)
    assert released(a_release(), earlier, rules=rules) == ""


@pytest.mark.parametrize(("ended", "refused"), [(0, False), (1, True)])
def test_a_release_that_was_taken_back_on_its_day_counts_against_nobody(ended: int, refused: bool) -> None:
    """Typed for the wrong service, and the right one is still to come."""
    mistaken = a_record(
        RecordKind.RELEASE, day(1), day(4), number=7, service=11, state=RecordState.CANCELLED, closed_on=day(1 + ended)
    )
    assert bool(released(a_release(), mistaken)) is refused


def test_who_broke_a_promise_gets_no_release() -> None:
    """ "judged by history": `max_broken_promises` = 0."""
    broken = a_record(RecordKind.PROMISE, day(-400), day(-390), number=7, state=RecordState.BROKEN, closed_on=day(-389))
    assert "broken" in released(a_release(), broken)
    assert released(a_release(), broken, rules=TrustRules(max_broken_promises=1)) == ""


@pytest.mark.parametrize(("on", "refused"), [(day(2), False), (day(3), True)])
def test_no_release_on_the_eve_of_a_weekend(on: date, refused: bool) -> None:
    """ "not on the eve of a weekend"."""
    rules = TrustRules(not_on_eve=True)
    wanted = a_release(3, on=on)
    assert bool(released(wanted, rules=rules, today=on, quiet=["saturday", "sunday"])) is refused


# --- receipts -------------------------------------------------------------------------------------------------


def a_receipt(**more: Any) -> Record:
    return a_record(RecordKind.RECEIPT, TODAY, day(5), invoice=100, **more)


@pytest.mark.parametrize(
    ("earlier", "refused"),
    [
        ((), False),
        ((a_receipt(number=7, state=RecordState.FORGED, closed_on=day(-300)),), True),
        ((a_receipt(number=7, state=RecordState.REJECTED, closed_on=day(-300)),), False),
        ((a_receipt(number=7),), True),
        ((a_receipt(number=7, state=RecordState.VERIFIED, closed_on=DUE),), False),
        ((a_record(RecordKind.RECEIPT, TODAY, day(5), number=7, invoice=101),), False),
    ],
)
def test_a_forged_receipt_bars_the_next_and_one_at_a_time_is_enough(earlier: tuple[Record, ...], refused: bool) -> None:
    """ "a forged one is remembered and bars the next"."""
    found: ClientFacts = client_facts(services=[a_service()], records=earlier)
    assert bool(receipt_refusal(a_receipt(), found, a_policy(), TODAY)) is refused


def test_a_refusal_says_why_in_one_line() -> None:
    said = [asked(a_promise(30)), released(a_release(30)), asked(a_promise(5, amount="99.00"))]
    assert all(text and "\n" not in text for text in said)
    assert str(Decimal("40.00")) in said[2]
