"""The ftp driver: a folder of another machine, over FTP with a checked certificate.

FTP answers 550 for what is missing, what is denied and what is a folder alike, so every answer is followed by a look at
the parent folder's MLSD; LIST is for people, and nothing is deleted by it (facts sheet on backup stores, section 7).
"""

import ftplib
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.claim import KIND
from whmcs_bridge.backups.layouts import Layout, layout_of
from whmcs_bridge.backups.names import SENTINEL, OddName, quarantined, segments_of, shown, split_quarantine
from whmcs_bridge.domain.backups import BackupItem, Capabilities, Outcome, Probe, Receipt
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

MAX_DEPTH = 64
ASIDE = "deleting"
"""Quarantine of what is deleted without a plan's quarantine: only for the moment between two commands."""
SETTLED = timedelta(minutes=5)
"""What was written to more recently may still be being written."""
NOT_LOGGED_IN = ("530", "331", "332")


@dataclass(frozen=True, slots=True)
class Login:
    """Where the machine is and how we log in."""

    host: str
    port: int
    user: str
    password: Secret
    tls: bool = True
    ca_file: Path | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of MLSD."""

    name: str
    kind: str
    """file, dir, or anything else that a server calls what lies there."""
    size: int | None
    modified: datetime | None
    unique: str

    @property
    def etag(self) -> str:
        """Changes with the content; the server's own id of the file, where it has one, with the file."""
        return f"{self.size}:{self.modified.timestamp() if self.modified else ''}:{self.unique}"


def open_store(given: BackupStoreSettings) -> "FtpStore":
    """Return the store of these settings; nothing is connected to yet."""
    options = given.options
    login = Login(
        options["host"],
        options["port"],
        options["user"],
        options["password"],
        options["tls"],
        options.get("ca_file"),
        options["timeout_seconds"],
    )
    return FtpStore(
        given.name,
        options["root"],
        layout_of(options),
        given.servers,
        login=login,
        leave_out=options["leave_out"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class _Odd(Exception):
    """This is not what was listed, or may not be touched: the receipt says why."""


class _Lost(Exception):
    """The line broke after something was sent."""


class _Gone(Exception):
    """It is not there."""


class _OneSession(ftplib.FTP_TLS):
    """Data connections go on with the control connection's TLS session: many servers take no other."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> Any:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:  # type: ignore[attr-defined]
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=session)
        return conn, size


class FtpStore(PathStore):
    """A folder over FTP, with a sentinel file in it. Without that file it is taken for away, never for empty."""

    kind = "ftp"
    caps = Capabilities(quarantine=True, conditional_delete=True, name_is_all=True)

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
        super().__init__(name, root, layout, servers, kept=kept)
        self._folder = root
        self._login = login
        self._leave_out = frozenset(leave_out)
        self._line: ftplib.FTP | None = None

    @property
    def root(self) -> str:
        scheme = "ftps" if self._login.tls else "ftp"
        return f"{scheme}://{self._login.host}:{self._login.port}{self._folder}"

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Walk everything once: what cannot be walked, or is being written, is told here first."""
        try:
            fresh = [item for item in self.items() if _fresh(item)]
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        busy = {"*" if item.shared else item.account for item in fresh if item.shared or item.account}
        notes = () if self._login.tls else ("password and names go over the network unencrypted",)
        return Probe(complete=True, busy=tuple(sorted(busy)), keeps_for=self._kept, notes=notes)

    def items(self) -> Iterable[BackupItem]:
        """Every file, backup folder and whatever else lies below the root, quarantine too, over a new connection.

        Raises ViewIncomplete where a folder cannot be read, or two ways lead to the same one.
        """
        line = self._connect()
        try:
            self._recognise(line)
            yield from self._walk(line, "", 0, set())
        finally:
            line.close()

    def _walk(self, line: ftplib.FTP, path: str, depth: int, seen: set[str]) -> Iterator[BackupItem]:
        for found in self._listed(line, path):
            if depth == 0 and (found.name in self._leave_out or found.name == SENTINEL):
                continue
            here = path + found.name
            locator = shown(here)
            if found.kind == "file":
                yield self.made(locator, size=found.size, at=found.modified, etag=found.etag)
            elif found.kind != "dir":
                kind = "symlink" if "link" in found.kind else "special"
                yield self.made(locator, at=found.modified, etag=found.etag, meta={KIND: kind})
            else:
                self._only_way(found, locator, seen)
                if depth >= MAX_DEPTH:
                    raise ViewIncomplete(f"store {self.name}: {locator} has more than {MAX_DEPTH} folders above it")
                if self.layout.is_tree(locator):
                    yield self._tree(line, here, locator, seen)
                else:
                    yield from self._walk(line, here + "/", depth + 1, seen)

    def _only_way(self, found: Entry, locator: str, seen: set[str]) -> None:
        """A linked folder is shown as a folder; where the server has ids, the second way to one gives it away."""
        if found.unique and found.unique in seen:
            raise ViewIncomplete(f"store {self.name}: {locator} is a second way to a folder, perhaps a link")
        seen.add(found.unique)

    def _tree(self, line: ftplib.FTP, path: str, locator: str, seen: set[str]) -> BackupItem:
        etag, size, newest = self._whole(line, path, seen)
        item = self.made(locator, size=size, etag=etag, at=newest, meta={KIND: "tree"})
        return item if item.made_on is not None else replace(item, at=None)

    def _whole(self, line: ftplib.FTP, path: str, seen: set[str]) -> tuple[str, int, datetime | None]:
        """Count a folder with everything in it: its etag, bytes and newest time."""
        count = size = 0
        newest: datetime | None = None
        for one in self._all_in(line, path + "/", 0, seen):
            count += 1
            size += one.size or 0 if one.kind == "file" else 0
            newest = max(filter(None, (newest, one.modified)), default=None)
        return f"tree:{count}:{size}:{newest.timestamp() if newest else ''}", size, newest

    def _all_in(self, line: ftplib.FTP, path: str, depth: int, seen: set[str]) -> Iterator[Entry]:
        if depth > MAX_DEPTH:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} is more than {MAX_DEPTH} folders deep")
        for found in self._listed(line, path):
            yield found
            if found.kind == "dir":
                self._only_way(found, shown(path + found.name), seen)
                yield from self._all_in(line, f"{path}{found.name}/", depth + 1, seen)

    def _listed(self, line: ftplib.FTP, path: str) -> list[Entry]:
        """Return what a folder holds, by name. Raises ViewIncomplete where it cannot be seen."""
        at = f"{self._folder}/{path}".rstrip("/")
        try:
            entries = [_entry(name, facts) for name, facts in line.mlsd(at, ["type", "size", "modify", "unique"])]
        except UnicodeError:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} holds a name that is not UTF-8") from None
        except Exception as error:
            if _is_broken(error):
                raise self._broken(error) from error
            if not isinstance(error, ftplib.Error | ValueError):
                raise
            raise ViewIncomplete(
                f"store {self.name}: {shown(path) or self._folder} cannot be listed with MLSD: {_said(error)}"
            ) from error
        return sorted((e for e in entries if e.kind not in ("cdir", "pdir")), key=lambda entry: entry.name)

    # --- the line --------------------------------------------------------------------------------

    def _connect(self) -> ftplib.FTP:
        """Raises StoreUnreachable; StoreAuthFailed where the certificate is not trusted, or it does not take us."""
        login = self._login
        line: ftplib.FTP
        if login.tls:
            ca_file = str(login.ca_file) if login.ca_file else None
            line = _OneSession(context=ssl.create_default_context(cafile=ca_file), encoding="utf-8")
        else:
            line = ftplib.FTP(encoding="utf-8")
        try:
            line.connect(login.host, login.port, timeout=login.timeout_seconds)
            line.login(login.user, login.password.reveal())
            if isinstance(line, ftplib.FTP_TLS):
                line.prot_p()
            line.voidcmd("TYPE I")  # SIZE and times are of bytes
            return line
        except ssl.SSLError as error:
            line.close()
            reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
            raise StoreAuthFailed(f"store {self.name}: {login.host} has no certificate we trust: {reason}") from None
        except ftplib.Error as error:
            line.close()
            if str(error).startswith(NOT_LOGGED_IN):
                raise StoreAuthFailed(f"store {self.name}: {login.host} does not let {login.user} in") from None
            raise StoreUnreachable(f"store {self.name}: {login.host}: {_said(error)}") from None
        except (OSError, EOFError) as error:
            line.close()
            raise self._broken(error) from None

    def _opened(self) -> ftplib.FTP:
        """Return the line for writing, which is kept, and see that the root is the store."""
        if self._line is not None:
            try:
                self._line.voidcmd("NOOP")
            except ftplib.all_errors:
                self.close()
        if self._line is None:
            self._line = self._connect()
        self._recognise(self._line)
        return self._line

    def _recognise(self, line: ftplib.FTP) -> None:
        names = {entry.name: entry for entry in self._listed(line, "")}
        sentinel = names.get(SENTINEL)
        if sentinel is None or sentinel.kind != "file":
            raise StoreUnreachable(
                f"store {self.name}: no file {SENTINEL} in {self._folder} of {self._login.host}: is the disk mounted? "
                "If this is the store, an empty file of that name says so"
            )
        with suppress(*ftplib.all_errors):
            self.case_blind = line.size(f"{self._folder}/{SENTINEL.upper()}") is not None

    def _broken(self, error: Exception) -> StoreUnreachable:
        return StoreUnreachable(f"store {self.name}: {self._login.host} port {self._login.port}: {_said(error)}")

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """What breaks here may have been carried out."""
        try:
            yield
        except Exception as error:
            if _is_broken(error):
                self.close()
                raise _Lost(str(self._broken(error))) from error
            raise

    # --- writing ---------------------------------------------------------------------------------

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move it into the plan's quarantine; one that lies there already is found there."""
        if item.quarantine:
            return Receipt(Outcome.REFUSED, f"it lies in the quarantine of {item.quarantine} already")
        return self._guarded(item, lambda line: self._move_aside(line, item, plan))

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly what was listed. It is moved aside first and looked at again where nobody else writes."""
        return self._guarded(item, lambda line: self._delete(line, item))

    def put_back(self, item: BackupItem) -> Receipt:
        """Move an item from quarantine to where it lay; nothing is overwritten, and one that lies there is found."""
        return self._guarded(item, lambda line: self._put_back(line, item))

    def _guarded(self, item: BackupItem, act: Callable[[ftplib.FTP], Receipt]) -> Receipt:
        """Refuse what names nothing that may be touched; turn what the server says into a receipt."""
        if fault := self.fault_of(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            return act(self._opened())
        except (_Odd, OddName) as odd:
            return Receipt(Outcome.REFUSED, str(odd))
        except _Lost as lost:
            return Receipt(Outcome.UNKNOWN, str(lost))
        except _Gone:
            return Receipt(Outcome.GONE_BEFORE)
        except ftplib.Error as error:
            return Receipt(Outcome.FAILED, _said(error))

    def _delete(self, line: ftplib.FTP, item: BackupItem) -> Receipt:
        if not item.quarantine:
            moved = self._move_aside(line, item, ASIDE)
            if moved.item is None:
                return moved
            item = moved.item
        self._check(line, item, begun=True)
        path = f"{self._folder}/{item.locator}"
        if item.meta.get(KIND) == "tree":
            self._empty(line, item.locator + "/", 0)
            with self._sending():
                line.rmd(path)
        else:
            with self._sending():
                line.delete(path)
        self._drop_empty(line, item.locator)
        return Receipt(Outcome.DELETED)

    def _empty(self, line: ftplib.FTP, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Odd(f"more than {MAX_DEPTH} folders deep")
        for found in self._listed(line, path):
            here = path + found.name
            if found.kind == "dir":
                self._empty(line, here + "/", depth + 1)
                with self._sending():
                    line.rmd(f"{self._folder}/{here}")
            else:
                with self._sending():
                    line.delete(f"{self._folder}/{here}")

    def _move_aside(self, line: ftplib.FTP, item: BackupItem, plan: str) -> Receipt:
        target = quarantined(plan, item.locator)
        there = replace(item, locator=target, quarantine=plan)
        if self._found(line, target) is not None:
            # A run was killed between the move and the record of it.
            self._check(line, there, begun=True)
            return Receipt(Outcome.QUARANTINED, "it lies there already", item=there)
        self._check(line, item)
        self._make_room(line, target)
        with self._sending():
            line.rename(f"{self._folder}/{item.locator}", f"{self._folder}/{target}")
        try:
            self._check(line, there, begun=True)
        except _Odd:
            if self._found(line, item.locator) is None:
                with self._sending():
                    line.rename(f"{self._folder}/{target}", f"{self._folder}/{item.locator}")
            raise
        return Receipt(Outcome.QUARANTINED, item=there)

    def _put_back(self, line: ftplib.FTP, item: BackupItem) -> Receipt:
        original = split_quarantine(item.locator)[1]
        if not item.quarantine or original == item.locator:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=original, quarantine="")
        try:
            self._check(line, item)
        except _Gone:
            return self._lies_back(line, back)
        folder = original.rpartition("/")[0]
        if folder and self._found(line, folder) is None:
            return Receipt(Outcome.REFUSED, "the folder that it lay in is gone")
        if self._found(line, original) is not None:
            return Receipt(Outcome.REFUSED, "something else lies where it lay")
        with self._sending():
            line.rename(f"{self._folder}/{item.locator}", f"{self._folder}/{original}")
        self._drop_empty(line, item.locator)
        return Receipt(Outcome.PUT_BACK, item=back)

    def _lies_back(self, line: ftplib.FTP, back: BackupItem) -> Receipt:
        """It has left quarantine: by a run that was killed before it could say so, or by another hand."""
        try:
            self._check(line, back)
        except _Odd as odd:
            return Receipt(Outcome.GONE_BEFORE, f"it lies in quarantine no more; where it lay: {odd}")
        return Receipt(Outcome.PUT_BACK, "it lies there already", item=back)

    def _found(self, line: ftplib.FTP, locator: str) -> Entry | None:
        """Return what lies at a path, by the listings of the folders on its way. None where it does not."""
        *folders, name = segments_of(locator)
        path = ""
        for folder in folders:
            here = {entry.name: entry for entry in self._listed(line, path)}
            if folder not in here:
                return None
            if here[folder].kind != "dir":
                raise _Odd(f"{folder} is a link or file on the way")
            path += folder + "/"
        return next((entry for entry in self._listed(line, path) if entry.name == name), None)

    def _check(self, line: ftplib.FTP, item: BackupItem, *, begun: bool = False) -> None:
        """Raise _Odd where this is not what was listed, _Gone where nothing is."""
        found = self._found(line, item.locator)
        if found is None:
            raise _Gone
        if item.meta.get(KIND) == "tree":
            if found.kind != "dir":
                raise _Odd("it is no folder any more")
            same = begun or self._whole(line, item.locator, set())[0] == item.etag
        else:
            if found.kind != "file":
                raise _Odd("it is no plain file")
            same = found.etag == item.etag
        if not same:
            raise _Odd("it has changed since it was listed")

    def _make_room(self, line: ftplib.FTP, target: str) -> None:
        """Make the folders of the quarantine that are not there yet."""
        path = ""
        for folder in segments_of(target)[:-1]:
            there = next((entry for entry in self._listed(line, path) if entry.name == folder), None)
            if there is None:
                line.mkd(f"{self._folder}/{path}{folder}")
            elif there.kind != "dir":
                raise _Odd(f"{folder} is no folder of the bridge's own")
            path += folder + "/"

    def _drop_empty(self, line: ftplib.FTP, locator: str) -> None:
        """Remove the folders of the quarantine that have become empty; none other."""
        if not split_quarantine(locator)[0]:
            return
        folders = segments_of(locator)[:-1]
        with suppress(*ftplib.all_errors):
            for depth in range(len(folders), 0, -1):
                line.rmd("/".join((self._folder, *folders[:depth])))


# --- small pieces -------------------------------------------------------------------------------------


def _entry(name: str, facts: Mapping[str, str]) -> Entry:
    """Read one line of MLSD (RFC 3659); times are UTC. Raises ValueError for one without a type."""
    kind = facts.get("type", "").lower()
    if not kind:
        raise ValueError("MLSD tells no types")
    size = facts.get("size", "")
    return Entry(
        name, kind, int(size) if size.isdigit() else None, _time(facts.get("modify", "")), facts.get("unique", "")
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_broken(error: Exception) -> bool:
    """The line broke; a numbered answer is the server's."""
    if isinstance(error, ftplib.error_temp) and str(error).startswith("421"):
        return True
    return isinstance(error, EOFError | OSError) and not isinstance(error, ftplib.Error)


def _fresh(item: BackupItem) -> bool:
    return not item.quarantine and item.at is not None and abs(datetime.now(UTC) - item.at) < SETTLED


def _said(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in said)[:200]
