"""Logins, invitations, permissions, single sign-on and OAuth credentials."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, find, moment_text
from whmcs_bridge.simulator.actions.shelf import add_row, find_row, opaque, rows_of
from whmcs_bridge.simulator.listing import listing
from whmcs_bridge.simulator.mail import log_mail, send_mail
from whmcs_bridge.simulator.records import Client, User
from whmcs_bridge.simulator.state import World

PERMISSIONS = (
    "profile",
    "contacts",
    "products",
    "manageproducts",
    "productsso",
    "domains",
    "managedomains",
    "invoices",
    "quotes",
    "tickets",
    "affiliates",
    "emails",
    "orders",
)
GRANTS = ("authorization_code", "single_sign_on")


def get_users(world: World, params: Params) -> Reply:
    """GetUsers: a bare array; `search` is a prefix."""
    search = params.text("search").lower()
    backwards = params.text("sorting").lower() == "desc"

    def ids() -> list[int]:
        rows = [user.id for user in world.users.values() if not search or _starts(user, search)]
        return sorted(rows, reverse=backwards)

    rows = ids() if search else listing(world, ("users", backwards, len(world.users)), ids)
    start, size = params.page()
    page = [_user_row(world.users[number]) for number in rows[start : start + size]]
    return {
        "result": "success",
        "totalresults": len(rows),
        "startnumber": start,
        "numreturned": len(page),
        "users": page,
    }


def _starts(user: User, search: str) -> bool:
    full = f"{user.firstname} {user.lastname}".lower()
    return user.email.lower().startswith(search) or full.startswith(search) or user.lastname.lower().startswith(search)


def _user_row(user: User) -> Reply:
    return {
        "id": user.id,
        "firstname": user.firstname,
        "lastname": user.lastname,
        "email": user.email,
        "datecreated": moment_text(user.created),
        "validationdata": "",
        "clients": [{"id": client, "isOwner": owner} for client, owner in user.clients.items()],
    }


def add_user(world: World, params: Params) -> Reply:
    """AddUser: a login without any client."""
    required = {
        "firstname": "You did not enter a first name",
        "lastname": "You did not enter a last name",
        "email": "You did not enter an email address",
        "password2": "You did not enter a password",
    }
    for name, message in required.items():
        if not params.text(name):
            raise ApiError(message)
    _check_address(world, params.text("email"), 0)
    user = User(0, params.text("firstname"), params.text("lastname"), params.text("email"), world.clock)
    user.password = params.text("password2")
    world.add_user(user)
    world.fire("UserAdd", {"user_id": user.id})
    return {"result": "success", "user_id": user.id}


def _check_address(world: World, email: str, own: int) -> None:
    if "@" not in email or "." not in email.partition("@")[2]:
        raise ApiError("The email address entered is not valid")
    for user in world.users.values():
        if user.id != own and user.email.lower() == email.lower():
            raise ApiError("A user already exists with that email address")


def update_user(world: World, params: Params) -> Reply:
    """UpdateUser."""
    user = find(world.users, params.number("user_id"), "Invalid User ID requested")
    names = ("email", "firstname", "lastname", "language")
    if not any(params.text(name) for name in names):
        raise ApiError("One of `email`, `firstname`, `lastname`, or `language` is required")
    if params.text("email"):
        _check_address(world, params.text("email"), user.id)
    for name in names[:3]:
        if params.text(name):
            setattr(user, name, params.text(name))
    world.fire("UserEdit", {"user_id": user.id})
    return {"result": "success", "user_id": user.id}


def _pair(world: World, params: Params) -> tuple[User, Client]:
    """The user and client of a permission call, which must belong together."""
    user = find(world.users, params.number("user_id"), "Invalid user id")
    client = find(world.clients, params.number("client_id"), "Invalid client id")
    if client.id not in user.clients:
        raise ApiError("User is not associated with client")
    return user, client


def delete_user_client(world: World, params: Params) -> Reply:
    """DeleteUserClient."""
    user, client = _pair(world, params)
    if user.clients[client.id]:
        raise ApiError("You cannot remove the account owner")
    world.unlink_user(user, client.id)
    return {"result": "success"}


def create_client_invite(world: World, params: Params) -> Reply:
    """CreateClientInvite: a mail, and the invited becomes a user when there is a login with the address."""
    client = find(world.clients, params.number("client_id"), "Invalid client id")
    email = params.text("email")
    if not email:
        raise ApiError("Email is required")
    if "@" not in email or "." not in email.partition("@")[2]:
        raise ApiError("The email address entered is not valid")
    if not params.text("permissions"):
        raise ApiError("User permissions are required")
    for number in world.users_of_client.get(client.id, ()):
        if world.users[number].email.lower() == email.lower():
            raise ApiError("User already associated with client")
    row = {"client": client.id, "email": email, "permissions": params.list("permissions")}
    add_row(world, "invites", row)
    log_mail(world, client, "general", "You have been invited", f"Invitation for {email}")
    return {"result": "success"}


def get_permissions_list(world: World, params: Params) -> Reply:
    """GetPermissionsList: success is told under `status`."""
    return {"status": "success", "permissions": {"permission": list(PERMISSIONS)}}


def get_user_permissions(world: World, params: Params) -> Reply:
    """GetUserPermissions: an owner has them all."""
    user, client = _pair(world, params)
    granted = list(PERMISSIONS)
    if not user.clients[client.id]:
        granted = (user.permissions or {}).get(client.id, "").split(",")
    return {"result": "success", "permissions": {"permission": [name for name in granted if name]}}


def update_user_permissions(world: World, params: Params) -> Reply:
    """UpdateUserPermissions."""
    user, client = _pair(world, params)
    if user.clients[client.id]:
        raise ApiError("Permissions cannot be set on a client owner")
    if not params.text("permissions"):
        raise ApiError("Missing permissions definition")
    user.permissions = {**(user.permissions or {}), client.id: params.text("permissions")}
    return {"result": "success"}


def reset_password(world: World, params: Params) -> Reply:
    """ResetPassword: sends the mail and changes nothing."""
    if params.text("id"):
        user = find(world.users, params.number("id"), "Client ID Not Found")
    elif params.text("email"):
        email = params.text("email").lower()
        matching = [each for each in world.users.values() if each.email.lower() == email]
        if not matching:
            raise ApiError("No account was found with the email address you entered")
        user = matching[0]
    else:
        raise ApiError("Please enter the email address or provide the id")
    for client in user.clients:
        send_mail(world, world.clients[client], "Password Reset Validation", client)
        break
    return {"result": "success", "email": user.email}


def validate_login(world: World, params: Params) -> Reply:
    """ValidateLogin against the user's password in clear."""
    email = params.text("email").lower()
    for user in world.users.values():
        if user.email.lower() == email and user.password and user.password == params.text("password2"):
            for client in user.clients:
                world.clients[client].last_login = world.clock
            world.fire("UserLogin", {"user_id": user.id})
            return {
                "result": "success",
                "userid": user.id,
                "passwordhash": opaque(f"{user.id} {user.password}"),
                "twoFactorEnabled": False,
            }
    raise ApiError("Email or Password Invalid")


def create_sso_token(world: World, params: Params) -> Reply:
    """CreateSsoToken."""
    given = params.text("client_id") or params.text("user_id")
    table_client = world.clients.get(params.number("client_id"))
    table_user = world.users.get(params.number("user_id"))
    if not given or (table_client is None and table_user is None):
        raise ApiError("Invalid client_id")
    if table_client is not None and not table_client.allow_sso:
        raise ApiError(f"SSO authentication blocked for client {table_client.id}")
    token = opaque(f"sso {given} {world.new_id('sso')}")
    root = world.settings.get("SystemURL", "").rstrip("/")
    return {
        "result": "success",
        "access_token": token,
        "redirect_url": f"{root}/oauth/singlesignon.php?access_token={token}",
    }


def create_oauth_credential(world: World, params: Params) -> Reply:
    """CreateOAuthCredential."""
    grant = params.text("grantType")
    if not grant:
        raise ApiError("A valid grant type is required.")
    if grant not in GRANTS:
        raise ApiError(f'The requested grant type "{grant}" is invalid.')
    if grant == "authorization_code" and not params.text("name"):
        raise ApiError("A name for the Client Credential is required.")
    if grant == "single_sign_on" and params.number("serviceId") not in world.services:
        raise ApiError("A service ID is required for the single sign-on grant type.")
    if not params.text("scope"):
        raise ApiError("At least one valid scope is required.")
    moment = moment_text(world.clock)
    row = {
        "credentialId": 0,
        "name": params.text("name"),
        "description": params.text("description"),
        "grantTypes": grant,
        "scope": params.text("scope"),
        "clientIdentifier": "",
        "clientSecret": "",
        "uuid": None,
        "serviceId": params.number("serviceId"),
        "logoUri": params.text("logoUri"),
        "redirectUri": params.list("redirectUri"),
        "rsaKeyPairId": 0,
        "createdAt": moment,
        "updatedAt": moment,
    }
    number = add_row(world, "oauth", row)
    row.update(
        credentialId=number,
        clientIdentifier=f"EXAMPLE-HOSTING.{opaque(f'id {number}')[:22]}==",
        clientSecret=opaque(f"secret {number}"),
    )
    return {
        "result": "success",
        "credentialId": number,
        "clientIdentifier": row["clientIdentifier"],
        "clientSecret": row["clientSecret"],
    }


def list_oauth_credentials(world: World, params: Params) -> Reply:
    """ListOAuthCredentials."""
    rows = list(rows_of(world, "oauth").values())
    if params.text("grantType"):
        rows = [row for row in rows if row["grantTypes"] == params.text("grantType")]
    if params.text("sortOrder").lower() == "desc":
        rows.reverse()
    if params.number("limit"):
        rows = rows[: params.number("limit")]
    return {
        "result": "success",
        "clients": [{key: value for key, value in row.items() if key != "id"} for row in rows],
    }


def update_oauth_credential(world: World, params: Params) -> Reply:
    """UpdateOAuthCredential."""
    row = find_row(world, "oauth", params.number("credentialId"), "Invalid Credential ID provided.")
    for name in ("name", "description", "scope", "logoUri"):
        if params.text(name):
            row[name] = params.text(name)
    row["updatedAt"] = moment_text(world.clock)
    reply: Reply = {"result": "success", "credentialId": row["credentialId"]}
    if params.flag("resetSecret"):
        row["clientSecret"] = reply["newClientSecret"] = opaque(f"new secret {world.new_id('secret')}")
    return reply


def delete_oauth_credential(world: World, params: Params) -> Reply:
    """DeleteOAuthCredential."""
    row = find_row(world, "oauth", params.number("credentialId"), "Invalid Credential ID provided.")
    del rows_of(world, "oauth")[row["id"]]
    return {"result": "success", "credentialId": row["credentialId"]}


ACTIONS: Mapping[str, Handler] = {
    "GetUsers": get_users,
    "AddUser": add_user,
    "UpdateUser": update_user,
    "DeleteUserClient": delete_user_client,
    "CreateClientInvite": create_client_invite,
    "GetPermissionsList": get_permissions_list,
    "GetUserPermissions": get_user_permissions,
    "UpdateUserPermissions": update_user_permissions,
    "ResetPassword": reset_password,
    "ValidateLogin": validate_login,
    "CreateSsoToken": create_sso_token,
    "CreateOAuthCredential": create_oauth_credential,
    "ListOAuthCredentials": list_oauth_credentials,
    "UpdateOAuthCredential": update_oauth_credential,
    "DeleteOAuthCredential": delete_oauth_credential,
}
