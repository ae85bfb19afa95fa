"""An old plugin that nobody remembers: at night it suspends and releases by rules of its own."""

from collections.abc import Iterator
from datetime import timedelta

from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import InvoiceStatus, Service, ServiceStatus
from whmcs_bridge.simulator.state import World

ACTOR = "plugin"
REASON = "Non-payment (AutoGuard)"
SUSPENDS_A_NIGHT = 2
RELEASES_EVERY_NIGHTS = 2


class OldPlugin:
    """Two services of clients with any overdue invoice go down a night; now and then one comes back, whoever took it
    down and why, if its client owes nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.on = True
        self.suspended: list[int] = []
        """Services that it took down, in order."""
        self.released: list[tuple[int, str]] = []
        """Services that it gave back, with the reason they had been down for."""
        self._nights = 0

    def night(self) -> None:
        """Act once, if nobody has switched it off."""
        if not self.on:
            return
        with self.world.acting(ACTOR):
            for service in [each for each, _ in zip(self._debtors(), range(SUSPENDS_A_NIGHT), strict=False)]:
                if not modules.run_module(self.world, service, modules.SUSPEND, reason=REASON):
                    self.suspended.append(service.id)
            self._nights += 1
            if self._nights % RELEASES_EVERY_NIGHTS == 0:
                self._release_one()

    def _debtors(self) -> Iterator[Service]:
        """Whoever has an invoice a day overdue, whatever it is for, and whatever protects the client."""
        world, seen = self.world, set(self.suspended)
        for invoice in world.invoices_in(InvoiceStatus.UNPAID):
            if invoice.due >= world.today - timedelta(days=1):
                continue
            for number in world.services_by_client.get(invoice.client, ()):
                service = world.services[number]
                if service.status == ServiceStatus.ACTIVE and number not in seen and modules.module_of(world, service):
                    seen.add(number)
                    yield service

    def _release_one(self) -> None:
        world = self.world
        owing = {each.client for each in world.invoices_in(InvoiceStatus.UNPAID) if each.due < world.today}
        for number in sorted(world.services_by_status.get(ServiceStatus.SUSPENDED, ())):
            service = world.services[number]
            if service.client in owing or service.suspend_reason == REASON:
                continue
            reason = service.suspend_reason
            if not modules.run_module(world, service, modules.UNSUSPEND):
                self.released.append((number, reason))
                return
