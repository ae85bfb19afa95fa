"""What a person does in WHMCS's admin area: let through, and kept, so that it can be told afterwards who did what."""

from hooks.about import service_of, who
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent


def keep_act(event: HookEvent, bridge: Bridge, verdict: str) -> None:
    """Add the act to the service's evidence: what, who, when, and what the rules said about it."""
    service = service_of(event)
    if service is None:
        return
    payload = {"kind": "person", "act": event.point, "by": who(event), "rules": verdict}
    with bridge.journal.writer():
        bridge.journal.add_evidence(service, event.at, payload)
