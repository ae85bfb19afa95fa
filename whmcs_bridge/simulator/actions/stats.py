"""A client's statistics, as GetClientsDetails gives them with `stats`."""

from collections.abc import Iterable

from whmcs_bridge.simulator.actions.base import Reply, priced
from whmcs_bridge.simulator.records import Client, Invoice, InvoiceStatus, Service, ServiceStatus
from whmcs_bridge.simulator.state import World

_BY_STATUS = (
    ("unpaid", InvoiceStatus.UNPAID),
    ("paid", InvoiceStatus.PAID),
    ("cancelled", InvoiceStatus.CANCELLED),
    ("refunded", InvoiceStatus.REFUNDED),
    ("collections", InvoiceStatus.COLLECTIONS),
    ("paymentpending", InvoiceStatus.PAYMENT_PENDING),
)
_BY_TYPE = (
    ("hosting", "hostingaccount"),
    ("reseller", "reselleraccount"),
    ("servers", "server"),
    ("other", "other"),
)


def client_stats(world: World, client: Client) -> Reply:
    """Counts and formatted amounts of one client (facts sheet 7.1)."""
    invoices = [world.invoices[number] for number in world.invoices_by_client.get(client.id, ())]
    unpaid = [invoice for invoice in invoices if invoice.status == InvoiceStatus.UNPAID]
    overdue = [invoice for invoice in unpaid if invoice.due < world.today]
    drafts = [invoice for invoice in invoices if invoice.status == InvoiceStatus.DRAFT]
    income = sum(invoice.total for invoice in invoices if invoice.status == InvoiceStatus.PAID)

    def text(cents: int) -> str:
        return priced(world, cents, client.currency)

    def owed(rows: Iterable[Invoice]) -> str:
        return text(sum(world.balance(row) for row in rows))

    stats: Reply = {
        "numdueinvoices": len(unpaid),
        "dueinvoicesbalance": owed(unpaid),
        "incredit": client.credit > 0,
        "creditbalance": text(client.credit),
        "grossRevenue": text(income),
        "expenses": text(0),
        "income": text(income),
        "numoverdueinvoices": len(overdue),
        "overdueinvoicesbalance": owed(overdue),
        "numDraftInvoices": len(drafts),
        "draftInvoicesBalance": owed(drafts),
    }
    for name, status in _BY_STATUS:
        rows = [invoice for invoice in invoices if invoice.status == status]
        stats[f"num{name}invoices"] = len(rows)
        stats[f"{name}invoicesamount"] = text(sum(row.total for row in rows))
    stats.update(_service_counts(world, client))
    domains = [world.domains[number] for number in world.domains_by_client.get(client.id, ())]
    tickets = [ticket for ticket in world.tickets.values() if ticket.client == client.id]
    stats.update(
        numactivedomains=sum(domain.status == "Active" for domain in domains),
        numdomains=len(domains),
        numacceptedquotes=_quotes(world, client, "Accepted"),
        numquotes=_quotes(world, client, ""),
        numtickets=len(tickets),
        numactivetickets=sum(ticket.status != "Closed" for ticket in tickets),
        numaffiliatesignups=0,
        isAffiliate=any(row.get("clientid") == client.id for row in world.shelf.get("affiliates", {}).values()),
    )
    return stats


def _quotes(world: World, client: Client, stage: str) -> int:
    rows = world.shelf.get("quotes", {}).values()
    return sum(row.get("userid") == client.id and (not stage or row.get("stage") == stage) for row in rows)


def _service_counts(world: World, client: Client) -> Reply:
    services = [world.services[number] for number in world.services_by_client.get(client.id, ())]
    counts: Reply = {}
    for name, kind in _BY_TYPE:
        rows = [service for service in services if _type_of(world, service) == kind]
        counts[f"productsnumactive{name}"] = sum(row.status == ServiceStatus.ACTIVE for row in rows)
        counts[f"productsnum{name}"] = len(rows)
    counts["productsnumactive"] = sum(row.status == ServiceStatus.ACTIVE for row in services)
    counts["productsnumtotal"] = len(services)
    return counts


def _type_of(world: World, service: Service) -> str:
    product = world.products.get(service.product)
    return product.type if product else "other"
