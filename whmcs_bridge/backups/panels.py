"""Panels that say over HTTPS who lives on a server: WHM, DirectAdmin, HestiaCP, VestaCP.

Each answer is believed only whole and in the shape that is known (facts sheet on backup stores, section 5): a failure
comes with status 200, an empty list may be a missing right, and whoever is taken for gone loses their backups.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from whmcs_bridge.backups.layouts import DIRECTADMIN
from whmcs_bridge.backups.line import HttpLine, short
from whmcs_bridge.domain.backups import LivingAccount
from whmcs_bridge.domain.panel_lists import PanelBackup, PanelDestination, PanelInventory
from whmcs_bridge.errors import StoreAuthFailed, ViewIncomplete
from whmcs_bridge.settings.model import PanelSettings

if TYPE_CHECKING:
    from requests import Response


def open_whm(given: PanelSettings) -> "Whm":
    """Return the panel of these settings."""
    return Whm(given)


def open_directadmin(given: PanelSettings) -> "DirectAdmin":
    """Return the panel of these settings."""
    return DirectAdmin(given)


def open_hestia(given: PanelSettings) -> "Hestia":
    """Return the panel of these settings."""
    return Hestia(given)


def open_vesta(given: PanelSettings) -> "Vesta":
    """Return the panel of these settings."""
    return Vesta(given)


class HttpPanel:
    """What the panels have in common: one checked line, and how its failures are told."""

    def __init__(self, given: PanelSettings) -> None:
        self._given = given
        self._line = HttpLine(
            f"panel {given.name}",
            given.options["url"],
            timeout=given.options["timeout_seconds"],
            ca_file=given.options.get("ca_file"),
        )

    @property
    def name(self) -> str:
        return self._given.name

    def serves(self, server: int) -> bool:
        """It is the panel of this WHMCS server."""
        return server in self._given.servers

    def living(self) -> Mapping[str, LivingAccount]:
        """Every account that lives now, by name; raises StoreTrouble for anything but a whole answer."""
        found: dict[str, LivingAccount] = {}
        for account in self._accounts():
            if not account.username:
                raise self._gap("an account without a name")
            found[account.username] = account
        if not found:
            raise self._gap("no account at all: the right to list them may be missing")
        return found

    def _accounts(self) -> Iterable[LivingAccount]:
        raise NotImplementedError

    def inventory(self) -> PanelInventory | None:
        """What the panel lists of backups and where it sends them; None where it has no such list."""
        return None

    def close(self) -> None:
        """Give the connection back."""
        self._line.close()

    def _secret(self, name: str) -> str:
        value: str = self._given.options[name].reveal()
        return value

    def _ask(self, method: str, path: str, **words: Any) -> "Response":
        return self._line.ask(method, path, **words)

    def _json(self, reply: "Response") -> Any:
        return self._line.json(reply)

    def _gap(self, what: str) -> ViewIncomplete:
        return self._line.gap(what)


class Whm(HttpPanel):
    """cPanel & WHM's API 1; a failure has status 200 and metadata.result 0."""

    def _accounts(self) -> Iterable[LivingAccount]:
        rows = self._call("listaccts").get("acct")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("user") for row in rows):
            raise self._gap("a list in another shape")
        for row in rows:
            born = row.get("unix_startdate") or row.get("startdate") or ""
            identity = f"{row['uid']}:{born}" if row.get("uid") and born else ""
            owner = str(row.get("owner") or "")
            yield LivingAccount(
                str(row["user"]), identity, str(row.get("domain") or ""), "" if owner == row["user"] else owner
            )

    def inventory(self) -> PanelInventory:
        """Every account of every restore point, living or not, and all destinations (facts sheet 5.1).

        Raises StoreTrouble where the token may not ask for the lists of backups.
        """
        days = self._rows("backup_date_list", "backup_set")
        backups = [backup for day in days for backup in self._restore_point(str(day))]
        elsewhere = map(self._destination, self._rows("backup_destination_list", "destination_list"))
        note = "it lists restore points that it still knows; files of sets that it has forgotten are not among them"
        return PanelInventory(tuple(backups), (self._local(), *elsewhere), (note,))

    def _restore_point(self, day: str) -> Iterator[PanelBackup]:
        for row in self._rows("backup_user_list", "user", restore_point=day):
            if not isinstance(row, dict) or not row.get("username"):
                raise self._gap("a list of backed up accounts in another shape")
            if row.get("status") != "no_backup":
                yield PanelBackup(str(row["username"]), day, _day(day))

    def _local(self) -> PanelDestination:
        config = self._call("backup_config_get").get("backup_config")
        if not isinstance(config, dict) or not config.get("backupdir"):
            raise self._gap("a backup configuration in another shape")
        kept = _yes(config.get("backupenable", 1)) and _yes(config.get("keeplocal", 1))
        return PanelDestination("backupdir", "Local", path=str(config["backupdir"]), used=kept)

    def _destination(self, row: Any) -> PanelDestination:
        if not isinstance(row, dict) or not row.get("type"):
            raise self._gap("a list of destinations in another shape")
        where = str(row.get("bucket") or row.get("host") or "")
        path = str(row.get("folder") or row.get("path") or "")
        return PanelDestination(
            str(row.get("name") or row.get("id") or ""), str(row["type"]), where, path, not _yes(row.get("disabled"))
        )

    def _rows(self, function: str, key: str, **params: str) -> list[Any]:
        rows = self._call(function, **params).get(key)
        if not isinstance(rows, list):
            raise self._gap(f"a list in another shape to {function}")
        return rows

    def _call(self, function: str, **params: str) -> Mapping[str, Any]:
        options = self._given.options
        reply = self._json(
            self._ask(
                "GET",
                f"/json-api/{function}",
                params={"api.version": "1", **params},
                headers={"Authorization": f"whm {options['user']}:{self._secret('token')}"},
            )
        )
        metadata = reply.get("metadata") if isinstance(reply, dict) else None
        if not isinstance(metadata, dict) or metadata.get("result") != 1:
            reason = metadata.get("reason") if isinstance(metadata, dict) else "another shape"
            raise self._gap(f"a refusal to {function}: {short(reason)}")
        data = reply.get("data") or {}
        if not isinstance(data, dict):
            raise self._gap(f"data in another shape to {function}")
        return data


class DirectAdmin(HttpPanel):
    """DirectAdmin's legacy lists; users, resellers and admins are three of them."""

    LISTS: Final = ("CMD_API_SHOW_ALL_USERS", "CMD_API_SHOW_RESELLERS", "CMD_API_SHOW_ADMINS")
    NEVER_EMPTY: Final = ("CMD_API_SHOW_ALL_USERS", "CMD_API_SHOW_ADMINS")

    def _accounts(self) -> Iterable[LivingAccount]:
        names: set[str] = set()
        for command in self.LISTS:
            names.update(self._list(command))
        return [LivingAccount(name) for name in sorted(names)]

    def inventory(self) -> PanelInventory:
        """The admin's own archives, counted, and where the schedules send theirs (facts sheet 5.3).

        Raises StoreTrouble where the login key may not ask for them. Archives of resellers and users are not in it.
        """
        fields = self._fields("CMD_API_ADMIN_BACKUP")
        names = [str(value) for key, value in fields.items() if key.startswith("file") and key[4:].isdigit()]
        if not str(fields.get("num_files", "")).isdigit() or int(str(fields["num_files"])) != len(names):
            raise self._gap(f"{len(names)} archives where it counts {short(fields.get('num_files'))}")
        backups = [PanelBackup(DIRECTADMIN.read(name).account, name) for name in names]
        found = [PanelDestination("admin backups", "local", path=str(fields.get("location") or ""))]
        found += [self._scheduled(row) for row in self._schedules()]
        note = "it lists the admin's archives only; those of resellers and users lie in their homes"
        return PanelInventory(tuple(backups), tuple(dict.fromkeys(found)), (note,))

    def _schedules(self) -> list[Any]:
        fields = self._fields("CMD_ADMIN_BACKUP", tab="scheduled")
        rows = fields.get("crons")
        rows = list(rows.values()) if isinstance(rows, dict) else rows
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._gap("schedules in another shape")
        return rows

    def _scheduled(self, row: Mapping[str, Any]) -> PanelDestination:
        host = str(row.get("ftp_ip") or "") if row.get("where") == "ftp" else ""
        path = str(row.get("ftp_path" if host else "local_path") or "")
        return PanelDestination("schedule", str(row.get("where") or "?"), host, path)

    def _fields(self, command: str, **more: str) -> Mapping[str, Any]:
        """Return the named fields of an answer in either of its two shapes."""
        reply = self._send(command, **more)
        text = reply.text.strip()
        found = self._json(reply) if text.startswith("{") else {k: v[0] for k, v in parse_qs(text).items()}
        if not isinstance(found, dict) or not found:
            raise self._gap(f"another shape to {command}")
        if found.get("error") not in (None, "0", 0):
            raise self._gap(f"a refusal to {command}: {short(found.get('text') or found.get('error'))}")
        return found

    def _send(self, command: str, **more: str) -> "Response":
        options = self._given.options
        login = (options["user"], self._secret("login_key"))
        return self._ask("GET", f"/{command}", params={"json": "yes", **more}, auth=login)

    def _list(self, command: str) -> list[str]:
        """Return a list of names. It is empty only where the answer has a list that is: whatever else an answer
        without one means (a missing right, a fault, a body that was lost), it names nobody as gone.
        """
        reply = self._send(command)
        text = reply.text.strip()
        rows: Any = None
        if text.startswith(("{", "[")):
            found = self._json(reply)
            if isinstance(found, dict) and found.get("error") not in (None, "0", 0):
                raise self._gap(f"a refusal: {short(found.get('text') or found.get('error'))}")
            rows = found.get("list") if isinstance(found, dict) else found
        else:
            fields = parse_qs(text, keep_blank_values=True)
            if fields.get("error", ["0"]) != ["0"]:
                raise self._gap(f"a refusal: {short(' '.join(fields.get('text', [])))}")
            rows = fields.get("list[]", [] if fields.get("error") == ["0"] else None)
            rows = [] if rows == [""] else rows
        if not isinstance(rows, list) or not all(isinstance(row, str) and row for row in rows):
            raise self._gap(f"a list in another shape to {command}")
        if not rows and command in self.NEVER_EMPTY:
            raise self._gap(f"nobody at all to {command}: the right to list them may be missing")
        return rows


class Hestia(HttpPanel):
    """HestiaCP's API; the command's exit code is in a header."""

    def _accounts(self) -> Iterable[LivingAccount]:
        return self._users(self._login())

    def inventory(self) -> PanelInventory:
        """What the panel's index of each living user names (facts sheet 5.4). Raises StoreTrouble as `living` does."""
        login = self._login()
        backups: list[PanelBackup] = []
        for user in sorted(account.username for account in self._users(login)):
            rows = self._command(login, "v-list-user-backups", user)
            backups += [self._backup(user, name, row) for name, row in rows.items()]
        kinds = sorted({kind for backup in backups for kind in backup.kept_at})
        notes = (
            "its index goes with the user: what lies there of users who are gone, it does not list",
            "its index keeps only the newest lines: older files can be there",
        )
        return PanelInventory(tuple(backups), tuple(PanelDestination(kind, kind) for kind in kinds), notes)

    def _backup(self, user: str, name: str, row: Mapping[str, Any]) -> PanelBackup:
        kinds = tuple(kind for kind in str(row.get("TYPE") or "").split(",") if kind)
        return PanelBackup(user, name, _day(str(row.get("DATE") or "")), kinds)

    def _login(self) -> Mapping[str, str]:
        return {"hash": f"{self._secret('access_key')}:{self._secret('secret_key')}"}

    def _users(self, login: Mapping[str, str]) -> Iterable[LivingAccount]:
        for name, row in self._command(login, "v-list-users").items():
            born = f"{row.get('DATE') or ''} {row.get('TIME') or ''}".strip()
            yield LivingAccount(str(name), born)

    def _command(self, login: Mapping[str, str], command: str, *given: str) -> Mapping[str, Any]:
        """Return the rows of a list; without any the panel may send an empty body."""
        words = {f"arg{number}": word for number, word in enumerate((*given, "json"), 1)}
        reply = self._ask("POST", "/api/", data={**login, "cmd": command, **words})
        code = reply.headers.get("Hestia-Exit-Code", "0").strip()
        if code != "0":
            kind = StoreAuthFailed if code in ("9", "10", "11") else ViewIncomplete
            raise kind(f"panel {self.name}: {command} ends with {short(code)}")
        if given and not reply.content.strip():
            return {}
        rows = self._json(reply)
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            raise self._gap("a list in another shape")
        return rows


class Vesta(Hestia):
    """VestaCP's API, the same with another login."""

    def _login(self) -> Mapping[str, str]:
        options = self._given.options
        if "hash" in options:
            return {"hash": self._secret("hash")}
        return {"user": options["user"], "password": self._secret("password")}


def _day(text: str) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text[:10])
    return None


def _yes(value: object) -> bool:
    """Whether a panel's word for a switch means on."""
    return str(value if value is not None else "").strip().lower() not in ("", "0", "no", "off", "false", "none")
