"""The policy's version: a hash over what decisions depend on, and nothing else."""

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import time
from decimal import Decimal
from typing import Any

from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.settings.days import CountryHolidays

LEFT_OUT = frozenset({"version", "_cache"})


def version_of(policy: Policy) -> str:
    """Return a SHA-256 in hex: the same for the same rules, however the file spells or orders them.

    Addresses, secrets, paths and the mode are no part of it.
    """
    text = json.dumps(_plain(policy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_of(policy: Policy) -> str:
    """Return the rules as readable JSON, a line a value: what the version is the hash of, to be kept and compared.

    The last text is kept: run after run asks for that of the same policy, which nothing changes.
    """
    if not _last or _last[0][0] is not policy:
        _last[:] = [(policy, json.dumps(_plain(policy), sort_keys=True, indent=1, ensure_ascii=False))]
    return _last[0][1]


_last: list[tuple[Policy, str]] = []


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Set):
        return sorted((_plain(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, CountryHolidays):
        return value.spec
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in LEFT_OUT}
    raise TypeError(f"{type(value).__name__} has no canonical form")
