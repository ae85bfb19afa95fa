"""Random stores, histories and kill points: nothing but what a plan names is deleted, and what is left has a reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backups.mutants import take_away
from tests.crash.place import DELETED
from tests.effort import SOAK, examples
from tests.house import settings_of
from tests.jobs.shelves import Lie, Names, Shelf
from tests.properties.street import Street
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Claim, Receipt, Verdict
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs import backup_look, erase
from whmcs_bridge.jobs.backup_carry import _Worker, carry
from whmcs_bridge.jobs.backup_guard import lift_halt
from whmcs_bridge.jobs.backup_waits import halted
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import subject_for_accounts
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.mirror import SqliteMirror
from whmcs_bridge.policy import ownership, protections
from whmcs_bridge.policy.ownership import PANEL_ID

TODAY = date(2025, 6, 1)
TARGET = ServiceId(1)
NAMES = ("bob", "bobby", "bob1")
MIRROR = SqliteMirror()
"""Of nobody: whose the accounts are is in the journal."""
HOSTING = {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}
SETTINGS = {
    days: settings_of({"class": HOSTING, "backups": {"quarantine_days": days, "max_percent_of_store": 100}})
    for days in (0, 2)
}


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
    panels: tuple[Names, ...] = ()
    quarantine_days: int = 0
    journal: SqliteJournal = field(default_factory=SqliteJournal)
    clock: Fixed = field(default_factory=Fixed)

    def ports(self, doom: Doom) -> Ports:
        stores = tuple(Doomed(s, ("delete", "quarantine"), doom) for s in self.shelves)
        return Ports(
            settings=SETTINGS[self.quarantine_days],
            panel=cast(Any, None),
            mirror=MIRROR,
            journal=cast(Any, Doomed(self.journal, ("put", "add_task"), doom)),
            clock=self.clock,
            stores=cast(Any, stores),
            account_panels=self.panels,
        )

    def run(self, doom: Doom) -> DeletionPlan | None:
        """One run's deletion of the target, a day later; None where it stopped with a reason or died."""
        self.clock.at += timedelta(days=1)
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


def _tenure(service: int, name: str, server: int, since: date, days: int, *, known: bool) -> AccountIdentity:
    ends = since + timedelta(days=days)
    until = None if ends >= TODAY and service != TARGET else min(ends, TODAY)
    proofs = {PANEL_ID: f"uid-{service}"} if known else {}
    return AccountIdentity(
        ServiceId(service), ClientId(service), server, name, f"{name}.example.com", since, until, proofs
    )


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Services that have had names on two servers, some of which live; panels that say so, or none; several stores."""
    flags, servers = st.booleans(), st.sampled_from((1, 1, 2))
    tenures = []
    for service in range(1, draw(st.integers(2, 4)) + 1):
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)):
            since = TODAY - timedelta(days=draw(st.integers(1, 500)))
            days = draw(st.integers(0, 400))
            tenures.append(_tenure(service, name, draw(servers), since, days, known=draw(flags)))
    shelves = [
        Shelf(
            f"s{n}",
            draw(st.sampled_from(((), (), (1,), (2,)))),
            quarantine=draw(flags),
            async_delete=draw(flags),
            name_is_all=draw(flags),
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    town = Town(shelves, tenures, quarantine_days=draw(st.sampled_from((0, 0, 2))))
    town.panels = tuple(_panel(server, tenures) for server in (1, 2) if draw(flags))
    for number in range(draw(st.integers(0, 14))):
        shelf = draw(st.sampled_from(shelves))
        tenure = draw(st.sampled_from([*tenures, None]))
        if tenure is None:  # nobody's that we know, at any time
            item = shelf.put(draw(st.sampled_from((*NAMES, "eve"))), f"{number}", TODAY - timedelta(days=900))
            town.owner[shelf.name, item.locator] = None
            continue
        if not shelf.serves(tenure.server):
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


def _panel(server: int, tenures: Sequence[AccountIdentity]) -> Names:
    """Who lives on a server: every account that has not ended."""
    panel = Names(f"p{server}", servers=(server,))
    for tenure in tenures:
        if tenure.server == server and tenure.until is None:
            panel.add(tenure.username, tenure.proofs.get(PANEL_ID, ""))
    return panel


def _locked(item: BackupItem) -> BackupItem:
    return BackupItem(item.store, item.locator, item.size, item.at, etag=item.etag, account=item.account, lock="hold")


def _settled(town: Town) -> DeletionPlan | None:
    """Let runs go on, undisturbed, until nothing moves any more; None where somebody else lives under a name of it."""
    plan = None
    for _ in range(6):
        for shelf in town.shelves:
            shelf.lie = None
            shelf.work_off()
        for store in halted(town.journal):
            lift_halt(town.ports(Doom()), store, "looked at")
        plan = town.run(Doom())
    names = {(a.server, a.username) for a in town.tenures if a.service == TARGET}
    shown = {(panel.servers[0], name) for panel in town.panels for name in panel.living_now}
    assert plan is not None or names & shown
    return plan


def _only_the_targets_own(town: Town) -> None:
    foreign = {key for key in town.gone if town.owner[key] != TARGET}
    assert not foreign, f"deleted what was not the service's: {sorted(foreign)}"


def _everything_accounted_for(town: Town, plan: DeletionPlan | None) -> None:
    """What the service owns and is still there is named with a reason, and then the whole is not called complete."""
    if plan is None:
        return
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


FAST = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


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


# --- whole days, through whole runs ---------------------------------------------------------------------

DAYS = 14


@pytest.mark.parametrize("seed", range(10 * SOAK))
def test_over_days_of_ends_moves_and_second_lives_only_an_ended_service_s_own_goes(seed: int) -> None:
    """Names given away again, un-terminations, resellers, two servers, holds, approvals, panels, lies and deaths."""
    street = Street(seed)
    street.lives(DAYS)
    assert not street.wrong, f"seed {seed}: {street.wrong}\n" + "\n".join(street.story)


def by_a_beginning(self: Shelf, item: BackupItem, account: AccountIdentity) -> Claim:
    """A store's claim that takes bobby's for bob's."""
    mine = bool(account.username) and item.account.startswith(account.username)
    return Claim(Verdict.MINE if mine else Verdict.NOT_MINE, ("name",))


def take_another_as_well(self: Shelf, item: BackupItem) -> Receipt:
    """A store that takes a neighbour's too, and tells nobody."""
    receipt = DELETE(self, item)
    other = next((i for i in self.held.values() if i.account != item.account), None)
    if other is not None:
        del self.held[other.locator, ""]
    return receipt


DELETE = Shelf.delete


@pytest.mark.parametrize(
    ("what", "first", "patch"),
    [
        ("by a plan of", 11, lambda patch: patch.setattr(Shelf, "claim", by_a_beginning)),
        ("nothing says that they were deleted", 0, lambda patch: patch.setattr(Shelf, "delete", take_another_as_well)),
        (
            "its account lives on the panel",
            0,
            lambda patch: take_away(
                patch,
                (
                    (backup_look.ask_panels, "same_account(account, found) is not False", "False"),
                    (ownership._by_name_and_time, "    if lives is not None:", "    if False:"),
                ),
            ),
        ),
        (
            "a hold or a dispute stands",
            1,
            lambda patch: take_away(
                patch,
                (
                    (protections.hold, "effect_of(step) not in HARMS", "effect_of(step) not in TAKES_DOWN"),
                    (protections.disputed, "if record.protects_on(view.today):", "if False:"),
                    (erase.held_by_record, "record.kind in (RecordKind.HOLD, RecordKind.DISPUTE)", "False"),
                ),
            ),
        ),
        (
            "it is called complete",
            0,
            lambda patch: take_away(patch, ((_Worker._state, "        if left:", "        if False:"),)),
        ),
    ],
)
def test_the_oracle_sees_it(what: str, first: int, patch: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Each thing that may never be is seen where somebody does it: the days above are no test without that."""
    with pytest.MonkeyPatch.context() as guards:
        patch(guards)
        for seed in (first, *range(40)):  # the first is one that has shown it
            street = Street(seed)
            street.lives(DAYS)
            if any(what in wrong for wrong in street.wrong):
                return
    pytest.fail(f"nobody has seen that {what}")
