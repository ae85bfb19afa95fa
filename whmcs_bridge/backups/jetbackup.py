"""The JetBackup 5 driver: snapshots of accounts on a panel's server, through its API over HTTP.

An unknown function answers without effect, a page is not the list, "no permissions" is an empty one, a deletion is only
marked, and an account of a name that was used before keeps the old one's backups (facts sheet on backup stores, section
5.2): success has to be said, every list is counted, and only what belongs to an orphaned account goes.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NAME, NOT_MINE, proved
from whmcs_bridge.backups.line import HttpLine, clock_skew, short
from whmcs_bridge.domain.backups import (
    AccountIdentity,
    BackupItem,
    Capabilities,
    Claim,
    LivingAccount,
    Outcome,
    Probe,
    Receipt,
    Verdict,
)
from whmcs_bridge.errors import StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

ID: Final = re.compile(r"[0-9a-f]{24}", re.ASCII)
USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
ACCOUNT_ID, ACCOUNT_UUID, PARENT = "jetbackup_id", "jetbackup_uuid", "parent"
"""In an item's `meta`; the first two also among what is recorded of an account."""
LOCK: Final = "lock"
ENOUGH: Final = 2
"""Backups of the test account: of one alone nobody sees whether a deletion took more."""
UNPROVED: Final = "which id deleteSnapshot takes has to be proved on a test account, then set deletes_by"
MAKE_ONE: Final = (
    f"{UNPROVED}: make an account that nobody needs on its server, back it up twice, set test_account to its name, and "
    "probe again for what to type"
)
PATHS: Final[Mapping[str, str]] = {
    "whm": "/cgi/addons/jetbackup5/api.cgi",
    "directadmin": "/CMD_PLUGINS_ADMIN/jetbackup5/index.raw",
    "linux": "/",
}
RENAMED: Final = Claim(Verdict.AMBIGUOUS, (), "its account's id is the recorded one, and it names another user")
Row = Mapping[str, Any]


def open_store(given: BackupStoreSettings) -> "JetBackupStore":
    """Return the store of these settings; nothing is asked yet."""
    options = given.options
    line = HttpLine(
        f"store {given.name}", options["url"], timeout=options["timeout_seconds"], ca_file=options.get("ca_file")
    )
    api = JetBackupApi(line, given.name, options["through"], options["user"], options["token"].word())
    return JetBackupStore(
        given.name,
        options["url"],
        api,
        given.servers,
        contains=options["contains"],
        deletes_by=options.get("deletes_by", ""),
        test_account=options.get("test_account", ""),
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class JetBackupApi:
    """Calls of JetBackup's functions; only success that is said is success."""

    def __init__(self, line: HttpLine, name: str, through: str, user: str, token: str) -> None:
        """`through` is what stands before it: whm, directadmin or linux."""
        self.line, self._name, self._path = line, name, PATHS[through]
        self._fixed = {} if through == "whm" else {"api": "1"}
        logins: Mapping[str, dict[str, Any]] = {
            "whm": {"headers": {"Authorization": f"whm {user}:{token}"}},
            "directadmin": {"auth": (user, token)},
            "linux": {"headers": {"Authorization": f"Bearer {user}:{token}"}},
        }
        self._login = logins[through]
        self.skew: timedelta | None = None

    def __repr__(self) -> str:
        return f"JetBackupApi({self._name!r})"

    def ask(self, function: str, **params: str) -> Row:
        """Return the whole envelope of an answer, whether it succeeded or not. Raises StoreTrouble."""
        words = {**self._fixed, "function": function, **params}
        reply = self.line.ask("GET", self._path, params=words, **self._login)
        self.skew = clock_skew(reply)
        found = self.line.json(reply)
        if not isinstance(found, dict) or "success" not in found:
            raise self.line.gap(f"another shape to {function}")
        return found

    def call(self, function: str, **params: str) -> Row:
        """Return the whole envelope of a call that succeeded. Raises StoreTrouble."""
        found = self.ask(function, **params)
        if not succeeded(found):
            raise self.line.gap(f"a refusal of {function}: {short(found.get('message'))}")
        return found

    def all(self, function: str, key: str, **params: str) -> list[Row]:
        """Return every row of a list. Raises ViewIncomplete where it is not the whole one."""
        found = self.call(function, limit="0", **params).get("data")
        rows = found.get(key) if isinstance(found, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and ID.fullmatch(_id(row)) for row in rows):
            raise self.line.gap(f"a list in another shape to {function}")
        assert isinstance(found, dict)
        if str(found.get("total")) != str(len(rows)) or len({_id(row) for row in rows}) != len(rows):
            raise self.line.gap(f"{len(rows)} of {short(found.get('total'))} rows to {function}")
        if "no permission" in str(rows).casefold():
            raise self.line.gap(f"no permissions to {function}")
        return rows


class JetBackupStore(SimpleStore):
    """Every account's snapshots in one JetBackup."""

    kind = "jetbackup"

    def __init__(
        self,
        name: str,
        url: str,
        api: JetBackupApi,
        servers: Collection[int] = (),
        *,
        contains: Collection[int],
        deletes_by: str = "",
        test_account: str = "",
        kept: timedelta | None = None,
    ) -> None:
        """`contains` are the values that the jobs here make; `deletes_by` is "_id", "parent_id" or not proved yet.

        `test_account` is one on which a person proves it.
        """
        super().__init__(name, url, servers)
        self._api, self._contains, self._by, self._kept = api, tuple(contains), deletes_by, kept or None
        self._test_account = test_account
        self.caps = Capabilities(locks=True, async_delete=True, deletes=bool(deletes_by))

    def close(self) -> None:
        self._api.line.close()

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the accounts and the first one's backups come whole; `items` looks at the others.

        As long as `deletes_by` is not proved, the notes say what a person has to type to prove it.
        """
        try:
            accounts = self._accounts()
            self._rows(next(iter(accounts)))
            proof = () if self._by else tuple(self._how_to_prove(accounts))
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = ("backups at work and copies of clone jobs are not seen", *proof)
        return Probe(complete=True, clock_skew=self._api.skew, keeps_for=self._kept, notes=notes)

    def _how_to_prove(self, accounts: Mapping[str, Row]) -> Iterator[str]:
        """Yield what to type on the server, with the ids of the test account's backups; nothing is sent."""
        name = self._test_account
        found = [number for number, row in accounts.items() if row["username"] == name]
        if not name or len(found) != 1:
            yield MAKE_ONE if not name else f"{MAKE_ONE} ({len(found)} accounts are called {short(name)} now)"
            return
        rows = sorted(self._rows(found[0]), key=lambda row: str(row.get("created") or ""))
        yield f"{UNPROVED}; {short(name)} has {len(rows)} backups:"
        for row in rows:
            yield f"  made {short(row.get('created'))}: _id {_id(row)}, parent_id {short(row.get('parent_id'))}"
        if len(rows) < ENOUGH:
            yield f"  make another backup of it: a loss shows only where {ENOUGH} are there; then probe again"
            return
        first, parent = _id(rows[0]), str(rows[0].get("parent_id") or "")
        if parent == first:
            yield 'both ids are the same here: set deletes_by = "_id"'
            return
        yield f"on its server, as root: jetbackup5api -F deleteSnapshot -D '_id={first}' -O json"
        yield f'when its queue is empty, probe again; is exactly {first} gone: set deletes_by = "_id"'
        if ID.fullmatch(parent):
            yield f"is nothing gone: jetbackup5api -F deleteSnapshot -D '_id={parent}' -O json"
            yield f'wait, probe again; is exactly {first} gone now: set deletes_by = "parent_id"'
        yield "is anything else gone, or nothing at all: leave deletes_by out; the bridge lists and staff deletes"

    def living(self) -> Mapping[str, LivingAccount]:
        """The accounts that JetBackup takes for living, by name, with its own ids of them.

        A name that two of them have is left out. Raises StoreTrouble where the list is not whole.
        """
        rows = [row for row in self._accounts().values() if row.get("orphan") in (0, False)]
        names = Counter(str(row["username"]) for row in rows)
        return {
            str(row["username"]): LivingAccount(
                str(row["username"]),
                domain=str(row.get("domain") or ""),
                ids={ACCOUNT_ID: _id(row), ACCOUNT_UUID: str(row.get("uuid") or "")},
            )
            for row in rows
            if names[str(row["username"])] == 1
        }

    def items(self) -> Iterable[BackupItem]:
        """Every snapshot of every account, orphaned or not. Raises StoreTrouble where a list is not whole."""
        accounts = self._accounts()
        found = [self._item(row, account) for account in accounts.values() for row in self._rows(_id(account))]
        if len({item.locator for item in found}) != len(found):
            raise self._api.line.gap("one backup under two accounts")
        return found

    def _accounts(self) -> dict[str, Row]:
        """Every account by its id: those that JetBackup calls orphaned have a list of their own."""
        found: dict[str, Row] = {}
        for orphan in ({}, {"orphan": "1"}):
            for row in self._api.all("listAccounts", "accounts", **orphan):
                if not row.get("username"):
                    raise self._api.line.gap("an account without a name")
                found[_id(row)] = row
        if not found:
            raise self._api.line.gap("no account at all: the right to list them may be missing")
        return found

    def _rows(self, account: str) -> list[Row]:
        found: dict[str, Row] = {}
        for contains in self._contains:
            for row in self._api.all("listBackups", "backups", type="1", contains=str(contains), account_id=account):
                if row.get("account_id") != account:
                    raise self._api.line.gap("a backup of another account than the one that was asked for")
                found[_id(row)] = row
        return [row for row in found.values() if not row.get("deleted")]

    def _item(self, row: Row, account: Row) -> BackupItem:
        number, size, user = _id(row), row.get("size"), str(account["username"])
        same = row.get("account") in (None, "", user)
        proofs = {ACCOUNT_ID: _id(account), ACCOUNT_UUID: str(account.get("uuid") or "")}
        return BackupItem(
            self.name,
            number,
            size=size if isinstance(size, int) else None,
            at=_time(row.get("created")),
            version=number,
            etag=f"{number}-{row.get('created')}-{size}",
            owner_hint=_id(account),
            account=user if same and USER.fullmatch(user) else "",
            lock=LOCK if row.get("lock") else "",
            meta={**proofs, PARENT: str(row.get("parent_id") or "")},
        )

    # --- whose -----------------------------------------------------------------------------------

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the snapshot is, by the account's name and its id, or its time."""
        if item.store != self.name:
            return NOT_MINE
        if not item.account or item.account != account.username:
            known = any(item.meta.get(name) in account.recorded(name) for name in (ACCOUNT_ID, ACCOUNT_UUID))
            return RENAMED if known else NOT_MINE
        return proved(item, account, (NAME,))

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Have one snapshot marked for deletion, if it is still what was listed and its account is gone."""
        if not self._by:
            return Receipt(Outcome.REFUSED, UNPROVED)
        if item.store != self.name or not ID.fullmatch(item.locator):
            return Receipt(Outcome.REFUSED, "it is no snapshot of this store")
        try:
            found = self._refusal(item)
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        if found is not None:
            return found
        number = item.locator if self._by == "_id" else item.meta[PARENT]
        try:
            answer = self._api.ask("deleteSnapshot", _id=number)
        except (StoreUnreachable, ViewIncomplete) as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            return Receipt(Outcome.FAILED, str(trouble))
        said = short(answer.get("message"))
        if not succeeded(answer):
            return Receipt(Outcome.FAILED, f"a refusal: {said}")
        if "marked" not in said.casefold():
            return Receipt(Outcome.UNKNOWN, f"it answers with {said}")
        return Receipt(Outcome.ACCEPTED, task=item.locator, item=item)

    def _refusal(self, item: BackupItem) -> Receipt | None:
        """What speaks against the deletion now; None is nothing."""
        account = self._accounts().get(item.meta.get(ACCOUNT_ID, ""))
        rows = self._rows(_id(account)) if account is not None else []
        now = {_id(row): self._item(row, account) for row in rows if account is not None}
        here = now.get(item.locator)
        if account is None or here is None:
            listed = any(other.locator == item.locator for other in self.items())
            return Receipt(Outcome.REFUSED, "it is not what was listed") if listed else Receipt(Outcome.GONE_BEFORE)
        if here.lock:
            return Receipt(Outcome.LOCKED, here.lock)
        if here != item:
            return Receipt(Outcome.REFUSED, "it is not what was listed")
        if account.get("orphan") not in (1, True):
            return Receipt(Outcome.REFUSED, "its account is not orphaned: JetBackup takes it for a living one")
        if self._by == "parent_id":
            with_it = [other for other in self.items() if other.meta[PARENT] == item.meta[PARENT]]
            if not ID.fullmatch(item.meta[PARENT]) or len(with_it) != 1:
                return Receipt(Outcome.REFUSED, "its snapshot holds other backups as well")
        return None

    def poll(self, receipt: Receipt) -> Receipt:
        """Return whether the snapshot has left the whole list; JetBackup's queue takes its time."""
        account = receipt.item.meta.get(ACCOUNT_ID, "") if receipt.item is not None else ""
        if not ID.fullmatch(account) or not ID.fullmatch(receipt.task):
            return Receipt(Outcome.UNKNOWN, "it is no deletion of this store's")
        there = account in self._accounts() and any(_id(row) == receipt.task for row in self._rows(account))
        there = there or any(item.locator == receipt.task for item in self.items())  # under another account by now
        return receipt if there else Receipt(Outcome.DELETED, item=receipt.item)


def succeeded(answer: Row) -> bool:
    """Only success that is said; an unknown function says nothing of the kind."""
    return answer.get("success") in (1, True)


def _id(row: Row) -> str:
    return str(row.get("_id") or "")


def _time(value: object) -> datetime | None:
    """A time with its zone; one without says nothing."""
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
