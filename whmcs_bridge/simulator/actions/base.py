"""What every action needs: its parameters, its refusals, and values in WHMCS's spelling."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeVar

from whmcs_bridge.simulator.php import decode_array
from whmcs_bridge.simulator.records import NO_DAY
from whmcs_bridge.simulator.state import World

Reply = dict[str, Any]
Handler = Callable[[World, "Params"], Reply]
T = TypeVar("T")

ZERO_DATE = "0000-00-00"
MAX_DIGITS = 15
"""No amount of money is longer; a longer one is no number to us."""
ZERO_MOMENT = "0000-00-00 00:00:00"
FALSE_WORDS = frozenset({"", "0"})
"""Texts that PHP takes for false; "false" and "False" are true."""


class ApiError(Exception):
    """A business error: `result: error` with HTTP 200 unless `status` says otherwise.

    `key` is `status` where the action reports under that name (facts sheet E2).
    """

    def __init__(self, message: str, *, status: int = 200, key: str = "result") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.key = key


class Params(dict[str, Any]):
    """Request parameters, nested as PHP nests them; every scalar is text."""

    def text(self, name: str, default: str = "") -> str:
        """A scalar as sent; the default when absent or an array."""
        value = self.get(name)
        return value if isinstance(value, str) else default

    def given(self, name: str) -> bool:
        """Whether the parameter was sent at all."""
        return name in self

    def number(self, name: str, default: int = 0) -> int:
        """PHP's `(int)`: leading digits, else the default when absent, else 0."""
        value = self.get(name)
        if value is None or isinstance(value, dict):
            return default
        return to_int(value)

    def flag(self, name: str) -> bool:
        """PHP truth of the text: only empty and "0" are false."""
        value = self.get(name)
        return bool(value) if isinstance(value, dict) else (value or "") not in FALSE_WORDS

    def cents(self, name: str) -> int | None:
        """A decimal amount as cents; None when absent or not a number."""
        return to_cents(self.text(name)) if name in self else None

    def day(self, name: str) -> date | None:
        """`YYYY-MM-DD` (also `YYYYMMDD`, or with a time behind it); None when absent, zero or unreadable."""
        return to_day(self.text(name))

    def moment(self, name: str) -> datetime | None:
        """`YYYY-MM-DD HH:MM:SS` or a bare day; None when absent or unreadable."""
        return to_moment(self.text(name))

    def list(self, name: str) -> list[str]:
        """An array parameter's values; a comma list or a single value also counts."""
        value = self.get(name)
        if isinstance(value, dict):
            return [item for item in value.values() if isinstance(item, str)]
        return [part.strip() for part in value.split(",") if part.strip()] if value else []

    def array(self, name: str) -> dict[str, Any] | None:
        """base64(serialize(array)), facts sheet section 3; None when absent or unreadable."""
        text = self.text(name)
        return decode_array(text) if text else None

    def page(self, default: int = 25) -> tuple[int, int]:
        """(limitstart, limitnum); limitnum defaults to 25."""
        start = max(0, self.number("limitstart"))
        size = self.number("limitnum", default)
        return start, size if size > 0 else default


def to_int(text: str) -> int:
    """Leading digits of a text, as PHP casts; 0 without any."""
    match = re.match(r"\s*([+-]?\d+)", text)
    return int(match.group(1)) if match else 0


def to_cents(text: str) -> int | None:
    """A decimal text as cents, half up; None when it is no number."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount.adjusted() > MAX_DIGITS:
        return None
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def to_day(text: str) -> date | None:
    """The date at the start of a text; None for none."""
    compact = text.strip()[:10]
    try:
        return date.fromisoformat(compact)
    except ValueError:
        pass
    try:
        return date.fromisoformat(text.strip()[:8]) if text.strip()[:8].isdigit() else None
    except ValueError:
        return None


def to_moment(text: str) -> datetime | None:
    """A wall-clock time; a bare date is its midnight; None for none."""
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        day = to_day(text)
        return datetime.combine(day, datetime.min.time()) if day else None


@lru_cache(maxsize=1 << 16)
def money(cents: int) -> str:
    """Cents as WHMCS writes decimals: `1595` -> `15.95`."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole}.{rest:02d}"


def percent(thousandths: int) -> str:
    """A tax rate: `7250` -> `7.250`."""
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def day_text(value: date | None) -> str:
    """A date, or the zero date."""
    return value.isoformat() if value is not None and value != NO_DAY else ZERO_DATE


def moment_text(value: datetime | None) -> str:
    """A time, or the zero time."""
    return (
        value.strftime("%Y-%m-%d %H:%M:%S")
        if value is not None and value.microsecond
        else (value.isoformat(" ") if value is not None else ZERO_MOMENT)
    )


def priced(world: World, cents: int, currency: int = 1) -> str:
    """An amount with prefix and suffix: `$2645.80 USD`."""
    known = world.currencies.get(currency)
    return f"{known.prefix}{money(cents)}{known.suffix}" if known else money(cents)


def find(table: dict[int, T], number: int, message: str) -> T:
    """The record, or the refusal with the documented text."""
    record = table.get(number)
    if record is None:
        raise ApiError(message)
    return record


def paged(
    params: Params,
    rows: Sequence[T],
    render: Callable[[T], Any],
    outer: str,
    inner: str,
    *,
    text_total: bool = False,
) -> Reply:
    """One page of rows in the usual envelope; `text_total` for actions that send it as text."""
    start, size = params.page()
    page = [render(row) for row in rows[start : start + size]]
    total: int | str = str(len(rows)) if text_total else len(rows)
    return {
        "result": "success",
        "totalresults": total,
        "startnumber": start,
        "numreturned": len(page),
        outer: {inner: page},
    }


def valid_gateway(world: World, params: Params, name: str = "paymentmethod") -> str:
    """The gateway's system name as given, empty when absent; refused when unknown (facts sheet S12)."""
    given = params.text(name)
    if given and given not in world.payment_methods:
        options = ", ".join(world.payment_methods)
        raise ApiError(f"Invalid Payment Method. Valid options include {options}")
    return given


def on(flag: bool) -> str:
    """The `"on"`/`""` spelling of a flag."""
    return "on" if flag else ""


def like(rows: Iterable[T], key: Callable[[T], str], part: str) -> list[T]:
    """Rows whose text contains `part`, whatever the case: MySQL's LIKE."""
    wanted = part.lower()
    return [row for row in rows if wanted in key(row).lower()]
