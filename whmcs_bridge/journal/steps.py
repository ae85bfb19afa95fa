"""Runs and steps in the journal."""

import sqlite3
from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import JournalStep, RunInfo, StepState

_COUNTED: Final = "state NOT IN ('skipped','failed')"
"""A step whose outcome is not known counts as done."""
_COLUMNS: Final = "number, run, body, state, begun_at, ended_at, note, policy_version, actor"

_encode: Final = msgspec.json.Encoder().encode
_step: Final = msgspec.json.Decoder(Step).decode


def begin_run(conn: sqlite3.Connection, job: str, mode: str, today: date, at: datetime, policy_version: str) -> int:
    """Open a run; return its number."""
    number = conn.execute(
        "INSERT INTO runs(job, mode, today, started_at, outcome, policy_version) VALUES(?,?,?,?,'running',?)",
        (job, mode, today.isoformat(), at.isoformat(), policy_version),
    ).lastrowid
    assert number is not None
    return number


def end_run(conn: sqlite3.Connection, run: int, at: datetime, outcome: str, summary: str) -> None:
    """Close a run."""
    conn.execute(
        "UPDATE runs SET ended_at=?, outcome=?, summary=? WHERE number=?", (at.isoformat(), outcome, summary, run)
    )


def runs(conn: sqlite3.Connection, limit: int, job: str | None = None) -> list[RunInfo]:
    """See ports.Journal."""
    asked = "SELECT * FROM runs WHERE ?1 IS NULL OR job=?1 ORDER BY number DESC LIMIT ?2"
    return [_run(row) for row in conn.execute(asked, (job, limit))]


def last_run(conn: sqlite3.Connection, job: str) -> RunInfo | None:
    """See ports.Journal."""
    row = conn.execute(
        "SELECT * FROM runs WHERE job=? AND ended_at IS NOT NULL ORDER BY number DESC LIMIT 1", (job,)
    ).fetchone()
    return None if row is None else _run(row)


def begin(
    conn: sqlite3.Connection, run: int, step: Step, at: datetime, actor: str, policy_version: str, note: str
) -> int:
    """Write a step down; it counts on the house day of its run, also when midnight passes meanwhile."""
    number = conn.execute(
        "INSERT INTO steps(run, day, kind, client_id, service_id, announced, state, begun_at, policy_version, actor, "
        "body, note) VALUES(?1, coalesce((SELECT today FROM runs WHERE number=?1), ?2), ?3, ?4, ?5, ?6, 'begun', ?7, "
        "?8, ?9, ?10, ?11)",
        (
            run,
            at.date().isoformat(),
            step.kind,
            step.client,
            step.service,
            step.announced,
            at.isoformat(),
            policy_version,
            actor,
            _encode(step).decode(),
            note,
        ),
    ).lastrowid
    assert number is not None
    return number


def end(conn: sqlite3.Connection, number: int, state: StepState, at: datetime, note: str) -> None:
    """Write down how a step went."""
    conn.execute("UPDATE steps SET state=?, ended_at=?, note=? WHERE number=?", (state, at.isoformat(), note, number))


def open_steps(conn: sqlite3.Connection) -> list[JournalStep]:
    """See ports.Journal."""
    return _steps(conn.execute(f"SELECT {_COLUMNS} FROM steps WHERE state IN ('begun','unknown') ORDER BY number"))


def steps(conn: sqlite3.Connection, wanted: dict[str, object], limit: int) -> list[JournalStep]:
    """The newest steps that answer to every condition of `wanted` (None is any), newest first.

    By day first: every index ends in it or leads to few rows, so that nothing has to be sorted.
    """
    given = {condition: value for condition, value in wanted.items() if value is not None}
    where = " AND ".join(f"{condition}?" for condition in given) or "1"
    return _steps(
        conn.execute(
            f"SELECT {_COLUMNS} FROM steps WHERE {where} ORDER BY day DESC, number DESC LIMIT ?",
            (*given.values(), limit),
        )
    )


def tally(conn: sqlite3.Connection, since: date, until: date) -> dict[tuple[str, str, StepState], int]:
    """See ports.Journal."""
    rows = conn.execute(
        "SELECT kind, iif(kind='notice', json_extract(body, '$.message'), '') AS message, state, count(*) FROM steps "
        "WHERE day BETWEEN ? AND ? GROUP BY kind, message, state",
        (since.isoformat(), until.isoformat()),
    )
    return {(kind, message or "", StepState(state)): count for kind, message, state, count in rows}


def counts(conn: sqlite3.Connection, day: date) -> dict[tuple[str, bool], int]:
    """See ports.Journal."""
    rows = conn.execute(
        f"SELECT kind, announced, count(*) FROM steps WHERE day=? AND {_COUNTED} GROUP BY kind, announced",
        (day.isoformat(),),
    )
    return {(kind, bool(announced)): count for kind, announced, count in rows}


def usual(conn: sqlite3.Connection, kinds: Collection[str], before: date, days: int, *, announced: bool) -> list[int]:
    """See ports.Journal."""
    wanted = ",".join("?" * len(kinds))
    fresh = "" if announced else "AND NOT announced "
    rows = conn.execute(
        f"SELECT count(*) FROM steps WHERE kind IN ({wanted}) AND day<? AND {_COUNTED} {fresh}"
        "GROUP BY day ORDER BY day DESC LIMIT ?",
        (*kinds, before.isoformat(), days),
    )
    return [row[0] for row in rows]


def acted_on(conn: sqlite3.Connection, day: date) -> set[ServiceId]:
    """See ports.Journal."""
    rows = conn.execute(
        f"SELECT service_id FROM steps WHERE day=? AND kind IN (?,?) AND {_COUNTED} AND service_id IS NOT NULL",
        (day.isoformat(), Kind.SUSPEND, Kind.TERMINATE),
    )
    return {ServiceId(row[0]) for row in rows}


def _run(row: tuple[Any, ...]) -> RunInfo:
    number, job, mode, today, started_at, ended_at, outcome, policy_version, summary = row
    return RunInfo(
        number,
        job,
        mode,
        date.fromisoformat(today),
        datetime.fromisoformat(started_at),
        None if ended_at is None else datetime.fromisoformat(ended_at),
        outcome,
        policy_version,
        summary,
    )


def _steps(rows: Iterable[tuple[Any, ...]]) -> list[JournalStep]:
    return [
        JournalStep(
            number,
            run,
            _step(body),
            StepState(state),
            datetime.fromisoformat(begun_at),
            None if ended_at is None else datetime.fromisoformat(ended_at),
            note,
            policy_version,
            actor,
        )
        for number, run, body, state, begun_at, ended_at, note, policy_version, actor in rows
    ]
