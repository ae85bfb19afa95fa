"""What a check-up comes to: what it saw, why that matters, what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How much a finding matters; the worst last."""

    OK = "ok"
    """Looked at, and as it should be."""
    INFO = "info"
    """A note: nothing has to be done."""
    WARN = "warn"
    """Something works against the house, or soon will; runs go on."""
    FAIL = "fail"
    """A run cannot do its work, or steps of it will fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. Texts are sentences without a full stop."""

    area: str
    grade: Grade
    text: str
    todo: str = ""
    why: str = ""


def plural(count: int, one: str) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{count:,} {one if count == 1 else one + 's'}"
