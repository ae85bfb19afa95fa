"""Stored cards and bank accounts."""

import re
from collections.abc import Mapping

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, find
from whmcs_bridge.simulator.records import PayMethod
from whmcs_bridge.simulator.state import World

TYPES = ("BankAccount", "CreditCard", "RemoteCreditCard")


def add_pay_method(world: World, params: Params) -> Reply:
    """AddPayMethod: only the last four digits are kept."""
    if not params.text("clientid"):
        raise ApiError("Client ID Is Required")
    client = find(world.clients, params.number("clientid"), "Invalid Client ID")
    kind = params.text("type") or "CreditCard"
    if kind not in TYPES:
        raise ApiError(
            "Invalid Pay Method Type. Type should be one of 'BankAccount', 'CreditCard', or 'RemoteCreditCard'"
        )
    gateway = params.text("gateway_module_name")
    if kind == "RemoteCreditCard" and not gateway:
        raise ApiError("Gateway is Required for RemoteCreditCard type")
    if gateway and gateway not in world.payment_methods:
        raise ApiError(f"Invalid Gateway Module Name. Must be one of: {', '.join(world.payment_methods)}")
    _check_numbers(kind, params)
    method = PayMethod(world.new_id("paymethod"), client.id, kind, gateway=gateway)
    _apply(world, method, params)
    world.pay_methods[method.id] = method
    return {"result": "success", "clientid": client.id, "paymethodid": method.id}


def _check_numbers(kind: str, params: Params) -> None:
    if kind == "BankAccount":
        if not params.text("bank_code"):
            raise ApiError("Routing number is required")
        if not params.text("bank_account"):
            raise ApiError("Account number is required")
        return
    if not params.text("card_number"):
        raise ApiError("Card Number is required for 'CreditCard' or 'RemoteCreditCard' type")
    if not params.text("card_expiry"):
        raise ApiError("Expiry Date is required for 'CreditCard' or 'RemoteCreditCard' type")
    if not re.fullmatch(r"(0[1-9]|1[0-2])\d\d", params.text("card_expiry")):
        raise ApiError("Expiry Date is invalid")


def _apply(world: World, method: PayMethod, params: Params) -> None:
    if "description" in params:
        method.description = params.text("description")
    number = params.text("card_number") or params.text("bank_account")
    if number:
        method.last_four = number[-4:]
        if method.kind != "BankAccount":
            method.card_type = {"4": "Visa", "5": "MasterCard", "3": "American Express"}.get(number[0], "")
    if params.text("card_expiry"):
        method.expiry = f"{params.text('card_expiry')[:2]}/{params.text('card_expiry')[2:]}"
    if params.text("card_start"):
        method.start = f"{params.text('card_start')[:2]}/{params.text('card_start')[2:]}"
    method.bank_name = params.text("bank_name", method.bank_name)
    method.account_type = params.text("bank_account_type", method.account_type)
    method.updated_at = world.clock


def get_pay_methods(world: World, params: Params) -> Reply:
    """GetPayMethods: a bare array."""
    if not params.text("clientid"):
        raise ApiError("Client ID Is Required")
    client = find(world.clients, params.number("clientid"), "Client Not Found")
    rows = [method for method in world.pay_methods.values() if method.client == client.id]
    if params.text("paymethodid"):
        rows = [method for method in rows if method.id == params.number("paymethodid")]
    kind = params.text("type")
    if kind:
        if kind not in ("BankAccount", "CreditCard"):
            raise ApiError("Invalid Pay Method Type. Should be 'BankAccount' or 'CreditCard'")
        rows = [method for method in rows if method.kind.endswith(kind)]
    return {"result": "success", "clientid": client.id, "paymethods": [_method_row(row) for row in rows]}


def _method_row(method: PayMethod) -> Reply:
    row: Reply = {
        "id": method.id,
        "type": method.kind,
        "description": method.description,
        "gateway_name": method.gateway,
        "contact_type": "Client",
        "contact_id": method.client,
    }
    if method.kind == "BankAccount":
        row["bank_name"] = method.bank_name
    else:
        row.update(
            card_last_four=method.last_four,
            expiry_date=method.expiry,
            start_date=method.start,
            issue_number="",
            card_type=method.card_type,
        )
    row["remote_token"] = method.remote_token
    row["last_updated"] = f"{method.updated_at:%d/%m/%Y %H:%M}" if method.updated_at else ""
    return row


def _own(world: World, params: Params) -> PayMethod:
    """The pay method named, which must belong to the client named."""
    if not params.text("clientid"):
        raise ApiError("Client ID Is Required")
    client = find(world.clients, params.number("clientid"), "Client Not Found")
    method = find(world.pay_methods, params.number("paymethodid"), "Pay Method Not Found")
    if method.client != client.id:
        raise ApiError("Invalid Pay Method ID")
    return method


def update_pay_method(world: World, params: Params) -> Reply:
    """UpdatePayMethod."""
    method = _own(world, params)
    _apply(world, method, params)
    return {"result": "success", "clientid": method.client, "paymethodid": method.id}


def delete_pay_method(world: World, params: Params) -> Reply:
    """DeletePayMethod."""
    method = _own(world, params)
    del world.pay_methods[method.id]
    return {"result": "success", "clientid": method.client, "paymethodid": method.id}


ACTIONS: Mapping[str, Handler] = {
    "AddPayMethod": add_pay_method,
    "GetPayMethods": get_pay_methods,
    "UpdatePayMethod": update_pay_method,
    "DeletePayMethod": delete_pay_method,
}
