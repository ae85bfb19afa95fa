"""What stands between a foreign folder and a deletion, tried over a line that only this file knows.

The line is a folder of this machine, with hands in it: somebody meddles between a look and the next request, the line
breaks before or after one, the server leads elsewhere than it says.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.backups.contract import BOB, DAY, PLAN, Contract, left_alone, listing, mine_of, one_of, set_aside
from tests.backups.test_local import BOB_S, WEEKLY, LocalPlace, whole
from whmcs_bridge.backups import folders
from whmcs_bridge.backups.base import Odd
from whmcs_bridge.backups.folders import Entry, Fault, FolderStore, Kind, Line, below
from whmcs_bridge.backups.names import QUARANTINE, SENTINEL
from whmcs_bridge.domain.backups import BackupItem, Outcome
from whmcs_bridge.errors import StoreUnreachable, ViewIncomplete

OTHERS = {f"{DAY}/accounts/bob1.tar.gz", f"{DAY}/accounts/alice.tar.gz", "cpbackup/daily/bobby.tar.gz"}
CHANGES = ("_move", "_move_aside", "_delete", "_remove_folder", "_make_folder")
KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}


class Cut(Exception):
    """The line broke."""


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass(slots=True)
class Server:
    """A folder, and what the machine that has it does of its own."""

    folder: str
    crooked: set[str] = field(default_factory=set)
    """Paths that the server says it reaches by another."""
    ids: bool = False
    """It tells ids of folders, and shows linked ones as folders."""
    binds: bool = False
    blind: bool = False
    """It takes upper and lower case for the same, and finds what it is asked for by either."""
    gone: bool = False
    """It hangs up on whoever calls."""
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    """Request -> what somebody does just before it."""
    connected: int = 0
    sent: list[tuple[str, str]] = field(default_factory=list)


class DiskLine(Line):
    """A folder of this machine as if it were another's."""

    def __init__(self, what: str, server: Server) -> None:
        super().__init__(what, "a machine", server.folder)
        self.server = server
        server.connected += 1

    def _entries(self, path: str) -> Iterator[Entry]:
        self._asked("list", path)
        return iter([self._seen(entry.name, entry.path) for entry in os.scandir(self.whole(path))])

    def _entry(self, path: str) -> Entry | None:
        if self.server.blind and not os.path.lexists(self.whole(path)):
            folder, _, name = path.rpartition("/")
            names = os.listdir(self.whole(folder)) if os.path.isdir(self.whole(folder)) else []
            path = next((below(folder, one) for one in names if one.lower() == name.lower()), path)
        try:
            return self._seen(path.rpartition("/")[2], self.whole(path))
        except FileNotFoundError:
            return None

    def _seen(self, name: str, path: str) -> Entry:
        found = os.lstat(path)
        kind = KINDS.get(stat.S_IFMT(found.st_mode), Kind.SPECIAL)
        if kind is Kind.LINK and self.server.ids and os.path.isdir(path):
            found, kind = os.stat(path), Kind.FOLDER
        return Entry(
            name,
            kind,
            found.st_size,
            datetime.fromtimestamp(int(found.st_mtime), UTC),
            f"{found.st_size}:{found.st_mtime_ns}",
            unique=str(found.st_ino) if self.server.ids else "",
            binding=f"{found.st_ino}:{found.st_size}" if self.server.binds else "",
            private=not stat.S_IMODE(found.st_mode) & 0o077,
        )

    def _answers(self, path: str) -> bool:
        return os.path.lexists(self.whole(path))

    def _straight(self, path: str) -> bool:
        return path not in self.server.crooked

    def _move(self, source: str, target: str) -> None:
        self._asked("move", source)
        if os.path.lexists(self.whole(target)):
            raise Odd("something lies there")
        os.rename(self.whole(source), self.whole(target))

    def _move_aside(self, source: str, target: str) -> None:
        self._asked("move aside", source)
        os.rename(self.whole(source), self.whole(target))

    def _delete(self, path: str, found: Entry) -> None:
        self._asked("delete", path)
        there = self._entry(path)
        if found.binding and there is not None and there.binding != found.binding:
            raise Odd("it is another")
        os.unlink(self.whole(path))

    def _remove_folder(self, path: str) -> None:
        os.rmdir(self.whole(path))

    def _make_folder(self, path: str) -> None:
        os.mkdir(self.whole(path), 0o700)

    def _asked(self, what: str, path: str) -> None:
        if self.server.gone:
            raise Cut
        self.server.sent.append((what, path))
        self.server.before.pop(what, lambda: None)()

    def fault(self, error: Exception) -> Fault | None:
        if isinstance(error, Cut):
            return Fault.BROKEN
        if isinstance(error, FileNotFoundError):
            return Fault.MISSING
        return Fault.DENIED if isinstance(error, OSError) else None

    def said(self, error: Exception) -> str:
        return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__

    def alive(self) -> bool:
        return not self.server.gone

    def close(self) -> None:
        pass


class DiskStore(FolderStore[Server]):
    """A store over such a line."""

    kind = "disk"

    @property
    def binds(self) -> bool:  # type: ignore[override]
        return self._login.binds

    def _connect(self) -> Line:
        return DiskLine(f"store {self.name}", self._login)


class DiskPlace(LocalPlace):
    """The folder as the line reaches it."""

    many = 1_001
    """A listing has no pages."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, patch)
        self.server = Server(str(self.root))
        self.away = self._gone
        self.half_forbidden = self._without_weekly
        self.cut_after_send = self._cut

    def store(self, **more: Any) -> DiskStore:
        return DiskStore("disk", str(self.root), self.layout, login=self.server, **more)

    def _gone(self) -> DiskStore:
        self.server.gone = True
        return self.store()

    def _without_weekly(self) -> DiskStore:
        self.refuse("_entries", "weekly")
        return self.store()

    def refuse(self, call: str, denied: str) -> None:
        """Let the server say no to one request about a path."""
        real = getattr(DiskLine, call)

        def refuse(line: DiskLine, path: str, *more: Any) -> Any:
            if path == denied:
                raise PermissionError(13, "Permission denied")
            return real(line, path, *more)

        self.patch.setattr(DiskLine, call, refuse)

    def _cut(self) -> DiskStore:
        for call in ("_move", "_move_aside"):
            self.patch.setattr(DiskLine, call, _cutting(getattr(DiskLine, call)))
        return self.store()


def _cutting(sent: Any) -> Any:
    def cut(line: DiskLine, *given: Any) -> None:
        sent(line, *given)
        raise Cut

    return cut


def stays_when_moved_back_upon(place: LocalPlace) -> None:
    """Somebody lays a new backup in an item's place in the moment in which the item is put back."""
    place.make([BOB_S])
    store = place.store()
    there, _ = set_aside(place, store)
    move = Line.move

    def slipping(line: Line, source: str, target: str) -> None:
        place.write(BOB_S, "tonight's")
        move(line, source, target)

    place.patch.setattr(Line, "move", slipping)
    assert store.put_back(there).outcome in (Outcome.REFUSED, Outcome.FAILED)
    assert (place.root / BOB_S).read_text() == "tonight's"
    assert (place.root / there.locator).exists()


def sees_that_case_does_not_count(place: LocalPlace) -> None:
    """The sentinel is found under its name in capitals too."""
    store: Any = place.store()
    listing(store)
    assert not store.case_blind
    os.link(place.root / SENTINEL, place.root / SENTINEL.upper())
    listing(store)
    assert store.case_blind


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DiskPlace:
    return DiskPlace(tmp_path, monkeypatch)


class TestFolders(Contract):
    pass


# --- what is there, and what is not ----------------------------------------------------------------------


@pytest.mark.parametrize("trick", ["no sentinel", "sentinel is a link", "sentinel is a folder"])
def test_a_folder_without_its_sentinel_is_away_not_empty(place: DiskPlace, trick: str) -> None:
    sentinel = place.root / SENTINEL
    sentinel.unlink()
    if trick == "sentinel is a link":
        sentinel.symlink_to("/etc/passwd")
    elif trick == "sentinel is a folder":
        sentinel.mkdir()
    with pytest.raises(StoreUnreachable, match="is the disk mounted"):
        listing(place.store())


def test_a_store_is_recognised_before_every_change(place: DiskPlace) -> None:
    """A disk may be taken off between a listing and a deletion, and what lies under it may look the same."""
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    (place.root / SENTINEL).unlink()
    with pytest.raises(StoreUnreachable):
        store.delete(item)
    assert place.left() == {BOB_S}


def test_a_root_that_the_server_reaches_by_a_link_is_refused(place: DiskPlace) -> None:
    place.server.crooked.add("")
    with pytest.raises(StoreUnreachable, match="reached through a link"):
        listing(place.store())


def test_a_root_that_may_not_be_read_is_told(place: DiskPlace) -> None:
    def refuse(*_args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    place.patch.setattr(DiskLine, "_entry", refuse)
    with pytest.raises(StoreUnreachable, match=r"cannot be read: Permission denied$"):
        listing(place.store())


def test_a_folder_that_goes_while_it_is_walked_makes_the_list_incomplete(place: DiskPlace) -> None:
    place.make([BOB_S])
    entries = DiskLine._entries

    def going(line: DiskLine, path: str) -> Iterator[Entry]:
        if path == f"{DAY}/accounts":
            raise FileNotFoundError
        return entries(line, path)

    place.patch.setattr(DiskLine, "_entries", going)
    with pytest.raises(ViewIncomplete, match=r"2026-05-31/accounts cannot be listed: it is not there; until"):
        listing(place.store())


@pytest.mark.parametrize("call", ["_straight", "_entry"])
def test_a_name_that_is_no_text_ends_no_run(place: DiskPlace, call: str) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)

    def garbled(*_given: Any) -> Any:
        return b"\xff".decode()

    place.patch.setattr(DiskLine, call, garbled)
    with pytest.raises(ViewIncomplete, match="not UTF-8"):
        store.delete(item)


def test_folders_that_hold_no_backups_are_left_out_only_at_the_top(place: DiskPlace) -> None:
    place.make(["lost+found/x", "a/lost+found/x"])
    assert [item.locator for item in place.store(leave_out=("lost+found",)).items()] == ["a/lost+found/x"]


def test_every_listing_is_over_a_line_of_its_own(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    listing(store)
    listing(store)
    assert place.server.connected == 2


def test_a_folder_that_the_server_reaches_by_a_link_makes_the_list_incomplete(place: DiskPlace) -> None:
    place.make([BOB_S])
    place.server.crooked.add(DAY.isoformat())
    with pytest.raises(ViewIncomplete, match="reached through a link"):
        listing(place.store())


def test_a_second_way_to_a_folder_makes_the_list_incomplete(place: DiskPlace) -> None:
    place.make([BOB_S])
    place.server.ids = True
    assert len(listing(place.store())) == 1
    (place.root / "2026-06-01").symlink_to(place.root / DAY.isoformat(), target_is_directory=True)
    with pytest.raises(ViewIncomplete, match="second way"):
        listing(place.store())


def test_a_second_way_within_a_backup_folder_makes_the_list_incomplete(place: DiskPlace) -> None:
    place.make([f"{DAY}/accounts/bob/mail/inbox"])
    (place.root / f"{DAY}/accounts/bob/again").symlink_to("mail", target_is_directory=True)
    place.server.ids = True
    with pytest.raises(ViewIncomplete, match="second way"):
        listing(place.store())


@pytest.mark.parametrize("name", ["../bob1.tar.gz", "accounts/bob.tar.gz", "", ".", "..", "/", "told-twice"])
def test_a_list_of_what_lies_elsewhere_is_no_list(place: DiskPlace, name: str) -> None:
    place.make(["told-twice"])
    entries = DiskLine._entries

    def odd(line: DiskLine, path: str) -> Iterator[Entry]:
        yield from entries(line, path)
        yield Entry(name, Kind.FILE, 1, None, "etag")

    place.patch.setattr(DiskLine, "_entries", odd)
    with pytest.raises(ViewIncomplete, match="elsewhere, or of two things by one name"):
        listing(place.store())


def test_folders_without_end_make_the_list_incomplete(place: DiskPlace) -> None:
    place.patch.setattr(folders, "MAX_DEPTH", 3)
    place.make(["1/2/3/fits"])
    assert len(listing(place.store())) == 1
    place.make(["1/2/3/4/too-deep"])
    with pytest.raises(ViewIncomplete, match="more than 3 folders above it"):
        listing(place.store())


def test_backup_folders_without_end_make_the_list_incomplete(place: DiskPlace) -> None:
    place.patch.setattr(folders, "MAX_DEPTH", 3)
    place.make([f"{DAY}/accounts/bob/1/2/3/fits"])
    assert len(listing(place.store())) == 1
    place.make([f"{DAY}/accounts/bob/1/2/3/4/too-deep"])
    with pytest.raises(ViewIncomplete, match="more than 3 folders deep"):
        listing(place.store())


# --- what lies beside the backups ------------------------------------------------------------------------


def test_what_lies_beside_the_backups_is_found_in_a_folder_that_is_left_out(place: DiskPlace) -> None:
    place.make([".meta/bob.db", ".meta/bob1.db"])
    store = place.store(leave_out=(".meta",))
    assert listing(store) == []
    [item] = store.residue(BOB)
    assert item.locator == ".meta/bob.db"
    assert store.delete(item).outcome is Outcome.DELETED
    assert place.left() == {".meta/bob1.db"}


def test_another_s_file_does_not_lie_beside_where_the_server_takes_its_name_for_ours(place: DiskPlace) -> None:
    place.make([".meta/Bob.db"])
    place.server.blind = True
    store = place.store()
    assert list(store.residue(BOB)) == []
    assert place.left() == {".meta/Bob.db"}


@pytest.mark.parametrize("trick", ["a link", "a file"])
def test_nothing_lies_beside_behind_a_link(place: DiskPlace, trick: str) -> None:
    if trick == "a link":
        elsewhere = place.root.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "bob.db").touch()
        (place.root / ".meta").symlink_to(elsewhere, target_is_directory=True)
    else:
        place.make([".meta"])
    assert list(place.store().residue(BOB)) == []


def test_a_folder_has_no_place_beside_the_backups(place: DiskPlace) -> None:
    place.make([".meta/bob.db/x"])
    assert list(place.store().residue(BOB)) == []
    assert [item.locator for item in listing(place.store())] == [".meta/bob.db/x"]


def test_what_may_not_be_looked_at_makes_the_view_incomplete(place: DiskPlace) -> None:
    place.make([".meta/bob.db"])
    place.refuse("_entries", ".meta")
    with pytest.raises(ViewIncomplete):
        place.store().residue(BOB)
    place.refuse("_entry", ".meta")
    with pytest.raises(ViewIncomplete):
        place.store().residue(BOB)


# --- what is looked at before anything happens -----------------------------------------------------------


def test_nothing_goes_through_a_linked_day(place: DiskPlace) -> None:
    place.make([BOB_S])
    (place.root / "2026-06-01").symlink_to(place.root / DAY.isoformat(), target_is_directory=True)
    store = place.store()
    assert sorted(item.locator for item in store.items()) == [BOB_S, "2026-06-01"]
    receipt = store.delete(replace(one_of(place, store, BOB_S), locator="2026-06-01/accounts/bob.tar.gz"))
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "2026-06-01 is a link or file on the way")
    assert place.left() == {BOB_S}


def test_nothing_goes_by_a_way_that_the_server_says_is_another(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    place.server.crooked.add(f"{DAY}/accounts")
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "a link is on the way")
    assert place.left() == {BOB_S}


@pytest.mark.parametrize("trick", ["a link", "a folder"])
def test_what_lies_in_the_place_of_a_file_and_is_none_is_left(place: DiskPlace, trick: str) -> None:
    place.make([BOB_S, WEEKLY])
    store = place.store()
    item = one_of(place, store, BOB_S)
    (place.root / BOB_S).unlink()
    if trick == "a link":
        (place.root / BOB_S).symlink_to(place.root / WEEKLY)
    else:
        (place.root / BOB_S).mkdir()
    forged = DiskLine("store disk", place.server).glance(BOB_S)
    assert forged is not None
    item = replace(item, size=forged.size, at=forged.at, etag=forged.etag)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it is no plain file")
    assert os.path.lexists(place.root / BOB_S)


def test_a_file_in_the_place_of_a_backup_folder_is_left(place: DiskPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    store = place.store()
    [item] = mine_of(store, BOB)
    os.rename(place.root / item.locator, place.root.parent / "elsewhere")
    place.write(item.locator)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it is no folder any more")
    assert place.left() == {item.locator}


def test_a_file_of_the_same_size_and_second_is_another_by_its_etag(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    found = os.stat(place.root / BOB_S)
    os.utime(place.root / BOB_S, ns=(found.st_mtime_ns, found.st_mtime_ns + 1))
    assert store.delete(item).outcome is Outcome.REFUSED
    assert place.left() == {BOB_S}


def test_a_backup_folder_that_grew_since_it_was_listed_is_left(place: DiskPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    store = place.store()
    [item] = mine_of(store, BOB)
    place.write(f"{DAY}/accounts/bob/mail/new")
    left_alone(store, item)
    assert (place.root / f"{DAY}/accounts/bob/mail/new").exists()


def test_a_backup_folder_goes_with_everything_in_it_and_nothing_that_it_links_to(place: DiskPlace) -> None:
    for user in ("bob", "bob1"):
        whole(place, f"{DAY}/accounts/{user}")
    place.make([f"{DAY}/accounts/alice.tar.gz"])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert store.delete(item).outcome is Outcome.DELETED
    assert sorted(path.name for path in (place.root / f"{DAY}/accounts").iterdir()) == ["alice.tar.gz", "bob1"]


def test_what_somebody_else_deletes_from_a_folder_meanwhile_is_no_trouble(place: DiskPlace) -> None:
    place.make([f"{DAY}/accounts/bob/{name}" for name in ("a", "b")])
    store = place.store()
    [item] = mine_of(store, BOB)
    aside = place.root / QUARANTINE / "deleting" / item.locator
    place.server.before["delete"] = lambda: os.unlink(aside / "a")
    assert store.delete(item).outcome is Outcome.DELETED
    assert place.left() == set()


# --- aside, and looked at there --------------------------------------------------------------------------


def test_what_slips_in_between_the_look_and_the_move_is_put_back(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    place.server.before["move aside"] = lambda: place.replace(BOB_S)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it has changed since it was listed")
    assert place.left() == {BOB_S}


def test_what_slips_in_twice_stays_twice(place: DiskPlace) -> None:
    """What was moved by mistake is not put back over what came next: both are left, and told."""
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    place.server.before |= {"move aside": lambda: place.replace(BOB_S), "move": lambda: place.write(BOB_S, "newer")}
    assert store.quarantine(item, PLAN).outcome is Outcome.REFUSED
    assert (place.root / BOB_S).read_text() == "newer"
    assert [one.quarantine for one in listing(place.store())] == [PLAN, ""]


def test_what_comes_into_the_place_of_what_is_being_deleted_stays(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)

    def come() -> None:
        (place.root / BOB_S).unlink(missing_ok=True)
        place.write(BOB_S, "tonight's")

    place.server.before["delete"] = come
    assert store.delete(item).outcome is Outcome.DELETED
    assert place.left() == {BOB_S}


def test_a_deletion_that_the_server_binds_needs_no_move_and_leaves_what_came_meanwhile(place: DiskPlace) -> None:
    place.make([BOB_S, WEEKLY])
    place.server.binds = True
    store = place.store()
    weekly, daily = one_of(place, store, WEEKLY), one_of(place, store, BOB_S)
    assert store.delete(weekly).outcome is Outcome.DELETED
    assert not [what for what, _ in place.server.sent if "move" in what]
    assert (place.root / WEEKLY).parent.exists()
    place.server.before["delete"] = lambda: place.replace(BOB_S)
    assert store.delete(daily).outcome is Outcome.REFUSED
    assert place.left() == {BOB_S}


def test_a_folder_is_moved_aside_also_where_the_server_binds(place: DiskPlace) -> None:
    """No server binds the deletion of a folder to what lies in it."""
    place.server.binds = True
    place.make([f"{DAY}/accounts/bob/a"])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert store.delete(item).outcome is Outcome.DELETED
    assert ("move aside", item.locator) in place.server.sent


@pytest.mark.parametrize("trick", ["a link", "open to others", "a file"])
def test_a_quarantine_that_is_not_ours_takes_nothing(place: DiskPlace, trick: str) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    if trick == "a link":
        (place.root / QUARANTINE).symlink_to(place.root.parent, target_is_directory=True)
    elif trick == "open to others":
        (place.root / QUARANTINE).mkdir()
        (place.root / QUARANTINE).chmod(0o755)
    else:
        (place.root / QUARANTINE).touch(0o600)
    left_alone(store, item)
    assert (place.root / BOB_S).exists()


def test_a_plan_s_folder_that_was_turned_into_a_link_takes_nothing(place: DiskPlace) -> None:
    """The second of two plans: the first has left the folder there."""
    place.make([BOB_S, WEEKLY])
    store = place.store()
    first, second = listing(store)
    store.quarantine(first, PLAN)
    os.rename(place.root / QUARANTINE / PLAN, place.root.parent / "elsewhere")
    (place.root / QUARANTINE / PLAN).symlink_to(place.root.parent / "elsewhere", target_is_directory=True)
    assert store.quarantine(second, PLAN).outcome is Outcome.REFUSED
    assert place.left() == {second.locator}


def test_what_is_moved_and_not_to_be_found_is_unknown(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)

    def lost(line: DiskLine, source: str, _target: str) -> None:
        os.rename(line.whole(source), place.root.parent / "elsewhere")

    place.patch.setattr(DiskLine, "_move_aside", lost)
    assert store.delete(item).outcome is Outcome.UNKNOWN


def test_a_line_that_breaks_while_the_folder_is_tidied_has_deleted_all_the_same(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)

    def cut(*_given: Any) -> None:
        raise Cut

    place.patch.setattr(DiskLine, "_remove_folder", cut)
    assert store.delete(item).outcome is Outcome.DELETED


# --- and back --------------------------------------------------------------------------------------------


def test_what_comes_into_its_place_just_before_it_is_put_back_is_not_overwritten(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    there, _ = set_aside(place, store)
    place.server.before["move"] = lambda: place.write(BOB_S, "tonight's")
    assert store.put_back(there).outcome is Outcome.REFUSED
    assert (place.root / BOB_S).read_text() == "tonight's"


def test_what_lay_in_a_day_that_is_gone_stays_in_quarantine(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    there, _ = set_aside(place, store)
    (place.root / DAY.isoformat() / "accounts").rmdir()
    receipt = store.put_back(there)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "the folder that it lay in is gone")
    assert listing(store) == [there]


def test_nothing_is_put_back_through_a_link(place: DiskPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    there, _ = set_aside(place, store)
    os.rename(place.root / DAY.isoformat(), place.root.parent / "elsewhere")
    (place.root / DAY.isoformat()).symlink_to(place.root.parent / "elsewhere", target_is_directory=True)
    assert store.put_back(there).outcome is Outcome.REFUSED
    assert not list((place.root.parent / "elsewhere" / "accounts").iterdir())


def test_a_folder_of_which_a_part_is_gone_is_not_put_back(place: DiskPlace) -> None:
    """Half a backup would pass for a whole one."""
    place.make([f"{DAY}/accounts/bob/{name}" for name in ("a", "b")])
    store = place.store()
    [item] = mine_of(store, BOB)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    (place.root / there.locator / "a").unlink()
    receipt = store.put_back(there)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it has changed since it was listed")
    assert store.delete(there).outcome is Outcome.DELETED


# --- a process that dies at any request ------------------------------------------------------------------


def dying(patch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """Die at the `at`-th change that is sent, before the server has it or after it."""
    count = 0

    def wrapped(call: Any) -> Any:
        def do(*given: Any) -> Any:
            nonlocal count
            count += 1
            if count > at or (count == at and not after):
                raise Killed
            found = call(*given)
            if count == at:
                raise Killed
            return found

        return do

    for name in CHANGES:
        patch.setattr(DiskLine, name, wrapped(getattr(DiskLine, name)))


def delete_at_once(store: DiskStore, item: BackupItem) -> None:
    assert store.delete(item).outcome is Outcome.DELETED


def delete_by_quarantine(store: DiskStore, item: BackupItem) -> None:
    there = store.quarantine(item, PLAN).item
    assert there is not None
    assert store.delete(there).outcome is Outcome.DELETED


def lay(folder: Path, patch: pytest.MonkeyPatch, kind: str) -> DiskPlace:
    folder.mkdir()
    place = DiskPlace(folder, patch)
    place.make(OTHERS)
    place.make([BOB_S] if kind == "file" else [f"{DAY}/accounts/bob/{name}" for name in ("a", "mail/b", "mail/c")])
    return place


def moments() -> Iterator[tuple[int, bool]]:
    for at in range(1, 18):
        yield at, False
        yield at, True


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("way", [delete_at_once, delete_by_quarantine])
def test_a_deletion_that_died_anywhere_is_finished(tmp_path: Path, kind: str, way: Any) -> None:
    died = finished = 0
    for number, (at, after) in enumerate(moments()):
        with pytest.MonkeyPatch.context() as place_patch:
            place = lay(tmp_path / str(number), place_patch, kind)
            [item] = mine_of(place.store(), BOB)
            with pytest.MonkeyPatch.context() as patch:
                dying(patch, at, after=after)
                try:
                    way(place.store(), item)
                    finished += 1
                except Killed:
                    died += 1
            left = mine_of(place.store(), BOB)
            assert len(left) <= 1, "it lies in two places"
            for one in left:
                assert place.store().delete(one).outcome is Outcome.DELETED
            assert mine_of(place.store(), BOB) == []
            assert {name for name in place.left() if "bob." not in name} == OTHERS
            assert len(listing(place.store())) == len(OTHERS)
    assert died >= 10
    assert finished, "the last requests were not reached"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_putting_back_that_died_anywhere_is_finished(tmp_path: Path, kind: str) -> None:
    died = finished = 0
    for number, (at, after) in enumerate(moments()):
        with pytest.MonkeyPatch.context() as place_patch:
            place = lay(tmp_path / str(number), place_patch, kind)
            [item] = mine_of(place.store(), BOB)
            there = place.store().quarantine(item, PLAN).item
            assert there is not None
            with pytest.MonkeyPatch.context() as patch:
                dying(patch, at, after=after)
                try:
                    assert place.store().put_back(there).item == item
                    finished += 1
                except Killed:
                    died += 1
            receipt = place.store().put_back(there)
            assert (receipt.outcome, receipt.item) == (Outcome.PUT_BACK, item)
            assert mine_of(place.store(), BOB) == [item]
    assert died >= 8
    assert finished, "the last requests were not reached"
