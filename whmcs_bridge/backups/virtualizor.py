"""The Virtualizor driver: backups of virtual machines, as its administrator's API lists them for one at a time.

Its deletion takes any file of any folder on any day, bound to no machine, and nobody says what becomes of backups when
a machine is deleted (facts sheet on backup stores, section 6.3 and question 4): only what `get_vps` has just listed for
the recorded number is ever sent back, and only once a person has proved on the real system that both do what they seem
to.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NOT_MINE, proved
from whmcs_bridge.backups.line import HttpLine, clock_skew, short
from whmcs_bridge.backups.names import locator_fault, shown
from whmcs_bridge.backups.recorded import former, present
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

VPSID: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
LIES: Final = re.compile(r"(?P<dir>/.+)/(?P<day>\d{8})/(?P<file>[^/]+)", re.ASCII)
SERVER: Final = re.compile(r"\d{1,9}", re.ASCII)
PAGE: Final = 1000
"""Machines asked for at once; it may give fewer."""
PAGES: Final = 1000
GET_VPS, DELETE = "get_vps", "delete"
"""What `proved` may say."""
ODD, UNDER = "odd", "listed under"
"""In an item's `meta`: why its name does not say whose it is; the machines that it was listed for."""
UNPROVED: Final[Mapping[str, str]] = {
    GET_VPS: "nobody has proved what get_vps says of a machine that is gone: delete a test machine that has backups, "
    'compare its list with the disks, and set proved = ["get_vps", ...]',
    DELETE: "nobody has proved what delete takes: delete one backup of a test machine by the API, see that this file "
    'and nothing else has gone from the disk, and set proved = [..., "delete"]',
}
RANDOM: Final = string.ascii_lowercase + string.digits
PATH: Final = "/index.php"
Row = Mapping[str, Any]


def open_store(given: BackupStoreSettings) -> "VirtualizorStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"store {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    return VirtualizorStore(
        given.name,
        options["url"],
        VirtualizorApi(line, given.name, options["api_pass"].reveal()),
        options["directories"],
        given.servers,
        endings=options["endings"],
        id_field=options["id_field"],
        proofs=options.get("proved", ()),
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class VirtualizorApi:
    """Calls of the administrator's API, each with a key of its own."""

    def __init__(self, line: HttpLine, name: str, api_pass: str) -> None:
        self.line, self._name, self._pass = line, name, api_pass
        self.skew: timedelta | None = None

    def __repr__(self) -> str:
        return f"VirtualizorApi({self._name!r})"

    def ask(self, act: str, /, body: Mapping[str, str] | None = None, **words: str) -> Row:
        """Return an answer; with a `body` it is posted. Raises StoreTrouble, also where it tells an error."""
        given = {"act": act, **words, "api": "json", "apikey": self._key()}
        reply = self.line.ask("GET" if body is None else "POST", PATH, params=given, data=body)
        self.skew = clock_skew(reply)
        found = self.line.json(reply)
        if not isinstance(found, dict):
            raise self.line.gap(f"another shape to {act}")
        if found.get("error"):
            raise self.line.gap(f"a refusal of {act}: {short(found['error'])}")
        return found

    def _key(self) -> str:
        """Eight random characters, and a digest of the password and them: the form that its own clients send."""
        drawn = "".join(secrets.choice(RANDOM) for _ in range(8))
        return drawn + hashlib.md5((self._pass + drawn).encode(), usedforsecurity=False).hexdigest()


class VirtualizorStore(SimpleStore):
    """The backups of every machine of one master that lives, and of those that are asked for by their number."""

    kind = "virtualizor"

    def __init__(
        self,
        name: str,
        url: str,
        api: VirtualizorApi,
        directories: Collection[str],
        servers: Collection[int],
        *,
        endings: Collection[str],
        id_field: str,
        proofs: Collection[str] = (),
        kept: timedelta | None = None,
    ) -> None:
        """`id_field` is what a machine's number is kept under, `proofs` what people have seen get_vps and delete do."""
        super().__init__(name, f"{url} {', '.join(directories)}", servers)
        self._api, self._directories, self._endings = api, frozenset(directories), frozenset(endings)
        self._field, self._proofs, self._kept = id_field, frozenset(proofs), kept or None
        self.caps = Capabilities(deletes=self._proofs >= {GET_VPS, DELETE})

    def close(self) -> None:
        self._api.line.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the machines, and the first one's backups, come whole; `items` looks at the others."""
        try:
            self._of(next(iter(self._living())))
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = tuple(UNPROVED[what] for what in UNPROVED if what not in self._proofs)
        return Probe(
            complete=True,
            clock_skew=self._api.skew,
            keeps_for=self._kept,
            notes=("backups at work are not seen", "a machine that is gone is asked for by its number", *notes),
        )

    def items(self) -> Iterable[BackupItem]:
        """Every backup of every machine that lives. Raises StoreTrouble where a list is not whole."""
        found: dict[str, BackupItem] = {}
        for vpsid in self._living():
            for item in self._of(vpsid):
                there = found.setdefault(item.locator, item)
                if replace(there, meta=item.meta) != item:
                    raise self._api.line.gap("one backup twice, and not the same")
                if there is not item and ODD in item.meta:
                    both = {**there.meta, UNDER: f"{there.meta[UNDER]} {item.meta[UNDER]}"}
                    found[item.locator] = replace(there, meta=both)
        return list(found.values())

    def residue(self, account: AccountIdentity) -> Iterable[BackupItem]:
        """What is listed for the account's machine, which its master does not list any more.

        Raises ViewIncomplete where nobody recorded its number, where it lives on without a backup, or where nobody has
        proved what the list of a machine that is gone says.
        """
        if not self.serves(account.server) or account.until is None:
            return ()
        vpsid = present(account, self._field, VPSID)
        if not vpsid:
            raise self._incomplete(
                f"no number of the machine of {account.username or 'the account'} was recorded as {self._field}: its "
                "backups cannot be told from others'"
            )
        living, found = self._living(), {item.locator: item for item in self._of(vpsid)}
        if vpsid in living and not found:
            raise self._incomplete(f"the machine {vpsid} lives, and may be backed up at any time")
        others = former(account, self._field, VPSID)
        gone = sorted({vpsid, *others} - set(living))
        if gone and GET_VPS not in self._proofs:
            raise self._incomplete(UNPROVED[GET_VPS])
        return [item for number in gone for item in (found.values() if number == vpsid else self._of(number))]

    def _living(self) -> list[str]:
        """The numbers of all machines. Raises ViewIncomplete where pages are missing or come twice."""
        found: dict[str, None] = {}
        for page in range(1, PAGES + 1):
            rows = self._api.ask("vs", page=str(page), reslen=str(PAGE)).get("vs")
            if rows in ({}, []) and found:
                return list(found)
            if rows in ({}, []):
                raise self._api.line.gap("no machine at all: the right to see them may be missing")
            if not isinstance(rows, dict) or not all(
                isinstance(row, dict) and VPSID.fullmatch(number) and str(row.get("vpsid")) == number
                for number, row in rows.items()
            ):
                raise self._api.line.gap("machines in another shape")
            if not found.keys().isdisjoint(rows):
                raise self._api.line.gap("the same machines on two pages")
            found.update(dict.fromkeys(rows))
        raise self._api.line.gap("pages without end")

    def _of(self, vpsid: str) -> list[BackupItem]:
        """What is listed for one machine."""
        answer = self._api.ask("vpsrestore", op=GET_VPS, vpsid=vpsid)
        days, server = answer.get("backup_list"), str(answer.get("vps_backup_server") or 0)
        if days == [] and not isinstance(days, str):
            days = {}
        if not isinstance(days, dict) or not SERVER.fullmatch(server):
            raise self._api.line.gap("backups in another shape")
        found = [self._item(vpsid, server, str(day), row) for day, rows in days.items() for row in self._rows(rows)]
        if len({item.locator for item in found}) != len(found):
            raise self._api.line.gap("one backup twice for one machine")
        return found

    def _rows(self, rows: object) -> Iterator[Row]:
        every = list(rows.values()) if isinstance(rows, dict) else rows
        if not isinstance(every, list):
            raise self._api.line.gap("a day's backups in another shape")
        for row in every:
            if not isinstance(row, dict) or not isinstance(row.get("abs_path"), str) or "size" not in row:
                raise self._api.line.gap("a backup in another shape")
            yield row

    def _item(self, vpsid: str, server: str, listed_on: str, row: Row) -> BackupItem:
        path, size = row["abs_path"], _whole(row["size"])
        owner, day, odd = self._read(path, listed_on)
        return BackupItem(
            self.name,
            shown(f"{server}:{path}"),
            size=size,
            etag=f"{listed_on}-{size}",
            owner_hint=owner or None,
            account=owner,
            made_on=day,
            meta={ODD: odd, UNDER: f"#{vpsid}"} if odd else {},
        )

    def _read(self, path: str, listed_on: str) -> tuple[str, date | None, str]:
        """Return the number of the machine in a backup's name, its day, and what is odd about it."""
        lies = LIES.fullmatch(path)
        if lies is None or locator_fault(path[1:]):
            return "", None, "its path is none that Virtualizor gives"
        if lies["dir"] not in self._directories:
            return "", None, "it lies in none of the folders of the settings"
        vpsid, _, ending = lies["file"].partition(".")
        if not VPSID.fullmatch(vpsid) or ending not in self._endings:
            return "", None, "its name is not a machine's number and one of the endings of the settings"
        try:
            day = date(int(lies["day"][:4]), int(lies["day"][4:6]), int(lies["day"][6:]))
        except ValueError:
            return "", None, "there is no such day"
        return (vpsid, day, "") if lies["day"] == listed_on else ("", None, "it lies in another day's folder")

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the backup is, by the recorded number of the machine and its day."""
        if item.store != self.name:
            return NOT_MINE
        vpsid, before = present(account, self._field, VPSID), former(account, self._field, VPSID)
        own = {f"#{number}" for number in (vpsid, *before) if number}
        if ODD in item.meta:
            listed = own.intersection(item.meta.get(UNDER, "").split())
            why = f"it is listed for the machine, but {item.meta[ODD]}"
            return Claim(Verdict.AMBIGUOUS, (), why) if listed else NOT_MINE
        if item.account and item.account in before:
            return Claim(Verdict.AMBIGUOUS, (), f"the machine {item.account} was recorded for it before another one")
        if not vpsid or item.account != vpsid:
            return NOT_MINE
        proofs = ("recorded number of the machine",)
        found = proved(item, replace(account, proofs={}), proofs)
        if found.verdict is Verdict.MINE:
            return replace(found, proven=True)
        return Claim(Verdict.AMBIGUOUS, proofs, f"its machine is the account's, but it was {found.why}")

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Delete this one file, if its machine is gone and still has exactly this listed."""
        for what, why in UNPROVED.items():
            if what not in self._proofs:
                return Receipt(Outcome.REFUSED, why)
        server, _, path = item.locator.partition(":")
        lies = LIES.fullmatch(path)
        if item.store != self.name or lies is None or not self._named(item, server, path):
            return Receipt(Outcome.REFUSED, "it is no backup of this store that may be deleted")
        try:
            if item.account in self._living():
                return Receipt(Outcome.REFUSED, f"the machine {item.account} lives")
            now = next((other for other in self._of(item.account) if other.locator == item.locator), None)
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        if now is None:
            return Receipt(Outcome.GONE_BEFORE)
        if now != item:
            return Receipt(Outcome.REFUSED, "it is not what was listed")
        body = {"delete": lies["file"], "dir": lies["dir"], "date": lies["day"]}
        return self._send(body | ({"bid": server} if server != "0" else {}))

    def _named(self, item: BackupItem, server: str, path: str) -> bool:
        """The item's path says what the item says, and is one that may be sent."""
        if not SERVER.fullmatch(server) or item.meta or item.made_on is None:
            return False
        return self._read(path, f"{item.made_on:%Y%m%d}") == (item.account, item.made_on, "")

    def _send(self, body: Mapping[str, str]) -> Receipt:
        try:
            answer = self._api.ask("vpsrestore", body)
        except (StoreUnreachable, ViewIncomplete) as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        if answer.get("delete_done") in (1, True, "1"):
            return Receipt(Outcome.DELETED)
        return Receipt(Outcome.UNKNOWN, "it does not say that it has deleted anything")

    def _incomplete(self, why: str) -> ViewIncomplete:
        return ViewIncomplete(f"store {self.name}: {why}")


def _whole(value: object) -> int | None:
    """A size in bytes, which comes as a number or as digits."""
    text = str(value)
    return int(text) if text.isdecimal() and text.isascii() else None
