"""Orders: from the cart to services, domains and an invoice; upgrades and promotions."""

from collections.abc import Mapping
from datetime import date

from whmcs_bridge.simulator import automation, cycles, invoicing, modules
from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    find,
    moment_text,
    money,
    paged,
    priced,
    to_cents,
    to_int,
    valid_gateway,
)
from whmcs_bridge.simulator.actions.shelf import rows_of
from whmcs_bridge.simulator.records import (
    Actor,
    Addon,
    Client,
    Domain,
    InvoiceLine,
    InvoiceStatus,
    Order,
    Service,
    ServiceStatus,
)
from whmcs_bridge.simulator.state import World

ORDER_MISSING = "Order ID Not Found"
STATUSES = ("Pending", "Active", "Fraud", "Cancelled")
CYCLE_NAMES: Mapping[str, str] = {
    "monthly": "Monthly",
    "quarterly": "Quarterly",
    "semiannually": "Semi-Annually",
    "annually": "Annually",
    "biennially": "Biennially",
    "triennially": "Triennially",
    "onetime": "One Time",
    "free": "Free Account",
}
TYPE_NAMES: Mapping[str, str] = {
    "hostingaccount": "Hosting Account",
    "reselleraccount": "Reseller Account",
    "server": "Dedicated/VPS Server",
    "other": "Other Product/Service",
}


def add_order(world: World, params: Params) -> Reply:
    """AddOrder: everything is made Pending; AcceptOrder must follow."""
    client = find(world.clients, params.number("clientid"), "Client ID Not Found")
    if client.status == "Closed":
        raise ApiError("Unable to add order when client status is Closed")
    gateway = valid_gateway(world, params)
    if not gateway:
        raise ApiError(f"Invalid Payment Method. Valid options include {', '.join(world.payment_methods)}")
    order = Order(0, "", client.id, world.clock, gateway=gateway, ipaddress=params.text("clientip"))
    order.promocode = params.text("promocode")
    lines = [
        *_ordered_services(world, params, client, order),
        *_ordered_domains(world, params, client, order),
        *_ordered_addons(world, params, client, order),
    ]
    if not (order.services or order.domains or order.addons):
        raise ApiError("No items added to cart so order cannot proceed")
    world.add_order(order)
    order.number = str(1_000_000_000 + order.id * 7_919)
    order.amount = sum(line.amount for line in lines)
    _stamp(world, order)
    if lines and not params.flag("noinvoice"):
        invoice = invoicing.create_invoice(
            world,
            client,
            lines,
            world.today,
            gateway=gateway,
            source="api",
            actor=Actor.API,
            mail=not params.flag("noinvoiceemail"),
            use_credit=True,
        )
        order.invoice = invoice.id
    services = ",".join(str(number) for number in order.services)
    return {
        "result": "success",
        "orderid": order.id,
        "productids": services,
        "serviceids": services,
        "addonids": ",".join(str(number) for number in order.addons),
        "domainids": ",".join(str(number) for number in order.domains),
        "invoiceid": order.invoice,
    }


def _stamp(world: World, order: Order) -> None:
    """Write the order's id into what it made."""
    for number in order.services:
        world.services[number].order = order.id
    for number in order.domains:
        world.domains[number].order = order.id
    for number in order.addons:
        world.addons[number].order = order.id


def _column(params: Params, name: str) -> list[str]:
    """A cart column: `name[0]`, `name[1]`, ... or a single value."""
    value = params.get(name)
    if isinstance(value, dict):
        return [item if isinstance(item, str) else "" for item in value.values()]
    return [value] if value else []


def _at(column: list[str], number: int) -> str:
    return column[number] if number < len(column) else ""


def _ordered_services(world: World, params: Params, client: Client, order: Order) -> list[InvoiceLine]:
    currency = world.currencies.get(client.currency)
    domains, wanted = _column(params, "domain"), _column(params, "billingcycle")
    overrides, quantities = _column(params, "priceoverride"), _column(params, "qty")
    lines = []
    for number, text in enumerate(_column(params, "pid")):
        product = world.products.get(to_int(text))
        if product is None:
            continue
        cycle = _at(wanted, number).lower() or _first_cycle(product.paytype)
        prices = product.prices.get(currency.code if currency else "", {})
        quantity = max(to_int(_at(quantities, number)), 1)
        price = to_cents(_at(overrides, number)) if _at(overrides, number) else None
        amount = (price if price is not None else max(prices.get(cycle, 0), 0)) * quantity
        name = CYCLE_NAMES.get(cycle, "Monthly")
        service = Service(
            0,
            client.id,
            product.id,
            ServiceStatus.PENDING,
            domain=_at(domains, number),
            username=_user_name(_at(domains, number)),
            registered=world.today,
            next_due=world.today if cycles.months_in(name) else None,
            next_invoice=world.today,
            cycle=name,
            first_amount=amount,
            amount=amount if cycles.months_in(name) else 0,
            gateway=order.gateway,
            qty=quantity,
            server=next((s.id for s in world.servers.values() if s.module == product.module), 0),
        )
        order.services.append(world.add_service(service).id)
        label = f"{product.name} - {service.domain}" if service.domain else product.name
        if amount or product.paytype != "free":
            lines.append(InvoiceLine(0, "Hosting", service.id, label, amount))
    return lines


def _first_cycle(paytype: str) -> str:
    return {"free": "free", "onetime": "onetime"}.get(paytype, "monthly")


def _user_name(domain: str) -> str:
    return "".join(c for c in domain.lower() if c.isalnum())[:8]


def _ordered_domains(world: World, params: Params, client: Client, order: Order) -> list[InvoiceLine]:
    kinds, years = _column(params, "domaintype"), _column(params, "regperiod")
    overrides = _column(params, "domainpriceoverride")
    lines = []
    for number, name in enumerate(_column(params, "domain")):
        kind = _at(kinds, number).lower()
        if kind not in ("register", "transfer") or not name:
            continue
        period = max(to_int(_at(years, number)), 1)
        price = to_cents(_at(overrides, number)) if _at(overrides, number) else None
        amount = price if price is not None else _tld_price(world, name, kind, period)
        servers = [params.text(f"nameserver{n}") for n in range(1, 6)]
        domain = Domain(
            0,
            client.id,
            name,
            "Pending" if kind == "register" else "Pending Transfer",
            kind=kind.capitalize(),
            registered=world.today,
            next_due=world.today,
            years=period,
            first_amount=amount,
            amount=amount,
            gateway=order.gateway,
            nameservers=tuple(server for server in servers if server),
        )
        order.domains.append(world.add_domain(domain).id)
        label = f"Domain {kind.capitalize()} - {name} - {period} Year/s"
        lines.append(InvoiceLine(0, f"Domain{kind.capitalize()}", domain.id, label, amount))
    return lines


def _tld_price(world: World, domain: str, kind: str, years: int) -> int:
    extension = "." + domain.partition(".")[2]
    for row in rows_of(world, "tlds").values():
        if row["extension"] == extension:
            return to_cents(str(row[kind].get(str(years), "0"))) or 0
    return 0


def _ordered_addons(world: World, params: Params, client: Client, order: Order) -> list[InvoiceLine]:
    """`addonid`+`serviceid`, or the arrays `addonids`+`serviceids`; names and prices from the shelf."""
    addons = _column(params, "addonids") or _column(params, "addonid")
    services = _column(params, "serviceids") or _column(params, "serviceid")
    lines = []
    for number, text in enumerate(addons):
        known = rows_of(world, "addon_products").get(to_int(text))
        if known is None:
            raise ApiError("Addon ID invalid")
        service = world.services.get(to_int(_at(services, number)))
        if service is None or service.client != client.id:
            raise ApiError("Service ID not owned by Client ID provided")
        amount = int(known.get("amount", 0))
        addon = Addon(0, client.id, service.id, str(known.get("name", "Addon")), ServiceStatus.PENDING)
        addon.predefined, addon.amount, addon.gateway = to_int(text), amount, order.gateway
        addon.registered, addon.next_due = world.today, world.today
        order.addons.append(world.add_addon(addon).id)
        lines.append(InvoiceLine(0, "Addon", addon.id, addon.name, amount))
    return lines


def accept_order(world: World, params: Params) -> Reply:
    """AcceptOrder: services are set up with `autosetup` through their module, else just made Active."""
    order = world.orders.get(params.number("orderid"))
    if order is None or order.status != "Pending":
        raise ApiError("Order ID not found or Status not Pending")
    for number in order.services:
        service = world.services[number]
        service.server = params.number("serverid") or service.server
        service.username = params.text("serviceusername") or service.username
        service.password = params.text("servicepassword") or service.password
        if params.flag("autosetup") and modules.module_of(world, service):
            error = modules.run_module(world, service, modules.CREATE)
            if error:
                raise ApiError(error)
        elif service.status == ServiceStatus.PENDING:
            world.set_service_status(service, ServiceStatus.ACTIVE)
    for number in order.domains:
        domain = world.domains[number]
        domain.registrar = params.text("registrar") or domain.registrar
        domain.status = "Active"
        domain.expires = date(world.today.year + domain.years, world.today.month, min(world.today.day, 28))
    for number in order.addons:
        world.addons[number].status = ServiceStatus.ACTIVE
    order.status = "Active"
    world.record("order:accepted", client=order.client, detail=str(order.id))
    world.fire("AcceptOrder", {"orderid": order.id})
    return {"result": "success"}


def _set_order(world: World, order: Order, status: str, items: str) -> None:
    """Give an order a status, and its services, addons and domains another."""
    order.status = status
    for number in order.services:
        if number in world.services:
            world.set_service_status(world.services[number], items, recorded=True)
    for number in order.addons:
        if number in world.addons:
            world.addons[number].status = items
    for number in order.domains:
        if number in world.domains:
            world.domains[number].status = items


def cancel_order(world: World, params: Params) -> Reply:
    """CancelOrder: with its unpaid invoice."""
    order = world.orders.get(params.number("orderid"))
    if order is None or order.status != "Pending":
        raise ApiError("Order ID not found or Status not Pending")
    _set_order(world, order, "Cancelled", ServiceStatus.CANCELLED)
    _cancel_invoice(world, order)
    world.fire("CancelOrder", {"orderid": order.id})
    return {"result": "success"}


def _cancel_invoice(world: World, order: Order) -> None:
    invoice = world.invoices.get(order.invoice)
    if invoice is not None and invoice.status == InvoiceStatus.UNPAID:
        automation.cancel_invoice(world, invoice, Actor.API)


def fraud_order(world: World, params: Params) -> Reply:
    """FraudOrder: with its unpaid invoice."""
    order = find(world.orders, params.number("orderid"), ORDER_MISSING)
    _set_order(world, order, "Fraud", ServiceStatus.FRAUD)
    _cancel_invoice(world, order)
    world.fire("FraudOrder", {"orderid": order.id})
    return {"result": "success"}


def pending_order(world: World, params: Params) -> Reply:
    """PendingOrder: a cancelled invoice of it is Unpaid again."""
    order = find(world.orders, params.number("orderid"), ORDER_MISSING)
    _set_order(world, order, "Pending", ServiceStatus.PENDING)
    invoice = world.invoices.get(order.invoice)
    if invoice is not None and invoice.status == InvoiceStatus.CANCELLED:
        automation.mark_unpaid(world, invoice, Actor.API)
    world.fire("PendingOrder", {"orderid": order.id})
    return {"result": "success"}


def delete_order(world: World, params: Params) -> Reply:
    """DeleteOrder: with everything it brought, the invoice included."""
    order = find(world.orders, params.number("orderid"), "Order ID not found")
    if order.status not in ("Cancelled", "Fraud"):
        raise ApiError("The order status must be in Cancelled or Fraud to be deleted")
    for number in order.addons:
        addon = world.addons.pop(number, None)
        if addon is not None:
            world.addons_by_service[addon.service].remove(number)
    for number in order.services:
        if number in world.services:
            world.delete_service(world.services[number])
    for number in order.domains:
        domain = world.domains.pop(number, None)
        if domain is not None:
            world.domains_by_client[domain.client].remove(number)
    if order.invoice in world.invoices:
        world.delete_invoice(world.invoices[order.invoice])
    del world.orders[order.id]
    world.fire("DeleteOrder", {"orderid": order.id})
    return {"result": "success"}


def get_orders(world: World, params: Params) -> Reply:
    """GetOrders: newest first."""
    rows = sorted(world.orders.values(), key=lambda order: -order.id)
    if params.text("id"):
        rows = [order for order in rows if order.id == params.number("id")]
    if params.text("userid"):
        rows = [order for order in rows if order.client == params.number("userid")]
    if params.text("requestor_id"):
        wanted = params.number("requestor_id")
        rows = [order for order in rows if world.clients[order.client].owner == wanted]
    if params.text("status"):
        rows = [order for order in rows if order.status.lower() == params.text("status").lower()]
    return paged(params, rows, lambda order: _order_row(world, order), "orders", "order")


def _order_row(world: World, order: Order) -> Reply:
    client = world.clients[order.client]
    currency = world.currencies.get(client.currency)
    method = world.payment_methods.get(order.gateway)
    invoice = world.invoices.get(order.invoice)
    paid = str(invoice.status) if invoice else ""
    return {
        "id": order.id,
        "ordernum": int(order.number or 0),
        "userid": order.client,
        "contactid": order.contact,
        "requestor_id": client.owner,
        "admin_requestor_id": 1,
        "date": moment_text(order.at),
        "nameservers": order.nameservers,
        "transfersecret": "",
        "renewals": "",
        "renewalsByType": {"domains": [], "services": [], "addons": []},
        "promocode": order.promocode,
        "promotype": "",
        "promovalue": "",
        "orderdata": "[]",
        "amount": money(order.amount),
        "paymentmethod": order.gateway,
        "invoiceid": order.invoice,
        "status": order.status,
        "ipaddress": order.ipaddress,
        "fraudmodule": order.fraud_module,
        "fraudoutput": order.fraud_output,
        "notes": order.notes,
        "paymentmethodname": method.displayname if method else "",
        "paymentstatus": paid,
        "name": f"{client.firstname} {client.lastname}".strip(),
        "currencyprefix": currency.prefix if currency else "",
        "currencysuffix": currency.suffix if currency else "",
        "frauddata": "",
        "validationdata": "",
        "lineitems": {"lineitem": _order_lines(world, order)},
    }


def _order_lines(world: World, order: Order) -> list[Reply]:
    lines: list[Reply] = []
    for service in (world.services[n] for n in order.services if n in world.services):
        product = world.products.get(service.product)
        lines.append(
            {
                "type": "product",
                "relid": service.id,
                "producttype": TYPE_NAMES.get(product.type, "") if product else "",
                "product": product.name if product else "",
                "domain": service.domain,
                "billingcycle": service.cycle,
                "amount": money(service.first_amount),
                "status": service.status,
            }
        )
    for domain in (world.domains[n] for n in order.domains if n in world.domains):
        lines.append(
            {
                "type": "domain",
                "relid": domain.id,
                "producttype": "Domain",
                "product": "Registration" if domain.kind == "Register" else "Transfer",
                "domain": domain.name,
                "billingcycle": f"{domain.years} Year/s",
                "amount": money(domain.first_amount),
                "status": domain.status,
            }
        )
    return lines


def get_order_statuses(world: World, params: Params) -> Reply:
    """GetOrderStatuses."""
    counts = dict.fromkeys(STATUSES, 0)
    for order in world.orders.values():
        counts[order.status] = counts.get(order.status, 0) + 1
    rows = [{"title": name, "count": str(count), name: str(count)} for name, count in counts.items()]
    return {"result": "success", "totalresults": str(len(rows)), "statuses": {"status": rows}}


def order_fraud_check(world: World, params: Params) -> Reply:
    """OrderFraudCheck: everybody passes."""
    find(world.orders, params.number("orderid"), ORDER_MISSING)
    return {"result": "success", "status": "Pass", "results": ""}


def get_promotions(world: World, params: Params) -> Reply:
    """GetPromotions: those put on the shelf."""
    rows = list(rows_of(world, "promotions").values())
    if params.text("code"):
        rows = [row for row in rows if row.get("code") == params.text("code")]
    return {"result": "success", "totalresults": len(rows), "promotions": {"promotion": rows}}


def upgrade_product(world: World, params: Params) -> Reply:
    """UpgradeProduct: the price difference for the rest of the period; applied at once unless `calconly`."""
    service = find(world.services, params.number("serviceid"), "Service ID Not Found")
    kind = params.text("type")
    if kind not in ("product", "configoptions"):
        raise ApiError("Invalid Upgrade Type")
    valid_gateway(world, params)
    if kind == "configoptions":
        return {"result": "success", "upgradeinprogress": 0}
    product = find(world.products, params.number("newproductid"), "Product ID Not Found")
    cycle = params.text("newproductbillingcycle").lower()
    name = CYCLE_NAMES.get(cycle)
    if name is None:
        raise ApiError("Invalid Billing Cycle Requested")
    old = world.products.get(service.product)
    currency = world.currencies[world.clients[service.client].currency]
    total = 30 * max(cycles.months_in(service.cycle), 1)
    left = max((service.next_due - world.today).days, 0) if service.next_due else 0
    price = max(product.prices.get(currency.code, {}).get(cycle, 0), 0)
    difference = (price - service.amount) * min(left, total) // total
    reply: Reply = {
        "result": "success",
        "upgradeinprogress": 0,
        "oldproductid": str(service.product),
        "oldproductname": old.name if old else "",
        "newproductid": product.id,
        "newproductname": product.name,
        "daysuntilrenewal": left,
        "totaldays": total,
        "newproductbillingcycle": cycle,
        "price": priced(world, difference, currency.id),
    }
    if not params.flag("calconly"):
        service.product, service.cycle, service.amount = product.id, name, price
        reply.update(id=str(world.new_id("upgrade")), orderid=0, order_number="", invoiceid=None)
        modules.run_module(world, service, modules.CHANGE_PACKAGE)
    return reply


ACTIONS: Mapping[str, Handler] = {
    "AddOrder": add_order,
    "AcceptOrder": accept_order,
    "CancelOrder": cancel_order,
    "FraudOrder": fraud_order,
    "PendingOrder": pending_order,
    "DeleteOrder": delete_order,
    "GetOrders": get_orders,
    "GetOrderStatuses": get_order_statuses,
    "OrderFraudCheck": order_fraud_check,
    "GetPromotions": get_promotions,
    "UpgradeProduct": upgrade_product,
}
