"""The sftp driver: a folder of another machine, over SSH with a host key that is written in the settings."""

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer
from typing import TYPE_CHECKING

from whmcs_bridge.backups.folders import Entry, Fault, FolderStore, Kind, Line
from whmcs_bridge.errors import StoreAuthFailed, StoreUnsupported
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

if TYPE_CHECKING:
    from paramiko import PKey, SFTPAttributes, SFTPClient, Transport

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
    return SftpStore.of(given, login)


class SftpStore(FolderStore[Login]):
    """A folder over SFTP."""

    kind = "sftp"

    @property
    def root(self) -> str:
        return f"sftp://{self._login.host}:{self._login.port}{self._folder}"

    def _connect(self) -> "SftpLine":
        return SftpLine(f"store {self.name}", self._login, self._folder)


class SftpLine(Line):
    """One SSH connection with an SFTP session."""

    def __init__(self, what: str, login: Login, folder: str) -> None:
        """Raises StoreUnreachable; StoreAuthFailed where the host's key is another, or it does not take us."""
        super().__init__(what, f"{login.host} port {login.port}", folder)
        self.transport, self.session = self._logged_in(login)

    def _entries(self, path: str) -> Iterator[Entry]:
        return map(_entry, self.session.listdir_attr(self.whole(path)))

    def _entry(self, path: str) -> Entry | None:
        try:
            found = self.session.lstat(self.whole(path))
        except FileNotFoundError:
            return None
        found.filename = path.rpartition("/")[2]
        return _entry(found)

    def _answers(self, path: str) -> bool:
        return self._entry(path) is not None

    def _straight(self, path: str) -> bool:
        return self.session.normalize(self.whole(path)) == self.whole(path)

    def _move(self, source: str, target: str) -> None:
        self.session.rename(self.whole(source), self.whole(target))  # unlike posix_rename it overwrites nothing

    def _move_aside(self, source: str, target: str) -> None:
        try:
            self.session.posix_rename(self.whole(source), self.whole(target))
        except OSError as error:
            if "unsupported" in str(error).lower():
                raise StoreUnsupported(
                    f"{self.what}: the server lacks posix-rename@openssh.com, so nothing can be moved aside"
                ) from error
            raise

    def _delete(self, path: str, found: Entry) -> None:
        self.session.remove(self.whole(path))

    def _remove_folder(self, path: str) -> None:
        self.session.rmdir(self.whole(path))

    def _make_folder(self, path: str) -> None:
        self.session.mkdir(self.whole(path), 0o700)

    def fault(self, error: Exception) -> Fault | None:
        from paramiko import SSHException

        if isinstance(error, EOFError | SSHException | TimeoutError | ConnectionError):
            return Fault.BROKEN
        if not isinstance(error, OSError):
            return None
        if "ocket" in str(error):  # paramiko's own "Socket is closed"
            return Fault.BROKEN
        return Fault.MISSING if isinstance(error, FileNotFoundError) else Fault.DENIED

    def said(self, error: Exception) -> str:
        if not isinstance(error, OSError):
            return type(error).__name__
        if error.errno == errno.EACCES:
            return "permission denied"
        said = error.strerror or str(error) or type(error).__name__
        return "".join(c if c.isprintable() else "?" for c in said)[:200]

    def alive(self) -> bool:
        return self.transport.is_active()

    def close(self) -> None:
        self.transport.close()

    # --- logging in ------------------------------------------------------------------------------

    def _logged_in(self, login: Login) -> "tuple[Transport, SFTPClient]":
        """Connect, see that the machine is the one in the settings, and log in."""
        import socket

        from paramiko import SSHException, Transport

        key_type, _, key = login.host_key.partition(" ")
        ours = self._credential(login)
        try:
            wire = socket.create_connection((login.host, login.port), timeout=login.timeout_seconds)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or small requests wait 40 ms for an ACK
        except OSError as error:
            raise self.broken(error) from error
        transport = Transport(wire)
        try:
            transport.banner_timeout = transport.auth_timeout = login.timeout_seconds
            transport.get_security_options().key_types = RSA_SIGNATURES if key_type == "ssh-rsa" else (key_type,)
            transport.start_client(timeout=login.timeout_seconds)
            if transport.get_remote_server_key().get_base64().rstrip("=") != key.rstrip("="):
                raise StoreAuthFailed(self._wrong_key(login))
            self._authenticate(transport, login, ours)
            return transport, self._session(transport, login)
        except (SSHException, EOFError, OSError) as error:
            transport.close()
            if "host key" in str(error).lower():
                raise StoreAuthFailed(self._wrong_key(login)) from error
            raise self.broken(error) from error
        except BaseException:
            transport.close()
            raise

    def _session(self, transport: "Transport", login: Login) -> "SFTPClient":
        """Return an SFTP session whose every answer is waited for as long as the settings say. Raises TimeoutError."""
        from paramiko import SFTPClient

        with _hanging_up(transport, login.timeout_seconds):
            channel = transport.open_session(timeout=login.timeout_seconds)
            channel.settimeout(login.timeout_seconds)
            channel.invoke_subsystem("sftp")
            return SFTPClient(channel)

    def _wrong_key(self, login: Login) -> str:
        return (
            f"{self.what}: {login.host} shows another host key than the settings have (host_key); "
            "find out why before you write the new one down"
        )

    def _authenticate(self, transport: "Transport", login: Login, ours: "PKey | str") -> None:
        from paramiko import AuthenticationException

        try:
            if isinstance(ours, str):
                left = transport.auth_password(login.user, ours, fallback=False)
            else:
                left = transport.auth_publickey(login.user, ours)
        except AuthenticationException:
            left = [""]
        if left:
            raise StoreAuthFailed(f"{self.what}: {login.host} does not let {login.user} in with what we have")

    def _credential(self, login: Login) -> "PKey | str":
        """Return the private key, or the password. Raises StoreAuthFailed where it is not there."""
        from io import StringIO

        from paramiko import ECDSAKey, Ed25519Key, RSAKey, SSHException

        if login.private_key is None:
            return self.revealed(login.password) if login.password is not None else ""
        text = self.revealed(login.private_key) + "\n"
        passphrase = self.revealed(login.passphrase) if login.passphrase else None
        for kind in (Ed25519Key, ECDSAKey, RSAKey):
            with suppress(SSHException, ValueError, IndexError, TypeError):
                return kind.from_private_key(StringIO(text), passphrase)
        raise StoreAuthFailed(f"{self.what}: {login.private_key.reference} is no private key that its passphrase opens")


@contextmanager
def _hanging_up(transport: "Transport", seconds: float) -> Iterator[None]:
    """Hang up where what is done here takes longer: for the answer to `invoke_subsystem` paramiko waits for ever."""
    over = False

    def hang_up() -> None:
        nonlocal over
        over = True
        transport.close()

    timer = Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if over:
            raise TimeoutError("it opens no SFTP session in time") from error
        raise
    finally:
        timer.cancel()
    if over:
        raise TimeoutError("it opens no SFTP session in time")


def _entry(found: "SFTPAttributes") -> Entry:
    mode = found.st_mode or 0
    kind = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}.get(stat.S_IFMT(mode))
    return Entry(
        found.filename,
        kind or Kind.SPECIAL,
        found.st_size,
        None if found.st_mtime is None else datetime.fromtimestamp(found.st_mtime, UTC),
        f"{found.st_size}:{found.st_mtime}",
        private=not stat.S_IMODE(mode) & 0o077,
    )
