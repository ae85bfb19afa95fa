"""What a decision says: stage, steps due, steps withheld and why, and what staff should know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import Money


class Kind(StrEnum):
    """Step kinds, in the words of `plan --json`."""

    VIP_REMOVE = "vip_remove"
    UNSUSPEND = "unsuspend"
    VIP_ADD = "vip_add"
    NOTICE = "notice"
    SUSPEND = "suspend"
    TERMINATE = "terminate"
    DELETE_BACKUPS = "delete_backups"
    CANCEL_INVOICE = "cancel_invoice"
    """An unpaid invoice that bills only ended services."""
    SUSPEND_ADDON = "suspend_addon"
    """Status of an addon with debt of its own, where `overdue_addon_suspends` is "addon"."""
    UNSUSPEND_ADDON = "unsuspend_addon"
    CLOSE_ADDON = "close_addon"
    """Status of an addon whose service we ended; WHMCS leaves it as it was."""
    HAND_BACK = "hand_back"
    """Our suspension reason blanked, so that WHMCS's own automation takes the service over; only `hand-back` does."""


HARMFUL = (Kind.SUSPEND, Kind.TERMINATE, Kind.DELETE_BACKUPS)
"""From less to more harmful; limits refuse a kind together with every later one."""
HARMFUL_SET = frozenset({*HARMFUL, Kind.SUSPEND_ADDON})
HELD = (*HARMFUL, Kind.SUSPEND_ADDON, Kind.CANCEL_INVOICE, Kind.CLOSE_ADDON)
"""What a pause or a sanity stop holds: harm, and what follows an end and cannot simply be taken back."""
LIFTING = frozenset({Kind.UNSUSPEND, Kind.UNSUSPEND_ADDON})
ALL_BUT_LIFTING = (*HARMFUL, *(kind for kind in Kind if kind not in LIFTING and kind not in HARMFUL))


class Standing(StrEnum):
    PAID_UP = "paid-up"
    DUE = "due"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Due:
    """One step that the stage machine names for today."""

    kind: Kind
    reason: str
    """One line for the plan: what is owed and since when."""
    invoices: tuple[InvoiceId, ...] = ()
    amount: Money | None = None
    message: str = ""
    """Notice: its name."""
    day: int | None = None
    """Notice: its day in the class's list."""
    since: date | None = None
    """Due date of the oldest debt behind it."""
    target: int = 0
    """Addon or invoice id, where the step is about one."""
    by_request: bool = False
    """A cancellation request's or fixed term's end, not the debt ladder's."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """One step that is due by its day and not taken, with the reason and when it ends."""

    kind: Kind
    code: str
    """override, exempt-group, vip, promise, release, arrangement, dispute, receipt, quiet-day, contact, hold, freeze,
    credit, clearing, pending, warning, final-warning, approval, moved, incomplete, unlisted-group, gateway-silence,
    acted-today, module, paused, limit, handover, fraud, cancelled, backups-approval, backups-frozen, backups-name,
    backups-no-store, backups-halted, backups-locked, backups-unverifiable, backups-residual, backups-accepted,
    backups-quarantined, backups-refused."""
    why: str
    until: date | None = None
    """Last day it holds; None is open-ended or not known."""
    to_staff: bool = False
    """Somebody has to do something about it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something staff should know: becomes a task, one per (code, subject), closed when no run raises it any more."""

    code: str
    text: str
    todo: str
    client: ClientId | None = None
    service: ServiceId | None = None
    invoice: InvoiceId | None = None
    pile: str = ""
    """The one cause behind many subjects (`suspend fails on server 3`): notes of one code and pile are one task, which
    lists them."""


@dataclass(frozen=True, slots=True)
class Debt:
    """One invoice's part that counts."""

    invoice: InvoiceId
    number: str
    due: date
    """Due date, moved to the next bank day for a gateway with clearing days."""
    clock: date
    """Day that day counts start from: the later of WHMCS's due date and the invoice's creation."""
    amount: Money
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The dates behind a decision, for explain and forecast; None is never or not running."""

    suspend_on: date | None = None
    terminate_on: date | None = None
    final_warning_on: date | None = None
    delete_backups_on: date | None = None
    notice_days: tuple[tuple[date, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """facts + policy + today, judged."""

    service: ServiceId
    client: ClientId
    stage: Stage
    standing: Standing
    class_name: str
    due: tuple[Due, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    notes: tuple[Note, ...] = ()
    debts: tuple[Debt, ...] = ()
    """Debt that concerns the service, oldest first."""
    holding: tuple[Debt, ...] = ()
    """Debt that holds a release back."""
    clocks: Clocks = Clocks()
    exempt: bool = False
    """An exemption (group, courtesy, override) stands today: the case does not move."""
    layers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientDecision:
    """VIP membership, judged for one client."""

    client: ClientId
    standing: Standing
    eligible: bool
    why: str
    due: tuple[Due, ...] = ()
    notes: tuple[Note, ...] = ()
