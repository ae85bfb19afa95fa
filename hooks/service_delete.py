"""ServiceDelete: a service's record is gone from WHMCS. Absence alone ends nothing: staff has to look."""

from hooks.about import client_of, service_of
from hooks.whose_account import keep_account
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_gone import note_deleted
from whmcs_bridge.jobs.gone import close_service
from whmcs_bridge.policy.decision import Note


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Close what was recorded about it, open a task, and from now on look whether WHMCS has it any more.

    The account may still be on its server.
    """
    service, client = service_of(event), client_of(event, bridge)
    text = f"the record of service {service} was deleted in WHMCS; its backups are kept"
    todo = "make sure that the account is gone from its server, then delete its backups by hand"
    with bridge.journal.writer():
        if service is not None:
            keep_account(bridge, service, note_deleted)
        if service is not None and client is not None:
            close_service(bridge.ports, client, service, "the service was deleted in WHMCS")
        bridge.journal.add_task(Note("service-deleted", text, todo, client, service), bridge.today())
    if client is not None:
        bridge.reevaluate(client, event.point)
