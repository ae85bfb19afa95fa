"""What most drivers have in common: a name, a root, the servers whose accounts they keep, and plain answers."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from whmcs_bridge.backups.claim import KIND, NOT_MINE, TREE, claim_by_layout
from whmcs_bridge.backups.layouts import Layout
from whmcs_bridge.backups.names import OURS, locator_fault, split_quarantine
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    LivingAccount,
    Outcome,
    Probe,
    Receipt,
)
from whmcs_bridge.errors import StoreUnsupported

NO_META: Mapping[str, str] = {}
"""A plain dict: the journal writes items down as they are."""
ASIDE = "deleting"
"""Quarantine of what is deleted without a plan's quarantine: only for the moment between two requests."""
SETTLED = timedelta(minutes=5)
"""What was written to more recently may still be being written."""


class Told(Exception):
    """What ends a change, within a driver: its text is the note of the receipt."""

    outcome: ClassVar[Outcome]


class Odd(Told):
    """This is not what was listed, or may not be touched."""

    outcome = Outcome.REFUSED


class Gone(Told):
    """It is not there."""

    outcome = Outcome.GONE_BEFORE


class Denied(Told):
    """The system or server says no."""

    outcome = Outcome.FAILED


class Locked(Told):
    """The server keeps it."""

    outcome = Outcome.LOCKED


class Lost(Told):
    """Sent, and no answer that says what has become of it."""

    outcome = Outcome.UNKNOWN


class SimpleStore:
    """Answers for a store that is always there, has no quarantine and finishes what it accepts.

    `servers` are WHMCS's numbers of the servers whose accounts are backed up here; empty is every server.
    """

    kind = "simple"
    caps = Capabilities()

    def __init__(self, name: str, root: str, servers: Collection[int] = ()) -> None:
        self._name = name
        self._root = root
        self._servers = frozenset(servers)

    @property
    def name(self) -> str:
        return self._name

    @property
    def root(self) -> str:
        return self._root

    def serves(self, server: int) -> bool:
        """Backups of accounts on this WHMCS server may lie here."""
        return not self._servers or server in self._servers

    def probe(self) -> Probe:
        """Its view is complete by construction."""
        return Probe(complete=True)

    def quarantine(self, item: BackupItem, plan: str) -> Receipt:
        """Refuse: the grace period is this store's quarantine."""
        raise StoreUnsupported(f"store {self._name}: {self.kind} has no quarantine for {item.locator} of plan {plan}")

    def put_back(self, item: BackupItem) -> Receipt:
        """Refuse: nothing was ever moved aside here."""
        return Receipt(Outcome.REFUSED, f"{self.kind} has no quarantine to put anything back from")

    def poll(self, receipt: Receipt) -> Receipt:
        """Nothing goes on behind an answer."""
        return receipt

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """Nothing lies beside the backups."""
        return ()

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        """Nothing has to be known in time."""
        return NO_META

    def living(self) -> Mapping[str, LivingAccount]:
        """It knows accounts by their names only."""
        return {}

    def close(self) -> None:
        """Nothing is held open."""


def busy_of(items: Iterable[BackupItem]) -> tuple[str, ...]:
    """Return whose backups are being written, by their times; "*" for what is not one account's alone."""
    now = datetime.now(UTC)
    fresh = (i for i in items if not i.quarantine and i.at is not None and abs(now - i.at) < SETTLED)
    return tuple(sorted({"*" if item.shared else item.account for item in fresh if item.shared or item.account}))


class PathStore(SimpleStore):
    """A store whose items have paths: files or objects, named by a panel's layout.

    Locators are paths below the root, as `names.shown` writes them.
    """

    caps = Capabilities(name_is_all=True)
    case_blind = False
    """It takes upper and lower case for the same; known once it was looked at."""

    def __init__(
        self, name: str, root: str, layout: Layout, servers: Collection[int] = (), *, kept: timedelta | None = None
    ) -> None:
        super().__init__(name, root, servers)
        self.layout = layout
        self._kept = kept or None

    def made(
        self,
        locator: str,
        *,
        size: int | None = None,
        at: datetime | None = None,
        etag: str | None = None,
        version: str | None = None,
        lock: str = "",
        locked_until: datetime | None = None,
        owner_hint: str | None = None,
        meta: Mapping[str, str] = NO_META,
    ) -> BackupItem:
        """Return the item at a path, with what the layout reads in it."""
        read = self.layout.read(locator, tree=meta.get(KIND) == "tree")
        return BackupItem(
            self.name,
            locator,
            size,
            at,
            owner_hint,
            version,
            etag,
            read.account,
            read.made_on,
            read.shared,
            lock,
            locked_until,
            split_quarantine(locator)[0],
            meta,
        )

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the item is, by its path, its time and its ids."""
        if item.store != self.name:
            return NOT_MINE
        return claim_by_layout(self.layout, item, account, case_blind=self.case_blind)

    def fault_of(self, item: BackupItem) -> str:
        """Say why nothing may be done with an item, whatever was meant; "" for nothing. Looks at the item only."""
        plan, path = split_quarantine(item.locator)
        if item.store != self.name or not item.etag or item.meta.get(KIND, TREE) != TREE:
            return "it is no backup of this store"
        if plan != item.quarantine:
            return "it does not lie in the quarantine that it says"
        if fault := locator_fault(item.locator):
            return f"{item.locator!r}: {fault}; it is left alone"
        return "it is a file of the bridge's own" if path.split("/")[0] in OURS or not path else ""
