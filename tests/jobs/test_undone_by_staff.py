"""A suspension whose answer was lost and that staff has undone since is not made a second time on its day."""

import pytest

from tests.house import House, done
from whmcs_bridge.simulator import faults, modules
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Actor, Service, ServiceStatus


def undo(house: House, service: Service) -> None:
    with house.world.acting(Actor.ADMIN):
        assert modules.run_module(house.world, service, modules.UNSUSPEND) == ""
        house.world.set_service_status(service, ServiceStatus.ACTIVE, recorded=True)


@pytest.mark.parametrize("kind", [faults.Kind.TIMEOUT_AFTER, faults.Kind.RESET_AFTER_SEND])
def test_what_took_effect_unanswered_and_was_undone_by_staff_waits_for_tomorrow(kind: faults.Kind) -> None:
    """One suspension or termination a service and house day, whoever undid the first."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.faults(Fault("ModuleSuspend", kind))
        house.sync()
        assert service.status == "Suspended"
        undo(house, service)
        house.faults()
        assert done(house.sync()) == []
        assert service.status == "Active"
        assert done(house.next_day()) == ["suspend"]


def test_what_never_took_effect_is_done_on_the_same_day() -> None:
    """An older suspension in WHMCS's log is not taken for this one."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.sync()
        undo(house, service)
        house.pass_days()
        house.faults(Fault("ModuleSuspend", faults.Kind.TIMEOUT_BEFORE))
        house.sync()
        house.faults()
        assert service.status == "Active"
        assert done(house.sync()) == ["suspend"]
