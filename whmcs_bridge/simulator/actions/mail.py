"""Mail to clients and staff, templates, and the mail log."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, find, like, moment_text, paged
from whmcs_bridge.simulator.mail import log_mail, template_named
from whmcs_bridge.simulator.php import decode_array
from whmcs_bridge.simulator.records import Client, Email
from whmcs_bridge.simulator.state import World, aborts

KINDS = ("general", "product", "domain", "invoice", "support", "affiliate")
FAILED = "Sending Failed. Please see documentation."


def send_email(world: World, params: Params) -> Reply:
    """SendEmail: a template by name, or a custom text; what `id` means follows from the type."""
    name = params.text("messagename")
    custom = params.text("customtype").lower()
    if not name and not custom:
        raise ApiError("You must provide either an existing email template name or a custom message type")
    if name:
        template = template_named(world, name)
        if template is None:
            raise ApiError("Email Template not found")
        if template.disabled:
            raise ApiError("Email Template is disabled")
        kind, subject, message = template.type, template.subject, f"<p>{name}</p>"
    else:
        kind, subject, message = custom, params.text("customsubject"), params.text("custommessage")
        if kind not in KINDS:
            raise ApiError("Invalid message type provided")
        if not subject:
            raise ApiError("A subject is required for a custom message")
        if not message:
            raise ApiError("A message body is required for a custom message")
    merge = _merge_fields(params)
    if not params.text("id"):
        raise ApiError("A related ID is required")
    client = _addressee(world, kind, params.number("id"))
    variables = {"messagename": name or subject, "relid": params.number("id"), "mergefields": merge}
    if client is None or aborts(world.fire("EmailPreSend", variables), "abortsend"):
        raise ApiError(FAILED)
    mail = log_mail(world, client, kind, _filled(subject, merge), _filled(message, merge), name, params.number("id"))
    if mail.failed:
        raise ApiError(FAILED)
    return {"result": "success"}


def _merge_fields(params: Params) -> Mapping[str, object]:
    text = params.text("customvars")
    if not text:
        return {}
    fields = decode_array(text)
    if fields is None:
        raise ApiError("The custom variables you provided are invalid.")
    return fields


def _filled(text: str, merge: Mapping[str, object]) -> str:
    """Put custom variables into `{$name}`; nothing else of Smarty is run."""
    for name, value in merge.items():
        text = text.replace("{$" + name + "}", str(value))
    return text


def _addressee(world: World, kind: str, number: int) -> Client | None:
    """The client behind a related id: a service for product, an invoice, a ticket, ..."""
    if kind in ("general", "affiliate"):
        return world.clients.get(number)
    owner: object
    if kind == "product":
        owner = world.services.get(number)
    elif kind == "invoice":
        owner = world.invoices.get(number)
    elif kind == "domain":
        owner = world.domains.get(number)
    else:
        owner = world.tickets.get(number)
    return world.clients.get(getattr(owner, "client", 0))


def send_admin_email(world: World, params: Params) -> Reply:
    """SendAdminEmail: recorded as `email:staff`."""
    name = params.text("messagename")
    if name and template_named(world, name) is None:
        raise ApiError("Email Template not found")
    if not name and not params.text("customsubject"):
        raise ApiError("A subject is required for a custom message")
    if not name and not params.text("custommessage"):
        raise ApiError("A message body is required for a custom message")
    row = {
        "template": name,
        "subject": params.text("customsubject"),
        "message": params.text("custommessage"),
        "type": params.text("type") or "system",
    }
    world.shelf.setdefault("staff_mail", {})[world.new_id("staff_mail")] = row
    world.record("email:staff", detail=name or params.text("customsubject"))
    return {"result": "success"}


def get_emails(world: World, params: Params) -> Reply:
    """GetEmails: newest first; an unknown client is refused under `status` (facts sheet E2)."""
    number = params.number("clientid")
    if number not in world.clients:
        raise ApiError("Client ID Not Found", key="status")
    rows = [world.emails[mail] for mail in reversed(world.emails_by_client.get(number, ()))]
    if params.text("subject"):
        rows = like(rows, lambda mail: mail.subject, params.text("subject"))
    if params.text("date"):
        rows = [mail for mail in rows if moment_text(mail.at).startswith(params.text("date")[:10])]
    return paged(params, rows, _email_row, "emails", "email")


def _email_row(mail: Email) -> Reply:
    return {
        "id": mail.id,
        "userid": mail.client,
        "subject": mail.subject,
        "message": mail.message,
        "date": moment_text(mail.at),
        "to": mail.to,
        "cc": mail.cc,
        "bcc": "",
        "attachments": None,
        "pending": 0,
        "message_data": None,
        "failed": int(mail.failed),
        "failure_reason": mail.failure_reason,
        "retry_count": 0,
        "created_at": moment_text(mail.at),
        "updated_at": moment_text(mail.at),
        "campaign_id": 0,
    }


def get_email_templates(world: World, params: Params) -> Reply:
    """GetEmailTemplates."""
    rows = [
        {
            "id": str(template.id),
            "name": template.name,
            "subject": template.subject,
            "custom": str(int(template.custom)),
        }
        for template in world.templates.values()
        if params.text("type") in ("", template.type)
    ]
    return {"result": "success", "totalresults": str(len(rows)), "emailtemplates": {"emailtemplate": rows}}


def log_activity(world: World, params: Params) -> Reply:
    """LogActivity: a line in the activity log."""
    if not params.text("description"):
        raise ApiError("Description is required")
    client = params.number("clientid") or params.number("userid")
    if client:
        find(world.clients, client, "Client ID Not Found")
    world.note_activity(params.text("description"), client)
    return {"result": "success"}


ACTIONS: Mapping[str, Handler] = {
    "SendEmail": send_email,
    "SendAdminEmail": send_admin_email,
    "GetEmails": get_emails,
    "GetEmailTemplates": get_email_templates,
    "LogActivity": log_activity,
}
