"""What follows from a page after it was shown: WHMCS waits for the page, not for a module."""

from uuid import uuid4

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.hookpoints import Actor


def look_again_soon(bridge: Bridge, service: ServiceId, client: int, actor: Actor, who: str) -> None:
    """Put the client in line as if the service had been edited, which it was."""
    found = bridge.mirror.book_of_service(service)
    number, now = uuid4().hex, bridge.ports.now()
    payload = {
        "v": 1,
        "id": number,
        "point": "ServiceEdit",
        "at": now.isoformat(),
        "actor": actor.value,
        "who": who,
        "vars": {"userid": str(client), "serviceid": str(service)},
        "facts": {},
    }
    bridge.journal.accept_event(number, "ServiceEdit", found.client.id if found else None, payload, now)
