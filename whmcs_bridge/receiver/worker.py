"""The thread that works the inbox off while the receiver runs."""

import logging
import threading
from collections import deque
from dataclasses import dataclass, field

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import BridgeError, Locked
from whmcs_bridge.jobs.inbox import Worked, work_portion
from whmcs_bridge.receiver.answering import Write
from whmcs_bridge.receiver.metrics import Metrics

LOOK_SECONDS = 1.0
"""So often it looks for what is due again, what other processes put there, and whether a run has ended."""
PAUSE_SECONDS = 0.05
"""Between two portions: long enough for a sync that waits for the journal."""
TROUBLE_SECONDS = 5.0

log = logging.getLogger("whmcs_bridge.receiver")


@dataclass(slots=True)
class Worker:
    """Works off what is in the inbox, at once when it is woken."""

    bridge: Bridge
    metrics: Metrics
    _woken: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _later: deque[Write] = field(default_factory=deque)
    _waiting: bool = False
    """It has said that another process holds the journal."""

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="inbox")
        self._thread.start()

    def wake(self) -> None:
        """Something new is in the inbox."""
        self._woken.set()

    def write_later(self, write: Write) -> None:
        """Write this as soon as may be; at once where nobody works."""
        if self.working:
            self._later.append(write)
            self._woken.set()
        else:
            write()

    @property
    def working(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Let it finish the portion in hand; returns when it has."""
        self.bridge.ports.stopping.asked = True
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            self._write()
            pause = self._turn()
            if pause is None:
                self._woken.wait(LOOK_SECONDS)
            else:
                self._stopping.wait(pause)
        self._write()

    def _write(self) -> None:
        while self._later:
            try:
                self._later.popleft()()
            except BridgeError as error:
                log.error("task not written: %s", error)

    def _turn(self) -> float | None:
        """Work one portion off; return for how many seconds to leave off, None until woken."""
        if self.bridge.deliver is None:
            return None
        try:
            worked = work_portion(self.bridge.ports, self.bridge.deliver)
        except Locked as error:
            if not self._waiting:
                log.info("inbox waits: %s", error)
            self._waiting = True
            return LOOK_SECONDS
        except BridgeError as error:
            log.error("inbox trouble: %s", error)
            return TROUBLE_SECONDS
        except Exception as error:
            log.error("inbox trouble: unexpected %s", type(error).__name__)
            return TROUBLE_SECONDS
        self._waiting = False
        self._say(worked)
        return PAUSE_SECONDS if worked.more else None

    def _say(self, worked: Worked) -> None:
        ends = {"handled": worked.handled, "failed": worked.failed, "set_aside": worked.set_aside}
        for outcome, count in ends.items():
            self.metrics.worked(outcome, count)
        if any(ends.values()):
            said = " ".join(f"{outcome}={count}" for outcome, count in ends.items() if count)
            log.info("inbox %s clients=%d", said, worked.looked_at)
