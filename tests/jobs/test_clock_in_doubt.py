"""While nobody can say whether today is today, nothing that rests on it is kept, and no mail names a wrong day."""

from datetime import timedelta
from typing import Any

import pytest

from tests.house import HOSTING, House, WorldClock, client_id, done, service_id
from whmcs_bridge.domain.records import Record, RecordKind, RecordState

WATCHED: dict[str, Any] = {
    "class": {"hosting": {**HOSTING, "notices": [{"day": 2, "message": "suspension-warning"}]}},
    "vip": {"group": "VIP", "min_tenure_months": 1},
    "sanity": {"max_days_since_run": 7},
}


class WrongClock(WorldClock):
    """WHMCS's clock is right, the bridge's is some days off."""

    days = 0

    def now(self) -> Any:
        return super().now() + timedelta(days=self.days)


@pytest.mark.parametrize("off", [400, -3])
def test_a_wrong_clock_sends_nothing_breaks_no_promise_and_begins_no_case(off: int) -> None:
    with House.of(WATCHED) as house:
        clock = WrongClock(house.world)
        house.bridge.ports.clock = clock
        client, service, _ = house.a_debtor(overdue=1)
        member = house.a_client(created=house.day(-900), group=1)
        house.an_invoice(house.a_service(member), due=10)
        house.sync()
        promise = Record(
            0,
            RecordKind.PROMISE,
            RecordState.OPEN,
            "Ann",
            "on Friday",
            house.today,
            house.today,
            house.day(4),
            client_id=client_id(client),
            service_id=service_id(service),
        )
        house.bridge.record(promise)
        before = house.case(service)
        clock.days = off
        report = house.next_day()
        assert "sanity:clock-apart" in {stop.code for stop in report.plan.stops}
        assert done(report) == []
        assert house.mails() == []
        assert house.case(service) == before
        assert [r.state for r in house.bridge.journal.records()] == [RecordState.OPEN]
        clock.days = 0
        house.next_day(2)
        assert (service.status, member.group) == ("Active", 1)
        house.next_day(2)
        assert service.status == "Suspended"


def test_after_a_clock_that_was_wrong_a_final_warning_goes_out_once() -> None:
    """A case that began in a year to come would find no warning fresh enough, day after day."""
    with House.of(WATCHED) as house:
        clock = WrongClock(house.world)
        house.bridge.ports.clock = clock
        client, service, _ = house.a_debtor(overdue=1)
        house.sync()
        clock.days = 400
        house.next_day(2)
        clock.days = 0
        house.next_day(40)
        assert service.status == "Terminated"
        assert len(house.mails(client, "Final warning")) == 1


def test_under_a_clock_that_is_behind_only_who_owes_on_no_day_comes_back() -> None:
    """Three days ago nothing was overdue yet: that releases nobody. A booked payment does, whatever the clock says."""
    with House.of(WATCHED) as house:
        clock = WrongClock(house.world)
        house.bridge.ports.clock = clock
        _, debtor, _ = house.a_debtor()
        _, payer, paid = house.a_debtor()
        house.next_day(4)
        assert (debtor.status, payer.status) == ("Suspended", "Suspended")
        house.pay(paid)
        clock.days = -6
        report = house.next_day()
        assert (debtor.status, payer.status) == ("Suspended", "Active")
        assert done(report) == ["unsuspend"]
        clock.days = 0
        house.next_day()
        assert (debtor.status, payer.status) == ("Suspended", "Active")
