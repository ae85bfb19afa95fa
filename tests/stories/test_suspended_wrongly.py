"""What made others suspend the wrong ones. Numbers are those of docs/reference/failure-stories.md."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.house import HOSTING, House, a_world, client_id, done, service_id, the_result
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import faults
from whmcs_bridge.simulator.automation import apply_credit, payment_pending
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.modules import SUSPEND, run_module
from whmcs_bridge.simulator.records import Actor, Currency, ServiceStatus


def test_without_an_invoice_nothing_is_suspended() -> None:
    """Story 1: the next due date lies a year back, and nobody ever made an invoice. Staff is told."""
    with House.of() as house:
        service = house.a_service(next_due=date(2024, 3, 1))
        house.next_day(20)
        assert service.status == ServiceStatus.ACTIVE
        assert house.events("module:") == []
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "due-date-lag"]
        assert task.service == service.id


def test_invoices_made_by_mistake_suspend_nobody_before_a_person_has_looked() -> None:
    """Story 9: continuous invoicing was switched on, and a month later nobody has noticed but the bridge."""
    config = {"class": {"hosting": HOSTING}, "sanity": {"new_overdue_factor": 5}}
    with House.of(config) as house:
        house.a_debtor(overdue=1)
        prepaid = [house.a_service() for _ in range(30)]
        house.sync()
        house.pass_days()
        for service in prepaid:
            house.an_invoice(service, due=-5, made=-20)
        for _ in range(30):
            report = house.next_day()
            assert "sanity:new-overdue" in {stop.code for stop in report.plan.stops}
        assert len(report.plan.refused) >= len(prepaid)
        assert house.events("module:") == []
        assert "sanity:new-overdue" in house.task_codes()
        codes = [stop.code.removeprefix("sanity:") for stop in report.plan.stops]
        done_now = done(house.sync(accept_sanity=codes))
        assert done_now.count("suspend") == 1 + len(prepaid)


def test_the_clock_stands_still_while_the_panel_is_down() -> None:
    """Story 13: nobody can pay for four days; who had one day left when it began has it still afterwards."""
    with House.of() as house:
        _, service, _ = house.a_debtor()
        house.next_day(2)
        house.pass_days()
        down = Record(
            0, RecordKind.FREEZE, RecordState.OPEN, "Ann", "panel down", house.today, house.today, house.day(3)
        )
        house.bridge.record(down)
        house.sync()
        house.next_day(3)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


@pytest.mark.parametrize("page_size", [1, 25, 250])
def test_a_book_larger_than_a_page_is_read_to_its_end(page_size: int) -> None:
    """Story 14: WHMCS gives 25 rows where nobody asks for more; the debtor is the last of sixty, the payer too."""
    with House.of(page_size=page_size) as house:
        for _ in range(58):
            house.an_invoice(house.a_service(), due=20)
        _, payer, paid = house.a_debtor(overdue=3)
        house.pay(paid)
        _, debtor, _ = house.a_debtor(overdue=3)
        house.sync()
        assert (payer.status, debtor.status) == ("Active", "Suspended")


@pytest.mark.parametrize("hours", [-11, 11])
def test_days_are_the_houses_own_where_whmcs_lives_in_another_time_zone(hours: int) -> None:
    """Story 20: WHMCS's own date is a day behind, or ahead, for half of each day."""

    class Clock:
        def now(self) -> datetime:
            return house.world.clock.replace(tzinfo=UTC) + timedelta(hours=hours)

    start = datetime(2025, 3, 10, 18, 0) if hours > 0 else datetime(2025, 3, 10, 6, 0)  # noqa: DTZ001
    with House.of({"class": {"hosting": HOSTING}, "sanity": {}}, world=a_world(start)) as house:
        house.bridge.ports.clock = Clock()
        today = Clock().now().date()
        assert today != house.today
        service = house.a_service()
        invoice = house.an_invoice(service, made=-20)
        invoice.due = today
        house.next_day(2)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


def test_a_receipt_holds_until_its_bank_day_deadline() -> None:
    """Story 3: the cheque is on its way, staff will book it late; after the deadline the debt counts again."""
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=2)
        house.sync()
        house.bridge.record(
            Record(
                0,
                RecordKind.RECEIPT,
                RecordState.OPEN,
                "Ann",
                "sent a picture of the transfer",
                house.today,
                house.today,
                None,
                client_id=client_id(client),
                service_id=service_id(service),
                invoice_id=InvoiceId(invoice.id),
            )
        )
        report = house.next_day()
        assert house.withheld(report, service) == {"receipt": "suspend"}
        house.next_day(2)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


def test_the_override_and_its_date_are_honoured() -> None:
    """Story 4: on until a day, until that day; without a day, for ever; switched off or past, not at all."""
    with House.of() as house:
        debtors = [house.a_debtor(overdue=3)[1] for _ in range(4)]
        until, forever, past, off = debtors
        until.override, until.override_until = True, house.day(2)
        forever.override = True
        past.override, past.override_until = True, house.day(0)
        off.override_until = house.day(90)
        report = house.sync()
        assert [s.status for s in debtors] == ["Active", "Active", "Suspended", "Suspended"]
        assert house.withheld(report, forever) == {"override": "suspend"}
        house.next_day(2)
        assert until.status == "Suspended"
        house.next_day(60)
        assert forever.status == "Active"


@pytest.mark.parametrize(("scope", "other"), [("service", "Active"), ("client", "Suspended")])
def test_what_is_prepaid_goes_down_only_where_the_house_judges_the_whole_client(scope: str, other: str) -> None:
    """Story 6: one service overdue, the other prepaid for a year."""
    with House.of({"class": {"hosting": {**HOSTING, "scope": scope}}}) as house:
        client, overdue, _ = house.a_debtor(overdue=3)
        prepaid = house.a_service(client, next_due=house.day(300))
        house.sync()
        assert (overdue.status, prepaid.status) == ("Suspended", other)


def test_a_boleto_paid_on_saturday_and_booked_after_a_monday_holiday_suspends_nobody() -> None:
    """Story 12: due on Friday 18 April 2025 (Good Friday), paid on Saturday; Monday is a holiday too."""
    config = {
        "class": {"hosting": {**HOSTING, "suspend_after_days": 1}},
        "calendar": {"holidays": "BR-SP", "clearing_bank_days": {"boleto": 2}},
    }
    world = a_world(datetime(2025, 4, 17, 12, 0))  # noqa: DTZ001
    with House.of(config, world=world) as house:
        service = house.a_service()
        invoice = house.an_invoice(service, due=1, gateway="boleto")
        other = house.a_service()
        house.an_invoice(other, due=1, gateway="boleto")
        while house.today < date(2025, 4, 23):
            house.next_day()
            assert service.status == "Active"
        house.pay(invoice)
        house.next_day()
        assert (service.status, other.status) == ("Active", "Suspended")
        assert house.today == date(2025, 4, 24)


def test_stray_output_with_a_500_is_an_unknown_outcome() -> None:
    """Story 18: another hook printed a warning and WHMCS answered HTTP 500, after the suspension had worked."""
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        junk = "<br />\n<b>Warning</b>: Undefined variable\n" + '{"result":"success"}'
        house.faults(Fault("ModuleSuspend", faults.Kind.HTTP_500, effect=True, text=junk))
        report = house.sync()
        assert the_result(report, Kind.SUSPEND).state is StepState.UNKNOWN
        house.sync()
        assert len(house.events("module:suspend")) == 1
        assert house.case(service).suspended_on == house.today


@pytest.mark.parametrize(
    ("due", "down"),
    [
        (date(2028, 2, 27), date(2028, 3, 1)),
        (date(2027, 2, 27), date(2027, 3, 2)),
        (date(2025, 12, 30), date(2026, 1, 2)),
        (date(2025, 4, 30), date(2025, 5, 3)),
    ],
    ids=["leap-day", "no-leap-day", "year-end", "month-end"],
)
def test_days_are_counted_over_month_ends_and_leap_days(due: date, down: date) -> None:
    """Story 20."""
    world = a_world(datetime(due.year, due.month, due.day, 12, 0))  # noqa: DTZ001
    with House.of(world=world) as house:
        _, service, _ = house.a_debtor()
        while service.status == "Active":
            house.next_day()
        assert house.today == down


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", datetime(2025, 3, 28, 0, 15)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2025, 10, 24, 23, 45)),  # noqa: DTZ001
        ("America/Sao_Paulo", datetime(2025, 6, 1, 23, 30)),  # noqa: DTZ001
    ],
)
def test_days_are_the_houses_own_also_when_clocks_change(zone: str, start: datetime) -> None:
    """Story 20: close to midnight, over the change to and from summer time, far from UTC."""

    class Clock:
        def now(self) -> datetime:
            return house.world.clock.replace(tzinfo=ZoneInfo(zone))

    with House.of({"class": {"hosting": HOSTING}, "calendar": {"timezone": zone}}, world=a_world(start)) as house:
        house.bridge.ports.clock = Clock()
        _, service, _ = house.a_debtor()
        house.next_day(2)
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"
        assert house.bridge.ports.now().astimezone(UTC).date() - start.date() <= timedelta(days=4)


def test_a_moved_service_is_not_judged_by_its_old_owners_invoices() -> None:
    """Story 21: invoices stay with the old owner; the new one is not suspended by them, nor freed by paying them."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=3)
        _, down, old = house.a_debtor(overdue=3)
        house.world.move_service(service, house.a_client().id)
        house.sync()
        assert (service.status, down.status) == ("Active", "Suspended")
        assert "moved" in house.task_codes()
        house.world.move_service(down, house.a_client().id)
        house.next_day()
        assert down.status == "Suspended"
        assert invoice.status == old.status == "Unpaid"


def test_debt_is_what_is_really_owed() -> None:
    """Story 22: a credit note applied to the invoice leaves less than the house's least debt."""
    with House.of({"policy": {"min_debt": "1.00"}, "class": {"hosting": HOSTING}}) as house:
        client, service, invoice = house.a_debtor(overdue=3)
        house.world.add_credit(client, 900, "credit note")
        apply_credit(house.world, invoice, 900, mail=False)
        house.sync()
        assert service.status == "Active"


def test_thresholds_are_per_currency() -> None:
    """Story 23: 10.00 is above the least debt in dollars and below it in reais."""
    config = {"policy": {"min_debt": {"BRL": "50.00", "USD": "5.00"}}, "class": {"hosting": HOSTING}}
    with House.of(config) as house:
        house.world.add_currency(Currency(2, "BRL", "R$"))
        _, dollars, _ = house.a_debtor(overdue=3)
        _, reais, _ = house.a_debtor(overdue=3, currency=2)
        house.sync()
        assert (dollars.status, reais.status) == ("Suspended", "Active")


def test_a_payment_on_its_way_holds_for_its_clearing_days_and_no_longer() -> None:
    """Story 12, the other half: pending is seen on Monday, the money never comes."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=2)
        payment_pending(house.world, invoice)
        house.sync()
        house.next_day(2)
        assert service.status == "Active"
        house.next_day()
        assert done(house.sync()) == []
        assert service.status == "Suspended"


def test_what_an_unknown_second_actor_suspends_is_reported_and_not_undone_blindly() -> None:
    """Story 11. A program that nobody remembers suspends a client who owes nothing, today and again tomorrow."""
    with House.of() as house:
        paid_up, other = house.a_service(), house.a_service()
        house.sync()
        for service in (paid_up, other):
            with house.world.acting(Actor.API):
                run_module(house.world, service, SUSPEND)
            assert done(house.next_day()) == []
        assert {paid_up.status, other.status} == {"Suspended"}
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "second-actor"]
        assert task.text.startswith(f"2 acts from 2025-03-10 to 2025-03-11 on services {paid_up.id}, {other.id} ")
        assert f"Module Suspend Successful - Service ID: {other.id}" in task.text
        assert "switch it off" in task.todo
        assert not house.events("module:unsuspend")
