"""Request parameters as PHP reads them: bracketed keys, and base64 of `serialize()`d arrays."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

MAX_DEPTH = 8


def parse_body(text: str) -> dict[str, Any]:
    """Read an `application/x-www-form-urlencoded` text as PHP fills `$_POST`."""
    return parse_pairs(parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"))


def parse_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Nest `a[b][0]=c` keys: every level is a dict with text keys; `a[]` takes the next free number.

    As in PHP, a later value wins, a plain value and an array replace each other, and a key whose
    bracket never closes stays as it is.
    """
    result: dict[str, Any] = {}
    for key, value in pairs:
        opening = key.find("[")
        if opening <= 0 or "]" not in key[opening:]:
            result[key] = value
            continue
        _store(result, [key[:opening], *_steps(key[opening:])], value)
    return result


def _steps(brackets: str) -> list[str]:
    """`[a][][0]` -> `a`, ``, `0`; what follows the last whole bracket is dropped, as PHP does."""
    steps: list[str] = []
    position = 0
    while position < len(brackets) and brackets[position] == "[" and len(steps) < MAX_DEPTH:
        end = brackets.find("]", position)
        if end < 0:
            break
        steps.append(brackets[position + 1 : end])
        position = end + 1
    return steps


def _store(target: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        name = step if step else _next_index(target)
        inner = target.get(name)
        if not isinstance(inner, dict):
            inner = target[name] = {}
        target = inner
    target[path[-1] or _next_index(target)] = value


def _next_index(target: dict[str, Any]) -> str:
    numbers = [int(key) for key in target if key.isdigit()]
    return str(max(numbers) + 1 if numbers else 0)


def decode_array(text: str) -> dict[str, Any] | None:
    """base64 of PHP `serialize()` -> dict with text keys; None when it is anything else.

    Arrays, strings, integers, floats, booleans and null are read; objects never are.
    """
    try:
        data = base64.b64decode(text.replace(" ", "+"), validate=True)
        value, end = _read(data, 0)
    except (binascii.Error, ValueError, IndexError, RecursionError):
        return None
    return value if isinstance(value, dict) and end == len(data) else None


def _read(data: bytes, at: int) -> tuple[Any, int]:
    """One serialized value from `at`: the value and the position behind it; ValueError if malformed."""
    kind = data[at : at + 2]
    if kind == b"N;":
        return None, at + 2
    if kind in (b"i:", b"d:", b"b:"):
        end = data.index(b";", at)
        number = data[at + 2 : end].decode()
        return (float(number) if kind == b"d:" else int(number)), end + 1
    if kind == b"s:":
        colon = data.index(b":", at + 2)
        start = colon + 2
        end = start + int(data[at + 2 : colon])
        if data[colon + 1 : start] != b'"' or data[end : end + 2] != b'";':
            raise ValueError("string length does not fit")
        return data[start:end].decode(errors="replace"), end + 2
    if kind == b"a:":
        return _read_array(data, at)
    raise ValueError(f"unexpected {kind!r}")


def _read_array(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    colon = data.index(b":", at + 2)
    count = int(data[at + 2 : colon])
    position = colon + 2
    result: dict[str, Any] = {}
    for _ in range(count):
        key, position = _read(data, position)
        value, position = _read(data, position)
        result[str(key)] = value
    if data[position : position + 1] != b"}":
        raise ValueError("array does not end")
    return result, position + 1
