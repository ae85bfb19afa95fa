"""The ftp driver: a folder of another machine, over FTP with a checked certificate.

FTP answers 550 for what is missing, what is denied and what is a folder alike, so what lies where is only ever told by
the parent folder's MLSD; LIST is for people, and nothing is deleted by it (facts sheet on backup stores, section 7).
"""

import ftplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whmcs_bridge.backups.base import Odd
from whmcs_bridge.backups.folders import Entry, Fault, FolderStore, Kind, ListingLine
from whmcs_bridge.errors import StoreAuthFailed, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

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
    return FtpStore.of(given, login)


class _OneSession(ftplib.FTP_TLS):
    """Data connections go on with the control connection's TLS session: many servers take no other."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> Any:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:  # type: ignore[attr-defined]
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=session)
        return conn, size


class FtpStore(FolderStore[Login]):
    """A folder over FTP."""

    kind = "ftp"

    @property
    def root(self) -> str:
        scheme = "ftps" if self._login.tls else "ftp"
        return f"{scheme}://{self._login.host}:{self._login.port}{self._folder}"

    def _notes(self) -> tuple[str, ...]:
        return () if self._login.tls else ("password and names go over the network unencrypted",)

    def _connect(self) -> "FtpLine":
        return FtpLine(f"store {self.name}", self._login, self._folder)


class FtpLine(ListingLine):
    """One control connection."""

    def __init__(self, what: str, login: Login, folder: str) -> None:
        """Raises StoreUnreachable; StoreAuthFailed where the certificate is not trusted, or it does not take us."""
        super().__init__(what, f"{login.host} port {login.port}", folder)
        self.session = self._logged_in(login)

    def _entries(self, path: str) -> Iterator[Entry]:
        for name, found in self.session.mlsd(self.whole(path)):
            kind = found.get("type", "").lower()
            if not kind:
                raise ViewIncomplete(f"{self.what}: {self.where} tells no types in MLSD, so that nothing can be known")
            if kind not in ("cdir", "pdir"):
                yield _entry(name, kind, found)

    def _answers(self, path: str) -> bool:
        self.session.voidcmd("TYPE I")  # a listing has made it text, in which many servers tell no sizes
        with suppress(ftplib.Error):
            return self.session.size(self.whole(path)) is not None
        return False

    def _move(self, source: str, target: str) -> None:
        if self._entry(target) is not None:  # RNTO may overwrite
            raise Odd("something else lies where it would go")
        self.session.rename(self.whole(source), self.whole(target))

    def _move_aside(self, source: str, target: str) -> None:
        self.session.rename(self.whole(source), self.whole(target))

    def _delete(self, path: str, found: Entry) -> None:
        self.session.delete(self.whole(path))

    def _unlink(self, path: str) -> bool:
        # Many servers show a link as what it leads to. DELE takes a link, and refuses a folder.
        try:
            self.session.delete(self.whole(path))
        except ftplib.error_perm:
            return False
        return True

    def _remove_folder(self, path: str) -> None:
        if self.entries(path):  # nowhere is it said that RMD takes empty folders only
            raise Odd("a folder is not empty")
        self.session.rmd(self.whole(path))

    def _make_folder(self, path: str) -> None:
        self.session.mkd(self.whole(path))

    def fault(self, error: Exception) -> Fault | None:
        if isinstance(error, ftplib.error_temp) and str(error).startswith("421"):
            return Fault.BROKEN  # it hangs up
        if isinstance(error, ftplib.Error | ValueError):
            return Fault.DENIED
        return Fault.BROKEN if isinstance(error, EOFError | OSError) else None

    def said(self, error: Exception) -> str:
        said = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
        return "".join(c if c.isprintable() else "?" for c in said)[:200]

    def alive(self) -> bool:
        if self.session.sock is None:  # hung up already
            return False
        try:
            self.session.voidcmd("NOOP")
        except ftplib.all_errors:
            return False
        return True

    def close(self) -> None:
        self.session.close()

    def _logged_in(self, login: Login) -> ftplib.FTP:
        password = self._password(login)
        session: ftplib.FTP
        if login.tls:
            ca_file = str(login.ca_file) if login.ca_file else None
            session = _OneSession(context=ssl.create_default_context(cafile=ca_file), encoding="utf-8")
        else:
            session = ftplib.FTP(encoding="utf-8")
        try:
            session.connect(login.host, login.port, timeout=login.timeout_seconds)
            session.login(login.user, password)
            if isinstance(session, ftplib.FTP_TLS):
                session.prot_p()
            with suppress(ftplib.error_perm):  # then it tells what it tells
                session.sendcmd("OPTS MLST type;size;modify;unique;")
            return session
        except ssl.SSLError as error:
            session.close()
            reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
            raise StoreAuthFailed(f"{self.what}: {login.host} has no certificate we trust: {reason}") from None
        except ftplib.Error as error:
            session.close()
            if str(error).startswith(NOT_LOGGED_IN):
                raise StoreAuthFailed(f"{self.what}: {login.host} does not let {login.user} in") from None
            raise StoreUnreachable(f"{self.what}: {login.host}: {self.said(error)}") from None
        except (OSError, EOFError, ValueError) as error:  # the last of an answer that is not UTF-8
            session.close()
            raise self.broken(error) from None

    def _password(self, login: Login) -> str:
        """Return the password. Raises StoreAuthFailed for one that a line of FTP cannot carry."""
        password = self.revealed(login.password)
        if any(character < " " or character == "\x7f" for character in password):
            reference = login.password.reference
            raise StoreAuthFailed(f"{self.what}: {reference} has a line end or control character; write one line only")
        return password


def _entry(name: str, kind: str, facts: Mapping[str, str]) -> Entry:
    """Read one line of MLSD (RFC 3659); times are UTC."""
    digits, unique = facts.get("size", ""), facts.get("unique", "")
    size, at = int(digits) if digits.isdigit() else None, _time(facts.get("modify", ""))
    etag = f"{size}:{at.timestamp() if at else ''}:{unique}"
    return Entry(name, _kind(kind), size, at, etag, unique)


def _kind(kind: str) -> Kind:
    """Read the type of MLSD; a server may call what is neither file nor folder as it likes."""
    if kind == "file":
        return Kind.FILE
    if kind == "dir":
        return Kind.FOLDER
    return Kind.LINK if "link" in kind else Kind.SPECIAL


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
