"""A year of a 20,000-service book in the journal: how large it gets, and how long its answers take."""

import io
import random
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from commands import cli
from tests.bench.house import settings_file
from tests.bench.model import Measure
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind, Note
from whmcs_bridge.ports import Actor, ForeignAct, MorningMail

SERVICES: Final = 20_000
CLIENTS: Final = 14_000
DAYS: Final = 365
FIRST: Final = date(2025, 3, 18)
PAID_A_DAY: Final = SERVICES // 30
"""Every service has an invoice a month; each payment is a hook, and each hook that is handled is a run."""
STEPS_A_DAY: Final = {
    (Kind.NOTICE, "payment-reminder"): 330,
    (Kind.NOTICE, "suspension-warning"): 50,
    (Kind.SUSPEND, ""): 20,
    (Kind.UNSUSPEND, ""): 18,
    (Kind.NOTICE, "final-warning"): 3,
    (Kind.TERMINATE, ""): 2,
    (Kind.DELETE_BACKUPS, ""): 2,
    (Kind.VIP_REMOVE, ""): 6,
    (Kind.VIP_ADD, ""): 6,
}
"""Half of the clients need a reminder, one in thirteen a warning, one in thirty-three is suspended."""
REPEATS: Final = 5
STARTS: Final = 5
SIZE_TARGET_MIB: Final = 200
ANSWER_TARGET_MS: Final = 200
_INSERT: Final = (
    "INSERT INTO steps(run, day, kind, client_id, service_id, announced, state, begun_at, ended_at, note, "
    "policy_version, actor, body) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_encode: Final = msgspec.json.Encoder().encode


def journal_year() -> Iterator[Measure]:
    """Fill a journal, weigh the file, and ask it what staff asks."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = settings_file(folder)
        begun = time.perf_counter()
        rows = _fill(folder / "journal.db")
        filled = time.perf_counter() - begun
        size = (folder / "journal.db").stat().st_size / 2**20
        detail: dict[str, Any] = {"rows": rows, "services": SERVICES, "days": DAYS, "filled_seconds": round(filled, 1)}
        yield Measure("journal_year", size, "MiB", f"<= {SIZE_TARGET_MIB}", detail)
        took = {asked: _fastest(partial(_ask, config, args)) for asked, args in ASKED.items()}
        slowest = max(took.values())
        yield Measure("journal_year_answer", slowest, "ms", f"<= {ANSWER_TARGET_MS}", took | {"repeats": REPEATS})
        whole = [_whole(config, ["--service", f"{SERVICES // 2}"]) for _ in range(STARTS)]
        yield Measure("journal_year_command", min(whole), "ms", "", {"starts": STARTS})


ASKED: Final = {
    "by_service": ["--service", f"{SERVICES // 2}"],
    "by_client": ["--client", f"{CLIENTS // 2}"],
    "by_date": ["--date", (FIRST + timedelta(days=DAYS // 2)).isoformat()],
    "by_days": ["--since", (FIRST + timedelta(days=100)).isoformat(), "--until", "2025-07-31"],
    "by_kind": ["--kind", "terminate"],
    "by_common_kind": ["--kind", "notice"],
    "by_kind_and_days": ["--kind", "suspend", "--since", "2025-06-01", "--until", "2025-06-30"],
    "by_state": ["--state", "failed"],
    "by_actor": ["--actor", "ana"],
    "by_run": ["--run", f"{DAYS // 2 * (PAID_A_DAY + 1)}"],
    "runs": ["--runs"],
    "policies": ["policies"],
    "newest": [],
}
"""What staff asks: each the fastest of REPEATS, in this process, from opening the file to the printed table."""


def _ask(config: Path, args: list[str]) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        cli.main(["--config", str(config), "journal", *args], standalone_mode=False)
    if not out.getvalue():
        raise RuntimeError(f"journal {args}: nothing printed")


def _fastest(work: Callable[[], object]) -> float:
    """Milliseconds of one call, from the fastest of REPEATS."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        try:
            work()
        except SystemExit as end:
            if end.code:
                raise
        seconds.append(time.perf_counter() - begun)
    return round(min(seconds) * 1000, 1)


def _whole(config: Path, args: list[str]) -> float:
    """Milliseconds of the whole command, from start to exit."""
    command = str(Path(sysconfig.get_path("scripts")) / "whmcs-bridge")
    begun = time.perf_counter()
    subprocess.run([command, "--config", str(config), "journal", *args], check=True, capture_output=True, timeout=60)
    return (time.perf_counter() - begun) * 1000


# --- the year -----------------------------------------------------------------------------------------


def _fill(path: Path) -> dict[str, int]:
    """Write the year, a day in a transaction; return how many rows of each kind there are."""
    chance = random.Random(7)
    journal = SqliteJournal(path)
    try:
        for number in range(DAYS):
            _day(journal, chance, FIRST + timedelta(days=number), number)
        journal.save_cases(_case(chance, n) for n in range(1, SERVICES, 5))
        with journal._store.looking as conn:
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            tables = ("runs", "steps", "tasks", "task_comments", "records", "foreign_acts", "plans", "morning_mails")
            return {table: conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    finally:
        journal.close()


def _day(journal: SqliteJournal, chance: random.Random, day: date, number: int) -> None:
    at = datetime(day.year, day.month, day.day, 9, 0, tzinfo=UTC)
    version = f"{number // 60:02d}" * 32
    with journal._store.writing as conn:
        journal.note_policy(version, "{}" * 2500, day)
        run = journal.begin_run("sync", "enforce", day, at, version)
        steps = list(_steps(chance, day))
        rows = [_row(chance, step, run, at + timedelta(seconds=n), version) for n, step in enumerate(steps)]
        conn.executemany(_INSERT, rows)
        journal.end_run(run, at + timedelta(minutes=20), "ok", "330 notice done, 20 suspend done, 18 unsuspend done")
        conn.executemany(
            "INSERT INTO runs(job, mode, today, started_at, ended_at, outcome, policy_version, summary) "
            "VALUES('hook','enforce',?1,?2,?2,'ok',?3,'InvoicePaid: nothing to do')",
            [(day.isoformat(), (at + timedelta(seconds=60 * n)).isoformat(), version) for n in range(PAID_A_DAY)],
        )
        payload = str([step.id for step in steps])
        journal.save_plan(day, f"{number:012x}", payload, {step.id.rsplit("@", 1)[0]: step.digest for step in steps})
        journal.reconcile_tasks(_notes(chance, number), day, complete=True)
        if number:
            journal.comment_task(chance.randint(1, number), at, "ana", "called them; they pay at the end of the week")
        journal.add_record(_record(chance, day))
        journal.save_foreign_acts(run, [_act(chance, day) for _ in range(3)])
        journal.begin_morning_mail(MorningMail(day, run, "sent", at, "20 suspended, 40 tasks", "a line of it\n" * 60))


def _steps(chance: random.Random, day: date) -> Iterator[Step]:
    for (kind, message), count in STEPS_A_DAY.items():
        for _ in range(chance.randint(count // 2, count * 3 // 2)):
            service = chance.randint(1, SERVICES)
            about_client = kind in (Kind.VIP_ADD, Kind.VIP_REMOVE)
            invoice = InvoiceId(chance.randint(1, 500_000))
            yield Step(
                f"{kind}-s{service}{'-' + message if message else ''}@{day}",
                kind,
                ClientId(service % CLIENTS + 1),
                None if about_client else ServiceId(service),
                day,
                f"invoice {invoice} unpaid since {day - timedelta(days=3)}",
                (invoice,),
                Money(Decimal("29.90"), "BRL"),
                message,
                digest=f"{chance.getrandbits(64):016x}",
                since=day - timedelta(days=3),
            )


def _row(chance: random.Random, step: Step, run: int, at: datetime, version: str) -> tuple[object, ...]:
    state = chance.choices(("done", "skipped", "failed"), (97, 2, 1))[0]
    note = {"done": "Suspended: Overdue: invoice 123456 [whmcs-bridge]", "skipped": "not due any more"}.get(state)
    said = note or "cPanel: connection refused; the server did not answer within 180 seconds"
    actor = "ana" if chance.random() < 0.01 else "bridge"
    stamps = (at.isoformat(), (at + timedelta(seconds=2)).isoformat())
    body = _encode(step).decode()
    day = step.date.isoformat()
    return (run, day, step.kind, step.client, step.service, 0, state, *stamps, said, version, actor, body)


def _notes(chance: random.Random, number: int) -> list[Note]:
    """Forty causes stand at a time, and one in eight is another one on the next day."""
    standing = [(number + place) // 8 * 8 + place for place in range(40)]
    return [
        Note(
            "foreign-suspension",
            f"suspended by others (abuse report {n}) and in debt",
            "decide by hand",
            None,
            ServiceId(n),
        )
        for n in (cause * 37 % SERVICES + 1 for cause in standing)
    ]


def _record(chance: random.Random, day: date) -> Record:
    service = chance.randint(1, SERVICES)
    return Record(
        0,
        RecordKind.PROMISE,
        RecordState.OPEN,
        "ana",
        "pays when the salary comes",
        day,
        day,
        day + timedelta(days=5),
        client_id=ClientId(service % CLIENTS + 1),
        service_id=ServiceId(service),
    )


def _act(chance: random.Random, day: date) -> ForeignAct:
    service = chance.randint(1, SERVICES)
    client = ClientId(service % CLIENTS + 1)
    line = f"Module Unsuspend Successful - Service ID: {service} - User ID: {client}"
    return ForeignAct(ServiceId(service), client, "unsuspend", Actor.STAFF, day, "Suspended", "Active", line=line)


def _case(chance: random.Random, number: int) -> Case:
    opened = FIRST + timedelta(days=chance.randint(1, DAYS))
    return Case(ServiceId(number), opened_on=opened if chance.random() < 0.3 else None)
