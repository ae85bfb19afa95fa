"""The webdav driver against WsgiDAV: the contract, and what a server may answer."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.backups.contract import BOB, PLAN, Contract, listing, mine_of
from tests.backups.test_folders import sees_that_case_does_not_count, stays_when_moved_back_upon
from tests.backups.test_local import BOB_S, LocalPlace
from whmcs_bridge.backups.base import Odd
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.backups.webdav import DavLine, Login, Reply, WebDavStore
from whmcs_bridge.domain.backups import Outcome
from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreUnreachable, ViewIncomplete
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


@contextmanager
def running_dav(home: Path) -> Iterator[Dav]:
    """Serve a folder until the block ends."""
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
    try:
        yield Dav(f"http://127.0.0.1:{server.bind_addr[1]}", home)
    finally:
        server.stop()
        thread.join(5)


@pytest.fixture(scope="module")
def dav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dav]:
    with running_dav(tmp_path_factory.mktemp("dav")) as running:
        yield running


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
        self.stores.append(WebDavStore("box", self.folder, self.layout, login=login))
        return self.stores[-1]

    def make(self, names: Iterable[str]) -> set[str]:
        # XML has no letter for some of them, and this server leaves them out.
        return super().make(name for name in names if "\n" not in name)

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def answering(self, method: str, ending: str, status: int) -> WebDavStore:
        send = DavLine._send

        def answer(line: DavLine, asked: str, path: str, *more: Any) -> Reply:
            if asked == method and path.rstrip("/").endswith(ending):
                reply = Reply(status, {}, b"")
                line._judge(reply)
                return reply
            return send(line, asked, path, *more)

        self.patch.setattr(DavLine, "_send", answer)
        return self.store()

    def _denied(self) -> WebDavStore:
        self.patch.setattr(DavLine, "_change", lambda *_a: Reply(403, {}, b""))
        return self.store()

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
    with pytest.raises(StoreUnreachable, match="is the disk mounted"):
        listing(place.store())


def test_a_backup_that_is_a_folder_goes_whole_and_one_by_one(place: DavPlace) -> None:
    place.make([f"2026-05-31/accounts/{user}/{name}" for user in ("bob", "bob1") for name in ("home dir/a%31", "é")])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert item.locator == "2026-05-31/accounts/bob"
    sent: list[tuple[str, str]] = []
    change = DavLine._change

    def noted(line: DavLine, method: str, path: str, *more: Any) -> Reply:
        sent.append((method, path))
        return change(line, method, path, *more)

    place.patch.setattr(DavLine, "_change", noted)
    moved = store.quarantine(item, PLAN)
    assert moved.item is not None
    assert store.delete(moved.item).outcome is Outcome.DELETED
    files = [path for method, path in sent if method == "DELETE" and path.endswith("a%31")]
    assert len(files) == 1
    assert [left.locator for left in listing(place.store())] == ["2026-05-31/accounts/bob1"]


def test_a_folder_is_not_deleted_with_what_has_come_into_it(place: DavPlace) -> None:
    """DELETE would take it all, and answer with success."""
    place.make(["2026-05-31/accounts/bob/a"])
    store = place.store()
    with pytest.raises(Odd, match="not empty"):
        store._opened().remove_folder("2026-05-31/accounts/bob")
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


def test_a_busy_server_is_no_empty_one(place: DavPlace) -> None:
    with pytest.raises(StoreRateLimited):
        listing(place.answering("PROPFIND", "backup", 503))


def test_a_redirect_is_told_as_one(place: DavPlace) -> None:
    with pytest.raises(StoreUnreachable, match="sends us elsewhere"):
        listing(place.answering("PROPFIND", "backup", 301))


def test_a_server_that_takes_upper_case_for_lower_is_known(place: DavPlace) -> None:
    sees_that_case_does_not_count(place)


def test_what_slips_in_while_something_is_moved_back_stays(place: DavPlace) -> None:
    stays_when_moved_back_upon(place)


def test_what_slips_in_between_the_look_and_the_deletion_stays(place: DavPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    delete = DavLine.delete

    def slipping(line: DavLine, *given: Any) -> None:
        place.replace(BOB_S)
        delete(line, *given)

    place.patch.setattr(DavLine, "delete", slipping)
    assert store.delete(item).outcome is Outcome.REFUSED
    assert place.left() == {BOB_S}


def test_only_a_strong_etag_binds(place: DavPlace) -> None:
    """Where the server has none, the item is moved aside first."""
    place.make([BOB_S])
    send, sent = DavLine._send, []

    def weakly(line: DavLine, method: str, *given: Any) -> Reply:
        sent.append(method)
        reply = send(line, method, *given)
        return Reply(reply.status, reply.headers, re.sub(rb"(<[^/>]*getetag>)", rb"\1W/", reply.body))

    place.patch.setattr(DavLine, "_send", weakly)
    store = place.store()
    [item] = listing(store)
    assert (item.etag or "").startswith("W/")
    assert store.delete(item).outcome is Outcome.DELETED
    assert [method for method in sent if method in ("MOVE", "DELETE")][:2] == ["MOVE", "DELETE"]


def test_a_password_that_is_not_there_is_this_store_s_trouble_alone(place: DavPlace) -> None:
    store = place.opened(place.dav.login(password=Secret("env:NOT_SET_ANYWHERE")))
    with pytest.raises(StoreAuthFailed, match="NOT_SET_ANYWHERE"):
        listing(store)
    assert not store.probe().complete


def multistatus(*hrefs: str, status: str = "HTTP/1.1 200 OK", props: str = "", encoding: str = "utf-8") -> bytes:
    rows = "".join(
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype/>{props}</d:prop>"
        f"<d:status>{status}</d:status></d:propstat></d:response>"
        for href in hrefs
    )
    return f'<?xml version="1.0" encoding="{encoding}"?><d:multistatus xmlns:d="DAV:">{rows}</d:multistatus>'.encode()


FLAWS: Sequence[Callable[[str, str], bytes]] = (
    lambda root, known: multistatus(known),
    lambda root, known: multistatus(root, known, "/elsewhere/x"),
    lambda root, known: multistatus(root, known, f"{root}%2e%2e"),
    lambda root, known: multistatus(root, known) + b"<half",
    lambda root, known: multistatus(root, known, f"{root}a/b"),
    lambda root, known: multistatus(root, known, f"{root}../etc/x"),
    lambda root, known: multistatus(root, known, ""),
    lambda root, known: multistatus(root, known)[:-20],
    lambda root, known: multistatus(root, known, status="HTTP/1.1 403 Forbidden"),
    lambda root, known: multistatus(root, known, props="<d:getcontentlength>²</d:getcontentlength>"),
    lambda root, known: multistatus(root, known, props=f"<d:getcontentlength>{'9' * 5000}</d:getcontentlength>"),
    lambda root, known: multistatus(root, known, "http://[x/"),
    lambda root, known: multistatus(root, known, encoding="klingon"),
    lambda root, known: b"<html>not found</html>",
    lambda root, known: b"",
)
"""Answers that have the sentinel in them, most of them, and are no list of the folder all the same."""


@pytest.mark.parametrize("number", range(len(FLAWS)))
def test_a_list_by_halves_or_of_elsewhere_is_no_list(place: DavPlace, number: int) -> None:
    send, root = DavLine._send, f"{place.folder}/"
    body = FLAWS[number](root, root + SENTINEL)

    def answer(line: DavLine, method: str, path: str, *more: Any) -> Reply:
        return Reply(207, {}, body) if path == root else send(line, method, path, *more)

    place.patch.setattr(DavLine, "_send", answer)
    with pytest.raises(ViewIncomplete):
        listing(place.store())
    assert not place.store().probe().complete


def test_a_time_that_is_none_is_no_time_of_a_backup(place: DavPlace) -> None:
    send, root = DavLine._send, f"{place.folder}/"
    props = "<d:getlastmodified>Fri, 31 Dec 9999 23:00:00 -2300</d:getlastmodified>"
    body = multistatus(root, root + SENTINEL, f"{root}x.tar.gz", props=props)

    def answer(line: DavLine, method: str, path: str, *more: Any) -> Reply:
        return Reply(207, {}, body) if path == root else send(line, method, path, *more)

    place.patch.setattr(DavLine, "_send", answer)
    assert [(item.locator, item.at) for item in listing(place.store())] == [("x.tar.gz", None)]


@pytest.mark.parametrize("wait", ["²", "9" * 400, "soon"])
def test_a_wait_that_is_none_is_no_wait(place: DavPlace, wait: str) -> None:
    line = DavLine("store dav", place.dav.login(), "/backup")
    with pytest.raises(StoreRateLimited) as told:
        line._judge(Reply(503, {"retry-after": wait}, b""))
    assert told.value.retry_after is None


def test_the_root_is_told_without_secrets(place: DavPlace) -> None:
    assert place.store().root == f"{place.dav.url}{place.folder}"
