"""Quotes: made, changed, sent, accepted into an invoice."""

from collections.abc import Mapping
from typing import Any

from whmcs_bridge.simulator import invoicing
from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, money, paged, to_cents
from whmcs_bridge.simulator.actions.localised import local_day
from whmcs_bridge.simulator.actions.shelf import Row, add_row, find_row, rows_of
from whmcs_bridge.simulator.mail import log_mail
from whmcs_bridge.simulator.records import Actor, InvoiceLine
from whmcs_bridge.simulator.state import World

STAGES = ("Draft", "Delivered", "On Hold", "Accepted", "Lost", "Dead")
PROFILE = ("firstname", "lastname", "companyname", "email", "address1", "address2", "city", "state")
MORE = ("postcode", "country", "phonenumber", "proposal", "customernotes", "adminnotes")
MISSING = "Quote ID Not Found"


def create_quote(world: World, params: Params) -> Reply:
    """CreateQuote: the client's id is not checked (Q17)."""
    if not params.text("subject"):
        raise ApiError("Subject is required")
    if params.text("stage") not in STAGES:
        raise ApiError("Invalid Stage")
    if not params.text("validuntil"):
        raise ApiError("Valid Until is required")
    today = world.today.isoformat()
    row: Row = {
        "id": 0,
        "subject": params.text("subject"),
        "stage": params.text("stage"),
        "validuntil": local_day(world, params.text("validuntil")),
        "userid": params.number("userid"),
        **{name: params.text(name) for name in (*PROFILE, *MORE)},
        "currency": params.number("currency", 1) or 1,
        "datecreated": local_day(world, params.text("datecreated")) if params.text("datecreated") else today,
        "lastmodified": today,
        "datesent": "0000-00-00",
        "dateaccepted": "0000-00-00",
        "lines": _lines(world, params),
    }
    return {"result": "success", "quoteid": add_row(world, "quotes", row)}


def _lines(world: World, params: Params) -> list[Row]:
    items = params.array("lineitems") or {}
    return [_line(world, item) for item in items.values() if isinstance(item, dict)]


def _line(world: World, item: Mapping[str, Any]) -> Row:
    price, discount = str(item.get("up", "0")), str(item.get("discount", "0"))
    return {
        "id": world.new_id("quote_line"),
        "description": str(item.get("desc", "")),
        "quantity": str(item.get("qty", "1")),
        "unitprice": to_cents(price) or 0,
        "discount": to_cents(discount) or 0,
        "taxable": "1" if item.get("taxable") not in (None, 0, "", "0") else "0",
    }


def _cents(line: Row) -> int:
    """A line's amount: quantity x price, less the discount in percent."""
    quantity = to_cents(line["quantity"]) or 0
    return quantity * int(line["unitprice"]) // 100 * (10_000 - int(line["discount"])) // 10_000


def update_quote(world: World, params: Params) -> Reply:
    """UpdateQuote."""
    row = find_row(world, "quotes", params.number("quoteid"), MISSING)
    stage = params.text("stage")
    if stage and stage not in STAGES:
        raise ApiError("Invalid Stage")
    for name in ("subject", "stage", *PROFILE, *MORE):
        if name in params:
            row[name] = params.text(name)
    if params.text("validuntil"):
        row["validuntil"] = local_day(world, params.text("validuntil"))
    if params.text("lineitems"):
        row["lines"] = _lines(world, params)
    row["lastmodified"] = world.today.isoformat()
    return {"result": "success"}


def get_quotes(world: World, params: Params) -> Reply:
    """GetQuotes."""
    rows = list(rows_of(world, "quotes").values())
    if params.text("quoteid"):
        rows = [row for row in rows if row["id"] == params.number("quoteid")]
    if params.text("userid"):
        rows = [row for row in rows if row["userid"] == params.number("userid")]
    for name in ("subject", "stage"):
        if params.text(name):
            rows = [row for row in rows if row[name] == params.text(name)]
    for name in ("datecreated", "lastmodified", "validuntil"):
        if params.text(name):
            rows = [row for row in rows if row[name] == params.text(name)[:10]]
    return paged(params, rows, _quote_row, "quotes", "quote", text_total=True)


def _quote_row(row: Row) -> Reply:
    total = money(sum(_cents(line) for line in row["lines"]))
    texts = {name: row[name] for name in ("subject", "stage", "validuntil")}
    dates = ("datecreated", "lastmodified", "datesent", "dateaccepted")
    return {
        "id": str(row["id"]),
        **texts,
        "userid": str(row["userid"]),
        **{name: row[name] for name in (*PROFILE, "postcode", "country", "phonenumber")},
        "currency": str(row["currency"]),
        "subtotal": total,
        "tax1": "0.00",
        "tax2": "0.00",
        "total": total,
        **{name: row[name] for name in ("proposal", "customernotes", "adminnotes", *dates)},
        "items": {
            "item": [
                {
                    "id": str(line["id"]),
                    "description": line["description"],
                    "quantity": line["quantity"],
                    "unitprice": money(line["unitprice"]),
                    "discount": money(line["discount"]),
                    "taxable": line["taxable"],
                }
                for line in row["lines"]
            ]
        },
    }


def send_quote(world: World, params: Params) -> Reply:
    """SendQuote: to the client it is for, if there is one."""
    row = find_row(world, "quotes", params.number("quoteid"), MISSING)
    row["datesent"] = world.today.isoformat()
    if row["stage"] == "Draft":
        row["stage"] = "Delivered"
    client = world.clients.get(row["userid"])
    if client is not None:
        log_mail(world, client, "general", f"Quote #{row['id']}: {row['subject']}", row["proposal"])
    return {"result": "success"}


def accept_quote(world: World, params: Params) -> Reply:
    """AcceptQuote: its lines become an invoice due today."""
    row = find_row(world, "quotes", params.number("quoteid"), MISSING)
    row["stage"], row["dateaccepted"] = "Accepted", world.today.isoformat()
    client = world.clients.get(row["userid"])
    if client is None:
        return {"result": "success"}
    lines = [InvoiceLine(0, "", 0, line["description"], _cents(line)) for line in row["lines"]]
    invoice = invoicing.create_invoice(world, client, lines, world.today, source="api", actor=Actor.API, mail=False)
    return {"result": "success", "invoiceid": invoice.id}


def delete_quote(world: World, params: Params) -> Reply:
    """DeleteQuote."""
    row = find_row(world, "quotes", params.number("quoteid"), MISSING)
    del rows_of(world, "quotes")[row["id"]]
    return {"result": "success"}


ACTIONS: Mapping[str, Handler] = {
    "CreateQuote": create_quote,
    "UpdateQuote": update_quote,
    "GetQuotes": get_quotes,
    "SendQuote": send_quote,
    "AcceptQuote": accept_quote,
    "DeleteQuote": delete_quote,
}
