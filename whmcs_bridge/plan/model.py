"""A plan is data: ordered steps, what is withheld, the verdict of the limits, and a fingerprint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind, Withheld

Day = date
"""A name for the type where a field is called `date`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do for one client, and what it was planned from."""

    id: str
    """Stable over plans of the same house day: kind, what it is about, day."""
    kind: Kind
    client: ClientId
    service: ServiceId | None
    date: date
    reason: str
    invoices: tuple[InvoiceId, ...] = ()
    amount: Money | None = None
    message: str = ""
    day: int | None = None
    target: int = 0
    by_request: bool = False
    after_payment: bool = False
    """A release because nothing is owed any more: no limit and no stop may block it."""
    digest: str = ""
    """Hash of the facts it rests on; an announced step keeps it from one day to the next."""
    announced: bool = False
    """It stood in an earlier day's plan with the same digest, and its warning was delivered."""
    since: Day | None = None
    """Due date of the oldest debt behind it."""
    by_hand: ByHand | None = None
    """A person asked for it; None: the rules name it as due."""

    @property
    def subject(self) -> str:
        """What the step is about, for people: `service 12` or `client 3`."""
        return f"service {self.service}" if self.service is not None else f"client {self.client}"


@dataclass(frozen=True, slots=True)
class Held:
    """One step that the plan leaves out, and why."""

    client: ClientId
    service: ServiceId | None
    withheld: Withheld


@dataclass(frozen=True, slots=True)
class Stop:
    """One kind of step (or all harmful ones) that a limit or a sanity check refuses."""

    code: str
    """limit:suspend, sanity:clock-jump, ..."""
    kinds: tuple[Kind, ...]
    why: str
    way_past: str
    """The exact command."""
    flag: str = ""
    """What a run's command needs to go past it: `--allow suspend=37`; "" where no option helps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run would do, in order."""

    today: date
    policy_version: str
    steps: tuple[Step, ...]
    refused: tuple[Step, ...] = ()
    """Steps that a stop keeps from being taken."""
    withheld: tuple[Held, ...] = ()
    stops: tuple[Stop, ...] = ()
    complete: bool = True
    problems: tuple[str, ...] = ()
    """What could not be read, one line each."""
    fingerprint: str = ""
    services_seen: int = 0
    """Active and Suspended services."""
    counts: Mapping[str, int] = field(default_factory=dict)
