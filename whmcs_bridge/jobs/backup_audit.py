"""What lies in the stores and belongs to no living service. Reads everything, writes and deletes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.deletions import PlanState, key_of
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.errors import StoreTrouble, UnknownId
from whmcs_bridge.jobs.backup_accounts import hash_of, hash_of_name
from whmcs_bridge.jobs.backup_back import left_by
from whmcs_bridge.jobs.backup_look import ItemKey
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.ownership import span_of, times_of
from whmcs_bridge.ports import BackupStore


class Standing(StrEnum):
    """Whose an account's backups are, by what WHMCS, its history and the panels say."""

    LIVE = "live"
    ENDED = "ended-known"
    """Every service that had the name has ended: a deletion may be planned."""
    UNKNOWN = "unknown-to-whmcs"
    AGAIN = "name-living-again"
    """Made while an ended service had a name that another one has now."""
    UNPARSABLE = "unparsable"
    """Its name follows no pattern of the layout; it may be somebody else's data."""
    SHARED = "shared"


@dataclass(slots=True)
class Heap:
    """Items of one account and standing in one store."""

    standing: Standing
    account: str
    items: int = 0
    size: int = 0
    """Bytes, as far as the store tells."""
    oldest: datetime | None = None
    newest: datetime | None = None
    services: tuple[ServiceId, ...] = ()
    buried: bool = False
    """Its account is one of a service whose deletion is over."""
    erased: bool = False
    """It holds items that a deletion did not leave knowingly: something has brought them back."""
    example: str = ""

    def add(self, item: BackupItem) -> None:
        self.items += 1
        self.size += item.size or 0
        if item.at is not None:
            self.oldest = item.at if self.oldest is None or item.at < self.oldest else self.oldest
            self.newest = item.at if self.newest is None or item.at > self.newest else self.newest
        self.example = self.example or item.locator


@dataclass(slots=True)
class StoreAudit:
    """One store, seen whole; or why it was not."""

    store: str
    kind: str
    trouble: str = ""
    items: int = 0
    heaps: list[Heap] = field(default_factory=list)

    def totals(self) -> dict[Standing, tuple[int, int, int]]:
        """Standing -> (accounts, items, bytes)."""
        found: dict[Standing, tuple[int, int, int]] = {}
        for heap in self.heaps:
            accounts, items, size = found.get(heap.standing, (0, 0, 0))
            found[heap.standing] = (accounts + 1, items + heap.items, size + heap.size)
        return found


@dataclass(slots=True)
class Audit:
    """All stores, and what the panels could not say."""

    stores: list[StoreAudit]
    problems: list[str]

    @property
    def whole(self) -> bool:
        return not self.problems and not any(s.trouble for s in self.stores)

    @property
    def back(self) -> int:
        """Accounts that were erased, and have items again."""
        return sum(heap.erased for store in self.stores for heap in store.heaps)


def audit(ports: Ports, only: str | None = None) -> Audit:
    """Sort what every store (or the one named) holds; raises UnknownId for a store that is not in the settings.

    Time and memory grow with items plus services: each item is looked up by the name in it, never compared with all.
    """
    stores = [s for s in ports.stores if only is None or s.name == only]
    if only is not None and not stores:
        raise UnknownId(
            f"no store {only} in the settings; there are: {', '.join(s.name for s in ports.stores) or 'none'}"
        )
    accounts = list(ports.journal.deletions.accounts())
    living, problems = _living(ports, {a.server for a in accounts})
    erased = _erased(ports)
    return Audit([_audit_store(store, accounts, living, erased) for store in stores], problems)


@dataclass(frozen=True, slots=True)
class Erased:
    """What should not be there any more."""

    hashes: frozenset[str]
    """Of the accounts of erased services."""
    left: frozenset[ItemKey]
    """What their plans have left knowingly."""


def _erased(ports: Ports) -> Erased:
    deletions = ports.journal.deletions
    stones = deletions.tombstones()
    hashes = frozenset(name for stone in stones.values() for name in stone.accounts)
    left: set[ItemKey] = set()
    for head in deletions.plan_heads((PlanState.DONE,)) if hashes else ():
        if not head.complete and head.service in stones:
            plan = deletions.plan_of(head.service)
            left |= left_by(plan) if plan is not None else set()
    return Erased(hashes, frozenset(left))


def _living(ports: Ports, servers: Iterable[int]) -> tuple[dict[int, frozenset[str]], list[str]]:
    """Server -> names that live there by its panel; a server whose panel does not answer is not in it."""
    found: dict[int, frozenset[str]] = {}
    problems: list[str] = []
    for panel in ports.account_panels:
        try:
            names = frozenset(panel.living())
        except StoreTrouble as error:
            problems.append(f"panel {panel.name}: {error}")
            continue
        found.update({server: names for server in servers if panel.serves(server)})
    return found, problems


def _audit_store(
    store: BackupStore,
    accounts: Sequence[AccountIdentity],
    living: Mapping[int, frozenset[str]],
    erased: Erased,
) -> StoreAudit:
    made = StoreAudit(store.name, store.kind)
    names, lives = _index(store, accounts, living)
    served = [server for server in sorted({a.server for a in accounts} | set(living)) if store.serves(server)]
    heaps: dict[tuple[Standing, str], Heap] = {}
    try:
        probe = store.probe()
        if not probe.complete:
            made.trouble = f"its view is not complete: {probe.why}"
        for item in store.items():
            made.items += 1
            key = item.account or item.owner_hint or ""
            standing = _standing(item, key, names.get(key, ()), key in lives)
            heap = heaps.get((standing, key))
            if heap is None:
                owners = names.get(key, ())
                heap = heaps[standing, key] = Heap(
                    standing,
                    key,
                    services=tuple(dict.fromkeys(a.service for a in owners)),
                    buried=_is_buried(store, standing, key, owners, served, erased),
                )
            heap.add(item)
            heap.erased |= heap.buried and key_of(item) not in erased.left
    except StoreTrouble as error:
        made.trouble, made.items, heaps = str(error), 0, {}
    made.heaps = sorted(heaps.values(), key=lambda h: (ORDER[h.standing], -h.size, h.account))
    return made


def _is_buried(
    store: BackupStore,
    standing: Standing,
    key: str,
    owners: Sequence[AccountIdentity],
    served: Sequence[int],
    erased: Erased,
) -> bool:
    """By the accounts the journal knows; where it knows none any more, by the hashes that tombstones keep."""
    if standing in (Standing.ENDED, Standing.AGAIN):
        return any(hash_of(a) in erased.hashes for a in owners)
    if standing is not Standing.UNKNOWN or not erased.hashes:
        return False
    return any(hash_of_name(server, key) in erased.hashes for server in served)


ORDER = {standing: n for n, standing in enumerate((Standing.ENDED, Standing.UNKNOWN, Standing.AGAIN))}
ORDER |= {standing: len(ORDER) + n for n, standing in enumerate(s for s in Standing if s not in ORDER)}


def _index(
    store: BackupStore, accounts: Sequence[AccountIdentity], living: Mapping[int, frozenset[str]]
) -> tuple[dict[str, list[AccountIdentity]], set[str]]:
    """Names, and ids that the store may know, -> who has had them here; and the names that live by a panel."""
    serves = {server: store.serves(server) for server in {a.server for a in accounts} | set(living)}
    names: dict[str, list[AccountIdentity]] = {}
    for account in accounts:
        if serves[account.server]:
            for name in {account.username, *account.proofs.values()} - {""}:
                names.setdefault(name, []).append(account)
    lives = {name for server, there in living.items() if serves[server] for name in there}
    return names, lives


def _standing(item: BackupItem, key: str, owners: Sequence[AccountIdentity], on_panel: bool) -> Standing:
    if item.shared:
        return Standing.SHARED
    if not key:
        return Standing.UNPARSABLE
    if not owners:
        return Standing.LIVE if on_panel else Standing.UNKNOWN
    now = [a for a in owners if a.until is None]
    if not now and not on_panel:
        return Standing.ENDED
    before = [a for a in owners if a.until is not None]
    if not before:
        return Standing.LIVE
    times = times_of(item)
    if any(_made_under(a, times) for a in before) and not any(_made_under(a, times) for a in now):
        return Standing.AGAIN
    return Standing.LIVE


def _made_under(account: AccountIdentity, times: Sequence[tuple[datetime, datetime]]) -> bool:
    began, ended = span_of(account)
    return bool(times) and all(began <= first and last <= ended for first, last in times)


def audit_json(found: Audit) -> dict[str, Any]:
    """The shape of `backups audit --json`; fields are added, never renamed."""
    return {
        "complete": found.whole,
        "problems": found.problems,
        "erased_and_back": found.back,
        "stores": [
            {
                "store": store.store,
                "kind": store.kind,
                "trouble": store.trouble,
                "items": store.items,
                "totals": {
                    standing.value: {"accounts": accounts, "items": items, "bytes": size}
                    for standing, (accounts, items, size) in store.totals().items()
                },
                "accounts": [
                    {
                        "class": heap.standing.value,
                        "account": heap.account,
                        "items": heap.items,
                        "bytes": heap.size,
                        "oldest": heap.oldest.isoformat() if heap.oldest else None,
                        "newest": heap.newest.isoformat() if heap.newest else None,
                        "services": list(heap.services),
                        "erased_before": heap.erased,
                        "example": heap.example,
                    }
                    for heap in store.heaps
                    if heap.standing is not Standing.LIVE
                ],
            }
            for store in found.stores
        ],
    }
