"""What staff asks and does about backups: list, plan and delete by hand, approve, lift, close, requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from whmcs_bridge.domain.backups import Probe
from whmcs_bridge.domain.deletions import DeletionPlan, Handover, ItemState, PlanState, Tombstone
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import BridgeError, MovedOn, StalePlan, StoreTrouble, UnknownId, UsageProblem
from whmcs_bridge.jobs import backup_carry
from whmcs_bridge.jobs.backup_accounts import after_seeing, hash_of
from whmcs_bridge.jobs.backup_carry import ONE_AT_A_TIME, look_and_plan
from whmcs_bridge.jobs.backup_gone import against_gone, gone_subject
from whmcs_bridge.jobs.backup_look import Found, Look, Subject, ask_panels, look_at, search, serving
from whmcs_bridge.jobs.backup_plan import item_json
from whmcs_bridge.jobs.backup_tend import remember_unplanned, service_in_mirror
from whmcs_bridge.jobs.backup_waits import SHORT, halted, how_to_approve
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import delete_all, may_go, subject_for, subject_for_accounts
from whmcs_bridge.jobs.facts import Memory, facts_of_service
from whmcs_bridge.jobs.live import read_client
from whmcs_bridge.jobs.pause import held_up
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.decision import Due, Kind
from whmcs_bridge.policy.protections import sift
from whmcs_bridge.policy.stages import delete_on
from whmcs_bridge.ports import BackupStore, StepState

RUN = "backups"
"""Job of a run that deletes backups by hand."""
LONGEST = 400
"""Characters of what a person says in the evidence."""
ANSWERED_BY_THE_PLAN = (
    "approval",
    "backups-approval",
    "backups-name",
    "backups-refused",
    "backups-accepted",
    "backups-locked",
    "backups-quarantined",
    "backups-residual",
)
"""What a person who names the plan's hash has seen; every other protection holds against them too."""


def one_line(option: str, text: str) -> str:
    """Return what a person typed, if it can stand in one line of a certificate; raises UsageProblem."""
    said = text.strip()
    if not said or len(said) > LONGEST or not said.isprintable():
        raise UsageProblem(f"{option}: give a line of 1 to {LONGEST} characters that can be printed")
    return said


@dataclass(frozen=True, slots=True)
class Listing:
    """What the stores hold of a service now."""

    service: ServiceId
    subject: Subject
    looks: dict[str, Look]
    found: dict[str, Found]
    panels: str
    """What the panels could not say; "" where all did."""
    plan: DeletionPlan | None


# --- looking --------------------------------------------------------------------------------------


def list_backups(ports: Ports, service: ServiceId) -> Listing:
    """List every store and sort out what is the service's; writes nothing. Raises UnknownId."""
    subject = _subject(ports, service)
    trouble = ""
    try:
        ask_panels(ports, subject)
    except (StoreTrouble, MovedOn) as error:
        trouble = str(error)
    rules = ports.settings.policy.backups
    looks = {s.name: look_at(s, subject.accounts, rules) for s in serving(ports, subject.accounts)}
    found = {name: search(look, subject, rules) for name, look in looks.items()}
    return Listing(service, subject, looks, found, trouble, ports.journal.deletions.plan_of(service))


def _subject(ports: Ports, service: ServiceId) -> Subject:
    row = service_in_mirror(ports, service)
    known = list(ports.journal.deletions.accounts([service]))
    if row is None and not known:
        raise UnknownId(f"no service {service} is known, nor an account it had; check the number, or run a sync first")
    if row is not None and not known:
        known = after_seeing(row, (), ports.today())
    return subject_for_accounts(ports, service, known[0].client, known)


def probe_all(ports: Ports, only: str | None = None) -> list[tuple[BackupStore, Probe | None, str]]:
    """Ask every store, or the one named, what it says of itself; with the error of those that do not answer.

    Raises UnknownId for a store that is not in the settings.
    """
    stores = [store for store in ports.stores if only in (None, store.name)]
    if only is not None and not stores:
        there = ", ".join(store.name for store in ports.stores) or "none"
        raise UnknownId(f"no store {only} in the settings; there are: {there}")
    found: list[tuple[BackupStore, Probe | None, str]] = []
    for store in stores:
        try:
            found.append((store, store.probe(), ""))
        except StoreTrouble as error:
            found.append((store, None, str(error)))
    return found


# --- deleting by hand -----------------------------------------------------------------------------


def plan_by_hand(ports: Ports, service: ServiceId) -> DeletionPlan:
    """Look at WHMCS live, then at the stores; freeze the plan a person will name. The caller holds the writer.

    Raises UsageProblem or BridgeError where the rules or what WHMCS says are against it, UnknownId, StoreTrouble.
    """
    subject = _ended_subject(ports, service)
    ask_panels(ports, subject)
    with ONE_AT_A_TIME:
        plan, _, _ = look_and_plan(ports, subject, ports.today())
    return plan


def delete_by_hand(ports: Ports, service: ServiceId, digest: str, override: str = "") -> str:
    """Carry out the plan of this hash, as a step in the journal; return the evidence in one line.

    Naming the hash is the approval of that very list. A plan of a name that lives again needs a reason as well,
    `override`. Raises StalePlan where the stores hold something else by now, MovedOn for what waits, BridgeError for
    what failed. The caller holds the writer.
    """
    if not ports.settings.enforcing:
        raise UsageProblem(f'mode is shadow: nothing is deleted; set mode = "enforce" in {ports.settings.source}')
    subject = _ended_subject(ports, service)
    plan = plan_by_name(ports, digest)
    if plan.service != service:
        raise UsageProblem(f"plan {digest} is of service {plan.service}, not of {service}")
    plan = approve_plan(ports, digest, override)
    step = Step(
        id=f"{Kind.DELETE_BACKUPS}:service:{service}@{ports.today()}",
        kind=Kind.DELETE_BACKUPS,
        client=plan.client,
        service=service,
        date=ports.today(),
        reason=f"asked for by {ports.actor}, plan {plan.digest[:SHORT]}",
    )
    if held_up(ports, step):
        raise BridgeError("a pause or the hours of the house hold every deletion now; see: whmcs-bridge pause")
    return _as_a_step(ports, subject, plan, step)


def _as_a_step(ports: Ports, subject: Subject, plan: DeletionPlan, step: Step) -> str:
    journal = ports.journal
    run = ports.begin_run(RUN)
    number = journal.begin(run, step, ports.now(), ports.actor, ports.settings.policy.version)
    state, note = StepState.UNKNOWN, ""
    try:
        note = delete_all(ports, subject, plan.not_before, may_go(ports, step), plan.digest)
        state = StepState.DONE
        remember_erased(ports, subject.service)
        return note
    except MovedOn as moved:
        state, note = StepState.SKIPPED, str(moved)
        raise
    except BridgeError as error:
        state, note = StepState.FAILED, str(error)
        raise
    finally:
        journal.end(number, state, ports.now(), note)
        journal.end_run(run, ports.now(), "ok" if state is StepState.DONE else "failed", f"{step.subject}: {note}")


def remember_erased(ports: Ports, service: ServiceId) -> None:
    case = ports.journal.cases([service]).get(service)
    if case is not None:
        ports.journal.save_cases([replace(case, erased_on=ports.today())])


def _ended_subject(ports: Ports, service: ServiceId) -> Subject:
    """Return whose backups they are, for a service that WHMCS says now has ended, and that nothing protects."""
    if ports.panel.service(service) is None:
        subject = gone_subject(ports, service)[0]
        memory = Memory(ports.journal, ports.today())
        for record in ports.journal.deletions.gone(service):
            if against := against_gone(ports, memory, record):
                raise BridgeError(f"withheld ({against.code}): {against.why}")
        return subject
    book = ports.mirror.book_of_service(service)
    if book is None:
        raise UnknownId(f"service {service} is not in the mirror: run a sync first")
    book = read_client(ports, book.client.id, credit=True)
    memory = Memory(ports.journal, ports.today())
    facts = facts_of_service(book, memory, service, complete=True)
    _refuse_protected(ports, facts)
    return subject_for(ports, facts)


def _refuse_protected(ports: Ports, facts: ServiceFacts) -> None:
    status = facts.service.status
    if status is None or not status.ended:
        raise BridgeError(f"service {facts.service.id} is {status}: its backups are not deleted while it lives")
    view, _ = view_of(facts, ports.settings.policy, ports.today())
    first = delete_on(view)
    if first is not None and ports.today() < first:
        raise BridgeError(f"the backups of service {facts.service.id} are kept until {first - timedelta(days=1)}")
    _, withheld = sift(view, [Due(Kind.DELETE_BACKUPS, "asked for by a person")])
    against = [held for held in withheld if held.code not in ANSWERED_BY_THE_PLAN]
    if against:
        raise BridgeError(f"withheld ({against[0].code}): {against[0].why}")


# --- plans ----------------------------------------------------------------------------------------


def plan_by_name(ports: Ports, digest: str) -> DeletionPlan:
    """Return the newest plan whose hash begins so; raises UnknownId, UsageProblem for too short a beginning."""
    if len(digest) < 6:
        raise UsageProblem(f"{digest}: give at least six letters of the plan's hash")
    found = ports.journal.deletions.plan_named(digest)
    if not found:
        raise UnknownId(f"no plan {digest}; whmcs-bridge backups plans lists them")
    if len({p.digest for p in found}) > 1:
        raise UsageProblem(f"{digest} begins several plans; give more of it")
    return found[0]


def approve_plan(ports: Ports, digest: str, override: str = "") -> DeletionPlan:
    """Record that a person approves this very list; raises StalePlan for one that was replaced or is over.

    `override`: why it may go although its name lives again; such a plan needs one, and no other takes one.
    """
    override = one_line("--override", override) if override else ""
    plan = open_plan(ports, digest)
    if plan.lives_again and not override and not plan.approved_by:
        raise UsageProblem(f"{plan.lives_again}, so a reason is needed: {how_to_approve(plan)}")
    if override and not plan.lives_again:
        raise UsageProblem(f"plan {digest} needs no --override: nobody else lives under its name")
    if plan.approved_by:
        return plan
    now = ports.now()
    approved = replace(plan, approved_by=ports.actor, approved_at=now)
    body = {"by": ports.actor, "needs": list(plan.needs), "items": len(plan.items), "bytes": plan.size}
    if override:
        body |= {"override": override, "lives_again": plan.lives_again}
    ports.journal.deletions.save_plan(approved, [(plan.service, plan.digest, now, "approved", body)])
    return approved


def open_plan(ports: Ports, digest: str) -> DeletionPlan:
    """Return the plan of this name if it is open; raises StalePlan for one that was replaced, is frozen or over."""
    plan = plan_by_name(ports, digest)
    if plan.state is PlanState.REPLACED:
        newer = ports.journal.deletions.plan_of(plan.service)
        name = newer.digest[:SHORT] if newer is not None else ""
        raise StalePlan(f"plan {digest} was replaced by {name}: whmcs-bridge backups plans show {name}")
    if plan.state is not PlanState.OPEN:
        raise StalePlan(f"plan {digest} is {plan.state}{': ' + plan.why if plan.why else ''}")
    return plan


def close_plan(ports: Ports, digest: str, because: str) -> DeletionPlan:
    """Let what is left be as it is, on a person's word: the verdict names it and is not complete.

    What a store does not let go (it failed) may be left as well. Raises UsageProblem where a run has still to try, or
    something lies aside; UnknownId, StalePlan.
    """
    because = one_line("--because", because)
    plan = open_plan(ports, digest)
    left = [s for s in plan.stores if not s.settled]
    to_go = [s.store for s in left if s.state in (ItemState.PLANNED, ItemState.DELETING)]
    if to_go and not plan.waits_for_approval:
        said = f"plan {digest} has items in store {to_go[0]} that no run has tried yet, or whose answer is open"
        raise UsageProblem(f"{said}: let the next run go on (whmcs-bridge sync), and close what it leaves")
    _refuse_aside(plan)
    if any(s.left_settings for s in left):
        remember_unplanned(ports, plan.service)
    now, deletions = ports.now(), ports.journal.deletions
    closed = replace(plan, state=PlanState.DONE, why=f"closed by {ports.actor}: {because}")
    body = {
        "verdict": "closed by a person",
        "by": ports.actor,
        "because": because,
        "stores": {s.store: {"state": s.state.value, "why": s.why} for s in plan.stores},
        "left": [item_json(p.item) for p in plan.items if not p.state.gone],
    }
    hashes = tuple(hash_of(a) for a in plan.accounts if a.username)
    deletions.save_tombstone(Tombstone(plan.service, plan.client, ports.today(), hashes))
    deletions.save_plan(closed, [(plan.service, plan.digest, now, "verdict", body)])
    remember_erased(ports, plan.service)
    return closed


def _refuse_aside(plan: DeletionPlan) -> None:
    """What lies aside is where nobody looks for a backup: a closed plan would leave it there for ever."""
    aside = [row for row in plan.items if row.aside is not None and not row.state.gone]
    if not aside:
        return
    where = f"plan {plan.digest[:SHORT]} has {len(aside)} items aside in store {aside[0].item.store}"
    way = "they go after [backups] quarantine_days, or back to their place once the service lives again"
    raise UsageProblem(f"{where}: {way}; close it then, or take the store out of the settings")


def lift(ports: Ports, store: str, because: str) -> None:
    """Let plans on a halted store go on; raises UnknownId where none stood."""
    because = one_line("--because", because)
    if not backup_carry.lift_halt(ports, store, because):
        standing = ", ".join(halted(ports.journal)) or "none"
        raise UnknownId(f"no halt stands on store {store}; halted: {standing}")


# --- wishes ---------------------------------------------------------------------------------------


def request(ports: Ports, service: ServiceId, note: str = "") -> Handover:
    """Record that a client wants their data before it goes; it holds the deletion for handover_hold_days.

    Raises UnknownId, UsageProblem where the house takes no such wishes, one stands, or nothing may be left.
    """
    note = one_line("--note", note) if note else ""
    rules = ports.settings.policy.backups
    if rules.handover == "never":
        raise UsageProblem('[backups] handover = "never": this house takes no such requests')
    book = ports.mirror.book_of_service(service)
    if book is None:
        raise UnknownId(f"no service {service} in the mirror; check the number, or run a sync first")
    standing = ports.journal.deletions.handovers(open_only=False).get(service)
    if standing is not None and standing.state == "open":
        raise UsageProblem(f"a request of {standing.asked_on} stands until {standing.until}")
    if _is_erased(ports, service):
        raise UsageProblem(f"the backups of service {service} are gone: whmcs-bridge backups evidence {service}")
    today = ports.today()
    until = today + timedelta(days=rules.handover_hold_days)
    wish = Handover(service, ClientId(book.client.id), today, until, ports.actor, rules.handover, note=note)
    ports.journal.deletions.save_handover(wish)
    body = {"until": until.isoformat(), "terms": rules.handover, "by": ports.actor, "note": note}
    ports.journal.deletions.add_links([(service, "", ports.now(), "requested", body)])
    return wish


def _is_erased(ports: Ports, service: ServiceId) -> bool:
    """Whether all of it is proved gone since the service ended last: a tombstone may be of an end before that."""
    plan = ports.journal.deletions.plan_of(service)
    row = service_in_mirror(ports, service)
    lives = row is not None and row.status is not None and not row.status.ended
    if plan is None or plan.state is not PlanState.DONE or not plan.complete or lives:
        return False
    ends = {(a.server, a.username, a.until) for a in plan.accounts}
    return ends >= {(a.server, a.username, a.until) for a in ports.journal.deletions.accounts([service])}


def end_request(ports: Ports, service: ServiceId, state: str, note: str = "") -> Handover:
    """Close a wish: handed-over or withdrawn; the deletion goes on. Raises UnknownId."""
    note = one_line("--note", note) if note else ""
    wish = ports.journal.deletions.handovers().get(service)
    if wish is None:
        raise UnknownId(f"no request stands for service {service}")
    ended = replace(wish, state=state, note=note or wish.note)
    ports.journal.deletions.save_handover(ended)
    body = {"state": state, "by": ports.actor, "note": note}
    ports.journal.deletions.add_links([(service, "", ports.now(), "requested", body)])
    return ended


def open_plans(ports: Ports, *, everything: bool = False) -> Sequence[DeletionPlan]:
    """Return the plans that are not over, or the newest of all."""
    states = None if everything else (PlanState.OPEN, PlanState.FROZEN)
    return ports.journal.deletions.plans(states)
