"""What becomes of an ended service's backups: the plan of a deletion, its items, and what each store has come to."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.ids import ClientId, ServiceId


class ItemState(StrEnum):
    """How far one item, or one store of a plan, has come. None but the two gone ones is evidence of absence."""

    PLANNED = "planned"
    QUARANTINED = "quarantined"
    """Moved aside inside its store: the data still exists."""
    DELETING = "deleting"
    """The deletion is about to be sent, or was; only a listing tells."""
    ACCEPTED = "accepted"
    """The store works on it."""
    GONE_VERIFIED = "gone_verified"
    """A fresh and complete listing does not have it any more."""
    RESIDUAL_UNTIL = "residual_until"
    """Out of the listing; bytes stay until the day."""
    LOCKED_UNTIL = "locked_until"
    """The store keeps it: object lock, legal hold, protection."""
    REFUSED = "refused"
    """It is not the item that was planned any more, or it is not provably this account's alone."""
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"
    """The store's view is not complete, or it could not be read: nothing may be concluded."""
    GONE_BEFORE = "gone_before"
    """Nothing of the account was there, or somebody else had removed it before us."""
    ATTESTED = "attested"
    """No listing shows it: a named person says that it is gone. Never evidence of absence."""

    @property
    def gone(self) -> bool:
        """Proved to be absent by a complete listing."""
        return self in (ItemState.GONE_VERIFIED, ItemState.GONE_BEFORE)


class PlanState(StrEnum):
    OPEN = "open"
    """Its items may go as soon as everything allows it."""
    FROZEN = "frozen"
    """The service lives again, its name does, or a hold stands: nothing of it is deleted."""
    DONE = "done"
    """Every store has come to gone, is attested, or a person has closed the plan with what it leaves."""
    REPLACED = "replaced"
    """The stores hold something else than was planned: another plan has taken its place."""


class FrozenBy(StrEnum):
    """What stopped a plan for good, or for as long as it stands."""

    LIFE = "life"
    """The service lives again: what lies aside is a living client's, and goes back."""
    NAME = "name"
    """Another service has its name: what lies aside goes back, because nobody has decided whose it is."""
    HOLD = "hold"
    """A hold or a dispute: it only stops, and what lies aside stays there."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One item of a plan: as it was listed, what proves whose it is, and how far its deletion has come."""

    item: BackupItem
    proofs: tuple[str, ...] = ()
    state: ItemState = ItemState.PLANNED
    note: str = ""
    task: str = ""
    """The store's number of work that it has accepted."""
    until: datetime | None = None
    aside: BackupItem | None = None
    """The item as it lies in quarantine."""
    changed_at: datetime | None = None
    aside_at: datetime | None = None
    """Since when it lies in quarantine, whatever was tried since; None also in plans of before this was kept."""
    beside: bool = False
    """It lies beside the backups, and only a look for this account shows it: the store's own listing does not."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Names one deletable unit over all stores."""
        return key_of(self.item)


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A file that somebody showed as proof: its name and hash, never its content."""

    name: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A person's word that nothing of the account is left in a store that only people can look into."""

    by: str
    """Who answers for it."""
    recorded_by: str
    """Who typed it in."""
    at: datetime
    because: str
    """What was done."""
    reference: str = ""
    """Where the proof is kept: a ticket, a letter."""
    proofs: tuple[ProofFile, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreVerdict:
    """What one store of a plan has come to, and what that rests on."""

    store: str
    state: ItemState = ItemState.PLANNED
    why: str = ""
    until: datetime | None = None
    kind: str = ""
    root: str = ""
    complete: bool = False
    """The listing behind it showed everything in scope."""
    checked_at: datetime | None = None
    checks: int = 0
    """Listings that have shown the account's items gone."""
    next_check_at: datetime | None = None
    listed: int = 0
    """Items in the store's whole listing."""
    digest: str = ""
    """sha256 over the listing's sorted locators, sizes and times."""
    by_hand: bool = False
    """Nothing is deleted in it by us: a person does, and answers for it."""
    attested: Attestation | None = None
    left_settings: bool = False
    """It is no store of the settings any more: nobody looks at it, and what was planned there is left."""

    @property
    def settled(self) -> bool:
        """Nothing is left to do in it: proved gone by a complete listing, or a person answers for it."""
        return (self.state.gone and self.complete) or self.state is ItemState.ATTESTED


@dataclass(frozen=True, slots=True)
class Untouched:
    """An item that was found and is left alone, with the reason."""

    item: BackupItem
    verdict: str
    """ambiguous | shared."""
    why: str


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """A frozen list of what goes, over all stores; `digest` names exactly this list."""

    number: int
    digest: str
    service: ServiceId
    client: ClientId
    made_at: datetime
    not_before: date
    state: PlanState = PlanState.OPEN
    why: str = ""
    """Of its state: what froze or replaced it."""
    accounts: tuple[AccountIdentity, ...] = ()
    items: tuple[PlannedItem, ...] = ()
    stores: tuple[StoreVerdict, ...] = ()
    untouched: tuple[Untouched, ...] = ()
    needs: tuple[str, ...] = ()
    """Why a person has to approve this very list; empty: nobody has to."""
    approved_by: str = ""
    approved_at: datetime | None = None
    frozen_by: FrozenBy | None = None
    returned: bool = False
    """Frozen, and nothing of it lies aside any more but what could not be put back."""
    lives_again: str = ""
    """Who lives under its name: it holds only what is surely from before, and a person has to override."""

    @property
    def waits_for_approval(self) -> bool:
        """A person has to approve its hash first."""
        return bool(self.needs) and not self.approved_by

    @property
    def complete(self) -> bool:
        """Every store was seen whole and holds nothing of the account any more."""
        return bool(self.stores) and all(s.state.gone and s.complete for s in self.stores)

    @property
    def settled(self) -> bool:
        """Nothing is left to do: every store is proved gone, or attested by a person."""
        return bool(self.stores) and all(s.settled for s in self.stores)

    @property
    def attested(self) -> bool:
        """It is settled, and for at least one store only by a person's word."""
        return self.settled and not self.complete

    @property
    def size(self) -> int:
        """Bytes, as far as the stores tell."""
        return sum(p.item.size or 0 for p in self.items)

    def store(self, name: str) -> StoreVerdict | None:
        return next((s for s in self.stores if s.store == name), None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why the deletion of a service's backups cannot go on now; what withholds its step."""

    code: str
    why: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """A client's wish for their data before it is deleted."""

    service: ServiceId
    client: ClientId
    asked_on: date
    until: date
    """Last day on which the deletion is held for it."""
    by: str = ""
    terms: str = ""
    """What has to come first: after-payment, for-a-fee, always."""
    state: str = "open"
    """open | handed-over | withdrawn | ended."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A service whose deletion is over: numbers and hashes only, so that a restored WHMCS or store shows."""

    service: ServiceId
    client: ClientId
    erased_on: date
    accounts: tuple[str, ...] = ()
    """sha256 of `server/username`."""


@dataclass(frozen=True, slots=True)
class GoneRecord:
    """A service whose record was deleted in WHMCS: what has to be seen before it counts as ended."""

    service: ServiceId
    client: ClientId
    told_on: date
    """Day of the hook."""
    keep_days: int | None = None
    """The longest delete_backups_after_days that stood since; None is never."""
    empty_on: tuple[date, ...] = ()
    """Days on which WHMCS answered without error that it has no such service."""
    done: bool = False
    product: int = 0
    """What its rules are found by, as it was then; 0 in records of before this was kept."""
    product_group: str = ""
    product_type: str = ""
    client_group: str = ""

    @property
    def ended_on(self) -> date | None:
        """The second of two different days on which WHMCS did not have it."""
        return self.empty_on[1] if len(self.empty_on) > 1 else None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One record of the evidence; `digest` covers everything else and the digest before it."""

    number: int
    service: ServiceId
    plan: str
    at: str
    kind: str
    body: str
    """JSON, as it was hashed."""
    previous: str
    digest: str


def key_of(item: BackupItem) -> tuple[str, str, str]:
    """Return what names one deletable unit: store, locator, version."""
    return (item.store, item.locator, item.version or "")
