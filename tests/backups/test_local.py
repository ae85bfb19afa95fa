"""The local driver: the contract, and what only a file system can do to it."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.backups.contract import MADE, Contract, Place
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.backups.names import QUARANTINE, SENTINEL, shown
from whmcs_bridge.ports import BackupStore

OPEN = os.open
NS = int(MADE.timestamp()) * 1_000_000_000


class LocalPlace(Place):
    """A folder with a sentinel in it."""

    many = 2_001
    """A folder has no pages; making more files takes longer than listing them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.root = folder / "backup"
        self.root.mkdir()
        (self.root / SENTINEL).touch()
        self.away = self._unmounted
        self.half_forbidden = self._without_weekly
        self.read_only = self._mounted_read_only
        self.made = 0

    def store(self) -> BackupStore:
        return LocalStore("disk", str(self.root), CPANEL)

    def _unmounted(self) -> BackupStore:
        os.rename(self.root / SENTINEL, self.root.parent / "elsewhere")
        return self.store()

    def _without_weekly(self) -> BackupStore:
        def refuse(path: Any, *args: Any, **more: Any) -> int:
            if path == "weekly":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return OPEN(path, *args, **more)

        self.patch.setattr(os, "open", refuse)
        return self.store()

    def _mounted_read_only(self) -> BackupStore:
        def refuse(*_args: Any, **_more: Any) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        for call in ("mkdir", "rename", "unlink", "rmdir", "link"):
            self.patch.setattr(os, call, refuse)
        return self.store()

    def make(self, names: Iterable[str]) -> set[str]:
        made = set()
        for name in names:
            if any(segment in ("", ".", "..") for segment in name.split("/")):
                continue  # no file can be called so
            path = f"{self.root}/{name}"
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                continue  # a file lies in its place
            self.write(name)
            made.add(name)
        return made

    def write(self, name: str, content: str = "") -> None:
        self.made += 1
        path = f"{self.root}/{name}"
        with open(path, "w") as file:
            file.write(content or f"{self.made} {name}")
        os.utime(path, ns=(NS, NS))

    def left(self) -> set[str]:
        found = set()
        for folder, _, files in os.walk(self.root):
            below = os.path.relpath(folder, self.root)
            if below.split("/")[0] != QUARANTINE:
                found |= {f"{below}/{name}" if below != "." else name for name in files if name != SENTINEL}
        return found

    def replace(self, name: str) -> None:
        os.unlink(f"{self.root}/{name}")
        self.write(name, "another backup, longer than the one before it")  # a file system may give the inode again

    def remove(self, name: str) -> None:
        os.unlink(f"{self.root}/{name}")

    def locator_of(self, name: str) -> str:
        return shown(os.fsencode(name))


class TestLocal(Contract):
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPlace:
        return LocalPlace(tmp_path, monkeypatch)
