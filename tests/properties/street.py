"""Random days in a street of accounts whose backups lie in several stores, and an oracle that knows whose each is.

Accounts are opened, ended, brought back, moved and renamed; names are given away again; resellers have accounts of
their own; panels and stores are away, busy or lie; staff holds, approves and lifts; processes die in the middle. Every
backup is remembered with the service whose it really was, which nothing of the bridge sees.
"""

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hooks import service_delete
from tests.builders import a_record
from tests.house import HOSTING, House
from tests.jobs.shelves import Lie, Names, Shelf
from whmcs_bridge.domain.backups import Probe
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_guard import lift_halt
from whmcs_bridge.jobs.backup_waits import LIVE_PLANS, halted
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.simulator.records import Actor, Service

NAMES = ("bob", "bobby", "bob1", "ann")
HARMLESS_LIES = (Lie.SUCCESS_WITHOUT_EFFECT, Lie.STALE_LIST, Lie.ANSWER_LOST, Lie.NEVER_SENT)
ENDED = (ServiceStatus.TERMINATED, ServiceStatus.CANCELLED)
Key = tuple[str, str]
"""A store, and an item's place in it before any quarantine."""


class Died(BaseException):
    """The process ends here, and nobody catches it."""


@dataclass(slots=True)
class Backup:
    """What is really so about an item."""

    service: int | None
    """Whose it is; None for nobody that WHMCS knows."""
    server: int
    username: str
    identity: str
    """The panel's own id of the account, on the day it was made."""
    kept: bool
    """It is shared, or locked."""
    left_behind: bool
    """It is of an account that stayed on its server after its service had ended: WHMCS's days do not tell of it."""


@dataclass
class Street:
    """A house, its stores and panels, and what happens on each day; `wrong` is what nobody may ever see."""

    seed: int
    story: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    backups: dict[Key, Backup] = field(default_factory=dict)
    taken: set[Key] = field(default_factory=set)
    """What others than the bridge have taken away."""
    seen: dict[str, int] = field(default_factory=dict)
    """Store -> how many of its deletions the oracle has looked at."""
    deleted_records: set[int] = field(default_factory=set)
    tenants: dict[tuple[int, str], int] = field(default_factory=dict)
    """Whose the account of a name on a server is, or last was."""
    below: set[tuple[int, str]] = field(default_factory=set)
    """Accounts of resellers that a panel has told of."""
    fresh: set[int] = field(default_factory=set)
    """Services that no run has seen yet."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        pick = self.random.choice
        self.shelves = [
            Shelf("all", quarantine=pick((True, False)), name_is_all=pick((True, False, False))),
            Shelf("one", servers=(1,), quarantine=pick((True, False))),
            Shelf("two", servers=(2,), async_delete=pick((True, False))),
        ]
        self.panels = [Names("p1", servers=(1,))] + ([Names("p2", servers=(2,))] if pick((True, True, False)) else [])
        self.living: dict[int, Names] = {1: Names("really 1"), 2: Names("really 2")}
        """Who really lives on each server, whether or not a panel is configured that says so."""
        rules = {**HOSTING, "delete_backups_after_days": pick((0, 1, 3))}
        tables = {
            "class": {"hosting": rules},
            "backups": {"quarantine_days": pick((0, 0, 2)), "max_items": pick((500, 3)), "max_percent_of_store": 100},
        }
        self.house = House.of(tables, stores=list(self.shelves))
        self.house.bridge.ports.account_panels = tuple(self.panels)
        self.report: RunReport | None = None
        self.uids = 0
        self.numbers = 0
        self.holds: list[Record] = []

    # --- what happens ------------------------------------------------------------------------------

    def lives(self, days: int) -> None:
        """Let so many days go by, with a run on each; then let everything come to rest."""
        with self.house:
            for _ in range(3):
                self.move_in()
            for _ in range(days):
                for _ in range(self.random.randint(1, 3)):
                    self._something()
                self.back_up()
                self._day()
                if self.wrong:
                    return
            self._rest()

    def _something(self) -> None:
        acts = (
            *(self.move_in, self.end, self.end, self.end, self.come_back, self.move, self.rename, self.open_below),
            *(self.hold, self.lift_hold, self.go_from_panel, self.delete_record),
            *(self.store_trouble, self.panel_trouble, self.lie, self.neighbour, self.die, self.busy, self.approve),
            *(self.lift_halts, self.wait),
        )
        act = self.random.choice(acts)
        told = act()
        if told:
            self.story.append(f"{self.house.today} {act.__name__}: {told}")

    def wait(self) -> str:
        return ""

    def move_in(self) -> str:
        server, name = self.random.choice((1, 2)), self.random.choice(NAMES)
        if self._taken(server, name):
            return ""
        service = self.house.a_service(username=name, server=server, registered=self.house.today)
        self.fresh.add(service.id)
        self._settle_in(service)
        return f"{service.id} as {name} on {server}"

    def end(self) -> str:
        service = self._one(self._living())
        if service is None:
            return ""
        self._status(service, self.random.choice(ENDED))
        if self.random.random() < 0.8:
            self._leave(service.server, service.username)
        return f"{service.id} ({service.username} on {service.server})"

    def come_back(self) -> str:
        service = self._one([s for s in self._known() if s.status in ENDED])
        if service is None or self._taken(service.server, service.username, but=service):
            return ""
        self._status(service, ServiceStatus.ACTIVE)
        if service.username not in self.living[service.server].living_now:
            self._settle_in(service)
        return f"{service.id}"

    def move(self) -> str:
        service = self._one(self._living())
        if service is None or self._taken(3 - service.server, service.username):
            return ""
        self._leave(service.server, service.username)
        service.server = 3 - service.server
        self._settle_in(service)
        return f"{service.id} to {service.server}"

    def rename(self) -> str:
        service, name = self._one(self._living()), self.random.choice(NAMES)
        if service is None or self._taken(service.server, name):
            return ""
        was = self.living[service.server].living_now.pop(service.username, None)
        service.username = name
        self._settle_in(service, identity=was.identity if was is not None else "")
        return f"{service.id} is {name}"

    def open_below(self) -> str:
        """A reseller opens an account of its own, which WHMCS knows nothing of."""
        service = self._one(self._living())
        if service is None:
            return ""
        self.uids += 1
        name = f"sub{self.uids}"
        self.living[service.server].add(name, f"uid-{self.uids}", owner=service.username)
        return f"{name} below {service.username} on {service.server}"

    def hold(self) -> str:
        service = self._one(self._known())
        if service is None:
            return ""
        kind = self.random.choice((RecordKind.HOLD, RecordKind.DISPUTE))
        until = self.house.day(self.random.randint(1, 9))
        record = a_record(kind, self.house.today, until, client=service.client, service=service.id, sort="legal")
        self.holds.append(self.house.bridge.journal.add_record(record))
        return f"{service.id} until {until}"

    def lift_hold(self) -> str:
        if not self.holds:
            return ""
        record = self.holds.pop()
        self.house.bridge.journal.close_record(record.id, RecordState.LIFTED, self.house.today, "over", "staff")
        return f"{record.service_id}"

    def go_from_panel(self) -> str:
        """Somebody removes by hand what a module has left."""
        left = [s for s in self._known() if s.status in ENDED and not self._taken(s.server, s.username)]
        for service in left:
            self._leave(service.server, service.username)
        return ", ".join(str(s.id) for s in left)

    def delete_record(self) -> str:
        service = self._one([s for s in self._known() if s.status in ENDED])
        if service is None or self.random.random() < 0.5:
            return ""
        now = self.house.bridge.clock.now()
        told = HookEvent("ServiceDelete", {"userid": service.client, "serviceid": service.id}, now, Actor.ADMIN)
        service_delete.handle(told, self.house.bridge)
        self.house.world.delete_service(service)
        self.deleted_records.add(service.id)
        return f"{service.id}"

    def store_trouble(self) -> str:
        shelf = self.random.choice(self.shelves)
        shelf.trouble = StoreUnreachable(f"{shelf.name} is away")
        return shelf.name

    def panel_trouble(self) -> str:
        panel = self.random.choice(self.panels)
        panel.trouble = StoreUnreachable(f"{panel.name} is away")
        return panel.name

    def lie(self) -> str:
        shelf = self.random.choice(self.shelves)
        shelf.lie = self.random.choice(HARMLESS_LIES)
        return f"{shelf.name} {shelf.lie}"

    def neighbour(self) -> str:
        if self.random.random() < 0.5:
            return ""
        shelf = self.random.choice(self.shelves)
        shelf.lie = Lie.NEIGHBOUR
        return shelf.name

    def busy(self) -> str:
        shelf = self.random.choice(self.shelves)
        shelf.state = Probe(complete=True, busy=(self.random.choice((*NAMES, "*")),))
        return f"{shelf.name} {shelf.state.busy}"

    def die(self) -> str:
        """The process dies at the next deletion from a store, before or after it was carried out."""
        shelf, after = self.random.choice(self.shelves), self.random.random() < 0.5

        def at(item: Any) -> None:
            shelf.on_delete = None
            if after:
                shelf._remove(item)
            raise Died

        shelf.on_delete = at
        return f"{shelf.name} {'after' if after else 'before'}"

    def approve(self) -> str:
        return ", ".join(self._approve(plan) for plan in self._plans() if plan.waits_for_approval)

    def lift_halts(self) -> str:
        stores = list(halted(self.house.bridge.journal))
        for store in stores:
            lift_halt(self.house.bridge.ports, store, "looked at")
        return ", ".join(stores)

    def back_up(self) -> None:
        """Every account that really lives is backed up, in some of the stores of its server."""
        for server, panel in self.living.items():
            for name, account in panel.living_now.items():
                owner = self.tenants.get((server, account.owner or name))
                for shelf in self.shelves:
                    if shelf.serves(server) and shelf.trouble is None and self.random.random() < 0.4:
                        self._backup(shelf, server, name, account.identity, owner)

    def _backup(self, shelf: Shelf, server: int, name: str, identity: str, owner: int | None) -> None:
        self.numbers += 1
        shared, lock = self.random.random() < 0.05, "hold" if self.random.random() < 0.03 else ""
        item = shelf.put(name, f"{self.numbers}", self.house.today, size=self.numbers, shared=shared, lock=lock)
        lives = owner is not None and owner in {s.id for s in self.house.world.services.values() if _active(s)}
        made = Backup(owner, server, name, identity, kept=shared or bool(lock), left_behind=not lives)
        self.backups[shelf.name, item.locator] = made

    # --- a day, and what may be seen of it -------------------------------------------------------------

    def _day(self) -> None:
        for panel in self.panels:
            panel.living_now = dict(self.living[panel.servers[0]].living_now)
            if panel.trouble is None:
                self._told_below(panel)
        died = False
        try:
            self.report = self.house.next_day()
        except Died:
            died = True
            self.story.append(f"{self.house.today} died")
        self._vanished(died=died)
        self.look()
        for shelf in self.shelves:
            shelf.lie = shelf.trouble = shelf.on_delete = shelf._stale = None
            shelf.state = Probe(complete=True)
            shelf.work_off()
        for panel in self.panels:
            panel.trouble = None
        self.fresh.clear()

    def _told_below(self, panel: Names) -> None:
        """What resellers have below them is known from a panel alone, and while their own service lives."""
        [server] = panel.servers
        for name, account in panel.living_now.items():
            if account.owner and self._taken(server, account.owner):
                self.below.add((server, name))

    def _vanished(self, *, died: bool) -> None:
        """What a lying store took beside what it was told: the run that has seen it stops everything there."""
        halts = halted(self.house.bridge.journal)
        for shelf in self.shelves:
            lost = {k for k in self.backups if k[0] == shelf.name} - self._held(shelf) - self._gone(shelf) - self.taken
            self.taken |= lost
            if lost and shelf.lie is not Lie.NEIGHBOUR:
                self.wrong.append(f"{sorted(lost)} vanished, and nothing says that they were deleted")
            if lost and shelf.name not in halts and not died:
                self.wrong.append(f"{sorted(lost)} vanished, and nothing halts")

    def look(self) -> None:
        """The oracle: whatever was deleted was an ended service's own, unprotected, and stands so in the evidence."""
        told = self._told()
        for shelf in self.shelves:
            deleted = [*map(_original, shelf.deleted), *(_original(i.locator) for i in shelf.tasks.values())]
            for locator in deleted[self.seen.get(shelf.name, 0) :]:
                key = (shelf.name, locator)
                fault = self._fault(self.backups[key], told.get(key))
                if fault:
                    self.wrong.append(f"{key} of {self.backups[key]} was deleted: {fault}")
            self.seen[shelf.name] = len(deleted)

    def _fault(self, one: Backup, by: set[int] | None) -> str:
        if one.service is None:
            return "it is nobody's"
        if one.kept:
            return "it is shared or locked"
        service = self.house.world.services.get(one.service)
        if service is not None and service.status not in ENDED:
            return "its service lives"
        now = self.living[one.server].living_now.get(one.username)
        if self._panel_of(one.server) and now is not None and now.identity == one.identity:
            return "its account lives on the panel"
        if one.left_behind:
            return ""
        if by is not None and one.service not in by:
            return f"by a plan of {sorted(by)}"
        records = self.house.bridge.journal.records()
        if any(r.service_id == one.service and r.protects_on(self.house.today) for r in records):
            return "a hold or a dispute stands"
        return ""

    def _panel_of(self, server: int) -> bool:
        return any(server in panel.servers for panel in self.panels)

    def _told(self) -> dict[Key, set[int]]:
        """Whose plans the evidence says deleted an item."""
        found: dict[Key, set[int]] = {}
        for service in {b.service for b in self.backups.values() if b.service is not None}:
            for link in self.house.bridge.journal.deletions.links(ServiceId(service)):
                body = json.loads(link.body)
                items = body["items"] if link.kind == "plan" else ()
                for item in items:
                    found.setdefault((item["store"], _original(item["locator"])), set()).add(service)
        return found

    # --- the end ------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Everybody does their part, and nothing disturbs: what an ended service had is gone, or named with why."""
        while self.holds:
            self.lift_hold()
        for _ in range(8):
            self.go_from_panel()
            self.lift_halts()
            self.approve()
            self._day()
        if not self.wrong:
            for number in sorted({b.service for b in self.backups.values() if b.service is not None}):
                self._accounted(number)
        if (broken := self.house.bridge.journal.deletions.broken_at()) != "":
            self.wrong.append(f"the evidence is broken: {broken}")

    def _accounted(self, number: int) -> None:
        service = self.house.world.services.get(number)
        if service is not None and service.status not in ENDED:
            return
        held = {key for shelf in self.shelves for key in self._held(shelf)}
        left = {
            key for key, one in self.backups.items() if one.service == number and key in held and self._knowable(one)
        }
        plan = self.house.bridge.journal.deletions.plan_of(ServiceId(number))
        if left and self._why_not(number):
            return
        if plan is None or plan.state is PlanState.FROZEN:
            if left and not (plan is not None and plan.why):
                self.wrong.append(f"{sorted(left)} of {number} are left, with no plan and no reason")
            return
        named = {(u.item.store, _original(u.item.locator)) for u in plan.untouched}
        named |= {(p.item.store, _original(p.item.locator)) for p in plan.items if not p.state.gone}
        if not left <= named:
            self.wrong.append(f"{sorted(left - named)} of {number} are left and not named: {_shown(plan)}")
        if left and plan.complete:
            self.wrong.append(f"{sorted(left)} of {number} are left, and it is called complete")

    def _knowable(self, one: Backup) -> bool:
        return not one.left_behind and (not one.username.startswith("sub") or (one.server, one.username) in self.below)

    def _why_not(self, number: int) -> str:
        """A reason beside a plan's own: what the last run withheld or left; what a deleted record leaves to staff."""
        if number in self.deleted_records:
            codes = {t.code for t in self.house.bridge.journal.tasks() if t.service == number}
            return ", ".join(codes & {"service-deleted", "backups-of-deleted"})
        if self.report is None:
            return ""
        left = [
            r.note for r in self.report.results if r.step.service == number and "lives on the same server" in r.note
        ]
        return "; ".join([*left, *(h.withheld.why for h in self.report.plan.withheld if h.service == number)])

    # --- small pieces ---------------------------------------------------------------------------------

    def _known(self) -> list[Service]:
        return [s for s in self.house.world.services.values() if s.id not in self.fresh]

    def _living(self) -> list[Service]:
        return [s for s in self._known() if s.status == ServiceStatus.ACTIVE]

    def _one(self, found: list[Service]) -> Service | None:
        return self.random.choice(found) if found else None

    def _taken(self, server: int, name: str, but: Service | None = None) -> bool:
        """A living service has the name there."""
        return any(
            s.server == server and s.username == name and s.status == ServiceStatus.ACTIVE and s is not but
            for s in self.house.world.services.values()
        )

    def _settle_in(self, service: Service, identity: str = "") -> None:
        self.uids += 1
        server, name = service.server, service.username
        self.tenants[server, name] = service.id
        given = identity or (f"uid-{self.uids}" if self.random.random() < 0.8 else "")
        self.living[server].add(name, given)

    def _leave(self, server: int, name: str) -> None:
        """An account goes from its server, and with it what it has below it."""
        there = self.living[server].living_now
        for gone in [name, *(n for n, account in there.items() if account.owner == name)]:
            there.pop(gone, None)

    def _status(self, service: Service, status: ServiceStatus) -> None:
        with self.house.world.acting(Actor.ADMIN):
            self.house.world.set_service_status(service, status, recorded=True)

    def _plans(self) -> list[DeletionPlan]:
        return list(self.house.bridge.journal.deletions.plans(LIVE_PLANS))

    def _approve(self, plan: DeletionPlan) -> str:
        approved = replace(plan, approved_by="owner", approved_at=self.house.bridge.clock.now())
        self.house.bridge.journal.deletions.save_plan(approved)
        return plan.digest[:8]

    def _held(self, shelf: Shelf) -> set[Key]:
        return {(shelf.name, _original(i.locator)) for i in shelf.held.values()}

    def _gone(self, shelf: Shelf) -> set[Key]:
        return {(shelf.name, _original(locator)) for locator in shelf.deleted}

    @property
    def deletions(self) -> int:
        """How many backups went."""
        return sum(len(shelf.deleted) for shelf in self.shelves)


def _active(service: Service) -> bool:
    return service.status == ServiceStatus.ACTIVE


def _original(locator: str) -> str:
    return locator.split("/", 2)[2] if locator.startswith(".quarantine/") else locator


def _shown(plan: DeletionPlan) -> str:
    stores = ", ".join(f"{s.store} {s.state.value} {s.why}" for s in plan.stores)
    return f"{plan.state.value} {plan.why} ({stores})"
