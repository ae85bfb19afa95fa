"""What the rules will do tomorrow if nobody pays, found while a sync judges the book: no client is read twice."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.plan import Onlooker, worth_remembering
from whmcs_bridge.jobs.shadow import ONCE, Imagining
from whmcs_bridge.policy import Ledgers, decide, view_of
from whmcs_bridge.policy.cases import delivered_by_tomorrow, observe
from whmcs_bridge.policy.decision import ClientDecision, Decision, Due, Kind
from whmcs_bridge.policy.forecast import DONE, IN_ORDER
from whmcs_bridge.policy.rules import early_notice_days
from whmcs_bridge.policy.vip import decide_client


@dataclass(frozen=True, slots=True)
class Coming:
    """One step of tomorrow."""

    kind: Kind
    message: str
    client: ClientId
    service: ServiceId | None
    amount: Money | None = None


class Tomorrow:
    """Asks the rules about tomorrow, of those services alone about which anything may come."""

    def __init__(self, ports: Ports, imagining: Imagining | None = None) -> None:
        """`imagining`: shadow mode's own onlooker, which has looked before; its word is where a service stands."""
        self._ports, self._policy = ports, ports.settings.policy
        self._today = ports.today()
        self._day = self._today + timedelta(days=1)
        self._imagining = imagining
        self._early = early_notice_days(self._policy)
        vip = self._policy.vip
        self._vip_group = ports.mirror.group_named(vip.group) if vip is not None else None
        self.found: list[Coming] = []

    @property
    def services(self) -> Collection[ServiceId]:
        """Nobody has to be judged for its sake."""
        return ()

    @property
    def days_ahead(self) -> int:
        """What goes out tomorrow is about an invoice that is due a day later than what goes out today."""
        return 1

    def look(
        self,
        client: ClientFacts,
        services: Sequence[ServiceFacts],
        decisions: Sequence[Decision],
        ledgers: Ledgers,
        *,
        acted_for: bool,
    ) -> None:
        """Ask about the client's services that owe, are down, have ended, or will owe by then."""
        soon = self._something_falls_due(client)
        asked = [
            (facts, decision)
            for facts, decision in zip(services, decisions, strict=True)
            if soon or _may_come(facts, decision)
        ]
        if not asked:
            return
        then = Ledgers(client, self._policy, self._day)
        for facts, decision in asked:
            for due in self._due(facts, decision, ledgers, then, acted_for=acted_for):
                self._note(due, facts)
        group = self._vip_group
        if group is not None and client.client.group_id == group.id:
            for due in decide_client(client, self._policy, group, self._day, then).due:
                self.found.append(Coming(due.kind, "", client.client.id, None, due.amount))

    def member(self, decision: ClientDecision) -> None:
        """Today's move is told of with today."""

    def _something_falls_due(self, client: ClientFacts) -> bool:
        """An open invoice is due today (tomorrow it is overdue), or an early notice for it goes out tomorrow."""
        return any(
            due == self._today or (self._day - due).days in self._early for due in _clocks(client) if due >= self._today
        )

    def _due(
        self, facts: ServiceFacts, decision: Decision, now: Ledgers, then: Ledgers, *, acted_for: bool
    ) -> Iterator[Due]:
        if self._imagining is not None and not acted_for:
            standing = self._imagining.as_it_stands(facts)
            due = decide(standing, self._policy, self._day, then if standing is facts else None, timed=False).due
            yield from (one for one in due if one.kind not in ONCE)
            return
        stands = facts
        if _is_news(facts) and worth_remembering(decision, facts.case, facts.service.status):
            view, _ = view_of(facts, self._policy, self._today, now)
            stands = replace(facts, case=observe(view, decision, self._today))
        for one in sorted(decision.due, key=lambda d: IN_ORDER[d.kind]):
            stands = DONE[one.kind](stands, one, self._today)  # what is due today is done by then
        stands = replace(stands, acted_today=False, case=delivered_by_tomorrow(stands.case, self._today))
        ledgers = then if stands.client is facts.client else None
        yield from decide(stands, self._policy, self._day, ledgers, timed=False).due

    def _note(self, due: Due, facts: ServiceFacts) -> None:
        if due.kind is Kind.DELETE_BACKUPS and not self._ports.stores:
            return
        self.found.append(Coming(due.kind, due.message, facts.service.client_id, facts.service.id, due.amount))


def _clocks(client: ClientFacts) -> Iterator[date]:
    """The day each open invoice counts from: due, but not before it was made."""
    for invoice in client.invoices:
        if invoice.due is not None:
            yield max(invoice.due, client.created_on.get(invoice.id, invoice.due))


def _is_news(facts: ServiceFacts) -> bool:
    """The case may not say yet how the service stands: a first debt, an exemption, a status that changed."""
    case, status = facts.case, facts.service.status
    known_down = case.suspended_on is not None or case.adopted_on is not None
    return case.opened_on is None or case.exempt_on is not None or (status is ServiceStatus.SUSPENDED) is not known_down


def _may_come(facts: ServiceFacts, decision: Decision) -> bool:
    return bool(
        decision.due
        or decision.withheld
        or decision.debts
        or decision.holding
        or decision.stage is not Stage.CLEAR
        or facts.case.ended_on
        or facts.cancel_request is not None
    )


def beside(*onlookers: Onlooker | None) -> Onlooker | None:
    """Return one onlooker for all of these, one behind the other; None for none."""
    present = [one for one in onlookers if one is not None]
    return Beside(*present) if len(present) > 1 else next(iter(present), None)


class Beside:
    """Several onlookers, one behind the other."""

    def __init__(self, *onlookers: Onlooker) -> None:
        self._all = onlookers

    @property
    def services(self) -> Collection[ServiceId]:
        """What any of them needs."""
        return {service for one in self._all for service in one.services}

    @property
    def days_ahead(self) -> int:
        """As far as the one that looks furthest."""
        return max(one.days_ahead for one in self._all)

    def look(
        self,
        client: ClientFacts,
        services: Sequence[ServiceFacts],
        decisions: Sequence[Decision],
        ledgers: Ledgers,
        *,
        acted_for: bool,
    ) -> None:
        """Let each look."""
        for one in self._all:
            one.look(client, services, decisions, ledgers, acted_for=acted_for)

    def member(self, decision: ClientDecision) -> None:
        """Let each see the membership."""
        for one in self._all:
            one.member(decision)
