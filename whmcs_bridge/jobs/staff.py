"""What the house as a whole has to tell its staff, beside what the judgement of each service says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs.aside import aside_notes
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Member, MorningMail, Task

MISSING: Final = "missing"
REACHED: Final[Mapping[str, ServiceStatus]] = {
    "module-suspend": ServiceStatus.SUSPENDED,
    "module-unsuspend": ServiceStatus.ACTIVE,
    "module-terminate": ServiceStatus.TERMINATED,
}
"""A module's failure that a hook told of -> the status that says it has worked since."""


def lag_note(text: str, client: ClientId | None, service: ServiceId) -> Note:
    """A next due date that lies behind though nothing is overdue: WHMCS's own cron would suspend by it."""
    pile = "active services that were due and that no overdue invoice bills"
    return Note("due-date-lag", text, "correct the next due date in WHMCS, or bill it", client, service, pile=pile)


def house_notes(ports: Ports, judged: Sequence[Note]) -> list[Note]:
    """Return what judging the book said, with what only the book as a whole shows."""
    notes = [note for note in judged if note.code != MISSING]
    notes.extend(_missing(ports))
    notes.extend(_lagging(ports))
    notes.extend(_still_failing(ports))
    notes.extend(_lost_mail(ports))
    notes.extend(aside_notes(ports.journal))
    return notes


def _missing(ports: Ports) -> Iterator[Note]:
    """Absence never ends a service, and never goes unsaid."""
    for client, service in ports.mirror.missing_services():
        text = f"WHMCS's list does not have service {service} any more: nothing is done to it"
        todo = "check whether it was deleted in WHMCS"
        yield Note(MISSING, text, todo, client, service, pile="services that WHMCS's list does not have any more")


def _lagging(ports: Ports) -> Iterator[Note]:
    for client, service, due in ports.mirror.lagging(ports.today()):
        yield lag_note(f"service {service} was due on {due}, and no overdue invoice bills it", client, service)


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


def lost_mail_note(mail: MorningMail) -> Note:
    """A morning mail that was not sent, or may not have been."""
    if mail.state == "failed":
        text, again = f"the morning mail of {mail.day} was not sent: {mail.note}", "the day's next sync tries again; "
    else:
        text, again = f"whether the morning mail of {mail.day} was sent is not known: {mail.note or 'no answer'}", ""
    todo = f"{again}it can be read: whmcs-bridge morning --date {mail.day}"
    return Note("morning-mail", text, todo)


def _lost_mail(ports: Ports) -> Iterator[Note]:
    """The newest mail went wrong: said until one has gone out."""
    today = ports.today()
    mail = ports.journal.morning_mail(today) or ports.journal.morning_mail(today - timedelta(days=1))
    if mail is not None and mail.state in ("failed", "begun"):
        yield lost_mail_note(mail)


# --- for readers ----------------------------------------------------------------------------------

TOGETHER: Final = 4
"""So many tasks of one code are read as one line."""


def grouped(tasks: Iterable[Task]) -> list[list[Task]]:
    """Return the tasks as they are read: those of one code together once they are many; what somebody is at, alone."""
    free: dict[str, list[Task]] = {}
    for task in tasks:
        free.setdefault(f"{task.code} {task.number}" if task.acknowledged_by else task.code, []).append(task)
    lines = (line for group in free.values() for line in ([group] if len(group) >= TOGETHER else [[t] for t in group]))
    return sorted(lines, key=lambda line: line[0].number)


def subject(task: Task) -> str:
    """What the task is about: `service 12`, `client 3`, `40 services`, or "" for the house."""
    if task.service is not None:
        return f"service {task.service}"
    if task.client is not None:
        return f"client {task.client}"
    if task.invoice is not None:
        return f"invoice {task.invoice}"
    return task.text.rpartition(": ")[2] if task.size > 1 else ""


COMMANDS: Final[Mapping[str, str]] = {
    "approval": "approve {service}",
    "blank-suspension": "adopt --confirm {service}",
    "run-problem": "doctor",
    "broken-off": "journal --runs",
    "left-over": "sync",
}
"""What helps with a task of this code, beside looking at its subject."""


def helpful(task: Task) -> list[str]:
    """Return the commands that help with a task, to be typed as they are."""
    found = [task.todo] if task.todo.startswith("whmcs-bridge ") else []
    known = COMMANDS.get(task.code)
    services = [m.service for m in task.members if m.service is not None] if task.service is None else [task.service]
    if known is not None and (services or "{" not in known):
        found.append("whmcs-bridge " + known.format(service=" ".join(map(str, services[:20]))))
    if task.service is not None:
        found += [f"whmcs-bridge explain service:{task.service}", f"whmcs-bridge journal --service {task.service}"]
    elif task.client is not None:
        found += [f"whmcs-bridge explain client:{task.client}", f"whmcs-bridge journal --client {task.client}"]
    return found


def task_json(task: Task) -> dict[str, Any]:
    """The shape of a task in `tasks --json`; fields are added, never renamed."""
    return {
        "number": task.number,
        "code": task.code,
        "text": task.text,
        "todo": task.todo,
        "client": task.client,
        "service": task.service,
        "invoice": task.invoice,
        "opened_on": task.opened_on.isoformat(),
        "last_seen_on": task.last_seen_on.isoformat(),
        "closed_on": _iso(task.closed_on),
        "state": task.state,
        "comment": task.comment,
        "acknowledged_by": task.acknowledged_by,
        "acknowledged_on": _iso(task.acknowledged_on),
        "snoozed_until": _iso(task.snoozed_until),
        "count": task.size,
        "members": [
            {"client": m.client, "service": m.service, "invoice": m.invoice, "text": m.text} for m in task.members
        ],
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
