"""A person says whose a doubtful suspension is: one with a blank reason, where the book does not tell."""

from typing import Final

from whmcs_bridge.domain.case import Adoption, Case
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import UnknownId, UsageProblem
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, facts_of
from whmcs_bridge.policy.cases import settled
from whmcs_bridge.policy.stages import carries_our_reason

SETTLES = (Adoption.WHMCS, Adoption.STAFF)
DOUBTFUL: Final = "blank-suspension"
"""Code of the task for a suspension of which nobody knows whose it is."""


def confirm_suspension(ports: Ports, service: ServiceId, whose: Adoption, by: str) -> Case:
    """Settle a suspension with a blank reason; nothing changes in WHMCS. See Bridge.confirm_suspension.

    Nobody is asked any more: the task of the doubt is closed at once.
    """
    if whose not in SETTLES:
        raise UsageProblem(f"a suspension is confirmed as {' or '.join(SETTLES)}, not as {whose}")
    book = ports.mirror.book_of_service(service)
    found = ports.panel.service(service)
    if book is None or found is None:
        raise UnknownId(f"no service {service} in WHMCS and mirror; check the number, or run a sync first")
    if found.status is not ServiceStatus.SUSPENDED:
        raise UsageProblem(f"service {service} is {found.status or 'in a status we do not know'}: nothing to confirm")
    reason = found.suspension_reason.strip()
    if carries_our_reason(reason):
        raise UsageProblem(f"service {service} carries our own reason ({reason}): nothing to confirm")
    if reason:
        text = f"service {service} was suspended with the reason {reason!r}, which is nobody's but its author's"
        raise UsageProblem(f"{text}; blank the reason in WHMCS first if it was for billing")
    ports.mirror.save_service_live(found)
    memory = ClientMemory(ports.journal, ports.today(), book.client.id)
    facts = next(f for f in facts_of(book, memory, complete=True)[1] if f.service.id == service)
    case = settled(facts.case, facts, whose, ports.today(), by)
    memory.keep(case)
    ports.journal.add_evidence(service, ports.now(), {"kind": "adoption", "whose": whose.value, "by": by})
    for task in ports.journal.raised_tasks((DOUBTFUL,)):
        if task.service == service:
            ports.journal.set_task(task.number, "closed", ports.today(), f"confirmed as {whose} by {by}")
    return case
