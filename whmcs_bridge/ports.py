"""What the jobs need from outside: WHMCS, the mirror, the journal, backup stores, a clock."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, Capabilities, Claim, LivingAccount, Probe, Receipt
from whmcs_bridge.domain.book import (
    ActivityEntry,
    Addon,
    CancelRequest,
    Client,
    ClientDetails,
    ClientGroup,
    Contact,
    Invoice,
    InvoiceHead,
    Product,
    QueueEntry,
    SentEmail,
    Service,
)
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.deletions import (
    ChainLink,
    DeletionPlan,
    GoneRecord,
    Handover,
    PlannedItem,
    PlanState,
    Tombstone,
)
from whmcs_bridge.domain.facts import Membership, PaidInvoice
from whmcs_bridge.domain.ids import AddonId, ClientId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.panel_lists import PanelInventory
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Note

# --- WHMCS ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SweepEnd:
    """How the reading of a whole list went."""

    complete: bool
    rows: int
    problems: tuple[str, ...] = ()


Row_co = TypeVar("Row_co", covariant=True)


class Sweep(Protocol[Row_co]):
    """A whole list, page by page; `end` is there once the pages are exhausted."""

    def __iter__(self) -> Iterator[Sequence[Row_co]]: ...
    @property
    def end(self) -> SweepEnd: ...


@dataclass(frozen=True, slots=True)
class PanelState:
    """What WHMCS says about itself; None or "" is not known."""

    now: datetime | None = None
    last_cron: datetime | None = None
    version: str = ""
    system_url: str = ""
    maintenance: bool | None = None


class Panel(Protocol):
    """A live WHMCS. Reads raise WhmcsError; writes raise NotDelivered, OutcomeUnknown or Refused."""

    def state(self) -> PanelState: ...
    def groups(self) -> Sequence[ClientGroup]: ...
    def products(self) -> Sequence[Product]: ...
    def clients(self) -> Sweep[Client]: ...
    def services(self) -> Sweep[Service]: ...
    def addons(self) -> Sequence[Addon]: ...
    def cancel_requests(self) -> Sweep[CancelRequest]: ...
    def invoice_heads(self, status: InvoiceStatus | None, *, newest_first: bool = False) -> Sweep[InvoiceHead]: ...
    def invoices(self, ids: Sequence[InvoiceId]) -> Iterator[tuple[InvoiceId, Invoice | BridgeError]]:
        """Read many, side by side; an invoice that cannot be read comes back as its error."""
        ...

    def client(self, client: ClientId) -> ClientDetails: ...
    def service(self, service: ServiceId) -> Service | None:
        """Read one; None is an error-free empty answer by id."""
        ...

    def services_of(self, client: ClientId) -> Sequence[Service]: ...
    def addons_of(self, client: ClientId) -> Sequence[Addon]: ...
    def invoice_heads_of(self, client: ClientId) -> Sequence[InvoiceHead]:
        """Every open invoice (Unpaid, Collections, Payment Pending) of one client."""
        ...

    def contacts(self, client: ClientId) -> Sequence[Contact]: ...
    def emails(self, client: ClientId, since: date) -> Sequence[SentEmail]: ...
    def suspend(self, service: ServiceId, reason: str) -> None: ...
    def unsuspend(self, service: ServiceId) -> None: ...
    def terminate(self, service: ServiceId) -> None: ...
    def set_service_status(self, service: ServiceId, status: ServiceStatus, reason: str | None = None) -> None:
        """Edit the record only: for products without a module. A reason of "" blanks it."""
        ...

    def set_addon_status(self, addon: AddonId, status: ServiceStatus) -> None: ...
    def set_group(self, client: ClientId, group: GroupId) -> None: ...
    def cancel_invoice(self, invoice: InvoiceId) -> None: ...
    def send_template(self, template: str, related: int) -> None: ...
    def send_text(self, kind: str, related: int, subject: str, html: str) -> None:
        """Send our own text; `kind` is WHMCS's customtype (general, product, invoice), `related` its id."""
        ...

    def debt_mail_subjects(self) -> Sequence[str]:
        """Subjects of WHMCS's own reminders and overdue notices, merge fields and all; empty if they cannot be read."""
        ...

    def template_subjects(self, name: str) -> Sequence[str]:
        """Subjects of the mail template of this name, in every language; empty if they cannot be read."""
        ...

    def setting(self, name: str) -> str | None:
        """One of WHMCS's own settings, such as AutoSuspensionDays; None where this WHMCS or our role does not tell."""
        ...

    def activity(self, *, text: str = "", client: ClientId | None = None, limit: int = 250) -> Sequence[ActivityEntry]:
        """The newest lines of the activity log that contain `text`, newest first; empty if they cannot be read."""
        ...

    def admin(self) -> int:
        """Number of the administrator behind our credential; 0 if it cannot be read."""
        ...

    def module_queue(self) -> Sequence[QueueEntry]:
        """Module actions that failed and that nobody has settled; empty if they cannot be read."""
        ...

    def send_staff(self, subject: str, html: str) -> None:
        """Mail the administrators (SendAdminEmail, type system)."""
        ...

    def log(self, text: str, client: ClientId | None) -> None: ...
    def ticket_subject(self, ticket: int) -> str:
        """What a ticket is about; raises NotFound."""
        ...

    def note(self, client: ClientId, text: str) -> None:
        """Add a note to the client's record. WHMCS lists none: it cannot be read back."""
        ...

    def calls(self) -> Mapping[str, int]:
        """Calls made so far, by API action."""
        ...


# --- the mirror -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientBook:
    """One client as the mirror has it."""

    client: Client
    group: ClientGroup | None
    currency: str
    services: tuple[Service, ...]
    addons: tuple[Addon, ...]
    invoices: tuple[Invoice, ...]
    """Open ones, with lines; also other clients' that bill one of this client's services."""
    created_on: Mapping[InvoiceId, date]
    pending_since: Mapping[InvoiceId, date]
    cancelled: tuple[Invoice, ...]
    """Cancelled ones that were open when first seen and bill one of its services; the last 400 days."""
    history: tuple[PaidInvoice, ...]
    """Settled ones; empty where payment history is not kept."""
    cancel_requests: Mapping[ServiceId, CancelRequest]
    """The newest per service."""
    products: Mapping[int, Product]
    """Those of its services."""
    missing: frozenset[ServiceId] = frozenset()
    """Services that the last complete snapshot did not have any more."""
    ended_seen: Mapping[ServiceId, date] = field(default_factory=dict)
    """Services seen living once and ended (Terminated, Cancelled, Fraud) since: the day that was first seen."""
    unread: frozenset[InvoiceId] = frozenset()
    """Open invoices whose lines could not be read: nothing harmful may follow for this client."""
    as_of: datetime | None = None
    credit: Decimal | None = None
    credit_read_on: date | None = None


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """The last snapshot, as the mirror remembers it."""

    at: datetime
    complete: bool
    problems: tuple[str, ...]
    clients: int
    services: int
    living_services: int
    """Active and Suspended."""
    open_invoices: int
    overdue_invoices: int
    highest_client: int
    highest_service: int
    highest_invoice: int


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A service whose status, or whose suspension's reason, was different from one reading to the next."""

    number: int
    """Grows with time within one mirror; a mirror that was made anew counts from 1 again."""
    service: ServiceId
    client: ClientId
    before: str
    after: str
    """Service statuses in WHMCS's words; "" is a word we do not know."""
    reason_before: str
    reason_after: str
    snapshot: int
    """Number of the snapshot that saw it, or was the newest when it was read live."""


DAYS_AHEAD = 35
"""An open invoice that is due later than this cannot call for anything yet, not even a reminder."""


class Mirror(Protocol):
    """WHMCS's truth, dated and disposable. Saves are one transaction a page."""

    def begin(self, at: datetime) -> int:
        """Start a snapshot; return its number. An unfinished one before it leaves nothing half-believed."""
        ...

    def save_groups(self, groups: Iterable[ClientGroup]) -> None: ...
    def save_products(self, products: Iterable[Product]) -> None: ...
    def save_clients(self, clients: Iterable[Client], snapshot: int) -> None: ...
    def save_services(self, services: Iterable[Service], snapshot: int) -> None: ...
    def save_service_live(self, service: Service) -> None:
        """Replace one service by what was just read back, as part of the newest snapshot."""
        ...

    def save_addons(self, addons: Iterable[Addon], snapshot: int) -> None: ...
    def save_cancel_requests(self, requests: Iterable[CancelRequest], snapshot: int) -> None: ...
    def save_heads(self, heads: Iterable[InvoiceHead], snapshot: int, today: date) -> None:
        """Upsert heads of any status; notes first-seen and first-pending days."""
        ...

    def save_invoice(self, invoice: Invoice, at: datetime) -> None: ...
    def stale_invoices(
        self, snapshot: int, reread_before: date, reread_clients: Collection[ClientId]
    ) -> list[InvoiceId]:
        """Open invoices whose lines are missing or older than their head, and those of `reread_clients` that were
        last read on a day before `reread_before`."""
        ...

    def vanished_invoices(self, snapshot: int) -> list[InvoiceId]:
        """Invoices that the mirror holds open and that this snapshot's open lists did not have."""
        ...

    def highest_invoice(self) -> InvoiceId:
        """Highest id whose payment history is kept; 0 for none."""
        ...

    def finish(self, snapshot: int, at: datetime, complete: bool, problems: Sequence[str], today: date) -> None:
        """Close the snapshot. Only a complete one marks what it did not have as missing."""
        ...

    def moment(self) -> AbstractContextManager[object]:
        """Read of one moment, and faster, in a block that reads several times and writes nothing."""
        ...

    def last(self) -> SnapshotInfo | None: ...
    def books(
        self, today: date, also: Collection[ClientId], *, everyone: bool = False, days_ahead: int = DAYS_AHEAD
    ) -> Iterator[ClientBook]:
        """Stream, by client id, the clients about whom something may have to be decided: an open invoice that is due
        within `days_ahead` days (or has no due date), a Suspended service, one seen ending within the last 60 days, or
        named in `also`; or all of them."""
        ...

    def book(self, client: ClientId) -> ClientBook | None: ...
    def book_of_service(self, service: ServiceId) -> ClientBook | None: ...
    def client_of_invoice(self, invoice: InvoiceId) -> ClientId | None:
        """Whose an invoice is, while it is open or was lately; None where the mirror has none of this number."""
        ...

    def services_with_account(self, server: int, username: str) -> Sequence[Service]:
        """Every service that WHMCS has under this account name on this server."""
        ...

    def changed_services(self, after: int) -> tuple[int, Iterator[Service]]:
        """Return the newest snapshot's number, and the services written since number `after`, it included."""
        ...

    def save_book_live(
        self,
        client: ClientId,
        services: Sequence[Service],
        addons: Sequence[Addon],
        heads: Sequence[InvoiceHead],
        invoices: Sequence[Invoice],
        at: datetime,
        today: date,
    ) -> None:
        """Replace what is known of one client by what was just read live: open invoices not in `heads` are closed."""
        ...

    def save_client_group(self, client: ClientId, group: GroupId) -> None: ...
    def save_credit(self, client: ClientId, credit: Decimal, currency: str, today: date) -> None: ...
    def merge_history(self, source: ClientId, target: ClientId) -> None:
        """WHMCS gave everything of `source` to `target`: its payment history follows."""
        ...

    def group_named(self, name: str) -> ClientGroup | None: ...
    def group(self, number: GroupId) -> ClientGroup | None: ...
    def members(self, group: GroupId) -> list[ClientId]: ...
    def client_groups(self) -> Mapping[ClientId, GroupId]:
        """Group of every client in a group (those in none left out)."""
        ...

    def clients_of(self, services: Collection[ServiceId]) -> set[ClientId]:
        """Owners of these services, as far as the mirror knows them."""
        ...

    def count_living(self) -> int: ...
    def newly_overdue(self, today: date, since: date, highest: int) -> int:
        """Count overdue invoices (Unpaid, Collections) that fell due on `since` or later, or have an id above
        `highest`."""
        ...

    def asked_to_end(self) -> set[ServiceId]:
        """Living services with a cancellation request."""
        ...

    def status_changes(self, after: int = 0) -> list[StatusChange]:
        """Changes with a number above `after`, oldest first, our own acts included; the last 90 snapshots' are kept."""
        ...

    def payment_days(self, since: date) -> Mapping[str, Sequence[date]]:
        """Gateway -> the days, oldest first and none before `since`, on which an invoice of it was paid."""
        ...

    def lagging(self, today: date) -> list[tuple[ClientId, ServiceId, date]]:
        """Active services whose next due date lies behind and that no overdue invoice bills, with that date."""
        ...

    def missing_services(self) -> list[tuple[ClientId, ServiceId]]:
        """Active and Suspended services that the last complete snapshot did not have any more."""
        ...

    def gateways_owed(self, today: date) -> set[str]:
        """Gateways of the open invoices that are past due; asked only where a gateway is silent."""
        ...

    def snapshot_times(self) -> tuple[datetime | None, datetime | None]:
        """When the newest finished snapshot and the one before it began: what changed did so in between."""
        ...

    def close(self) -> None: ...


# --- the journal ------------------------------------------------------------------------------


class StepState(StrEnum):
    BEGUN = "begun"
    """Written down, perhaps sent: after a crash, the outcome is unknown."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One step as the journal has it."""

    number: int
    run: int
    step: Step
    state: StepState
    begun_at: datetime
    ended_at: datetime | None
    note: str
    """Reason of a skip, error of a failure, evidence of a success."""
    policy_version: str
    actor: str


@dataclass(frozen=True, slots=True)
class RunInfo:
    number: int
    job: str
    """sync, apply, hook, command."""
    mode: str
    today: date
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    """running, ok, failed, refused, interrupted, shadow."""
    policy_version: str
    summary: str


@dataclass(frozen=True, slots=True)
class Member:
    """One of the subjects behind a task that stands for many."""

    text: str
    client: ClientId | None = None
    service: ServiceId | None = None
    invoice: InvoiceId | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said about a task."""

    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something for staff. With a `pile` it stands for `size` subjects with one cause; `members` are the first of
    them, and client, service and invoice are set only while there is one."""

    number: int
    code: str
    text: str
    todo: str
    client: ClientId | None
    service: ServiceId | None
    invoice: InvoiceId | None
    opened_on: date
    last_seen_on: date
    closed_on: date | None
    state: str
    """open, done, snoozed, closed."""
    comment: str = ""
    """The last thing that was said when its state was changed."""
    acknowledged_by: str = ""
    acknowledged_on: date | None = None
    snoozed_until: date | None = None
    """First day on which it is open again; None: when its cause goes."""
    pile: str = ""
    size: int = 1
    members: tuple[Member, ...] = ()

    def is_about(self, *, client: ClientId | None = None, service: ServiceId | None = None) -> bool:
        """The task, or one of its members, is about this client and this service; None is any."""
        subjects: tuple[Task | Member, ...] = (self, *self.members)
        return any(client in (None, one.client) and service in (None, one.service) for one in subjects)


@dataclass(frozen=True, slots=True)
class PolicyText:
    """Rules that were in force."""

    version: str
    first_used_on: date
    last_used_on: date
    text: str
    """JSON, a line a value."""
    syncs: int = 0
    """So many syncs were under them."""


@dataclass(frozen=True, slots=True)
class MembershipMove:
    """A client joined the VIP group, or left it."""

    client: ClientId
    on: date
    joined: bool
    by_hand: bool
    """Somebody else did it; `on` is the day on which it was seen."""


@dataclass(frozen=True, slots=True)
class MorningMail:
    """The staff's mail of one house day."""

    day: date
    run: int
    """0 where no run wrote it."""
    state: str
    """begun (an answer never came), sent, failed (it provably never arrived), kept (a file only)."""
    begun_at: datetime
    subject: str
    text: str
    ended_at: datetime | None = None
    note: str = ""
    """Error of a failure."""


@dataclass(frozen=True, slots=True)
class Approval:
    kind: str
    service: ServiceId
    by: str
    on: date


class Actor(StrEnum):
    """Who changed a service's status, as far as WHMCS's activity log tells."""

    CRON = "cron"
    """WHMCS's own daily cron."""
    PAYMENT = "payment"
    """WHMCS's own unsuspension after a payment."""
    STAFF = "staff"
    """A user of the admin area who is not the one behind our credential."""
    BRIDGE = "another-bridge"
    """A suspension with our reason that this journal knows nothing of."""
    UNKNOWN = "unknown"
    """No line in the log, a line without a user, or one by our own user that is not ours."""


@dataclass(frozen=True, slots=True)
class ForeignAct:
    """One change of a service that we did not make."""

    service: ServiceId
    client: ClientId
    kind: str
    """suspend, unsuspend, terminate; "reason" for a suspension whose reason alone changed."""
    actor: Actor
    day: date
    """House day on which it happened, or else was seen."""
    before: str
    after: str
    reason_before: str = ""
    reason_after: str = ""
    after_reading: datetime | None = None
    """Begin of the reading that still had it as it was before."""
    by_reading: datetime | None = None
    """Begin of the reading that saw it."""
    at: datetime | None = None
    """WHMCS's wall clock in the log; None: no line tells."""
    user: str = ""
    """Name in the log."""
    line: str = ""
    ours_too: bool = False
    """The rules would have asked for the same at that time."""
    why_not: str = ""
    """Otherwise: why the rules would not have done it."""


@dataclass(frozen=True, slots=True)
class ShadowCase:
    """How far a case would have come if shadow mode acted; dropped when acting begins."""

    case: Case
    status: str = ""
    """Active, Suspended or Terminated where we would have made it so and WHMCS has it otherwise; "" is as in WHMCS."""
    reason: str = ""
    """Our suspension reason, where `status` is Suspended; where it is Active, the one that WHMCS still has."""
    once: tuple[str, ...] = ()
    """Keys of steps that WHMCS would go on to show as due, and that were imagined already."""


@dataclass(frozen=True, slots=True)
class ShadowStep:
    """One step that shadow mode would have carried out."""

    step: Step
    over: str = ""
    """Why a limit would have refused it; "" if none would."""


@dataclass(frozen=True, slots=True)
class AdoptionFindings:
    """What one `adopt` found; `payload` is the shape of `adopt --json`."""

    number: int
    day: date
    at: datetime
    author: str
    policy_version: str
    payload: Mapping[str, Any]


class TellState(StrEnum):
    """How far it has come to tell WHMCS about a record."""

    BEGUN = "begun"
    """Written down, perhaps said: after a crash or a lost answer it is not known."""
    TOLD = "told"
    REFUSED = "refused"
    """WHMCS said no to this one; it is not asked again."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that WHMCS is told about a record, one way."""

    record: int
    what: str
    """made, or closed."""
    channel: str
    """log (a line in the activity log), or note (at the client)."""


class EventState(StrEnum):
    """Where an event of WHMCS's hooks stands."""

    WAITING = "waiting"
    HANDLED = "handled"
    SET_ASIDE = "set aside"
    """It failed too often: a person has to look at it."""


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event of WHMCS's hooks, as it was delivered."""

    number: int
    """Order of arrival."""
    event_id: str
    point: str
    client: ClientId | None
    payload: Mapping[str, Any]
    received_at: datetime
    state: EventState
    tries: int
    next_try_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class InboxDepth:
    """How much waits in the inbox."""

    waiting: int
    set_aside: int
    oldest: datetime | None
    """Arrival of the oldest that waits."""


EvidenceLink = tuple[ServiceId, str, datetime, str, Mapping[str, Any]]
"""A record for the chain of evidence: service, hash of the plan, when, kind, what."""


class Deletions(Protocol):
    """The part of the journal that is about backups: whose accounts there were, what goes, and the evidence of it.

    Every method that writes is durable when it returns.
    """

    def accounts(self, services: Collection[ServiceId] | None = None) -> Iterator[AccountIdentity]:
        """Every account that these services, or all, have ever had."""
        ...

    def accounts_named(self, server: int | None, username: str) -> list[AccountIdentity]:
        """Whoever has ever had this name on this server; None is any server."""
        ...

    def save_accounts(self, accounts: Iterable[AccountIdentity]) -> None:
        """Add or replace, by service, server and name."""
        ...

    def drop_accounts(self, accounts: Iterable[AccountIdentity]) -> None:
        """Forget accounts that were never a service's, by service, server and name."""
        ...

    def add_plan(self, plan: DeletionPlan, links: Iterable[EvidenceLink] = ()) -> DeletionPlan:
        """Freeze a plan and append to the chain; return it with its number. It replaces every earlier one of its
        service."""
        ...

    def save_plan(self, plan: DeletionPlan, links: Iterable[EvidenceLink] = ()) -> None:
        """Replace what is known of a plan, its items left as they are, and append to the chain, in one transaction."""
        ...

    def save_items(self, plan: int, items: Mapping[int, PlannedItem], links: Iterable[EvidenceLink] = ()) -> None:
        """Replace items of a plan by their position, and append records to the evidence, all in one transaction."""
        ...

    def plan_of(self, service: ServiceId) -> DeletionPlan | None:
        """The newest plan of a service."""
        ...

    def digests_of(self, service: ServiceId) -> frozenset[str]:
        """Hashes of all plans that a service ever had."""
        ...

    def plan_named(self, digest: str) -> list[DeletionPlan]:
        """Plans whose hash begins so, the newest first."""
        ...

    def plans(self, states: Collection[PlanState] | None = None) -> list[DeletionPlan]:
        """All of these states, or of any; the newest first."""
        ...

    def plan_heads(self, states: Collection[PlanState], *, to_check: datetime | None = None) -> list[DeletionPlan]:
        """Every plan in one of these states, oldest first, without its items.

        `to_check`: only those with a store whose next look is due by then.
        """
        ...

    def services_planned(self) -> set[ServiceId]:
        """Services with a plan that was not replaced."""
        ...

    def add_links(self, links: Iterable[EvidenceLink]) -> str:
        """Append records to the chain; return the last digest."""
        ...

    def links(self, service: ServiceId | None = None) -> Iterator[ChainLink]:
        """Records of the chain, oldest first."""
        ...

    def head(self) -> str:
        """Digest of the newest record."""
        ...

    def newest(self) -> ChainLink | None: ...
    def link_of(self, digest: str) -> ChainLink | None:
        """The record with this digest."""
        ...

    def deleted_on(self, day: date) -> int:
        """Items whose deletion was sent on this house day, as far as the chain tells."""
        ...

    def broken_at(self) -> str:
        """Check the whole chain; say what is wrong with it, "" for nothing."""
        ...

    def save_handover(self, handover: Handover) -> None: ...
    def handovers(self, *, open_only: bool = True) -> dict[ServiceId, Handover]: ...
    def save_tombstone(self, stone: Tombstone) -> None: ...
    def tombstones(self) -> dict[ServiceId, Tombstone]: ...
    def erased_names(self) -> Mapping[str, Sequence[tuple[int, ServiceId]]]:
        """Account name -> server and service, of every service with a tombstone."""
        ...

    def drop_tombstone(self, service: ServiceId) -> None: ...
    def save_gone(self, record: GoneRecord) -> None: ...
    def gone(self, service: ServiceId | None = None) -> list[GoneRecord]:
        """Deleted records that are still looked at; or the one of a service, whatever has become of it."""
        ...


class Journal(Protocol):
    """What we did and what people told us; kept and backed up. One writer at a time, many readers."""

    @property
    def deletions(self) -> Deletions:
        """The part that is about backups."""
        ...

    def writer(self, job: str = "", wait_seconds: float = 30.0) -> AbstractContextManager[None]:
        """Hold the writer lock over processes; raises Locked naming who holds it. Re-entrant within a process.

        A process that works off hook events holds it for seconds only, and is waited for so long.
        """
        ...

    def recording(self) -> AbstractContextManager[None]:
        """Hold what people recorded still, over processes and threads: judge and store, or read and close, as one.

        For milliseconds only, and no run is waited for: a client on the phone does not wait for one either. It is
        taken inside `writer`, never around it. Raises Locked after half a minute.
        """
        ...

    def moment(self) -> AbstractContextManager[object]:
        """Read of one moment, and faster, in a block that reads several times and writes nothing."""
        ...

    def version(self) -> object:
        """Equal to what it was as long as nothing has been written since, by whomever."""
        ...

    def begin_run(self, job: str, mode: str, today: date, at: datetime, policy_version: str) -> int: ...
    def end_run(self, run: int, at: datetime, outcome: str, summary: str) -> None: ...
    def runs(self, limit: int = 20, job: str | None = None) -> list[RunInfo]:
        """The newest runs, of every job or of one, newest first."""
        ...

    def last_run(self, job: str) -> RunInfo | None:
        """The newest ended run of this job, whatever its outcome."""
        ...

    def begin(self, run: int, step: Step, at: datetime, actor: str, policy_version: str, note: str = "") -> int:
        """Write the step down, durably, before it is sent; return its number. `note`: how to recognise its effect."""
        ...

    def end(self, number: int, state: StepState, at: datetime, note: str) -> None: ...
    def open_steps(self) -> list[JournalStep]:
        """Steps whose outcome is not known: begun or unknown, oldest first."""
        ...

    def steps(
        self,
        *,
        client: ClientId | None = None,
        service: ServiceId | None = None,
        run: int | None = None,
        kind: str | None = None,
        day: date | None = None,
        since: date | None = None,
        until: date | None = None,
        state: StepState | None = None,
        actor: str | None = None,
        limit: int = 200,
    ) -> list[JournalStep]:
        """The newest `limit` steps that answer to all that is given, newest first; both days included."""
        ...

    def tally(self, since: date, until: date) -> Mapping[tuple[str, str, StepState], int]:
        """(kind, name of a notice, state) -> steps of these house days, both included."""
        ...

    def counts(self, day: date) -> Mapping[tuple[str, bool], int]:
        """(kind, announced) -> steps begun on this house day that were not skipped or failed."""
        ...

    def usual(self, kinds: Collection[str], before: date, days: int = 30, *, announced: bool = True) -> list[int]:
        """Counts of the last `days` house days that had a step of these kinds, newest first.

        Without `announced`, only steps that were not announced count, and days that had such.
        """
        ...

    def acted_on(self, day: date) -> set[ServiceId]:
        """Services with a suspension or termination begun on this day that was not skipped or failed."""
        ...

    def save_plan(self, day: date, fingerprint: str, payload: str, digests: Mapping[str, str]) -> None:
        """Keep the plan (JSON text) under its fingerprint, and which step digests stood in this day's plan."""
        ...

    def plan(self, fingerprint: str) -> tuple[date, str] | None: ...
    def announced(self, day: date) -> Mapping[str, str]:
        """Step id without its day -> digest, as last planned on one of the seven newest earlier days with a plan.

        Not only yesterday's: a Sunday on which WHMCS could not be read whole must not make Monday's steps new.
        """
        ...

    def cases(self, services: Collection[ServiceId] | None = None) -> dict[ServiceId, Case]: ...
    def save_cases(self, cases: Iterable[Case]) -> None: ...
    def clients_of_open_cases(self) -> set[ServiceId]: ...
    def records(
        self, *, client: ClientId | None = None, kind: RecordKind | None = None, open_only: bool = False
    ) -> list[Record]: ...
    def add_record(self, record: Record) -> Record:
        """Store it; return it with its number."""
        ...

    def close_record(self, number: int, state: RecordState, on: date, note: str = "", by: str = "") -> None: ...
    def recent_records(self, kinds: Collection[str], since: date, client: ClientId | None = None) -> list[Record]:
        """Records of these kinds made or closed on that day or later, by number; of one client, or of all."""
        ...

    def tells_of(self, records: Collection[int]) -> Mapping[Telling, tuple[TellState, datetime]]:
        """What WHMCS was told of these records, and when."""
        ...

    def keep_tell(self, tell: Telling, state: TellState | None, at: datetime) -> None:
        """Write down how far it has come, durably; None: it was provably never said."""
        ...

    def memberships(self) -> dict[ClientId, Membership]: ...
    def membership(self, client: ClientId) -> Membership | None: ...
    def kept_of(
        self, client: ClientId, services: Collection[ServiceId]
    ) -> tuple[list[Record], Membership | None, dict[ServiceId, Case]]:
        """Return a client's own records by number, its membership, and the cases of these services, read at once."""
        ...

    def merge_clients(self, source: ClientId, target: ClientId) -> None:
        """WHMCS gave everything of `source` to `target`: records, cases, tasks and waiting events follow."""
        ...

    def save_membership(self, client: ClientId, membership: Membership) -> None: ...
    def save_memberships(self, changed: Mapping[ClientId, Membership]) -> None:
        """Add or replace many, all or none."""
        ...

    def membership_moves(self, client: ClientId | None = None) -> list[MembershipMove]:
        """Who joined or left the VIP group, in order: one client's moves, or all."""
        ...

    def reconcile_tasks(self, notes: Iterable[Note], today: date, *, complete: bool) -> None:
        """Open a task for each new note, one per cause; close (only if `complete`) those nobody raises any more.

        Tasks whose snooze is over by `today` are open again.
        """
        ...

    def add_task(self, note: Note, today: date, *, by_hand: bool = True) -> None:
        """Open a task outside the runs. `by_hand`: only staff ends it; else it closes when no run raises it."""
        ...

    def tasks(self, *, open_only: bool = True, today: date | None = None) -> list[Task]:
        """Tasks by number; with `today` those count as open whose snooze is over by then."""
        ...

    def raised_tasks(self, codes: Collection[str]) -> list[Task]:
        """Tasks of these codes whose cause stood at the last run, whatever staff said of them."""
        ...

    def task(self, number: int) -> Task:
        """Return one task; raises UnknownId."""
        ...

    def set_task(self, number: int, state: str, today: date, comment: str = "", *, until: date | None = None) -> None:
        """Set a task's state; `until`: the day on which a snoozed one is open again. Raises UnknownId."""
        ...

    def acknowledge_task(self, number: int, by: str, on: date) -> None:
        """Say who is at it; raises UnknownId."""
        ...

    def comment_task(self, number: int, at: datetime, author: str, text: str) -> None:
        """Keep what was said about a task; raises UnknownId."""
        ...

    def task_comments(self, number: int) -> list[Comment]:
        """What was said about a task, oldest first."""
        ...

    def approvals(self) -> dict[ServiceId, frozenset[str]]: ...
    def approve(self, approval: Approval) -> None: ...
    def drop_approval(self, service: ServiceId, kind: str) -> None: ...
    def history(
        self,
        *,
        client: ClientId | None = None,
        service: ServiceId | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int = 200,
    ) -> list[dict[str, Any]]:
        """The newest lines of the export about a service or a client, newest first: steps, what others did, what people
        recorded, approved and said, tasks. With a service, `client` is its owner; with neither, what was done on these
        days: runs, steps, what others did, approvals, what was confirmed."""
        ...

    def export(self, since: date | None = None, until: date | None = None) -> Iterator[dict[str, Any]]:
        """Stream everything that happened on these house days, as `journal export` prints it."""
        ...

    def morning_mail(self, day: date) -> MorningMail | None: ...
    def last_morning_mail(self, before: date) -> MorningMail | None:
        """The newest of an earlier day that was sent or kept."""
        ...

    def begin_morning_mail(self, mail: MorningMail) -> None:
        """Write the mail down, durably, before it is sent; one of the day that failed gives way."""
        ...

    def end_morning_mail(self, day: date, state: str, at: datetime, note: str = "") -> None: ...
    def note_policy(self, version: str, text: str, on: date) -> None:
        """Keep the rules under their version, with the first and last house day of use."""
        ...

    def policy_is_noted(self, version: str, on: date) -> bool:
        """This version's text is kept, and this day noted as one of its use."""
        ...

    def policies(self) -> list[PolicyText]:
        """Every version that was in force, the newest in use first."""
        ...

    def accept_event(
        self, event_id: str, point: str, client: ClientId | None, payload: Mapping[str, Any], at: datetime
    ) -> bool:
        """Keep an event of WHMCS's hooks, durably; False if one with this id came before. Waits for no run."""
        ...

    def waiting_events(self, at: datetime, limit: int = 500) -> list[InboxEvent]:
        """Events that may be handled now, oldest first; a client's own never before an earlier one."""
        ...

    def events_done(self, numbers: Sequence[int], at: datetime) -> None: ...
    def events_failed(self, numbers: Sequence[int], error: str, next_try_at: datetime | None) -> None:
        """Try them again then; None sets them aside for a person."""
        ...

    def retry_event(self, number: int) -> None:
        """Put one that was set aside back in line; raises UnknownId."""
        ...

    def events(self, state: EventState | None = None, limit: int = 50) -> list[InboxEvent]:
        """The newest, newest first."""
        ...

    def inbox_depth(self) -> InboxDepth: ...
    def get(self, key: str, default: Any = None) -> Any:
        """A small remembered value (JSON)."""
        ...

    def put(self, key: str, value: Any) -> None: ...
    def save_foreign_acts(self, run: int, acts: Iterable[ForeignAct], cursor: tuple[str, Any] | None = None) -> None:
        """Keep what a run found, together with how far it looked (a key and value of `put`)."""
        ...

    def foreign_acts(self, since: date, service: ServiceId | None = None) -> list[ForeignAct]:
        """What others did on this house day and later, in the order it was found."""
        ...

    def save_shadow(self, run: int, steps: Iterable[ShadowStep], cases: Iterable[ShadowCase]) -> None:
        """Keep what a shadow run imagined, all of it or nothing: each step id once, cases replaced."""
        ...

    def shadow_steps(self, since: date) -> list[ShadowStep]:
        """What shadow mode would have done on this house day and later, in order."""
        ...

    def shadow_usual(self, before: date, days: int = 30) -> Mapping[str, list[int]]:
        """Kind -> imagined counts of the last `days` house days that had such a step, newest first."""
        ...

    def shadow_counts(self, day: date) -> Mapping[tuple[str, bool], int]:
        """(kind, announced) -> steps imagined on this house day."""
        ...

    def shadow_cases(self) -> dict[ServiceId, ShadowCase]: ...
    def drop_shadow_cases(self, services: Collection[ServiceId] | None = None) -> None:
        """Forget these imagined cases, or all; what was imagined stays in the record."""
        ...

    def sync_days(self, since: date) -> Mapping[date, Collection[tuple[str, str]]]:
        """House day -> (mode, outcome) of its syncs, for this day and later ones."""
        ...

    def add_evidence(self, service: ServiceId, at: datetime, payload: Mapping[str, Any]) -> None: ...
    def evidence(self, service: ServiceId) -> list[Mapping[str, Any]]: ...
    def add_adoption(
        self, day: date, at: datetime, author: str, policy_version: str, payload: Mapping[str, Any]
    ) -> int:
        """Keep what an `adopt` found; return its number."""
        ...

    def adoptions(self, limit: int = 20) -> list[AdoptionFindings]:
        """What was found, the newest first."""
        ...

    def close(self) -> None: ...


# --- backups ----------------------------------------------------------------------------------


class BackupStore(Protocol):
    """A place that holds backups. Drivers never decide, and a delete's answer is never evidence.

    Reads and writes raise StoreTrouble and its kinds. Only reads are repeated by a driver, and deletions that are bound
    to an immutable id.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str:
        """Name of the driver."""
        ...

    @property
    def root(self) -> str:
        """Where it begins, for people and evidence: a path, bucket and prefix, repository; without secrets."""
        ...

    @property
    def caps(self) -> Capabilities: ...
    def serves(self, server: int) -> bool:
        """Backups of accounts on this WHMCS server may lie here."""
        ...

    def probe(self) -> Probe:
        """Look whether the store is there, its view complete, its clock right, a backup at work."""
        ...

    def items(self) -> Iterable[BackupItem]:
        """Everything in scope: unfiltered, all pages, all versions, quarantine too. Raises rather than leaving out."""
        ...

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the item is, by what it shows itself."""
        ...

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Move one item aside, if it is still the one that was listed; its receipt holds the item as it lies there."""
        ...

    def put_back(self, item: BackupItem) -> Receipt:
        """Move an item from quarantine to where it lay, if it is still the one that was listed; overwrites nothing.

        PUT_BACK with the item as it lies there, also where it lies there already; REFUSED where its place is taken or
        gone, it has changed, or it lies in no quarantine; GONE_BEFORE where it lies in neither place.
        """
        ...

    def delete(self, item: BackupItem) -> Receipt:
        """Delete exactly this one, if it is still the one that was listed."""
        ...

    def poll(self, receipt: Receipt) -> Receipt:
        """What has become of work that the store had only accepted."""
        ...

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """What belongs to the account beside its backups: logs, index lines, notes, part uploads.

        Also what can only be asked for by ids that were recorded; raises ViewIncomplete where there are none.
        """
        ...

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        """What has to be known of a living account once it is gone; {} for nothing."""
        ...

    def living(self) -> Mapping[str, LivingAccount]:
        """Living accounts by name, where the store knows them by ids of its own; complete, or it raises."""
        ...

    def close(self) -> None: ...


class AccountPanel(Protocol):
    """A hosting panel: who lives there now. Reads raise StoreTrouble."""

    @property
    def name(self) -> str: ...
    def serves(self, server: int) -> bool:
        """It is the panel of this WHMCS server."""
        ...

    def living(self) -> Mapping[str, LivingAccount]:
        """Every account that lives now, by name; complete, or it raises."""
        ...

    def inventory(self) -> PanelInventory | None:
        """What the panel lists of backups, and where it sends them; None where it has no such list.

        It takes further rights and is no evidence: it tells staff where to look.
        """
        ...

    def close(self) -> None: ...


class Clock(Protocol):
    """Now, in the house's time zone."""

    def now(self) -> datetime: ...
