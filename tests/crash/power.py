"""A disk that forgets: what SQLite wrote and did not sync is lost when the power goes, and room can run out.

`Disk` stands between SQLite and the file system (a VFS that passes everything on to SQLite's own) and keeps a log of
what was written, cut, synced, made and deleted below one folder. `files_at` says what would be in the folder had the
power gone at a point of that log. The `-shm` file never counts: it is memory, and made anew after a restart.

Reached through ctypes, on the very library that Python's sqlite3 uses. Where its functions cannot be seen, the tests
are skipped (or fail, as `tests.needs` says).
"""

import _sqlite3
import ctypes
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.needs import stop_without

SECTOR: Final = 512
"""What a disk writes whole or not at all."""
SQLITE_OK, SQLITE_IOERR, SQLITE_FULL, SQLITE_IOERR_SHMSIZE = 0, 10, 13, 4874

_NUMBER, _WIDE, _ANY = ctypes.c_int, ctypes.c_int64, ctypes.c_void_p
_OPEN = ctypes.CFUNCTYPE(_NUMBER, _ANY, _ANY, _ANY, _NUMBER, _ANY)
_DELETE = ctypes.CFUNCTYPE(_NUMBER, _ANY, _ANY, _NUMBER)
_CLOSE = ctypes.CFUNCTYPE(_NUMBER, _ANY)
_WRITE = ctypes.CFUNCTYPE(_NUMBER, _ANY, _ANY, _NUMBER, _WIDE)
_TRUNCATE = ctypes.CFUNCTYPE(_NUMBER, _ANY, _WIDE)
_SYNC = ctypes.CFUNCTYPE(_NUMBER, _ANY, _NUMBER)
_SHM_MAP = ctypes.CFUNCTYPE(_NUMBER, _ANY, _NUMBER, _NUMBER, _NUMBER, _ANY)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs; functions that we only pass on are plain addresses."""

    _fields_ = (
        ("iVersion", _NUMBER),
        ("szOsFile", _NUMBER),
        ("mxPathname", _NUMBER),
        ("pNext", _ANY),
        ("zName", ctypes.c_char_p),
        ("pAppData", _ANY),
        ("xOpen", _ANY),
        ("xDelete", _ANY),
        *((name, _ANY) for name in ("xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose")),
        *((name, _ANY) for name in ("xRandomness", "xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64")),
        *((name, _ANY) for name in ("xSetSystemCall", "xGetSystemCall", "xNextSystemCall")),
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_ = (
        ("iVersion", _NUMBER),
        *((name, _ANY) for name in ("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock")),
        *((name, _ANY) for name in ("xUnlock", "xCheckReservedLock", "xFileControl", "xSectorSize")),
        *((name, _ANY) for name in ("xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap")),
        *((name, _ANY) for name in ("xFetch", "xUnfetch")),
    )


class _File(ctypes.Structure):
    """sqlite3_file, as far as everybody may know it."""

    _fields_ = (("pMethods", ctypes.POINTER(_Methods)),)


def _library() -> ctypes.CDLL | None:
    """The SQLite that Python's sqlite3 has loaded, if its functions can be seen."""
    names: list[str | None] = [getattr(_sqlite3, "__file__", None), None]
    with suppress(OSError):
        maps = Path("/proc/self/maps").read_text().split()
        names = [*{word for word in maps if "libsqlite3" in word}, *names]
    for name in names:
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            library.sqlite3_libversion.restype = ctypes.c_char_p
            library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
            library.sqlite3_vfs_find.argtypes = (ctypes.c_char_p,)
            library.sqlite3_vfs_register.argtypes = (ctypes.POINTER(_Vfs), _NUMBER)
            library.sqlite3_vfs_unregister.argtypes = (ctypes.POINTER(_Vfs),)
            if library.sqlite3_libversion().decode() == sqlite3.sqlite_version:
                return library
    return None


# --- what happened ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """A file appeared in the folder."""

    name: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file left the folder; `for_good`: the folder was synced with it."""

    name: str
    for_good: bool


@dataclass(frozen=True, slots=True)
class Wrote:
    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A file was cut (or stretched) to a size."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file was synced; `folder`: and the folder, as SQLite does once for a log or journal that it has made."""

    name: str
    folder: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a test wants to find again."""

    what: Any


Event = Made | Deleted | Wrote | Cut | Synced | Mark


class Fate(StrEnum):
    """What becomes of writes that were not synced."""

    LOST = "all lost"
    KEPT = "all kept"
    SOME = "some kept, in no order"
    TORN = "some sectors of each kept"


@dataclass
class Disk:
    """The disk below `folder`, from the moment on at which it was put in."""

    folder: Path
    log: list[Event] = field(default_factory=list)
    writes: int = 0
    """Writes so far to files whose name begins with `filling`."""
    filling: str = ""
    room_for: int | None = None
    """How many of those writes find room; None: all."""
    _before: dict[str, bytes] = field(default_factory=dict)
    _there: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # macOS and others reach temporary folders through links; SQLite follows them.
        self.folder = self.folder.resolve()
        self._before = {p.name: p.read_bytes() for p in self.folder.iterdir() if p.is_file() and _lasts(p.name)}
        self._there = set(self._before)

    def mark(self, what: Any) -> None:
        """Leave a mark in the log."""
        with self._lock:
            self.log.append(Mark(what))

    def fill(self, name: str, room_for: int) -> None:
        """From now on only so many writes to files with this beginning find room."""
        with self._lock:
            self.filling, self.room_for, self.writes = name, room_for, 0

    def empty(self) -> None:
        """There is room again."""
        with self._lock:
            self.room_for = None

    def full_for(self, name: str) -> bool:
        """No room is left for this file."""
        return self.room_for is not None and name.startswith(self.filling) and self.writes >= self.room_for

    # --- told by SQLite

    def name_of(self, path: str) -> str:
        """The file's name if it lies in the folder, else ""."""
        found = Path(path)
        return found.name if found.parent == self.folder else ""

    def opened(self, name: str) -> None:
        with self._lock:
            if name not in self._there:
                self._there.add(name)
                self.log.append(Made(name))

    def deleted(self, name: str, for_good: bool) -> None:
        with self._lock:
            self._there.discard(name)
            self.log.append(Deleted(name, for_good))

    def wrote(self, name: str, offset: int, data: bytes) -> bool:
        """Take a write; False is no room."""
        with self._lock:
            if self.full_for(name):
                return False
            if name.startswith(self.filling):
                self.writes += 1
            self.log.append(Wrote(name, offset, data))
            return True

    def cut(self, name: str, size: int) -> None:
        with self._lock:
            self.log.append(Cut(name, size))

    def synced(self, name: str, folder: bool) -> None:
        with self._lock:
            self.log.append(Synced(name, folder))

    # --- after the power is back

    def files_at(self, point: int, fate: Fate, chance: Random) -> dict[str, bytes]:
        """The folder's files had the power gone before event number `point`."""
        nodes = {name: _Node(data) for name, data in self._before.items()}
        folder: list[tuple[str, _Node | None]] = list(nodes.items())
        lasting = len(folder)
        for event in self.log[:point]:
            match event:
                case Made(name):
                    nodes[name] = _Node(b"")
                    folder.append((name, nodes[name]))
                case Deleted(name, for_good):
                    folder.append((name, None))
                    if for_good:
                        lasting = len(folder)
                case Synced(name, whole_folder):
                    nodes[name].synced = len(nodes[name].changes)
                    if whole_folder:
                        lasting = len(folder)
                case Wrote(name) | Cut(name):
                    nodes[name].changes.append(event)
        # A file system keeps the order in which names came and went.
        entries = {Fate.LOST: lasting, Fate.KEPT: len(folder)}.get(fate, chance.randint(lasting, len(folder)))
        found = dict(folder[:entries])
        likely = chance.choice((0.1, 0.5, 0.9))
        return {name: node.content(fate, chance, likely) for name, node in found.items() if node is not None}

    def restore_at(self, point: int, fate: Fate, chance: Random, to: Path) -> None:
        """Write those files into a folder; now and then with the rubbish that a `-shm` file may be."""
        for name, data in self.files_at(point, fate, chance).items():
            (to / name).write_bytes(data)
            if name.endswith("-wal") and chance.random() < 0.3:
                (to / name.replace("-wal", "-shm")).write_bytes(chance.randbytes(32768))


@dataclass
class _Node:
    """A file's content: what it was, what has happened to it since, and how much of that was synced."""

    before: bytes
    changes: list[Wrote | Cut] = field(default_factory=list)
    synced: int = 0

    def content(self, fate: Fate, chance: Random, likely: float) -> bytes:
        data = bytearray(self.before)
        for change in self.changes[: self.synced]:
            _apply(data, change)
        for change in self.changes[self.synced :] if fate is not Fate.LOST else ():
            if fate is Fate.KEPT or (chance.random() < likely and (fate is Fate.SOME or isinstance(change, Cut))):
                _apply(data, change)
            elif fate is Fate.TORN and isinstance(change, Wrote):
                for piece in _sectors(change):
                    if chance.random() < likely:
                        _apply(data, piece)
        return bytes(data)


def _apply(data: bytearray, change: Wrote | Cut) -> None:
    end = change.size if isinstance(change, Cut) else change.offset + len(change.data)
    if len(data) < end:
        data.extend(bytes(end - len(data)))
    if isinstance(change, Cut):
        del data[end:]
    else:
        data[change.offset : end] = change.data


def _sectors(write: Wrote) -> Iterator[Wrote]:
    """The write, sector by sector."""
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Wrote(write.name, start, write.data[start - write.offset : stop - write.offset])
        start = stop


def _lasts(name: str) -> bool:
    return not name.endswith(("-shm", ".lock"))


# --- between SQLite and its file system -----------------------------------------------------------


class _Shim:
    """A VFS before SQLite's own. Syncs are noted and not carried out: the tests need not wait for a real disk."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.disk: Disk | None = None
        self.trouble: list[BaseException] = []
        self._names: dict[int, str] = {}
        self._unsynced_folder: set[int] = set()
        self._methods: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        """Functions that C holds."""
        self._real = library.sqlite3_vfs_find(None)
        self._mine = _Vfs.from_buffer_copy(self._real.contents)
        self._mine.zName = b"forgetful"
        self._mine.xOpen = self._function(_OPEN, self._open)
        self._mine.xDelete = self._function(_DELETE, self._delete)
        self._real_open: Callable[..., int] = _OPEN(self._real.contents.xOpen)
        self._real_delete: Callable[..., int] = _DELETE(self._real.contents.xDelete)

    def install(self) -> None:
        self._library.sqlite3_vfs_register(ctypes.byref(self._mine), 1)

    def remove(self) -> None:
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._mine))
        self._library.sqlite3_vfs_register(self._real, 1)

    def _function(self, kind: Any, does: Callable[..., int]) -> int:
        """Return the address of a C function; an error inside it is kept, and SQLite is told of a broken disk."""

        def guarded(*args: Any) -> int:
            try:
                return does(*args)
            except BaseException as error:
                self.trouble.append(error)
                return SQLITE_IOERR

        function = kind(guarded)
        self._kept.append(function)
        return ctypes.cast(function, _ANY).value or 0

    # --- the file system

    def _open(self, _vfs: int, path: int | None, file: int, flags: int, out_flags: int | None) -> int:
        name = ""
        if path is not None and self.disk is not None:
            name = self.disk.name_of(ctypes.string_at(path).decode())
        fresh = bool(name) and self.disk is not None and not (self.disk.folder / name).exists()
        code = self._real_open(self._real_address, path, file, flags, out_flags)
        if code != SQLITE_OK:
            return code
        if name and self.disk is not None:
            self.disk.opened(name)
            self._names[file] = name
            if fresh:
                self._unsynced_folder.add(file)
        opened = ctypes.cast(file, ctypes.POINTER(_File)).contents
        opened.pMethods = ctypes.pointer(self._methods_for(opened.pMethods))
        return code

    @property
    def _real_address(self) -> int | None:
        return ctypes.cast(self._real, _ANY).value

    def _delete(self, _vfs: int, path: int, sync_folder: int) -> int:
        code = self._real_delete(self._real_address, path, 0)
        name = self.disk.name_of(ctypes.string_at(path).decode()) if self.disk is not None else ""
        if code == SQLITE_OK and name and self.disk is not None:
            self.disk.deleted(name, bool(sync_folder))
        return code

    # --- one file

    def _methods_for(self, real: Any) -> _Methods:
        """SQLite's own functions for a file, with ours where we listen; one table for each of its tables."""
        address = ctypes.cast(real, _ANY).value or 0
        if address in self._methods:
            return self._methods[address]
        methods = _Methods.from_buffer_copy(real.contents)
        close: Callable[..., int] = _CLOSE(methods.xClose)
        write: Callable[..., int] = _WRITE(methods.xWrite)
        truncate: Callable[..., int] = _TRUNCATE(methods.xTruncate)
        shm_map: Callable[..., int] | None = _SHM_MAP(methods.xShmMap) if methods.xShmMap else None

        def on_close(file: int) -> int:
            self._names.pop(file, None)
            self._unsynced_folder.discard(file)
            return close(file)

        def on_write(file: int, data: int, count: int, offset: int) -> int:
            disk, name = self.disk, self._names.get(file)
            if disk is not None and name and not disk.wrote(name, offset, ctypes.string_at(data, count)):
                write(file, data, count // 2, offset)  # as much as fits
                return SQLITE_FULL
            return write(file, data, count, offset)

        def on_truncate(file: int, size: int) -> int:
            disk, name = self.disk, self._names.get(file)
            if disk is not None and name:
                disk.cut(name, size)
            return truncate(file, size)

        def on_sync(file: int, _flags: int) -> int:
            disk, name = self.disk, self._names.get(file)
            if disk is not None and name:
                beside = name.endswith(("-wal", "-journal")) and file in self._unsynced_folder
                disk.synced(name, beside)
                self._unsynced_folder.discard(file)
            return SQLITE_OK

        def on_shm_map(file: int, region: int, size: int, extend: int, out: int) -> int:
            disk, name = self.disk, self._names.get(file)
            if extend and disk is not None and name and disk.full_for(name):
                shm = disk.folder / f"{name}-shm"
                if not shm.exists() or shm.stat().st_size < (region + 1) * size:
                    return SQLITE_IOERR_SHMSIZE
            assert shm_map is not None
            return shm_map(file, region, size, extend, out)

        methods.xClose = self._function(_CLOSE, on_close)
        methods.xWrite = self._function(_WRITE, on_write)
        methods.xTruncate = self._function(_TRUNCATE, on_truncate)
        methods.xSync = self._function(_SYNC, on_sync)
        if shm_map is not None:
            methods.xShmMap = self._function(_SHM_MAP, on_shm_map)
        self._methods[address] = methods
        return methods


_SHIMS: list[_Shim] = []
"""The one of this process, once it was needed: SQLite may call it for as long as a file stays open."""


def _shim() -> _Shim | None:
    if not _SHIMS:
        library = _library()
        if library is None:
            return None
        _SHIMS.append(_Shim(library))
    return _SHIMS[0]


def _listens(folder: Path) -> bool:
    """A file that is opened by Python really comes by here."""
    shim = _shim()
    if shim is None:
        return False
    with forgetful(folder) as disk, closing(sqlite3.connect(folder / "probe.db")) as conn:
        conn.execute("CREATE TABLE probe(x)")
    (folder / "probe.db").unlink()
    return any(isinstance(event, Synced) for event in disk.log)


def need_a_forgetful_disk(folder: Path) -> None:
    """Skip or fail the running test where SQLite's own functions cannot be reached."""
    stop_without(("SQLite library whose functions can be seen",), found=lambda _: _listens(folder))


@contextmanager
def forgetful(folder: Path) -> Iterator[Disk]:
    """Put a forgetful disk below `folder`, for every connection of this process that is opened inside the block."""
    shim = _shim()
    assert shim is not None, "need_a_forgetful_disk() comes first"
    disk = Disk(folder)
    shim.disk = disk
    shim.trouble.clear()
    shim.install()
    try:
        yield disk
    finally:
        shim.remove()
        shim.disk = None
    assert not shim.trouble, shim.trouble


@contextmanager
def restarted() -> Iterator[None]:
    """Everything opened inside the block waits for no disk."""
    shim = _shim()
    assert shim is not None, "need_a_forgetful_disk() comes first"
    shim.install()
    try:
        yield
    finally:
        shim.remove()


def points(log: list[Event], chance: Random, count: int) -> list[int]:
    """So many points of the log, in order: its end, right around syncs as well as anywhere."""
    around = {n + more for n, event in enumerate(log) if isinstance(event, Synced) for more in (0, 1)}
    everywhere = set(range(len(log) + 1))
    if count >= len(everywhere):
        return sorted(everywhere)
    picked = set(chance.sample(sorted(around), min(count // 2, len(around))))
    rest = sorted(everywhere - picked - {len(log)})
    return sorted(picked | {len(log)} | set(chance.sample(rest, count - len(picked) - 1)))
