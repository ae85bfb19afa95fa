"""A real sshd on a free port of loopback, with keys of its own, for the time of a test module."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from whmcs_bridge.backups.sftp import Login
from whmcs_bridge.settings.secret import Secret

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
Subsystem sftp internal-sftp
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
LogLevel ERROR
MaxStartups 100
"""


@dataclass(frozen=True, slots=True)
class Sshd:
    """Where it listens, and what it knows."""

    port: int
    host_key: str
    private_key: str
    pid: int

    def login(self, **changes: object) -> Login:
        fields = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "host_key": self.host_key,
            "private_key": Secret.given(self.private_key),
        }
        return Login(**(fields | changes))  # type: ignore[arg-type]


def program(name: str) -> str | None:
    """Return where a program lies; sshd's folder is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run one until the block ends."""
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # sshd refuses to start without it
    port = _free_port()
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    sshd = program("sshd") or "/usr/sbin/sshd"  # it wants to be called by its whole path
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        key = (folder / "host_key.pub").read_text().split()
        yield Sshd(port, f"{key[0]} {key[1]}", (folder / "user_key").read_text(), process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"sshd ended: {log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("sshd does not answer")
