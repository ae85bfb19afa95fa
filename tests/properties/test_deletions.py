"""Random stores, histories and kill points: nothing but what a plan names is deleted, and what is left has a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.crash.place import DELETED
from tests.house import settings_of
from tests.jobs.shelves import Lie, Names, Shelf
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs.backup_carry import carry
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import subject_for_accounts
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror

TODAY = date(2025, 6, 1)
TARGET = ServiceId(1)
NAMES = ("bob", "bobby", "bob1")
MIRROR = SqliteMirror()
"""Of nobody: whose the accounts are is in the journal."""
SETTINGS = settings_of({"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}})


class Killed(BaseException):
    """The process dies here: nothing after it runs, and nobody catches it."""


@dataclass
class Fixed:
    """A clock that a test moves."""

    at: datetime = datetime(2025, 6, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Doom:
    """Counts boundaries, and kills at one of them."""

    at: int = -1
    met: int = 0

    def cross(self) -> None:
        self.met += 1
        if self.met == self.at:
            raise Killed


class Doomed:
    """Something whose methods are boundaries, one before and one after each."""

    def __init__(self, inner: Any, methods: Sequence[str], doom: Doom) -> None:
        self._inner, self._methods, self._doom = inner, methods, doom

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "deletions":
            return Doomed(found, tuple(DELETED), self._doom)
        if name not in self._methods:
            return found

        def around(*args: Any, **more: Any) -> Any:
            self._doom.cross()
            value = found(*args, **more)
            self._doom.cross()
            return value

        return around


@dataclass
class Town:
    """Stores, who had which name when, and whose each item really is."""

    shelves: list[Shelf]
    tenures: list[AccountIdentity]
    owner: dict[tuple[str, str], ServiceId | None] = field(default_factory=dict)
    panel: Names | None = None
    journal: SqliteJournal = field(default_factory=SqliteJournal)
    clock: Fixed = field(default_factory=Fixed)

    def ports(self, doom: Doom) -> Ports:
        stores = tuple(Doomed(s, ("delete", "quarantine"), doom) for s in self.shelves)
        return Ports(
            settings=SETTINGS,
            panel=cast(Any, None),
            mirror=MIRROR,
            journal=cast(Any, Doomed(self.journal, ("put", "add_task"), doom)),
            clock=self.clock,
            stores=cast(Any, stores),
            account_panels=(self.panel,) if self.panel is not None else (),
        )

    def run(self, doom: Doom) -> DeletionPlan | None:
        """One run's deletion of the target; None where it stopped with a reason or died."""
        ports = self.ports(doom)
        accounts = [a for a in self.tenures if a.service == TARGET]
        try:
            return carry(ports, subject_for_accounts(ports, TARGET, ClientId(1), accounts), TODAY, lambda: True)
        except (Killed, BridgeError):
            return None

    @property
    def gone(self) -> set[tuple[str, str]]:
        return {(shelf.name, locator) for shelf in self.shelves for locator in map(_original, shelf.deleted)}

    def held(self) -> set[tuple[str, str]]:
        return {(s.name, _original(i.locator)) for s in self.shelves for i in s.held.values()}


def _original(locator: str) -> str:
    return locator.split("/", 2)[2] if locator.startswith(".quarantine/") else locator


def _tenure(service: int, name: str, since: date, days: int) -> AccountIdentity:
    ends = since + timedelta(days=days)
    until = None if ends >= TODAY and service != TARGET else min(ends, TODAY)
    return AccountIdentity(ServiceId(service), ClientId(service), 1, name, f"{name}.example.com", since, until)


@st.composite
def towns(draw: st.DrawFn) -> Town:
    days = st.integers(0, 400)
    tenures = []
    for service in range(1, draw(st.integers(2, 4)) + 1):
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)):
            since = TODAY - timedelta(days=draw(st.integers(1, 500)))
            tenures.append(_tenure(service, name, since, draw(days)))
    flags = st.booleans()
    shelves = [
        Shelf(f"s{n}", quarantine=draw(flags), async_delete=draw(flags), name_is_all=draw(flags))
        for n in range(draw(st.integers(1, 3)))
    ]
    town = Town(shelves, tenures)
    town.panel = Names() if draw(flags) else None
    for number in range(draw(st.integers(0, 14))):
        shelf = draw(st.sampled_from(shelves))
        tenure = draw(st.sampled_from([*tenures, None]))
        if tenure is None:  # nobody's that we know, at any time
            item = shelf.put(draw(st.sampled_from((*NAMES, "eve"))), f"{number}", TODAY - timedelta(days=900))
            town.owner[shelf.name, item.locator] = None
            continue
        last = tenure.until or TODAY
        since = tenure.since or last
        made = since + timedelta(days=draw(st.integers(0, max(0, (last - since).days))))
        item = shelf.put(tenure.username, f"{number}", made, shared=draw(st.integers(0, 9)) == 0)
        town.owner[shelf.name, item.locator] = tenure.service
        if draw(st.integers(0, 9)) == 0:
            shelf.held[(item.locator, "")] = _locked(item)
    town.journal.deletions.save_accounts(tenures)
    return town


def _locked(item: BackupItem) -> BackupItem:
    return BackupItem(item.store, item.locator, item.size, item.at, etag=item.etag, account=item.account, lock="hold")


def _settled(town: Town) -> DeletionPlan:
    """Let runs go on, undisturbed, until nothing moves any more."""
    for _ in range(4):
        for shelf in town.shelves:
            shelf.lie = None
            shelf.work_off()
        plan = town.run(Doom())
    assert plan is not None
    return plan


def _only_the_targets_own(town: Town) -> None:
    foreign = {key for key in town.gone if town.owner[key] != TARGET}
    assert not foreign, f"deleted what was not the service's: {sorted(foreign)}"


def _everything_accounted_for(town: Town, plan: DeletionPlan) -> None:
    """What the service owns and is still there is named with a reason, and then the whole is not called complete."""
    left = {key for key in town.held() if town.owner.get(key) == TARGET}
    named = {(u.item.store, _original(u.item.locator)) for u in plan.untouched}
    named |= {(p.item.store, _original(p.item.locator)) for p in plan.items if not p.state.gone}
    assert left <= named
    assert not (left and plan.complete)
    assert plan.complete == (plan.state is PlanState.DONE)


def _planned(town: Town, also: Callable[[str], bool] = lambda _: False) -> None:
    """Every deletion stands in the evidence of a plan that was frozen before it."""
    import json

    links = list(town.journal.deletions.links(TARGET))
    planned = {
        (item["store"], _original(item["locator"]))
        for link in links
        if link.kind == "plan"
        for item in json.loads(link.body)["items"]
    }
    assert town.gone <= planned
    assert town.journal.deletions.broken_at() == ""


FAST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@FAST
@given(towns())
def test_only_the_services_own_goes_and_the_rest_has_a_reason(town: Town) -> None:
    plan = _settled(town)
    _only_the_targets_own(town)
    _everything_accounted_for(town, plan)
    _planned(town)


@FAST
@given(towns(), st.lists(st.integers(1, 60), min_size=1, max_size=4), st.data())
def test_a_process_that_dies_anywhere_deletes_nothing_else_and_ends_in_the_same_verdicts(
    town: Town, deaths: list[int], data: st.DataObject
) -> None:
    for at in deaths:
        for shelf in town.shelves:
            shelf.lie = data.draw(st.sampled_from((None, None, Lie.ANSWER_LOST, Lie.NEVER_SENT)))
        town.run(Doom(at))
        _only_the_targets_own(town)
    plan = _settled(town)
    _only_the_targets_own(town)
    _everything_accounted_for(town, plan)
    _planned(town)


@FAST
@given(towns(), st.sampled_from((Lie.SUCCESS_WITHOUT_EFFECT, Lie.STALE_LIST, Lie.EMPTY_LIST)))
def test_a_lie_is_never_taken_for_an_end_while_a_listing_can_show_otherwise(town: Town, lie: Lie) -> None:
    before = town.held()
    for shelf in town.shelves:
        shelf.lie = lie
    plan = town.run(Doom())
    if plan is not None and lie is not Lie.EMPTY_LIST:
        asked = any(a.startswith("delete") for shelf in town.shelves for a in shelf.asked)
        assert not (asked and plan.complete)
    assert town.held() == before
    _everything_accounted_for(town, _settled(town))
    _only_the_targets_own(town)
