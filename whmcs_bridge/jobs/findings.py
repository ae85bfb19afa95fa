"""What `adopt` finds, as data; `to_json` is what the journal keeps and `adopt --json` prints."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.hindsight import SPANS, ClientPast, Hindsight
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING
from whmcs_bridge.policy.whmcs_settings import SettingFinding

VERSION = 1
"""Of the JSON; fields are added, never renamed."""
WORST_KEPT = 50
"""So many of last year's worst clients are kept."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A service (or only a client), with the words by which people know it."""

    client: ClientId
    name: str
    service: ServiceId | None = None
    label: str = ""
    """Its domain, else its product."""

    def to_json(self) -> dict[str, Any]:
        return {"client": self.client, "name": self.name, "service": self.service, "label": self.label}


@dataclass(frozen=True, slots=True)
class Down:
    """One suspended service, and whose suspension it is."""

    subject: Subject
    whose: Adoption
    reason: str
    """As WHMCS has it; "" is blank."""
    class_name: str
    owed: Money | None = None
    """Overdue debt that concerns the service."""
    since: date | None = None
    """Due date of the oldest of it."""
    doubt: str = ""
    """Why a person should look, in one line; "" where the book tells enough."""
    code: str = ""
    """blank, wording; "" for no doubt."""
    todo: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            **self.subject.to_json(),
            "whose": self.whose.value,
            "reason": self.reason,
            "class": self.class_name,
            "owed": str(self.owed.amount) if self.owed else None,
            "currency": self.owed.currency if self.owed else None,
            "since": self.since.isoformat() if self.since else None,
            "doubt": self.doubt,
            "code": self.code,
            "todo": self.todo,
        }


@dataclass(slots=True)
class Oddity:
    """One thing about the book that somebody should know, with how often and some examples."""

    code: str
    text: str
    todo: str
    count: int = 0
    examples: list[Subject] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        examples = [e.to_json() for e in self.examples]
        return {"code": self.code, "text": self.text, "todo": self.todo, "count": self.count, "examples": examples}


@dataclass(slots=True)
class Classless:
    """A product that no class takes, or that several take with equal right; nothing is ever done to its services."""

    product: int
    name: str
    classes: tuple[str, ...]
    """Those that claim it; empty where none does."""
    living: int = 0
    in_debt: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "product": self.product,
            "name": self.name,
            "classes": list(self.classes),
            "living": self.living,
            "in_debt": self.in_debt,
        }


COLUMNS = (
    "unsuspend",
    "reminder",
    "warning",
    "suspend",
    "final_warning",
    "terminate",
    "delete_backups",
    "vip",
    "other",
)
"""What a day's steps are counted under."""


def column_of(kind: Kind, message: str) -> str:
    """Return the one of COLUMNS that a step counts under."""
    if kind is Kind.NOTICE:
        return {SUSPENSION_WARNING: "warning", FINAL_WARNING: "final_warning"}.get(message, "reminder")
    if kind in (Kind.VIP_ADD, Kind.VIP_REMOVE):
        return "vip"
    return kind.value if kind.value in COLUMNS else "other"


@dataclass(slots=True)
class Coming:
    """What the rules would do day by day if nobody paid."""

    until: date
    by_day: dict[date, Counter[str]] = field(default_factory=dict)
    """Day -> column of COLUMNS -> steps."""
    by_kind_today: Counter[Kind] = field(default_factory=Counter)
    """What a run today would begin, for those for whom the bridge acts."""
    needs_approval: int = 0
    """Steps among them that wait for a person first."""
    first: dict[str, list[tuple[date, Subject]]] = field(default_factory=dict)
    """Column -> the first subjects that it will concern."""

    def to_json(self) -> dict[str, Any]:
        days = {day.isoformat(): dict(counts) for day, counts in sorted(self.by_day.items())}
        first = {
            column: [{"date": day.isoformat(), **subject.to_json()} for day, subject in found]
            for column, found in self.first.items()
        }
        return {"until": self.until.isoformat(), "days": days, "needs_approval": self.needs_approval, "first": first}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of step that a first enforced run would refuse for its number."""

    name: str
    why: str
    flag: str
    """What `sync` needs to go past it: `--allow suspend=37`."""


@dataclass(slots=True)
class Findings:
    """Everything that one `adopt` found."""

    today: date
    mode: str
    policy_version: str
    offline: bool
    complete: bool
    problems: Sequence[str]
    read_at: datetime | None
    quiet: bool
    """Nothing is suspended or ended today, a quiet day."""
    scope: str
    """For whom the bridge acts: `everyone`, or those named."""
    coming: Coming
    hindsight: Hindsight
    down: list[Down] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)
    classless: list[Classless] = field(default_factory=list)
    settings: Sequence[SettingFinding] = ()
    refusals: list[Refusal] = field(default_factory=list)
    clients: int = 0
    services: int = 0
    active: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    """Class -> living services."""
    in_debt: int = 0
    """Living services with overdue debt that concerns them."""
    number: int = 0
    """Under which the journal keeps them."""

    def of(self, whose: Adoption) -> list[Down]:
        """Return the suspended services of one owner."""
        return [d for d in self.down if d.whose is whose]

    @property
    def doubtful(self) -> list[Down]:
        """Suspended services that a person should look at."""
        return [d for d in self.down if d.doubt]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "date": self.today.isoformat(),
            "mode": self.mode,
            "policy": self.policy_version,
            "offline": self.offline,
            "complete": self.complete,
            "problems": list(self.problems),
            "read_at": self.read_at.isoformat() if self.read_at else None,
            "acts_for": self.scope,
            "book": {
                "clients": self.clients,
                "services": self.services,
                "active": self.active,
                "suspended": len(self.down),
                "in_debt": self.in_debt,
                "classes": dict(self.classes),
            },
            "suspended": [d.to_json() for d in self.down],
            "first_run": {
                "steps": {kind.value: count for kind, count in self.coming.by_kind_today.items()},
                "refused": [{"limit": r.name, "why": r.why, "flag": r.flag} for r in self.refusals],
            },
            "coming": self.coming.to_json(),
            "past": past_json(self.hindsight),
            "settings": [setting_json(s) for s in self.settings],
            "classless": [c.to_json() for c in self.classless],
            "oddities": [o.to_json() for o in self.oddities],
        }


def setting_json(found: SettingFinding) -> dict[str, Any]:
    """Return one judged setting of WHMCS."""
    return {
        "setting": found.setting,
        "value": found.value,
        "weight": found.weight.value,
        "does": found.does,
        "why": found.why,
        "set_to": found.set_to,
        "where": found.where,
        "uncovered": found.uncovered,
    }


def past_json(past: Hindsight) -> dict[str, Any]:
    """Return the look back, with the worst clients."""
    classes = {
        name: {
            "invoices": one.invoices,
            "suspended": one.suspended,
            "ended": one.ended,
            "paid_after_days": {span: one.paid_after[span] for span in SPANS if one.paid_after[span]},
        }
        for name, one in sorted(past.by_class.items())
    }
    return {
        "since": past.since.isoformat(),
        "clients": past.clients,
        "suspended_clients": past.suspended_clients,
        "ended_clients": past.ended_clients,
        "several_classes": past.several_classes,
        "classes": classes,
        "left_out": dict(past.left_out),
        "worst": [_past_client_json(c) for c in past.worst(WORST_KEPT)],
    }


def _past_client_json(client: ClientPast) -> Mapping[str, Any]:
    return {
        "client": client.client,
        "name": client.name,
        "class": client.class_name,
        "invoices": client.invoices,
        "suspended": client.suspended,
        "ended": client.ended,
        "longest_days": client.longest_days,
    }
