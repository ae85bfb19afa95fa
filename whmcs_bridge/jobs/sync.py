"""Plan and apply, unattended: settle, read, judge, limit, carry out, remember."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import groupby
from pathlib import Path
from threading import Lock

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import BridgeError, StalePlan, UsageProblem, WhmcsError
from whmcs_bridge.jobs import approvals, others, records, sanity, silence
from whmcs_bridge.jobs.backup_gone import steps_of_gone
from whmcs_bridge.jobs.backup_tend import foresee, tend
from whmcs_bridge.jobs.carry import carry_out
from whmcs_bridge.jobs.context import Ports, Stopping
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.gate import Gate, refresh_head, write_gate
from whmcs_bridge.jobs.hand import Hand
from whmcs_bridge.jobs.inbox import Deliver
from whmcs_bridge.jobs.mails import look_up_deliveries
from whmcs_bridge.jobs.meanwhile import EVERY_SECONDS, Meanwhile
from whmcs_bridge.jobs.membership import note_first_look
from whmcs_bridge.jobs.morning import Morning
from whmcs_bridge.jobs.notices import send_notices
from whmcs_bridge.jobs.owed import send_owed
from whmcs_bridge.jobs.pause import handed_back, held_up
from whmcs_bridge.jobs.plan import Judged, Onlooker, Reviewed, judge_book, make_plan, plan_content
from whmcs_bridge.jobs.refusals import note_broken_off, note_refused
from whmcs_bridge.jobs.report import RunReport, StepResult
from whmcs_bridge.jobs.settle import settle
from whmcs_bridge.jobs.shadow import Imagining, forget
from whmcs_bridge.jobs.snapshot import Reading, take_snapshot
from whmcs_bridge.jobs.staff import house_notes
from whmcs_bridge.jobs.tell_whmcs import tell_whmcs
from whmcs_bridge.jobs.tomorrow import beside
from whmcs_bridge.jobs.undone import kept_down, undone_notes
from whmcs_bridge.plan.build import ORDER, key_of
from whmcs_bridge.plan.model import Plan, Step
from whmcs_bridge.policy.decision import LIFTING, Kind, Note
from whmcs_bridge.ports import StepState

BREAKER_LOOKS_BACK = 20
BREAKER_FAILURES = 8
"""So many failed or unknown steps among the last BREAKER_LOOKS_BACK end the run."""


def sync(
    ports: Ports,
    *,
    allow: Mapping[str, int] | None = None,
    accept_sanity: Collection[str] = (),
    on_planned: Callable[[Plan], None] | None = None,
    deliver: Deliver | None = None,
) -> RunReport:
    """Read WHMCS, plan, and (in enforce mode) carry the plan out inside the limits.

    `deliver` handles what WHMCS's hooks tell meanwhile; None leaves it to others. Raises Locked when another run is
    under way, DatabaseTrouble when the journal cannot be written.
    """
    with ports.journal.writer(), ports.one_day():
        morning = Morning(ports)
        try:
            report = _run(
                ports, "sync", allow or {}, accept_sanity, on_planned, deliver, reviewed=None, morning=morning
            )
        except WhmcsError as error:
            morning.not_read(error)
            raise
        morning.send(report)
        return report


def apply(
    ports: Ports,
    fingerprint: str,
    *,
    allow: Mapping[str, int] | None = None,
    accept_sanity: Collection[str] = (),
    deliver: Deliver | None = None,
) -> RunReport:
    """Carry out the steps of a reviewed plan and no others.

    Raises StalePlan when the plan is unknown, of another house day, or of another policy; UsageProblem in shadow mode,
    which changes nothing whoever asks.
    """
    kept = ports.journal.plan(fingerprint)
    today = ports.today()
    if kept is None:
        raise StalePlan(f"no plan has the fingerprint {fingerprint}; run: whmcs-bridge plan")
    day, payload = kept
    if day != today:
        raise StalePlan(f"plan {fingerprint} is of {day}, today is {today}; run: whmcs-bridge plan")
    policy, steps = plan_content(payload)
    if policy != ports.settings.policy.version:
        raise StalePlan(f"the policy has changed since plan {fingerprint}; run: whmcs-bridge plan")
    if not ports.settings.enforcing:
        where = ports.settings.source
        raise UsageProblem(f'mode is shadow: nothing is carried out; set mode = "enforce" in {where}, then apply')
    with ports.journal.writer(), ports.one_day():
        return _run(ports, "apply", allow or {}, accept_sanity, None, deliver, reviewed=Reviewed(fingerprint, steps))


def plan_only(ports: Ports, *, offline: bool, allow: Mapping[str, int] | None = None) -> Plan:
    """Plan and change nothing in WHMCS; `offline` reads nothing either."""
    with ports.journal.writer(), ports.one_day():
        memory = Memory(ports.journal, ports.today())
        reading = None if offline else read_book(ports, memory)
        return _plan(ports, memory, reading, allow or {}, (), read_live=not offline, observing=False)[0]


def _run(
    ports: Ports,
    job: str,
    allow: Mapping[str, int],
    accept_sanity: Collection[str],
    on_planned: Callable[[Plan], None] | None,
    deliver: Deliver | None,
    *,
    reviewed: Reviewed | None,
    morning: Morning | None = None,
) -> RunReport:
    today, journal, settings = ports.today(), ports.journal, ports.settings
    enforcing = settings.enforcing
    run = ports.begin_run(job)
    report: RunReport | None = None
    try:
        memory = Memory(journal, today)
        problems = settle(ports, memory)
        if enforcing:
            memory.forget_old_approvals()
        meanwhile = Meanwhile(ports, memory, deliver)
        reading = read_book(ports, memory, meanwhile.listen)
        problems += [*reading.problems, *reading.gaps]
        if not reading.unreachable:
            meanwhile.look_again()
        if enforcing and not reading.unreachable:
            problems += look_up_deliveries(ports, memory)
        if not reading.unreachable:
            others.find(ports, memory, run)
        elif morning is not None:
            morning.reachable = False
        # where the clock is in doubt or the house is handed back, nothing is remembered either
        doubted = sanity.clock_in_doubt(ports, accept_sanity) or handed_back(ports)
        told: list[Note] = []
        if not reading.unreachable and not doubted:
            told, troubles = tend(ports, memory, complete=reading.complete)
            problems += troubles
        if enforcing and reading.complete and not reading.gaps and not doubted:
            with journal.recording():
                records.settle_records(ports, memory)  # whether a promise was kept is no question for half a book
        meanwhile.listen()  # not between judging and remembering: that would write over what is found out here
        imagining = Imagining(ports) if not enforcing or not memory.scope.everyone else None
        gate = Gate(ports) if ports.gate_file is not None else None
        plan, judged = _plan(
            ports,
            memory,
            reading,
            allow,
            accept_sanity,
            read_live=True,
            observing=enforcing,
            problems=problems,
            onlooker=beside(imagining, morning.beside(imagining) if morning is not None else None, gate),
            reviewed=reviewed,
        )
        if imagining is None:
            forget(ports)
        else:
            imagining.keep(run, complete=reading.complete)
        report = RunReport(run, job, settings.mode, today, plan, problems=problems)
        report.let_past = let_past(ports.actor, allow, accept_sanity)
        if enforcing and not doubted:
            _remember(ports, memory, judged)
            if reading.complete:
                report.problems += foresee(ports, judged.ending)
            approvals.note_waiting(ports, run, plan)
        elif judged.cases and not doubted:
            journal.save_cases(judged.cases)  # nothing but settled suspensions that are over
        if enforcing:
            note_refused(ports, plan.stops, whole=reviewed is None)
        if reading.complete and not doubted:
            # before the first step: our own suspensions pass WHMCS's hooks, and perhaps nobody is there to answer them
            report.problems += _export(gate, plan, ports.gate_file)
        else:
            refresh_head(ports)  # what stopped this run holds while nobody answers, too
        if on_planned is not None:
            on_planned(plan)
        raised: list[Note] = []
        if enforcing and not reading.unreachable:
            sanity.announce(ports, plan.stops)
            perhaps = sanity.latest_day(ports) if doubted else None
            hand = Hand(ports, memory, run, report.results, complete=reading.complete, perhaps=perhaps)
            raised = _carry_out_all(hand, report, plan, reviewed, meanwhile)
            if not doubted:
                raised += tell_whmcs(ports, memory.scope)
        raised += undone_notes(report, raised)
        if not enforcing:
            raised += kept_down(plan)
        raised += others.notes(ports)
        raised += approvals.notes(ports)
        notes = [*house_notes(ports, judged.notes), *told, *raised, *_troubles(report)]
        journal.reconcile_tasks(notes, today, complete=reading.complete)
        if reading.complete:
            sanity.remember(ports, plan.stops)
        if enforcing and report.broken_off and report.broken_off != INTERRUPTED:
            note_broken_off(ports, report.broken_off)
        refresh_head(ports)
        report.calls = ports.panel.calls()
        return report
    except WhmcsError as error:
        journal.reconcile_tasks(_problem_notes([str(error)]), today, complete=False)
        raise
    finally:
        outcome = report.outcome if report is not None else "failed"
        journal.end_run(run, ports.now(), outcome, report.summary() if report is not None else "did not finish")


def _export(gate: Gate | None, plan: Plan, path: Path | None) -> list[str]:
    """Write the gate file; one that cannot be written is a problem of the run: WHMCS goes on by an old one."""
    if gate is None or path is None:
        return []
    gate.planned = {(step.kind, int(step.service)) for step in plan.steps if step.service is not None}
    try:
        write_gate(gate, path)
    except BridgeError as error:
        return [str(error)]
    return []


def let_past(actor: str, allow: Mapping[str, int], accept_sanity: Collection[str]) -> str:
    """Say for the record who went past limits and sanity stops; "" where nobody asked to."""
    asked = [*(f"{kind}={count}" for kind, count in sorted(allow.items())), *sorted(accept_sanity)]
    return f"{actor} let past: {' '.join(asked)}" if asked else ""


def read_book(ports: Ports, memory: Memory, listen: Callable[[], None] = lambda: None) -> Reading:
    """Take a snapshot; an unreachable WHMCS is a snapshot with a problem, one that refuses us is an error.

    `listen` is called after every page.
    """

    def progress(what: str, rows: int) -> None:
        bar.advance(rows)
        listen()

    ours = {c.service_id for c in memory.cases.values() if c.suspended_on or c.adopted_on}
    held_down = ports.mirror.clients_of(ours)
    with ports.progress.task("reading WHMCS") as bar:
        reading = take_snapshot(
            ports.panel,
            ports.mirror,
            ports.today(),
            ports.now(),
            held_down=held_down,
            progress=progress,
        )
    sanity.look_at_panel(ports)
    return reading


def _plan(
    ports: Ports,
    memory: Memory,
    reading: Reading | None,
    allow: Mapping[str, int],
    accept_sanity: Collection[str],
    *,
    read_live: bool,
    observing: bool,
    problems: Sequence[str] = (),
    onlooker: Onlooker | None = None,
    reviewed: Reviewed | None = None,
) -> tuple[Plan, Judged]:
    info = ports.mirror.last()
    complete = reading.complete if reading is not None else info is not None and info.complete
    said = list(
        problems or ([*reading.problems, *reading.gaps] if reading is not None else info.problems if info else ())
    )
    if info is None:
        said.append("the mirror is empty: run a sync first")
    if reading is not None and reading.complete:
        memory.silent_gateways = silence.listen(ports, accept_sanity)
    judged = judge_book(ports, memory, complete=complete, read_live=read_live, observing=observing, onlooker=onlooker)
    judged.steps.extend(steps_of_gone(ports, memory))
    judged.notes.extend(silence.silence_notes(memory.silent_gateways, ports.today()))
    plan = make_plan(
        ports,
        memory,
        judged,
        complete=complete,
        problems=said,
        allow=allow,
        accept_sanity=accept_sanity,
        reviewed=reviewed,
    )
    return plan, judged


def _remember(ports: Ports, memory: Memory, judged: Judged) -> None:
    """Save what the cases and memberships have come to, before anything is done about them."""
    if judged.cases:
        ports.journal.save_cases(judged.cases)
        memory.cases.update({c.service_id: c for c in judged.cases})
    vip = ports.settings.policy.vip
    if vip is not None:
        note_first_look(ports.journal, ports.mirror.group_named(vip.group), ports.today())
    memory.memberships.update(judged.memberships)
    ports.journal.save_memberships(judged.memberships)  # every member's, every day: one transaction


# --- carrying out -------------------------------------------------------------------------------


INTERRUPTED = "interrupted: ended after the step in hand"


class Breaker:
    """Ends the run when too many of its last steps failed, or a signal asks for it."""

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._last: list[bool] = []
        self._lock = Lock()
        self.open = ""

    def tripped(self, kind: Kind) -> bool:
        """Nothing of this kind is begun any more."""
        if self._stopping.asked:
            self.open = self.open or INTERRUPTED
            return True
        return bool(self.open) and kind not in LIFTING  # who has paid comes back whatever else fails

    def saw(self, result: StepResult) -> None:
        with self._lock:
            self._last.append(result.state in (StepState.FAILED, StepState.UNKNOWN))
            del self._last[:-BREAKER_LOOKS_BACK]
            if sum(self._last) >= BREAKER_FAILURES:
                self.open = f"broke off: {sum(self._last)} of the last {len(self._last)} steps failed"


def _carry_out_all(
    hand: Hand, report: RunReport, plan: Plan, reviewed: Reviewed | None, meanwhile: Meanwhile
) -> list[Note]:
    """Carry out the plan (or its reviewed part); return what staff should know of it."""
    steps, ports = plan.steps, hand.ports
    if reviewed is not None:
        report.gone = _no_longer_due(plan, reviewed)
    breaker = Breaker(ports.stopping)
    ports.stopping.acting = True
    try:
        send_owed(hand)
        with ports.progress.task("carrying out", len(steps)) as bar:
            for _, phase in groupby(steps, key=lambda s: ORDER[s.kind]):
                _carry_out_phase(hand, list(phase), breaker, bar.advance, meanwhile.listen)
            report.broken_off = breaker.open
    finally:
        ports.stopping.acting = False
    report.left = tuple(hand.left)
    return hand.notes


def _no_longer_due(plan: Plan, reviewed: Reviewed) -> dict[str, str]:
    """Say of each reviewed step that today's plan does not have any more why it is skipped."""
    due = {s.id for s in plan.steps}
    refused = {s.id for s in plan.refused}
    withheld = {
        key_of(h.withheld.kind, h.service, h.client): h.withheld.why for h in plan.withheld if h.service is not None
    }
    return {
        gone: "refused by a limit" if gone in refused else withheld.get(gone.rsplit("@", 1)[0], "not due any more")
        for gone in sorted(reviewed.steps - due)
    }


def _troubles(report: RunReport) -> list[Note]:
    """What could not be read, and what a limit refused: tasks that close themselves when a run goes well."""
    notes = _problem_notes(report.problems)
    notes.extend(Note(stop.code, stop.why, stop.way_past) for stop in report.plan.stops if stop.code != "act-hours")
    if report.broken_off:
        notes.append(Note("broken-off", report.broken_off, "see: whmcs-bridge journal"))
    return notes


def _problem_notes(problems: Sequence[str]) -> list[Note]:
    pile, todo = "the last run could not read or do everything", "see: whmcs-bridge doctor"
    return [Note("run-problem", problem, todo, pile=pile) for problem in problems]


def _carry_out_phase(
    hand: Hand, steps: list[Step], breaker: Breaker, advance: Callable[[int], None], listen: Callable[[], None]
) -> None:
    """One kind of step: clients side by side, each client's own in order; `listen` is called all the while."""
    batches = [list(group) for _, group in groupby(steps, key=_batch_of)]

    def work(batch: list[Step]) -> None:
        if breaker.tripped(batch[0].kind):
            return
        if batch[0].kind is Kind.NOTICE:
            for result in send_notices(hand, batch):
                breaker.saw(result)
        else:
            for step in batch:
                if breaker.tripped(step.kind):
                    return
                if held_up(hand.ports, step):
                    hand.leave(step)
                else:
                    breaker.saw(carry_out(hand, step))
        advance(len(batch))

    def in_order(own: list[list[Step]]) -> None:
        with hand.ports.turns.of(own[0][0].client):
            for batch in own:
                work(batch)

    workers = min(hand.ports.workers, len({b[0].client for b in batches}))
    if workers <= 1:
        for batch in batches:
            work(batch)
            listen()
        return
    by_client: dict[ClientId, list[list[Step]]] = {}
    for batch in batches:
        by_client.setdefault(batch[0].client, []).append(batch)
    with ThreadPoolExecutor(workers, thread_name_prefix="apply") as pool:
        waiting = {pool.submit(in_order, own) for own in by_client.values()}
        while waiting:
            done, waiting = wait(waiting, EVERY_SECONDS, FIRST_COMPLETED)
            for one in done:
                one.result()
            listen()


def _batch_of(step: Step) -> tuple[object, ...]:
    """Notices of one client and message share a mail; everything else is a batch of one client."""
    return (step.client, step.message) if step.kind is Kind.NOTICE else (step.client,)
