"""Put back what a deletion has moved aside: a frozen plan leaves its service's backups where they lay before."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from whmcs_bridge.domain.backups import BackupItem, Outcome, Receipt
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState, PlannedItem, StoreVerdict, key_of
from whmcs_bridge.errors import StoreTrouble
from whmcs_bridge.jobs.backup_look import Look, Subject, look_at, root_of, serving
from whmcs_bridge.jobs.backup_plan import item_json
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.policy.ownership import lies_aside, same_content
from whmcs_bridge.ports import BackupStore

PUT_BACK = "put back"
REFUSED = (Outcome.REFUSED, Outcome.GONE_BEFORE)
"""Answers that another run does not change: a person has to look."""


def give_back(ports: Ports, subject: Subject, plan: DeletionPlan) -> tuple[DeletionPlan, list[str]]:
    """Move everything back that plans of this service have moved aside; return the plan, and what is still to do.

    It goes by what the stores list, so a run that died is taken up by the next one. What has no place to go back to is
    a task, and so is a store that holds something aside and is none of the settings now. The plan counts as returned
    once every store was seen whole and nothing else is left aside.
    """
    problems: list[str] = []
    aside = _stores_with_some_aside(subject, plan)
    reached: set[tuple[str, str]] = set()
    for store in serving(ports, subject.accounts):
        reached.add((store.kind, root_of(store)))
        if not _moves(store) and store.name not in aside:
            continue
        if store.name in halted(ports.journal):
            problems.append(f"store {store.name} stands still: what lies aside there is not put back yet")
            continue
        look = look_at(store, subject.accounts, ports.settings.policy.backups)
        if look.trouble:
            problems.append(f"store {store.name}: {look.trouble}")
            continue
        one = _Return(ports, subject, plan, look)
        problems += one.work()
        plan = one.plan
    away = [name for name, place in aside.items() if place not in reached]
    problems += [_out_of_reach(ports, plan, name) for name in away]
    plan = replace(plan, returned=not problems)
    ports.journal.deletions.save_plan(plan)
    told = f"what was moved aside of service {plan.service} could not be put back"
    return plan, [f"{told}: {problem}" for problem in problems]


def _stores_with_some_aside(subject: Subject, plan: DeletionPlan) -> dict[str, tuple[str, str]]:
    """Return kind and root of each store in which the plan has something aside, as far as the journal knows.

    Of a store that left the settings before the plan was made, only earlier plans name the items.
    """
    found = {row.item.store for row in plan.items if row.aside is not None and not row.state.gone}
    left = {verdict.store: verdict for verdict in plan.stores if verdict.left_settings}
    if left:
        earlier = (p for digest in subject.own_plans for p in subject.plans_named(digest) if p.service == plan.service)
        rows = (row for p in earlier for row in p.items if row.aside is not None and not row.state.gone)
        names = {row.item.store for row in rows}
        found |= {n for n, v in left.items() if n in names or n.removesuffix(f" (was {v.root})") in names}
    verdicts = {name: _verdict(plan, name) for name in sorted(found)}
    return {name: (verdict.kind, verdict.root) for name, verdict in verdicts.items()}


def _out_of_reach(ports: Ports, plan: DeletionPlan, store: str) -> str:
    """Tell staff of what nobody looks at: it is the client's, and lies where no backup is looked for."""
    root = _verdict(plan, store).root
    text = f"store {store}: backups of service {plan.service} lie aside at {root or 'a place never read'}"
    text += ", and no store of the settings is there now"
    todo = "put the store back into the settings: the next run puts them back in their place"
    ports.journal.add_task(Note("backups-aside", text, todo, plan.client, plan.service), ports.today())
    return f"store {store} is none of its stores any more, and some of it lies aside there"


def _moves(store: BackupStore) -> bool:
    try:
        return store.caps.quarantine
    except StoreTrouble:
        return True  # it cannot be opened: looking at it says why


class _Return:
    """One store's part of it."""

    def __init__(self, ports: Ports, subject: Subject, plan: DeletionPlan, look: Look) -> None:
        self.ports, self.subject, self.plan, self.look = ports, subject, plan, look
        self.store = look.store
        self.back: list[BackupItem] = []
        self.refused: list[tuple[BackupItem, Receipt]] = []

    def work(self) -> list[str]:
        """Return what another run has to do."""
        problems: list[str] = []
        for item in self._aside():
            number = self._row_of(item)
            if number is not None:
                self._save(number, replace(self.plan.items[number], aside=item, note="putting back"))
            try:
                receipt = self.store.put_back(item)
            except StoreTrouble as error:
                problems.append(str(error))  # moved or not: the next listing tells
                break
            self._note(item, number, receipt)
            if receipt.outcome is not Outcome.PUT_BACK and receipt.outcome not in REFUSED:
                problems.append(f"{item.locator}: {receipt.note or receipt.outcome.value}")
        self._found_in_place()
        problems += self._look_again()
        self._tell()
        return problems

    def _aside(self) -> Iterator[BackupItem]:
        return (item for item in self.look.items if item.quarantine and item.quarantine in self.subject.own_plans)

    def _row_of(self, item: BackupItem) -> int | None:
        """The row of the plan that it is; None where an earlier plan had moved it."""
        for number, row in self._rows():
            if row.aside is not None and key_of(row.aside) == key_of(item):
                return number
        keys = self.look.keys
        return next((n for n, r in self._rows() if r.aside is None and r.key not in keys and lies_aside(r, item)), None)

    def _rows(self) -> Iterator[tuple[int, PlannedItem]]:
        return ((n, p) for n, p in enumerate(self.plan.items) if p.item.store == self.store.name)

    def _note(self, item: BackupItem, number: int | None, receipt: Receipt) -> None:
        there = receipt.item if receipt.outcome is Outcome.PUT_BACK else None
        if there is not None:
            self.back.append(there)
        elif receipt.outcome in REFUSED:
            self.refused.append((item, receipt))
        self._link(item, receipt.outcome, receipt.note, there)
        if number is not None:
            self._save(number, _after(self.plan.items[number], receipt))

    def _found_in_place(self) -> None:
        """A run died between moving an item back and writing it down."""
        keys = self.look.keys
        for number, row in list(self._rows()):
            here = keys.get(row.key)
            if here is None or row.aside is None or row.item.quarantine or key_of(row.aside) in keys:
                continue
            if same_content(row.item, here):
                receipt = Receipt(Outcome.PUT_BACK, "found in its place", item=here)
                self._link(row.aside, receipt.outcome, receipt.note, here)
                self._save(number, _after(row, receipt))
                self.back.append(here)

    def _look_again(self) -> list[str]:
        """An answer is no evidence: a listing has to show what was moved."""
        if not self.back:
            return []
        after = look_at(self.store, self.subject.accounts, self.ports.settings.policy.backups)
        if after.trouble:
            return [after.trouble]
        missing = [item.locator for item in self.back if key_of(item) not in after.keys]
        return [f"{len(missing)} items are not listed in their place, such as {missing[0]}"] if missing else []

    def _link(self, item: BackupItem, outcome: Outcome, note: str, there: BackupItem | None) -> None:
        body = {**item_json(item), "answer": outcome.value, "by": self.ports.actor}
        more = {"note": note, "to": there.locator if there is not None else ""}
        body |= {name: value for name, value in more.items() if value}
        link = (self.plan.service, self.plan.digest, self.ports.now(), "put-back", body)
        self.ports.journal.deletions.add_links([link])

    def _save(self, number: int, row: PlannedItem) -> None:
        self.ports.journal.deletions.save_items(self.plan.number, {number: row})
        items: Sequence[PlannedItem] = self.plan.items
        self.plan = replace(self.plan, items=(*items[:number], row, *items[number + 1 :]))

    def _tell(self) -> None:
        plan, journal, today, store = self.plan, self.ports.journal, self.ports.today(), self.store.name
        if self.back:
            text = f"store {store}: {len(self.back)} backups of service {plan.service} were put back: {plan.why}"
            said = replace(_verdict(plan, store), state=ItemState.PLANNED, until=None, why=f"put back: {plan.why}")
            self.plan = replace(plan, stores=tuple(said if s.store == store else s for s in plan.stores))
            todo = f"nothing; the records: whmcs-bridge backups evidence {plan.service}"
            journal.add_task(Note("backups-put-back", text, todo, plan.client, plan.service), today)
        if self.refused:
            item, receipt = self.refused[0]
            text = f"store {store}: {len(self.refused)} backups of service {plan.service} lie aside and cannot be put"
            text += f" back, such as {item.locator}: {receipt.note or receipt.outcome.value}"
            todo = "compare it with what lies in its place, and move it by hand"
            journal.add_task(Note("backups-aside", text, todo, plan.client, plan.service), today)


def _verdict(plan: DeletionPlan, store: str) -> StoreVerdict:
    return plan.store(store) or StoreVerdict(store)


def _after(row: PlannedItem, receipt: Receipt) -> PlannedItem:
    if receipt.outcome is Outcome.PUT_BACK:
        return replace(row, state=ItemState.PLANNED, aside=None, note=PUT_BACK, until=None)
    return replace(row, state=ItemState.REFUSED, note=receipt.note or receipt.outcome.value)
