"""The webdav driver: a folder over WebDAV, by paths that nothing on our side rewrites.

HTTP libraries turn `/acc/bob/../bob1` into `/acc/bob1`, quoted or not (facts sheet on backup stores, finding 6), so
requests go out through http.client as they were written. DELETE on a folder takes everything in it without asking: only
an empty folder is ever deleted.
"""

import base64
import http.client
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit
from xml.etree import ElementTree

from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.claim import KIND
from whmcs_bridge.backups.layouts import Layout, layout_of
from whmcs_bridge.backups.names import SENTINEL, OddName, quarantined, segments_of, shown, split_quarantine
from whmcs_bridge.domain.backups import BackupItem, Capabilities, Outcome, Probe, Receipt
from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

MAX_DEPTH: Final = 64
MAX_REPLY_BYTES: Final = 64 * 2**20
SETTLED: Final = timedelta(minutes=5)
"""What was written to more recently may still be being written."""
DAV: Final = "{DAV:}"
ASK: Final = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    b"<getlastmodified/><getetag/></prop></propfind>"
)
MULTI_STATUS, MOVED_DONE, NOT_FOUND, PRECONDITION, LOCKED = 207, (201, 204), 404, 412, 423


@dataclass(frozen=True, slots=True)
class Login:
    """Where the service is and how we log in."""

    url: str
    user: str
    password: Secret
    ca_file: Path | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What PROPFIND says about one path."""

    name: bytes
    folder: bool
    size: int | None
    modified: datetime | None
    etag: str

    @property
    def mark(self) -> str:
        """Changes with the content: the server's ETag, or size and time where it has none."""
        return self.etag or f"{self.size}:{self.modified.timestamp() if self.modified else ''}"


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
    return WebDavStore(
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


class WebDavStore(PathStore):
    """A folder over WebDAV, with a sentinel file in it. Without that file it is taken for away, never for empty."""

    kind = "webdav"
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
        parts = urlsplit(login.url)
        self._login = login
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._base = unquote_to_bytes(parts.path.rstrip("/")) + root.encode()
        self._address = f"{login.url.rstrip('/')}{root}"
        self._leave_out = frozenset(name.encode() for name in leave_out)
        self._line: http.client.HTTPConnection | None = None
        self._skew: timedelta | None = None

    @property
    def root(self) -> str:
        return self._address

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
        return Probe(complete=True, clock_skew=self._skew, busy=tuple(sorted(busy)), keeps_for=self._kept)

    def items(self) -> Iterable[BackupItem]:
        """Every file and backup folder below the root, quarantine too, over a new connection.

        Raises ViewIncomplete where a folder cannot be read, or is told by halves.
        """
        self.close()
        self._recognise()
        yield from self._walk(b"", 0)

    def _walk(self, path: bytes, depth: int) -> Iterator[BackupItem]:
        for found in self._listed(path):
            if depth == 0 and (found.name in self._leave_out or found.name == SENTINEL.encode()):
                continue
            here = path + found.name
            locator = shown(here)
            if not found.folder:
                yield self.made(locator, size=found.size, at=found.modified, etag=found.mark)
                continue
            if depth >= MAX_DEPTH:
                raise ViewIncomplete(f"store {self.name}: {locator} has more than {MAX_DEPTH} folders above it")
            if self.layout.is_tree(locator):
                yield self._tree(here, locator)
            else:
                yield from self._walk(here + b"/", depth + 1)

    def _tree(self, path: bytes, locator: str) -> BackupItem:
        etag, size, newest = self._whole(path)
        item = self.made(locator, size=size, etag=etag, at=newest, meta={KIND: "tree"})
        return item if item.made_on is not None else replace(item, at=None)

    def _whole(self, path: bytes) -> tuple[str, int, datetime | None]:
        """Count a folder with everything in it: its etag, bytes and newest time."""
        count = size = 0
        newest: datetime | None = None
        for one in self._all_in(path + b"/", 0):
            count += 1
            size += 0 if one.folder else one.size or 0
            newest = max(filter(None, (newest, None if one.folder else one.modified)), default=None)
        return f"tree:{count}:{size}:{newest.timestamp() if newest else ''}", size, newest

    def _all_in(self, path: bytes, depth: int) -> Iterator[Entry]:
        if depth > MAX_DEPTH:
            raise ViewIncomplete(f"store {self.name}: {shown(path)} is more than {MAX_DEPTH} folders deep")
        for found in self._listed(path):
            yield found
            if found.folder:
                yield from self._all_in(path + found.name + b"/", depth + 1)

    def _listed(self, path: bytes) -> list[Entry]:
        """Return what a folder holds, by name. Raises ViewIncomplete where it cannot be seen whole."""
        at = shown(path) or "the root"
        reply = self._ask("PROPFIND", self._base + b"/" + path, {"Depth": "1"}, ASK)
        if reply.status != MULTI_STATUS:
            raise ViewIncomplete(f"store {self.name}: {at} cannot be listed: {self._said(reply)}")
        own = (self._base + b"/" + path).rstrip(b"/") + b"/"
        entries: list[Entry] = []
        itself = False
        for path_there, entry in _entries(reply.body, self.name):
            below = path_there.rstrip(b"/") + b"/"
            if below == own:
                itself = True
                continue
            name = path_there.rstrip(b"/").rpartition(b"/")[2]
            if below != own + name + b"/" or name in (b"", b".", b".."):
                raise ViewIncomplete(f"store {self.name}: asked for {at}, the server tells of another folder")
            entries.append(replace(entry, name=name))
        if not itself:
            raise ViewIncomplete(f"store {self.name}: the server does not tell of {at} itself")
        return sorted(entries, key=lambda entry: entry.name)

    def _recognise(self) -> None:
        names = {entry.name: entry for entry in self._listed(b"")}
        sentinel = names.get(SENTINEL.encode())
        if sentinel is None or sentinel.folder:
            raise StoreUnreachable(
                f"store {self.name}: no file {SENTINEL} in {self._address}: is it the store? "
                "If it is, an empty file of that name says so"
            )
        upper = self._ask("PROPFIND", self._base + b"/" + SENTINEL.upper().encode(), {"Depth": "0"}, ASK)
        self.case_blind = upper.status == MULTI_STATUS

    # --- the line --------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: bytes, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Ask for something that changes nothing; a kept connection that the server has closed is opened once more."""
        for attempt in (1, 2):
            try:
                return self._send(method, path, headers or {}, body)
            except (OSError, http.client.HTTPException) as error:
                fresh = self._line is None or attempt == 2
                self.close()
                if isinstance(error, ssl.SSLError):
                    raise self._untrusted(error) from None
                if fresh:
                    raise self._broken(error) from None
        raise AssertionError("the second attempt answers or raises")

    def _change(self, method: str, path: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a change, once. Raises _Lost where the answer did not come."""
        try:
            return self._send(method, path, headers or {}, None)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, ConnectionRefusedError):
                raise self._broken(error) from None
            raise _Lost(str(self._broken(error))) from None

    def _send(self, method: str, path: bytes, headers: Mapping[str, str], body: bytes | None) -> Reply:
        if self._line is None:
            self._line = self._connect()
        pair = f"{self._login.user}:{self._login.password.reveal()}".encode()
        self._line.request(
            method,
            quote(path, safe="/"),
            body,
            {
                "Authorization": f"Basic {base64.b64encode(pair).decode()}",
                **({"Content-Type": "application/xml"} if body else {}),
                **headers,
            },
        )
        answer = self._line.getresponse()
        data = answer.read(MAX_REPLY_BYTES + 1)
        if len(data) > MAX_REPLY_BYTES:
            self.close()
            raise ViewIncomplete(f"store {self.name}: an answer is larger than {MAX_REPLY_BYTES >> 20} MiB")
        reply = Reply(answer.status, {k.casefold(): v for k, v in answer.getheaders()}, data)
        self._judge(reply)
        return reply

    def _connect(self) -> http.client.HTTPConnection:
        timeout = self._login.timeout_seconds
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        context = ssl.create_default_context(cafile=str(self._login.ca_file) if self._login.ca_file else None)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)

    def _judge(self, reply: Reply) -> None:
        """Raise what concerns every request: credentials, redirects, an overloaded server; note its clock."""
        with suppress(TypeError, ValueError, KeyError):
            self._skew = parsedate_to_datetime(reply.headers["date"]) - datetime.now(UTC)
        if reply.status == 401:
            raise StoreAuthFailed(f"store {self.name}: {self._host} does not let {self._login.user} in")
        if 300 <= reply.status < 400:
            raise StoreUnreachable(f"store {self.name}: {self._host} sends us elsewhere; write the address it means")
        if reply.status in (429, 503):
            wait = reply.headers.get("retry-after", "")
            raise StoreRateLimited(
                f"store {self.name}: {self._host} has no time", float(wait) if wait.isdigit() else None
            )

    def _broken(self, error: Exception) -> StoreUnreachable:
        said = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
        return StoreUnreachable(f"store {self.name}: {self._host}: {said}")

    def _untrusted(self, error: ssl.SSLError) -> StoreAuthFailed:
        reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        return StoreAuthFailed(f"store {self.name}: {self._host} has no certificate we trust: {reason}")

    def _said(self, reply: Reply) -> str:
        return {403: "permission denied", 404: "not found", 423: "locked", 507: "no room"}.get(
            reply.status, f"status {reply.status}"
        )

    # --- writing ---------------------------------------------------------------------------------

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move it into the plan's quarantine; one that lies there already is found there."""
        if item.quarantine:
            return Receipt(Outcome.REFUSED, f"it lies in the quarantine of {item.quarantine} already")
        return self._guarded(item, lambda: self._move_aside(item, plan))

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly what was listed: bound to its ETag, and looked at just before."""
        return self._guarded(item, lambda: self._delete(item))

    def put_back(self, item: BackupItem) -> Receipt:
        """Move an item from quarantine to where it lay; nothing is overwritten, and one that lies there is found."""
        return self._guarded(item, lambda: self._put_back(item))

    def _guarded(self, item: BackupItem, act: Callable[[], Receipt]) -> Receipt:
        """Refuse what names nothing that may be touched; turn what the server says into a receipt."""
        if fault := self.fault_of(item):
            return Receipt(Outcome.REFUSED, fault)
        try:
            self._recognise()
            return act()
        except (_Odd, OddName) as odd:
            return Receipt(Outcome.REFUSED, str(odd))
        except _Lost as lost:
            return Receipt(Outcome.UNKNOWN, str(lost))
        except _Gone:
            return Receipt(Outcome.GONE_BEFORE)

    def _delete(self, item: BackupItem) -> Receipt:
        path = self._base + b"/" + item.locator.encode()
        found = self._check(item, begun=bool(item.quarantine))
        if item.meta.get(KIND) == "tree":
            self._empty(item.locator.encode() + b"/", 0)
            receipt = self._gone(self._remove_empty(item.locator.encode()))
        else:
            receipt = self._gone(self._change("DELETE", path, _bound(found)))
        if receipt.outcome is Outcome.DELETED:
            self._drop_empty(item.locator)
        return receipt

    def _empty(self, path: bytes, depth: int) -> None:
        """Delete what a folder holds, one by one. Raises _Odd where the server does not."""
        if depth > MAX_DEPTH:
            raise _Odd(f"more than {MAX_DEPTH} folders deep")
        for found in self._listed(path):
            here = path + found.name
            if found.folder:
                self._empty(here + b"/", depth + 1)
                receipt = self._gone(self._remove_empty(here))
            else:
                receipt = self._gone(self._change("DELETE", self._base + b"/" + here, _bound(found)))
            if receipt.outcome not in (Outcome.DELETED, Outcome.GONE_BEFORE):
                raise _Odd(f"{shown(here)}: {receipt.note}")

    def _remove_empty(self, path: bytes) -> Reply:
        """Delete a folder in which nothing lies: the request would take everything."""
        if self._listed(path + b"/"):
            raise _Odd(f"{shown(path)} is not empty")
        return self._change("DELETE", self._base + b"/" + path)

    def _gone(self, reply: Reply) -> Receipt:
        if reply.status in (200, 204):
            return Receipt(Outcome.DELETED)
        if reply.status == 202:
            return Receipt(Outcome.UNKNOWN, "the server only accepted it")
        if reply.status == NOT_FOUND:
            return Receipt(Outcome.GONE_BEFORE)
        if reply.status == PRECONDITION:
            return Receipt(Outcome.REFUSED, "it has changed since it was listed")
        if reply.status == LOCKED:
            return Receipt(Outcome.LOCKED, "locked on the server")
        if reply.status >= 500:
            return Receipt(Outcome.UNKNOWN, self._said(reply))
        return Receipt(Outcome.FAILED, "only a part went" if reply.status == MULTI_STATUS else self._said(reply))

    def _move_aside(self, item: BackupItem, plan: str) -> Receipt:
        target = quarantined(plan, item.locator)
        there = replace(item, locator=target, quarantine=plan)
        if self._found(target) is not None:
            # A run was killed between the move and the record of it.
            found = self._check(there, begun=True)
            return Receipt(Outcome.QUARANTINED, "it lies there already", item=_as_found(there, found))
        self._check(item)
        self._make_room(target)
        receipt = self._moved(item.locator, target)
        if receipt is not None:
            return receipt
        try:
            found = self._check(there, begun=True)
        except _Odd:
            self._moved(target, item.locator)
            raise
        return Receipt(Outcome.QUARANTINED, item=_as_found(there, found))

    def _put_back(self, item: BackupItem) -> Receipt:
        original = split_quarantine(item.locator)[1]
        if not item.quarantine or original == item.locator:
            return Receipt(Outcome.REFUSED, "it does not lie in quarantine")
        plain = item.meta.get(KIND) != "tree"  # a file's ETag may change with every move
        back = replace(item, locator=original, quarantine="")
        try:
            self._check(item, begun=plain)
        except _Gone:
            return self._lies_back(back, plain)
        receipt = self._moved(item.locator, original)
        if receipt is not None:
            return receipt
        self._drop_empty(item.locator)
        return Receipt(Outcome.PUT_BACK, item=_as_found(back, self._check(back, begun=True)))

    def _lies_back(self, back: BackupItem, plain: bool) -> Receipt:
        """It has left quarantine: by a run that was killed before it could say so, or by another hand."""
        try:
            found = self._check(back, begun=plain)
        except _Odd as odd:
            return Receipt(Outcome.GONE_BEFORE, f"it lies in quarantine no more; where it lay: {odd}")
        return Receipt(Outcome.PUT_BACK, "it lies there already", item=_as_found(back, found))

    def _moved(self, locator: str, target: str) -> Receipt | None:
        """Move without overwriting; None where it went."""
        destination = f"{'https' if self._tls else 'http'}://{self._authority()}{quote(self._base, safe='/')}/{target}"
        reply = self._change(
            "MOVE", self._base + b"/" + locator.encode(), {"Destination": destination, "Overwrite": "F"}
        )
        if reply.status in MOVED_DONE:
            return None
        if reply.status == PRECONDITION:
            return Receipt(Outcome.REFUSED, "something else lies where it would go")
        if reply.status == 409:
            return Receipt(Outcome.REFUSED, "the folder that it would go to is gone")
        return self._gone(reply)

    def _authority(self) -> str:
        return self._host if self._port is None else f"{self._host}:{self._port}"

    def _found(self, locator: str) -> Entry | None:
        """Return what lies at a path, by the listings of the folders on its way. None where it does not."""
        *folders, name = segments_of(locator)
        path = b""
        for folder in folders:
            here = {entry.name: entry for entry in self._listed(path)}
            found = here.get(folder.encode())
            if found is None:
                return None
            if not found.folder:
                raise _Odd(f"{folder} is a file on the way")
            path += folder.encode() + b"/"
        return next((entry for entry in self._listed(path) if entry.name == name.encode()), None)

    def _check(self, item: BackupItem, *, begun: bool = False) -> Entry:
        """Return what lies there; raise _Odd where it is not what was listed, _Gone where nothing is.

        `begun`: it was moved, which may give it another ETag, and a folder may have lost some of what was in it.
        """
        found = self._found(item.locator)
        if found is None:
            raise _Gone
        if item.meta.get(KIND) == "tree":
            if not found.folder:
                raise _Odd("it is no folder any more")
            same = begun or self._whole(item.locator.encode())[0] == item.etag
        else:
            if found.folder:
                raise _Odd("it is no plain file")
            same = (found.size, found.modified) == (item.size, item.at) and (begun or found.mark == item.etag)
        if not same:
            raise _Odd("it has changed since it was listed")
        return found

    def _make_room(self, target: str) -> None:
        """Make the folders of the quarantine that are not there yet."""
        path = b""
        for folder in segments_of(target)[:-1]:
            there = next((entry for entry in self._listed(path) if entry.name == folder.encode()), None)
            if there is None:
                reply = self._change("MKCOL", self._base + b"/" + path + folder.encode())
                if reply.status not in MOVED_DONE:
                    raise StoreTrouble(f"store {self.name}: no folder for the quarantine: {self._said(reply)}")
            elif not there.folder:
                raise _Odd(f"{folder} is no folder of the bridge's own")
            path += folder.encode() + b"/"

    def _drop_empty(self, locator: str) -> None:
        """Remove the folders of the quarantine that have become empty; none other."""
        if not split_quarantine(locator)[0]:
            return
        folders = segments_of(locator)[:-1]
        with suppress(_Odd, _Lost, StoreTrouble):
            for depth in range(len(folders), 0, -1):
                self._remove_empty("/".join(folders[:depth]).encode())


# --- small pieces -------------------------------------------------------------------------------------


def _entries(body: bytes, store: str) -> Iterator[tuple[bytes, Entry]]:
    """Yield path and properties of each response of a multistatus. Raises ViewIncomplete for one that has gaps."""
    try:
        tree = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise ViewIncomplete(f"store {store}: an answer is no multistatus") from None
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
            raise ViewIncomplete(f"store {store}: an answer has a gap at {shown(href)!r}")
        folder = props.find(f"{DAV}resourcetype/{DAV}collection") is not None
        size = props.findtext(f"{DAV}getcontentlength") or ""
        etag = (props.findtext(f"{DAV}getetag") or "").strip()
        path = unquote_to_bytes(urlsplit(href.strip()).path)
        yield path, Entry(b"", folder, int(size) if size.isdigit() else None, _time(props), etag)


def _time(props: ElementTree.Element) -> datetime | None:
    try:
        return parsedate_to_datetime(props.findtext(f"{DAV}getlastmodified") or "").astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _bound(found: Entry) -> dict[str, str]:
    """What binds a deletion to what was seen; a weak ETag is no such thing."""
    if not found.etag or found.etag.startswith("W/"):
        return {}
    return {"If-Match": found.etag if found.etag.startswith('"') else f'"{found.etag}"'}


def _as_found(item: BackupItem, found: Entry) -> BackupItem:
    return item if item.meta.get(KIND) == "tree" else replace(item, etag=found.mark)


def _fresh(item: BackupItem) -> bool:
    return not item.quarantine and item.at is not None and abs(datetime.now(UTC) - item.at) < SETTLED
