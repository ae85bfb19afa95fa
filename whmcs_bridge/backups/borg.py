"""The borg driver: single archives of a repository that many accounts share, by name and id.

`-P bob` also finds bob1's, a deletion of an unknown archive ends with 0, and `borg delete` without an archive takes
the whole repository (facts sheet on backup stores, section 7.3): all are listed, compared here, and one is deleted by a
name that cannot be empty, whose id was looked at just before.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import Any

from whmcs_bridge.backups.base import PathStore
from whmcs_bridge.backups.layouts import Layout, custom
from whmcs_bridge.backups.names import segment_fault, shown
from whmcs_bridge.backups.programs import Program, ProgramFailed, ProgramTimedOut, did_nothing
from whmcs_bridge.domain.backups import BackupItem, Capabilities, Outcome, Probe, Receipt
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings

WARNING = 1
"""Borg's code for: done, and something is to be said."""


def open_store(given: BackupStoreSettings) -> "BorgStore":
    """Return the store of these settings; nothing is run yet."""
    options = given.options
    ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes"
    if "identity_file" in options:
        ssh += f" -i {quote(str(options['identity_file']))}"
    environment = {"BORG_REPO": options["repository"], "BORG_RSH": ssh, "BORG_RELOCATED_REPO_ACCESS_IS_OK": "no"}
    if options["unencrypted"]:
        environment["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
    else:
        environment["BORG_PASSPHRASE"] = options["passphrase"].reveal()
    return BorgStore(
        given.name,
        options["repository"],
        custom(options["template"], options["user_characters"]),
        Program(given.name, "borg", environment, options["timeout_seconds"]),
        given.servers,
        append_only=options["append_only"],
        compact=options["compact"],
        kept=timedelta(days=options["bytes_kept_days"]),
    )


class BorgStore(PathStore):
    """Every archive of one repository."""

    kind = "borg"
    caps = Capabilities(conditional_delete=True)

    def __init__(
        self,
        name: str,
        repository: str,
        layout: Layout,
        program: Program,
        servers: Collection[int] = (),
        *,
        append_only: bool = False,
        compact: bool = True,
        kept: timedelta | None = None,
    ) -> None:
        super().__init__(name, repository, layout, servers, kept=kept)
        self._program, self._append_only, self._compact = program, append_only, compact
        if append_only:
            self.caps = Capabilities(deletes=False)

    # --- reading ---------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """See that the repository opens, and whether a backup holds its lock."""
        try:
            self._archives()
        except StoreTrouble as trouble:
            return Probe(complete=False, why=str(trouble))
        notes = ["the server keeps what is deleted: nothing can be deleted from here"] if self._append_only else []
        if not self._compact and not self._append_only:
            notes.append("bytes stay until somebody compacts the repository")
        busy, unknown = self._busy()
        return Probe(complete=True, busy=busy, keeps_for=self._kept, notes=(*notes, *unknown))

    def _busy(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Whose backup is at work, and what is to be said where this login may not see it."""
        try:
            self._run("list", "--json", "--last", "1", "--lock-wait", "0")
        except ProgramFailed as failed:
            said = failed.said.casefold()
            if "permission denied" in said or "read-only" in said:
                return (), ("whether a backup is at work is unknown: this login may not lock the repository",)
            if "lock" in said:
                return ("*",), ()
            raise
        return (), ()

    def items(self) -> Iterable[BackupItem]:
        """Every archive, checkpoints too. Raises StoreTrouble where the list cannot be read whole."""
        return [self._item(row) for row in self._archives()]

    def _item(self, row: Mapping[str, Any]) -> BackupItem:
        return self.made(shown(row["name"]), at=_time(row["time"]), version=row["id"], etag=row["id"])

    # --- deleting --------------------------------------------------------------------------------

    def delete(self, item: BackupItem) -> Receipt:
        """Delete this archive by its name, if the name still has the id that was listed; then list again."""
        if item.store != self.name or not item.version or item.etag != item.version:
            return Receipt(Outcome.REFUSED, "it is no archive of this store")
        if fault := _name_fault(item.locator):
            return Receipt(Outcome.REFUSED, f"its name has {fault}")
        if self._append_only:
            return Receipt(Outcome.REFUSED, "the repository is append-only: a deletion could be rolled back")
        sent = done = False
        try:
            here = {row["id"]: row["name"] for row in self._archives()}
            if item.version not in here:
                by_name = item.locator in here.values()
                return Receipt(Outcome.REFUSED, "another archive has its name now") if by_name else _BEFORE
            if here[item.version] != item.locator or list(here.values()).count(item.locator) != 1:
                return Receipt(Outcome.REFUSED, "its name is another one's")
            sent = True
            self._delete(item.locator)
            done = True
            if any(row["id"] == item.version for row in self._archives()):
                return Receipt(Outcome.FAILED, "borg says that it is gone, and lists it")
        except ProgramTimedOut as late:
            return Receipt(Outcome.UNKNOWN, str(late))
        except StoreTrouble as trouble:
            maybe = done or (sent and not did_nothing(trouble))
            return Receipt(Outcome.UNKNOWN if maybe else Outcome.FAILED, str(trouble))
        return Receipt(Outcome.DELETED, self._compacted())

    def _delete(self, name: str) -> None:
        """Run `borg delete ::NAME`; without a name it would take the whole repository."""
        if _name_fault(name):
            raise StoreTrouble(f"store {self.name}: {name!r} is no archive's name")
        try:
            self._run("delete", f"::{name}")
        except ProgramFailed as failed:
            if failed.code != WARNING:
                raise

    def _compacted(self) -> str:
        """Free the bytes; what hinders it is told, and the archive is gone all the same."""
        if not self._compact:
            return "deleted; its bytes stay until the repository is compacted"
        try:
            self._run("compact")
        except StoreTrouble as trouble:
            return f"deleted; its bytes stay until the next compact: {trouble}"
        return "deleted and compacted"

    # --- the program -----------------------------------------------------------------------------

    def _archives(self) -> list[Mapping[str, Any]]:
        text = self._run("list", "--json", "--consider-checkpoints", "--bypass-lock")
        try:
            rows = json.loads(text)["archives"]
        except (ValueError, KeyError, TypeError, RecursionError):
            rows = None
        whole = isinstance(rows, list) and all(
            isinstance(row, dict)
            and all(isinstance(row.get(field), str) for field in ("id", "name", "time"))
            and _is_time(row["time"])
            for row in rows
        )
        if not whole:
            raise ViewIncomplete(f"store {self.name}: borg's list of archives cannot be read")
        assert isinstance(rows, list)
        return rows

    def _run(self, *arguments: str) -> str:
        try:
            return self._program.run(*arguments)
        except ProgramFailed as failed:
            said = failed.said.casefold()
            if "does not exist" in said or "is not a valid repository" in said or "connection closed" in said:
                raise StoreUnreachable(f"store {self.name}: no Borg repository at {self.root}") from None
            if "passphrase" in said and ("incorrect" in said or "wrong" in said or "enter" in said):
                raise StoreAuthFailed(f"store {self.name}: borg does not take the passphrase") from None
            if "unencrypted" in said:
                raise StoreAuthFailed(
                    f"store {self.name}: the repository has no passphrase; unencrypted = true says so"
                ) from None
            raise


_BEFORE = Receipt(Outcome.GONE_BEFORE)


def _name_fault(name: str) -> str:
    """What is wrong with an archive's name; "" for nothing."""
    return "two colons, which stand before a name" if "::" in name or name.startswith(":") else segment_fault(name)


def _is_time(text: str) -> bool:
    try:
        _time(text)
    except (ValueError, OverflowError):
        return False
    return True


def _time(text: str) -> datetime:
    """Borg writes the process's local time, which is UTC here."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
