"""Parameters in PHP's form encoding, as WHMCS reads them (facts sheet section 3)."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from urllib.parse import urlencode

SERIALIZED = frozenset({"customfields", "configoptions", "customvars"})
"""Sent as base64 of PHP's serialize(), never as JSON or as separate fields."""


def form_body(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the application/x-www-form-urlencoded body."""
    return urlencode(list(fields)).encode("ascii")


def form_fields(params: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the form fields of `params`: None is left out, booleans are 1 and 0, arrays get PHP's brackets.

    A mapping given for customfields, configoptions or customvars is serialized; text is sent as it is.
    `attachments` may be given as (file name, content) pairs.
    """
    fields: list[tuple[str, str]] = []
    for name, value in params.items():
        fields.extend(_flatten(name, _packed(name, value)))
    return fields


def php_serialized(value: object) -> bytes:
    """Return PHP's serialize() of strings, numbers, booleans, None, and arrays of them."""
    if value is None:
        return b"N;"
    if isinstance(value, bool):
        return b"b:%d;" % value
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, Mapping):
        inner = b"".join(_php_key(key) + php_serialized(item) for key, item in value.items())
        return b"a:%d:{%s}" % (len(value), inner)
    if isinstance(value, list | tuple):
        return php_serialized(dict(enumerate(value)))
    text = _scalar(value).encode("utf-8")
    return b's:%d:"%s";' % (len(text), text)


def _packed(name: str, value: object) -> object:
    if name in SERIALIZED:
        if isinstance(value, Mapping):
            return _base64(php_serialized(value))
        if isinstance(value, list | tuple):
            return [_base64(php_serialized(item)) if isinstance(item, Mapping) else item for item in value]
    if name == "attachments" and isinstance(value, list | tuple):
        return _attachments(value)
    return value


def _attachments(files: Sequence[tuple[str, bytes]]) -> str:
    listed = [{"name": name, "data": _base64(content)} for name, content in files]
    return _base64(json.dumps(listed).encode("utf-8"))


def _flatten(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(f"{name}[{key}]", item)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _flatten(f"{name}[{index}]", item)
    else:
        yield name, _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Enum():
            return str(value.value)
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _php_key(key: object) -> bytes:
    """PHP turns a key of plain digits into a number."""
    text = str(key)
    if isinstance(key, int) or (text.isdecimal() and text.isascii() and str(int(text)) == text):
        return b"i:%d;" % int(text)
    return php_serialized(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
