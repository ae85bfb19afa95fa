"""The ftp driver against pyftpdlib with TLS: the contract, and what only FTP leaves unsaid."""

import ftplib
import os
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.backups.contract import BOB, PLAN, Contract, left_alone, listing, mine_of
from tests.backups.ftpd import PASSWORD, Ftpd, running_ftpd
from tests.backups.test_folders import sees_that_case_does_not_count, stays_when_moved_back_upon
from tests.backups.test_local import BOB_S, WEEKLY, LocalPlace
from whmcs_bridge.backups.base import Odd
from whmcs_bridge.backups.claim import KIND
from whmcs_bridge.backups.ftp import FtpStore, Login
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.domain.backups import Outcome
from whmcs_bridge.errors import StoreAuthFailed, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.secret import Secret

NUMBERS = count(1)


@pytest.fixture(scope="module")
def ftpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ftpd]:
    with running_ftpd(tmp_path_factory.mktemp("ftpd")) as running:
        yield running


class FtpPlace(LocalPlace):
    """The same folder, reached over FTP."""

    many = 301
    """MLSD has no pages."""

    def __init__(self, patch: pytest.MonkeyPatch, ftpd: Ftpd) -> None:
        folder = ftpd.home / str(next(NUMBERS))
        folder.mkdir()
        super().__init__(folder, patch)
        self.ftpd = ftpd
        self.folder = f"/{folder.name}/backup"
        self.secrets = (PASSWORD,)
        self.stores: list[FtpStore] = []
        self.away = lambda: self.opened(ftpd.login(port=1))
        self.half_forbidden = self._listing_without_weekly
        self.read_only = self._denied
        self.cut_after_send = self._cut

    def store(self) -> FtpStore:
        return self.opened(self.ftpd.login())

    def opened(self, login: Login) -> FtpStore:
        self.stores.append(FtpStore("box", self.folder, self.layout, login=login))
        return self.stores[-1]

    def make(self, names: Any) -> set[str]:
        # A name with a line's end cannot be told in a line: the server shows two.
        return super().make(name for name in names if "\n" not in name)

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def _listing_without_weekly(self) -> FtpStore:
        asked = ftplib.FTP.mlsd

        def refuse(line: ftplib.FTP, path: str, *more: Any) -> Any:
            if path.endswith("weekly"):
                raise ftplib.error_perm("550 Permission denied.")
            return asked(line, path, *more)

        self.patch.setattr(ftplib.FTP, "mlsd", refuse)
        return self.store()

    def _denied(self) -> FtpStore:
        def refuse(*_args: Any) -> Any:
            raise ftplib.error_perm("550 Permission denied.")

        for call in ("mkd", "rename", "delete", "rmd"):
            self.patch.setattr(ftplib.FTP, call, refuse)
        return self.store()

    def _cut(self) -> FtpStore:
        sent = ftplib.FTP.rename

        def cut(line: ftplib.FTP, *paths: str) -> None:
            sent(line, *paths)
            raise EOFError

        self.patch.setattr(ftplib.FTP, "rename", cut)
        return self.store()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, ftpd: Ftpd) -> Iterator[FtpPlace]:
    place = FtpPlace(monkeypatch, ftpd)
    yield place
    place.close()


class TestFtp(Contract):
    pass


def test_a_certificate_that_nobody_vouches_for_is_not_taken(place: FtpPlace) -> None:
    with pytest.raises(StoreAuthFailed, match="no certificate we trust"):
        listing(place.opened(place.ftpd.login(ca_file=None)))


def test_a_wrong_password_is_told_without_it(place: FtpPlace) -> None:
    with pytest.raises(StoreAuthFailed, match="does not let bridge in") as refused:
        listing(place.opened(place.ftpd.login(password=Secret.given("another-word"))))
    assert "another-word" not in str(refused.value)


def test_a_server_that_wants_tls_gets_no_plain_password(place: FtpPlace) -> None:
    with pytest.raises((StoreAuthFailed, StoreUnreachable)):
        listing(place.opened(place.ftpd.login(tls=False)))


def test_a_folder_without_the_sentinel_is_not_the_store(place: FtpPlace) -> None:
    place.make([BOB_S])
    (place.root / SENTINEL).unlink()
    with pytest.raises(StoreUnreachable, match="is the disk mounted"):
        listing(place.store())


def test_a_second_way_to_a_folder_stops_the_listing(place: FtpPlace) -> None:
    """FTP shows a linked folder as a folder: whoever deletes through it deletes elsewhere."""
    place.make([BOB_S, WEEKLY])
    os.symlink("accounts", place.root / "weekly" / "2026-05-31" / "linked")
    with pytest.raises(ViewIncomplete, match="second way"):
        listing(place.store())


def test_a_server_without_types_is_not_believed(place: FtpPlace) -> None:
    place.make([BOB_S])
    place.patch.setattr(ftplib.FTP, "mlsd", lambda *_a: iter([("x", {"size": "3"})]))
    with pytest.raises(ViewIncomplete, match="no types"):
        listing(place.store())


def test_what_is_neither_file_nor_folder_is_listed_and_left(place: FtpPlace) -> None:
    """Some servers tell links, and call them as they like."""
    place.make([BOB_S])
    asked = ftplib.FTP.mlsd

    def linked(line: ftplib.FTP, *given: Any) -> Any:
        for name, facts in asked(line, *given):
            yield name, {**facts, "type": "OS.unix=slink:/x"} if name == "bob.tar.gz" else facts

    place.patch.setattr(ftplib.FTP, "mlsd", linked)
    store = place.store()
    [item] = listing(store)
    assert item.meta.get(KIND) == "symlink"
    left_alone(store, item)
    left_alone(store, replace(item, meta={}))
    assert place.left() == {BOB_S}


def test_a_name_in_another_case_is_another_s(place: FtpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    os.rename(place.root / BOB_S, place.root / BOB_S.replace("bob", "Bob"))
    assert store.delete(item).outcome is Outcome.GONE_BEFORE
    assert place.left() == {BOB_S.replace("bob", "Bob")}


def test_a_server_that_takes_upper_case_for_lower_is_known(place: FtpPlace) -> None:
    sees_that_case_does_not_count(place)


def test_what_slips_in_while_something_is_moved_back_stays(place: FtpPlace) -> None:
    stays_when_moved_back_upon(place)


def test_a_server_that_removes_full_folders_is_not_asked_to(place: FtpPlace) -> None:
    place.make([BOB_S])
    asked: list[str] = []
    place.patch.setattr(ftplib.FTP, "rmd", lambda _line, path: asked.append(path))
    with pytest.raises(Odd, match="not empty"):
        place.store()._opened().remove_folder("2026-05-31/accounts")
    assert asked == []


def test_a_server_that_hangs_up_after_a_move_was_sent_leaves_it_unknown(place: FtpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = listing(store)
    sent = ftplib.FTP.rename

    def hang_up(line: ftplib.FTP, *paths: str) -> None:
        sent(line, *paths)
        raise ftplib.error_temp("421 Timeout.")

    place.patch.setattr(ftplib.FTP, "rename", hang_up)
    assert store.delete(item).outcome is Outcome.UNKNOWN


def test_a_password_that_is_not_there_is_this_store_s_trouble_alone(place: FtpPlace) -> None:
    store = place.opened(place.ftpd.login(password=Secret("env:NOT_SET_ANYWHERE")))
    with pytest.raises(StoreAuthFailed, match="NOT_SET_ANYWHERE"):
        listing(store)
    assert not store.probe().complete


@pytest.mark.parametrize("password", ["TOP\nSECRET", "TOP\r\nSECRET", "TOP\0SECRET", "TOPSECRET\udcff"])
def test_a_password_that_no_line_can_carry_is_told_by_its_reference_and_not_sent(
    place: FtpPlace, password: str
) -> None:
    secret = Secret("env:FTP_PASSWORD", _env={"FTP_PASSWORD": password})
    store = place.opened(place.ftpd.login(password=secret))
    sent: list[str] = []
    place.patch.setattr(ftplib.FTP, "putline", lambda _line, text: sent.append(text))
    with pytest.raises(StoreAuthFailed, match="env:FTP_PASSWORD") as told:
        listing(store)
    assert not sent
    assert "TOP" not in "".join(traceback.format_exception(told.value))
    probe = store.probe()
    assert not probe.complete
    assert "TOP" not in probe.why


def test_a_server_that_greets_in_another_encoding_is_this_store_s_trouble_alone(place: FtpPlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as wire:
                wire.sendall("220 Grüß Gott\r\n".encode("latin-1"))

        thread = Thread(target=greet)
        thread.start()
        store = place.opened(place.ftpd.login(port=server.getsockname()[1]))
        with pytest.raises(StoreUnreachable, match="can't decode"):
            listing(store)
        thread.join()


def test_a_backup_that_is_a_folder_goes_whole(place: FtpPlace) -> None:
    place.make([f"2026-05-31/accounts/{user}/{name}" for user in ("bob", "bob1") for name in ("home dir/a%31", "é")])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert item.locator == "2026-05-31/accounts/bob"
    moved = store.quarantine(item, PLAN)
    assert moved.item is not None
    assert store.delete(moved.item).outcome is Outcome.DELETED
    assert [left.locator for left in listing(place.store())] == ["2026-05-31/accounts/bob1"]


def elsewhere_with_something(place: FtpPlace) -> Path:
    """A folder outside the store, which the server reaches as well."""
    elsewhere = place.root.parent / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "precious").touch()
    return elsewhere


def test_a_link_in_a_backup_folder_goes_and_nothing_that_it_leads_to(place: FtpPlace) -> None:
    """MLSD shows it as a folder: whoever emptied it first would delete elsewhere."""
    elsewhere = elsewhere_with_something(place)
    place.make(["2026-05-31/accounts/bob/a"])
    (place.root / "2026-05-31/accounts/bob/out").symlink_to(elsewhere, target_is_directory=True)
    store = place.store()
    [item] = mine_of(store, BOB)
    assert store.delete(item).outcome is Outcome.DELETED
    assert sorted(path.name for path in elsewhere.iterdir()) == ["deep", "precious"]
    assert listing(place.store()) == []


def test_a_link_in_the_place_of_a_backup_folder_goes_and_is_told(place: FtpPlace) -> None:
    elsewhere = elsewhere_with_something(place)
    place.make(["2026-05-31/accounts/alice.tar.gz"])
    (place.root / "2026-05-31/accounts/bob").symlink_to(elsewhere, target_is_directory=True)
    store = place.store()
    [item] = mine_of(store, BOB)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it was a link and is gone; what it led to is left")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["deep", "precious"]


def test_what_was_set_aside_is_put_back(place: FtpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = mine_of(store, BOB)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    assert store.put_back(there).item == item
    assert place.left() == {BOB_S}


def test_a_file_on_the_way_of_a_forged_path_is_no_way(place: FtpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    [item] = mine_of(store, BOB)
    forged = replace(item, locator=f"{BOB_S}/{BOB_S}")
    assert store.delete(forged).outcome is Outcome.REFUSED


def test_the_root_is_told_without_secrets(place: FtpPlace) -> None:
    assert place.store().root == f"ftps://127.0.0.1:{place.ftpd.port}{place.folder}"


def test_a_plain_server_is_used_where_it_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_ftpd(tmp_path, tls=False) as plain:
        place = FtpPlace(monkeypatch, plain)
        place.make([BOB_S])
        store = place.opened(plain.login(tls=False))
        assert [item.locator for item in listing(store)] == [BOB_S]
        assert "unencrypted" in store.probe().notes[0]
        place.close()
