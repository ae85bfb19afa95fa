"""Steps that wait for a person's word: what waits, who proposed it, and who may approve it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.explain import Explanation, explain_service
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.proposals import PROPOSED, mark_of, proposals
from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.policy.by_hand import WAITS, approval_by_hand
from whmcs_bridge.policy.decision import HARMFUL, Debt, Kind, Note
from whmcs_bridge.ports import Approval, RunInfo

WAITING = "approval:waiting"
"""Journal key: which steps runs have found waiting, since which run and day, and until which run."""
OWN = "own_proposals"
"""Setting of [approval]: whether who proposed a step by hand may approve it."""
MANY = 1_000_000
RULES = "the rules"
"""Who proposes what a run finds due."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One step that waits for approval."""

    kind: str
    service: ServiceId
    client: ClientId
    explained: Explanation
    proposed_by: tuple[str, ...]
    """People, for a step by hand; none: the rules."""
    reason: str
    since: date | None
    """House day on which it was proposed or first found waiting; None: since the last run."""
    runs: tuple[int, int] | None = None
    """First and last run that found it waiting; None for a step by hand, and before a run has seen it."""
    wish: str = ""
    """By hand: what exactly was asked for, as a mark."""

    @property
    def by_hand(self) -> bool:
        """A person proposed it."""
        return bool(self.proposed_by)

    @property
    def debts(self) -> tuple[Debt, ...]:
        """What is owed for the service now, oldest first."""
        return self.explained.decision.debts

    @property
    def proposer(self) -> str:
        """Who proposed it, for people."""
        if self.proposed_by:
            return ", ".join(self.proposed_by)
        return f"{RULES}, run {self.runs[0]}" if self.runs is not None else RULES

    def to_json(self) -> dict[str, Any]:
        """The shape of `approve --json`; fields are added, never renamed."""
        return {
            "service": self.service,
            "client": self.client,
            "kind": self.kind,
            "invoices": [debt.invoice for debt in self.debts],
            "amounts": [{"amount": str(d.amount.amount), "currency": d.amount.currency} for d in self.debts],
            "owed_since": self.debts[0].due.isoformat() if self.debts else None,
            "by_hand": self.by_hand,
            "proposed_by": list(self.proposed_by) or [RULES],
            "reason": self.reason,
            "since": self.since.isoformat() if self.since is not None else None,
            "run": self.runs[0] if self.runs is not None else None,
        }


# --- what runs find -------------------------------------------------------------------------------


def note_waiting(ports: Ports, run: int, plan: Plan) -> None:
    """Remember which steps this run found waiting; what waits no more is forgotten by a run that saw everything."""
    known: Mapping[str, Any] = ports.journal.get(WAITING) or {}
    found = {
        f"{held.service}:{held.withheld.kind.value}"
        for held in plan.withheld
        if held.withheld.code == WAITS and held.service is not None
    }
    if not found and not known:
        return
    kept = {} if plan.complete else dict(known)
    for key in sorted(found):
        before = known.get(key) or {"first": run, "on": plan.today.isoformat()}
        kept[key] = {**before, "last": run}
    ports.journal.put(WAITING, kept)


# --- what people propose --------------------------------------------------------------------------


def propose(ports: Ports, steps: Iterable[Step]) -> None:
    """Remember what was asked for by hand and waits; who asks for the same again is a proposer, too.

    Of one service and kind the last wish stands; with another one before it, that one's approval goes.
    """
    with ports.journal.recording():
        _propose(ports, steps)


def forget_paid(ports: Ports) -> None:
    """Drop what was proposed for a debt of which an invoice is open no more: it came of that debt."""
    kept = proposals(ports)
    for key, proposal in tuple(kept.items()):
        number, _, kind = key.partition(":")
        book = ports.mirror.book_of_service(ServiceId(int(number)))
        if book is None or set(proposal.get("invoices", ())) <= {invoice.id for invoice in book.invoices}:
            continue
        del kept[key]
        with ports.journal.recording():
            ports.journal.drop_approval(ServiceId(int(number)), approval_by_hand(Kind(kind)))
            ports.journal.put(PROPOSED, kept)


def _propose(ports: Ports, steps: Iterable[Step]) -> None:
    kept = proposals(ports)
    before = dict(kept)
    for step in steps:
        asked = step.by_hand
        if asked is None or step.service is None:
            continue
        key = f"{step.service}:{step.kind.value}"
        wish = mark_of(step.kind, asked)
        known = kept.get(key, {})
        name = approval_by_hand(step.kind)
        given = name in ports.journal.approvals().get(step.service, ())
        if given or known.get("wish") != wish:  # another wish, author or debt than what was approved
            ports.journal.drop_approval(step.service, name)
            known = {}
        kept[key] = {
            "client": step.client,
            "by": list(dict.fromkeys([*known.get("by", []), asked.by, ports.actor])),
            "reason": asked.reason,
            "on": known.get("on") or ports.today().isoformat(),
            "wish": wish,
            "invoices": list(step.invoices),
            "amount": str(step.amount.amount) if step.amount is not None else "0",
        }
    if kept != before:
        ports.journal.put(PROPOSED, kept)
        for note in notes(ports):
            ports.journal.add_task(note, ports.today(), by_hand=False)


def notes(ports: Ports) -> Iterator[Note]:
    """Yield a note for each proposal by hand that nobody has approved: a task until then, or until it is too old."""
    forget_paid(ports)
    approved = ports.journal.approvals()
    for key, proposal in proposals(ports).items():
        number, _, kind = key.partition(":")
        service = ServiceId(int(number))
        if approval_by_hand(Kind(kind)) not in approved.get(service, ()):
            text = f"{kind} by hand, proposed by {', '.join(proposal['by'])}: {proposal['reason']}"
            yield Note(WAITS, text, "approve it, or let it run out", ClientId(proposal["client"]), service)


def used(ports: Ports, step: Step) -> None:
    """The step was done: its approval is for no other."""
    kept = proposals(ports)
    if step.service is not None and kept.pop(f"{step.service}:{step.kind.value}", None) is not None:
        ports.journal.drop_approval(step.service, approval_by_hand(step.kind))
        ports.journal.put(PROPOSED, kept)


def forget_old(ports: Ports, memory: Memory) -> None:
    """Drop approvals by hand whose proposal does not stand any more."""
    stands = set(proposals(ports))
    left = dict(memory.approvals)
    for service, kinds in memory.approvals.items():
        gone = {
            approval_by_hand(kind)
            for kind in HARMFUL
            if approval_by_hand(kind) in kinds and f"{service}:{kind.value}" not in stands
        }
        for name in gone:
            ports.journal.drop_approval(service, name)
        if gone:
            left[service] = kinds - gone
    memory.approvals = left


def run_of(ports: Ports, number: int) -> RunInfo:
    """Return a run of the journal; raises UnknownId."""
    found = next((run for run in ports.journal.runs(MANY) if run.number == number), None)
    if found is None:
        raise UnknownId(f"no run {number} in the journal; see: whmcs-bridge journal --runs")
    return found


# --- what waits, and approving it -----------------------------------------------------------------


def waiting(ports: Ports) -> list[Waiting]:
    """Return what waits now: runs and people say where to look, the facts of today decide."""
    return [one for service in services_noted(ports) for one in waiting_of(ports, service, known=True)]


def services_noted(ports: Ports) -> dict[ServiceId, None]:
    """Return the services of which something may wait: found by a run, still a task, or proposed by hand."""
    keys = [*(ports.journal.get(WAITING) or {}), *proposals(ports)]
    tasks = (task.service for task in ports.journal.tasks() if task.code == WAITS and task.service is not None)
    return dict.fromkeys([*(ServiceId(int(key.partition(":")[0])) for key in keys), *tasks])


def waiting_of(ports: Ports, service: ServiceId, *, known: bool = False) -> list[Waiting]:
    """Return what waits of one service; raises UnknownId, or with `known` finds nothing."""
    try:
        found = explain_service(ports, service)
    except UnknownId:
        if known:
            return []
        raise
    return [*_by_rules(ports, found), *_by_people(ports, found)]


def _by_rules(ports: Ports, found: Explanation) -> Iterator[Waiting]:
    noted: Mapping[str, Any] = ports.journal.get(WAITING) or {}
    service = found.facts.service
    for held in found.decision.withheld:
        if held.code != WAITS:
            continue
        note = noted.get(f"{service.id}:{held.kind.value}")
        since = date.fromisoformat(note["on"]) if note else None
        runs = (int(note["first"]), int(note["last"])) if note else None
        yield Waiting(held.kind.value, service.id, service.client_id, found, (), held.why, since, runs)


def _by_people(ports: Ports, found: Explanation) -> Iterator[Waiting]:
    service = found.facts.service
    for kind in HARMFUL:
        proposal = proposals(ports).get(f"{service.id}:{kind.value}")
        if proposal is None or approval_by_hand(kind) in found.facts.approved:
            continue
        since = date.fromisoformat(proposal["on"])
        by = tuple(proposal["by"])
        yield Waiting(
            kind.value,
            service.id,
            service.client_id,
            found,
            by,
            proposal["reason"],
            since,
            None,
            proposal.get("wish", ""),
        )


def found_by(ports: Ports, run: int) -> list[Waiting]:
    """Return what waits now and was found waiting by this run; raises UnknownId for a run that is not known."""
    run_of(ports, run)
    return [one for one in waiting(ports) if one.runs is not None and one.runs[0] <= run <= one.runs[1]]


def approve(ports: Ports, chosen: Sequence[Waiting], by: str) -> None:
    """Record that `by` approves these steps: all of them, or none where one may not be approved by `by`.

    Raises UsageProblem where [approval] own_proposals is "forbidden" and `by`, or who is logged in, proposed it, and
    where something else was asked for since it was looked at.
    """
    if ports.settings.policy.approval.get(OWN) == "forbidden":
        for one in chosen:
            if {by, ports.actor} & set(one.proposed_by):
                text = f"{one.kind} of service {one.service} was proposed by {one.proposer}: somebody else approves it"
                raise UsageProblem(f'{text} ([approval] own_proposals = "forbidden")')
    with ports.journal.recording():  # no run is waited for: it has read what was approved when it began
        for one in chosen:
            if one.by_hand and proposals(ports).get(f"{one.service}:{one.kind}", {}).get("wish", "") != one.wish:
                text = f"{one.kind} of service {one.service} is proposed otherwise by now"
                raise UsageProblem(f"{text}; see: whmcs-bridge approve; it was not approved")
        for one in chosen:
            kind = approval_by_hand(Kind(one.kind)) if one.by_hand else one.kind
            ports.journal.approve(Approval(kind, one.service, by, ports.today()))
