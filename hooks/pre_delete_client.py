"""PreDeleteClient: the last chance to keep whose accounts these are, before WHMCS forgets the client."""

from hooks.about import client_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_gone import note_deleted
from whmcs_bridge.jobs.explain import facts_for


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep the identity of every service of the client, and look from now on whether WHMCS has them any more."""
    client = client_of(event, bridge)
    book = bridge.mirror.book(client) if client is not None else None
    with bridge.journal.writer():
        for service in book.services if book is not None else ():
            note_deleted(bridge.ports, facts_for(bridge.ports, service.id))
