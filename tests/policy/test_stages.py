"""The stage machine day by day: notices, suspension, the end and its warning (design section 4)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import (
    BLANK,
    DUE,
    OUR_REASON,
    a_case,
    a_final_warning,
    a_line,
    a_notice,
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
    seen,
    suspended,
    the,
    the_hold,
    view,
    withheld_by,
)
from tests.policy.life import Life
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.case import Adoption, SentNotice, Stage
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import CancelType, InvoiceStatus, ServiceStatus
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.ownership import BackupRules
from whmcs_bridge.policy.rules import FINAL_WARNING, PAYMENT_REMINDER, SUSPENSION_WARNING, Notice, PromiseRules, Rules
from whmcs_bridge.policy.stages import (
    carries_our_reason,
    final_warning_days,
    on_suspension_is_final,
    reason_for,
    stage_of,
    terminate_floor,
)

NEVER_ENDS = a_policy(3, None)

# --- whose suspension -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("Overdue: invoice 12, 13 [whmcs-bridge]", True),
        (" Overdue: invoice 12 [whmcs-bridge]\n", True),
        ("Overdue: invoice 7 [whmcs-bridge]", True),
        ("Overdue: invoice 12 [whmcs-bridge] and sends spam", False),
        ("Sends spam; Overdue: invoice 12 [whmcs-bridge]", False),
        ("Overdue: invoice 12", False),
        ("Overdue on Payment", False),
        ("[whmcs-bridge]", False),
        ("", False),
    ],
)
def test_only_our_reason_untouched_is_ours(reason: str, ours: bool) -> None:
    """ "Suspend through the module with *our* reason, `Overdue: invoice 12, 13 [whmcs-bridge]`"; what somebody added
    to it is theirs."""
    assert carries_our_reason(reason) is ours


# --- the whole journey ------------------------------------------------------------------------------


def test_the_journey_of_the_example_class() -> None:
    """`notices = [-4 payment-reminder, 2 suspension-warning]`, suspended on 3, ended on 15 with its backups."""
    policy = a_policy(notices=[(-4, PAYMENT_REMINDER), (2, SUSPENSION_WARNING)], layer={"delete_backups_after_days": 0})
    story = Life(policy=policy).until(day(20), start=day(-10)).story()
    assert story == {
        -4: [PAYMENT_REMINDER],
        2: [SUSPENSION_WARNING],
        3: ["suspend"],
        12: [FINAL_WARNING],
        15: ["terminate"],
        16: ["delete_backups"],
    }


def test_two_runs_a_day_do_nothing_twice() -> None:
    """ "One suspend-or-terminate per service and house day, however often syncs run"; each notice once."""
    policy = a_policy(1, 2, notices=[(-4, PAYMENT_REMINDER)])
    life = Life(policy=policy)
    for number in range(-10, 6):
        life.run(day(number))
        life.again(day(number))
    assert life.story() == {-4: [PAYMENT_REMINDER], 1: ["suspend", FINAL_WARNING], 2: ["terminate"]}


def test_switching_on_over_year_old_debt_starts_at_the_first_stage() -> None:
    """ "Switching the bridge on over a book full of year-old debts starts every case at the first stage." """
    story = Life(policy=a_policy(warn=2)).until(day(430), start=day(400)).story()
    assert story == {
        400: [SUSPENSION_WARNING],
        401: ["suspend"],
        410: [FINAL_WARNING],
        413: ["terminate"],
    }


@pytest.mark.parametrize(
    ("suspend", "terminate", "expected"),
    [
        (1, 2, {1: ["suspend", FINAL_WARNING], 2: ["terminate"]}),
        (1, 3, {1: ["suspend", FINAL_WARNING], 3: ["terminate"]}),
        (3, 6, {3: ["suspend", FINAL_WARNING], 6: ["terminate"]}),
        (3, 7, {3: ["suspend"], 4: [FINAL_WARNING], 7: ["terminate"]}),
        (8, 30, {8: ["suspend"], 27: [FINAL_WARNING], 30: ["terminate"]}),
        (3, None, {3: ["suspend"]}),
        (None, 15, {}),
        (None, None, {}),
    ],
)
def test_each_stage_on_its_day(suspend: int | None, terminate: int | None, expected: dict[int, list[str]]) -> None:
    """ "the smallest N is 1; never switches a stage off; never suspend implies never terminate"; "where the waiting
    time is not longer than `final_warning_days`, the message on suspension is the final warning"."""
    assert Life(policy=a_policy(suspend, terminate)).until(day(40)).story() == expected


@pytest.mark.parametrize(
    ("suspend", "terminate", "asked", "days", "final"),
    [(3, 15, None, 3, False), (3, 15, 5, 5, False), (1, 3, None, 2, True), (1, 2, None, 1, True), (3, 8, 5, 5, True)],
)
def test_final_warning_days_default_to_the_smaller_of_three_and_the_waiting_time(
    suspend: int, terminate: int, asked: int | None, days: int, final: bool
) -> None:
    rules = Rules(suspend_after_days=suspend, terminate_after_days=terminate, final_warning_days=asked)
    assert final_warning_days(rules) == days
    assert on_suspension_is_final(rules) is final


# --- notices ----------------------------------------------------------------------------------------

THREE = [(1, PAYMENT_REMINDER), (3, "second-reminder"), (5, "third-reminder")]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ((), {1: [PAYMENT_REMINDER], 3: ["second-reminder"], 5: ["third-reminder"]}),
        ((1,), {2: [PAYMENT_REMINDER], 3: ["second-reminder"], 5: ["third-reminder"]}),
        ((3, 4), {1: [PAYMENT_REMINDER], 5: ["third-reminder"]}),
        ((1, 2, 3, 4, 5), {6: ["third-reminder"]}),
        ((5, 6, 7), {1: [PAYMENT_REMINDER], 3: ["second-reminder"], 8: ["third-reminder"]}),
    ],
)
def test_of_several_missed_notices_only_the_latest_is_sent(
    missed: tuple[int, ...], expected: dict[int, list[str]]
) -> None:
    policy = a_policy(None, None, notices=THREE)
    life = Life(policy=policy).until(day(12), without=lambda today: (today - DUE).days in missed)
    assert life.story() == expected


def test_a_warning_that_a_step_needs_goes_before_any_other() -> None:
    """ "a warning that a step still needs goes before any other", and afterwards no older notice follows on the day."""
    policy = a_policy(7, None, notices=[(2, SUSPENSION_WARNING), (5, PAYMENT_REMINDER)])
    life = Life(policy=policy).until(day(9), without=lambda today: day(2) <= today <= day(5))
    story = life.story()
    assert story[6] == [SUSPENSION_WARNING]
    assert life.days_of("suspend") == [7]


def test_no_client_gets_a_warning_and_a_reminder_on_one_day() -> None:
    policy = a_policy(7, None, notices=[(2, SUSPENSION_WARNING), (5, PAYMENT_REMINDER)])
    life = Life(policy=policy).until(day(6), start=day(6))
    life.again(day(6))
    assert life.story() == {6: [SUSPENSION_WARNING]}


def test_the_warning_has_to_be_of_an_earlier_day() -> None:
    """ "which must then have gone out on an earlier day"."""
    late = facts(case=a_case(notices=(a_notice(on=day(5)),)))
    assert due_kinds(late, a_policy(warn=2), day(5)) == []
    assert withheld_by(judged(late, a_policy(warn=2), day(5))) == ["warning"]
    assert due_kinds(late, a_policy(warn=2), day(6)) == ["suspend"]


def test_a_notice_before_the_due_date_is_no_warning() -> None:
    """ "Noticed means: a notice with `day >= 1` has gone out in this case"."""
    reminded = facts(case=a_case(notices=(a_notice(PAYMENT_REMINDER, on=day(-4), day=-4),)))
    assert stage_of(view(reminded, today=day(2))) is Stage.CLEAR
    warned = facts(case=a_case(notices=(a_notice(on=day(2)),)))
    assert stage_of(view(warned, today=day(2))) is Stage.NOTICED


def test_a_warning_of_an_earlier_case_does_not_count() -> None:
    """The case closed and opened again: the warning of the first one is history."""
    again = facts(case=a_case(opened_on=day(20), notices=(a_notice(on=day(2)),)))
    assert due_kinds(again, a_policy(warn=2), day(20)) == [SUSPENSION_WARNING]
    assert stage_of(view(again, today=day(20))) is Stage.CLEAR


def test_a_warning_that_failed_is_none() -> None:
    failed = facts(case=a_case(notices=(a_notice(on=day(2), delivered=False),)))
    assert due_kinds(failed, a_policy(warn=2), day(3)) == [SUSPENSION_WARNING]
    assert stage_of(view(failed, today=day(3))) is Stage.CLEAR


def test_a_warning_for_a_paid_invoice_does_not_suspend_for_a_younger_one() -> None:
    """The warning of day 2 named an invoice that was paid; the younger one gets its own."""
    policy = a_policy(10, None, warn=2)
    life = Life(policy=policy).until(day(5))
    life.owes(an_invoice(101, day(5)))
    life.until(day(8), start=day(6))
    life.pays(100, day(8))
    life.until(day(20), start=day(9))
    assert life.days_of(SUSPENSION_WARNING) == [2, 9]
    assert life.days_of("suspend") == [15]


def test_a_class_without_a_warning_needs_none() -> None:
    """ "It is a precondition of suspension only where the class has a `suspension-warning`"."""
    policy = a_policy(3, None, notices=[(5, PAYMENT_REMINDER)])
    assert Life(policy=policy).until(day(4)).story() == {3: ["suspend"]}


def test_reminders_are_sent_once_for_each_invoice() -> None:
    life = Life(policy=a_policy(30, None, notices=[(-4, PAYMENT_REMINDER)]))
    life.facts = facts(invoices=[an_invoice(100, DUE), an_invoice(101, day(10))])
    life.until(DUE, start=day(-10))
    life.pays(100, DUE)
    life.until(day(10), start=day(1))
    assert life.days_of(PAYMENT_REMINDER) == [-4, 6]


def test_a_reminder_after_the_due_date_is_not_sent_for_an_invoice_that_is_not_due() -> None:
    found = facts(invoices=[an_invoice(100, day(30))])
    assert due_kinds(found, a_policy(notices=[(-4, PAYMENT_REMINDER)]), DUE) == []


def test_a_pending_payment_gets_no_notice() -> None:
    pending = facts(invoices=[an_invoice(status=InvoiceStatus.PAYMENT_PENDING)])
    assert due_kinds(pending, a_policy(warn=2), day(2)) == []


def test_a_suspended_service_gets_the_notices_of_later_days_and_no_earlier_ones() -> None:
    policy = a_policy(3, None, notices=[(2, PAYMENT_REMINDER), (5, PAYMENT_REMINDER)])
    case = a_case(suspended_on=day(3))
    assert due_kinds(facts(suspended(), case=case), policy, day(4)) == []
    assert due_kinds(facts(suspended(), case=case), policy, day(5)) == [PAYMENT_REMINDER]
    told = replace(case, notices=(SentNotice(PAYMENT_REMINDER, 5, day(5), None),))
    assert due_kinds(facts(suspended(), case=told), policy, day(6)) == []


# --- the day of the suspension --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "days", "quiet", "expected"),
    [
        (date(2026, 3, 10), 3, (), date(2026, 3, 13)),
        (date(2026, 3, 10), 3, ("friday",), date(2026, 3, 14)),
        (date(2026, 3, 10), 3, ("friday", "saturday", "sunday"), date(2026, 3, 16)),
        (date(2026, 3, 31), 1, (), date(2026, 4, 1)),
        (date(2024, 2, 28), 1, (), date(2024, 2, 29)),
        (date(2024, 2, 28), 2, (), date(2024, 3, 1)),
        (date(2025, 12, 30), 3, (), date(2026, 1, 2)),
    ],
)
def test_days_count_from_the_due_date_inclusively(due: date, days: int, quiet: tuple[str, ...], expected: date) -> None:
    """ "due on the 10th, suspended on the 13th. On a quiet day the step moves to the next day that is not quiet." """
    found = facts(invoices=[an_invoice(100, due)])
    assert first_day(found, Kind.SUSPEND, a_policy(days, None, quiet=quiet), start=due) == expected


def test_a_quiet_holiday_moves_the_suspension() -> None:
    policy = a_policy(quiet=["saturday", "sunday", "holiday"], holidays=[date(2026, 3, 13), date(2026, 3, 16)])
    assert first_day(facts(), Kind.SUSPEND, policy) == date(2026, 3, 17)


@pytest.mark.parametrize(
    ("due", "days", "bank_days", "expected"),
    [
        (date(2026, 3, 13), 1, 3, date(2026, 3, 18)),
        (date(2026, 3, 14), 1, 3, date(2026, 3, 19)),
        (date(2026, 3, 10), 10, 3, date(2026, 3, 20)),
        (date(2026, 3, 10), 1, 1, date(2026, 3, 11)),
        (date(2026, 3, 13), 3, 2, date(2026, 3, 17)),
    ],
)
def test_clearing_days_are_the_later_of_the_two_never_the_sum(
    due: date, days: int, bank_days: int, expected: date
) -> None:
    """ "no suspension before due + N bank days of the invoice's gateway (the later of this and `suspend_after_days`,
    never the sum; day counts do not move)"."""
    found = facts(invoices=[an_invoice(100, due, gateway="boleto")])
    policy = a_policy(days, None, clearing={"boleto": bank_days})
    assert first_day(found, Kind.SUSPEND, policy, start=due) == expected


def test_day_counts_of_the_end_do_not_move_with_clearing_days() -> None:
    """Due on Saturday with three bank days: suspended on Thursday, day 5; the end on day 15 as written, or the waiting
    time after the suspension, whichever is later."""
    due = date(2026, 3, 14)
    policy = a_policy(1, 15, clearing={"boleto": 3})
    life = Life(facts(invoices=[an_invoice(100, due, gateway="boleto")]), policy)
    life.until(due + timedelta(days=40), start=due)
    down = due + timedelta(days=5)
    assert life.acts[down] == ["suspend"]
    assert life.acts[down + timedelta(days=14)] == ["terminate"]


def test_a_younger_invoice_may_suspend_while_the_oldest_still_clears() -> None:
    found = facts(
        invoices=[
            an_invoice(100, date(2026, 3, 13), gateway="boleto"),
            an_invoice(101, date(2026, 3, 13), gateway="card"),
        ]
    )
    policy = a_policy(1, None, clearing={"boleto": 3})
    assert first_day(found, Kind.SUSPEND, policy, start=date(2026, 3, 13)) == date(2026, 3, 14)


def test_invoices_due_on_the_same_day_are_one_suspension_that_names_both() -> None:
    found = facts(invoices=[an_invoice(100), an_invoice(101)])
    step = the(judged(found, today=day(3)), Kind.SUSPEND)
    assert step.invoices == (100, 101)
    assert str(step.amount) == "80.00 USD"
    assert reason_for(step.invoices) == "Overdue: invoice 100, 101 [whmcs-bridge]"


def test_a_cleared_day_count_of_an_adopted_invoice_starts_at_its_creation() -> None:
    imported = facts(invoices=[an_invoice(100, day(-400))], created_on={100: DUE})
    assert first_day(imported, Kind.SUSPEND) == day(3)


@pytest.mark.parametrize("status", [ServiceStatus.PENDING, ServiceStatus.COMPLETED, None])
def test_nothing_is_done_to_a_service_that_is_neither_up_nor_down(status: ServiceStatus | None) -> None:
    assert due_kinds(facts(a_service(status=status)), today=day(30)) == []


def test_no_invoice_no_suspension_however_far_behind_the_next_due_date_is() -> None:
    """ "a lagging next due date without debt is reported, never acted on"; failure story 1."""
    lagging = facts(a_service(next_due=day(-90)), invoices=[])
    assert due_kinds(lagging, today=day(30)) == []


# --- the end ----------------------------------------------------------------------------------------


def down(on: int = 3, *, warned: int | None = None, **more: Any) -> ServiceFacts:
    notices = (a_final_warning(day(warned)),) if warned is not None else ()
    case = a_case(suspended_on=day(on), notices=notices)
    return facts(suspended(), case=case, **more)


@pytest.mark.parametrize(
    ("suspended_on", "warned_on", "expected"),
    [
        (3, 12, 15),
        (3, 13, 16),
        (3, 4, 15),
        (8, 12, 20),
        (50, 59, 62),
        (50, 61, 64),
        (3, 30, 33),
    ],
)
def test_the_end_waits_for_the_latest_of_due_date_suspension_and_warning(
    suspended_on: int, warned_on: int, expected: int
) -> None:
    """ "not before the latest of: due date + `terminate_after_days`; the actual suspension + the waiting time; the
    delivered final warning + `final_warning_days`"; here 15, 12 and 3."""
    assert first_day(down(suspended_on, warned=warned_on), Kind.TERMINATE) == day(expected)


def test_the_waiting_time_also_counts_from_the_first_overdue_day_of_the_present_debt() -> None:
    """Down for months for an invoice that is paid now; the one that is left is young: "the actual suspension (or
    adoption, or the first overdue day of the present debt, whichever is latest) + the waiting time"."""
    young = facts(
        suspended(),
        invoices=[an_invoice(101, day(100))],
        case=a_case(suspended_on=day(3), notices=(a_final_warning(day(110)),)),
    )
    assert terminate_floor(view(young, today=day(105))) == day(115)
    assert first_day(young, Kind.TERMINATE, start=day(100)) == day(115)


def test_paying_the_oldest_gives_the_younger_its_own_time() -> None:
    life = Life(facts(invoices=[an_invoice(100), an_invoice(101, day(10))])).until(day(14))
    assert life.days_of(FINAL_WARNING) == [12]
    life.pays(100, day(14))
    life.until(day(40), start=day(15))
    assert life.is_down is False
    assert life.days_of("terminate") == [25]


@pytest.mark.parametrize("quiet", [("wednesday",), ("wednesday", "thursday")])
def test_the_end_moves_off_quiet_days(quiet: tuple[str, ...]) -> None:
    """Day 15 of the usual house is Wednesday the 25th."""
    life = Life(policy=a_policy(quiet=quiet)).until(day(20))
    assert life.days_of("terminate") == [15 + len(quiet)]


def test_without_a_final_warning_there_is_no_end() -> None:
    assert due_kinds(down(), today=day(40)) == [FINAL_WARNING]
    assert withheld_by(judged(down(), today=day(40)), Kind.TERMINATE) == ["final-warning"]


@pytest.mark.parametrize(("delivered", "expected"), [(True, ["terminate"]), (None, []), (False, [FINAL_WARNING])])
def test_only_a_delivered_final_warning_counts(delivered: bool | None, expected: list[str]) -> None:
    """ "Delivered means: accepted by SendEmail and not failed in GetEmails by the next run"; a failed one is sent
    again; one nobody could look up waits and goes to staff."""
    case = a_case(suspended_on=day(3), notices=(a_final_warning(day(12), delivered=delivered),))
    decision = judged(facts(suspended(), case=case), today=day(16))
    assert kinds(decision) == expected
    if delivered is None:
        assert the_hold(decision, "final-warning").to_staff


def test_a_final_warning_that_failed_is_sent_again_until_it_arrives() -> None:
    life = Life(mail_fails_on=frozenset({day(12), day(13)})).until(day(20))
    assert life.days_of(FINAL_WARNING) == [12, 13, 14]
    assert life.days_of("terminate") == [17]


@pytest.mark.parametrize(("today", "expected"), [(42, ["terminate"]), (43, [FINAL_WARNING])])
def test_a_final_warning_counts_for_thirty_days(today: int, expected: list[str]) -> None:
    assert due_kinds(down(warned=12), today=day(today)) == expected


def test_a_final_warning_of_an_earlier_case_does_not_count() -> None:
    """ "A final warning counts for its case only"."""
    case = a_case(opened_on=day(13), suspended_on=day(14), notices=(a_final_warning(day(12)),))
    assert FINAL_WARNING in due_kinds(facts(suspended(), case=case), today=day(30))


def test_the_newest_final_warning_counts_whatever_order_they_are_kept_in() -> None:
    case = a_case(suspended_on=day(3), notices=(a_final_warning(day(15)), a_final_warning(day(12))))
    assert first_day(facts(suspended(), case=case), Kind.TERMINATE) == day(18)


@pytest.mark.parametrize(
    "record",
    [
        a_record(RecordKind.PROMISE, day(10), day(20)),
        a_record(RecordKind.HOLD, day(10), day(20)),
        a_record(RecordKind.RECEIPT, day(10), day(20), invoice=100),
    ],
    ids=lambda r: r.kind.value,
)
def test_a_final_warning_is_repeated_after_a_protection_ends(record: Record) -> None:
    """Given on day 12 before the protection ended on day 20: given again on day 21, and the end is three days later."""
    life = Life().until(day(9))
    life.facts = replace(life.facts, case=replace(life.facts.case, notices=(a_final_warning(day(9)),)))
    life.told(record)
    life.until(day(30), start=day(10))
    assert life.days_of(FINAL_WARNING) == [21]
    assert life.days_of("terminate") == [24]


def test_a_final_warning_is_repeated_after_a_client_got_in_touch() -> None:
    policy = a_policy(layer={"recent_contact_days": 7})
    life = Life(policy=policy).until(day(13))
    life.told(a_record(RecordKind.CONTACT, day(14), sort="ticket"))
    life.until(day(40), start=day(14))
    assert life.days_of(FINAL_WARNING) == [12, 22]
    assert life.days_of("terminate") == [25]


def test_a_freeze_repeats_the_warning_and_moves_the_end_by_its_days() -> None:
    life = Life().until(day(12))
    life.told(a_record(RecordKind.FREEZE, day(13), day(15), client=None))
    life.until(day(30), start=day(13))
    assert life.days_of(FINAL_WARNING) == [12, 16]
    assert life.days_of("terminate") == [19]


def test_approval_withholds_the_end_and_is_shown() -> None:
    policy = a_policy(approval={"terminate": "required"})
    waiting = down(warned=12)
    decision = judged(waiting, policy, day(15))
    assert kinds(decision) == []
    assert the_hold(decision, "approval").to_staff
    approved = replace(waiting, approved=frozenset({"terminate"}))
    assert due_kinds(approved, policy, day(15)) == ["terminate"]


def test_an_approval_that_comes_after_the_warning_ran_out_waits_for_a_new_one() -> None:
    policy = a_policy(approval={"terminate": "required"})
    approved = replace(down(warned=12), approved=frozenset({"terminate"}))
    assert due_kinds(approved, policy, day(50)) == [FINAL_WARNING]


@pytest.mark.parametrize("reason", ["Abuse", OUR_REASON + " spam", "Overdue: invoice 100"])
def test_a_foreign_reason_never_leads_to_an_end_nor_to_a_release(reason: str) -> None:
    """ "payment lifts only ours; a staff reason added later keeps the service down; a foreign reason never leads to
    termination"."""
    case = a_case(suspended_on=day(3), notices=(a_final_warning(day(12)),))
    owing = judged(facts(suspended(reason), case=case), today=day(60))
    assert kinds(owing) == []
    assert "foreign-suspension" in [n.code for n in owing.notes]
    assert due_kinds(facts(suspended(reason), case=case, invoices=[]), today=day(60)) == []


# --- release ----------------------------------------------------------------------------------------


def test_back_when_everything_that_counts_is_paid() -> None:
    life = Life(facts(invoices=[an_invoice(100), an_invoice(101, day(1))])).until(day(5))
    life.pays(100, day(5))
    life.run(day(6))
    assert life.is_down
    life.pays(101, day(6))
    life.run(day(7))
    assert life.is_up
    assert life.facts.case.opened_on is None


def test_a_release_does_not_wait_for_a_quiet_day_to_end() -> None:
    found = facts(suspended(), invoices=[], case=a_case(suspended_on=day(3)))
    every_day_quiet = a_policy(quiet=["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"])
    assert due_kinds(found, every_day_quiet, day(3)) == ["unsuspend"]


def test_a_release_needs_no_whole_snapshot() -> None:
    assert due_kinds(facts(suspended(), invoices=[], complete=False)) == ["unsuspend"]


def test_a_payment_that_is_reversed_brings_the_old_due_date_back_one_stage_a_day() -> None:
    """ "chargeback or Unpaid again is debt: the old due date counts, at the next sync, one stage a day"."""
    life = Life(policy=a_policy(warn=2)).until(day(2))
    life.pays(100, day(2))
    life.until(day(20), start=day(3))
    life.owes(an_invoice())
    life.until(day(40), start=day(21))
    assert life.story() == {
        2: [SUSPENSION_WARNING],
        21: [SUSPENSION_WARNING],
        22: ["suspend"],
        31: [FINAL_WARNING],
        34: ["terminate"],
    }


def test_a_payment_reversed_after_the_release_suspends_again_with_a_new_waiting_time() -> None:
    life = Life().until(day(5))
    life.pays(100, day(5))
    life.run(day(6))
    life.owes(an_invoice())
    life.until(day(20), start=day(7))
    assert life.days_of("suspend") == [3, 7]
    assert life.facts.case.suspended_on == day(7)
    life.until(day(40), start=day(21))
    assert life.days_of("terminate") == [19]


# --- a cancellation request -----------------------------------------------------------------------------


def test_an_invoice_cancelled_by_staff_releases_one_cancelled_by_a_request_does_not() -> None:
    """ "invoice cancelled, voided or written off: no debt any more, so the service is released"; "cancelled by a
    cancellation request: never a release: the service stays down to its end"."""
    gone = replace(an_invoice(), status=InvoiceStatus.CANCELLED)
    case = a_case(suspended_on=day(3))
    by_staff = facts(suspended(), invoices=[], cancelled=(gone,), case=case)
    assert due_kinds(by_staff, today=day(6)) == ["unsuspend"]
    by_request = facts(suspended(), invoices=[], cancelled=(gone,), case=case, cancel_request=a_request())
    decision = judged(by_request, today=day(6))
    assert kinds(decision) == []
    assert "debt-dropped" in [n.code for n in decision.notes]


def test_who_pays_under_a_cancellation_request_is_back() -> None:
    paid = facts(
        suspended(),
        invoices=[],
        history=(paid_invoice(100),),
        case=a_case(suspended_on=day(3)),
        cancel_request=a_request(),
    )
    assert due_kinds(paid, today=day(6)) == ["unsuspend"]


def test_a_request_whose_debt_vanished_without_payment_stays_down() -> None:
    """The invoice was deleted: nobody paid it, and the mirror has no lines of it any more."""
    vanished = facts(suspended(), invoices=[], case=a_case(suspended_on=day(3)), cancel_request=a_request())
    assert due_kinds(vanished, today=day(6)) == []


# --- exemptions ---------------------------------------------------------------------------------------


def overridden(until: int | None = None) -> ServiceFacts:
    return facts(a_service(override=True, override_until=None if until is None else day(until)))


def test_an_override_until_a_day_lets_the_step_happen_on_that_day() -> None:
    """ "override date: day on which the step may happen again; 0000-00-00 with the override on means never"."""
    assert first_day(overridden(10), Kind.SUSPEND) == day(10)
    assert first_day(overridden(3), Kind.SUSPEND) == day(3)
    assert first_day(overridden(), Kind.SUSPEND) is None


def test_after_an_exemption_the_case_starts_at_its_first_stage_however_old_the_debt() -> None:
    """Day 70 under an override, warned on day 2 by WHMCS's reckoning: the warning comes again first."""
    life = Life(overridden(70), a_policy(warn=2))
    life.facts = replace(life.facts, case=a_case(notices=(a_notice(on=day(2)),)))
    life.until(day(90), start=day(3))
    assert life.story() == {
        70: [SUSPENSION_WARNING],
        71: ["suspend"],
        80: [FINAL_WARNING],
        83: ["terminate"],
    }


def test_a_reminder_is_not_repeated_every_day_of_an_exemption() -> None:
    """Failure story 53: the same reminder four times. It comes again once, when the case starts afresh."""
    life = Life(overridden(10), a_policy(3, None, notices=[(1, PAYMENT_REMINDER)]))
    life.until(day(20))
    assert life.days_of(PAYMENT_REMINDER) == [1, 10]
    assert life.days_of("suspend") == [10]


def test_an_exemption_that_begins_while_suspended_lifts_nothing_and_restarts_the_waiting_time() -> None:
    life = Life().until(day(13))
    assert life.days_of(FINAL_WARNING) == [12]
    life.becomes(override=True, override_until=day(25))
    life.until(day(24), start=day(14))
    assert life.is_down
    life.until(day(50), start=day(25))
    assert life.days_of("unsuspend") == []
    assert life.days_of(FINAL_WARNING) == [12, 34]
    assert life.days_of("terminate") == [37]


# --- adoption -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "owes", "whose"),
    [
        (BLANK, True, Adoption.WHMCS),
        (BLANK, False, Adoption.STAFF),
        ("Abuse", True, Adoption.STAFF),
        ("Abuse", False, Adoption.STAFF),
        (OUR_REASON, True, Adoption.OURS),
        (OUR_REASON, False, Adoption.OURS),
    ],
)
def test_a_suspension_that_stood_before_we_came_is_sorted(reason: str, owes: bool, whose: Adoption) -> None:
    """ "sorted at adoption (the day the bridge first sees it) into ours, WHMCS's or staff's; a blank reason without
    debt is staff's until confirmed"."""
    life = Life(facts(suspended(reason), invoices=None if owes else []))
    life.run(day(5))
    assert life.facts.case.adopted_on == day(5) or life.is_up
    assert life.facts.case.adoption is whose or life.is_up
    assert life.is_up is (whose is Adoption.OURS and not owes)


def test_a_debtor_already_suspended_enters_with_the_clock_from_adoption() -> None:
    """ "enters at `suspended` with the clock from adoption, final warning still due"."""
    life = Life(facts(suspended(BLANK))).until(day(60), start=day(40))
    assert life.story() == {49: [FINAL_WARNING], 52: ["terminate"]}


def test_an_adopted_blank_suspension_is_lifted_by_payment() -> None:
    life = Life(facts(suspended(BLANK))).until(day(6), start=day(5))
    life.pays(100, day(6))
    life.run(day(7))
    assert life.is_up


def test_a_blank_suspension_without_debt_stays_staffs_when_debt_comes_and_goes() -> None:
    life = Life(facts(suspended(BLANK), invoices=[]))
    life.run(day(-5))
    life.owes(an_invoice())
    life.until(day(60), start=day(1))
    life.pays(100, day(60))
    life.until(day(65), start=day(61))
    assert life.story() == {}


def test_a_blank_suspension_with_a_payment_on_its_way_is_whmcss_own() -> None:
    """WHMCS's cron looks at dates only, also while the payment is pending: the client paid, so it has to come back."""
    life = Life(facts(suspended(BLANK), invoices=[an_invoice(status=InvoiceStatus.PAYMENT_PENDING)]))
    life.run(day(2))
    life.pays(100, day(3))
    life.run(day(3))
    assert life.is_up


def test_a_suspension_by_whmcss_own_cron_on_a_later_day_is_adopted_on_that_day() -> None:
    life = Life(policy=a_policy(10, 20)).until(day(4))
    life.whmcs_suspends()
    life.until(day(40), start=day(5))
    assert life.facts.case.adopted_on == day(5)
    assert life.days_of("terminate") == [20]


def test_a_suspension_that_staff_lifted_and_whmcs_set_again_has_a_new_clock() -> None:
    """The waiting time counts from the actual suspension, which is not the one that staff lifted."""
    life = Life().until(day(4))
    life.becomes(status=ServiceStatus.ACTIVE, suspension_reason="", override=True, override_until=day(30))
    life.until(day(12), start=day(5))
    life.becomes(override=False)
    life.whmcs_suspends()
    life.until(day(40), start=day(13))
    assert life.facts.case.adopted_on == day(13)
    assert life.days_of("terminate") == [25]


def test_our_reason_blanked_and_suspended_anew_counts_from_the_day_it_is_seen() -> None:
    life = Life().until(day(8))
    life.whmcs_suspends()
    life.until(day(40), start=day(9))
    assert life.days_of("terminate") == [21]


# --- trust release ---------------------------------------------------------------------------------


def test_a_release_protects_through_its_last_day_and_the_clock_of_the_end_goes_on() -> None:
    """ "a release on day D with `days = 3`: through D+3; the next sync does what is due; the termination clock goes on
    under a release"."""
    life = Life().until(day(5))
    life.told(a_record(RecordKind.RELEASE, day(6), day(9), service=10))
    life.until(day(40), start=day(6))
    assert life.story() == {
        3: ["suspend"],
        6: ["unsuspend"],
        10: ["suspend"],
        12: [FINAL_WARNING],
        15: ["terminate"],
    }


def test_a_release_over_the_day_of_the_end_gives_a_new_final_warning() -> None:
    life = Life().until(day(13))
    life.told(a_record(RecordKind.RELEASE, day(14), day(19), service=10))
    life.until(day(40), start=day(14))
    assert life.story() == {
        3: ["suspend"],
        12: [FINAL_WARNING],
        14: ["unsuspend"],
        20: ["suspend"],
        21: [FINAL_WARNING],
        24: ["terminate"],
    }


def test_a_release_that_ends_on_a_quiet_day_holds_until_the_next_active_one() -> None:
    life = Life(policy=a_policy(quiet=["saturday", "sunday"])).until(day(3))
    life.told(a_record(RecordKind.RELEASE, day(3), day(3), service=10, number=2))
    life.until(day(10), start=day(4))
    assert life.days_of("suspend") == [3]
    life = Life(policy=a_policy(1, None, quiet=["saturday", "sunday"])).until(day(1))
    life.told(a_record(RecordKind.RELEASE, day(1), day(3), service=10))
    life.again(day(1))
    life.until(day(10), start=day(2))
    assert life.days_of("suspend") == [1, 6], "Friday was its last day: Monday"


def test_a_release_paid_off_leaves_no_clock_behind() -> None:
    life = Life().until(day(5))
    life.told(a_record(RecordKind.RELEASE, day(6), day(9), service=10))
    life.run(day(6))
    life.pays(100, day(7))
    life.until(day(20), start=day(7))
    life.owes(an_invoice(101, day(30)))
    life.until(day(60), start=day(21))
    assert life.days_of("suspend") == [3, 33]
    assert life.days_of("terminate") == [45]


def test_a_foreign_suspension_is_not_released_on_trust() -> None:
    record = a_record(RecordKind.RELEASE, day(6), day(9), service=10)
    assert due_kinds(facts(suspended("Abuse"), records=[record]), today=day(6)) == []


# --- promises ---------------------------------------------------------------------------------------


def test_a_promise_defers_through_its_last_day_and_the_next_sync_does_what_is_due() -> None:
    life = Life(policy=a_policy(warn=2))
    life.told(a_record(RecordKind.PROMISE, day(1), day(8)))
    life.until(day(8))
    assert life.story() == {2: [SUSPENSION_WARNING]}, "the warning still goes out"
    life.run(day(9))
    assert life.story()[9] == ["suspend"]


@pytest.mark.parametrize(
    ("given_under", "on_broken", "ended"),
    [("suspend", "suspend", 24), ("terminate", "terminate", 16), ("suspend", "terminate", 24)],
)
def test_a_broken_promise_leads_to_what_the_house_says(given_under: str, on_broken: str, ended: int) -> None:
    """ "`on_broken` = suspend, or terminate: due final_warning_days later": promised until day 11, broken on 12,
    suspended on 12, warned on 13, ended three days after the warning. What hastens is for words given after it."""
    policy = a_policy(promises=PromiseRules(on_broken=on_broken))
    life = Life(policy=policy)
    life.told(a_record(RecordKind.PROMISE, day(1), day(11)))
    life.until(day(11))
    broken = a_record(RecordKind.PROMISE, day(1), day(11), state=RecordState.BROKEN, closed_on=day(12))
    hastens = given_under == "terminate"
    life.told(replace(broken, owed=((InvoiceId(100), Decimal("40.00")),), hastens=hastens))
    life.until(day(40), start=day(12))
    assert life.days_of("suspend") == [12]
    assert life.days_of("terminate") == [ended]


# --- day counts that were promised ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "suspended_on", "ended_on"),
    [
        ((10, 30), (3, 15), 10, 30),
        ((3, 15), (10, 30), 10, 30),
        ((3, 15), (None, None), None, None),
        ((3, None), (3, 15), 3, None),
        ((3, 15), (3, None), 3, None),
        ((5, 40), (8, 20), 8, 40),
        ((5, 20), (3, 40), 5, 40),
    ],
)
def test_a_change_that_postpones_applies_at_once_one_that_hastens_to_new_cases_only(
    before: tuple[int | None, int | None],
    after: tuple[int | None, int | None],
    suspended_on: int | None,
    ended_on: int | None,
) -> None:
    """ "a change that postpones or withholds a step applies to open cases at once; one that hastens applies to new
    cases only"."""
    life = Life(policy=a_policy(*before)).until(day(2))
    life.policy = a_policy(*after)
    life.until(day(60), start=day(3))
    assert life.days_of("suspend") == ([] if suspended_on is None else [suspended_on])
    assert life.days_of("terminate") == ([] if ended_on is None else [ended_on])


def test_a_new_case_is_under_the_new_policy() -> None:
    life = Life(policy=a_policy(10, None)).until(day(2))
    life.policy = a_policy(3, None)
    life.pays(100, day(2))
    life.run(day(3))
    life.owes(an_invoice(101, day(3)))
    life.until(day(20), start=day(4))
    assert life.days_of("suspend") == [6]


def test_a_warning_that_was_promised_is_still_given_when_the_class_drops_it() -> None:
    """Dropping the warning would hasten the suspension of who has not had it yet."""
    life = Life(policy=a_policy(5, None, warn=2)).until(day(1))
    life.policy = a_policy(5, None)
    life.until(day(8), start=day(2))
    assert life.story() == {2: [SUSPENSION_WARNING], 5: ["suspend"]}


def test_a_final_warning_time_that_was_promised_outlives_its_setting() -> None:
    life = Life(policy=a_policy(layer={"final_warning_days": 6})).until(day(5))
    life.policy = a_policy()
    life.until(day(30), start=day(6))
    assert life.days_of(FINAL_WARNING) == [9]
    assert life.days_of("terminate") == [15]


def test_a_back_and_forth_of_policies_keeps_the_longest_promise() -> None:
    life = Life(policy=a_policy(5, None)).until(day(1))
    life.policy = a_policy(12, None)
    life.run(day(2))
    life.policy = a_policy(5, None)
    life.until(day(20), start=day(3))
    assert life.days_of("suspend") == [12]


# --- after the end ------------------------------------------------------------------------------------


def ended(
    status: ServiceStatus = ServiceStatus.TERMINATED, *, by: str = "bridge", on: int = 15, **more: Any
) -> ServiceFacts:
    case = a_case(ended_on=day(on), ended_by=by)
    return facts(a_service(status=status), case=case, **more)


@pytest.mark.parametrize(
    ("by", "days", "expected"),
    [("bridge", 0, 15), ("bridge", 1, 16), ("bridge", 30, 45), ("elsewhere", 0, 16), ("elsewhere", 1, 16),
     ("elsewhere", 30, 45), ("bridge", None, None), ("elsewhere", None, None)],
)  # fmt: skip
def test_backups_are_deleted_so_many_days_after_the_end(by: str, days: int | None, expected: int | None) -> None:
    """ "whatever ended the service"; "a status edited by hand waits at least one day, also with 0 days"."""
    policy = a_policy(layer={"delete_backups_after_days": days})
    when = first_day(ended(by=by), Kind.DELETE_BACKUPS, policy)
    assert when == (None if expected is None else day(expected))


@pytest.mark.parametrize("status", [ServiceStatus.TERMINATED, ServiceStatus.CANCELLED, ServiceStatus.FRAUD])
def test_the_deletion_clock_runs_on_quiet_days_and_for_every_way_of_ending(status: ServiceStatus) -> None:
    """A fraud's backups may be evidence: theirs go only where the house says that it counts as an end."""
    policy = a_policy(quiet=["wednesday"], layer={"delete_backups_after_days": 0})
    counts = replace(policy, backups=BackupRules(fraud_ends=True))
    assert due_kinds(ended(status), counts, day(15)) == ["delete_backups"]
    assert due_kinds(ended(status), policy, day(15)) == ([] if status is ServiceStatus.FRAUD else ["delete_backups"])


def test_nothing_is_deleted_twice_and_nothing_of_an_end_that_nobody_saw() -> None:
    policy = a_policy(layer={"delete_backups_after_days": 0})
    gone = facts(a_service(status=ServiceStatus.TERMINATED), case=a_case(ended_on=day(1), erased_on=day(1)))
    assert due_kinds(gone, policy, day(15)) == []
    assert stage_of(view(gone)) is Stage.ERASED
    unseen = facts(a_service(status=ServiceStatus.TERMINATED), invoices=[])
    assert due_kinds(unseen, policy, day(400)) == []


def test_backups_are_kept_as_long_as_was_promised_at_the_end() -> None:
    """Ended by request without any debt, thirty days promised; then the house says 0."""
    patient = a_policy(layer={"delete_backups_after_days": 30})
    life = Life(facts(invoices=[], ended_seen=day(2)), patient)
    life.becomes(status=ServiceStatus.CANCELLED)
    life.run(day(2))
    life.policy = a_policy(layer={"delete_backups_after_days": 0})
    life.until(day(40), start=day(3))
    assert life.days_of("delete_backups") == [32]


def test_a_service_that_comes_to_life_again_has_no_deletion_clock() -> None:
    life = Life(facts(invoices=[], ended_seen=day(2)), a_policy(layer={"delete_backups_after_days": 5}))
    life.becomes(status=ServiceStatus.CANCELLED)
    life.run(day(2))
    life.becomes(status=ServiceStatus.ACTIVE)
    life.facts = replace(life.facts, ended_seen=None)
    life.run(day(3))
    assert life.facts.case.ended_on is None
    assert life.until(day(20), start=day(4)).story() == {}


def test_addons_of_a_service_that_we_ended_are_closed() -> None:
    """ "Child addons are closed with it (WHMCS does not do that for module terminations)"."""
    addons = [an_addon(30), an_addon(31, status=ServiceStatus.SUSPENDED), an_addon(32, status=ServiceStatus.CANCELLED)]
    decision = judged(ended(addons=[*addons, an_addon(33, service=11)]), today=day(15))
    assert [d.target for d in decision.due if d.kind is Kind.CLOSE_ADDON] == [30, 31]
    assert due_kinds(ended(by="elsewhere", addons=addons), today=day(15)) == []


CANCELS = a_policy(layer={"cancel_invoices_of_ended": True})


def test_unpaid_invoices_that_bill_only_ended_services_are_cancelled_if_the_policy_says_so() -> None:
    assert due_kinds(ended(), CANCELS, day(15)) == ["cancel_invoice"]
    assert due_kinds(ended(), a_policy(), day(15)) == []


@pytest.mark.parametrize(
    "invoice",
    [
        an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "40.00", 11)),
        an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "40.00", 11), paid="40.00"),
        an_invoice(100, DUE, a_line("service", "40.00"), a_line("domain", "12.00", 7)),
        an_invoice(100, DUE, a_line("service", "40.00"), a_line("text", "12.00", 0)),
        an_invoice(100, DUE, status=InvoiceStatus.PAYMENT_PENDING),
        an_invoice(100, DUE, status=InvoiceStatus.COLLECTIONS),
    ],
    ids=["living", "living-paid", "domain", "consulting", "pending", "collections"],
)
def test_an_invoice_that_bills_anything_else_too_is_not_cancelled(invoice: Invoice) -> None:
    found = ended(invoices=[invoice], others=[a_service(11)])
    assert due_kinds(found, CANCELS, day(15)) == []


def test_a_disputed_line_of_a_living_service_keeps_the_invoice() -> None:
    shared = an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "40.00", 11))
    record = a_record(RecordKind.DISPUTE, invoice=100, line=1001)
    found = ended(invoices=[shared], others=[a_service(11)], records=[record])
    assert due_kinds(found, CANCELS, day(15)) == []


def test_an_invoice_of_two_ended_services_is_cancelled_once() -> None:
    shared = an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "40.00", 11))
    other = a_service(11, ServiceStatus.TERMINATED)
    first = ended(invoices=[shared], others=[other])
    assert due_kinds(first, CANCELS, day(15)) == ["cancel_invoice"]
    case = a_case(11, ended_on=day(15), ended_by="bridge")
    second = facts(other, case=case, invoices=[shared], others=[a_service(status=ServiceStatus.TERMINATED)])
    assert due_kinds(second, CANCELS, day(15)) == []


@pytest.mark.parametrize(("due", "cancelled"), [(DUE, []), (day(15), []), (day(16), ["cancel_invoice"])])
def test_after_a_request_only_invoices_for_time_after_the_end_are_cancelled(due: date, cancelled: list[str]) -> None:
    """ "open debt stays; only invoices for time after the end are cancelled, if the policy says so"."""
    found = ended(
        ServiceStatus.CANCELLED,
        by="elsewhere",
        invoices=[an_invoice(100, due)],
        cancel_request=a_request(CancelType.IMMEDIATE),
    )
    assert due_kinds(found, CANCELS, day(17)) == cancelled


# --- addons that answer for themselves ----------------------------------------------------------------

ALONE = a_policy(layer={"overdue_addon_suspends": "addon"})
ITS_DEBT = an_invoice(100, DUE, a_line("addon", "15.00", 30))


def test_an_addon_goes_down_by_its_status_and_comes_back_when_paid() -> None:
    """ "addon (its status)"."""
    owing = facts(addons=[an_addon(30)], invoices=[ITS_DEBT])
    assert first_day(owing, Kind.SUSPEND_ADDON, ALONE) == day(3)
    paid = facts(addons=[an_addon(30, status=ServiceStatus.SUSPENDED)], invoices=[], case=a_case(addons_down=(30,)))
    assert due_kinds(paid, ALONE, day(9)) == ["unsuspend_addon"]


def test_an_addon_that_others_took_down_is_not_set_back() -> None:
    found = facts(addons=[an_addon(30, status=ServiceStatus.SUSPENDED)], invoices=[])
    assert due_kinds(found, ALONE, day(9)) == []


def test_an_addon_that_we_took_down_is_remembered_when_the_services_own_case_closes() -> None:
    both = facts(addons=[an_addon(30, status=ServiceStatus.SUSPENDED)], invoices=[], case=a_case(addons_down=(30,)))
    assert due_kinds(both, ALONE, day(9)) == ["unsuspend_addon"]
    assert seen(both, ALONE, day(9)).case.addons_down == (30,)


# --- notices of a rule that is kept -------------------------------------------------------------------


def test_a_view_knows_its_notices() -> None:
    assert view(facts(), a_policy(warn=2)).rules.notices == (Notice(2, SUSPENSION_WARNING),)


def test_a_case_that_closed_while_the_service_is_down_keeps_whose_suspension_it_is() -> None:
    """The debt is gone but the module would not lift it yet; a new debt is a new case with a warning of its own."""
    stuck = facts(suspended(), invoices=[], case=a_case(suspended_on=day(3), notices=(a_final_warning(day(12)),)))
    closed = seen(stuck, today=day(14)).case
    assert closed.opened_on is None
    assert closed.suspended_on == day(3)
    again = facts(suspended(), invoices=[an_invoice(101, day(14))], case=replace(closed, opened_on=day(15)))
    assert FINAL_WARNING in due_kinds(again, today=day(29))


# --- what a decision foresees -------------------------------------------------------------------------


@pytest.mark.parametrize("today", [-3, 2])
def test_clocks_foresee_every_stage_of_a_service_that_is_up(today: int) -> None:
    """Before the due date and after it: the same days, if nobody pays."""
    policy = a_policy(notices=[(-4, PAYMENT_REMINDER), (1, PAYMENT_REMINDER)], warn=2)
    at = judged(facts(), policy, day(today)).clocks
    assert (at.suspend_on, at.terminate_on) == (day(3), day(15))
    foreseen = [(day(1), PAYMENT_REMINDER), (day(2), SUSPENSION_WARNING)]
    assert list(at.notice_days)[-2:] == foreseen
    assert ((day(-4), PAYMENT_REMINDER) in at.notice_days) is (today < 1)


def test_clocks_of_a_suspended_service_are_its_warning_and_its_end() -> None:
    at = judged(facts(suspended(), case=a_case(suspended_on=day(3))), today=day(5)).clocks
    assert (at.suspend_on, at.final_warning_on, at.terminate_on) == (None, day(12), day(15))


def test_clocks_of_an_ended_service_are_its_deletion() -> None:
    assert judged(ended(), a_policy(layer={"delete_backups_after_days": 9}), day(16)).clocks.delete_backups_on == day(
        24
    )


# --- reminders before the due date ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missed", "expected"),
    [((), {-7: ["first"], -4: ["second"], 0: ["third"]}), ((-7, -6, -5, -4, -3), {-2: ["second"], 0: ["third"]})],
)
def test_of_several_missed_reminders_only_the_latest_is_sent(
    missed: tuple[int, ...], expected: dict[int, list[str]]
) -> None:
    policy = a_policy(None, None, notices=[(-7, "first"), (-4, "second"), (0, "third")])
    life = Life(policy=policy).until(day(4), start=day(-9), without=lambda today: (today - DUE).days in missed)
    assert life.story() == expected


# --- whose request, whose debt --------------------------------------------------------------------------------


def test_a_cancelled_invoice_of_another_service_is_no_reason_to_stay_down() -> None:
    """The client asked to end this service, paid what it owed, and another service's invoice was cancelled."""
    other = replace(an_invoice(101, DUE, a_line("service", "40.00", 11)), status=InvoiceStatus.CANCELLED)
    paid = facts(
        suspended(),
        invoices=[],
        cancelled=(other,),
        history=(paid_invoice(100),),
        case=a_case(suspended_on=day(3)),
        cancel_request=a_request(),
    )
    assert due_kinds(paid, today=day(6)) == ["unsuspend"]


def test_a_blank_suspension_is_whmcss_while_anything_of_the_client_holds_it_back() -> None:
    """Its own invoice was paid just before the bridge came; another's keeps it down: it has to come back later."""
    hers = an_invoice(101, DUE, a_line("service", "40.00", 11))
    life = Life(facts(suspended(BLANK), others=[a_service(11)], invoices=[hers]))
    life.run(day(5))
    assert life.facts.case.adoption is Adoption.WHMCS
    life.pays(101, day(6))
    life.run(day(6))
    assert life.is_up


def test_a_promise_that_broke_in_an_earlier_case_does_not_hasten_this_one() -> None:
    policy = a_policy(promises=PromiseRules(on_broken="terminate"))
    old = a_record(RecordKind.PROMISE, day(-40), day(-31), state=RecordState.BROKEN, closed_on=day(-30))
    life = Life(facts(records=[old]), policy).until(day(30))
    assert life.days_of("terminate") == [15]


@pytest.mark.parametrize(
    ("status", "asked"),
    [(ServiceStatus.CANCELLED, False), (ServiceStatus.TERMINATED, True), (ServiceStatus.CANCELLED, True)],
)
def test_a_request_is_known_by_the_request_or_by_the_status_it_leaves(status: ServiceStatus, asked: bool) -> None:
    found = ended(status, by="elsewhere", cancel_request=a_request() if asked else None)
    assert due_kinds(found, CANCELS, day(17)) == [], "the debt stays"


@pytest.mark.parametrize(
    ("defers", "service", "repeated"),
    [({"terminate"}, None, True), ({"terminate"}, 10, True), ({"terminate"}, 11, False), ({"suspend"}, None, False)],
)
def test_only_a_promise_that_withheld_the_end_of_this_service_repeats_its_warning(
    defers: set[str], service: int | None, repeated: bool
) -> None:
    policy = a_policy(promises=PromiseRules(defers=frozenset(defers)))
    kept = a_record(RecordKind.PROMISE, day(13), day(14), service=service, state=RecordState.KEPT, closed_on=day(15))
    assert due_kinds(down(warned=12, records=[kept]), policy, day(15)) == (
        [FINAL_WARNING] if repeated else ["terminate"]
    )


def test_a_second_exemption_restarts_the_case_again() -> None:
    """Exempt through day 9 and again through day 24: the waiting time counts from the end of the later one."""
    life = Life().until(day(5))
    for first, last in ((6, 9), (20, 24)):
        life.becomes(override=True, override_until=day(last + 1))
        life.until(day(last), start=day(first))
        life.becomes(override=False)
        life.until(day(19 if last == 9 else 60), start=day(last + 1))
    assert life.days_of("terminate") == [25 + 12]


@pytest.mark.parametrize(("warned_on", "expected"), [(-1, []), (0, ["suspend"]), (2, ["suspend"])])
def test_a_warning_of_the_due_date_itself_counts_from_its_own_day(warned_on: int, expected: list[str]) -> None:
    """A class may warn on day 0; what went out before that day was for an older debt."""
    case = a_case(opened_on=day(-5), notices=(a_notice(on=day(warned_on), day=0),))
    assert [k for k in due_kinds(facts(case=case), a_policy(warn=0), day(3)) if k == "suspend"] == expected


def test_an_invoice_without_a_number_of_its_own_goes_by_its_id() -> None:
    nameless = replace(an_invoice(), number="")
    assert judged(facts(invoices=[nameless]), today=day(3)).debts[0].number == "100"
    numbered = replace(an_invoice(), number="R-7")
    assert "invoice R-7 unpaid" in the(judged(facts(invoices=[numbered]), today=day(3)), Kind.SUSPEND).reason
