"""The web server in front of the panel: credentials, faults and encoding, shared by both faces."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from whmcs_bridge.simulator import wire
from whmcs_bridge.simulator.actions.base import ApiError, Params, Reply
from whmcs_bridge.simulator.faults import SHIFTS, Fault, Faults, Kind
from whmcs_bridge.simulator.panel import Panel
from whmcs_bridge.simulator.php import parse_body
from whmcs_bridge.simulator.state import World

PATH = "/includes/api.php"
TRANSPORT: frozenset[str] = frozenset(
    {
        Kind.CONNECTION_REFUSED,
        Kind.CONNECT_TIMEOUT,
        Kind.TIMEOUT_BEFORE,
        Kind.TIMEOUT_AFTER,
        Kind.RESET_AFTER_SEND,
        Kind.RESET_BEFORE,
        Kind.INCOMPLETE_READ,
    }
)
"""Faults that a face plays out by itself; `Answer.trouble` names them. The HTTP face, which has
accepted the connection by then, drops it where the in-process face refuses it."""

_SLOW = frozenset({Kind.CONNECT_TIMEOUT, Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER})
_PAGE = "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
_PAGES: dict[str, tuple[int, str]] = {
    Kind.HTTP_403: (403, "403 Forbidden"),
    Kind.HTTP_429: (429, "429 Too Many Requests"),
    Kind.HTTP_500: (500, "500 Internal Server Error"),
    Kind.HTTP_502: (502, "502 Bad Gateway"),
    Kind.HTTP_503: (503, "503 Service Unavailable"),
    Kind.WAF: (403, "Attention Required! The request was blocked by the firewall"),
    Kind.MAINTENANCE: (503, "Down for Maintenance"),
}
_REFUSALS: dict[str, tuple[int, str]] = {
    Kind.IP_DENIED: (403, "Invalid IP {ip}"),
    Kind.BAD_CREDENTIALS: (403, "Authentication Failed"),
    Kind.ADMIN_DISABLED: (403, "Administrator Account Disabled"),
    Kind.ADMIN_REQUIRED: (200, "An admin user is required"),
    Kind.DENIED: (403, 'Invalid Permissions: API action "{action}" is not allowed'),
}
PHP_WARNING = "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/includes/hooks/x.php</b> on line <b>3</b><br />\n"


@dataclass(slots=True)
class Answer:
    """What goes back over the line. `delay` is seconds; `trouble` a transport fault to play out."""

    status: int
    content_type: str
    body: bytes
    delay: float = 0.0
    trouble: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Front:
    """Answers requests to /includes/api.php from one world, one at a time.

    `calls` counts the requests by lower-case action name; `on_call` is told each before it runs.
    """

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self.world = world
        self.panel = Panel(world)
        self.faults = faults if faults is not None else Faults()
        self.lock = threading.RLock()
        self.calls: Counter[str] = Counter()
        self.on_call: Callable[[str, Params], None] | None = None

    def answer_text(self, body: str, query: str = "", ip: str = "127.0.0.1", path: str = PATH) -> Answer:
        """Answer a form-encoded body; parameters in the query string count where the body has none."""
        params = parse_body(body)
        if query:
            params = {**parse_body(query), **params}
        return self.answer(Params(params), ip, path)

    def answer(self, params: Params, ip: str = "127.0.0.1", path: str = PATH) -> Answer:
        """Answer parsed parameters."""
        with self.lock:
            if path.rstrip("/").endswith(PATH + PATH):
                return self._refusal(200, "An admin user is required")
            if not path.endswith(PATH):
                return Answer(404, wire.HTML, _PAGE.format(title="404 Not Found").encode())
            action = params.text("action").strip()  # some clients send a space behind it
            self.calls[action.lower()] += 1
            if self.on_call is not None:
                self.on_call(action, params)
            fault = self.faults.strike(action) if self.faults else None
            return self._faulty(fault, action, params, ip) if fault else self._sound(action, params, ip)

    # --- when all is well -----------------------------------------------------------------------

    def _sound(self, action: str, params: Params, ip: str) -> Answer:
        if self.world.switches.html_page_200:
            return Answer(200, wire.HTML, wire.LOGIN_PAGE.encode())
        refused = self._unwelcome(params, ip)
        if refused is not None:
            return refused
        waited = self.world.waited
        try:
            reply = self._run(action, params)
            status = 200
        except ApiError as refusal:
            reply = {refusal.key: "error", "message": refusal.message}
            status = refusal.status
        answer = self._encoded(action, params, reply, status)
        answer.delay = self.world.waited - waited
        return answer

    def _run(self, action: str, params: Params) -> Reply:
        shifts = self.faults.shifts(action) if self.faults else []
        return self._shifted(action, params, shifts) if shifts else self.panel.run(action, params)

    def _encoded(self, action: str, params: Params, reply: Reply, status: int) -> Answer:
        switches = self.world.switches
        if params.text("responsetype").lower() == "xml":
            return Answer(status, wire.XML, wire.encode_xml(action, reply))
        return Answer(status, wire.JSON, wire.encode(switches, reply, action))

    def _unwelcome(self, params: Params, ip: str) -> Answer | None:
        """The refusal for wrong credentials, a foreign address or a disabled admin; None to go on."""
        switches, known = self.world.switches, self.world.credentials
        if switches.check_credentials:
            name = params.text("identifier") or params.text("username")
            secret = params.text("secret") or params.text("password")
            if not name or not secret:
                return self._refusal(403, "Invalid or missing credentials")
            if (name, secret) != (known.identifier, known.secret) and not self._is_admin(name, secret):
                return self._refusal(403, "Authentication Failed")
        key = known.access_key
        if switches.ip_denied and not (key and params.text("accesskey") == key):
            return self._refusal(403, f"Invalid IP {ip}")
        if switches.admin_disabled:
            return self._refusal(403, "Administrator Account Disabled")
        return None

    def _is_admin(self, name: str, secret: str) -> bool:
        """Legacy: an admin's user name with the MD5 of the password (facts sheet section 1)."""
        return any(
            admin.username == name and hashlib.md5(admin.password.encode(), usedforsecurity=False).hexdigest() == secret
            for admin in self.world.admins.values()
        )

    def _refusal(self, status: int, message: str) -> Answer:
        reply = {"result": "error", "message": message}
        if self.world.switches.auth_error_form == "nvp":
            return Answer(status, wire.HTML, wire.nvp(reply))
        return Answer(status, wire.JSON, msgspec.json.encode(reply))

    # --- when it is not -------------------------------------------------------------------------

    def _faulty(self, fault: Fault, action: str, params: Params, ip: str) -> Answer:
        kind = fault.kind
        if kind in SHIFTS:
            return self._sound(action, params, ip)
        answer = (
            self._sound(action, params, ip) if fault.takes_effect else Answer(200, wire.JSON, b'{"result":"success"}')
        )
        if kind == Kind.LATENCY:
            answer.delay += fault.seconds
        elif kind in TRANSPORT:
            answer.trouble = kind
            answer.delay = fault.seconds if kind in _SLOW else 0.0
        elif kind in _PAGES:
            status, title = _PAGES[kind]
            body = fault.text or _PAGE.format(title=title)
            headers = {"Retry-After": "1"} if status in (429, 503) else {}
            return Answer(status, wire.HTML, body.encode(), headers=headers)
        elif kind in _REFUSALS:
            status, message = _REFUSALS[kind]
            return self._refusal(status, message.format(ip=ip, action=action.lower()))
        else:
            self._spoil(fault, answer)
        return answer

    def _spoil(self, fault: Fault, answer: Answer) -> None:
        """Change the answer's body as the fault says."""
        kind = fault.kind
        if kind == Kind.HTML_200:
            answer.content_type, answer.body = wire.HTML, (fault.text or wire.LOGIN_PAGE).encode()
        elif kind == Kind.JUNK_BEFORE_JSON:
            answer.body = (fault.text or PHP_WARNING).encode() + answer.body
        elif kind == Kind.BOM:
            answer.body = b"\xef\xbb\xbf\r\n" + answer.body
        elif kind == Kind.TRUNCATED:
            answer.body = answer.body[: max(1, len(answer.body) * 2 // 3)]
        elif kind == Kind.EMPTY_BODY:
            answer.body = b""
        elif kind == Kind.NVP:
            reply = {"result": "error", "message": fault.text or "Invalid IP 127.0.0.1"}
            answer.status, answer.content_type, answer.body = 403, wire.HTML, wire.nvp(reply)
        elif kind == Kind.ERROR:
            answer.body = msgspec.json.encode({"result": "error", "message": fault.text or "An error occurred"})
        elif kind == Kind.WARNING:
            warning = fault.text or "Invalid or Missing Payment Information - Please try again"
            answer.body = msgspec.json.encode({"result": "success", "warning": warning})
        else:
            with suppress(msgspec.DecodeError):  # a page, or junk before the JSON, has no shape to change
                answer.body = msgspec.json.encode(_reshaped(fault, msgspec.json.decode(answer.body)))

    def _shifted(self, action: str, params: Params, shifts: list[Fault]) -> Reply:
        """Run a paged action over its whole list, move rows as the faults say, and cut the page."""
        whole = Params({**params, "limitstart": "0", "limitnum": str(1 << 30)})
        reply = self.panel.run(action, whole)
        found = _list_in(reply)
        if found is None:
            return self.panel.run(action, params)
        outer, inner, rows = found
        for fault in shifts:
            rows = _moved(fault, rows)
        start, size = params.page()
        page = rows[start : start + size]
        numbers = {"totalresults": len(rows), "startnumber": start, "numreturned": len(page)}
        for name, number in numbers.items():
            if name in reply:
                reply[name] = str(number) if isinstance(reply[name], str) else number
        reply[outer] = {inner: page} if inner else page
        return reply


def _moved(fault: Fault, rows: list[Any]) -> list[Any]:
    fired = fault.fired > 0
    if fault.kind == Kind.ROW_INSERTED:
        return rows if fired else rows[1:]
    if not fired or len(rows) < 2:
        return rows
    return rows[1:] if fault.kind == Kind.ROW_REMOVED else [rows[-1], *rows[:-1]]


def _list_in(reply: Reply) -> tuple[str, str, list[Any]] | None:
    """(plural, singular, rows) of the reply's list; the singular is empty for a bare list."""
    for outer, value in reply.items():
        if isinstance(value, list):
            return outer, "", value
        if isinstance(value, dict) and len(value) == 1:
            inner, rows = next(iter(value.items()))
            if isinstance(rows, list):
                return outer, inner, rows
    return None


def _reshaped(fault: Fault, reply: Any) -> Any:
    kind = fault.kind
    if kind == Kind.SINGLE_OBJECT:
        return wire.single_objects(reply)
    if kind == Kind.NUMERIC_KEYS:
        return wire.numeric_keys(reply)
    if kind == Kind.STATUS_KEY:
        return wire.under_status(reply)
    if kind == Kind.WRONG_TOTAL and "totalresults" in reply:
        total = int(reply["totalresults"]) + fault.rows
        return {**reply, "totalresults": str(total) if isinstance(reply["totalresults"], str) else total}
    found = _list_in(reply)
    if found is None:
        return reply
    outer, inner, rows = found
    if kind == Kind.SHORT_PAGE:
        kept = rows[: -fault.rows] if fault.rows else rows
        return {**reply, outer: {inner: kept} if inner else kept}
    emptied = {**reply, outer: {inner: []} if inner else []}
    return wire.empty_lists(emptied, fault.text or "string")
