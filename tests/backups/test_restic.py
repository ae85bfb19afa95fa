"""The restic driver: real repositories for what the program does, and a double of it for the contract."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, ECB
from cryptography.hazmat.primitives.poly1305 import Poly1305

from tests.backups.contract import BOB, MADE, Contract, Place, listing, mine_of
from tests.needs import needs, stop_without
from whmcs_bridge.backups.programs import Program, ProgramFailed, ProgramTimedOut
from whmcs_bridge.backups.restic import ResticStore
from whmcs_bridge.domain.backups import BackupItem, Outcome, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.ports import BackupStore

PASSWORD = "restic-password-for-tests"
TAG, PATH = "user={user}", "/home/{user}"


# --- a double for the contract -----------------------------------------------------------------------


class Double(Program):
    """Answers as restic 0.14 does, from a list."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, dict[str, object]]] = {}
        self.made = 0
        self.locked = False

    def lay(self, name: str) -> None:
        self.made += 1
        number = f"{self.made:064x}"
        row: dict[str, object] = {
            "id": number,
            "time": MADE.isoformat(),
            "paths": [f"/home/{name}"],
            "tags": [f"user={name}"],
        }
        self.rows[number] = (name, row)

    def run(self, *arguments: str) -> str:
        if arguments[0] == "snapshots":
            return json.dumps([row for _, row in self.rows.values()]) if self.rows else "null"
        if arguments[:2] == ("list", "snapshots"):
            return "".join(f"{number}\n" for number in self.rows)
        if arguments[0] == "list":
            return "0123\n" if self.locked else ""
        if arguments[0] == "forget":
            assert len(arguments[1]) == 64
            self.rows.pop(arguments[1], None)  # of an unknown id it says so, and ends with 0
        return ""


class DoublePlace(Place):
    """A list of snapshots; names are the users in tag and path."""

    secrets = (PASSWORD,)
    many = 1_001

    def __init__(self) -> None:
        self.double = Double()
        self.cut_after_send = self._cut
        self.away = lambda: self._failing(1, "Fatal: unable to open config file: no such file")
        self.half_forbidden = lambda: self._answering('[{"id": "0123"}]')
        self.read_only = self._read_only

    def name_of(self, user: str) -> str:
        return user

    def more_of_account(self) -> tuple[str, ...]:
        return ()

    def odd_names(self) -> tuple[str, ...]:
        return ("bob/../bob1", "bob//x", "bob/", "user=bob", "/home/bob")

    def store(self) -> BackupStore:
        return self._with(self.double)

    def _with(self, program: Program) -> ResticStore:
        return ResticStore("repo", "/srv/restic", program, tag=TAG, path=PATH)

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return {name for name, _ in self.double.rows.values()}

    def remove(self, name: str) -> None:
        self.double.rows = {number: row for number, row in self.double.rows.items() if row[0] != name}

    def replace(self, name: str) -> None:
        self.remove(name)
        self.double.lay(name)

    def locator_of(self, name: str) -> str:
        found = [number for number, row in self.double.rows.items() if row[0] == name]
        return found[0] if found else ""

    def _cut(self) -> BackupStore:
        run = self.double.run

        class Late(Double):
            def run(self, *arguments: str) -> str:
                answer = run(*arguments)
                if arguments[0] == "forget":
                    raise ProgramTimedOut("store repo: restic forget: ended after 5 seconds")
                return answer

        return self._with(Late())

    def _read_only(self) -> BackupStore:
        run = self.double.run

        class Reader(Double):
            def run(self, *arguments: str) -> str:
                if arguments[0] == "forget":
                    raise ProgramFailed("store repo: restic forget: permission denied", 1, "permission denied")
                return run(*arguments)

        return self._with(Reader())

    def _failing(self, code: int, said: str) -> BackupStore:
        class Failing(Double):
            def run(self, *arguments: str) -> str:
                raise ProgramFailed(f"store repo: restic: {said}", code, said)

        return self._with(Failing())

    def _answering(self, text: str) -> BackupStore:
        class Answering(Double):
            def run(self, *arguments: str) -> str:
                return text if arguments[0] == "snapshots" else super().run(*arguments)

        return self._with(Answering())


class TestRestic(Contract):
    @pytest.fixture
    def place(self) -> Place:
        return DoublePlace()


def snapshot(tags: list[str], paths: list[str]) -> tuple[ResticStore, BackupItem]:
    double = Double()
    double.rows["f" * 64] = ("x", {"id": "f" * 64, "time": MADE.isoformat(), "paths": paths, "tags": tags})
    store = ResticStore("repo", "/srv/restic", double, tag=TAG, path=PATH)
    [item] = listing(store)
    return store, item


@pytest.mark.parametrize(
    ("tags", "paths", "verdict"),
    [
        (["user=bob"], ["/home/bob"], Verdict.MINE),
        (["user=bob", "nightly"], ["/home/bob"], Verdict.MINE),
        (["user=bob"], ["/home/bob", "/home/bob1"], Verdict.SHARED),
        (["user=bob"], ["/home/bob", "/etc"], Verdict.SHARED),
        (["user=bob", "user=bob1"], ["/home/bob"], Verdict.SHARED),
        (["user=bob"], ["/home/bob1"], Verdict.SHARED),
        (["user=bob1"], ["/home/bob"], Verdict.SHARED),
        (["user=bob"], ["/home"], Verdict.SHARED),
        ([], ["/home"], Verdict.SHARED),
        ([], ["/home/"], Verdict.SHARED),
        (["user=bob1"], ["/"], Verdict.SHARED),
        ([], ["/home/bob/public_html"], Verdict.AMBIGUOUS),
        ([], ["/etc", "/home/bob/mail"], Verdict.AMBIGUOUS),
        (["user=bob"], ["/home/bob/public_html"], Verdict.AMBIGUOUS),
        ([], ["/hom", "/homes", "/home/bob1/x", "/home/bobby"], Verdict.NOT_MINE),
        ([], ["/home/bob"], Verdict.AMBIGUOUS),
        (["user=bob1"], ["/home/bob1"], Verdict.NOT_MINE),
        (["USER=bob"], ["/home/bob/"], Verdict.AMBIGUOUS),
    ],
)
def test_whose_a_snapshot_is(tags: list[str], paths: list[str], verdict: Verdict) -> None:
    store, item = snapshot(tags, paths)
    assert store.claim(item, BOB).verdict is verdict


@pytest.mark.parametrize("path", ["/", "/home", "/home/"])
def test_a_snapshot_of_all_homes_is_shared(path: str) -> None:
    _, item = snapshot([], [path])
    assert item.shared
    assert item.account == ""


ROW = {"id": "f" * 64, "time": "2026-02-01T00:00:00Z", "paths": ["/home/bob"], "tags": ["user=bob"]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{**ROW, "time": "garbage"}]),
        json.dumps([{**ROW, "time": "0001-01-01T00:00:00+14:00"}]),
        json.dumps([{**ROW, "paths": [1]}]),
        json.dumps([{**ROW, "tags": [1]}]),
        json.dumps([{**ROW, "tags": "user=bob"}]),
        "[" * 200_000,
    ],
)
def test_a_list_that_nobody_could_have_written_is_no_list(text: str) -> None:
    with pytest.raises(ViewIncomplete):
        listing(DoublePlace()._answering(text))


def test_a_lock_is_a_backup_at_work() -> None:
    double = Double()
    double.locked = True
    assert ResticStore("repo", "/srv/restic", double, tag=TAG).probe().busy == ("*",)


def test_without_tag_and_path_nothing_is_anybody_s() -> None:
    with pytest.raises(StoreTrouble, match="set tag or path"):
        ResticStore("repo", "/srv/restic", Double())


@pytest.mark.parametrize("text", ["", "{}", "[{}]", "[1]", '{"message_type": "error"}'])
def test_what_is_no_list_is_no_empty_list(text: str) -> None:
    place = DoublePlace()
    with pytest.raises(ViewIncomplete):
        listing(place._answering(text))


class Gaps(Double):
    """Leaves the first snapshots out of what it prints, so many times, as restic does with what it cannot load."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.lay("bob")
        self.lay("bob1")

    def run(self, *arguments: str) -> str:
        if arguments[0] == "snapshots" and self.times:
            self.times -= 1
            return json.dumps([row for _, row in self.rows.values()][1:])
        return super().run(*arguments)


def test_a_snapshot_that_restic_leaves_out_makes_the_list_incomplete() -> None:
    store = ResticStore("repo", "/srv/restic", Gaps(1000), tag=TAG)
    with pytest.raises(ViewIncomplete, match="cannot load snapshot 00000000"):
        listing(store)
    assert not store.probe().complete


def test_a_backup_that_ends_while_the_list_is_read_is_listed() -> None:
    assert len(listing(ResticStore("repo", "/srv/restic", Gaps(1), tag=TAG))) == 2


def test_a_list_of_ids_that_holds_something_else_is_no_list() -> None:
    class Odd(Double):
        def run(self, *arguments: str) -> str:
            return "repository is damaged" if arguments[:2] == ("list", "snapshots") else super().run(*arguments)

    with pytest.raises(ViewIncomplete, match="list of ids"):
        listing(ResticStore("repo", "/srv/restic", Odd(), tag=TAG))


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("Fatal: unable to open repository: Connection closed by remote host", Outcome.UNKNOWN),
        ("something nobody has seen yet", Outcome.UNKNOWN),
        ("remove <snapshot/01>: permission denied", Outcome.FAILED),
        ("unable to create lock in backend: repository is already locked by PID 1", Outcome.FAILED),
        ("unable to create lock in backend: Connection reset by peer", Outcome.UNKNOWN),
    ],
)
def test_a_forgetting_that_breaks_off_may_have_happened(said: str, outcome: Outcome) -> None:
    class Breaking(Double):
        def run(self, *arguments: str) -> str:
            answer = super().run(*arguments)
            if arguments[0] == "forget":
                raise ProgramFailed(f"store repo: restic forget: {said}", 1, said)
            return answer

    double = Breaking()
    double.lay("bob")
    store = ResticStore("repo", "/srv/restic", double, tag=TAG)
    assert store.delete(mine_of(store, BOB)[0]).outcome is outcome


# --- the runner ---------------------------------------------------------------------------------------


def test_a_program_that_does_not_end_is_ended() -> None:
    program = Program("repo", sys.executable, {}, 0.2)
    with pytest.raises(ProgramTimedOut, match="ended after"):
        program.run("-c", "import time; time.sleep(60)")


def test_a_program_that_is_not_there_says_so() -> None:
    with pytest.raises(StoreUnreachable, match="install it"):
        Program("repo", "no-such-program-here", {}, 5).run("x")


def test_a_program_sees_no_more_of_our_environment_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHMCS_SECRET", "s3cret")
    seen = Program("repo", sys.executable, {"RESTIC_PASSWORD": PASSWORD}, 20).run("-c", "import os; print(os.environ)")
    assert PASSWORD in seen
    assert "WHMCS_SECRET" not in seen


def test_a_program_s_complaint_is_one_line_without_its_secrets() -> None:
    program = Program("repo", sys.executable, {"RESTIC_PASSWORD": PASSWORD}, 20)
    with pytest.raises(ProgramFailed) as failed:
        program.run("-c", f"import sys; sys.exit('first\\nwrong: {PASSWORD} \\x1b[0m')")
    assert PASSWORD not in f"{failed.value}{failed.value.said}"
    assert str(failed.value).endswith("wrong: *** ?[0m")


# --- the real program -----------------------------------------------------------------------------------


class Real:
    """A repository with three users' snapshots, made once and copied."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repo"
        self.environment = {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": PASSWORD,
            "HOME": str(folder),
        }

    def restic(self, *arguments: str) -> str:
        return Program("repo", "restic", self.environment, 60).run(*arguments)

    def store(self, **changes: str) -> ResticStore:
        program = Program("repo", "restic", self.environment | changes, 60)
        return ResticStore("repo", str(self.repository), program, tag=TAG)


def lower_cost(repository: Path) -> None:
    """Wrap the repository's key anew with a password hash that costs nothing: every call of restic opens it.

    restic has no option for it and takes half a second of processor each time. The form is that of its design
    document: AES-256-CTR under a key from scrypt, sealed with Poly1305-AES.
    """
    [file] = (repository / "keys").iterdir()
    key = json.loads(file.read_bytes())
    secret = _scrypt(key)
    sealed = base64.b64decode(key["data"])
    nonce, body = sealed[:16], sealed[16:-16]
    assert _mac(secret, nonce, body) == sealed[-16:]
    plain = _ctr(secret, nonce, body)
    key |= {"N": 2, "r": 1, "p": 1}
    secret, nonce = _scrypt(key), os.urandom(16)
    body = _ctr(secret, nonce, plain)
    key["data"] = base64.b64encode(nonce + body + _mac(secret, nonce, body)).decode()
    text = json.dumps(key).encode()
    file.unlink()
    (repository / "keys" / hashlib.sha256(text).hexdigest()).write_bytes(text)


def _scrypt(key: dict[str, Any]) -> bytes:
    salt = base64.b64decode(key["salt"])
    return hashlib.scrypt(PASSWORD.encode(), salt=salt, n=key["N"], r=key["r"], p=key["p"], maxmem=2**30, dklen=64)


def _ctr(secret: bytes, nonce: bytes, text: bytes) -> bytes:
    return Cipher(AES(secret[:32]), CTR(nonce)).encryptor().update(text)


def _mac(secret: bytes, nonce: bytes, text: bytes) -> bytes:
    pad = Cipher(AES(secret[32:48]), ECB()).encryptor().update(nonce)
    return Poly1305.generate_tag(secret[48:] + pad, text)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stop_without(("restic",))
    folder = tmp_path_factory.mktemp("restic")
    real = Real(folder)
    real.restic("init")
    lower_cost(real.repository)
    for user in ("bob", "bob", "bob1"):
        home = folder / user
        home.mkdir(exist_ok=True)
        (home / "index.html").write_text(user)
        moment = MADE.strftime("%Y-%m-%d %H:%M:%S")
        real.restic("backup", "--tag", f"user={user}", "--time", moment, str(home))
    real.restic("backup", "--tag", "user=bob", str(folder / "bob"), str(folder / "bob1"))
    return folder


@pytest.fixture
def real(template: Path, tmp_path: Path) -> Real:
    shutil.copytree(template / "repo", tmp_path / "repo")
    return Real(tmp_path)


@needs("restic")
def test_a_user_s_snapshots_go_and_the_neighbour_s_and_the_shared_one_stay(real: Real) -> None:
    store = real.store()
    assert store.probe().complete
    items = listing(store)
    assert len(items) == 4
    mine = mine_of(store, BOB)
    assert len(mine) == 2
    assert [store.claim(i, BOB).verdict for i in items if i.shared] == [Verdict.SHARED]
    assert {store.delete(item).outcome for item in mine} == {Outcome.DELETED}
    left = listing(real.store())
    assert sorted(item.shared for item in left) == [False, True]
    assert store.delete(mine[0]).outcome is Outcome.GONE_BEFORE
    real.restic("check")


@needs("restic")
def test_a_damaged_snapshot_is_not_left_out_of_the_list(real: Real) -> None:
    """restic prints the others, and ends with 0."""
    first = min((real.repository / "snapshots").iterdir())
    first.chmod(0o600)
    first.write_bytes(b"damaged")
    rows = json.loads(real.restic("snapshots", "--json", "--no-lock", "--no-cache"))
    assert first.name not in [row["id"] for row in rows]
    store = real.store()
    with pytest.raises(ViewIncomplete, match=f"snapshot {first.name[:8]}"):
        listing(store)
    assert not store.probe().complete


@needs("restic")
def test_a_wrong_password_and_a_missing_repository_are_no_empty_lists(real: Real) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(real.store(RESTIC_PASSWORD="another-one"))
    with pytest.raises(StoreUnreachable):
        listing(real.store(RESTIC_REPOSITORY=str(real.repository / "elsewhere")))


@needs("restic")
def test_a_snapshot_by_a_short_id_or_another_s_is_refused(real: Real) -> None:
    store = real.store()
    item = mine_of(store, BOB)[0]
    for locator in (item.locator[:8], "latest", "", f"{item.locator} ", "--keep-last"):
        assert store.delete(replace(item, locator=locator, version=locator)).outcome is Outcome.REFUSED
    assert store.delete(replace(item, meta={})).outcome is Outcome.REFUSED
    assert len(listing(store)) == 4


@needs("restic")
def test_the_password_is_in_no_argument(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    started = subprocess.Popen

    def watch(arguments: list[str], **more: object) -> object:
        seen.extend(arguments)
        return started(arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", watch)
    store = real.store()
    store.delete(mine_of(store, BOB)[0])
    assert "forget" in seen
    assert not [argument for argument in seen if PASSWORD in argument]
