"""A plan's order, its fingerprint, and which suspensions were announced."""

from dataclasses import replace
from itertools import permutations

import pytest

from tests.builders import (
    DUE,
    a_case,
    a_line,
    a_policy,
    a_record,
    a_service,
    an_invoice,
    day,
    facts,
    judged,
    suspended,
    the,
)
from tests.plan.steps import a_plan, a_step
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.plan.build import ORDER, digest, digests, fingerprint, key_of, step_of
from whmcs_bridge.plan.model import Held
from whmcs_bridge.policy.decision import Kind, Withheld

SERVICE = ServiceId(10)
CLIENT = ClientId(1)


def test_the_order_is_removals_releases_additions_notices_suspensions_terminations_deletions() -> None:
    wanted = [
        Kind.VIP_REMOVE,
        Kind.UNSUSPEND,
        Kind.VIP_ADD,
        Kind.NOTICE,
        Kind.SUSPEND,
        Kind.TERMINATE,
        Kind.DELETE_BACKUPS,
    ]
    for shuffled in list(permutations(wanted))[::97]:
        plan = a_plan(*(a_step(kind) for kind in shuffled))
        assert [s.kind for s in plan.steps] == wanted


def test_every_kind_has_its_place() -> None:
    assert set(ORDER) == set(Kind)


def test_within_a_kind_a_client_is_done_before_the_next() -> None:
    plan = a_plan(a_step(service=3, client=2), a_step(service=9, client=1), a_step(service=2, client=1))
    assert [(s.client, s.service) for s in plan.steps] == [(1, 2), (1, 9), (2, 3)]


@pytest.mark.parametrize(
    ("kind", "service", "target", "message", "expected"),
    [
        (Kind.SUSPEND, SERVICE, 0, "", "suspend-s10"),
        (Kind.SUSPEND, SERVICE, 0, "final-warning", "suspend-s10"),
        (Kind.NOTICE, SERVICE, 0, "final-warning", "notice-s10-final-warning"),
        (Kind.SUSPEND_ADDON, SERVICE, 30, "", "suspend_addon-s10-30"),
        (Kind.VIP_ADD, None, 0, "", "vip_add-c1"),
    ],
)
def test_a_step_keeps_its_name_from_day_to_day(
    kind: Kind, service: ServiceId | None, target: int, message: str, expected: str
) -> None:
    assert key_of(kind, service, CLIENT, target, message) == expected


# --- what was announced -----------------------------------------------------------------------------------


def mark(*invoices: Invoice) -> str:
    return digest(judged(facts(invoices=invoices or None), today=day(5)).debts)


def test_the_digest_changes_with_what_is_owed_and_not_with_the_day() -> None:
    """ "whose facts are unchanged": a payment or a new invoice changes it, a new day does not."""
    assert mark() == digest(judged(facts(), today=day(30)).debts)
    assert mark() != mark(an_invoice(amount="40.00", paid="1.00"))
    assert mark() != mark(an_invoice(), an_invoice(101))
    assert mark() != mark(an_invoice(101))


@pytest.mark.parametrize(
    ("warned", "earlier", "announced"),
    [(True, True, True), (False, True, False), (True, False, False)],
)
def test_announced_is_warned_and_planned_on_an_earlier_day_on_the_same_facts(
    warned: bool, earlier: bool, announced: bool
) -> None:
    """ "A suspension whose warning was delivered, which stood in an earlier day's plan, facts unchanged"."""
    decision = judged(facts(), today=day(5))
    known = {"suspend-s10": digest(decision.debts)} if earlier else {}
    due = the(decision, Kind.SUSPEND)
    assert step_of(due, decision, day(5), known, warned=warned).announced is announced


def test_changed_facts_are_not_announced() -> None:
    decision = judged(facts(invoices=[an_invoice(), an_invoice(101)]), today=day(5))
    step = step_of(the(decision, Kind.SUSPEND), decision, day(5), {"suspend-s10": mark()}, warned=True)
    assert not step.announced


def held(code: str, kind: Kind = Kind.SUSPEND) -> Held:
    return Held(CLIENT, SERVICE, Withheld(kind, code, "why"))


@pytest.mark.parametrize(
    ("codes", "stands"),
    [
        (["quiet-day"], True),
        (["acted-today"], True),
        (["promise"], False),
        (["quiet-day", "promise"], False),
        (["hold", "quiet-day"], False),
        ([], False),
    ],
)
def test_only_what_the_day_alone_withholds_stands_in_the_plan(codes: list[str], stands: bool) -> None:
    plan = a_plan(withheld=[held(code) for code in codes])
    assert digests(plan, {SERVICE: "d"}) == ({"suspend-s10": "d"} if stands else {})


def test_a_step_that_a_limit_refused_stood_in_the_plan() -> None:
    step = a_step(digest="d")
    plan = replace(a_plan(), refused=(step,))
    assert digests(plan, {}) == {"suspend-s10": "d"}


def test_a_termination_withheld_beside_a_quiet_suspension_does_not_hide_it() -> None:
    plan = a_plan(withheld=[held("quiet-day"), held("promise", Kind.TERMINATE)])
    assert digests(plan, {SERVICE: "d"}) == {"suspend-s10": "d"}


# --- releases -----------------------------------------------------------------------------------------------


def test_a_release_after_payment_is_marked_one_on_trust_is_not() -> None:
    case = a_case(suspended_on=day(3))
    paid = judged(facts(suspended(), invoices=[], case=case), today=day(5))
    assert step_of(the(paid, Kind.UNSUSPEND), paid, day(5), {}, warned=False).after_payment
    trusted = [a_record(RecordKind.RELEASE, day(5), day(8), service=10)]
    owing = judged(facts(suspended(), case=case, records=trusted), today=day(5))
    assert not step_of(the(owing, Kind.UNSUSPEND), owing, day(5), {}, warned=False).after_payment


# --- fingerprint ----------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_day_policy_steps_and_their_debts() -> None:
    plan = a_plan(a_step(), a_step(service=11))
    assert plan.fingerprint == a_plan(a_step(service=11), a_step()).fingerprint, "whatever the order of judging"
    others = [
        a_plan(a_step()),
        a_plan(a_step(digest="e"), a_step(service=11)),
        a_plan(a_step(), a_step(service=12)),
        a_plan(a_step(), a_step(service=11), today=day(1)),
        a_plan(a_step(kind=Kind.TERMINATE), a_step(service=11)),
    ]
    assert plan.fingerprint not in {p.fingerprint for p in others}
    assert fingerprint(replace(plan, policy_version="v2")) != plan.fingerprint


def test_what_a_limit_refuses_is_still_part_of_what_was_planned() -> None:
    plan = a_plan(a_step(), a_step(service=11))
    cut = replace(plan, steps=plan.steps[:1], refused=plan.steps[1:])
    assert fingerprint(cut) == plan.fingerprint


def test_withheld_steps_are_no_part_of_the_fingerprint() -> None:
    assert a_plan(a_step(), withheld=[held("promise")]).fingerprint == a_plan(a_step()).fingerprint


def test_a_shared_invoice_gives_each_service_its_own_step() -> None:
    shared = an_invoice(100, DUE, a_line("service", "40.00"), a_line("service", "30.00", 11))
    other = a_service(11)
    first = judged(facts(invoices=[shared], others=[other]), a_policy(), day(3))
    second = judged(facts(other, invoices=[shared], others=[a_service()]), a_policy(), day(3))
    assert str(the(first, Kind.SUSPEND).amount) == "40.00 USD"
    assert str(the(second, Kind.SUSPEND).amount) == "30.00 USD"
    assert digest(first.debts) != digest(second.debts)
