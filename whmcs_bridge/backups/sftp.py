"""The sftp driver: a folder of another machine, over SSH with a host key that is written in the settings.

A server follows links in the middle of a path, so every folder on the way is looked at by itself before anything is
done, and what is deleted is first moved aside, where nobody else writes, and looked at again (invariants I3 and I11).
"""

import errno
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.claim import KIND
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
from whmcs_bridge.domain.backups import BackupItem, Capabilities, Outcome, Probe, Receipt
from whmcs_bridge.errors import (
    SettingsProblem,
    StoreAuthFailed,
    StoreTrouble,
    StoreUnreachable,
    StoreUnsupported,
    ViewIncomplete,
)
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

if TYPE_CHECKING:
    from paramiko import PKey, SFTPAttributes, SFTPClient, Transport

MAX_DEPTH = 64
ASIDE = "deleting"
"""Quarantine of what is deleted without a plan's quarantine: only for the moment between two requests."""
SETTLED = timedelta(minutes=5)
"""What was written to more recently may still be being written."""
RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Login:
    """Where the machine is, which key it has, and how we log in."""

    host: str
    port: int
    user: str
    host_key: str
    """Type and key, as `ssh-ed25519 AAAA...`."""
    private_key: Secret | None = None
    passphrase: Secret | None = None
    password: Secret | None = None
    timeout_seconds: float = 30.0


def open_store(given: BackupStoreSettings) -> "SftpStore":
    """Return the store of these settings; nothing is connected to yet."""
    options = given.options
    login = Login(
        options["host"],
        options["port"],
        options["user"],
        options["host_key"],
        options.get("private_key"),
        options.get("passphrase"),
        options.get("password"),
        options["timeout_seconds"],
    )
    return SftpStore(
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


class SftpStore(PathStore):
    """A folder over SFTP, with a sentinel file in it. Without that file it is taken for away, never for empty."""

    kind = "sftp"
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
        self._line: tuple[Transport, SFTPClient] | None = None

    @property
    def root(self) -> str:
        return f"sftp://{self._login.host}:{self._login.port}{self._folder}"

    def close(self) -> None:
        if self._line is not None:
            self._line[0].close()
            self._line = None

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Walk everything once: what cannot be walked, or is being written, is told here first."""
        try:
            fresh = [item for item in self.items() if _fresh(item)]
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        busy = {"*" if item.shared else item.account for item in fresh if item.shared or item.account}
        return Probe(complete=True, busy=tuple(sorted(busy)), keeps_for=self._kept)

    def items(self) -> Iterable[BackupItem]:
        """Every file, backup folder, link and special file below the root, quarantine too, over a new connection.

        Raises ViewIncomplete where a folder cannot be read.
        """
        transport, line = self._connect()
        try:
            with self._reading():
                self._recognise(line)
            yield from self._walk(line, "", 0)
        finally:
            transport.close()

    def _walk(self, line: "SFTPClient", path: str, depth: int) -> Iterator[BackupItem]:
        for found in self._listed(line, path):
            if depth == 0 and (found.filename in self._leave_out or found.filename == SENTINEL):
                continue
            here = path + found.filename
            locator = shown(here)
            if not stat.S_ISDIR(found.st_mode or 0):
                yield self._plain(locator, found)
                continue
            if depth >= MAX_DEPTH:
                raise ViewIncomplete(f"store {self.name}: {locator} has more than {MAX_DEPTH} folders above it")
            if self.layout.is_tree(locator):
                yield self._tree(line, here, locator, found)
            else:
                yield from self._walk(line, here + "/", depth + 1)

    def _listed(self, line: "SFTPClient", path: str) -> "Sequence[SFTPAttributes]":
        """Return what a folder holds, by name. Raises ViewIncomplete where it cannot be seen, or a link leads to it."""
        at = f"{self._folder}/{path}".rstrip("/")
        try:
            if line.normalize(at) != at:
                raise ViewIncomplete(f"store {self.name}: {shown(path) or self._folder} is reached through a link")
            return sorted(line.listdir_attr(at), key=lambda found: found.filename)
        except UnicodeDecodeError:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} holds a name that is not UTF-8") from None
        except Exception as error:
            if _is_broken(error):
                raise self._broken(error) from error
            if not isinstance(error, OSError):
                raise
            raise ViewIncomplete(
                f"store {self.name}: {shown(path) or self._folder} cannot be read: {_said(error)}; "
                "until then nothing goes here"
            ) from error

    def _plain(self, locator: str, found: "SFTPAttributes") -> BackupItem:
        mode = found.st_mode or 0
        if stat.S_ISREG(mode):
            return self.made(locator, size=found.st_size, at=_time(found.st_mtime), etag=_etag(found))
        kind = "symlink" if stat.S_ISLNK(mode) else "special"
        return self.made(locator, at=_time(found.st_mtime), etag=_etag(found), meta={KIND: kind})

    def _tree(self, line: "SFTPClient", path: str, locator: str, found: "SFTPAttributes") -> BackupItem:
        etag, size, newest = self._whole(line, path, found)
        item = self.made(locator, size=size, etag=etag, at=_time(newest), meta={KIND: "tree"})
        return item if item.made_on is not None else replace(item, at=None)

    def _whole(self, line: "SFTPClient", path: str, found: "SFTPAttributes") -> tuple[str, int, int]:
        """Count a folder with everything in it: its etag, bytes and newest time."""
        count = size = 0
        newest = found.st_mtime or 0
        for one in self._all_in(line, path + "/", 0):
            count += 1
            size += (one.st_size or 0) if stat.S_ISREG(one.st_mode or 0) else 0
            newest = max(newest, one.st_mtime or 0)
        return f"tree:{count}:{size}:{newest}", size, newest

    def _all_in(self, line: "SFTPClient", path: str, depth: int) -> "Iterator[SFTPAttributes]":
        if depth > MAX_DEPTH:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} is more than {MAX_DEPTH} folders deep")
        for found in self._listed(line, path):
            yield found
            if stat.S_ISDIR(found.st_mode or 0):
                yield from self._all_in(line, f"{path}{found.filename}/", depth + 1)

    # --- the line --------------------------------------------------------------------------------

    def _connect(self) -> "tuple[Transport, SFTPClient]":
        """Raises StoreUnreachable; StoreAuthFailed where the host's key is another, or it does not take us."""
        import socket

        from paramiko import SFTPClient, SSHException, Transport

        login = self._login
        key_type, _, key = login.host_key.partition(" ")
        ours = self._credential()
        try:
            wire = socket.create_connection((login.host, login.port), timeout=login.timeout_seconds)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or small requests wait 40 ms for an ACK
        except OSError as error:
            raise self._broken(error) from error
        transport = Transport(wire)
        try:
            transport.banner_timeout = transport.auth_timeout = login.timeout_seconds
            transport.get_security_options().key_types = RSA_SIGNATURES if key_type == "ssh-rsa" else (key_type,)
            transport.start_client(timeout=login.timeout_seconds)
            if transport.get_remote_server_key().get_base64().rstrip("=") != key.rstrip("="):
                raise StoreAuthFailed(self._wrong_key())
            self._authenticate(transport, ours)
            line = SFTPClient.from_transport(transport)
            if line is None:
                raise StoreUnreachable(f"store {self.name}: {login.host} opens no SFTP session")
            channel = line.get_channel()
            if channel is not None:
                channel.settimeout(login.timeout_seconds)
            return transport, line
        except (SSHException, EOFError, OSError) as error:
            transport.close()
            if "host key" in str(error).lower():
                raise StoreAuthFailed(self._wrong_key()) from error
            raise self._broken(error) from error
        except BaseException:
            transport.close()
            raise

    def _wrong_key(self) -> str:
        return (
            f"store {self.name}: {self._login.host} shows another host key than the settings have (host_key); "
            "find out why before you write the new one down"
        )

    def _authenticate(self, transport: "Transport", ours: "PKey | str") -> None:
        from paramiko import AuthenticationException

        login = self._login
        try:
            if isinstance(ours, str):
                left = transport.auth_password(login.user, ours, fallback=False)
            else:
                left = transport.auth_publickey(login.user, ours)
        except AuthenticationException:
            left = [""]
        if left:
            raise StoreAuthFailed(f"store {self.name}: {login.host} does not let {login.user} in with what we have")

    def _credential(self) -> "PKey | str":
        """Return the private key, or the password. Raises StoreAuthFailed where it is not there."""
        from io import StringIO

        from paramiko import ECDSAKey, Ed25519Key, RSAKey, SSHException

        login = self._login
        try:
            if login.private_key is None:
                return login.password.reveal() if login.password is not None else ""
            text = login.private_key.reveal() + "\n"
            passphrase = login.passphrase.reveal() if login.passphrase else None
        except SettingsProblem as problem:
            raise StoreAuthFailed(f"store {self.name}: {problem}") from None
        for kind in (Ed25519Key, ECDSAKey, RSAKey):
            with suppress(SSHException, ValueError, IndexError, TypeError):
                return kind.from_private_key(StringIO(text), passphrase)
        raise StoreAuthFailed(
            f"store {self.name}: {login.private_key.reference} is no private key that its passphrase opens"
        )

    def _broken(self, error: Exception) -> StoreUnreachable:
        what = _said(error) if isinstance(error, OSError) else type(error).__name__
        return StoreUnreachable(f"store {self.name}: {self._login.host} port {self._login.port}: {what}")

    def _opened(self) -> "SFTPClient":
        """Return the line for writing, which is kept, and see that the root is the store."""
        if self._line is not None and not self._line[0].is_active():
            self.close()
        if self._line is None:
            self._line = self._connect()
        with self._reading():
            self._recognise(self._line[1])
        return self._line[1]

    def _recognise(self, line: "SFTPClient") -> None:
        if self._at(line, self._folder) is None or line.normalize(self._folder) != self._folder:
            raise StoreUnreachable(
                f"store {self.name}: {self._folder} is not there, or reached through a link; write its own path"
            )
        sentinel = self._at(line, f"{self._folder}/{SENTINEL}")
        if sentinel is None or not stat.S_ISREG(sentinel.st_mode or 0):
            raise StoreUnreachable(
                f"store {self.name}: no file {SENTINEL} in {self._folder} of {self._login.host}: is the disk mounted? "
                "If this is the store, an empty file of that name says so"
            )
        self.case_blind = self._at(line, f"{self._folder}/{SENTINEL.upper()}") is not None

    def _at(self, line: "SFTPClient", path: str) -> "SFTPAttributes | None":
        try:
            return line.lstat(path)
        except FileNotFoundError:
            return None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What breaks here has changed nothing yet."""
        try:
            yield
        except Exception as error:
            if _is_broken(error):
                self.close()
                raise self._broken(error) from error
            raise

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

    def _guarded(self, item: BackupItem, act: "Callable[[SFTPClient], Receipt]") -> Receipt:
        """Refuse what names nothing that may be touched; turn what the server says into a receipt."""
        if fault := self.fault_of(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            return act(self._opened())
        except (_Odd, OddName) as odd:
            return Receipt(Outcome.REFUSED, str(odd))
        except _Lost as lost:
            return Receipt(Outcome.UNKNOWN, str(lost))
        except FileNotFoundError:
            return Receipt(Outcome.GONE_BEFORE)
        except OSError as error:
            return Receipt(Outcome.FAILED, _said(error))

    def _delete(self, line: "SFTPClient", item: BackupItem) -> Receipt:
        if not item.quarantine:
            moved = self._move_aside(line, item, ASIDE)
            if moved.item is None:
                return moved
            item = moved.item
        path = self._beneath(line, item.locator)
        self._check(line, path, item, begun=True)
        if item.meta.get(KIND) == "tree":
            self._empty(line, item.locator + "/", 0)
            with self._sending():
                line.rmdir(path)
        else:
            with self._sending():
                line.remove(path)
        self._drop_empty(line, item.locator)
        return Receipt(Outcome.DELETED)

    def _empty(self, line: "SFTPClient", path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Odd(f"more than {MAX_DEPTH} folders deep")
        for found in self._listed(line, path):
            here = path + found.filename
            if stat.S_ISDIR(found.st_mode or 0):
                self._empty(line, here + "/", depth + 1)
                with self._sending():
                    line.rmdir(f"{self._folder}/{here}")
            else:
                with self._sending():
                    line.remove(f"{self._folder}/{here}")

    def _move_aside(self, line: "SFTPClient", item: BackupItem, plan: str) -> Receipt:
        target = quarantined(plan, item.locator)
        there = replace(item, locator=target, quarantine=plan)
        aside = f"{self._folder}/{target}"
        with self._reading():
            if self._at(line, aside) is not None:
                # A run was killed between the move and the record of it.
                self._check(line, self._beneath(line, target), there, begun=True)
                return Receipt(Outcome.QUARANTINED, "it lies there already", item=there)
        path = self._beneath(line, item.locator)
        self._check(line, path, item)
        self._make_room(line, target)
        with self._sending():
            try:
                line.posix_rename(path, aside)
            except OSError as error:
                if "unsupported" in str(error).lower():
                    raise StoreUnsupported(
                        f"store {self.name}: the server lacks posix-rename@openssh.com, so nothing can be moved aside"
                    ) from error
                raise
        try:
            self._check(line, aside, there, begun=True)
        except _Odd:
            with self._sending():
                line.rename(aside, path)  # unlike posix_rename it overwrites nothing
            raise
        return Receipt(Outcome.QUARANTINED, item=there)

    def _put_back(self, line: "SFTPClient", item: BackupItem) -> Receipt:
        original = split_quarantine(item.locator)[1]
        if not item.quarantine or original == item.locator:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        back = replace(item, locator=original, quarantine="")
        try:
            aside = self._beneath(line, item.locator)
            self._check(line, aside, item)
        except FileNotFoundError:
            return self._lies_back(line, back)
        try:
            path = self._beneath(line, original)
        except FileNotFoundError:
            return Receipt(Outcome.REFUSED, "the folder that it lay in is gone")
        with self._reading():
            if self._at(line, path) is not None:
                return Receipt(Outcome.REFUSED, "something else lies where it lay")
        with self._sending():
            line.rename(aside, path)  # unlike posix_rename it overwrites nothing
        self._drop_empty(line, item.locator)
        return Receipt(Outcome.PUT_BACK, item=back)

    def _lies_back(self, line: "SFTPClient", back: BackupItem) -> Receipt:
        """It has left quarantine: by a run that was killed before it could say so, or by another hand."""
        try:
            self._check(line, self._beneath(line, back.locator), back)
        except _Odd as odd:
            return Receipt(Outcome.GONE_BEFORE, f"it lies in quarantine no more; where it lay: {odd}")
        return Receipt(Outcome.PUT_BACK, "it lies there already", item=back)

    def _beneath(self, line: "SFTPClient", locator: str) -> str:
        """Return the whole path of an item, each folder on its way looked at. Raises _Odd, FileNotFoundError."""
        *folders, name = segments_of(locator)
        here = self._folder
        with self._reading():
            for folder in folders:
                here = f"{here}/{folder}"
                if not stat.S_ISDIR(line.lstat(here).st_mode or 0):
                    raise _Odd(f"{folder} is a link or file on the way")
            if line.normalize(here) != here:
                raise _Odd("a link is on the way")
        return f"{here}/{name}"

    def _check(self, line: "SFTPClient", path: str, item: BackupItem, *, begun: bool = False) -> None:
        """Raise _Odd where this is not what was listed; `begun`: a folder may have lost some of what was in it."""
        with self._reading():
            found = line.lstat(path)
        mode = found.st_mode or 0
        if item.meta.get(KIND) == "tree":
            if not stat.S_ISDIR(mode):
                raise _Odd("it is no folder any more")
            same = begun or self._whole(line, path.removeprefix(self._folder + "/"), found)[0] == item.etag
        else:
            if not stat.S_ISREG(mode):
                raise _Odd("it is no plain file")
            same = _etag(found) == item.etag
        if not same:
            raise _Odd("it has changed since it was listed")

    def _make_room(self, line: "SFTPClient", target: str) -> None:
        """Make the folders of the quarantine; nobody else may reach into them."""
        here = self._folder
        for folder in segments_of(target)[:-1]:
            here = f"{here}/{folder}"
            with self._reading():
                if self._at(line, here) is None:
                    line.mkdir(here, 0o700)
                found = line.lstat(here)
            mode = found.st_mode or 0
            if not stat.S_ISDIR(mode) or stat.S_IMODE(mode) & 0o077:
                raise _Odd(f"{QUARANTINE} is not the bridge's alone (mode 0700)")

    def _drop_empty(self, line: "SFTPClient", locator: str) -> None:
        """Remove the folders of the quarantine that have become empty; none other."""
        if not split_quarantine(locator)[0]:
            return
        folders = segments_of(locator)[:-1]
        with suppress(OSError), self._reading():
            for depth in range(len(folders), 0, -1):
                line.rmdir("/".join((self._folder, *folders[:depth])))


# --- small pieces -------------------------------------------------------------------------------------


def _is_broken(error: Exception) -> bool:
    """The line broke; anything else is an answer of the server."""
    from paramiko import SSHException

    if isinstance(error, EOFError | SSHException | TimeoutError | ConnectionError):
        return True
    return isinstance(error, OSError) and "ocket" in str(error)


def _fresh(item: BackupItem) -> bool:
    return not item.quarantine and item.at is not None and abs(datetime.now(UTC) - item.at) < SETTLED


def _etag(found: Any) -> str:
    return f"{found.st_size}:{found.st_mtime}"


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _said(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "permission denied"
    said = error.strerror or str(error) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in said)[:200]
