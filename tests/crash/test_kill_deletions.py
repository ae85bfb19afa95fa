"""A deletion of backups killed at any step: the next run comes to the same verdicts, and nobody else loses anything.

The stores are a real disk, a real sshd and moto's server behind their own drivers; they outlive the runs that die.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

import commands.backups
import commands.show  # noqa: F401 (read before the fork, and not by every child)
from commands import cli
from commands.app import App
from tests.backups.sshd import program, running_sshd
from tests.crash.media import ASKED, Bucket, Disk, Machine, Media, Medium, moto
from tests.crash.place import NOWHERE, Kill, Place, Run, Trial
from tests.crash.test_kill import differences
from tests.effort import SOAK
from tests.house import HOSTING, House
from tests.needs import stop_without
from whmcs_bridge.backups.names import split_quarantine
from whmcs_bridge.backups.names_panel import NamesPanel
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.deletions import DeletionPlan
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.journal import SqliteJournal

KEPT_DAYS = 2
SEEDS = range(4 if SOAK < 3 else 70 * SOAK)
KILLS = {"disk": 8, "bucket": 5, "box": 3}
"""Kills for each seed by the slowest of its stores; where all are in play, two."""
BY_HAND = 8 if SOAK < 3 else 300
NEIGHBOURS = ("bob1", "bobby", "al")
LIVING, ENDED = NEIGHBOURS[:2], ("bob", "carol")
USERS = "users"
"""The panel's list of who lives."""
PLACES = (
    "2025-02-09/accounts/{}.tar.gz",
    "weekly/2025-02-02/accounts/{}.tar.gz",
    "monthly/2025-01-01/accounts/{}.tar.gz",
    "2025-02-08/accounts/{}-=-meta",
)
TREE = "2025-02-07/accounts/{}/"
IN_TREE = ("homedir/index.html", "homedir/mail/1", "homedir/mail/2", "mysql.sql", "version")
NOBODYS = ("2025-02-09/system/passwd.tar.gz", "notes.txt", "2025-02-09/accounts/.master.meta")


def paths_of(user: str, chance: Random) -> list[str]:
    """Some backups of an account, one of them a folder."""
    files = [place.format(user) for place in chance.sample(PLACES, chance.randint(1, 3))]
    return files + [TREE.format(user) + name for name in chance.sample(IN_TREE, chance.randint(1, len(IN_TREE)))]


@dataclass
class Story:
    """What a seed makes: who ends, in which stores, and whether planned ahead and quarantined."""

    chance: Random
    stores: Sequence[Medium]
    ended: Sequence[str]
    foreseen: bool
    quarantine_days: int
    workers: int = 1
    approved: bool = False
    """A person has to approve the plan."""
    media: Media = field(init=False)

    def __post_init__(self) -> None:
        users = (*self.ended, *NEIGHBOURS)
        paths = {m.name: [p for user in users for p in paths_of(user, self.chance)] for m in self.stores}
        self.media = Media(self.stores, {name: [*found, *NOBODYS] for name, found in paths.items()})

    @classmethod
    def of(cls, seed: int, media: Sequence[Medium]) -> "Story":
        """Seeds go through the stores one by one, then two and three of them together."""
        chance = Random(seed)
        disk, box, bucket = media
        sets = ((disk,), (box,), (bucket,), media, (disk,), (bucket,), (disk, bucket), (disk,))
        return cls(
            chance,
            stores := sets[seed % len(sets)],
            ENDED[:1] if len(stores) == 3 else ENDED[: 1 + seed % 2],
            foreseen=chance.random() < 0.4,
            quarantine_days=int(chance.random() < 0.3),
            workers=1 + seed % 3 % 2,
        )

    @property
    def kills(self) -> int:
        return 2 if len(self.stores) == 3 else min(KILLS[store.name] for store in self.stores)

    @property
    def days(self) -> int:
        """The day before where the plan is made then, the day, those in quarantine, and one to look again."""
        return int(self.foreseen) + 1 + self.quarantine_days + 1

    @property
    def config(self) -> dict[str, Any]:
        hosting = {**HOSTING, "terminate_after_days": 5, "delete_backups_after_days": KEPT_DAYS}
        backups: dict[str, Any] = {"max_percent_of_store": 100, "quarantine_days": self.quarantine_days}
        if self.approved:
            backups["max_items"] = 1
        return {"class": {"hosting": hosting}, "backups": backups}

    def furnish(self, house: House) -> None:
        """Until the morning on which the backups go, or on which that is planned."""
        debtors = []
        for name in self.ended:
            service = house.a_service(username=name, domain=f"{name}.example.net")
            debtors.append(service)
            house.an_invoice(service, due=-3)
        for name in LIVING:
            house.a_service(username=name, domain=f"{name}.example.net")
        house.sync()
        house.next_day(2)
        assert [service.status for service in debtors] == ["Terminated"] * len(debtors)
        house.pass_days(KEPT_DAYS - int(self.foreseen))

    def place(self, base: Path) -> Place:
        return Place.furnished(base, self.config, self.furnish, stores=self.media.open)

    def trial(self, place: Place) -> Trial:
        trial = place.trial()
        self.media.lay(trial.folder)
        (trial.folder / USERS).write_text("".join(f"{name}.example.net: {name}\n" for name in LIVING))
        return trial

    def is_theirs(self, path: str) -> bool:
        """It is a backup of one of those whose service has ended."""
        return any(path.startswith((TREE.format(user), *(p.format(user) for p in PLACES))) for user in self.ended)


def original(locator: str) -> str:
    return split_quarantine(locator)[1]


def plans_in(journal: SqliteJournal, story: Story) -> dict[int, DeletionPlan]:
    found = {n: journal.deletions.plan_of(ServiceId(n)) for n in range(1, len(story.ended) + 1)}
    return {n: plan for n, plan in found.items() if plan is not None}


def verdicts(trial: Trial, story: Story) -> dict[str, Any]:
    """What staff, the client and an auditor are told in the end."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        found = {
            **trial.state(),
            "stones": sorted(journal.deletions.tombstones()),
            "chain": journal.deletions.broken_at(),
        }
        for number, plan in plans_in(journal, story).items():
            found[f"plan of {number}"] = {
                "state": plan.state,
                "needs": plan.needs,
                "left alone": Counter((u.item.store, u.item.locator, u.verdict, u.why) for u in plan.untouched),
            }
            found[f"stores of {number}"] = {s.store: (s.state, s.why, s.complete) for s in plan.stores}
            # what was on its way when a run died may be found gone by the next one's own request
            found[f"items of {number}"] = Counter(
                (p.item.store, original(p.item.locator), "gone" if p.state.gone else p.state.value) for p in plan.items
            )
            found[f"by others of {number}"] = [p.item.locator for p in plan.items if p.note == "not by us"]
    finally:
        journal.close()
    found["left"] = Counter((store, path.split(" ")[0]) for store, path in story.media.held(trial.folder))
    return found


def evidence(trial: Trial, kind: str) -> list[dict[str, Any]]:
    """What records of a kind say."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return [json.loads(link.body) for link in journal.deletions.links() if link.kind == kind]
    finally:
        journal.close()


def planned(trial: Trial) -> set[tuple[str, str]]:
    """Everything that evidence of a plan names."""
    return {(item["store"], item["locator"]) for body in evidence(trial, "plan") for item in body["items"]}


def unrecorded(trial: Trial, died: int) -> list[str]:
    """Items whose deletion no record tells: one for each death may be, the one that was on its way."""
    items = [(i["store"], i["locator"], i.get("version")) for body in evidence(trial, "plan") for i in body["items"]]
    told = {(i["store"], i["locator"], i.get("version")) for i in evidence(trial, "deleted")}
    missing = set(items) - told
    return [f"no record tells of {sorted(missing, key=repr)}"] if len(missing) > died else []


def wrongs(trial: Trial, story: Story, before: Mapping[tuple[str, str], str], died: int) -> list[str]:
    """What must never be, whether or not the deletion is over."""
    after, named = story.media.held(trial.folder), planned(trial)
    wrong = []
    for (store, path), what in before.items():
        kept = after.get((store, path))
        plain = path.split(" ")[0]
        if not story.is_theirs(plain) and kept != what:
            wrong.append(f"{store}: {path} of a neighbour was {what!r} and is {kept!r}")
        elif kept is None and not any((store, plain[: len(p)]) == (store, p) for s, p in named if s == store):
            wrong.append(f"{store}: {path} was in no plan and is gone")
    wrong += [f"{store}: {path} is new" for store, path in after if (store, path) not in before]
    asked = Counter((trial.folder / ASKED).read_text().splitlines()) if (trial.folder / ASKED).exists() else Counter()
    again = sum(times - 1 for times in asked.values())
    if again > died:
        wrong.append(f"{again} items were deleted again after {died} deaths: {asked.most_common(3)}")
    return wrong


# --- runs ---------------------------------------------------------------------------------------------


def sync(bridge: Bridge) -> None:
    """A run that asks a panel who lives."""
    bridge.ports.account_panels = [NamesPanel("web1", bridge.settings.folder / USERS, [1])]
    bridge.sync()


@dataclass(frozen=True)
class Death:
    """On which day, and at which boundaries one run after another dies."""

    day: int
    kills: tuple[Kill, ...]


def played(trial: Trial, story: Story, death: Death | None = None) -> tuple[list[Run], int, list[str]]:
    """Live the days, one run a day after those that die; return the runs, the deaths, and what was wrong."""
    before = story.media.held(trial.folder)
    runs, died, wrong = [], 0, []
    for day in range(story.days):
        for kill in death.kills if death is not None and death.day == day else ():
            died += trial.run(sync, kill, story.workers).killed
            story.media.calm()
            wrong += wrongs(trial, story, before, died)
        runs.append(trial.run(sync, NOWHERE, story.workers))
        trial.world.advance(days=1)
    return runs, died, wrong + wrongs(trial, story, before, died) + unrecorded(trial, died)


def deaths_in(runs: Sequence[Run], chance: Random, count: int) -> Iterator[Death]:
    """At every kind of boundary as often as at any other, seldom far from the stores; one in four dies twice."""
    kinds: dict[str, list[tuple[int, int]]] = {}
    for day, run in enumerate(runs):
        for number, mark in enumerate(run.boundaries, 1):
            about = mark.split(":", 1)[1].startswith(ABOUT_STORES)
            kinds.setdefault(mark if about else "other", []).append((day, number))
    names = sorted(kinds)
    for _ in range(count):
        day, at = chance.choice(kinds[chance.choice(names)])
        kills = [Kill("boundary", at)]
        if chance.random() < 0.25:
            kills.append(Kill("boundary", chance.randrange(1, len(runs[day].boundaries) + 1)))
        yield Death(day, tuple(kills))


ABOUT_STORES = ("journal.deletions", "disk.", "box.", "bucket.", "os.", "sftp.", "s3")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Medium]]:
    stop_without(("sshd", "ssh-keygen"), program)
    with ExitStack() as servers:
        sshd = servers.enter_context(running_sshd(tmp_path_factory.mktemp("sshd")))
        yield (Disk(), Machine(sshd), Bucket(servers.enter_context(moto())))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_deletion_ends_in_the_verdicts_of_one_that_was_not(
    seed: int, media: Sequence[Medium], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    story = Story.of(seed, media)
    place = story.place(tmp_path)
    twin = story.trial(place)
    runs, _, wrong = played(twin, story)
    wanted = verdicts(twin, story)
    assert wrong == []
    assert wanted["chain"] == ""
    assert wanted["stones"] == list(range(1, len(story.ended) + 1))
    assert not [path for _, path in wanted["left"] if story.is_theirs(path)]
    died = 0
    for death in deaths_in(runs, story.chance, story.kills):
        trial = story.trial(place)
        _, deaths, found = played(trial, story, death)
        died += deaths
        found += differences(verdicts(trial, story), wanted)
        if found:
            where = runs[death.day].boundaries[death.kills[0].number - 1]
            wrong.append(f"{death} ({where}):\n    " + "\n    ".join(found))
        trial.clear()
    record_property("deaths", died)
    assert not wrong, f"seed {seed}, {len(wrong)} of {died} deaths:\n" + "\n".join(wrong[:6])
    assert died >= story.kills - 1


# --- by hand ------------------------------------------------------------------------------------------


def typed(bridge: Bridge) -> None:
    """Plan, approve and delete with the commands, as staff would; what was done before is said and left."""

    def opened(_app: App, *, offline: bool = False) -> AbstractContextManager[Bridge]:
        return nullcontext(bridge)

    App.bridge = opened  # type: ignore[method-assign,assignment]
    bridge.ports.account_panels = [NamesPanel("web1", bridge.settings.folder / USERS, [1])]
    for words in (("delete", "1"), ("plans", "approve", "PLAN"), ("delete", "1", "--plan", "PLAN"), ("plans",)):
        plan = bridge.journal.deletions.plan_of(ServiceId(1))
        name = plan.digest[:12] if plan is not None else ""
        told = CliRunner().invoke(cli, ["backups", *(name if word == "PLAN" else word for word in words)])
        if told.exit_code not in (0, 1, 3):
            raise AssertionError(f"{words}: {told.output}") from told.exception


def test_a_deletion_by_hand_that_died_is_over_when_typed_again(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    story = Story(Random(11), (Disk(),), ENDED[:1], foreseen=False, quarantine_days=0, approved=True)
    place = story.place(tmp_path)
    twin = story.trial(place)
    run = twin.run(typed)
    assert not [path for _, path in story.media.held(twin.folder) if story.is_theirs(path)]
    twin.run(sync)
    wanted = verdicts(twin, story)
    del wanted["done"]  # what the command had come to, the sync may be the one to say
    assert wanted["plan of 1"]["needs"]
    assert wanted["stones"] == [1]
    wrong, died = [], 0
    for death in deaths_in([run], story.chance, BY_HAND):
        trial = story.trial(place)
        before = story.media.held(trial.folder)
        for kill in death.kills:
            died += trial.run(typed, kill).killed
        trial.run(typed)
        trial.run(sync)
        found = wrongs(trial, story, before, died) + unrecorded(trial, died)
        found += differences(verdicts(trial, story), wanted)
        if found:
            wrong.append(f"{death} ({run.boundaries[death.kills[0].number - 1]}):\n    " + "\n    ".join(found))
        trial.clear()
    record_property("deaths", died)
    assert not wrong, f"{len(wrong)} of {died} deaths:\n" + "\n".join(wrong[:6])
    assert died >= BY_HAND - 1
