"""Options of stores whose items are files or objects with a path: where they begin, and how they are named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whmcs_bridge.settings.kinds import BAD, Choice, Key, Schema, Text, Whole
from whmcs_bridge.settings.report import Place, Report, show_text

CUSTOM = "custom"
LAYOUTS = ("cpanel", "directadmin", "hestia", "vesta", CUSTOM)
PLACEHOLDERS: Mapping[str, str] = {
    "user": "the account's user name; exactly once",
    "date": "a day as 2026-05-31",
    "compact_date": "a day as 20260531",
    "time": "a time as 23-59-59, 23:59:59 or 235959",
    "number": "digits",
    "word": "letters",
}
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LITERAL = re.compile(r"[A-Za-z0-9._:@=+/-]*", re.ASCII)
TOO_WIDE = frozenset(
    ("/", "/home", "/root", "/etc", "/usr", "/var", "/opt", "/srv", "/mnt", "/media", "/tmp", "/boot", "/dev", "/proc")
)
ROOT = re.compile(r"/[A-Za-z0-9._:@=+-]+(/[A-Za-z0-9._:@=+-]+)*", re.ASCII)
EXTRA = re.compile(r"[._-]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a template: literal text, or a placeholder's name."""

    text: str
    placeholder: bool = False


def parts_of(template: str, extra: str = "_") -> tuple[Part, ...]:
    """Return the pieces of a template such as `{date}/accounts/{user}.tar.gz`.

    `extra` are the characters that user names have beside letters and digits. Raises ValueError saying what is wrong:
    {user} has to stand once, and between literals that no user name can contain, or bob's pattern takes bob1's files.
    """
    parts: list[Part] = []
    for number, text in enumerate(PLACEHOLDER.split(template)):
        if number % 2:
            if text not in PLACEHOLDERS:
                raise ValueError(f"the placeholder {{{text}}} is none of {', '.join(f'{{{p}}}' for p in PLACEHOLDERS)}")
            parts.append(Part(text, True))
        elif text:
            if LITERAL.fullmatch(text) is None:
                raise ValueError("letters, digits and ._:@=+-/ only beside placeholders")
            parts.append(Part(text))
    _check_segments(template)
    _check_user(parts, extra)
    return tuple(parts)


def _check_segments(template: str) -> None:
    if any(segment in ("", ".", "..") for segment in template.split("/")):
        raise ValueError("no empty, . or .. segment, and no / at either end")


def _check_user(parts: list[Part], extra: str) -> None:
    places = [n for n, part in enumerate(parts) if part == Part("user", True)]
    if len(places) != 1:
        raise ValueError(f"{{user}} has to stand in it exactly once, and stands {len(places)} times")
    [n] = places
    before = parts[n - 1].text[-1] if n and not parts[n - 1].placeholder else ""
    after = parts[n + 1].text[0] if n + 1 < len(parts) and not parts[n + 1].placeholder else ""
    if (n and not before) or (n + 1 < len(parts) and not after):
        raise ValueError("{user} has to stand between literals, not beside another placeholder")
    for side, text in (("before", before), ("after", after)):
        if text and (text.isalnum() or text in extra):
            raise ValueError(f"{text!r} {side} {{user}} may be part of a user name (user_characters)")


class StoreRoot:
    """An absolute path that is none of those that hold everything."""

    expected = "an absolute path of the store's own folder, without . or .. or doubled slashes, such as /backup"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, str) or ROOT.fullmatch(value) is None or _has_dots(value):
            hint = "a whole disk is no store" if value == "/" else ""
            report.wrong(at, value, self.expected, hint)
            return BAD
        if value in TOO_WIDE:
            report.refuse(at, f"found {show_text(value)}, which holds more than backups, expected {self.expected}")
            return BAD
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{ROOT.pattern}$"}


def _has_dots(path: str) -> bool:
    return any(segment in (".", "..") for segment in path.split("/"))


class ExtraCharacters:
    """Characters of user names beside letters and digits."""

    expected = 'one to three of . _ and -, such as "_-"'

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and EXTRA.fullmatch(value) and len(set(value)) == len(value):
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{EXTRA.pattern}$"}


LAYOUT_KEYS = (
    Key(
        "layout",
        Choice(LAYOUTS),
        f'How the panel names its backups; "{CUSTOM}": as `template` says.',
        otherwise="required",
        example='"cpanel"',
        required=True,
    ),
    Key(
        "template",
        Text("a path with {user}"),
        "A backup's path below the root, for the custom layout: "
        + ", ".join(f"`{{{name}}}` is {meaning}" for name, meaning in PLACEHOLDERS.items())
        + ".",
        otherwise="none",
        example='"{date}/accounts/{user}.tar.gz"',
    ),
    Key(
        "user_characters",
        ExtraCharacters(),
        "What user names may have beside letters and digits, for the custom layout.",
        '"_"',
    ),
)
"""What every store with paths takes; `check_layout` goes with it."""

KEPT_KEY = Key(
    "bytes_kept_days",
    Whole(0, 3650, "days"),
    "Snapshots or a trash below the store keep what was deleted for so long.",
    "0",
)


def check_layout(options: Mapping[str, Any], at: Place, report: Report) -> None:
    """Report a template that is missing, superfluous or ambiguous."""
    template = options.get("template")
    if options["layout"] != CUSTOM:
        if template is not None:
            report.refuse(at.to("template"), f'found beside layout {show_text(options["layout"])}, expected "{CUSTOM}"')
        return
    if template is None:
        report.refuse(at.to("template"), f'missing beside layout "{CUSTOM}", expected a path with {{user}}')
        return
    try:
        parts_of(template, options["user_characters"])
    except ValueError as error:
        report.refuse(at.to("template"), f"found {show_text(template)}: {error}")
