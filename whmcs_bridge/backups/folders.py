"""A folder of another machine: what is looked at before anything is moved or deleted there stands here, once.

A server follows links in the middle of a path, and answers a request for one thing with another's. So every folder on
the way is looked at by itself before anything is done, and what is deleted is first moved aside, where nobody else
writes, and looked at again there (invariants I3, I10 and I11). A driver writes a Line: how its protocol lists a folder,
looks at one thing, moves and deletes one thing, and what its errors mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Generic, NamedTuple, Self, TypeVar

from whmcs_bridge.backups.base import ASIDE, Denied, Gone, Lost, Odd, PathStore, Told, busy_of
from whmcs_bridge.backups.claim import KIND, TREE
from whmcs_bridge.backups.layouts import Layout, layout_of
from whmcs_bridge.backups.names import (
    QUARANTINE,
    SENTINEL,
    OddName,
    quarantined,
    segments_of,
    shown,
    split_quarantine,
)
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Outcome, Probe, Receipt
from whmcs_bridge.errors import SettingsProblem, StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

MAX_DEPTH = 64
Login = TypeVar("Login")
"""Where a driver's machine is, and how it logs in."""


class Kind(StrEnum):
    """What lies at a path; the last two as an item's `meta` says them."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symlink"
    SPECIAL = "special"


class Fault(Enum):
    """What an error of a line means."""

    BROKEN = auto()
    """No answer: what was sent may have been carried out."""
    MISSING = auto()
    DENIED = auto()
    """Any other no of the server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder, itself: no link is followed."""

    name: str
    """As the server says it; a byte that is no UTF-8 is a lone surrogate."""
    kind: Kind
    size: int | None
    at: datetime | None
    """When it was last written, aware."""
    etag: str
    """Changes with the content."""
    unique: str = ""
    """The server's own id of it; "" where it tells none."""
    binding: str = ""
    """What the server itself binds a deletion to; "" where it does not."""
    private: bool = True
    """Nobody else may reach into it, as far as the server tells."""


class Line(ABC):
    """A connection to a store. Paths are below its root and have no `/` at either end; "" is the root.

    A driver writes what begins with an underscore, for one path each and with no second try; its errors are told apart
    by `fault`. Reading raises StoreTrouble and Told; changes also raise Lost: sent, and no answer came.
    """

    skew: timedelta | None = None
    """The server's clock minus ours, once it has told."""

    def __init__(self, what: str, where: str, folder: str) -> None:
        """`what` is whose line it is ("store box"), `where` the machine, `folder` the root there, no `/` at its end."""
        self.what, self.where, self.folder = what, where, folder

    def whole(self, path: str) -> str:
        """Return a path as the server has it."""
        return f"{self.folder}/{path}" if path else self.folder

    # --- what a driver writes

    @abstractmethod
    def _entries(self, path: str) -> Iterable[Entry]:
        """Everything in a folder, whole. Raises ViewIncomplete where it cannot be known to be."""

    @abstractmethod
    def _entry(self, path: str) -> Entry | None:
        """What lies at a path; None where nothing does. The folder that it lies in has been looked at."""

    @abstractmethod
    def _answers(self, path: str) -> bool:
        """Something answers to this name, by whatever other name a listing shows it."""

    @abstractmethod
    def _move(self, source: str, target: str) -> None:
        """Move within the store, overwriting nothing: raises Odd, or what `fault` knows, where something lies there."""

    @abstractmethod
    def _delete(self, path: str, found: Entry) -> None:
        """Delete one thing that is no folder, bound to what was seen of it where the protocol can."""

    @abstractmethod
    def _remove_folder(self, path: str) -> None:
        """Remove a folder in which nothing lies. Raises Odd, or what `fault` knows, where something does."""

    @abstractmethod
    def _make_folder(self, path: str) -> None:
        """Make a folder, closed to others where the protocol can."""

    @abstractmethod
    def fault(self, error: Exception) -> Fault | None:
        """Say what an error means; None for one that is not the line's."""

    @abstractmethod
    def said(self, error: Exception) -> str:
        """Return an error in a few words, without secrets."""

    @abstractmethod
    def alive(self) -> bool:
        """It may be used on; a new one is made otherwise."""

    @abstractmethod
    def close(self) -> None:
        """Hang up; also where it has been already."""

    def _move_aside(self, source: str, target: str) -> None:
        """Move into the quarantine, at a stroke. Nothing lay at the target just before."""
        self._move(source, target)

    def _unlink(self, path: str) -> bool:
        """Remove a link that a listing shows as a folder; True if it was one. What is a folder stays as it is.

        False where listings tell links from folders, or nothing can.
        """
        return False

    def _forget(self) -> None:
        """Something changes, or a new piece of work begins: what was seen before counts no more."""
        return

    def _straight(self, path: str) -> bool:
        """The server reaches this folder by this very path, and by no link; True where it does not tell."""
        return True

    # --- what stores use

    def entries(self, path: str) -> Sequence[Entry]:
        """Return what a folder holds, by name. Raises ViewIncomplete where it cannot be seen, or a link leads to it."""
        at = f"{self.what}: {shown(path) or 'the root'}"
        try:
            with self._guarded(sent=False):
                if not self._straight(path):
                    raise ViewIncomplete(f"{at} is reached through a link")
                try:
                    found = sorted(self._entries(path), key=lambda entry: entry.name)
                except UnicodeError:
                    raise ViewIncomplete(f"{at} holds a name that is not UTF-8") from None
        except Told as told:
            why = str(told) or "it is not there"
            raise ViewIncomplete(f"{at} cannot be listed: {why}; until then nothing goes here") from told
        names = {entry.name for entry in found}
        if len(names) != len(found) or any("/" in name or name in ("", ".", "..") for name in names):
            raise ViewIncomplete(f"{at}: the server tells of what lies elsewhere, or of two things by one name")
        return found

    def look(self, path: str) -> Entry | None:
        """Return what lies at a path, each folder on its way looked at. Raises Odd where one is none, OddName."""
        *folders, _ = segments_of(path)
        way = ""
        with self._guarded(sent=False):
            for folder in folders:
                way = below(way, folder)
                found = self._entry(way)
                if found is None:
                    return None
                if found.kind is not Kind.FOLDER:
                    raise Odd(f"{folder} is a link or file on the way")
            if not self._straight(way):
                raise Odd("a link is on the way")
            return self._entry(path)

    def glance(self, path: str) -> Entry | None:
        """Return what lies at a path whose way was looked at just before."""
        with self._guarded(sent=False):
            return self._entry(path)

    def recognise(self) -> bool:
        """See that the root is the store, not what it is mounted on; True where upper and lower case are the same.

        Raises StoreUnreachable.
        """
        self._forget()
        try:
            with self._guarded(sent=False):
                straight, sentinel = self._straight(""), self._entry(SENTINEL)
                blind = sentinel is not None and self._answers(SENTINEL.upper())
        except Told as told:
            why = str(told) or "it is not there"
            raise StoreUnreachable(f"{self.what}: {self.folder} of {self.where} cannot be read: {why}") from told
        if not straight:
            raise StoreUnreachable(f"{self.what}: {self.folder} is reached through a link; write its own path")
        if sentinel is None or sentinel.kind is not Kind.FILE:
            raise StoreUnreachable(
                f"{self.what}: no file {SENTINEL} in {self.folder} of {self.where}: is the disk mounted? "
                "If this is the store, an empty file of that name says so"
            )
        return blind

    def move(self, source: str, target: str) -> None:
        """Move within the store; nothing is overwritten."""
        with self._guarded(sent=True):
            self._move(source, target)

    def move_aside(self, source: str, target: str) -> None:
        """Move into the quarantine, at a stroke."""
        with self._guarded(sent=True):
            self._move_aside(source, target)

    def delete(self, path: str, found: Entry) -> None:
        """Delete one thing that is no folder."""
        with self._guarded(sent=True):
            self._delete(path, found)

    def unlink(self, path: str) -> bool:
        """Remove what was taken for a folder and is a link; True if it was."""
        with self._guarded(sent=True):
            return self._unlink(path)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        with self._guarded(sent=True):
            self._remove_folder(path)

    def make_folder(self, path: str) -> None:
        """Make a folder. A line that breaks here has changed nothing that matters."""
        self._forget()
        with self._guarded(sent=False):
            self._make_folder(path)

    @contextmanager
    def _guarded(self, *, sent: bool) -> Iterator[None]:
        """Tell what an error means; `sent`: what breaks here may have been carried out."""
        if sent:
            self._forget()
        try:
            yield
        except (Told, StoreTrouble):
            raise
        except UnicodeError as error:
            raise ViewIncomplete(f"{self.what}: {self.where} tells a name that is not UTF-8") from error
        except Exception as error:
            match self.fault(error):
                case Fault.BROKEN:
                    self.close()
                    trouble = self.broken(error)
                    raise (Lost(str(trouble)) if sent else trouble) from error
                case Fault.MISSING:
                    raise Gone from error
                case Fault.DENIED:
                    raise Denied(self.said(error)) from error
                case None:
                    raise

    def revealed(self, secret: Secret) -> str:
        """Return a secret. Raises StoreAuthFailed where it is not there, or no text: one such must not end a run."""
        try:
            found = secret.reveal()
            found.encode()
        except SettingsProblem as problem:
            raise StoreAuthFailed(f"{self.what}: {problem}") from None
        except UnicodeEncodeError:  # bytes of the environment that are no UTF-8
            raise StoreAuthFailed(f"{self.what}: {secret.reference} is not UTF-8 text") from None
        return found

    def broken(self, error: Exception) -> StoreUnreachable:
        """Return the error of a line that broke, or was never made."""
        return StoreUnreachable(f"{self.what}: {self.where}: {self.said(error)}")


class ListingLine(Line):
    """A line that looks at a thing by listing the folder it lies in.

    One listing of a folder serves for the looks before a change; after it, and for the next piece of work, the folder
    is listed anew.
    """

    def __init__(self, what: str, where: str, folder: str) -> None:
        super().__init__(what, where, folder)
        self._seen: dict[str, Mapping[str, Entry]] = {}

    def _entry(self, path: str) -> Entry | None:
        folder, _, name = path.rpartition("/")
        if folder not in self._seen:
            self._seen[folder] = {entry.name: entry for entry in self.entries(folder)}
        return self._seen[folder].get(name)

    def _forget(self) -> None:
        self._seen.clear()


class Moved(NamedTuple):
    """What was moved aside: as an item, and as it was seen there."""

    item: BackupItem
    found: Entry
    note: str = ""

    @property
    def receipt(self) -> Receipt:
        return Receipt(Outcome.QUARANTINED, self.note, item=self.item)


class FolderStore(PathStore, ABC, Generic[Login]):
    """A folder over a line, with a sentinel file in it. Without that file it is taken for away, never for empty."""

    caps = Capabilities(quarantine=True, conditional_delete=True, name_is_all=True)
    folder_times = True
    """A folder's time tells when something in it came or went."""
    new_etags = False
    """A file may get another ETag by being moved."""
    binds = False
    """The server binds the deletion of a file to what was seen of it, so that it need not be moved aside first."""

    def __init__(
        self,
        name: str,
        root: str,
        layout: Layout,
        servers: Collection[int] = (),
        *,
        login: Login,
        leave_out: Collection[str] = (),
        kept: timedelta | None = None,
    ) -> None:
        """`root` is the folder on the machine, `login` what the driver's line takes; `leave_out` holds no backups."""
        super().__init__(name, root, layout, servers, kept=kept)
        self._folder = root
        self._login = login
        self._leave_out = frozenset((*leave_out, SENTINEL))
        self._line: Line | None = None
        self._skew: timedelta | None = None

    @classmethod
    def of(cls, given: BackupStoreSettings, login: Login) -> Self:
        """Return the store of these settings; nothing is connected to yet."""
        options = given.options
        return cls(
            given.name,
            options["root"],
            layout_of(options),
            given.servers,
            login=login,
            leave_out=options["leave_out"],
            kept=timedelta(days=options["bytes_kept_days"]),
        )

    @abstractmethod
    def _connect(self) -> Line:
        """Return a new line. Raises StoreUnreachable, StoreAuthFailed."""

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _opened(self) -> Line:
        """Return the line for changes, which is kept, and see that the root is the store."""
        if self._line is not None and not self._line.alive():
            self.close()
        if self._line is None:
            self._line = self._connect()
        self.case_blind = self._line.recognise()
        return self._line

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Walk everything once: what cannot be walked, or is being written, is told here first."""
        try:
            busy = busy_of(self.items())
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        return Probe(complete=True, clock_skew=self._skew, busy=busy, keeps_for=self._kept, notes=self._notes())

    def _notes(self) -> tuple[str, ...]:
        """What people should know of it."""
        return ()

    def items(self) -> Iterable[BackupItem]:
        """Every file, backup folder and whatever else lies below the root, quarantine too, over a new line.

        Raises ViewIncomplete where a folder cannot be read, or two ways lead to the same one.
        """
        line = self._connect()
        try:
            self.case_blind = line.recognise()
            yield from self._walk(line, "", 0, set())
            self._skew = line.skew
        finally:
            line.close()

    def _walk(self, line: Line, path: str, depth: int, seen: set[str]) -> Iterator[BackupItem]:
        for found in line.entries(path):
            if depth == 0 and found.name in self._leave_out:
                continue
            here = below(path, found.name)
            locator = shown(here)
            if found.kind is not Kind.FOLDER:
                yield self._plain(locator, found)
                continue
            self._only_way(found, locator, seen)
            if depth >= MAX_DEPTH:
                raise ViewIncomplete(f"store {self.name}: {locator} has more than {MAX_DEPTH} folders above it")
            if self.layout.is_tree(locator):
                yield self._tree(line, here, found, seen)
            else:
                yield from self._walk(line, here, depth + 1, seen)

    def _only_way(self, found: Entry, locator: str, seen: set[str]) -> None:
        """A linked folder may be shown as a folder; where the server has ids, the second way to one gives it away."""
        if found.unique and found.unique in seen:
            raise ViewIncomplete(f"store {self.name}: {locator} is a second way to a folder, perhaps a link")
        seen.add(found.unique)

    def _plain(self, locator: str, found: Entry) -> BackupItem:
        if found.kind is Kind.FILE:
            return self.made(locator, size=found.size, at=found.at, etag=found.etag)
        return self.made(locator, at=found.at, etag=found.etag, meta={KIND: found.kind.value})

    def _tree(self, line: Line, path: str, found: Entry, seen: set[str]) -> BackupItem:
        etag, size, newest = self._whole(line, path, found, seen)
        item = self.made(shown(path), size=size, etag=etag, at=newest, meta={KIND: TREE})
        return item if item.made_on is not None else replace(item, at=None)

    def _whole(self, line: Line, path: str, found: Entry, seen: set[str]) -> tuple[str, int, datetime | None]:
        """Count a folder with everything in it: its etag, bytes and newest time."""
        count = size = 0
        newest = found.at if self.folder_times else None
        for one in self._all_in(line, path, 0, seen):
            count += 1
            size += (one.size or 0) if one.kind is Kind.FILE else 0
            if one.at is not None and (self.folder_times or one.kind is not Kind.FOLDER):
                newest = one.at if newest is None else max(newest, one.at)
        return f"tree:{count}:{size}:{newest.timestamp() if newest else ''}", size, newest

    def _all_in(self, line: Line, path: str, depth: int, seen: set[str]) -> Iterator[Entry]:
        if depth > MAX_DEPTH:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} is more than {MAX_DEPTH} folders deep")
        for found in line.entries(path):
            yield found
            if found.kind is Kind.FOLDER:
                here = below(path, found.name)
                self._only_way(found, shown(here), seen)
                yield from self._all_in(line, here, depth + 1, seen)

    def residue(self, account: AccountIdentity) -> Sequence[BackupItem]:
        """What the layout has beside the account's backups, over a new line, also where `leave_out` hides it.

        By the names that a listing shows: a server that takes Bob for bob would answer for another's file.
        """
        paths = self.layout.beside(account.username)
        if not paths:
            return ()
        line = self._connect()
        try:
            self.case_blind = line.recognise()
            return [item for path in paths for item in self._exactly(line, path)]
        finally:
            line.close()

    def _exactly(self, line: Line, path: str) -> Iterator[BackupItem]:
        folder, _, name = path.rpartition("/")
        try:
            found = line.look(folder) if folder else None
        except Odd:
            return  # what lies behind a link is elsewhere
        except Told as told:
            raise ViewIncomplete(f"store {self.name}: {folder} cannot be looked at: {told}") from told
        if folder and (found is None or found.kind is not Kind.FOLDER):
            return
        for one in line.entries(folder):
            if one.name == name and one.kind is not Kind.FOLDER:
                yield self._plain(path, one)

    # --- changing --------------------------------------------------------------------------------

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move it into the plan's quarantine; one that lies there already is found there."""
        if item.quarantine:
            return Receipt(Outcome.REFUSED, f"it lies in the quarantine of {item.quarantine} already")
        return self._guarded(item, lambda line: self._move_aside(line, item, plan).receipt)

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly what was listed.

        It is moved aside first and looked at again where nobody else writes, unless the server itself binds the
        deletion to what was looked at.
        """
        return self._guarded(item, lambda line: self._delete(line, item))

    def put_back(self, item: BackupItem) -> Receipt:
        """Move an item from quarantine to where it lay; nothing is overwritten, and one that lies there is found."""
        return self._guarded(item, lambda line: self._put_back(line, item))

    def _guarded(self, item: BackupItem, act: Callable[[Line], Receipt]) -> Receipt:
        """Refuse what names nothing that may be touched; turn what the server says into a receipt."""
        if fault := self.fault_of(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            return act(self._opened())
        except Told as told:
            return Receipt(told.outcome, str(told))
        except OddName as odd:
            return Receipt(Outcome.REFUSED, str(odd))

    def _delete(self, line: Line, item: BackupItem) -> Receipt:
        if item.quarantine:
            found = self._checked(line, item, moved=True, begun=True)
        elif (bound := self._bound(line, item)) is not None:
            found = bound
        else:
            item, found, _ = self._move_aside(line, item, ASIDE)
        if is_tree(item):
            if line.unlink(item.locator):
                raise Odd("it was a link and is gone; what it led to is left")
            self._empty(line, item.locator, 0)
            line.remove_folder(item.locator)
        else:
            line.delete(item.locator, found)
        self._drop_empty(line, item.locator)
        return Receipt(Outcome.DELETED)

    def _bound(self, line: Line, item: BackupItem) -> Entry | None:
        """Return what lies there, if it is what was listed and its deletion can be bound to it."""
        if not self.binds or is_tree(item):
            return None
        found = line.look(item.locator)
        if found is None:
            return None
        self._same(line, item, found)
        return found if found.binding else None

    def _empty(self, line: Line, path: str, depth: int) -> None:
        """Delete what a folder holds, one by one; what somebody else has deleted meanwhile is gone."""
        if depth > MAX_DEPTH:
            raise Odd(f"more than {MAX_DEPTH} folders deep")
        for found in line.entries(path):
            here = below(path, found.name)
            with suppress(Gone):
                if found.kind is not Kind.FOLDER:
                    line.delete(here, found)
                elif not line.unlink(here):
                    self._empty(line, here, depth + 1)
                    line.remove_folder(here)

    def _move_aside(self, line: Line, item: BackupItem, plan: str) -> Moved:
        """Move an item into a plan's quarantine, and look at it there; what is another is put back."""
        target = quarantined(plan, item.locator)
        there = replace(item, locator=target, quarantine=plan)
        found = line.look(target)
        if found is not None:
            # A run was killed between the move and the record of it.
            self._same(line, there, found, moved=True, begun=True)
            return Moved(_as_found(there, found), found, "it lies there already")
        self._checked(line, item)
        self._make_room(line, target)
        line.move_aside(item.locator, target)
        found = line.glance(target)
        if found is None:
            raise Lost(f"store {self.name}: moved, and not there; a listing tells where it is")
        try:
            self._same(line, there, found, moved=True, begun=True)
        except Odd:
            line.move(target, item.locator)
            raise
        return Moved(_as_found(there, found), found)

    def _put_back(self, line: Line, item: BackupItem) -> Receipt:
        original = split_quarantine(item.locator)[1]
        if not item.quarantine or original == item.locator:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=original, quarantine="")
        try:
            self._checked(line, item, moved=True)
        except Gone:
            return self._lies_back(line, back)
        folder = original.rpartition("/")[0]
        if folder and line.look(folder) is None:
            return Receipt(Outcome.REFUSED, "the folder that it lay in is gone")
        if line.look(original) is not None:
            return Receipt(Outcome.REFUSED, "something else lies where it lay")
        line.move(item.locator, original)
        self._drop_empty(line, item.locator)
        found = line.glance(original)
        return Receipt(Outcome.PUT_BACK, item=back if found is None else _as_found(back, found))

    def _lies_back(self, line: Line, back: BackupItem) -> Receipt:
        """It has left quarantine: by a run that was killed before it could say so, or by another hand."""
        try:
            found = self._checked(line, back, moved=True)
        except Odd as odd:
            return Receipt(Outcome.GONE_BEFORE, f"it lies in quarantine no more; where it lay: {odd}")
        return Receipt(Outcome.PUT_BACK, "it lies there already", item=_as_found(back, found))

    def _checked(self, line: Line, item: BackupItem, *, moved: bool = False, begun: bool = False) -> Entry:
        """Return what lies where an item should. Raises Gone where nothing does, Odd where it is another."""
        found = line.look(item.locator)
        if found is None:
            raise Gone
        self._same(line, item, found, moved=moved, begun=begun)
        return found

    def _same(self, line: Line, item: BackupItem, found: Entry, *, moved: bool = False, begun: bool = False) -> None:
        """Raise Odd where this is not what was listed.

        `moved`: it was moved since, which may have given a file another ETag. `begun`: it lies in quarantine, where
        nobody else writes, and a folder may have lost some of what was in it.
        """
        if is_tree(item):
            if found.kind is not Kind.FOLDER:
                raise Odd("it is no folder any more")
            same = begun or self._whole(line, item.locator, found, set())[0] == item.etag
        else:
            if found.kind is not Kind.FILE:
                raise Odd("it is no plain file")
            same = (found.size, found.at) == (item.size, item.at)
            same = same and (found.etag == item.etag or (moved and self.new_etags))
        if not same:
            raise Odd("it has changed since it was listed")

    def _make_room(self, line: Line, target: str) -> None:
        """Make the folders of the quarantine that are not there yet; nobody else may reach into them."""
        path = ""
        for folder in segments_of(target)[:-1]:
            path = below(path, folder)
            found = line.glance(path)
            if found is None:
                line.make_folder(path)
                found = line.glance(path)
            if found is None or found.kind is not Kind.FOLDER:
                raise Odd(f"{folder} is no folder of the bridge's own")
            if not found.private:
                raise Odd(f"{QUARANTINE} is not the bridge's alone (mode 0700)")

    def _drop_empty(self, line: Line, locator: str) -> None:
        """Remove the folders of the quarantine that have become empty; none other."""
        if not split_quarantine(locator)[0]:
            return
        folders = segments_of(locator)[:-1]
        with suppress(Told, StoreTrouble):
            for depth in range(len(folders), 0, -1):
                line.remove_folder("/".join(folders[:depth]))


# --- small pieces -------------------------------------------------------------------------------------


def below(path: str, name: str) -> str:
    """Return the path of a name within a folder."""
    return f"{path}/{name}" if path else name


def is_tree(item: BackupItem) -> bool:
    """The item is a folder with everything in it."""
    return item.meta.get(KIND) == TREE


def _as_found(item: BackupItem, found: Entry) -> BackupItem:
    return item if is_tree(item) else replace(item, etag=found.etag)
