"""The kinds of value a setting may have: how each is read, described, and said in JSON Schema."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from whmcs_bridge.settings.report import Place, Report, did_you_mean, or_list, show, show_text
from whmcs_bridge.settings.secret import FORMS, Secret

BAD: Final = object()
"""What a reader returns after it has reported a mistake."""

Schema = dict[str, Any]
NEVER = "never"
MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?", re.ASCII)
WHOLE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
ENV_NAME = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
FILE_NAME = re.compile(r"file:[^\x00-\x1f]+")


class Kind(Protocol):
    """One kind of value."""

    @property
    def expected(self) -> str:
        """What a message says was expected."""
        ...

    def read(self, value: object, at: Place, report: Report) -> Any:
        """Return the typed value, or BAD after reporting."""
        ...

    def schema(self) -> Schema:
        """Return the same in JSON Schema."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; `never` allows the word, which reads as None. The unit stands in the key's name."""

    low: int = 1
    high: int = 3650
    unit: str = ""
    never: bool = False

    @property
    def expected(self) -> str:
        word = f', or "{NEVER}"' if self.never else ""
        return f"a whole number{f' of {self.unit}' if self.unit else ''} from {self.low} to {self.high}{word}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if self.never and value == NEVER:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high:
            return value
        hint = "write it without quotes" if isinstance(value, str) and WHOLE.fullmatch(value) else ""
        if self.never and isinstance(value, str) and value.casefold() in {"never", "off", "none", "no"}:
            hint = f'write "{NEVER}"'
        report.wrong(at, value, self.expected, hint)
        return BAD

    def schema(self) -> Schema:
        number: Schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [number, {"const": NEVER}]} if self.never else number


@dataclass(frozen=True, slots=True)
class Number:
    """A number that need not be whole; Decimal."""

    low: Decimal
    high: Decimal
    unit: str = ""

    @property
    def expected(self) -> str:
        return f"a number{f' of {self.unit}' if self.unit else ''} from {self.low} to {self.high}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            if isinstance(value, int) and value.bit_length() > 64:
                report.wrong(at, value, self.expected)
                return BAD
            number = Decimal(str(value))
            if number.is_finite() and self.low <= number <= self.high:
                return number
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "number", "minimum": float(self.low), "maximum": float(self.high)}


class Money:
    """An amount in quotes; floats are refused because they cannot hold cents."""

    expected = 'an amount in quotes with a dot, such as "5.00"'

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and MONEY.fullmatch(value):
            return Decimal(value)
        report.wrong(at, value, self.expected, _money_hint(value))
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{MONEY.pattern}$"}


def _money_hint(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "put it in quotes"
    if isinstance(value, str) and value.startswith("-"):
        return "amounts are never negative"
    if isinstance(value, str) and "," in value:
        return "write a dot, and no thousands separator"
    return ""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty, unless `empty_means` says what an empty one is."""

    what: str = "a text"
    empty_means: str = ""
    one_line: bool = True

    @property
    def expected(self) -> str:
        return f'{self.what}, or "" for {self.empty_means}' if self.empty_means else f"{self.what}, not empty"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str):
            if value == "" and self.empty_means:
                return value
            if value.strip() and not (self.one_line and not value.isprintable()):
                return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string"} if self.empty_means else {"type": "string", "minLength": 1}


class Flag:
    """true or false."""

    expected = "true or false"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, bool):
            return value
        hint = "write it without quotes" if value in ("true", "false") else ""
        report.wrong(at, value, self.expected, hint)
        return BAD

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]
    make: Callable[[str], Any] = str
    instead: tuple[tuple[str, str], ...] = ()
    """Words that are none of them -> what to do."""

    @property
    def expected(self) -> str:
        return or_list(self.words)

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and value in self.words:
            return self.make(value)
        near = did_you_mean(value, self.words) if isinstance(value, str) and value else ""
        known = dict(self.instead).get(value) if isinstance(value, str) else None
        report.wrong(at, value, self.expected, known or (f"did you mean {show_text(near)}?" if near else ""))
        return BAD

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list without doubles; tuple."""

    item: Kind
    what: str
    empty: bool = False
    whole: bool = False
    """Every word of a Choice has to be in it."""

    @property
    def expected(self) -> str:
        words = self.item.words if isinstance(self.item, Choice) else ()
        if self.whole:
            return f"a list with each of {', '.join(show_text(word) for word in words)} once"
        of = f" of {or_list(words)}" if words else f" of {self.what}"
        return f"a list{of}" + ("" if self.empty else ", not empty")

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, list | tuple) or not (value or self.empty):
            hint = f"put it in brackets: [{show(value)}]" if isinstance(value, str | int) and value else ""
            report.wrong(at, value, self.expected, hint)
            return BAD
        found = [self.item.read(one, at.item(n), report) for n, one in enumerate(value, 1)]
        if any(one is BAD for one in found):
            return BAD
        for n, one in enumerate(found, 1):
            if one in found[: n - 1]:
                report.refuse(at.item(n), f"found {show(value[n - 1])} a second time, expected it once")
                return BAD
        if self.whole and isinstance(self.item, Choice) and len(found) < len(self.item.words):
            report.wrong(at, value, self.expected)
            return BAD
        return tuple(found)

    def schema(self) -> Schema:
        made: Schema = {"type": "array", "items": self.item.schema(), "uniqueItems": True}
        if self.whole and isinstance(self.item, Choice):
            made["minItems"] = len(self.item.words)
        elif not self.empty:
            made["minItems"] = 1
        return made


@dataclass(frozen=True, slots=True)
class MapOf:
    """An inline table whose names are free; dict."""

    item: Kind
    name: str
    """What the names are."""
    pattern: re.Pattern[str] | None = None

    @property
    def expected(self) -> str:
        return f"a table from {self.name} to {self.item.expected}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, Mapping):
            report.wrong(at, value, self.expected)
            return BAD
        out: dict[str, Any] = {}
        bad = False
        for name, one in value.items():
            if not str(name).strip() or (self.pattern and not self.pattern.fullmatch(str(name))):
                report.refuse(at.to(str(name)), f"found the name {show(str(name))}, expected {self.name}")
                bad = True
            out[str(name)] = self.item.read(one, at.to(str(name)), report)
            bad = bad or out[str(name)] is BAD
        return BAD if bad else out

    def schema(self) -> Schema:
        made: Schema = {"type": "object", "additionalProperties": self.item.schema()}
        if self.pattern:
            made["propertyNames"] = {"pattern": f"^{self.pattern.pattern}$"}
        return made


@dataclass(frozen=True, slots=True)
class Either:
    """One of two kinds; `first` takes what `is_first` says, and everything else goes to `second`."""

    first: Kind
    second: Kind
    is_first: Callable[[object], bool]

    @property
    def expected(self) -> str:
        return f"{self.first.expected}, or {self.second.expected}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if self.is_first(value):
            return self.first.read(value, at, report)
        if isinstance(self.second, Record | MapOf) and not isinstance(value, Mapping):
            report.wrong(at, value, self.expected)
            return BAD
        return self.second.read(value, at, report)

    def schema(self) -> Schema:
        return {"anyOf": [self.first.schema(), self.second.schema()]}


@dataclass(frozen=True, slots=True)
class Made:
    """Another kind whose value is turned into a type of ours."""

    kind: Kind
    make: Callable[[Any], Any]

    @property
    def expected(self) -> str:
        return self.kind.expected

    def read(self, value: object, at: Place, report: Report) -> Any:
        found = self.kind.read(value, at, report)
        return BAD if found is BAD else self.make(found)

    def schema(self) -> Schema:
        return self.kind.schema()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its name, its kind, and what the manual says of it."""

    name: str
    kind: Kind
    doc: str
    default: str | None = None
    """In the file's spelling; None where `otherwise` says it in words."""
    otherwise: str = ""
    example: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An inline table with names of its own; `make` gets them as keywords."""

    keys: tuple[Key, ...]
    make: Callable[..., Any] = dict

    @property
    def expected(self) -> str:
        names = ", ".join(key.name for key in self.keys)
        return f"a table with {names}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        found = read_keys(self.keys, value, at, report)
        return BAD if found is None else self.make(**found)

    def schema(self) -> Schema:
        return keys_schema(self.keys)


def read_keys(
    keys: tuple[Key, ...], value: object, at: Place, report: Report, takes: str = ""
) -> dict[str, Any] | None:
    """Return the typed values of the keys that `value` sets; None after reporting any mistake in it."""
    if not isinstance(value, Mapping):
        names = ", ".join(key.name for key in keys)
        report.wrong(at, value, takes or f"a table with {names}")
        return None
    known = {key.name: key for key in keys}
    found: dict[str, Any] = {}
    before = len(report.problems)
    for name, one in value.items():
        key = known.get(str(name))
        if key is None:
            unknown_key(str(name), known, at, report)
            continue
        typed = key.kind.read(one, at.to(key.name), report)
        if typed is not BAD:
            found[key.name] = typed
    for key in keys:
        if key.required and key.name not in value:
            report.refuse(at.to(key.name), f"missing, expected {key.kind.expected}")
    return found if len(report.problems) == before else None


def unknown_key(name: str, known: Mapping[str, object], at: Place, report: Report) -> None:
    """Report a name that is no setting, with the nearest that is."""
    near = did_you_mean(name, known)
    way_out = f"did you mean {near}?" if near else f"expected one of {', '.join(known)}"
    report.refuse(at.to(name), f"found an unknown key; {way_out}")


def keys_schema(keys: tuple[Key, ...]) -> Schema:
    """Return the object schema of a table with these keys."""
    properties: Schema = {}
    for key in keys:
        properties[key.name] = {"description": key.doc, **key.kind.schema()}
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [key.name for key in keys if key.required]
    if required:
        made["required"] = required
    return made


class SecretRef:
    """A reference to a secret; a plain one is refused and never repeated."""

    expected = FORMS

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, str) or not (ENV_NAME.fullmatch(value) or FILE_NAME.fullmatch(value)):
            report.refuse(at, f"found {_without_secret(value)}, expected {FORMS}")
            return BAD
        secret = Secret(value, f"{report.source}: {at}", report.env, report.base)
        _warn_if_readable_by_all(secret, at, report)
        return secret

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"}


class Credentials:
    """A table of a driver's credentials: which keys it takes, the driver says."""

    expected = "a table of the driver's credentials"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, Mapping) and value:
            return dict(value)
        if isinstance(value, Mapping):
            report.wrong(at, value, self.expected)
            return BAD
        report.refuse(at, f"found {_without_secret(value)}, expected {self.expected}")
        return BAD

    def schema(self) -> Schema:
        return {"type": "object", "minProperties": 1}


def _without_secret(value: object) -> str:
    """Show what cannot be a secret, and only name the rest."""
    if isinstance(value, str) and value and not value.startswith(("env:", "file:")):
        return "a text that is not a reference (not shown)"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number (not shown)"
    return show(value)


def _warn_if_readable_by_all(secret: Secret, at: Place, report: Report) -> None:
    path = secret.path
    try:
        mode = path.stat().st_mode if path is not None else 0
    except (OSError, ValueError):
        return  # it is read when it is used, and missed then
    if mode & 0o004:
        report.warn(at, f"{show_text(str(path))} can be read by everyone on this machine; chmod 600 it")


class Url:
    """WHMCS's root; a trailing includes/api.php is taken off, so that it is added once."""

    expected = "WHMCS's address, such as https://billing.example.com"

    def read(self, value: object, at: Place, report: Report) -> Any:
        found = _split_url(value) if isinstance(value, str) and value.isprintable() else None
        if found is None:
            report.wrong(at, value, self.expected)
            return BAD
        url, scheme, host, extras = found
        if extras:
            report.refuse(at, f"found {extras} in the address, expected {self.expected}")
            return BAD
        if scheme == "http" and not _is_loopback(host):
            report.warn(at, "plain http sends the credentials readable over the network; use https")
        return url

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^https?://"}


def _split_url(value: str) -> tuple[str, str, str, str] | None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value.strip())
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or port == 0 or " " in value.strip():
        return None
    extras = "a user name or password" if user is not None else ""
    if parts.query or parts.fragment:
        extras = extras or "a query or fragment"
    path = parts.path.rstrip("/")
    while path.endswith("/includes/api.php"):
        path = path.removesuffix("/includes/api.php").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", parts.scheme, host, extras


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")


def address_of(text: str) -> tuple[str, int] | None:
    """Return host and port of `127.0.0.1:8765` or `[::1]:8765`; port 0 is a free one. None for anything else."""
    found = LISTEN.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        return None
    return found["six"] or found["host"], int(found["port"])


class Listen:
    """Where to listen: an address of this machine and a port."""

    expected = "an address and a port, such as 127.0.0.1:8765"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and address_of(value) is not None:
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": ":[0-9]{1,5}$"}


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path; relative ones start at the settings file."""

    what: str
    must_exist: bool = False

    @property
    def expected(self) -> str:
        return f"the path of {self.what}"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            report.wrong(at, value, self.expected)
            return BAD
        home = report.env.get("HOME")
        path = Path(home, value[2:]) if value.startswith("~/") and home else report.base / value
        if self.must_exist and not _is_file(path):
            report.refuse(at, f"found {show_text(value)}, which is no file, expected {self.expected}")
            return BAD
        return path

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class TimeZone:
    """A name of the IANA time zone database."""

    expected = "a time zone such as America/Sao_Paulo"

    def read(self, value: object, at: Place, report: Report) -> Any:
        from zoneinfo import ZoneInfo, available_timezones

        if isinstance(value, str) and value and value.isprintable():
            try:
                return ZoneInfo(value).key
            except (OSError, ValueError, LookupError):
                near = did_you_mean(value, available_timezones())
                report.wrong(at, value, self.expected, f"did you mean {show_text(near)}?" if near else "")
                return BAD
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class HolidaysOf:
    """A country, or one of its parts, whose holidays the house keeps."""

    expected = 'a country, or country-subdivision, such as "BR-SP"'

    def read(self, value: object, at: Place, report: Report) -> Any:
        from whmcs_bridge.settings.days import CountryHolidays

        if not isinstance(value, str) or not value:
            report.wrong(at, value, self.expected)
            return BAD
        try:
            return CountryHolidays(value)
        except LookupError as error:
            report.wrong(at, value, self.expected, show_free(str(error.args[0])))
            return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[A-Z]{2,3}(-.+)?$"}


def show_free(text: str) -> str:
    """Return a message in one printable line."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


class Hours:
    """A span of the day; None is any hour."""

    expected = 'hours of one day such as "09:00-16:00", or "any"'

    def read(self, value: object, at: Place, report: Report) -> Any:
        if value == "any":
            return None
        match = HOURS.fullmatch(value) if isinstance(value, str) else None
        if match:
            h1, m1, h2, m2 = (int(part) for part in match.groups())
            if (h1, m1) < (h2, m2):
                return time(h1, m1), time(h2, m2)
        report.wrong(at, value, self.expected, "the start comes before the end" if match else "")
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(any|{HOURS.pattern})$"}


class ProductId:
    """A WHMCS product id; scenario files use the labels of their products."""

    expected = "a WHMCS product id, 1 or more"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
        labels = report.labels.get("product", {})
        if isinstance(value, str) and value in labels:
            return labels[value]
        hint = "write it without quotes" if isinstance(value, str) and WHOLE.fullmatch(value) else ""
        report.wrong(at, value, self.expected, hint)
        return BAD

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": 1}
