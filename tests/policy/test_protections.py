"""Protections one by one: what each withholds, through which day, and what it leaves alone."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    BLANK,
    CLIENT,
    DUE,
    OUR_REASON,
    a_case,
    a_final_warning,
    a_group,
    a_line,
    a_policy,
    a_record,
    a_request,
    a_service,
    an_addon,
    an_invoice,
    day,
    due_kinds,
    facts,
    first_day,
    judged,
    kinds,
    paid_invoice,
    suspended,
    the_hold,
    withheld_by,
)
from tests.policy.life import Life
from whmcs_bridge.domain.facts import Membership, ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy import next_step, view_of
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.protections import OF_HARMLESS, PROTECTIONS, protections_for
from whmcs_bridge.policy.rules import (
    FINAL_WARNING,
    SUSPENSION_WARNING,
    Policy,
    PromiseRules,
    ReceiptRules,
    VipRules,
)

DELETING = a_policy(layer={"delete_backups_after_days": 0})


def up(**more: Any) -> ServiceFacts:
    """In debt and due for suspension from day 3 on."""
    return facts(**more)


def down(**more: Any) -> ServiceFacts:
    """Ours, warned on day 12, due for termination from day 15 on."""
    return facts(suspended(), case=a_case(suspended_on=day(3), notices=(a_final_warning(day(12)),)), **more)


def over(**more: Any) -> ServiceFacts:
    """Ended by us on day 15 with its debt still open; its backups are due for deletion at once."""
    ended = a_service(status=ServiceStatus.TERMINATED)
    return facts(ended, case=a_case(ended_on=day(15), ended_by="bridge"), **more)


STEPS = {
    Kind.SUSPEND: (up, day(3)),
    Kind.TERMINATE: (down, day(15)),
    Kind.DELETE_BACKUPS: (over, day(15)),
}


def withheld(kind: Kind, policy: Policy | None = None, **more: Any) -> list[str]:
    """Codes that withhold the harmful step of this kind on its day; empty means that it is due."""
    build, today = STEPS[kind]
    decision = judged(build(**more), policy or DELETING, today)
    held = withheld_by(decision, kind)
    assert (kind.value in kinds(decision)) is (not held)
    return held


@pytest.mark.parametrize("kind", STEPS)
def test_without_a_protection_each_step_is_due_on_its_day(kind: Kind) -> None:
    assert withheld(kind) == []


# --- what was read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STEPS)
def test_nothing_harmful_on_what_was_read_with_gaps(kind: Kind) -> None:
    """ "an incomplete snapshot allows no suspension, termination or deletion"."""
    assert withheld(kind, complete=False) == ["incomplete"]


@pytest.mark.parametrize("kind", STEPS)
def test_a_service_missing_from_the_list_is_reported_and_left_alone(kind: Kind) -> None:
    """ "a service missing from a snapshot or list is reported"."""
    build, today = STEPS[kind]
    decision = judged(build(missing=True), DELETING, today)
    assert kinds(decision) == []
    assert "missing" in withheld_by(decision, kind)
    assert "missing" in [n.code for n in decision.notes]


@pytest.mark.parametrize("kind", STEPS)
def test_a_moved_service_is_not_judged_by_its_old_owners_invoices(kind: Kind) -> None:
    """ "client of the service differs from client of the invoice: no harmful step and no release by payment; to
    staff"."""
    assert withheld(kind, foreign_owner=frozenset({10})) == ["moved"]
    build, today = STEPS[kind]
    found = build()
    elsewhere = replace(found, case=replace(found.case, client_id=ClientId(2)))
    assert withheld_by(judged(elsewhere, DELETING, today), kind) == ["moved"]


def test_a_moved_service_is_not_released_by_a_payment_either() -> None:
    case = a_case(suspended_on=day(3), client_id=ClientId(2))
    decision = judged(facts(suspended(), invoices=[], case=case), today=day(9))
    assert kinds(decision) == []
    assert withheld_by(decision) == ["moved"]


def test_a_case_of_the_present_owner_is_no_moved_service() -> None:
    assert due_kinds(facts(case=a_case(client_id=CLIENT)), today=day(3)) == ["suspend"]


# --- exemptions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "held"), [(Kind.SUSPEND, True), (Kind.TERMINATE, True), (Kind.DELETE_BACKUPS, False)])
def test_an_exempt_group_holds_suspension_and_termination(kind: Kind, held: bool) -> None:
    assert withheld(kind, group=a_group(exempt=True)) == (["exempt-group"] if held else [])
    assert withheld(kind, group=a_group()) == []


def test_an_exempt_client_in_debt_is_reported() -> None:
    """ "exempt client with old debt: reported every run"."""
    decision = judged(facts(group=a_group(exempt=True)), today=day(60))
    assert "exempt-debt" in [n.code for n in decision.notes]
    assert decision.exempt


@pytest.mark.parametrize(("today", "held"), [(3, True), (9, True), (10, False), (11, False)])
def test_an_override_holds_until_the_day_before_its_date(today: int, held: bool) -> None:
    """ "day on which the step may happen again"; failure story 4: an expired date no longer protects."""
    found = facts(a_service(override=True, override_until=day(10)))
    decision = judged(found, today=day(today))
    assert withheld_by(decision) == (["override"] if held else [])
    if held:
        assert the_hold(decision, "override").until == day(9)


def test_an_override_without_a_date_never_ends_and_one_switched_off_never_holds() -> None:
    assert withheld_by(judged(facts(a_service(override=True)), today=day(900))) == ["override"]
    assert due_kinds(facts(a_service(override_until=day(10))), today=day(3)) == ["suspend"]


@pytest.mark.parametrize("more", [{"override": True}])
def test_under_an_exemption_the_warnings_wait_as_well(more: dict[str, Any]) -> None:
    assert due_kinds(facts(a_service(**more)), a_policy(warn=2), day(2)) == []
    overridden = facts(suspended(**more), case=a_case(suspended_on=day(3)))
    assert due_kinds(overridden, today=day(12)) == []


VIP = a_policy(vip=VipRules("VIP", exempt_max_days=10, exempt_max_debt=Decimal("500.00")))


def a_vip(since: date | None = date.min, last: date | None = None, **more: Any) -> ServiceFacts:
    return facts(membership=Membership(since, last if last is not None else day(30)), **more)


@pytest.mark.parametrize(("today", "held"), [(3, True), (9, True), (10, False)])
def test_who_was_vip_on_the_due_date_is_not_suspended_until_day_n(today: int, held: bool) -> None:
    """ "Who was a member on the due date keeps a courtesy: not suspended until day `exempt_max_days`"."""
    left_on_day_one = a_vip(None, DUE + timedelta(days=1))
    for found in (a_vip(), left_on_day_one, a_vip(None, DUE)):
        assert due_kinds(found, VIP, day(today)) == ([] if held else ["suspend"])
        assert withheld_by(judged(found, VIP, day(today))) == (["vip"] if held else [])


@pytest.mark.parametrize(
    "membership",
    [Membership(), Membership(None, day(-1)), Membership(day(1), day(3))],
    ids=["never", "left-before", "joined-after"],
)
def test_who_was_no_member_on_the_due_date_has_no_courtesy(membership: Membership) -> None:
    assert due_kinds(facts(membership=membership), VIP, day(3)) == ["suspend"]


@pytest.mark.parametrize(("amount", "held"), [("500.00", True), ("500.01", False)])
def test_the_courtesy_ends_when_the_debt_exceeds_its_limit(amount: str, held: bool) -> None:
    """ "or until the debt exceeds `exempt_max_debt`, whichever comes first"."""
    found = a_vip(invoices=[an_invoice(amount=amount)])
    assert withheld_by(judged(found, VIP, day(3))) == (["vip"] if held else [])


def test_the_courtesy_is_about_suspension_only() -> None:
    found = replace(down(), client=replace(down().client, membership=Membership(date.min, day(30))))
    assert due_kinds(found, VIP, day(15)) == ["terminate"]


def test_after_the_courtesy_the_case_starts_at_its_first_stage() -> None:
    policy = a_policy(5, None, warn=2, vip=VIP.vip)
    life = Life(a_vip(None, day(1)), policy).until(day(15))
    assert life.story() == {10: [SUSPENSION_WARNING], 11: ["suspend"]}


# --- records ------------------------------------------------------------------------------------------------

SHORT = [-1, 0, 1]
"""The day before, the day and the day after a record's last day."""


def a_year_of(kind: RecordKind, **more: Any) -> Record:
    return a_record(kind, DUE, day(365), **more)


def from_today(kind: RecordKind, step: Kind, **more: Any) -> Record:
    """A record that begins on the day of the step: no warning was given before it ended."""
    return a_record(kind, STEPS[step][1], day(365), **more)


@pytest.mark.parametrize("kind", STEPS)
def test_a_hold_stops_everything_harmful_deletion_included(kind: Kind) -> None:
    """ "hold: nothing harmful, deletion included"."""
    assert withheld(kind, records=[from_today(RecordKind.HOLD, kind, sort="legal")]) == ["hold"]


def test_a_hold_stops_warnings_too() -> None:
    held = [a_year_of(RecordKind.HOLD)]
    assert due_kinds(up(records=held), a_policy(warn=2), day(2)) == []
    assert due_kinds(facts(suspended(), case=a_case(suspended_on=day(3)), records=held), today=day(12)) == []


@pytest.mark.parametrize("kind", STEPS)
def test_a_promise_defers_what_the_house_says(kind: Kind) -> None:
    """ "a promise defers suspension or deletion"; `defers = [suspend, terminate, delete_backups]`."""
    promised = [from_today(RecordKind.PROMISE, kind)]
    assert withheld(kind, records=promised) == ["promise"]
    others = frozenset(k.value for k in STEPS if k is not kind)
    assert withheld(kind, replace(DELETING, promises=PromiseRules(defers=others)), records=promised) == []


@pytest.mark.parametrize(("kind", "held"), [(Kind.SUSPEND, True), (Kind.TERMINATE, True), (Kind.DELETE_BACKUPS, False)])
def test_a_trust_release_keeps_the_service_up(kind: Kind, held: bool) -> None:
    released = [a_year_of(RecordKind.RELEASE, service=10)]
    if kind is Kind.TERMINATE:
        assert due_kinds(down(records=released), today=day(15)) == ["unsuspend"]
    else:
        assert withheld(kind, records=released) == (["release"] if held else [])


@pytest.mark.parametrize("record", [RecordKind.HOLD, RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.FREEZE])
@pytest.mark.parametrize("offset", SHORT)
def test_a_record_protects_through_its_last_day(record: RecordKind, offset: int) -> None:
    """ "protect through their last day; the next sync does what is due"."""
    found = up(records=[a_record(record, day(3), day(8), service=None)])
    policy = a_policy(1, None)
    today = day(8 + offset)
    assert (due_kinds(found, policy, today) == ["suspend"]) is (offset == 1)
    if offset < 1:
        assert judged(found, policy, today).withheld[0].until == day(8)


@pytest.mark.parametrize(
    ("record", "holds"),
    [
        ({}, True),
        ({"service": 10}, True),
        ({"service": 11}, False),
        ({"client": 2}, False),
        ({"since": day(4)}, False),
        ({"until": day(2)}, False),
        ({"state": RecordState.CANCELLED, "closed_on": day(3)}, False),
        ({"state": RecordState.CANCELLED, "closed_on": day(4)}, True),
        ({"state": RecordState.BROKEN, "closed_on": day(2)}, False),
    ],
)
def test_a_record_is_about_its_service_or_its_client_while_it_is_open(record: dict[str, Any], holds: bool) -> None:
    given: dict[str, Any] = {"since": DUE, "until": day(30), **record}
    for kind in (RecordKind.PROMISE, RecordKind.HOLD):
        found = up(records=[a_record(kind, **given)])
        assert (due_kinds(found, today=day(3)) == []) is holds


# --- receipts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STEPS)
def test_a_receipt_holds_harmful_steps_until_its_deadline_and_goes_to_staff(kind: Kind) -> None:
    """ "Receipt: says it is paid with a bank-day deadline"."""
    build, today = STEPS[kind]
    said = [a_record(RecordKind.RECEIPT, today, today, invoice=100)]
    assert withheld(kind, records=said) == ["receipt"]
    assert the_hold(judged(build(records=said), DELETING, today), "receipt").to_staff


@pytest.mark.parametrize("offset", SHORT)
def test_a_receipt_holds_through_its_deadline(offset: int) -> None:
    said = [a_record(RecordKind.RECEIPT, DUE, day(5), invoice=100)]
    assert (due_kinds(up(records=said), today=day(5 + offset)) == ["suspend"]) is (offset == 1)


def test_a_receipt_for_one_of_two_invoices_holds_nothing() -> None:
    said = [a_year_of(RecordKind.RECEIPT, invoice=100)]
    assert due_kinds(up(invoices=[an_invoice(100), an_invoice(101)], records=said), today=day(3)) == ["suspend"]


def test_a_receipt_of_too_little_holds_nothing_and_staff_is_told() -> None:
    short = a_record(RecordKind.RECEIPT, DUE, day(9), invoice=100, amount="1.00")
    decision = judged(up(records=[short]), a_policy(), day(3))
    assert [d.kind.value for d in decision.due] == ["suspend"]
    assert [n.text for n in decision.notes if n.code == "receipt-short"] == [
        "receipt 1 says 1.00 of invoice 100 and holds nothing: 39.00 would be owed still"
    ]
    whole = a_record(RecordKind.RECEIPT, DUE, day(9), invoice=100, amount="40.00")
    assert due_kinds(up(records=[whole]), today=day(3)) == []


def test_a_gateway_may_refuse_receipts() -> None:
    said = [a_year_of(RecordKind.RECEIPT, invoice=100)]
    policy = a_policy(receipts=ReceiptRules(accept={"banktransfer": "no"}))
    assert due_kinds(up(records=said), policy, day(3)) == ["suspend"]


def test_a_receipt_that_was_false_holds_nothing_any_more() -> None:
    said = [a_year_of(RecordKind.RECEIPT, invoice=100, state=RecordState.FORGED, closed_on=day(2))]
    assert due_kinds(up(records=said), today=day(3)) == ["suspend"]


def test_a_receipt_that_was_found_true_holds_to_its_deadline_and_the_final_warning_comes_again() -> None:
    """The money is on its way: it has until the bank-day deadline to be booked."""
    said = a_record(RecordKind.RECEIPT, day(12), day(16), invoice=100, state=RecordState.VERIFIED, closed_on=day(13))
    assert due_kinds(up(records=[said]), today=day(16)) == []
    assert due_kinds(down(records=[said]), today=day(16)) == []
    assert due_kinds(down(records=[said]), today=day(17)) == [FINAL_WARNING]


def test_a_receipt_alone_lifts_nothing() -> None:
    said = [a_year_of(RecordKind.RECEIPT, invoice=100)]
    assert due_kinds(facts(suspended(), case=a_case(suspended_on=day(3)), records=said), today=day(5)) == []


# --- freezes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STEPS)
def test_a_freeze_holds_everything_harmful_on_its_days(kind: Kind) -> None:
    """The step is not even named: its clock stands still. What was due before is withheld."""
    build, today = STEPS[kind]
    frozen = [a_record(RecordKind.FREEZE, today, today, client=None)]
    assert due_kinds(build(records=frozen), DELETING, today) == []
    late = [a_record(RecordKind.FREEZE, today + timedelta(days=1), day(30), client=None)]
    assert withheld_by(judged(build(records=late), DELETING, today + timedelta(days=1)), kind) == ["freeze"]


@pytest.mark.parametrize(("gateway", "held"), [("banktransfer", True), ("stripe", False)])
def test_a_freeze_of_one_gateway_holds_its_invoices_only(gateway: str, held: bool) -> None:
    frozen = [a_record(RecordKind.FREEZE, day(3), day(5), client=None, gateway=gateway)]
    assert (due_kinds(up(records=frozen), today=day(3)) == []) is held


# --- contact ------------------------------------------------------------------------------------------------

TOUCHY = a_policy(layer={"recent_contact_days": 7, "contact_holds_max_days": 30, "delete_backups_after_days": 0})


def contact(on: int, sort: str = "ticket") -> Record:
    return a_record(RecordKind.CONTACT, day(on), sort=sort)


@pytest.mark.parametrize(("kind", "held"), [(Kind.SUSPEND, False), (Kind.TERMINATE, True), (Kind.DELETE_BACKUPS, True)])
def test_a_client_in_touch_holds_termination_and_deletion_only(kind: Kind, held: bool) -> None:
    """ "any of them within `recent_contact_days` (0 = off) holds termination and deletion only, and goes to staff"."""
    build, today = STEPS[kind]
    touch = [a_record(RecordKind.CONTACT, today, sort="ticket")]
    assert withheld(kind, TOUCHY, records=touch) == (["contact"] if held else [])
    assert withheld(kind, DELETING, records=touch) == [], "0 is off"
    if held:
        assert the_hold(judged(build(records=touch), TOUCHY, today), "contact").to_staff


@pytest.mark.parametrize(("today", "held"), [(15, True), (19, True), (20, False)])
def test_a_sign_of_life_counts_for_its_days_inclusively(today: int, held: bool) -> None:
    """Seen on day 12 with seven days: through day 19."""
    found = over(records=[contact(12)])
    assert (due_kinds(found, TOUCHY, day(today)) == []) is held


@pytest.mark.parametrize("sort", ["ticket", "login", "staff", ""])
def test_each_sign_counts(sort: str) -> None:
    assert withheld(Kind.DELETE_BACKUPS, TOUCHY, records=[contact(15, sort)]) == ["contact"]


def test_a_payment_is_a_sign_of_life_and_a_reversed_one_is_none() -> None:
    paid = paid_invoice(90, DUE, day(14))
    assert withheld(Kind.DELETE_BACKUPS, TOUCHY, history=(paid,)) == ["contact"]
    assert withheld(Kind.DELETE_BACKUPS, TOUCHY, history=(replace(paid, reversed=True),)) == []


def test_signs_that_the_house_does_not_look_at_do_not_count() -> None:
    layer = {"recent_contact_days": 7, "contact_signs": ("payment",), "delete_backups_after_days": 0}
    assert withheld(Kind.DELETE_BACKUPS, a_policy(layer=layer), records=[contact(15, "login")]) == []


def daily(until: int) -> list[Record]:
    return [a_record(RecordKind.CONTACT, day(n), sort="login", number=n) for n in range(1, until)]


def test_contact_holds_no_longer_than_its_maximum() -> None:
    """ "at most `contact_holds_max_days`", counted from the day the deletion became due."""
    assert first_day(over(records=daily(100)), Kind.DELETE_BACKUPS, TOUCHY) == day(46)


def test_contact_holds_the_end_at_most_its_maximum_from_the_day_it_was_due_also_for_old_debt() -> None:
    """A debtor adopted after a year: the end is due twelve days after the adoption, not fifteen after the due date."""
    life = Life(facts(suspended(BLANK), records=daily(600)), TOUCHY).until(day(470), start=day(400))
    due = 400 + 12
    assert life.days_of(FINAL_WARNING) == [due + 31]
    assert life.days_of("terminate") == [due + 34]


# --- credit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize(("amount", "held"), [("40.00", True), ("39.99", False), ("100.00", True), ("0.00", False)])
def test_credit_that_covers_the_debt_holds_every_harmful_step(kind: Kind, amount: str, held: bool) -> None:
    """ "credit that covers the debt concerning the service holds every harmful step and goes to staff"."""
    assert withheld(kind, credit=Decimal(amount)) == (["credit"] if held else [])


def test_credit_lifts_nothing() -> None:
    """ "WHMCS books it, we don't"."""
    found = facts(suspended(), case=a_case(suspended_on=day(3)), credit=Decimal("100.00"))
    assert due_kinds(found, today=day(5)) == []


def test_credit_is_compared_with_what_concerns_the_service() -> None:
    """Forty in credit, forty for this service, forty for another: this one is covered."""
    both = [an_invoice(100), an_invoice(101, DUE, a_line("service", "40.00", 11))]
    assert withheld(Kind.SUSPEND, invoices=both, others=[a_service(11)], credit=Decimal("40.00")) == ["credit"]


def test_credit_with_nothing_owed_holds_no_deletion() -> None:
    assert due_kinds(over(invoices=[], credit=Decimal("5.00")), DELETING, day(15)) == ["delete_backups"]


# --- days ---------------------------------------------------------------------------------------------------


def test_nothing_is_suspended_or_terminated_on_a_quiet_day() -> None:
    """ "On a quiet day the step moves to the next day that is not quiet"; deletions have their own clock."""
    policy = a_policy(quiet=["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"])
    assert first_day(up(), Kind.SUSPEND, policy) == date(2026, 3, 15), "a Sunday"
    assert first_day(down(), Kind.TERMINATE, policy, start=day(15)) == date(2026, 3, 29)
    deleting = a_policy(quiet=["wednesday"], layer={"delete_backups_after_days": 0})
    assert due_kinds(over(), deleting, day(15)) == ["delete_backups"]


def test_a_step_left_over_from_before_waits_on_a_quiet_day_and_says_until_when() -> None:
    policy = a_policy(quiet=["saturday", "sunday"])
    decision = judged(up(), policy, date(2026, 3, 14))
    hold = the_hold(decision, "quiet-day")
    assert hold.until == date(2026, 3, 15)
    assert kinds(judged(up(), policy, date(2026, 3, 16))) == ["suspend"]


@pytest.mark.parametrize("kind", [Kind.SUSPEND, Kind.TERMINATE])
def test_one_suspension_or_termination_a_day(kind: Kind) -> None:
    """ "One suspend-or-terminate per service and house day, however often syncs and hooks run"."""
    assert withheld(kind, acted_today=True) == ["acted-today"]


def test_a_release_may_follow_a_suspension_on_the_same_day() -> None:
    found = facts(suspended(), invoices=[], case=a_case(suspended_on=day(3)), acted_today=True)
    assert due_kinds(found, today=day(3)) == ["unsuspend"]


# --- several at once ------------------------------------------------------------------------------------------


def test_every_protection_that_withholds_is_named() -> None:
    found = up(records=[a_year_of(RecordKind.PROMISE), a_year_of(RecordKind.HOLD, number=2)], complete=False)
    assert withheld_by(judged(found, today=day(3))) == ["incomplete", "hold", "promise"]


def test_a_promise_then_a_quiet_weekend_then_it_happens() -> None:
    """Promised through Friday the 13th, quiet on Saturday and Sunday: Monday."""
    policy = a_policy(1, None, quiet=["saturday", "sunday"])
    found = up(records=[a_record(RecordKind.PROMISE, day(1), date(2026, 3, 13))])
    assert first_day(found, Kind.SUSPEND, policy) == date(2026, 3, 16)


def test_no_protection_outlives_its_end() -> None:
    """Everything at once, all ending on day 20: on day 21 the step is due, but for the warnings that come again."""
    records = [
        a_record(kind, day(1), day(20), number=number, service=10, invoice=100)
        for number, kind in enumerate((RecordKind.PROMISE, RecordKind.HOLD, RecordKind.RELEASE, RecordKind.RECEIPT), 1)
    ]
    found = facts(a_service(override=True, override_until=day(21)), records=records)
    assert first_day(found, Kind.SUSPEND) == day(21)


# --- a cancellation request that was refused for want of an answer ------------------------------------------------


@pytest.mark.parametrize("status", [ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED])
def test_a_refused_request_is_carried_out_at_any_stage(status: ServiceStatus) -> None:
    """ "WHMCS's own date rules, not the debt ladder: such a termination is allowed at any stage; if it was refused for
    want of an answer, the next sync carries it out"."""
    service = a_service(status=status, next_due=day(2), reason=OUR_REASON if status is ServiceStatus.SUSPENDED else "")
    found = facts(service, cancel_request=a_request(), end_refused=True)
    assert due_kinds(found, today=day(2)) == ["terminate"]
    assert due_kinds(found, today=day(1)) == [], "the period has not ended"
    assert due_kinds(replace(found, end_refused=False), today=day(2)) == [], "WHMCS will do it itself"


@pytest.mark.parametrize("more", [{"complete": False}, {"missing": True}, {"records": [a_year_of(RecordKind.HOLD)]}])
def test_a_refused_request_waits_for_a_whole_picture_and_for_holds(more: dict[str, Any]) -> None:
    found = facts(a_service(next_due=day(2)), invoices=[], cancel_request=a_request(), end_refused=True, **more)
    assert due_kinds(found, today=day(2)) == []


# --- addons that answer for themselves ----------------------------------------------------------------------------

ALONE = a_policy(layer={"overdue_addon_suspends": "addon"})
ITS_DEBT = an_invoice(100, DUE, a_line("addon", "15.00", 30))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"credit": Decimal("15.00")}, "credit"),
        ({"group": a_group(exempt=True)}, "exempt-group"),
        ({"records": [a_year_of(RecordKind.HOLD)]}, "hold"),
        ({"records": [a_year_of(RecordKind.PROMISE)]}, "promise"),
        ({"records": [a_year_of(RecordKind.RECEIPT, invoice=100)]}, "receipt"),
        ({"complete": False}, "incomplete"),
        ({"foreign_owner": frozenset({10})}, "moved"),
    ],
)
def test_an_addon_has_the_same_protections_for_its_own_debt(more: dict[str, Any], code: str) -> None:
    found = facts(addons=[an_addon(30)], invoices=[ITS_DEBT], **more)
    decision = judged(found, ALONE, day(3))
    assert kinds(decision) == []
    assert withheld_by(decision, Kind.SUSPEND_ADDON) == [code]


def test_a_vips_addon_has_the_courtesy_too() -> None:
    policy = replace(ALONE, vip=VIP.vip)
    found = a_vip(addons=[an_addon(30)], invoices=[ITS_DEBT])
    assert first_day(found, Kind.SUSPEND_ADDON, policy) == day(10)


FROZEN = a_record(RecordKind.FREEZE, day(2), day(5), client=None)

# --- next ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "policy", "today", "step"),
    [
        (up(), a_policy(), DUE, (Kind.SUSPEND, 3)),
        (up(), a_policy(warn=2), DUE, (Kind.NOTICE, 2)),
        (up(invoices=[an_invoice(100, day(20))]), a_policy(), DUE, (Kind.SUSPEND, 23)),
        (up(records=[a_record(RecordKind.PROMISE, DUE, day(30))]), a_policy(), day(5), (Kind.SUSPEND, 31)),
        (up(records=[FROZEN]), a_policy(5), day(2), (Kind.SUSPEND, 9)),
        (facts(a_service(override=True, override_until=day(9))), a_policy(), DUE, (Kind.SUSPEND, 9)),
        (facts(a_service(override=True)), a_policy(), DUE, None),
        (up(), a_policy(quiet=["friday", "saturday"]), DUE, (Kind.SUSPEND, 5)),
        (down(), a_policy(), day(13), (Kind.TERMINATE, 15)),
        (facts(suspended(), case=a_case(suspended_on=day(3))), a_policy(), day(5), (Kind.NOTICE, 12)),
        (facts(suspended(), case=a_case(suspended_on=day(3))), a_policy(3, None), day(5), None),
        (facts(suspended("Abuse")), a_policy(), day(5), None),
        (over(), a_policy(layer={"delete_backups_after_days": 9}), day(16), (Kind.DELETE_BACKUPS, 24)),
        (up(invoices=[]), a_policy(), DUE, None),
        (up(acted_today=True), a_policy(), day(3), (Kind.SUSPEND, 4)),
        (a_vip(), VIP, DUE, (Kind.SUSPEND, 10)),
    ],
)  # fmt: skip
def test_next_names_the_step_and_its_day(
    found: ServiceFacts, policy: Policy, today: date, step: tuple[Kind, int] | None
) -> None:
    """ "`next` is found by asking again at the next date on which anything changes"."""
    following = next_step(found, policy, today)
    expected = None if step is None else (step[0], day(step[1]))
    assert (None if following is None else (following[0].kind, following[1])) == expected


@pytest.mark.parametrize("today", [5, 6])
def test_next_from_a_quiet_day_is_the_first_active_one(today: int) -> None:
    """Due for long, asked on a quiet Sunday and on the Monday after it."""
    policy = a_policy(1, None, quiet=["friday", "saturday", "sunday"])
    following = next_step(up(), policy, day(today + 49))
    assert following is not None
    assert following[1] == day(6 + 49)


def test_next_after_a_final_warning_that_waits_for_approval_is_a_new_warning() -> None:
    policy = a_policy(approval={"terminate": "required"})
    following = next_step(down(), policy, day(16))
    assert following is not None
    assert (following[0].message, following[1]) == (FINAL_WARNING, day(43))


# --- what is asked of harmless steps -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        Due(Kind.NOTICE, "", message="payment-reminder"),
        Due(Kind.UNSUSPEND, ""),
        Due(Kind.UNSUSPEND_ADDON, ""),
        Due(Kind.CLOSE_ADDON, ""),
        Due(Kind.CANCEL_INVOICE, ""),
    ],
    ids=lambda step: step.kind,
)
def test_protections_that_are_not_asked_of_a_harmless_step_would_have_nothing_against_it(step: Due) -> None:
    """A service under every protection at once: what is left out of OF_HARMLESS lets each harmless step through."""
    everything = [
        a_record(kind, day(0), day(99))
        for kind in (RecordKind.HOLD, RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.FREEZE, RecordKind.CONTACT)
    ]
    held = facts(
        a_service(override=True),
        records=everything,
        group=a_group(exempt=True),
        credit=Decimal("9999.00"),
        complete=False,
        acted_today=True,
    )
    policy = replace(
        a_policy(layer={"recent_contact_days": 30}, vip=VipRules("VIP")),
        calendar=Calendar(quiet_weekdays=frozenset(range(7))),
    )
    view, _ = view_of(held, policy, day(5))
    assert [p.__name__ for p in PROTECTIONS if p not in OF_HARMLESS and p(view, step) is not None] == []
    assert protections_for(step) == OF_HARMLESS


def test_a_membership_that_began_after_the_due_date_and_is_over_has_no_courtesy() -> None:
    """Put in by hand while overdue, and taken out by us at once: that buys no days."""
    policy = a_policy(suspend=4, vip=VipRules("VIP", managed_groups=("VIP", ""), exempt_max_days=20))
    over = Membership(None, day(2), day(2), 0, day(2), last_member_since=day(2))
    assert due_kinds(facts(membership=over), policy, day(4)) == ["suspend"]
    before = replace(over, last_member_since=DUE)
    assert due_kinds(facts(membership=before), policy, day(4)) == []
