"""Where a mistake stands, how what was found is shown, and the list that collects every mistake at once."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path

SHOWN = 60
"""Characters of a found value that a message repeats."""
BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class Place:
    """A key's place in the file, as `[class.hosting] suspend_after_days`."""

    table: str = ""
    """With its brackets; "" is the top of the file."""
    key: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.table, self.key) if part)

    def to(self, name: str) -> "Place":
        """Return the place of `name` inside this one."""
        shown = name if _is_bare(name) else show_text(name)
        return Place(self.table, f"{self.key}.{shown}" if self.key else shown)

    def item(self, number: int) -> "Place":
        """Return the place of the `number`-th item of the list here, counted from 1."""
        return Place(self.table, f"{self.key} #{number}".strip())


@dataclass(slots=True)
class Report:
    """What reading a file needs, and what it found wrong."""

    source: str
    """The file's name, as every line begins."""
    env: Mapping[str, str] = field(default_factory=dict)
    base: Path = field(default_factory=Path)
    """Folder that relative paths start from."""
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Scenario files only: "client", "service", "product" -> label -> WHMCS number."""
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def wrong(self, at: Place, value: object, expected: str, hint: str = "") -> None:
        """Note that `value` was found where `expected` should be."""
        self.refuse(at, f"found {show(value)}, expected {expected}" + (f"; {hint}" if hint else ""))

    def refuse(self, at: Place, text: str) -> None:
        """Note a mistake in free words."""
        self.problems.append(self._line(at, text))

    def warn(self, at: Place, text: str) -> None:
        """Note what is allowed but hardly meant."""
        self.warnings.append(self._line(at, text))

    def _line(self, at: Place, text: str) -> str:
        place = str(at)
        return f"{self.source}: {place}: {text}" if place else f"{self.source}: {text}"


def table_place(*names: str, prefix: str = "") -> Place:
    """Return the place of a table: `table_place("class", "hosting")` is `[class.hosting]`."""
    dotted = ".".join(name if _is_bare(name) else show_text(name) for name in names)
    return Place(f"[{prefix}{dotted}]")


def group_place(name: str, prefix: str = "") -> Place:
    """Return `[group."NAME"]`: the names of client groups always stand in quotes, as in the manual."""
    return Place(f"[{prefix}group.{show_text(name)}]")


def show(value: object) -> str:
    """Return `value` in one short line, in the file's own spelling where it has one."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return show_text(value) if value else '"" (empty)'
    if isinstance(value, int):
        return str(value) if value.bit_length() < 200 else "a very large number"
    if isinstance(value, Mapping):
        return "a table" if value else "an empty table"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _one_line(str(value))


def show_text(text: str) -> str:
    """Return `text` in double quotes, without anything that could break the line."""
    return _one_line(json.dumps(text, ensure_ascii=False))


def or_list(words: Iterable[str], quoted: bool = True) -> str:
    """Return `"a", "b" or "c"`."""
    shown = [show_text(word) if quoted else word for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word nearest to `word`, or ""."""
    import difflib  # only mistakes pay for it

    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.7)
    return by_folded[near[0]] if near else ""


def _is_bare(name: str) -> bool:
    return bool(name) and BARE.issuperset(name) and len(name) <= SHOWN


def _one_line(text: str) -> str:
    if len(text) > SHOWN:
        text = text[: SHOWN - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
