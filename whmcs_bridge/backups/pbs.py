"""The Proxmox Backup Server driver: single snapshots in namespaces of a datastore, never a group.

Without the right to audit it lists only what its token owns, several clusters in one namespace collide on vmids, and
chunks stay until a garbage collection a day later (facts sheet on backup stores, section 6.2): the right is asked for
first, every group is counted, and a vmid counts only in a namespace that one cluster has for itself.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NAME, NOT_MINE, proved
from whmcs_bridge.backups.line import HttpLine, moment, short
from whmcs_bridge.backups.machines import NUMBER as VMID_FORM
from whmcs_bridge.backups.machines import UUID_FORM, agreeing, by_number, contradicts, numbers_of
from whmcs_bridge.backups.names import shown
from whmcs_bridge.backups.proxmox import PROTECTED, ProxmoxApi
from whmcs_bridge.domain.backups import (
    UUID,
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.errors import StoreTrouble, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

CHUNKS_STAY: Final = timedelta(hours=24, minutes=5)
"""A garbage collection leaves chunks that were used within this time."""
ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
MACHINES: Final = ("vm", "ct")
KINDS: Final = (*MACHINES, "host")
NAMESPACE, KIND_OF, NUMBER, TIME_OF = "ns", "backup-type", "backup-id", "backup-time"
"""What names a snapshot, in PBS's words; the strings are in an item's `meta` too."""
COLLIDES: Final = Claim(
    Verdict.AMBIGUOUS, ("backup id",), "several clusters may write into its namespace, and their ids collide"
)
Row = Mapping[str, Any]


def open_store(given: BackupStoreSettings) -> "PbsStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"store {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    login = f"PBSAPIToken={options['token_id']}:{options['token'].word()}"
    return PbsStore(
        given.name,
        options["url"],
        ProxmoxApi(line, f"store {given.name}", login),
        options["datastore"],
        options["namespaces"],
        given.servers,
        exclusive=options["exclusive_namespace"],
        kept=timedelta(days=options["garbage_collected_days"]) + CHUNKS_STAY,
    )


class PbsStore(SimpleStore):
    """Every snapshot in these namespaces of one datastore."""

    kind = "pbs"
    caps = Capabilities(locks=True, name_is_all=True)

    def __init__(
        self,
        name: str,
        url: str,
        api: ProxmoxApi,
        datastore: str,
        namespaces: Collection[str],
        servers: Collection[int] = (),
        *,
        exclusive: bool = False,
        kept: timedelta = CHUNKS_STAY,
    ) -> None:
        """`exclusive` says that a namespace's ids come from one cluster only; "" is the root namespace."""
        shown_spaces = ", ".join(space or "root" for space in namespaces)
        super().__init__(name, f"{url} {datastore} ({shown_spaces})", servers)
        self._api, self._datastore, self._namespaces = api, datastore, tuple(namespaces)
        self._exclusive, self._kept = exclusive, kept
        self._base = f"/admin/datastore/{datastore}"

    def close(self) -> None:
        self._api.line.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that every namespace shows everything, and which snapshots are being written."""
        try:
            items = self.items()
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        busy = {item.account or "*" for item in items if item.size is None}
        notes: tuple[str, ...] = ("copies by sync jobs and on tapes are not seen",)
        if not self._exclusive:
            notes = (*notes, "no namespace is said to be one cluster's alone: ids without a uuid prove nothing")
        return Probe(
            complete=True,
            clock_skew=self._api.skew,
            busy=tuple(sorted(busy)),
            keeps_for=self._kept,
            notes=notes,
        )

    def items(self) -> list[BackupItem]:
        """Every snapshot of every namespace. Raises StoreTrouble where one of them cannot be seen whole."""
        self._must_see_all()
        return [item for space in self._namespaces for item in self._in(space)]

    def _in(self, space: str, kind: str = "", number: str = "") -> Iterator[BackupItem]:
        """A namespace's snapshots, or those of one group in it."""
        for group in self._api.rows(f"{self._base}/groups", KIND_OF, NUMBER, "backup-count", ns=space):
            if not kind or (str(group[KIND_OF]), str(group[NUMBER])) == (kind, number):
                yield from (self._item(space, row) for row in self._snapshots(space, group))

    def _must_see_all(self) -> None:
        there = {str(row[NAMESPACE]) for row in self._api.rows(f"{self._base}/namespace", NAMESPACE)}
        for space in self._namespaces:
            if space and space not in there:
                raise self._incomplete(f"there is no namespace {space}")
            path = f"/datastore/{self._datastore}" + (f"/{space}" if space else "")
            self._api.must(path, "Datastore.Audit", "snapshots of other owners would be left out of its lists")

    def _snapshots(self, space: str, group: Row) -> list[Row]:
        """A group's snapshots, counted; the count of one at work may leave out what is being written."""
        wanted = {KIND_OF: str(group[KIND_OF]), NUMBER: str(group[NUMBER])}
        rows = self._api.rows(f"{self._base}/snapshots", KIND_OF, NUMBER, TIME_OF, ns=space, **wanted)
        if any(str(row[name]) != value for row in rows for name, value in wanted.items()):
            raise self._incomplete("it lists snapshots of another group than was asked for")
        if any(type(row[TIME_OF]) is not int for row in rows) or len({row[TIME_OF] for row in rows}) != len(rows):
            raise self._incomplete("its snapshots have no time of their own")
        finished = sum(1 for row in rows if isinstance(row.get("size"), int))
        if group["backup-count"] not in (len(rows), finished):
            raise self._incomplete(f"it lists {len(rows)} of {short(group['backup-count'])} snapshots of a group")
        return rows

    def _item(self, space: str, row: Row) -> BackupItem:
        kind, number, made, size = str(row[KIND_OF]), str(row[NUMBER]), row[TIME_OF], row.get("size")
        named = {NAMESPACE: space, KIND_OF: kind, NUMBER: number, TIME_OF: str(made)}
        fair = kind in KINDS and (VMID_FORM if kind in MACHINES else ID).fullmatch(number) is not None
        uuids = UUID_FORM.findall(str(row.get("comment") or "").lower())
        return BackupItem(
            self.name,
            shown(f"{space}:{kind}/{number}/{made}"),
            size=size if isinstance(size, int) else None,
            at=moment(made),
            version=str(made),
            etag=f"{made}-{size}-{row.get('fingerprint') or ''}",
            owner_hint=str(row.get("owner") or "") or None,
            account=number if fair else "",
            lock=PROTECTED if row.get("protected") else "",
            meta=named | ({UUID: uuids[0]} if len(set(uuids)) == 1 else {}),
        )

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the snapshot is, by its id and time in a namespace of its own, or by a uuid in its comment."""
        if item.store != self.name or not item.account:
            return NOT_MINE
        if item.meta.get(KIND_OF) not in MACHINES:
            return self._host(item, account)
        if item.account not in numbers_of(account):
            return NOT_MINE
        if contradicts(item.meta, account):
            verdict = Verdict.AMBIGUOUS if self._exclusive else Verdict.NOT_MINE  # a comment is free text
            return Claim(verdict, (NAME,), "its comment names another machine")
        if agreeing(item.meta, account):
            return self._timed(item, account, ("backup id", "recorded uuid"))
        if not self._exclusive:
            return COLLIDES
        return by_number(item, account, "backup id")

    def _host(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """The backup of a host by its name: free text, so that it counts in a namespace of its own only."""
        if account.is_machine or item.account != account.username:
            return NOT_MINE
        return self._timed(item, account, ("backup id",)) if self._exclusive else COLLIDES

    def _timed(self, item: BackupItem, account: AccountIdentity, proofs: tuple[str, ...]) -> Claim:
        found = proved(replace(item, meta={}), replace(account, proofs={}), proofs)
        if len(proofs) == 1 or found.verdict is not Verdict.MINE:
            return found
        return replace(found, proven=True)

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Delete this one snapshot, if it is still the one that was listed and written to its end."""
        named = {name: item.meta.get(name, "") for name in (NAMESPACE, KIND_OF, NUMBER, TIME_OF)}
        space, kind, number, moment = named.values()
        right = item.locator == f"{space}:{kind}/{number}/{moment}" and space in self._namespaces and kind != ""
        if item.store != self.name or not item.account or not right:
            return Receipt(Outcome.REFUSED, "it is no snapshot of this store that may be deleted")
        try:
            self._must_see_all()
            now = next((other for other in self._in(space, kind, number) if other.locator == item.locator), None)
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        if now is None:
            return Receipt(Outcome.GONE_BEFORE)
        if now.lock:
            return Receipt(Outcome.LOCKED, now.lock)
        if now != item:
            return Receipt(Outcome.REFUSED, "it is not what was listed")
        if now.size is None:
            return Receipt(Outcome.FAILED, "it is being written; try again later")
        answer = self._api.delete(f"{self._base}/snapshots", **named)
        if isinstance(answer, Receipt):
            return answer
        return Receipt(Outcome.DELETED, "its chunks stay until a garbage collection")

    def _incomplete(self, why: str) -> ViewIncomplete:
        return ViewIncomplete(f"store {self.name}: {why}")
