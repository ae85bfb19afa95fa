"""What we remember about one service: the case, from its first overdue day to clear or to the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from whmcs_bridge.domain.ids import ClientId, ServiceId


class Stage(StrEnum):
    """How far a case has come. Never skipped, in this order."""

    CLEAR = "clear"
    NOTICED = "noticed"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    ERASED = "erased"


class Adoption(StrEnum):
    """Whose a suspension is that stood before the bridge first saw the service."""

    OURS = "ours"
    """It carries our reason (an earlier installation of the bridge)."""
    WHMCS = "whmcs"
    """Blank reason and debt: WHMCS's own cron; treated as ours from the adoption on."""
    STAFF = "staff"
    """Anything else, and a blank reason without debt until a person confirms: never touched."""


@dataclass(frozen=True, slots=True)
class SentNotice:
    """One notice that went out for a case."""

    message: str
    """Name of the message: payment-reminder, suspension-warning, final-warning, ..."""
    day: int | None
    """Day of the notice in the class's list; None for messages that belong to a step."""
    on: date
    """House day on which it was accepted by SendEmail."""
    delivered: bool | None
    """None until the next run has looked at GetEmails; False is a failed mail."""
    by_whmcs: bool = False
    """WHMCS sent it itself; it counts as ours."""


@dataclass(frozen=True, slots=True)
class Case:
    """The durable memory behind one service's stage; kept in the journal, changed by enforced runs only."""

    service_id: ServiceId
    opened_on: date | None = None
    """House day of the first run that saw overdue debt; None is no open case."""
    restarted_on: date | None = None
    """First unprotected day after an exemption ended: what was sent before does not count any more."""
    exempt_on: date | None = None
    """Last house day on which a run saw the service exempt (group, VIP courtesy, override)."""
    kept_days: Mapping[str, int | None] = field(default_factory=dict)
    """Day counts promised while the case has been open; None is never. A policy change may only add to them."""
    notices: tuple[SentNotice, ...] = ()
    suspended_on: date | None = None
    """House day of the suspension of this case that is ours; kept under a trust release."""
    adopted_on: date | None = None
    """House day on which a suspension was found that we did not make."""
    adoption: Adoption | None = None
    ended_on: date | None = None
    """House day on which the service was first seen ended (or ended by us)."""
    ended_by: str = ""
    """"bridge", or "elsewhere" for everything else (request, staff, WHMCS's cron)."""
    erased_on: date | None = None
    """House day on which its backups were found gone after a deletion."""
    last_act_on: date | None = None
    """House day of the last suspension or termination that was begun by us."""
    released_on: date | None = None
    """House day on which we last lifted our suspension."""
    client_id: ClientId | None = None
    """Whose debt it is about: a service that is moved meanwhile is neither harmed nor released for it."""
    settled_by: str = ""
    """Who said whose a doubtful suspension is; "" is nobody."""
    addons_down: tuple[int, ...] = ()
    """Addons that we set to Suspended and have not set back."""
