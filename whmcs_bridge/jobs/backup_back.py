"""What was erased and is back: a service that a restored WHMCS brings, items that a restored store brings.

The looks an hour and a day after a deletion are long over by then. So whoever lists a store for another service also
looks for names of erased ones, and a service that lives in spite of its tombstone stays a task for as long as it does.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from whmcs_bridge.domain.backups import BackupItem, LivingAccount
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState, Tombstone, key_of
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.backup_accounts import ERASED_IS_BACK, back_again
from whmcs_bridge.jobs.backup_look import ItemKey, Look, Subject, search, subject_of
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import same_account

CODE = "backups-back"
TOO_MANY = 20
"""Erased services that one listing brings back at once: more are for a person to look at, not for new plans."""


# --- services ------------------------------------------------------------------------------------------


def still_back(ports: Ports, told: Iterable[Note]) -> list[Note]:
    """Say again of services that were told of in an earlier run: the mirror shows a change once only."""
    now = {note.service for note in told if note.code == ERASED_IS_BACK}
    before = [task.service for task in ports.journal.raised_tasks((ERASED_IS_BACK,)) if task.service is not None]
    stones = ports.journal.deletions.tombstones() if before else {}
    found = []
    for number in dict.fromkeys(before):
        if number in now or number not in stones:
            continue
        book = ports.mirror.book_of_service(number)
        service = next((s for s in book.services if s.id == number), None) if book is not None else None
        if service is not None and service.status is not None and service.status.living:
            found.append(back_again(service))
    return found


# --- items ---------------------------------------------------------------------------------------------


def notice(ports: Ports, look: Look, service: ServiceId) -> None:
    """See whether a listing that was made for a service shows items of another one that was erased; tell staff.

    What is provably the erased one's opens its plan again: the next run looks at that store for it. Costs one pass
    over the listing, and more only where a name of an erased account is in it.
    """
    if look.trouble:
        return
    erased = ports.journal.deletions.erased_names()
    if not erased:
        return
    hits: dict[ServiceId, list[BackupItem]] = {}
    for item in look.items:
        for server, number in erased.get(item.account or item.owner_hint or "", ()):
            if number != service and not item.quarantine and look.store.serves(server):
                hits.setdefault(number, []).append(item)
    if len(hits) > TOO_MANY:
        _tell_of_many(ports, look, len(hits))
        return
    stones = ports.journal.deletions.tombstones() if hits else {}
    living: dict[int, Mapping[str, LivingAccount]] = {}
    for number, items in hits.items():
        plan = ports.journal.deletions.plan_of(number)
        if plan is not None and plan.state is PlanState.DONE and number in stones:
            _judge(ports, look, plan, stones[number], items, living)


def _tell_of_many(ports: Ports, look: Look, count: int) -> None:
    """A store that shows many at once was restored, or is not the one it was: nothing of that goes by itself."""
    name = look.store.name
    text = f"store {name}: items of {count:,} erased services have names there again, or others have taken the names"
    todo = f"look what has happened to the store, then: whmcs-bridge backups audit --store {name}"
    pile = f"erased, and in store {name} again"
    if not any(task.pile == pile for task in ports.journal.raised_tasks((CODE,))):  # what staff is done with stays so
        ports.journal.add_task(Note(CODE, text, todo, pile=pile), ports.today())


def _judge(
    ports: Ports,
    look: Look,
    plan: DeletionPlan,
    stone: Tombstone,
    items: Sequence[BackupItem],
    living: dict[int, Mapping[str, LivingAccount]],
) -> None:
    known = left_by(plan)
    fresh = [item for item in items if key_of(item) not in known]
    if not fresh:
        return
    subject = _subject(ports, plan)
    subject.living = living
    if not _is_gone(ports, subject):
        return  # the account itself lives again: its backups are no restored ones
    found = search(Look(look.store, fresh), subject, ports.settings.policy.backups)
    gone = {p.item.locator for p in plan.items if p.item.store == look.store.name}
    alone = not any(subject.rivals.values())
    perhaps = [u.item for u in found.untouched if alone and u.item.locator in gone]
    back = sorted({item.locator for item, _ in found.mine.values()} | {item.locator for item in perhaps})
    if back:
        _tell(ports, look, plan, stone, back, sure=bool(found.mine))


def _tell(ports: Ports, look: Look, plan: DeletionPlan, stone: Tombstone, back: Sequence[str], *, sure: bool) -> None:
    name, number = look.store.name, plan.service
    text = f"store {name}: {len(back)} items of service {number} are there, erased on {stone.erased_on}: {back[0]}"
    todo = f"find out what has brought them back (a restore?), then: whmcs-bridge backups delete {number}"
    known = any(t.service == number and t.code == CODE for t in ports.journal.raised_tasks((CODE,)))
    verdict = plan.store(name)
    if not sure or verdict is None or not verdict.settled:
        if not known:  # what staff is done with stays so
            ports.journal.add_task(Note(CODE, text, todo, plan.client, number), ports.today())
            body = {"store": name, "items": list(back[:100]), "seen_by": "a look for another service"}
            ports.journal.deletions.add_links([(number, plan.digest, ports.now(), "back", body)])
        return
    ports.journal.add_task(Note(CODE, text, todo, plan.client, number), ports.today())
    due = replace(verdict, next_check_at=ports.now())
    stores = tuple(due if s.store == name else s for s in plan.stores)
    ports.journal.deletions.save_plan(replace(plan, stores=stores))


def _subject(ports: Ports, plan: DeletionPlan) -> Subject:
    own = ports.journal.deletions.digests_of(plan.service)
    return subject_of(ports, plan.service, plan.client, plan.accounts, own)


def _is_gone(ports: Ports, subject: Subject) -> bool:
    """Whether none of its accounts lives, as far as panels say; each is asked once a listing."""
    for account in subject.accounts:
        panel = next((p for p in ports.account_panels if p.serves(account.server)), None)
        if panel is not None and account.server not in subject.living:
            with contextlib.suppress(StoreTrouble):
                subject.living[account.server] = panel.living()
        lives = subject.living.get(account.server, {}).get(account.username)
        if lives is not None and same_account(account, lives) is not False:
            return False
    return True


def left_by(plan: DeletionPlan) -> set[ItemKey]:
    """What a plan that is over has left knowingly: nobody has brought that back."""
    rows = [p for p in plan.items if not p.state.gone]
    aside = {key_of(p.aside) for p in rows if p.aside is not None}
    return {p.key for p in rows} | aside | {key_of(u.item) for u in plan.untouched}
