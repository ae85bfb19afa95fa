"""Decisions -> plan: ordered steps, what is withheld, which steps were announced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import blake2b

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.plan.model import Held, Plan, Step
from whmcs_bridge.policy.decision import ClientDecision, Debt, Decision, Due, Kind

ORDER: Mapping[Kind, int] = {
    kind: place
    for place, kind in enumerate(
        (
            Kind.VIP_REMOVE,
            Kind.UNSUSPEND,
            Kind.UNSUSPEND_ADDON,
            Kind.HAND_BACK,
            Kind.VIP_ADD,
            Kind.NOTICE,
            Kind.CLOSE_ADDON,
            Kind.CANCEL_INVOICE,
            Kind.SUSPEND,
            Kind.SUSPEND_ADDON,
            Kind.TERMINATE,
            Kind.DELETE_BACKUPS,
        )
    )
}
ANNOUNCING = frozenset({"quiet-day", "acted-today"})
"""Withheld only by the day: such a step stands in the day's plan, for tomorrow's to point back at."""


def key_of(kind: Kind, service: ServiceId | None, client: ClientId, target: int = 0, message: str = "") -> str:
    """Return the step's name without its day: the same step keeps it from plan to plan."""
    about = f"s{service}" if service is not None else f"c{client}"
    extra = f"-{target}" if target else ""
    what = f"-{message}" if message and kind is Kind.NOTICE else ""
    return f"{kind}-{about}{extra}{what}"


def digest(debts: Sequence[Debt]) -> str:
    """Return a hash of what is owed: a payment or a new invoice changes it, a new day does not."""
    text = ";".join(f"{d.invoice}:{d.amount.amount}" for d in debts)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def step_of(due: Due, decision: Decision, today: date, announced: Mapping[str, str], *, warned: bool) -> Step:
    """Return the plan's step for one due step of a service."""
    key = key_of(due.kind, decision.service, decision.client, due.target, due.message)
    mark = digest(decision.debts)
    return Step(
        id=f"{key}@{today}",
        kind=due.kind,
        client=decision.client,
        service=decision.service,
        date=today,
        reason=due.reason,
        invoices=due.invoices,
        amount=due.amount,
        message=due.message,
        day=due.day,
        target=due.target,
        by_request=due.by_request,
        after_payment=due.kind is Kind.UNSUSPEND and not decision.holding,
        digest=mark,
        announced=warned and announced.get(key) == mark,
        since=due.since,
    )


def client_step(due: Due, decision: ClientDecision, today: date) -> Step:
    """Return the plan's step for a membership move."""
    key = key_of(due.kind, None, decision.client)
    step = Step(f"{key}@{today}", due.kind, decision.client, None, today, due.reason, due.invoices, due.amount)
    return replace(step, since=due.since)


def digests(plan: Plan, debts: Mapping[ServiceId, str]) -> dict[str, str]:
    """Return what stands in this plan, due or withheld by the day alone: step key -> digest."""
    found = {step.id.rsplit("@", 1)[0]: step.digest for step in (*plan.steps, *plan.refused) if step.digest}
    others = {(h.service, h.withheld.kind) for h in plan.withheld if h.withheld.code not in ANNOUNCING}
    for held in plan.withheld:
        about = (held.service, held.withheld.kind)
        if held.service is None or held.service not in debts or about in others:
            continue
        if held.withheld.code in ANNOUNCING:
            found[key_of(held.withheld.kind, held.service, held.client)] = debts[held.service]
    return found


def order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """VIP removals, releases, VIP additions, notices, suspensions, terminations, deletions; by client within each."""
    return tuple(sorted(steps, key=lambda s: (ORDER[s.kind], s.client, s.service or 0, s.target, s.message)))


def build(
    today: date,
    policy_version: str,
    steps: Iterable[Step],
    withheld: Iterable[Held],
    *,
    complete: bool,
    problems: Sequence[str],
    services_seen: int,
) -> Plan:
    """Put the steps in order and fingerprint them. Limits come after."""
    plan = Plan(
        today=today,
        policy_version=policy_version,
        steps=order(steps),
        withheld=tuple(withheld),
        complete=complete,
        problems=tuple(problems),
        services_seen=services_seen,
    )
    return replace(plan, fingerprint=fingerprint(plan))


def fingerprint(plan: Plan) -> str:
    """Return a short hash of what was planned: day, policy, steps and the debt behind each."""
    seen = blake2b(f"{plan.today}|{plan.policy_version}".encode(), digest_size=6)
    for step in sorted((*plan.steps, *plan.refused), key=lambda s: s.id):
        seen.update(f"|{step.id}|{step.digest}".encode())
    return seen.hexdigest()
