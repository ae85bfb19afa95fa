"""Leave nobody stranded: blank our suspension reasons, so that WHMCS's own automation takes the services over."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.status import LineType, ServiceStatus
from whmcs_bridge.errors import (
    BridgeError,
    DatabaseTrouble,
    IncompleteList,
    Locked,
    MovedOn,
    OutcomeUnknown,
    WhmcsError,
)
from whmcs_bridge.jobs.carry import carry_out, without_module
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.jobs.hand import Hand, Now
from whmcs_bridge.jobs.owed import send_owed
from whmcs_bridge.jobs.pause import pause
from whmcs_bridge.jobs.plan import clients_of_interest
from whmcs_bridge.jobs.report import StepResult
from whmcs_bridge.jobs.settle import settle
from whmcs_bridge.jobs.sync import Breaker, read_book
from whmcs_bridge.plan.build import key_of, order, step_of
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import Ledgers, decide
from whmcs_bridge.policy.cases import after_hand_back
from whmcs_bridge.policy.decision import Decision, Kind
from whmcs_bridge.policy.rules import MARK
from whmcs_bridge.policy.stages import carries_our_reason, named_in
from whmcs_bridge.policy.whmcs_settings import MODULES, SUSPENSION, TERMINATION, UNSUSPENSION, is_on
from whmcs_bridge.ports import StepState

JOB = "hand-back"
LIFTS = (Kind.UNSUSPEND, Kind.UNSUSPEND_ADDON)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that WHMCS cannot take over, and what a person has to do about it."""

    code: str
    """unsuspend-off, suspension-off, no-module, several, not-billed, nobody-lifts, other-words, addon, vip."""
    text: str
    todo: str
    client: ClientId | None = None
    service: ServiceId | None = None


@dataclass(slots=True)
class HandBack:
    """What is handed back, what became of it, and what WHMCS cannot take over."""

    mode: str
    today: date
    dry_run: bool
    releases: tuple[Step, ...] = ()
    """Paid, and still down: brought back first, as a sync would."""
    blanks: tuple[Step, ...] = ()
    """Suspended with our reason and still owing."""
    left: tuple[Leftover, ...] = ()
    run: int = 0
    results: list[StepResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    agreed: bool = True
    paused: str = ""
    """The pause that keeps a forgotten timer from harming anybody, in one line."""
    broken_off: str = ""

    def of(self, state: StepState, kind: Kind | None = None) -> list[StepResult]:
        return [r for r in self.results if r.state is state and kind in (None, r.step.kind)]

    @property
    def outcome(self) -> str:
        if self.broken_off.startswith("interrupted"):
            return "interrupted"
        return "failed" if self.exit_code else "ok"

    @property
    def exit_code(self) -> int:
        """0 all handed back (or only looked), 1 something was not, or nobody agreed."""
        troubled = self.of(StepState.FAILED) or self.of(StepState.UNKNOWN)
        return 1 if troubled or self.problems or self.broken_off or not self.agreed else 0

    def summary(self) -> str:
        """One line: how many came back, how many were handed over, how many were not."""
        done = [r.step.kind for r in self.of(StepState.DONE)]
        troubled = len(self.of(StepState.FAILED)) + len(self.of(StepState.UNKNOWN))
        parts = [
            f"{sum(k in LIFTS for k in done)} released",
            f"{sum(k is Kind.HAND_BACK for k in done)} handed back",
            f"{troubled} failed" if troubled else "",
            self.broken_off,
        ]
        return ", ".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """The shape of `hand-back --json`; fields are added, never renamed."""
        return {
            "run": self.run or None,
            "date": self.today.isoformat(),
            "mode": self.mode,
            "dry_run": self.dry_run,
            "outcome": self.outcome,
            "release": [_step_json(step) for step in self.releases],
            "hand_back": [_step_json(step) for step in self.blanks],
            "results": [
                {
                    "id": r.step.id,
                    "kind": r.step.kind.value,
                    "client": r.step.client,
                    "service": r.step.service,
                    "state": r.state.value,
                    "note": r.note,
                }
                for r in self.results
            ],
            "left": [
                {"code": x.code, "text": x.text, "todo": x.todo, "client": x.client, "service": x.service}
                for x in self.left
            ],
            "paused": self.paused or None,
            "problems": list(self.problems),
            "broken_off": self.broken_off,
        }


def _step_json(step: Step) -> dict[str, Any]:
    return {"id": step.id, "kind": step.kind.value, "client": step.client, "service": step.service}


Agree = Callable[[HandBack], bool]


def hand_back(ports: Ports, *, by: str, dry_run: bool = False, agree: Agree | None = None) -> HandBack:
    """Release what is paid, blank our reason on the rest, and leave a pause; in whatever mode the house is.

    Reads everything first; `agree` sees what would be done and may refuse. `dry_run` changes nothing, in WHMCS or in
    the journal. Run again, it goes on where it ended. Raises IncompleteList when the book could not be read whole,
    Locked while another run is under way.
    """
    ports = replace(ports, actor=by)
    with ports.journal.writer(), ports.one_day():
        memory = Memory(ports.journal, ports.today())
        problems = [] if dry_run else settle(ports, memory)
        reading = read_book(ports, memory)
        if not reading.complete:
            said = "; ".join(reading.problems)
            raise IncompleteList(f"WHMCS could not be read whole ({said}): nothing was handed back; run it again")
        found = _survey(ports, memory, dry_run=dry_run)
        found.problems = problems
        if not dry_run:
            found.agreed = agree is None or agree(found)
            if found.agreed:
                _carry_out(ports, memory, found)
        return found


# --- what there is ----------------------------------------------------------------------------------------


def _survey(ports: Ports, memory: Memory, *, dry_run: bool) -> HandBack:
    """Judge every client with something down by us, from the snapshot just taken."""
    releases: list[Step] = []
    blanks: list[Step] = []
    left = list(_of_the_house(ports, memory))
    policy, today = ports.settings.policy, ports.today()
    for book in ports.mirror.books(today, clients_of_interest(ports, memory)):
        client, services = facts_of(book, memory, complete=True)
        ledgers = Ledgers(client, policy, today)
        for facts in services:
            decision = decide(facts, policy, today, ledgers, timed=False)
            lifts = [d for d in decision.due if d.kind in LIFTS]
            releases += [step_of(due, decision, today, {}, warned=False) for due in lifts]
            left += _addons_down(facts, {d.target for d in lifts})
            if _is_ours(facts) and all(d.kind is not Kind.UNSUSPEND for d in lifts):
                blanks.append(_blank_step(facts, today))
                left += _not_taken_over(facts, decision, book.invoices)
            left += _other_words(facts)
    settings = ports.settings
    return HandBack(settings.mode, today, dry_run, order(releases), order(blanks), tuple(left))


def _is_ours(facts: ServiceFacts) -> bool:
    service = facts.service
    return service.status is ServiceStatus.SUSPENDED and carries_our_reason(service.suspension_reason)


def _blank_step(facts: ServiceFacts, today: date) -> Step:
    service = facts.service
    key = key_of(Kind.HAND_BACK, service.id, service.client_id)
    invoices = tuple(InvoiceId(n) for n in sorted(named_in(service.suspension_reason)))
    reason = f"blank our reason: {service.suspension_reason.strip()}"
    return Step(f"{key}@{today}", Kind.HAND_BACK, service.client_id, service.id, today, reason, invoices)


def _of_the_house(ports: Ports, memory: Memory) -> Iterator[Leftover]:
    """What concerns everybody: WHMCS's own automation, and the VIP group."""
    said = {name: ports.panel.setting(name) for name in (UNSUSPENSION, SUSPENSION, TERMINATION)}
    if not is_on(said[UNSUSPENSION]):
        state = "off" if said[UNSUSPENSION] is not None else "not known to be on"
        text = f"WHMCS's own unsuspension is {state}: nobody comes back by paying"
        yield Leftover("unsuspend-off", text, f"switch on Enable Unsuspension in {MODULES}")
    for name, verb in ((SUSPENSION, "suspended"), (TERMINATION, "terminated")):
        if not is_on(said[name]):
            text = f"{name} is off in WHMCS: no debtor is {verb} any more"
            yield Leftover("suspension-off", text, f"switch it on in {MODULES}, if that is wanted")
    members = [m for m in memory.memberships.values() if m.member_since is not None]
    out = [m for m in memory.memberships.values() if m.removed_by_us_on is not None]
    if members or out:
        text = f"VIP stands still: {len(members)} are in the group and stay, {len(out)} whom we took out stay out"
        yield Leftover("vip", text, "sort the client group by hand in WHMCS")


def _not_taken_over(facts: ServiceFacts, decision: Decision, invoices: Sequence[Invoice]) -> Iterator[Leftover]:
    """Why WHMCS would not lift this one as it should: it looks at one paid invoice, and at its lines only."""
    service = facts.service
    name = f"service {service.id} ({service.domain or service.name})"

    def found(code: str, text: str, todo: str) -> Leftover:
        return Leftover(code, f"{name}: {text}", todo, service.client_id, service.id)

    if without_module(facts):
        yield found("no-module", "its product has no module", "switch it on by hand once it is paid")
    owed = {d.invoice for d in (*decision.debts, *decision.holding)}
    billing = [i for i in invoices if any(x.type is LineType.HOSTING and x.relid == service.id for x in i.lines)]
    if not billing and not owed:
        text = "no open invoice bills it, and our rules do not lift it (a cancellation request, or no class)"
        yield found("nobody-lifts", text, "unsuspend it or end it in WHMCS")
    elif not billing:
        text = f"no open invoice bills it: paying {_numbers(owed)} does not bring it back"
        yield found("not-billed", text, "unsuspend it by hand once that is paid")
    elif len(owed) > 1:
        text = f"{_numbers(owed)} are owed, and WHMCS lets it up when one that bills it is paid"
        yield found("several", text, "look after it when the first payment comes")


def _numbers(invoices: Iterable[InvoiceId]) -> str:
    wanted = sorted(set(invoices))
    return ("invoices " if len(wanted) > 1 else "invoice ") + ", ".join(str(i) for i in wanted)


def _addons_down(facts: ServiceFacts, lifted: set[int]) -> Iterator[Leftover]:
    """Addons that we set to Suspended: WHMCS sets none back that we know of (facts sheet U11)."""
    for number in facts.case.addons_down:
        addon = next((a for a in facts.client.addons.values() if a.id == number), None)
        if addon is None or addon.status is not ServiceStatus.SUSPENDED or number in lifted:
            continue
        text = f"addon {number} ({addon.name}) of service {facts.service.id} was set to Suspended by us"
        yield Leftover("addon", text, "set it to Active by hand once it is paid", addon.client_id, facts.service.id)


def _other_words(facts: ServiceFacts) -> Iterator[Leftover]:
    service = facts.service
    if service.status is ServiceStatus.SUSPENDED and MARK in service.suspension_reason and not _is_ours(facts):
        text = f"service {service.id} is down with our reason in somebody's words: {service.suspension_reason.strip()}"
        yield Leftover("other-words", text, "staff's to lift, or to blank", service.client_id, service.id)


# --- doing it ---------------------------------------------------------------------------------------------


def _carry_out(ports: Ports, memory: Memory, found: HandBack) -> None:
    found.paused = pause(ports, reason="handed back to WHMCS", to_whmcs=True).why
    journal = ports.journal
    found.run = ports.begin_run(JOB)
    finished = False
    try:
        hand = Hand(ports, memory, found.run, found.results)
        breaker = Breaker(ports.stopping)
        ports.stopping.acting = True
        send_owed(hand)  # who was released by a run that was killed has not been told yet
        with ports.progress.task("handing back", len(found.releases) + len(found.blanks)) as bar:
            for step in (*found.releases, *found.blanks):
                if breaker.tripped(step.kind):
                    break
                result = blank(hand, step) if step.kind is Kind.HAND_BACK else carry_out(hand, step)
                breaker.saw(result)
                bar.advance()
        found.broken_off = breaker.open
        finished = True
    finally:
        ports.stopping.acting = False
        said = found.summary() if finished else "did not finish"
        journal.end_run(found.run, ports.now(), found.outcome if finished else "failed", said)


def blank(hand: Hand, step: Step) -> StepResult:
    """Hand one service back; one that was paid meanwhile is released instead. Errors become results."""
    try:
        now = hand.look(step.client)
        release = _release_of(now, step)
        if release is not None:
            return carry_out(hand, release)
        facts = _still_ours(now, step)
    except MovedOn as moved:
        return hand.finish(hand.begin(step), step, StepState.SKIPPED, str(moved))
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        return hand.finish(hand.begin(step), step, StepState.FAILED, f"could not look again: {error}")
    number = hand.begin(step)
    try:
        hand.ports.panel.set_service_status(facts.service.id, ServiceStatus.SUSPENDED, "")
        after = _read_back(hand, step)
    except OutcomeUnknown as error:
        return hand.finish(number, step, StepState.UNKNOWN, str(error))
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        return hand.finish(number, step, StepState.FAILED, str(error))
    hand.memory.keep(after_hand_back(hand.memory.case(facts.service.id)))
    was = facts.service.suspension_reason.strip()
    result = hand.finish(number, step, StepState.DONE, f"no reason any more (was: {was})")
    if _owes(now, step) and not _owes(after, step):
        return _paid_meanwhile(hand, step, was)
    return result


def _owes(now: Now, step: Step) -> bool:
    decision = now.decisions.get(step.service) if step.service is not None else None
    return decision is not None and bool(decision.debts or decision.holding)


def _read_back(hand: Hand, step: Step) -> Now:
    """Read the client again; raises OutcomeUnknown where that fails, BridgeError where the reason is still there."""
    assert step.service is not None
    try:
        after = hand.look(step.client)
    except WhmcsError as error:
        raise OutcomeUnknown(f"accepted by WHMCS, but it could not be read back: {error}") from error
    facts = after.facts.get(step.service)
    if facts is None:
        raise BridgeError("WHMCS does not list the service any more")
    if carries_our_reason(facts.service.suspension_reason):
        raise BridgeError(f"WHMCS said success, but the reason is still {facts.service.suspension_reason}")
    return after


def _paid_meanwhile(hand: Hand, step: Step, reason: str) -> StepResult:
    """Paid between our look and the blank: WHMCS saw our reason then, and nobody would lift it. We do."""
    assert step.service is not None
    try:
        found = hand.ports.panel.service(step.service)
        if found is not None and found.status is ServiceStatus.SUSPENDED:
            hand.ports.panel.set_service_status(step.service, ServiceStatus.SUSPENDED, reason)
        release = _release_of(hand.look(step.client), step)
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        return hand.ended(step, StepState.FAILED, f"paid meanwhile, and not released: {error}; run it again")
    if release is None:
        return hand.ended(step, StepState.SKIPPED, "up again already")
    return carry_out(hand, release)


def _release_of(now: Now, step: Step) -> Step | None:
    assert step.service is not None
    decision = now.decisions.get(step.service)
    due = next((d for d in decision.due if d.kind is Kind.UNSUSPEND), None) if decision is not None else None
    return None if decision is None or due is None else step_of(due, decision, step.date, {}, warned=False)


def _still_ours(now: Now, step: Step) -> ServiceFacts:
    facts = now.facts.get(step.service) if step.service is not None else None
    if facts is None:
        raise MovedOn("WHMCS does not have the service any more")
    if not _is_ours(facts):
        raise MovedOn(f"not ours any more: {facts.service.status} ({facts.service.suspension_reason or 'no reason'})")
    return facts
