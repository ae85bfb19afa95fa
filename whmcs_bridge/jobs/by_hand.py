"""Acts by hand: what a person asks for becomes a plan with a fingerprint, and is carried out as a run's steps are."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeVar

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import (
    BridgeError,
    DatabaseTrouble,
    Locked,
    RecordRefused,
    StalePlan,
    UnknownId,
    UsageProblem,
)
from whmcs_bridge.jobs import approvals, records
from whmcs_bridge.jobs.carry import carry_out
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.gate import refresh_gate
from whmcs_bridge.jobs.hand import Hand, Now
from whmcs_bridge.jobs.pause import ACT_HOURS, held_up, house_stops
from whmcs_bridge.jobs.plan import Judged, limit_stops
from whmcs_bridge.jobs.report import RunReport, StepResult
from whmcs_bridge.jobs.sanity import STANDING, look_at_panel, sanity_stops
from whmcs_bridge.jobs.scope import OUTSIDE, WHY_OUTSIDE
from whmcs_bridge.jobs.settle import settle
from whmcs_bridge.jobs.sync import Breaker, let_past
from whmcs_bridge.jobs.tell_whmcs import tell_whmcs
from whmcs_bridge.plan.build import build, digest, key_of, step_of
from whmcs_bridge.plan.limits import SANITY, stopped, with_ways
from whmcs_bridge.plan.model import Held, Plan, Step, Stop
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.by_hand import WAITS, ByHand, of_debts
from whmcs_bridge.policy.decision import ALL_BUT_LIFTING, HARMFUL_SET, Due, Kind, Withheld
from whmcs_bridge.policy.stages import is_ours
from whmcs_bridge.ports import StepState

BY_HAND = "service"
"""Job of a run that carries out what `service` was asked for."""
PLANS = "by-hand:plans"
"""Journal key: the plans made by hand on the last house day that had one."""
UP_FOR = timedelta(days=3)
"""So long a service stays up that was let up against the rules, where nobody says otherwise and the rules do not."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that a person wants done."""

    kind: Kind
    client: ClientId
    service: ServiceId | None
    asked: ByHand
    target: int = 0

    @property
    def key(self) -> str:
        """The step's name without its day."""
        return key_of(self.kind, self.service, self.client, self.target if self.service is not None else 0)


def wishes_for(ports: Ports, kind: Kind, services: Sequence[ServiceId], asked: ByHand) -> list[Wish]:
    """Return a wish for each service; raises UnknownId naming every id that the mirror does not have."""
    if ports.mirror.last() is None:
        raise UsageProblem("the mirror is empty: run a sync first")
    found: list[Wish] = []
    unknown: list[ServiceId] = []
    for service in dict.fromkeys(services):
        book = ports.mirror.book_of_service(service)
        if book is None:
            unknown.append(service)
        else:
            found.append(Wish(kind, book.client.id, service, asked))
    if unknown:
        numbers = ", ".join(str(service) for service in unknown)
        what = "service" if len(unknown) == 1 else "services"
        raise UnknownId(f"no {what} {numbers} in the mirror; check the numbers, or run a sync first; nothing was done")
    return found


# --- plan -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What came of looking at every wish."""

    steps: list[Step] = field(default_factory=list)
    waiting: list[Step] = field(default_factory=list)
    """Nothing is against them but that nobody has approved them."""
    held: list[Held] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    against: dict[str, bool] = field(default_factory=dict)
    """Ids of releases that the rules do not name -> the suspension is ours."""

    def take(self, other: "_Found") -> None:
        """Add what came of another client."""
        self.steps += other.steps
        self.waiting += other.waiting
        self.held += other.held
        self.problems += other.problems
        self.against |= other.against


def plan_by_hand(ports: Ports, job: str, wishes: Sequence[Wish], *, allow: Mapping[str, int] | None = None) -> Plan:
    """Look at each client live and plan; nothing changes in WHMCS. The plan is kept under its fingerprint for today.

    What is withheld is left out and said; what only lacks an approval is proposed, and waits among what is refused.
    """
    with ports.journal.writer(), ports.one_day():
        memory = Memory(ports.journal, ports.today())
        settle(ports, memory)  # what a run that was killed never sent is no act of today
        hand = Hand(ports, memory, 0, complete=_complete(ports))
        plan, found = _plan(hand, wishes, allow or {}, (), None)
        planned = {step.id.rpartition("@")[0] for step in (*plan.steps, *plan.refused)}
        _keep(ports, plan, job, [wish for wish in wishes if wish.key in planned])
        approvals.propose(ports, found.waiting)
        return plan


def _complete(ports: Ports) -> bool:
    info = ports.mirror.last()
    return info is not None and info.complete


def _plan(
    hand: Hand,
    wishes: Sequence[Wish],
    allow: Mapping[str, int],
    accept_sanity: Collection[str],
    fingerprint: str | None,
) -> tuple[Plan, _Found]:
    """Look, judge, limit. `fingerprint`: that of the plan which is being carried out."""
    ports = hand.ports
    approvals.forget_old(ports, hand.memory)
    if ports.settings.policy.sanity.enabled:
        look_at_panel(ports)  # what WHMCS said of its clock at the last run is not of now
    found = _Found()
    by_client: dict[ClientId, list[Wish]] = {}
    for wish in wishes:
        by_client.setdefault(wish.client, []).append(wish)
    with ports.progress.task("looking", len(by_client)) as bar:

        def look(of_client: tuple[ClientId, list[Wish]]) -> _Found:
            seen = _look_at(hand, *of_client)
            bar.advance()
            return seen

        for seen in _side_by_side(ports, look, list(by_client.items())):
            found.take(seen)
    plan = build(
        ports.today(),
        ports.settings.policy.version,
        [*found.steps, *found.waiting],
        found.held,
        complete=True,
        problems=found.problems,
        services_seen=ports.mirror.count_living(),
    )
    stops = [*_of_the_house(ports, plan), *_sanity(ports, accept_sanity), *limit_stops(ports, plan, allow)]
    plan = stopped(plan, with_ways(stops, f"apply --fingerprint {fingerprint or plan.fingerprint}"))
    return _without_waiting(plan, found.waiting), found


T = TypeVar("T")
R = TypeVar("R")


def _side_by_side(ports: Ports, work: Callable[[T], R], clients: Sequence[T]) -> list[R]:
    """Work on clients side by side, as many as a run does; return what came of it in their order."""
    workers = min(ports.workers, len(clients))
    if workers <= 1:
        return [work(one) for one in clients]
    with ThreadPoolExecutor(workers, thread_name_prefix="by-hand") as pool:
        return list(pool.map(work, clients))


def _look_at(hand: Hand, client: ClientId, wishes: Sequence[Wish]) -> _Found:
    found = _Found()
    credit = any(wish.kind in HARMFUL_SET or wish.service is None for wish in wishes)
    try:
        now = hand.look(client, credit=credit)
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        found.problems.append(f"client {client}: {error}")
        return found
    for wish in wishes:
        due, withheld = _judged(hand, now, wish)
        codes = {held.code for held in withheld}
        if due is None and codes == {WAITS}:
            found.waiting.append(_step(hand, now, wish, _waiting(wish, now)))
        elif due is None:
            found.held.extend(Held(client, wish.service, held) for held in withheld)
        else:
            step = _step(hand, now, wish, due)
            found.steps.append(step)
            _note_against(hand, now, step, found)
    return found


def _judged(hand: Hand, now: Now, wish: Wish) -> tuple[Due | None, tuple[Withheld, ...]]:
    due, withheld = hand.judged(wish.kind, wish.service, wish.asked, wish.target, now)
    if due is not None and hand.outside(wish.service, due, now):
        return None, (Withheld(wish.kind, OUTSIDE, WHY_OUTSIDE),)
    return due, withheld


def _waiting(wish: Wish, now: Now) -> Due:
    """What would be done if somebody approved it."""
    debts = now.decisions[wish.service].debts if wish.service is not None else ()
    return of_debts(wish.kind, wish.asked, debts)


def _step(hand: Hand, now: Now, wish: Wish, due: Due) -> Step:
    today, asked = hand.ports.today(), wish.asked
    mark = blake2b(repr((wish.kind, asked)).encode(), digest_size=4).hexdigest()
    if wish.service is None:
        step = Step(f"{wish.key}@{today}", wish.kind, wish.client, None, today, due.reason)
        return replace(step, digest=mark, by_hand=asked, target=wish.target)
    decision = now.decisions[wish.service]
    step = step_of(due, decision, today, {}, warned=False)
    return replace(step, by_hand=asked, digest=f"{digest(decision.debts)}-{mark}")


def _note_against(hand: Hand, now: Now, step: Step, found: _Found) -> None:
    """Remember which release the rules do not name: without a record, the next run would take it back."""
    asked = step.by_hand
    if asked is None or not asked.override or step.service is None or step.kind not in _UP:
        return
    facts, decision = now.facts[step.service], now.decisions[step.service]
    if not any(due.kind is step.kind for due in decision.due):
        view, _ = view_of(facts, hand.ports.settings.policy, hand.ports.today())
        found.against[step.id] = is_ours(view)


_UP = frozenset({Kind.UNSUSPEND, Kind.UNSUSPEND_ADDON})


def _without_waiting(plan: Plan, waiting: Sequence[Step]) -> Plan:
    """Move what nobody has approved out of the steps; a stop says how it is approved."""
    ids = {step.id for step in waiting}
    waits = [step for step in plan.steps if step.id in ids]
    if not waits:
        return plan
    services = " ".join(str(step.service) for step in waits)
    what = f"{waits[0].kind.value} of service {services}" if len(waits) == 1 else f"{len(waits)} steps"
    kinds = tuple(dict.fromkeys(step.kind for step in waits))
    stop = Stop(WAITS, kinds, f"{what} by hand waits for approval", f"whmcs-bridge approve {services}")
    steps = tuple(step for step in plan.steps if step.id not in ids)
    return replace(plan, steps=steps, refused=(*plan.refused, *waits), stops=(*plan.stops, stop))


def _of_the_house(ports: Ports, plan: Plan) -> Iterator[Stop]:
    """A pause and the act hours; these are for what the debt ladder does, and hold no suspension for abuse."""
    staffs = all(step.by_hand is not None and step.by_hand.staffs for step in plan.steps)
    for stop in house_stops(ports):
        if stop.code != ACT_HOURS or not staffs:
            yield stop


def _sanity(ports: Ports, accepted: Collection[str]) -> Iterator[Stop]:
    """What is not plausible now, and what the last run found and nobody has accepted."""
    now = list(sanity_stops(ports, Judged(), accepted))
    yield from now
    known = {stop.code for stop in now}
    if not ports.settings.policy.sanity.enabled:
        return
    for code, why in ports.journal.get(STANDING) or []:
        flag = f"--accept-sanity {code.removeprefix(SANITY)}"
        if code not in known and code.removeprefix(SANITY) not in accepted:
            yield Stop(code, ALL_BUT_LIFTING, f"the last run found: {why}", f"whmcs-bridge sync {flag}", flag)


# --- kept plans -----------------------------------------------------------------------------------


def _keep(ports: Ports, plan: Plan, job: str, wishes: Sequence[Wish]) -> None:
    if not wishes:
        return
    today = ports.today().isoformat()
    kept = ports.journal.get(PLANS) or {}
    plans = kept.get("plans", {}) if kept.get("day") == today else {}
    made = {"job": job, "policy": plan.policy_version, "wishes": [_wish_json(wish) for wish in wishes]}
    ports.journal.put(PLANS, {"day": today, "plans": {**plans, plan.fingerprint: made}})


def _wish_json(wish: Wish) -> dict[str, Any]:
    asked = asdict(wish.asked)
    asked["until"] = wish.asked.until.isoformat() if wish.asked.until is not None else None
    plain = {"kind": wish.kind.value, "client": wish.client, "service": wish.service, "target": wish.target}
    return {**plain, "asked": asked}


def _wish_of(kept: Mapping[str, Any]) -> Wish:
    asked = dict(kept["asked"])
    asked["until"] = date.fromisoformat(asked["until"]) if asked["until"] else None
    service = None if kept["service"] is None else ServiceId(kept["service"])
    return Wish(Kind(kept["kind"]), ClientId(kept["client"]), service, ByHand(**asked), kept["target"])


def made_by_hand(ports: Ports, fingerprint: str) -> bool:
    """A plan of this fingerprint was made by hand, on whatever day is kept."""
    return fingerprint in (ports.journal.get(PLANS) or {}).get("plans", {})


def todays_plan_of(ports: Ports, kind: Kind, service: ServiceId) -> str:
    """Return the fingerprint of the newest of today's plans by hand with this step; "" for none."""
    kept = ports.journal.get(PLANS) or {}
    plans = kept.get("plans", {}) if kept.get("day") == ports.today().isoformat() else {}
    for fingerprint, made in reversed(plans.items()):
        if any(one["kind"] == kind.value and one["service"] == service for one in made["wishes"]):
            return str(fingerprint)
    return ""


# --- apply ----------------------------------------------------------------------------------------


def apply_by_hand(
    ports: Ports,
    fingerprint: str,
    *,
    allow: Mapping[str, int] | None = None,
    accept_sanity: Collection[str] = (),
) -> RunReport:
    """Carry out what was planned by hand, each step after a live look; what is not allowed any more is said.

    Raises StalePlan when the plan is of another house day or policy, UsageProblem in shadow mode.
    """
    kept = ports.journal.get(PLANS) or {}
    made = kept.get("plans", {}).get(fingerprint)
    if made is None or kept["day"] != ports.today().isoformat():
        day = f"is of {kept['day']}" if made is not None else "is not known"
        raise StalePlan(f"plan {fingerprint} {day}, today is {ports.today()}; run the same command again")
    if made["policy"] != ports.settings.policy.version:
        raise StalePlan(f"the policy has changed since plan {fingerprint}; run the same command again")
    refuse_in_shadow(ports)
    wishes = [_wish_of(one) for one in made["wishes"]]
    with ports.journal.writer(), ports.one_day():
        return _apply(ports, str(made["job"]), fingerprint, wishes, allow or {}, accept_sanity)


def refuse_in_shadow(ports: Ports) -> None:
    """Raise UsageProblem in shadow mode, which changes nothing whoever asks."""
    if not ports.settings.enforcing:
        where = ports.settings.source
        raise UsageProblem(
            f'mode is shadow: nothing is carried out; set mode = "enforce" in {where}, then run it again'
        )


def _apply(
    ports: Ports,
    job: str,
    fingerprint: str,
    wishes: Sequence[Wish],
    allow: Mapping[str, int],
    accept_sanity: Collection[str],
) -> RunReport:
    today = ports.today()
    run = ports.begin_run(job)
    report = RunReport(run, job, ports.settings.mode, today, Plan(today, ports.settings.policy.version, ()))
    finished = False
    try:
        memory = Memory(ports.journal, today)
        report.problems += settle(ports, memory)
        hand = Hand(ports, memory, run, report.results, complete=_complete(ports))
        plan, found = _plan(hand, wishes, allow, accept_sanity, fingerprint)
        report.plan = plan
        report.problems += found.problems
        report.let_past = let_past(ports.actor, allow, accept_sanity)
        report.gone = _gone(plan, wishes)
        _carry_out(hand, report, plan.steps, found.against)
        finished = True
        return report
    finally:
        outcome = report.outcome if finished else "failed"
        ports.journal.end_run(run, ports.now(), outcome, _summary(report, wishes) if finished else "did not finish")


def _gone(plan: Plan, wishes: Sequence[Wish]) -> dict[str, str]:
    """Say of each step that was planned and may not be taken any more why not."""
    left = {step.id.rpartition("@")[0] for step in (*plan.steps, *plan.refused)}
    why: dict[tuple[ServiceId | None, ClientId], list[str]] = {}
    for held in plan.withheld:
        why.setdefault((held.service, held.client), []).append(held.withheld.why)
    return {
        f"{wish.key}@{plan.today}": "; ".join(why.get((wish.service, wish.client), ["could not be read"]))
        for wish in wishes
        if wish.key not in left
    }


def _summary(report: RunReport, wishes: Sequence[Wish]) -> str:
    asked = wishes[0].asked
    undone = f"undo of run {asked.undoes}, " if asked.undoes else ""
    return f"{undone}{asked.by}: {asked.reason}: {report.summary()}"


def _carry_out(hand: Hand, report: RunReport, steps: Iterable[Step], against: Mapping[str, bool]) -> None:
    ports = hand.ports
    breaker, one_at_a_time = Breaker(ports.stopping), Lock()
    steps = list(steps)
    by_client: dict[ClientId, list[Step]] = {}
    for step in steps:
        by_client.setdefault(step.client, []).append(step)
    ports.stopping.acting = True
    try:
        with ports.progress.task("carrying out", len(steps)) as bar:

            def in_order(own: list[Step]) -> None:
                for step in own:
                    if breaker.tripped(step.kind):
                        return
                    if held_up(ports, step):
                        hand.leave(step)
                        continue
                    result = _act(hand, step, against)
                    breaker.saw(result)
                    if result.state is StepState.DONE:
                        with one_at_a_time:
                            approvals.used(ports, step)
                    bar.advance()

            _side_by_side(ports, in_order, list(by_client.values()))
        report.broken_off = breaker.open
    finally:
        ports.stopping.acting = False
    report.left = tuple(hand.left)
    told = {step.client for step in steps if step.id in against}
    for client in told:
        hand.notes += tell_whmcs(ports, hand.memory.scope, client)
    for note in hand.notes:
        ports.journal.add_task(note, ports.today(), by_hand=False)
    refresh_gate(ports, dict.fromkeys(result.step.client for result in report.results))


def _act(hand: Hand, step: Step, against: Mapping[str, bool]) -> StepResult:
    """Carry out one step; what cannot be kept up does not come up."""
    if step.id in against:
        try:
            with hand.ports.journal.recording():
                _keep_up(hand, step, ours=against[step.id])
        except RecordRefused as refused:
            return hand.finish(hand.begin(step), step, StepState.SKIPPED, str(refused))
    return carry_out(hand, step)


def _keep_up(hand: Hand, step: Step, *, ours: bool) -> None:
    """Record why the service stays up though it owes, before it comes up: else the next run takes it down again.

    A release on trust past the rules; where staff had suspended it, or a run is undone, a hold: it is no favour that
    counts against the client.
    """
    asked, today = step.by_hand, hand.ports.today()
    assert asked is not None
    assert step.service is not None
    on_trust = ours and not asked.undoes
    kind = RecordKind.RELEASE if on_trust else RecordKind.HOLD
    standing = hand.ports.journal.records(client=step.client, kind=kind, open_only=True)
    if any(r.service_id == step.service and r.protects_on(today) for r in standing):
        return
    until = asked.until
    if until is None and not on_trust:
        if asked.undoes:
            return
        until = today + UP_FOR
    reason = f"undo of run {asked.undoes}: {asked.reason}" if asked.undoes else asked.reason
    record = Record(
        id=0,
        kind=kind,
        state=RecordState.OPEN,
        author=asked.by,
        reason=reason,
        made_on=today,
        since=today,
        until=until,
        client_id=step.client,
        service_id=step.service,
        sort="" if on_trust else "other",
    )
    records.add_record(hand.ports, record, override=on_trust)
