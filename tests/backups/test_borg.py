"""The borg driver: real repositories for what the program does, and a double of it for the contract."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backups.contract import BOB, DAY, MADE, Contract, Place, listing, mine_of
from tests.needs import needs, stop_without
from whmcs_bridge.backups.borg import BorgStore
from whmcs_bridge.backups.layouts import custom
from whmcs_bridge.backups.names import shown
from whmcs_bridge.backups.programs import Program, ProgramFailed, ProgramTimedOut
from whmcs_bridge.domain.backups import Outcome
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.ports import BackupStore

PASSPHRASE = "borg-passphrase-for-tests"
LAYOUT = custom("{user}@{date}")


class Double(Program):
    """Answers as borg 1.2 does, from a list."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.made = 0
        self.sent: list[tuple[str, ...]] = []

    def lay(self, name: str) -> None:
        self.made += 1
        self.names[f"{self.made:064x}"] = name

    def run(self, *arguments: str) -> str:
        self.sent.append(arguments)
        if arguments[0] == "list":
            time = MADE.replace(tzinfo=None).isoformat()
            return json.dumps(
                {"archives": [{"id": i, "name": n, "archive": n, "time": time} for i, n in self.names.items()]}
            )
        if arguments[0] == "delete":
            [_, target] = arguments
            assert target.startswith("::")
            assert len(target) > 2
            self.names = {i: n for i, n in self.names.items() if n != target[2:]}
        return ""


class DoublePlace(Place):
    """A list of archives."""

    secrets = (PASSPHRASE,)
    many = 1_001

    def __init__(self) -> None:
        self.double = Double()
        self.cut_after_send = lambda: self._with(self._wrapped(late="delete"))
        self.away = lambda: self._with(self._wrapped(failed="list", said="Repository /srv/borg does not exist."))
        self.half_forbidden = lambda: self._with(self._wrapped(answer="{}"))
        self.read_only = lambda: self._with(self._wrapped(failed="delete", said="Permission denied"))

    def name_of(self, user: str) -> str:
        return f"{user}@{DAY}"

    def more_of_account(self) -> tuple[str, ...]:
        return (f"{self.account.username}@2026-05-30",)

    def odd_names(self) -> tuple[str, ...]:
        return (f"bob@{DAY}.checkpoint", f"bob@{DAY}.recreate", "bob", "bob@", f"bob@{DAY}x", f"x-bob@{DAY}", "*", "-P")

    def store(self) -> BackupStore:
        return self._with(self.double)

    def _with(self, program: Program) -> BorgStore:
        return BorgStore("repo", "/srv/borg", LAYOUT, program)

    def make(self, names: Iterable[str]) -> set[str]:
        made = {name for name in names if "/" not in name} - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return set(self.double.names.values())

    def remove(self, name: str) -> None:
        self.double.names = {i: n for i, n in self.double.names.items() if n != name}

    def replace(self, name: str) -> None:
        self.remove(name)
        self.double.lay(name)

    def locator_of(self, name: str) -> str:
        return shown(name)

    def _wrapped(self, *, late: str = "", failed: str = "", said: str = "", answer: str | None = None) -> Program:
        run = self.double.run

        class Wrapped(Double):
            def run(self, *arguments: str) -> str:
                if arguments[0] == failed:
                    raise ProgramFailed(f"store repo: borg {failed}: {said}", 2, said)
                found = run(*arguments)
                if arguments[0] == late:
                    raise ProgramTimedOut("store repo: borg delete: ended after 5 seconds")
                return found if answer is None else answer

        return Wrapped()


class TestBorg(Contract):
    @pytest.fixture
    def place(self) -> Place:
        return DoublePlace()


@pytest.mark.parametrize("name", ["", "a/b", "a b", "*", "::", "a::b", "bob\n", "--repo"])
def test_no_name_becomes_the_whole_repository(name: str) -> None:
    double = Double()
    store = BorgStore("repo", "/srv/borg", LAYOUT, double)
    if name == "--repo":
        store._delete(name)  # a name like any other behind two colons
        assert double.sent == [("delete", "::--repo")]
        return
    with pytest.raises(StoreTrouble):
        store._delete(name)
    assert double.sent == []


def test_what_borg_says_is_gone_and_lists_was_not_deleted() -> None:
    place = DoublePlace()
    place.make([place.name_of("bob")])
    store = place.store()
    [item] = mine_of(store, BOB)
    place.double.run = _never_deleting(place.double)  # type: ignore[method-assign]
    assert store.delete(item).outcome is Outcome.FAILED


def _never_deleting(double: Double):  # type: ignore[no-untyped-def]
    run = double.run
    return lambda *arguments: "" if arguments[0] == "delete" else run(*arguments)


def test_an_archive_that_took_the_name_is_left_alone() -> None:
    place = DoublePlace()
    name = place.name_of("bob")
    place.make([name])
    store = place.store()
    [item] = mine_of(store, BOB)
    place.replace(name)
    assert store.delete(item).outcome is Outcome.REFUSED
    assert place.left() == {name}


def test_an_append_only_repository_is_not_said_to_forget() -> None:
    place = DoublePlace()
    place.make([place.name_of("bob")])
    store = BorgStore("repo", "/srv/borg", LAYOUT, place.double, append_only=True)
    [item] = mine_of(store, BOB)
    assert not store.caps.deletes
    assert store.delete(item).outcome is Outcome.REFUSED
    assert "keeps what is deleted" in store.probe().notes[0]


@pytest.mark.parametrize("said", ["LockFailed: lock.exclusive ([Errno 13] Permission denied)", "Read-only file system"])
def test_a_login_that_may_not_lock_does_not_make_the_repository_busy_for_ever(said: str) -> None:
    class Reader(Double):
        def run(self, *arguments: str) -> str:
            if "--lock-wait" in arguments:
                raise ProgramFailed(f"store repo: borg list: {said}", 2, said)
            return super().run(*arguments)

    probe = BorgStore("repo", "/srv/borg", LAYOUT, Reader()).probe()
    assert (probe.complete, probe.busy) == (True, ())
    assert "unknown" in probe.notes[0]


def row_at(time: str) -> str:
    return json.dumps({"archives": [{"id": "1", "name": "x", "time": time}]})


@pytest.mark.parametrize("text", [row_at("soon"), row_at("0001-01-01T00:00:00+14:00"), "[" * 200_000])
def test_a_list_that_nobody_could_have_written_is_no_list(text: str) -> None:
    with pytest.raises(ViewIncomplete):
        listing(DoublePlace()._with(DoublePlace()._wrapped(answer=text)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"archives": null}', '{"archives": [{"name": "x"}]}'])
def test_what_is_no_list_is_no_empty_list(text: str) -> None:
    place = DoublePlace()
    with pytest.raises(ViewIncomplete):
        listing(place._with(place._wrapped(answer=text)))


class Breaking(Double):
    """Does what it is asked, and fails at the call that is named, once the deletion has been asked for."""

    def __init__(self, at: str, said: str) -> None:
        super().__init__()
        self.at, self.said = at, said
        self.lay(f"bob@{DAY}")

    def run(self, *arguments: str) -> str:
        answer = super().run(*arguments)
        if arguments[0] == self.at and any(sent[0] == "delete" for sent in self.sent):
            raise ProgramFailed(f"store repo: borg {self.at}: {self.said}", 2, self.said)
        return answer


@pytest.mark.parametrize(
    ("at", "said", "outcome"),
    [
        ("delete", "Connection closed by remote host", Outcome.UNKNOWN),
        ("delete", "something nobody has seen yet", Outcome.UNKNOWN),
        ("delete", "[Errno 13] Permission denied", Outcome.FAILED),
        ("delete", "Failed to create/acquire the lock", Outcome.FAILED),
        ("list", "Connection closed by remote host", Outcome.UNKNOWN),
        ("list", "[Errno 13] Permission denied", Outcome.UNKNOWN),
        ("list", "passphrase supplied is incorrect", Outcome.UNKNOWN),
    ],
)
def test_a_deletion_that_breaks_off_or_cannot_be_looked_at_may_have_happened(
    at: str, said: str, outcome: Outcome
) -> None:
    store = BorgStore("repo", "/srv/borg", LAYOUT, Breaking(at, said))
    [item] = mine_of(store, BOB)
    assert store.delete(item).outcome is outcome


# --- the real program -----------------------------------------------------------------------------------


class Real:
    """A repository with three archives, made once and copied."""

    def __init__(self, folder: Path, repository: Path | None = None) -> None:
        self.repository = repository or folder / "repo"
        self.environment = {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(folder),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }

    def borg(self, *arguments: str) -> str:
        return Program("repo", "borg", self.environment, 60).run(*arguments)

    def store(self, **changes: str) -> BorgStore:
        program = Program("repo", "borg", self.environment | changes, 60)
        return BorgStore("repo", str(self.repository), LAYOUT, program)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stop_without(("borg",))
    folder = tmp_path_factory.mktemp("borg")
    real = Real(folder)
    real.borg("init", "--encryption", "repokey-blake2")
    for name in (f"bob@{DAY}", f"bob1@{DAY}", f"bob@{DAY}-of-another-kind"):
        home = folder / "home"
        home.mkdir(exist_ok=True)
        (home / "index.html").write_text(name)
        real.borg("create", "--timestamp", MADE.strftime("%Y-%m-%dT%H:%M:%S"), f"::{name}", str(home))
    return folder


@pytest.fixture
def real(template: Path, tmp_path: Path) -> Real:
    shutil.copytree(template / "repo", tmp_path / "repo")
    return Real(tmp_path)


@needs("borg")
def test_a_user_s_archive_goes_and_its_neighbours_stay(real: Real) -> None:
    store = real.store()
    assert store.probe().complete
    [item] = mine_of(store, BOB)
    assert (item.locator, item.at) == (f"bob@{DAY}", MADE)
    assert store.delete(item).outcome is Outcome.DELETED
    assert {left.locator for left in listing(real.store())} == {f"bob1@{DAY}", f"bob@{DAY}-of-another-kind"}
    assert store.delete(item).outcome is Outcome.GONE_BEFORE
    real.borg("check")


@needs("borg")
def test_a_wrong_passphrase_and_a_missing_repository_are_no_empty_lists(real: Real) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(real.store(BORG_PASSPHRASE="another-one"))
    with pytest.raises(StoreUnreachable):
        listing(real.store(BORG_REPO=str(real.repository / "elsewhere")))


@needs("borg")
def test_an_archive_is_bound_to_its_id(real: Real) -> None:
    store = real.store()
    [item] = mine_of(store, BOB)
    forged = replace(item, version="0" * 64, etag="0" * 64)
    assert store.delete(forged).outcome is Outcome.REFUSED
    assert len(listing(store)) == 3
