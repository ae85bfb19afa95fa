"""A desk for tests: settings, a journal and the commands that only look into them; WHMCS is far away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands import app, cli
from whmcs_bridge.journal import SqliteJournal

SETTINGS = """\
[whmcs]
url = "https://billing.example.com"
identifier = "env:NOBODY"
secret = "env:NOBODY"
[calendar]
timezone = "UTC"
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
"""


@dataclass
class Desk:
    """One folder, one operator at the keyboard, on one day."""

    folder: Path
    day: str

    @contextmanager
    def journal(self) -> Iterator[SqliteJournal]:
        """The journal, to write into what a run would have written."""
        opened = SqliteJournal(self.folder / "journal.db")
        try:
            yield opened
        finally:
            opened.close()

    def run(self, *args: str, code: int = 0) -> str:
        """Type a command; return what it printed."""
        return self.result(*args, code=code).output

    def result(self, *args: str, code: int = 0) -> Result:
        """Type a command that exits with `code`."""
        env: dict[str, str | None] = {"COLUMNS": "100", app.PLAYED_DAY: self.day}
        result = CliRunner().invoke(cli, ["--config", str(self.folder / "bridge.toml"), *args], env=env)
        assert result.exit_code == code, result.output
        return result

    def json(self, *args: str) -> Any:
        """Type a command with --json; return what it prints."""
        return json.loads(self.result(*args, "--json").stdout)


def a_desk(folder: Path, monkeypatch: pytest.MonkeyPatch, day: str = "2025-03-11", name: str = "ana") -> Desk:
    """A desk with a settings file; `name` is who is logged in."""
    monkeypatch.setattr("getpass.getuser", lambda: name)
    (folder / "bridge.toml").write_text(SETTINGS, "utf-8")
    return Desk(folder, day)
