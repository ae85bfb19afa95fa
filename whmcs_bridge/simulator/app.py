"""The simulator over HTTP: /includes/api.php as WHMCS serves it, and /simulator/ to steer it."""

import gc
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from flask import Flask, Response, request
from waitress.server import create_server

from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.simulator import automation, cron
from whmcs_bridge.simulator.actions.base import Params, to_cents
from whmcs_bridge.simulator.faults import Faults, Kind, faults_from
from whmcs_bridge.simulator.front import PATH, Answer, Front
from whmcs_bridge.simulator.php import parse_pairs
from whmcs_bridge.simulator.records import ProductGroup
from whmcs_bridge.simulator.state import World
from whmcs_bridge.simulator.switches import Switches

THREADS = 32
"""Requests served side by side: with latency, each sleeping one holds a thread."""


def create_app(front: Front, latency_ms: float = 0, stopping: threading.Event | None = None) -> Flask:
    """The WSGI application of one simulated WHMCS.

    Every API answer is `latency_ms` late, on top of what module calls and faults add. `stopping`
    cuts all waiting short.
    """
    app = Flask("whmcs_bridge.simulator")
    app.wsgi_app = _single_slashes(app.wsgi_app)  # type: ignore[method-assign]
    stop = stopping or threading.Event()

    @app.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE"])
    def everything(path: str) -> Response:
        if path.startswith("simulator/"):
            return _control(front, path.removeprefix("simulator/").strip("/"))
        answer = _ask(front, "/" + path)
        if latency_ms or answer.delay:
            stop.wait(latency_ms / 1000 + answer.delay)
        return _play(answer)

    return app


def _single_slashes(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Read `//includes/api.php` as one slash, as web servers do: clients join addresses carelessly."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = re.sub(r"/{2,}", "/", environ.get("PATH_INFO", ""))
        return inner(environ, start_response)

    return wrapped


def _ask(front: Front, path: str) -> Answer:
    """Answer the current request; parameters may come in the body, as a form, or in the query string."""
    ip = request.remote_addr or "127.0.0.1"
    query = request.query_string.decode()
    if request.mimetype == "multipart/form-data":
        pairs = parse_pairs([*request.args.items(multi=True), *request.form.items(multi=True)])
        return front.answer(Params(pairs), ip, path)
    return front.answer_text(request.get_data(as_text=True), query, ip, path)


def _play(answer: Answer) -> Response:
    """Send the answer, or break the connection as its trouble says."""
    if answer.trouble:
        probe = request.environ.get("waitress.client_disconnected")
        channel = getattr(probe, "__self__", None)
        return Response(_broken(answer, getattr(channel, "socket", None)), content_type=answer.content_type)
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)


def _broken(answer: Answer, connection: object) -> Iterator[bytes]:
    """Cut the line, after half of the body for INCOMPLETE_READ and before anything else otherwise."""
    if isinstance(connection, socket.socket):
        if answer.trouble == Kind.INCOMPLETE_READ:
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + answer.body[: len(answer.body) // 2])
        connection.shutdown(socket.SHUT_RDWR)
    yield b""


# --- control calls ------------------------------------------------------------------------------


def _control(front: Front, name: str) -> Response:
    handlers = _CONTROLS.get(name)
    handler = handlers.get(request.method) if handlers else None
    if handler is None:
        return _json({"error": f"no control call {request.method} /simulator/{name}"}, 404)
    body: Any = None
    try:
        data = request.get_data()
        body = msgspec.json.decode(data) if data else {}
    except msgspec.DecodeError as error:
        return _json({"error": f"the body is not JSON: {error}"}, 400)
    if not isinstance(body, dict) and (name, request.method) != ("faults", "POST"):
        return _json({"error": "the body is not a JSON object"}, 400)
    with front.lock:
        try:
            return _json(handler(front, body))
        except (UsageProblem, ValueError, TypeError) as error:
            return _json({"error": f"{error}"}, 400)


def _json(data: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(data), status, content_type="application/json")


def _known(body: Any, *keys: str) -> None:
    """Refuse a misspelt key, which would be a call other than the one that was meant."""
    for key in body:
        if key not in keys:
            raise UsageProblem(f"unknown key {key!r}; known: {', '.join(keys)}")


def _advance(front: Front, body: Any) -> Any:
    """{"days": 3} or {"to": "2025-03-01"}: move the clock, running the daily cron on the way."""
    world = front.world
    _known(body, "days", "to")
    to = date.fromisoformat(body["to"]) if "to" in body else None
    days = int(body.get("days", 1)) if to is None else (to - world.today).days
    if days < 0:
        raise UsageProblem(f"the clock only goes forward; it is {world.today}")
    reports = cron.advance(world, days, to=to)
    return {"clock": f"{world.clock:%Y-%m-%d %H:%M:%S}", "cron": [msgspec.to_builtins(row) for row in reports]}


def _pay(front: Front, body: Any) -> Any:
    """{"invoice": 5, "amount": "10.00"}: the client pays; without an amount, all that is owed."""
    world = front.world
    _known(body, "invoice", "amount", "gateway", "transid")
    if "invoice" not in body:
        raise UsageProblem("invoice is missing")
    invoice = world.invoices.get(int(body["invoice"]))
    if invoice is None:
        raise UsageProblem(f"no invoice {body['invoice']}")
    cents = to_cents(str(body["amount"])) if "amount" in body else None
    if "amount" in body and (cents is None or cents <= 0):
        raise UsageProblem(f"amount {body['amount']!r} is not a number above 0")
    entry = automation.record_payment(world, invoice, cents, str(body.get("gateway", "")), str(body.get("transid", "")))
    return {"transaction": entry.id, "status": invoice.status, "balance": world.balance(invoice) / 100}


def _show_faults(front: Front, body: Any) -> Any:
    """The rules in force, with how often each was met and fired."""
    return {"seed": front.faults.seed, "faults": [msgspec.to_builtins(rule) for rule in front.faults.rules]}


def _set_faults(front: Front, body: Any) -> Any:
    """Replace the rules: a list, or {"seed": 1, "faults": [...]}."""
    front.faults = faults_from(body)
    return _show_faults(front, body)


def _clear_faults(front: Front, body: Any) -> Any:
    """End all trouble."""
    front.faults = Faults()
    return _show_faults(front, body)


def _show_switches(front: Front, body: Any) -> Any:
    """Every switch with its value."""
    return msgspec.to_builtins(front.world.switches)


def _set_switches(front: Front, body: Any) -> Any:
    """{"suspend_boundary": ">"}: set switches by name."""
    known = msgspec.to_builtins(front.world.switches)
    for name in body:
        if name not in known:
            raise UsageProblem(f"no switch {name!r}")
    try:
        checked = msgspec.convert({**known, **body}, Switches)
    except msgspec.ValidationError as error:
        raise UsageProblem(f"{error}") from error
    for name in body:
        front.world.switches.set(name, getattr(checked, name))
    return _show_switches(front, body)


def _settings(front: Front, body: Any) -> Any:
    """WHMCS configuration values; a POST sets those it names. WHMCS keeps yes and no as `on` and nothing."""
    words = {True: "on", False: ""}
    front.world.settings.update(
        {name: words[value] if isinstance(value, bool) else str(value) for name, value in body.items()}
    )
    return front.world.settings


def _log(front: Front, body: Any) -> Any:
    """What happened: `?since=N` skips the first N events, `?kind=module:*` chooses."""
    start = int(request.args.get("since", "0"))
    kind = request.args.get("kind", "*")
    rows = [
        {"number": number, **msgspec.to_builtins(event)}
        for number, event in enumerate(front.world.log[start:], start=start + 1)
        if fnmatchcase(event.kind, kind)
    ]
    return {"total": len(front.world.log), "events": rows}


def _state(front: Front, body: Any) -> Any:
    """The clock and how much of everything there is."""
    world = front.world
    tables = {
        name: len(getattr(world, name))
        for name in ("clients", "services", "addons", "domains", "invoices", "transactions", "tickets", "emails")
    }
    return {
        "clock": f"{world.clock:%Y-%m-%d %H:%M:%S}",
        "timezone": world.timezone,
        "counts": tables,
        "services": {status: len(ids) for status, ids in world.services_by_status.items()},
        "open_invoices": {status: len(ids) for status, ids in world.invoices_by_status.items()},
        "calls": dict(front.calls),
    }


_Control = Callable[[Front, Any], Any]
_CONTROLS: dict[str, dict[str, _Control]] = {
    "advance": {"POST": _advance},
    "pay": {"POST": _pay},
    "faults": {"GET": _show_faults, "POST": _set_faults, "DELETE": _clear_faults},
    "switches": {"GET": _show_switches, "POST": _set_switches},
    "settings": {"GET": _settings, "POST": _settings},
    "log": {"GET": _log},
    "state": {"GET": _state},
}


# --- serving ------------------------------------------------------------------------------------


class Server:
    """A simulator that is being served; `url` is the WHMCS root, with a slash at its end."""

    def __init__(self, front: Front, host: str, port: int, latency_ms: float) -> None:
        self.front = front
        self._stopping = threading.Event()
        app = create_app(front, latency_ms, self._stopping)
        listening = socket.create_server((host, port))
        self.url = f"http://{host}:{listening.getsockname()[1]}/"
        self._server: Any = create_server(app, sockets=[listening], threads=THREADS, connection_limit=500)
        self._thread = threading.Thread(target=self._loop, name="simulator", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        channels = self._server._map
        while not self._stopping.is_set():
            self._server.asyncore.loop(timeout=1, map=channels, count=1)
        self._server.task_dispatcher.shutdown(timeout=1)
        self._server.asyncore.close_all(channels)

    def wait(self) -> None:
        """Block until `close` is called from elsewhere or the process is interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """Stop serving; requests still waiting are cut short. A second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            with suppress(OSError):  # the loop may have ended by itself in between
                self._server.pull_trigger()
        self._thread.join(5)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    latency_ms: float = 0,
    faults: Faults | None = None,
) -> Server:
    """Serve a world in the background; port 0 takes a free one.

    The setting SystemURL becomes the address, and a world without a product group gets one, as every
    WHMCS has. OSError when the port is taken.
    """
    if not world.product_groups:
        world.add_product_group(ProductGroup(0, "Hosting", "hosting"))
    server = Server(Front(world, faults), host, port, latency_ms)
    world.settings["SystemURL"] = server.url
    return server


def run(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    latency_ms: float = 0,
    faults: Faults | None = None,
    ready: Callable[[Server], None] | None = None,
) -> None:
    """Serve until interrupted; `ready` is told when requests are accepted.

    A large book is taken out of the garbage collector's rounds: looking through millions of records
    that stay would hold up single requests for seconds.
    """
    gc.freeze()
    with serve(world, host, port, latency_ms, faults) as server:
        if ready is not None:
            ready(server)
        try:
            server.wait()
        except KeyboardInterrupt:
            return


__all__ = ["PATH", "Server", "create_app", "run", "serve"]
