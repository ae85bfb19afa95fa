"""A sign of life from the client: kept, because `contact_signs` may hold a termination for a while."""

from hooks.about import client_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.hookpoints import HookEvent


def keep_contact(event: HookEvent, bridge: Bridge, sign: str) -> None:
    """Record that the client was in touch today; one a day and sign is enough."""
    client, today = client_of(event, bridge), bridge.today()
    if client is None or bridge.mirror.book(client) is None:
        return
    known = bridge.journal.records(client=client, kind=RecordKind.CONTACT)
    if any(record.sort == sign and record.since == today for record in known):
        return
    bridge.record(
        Record(
            id=0,
            kind=RecordKind.CONTACT,
            state=RecordState.OPEN,
            author="client",
            reason=event.point,
            made_on=today,
            since=today,
            until=None,
            client_id=client,
            sort=sign,
        )
    )
