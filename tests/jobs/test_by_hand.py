"""What staff asks for by hand: the same checks as a run's, and nothing done by halves."""

from typing import Any

import pytest

from tests.house import HOSTING, House, results, service_id
from whmcs_bridge.errors import StalePlan, UnknownId, UsageProblem
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.plan.model import Plan
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.records import Service


@pytest.fixture
def house() -> Any:
    with House.of() as house:
        yield house


def asked(reason: str = "asked for", **more: Any) -> ByHand:
    return ByHand("ana", reason, **more)


def planned(house: House, kind: Kind, *services: Service, **more: Any) -> Plan:
    wanted = more.pop("asked", None) or asked(**more)
    return house.bridge.plan_by_hand(kind, [service_id(s) for s in services], wanted)


def act(house: House, kind: Kind, *services: Service, **more: Any) -> RunReport:
    return house.bridge.apply(planned(house, kind, *services, **more).fingerprint)


def why(plan: Plan) -> list[str]:
    return [held.withheld.code for held in plan.withheld]


def test_a_suspension_for_abuse_has_the_staffs_words_and_no_payment_lifts_it(house: House) -> None:
    _, service, invoice = house.a_debtor(overdue=1)
    house.sync()
    report = act(house, Kind.SUSPEND, service, reason="phishing", staffs=True)
    assert results(report) == [("suspend", "done")]
    assert (service.status, service.suspend_reason) == ("Suspended", "phishing")
    house.pay(invoice)
    house.next_day(3)
    assert (service.status, service.suspend_reason) == ("Suspended", "phishing")
