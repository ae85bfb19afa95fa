"""One checked HTTPS line to a panel or store: certificates verified, no redirect followed, no path rewritten.

HTTP libraries turn `/a/../b` into `/b` and cut at `#` (facts sheet on backup stores, finding 6), so that a deletion
could name something else than was meant: odd paths are refused, and what was sent is compared with what was meant.
"""

import re
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreUnreachable, StoreUnsupported, ViewIncomplete

if TYPE_CHECKING:
    from requests import Response

MAX_REPLY_BYTES: Final = 64 * 2**20
CHUNK: Final = 2**16
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PATIENCE: Final = 10
"""A reply has to be there within so many times the timeout, which counts from one packet to the next."""
PATH: Final = re.compile(r"(/[A-Za-z0-9._:@=+!-]+)+/?|/", re.ASCII)


class HttpLine:
    """Requests to one address; failures are told in the name of `what`, such as "store pve1", without secrets."""

    def __init__(self, what: str, url: str, *, timeout: float, ca_file: Path | None = None) -> None:
        """`timeout` is in seconds; `ca_file` holds the certificates to trust instead of the system's."""
        self._what, self._url, self._timeout, self._ca_file = what, url, timeout, ca_file
        self._session: Any = None

    def ask(self, method: str, path: str, *, takes: Collection[int] = (), **words: Any) -> "Response":
        """Return the reply to one request; statuses from 300 on are errors unless `takes` has them.

        Raises StoreAuthFailed, StoreRateLimited, StoreUnreachable (where something may have been done all the same),
        ViewIncomplete for a reply that is too large, StoreUnsupported for what is never sent.
        """
        import requests
        from urllib3.exceptions import HTTPError

        if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise StoreUnsupported(f"{self._what}: an odd name, which something on the way could rewrite; not sent")
        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False  # no proxy and no .netrc of the environment
            self._session.verify = str(self._ca_file) if self._ca_file else True
        try:
            prepared = self._session.prepare_request(requests.Request(method, self._url + path, **words))
        except (requests.RequestException, ValueError) as error:  # their texts quote headers, and so the secret
            raise StoreUnsupported(f"{self._what}: a request that cannot be sent: {type(error).__name__}") from None
        if urlsplit(prepared.url).path != urlsplit(self._url).path + path:
            raise StoreUnsupported(f"{self._what}: a name that would be rewritten on the way; not sent")
        until = time.monotonic() + PATIENCE * self._timeout
        try:
            reply: Response = self._session.send(
                prepared, timeout=self._timeout, allow_redirects=False, verify=self._session.verify, stream=True
            )
            self._take_in(reply, until)
        except requests.exceptions.SSLError:
            raise StoreAuthFailed(f"{self._what}: no certificate that we trust; see ca_file") from None
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise StoreUnreachable(f"{self._what}: {type(error).__name__}") from None
        self._check(reply, takes)
        return reply

    def _take_in(self, reply: "Response", until: float) -> None:
        """Read a reply as it comes: neither its size nor its pace is left to the other side."""
        found = bytearray()
        try:
            while chunk := reply.raw.read1(CHUNK, decode_content=True):
                found += chunk
                if len(found) > MAX_REPLY_BYTES:
                    raise self.gap("a reply that is too large")
                if time.monotonic() > until:
                    raise StoreUnreachable(f"{self._what}: its answer has no end")
        except BaseException:
            reply.close()  # what is still to come may not be taken for the next answer
            raise
        reply._content = bytes(found)

    def _check(self, reply: "Response", takes: Collection[int]) -> None:
        status = reply.status_code
        if status < 300 or status in takes:
            return
        if status in (401, 403):
            raise StoreAuthFailed(f"{self._what}: it does not let us in ({status})")
        if status == 429:
            raise StoreRateLimited(f"{self._what}: too many requests")
        raise StoreUnreachable(f"{self._what}: it answers with status {status}")

    def json(self, reply: "Response") -> Any:
        """Return what a reply holds; raises ViewIncomplete where that is no JSON."""
        try:
            return reply.json()
        except (ValueError, RecursionError):
            raise self.gap("no JSON: perhaps a login page") from None

    def gap(self, what: str) -> ViewIncomplete:
        """Return the error of an answer that nothing may be concluded from."""
        return ViewIncomplete(f"{self._what}: it answers with {what}")

    def close(self) -> None:
        """Give the connection back."""
        if self._session is not None:
            self._session.close()
            self._session = None


def clock_skew(reply: "Response") -> timedelta | None:
    """Return the other side's clock minus ours, by the Date header, to the second; None where it does not tell."""
    try:
        theirs = parsedate_to_datetime(reply.headers.get("Date", ""))
    except ValueError:
        return None
    return None if theirs.tzinfo is None else theirs - datetime.now(UTC).replace(microsecond=0)


def moment(seconds: object) -> datetime | None:
    """Return a time that is told in whole seconds since 1970; None for anything else, which proves nothing."""
    if type(seconds) is not int:
        return None
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def short(value: object) -> str:
    """Return what another side said, in one line and cut, to be shown."""
    return "".join(c if c.isprintable() else "?" for c in str(value))[:200]
