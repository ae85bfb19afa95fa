"""The local driver: the contract, and what only a file system can do to it."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backups.contract import (
    BOB,
    DAY,
    MADE,
    PLAN,
    Contract,
    Place,
    left_alone,
    listing,
    mine_of,
    one_of,
    set_aside,
)
from whmcs_bridge.backups.layouts import BY_NAME, CPANEL, HESTIA, Layout, custom
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.backups.names import QUARANTINE, SENTINEL, shown
from whmcs_bridge.domain.backups import Outcome, Verdict
from whmcs_bridge.errors import StoreUnreachable, ViewIncomplete
from whmcs_bridge.ports import BackupStore

OPEN = os.open
NS = int(MADE.timestamp()) * 1_000_000_000


class LocalPlace(Place):
    """A folder with a sentinel in it."""

    layouts = ("cpanel", "hestia")
    many = 2_001
    """A folder has no pages; making more files takes longer than listing them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.layout = CPANEL
        self.root = folder / "backup"
        self.root.mkdir()
        (self.root / SENTINEL).touch()
        self.away = self._unmounted
        self.half_forbidden = self._without_weekly
        self.read_only = self._mounted_read_only
        self.made = 0

    def store(self) -> BackupStore:
        return LocalStore("disk", str(self.root), self.layout)

    def _unmounted(self) -> BackupStore:
        os.rename(self.root / SENTINEL, self.root.parent / "elsewhere")
        return self.store()

    def _without_weekly(self) -> BackupStore:
        def refuse(path: Any, *args: Any, **more: Any) -> int:
            if path == "weekly":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return OPEN(path, *args, **more)

        self.patch.setattr(os, "open", refuse)
        return self.store()

    def _mounted_read_only(self) -> BackupStore:
        def refuse(*_args: Any, **_more: Any) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        for call in ("mkdir", "rename", "unlink", "rmdir", "link"):
            self.patch.setattr(os, call, refuse)
        return self.store()

    def make(self, names: Iterable[str]) -> set[str]:
        made = set()
        for name in names:
            if any(segment in ("", ".", "..") for segment in name.split("/")):
                continue  # no file can be called so
            path = f"{self.root}/{name}"
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                continue  # a file lies in its place
            self.write(name)
            made.add(name)
        return made

    def write(self, name: str, content: str = "") -> None:
        self.made += 1
        path = f"{self.root}/{name}"
        with open(path, "w") as file:
            file.write(content or f"{self.made} {name}")
        os.utime(path, ns=(NS, NS))

    def left(self) -> set[str]:
        found = set()
        for folder, _, files in os.walk(self.root):
            below = os.path.relpath(folder, self.root)
            if below.split("/")[0] != QUARANTINE:
                found |= {f"{below}/{name}" if below != "." else name for name in files if name != SENTINEL}
        return found

    def replace(self, name: str) -> None:
        os.unlink(f"{self.root}/{name}")
        self.write(name, "another backup, longer than the one before it")  # a file system may give the inode again

    def use(self, layout: str) -> None:
        self.layout = BY_NAME[layout]

    def remove(self, name: str) -> None:
        os.unlink(f"{self.root}/{name}")

    def locator_of(self, name: str) -> str:
        return shown(os.fsencode(name))


class TestLocal(Contract):
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPlace:
        return LocalPlace(tmp_path, monkeypatch)


BOB_S = f"{DAY}/accounts/bob.tar.gz"
WEEKLY = f"weekly/{DAY}/accounts/bob.tar.gz"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPlace:
    return LocalPlace(tmp_path, monkeypatch)


def opened(place: LocalPlace, layout: Layout = CPANEL, **more: Any) -> LocalStore:
    return LocalStore("disk", str(place.root), layout, **more)


def whole(place: LocalPlace, name: str, made_at_ns: int = NS) -> None:
    """Make a whole folder of an account, with what a home has: links, a folder, a file of two names."""
    home = place.root / name
    (home / "mail").mkdir(parents=True)
    (home / "mail" / "inbox").write_text("letters")
    (home / "out").symlink_to(place.root / DAY.isoformat(), target_is_directory=True)
    (home / "to-file").symlink_to("/etc/passwd")
    os.link(home / "mail" / "inbox", home / "again")
    os.mkfifo(home / "pipe")
    for path in (home / "mail" / "inbox", home / "mail", home):
        os.utime(path, ns=(made_at_ns, made_at_ns))


# --- what is there, and what is not -------------------------------------------------------------------


@pytest.mark.parametrize("trick", ["no sentinel", "sentinel is a link", "sentinel is a folder"])
def test_a_folder_without_its_sentinel_is_away_not_empty(place: LocalPlace, trick: str) -> None:
    sentinel = place.root / SENTINEL
    sentinel.unlink()
    if trick == "sentinel is a link":
        sentinel.symlink_to("/etc/passwd")
    elif trick == "sentinel is a folder":
        sentinel.mkdir()
    with pytest.raises(StoreUnreachable, match="is the disk mounted"):
        listing(opened(place))


def test_a_root_that_is_reached_through_a_link_is_refused(place: LocalPlace) -> None:
    (place.root.parent / "alias").symlink_to(place.root, target_is_directory=True)
    for root in ("alias", "alias/2026-05-31"):
        place.make([BOB_S])
        with pytest.raises(StoreUnreachable, match="no part of it may be a symbolic link"):
            listing(LocalStore("disk", f"{place.root.parent}/{root}", CPANEL))


def test_a_root_on_another_device_than_the_settings_say_is_refused(place: LocalPlace) -> None:
    device = os.stat(place.root).st_dev
    assert listing(opened(place, device=device)) == []
    with pytest.raises(StoreUnreachable, match="device_number"):
        listing(opened(place, device=device + 1))


def test_a_root_that_has_moved_to_another_device_since_is_refused(place: LocalPlace) -> None:
    store = opened(place)
    listing(store)
    on_another_device(place, place.root)
    with pytest.raises(StoreUnreachable):
        listing(store)


def on_another_device(place: LocalPlace, *paths: Path) -> None:
    """Let the system say that what is at these paths lies on another disk, as where one is mounted."""
    inodes = {os.stat(path).st_ino for path in paths}

    def moved(found: os.stat_result) -> os.stat_result:
        if found.st_ino not in inodes:
            return found
        fields = list(found)
        fields[2] += 1
        times = {"st_mtime_ns": found.st_mtime_ns}
        return os.stat_result(fields, times)

    fstat = os.fstat
    place.patch.setattr(os, "fstat", lambda fd: moved(fstat(fd)))


def test_a_disk_that_is_mounted_in_the_store_is_told_and_nothing_is_left_out(place: LocalPlace) -> None:
    place.make([BOB_S, WEEKLY])
    on_another_device(place, place.root / "weekly")
    with pytest.raises(ViewIncomplete, match="another disk is mounted at weekly"):
        listing(opened(place))


def test_nothing_is_deleted_past_a_disk_that_is_mounted_on_the_way(place: LocalPlace) -> None:
    place.make([BOB_S, WEEKLY])
    store = opened(place)
    item = one_of(place, store, WEEKLY)
    on_another_device(place, place.root / "weekly")
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "another disk is mounted at weekly")
    assert place.left() == {BOB_S, WEEKLY}


@pytest.fixture
def mounted(place: LocalPlace) -> Iterator[Callable[..., None]]:
    """Mounts for real; skips where that is not allowed."""
    done: list[Path] = []

    def mount(at: str, *how: str) -> None:
        (place.root / at).mkdir(parents=True, exist_ok=True)
        tried = subprocess.run(["mount", *how, str(place.root / at)], capture_output=True, check=False)
        if tried.returncode:
            pytest.skip("nothing can be mounted here")
        done.append(place.root / at)

    yield mount
    for one in done:
        subprocess.run(["umount", str(one)], check=True)


@pytest.mark.parametrize("how", ["a disk", "a folder of the same disk"])
def test_what_is_really_mounted_in_the_store_stops_everything(
    place: LocalPlace, mounted: Callable[..., None], how: str
) -> None:
    """A home that cPanel keeps whole may have something bound into it: deleting the home would empty that."""
    elsewhere = place.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    whole(place, f"{DAY}/accounts/bob")
    store = opened(place)
    [item] = mine_of(store, BOB)
    at = f"{DAY}/accounts/bob/mail/bound here"
    mounted(at, *(("-t", "tmpfs", "none") if how == "a disk" else ("--bind", str(elsewhere))))
    with pytest.raises(ViewIncomplete, match=r"something is mounted at 2026-05-31/accounts/bob/mail/bound%20here"):
        listing(store)
    left_alone(store, item)
    assert (elsewhere / "precious").exists()
    assert (place.root / f"{DAY}/accounts/bob/mail/inbox").exists()


def test_what_is_mounted_where_no_backups_are_does_not_matter(place: LocalPlace, mounted: Callable[..., None]) -> None:
    place.make([BOB_S])
    mounted("snapshots", "-t", "tmpfs", "none")
    assert len(listing(opened(place, leave_out=("snapshots",)))) == 1


def test_folders_that_hold_no_backups_are_left_out_only_at_the_top(place: LocalPlace) -> None:
    place.make(["lost+found/x", "a/lost+found/x"])
    assert [item.locator for item in opened(place, leave_out=("lost+found",)).items()] == ["a/lost+found/x"]


# --- links -----------------------------------------------------------------------------------------------


def test_a_link_is_listed_as_a_link_and_left_alone(place: LocalPlace) -> None:
    place.make([BOB_S])
    (place.root / "weekly" / DAY.isoformat() / "accounts").mkdir(parents=True)
    (place.root / WEEKLY).symlink_to(place.root / BOB_S)
    store = opened(place)
    link = one_of(place, store, WEEKLY)
    claim = store.claim(link, BOB)
    assert (claim.verdict, claim.why) == (Verdict.AMBIGUOUS, "its name is the account's, but it is a symlink")
    left_alone(store, link)
    assert (place.root / WEEKLY).is_symlink()
    assert (place.root / BOB_S).exists()


def test_a_linked_day_is_not_walked_and_nothing_goes_through_it(place: LocalPlace) -> None:
    place.make([BOB_S])
    (place.root / "2026-06-01").symlink_to(place.root / DAY.isoformat(), target_is_directory=True)
    (place.root / "2026-06-02").symlink_to("/", target_is_directory=True)
    store = opened(place)
    assert sorted(item.locator for item in store.items()) == [
        "2026-05-31/accounts/bob.tar.gz",
        "2026-06-01",
        "2026-06-02",
    ]
    item = one_of(place, store, BOB_S)
    receipt = store.delete(replace(item, locator="2026-06-01/accounts/bob.tar.gz"))
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "2026-06-01 is a link or file on the way")
    assert place.left() >= {BOB_S}


def test_a_day_that_was_replaced_by_a_link_since_it_was_listed_is_not_followed(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    os.rename(place.root / DAY.isoformat(), place.root.parent / "elsewhere")
    (place.root / DAY.isoformat()).symlink_to(place.root.parent / "elsewhere", target_is_directory=True)
    left_alone(store, item)
    assert (place.root.parent / "elsewhere" / "accounts" / "bob.tar.gz").exists()


def test_a_quarantine_that_is_a_link_or_open_to_others_takes_nothing(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    elsewhere = place.root.parent / "elsewhere"
    elsewhere.mkdir()
    (place.root / QUARANTINE).symlink_to(elsewhere, target_is_directory=True)
    left_alone(store, item)
    (place.root / QUARANTINE).unlink()
    (place.root / QUARANTINE).mkdir(mode=0o777)
    (place.root / QUARANTINE).chmod(0o777)
    left_alone(store, item)
    assert place.left() == {BOB_S}
    assert list(elsewhere.iterdir()) == []


def test_the_quarantine_is_closed_to_others_and_goes_when_it_is_empty(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    receipt = store.quarantine(one_of(place, store, BOB_S), PLAN)
    for folder, _, _ in os.walk(place.root / QUARANTINE):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert receipt.item is not None
    assert store.delete(receipt.item).outcome is Outcome.DELETED
    assert not (place.root / QUARANTINE).exists()


@pytest.mark.parametrize("trick", ["file", "symlink"])
def test_what_slips_in_between_the_look_and_the_move_is_put_back(place: LocalPlace, trick: str) -> None:
    """Somebody replaces the file in the very moment in which it is moved."""
    place.make([BOB_S, WEEKLY])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    rename = os.rename

    def slipping(source: str, target: str, **folders: int) -> None:
        place.patch.setattr(os, "rename", rename)
        (place.root / BOB_S).unlink()
        if trick == "file":
            place.write(BOB_S, "the customer's only backup")
        else:
            (place.root / BOB_S).symlink_to(place.root / WEEKLY)
        rename(source, target, **folders)

    place.patch.setattr(os, "rename", slipping)
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.REFUSED
    assert place.left() == {BOB_S, WEEKLY}
    if trick == "file":
        assert (place.root / BOB_S).read_text() == "the customer's only backup"
    else:
        assert (place.root / BOB_S).is_symlink()


# --- hard links ------------------------------------------------------------------------------------------


def test_cpanel_s_sets_may_share_a_file_that_has_all_its_names_here(place: LocalPlace) -> None:
    place.make([BOB_S])
    (place.root / "weekly" / DAY.isoformat() / "accounts").mkdir(parents=True)
    os.link(place.root / BOB_S, place.root / WEEKLY)
    store = opened(place)
    mine = mine_of(store, BOB)
    assert {item.locator for item in mine} == {BOB_S, WEEKLY}
    for item in mine:
        assert store.delete(item).outcome is Outcome.DELETED
    assert place.left() == set()


@pytest.mark.parametrize("other", ["alice's name", "outside"])
def test_a_file_with_a_name_elsewhere_is_reported_and_left(place: LocalPlace, other: str) -> None:
    place.make([BOB_S])
    target = place.root.parent / "outside" if other == "outside" else place.root / f"{DAY}/accounts/alice.tar.gz"
    os.link(place.root / BOB_S, target)
    store = opened(place)
    claim = store.claim(one_of(place, store, BOB_S), BOB)
    assert claim.verdict is Verdict.AMBIGUOUS
    assert claim.why == "its file has 2 names, and only 1 of them are this account's backups here"


def test_a_panel_that_makes_no_hard_links_has_none(place: LocalPlace) -> None:
    name = "bob.2026-05-31_04-10-00.tar"
    place.make([name])
    os.link(place.root / name, place.root / "bob.2026-05-30_04-10-00.tar")
    store = opened(place, HESTIA)
    claims = [store.claim(item, BOB) for item in store.items()]
    assert [claim.why for claim in claims] == ["its file has 2 names, and this panel makes none"] * 2


def test_a_file_that_got_another_name_since_it_was_listed_is_left(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    os.link(place.root / BOB_S, place.root.parent / "outside")
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "its file has 2 names now")


# --- whole folders ---------------------------------------------------------------------------------------


def test_a_backup_folder_goes_with_everything_in_it_and_nothing_that_it_links_to(place: LocalPlace) -> None:
    place.make([f"{DAY}/accounts/alice.tar.gz"])
    whole(place, f"{DAY}/accounts/bob")
    whole(place, f"{DAY}/accounts/bob1")
    store = opened(place)
    [item] = mine_of(store, BOB)
    assert item.locator == f"{DAY}/accounts/bob"
    assert item.size == 2 * len("letters")
    assert store.delete(item).outcome is Outcome.DELETED
    assert not (place.root / item.locator).exists()
    assert (place.root / f"{DAY}/accounts/alice.tar.gz").exists()
    assert (place.root / f"{DAY}/accounts/bob1/again").exists()
    assert Path("/etc/passwd").exists()


def test_a_backup_folder_that_grew_since_it_was_listed_is_left(place: LocalPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    store = opened(place)
    [item] = mine_of(store, BOB)
    (place.root / f"{DAY}/accounts/bob/mail/new").write_text("a letter")
    left_alone(store, item)
    assert (place.root / f"{DAY}/accounts/bob/mail/new").exists()


def test_a_folder_whose_deletion_broke_off_is_finished(place: LocalPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    store = opened(place)
    [item] = mine_of(store, BOB)
    rmdir, calls = os.rmdir, []

    def failing(path: str, **folder: int) -> None:
        calls.append(path)
        if path == "mail":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rmdir(path, **folder)

    place.patch.setattr(os, "rmdir", failing)
    assert store.delete(item).outcome is Outcome.FAILED
    place.patch.setattr(os, "rmdir", rmdir)
    [there] = mine_of(opened(place), BOB)
    assert there.quarantine
    assert opened(place).delete(item).outcome is Outcome.DELETED
    assert listing(opened(place)) == []


def test_a_folder_named_like_an_archive_is_no_archive(place: LocalPlace) -> None:
    place.make([f"{BOB_S}/inside.tar.gz"])
    store = opened(place)
    [item] = listing(store)
    assert item.locator == f"{BOB_S}/inside.tar.gz"
    assert store.claim(item, BOB).verdict is Verdict.AMBIGUOUS
    left_alone(store, replace(item, locator=BOB_S))
    assert place.left() == {f"{BOB_S}/inside.tar.gz"}


def test_a_file_named_like_a_backup_folder_is_no_folder(place: LocalPlace) -> None:
    place.make([f"{DAY}/accounts/bob"])
    assert mine_of(opened(place), BOB) == []


def test_a_mirror_that_is_written_in_place_has_no_time_to_prove_anything(place: LocalPlace) -> None:
    whole(place, "incremental/accounts/bob")
    store = opened(place)
    [item] = mine_of(store, BOB)
    assert item.at is None
    claim = store.claim(item, BOB)
    assert (claim.verdict, claim.proofs) == (Verdict.MINE, ("name",))
    assert claim.why == "the name alone: the panel has to confirm nobody has it"


def test_what_names_the_account_s_files_goes_too(place: LocalPlace) -> None:
    place.make([".meta/bob.db", ".meta/bob1.db", f"{DAY}/accounts/bob-=-meta"])
    assert {item.locator for item in mine_of(opened(place), BOB)} == {".meta/bob.db", f"{DAY}/accounts/bob-=-meta"}


def test_what_lies_beside_the_backups_is_found_in_a_folder_that_is_left_out(place: LocalPlace) -> None:
    place.make([".meta/bob.db", ".meta/bob1.db"])
    store = opened(place, leave_out=(".meta",))
    assert listing(store) == []
    residue = store.residue(BOB)
    assert [item.locator for item in residue] == [".meta/bob.db"]
    assert store.delete(residue[0]).outcome is Outcome.DELETED
    assert place.left() == {".meta/bob1.db"}


@pytest.mark.parametrize("trick", ["a link", "a file", "a folder"])
def test_nothing_lies_beside_that_is_no_file_in_its_own_place(place: LocalPlace, trick: str) -> None:
    if trick == "a link":
        elsewhere = place.root.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "bob.db").touch()
        (place.root / ".meta").symlink_to(elsewhere, target_is_directory=True)
    else:
        place.make([".meta" if trick == "a file" else ".meta/bob.db/x"])
    assert list(opened(place).residue(BOB)) == []


def test_what_may_not_be_looked_at_beside_the_backups_makes_the_view_incomplete(place: LocalPlace) -> None:
    place.make([".meta/bob.db"])

    def refuse(path: Any, *args: Any, **more: Any) -> int:
        if path == ".meta":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return OPEN(path, *args, **more)

    place.patch.setattr(os, "open", refuse)
    with pytest.raises(ViewIncomplete, match=r"\.meta/bob\.db cannot be read"):
        opened(place).residue(BOB)


# --- quarantine and back ---------------------------------------------------------------------------------


def test_what_was_put_in_quarantine_can_be_put_back(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    receipt = store.put_back(there)
    assert receipt.item == item
    assert listing(store) == [item]
    assert not (place.root / QUARANTINE).exists()


def test_nothing_is_overwritten_by_what_is_put_back(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    there = store.quarantine(one_of(place, store, BOB_S), PLAN).item
    assert there is not None
    place.write(BOB_S, "made since")
    receipt = store.put_back(there)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "something else lies where it lay")
    assert (place.root / BOB_S).read_text() == "made since"
    assert any(item.quarantine for item in store.items())


def test_what_lay_in_a_day_that_is_gone_stays_in_quarantine(place: LocalPlace) -> None:
    """The panel has rotated the whole set away: a folder of ours in its place would look like a set of its own."""
    place.make([BOB_S])
    store = opened(place)
    there, _ = set_aside(place, store)
    (place.root / DAY.isoformat() / "accounts").rmdir()
    receipt = store.put_back(there)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "the folder that it lay in is gone")
    assert listing(store) == [there]


def test_nothing_is_put_back_through_a_link(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    there, _ = set_aside(place, store)
    os.rename(place.root / DAY.isoformat(), place.root.parent / "elsewhere")
    (place.root / DAY.isoformat()).symlink_to(place.root.parent / "elsewhere", target_is_directory=True)
    assert store.put_back(there).outcome is Outcome.REFUSED
    assert not list((place.root.parent / "elsewhere" / "accounts").iterdir())


def test_a_folder_of_which_a_part_is_gone_is_not_put_back(place: LocalPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    store = opened(place)
    [item] = mine_of(store, BOB)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    (place.root / there.locator / "again").unlink()
    assert store.put_back(there).outcome is Outcome.REFUSED
    assert not (place.root / item.locator).exists()


def test_a_file_of_which_another_has_a_name_now_is_not_put_back(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    there, _ = set_aside(place, store)
    os.link(place.root / there.locator, place.root.parent / "outside")
    assert store.put_back(there).outcome is Outcome.REFUSED
    assert not (place.root / BOB_S).exists()


# --- a backup at work ------------------------------------------------------------------------------------


def test_a_backup_that_is_being_written_makes_its_account_busy(place: LocalPlace) -> None:
    place.make([BOB_S, f"{DAY}/accounts/alice.tar.gz"])
    os.utime(place.root / BOB_S)
    probe = opened(place).probe()
    assert (probe.complete, probe.busy) == (True, ("bob",))


def test_a_queue_with_something_in_it_makes_everybody_busy(place: LocalPlace, tmp_path: Path) -> None:
    place.make([BOB_S])
    queue = tmp_path / "backup.pipe"
    queue.touch()
    assert opened(place, busy_files=[str(queue)]).probe().busy == ()
    queue.write_text("v-backup-user bob\n")
    assert opened(place, busy_files=[str(queue)]).probe().busy == ("*",)


def test_what_snapshots_keep_is_told(place: LocalPlace) -> None:
    assert opened(place, kept=timedelta(days=7)).probe().keeps_for == timedelta(days=7)
    assert opened(place, kept=timedelta()).probe().keeps_for is None


def test_the_bridge_s_own_files_are_never_deleted(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    found = os.stat(place.root / SENTINEL)
    etag = f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
    for locator in (SENTINEL, QUARANTINE, f"{QUARANTINE}/{PLAN}/{SENTINEL}"):
        left_alone(store, replace(item, locator=locator, etag=etag))
    assert (place.root / SENTINEL).exists()


def test_an_immutable_file_is_a_failure_in_one_line(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)

    def refuse(*_args: Any, **_more: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    place.patch.setattr(os, "rename", refuse)
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.FAILED
    assert receipt.note == "Operation not permitted; immutable, or the bridge's user may not"
    assert place.left() == {BOB_S}


def test_a_quarantine_that_is_taken_away_meanwhile_is_not_the_item_gone(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    make = os.mkdir

    def made_and_taken(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(path, mode, dir_fd=dir_fd)
        if path == QUARANTINE:
            os.rmdir(path, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "mkdir", made_and_taken)
        outcomes = [store.delete(item).outcome, store.quarantine(item, PLAN).outcome]
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert place.left() == {BOB_S}
    assert store.delete(item).outcome is Outcome.DELETED
    assert store.delete(item).outcome is Outcome.GONE_BEFORE


def test_what_vanishes_right_after_it_was_moved_aside_is_not_told_as_gone_before(place: LocalPlace) -> None:
    place.make([BOB_S])
    store = opened(place)
    item = one_of(place, store, BOB_S)
    move = os.rename

    def moved_and_taken(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        move(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        os.unlink(target, dir_fd=dst_dir_fd)

    place.patch.setattr(os, "rename", moved_and_taken)
    assert store.delete(item).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("call", ["unlink", "open", "rmdir"])
def test_what_somebody_else_takes_out_of_a_folder_that_is_deleted_stops_nothing(place: LocalPlace, call: str) -> None:
    name = "incremental/accounts/bob"
    whole(place, name)
    (place.root / name / "empty").mkdir()
    store = opened(place)
    item = one_of(place, store, name)
    real: Any = getattr(os, call)
    unlink, rmdir = os.unlink, os.rmdir
    taken: list[str] = []

    def late(path: Any, *given: Any, dir_fd: int | None = None) -> Any:
        inside = path == "empty" if call != "unlink" else not taken
        if inside and not taken and QUARANTINE in os.readlink(f"/proc/self/fd/{dir_fd}"):
            taken.append(path)
            (rmdir if path == "empty" else unlink)(path, dir_fd=dir_fd)
        return real(path, *given, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, late)
        receipt = store.delete(item)
    assert (receipt.outcome, len(taken)) == (Outcome.DELETED, 1)
    assert place.left() == set()


def test_upper_case_is_unclear_on_a_disk_that_does_not_tell_it_from_lower(place: LocalPlace) -> None:
    """A share of Windows, say: the sentinel is found under its name in capitals too."""
    place.make(["Bob.tar", "bob1.tar"])
    store = opened(place, custom("{user}.tar"))
    upper = replace(BOB, username="Bob")
    item = one_of(place, store, "Bob.tar")
    assert store.claim(item, upper).verdict is Verdict.MINE
    os.link(place.root / SENTINEL, place.root / SENTINEL.upper())
    listing(store)
    assert store.case_blind
    assert store.claim(item, upper).verdict is Verdict.AMBIGUOUS
    assert store.claim(one_of(place, store, "bob1.tar"), replace(BOB, username="bob1")).verdict is Verdict.MINE


names_of_users = st.text("bo1_.-B* ", min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(users=st.lists(names_of_users, min_size=1, max_size=8, unique=True), who=names_of_users, data=st.data())
def test_whoever_s_backups_are_deleted_nobody_else_loses_any(
    tmp_path_factory: pytest.TempPathFactory, users: list[str], who: str, data: st.DataObject
) -> None:
    """For all users, days and layouts, with one item taken away or replaced by somebody meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        place = LocalPlace(tmp_path_factory.mktemp("disk"), patch)
        days = [date(2025, 12, 1), date(2026, 3, 1), DAY, date(2026, 8, 1)]
        made = place.make(f"{day}/accounts/{user}.tar.gz" for user in [*users, who] for day in days)
        store = opened(place, data.draw(st.sampled_from([CPANEL, custom("{date}/accounts/{user}.tar.gz", "_-")])))
        account = replace(BOB, username=who)
        planned = mine_of(store, account)
        meddled = data.draw(st.sampled_from(sorted(made)))
        data.draw(st.sampled_from([place.remove, place.replace, lambda _name: None]))(meddled)
        before = place.left()
        for item in planned:
            assert store.delete(item).outcome in (Outcome.DELETED, Outcome.GONE_BEFORE, Outcome.REFUSED)
        lost = before - place.left()
        assert lost <= {f"{day}/accounts/{who}.tar.gz" for day in days[1:3]}
        assert {item.locator for item in mine_of(opened(place, store.layout), account)} <= {meddled}
