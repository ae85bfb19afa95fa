"""What holds for every act that a person may ask for, whatever the book, the house and the flags."""

from dataclasses import replace
from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import view
from tests.effort import examples
from tests.policy.properties.books import any_facts, days, policies, ripe_facts
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.by_hand import ByHand, Judged, approval_by_hand, judge_by_hand
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.protections import hold, sift
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.policy.stages import is_ours

MODEST = settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])

DOWN = (Kind.SUSPEND, Kind.TERMINATE)
today = days(-10, 60)
some_facts = st.one_of(any_facts(), ripe_facts())
flags = st.fixed_dictionaries({name: st.booleans() for name in ("staffs", "early", "override", "paid_up")})
"""Everything that a person can take upon oneself."""


def asked(flags: dict[str, bool]) -> ByHand:
    return ByHand("ana", "a reason", **flags)  # type: ignore[arg-type]


def judged(kind: Kind, by: ByHand, found: ServiceFacts, policy: Policy, today: date) -> Judged:
    return judge_by_hand(kind, by, view(found, policy, today), decide(found, policy, today))


def named(kind: Kind, found: ServiceFacts, policy: Policy, today: date) -> Due | None:
    """What the rules name as due."""
    return next((due for due in decide(found, policy, today).due if due.kind is kind), None)


@MODEST
@given(some_facts, policies(), today, st.sampled_from([*DOWN, Kind.UNSUSPEND]))
def test_who_takes_nothing_upon_oneself_does_what_the_rules_name(
    found: ServiceFacts, policy: Policy, today: date, kind: Kind
) -> None:
    due, withheld = judged(kind, ByHand("ana", "a reason"), found, policy, today)
    assert (due is None) == bool(withheld)
    assert (due is None) == (named(kind, found, policy, today) is None)


@MODEST
@given(some_facts, policies(), today, flags, st.sampled_from(DOWN))
def test_no_flag_goes_past_what_protects_a_debtor(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool], kind: Kind
) -> None:
    """For debt or early: money that counts is behind it, and nothing withholds it but a missing approval."""
    by = asked({**flags, "staffs": False})
    due, _ = judged(kind, by, found, policy, today)
    if due is None or not due.invoices or due.by_request:
        return
    look = view(found, policy, today)
    assert {debt.invoice for debt in look.counted.concerning} >= set(due.invoices)
    against = {held.code for held in sift(look, (due,))[1]}
    assert against <= ({"approval"} if approval_by_hand(kind) in found.approved else set())


@MODEST
@given(some_facts, policies(), today, flags, st.sampled_from(DOWN), st.booleans())
def test_nothing_goes_down_under_a_hold_or_twice_a_day(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool], kind: Kind, acted: bool
) -> None:
    found = replace(found, acted_today=acted)
    due, _ = judged(kind, asked(flags), found, policy, today)
    if due is None:
        return
    assert hold(view(found, policy, today), due) is None
    assert not acted or due.by_request


@MODEST
@given(some_facts, policies(), today, flags)
def test_who_owes_nothing_is_ended_only_where_that_was_said(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool]
) -> None:
    due, _ = judged(Kind.TERMINATE, asked(flags), found, policy, today)
    if due is not None and not due.invoices and not due.by_request:
        assert flags["paid_up"]
        assert not view(found, policy, today).counted.pending


@MODEST
@given(some_facts, policies(), today, flags)
def test_nobody_comes_up_against_the_rules_or_the_staff_unsaid(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool]
) -> None:
    due, _ = judged(Kind.UNSUSPEND, asked(flags), found, policy, today)
    if due is None or named(Kind.UNSUSPEND, found, policy, today) is not None:
        return
    look = view(found, policy, today)
    assert flags["staffs"] or is_ours(look)
    assert flags["override"] or not (look.counted.holding or look.counted.concerning or look.counted.pending)


@MODEST
@given(some_facts, policies(), today, flags, st.sampled_from([*DOWN, Kind.UNSUSPEND]))
def test_only_what_is_down_comes_up_and_only_what_lives_goes_down(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool], kind: Kind
) -> None:
    due, _ = judged(kind, asked(flags), found, policy, today)
    if due is None:
        return
    wanted = {
        Kind.SUSPEND: {ServiceStatus.ACTIVE},
        Kind.UNSUSPEND: {ServiceStatus.SUSPENDED},
        Kind.TERMINATE: {ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED},
    }[kind]
    assert found.service.status in wanted


@MODEST
@given(some_facts, policies(), today, flags, st.sampled_from(DOWN))
def test_an_approval_by_hand_is_all_that_an_approval_can_change(
    found: ServiceFacts, policy: Policy, today: date, flags: dict[str, bool], kind: Kind
) -> None:
    policy = replace(policy, approval={kind: "required"})
    due, withheld = judged(kind, asked(flags), found, policy, today)
    approved = replace(found, approved=found.approved | {approval_by_hand(kind)})
    after, still = judged(kind, asked(flags), approved, policy, today)
    codes = {held.code for held in withheld}
    if codes == {"approval"}:
        assert after is not None
    else:
        assert (after, {held.code for held in still}) == (due, codes)
