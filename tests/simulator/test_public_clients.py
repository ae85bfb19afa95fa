"""Public API clients work against the served simulator, without a change to either."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import whmcs_client
import whmcspy

from tests.simulator.worlds import a_client, a_domain, a_service, a_world, an_invoice, hosting
from whmcs_bridge.simulator.app import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    world = a_world()
    for number in range(3):
        client = a_client(world)
        an_invoice(world, client, hosting(a_service(world, client, domain=f"d{number}.example")))
        a_domain(world, client, name=f"name{number}.example")
    with serve(world) as running:
        yield running


@pytest.fixture
def spy(server: Server) -> whmcspy.WHMCS:
    known = server.front.world.credentials
    return whmcspy.WHMCS(f"{server.url}includes/api.php", known.identifier, known.secret)


class Generated:
    """whmcs-api-client with the credentials put in; it sends `action` in the query string."""

    def __init__(self, server: Server) -> None:
        known = server.front.world.credentials
        self.pair = (known.identifier, known.secret)
        self.api: Any = whmcs_client.DefaultApi(
            whmcs_client.ApiClient(whmcs_client.Configuration(host=f"{server.url}includes"))
        )


@pytest.fixture
def generated(server: Server) -> Generated:
    return Generated(server)


def test_whmcspy_lists_services_page_by_page(spy: whmcspy.WHMCS) -> None:
    assert [row["domain"] for row in spy.get_clients_products(limitnum=2)] == [
        "d0.example",
        "d1.example",
        "d2.example",
    ]


def test_whmcspy_lists_clients_and_invoices(spy: whmcspy.WHMCS) -> None:
    clients = [row["id"] for page in spy.paginated_call("GetClients") for row in page["clients"]["client"]]
    invoices = [row["id"] for page in spy.paginated_call("GetInvoices") for row in page["invoices"]["invoice"]]
    assert (sorted(clients), invoices) == ([1, 2, 3], [1, 2, 3])
    assert spy.get_invoice(2)["balance"] == "10.00"


def test_whmcspy_suspends_a_service(server: Server, spy: whmcspy.WHMCS) -> None:
    spy.call("ModuleSuspend", serviceid=2, suspendreason="unpaid")
    assert server.front.world.services[2].status == "Suspended"
    assert next(spy.get_clients_products(serviceid=2))["suspensionreason"] == "unpaid"


def test_whmcspy_runs_an_order_from_cart_to_end(server: Server, spy: whmcspy.WHMCS) -> None:
    client = spy.add_client(
        "Jo", "Doe", "jo@example.com", "Street 1", "Town", "State", "12345", "US", "5551234", "secret"
    )
    group = next(iter(server.front.world.product_groups))
    product = spy.add_product("Plan", group, type="hostingaccount")
    order = spy.add_order(client, products=[{"id": product, "domain": "new.example"}])
    assert [row["id"] for row in spy.get_orders(id=order["orderid"])] == [int(order["orderid"])]
    spy.accept_order(order["orderid"])
    spy.pending_order(order["orderid"])
    spy.cancel_order(order["orderid"])
    spy.delete_order(order["orderid"])
    assert list(spy.get_orders()) == []


def test_whmcspy_uses_tickets_domains_and_mail(spy: whmcspy.WHMCS) -> None:
    spy.open_ticket(1, "subject", "message", clientid=1)
    assert [row["subject"] for row in spy.get_tickets()] == ["subject"]
    assert [row["domainname"] for row in spy.get_clients_domains(clientid=2)] == ["name1.example"]
    spy.send_email(id=1, messagename="Client Signup Email")


def test_whmcspy_names_a_missing_permission(server: Server, spy: whmcspy.WHMCS) -> None:
    server.front.world.switches.set("role_denied_actions", ["GetServers"])
    with pytest.raises(whmcspy.exceptions.MissingPermission, match="getservers"):
        spy.get_servers()


def test_whmcspy_reports_a_refusal(spy: whmcspy.WHMCS) -> None:
    with pytest.raises(whmcspy.exceptions.Error, match="Invoice ID Not Found"):
        spy.get_invoice(99)


def test_the_generated_client_lists_clients_services_and_invoices(generated: Generated) -> None:
    clients = generated.api.get_clients(*generated.pair)
    assert sorted(client.id for client in clients.clients.client) == [1, 2, 3]
    services = generated.api.get_clients_products(*generated.pair, clientid=2)
    assert services.products["product"][0]["domain"] == "d1.example"
    invoices = generated.api.get_invoices(*generated.pair, status="Overdue")
    assert len(invoices.invoices["invoice"]) == 3


def test_the_generated_client_reads_details_domains_and_money(generated: Generated) -> None:
    assert generated.api.get_clients_details(*generated.pair, clientid=1).client.email == "c0@example.com"
    domains = generated.api.get_clients_domains(*generated.pair, clientid=1)
    assert [domain.domainname for domain in domains.domains] == ["name0.example"]
    currencies = generated.api.get_currencies(*generated.pair)
    assert currencies.currencies.currency[0].code == "USD"
    assert generated.api.get_payment_methods(*generated.pair).result == "success"


def test_the_generated_client_orders_and_cancels(generated: Generated) -> None:
    made = generated.api.add_order(
        *generated.pair,
        clientid=1,
        paymentmethod="paypal",
        pid=[1],
        domain=["a.example"],
        billingcycle=["monthly"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert generated.api.cancel_order(*generated.pair, orderid=int(made.orderid)).result == "success"
        assert generated.api.delete_order(*generated.pair, orderid=int(made.orderid)).result == "success"
