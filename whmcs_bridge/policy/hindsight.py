"""What these rules would have done with the invoices of the past twelve months: due and paid dates are all it needs.

Lines of settled invoices are not kept, so each is taken to bill the client's services, under the rules of the one that
would be suspended last. What is said is therefore an outer bound for invoices (some billed a domain only) and a lower
bound for dates. Paid on the very day of a suspension is taken for in time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from heapq import nlargest

from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.policy.calendar import add_days
from whmcs_bridge.policy.debt import EMPTY_LEDGER, frozen_days
from whmcs_bridge.policy.rules import Policy, Resolved, Rules, VipRules, resolve
from whmcs_bridge.policy.stages import final_warning_days, on_suspension_is_final

BACK_DAYS = 365
WITHIN = ((3, "1-3"), (7, "4-7"), (14, "8-14"))
"""Last day and name of each span after the suspension day in which an invoice was paid anyway."""
LATER = "15+"
STILL_OPEN = "open"
SPANS = (*(name for _, name in WITHIN), LATER, STILL_OPEN)

EXEMPT, CLASSLESS, REVERSED, SMALL, UNDATED = "exempt", "classless", "reversed", "small", "undated"
"""Why an invoice was left out: its client's group is exempt, no class that suspends takes its services, its payment
was taken back, it is not above min_debt, it has no due date."""


@dataclass(slots=True)
class ClassPast:
    """What one class would have seen."""

    invoices: int = 0
    suspended: int = 0
    """Invoices that were still unpaid on the day after the one on which they would have led to a suspension."""
    ended: int = 0
    """Those that were still unpaid after the day on which their service would have been ended."""
    paid_after: Counter[str] = field(default_factory=Counter)
    """Span of SPANS -> how many of the suspended were paid that many days later."""


@dataclass(frozen=True, slots=True)
class ClientPast:
    """One client who would have been suspended."""

    client: ClientId
    name: str
    class_name: str
    invoices: int
    suspended: int
    ended: int
    longest_days: int
    """Most days that one of the invoices stayed unpaid after its due date."""


@dataclass(frozen=True, slots=True)
class _Stages:
    """When one invoice would have led to what; None is never."""

    suspend: date | None
    end: date | None


@dataclass(slots=True)
class Hindsight:
    """Add every client's services once; the sums are there at any time."""

    policy: Policy
    today: date
    days: int = BACK_DAYS
    by_class: dict[str, ClassPast] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    clients: int = 0
    """Clients with an invoice that was looked at."""
    several_classes: int = 0
    """Clients whose services belong to several classes: judged by the one that suspends last."""
    suspended_clients: int = 0
    ended_clients: int = 0
    _past: list[ClientPast] = field(default_factory=list)
    _stages: dict[tuple[int, int | None, date, bool], _Stages] = field(default_factory=dict)

    @property
    def since(self) -> date:
        """First due date that is looked at."""
        return self.today - timedelta(days=self.days)

    @property
    def whole(self) -> ClassPast:
        """All classes together."""
        total = ClassPast()
        for past in self.by_class.values():
            total.invoices += past.invoices
            total.suspended += past.suspended
            total.ended += past.ended
            total.paid_after.update(past.paid_after)
        return total

    def worst(self, count: int) -> list[ClientPast]:
        """Return the clients with the most endings, then suspensions, then the longest debt."""
        return nlargest(count, self._past, key=lambda c: (c.ended, c.suspended, c.longest_days, -c.client))

    def add(self, services: Sequence[ServiceFacts]) -> None:
        """Look back at one client, given the facts of all of its services."""
        if not services:
            return
        facts = services[0].client
        invoices = list(_invoices(facts, self.since, self.today, self.left_out))
        if not invoices:
            return
        if facts.group is not None and facts.group.exempt:
            self.left_out[EXEMPT] += len(invoices)
            return
        chosen, several = self._rules_for(services)
        if chosen is None:
            self.left_out[CLASSLESS] += len(invoices)
            return
        self.several_classes += several
        self._judge(facts, chosen, invoices)

    def _rules_for(self, services: Sequence[ServiceFacts]) -> tuple[Resolved | None, bool]:
        """Return the rules that suspend last, and whether there were others; None where none suspends."""
        found: list[Resolved] = []
        for one in services:
            resolved = resolve(self.policy, one.service, one.product, one.client.client, one.client.group)
            if resolved.class_name and resolved.rules.suspend_after_days is not None:
                found.append(resolved)
        kindest = max(found, key=_lateness, default=None)
        return kindest, len({r.class_name for r in found}) > 1

    def _judge(self, facts: ClientFacts, chosen: Resolved, invoices: Sequence["_Invoice"]) -> None:
        rules, past = chosen.rules, self.by_class.setdefault(chosen.class_name, ClassPast())
        least = rules.min_debt.of(facts.currency)
        frozen = frozen_days(facts.records, self.today) if facts.records else EMPTY_LEDGER.frozen
        looked_at = suspended = ended = longest = 0
        for invoice in invoices:
            if invoice.owed <= least:
                self.left_out[SMALL] += 1
                continue
            looked_at += 1
            stages = self._stages_of(invoice, rules, frozen, self._courtesy(facts, invoice.owed))
            unpaid_until = invoice.paid_on or self.today
            if stages.suspend is None or unpaid_until <= stages.suspend:
                continue
            suspended += 1
            longest = max(longest, (unpaid_until - invoice.due).days)
            past.paid_after[_span((unpaid_until - stages.suspend).days) if invoice.paid_on else STILL_OPEN] += 1
            ended += stages.end is not None and unpaid_until > stages.end
        self.clients += bool(looked_at)
        past.invoices += looked_at
        past.suspended += suspended
        past.ended += ended
        self.ended_clients += bool(ended)
        if suspended:
            self.suspended_clients += 1
            client = facts.client
            self._past.append(
                ClientPast(client.id, client.name, chosen.class_name, looked_at, suspended, ended, longest)
            )

    def _courtesy(self, facts: ClientFacts, owed: Decimal) -> VipRules | None:
        """The VIP rules where they would have held; who was a member then is not known, who is one now is."""
        vip = self.policy.vip
        if vip is None or facts.group is None or facts.group.name != vip.group:
            return None
        return None if vip.exempt_max_debt is not None and owed > vip.exempt_max_debt else vip

    def _stages_of(
        self, invoice: "_Invoice", rules: Rules, frozen: frozenset[date], courtesy: VipRules | None
    ) -> _Stages:
        bank_days = self.policy.calendar.clearing_bank_days.get(invoice.gateway)
        if frozen:
            return self._reckon(invoice.due, bank_days, rules, frozen, courtesy)
        key = (id(rules), bank_days, invoice.due, courtesy is not None)  # the rules are kept alive by the policy
        found = self._stages.get(key)
        if found is None:
            found = self._stages[key] = self._reckon(invoice.due, bank_days, rules, frozen, courtesy)
        return found

    def _reckon(
        self, due: date, bank_days: int | None, rules: Rules, frozen: frozenset[date], courtesy: VipRules | None
    ) -> _Stages:
        calendar, after = self.policy.calendar, rules.suspend_after_days
        if after is None:
            return _Stages(None, None)
        first = add_days(due, after, frozen)
        if bank_days is not None:
            first = max(first, calendar.add_bank_days(calendar.next_bank_day(due), bank_days))
        if courtesy is not None:
            first = max(first, add_days(due, courtesy.exempt_max_days, frozen))
        down = calendar.next_active(first)
        waiting = rules.waiting_days
        if rules.terminate_after_days is None or waiting is None:
            return _Stages(down, None)
        floor = max(add_days(due, rules.terminate_after_days, frozen), add_days(down, waiting, frozen))
        ahead = final_warning_days(rules)
        warned = down if on_suspension_is_final(rules) else max(floor - timedelta(days=ahead), down + timedelta(days=1))
        return _Stages(down, calendar.next_active(max(floor, add_days(warned, ahead, frozen))))


def _lateness(resolved: Resolved) -> tuple[int, bool, int]:
    rules = resolved.rules
    return rules.suspend_after_days or 0, rules.terminate_after_days is None, rules.terminate_after_days or 0


def _span(days: int) -> str:
    return next((name for last, name in WITHIN if days <= last), LATER)


@dataclass(frozen=True, slots=True)
class _Invoice:
    due: date
    paid_on: date | None
    owed: Decimal
    gateway: str


def _invoices(facts: ClientFacts, since: date, today: date, left_out: Counter[str]) -> Iterator[_Invoice]:
    """The client's invoices that fell due in time; open ones with what is owed now, settled ones with their total."""
    for paid in facts.history:
        if paid.due is None:
            left_out[UNDATED] += paid.paid_on >= since
        elif since <= paid.due < today:
            if paid.reversed:
                left_out[REVERSED] += 1
            elif paid.total > 0:
                yield _Invoice(paid.due, paid.paid_on, paid.total, paid.gateway)
    for invoice in facts.invoices:
        if invoice.client_id != facts.client.id or invoice.status is None or not invoice.status.open:
            continue
        if invoice.due is None:
            left_out[UNDATED] += 1
            continue
        due = max(invoice.due, facts.created_on.get(invoice.id, invoice.due))
        if since <= due < today and invoice.balance > 0:
            yield _Invoice(due, None, invoice.balance, invoice.gateway)
