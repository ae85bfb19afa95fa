"""What backups lie on when a deletion is killed: a disk, a machine behind a real sshd, and a bucket of moto's server.

Every request to a store is a boundary, before it is sent, between sending and answer, and after the answer; on the
disk it is every system call that changes something.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Protocol, cast

from tests.backups.sshd import Sshd
from tests.crash.place import Crossed
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.backups.names import SENTINEL, split_quarantine
from whmcs_bridge.backups.s3 import MARKER, UPLOAD, Connect, S3Store
from whmcs_bridge.backups.sftp import SftpStore
from whmcs_bridge.ports import BackupStore

LONG_AGO = 1_740_000_000
"""When everything was written (19 February 2025): nothing is taken for being written just now."""
MOTO = """
import json, logging, sys
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

logging.disable()
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
for line in sys.stdin:
    bucket, written = json.loads(line)
    for key, body in written:
        backend.put_object(bucket, key, body.encode())
    print("done", flush=True)
"""
"""Serves, and writes what it is told on its input, a bucket and its objects a line: requests would take long."""
PREFIX = "panel"
ASKED = "asked"
"""File with a line for every deletion that was asked of a store: its name, the item's path, its version."""
BUCKETS = count(1)

Held = dict[str, str]
"""What is there, by its path before any quarantine -> what tells one from another of that path."""


class Medium(Protocol):
    """Something that holds backups, and outlives whoever deletes them."""

    name: str

    def lay(self, folder: Path, paths: Iterable[str]) -> None:
        """Put these there for the trial of this folder; a path that is there already is written over."""

    def open(self, folder: Path, crossed: Crossed) -> BackupStore:
        """Open it in the child: with the real driver, whose every request is a boundary."""

    def held(self, folder: Path) -> Held:
        """Look at it past the driver."""

    def calm(self) -> None:
        """Wait until what a dead child had sent has been carried out."""


class WatchedStore:
    """A real store: what is asked of it is a boundary, and what is deleted in it is written down before."""

    def __init__(self, inner: BackupStore, log: Path, crossed: Crossed) -> None:
        self._inner, self._log, self._crossed = inner, log, crossed

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if method not in ("probe", "items", "quarantine", "put_back", "delete"):
            return found

        def around(*args: Any) -> Any:
            if method == "delete":
                (item,) = args
                with self._log.open("a") as log:
                    log.write(f"{item.store} {split_quarantine(item.locator)[1]} {item.version}\n")
            self._crossed(f"before:{self._inner.name}.{method}")
            answer = list(found()) if method == "items" else found(*args)
            self._crossed(f"after:{self._inner.name}.{method}")
            return answer

        return around


def _watched(inner: BackupStore, folder: Path, crossed: Crossed) -> BackupStore:
    return cast(BackupStore, WatchedStore(inner, folder / ASKED, crossed))


# --- files --------------------------------------------------------------------------------------------


def _write(root: Path, paths: Iterable[str]) -> None:
    root.mkdir(exist_ok=True)
    (root / SENTINEL).touch()
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        os.utime(file, (LONG_AGO, LONG_AGO))
    for folder, _, _ in os.walk(root):
        os.utime(folder, (LONG_AGO, LONG_AGO))


def _files(root: Path) -> Held:
    """Every file, with its content and what the system numbers it by."""
    found: Held = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            seen = path.stat()
            at = split_quarantine(str(path.relative_to(root)))[1]
            found[at] = f"{seen.st_ino} {seen.st_mtime_ns} {path.read_text()}"
    return found


@dataclass
class Disk:
    """A folder of this machine. Every system call that changes it is a boundary."""

    name: str = "disk"

    def lay(self, folder: Path, paths: Iterable[str]) -> None:
        _write(folder / self.name, paths)

    def open(self, folder: Path, crossed: Crossed) -> BackupStore:
        for call in ("mkdir", "rename", "link", "unlink", "rmdir"):
            setattr(os, call, _told(getattr(os, call), f"os.{call}", crossed))
        return _watched(LocalStore(self.name, str(folder / self.name), CPANEL), folder, crossed)

    def held(self, folder: Path) -> Held:
        return _files(folder / self.name)

    def calm(self) -> None:
        """A system call of a dead process is over, or has not begun."""


def _told(act: Callable[..., Any], name: str, crossed: Crossed) -> Callable[..., Any]:
    def around(*args: Any, **more: Any) -> Any:
        crossed(f"before:{name}")
        found = act(*args, **more)
        crossed(f"after:{name}")
        return found

    return around


@dataclass
class Machine:
    """A folder behind a real sshd. Every request that changes something is a boundary."""

    sshd: Sshd
    name: str = "box"

    def lay(self, folder: Path, paths: Iterable[str]) -> None:
        _write(folder / self.name, paths)

    def open(self, folder: Path, crossed: Crossed) -> BackupStore:
        from paramiko import sftp, sftp_client

        names = {
            sftp.CMD_REMOVE: "remove",
            sftp.CMD_RENAME: "rename",
            sftp.CMD_MKDIR: "mkdir",
            sftp.CMD_RMDIR: "rmdir",
            sftp.CMD_EXTENDED: "posix-rename",
        }
        client: Any = sftp_client.SFTPClient
        send, ask = client._async_request, client._request

        def sending(self: Any, fileobj: Any, kind: int, *args: Any) -> Any:
            name = names.get(kind)
            if name is None:
                return send(self, fileobj, kind, *args)
            crossed(f"before:sftp.{name}")
            number = send(self, fileobj, kind, *args)
            crossed(f"sent:sftp.{name}")
            return number

        def asking(self: Any, kind: int, *args: Any) -> Any:
            answer = ask(self, kind, *args)
            if kind in names:
                crossed(f"after:sftp.{names[kind]}")
            return answer

        client._async_request, client._request = sending, asking
        return _watched(SftpStore(self.name, str(folder / self.name), CPANEL, login=self.sshd.login()), folder, crossed)

    def held(self, folder: Path) -> Held:
        return _files(folder / self.name)

    def calm(self) -> None:
        """A session of sshd is a process, and carries out what has reached it before it ends."""
        for _ in range(6000):
            if not _children(self.sshd.pid):
                return
            time.sleep(0.01)
        raise RuntimeError("a session of sshd does not end")


def _children(pid: int) -> list[str]:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


# --- a bucket -----------------------------------------------------------------------------------------


@dataclass
class Moto:
    """A running server."""

    url: str
    process: "subprocess.Popen[str]"

    def write(self, bucket: str, written: Sequence[tuple[str, str]]) -> None:
        """Put objects into a bucket, in this order."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([bucket, written]) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def moto() -> Iterator[Moto]:
    """moto's server in a process of its own: who forks has no threads of it."""
    command = [sys.executable, "-c", MOTO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Moto(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.stdin.close()
            process.wait(30)


def _connect(url: str) -> Connect:
    pair = ("KEY", "SECRET")
    return Connect(endpoint_url=url, region="us-east-1", addressing="path", timeout_seconds=60, reader=pair)


@cache
def _client(url: str) -> Any:
    return _connect(url).reader()


@dataclass
class Bucket:
    """A versioned bucket: of every object an older version, of some a delete marker and an unfinished upload."""

    server: Moto
    name: str = "bucket"
    of: dict[Path, str] = field(default_factory=dict)

    def lay(self, folder: Path, paths: Iterable[str]) -> None:
        client = _client(self.server.url)
        bucket = self.of.get(folder)
        if bucket is None:
            bucket = self.of[folder] = f"trial-{next(BUCKETS)}"
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        keys = [f"{PREFIX}/{path}" for path in sorted(paths)]
        self.server.write(bucket, [(key, key) for key in keys] + [(key, "a newer one") for key in keys[::3]])
        for key in keys[1::5]:
            client.delete_object(Bucket=bucket, Key=key)
        for key in keys[2::5]:
            client.create_multipart_upload(Bucket=bucket, Key=key)

    def open(self, folder: Path, crossed: Crossed) -> BackupStore:
        from botocore import awsrequest, httpsession

        session: Any = httpsession.URLLib3Session
        wire: Any = awsrequest.AWSHTTPConnection
        send, answer = session.send, wire.getresponse

        def sending(self: Any, request: Any) -> Any:
            if request.method in ("GET", "HEAD"):
                return send(self, request)
            crossed(f"before:s3.{request.method}")
            found = send(self, request)
            crossed(f"after:s3.{request.method}")
            return found

        def sent(self: Any, *args: Any, **more: Any) -> Any:
            crossed("sent:s3")
            return answer(self, *args, **more)

        session.send, wire.getresponse = sending, sent
        return _watched(S3Store(self.name, self.of[folder], PREFIX, CPANEL, _connect(self.server.url)), folder, crossed)

    def held(self, folder: Path) -> Held:
        client, bucket = _client(self.server.url), self.of[folder]
        found: Held = {}
        page = client.list_object_versions(Bucket=bucket)
        assert not page["IsTruncated"]
        for row in page.get("Versions", ()):
            found[f"{_below(row['Key'])} {row['VersionId']}"] = row["ETag"]
        for row in page.get("DeleteMarkers", ()):
            found[f"{_below(row['Key'])} {row['VersionId']}"] = MARKER
        for row in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            found[f"{_below(row['Key'])} {row['UploadId']}"] = UPLOAD
        return found

    def calm(self) -> None:
        """A version is deleted once, whenever the server comes to it."""


def _below(key: str) -> str:
    return key.removeprefix(f"{PREFIX}/")


@dataclass
class Media:
    """The stores of a place, and what lies in them."""

    stores: Sequence[Medium]
    paths: Mapping[str, Sequence[str]]
    """Store -> the paths of every backup in it."""

    def lay(self, folder: Path) -> None:
        for medium in self.stores:
            shutil.rmtree(folder / medium.name, ignore_errors=True)
            medium.lay(folder, self.paths[medium.name])

    def open(self, folder: Path, crossed: Crossed) -> Sequence[BackupStore]:
        return [medium.open(folder, crossed) for medium in self.stores]

    def held(self, folder: Path) -> dict[tuple[str, str], str]:
        return {(m.name, path): what for m in self.stores for path, what in m.held(folder).items()}

    def calm(self) -> None:
        for medium in self.stores:
            medium.calm()
