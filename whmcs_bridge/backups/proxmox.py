"""The Proxmox VE driver: backups of virtual machines in the storages of a cluster, through its API.

PVE leaves out silently what a token may not see, takes `vmid=100` for a part of a file's name and then reports 100, and
uses a vmid again (facts sheet on backup stores, section 6.1 and findings 4 and 5): the right to see everything is
asked for first, all is listed, names are matched here, and a machine is told by the uuid in its backup's configuration,
a container by its network cards and the days on which it had its number.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NOT_MINE, proved
from whmcs_bridge.backups.line import HttpLine, clock_skew, moment, short
from whmcs_bridge.backups.machines import (
    CONTAINER,
    KIND_OF_GUEST,
    MACHINE,
    agreeing,
    by_card,
    contradicts,
    ids_in,
    lines_of,
    numbers_of,
)
from whmcs_bridge.domain.backups import (
    UUID,
    VMID,
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

DUMP: Final = re.compile(
    r"backup/vzdump-(?P<kind>qemu|lxc|openvz)-(?P<vmid>[1-9][0-9]{2,8})-(?P<day>\d{4}_\d{2}_\d{2})-\d{2}_\d{2}_\d{2}"
    r"\.(?:tgz|(?:tar|vma)(?:\.(?:gz|lzo|zst|bz2))?)",
    re.ASCII,
)
SNAPSHOT: Final = re.compile(
    r"backup/(?P<kind>vm|ct)/(?P<vmid>[1-9][0-9]{2,8})/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII
)
UPID: Final = re.compile(r"UPID:(?P<node>[A-Za-z0-9-]+):[A-Za-z0-9._:@!+=-]+", re.ASCII)
DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
ODD = "odd"
"""In an item's `meta`: why its name alone does not say whose it is."""
API: Final = "/api2/json"
PROTECTED: Final = "protected"
READS_CONFIGS: Final = "VM.Backup"
BLIND: Final = f"its token lacks {READS_CONFIGS} on /vms, with propagate: no machine is told by the uuid in its backup"
ELSEWHERE: Final = "copies in storages that are not named, and other clusters' on the same disk, are not seen"


def open_store(given: BackupStoreSettings) -> "ProxmoxStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"store {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    login = f"PVEAPIToken={options['token_id']}={options['token'].word()}"
    api = ProxmoxApi(line, f"store {given.name}", login)
    return ProxmoxStore(
        given.name,
        options["url"],
        api,
        options["storages"],
        given.servers,
        nodes=options.get("nodes", ()),
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class ProxmoxApi:
    """Requests whose answer is `data`, in PVE and PBS alike; and what the token may see."""

    def __init__(self, line: HttpLine, what: str, login: str) -> None:
        """`what` it is, as failures name it: "store pve"."""
        self.line, self.what, self._login = line, what, login
        self.skew: timedelta | None = None

    def __repr__(self) -> str:
        return f"ProxmoxApi({self.what!r})"

    def get(self, path: str, /, **params: str) -> Any:
        """Return the data of an answer. Raises StoreTrouble."""
        reply = self.line.ask("GET", API + path, params=params, headers={"Authorization": self._login})
        self.skew = clock_skew(reply)
        return self._data(reply)

    def rows(self, path: str, /, *needed: str, **params: str) -> list[Mapping[str, Any]]:
        """Return a list whose rows all have these fields. Raises ViewIncomplete for anything else."""
        found = self.get(path, **params)
        if not isinstance(found, list) or not all(
            isinstance(row, dict) and all(row.get(name) is not None for name in needed) for row in found
        ):
            raise self.line.gap(f"a list in another shape to {path}")
        return found

    def delete(self, path: str, /, **params: str) -> Receipt | Any:
        """Send a deletion once. Return the data of the answer, or the receipt of what went wrong."""
        try:
            reply = self.line.ask(
                "DELETE", API + path, takes=(400, 500), params=params, headers={"Authorization": self._login}
            )
            if reply.status_code < 300:
                return self._data(reply)
        except (StoreUnreachable, ViewIncomplete) as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        said = f"{reply.reason or ''} {reply.text}"
        if PROTECTED in said:
            return Receipt(Outcome.LOCKED, PROTECTED)
        return Receipt(Outcome.UNKNOWN, f"it answers with {short(said)}")

    def may(self, path: str, privilege: str) -> bool:
        """Whether the token has a privilege on a path and below it; what is not granted is not listed."""
        found = self.get("/access/permissions", path=path)
        if not isinstance(found, dict) or not isinstance(found.get(path, {}), dict):
            raise self.line.gap("permissions in another shape")
        return bool(found.get(path, {}).get(privilege))

    def must(self, path: str, privilege: str, why: str) -> None:
        """Raises ViewIncomplete where the token lacks a privilege without which a list is not whole."""
        if not self.may(path, privilege):
            raise ViewIncomplete(f"{self.what}: its token lacks {privilege} on {path}, with propagate: {why}")

    def is_free(self, number: str) -> bool:
        """Whether no guest has this number, as the cluster itself says; it tells whoever may see the guest or not."""
        reply = self.line.ask(
            "GET",
            f"{API}/cluster/nextid",
            takes=(400,),
            params={"vmid": number},
            headers={"Authorization": self._login},
        )
        if reply.status_code == 400 and "already exists" in f"{reply.reason or ''} {reply.text}":
            return False
        if reply.status_code != 200 or str(self._data(reply)) != number:
            raise self.line.gap("another shape to /cluster/nextid")
        return True

    def _data(self, reply: Any) -> Any:
        found = self.line.json(reply)
        if not isinstance(found, dict) or "data" not in found:
            raise self.line.gap("an answer without data")
        return found["data"]


@dataclass(frozen=True, slots=True)
class Place:
    """A storage as one node has it; a shared one is looked at through any node."""

    node: str
    storage: str
    shared: bool

    def locator(self, volid: str) -> str:
        return volid if self.shared else f"{self.node}/{volid}"


class ProxmoxStore(SimpleStore):
    """Every backup in these storages of one cluster."""

    kind = "proxmox"
    caps = Capabilities(locks=True, async_delete=True, name_is_all=True)
    # A container's number and time: the panel has to confirm that it is gone. A recorded uuid needs nobody's word.

    def __init__(
        self,
        name: str,
        url: str,
        api: ProxmoxApi,
        storages: Collection[str],
        servers: Collection[int] = (),
        *,
        nodes: Collection[str] = (),
        kept: timedelta | None = None,
    ) -> None:
        """`nodes` are those that have the storages; none is every node of the cluster."""
        super().__init__(name, f"{url} {', '.join(storages)}", servers)
        self._api, self._storages, self._nodes, self._kept = api, tuple(storages), tuple(nodes), kept or None
        self._configs: dict[tuple[str, object, object], Mapping[str, str]] = {}

    def close(self) -> None:
        self._api.line.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that every node and storage is there, that nothing in it is hidden, and which machines are at work."""
        try:
            places = self._places()
            for place in places:
                self._volumes(place)
            busy = self._at_work({place.node for place in places})
            blind = () if self._api.may("/vms", READS_CONFIGS) else (BLIND,)
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        return Probe(
            complete=True,
            clock_skew=self._api.skew,
            busy=tuple(sorted(busy)),
            keeps_for=self._kept,
            notes=(*blind, ELSEWHERE),
        )

    def items(self) -> Iterable[BackupItem]:
        """Every backup of every storage. Raises StoreTrouble where one of them cannot be seen whole."""
        return [self._item(place, row) for place in self._places() for row in self._volumes(place)]

    def _places(self) -> list[Place]:
        """Where to look; raises ViewIncomplete where a node or storage is missing, or may hide something."""
        rows = self._api.rows("/nodes", "node", "status")
        nodes = {str(row["node"]): str(row["status"]) for row in rows}
        wanted = self._nodes or tuple(sorted(nodes))
        for node in wanted:
            if nodes.get(node) != "online":
                raise self._incomplete(f"node {node} is {short(nodes.get(node, 'not there'))}")
            self._api.must(f"/nodes/{node}", "Sys.Audit", "backups at work would stay hidden")
        if not wanted:
            raise self._incomplete("it lists no node")
        for storage in self._storages:
            self._api.must(f"/storage/{storage}", "Datastore.Allocate", "backups would be left out of its lists")
        found = {(p.storage, "" if p.shared else p.node): p for node in reversed(wanted) for p in self._on(node)}
        missing = [storage for storage in self._storages if storage not in {p.storage for p in found.values()}]
        if missing:
            raise self._incomplete(f"no node has the storage {missing[0]}, or its token lacks Datastore.Audit on it")
        return sorted(found.values(), key=lambda place: (place.storage, place.node))

    def _on(self, node: str) -> Iterator[Place]:
        for row in self._api.rows(f"/nodes/{node}/storage", "storage"):
            if row["storage"] not in self._storages:
                continue
            if not row.get("active") or not row.get("enabled"):
                raise self._incomplete(f"the storage {row['storage']} is not active on node {node}")
            if "backup" not in str(row.get("content", "")).split(","):
                raise self._incomplete(f"the storage {row['storage']} does not list backups")
            yield Place(node, str(row["storage"]), bool(row.get("shared")))

    def _volumes(self, place: Place) -> list[Mapping[str, Any]]:
        rows = self._api.rows(f"/nodes/{place.node}/storage/{place.storage}/content", "volid", content="backup")
        if any(not str(row["volid"]).startswith(f"{place.storage}:") for row in rows):
            raise self._incomplete(f"the list of {place.storage} has volumes of another storage")
        return rows

    def _item(self, place: Place, row: Mapping[str, Any], *, fresh: bool = False) -> BackupItem:
        volid = str(row["volid"])
        vmid, day, odd, kind = _read(volid, row)
        made, size = row.get("ctime"), row.get("size")
        meta = {ODD: odd} if odd else {KIND_OF_GUEST: kind, **self._config(place, row, fresh=fresh)}
        return BackupItem(
            self.name,
            place.locator(volid),
            size=size if isinstance(size, int) else None,
            at=moment(made),
            etag=f"{made}-{size}",
            owner_hint=str(row.get("vmid") or vmid) or None,
            account=vmid,
            made_on=day,
            lock=PROTECTED if row.get("protected") else "",
            meta=meta,
        )

    def _config(self, place: Place, row: Mapping[str, Any], *, fresh: bool) -> Mapping[str, str]:
        """Return the ids in a backup's configuration; none where it cannot be read, which proves nothing.

        A backup is written once: its configuration is read once for its time and size, and again before it is deleted.
        """
        key = (place.locator(str(row["volid"])), row.get("ctime"), row.get("size"))
        if fresh or key not in self._configs:
            try:
                text = self._api.get(f"/nodes/{place.node}/vzdump/extractconfig", volume=str(row["volid"]))
            except (StoreAuthFailed, StoreUnreachable, ViewIncomplete):
                return {}
            self._configs[key] = ids_in(lines_of(text if isinstance(text, str) else ""))
        return self._configs[key]

    def _at_work(self, nodes: Iterable[str]) -> set[str]:
        """Machines with a backup at work; "*" for one that does not say of which."""
        rows = [
            row
            for node in sorted(nodes)
            for row in self._api.rows(f"/nodes/{node}/tasks", "upid", source="active", typefilter="vzdump")
        ]
        return {str(row.get("id") or "*") for row in rows}

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the backup is, by its vmid and the ids of the machine in it. A vmid alone is used again."""
        if item.store != self.name:
            return NOT_MINE
        same = item.account in numbers_of(account)
        if item.meta.get(ODD):
            return Claim(Verdict.AMBIGUOUS, (), item.meta[ODD]) if same or _mentions(item, account) else NOT_MINE
        if contradicts(item.meta, account):
            return Claim(Verdict.NOT_MINE, (), "the machine in it has another uuid") if same else NOT_MINE
        proof = agreeing(item.meta, account)
        if not same:
            copied = Claim(Verdict.AMBIGUOUS, (), "its machine's id under another vmid: a copy has it too")
            return copied if proof else NOT_MINE
        if proof:
            return self._in_time(item, account, proof)
        if item.meta.get(KIND_OF_GUEST) == CONTAINER and not account.recorded(UUID):
            return by_card(item, account)
        return Claim(Verdict.AMBIGUOUS, (VMID,), "its vmid alone, which is used again; no uuid proves the machine")

    def _in_time(self, item: BackupItem, account: AccountIdentity, proof: str) -> Claim:
        """A machine's ids are copied when it is restored under another owner: the time may not speak against it."""
        proofs = (VMID, f"recorded {proof}")
        found = proved(replace(item, meta={}), replace(account, proofs={}), proofs)
        if account.since is not None and found.verdict is not Verdict.MINE:
            return Claim(Verdict.AMBIGUOUS, proofs, f"its ids agree, but it was {found.why or 'made at another time'}")
        return Claim(Verdict.MINE, found.proofs, proven=True)

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Ask PVE to delete this one volume, if it is still the one that was listed and no backup of it is at work."""
        if item.store != self.name or item.meta.get(ODD) or not item.account:
            return Receipt(Outcome.REFUSED, "it is no backup of this store that may be deleted")
        try:
            found = self._listed(item)
            if found is None:
                return Receipt(Outcome.GONE_BEFORE)
            place, now = found
            if now.lock:
                return Receipt(Outcome.LOCKED, now.lock)
            if now != item:
                return Receipt(Outcome.REFUSED, "it is not what was listed")
            if {item.account, "*"} & self._at_work({p.node for p in self._places()}):
                return Receipt(Outcome.FAILED, f"a backup of {item.account} is at work; try again later")
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        volid = item.locator.removeprefix(f"{place.node}/")
        answer = self._api.delete(f"/nodes/{place.node}/storage/{place.storage}/content/{volid}")
        if isinstance(answer, Receipt):
            return answer
        if answer is None:
            return Receipt(Outcome.DELETED)
        if isinstance(answer, str) and UPID.fullmatch(answer):
            return Receipt(Outcome.ACCEPTED, task=answer, item=item)
        return Receipt(Outcome.UNKNOWN, "it answers with no task")

    def _listed(self, item: BackupItem) -> tuple[Place, BackupItem] | None:
        """Return the item as it is now, its configuration read again; None where a whole list does not have it."""
        for place in self._places():
            for row in self._volumes(place):
                if place.locator(str(row["volid"])) == item.locator:
                    return place, self._item(place, row, fresh=True)
        if not _ours(item.locator, self._storages):
            raise ViewIncomplete(f"store {self.name}: that is no volume of its storages")
        return None

    def poll(self, receipt: Receipt) -> Receipt:
        """Return what has become of the task; only OK is done, and even then the next listing decides."""
        upid = UPID.fullmatch(receipt.task)
        if upid is None:
            return replace(receipt, outcome=Outcome.UNKNOWN, note="it is no task of Proxmox's")
        found = self._api.get(f"/nodes/{upid['node']}/tasks/{receipt.task}/status")
        status = found.get("status") if isinstance(found, dict) else None
        if status == "running":
            return receipt
        if status != "stopped":
            raise self._api.line.gap("a task in another shape")
        ended = str(found.get("exitstatus") or "nothing")
        if ended == "OK":
            return replace(receipt, outcome=Outcome.DELETED, note="")
        if PROTECTED in ended:
            return replace(receipt, outcome=Outcome.LOCKED, note=PROTECTED)
        outcome = Outcome.UNKNOWN if ended.startswith("WARNINGS") else Outcome.FAILED
        return replace(receipt, outcome=outcome, note=f"its task ended with {short(ended)}")

    def _incomplete(self, why: str) -> ViewIncomplete:
        return ViewIncomplete(f"store {self.name}: {why}")


def _read(volid: str, row: Mapping[str, Any]) -> tuple[str, date | None, str, str]:
    """Return vmid, day in the name, what is odd about it, and the kind of guest."""
    name = volid.partition(":")[2]
    dump, snapshot = DUMP.fullmatch(name), SNAPSHOT.fullmatch(name)
    found = dump or snapshot
    if found is None:
        return "", None, "its name is none that Proxmox gives", ""
    kind = MACHINE if found["kind"] in ("qemu", "vm") else CONTAINER
    day = None
    if dump is not None:
        try:
            day = date.fromisoformat(dump["day"].replace("_", "-"))
        except ValueError:
            return found["vmid"], None, "no such day", kind
    reported = row.get("vmid")
    odd = "" if reported in (None, "") or str(reported) == found["vmid"] else short(reported)
    return found["vmid"], day, f"its name says {found['vmid']}, and the storage {odd}" if odd else "", kind


def _mentions(item: BackupItem, account: AccountIdentity) -> bool:
    """One of the account's numbers stands in an odd name, or the storage reports it for one: it may be the account's.

    Where a good name tells another number, that one counts: storages repeat the number that they were asked for.
    """
    if item.account:
        return False
    numbers = numbers_of(account)
    return item.owner_hint in numbers or not numbers.isdisjoint(DIGITS.findall(item.locator.partition(":")[2]))


def _ours(locator: str, storages: Iterable[str]) -> bool:
    """A locator that a volume of these storages can have had."""
    first, _, rest = locator.partition("/")
    volid = locator if ":" in first else rest
    storage, _, name = volid.partition(":")
    return storage in storages and (DUMP.fullmatch(name) or SNAPSHOT.fullmatch(name)) is not None
