"""Payment in parts: how far it has come, through which day it protects, what ends it, what brings a service back."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tests.builders import a_case, a_policy, a_record, an_invoice, day, due_kinds, facts, judged, suspended
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.records import Instalment, Record, RecordKind, RecordState
from whmcs_bridge.policy.admission import arrangement_refusals
from whmcs_bridge.policy.arrangements import ends_on, progress, verdict
from whmcs_bridge.policy.rules import ArrangementRules

MADE = day(4)
HUNDRED = InvoiceId(100)


def made(*parts: tuple[str, int], owed: str = "40.00", discount: str | None = None, **more: object) -> Record:
    """An arrangement of day 4 for the usual invoice; parts of 10.00, 10.00 and 20.00 unless told otherwise."""
    due = parts or (("10.00", 6), ("10.00", 20), ("20.00", 30))
    record = a_record(RecordKind.ARRANGEMENT, MADE, day(due[-1][1]))
    return replace(
        record,
        parts=tuple(Instalment(Decimal(amount), day(on)) for amount, on in due),
        owed=((HUNDRED, Decimal(owed)),),
        discount=Decimal(discount) if discount is not None else None,
        **more,  # type: ignore[arg-type]
    )


def left(amount: str) -> dict[InvoiceId, Decimal]:
    return {HUNDRED: Decimal(amount)}


@pytest.mark.parametrize(
    ("owes", "on", "protects", "until"),
    [
        ("40.00", 6, False, 6),
        ("30.01", 6, False, 6),
        ("30.00", 4, True, 20),
        ("30.00", 20, True, 20),
        ("30.00", 21, False, 20),
        ("25.00", 20, True, 20),
        ("20.00", 21, True, 30),
        ("20.00", 31, False, 30),
    ],
)
def test_it_protects_from_the_first_part_booked_through_the_day_of_the_next(
    owes: str, on: int, protects: bool, until: int
) -> None:
    record = made()
    at = progress(record, left(owes), (), day(on))
    assert (at.protects, ends_on(record, at)) == (protects, day(until))


@pytest.mark.parametrize(
    ("owes", "on", "state"),
    [
        ("40.00", 6, None),
        ("40.00", 7, RecordState.BROKEN),
        ("30.00", 20, None),
        ("30.00", 21, RecordState.BROKEN),
        ("0.00", 5, RecordState.KEPT),
        ("0.00", 90, RecordState.KEPT),
    ],
)
def test_a_missed_part_breaks_it_and_all_parts_keep_it(owes: str, on: int, state: RecordState | None) -> None:
    record = made()
    assert verdict(record, progress(record, left(owes), (), day(on))) is state
    closed = replace(record, state=RecordState.CANCELLED, closed_on=day(5))
    assert verdict(closed, progress(closed, left(owes), (), day(on))) is None


def test_a_new_overdue_invoice_ends_it_and_its_own_does_not() -> None:
    record = made()
    assert progress(record, left("30.00"), (HUNDRED,), day(10)).protects
    at = progress(record, left("30.00"), (HUNDRED, InvoiceId(101)), day(10))
    assert not at.protects
    assert verdict(record, at) is RecordState.BROKEN


def test_a_discount_that_staff_has_not_booked_harms_nobody() -> None:
    record = made(("10.00", 6), ("20.00", 20), discount="10.00")
    waiting = progress(record, left("10.00"), (), day(60))
    assert (waiting.protects, waiting.discount_left, ends_on(record, waiting)) == (True, Decimal("10.00"), None)
    assert verdict(record, waiting) is None
    assert verdict(record, progress(record, {}, (), day(61))) is RecordState.KEPT


def test_a_part_whose_day_is_frozen_may_come_on_the_first_day_that_is_not() -> None:
    record = made()
    frozen = {day(20), day(21)}
    assert progress(record, left("30.00"), (), day(22), frozen).missed is None
    assert progress(record, left("30.00"), (), day(23), frozen).missed == record.parts[1]


def down(record: Record, balance: str) -> ServiceFacts:
    invoice = replace(an_invoice(), balance=Decimal(balance))
    return facts(suspended(), case=a_case(suspended_on=day(3)), invoices=[invoice], records=[record])


def test_the_first_part_brings_the_service_back() -> None:
    assert due_kinds(down(made(), "40.00"), today=day(5)) == []
    assert due_kinds(down(made(), "30.00"), today=day(5)) == ["unsuspend"]
    assert due_kinds(down(made(state=RecordState.CANCELLED, closed_on=day(5)), "30.00"), today=day(5)) == []


def test_one_that_never_began_postpones_no_final_warning() -> None:
    found = judged(down(made(("10.00", 30), ("30.00", 60)), "40.00"), today=day(12))
    assert [due.message for due in found.due] == ["final-warning"]


# --- admitted ---------------------------------------------------------------------------------------

RULES = ArrangementRules(max_parts=3, first_part_percent=Decimal(25), max_days=30, cooldown_months=12)


def refused(record: Record, *earlier: Record, today: date = MADE) -> list[tuple[str, bool]]:
    found = facts(records=earlier).client
    judged_so = arrangement_refusals(record, found, a_policy(arrangements=RULES), today)
    return [(refusal.line, refusal.rule) for refusal in judged_so]


def test_what_the_rules_take_is_admitted() -> None:
    assert refused(made()) == []
    assert refused(made(("30.00", 4), discount="10.00")) == []


@pytest.mark.parametrize(
    ("record", "said", "rule"),
    [
        (made(("9.99", 6), ("30.01", 20)), "less than 25% of 40.00; it has to be 10.00 or more", True),
        (made(("10.00", 6), ("30.00", 35)), "beyond 30 days; the last part is due by", True),
        (made(("10.00", 5), ("10.00", 6), ("10.00", 7), ("10.00", 8)), "4 parts, at most 3", True),
        (made(("10.00", 6), ("20.00", 20)), "come to 30.00, less than the debt of 40.00; make it exactly that", False),
        (made(("10.00", 6), ("31.00", 20)), "come to 41.00, more than the debt of 40.00", False),
        (made(("10.00", 3), ("30.00", 20)), "which is past", False),
        (made(("10.00", 6), ("30.00", 6)), "in the order of their days", False),
        (made(("0.00", 6), ("40.00", 20)), "an amount above 0", False),
        (made(owed="0.00"), "nothing is owed", False),
    ],
)
def test_what_they_do_not_take_is_refused_with_what_to_do(record: Record, said: str, rule: bool) -> None:
    found = refused(record)
    assert any(said in line and passable is rule for line, passable in found)
    assert all("\n" not in line for line, _ in found)


@pytest.mark.parametrize(("ended", "barred"), [(-300, True), (-355, True), (-361, False), (-400, False)])
def test_none_for_a_year_after_the_last_one(ended: int, barred: bool) -> None:
    last = replace(made(), id=7, state=RecordState.KEPT, closed_on=day(ended))
    assert bool(refused(made(), last)) is barred


def test_one_at_a_time() -> None:
    ((line, rule),) = [found for found in refused(made(), replace(made(), id=7)) if "running" in found[0]]
    assert line.startswith("another arrangement is still running (7 until")
    assert not rule
