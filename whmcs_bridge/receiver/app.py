"""The receiver over HTTP: a Flask application that checks, hands to the desk, and signs what it says."""

import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from whmcs_bridge.hookpoints import Ask
from whmcs_bridge.receiver.desk import Desk, Reply
from whmcs_bridge.receiver.health import Health
from whmcs_bridge.receiver.metrics import Metrics
from whmcs_bridge.receiver.refusal import Refusal
from whmcs_bridge.receiver.signature import SIGNATURE, Guard, reply_signature

log = logging.getLogger("whmcs_bridge.receiver")
_encode = msgspec.json.Encoder().encode


def create_app(desk: Desk, guard: Guard, metrics: Metrics, look: Callable[[], Health], gate: Path) -> Flask:
    """The WSGI application: POST /hooks/POINT and /screens/POINT, GET /gate (signed), /healthz and /metrics."""
    app = Flask("whmcs_bridge.receiver", static_folder=None)

    # One question at a time: side by side they take nothing but the interpreter from each other, at every look into a
    # database, and all of them take longer. What is told waits for the disk, and is not waited for.
    turn = threading.Lock()

    @app.post("/hooks/<point>")
    def hooks(point: str) -> Response:
        with turn if isinstance(desk.handlers.get(point), Ask) else nullcontext():
            reply = desk.receive(point, _admitted())
        kind = "asks" if isinstance(desk.handlers[point], Ask) and reply.status == 200 else "tells"
        return _served(kind, point, reply)

    @app.post("/screens/<point>")
    def screens(point: str) -> Response:
        return _served("screens", point, desk.show(point, _admitted()))

    @app.get("/gate")
    def gate_file() -> Response:
        _admitted()
        try:
            return _signed(gate.read_bytes(), 200)
        except OSError:
            raise Refusal(404, "there is no gate file yet; a sync writes it") from None

    @app.get("/healthz")
    def healthz() -> Response:
        found = look()
        return _json(found.to_json(), 200 if found.live else 503)

    @app.get("/healthz/ready")
    def ready() -> Response:
        found = look()
        return _json(found.to_json(), 200 if found.ready else 503)

    @app.get("/metrics")
    def numbers() -> Response:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    def _admitted() -> bytes:
        """Return the body of a request that is signed; raises Refusal."""
        body = request.stream.read()  # waitress has bounded it
        too_large = len(body) > desk.max_body_bytes
        try:
            g.nonce = guard.admit(request.headers.get, body)
        except Refusal:
            if not too_large:
                raise
        if too_large:  # said signed where its sender is known: only then it stops sending it
            raise Refusal(413, f"the body is larger than {desk.max_body_bytes // 1024} KiB")
        return body

    def _served(kind: str, point: str, reply: Reply) -> Response:
        metrics.served(kind, point, reply)
        took, sender = reply.seconds * 1000, request.remote_addr
        log.info("%s point=%s outcome=%s ms=%.1f from=%s", kind[:-1], point, reply.outcome, took, sender)
        if reply.odd:
            log.warning("odd point=%s from=%s: it %s", point, sender, reply.odd)
        return _json(reply.body, reply.status)

    def _signed(body: bytes, status: int) -> Response:
        response = Response(body, status, content_type="application/json")
        if "nonce" in g:
            response.headers[SIGNATURE] = reply_signature(guard.secret, g.nonce, status, body)
        return response

    def _json(data: Any, status: int) -> Response:
        return _signed(_encode(data), status)

    def _refused(status: int, message: str) -> Response:
        metrics.refused(status)
        log.warning("refused status=%d from=%s: %s", status, request.remote_addr, message)
        return _json({"error": message}, status)

    @app.errorhandler(Refusal)
    def refusal(error: Refusal) -> Response:
        return _refused(error.status, str(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return _refused(error.code or 400, error.name.lower())

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # The text may quote the event; and what we could not take has to come again.
        return _refused(503, f"unexpected {type(error).__name__}")

    return app
