"""ServiceDelete: a service's record is gone from WHMCS. Absence alone ends nothing: staff has to look."""

from contextlib import suppress

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_gone import note_deleted
from whmcs_bridge.jobs.explain import facts_for
from whmcs_bridge.policy.decision import Note


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Open a task, and from now on look whether WHMCS has it any more: the account may still be on its server."""
    service, client = service_of(event), client_of(event, bridge)
    text = f"the record of service {service} was deleted in WHMCS; its backups are kept"
    todo = "make sure that the account is gone from its server, then delete its backups by hand"
    with bridge.journal.writer():
        if service is not None:
            with suppress(UnknownId):  # a service that we never saw left nothing that we could call its own
                note_deleted(bridge.ports, facts_for(bridge.ports, service))
        bridge.journal.add_task(Note("service-deleted", text, todo, client, service), bridge.today())
    if client is not None:
        bridge.reevaluate(client, event.point)
