"""What most tells come to: read the client again and do what lifts. State decides, the event only hints."""

from hooks.about import client_of
from hooks.our_own import our_own
from hooks.whose_account import keep_ids
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def look_again(event: HookEvent, bridge: Bridge) -> None:
    """Read the event's client live and re-evaluate it; nothing harmful ever begins here."""
    client = client_of(event, bridge)
    if client is not None:
        bridge.reevaluate(client, event.point)


def look_again_unless_ours(event: HookEvent, bridge: Bridge) -> None:
    """The same, but what the bridge did itself it has read back already."""
    keep_ids(event, bridge)
    if not our_own(event, bridge):
        look_again(event, bridge)
