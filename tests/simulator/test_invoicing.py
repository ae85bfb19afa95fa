from datetime import date

import pytest

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
from whmcs_bridge.simulator.automation import cancel_invoice, record_payment
from whmcs_bridge.simulator.endings import request_cancellation
from whmcs_bridge.simulator.invoicing import create_invoice, generate_invoices, publish_invoice
from whmcs_bridge.simulator.records import BillableItem, Group, InvoiceLine

TODAY = date(2025, 3, 10)


def test_invoices_are_made_the_set_number_of_days_before_the_due_date() -> None:
    world = a_world(CreateInvoiceDaysBefore="14")
    client = a_client(world)
    in_time = a_service(world, client, next_due=date(2025, 3, 24))
    a_service(world, client, next_due=date(2025, 3, 25))
    (number,) = generate_invoices(world)
    invoice = world.invoices[number]
    assert [(line.type, line.relid, line.amount) for line in invoice.lines] == [("Hosting", in_time.id, 1000)]
    assert (invoice.created, invoice.due, invoice.status) == (TODAY, date(2025, 3, 24), "Unpaid")
    assert invoice.lines[0].description == "Starter (24/03/2025 - 23/04/2025)"


@pytest.mark.parametrize("status", ["Pending", "Completed", "Cancelled", "Terminated", "Fraud"])
def test_only_active_and_suspended_services_are_invoiced(status: str) -> None:
    world = a_world()
    client = a_client(world)
    due = date(2025, 3, 12)
    for each in ("Active", "Suspended", status):
        a_service(world, client, status=each, next_due=due, gateway=each)
    assert len(generate_invoices(world)) == 2


def test_free_and_one_time_services_are_never_invoiced_again() -> None:
    world = a_world()
    client = a_client(world)
    for cycle in ("Free Account", "One Time"):
        a_service(world, client, cycle=cycle, next_due=TODAY)
    assert generate_invoices(world) == []


def test_lines_due_the_same_day_through_the_same_gateway_share_an_invoice() -> None:
    world = a_world()
    client = a_client(world)
    due = date(2025, 3, 20)
    service = a_service(world, client, next_due=due)
    addon = an_addon(world, service, next_due=due)
    domain = a_domain(world, client, next_due=due)
    a_service(world, client, next_due=due, gateway="paypal")
    a_service(world, client, next_due=date(2025, 3, 21))
    shared, *others = (world.invoices[number] for number in generate_invoices(world))
    assert [(line.type, line.relid) for line in shared.lines] == [
        ("Hosting", service.id),
        ("Addon", addon.id),
        ("Domain", domain.id),
    ]
    assert shared.total == 1000 + 300 + 1500
    assert [len(invoice.lines) for invoice in others] == [1, 1]


@pytest.mark.parametrize("whose", ["client", "group"])
def test_separate_invoices_of_client_or_group_keep_lines_apart(whose: str) -> None:
    world = a_world()
    world.add_group(Group(1, "Apart", separate_invoices=True))
    client = a_client(world, group=1) if whose == "group" else a_client(world, separate_invoices=True)
    for _ in range(2):
        a_service(world, client, next_due=date(2025, 3, 20))
    assert len(generate_invoices(world)) == 2


def test_a_group_discount_is_a_line_of_its_own() -> None:
    world = a_world()
    world.add_group(Group(1, "Partners", discount_percent="12.50"))
    client = a_client(world, group=1)
    service = a_service(world, client, next_due=date(2025, 3, 20), amount=999)
    a_domain(world, client, next_due=date(2025, 3, 20))
    (number,) = generate_invoices(world)
    lines = [(line.type, line.relid, line.amount) for line in world.invoices[number].lines]
    assert lines[0] == ("Hosting", service.id, 999)
    assert lines[2:] == [("GroupDiscount", service.id, -125)]


def test_without_continuous_generation_one_unpaid_invoice_is_all_a_service_gets() -> None:
    world = a_world(CreateInvoiceDaysBefore="14")
    service = a_service(world, a_client(world), next_due=date(2025, 3, 20))
    (number,) = generate_invoices(world)
    for _ in range(3):
        world.advance(days=30)
        assert generate_invoices(world) == []
    record_payment(world, number)
    assert service.next_due == date(2025, 4, 20)
    assert len(generate_invoices(world)) == 1


def test_with_continuous_generation_every_cycle_gets_its_invoice_paid_or_not() -> None:
    world = a_world(CreateInvoiceDaysBefore="14", ContinuousInvoiceGeneration="on")
    service = a_service(world, a_client(world), next_due=date(2025, 3, 20))
    for _ in range(3):
        assert len(generate_invoices(world)) == 1
        assert generate_invoices(world) == []
        world.advance(days=31)
    assert [invoice.due for invoice in world.invoices.values()] == [
        date(2025, 3, 20),
        date(2025, 4, 20),
        date(2025, 5, 20),
    ]
    record_payment(world, 1)
    assert service.next_due == date(2025, 4, 20)
    assert service.next_invoice == date(2025, 6, 20)


def test_a_cancelled_invoice_is_not_made_again_for_the_same_date() -> None:
    world = a_world()
    a_service(world, a_client(world), next_due=date(2025, 3, 20))
    (number,) = generate_invoices(world)
    cancel_invoice(world, number)
    assert generate_invoices(world) == []


def test_a_service_with_a_cancellation_request_gets_no_more_invoices() -> None:
    world = a_world()
    service = a_service(world, a_client(world), next_due=date(2025, 3, 20))
    request_cancellation(world, service)
    assert generate_invoices(world) == []


def test_credit_is_used_on_new_invoices_unless_switched_off() -> None:
    for switched_off, status, credit in (("", "Paid", 500), ("on", "Unpaid", 1500)):
        world = a_world(NoAutoApplyCredit=switched_off)
        client = a_client(world, credit=1500)
        service = a_service(world, client, next_due=date(2025, 3, 20))
        (number,) = generate_invoices(world)
        assert (world.invoices[number].status, client.credit) == (status, credit)
        assert (service.next_due == date(2025, 4, 20)) is (status == "Paid")


def test_an_invoice_of_nothing_is_paid_at_once_and_renews() -> None:
    world = a_world()
    service = a_service(world, a_client(world), next_due=date(2025, 3, 20), amount=0)
    (number,) = generate_invoices(world)
    assert (world.invoices[number].status, service.next_due) == ("Paid", date(2025, 4, 20))


def test_the_hooks_of_generation_come_in_order_with_their_variables() -> None:
    world = a_world()
    a_service(world, a_client(world), next_due=date(2025, 3, 20))
    heard = listen(world)
    (number,) = generate_invoices(world)
    assert heard.points == [
        "PreInvoicingGenerateInvoiceItems",
        "InvoiceCreation",
        "EmailPreSend",
        "InvoiceCreated",
        "AfterInvoicingGenerateInvoiceItems",
    ]
    assert heard.variables("InvoiceCreated") == [
        {"source": "autogen", "user": "system", "invoiceid": number, "status": "Unpaid"}
    ]


def test_a_draft_tells_nobody_until_it_is_published() -> None:
    world = a_world()
    client = a_client(world)
    heard = listen(world)
    draft = create_invoice(world, client, [InvoiceLine(0, "", 0, "Work", 500)], TODAY, status="Draft")
    assert heard.points == ["InvoiceCreation", "InvoiceCreationAdminArea"]
    assert not world.emails
    publish_invoice(world, draft)
    assert (draft.status, heard.points[-1]) == ("Unpaid", "InvoiceCreated")
    with pytest.raises(ValueError, match="must be in Draft status"):
        publish_invoice(world, draft)


def test_generation_can_be_narrowed_to_a_client_or_to_services() -> None:
    world = a_world()
    one, other = a_client(world), a_client(world)
    due = date(2025, 3, 20)
    a_service(world, one, next_due=due)
    second = a_service(world, other, next_due=due)
    third = a_service(world, other, next_due=due)
    a_domain(world, other, next_due=due)
    generate_invoices(world, client=other.id, services=[second.id])
    assert [line.relid for line in world.invoices[1].lines] == [second.id]
    generate_invoices(world, client=other.id)
    assert [(line.type, line.relid) for line in world.invoices[2].lines] == [("Hosting", third.id), ("Domain", 1)]
    assert len(world.invoices) == 2


def test_billable_items_are_invoiced_when_their_time_comes() -> None:
    world = a_world()
    client = a_client(world)
    for number, (action, due) in enumerate(
        [("noinvoice", None), ("nextcron", None), ("nextinvoice", None), ("duedate", date(2025, 9, 1))], start=1
    ):
        world.billable_items[number] = BillableItem(number, client.id, action, 500, action, due)
    (made,) = generate_invoices(world)
    assert [line.relid for line in world.invoices[made].lines] == [2, 3]
    assert generate_invoices(world) == []


def test_a_recurring_item_comes_back_until_its_count_is_used_up() -> None:
    world = a_world()
    client = a_client(world)
    world.billable_items[1] = BillableItem(
        1, client.id, "Care", 500, "recur", TODAY, recur=1, recur_cycle="Months", recur_for=2
    )
    for _ in range(4):
        generate_invoices(world)
        world.advance(days=31)
    assert [invoice.due for invoice in world.invoices.values()] == [TODAY, date(2025, 4, 10)]


def test_domains_that_are_not_to_be_renewed_are_left_alone() -> None:
    world = a_world()
    client = a_client(world)
    a_domain(world, client, next_due=date(2025, 3, 20), do_not_renew=True)
    a_domain(world, client, next_due=date(2025, 3, 20), status="Expired")
    assert generate_invoices(world) == []


def test_an_invoice_from_the_past_keeps_its_service_blocked_when_not_continuous() -> None:
    """An open invoice for the service stops the next one, however it came to be."""
    world = a_world()
    client = a_client(world)
    service = a_service(world, client, next_due=date(2025, 3, 20))
    an_invoice(world, client, hosting(service), due=date(2025, 1, 1))
    assert generate_invoices(world) == []
