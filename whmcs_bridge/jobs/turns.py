"""Whose turn it is: a run's own steps and a look because WHMCS told something take turns at each client."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from whmcs_bridge.domain.ids import ClientId


@dataclass(slots=True)
class _Turn:
    lock: AbstractContextManager[Any] = field(default_factory=threading.RLock)
    wanted: int = 0


@dataclass(slots=True)
class Turns:
    """One thread at a time for each client; different clients do not wait for each other."""

    _guard: threading.Lock = field(default_factory=threading.Lock)
    _turns: dict[ClientId, _Turn] = field(default_factory=dict)

    @contextmanager
    def of(self, client: ClientId) -> Iterator[None]:
        """Hold the client's turn, as soon as the thread that has it is done; entering again is free."""
        with self._guard:
            turn = self._turns.setdefault(client, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._guard:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[client]
