"""Wait until what was told is settled: WHMCS's own cron looks next."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from whmcs_bridge.errors import Locked
from whmcs_bridge.ports import Clock, Journal

LOOK_SECONDS: Final = 0.05
"""So often it looks whether all is done."""


def settled(
    journal: Journal,
    clock: Clock,
    seconds: float,
    work: Callable[[], object] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until everything that is in the inbox now was handled, at most so long; False where time was too short.

    What is set aside or tried again only later is not waited for. `work` is called before each look, for where nobody
    else works the inbox off; another process may hold the journal meanwhile.
    """
    newest = next(iter(journal.events(limit=1)), None)
    until = time.monotonic() + seconds
    while newest is not None:
        with suppress(Locked):
            work()
        left = max(0.0, until - time.monotonic())
        first = next(iter(journal.waiting_events(clock.now() + timedelta(seconds=left), 1)), None)
        if first is None or first.number > newest.number:
            break
        if not left:
            return False
        pause(min(LOOK_SECONDS, left))
    return True
