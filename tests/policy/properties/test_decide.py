"""What holds for every service, every history and every house that `decide` may be asked about."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.builders import DUE, day, facts, kinds, seen, suspended, view, withheld_by
from tests.effort import examples
from tests.policy.life import Life
from tests.policy.properties.books import any_facts, books, days, invoices, policies, ripe_facts
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.policy import decide, next_step
from whmcs_bridge.policy.debt import outstanding
from whmcs_bridge.policy.decision import HARMFUL_SET, Kind, Standing
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING, Policy, Rules
from whmcs_bridge.policy.stages import carries_our_reason, final_warning_days

MODEST = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

today = days(-10, 60)


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_no_harm_without_overdue_debt_above_min_debt(found: ServiceFacts, policy: Policy, today: date) -> None:
    """ "Nothing it does may ever hurt a client who has paid": the debt is the client's own, open, past its day, above
    the threshold, and on lines that concern the service."""
    decision = decide(found, policy, today)
    look = view(found, policy, today)
    least = look.rules.min_debt.of(found.client.currency)
    for due in decision.due:
        if due.kind not in (Kind.SUSPEND, Kind.SUSPEND_ADDON, Kind.TERMINATE) or due.by_request:
            continue
        assert due.invoices
        for number in due.invoices:
            invoice = next(i for i in found.client.invoices if i.id == number)
            assert invoice.status in (InvoiceStatus.UNPAID, InvoiceStatus.COLLECTIONS, InvoiceStatus.PAYMENT_PENDING)
            assert invoice.due is not None
            assert invoice.due < today
            assert invoice.balance > least
            assert invoice.client_id == found.client.client.id
            if look.rules.scope == "service":
                assert any(
                    (x.relid == 10 and x.type == "Hosting")
                    or (x.relid == 30 and x.type == "Addon")
                    or "overage 10]" in x.description
                    for x in invoice.lines
                )


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_nothing_goes_down_on_a_quiet_day(found: ServiceFacts, policy: Policy, today: date) -> None:
    if policy.calendar.is_quiet(today):
        assert not {Kind.SUSPEND, Kind.SUSPEND_ADDON, Kind.TERMINATE} & {
            d.kind for d in decide(found, policy, today).due
        }


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_no_end_but_of_our_own_suspension_with_a_delivered_warning(
    found: ServiceFacts, policy: Policy, today: date
) -> None:
    """ "Terminate only from a suspension that is ours, and not before ... the delivered final warning +
    `final_warning_days`"."""
    if Kind.TERMINATE not in {d.kind for d in decide(found, policy, today).due}:
        return
    service = found.service
    assert service.status is ServiceStatus.SUSPENDED
    assert carries_our_reason(service.suspension_reason) or not service.suspension_reason
    ahead = timedelta(days=final_warning_days(view(found, policy, today).rules))
    assert any(n.message == FINAL_WARNING and n.delivered and n.on + ahead <= today for n in found.case.notices)
    down = found.case.suspended_on or found.case.adopted_on
    assert down is not None
    assert down < today


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_nothing_harmful_on_incomplete_facts(found: ServiceFacts, policy: Policy, today: date) -> None:
    partial = replace(found, complete=False)
    assert not HARMFUL_SET & {d.kind for d in decide(partial, policy, today).due}


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_a_warning_that_a_class_has_came_on_an_earlier_day(found: ServiceFacts, policy: Policy, today: date) -> None:
    rules = view(found, policy, today).rules
    warns = any(n.message == SUSPENSION_WARNING for n in rules.notices)
    if warns and Kind.SUSPEND in {d.kind for d in decide(found, policy, today).due}:
        assert any(
            n.message == SUSPENSION_WARNING and n.on < today and n.delivered is not False for n in found.case.notices
        )


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_only_our_own_suspension_is_ever_lifted(found: ServiceFacts, policy: Policy, today: date) -> None:
    """ "Only a suspension with our reason, or an adopted blank one, is ever lifted"."""
    if Kind.UNSUSPEND in {d.kind for d in decide(found, policy, today).due}:
        reason = found.service.suspension_reason
        assert found.service.status is ServiceStatus.SUSPENDED
        assert carries_our_reason(reason) or not reason.strip()


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_a_paid_up_clients_own_suspension_is_always_lifted(found: ServiceFacts, policy: Policy, today: date) -> None:
    """No limit, no record, no exemption, no gap in what was read keeps a paid-up client down."""
    client = replace(found.client, invoices=())
    down = replace(
        found,
        service=suspended(),
        client=replace(client, services={**client.services, found.service.id: suspended()}),
        cancel_request=None,
        missing=False,
    )
    decision = decide(down, policy, today)
    assert kinds(decision) == ["unsuspend"]
    assert decision.standing is Standing.PAID_UP


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_a_step_is_either_due_or_withheld_never_both(found: ServiceFacts, policy: Policy, today: date) -> None:
    decision = decide(found, policy, today)
    for kind in HARMFUL_SET - {Kind.SUSPEND_ADDON}:
        assert not (kind.value in kinds(decision) and withheld_by(decision, kind))


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_one_harmful_stage_at_a_time(found: ServiceFacts, policy: Policy, today: date) -> None:
    """ "Never skip a stage": suspension, end and deletion never stand in one decision."""
    assert (
        len({d.kind for d in decide(found, policy, today).due} & {Kind.SUSPEND, Kind.TERMINATE, Kind.DELETE_BACKUPS})
        <= 1
    )


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_asking_twice_gives_the_same_answer(found: ServiceFacts, policy: Policy, today: date) -> None:
    """ "The policy is a pure function"; what was asked before leaves nothing behind."""
    assert decide(found, policy, today) == decide(found, policy, today)


@MODEST
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_looking_twice_on_a_day_remembers_nothing_new(found: ServiceFacts, policy: Policy, today: date) -> None:
    once = seen(found, policy, today)
    assert seen(once, policy, today).case == once.case


@FEW
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_next_is_a_day_on_which_the_step_is_due(found: ServiceFacts, policy: Policy, today: date) -> None:
    following = next_step(found, policy, today)
    if following is None:
        return
    step, when = following
    later = found if when == today else replace(found, acted_today=False)
    assert when >= today
    assert step.kind in {d.kind for d in decide(later, policy, when).due}


@FEW
@given(st.one_of(any_facts(), ripe_facts()), policies(), today)
def test_next_is_the_first_day_on_which_anything_is_due(found: ServiceFacts, policy: Policy, today: date) -> None:
    """Every day between is asked: none of them has a step."""
    assume(all(n.delivered is not None or n.on != today for n in found.case.notices))
    following = next_step(found, policy, today)
    last = following[1] if following else today + timedelta(days=120)
    later = replace(found, acted_today=False)
    day = today
    while day < last:
        assert decide(found if day == today else later, policy, day).due == (), day
        day += timedelta(days=1)


@FEW
@given(st.one_of(any_facts(), ripe_facts()), policies())
def test_a_later_day_undoes_a_suspension_only_by_a_protection_or_a_warning(found: ServiceFacts, policy: Policy) -> None:
    """The same facts a day later: the debt is older, so the step is still due, or something withholds it by name."""
    up = replace(found, service=replace(found.service, status=ServiceStatus.ACTIVE), acted_today=False)
    was_due = False
    for number in range(60):
        decision = decide(up, policy, day(number))
        is_due = Kind.SUSPEND in {d.kind for d in decision.due}
        if was_due and not is_due:
            pending = any(i.status is InvoiceStatus.PAYMENT_PENDING for i in found.client.invoices)
            disputed = any(r.kind == "dispute" for r in found.client.records)
            assert withheld_by(decision, Kind.SUSPEND) or pending or disputed or _freeze(found)
        was_due = is_due


def _freeze(found: ServiceFacts) -> bool:
    """A freeze that begins later moves the clock itself."""
    return any(r.kind == "freeze" for r in found.client.records)


# --- money ------------------------------------------------------------------------------------------------


@MODEST
@given(invoices())
def test_the_parts_add_up_to_the_balance(invoice: Invoice) -> None:
    """Not a cent is lost or made, whatever the lines, taxes, discounts and payments."""
    found = facts()
    parts = outstanding(invoice, found.client.services, found.client.addons, Rules().payment_order)
    assert sum((p.owed for p in parts), Decimal(0)) == max(invoice.balance, Decimal(0))
    assert all(p.owed > 0 for p in parts)


@MODEST
@given(invoices(), st.integers(1, 99))
def test_a_payment_never_raises_what_a_thing_owes(invoice: Invoice, percent: int) -> None:
    found = facts()

    def owed(balance: Decimal) -> dict[object, Decimal]:
        parts = outstanding(
            replace(invoice, balance=balance), found.client.services, found.client.addons, Rules().payment_order
        )
        sums: dict[object, Decimal] = {}
        for part in parts:
            key = (part.category, part.service, part.addon)
            sums[key] = sums.get(key, Decimal(0)) + part.owed
        return sums

    before = owed(invoice.balance)
    after = owed((invoice.balance * percent / 100).quantize(Decimal("0.01")))
    slack = Decimal("0.01") * len(invoice.lines)
    assert all(amount <= before.get(key, Decimal(0)) + slack for key, amount in after.items())


@MODEST
@given(books(), policies(), today)
def test_debts_of_a_service_are_never_more_than_the_clients(
    invoices: tuple[Invoice, ...], policy: Policy, today: date
) -> None:
    look = view(facts(invoices=invoices), policy, today)
    mine = sum((d.amount.amount for d in look.counted.concerning), Decimal(0))
    assert mine <= look.ledger.debt


# --- whole lives --------------------------------------------------------------------------------------------


@FEW
@given(books(), policies(), st.sets(st.integers(0, 60), max_size=40))
def test_no_life_skips_a_stage(invoices: tuple[Invoice, ...], policy: Policy, missed: set[int]) -> None:
    """Whatever runs are missed: suspended, warned at least the promised days before, then ended; each once."""
    life = Life(facts(invoices=invoices), policy).until(day(60), without=lambda today: (today - DUE).days in missed)
    ends, downs, warnings = life.days_of("terminate"), life.days_of("suspend"), life.days_of(FINAL_WARNING)
    assert len(ends) <= 1
    assert len(downs) <= 1 or life.days_of("unsuspend")
    if ends:
        ahead = final_warning_days(view(life.facts, policy, day(60)).rules)
        assert downs
        assert downs[0] < ends[0]
        assert any(w + ahead <= ends[0] for w in warnings)
    if policy.classes[0].layer["suspend_after_days"] is None:
        assert downs == ends == []


@FEW
@given(books(), policies(), st.integers(0, 60))
def test_no_life_hurts_after_everything_was_paid(invoices: tuple[Invoice, ...], policy: Policy, paid: int) -> None:
    life = Life(facts(invoices=invoices), policy).until(day(paid))
    if life.service.status is not None and life.service.status.ended:
        return
    for invoice in invoices:
        life.pays(invoice.id, day(paid))
    life.acts.clear()
    life.until(day(paid + 40), start=day(paid + 1))
    assert life.is_up
    assert set().union(*life.story().values()) <= {"unsuspend"}


@FEW
@given(books(), policies())
def test_no_mail_goes_out_twice_on_a_day_nor_twice_in_a_life_but_for_final_warnings(
    invoices: tuple[Invoice, ...], policy: Policy
) -> None:
    life = Life(facts(invoices=invoices), policy)
    for number in range(-5, 50):
        life.run(day(number))
        life.again(day(number))
    for acts in life.story().values():
        assert len(acts) == len(set(acts))
    assert len(life.days_of(SUSPENSION_WARNING)) <= max(len(invoices), 1)
