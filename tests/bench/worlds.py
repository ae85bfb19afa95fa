"""Books of an asked-for size."""

from tests.bench.house import SEED, TODAY
from whmcs_bridge.simulator.seed import BookShape, generate
from whmcs_bridge.simulator.state import World

OPEN = ("Unpaid", "Payment Pending", "Collections")


def company(clients: int, months: int, more_services: float = 0.3, lead_days: int = 10) -> World:
    """The generator's company."""
    shape = BookShape(more_services=more_services, lead_days=lead_days)
    return generate(clients, SEED, TODAY, months, shape)


def mid_sized() -> World:
    """About 4,000 clients with 6,000 services, 600 open invoices and a month of payment history."""
    return company(4000, 1, more_services=1 / 3, lead_days=3)


def open_invoices(world: World) -> dict[str, int]:
    """How many invoices are open, by status."""
    return {status: len(world.invoices_by_status.get(status, ())) for status in OPEN}
