"""The installation itself: settings, staff, versions, logs, statistics."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from whmcs_bridge.simulator.actions.base import (
    ApiError,
    Handler,
    Params,
    Reply,
    like,
    moment_text,
    money,
    priced,
)
from whmcs_bridge.simulator.actions.localised import local_day
from whmcs_bridge.simulator.records import ActivityEntry, InvoiceStatus
from whmcs_bridge.simulator.state import World

PERMISSIONS = (
    "Main Homepage,List Clients,List Services,Edit Clients Details,Perform Server Operations,View Orders,"
    "List Transactions,List Invoices,Manage Invoice,List Support Tickets,View Activity Log,API Access"
)


def get_configuration_value(world: World, params: Params) -> Reply:
    """GetConfigurationValue: a wrong name is an error."""
    setting = params.text("setting")
    if not setting:
        raise ApiError("Parameter setting is required")
    known = {name.lower(): name for name in world.settings}
    name = known.get(setting.lower())
    if name is None:
        raise ApiError("Invalid name for parameter setting")
    return {"result": "success", "setting": setting, "value": world.settings[name]}


def set_configuration_value(world: World, params: Params) -> Reply:
    """SetConfigurationValue: localAPI only, so over the API it is always refused."""
    raise ApiError("API Command Restricted to Internal API")


def whmcs_version(world: World) -> Reply:
    """`{version, canonicalversion}` from the setting Version."""
    full = world.settings.get("Version", "")
    return {"version": full.partition("-")[0], "canonicalversion": full}


def whmcs_details(world: World, params: Params) -> Reply:
    """WhmcsDetails."""
    return {"result": "success", "whmcs": whmcs_version(world)}


def get_admin_details(world: World, params: Params) -> Reply:
    """GetAdminDetails: the admin behind the credential."""
    admin = world.admins[1]
    return {
        "result": "success",
        "adminid": str(admin.id),
        "name": f"{admin.firstname} {admin.lastname}",
        "notes": admin.notes,
        "signature": "",
        "allowedpermissions": PERMISSIONS,
        "departments": "," + ",".join(str(number) for number in world.departments) + ",",
        "whmcs": whmcs_version(world),
    }


def get_admin_users(world: World, params: Params) -> Reply:
    """GetAdminUsers: the one reply with no success marker (Q4)."""
    rows = [row for row in world.admins.values() if params.flag("include_disabled") or not row.disabled]
    if params.text("email"):
        rows = like(rows, lambda row: row.email, params.text("email"))
    if params.text("roleid"):
        rows = [row for row in rows if row.role == params.number("roleid")]
    users = [
        {
            "id": row.id,
            "uuid": f"00000000-0000-4000-8000-{row.id:012d}",
            "roleId": row.role,
            "username": row.username,
            "twoFactorAuthModule": "",
            "firstname": row.firstname,
            "lastname": row.lastname,
            "email": row.email,
            "signature": "",
            "notes": row.notes,
            "template": "blend",
            "language": "english",
            "isDisabled": int(row.disabled),
            "loginAttempts": 0,
            "supportDepartmentIds": list(world.departments),
            "receivesTicketNotifications": [],
            "homewidgets": "",
            "hiddenWidgets": "",
            "widgetOrder": "",
            "createdAt": "2020-01-01 00:00:00",
            "updatedAt": "2020-01-01 00:00:00",
            "fullName": f"{row.firstname} {row.lastname}",
            "gravatarHash": "",
        }
        for row in rows
    ]
    return {"count": len(users), "admin_users": users}


def update_admin_notes(world: World, params: Params) -> Reply:
    """UpdateAdminNotes."""
    world.admins[1].notes = params.text("notes")
    return {"result": "success"}


def get_activity_log(world: World, params: Params) -> Reply:
    """GetActivityLog: newest first, no `numreturned`."""
    rows = list(reversed(world.activity))
    client = params.number("clientid") or params.number("userid")
    if client:
        rows = [row for row in rows if row.client == client]
    if params.text("date"):
        day = local_day(world, params.text("date"))
        rows = [row for row in rows if moment_text(row.at).startswith(day)]
    if params.text("user"):
        rows = [row for row in rows if row.username.lower() == params.text("user").lower()]
    if params.text("description"):
        rows = like(rows, lambda row: row.description, params.text("description"))
    if params.text("ipaddress"):
        rows = [row for row in rows if row.ipaddress == params.text("ipaddress")]
    start, size = params.page()
    entries = [_activity_row(row) for row in rows[start : start + size]]
    return {
        "result": "success",
        "totalresults": len(rows),
        "startnumber": start,
        "activity": {"entry": entries},
    }


def _activity_row(row: ActivityEntry) -> Reply:
    return {
        "id": row.id,
        "clientId": row.client,
        "userId": row.user,
        "adminId": row.admin,
        "date": moment_text(row.at),
        "description": row.description,
        "username": row.username,
        "ipaddress": row.ipaddress,
        "userid": row.client,
    }


def get_automation_log(world: World, params: Params) -> Reply:
    """GetAutomationLog: WHMCS's clock, and when the daily cron last ran.

    The inner shape of `statistics` is undocumented; ours is date -> namespace -> numbers, counted
    from what the cron did.
    """
    today = world.today
    start = params.moment("startdate") or datetime.combine(today, datetime.min.time())
    end = params.moment("enddate") or datetime.combine(today, datetime.max.time().replace(microsecond=0))
    statistics: dict[str, dict[str, dict[str, int]]] = {}
    for event in world.log:
        if event.actor == "cron" and start <= event.at <= end:
            names = statistics.setdefault(event.at.date().isoformat(), {})
            numbers = names.setdefault(event.kind, {"count": 0})
            numbers["count"] += 1
    return {
        "result": "success",
        "currentDatetime": moment_text(world.clock.replace(microsecond=0)),
        "lastDailyCronInvocationTime": world.settings.get("lastDailyCronInvocationTime", ""),
        "startdate": moment_text(start),
        "enddate": moment_text(end),
        "statistics": statistics,
    }


def get_health_status(world: World, params: Params) -> Reply:
    """GetHealthStatus: everything is well."""
    return {"result": "success", "checks": {"success": [], "warning": [], "danger": []}}


def trigger_notification_event(world: World, params: Params) -> Reply:
    """TriggerNotificationEvent."""
    for name, word in (("notification_identifier", "identifier"), ("title", "title"), ("message", "message")):
        if not params.text(name):
            raise ApiError(f"API Notification Events require a {word} string to be passed.")
    world.record("notification", detail=params.text("title"))
    return {"result": "success"}


def get_stats(world: World, params: Params) -> Reply:
    """GetStats: formatted income, counts, and `timeline_data` when `timeline_days` asks for it."""
    today = world.today
    reply: Reply = {"result": "success", **_income(world, today), **_order_counts(world, today)}
    statuses: dict[str, int] = {}
    for ticket in world.tickets.values():
        statuses[ticket.status] = statuses.get(ticket.status, 0) + 1
    closed = statuses.get("Closed", 0)
    waiting = statuses.get("Open", 0) + statuses.get("Customer-Reply", 0)
    reply.update(
        tickets_allactive=len(world.tickets) - closed,
        tickets_awaitingreply=waiting,
        tickets_flaggedtickets=sum(bool(ticket.flag) for ticket in world.tickets.values()),
        tickets_open=statuses.get("Open", 0),
        tickets_answered=statuses.get("Answered", 0),
        tickets_customerreply=statuses.get("Customer-Reply", 0),
        tickets_closed=closed,
        tickets_onhold=statuses.get("On Hold", 0),
        tickets_inprogress=statuses.get("In Progress", 0),
        cancellations_pending=sum(
            service is not None and service.status in ("Active", "Suspended", "Pending")
            for service in (world.services.get(row.service) for row in world.cancel_requests.values())
        ),
        todoitems_due=len(world.shelf.get("todo", {})),
        networkissues_open=0,
        billableitems_uninvoiced=sum(not item.invoiced for item in world.billable_items.values()),
        quotes_valid=len(world.shelf.get("quotes", {})),
        staff_online=1,
    )
    days = min(params.number("timeline_days"), 90)
    if days > 0:
        reply["timeline_data"] = _timeline(world, today, days)
    return reply


def _income(world: World, today: date) -> Reply:
    sums = dict.fromkeys(("today", "thismonth", "thisyear", "alltime"), 0)
    for invoice in world.invoices.values():
        if invoice.status != InvoiceStatus.PAID or invoice.paid_at is None:
            continue
        paid = invoice.paid_at.date()
        sums["alltime"] += invoice.total
        if paid.year == today.year:
            sums["thisyear"] += invoice.total
            if paid.month == today.month:
                sums["thismonth"] += invoice.total
            if paid == today:
                sums["today"] += invoice.total
    return {f"income_{name}": priced(world, cents) for name, cents in sums.items()}


def _order_counts(world: World, today: date) -> Reply:
    counts: dict[str, int] = {"orders_pending": sum(order.status == "Pending" for order in world.orders.values())}
    for name, day in (("today", today), ("yesterday", today - timedelta(days=1))):
        rows = [order for order in world.orders.values() if order.at.date() == day]
        for status in ("Cancelled", "Pending", "Fraud", "Active"):
            counts[f"orders_{name}_{status.lower()}"] = sum(order.status == status for order in rows)
        counts[f"orders_{name}_total"] = len(rows)
    year = [order for order in world.orders.values() if order.at.year == today.year]
    counts["orders_thismonth_total"] = sum(order.at.month == today.month for order in year)
    counts["orders_thisyear_total"] = len(year)
    return counts


def _timeline(world: World, today: date, days: int) -> dict[str, dict[str, Any]]:
    span = [(today - timedelta(days=n)).isoformat() for n in range(days)]
    orders, accepted, tickets = (dict.fromkeys(span, 0) for _ in range(3))
    for order in world.orders.values():
        day = order.at.date().isoformat()
        if day in orders:
            orders[day] += 1
            accepted[day] += order.status == "Active"
    for ticket in world.tickets.values():
        day = ticket.opened.date().isoformat()
        if day in tickets:
            tickets[day] += 1
    income = dict.fromkeys(span, 0)
    for row in world.transactions.values():
        day = row.at.date().isoformat()
        if day in income:
            income[day] += row.amount_in - row.amount_out
    return {
        "new_orders": orders,
        "accepted_orders": accepted,
        "income": {day: money(cents) for day, cents in income.items()},
        "expenditure": dict.fromkeys(span, "0.00"),
        "new_tickets": tickets,
    }


ACTIONS: Mapping[str, Handler] = {
    "GetConfigurationValue": get_configuration_value,
    "SetConfigurationValue": set_configuration_value,
    "WhmcsDetails": whmcs_details,
    "GetAdminDetails": get_admin_details,
    "GetAdminUsers": get_admin_users,
    "UpdateAdminNotes": update_admin_notes,
    "GetActivityLog": get_activity_log,
    "GetAutomationLog": get_automation_log,
    "GetHealthStatus": get_health_status,
    "TriggerNotificationEvent": trigger_notification_event,
    "GetStats": get_stats,
}
