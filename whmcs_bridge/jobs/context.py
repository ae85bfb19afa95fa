"""The ports a job gets, bundled, with the house's clock read once."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from whmcs_bridge.jobs.turns import Turns
from whmcs_bridge.ports import AccountPanel, BackupStore, Clock, Journal, Mirror, Panel
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.version import text_of


class Bar(Protocol):
    def advance(self, count: int = 1) -> None: ...


class Progress(Protocol):
    """Shows long work to a person; silent elsewhere."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Bar]: ...


class _SilentBar:
    def advance(self, count: int = 1) -> None: ...


class Silent:
    """No progress: not a terminal."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Bar]:
        return nullcontext(_SilentBar())


@dataclass(slots=True)
class Stopping:
    """How a signal ends a run after the step in hand: the handler sets `asked`, the run says when it is `acting`."""

    asked: bool = False
    acting: bool = False


@dataclass(slots=True)
class Ports:
    """Everything a job may touch. `workers` clients are worked on side by side."""

    settings: Settings
    panel: Panel
    mirror: Mirror
    journal: Journal
    clock: Clock
    stores: Sequence[BackupStore] = ()
    account_panels: Sequence[AccountPanel] = ()
    """Hosting panels that say who lives on a server now."""
    progress: Progress = field(default_factory=Silent)
    workers: int = 1
    stopping: Stopping = field(default_factory=Stopping)
    turns: Turns = field(default_factory=Turns)
    actor: str = "bridge"
    """Who asks: the timer, or the name of a person."""
    morning_folder: Path | None = None
    """Where the staff's morning mails are written as files; None: nowhere."""
    gate_file: Path | None = None
    """Where what WHMCS may do without asking is written after every sync; None: nowhere."""
    debt_mail_subjects: Sequence[str] | None = None
    """Subjects of WHMCS's own debt mails, read once a run where needed."""
    _day: date | None = None

    def now(self) -> datetime:
        return self.clock.now()

    def begin_run(self, job: str) -> int:
        """Open a run in the journal, under the rules in force, whose text is kept; return its number."""
        today, policy, journal = self.today(), self.settings.policy, self.journal
        if not journal.policy_is_noted(policy.version, today):
            journal.note_policy(policy.version, text_of(policy), today)
        return journal.begin_run(job, self.settings.mode, today, self.now(), policy.version)

    def today(self) -> date:
        """The house day; within a run, the day on which it began."""
        return self._day or self.clock.now().date()

    @contextmanager
    def one_day(self) -> Iterator[None]:
        """Hold the house day while a run is under way: half a run must not judge by another day than the other half."""
        if self._day is not None:
            yield
            return
        self._day = self.clock.now().date()
        try:
            yield
        finally:
            self._day = None

    def day_is_over(self) -> bool:
        """Midnight has passed since the run began: what is harmful now belongs to tomorrow's run."""
        return self._day is not None and self.clock.now().date() != self._day
