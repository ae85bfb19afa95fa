"""What WHMCS is told when it asks: the rules' verdict, which a bridge in shadow mode only keeps to itself."""

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer


def answer(bridge: Bridge, allowed: bool, why: str, *, advisory: bool = False) -> Answer:
    """Refuse what the rules do not allow; in shadow mode nothing is changed, so nothing is refused either.

    `advisory`: the bridge acts for a few clients first, and this one is as in shadow mode.
    """
    if not allowed and not bridge.settings.enforcing:
        return Answer(False, f"shadow mode; the rules would refuse it: {why}")
    if not allowed and advisory:
        return Answer(False, f"not enforced for this client yet; the rules would refuse it: {why}")
    return Answer(not allowed, why)
