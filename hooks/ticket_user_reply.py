"""TicketUserReply: the client has answered in a ticket."""

from hooks.signs_of_life import keep_contact
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep it as contact."""
    keep_contact(event, bridge, "ticket")
