"""Opening an SQLite file that is ours, and nobody else's: checks, migrations, locking, and errors in our words."""

import errno
import fcntl
import os
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

import msgspec
from sqlite_utils import Database, Migrations

from whmcs_bridge.errors import DatabaseTrouble, Locked

BUSY_TIMEOUT_SECONDS: Final = 10.0
BUSY_RETRY_SECONDS: Final = 0.005
CACHE_KIB: Final = 32 * 1024
PRIVATE: Final = 0o600
"""Mode of every file we create: the book holds names and addresses."""

MIRROR_ID: Final = 0x77624D31
JOURNAL_ID: Final = 0x77624A31
_NAMES: Final = {MIRROR_ID: "mirror", JOURNAL_ID: "journal"}


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a database file of ours is: how to tell it, how to shape it, what to do when it is beyond repair."""

    application_id: int
    version: int
    """Number of migrations; the file carries it as `user_version`."""
    migrations: Migrations
    synchronous: Literal["FULL", "NORMAL"]
    checkpoint_pages: int
    """Size of the write-ahead log at which it is folded into the file; larger is faster for long writing."""
    when_lost: str
    """The way out of a damaged file, as half a sentence."""

    @property
    def name(self) -> str:
        """Mirror or journal."""
        return _NAMES[self.application_id]


class Store:
    """One SQLite file (or memory) behind one connection, usable from any thread of the process that opened it.

    `looking` (one statement), `reading` (several, of one moment) and `writing` (all or nothing, durable as the kind
    says when the block ends) are context managers over the connection. Each holds the store's lock and turns SQLite's
    errors into DatabaseTrouble or Locked; an inner block joins the outer one.
    """

    def __init__(self, kind: FileKind, path: Path | None) -> None:
        """Open or create the file; None is a database in memory. Raises DatabaseTrouble or Locked."""
        self.kind = kind
        self.path = path
        self.lock = threading.RLock()
        self.depth = 0
        self.looking = _Block(self, None)
        self.reading = _Block(self, "BEGIN")
        # A deferred transaction that turns from reading to writing fails at once when another process has written.
        self.writing = _Block(self, "BEGIN IMMEDIATE", reads=False)
        if path is not None:
            _check_local(path)
        try:
            self.conn = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise self.trouble(error) from error
        try:
            self.db = Database(self.conn, recursive_triggers=False, execute_plugins=False)
            _prepare(self)
        except sqlite3.Error as error:
            self.conn.close()
            raise self.trouble(error) from error
        except BaseException:
            self.conn.close()
            raise

    @property
    def label(self) -> str:
        """The file's name for messages."""
        return f"the {self.kind.name} in memory" if self.path is None else str(self.path)

    def trouble(self, error: Exception) -> Exception:
        """Return the error in our words; a mistake of our own (wrong SQL, closed file) comes back as it is."""
        return _translate(error, self.label, self.kind)

    def damage(self, error: Exception) -> Exception | None:
        """Return what to say when reading rows failed on our side; None if the file has no part in it."""
        if isinstance(error, TypeError):
            # Nothing where a value must be: a mistake of ours, unless a page lies where another one belongs.
            fault = self._fault()
            return self.trouble(fault) if fault else None
        return DatabaseTrouble(f"{self.label} is damaged (a row cannot be read: {error}); {self.kind.when_lost}")

    def _fault(self) -> sqlite3.Error | None:
        try:
            said = str(self.conn.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return error
        return None if said == "ok" else sqlite3.OperationalError(_MALFORMED)

    def backup(self, to: Path) -> None:
        """Copy the database to `to` while it stays in use; the copy bears that name only once it is whole.

        Raises DatabaseTrouble.
        """
        part = to.with_name(to.name + ".part")
        try:
            part.unlink(missing_ok=True)
            _touch(part)
            with self.lock:
                _copy(self.conn, part)
            os.replace(part, to)
        except (OSError, sqlite3.Error) as error:
            raise _translate(error, str(to), self.kind) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self.lock:
            self.conn.close()


class _Block:
    """The store's lock, and a transaction begun by `begin`, around a `with` block. Re-entrant, one object for all."""

    __slots__ = ("_begin", "_reads", "_store")

    def __init__(self, store: Store, begin: str | None, *, reads: bool = True) -> None:
        self._store = store
        self._begin = begin
        self._reads = reads

    def __enter__(self) -> sqlite3.Connection:
        store = self._store
        store.lock.acquire()
        try:
            if self._begin is not None and not store.depth:
                store.conn.execute(self._begin)
        except BaseException as error:
            store.lock.release()
            if isinstance(error, sqlite3.Error):
                raise store.trouble(error) from error
            raise
        if self._begin is not None:
            store.depth += 1
        return store.conn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store = self._store
        try:
            if self._begin is not None:
                store.depth -= 1
                if not store.depth:
                    _end(store.conn, keep=error is None)
        except sqlite3.Error as failure:
            raise store.trouble(failure) from failure
        finally:
            store.lock.release()
        if isinstance(error, sqlite3.Error):
            raise store.trouble(error) from error
        if isinstance(error, _UNREADABLE) or (self._reads and isinstance(error, ValueError | TypeError)):
            damage = store.damage(error)
            if damage is not None:
                raise damage from error


def _end(conn: sqlite3.Connection, *, keep: bool) -> None:
    """Commit or roll back; a commit that fails (disk full) leaves no transaction behind."""
    # SQLite has already rolled back by itself after some errors (a full disk, for one).
    if not conn.in_transaction:
        return
    if not keep:
        conn.execute("ROLLBACK")
        return
    try:
        conn.execute("COMMIT")
    except sqlite3.Error:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


# --- opening ----------------------------------------------------------------------------------


def _touch(path: Path) -> None:
    """Create an empty file that only its owner may read; leave an existing one alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE))


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        _touch(path)
    return sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


MOUNTS: Final = Path("/proc/self/mountinfo")
"""Where Linux says what is mounted (proc(5)); elsewhere the file is not there, and nothing is refused."""
_NETWORK: Final = re.compile(
    r"nfs4?|cifs|smb3|smbfs|ncpfs|afs|coda|ceph|lustre|beegfs|gpfs|gfs2|ocfs2|orangefs|davfs|vboxsf|vmhgfs|prl_fs"
    r"|fuse\.(sshfs|glusterfs|ceph|smbnetfs|curlftpfs|davfs2?|rclone|s3fs|goofys|gcsfuse|blobfuse2?|mountpoint-s3"
    r"|juicefs|vmhgfs-fuse|moosefs|mfs|lizardfs)"
)
_NETWORK_9P: Final = frozenset({"trans=virtio", "trans=tcp", "trans=unix", "trans=rdma", "trans=xen", "aname=drvfs"})
"""How 9p is mounted where it leads to another machine or another system's files; sandboxes have it for local ones."""


def network_file_system(path: Path) -> str:
    """Return type and mount point of the network file system that the path is on ("nfs4 at /srv"); "" for none."""
    try:
        there = path.resolve()
        while not there.exists():
            there = there.parent
        device = there.stat().st_dev
        mounts = MOUNTS.read_text(errors="replace")
    except OSError:
        return ""
    wanted = f" {os.major(device)}:{os.minor(device)} "
    for line in mounts.splitlines():
        if wanted not in line:
            continue
        before, _, after = line.partition(" - ")
        sort, *_, options = after.split()
        by_9p = sort == "9p" and not _NETWORK_9P.isdisjoint(options.replace(";", ",").split(","))
        if by_9p or _NETWORK.fullmatch(sort):
            return f"{sort} at {before.split()[4]}"
    return ""


def _check_local(path: Path) -> None:
    """Refuse a file on a network: the write-ahead log needs memory that all its readers share (sqlite.org/wal.html)."""
    network = network_file_system(path)
    if network:
        raise DatabaseTrouble(
            f"{path} is on a network file system ({network}), which cannot lock a database safely; "
            "set [storage] folder to a folder on a local disk"
        )


def _prepare(store: Store) -> None:
    """Refuse a file that is not ours or newer than us, then bring it to the present shape."""
    conn, kind = store.conn, store.kind
    conn.execute("PRAGMA temp_store=MEMORY")
    if store.path is None:
        _migrate(store)
        return
    _check_ours(store)
    conn.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    _write_ahead(conn)
    conn.execute(f"PRAGMA synchronous={kind.synchronous}")
    conn.execute(f"PRAGMA wal_autocheckpoint={kind.checkpoint_pages}")
    if _number(conn, "user_version") != kind.version:
        _migrate(store)


def _write_ahead(conn: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; unlike everything else, SQLite does not wait for others when it does this."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while conn.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            conn.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_RETRY_SECONDS)


def _check_ours(store: Store) -> None:
    """Raise DatabaseTrouble for another program's file, for our other file, and for one from a later version."""
    conn, kind = store.conn, store.kind
    with store.reading:
        # In one transaction: another process may be giving the file its shape.
        found, version = _number(conn, "application_id"), _number(conn, "user_version")
        tables = conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found != kind.application_id:
        if found in _NAMES:
            raise DatabaseTrouble(
                f"{store.label} is a {_NAMES[found]}, not a {kind.name}; the settings have the two files swapped"
            )
        if found or tables:
            raise DatabaseTrouble(
                f"{store.label} belongs to another program; give the {kind.name} a path of its own in the settings"
            )
    if version > kind.version:
        raise DatabaseTrouble(
            f"{store.label} was written by a newer whmcs-bridge (shape {version}, this one knows {kind.version}); "
            "upgrade whmcs-bridge"
        )


def _migrate(store: Store) -> None:
    """Apply what is missing, all of it or nothing, whoever else opens the file at the same moment."""
    kind = store.kind
    with store.writing as conn:
        kind.migrations.apply(store.db)
        conn.execute(f"PRAGMA application_id={kind.application_id}")
        conn.execute(f"PRAGMA user_version={kind.version}")


def _number(conn: sqlite3.Connection, name: str) -> int:
    value: int = conn.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _copy(conn: sqlite3.Connection, to: Path) -> None:
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        conn.backup(copy)
        # In WAL mode a copy would be three files; a backup is one.
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()


def fault_in(path: Path) -> str:
    """Look through a database file without changing it; return what is wrong with it, "" for nothing."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)) as conn:
            said = str(conn.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else said


def marks_of(path: Path) -> tuple[int, int]:
    """Return whose file it is (`application_id`) and its shape, without changing it; (0, 0) where it does not tell."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)) as conn:
            return _number(conn, "application_id"), _number(conn, "user_version")
    except sqlite3.Error:
        return 0, 0


# --- errors -----------------------------------------------------------------------------------

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT})
_OUT_OF_REACH = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
_MALFORMED = "database disk image is malformed"
_NOT_TEXT = "Could not decode to UTF-8"
_MISSHAPEN = ("no such table", "no such column", "has no column", "malformed database schema", _MALFORMED)
_UNREADABLE = (msgspec.DecodeError, zlib.error)
"""What comes of a row that holds no value of ours any more: SQLite hands out whatever is in a sound page."""


def _translate(error: Exception, label: str, kind: FileKind) -> Exception:
    """Name what happened to the file and what to do; errors that are not the file's come back unchanged."""
    if isinstance(error, OSError):
        if error.errno in _NO_ROOM:
            return _no_room(label)
        return DatabaseTrouble(f"cannot open {label}: {error.strerror}; check the path and its permissions")
    whole = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = whole & 0xFF
    if code in _BUSY:
        return Locked(f"another process is writing to {label}; wait for it or end it, then try again")
    if code in _OUT_OF_REACH:
        return DatabaseTrouble(f"cannot open {label}: {error}; check the path and its permissions, and its folder's")
    if code == sqlite3.SQLITE_READONLY:
        return DatabaseTrouble(f"{label} cannot be written to; make the file and its folder writable for this user")
    # The second: no room for the -shm file beside it.
    if code == sqlite3.SQLITE_FULL or whole == sqlite3.SQLITE_IOERR_SHMSIZE:
        return _no_room(label)
    if code == sqlite3.SQLITE_IOERR:
        return DatabaseTrouble(f"reading or writing {label} failed ({error}); check the disk, and this user's quota")
    if code == sqlite3.SQLITE_NOTADB:
        return DatabaseTrouble(f"{label} is not an SQLite database, or is damaged; {kind.when_lost}")
    if isinstance(error, sqlite3.IntegrityError | OverflowError):
        return DatabaseTrouble(f"{label} cannot hold what was read ({error}); nothing of it was kept")
    if _NOT_TEXT in str(error):
        # SQLite's message has the whole text in it: people's names and addresses.
        return DatabaseTrouble(f"{label} is damaged (a row cannot be read: it is no text); {kind.when_lost}")
    if code in _DAMAGED or (isinstance(error, sqlite3.OperationalError) and any(m in str(error) for m in _MISSHAPEN)):
        return DatabaseTrouble(f"{label} is damaged ({error}); {kind.when_lost}")
    return error


def _no_room(label: str) -> DatabaseTrouble:
    return DatabaseTrouble(f"no room left for {label}; free some disk space, nothing that was written is lost")


# --- one writer over processes ----------------------------------------------------------------


PASSING: Final = "hook"
"""Job of a holder who works off what WHMCS's hooks told: seconds at most, and many times a day."""
PASSING_WAIT_SECONDS: Final = 30.0
PASSING_LOOK_SECONDS: Final = 0.02


@dataclass(slots=True)
class _Held:
    """A lock that this process holds: how often it was entered, and the open file that carries it."""

    process: int
    descriptor: int
    depth: int
    since: datetime
    job: str


@dataclass(slots=True)
class WriterLock:
    """An advisory lock file that the operating system releases when its process dies."""

    path: Path
    subject: str
    """What it guards, for the message."""
    brief: bool = False
    """Whoever holds it does so for a moment, and is always waited for."""
    _held: dict[Path, _Held] = field(default_factory=lambda: _HELD)

    @contextmanager
    def hold(self, job: str = "", wait_seconds: float = PASSING_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock, under the name of a job; entering again in the same process is free.

        A holder whose job is PASSING is waited for. Raises Locked or DatabaseTrouble.
        """
        key, deadline = self.path.resolve(), time.monotonic() + wait_seconds
        while True:
            with _GUARD:
                held = self._held.get(key)
                # After a fork the child has its parent's table, but not its lock.
                if held is not None and held.process == os.getpid():
                    held.depth += 1
                    break
                try:
                    held = self._held[key] = self._take(job)
                except Locked:
                    if time.monotonic() >= deadline or not self._passing():
                        raise
                else:
                    held.depth += 1
                    break
            time.sleep(PASSING_LOOK_SECONDS)
        try:
            yield
        finally:
            with _GUARD:
                held.depth -= 1
                if not held.depth and held.process == os.getpid():
                    del self._held[key]
                    os.close(held.descriptor)

    def name_job(self, job: str) -> None:
        """Tell others what this process is doing, if it holds the lock."""
        with _GUARD:
            held = self._held.get(self.path.resolve())
            # A run that works hook events off on its way is no passing matter for that.
            if held is not None and held.process == os.getpid() and (job != PASSING or not held.job):
                held.job = job
                _write_holder(held)

    def _passing(self) -> bool:
        """Whoever holds the lock will be done in a moment."""
        if self.brief:
            return True
        try:
            words = self.path.read_bytes()[:200].split()
        except OSError:
            return False
        return len(words) > 2 and words[2] == PASSING.encode()

    def _take(self, job: str) -> _Held:
        try:
            _touch(self.path)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise DatabaseTrouble(
                f"cannot open the lock file {self.path}: {error.strerror}; check the folder's permissions"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = _Held(os.getpid(), descriptor, 0, datetime.now(UTC), job)
            _write_holder(held)
        except BlockingIOError as error:
            message = f"{self.subject} is being written by {_holder(descriptor)}; wait for it or end it"
            os.close(descriptor)
            raise Locked(message) from error
        except OSError as error:
            os.close(descriptor)
            raise DatabaseTrouble(f"cannot lock {self.path}: {error.strerror}; check the disk") from error
        return held


_GUARD = threading.Lock()
_HELD: dict[Path, _Held] = {}


def _write_holder(held: _Held) -> None:
    text = f"{held.process} {held.since.isoformat(timespec='seconds')} {held.job}\n".encode()
    os.ftruncate(held.descriptor, 0)
    os.pwrite(held.descriptor, text, 0)


def _holder(descriptor: int) -> str:
    """Say who wrote the lock file: `process 12 (sync), for 3 min`."""
    words = os.pread(descriptor, 200, 0).decode(errors="replace").split()
    try:
        process, since = int(words[0]), datetime.fromisoformat(words[1])
    except (IndexError, ValueError):
        # The holder has not yet written its name.
        return "another process"
    job = f" ({words[2]})" if len(words) > 2 else ""
    return f"process {process}{job}, for {_span((datetime.now(UTC) - since).total_seconds())}"


def _span(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(int(seconds), 0)} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h"
