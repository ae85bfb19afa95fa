"""What a benchmark hands in, and whether it is what was promised."""

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Measure:
    """One number. `target` reads `<= 1.25` or `>= 5`; "" is a number without a promise."""

    name: str
    value: float
    unit: str
    target: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; None without one."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return COMPARISONS[sign](self.value, float(bound))

    def line(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 3),
                "unit": self.unit,
                "target": self.target,
                "detail": dict(self.detail),
            },
            ensure_ascii=False,
        )


def table(measures: list[Measure]) -> str:
    """The same for a person."""
    head = ("benchmark", "value", "unit", "target", "")
    words = {True: "met", False: "MISSED", None: ""}
    rows = [
        head,
        *((m.name, f"{m.value:,.3f}".rstrip("0").rstrip("."), m.unit, m.target, words[m.met]) for m in measures),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        name, value, *rest = row
        cells = [name.ljust(widths[0]), value.rjust(widths[1])]
        cells += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
