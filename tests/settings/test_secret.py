"""Secrets are references: read when they are used, shown nowhere."""

from pathlib import Path

import pytest

from tests.settings.files import CLASS, HEAD, settings_of
from whmcs_bridge.errors import SettingsProblem
from whmcs_bridge.settings import Secret

FILED = HEAD.replace("env:SECRET", "file:key") + CLASS


def test_a_secret_of_the_environment_is_read_when_it_is_used() -> None:
    env: dict[str, str] = {}
    settings = settings_of(HEAD, env)
    env["SECRET"] = "hunter2"
    assert settings.whmcs.secret.reveal() == "hunter2"


def test_a_secret_in_a_file_loses_the_line_end_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" hunter2 \r\n")
    settings = settings_of(FILED, path=tmp_path / "bridge.toml")
    assert settings.whmcs.secret.reveal() == " hunter2 "


def test_no_way_of_printing_settings_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    settings = settings_of(FILED, {"ID": "hunter1"}, tmp_path / "bridge.toml")
    settings.whmcs.secret.reveal()
    shown = f"{settings} {settings!r} {settings.whmcs.secret} {Secret.given('hunter3')!r} {settings.whmcs.identifier}"
    assert "hunter" not in shown
    assert "env:ID" in shown


def test_a_file_that_everyone_can_read_is_warned_about(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2")
    key.chmod(0o644)
    assert "chmod 600" in settings_of(FILED, path=tmp_path / "bridge.toml").warnings[0]
    key.chmod(0o600)
    assert settings_of(FILED, path=tmp_path / "bridge.toml").warnings == ()


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "bridge.toml: [whmcs] secret: env:SECRET is not set in the environment"),
        ({"SECRET": " \n"}, "bridge.toml: [whmcs] secret: env:SECRET is empty"),
    ],
)
def test_a_secret_that_is_missing_or_empty_is_told_by_its_reference(env: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsProblem) as caught:
        settings_of(HEAD, env).whmcs.secret.reveal()
    assert caught.value.problems == [told]


def test_a_secret_file_that_is_missing_is_told_when_it_is_used(tmp_path: Path) -> None:
    settings = settings_of(FILED, path=tmp_path / "bridge.toml")
    with pytest.raises(SettingsProblem, match="file:key cannot be read: No such file or directory"):
        settings.whmcs.secret.reveal()


def test_a_home_folder_is_understood_in_a_secret_s_path(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    text = HEAD.replace("env:SECRET", "file:~/key")
    assert settings_of(text, {"HOME": str(tmp_path)}).whmcs.secret.reveal() == "hunter2"


def test_the_secrets_of_a_backup_store_are_wrapped_too() -> None:
    text = """
[[backup_store]]
name = "a"
driver = "sftp"
host = "backup.example.com"
user = "bridge"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"
password = "env:KEY"
root = "/backup"
layout = "hestia"
"""
    [store] = settings_of(text, {"KEY": "hunter2"}).backup_stores
    assert store.options["host"] == "backup.example.com"
    assert store.options["port"] == 22
    assert store.options["password"].reveal() == "hunter2"
    assert "hunter" not in repr(store)


@pytest.mark.parametrize("value", ["two\nlines", "tab\there", "h\u00fcnter2", "a\x7fb", "a\u2026"])
def test_a_secret_that_no_header_may_have_is_told_by_its_reference(value: str) -> None:
    secret = settings_of(HEAD, {"SECRET": value}).whmcs.secret
    assert secret.reveal() == value
    with pytest.raises(SettingsProblem) as caught:
        secret.word()
    [told] = caught.value.problems
    assert "env:SECRET has a character that no header may have" in told
    assert value not in told


def test_a_secret_for_a_header_loses_the_line_end_and_nothing_else() -> None:
    assert settings_of(HEAD, {"SECRET": " hunter 2!\r\n"}).whmcs.secret.word() == " hunter 2!"
