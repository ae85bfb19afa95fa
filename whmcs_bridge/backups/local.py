"""The local driver: a folder of this machine, safe against links down to the last system call.

Every path is walked from `/` name by name with O_NOFOLLOW, and everything is done relative to the folder that was
opened, so that nothing that is renamed or linked meanwhile leads elsewhere (invariants I3 and I11).
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from whmcs_bridge.backups.base import ASIDE, NO_META, Gone, Lost, Odd, PathStore, Told, busy_of
from whmcs_bridge.backups.claim import KIND, LINKS, LINKS_HERE
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
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

MAX_DEPTH = 256
"""Folders within folders; each holds a file descriptor open."""
MOUNTS = "/proc/self/mountinfo"
OCTAL = re.compile(rb"\\([0-7]{3})")
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_store(given: BackupStoreSettings) -> "LocalStore":
    """Return the store of these settings."""
    options = given.options
    return LocalStore(
        given.name,
        options["root"],
        layout_of(options),
        given.servers,
        device=options.get("device_number"),
        leave_out=options["leave_out"],
        busy_files=options["busy_files"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies at a path: a file or link by itself, or a folder with everything in it."""

    etag: str
    size: int
    newest_ns: int


class LocalStore(PathStore):
    """A folder with a sentinel file in it. Without that file it is taken for away, never for empty."""

    kind = "local"
    caps = Capabilities(quarantine=True, conditional_delete=True, name_is_all=True)

    def __init__(
        self,
        name: str,
        root: str,
        layout: Layout,
        servers: Collection[int] = (),
        *,
        device: int | None = None,
        leave_out: Collection[str] = (),
        busy_files: Collection[str] = (),
        kept: timedelta | None = None,
    ) -> None:
        super().__init__(name, root, layout, servers, kept=kept)
        self._device = device
        self._leave_out = frozenset(leave_out)
        self._busy_files = tuple(busy_files)

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Walk everything once: what cannot be walked, or is being written, is told here first."""
        try:
            with self._opened() as root:
                writable = os.access(".", os.W_OK, dir_fd=root)
            busy = set(busy_of(self.items()))
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        if any(_has_content(path) for path in self._busy_files):
            busy.add("*")
        notes = () if writable else ("it can be read, but not be deleted from",)
        return Probe(complete=True, busy=tuple(sorted(busy)), keeps_for=self._kept, notes=notes)

    def items(self) -> Iterable[BackupItem]:
        """Every file, backup folder, link and special file below the root, quarantine too.

        Raises ViewIncomplete where a folder cannot be read, or another disk is mounted.
        """
        linked: list[tuple[tuple[int, int], BackupItem]] = []
        with self._opened() as root:
            for inode, item in self._walk(root, os.fstat(root).st_dev, "", 0):
                if inode is None:
                    yield item
                else:
                    linked.append((inode, item))
        yield from _with_links(linked)

    def _walk(
        self, folder: int, device: int, path: str, depth: int
    ) -> Iterator[tuple[tuple[int, int] | None, BackupItem]]:
        """Yield what a folder holds; the inode of a file comes with it where it has more names than one."""
        for name, found in self._listed(folder, path):
            if depth == 0 and (name in self._leave_out or name == SENTINEL):
                continue
            here = path + name
            locator = shown(here)
            if not stat.S_ISDIR(found.st_mode):
                linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
                yield (found.st_dev, found.st_ino) if linked else None, self._plain(locator, found)
                continue
            if depth >= MAX_DEPTH:
                raise ViewIncomplete(f"store {self.name}: {locator} has more than {MAX_DEPTH} folders above it")
            with self._inside(folder, name, locator) as inner:
                if os.fstat(inner).st_dev != device:
                    raise ViewIncomplete(
                        f"store {self.name}: another disk is mounted at {locator}; make it a store of its own"
                    )
                if self.layout.is_tree(locator):
                    yield None, self._tree(inner, locator, found)
                else:
                    yield from self._walk(inner, device, here + "/", depth + 1)

    def _listed(self, folder: int, path: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # gone since: no longer in the store
                    yield entry.name, found
        except OSError as error:
            raise self._unseen(path or ".", error) from error

    def _plain(self, locator: str, found: os.stat_result) -> BackupItem:
        if stat.S_ISREG(found.st_mode):
            meta = NO_META if found.st_nlink <= 1 else {LINKS: str(found.st_nlink)}
            return self.made(locator, size=found.st_size, at=_time(found.st_mtime_ns), etag=_etag(found), meta=meta)
        kind = "symlink" if stat.S_ISLNK(found.st_mode) else "special"
        return self.made(locator, at=_time(found.st_mtime_ns), etag=_etag(found), meta={KIND: kind})

    def _tree(self, folder: int, locator: str, found: os.stat_result) -> BackupItem:
        whole = self._whole(folder, locator, found)
        item = self.made(locator, size=whole.size, etag=whole.etag, at=_time(whole.newest_ns), meta={KIND: "tree"})
        return item if item.made_on is not None else replace(item, at=None)

    def _whole(self, folder: int, locator: str, found: os.stat_result) -> _Found:
        """Count a folder with everything in it; links in it are counted, never followed."""
        count = size = 0
        newest = found.st_mtime_ns
        for one in self._all_in(folder, locator, found.st_dev, 0):
            count += 1
            size += one.st_size if stat.S_ISREG(one.st_mode) else 0
            newest = max(newest, one.st_mtime_ns)
        return _Found(f"tree:{found.st_dev}:{found.st_ino}:{count}:{size}:{newest}", size, newest)

    def _all_in(self, folder: int, locator: str, device: int, depth: int) -> Iterator[os.stat_result]:
        for name, found in self._listed(folder, locator):
            if found.st_dev != device:
                raise ViewIncomplete(f"store {self.name}: another disk is mounted in {locator}; take it off first")
            yield found
            if stat.S_ISDIR(found.st_mode):
                if depth >= MAX_DEPTH:
                    raise ViewIncomplete(f"store {self.name}: {locator} is more than {MAX_DEPTH} folders deep")
                with self._inside(folder, name, locator) as inner:
                    yield from self._all_in(inner, locator, device, depth + 1)

    def residue(self, account: AccountIdentity) -> Sequence[BackupItem]:
        """What the layout has beside the account's backups, also where `leave_out` hides it.

        By the names that the folder lists: a disk that takes Bob for bob would open another's file.
        """
        paths = self.layout.beside(account.username)
        if not paths:
            return ()
        with self._opened() as root:
            return [item for path in paths for item in self._exactly(root, path)]

    def _exactly(self, root: int, path: str) -> Iterator[BackupItem]:
        *folders, name = segments_of(path)
        try:
            folder = _beneath(root, folders)
        except (FileNotFoundError, Odd):
            return  # what lies behind a link is elsewhere
        except OSError as error:
            raise self._unseen(path, error) from error
        try:
            for own, found in self._listed(folder, path):
                if own == name and not stat.S_ISDIR(found.st_mode):
                    yield self._plain(path, found)
        finally:
            os.close(folder)

    # --- opening ---------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the root, name by name from `/`, and see that it is the store."""
        folder = os.open("/", FOLDER)
        try:
            for name in self.root.strip("/").split("/"):
                try:
                    inner = os.open(name, FOLDER, dir_fd=folder)
                except OSError as error:
                    raise StoreUnreachable(
                        f"store {self.name}: {self.root} cannot be opened at {name!r}: {_said(error)}; "
                        "no part of it may be a symbolic link"
                    ) from error
                os.close(folder)
                folder = inner
            self._recognise(folder)
            self._refuse_mounts()
            yield folder
        finally:
            os.close(folder)

    def _recognise(self, root: int) -> None:
        device = os.fstat(root).st_dev
        try:
            sentinel = os.stat(SENTINEL, dir_fd=root, follow_symlinks=False)
        except OSError:
            sentinel = None
        if sentinel is None or not stat.S_ISREG(sentinel.st_mode) or sentinel.st_dev != device:
            raise StoreUnreachable(
                f"store {self.name}: no file {SENTINEL} in {self.root}: is the disk mounted? "
                f"If this is the store, `touch {self.root}/{SENTINEL}` says so"
            )
        if self._device is not None and device != self._device:
            raise StoreUnreachable(
                f"store {self.name}: {self.root} lies on device {device}, not on {self._device} (device_number)"
            )
        self._device = device
        with suppress(OSError):
            other = os.stat(SENTINEL.upper(), dir_fd=root, follow_symlinks=False)
            self.case_blind = (other.st_dev, other.st_ino) == (sentinel.st_dev, sentinel.st_ino)

    def _refuse_mounts(self) -> None:
        """A folder of the same disk that is bound into the store has the same device number: ask the system."""
        for place in _mounted_below(self.root):
            if place.split("/")[0] not in self._leave_out:
                raise ViewIncomplete(
                    f"store {self.name}: something is mounted at {shown(place)}; take it off, or make it a store"
                )

    @contextmanager
    def _inside(self, folder: int, name: str, path: str) -> Iterator[int]:
        try:
            inner = os.open(name, FOLDER, dir_fd=folder)
        except OSError as error:
            raise self._unseen(path, error) from error
        try:
            yield inner
        finally:
            os.close(inner)

    def _unseen(self, path: str, error: OSError) -> StoreTrouble:
        at = shown(os.fsencode(path))
        return ViewIncomplete(
            f"store {self.name}: {at} cannot be read: {_said(error)}; nothing is deleted here until then"
        )

    @contextmanager
    def _parent_of(self, root: int, locator: str) -> Iterator[tuple[int, str]]:
        """Open the folder that an item lies in; yields it and the item's own name. Raises Odd, Gone."""
        *folders, name = segments_of(locator)
        try:
            folder = _beneath(root, folders)
        except FileNotFoundError:
            raise Gone from None
        try:
            yield folder, name
        finally:
            os.close(folder)

    # --- writing ---------------------------------------------------------------------------------

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move it into the plan's quarantine; one that lies there already is found there."""
        if item.quarantine:
            return Receipt(Outcome.REFUSED, f"it lies in the quarantine of {item.quarantine} already")
        return self._guarded(item, lambda root: self._move_aside(root, item, plan))

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly what was listed. It is moved aside first and looked at again where nobody else reaches it."""
        return self._guarded(item, lambda root: self._delete(root, item))

    def put_back(self, item: BackupItem) -> Receipt:
        """Move an item from quarantine to where it lay; nothing is overwritten, and one that lies there is found."""
        return self._guarded(item, lambda root: self._put_back(root, item))

    def _guarded(self, item: BackupItem, act: Callable[[int], Receipt]) -> Receipt:
        """Refuse what names nothing that may be touched; turn what the system says into a receipt."""
        if fault := self.fault_of(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            with self._opened() as root:
                return act(root)
        except Told as told:
            return Receipt(told.outcome, str(told))
        except OddName as odd:
            return Receipt(Outcome.REFUSED, str(odd))
        except FileNotFoundError:  # not the item, of which Gone would tell: perhaps a folder of the quarantine
            return Receipt(Outcome.UNKNOWN, "something else was taken away meanwhile; a listing tells what is left")
        except PermissionError as error:
            return Receipt(Outcome.FAILED, f"{_said(error)}; immutable, or the bridge's user may not")
        except OSError as error:
            return Receipt(Outcome.FAILED, _said(error))

    def _delete(self, root: int, item: BackupItem) -> Receipt:
        if not item.quarantine:
            moved = self._move_aside(root, item, ASIDE)
            if moved.item is None:
                return moved
            item = moved.item
        with self._parent_of(root, item.locator) as (folder, name):
            self._check(folder, name, item, begun=True)
            if item.meta.get(KIND) == "tree":
                self._delete_tree(folder, name, item.locator)
            else:
                os.unlink(name, dir_fd=folder)
        _drop_empty(root, item.locator)
        return Receipt(Outcome.DELETED)

    def _delete_tree(self, folder: int, name: str, locator: str) -> None:
        with self._inside(folder, name, locator) as inner:
            self._empty(inner, locator, os.fstat(inner).st_dev, 0)
        os.rmdir(name, dir_fd=folder)

    def _empty(self, folder: int, locator: str, device: int, depth: int) -> None:
        """Delete what a folder holds, one by one; what somebody else has deleted meanwhile is gone."""
        if depth > MAX_DEPTH:
            raise Odd(f"more than {MAX_DEPTH} folders deep")
        for name, found in list(self._listed(folder, locator)):
            if found.st_dev != device:
                raise Odd("another disk is mounted in it")
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(found.st_mode):
                    os.unlink(name, dir_fd=folder)
                    continue
                inner = _beneath(folder, (name,))
                try:
                    self._empty(inner, locator, device, depth + 1)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=folder)

    def _move_aside(self, root: int, item: BackupItem, plan: str) -> Receipt:
        there = replace(item, locator=quarantined(plan, item.locator), quarantine=plan)
        if self._lies_aside(root, there):
            return Receipt(Outcome.QUARANTINED, "it lies there already", item=there)
        with self._parent_of(root, item.locator) as (folder, own):
            self._check(folder, own, item)
            with self._room_for(root, there.locator) as (aside, name):
                try:
                    os.rename(own, name, src_dir_fd=folder, dst_dir_fd=aside)
                    self._check(aside, name, there, begun=True)
                except Gone:
                    raise Lost("moved, and not there; a listing tells where it is") from None
                except (Odd, OSError) as error:
                    if isinstance(error, Odd):
                        _return(aside, name, folder, own)
                    _drop_empty(root, there.locator)
                    raise
                with suppress(OSError):
                    os.fsync(aside)
        return Receipt(Outcome.QUARANTINED, item=there)

    def _lies_aside(self, root: int, there: BackupItem) -> bool:
        """A run was killed between the move and the record of it. Raises Odd where something else lies there."""
        try:
            with self._parent_of(root, there.locator) as (aside, name):
                self._check(aside, name, there, begun=True)
        except Gone:
            return False
        return True

    def _put_back(self, root: int, item: BackupItem) -> Receipt:
        original = split_quarantine(item.locator)[1]
        if not item.quarantine or original == item.locator:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=original, quarantine="")
        try:
            with self._parent_of(root, original) as (folder, own):
                returned = self._return_checked(root, item, folder, own)
                if returned is None:
                    return self._lies_back(folder, own, back)
        except Gone:
            return self._without_place(root, item)
        if not returned:
            return Receipt(Outcome.REFUSED, "something else lies where it lay")
        _drop_empty(root, item.locator)
        return Receipt(Outcome.PUT_BACK, item=back)

    def _return_checked(self, root: int, item: BackupItem, folder: int, own: str) -> bool | None:
        """Move an item back that is what was listed; False where its place is taken, None where it is not aside."""
        try:
            with self._parent_of(root, item.locator) as (aside, name):
                if _same_file(aside, name, folder, own):
                    # A run was killed after the first of the two steps of `_return`.
                    self._check(folder, own, item, more_names=1)
                    os.unlink(name, dir_fd=aside)
                    return True
                self._check(aside, name, item)
                return _return(aside, name, folder, own)
        except Gone:
            return None

    def _lies_back(self, folder: int, own: str, back: BackupItem) -> Receipt:
        """It has left quarantine: by a run that was killed before it could say so, or by another hand."""
        try:
            self._check(folder, own, back)
        except Odd as odd:
            return Receipt(Outcome.GONE_BEFORE, f"it lies in quarantine no more; where it lay: {odd}")
        return Receipt(Outcome.PUT_BACK, "it lies there already", item=back)

    def _without_place(self, root: int, item: BackupItem) -> Receipt:
        with self._parent_of(root, item.locator) as (aside, name):
            self._check(aside, name, item)
        return Receipt(Outcome.REFUSED, "the folder that it lay in is gone")

    def _check(self, folder: int, name: str, item: BackupItem, *, begun: bool = False, more_names: int = 0) -> None:
        """Raise Odd where this is not what was listed, Gone where nothing is there.

        `begun`: it lies in quarantine, where nobody else writes, and a folder may have lost some of what was in it.
        `more_names`: names of a file that we have made ourselves.
        """
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise Gone from None
        if found.st_dev != os.fstat(folder).st_dev:
            raise Odd("another disk is mounted there")
        if item.meta.get(KIND) == "tree":
            if not stat.S_ISDIR(found.st_mode):
                raise Odd("it is no folder any more")
            same = (item.etag or "").startswith(f"tree:{found.st_dev}:{found.st_ino}:")
            if same and not begun:
                with self._inside(folder, name, item.locator) as inner:
                    same = self._whole(inner, item.locator, found).etag == item.etag
        else:
            if not stat.S_ISREG(found.st_mode):
                raise Odd("it is no plain file")
            if found.st_nlink > int(item.meta.get(LINKS, 1)) + more_names:
                raise Odd(f"its file has {found.st_nlink} names now")
            same = _etag(found) == item.etag
        if not same:
            raise Odd("it has changed since it was listed")

    @contextmanager
    def _room_for(self, root: int, target: str) -> Iterator[tuple[int, str]]:
        """Open, and make where needed, the folder within the quarantine; nobody else may reach into it."""
        *folders, name = segments_of(target)
        folder = os.dup(root)
        try:
            for one in folders:
                with suppress(FileExistsError):
                    os.mkdir(one, 0o700, dir_fd=folder)
                outer, folder = folder, _beneath(folder, (one,))
                os.close(outer)
                found = os.fstat(folder)
                if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                    raise Odd(f"{QUARANTINE} is not the bridge's alone (mode 0700, own user)")
            yield folder, name
        finally:
            os.close(folder)


# --- small pieces -------------------------------------------------------------------------------------


def _beneath(folder: int, names: Sequence[str]) -> int:
    """Open a folder beneath another, name by name on one disk and past no link. Raises Odd, FileNotFoundError."""
    device = os.fstat(folder).st_dev
    here = os.dup(folder)
    for name in names:
        try:
            inner = os.open(name, FOLDER, dir_fd=here)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise Odd(f"{name} is a link or file on the way") from None
            raise
        finally:
            os.close(here)
        here = inner
        if os.fstat(here).st_dev != device:
            os.close(here)
            raise Odd(f"another disk is mounted at {name}")
    return here


def _return(aside: int, name: str, folder: int, own: str) -> bool:
    """Move from quarantine to where it lay, overwriting nothing; True if it went."""
    if stat.S_ISDIR(os.stat(name, dir_fd=aside, follow_symlinks=False).st_mode):
        if _exists(folder, own):
            return False
        os.rename(name, own, src_dir_fd=aside, dst_dir_fd=folder)
        return True
    try:
        os.link(name, own, src_dir_fd=aside, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    os.unlink(name, dir_fd=aside)
    return True


def _drop_empty(root: int, locator: str) -> None:
    """Remove the folders of the quarantine that have become empty; none other."""
    if not split_quarantine(locator)[0]:
        return
    names = segments_of(locator)[:-1]
    for depth in range(len(names), 0, -1):
        with suppress(OSError, Odd):
            folder = _beneath(root, names[: depth - 1])
            try:
                os.rmdir(names[depth - 1], dir_fd=folder)
            finally:
                os.close(folder)


def _mounted_below(root: str) -> Iterator[str]:
    """Yield where something is mounted below a folder, as paths below it (proc(5), mountinfo); none without /proc."""
    try:
        with open(MOUNTS, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(b" ")
        place = os.fsdecode(OCTAL.sub(lambda match: bytes([int(match[1], 8)]), fields[4])) if len(fields) > 4 else ""
        if place.startswith(f"{root}/"):
            yield place.removeprefix(f"{root}/")


def _same_file(folder: int, name: str, other: int, own: str) -> bool:
    """Two names are of one file. Raises Gone where the first is not there."""
    if not _exists(folder, name):
        raise Gone
    if not _exists(other, own):
        return False
    first = os.stat(name, dir_fd=folder, follow_symlinks=False)
    second = os.stat(own, dir_fd=other, follow_symlinks=False)
    return stat.S_ISREG(first.st_mode) and (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _has_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _with_links(linked: Sequence[tuple[tuple[int, int], BackupItem]]) -> Iterator[BackupItem]:
    """Say of each file with several names how many of them are the same account's backups here."""
    here: dict[tuple[tuple[int, int], str], int] = {}
    for inode, item in linked:
        here[inode, item.account] = here.get((inode, item.account), 0) + 1
    for inode, item in linked:
        count = here[inode, item.account] if item.account else 0
        yield replace(item, meta={**item.meta, LINKS_HERE: str(count)})


def _etag(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _time(ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__
