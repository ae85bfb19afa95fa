"""`backups panels`: what the hosting panels say, beside what is configured here."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.commands.desk import Desk, a_desk
from tests.jobs.shelves import Names, Shelf
from whmcs_bridge import wiring
from whmcs_bridge.domain.panel_lists import PanelBackup, PanelDestination, PanelInventory
from whmcs_bridge.errors import ViewIncomplete

LISTS = PanelInventory(
    (PanelBackup("gone", "2026-11-01", date(2026, 11, 1), ("local",)),),
    (PanelDestination("off site", "AmazonS3", "b1", "whm1", used=False),),
    ("it lists what it still knows",),
)


@pytest.fixture
def panel() -> Names:
    return Names("web1", lists=LISTS)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, panel: Names) -> Desk:
    monkeypatch.setattr(wiring, "_stores", lambda _settings: (Shelf(),))
    monkeypatch.setattr(wiring, "_panels", lambda _settings: (panel,))
    return a_desk(tmp_path, monkeypatch, day="2026-11-14")


def test_what_no_service_has_and_no_store_names_is_shown(desk: Desk, panel: Names) -> None:
    panel.add("stranger")
    said = " ".join(desk.run("backups", "panels").split())
    assert "web1: 1 accounts live there, 1 backups listed" in said
    assert "no living service in WHMCS has: stranger" in said
    assert "no [[backup_store]] names its destination off site b1 whm1 (AmazonS3), switched off" in said
    assert "gone none ever 1 2026-11-01 local" in said
    assert "note: it lists what it still knows" in said


def test_machines_get_the_same(desk: Desk, panel: Names) -> None:
    panel.add("stranger")
    (told,) = json.loads(desk.run("backups", "panels", "--json"))
    assert told["accounts_gone"][0]["account"] == "gone"
    assert told["destinations_without_store"][0]["host"] == "b1"


def test_a_token_that_may_not_ask_for_the_lists_still_says_who_lives(
    desk: Desk, panel: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise ViewIncomplete("panel web1: it answers with a refusal to backup_date_list")

    panel.add("stranger")
    monkeypatch.setattr(panel, "inventory", refused)
    said = " ".join(desk.run("backups", "panels", code=1).split())
    assert "1 accounts live there" in said
    assert "who lives is known, its list of backups is not" in said


def test_a_house_without_panels_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "_panels", lambda _settings: ())
    assert desk.run("backups", "panels") == "No [[panel]] is configured.\n"
