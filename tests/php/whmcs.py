"""Real PHP with the hook file in it: jobs for `standin.php`, and what came of them."""

import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

from tests.php.receiver import SECRET

STANDIN = Path(__file__).with_name("standin.php")
SHIM = resources.files("hooks").joinpath("php/whmcs_bridge.php")
SECRETS = (
    "client-Passw0rd",
    "root-Passw0rd!",
    "line-one-of-the-hash",
    "token-0123456789",
    "model-Passw0rd",
    "field-Passw0rd",
    SECRET,
)
"""What the stand-in puts into every hook's variables, as `standin.php` spells it, and the shared secret."""

Call = tuple[str, Mapping[str, Any]]

ADMIN = {"adminid": "1"}
NOBODY: Mapping[str, str] = {}
CRON_PAGE = "/crons/cron.php"
API_PAGE = "/includes/api.php"
ADMIN_PAGE = "/admin/clientsservices.php"
CLIENT_PAGE = "/clientarea.php"


@dataclass(frozen=True)
class Page:
    """What one request to WHMCS came to."""

    seen: Mapping[str, Any]

    @property
    def answers(self) -> list[list[Any]]:
        """For each call, what every hook returned."""
        found: list[list[Any]] = self.seen["answers"]
        return found

    @property
    def answer(self) -> Any:
        """What the only hook of the only call returned."""
        ((found,),) = self.answers
        return found

    @property
    def log(self) -> str:
        return "\n".join(text for text, _ in self.seen["log"])

    def local(self, action: str) -> list[Mapping[str, Any]]:
        """The values of every localAPI call of this action."""
        return [values for name, values in self.seen["local"] if name == action]


@dataclass
class Whmcs:
    """A folder that looks like WHMCS, with the hook file and its settings, and a PHP that serves it."""

    port: int
    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, port: int, root: Path, url: str, **settings: Any) -> Self:
        """With the settings that `hooks install` writes, over HTTP to `url`."""
        hooks = root / "includes" / "hooks"
        hooks.mkdir(parents=True)
        (hooks / "whmcs_bridge.php").write_bytes(SHIM.read_bytes())
        found = cls(port, root)
        found.set(
            secret=SECRET,
            url=url,
            timeout_ms=20_000,  # a busy machine is no reason to fall back; tests of slowness set their own
            connect_timeout_ms=20_000,
            screen_timeout_ms=20_000,
            spool=str(root / "spool"),
            gate=str(root / "gate.json"),
            **settings,
        )
        return found

    def set(self, **settings: Any) -> None:
        """Change the settings file."""
        self.settings.update(settings)
        text = json.dumps(self.settings)
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        php = f"<?php\nif (!defined('WHMCS')) {{ return []; }}\nreturn json_decode('{quoted}', true);\n"
        (self.root / "includes" / "hooks" / "_whmcs_bridge_settings.php").write_text(php)

    @property
    def spool(self) -> list[Mapping[str, Any]]:
        """The events that wait, in the order of their names."""
        files = sorted(Path(self.settings["spool"]).glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def page(
        self, *calls: Call, session: Mapping[str, str] = NOBODY, script: str = CRON_PAGE, clean: bool = True, **job: Any
    ) -> Page:
        """Open a page of WHMCS on which these hook points are called; nothing may be printed or complained about."""
        body = json.dumps(self._job(calls, session) | {"script": script} | job)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse().read().decode()
        connection.close()
        return _page(answer, clean=clean)

    def cron(self, *calls: Call, php: Sequence[str] = (), **job: Any) -> Page:
        """Run WHMCS's cron: PHP on the command line."""
        done = subprocess.run(
            ["php", *php, str(STANDIN)],
            input=json.dumps(self._job(calls, NOBODY) | job),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert not done.stderr
        return _page(done.stdout)

    def _job(self, calls: Sequence[Call], session: Mapping[str, str]) -> dict[str, Any]:
        return {"root": str(self.root), "session": dict(session), "calls": calls, "local": {}} | self.job


def _page(answer: str, *, clean: bool = True) -> Page:
    try:
        page = Page(json.loads(answer))
    except ValueError:
        raise AssertionError(f"PHP broke off: {answer}") from None
    assert page.seen["left_open"] == 0
    if clean:
        assert page.seen["printed"] == ""
        assert page.seen["errors"] == []
    return page


@contextmanager
def php_server(*options: str) -> Iterator[int]:
    """Serve the stand-in with PHP's own web server; yield its port."""
    command = ["php", *options, "-S", "127.0.0.1:0", str(STANDIN)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            line = server.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            assert found, line
            threading.Thread(target=server.stderr.read, daemon=True).start()  # its log is not to wait for a reader
            yield int(found[1])
        finally:
            server.kill()


def module_call(point: str, service: int = 34, client: int = 3, **params: Any) -> Call:
    """A module hook: its service is in `params`, beside much that nobody may see."""
    return point, {"params": {"serviceid": service, "userid": client, "pid": 1, "username": "jo", **params}}
