"""Mirror and journal -> plan: judge every client about whom something may have to be decided."""

import gc
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Protocol

from whmcs_bridge.domain.book import ClientGroup
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import ClientFacts, Membership, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import LineType, ServiceStatus
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, client_facts, facts_of
from whmcs_bridge.jobs.membership import is_first_look, seen_membership, with_effects
from whmcs_bridge.jobs.pause import house_stops
from whmcs_bridge.jobs.sanity import sanity_stops
from whmcs_bridge.jobs.scope import OUTSIDE, WHY_OUTSIDE
from whmcs_bridge.plan.build import ANNOUNCING, build, client_step, digest, digests, step_of
from whmcs_bridge.plan.limits import GROUPS, stopped, stops_for, with_ways
from whmcs_bridge.plan.model import Held, Plan, Step, Stop
from whmcs_bridge.policy import Ledgers, decide, view_of
from whmcs_bridge.policy.cases import not_adopted, observe
from whmcs_bridge.policy.decision import HARMFUL_SET, ClientDecision, Decision, Due, Kind, Note, Withheld
from whmcs_bridge.policy.rules import SUSPENSION_WARNING, reminder_days
from whmcs_bridge.policy.stages import delete_on
from whmcs_bridge.policy.vip import decide_client
from whmcs_bridge.ports import ClientBook

KEEP_ENDED_DAYS = 800
"""An ended service's backups may wait so long for their day; after that its case is history."""


@dataclass(slots=True)
class Judged:
    """What came out of judging the whole book for one day."""

    steps: list[Step] = field(default_factory=list)
    withheld: list[Held] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    """Cases that an enforced run has to remember."""
    marks: dict[ServiceId, str] = field(default_factory=dict)
    """Digest of the debt behind what only the day withholds."""
    memberships: dict[ClientId, Membership] = field(default_factory=dict)
    ending: dict[ServiceId, tuple[ClientId, date]] = field(default_factory=dict)
    """Ended services whose backups are kept for a while: their client, and the first day of the deletion."""
    first_vip_run: bool = False
    clients: int = 0
    services: int = 0


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The plan that a person reviewed: its steps are carried out, and no others."""

    fingerprint: str
    steps: frozenset[str]
    """Step ids."""

    def part_of(self, plan: Plan) -> Plan:
        """Return today's plan without what was not reviewed."""
        steps, refused = ([s for s in of if s.id in self.steps] for of in (plan.steps, plan.refused))
        return replace(plan, steps=tuple(steps), refused=tuple(refused))


class Onlooker(Protocol):
    """Sees what is judged, client by client: shadow mode imagines by it."""

    @property
    def services(self) -> Collection[ServiceId]:
        """Services whose clients have to be judged for its sake."""
        ...

    @property
    def days_ahead(self) -> int:
        """By so many days it looks further ahead than a run has to."""
        ...

    def look(
        self,
        client: ClientFacts,
        services: Sequence[ServiceFacts],
        decisions: Sequence[Decision],
        ledgers: Ledgers,
        *,
        acted_for: bool,
    ) -> None: ...
    def member(self, decision: ClientDecision) -> None: ...


def judge_book(
    ports: Ports,
    memory: Memory,
    *,
    complete: bool,
    read_live: bool,
    observing: bool = True,
    onlooker: Onlooker | None = None,
) -> Judged:
    """Judge every client of interest. With `read_live`, those with a harmful step due have their credit read."""
    with without_collections():
        return _judge_book(ports, memory, onlooker, complete=complete, read_live=read_live, observing=observing)


@contextmanager
def without_collections() -> Iterator[None]:
    """Nothing in a book is a cycle: looking for garbage in it is a fifth of the time and finds nothing."""
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _judge_book(
    ports: Ports, memory: Memory, onlooker: Onlooker | None, *, complete: bool, read_live: bool, observing: bool
) -> Judged:
    policy, today, mirror = ports.settings.policy, ports.today(), ports.mirror
    vip_group = mirror.group_named(policy.vip.group) if policy.vip else None
    announced = ports.journal.announced(today)
    judged = Judged(first_vip_run=is_first_look(ports.journal, vip_group))
    also = clients_of_interest(ports, memory)
    if onlooker is not None:
        also |= mirror.clients_of(onlooker.services)
    with ports.progress.task("judging") as bar:
        ahead = reminder_days(policy) + (onlooker.days_ahead if onlooker is not None else 0)
        for book in mirror.books(today, also, everyone=policy.vip is not None, days_ahead=ahead):
            bar.advance()
            judged.clients += 1
            if policy.vip is not None and not _at_stake(book, also):
                client = client_facts(book, memory)
                member = decide_client(client, policy, vip_group, today)
                acts_for = memory.scope.takes(client.client, client.group)
                if onlooker is not None and not (observing and acts_for):
                    onlooker.member(member)
                _collect_membership(judged, member, client.membership, book, vip_group, ports, acts_for=acts_for)
                continue
            if read_live and _bills_unknown_addon(book):
                book = _with_addons(ports, book)
            client, services = facts_of(book, memory, complete=complete)
            ledgers = Ledgers(client, policy, today)
            decisions = [decide(f, policy, today, ledgers, timed=False) for f in services]
            if read_live and client.credit is None and any(_harms(d) for d in decisions):
                book = _with_credit(ports, book)
                client, services = facts_of(book, memory, complete=complete)
                ledgers = Ledgers(client, policy, today)
                decisions = [decide(f, policy, today, ledgers, timed=False) for f in services]
            acts_for = memory.scope.takes(client.client, client.group)
            if onlooker is not None:
                onlooker.look(client, services, decisions, ledgers, acted_for=observing and acts_for)
            for facts, decision in zip(services, decisions, strict=True):
                judged.services += 1
                if observing and acts_for and worth_remembering(decision, facts.case, facts.service.status):
                    view, _ = view_of(facts, policy, today, ledgers)
                    case = observe(view, decision, today)
                    if case != facts.case:
                        judged.cases.append(case)
                    if case.ended_on is not None and case.erased_on is None and (day := delete_on(view)) is not None:
                        judged.ending[facts.service.id] = (facts.service.client_id, day)
                elif facts.case.settled_by and facts.service.status is ServiceStatus.ACTIVE:
                    judged.cases.append(not_adopted(facts.case))
                if not acts_for:
                    now, waiting = memory.scope.parts(facts, decision.due)
                    _hold_back(judged, waiting, decision.client, decision.service)
                    decision = replace(decision, due=tuple(now))
                _collect(judged, decision, facts, announced, ports)
            if policy.vip is not None:
                member = decide_client(client, policy, vip_group, today, ledgers)
                if onlooker is not None and not (observing and acts_for):
                    onlooker.member(member)
                _collect_membership(judged, member, client.membership, book, vip_group, ports, acts_for=acts_for)
    return judged


def _at_stake(book: ClientBook, also: Collection[ClientId]) -> bool:
    """Something may have to be decided about the client's services; most clients are looked at for VIP alone."""
    return bool(
        book.invoices
        or book.ended_seen
        or book.client.id in also
        or any(service.status is ServiceStatus.SUSPENDED for service in book.services)
    )


def clients_of_interest(ports: Ports, memory: Memory) -> set[ClientId]:
    """Clients with an open case, a record or an approval, beside those the mirror finds by itself."""
    found = memory.clients_with_records()
    long_ago = ports.today() - timedelta(days=KEEP_ENDED_DAYS)
    services = {
        c.service_id for c in memory.cases.values() if c.erased_on is None and (c.ended_on or date.max) > long_ago
    }
    found.update(ports.mirror.clients_of(services | memory.refused_ends))
    return found


def _harms(decision: Decision) -> bool:
    return any(d.kind in HARMFUL_SET for d in decision.due)


def _bills_unknown_addon(book: ClientBook) -> bool:
    """An open invoice bills an addon that the list of all addons did not have.

    Whether GetClientsAddons lists everything when it is asked for nothing in particular is not known (facts sheet
    7.2); asked for one client, it does.
    """
    if not book.invoices:
        return False
    known = {int(a.id) for a in book.addons}
    return any(
        line.type is LineType.ADDON and line.relid not in known
        for invoice in book.invoices
        if invoice.client_id == book.client.id
        for line in invoice.lines
    )


def _with_addons(ports: Ports, book: ClientBook) -> ClientBook:
    try:
        addons = ports.panel.addons_of(book.client.id)
    except BridgeError:
        return replace(book, unread=book.unread | {i.id for i in book.invoices})
    ports.mirror.save_addons(addons, 0)
    return replace(book, addons=tuple(addons))


def _with_credit(ports: Ports, book: ClientBook) -> ClientBook:
    try:
        details = ports.panel.client(book.client.id)
    except BridgeError:
        return book  # the look before the act reads it again, and lets nothing happen if it cannot
    ports.mirror.save_credit(book.client.id, details.credit, details.currency, ports.today())
    return replace(book, credit=details.credit, credit_read_on=ports.today())


def worth_remembering(decision: Decision, case: Case, status: object) -> bool:
    return bool(decision.debts or decision.holding or case.opened_on or case.adoption or case.ended_on) or (
        decision.stage not in ("clear",) or bool(case.notices)
    )


def _collect(
    judged: Judged, decision: Decision, facts: ServiceFacts, announced: Mapping[str, str], ports: Ports
) -> None:
    judged.notes.extend(decision.notes)
    today = ports.today()
    for due in decision.due:
        if due.kind is Kind.DELETE_BACKUPS and not ports.stores:
            continue
        since = facts.case.opened_on or today
        warned = due.kind is Kind.SUSPEND and any(
            n.message == SUSPENSION_WARNING and n.delivered and since <= n.on < today for n in facts.case.notices
        )
        judged.steps.append(step_of(due, decision, today, announced, warned=warned))
        if due.kind is Kind.TERMINATE and ports.stores:
            _foresee_deletion(judged, decision, facts, ports)
    for held in decision.withheld:
        judged.withheld.append(Held(decision.client, decision.service, held))
        if held.code in ANNOUNCING:
            judged.marks[decision.service] = digest(decision.debts)


def _hold_back(judged: Judged, dues: Iterable[Due], client: ClientId, service: ServiceId | None) -> None:
    """The bridge does not act for this client yet: what is due is shown, not planned."""
    judged.withheld.extend(Held(client, service, Withheld(due.kind, OUTSIDE, WHY_OUTSIDE)) for due in dues)


def _foresee_deletion(judged: Judged, decision: Decision, facts: ServiceFacts, ports: Ports) -> None:
    """With 0 days the deletion follows the read-back termination in the same run: it belongs in the plan."""
    policy, today = ports.settings.policy, ports.today()
    if policy.approval.get(Kind.DELETE_BACKUPS) == "required" and Kind.DELETE_BACKUPS not in facts.approved:
        return
    if view_of(facts, policy, today)[0].rules.delete_backups_after_days == 0:
        due = Due(Kind.DELETE_BACKUPS, "with the end of the service")
        judged.steps.append(step_of(due, decision, today, {}, warned=False))


def _collect_membership(
    judged: Judged,
    decision: ClientDecision,
    known: Membership,
    book: ClientBook,
    vip_group: ClientGroup | None,
    ports: Ports,
    *,
    acts_for: bool,
) -> None:
    today = ports.today()
    fresh = [n for n in decision.notes if n not in judged.notes]
    judged.notes.extend(fresh)
    if acts_for and vip_group is not None:
        dues = (with_effects(ports.mirror, due, book.client, known, vip_group) for due in decision.due)
        judged.steps.extend(client_step(due, decision, today) for due in dues)
    else:
        _hold_back(judged, decision.due, decision.client, None)
    if vip_group is None:
        return
    member, first = book.client.group_id == vip_group.id, judged.first_vip_run
    seen = seen_membership(known, member=member, today=today, first_run=first)
    if seen != known:
        judged.memberships[book.client.id] = seen


def make_plan(
    ports: Ports,
    memory: Memory,
    judged: Judged,
    *,
    complete: bool,
    problems: Sequence[str],
    allow: Mapping[str, int],
    accept_sanity: Collection[str] = (),
    reviewed: Reviewed | None = None,
) -> Plan:
    """Order, limit and fingerprint what was judged; keep the plan in the journal.

    With `reviewed`, return and limit the part of it that a person has reviewed.
    """
    today, journal = ports.today(), ports.journal
    version = ports.settings.policy.version
    plan = build(
        today,
        version,
        judged.steps,
        judged.withheld,
        complete=complete,
        problems=problems,
        services_seen=ports.mirror.count_living(),
    )
    own = plan if reviewed is None else reviewed.part_of(plan)
    stops = [*house_stops(ports), *sanity_stops(ports, judged, accept_sanity), *limit_stops(ports, own, allow)]
    stops = with_ways(stops, "sync" if reviewed is None else f"apply --fingerprint {reviewed.fingerprint}")
    plan = stopped(plan, stops)
    journal.save_plan(today, plan.fingerprint, _payload(plan), digests(plan, judged.marks))
    return plan if reviewed is None else reviewed.part_of(plan)


def limit_stops(ports: Ports, plan: Plan, allow: Mapping[str, int]) -> list[Stop]:
    """Hold the plan against the limits, with what was begun on this house day by whichever run."""
    limits, today, journal = ports.settings.policy.limits, ports.today(), ports.journal
    planned = {step.kind for step in plan.steps}
    limited = {name: kinds for name, kinds in GROUPS.items() if name in limits.by_kind and planned & set(kinds)}
    if not limited:
        return []
    # what is announced has a number of its own, and so is no part of a usual day's
    apart = {name for name in limited if limits.by_kind[name].max_announced is not None}
    usual = {name: journal.usual(kinds, today, announced=name not in apart) for name, kinds in limited.items()}
    return stops_for(plan, limits, journal.counts(today), usual, allow)


def _payload(plan: Plan) -> str:
    return json.dumps({"policy": plan.policy_version, "steps": [step.id for step in (*plan.steps, *plan.refused)]})


def plan_content(payload: str) -> tuple[str, frozenset[str]]:
    """Return the policy version and the step ids of a kept plan."""
    content = json.loads(payload)
    return str(content["policy"]), frozenset(content["steps"])
