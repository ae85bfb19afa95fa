"""TicketOpen: the client has opened a ticket."""

from hooks.a_clients_wish import take_wish
from hooks.signs_of_life import keep_contact
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep it as contact; it may be a wish as well."""
    keep_contact(event, bridge, "ticket")
    take_wish(event, bridge)
