"""Numbers for Prometheus: what was asked and told, how long it took, what waits, what the day brought."""

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.receiver.desk import Reply
from whmcs_bridge.receiver.health import Health

BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 5.0)
"""Seconds; the file in WHMCS waits for 1.5 by default."""


class Metrics:
    """One receiver's counters, in a registry of its own."""

    def __init__(self, bridge: Bridge, look: Callable[[], Health]) -> None:
        """`look` says how the house is, at each reading."""
        self._registry = CollectorRegistry()
        self._served = {
            kind: Counter(
                f"whmcs_bridge_{kind}",
                f"{kind.capitalize()} by point and outcome.",
                ("point", "outcome"),
                registry=self._registry,
            )
            for kind in ("asks", "tells", "screens")
        }
        self._took = {
            kind: Histogram(
                f"whmcs_bridge_{kind}_seconds",
                f"Time taken for {kind}.",
                ("point",),
                buckets=BUCKETS,
                registry=self._registry,
            )
            for kind in self._served
        }
        self._found: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        """The same by point and outcome: looking them up costs as much as counting."""
        self._refused = Counter(
            "whmcs_bridge_refused_requests", "Requests not served, by status.", ("status",), registry=self._registry
        )
        self._worked = Counter(
            "whmcs_bridge_inbox_events", "Events of the inbox by outcome.", ("outcome",), registry=self._registry
        )
        self._registry.register(_House(bridge, look))

    def served(self, kind: str, point: str, reply: Reply) -> None:
        """Count one of `asks`, `tells`, `screens`."""
        key = (kind, point, reply.outcome)
        found = self._found.get(key)
        if found is None:
            served, took = self._served[kind].labels(point, reply.outcome), self._took[kind].labels(point)
            found = self._found[key] = served, took
        found[0].inc()
        found[1].observe(reply.seconds)

    def refused(self, status: int) -> None:
        self._refused.labels(str(status)).inc()

    def worked(self, outcome: str, count: int) -> None:
        """Count events of the inbox that came to this end."""
        if count:
            self._worked.labels(outcome).inc(count)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _House(Collector):
    """Read from mirror and journal when somebody asks."""

    def __init__(self, bridge: Bridge, look: Callable[[], Health]) -> None:
        self._bridge, self._look = bridge, look

    def describe(self) -> Iterator[Metric]:
        """Nothing is read while the registry is put together."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        found = self._look()
        yield from (
            GaugeMetricFamily(f"whmcs_bridge_{name}", text, value)
            for name, text, value in (
                ("live", "1: databases can be read and the inbox is worked off.", int(found.live)),
                ("ready", "1: live, and there is a mirror to answer from.", int(found.ready)),
                ("mirror_age_seconds", "Since the last snapshot began.", found.mirror_age_seconds),
                ("last_sync_age_seconds", "Since the last ended sync began.", found.last_sync_age_seconds),
                ("inbox_waiting", "Events that wait to be handled.", found.waiting),
                ("inbox_set_aside", "Events that wait for a person.", found.set_aside),
                ("inbox_oldest_seconds", "Age of the oldest event that waits.", found.oldest_seconds or 0),
            )
            if value is not None
        )
        yield self._steps()

    def _steps(self) -> Metric:
        steps = GaugeMetricFamily(
            "whmcs_bridge_steps_today", "Steps of this house day by kind and outcome.", labels=("kind", "outcome")
        )
        today = self._bridge.today()
        counted: dict[tuple[str, str], int] = {}
        try:
            tally = self._bridge.journal.tally(today, today)
        except BridgeError:
            return steps
        for (kind, _, state), count in tally.items():
            counted[kind, state.value] = counted.get((kind, state.value), 0) + count
        for labels, count in sorted(counted.items()):
            steps.add_metric(labels, count)
        return steps
