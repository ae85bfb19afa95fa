"""Clients to look at again once the run under way has ended: left in the journal by whoever could not wait for it."""

from typing import Final

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.jobs.context import Ports

LOOKS: Final = "looks"
"""Journal key: client -> why it has to be looked at again."""


def leave_look(ports: Ports, client: ClientId, cause: str) -> None:
    """Ask whoever holds the journal now to look at the client when it lets go."""
    journal = ports.journal
    with journal.recording():
        left = journal.get(LOOKS) or {}
        journal.put(LOOKS, {**left, str(client): cause})


def take_looks(ports: Ports) -> dict[ClientId, str]:
    """Return whom others asked to look at, and forget it: killed now, the next sync looks at everybody anyway."""
    journal = ports.journal
    if not journal.get(LOOKS):
        return {}
    with journal.recording():
        left = journal.get(LOOKS) or {}
        journal.put(LOOKS, None)
    return {ClientId(int(client)): cause for client, cause in left.items()}
