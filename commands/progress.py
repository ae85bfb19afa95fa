"""Progress bars on stderr, for people at a terminal; silence everywhere else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from whmcs_bridge.jobs.context import Bar, Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


def progress() -> Progress:
    """Return bars where stderr is a terminal, silence elsewhere."""
    return Bars() if sys.stderr.isatty() else Silent()


class Bars:
    """A bar a task; each is cleared away when its task ends."""

    @contextmanager
    def task(self, label: str, total: int | None = None) -> Iterator[Bar]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        count = TextColumn("{task.completed:,}" if total is None else "{task.completed:,} of {task.total:,}")
        columns = (TextColumn("{task.description}"), BarColumn(30), count, TimeElapsedColumn())
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:
            yield _Bar(shown, shown.add_task(label, total=total))


class _Bar:
    def __init__(self, shown: "RichProgress", task: "TaskID") -> None:
        self._shown = shown
        self._task = task

    def advance(self, count: int = 1) -> None:
        self._shown.advance(self._task, count)
