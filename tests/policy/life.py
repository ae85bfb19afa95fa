"""A service's life without WHMCS: one enforced run a day over facts that change only as the steps say.

What a run does here is what the jobs do with the policy's word: remember what is seen, then take the due steps in the
plan's order, each judged again just before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from tests.builders import BLANK, DUE, a_policy, facts, seen
from whmcs_bridge.domain.book import NO_GROUP, ClientGroup, Invoice, Service
from whmcs_bridge.domain.case import SentNotice
from whmcs_bridge.domain.facts import PaidInvoice, ServiceFacts
from whmcs_bridge.domain.records import Record
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.plan.build import ORDER
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.cases import after_end, after_notice, after_release, after_suspension
from whmcs_bridge.policy.decision import Decision, Due, Kind
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.policy.stages import reason_for


@dataclass(slots=True)
class Life:
    """One service from day to day. `acts` says what was done on which day, notices by their message."""

    facts: ServiceFacts = field(default_factory=facts)
    policy: Policy = field(default_factory=a_policy)
    acts: dict[date, list[str]] = field(default_factory=dict)
    mail_fails_on: frozenset[date] = frozenset()

    # --- what happens to it

    def run(self, today: date) -> Decision:
        """One enforced run."""
        self.facts = replace(self.facts, acted_today=False)
        self._deliver(today)
        self.facts = seen(self.facts, self.policy, today)
        decision = decide(self.facts, self.policy, today)
        for due in sorted(decision.due, key=lambda d: ORDER[d.kind]):
            again = decide(self.facts, self.policy, today)
            still = [d for d in again.due if (d.kind, d.message, d.target) == (due.kind, due.message, due.target)]
            if still:
                self._take(still[0], today)
        return decision

    def again(self, today: date) -> Decision:
        """A second run on the same house day."""
        acted = self.facts.acted_today
        self.facts = seen(self.facts, self.policy, today)
        decision = decide(self.facts, self.policy, today)
        for due in decision.due:
            self._take(due, today)
        self.facts = replace(self.facts, acted_today=acted or self.facts.acted_today)
        return decision

    def until(self, last: date, *, start: date = DUE, without: Callable[[date], bool] = lambda _: False) -> "Life":
        """A run on every day from `start` through `last`, but those that `without` names."""
        today = start
        while today <= last:
            if not without(today):
                self.run(today)
            today += timedelta(days=1)
        return self

    def pays(self, number: int, on: date) -> None:
        """The invoice is paid in full."""
        invoice = self._invoice(number)
        paid = PaidInvoice(invoice.id, invoice.due, on, invoice.total)
        self._client(
            invoices=tuple(i for i in self.facts.client.invoices if i.id != number),
            history=(*self.facts.client.history, paid),
        )

    def owes(self, invoice: Invoice) -> None:
        """An invoice appears, or is open again after a reversal."""
        rest = tuple(p for p in self.facts.client.history if p.id != invoice.id)
        self._client(invoices=tuple(sorted((*self.facts.client.invoices, invoice), key=lambda i: i.id)), history=rest)

    def loses(self, number: int) -> None:
        """The invoice is cancelled."""
        invoice = self._invoice(number)
        self._client(
            invoices=tuple(i for i in self.facts.client.invoices if i.id != number),
            cancelled=(*self.facts.client.cancelled, replace(invoice, status=InvoiceStatus.CANCELLED)),
        )

    def told(self, *records: Record) -> None:
        """Somebody records something."""
        numbers = {r.id for r in records}
        self._client(records=(*(r for r in self.facts.client.records if r.id not in numbers), *records))

    def becomes(self, **more: object) -> None:
        """The service changes in WHMCS: somebody edits it."""
        self.facts = replace(self.facts, service=replace(self.facts.service, **more))  # type: ignore[arg-type]
        self._client(services={**self.facts.client.services, self.facts.service.id: self.facts.service})

    def whmcs_suspends(self) -> None:
        self.becomes(status=ServiceStatus.SUSPENDED, suspension_reason=BLANK)

    def _client(self, **more: object) -> None:
        self.facts = replace(self.facts, client=replace(self.facts.client, **more))  # type: ignore[arg-type]

    def client_becomes(self, **more: object) -> None:
        """Something about the client changes: group, membership, credit."""
        if "group" in more:
            group = more["group"]
            number = group.id if isinstance(group, ClientGroup) else NO_GROUP
            more["client"] = replace(self.facts.client.client, group_id=number)
        self._client(**more)

    # --- what it came to

    @property
    def service(self) -> Service:
        return self.facts.service

    @property
    def is_up(self) -> bool:
        return self.service.status is ServiceStatus.ACTIVE

    @property
    def is_down(self) -> bool:
        return self.service.status is ServiceStatus.SUSPENDED

    def days_of(self, act: str) -> list[int]:
        """Days, counted from DUE, on which this was done."""
        return [(when - DUE).days for when, acts in sorted(self.acts.items()) if act in acts]

    def story(self) -> dict[int, list[str]]:
        """Day -> what was done, in order."""
        return {(when - DUE).days: acts for when, acts in sorted(self.acts.items())}

    # --- how steps are taken

    def _invoice(self, number: int) -> Invoice:
        return next(i for i in self.facts.client.invoices if i.id == number)

    def _take(self, due: Due, today: date) -> None:
        self.acts.setdefault(today, []).append(due.message if due.kind is Kind.NOTICE else due.kind.value)
        case = self.facts.case
        match due.kind:
            case Kind.NOTICE:
                self._send(due.message, due.day, today)
            case Kind.SUSPEND:
                self.facts = replace(self.facts, case=after_suspension(case, self.facts, today), acted_today=True)
                self.becomes(status=ServiceStatus.SUSPENDED, suspension_reason=reason_for(due.invoices))
                if due.message:
                    self.acts[today].append(due.message)
                    self._send(due.message, None, today)
            case Kind.UNSUSPEND:
                on_trust = any(r.protects_on(today) for r in self.facts.client.records if r.kind == "release")
                self.facts = replace(self.facts, case=after_release(case, today, on_trust=on_trust))
                self.becomes(status=ServiceStatus.ACTIVE, suspension_reason="")
            case Kind.TERMINATE:
                self.facts = replace(self.facts, case=after_end(case, today), acted_today=True)
                self.becomes(status=ServiceStatus.TERMINATED)
            case Kind.DELETE_BACKUPS:
                self.facts = replace(self.facts, case=replace(case, erased_on=today))
            case _:
                raise AssertionError(f"no life with {due.kind} in it")

    def _send(self, message: str, number: int | None, today: date) -> None:
        notice = SentNotice(message, number, today, None)
        self.facts = replace(self.facts, case=after_notice(self.facts.case, notice))

    def _deliver(self, today: date) -> None:
        """The next run looks into the mail log."""
        for notice in self.facts.case.notices:
            if notice.delivered is None and notice.on < today:
                found = replace(notice, delivered=notice.on not in self.mail_fails_on)
                self.facts = replace(self.facts, case=after_notice(self.facts.case, found))
