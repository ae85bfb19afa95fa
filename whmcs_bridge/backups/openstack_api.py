"""Keystone's token, the services in its catalog, and their lists to the last page.

The vendor's library is left out on purpose: it follows addresses that services answer with, asks again by itself, takes
settings from the environment, and ends a list where a page has no link; here each request is one that was meant, by the
house's own line, and a list ends where a page is empty and Cinder's count is reached (facts sheet on backup stores,
section 6.5).
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whmcs_bridge.backups.line import HttpLine, clock_skew, short
from whmcs_bridge.errors import StoreAuthFailed, StoreUnsupported, ViewIncomplete
from whmcs_bridge.settings.drivers.addresses import LOOPBACK

if TYPE_CHECKING:
    from requests import Response

VOLUME, IMAGE, COMPUTE = "volume", "image", "compute"
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    VOLUME: ("block-storage", "volumev3"),
    IMAGE: ("image",),
    COMPUTE: ("compute",),
}
"""Service -> its names in catalogs, the official one first."""
COUNTING: Final = {"OpenStack-API-Version": "volume 3.45"}
"""The first version of Cinder that counts its lists."""
ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
PROJECT: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
PAGE: Final = 1000
PAGES: Final = 10_000
EARLY: Final = timedelta(minutes=2)
"""A token is given up so long before its end."""
Row = Mapping[str, Any]


class Cloud:
    """One region's services, as one application credential may use them; a token is drawn when it is needed."""

    def __init__(
        self,
        name: str,
        url: str,
        credential: tuple[str, str],
        project: str,
        *,
        region: str = "",
        interface: str = "public",
        timeout: float,
        ca_file: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`credential`: id and secret; `project`: the only one whose token is taken."""
        self._name, self._credential, self._project, self._now = name, credential, project, now
        self._region, self._interface = region, interface
        self._new: Callable[[str], HttpLine] = lambda address: HttpLine(
            f"store {name}", address, timeout=timeout, ca_file=ca_file
        )
        self.keystone = self._new(url)
        self._lines: dict[str, HttpLine] = {}
        self._token, self._until = "", datetime.min.replace(tzinfo=UTC)
        self.roles: frozenset[str] = frozenset()
        self.skew: timedelta | None = None

    def __repr__(self) -> str:
        return f"Cloud({self._name!r})"

    def close(self) -> None:
        for line in (self.keystone, *self._lines.values()):
            line.close()

    # --- logging in ------------------------------------------------------------------------------

    def log_in(self) -> None:
        """Draw a token, where there is none or it ends soon. Raises StoreTrouble."""
        if self._token and self._now() < self._until - EARLY:
            return
        number, secret = self._credential
        credential = {"id": number, "secret": secret}
        identity = {"methods": ["application_credential"], "application_credential": credential}
        reply = self.keystone.ask("POST", "/auth/tokens", json={"auth": {"identity": identity}})
        self.skew = clock_skew(reply)
        found = self.keystone.json(reply)
        token = found.get("token") if isinstance(found, dict) else None
        drawn = reply.headers.get("X-Subject-Token", "")
        if not isinstance(token, dict) or not drawn:
            raise self.gap("a token in another shape")
        project = token.get("project")
        if not isinstance(project, dict) or project.get("id") != self._project:
            raise StoreAuthFailed(
                f"store {self._name}: its credential belongs to another project than the settings say"
            )
        roles = token.get("roles")
        self.roles = frozenset(str(r.get("name")) for r in roles if isinstance(r, dict)) if roles else frozenset()
        self._until = _instant(token.get("expires_at")) or self._now()
        self._find_services(token.get("catalog"))
        self._token = drawn

    def _find_services(self, catalog: object) -> None:
        for line in self._lines.values():
            line.close()
        self._lines = {}
        for service, types in TYPES.items():
            for kind in types:
                address = self._address(catalog, kind)
                if address and service not in self._lines:
                    self._lines[service] = self._new(address)
            if service not in self._lines:
                raise self.gap(f"no {self._interface} address of a {service} service")

    def _address(self, catalog: object, kind: str) -> str:
        """The one address of a kind of service; "" for none. Raises StoreTrouble for several, or one in the clear."""
        if not isinstance(catalog, list) or not all(isinstance(s, dict) and "type" in s for s in catalog):
            raise self.gap("a catalog in another shape")
        every = [e for s in catalog if s["type"] == kind for e in s.get("endpoints") or () if isinstance(e, dict)]
        here = [e for e in every if e.get("interface") == self._interface and self._region in ("", e.get("region_id"))]
        urls = {str(e.get("url") or "").rstrip("/") for e in here}
        if len(urls) > 1:
            raise StoreUnsupported(f"store {self._name}: its cloud has several regions; set region")
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and LOOPBACK.fullmatch(parts.hostname or "")):
                raise StoreUnsupported(f"store {self._name}: its catalog has an address in the clear for {kind}")
            return url + "/v2" if kind == IMAGE and not re.search(r"/v\d+$", url) else url
        return ""

    # --- asking ----------------------------------------------------------------------------------

    def ask(self, service: str, method: str, path: str, takes: Collection[int] = (), **params: str) -> "Response":
        """Return one reply of a service. Raises StoreTrouble."""
        self.log_in()
        headers = {"X-Auth-Token": self._token, **(COUNTING if service == VOLUME else {})}
        return self._lines[service].ask(method, path, takes=takes, params=params, headers=headers)

    def one(self, service: str, path: str, key: str = "") -> Row | None:
        """Return one row, below its key where it has one; None where the service says that there is none."""
        reply = self.ask(service, "GET", path, takes=(404,))
        if reply.status_code == 404:
            return None
        found = self._lines[service].json(reply)
        row = found.get(key) if key and isinstance(found, dict) else found
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise self.gap(f"another shape to {path}")
        return row

    def all(self, service: str, path: str, key: str, **filters: str) -> list[Row]:
        """Return every row of a list. Raises ViewIncomplete where pages come twice, or lack rows by Cinder's count."""
        found: dict[str, Row] = {}
        counted = {"with_count": "true"} if service == VOLUME else {}
        for _ in range(PAGES):
            marker = {"marker": next(reversed(found))} if found else {}
            reply = self.ask(service, "GET", path, takes=(406,), limit=str(PAGE), **marker, **counted, **filters)
            if reply.status_code == 406:
                raise self.gap("a version before 3.45 of Cinder, which cannot count its lists")
            answer = self._lines[service].json(reply)
            rows = answer.get(key) if isinstance(answer, dict) else None
            if not isinstance(rows, list) or not all(
                isinstance(r, dict) and ID.fullmatch(str(r.get("id"))) for r in rows
            ):
                raise self.gap(f"a list in another shape to {path}")
            fresh = {row["id"]: row for row in rows}
            if len(fresh) != len(rows) or not found.keys().isdisjoint(fresh):
                raise self.gap(f"the same rows twice to {path}")
            found.update(fresh)
            if not rows:
                count = answer.get("count") if counted else len(found)
                if count != len(found):
                    raise self.gap(f"{len(found)} of {short(count)} rows to {path}")
                return list(found.values())
        raise self.gap(f"pages without end to {path}")

    def gap(self, what: str) -> ViewIncomplete:
        return self.keystone.gap(what)


def instant(value: object) -> datetime | None:
    """A time of OpenStack's, which is UTC also where it does not say so; None for anything else."""
    return _instant(value)


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
