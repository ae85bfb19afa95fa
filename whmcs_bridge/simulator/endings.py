"""How things end: cancellation requests, and clients that close, go or merge (facts sheet 10.2, 11.4)."""

from whmcs_bridge.simulator.automation import cancel_invoice
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import (
    Actor,
    CancelRequest,
    Client,
    Invoice,
    InvoiceStatus,
    Service,
    ServiceStatus,
)
from whmcs_bridge.simulator.state import World, aborts

IMMEDIATE = "Immediate"
END_OF_PERIOD = "End of Billing Period"
ENDED: frozenset[str] = frozenset({ServiceStatus.TERMINATED, ServiceStatus.CANCELLED, ServiceStatus.FRAUD})
_ENDS_AS: dict[str, str] = {
    ServiceStatus.PENDING: ServiceStatus.CANCELLED,
    ServiceStatus.ACTIVE: ServiceStatus.TERMINATED,
    ServiceStatus.SUSPENDED: ServiceStatus.TERMINATED,
}
_BELONGING = frozenset({"LateFee", "GroupDiscount", "PromoHosting"})
"""Lines that mean nothing without the service's own line."""


def open_request(world: World, service: Service) -> CancelRequest | None:
    """The cancellation request of a service that has not ended, or None."""
    if service.status in ENDED:
        return None
    return next((request for request in world.cancel_requests.values() if request.service == service.id), None)


def request_cancellation(
    world: World, service: Service, kind: str = IMMEDIATE, reason: str = "", actor: str = Actor.CLIENT
) -> CancelRequest:
    """Record a cancellation request: hook CancellationRequest, confirmation mail, and, with
    `CancelInvoiceOnCancellation`, the service's unpaid invoices are cancelled or relieved of its lines.

    ValueError with WHMCS's text when there is one already.
    """
    if open_request(world, service) is not None:
        raise ValueError("Existing Cancellation Request Exists")
    with world.acting(actor):
        request = CancelRequest(0, service.id, world.clock, reason, kind)
        world.fire(
            "CancellationRequest",
            {"userid": service.client, "relid": service.id, "reason": reason, "type": kind},
        )
        world.add_cancel_request(request)
        world.record("cancellation-request", client=service.client, service=service.id, detail=kind)
        send_mail(world, world.clients[service.client], "Cancellation Request Confirmation", service.id)
        if world.is_on("CancelInvoiceOnCancellation"):
            cancel_unpaid_invoices(world, service)
        return request


def cancel_unpaid_invoices(world: World, service: Service) -> None:
    """Cancel the unpaid invoices of a service and its addons; from mixed ones take only its lines.

    PreInvoiceAutomaticCancellation may abort each (`abortCancel`).
    """
    for number in list(world.invoices_by_client.get(service.client, ())):
        invoice = world.invoices[number]
        if invoice.status != InvoiceStatus.UNPAID:
            continue
        mine = _lines_of(world, service, invoice)
        if not mine:
            continue
        if aborts(world.fire("PreInvoiceAutomaticCancellation", {"invoiceid": invoice.id}), "abortCancel"):
            continue
        if all(line.id in mine or line.type in _BELONGING for line in invoice.lines):
            # WHMCS's own doing, whoever asked: the hook that API changes miss (Q20) fires here
            cancel_invoice(world, invoice, Actor.CLIENT if world.actor == Actor.API else world.actor)
        else:
            world.remove_lines(invoice, mine)
            world.record("invoice:lines-removed", client=service.client, service=service.id, invoice=number)
            world.fire("UpdateInvoiceTotal", {"invoiceid": invoice.id})


def _lines_of(world: World, service: Service, invoice: Invoice) -> set[int]:
    addons = set(world.addons_by_service.get(service.id, ()))
    own = {
        line.id
        for line in invoice.lines
        if (line.type == "Hosting" and line.relid == service.id) or (line.type == "Addon" and line.relid in addons)
    }
    if own:
        own |= {
            line.id
            for line in invoice.lines
            if line.type in ("PromoHosting", "GroupDiscount") and line.relid in {service.id, *addons}
        }
    return own


def close_client(world: World, client: Client, actor: str = Actor.ADMIN) -> None:
    """Close a client: living services end without their module, unpaid invoices are cancelled, then
    ClientClose fires."""
    with world.acting(actor):
        client.status = "Closed"
        world.record("client:closed", client=client.id)
        for number in world.services_by_client.get(client.id, ()):
            service = world.services[number]
            status = _ENDS_AS.get(service.status)
            if status is not None:
                world.set_service_status(service, status, recorded=True)
            for addon in (world.addons[each] for each in world.addons_by_service.get(number, ())):
                if addon.status not in ENDED:
                    addon.status = ServiceStatus.TERMINATED
                    addon.terminated = world.today
        for number in world.domains_by_client.get(client.id, ()):
            if world.domains[number].status == ServiceStatus.ACTIVE:
                world.domains[number].status = ServiceStatus.CANCELLED
        for number in list(world.invoices_by_client.get(client.id, ())):
            if world.invoices[number].status == InvoiceStatus.UNPAID:
                cancel_invoice(world, world.invoices[number], actor)
        world.fire("ClientClose", {"userid": client.id})


def delete_client(world: World, client: Client, actor: str = Actor.ADMIN) -> None:
    """Delete a client and all that is theirs: PreDeleteClient, ServiceDelete per service, ClientDelete."""
    with world.acting(actor):
        world.fire("PreDeleteClient", {"userid": client.id})
        world.delete_client(client)
        world.record("client:deleted", client=client.id)
        world.fire("ClientDelete", {"userid": client.id})


def merge_clients(world: World, source: Client, target: Client, actor: str = Actor.ADMIN) -> None:
    """Give everything of `source` to `target`, remove `source`, fire AfterClientMerge."""
    with world.acting(actor):
        for number in list(world.services_by_client.get(source.id, ())):
            world.move_service(world.services[number], target.id)
        for number in list(world.invoices_by_client.get(source.id, ())):
            world.move_invoice(world.invoices[number], target.id)
        _move_index(world.domains_by_client, source.id, target.id)
        _move_index(world.contacts_by_client, source.id, target.id)
        _move_index(world.transactions_by_client, source.id, target.id)
        _move_index(world.emails_by_client, source.id, target.id)
        for table in (
            world.domains,
            world.contacts,
            world.transactions,
            world.emails,
            world.orders,
            world.tickets,
            world.notes,
            world.pay_methods,
            world.billable_items,
            world.credits,
        ):
            for row in table.values():
                if row.client == source.id:
                    row.client = target.id
        target.credit += source.credit
        source.credit = 0
        world.delete_client(source)
        world.record("client:merged", client=target.id, detail=f"from {source.id}")
        world.fire("AfterClientMerge", {"toUserID": target.id, "fromUserID": source.id})


def _move_index(index: dict[int, list[int]], source: int, target: int) -> None:
    moved = index.pop(source, [])
    if moved:
        index[target] = sorted([*index.get(target, []), *moved])


def delete_service(world: World, service: Service, actor: str = Actor.ADMIN) -> None:
    """Delete a service record as staff can; its invoices stay; ServiceDelete fires."""
    with world.acting(actor):
        world.delete_service(service)
