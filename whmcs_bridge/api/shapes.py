"""WHMCS's spellings of numbers, dates, truth and lists, read the same whatever they look like (facts sheet 4)."""

import html
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from whmcs_bridge.errors import UnreadableReply

Id = Annotated[int, msgspec.Meta(ge=1)]
"""The number of a thing itself: never empty, never 0."""
Owner = Annotated[int, msgspec.Meta(ge=0)]
"""Whose thing it is: never empty, may be 0."""

R = TypeVar("R", bound=msgspec.Struct)
Row = Mapping[str, object]

_TRUE = frozenset({"1", "on", "true", "yes"})
_FALSE = frozenset({"", "0", "off", "false", "no"})
_UNSET = ("0000-00-00", "-0001-11-30")
"""WHMCS's unset date, and the same after PHP's date arithmetic."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].*)?", re.ASCII)
_NUMBER = re.compile(r"\s*([+-]?\d{1,18})(?:\.0*)?\s*", re.ASCII)
_MONEY = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*", re.ASCII)
_MAX_DIGITS = 15


class Shape(msgspec.Struct, frozen=True, gc=False):
    """Base of the rows. Every field is asked for, so that the fast way never takes a default for an answer."""


OPTIONAL: dict[type[msgspec.Struct], frozenset[str]] = {}
"""Fields that may be missing or empty: read as "", 0 or None the tolerant way."""


# --- single values ------------------------------------------------------------------------------


@lru_cache(maxsize=16384)
def day(text: str, field: str) -> date | None:
    """Return the Y-m-d date, or None where WHMCS prints its unset date or nothing.

    Raises UnreadableReply naming the field and the value.
    """
    if text.startswith(_UNSET) or not text.strip():
        return None
    try:
        if _DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip()[:10])
    except ValueError:
        pass
    raise UnreadableReply(f"{field}: expected Y-m-d, got {text[:40]!r}")


def moment(text: str, field: str) -> datetime | None:
    """Return the panel's local wall clock, or None for the unset date or nothing. Raises UnreadableReply."""
    if text.startswith(_UNSET) or not text.strip():
        return None
    try:
        if _DAY.fullmatch(text.strip()):
            return datetime.fromisoformat(text.strip()[:19])
    except ValueError:
        pass
    raise UnreadableReply(f"{field}: expected Y-m-d H:M:S, got {text[:40]!r}")


def flag(value: object, field: str) -> bool:
    """Return the truth of true, 1, "1", "on", "yes" and their opposites. Raises UnreadableReply."""
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).strip().casefold() if isinstance(value, str | int) else "?"
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UnreadableReply(f"{field}: expected yes or no, got {_shown(value)}")


def amount(value: Decimal, field: str) -> Decimal:
    """Return `value` if it can be money: finite and of a sane size. Raises UnreadableReply."""
    if not value.is_finite() or value.adjusted() > _MAX_DIGITS:
        raise UnreadableReply(f"{field}: expected an amount of money, got {value}")
    return value


def plain(text: str) -> str:
    """Return text with HTML entities unescaped once."""
    return html.unescape(text) if "&" in text else text


def whole_number(value: object, field: str) -> int:
    """Return an int from 5, "5", " 5", "5.0". Raises UnreadableReply."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnreadableReply(f"{field}: expected a number, got {_shown(value)}")
    return int(match.group(1))


def megabytes(value: object) -> int:
    """Return a usage figure; servers report words like "unlimited" here, which count as 0."""
    try:
        figure = Decimal(str(value).strip())
    except InvalidOperation:
        return 0
    return int(figure) if figure.is_finite() and figure.adjusted() <= _MAX_DIGITS else 0


# --- rows ---------------------------------------------------------------------------------------


def shaped(kind: type[R], row: Row) -> R:
    """Return the row as a `kind`, tolerant of every spelling. Raises UnreadableReply naming field and value."""
    folded = {key.casefold(): value for key, value in row.items()}
    folded.update(row)
    values: list[Any] = []
    for name, type_, optional in _fields(kind):
        place = name if name in folded else name.casefold()
        if place not in folded and not optional:
            raise UnreadableReply(f"{name}: missing")
        values.append(_coerced(type_, folded.get(place), name, optional))
    return kind(*values)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, object, bool], ...]:
    """Return (name, type, optional) in the order of the struct's arguments."""
    optional = OPTIONAL.get(kind, frozenset())
    return tuple(
        (field.encode_name, field.type, field.encode_name in optional) for field in msgspec.structs.fields(kind)
    )


def _coerced(kind: object, value: object, field: str, optional: bool) -> object:
    if kind is str:
        return _text(value, field)
    if kind is Decimal:
        return _decimal(value, field, optional)
    if kind is int or kind in (Id, Owner):
        return _number(kind, value, field)
    return value


def _text(value: object, field: str) -> str:
    if isinstance(value, str):
        return value
    if value in (None, [], {}):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UnreadableReply(f"{field}: expected text, got {_shown(value)}")


def _number(kind: object, value: object, field: str) -> int:
    empty = value is None or (isinstance(value, str) and not value.strip())
    if empty and kind is int:
        return 0
    number = whole_number(value, field)
    if (kind == Id and number < 1) or (kind == Owner and number < 0):
        raise UnreadableReply(f"{field}: expected the number of something, got {_shown(value)}")
    return number


def _decimal(value: object, field: str, optional: bool) -> Decimal:
    if optional and (value is None or value == ""):
        return Decimal("0.00")
    try:
        if isinstance(value, str) and _MONEY.fullmatch(value):
            return Decimal(value.strip())
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return amount(Decimal(str(value)), field)
    except InvalidOperation:
        pass
    raise UnreadableReply(f"{field}: expected an amount of money, got {_shown(value)}")


# --- lists --------------------------------------------------------------------------------------


def listed(holder: Mapping[str, object], plural: str, singular: str) -> list[Row] | None:
    """Return the rows under `plural` (and `singular`, "" for a bare array), or None if the key is absent.

    "", [], {}, null and an empty inner list are no rows; a single object is one row; an object with numeric
    keys is its values in order (facts sheet Q6-Q8). Raises UnreadableReply for anything else.
    """
    keys = {key.casefold(): key for key in holder}
    if plural.casefold() not in keys:
        return None
    found = holder[keys[plural.casefold()]]
    if isinstance(found, Mapping):
        inner = {key.casefold(): key for key in found}
        if singular and singular.casefold() in inner:
            found = found[inner[singular.casefold()]]
    return _rows(found, plural)


def _rows(found: object, field: str) -> list[Row]:
    if found is None or (isinstance(found, str) and not found.strip()):
        return []
    if isinstance(found, Mapping):
        numbered = sorted((int(key), row) for key, row in found.items() if key.isdecimal() and key.isascii())
        if numbered and len(numbered) == len(found):
            found = [row for _, row in numbered]
        else:
            found = [found] if found else []
    if found == [[]]:
        return []
    if isinstance(found, list) and all(isinstance(row, Mapping) and row for row in found):
        return found
    raise UnreadableReply(f"{field}: expected a list of rows, got {_shown(found)}")


def _shown(value: object) -> str:
    return repr(value)[:60]
