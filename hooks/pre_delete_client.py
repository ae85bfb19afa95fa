"""PreDeleteClient: the last chance to keep whose accounts these are, before WHMCS forgets the client."""

from hooks.about import client_of
from hooks.whose_account import keep_accounts
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_gone import note_deleted
from whmcs_bridge.jobs.gone import close_client


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep the identity of every account of the client, close what was recorded about it.

    From now on it is looked whether WHMCS has them any more.
    """
    client = client_of(event, bridge)
    if client is None:
        return
    with bridge.journal.writer():
        services = keep_accounts(event, bridge, client, note_deleted)
        close_client(bridge.ports, client, services, "the client was deleted in WHMCS")
