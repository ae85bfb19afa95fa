"""What most tells come to: read the client again and do what lifts. State decides, the event only hints."""

from hooks.about import client_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Actor, HookEvent


def look_again(event: HookEvent, bridge: Bridge) -> None:
    """Read the event's client live and re-evaluate it; nothing harmful ever begins here."""
    client = client_of(event, bridge)
    if client is not None:
        bridge.reevaluate(client, event.point)


def look_again_unless_api(event: HookEvent, bridge: Bridge) -> None:
    """The same, but what came through the API is (nearly always) our own act, read back already."""
    if event.actor != Actor.API:
        look_again(event, bridge)
