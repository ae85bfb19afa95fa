"""Plain values in PHP: written, and read again wherever nothing but values stands there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]

_SPACE = re.compile(r"\s+|(?P<comment>(?://|#(?!\[))[^\n]*|/\*.*?\*/)", re.DOTALL)
_BEFORE = re.compile(
    r"""declare\s*\(\s*strict_types\s*=\s*[01]\s*\)\s*;
      | if\s*\(\s*!\s*defined\s*\(\s*(?:'\w+'|"\w+")\s*\)\s*\)\s*(?:\{[^{}]*\}|[^;{}]*;)""",
    re.VERBOSE,
)
"""What may stand before the values: nothing that changes them."""
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\$]|\\[\\$"nrt])*)"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>\.[0-9]+)?(?![\w.])")
_WORD = re.compile(r"\w+")
_MARK = re.compile(r"\w+|.|$", re.DOTALL)
"""What an error shows: of a text only its quote, because it may be the secret."""
_WORDS: Final = {"true": True, "false": False, "null": None}
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}


class Unreadable(Exception):
    """Something that is no plain value; the text says where."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a file returns."""

    values: Mapping[str, Value]
    comments: tuple[str, ...]
    """Every one, in order."""


def php(value: Value) -> str:
    """Return the value as PHP writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, Mapping):
        return "[" + ", ".join(f"{php(key)} => {php(one)}" for key, one in value.items()) + "]"
    return "[" + ", ".join(php(one) for one in value) + "]"


def returned(text: str) -> Found:
    """Return what a PHP file returns that does nothing else; raises Unreadable."""
    reading = _Reading(text.removeprefix("\ufeff"))
    reading.word("<?php")
    while reading.skips(_BEFORE):
        continue
    reading.word("return")
    values = reading.value()
    reading.word(";")
    reading.skips(re.compile(r"\?>\s*"))
    if reading.at < len(text.removeprefix("\ufeff")):
        raise reading.odd()
    if values == []:
        values = {}
    if not isinstance(values, Mapping):
        raise Unreadable("it returns no list of names and values")
    return Found(values, tuple(reading.comments))


@dataclass(slots=True)
class _Reading:
    text: str
    at: int = 0
    comments: list[str] = field(default_factory=list)

    def odd(self) -> Unreadable:
        line = self.text.count("\n", 0, self.at) + 1
        found = _MARK.match(self.text, self.at)
        return Unreadable(f"line {line}: expected a plain value, found {found[0] if found else ''!r}")

    def space(self) -> None:
        while found := _SPACE.match(self.text, self.at):
            self.at = found.end()
            if found["comment"]:
                self.comments.append(found["comment"])

    def skips(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go past what matches here, and the space before it."""
        self.space()
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def word(self, word: str) -> None:
        if not self.skips(re.compile(re.escape(word), re.IGNORECASE)):
            raise self.odd()

    def has(self, mark: str) -> bool:
        return self.skips(re.compile(re.escape(mark))) is not None

    def value(self) -> Value:
        self.space()
        if found := self.skips(_SINGLE):
            return re.sub(r"\\([\\'])", r"\1", found[1])
        if found := self.skips(_DOUBLE):
            return re.sub(r"\\(.)", lambda one: _ESCAPED.get(one[1], one[1]), found[1], flags=re.DOTALL)
        if found := self.skips(_NUMBER):
            return float(found[0]) if found["rest"] else int(found[0])
        if self.has("["):
            return self.array("]")
        began, found = self.at, self.skips(_WORD)
        said = found[0].lower() if found else ""
        if said == "array" and self.has("("):
            return self.array(")")
        if said in _WORDS:
            return _WORDS[said]
        self.at = began
        raise self.odd()

    def array(self, end: str) -> Value:
        """Read up to the end: a list, or names with values; PHP would take a mixture of both as well."""
        named: dict[str, Value] = {}
        listed: list[Value] = []
        while not self.has(end):
            began, one = self.at, self.value()
            if not self.has("=>"):
                listed.append(one)
            elif isinstance(one, str):
                named[one] = self.value()
            elif one is not True and one is not False and one == len(listed):
                listed.append(self.value())
            else:
                self.at = began
                self.space()
                raise self.odd()
            if named and listed:
                self.at = began
                self.space()
                raise self.odd()
            if not self.has(","):
                self.word(end)
                break
        return named or listed
