"""A gateway that books nothing any more: its invoices are held, staff is asked once, and a person may go on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, done
from whmcs_bridge.jobs.silence import silent_gateways
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.faults import Fault

CODE = "gateway-silence:boleto"


def config(**rules: Any) -> dict[str, Any]:
    return {"class": {"hosting": HOSTING}, "sanity": {"enabled": True, **rules}}


@pytest.fixture
def house() -> Iterator[House]:
    """It is noon on a Monday. Somebody paid by boleto on each bank day of the six weeks before, until last Tuesday."""
    with House.of(config()) as made:
        payers = made.a_client()
        made.world.advance(days=-48)
        for _ in range(43):
            made.world.advance(days=1)
            if made.today.weekday() < 5 and made.today.isoformat() <= "2025-03-04":
                made.pay(made.an_invoice(made.a_service(payers), due=0, gateway="boleto"))
        made.world.advance(days=5)
        assert made.today.isoformat() == "2025-03-10"
        yield made


def a_debtor(house: House, gateway: str = "boleto", overdue: int = 3) -> tuple[Any, Any]:
    service = house.a_service()
    return service, house.an_invoice(service, due=-overdue, gateway=gateway)


def tasks(house: House) -> list[str]:
    return [t.text for t in house.bridge.journal.tasks() if t.code == CODE]


def test_who_owes_by_a_silent_gateway_is_held_and_nobody_else(house: House) -> None:
    held, _ = a_debtor(house)
    other, _ = a_debtor(house, "paypal")
    report = house.sync()
    assert (held.status, other.status) == ("Active", "Suspended")
    assert house.withheld(report, held) == {"gateway-silence": "suspend"}
    assert report.exit_code == 0
    assert tasks(house) == ["no payment by boleto since 2025-03-04 (6 days): its unpaid invoices are held"]


def test_staff_is_asked_once_and_told_what_to_type(house: House) -> None:
    for _ in range(5):
        a_debtor(house)
    house.sync()
    house.next_day(2)
    (task,) = [t for t in house.bridge.journal.tasks() if t.code == CODE]
    assert task.todo.endswith(f"whmcs-bridge sync --accept-sanity {CODE}")
    assert task.service is None


def test_a_debt_by_two_gateways_is_held_too(house: House) -> None:
    service, _ = a_debtor(house, "paypal")
    house.an_invoice(service, due=-1, gateway="boleto")
    house.sync()
    assert service.status == "Active"


def test_an_end_is_held_as_well_and_a_release_is_not(house: House) -> None:
    paid, invoice = a_debtor(house, "paypal")
    service, owed = a_debtor(house, "paypal")
    house.sync()
    assert {paid.status, service.status} == {"Suspended"}
    house.pay(invoice)
    owed.gateway = "boleto"
    house.world.touch(owed)
    a_debtor(house, overdue=1)
    assert "unsuspend" in done(house.next_day())
    house.next_day(12)
    assert (paid.status, service.status) == ("Active", "Suspended")


def test_a_payment_ends_the_silence(house: House) -> None:
    service, _ = a_debtor(house)
    _, invoice = a_debtor(house)
    house.sync()
    assert service.status == "Active"
    house.pay(invoice)
    house.sync()
    assert service.status == "Suspended"
    assert tasks(house) == []


def test_a_person_goes_on_and_is_asked_again_after_a_week(house: House) -> None:
    first, _ = a_debtor(house)
    house.sync()
    assert done(house.sync(accept_sanity=[CODE])) == ["suspend"]
    assert (first.status, tasks(house)) == ("Suspended", [])
    second, _ = a_debtor(house, overdue=0)
    house.next_day(3)
    assert second.status == "Suspended"
    third, _ = a_debtor(house, overdue=-3)
    house.next_day(6)
    assert third.status == "Active"
    assert len(tasks(house)) == 1


def test_what_was_accepted_is_this_silence_and_no_later_one(house: House) -> None:
    _, invoice = a_debtor(house)
    house.sync(accept_sanity=[CODE])
    house.pay(invoice)
    house.sync()
    assert silent_gateways(house.bridge.journal) == {}
    service, _ = a_debtor(house, overdue=-2)
    house.next_day(5)
    assert silent_gateways(house.bridge.journal) != {}
    assert service.status == "Active"


def test_the_wrong_code_accepts_nothing(house: House) -> None:
    service, _ = a_debtor(house)
    house.sync(accept_sanity=["gateway-silence", "boleto", "gateway-silence:paypal"])
    assert service.status == "Active"


def test_warnings_of_a_suspension_go_out(house: House) -> None:
    house.reconfigure({**config(), "class": {"hosting": WARNED}})
    a_debtor(house, overdue=2)
    assert "suspension-warning" in done(house.sync())


def test_a_gateway_by_which_nobody_owes_is_not_waited_for(house: House) -> None:
    a_debtor(house, "paypal")
    house.sync()
    assert tasks(house) == []


def test_half_a_reading_says_nothing_new(house: House) -> None:
    a_debtor(house)
    house.faults(Fault("GetInvoices", faults.Kind.HTTP_500, count=0))
    house.sync()
    assert silent_gateways(house.bridge.journal) == {}
    house.faults()
    house.sync()
    assert list(silent_gateways(house.bridge.journal)) == ["boleto"]


def test_switched_off_with_the_other_checks(house: House) -> None:
    house.reconfigure({**config(), "sanity": {"enabled": False}})
    service, _ = a_debtor(house)
    house.sync()
    assert service.status == "Suspended"


def test_a_plan_shows_what_is_held(house: House) -> None:
    a_debtor(house)
    plan = house.bridge.plan()
    assert [h.withheld.code for h in plan.withheld] == ["gateway-silence"]
