"""What came back from WHMCS: a reply that says success, or the right error (facts sheet section 2)."""

import html
import logging
import re
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from whmcs_bridge.api.actions import Action
from whmcs_bridge.api.answer import Answer, status_text
from whmcs_bridge.errors import (
    AccessRefused,
    ActionRefused,
    ActionUnknown,
    AddressRefused,
    BlockedByFirewall,
    CredentialsRefused,
    ModuleFailed,
    NoModule,
    NotFound,
    Refused,
    Unavailable,
    UnreadableReply,
    WhmcsError,
    WrongAddress,
)

Reply = dict[str, object]
"""A decoded reply, keys as WHMCS spelled them, flattened keys nested again."""

_log = logging.getLogger(__name__)

_MAX_STARTS = 64
"""So many `{` are tried behind junk before the body counts as unreadable."""
_MAX_QUOTED = 240
_WITHOUT_MARKER = {"getadminusers": "admin_users"}
"""Actions whose documented reply says neither result nor status (E3), and what it has instead."""


def read_reply(action: Action, answer: Answer, scrub: Callable[[str], str] = str) -> Reply:
    """Return the reply of an action that succeeded.

    Raises the error that fits anything else, each with what to do next. `scrub` takes our secrets out of
    words that a server sent back. The body is read before the status is judged: the reason is in it.
    """
    reply = _decode(action, answer.body)
    if reply is None:
        _raise_for_foreign_body(action, answer, scrub)
    marker = _marker(action, reply)
    if marker == "success":
        if answer.status >= 400:
            _raise_for_status(action, answer, "its body claims success", scrub)
        return reply
    if marker == "error":
        raise _refusal(action, answer.status, _message(reply), scrub)
    raise _without_marker(action, answer, reply, scrub)


def warning_of(reply: Mapping[str, object]) -> str:
    """Return the reply's `warning` on one line, "" without one (E15, E16)."""
    value = field_of(reply, "warning")
    return "" if value in (None, "", [], {}) else _plain(str(value))


def field_of(reply: Mapping[str, object], name: str) -> object:
    """Return a field, its name matched without regard to case where it is not there as written."""
    if name in reply:
        return reply[name]
    folded = name.casefold()
    return next((value for key, value in reply.items() if key.casefold() == folded), None)


# --- bytes to a mapping -------------------------------------------------------------------------


def _decode(action: Action, body: bytes) -> Reply | None:
    """Return the JSON object in `body`, also behind a BOM, notices or echoed lines; None if there is none."""
    decoded = _object(body)
    if decoded is None:
        decoded = _object_behind_junk(action, body)
    if decoded is None:
        return None
    return _nested(decoded) if any("[" in key for key in decoded) else decoded


def _object(body: bytes) -> Reply | None:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _object_behind_junk(action: Action, body: bytes) -> Reply | None:
    """The first `{` from which the body parses to its end starts the reply (E12)."""
    body = body.rstrip(b" \t\r\n\0")
    start = body.find(b"{")
    for _ in range(_MAX_STARTS):
        if start < 0:
            return None
        decoded = _object(body[start:])
        if decoded is not None:
            if body[:start].strip(b"\xef\xbb\xbf \t\r\n"):
                _log.warning("junk_before_reply action=%s bytes=%d", action.name, start)
            return decoded
        start = body.find(b"{", start + 1)
    return None


def _nested(flat: Reply) -> Reply:
    """Turn `addons[addon][0][id]` into nested mappings (Q8)."""
    nested: Reply = {}
    for key, value in flat.items():
        place, *path = key.replace("]", "").split("[")
        here = nested
        for step in path:
            inner = here.get(place)
            if not isinstance(inner, dict):
                inner = here[place] = {}
            here, place = inner, step
        here[place] = value
    return nested


# --- what a mapping says ------------------------------------------------------------------------


def _marker(action: Action, reply: Reply) -> str:
    """`result`, else `status` where it is not a field of the reply itself (E2), else "" (E3)."""
    result = field_of(reply, "result")
    if result is None:
        status = field_of(reply, "status")
        result = status if str(status).strip().casefold() in ("success", "error") else None
    if result is None and _WITHOUT_MARKER.get(action.name.casefold()) in reply:
        return "success"
    return str(result).strip().casefold() if isinstance(result, str) else ""


def _message(reply: Reply) -> str:
    for name in ("message", "error", "errormessage"):
        value = field_of(reply, name)
        if isinstance(value, str) and value.strip():
            return value
    return "no reason given"


def _refusal(action: Action, status: int, message: str, scrub: Callable[[str], str]) -> WhmcsError:
    reason = scrub(message)
    text = _plain(reason)
    folded = text.casefold()
    # A module's own words may be "Authentication failed" as well: those mean the panel's server, not us.
    about_us = not action.runs_module or status in (401, 403)
    if about_us or "api action" in folded or folded.startswith("an admin user"):
        error = _access_error(action, folded, text, reason, status)
        if error is not None:
            return error
    if action.runs_module:
        return _module_error(action, folded, text, reason)
    if _NOT_FOUND.search(folded):
        return NotFound(f"WHMCS, asked for {action.name}: {text}", reason)
    if status >= 500:
        return Unavailable(f"WHMCS fails at {action.name} ({status_text(status)}): {text}; try again later")
    return Refused(f"WHMCS refuses {action.name}: {text}", reason)


_NOT_FOUND = re.compile(r"\bnot found\b|\bdoes not exist\b")


def _access_error(action: Action, folded: str, text: str, reason: str, status: int) -> WhmcsError | None:
    if folded.startswith("invalid ip"):
        return AddressRefused(
            f"WHMCS does not let this machine's address in ({text}): add it under General Settings > Security > "
            "API IP Access Restriction, or set an access key",
            reason,
        )
    if "invalid permissions" in folded or ("api action" in folded and "not allowed" in folded):
        return ActionRefused(
            f"the credential's API role lacks {action.name}: tick it under Manage API Credentials > API Roles", reason
        )
    if "not a valid api action" in folded or "api action could not be found" in folded or folded.startswith("empty a"):
        return ActionUnknown(f"this WHMCS has no action {action.name} ({text}): check the name and the version", reason)
    if "admin user is required" in folded:
        return WrongAddress(
            f"WHMCS answers {text!r}: the address is not its root (includes/api.php is added once), "
            "or the credential's administrator is gone",
            reason,
        )
    if any(words in folded for words in _CREDENTIALS):
        return CredentialsRefused(
            f"WHMCS does not accept the credential ({text}): check identifier and secret, and that the "
            "administrator behind it is active and has API Access",
            reason,
        )
    if status in (401, 403):
        return AccessRefused(f"WHMCS does not let us run {action.name}: {text}", reason)
    return None


_CREDENTIALS = (
    "authentication failed",
    "invalid or missing credentials",
    "administrator account disabled",
    "access denied",
    "invalid password provided",
)


def _module_error(action: Action, folded: str, text: str, reason: str) -> WhmcsError:
    if "not assigned to a module" in folded:
        return NoModule(f"{action.name}: the service has no module ({text}): set its status and act by hand", reason)
    if folded.startswith("service id not found"):
        return NotFound(f"WHMCS, asked for {action.name}: {text}", reason)
    if folded.startswith("service id is required"):
        return Refused(f"WHMCS refuses {action.name}: {text}", reason)
    return ModuleFailed(f"{action.name} failed in the service's module: {text}", reason)


# --- what is not a reply ------------------------------------------------------------------------


def _raise_for_foreign_body(action: Action, answer: Answer, scrub: Callable[[str], str]) -> NoReturn:
    text = answer.body.decode("utf-8", "replace").strip().lstrip("\ufeff").strip()
    pairs = _name_value_pairs(text)
    if pairs.get("result") == "error":  # E11
        raise _refusal(action, answer.status, pairs.get("message", "no reason given"), scrub)
    _raise_for_status(action, answer, _described(text, scrub), scrub)
    if _MAINTENANCE.search(text):
        raise Unavailable(f"WHMCS shows its maintenance page to {action.name}: try again when maintenance is over")
    if _LOGIN.search(text):
        raise WrongAddress(
            f"a login page answers {action.name}: the address is not that of WHMCS's API, or another "
            "login stands in front of it"
        )
    raise UnreadableReply(
        f"{action.name}: the answer is {_described(text, scrub)}, not WHMCS's JSON; nothing follows from it: "
        "look at WHMCS's error log and at what its hooks and addons print"
    )


_MAINTENANCE = re.compile(r"maintenance", re.IGNORECASE)
_LOGIN = re.compile(r"<input[^>]+type=[\"']?password|dologin\.php|<title>[^<]*\blog ?in\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def _raise_for_status(action: Action, answer: Answer, what: str, scrub: Callable[[str], str]) -> None:
    """Raise for a status that tells enough by itself."""
    status = answer.status
    if 300 <= status < 400:
        raise WrongAddress(
            f"{action.name} is redirected ({status_text(status)}) to {scrub(_without_query(answer.location))}: "
            "put WHMCS's final address, https included, into the settings"
        )
    if status == 429:
        seconds = _retry_after(answer.retry_after)
        raise Unavailable(
            f"something in front of WHMCS asks us to slow down (429) at {action.name}: try again later, and lower "
            "whmcs.connections if it happens often",
            seconds,
        )
    if status >= 500:
        seconds = _retry_after(answer.retry_after)
        raise Unavailable(
            f"WHMCS is out of order ({status_text(status)}) at {action.name}: {what}; try again later", seconds
        )
    if status in (404, 405, 410):
        raise WrongAddress(f"there is no WHMCS API at the address ({status_text(status)}): check whmcs.url")
    if status >= 400:
        raise BlockedByFirewall(
            f"something in front of WHMCS refused {action.name} ({status_text(status)}, no word from WHMCS itself): "
            "let this machine through its firewall or fail2ban"
        )


def _without_marker(action: Action, answer: Answer, reply: Reply, scrub: Callable[[str], str]) -> WhmcsError:
    _raise_for_status(action, answer, "its body says neither success nor error", scrub)
    warning = warning_of(reply)
    if warning:  # E16
        return Refused(f"WHMCS answers {action.name} with a warning and no success: {scrub(warning)}", scrub(warning))
    shown = ", ".join(list(reply)[:5]) or "nothing"
    return UnreadableReply(
        f"{action.name}: the reply says neither success nor error (it holds {scrub(_plain(shown))}); "
        "nothing follows from it"
    )


def _name_value_pairs(text: str) -> dict[str, str]:
    if not text.startswith("result=") or len(text) > 4000:
        return {}
    pairs = (pair.partition("=") for pair in re.split(r"[;\n]", text))
    return {name.strip().casefold(): value.strip() for name, _, value in pairs}


def _described(text: str, scrub: Callable[[str], str]) -> str:
    if not text:
        return "an empty body"
    title = _TITLE.search(text)
    if title:
        return f"a page titled {scrub(_plain(title.group(1)))!r}"
    if text.startswith("<"):
        return f"a page that starts {scrub(_plain(text[:2000]))[:80]!r}"
    if text.startswith("{"):
        return f"broken JSON of {len(text)} characters"
    return f"text that starts {scrub(_plain(text[:200]))[:80]!r}"


def _plain(text: str) -> str:
    """One line without markup, short enough for a message."""
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())[:_MAX_QUOTED]


def _without_query(location: str) -> str:
    parts = urlsplit(location)
    host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
    return f"{host}{parts.path}"[:200] or "nowhere"


def _retry_after(text: str) -> float | None:
    """Seconds only; a date would need a clock, and ours may differ from the server's."""
    return float(text) if text.isdecimal() and len(text) < 8 else None
