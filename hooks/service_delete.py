"""ServiceDelete: a service's record is gone from WHMCS. Absence alone ends nothing: staff has to look."""

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.policy.decision import Note


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Open a task: the account may still be on its server, and its backups in their stores."""
    service, client = service_of(event), client_of(event, bridge)
    text = f"the record of service {service} was deleted in WHMCS; its backups are kept"
    todo = "make sure that the account is gone from its server, then delete its backups by hand"
    with bridge.journal.writer():
        bridge.journal.add_task(Note("service-deleted", text, todo, client, service), bridge.today())
    if client is not None:
        bridge.reevaluate(client, event.point)
