"""What the forecast says is what living through the days brings, however many days it skips."""

from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import DUE, a_line, an_invoice, day
from tests.effort import examples
from tests.policy.life import Life
from tests.policy.properties.books import any_facts, days, invoices, policies, ripe_facts
from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import AddonId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.decision import HARMFUL, Decision, Due, Kind
from whmcs_bridge.policy.forecast import Outlook, foresee
from whmcs_bridge.policy.rules import FINAL_WARNING, Policy

HORIZON = 45
ADDONS = {
    Kind.SUSPEND_ADDON: ServiceStatus.SUSPENDED,
    Kind.UNSUSPEND_ADDON: ServiceStatus.ACTIVE,
    Kind.CLOSE_ADDON: ServiceStatus.TERMINATED,
}

quick = settings(max_examples=examples(18), deadline=None, suppress_health_check=list(HealthCheck))


class Lived(Life):
    """A life on every single day, addons included; backups that are kept for 0 days go with the end, as in a run."""

    def run(self, today: date) -> Decision:
        decision = super().run(today)
        if self.acts.get(today, [])[-1:] == [Kind.TERMINATE]:
            for due in decide(self.facts, self.policy, today).due:
                if due.kind is Kind.DELETE_BACKUPS:
                    self._take(due, today)
        return decision

    def _take(self, due: Due, today: date) -> None:
        if due.kind in ADDONS:
            self.acts.setdefault(today, []).append(due.kind.value)
            number, status = AddonId(due.target), ADDONS[due.kind]
            addons = self.facts.client.addons
            self._client(addons={**addons, number: replace(addons[number], status=status)})
            down = tuple(a for a in self.facts.case.addons_down if a != number)
            kept = (*down, int(number)) if status is ServiceStatus.SUSPENDED else down
            self.facts = replace(self.facts, case=replace(self.facts.case, addons_down=kept))
        else:
            super()._take(due, today)


def lived(found: ServiceFacts, policy: Policy, start: int) -> list[tuple[int, str]]:
    """Every act of every day, approved as soon as it waits for that."""
    life = Lived(replace(found, approved=frozenset(HARMFUL)), policy)
    life.until(day(start + HORIZON), start=day(start))
    return [(number, act) for number, acts in life.story().items() for act in acts]


def foreseen(found: ServiceFacts, policy: Policy, start: int) -> list[tuple[int, str]]:
    acts = []
    for step in foresee(found, policy, day(start), day(start + HORIZON)):
        number = (step.date - DUE).days
        acts.append((number, step.due.message if step.kind is Kind.NOTICE else step.kind.value))
        if step.kind is Kind.SUSPEND and step.due.message:
            acts.append((number, step.due.message))
    return acts


def as_met(found: ServiceFacts, start: int) -> ServiceFacts:
    """Facts that a run may meet at its start: nothing was done today, nothing is remembered from days to come."""
    named = tuple(
        r if r.kind is not RecordKind.RELEASE else replace(r, service_id=found.service.id) for r in found.client.records
    )
    today, case = day(start), found.case
    dates = ("opened_on", "suspended_on", "adopted_on", "exempt_on", "restarted_on")
    known: dict[str, Any] = {name: on for name in dates if (on := getattr(case, name)) is None or on < today}
    past = tuple(n for n in case.notices if n.on < today)
    case = replace(case, **{**dict.fromkeys(dates), **known}, notices=past, kept_days={})
    return replace(found, acted_today=False, case=case, client=replace(found.client, records=named))


starts = st.integers(-15, 30)


@quick
@given(st.one_of(ripe_facts(), any_facts()), policies(), starts)
def test_skipping_days_skips_no_step(found: ServiceFacts, policy: Policy, start: int) -> None:
    found = as_met(found, start)
    assert foreseen(found, policy, start) == lived(found, policy, start)


@quick
@given(ripe_facts(), policies(), starts)
def test_no_stage_is_skipped(found: ServiceFacts, policy: Policy, start: int) -> None:
    """An end has a suspension and a final warning before it, on earlier days, unless they were there already."""
    found = as_met(found, start)
    steps = foresee(found, policy, day(start), day(start + HORIZON))
    for place, step in enumerate(steps):
        if step.kind is not Kind.TERMINATE or step.due.by_request:
            continue
        before = steps[:place]
        down = [s for s in before if s.kind is Kind.SUSPEND]
        assert down or found.service.status is ServiceStatus.SUSPENDED
        assert all(s.date < step.date for s in down)
        warned = [s.date for s in before if FINAL_WARNING in (s.due.message,)]
        warned += [n.on for n in found.case.notices if n.message == FINAL_WARNING]
        assert any(on < step.date for on in warned)
        assert step.needs_approval == (policy.approval.get(Kind.TERMINATE) == "required")


@quick
@given(ripe_facts(), policies(), starts)
def test_one_suspension_or_end_a_day_and_none_on_a_quiet_one(found: ServiceFacts, policy: Policy, start: int) -> None:
    steps = foresee(found, policy, day(start), day(start + HORIZON))
    harmful = [s.date for s in steps if s.kind in (Kind.SUSPEND, Kind.TERMINATE) and not s.due.by_request]
    assert len(harmful) == len(set(harmful))
    assert not any(policy.calendar.is_quiet(on) for on in harmful)


@quick
@given(ripe_facts(), policies(), starts, st.integers(0, 20))
def test_looking_less_far_sees_the_beginning_of_the_same(
    found: ServiceFacts, policy: Policy, start: int, less: int
) -> None:
    whole = foresee(found, policy, day(start), day(start + HORIZON))
    until = day(start + HORIZON - less)
    assert foresee(found, policy, day(start), until) == [s for s in whole if s.date <= until]


@quick
@given(ripe_facts(), policies(), starts)
def test_who_owes_nothing_sees_no_harm(found: ServiceFacts, policy: Policy, start: int) -> None:
    paid = replace(found, client=replace(found.client, invoices=()), cancel_request=None)
    steps = foresee(paid, policy, day(start), day(start + HORIZON))
    assert not {s.kind for s in steps} & {Kind.SUSPEND, Kind.TERMINATE, Kind.SUSPEND_ADDON}


def outlined(found: ServiceFacts, policy: Policy, start: int) -> list[tuple[date, Kind, str, bool]]:
    steps = foresee(found, policy, day(start), day(start + HORIZON))
    return [(s.date, s.kind, s.due.message if s.kind is Kind.NOTICE else "", s.needs_approval) for s in steps]


@settings(quick, max_examples=10)
@given(st.one_of(ripe_facts(), any_facts()), policies(), starts, st.lists(invoices(150), max_size=1), days(-40, 25))
def test_what_is_remembered_of_one_service_is_true_of_the_next(
    found: ServiceFacts, policy: Policy, start: int, more: list[Invoice], due: date
) -> None:
    """One service and others in nearly the same position: another amount, a sibling's invoice, one invoice less."""
    outlook = Outlook(policy, day(start), day(start + HORIZON))
    plain = replace(found, client=replace(found.client, records=(), credit=None), cancel_request=None)
    own = plain.client.invoices
    siblings = an_invoice(180, due, a_line("service", "3.00", 11))
    for book in (
        own,
        tuple(replace(i, number="x") for i in own),
        (*own, siblings),
        (*own, *more),
        own[1:],
        (siblings,),
    ):
        one = replace(plain, client=replace(plain.client, invoices=book))
        for twin in (one, replace(one, client=replace(one.client, addons={}))):
            seen = [(s.date, s.kind, s.message, s.needs_approval) for s in outlook.of(twin)]
            assert seen == outlined(twin, policy, start)
    assert [(s.date, s.kind, s.message, s.needs_approval) for s in outlook.of(found)] == outlined(found, policy, start)
