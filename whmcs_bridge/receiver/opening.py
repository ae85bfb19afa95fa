"""A receiver put together from its parts: the one place that knows them all."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Ask, Tell
from whmcs_bridge.receiver.app import create_app
from whmcs_bridge.receiver.desk import Desk, Screen
from whmcs_bridge.receiver.events import ReadFacts, ReadServices
from whmcs_bridge.receiver.exchange import HOOKS, ask_points
from whmcs_bridge.receiver.health import Health, health
from whmcs_bridge.receiver.metrics import Metrics
from whmcs_bridge.receiver.nonces import Nonces
from whmcs_bridge.receiver.server import Server
from whmcs_bridge.receiver.settling import settled
from whmcs_bridge.receiver.signature import Guard
from whmcs_bridge.receiver.worker import Worker

KIB = 1024


class Receiver:
    """Everything behind the address: the application, and the worker that follows it.

    `asks` answers and `work` keeps and handles; the same bridge for both where its databases are in memory.
    """

    def __init__(
        self,
        asks: Bridge,
        work: Bridge,
        handlers: Mapping[str, Ask | Tell],
        secret: bytes,
        *,
        facts: ReadFacts | None = None,
        services: ReadServices | None = None,
        screens: Mapping[str, Screen] | None = None,
        nonces: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`nonces` is the file that remembers them over restarts; `now` gives Unix seconds."""
        hooks = asks.settings.hooks
        self.settings = hooks
        self._asks = asks
        self._nonces = Nonces(nonces, hooks.clock_tolerance_seconds)
        metrics = Metrics(asks, self.look)
        self.worker = Worker(work, metrics)
        self.desk = Desk(
            asks,
            handlers,
            facts,
            work.journal,
            screens or {},
            hooks.max_body_kib * KIB,
            self.worker.wake,
            self.worker.write_later,
            pages=work,
            settle=self._settled,
        )
        work.deliver = Desk(work, handlers, services=services).handle
        guard = Guard(secret, hooks.clock_tolerance_seconds, self._nonces, now)
        self.app: Flask = create_app(self.desk, guard, metrics, self.look, asks.settings.gate)

    def _settled(self, seconds: float) -> bool:
        work = self.worker.bridge
        return self.worker.working and settled(work.journal, work.clock, seconds)

    def look(self) -> Health:
        """How the house is now."""
        return health(self._asks, working=self.worker.working)

    def server(self, host: str, port: int, *, proxied: bool = False) -> Server:
        """Listen there; raises OSError. Use the server as a context manager."""
        return Server(
            self.app,
            self.worker,
            host,
            port,
            threads=self.settings.threads,
            proxied=proxied,
            questions={f"/{HOOKS}/{point}" for point in ask_points(self.desk.handlers)},
        )

    def close(self) -> None:
        """Close what it opened itself; the bridges are their owners'."""
        self._nonces.close()
