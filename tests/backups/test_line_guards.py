"""What the lines to stores never do: trust a stranger, follow elsewhere, use the environment's ways, tell a secret."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.backups.contract import BOB, listing, mine_of
from tests.backups.ftpd import write_certificate
from tests.backups.test_borg import LAYOUT
from tests.backups.test_borg import Double as BorgDouble
from tests.backups.test_restic import PATH, TAG
from tests.backups.test_restic import Double as ResticDouble
from whmcs_bridge.backups import borg, restic
from whmcs_bridge.backups.borg import BorgStore
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.line import HttpLine
from whmcs_bridge.backups.programs import Program, ProgramFailed
from whmcs_bridge.backups.restic import ResticStore
from whmcs_bridge.backups.s3 import Connect, S3Store
from whmcs_bridge.backups.webdav import Login, WebDavStore
from whmcs_bridge.domain.backups import Outcome
from whmcs_bridge.errors import StoreAuthFailed, StoreUnreachable
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

PASSWORD = "open-sesame-for-tests"
Stranger = tuple[HTTPServer, Path]


# --- HTTPS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """A server with a certificate that nobody vouches for, and the file that would."""
    ca_file, both = write_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with HTTPServer("127.0.0.1", 0, ssl_context=context) as server:
        server.expect_request("/a").respond_with_json({"data": 1})
        yield server, ca_file


def url_of(server: HTTPServer) -> str:
    return f"https://127.0.0.1:{server.port}"


def test_a_server_that_nobody_vouches_for_hears_no_request(stranger: Stranger) -> None:
    server, ca_file = stranger
    server.clear_log()
    with pytest.raises(StoreAuthFailed, match="no certificate that we trust"):
        HttpLine("store x", url_of(server), timeout=5).ask("GET", "/a")
    assert server.log == []
    there = HttpLine("store x", url_of(server), timeout=5, ca_file=ca_file)
    assert there.json(there.ask("GET", "/a")) == {"data": 1}
    there.close()


def test_a_webdav_server_that_nobody_vouches_for_hears_no_password(stranger: Stranger) -> None:
    server, _ = stranger
    server.clear_log()
    login = Login(url_of(server), "bridge", Secret.given(PASSWORD), timeout_seconds=5.0)
    store = WebDavStore("box", "/backup", CPANEL, login=login)
    with pytest.raises(StoreAuthFailed, match="no certificate we trust"):
        listing(store)
    assert server.log == []


def test_a_bucket_that_nobody_vouches_for_hears_no_request(stranger: Stranger) -> None:
    server, _ = stranger
    server.clear_log()
    connect = Connect(
        endpoint_url=url_of(server), region="us-east-1", addressing="path", timeout_seconds=5, reader=("A", PASSWORD)
    )
    with pytest.raises(StoreUnreachable):
        listing(S3Store("bucket", "backups", "panel", CPANEL, connect))
    assert server.log == []


def test_nobody_is_followed_elsewhere(httpserver: HTTPServer) -> None:
    """Whoever sends us on would be shown our token."""
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": httpserver.url_for("/b")})
    httpserver.expect_request("/b").respond_with_json({"data": 1})
    line = HttpLine("store x", httpserver.url_for("/").rstrip("/"), timeout=5)
    with pytest.raises(StoreUnreachable, match="status 302"):
        line.ask("GET", "/a", headers={"Authorization": PASSWORD})
    assert [request.path for request, _ in httpserver.log] == ["/a"]


def test_no_proxy_of_the_environment_is_used(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    httpserver.expect_request("/a").respond_with_json({"data": 1})
    line = HttpLine("store x", httpserver.url_for("/").rstrip("/"), timeout=5)
    assert line.json(line.ask("GET", "/a")) == {"data": 1}


def test_what_was_asked_is_no_part_of_a_complaint() -> None:
    with pytest.raises(StoreUnreachable) as told:
        HttpLine("store x", "http://127.0.0.1:1", timeout=5).ask("GET", "/a", params={"key": PASSWORD})
    assert PASSWORD not in f"{told.value!r} {told.value.__cause__!r}"
    assert told.value.__suppress_context__


# --- programs -----------------------------------------------------------------------------------------


def restic_of(double: ResticDouble) -> ResticStore:
    return ResticStore("repo", "/srv/restic", double, tag=TAG, path=PATH)


def test_reading_a_repository_takes_no_lock_and_believes_no_cache() -> None:
    sent: list[tuple[str, ...]] = []

    class Watched(ResticDouble):
        def run(self, *arguments: str) -> str:
            sent.append(arguments)
            return super().run(*arguments)

    double = Watched()
    double.lay("bob")
    store = restic_of(double)
    store.probe()
    [item] = mine_of(store, BOB)
    assert {arguments[0] for arguments in sent} == {"snapshots", "list"}
    assert all("--no-lock" in arguments and "--no-cache" in arguments for arguments in sent)
    sent.clear()
    assert store.delete(item).outcome is Outcome.DELETED
    assert [a[0] for a in sent if "--no-lock" not in a] == ["forget", "prune"]
    assert all("--no-cache" in arguments for arguments in sent)


def test_a_snapshot_that_holds_something_else_by_now_is_left() -> None:
    double = ResticDouble()
    double.lay("bob")
    store = restic_of(double)
    [item] = mine_of(store, BOB)
    _, row = double.rows[item.locator]
    double.rows[item.locator] = ("bob", {**row, "paths": ["/home/bob", "/home/bob1"]})
    assert store.delete(item).outcome is Outcome.REFUSED
    assert double.rows


def test_a_repository_that_somebody_has_locked_is_busy() -> None:
    class Locked(BorgDouble):
        def run(self, *arguments: str) -> str:
            if "--lock-wait" in arguments:
                raise ProgramFailed("store repo: borg list: locked", 2, "Failed to create/acquire the lock")
            return super().run(*arguments)

    assert BorgStore("repo", "/srv/borg", LAYOUT, Locked()).probe().busy == ("*",)
    assert BorgStore("repo", "/srv/borg", LAYOUT, BorgDouble()).probe().busy == ()


def test_an_archive_whose_name_another_one_has_as_well_is_left() -> None:
    double = BorgDouble()
    double.lay("bob@2026-05-31")
    store = BorgStore("repo", "/srv/borg", LAYOUT, double)
    [item] = mine_of(store, BOB)
    double.lay("bob@2026-05-31")
    assert store.delete(item).outcome is Outcome.REFUSED
    assert len(double.names) == 2


def opened(driver: Any, **options: Any) -> Any:
    """A store of these settings, and the environment that its program would get."""
    store = driver.open_store(BackupStoreSettings("repo", driver.__name__.rpartition(".")[2], (), options))
    return store._program._given


def test_borg_s_host_keys_are_pinned_and_its_passphrase_is_in_no_argument() -> None:
    given = opened(
        borg,
        repository="ssh://backup@box.example.com/./repo",
        template="{user}@{date}",
        user_characters="a-z0-9",
        passphrase=Secret.given(PASSWORD),
        unencrypted=False,
        append_only=False,
        compact=True,
        timeout_seconds=5,
        bytes_kept_days=0,
    )
    assert "StrictHostKeyChecking=yes" in given["BORG_RSH"]
    assert "BatchMode=yes" in given["BORG_RSH"]
    assert given["BORG_PASSPHRASE"] == PASSWORD
    assert not [name for name, value in given.items() if PASSWORD in value and name != "BORG_PASSPHRASE"]


def test_restic_s_password_is_in_its_environment_alone() -> None:
    given = opened(
        restic,
        repository="/srv/restic",
        password=Secret.given(PASSWORD),
        tag=TAG,
        prune=True,
        timeout_seconds=5,
        bytes_kept_days=0,
    )
    assert [name for name, value in given.items() if PASSWORD in value] == ["RESTIC_PASSWORD"]


def test_a_program_shows_no_secret() -> None:
    program = Program("repo", "restic", {"RESTIC_PASSWORD": PASSWORD}, 5)
    assert PASSWORD not in f"{program} {program!r} {ResticStore('repo', '/srv/restic', program, tag=TAG)!r}"
