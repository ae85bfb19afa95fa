"""What every run does about deletions before it plans: freeze, look again, foresee, and tell staff what waits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.deletions import DeletionPlan, FrozenBy, GoneRecord, ItemState, PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked
from whmcs_bridge.jobs.backup_accounts import accounts_of, keep_accounts, keep_panel_ids
from whmcs_bridge.jobs.backup_back import still_back
from whmcs_bridge.jobs.backup_capture import keep_captured
from whmcs_bridge.jobs.backup_carry import ONE_AT_A_TIME, freeze, look_and_plan, recheck, thaw
from whmcs_bridge.jobs.backup_gone import watch
from whmcs_bridge.jobs.backup_look import Listings, ask_panels, serving
from whmcs_bridge.jobs.backup_plan import other_stores
from whmcs_bridge.jobs.backup_return import give_back
from whmcs_bridge.jobs.backup_waits import LIVE_PLANS, SHORT, halted, how_to_approve
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import held_by_record, subject_for_accounts
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.policy.decision import Note

UNPLANNED = "backups-unplanned"
"""Remembered: services whose newest plan was replaced or closed while no other one had taken its place."""
KNOWN_STORES = "backup-stores-known"
"""Remembered: names of the stores that there were at the last run."""


def tend(ports: Ports, memory: Memory, *, complete: bool) -> tuple[list[Note], list[str]]:
    """Keep identities, and in enforce mode look after every open plan; return notes for staff, and problems.

    Nothing is deleted here: that is what steps are for.
    """
    notes = keep_accounts(ports)
    notes += still_back(ports, notes)
    if not ports.stores:
        return notes, []
    problems = [*keep_panel_ids(ports), *keep_captured(ports)]
    if not ports.settings.enforcing:
        return notes, problems
    for plan in ports.journal.deletions.plan_heads(LIVE_PLANS):
        _freeze_or_thaw(ports, memory, plan)
    _freeze_unplanned(ports)
    problems += _give_back(ports)
    _note_new_stores(ports)
    problems += _look_again(ports, memory)
    if complete:
        notes += watch(ports)
    _end_wishes(ports)
    notes += list(plan_notes(ports, memory.cases))
    memory.forget_waits()
    return notes, problems


# --- plans whose service lives again --------------------------------------------------------------


def _freeze_or_thaw(ports: Ports, memory: Memory, plan: DeletionPlan) -> None:
    """A service that lives again, or whose name does, freezes its plan; another end frees it for another plan.

    A hold freezes it for as long as it stands; other stores than it was made for make another one of it.
    """
    service = service_in_mirror(ports, plan.service)
    lives = service is not None and service.status is not None and not service.status.ended
    if lives and service is not None:
        freeze(ports, plan, f"the service is {service.status} again", FrozenBy.LIFE)
        return
    twin = subject_for_accounts(ports, plan.service, plan.client, plan.accounts).lives_again
    held = held_by_record(memory.records_of(plan.client), plan.service, ports.today())
    if twin and plan.lives_again != twin:
        freeze(ports, plan, twin, FrozenBy.NAME)
    elif plan.state is PlanState.FROZEN and plan.frozen_by is not FrozenBy.HOLD:
        remember_unplanned(ports, plan.service)
        thaw(ports, plan)
    elif held:
        freeze(ports, plan, held, FrozenBy.HOLD)
    elif plan.state is PlanState.FROZEN:
        thaw(ports, plan)
    elif plan.lives_again != twin:
        _replace(ports, plan, f"no longer so: {plan.lives_again}")
    elif why := other_stores(plan, serving(ports, plan.accounts)):
        _replace(ports, plan, why)


def _replace(ports: Ports, plan: DeletionPlan, why: str) -> None:
    """Another plan takes its place as soon as one is due."""
    remember_unplanned(ports, plan.service)
    link = (plan.service, plan.digest, ports.now(), "replaced", {"why": why})
    ports.journal.deletions.save_plan(replace(plan, state=PlanState.REPLACED, why=why), [link])


def remember_unplanned(ports: Ports, service: ServiceId) -> None:
    """Keep in sight a service whose plan is about to be replaced or closed, and none takes its place at once."""
    known = ports.journal.get(UNPLANNED, [])
    if int(service) not in known:
        ports.journal.put(UNPLANNED, [*known, int(service)])


def _freeze_unplanned(ports: Ports) -> None:
    """Freeze what no open plan stands for once the service or its name lives again: what lies aside goes back."""
    deletions, known = ports.journal.deletions, ports.journal.get(UNPLANNED)
    if known is None:  # the first run that keeps them
        replaced = {plan.service for plan in deletions.plan_heads((PlanState.REPLACED,))}
        known = sorted(map(int, replaced - deletions.services_planned()))
        ports.journal.put(UNPLANNED, known)
    left = [number for number in known if not _frozen_or_planned(ports, ServiceId(number))]
    if left != known:
        ports.journal.put(UNPLANNED, left)


def _frozen_or_planned(ports: Ports, number: ServiceId) -> bool:
    """Whether another plan stands for the service, or this one was frozen now."""
    plan = ports.journal.deletions.plan_of(number)
    if plan is None or plan.state in LIVE_PLANS or plan.settled:
        return True
    if _lives(ports, plan):
        why, by = "the service lives again", FrozenBy.LIFE
    else:
        twin = subject_for_accounts(ports, number, plan.client, plan.accounts).lives_again
        if plan.state is not PlanState.REPLACED or twin in ("", plan.lives_again):
            return False
        why, by = twin, FrozenBy.NAME
    freeze(ports, replace(plan, state=PlanState.OPEN), why, by)
    return True


def _give_back(ports: Ports) -> list[str]:
    """Put back what frozen plans have moved aside, but for those that only a hold stops."""
    problems: list[str] = []
    for head in ports.journal.deletions.plan_heads((PlanState.FROZEN,)):
        if head.returned or head.frozen_by is FrozenBy.HOLD:
            continue
        plan = ports.journal.deletions.plan_of(head.service)
        if plan is None or plan.number != head.number:
            continue
        subject = subject_for_accounts(ports, plan.service, plan.client, plan.accounts)
        with ONE_AT_A_TIME:
            problems += give_back(ports, subject, plan)[1]
    return problems


def _note_new_stores(ports: Ports) -> None:
    """Ask staff, once, to look into a store that was not there before services were erased."""
    journal = ports.journal
    known, names = journal.get(KNOWN_STORES), [s.name for s in ports.stores]
    if known == names:
        return
    journal.put(KNOWN_STORES, names)
    erased = len(journal.deletions.tombstones())
    for name in (n for n in names if known is not None and n not in known and erased):
        text = f"store {name} is new: the backups of {erased} services were deleted before it was looked into"
        todo = f"see what it has of them: whmcs-bridge backups audit --store {name}"
        journal.add_task(Note("backups-new-store", text, todo), ports.today())


def service_in_mirror(ports: Ports, number: ServiceId) -> Service | None:
    """The service as the mirror has it; None where it has none, or WHMCS's last whole list had not."""
    book = ports.mirror.book_of_service(number)
    if book is None or number in book.missing:
        return None
    return next((s for s in book.services if s.id == number), None)


# --- looking again --------------------------------------------------------------------------------


def _look_again(ports: Ports, memory: Memory) -> list[str]:
    """List again the stores of plans whose next look is due: to verify once more, or because they wait."""
    now, problems, listings = ports.now(), [], Listings(ports.now)
    for head in ports.journal.deletions.plan_heads((PlanState.OPEN, PlanState.DONE), to_check=now):
        due = [s for s in head.stores if s.next_check_at is not None and s.next_check_at <= now]
        if not due or (head.state is PlanState.OPEN and head.waits_for_approval):
            continue
        plan = ports.journal.deletions.plan_of(head.service)
        if plan is None or plan.number != head.number:
            continue
        if _lives(ports, plan):
            _look_no_more(ports, plan)
            continue
        try:
            with ONE_AT_A_TIME:
                subject = subject_for_accounts(ports, plan.service, plan.client, plan.accounts)
                after = recheck(ports, subject, plan, due, listings)
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError as error:
            problems.append(f"backups of service {plan.service}: {error}")
            continue
        _remember(ports, memory, plan, after)
    return problems


def _lives(ports: Ports, plan: DeletionPlan) -> bool:
    service = service_in_mirror(ports, plan.service)
    return service is not None and service.status is not None and not service.status.ended


def _look_no_more(ports: Ports, plan: DeletionPlan) -> None:
    """The service has come back since: what its stores hold from now on is its own again."""
    stores = tuple(replace(s, next_check_at=None) for s in plan.stores)
    link = (plan.service, plan.digest, ports.now(), "lives-again", {"why": "the service is there again"})
    ports.journal.deletions.save_plan(replace(plan, stores=stores), [link])


def _remember(ports: Ports, memory: Memory, before: DeletionPlan, after: DeletionPlan) -> None:
    """Say in the case what looking again has shown."""
    case = memory.case(after.service)
    if after.settled and case.erased_on is None and case.ended_on is not None:
        memory.keep(replace(case, erased_on=ports.today()))
    elif before.state is PlanState.DONE and after.state is PlanState.OPEN:
        memory.keep(replace(case, erased_on=None))


# --- plans ahead ----------------------------------------------------------------------------------


def foresee(ports: Ports, ending: Mapping[ServiceId, tuple[ClientId, date]]) -> list[str]:
    """Freeze the plans of services that have ended and whose backups are kept for a while; return problems.

    `ending`: service -> its client, and the first day of the deletion.
    """
    problems: list[str] = []
    deletions, today, listings = ports.journal.deletions, ports.today(), Listings(ports.now)
    planned = deletions.services_planned() if ending else set()
    for service, (client, day) in sorted(ending.items()):
        if day <= today or service in planned or not ports.stores:
            continue
        found = service_in_mirror(ports, service)
        if found is None:
            continue
        accounts = accounts_of(ports, found, service, None)
        try:
            with ONE_AT_A_TIME:
                subject = subject_for_accounts(ports, service, client, accounts)
                ask_panels(ports, subject)
                look_and_plan(ports, subject, day, listings)
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError as error:
            problems.append(f"backups of service {service} could not be planned: {error}")
    return problems


# --- what staff is told ---------------------------------------------------------------------------


def plan_notes(ports: Ports, cases: Mapping[ServiceId, Case]) -> Iterator[Note]:
    """Say what a person has to do about backups; each stands as long as its cause does."""
    halts, today = halted(ports.journal), ports.today()
    for store, why in halts.items():
        todo = f"look at the store, then: whmcs-bridge backups plans lift {store}"
        yield Note("backups-halted", f"every deletion on store {store} stands still: {why}", todo, pile=store)
    for plan in ports.journal.deletions.plan_heads(LIVE_PLANS):
        yield from _of_plan(plan)
    longest = ports.settings.policy.backups.keep_at_most_days
    if longest is not None:
        yield from _kept_too_long(cases, today, longest)
        yield from _gone_and_kept(ports.journal.deletions.gone(), today, longest)
    for service, wish in ports.journal.deletions.handovers().items():
        terms = TERMS.get(wish.terms, "")
        text = f"the client asked on {wish.asked_on} for the data of service {service}; held until {wish.until}{terms}"
        todo = f"hand it over, then: whmcs-bridge backups request {service} --handed-over"
        yield Note("backups-asked-for", text, todo, wish.client, service)


TERMS: Mapping[str, str] = {
    "after-payment": "; what is owed comes first",
    "for-a-fee": "; the house's fee comes first",
}


def _end_wishes(ports: Ports) -> None:
    """A wish whose days are over, and whose data is gone, is nothing to do any more."""
    deletions, today = ports.journal.deletions, ports.today()
    over = [wish for wish in deletions.handovers().values() if wish.until < today]
    erased = deletions.tombstones() if over else {}
    for wish in over:
        if wish.service in erased and erased[wish.service].erased_on >= wish.asked_on:  # not in a life before
            deletions.save_handover(replace(wish, state="ended"))
            link = (wish.service, "", ports.now(), "requested", {"state": "ended", "by": ports.actor})
            deletions.add_links([link])


def _of_plan(plan: DeletionPlan) -> Iterator[Note]:
    name, service = plan.digest[:SHORT], plan.service
    show = f"whmcs-bridge backups plans show {name}"
    if plan.state is PlanState.FROZEN:
        if plan.frozen_by is FrozenBy.NAME:
            show = f"see what is surely from before: whmcs-bridge backups delete {service}"
        yield Note("backups-frozen", f"nothing of service {service} is deleted: {plan.why}", show, plan.client, service)
        return
    if plan.waits_for_approval:
        text = f"the deletion of backups of service {service} waits for approval: {'; '.join(plan.needs)}"
        yield Note("backups-approval", text, how_to_approve(plan), plan.client, service)
    for store in plan.stores:
        told = _OF_STORE.get(store.state)
        if told is not None:
            text = f"store {store.store}, service {service}: {store.why or store.state.value}"
            yield Note(f"backups-{told}", text, show, plan.client, service, pile=f"backups {told} in {store.store}")


_OF_STORE: Mapping[ItemState, str] = {
    ItemState.FAILED: "failed",
    ItemState.DELETING: "failed",
    ItemState.REFUSED: "left",
    ItemState.LOCKED_UNTIL: "locked",
    ItemState.UNVERIFIABLE: "unverifiable",
}


def _kept_too_long(cases: Mapping[ServiceId, Case], today: date, longest: int) -> Iterator[Note]:
    for case in cases.values():
        if case.ended_on is not None and case.erased_on is None and case.ended_on + timedelta(days=longest) < today:
            yield _kept(case.service_id, case.client_id, case.ended_on, longest)


def _gone_and_kept(records: Iterable[GoneRecord], today: date, longest: int) -> Iterator[Note]:
    for record in records:
        if not record.done and record.ended_on is not None and record.ended_on + timedelta(days=longest) < today:
            yield _kept(record.service, record.client, record.ended_on, longest)


def _kept(service: ServiceId, client: ClientId | None, ended_on: date, longest: int) -> Note:
    text = f"service {service} ended on {ended_on}, and its backups may still be there"
    pile = f"services that ended more than {longest} days ago, and whose backups are not verified gone"
    return Note("backups-kept", text, f"whmcs-bridge backups list {service}", client, service, pile=pile)
