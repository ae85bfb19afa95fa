"""CancellationRequest: a client wants to leave; under a promise or a release that ends it as broken."""

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.book import CancelRequest
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.status import CancelType
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.records import end_promises


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Know of the request at once, end the service's promises and releases, and look at the client again."""
    service = service_of(event)
    if service is not None:
        bridge.mirror.save_cancel_requests([_request(event, service)], 0)
        with bridge.journal.writer():
            end_promises(bridge.ports, service, "a cancellation request")
    client = client_of(event, bridge)
    if client is not None:
        bridge.reevaluate(client, event.point)


def _request(event: HookEvent, service: ServiceId) -> CancelRequest:
    """The request as the hook tells it. It has no number yet: the next snapshot brings the true row beside it.

    Until then a debt that the request itself cancels must not look paid.
    """
    kind = CancelType.parse(str(event.vars.get("type", "")))
    return CancelRequest(-service, service, event.at.replace(tzinfo=None), kind, str(event.vars.get("reason", "")))
