"""What the rules would have done with last year's invoices, told from due and paid dates alone."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import DUE, a_group, a_policy, a_product, a_service, an_invoice, day, facts, paid_invoice
from tests.policy.properties.books import policies
from whmcs_bridge.domain.facts import PaidInvoice, ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.forecast import foresee
from whmcs_bridge.policy.hindsight import (
    CLASSLESS,
    EXEMPT,
    REVERSED,
    SMALL,
    SPANS,
    STILL_OPEN,
    UNDATED,
    ClassPast,
    Hindsight,
)
from whmcs_bridge.policy.rules import ClassRules, Policy, VipRules

TODAY = DUE + timedelta(days=100)


def with_past(*paid: PaidInvoice, **more: Any) -> ServiceFacts:
    return facts(history=paid, **{"invoices": [], **more})


def looked(*services: ServiceFacts, policy: Policy | None = None, today: date = TODAY) -> Hindsight:
    past = Hindsight(policy or a_policy(), today)
    past.add(services)
    return past


@pytest.mark.parametrize(
    ("paid_on", "suspended", "ended", "span"),
    [
        (0, 0, 0, None),
        (3, 0, 0, None),  # on the very day: a run may come before or after the payment
        (4, 1, 0, "1-3"),
        (6, 1, 0, "1-3"),
        (7, 1, 0, "4-7"),
        (10, 1, 0, "4-7"),
        (11, 1, 0, "8-14"),
        (15, 1, 0, "8-14"),
        (16, 1, 1, "8-14"),
        (18, 1, 1, "15+"),
    ],
)
def test_who_paid_after_the_day_of_the_suspension_would_have_been_down(
    paid_on: int, suspended: int, ended: int, span: str | None
) -> None:
    """Suspended on day 3, ended on day 15."""
    past = looked(with_past(paid_invoice(paid_on=day(paid_on)))).by_class["hosting"]
    assert (past.invoices, past.suspended, past.ended) == (1, suspended, ended)
    assert dict(past.paid_after) == ({span: 1} if span else {})


def test_an_open_invoice_counts_as_unpaid_until_today() -> None:
    past = looked(facts(), today=day(10))
    assert past.by_class["hosting"].paid_after == {STILL_OPEN: 1}
    assert (past.suspended_clients, past.ended_clients) == (1, 0)
    assert looked(facts(), today=day(3)).whole.suspended == 0
    assert looked(facts(), today=day(16)).whole.ended == 1


def test_only_invoices_of_the_last_twelve_months_are_looked_at() -> None:
    today = date(2026, 3, 10)
    due = [date(2025, 3, 9), date(2025, 3, 10), date(2026, 3, 9), date(2026, 3, 10)]
    paid = [paid_invoice(n, when, when + timedelta(days=60)) for n, when in enumerate(due)]
    assert looked(with_past(*paid), today=today).whole.invoices == 2


def test_quiet_days_and_clearing_days_move_the_suspension() -> None:
    """Day 3 is a Friday: moved to Monday, day 6. Two bank days for a boleto due on Tuesday end on Thursday."""
    quiet = a_policy(quiet=["friday", "saturday", "sunday"])
    assert looked(with_past(paid_invoice(paid_on=day(6))), policy=quiet).whole.suspended == 0
    assert looked(with_past(paid_invoice(paid_on=day(7))), policy=quiet).whole.suspended == 1
    slow = a_policy(1, 15, clearing={"boleto": 2})
    boleto = paid_invoice(paid_on=day(2), gateway="boleto")
    assert looked(with_past(boleto), policy=slow).whole.suspended == 0
    assert looked(with_past(replace(boleto, gateway="paypal")), policy=slow).whole.suspended == 1


def test_what_would_not_have_counted_is_left_out_and_counted() -> None:
    late = paid_invoice(paid_on=day(60))
    assert looked(with_past(late, group=a_group(exempt=True))).left_out == {EXEMPT: 1}
    assert looked(with_past(replace(late, reversed=True))).left_out == {REVERSED: 1}
    assert looked(with_past(late), policy=a_policy(min_debt="40.00")).left_out == {SMALL: 1}
    assert looked(with_past(replace(late, due=None))).left_out == {UNDATED: 1}
    assert looked(with_past(late), policy=a_policy(None, None)).left_out == {CLASSLESS: 1}
    assert looked(with_past(replace(late, total=late.total * 0))).whole.invoices == 0


def test_of_several_classes_the_one_that_suspends_last_is_taken() -> None:
    policy = replace(
        a_policy(),
        classes=(
            *a_policy().classes,
            ClassRules("vps", product_types=frozenset({"server"}), layer={"suspend_after_days": 20}),
            ClassRules("free", product_types=frozenset({"other"}), layer={}),
        ),
    )
    hosting = with_past(paid_invoice(paid_on=day(10)), others=[a_service(11), a_service(12)])
    vps = replace(hosting, service=a_service(11), product=a_product(51, type="server"))
    free = replace(hosting, service=a_service(12), product=a_product(52, type="other"))
    past = looked(hosting, vps, free, policy=policy)
    assert set(past.by_class) == {"vps"}
    assert (past.whole.suspended, past.several_classes) == (0, 1)


def test_a_vip_of_today_keeps_its_courtesy() -> None:
    policy = a_policy(vip=VipRules("VIP", exempt_max_days=10))
    vip = with_past(paid_invoice(paid_on=day(9)), group=a_group(1, "VIP"))
    assert looked(vip, policy=policy).whole.suspended == 0
    assert looked(with_past(paid_invoice(paid_on=day(11)), group=a_group(1, "VIP")), policy=policy).whole.suspended == 1


def test_the_worst_clients_come_first() -> None:
    past = Hindsight(a_policy(), TODAY)
    for number, paid_on in ((1, 5), (2, 40), (3, 6), (4, 3)):
        one = with_past(paid_invoice(paid_on=day(paid_on)))
        client = replace(one.client, client=replace(one.client.client, id=ClientId(number)))
        past.add([replace(one, client=client)])
    assert [c.client for c in past.worst(10)] == [2, 3, 1]
    assert [c.client for c in past.worst(1)] == [2]
    assert past.clients == 4


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policies(), st.integers(0, 6), st.sampled_from(["banktransfer", "boleto"]))
def test_hindsight_and_foresight_tell_the_same_days(policy: Policy, shift: int, gateway: str) -> None:
    """An invoice nobody ever paid: what would have been is what a run on each of the days does."""
    policy = replace(policy, vip=None)
    due = DUE + timedelta(days=shift)
    one = facts(invoices=[an_invoice(due=due, gateway=gateway)])
    steps = foresee(one, policy, due, due + timedelta(days=90))
    for kind, count in ((Kind.SUSPEND, "suspended"), (Kind.TERMINATE, "ended")):
        on = next((s.date for s in steps if s.kind is kind), None)
        if on is None:
            assert getattr(looked(one, policy=policy, today=due + timedelta(days=60)).whole, count) == 0
        else:
            assert getattr(looked(one, policy=policy, today=on).whole, count) == 0
            assert getattr(looked(one, policy=policy, today=on + timedelta(days=1)).whole, count) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(policies(), st.lists(st.tuples(st.integers(-260, 60), st.integers(-5, 60)), max_size=8))
def test_the_parts_add_up(policy: Policy, dates: list[tuple[int, int]]) -> None:
    paid = [paid_invoice(n, day(due), day(due + late)) for n, (due, late) in enumerate(dates)]
    past = looked(with_past(*paid), policy=policy)
    total: ClassPast = past.whole
    assert total.ended <= total.suspended <= total.invoices <= len(dates)
    assert sum(total.paid_after.values()) == total.suspended
    assert set(total.paid_after) <= set(SPANS)
    assert total.invoices + sum(past.left_out.values()) == len(dates)
