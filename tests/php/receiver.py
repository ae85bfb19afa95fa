"""A small receiver for the hook file to talk to: checks signatures, answers as it is told to, keeps what it heard."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "shared-0123456789abcdef0123456789"
Reply = tuple[int, Mapping[str, Any]]


def sign(*parts: str) -> str:
    """HMAC-SHA256 over the parts, joined by dots."""
    return hmac.new(SECRET.encode(), ".".join(parts).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    raw: bytes
    """Everything that came over the line, headers included."""
    body: str
    signed: bool
    nonce: str

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What it says to whom, and what it has heard."""

    answers: dict[str, Reply | Callable[[Any], Reply]] = field(default_factory=dict)
    """By hook point (or `gate`); a tell that is not named is accepted, an ask let through."""
    heard: list[Heard] = field(default_factory=list)
    signs: bool = True
    mute: Callable[[Heard], bool] = lambda _: False
    """Whom it answers without a signature."""
    clock_ahead: float = 0
    """Seconds that its machine's clock is ahead; another time than its own, as a rule, is refused."""
    hold: threading.Event | None = None
    """Wait for it before the answer."""
    drips: threading.Event | None = None
    """Send a byte now and then until it is set."""
    url: str = ""

    def points(self) -> list[str]:
        return [one.path.rpartition("/")[2] for one in self.heard]

    def events(self, point: str = "") -> list[Any]:
        return [one.event for one in self.heard if one.method == "POST" and point in ("", one.event["point"])]

    def reply(self, heard: Heard) -> tuple[int, bytes]:
        if not heard.signed or abs(self.clock_ahead) > 300:
            return 401, b'{"error": "wrong signature"}'
        point = heard.path.rpartition("/")[2]
        found = self.answers.get(point)
        if found is None:
            asked = point.startswith(("PreModule", "PreInvoice"))
            found = (200, {"abort": False, "reason": ""}) if asked else (202, {"accepted": True, "settled": True})
        status, value = found(heard.event) if callable(found) else found
        return status, json.dumps(value).encode()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            at, nonce = self.headers["X-Whmcs-Bridge-Timestamp"], self.headers["X-Whmcs-Bridge-Nonce"]
            right = sign(at, nonce, body.decode())
            raw = f"{self.requestline}\n{self.headers}".encode() + body
            signed = hmac.compare_digest(right, self.headers["X-Whmcs-Bridge-Signature"])
            heard = Heard(self.command, self.path, raw, body.decode(), signed, nonce)
            receiver.heard.append(heard)
            if receiver.hold is not None:
                receiver.hold.wait(120)
            self.send(*receiver.reply(heard), heard)

        def send(self, status: int, text: bytes, heard: Heard) -> None:
            try:
                self.send_response(status)
                if receiver.signs and not receiver.mute(heard):
                    mark = sign("reply", heard.nonce, str(status), text.decode())
                    self.send_header("X-Whmcs-Bridge-Signature", mark)
                self.send_header("Content-Length", str(len(text) if receiver.drips is None else 1_000_000))
                self.end_headers()
                while receiver.drips is not None and not receiver.drips.wait(0.02):
                    self.wfile.write(b" ")
                self.wfile.write(text)
            except OSError:
                return  # the other side has given up

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(int((timestamp or time.time()) + receiver.clock_ahead))

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """Listen on a free port; `receiver.url` says which."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    server.block_on_close = False
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        for event in (receiver.hold, receiver.drips):
            if event is not None:
                event.set()
        server.shutdown()
        server.server_close()
