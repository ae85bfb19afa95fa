from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.worlds import (
    a_client,
    a_domain,
    a_service,
    a_world,
    an_addon,
    an_invoice,
    hosting,
    listen,
)
from whmcs_bridge.simulator.automation import (
    add_late_fee,
    apply_credit,
    cancel_invoice,
    payment_failed,
    payment_pending,
    payment_settled,
    record_payment,
    refund,
    reverse_payment,
)
from whmcs_bridge.simulator.cycles import add_months, months_in
from whmcs_bridge.simulator.modules import SUSPEND, run_module
from whmcs_bridge.simulator.records import Actor, Client, Invoice, InvoiceLine, Service
from whmcs_bridge.simulator.state import World


def a_debtor(*, reason: str = "", suspended: bool = True, **world_settings: str) -> tuple[World, Service, Invoice]:
    """A client with one service, suspended for the given reason, and its unpaid invoice of 10.00."""
    world = a_world(**({"AutoUnsuspend": "on"} | world_settings))
    client = a_client(world)
    service = a_service(world, client, next_due=date(2025, 3, 1))
    invoice = an_invoice(world, client, hosting(service))
    if suspended:
        run_module(world, service, SUSPEND, reason=reason)
    return world, service, invoice


def test_paying_an_invoice_runs_the_automation_in_the_documented_order() -> None:
    """U8: pre-mail hook, receipt, due date, Renew, Unsuspend, and InvoicePaid last."""
    world, service, invoice = a_debtor()
    heard = listen(world)
    seen: list[tuple[str, object]] = []

    def remember(variables: dict[str, object]) -> None:
        seen.append((service.status, service.next_due))

    heard.answers["InvoicePaid"] = remember
    record_payment(world, invoice, None, "paypal", "T1")
    assert [point for point in heard.points if point != "EmailPreSend"] == [
        "AddTransaction",
        "AddInvoicePayment",
        "InvoicePaidPreEmail",
        "PreModuleRenew",
        "AfterModuleRenew",
        "PreModuleUnsuspend",
        "AfterModuleUnsuspend",
        "InvoicePaid",
    ]
    assert seen == [("Active", date(2025, 4, 1))]
    assert [mail.template for mail in world.emails.values()][-1] == "Invoice Payment Confirmation"
    assert world.balance(invoice) == 0


def test_the_hooks_of_a_payment_carry_their_documented_variables() -> None:
    world, _, invoice = a_debtor()
    heard = listen(world)
    record_payment(world, invoice, 400, "paypal", "T1", fees=12)
    (booked,) = heard.variables("AddTransaction")
    assert booked["invocieid"] == invoice.id
    assert (booked["amountin"], booked["amountout"], booked["fees"]) == ("4.00", "0.00", "0.12")
    assert booked["transid"] == "T1"
    assert heard.variables("AddInvoicePayment") == [{"invoiceid": invoice.id}]


def test_a_partial_payment_leaves_the_invoice_unpaid_and_renews_nothing() -> None:
    world, service, invoice = a_debtor()
    heard = listen(world)
    record_payment(world, invoice, 999)
    assert (invoice.status, world.balance(invoice)) == ("Unpaid", 1)
    assert (service.status, service.next_due) == ("Suspended", date(2025, 3, 1))
    assert heard.points == ["AddTransaction", "AddInvoicePayment"]


def test_what_is_paid_beyond_the_balance_becomes_credit() -> None:
    world, service, invoice = a_debtor()
    record_payment(world, invoice, 1250)
    assert invoice.status == "Paid"
    assert world.clients[service.client].credit == 250


def test_paying_a_paid_invoice_again_is_all_credit_and_renews_nothing() -> None:
    world, service, invoice = a_debtor()
    record_payment(world, invoice)
    heard = listen(world)
    record_payment(world, invoice, 1000)
    assert world.clients[service.client].credit == 1000
    assert service.next_due == date(2025, 4, 1)
    assert "InvoicePaid" not in heard.points


def test_a_cancelled_invoice_takes_no_payment() -> None:
    world, _, invoice = a_debtor()
    cancel_invoice(world, invoice)
    with pytest.raises(ValueError, match="not possible to add a payment to an invoice that is Cancelled"):
        record_payment(world, invoice)


@pytest.mark.parametrize(
    ("reason", "auto_unsuspend", "expected"),
    [
        pytest.param("", "on", "Active", id="blank-reason"),
        pytest.param("abuse", "on", "Suspended", id="a-reason-blocks-it-for-good"),
        pytest.param("", "", "Suspended", id="setting-off"),
    ],
)
def test_auto_unsuspend_needs_the_setting_and_a_blank_reason(reason: str, auto_unsuspend: str, expected: str) -> None:
    """U1, U3, U4."""
    world, service, invoice = a_debtor(reason=reason, AutoUnsuspend=auto_unsuspend)
    record_payment(world, invoice)
    assert service.status == expected
    assert service.suspend_reason == reason * (expected == "Suspended")


def test_only_services_on_the_paid_invoice_are_unsuspended_however_much_else_is_owed() -> None:
    """U2, U5: one paid invoice is enough for its services, and nothing else comes back."""
    world, service, invoice = a_debtor()
    client = world.clients[service.client]
    older = an_invoice(world, client, hosting(service), due=date(2025, 2, 1))
    other = a_service(world, client)
    run_module(world, other, SUSPEND)
    record_payment(world, invoice)
    assert (service.status, other.status, older.status) == ("Active", "Suspended", "Unpaid")


def test_a_hook_can_keep_the_service_down_and_nobody_retries() -> None:
    """U9."""
    world, service, invoice = a_debtor()
    heard = listen(world)
    heard.answers["PreModuleUnsuspend"] = lambda _: {"abortcmd": True}
    record_payment(world, invoice)
    assert (service.status, invoice.status) == ("Suspended", "Paid")
    assert heard.points[-1] == "InvoicePaid"
    assert not world.module_queue


def test_a_failed_unsuspend_enters_the_module_queue() -> None:
    world, service, invoice = a_debtor()
    world.failing_services[service.id] = "panel is down"
    record_payment(world, invoice)
    assert service.status == "Suspended"
    assert {(entry.action, entry.error) for entry in world.module_queue.values()} == {
        ("Renew", "panel is down"),
        ("UnsuspendAccount", "panel is down"),
    }


def test_switch_unsuspend_requires_future_due_looks_at_the_new_due_date() -> None:
    """U7: three months behind, one month paid."""
    world, service, invoice = a_debtor()
    service.next_due = date(2024, 12, 1)
    world.switches.unsuspend_requires_future_due = True
    record_payment(world, invoice)
    assert (service.status, service.next_due) == ("Suspended", date(2025, 1, 1))


def test_switch_due_date_lag_leaves_the_date_of_a_paid_service_behind() -> None:
    """Q32."""
    world, service, invoice = a_debtor()
    world.switches.due_date_lag = True
    record_payment(world, invoice)
    assert (invoice.status, service.next_due) == ("Paid", date(2025, 3, 1))


def test_switch_duplicate_invoice_paid_fires_the_last_hook_twice_and_renews_once() -> None:
    world, service, invoice = a_debtor()
    world.switches.duplicate_invoice_paid = True
    heard = listen(world)
    record_payment(world, invoice)
    assert heard.points.count("InvoicePaid") == 2
    assert service.next_due == date(2025, 4, 1)


def test_hand_made_and_late_fee_lines_do_nothing_for_a_suspended_service() -> None:
    world, service, _ = a_debtor()
    client = world.clients[service.client]
    extra = an_invoice(world, client, InvoiceLine(0, "", 0, "Consulting", 500))
    add_late_fee(world, extra, 100)
    record_payment(world, extra)
    assert (extra.status, service.status) == ("Paid", "Suspended")


def test_addons_and_domains_on_the_invoice_move_on_by_their_own_terms() -> None:
    world, service, _ = a_debtor(suspended=False)
    client = world.clients[service.client]
    addon = an_addon(world, service, status="Suspended", next_due=date(2025, 3, 1), cycle="Annually")
    domain = a_domain(world, client, next_due=date(2025, 3, 1), expires=date(2025, 3, 15), years=2)
    heard = listen(world)
    mixed = an_invoice(
        world,
        client,
        InvoiceLine(0, "Addon", addon.id, "Backup", 300),
        InvoiceLine(0, "Domain", domain.id, "example.com", 1500),
    )
    record_payment(world, mixed)
    assert (addon.status, addon.next_due) == ("Active", date(2026, 3, 1))
    assert (domain.next_due, domain.expires) == (date(2027, 3, 1), date(2027, 3, 15))
    assert heard.variables("AddonUnsuspended")[0]["id"] == addon.id
    assert service.next_due == date(2025, 3, 1)


def test_ended_services_are_neither_renewed_nor_woken() -> None:
    world, service, invoice = a_debtor()
    world.set_service_status(service, "Terminated")
    heard = listen(world)
    record_payment(world, invoice)
    assert service.next_due == date(2025, 3, 1)
    assert "PreModuleRenew" not in heard.points


def test_a_product_without_a_module_is_renewed_by_date_alone() -> None:
    world = a_world(AutoUnsuspend="on")
    client = a_client(world)
    service = a_service(world, client, product=2, status="Suspended", next_due=date(2025, 3, 1))
    record_payment(world, an_invoice(world, client, hosting(service)))
    assert (service.status, service.next_due) == ("Suspended", date(2025, 4, 1))


# --- credit, mass payment -------------------------------------------------------------------------


def with_credit(credit: int) -> tuple[World, Client, Service, Invoice]:
    world, service, invoice = a_debtor()
    client = world.clients[service.client]
    world.add_credit(client, credit, "Goodwill")
    return world, client, service, invoice


def test_credit_that_covers_an_invoice_pays_it_with_all_that_follows() -> None:
    world, client, service, invoice = with_credit(1500)
    assert apply_credit(world, invoice) == 1000
    assert (invoice.status, invoice.credit, invoice.total, client.credit) == ("Paid", 1000, 0, 500)
    assert service.status == "Active"


def test_less_credit_than_owed_lowers_the_total_and_leaves_the_rest_unpaid() -> None:
    world, client, service, invoice = with_credit(300)
    apply_credit(world, invoice)
    assert (invoice.status, invoice.total, world.balance(invoice), client.credit) == ("Unpaid", 700, 700, 0)
    assert service.status == "Suspended"


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (0, "Credit Amount to apply must be greater than zero"),
        (1600, "Amount exceeds customer credit balance"),
        (1100, "Amount Exceeds Invoice Balance"),
    ],
)
def test_credit_is_refused_in_the_documented_words(amount: int, message: str) -> None:
    world, client, _, invoice = with_credit(1500)
    with pytest.raises(ValueError, match=message):
        apply_credit(world, invoice, amount)
    assert client.credit == 1500


def test_credit_is_for_unpaid_invoices_only() -> None:
    world, _, _, invoice = with_credit(1500)
    payment_pending(world, invoice)
    with pytest.raises(ValueError, match="Invoice Not in Unpaid Status"):
        apply_credit(world, invoice)


def test_an_add_funds_invoice_becomes_credit_when_paid() -> None:
    world, service, _ = a_debtor()
    client = world.clients[service.client]
    record_payment(world, an_invoice(world, client, InvoiceLine(0, "AddFunds", client.id, "Add Funds", 5000)))
    assert client.credit == 5000


def a_mass_payment() -> tuple[World, Service, list[Invoice], Invoice]:
    world, service, first = a_debtor()
    client = world.clients[service.client]
    other = a_service(world, client)
    second = an_invoice(world, client, hosting(other, 2000))
    lines = [InvoiceLine(0, "Invoice", each.id, "Invoice", each.total) for each in (first, second)]
    return world, service, [first, second], an_invoice(world, client, *lines)


@pytest.mark.parametrize("child_events", [True, False])
def test_a_mass_payment_pays_every_child_and_tells_of_it_by_switch(child_events: bool) -> None:
    world, service, children, mass = a_mass_payment()
    world.switches.mass_pay_child_events = child_events
    heard = listen(world)
    record_payment(world, mass)
    assert [child.status for child in children] == ["Paid", "Paid"]
    assert service.status == "Active"
    told = [variables["invoiceid"] for variables in heard.variables("InvoicePaid")]
    assert told == ([child.id for child in children] if child_events else []) + [mass.id]
    assert world.clients[service.client].credit == 0
    assert "PreModuleUnsuspend" in heard.points


def test_a_child_paid_meanwhile_leaves_its_share_of_the_mass_payment_as_credit() -> None:
    world, service, children, mass = a_mass_payment()
    record_payment(world, children[0])
    record_payment(world, mass)
    assert world.clients[service.client].credit == 1000
    assert children[1].status == "Paid"


# --- money back -----------------------------------------------------------------------------------


def test_a_full_refund_ends_in_refunded_and_moves_no_date() -> None:
    world, service, invoice = a_debtor()
    record_payment(world, invoice, transid="T1")
    heard = listen(world)
    entry = refund(world, invoice)
    assert invoice.status == "Refunded"
    assert (entry.amount_out, entry.refund_of) == (1000, 1)
    assert heard.variables("InvoiceRefunded") == [{"invoiceid": invoice.id}]
    assert (service.status, service.next_due) == ("Active", date(2025, 4, 1))


def test_a_partial_refund_leaves_the_invoice_paid() -> None:
    world, _, invoice = a_debtor()
    record_payment(world, invoice)
    heard = listen(world)
    refund(world, invoice, 300)
    assert invoice.status == "Paid"
    assert "InvoiceRefunded" not in heard.points


def test_a_refund_to_credit_goes_to_the_client() -> None:
    world, service, invoice = a_debtor()
    record_payment(world, invoice)
    refund(world, invoice, to_credit=True)
    assert world.clients[service.client].credit == 1000


def test_more_than_was_paid_cannot_be_given_back() -> None:
    world, _, invoice = a_debtor()
    record_payment(world, invoice, 400)
    with pytest.raises(ValueError, match=r"has 4\.00 to give back, not 5\.00"):
        refund(world, invoice, 500)


def test_a_chargeback_makes_the_invoice_unpaid_again_and_suspends_nothing() -> None:
    """G14."""
    world, service, invoice = a_debtor()
    record_payment(world, invoice)
    heard = listen(world)
    reverse_payment(world, invoice, description="Chargeback")
    assert (invoice.status, world.balance(invoice), invoice.paid_at) == ("Unpaid", 1000, None)
    assert heard.variables("InvoiceUnpaid") == [{"invoiceid": invoice.id}]
    assert (service.status, service.next_due) == ("Active", date(2025, 4, 1))


def test_a_chargeback_of_settled_history_finds_its_payment() -> None:
    """Seeds do not store the one payment of an old invoice; it is written down before it is taken back."""
    world, _, invoice = a_debtor()
    world.set_invoice_status(invoice, "Paid")
    invoice.plain_payment = True
    reverse_payment(world, invoice)
    rows = world.transactions_of(invoice)
    assert [(row.amount_in, row.amount_out) for row in rows] == [(1000, 0), (0, 1000)]
    assert world.balance(invoice) == 1000


def test_a_pending_payment_moves_nothing_until_it_settles_or_fails() -> None:
    """G13."""
    world, service, invoice = a_debtor()
    heard = listen(world)
    payment_pending(world, invoice)
    assert (invoice.status, service.next_due) == ("Payment Pending", date(2025, 3, 1))
    payment_failed(world, invoice)
    assert invoice.status == "Unpaid"
    assert heard.points == ["InvoiceUnpaid"]
    payment_pending(world, invoice)
    payment_settled(world, invoice)
    assert (invoice.status, service.status) == ("Paid", "Active")


@pytest.mark.parametrize(
    ("actor", "switched_on", "fires"),
    [(Actor.ADMIN, False, True), (Actor.API, False, False), (Actor.API, True, True)],
)
def test_cancelling_through_the_api_fires_its_hook_only_by_switch(actor: str, switched_on: bool, fires: bool) -> None:
    """Q20, CORE-14322."""
    world, _, invoice = a_debtor()
    world.switches.api_cancel_fires_invoice_cancelled = switched_on
    heard = listen(world)
    cancel_invoice(world, invoice, actor)
    assert invoice.status == "Cancelled"
    assert ("InvoiceCancelled" in heard.points) is fires


# --- cycles and properties ------------------------------------------------------------------------


def test_month_ends_come_back_to_the_day_they_started_on() -> None:
    assert add_months(date(2025, 1, 31), 1, 31) == date(2025, 2, 28)
    assert add_months(date(2025, 2, 28), 1, 31) == date(2025, 3, 31)
    assert add_months(date(2025, 2, 28), 1) == date(2025, 3, 28)
    assert add_months(date(2024, 12, 15), 12) == date(2025, 12, 15)


def test_every_spelling_of_a_cycle_is_known() -> None:
    assert [months_in(cycle) for cycle in ("Monthly", "Semi-Annually", "semiannually", "Triennially")] == [1, 6, 6, 36]
    assert [months_in(cycle) for cycle in ("One Time", "One-Time", "Free Account")] == [0, 0, 0]


def _pend(world: World, invoice: Invoice) -> None:
    if invoice.status == "Unpaid":
        payment_pending(world, invoice)


def _fail(world: World, invoice: Invoice) -> None:
    if invoice.status == "Payment Pending":
        payment_failed(world, invoice)


def _cancel(world: World, invoice: Invoice) -> None:
    if invoice.status == "Unpaid":
        cancel_invoice(world, invoice)


PAYING: dict[str, Callable[[World, Invoice], object]] = {
    "pay": record_payment,
    "pay one cent": lambda world, invoice: record_payment(world, invoice, 1),
    "pay too much": lambda world, invoice: record_payment(world, invoice, 5000),
    "use credit": apply_credit,
}
ALL: dict[str, Callable[[World, Invoice], object]] = PAYING | {
    "refund": refund,
    "reverse": reverse_payment,
    "pend": _pend,
    "fail": _fail,
    "cancel": _cancel,
}


def three_services() -> tuple[World, Client, list[Service], list[Invoice]]:
    """Three services due on the last of a month, an invoice each, and one for all three."""
    world = a_world(AutoUnsuspend="on")
    client = a_client(world)
    month_end = date(2025, 1, 31)
    services = [a_service(world, client, next_due=month_end, registered=month_end) for _ in range(3)]
    invoices = [an_invoice(world, client, hosting(service)) for service in services]
    invoices.append(an_invoice(world, client, *(hosting(service, 700) for service in services)))
    return world, client, services, invoices


def steps_of(acts: dict[str, Callable[[World, Invoice], object]]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(sorted(acts)), st.integers(0, 3)), max_size=25)


def play(world: World, invoices: list[Invoice], steps: list[tuple[str, int]]) -> None:
    for what, which in steps:
        with suppress(ValueError):  # what WHMCS refuses changes nothing
            ALL[what](world, invoices[which])


@settings(max_examples=100, deadline=None)
@given(steps_of(ALL))
def test_no_order_of_money_events_breaks_the_books(steps: list[tuple[str, int]]) -> None:
    """Credit never below nothing and always the sum of its log; what is Unpaid has something left to
    pay; due dates move by whole cycles only."""
    world, client, services, invoices = three_services()
    for step in steps:
        play(world, invoices, [step])
        assert client.credit >= 0
        assert all(world.balance(invoice) > 0 for invoice in invoices if invoice.status == "Unpaid")
    assert client.credit == sum(entry.amount for entry in world.credits.values())
    whole_cycles = {add_months(date(2025, 1, 31), months) for months in range(60)}
    assert {service.next_due for service in services} <= whole_cycles


@settings(max_examples=60, deadline=None)
@given(steps_of(PAYING))
def test_every_cent_received_covers_an_invoice_or_is_credit(steps: list[tuple[str, int]]) -> None:
    world, client, _, invoices = three_services()
    play(world, invoices, steps)
    received = sum(entry.amount_in for entry in world.transactions.values())
    covered = sum(invoice.subtotal - max(world.balance(invoice), 0) for invoice in invoices)
    assert covered + client.credit == received
