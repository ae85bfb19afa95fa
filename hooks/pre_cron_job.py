"""PreCronJob: what must be so before WHMCS's own cron looks, is made so."""

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Look again at every VIP whom the rules take out today: the cron would pass over them, exempt as they are."""
    for client in bridge.members_to_remove():
        bridge.reevaluate(client, event.point)
