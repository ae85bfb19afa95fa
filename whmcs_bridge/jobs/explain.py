"""Why a service stands where it stands, what comes next and when, and what would change it."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import InvoiceStatus
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, facts_of_service
from whmcs_bridge.jobs.hand import Now, judge
from whmcs_bridge.jobs.scope import OUTSIDE, WHY_OUTSIDE, Scope
from whmcs_bridge.jobs.vip import VipLine, vip_line
from whmcs_bridge.policy import next_step, view_of
from whmcs_bridge.policy.decision import ClientDecision, Debt, Decision, Due, Kind, Withheld
from whmcs_bridge.policy.rules import Rules
from whmcs_bridge.policy.stages import is_ours
from whmcs_bridge.policy.standing import Stands, standing
from whmcs_bridge.ports import ClientBook


@dataclass(frozen=True, slots=True)
class Explanation:
    """One service, explained."""

    facts: ServiceFacts
    decision: Decision
    rules: Rules
    next: tuple[Due, date] | None
    ours: bool
    """The present suspension is ours."""
    would_change: tuple[str, ...]
    stands: tuple[Stands, ...] = ()
    """Records in force, freezes that moved the clock, WHMCS's own override."""

    def to_json(self) -> dict[str, Any]:
        """The shape of `explain --json`."""
        facts, decision = self.facts, self.decision
        service = facts.service
        return {
            "service": service.id,
            "stage": decision.stage.value,
            "facts": {
                "client": service.client_id,
                "product": service.name,
                "domain": service.domain,
                "status": service.status.value if service.status else None,
                "suspension_reason": service.suspension_reason,
                "suspension_is_ours": self.ours,
                "standing": decision.standing.value,
                "group": facts.client.group.name if facts.client.group else None,
                "debts": [_debt_json(d) for d in decision.debts],
                "holding": [_debt_json(d) for d in decision.holding],
                "case_opened": _iso(facts.case.opened_on),
                "suspended_on": _iso(facts.case.suspended_on),
                "adopted_on": _iso(facts.case.adopted_on),
                "adoption": facts.case.adoption.value if facts.case.adoption else None,
                "settled_by": facts.case.settled_by,
                "ended_on": _iso(facts.case.ended_on),
                "notices": [
                    {"message": n.message, "date": n.on.isoformat(), "delivered": n.delivered}
                    for n in facts.case.notices
                ],
                "as_of": facts.as_of.isoformat() if facts.as_of else None,
                "complete": facts.complete,
            },
            "rule": decision.class_name,
            "layers": dict(decision.layers),
            "due": [{"kind": d.kind.value, "reason": d.reason, "message": d.message} for d in decision.due],
            "withheld": [
                {"kind": w.kind.value, "code": w.code, "why": w.why, "until": _iso(w.until)} for w in decision.withheld
            ],
            "next": {"step": self.next[0].kind.value, "date": self.next[1].isoformat()} if self.next else None,
            "would_change": list(self.would_change),
            "stands": [
                {"kind": s.kind, "record": s.record, "until": _iso(s.until), "said": s.said, "over": s.over}
                for s in self.stands
            ],
        }


def _debt_json(debt: Debt) -> dict[str, Any]:
    return {
        "invoice": debt.invoice,
        "due": debt.due.isoformat(),
        "amount": str(debt.amount.amount),
        "currency": debt.amount.currency,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None and day != date.min else None


@dataclass(frozen=True, slots=True)
class ClientExplanation:
    """One client, explained, with every service."""

    book: ClientBook
    standing: str
    membership: ClientDecision | None
    services: tuple[Explanation, ...]
    vip: VipLine | None = None
    """None where there are no VIP rules, or WHMCS does not have the group."""

    def to_json(self) -> dict[str, Any]:
        client = self.book.client
        vip = self.membership
        return {
            "client": client.id,
            "name": client.name,
            "since": _iso(client.since),
            "group": self.book.group.name if self.book.group else None,
            "standing": self.standing,
            "vip": {"eligible": vip.eligible, "why": vip.why, **self._vip_json()} if vip else None,
            "invoices": [
                {
                    "id": i.id,
                    "due": _iso(i.due),
                    "status": i.status.value if i.status else None,
                    "balance": str(i.balance),
                }
                for i in self.book.invoices
            ],
            "services": [s.to_json() for s in self.services],
        }

    def _vip_json(self) -> dict[str, Any]:
        if self.vip is None:
            return {}
        told = self.vip.to_json()
        return {key: told[key] for key in ("member", "since", "next", "would_change", "pin", "by_hand_on")}


def explain_service(ports: Ports, service: ServiceId) -> Explanation:
    """Explain one service from the mirror; raises UnknownId."""
    book = ports.mirror.book_of_service(service)
    if book is None:
        raise UnknownId(f"no service {service} in the mirror; check the number, or run a sync first")
    now, scope = judged_now(ports, book)
    return _explain(ports, now, service, scope)


def explain_client(ports: Ports, client: ClientId, at_most: int | None = None) -> ClientExplanation:
    """Explain one client and its services from the mirror; raises UnknownId.

    `at_most`: so many services and no more, those in a case or in debt first; what comes next takes time to find out.
    """
    book = ports.mirror.book(client)
    if book is None:
        raise UnknownId(f"no client {client} in the mirror; check the number, or run a sync first")
    now, scope = judged_now(ports, book)
    wanted = [s.id for s in book.services]
    if at_most is not None:
        wanted = sorted(wanted, key=lambda s: _weight(now.decisions[s]))[:at_most]
    services = tuple(_explain(ports, now, service, scope) for service in wanted)
    standing = next((d.standing.value for d in now.decisions.values()), "paid-up")
    if now.membership is not None:
        standing = now.membership.standing.value
    rules = ports.settings.policy.vip
    group = ports.mirror.group_named(rules.group) if rules is not None else None
    vip = vip_line(ports, client) if group is not None else None
    return ClientExplanation(book, standing, now.membership, services, vip)


def judged_now(ports: Ports, book: ClientBook) -> tuple[Now, Scope]:
    """Judge a client for today from what the mirror has, and say for whom the bridge acts."""
    memory = ClientMemory(ports.journal, ports.today(), book.client.id)
    info = ports.mirror.last()
    return judge(ports, memory, book, complete=info is not None and info.complete), memory.scope


def _weight(decision: Decision) -> tuple[bool, bool]:
    return decision.stage is Stage.CLEAR, not decision.debts


def _explain(ports: Ports, now: Now, service: ServiceId, scope: Scope) -> Explanation:
    facts, decision = now.facts[service], now.decisions[service]
    policy, today = ports.settings.policy, ports.today()
    view, _ = view_of(facts, policy, today)
    following = next_step(facts, policy, today)
    if not scope.takes(facts.client.client, facts.client.group):
        due, waiting = scope.parts(facts, decision.due)
        held = (Withheld(d.kind, OUTSIDE, WHY_OUTSIDE) for d in waiting)
        decision = replace(decision, due=tuple(due), withheld=(*decision.withheld, *held))
        following = (due[0], today) if due else None
    changes = tuple(_would_change(decision, following))
    return Explanation(facts, decision, view.rules, following, is_ours(view), changes, tuple(standing(view)))


def _would_change(decision: Decision, following: tuple[Due, date] | None) -> list[str]:
    said: list[str] = []
    if decision.debts:
        numbers = ", ".join(str(d.invoice) for d in decision.debts)
        said.append(f"payment of invoice {numbers} ends the case")
    if decision.holding and decision.stage == "suspended":
        numbers = ", ".join(str(d.invoice) for d in decision.holding)
        said.append(f"the service comes back when invoice {numbers} is paid")
    if following is not None and following[0].kind in (Kind.SUSPEND, Kind.TERMINATE):
        said.append("a promise, a hold, or WHMCS's override would defer it")
    for held in decision.withheld:
        if held.until is not None:
            said.append(f"{held.code} ends after {held.until}")
    return said


def facts_for(ports: Ports, service: ServiceId, told: Told | None = None) -> ServiceFacts:
    """Return the facts of one service from mirror and journal, and what WHMCS told just now; raises UnknownId."""
    if told is None:
        book = ports.mirror.book_of_service(service)
        info = ports.mirror.last()
        complete = info is not None and info.complete
    else:
        book, complete = as_told(ports, told), True
    if book is None or all(s.id != service for s in book.services):
        raise UnknownId(f"no service {service} in the mirror; check the number, or run a sync first")
    memory = ClientMemory(ports.journal, ports.today(), book.client.id, (service,))
    return facts_of_service(book, memory, service, complete=complete)


def as_told(ports: Ports, told: Told) -> ClientBook | None:
    """Put what was told in the place of what the mirror has; what was not told (addons, history) stays."""
    book = ports.mirror.book(told.client)
    if book is None:
        return None
    client, group = book.client, book.group
    if told.group != client.group_id:
        client, group = replace(client, group_id=told.group), ports.mirror.group(told.group)
    others = tuple(i for i in book.invoices if i.client_id != told.client)
    today = ports.today()
    # one that no reading has seen yet counts from today: its own date may be years before it came to be
    created = {i.id: today for i in told.invoices}
    pending = {i.id: today for i in told.invoices if i.status is InvoiceStatus.PAYMENT_PENDING}
    return replace(
        book,
        client=client,
        group=group,
        currency=told.currency or book.currency,
        services=told.services,
        invoices=tuple(sorted((*told.invoices, *others), key=lambda i: i.id)),
        created_on={**created, **book.created_on},
        pending_since={**pending, **book.pending_since},
        unread=frozenset(),
        missing=frozenset(),
        as_of=ports.now(),
        credit=told.credit if told.credit is not None else book.credit,
        credit_read_on=today if told.credit is not None else book.credit_read_on,
    )
