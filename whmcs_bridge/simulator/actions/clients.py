"""Clients, contacts, groups and notes."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from whmcs_bridge.simulator import endings
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
)
from whmcs_bridge.simulator.actions.stats import client_stats
from whmcs_bridge.simulator.listing import listing
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import Actor, Client, Contact, Note, User
from whmcs_bridge.simulator.state import World

EMAIL_KINDS = ("general", "invoice", "support", "product", "domain", "affiliate")
PROFILE = (
    "firstname",
    "lastname",
    "companyname",
    "email",
    "address1",
    "address2",
    "city",
    "state",
    "postcode",
    "country",
    "phonenumber",
)
FLAGS: Mapping[str, str] = {
    "latefeeoveride": "no_late_fees",
    "overideduenotices": "no_overdue_notices",
    "taxexempt": "tax_exempt",
    "separateinvoices": "separate_invoices",
    "disableautocc": "disable_auto_cc",
    "overrideautoclose": "override_auto_close",
    "marketingoptin": "marketing_optin",
}
CLIENT_MISSING = "Client ID Not Found"

_ORDER: Mapping[str, Callable[[Client], Any]] = {
    "id": lambda c: c.id,
    "firstname": lambda c: (c.firstname.lower(), c.id),
    "lastname": lambda c: (c.lastname.lower(), c.id),
    "companyname": lambda c: (c.companyname.lower(), c.id),
    "email": lambda c: (c.email.lower(), c.id),
    "groupid": lambda c: (c.group, c.id),
    "datecreated": lambda c: (c.created, c.id),
    "status": lambda c: (c.status, c.id),
}


def get_clients(world: World, params: Params) -> Reply:
    """GetClients; without `orderby` by first name, then last name, as the reference's example shows."""
    order = params.text("orderby").lower()
    backwards = params.text("sorting").lower() == "desc"
    status, search = params.text("status"), params.text("search").lower()

    def ids() -> list[int]:
        rows: list[Client] = list(world.clients.values())
        if status:
            rows = [client for client in rows if client.status.lower() == status.lower()]
        if search:
            rows = [client for client in rows if _starts(client, search)]
        rows.sort(key=_ORDER.get(order, _by_name), reverse=backwards)
        return [client.id for client in rows]

    rows = listing(world, ("clients", order, backwards, status, search), ids)
    return paged(params, rows, lambda number: _client_row(world.clients[number]), "clients", "client")


def _by_name(client: Client) -> Any:
    return client.firstname.lower(), client.lastname.lower(), client.companyname.lower(), client.id


def _starts(client: Client, search: str) -> bool:
    full = f"{client.firstname} {client.lastname}".lower()
    return (
        client.email.lower().startswith(search)
        or full.startswith(search)
        or client.lastname.lower().startswith(search)
        or client.companyname.lower().startswith(search)
    )


def _client_row(client: Client) -> Reply:
    return {
        "id": client.id,
        "firstname": client.firstname,
        "lastname": client.lastname,
        "companyname": client.companyname,
        "email": client.email,
        "datecreated": day_text(client.created),
        "groupid": client.group,
        "status": client.status,
    }


def find_client(world: World, params: Params) -> Client:
    """The client named by `clientid` or `email`, else the refusals of GetClientsDetails."""
    if params.text("clientid"):
        return find(world.clients, params.number("clientid"), "Client Not Found")
    if params.text("email"):
        number = world.clients_by_email.get(params.text("email").lower(), 0)
        return find(world.clients, number, "Client Not Found")
    raise ApiError("Either clientid Or email Is Required")


def get_clients_details(world: World, params: Params) -> Reply:
    """GetClientsDetails: the fields under `client`, and repeated at top level (deprecated, Q25)."""
    client = find_client(world, params)
    details = _details(world, client)
    reply: Reply = {"result": "success", **details, "client": details}
    if params.flag("stats"):
        reply["stats"] = client_stats(world, client)
    return reply


def _details(world: World, client: Client) -> Reply:
    currency = world.currencies.get(client.currency)
    phone = client.phonenumber
    if phone and not phone.startswith("+"):
        phone = f"+1.{phone}"
    owner = world.users.get(client.owner)
    fields = client.customfields or {}
    users = [world.users[client.owner]] if owner else []
    users += [u for u in _users_of(world, client) if u.id != client.owner]
    return {
        "client_id": client.id,
        "owner_user_id": client.owner,
        "userid": client.id,
        "id": client.id,
        "uuid": str(uuid.UUID(int=0x4000_8000_0000_0000_0000 + client.id)),
        "firstname": client.firstname,
        "lastname": client.lastname,
        "fullname": f"{client.firstname} {client.lastname}".strip(),
        "companyname": client.companyname,
        "email": client.email,
        "address1": client.address1,
        "address2": client.address2,
        "city": client.city,
        "fullstate": client.state,
        "state": client.state,
        "postcode": client.postcode,
        "countrycode": client.country,
        "country": client.country,
        "phonenumber": client.phonenumber,
        "tax_id": client.tax_id,
        "email_preferences": {kind: "0" if kind in client.email_off else "1" for kind in EMAIL_KINDS},
        "statecode": client.state,
        "countryname": client.country,
        "phonecc": "1",
        "phonenumberformatted": phone,
        "telephoneNumber": phone,
        "billingcid": client.billing_contact,
        "notes": client.notes,
        "currency": client.currency,
        "defaultgateway": client.gateway,
        "groupid": client.group,
        "status": client.status,
        "credit": money(client.credit),
        "taxexempt": client.tax_exempt,
        "latefeeoveride": client.no_late_fees,
        "overideduenotices": client.no_overdue_notices,
        "separateinvoices": client.separate_invoices,
        "disableautocc": client.disable_auto_cc,
        "emailoptout": client.email_optout,
        "marketing_emails_opt_in": client.marketing_optin,
        "overrideautoclose": client.override_auto_close,
        "allowSingleSignOn": int(client.allow_sso),
        "email_verified": client.email_verified,
        "language": client.language,
        "isOptedInToMarketingEmails": client.marketing_optin,
        "lastlogin": _last_login(client),
        "currency_code": currency.code if currency else "",
        "customfields": [{"id": key, "value": value} for key, value in fields.items()],
        **{f"customfields{n}": value for n, value in enumerate(fields.values(), start=1)},
        "users": {"user": [_user_row(user, client) for user in users]},
    }


def _users_of(world: World, client: Client) -> list[User]:
    return [world.users[n] for n in world.users_of_client.get(client.id, ()) if n in world.users]


def _last_login(client: Client) -> str:
    if client.last_login is None:
        return "No Login Logged"
    return f"Date: {client.last_login:%d/%m/%Y %H:%M}<br>IP Address: 127.0.0.1<br>Host: localhost"


def _user_row(user: User, client: Client) -> Reply:
    return {
        "id": user.id,
        "name": f"{user.firstname} {user.lastname}".strip(),
        "email": user.email,
        "is_owner": user.clients.get(client.id, False),
    }


def get_client_groups(world: World, params: Params) -> Reply:
    """GetClientGroups."""
    groups = [
        {
            "id": group.id,
            "groupname": group.name,
            "groupcolour": group.colour,
            "discountpercent": group.discount_percent,
            "susptermexempt": on(group.exempt),
            "separateinvoices": on(group.separate_invoices),
        }
        for group in world.groups.values()
    ]
    return {"result": "success", "totalresults": len(groups), "groups": {"group": groups}}


def update_client(world: World, params: Params) -> Reply:
    """UpdateClient: only what is sent changes; fires ClientEdit with the old data."""
    if params.text("clientemail") and not params.text("clientid"):
        number = world.clients_by_email.get(params.text("clientemail").lower(), 0)
    else:
        number = params.number("clientid")
    client = find(world.clients, number, CLIENT_MISSING)
    email = params.text("email")
    if email and not _valid_email(email):
        raise ApiError("The email address entered is not valid")
    if email and world.clients_by_email.get(email.lower(), client.id) != client.id:
        raise ApiError("Duplicate Email Address")
    before = client_variables(client)
    _apply_client(world, client, params)
    world.fire("ClientEdit", {**client_variables(client), "olddata": before})
    return {"result": "success", "clientid": str(client.id)}


def _valid_email(email: str) -> bool:
    local, at, host = email.partition("@")
    return bool(local and at and "." in host and not host.endswith(".") and " " not in email)


def _apply_client(world: World, client: Client, params: Params) -> None:
    for name in (*PROFILE, "tax_id", "notes", "status", "language"):
        if name in params and name != "email":
            setattr(client, name, params.text(name))
    if params.text("email"):
        world.set_email(client, params.text("email"))
    if "paymentmethod" in params:
        client.gateway = params.text("paymentmethod")
    if params.number("currency"):
        client.currency = params.number("currency")
    if "groupid" in params:
        world.set_group(client, params.number("groupid"))
    for name, attribute in FLAGS.items():
        if name in params:
            setattr(client, attribute, params.flag(name))
    preferences = params.get("email_preferences")
    if isinstance(preferences, dict):
        off = set(client.email_off)
        for kind, value in preferences.items():
            off.discard(kind) if value not in ("", "0") else off.add(kind)
        client.email_off = frozenset(off)
    fields = params.array("customfields")
    if fields:
        known = {int(key): str(value) for key, value in fields.items() if key.isdigit()}
        client.customfields = {**(client.customfields or {}), **known}
    world.revision += 1


def client_variables(client: Client) -> Reply:
    """The ClientEdit variables (facts sheet 11.4)."""
    return {
        "userid": client.id,
        **{name: getattr(client, name) for name in PROFILE},
        "currency": client.currency,
        "notes": client.notes,
        "status": client.status,
        **{name: getattr(client, attribute) for name, attribute in FLAGS.items() if name != "marketingoptin"},
        "language": client.language,
        "billingcid": client.billing_contact,
        "groupid": client.group,
        "allow_sso": client.allow_sso,
        "email_verified": client.email_verified,
        "isOptedInToMarketingEmails": client.marketing_optin,
        "email_preferences": {
            ("invoices" if kind == "invoice" else kind): kind not in client.email_off for kind in EMAIL_KINDS
        },
    }


_REQUIRED: Mapping[str, str] = {
    "firstname": "You did not enter your first name",
    "lastname": "You did not enter your last name",
    "email": "You did not enter your email address",
    "address1": "You did not enter your address (line 1)",
    "city": "You did not enter your city",
    "state": "You did not enter your state",
    "postcode": "You did not enter your postcode",
    "country": "Valid country required",
    "phonenumber": "You did not enter your phone number",
}


def add_client(world: World, params: Params) -> Reply:
    """AddClient: a client with a new login, or owned by `owner_user_id`."""
    owner = params.number("owner_user_id")
    if owner and owner not in world.users:
        raise ApiError("Invalid Owner User ID")
    email = params.text("email")
    if not params.flag("skipvalidation"):
        for name, message in _REQUIRED.items():
            if not params.text(name):
                raise ApiError(message)
    if not email:
        raise ApiError(_REQUIRED["email"])
    if not _valid_email(email):
        raise ApiError("The email address you entered was not valid")
    if not owner and any(user.email.lower() == email.lower() for user in world.users.values()):
        raise ApiError("A user already exists with that email address")
    client = Client(0, created=world.today, owner=owner, email=email)
    world.add_client(client)
    if owner:
        world.link_user(world.users[owner], client.id, owner=True)
    _apply_client(world, client, params)
    _name_owner(world, client, params)
    world.fire("ClientAdd", {"client_id": client.id, "user_id": client.owner, **client_variables(client)})
    if not params.flag("noemail"):
        send_mail(world, client, "Client Signup Email", client.id)
    return {"result": "success", "clientid": client.id, "owner_id": client.owner}


def _name_owner(world: World, client: Client, params: Params) -> None:
    if not params.number("owner_user_id"):
        user = world.users[client.owner]
        user.firstname, user.lastname, user.email = client.firstname, client.lastname, client.email
        user.password = params.text("password2")


def close_client(world: World, params: Params) -> Reply:
    """CloseClient."""
    client = find(world.clients, params.number("clientid"), CLIENT_MISSING)
    endings.close_client(world, client, Actor.API)
    world.revision += 1
    return {"result": "success", "clientid": str(client.id)}


def delete_client(world: World, params: Params) -> Reply:
    """DeleteClient: with everything of it; its logins only with `deleteusers`."""
    client = find(world.clients, params.number("clientid"), CLIENT_MISSING)
    users = [user for user in _users_of(world, client) if set(user.clients) == {client.id}]
    endings.delete_client(world, client, Actor.API)
    if params.flag("deleteusers"):
        for user in users:
            world.users.pop(user.id, None)
    return {"result": "success", "clientid": str(client.id)}


def add_client_note(world: World, params: Params) -> Reply:
    """AddClientNote; `userid` is the client."""
    client = find(world.clients, params.number("userid"), "Client ID not found")
    if not params.text("notes"):
        raise ApiError("Notes can not be empty")
    note = Note(world.new_id("note"), client.id, params.text("notes"), world.clock, params.flag("sticky"))
    world.notes[note.id] = note
    world.record("note", client=client.id, detail=note.text)
    return {"result": "success", "noteid": str(note.id)}


def get_contacts(world: World, params: Params) -> Reply:
    """GetContacts with its exact filters."""
    rows = list(world.contacts.values())
    if params.text("userid"):
        rows = [world.contacts[n] for n in world.contacts_by_client.get(params.number("userid"), ())]
    for name in PROFILE:
        if params.text(name):
            rows = [row for row in rows if getattr(row, name).lower() == params.text(name).lower()]
    return paged(params, rows, _contact_row, "contacts", "contact")


def _contact_row(contact: Contact) -> Reply:
    return {
        "id": contact.id,
        "userid": contact.client,
        **{name: getattr(contact, name) for name in PROFILE if name != "companyname"},
        **{f"{kind}emails": kind in contact.emails for kind in EMAIL_KINDS},
        "created_at": moment_text(contact.created_at),
        "updated_at": moment_text(contact.updated_at),
    }


def add_contact(world: World, params: Params) -> Reply:
    """AddContact."""
    client = find(world.clients, params.number("clientid"), CLIENT_MISSING)
    contact = Contact(0, client.id, created_at=world.clock, updated_at=world.clock)
    _apply_contact(contact, params)
    world.add_contact(contact)
    variables = {"userid": client.id, "contactid": contact.id}
    world.fire("ContactAdd", {**variables, **{name: getattr(contact, name) for name in PROFILE}})
    return {"result": "success", "contactid": contact.id}


def _apply_contact(contact: Contact, params: Params) -> None:
    for name in (*PROFILE, "tax_id"):
        if name in params:
            setattr(contact, name, params.text(name))
    chosen = set(contact.emails)
    preferences = params.get("email_preferences")
    for kind in EMAIL_KINDS:
        value = preferences.get(kind) if isinstance(preferences, dict) else params.get(f"{kind}emails")
        if value is not None:
            chosen.discard(kind) if value in ("", "0", "false") else chosen.add(kind)
    contact.emails = frozenset(chosen)


def update_contact(world: World, params: Params) -> Reply:
    """UpdateContact; the id comes back as text."""
    contact = find(world.contacts, params.number("contactid"), "Contact ID Not Found")
    _apply_contact(contact, params)
    contact.updated_at = world.clock
    world.fire("ContactEdit", {"userid": contact.client, "contactid": contact.id})
    return {"result": "success", "contactid": str(contact.id)}


def delete_contact(world: World, params: Params) -> Reply:
    """DeleteContact."""
    contact = find(world.contacts, params.number("contactid"), "Contact ID Not Found")
    world.delete_contact(contact)
    world.fire("ContactDelete", {"userid": contact.client, "contactid": contact.id})
    return {"result": "success", "message": str(contact.id)}


def get_client_password(world: World, params: Params) -> Reply:
    """GetClientPassword: a hash that looks like bcrypt and hides nothing worth having."""
    if params.text("userid"):
        client = find(world.clients, params.number("userid"), CLIENT_MISSING)
    else:
        number = world.clients_by_email.get(params.text("email").lower(), 0)
        client = find(world.clients, number, CLIENT_MISSING)
    return {"result": "success", "password": f"$2y$10${client.owner:053d}"}


ACTIONS: Mapping[str, Handler] = {
    "GetClients": get_clients,
    "GetClientsDetails": get_clients_details,
    "GetClientGroups": get_client_groups,
    "UpdateClient": update_client,
    "AddClient": add_client,
    "CloseClient": close_client,
    "DeleteClient": delete_client,
    "AddClientNote": add_client_note,
    "GetContacts": get_contacts,
    "AddContact": add_contact,
    "UpdateContact": update_contact,
    "DeleteContact": delete_contact,
    "GetClientPassword": get_client_password,
}
