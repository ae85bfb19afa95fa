"""Carry a deletion plan out: one item at a time, written down before it is sent, believed only by a fresh listing."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Lock

from whmcs_bridge.domain.backups import BackupItem, Outcome, Receipt
from whmcs_bridge.domain.deletions import (
    DeletionPlan,
    FrozenBy,
    ItemState,
    PlannedItem,
    PlanState,
    StoreVerdict,
    Tombstone,
    key_of,
)
from whmcs_bridge.errors import MovedOn, StalePlan, StoreAuthFailed, StoreTrouble
from whmcs_bridge.jobs import backup_back, backup_guard
from whmcs_bridge.jobs.backup_accounts import hash_of
from whmcs_bridge.jobs.backup_look import (
    Found,
    Listings,
    Look,
    Subject,
    ask_panels,
    look_at,
    search,
    serving,
)
from whmcs_bridge.jobs.backup_plan import (
    fits,
    freeze_plan,
    is_over,
    item_json,
    listing_json,
    other_stores,
    untouched_json,
)
from whmcs_bridge.jobs.backup_waits import SHORT, halted
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import (
    STILL_LISTED,
    BackupRules,
    lies_aside,
    listing_digest,
    same_content,
    unchanged,
)
from whmcs_bridge.ports import BackupStore, EvidenceLink

MayGo = Callable[[], bool]
FAILURES_IN_A_ROW = 5
"""After so many the store is left to a later run."""
ASK_AGAIN = timedelta(minutes=5)
"""The panel is asked before the first item goes, and after so long once more: deleting takes its time."""
LOOK_AGAIN = timedelta(hours=20)
"""What waits for a person or a lock is looked at again, once a day however the timer drifts."""
VANISHED = "are not listed any more, and nothing was sent: rights that were taken away look like it; looked at again"
"""Of all that an account had in a store, gone at once: no verdict before a later listing says so again."""
POLL_AGAIN = timedelta(hours=1)
ACCEPTED_AT_MOST = timedelta(days=3)
"""What a store has accepted and not done by then has failed: it is told, and sent again."""
NOT_BY_US = "not by us"
ONE_AT_A_TIME = Lock()
"""Two deletions side by side would each take the other's items for collateral."""
lift_halt = backup_guard.lift_halt


def carry(ports: Ports, subject: Subject, not_before: date, may_go: MayGo, only: str = "") -> DeletionPlan:
    """Plan where there is no plan that fits, then delete what may go, store by store; return the plan as it stands.

    `may_go` is asked before every single item. `only`: the hash of the plan that a person has named; raises StalePlan
    where the stores hold something else by now. Raises StoreTrouble where a panel cannot say who lives, MovedOn where
    the account still lives. Every state is in the journal before anything is sent: a run that dies is taken up by the
    next one, which lists the stores and goes by what it sees.
    """
    with ONE_AT_A_TIME:
        ask_panels(ports, subject)
        plan, looks, found = look_and_plan(ports, subject, not_before)
        if only and plan.digest != only:
            name = plan.digest[:SHORT]
            raise StalePlan(f"the stores hold something else by now: whmcs-bridge backups plans show {name}")
        if plan.waits_for_approval:
            return plan
        for number, (name, look) in enumerate(looks.items()):
            plan = _Worker(ports, subject, plan, look, found[name], may_go).work(just_listed=not number)
        return conclude(ports, plan)


def look_and_plan(
    ports: Ports, subject: Subject, not_before: date, listings: Listings | None = None
) -> tuple[DeletionPlan, dict[str, Look], dict[str, Found]]:
    """List every store, and return the plan that fits what they hold: the one there is, or a new one.

    `listings` are shared with other services' plans, where nothing is deleted now.
    """
    rules, deletions = ports.settings.policy.backups, ports.journal.deletions
    stores = serving(ports, subject.accounts)
    looks = {s.name: look_at(s, subject.accounts, rules, listings) for s in stores}
    found = {name: search(look, subject, rules) for name, look in looks.items()}
    plan = deletions.plan_of(subject.service)
    for look in looks.values():
        _watch(ports, subject, plan, look)
    if plan is not None and not any(f.mine for f in found.values()) and is_over(plan, subject, stores):
        return plan, looks, found  # a run died between the verdict and what it means for the service
    if plan is None or not fits(plan, found.values(), subject.lives_again) or other_stores(plan, stores):
        before, plan = plan, freeze_plan(ports, subject, looks, found, not_before)
        plan = _doubted(ports, before, plan, looks) if before is not None else plan
        subject.own_plans |= {plan.digest}
    return plan, looks, found


def _doubted(ports: Ports, before: DeletionPlan, plan: DeletionPlan, looks: Mapping[str, Look]) -> DeletionPlan:
    """Keep in doubt the stores from which all that the plan before had there has vanished: the new one has no rows."""
    ends = [{(a.server, a.username, a.until) for a in one.accounts} for one in (before, plan)]
    if before.state not in (PlanState.OPEN, PlanState.REPLACED) or ends[0] != ends[1]:
        return plan
    filled = {row.item.store for row in plan.items}
    until = ports.now() + _doubt_lasts(ports.settings.policy.backups)
    stores = []
    for verdict in plan.stores:
        name, old = verdict.store, before.store(verdict.store)
        look = looks.get(name)
        if look is None or look.trouble or name in filled or old is None or old.root not in ("", verdict.root):
            stores.append(verdict)
            continue
        of = [row for row in before.items if row.item.store == name]
        gone = [row for row in of if not row.state.gone and backup_guard.never_sent(row)]
        if gone:
            why = f"{len(gone)} of {len(of)} items {VANISHED}"
            day = old.until if all(map(backup_guard.in_doubt, gone)) and old.until is not None else until
            verdict = replace(verdict, state=ItemState.UNVERIFIABLE, why=why, until=day, next_check_at=day)
        elif _waits_in_doubt(old, ports.now()):
            verdict = replace(verdict, state=old.state, why=old.why, until=old.until, next_check_at=old.until)
        stores.append(verdict)
    kept = replace(plan, stores=tuple(stores))
    if kept != plan:
        ports.journal.deletions.save_plan(kept)
    return kept


def _waits_in_doubt(verdict: StoreVerdict, now: datetime) -> bool:
    return verdict.state is ItemState.UNVERIFIABLE and verdict.until is not None and verdict.until > now


def _doubt_lasts(rules: BackupRules) -> timedelta:
    """How much later a listing has to show once more that everything has vanished."""
    return timedelta(hours=rules.verify_after_hours[-1]) if rules.verify_after_hours else LOOK_AGAIN


def _watch(ports: Ports, subject: Subject, plan: DeletionPlan | None, look: Look) -> None:
    """See whether the store still holds what it should; where it does not, every plan on it halts."""
    backup_guard.heal(ports, look)
    backup_guard.compare(ports, look)
    rows = [p for p in plan.items if p.item.store == look.store.name and not p.state.gone] if plan is not None else []
    backup_guard.see(ports, look, rows, (subject.service, plan.digest if plan is not None else ""))
    backup_back.notice(ports, look, subject.service)


class _Worker:
    """Does one store's part of a plan."""

    def __init__(
        self, ports: Ports, subject: Subject, plan: DeletionPlan, look: Look, found: Found, may_go: MayGo
    ) -> None:
        self.ports, self.subject, self.plan, self.look, self.found, self.may_go = (
            ports,
            subject,
            plan,
            look,
            found,
            may_go,
        )
        self.store: BackupStore = look.store
        self.rules: BackupRules = ports.settings.policy.backups
        self.rows = {n: p for n, p in enumerate(plan.items) if p.item.store == look.store.name}
        self.before = list(look.items)
        self.links: list[EvidenceLink] = []
        self.unsaved: dict[int, PlannedItem] = {}
        self.asked_at: datetime | None = None
        self.begun = False
        """What may not vanish from the store is written down."""
        self.sent = 0
        self.acted = False
        """There is evidence of it that something was sent."""
        self.held = False
        self.failures = 0
        self.over = ""
        """Why nothing more is sent to the store in this run."""
        self.later = ""
        """Why not all that may go went today."""

    def work(self, *, just_listed: bool = True) -> DeletionPlan:
        """Return the plan after this store's part; a listing of some time ago is made anew before anything goes."""
        if standing := self._stands_still():
            return standing
        self._settle(self.look, sent_now=False)
        if self._to_do():
            self._save()
            self._look_closely(just_listed=just_listed)
            if standing := self._stands_still():
                return standing
        to_do = self._to_do()
        if to_do and self.look.postponed:
            self._save()
            return self._verdict(ItemState.PLANNED, f"postponed: {self.look.postponed}")
        if to_do and not self.store.caps.deletes:
            self._save()
            return self._verdict(ItemState.REFUSED, f"{len(to_do)} items to be deleted by a person")
        to_do = self._within_the_day(to_do)
        self._move_aside(to_do)
        self._delete(to_do)
        self._poll()
        self._save()
        if self.sent:
            self.look = look_at(self.store, self.subject.accounts, self.rules)
            if self.look.trouble:
                return self._verdict(ItemState.UNVERIFIABLE, f"after the deletion: {self.look.trouble}")
            backup_guard.compare(self.ports, self.look)
            self._settle(self.look, sent_now=True)
            self._save()
            self.found = search(self.look, self.subject, self.rules)
        return self._conclude()

    def look_only(self) -> DeletionPlan:
        """Bring the rows up to a listing and poll what was accepted; nothing is deleted."""
        if self.look.trouble:
            return self._verdict(ItemState.UNVERIFIABLE, self.look.trouble)
        self._settle(self.look, sent_now=False)
        self._poll()
        if self.sent:
            self.look = look_at(self.store, self.subject.accounts, self.rules)
            if self.look.trouble:
                self._save()
                return self._verdict(ItemState.UNVERIFIABLE, self.look.trouble)
            self.found = search(self.look, self.subject, self.rules)
            self._settle(self.look, sent_now=True)
        self._save()
        return self._conclude()

    def _stands_still(self) -> DeletionPlan | None:
        halts = halted(self.ports.journal)
        if self.look.trouble:
            return self._verdict(ItemState.UNVERIFIABLE, self.look.trouble)
        if self.store.name in halts:
            return self._verdict(ItemState.REFUSED, f"every plan on it stands still: {halts[self.store.name]}")
        return None

    def _to_do(self) -> list[int]:
        return [n for n, row in self.rows.items() if self._may_be_sent(row)]

    def _within_the_day(self, to_do: list[int]) -> list[int]:
        """Leave out what is more than the house deletes on one day, whoever has approved it."""
        most = self.rules.max_items_a_day
        if most is None or not to_do:
            return to_do
        left = max(most - self.ports.journal.deletions.deleted_on(self.ports.today()), 0)
        if left < len(to_do):
            self.later = f"[backups] max_items_a_day = {most}: the rest goes on another day"
        return to_do[:left]

    def _look_closely(self, *, just_listed: bool) -> None:
        """Right before anything goes: who lives by the panel now, and what the store holds now."""
        lived = dict(self.subject.living)
        ask_panels(self.ports, self.subject)
        self.asked_at = self.ports.now()
        if just_listed and self.subject.living == lived:
            return
        if not just_listed:
            self.look = look_at(self.store, self.subject.accounts, self.rules)
            if self.look.trouble:
                return
            self.before = list(self.look.items)
            backup_guard.see(self.ports, self.look, self._present(), (self.plan.service, self.plan.digest))
        self.found = search(self.look, self.subject, self.rules)
        self._settle(self.look, sent_now=False)

    def _present(self) -> list[PlannedItem]:
        return [row for row in self.rows.values() if not row.state.gone]

    # --- what a listing says ------------------------------------------------------------------

    def _settle(self, look: Look, *, sent_now: bool) -> None:
        """Bring every row up to what a complete listing shows."""
        keys, now = look.keys, self.ports.now()
        moved = [i for i in look.items if i.quarantine == self.plan.digest]
        taken = {key_of(p.aside) for p in self.rows.values() if p.aside is not None}
        some_left, vanished = False, {}
        for number, row in self.rows.items():
            if row.state.gone:
                continue
            here = keys.get(row.key)
            if here is None and row.aside is None:
                aside = next((i for i in moved if key_of(i) not in taken and same_content(row.item, i)), None)
                if aside is not None:  # moved, and the run died before it could say so
                    taken.add(key_of(aside))
                    row = replace(row, aside=aside, state=ItemState.QUARANTINED, changed_at=now, aside_at=now)
            there = keys.get(key_of(row.aside)) if row.aside is not None else None
            if here is None and there is None and backup_guard.never_sent(row):
                vanished[number] = row
                continue
            some_left = some_left or here is not None or there is not None
            self._put(number, self._seen(row, here, there, now, sent_now=sent_now))

        for number, row in vanished.items():
            self._put(number, self._vanished(row, now, some_left=some_left))

    def _vanished(self, row: PlannedItem, now: datetime, *, some_left: bool) -> PlannedItem:
        """One of several is a panel's rotation, or staff; all at once is as likely a listing that hides them."""
        if backup_guard.in_doubt(row):
            if row.until is not None and row.until > now:
                return row
        elif not some_left:
            until = now + _doubt_lasts(self.rules)
            return replace(row, state=ItemState.UNVERIFIABLE, until=until, changed_at=now)
        return replace(row, state=ItemState.GONE_BEFORE, note=NOT_BY_US, until=None, changed_at=now)

    def _seen(
        self, row: PlannedItem, here: BackupItem | None, there: BackupItem | None, now: datetime, *, sent_now: bool
    ) -> PlannedItem:
        if here is None and there is None:
            return self._absent(row, now)
        fault = self._fault(row, here, there, sent_now=sent_now)
        if row.state in (ItemState.DELETING, ItemState.RESIDUAL_UNTIL):
            note = STILL_LISTED + (f" ({row.note})" if row.note else "")
            row = replace(row, state=ItemState.FAILED, note=note)
        if fault:
            return replace(row, state=ItemState.REFUSED, note=fault)
        lock = here or there
        if lock is not None and lock.lock and (lock.locked_until is None or lock.locked_until > now):
            return replace(row, state=ItemState.LOCKED_UNTIL, note=lock.lock, until=lock.locked_until)
        if row.state in UNDECIDED and not sent_now:
            return replace(row, state=ItemState.QUARANTINED if there is not None else ItemState.PLANNED, until=None)
        return row

    def _fault(self, row: PlannedItem, here: BackupItem | None, there: BackupItem | None, *, sent_now: bool) -> str:
        """Say why what is listed may not go, whatever was planned; "" for nothing."""
        if there is not None and not lies_aside(row, there):
            return "what lies in quarantine is not what was planned"
        if here is not None and row.aside is None and not unchanged(row.item, here):
            return "it is not the item that was planned any more"
        if sent_now or self._is_ours(row):
            return ""
        return next((u.why for u in self.found.untouched if key_of(u.item) == row.key), "nothing proves it any more")

    def _is_ours(self, row: PlannedItem) -> bool:
        """What the listing shows now is still provably the service's, whatever it was when it was planned."""
        return row.key in self.found.mine or (row.aside is not None and key_of(row.aside) in self.found.mine)

    def _absent(self, row: PlannedItem, now: datetime) -> PlannedItem:
        if row.state is ItemState.RESIDUAL_UNTIL:
            over = row.until is not None and row.until <= now
            return replace(row, state=ItemState.GONE_VERIFIED) if over else row
        if row.state is ItemState.ATTESTED:
            return replace(row, state=ItemState.GONE_BEFORE, note=NOT_BY_US, changed_at=now)
        if row.note == Outcome.GONE_BEFORE.value:
            return replace(row, state=ItemState.GONE_BEFORE, changed_at=now)
        until = row.until or (now + self.look.keeps_for if self.look.keeps_for else None)
        if until is not None and until > now:
            return replace(row, state=ItemState.RESIDUAL_UNTIL, until=until, changed_at=now)
        return replace(row, state=ItemState.GONE_VERIFIED, changed_at=now)

    def _may_be_sent(self, row: PlannedItem) -> bool:
        if row.state is ItemState.QUARANTINED:
            return self._aside_since(row) + timedelta(days=self.rules.quarantine_days) <= self.ports.now()
        return row.state is ItemState.PLANNED

    def _aside_since(self, row: PlannedItem) -> datetime:
        """Its days there are counted once: a deletion that failed, or a run that died in it, begins no others."""
        return row.aside_at or row.changed_at or self.plan.made_at

    # --- sending ------------------------------------------------------------------------------

    def _begin(self, to_do: Collection[int]) -> None:
        """Before the first item is sent: what may not vanish with it. A row that is something else by now may not."""
        if self.begun:
            return
        self.begun = True
        keys = self.look.keys
        rows = [row for row in self.rows.values() if row.key not in keys or unchanged(row.item, keys[row.key])]
        planned = [row.item for row in rows] + [row.aside for row in self.rows.values() if row.aside is not None]
        backup_guard.begin_batch(
            self.ports, self.plan, self.look, planned, sum(backup_guard.is_counted(self.rows[n]) for n in to_do)
        )

    def _move_aside(self, to_do: Collection[int]) -> None:
        if not self.store.caps.quarantine:
            return
        for number in to_do:
            row = self.rows[number]
            if row.state is not ItemState.PLANNED or not self._go_on():
                continue
            self._put(number, replace(row, note="moving aside"))
            self._save()  # nothing is harmed by it, but a run that dies here has to know where to look
            self._begin(to_do)
            item = self._listed(row)
            receipt = self._ask(lambda item=item: self.store.quarantine(item, self.plan.digest))  # type: ignore[misc]
            self.sent += 1
            self._after_move(number, row, receipt)
        self._save()

    def _after_move(self, number: int, row: PlannedItem, receipt: Receipt) -> None:
        if receipt.outcome is not Outcome.QUARANTINED or receipt.item is None:
            self._put(number, self._answered(row, receipt))
            return
        now = self.ports.now()
        moved = replace(row, note=receipt.note, aside=receipt.item, changed_at=now, aside_at=now)
        if same_content(row.item, receipt.item):
            moved = replace(moved, state=ItemState.QUARANTINED)
        else:  # it was another one by then: nobody has planned that
            back = self._ask(lambda item=receipt.item: self.store.put_back(item))  # type: ignore[misc]
            moved = replace(moved, state=ItemState.REFUSED, note="what was moved aside is not what was planned")
            if back.outcome is Outcome.PUT_BACK:
                moved = replace(moved, aside=None, aside_at=None)
        self._put(number, moved)
        self._link("quarantined", moved, receipt)

    def _delete(self, to_do: Collection[int]) -> None:
        for number in to_do:
            row = self.rows[number]
            if row.state is ItemState.QUARANTINED and not self._may_be_sent(row):
                continue
            if row.state not in (ItemState.PLANNED, ItemState.QUARANTINED) or not self._go_on():
                continue
            if row.state is ItemState.PLANNED and self.store.caps.quarantine:
                continue  # what could not be moved aside is not deleted where it lies
            since = self._aside_since(row) if row.aside is not None else None
            self._put(
                number, replace(row, state=ItemState.DELETING, note="", changed_at=self.ports.now(), aside_at=since)
            )
            self._save()  # and with it how the one before went
            self._begin(to_do)
            item = self._listed(row)
            receipt = self._ask(lambda item=item: self.store.delete(item))  # type: ignore[misc]
            self.sent += 1
            done = self._answered(self.rows[number], receipt)
            self._put(number, done)
            self._link("deleted", done, receipt)

    def _listed(self, row: PlannedItem) -> BackupItem:
        """The item as it lies now, by the last listing or move: what its deletion is bound to."""
        if row.aside is not None:
            return row.aside
        return self.look.keys.get(row.key, row.item)

    def _poll(self) -> None:
        for number, row in self.rows.items():
            if row.state is not ItemState.ACCEPTED:
                continue
            outcome = Outcome.ACCEPTED
            if row.task:
                receipt = self._ask(
                    lambda row=row: self.store.poll(Receipt(Outcome.ACCEPTED, task=row.task, item=row.item))  # type: ignore[misc]
                )
                self.sent, outcome = self.sent + 1, receipt.outcome
            accepted_at = row.changed_at or self.plan.made_at
            if outcome not in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                self._put(number, self._answered(row, receipt))
            elif self.ports.now() - accepted_at > ACCEPTED_AT_MOST:
                note = f"{STILL_LISTED} (accepted on {accepted_at.date()})"
                self._put(number, replace(row, state=ItemState.FAILED, note=note, task=""))

    def _go_on(self) -> bool:
        """Ask before every single item whether it may still go."""
        if self.over or self.held:
            return False
        self.held = not self.may_go()
        if not self.held and self.asked_at is not None and self.ports.now() - self.asked_at > ASK_AGAIN:
            self._ask_again()
        return not self.held and not self.over

    def _ask_again(self) -> None:
        """Somebody may have been given the name since; what a time alone proved is proved no more then."""
        lived = dict(self.subject.living)
        try:
            ask_panels(self.ports, self.subject)
        except (MovedOn, StoreTrouble) as error:
            self.over = str(error)
            return
        self.asked_at = self.ports.now()
        if self.subject.living != lived:
            self.over = "other accounts live on the panel than before; it is looked at anew"

    def _ask(self, act: Callable[[], Receipt]) -> Receipt:
        try:
            return act()
        except StoreAuthFailed as error:
            self.over = str(error)
            return Receipt(Outcome.FAILED, str(error))
        except StoreTrouble as error:
            self.over = str(error)  # sent or not: only a listing tells
            return Receipt(Outcome.UNKNOWN, str(error))

    def _answered(self, row: PlannedItem, receipt: Receipt) -> PlannedItem:
        """Return the row after an answer, which is never evidence that the item is gone."""
        now = self.ports.now()
        self.failures = self.failures + 1 if receipt.outcome is Outcome.FAILED else 0
        if self.failures >= FAILURES_IN_A_ROW:
            self.over = f"{self.failures} deletions in a row failed"
        match receipt.outcome:
            case Outcome.LOCKED:
                return replace(
                    row, state=ItemState.LOCKED_UNTIL, note=receipt.note, until=receipt.until, changed_at=now
                )
            case Outcome.REFUSED:
                return replace(row, state=ItemState.REFUSED, note=receipt.note, changed_at=now)
            case Outcome.FAILED:
                return replace(row, state=ItemState.FAILED, note=receipt.note, changed_at=now)
            case Outcome.ACCEPTED:
                return replace(row, state=ItemState.ACCEPTED, note=receipt.note, task=receipt.task, until=receipt.until)
            case Outcome.GONE_BEFORE:
                return replace(row, state=ItemState.DELETING, note=Outcome.GONE_BEFORE.value, until=receipt.until)
            case _:
                return replace(row, state=ItemState.DELETING, note=receipt.note, until=receipt.until)

    # --- writing down ---------------------------------------------------------------------------

    def _put(self, number: int, row: PlannedItem) -> None:
        if row != self.rows[number]:
            self.rows[number] = row
            self.unsaved[number] = row

    def _save(self) -> None:
        if self.unsaved or self.links:
            self.acted = self.acted or bool(self.links)
            self.ports.journal.deletions.save_items(self.plan.number, self.unsaved, self.links)
            self.unsaved, self.links = {}, []

    def _link(self, kind: str, row: PlannedItem, receipt: Receipt) -> None:
        body = {**item_json(row.item), "proofs": list(row.proofs), "answer": receipt.outcome.value}
        more = {"note": receipt.note, "task": receipt.task, "until": receipt.until.isoformat() if receipt.until else ""}
        self.links.append(
            (
                self.plan.service,
                self.plan.digest,
                self.ports.now(),
                kind,
                body | {name: value for name, value in more.items() if value} | {"by": self.ports.actor},
            )
        )

    # --- how it ends ------------------------------------------------------------------------------

    def _conclude(self) -> DeletionPlan:
        state, why, until = self._state()
        return self._verdict(state, why, until)

    def _state(self) -> tuple[ItemState, str, datetime | None]:
        """What the store has come to: the worst of its rows, then what is left alone, then gone."""
        undone = [row for row in self.rows.values() if not row.state.gone]
        halts = halted(self.ports.journal)
        if self.store.name in halts:
            return ItemState.REFUSED, halts[self.store.name], None
        aside = any(row.state is ItemState.QUARANTINED and self._may_be_sent(row) for row in undone)
        if aside and (self.later or not self.sent):
            return ItemState.PLANNED, self.later or "what lies in quarantine may go now", None
        for state, text in WORST_FIRST.items():
            of = [row for row in undone if row.state is state]
            if of:
                until = max((r.until for r in of if r.until is not None), default=None)
                if state is ItemState.PLANNED:
                    done = len(self.rows) - len(of)
                    why = (
                        self.over
                        or self.later
                        or f"held after {done} of {len(self.rows)} items; the rest waits for its end"
                    )
                    return state, why, None
                if state is ItemState.QUARANTINED:
                    first = min(map(self._aside_since, of))
                    until = first + timedelta(days=self.rules.quarantine_days)
                note = next((r.note for r in of if r.note), "")
                counted = f"{len(of)} of {len(self.rows)} items {text}"
                shown = f" until {until.date()}" if until is not None else ""
                return state, counted + shown + (f": {note}" if note and state in SAYS_NOTE else ""), until
        known = {p.key for p in undone} | {key_of(p.aside) for p in undone if p.aside is not None}
        fresh = [key for key in self.found.mine if key not in known]
        if fresh:
            return ItemState.PLANNED, f"{len(fresh)} items are not in its plan yet", None
        left = self.found.untouched
        if left:
            return ItemState.REFUSED, f"{len(left)} items are left alone: {left[0].why}", None
        if self.look.busy:
            return ItemState.PLANNED, f"{self.look.busy}: what it makes is looked for afterwards", None
        told = self.plan.store(self.store.name)
        if told is not None and _waits_in_doubt(told, self.ports.now()):
            return told.state, told.why, told.until
        verified = any(row.state is ItemState.GONE_VERIFIED for row in self.rows.values())
        why = "" if self.look.items or self.rows else "nothing of anybody's is in it"
        return (ItemState.GONE_VERIFIED if verified else ItemState.GONE_BEFORE), why, None

    def _contradicted(self, old: StoreVerdict) -> bool:
        """The store itself shows something of the account that a person said is gone."""
        if old.state is not ItemState.ATTESTED:
            return True
        if self.look.trouble:
            return False
        return bool(self.found.mine) or any(not row.state.gone for row in self.rows.values())

    def _verdict(self, state: ItemState, why: str, until: datetime | None = None) -> DeletionPlan:
        now = self.ports.now()
        old = self.plan.store(self.store.name) or StoreVerdict(self.store.name)
        seen = not self.look.trouble
        checks, attested = (1 if state.gone else 0), old.attested
        if attested is not None and not state.gone:
            if self._contradicted(old):
                attested = None
            else:
                state, why, until, checks = ItemState.ATTESTED, old.why, None, old.checks
        verdict = replace(
            old,
            state=state,
            why=why,
            until=until,
            kind=self.store.kind,
            root=self.store.root if seen else old.root,
            complete=seen,
            checked_at=now,
            checks=checks,
            next_check_at=old.next_check_at
            if state is ItemState.ATTESTED
            else next_check(state, checks, until, now, self.rules),
            listed=len(self.look.items) if seen else old.listed,
            digest=listing_digest(self.look.items) if seen else old.digest,
            by_hand=self.look.by_hand,
            attested=attested,
        )
        untouched = [u for u in self.plan.untouched if u.item.store != self.store.name]
        plan = replace(
            self.plan,
            items=tuple(self.rows.get(n, p) for n, p in enumerate(self.plan.items)),
            stores=tuple(verdict if s.store == self.store.name else s for s in self.plan.stores),
            untouched=(*untouched, *(self.found.untouched if seen else ())),
        )
        deletions = self.ports.journal.deletions
        if (old.state, old.why, old.digest) != (verdict.state, verdict.why, verdict.digest) or self.acted:
            self.links.append(store_link(plan, verdict, self.before, self.look, now))
        deletions.save_plan(plan, self.links)
        self.links = []
        return plan


UNDECIDED = (
    ItemState.LOCKED_UNTIL,
    ItemState.REFUSED,
    ItemState.FAILED,
    ItemState.UNVERIFIABLE,
    ItemState.ATTESTED,
)
"""What a listing that shows the item again, and nothing against it, makes planned again."""
WORST_FIRST: Mapping[ItemState, str] = {
    ItemState.FAILED: "are still there",
    ItemState.DELETING: "are in an unknown state",
    ItemState.PLANNED: "are left",
    ItemState.REFUSED: "were refused",
    ItemState.LOCKED_UNTIL: "are locked",
    ItemState.UNVERIFIABLE: VANISHED,
    ItemState.ACCEPTED: "are accepted, and the store works on them",
    ItemState.QUARANTINED: "lie in quarantine",
    ItemState.RESIDUAL_UNTIL: "are gone from the listing; their bytes stay",
}
SAYS_NOTE = (ItemState.FAILED, ItemState.REFUSED, ItemState.LOCKED_UNTIL)


def next_check(
    state: ItemState, checks: int, until: datetime | None, now: datetime, rules: BackupRules
) -> datetime | None:
    """Return when a store is looked at again without anything being deleted; None is never."""
    if state.gone or state is ItemState.ATTESTED:
        after = rules.verify_after_hours
        if checks < 1 or checks > len(after):
            return None
        before = after[checks - 2] if checks > 1 else 0
        return now + timedelta(hours=after[checks - 1] - before)
    if state is ItemState.ACCEPTED:
        return now + POLL_AGAIN
    if until is not None:
        return max(min(until, now + timedelta(days=30)), now + POLL_AGAIN)
    return now + LOOK_AGAIN


def store_link(
    plan: DeletionPlan, verdict: StoreVerdict, before: list[BackupItem], look: Look, now: datetime
) -> EvidenceLink:
    """The record of what a store has come to."""
    rows = [p for p in plan.items if p.item.store == verdict.store]
    body = {
        "store": verdict.store,
        "kind": verdict.kind,
        "root": verdict.root,
        "state": verdict.state.value,
        "why": verdict.why,
        "until": verdict.until.isoformat() if verdict.until else None,
        "view_complete": verdict.complete,
        "listings": listing_json(before, look.items),
        "items": [{"locator": p.item.locator, "version": p.item.version, "state": p.state.value} for p in rows],
        "left_alone": [untouched_json(u) for u in plan.untouched if u.item.store == verdict.store],
    }
    return (plan.service, plan.digest, now, "store", body)


def recheck(
    ports: Ports, subject: Subject, plan: DeletionPlan, due: Iterable[StoreVerdict], listings: Listings | None = None
) -> DeletionPlan:
    """List stores of a plan again and delete nothing: what was gone may have come back, what waited may be over.

    Something that has come back makes another plan; the one that was done is open again until that one is. `listings`
    are shared with other services' looks of the same run. Raises StoreTrouble where a panel cannot say who lives,
    MovedOn where the account itself is still there.
    """
    rules = ports.settings.policy.backups
    ask_panels(ports, subject)
    for verdict in due:
        store = next((s for s in ports.stores if s.name == verdict.store), None)
        if store is None:
            plan = _with_verdict(ports, plan, replace(verdict, next_check_at=None))
            continue
        look = look_at(store, subject.accounts, rules, listings)
        _watch(ports, subject, plan, look)
        if store.name in halted(ports.journal):  # what it lists is not believed
            plan = _with_verdict(ports, plan, replace(verdict, next_check_at=ports.now() + LOOK_AGAIN))
            continue
        found = search(look, subject, rules)
        was_gone = verdict.settled
        after = _Worker(ports, subject, plan, look, found, lambda: False).look_only()
        seen = after.store(store.name)
        assert seen is not None
        if was_gone and not look.trouble:
            after = _verified_again(ports, after, verdict, seen, found)
        elif verdict.state is ItemState.ATTESTED:  # away, as it was before: the word stands
            after = _with_verdict(ports, after, _checked(ports, verdict))
        elif was_gone:  # away: what was seen before stands, and is looked at once more
            after = _with_verdict(ports, after, replace(verdict, next_check_at=ports.now() + POLL_AGAIN))
        plan = after
    return conclude(ports, plan)


def _verified_again(
    ports: Ports, plan: DeletionPlan, old: StoreVerdict, seen: StoreVerdict, found: Found
) -> DeletionPlan:
    now, deletions = ports.now(), ports.journal.deletions
    if found.mine:
        back = sorted(item.locator for item, _ in found.mine.values())
        why = f"{len(back)} items are there again after the deletion, such as {back[0]}"
        deletions.add_links([(plan.service, plan.digest, now, "back", {"store": old.store, "items": back[:100]})])
        todo = "find out what brings them back (a sync, a queue, a restore); they are planned anew"
        ports.journal.add_task(
            Note("backups-back", f"store {old.store}: {why}", todo, plan.client, plan.service), ports.today()
        )
        deletions.drop_tombstone(plan.service)
        again = replace(seen, state=ItemState.PLANNED, why=why, checks=0, next_check_at=None, attested=None)
        return _with_verdict(ports, replace(plan, state=PlanState.OPEN), again)
    shown = seen if old.state is ItemState.ATTESTED else old  # a listing goes before a person's word
    if found.untouched and shown is old:
        shown = replace(old, why=_come_since(ports, plan, old, found))
    checked = replace(_checked(ports, replace(shown, checks=old.checks)), checked_at=now)
    body = {"store": old.store, "check": checked.checks, "listed": seen.listed, "digest": seen.digest}
    deletions.add_links([(plan.service, plan.digest, now, "verified", body)])
    return _with_verdict(ports, plan, checked)


def _come_since(ports: Ports, plan: DeletionPlan, old: StoreVerdict, found: Found) -> str:
    """Tell staff of what lies there since the deletion and may be the account's: nothing is deleted by a perhaps."""
    first = found.untouched[0]
    why = f"{len(found.untouched)} items that may be its own are left alone: {first.item.locator}, {first.why}"
    if why != old.why:
        todo = f"find out who makes them: whmcs-bridge backups list {plan.service}"
        note = Note("backups-since", f"store {old.store}, after the deletion: {why}", todo, plan.client, plan.service)
        ports.journal.add_task(note, ports.today())
    return why


def _checked(ports: Ports, verdict: StoreVerdict) -> StoreVerdict:
    """Return the verdict after one more look that has changed nothing."""
    checks = verdict.checks + 1
    when = next_check(verdict.state, checks, None, ports.now(), ports.settings.policy.backups)
    return replace(verdict, checks=checks, next_check_at=when)


def _with_verdict(ports: Ports, plan: DeletionPlan, verdict: StoreVerdict) -> DeletionPlan:
    kept = replace(plan, stores=tuple(verdict if s.store == verdict.store else s for s in plan.stores))
    ports.journal.deletions.save_plan(kept)
    return kept


def conclude(ports: Ports, plan: DeletionPlan) -> DeletionPlan:
    """Close a plan whose every store is gone, or attested: the verdict, and a tombstone of numbers and hashes."""
    if not plan.settled or plan.state is not PlanState.OPEN:
        return plan
    now, deletions = ports.now(), ports.journal.deletions
    done = replace(plan, state=PlanState.DONE)
    verdict = "complete" if plan.complete else "attested"
    body = {"verdict": verdict, "stores": {s.store: s.state.value for s in plan.stores}, "items": len(plan.items)}
    hashes = tuple(hash_of(a) for a in plan.accounts if a.username)
    deletions.save_tombstone(Tombstone(plan.service, plan.client, ports.today(), hashes))
    deletions.save_plan(done, [(plan.service, plan.digest, now, "verdict", body)])
    return done


def freeze(ports: Ports, plan: DeletionPlan, why: str, by: FrozenBy = FrozenBy.LIFE) -> None:
    """Stop a plan: the service lives again, or its name does (another end makes another plan), or a hold stands."""
    if plan.state is PlanState.FROZEN and (plan.frozen_by is not FrozenBy.HOLD or by is FrozenBy.HOLD):
        return
    if plan.state not in (PlanState.OPEN, PlanState.FROZEN):
        return
    aside = [s.store for s in plan.stores if s.state is ItemState.QUARANTINED]
    body = {"why": why, "by": by.value, "aside_in": aside}
    frozen = replace(plan, state=PlanState.FROZEN, why=why, frozen_by=by, returned=False)
    ports.journal.deletions.save_plan(frozen, [(plan.service, plan.digest, ports.now(), "frozen", body)])


def thaw(ports: Ports, plan: DeletionPlan) -> None:
    """What froze a plan is over: after a hold the same plan goes on, after a life there has to be another."""
    state, why, stores = PlanState.REPLACED, "what froze it is over", tuple(map(_unsaid, plan.stores))
    if plan.frozen_by is FrozenBy.HOLD:
        state, why, stores = PlanState.OPEN, "", plan.stores
    thawed = replace(plan, state=state, why=why, stores=stores, frozen_by=None)
    link = (plan.service, plan.digest, ports.now(), "thawed", {"was": plan.why, "state": state.value})
    ports.journal.deletions.save_plan(thawed, [link])


def _unsaid(verdict: StoreVerdict) -> StoreVerdict:
    """What a person attested was before the service lived again."""
    if verdict.attested is None:
        return verdict
    return replace(verdict, state=ItemState.UNVERIFIABLE, attested=None)
