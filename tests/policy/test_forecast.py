"""What one service will see if nobody pays: the plain cases, day by day."""

from dataclasses import replace
from datetime import date

from tests.builders import (
    BLANK,
    a_case,
    a_group,
    a_line,
    a_policy,
    a_record,
    an_addon,
    an_invoice,
    day,
    facts,
    suspended,
)
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.facts import Membership, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.forecast import Outlook, foresee
from whmcs_bridge.policy.rules import Policy, VipRules

END = {"terminate": "required", "delete_backups": "automatic"}


def told(found: ServiceFacts, policy: Policy, start: int = 0, days: int = 30) -> list[tuple[int, str]]:
    steps = foresee(found, policy, day(start), day(start + days))
    return [((s.date - day(0)).days, s.due.message or s.kind.value) for s in steps]


def test_an_unpaid_renewal_goes_down_the_whole_ladder() -> None:
    policy = a_policy(warn=2, notices=[(-4, "payment-reminder")], layer={"delete_backups_after_days": 0}, approval=END)
    assert told(facts(), policy, -10, 40) == [
        (-4, "payment-reminder"),
        (2, "suspension-warning"),
        (3, "suspend"),
        (12, "final-warning"),
        (15, "terminate"),
        (15, "delete_backups"),
    ]


def test_an_end_that_waits_for_a_person_is_marked_and_imagined_as_approved() -> None:
    policy = a_policy(approval=END)
    marked = {s.kind: s.needs_approval for s in foresee(facts(), policy, day(0), day(30))}
    assert marked == {Kind.SUSPEND: False, Kind.NOTICE: False, Kind.TERMINATE: True}
    approved = replace(facts(), approved=frozenset({Kind.TERMINATE}))
    assert not any(s.needs_approval for s in foresee(approved, policy, day(0), day(30)))


def test_a_debt_of_years_starts_at_the_first_stage() -> None:
    """Switching on over an old book: a warning today, down tomorrow at the earliest, weeks until the end."""
    old = facts(invoices=[an_invoice(due=date(2019, 5, 1))])
    assert told(old, a_policy(warn=2)) == [
        (0, "suspension-warning"),
        (1, "suspend"),
        (10, "final-warning"),
        (13, "terminate"),
    ]


def test_a_debtor_that_whmcs_suspended_long_ago_is_adopted_and_warned_before_its_end() -> None:
    old = facts(suspended(BLANK), invoices=[an_invoice(due=date(2019, 5, 1))])
    assert told(old, a_policy()) == [(9, "final-warning"), (12, "terminate")]


def test_a_suspension_by_staff_has_no_future() -> None:
    assert told(facts(suspended("Abuse")), a_policy()) == []


def test_steps_on_quiet_days_move_on() -> None:
    """Day 3 is a Friday, day 15 a Wednesday."""
    policy = a_policy(quiet=["friday", "saturday", "sunday"])
    assert told(facts(), policy)[0] == (6, "suspend")


def test_a_promise_holds_and_ends() -> None:
    promised = facts(records=[a_record(RecordKind.PROMISE, day(1), day(8))])
    assert told(promised, a_policy())[0] == (9, "suspend")


def test_a_freeze_that_has_not_begun_yet_is_known() -> None:
    frozen = facts(records=[a_record(RecordKind.FREEZE, day(2), day(6), client=None)])
    assert told(frozen, a_policy())[0][0] > 6


def test_an_exempt_client_has_no_future_and_one_whose_override_ends_starts_then() -> None:
    assert told(facts(group=a_group(exempt=True)), a_policy()) == []
    held = facts(suspended(BLANK, override=True, override_until=day(10)))
    assert told(held, a_policy(), 5)[-1] == (22, "terminate")


def test_a_vip_in_debt_leaves_the_group_and_loses_its_shelter() -> None:
    """The group is exempt in WHMCS; out on the first overdue day, the courtesy of 10 days remains."""
    policy = a_policy(vip=VipRules("VIP", exempt_max_days=10, exempt_max_debt=None))
    member = facts(group=a_group(1, "VIP", exempt=True), membership=Membership(date.min, day(0)))
    assert told(member, policy)[0] == (10, "suspend")


def test_addons_of_an_ended_service_are_closed_and_its_invoice_is_cancelled() -> None:
    policy = a_policy(layer={"cancel_invoices_of_ended": True})
    steps = told(facts(addons=[an_addon()]), policy)
    assert steps[-2:] == [(16, "close_addon"), (16, "cancel_invoice")]


def test_nothing_is_foreseen_for_a_service_without_class_or_debt() -> None:
    assert told(facts(invoices=[]), a_policy()) == []
    strange = facts()
    strange = replace(strange, product=replace(strange.product, type="other")) if strange.product else strange
    assert told(strange, a_policy()) == []


def test_a_day_before_today_is_empty() -> None:
    assert foresee(facts(), a_policy(), day(5), day(4)) == []


def twin(found: ServiceFacts, number: int) -> ServiceFacts:
    """The same position of another client: other ids, other amounts."""
    service = replace(found.service, id=ServiceId(number), client_id=ClientId(number))

    def other(invoice: Invoice) -> Invoice:
        line = a_line("service", "7.00", number)
        return an_invoice(number, invoice.due, line, client=number, gateway=invoice.gateway)

    client = replace(
        found.client,
        client=replace(found.client.client, id=ClientId(number)),
        services={service.id: service},
        invoices=tuple(other(i) for i in found.client.invoices),
    )
    case = replace(found.case, service_id=service.id, client_id=service.client_id)
    return replace(found, service=service, client=client, case=case)


def test_services_in_the_same_position_are_thought_through_once() -> None:
    policy = a_policy(warn=2)
    outlook = Outlook(policy, day(0), day(30))
    first = outlook.of(facts())
    assert outlook.of(twin(facts(), 77)) is first
    opened = facts(case=a_case())
    assert outlook.of(opened) is not first
    assert [s.kind for s in outlook.of(twin(opened, 78))] == [s.kind for s in foresee(opened, policy, day(0), day(30))]
