"""What the rules will do to one service day by day if nobody pays and nobody steps in; each step imagined as done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from heapq import heappop, heappush

from whmcs_bridge.domain.book import NO_GROUP, Addon
from whmcs_bridge.domain.case import Case, SentNotice
from whmcs_bridge.domain.facts import Membership, ServiceFacts
from whmcs_bridge.domain.ids import AddonId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy import Ledgers, View, days_to_ask, decide, judge, view_of
from whmcs_bridge.policy.cases import after_end, after_notice, after_release, after_suspension, observe
from whmcs_bridge.policy.debt import Entry
from whmcs_bridge.policy.decision import HARMFUL, Due, Kind, Standing
from whmcs_bridge.policy.rules import Policy, Resolved, Scope
from whmcs_bridge.policy.stages import carries_our_reason, reason_for

ONE_DAY = timedelta(days=1)
IN_ORDER: Mapping[Kind, int] = {
    kind: place
    for place, kind in enumerate(
        (
            Kind.UNSUSPEND,
            Kind.UNSUSPEND_ADDON,
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
"""The order of a day's steps for one service, as a run takes them."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One step on the day on which it will be taken."""

    date: date
    kind: Kind
    due: Due
    """What is owed and since when; the invoices that are open today."""
    needs_approval: bool = False
    """A person has to approve it first; here it is imagined as approved in time."""


def foresee(facts: ServiceFacts, policy: Policy, today: date, until: date) -> list[Foreseen]:
    """Return what an enforced run on every day from `today` through `until` would do to the service, in order.

    Nobody pays, no invoice and no record comes to it; a mail arrives by the next day, a suspension or an end succeeds,
    what needs an approval has it, a client overdue leaves the VIP group. Days on which nothing can change are skipped.
    """
    return list(_life(facts, policy, today, until))


def _life(facts: ServiceFacts, policy: Policy, today: date, until: date) -> Iterator[Foreseen]:
    if today > until:
        return
    approved = facts.approved
    facts = replace(facts, approved=approved | set(HARMFUL))
    asked = {today, *(r.since for r in facts.client.records if today < r.since <= until)}
    days = sorted(asked)
    while days:
        day = heappop(days)
        facts, view, steps, exempt = _live(facts, policy, day, first=day == today)
        yield from (_foreseen(day, due, policy, approved) for due in steps)
        coming = days_to_ask(view, policy, today)
        own_clocks = view.rules.overdue_addon_suspends == "addon" and facts.client.addons
        if steps or day == today or own_clocks:  # the days of single addons are not among those to ask
            coming.add(day + ONE_DAY)
        for following in coming:
            if day < following <= until and following not in asked:
                asked.add(following)
                heappush(days, following)
        if exempt and days and days[0] - ONE_DAY not in asked:  # its last day counts: the case starts on the next
            asked.add(days[0] - ONE_DAY)
            heappush(days, days[0] - ONE_DAY)


def _foreseen(day: date, due: Due, policy: Policy, approved: frozenset[str]) -> Foreseen:
    waits = policy.approval.get(due.kind) == "required" and due.kind not in approved and not due.by_request
    return Foreseen(day, due.kind, due, waits)


def _live(facts: ServiceFacts, policy: Policy, day: date, *, first: bool) -> tuple[ServiceFacts, View, list[Due], bool]:
    """One enforced run: remember what is seen, then take the due steps, each judged again after the one before it.

    Returns the facts after it as they are and as they weigh, what it did, and whether an exemption stood.
    """
    facts = replace(facts, case=_delivered(facts.case, day), acted_today=first and facts.acted_today)
    ledgers = Ledgers(facts.client, policy, day)
    view, resolved = view_of(facts, policy, day, ledgers)
    decision = judge(view, resolved, timed=False)
    case = observe(view, decision, day)
    if case is not facts.case:
        facts = replace(facts, case=case)
    taken: list[Due] = []
    for due in sorted(decision.due, key=lambda d: IN_ORDER.get(d.kind, 0)):
        still = due if facts is view.facts else _again(due, facts, policy, day, ledgers)
        if still is None or still.kind not in DONE:
            continue
        facts = DONE[still.kind](facts, still, day)
        taken.append(still)
        if still.kind is Kind.CANCEL_INVOICE:
            ledgers = Ledgers(facts.client, policy, day)
    if taken and taken[-1].kind is Kind.TERMINATE:
        for due in decide(facts, policy, day, ledgers, timed=False).due:
            if due.kind is Kind.DELETE_BACKUPS:  # with 0 days it follows the end in the same run
                facts = _erased(facts, due, day)
                taken.append(due)
    if policy.vip is not None and decision.standing is Standing.OVERDUE:
        facts = _out_of_vip(facts, policy.vip.group, day)
    if facts is not view.facts:
        view, _ = view_of(facts, policy, day, ledgers)
    return facts, view, taken, decision.exempt


def _again(due: Due, facts: ServiceFacts, policy: Policy, day: date, ledgers: Ledgers) -> Due | None:
    """The same step as it is due now; None where it is not any more."""
    known = (due.kind, due.message, due.target)
    again = decide(facts, policy, day, ledgers, timed=False).due
    return next((d for d in again if (d.kind, d.message, d.target) == known), None)


def _delivered(case: Case, day: date) -> Case:
    """Mails of earlier days have arrived."""
    if all(n.delivered is not None or n.on >= day for n in case.notices):
        return case
    sent = (replace(n, delivered=True) if n.delivered is None and n.on < day else n for n in case.notices)
    return replace(case, notices=tuple(sent))


# --- what each step leaves behind ---------------------------------------------------------------


def _becomes(facts: ServiceFacts, case: Case, status: ServiceStatus, reason: str = "") -> ServiceFacts:
    service = replace(facts.service, status=status, suspension_reason=reason)
    client = replace(facts.client, services={**facts.client.services, service.id: service})
    return replace(facts, service=service, client=client, case=case)


def _sent(facts: ServiceFacts, message: str, number: int | None, day: date) -> ServiceFacts:
    return replace(facts, case=after_notice(facts.case, SentNotice(message, number, day, None)))


def _notice(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    return _sent(facts, due.message, due.day, day)


def _suspended(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    case = after_suspension(facts.case, facts, day)
    down = _becomes(replace(facts, acted_today=True), case, ServiceStatus.SUSPENDED, reason_for(due.invoices))
    return _sent(down, due.message, None, day) if due.message else down


def _released(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    on_trust = any(
        r.kind is RecordKind.RELEASE and r.service_id == facts.service.id and r.protects_on(day)
        for r in facts.client.records
    )
    return _becomes(facts, after_release(facts.case, day, on_trust=on_trust), ServiceStatus.ACTIVE)


def _ended(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    return _becomes(replace(facts, acted_today=True), after_end(facts.case, day), ServiceStatus.TERMINATED)


def _erased(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    return replace(facts, case=replace(facts.case, erased_on=day))


def _invoice_gone(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
    left = tuple(i for i in facts.client.invoices if i.id != due.target)
    return replace(facts, client=replace(facts.client, invoices=left))


def _addon_to(status: ServiceStatus) -> Callable[[ServiceFacts, Due, date], ServiceFacts]:
    def act(facts: ServiceFacts, due: Due, day: date) -> ServiceFacts:
        number = AddonId(due.target)
        addons: Mapping[AddonId, Addon] = facts.client.addons
        changed = {**addons, number: replace(addons[number], status=status)}
        down = tuple(a for a in facts.case.addons_down if a != number)
        case = replace(facts.case, addons_down=(*down, number) if status is ServiceStatus.SUSPENDED else down)
        return replace(facts, client=replace(facts.client, addons=changed), case=case)

    return act


DONE: Mapping[Kind, Callable[[ServiceFacts, Due, date], ServiceFacts]] = {
    Kind.NOTICE: _notice,
    Kind.SUSPEND: _suspended,
    Kind.UNSUSPEND: _released,
    Kind.TERMINATE: _ended,
    Kind.DELETE_BACKUPS: _erased,
    Kind.CANCEL_INVOICE: _invoice_gone,
    Kind.SUSPEND_ADDON: _addon_to(ServiceStatus.SUSPENDED),
    Kind.UNSUSPEND_ADDON: _addon_to(ServiceStatus.ACTIVE),
    Kind.CLOSE_ADDON: _addon_to(ServiceStatus.TERMINATED),
}


def _out_of_vip(facts: ServiceFacts, vip: str, day: date) -> ServiceFacts:
    """Our own removal of a client in debt from the VIP group, after the day's judgement was made.

    The group it goes back to is imagined as none.
    """
    client = facts.client
    if client.group is None or client.group.name != vip:
        return facts
    known = client.membership
    membership = Membership(None, day, day, known.previous_group, known.set_by_hand_on, known.member_since)
    outside = replace(client, client=replace(client.client, group_id=NO_GROUP), group=None, membership=membership)
    return replace(facts, client=outside)


# --- many services ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outline:
    """One foreseen step without what is owed: the same for every service in the same position."""

    date: date
    kind: Kind
    message: str
    """Notice: its name."""
    needs_approval: bool


class Outlook:
    """Foresees many services up to the same day. What it foresaw for one holds for all in the same position: on the
    first of a month thousands owe for the same product since the same day."""

    def __init__(self, policy: Policy, today: date, until: date) -> None:
        self.policy, self.today, self.until = policy, today, until
        self._known: dict[object, tuple[Outline, ...]] = {}

    def of(self, facts: ServiceFacts, ledgers: Ledgers | None = None) -> tuple[Outline, ...]:
        """Return what `foresee` says of the service, in outline; `ledgers` are those of its client today."""
        view, resolved = view_of(facts, self.policy, self.today, ledgers)
        if _is_at_rest(view):
            return ()
        position = self._position(view, resolved)
        if position is None:
            return self._outline(facts)
        found = self._known.get(position)
        if found is None:
            found = self._known[position] = self._outline(facts)
        return found

    def _outline(self, facts: ServiceFacts) -> tuple[Outline, ...]:
        steps = foresee(facts, self.policy, self.today, self.until)
        return tuple(
            Outline(s.date, s.kind, s.due.message if s.kind is Kind.NOTICE else "", s.needs_approval) for s in steps
        )

    def _position(self, view: View, resolved: Resolved) -> object:
        """Everything that the outline depends on, ids and amounts left out; None where that is not worth finding."""
        facts, client, rules = view.facts, view.facts.client, view.rules
        service = facts.service
        if (
            client.records
            or client.foreign_owner
            or client.credit is not None
            or facts.cancel_request is not None
            or facts.end_refused
            or self.policy.vip is not None
            or not resolved.class_name
            or rules.recent_contact_days
            or rules.cancel_invoices_of_ended
            or rules.overdue_addon_suspends == "addon"
        ):
            return None
        reason = service.suspension_reason.strip()
        return (
            id(resolved.rules),  # kept alive by the policy
            service.status,
            "" if not reason else "ours" if carries_our_reason(reason) else "other",
            service.override,
            service.override_until,
            client.group.exempt if client.group is not None else client.client.group_id != NO_GROUP,
            client.group is None,
            facts.missing,
            facts.complete,
            facts.ended_seen,
            facts.acted_today,
            facts.approved,
            facts.case.client_id in (None, service.client_id),
            tuple(sorted(facts.case.kept_days.items())),
            tuple(getattr(facts.case, name) for name in REMEMBERED),
            sum(_closes_with(addon, service.id) for addon in client.addons.values()),
            bool(view.counted.holding),
            tuple(debt for entry in view.ledger.entries if (debt := self._debt(entry, view)) is not None),
        )

    def _debt(self, entry: Entry, view: View) -> object:
        """What of an open invoice matters to the service; None for nothing. Nobody pays: the rest of it goes on."""
        facts = view.facts
        if view.rules.scope is Scope.SERVICE:
            parts: object = frozenset(p.category for p in entry.parts if p.service == facts.service.id)
        else:
            parts = frozenset(
                (p.category, p.service == facts.service.id, _state(p.service, facts)) for p in entry.parts
            )
        bank_days = self.policy.calendar.clearing_bank_days.get(entry.invoice.gateway)
        return (entry.clock, entry.due, entry.invoice.status, entry.counts_again, bank_days, parts) if parts else None


def _is_at_rest(view: View) -> bool:
    """A service that is up, owes nothing and will owe nothing by what there is; or one that ended before we came."""
    facts, counted, status = view.facts, view.counted, view.service.status
    if facts.client.records or facts.end_refused or facts.case.addons_down:
        return False
    if status is ServiceStatus.ACTIVE:
        return not (counted.concerning or counted.pending or counted.coming or counted.addons)
    unknown = facts.ended_seen is None and facts.case == Case(facts.service.id)
    return status is not None and status.ended and unknown and not view.rules.cancel_invoices_of_ended


def _closes_with(addon: Addon, service: ServiceId) -> bool:
    return addon.service_id == service and addon.status is not None and addon.status.living


REMEMBERED = tuple(f.name for f in fields(Case) if f.name not in ("service_id", "client_id", "kept_days"))


def _state(service: ServiceId | None, facts: ServiceFacts) -> str:
    """Whether what is billed is known to be this client's, and whether it has ended."""
    if service is None:
        return "unknown"
    status = facts.client.services[service].status if service in facts.client.services else None
    return "ended" if status is not None and status.ended else "living"
