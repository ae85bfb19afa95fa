"""The rest of the office: announcements, affiliates, to-do items, modules, banned addresses, passwords."""

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, find, moment_text, paged
from whmcs_bridge.simulator.actions.shelf import Row, add_row, find_row, rows_of
from whmcs_bridge.simulator.records import PaymentMethod
from whmcs_bridge.simulator.state import World

MODULE_TYPES = ("gateway", "registrar", "addon", "fraud", "security", "notification")
TODO_STATUSES = ("New", "Pending", "In Progress", "Completed", "Postponed")


def add_announcement(world: World, params: Params) -> Reply:
    """AddAnnouncement; UpdateAnnouncement without an id does the same."""
    moment = moment_text(world.clock)
    row: Row = {
        "id": 0,
        "date": moment_text(params.moment("date") or world.clock),
        "title": params.text("title"),
        "announcement": params.text("announcement"),
        "published": int(params.flag("published")),
        "parentid": 0,
        "language": "",
        "created_at": moment,
        "updated_at": moment,
    }
    return {"result": "success", "announcementid": str(add_row(world, "announcements", row))}


def update_announcement(world: World, params: Params) -> Reply:
    """UpdateAnnouncement."""
    number = params.number("announcementid")
    row = find_row(world, "announcements", number, "Announcement ID Not Found")
    for name in ("title", "announcement"):
        if name in params:
            row[name] = params.text(name)
    if params.moment("date"):
        row["date"] = moment_text(params.moment("date"))
    if "published" in params:
        row["published"] = int(params.flag("published"))
    row["updated_at"] = moment_text(world.clock)
    return {"result": "success", "announcementid": str(number)}


def get_announcements(world: World, params: Params) -> Reply:
    """GetAnnouncements: newest first."""
    rows = sorted(rows_of(world, "announcements").values(), key=lambda row: (row["date"], row["id"]))
    return paged(params, rows[::-1], dict, "announcements", "announcement")


def delete_announcement(world: World, params: Params) -> Reply:
    """DeleteAnnouncement."""
    number = params.number("announcementid")
    find_row(world, "announcements", number, "Announcement ID Not Found")
    del rows_of(world, "announcements")[number]
    return {"result": "success"}


def affiliate_activate(world: World, params: Params) -> Reply:
    """AffiliateActivate: once is enough."""
    client = find(world.clients, params.number("userid"), "Client ID not found")
    rows = rows_of(world, "affiliates")
    if not any(row["clientid"] == client.id for row in rows.values()):
        row: Row = {
            "id": 0,
            "date": world.today.isoformat(),
            "clientid": client.id,
            "visitors": 0,
            "paytype": "",
            "payamount": "0.00",
            "onetime": 0,
            "balance": "0.00",
            "withdrawn": "0.00",
            "created_at": moment_text(world.clock),
            "updated_at": moment_text(world.clock),
        }
        add_row(world, "affiliates", row)
    return {"result": "success"}


def get_affiliates(world: World, params: Params) -> Reply:
    """GetAffiliates: numbers as text."""
    rows = list(rows_of(world, "affiliates").values())
    if params.text("userid"):
        rows = [row for row in rows if row["clientid"] == params.number("userid")]
    return paged(
        params,
        rows,
        lambda row: {key: str(value) for key, value in row.items()},
        "affiliates",
        "affiliate",
    )


def get_todo_items(world: World, params: Params) -> Reply:
    """GetToDoItems: no `items` at all when there are none; no action makes one."""
    rows = list(rows_of(world, "todo").values())
    status = params.text("status")
    if status == "Incomplete":
        rows = [row for row in rows if row["status"] != "Completed"]
    elif status:
        rows = [row for row in rows if row["status"] == status]
    start, size = params.page()
    reply: Reply = {"result": "success", "totalresults": str(len(rows)), "startnumber": str(start)}
    if rows:
        reply["items"] = {"item": rows[start : start + size]}
    return reply


def get_todo_item_statuses(world: World, params: Params) -> Reply:
    """GetToDoItemStatuses."""
    rows = rows_of(world, "todo").values()
    counts = [
        {"type": name, "count": sum(row["status"] == name for row in rows), "overdue": 0} for name in TODO_STATUSES
    ]
    return {"result": "success", "totalresults": len(counts), "todoitemstatuses": {"status": counts}}


def update_todo_item(world: World, params: Params) -> Reply:
    """UpdateToDoItem."""
    row = find_row(world, "todo", params.number("itemid"), "TODO Item ID Not Found")
    if params.text("status"):
        row["status"] = params.text("status")
    if params.text("adminid"):
        row["admin"] = find(world.admins, params.number("adminid"), "Admin ID Not Found").id
    return {"result": "success", "itemid": str(row["id"])}


def get_predefined_categories(world: World, params: Params) -> Reply:
    """GetTicketPredefinedCats: those put on the shelf."""
    replies = rows_of(world, "predefined_replies").values()
    rows = [
        {
            "id": str(row["id"]),
            "parentid": str(row.get("parentid", 0)),
            "name": row["name"],
            "replycount": str(sum(reply.get("catid") == row["id"] for reply in replies)),
        }
        for row in rows_of(world, "predefined_categories").values()
    ]
    return {"result": "success", "totalresults": str(len(rows)), "categories": {"category": rows}}


def get_predefined_replies(world: World, params: Params) -> Reply:
    """GetTicketPredefinedReplies: those put on the shelf."""
    wanted = params.number("catid")
    rows = [
        {"name": row["name"], "reply": row["reply"]}
        for row in rows_of(world, "predefined_replies").values()
        if wanted in (0, row.get("catid"))
    ]
    return {
        "result": "success",
        "totalresults": str(len(rows)),
        "predefinedreplies": {"predefinedreply": rows},
    }


def get_staff_online(world: World, params: Params) -> Reply:
    """GetStaffOnline: the one admin, since a moment ago."""
    admin = world.admins[1]
    row = {
        "adminusername": admin.username,
        "logintime": moment_text(world.clock - timedelta(minutes=5)),
        "ipaddress": "127.0.0.1",
        "lastvisit": moment_text(world.clock),
    }
    return {"result": "success", "totalresults": 1, "staffonline": {"staff": [row]}}


def add_banned_ip(world: World, params: Params) -> Reply:
    """AddBannedIp."""
    days = params.number("days") or 7
    row: Row = {
        "ip": params.text("ip"),
        "reason": params.text("reason"),
        "expires": moment_text(params.moment("expires") or world.clock + timedelta(days=days)),
    }
    return {"result": "success", "banid": str(add_row(world, "banned", row))}


def encrypt_password(world: World, params: Params) -> Reply:
    """EncryptPassword: reversible, and no secret at all."""
    text = base64.b64encode(params.text("password2").encode()[::-1]).decode()
    return {"result": "success", "password": text}


def decrypt_password(world: World, params: Params) -> Reply:
    """DecryptPassword: what EncryptPassword made."""
    try:
        text = base64.b64decode(params.text("password2").replace(" ", "+"))[::-1].decode()
    except (binascii.Error, ValueError):
        text = ""
    return {"result": "success", "password": text}


def _module(world: World, params: Params) -> str:
    """The module's name, after the checks that all module actions share."""
    if params.text("moduleType") not in MODULE_TYPES:
        types = ", ".join(MODULE_TYPES)
        raise ApiError(f"Invalid module type provided. Supported module types include: {types}")
    if not params.text("moduleName"):
        raise ApiError("Invalid module name provided.")
    return params.text("moduleName")


def activate_module(world: World, params: Params) -> Reply:
    """ActivateModule: a gateway becomes a payment method."""
    name = _module(world, params)
    if params.text("moduleType") == "gateway":
        if name in world.payment_methods:
            raise ApiError("Failed to activate: Module already active")
        world.add_payment_method(PaymentMethod(name, name.capitalize()))
    return update_module_configuration(world, params)


def deactivate_module(world: World, params: Params) -> Reply:
    """DeactivateModule: a gateway goes, and `newGateway` takes over what used it."""
    name, successor = _module(world, params), params.text("newGateway")
    if params.text("moduleType") == "gateway" and name in world.payment_methods:
        if successor not in world.payment_methods:
            raise ApiError("Failed to deactivate: a new gateway is required")
        if successor != name:
            for table in (world.services, world.domains, world.addons):
                for row in table.values():
                    row.gateway = successor if row.gateway == name else row.gateway
            for number in [n for ids in world.invoices_by_status.values() for n in ids]:
                invoice = world.invoices[number]
                invoice.gateway = successor if invoice.gateway == name else invoice.gateway
            del world.payment_methods[name]
    return {"result": "success"}


def get_module_configuration_parameters(world: World, params: Params) -> Reply:
    """GetModuleConfigurationParameters."""
    _module(world, params)
    fields = (("FriendlyName", "Display Name", "text"), ("email", "Email", "text"))
    rows = [{"name": name, "displayName": shown, "fieldType": kind} for name, shown, kind in fields]
    return {"result": "success", "parameters": rows}


def update_module_configuration(world: World, params: Params) -> Reply:
    """UpdateModuleConfiguration."""
    name = _module(world, params)
    given = params.get("parameters")
    method = world.payment_methods.get(name)
    if isinstance(given, dict) and method is not None and given.get("FriendlyName"):
        method.displayname = str(given["FriendlyName"])
    return {"result": "success"}


ACTIONS: Mapping[str, Handler] = {
    "AddAnnouncement": add_announcement,
    "UpdateAnnouncement": update_announcement,
    "GetAnnouncements": get_announcements,
    "DeleteAnnouncement": delete_announcement,
    "AffiliateActivate": affiliate_activate,
    "GetAffiliates": get_affiliates,
    "GetToDoItems": get_todo_items,
    "GetToDoItemStatuses": get_todo_item_statuses,
    "UpdateToDoItem": update_todo_item,
    "GetStaffOnline": get_staff_online,
    "GetTicketPredefinedCats": get_predefined_categories,
    "GetTicketPredefinedReplies": get_predefined_replies,
    "AddBannedIp": add_banned_ip,
    "EncryptPassword": encrypt_password,
    "DecryptPassword": decrypt_password,
    "ActivateModule": activate_module,
    "DeactivateModule": deactivate_module,
    "GetModuleConfigurationParameters": get_module_configuration_parameters,
    "UpdateModuleConfiguration": update_module_configuration,
}
