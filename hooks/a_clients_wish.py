"""A client's ticket may ask for a release or a promise, where the house lets it; staff reads it all the same."""

from contextlib import suppress

from hooks.about import client_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import RecordRefused, UnknownId
from whmcs_bridge.hookpoints import HookEvent


def take_wish(event: HookEvent, bridge: Bridge) -> None:
    """Read the ticket's subject, and record what it asks for under the rules; what they refuse stays a ticket.

    WHMCS tells the ticket's number only: a client's words are read where they are needed. Raises WhmcsError.
    """
    ticket = event.number("ticketid")
    client = client_of(event, bridge)
    if not ticket or client is None or not bridge.settings.policy.requests.ticket_phrases:
        return
    with suppress(RecordRefused, UnknownId):
        bridge.ask_by_ticket(client, ticket, bridge.panel.ticket_subject(ticket))
