"""A cloud on loopback: Keystone, Cinder, Glance and Nova as far as backups go, as documented; and it can lie."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

SECRET = "application-credential-secret-for-tests"
CREDENTIAL = "21dced0fd20347869b93710d2b98aae0"
PROJECT = "ce000000000000000000000000000001"
OTHERS = "ce000000000000000000000000000002"
COMMON = "2026-05-31T04:10:00"
Row = dict[str, Any]
Words = Mapping[str, str]


def an_id(name: str) -> str:
    """The id of what a test calls by a name."""
    return str(uuid5(NAMESPACE_URL, name))


class Cloud:
    """Rows by their ids; `twist` changes an answer, `on_delete` takes the place of a deletion's."""

    def __init__(self, server: HTTPServer) -> None:
        self.base = server.url_for("/").rstrip("/")
        self.url = f"{self.base}/identity/v3"
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.backups: dict[str, Row] = {}
        self.snapshots: dict[str, Row] = {}
        self.images: dict[str, Row] = {}
        self.volumes: dict[str, Row] = {}
        self.servers: dict[str, Row] = {}
        self.roles = ["reader"]
        self.project = PROJECT
        self.catalog: list[Row] = [
            self._service("identity", "/identity"),
            self._service("block-storage", f"/volume/v3/{PROJECT}"),
            self._service("image", "/image"),
            self._service("compute", "/compute/v2.1"),
        ]
        self.most = 700
        """Rows on a page, whatever is asked for."""
        self.tokens = 0
        self.slow = 0
        """How often a deletion is found at work before it has ended."""
        self.ends_as = ""
        self.effect = True
        self.neighbour = ""
        self.on_delete: Callable[[str], Response | None] = lambda path: None
        self.twist: Callable[[str, Words, Any], Any] = lambda path, words, found: found
        self.seen: list[tuple[str, str, Words]] = []

    def _service(self, kind: str, path: str) -> Row:
        ends = [{"interface": i, "region_id": "RegionOne", "url": self.base + path} for i in ("public", "internal")]
        return {"type": kind, "name": kind, "endpoints": ends}

    # --- what lies there

    def backup(self, name: str, volume: str, *, project: str = PROJECT, **more: Any) -> str:
        number = an_id(f"backup {name}")
        self.backups[number] = {
            "id": number,
            "name": name,
            "volume_id": an_id(volume),
            "status": "available",
            "size": 10 + len(self.backups),
            "created_at": f"{COMMON}.000000",
            "is_incremental": False,
            "has_dependent_backups": False,
            "os-backup-project-attr:project_id": project,
            **more,
        }
        return number

    def snapshot(self, name: str, volume: str, *, project: str = PROJECT, **more: Any) -> str:
        number = an_id(f"snapshot {name}")
        self.snapshots[number] = {
            "id": number,
            "name": name,
            "volume_id": an_id(volume),
            "status": "available",
            "size": 10,
            "created_at": f"{COMMON}.000000",
            "os-extended-snapshot-attributes:project_id": project,
            **more,
        }
        return number

    def image(self, name: str, server: str, *, project: str = PROJECT, **more: Any) -> str:
        number = an_id(f"image {name}")
        self.images[number] = {
            "id": number,
            "name": name,
            "owner": project,
            "status": "active",
            "size": 1_000_000 + len(self.images),
            "created_at": f"{COMMON}Z",
            "visibility": "private",
            "protected": False,
            "os_hidden": False,
            "image_type": "snapshot",
            "instance_uuid": an_id(server),
            **more,
        }
        return number

    def server(self, name: str, *volumes: str, project: str = PROJECT) -> None:
        """A server that lives, with volumes of its own."""
        number = an_id(name)
        for volume in volumes:
            users = [{"server_id": number}]
            self.volumes[an_id(volume)] = {"id": an_id(volume), "multiattach": False, "attachments": users}
        attached = [{"id": an_id(volume)} for volume in volumes]
        self.servers[number] = {
            "id": number,
            "tenant_id": project,
            "status": "ACTIVE",
            "os-extended-volumes:volumes_attached": attached,
        }

    def end(self, name: str) -> None:
        """Delete a server, and its volumes with it."""
        for volume in self.servers.pop(an_id(name))["os-extended-volumes:volumes_attached"]:
            del self.volumes[volume["id"]]

    # --- answers

    def answer(self, request: Request) -> Response:
        path, words = request.path, dict(request.args)
        self.seen.append((request.method, path, words))
        if path == "/identity/v3/auth/tokens":
            return self._token(request)
        if request.headers.get("X-Auth-Token") != f"token-{self.tokens}":
            return Response('{"error": {"code": 401}}', 401)
        if request.method == "DELETE":
            return self._delete(path)
        if path.startswith("/volume/"):
            assert request.headers["OpenStack-API-Version"] == "volume 3.45"
        found = self.twist(path, words, self._get(path, words))
        if isinstance(found, Response):
            return found
        missing = Response('{"itemNotFound": {"code": 404, "message": "could not be found"}}', 404)
        return missing if found is None else Response(json.dumps(found), content_type="application/json")

    def _token(self, request: Request) -> Response:
        identity = json.loads(request.data)["auth"]["identity"]
        if identity["application_credential"] != {"id": CREDENTIAL, "secret": SECRET}:
            return Response('{"error": {"code": 401}}', 401)
        self.tokens += 1
        token = {
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "project": {"id": self.project},
            "roles": [{"name": role} for role in self.roles],
            "catalog": self.catalog,
        }
        found = self.twist(request.path, {}, {"token": token})
        return Response(json.dumps(found), 201, {"X-Subject-Token": f"token-{self.tokens}"})

    def _get(self, path: str, words: Words) -> Any:
        match path.removeprefix(f"/volume/v3/{PROJECT}").strip("/").split("/"):
            case ["os-services"]:
                return {"services": []} if "admin" in self.roles else Response("{}", 403)
            case ["backups", "detail"]:
                return self._page("backups", self._mine(self.backups, words), words)
            case ["snapshots", "detail"]:
                return self._page("snapshots", self._mine(self.snapshots, words), words)
            case ["backups" | "snapshots" | "volumes" as what, number]:
                row = getattr(self, what).get(number)
                return {what[:-1]: self._moved_on(getattr(self, what), row)} if row is not None else None
            case ["image", "v2", "images"]:
                return self._page("images", self._images(words), words)
            case ["image", "v2", "images", number]:
                return self.images.get(number)
            case ["compute", "v2.1", "servers", "detail"]:
                assert words["all_tenants"] == "1"
                if "admin" not in self.roles:
                    return Response("{}", 403)
                rows = [row for row in self.servers.values() if row["tenant_id"] == words["project_id"]]
                return self._page("servers", rows, words)
            case ["compute", "v2.1", "servers", number]:
                return {"server": self.servers[number]} if number in self.servers else None
        raise AssertionError(path)

    def _mine(self, rows: Mapping[str, Row], words: Words) -> list[Row]:
        """Cinder leaves `all_tenants` of others than administrators unheard."""
        names = ("os-backup-project-attr:project_id", "os-extended-snapshot-attributes:project_id")
        everyone = "admin" in self.roles and words.get("all_tenants") == "1"
        return [r for r in rows.values() if everyone or self.project in (r.get(names[0]), r.get(names[1]))]

    def _images(self, words: Words) -> list[Row]:
        hidden, community = words.get("os_hidden") == "true", words.get("visibility") == "community"
        found = []
        for row in self.images.values():
            to_see = row["owner"] == self.project or "admin" in self.roles or row["visibility"] == "public"
            fits = row["os_hidden"] is hidden and (row["visibility"] == "community") is community
            if to_see and fits:
                found.append(row)
        return found

    def _page(self, key: str, rows: list[Row], words: Words) -> Row | Response:
        ids = [row["id"] for row in rows]
        if words.get("marker", ids[0] if ids else None) not in (*ids, None):
            return Response('{"badRequest": {"message": "marker could not be found"}}', 400)
        start = ids.index(words["marker"]) + 1 if "marker" in words else 0
        page = rows[start : start + min(self.most, int(words["limit"]))]
        found: Row = {key: page, "count": len(rows)} if words.get("with_count") else {key: page}
        if page and page[-1] is not rows[-1]:
            found[f"{key}_links"] = [{"rel": "next", "href": "https://elsewhere.example.com/steal"}]
        return found

    def _moved_on(self, rows: dict[str, Row], row: Row) -> Row:
        if row.get("status") != "deleting":
            return row
        self.slow -= 1
        if self.slow < 0:
            if self.ends_as:
                row["status"] = self.ends_as
            else:
                rows.pop(row["id"])
        return row

    def _delete(self, path: str) -> Response:
        answer = self.on_delete(path)
        if answer is not None:
            return answer
        number = path.rpartition("/")[2]
        self.images.pop(self.neighbour, None)
        for rows in (self.backups, self.snapshots, self.images):
            row = rows.get(number)
            if row is None or not self.effect:
                continue
            if row.get("protected"):
                return Response("Image is protected and cannot be deleted.", 403)
            if rows is self.images or not (self.slow or self.ends_as):
                rows.pop(number)
            else:
                row["status"] = "deleting"
        return Response("", 204 if "/images/" in path else 202)
