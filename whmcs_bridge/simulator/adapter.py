"""The simulator without sockets: a `requests` transport adapter."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from whmcs_bridge.simulator.faults import Faults, Kind
from whmcs_bridge.simulator.front import Answer, Front
from whmcs_bridge.simulator.state import World

REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"} | {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


class SimulatorAdapter(BaseAdapter):
    """Answers a `requests` session from a world: `session.mount("https://", SimulatorAdapter(world))`.

    Transport faults raise what the real adapter raises, with the urllib3 error inside. Delays are not
    slept unless `sleep` is given; one longer than the read time-out raises ReadTimeout, and its effect
    has then taken place.
    """

    def __init__(
        self, world: World, faults: Faults | None = None, sleep: Callable[[float], None] | None = None
    ) -> None:
        super().__init__()
        self.front = Front(world, faults)
        self._sleep = sleep

    @property
    def world(self) -> World:
        """The world that answers."""
        return self.front.world

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.front.faults

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Answer one prepared request."""
        parts = urlsplit(request.url or "")
        body = request.body or ""
        text = body.decode() if isinstance(body, bytes) else str(body)
        answer = self.front.answer_text(text, parts.query, path=parts.path)
        if answer.trouble:
            raise _trouble(answer, request, str(parts.hostname), parts.path)
        self._wait(answer, request, timeout)
        return _response(answer, request)

    def _wait(self, answer: Answer, request: requests.PreparedRequest, timeout: Any) -> None:
        limit = timeout[1] if isinstance(timeout, tuple) else timeout
        if limit is not None and answer.delay > limit:
            raise _read_timeout(request, limit)
        if self._sleep is not None and answer.delay:
            self._sleep(answer.delay)

    def close(self) -> None:
        """Nothing is open."""


def _response(answer: Answer, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = REASONS.get(answer.status, "")
    response.headers = CaseInsensitiveDict({"Content-Type": answer.content_type, **answer.headers})
    response.url = request.url or ""
    response.request = request
    response.encoding = "utf-8"
    response.elapsed = timedelta(seconds=answer.delay)
    response._content = answer.body
    response._content_consumed = True  # type: ignore[attr-defined]
    return response


def _read_timeout(request: requests.PreparedRequest, seconds: float) -> requests.ReadTimeout:
    inner = ReadTimeoutError(None, request.url, f"Read timed out. (read timeout={seconds})")  # type: ignore[arg-type]
    return requests.ReadTimeout(inner, request=request)


def _trouble(answer: Answer, request: requests.PreparedRequest, host: str, path: str) -> requests.RequestException:
    """The exception that the real adapter would raise."""
    pool: Any = None
    if answer.trouble == Kind.CONNECTION_REFUSED:
        refused = NewConnectionError(pool, "Failed to establish a new connection: [Errno 111] Connection refused")
        return requests.ConnectionError(MaxRetryError(pool, path, refused), request=request)
    if answer.trouble == Kind.CONNECT_TIMEOUT:
        late = ConnectTimeoutError(f"Connection to {host} timed out.")
        return requests.ConnectTimeout(MaxRetryError(pool, path, late), request=request)
    if answer.trouble in (Kind.RESET_AFTER_SEND, Kind.RESET_BEFORE):
        gone = RemoteDisconnected("Remote end closed connection without response")
        return requests.ConnectionError(ProtocolError("Connection aborted.", gone), request=request)
    if answer.trouble == Kind.INCOMPLETE_READ:
        half = len(answer.body) // 2
        broken = IncompleteRead(answer.body[:half], len(answer.body) - half)
        wrapped = ProtocolError(f"Connection broken: {broken!r}", broken)
        return requests.exceptions.ChunkedEncodingError(wrapped, request=request)
    return _read_timeout(request, answer.delay)
