"""What is signed, as plain WSGI: WHMCS waits for it, and Flask's way to a view takes as long as an answer."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import get_input_stream

from whmcs_bridge.hookpoints import Ask, Tell
from whmcs_bridge.receiver.desk import Desk, Reply
from whmcs_bridge.receiver.metrics import Metrics
from whmcs_bridge.receiver.refusal import Refusal
from whmcs_bridge.receiver.signature import NONCE, SIGNATURE, TIMESTAMP, Guard, reply_signature

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOOKS, SCREENS, GATE = "hooks", "screens", "gate"
_METHODS: Final = {HOOKS: "POST", SCREENS: "POST", GATE: "GET"}
_HEADERS: Final = tuple("HTTP_" + name.upper().replace("-", "_") for name in (TIMESTAMP, NONCE, SIGNATURE))
_STATUS: Final[Mapping[int, str]] = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

log = logging.getLogger("whmcs_bridge.receiver")
_encode = msgspec.json.Encoder().encode


def ask_points(handlers: Mapping[str, Ask | Tell]) -> frozenset[str]:
    """Return the points at which WHMCS waits for an answer."""
    return frozenset(point for point, handler in handlers.items() if isinstance(handler, Ask))


class Exchange:
    """POST /hooks/POINT and /screens/POINT, and GET /gate: checked, handed to the desk, and signed."""

    def __init__(self, desk: Desk, guard: Guard, metrics: Metrics, gate: Path, rest: "WSGIApplication") -> None:
        """`gate` is the gate file; `rest` serves every other path."""
        self._desk, self._guard, self._metrics, self._gate, self._rest = desk, guard, metrics, gate, rest
        self._asks = ask_points(desk.handlers)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        place, _, point = environ["PATH_INFO"][1:].partition("/")
        if place not in _METHODS or (not point) != (place == GATE) or "/" in point:
            return self._rest(environ, start_response)
        nonce, sender = "", environ.get("REMOTE_ADDR")
        try:
            if environ["REQUEST_METHOD"] != _METHODS[place]:
                raise Refusal(405, "method not allowed")
            body = get_input_stream(environ).read()  # waitress has bounded it
            nonce = self._nonce(environ, body)
            if self._too_large(body):  # said signed where its sender is known: only then it stops sending it
                raise Refusal(413, f"the body is larger than {self._desk.max_body_bytes // 1024} KiB")
            status, said = self._answer(place, point, body, sender)
        except Refusal as error:
            status, said = error.status, self.refused(error.status, str(error), sender)
        except HTTPException as error:
            status, said = error.code or 400, self.refused(error.code or 400, error.name.lower(), sender)
        except Exception as error:
            # The text may quote the event; and what we could not take has to come again.
            status, said = 503, self.refused(503, f"unexpected {type(error).__name__}", sender)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(said)))]
        if nonce:
            headers.append((SIGNATURE, reply_signature(self._guard.secret, nonce, status, said)))
        start_response(_STATUS[status], headers)
        return (said,)

    def refused(self, status: int, message: str, sender: str | None) -> bytes:
        """Count a refusal and leave one line in the log; return its body."""
        self._metrics.refused(status)
        log.warning("refused status=%d from=%s: %s", status, sender, message)
        return _encode({"error": message})

    def _nonce(self, environ: "WSGIEnvironment", body: bytes) -> str:
        """Return the nonce of a request that is signed, "" for one that is too large anyway; raises Refusal."""
        try:
            timestamp, nonce, given = (environ.get(name, "") for name in _HEADERS)
            return self._guard.admit(timestamp, nonce, given, body)
        except Refusal:
            if self._too_large(body):
                return ""
            raise

    def _too_large(self, body: bytes) -> bool:
        return len(body) > self._desk.max_body_bytes

    def _answer(self, place: str, point: str, body: bytes, sender: str | None) -> tuple[int, bytes]:
        if place == GATE:
            try:
                return 200, self._gate.read_bytes()
            except OSError:
                raise Refusal(404, "there is no gate file yet; a sync writes it") from None
        if place == SCREENS:
            return self._served(SCREENS, point, self._desk.show(point, body), sender)
        reply = self._desk.receive(point, body)
        return self._served("asks" if point in self._asks and reply.status == 200 else "tells", point, reply, sender)

    def _served(self, kind: str, point: str, reply: Reply, sender: str | None) -> tuple[int, bytes]:
        self._metrics.served(kind, point, reply)
        log.info(
            "%s point=%s outcome=%s ms=%.1f from=%s", kind[:-1], point, reply.outcome, reply.seconds * 1000, sender
        )
        if reply.odd:
            log.warning("odd point=%s from=%s: it %s", point, sender, reply.odd)
        return reply.status, _encode(reply.body)
