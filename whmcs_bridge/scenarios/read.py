"""One scenario table, as TOML or JSON gives it, into a Scenario; every mistake is noted, none stops the reading."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from whmcs_bridge.domain.records import Instalment
from whmcs_bridge.errors import SettingsProblem
from whmcs_bridge.scenarios.model import (
    At,
    ClientSpec,
    Event,
    Expectation,
    GroupSpec,
    LineSpec,
    NextStep,
    PanelSpec,
    ProductSpec,
    Scenario,
    ServiceSpec,
    When,
)
from whmcs_bridge.scenarios.vocabulary import (
    ACTIONS,
    COMMON,
    EVENTS,
    INVOICE_STATUSES,
    NAMED_ACTIONS,
    SERVICE_STATUSES,
    STANDINGS,
    STATES,
    Kind,
)
from whmcs_bridge.settings import Settings, scenario_policy
from whmcs_bridge.settings.report import did_you_mean, or_list, show

BAD: Final = object()
TOP = ("id", "title", "config", "panel", "groups", "products", "clients", "services", "events", "expect", "note")
CENT = Decimal("0.01")
PRODUCT_TYPES = ("hostingaccount", "reselleraccount", "server", "other")
YEARS_BEFORE = 3
"""A client who names no `since` has been one for so long."""
FIRST = {"client": 1, "service": 101, "product": 11, "group": 1}
"""WHMCS numbers start here, apart from each other so that a mix-up shows."""
BY_ID = ("product_ids", "products")
SELECTORS = ("product_types", "product_groups", *BY_ID)
LINE_KINDS = ("service", "addon", "domain", "text", "invoice")
T = TypeVar("T")


@dataclass(slots=True)
class Mistakes:
    """What is wrong with one scenario, one line each: file, scenario, key, found and expected."""

    file: str
    scenario: str
    lines: list[str] = field(default_factory=list)

    def add(self, key: str, text: str) -> None:
        """Note a mistake in free words."""
        self.lines.append(f"{self.file}: scenario {self.scenario}: {key}: {text}")

    def wrong(self, key: str, value: object, expected: str, hint: str = "") -> None:
        """Note that `value` was found where `expected` should be."""
        self.add(key, f"found {show(value)}, expected {expected}" + (f"; did you mean {show(hint)}?" if hint else ""))

    def unknown(self, key: str, name: str, known: Iterable[str]) -> None:
        """Note a key that has no meaning here."""
        words = list(known)
        near = did_you_mean(name, words)
        hint = f'; did you mean "{near}"?' if near else ""
        self.add(f"{key}.{name}" if key else name, f"unknown key, expected one of {', '.join(words)}{hint}")


def read_scenario(table: Any, mistakes: Mistakes) -> Scenario | None:
    """Return the scenario, or None after noting everything that is wrong with it."""
    if not isinstance(table, Mapping):
        mistakes.wrong("scenario", table, "a table")
        return None
    return _Reader(table, mistakes).scenario()


@dataclass(slots=True)
class _Row:
    """One table of a list, with its place."""

    at: str
    values: Mapping[str, Any]


class _Reader:
    def __init__(self, table: Mapping[str, Any], mistakes: Mistakes) -> None:
        self.table = table
        self.mistakes = mistakes
        self.config = self._config()
        self.classes = [str(name) for name in _mapping(self.config.get("class"))]
        self.clients: list[str] = []
        self.services: dict[str, str] = {}
        """Label -> client."""
        self.invoices: dict[str, None] = {}
        self.products: dict[str, ProductSpec] = {}
        self.groups: dict[str, GroupSpec] = {}

    def scenario(self) -> Scenario | None:
        for key in self.table:
            if key not in TOP:
                self.mistakes.unknown("", str(key), TOP)
        only, without = self._runs()
        panel = self._panel()
        event_rows, expect_rows = self._rows("events"), self._rows("expect")
        first = min(
            (day for row in (*event_rows, *expect_rows) if isinstance(day := _day(row.values.get("date")), date)),
            default=None,
        )
        if first is None:
            self.mistakes.add("events", "found no date, expected at least one event or expectation")
            first = date(2000, 1, 1)
        self._read_groups()
        self._read_products()
        clients = self._read_clients(first)
        services = self._read_services()
        self.invoices = {
            str(row.values["invoice"]): None
            for row in event_rows
            if row.values.get("type") == "invoice_issued" and row.values.get("invoice") is not None
        }
        events = self._read_events(event_rows)
        expect = self._read_expect(expect_rows, events)
        self._collect_groups(clients, events, expect)
        numbers = self._numbers()
        settings, events = self._settings(events, numbers)
        if self.mistakes.lines or settings is None:
            return None
        vip = _mapping(self.config.get("vip")).get("group", "")
        return Scenario(
            self.mistakes.scenario,
            str(self.table.get("title", "")),
            self.mistakes.file,
            settings,
            panel,
            tuple(self.groups.values()),
            tuple(self.products.values()),
            tuple(clients),
            tuple(services),
            tuple(events),
            tuple(expect),
            only,
            without,
            str(vip),
            numbers,
        )

    # --- config, panel ----------------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        config = self.table.get("config", {})
        if not isinstance(config, Mapping):
            self.mistakes.wrong("config", config, Kind.CONFIG)
            return {}
        return dict(config)

    def _runs(self) -> tuple[frozenset[date] | None, frozenset[date]]:
        runs = self.config.pop("runs", None)
        if runs is None:
            return None, frozenset()
        if not isinstance(runs, Mapping) or not set(runs) <= {"only", "except"} or len(runs) != 1:
            self.mistakes.wrong("config.runs", runs, "{ only = [dates] } or { except = [dates] }")
            return None, frozenset()
        (key, found) = next(iter(runs.items()))
        if not isinstance(found, list):
            self.mistakes.wrong(f"config.runs.{key}", found, "a list of dates")
            return None, frozenset()
        days: set[date] = set()
        for number, value in enumerate(found, 1):
            day = _day(value)
            if isinstance(day, date):
                days.add(day)
            else:
                self.mistakes.wrong(f"config.runs.{key} #{number}", value, Kind.DAY)
        return (frozenset(days), frozenset()) if key == "only" else (None, frozenset(days))

    def _panel(self) -> PanelSpec:
        found = self.table.get("panel", {})
        if not isinstance(found, Mapping):
            self.mistakes.wrong("panel", found, "a table")
            return PanelSpec()
        known = {f.name: f.default for f in fields(PanelSpec)}
        given: dict[str, Any] = {}
        for key, value in found.items():
            at = f"panel.{key}"
            if key not in known:
                self.mistakes.unknown("panel", str(key), known)
            elif known[key] is None:
                if value is False or value == "never":
                    continue
                number = self.value(at, Kind.DAYS, value)
                given[key] = None if number is BAD else number
            elif isinstance(value, bool):
                given[key] = value
            else:
                self.mistakes.wrong(at, value, "true or false")
        return PanelSpec(**given)

    # --- lists of tables --------------------------------------------------------------------------

    def _rows(self, name: str) -> list[_Row]:
        found = self.table.get(name, [])
        if isinstance(found, Mapping):
            found = [found]
        if not isinstance(found, list):
            self.mistakes.wrong(name, found, "a list of tables")
            return []
        rows = []
        for number, row in enumerate(found, 1):
            at = f"{name} #{number}"
            if isinstance(row, Mapping):
                rows.append(_Row(at, {str(key): value for key, value in row.items()}))
            else:
                self.mistakes.wrong(at, row, "a table")
        return rows

    def _known(self, row: _Row, known: Collection[str]) -> None:
        for key in row.values:
            if key not in known:
                self.mistakes.unknown(row.at, key, known)

    def _label(self, row: _Row, taken: Collection[str]) -> str:
        value = row.values.get("id")
        label = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not label:
            self.mistakes.wrong(f"{row.at}.id", value, "a name of its own")
        elif label in taken:
            self.mistakes.add(f"{row.at}.id", f'found "{label}" a second time, expected an id of its own')
        return label

    def _optional(self, row: _Row, key: str, kind: Kind, default: T) -> T | Any:
        if key not in row.values:
            return default
        found = self.value(f"{row.at}.{key}", kind, row.values[key])
        return default if found is BAD else found

    def _read_groups(self) -> None:
        for row in self._rows("groups"):
            self._known(row, ("name", "exempt", "discount"))
            name = row.values.get("name", row.values.get("id"))
            if not isinstance(name, str) or not name:
                self.mistakes.wrong(f"{row.at}.name", name, "the name of a client group")
                continue
            exempt = row.values.get("exempt", False)
            if not isinstance(exempt, bool):
                self.mistakes.wrong(f"{row.at}.exempt", exempt, "true or false")
            discount = self._optional(row, "discount", Kind.MONEY, Decimal(0))
            self.groups[name] = GroupSpec(name, exempt is True, discount)

    def _read_products(self) -> None:
        for row in self._rows("products"):
            self._known(row, ("id", "type", "group", "module", "price", "cycle"))
            label = self._label(row, self.products)
            kind = row.values.get("type", "hostingaccount")
            if kind not in PRODUCT_TYPES:
                near = did_you_mean(kind, PRODUCT_TYPES) if isinstance(kind, str) else ""
                self.mistakes.wrong(f"{row.at}.type", kind, or_list(PRODUCT_TYPES), near)
            module = row.values.get("module", ProductSpec.__dataclass_fields__["module"].default)
            self.products[label] = ProductSpec(
                label,
                str(kind),
                self._optional(row, "group", Kind.TEXT, "Products"),
                "" if module in (False, "none", None) else str(module),
                self._optional(row, "price", Kind.MONEY, None),
                self._optional(row, "cycle", Kind.TEXT, "monthly"),
            )

    def _read_clients(self, first: date) -> list[ClientSpec]:
        found = []
        for row in self._rows("clients"):
            self._known(row, ("id", "since", "group", "groups", "currency", "credit", "email", "name"))
            label = self._label(row, self.clients)
            self.clients.append(label)
            groups = row.values.get("groups", [])
            if not isinstance(groups, list):
                self.mistakes.wrong(f"{row.at}.groups", groups, "a list of client groups")
                groups = []
            group = row.values.get("group", groups[0] if groups else "")
            found.append(
                ClientSpec(
                    label,
                    self._optional(row, "since", Kind.DAY, _years_before(first)),
                    str(group or ""),
                    self._optional(row, "currency", Kind.TEXT, "USD"),
                    self._optional(row, "credit", Kind.MONEY, Decimal(0)),
                    self._optional(row, "email", Kind.TEXT, ""),
                    self._optional(row, "name", Kind.TEXT, ""),
                )
            )
        return found

    def _read_services(self) -> list[ServiceSpec]:
        found = []
        known = (
            *("id", "client", "class", "product", "status", "domain", "username", "next_due", "amount"),
            *("suspension_reason", "reason_text", "registered"),
        )
        for row in self._rows("services"):
            self._known(row, known)
            label = self._label(row, self.services)
            client = self._owner(row)
            self.services[label] = client
            reason = row.values.get("suspension_reason", row.values.get("reason_text", ""))
            found.append(
                ServiceSpec(
                    label,
                    client,
                    self._product_of(row),
                    self._optional(row, "status", Kind.SERVICE_STATUS, "Active"),
                    self._optional(row, "domain", Kind.TEXT, ""),
                    self._optional(row, "username", Kind.TEXT, ""),
                    self._optional(row, "next_due", Kind.DAY, None),
                    self._optional(row, "amount", Kind.MONEY, None),
                    str(reason),
                    self._optional(row, "registered", Kind.DAY, None),
                )
            )
        return found

    def _owner(self, row: _Row) -> str:
        """Return the client of a service; one that is not named is the only one."""
        if "client" not in row.values and len(self.clients) == 1:
            return self.clients[0]
        client = self.value(f"{row.at}.client", Kind.CLIENT, row.values.get("client"))
        return "" if client is BAD else str(client)

    def _product_of(self, row: _Row) -> str:
        """Return the product's label; a class that is named gets a product of its own."""
        product, name = row.values.get("product"), row.values.get("class")
        if product is not None:
            if str(product) not in self.products:
                near = did_you_mean(str(product), self.products)
                self.mistakes.wrong(f"{row.at}.product", product, "the id of one of `products`", near)
            return str(product)
        if name is None and len(self.classes) == 1 and not self.products:
            name = self.classes[0]
        if name is None and len(self.products) == 1:
            return next(iter(self.products))
        if name not in self.classes:
            near = did_you_mean(str(name), self.classes) if name is not None else ""
            classes = or_list(self.classes) if self.classes else "a [config.class.NAME]"
            self.mistakes.wrong(f"{row.at}.class", name, f"{classes}, or a `product`", near)
            return str(name)
        return self._class_product(str(name))

    def _class_product(self, name: str) -> str:
        label = f"class {name}"
        if label not in self.products:
            self.products[label] = _product_for(label, _mapping(_mapping(self.config["class"])[name]))
        return label

    def _collect_groups(
        self, clients: Iterable[ClientSpec], events: Iterable[Event], expect: Iterable[Expectation]
    ) -> None:
        """Make every group that is named anywhere, not exempt."""
        vip = _mapping(self.config.get("vip"))
        managed = vip.get("managed_groups", [])
        names = [
            *_mapping(self.config.get("group")),
            vip.get("group"),
            *(managed if isinstance(managed, list) else []),
            *(client.group for client in clients),
            *(event.values.get("group") for event in events),
            *(one.group for one in expect),
        ]
        for name in names:
            if isinstance(name, str) and name and name not in self.groups:
                self.groups[name] = GroupSpec(name)

    # --- events -----------------------------------------------------------------------------------

    def _read_events(self, rows: list[_Row]) -> list[Event]:
        events = [event for number, row in enumerate(rows, 1) if (event := self._event(number, row)) is not None]
        order = {At.BEFORE_RUN: 0, At.DURING_RUN: 1, At.AFTER_RUN: 2}
        events.sort(key=lambda event: (event.date, order[event.at]))
        self._check_order(events)
        return events

    def _event(self, number: int, row: _Row) -> Event | None:
        kind = row.values.get("type")
        keys = EVENTS.get(kind) if isinstance(kind, str) else None
        day = self.value(f"{row.at}.date", Kind.DAY, row.values.get("date"))
        if keys is None:
            near = did_you_mean(kind, EVENTS) if isinstance(kind, str) else ""
            self.mistakes.wrong(f"{row.at}.type", kind, "an event type of the list in the manual", near)
            return None
        allowed = {**keys.all, **COMMON}
        self._known(row, ("date", "type", "at", *allowed))
        for key in keys.needed:
            if key not in row.values:
                self.mistakes.add(f"{row.at}.{key}", f"not given, expected {keys.needed[key]} ({kind} needs it)")
        if keys.one_of and not any(key in row.values for key in keys.one_of):
            self.mistakes.add(row.at, f"{kind} needs {or_list(keys.one_of, quoted=False)}")
        values = {}
        for key, value in row.values.items():
            if key in allowed:
                found = self.value(f"{row.at}.{key}", allowed[key], value)
                if found is not BAD:
                    values[key] = found
        moment = self._choice(f"{row.at}.at", row.values.get("at", At.AFTER_RUN), At)
        if day is BAD or moment is None:
            return None
        if kind == "invoice_issued":
            values = self._issue(row, day, values)
        return Event(number, day, str(kind), moment, str(values.pop("ref", "")), values)

    def _issue(self, row: _Row, day: date, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in what an invoice may leave out: client, due date, lines."""
        lines: list[LineSpec] = values.get("lines", [])
        if "client" not in values:
            owners = {self.services[line.what] for line in lines if line.kind == "service"}
            owners = owners or set(self.clients)
            if len(owners) == 1:
                values["client"] = owners.pop()
            else:
                self.mistakes.add(f"{row.at}.client", f"not given, expected {Kind.CLIENT}")
        values.setdefault("due", day)
        amount = values.get("amount")
        if not lines and "lines" in row.values and "lines" not in values:
            return values
        values["lines"] = self._share(row, lines or [self._only_line(values, amount)], amount)
        return values

    def _only_line(self, values: Mapping[str, Any], amount: Decimal | None) -> LineSpec:
        """An invoice without lines bills the client's only service, else nothing that we know."""
        mine = [label for label, client in self.services.items() if client == values.get("client")]
        kind, what = ("service", mine[0]) if len(mine) == 1 else ("text", "Services")
        return LineSpec(kind, what, _UNSHARED if amount is None else amount)

    def _share(self, row: _Row, lines: list[LineSpec], amount: Decimal | None) -> list[LineSpec]:
        """Give lines without an amount what is left of the whole; the sum has to be the whole."""
        known = sum((line.amount for line in lines if line.amount is not _UNSHARED), Decimal(0))
        without = [n for n, line in enumerate(lines) if line.amount is _UNSHARED]
        if without and amount is None:
            self.mistakes.add(f"{row.at}.amount", "not given, expected an amount here or on every line")
        elif len(without) == 1 and amount is not None:
            lines[without[0]] = replace(lines[without[0]], amount=amount - known)
        elif without and amount is not None:
            part = ((amount - known) / len(without)).quantize(CENT)
            for n in without[:-1]:
                lines[n] = replace(lines[n], amount=part)
            rest = amount - known - part * (len(without) - 1)
            lines[without[-1]] = replace(lines[without[-1]], amount=rest)
        elif amount is not None and known != amount:
            self.mistakes.add(f"{row.at}.amount", f"found {amount}, expected {known}, the sum of its lines")
        return lines

    def _check_order(self, events: list[Event]) -> None:
        """Every invoice is issued before anything happens to it, and once (a draft may be published)."""
        issued: dict[str, str] = {}
        for event in events:
            label = event.text("invoice")
            if not label or label not in self.invoices:
                continue
            at = f"events #{event.number}.invoice"
            if event.type == "invoice_issued":
                if label in issued and not (issued[label] == "draft" and event.text("status") == "published"):
                    self.mistakes.add(at, f'found "{label}" a second time, expected an invoice of its own')
                issued[label] = event.text("status", "published")
            elif label not in issued:
                self.mistakes.add(at, f'"{label}" is not issued yet on {event.date}')

    # --- expectations -----------------------------------------------------------------------------

    def _read_expect(self, rows: list[_Row], events: list[Event]) -> list[Expectation]:
        by_ref: dict[str, Event] = {}
        for event in events:
            if event.ref in by_ref:
                self.mistakes.add(f"events #{event.number}.ref", f'found "{event.ref}" a second time')
            elif event.ref:
                by_ref[event.ref] = event
        found = [self._expectation(number, row, by_ref) for number, row in enumerate(rows, 1)]
        return [one for one in found if one is not None]

    def _expectation(self, number: int, row: _Row, by_ref: Mapping[str, Event]) -> Expectation | None:
        known = [f.name for f in fields(Expectation) if f.name != "number"]
        self._known(row, known)
        values: dict[str, Any] = {}
        readers: dict[str, Callable[[str, Any], Any]] = {
            "date": lambda at, v: self.value(at, Kind.DAY, v),
            "when": lambda at, v: self._choice(at, v, When) or BAD,
            "after": lambda at, v: self._word(at, v, by_ref, "the `ref` of an event"),
            "service": lambda at, v: self.value(at, Kind.SERVICE, v),
            "client": lambda at, v: self.value(at, Kind.CLIENT, v),
            "invoice": lambda at, v: self._word(at, v, self.invoices, "an invoice of an `invoice_issued` event"),
            "state": lambda at, v: self._word(at, v, STATES),
            "also_ok": lambda at, v: self._words(at, v, lambda place, word: self._word(place, word, STATES)),
            "status": lambda at, v: self._word(at, v, SERVICE_STATUSES),
            "reason_contains": lambda at, v: self.value(at, Kind.TEXT, v),
            "vip": self._flag,
            "group": lambda at, v: self.value(at, Kind.GROUP, v),
            "standing": lambda at, v: self._word(at, v, STANDINGS),
            "invoice_status": lambda at, v: self._word(at, v, INVOICE_STATUSES),
            "backups": lambda at, v: self.value(at, Kind.WHOLE, v),
            "actions": lambda at, v: self._words(at, v, self._action),
            "no_actions": lambda at, v: self._words(at, v, self._action),
            "next": self._next,
            "reason": lambda at, v: str(v),
        }
        for key, value in row.values.items():
            if key in readers:
                read = readers[key](f"{row.at}.{key}", value)
                if read is not BAD:
                    values[key] = read
        if "date" not in row.values and "after" in values:
            values["date"] = by_ref[values["after"]].date
        if "date" not in values:
            if "date" not in row.values:
                self.mistakes.add(f"{row.at}.date", f"not given, expected {Kind.DAY}")
            return None
        self._needs(row, values)
        if "after" in values and by_ref[values["after"]].date != values["date"]:
            self.mistakes.wrong(
                f"{row.at}.date", values["date"], f"{by_ref[values['after']].date}, the date of the event"
            )
        return Expectation(number=number, **values)

    def _needs(self, row: _Row, values: Mapping[str, Any]) -> None:
        """A check needs to know about what."""
        subjects = {
            "service": ("state", "also_ok", "status", "reason_contains", "backups", "next"),
            "client": ("vip", "group", "standing"),
            "invoice": ("invoice_status",),
        }
        for subject, checks in subjects.items():
            given = [key for key in checks if key in values]
            if given and subject not in row.values and not (subject == "client" and "service" in values):
                self.mistakes.add(f"{row.at}.{subject}", f"not given, expected {subject} because of {given[0]}")
        if "also_ok" in values and "state" not in values:
            self.mistakes.add(f"{row.at}.state", "not given, expected a state beside also_ok")

    def _flag(self, at: str, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        self.mistakes.wrong(at, value, "true or false")
        return BAD

    def _next(self, at: str, value: Any) -> Any:
        if isinstance(value, str):
            return NextStep(value)
        if not isinstance(value, Mapping) or not set(value) <= {"step", "date"} or "step" not in value:
            self.mistakes.wrong(at, value, "{ step, date }")
            return BAD
        day = self.value(f"{at}.date", Kind.DAY, value["date"]) if "date" in value else None
        return BAD if day is BAD else NextStep(str(value["step"]), day)

    def _action(self, at: str, value: Any) -> Any:
        word = str(value)
        family, _, name = word.partition(":")
        if word in ACTIONS or (family in NAMED_ACTIONS and name):
            return word
        known = (*ACTIONS, *(f"{family}:NAME" for family in NAMED_ACTIONS))
        self.mistakes.wrong(at, value, or_list(known, quoted=False), did_you_mean(word, ACTIONS))
        return BAD

    # --- single values ----------------------------------------------------------------------------

    def _words(self, at: str, value: Any, one: Callable[[str, Any], Any]) -> Any:
        """A list of words; a single word is a list of one."""
        items = value if isinstance(value, list) else [value]
        found = [one(f"{at} #{number}", item) for number, item in enumerate(items, 1)]
        return BAD if any(item is BAD for item in found) else tuple(found)

    def _word(self, at: str, value: Any, known: Iterable[str], expected: str = "") -> Any:
        words = list(known)
        text = str(value)
        if text in words:
            return text
        folded = {word.casefold(): word for word in words} if not expected else {}
        if text.casefold() in folded:
            return folded[text.casefold()]
        self.mistakes.wrong(at, value, expected or or_list(words), did_you_mean(text, words))
        return BAD

    def _choice(self, at: str, value: Any, words: type[T]) -> T | None:
        found = self._word(at, value, [str(word) for word in words])  # type: ignore[attr-defined]
        return None if found is BAD else words(found)  # type: ignore[call-arg]

    def value(self, at: str, kind: Kind, value: Any) -> Any:
        """Return a typed value, or BAD after noting the mistake."""
        match kind:
            case Kind.CLIENT:
                return self._word(at, value, self.clients, kind)
            case Kind.SERVICE:
                return self._word(at, value, self.services, kind)
            case Kind.INVOICE:
                return self._word(at, value, self.invoices, kind)
            case Kind.SERVICE_STATUS:
                return self._word(at, value, SERVICE_STATUSES)
            case Kind.ISSUE_STATUS:
                return self._word(at, value, ("draft", "published"))
            case Kind.CANCEL_WHEN:
                spelled = str(value).lower().replace(" ", "_").replace("end_of_billing_period", "end_of_period")
                return self._word(at, spelled, ("immediate", "end_of_period"))
            case Kind.OUTCOME | Kind.TEXT | Kind.GROUP | Kind.NEW_INVOICE:
                found = str(value) if isinstance(value, str | int | float | bool) else BAD
            case Kind.LINE:
                value = next(iter(value.values()), None) if isinstance(value, Mapping) else value
                found = value if isinstance(value, int | str) and not isinstance(value, bool) else BAD
            case Kind.LINES:
                return self._lines(at, value)
            case Kind.PARTS:
                return self._parts(at, value)
            case Kind.CONFIG:
                found = dict(value) if isinstance(value, Mapping) else BAD
            case Kind.DAY:
                found = _day(value)
            case Kind.LAST_DAY:
                found = None if value in ("", "0000-00-00", False, "never") else _day(value)
            case Kind.MONEY:
                found = _money(value)
            case _:
                found = value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else BAD
        if found is BAD:
            self.mistakes.wrong(at, value, kind)
        return found

    def _lines(self, at: str, value: Any) -> Any:
        if not isinstance(value, list):
            self.mistakes.wrong(at, value, Kind.LINES)
            return BAD
        found = [self._line(f"{at} #{number}", row) for number, row in enumerate(value, 1)]
        return BAD if any(line is None for line in found) else found

    def _parts(self, at: str, value: Any) -> Any:
        if not isinstance(value, list) or not all(
            isinstance(row, Mapping) and {*row} == {"amount", "date"} for row in value
        ):
            self.mistakes.wrong(at, value, Kind.PARTS)
            return BAD
        found = []
        for number, row in enumerate(value, 1):
            amount = self.value(f"{at} #{number}.amount", Kind.MONEY, row["amount"])
            day = self.value(f"{at} #{number}.date", Kind.DAY, row["date"])
            found.append(BAD if amount is BAD or day is BAD else Instalment(amount, day))
        return BAD if BAD in found else tuple(found)

    def _line(self, at: str, row: Any) -> LineSpec | None:
        if not isinstance(row, Mapping):
            self.mistakes.wrong(at, row, "a table { service or addon or domain or text, amount }")
            return None
        allowed = (*LINE_KINDS, "amount", "type")
        for key in row:
            if key not in allowed:
                self.mistakes.unknown(at, str(key), allowed)
                return None
        kinds = [kind for kind in ("addon", "service", "domain", "invoice", "text") if kind in row]
        if not kinds:
            self.mistakes.add(at, f"expected one of {', '.join(LINE_KINDS)}")
            return None
        amount = self.value(f"{at}.amount", Kind.MONEY, row["amount"]) if "amount" in row else _UNSHARED
        known: dict[str, tuple[Iterable[str], Kind]] = {
            "service": (self.services, Kind.SERVICE),
            "invoice": (self.invoices, Kind.INVOICE),
        }
        for kind in kinds:
            if kind in known and self._word(f"{at}.{kind}", row[kind], *known[kind]) is BAD:
                return None
        if amount is BAD:
            return None
        parent = str(row.get("service", "")) if kinds[0] == "addon" else ""
        return LineSpec(kinds[0], str(row[kinds[0]]), amount, parent, str(row.get("type", "")))

    # --- numbers and settings ---------------------------------------------------------------------

    def _numbers(self) -> dict[str, dict[str, int]]:
        labels: dict[str, Iterable[str]] = {
            "client": self.clients,
            "service": self.services,
            "product": self.products,
            "group": self.groups,
        }
        numbers = {
            kind: {label: FIRST[kind] + place for place, label in enumerate(names)} for kind, names in labels.items()
        }
        _take_claimed_ids(self.config, self.products, numbers["product"])
        return numbers

    def _settings(
        self, events: list[Event], numbers: Mapping[str, Mapping[str, int]]
    ) -> tuple[Settings | None, list[Event]]:
        """Read the config, and every later one over the one before."""
        settings = self._policy("", self.config, numbers)
        config = self.config
        found = []
        for event in events:
            if event.type == "policy_changed" and "config" in event.values:
                changed = dict(event.values["config"])
                changed.pop("runs", None)
                config = merged(config, changed)
                at = f": events #{event.number}"
                event = replace(event, settings=self._policy(at, config, numbers))
            found.append(event)
        return settings, found

    def _policy(self, at: str, config: Mapping[str, Any], numbers: Mapping[str, Mapping[str, int]]) -> Settings | None:
        kept = {key: value for key, value in config.items() if key != "backup_store"}
        source = f"{self.mistakes.file}: scenario {self.mistakes.scenario}{at}"
        try:
            return scenario_policy(
                kept, numbers["client"], numbers["service"], product_ids=numbers["product"], source=source
            )
        except SettingsProblem as problem:
            self.mistakes.lines += problem.problems
            return None


_UNSHARED: Final = Decimal("NaN")
"""The amount of a line that states none."""


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with the tables and keys of `new` laid over it, table by table."""
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        result[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return result


def _product_for(label: str, table: Mapping[str, Any]) -> ProductSpec:
    """A product that a class takes by its first selector."""
    for key, value in table.items():
        first = value[0] if isinstance(value, list) and value else None
        if key == "product_types" and first in PRODUCT_TYPES:
            return ProductSpec(label, type=str(first))
        if key == "product_groups" and isinstance(first, str):
            return ProductSpec(label, group=first)
        if key in BY_ID and first is not None:
            return ProductSpec(label)
    return ProductSpec(label)


def _take_claimed_ids(config: Mapping[str, Any], products: Mapping[str, Any], numbers: dict[str, int]) -> None:
    """A class chosen by product id gives its product that id."""
    for name, table in _mapping(config.get("class")).items():
        label = f"class {name}"
        if label not in products or not isinstance(table, Mapping):
            continue
        selector = next(
            (key for key in table if key in ("product_types", "product_groups", "product_ids", "products")), ""
        )
        ids = table.get(selector)
        if selector in ("product_ids", "products") and isinstance(ids, list) and ids:
            if isinstance(ids[0], int):
                numbers[label] = ids[0]
            elif isinstance(ids[0], str) and ids[0] not in numbers:
                numbers[ids[0]] = numbers[label]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _years_before(day: date) -> date:
    try:
        return day.replace(year=day.year - YEARS_BEFORE)
    except ValueError:
        return day.replace(year=day.year - YEARS_BEFORE, day=28)


def _day(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()[:10])
        except ValueError:
            return BAD
    return BAD


def _money(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return BAD
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return BAD
    return amount.quantize(CENT) if amount.is_finite() and abs(amount) < Decimal("1e12") else BAD
