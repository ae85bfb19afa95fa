"""What the house as a whole has to tell its staff, beside what the judgement of each service says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Member

MISSING: Final = "missing"
REACHED: Final[Mapping[str, ServiceStatus]] = {
    "module-suspend": ServiceStatus.SUSPENDED,
    "module-unsuspend": ServiceStatus.ACTIVE,
    "module-terminate": ServiceStatus.TERMINATED,
}
"""A module's failure that a hook told of -> the status that says it has worked since."""


def lag_note(text: str, client: ClientId | None, service: ServiceId) -> Note:
    """A next due date that lies behind though nothing is owed: WHMCS's own cron would suspend by it."""
    pile = "active services that were due and that no open invoice bills"
    return Note("due-date-lag", text, "correct the next due date in WHMCS, or bill it", client, service, pile=pile)


def house_notes(ports: Ports, judged: Sequence[Note]) -> list[Note]:
    """Return what judging the book said, with what only the book as a whole shows."""
    notes = [note for note in judged if note.code != MISSING]
    notes.extend(_missing(ports))
    notes.extend(_lagging(ports))
    notes.extend(_still_failing(ports))
    return notes


def _missing(ports: Ports) -> Iterator[Note]:
    """Absence never ends a service, and never goes unsaid."""
    for client, service in ports.mirror.missing_services():
        text = f"WHMCS's list does not have service {service} any more: nothing is done to it"
        todo = "check whether it was deleted in WHMCS"
        yield Note(MISSING, text, todo, client, service, pile="services that WHMCS's list does not have any more")


def _lagging(ports: Ports) -> Iterator[Note]:
    for client, service, due in ports.mirror.lagging(ports.today()):
        yield lag_note(f"service {service} was due on {due}, and no open invoice bills it", client, service)


def _still_failing(ports: Ports) -> Iterator[Note]:
    """What hooks told of a module stands until WHMCS shows that it worked."""
    for task in ports.journal.raised_tasks(tuple(REACHED)):
        for member in task.members:
            if not _has_worked(ports, task.code, member):
                yield Note(
                    task.code, member.text, task.todo, member.client, member.service, member.invoice, pile=task.pile
                )


def _has_worked(ports: Ports, code: str, member: Member) -> bool:
    book = ports.mirror.book_of_service(member.service) if member.service is not None else None
    found = next((s for s in book.services if s.id == member.service), None) if book is not None else None
    if found is None or found.status is None:
        return False
    return found.status.ended or found.status is REACHED[code]
