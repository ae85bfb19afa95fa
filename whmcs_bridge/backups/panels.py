"""Panels that say over HTTPS who lives on a server: WHM, DirectAdmin, HestiaCP, VestaCP.

Each answer is believed only whole and in the shape that is known (facts sheet on backup stores, section 5): a failure
comes with status 200, an empty list may be a missing right, and whoever is taken for gone loses their backups.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from whmcs_bridge.backups.line import HttpLine, short
from whmcs_bridge.domain.backups import LivingAccount
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
        options = self._given.options
        reply = self._json(
            self._ask(
                "GET",
                "/json-api/listaccts",
                params={"api.version": "1"},
                headers={"Authorization": f"whm {options['user']}:{self._secret('token')}"},
            )
        )
        metadata = reply.get("metadata") if isinstance(reply, dict) else None
        if not isinstance(metadata, dict) or metadata.get("result") != 1:
            reason = metadata.get("reason") if isinstance(metadata, dict) else "another shape"
            raise self._gap(f"a refusal: {short(reason)}")
        rows = (reply.get("data") or {}).get("acct")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("user") for row in rows):
            raise self._gap("a list in another shape")
        for row in rows:
            born = row.get("unix_startdate") or row.get("startdate") or ""
            identity = f"{row['uid']}:{born}" if row.get("uid") and born else ""
            owner = str(row.get("owner") or "")
            yield LivingAccount(
                str(row["user"]), identity, str(row.get("domain") or ""), "" if owner == row["user"] else owner
            )


class DirectAdmin(HttpPanel):
    """DirectAdmin's legacy lists; users, resellers and admins are three of them."""

    LISTS: Final = ("CMD_API_SHOW_ALL_USERS", "CMD_API_SHOW_RESELLERS", "CMD_API_SHOW_ADMINS")

    def _accounts(self) -> Iterable[LivingAccount]:
        names: set[str] = set()
        for command in self.LISTS:
            names.update(self._list(command))
        return [LivingAccount(name) for name in sorted(names)]

    def _list(self, command: str) -> list[str]:
        options = self._given.options
        reply = self._ask(
            "GET", f"/{command}", params={"json": "yes"}, auth=(options["user"], self._secret("login_key"))
        )
        text = reply.text.strip()
        if text.startswith(("{", "[")):
            found = self._json(reply)
            if isinstance(found, dict) and found.get("error") not in (None, "0", 0):
                raise self._gap(f"a refusal: {short(found.get('text') or found.get('error'))}")
            rows = found.get("list") if isinstance(found, dict) else found
        else:
            fields = parse_qs(text, keep_blank_values=True)
            if fields.get("error", ["0"]) != ["0"]:
                raise self._gap(f"a refusal: {short(' '.join(fields.get('text', [])))}")
            rows = fields.get("list[]")
            if rows is None and text and "error" not in fields:
                raise self._gap("another shape: perhaps a login page")
        if rows is None and command != self.LISTS[0]:
            return []
        if not isinstance(rows, list) or not all(isinstance(row, str) and row for row in rows):
            raise self._gap(f"a list in another shape to {command}")
        return rows


class Hestia(HttpPanel):
    """HestiaCP's API; the command's exit code is in a header."""

    def _accounts(self) -> Iterable[LivingAccount]:
        return self._users({"hash": f"{self._secret('access_key')}:{self._secret('secret_key')}"})

    def _users(self, login: Mapping[str, str]) -> Iterable[LivingAccount]:
        reply = self._ask("POST", "/api/", data={**login, "cmd": "v-list-users", "arg1": "json"})
        code = reply.headers.get("Hestia-Exit-Code", "0").strip()
        if code != "0":
            kind = StoreAuthFailed if code in ("9", "10", "11") else ViewIncomplete
            raise kind(f"panel {self.name}: v-list-users ends with {short(code)}")
        rows = self._json(reply)
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            raise self._gap("a list in another shape")
        for name, row in rows.items():
            born = f"{row.get('DATE') or ''} {row.get('TIME') or ''}".strip()
            yield LivingAccount(str(name), born)


class Vesta(Hestia):
    """VestaCP's API, the same with another login."""

    def _accounts(self) -> Iterable[LivingAccount]:
        options = self._given.options
        if "hash" in options:
            return self._users({"hash": self._secret("hash")})
        return self._users({"user": options["user"], "password": self._secret("password")})
