"""The rules of the house as data, and their layers: defaults, class, client group, client, service."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from whmcs_bridge.domain.book import Client, ClientGroup, Product, Service
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.policy.calendar import Calendar
from whmcs_bridge.policy.ownership import BackupRules

MARK = "[whmcs-bridge]"
"""Ends every suspension reason of ours; what lacks it is not ours."""

FINAL_WARNING = "final-warning"
SUSPENSION_WARNING = "suspension-warning"
PAYMENT_REMINDER = "payment-reminder"


class Scope(StrEnum):
    SERVICE = "service"
    CLIENT = "client"


class Release(StrEnum):
    ALL_PAID = "all-paid"
    SERVICE_PAID = "service-paid"


class Category(StrEnum):
    """What an invoice line bills, as far as rules tell lines apart."""

    SERVICE = "service"
    ADDON = "addon"
    DOMAIN = "domain"
    OVERAGE = "overage"
    FEE = "fee"
    NOTHING_KNOWN = "nothing-known"
    """Never suspends, holds no release, is reported."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail of a class's list. Days count from the due date; negative is before it."""

    day: int
    message: str


@dataclass(frozen=True, slots=True)
class MinDebt:
    """An invoice counts when its balance is above this."""

    default: Decimal = ZERO
    by_currency: Mapping[str, Decimal] | None = None
    """When given, a currency that it does not name has 0."""

    def of(self, currency: str) -> Decimal:
        if self.by_currency is None:
            return self.default
        return self.by_currency.get(currency, ZERO)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force for one service on one day. None days are "never"."""

    scope: Scope = Scope.SERVICE
    release: Release = Release.ALL_PAID
    release_counts: tuple[Category, ...] = (Category.SERVICE, Category.ADDON, Category.OVERAGE)
    old_debt: str = "report"
    """report | hold: debt of services that have ended."""
    min_debt: MinDebt = MinDebt()
    payment_order: tuple[Category, ...] = (
        Category.SERVICE,
        Category.ADDON,
        Category.DOMAIN,
        Category.OVERAGE,
        Category.FEE,
    )
    overdue_addon_suspends: str = "parent"
    """parent | addon | none."""
    invoices_while_suspended: str = "continue"
    """none | fee | continue."""
    support_while_overdue: str = "full"
    support_while_suspended: str = "full"
    """full | basic | billing-only."""
    contact_signs: tuple[str, ...] = ("ticket", "payment", "login")
    recent_contact_days: int = 0
    """0 is off."""
    contact_holds_max_days: int = 30
    """A client in touch holds termination and deletion no longer than this, counted from the day it became due."""
    notices: tuple[Notice, ...] = ()
    suspend_after_days: int | None = None
    terminate_after_days: int | None = None
    final_warning_days: int | None = None
    """None: the smaller of 3 and the waiting time."""
    delete_backups_after_days: int | None = None
    on_suspend_message: str = ""
    on_release_message: str = ""
    on_end_message: str = ""
    """Names of the messages that go out with a step; "" sends none."""
    cancel_invoices_of_ended: bool = False
    """Cancel unpaid invoices that bill only ended services."""
    whmcs_notices: str = "count"
    """count | ignore: whether WHMCS's own overdue mails count as ours."""

    @property
    def waiting_days(self) -> int | None:
        """Days between suspension and termination; None where either is never."""
        if self.suspend_after_days is None or self.terminate_after_days is None:
            return None
        return self.terminate_after_days - self.suspend_after_days


RULE_KEYS = frozenset(f.name for f in fields(Rules))
Layer = Mapping[str, Any]
"""Rule key -> typed value, for the keys that this layer sets."""


@dataclass(frozen=True, slots=True)
class ClassRules:
    """A set of products that share rules."""

    name: str
    product_ids: frozenset[int] = frozenset()
    product_groups: frozenset[str] = frozenset()
    product_types: frozenset[str] = frozenset()
    layer: Layer = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VipRules:
    """Who is VIP, and what it protects from."""

    group: str
    min_tenure_months: int = 0
    max_late_payments: int = 0
    late_payments_window_months: int = 12
    late_means_days: int = 1
    min_monthly_revenue: Decimal = ZERO
    exempt_max_days: int = 10
    exempt_max_debt: Decimal | None = None
    managed_groups: tuple[str, ...] = ()
    """Names; "" is no group. Clients in other groups are never moved."""
    probation_days: int = 0
    away_months: int = 18
    """Without a living service and a payment for longer than this, tenure starts anew with the return; 0 is never."""


@dataclass(frozen=True, slots=True)
class PromiseRules:
    defers: frozenset[str] = frozenset({"suspend", "terminate", "delete_backups"})
    max_days: int = 10
    cooldown_days: int = 60
    on_broken: str = "suspend"
    not_on_eve: bool = False
    on_request: bool = False
    """Clients may promise by themselves, judged like the staff's."""


@dataclass(frozen=True, slots=True)
class ReleaseTier:
    """A trust release for clients within a range of tenure; None is unbounded."""

    days: int
    min_tenure_months: int | None = None
    max_tenure_months: int | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class TrustRules:
    tiers: tuple[ReleaseTier, ...] = (
        ReleaseTier(days=5, max_tenure_months=3, times=1),
        ReleaseTier(days=3, min_tenure_months=12),
    )
    max_broken_promises: int = 0
    cooldown_days: int = 90
    not_on_eve: bool = False
    on_request: bool = False
    """Clients may ask for a release themselves; judged like the staff's."""


@dataclass(frozen=True, slots=True)
class ReceiptRules:
    """Whether "it is paid" holds harmful steps, per gateway, and for how long."""

    accept: Mapping[str, str] = field(default_factory=dict)
    """gateway -> hold | no."""
    accept_default: str = "hold"
    hold_bank_days: int = 3


@dataclass(frozen=True, slots=True)
class ArrangementRules:
    """Payment in parts: how many, how long, how much first, how often."""

    max_parts: int = 3
    """0 allows none."""
    first_part_percent: Decimal = Decimal(30)
    """The first part is at least so much of the debt."""
    max_days: int = 90
    """From today to the last part."""
    cooldown_months: int = 12


@dataclass(frozen=True, slots=True)
class RequestRules:
    """How clients ask for a release or a promise themselves, where [trust_release] and [promises] let them."""

    link: bool = False
    """The client area shows a link, good for one request."""
    link_hours: int = 72
    ticket_phrases: tuple[str, ...] = ()
    """A ticket whose subject has one of them asks for a release, or for a promise where nothing is down."""
    promise_days: int = 5


@dataclass(frozen=True, slots=True)
class KindLimit:
    """How many steps of one kind a house day may see. None: not limited in this way."""

    always_allowed: int = 0
    max: int | None = None
    percent: Decimal | None = None
    max_announced: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits by step kind; a kind that is not named has none."""

    by_kind: Mapping[str, KindLimit] = field(default_factory=dict)
    unlike_usual_factor: Decimal = Decimal(5)


@dataclass(frozen=True, slots=True)
class Sanity:
    """When a run stops to ask. None of all: the checks are off."""

    enabled: bool = True
    max_days_since_run: int = 7
    same_age_percent: Decimal = Decimal(20)
    new_overdue_factor: Decimal = Decimal(5)
    book_change_percent: Decimal = Decimal(20)


@dataclass(frozen=True, slots=True)
class Message:
    """A WHMCS template by name, or our own subject and text (HTML; {client} and friends are filled in)."""

    name: str
    template: str = ""
    subject: str = ""
    text: str = ""
    about: str = "product"
    """What WHMCS's template is about, and so whose id it is sent with: product, invoice, general."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything `decide` may ask about the house; frozen, hashed into the fingerprint by `version`."""

    calendar: Calendar = field(default_factory=Calendar)
    defaults: Layer = field(default_factory=dict)
    classes: tuple[ClassRules, ...] = ()
    groups: Mapping[str, Layer] = field(default_factory=dict)
    clients: Mapping[int, Layer] = field(default_factory=dict)
    services: Mapping[int, Layer] = field(default_factory=dict)
    vip: VipRules | None = None
    promises: PromiseRules = PromiseRules()
    trust_release: TrustRules = TrustRules()
    receipts: ReceiptRules = ReceiptRules()
    arrangements: ArrangementRules = ArrangementRules()
    requests: RequestRules = RequestRules()
    backups: BackupRules = field(default_factory=BackupRules)
    limits: Limits = Limits()
    sanity: Sanity = Sanity()
    approval: Mapping[str, str] = field(
        default_factory=lambda: {"terminate": "required", "delete_backups": "automatic"}
    )
    messages: Mapping[str, Message] = field(default_factory=dict)
    version: str = ""
    """Hash of the settings' policy part; another version is another policy."""
    _cache: dict[object, "Resolved"] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Start with nothing resolved: a copy made by `replace` is another policy."""
        object.__setattr__(self, "_cache", {})


@dataclass(frozen=True, slots=True)
class Resolved:
    """The rules for one service, and which layer won each key."""

    class_name: str
    """"" where no class takes the product."""
    tie: tuple[str, ...]
    """Classes that claim the product with equal right: an error, no step."""
    rules: Rules
    layers: Mapping[str, str]
    """Rule key -> `defaults`, `[policy]`, `[class.hosting]`, `[group."VIP"]`, `[client.12]`, `[service.3]`."""


def reminder_days(policy: Policy) -> int:
    """Return how many days before a due date the earliest reminder of any layer goes out; 0 for none."""
    return max([0, *(-day for day in _notice_days(policy))])


def early_notice_days(policy: Policy) -> frozenset[int]:
    """Return the days up to the due date on which any layer sends a notice: 0, or negative before it."""
    return frozenset(day for day in _notice_days(policy) if day <= 0)


def _notice_days(policy: Policy) -> Iterator[int]:
    layers = (policy.defaults, *(c.layer for c in policy.classes), *policy.groups.values())
    for layer in (*layers, *policy.clients.values(), *policy.services.values()):
        yield from (int(notice.day) for notice in layer.get("notices", ()))


def choose_class(policy: Policy, product_id: int, product_group: str, product_type: str) -> tuple[str, ...]:
    """Return the names of the classes with the best claim (id beats group beats type); more than one is a tie."""
    by_id = tuple(c.name for c in policy.classes if product_id in c.product_ids)
    if by_id:
        return by_id
    group = product_group.casefold()
    by_group = tuple(c.name for c in policy.classes if group and any(group == g.casefold() for g in c.product_groups))
    if by_group:
        return by_group
    return tuple(c.name for c in policy.classes if product_type and product_type in c.product_types)


def resolve(
    policy: Policy, service: Service, product: Product | None, client: Client, group: ClientGroup | None
) -> Resolved:
    """Lay the layers over each other for one service; later layers win per key."""
    group_name = group.name if group else ""
    product_type = product.type if product else ""
    product_group = (product.group if product else "") or service.group
    return resolve_kept(policy, service.product_id, product_group, product_type, group_name, client.id, service.id)


def resolve_kept(
    policy: Policy, product: int, product_group: str, product_type: str, group: str, client: int, service: int
) -> Resolved:
    """Do the same for what is known of a service that WHMCS has no record of any more. `group` is its client's."""
    key = (
        product,
        product_group,
        product_type,
        group if group in policy.groups else "",
        client if client in policy.clients else 0,
        service if service in policy.services else 0,
    )
    found = policy._cache.get(key)
    if found is None:
        names = choose_class(policy, product, product_group, product_type)
        found = policy._cache[key] = _lay(policy, names, group, client, service)
    return found


def _lay(policy: Policy, names: tuple[str, ...], group: str, client_id: int, service_id: int) -> Resolved:
    chosen = next((c for c in policy.classes if c.name == names[0]), None) if len(names) == 1 else None
    stack: list[tuple[str, Layer]] = [("[policy]", policy.defaults)]
    if chosen is not None:
        stack.append((f"[class.{chosen.name}]", chosen.layer))
    if group in policy.groups:
        stack.append((f'[group."{group}"]', policy.groups[group]))
    if client_id in policy.clients:
        stack.append((f"[client.{client_id}]", policy.clients[client_id]))
    if service_id in policy.services:
        stack.append((f"[service.{service_id}]", policy.services[service_id]))
    values: dict[str, Any] = {}
    layers = dict.fromkeys(sorted(RULE_KEYS), "defaults")
    for name, layer in stack:
        values.update(layer)
        layers.update(dict.fromkeys(layer, name))
    rules = _mend_waiting(replace(Rules(), **values), chosen, policy.defaults)
    return Resolved(chosen.name if chosen else "", names if len(names) > 1 else (), rules, layers)


def _mend_waiting(rules: Rules, chosen: ClassRules | None, defaults: Layer) -> Rules:
    """Keep a waiting time of at least a day: where layers make it less, the class's own is used, never included.

    Never suspend implies never terminate.
    """
    if rules.suspend_after_days is None:
        return replace(rules, terminate_after_days=None)
    waiting = rules.waiting_days
    if waiting is None or waiting >= 1:
        return rules
    own = Rules(**{**defaults, **(chosen.layer if chosen else {})}).waiting_days
    after = None if own is None else rules.suspend_after_days + max(own, 1)
    return replace(rules, terminate_after_days=after)
