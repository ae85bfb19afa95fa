"""Support tickets: opening, answering, reading, merging."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from whmcs_bridge.simulator.actions.attachments import attached, names_of, read_attachments, store_attachments
from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, find, like, moment_text, paged
from whmcs_bridge.simulator.actions.shelf import opaque
from whmcs_bridge.simulator.mail import log_mail
from whmcs_bridge.simulator.records import Ticket, TicketReply
from whmcs_bridge.simulator.state import World

STATUSES: Mapping[str, str] = {
    "Open": "#779500",
    "Answered": "#000000",
    "Customer-Reply": "#ff6600",
    "On Hold": "#224488",
    "In Progress": "#cc0000",
    "Closed": "#888888",
}
PRIORITIES = ("Low", "Medium", "High")
WAITING = ("Open", "Customer-Reply")


def open_ticket(world: World, params: Params) -> Reply:
    """OpenTicket: `clientid` is the client, `userid` the login."""
    client = params.number("clientid")
    if client and client not in world.clients:
        raise ApiError("Client ID Not Found")
    if params.number("contactid") and params.number("contactid") not in world.contacts:
        raise ApiError("Contact ID Not Found")
    if params.number("userid") and params.number("userid") not in world.users:
        raise ApiError("The system cannot find the provided user ID.")
    if not client and not (params.text("name") and params.text("email")):
        raise ApiError("Name and email address are required if not a client")
    if not client and "@" not in params.text("email"):
        raise ApiError("Email Address Invalid")
    department = find(world.departments, params.number("deptid"), "Department ID not found")
    for name in ("subject", "message"):
        if not params.text(name):
            raise ApiError(f"{name.capitalize()} is required")
    opened = _created(world, params, "Ticket")
    ticket = Ticket(
        0,
        "",
        "",
        department.id,
        client,
        params.text("subject"),
        params.text("message"),
        opened,
        opened,
        user=params.number("userid"),
        contact=params.number("contactid"),
        name=params.text("name"),
        email=params.text("email"),
        priority=_priority(params) or "Medium",
        service=_related(world, params),
    )
    world.add_ticket(ticket)
    ticket.tid = str((ticket.id * 7_919 + 100_003) % 900_000 + 100_000)
    ticket.code = opaque(f"ticket {ticket.id}")[:8]
    ticket.attachments = store_attachments(world, "ticket", ticket.id, read_attachments(params))
    world.record("ticket", client=client, detail=ticket.subject)
    world.fire("TicketOpen", _open_variables(ticket, department.name))
    if client and not params.flag("noemail"):
        subject = f"[Ticket ID: {ticket.tid}] {ticket.subject}"
        owner = world.clients[client]
        log_mail(world, owner, "support", subject, ticket.message, "Support Ticket Opened", ticket.id)
    return {"result": "success", "id": str(ticket.id), "tid": ticket.tid, "c": ticket.code}


def _open_variables(ticket: Ticket, department: str) -> Reply:
    return {
        "ticketid": ticket.id,
        "ticketmask": ticket.tid,
        "userid": ticket.client,
        "deptid": ticket.department,
        "deptname": department,
        "subject": ticket.subject,
        "message": ticket.message,
        "priority": ticket.priority,
    }


def _created(world: World, params: Params, what: str) -> datetime:
    if not params.text("created"):
        return world.clock
    moment = params.moment("created")
    if moment is None:
        raise ApiError("Invalid Date Format")
    if moment > world.clock:
        raise ApiError(f"{what} creation date cannot be in the future")
    return moment


def _priority(params: Params) -> str:
    text = params.text("priority")
    if not text:
        return ""
    known = next((name for name in PRIORITIES if name.lower() == text.lower()), None)
    if known is None:
        raise ApiError("Invalid Ticket Priority. Valid priorities are: Low,Medium,High")
    return known


def _related(world: World, params: Params) -> str:
    if params.number("serviceid"):
        return f"S{find(world.services, params.number('serviceid'), 'Service ID Not Found').id}"
    if params.number("domainid"):
        return f"D{find(world.domains, params.number('domainid'), 'Domain ID Not Found').id}"
    return ""


def find_ticket(world: World, params: Params, message: str = "Ticket ID not found") -> Ticket:
    """The ticket named by `ticketid` or its public number `ticketnum`."""
    if not params.text("ticketid") and params.text("ticketnum"):
        for ticket in world.tickets.values():
            if ticket.tid == params.text("ticketnum"):
                return ticket
    return find(world.tickets, params.number("ticketid"), message)


def add_ticket_reply(world: World, params: Params) -> Reply:
    """AddTicketReply: by staff, a client, or a stranger with name and address."""
    ticket = find_ticket(world, params)
    client, admin = params.number("clientid"), params.text("adminusername")
    if client and client not in world.clients:
        raise ApiError("Client ID Not Found")
    if params.number("contactid") and params.number("contactid") not in world.contacts:
        raise ApiError("Contact ID Not Found")
    if not client and not admin and not (params.text("name") and params.text("email")):
        raise ApiError("Name and email address are required if not a client")
    if not params.text("message"):
        raise ApiError("Message is required")
    status = _status(params)
    reply = TicketReply(
        world.new_id("reply"),
        params.text("message"),
        _created(world, params, "Reply"),
        0 if admin else client,
        params.number("contactid"),
        params.text("name"),
        params.text("email"),
        _admin_name(world, admin),
    )
    reply.attachments = store_attachments(world, "reply", reply.id, read_attachments(params))
    ticket.replies.append(reply)
    ticket.last_reply = reply.at
    ticket.status = status or ("Answered" if admin else "Customer-Reply")
    variables = {**_open_variables(ticket, world.departments[ticket.department].name), "replyid": reply.id}
    variables.update(message=reply.message, status=ticket.status, admin=reply.admin)
    variables.pop("userid" if admin else "admin")
    world.record("ticket:reply", client=ticket.client, detail=ticket.subject)
    world.fire("TicketAdminReply" if admin else "TicketUserReply", variables)
    if admin and ticket.client in world.clients and not params.flag("noemail"):
        subject = f"[Ticket ID: {ticket.tid}] {ticket.subject}"
        owner = world.clients[ticket.client]
        log_mail(world, owner, "support", subject, reply.message, "Support Ticket Reply", ticket.id)
    return {"result": "success"}


def _status(params: Params) -> str:
    text = params.text("status")
    known = next((name for name in STATUSES if name.lower() == text.lower()), "")
    if text and not known:
        raise ApiError(f"Invalid Ticket Status. Valid statuses are: {', '.join(STATUSES)}")
    return known


def _admin_name(world: World, username: str) -> str:
    if not username:
        return ""
    for admin in world.admins.values():
        if admin.username == username:
            return f"{admin.firstname} {admin.lastname}"
    return username


def add_ticket_note(world: World, params: Params) -> Reply:
    """AddTicketNote."""
    ticket = find_ticket(world, params)
    if not params.text("message"):
        raise ApiError("Message is required")
    at = _created(world, params, "Note")
    admin = world.admins[1]
    note = TicketReply(world.new_id("ticket_note"), params.text("message"), at)
    note.admin = f"{admin.firstname} {admin.lastname}"
    note.attachments = store_attachments(world, "note", note.id, read_attachments(params))
    ticket.notes.append(note)
    world.record("ticket:note", client=ticket.client, detail=note.message)
    world.fire(
        "TicketAddNote",
        {"ticketid": ticket.id, "message": note.message, "adminid": admin.id, "attachments": note.attachments},
    )
    return {"result": "success"}


def update_ticket(world: World, params: Params) -> Reply:
    """UpdateTicket."""
    ticket = find_ticket(world, params, "Ticket ID Not Found")
    if params.text("deptid"):
        department = find(world.departments, params.number("deptid"), "Department ID Not Found")
        if department.id != ticket.department:
            ticket.department = department.id
            world.fire("TicketDepartmentChange", {"ticketid": ticket.id, "deptid": department.id})
    priority, status = _priority(params), _status(params)
    ticket.priority = priority or ticket.priority
    for name in ("subject", "message", "name", "email", "cc"):
        if name in params:
            setattr(ticket, name, params.text(name))
    if "subject" in params:
        world.fire("TicketSubjectChange", {"ticketid": ticket.id, "subject": ticket.subject})
    ticket.client = params.number("userid") or ticket.client
    ticket.flag = 0 if params.flag("removeFlag") else params.number("flag") or ticket.flag
    if status and status != ticket.status:
        ticket.status = status
        world.fire("TicketStatusChange", {"ticketid": ticket.id, "status": status, "adminid": 1})
        if status == "Closed":
            world.fire("TicketClose", {"ticketid": ticket.id})
    return {"result": "success", "ticketid": str(ticket.id)}


def _replies(world: World) -> Iterable[tuple[Ticket, TicketReply]]:
    return ((ticket, reply) for ticket in world.tickets.values() for reply in ticket.replies)


def update_ticket_reply(world: World, params: Params) -> Reply:
    """UpdateTicketReply."""
    if not params.text("replyid"):
        raise ApiError("Reply ID Required")
    if not params.text("message"):
        raise ApiError("Message is Required")
    for _, reply in _replies(world):
        if reply.id == params.number("replyid"):
            reply.message = params.text("message")
            return {"result": "success", "replyid": str(reply.id)}
    raise ApiError("Reply ID Not Found")


def delete_ticket(world: World, params: Params) -> Reply:
    """DeleteTicket."""
    ticket = find_ticket(world, params)
    del world.tickets[ticket.id]
    world.fire("TicketDelete", {"ticketId": ticket.id, "adminId": 1})
    return {"result": "success"}


def delete_ticket_reply(world: World, params: Params) -> Reply:
    """DeleteTicketReply."""
    for name, word in (("ticketid", "Ticket"), ("replyid", "Reply")):
        if not params.text(name):
            raise ApiError(f"{word} ID Required")
    ticket = find_ticket(world, params, "Ticket ID Not Found")
    for reply in ticket.replies:
        if reply.id == params.number("replyid"):
            ticket.replies.remove(reply)
            world.fire("TicketDeleteReply", {"ticketId": ticket.id, "replyId": reply.id, "adminId": 1})
            return {"result": "success"}
    raise ApiError("Reply ID Not Found")


def delete_ticket_note(world: World, params: Params) -> Reply:
    """DeleteTicketNote."""
    for ticket in world.tickets.values():
        for note in ticket.notes:
            if note.id == params.number("noteid"):
                ticket.notes.remove(note)
                return {"result": "success"}
    raise ApiError("Note ID Not Found")


def merge_ticket(world: World, params: Params) -> Reply:
    """MergeTicket: openings and replies of the others become replies of the first."""
    if not params.text("ticketid"):
        raise ApiError("Ticket ID Required")
    master = find_ticket(world, params, "Ticket ID Invalid")
    wanted = params.list("mergeticketids")
    if not wanted:
        raise ApiError("Merge Ticket IDs Required")
    unknown = [text for text in wanted if not text.isdigit() or int(text) not in world.tickets]
    if unknown:
        raise ApiError(f"Invalid Merge Ticket IDs: {', '.join(unknown)}")
    for number in (int(text) for text in wanted):
        other = world.tickets.pop(number)
        opening = TicketReply(world.new_id("reply"), other.message, other.opened, other.client)
        master.replies += [opening, *other.replies]
        master.notes += other.notes
    master.replies.sort(key=lambda reply: (reply.at, reply.id))
    master.subject = params.text("newsubject") or master.subject
    world.fire("TicketMerge", {"mergedTicketIds": [int(t) for t in wanted], "masterTicketId": master.id})
    return {"result": "success", "ticketid": str(master.id)}


def block_ticket_sender(world: World, params: Params) -> Reply:
    """BlockTicketSender: strangers only; with `delete` the ticket goes too."""
    if not params.text("ticketid"):
        raise ApiError("Ticket ID Required")
    ticket = find_ticket(world, params, "Ticket ID Not Found")
    if ticket.client:
        raise ApiError("A Client Cannot Be Blocked")
    if params.flag("delete"):
        del world.tickets[ticket.id]
    return {"result": "success", "deleted": params.flag("delete")}


def get_tickets(world: World, params: Params) -> Reply:
    """GetTickets: last answered first; text ids and total."""
    rows = sorted(world.tickets.values(), key=lambda t: (t.last_reply, t.id), reverse=True)
    if params.text("deptid"):
        rows = [row for row in rows if row.department == params.number("deptid")]
    if params.text("clientid"):
        rows = [row for row in rows if row.client == params.number("clientid")]
    if params.text("email"):
        rows = [row for row in rows if row.email.lower() == params.text("email").lower()]
    if params.text("subject"):
        rows = like(rows, lambda row: row.subject, params.text("subject"))
    rows = [row for row in rows if _in_status(row, params.text("status").lower())]
    return paged(params, rows, lambda row: _ticket_row(world, row), "tickets", "ticket", text_total=True)


def _in_status(ticket: Ticket, status: str) -> bool:
    if not status:
        return True
    if status == "awaiting reply":
        return ticket.status in WAITING
    if status == "all active tickets":
        return ticket.status != "Closed"
    return bool(ticket.flag) if status == "my flagged tickets" else ticket.status.lower() == status


def _person(world: World, ticket: Ticket) -> tuple[str, str]:
    client = world.clients.get(ticket.client)
    if client is None:
        return ticket.name, ticket.email
    return f"{client.firstname} {client.lastname}".strip(), client.email


def _ticket_row(world: World, ticket: Ticket) -> Reply:
    name, email = _person(world, ticket)
    return {
        "id": str(ticket.id),
        "tid": ticket.tid,
        "deptid": str(ticket.department),
        "userid": str(ticket.client),
        "name": name,
        "owner_name": name,
        "email": email,
        "requestor_name": name,
        "requestor_email": email,
        "requestor_type": "Owner" if ticket.client else "Guest",
        "cc": ticket.cc,
        "c": ticket.code,
        "date": moment_text(ticket.opened),
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "admin": ticket.admin,
        "attachment": names_of(ticket.attachments),
        "attachments": attached(ticket.attachments),
        "attachments_removed": False,
        "lastreply": moment_text(ticket.last_reply),
        "flag": str(ticket.flag),
        "service": ticket.service,
    }


def get_ticket(world: World, params: Params) -> Reply:
    """GetTicket: the opening message is reply 0."""
    ticket = find_ticket(world, params)
    name, email = _person(world, ticket)
    replies = [_opening(world, ticket), *(_reply_row(world, ticket, reply) for reply in ticket.replies)]
    if params.text("repliessort").lower() == "desc":
        replies.reverse()
    return {
        "result": "success",
        "id": str(ticket.id),
        "ticketid": str(ticket.id),
        "tid": ticket.tid,
        "c": ticket.code,
        "deptid": str(ticket.department),
        "deptname": world.departments[ticket.department].name,
        "userid": str(ticket.client),
        "contactid": str(ticket.contact),
        "name": name,
        "email": email,
        "cc": ticket.cc,
        "date": moment_text(ticket.opened),
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "admin": ticket.admin,
        "lastreply": moment_text(ticket.last_reply),
        "flag": str(ticket.flag),
        "service": ticket.service,
        "replies": {"reply": replies},
        "notes": {"note": [_note_row(note) for note in ticket.notes]},
    }


def _opening(world: World, ticket: Ticket) -> Reply:
    first = TicketReply(0, ticket.message, ticket.opened, ticket.client, ticket.contact, admin=ticket.admin)
    first.name, first.email = _person(world, ticket)
    first.attachments = ticket.attachments
    row = _reply_row(world, ticket, first)
    del row["rating"]
    return row


def _reply_row(world: World, ticket: Ticket, reply: TicketReply) -> Reply:
    name, email = _person(world, ticket)
    return {
        "replyid": str(reply.id),
        "userid": str(reply.client),
        "contactid": str(reply.contact),
        "name": reply.name,
        "email": reply.email,
        "requestor_name": reply.admin or name,
        "requestor_email": "" if reply.admin else email,
        "requestor_type": "Operator" if reply.admin else "Owner",
        "date": moment_text(reply.at),
        "message": reply.message,
        "attachment": names_of(reply.attachments),
        "attachments": attached(reply.attachments),
        "attachments_removed": False,
        "admin": reply.admin,
        "rating": "0",
    }


def _note_row(note: TicketReply) -> Reply:
    return {
        "noteid": str(note.id),
        "date": moment_text(note.at),
        "message": note.message,
        "attachment": names_of(note.attachments),
        "attachments": attached(note.attachments),
        "attachments_removed": False,
        "admin": note.admin,
    }


def get_ticket_notes(world: World, params: Params) -> Reply:
    """GetTicketNotes."""
    ticket = find_ticket(world, params)
    notes = [{"id": str(note.id), **_note_row(note)} for note in ticket.notes]
    return {"result": "success", "totalresults": len(notes), "notes": {"note": notes}}


def get_support_departments(world: World, params: Params) -> Reply:
    """GetSupportDepartments."""
    rows: list[Any] = []
    for department in world.departments.values():
        tickets = [ticket for ticket in world.tickets.values() if ticket.department == department.id]
        rows.append(
            {
                "id": str(department.id),
                "name": department.name,
                "awaitingreply": str(sum(ticket.status in WAITING for ticket in tickets)),
                "opentickets": str(sum(ticket.status != "Closed" for ticket in tickets)),
            }
        )
    return {"result": "success", "totalresults": len(rows), "departments": {"department": rows}}


def _counts(world: World, department: int = 0) -> dict[str, int]:
    counts = dict.fromkeys(STATUSES, 0)
    for ticket in world.tickets.values():
        if department in (0, ticket.department):
            counts[ticket.status] = counts.get(ticket.status, 0) + 1
    return counts


def get_support_statuses(world: World, params: Params) -> Reply:
    """GetSupportStatuses."""
    counts = _counts(world, params.number("deptid"))
    rows = [{"title": title, "count": counts[title], "color": color} for title, color in STATUSES.items()]
    return {"result": "success", "totalresults": len(rows), "statuses": {"status": rows}}


def get_ticket_counts(world: World, params: Params) -> Reply:
    """GetTicketCounts."""
    counts = _counts(world)
    reply: Reply = {
        "result": "success",
        "filteredDepartments": list(world.departments),
        "allActive": sum(counts.values()) - counts["Closed"],
        "awaitingReply": sum(counts[status] for status in WAITING),
        "flaggedTickets": sum(bool(ticket.flag) for ticket in world.tickets.values()),
    }
    if params.flag("includeCountsByStatus"):
        reply["status"] = {
            "".join(c for c in title.lower() if c.isalnum()): {"title": title, "count": count}
            for title, count in counts.items()
        }
    return reply


ACTIONS: Mapping[str, Handler] = {
    "OpenTicket": open_ticket,
    "AddTicketReply": add_ticket_reply,
    "AddTicketNote": add_ticket_note,
    "UpdateTicket": update_ticket,
    "UpdateTicketReply": update_ticket_reply,
    "DeleteTicket": delete_ticket,
    "DeleteTicketReply": delete_ticket_reply,
    "DeleteTicketNote": delete_ticket_note,
    "MergeTicket": merge_ticket,
    "BlockTicketSender": block_ticket_sender,
    "GetTickets": get_tickets,
    "GetTicket": get_ticket,
    "GetTicketNotes": get_ticket_notes,
    "GetSupportDepartments": get_support_departments,
    "GetSupportStatuses": get_support_statuses,
    "GetTicketCounts": get_ticket_counts,
}
