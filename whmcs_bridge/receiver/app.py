"""The receiver over HTTP: what is signed is exchanged as plain WSGI, what anybody may read is a Flask application."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from whmcs_bridge.receiver.desk import Desk
from whmcs_bridge.receiver.exchange import Exchange
from whmcs_bridge.receiver.health import Health
from whmcs_bridge.receiver.metrics import Metrics
from whmcs_bridge.receiver.signature import Guard

_encode = msgspec.json.Encoder().encode


def create_app(desk: Desk, guard: Guard, metrics: Metrics, look: Callable[[], Health], gate: Path) -> Flask:
    """The WSGI application: POST /hooks/POINT and /screens/POINT, GET /gate (signed), /healthz and /metrics."""
    app = Flask("whmcs_bridge.receiver", static_folder=None)
    exchange = Exchange(desk, guard, metrics, gate, app.wsgi_app)
    app.wsgi_app = exchange  # type: ignore[method-assign]

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

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return _refused(error.code or 400, error.name.lower())

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        return _refused(503, f"unexpected {type(error).__name__}")

    def _json(data: Any, status: int) -> Response:
        return Response(_encode(data), status, content_type="application/json")

    def _refused(status: int, message: str) -> Response:
        body = exchange.refused(status, message, request.remote_addr)
        return Response(body, status, content_type="application/json")

    return app
