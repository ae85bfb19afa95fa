"""DailyCronJob: WHMCS's daily run is over; that it was is kept, so that one that fails to come is noticed."""

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent

SEEN = "hooks:daily-cron"
"""Journal key: when WHMCS last told that its daily run was over."""


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Keep the time of the newest daily run; events may come late and out of order."""
    known = bridge.journal.get(SEEN)
    if known is None or str(known) < event.at.isoformat():
        bridge.journal.put(SEEN, event.at.isoformat())
