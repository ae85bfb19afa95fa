"""The morning mail's content: what happened, what comes, what waits for a person. Short, and for a phone."""

import html
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.jobs.backup_chain import head_line
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.jobs.staff import grouped, subject
from whmcs_bridge.jobs.tomorrow import Coming
from whmcs_bridge.plan.build import ORDER
from whmcs_bridge.plan.model import Held, Plan, Step
from whmcs_bridge.plan.render import TITLES
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import JournalStep, RunInfo, StepState, Task

LINES: Final = 8
"""Lines of a section, before "and N more"."""
LOOKED_AT: Final = 200
"""So many failures are gathered by their cause."""
UNDONE: Final = (StepState.FAILED, StepState.UNKNOWN)
NAMES: Final = 4
"""Names in a line."""
A_DAY: Final = timedelta(hours=26)
"""Longer between two runs is a missed one."""
APPROVAL: Final = "approval"
VERIFY: Final = "whmcs-bridge backups evidence --verify --head HEAD"
QUIET_CODES: Final = frozenset({"act-hours"})
"""Stops that are the house's own hours: nobody has to do anything."""
WORDS: Final[Mapping[Kind, str]] = {
    Kind.VIP_REMOVE: "out of VIP",
    Kind.UNSUSPEND: "unsuspended",
    Kind.UNSUSPEND_ADDON: "addons unsuspended",
    Kind.HAND_BACK: "handed back to WHMCS",
    Kind.VIP_ADD: "into VIP",
    Kind.NOTICE: "sent",
    Kind.CLOSE_ADDON: "addons closed",
    Kind.CANCEL_INVOICE: "invoices cancelled",
    Kind.SUSPEND: "suspended",
    Kind.SUSPEND_ADDON: "addons suspended",
    Kind.TERMINATE: "terminated",
    Kind.DELETE_BACKUPS: "backups deleted",
}
_BRACES: Final = str.maketrans({"{": "&#123;", "}": "&#125;"})
_NO_BRACES: Final = str.maketrans({"{": "(", "}": ")"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the command that belongs to it."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A block of lines; `more` were left out."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """One morning's mail."""

    day: date
    subject: str
    lead: tuple[Line, ...]
    sections: tuple[Section, ...]

    def text(self) -> str:
        """The mail as plain text."""
        blocks = ["\n".join(_text_of(self.lead))]
        for section in self.sections:
            lines = [section.title, *(f"  {line}" for line in _text_of(section.lines))]
            blocks.append("\n".join(lines + ([f"  ... and {section.more:,} more"] if section.more else [])))
        return "\n\n".join(blocks) + "\n"

    def html(self) -> str:
        """The mail as HTML; nothing in it is markup, or a tag to WHMCS, which runs Smarty over mails."""
        parts = [f"<p>{_html_of(line)}</p>" for line in self.lead]
        for section in self.sections:
            rows = "".join(f"<li>{_html_of(line)}</li>" for line in section.lines)
            more = f"<li>... and {section.more:,} more</li>" if section.more else ""
            parts.append(f"<h3>{_escaped(section.title)}</h3><ul>{rows}{more}</ul>")
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Day:
    """What a letter is written from, beside mirror and journal."""

    plan: Plan | None = None
    """Today's plan; None where WHMCS could not be read."""
    taken: Collection[str] = ()
    """Ids of its steps that were begun."""
    tomorrow: Sequence[Coming] = ()
    imagined: Sequence[Step] = ()
    """Steps of shadow mode that the journal does not have yet."""
    problems: Sequence[str] = ()
    broken_off: str = ""
    before: RunInfo | None = None
    """The last sync before this one that came to its end."""
    began: datetime | None = None
    """When this one began; None where a person asked."""


def write(ports: Ports, day: Day) -> Letter:
    """Write the letter of the house day from what the journal has and what the run saw."""
    today, names = ports.today(), _Names(ports)
    last = ports.journal.last_morning_mail(today)
    since = max(last.day, today - timedelta(days=30)) if last is not None else today - timedelta(days=1)
    news = ports.journal.tasks(today=today)
    told = [
        _done(ports, names, _title_of(since, today), since, today - timedelta(days=1)),
        _done(ports, names, "Today", today, today),
        *_imagined(ports, names, day, since),
        _still_due(names, day, enforcing=ports.settings.enforcing),
        _refused(day),
        _approvals(day),
        _coming(names, day.tomorrow, enforcing=ports.settings.enforcing),
        _withheld(day),
        _tasks(news, since),
    ]
    shown = tuple(section for section in told if section.lines)
    lead = tuple(_lead(ports, day, empty=not shown))
    evidence = _evidence(ports)  # of every day, also of one on which nothing was done
    sections = (*shown, evidence) if evidence.lines else shown
    return Letter(today, _subject(ports, day, news, empty=not shown), lead, sections)


# --- the lead -------------------------------------------------------------------------------------


def _lead(ports: Ports, day: Day, *, empty: bool) -> Iterator[Line]:
    settings, today = ports.settings, ports.today()
    scope = scope_of(ports.journal)
    said = [f"{today:%A} {today}"]
    if not settings.enforcing:
        said.append("shadow mode, nothing is changed")
    if empty and not day.problems and not day.broken_off:
        said.append("nothing was done, nothing is due today or tomorrow, nothing waits")
    yield Line(": ".join(said) + ".")
    if settings.enforcing and not scope.everyone:
        yield Line(f"The bridge acts for {scope.said()} only; for all others it is in shadow mode.")
    gap = _missed(ports, day)
    if gap:
        yield Line(gap, "whmcs-bridge status")
    if day.plan is None:
        yield Line("WHMCS could not be read: nothing was judged today.", "whmcs-bridge doctor")
    elif not day.plan.complete:
        yield Line("WHMCS could not be read whole: nothing was suspended, ended or deleted.", "whmcs-bridge doctor")
    for problem in day.problems[:LINES]:
        yield Line(f"Problem: {problem}")
    if len(day.problems) > LINES:
        yield Line(f"... and {len(day.problems) - LINES:,} more problems", "whmcs-bridge tasks --code run-problem")
    if day.broken_off:
        yield Line(f"The run ended before its last step: {day.broken_off}")


def _missed(ports: Ports, day: Day) -> str:
    """Say that no run came for longer than a day, before this one or until now."""
    now = day.began or ports.now()
    last = day.before
    if last is None or now - last.started_at <= A_DAY:
        return ""
    return f"No run between {last.started_at:%Y-%m-%d %H:%M} and {now:%Y-%m-%d %H:%M}."


def _subject(ports: Ports, day: Day, tasks: Sequence[Task], *, empty: bool) -> str:
    today = ports.today()
    parts = [] if day.plan is not None and not day.problems else ["problems reading WHMCS"]
    counted: Counter[str] = Counter()
    for (kind, _, state), count in ports.journal.tally(today, today).items():
        if state in (StepState.FAILED, StepState.UNKNOWN):
            counted["failed"] += count
        elif state is StepState.DONE and kind in (Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE):
            counted[WORDS[Kind(kind)]] += count
    parts += [f"{count:,} {word}" for word, count in sorted(counted.items())]
    if day.plan is not None and day.plan.refused:
        parts.append(f"{len(day.plan.refused):,} refused")
    waiting = len(_waiting(day.plan))
    if waiting:
        parts.append(f"{waiting:,} to approve")
    if tasks:
        parts.append(f"{len(tasks):,} task{'s' if len(tasks) != 1 else ''}")
    mode = "" if ports.settings.enforcing else "[shadow] "
    said = "nothing to do" if empty and not parts else ", ".join(parts) or "a quiet day"
    return f"{mode}whmcs-bridge {today}: {said}".translate(_NO_BRACES)


# --- what was done --------------------------------------------------------------------------------


class _Names:
    """Names from the mirror, looked up for the lines that are shown."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[ClientId, tuple[str, Mapping[ServiceId, str]]] = {}

    def of(self, client: ClientId, service: ServiceId | None) -> str:
        """Return `service 12 example.com`, or `client 3 Ana` where it is about the client."""
        if client not in self._known:
            book = self._ports.mirror.book(client)
            domains = {s.id: s.domain or s.name for s in book.services} if book is not None else {}
            self._known[client] = (book.client.name if book is not None else "", domains)
        name, known = self._known[client]
        if service is None:
            return f"client {client} {name}".rstrip()
        return f"service {service} {known.get(service, '')}".rstrip()


def _title_of(since: date, today: date) -> str:
    return "Yesterday" if since == today - timedelta(days=1) else f"Since {since:%A} {since}"


def _done(ports: Ports, names: _Names, title: str, since: date, until: date) -> Section:
    journal, lines = ports.journal, []
    counts = journal.tally(since, until)
    for kind, message in sorted({key[:2] for key in counts}, key=lambda k: (ORDER[Kind(k[0])], k[1])):
        count = counts.get((kind, message, StepState.DONE), 0)
        if count:
            found = journal.steps(kind=kind, since=since, until=until, state=StepState.DONE, limit=NAMES * LINES)
            mine = [e.step for e in found if not message or e.step.message == message]
            who = [(s.client, s.service) for s in mine]
            lines.append(_counted(names, _done_word(Kind(kind), message), count, who))
    bad = sum(count for key, count in counts.items() if key[2] in UNDONE)
    found = [
        entry for state in UNDONE for entry in journal.steps(since=since, until=until, state=state, limit=LOOKED_AT)
    ]
    troubles = list(_troubles(names, found))
    shown = sum(count for count, _ in troubles[:LINES])
    return Section(title, (*lines, *(line for _, line in troubles[:LINES])), bad - shown)


def _troubles(names: _Names, entries: Iterable[JournalStep]) -> Iterator[tuple[int, Line]]:
    """One line a cause: `failed: suspend of service 9 and 199 more: connection refused`; with how many it tells of."""
    causes: dict[tuple[str, str, str], list[JournalStep]] = {}
    for entry in entries:
        what = f"{entry.state}: {entry.step.kind} {entry.step.message}".rstrip()
        causes.setdefault((what, entry.note, entry.step.message), []).append(entry)
    for (what, note, _), mine in causes.items():
        subjects = dict.fromkeys((e.step.client, e.step.service) for e in mine)
        said = ", ".join(names.of(*one) for one in list(subjects)[:NAMES])
        more = f" and {len(subjects) - NAMES:,} more" if len(subjects) > NAMES else ""
        yield len(mine), Line(f"{what} of {said}{more}: {note}")


def _done_word(kind: Kind, message: str) -> str:
    return f"{message} sent" if kind is Kind.NOTICE else WORDS[kind]


def _due_word(kind: Kind, message: str) -> str:
    return f"{TITLES[kind]} {message}".rstrip().lower()


def _counted(names: _Names, what: str, count: int, who: Sequence[tuple[ClientId, ServiceId | None]]) -> Line:
    """Return `suspended: 12 (service 4 example.com, ... and 8 more)`."""
    said = [names.of(*one) for one in dict.fromkeys(who)][:NAMES]
    more = f", and {count - len(said):,} more" if count > len(said) else ""
    return Line(f"{what}: {count:,} ({', '.join(said)}{more})" if said else f"{what}: {count:,}")


def _imagined(ports: Ports, names: _Names, day: Day, since: date) -> Iterator[Section]:
    """What shadow mode would have done: before today, and today."""
    today = ports.today()
    steps = [*(one.step for one in ports.journal.shadow_steps(since)), *day.imagined]
    for title, mine in (
        (f"Would have been done: {_title_of(since, today).lower()}", [s for s in steps if s.date < today]),
        ("Would have been done today", [s for s in steps if s.date == today]),
    ):
        yield Section(title, tuple(_by_kind(names, ((s.kind, s.message, s.client, s.service) for s in mine))))


def _by_kind(names: _Names, steps: Iterable[tuple[Kind, str, ClientId, ServiceId | None]]) -> Iterator[Line]:
    found: dict[tuple[Kind, str], list[tuple[ClientId, ServiceId | None]]] = {}
    for kind, message, client, service in steps:
        found.setdefault((kind, message if kind is Kind.NOTICE else ""), []).append((client, service))
    for (kind, message), who in sorted(found.items(), key=lambda item: (ORDER[item[0][0]], item[0][1])):
        yield _counted(names, _due_word(kind, message), len(who), who)


def _evidence(ports: Ports) -> Section:
    """The head of the chain of evidence: the mail carries it out of the house."""
    head, trouble = head_line(ports)
    if not head:
        return Section("", ())
    lines = [Line(f"{head} (keep it: it shows later whether the record is still the same)", VERIFY)]
    return Section("Evidence of deletions", (*lines, *((Line(f"not signed: {trouble}"),) if trouble else ())))


# --- what comes and what waits ----------------------------------------------------------------------


def _still_due(names: _Names, day: Day, *, enforcing: bool) -> Section:
    """Steps of today's plan that were not begun: a run that broke off, a pause, or a person who asked before it."""
    steps = day.plan.steps if day.plan is not None and enforcing else ()
    left = [step for step in steps if step.id not in day.taken]
    return Section("Still due today", tuple(_by_kind(names, ((s.kind, s.message, s.client, s.service) for s in left))))


def _refused(day: Day) -> Section:
    stops = [stop for stop in day.plan.stops if stop.code not in QUIET_CODES] if day.plan is not None else []
    refused: Sequence[Step] = day.plan.refused if day.plan is not None else ()
    lines = []
    for stop in stops:
        count = sum(step.kind in stop.kinds for step in refused)
        lines.append(Line(f"{stop.why}: {count:,} step{'s' if count != 1 else ''} not taken", stop.way_past))
    return Section("Refused", tuple(lines))


def _waiting(plan: Plan | None) -> list[Held]:
    return [held for held in plan.withheld if held.withheld.code == APPROVAL] if plan is not None else []


def _approvals(day: Day) -> Section:
    lines = []
    by_kind: dict[Kind, list[ServiceId]] = {}
    for held in _waiting(day.plan):
        if held.service is not None:
            by_kind.setdefault(held.withheld.kind, []).append(held.service)
    for kind, services in sorted(by_kind.items(), key=lambda item: ORDER[item[0]]):
        shown = services[: NAMES * LINES]
        numbers = " ".join(str(service) for service in shown)
        more = f" (the first {len(shown)})" if len(shown) < len(services) else ""
        lines.append(Line(f"{kind}: {len(services):,}{more}", f"whmcs-bridge approve {numbers}"))
    return Section("Waiting for approval", tuple(lines))


def _coming(names: _Names, tomorrow: Iterable[Coming], *, enforcing: bool) -> Section:
    title = "Tomorrow, if nobody pays" if enforcing else "Tomorrow it would be, if nobody pays"
    return Section(title, tuple(_by_kind(names, ((c.kind, c.message, c.client, c.service) for c in tomorrow))))


def _withheld(day: Day) -> Section:
    groups: dict[tuple[Kind, str], list[Held]] = {}
    for held in day.plan.withheld if day.plan is not None else ():
        if held.withheld.code != APPROVAL:
            groups.setdefault((held.withheld.kind, held.withheld.code), []).append(held)
    lines = []
    for (kind, _), mine in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = mine[0].withheld
        until = f" until {first.until}" if first.until is not None and len(mine) == 1 else ""
        who = ", ".join(_number(held) for held in mine[:NAMES])
        more = f", and {len(mine) - NAMES:,} more" if len(mine) > NAMES else ""
        lines.append(Line(f"{kind}: {len(mine):,}, {first.why}{until} ({who}{more})"))
    return Section("Withheld", tuple(lines[:LINES]), max(len(lines) - LINES, 0))


def _number(held: Held) -> str:
    return f"service {held.service}" if held.service is not None else f"client {held.client}"


def _tasks(tasks: Sequence[Task], since: date) -> Section:
    """Open tasks, what is new since the last mail first; approvals have a section of their own."""
    told = [task for task in tasks if task.code != APPROVAL]
    new = [task for task in told if task.opened_on > since]
    old = [task for task in told if task.opened_on <= since]
    lines = [*(_task_line(line, "new: ") for line in grouped(new)), *(_task_line(line, "") for line in grouped(old))]
    return Section("Tasks", tuple(lines[:LINES]), max(len(lines) - LINES, 0))


def _task_line(line: Sequence[Task], lead: str) -> Line:
    first = line[0]
    if len(line) > 1:
        return Line(f"{lead}{len(line):,} times: {first.text}", f"whmcs-bridge tasks --code {first.code}")
    about = subject(first)
    who = f" [{first.acknowledged_by}]" if first.acknowledged_by else ""
    known = f"{about}: " if about and about not in first.text else ""
    return Line(f"{lead}{known}{first.text}{who}", f"whmcs-bridge tasks show {first.number}")


# --- text and HTML ----------------------------------------------------------------------------------


def _text_of(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        yield _plain(line.text)
        if line.command:
            yield f"    {_plain(line.command)}"


def _html_of(line: Line) -> str:
    command = f"<br><code>{_escaped(line.command)}</code>" if line.command else ""
    return f"{_escaped(line.text)}{command}"


def _plain(text: str) -> str:
    """One line, without characters that a terminal or a mail program would act on."""
    return "".join(c if c.isprintable() else " " for c in text)


def _escaped(text: str) -> str:
    return html.escape(_plain(text)).translate(_BRACES)
