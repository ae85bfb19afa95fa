"""ClientClose: a client was closed; its services have ended without their modules."""

from hooks.about import client_of
from hooks.whose_account import keep_accounts
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.gone import close_client


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep whose accounts its services were, close what was recorded about it, and note the ends by reading again."""
    client = client_of(event, bridge)
    if client is None:
        return
    with bridge.journal.writer():
        services = keep_accounts(event, bridge, client)
        close_client(bridge.ports, client, services, "the client was closed in WHMCS")
    bridge.reevaluate(client, event.point)
