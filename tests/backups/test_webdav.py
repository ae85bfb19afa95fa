"""The webdav driver against WsgiDAV: the contract, and what a server may answer."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cheroot.wsgi import Server
from pytest_httpserver import HTTPServer
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.backups.contract import BOB, PLAN, Contract, listing, mine_of
from tests.backups.test_local import BOB_S, LocalPlace
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.backups.webdav import Login, Reply, WebDavStore
from whmcs_bridge.domain.backups import Outcome
from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.secret import Secret

PASSWORD = "open-sesame-for-tests"
NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Dav:
    """Where it listens and what it serves."""

    url: str
    home: Path

    def login(self, **changes: object) -> Login:
        fields: dict[str, Any] = {
            "url": self.url,
            "user": "bridge",
            "password": Secret.given(PASSWORD),
            "timeout_seconds": 10.0,
        }
        return Login(**(fields | changes))


@pytest.fixture(scope="module")
def dav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dav]:
    home = tmp_path_factory.mktemp("dav")
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(home)},
            "simple_dc": {"user_mapping": {"*": {"bridge": {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
            "property_manager": None,
            "lock_storage": True,
        }
    )
    server = Server(("127.0.0.1", 0), app, numthreads=4)
    server.prepare()
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    yield Dav(f"http://127.0.0.1:{server.bind_addr[1]}", home)
    server.stop()
    thread.join(5)


class DavPlace(LocalPlace):
    """The same folder, reached over WebDAV."""

    many = 301
    """PROPFIND has no pages."""

    def __init__(self, patch: pytest.MonkeyPatch, dav: Dav) -> None:
        folder = dav.home / str(next(NUMBERS))
        folder.mkdir()
        super().__init__(folder, patch)
        self.dav = dav
        self.folder = f"/{folder.name}/backup"
        self.secrets = (PASSWORD,)
        self.stores: list[WebDavStore] = []
        self.away = lambda: self.opened(dav.login(url="http://127.0.0.1:1"))
        self.half_forbidden = lambda: self.answering("PROPFIND", "weekly", 403)
        self.read_only = self._denied
        self.cut_after_send = self._cut

    def store(self) -> WebDavStore:
        return self.opened(self.dav.login())

    def opened(self, login: Login) -> WebDavStore:
        self.stores.append(WebDavStore("box", self.folder, CPANEL, login=login))
        return self.stores[-1]

    def make(self, names: Iterable[str]) -> set[str]:
        # XML has no letter for some of them, and this server leaves them out.
        return super().make(name for name in names if "\n" not in name)

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def answering(self, method: str, ending: str, status: int) -> WebDavStore:
        store = self.store()
        send = store._send

        def answer(asked: str, path: bytes, *more: Any) -> Reply:
            if asked == method and path.rstrip(b"/").endswith(ending.encode()):
                reply = Reply(status, {}, b"")
                store._judge(reply)
                return reply
            return send(asked, path, *more)

        self.patch.setattr(store, "_send", answer)
        return store

    def _denied(self) -> WebDavStore:
        store = self.store()
        self.patch.setattr(store, "_change", lambda *_a: Reply(403, {}, b""))
        return store

    def _cut(self) -> WebDavStore:
        store = self.store()
        answer = HTTPConnection.getresponse

        def cut(line: HTTPConnection) -> Any:
            method = line._method  # type: ignore[attr-defined]
            found = answer(line)
            if method in ("MOVE", "DELETE"):
                raise ConnectionResetError
            return found

        self.patch.setattr(HTTPConnection, "getresponse", cut)
        return store


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, dav: Dav) -> Iterator[DavPlace]:
    place = DavPlace(monkeypatch, dav)
    yield place
    place.close()


class TestWebDav(Contract):
    pass


def test_a_wrong_password_is_told_without_it(place: DavPlace) -> None:
    with pytest.raises(StoreAuthFailed, match="does not let bridge in") as refused:
        listing(place.opened(place.dav.login(password=Secret.given("another-word"))))
    assert "another-word" not in str(refused.value)


def test_a_folder_without_the_sentinel_is_not_the_store(place: DavPlace) -> None:
    place.make([BOB_S])
    (place.root / SENTINEL).unlink()
    with pytest.raises(StoreUnreachable, match="is it the store"):
        listing(place.store())


def test_a_backup_that_is_a_folder_goes_whole_and_one_by_one(place: DavPlace) -> None:
    place.make([f"2026-05-31/accounts/{user}/{name}" for user in ("bob", "bob1") for name in ("home dir/a%31", "é")])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert item.locator == "2026-05-31/accounts/bob"
    sent: list[tuple[str, bytes]] = []
    change = store._change

    def noted(method: str, path: bytes, *more: Any) -> Reply:
        sent.append((method, path))
        return change(method, path, *more)

    place.patch.setattr(store, "_change", noted)
    moved = store.quarantine(item, PLAN)
    assert moved.item is not None
    assert store.delete(moved.item).outcome is Outcome.DELETED
    files = [path for method, path in sent if method == "DELETE" and path.endswith(b"a%31")]
    assert len(files) == 1
    assert [left.locator for left in listing(place.store())] == ["2026-05-31/accounts/bob1"]


def test_a_folder_is_not_deleted_with_what_has_come_into_it(place: DavPlace) -> None:
    """DELETE would take it all, and answer with success."""
    place.make(["2026-05-31/accounts/bob/a"])
    store = place.store()
    with pytest.raises(Exception, match="not empty"):
        store._remove_empty(b"2026-05-31/accounts/bob")
    assert place.left() == {"2026-05-31/accounts/bob/a"}


def test_what_was_set_aside_is_put_back(place: DavPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = mine_of(store, BOB)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    back = store.put_back(there)
    assert (back.item and back.item.locator, back.outcome) == (BOB_S, Outcome.PUT_BACK)
    assert place.left() == {BOB_S}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (412, Outcome.REFUSED),
        (423, Outcome.LOCKED),
        (404, Outcome.GONE_BEFORE),
        (202, Outcome.UNKNOWN),
        (500, Outcome.UNKNOWN),
        (207, Outcome.FAILED),
        (403, Outcome.FAILED),
    ],
)
def test_what_the_server_says_to_a_deletion(place: DavPlace, status: int, outcome: Outcome) -> None:
    place.make([BOB_S])
    store = place.answering("DELETE", "bob.tar.gz", status)
    [item] = mine_of(store, BOB)
    assert store.delete(item).outcome is outcome
    assert place.left() == {BOB_S}


def test_a_busy_server_and_a_redirect_are_no_list(place: DavPlace) -> None:
    with pytest.raises(StoreRateLimited):
        listing(place.answering("PROPFIND", "backup", 503))
    with pytest.raises(StoreUnreachable, match="sends us elsewhere"):
        listing(place.answering("PROPFIND", "backup", 301))


def multistatus(*hrefs: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    rows = "".join(
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype/></d:prop>"
        f"<d:status>{status}</d:status></d:propstat></d:response>"
        for href in hrefs
    )
    return f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{rows}</d:multistatus>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not found</html>",
        multistatus(),
        multistatus("/backup/x"),
        multistatus("/backup/", "/backup/../etc/x"),
        multistatus("/backup/", "/backup/%2e%2e"),
        multistatus("/backup/", "/elsewhere/x"),
        multistatus("/backup/", "/backup/a/b"),
        multistatus("/backup/", "/backup/x", status="HTTP/1.1 403 Forbidden"),
        multistatus("/backup/", f"/backup/{SENTINEL}")[:-40],
    ],
)
def test_a_list_by_halves_or_of_elsewhere_is_no_list(httpserver: HTTPServer, body: bytes) -> None:
    httpserver.expect_request("/backup/").respond_with_data(body, status=207)
    url = httpserver.url_for("/").rstrip("/")
    store = WebDavStore("box", "/backup", CPANEL, login=Login(url, "bridge", Secret.given(PASSWORD)))
    with pytest.raises(StoreTrouble) as trouble:
        listing(store)
    assert isinstance(trouble.value, ViewIncomplete | StoreUnreachable)
    with suppress(StoreTrouble):
        assert not store.probe().complete
    store.close()


def test_the_root_is_told_without_secrets(place: DavPlace) -> None:
    assert place.store().root == f"{place.dav.url}{place.folder}"
