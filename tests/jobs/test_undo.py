"""A run is taken back as far as the world allows, and what cannot be is said."""

from typing import Any

import pytest

from tests.house import House, results
from whmcs_bridge.jobs.undo import Undo
from whmcs_bridge.simulator.records import Service


@pytest.fixture
def house() -> Any:
    with House.of() as house:
        yield house


def planned(house: House, run: int, **more: Any) -> Undo:
    return house.bridge.plan_undo(run, by="ana", reason="wrong settings", **more)


def status_tomorrow(house: House, service: Service) -> str:
    house.next_day()
    return service.status


def test_services_come_back_with_an_apology_and_stay_up_until_the_day_named(house: House) -> None:
    client, service, _ = house.a_debtor(overdue=5)
    run = house.sync().run
    assert service.status == "Suspended"
    undo = planned(house, run, days=3, apologise=True)
    report = house.bridge.apply(undo.plan.fingerprint)
    assert results(report) == [("notice", "done"), ("unsuspend", "done")]
    assert house.mails(client, "apologies")
    assert [status_tomorrow(house, service) for _ in range(4)] == ["Active"] * 3 + ["Suspended"]
