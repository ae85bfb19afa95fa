"""CancellationRequest: a client wants to leave; under a promise or a release that ends it as broken."""

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.records import end_promises


def handle(event: HookEvent, bridge: Bridge) -> None:
    """End the promises and releases of the service, and look at the client again."""
    service = service_of(event)
    if service is not None:
        with bridge.journal.writer():
            end_promises(bridge.ports, service, "a cancellation request")
    client = client_of(event, bridge)
    if client is not None:
        bridge.reevaluate(client, event.point)
