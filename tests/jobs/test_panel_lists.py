"""What panels say of backups: whose account is gone, who has no service, and which place no store names."""

from datetime import date

import pytest

from tests.house import House
from tests.jobs.shelves import Names, Shelf
from whmcs_bridge.domain.panel_lists import PanelBackup, PanelDestination, PanelInventory
from whmcs_bridge.errors import StoreUnreachable
from whmcs_bridge.jobs.panel_lists import ask_all, says_json

DAY = date(2026, 11, 1)


def house_with(panel: Names, *stores: Shelf) -> House:
    house = House.of(stores=list(stores))
    house.bridge.ports.account_panels = [panel]
    return house


def test_backups_of_an_account_that_is_gone_are_named_with_its_service() -> None:
    panel = Names()
    with house_with(panel) as house:
        service = house.a_service()
        panel.add(service.username)
        panel.add("stranger")
        panel.add("below", owner="agency")
        house.sync()
        panel.lists = PanelInventory(
            (
                PanelBackup(service.username, "a", DAY),
                PanelBackup("nobody", "b", DAY),
                PanelBackup("nobody", "c", date(2026, 10, 1)),
                PanelBackup("", "odd"),
            )
        )
        (says,) = ask_all(house.bridge.ports)
        assert says.unknown == ["stranger"]
        assert [(g.account, g.services, g.backups, g.newest) for g in says.gone] == [("nobody", (), 2, DAY)]
        del panel.living_now[service.username]
        (says,) = ask_all(house.bridge.ports)
        assert [(g.account, g.services) for g in says.gone] == [(service.username, (service.id,)), ("nobody", ())]


@pytest.mark.parametrize(
    ("destination", "root", "kind", "named"),
    [
        (PanelDestination("a", "SFTP", "box.example.com", "/b"), "sftp://box.example.com:22/other", "sftp", True),
        (PanelDestination("a", "SFTP", "box.example.com", "/b"), "sftp://box2.example.com:22/b", "sftp", False),
        (PanelDestination("a", "AmazonS3", "b1", "whm1"), "s3://b1/whm1", "s3", True),
        (PanelDestination("a", "AmazonS3", "b1", "whm1"), "s3://b10/whm1", "s3", False),
        (PanelDestination("a", "Local", path="/backup/daily"), "/backup", "local", True),
        (PanelDestination("a", "Local", path="/backup"), "sftp://web1.example.com:22/backup", "sftp", True),
        (PanelDestination("a", "Local", path="/backup2"), "/backup", "local", False),
        (PanelDestination("sftp", "sftp"), "sftp://box.example.com:22/b", "sftp", True),
        (PanelDestination("b2", "b2"), "sftp://box.example.com:22/b", "sftp", False),
    ],
)
def test_a_place_that_no_store_could_be_is_told(
    destination: PanelDestination, root: str, kind: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "root", root)
    monkeypatch.setattr(Shelf, "kind", kind)
    panel = Names(lists=PanelInventory(destinations=(destination,)))
    with house_with(panel, Shelf()) as house:
        panel.add(house.a_service().username)
        house.sync()
        (says,) = ask_all(house.bridge.ports)
    assert says.unnamed == ([] if named else [destination])
    assert says_json(says)["lists_backups"]


def test_a_panel_that_is_away_says_nothing() -> None:
    panel = Names(trouble=StoreUnreachable("panel: it answers with status 500"))
    with house_with(panel) as house:
        (says,) = ask_all(house.bridge.ports)
    assert says.troubles == ["panel: it answers with status 500"]
    assert not says.lists
