"""The sftp driver against a real sshd: the contract, and what only a line and a foreign machine can do to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paramiko import SFTPClient

from tests.backups.contract import Contract
from tests.backups.sshd import Sshd, program, running_sshd
from tests.backups.test_local import LocalPlace
from tests.needs import stop_without
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.sftp import Login, SftpStore


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    stop_without(("sshd", "ssh-keygen"), program)
    with running_sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


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
        self.stores.append(SftpStore("box", str(self.root), CPANEL, login=login))
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
        sent = SFTPClient.posix_rename

        def cut(line: SFTPClient, *paths: str) -> None:
            sent(line, *paths)
            raise EOFError

        self.patch.setattr(SFTPClient, "posix_rename", cut)
        return self.store()


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
