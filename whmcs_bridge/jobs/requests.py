"""Cancellation requests whose end WHMCS was refused for want of an answer: the next sync carries them out."""

from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.ports import Journal

REFUSED_ENDS = "ends refused for want of an answer"
"""Journal key: service id (text) -> house day of the refusal."""


def note_refused_end(ports: Ports, service: ServiceId) -> None:
    """Remember that WHMCS wanted to end the service while nobody could be asked."""
    with ports.journal.writer():
        refused = dict(ports.journal.get(REFUSED_ENDS) or {})
        refused[str(service)] = ports.today().isoformat()
        ports.journal.put(REFUSED_ENDS, refused)


def refused_ends(journal: Journal) -> frozenset[ServiceId]:
    """Return the services whose end was refused and has not come about since."""
    return frozenset(ServiceId(int(number)) for number in (journal.get(REFUSED_ENDS) or {}))


def forget_refused_end(journal: Journal, service: ServiceId) -> None:
    """The service has ended."""
    refused = dict(journal.get(REFUSED_ENDS) or {})
    if refused.pop(str(service), None) is not None:
        journal.put(REFUSED_ENDS, refused)
