"""A run belongs to the house day on which it began."""

from datetime import datetime

from tests.house import House, a_world, results
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.decision import Kind

JUST_BEFORE_MIDNIGHT = datetime(2025, 3, 14, 23, 59)  # noqa: DTZ001 (WHMCS shows wall-clock time); a Friday


def test_what_is_harmful_after_midnight_is_left_to_the_next_days_run() -> None:
    """Planned on Friday, midnight comes before the act: Saturday is quiet, and was never asked."""
    with House.of(world=a_world(JUST_BEFORE_MIDNIGHT)) as house:
        _, service, _ = house.a_debtor(overdue=3)

        def midnight(_plan: Plan) -> None:
            house.world.advance(minutes=2)

        report = house.sync(on_planned=midnight)
        assert [s.kind for s in report.plan.steps] == [Kind.SUSPEND]
        assert results(report, Kind.SUSPEND) == []
        assert service.status == "Active"
        assert "1 left to the next run" in report.summary()
        assert report.today == JUST_BEFORE_MIDNIGHT.date()
        house.sync()
        assert service.status == "Suspended"


def test_what_lifts_goes_on_after_midnight() -> None:
    with House.of(world=a_world(JUST_BEFORE_MIDNIGHT)) as house:
        _, service, invoice = house.a_debtor(overdue=3)
        house.sync()
        house.world.advance(days=1)
        house.pay(invoice)

        def midnight(_plan: Plan) -> None:
            house.world.advance(minutes=2)

        house.sync(on_planned=midnight)
        assert service.status == "Active"
