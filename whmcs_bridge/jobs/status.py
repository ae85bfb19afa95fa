"""How the house stands, from mirror and journal alone: what one screen and a monitoring system want to know."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

from whmcs_bridge.domain.case import Adoption, Case
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import pause_stop
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.plan.limits import SANITY
from whmcs_bridge.ports import Journal, RunInfo, SnapshotInfo, Task

SUCCEEDED = frozenset({"ok", "shadow", "refused"})
"""A sync that read WHMCS and came to its end. What limits or sanity refused was judged all the same: the run did run.
One that could not read everything, whose steps failed, or that was ended before its last step, did not succeed."""
LOOKED_AT = 30
"""So many syncs are looked back over, for the last that succeeded and for the usual time between two."""
RHYTHM_NEEDS = 3
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LIMIT = "limit:"
"""So begin the codes of tasks that say which limit the last run met."""
STANDING = "sanity:standing"
"""Journal key: code and reason of the sanity stops that the last run left standing."""


@dataclass(frozen=True, slots=True)
class Database:
    """One of our files."""

    path: Path
    size_bytes: int | None
    """None: not there."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What the last run refused, and the way past it."""

    code: str
    why: str
    way_past: str


@dataclass(frozen=True, slots=True)
class Status:
    """One screen of the house."""

    now: datetime
    mode: str
    source: Path
    last: RunInfo | None = None
    """The newest sync, under way or ended."""
    last_ended: RunInfo | None = None
    last_good: RunInfo | None = None
    """The newest one that succeeded, among the last LOOKED_AT."""
    usual_gap: timedelta | None = None
    mirror: SnapshotInfo | None = None
    tasks: tuple[Task, ...] = ()
    approvals: int = 0
    unknown_steps: int = 0
    paused: str = ""
    way_past: str = ""
    """How to end the pause."""
    scope: str = ""
    """For whom enforced runs act, where that is not everyone."""
    handed_back: RunInfo | None = None
    """The hand-back that no sync has followed."""
    held_down: int = 0
    """Services that are down by us or adopted."""
    vip_members: int = 0
    vip_waiting: int = 0
    """Taken out by us, to come back when paid."""
    databases: tuple[Database, ...] = ()
    stops: tuple[Stopped, ...] = ()

    @property
    def next_expected(self) -> datetime | None:
        """When the next sync would begin if it kept to its habit; None while there is none."""
        return None if self.usual_gap is None or self.last is None else self.last.started_at + self.usual_gap

    def age(self, run: RunInfo) -> timedelta:
        """Time since the run began to read."""
        return self.now - run.started_at

    def overdue(self, max_age: timedelta) -> str:
        """Return why the syncs are not what they should be, in one line; "" when all is well."""
        seen, good = self.last_ended, self.last_good
        if seen is None:
            begun = f"; one began {self.last.started_at:%Y-%m-%d %H:%M} and has not ended" if self.last else ""
            return f"no sync has ever ended{begun}"
        if good is None:
            return f"none of the last syncs succeeded; the last one, {_when(seen)}, {_ended(seen)}"
        if self.age(good) > max_age:
            since = f"no sync has succeeded for {readable(self.age(good))} ({readable(max_age)} allowed)"
            latest = f"; the last one, {_when(seen)}, {_ended(seen)}" if seen.number != good.number else ""
            return f"{since}; the last that did began {good.started_at:%Y-%m-%d %H:%M}{latest}"
        if seen.outcome not in SUCCEEDED:
            return f"the last sync, {_when(seen)}, {_ended(seen)}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The shape of `status --json`; fields are added, never renamed."""
        info, expected = self.mirror, self.next_expected
        return {
            "mode": self.mode,
            "settings": str(self.source),
            "last_sync": _run_json(self.last),
            "last_ended_sync": _run_json(self.last_ended),
            "last_good_sync": _run_json(self.last_good),
            "next_expected": expected.isoformat() if expected is not None else None,
            "mirror": None
            if info is None
            else {
                "at": info.at.isoformat(),
                "age_seconds": (self.now - info.at) // SECOND,
                "complete": info.complete,
                "clients": info.clients,
                "services": info.services,
                "living_services": info.living_services,
                "open_invoices": info.open_invoices,
                "overdue_invoices": info.overdue_invoices,
            },
            "tasks": len(self.tasks),
            "oldest_task": min(t.opened_on for t in self.tasks).isoformat() if self.tasks else None,
            "approvals_waiting": self.approvals,
            "unknown_steps": self.unknown_steps,
            "paused": self.paused or None,
            "enforced_for": self.scope or "everyone",
            "handed_back": _run_json(self.handed_back),
            "stops": [{"code": s.code, "why": s.why, "way_past": s.way_past} for s in self.stops],
            "held_down": self.held_down,
            "vip": {"members": self.vip_members, "waiting": self.vip_waiting},
            "databases": [{"path": str(d.path), "size_bytes": d.size_bytes} for d in self.databases],
        }


def _when(run: RunInfo) -> str:
    return f"begun {run.started_at:%Y-%m-%d %H:%M}"


def _ended(run: RunInfo) -> str:
    return f"ended {run.outcome}: {run.summary}" if run.summary else f"ended {run.outcome}"


def _run_json(run: RunInfo | None) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "run": run.number,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at is not None else None,
        "outcome": run.outcome,
        "summary": run.summary,
    }


def readable(span: timedelta) -> str:
    """Return a length of time in the two units that matter: `26 h`, `3 d 4 h`, `12 min`."""
    minutes = max(0, span // MINUTE)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 72:
        return f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def status(ports: Ports) -> Status:
    """Look; WHMCS is not asked, nothing is changed. Raises DatabaseTrouble."""
    journal, settings = ports.journal, ports.settings
    syncs = journal.runs(LOOKED_AT, "sync")
    ended = [run for run in syncs if run.ended_at is not None]
    tasks = tuple(journal.tasks())
    memberships = journal.memberships().values()
    stop = pause_stop(ports)
    scope = scope_of(journal)
    left = journal.last_run("hand-back")
    return Status(
        now=ports.now(),
        mode=settings.mode,
        source=settings.source,
        last=syncs[0] if syncs else None,
        last_ended=ended[0] if ended else None,
        last_good=next((run for run in ended if run.outcome in SUCCEEDED), None),
        usual_gap=_rhythm(syncs),
        mirror=ports.mirror.last(),
        tasks=tasks,
        approvals=sum(t.code == "approval" for t in tasks),
        unknown_steps=len(journal.open_steps()),
        paused=stop.why if stop is not None else "",
        way_past=stop.way_past if stop is not None else "",
        scope="" if scope.everyone else scope.said(),
        handed_back=left if left is not None and (not ended or ended[0].number < left.number) else None,
        held_down=sum(_held_down(case) for case in journal.cases().values()),
        vip_members=sum(m.member_since is not None for m in memberships),
        vip_waiting=sum(m.removed_by_us_on is not None for m in memberships),
        databases=files(settings.journal, settings.mirror),
        stops=tuple(_stops(journal, tasks)),
    )


def _stops(journal: Journal, tasks: Iterable[Task]) -> Iterator[Stopped]:
    """Limits and sanity stops, from their tasks; a sanity stop also if staff has put its task aside."""
    told = [task for task in tasks if task.code.startswith((LIMIT, SANITY))]
    for task in told:
        yield Stopped(task.code, task.text, task.todo)
    for code, why in journal.get(STANDING) or []:
        if all(task.code != code for task in told):
            yield Stopped(code, why, f"whmcs-bridge sync --accept-sanity {code.removeprefix(SANITY)}")


def nothing_yet(now: datetime, mode: str, source: Path, *paths: Path) -> Status:
    """The status of a house whose journal has not been made yet."""
    return Status(now=now, mode=mode, source=source, databases=files(*paths))


def files(*paths: Path) -> tuple[Database, ...]:
    """Return what is known of our files without opening them."""
    return tuple(Database(path, path.stat().st_size if path.exists() else None) for path in paths)


def _rhythm(syncs: Sequence[RunInfo]) -> timedelta | None:
    """The usual time from one sync to the next."""
    gaps = [late.started_at - early.started_at for late, early in pairwise(syncs)]
    return median_low(gaps) if len(gaps) >= RHYTHM_NEEDS else None


def _held_down(case: Case) -> bool:
    """Suspended by us and not released since, or found suspended by WHMCS's own cron and looked after by us."""
    if case.ended_on is not None:
        return False
    if case.suspended_on is None:
        return case.adoption in (Adoption.WHMCS, Adoption.OURS)
    return case.released_on is None or case.released_on < case.suspended_on
