"""Who changed services that we did not touch: WHMCS's cron, a payment, staff, or nobody we know."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from whmcs_bridge.domain.book import ActivityEntry
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.decision import HARMFUL, Decision, Kind, Note
from whmcs_bridge.policy.stages import carries_our_reason
from whmcs_bridge.ports import Actor, ClientBook, ForeignAct, Journal, ShadowCase, StatusChange, StepState

SEEN: Final = "others:seen"
"""Journal key: number of the last status change looked at, and when the reading that saw it began."""
LINES: Final = 250
MORE_LINES: Final = 5_000
"""The log is read in one call; where that does not reach back to the last reading, in one more."""
SLACK: Final = timedelta(minutes=5)
UNSURE_SLACK: Final = timedelta(hours=15)
"""WHMCS's clock and ours may be apart: by so much where it does not tell its own (another time zone)."""
QUIET_DAYS: Final = 7
"""So many days without an act by nobody we know close the task."""
MOST_EXPLAINED: Final = 1_000
"""So many acts of one run are held against the rules; beyond that the act alone is kept."""

STILL_OWED: Final = "still owed"
"""So begins why the rules would not have released a service that others did."""

_SERVICE = re.compile(r"\bService ID: (\d+)(?!\d)")
_NOBODY = frozenset({"", "system", "automation", "cron"})
_SUSPEND, _UNSUSPEND, _TERMINATE = Kind.SUSPEND.value, Kind.UNSUSPEND.value, Kind.TERMINATE.value
_DONE_BY_MODULE: Mapping[str, str] = {
    "Module Suspend Successful": _SUSPEND,
    "Module Unsuspend Successful": _UNSUSPEND,
    "Module Terminate Successful": _TERMINATE,
}
"""Texts of the activity log: facts sheet 10.2 [K]."""
_LEAVES: Mapping[str, str] = {
    _SUSPEND: ServiceStatus.SUSPENDED.value,
    _UNSUSPEND: ServiceStatus.ACTIVE.value,
    _TERMINATE: ServiceStatus.TERMINATED.value,
}
_CRON = "Cron Job:"
_ENDED = frozenset({ServiceStatus.TERMINATED.value, ServiceStatus.CANCELLED.value, ServiceStatus.FRAUD.value})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the activity log about one service."""

    service: ServiceId
    kind: str
    """What it says was done; "" for an edited record."""
    by_cron: bool
    at: datetime | None
    """House time."""
    entry: ActivityEntry


@dataclass(slots=True)
class Log:
    """The lines of the activity log since the last reading, by service, newest first; one explains one change."""

    lines: dict[ServiceId, list[Line]] = field(default_factory=dict)
    our_admin: int = 0

    def take(self, service: ServiceId, kind: str) -> Line | None:
        """Return the newest line that fits, and use it up; a line about an edit where none says what was done."""
        own = self.lines.get(service, [])
        found = next((line for line in own if line.kind == kind), None)
        found = found or next((line for line in own if not line.kind), None)
        if found is not None:
            own.remove(found)
        return found


def find(ports: Ports, memory: Memory, run: int) -> list[ForeignAct]:
    """Find out who made the changes that the last readings saw, leaving out our own; keep them in the journal.

    Asks WHMCS only where something changed that we did not do: its clock, who we are, and one or two pages of its log.
    """
    seen = ports.journal.get(SEEN) or {}
    changes, last = _changes(ports, int(seen.get("change", 0)))
    newest, before_it = ports.mirror.snapshot_times()
    since = datetime.fromisoformat(seen["at"]) if seen.get("at") else before_it
    foreign = [(c, kind) for c, kind in _kinds(changes) if not _is_ours(ports.journal, c, kind, since)]
    log = _read_log(ports, since) if foreign else Log()
    judge = _Rules(ports, memory)
    acts = [
        judge.held_against(_act(ports, judge, log, change, kind, (since, newest)), change, explain=n < MOST_EXPLAINED)
        for n, (change, kind) in enumerate(foreign)
    ]
    cursor = {"change": last, "at": newest.isoformat() if newest is not None else None}
    if acts or cursor != seen:
        ports.journal.save_foreign_acts(run, acts, (SEEN, cursor))
    return acts


def _changes(ports: Ports, after: int) -> tuple[list[StatusChange], int]:
    """Return the changes since the one numbered `after`, and the number to go on from."""
    changes = ports.mirror.status_changes(after)
    if changes or not after:
        return changes, changes[-1].number if changes else 0
    known = ports.mirror.status_changes()
    last = known[-1].number if known else 0
    return (known if last < after else []), last  # fewer than we had seen: the mirror was made anew


def _kinds(changes: Iterable[StatusChange]) -> Iterator[tuple[StatusChange, str]]:
    for change in changes:
        kind = _kind(change)
        if kind:
            yield change, kind


def _kind(change: StatusChange) -> str:
    """Return what was done, in our words for steps; "" for what is no business of ours (an order set up)."""
    up, down = ServiceStatus.ACTIVE.value, ServiceStatus.SUSPENDED.value
    if change.after == down:
        return "reason" if change.before == down else _SUSPEND
    if change.before == down and change.after == up:
        return _UNSUSPEND
    if change.after in _ENDED and change.before in (up, down):
        return _TERMINATE
    return ""


def _is_ours(journal: Journal, change: StatusChange, kind: str, since: datetime | None) -> bool:
    """A step of ours since the last reading explains it: done, or begun and perhaps done."""
    for entry in journal.steps(service=change.service, limit=20):
        if since is not None and (entry.ended_at or entry.begun_at) < since - SLACK:
            continue
        if entry.step.kind not in _explained_by(change, kind) or entry.state is StepState.SKIPPED:
            continue
        if entry.state is not StepState.FAILED:
            return True
        if kind == _SUSPEND and carries_our_reason(change.reason_after):
            return True  # it was said to have failed, and took effect all the same
    return False


def _explained_by(change: StatusChange, kind: str) -> tuple[Kind, ...]:
    if kind != "reason":
        return (Kind(kind),)
    return (Kind.SUSPEND,) if carries_our_reason(change.reason_after) else (Kind.HAND_BACK,)


# --- the activity log ---------------------------------------------------------------------------


def _read_log(ports: Ports, since: datetime | None) -> Log:
    """Read the log back to the last reading. What cannot be read explains nothing."""
    apart = _clock_apart(ports)
    slack = SLACK if apart is not None else UNSURE_SLACK
    floor = None if since is None else since - slack
    lines: list[Line] = []
    for limit in (LINES, MORE_LINES):
        entries = ports.panel.activity(text="Service ID:", limit=limit)
        lines = [line for line in (_line(ports, e, apart or timedelta(0)) for e in entries) if line is not None]
        if len(entries) < limit or (lines and _older(lines[-1], floor)):
            break
    log = Log(our_admin=ports.panel.admin())
    for line in lines:
        if not _older(line, floor):
            log.lines.setdefault(line.service, []).append(line)
    return log


def log_says(ports: Ports, service: ServiceId, kind: Kind, since: datetime) -> bool:
    """WHMCS's activity log has it that the module did this to the service since then; no log says nothing."""
    lines = _read_log(ports, since).lines.get(service, [])
    return any(line.kind == kind.value and not line.by_cron for line in lines)


def _older(line: Line, floor: datetime | None) -> bool:
    return floor is not None and line.at is not None and line.at < floor


def _clock_apart(ports: Ports) -> timedelta | None:
    """How far WHMCS's wall clock is ahead of the house's; None if it does not tell."""
    try:
        theirs = ports.panel.state().now
    except BridgeError:
        return None
    return None if theirs is None else theirs.replace(tzinfo=None) - ports.now().replace(tzinfo=None)


def _line(ports: Ports, entry: ActivityEntry, apart: timedelta) -> Line | None:
    """Return what a line says; None for one that names no service or says nothing of a change."""
    named = _SERVICE.search(entry.description)
    if named is None:
        return None
    kind = _said(entry.description)
    if kind is None:
        return None
    at = None if entry.at is None else (entry.at.replace(tzinfo=None) - apart).replace(tzinfo=ports.now().tzinfo)
    return Line(ServiceId(int(named[1])), kind, entry.description.startswith(_CRON), at, entry)


def _said(text: str) -> str | None:
    if text.startswith(_CRON):
        lower = text.casefold()
        if "terminat" in lower or "cancel" in lower:
            return _TERMINATE
        return _SUSPEND if "suspending" in lower else None
    for words, kind in _DONE_BY_MODULE.items():
        if text.startswith(words):
            return kind
    return "" if text.casefold().startswith("modified") else None  # a record edited by hand; the text is a guess


def _act(
    ports: Ports,
    rules: "_Rules",
    log: Log,
    change: StatusChange,
    kind: str,
    between: tuple[datetime | None, datetime | None],
) -> ForeignAct:
    line = log.take(change.service, kind)
    since = between[0]
    day = line.at.date() if line is not None and line.at is not None else ports.today()
    return ForeignAct(
        service=change.service,
        client=change.client,
        kind=kind,
        actor=_actor(rules, log.our_admin, change, kind, line, since),
        day=day,
        before=change.before,
        after=change.after,
        reason_before=change.reason_before,
        reason_after=change.reason_after,
        after_reading=since,
        by_reading=between[1],
        at=line.entry.at if line is not None else None,
        user=line.entry.user if line is not None else "",
        line=line.entry.description if line is not None else "",
    )


def _actor(
    rules: "_Rules", our_admin: int, change: StatusChange, kind: str, line: Line | None, since: datetime | None
) -> Actor:
    """Say who it was; whoever cannot be told for sure is unknown."""
    if kind in (_SUSPEND, "reason") and carries_our_reason(change.reason_after):
        return Actor.BRIDGE
    if line is None:
        return Actor.UNKNOWN
    if line.by_cron:
        return Actor.CRON
    if line.entry.admin_id and line.entry.admin_id == our_admin:
        return Actor.UNKNOWN
    if line.entry.admin_id or line.entry.user.strip().casefold() not in _NOBODY:
        return Actor.STAFF
    if kind == _UNSUSPEND and rules.paid_since(change, since):
        return Actor.PAYMENT
    return Actor.UNKNOWN


# --- what the rules would have said -----------------------------------------------------------------


class _Rules:
    """The rules asked about a service as it was before somebody changed it."""

    def __init__(self, ports: Ports, memory: Memory) -> None:
        self.ports, self.memory = ports, memory
        self._shadow: dict[ServiceId, ShadowCase] | None = None
        self._books: dict[ServiceId, ClientBook | None] = {}

    def book(self, service: ServiceId) -> ClientBook | None:
        if service not in self._books:
            self._books[service] = self.ports.mirror.book_of_service(service)
        return self._books[service]

    def paid_since(self, change: StatusChange, since: datetime | None) -> bool:
        """The client paid something on the day of the last reading or later: what WHMCS lifts a suspension for."""
        book = self.book(change.service)
        if book is None or change.reason_before.strip():
            return False  # a reason of any kind keeps WHMCS from lifting it (facts sheet 10.3, U3)
        day = since.date() if since is not None else date.min
        return any(p.paid_on >= day and not p.reversed for p in book.history)

    def held_against(self, act: ForeignAct, change: StatusChange, *, explain: bool) -> ForeignAct:
        """Return the act with what the rules would have done at that time."""
        if not explain or act.kind == "reason":
            return act
        shadow = self._imagined().get(act.service)
        if shadow is not None and shadow.status and shadow.status == _LEAVES.get(act.kind):
            return replace(act, why_not="it would have been done by then")
        facts = self._before(change)
        if facts is None:
            return act
        wanted = Kind(act.kind)
        decision = decide(facts, self.ports.settings.policy, self.ports.today())
        if any(due.kind is wanted for due in decision.due):
            return replace(act, ours_too=True)
        return replace(act, why_not=_why_not(decision, wanted))

    def _before(self, change: StatusChange) -> ServiceFacts | None:
        book = self.book(change.service)
        if book is None or change.before not in tuple(ServiceStatus):
            return None
        _, services = facts_of(book, self.memory, complete=True)
        facts = next(f for f in services if f.service.id == change.service)
        shadow = self._imagined().get(change.service)
        reason = change.reason_before
        if shadow is not None and shadow.status == ServiceStatus.SUSPENDED and not reason.strip():
            reason = shadow.reason
        service = replace(facts.service, status=ServiceStatus(change.before), suspension_reason=reason)
        client = replace(facts.client, services={**facts.client.services, service.id: service})
        case = shadow.case if shadow is not None else facts.case
        approved = facts.approved | set(HARMFUL)
        return replace(facts, service=service, client=client, case=case, approved=approved, acted_today=False)

    def _imagined(self) -> dict[ServiceId, ShadowCase]:
        if self._shadow is None:
            self._shadow = self.ports.journal.shadow_cases()
        return self._shadow


def _why_not(decision: Decision, wanted: Kind) -> str:
    if not decision.class_name:
        return "no class takes its product"
    held = next((w for w in decision.withheld if w.kind is wanted), None)
    if held is not None:
        return held.why
    if wanted is Kind.UNSUSPEND:
        if decision.holding:
            return f"{STILL_OWED}: invoice {', '.join(d.number for d in decision.holding)}"
        return "the suspension was nobody's of ours to lift"
    if not decision.debts:
        return "nothing overdue concerns it"
    when = decision.clocks.suspend_on if wanted is Kind.SUSPEND else decision.clocks.terminate_on
    return f"not before {when}" if when is not None else "nothing in the rules asks for it"


# --- what staff is told ---------------------------------------------------------------------------


def unknown_acts(journal: Journal, since: date) -> list[ForeignAct]:
    """Suspensions, releases and ends on this house day and later by nobody we know."""
    return [a for a in journal.foreign_acts(since) if a.actor is Actor.UNKNOWN and a.kind != "reason"]


def other_bridges(journal: Journal, since: date) -> list[ForeignAct]:
    """Suspensions on this house day and later that carry our reason and that this journal knows nothing of."""
    return [a for a in journal.foreign_acts(since) if a.actor is Actor.BRIDGE]


def notes(ports: Ports) -> list[Note]:
    """What others did that staff has to look into: one task a cause, until it has been quiet for a week."""
    since = ports.today() - timedelta(days=QUIET_DAYS)
    said: list[Note] = []
    unknown = unknown_acts(ports.journal, since)
    if unknown:
        text = f"{_many(unknown)} by nobody we know; the last: {told(unknown[-1])}"
        todo = (
            "find the other installation, module or program that acts on this WHMCS and switch it off; "
            "nothing of it is undone by us (whmcs-bridge shadow report lists it)"
        )
        said.append(Note("second-actor", text, todo))
    bridges = other_bridges(ports.journal, since)
    if bridges:
        text = f"{_many(bridges)} with our reason, and this journal knows nothing of it; the last: {told(bridges[-1])}"
        todo = "find the other installation of the bridge on this WHMCS and switch one of the two off"
        said.append(Note("another-bridge", text, todo))
    return said


def _many(acts: Sequence[ForeignAct]) -> str:
    services = list(dict.fromkeys(a.service for a in acts))
    named = ", ".join(str(s) for s in services[:5]) + (", ..." if len(services) > 5 else "")
    days = sorted({a.day for a in acts})
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    acted = "1 act" if len(acts) == 1 else f"{len(acts)} acts"
    return f"{acted} {when} on service{'s' if len(services) > 1 else ''} {named}"


PAST: Mapping[str, str] = {
    _SUSPEND: "suspended",
    _UNSUSPEND: "released",
    _TERMINATE: "ended",
    "reason": "given another reason",
}


def told(act: ForeignAct) -> str:
    """Return one act in a line: what, when, and the log's line."""
    if act.at is not None:
        when = f"at {act.at:%Y-%m-%d %H:%M}"
    elif act.after_reading is not None and act.by_reading is not None:
        when = f"between {act.after_reading:%Y-%m-%d %H:%M} and {act.by_reading:%Y-%m-%d %H:%M}"
    else:
        when = f"before {act.day}"
    line = f"log: {act.line} ({act.user or 'no user'})" if act.line else "no line in WHMCS's activity log"
    return f"service {act.service} {PAST.get(act.kind, act.kind)} {when}, {line}"
