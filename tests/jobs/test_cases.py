"""What a case remembers, and what it must not carry over."""

import pytest

from tests.house import HOSTING, House, done
from whmcs_bridge.simulator import faults, modules
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Actor, ServiceStatus


def test_a_final_warning_of_a_paid_debt_ends_nothing_later() -> None:
    """Paid after the final warning, and in debt again before the next run: the new debt has its own warning."""
    with House.of() as house:
        _, service, first = house.a_debtor()
        house.next_day(13)
        assert len(house.mails(about="Final warning")) == 1
        second = house.an_invoice(service, due=0)
        house.pay(first)
        assert done(house.sync()) == ["unsuspend"]
        house.next_day(3)
        assert service.status == "Suspended"
        while service.status == "Suspended":
            house.next_day()
        assert (house.today - second.due).days == 15
        assert len(house.mails(about="Final warning")) == 2


def test_a_final_warning_from_before_the_present_suspension_does_not_count() -> None:
    """Staff put the service back on without a payment: the next suspension has its own final warning."""
    with House.of() as house:
        _, service, _ = house.a_debtor()
        house.next_day(13)
        with house.world.acting(Actor.ADMIN):
            modules.run_module(house.world, service, modules.UNSUSPEND)
        house.next_day()
        again = house.today
        assert service.status == "Suspended"
        while service.status == "Suspended":
            house.next_day()
        assert (house.today - again).days == 12
        assert len(house.mails(about="Final warning")) == 2


def test_an_addon_that_we_set_down_comes_back_although_the_case_of_its_service_is_closed() -> None:
    rules = {**HOSTING, "overdue_addon_suspends": "addon"}
    with House.of({"class": {"hosting": rules}}) as house:
        service = house.a_service()
        addon = house.an_addon(service)
        house.world.switches.addon_payment_unsuspends_addon = False
        own = house.an_invoice(service)
        for_addon = house.an_invoice(service, due=-1, lines=[("Addon", addon.id, 300)])
        house.next_day(3)
        assert (service.status, addon.status) == ("Suspended", "Suspended")
        house.pay(own)
        house.next_day(2)
        assert (service.status, addon.status) == ("Active", "Suspended")
        house.pay(for_addon)
        house.next_day()
        assert addon.status == "Active"


def test_invoices_without_lines_do_not_stop_the_run() -> None:
    """An ended service, and an open invoice of its client that bills nothing."""
    rules = {**HOSTING, "cancel_invoices_of_ended": True}
    with House.of({"class": {"hosting": rules}}) as house:
        client, service, _ = house.a_debtor()
        empty = house.an_invoice(client=client, lines=[("", 0, 0)], due=-1)
        house.world.remove_lines(empty, [line.id for line in empty.lines])
        house.world.set_invoice_status(empty, "Unpaid")
        house.next_day(16)
        assert service.status == "Terminated"
        assert house.bridge.journal.runs(1)[0].outcome == "ok"


@pytest.mark.parametrize("unread", ["GetInvoices", "GetInvoice"])
def test_a_blank_suspension_is_not_taken_for_staffs_by_a_run_that_could_not_read_the_debt(unread: str) -> None:
    """Or the client would stay down after paying: what is staff's is never lifted."""
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=9)
        service.status = ServiceStatus.SUSPENDED
        house.faults(Fault(unread, faults.Kind.ERROR, text="Out of order", count=0))
        house.sync()
        house.faults()
        house.next_day()
        house.pay(invoice)
        assert done(house.next_day()) == ["unsuspend"]
        assert service.status == "Active"
