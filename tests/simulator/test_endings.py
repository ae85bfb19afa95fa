from datetime import date

import pytest

from tests.simulator.worlds import a_client, a_domain, a_service, a_world, an_addon, an_invoice, hosting, listen
from whmcs_bridge.simulator.endings import (
    close_client,
    delete_client,
    delete_service,
    merge_clients,
    open_request,
    request_cancellation,
)
from whmcs_bridge.simulator.records import Actor, Contact, InvoiceLine


def test_a_cancellation_request_is_told_mailed_and_kept_once() -> None:
    world = a_world()
    service = a_service(world, a_client(world))
    heard = listen(world)
    request = request_cancellation(world, service, "End of Billing Period", "too dear")
    assert heard.variables("CancellationRequest") == [
        {"userid": service.client, "relid": service.id, "reason": "too dear", "type": "End of Billing Period"}
    ]
    assert open_request(world, service) is request
    with pytest.raises(ValueError, match="Existing Cancellation Request Exists"):
        request_cancellation(world, service)


def test_request_handling_cancels_the_unpaid_invoices_of_the_service() -> None:
    world = a_world(CancelInvoiceOnCancellation="on")
    client = a_client(world)
    service = a_service(world, client)
    addon = an_addon(world, service)
    own = an_invoice(
        world,
        client,
        hosting(service),
        InvoiceLine(0, "Addon", addon.id, "Backup", 300),
        InvoiceLine(0, "LateFee", 1, "Late Fee", 100),
    )
    strange = an_invoice(world, client, InvoiceLine(0, "", 0, "Work", 500))
    heard = listen(world)
    request_cancellation(world, service, actor=Actor.API)
    assert (own.status, strange.status) == ("Cancelled", "Unpaid")
    assert heard.variables("InvoiceCancelled") == [{"invoiceid": own.id}]


def test_from_a_mixed_invoice_only_the_lines_of_the_service_are_taken() -> None:
    world = a_world(CancelInvoiceOnCancellation="on")
    client = a_client(world)
    leaving, staying = a_service(world, client), a_service(world, client)
    mixed = an_invoice(
        world,
        client,
        hosting(leaving),
        InvoiceLine(0, "GroupDiscount", leaving.id, "Discount", -100),
        hosting(staying, 2000),
    )
    request_cancellation(world, leaving)
    assert (mixed.status, mixed.total, [line.relid for line in mixed.lines]) == ("Unpaid", 2000, [staying.id])
    assert world.invoices_by_service[leaving.id] == []


def test_a_hook_can_keep_the_invoice_from_being_cancelled() -> None:
    world = a_world(CancelInvoiceOnCancellation="on")
    client = a_client(world)
    service = a_service(world, client)
    invoice = an_invoice(world, client, hosting(service))
    listen(world).answers["PreInvoiceAutomaticCancellation"] = lambda _: {"abortCancel": True}
    request_cancellation(world, service)
    assert invoice.status == "Unpaid"


def test_without_request_handling_the_invoices_stay() -> None:
    world = a_world()
    client = a_client(world)
    service = a_service(world, client)
    invoice = an_invoice(world, client, hosting(service))
    request_cancellation(world, service)
    assert invoice.status == "Unpaid"


def test_closing_a_client_ends_services_without_their_modules_and_cancels_unpaid_invoices() -> None:
    world = a_world()
    client = a_client(world)
    pending, active, suspended, gone = (
        a_service(world, client, status=status) for status in ("Pending", "Active", "Suspended", "Cancelled")
    )
    addon = an_addon(world, active)
    domain = a_domain(world, client)
    invoice = an_invoice(world, client, hosting(active))
    heard = listen(world)
    close_client(world, client)
    assert [each.status for each in (pending, active, suspended, gone)] == [
        "Cancelled",
        "Terminated",
        "Terminated",
        "Cancelled",
    ]
    assert (client.status, addon.status, domain.status, invoice.status) == (
        "Closed",
        "Terminated",
        "Cancelled",
        "Cancelled",
    )
    assert heard.points == ["InvoiceCancelled", "ClientClose"]


def test_deleting_a_client_tells_before_and_of_every_service() -> None:
    world = a_world()
    client = a_client(world)
    services = [a_service(world, client).id for _ in range(2)]
    an_invoice(world, client, hosting(world.services[services[0]]))
    heard = listen(world)
    delete_client(world, client)
    assert heard.points == ["PreDeleteClient", "ServiceDelete", "ServiceDelete", "ClientDelete"]
    assert [variables["serviceid"] for variables in heard.variables("ServiceDelete")] == services
    assert (len(world.clients), len(world.services), len(world.invoices)) == (0, 0, 0)


def test_deleting_a_service_leaves_its_invoices() -> None:
    world = a_world()
    client = a_client(world)
    service = a_service(world, client)
    invoice = an_invoice(world, client, hosting(service))
    heard = listen(world)
    delete_service(world, service)
    assert heard.variables("ServiceDelete") == [{"userid": client.id, "clientId": client.id, "serviceid": service.id}]
    assert world.invoices == {invoice.id: invoice}


def test_a_merge_moves_everything_to_the_remaining_client() -> None:
    world = a_world()
    gone, kept = a_client(world, credit=300), a_client(world, credit=200)
    service = a_service(world, gone, next_due=date(2025, 4, 1))
    a_service(world, kept)
    domain = a_domain(world, gone)
    contact = world.add_contact(Contact(0, gone.id, email="other@example.com"))
    invoice = an_invoice(world, gone, hosting(service))
    heard = listen(world)
    merge_clients(world, gone, kept)
    assert {each.client for each in (service, domain, contact, invoice)} == {kept.id}
    assert world.invoices_by_client[kept.id] == [invoice.id]
    assert sorted(world.services_by_client[kept.id]) == [1, 2]
    assert (kept.credit, gone.id in world.clients) == (500, False)
    assert heard.points == ["AfterClientMerge"]
    assert heard.variables("AfterClientMerge") == [{"toUserID": kept.id, "fromUserID": gone.id}]
