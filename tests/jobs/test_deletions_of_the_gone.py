"""What keeps the backups of services whose record WHMCS has no more, and what must not hide that it does."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from hooks import after_module_terminate
from tests.builders import a_record
from tests.commands.desk import a_desk
from tests.house import HOSTING, House, service_id
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import MADE, a_house, end, set_status
from tests.jobs.test_deletions_ends import Ends, by_module, client_closed, client_deleted, hook, living, record_deleted
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.deletions import Tombstone
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, Locked
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs import backup_desk
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.simulator.records import Actor, Service


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def panel() -> Names:
    return Names()


@pytest.fixture
def house(shelf: Shelf, panel: Names) -> Iterator[House]:
    with a_house(shelf, panels=(panel,), layer={"delete_backups_after_days": 2}) as made:
        yield made


BOTH = ["site1/full", "site2/full"]


def deleted(house: House, panel: Names, service: Service) -> None:
    """WHMCS has the record no more, and its panel the account."""
    record_deleted(house, service)
    del panel.living_now[service.username]


# --- what stands against it ------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [record_deleted, client_deleted, client_closed])
@pytest.mark.parametrize("about", ["service", "client"])
def test_an_end_does_not_close_the_dispute_that_keeps_the_backups(
    house: House, shelf: Shelf, panel: Names, about: str, ends: Ends
) -> None:
    service = living(house, shelf, panel)
    number = int(service.id) if about == "service" else None
    house.bridge.journal.add_record(
        a_record(RecordKind.DISPUTE, house.today, house.day(8), client=service.client, service=number)
    )
    ends(house, service)
    del panel.living_now[service.username]
    house.next_day(7)
    assert sorted(shelf.names()) == BOTH
    house.next_day(2)
    assert shelf.names() == ["site2/full"]


def test_by_hand_the_grace_of_a_deleted_record_counts_and_the_clients_wish(
    house: House, shelf: Shelf, panel: Names
) -> None:
    service = living(house, shelf, panel)
    number = service_id(service)
    backup_desk.request(house.bridge.ports, number)
    deleted(house, panel, service)
    house.next_day(2)
    with pytest.raises(BridgeError, match=r"withheld .grace.: its backups are kept until"):
        backup_desk.plan_by_hand(house.bridge.ports, number)
    house.next_day(5)
    with pytest.raises(BridgeError, match=r"withheld .handover.: the client asked for their data"):
        backup_desk.plan_by_hand(house.bridge.ports, number)
    assert sorted(shelf.names()) == BOTH
    backup_desk.end_request(house.bridge.ports, number, "withdrawn")
    plan = backup_desk.plan_by_hand(house.bridge.ports, number)
    assert [row.item.account for row in plan.items] == ["site1"]


@pytest.mark.parametrize("kind", [RecordKind.FREEZE, RecordKind.CONTACT])
def test_an_outage_and_a_client_in_touch_hold_what_a_deleted_record_left(
    shelf: Shelf, panel: Names, kind: RecordKind
) -> None:
    touch = {"recent_contact_days": 9, "contact_holds_max_days": 60, "delete_backups_after_days": 2}
    with a_house(shelf, panels=(panel,), layer=touch) as house:
        service = living(house, shelf, panel)
        deleted(house, panel, service)
        house.sync()
        client = None if kind is RecordKind.FREEZE else service.client
        house.bridge.journal.add_record(a_record(kind, house.today, house.day(9), client=client, sort="staff"))
        house.next_day(6)
        assert sorted(shelf.names()) == BOTH
        with pytest.raises(BridgeError, match=r"frozen until|in touch"):
            backup_desk.plan_by_hand(house.bridge.ports, service_id(service))
        house.next_day(4)
        assert shelf.names() == ["site2/full"]


def test_what_the_bridge_keeps_of_a_deleted_record_follows_its_client_to_another(
    house: House, shelf: Shelf, panel: Names
) -> None:
    service = living(house, shelf, panel)
    old, new, number = ClientId(service.client), ClientId(2), service_id(service)
    deletions = house.bridge.journal.deletions
    backup_desk.request(house.bridge.ports, number)
    deletions.save_tombstone(Tombstone(ServiceId(99), old, house.today))
    deleted(house, panel, service)
    house.bridge.journal.merge_clients(old, new)
    assert [record.client for record in deletions.gone(number)] == [new]
    assert deletions.handovers()[number].client == new
    assert deletions.tombstones()[ServiceId(99)].client == new
    backup_desk.end_request(house.bridge.ports, number, "withdrawn")
    house.bridge.journal.add_record(a_record(RecordKind.HOLD, house.today, client=int(new), sort="legal"))
    house.next_day(6)
    assert sorted(shelf.names()) == BOTH


@pytest.mark.parametrize(("after", "gone_by"), [(6, 8), ("never", None)])
def test_a_policy_that_keeps_backups_longer_reaches_deleted_records(
    house: House, shelf: Shelf, panel: Names, after: int | str, gone_by: int | None
) -> None:
    service = living(house, shelf, panel)
    deleted(house, panel, service)
    house.next_day(2)
    house.reconfigure({"class": {"hosting": {**HOSTING, "delete_backups_after_days": after}}})
    house.next_day()
    house.reconfigure({"class": {"hosting": {**HOSTING, "delete_backups_after_days": 1}}})
    house.next_day(4)
    assert sorted(shelf.names()) == BOTH
    house.next_day(2)
    assert shelf.names() == (BOTH if gone_by is None else ["site2/full"])


def test_a_wish_that_comes_while_items_go_stops_the_rest(shelf: Shelf) -> None:
    with a_house(shelf) as house:
        service = house.a_service()
        for number in range(4):
            shelf.put("site1", f"n{number}", MADE)
        end(house, service)

        def asks(item: BackupItem) -> None:
            shelf.on_delete = None
            backup_desk.request(house.bridge.ports, service_id(service))

        shelf.on_delete = asks
        house.next_day()
        assert len(shelf.names()) == 3
        house.next_day(3)
        assert len(shelf.names()) == 3


def test_a_wish_is_recorded_while_a_run_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    desk = a_desk(tmp_path, monkeypatch, day="2025-03-14")
    with House.of({}, folder=desk.folder, stores=[shelf]) as house:
        house.a_service()
        house.sync()

    def at_work(*_: object) -> NoReturn:
        raise Locked("another run is at work")

    monkeypatch.setattr(SqliteJournal, "writer", at_work)
    assert "nothing is deleted until" in desk.run("backups", "request", "1")


# --- what is told, and looked at once more ---------------------------------------------------------


@pytest.mark.parametrize("days", [1, 3, 9], ids=["never missing", "ended", "erased"])
def test_a_record_that_is_restored_and_deleted_once_more_is_watched_anew(
    house: House, shelf: Shelf, panel: Names, days: int
) -> None:
    service = living(house, shelf, panel)
    hook(house, "ServiceDelete", service)
    account, row = panel.living_now[service.username], house.world.services[service.id]
    if days > 1:
        deleted(house, panel, service)
    house.next_day(days)
    if days > 1:
        house.world.services[service.id] = row
        house.world.services_by_client[service.client].append(service.id)
        panel.living_now[service.username] = account
    house.next_day(2)
    shelf.put("site1", "second", house.today)
    deleted(house, panel, service)
    house.next_day(2)
    assert "site1/second" in shelf.names()
    [record] = house.bridge.journal.deletions.gone(service_id(service))
    assert not record.done
    house.next_day(4)
    assert shelf.names() == ["site2/full"]
    assert house.bridge.journal.deletions.gone() == []


@pytest.mark.parametrize("ends", [by_module, record_deleted])
def test_an_account_that_is_still_on_its_panel_is_a_task_until_it_is_gone(
    house: House, shelf: Shelf, panel: Names, ends: Ends
) -> None:
    service = living(house, shelf, panel)
    ends(house, service)
    house.next_day(6)
    [task] = [t for t in house.bridge.journal.tasks() if t.code == "backups-account-lives"]
    assert task.service == service_id(service)
    assert "the account site1 still lives on server 1" in task.text
    del panel.living_now[service.username]
    house.next_day()
    assert shelf.names() == ["site2/full"]
    house.next_day()
    assert "backups-account-lives" not in house.task_codes()


def test_a_module_that_tells_late_of_a_second_end_begins_the_grace_anew(shelf: Shelf) -> None:
    """The bridge was away over the second life: its queue tells of the end."""
    with a_house(shelf, layer={"delete_backups_after_days": 10}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        house.pass_days(3)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.pass_days(20)
        set_status(house, service, ServiceStatus.TERMINATED)
        second, params = house.bridge.clock.now(), {"serviceid": int(service.id), "userid": int(service.client)}
        house.pass_days()
        for _ in range(2):
            event = HookEvent("AfterModuleTerminate", {"params": params}, second, Actor.ADMIN)
            after_module_terminate.handle(event, house.bridge)
        assert house.case(service).ended_on == second.date()
        house.next_day(8)
        assert shelf.names() == ["site1/full"]
        house.next_day()
        assert shelf.names() == []
