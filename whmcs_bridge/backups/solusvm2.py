"""The SolusVM 2 driver: sees that a server's backups are gone with the server; it deletes nothing.

SolusVM 2 deletes backups with their server (facts sheet on backup stores, section 6.4), and nothing lists those of a
server that is gone. So what a server has is listed while it lives and kept in the journal; afterwards the panel has to
say of the server, and of each of these backups by its number, that it knows no such thing. A list that was never made,
or too long before the end, or by another user, proves nothing.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NOT_MINE, proved
from whmcs_bridge.backups.line import HttpLine, clock_skew, short
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
from whmcs_bridge.errors import StoreTrouble, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
API: Final = "/api/v1"
PAGES: Final = 10_000
UUID: Final = "uuid"
"""In an item's `meta`: the server's. Kept of an account too."""
SERVER, BACKUPS, LISTED_AS = "server", "backups", "listed as"
"""Kept of an account: the numbers of its server, of that one's backups as "#1 #2", and of the user whose token has
listed them."""
WITH_THE_SERVER: Final = "SolusVM 2 deletes backups with their server; delete the server, or these in the panel"
Row = Mapping[str, Any]


def open_store(given: BackupStoreSettings) -> "SolusStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"store {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    return SolusStore(
        given.name,
        options["url"],
        SolusApi(line, given.name, options["token"].word()),
        given.servers,
        id_field=options["id_field"],
        listed_within=timedelta(hours=options["listed_within_hours"]),
    )


class SolusApi:
    """Requests whose answer is `data`, a row or pages of rows; or that there is no such thing."""

    def __init__(self, line: HttpLine, name: str, token: str) -> None:
        self.line, self._name, self._token = line, name, token
        self.skew: timedelta | None = None

    def __repr__(self) -> str:
        return f"SolusApi({self._name!r})"

    def one(self, path: str) -> Row | None:
        """Return one row; None where the panel itself says that it has none. Raises StoreTrouble."""
        found = self._ask(path, missing=True)
        if found is None:
            return None
        row = found.get("data")
        if not isinstance(row, dict) or type(row.get("id")) is not int:
            raise self.line.gap(f"another shape to {path}")
        return row

    def all(self, path: str) -> list[Row]:
        """Return the rows of all pages. Raises ViewIncomplete where one is missing or comes twice."""
        found: dict[int, Row] = {}
        first: list[Row] = []
        for page in range(1, PAGES + 1):
            answer = self._ask(path, page=str(page))
            rows = (answer or {}).get("data")
            if not isinstance(rows, list) or not all(isinstance(r, dict) and type(r.get("id")) is int for r in rows):
                raise self.line.gap(f"a list in another shape to {path}")
            first = first or rows
            if not rows or (page == 2 and rows == first):  # a list without pages is the same on each
                return self._counted(path, list(found.values()), answer or {})
            if len({row["id"] for row in rows} - found.keys()) != len(rows):
                raise self.line.gap(f"the same rows twice to {path}")
            found.update({row["id"]: row for row in rows})
        raise self.line.gap(f"pages without end to {path}")

    def _counted(self, path: str, rows: list[Row], answer: Row) -> list[Row]:
        meta = answer.get("meta")
        total = meta.get("total") if isinstance(meta, dict) else None
        if total is not None and str(total) != str(len(rows)):
            raise self.line.gap(f"{len(rows)} of {short(total)} rows to {path}")
        return rows

    def _ask(self, path: str, *, missing: bool = False, **words: str) -> Row | None:
        login = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        takes = (404,) if missing else ()
        reply = self.line.ask("GET", f"{API}/{path}", takes=takes, params=words, headers=login)
        self.skew = clock_skew(reply)
        found = self.line.json(reply)
        if not isinstance(found, dict):
            raise self.line.gap(f"another shape to {path}")
        if reply.status_code == 404:
            if "data" in found or "message" not in found:
                raise self.line.gap(f"a 404 that is not the panel's own to {path}")
            return None
        return found


class SolusStore(SimpleStore):
    """The backups of every server of one panel, and those that its servers had before they were deleted."""

    kind = "solusvm2"
    caps = Capabilities(deletes=False)

    def __init__(
        self,
        name: str,
        url: str,
        api: SolusApi,
        servers: Collection[int],
        *,
        id_field: str,
        listed_within: timedelta,
    ) -> None:
        """`id_field` is what a server's number is kept under, `listed_within` the age of its last list at its end."""
        super().__init__(name, url, servers)
        self._api, self._field, self._within = api, id_field, listed_within

    def close(self) -> None:
        self._api.line.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the token is an administrator's, and that the servers come whole; `items` looks at their backups."""
        try:
            self._servers_listed()
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = ("it deletes backups with their server: nothing is sent, what was listed before is looked for",)
        return Probe(complete=True, clock_skew=self._api.skew, notes=notes)

    def items(self) -> Iterable[BackupItem]:
        """Every backup of every server that lives. Raises StoreTrouble where a list is not whole."""
        return [item for server in self._servers_listed() for item in self._of(server)]

    def _servers_listed(self) -> list[Row]:
        self._api.all("backup_nodes")  # only an administrator may; others see their own servers only, and no error
        rows = self._api.all("servers")
        if not rows:
            raise self._api.line.gap("no server at all: the right to see them may be missing")
        if not all(isinstance(row.get(UUID), str) and row[UUID] for row in rows):
            raise self._api.line.gap("servers in another shape")
        return rows

    def _of(self, server: Row) -> Iterator[BackupItem]:
        number, uuid = server["id"], str(server[UUID])
        for row in self._api.all(f"servers/{number}/backups"):
            machine = row.get("compute_resource_vm")
            if isinstance(machine, dict) and machine.get("id") not in (None, number):
                raise self._api.line.gap("a backup of another server than the one that was asked for")
            yield self._item(row, str(number), uuid)

    def _item(self, row: Row, server: str, uuid: str) -> BackupItem:
        number = str(row["id"])
        return BackupItem(
            self.name,
            f"backups/{number}",
            at=_time(row.get("created_at")),
            version=number,
            etag=f"{row.get('created_at')}-{row.get('size')}",
            owner_hint=server or None,
            account=server,
            meta={UUID: uuid} if uuid else {},
        )

    # --- what a server had ------------------------------------------------------------------------

    def capture(self, account: AccountIdentity) -> Mapping[str, str]:
        """The numbers of its server's backups now, and whose token has seen them; {} where it has no server here."""
        number = present(account, self._field, NUMBER)
        server = self._api.one(f"servers/{number}") if number and self.serves(account.server) else None
        if server is None:
            return {}
        items = list(self._of({**server, UUID: str(server.get(UUID) or "")}))
        return {
            SERVER: f"#{number}",
            UUID: str(server.get(UUID) or ""),
            BACKUPS: " ".join(f"#{item.version}" for item in items),
            LISTED_AS: self._user(),
        }

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """What the panel still knows of the backups that the account's server had.

        Raises ViewIncomplete where that proves nothing: no number was recorded, nothing was listed in time or by the
        same user, the server lives, or another one has its number.
        """
        if not self.serves(account.server) or account.until is None:
            return ()
        number, before = self._known(account)
        if not number:
            raise self._incomplete(
                f"no number of the server of {account.username or 'the account'} was recorded as {self._field}"
            )
        if other := sorted(former(account, self._field, NUMBER)):
            raise self._incomplete(f"it had another server before, {other[0]}: look at that one's backups by hand")
        server = self._api.one(f"servers/{number}")
        if server is not None:
            return self._while_it_lives(server, before)
        if not before:
            raise self._incomplete(f"nothing was listed of server {number} while it lived: look at its backup node")
        self._must_be_fresh(account, number, before)
        if self._user() != before.get(LISTED_AS):
            raise self._incomplete(f"the backups of server {number} were listed by another user of the panel")
        rows = (self._api.one(f"backups/{one}") for one in _numbers(before))
        return [self._left(row) for row in rows if row is not None]

    def _while_it_lives(self, server: Row, before: Mapping[str, str]) -> tuple[BackupItem, ...]:
        if before.get(UUID) and server.get(UUID) != before[UUID]:
            raise self._incomplete(f"another server has the number {server['id']}")
        if not self._api.all(f"servers/{server['id']}/backups"):
            raise self._incomplete(f"server {server['id']} lives, and may be backed up at any time")
        return ()

    def _must_be_fresh(self, account: AccountIdentity, number: str, before: Mapping[str, str]) -> None:
        assert account.until is not None
        if listed := too_old(before, account.until, self._within):
            raise self._incomplete(
                f"what server {number} had was listed last on {listed}, too long before its end on {account.until}: "
                "look at its backup node"
            )

    def _left(self, row: Row) -> BackupItem:
        machine = row.get("compute_resource_vm")
        machine = machine if isinstance(machine, dict) else {}
        return self._item(row, str(machine.get("id") or ""), str(machine.get(UUID) or ""))

    def _user(self) -> str:
        """The number of the token's user."""
        found = self._api.one("account")
        if found is None:
            raise self._api.line.gap("no account of the token's own")
        return f"#{found['id']}"

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the backup is, by the recorded number of its server, or its own."""
        if item.store != self.name:
            return NOT_MINE
        number, before = self._known(account)
        by_server = bool(number) and item.account == number
        by_number = (item.version or "-") in _numbers(before)
        if not by_server and not by_number:
            return NOT_MINE
        proofs = ("recorded number of the server",) * by_server + ("listed while its server lived",) * by_number
        uuid, known = item.meta.get(UUID, ""), before.get(UUID, "")
        if uuid and known and uuid != known:
            return Claim(Verdict.AMBIGUOUS, proofs, "its server has another uuid")
        found = proved(replace(item, meta={}), replace(account, proofs={}), proofs)
        if found.verdict is Verdict.MINE:
            return replace(found, proven=True)
        return Claim(Verdict.AMBIGUOUS, proofs, f"its server is the account's, but it was {found.why}")

    def _known(self, account: AccountIdentity) -> tuple[str, Mapping[str, str]]:
        """The recorded number of its server, and what was kept of this very server."""
        number, before = present(account, self._field, NUMBER), captured(account, self.name)
        return number, before if before.get(SERVER) == f"#{number}" else {}

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Refuse: the panel deletes them, and a person what it has left."""
        return Receipt(Outcome.REFUSED, WITH_THE_SERVER)

    def _incomplete(self, why: str) -> ViewIncomplete:
        return ViewIncomplete(f"store {self.name}: {why}")


def _numbers(before: Mapping[str, str]) -> list[str]:
    """The numbers of backups that were kept; nothing that could be anything else in an address."""
    given = (word.removeprefix("#") for word in before.get(BACKUPS, "").split())
    return [number for number in given if NUMBER.fullmatch(number)]


def _time(value: object) -> datetime | None:
    """A time with its zone; one without says nothing."""
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
