"""One POST to includes/api.php, and what it means when it does not come back."""

import os
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from whmcs_bridge import __version__
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.encode import form_body
from whmcs_bridge.errors import (
    InsecureConnection,
    NotDelivered,
    OutcomeUnknown,
    UnreadableReply,
    WhmcsError,
    WrongAddress,
)

ENDPOINT = "includes/api.php"
MAX_BODY_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 1 << 16
_SCRUBBED = "[hidden]"
_MIN_SCRUBBED_LENGTH = 6
"""Shorter words would be cut out of ordinary text."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait, in seconds."""

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    """For the next byte of an answer; a whole answer may take twice as long."""
    module_seconds: float = 180.0
    """The same for actions that wait for a control panel or registrar."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The API credential. Its values go into request bodies and nowhere else."""

    identifier: str = field(repr=False)
    secret: str = field(repr=False)
    access_key: str | None = field(default=None, repr=False)

    def fields(self) -> list[tuple[str, str]]:
        """Return the form fields that go with every request."""
        fields = [("identifier", self.identifier), ("secret", self.secret)]
        return [*fields, ("accesskey", self.access_key)] if self.access_key else fields

    def scrub(self, text: str) -> str:
        """Return `text` without our secrets, for messages that quote what a server sent back."""
        for value in (self.secret, self.access_key, self.identifier):
            if value and len(value) >= _MIN_SCRUBBED_LENGTH:
                text = text.replace(value, _SCRUBBED)
        return text


def endpoint(url: str) -> str:
    """Return the address of the API for the WHMCS root the operator gave.

    includes/api.php is appended exactly once, whatever page of WHMCS was copied from the browser
    (facts sheet Q14). Raises WrongAddress.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongAddress(f"{_without_login(url)!r} is not an address: write it like https://billing.example.com")
    if parts.username is not None or parts.password is not None:
        raise WrongAddress(f"{parts.hostname}: leave user name and password out of the address")
    segments = [segment for segment in parts.path.split("/") if segment]
    if segments and segments[-1].casefold().endswith(".php"):
        segments.pop()
    if segments and segments[-1].casefold() == "includes":
        segments.pop()
    path = "/".join(["", *segments, ENDPOINT])
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class Transport:
    """A `requests.Session` per thread, certificates always verified, redirects never followed."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeouts: Timeouts,
        adapter: BaseAdapter | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """`ca_bundle` is the path of a file with the house's own authorities; checking cannot be switched off."""
        self.url = endpoint(url)
        self._credentials = credentials
        self._timeouts = timeouts
        self._adapter = adapter
        self._host = urlsplit(self.url).netloc
        self._proxies = requests.utils.get_environ_proxies(self.url)
        self._verify = ca_bundle or _authorities_from_environment() or True
        self._template = requests.Request("POST", self.url, headers=_HEADERS).prepare()
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def mount(self, adapter: BaseAdapter) -> None:
        """Send everything through `adapter` from now on."""
        self._adapter = adapter
        self._local = threading.local()

    def post(self, action: str, fields: list[tuple[str, str]], *, slow: bool, reads: bool = False) -> Answer:
        """Send one action and return the answer, whatever its status; `reads` says that it changes nothing.

        Raises NotDelivered (nothing was sent), InsecureConnection (the same, and will stay so),
        OutcomeUnknown (sent, no whole answer), UnreadableReply (undecodable).
        """
        wait = self._timeouts.module_seconds if slow else self._timeouts.read_seconds
        body = form_body([("action", action), ("responsetype", "json"), *self._credentials.fields(), *fields])
        try:
            return self._send(body, wait)
        except requests.RequestException as error:
            failure = self._failure(action, error, wait, _READ_LOST if reads else _WRITE_LOST)
        # Raised out here because the requests exception holds the request, and with it the secret.
        raise failure

    def drop_connections(self) -> None:
        """Close this thread's connections: a firewall may have flagged the open one (facts sheet section 1)."""
        if self._adapter is None:
            self._session().close()

    def close(self) -> None:
        """Close every connection."""
        for session in list(self._sessions):
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None or self._local.process != os.getpid():  # a forked child must not share a socket
            session = requests.Session()
            session.trust_env = False  # proxies and authorities are taken above; .netrc has no say here
            adapter = self._adapter or HTTPAdapter(pool_connections=1, pool_maxsize=1)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session, self._local.process = session, os.getpid()
            self._sessions.add(session)
        return session

    def _send(self, body: bytes, wait: float) -> Answer:
        request = self._template.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        response = self._session().send(
            request,
            timeout=(self._timeouts.connect_seconds, wait),
            verify=self._verify,
            proxies=self._proxies,
            allow_redirects=False,
            stream=True,
        )
        with response:
            headers = response.headers
            content = _read_body(response, time.monotonic() + 2 * wait)
            location, retry_after = headers.get("Location", ""), headers.get("Retry-After", "")
            return Answer(response.status_code, content, location, retry_after)

    def _failure(self, action: str, error: requests.RequestException, wait: float, lost: str) -> WhmcsError:
        causes = tuple(_causes(error))
        if any(isinstance(cause, ssl.SSLError | urllib3.exceptions.SSLError) for cause in causes):
            return self._tls_failure(action, causes, lost)
        if any(isinstance(cause, _NEVER_CONNECTED) for cause in causes):
            return NotDelivered(
                f"{self._host} cannot be reached ({self._why(causes)}); {action} was not sent: "
                "check the address, the network, and that WHMCS is up"
            )
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return UnreadableReply(f"{action}: the answer of {self._host} is damaged (its compression breaks off)")
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            return WrongAddress(f"{self.url} is not an address that can be called: correct whmcs.url")
        if isinstance(error, requests.Timeout) or any(isinstance(cause, _TIMED_OUT) for cause in causes):
            return OutcomeUnknown(f"{self._host} did not answer {action} within {wait:g} s; {lost}")
        return OutcomeUnknown(
            f"the connection to {self._host} broke before {action} was answered ({self._why(causes)}); {lost}"
        )

    def _tls_failure(self, action: str, causes: tuple[BaseException, ...], lost: str) -> WhmcsError:
        refused = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
        if refused is not None:
            return InsecureConnection(
                f"the certificate of {self._host} does not hold ({refused.verify_message or refused.reason}); "
                f"{action} was not sent: install a valid one, or name your own authority in whmcs.ca_bundle"
            )
        text = self._why(causes)
        if any(word in text.upper() for word in _HANDSHAKE):
            return InsecureConnection(
                f"{self._host} speaks no TLS that can be trusted ({text}); {action} was not sent: "
                "check that the address wants https and that the server's TLS is in order"
            )
        return OutcomeUnknown(
            f"the secure connection to {self._host} broke before {action} was answered ({text}); {lost}"
        )

    def _why(self, causes: tuple[BaseException, ...]) -> str:
        """Return the innermost layer's own words on one line."""
        texts = [str(cause).strip() for cause in causes if not isinstance(cause, requests.RequestException)]
        text = next((text for text in reversed(texts) if text), type(causes[0]).__name__)
        return self._credentials.scrub(" ".join(text.split()))[:200]


_HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"whmcs-bridge/{__version__}",
    "Connection": "keep-alive",
}
_NEVER_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
)
_TIMED_OUT = (urllib3.exceptions.ReadTimeoutError, TimeoutError)
_READ_LOST = "try again; if it happens again, look at WHMCS's load and at the network between"
_WRITE_LOST = "it may have been carried out: read it back before trying again"
_HANDSHAKE = ("WRONG_VERSION_NUMBER", "HANDSHAKE", "UNSUPPORTED_PROTOCOL", "UNKNOWN_CA", "PROTOCOL_VERSION", "HOSTNAME")


def _read_body(response: requests.Response, deadline: float) -> bytes:
    """Read it all, but neither for ever nor without end: a server may drip or flood."""
    if response.raw is None or isinstance(getattr(response, "_content", None), bytes):
        return response.content
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise requests.exceptions.ConnectionError(f"more than {MAX_BODY_BYTES >> 20} MiB came back")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("the answer dripped in too slowly")
    return b"".join(chunks)


def _authorities_from_environment() -> str | None:
    """Return the bundle that requests itself would take from the environment."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            return path
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """requests wraps urllib3, which wraps the socket: yield every layer once, outermost first."""
    queue: list[object] = [error]
    known: set[int] = set()
    while queue:
        layer = queue.pop(0)
        if not isinstance(layer, BaseException) or id(layer) in known:
            continue
        known.add(id(layer))
        yield layer
        queue += [*layer.args, getattr(layer, "reason", None), getattr(layer, "original_error", None)]
        queue += [layer.__cause__, layer.__context__]


def _without_login(url: str) -> str:
    return url.rsplit("@", 1)[-1][:100]
