"""What keeps the backups of services whose record WHMCS has no more, and what must not hide that it does."""

from collections.abc import Iterator

import pytest

from tests.builders import a_record
from tests.house import House, service_id
from tests.jobs.shelves import Names, Shelf
from tests.jobs.test_deletions import a_house
from tests.jobs.test_deletions_ends import Ends, client_closed, client_deleted, living, record_deleted
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs import backup_desk
from whmcs_bridge.simulator.records import Service


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
