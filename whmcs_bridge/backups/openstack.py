"""The OpenStack driver: volume backups and snapshots of Cinder, and images of servers in Glance.

Server and volumes go when a service ends; their backups, snapshots and images stay, and only ids that were seen before
tell whose they are (facts sheet on backup stores, section 6.5). So a server's volumes are kept while it lives; lists
are read to the last page, in all their visibilities; what goes is one id at a time, never forced, newest first, looked
at again just before, and only where no living server uses it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NOT_MINE, proved
from whmcs_bridge.backups.line import short
from whmcs_bridge.backups.openstack_api import COMPUTE, ID, IMAGE, PROJECT, VOLUME, Cloud, Row, instant
from whmcs_bridge.backups.recorded import former, present, too_old
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    Outcome,
    Probe,
    Receipt,
    Verdict,
    captured,
)
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

if TYPE_CHECKING:
    from requests import Response

BACKUP, SNAPSHOT, PICTURE = "backup", "snapshot", "image"
PLACES: Final[Mapping[str, tuple[str, str, str]]] = {
    BACKUP: (VOLUME, "/backups", "backup"),
    SNAPSHOT: (VOLUME, "/snapshots", "snapshot"),
    PICTURE: (IMAGE, "/images", ""),
}
"""Kind -> service, path, and the key of one row."""
SECTION: Final = "section"
OF_PROJECT, OF_VOLUME, OF_SERVER = "project", "volume", "server"
"""In an item's `meta`: its kind, and the ids that it bears."""
PROJECT_OF: Final[Mapping[str, str]] = {
    BACKUP: "os-backup-project-attr:project_id",
    SNAPSHOT: "os-extended-snapshot-attributes:project_id",
    PICTURE: "owner",
}
ATTACHED: Final = "os-extended-volumes:volumes_attached"
STEADY: Final = frozenset(("available", "error", "error_deleting", "active", "deactivated", "killed"))
"""States in which nothing is at work on an item."""
FAILED: Final = frozenset(("error_deleting", "error"))
PROTECTED: Final = "protected"
ADMIN: Final = "admin"
GIB: Final = 2**30
PAUSE: Final = 2.0
"""Seconds between two looks at a deletion."""
FORMER: Final = "former "
SWIFT: Final = "Swift containers, and backups by other products, are not seen"


def open_store(given: BackupStoreSettings) -> "OpenStackStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    credential = (options["application_credential_id"], options["application_credential_secret"].reveal())
    cloud = Cloud(
        given.name,
        options["url"],
        credential,
        options["project"],
        region=options.get("region", ""),
        interface=options["interface"],
        timeout=options["timeout_seconds"],
        ca_file=options.get("ca_file"),
    )
    return OpenStackStore(
        given.name,
        options["url"],
        cloud,
        options["project"],
        given.servers,
        all_projects=options["all_projects"],
        id_field=options["id_field"],
        project_field=options.get("project_field", ""),
        listed_within=timedelta(hours=options["listed_within_hours"]),
        wait=options["wait_seconds"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class OpenStackStore(SimpleStore):
    """Every volume backup, volume snapshot and image of a server, of one project or of a whole region."""

    kind = "openstack"
    caps = Capabilities(locks=True, async_delete=True)

    def __init__(
        self,
        name: str,
        url: str,
        cloud: Cloud,
        project: str,
        servers: Collection[int] = (),
        *,
        all_projects: bool = False,
        id_field: str,
        project_field: str = "",
        listed_within: timedelta,
        wait: float = 0,
        kept: timedelta | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`id_field`, `project_field`: what a server's id, and that of a project of its own, are kept under; `wait`:
        seconds for a deletion to end."""
        super().__init__(name, f"{url} {'all projects' if all_projects else project}", servers)
        self._cloud, self._project, self._all = cloud, project, all_projects
        self._field, self._project_field, self._within = id_field, project_field, listed_within
        self._wait, self._kept, self._sleep = wait, kept or None, sleep
        self._last: list[BackupItem] = []
        self._everyone = {"all_tenants": "1"} if all_projects else {}

    def close(self) -> None:
        self._cloud.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the credential sees all that the store is, and that each list comes whole."""
        try:
            self.items()
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        return Probe(complete=True, clock_skew=self._cloud.skew, keeps_for=self._kept, notes=(SWIFT,))

    def items(self) -> list[BackupItem]:
        """Every backup, snapshot and image of a server. Raises StoreTrouble where a list may not be whole."""
        self._must_see_all()
        rows = [(BACKUP, row) for row in self._volume_rows(BACKUP)]
        rows += [(SNAPSHOT, row) for row in self._volume_rows(SNAPSHOT)]
        rows += [(PICTURE, row) for row in self._images()]
        self._last = [self._item(kind, row) for kind, row in rows]
        return list(self._last)

    def _must_see_all(self) -> None:
        """Who is no administrator is given its own project's, and no error (`all_tenants` is left unheard)."""
        self._cloud.log_in()
        if not self._all:
            return
        if ADMIN not in self._cloud.roles:
            raise self._incomplete(f"its credential lacks the role {ADMIN}: other projects would be left out")
        self._cloud.ask(VOLUME, "GET", "/os-services")  # for administrators only, whatever a role is called

    def _volume_rows(self, kind: str) -> list[Row]:
        _, path, key = PLACES[kind]
        return self._cloud.all(VOLUME, f"{path}/detail", f"{key}s", **self._everyone)

    def _images(self) -> Iterator[Row]:
        """Images of servers in scope: shown and hidden ones, and those that its owner shares with everybody."""
        found: dict[str, Row] = {}
        for hidden in ("false", "true"):
            for more in ({"member_status": "all"}, {"visibility": "community"}):
                for row in self._cloud.all(IMAGE, "/images", "images", os_hidden=hidden, **more):
                    found[row["id"]] = row
        for row in found.values():
            if not isinstance(row.get("owner"), str):
                raise self._cloud.gap("an image without an owner")
            of_server = row.get("image_type") in ("snapshot", "backup") or row.get("instance_uuid")
            if of_server and (self._all or row["owner"] == self._project):
                yield row

    def _item(self, kind: str, row: Row) -> BackupItem:
        number, size, project = str(row["id"]), row.get("size"), row.get(PROJECT_OF[kind])
        if kind != PICTURE and project is None and not self._all:
            project = self._project  # told to administrators only
        if not isinstance(project, str) or not (self._all or project == self._project):
            raise self._cloud.gap(f"{kind}s of another project, or of none")
        of = str(row.get("instance_uuid" if kind == PICTURE else "volume_id") or "")
        unit = 1 if kind == PICTURE else GIB
        return BackupItem(
            self.name,
            f"{kind}/{number}",
            size=size * unit if isinstance(size, int) else None,
            at=instant(row.get("created_at")),
            version=number,
            etag=f"{row.get('created_at')}-{size}-{of}",
            owner_hint=project,
            account=project if self._project_field else of,
            lock=PROTECTED if row.get("protected") else "",
            meta={SECTION: kind, OF_PROJECT: project, (OF_SERVER if kind == PICTURE else OF_VOLUME): of},
        )

    # --- what a server had ------------------------------------------------------------------------

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        """Its server's project and volumes, apart from those that it shares or has had; {} where it has no server."""
        number = present(account, self._field, ID)
        server = (
            self._cloud.one(COMPUTE, f"/servers/{number}", "server") if number and self.serves(account.server) else None
        )
        if server is None:
            return {}
        attached = server.get(ATTACHED)
        if not isinstance(attached, list) or not isinstance(server.get("tenant_id"), str):
            raise self._cloud.gap("a server in another shape")
        volumes = [str(v.get("id")) for v in attached if isinstance(v, dict)]
        if len(volumes) != len(attached) or not all(map(ID.fullmatch, volumes)):
            raise self._cloud.gap("a server's volumes in another shape")
        own = [volume for volume in volumes if self._is_its_own(volume, number)]
        before = _volumes(captured(account, self.name))
        others = sorted({*volumes, *before[True], *before[False]} - set(own))
        named = {f"volume {n}": volume for n, volume in enumerate(own, 1)}
        return {
            OF_SERVER: number,
            OF_PROJECT: server["tenant_id"],
            **named,
            **{f"{FORMER}volume {n}": volume for n, volume in enumerate(others, 1)},
        }

    def _is_its_own(self, volume: str, server: str) -> bool:
        row = self._cloud.one(VOLUME, f"/volumes/{volume}", "volume")
        users = row.get("attachments") if row is not None else None
        if not isinstance(users, list) or row is None:
            raise self._cloud.gap("a volume in another shape")
        return not row.get("multiattach") and all(isinstance(u, dict) and u.get("server_id") == server for u in users)

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """Nothing lies beside; but raises ViewIncomplete where what is listed could not be known as the account's.

        That is: no id was recorded, its server's volumes were not seen in time, or its server lives without anything.
        """
        if not self.serves(account.server) or account.until is None:
            return ()
        if self._own_project(account):
            if self._servers_in(self._own_project(account)) and not self._has_some(account):
                raise self._incomplete("servers live in its project, and may be backed up at any time")
            return ()
        number, before = present(account, self._field, ID), captured(account, self.name)
        if not number:
            names = " or ".join(name for name in (self._field, self._project_field) if name)
            raise self._incomplete(f"no id of {account.username or 'the account'} was recorded as {names}")
        if not before or before.get(OF_SERVER) != number:
            raise self._incomplete(f"the volumes of server {number} were never seen while it lived")
        if not self._all and before.get(OF_PROJECT) != self._project:
            raise self._incomplete(f"server {number} was in another project")
        if seen := too_old(before, account.until, self._within):
            raise self._incomplete(
                f"the volumes of server {number} were seen last on {seen}, too long before its end on {account.until}"
            )
        if self._cloud.one(COMPUTE, f"/servers/{number}", "server") is not None and not self._has_some(account):
            raise self._incomplete(f"server {number} lives, and may be backed up at any time")
        return ()

    def _has_some(self, account: AccountIdentity) -> bool:
        """Something in the last listing is, or may be, the account's: then that keeps its verdict open."""
        return any(self.claim(item, account).verdict is not Verdict.NOT_MINE for item in self._last)

    def _own_project(self, account: AccountIdentity) -> str:
        return present(account, self._project_field, PROJECT) if self._project_field else ""

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose it is, by the ids that it bears and those that were recorded; never by its name."""
        if item.store != self.name:
            return NOT_MINE
        project, server = self._own_project(account), present(account, self._field, ID)
        seen = captured(account, self.name)
        volumes = _volumes(seen) if seen.get(OF_SERVER) == server else {True: set(), False: set()}
        home = seen.get(OF_PROJECT, "") if seen.get(OF_SERVER) == server else ""
        bears = {name: item.meta.get(name, "") for name in (OF_PROJECT, OF_SERVER, OF_VOLUME)}
        proofs = ("recorded project",) * bool(project and bears[OF_PROJECT] == project)
        proofs += ("recorded server",) * bool(server and bears[OF_SERVER] == server)
        proofs += ("volume of its server",) * (bears[OF_VOLUME] in volumes[True])
        if not proofs:
            return self._perhaps(account, bears, volumes[False])
        if fault := self._elsewhere(bears[OF_PROJECT], project, home):
            return Claim(Verdict.AMBIGUOUS, proofs, fault)
        found = proved(replace(item, meta={}), replace(account, proofs={}), proofs)
        if found.verdict is Verdict.MINE:
            return replace(found, proven=True)
        return Claim(Verdict.AMBIGUOUS, proofs, f"its ids are the account's, but it was {found.why}")

    def _elsewhere(self, here: str, project: str, home: str) -> str:
        """What the item's project says against its other ids: a volume can be given away, an image claims any server.

        `project` is the account's own, `home` the one that its server was seen in; "" is unknown.
        """
        if any(known and known != here for known in (project, home)):
            return "it is in another project than the account's own"
        if self._all and not project and not home:
            return "which project its server was in was never seen, and others may name any server"
        return ""

    def _perhaps(self, account: AccountIdentity, bears: Mapping[str, str], volumes: Collection[str]) -> Claim:
        """What was the account's once, and may be another's since."""
        if bears[OF_VOLUME] in volumes:
            return Claim(Verdict.AMBIGUOUS, (), "its volume was another server's as well, or left the account's before")
        if bears[OF_SERVER] and bears[OF_SERVER] in former(account, self._field, ID):
            return Claim(Verdict.AMBIGUOUS, (), "its server was recorded for the account before another one")
        if self._project_field and bears[OF_PROJECT] in former(account, self._project_field, PROJECT):
            return Claim(Verdict.AMBIGUOUS, (), "its project was recorded for the account before another one")
        return NOT_MINE

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Delete this one, if it is still what was listed, nothing rests on it and no living server uses it."""
        kind = item.meta.get(SECTION, "")
        number = item.version or ""
        if (
            item.store != self.name
            or kind not in PLACES
            or not ID.fullmatch(number)
            or item.locator != f"{kind}/{number}"
        ):
            return Receipt(Outcome.REFUSED, "it is nothing of this store that may be deleted")
        try:
            refusal = self._refusal(kind, number, item)
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        return refusal or self._send(kind, number, item)

    def _refusal(self, kind: str, number: str, item: BackupItem) -> Receipt | None:
        """What speaks against the deletion now; None is nothing."""
        row = self._row(kind, number)
        if row is None:
            return Receipt(Outcome.GONE_BEFORE)
        now = self._item(kind, row)
        if now.lock:
            return Receipt(Outcome.LOCKED, now.lock)
        if now != item:
            return Receipt(Outcome.REFUSED, "it is not what was listed")
        status = str(row.get("status"))
        if status == "deleting":
            return Receipt(Outcome.ACCEPTED, "it is being deleted already", task=item.locator, item=item)
        if status not in STEADY:
            return Receipt(Outcome.FAILED, f"something is at work on it ({short(status)}); try again later")
        if row.get("has_dependent_backups"):
            return Receipt(Outcome.REFUSED, "newer backups rest on it, and go first")
        used = self._used_by(item)
        return Receipt(Outcome.REFUSED, used) if used else None

    def _used_by(self, item: BackupItem) -> str:
        """Say which living server uses what it was made of; "" for none."""
        project, server, volume = (item.meta.get(name, "") for name in (OF_PROJECT, OF_SERVER, OF_VOLUME))
        if self._project_field and self._servers_in(project):
            return f"servers live in its project {project}"
        if server and (
            not ID.fullmatch(server) or self._cloud.one(COMPUTE, f"/servers/{server}", "server") is not None
        ):
            return f"its server {server} lives"
        row = self._cloud.one(VOLUME, f"/volumes/{volume}", "volume") if volume and ID.fullmatch(volume) else None
        if row is not None and row.get("attachments") != []:
            return f"its volume {volume} is attached to a living server"
        return ""

    def _servers_in(self, project: str) -> bool:
        rows = self._cloud.all(COMPUTE, "/servers/detail", "servers", all_tenants="1", project_id=project)
        if any(row.get("tenant_id") != project for row in rows):
            raise self._cloud.gap("servers of another project than was asked for")
        return bool(rows)

    def _row(self, kind: str, number: str) -> Row | None:
        service, path, key = PLACES[kind]
        return self._cloud.one(service, f"{path}/{number}", key)

    def _send(self, kind: str, number: str, item: BackupItem) -> Receipt:
        service, path, _ = PLACES[kind]
        try:
            reply = self._cloud.ask(service, "DELETE", f"{path}/{number}", takes=(400, 403, 404, 409))
        except (StoreUnreachable, ViewIncomplete) as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        if reply.status_code == 404:
            return Receipt(Outcome.GONE_BEFORE)
        if reply.status_code >= 400:
            return _refused(reply)
        return self._awaited(Receipt(Outcome.ACCEPTED, task=item.locator, item=item))

    def _awaited(self, receipt: Receipt) -> Receipt:
        """Look until it has ended, or the time is over: what is older in a chain can go only then."""
        left = self._wait
        while True:
            try:
                receipt = self.poll(receipt)
            except StoreTrouble:
                return receipt
            if receipt.outcome is not Outcome.ACCEPTED or left <= 0:
                return receipt
            self._sleep(PAUSE)
            left -= PAUSE

    def poll(self, receipt: Receipt) -> Receipt:
        """Return whether it is gone: what is not, and is not being deleted either, was not deleted."""
        kind, _, number = receipt.task.partition("/")
        if kind not in PLACES or not ID.fullmatch(number):
            return replace(receipt, outcome=Outcome.UNKNOWN, note="it is no deletion of this store's")
        row = self._row(kind, number)
        if row is None:
            return replace(receipt, outcome=Outcome.DELETED, note="")
        status = str(row.get("status"))
        if status in ("deleting", "pending_delete"):
            return receipt
        return replace(receipt, outcome=Outcome.FAILED, note=f"its deletion ended, and it is there as {short(status)}")

    def _incomplete(self, why: str) -> ViewIncomplete:
        return ViewIncomplete(f"store {self.name}: {why}")


def _volumes(seen: Mapping[str, str]) -> dict[bool, set[str]]:
    """The volumes that were seen: True -> the server's alone, False -> shared with others, or its before."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for name, volume in seen.items():
        if "volume " in name and ID.fullmatch(volume):
            found[not name.startswith(FORMER)].add(volume)
    return found


def _refused(reply: "Response") -> Receipt:
    said = short(reply.text)
    if PROTECTED in said.casefold():
        return Receipt(Outcome.LOCKED, PROTECTED)
    return Receipt(Outcome.FAILED, f"a refusal ({reply.status_code}): {said}")
