"""What backups are to us: items in stores, whose they are, and what became of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from whmcs_bridge.domain.ids import ClientId, ServiceId

MOST_OF_AN_ID = 200
"""Characters; what is longer is no id."""
BLANK = ("", "0")
"""What modules leave in a field when they are done with its machine."""

VMID, UUID, VMGENID, CTIME, MAC = "vmid", "uuid", "vmgenid", "ctime", "mac"
"""Proofs of a machine: its number in the cluster, smbios uuid, generation id, epoch of its creation, addresses of its
network cards (sorted, a space between)."""
NUMBERED_ON = "numbered_on"
"""Proof of a machine: day (Y-m-d) on which it was first seen under its number, which proves nothing of earlier days."""


class Verdict(StrEnum):
    """Whose an item is, as far as the item itself tells."""

    MINE = "mine"
    NOT_MINE = "not mine"
    AMBIGUOUS = "ambiguous"
    """It may be this account's or somebody else's: never deleted by itself."""
    SHARED = "shared"
    """It holds more than this account: never deleted."""


class Outcome(StrEnum):
    """What one request to a store came to. None of them is evidence: only a fresh, complete listing is."""

    DELETED = "deleted"
    ACCEPTED = "accepted"
    """The store works on it: `poll` tells."""
    QUARANTINED = "quarantined"
    PUT_BACK = "put back"
    """It lies where it lay before its quarantine."""
    GONE_BEFORE = "gone before"
    LOCKED = "locked"
    """A lock or legal hold of the store keeps it, until its end."""
    REFUSED = "refused"
    """It is not the item that was planned any more, or may not be touched."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Sent, and the answer was lost: only a listing tells."""


@dataclass(frozen=True, slots=True)
class BackupItem:
    """One deletable unit, as a listing showed it; what it says is the precondition of its deletion."""

    store: str
    locator: str
    """The store's own name of it; opaque to everybody else."""
    size: int | None = None
    """Bytes."""
    at: datetime | None = None
    """When it was made or last written, as far as the store tells; aware."""
    owner_hint: str | None = None
    """Whose it is in the store's own words: an account's id, a vmid."""
    version: str | None = None
    """S3 version id, snapshot or archive id: immutable where there is one."""
    etag: str | None = None
    """Changes whenever the content does: an ETag, or device, inode, size and time of a file."""
    account: str = ""
    """Account name that the layout reads in the locator; "" where it holds none."""
    made_on: date | None = None
    """Day in the item's name, in the panel's own time zone."""
    shared: bool = False
    """It holds more than one account's data."""
    lock: str = ""
    """What keeps it: governance, compliance, legal-hold, protected, lock; "" is nothing."""
    locked_until: datetime | None = None
    quarantine: str = ""
    """Digest of the plan in whose quarantine it lies."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """What else may prove whose it is: uuid, domain, repository id."""


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """Whose backups: one account on one server, frozen before the service ends, because modules erase it.

    A service that moved between servers, or was renamed, has several.
    """

    service: ServiceId
    client: ClientId
    server: int
    username: str
    domain: str
    since: date | None
    until: date | None
    proofs: Mapping[str, str] = field(default_factory=dict)
    """Panel's own ids (uid, uuid, account id, smbios), custom fields, addresses: by name.

    One that changed while the service lived keeps its former values as `uuid.1`, `uuid.2`: all of them are its own.
    """
    under: str = ""
    """Reseller account that it belonged to; "" is the service's own."""

    @property
    def is_machine(self) -> bool:
        """It is known by its number in a cluster (`username` is the vmid), and not by WHMCS's user name."""
        return VMID in self.proofs

    def recorded(self, name: str) -> frozenset[str]:
        """Return what was recorded under a name, former values too."""
        return frozenset(value for key, value in self.proofs.items() if key.partition(".")[0] == name and value)


SEEN = "seen"
"""Among what was captured: when the store was last asked and knew the account, as ISO 8601 with its zone."""
ASKED = "asked"
"""The same, whether or not it knew the account."""


def captured(account: AccountIdentity, store: str) -> dict[str, str]:
    """Return what a store has shown of an account while it lived, by the names that its driver gave; {} for nothing."""
    prefix = f"{store}/"
    found = {name[len(prefix) :]: value for name, value in account.proofs.items() if name.startswith(prefix)}
    return found if SEEN in found else {}


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose an item is, and what proves it: the pattern of its name, a recorded id, its time, its metadata."""

    verdict: Verdict
    proofs: tuple[str, ...] = ()
    why: str = ""
    proven: bool = False
    """An id captured before the end, the store's own record or the item's metadata proves it, not only a name and a
    time: whoever else has had the name does not matter."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of store can do."""

    quarantine: bool = False
    """It can move an item aside atomically, inside itself."""
    versions: bool = False
    locks: bool = False
    async_delete: bool = False
    conditional_delete: bool = False
    """A deletion can be bound to what was listed; else the driver looks again just before."""
    deletes: bool = True
    """False: it lists and verifies only, or a person deletes and attests."""
    name_is_all: bool = False
    """Its items carry nothing but a name and a time: the panel has to confirm that the account is gone."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a store says about itself now."""

    complete: bool
    """A listing will show everything in scope."""
    why: str = ""
    """Why not."""
    clock_skew: timedelta | None = None
    """Its clock minus ours; None where it does not tell."""
    busy: tuple[str, ...] = ()
    """Accounts with a backup or transport at work; "*" is any."""
    keeps_for: timedelta | None = None
    """Bytes stay so long after a deletion: soft delete, garbage collection, snapshots underneath."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one quarantine, deletion or poll came to."""

    outcome: Outcome
    note: str = ""
    """In one line, without secrets."""
    task: str = ""
    """The store's own number of work that goes on."""
    until: datetime | None = None
    """End of the lock, or when the last bytes go."""
    item: BackupItem | None = None
    """The item as it lies now, where it was moved into quarantine or back."""


@dataclass(frozen=True, slots=True)
class LivingAccount:
    """An account that lives on a panel now."""

    username: str
    identity: str = ""
    """The panel's own id of it (uid, uuid, creation time), comparable with a captured proof; "" where it has none."""
    domain: str = ""
    owner: str = ""
    """Reseller it belongs to."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """What else proves whose a backup of it is, by the name that a driver knows it by: uuid, mac, jetbackup_id."""


def with_ids(known: Mapping[str, str], fresh: Mapping[str, str]) -> dict[str, str]:
    """Return the proofs with newer ones among them: a blank erases nothing, and a changed one keeps its former value.

    The present value stands under the name itself, former ones under `name.1`, `name.2`.
    """
    found = dict(known)
    for name, value in fresh.items():
        before = found.get(name, "")
        if not value or value == before:
            continue
        found[name] = value
        if before:
            former = {key: one for key, one in found.items() if key.startswith(f"{name}.")}
            kept = [one for one in (*former.values(), before) if one != value]
            found = {key: one for key, one in found.items() if key not in former}
            found.update({f"{name}.{number}": one for number, one in enumerate(kept, 1)})
    return found


def ids_among(
    fields: Iterable[tuple[object, object]], id_fields: Mapping[str, Collection[str]]
) -> tuple[tuple[str, str], ...]:
    """Return the ids that custom fields hold, as pairs of the name they are kept under and their value.

    `fields` are names and values as WHMCS has them; `id_fields` is [backups] id_fields. A name counts whole, and as
    either half of WHMCS's "name|shown name"; of several fields of one id the first that is not blank or 0.
    """
    known: dict[str, str] = {}
    for name, value in fields:
        text = str(value).strip()[:MOST_OF_AN_ID] if type(value) in (str, int) else ""
        whole = str(name).strip()
        for part in (whole, *whole.split("|")) if text not in BLANK else ():
            known.setdefault(part.strip().casefold(), text)
    found = []
    for kept, names in sorted(id_fields.items()):
        value = next((known[n] for n in (name.strip().casefold() for name in names) if n in known), "")
        found += [(kept, value)] if value else []
    return tuple(found)
