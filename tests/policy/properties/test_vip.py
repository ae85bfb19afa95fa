"""What holds for VIP whatever the client, the record and the day."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import a_client, a_group, a_policy, a_record, a_service, an_invoice, client_facts, day, paid_invoice
from whmcs_bridge.domain.book import ClientGroup
from whmcs_bridge.domain.facts import ClientFacts, Membership
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import ClientStatus, ServiceStatus
from whmcs_bridge.policy.decision import ClientDecision, Kind, Standing
from whmcs_bridge.policy.rules import Policy, VipRules
from whmcs_bridge.policy.vip import custom_since, decide_client, eligibility, tenure_months, would_change

MODEST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GROUPS = (None, a_group(9, "VIP"), a_group(5, "Silver"), a_group(6, "Press"))
VIP = GROUPS[1]

near = st.integers(-40, 40).map(day)
past = st.integers(-900, 0).map(day)
rules = st.builds(
    VipRules,
    st.just("VIP"),
    min_tenure_months=st.integers(0, 24),
    max_late_payments=st.integers(0, 2),
    late_payments_window_months=st.integers(1, 14),
    late_means_days=st.integers(0, 3),
    managed_groups=st.just(("VIP", "Silver", "")),
    probation_days=st.sampled_from([0, 10]),
    away_months=st.sampled_from([0, 6, 18]),
)


@st.composite
def clients(draw: st.DrawFn) -> ClientFacts:
    """A client in any group, with a record, pins and a membership of any kind, who may owe."""
    owed = [an_invoice(100 + n, due) for n, due in enumerate(draw(st.lists(near, max_size=2)))]
    group = draw(st.sampled_from(GROUPS))
    dues = draw(st.lists(past, max_size=6))
    history = tuple(paid_invoice(n, due, due + timedelta(days=draw(st.integers(-3, 9)))) for n, due in enumerate(dues))
    lives = draw(st.booleans())
    service = a_service(
        10, ServiceStatus.ACTIVE if lives else ServiceStatus.TERMINATED, registered=draw(past), next_due=draw(past)
    )
    since = draw(st.none() | near)
    gone = None if since is not None else draw(st.none() | near)
    return replace(
        client_facts(
            client=a_client(since=draw(past), group=group.id if group is not None else 0),
            group=group,
            services=[service],
            invoices=owed,
            history=history,
        ),
        membership=Membership(since, since or gone, gone, draw(st.sampled_from([None, 5])), draw(st.none() | near)),
    )


pins = st.lists(
    st.builds(lambda since, last: a_record(RecordKind.PIN, since, last), near, st.none() | near), max_size=2
)


def judged(facts: ClientFacts, vip: VipRules, today: date) -> tuple[ClientDecision, Policy]:
    policy = a_policy(vip=vip)
    return decide_client(facts, policy, VIP, today), policy


@MODEST
@given(clients(), pins, rules, near)
def test_a_member_leaves_because_of_debt_or_of_a_pin_and_nobody_joins_with_debt(
    facts: ClientFacts, held: list[Record], vip: VipRules, today: date
) -> None:
    facts = replace(facts, records=tuple(held))
    decision, _ = judged(facts, vip, today)
    member = is_vip(facts.group)
    kinds = [due.kind for due in decision.due]
    assert kinds in ([], [Kind.VIP_REMOVE] if member else [Kind.VIP_ADD])
    if decision.standing is Standing.OVERDUE:
        assert kinds == ([Kind.VIP_REMOVE] if member else [])
    elif member and kinds:
        assert held
        assert not decision.eligible


@MODEST
@given(clients(), rules, near)
def test_who_is_moved_is_not_moved_back_the_same_day(facts: ClientFacts, vip: VipRules, today: date) -> None:
    """After the move has been made and remembered, the same facts ask for none."""
    decision, _ = judged(facts, vip, today)
    if not decision.due:
        return
    joins, known = decision.due[0].kind is Kind.VIP_ADD, facts.membership
    after = Membership(today, today, None, None, known.set_by_hand_on if known.removed_by_us_on else None)
    if not joins:
        after = Membership(None, today, today, known.previous_group, known.set_by_hand_on)
    group = VIP if joins else None
    client = replace(facts.client, group_id=group.id if group is not None else 0)  # type: ignore[arg-type]
    again, _ = judged(replace(facts, client=client, group=group, membership=after), vip, today)
    assert again.due == ()


@MODEST
@given(clients(), rules, near)
def test_what_would_change_by_waiting_for_tenure_does(facts: ClientFacts, vip: VipRules, today: date) -> None:
    facts = replace(facts, invoices=(), client=replace(facts.client, status=ClientStatus.ACTIVE))
    decision, policy = judged(facts, vip, today)
    for said in would_change(facts, decision, policy, VIP, today):
        if said.startswith("tenure of"):
            turns = date.fromisoformat(said.rsplit(" ", 1)[1])
            since = custom_since(facts, vip.away_months, today)
            assert turns > today
            assert tenure_months(since, turns) >= vip.min_tenure_months
            assert tenure_months(since, turns - timedelta(days=1)) < vip.min_tenure_months


@MODEST
@given(clients(), rules, near)
def test_tenure_is_never_longer_than_the_clients_age(facts: ClientFacts, vip: VipRules, today: date) -> None:
    since = custom_since(facts, vip.away_months, today)
    assert since is not None
    assert facts.client.since is not None
    assert since >= facts.client.since
    if vip.away_months == 0:
        assert since == facts.client.since
    if eligibility(facts, vip, a_policy().calendar, today)[0]:
        assert tenure_months(since, today) >= vip.min_tenure_months


def is_vip(group: ClientGroup | None) -> bool:
    return group is not None and group.name == "VIP"
