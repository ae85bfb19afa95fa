"""What a long run does in between: handle what WHMCS's hooks told, so that who has paid does not wait for its end."""

import time
from collections.abc import Callable
from typing import Final

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.inbox import Deliver, work_portion
from whmcs_bridge.jobs.reevaluate import reevaluate

EVERY_SECONDS: Final = 1.0


class Meanwhile:
    """Looks into the inbox between two pages and between two steps of a run, at most once in so many seconds.

    A portion a time: however much is told, the run goes on. It judges by the run's own memory, so that neither
    writes over what the other has found out.
    """

    def __init__(
        self, ports: Ports, memory: Memory, deliver: Deliver | None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now` gives seconds that only grow."""
        self._ports, self._memory, self._deliver, self._now = ports, memory, deliver, now
        self._next = now()
        self.looked_at: dict[ClientId, str] = {}
        """Clients, and why: since the run began."""

    def listen(self) -> None:
        """Handle the next portion of what was told, if it is time to look. Raises DatabaseTrouble."""
        if self._deliver is None or self._now() < self._next:
            return
        worked = work_portion(self._ports, self._deliver, self._memory)
        self.looked_at.update(worked.asked)
        self._next = self._now() + EVERY_SECONDS

    def look_again(self) -> None:
        """Look once more at those of before: a page that was on its way may have put the client back as it was."""
        for client, cause in self.looked_at.items():
            reevaluate(self._ports, client, cause, self._memory)
