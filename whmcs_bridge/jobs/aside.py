"""Events of WHMCS's hooks that were set aside: staff is told as long as they are."""

from typing import Final

from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import EventState, InboxEvent, Journal

CODE: Final = "inbox"


def aside_notes(journal: Journal) -> list[Note]:
    """What was set aside stands until it is tried again and handled."""
    return [aside_note(event, event.error) for event in journal.events(EventState.SET_ASIDE)]


def aside_note(event: InboxEvent, why: str) -> Note:
    """Return what staff is told of one event."""
    return Note(
        CODE,
        f"{event.point}, event {event.number}: {why}",
        "whmcs-bridge journal inbox shows it; --retry N tries it again",
        event.client,
        pile="events of WHMCS's hooks that could not be handled",
    )
