"""Stores and panels of the settings: named one by one, opened late, and alone in their trouble."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.backups.contract import BOB, listing
from tests.settings.files import settings_of
from whmcs_bridge import backups
from whmcs_bridge.backups.names import SENTINEL
from whmcs_bridge.domain.backups import LivingAccount
from whmcs_bridge.errors import StoreAuthFailed, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings import drivers
from whmcs_bridge.settings.drivers import panel_options, store_options
from whmcs_bridge.settings.model import BackupStoreSettings, Settings
from whmcs_bridge.settings.secret import Secret
from whmcs_bridge.wiring import open_bridge


def a_house(folder: Path, more: str = "") -> Settings:
    (folder / "backup").mkdir()
    (folder / "backup" / SENTINEL).touch()
    (folder / "users").write_text("bob.example.com: bob\nalice.example.com: alice\n")
    return settings_of(f"""
[[backup_store]]
name = "disk"
driver = "local"
servers = [3, 4]
root = "{folder}/backup"
layout = "cpanel"
[[backup_store]]
name = "box"
driver = "sftp"
host = "127.0.0.1"
port = 1
user = "bridge"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"
password = "env:NOT_SET"
root = "/backup"
layout = "hestia"
[[panel]]
name = "web"
driver = "names"
servers = [3]
path = "{folder}/users"
{more}
""")


def test_every_driver_has_its_options_and_every_option_its_driver() -> None:
    assert set(backups.DRIVERS) == set(drivers.STORES)
    assert set(backups.PANELS) == set(drivers.PANELS)


@pytest.mark.parametrize("reference", [*backups.DRIVERS.values(), *backups.PANELS.values()])
def test_every_driver_can_be_loaded(reference: str) -> None:
    from importlib import import_module

    module, _, function = reference.partition(":")
    assert callable(getattr(import_module(module), function))


def test_no_option_has_the_name_of_one_that_all_have_or_lacks_a_meaning() -> None:
    every = [store_options(name) for name in drivers.STORES] + [panel_options(name) for name in drivers.PANELS]
    for options in every:
        names = [key.name for key in options.keys]
        assert len(names) == len(set(names))
        assert not {"name", "driver", "servers"} & set(names)
        assert all(key.doc.endswith(".") for key in options.keys)


def test_stores_are_opened_when_they_are_first_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "DRIVERS", {"local": "no.such.module:at_all", "sftp": "no.such.module:at_all"})
    disk, box = backups.open_stores(a_house(tmp_path))
    assert (disk.name, disk.kind, box.name, box.kind) == ("disk", "local", "box", "sftp")
    assert [disk.serves(3), disk.serves(5), box.serves(5)] == [True, False, True]
    disk.close()
    with pytest.raises(ModuleNotFoundError):
        disk.items()


def test_a_store_whose_secret_is_not_there_leaves_the_others_alone(tmp_path: Path) -> None:
    disk, box = backups.open_stores(a_house(tmp_path))
    assert listing(disk) == []
    assert disk.root == f"{tmp_path}/backup"
    with pytest.raises(StoreAuthFailed, match="env:NOT_SET is not set in the environment"):
        listing(box)
    probe = box.probe()
    assert not probe.complete
    assert "box" in probe.why


@pytest.mark.parametrize("driver", ["proxmox", "pbs", "jetbackup", "solusvm2"])
def test_a_token_of_two_lines_is_one_store_s_trouble_and_shown_nowhere(driver: str) -> None:
    class Options(dict[str, object]):
        def __missing__(self, key: str) -> object:
            return Secret.given("top-secret\nsecond") if key == "token" else "http://127.0.0.1:1"

    options = Options(timeout_seconds=1, storages=(), namespaces=(), garbage_collected_days=0, bytes_kept_days=0)
    given = BackupStoreSettings("box", driver, (), options)
    [store] = backups.open_stores(SimpleNamespace(backup_stores=(given,)))  # type: ignore[arg-type]
    with pytest.raises(StoreAuthFailed, match="no header may have") as told:
        store.probe()
    assert "top-secret" not in f"{told.value!r}"


def test_a_bridge_has_the_stores_and_panels_of_its_settings(tmp_path: Path) -> None:
    with open_bridge(a_house(tmp_path), in_memory=True, offline=True) as bridge:
        assert [store.name for store in bridge.stores] == ["disk", "box"]
        assert [panel.name for panel in bridge.ports.account_panels] == ["web"]
    (tmp_path / "x").mkdir()
    with open_bridge(a_house(tmp_path / "x"), in_memory=True, offline=True, stores=(), account_panels=()) as bridge:
        assert not bridge.stores
        assert not bridge.ports.account_panels


class Damaged:
    """A driver that stumbles over what another side sent: at once, or while its rows are read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def items(self) -> Iterator[str]:
        yield "first"
        raise self.error

    def probe(self) -> None:
        raise self.error

    living = poll = inventory = capture = residue = delete = probe


STUMBLES = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, AttributeError, UnicodeError)


@pytest.mark.parametrize("error", STUMBLES)
def test_an_answer_that_its_driver_cannot_read_is_an_incomplete_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr("whmcs_bridge.backups.local.open_store", lambda given: Damaged(error("top-secret")))
    disk: Any = backups.open_stores(a_house(tmp_path))[0]
    rows = iter(disk.items())
    assert next(rows) == "first"
    for read in (rows.__next__, disk.probe, disk.living, disk.poll, disk.inventory, disk.capture, disk.residue):
        with pytest.raises(
            ViewIncomplete, match=f"store disk: an answer that cannot be read .{error.__name__}"
        ) as told:
            read()
        assert "top-secret" not in f"{told.value!r} {told.value.__cause__!r}"
        assert told.value.__suppress_context__
    with pytest.raises(error):
        disk.delete()


def test_what_stumbles_over_a_good_row_stumbles_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whmcs_bridge.backups.local.open_store", lambda given: Damaged(ValueError()))
    disk: Any = backups.open_stores(a_house(tmp_path))[0]

    def read() -> None:
        for _ in disk.items():
            raise ValueError("the reader's own")

    with pytest.raises(ValueError, match="the reader's own"):
        read()


# --- who lives, from a file ------------------------------------------------------------------------------


def test_a_file_says_who_lives(tmp_path: Path) -> None:
    [panel] = backups.open_panels(a_house(tmp_path))
    assert panel.serves(3)
    assert not panel.serves(4)
    assert panel.living() == {
        "bob": LivingAccount("bob", domain="bob.example.com"),
        "alice": LivingAccount("alice", domain="alice.example.com"),
    }
    assert BOB.username in panel.living()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "names nobody"),
        (b"\n\n", "names nobody"),
        (b"alice\nbo", "is being written"),
        (b"alice\nb ob\n", "a line that names no account"),
        (b"example.com:\n", "a line that names no account"),
        ("b\u0441b\n".encode(), "more than ASCII"),
    ],
)
def test_a_file_that_may_say_half_the_truth_says_nothing(tmp_path: Path, content: bytes, line: str) -> None:
    [panel] = backups.open_panels(a_house(tmp_path))
    (tmp_path / "users").write_bytes(content)
    with pytest.raises(ViewIncomplete, match=line):
        panel.living()


def test_a_file_that_is_away_or_old_says_nothing(tmp_path: Path) -> None:
    import os

    [panel] = backups.open_panels(a_house(tmp_path, "max_age_hours = 2"))
    assert len(panel.living()) == 2
    os.utime(tmp_path / "users", (0, 0))
    with pytest.raises(ViewIncomplete, match="hours old"):
        panel.living()
    (tmp_path / "users").unlink()
    with pytest.raises(StoreUnreachable, match="No such file"):
        panel.living()
