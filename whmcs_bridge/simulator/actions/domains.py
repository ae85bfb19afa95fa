"""Domains at a registrar that never says no, and what extensions cost."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from whmcs_bridge.simulator import cycles
from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    day_text,
    find,
    paged,
    valid_gateway,
)
from whmcs_bridge.simulator.actions.base import money as money_text
from whmcs_bridge.simulator.actions.shelf import add_row, opaque, rows_of
from whmcs_bridge.simulator.records import Domain
from whmcs_bridge.simulator.state import World

MISSING = "Domain ID Not Found"


def get_clients_domains(world: World, params: Params) -> Reply:
    """GetClientsDomains; without any, `domains` is `""` as seen on real installs."""
    if params.text("clientid"):
        rows = [world.domains[n] for n in world.domains_by_client.get(params.number("clientid"), ())]
    else:
        rows = list(world.domains.values())
    if params.text("domainid"):
        rows = [row for row in rows if row.id == params.number("domainid")]
    if params.text("domain"):
        rows = [row for row in rows if row.name.lower() == params.text("domain").lower()]
    page = paged(params, rows, lambda row: _domain_row(world, row), "domains", "domain")
    if not rows:
        page["domains"] = ""
    del page["result"]
    return {
        "result": "success",
        "clientid": params.text("clientid"),
        "domainid": params.text("domainid"),
        **page,
    }


def _domain_row(world: World, domain: Domain) -> Reply:
    method = world.payment_methods.get(domain.gateway)
    return {
        "id": domain.id,
        "userid": domain.client,
        "orderid": domain.order,
        "regtype": domain.kind,
        "domainname": domain.name,
        "registrar": domain.registrar,
        "regperiod": domain.years,
        "firstpaymentamount": money_text(domain.first_amount),
        "recurringamount": money_text(domain.amount),
        "paymentmethod": domain.gateway,
        "paymentmethodname": method.displayname if method else "",
        "regdate": day_text(domain.registered),
        "expirydate": day_text(domain.expires),
        "nextduedate": day_text(domain.next_due),
        "status": domain.status,
        "subscriptionid": domain.subscription,
        "promoid": domain.promo,
        "dnsmanagement": int(domain.dns_management),
        "emailforwarding": int(domain.email_forwarding),
        "idprotection": int(domain.id_protection),
        "donotrenew": int(domain.do_not_renew),
        "notes": domain.notes,
    }


_FLAGS: Mapping[str, str] = {
    "dnsmanagement": "dns_management",
    "emailforwarding": "email_forwarding",
    "idprotection": "id_protection",
    "donotrenew": "do_not_renew",
}
_TEXTS: Mapping[str, str] = {
    "domain": "name",
    "registrar": "registrar",
    "status": "status",
    "notes": "notes",
    "subscriptionid": "subscription",
    "type": "kind",
}
_DAYS: Mapping[str, str] = {"regdate": "registered", "nextduedate": "next_due", "expirydate": "expires"}


def update_client_domain(world: World, params: Params) -> Reply:
    """UpdateClientDomain; the id comes back as a number."""
    domain = find(world.domains, params.number("domainid"), MISSING)
    gateway = valid_gateway(world, params)
    for name, attribute in _TEXTS.items():
        if name in params:
            setattr(domain, attribute, params.text(name))
    for name, attribute in _FLAGS.items():
        if name in params:
            setattr(domain, attribute, params.text(name).lower() not in ("", "0", "false"))
    for name, attribute in _DAYS.items():
        if params.day(name):
            setattr(domain, attribute, params.day(name))
    for name, attribute in (("firstpaymentamount", "first_amount"), ("recurringamount", "amount")):
        cents = params.cents(name)
        if cents is not None:
            setattr(domain, attribute, cents)
    domain.years = params.number("regperiod", domain.years) or domain.years
    domain.gateway = gateway or domain.gateway
    if params.flag("updatens"):
        _store_nameservers(domain, params)
    return {"result": "success", "domainid": domain.id}


def _store_nameservers(domain: Domain, params: Params) -> None:
    servers = [params.text(f"ns{n}") for n in range(1, 6)]
    if not (servers[0] and servers[1]):
        raise ApiError("ns1 and ns2 required")
    domain.nameservers = tuple(server for server in servers if server)


def _by_id_or_name(world: World, params: Params) -> Domain:
    if not params.text("domainid") and params.text("domain"):
        wanted = params.text("domain").lower()
        for domain in world.domains.values():
            if domain.name.lower() == wanted:
                return domain
    return find(world.domains, params.number("domainid"), MISSING)


def _command(effect: Callable[[World, Domain, Params], Reply | None]) -> Handler:
    """A registrar command on one domain."""

    def handler(world: World, params: Params) -> Reply:
        domain = _by_id_or_name(world, params)
        extra = effect(world, domain, params) or {}
        world.record("domain", client=domain.client, detail=f"{domain.name} {params.text('action')}".strip())
        return {"result": "success", **extra}

    return handler


def _register(world: World, domain: Domain, params: Params) -> None:
    domain.status, domain.registered = "Active", world.today
    domain.expires = cycles.add_months(world.today, 12 * domain.years)


def _transfer(world: World, domain: Domain, params: Params) -> None:
    domain.status = "Pending Transfer"


def _renew(world: World, domain: Domain, params: Params) -> None:
    years = params.number("regperiod") or domain.years
    domain.expires = cycles.add_months(domain.expires or world.today, 12 * years)


def _release(world: World, domain: Domain, params: Params) -> None:
    domain.status = "Cancelled"


def _nameservers(world: World, domain: Domain, params: Params) -> Reply:
    servers = domain.nameservers or ("ns1.example.com", "ns2.example.com")
    return {f"ns{n}": server for n, server in enumerate(servers, start=1)}


def _update_nameservers(world: World, domain: Domain, params: Params) -> None:
    _store_nameservers(domain, params)


def _lock(world: World, domain: Domain, params: Params) -> Reply:
    return {"lockstatus": "locked" if domain.locked else "unlocked"}


def _update_lock(world: World, domain: Domain, params: Params) -> None:
    domain.locked = params.flag("lockstatus")


def _protect(world: World, domain: Domain, params: Params) -> None:
    domain.id_protection = params.flag("idprotect")


def _epp(world: World, domain: Domain, params: Params) -> Reply:
    return {"eppcode": opaque(domain.name)[:16]}


def _whois_info(world: World, domain: Domain, params: Params) -> Reply:
    if domain.whois is not None:
        return dict(domain.whois)
    client = world.clients[domain.client]
    contact = {
        "First_Name": client.firstname,
        "Last_Name": client.lastname,
        "Organisation_Name": client.companyname,
        "Email": client.email,
        "Address_1": client.address1,
        "City": client.city,
        "State": client.state,
        "Postcode": client.postcode,
        "Country": client.country,
        "Phone": client.phonenumber,
    }
    return {"Registrant": contact, "Admin": contact, "Tech": contact}


def _update_whois(world: World, domain: Domain, params: Params) -> None:
    if not params.text("xml"):
        raise ApiError("XML Required")
    fields = re.findall(r"<(\w+)>([^<]*)</\1>", params.text("xml"))
    domain.whois = {"Registrant": dict(fields)}


def domain_whois(world: World, params: Params) -> Reply:
    """DomainWhois: a name is taken when a client has it."""
    name = params.text("domain").lower()
    if not name:
        raise ApiError("No response from API command")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
        raise ApiError("Domain not valid")
    taken = any(domain.name.lower() == name for domain in world.domains.values())
    return {
        "result": "success",
        "status": "unavailable" if taken else "available",
        "whois": f"Domain Name: {name.upper()}" if taken else f'No match for "{name.upper()}".',
    }


def create_or_update_tld(world: World, params: Params) -> Reply:
    """CreateOrUpdateTLD."""
    extension = params.text("extension")
    if not extension:
        raise ApiError("Extension is required")
    extension = extension if extension.startswith(".") else f".{extension}"
    prices: dict[str, dict[str, str]] = {}
    for kind in ("register", "transfer", "renew"):
        given = params.get(kind, {})
        if not isinstance(given, dict):
            raise ApiError("Parameters register, renew and transfer must be arrays")
        prices[kind] = given
    codes = [currency.code for currency in world.currencies.values()]
    if any(prices.values()) and not params.text("currency_code"):
        raise ApiError("Variable currency_code is required when defining pricing")
    if params.text("currency_code") and params.text("currency_code") not in codes:
        raise ApiError(f"Provided currency_code value does not exist. Must be one of: {', '.join(codes)}")
    known = next((r for r in rows_of(world, "tlds").values() if r["extension"] == extension), None)
    if known is None:
        known = {"extension": extension, "register": {}, "transfer": {}, "renew": {}}
        add_row(world, "tlds", known)
    for kind, given in prices.items():
        known[kind].update(given)
    for name in ("id_protection", "dns_management", "email_forwarding", "epp_required"):
        known[name] = params.flag(name)
    known["group"] = params.text("group").lower()
    return {"result": "success", "extension": extension, "id": known["id"]}


def get_tld_pricing(world: World, params: Params) -> Reply:
    """GetTLDPricing."""
    client = world.clients.get(params.number("clientid"))
    currency = world.currencies.get(client.currency if client else params.number("currencyid", 1) or 1)
    if currency is None:
        raise ApiError("Currency ID Not Found")
    pricing: dict[str, Any] = {}
    for row in rows_of(world, "tlds").values():
        pricing[row["extension"].lstrip(".")] = {
            "categories": ["Popular", "gTLD"],
            "addons": {
                "dns": row.get("dns_management", False),
                "email": row.get("email_forwarding", False),
                "idprotect": row.get("id_protection", False),
            },
            "group": row.get("group", ""),
            **{
                kind: {years: f"{float(price):.2f}" for years, price in row[kind].items()}
                for kind in ("register", "transfer", "renew")
            },
        }
    return {
        "result": "success",
        "currency": {
            "id": currency.id,
            "code": currency.code,
            "prefix": currency.prefix,
            "suffix": currency.suffix,
            "format": currency.format,
            "rate": currency.rate,
        },
        "pricing": pricing,
    }


def get_registrars(world: World, params: Params) -> Reply:
    """GetRegistrars: those that domains name."""
    names = sorted({domain.registrar for domain in world.domains.values() if domain.registrar})
    rows = [{"module": name, "display_name": name.capitalize()} for name in names]
    return {"result": "success", "registrars": rows}


ACTIONS: Mapping[str, Handler] = {
    "GetClientsDomains": get_clients_domains,
    "UpdateClientDomain": update_client_domain,
    "DomainRegister": _command(_register),
    "DomainTransfer": _command(_transfer),
    "DomainRenew": _command(_renew),
    "DomainRelease": _command(_release),
    "DomainGetNameservers": _command(_nameservers),
    "DomainUpdateNameservers": _command(_update_nameservers),
    "DomainGetLockingStatus": _command(_lock),
    "DomainUpdateLockingStatus": _command(_update_lock),
    "DomainToggleIdProtect": _command(_protect),
    "DomainRequestEPP": _command(_epp),
    "DomainGetWhoisInfo": _command(_whois_info),
    "DomainUpdateWhoisInfo": _command(_update_whois),
    "DomainWhois": domain_whois,
    "CreateOrUpdateTLD": create_or_update_tld,
    "GetTLDPricing": get_tld_pricing,
    "GetRegistrars": get_registrars,
}
