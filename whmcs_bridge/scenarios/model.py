"""A timeline as its file states it, checked and typed: labels are still labels, and every label has its number."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from whmcs_bridge.settings import Settings


class At(StrEnum):
    """When on its date an event happens."""

    BEFORE_RUN = "before_run"
    DURING_RUN = "during_run"
    """After the plan and before its steps are applied."""
    AFTER_RUN = "after_run"


class When(StrEnum):
    """When on its date an expectation is looked at."""

    AFTER_RUN = "after_run"
    END_OF_DAY = "end_of_day"


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """The simulated WHMCS's own automation; None and False are off."""

    suspend_days: int | None = None
    terminate_days: int | None = None
    auto_unsuspend: bool = False
    continuous_invoicing: bool = False
    invoice_lead_days: int | None = None
    auto_apply_credit: bool = False
    cancellation_requests: bool = False

    @property
    def runs_cron(self) -> bool:
        """WHMCS's daily cron has anything to do."""
        days = (self.suspend_days, self.terminate_days, self.invoice_lead_days)
        return self.cancellation_requests or any(number is not None for number in days)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    name: str
    exempt: bool = False
    discount: Decimal = Decimal(0)
    """Percent."""


@dataclass(frozen=True, slots=True)
class ProductSpec:
    label: str
    type: str = "hostingaccount"
    group: str = "Products"
    module: str = "cpanel"
    price: Decimal | None = None
    cycle: str = "monthly"


@dataclass(frozen=True, slots=True)
class ClientSpec:
    label: str
    since: dt.date
    group: str = ""
    currency: str = "USD"
    credit: Decimal = Decimal(0)
    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    label: str
    client: str
    product: str
    status: str = "Active"
    domain: str = ""
    username: str = ""
    next_due: dt.date | None = None
    amount: Decimal | None = None
    suspension_reason: str = ""
    registered: dt.date | None = None
    """None: since the client came."""


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line of an invoice: what it bills, by label, and how much."""

    kind: str
    """service, addon, domain, text or invoice (a mass payment's child)."""
    what: str
    amount: Decimal
    service: str = ""
    """An addon's parent."""
    type: str = ""
    """WHMCS's own word (LateFee, Upgrade, AddFunds, Item, ...) where the kind does not say it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One dated fact; `values` are typed as `vocabulary.EVENTS` says."""

    number: int
    """Its place in the file, from 1."""
    date: dt.date
    type: str
    at: At = At.AFTER_RUN
    ref: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings | None = None
    """policy_changed: the settings from then on."""

    def text(self, key: str, default: str = "") -> str:
        """A word or label of the event."""
        return str(self.values.get(key, default))

    def day(self, key: str) -> dt.date | None:
        """A date of the event; None where it is not given or is the zero date."""
        found = self.values.get(key)
        return found if isinstance(found, dt.date) else None

    def money(self, key: str) -> Decimal | None:
        """An amount of the event, in the client's currency."""
        found = self.values.get(key)
        return found if isinstance(found, Decimal) else None


@dataclass(frozen=True, slots=True)
class NextStep:
    step: str
    date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold on one date."""

    number: int
    date: dt.date
    when: When = When.END_OF_DAY
    after: str = ""
    service: str = ""
    client: str = ""
    invoice: str = ""
    state: str = ""
    also_ok: tuple[str, ...] = ()
    status: str = ""
    reason_contains: str | None = None
    vip: bool | None = None
    group: str | None = None
    standing: str = ""
    invoice_status: str = ""
    backups: int | None = None
    actions: tuple[str, ...] = ()
    no_actions: tuple[str, ...] = ()
    next: NextStep | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One timeline, ready to be played."""

    id: str
    title: str
    file: str
    settings: Settings
    panel: PanelSpec
    groups: tuple[GroupSpec, ...]
    products: tuple[ProductSpec, ...]
    clients: tuple[ClientSpec, ...]
    services: tuple[ServiceSpec, ...]
    events: tuple[Event, ...]
    """In the order in which they happen: by date, then as in the file."""
    expect: tuple[Expectation, ...]
    only: frozenset[dt.date] | None = None
    """Dates on which the sync runs; None is every date."""
    without: frozenset[dt.date] = frozenset()
    """Dates on which it does not."""
    vip_group: str = ""
    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """client, service, product, group -> label -> WHMCS's number."""

    @property
    def first(self) -> dt.date:
        """The day the clock starts."""
        return min(self._dates())

    @property
    def last(self) -> dt.date:
        """The day it ends."""
        return max(self._dates())

    def _dates(self) -> list[dt.date]:
        return [event.date for event in self.events] + [one.date for one in self.expect]

    def number(self, kind: str, label: str) -> int:
        """WHMCS's number of a label."""
        return self.numbers[kind][label]

    def shown(self, kind: str, label: str) -> str:
        """A label with its number, for people: `service shop (101)`."""
        return f"{kind} {label} ({self.number(kind, label)})"
