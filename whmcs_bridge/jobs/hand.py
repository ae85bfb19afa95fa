"""What carries steps out in one run: the client as it is this moment, and how each step ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import MovedOn
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.jobs.live import read_client
from whmcs_bridge.jobs.proposals import for_this_wish
from whmcs_bridge.jobs.report import StepResult
from whmcs_bridge.jobs.scope import WHY_OUTSIDE
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import Ledgers, decide, view_of
from whmcs_bridge.policy.by_hand import ByHand, Judged, judge_by_hand, said
from whmcs_bridge.policy.decision import ClientDecision, Decision, Due, Kind, Note, Standing, Withheld
from whmcs_bridge.policy.vip import decide_client
from whmcs_bridge.ports import ClientBook, StepState


@dataclass(slots=True)
class Now:
    """One client as it is this moment, judged."""

    book: ClientBook
    facts: Mapping[ServiceId, ServiceFacts]
    decisions: Mapping[ServiceId, Decision]
    membership: ClientDecision | None


@dataclass(slots=True)
class Hand:
    """What carries steps out in one run."""

    ports: Ports
    memory: Memory
    run: int
    results: list[StepResult] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """What staff should know as long as it goes on; joins the run's other notes."""
    left: list[str] = field(default_factory=list)
    """Ids of steps that a pause or midnight left to the next run."""
    complete: bool = True
    """The snapshot behind the plan was whole."""
    perhaps: date | None = None
    """While our clock is in doubt: the latest day that today may be."""

    def look(self, client: ClientId, *, credit: bool = False, services: bool = True) -> Now:
        """Read the client live and judge it again; raises WhmcsError. Without `services`: its money alone."""
        book = read_client(self.ports, client, credit=credit, services=services)
        self.memory.refresh(client)
        return judge(self.ports, self.memory, book, complete=self.complete)

    def ended(self, step: Step, state: StepState, note: str = "") -> StepResult:
        result = StepResult(step, state, note)
        self.results.append(result)
        return result

    def begin(self, step: Step, note: str = "") -> int:
        """Write the step down before it is sent; from here on its outcome has to be known."""
        ports = self.ports
        number = ports.journal.begin(self.run, step, ports.now(), ports.actor, ports.settings.policy.version, note)
        if step.kind in (Kind.SUSPEND, Kind.TERMINATE) and step.service is not None:
            self.memory.acted.add(step.service)
        return number

    def finish(self, number: int, step: Step, state: StepState, note: str) -> StepResult:
        self.ports.journal.end(number, state, self.ports.now(), note)
        undone = state in (StepState.FAILED, StepState.SKIPPED)
        if undone and step.kind in (Kind.SUSPEND, Kind.TERMINATE) and step.service is not None:
            self.memory.acted.discard(step.service)
        return self.ended(step, state, note)

    def whmcs_notices_count(self, facts: ServiceFacts) -> bool:
        """WHMCS's own debt mails count as ours for this service (`whmcs_notices`)."""
        view, _ = view_of(facts, self.ports.settings.policy, self.ports.today())
        return view.rules.whmcs_notices == "count"

    def still_due(self, step: Step, now: Now) -> Due:
        """Return what this step stands for today, for a client we act for; raises MovedOn saying what has changed."""
        due = still_due(step, now) if step.by_hand is None else self._asked_for(step, step.by_hand, now)
        if self.outside(step.service, due, now):
            raise MovedOn(WHY_OUTSIDE)
        return due

    def outside(self, service: ServiceId | None, due: Due, now: Now) -> bool:
        """The bridge does not act for this client yet, and this is nothing that it gives back."""
        facts = now.facts.get(service) if service is not None else None
        if facts is not None:
            return bool(self.memory.scope.parts(facts, [due])[1])
        return not self.memory.scope.takes(now.book.client, now.book.group)

    def _asked_for(self, step: Step, asked: ByHand, now: Now) -> Due:
        """Return what was asked for by hand as it may be done now; raises MovedOn saying who or what withholds it."""
        due, withheld = self.judged(step.kind, step.service, asked, step.target, now)
        if due is None:
            raise MovedOn("; ".join(held.why for held in withheld))
        return due

    def judged(self, kind: Kind, service: ServiceId | None, asked: ByHand, target: int, now: Now) -> Judged:
        """Judge what was asked for by hand, by the client as it is this moment."""
        if service is None:
            return _move_by_hand(kind, asked, target, now)
        facts, policy, today = now.facts.get(service), self.ports.settings.policy, self.ports.today()
        if facts is None:
            return None, (Withheld(kind, "state", "WHMCS does not have the service any more"),)
        decision = now.decisions[service]
        view = view_of(for_this_wish(self.ports, facts, decision, kind, asked), policy, today)[0]
        return judge_by_hand(kind, asked, view, decision, target)

    def leave(self, step: Step) -> StepResult:
        """Leave the step to a later run: nothing was begun, nothing is in the journal."""
        self.left.append(step.id)
        return StepResult(step, StepState.SKIPPED, "left to the next run")

    def tell_staff(self, note: Note) -> None:
        """Ask for something that no later run can see done: it stays until staff is done with it."""
        self.ports.journal.add_task(note, self.ports.today())


def _move_by_hand(kind: Kind, asked: ByHand, target: int, now: Now) -> Judged:
    """A membership that is taken back: only if nobody has moved the client since, and nobody joins who owes."""
    group, why = int(now.book.client.group_id), ""
    if asked.group is not None and group != asked.group:
        why = f"the client's group is {group} by now, not {asked.group}"
    elif now.membership is None:
        why = "there are no [vip] rules any more"
    elif kind is Kind.VIP_ADD and now.membership.standing is Standing.OVERDUE:
        why = "the client is overdue, and no member before that is paid"
    if why:
        return None, (Withheld(kind, "state", why),)
    return Due(kind, said(asked), target=target), ()


def judge(ports: Ports, memory: Memory, book: ClientBook, *, complete: bool) -> Now:
    """Judge a client's book for today."""
    policy, today = ports.settings.policy, ports.today()
    client, services = facts_of(book, memory, complete=complete)
    ledgers = Ledgers(client, policy, today)
    decisions = {f.service.id: decide(f, policy, today, ledgers) for f in services}
    membership = None
    if policy.vip is not None:
        group = ports.mirror.group_named(policy.vip.group)
        membership = decide_client(client, policy, group, today, ledgers)
    return Now(book, {f.service.id: f for f in services}, decisions, membership)


def still_due(step: Step, now: Now) -> Due:
    """Return today's due step that this planned one stands for; raises MovedOn saying what has changed."""
    if step.service is None:
        wanted = now.membership.due if now.membership else ()
        for due in wanted:
            if due.kind is step.kind:
                return due
        raise MovedOn(now.membership.why if now.membership else "no [vip] rules any more")
    decision = now.decisions.get(step.service)
    if decision is None:
        raise MovedOn("WHMCS does not have the service any more")
    for due in decision.due:
        if due.kind is step.kind and due.target == step.target and due.message == step.message:
            return due
    for held in decision.withheld:
        if held.kind is step.kind:
            raise MovedOn(held.why)
    status = now.facts[step.service].service.status
    raise MovedOn(f"not due any more: {status}, {len(decision.debts)} debts concern it, standing {decision.standing}")
