"""The restic driver: single snapshots of a repository that many accounts share, by their full ids.

`--path` also finds snapshots that hold other paths, `forget` of an unknown id ends with 0, `forget --tag` deletes by
pattern, short ids are prefixes (facts sheet on backup stores, section 7.2): all are listed, compared here, and
forgotten one full id at a time.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from whmcs_bridge.backups.base import SimpleStore
from whmcs_bridge.backups.claim import NAME, NOT_MINE, proved
from whmcs_bridge.backups.programs import Program, ProgramFailed, ProgramTimedOut, did_nothing
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
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

FULL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
USER: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
LISTED_AGAIN: Final = 3
"""How often the list and its ids are compared: a backup may end, or a snapshot go, between the two."""
TAGS, PATHS, HOST = "tags", "paths", "host"
"""In an item's `meta`: JSON lists, and a name."""


def open_store(given: BackupStoreSettings) -> "ResticStore":
    """Return the store of these settings; nothing is run yet."""
    options = given.options
    environment = {"RESTIC_REPOSITORY": options["repository"], "RESTIC_PASSWORD": options["password"].reveal()}
    if "access_key" in options:
        environment["AWS_ACCESS_KEY_ID"] = options["access_key"].reveal()
        environment["AWS_SECRET_ACCESS_KEY"] = options["secret_key"].reveal()
    return ResticStore(
        given.name,
        options["repository"],
        Program(given.name, "restic", environment, options["timeout_seconds"]),
        given.servers,
        tag=options.get("tag", ""),
        path=options.get("path", ""),
        prune=options["prune"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class ResticStore(SimpleStore):
    """Every snapshot of one repository."""

    kind = "restic"
    caps = Capabilities(conditional_delete=True)

    def __init__(
        self,
        name: str,
        repository: str,
        program: Program,
        servers: Collection[int] = (),
        *,
        tag: str = "",
        path: str = "",
        prune: bool = True,
        kept: timedelta | None = None,
    ) -> None:
        """`tag` and `path` hold {user}; at least one is given."""
        super().__init__(name, repository, servers)
        if not tag and not path:
            raise StoreTrouble(f"store {name}: nothing says whose a snapshot is; set tag or path")
        self._program, self._tag, self._path, self._prune, self._kept = program, tag, path, prune, kept or None
        self._tag_pattern, self._path_pattern = _pattern(tag), _pattern(path)

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the repository opens, and whether a backup is at work in it."""
        try:
            self._snapshots()
            locks = self._run("list", "locks").split()
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = () if self._prune else ("bytes stay until somebody prunes the repository",)
        return Probe(complete=True, busy=("*",) if locks else (), keeps_for=self._kept, notes=notes)

    def items(self) -> Iterable[BackupItem]:
        """Every snapshot. Raises StoreTrouble where the list cannot be read whole."""
        return [self._item(row) for row in self._snapshots()]

    def _item(self, row: Mapping[str, Any]) -> BackupItem:
        number, tags, paths = row["id"], row.get("tags") or [], row["paths"]
        users = self._users(tags, paths)
        return BackupItem(
            self.name,
            number,
            at=_time(row["time"]),
            version=number,
            etag=number,
            owner_hint=", ".join([*tags, *paths])[:200],
            account=next(iter(users)) if len(users) == 1 else "",
            shared=len(paths) != 1 or len(users) > 1 or any(_holds(path, self._path) for path in paths),
            meta={TAGS: json.dumps(tags), PATHS: json.dumps(paths), HOST: str(row.get("hostname", ""))},
        )

    def _users(self, tags: Iterable[str], paths: Iterable[str]) -> set[str]:
        """Every account that a snapshot names, by either."""
        by_tag = {m["user"] for tag in tags if self._tag_pattern and (m := self._tag_pattern.fullmatch(tag))}
        by_path = {m["user"] for path in paths if self._path_pattern and (m := self._path_pattern.fullmatch(path))}
        return by_tag | by_path

    def claim(self, item: BackupItem, account: AccountIdentity) -> Claim:
        """Pure: whose the snapshot is, by its exact tag and path and by its time."""
        if item.store != self.name or not re.fullmatch(USER, account.username, re.ASCII):
            return NOT_MINE
        tags, paths = json.loads(item.meta.get(TAGS, "[]")), json.loads(item.meta.get(PATHS, "[]"))
        wanted_tag = self._tag.replace("{user}", account.username)
        wanted_path = self._path.replace("{user}", account.username)
        tagged, placed = bool(self._tag) and wanted_tag in tags, bool(self._path) and wanted_path in paths
        if self._path and any(_holds(path, wanted_path) for path in paths):
            return Claim(Verdict.SHARED, (), "the snapshot holds a folder that the account's lies in")
        if not tagged and not placed:
            if self._path and any(_holds(wanted_path, path) for path in paths):
                return Claim(Verdict.AMBIGUOUS, (), "the snapshot holds a part of the account's folder")
            return NOT_MINE
        if len(paths) != 1 or self._users(tags, paths) != {account.username}:
            return Claim(Verdict.SHARED, (NAME,), "the snapshot holds more than this account")
        if (self._tag and not tagged) or (self._path and not placed):
            return Claim(Verdict.AMBIGUOUS, (NAME,), "its tag and its path do not say the same")
        proofs = tuple(proof for proof, there in (("exact tag", tagged), ("exact path", placed)) if there)
        return proved(item, account, proofs)

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Forget this snapshot by its full id, if it is still listed, and prune."""
        if item.store != self.name or not FULL_ID.fullmatch(item.locator) or item.version != item.locator:
            return Receipt(Outcome.REFUSED, "it is no snapshot of this store")
        sent = False
        try:
            listed = {row["id"]: row for row in self._snapshots()}
            if item.locator not in listed:
                return Receipt(Outcome.GONE_BEFORE)
            if self._item(listed[item.locator]) != item:
                return Receipt(Outcome.REFUSED, "it is not what was listed")
            sent = True
            self._run("forget", item.locator, lock=True)
        except ProgramTimedOut as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            maybe = sent and not did_nothing(trouble)
            return Receipt(Outcome.UNKNOWN if maybe else Outcome.FAILED, str(trouble))
        return Receipt(Outcome.DELETED, self._pruned())

    def _pruned(self) -> str:
        """Free the bytes; what hinders it is told, and the snapshot is gone all the same."""
        if not self._prune:
            return "forgotten; its bytes stay until the repository is pruned"
        try:
            self._run("prune", lock=True)
        except StoreTrouble as trouble:
            return f"forgotten; its bytes stay until the next prune: {trouble}"
        return "forgotten and pruned"

    # --- the program -----------------------------------------------------------------------------

    def _snapshots(self) -> list[Mapping[str, Any]]:
        """Every snapshot there is: restic leaves out what it cannot load, and ends with 0."""
        for _ in range(LISTED_AGAIN):
            rows = self._loaded()
            missing = self._ids() - {row["id"] for row in rows}
            if not missing:
                return rows
        raise ViewIncomplete(
            f"store {self.name}: restic cannot load snapshot {min(missing)[:8]} and leaves it out; run restic check"
        )

    def _ids(self) -> set[str]:
        """The names of all snapshots, loadable or not."""
        ids = self._run("list", "snapshots").split()
        if not all(FULL_ID.fullmatch(one) for one in ids):
            raise ViewIncomplete(f"store {self.name}: restic's list of ids cannot be read")
        return set(ids)

    def _loaded(self) -> list[Mapping[str, Any]]:
        text = self._run("snapshots", "--json")
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            rows = None
        if rows is None and text.strip() == "null":
            return []
        whole = isinstance(rows, list) and all(_is_snapshot(row) for row in rows)
        if not whole:
            raise ViewIncomplete(f"store {self.name}: restic's list of snapshots cannot be read")
        assert isinstance(rows, list)
        return rows

    def _run(self, *arguments: str, lock: bool = False) -> str:
        """A listing takes no lock, so that it never hinders a backup, and no cache, so that it is never an old one."""
        try:
            return self._program.run(*arguments, "--no-cache", *(() if lock else ("--no-lock",)))
        except ProgramFailed as failed:
            said = failed.said.casefold()
            if failed.code == 12 or "wrong password" in said or "no key found" in said:
                raise StoreAuthFailed(f"store {self.name}: restic does not take the password") from None
            if failed.code == 10 or "unable to open config file" in said or "is there a repository" in said:
                raise StoreUnreachable(f"store {self.name}: no restic repository at {self.root}") from None
            raise


def _pattern(template: str) -> re.Pattern[str] | None:
    if not template:
        return None
    before, after = template.split("{user}")
    return re.compile(f"{re.escape(before)}(?P<user>{USER}){re.escape(after)}", re.ASCII)


def _holds(folder: str, path: str) -> bool:
    """The path lies below the folder."""
    return path != folder and path.startswith(f"{folder.rstrip('/')}/")


def _is_snapshot(row: object) -> bool:
    return (
        isinstance(row, dict)
        and bool(FULL_ID.fullmatch(str(row.get("id"))))
        and _are_words(row.get("paths"))
        and _are_words(row.get("tags") or [])
        and _is_time(row.get("time"))
    )


def _are_words(words: object) -> bool:
    return isinstance(words, list) and all(isinstance(word, str) for word in words)


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(_time(text))
    except (ValueError, OverflowError):
        return False


def _time(text: str) -> datetime:
    """Restic writes nanoseconds and a zone; Python reads no more than six digits."""
    short = re.sub(r"(\.[0-9]{1,6})[0-9]*", r"\1", text)
    return datetime.fromisoformat(short.replace("Z", "+00:00")).astimezone(UTC)
