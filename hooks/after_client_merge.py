"""AfterClientMerge: everything of one client is another's now, also what was recorded about it."""

from hooks.looking_again import look_again
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.membership import merge


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Let records, payment history and tenure follow the client that stays, then read it again."""
    source, target = event.number("fromUserID"), event.number("toUserID")
    if source and target and source != target:
        with bridge.journal.writer():
            merge(bridge.ports, ClientId(source), ClientId(target))
    look_again(event, bridge)
