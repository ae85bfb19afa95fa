"""What mirror and journal tell: syncs that ran or did not, adoption, pauses, stops, what waits for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from commands.checkups.finding import Finding, Grade, plural

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge
    from whmcs_bridge.jobs.status import Status
    from whmcs_bridge.ports import Task

STALE_AFTER = timedelta(hours=36)
"""A daily sync that is half a day late was missed."""
LONG_OPEN = timedelta(days=14)
NOBODY = "while no sync runs nobody is warned, suspended or released; who pays stays down"


def remembered(bridge: Bridge) -> Iterator[Finding]:
    """Everything that the journal knows of."""
    found = bridge.status()
    yield from first_day(bridge, found)
    yield from runs(bridge, found)
    yield from stops(found)
    yield from waiting(bridge, found)


def first_day(bridge: Bridge, found: Status) -> Iterator[Finding]:
    """Mode, adoption, and whether the house was handed back."""
    if found.handed_back is not None:
        text = f"services were handed back to WHMCS on {found.handed_back.started_at:%Y-%m-%d}"
        why = "an enforcing sync would look after them again"
        yield Finding("adoption", Grade.WARN, text, "stop the timer of sync, or: whmcs-bridge pause --off", why)
    yield from _adopted(bridge, enforcing=found.mode == "enforce")
    if found.scope:
        text = f"enforced only for {found.scope}"
        yield Finding("adoption", Grade.INFO, text, "", "all other clients stay as in shadow mode")


def _adopted(bridge: Bridge, *, enforcing: bool) -> Iterator[Finding]:
    newest = next(iter(bridge.journal.adoptions(1)), None)
    if newest is None:
        text = "enforced without adoption" if enforcing else "never adopted, mode shadow"
        why = "nobody has looked at whose the old suspensions are, and at what the rules will do to an old book"
        yield Finding("adoption", Grade.WARN if enforcing else Grade.INFO, text, "whmcs-bridge adopt", why)
        return
    text = f"adopted on {newest.day}, mode {'enforce' if enforcing else 'shadow: nothing is changed yet'}"
    yield Finding("adoption", Grade.OK if enforcing else Grade.INFO, text)
    if newest.policy_version != bridge.settings.policy.version:
        why = "what adopt foresaw was under other rules"
        text = f"the rules have changed since the adoption of {newest.day}"
        yield Finding("adoption", Grade.INFO, text, "run adopt again to see what they do now", why)


def runs(bridge: Bridge, found: Status) -> Iterator[Finding]:
    """The last sync, one that was missed, one that was cut short, steps whose outcome is not known."""
    if found.last is None:
        yield Finding("runs", Grade.INFO, "no sync has run yet", "whmcs-bridge sync, then a timer for it", NOBODY)
        return
    if found.last.ended_at is None and not _under_way(bridge):
        text = f"run {found.last.number}, begun {found.last.started_at:%Y-%m-%d %H:%M}, was cut short"
        yield Finding(
            "runs", Grade.INFO, text, "the next sync goes on where it ended", "killed, or the machine stopped"
        )
    late = found.overdue(STALE_AFTER)
    expected, gap = found.next_expected, found.usual_gap
    if late:
        yield Finding("runs", Grade.WARN, late, "see: whmcs-bridge journal --runs; check the timer", NOBODY)
    elif expected is not None and gap is not None and found.now > expected + gap:
        text = f"a sync was missed: by its habit the next one was due {expected:%Y-%m-%d %H:%M}"
        yield Finding("runs", Grade.WARN, text, "check the timer or cron job of sync", NOBODY)
    elif found.last_ended is not None:
        run = found.last_ended
        yield Finding("runs", Grade.OK, f"the last sync began {run.started_at:%Y-%m-%d %H:%M}: {run.outcome}")
    if found.unknown_steps:
        text = f"the outcome of {plural(found.unknown_steps, 'step')} is not known: the answer or the run was lost"
        why = "until it is read nobody can say whether they happened; nothing is sent twice"
        yield Finding("runs", Grade.WARN, text, "the next sync looks what became of them", why)
    if found.mirror is not None and not found.mirror.complete:
        text = f"the last reading of WHMCS, {found.mirror.at:%Y-%m-%d %H:%M}, was not complete"
        why = "nothing harmful follows from half a book"
        yield Finding("runs", Grade.WARN, text, "see: whmcs-bridge journal --runs; run sync again", why)


def _under_way(bridge: Bridge) -> bool:
    from whmcs_bridge.errors import Locked

    try:
        with bridge.journal.writer():
            return False
    except Locked:
        return True


def stops(found: Status) -> Iterator[Finding]:
    """A pause, and what limits and sanity checks have stopped."""
    if found.paused:
        why = "no harmful step is taken meanwhile: nobody is suspended or ended; releases go on"
        yield Finding("stops", Grade.WARN, found.paused, found.way_past, why)
    for stop in found.stops:
        limit = stop.code.startswith("limit:")
        why = "more than an ordinary day's work: the kind is refused whole, with every more harmful one"
        if not limit:
            why = "the book as a whole is not plausible: nothing harmful happens until a person has looked"
        todo = stop.way_past if limit else f"look into it; then: {stop.way_past}"
        yield Finding("stops", Grade.WARN, f"{stop.code}: {stop.why}", todo, why)


def waiting(bridge: Bridge, found: Status) -> Iterator[Finding]:
    """What waits for a person for long."""
    today = bridge.today()
    old = [task for task in found.tasks if today - task.opened_on > LONG_OPEN]
    if old:
        oldest = min(old, key=lambda task: task.opened_on)
        text = f"{plural(len(old), 'task')} open for more than {LONG_OPEN.days} days, since {oldest.opened_on}"
        why = f"what the bridge cannot decide stays as it is: {_short(oldest)}"
        yield Finding("tasks", Grade.WARN, text, "whmcs-bridge tasks", why)
    elif found.tasks:
        yield Finding("tasks", Grade.INFO, f"{plural(len(found.tasks), 'task')} open", "whmcs-bridge tasks")
    else:
        yield Finding("tasks", Grade.OK, "no task is open")
    if found.approvals:
        text = f"waiting for approval: {plural(found.approvals, 'step')}"
        yield Finding("tasks", Grade.INFO, text, "whmcs-bridge approve", "they are due, and held until a person agrees")


def _short(task: Task) -> str:
    return task.text if len(task.text) <= 100 else task.text[:97] + "..."
