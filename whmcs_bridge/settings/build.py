"""The tables of a file into Settings: every table is read, whatever is wrong with the others."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.ownership import BackupRules
from whmcs_bridge.policy.rules import (
    ArrangementRules,
    ClassRules,
    KindLimit,
    Layer,
    Limits,
    Message,
    Policy,
    PromiseRules,
    ReceiptRules,
    RequestRules,
    Sanity,
    TrustRules,
    VipRules,
)
from whmcs_bridge.settings import checks
from whmcs_bridge.settings.drivers import (
    DriverOptions,
    panel_options,
    read_hand,
    read_options,
    same_place,
    store_options,
)
from whmcs_bridge.settings.keys import (
    BACKUP_STORE,
    DEFAULT_LIMITS,
    HOLIDAY,
    LIMITED_STEPS,
    MODE,
    NOT_LIMITED,
    PANEL,
    SELECTORS,
    TABLE,
    WEEKDAYS,
)
from whmcs_bridge.settings.kinds import BAD, WHOLE, Key, read_keys, unknown_key
from whmcs_bridge.settings.messages import BUILT_IN, taken_for_template, unknown_placeholders
from whmcs_bridge.settings.model import (
    ENFORCE,
    SHADOW,
    BackupStoreSettings,
    HookSettings,
    PanelSettings,
    Settings,
    StaffSettings,
    WhmcsSettings,
)
from whmcs_bridge.settings.report import Place, Report, group_place, or_list, show, table_place
from whmcs_bridge.settings.secret import Secret
from whmcs_bridge.settings.version import version_of

SELECTOR_NAMES = frozenset(key.name for key in SELECTORS)


@dataclass(frozen=True, slots=True)
class House:
    """What differs between a settings file and a scenario's `config`."""

    tables: frozenset[str] = frozenset(TABLE)
    prefix: str = ""
    mode: str = SHADOW
    approval: Mapping[str, str] | None = None
    """None: the policy's own defaults."""
    limits: Mapping[str, KindLimit] | None = None
    sanity: bool = True
    staff: StaffSettings = field(default_factory=StaffSettings)


REAL = House(limits=DEFAULT_LIMITS)
SCENARIO = House(
    tables=frozenset(TABLE) - {"whmcs", "storage"},
    prefix="config.",
    mode=ENFORCE,
    approval={"terminate": "automatic", "delete_backups": "automatic"},
    sanity=False,
    staff=StaffSettings(morning_mail="never", log_records=False, note_records=False),
)


class Reader:
    """Reads one file's tables, noting every mistake in `report`."""

    def __init__(self, data: Mapping[str, Any], report: Report, house: House) -> None:
        self.data = data
        self.report = report
        self.house = house
        self._evidence_key: Secret | None = None

    def settings(self, folder: Path, source: Path) -> Settings | None:
        """Return what the file says; None where `report` has problems."""
        self._refuse_unknown_tables()
        mode = self._mode()
        whmcs = self._whmcs()
        policy = self._policy()
        stores, panels = self._backup_stores(), self._panels()
        staff = replace(self.house.staff, **(self._table("staff") or {}))
        hooks = HookSettings(**(self._table("hooks") or {}))
        folder = (self._table("storage") or {}).get("folder", folder)
        if self.report.problems or whmcs is None:
            return None
        checks.cross_check(policy, self.report, self.house.prefix)
        if self.report.problems:
            return None
        if self.house is REAL:
            checks.warn_of_machines(policy, stores, panels, self.report)
        policy = replace(policy, version=version_of(policy), _cache={})
        warnings = tuple(self.report.warnings)
        return Settings(mode, whmcs, policy, folder, source, stores, panels, staff, hooks, warnings, self._evidence_key)

    # --- tables in general -----------------------------------------------------------------------

    def _refuse_unknown_tables(self) -> None:
        known = dict.fromkeys(["mode", *(name for name in TABLE if name in self.house.tables)])
        for name in self.data:
            if str(name) not in known:
                unknown_key(str(name), known, Place(self._top()), self.report)

    def _top(self) -> str:
        return f"[{self.house.prefix.rstrip('.')}]" if self.house.prefix else ""

    def _place(self, *names: str) -> Place:
        return table_place(*names, prefix=self.house.prefix)

    def _table(self, name: str) -> dict[str, Any] | None:
        """Return the typed keys of a single table; {} where it is absent, None where it is wrong."""
        if name not in self.data or name not in self.house.tables:
            return {}
        return read_keys(TABLE[name].keys, self.data[name], self._place(name), self.report)

    def _named(self, name: str, place: Callable[[str], Place]) -> dict[str, dict[str, Any]]:
        """Return the typed tables [name.X] by X; wrong ones are left out."""
        tables = self.data.get(name, {})
        if not isinstance(tables, Mapping):
            self.report.wrong(self._place(name), tables, f"tables named {TABLE[name].heading}")
            return {}
        found = {}
        for label, table in tables.items():
            if not str(label).strip():
                self.report.refuse(place(str(label)), "found an empty name, expected one that is not empty")
                continue
            takes = f"a table {TABLE[name].heading}"
            typed = read_keys(TABLE[name].keys, table, place(str(label)), self.report, takes)
            if typed is not None:
                found[str(label)] = typed
        return found

    # --- tables one by one -------------------------------------------------------------------------

    def _mode(self) -> str:
        if MODE.name not in self.data:
            return self.house.mode
        found = MODE.kind.read(self.data[MODE.name], Place(self._top()).to(MODE.name), self.report)
        return self.house.mode if found is BAD else str(found)

    def _whmcs(self) -> WhmcsSettings | None:
        if "whmcs" not in self.house.tables:
            return WhmcsSettings("http://simulator.invalid", Secret.given("scenario"), Secret.given("scenario"))
        if "whmcs" not in self.data:
            self.report.refuse(self._place("whmcs"), "missing, expected a table with url, identifier and secret")
            return None
        found = self._table("whmcs")
        if found is None:
            return None
        for name in ("connect_timeout_seconds", "read_timeout_seconds", "module_timeout_seconds"):
            if name in found:
                found[name] = float(found[name])
        return WhmcsSettings(**found)

    def _policy(self) -> Policy:
        calendar = self._calendar()
        quiet = bool(calendar.quiet_weekdays or calendar.quiet_holidays)
        defaults: Layer = self._table("policy") or {}
        classes = self._classes()
        layers = {
            "group": self._named("group", lambda label: group_place(label, self.house.prefix)),
            "client": self._named("client", lambda label: self._place("client", label)),
            "service": self._named("service", lambda label: self._place("service", label)),
        }
        vip = self._vip()
        policy = Policy(
            calendar=calendar,
            defaults=defaults,
            classes=classes,
            groups=layers["group"],
            clients=self._by_number("client", layers["client"]),
            services=self._by_number("service", layers["service"]),
            vip=vip,
            promises=PromiseRules(**self._granting("promises", quiet, defers=frozenset)),
            trust_release=self._trust_release(quiet),
            receipts=ReceiptRules(**(self._table("receipts") or {})),
            arrangements=ArrangementRules(**(self._table("arrangements") or {})),
            requests=RequestRules(**(self._table("requests") or {})),
            backups=self._backups(),
            limits=self._limits(),
            sanity=self._sanity(),
            approval=self._approval(),
        )
        return replace(policy, messages=self._messages(policy), _cache={})

    def _backups(self) -> BackupRules:
        """The rules; the key is no rule, and stays out of what the policy's version is the hash of."""
        found = self._table("backups") or {}
        self._evidence_key = found.pop("evidence_key", None)
        return BackupRules(**found)

    def _calendar(self) -> Calendar:
        found = self._table("calendar")
        if not found:
            if found is not None and self.house is REAL:
                self.report.warn(self._place("calendar"), "no timezone is set, so days begin and end in UTC")
            return Calendar()
        quiet = found.pop("quiet_days", ())
        calendar = Calendar(
            quiet_weekdays=frozenset(WEEKDAYS.index(day) for day in quiet if day != HOLIDAY),
            quiet_holidays=HOLIDAY in quiet,
            **found,
        )
        if "timezone" not in found and self.house is REAL:
            self.report.warn(self._place("calendar").to("timezone"), "not set, so days begin and end in UTC")
        at = self._place("calendar").to("quiet_days")
        if len(calendar.quiet_weekdays) == len(WEEKDAYS):
            self.report.refuse(at, "found all seven days of the week, expected at least one on which steps may happen")
        if calendar.quiet_holidays and "holidays" not in found:
            self.report.refuse(
                at, f'found "{HOLIDAY}" without holidays, expected [calendar] holidays to name a country'
            )
        if calendar.clearing_bank_days and "holidays" not in found and self.house is REAL:
            self.report.warn(
                self._place("calendar").to("clearing_bank_days"),
                "no holidays are set, so every Monday to Friday counts as a bank day",
            )
        return calendar

    def _classes(self) -> tuple[ClassRules, ...]:
        made = []
        for name, found in self._named("class", lambda label: self._place("class", label)).items():
            if "products" in found and "product_ids" in found:
                self.report.refuse(
                    self._place("class", name).to("products"), "found beside product_ids, expected one of the two"
                )
            ids = (*found.get("product_ids", ()), *found.get("products", ()))
            made.append(
                ClassRules(
                    name,
                    frozenset(ids),
                    frozenset(found.get("product_groups", ())),
                    frozenset(found.get("product_types", ())),
                    {key: value for key, value in found.items() if key not in SELECTOR_NAMES},
                )
            )
        return tuple(made)

    def _by_number(self, name: str, tables: Mapping[str, Layer]) -> dict[int, Layer]:
        """Return the layers by WHMCS number; a scenario's labels are looked up."""
        labels = self.report.labels.get(name)
        found: dict[int, Layer] = {}
        for label, layer in tables.items():
            at = self._place(name, label)
            if labels is not None:
                if label in labels:
                    found[labels[label]] = layer
                else:
                    known = or_list(list(labels)[:8]) if labels else "none, since the file has none"
                    self.report.refuse(at, f"found a {name} that the file does not have, expected {known}")
            elif WHOLE.fullmatch(label) and int(label) > 0 and str(int(label)) == label:
                found[int(label)] = layer
            else:
                self.report.refuse(at, f"found {show(label)}, expected a WHMCS {name} id, 1 or more")
        return found

    def _vip(self) -> VipRules | None:
        if "vip" not in self.data:
            return None
        found = self._table("vip")
        if found is None:
            return None
        found.setdefault("managed_groups", (found["group"], ""))
        return VipRules(**found)

    def _trust_release(self, quiet: bool) -> TrustRules:
        """A timeline that states the rules of releases means clients' wishes to be judged by them."""
        stated = self.house is not REAL and "trust_release" in self.data
        return TrustRules(**{"on_request": stated, **self._granting("trust_release", quiet)})

    def _granting(self, name: str, quiet: bool, **shape: Callable[[Any], Any]) -> dict[str, Any]:
        """Return what [promises] or [trust_release] sets; the eve of a quiet day is out by default."""
        found = self._table(name) or {}
        if "not_on" in found:
            found["not_on_eve"] = bool(found.pop("not_on"))
        else:
            found["not_on_eve"] = quiet
        for key, make in shape.items():
            if key in found:
                found[key] = make(found[key])
        return found

    def _limits(self) -> Limits:
        found = self._table("limits") or {}
        by_kind = dict(self.house.limits or {})
        for step in LIMITED_STEPS:
            given = found.get(step)
            if given == NOT_LIMITED:
                by_kind.pop(step, None)
                self.report.warn(
                    self._place("limits").to(step), "no limit: a mistake in WHMCS reaches everybody at once"
                )
            elif given is not None:
                by_kind[step] = _limit(by_kind.get(step), given)
        if "unlike_usual_factor" in found:
            return Limits(by_kind, found["unlike_usual_factor"])
        return Limits(by_kind)

    def _sanity(self) -> Sanity:
        given = self.data.get("sanity")
        if isinstance(given, bool):
            found: dict[str, Any] | None = {"enabled": given}
        else:
            found = self._table("sanity")
        if found is None:
            return Sanity()
        if "sanity" not in self.data:
            return Sanity(enabled=self.house.sanity)
        sanity = Sanity(**found)
        if not sanity.enabled and self.house is REAL:
            self.report.warn(
                self._place("sanity"), "switched off: a clock that jumped or a restored WHMCS stops nothing"
            )
        return sanity

    def _approval(self) -> dict[str, str]:
        return {**(self.house.approval or Policy().approval), **(self._table("approval") or {})}

    def _messages(self, policy: Policy) -> dict[str, Message]:
        """Return every message that can be sent: built-in, configured, and WHMCS templates that rules name."""
        found = dict(BUILT_IN)

        def place(label: str) -> Place:
            return Place(f"[{self.house.prefix}messages.{show(label)}]")

        for name, given in self._named("messages", place).items():
            own = "subject" in given and "text" in given
            any_own = "subject" in given or "text" in given
            if ("template" in given) == any_own or (any_own and not own):
                self.report.refuse(
                    place(name),
                    f"found {or_list(given, quoted=False) if given else 'nothing'}, "
                    "expected either template, or subject and text",
                )
                continue
            if "about" in given and own:
                self.report.refuse(
                    place(name).to("about"), "found beside subject and text, expected beside template only"
                )
                continue
            message = found[name] = Message(name, **given)
            for key, bad in unknown_placeholders(message):
                self.report.refuse(place(name).to(key), bad)
        for at, name in checks.message_names(policy, self.house.prefix):
            if name not in found:
                found[name] = taken_for_template(name, found, at, self.report)
        return found

    # --- stores and panels -----------------------------------------------------------------------

    def _backup_stores(self) -> tuple[BackupStoreSettings, ...]:
        found: list[BackupStoreSettings] = []
        for at, own, options in self._with_drivers("backup_store", BACKUP_STORE, store_options):
            needs = store_options(own["driver"]).needs_servers if "servers" not in own else ""
            if needs:
                self.report.refuse(at.to("servers"), f"missing, expected WHMCS's ids of its servers: {needs}")
                continue
            if "servers" not in own and self.house is REAL:
                self.report.warn(
                    at.to("servers"), "not set, so the accounts of every server are looked for here by their names"
                )
            store = self._with_hand(at, own, options)
            if store is None:
                continue
            for other in found:
                if same_place((store.driver, options), (other.driver, other.options)):
                    self.report.refuse(
                        at, f"found what store {show(other.name)} holds too, expected no store in another"
                    )
            found.append(store)
        return tuple(found)

    def _with_hand(self, at: Place, own: dict[str, Any], options: dict[str, Any]) -> BackupStoreSettings | None:
        """Return the store with the credentials that delete, if they are named apart; None where they are wrong."""
        takes, raw = store_options(own["driver"]), own.pop("delete_with", None)
        may_part = bool(takes.credentials) and not takes.lists_only(options)
        if raw is not None and takes.credentials and not may_part:
            self.report.refuse(at.to("delete_with"), "found credentials to delete with, but this store only lists")
            return None
        if raw is not None:
            hand = read_hand(takes, options, raw, at.to("delete_with"), self.report)
            return None if hand is None else BackupStoreSettings(**own, options=options, delete_with=hand)
        if may_part and self.house is REAL:
            self.report.warn(at.to("delete_with"), "not set, so one credential lists and deletes in this store")
        return BackupStoreSettings(**own, options=options, may_part=may_part)

    def _panels(self) -> tuple[PanelSettings, ...]:
        tables = self._with_drivers("panel", PANEL, panel_options)
        return tuple(PanelSettings(**own, options=options) for _, own, options in tables)

    def _with_drivers(
        self, name: str, keys: tuple[Key, ...], options_of: Callable[[str], DriverOptions]
    ) -> Iterator[tuple[Place, dict[str, Any], dict[str, Any]]]:
        """Yield the place, the common keys and the driver's options of each [[name]] that is right."""
        given = self.data.get(name, [])
        at = Place(f"[[{self.house.prefix}{name}]]")
        if not isinstance(given, list | tuple):
            self.report.wrong(at, given, f"a list: write [[{name}]]")
            return
        names = set()
        for number, table in enumerate(given, 1):
            here = at.item(number)
            if not isinstance(table, Mapping):
                self.report.wrong(here, table, "a table with name, driver and the driver's options")
                continue
            common = {key.name for key in keys}
            own = read_keys(keys, {k: v for k, v in table.items() if k in common}, here, self.report)
            called = table.get("name")
            if isinstance(called, str) and called in names:
                self.report.refuse(here.to("name"), f"found {show(called)} a second time")
            names.add(called if isinstance(called, str) else None)
            try:
                takes = options_of(str(table.get("driver")))
            except KeyError:
                continue  # told already: the driver is one of the common keys
            rest = {k: v for k, v in table.items() if k not in common}
            options = read_options(takes, rest, here, self.report)
            if own is not None and options is not None:
                yield here, own, options


def _limit(default: KindLimit | None, given: Mapping[str, Any]) -> KindLimit:
    """Lay what is given over the default; a default floor never lifts a given maximum."""
    made = replace(default or KindLimit(), **given)
    if "always_allowed" not in given and made.max is not None and made.always_allowed > made.max:
        made = replace(made, always_allowed=made.max)
    return made
