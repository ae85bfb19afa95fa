"""The staff's mail, once a house day, by the first sync that gets through: written down, then a file, then sent."""

import os
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked, NotDelivered, Refused, UsageProblem, WhmcsError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.letter import Day, Letter, write
from whmcs_bridge.jobs.plan import Onlooker, judge_book, make_plan
from whmcs_bridge.jobs.report import RunReport
from whmcs_bridge.jobs.shadow import Imagining
from whmcs_bridge.jobs.staff import lost_mail_note
from whmcs_bridge.jobs.tomorrow import Tomorrow, beside
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import MorningMail

FILES_KEPT_DAYS: Final = 90
SETTLED: Final = frozenset({"sent", "kept", "begun"})
"""A mail in one of these states is not tried again on its day: it is out, or it may be."""


class Morning:
    """One sync's part in the morning mail; nothing at all where the day's mail is out, or nobody wants one.

    The sync never fails because of it: what cannot be sent or written becomes a task.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        known = ports.journal.morning_mail(ports.today())
        wanted = ports.settings.mails_staff or ports.morning_folder is not None
        self._wanted = wanted and (known is None or known.state not in SETTLED)
        self._before = ports.journal.last_run("sync") if self._wanted else None
        self._began = ports.now()
        self._tomorrow: Tomorrow | None = None
        self.reachable = True

    def beside(self, imagining: Imagining | None) -> Onlooker | None:
        """Return who looks on for the mail while the book is judged; None where no mail is wanted."""
        if self._wanted:
            self._tomorrow = Tomorrow(self._ports, imagining)
        return self._tomorrow

    def send(self, report: RunReport) -> None:
        """Write and send the mail about a run that has ended."""
        taken = {result.step.id for result in report.results}
        tomorrow = self._tomorrow.found if self._tomorrow is not None else ()
        problems, broken = tuple(report.problems), report.broken_off
        day = Day(report.plan, taken, tomorrow, (), problems, broken, self._before, self._began)
        try:
            self._out(day, report.run)
        except (DatabaseTrouble, Locked) as error:
            report.problems.append(f"morning mail: {error}")

    def not_read(self, error: WhmcsError) -> None:
        """WHMCS refused to be read at all: the mail says so, in its file at least."""
        self.reachable = False
        with suppress(DatabaseTrouble, Locked):
            self._out(Day(problems=(str(error),), before=self._before, began=self._began), 0)

    def _out(self, day: Day, run: int) -> None:
        if not self._wanted:
            return
        letter = write(self._ports, day)
        _keep_file(self._ports, letter)
        if self._ports.settings.mails_staff:
            send(self._ports, letter, run, reachable=self.reachable)
        else:
            _begin(self._ports, letter, run, "kept")
            self._ports.journal.end_morning_mail(letter.day, "kept", self._ports.now())


def letter_of_today(ports: Ports) -> Letter:
    """Write today's letter from mirror and journal alone; raises Locked while a run is under way."""
    with ports.journal.writer(), ports.one_day():
        info, memory = ports.mirror.last(), Memory(ports.journal, ports.today())
        imagining = Imagining(ports) if not ports.settings.enforcing or not memory.scope.everyone else None
        tomorrow = Tomorrow(ports, imagining)
        onlooker = beside(imagining, tomorrow)
        complete = info is not None and info.complete
        problems = info.problems if info is not None else ("the mirror is empty: run a sync first",)
        judged = judge_book(ports, memory, complete=complete, read_live=False, observing=False, onlooker=onlooker)
        plan = make_plan(ports, memory, judged, complete=complete, problems=problems, allow={})
        taken = {entry.step.id for entry in ports.journal.steps(day=ports.today(), limit=100_000)}
        imagined = imagining.steps if imagining is not None else ()
        before = ports.journal.last_run("sync")
        return write(ports, Day(plan, taken, tomorrow.found, imagined, problems, before=before))


def send_by_hand(ports: Ports, letter: Letter) -> None:
    """Send today's mail because a person asks, whatever the mode; raises UsageProblem where it may be out already."""
    with ports.journal.writer(), ports.one_day():
        known = ports.journal.morning_mail(letter.day)
        if known is not None and known.state == "sent":
            raise UsageProblem(f"the mail of {letter.day} was sent at {known.begun_at:%H:%M}; none is sent twice")
        if known is not None and known.state == "begun":
            raise UsageProblem(
                f"the mail of {letter.day} was sent at {known.begun_at:%H:%M} and never answered: it may have arrived, "
                "and none is sent twice"
            )
        _keep_file(ports, letter)
        send(ports, letter, 0)
        sent = ports.journal.morning_mail(letter.day)
        if sent is not None and sent.state != "sent":
            raise BridgeError(f"the mail of {letter.day} was not sent: {sent.note}")


def send(ports: Ports, letter: Letter, run: int, *, reachable: bool = True) -> None:
    """Send the mail at most once: written down before, and tried again only where it provably never arrived.

    What goes wrong is in the journal and a task.
    """
    _begin(ports, letter, run, "begun")
    journal = ports.journal
    state, note = "sent", ""
    if not reachable:
        state, note = "failed", "WHMCS could not be reached"
    else:
        try:
            ports.panel.send_staff(letter.subject, letter.html())
        except (NotDelivered, Refused) as error:
            state, note = "failed", str(error)
        except WhmcsError as error:
            state, note = "begun", str(error)  # it may have arrived: not again
    journal.end_morning_mail(letter.day, state, ports.now(), note)
    if state != "sent":
        kept = journal.morning_mail(letter.day)
        if kept is not None:
            journal.add_task(lost_mail_note(kept), letter.day, by_hand=False)
        return
    for task in journal.raised_tasks(("morning-mail",)):
        journal.set_task(task.number, "closed", letter.day)


def _begin(ports: Ports, letter: Letter, run: int, state: str) -> None:
    mail = MorningMail(letter.day, run, state, ports.now(), letter.subject, letter.text())
    ports.journal.begin_morning_mail(mail)


# --- the file -------------------------------------------------------------------------------------


def _keep_file(ports: Ports, letter: Letter) -> None:
    """Write the mail as a file, whole or not at all, for its owner only; drop old ones. A task where it cannot be."""
    folder = ports.morning_folder
    if folder is None:
        return
    path = folder / f"{letter.day}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_whole(path, f"{letter.subject}\n\n{letter.text()}")
        _prune(folder, letter.day)
    except OSError as error:
        text = f"the morning mail could not be written to {path}: {error.strerror}"
        todo = "make the folder writable for this user, and see that there is room on the disk"
        ports.journal.add_task(Note("morning-file", text, todo), letter.day, by_hand=False)


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)


def _prune(folder: Path, today: date) -> None:
    oldest = today - timedelta(days=FILES_KEPT_DAYS)
    for path in folder.glob("*.txt"):
        with suppress(ValueError):
            if date.fromisoformat(path.stem) < oldest:
                path.unlink(missing_ok=True)
