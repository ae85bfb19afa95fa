"""The journal on SQLite: the port's methods, each one block under the store's lock."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.journal import adoptions as adopting
from whmcs_bridge.journal import deletions as deleting
from whmcs_bridge.journal import export, inbox, memory, morning, others, shadow, tasks, tells
from whmcs_bridge.journal import steps as stepping
from whmcs_bridge.journal.deletions import SqliteDeletions
from whmcs_bridge.journal.schema import JOURNAL
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import (
    AdoptionFindings,
    Approval,
    Comment,
    EventState,
    ForeignAct,
    InboxDepth,
    InboxEvent,
    JournalStep,
    MembershipMove,
    MorningMail,
    PolicyText,
    RunInfo,
    ShadowCase,
    ShadowStep,
    StepState,
    Task,
    Telling,
    TellState,
)
from whmcs_bridge.storage import PASSING_WAIT_SECONDS, Store, WriterLock


class SqliteJournal:
    """What we did and what people told us, in one SQLite file. Safe to use from several threads; see ports.Journal.

    Every method that writes is durable when it returns.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the journal; None keeps it in memory. Raises DatabaseTrouble or Locked."""
        self._store = Store(JOURNAL, path)
        self.deletions = SqliteDeletions(self._store)
        self._lock = None if path is None else WriterLock(path.with_name(path.name + ".lock"), str(path))
        records = path.with_name(path.name + ".records.lock") if path is not None else None
        self._records_lock = None if records is None else WriterLock(records, f"{path} (its records)", brief=True)
        self._one_records = RLock()

    def writer(self, job: str = "", wait_seconds: float = PASSING_WAIT_SECONDS) -> AbstractContextManager[None]:
        return nullcontext() if self._lock is None else self._lock.hold(job, wait_seconds)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """See ports.Journal. A file lock is the process's own, so threads take turns before it."""
        with self._one_records, nullcontext() if self._records_lock is None else self._records_lock.hold():
            yield

    def moment(self) -> AbstractContextManager[object]:
        return self._store.reading

    def version(self) -> object:
        with self._store.looking as conn:
            # The first counts what others commit, the second what this connection does.
            return conn.execute("PRAGMA data_version").fetchone()[0], conn.total_changes

    # --- runs and steps

    def begin_run(self, job: str, mode: str, today: date, at: datetime, policy_version: str) -> int:
        with self._store.writing as conn:
            run = stepping.begin_run(conn, job, mode, today, at, policy_version)
        if self._lock is not None:
            self._lock.name_job(job)
        return run

    def end_run(self, run: int, at: datetime, outcome: str, summary: str) -> None:
        with self._store.writing as conn:
            stepping.end_run(conn, run, at, outcome, summary)

    def runs(self, limit: int = 20, job: str | None = None) -> list[RunInfo]:
        with self._store.looking as conn:
            return stepping.runs(conn, limit, job)

    def last_run(self, job: str) -> RunInfo | None:
        with self._store.looking as conn:
            return stepping.last_run(conn, job)

    def begin(self, run: int, step: Step, at: datetime, actor: str, policy_version: str, note: str = "") -> int:
        with self._store.writing as conn:
            return stepping.begin(conn, run, step, at, actor, policy_version, note)

    def end(self, number: int, state: StepState, at: datetime, note: str) -> None:
        with self._store.writing as conn:
            stepping.end(conn, number, state, at, note)

    def open_steps(self) -> list[JournalStep]:
        with self._store.looking as conn:
            return stepping.open_steps(conn)

    def steps(
        self,
        *,
        client: ClientId | None = None,
        service: ServiceId | None = None,
        run: int | None = None,
        kind: str | None = None,
        day: date | None = None,
        since: date | None = None,
        until: date | None = None,
        state: StepState | None = None,
        actor: str | None = None,
        limit: int = 200,
    ) -> list[JournalStep]:
        wanted: dict[str, object] = {"client_id=": client, "service_id=": service, "run=": run, "kind=": kind}
        wanted |= {"day=": _iso(day), "day>=": _iso(since), "day<=": _iso(until), "state=": state, "actor=": actor}
        with self._store.looking as conn:
            return stepping.steps(conn, wanted, limit)

    def tally(self, since: date, until: date) -> Mapping[tuple[str, str, StepState], int]:
        with self._store.looking as conn:
            return stepping.tally(conn, since, until)

    def counts(self, day: date) -> Mapping[tuple[str, bool], int]:
        with self._store.looking as conn:
            return stepping.counts(conn, day)

    def usual(self, kinds: Collection[str], before: date, days: int = 30, *, announced: bool = True) -> list[int]:
        with self._store.looking as conn:
            return stepping.usual(conn, kinds, before, days, announced=announced)

    def acted_on(self, day: date) -> set[ServiceId]:
        with self._store.looking as conn:
            return stepping.acted_on(conn, day)

    # --- plans

    def save_plan(self, day: date, fingerprint: str, payload: str, digests: Mapping[str, str]) -> None:
        with self._store.writing as conn:
            memory.save_plan(conn, day, fingerprint, payload, digests)

    def plan(self, fingerprint: str) -> tuple[date, str] | None:
        with self._store.looking as conn:
            return memory.plan(conn, fingerprint)

    def announced(self, day: date) -> Mapping[str, str]:
        with self._store.looking as conn:
            return memory.announced(conn, day)

    # --- cases, records, memberships

    def cases(self, services: Collection[ServiceId] | None = None) -> dict[ServiceId, Case]:
        with self._store.looking as conn:
            return memory.cases(conn, services)

    def save_cases(self, cases: Iterable[Case]) -> None:
        with self._store.writing as conn:
            memory.save_cases(conn, cases)

    def clients_of_open_cases(self) -> set[ServiceId]:
        with self._store.looking as conn:
            return memory.open_cases(conn)

    def records(
        self, *, client: ClientId | None = None, kind: RecordKind | None = None, open_only: bool = False
    ) -> list[Record]:
        with self._store.looking as conn:
            return memory.records(conn, client, kind, open_only=open_only)

    def add_record(self, record: Record) -> Record:
        with self._store.writing as conn:
            return memory.add_record(conn, record)

    def close_record(self, number: int, state: RecordState, on: date, note: str = "", by: str = "") -> None:
        with self._store.writing as conn:
            memory.close_record(conn, number, state, on, note, by)

    def recent_records(self, kinds: Collection[str], since: date, client: ClientId | None = None) -> list[Record]:
        with self._store.looking as conn:
            return tells.recent(conn, kinds, since, client)

    def tells_of(self, records: Collection[int]) -> Mapping[Telling, tuple[TellState, datetime]]:
        with self._store.looking as conn:
            return tells.of_records(conn, records)

    def keep_tell(self, tell: Telling, state: TellState | None, at: datetime) -> None:
        with self._store.writing as conn:
            tells.keep(conn, tell, state, at)

    def memberships(self) -> dict[ClientId, Membership]:
        with self._store.looking as conn:
            return memory.memberships(conn)

    def membership(self, client: ClientId) -> Membership | None:
        with self._store.looking as conn:
            return memory.membership(conn, client)

    def kept_of(
        self, client: ClientId, services: Collection[ServiceId]
    ) -> tuple[list[Record], Membership | None, dict[ServiceId, Case]]:
        with self._store.looking as conn:
            return memory.kept_of(conn, client, services)

    def merge_clients(self, source: ClientId, target: ClientId) -> None:
        with self._store.writing as conn:
            memory.merge_clients(conn, source, target)
            deleting.merge_clients(conn, source, target)

    def save_membership(self, client: ClientId, membership: Membership) -> None:
        self.save_memberships({client: membership})

    def save_memberships(self, changed: Mapping[ClientId, Membership]) -> None:
        if changed:
            with self._store.writing as conn:
                memory.save_memberships(conn, changed)

    def membership_moves(self, client: ClientId | None = None) -> list[MembershipMove]:
        with self._store.looking as conn:
            return memory.membership_moves(conn, client)

    # --- tasks and approvals

    def reconcile_tasks(self, notes: Iterable[Note], today: date, *, complete: bool) -> None:
        with self._store.writing as conn:
            tasks.reconcile(conn, notes, today, complete=complete)

    def add_task(self, note: Note, today: date, *, by_hand: bool = True) -> None:
        with self._store.writing as conn:
            tasks.add(conn, note, today, by_hand=by_hand)

    def tasks(self, *, open_only: bool = True, today: date | None = None) -> list[Task]:
        with self._store.looking as conn:
            return tasks.tasks(conn, today, open_only=open_only)

    def raised_tasks(self, codes: Collection[str]) -> list[Task]:
        with self._store.looking as conn:
            return tasks.raised(conn, codes)

    def task(self, number: int) -> Task:
        with self._store.looking as conn:
            return tasks.task(conn, number)

    def set_task(self, number: int, state: str, today: date, comment: str = "", *, until: date | None = None) -> None:
        with self._store.writing as conn:
            tasks.set_state(conn, number, state, today, comment, until)

    def acknowledge_task(self, number: int, by: str, on: date) -> None:
        with self._store.writing as conn:
            tasks.acknowledge(conn, number, by, on)

    def comment_task(self, number: int, at: datetime, author: str, text: str) -> None:
        with self._store.writing as conn:
            tasks.comment(conn, number, at, author, text)

    def task_comments(self, number: int) -> list[Comment]:
        with self._store.looking as conn:
            return tasks.comments(conn, number)

    def approvals(self) -> dict[ServiceId, frozenset[str]]:
        with self._store.looking as conn:
            return memory.approvals(conn)

    def approve(self, approval: Approval) -> None:
        with self._store.writing as conn:
            memory.approve(conn, approval)

    def drop_approval(self, service: ServiceId, kind: str) -> None:
        with self._store.writing as conn:
            memory.drop_approval(conn, service, kind)

    # --- shadow mode and what others did

    def save_foreign_acts(self, run: int, acts: Iterable[ForeignAct], cursor: tuple[str, Any] | None = None) -> None:
        with self._store.writing as conn:
            others.save_acts(conn, run, acts)
            if cursor is not None:
                memory.put(conn, *cursor)

    def foreign_acts(self, since: date, service: ServiceId | None = None) -> list[ForeignAct]:
        with self._store.looking as conn:
            return others.acts(conn, since, service)

    def save_shadow(self, run: int, steps: Iterable[ShadowStep], cases: Iterable[ShadowCase]) -> None:
        with self._store.writing as conn:
            shadow.save_steps(conn, run, steps)
            shadow.save_cases(conn, cases)

    def shadow_steps(self, since: date) -> list[ShadowStep]:
        with self._store.looking as conn:
            return shadow.steps(conn, since)

    def shadow_usual(self, before: date, days: int = 30) -> Mapping[str, list[int]]:
        with self._store.looking as conn:
            return shadow.usual(conn, before, days)

    def shadow_counts(self, day: date) -> Mapping[tuple[str, bool], int]:
        with self._store.looking as conn:
            return shadow.counts(conn, day)

    def shadow_cases(self) -> dict[ServiceId, ShadowCase]:
        with self._store.looking as conn:
            return shadow.cases(conn)

    def drop_shadow_cases(self, services: Collection[ServiceId] | None = None) -> None:
        with self._store.writing as conn:
            shadow.drop_cases(conn, services)

    def sync_days(self, since: date) -> Mapping[date, Collection[tuple[str, str]]]:
        with self._store.looking as conn:
            return shadow.sync_days(conn, since)

    # --- the whole story

    def history(
        self,
        *,
        client: ClientId | None = None,
        service: ServiceId | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int = 200,
    ) -> list[dict[str, Any]]:
        with self._store.reading as conn:
            return export.history(conn, client, service, since, until, limit)

    def export(self, since: date | None = None, until: date | None = None) -> Iterator[dict[str, Any]]:
        return export.export(self._store, since, until)

    # --- the morning mail

    def morning_mail(self, day: date) -> MorningMail | None:
        with self._store.looking as conn:
            return morning.of_day(conn, day)

    def last_morning_mail(self, before: date) -> MorningMail | None:
        with self._store.looking as conn:
            return morning.last(conn, before)

    def begin_morning_mail(self, mail: MorningMail) -> None:
        with self._store.writing as conn:
            morning.begin(conn, mail)

    def end_morning_mail(self, day: date, state: str, at: datetime, note: str = "") -> None:
        with self._store.writing as conn:
            morning.end(conn, day, state, at, note)

    # --- the rest

    def note_policy(self, version: str, text: str, on: date) -> None:
        with self._store.writing as conn:
            memory.note_policy(conn, version, text, on)

    def policy_is_noted(self, version: str, on: date) -> bool:
        with self._store.looking as conn:
            return memory.policy_is_noted(conn, version, on)

    def policies(self) -> list[PolicyText]:
        with self._store.looking as conn:
            return memory.policies(conn)

    def get(self, key: str, default: Any = None) -> Any:
        with self._store.looking as conn:
            return memory.get(conn, key, default)

    def put(self, key: str, value: Any) -> None:
        with self._store.writing as conn:
            memory.put(conn, key, value)

    def add_evidence(self, service: ServiceId, at: datetime, payload: Mapping[str, Any]) -> None:
        with self._store.writing as conn:
            memory.add_evidence(conn, service, at, payload)

    def evidence(self, service: ServiceId) -> list[Mapping[str, Any]]:
        with self._store.looking as conn:
            return memory.evidence(conn, service)

    def add_adoption(
        self, day: date, at: datetime, author: str, policy_version: str, payload: Mapping[str, Any]
    ) -> int:
        with self._store.writing as conn:
            return adopting.add(conn, day, at, author, policy_version, payload)

    def adoptions(self, limit: int = 20) -> list[AdoptionFindings]:
        with self._store.looking as conn:
            return adopting.newest(conn, limit)

    def backup(self, to: Path) -> None:
        """Copy the journal to `to` while it stays in use; raises DatabaseTrouble."""
        self._store.backup(to)

    # --- inbox

    def accept_event(
        self, event_id: str, point: str, client: ClientId | None, payload: Mapping[str, Any], at: datetime
    ) -> bool:
        with self._store.writing as conn:
            return inbox.accept(conn, event_id, point, client, payload, at)

    def waiting_events(self, at: datetime, limit: int = 500) -> list[InboxEvent]:
        with self._store.looking as conn:
            return inbox.waiting(conn, at, limit)

    def events_done(self, numbers: Sequence[int], at: datetime) -> None:
        with self._store.writing as conn:
            inbox.done(conn, numbers, at)

    def events_failed(self, numbers: Sequence[int], error: str, next_try_at: datetime | None) -> None:
        with self._store.writing as conn:
            inbox.failed(conn, numbers, error, next_try_at)

    def retry_event(self, number: int) -> None:
        with self._store.writing as conn:
            inbox.retry(conn, number)

    def events(self, state: EventState | None = None, limit: int = 50) -> list[InboxEvent]:
        with self._store.looking as conn:
            return inbox.events(conn, state, limit)

    def inbox_depth(self) -> InboxDepth:
        with self._store.looking as conn:
            return inbox.depth(conn)

    def close(self) -> None:
        self._store.close()


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
