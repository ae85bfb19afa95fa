"""Trouble on demand: which calls go wrong, how, and whether their effect takes place all the same."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from whmcs_bridge.errors import UsageProblem


class Kind(StrEnum):
    """What can go wrong. The comment says what the client sees."""

    LATENCY = "latency"  # the right answer, `seconds` late
    CONNECTION_REFUSED = "connection_refused"  # no connection; nothing happened
    CONNECT_TIMEOUT = "connect_timeout"  # no connection in time; nothing happened
    TIMEOUT_BEFORE = "timeout_before"  # no answer in time; nothing happened
    TIMEOUT_AFTER = "timeout_after"  # no answer in time; the effect took place
    RESET_AFTER_SEND = "reset_after_send"  # connection dropped; the effect took place
    RESET_BEFORE = "reset_before"  # connection dropped; nothing happened
    INCOMPLETE_READ = "incomplete_read"  # the connection breaks in the middle of the body
    HTTP_403 = "http_403"  # a web server's own page
    HTTP_429 = "http_429"
    HTTP_500 = "http_500"
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    WAF = "waf"  # 403 and a firewall's page
    MAINTENANCE = "maintenance"  # 503 and WHMCS's maintenance page
    HTML_200 = "html_200"  # 200 and a login page
    JUNK_BEFORE_JSON = "junk_before_json"  # `text` (a PHP warning) before the JSON
    BOM = "bom"  # a byte order mark before the JSON
    TRUNCATED = "truncated"  # 200 and the first part of the JSON
    EMPTY_BODY = "empty_body"  # 200 and nothing
    EMPTY_LIST = "empty_list"  # no rows, in the form `text` (string, list, object, wrapper, absent, null)
    SHORT_PAGE = "short_page"  # the last `rows` rows of a page are missing
    WRONG_TOTAL = "wrong_total"  # totalresults is `rows` too high
    ROW_INSERTED = "row_inserted"  # the first row of the list appears only from now on
    ROW_REMOVED = "row_removed"  # the first row of the list is gone from now on
    ROW_MOVED = "row_moved"  # the last row of the list is its first from now on
    SINGLE_OBJECT = "single_object"  # a list of one comes as the one
    NUMERIC_KEYS = "numeric_keys"  # lists come as objects with keys "0", "1", ...
    STATUS_KEY = "status_key"  # `status` in place of `result`
    DENIED = "denied"  # the role lacks the action
    IP_DENIED = "ip_denied"  # the address is not on the allow list
    BAD_CREDENTIALS = "bad_credentials"
    ADMIN_DISABLED = "admin_disabled"
    ADMIN_REQUIRED = "admin_required"  # 200, `An admin user is required`
    NVP = "nvp"  # the refusal as name=value text
    ERROR = "error"  # `result: error` with the message `text`
    WARNING = "warning"  # success with a `warning`, and nothing happened (E16)


AFTER: frozenset[str] = frozenset(
    {
        Kind.LATENCY,
        Kind.TIMEOUT_AFTER,
        Kind.RESET_AFTER_SEND,
        Kind.INCOMPLETE_READ,
        Kind.JUNK_BEFORE_JSON,
        Kind.BOM,
        Kind.TRUNCATED,
        Kind.EMPTY_BODY,
        Kind.EMPTY_LIST,
        Kind.SHORT_PAGE,
        Kind.WRONG_TOTAL,
        Kind.ROW_INSERTED,
        Kind.ROW_REMOVED,
        Kind.ROW_MOVED,
        Kind.SINGLE_OBJECT,
        Kind.NUMERIC_KEYS,
        Kind.STATUS_KEY,
    }
)
"""Kinds whose call takes effect unless the fault says `effect = false`."""

SHIFTS: frozenset[str] = frozenset({Kind.ROW_INSERTED, Kind.ROW_REMOVED, Kind.ROW_MOVED})
FORMS = frozenset({"", "string", "list", "object", "wrapper", "absent", "null"})


@dataclass(slots=True)
class Fault:
    """One rule: calls of `action` (a glob, any case) go wrong in this way.

    It fires on the `nth` matching call (1 is the first; 0: on each), else with `probability`, at most
    `count` times (0: no end). `effect` None takes the kind's own: `AFTER`.
    """

    action: str = "*"
    kind: Kind = Kind.HTTP_500
    nth: int = 0
    probability: float = 1.0
    count: int = 1
    effect: bool | None = None
    seconds: float = 30.0
    text: str = ""
    rows: int = 1
    seen: int = field(default=0, compare=False)
    fired: int = field(default=0, compare=False)

    @property
    def takes_effect(self) -> bool:
        """Whether the call does its work although it goes wrong."""
        return self.kind in AFTER if self.effect is None else self.effect

    def matches(self, action: str) -> bool:
        """Whether a lower-case action name is meant."""
        return fnmatchcase(action, self.action.lower())


class Faults:
    """The faults in force. Equal seeds and equal calls give equal trouble."""

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.rules = list(faults)
        self.seed = seed
        self._random = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def add(self, *faults: Fault) -> None:
        """Put further rules in force, behind those there are."""
        self.rules.extend(faults)

    def clear(self) -> None:
        """Trouble ends."""
        self.rules.clear()

    def strike(self, action: str) -> Fault | None:
        """The fault that hits this call, if any; the first rule that fires wins."""
        name = action.lower()
        for rule in self.rules:
            if not rule.matches(name):
                continue
            rule.seen += 1
            if rule.count and rule.fired >= rule.count:
                continue
            if rule.nth and rule.seen != rule.nth:
                continue
            if rule.probability < 1.0 and self._random.random() >= rule.probability:
                continue
            rule.fired += 1
            return rule
        return None

    def shifts(self, action: str) -> list[Fault]:
        """Row shifts that concern an action's list, fired or still to come."""
        return [rule for rule in self.rules if rule.kind in SHIFTS and rule.matches(action.lower())]


_NAMES = frozenset(f.name for f in fields(Fault))


def faults_from(data: Any) -> Faults:
    """Faults from decoded JSON: a list of rules, or `{"seed": 1, "faults": [...]}`.

    UsageProblem names the first rule that is wrong.
    """
    whole = isinstance(data, dict) and set(data) <= {"seed", "faults"}
    rows, seed = (data.get("faults", []), data.get("seed", 0)) if whole else (data, 0)
    if not isinstance(rows, list) or not isinstance(seed, int):
        raise UsageProblem('faults: expected a list of rules, or {"seed": 1, "faults": [...]}')
    return Faults([_rule(number, row) for number, row in enumerate(rows, start=1)], seed)


def _rule(number: int, row: Any) -> Fault:
    unknown = sorted(set(row) - _NAMES) if isinstance(row, dict) else []
    if unknown:
        raise UsageProblem(f"faults: rule {number}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_NAMES))}")
    try:
        rule = msgspec.convert(row, Fault)
    except msgspec.ValidationError as error:
        raise UsageProblem(f"faults: rule {number}: {error}") from error
    if rule.kind is Kind.EMPTY_LIST and rule.text not in FORMS:
        raise UsageProblem(f"faults: rule {number}: text {rule.text!r} is none of {', '.join(sorted(FORMS))}")
    return rule


def load_faults(path: Path) -> Faults:
    """Faults from a JSON file; UsageProblem when it cannot be read or is wrong."""
    try:
        data = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageProblem(f"{path}: not JSON ({error})") from error
    return faults_from(data)
