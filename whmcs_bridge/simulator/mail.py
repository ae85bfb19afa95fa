"""Mail as WHMCS sends it to a client: from a template, by preference, vetoed by a hook, kept in the mail log."""

from whmcs_bridge.simulator.records import Client, Email, EmailTemplate
from whmcs_bridge.simulator.state import World, aborts


def template_named(world: World, name: str) -> EmailTemplate | None:
    """The stock or custom template of that name, or None."""
    return next((template for template in world.templates.values() if template.name == name), None)


def send_mail(world: World, client: Client, name: str, relid: int) -> Email | None:
    """Send a template to a client; return the logged mail, or None where WHMCS sends nothing.

    Nothing is sent for a missing or disabled template, a kind of mail the client has switched off, or
    an EmailPreSend hook that answers `abortsend`. A mailer failure is logged with `failed`.
    """
    template = template_named(world, name)
    if template is None or template.disabled or template.type in client.email_off:
        return None
    variables = {"messagename": name, "relid": relid, "mergefields": {}}
    if aborts(world.fire("EmailPreSend", variables), "abortsend"):
        return None
    return log_mail(world, client, template.type, template.subject, f"<p>{name}</p>", name, relid)


def log_mail(
    world: World, client: Client, kind: str, subject: str, message: str, template: str = "", relid: int = 0
) -> Email:
    """Put a mail into the client's log, copied to the contacts that want this kind; marks it failed
    while the mailer is out of order (switch `mail_fails`)."""
    contacts = (world.contacts[number] for number in world.contacts_by_client.get(client.id, ()))
    copies = ", ".join(contact.email for contact in contacts if kind in contact.emails)
    failed = world.switches.mail_fails
    return world.add_email(
        Email(
            0,
            client.id,
            subject,
            message,
            world.clock,
            to=client.email,
            cc=copies,
            template=template,
            relid=relid,
            failed=failed,
            failure_reason="SMTP Error: Could not connect to SMTP host." if failed else "",
        )
    )
