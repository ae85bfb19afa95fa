"""The webdav driver: a folder over WebDAV, by paths that nothing on our side rewrites.

HTTP libraries turn `/acc/bob/../bob1` into `/acc/bob1`, quoted or not (facts sheet on backup stores, finding 6), so
requests go out through http.client as they were written. DELETE on a folder takes everything in it without asking: only
an empty folder is ever deleted.
"""

import base64
import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote, unquote_to_bytes, urlsplit
from xml.etree import ElementTree

from whmcs_bridge.backups.base import Denied, Gone, Locked, Lost, Odd
from whmcs_bridge.backups.folders import Entry, Fault, FolderStore, Kind, ListingLine
from whmcs_bridge.backups.names import shown
from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

MAX_REPLY_BYTES: Final = 64 * 2**20
MAX_DIGITS: Final = 18
"""Of a number of bytes or seconds; more is no answer, and Python reads no number of some thousand digits."""
DAV: Final = "{DAV:}"
ASK: Final = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    b"<getlastmodified/><getetag/></prop></propfind>"
)
NO_HEADERS: Final[Mapping[str, str]] = {}
MULTI_STATUS, NOT_FOUND, CONFLICT, PRECONDITION, LOCKED = 207, 404, 409, 412, 423
MADE: Final = (201, 204)


@dataclass(frozen=True, slots=True)
class Login:
    """Where the service is and how we log in."""

    url: str
    user: str
    password: Secret
    ca_file: Path | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_store(given: BackupStoreSettings) -> "WebDavStore":
    """Return the store of these settings; nothing is connected to yet."""
    options = given.options
    login = Login(
        options["url"], options["user"], options["password"], options.get("ca_file"), options["timeout_seconds"]
    )
    return WebDavStore.of(given, login)


class WebDavStore(FolderStore[Login]):
    """A folder over WebDAV."""

    kind = "webdav"
    folder_times = False
    new_etags = True
    binds = True

    @property
    def root(self) -> str:
        return f"{self._login.url.rstrip('/')}{self._folder}"

    def _connect(self) -> "DavLine":
        return DavLine(f"store {self.name}", self._login, self._folder)


class DavLine(ListingLine):
    """A kept connection, which is made at the first request, and again where the server has closed it."""

    def __init__(self, what: str, login: Login, root: str) -> None:
        parts = urlsplit(login.url)
        self._login = login
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        folder = unquote_to_bytes(parts.path.rstrip("/")).decode("utf-8", "surrogateescape") + root
        super().__init__(what, self._host, folder)
        self._connection: http.client.HTTPConnection | None = None

    def _entries(self, path: str) -> Iterator[Entry]:
        at = shown(path) or "the root"
        reply = self._ask("PROPFIND", self.whole(path) + "/", {"Depth": "1"}, ASK)
        if reply.status != MULTI_STATUS:
            raise Denied(_said(reply))
        own = self.whole(path) + "/"
        itself = False
        for there, entry in _entries(reply.body, self.what):
            there = there.rstrip("/")
            if there + "/" == own:
                itself = True
                continue
            name = there.rpartition("/")[2]
            if there != own + name:
                raise ViewIncomplete(f"{self.what}: asked for {at}, the server tells of another folder")
            yield replace(entry, name=name)
        if not itself:
            raise ViewIncomplete(f"{self.what}: the server does not tell of {at} itself")

    def _answers(self, path: str) -> bool:
        return self._ask("PROPFIND", self.whole(path), {"Depth": "0"}, ASK).status == MULTI_STATUS

    def _move(self, source: str, target: str) -> None:
        authority = self._host if self._port is None else f"{self._host}:{self._port}"
        destination = f"{'https' if self._tls else 'http'}://{authority}{_quoted(self.whole(target))}"
        reply = self._change("MOVE", self.whole(source), {"Destination": destination, "Overwrite": "F"})
        if reply.status == PRECONDITION:
            raise Odd("something else lies where it would go")
        if reply.status == CONFLICT:
            raise Odd("the folder that it would go to is gone")
        if reply.status not in MADE:
            _refused(reply)

    def _delete(self, path: str, found: Entry) -> None:
        reply = self._change("DELETE", self.whole(path), {"If-Match": found.binding} if found.binding else {})
        if reply.status not in (200, 204):
            _refused(reply)

    def _remove_folder(self, path: str) -> None:
        if self.entries(path):  # the request would take everything
            raise Odd(f"{shown(path)} is not empty")
        reply = self._change("DELETE", self.whole(path))
        if reply.status not in (200, 204):
            _refused(reply)

    def _make_folder(self, path: str) -> None:
        reply = self._change("MKCOL", self.whole(path))
        if reply.status not in MADE:
            raise Denied(f"no folder for the quarantine: {_said(reply)}")

    def fault(self, error: Exception) -> Fault | None:
        return Fault.BROKEN if isinstance(error, OSError | http.client.HTTPException) else None

    def said(self, error: Exception) -> str:
        return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- requests --------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Ask for something that changes nothing; a kept connection that the server has closed is opened once more."""
        try:
            return self._send(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, ssl.SSLError):
                reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
                raise StoreAuthFailed(f"{self.what}: {self.where} has no certificate we trust: {reason}") from None
            return self._send(method, path, headers, body)

    def _change(self, method: str, path: str, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
        """Send a change, once."""
        try:
            return self._send(method, path, headers, None)
        except ConnectionRefusedError as error:  # nothing was sent
            self.close()
            raise self.broken(error) from None

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        if self._connection is None:
            self._connection = self._connected()
        pair = f"{self._login.user}:{self.revealed(self._login.password)}".encode()
        own = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        if body:
            own["Content-Type"] = "application/xml"
        self._connection.request(method, _quoted(path), body, {**own, **headers})
        answer = self._connection.getresponse()
        data = answer.read(MAX_REPLY_BYTES + 1)
        if len(data) > MAX_REPLY_BYTES:
            self.close()
            raise ViewIncomplete(f"{self.what}: an answer is larger than {MAX_REPLY_BYTES >> 20} MiB")
        reply = Reply(answer.status, {k.casefold(): v for k, v in answer.getheaders()}, data)
        self._judge(reply)
        return reply

    def _connected(self) -> http.client.HTTPConnection:
        timeout = self._login.timeout_seconds
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        context = ssl.create_default_context(cafile=str(self._login.ca_file) if self._login.ca_file else None)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)

    def _judge(self, reply: Reply) -> None:
        """Raise what concerns every request: credentials, redirects, an overloaded server; note its clock."""
        with suppress(TypeError, ValueError, KeyError):
            self.skew = parsedate_to_datetime(reply.headers["date"]) - datetime.now(UTC)
        if reply.status == 401:
            raise StoreAuthFailed(f"{self.what}: {self.where} does not let {self._login.user} in")
        if 300 <= reply.status < 400:
            raise StoreUnreachable(f"{self.what}: {self.where} sends us elsewhere; write the address it means")
        if reply.status in (429, 503):
            wait = reply.headers.get("retry-after", "")
            seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) <= MAX_DIGITS else None
            raise StoreRateLimited(f"{self.what}: {self.where} has no time", seconds)


# --- small pieces -------------------------------------------------------------------------------------


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _said(reply: Reply) -> str:
    return {403: "permission denied", 404: "not found", 423: "locked", 507: "no room"}.get(
        reply.status, f"status {reply.status}"
    )


def _refused(reply: Reply) -> NoReturn:
    """Raise what an answer to a change means that is no plain success."""
    if reply.status == 202:
        raise Lost("the server only accepted it")
    if reply.status == NOT_FOUND:
        raise Gone
    if reply.status == PRECONDITION:
        raise Odd("it has changed since it was listed")
    if reply.status == LOCKED:
        raise Locked("locked on the server")
    if reply.status >= 500:
        raise Lost(_said(reply))
    raise Denied("only a part went" if reply.status == MULTI_STATUS else _said(reply))


def _entries(body: bytes, what: str) -> Iterator[tuple[str, Entry]]:
    """Yield path and properties of each response of a multistatus. Raises ViewIncomplete for one that has gaps."""
    try:
        tree = ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the last two of an encoding that nobody knows
        raise ViewIncomplete(f"{what}: an answer is no multistatus") from None
    for response in tree.iter(f"{DAV}response"):
        href = response.findtext(f"{DAV}href") or ""
        props = next(
            (
                stat.find(f"{DAV}prop")
                for stat in response.iter(f"{DAV}propstat")
                if " 200" in (stat.findtext(f"{DAV}status") or "")
            ),
            None,
        )
        if not href or props is None:
            raise ViewIncomplete(f"{what}: an answer has a gap at {shown(href)!r}")
        try:
            path = unquote_to_bytes(urlsplit(href.strip()).path).decode("utf-8", "surrogateescape")
            entry = _entry(props)
        except ValueError:
            raise ViewIncomplete(f"{what}: an answer has an address or a size that is none") from None
        yield path, entry


def _entry(props: ElementTree.Element) -> Entry:
    """Read the properties of one thing. Raises ValueError for a size that is none."""
    kind = Kind.FILE if props.find(f"{DAV}resourcetype/{DAV}collection") is None else Kind.FOLDER
    digits, tag = props.findtext(f"{DAV}getcontentlength") or "", (props.findtext(f"{DAV}getetag") or "").strip()
    size, at = _size(digits.strip()), _time(props)
    return Entry("", kind, size, at, tag or f"{size}:{at.timestamp() if at else ''}", binding=_binding(tag))


def _size(digits: str) -> int | None:
    if len(digits) > MAX_DIGITS or not digits.isascii():  # isdigit takes ² for a digit, and int does not
        raise ValueError
    return int(digits) if digits.isdigit() else None


def _binding(tag: str) -> str:
    """Return what a deletion can be bound to; a weak ETag is no such thing."""
    if not tag or tag.startswith("W/"):
        return ""
    return tag if tag.startswith('"') else f'"{tag}"'


def _time(props: ElementTree.Element) -> datetime | None:
    try:
        return parsedate_to_datetime(props.findtext(f"{DAV}getlastmodified") or "").astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # the last for the end of 9999 west of Greenwich
        return None
