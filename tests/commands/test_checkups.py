"""What `doctor` makes of the database files it finds."""

from pathlib import Path

from commands.checkups import Finding, Grade, databases
from whmcs_bridge.settings.load import load

SETTINGS = '[whmcs]\nurl = "https://billing.example.com"\nidentifier = "env:ID"\nsecret = "env:SECRET"\n'


def findings_of(folder: Path) -> list[Finding]:
    (folder / "bridge.toml").write_text(SETTINGS)
    return [found for found in databases(load(folder / "bridge.toml", {})) if found.grade is Grade.FAIL]


def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    """Deleting or restoring a sound file would not help where the permissions are wrong."""
    (tmp_path / "mirror.db").mkdir()
    (found,) = findings_of(tmp_path)
    assert "writable" in found.todo
    assert "delete" not in found.todo


def test_a_damaged_mirror_may_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "mirror.db").write_text("no database at all " * 50)
    (found,) = findings_of(tmp_path)
    assert found.todo.startswith("delete it")
