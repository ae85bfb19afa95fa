"""The sftp driver against a real sshd: the contract, and what only a line and a foreign machine can do to it."""

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import create_server
from threading import Event, Thread
from typing import Any

import pytest
from paramiko import ECDSAKey, ServerInterface, SFTPClient, Transport
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from tests.backups.contract import BOB, DAY, PLAN, Contract, left_alone, listing, mine_of, one_of
from tests.backups.sshd import Sshd
from tests.backups.test_folders import sees_that_case_does_not_count, stays_when_moved_back_upon
from tests.backups.test_local import BOB_S, WEEKLY, LocalPlace, whole
from whmcs_bridge.backups import sftp
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.names import QUARANTINE, SENTINEL
from whmcs_bridge.backups.sftp import Login, SftpLine, SftpStore
from whmcs_bridge.domain.backups import Outcome, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreUnreachable, StoreUnsupported, ViewIncomplete
from whmcs_bridge.settings.secret import Secret


class SftpPlace(LocalPlace):
    """The same folder, reached over SSH."""

    many = 1_001
    """OpenSSH sends a hundred names at a time."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, sshd: Sshd) -> None:
        super().__init__(folder, patch)
        self.sshd = sshd
        self.secrets = (sshd.private_key, *sshd.private_key.splitlines()[1:3])
        self.stores: list[SftpStore] = []
        self.away = lambda: self.opened(sshd.login(port=1))
        self.half_forbidden = self._listing_without_weekly
        self.read_only = self._denied
        self.cut_after_send = self._cut

    def store(self) -> SftpStore:
        return self.opened(self.sshd.login())

    def opened(self, login: Login) -> SftpStore:
        self.stores.append(SftpStore("box", str(self.root), self.layout, login=login))
        return self.stores[-1]

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def _listing_without_weekly(self) -> SftpStore:
        self.patch.setattr(SFTPClient, "listdir_attr", _refusing(SFTPClient.listdir_attr, "weekly"))
        return self.store()

    def _denied(self) -> SftpStore:
        for call in ("mkdir", "posix_rename", "rename", "remove", "rmdir"):
            self.patch.setattr(SFTPClient, call, _refusing(getattr(SFTPClient, call), ""))
        return self.store()

    def _cut(self) -> SftpStore:
        for call in ("posix_rename", "rename"):
            self.patch.setattr(SFTPClient, call, _cutting(getattr(SFTPClient, call)))
        return self.store()


def _cutting(sent: Any) -> Any:
    def cut(line: SFTPClient, *paths: str) -> None:
        sent(line, *paths)
        raise EOFError

    return cut


def _refusing(call: Any, ending: str) -> Any:
    def refuse(line: SFTPClient, path: str, *more: Any) -> Any:
        if path.endswith(ending):
            raise PermissionError(13, "Permission denied")
        return call(line, path, *more)

    return refuse


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd: Sshd) -> Iterator[SftpPlace]:
    made = SftpPlace(tmp_path, monkeypatch, sshd)
    yield made
    made.close()


class TestSftp(Contract):
    pass


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys of nobody: private by kind, and the public one of ed25519 under "public"."""
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for kind in ("ed25519", "ecdsa", "rsa"):
        name = folder / kind
        words = ["ssh-keygen", "-q", "-t", kind, "-N", "hunter2" if kind == "rsa" else "", "-f", str(name)]
        subprocess.run(words, check=True)
        found[kind] = name.read_text()
    found["public"] = " ".join((folder / "ed25519.pub").read_text().split()[:2])
    found["public ecdsa"] = " ".join((folder / "ecdsa.pub").read_text().split()[:2])
    return found


# --- who is at the other end, and who are we -------------------------------------------------------------


@pytest.mark.parametrize("which", ["public", "public ecdsa"])
def test_a_machine_with_another_host_key_hears_nothing_of_us(
    place: SftpPlace, other_key: dict[str, str], which: str
) -> None:
    store = place.opened(place.sshd.login(host_key=other_key[which]))
    with pytest.raises(StoreAuthFailed, match="shows another host key than the settings have"):
        listing(store)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_that_the_machine_does_not_know_is_told_in_one_line(
    place: SftpPlace, other_key: dict[str, str], kind: str
) -> None:
    passphrase = Secret.given("hunter2") if kind == "rsa" else None
    login = place.sshd.login(private_key=Secret.given(other_key[kind]), passphrase=passphrase)
    with pytest.raises(StoreAuthFailed, match=r"does not let \w+ in with what we have$") as told:
        listing(place.opened(login))
    assert "hunter2" not in str(told.value)


def test_a_password_that_the_machine_does_not_take_is_told_and_not_shown(place: SftpPlace) -> None:
    login = place.sshd.login(private_key=None, password=Secret.given("hunter2"))
    probe = place.opened(login).probe()
    assert not probe.complete
    assert "does not let" in probe.why
    assert "hunter2" not in probe.why


@pytest.mark.parametrize("passphrase", [None, "wrong"])
def test_a_key_that_its_passphrase_does_not_open_is_told(
    place: SftpPlace, other_key: dict[str, str], passphrase: str | None
) -> None:
    secret = Secret.given(passphrase) if passphrase else None
    login = place.sshd.login(private_key=Secret.given(other_key["rsa"]), passphrase=secret)
    with pytest.raises(StoreAuthFailed, match="is no private key that its passphrase opens"):
        listing(place.opened(login))


def test_the_root_of_a_store_names_no_user_and_no_secret(place: SftpPlace) -> None:
    assert place.store().root == f"sftp://127.0.0.1:{place.sshd.port}{place.root}"


# --- what is there, and what is not ----------------------------------------------------------------------


def test_a_folder_without_its_sentinel_is_away_not_empty(place: SftpPlace) -> None:
    (place.root / SENTINEL).unlink()
    with pytest.raises(StoreUnreachable, match="is the disk mounted"):
        listing(place.store())


def test_a_root_that_is_reached_through_a_link_is_refused(place: SftpPlace) -> None:
    (place.root.parent / "alias").symlink_to(place.root, target_is_directory=True)
    store = SftpStore("box", f"{place.root.parent}/alias", CPANEL, login=place.sshd.login())
    with pytest.raises(StoreUnreachable, match="reached through a link"):
        listing(store)


def test_a_name_that_is_no_text_makes_the_list_incomplete(place: SftpPlace) -> None:
    os.close(os.open(os.fsencode(place.root) + b"/b\xffb.tar.gz", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(ViewIncomplete, match="not UTF-8"):
        listing(place.store())


# --- links and folders -----------------------------------------------------------------------------------


def test_a_linked_day_is_not_walked_and_nothing_goes_through_it(place: SftpPlace) -> None:
    place.make([BOB_S])
    (place.root / "2026-06-01").symlink_to(place.root / DAY.isoformat(), target_is_directory=True)
    store = place.store()
    assert sorted(item.locator for item in store.items()) == [BOB_S, "2026-06-01"]
    item = one_of(place, store, BOB_S)
    receipt = store.delete(replace(item, locator="2026-06-01/accounts/bob.tar.gz"))
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "2026-06-01 is a link or file on the way")
    assert (place.root / BOB_S).exists()


def test_a_link_in_the_place_of_a_backup_is_left(place: SftpPlace) -> None:
    place.make([BOB_S])
    (place.root / "weekly" / DAY.isoformat() / "accounts").mkdir(parents=True)
    (place.root / WEEKLY).symlink_to(place.root / BOB_S)
    store = place.store()
    link = one_of(place, store, WEEKLY)
    assert store.claim(link, BOB).verdict is Verdict.AMBIGUOUS
    left_alone(store, link)
    assert (place.root / WEEKLY).is_symlink()


def test_a_backup_folder_goes_with_everything_in_it_and_nothing_that_it_links_to(place: SftpPlace) -> None:
    whole(place, f"{DAY}/accounts/bob")
    whole(place, f"{DAY}/accounts/bob1")
    place.make([f"{DAY}/accounts/alice.tar.gz"])
    store = place.store()
    [item] = mine_of(store, BOB)
    assert item.size == 2 * len("letters")
    assert store.delete(item).outcome is Outcome.DELETED
    assert sorted(path.name for path in (place.root / f"{DAY}/accounts").iterdir()) == ["alice.tar.gz", "bob1"]
    assert (place.root / f"{DAY}/accounts/bob1/again").exists()


def test_a_quarantine_that_is_a_link_or_open_to_others_takes_nothing(place: SftpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    item = one_of(place, store, BOB_S)
    (place.root / QUARANTINE).symlink_to(place.root.parent, target_is_directory=True)
    left_alone(store, item)
    (place.root / QUARANTINE).unlink()
    (place.root / QUARANTINE).mkdir()
    (place.root / QUARANTINE).chmod(0o755)
    left_alone(store, item)
    assert place.left() == {BOB_S}


def test_what_slips_in_between_the_look_and_the_move_is_put_back(place: SftpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    item = one_of(place, store, BOB_S)
    move = SFTPClient.posix_rename

    def slipping(line: SFTPClient, *paths: str) -> None:
        place.replace(BOB_S)
        move(line, *paths)

    place.patch.setattr(SFTPClient, "posix_rename", slipping)
    receipt = store.delete(item)
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "it has changed since it was listed")
    assert place.left() == {BOB_S}


def test_what_was_put_in_quarantine_can_be_put_back_over_nothing(place: SftpPlace) -> None:
    place.make([BOB_S])
    store = place.opened(place.sshd.login())
    item = one_of(place, store, BOB_S)
    there = store.quarantine(item, PLAN).item
    assert there is not None
    place.write(BOB_S, "made since")
    assert store.put_back(there).note == "something else lies where it lay"
    place.remove(BOB_S)
    assert store.put_back(there).item == item
    assert listing(store) == [item]


def test_a_server_that_takes_upper_case_for_lower_is_known(place: SftpPlace) -> None:
    sees_that_case_does_not_count(place)


def test_what_slips_in_while_something_is_moved_back_stays(place: SftpPlace) -> None:
    stays_when_moved_back_upon(place)


def test_the_quarantine_is_closed_to_others(place: SftpPlace) -> None:
    place.make([BOB_S])
    store = place.store()
    assert store.quarantine(one_of(place, store, BOB_S), PLAN).outcome is Outcome.QUARANTINED
    for folder, _, _ in os.walk(place.root / QUARANTINE):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


# --- the line --------------------------------------------------------------------------------------------


def test_a_line_that_was_cut_is_made_anew(place: SftpPlace) -> None:
    place.make([BOB_S, WEEKLY])
    store = place.opened(place.sshd.login())
    first, second = listing(store)
    assert store.delete(first).outcome is Outcome.DELETED
    assert store._line is not None
    store._line.close()
    assert store.delete(second).outcome is Outcome.DELETED


def test_a_server_that_cannot_move_atomically_is_told(place: SftpPlace) -> None:
    place.make([BOB_S])

    def unsupported(*_args: Any) -> None:
        raise OSError("Operation unsupported")

    place.patch.setattr(SFTPClient, "posix_rename", unsupported)
    store = place.store()
    item = one_of(place, store, BOB_S)
    with pytest.raises(StoreUnsupported, match="lacks posix-rename"):
        store.delete(item)
    assert place.left() == {BOB_S}


def test_a_line_that_breaks_half_way_through_a_list_gives_none(place: SftpPlace) -> None:
    place.make([BOB_S, WEEKLY])
    list_one, asked = SFTPClient.listdir_attr, []

    def breaking(line: SFTPClient, path: str) -> Any:
        asked.append(path)
        if len(asked) > 2:
            raise EOFError
        return list_one(line, path)

    place.patch.setattr(SFTPClient, "listdir_attr", breaking)
    with pytest.raises(StoreUnreachable):
        listing(place.store())


class Silent(ServerInterface):
    """It lets everybody in, and has nothing to say once it is asked for a channel, for SFTP, or over SFTP."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.asked, self.over = Event(), Event()

    def _silence(self) -> None:
        self.asked.set()
        self.over.wait(120)

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.at == "channel":
            self._silence()
        return OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel: object, name: str) -> bool:
        if self.at == "sftp":
            self._silence()
        self.asked.set()
        return True


@pytest.mark.parametrize("at", ["channel", "sftp", "version"])
def test_a_server_that_falls_silent_after_the_login_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    key, server = ECDSAKey.generate(), Silent(at)
    waited: list[float] = []

    class WhenAsked(Thread):
        """The time is up as soon as the server was asked for what it does not answer."""

        def __init__(self, seconds: float, act: Any) -> None:
            super().__init__(target=lambda: (server.asked.wait(60), act()))
            waited.append(seconds)

        def cancel(self) -> None:
            return

    monkeypatch.setattr(sftp, "Timer", WhenAsked)
    told: list[Exception] = []
    with create_server(("127.0.0.1", 0)) as socket:

        def serve() -> None:
            wire = Transport(socket.accept()[0])
            wire.add_server_key(key)
            wire.start_server(server=server)

        def connect() -> None:
            host_key = f"{key.get_name()} {key.get_base64()}"
            login = Login("127.0.0.1", socket.getsockname()[1], "us", host_key, password=Secret.given("hunter2"))
            try:
                SftpLine("store box", login, "/backup")
            except StoreUnreachable as error:
                told.append(error)

        threads = [Thread(target=act, daemon=True) for act in (serve, connect)]
        for thread in threads:
            thread.start()
        threads[1].join(60)
        server.over.set()
    assert [str(error).rpartition(": ")[2] for error in told] == ["it opens no SFTP session in time"]
    assert waited == [30.0]
