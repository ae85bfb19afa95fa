"""A simulated WHMCS behind a socket, `whmcs-bridge serve` in a process of its own, and who sends events to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from tests.house import a_world
from tests.receiver.office import SECRET, body_of
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.ports import InboxEvent
from whmcs_bridge.receiver.signature import signed
from whmcs_bridge.simulator.app import Server, serve
from whmcs_bridge.simulator.state import World

PATIENCE_SECONDS = 60.0
"""A busy machine is given time; nothing here is fast because it must be."""
SETTINGS = """
mode = "enforce"
[whmcs]
url = "{url}"
identifier = "env:TOWN_IDENTIFIER"
secret = "env:TOWN_SECRET"
[hooks]
listen = "127.0.0.1:0"
secret = "env:TOWN_HOOKS"
threads = {threads}
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
[limits]
suspend = "off"
[sanity]
enabled = false
"""


def until(true: Any, what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come about within {PATIENCE_SECONDS:.0f} s"
        time.sleep(0.02)


@dataclass
class Town:
    """The simulator runs in this process, the bridge in others."""

    folder: Path
    world: World
    whmcs: Server
    url: str = ""
    process: subprocess.Popen[str] | None = None
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def environment(self) -> dict[str, str]:
        known = self.world.credentials
        return os.environ | {
            "TOWN_IDENTIFIER": known.identifier,
            "TOWN_SECRET": known.secret,
            "TOWN_HOOKS": SECRET.decode(),
            "WHMCS_BRIDGE_CONFIG": str(self.folder / "bridge.toml"),
            "WHMCS_BRIDGE_TODAY": self.world.today.isoformat(),
        }

    def run(self, *words: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command of the bridge to its end."""
        return subprocess.run(
            [sys.executable, "-m", "whmcs_bridge", *words],
            env=self.environment | environment,
            input=given,
            capture_output=True,
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )

    def start(self, *words: str) -> None:
        """Start `serve` and wait until it listens."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "whmcs_bridge", "serve", "--json", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("a"),
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        self.url = json.loads(line)["url"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End `serve` with this signal; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def send(self, told: Mapping[str, Any]) -> requests.Response:
        body = body_of(dict(told))
        headers = signed(SECRET, body, uuid4().hex, time.time())
        return self.http.post(f"{self.url}/hooks/{told['point']}", data=body, headers=headers, timeout=PATIENCE_SECONDS)

    def inbox(self) -> list[InboxEvent]:
        """Every event in the inbox, oldest first."""
        journal = SqliteJournal(self.folder / "journal.db")
        try:
            return list(reversed(journal.events(limit=1_000_000)))
        finally:
            journal.close()


@contextmanager
def town(folder: Path, *, threads: int = 4, world: World | None = None) -> Iterator[Town]:
    whmcs = serve(world or a_world(datetime(2025, 3, 10, 12, 0)))  # noqa: DTZ001 (WHMCS shows wall-clock time)
    (folder / "bridge.toml").write_text(SETTINGS.format(url=whmcs.url, threads=threads))
    opened = Town(folder, whmcs.front.world, whmcs)
    try:
        yield opened
    finally:
        opened.http.close()
        if opened.process is not None:
            with suppress(ProcessLookupError):
                opened.stop(signal.SIGKILL)
        whmcs.close()
