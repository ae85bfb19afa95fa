"""Morning mails in the journal: one a house day, written down before it is sent."""

import sqlite3
from datetime import date, datetime
from typing import Any, Final

from whmcs_bridge.ports import MorningMail

_COLUMNS: Final = "day, run, state, begun_at, subject, text, ended_at, note"


def of_day(conn: sqlite3.Connection, day: date) -> MorningMail | None:
    """See ports.Journal."""
    return _mail(conn.execute(f"SELECT {_COLUMNS} FROM morning_mails WHERE day=?", (day.isoformat(),)).fetchone())


def last(conn: sqlite3.Connection, before: date) -> MorningMail | None:
    """See ports.Journal."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM morning_mails WHERE day<? AND state IN ('sent','kept') ORDER BY day DESC LIMIT 1",
        (before.isoformat(),),
    ).fetchone()
    return _mail(row)


def begin(conn: sqlite3.Connection, mail: MorningMail) -> None:
    """Write it down; one of the same day that failed gives way."""
    conn.execute(
        f"INSERT OR REPLACE INTO morning_mails({_COLUMNS}) VALUES(?,?,?,?,?,?,NULL,'')",
        (mail.day.isoformat(), mail.run, mail.state, mail.begun_at.isoformat(), mail.subject, mail.text),
    )


def end(conn: sqlite3.Connection, day: date, state: str, at: datetime, note: str) -> None:
    """Write down what became of it."""
    conn.execute(
        "UPDATE morning_mails SET state=?, ended_at=?, note=? WHERE day=?",
        (state, at.isoformat(), note, day.isoformat()),
    )


def _mail(row: tuple[Any, ...] | None) -> MorningMail | None:
    if row is None:
        return None
    day, run, state, begun_at, subject, text, ended_at, note = row
    return MorningMail(
        date.fromisoformat(day),
        run,
        state,
        datetime.fromisoformat(begun_at),
        subject,
        text,
        None if ended_at is None else datetime.fromisoformat(ended_at),
        note,
    )
