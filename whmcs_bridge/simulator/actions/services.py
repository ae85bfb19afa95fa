"""Services, addons, cancellation requests and the module commands on them."""

from collections.abc import Callable, Mapping

from whmcs_bridge.simulator import endings, modules
from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    day_text,
    find,
    moment_text,
    money,
    on,
    paged,
    valid_gateway,
)
from whmcs_bridge.simulator.listing import listing
from whmcs_bridge.simulator.records import Actor, Addon, CancelRequest, Service, ServiceStatus
from whmcs_bridge.simulator.state import World

SERVICE_MISSING = "Service ID Not Found"
_FILTERS = ("clientid", "serviceid", "pid", "domain", "username2")


def get_clients_products(world: World, params: Params) -> Reply:
    """GetClientsProducts: text ids, number of rows as text, filters echoed."""
    rows = _matching(world, params)
    echo = {name: params.get(name) for name in ("clientid", "serviceid", "pid", "domain")}
    filled = bool(params.text("clientid")) or world.switches.unassigned_services_have_servername
    page = paged(
        params,
        rows,
        lambda number: service_row(world, world.services[number], filled=filled),
        "products",
        "product",
        text_total=True,
    )
    del page["result"]
    return {"result": "success", **echo, **page}


def _matching(world: World, params: Params) -> list[int]:
    if not any(params.text(name) for name in _FILTERS):
        return listing(world, "services", lambda: sorted(world.services))
    if params.text("serviceid"):
        number = params.number("serviceid")
        rows = [number] if number in world.services else []
    elif params.text("clientid"):
        rows = sorted(world.services_by_client.get(params.number("clientid"), ()))
    else:
        rows = listing(world, "services", lambda: sorted(world.services))
    tests: list[Callable[[Service], bool]] = []
    if params.text("clientid"):
        client = params.number("clientid")
        tests.append(lambda service: service.client == client)
    if params.text("pid"):
        product = params.number("pid")
        tests.append(lambda service: service.product == product)
    if params.text("domain"):
        domain = params.text("domain").lower()
        tests.append(lambda service: service.domain.lower() == domain)
    if params.text("username2"):
        username = params.text("username2")
        tests.append(lambda service: service.username == username)
    return [number for number in rows if all(test(world.services[number]) for test in tests)]


def service_row(world: World, service: Service, *, filled: bool = True) -> Reply:
    """One `product` of GetClientsProducts; `filled` False leaves the server's fields blank (S10)."""
    product = world.products.get(service.product)
    group = world.product_groups.get(product.group) if product else None
    server = world.servers.get(service.server) if filled else None
    method = world.payment_methods.get(service.gateway)
    name = product.name if product else ""
    group_name = group.name if group else ""
    row: Reply = {
        "id": str(service.id),
        "qty": str(service.qty),
        "clientid": str(service.client),
        "orderid": str(service.order),
    }
    if service.order in world.orders:
        row["ordernumber"] = world.orders[service.order].number
    row.update(
        {
            "pid": str(service.product),
            "regdate": day_text(service.registered),
            "name": name,
            "translated_name": name,
            "groupname": group_name,
            "translated_groupname": group_name,
            "domain": service.domain,
            "dedicatedip": service.dedicated_ip,
            "serverid": str(service.server) if filled else "0",
            "servername": server.name if server else "",
            "serverip": server.ipaddress if server else "",
            "serverhostname": server.hostname if server else "",
            "suspensionreason": service.suspend_reason,
            "firstpaymentamount": money(service.first_amount),
            "recurringamount": money(service.amount),
            "paymentmethod": service.gateway,
            "paymentmethodname": method.displayname if method else "",
            "billingcycle": service.cycle,
            "nextduedate": day_text(service.next_due),
            "status": service.status,
            "username": service.username,
            "password": service.password,
            "subscriptionid": service.subscription,
            "promoid": str(service.promo),
            "overideautosuspend": "1" if service.override else "",
            "overidesuspenduntil": day_text(service.override_until),
            "ns1": service.ns1,
            "ns2": service.ns2,
            "assignedips": service.assigned_ips,
            "notes": service.notes,
            "diskusage": str(service.disk_usage),
            "disklimit": str(service.disk_limit),
            "bwusage": str(service.bw_usage),
            "bwlimit": str(service.bw_limit),
            "lastupdate": moment_text(service.last_update),
            "customfields": {"customfield": _custom_fields(world, service)},
            "configoptions": {"configoption": _config_options(service)},
        }
    )
    return row


def _custom_fields(world: World, service: Service) -> list[Reply]:
    named = ((number, world.field_name(number), value) for number, value in (service.customfields or {}).items())
    return [{"id": number, "name": name, "translated_name": name, "value": value} for number, name, value in named]


def _config_options(service: Service) -> list[Reply]:
    options = service.configoptions or {}
    return [
        {"id": str(number), "option": f"Option {number}", "type": "dropdown", "value": value}
        for number, value in options.items()
    ]


_SERVICE_TEXTS: Mapping[str, str] = {
    "domain": "domain",
    "subscriptionid": "subscription",
    "notes": "notes",
    "serviceusername": "username",
    "servicepassword": "password",
    "ns1": "ns1",
    "ns2": "ns2",
    "dedicatedip": "dedicated_ip",
    "assignedips": "assigned_ips",
    "suspendreason": "suspend_reason",
}
_SERVICE_NUMBERS: Mapping[str, str] = {
    "pid": "product",
    "serverid": "server",
    "promoid": "promo",
    "diskusage": "disk_usage",
    "disklimit": "disk_limit",
    "bwusage": "bw_usage",
    "bwlimit": "bw_limit",
}
_SERVICE_DAYS: Mapping[str, str] = {
    "regdate": "registered",
    "nextduedate": "next_due",
    "terminationdate": "terminated",
    "overidesuspenduntil": "override_until",
}
_SERVICE_AMOUNTS: Mapping[str, str] = {"firstpaymentamount": "first_amount", "recurringamount": "amount"}


def update_client_product(world: World, params: Params) -> Reply:
    """UpdateClientProduct: edits the record; a status set here runs no module and no module hook."""
    service = find(world.services, params.number("serviceid"), SERVICE_MISSING)
    gateway = valid_gateway(world, params)
    world.fire("PreServiceEdit", {"serviceid": service.id})
    if params.text("status"):
        world.set_service_status(service, params.text("status"), recorded=True)
    for name, attribute in _SERVICE_TEXTS.items():
        if name in params:
            setattr(service, attribute, params.text(name))
    for name, attribute in _SERVICE_NUMBERS.items():
        if name in params:
            setattr(service, attribute, params.number(name))
    _apply_dates_and_amounts(service, params, _SERVICE_DAYS, _SERVICE_AMOUNTS)
    if "nextduedate" in params:
        service.next_invoice = service.next_due
    if gateway:
        service.gateway = gateway
    if params.text("billingcycle"):
        service.cycle = params.text("billingcycle")
    if "overideautosuspend" in params:
        service.override = params.text("overideautosuspend").lower() in ("on", "1", "true")
    for name in params.list("unset"):
        if name in _SERVICE_TEXTS:
            setattr(service, _SERVICE_TEXTS[name], "")
    _apply_fields(service, params)
    world.fire("ServiceEdit", {"userid": service.client, "serviceid": service.id})
    return {"result": "success", "serviceid": str(service.id)}


def _apply_dates_and_amounts(
    target: object, params: Params, days: Mapping[str, str], amounts: Mapping[str, str]
) -> None:
    for name, attribute in days.items():
        if name in params:
            setattr(target, attribute, params.day(name))
    for name, attribute in amounts.items():
        cents = params.cents(name)
        if cents is not None:
            setattr(target, attribute, cents)


def _apply_fields(service: Service, params: Params) -> None:
    for name in ("customfields", "configoptions"):
        values = params.array(name)
        if values:
            known: dict[int, str] = dict(getattr(service, name) or {})
            known.update({int(key): str(value) for key, value in values.items() if key.isdigit()})
            setattr(service, name, known)


def _module_action(command: modules.Command) -> Handler:
    """The handler of Module<command>."""

    def handler(world: World, params: Params) -> Reply:
        given = params.text("serviceid") or params.text("accountid")
        if not given:
            raise ApiError("Service ID is required")
        name = "serviceid" if params.text("serviceid") else "accountid"
        service = find(world.services, params.number(name), "Service ID not found")
        reason = params.text("suspendreason")
        if command is modules.CHANGE_PASSWORD and params.text("servicepassword"):
            service.password = params.text("servicepassword")
        if command is modules.CUSTOM and not params.text("func_name"):
            raise ApiError("Function Name is required")
        error = modules.run_module(world, service, command, reason=reason)
        if error:
            raise ApiError(error)
        return {"result": "success"}

    return handler


def get_clients_addons(world: World, params: Params) -> Reply:
    """GetClientsAddons: no paging; `serviceid` may be a comma list."""
    wanted = {int(part) for part in params.list("serviceid") if part.isdigit()}
    if wanted:
        rows = [world.addons[n] for service in sorted(wanted) for n in world.addons_by_service.get(service, ())]
    elif params.text("clientid"):
        services = world.services_by_client.get(params.number("clientid"), ())
        rows = [world.addons[n] for service in services for n in world.addons_by_service.get(service, ())]
    elif params.text("addonid") or world.switches.bare_getclientsaddons_returns_all:
        rows = list(world.addons.values())
    else:
        rows = []
    if params.text("clientid"):
        rows = [addon for addon in rows if addon.client == params.number("clientid")]
    if params.text("addonid"):
        rows = [addon for addon in rows if addon.predefined == params.number("addonid")]
    return {
        "result": "success",
        "serviceid": params.text("serviceid"),
        "clientid": params.text("clientid"),
        "totalresults": str(len(rows)),
        "addons": {"addon": [_addon_row(world, addon) for addon in rows]},
    }


def _addon_row(world: World, addon: Addon) -> Reply:
    method = world.payment_methods.get(addon.gateway)
    return {
        "id": str(addon.id),
        "qty": str(addon.qty),
        "userid": str(addon.client),
        "orderid": str(addon.order),
        "serviceid": str(addon.service),
        "addonid": str(addon.predefined),
        "name": addon.name,
        "setupfee": money(addon.setup_fee),
        "recurring": money(addon.amount),
        "billingcycle": addon.cycle,
        "tax": on(addon.taxed),
        "status": addon.status,
        "regdate": day_text(addon.registered),
        "nextduedate": day_text(addon.next_due),
        "nextinvoicedate": day_text(addon.next_invoice or addon.next_due),
        "paymentmethod": addon.gateway,
        "paymentmethodname": method.displayname if method else "",
        "notes": addon.notes,
    }


_ADDON_HOOKS: Mapping[str, str] = {
    ServiceStatus.ACTIVE: "AddonActivated",
    ServiceStatus.SUSPENDED: "AddonSuspended",
    ServiceStatus.TERMINATED: "AddonTerminated",
    ServiceStatus.CANCELLED: "AddonCancelled",
}
_ADDON_FIELDS = (
    "status",
    "addonid",
    "name",
    "setupfee",
    "recurring",
    "billingcycle",
    "nextduedate",
    "terminationdate",
    "notes",
    "autorecalc",
)


def update_client_addon(world: World, params: Params) -> Reply:
    """UpdateClientAddon: a changed status fires the addon's hook."""
    addon = find(world.addons, params.number("id"), "Addon ID Not Found")
    if not any(name in params for name in _ADDON_FIELDS):
        raise ApiError("Nothing to Update")
    for name, attribute in (("name", "name"), ("notes", "notes"), ("billingcycle", "cycle")):
        if name in params:
            setattr(addon, attribute, params.text(name))
    if "addonid" in params:
        addon.predefined = params.number("addonid")
    days = {"nextduedate": "next_due", "terminationdate": "terminated"}
    _apply_dates_and_amounts(addon, params, days, {"setupfee": "setup_fee", "recurring": "amount"})
    if params.text("status"):
        set_addon_status(world, addon, params.text("status"))
    return {"result": "success", "id": str(addon.id)}


def set_addon_status(world: World, addon: Addon, status: str) -> None:
    """Change an addon's status, record it and fire its hook."""
    before = addon.status
    if before == status:
        return
    addon.status = status
    if status in (ServiceStatus.TERMINATED, ServiceStatus.CANCELLED) and addon.terminated is None:
        addon.terminated = world.today
    detail = f"{addon.id}: {before}->{status}"
    world.record("addon:status", client=addon.client, service=addon.service, detail=detail)
    hook = _ADDON_HOOKS.get(status)
    if before == ServiceStatus.SUSPENDED and status == ServiceStatus.ACTIVE:
        hook = "AddonUnsuspended"
    if hook:
        world.fire(
            hook,
            {
                "id": addon.id,
                "userid": addon.client,
                "serviceid": addon.service,
                "addonid": addon.predefined,
            },
        )


def get_cancelled_packages(world: World, params: Params) -> Reply:
    """GetCancelledPackages: every request ever made, done or not."""
    rows = list(world.cancel_requests.values())
    page = paged(params, rows, _cancel_row, "packages", "package", text_total=True)
    page["startnumber"], page["numreturned"] = str(page["startnumber"]), str(page["numreturned"])
    return page


def _cancel_row(request: CancelRequest) -> Reply:
    return {
        "id": str(request.id),
        "date": moment_text(request.at),
        "relid": str(request.service),
        "reason": request.reason,
        "type": request.type,
        "created_at": moment_text(request.at),
        "updated_at": moment_text(request.at),
    }


def add_cancel_request(world: World, params: Params) -> Reply:
    """AddCancelRequest: End of Billing Period unless Immediate is asked."""
    service = find(world.services, params.number("serviceid"), SERVICE_MISSING)
    immediate = params.text("type").lower() == "immediate"
    kind = endings.IMMEDIATE if immediate else endings.END_OF_PERIOD
    try:
        endings.request_cancellation(world, service, kind, params.text("reason"), Actor.API)
    except ValueError as refusal:
        raise ApiError(str(refusal)) from refusal
    return {"result": "success", "serviceid": str(service.id), "userid": str(service.client)}


def get_module_queue(world: World, params: Params) -> Reply:
    """GetModuleQueue: incomplete entries only; `since` compares the last attempt."""
    rows = [entry for entry in world.module_queue.values() if not entry.completed]
    if params.text("serviceType"):
        rows = [entry for entry in rows if entry.service_type == params.text("serviceType")]
        if params.text("relatedId"):
            rows = [entry for entry in rows if entry.service == params.number("relatedId")]
    if params.text("moduleName"):
        rows = [entry for entry in rows if entry.module == params.text("moduleName")]
    if params.text("moduleAction"):
        rows = [entry for entry in rows if entry.action == params.text("moduleAction")]
    since = params.moment("since")
    if since is not None:
        rows = [entry for entry in rows if entry.at >= since]
    queue = [
        {
            "id": str(entry.id),
            "serviceType": entry.service_type,
            "serviceId": str(entry.service),
            "moduleName": entry.module,
            "moduleAction": entry.action,
            "lastAttempt": moment_text(entry.at),
            "lastAttemptError": entry.error,
            "numRetries": str(entry.retries),
            "completed": "0",
            "createdAt": moment_text(entry.at),
            "updatedAt": moment_text(entry.at),
        }
        for entry in rows
    ]
    return {"result": "success", "count": len(queue), "queue": queue}


ACTIONS: Mapping[str, Handler] = {
    "GetClientsProducts": get_clients_products,
    "UpdateClientProduct": update_client_product,
    "ModuleCreate": _module_action(modules.CREATE),
    "ModuleSuspend": _module_action(modules.SUSPEND),
    "ModuleUnsuspend": _module_action(modules.UNSUSPEND),
    "ModuleTerminate": _module_action(modules.TERMINATE),
    "ModuleChangePackage": _module_action(modules.CHANGE_PACKAGE),
    "ModuleChangePw": _module_action(modules.CHANGE_PASSWORD),
    "ModuleCustom": _module_action(modules.CUSTOM),
    "GetClientsAddons": get_clients_addons,
    "UpdateClientAddon": update_client_addon,
    "GetCancelledPackages": get_cancelled_packages,
    "AddCancelRequest": add_cancel_request,
    "GetModuleQueue": get_module_queue,
}
