"""Products, servers, currencies, gateways."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, money, to_cents
from whmcs_bridge.simulator.records import Currency, Product, Server, ServiceStatus
from whmcs_bridge.simulator.state import World

CYCLES = ("monthly", "quarterly", "semiannually", "annually", "biennially", "triennially")
SETUP_FEES = tuple(f"{cycle[0]}setupfee" for cycle in CYCLES)
TYPES = ("hostingaccount", "reselleraccount", "server", "other")
PAY_TYPES = ("free", "onetime", "recurring")


def get_products(world: World, params: Params) -> Reply:
    """GetProducts; `pid` may be a comma list."""
    wanted = {int(part) for part in params.list("pid") if part.isdigit()}
    rows = [row for number, row in world.products.items() if not wanted or number in wanted]
    if params.text("gid"):
        rows = [row for row in rows if row.group == params.number("gid")]
    if params.text("module"):
        rows = [row for row in rows if row.module == params.text("module")]
    return {
        "result": "success",
        "totalresults": len(rows),
        "products": {"product": [_product_row(world, row) for row in rows]},
    }


def _product_row(world: World, product: Product) -> Reply:
    group = world.product_groups.get(product.group)
    slug = product.slug or _slug(product.name)
    root = world.settings.get("SystemURL", "").rstrip("/")
    return {
        "pid": product.id,
        "gid": product.group,
        "type": product.type,
        "name": product.name,
        "slug": slug,
        "product-url": f"{root}/store/{group.slug or _slug(group.name) if group else 'group'}/{slug}",
        "description": product.description,
        "module": product.module,
        "paytype": product.paytype,
        "allowqty": product.allow_qty,
        "quantity_available": product.stock,
        "pricing": {currency.code: _pricing(product, currency) for currency in world.currencies.values()},
        "customfields": {"customfield": []},
        "configoptions": {"configoption": []},
    }


def _pricing(product: Product, currency: Currency) -> Reply:
    prices = product.prices.get(currency.code, {})
    fees = {name: money(max(prices.get(name, 0), 0)) for name in SETUP_FEES}
    return {
        "prefix": currency.prefix,
        "suffix": currency.suffix,
        **fees,
        **{cycle: money(prices.get(cycle, -100)) for cycle in CYCLES},
    }


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def add_product(world: World, params: Params) -> Reply:
    """AddProduct; `pricing[currency id][cycle]`, a cycle not given is off."""
    if not params.text("name"):
        raise ApiError("You must supply a name for the product")
    if params.number("gid") not in world.product_groups:
        raise ApiError("You must supply a valid Product Group ID")
    kind = params.text("type") or "other"
    if kind not in TYPES:
        raise ApiError('Invalid product type. Must be one of "hostingaccount", "reselleraccount", "server" or "other"')
    paytype = params.text("paytype") or "recurring"
    if paytype not in PAY_TYPES:
        raise ApiError('Invalid pay type. Must be one of "free", "onetime" or "recurring"')
    product = Product(
        0,
        params.number("gid"),
        params.text("name"),
        kind,
        params.text("module"),
        paytype,
        params.text("description"),
        params.text("slug"),
        prices=_given_prices(world, params),
        hidden=params.flag("hidden"),
        stock=params.number("qty"),
    )
    world.add_product(product)
    return {"result": "success", "pid": product.id}


def _given_prices(world: World, params: Params) -> dict[str, dict[str, int]]:
    prices: dict[str, dict[str, int]] = {}
    for number, cycles in (params.get("pricing") or {}).items():
        currency = world.currencies.get(int(number) if number.isdigit() else 0)
        if currency is not None and isinstance(cycles, dict):
            prices[currency.code] = {name: to_cents(value) or 0 for name, value in cycles.items()}
    return prices


def get_servers(world: World, params: Params) -> Reply:
    """GetServers, with counts of the services placed on each."""
    counts: dict[int, int] = {}
    for status in (ServiceStatus.ACTIVE, ServiceStatus.SUSPENDED):
        for number in world.services_by_status.get(status, ()):
            server = world.services[number].server
            counts[server] = counts.get(server, 0) + 1
    rows = list(world.servers.values())
    if params.text("serviceId"):
        service = world.services.get(params.number("serviceId"))
        product = world.products.get(service.product) if service else None
        rows = [row for row in rows if product is not None and row.module == product.module]
    return {
        "result": "success",
        "servers": [_server_row(row, counts.get(row.id, 0), params.flag("fetchStatus")) for row in rows],
        "fetchStatus": params.text("fetchStatus"),
    }


def _server_row(server: Server, used: int, fetched: bool) -> Reply:
    return {
        "id": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "ipaddress": server.ipaddress,
        "active": server.active,
        "activeServices": used,
        "maxAllowedServices": server.max_accounts,
        "percentUsed": used * 100 // server.max_accounts if server.max_accounts else 0,
        "module": server.module,
        "status": {
            "http": fetched,
            "load": "0.10" if fetched else "",
            "uptime": "1 Days" if fetched else "",
        },
    }


def get_currencies(world: World, params: Params) -> Reply:
    """GetCurrencies."""
    rows = [
        {
            "id": str(currency.id),
            "code": currency.code,
            "prefix": currency.prefix,
            "suffix": currency.suffix,
            "format": str(currency.format),
            "rate": currency.rate,
        }
        for currency in world.currencies.values()
    ]
    return {"result": "success", "totalresults": str(len(rows)), "currencies": {"currency": rows}}


def get_payment_methods(world: World, params: Params) -> Reply:
    """GetPaymentMethods."""
    rows = [{"module": method.module, "displayname": method.displayname} for method in world.payment_methods.values()]
    return {"result": "success", "totalresults": len(rows), "paymentmethods": {"paymentmethod": rows}}


ACTIONS: Mapping[str, Handler] = {
    "GetProducts": get_products,
    "AddProduct": add_product,
    "GetServers": get_servers,
    "GetCurrencies": get_currencies,
    "GetPaymentMethods": get_payment_methods,
}
