"""Small simulated companies for tests: one client, one service, and what a test adds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from whmcs_bridge.simulator.invoicing import create_invoice
from whmcs_bridge.simulator.records import (
    Actor,
    Addon,
    Client,
    Domain,
    Invoice,
    InvoiceLine,
    Product,
    ProductGroup,
    Service,
)
from whmcs_bridge.simulator.state import HookVars, World, new_world

NOON = datetime(2025, 3, 10, 12, 0)  # noqa: DTZ001 (WHMCS shows wall-clock time)
Answer = Callable[[HookVars], HookVars | None]


@dataclass
class Listener:
    """Collects the hooks fired; `answers` maps a hook point to what the hook returns."""

    fired: list[tuple[str, HookVars]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def __call__(self, point: str, variables: HookVars) -> HookVars | None:
        self.fired.append((point, variables))
        answer = self.answers.get(point)
        return answer(variables) if answer is not None else None

    @property
    def points(self) -> list[str]:
        return [point for point, _ in self.fired]

    def variables(self, point: str) -> list[HookVars]:
        return [variables for name, variables in self.fired if name == point]


def a_world(**settings: str) -> World:
    """A world at noon on 10 March 2025 with one product with a module (1) and one without (2)."""
    world = new_world(NOON)
    world.settings.update(settings)
    world.add_product_group(ProductGroup(1, "Hosting"))
    world.add_product(Product(1, 1, "Starter", module="cpanel"))
    world.add_product(Product(2, 1, "Advice", type="other"))
    return world


def a_client(world: World, **fields: Any) -> Client:
    return world.add_client(Client(0, **{"firstname": "Ann", "email": f"c{len(world.clients)}@example.com"} | fields))


def a_service(world: World, client: Client, **fields: Any) -> Service:
    """Monthly, 10.00, due on 1 April 2025 unless said otherwise."""
    given: dict[str, Any] = {
        "product": 1,
        "amount": 1000,
        "next_due": date(2025, 4, 1),
        "registered": date(2025, 1, 1),
    } | fields
    return world.add_service(Service(0, client.id, **given))


def an_addon(world: World, service: Service, **fields: Any) -> Addon:
    given: dict[str, Any] = {"name": "Backup", "amount": 300, "next_due": date(2025, 4, 1)} | fields
    return world.add_addon(Addon(0, service.client, service.id, **given))


def a_domain(world: World, client: Client, **fields: Any) -> Domain:
    given: dict[str, Any] = {"name": "example.com", "amount": 1500, "next_due": date(2025, 4, 1)} | fields
    return world.add_domain(Domain(0, client.id, **given))


def hosting(service: Service, amount: int = 1000) -> InvoiceLine:
    return InvoiceLine(0, "Hosting", service.id, "Starter", amount)


def an_invoice(
    world: World, client: Client, *lines: InvoiceLine, due: date = date(2025, 3, 1), **fields: Any
) -> Invoice:
    return create_invoice(world, client, list(lines), due, actor=Actor.CRON, source="autogen", **fields)


def listen(world: World) -> Listener:
    """Hear the world's hooks from now on."""
    listener = Listener()
    world.hook_listener = listener
    return listener
