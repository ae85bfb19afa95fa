"""What becomes of what people told us when WHMCS deletes a service or closes a client."""

from collections.abc import Callable, Collection
from typing import Final

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.requests import forget_refused_end

ENDS: Final = {
    RecordKind.PROMISE: RecordState.CANCELLED,
    RecordKind.RELEASE: RecordState.CANCELLED,
    RecordKind.ARRANGEMENT: RecordState.CANCELLED,
    RecordKind.RECEIPT: RecordState.CANCELLED,
    RecordKind.PIN: RecordState.LIFTED,
}
"""What is about a service that is gone means nothing any more. Holds and disputes stay: they keep its backups."""


def close_service(ports: Ports, client: ClientId, service: ServiceId, why: str) -> None:
    """Close the open records about one service of the client."""
    _close(ports, client, lambda record: record.service_id == service, why)
    forget_refused_end(ports.journal, service)


def close_client(ports: Ports, client: ClientId, services: Collection[ServiceId], why: str) -> None:
    """Close every open record of the client, and what was put down about its services."""
    _close(ports, client, lambda record: True, why)
    for service in services:
        forget_refused_end(ports.journal, service)


def _close(ports: Ports, client: ClientId, about: Callable[[Record], bool], why: str) -> None:
    journal, today = ports.journal, ports.today()
    with journal.recording():
        for record in journal.records(client=client, open_only=True):
            state = ENDS.get(record.kind)
            if state is not None and about(record):
                journal.close_record(record.id, state, today, why, "bridge")
