"""Work the inbox off: what WHMCS told is handled client by client, and each client is looked at again once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked, OddEvent
from whmcs_bridge.jobs.aside import aside_note
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.gate import refresh_gate
from whmcs_bridge.jobs.reevaluate import reevaluate
from whmcs_bridge.ports import InboxEvent

Deliver = Callable[[InboxEvent], Mapping[ClientId, str]]
"""Handles one event; returns whom to look at again, and why. Raises OddEvent for one that can never be handled."""

JOB: Final = "hook"
"""Name under which the journal is held meanwhile: others wait for it instead of giving up."""
RETRY_SECONDS: Final = (1, 5, 30, 120, 600)
"""Waiting time before the second, third, ... try; the last one holds for all that follow."""
TRIES: Final = 6
"""A handler that fails so often will not do better: a person has to look. About a quarter of an hour."""
UNREAD_TRIES: Final = 150
"""A client whom WHMCS does not let us read is tried for a day; by then a sync has made it true, or staff knows."""
EVENTS_AT_ONCE: Final = 500
CLIENTS_AT_ONCE: Final = 16
"""Between two such portions another process may take the journal."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Worked:
    """What came of working the inbox off."""

    handled: int = 0
    failed: int = 0
    """To be tried again."""
    set_aside: int = 0
    asked: dict[ClientId, str] = field(default_factory=dict)
    """Clients that were looked at, and why."""
    more: bool = False
    """Others wait that could be handled now."""

    @property
    def looked_at(self) -> int:
        """How many clients were looked at."""
        return len(self.asked)

    @property
    def touched(self) -> int:
        """Events that something came of."""
        return self.handled + self.failed + self.set_aside

    def add(self, other: "Worked") -> None:
        self.handled += other.handled
        self.failed += other.failed
        self.set_aside += other.set_aside
        self.asked.update(other.asked)
        self.more = other.more


@dataclass(slots=True)
class _Chain:
    """Events that are handled in order: one client's, or a single one about nobody we know."""

    events: list[InboxEvent]
    done: list[tuple[InboxEvent, Mapping[ClientId, str]]] = field(default_factory=list)
    trouble: tuple[InboxEvent, str, int] | None = None
    """The event that failed, why, and how many tries it has; those behind it wait."""


def work_off(ports: Ports, deliver: Deliver) -> Worked:
    """Work off until nothing is left that may be handled now; a signal ends it after the portion in hand.

    Whoever finds the journal held by another may leave: that one looks again when it has let go. Raises Locked.
    """
    total = Worked()
    while not ports.stopping.asked:
        portion = work_portion(ports, deliver)
        total.add(portion)
        if not portion.touched:
            break
    return total


def work_portion(ports: Ports, deliver: Deliver, memory: Memory | None = None) -> Worked:
    """Handle the events of the next clients, in order for each, clients side by side; look at each of them once.

    `memory`: of the run in whose midst this happens. Killed in between, the events are handled again: handlers can
    take that. Raises Locked at once while another process runs, DatabaseTrouble when nothing can be written.
    """
    journal = ports.journal
    if not journal.waiting_events(ports.now(), 1):
        return Worked()
    with journal.writer(JOB, wait_seconds=0):
        events = journal.waiting_events(ports.now(), EVENTS_AT_ONCE)
        chains = list(_chains(events))
        portion = chains[:CLIENTS_AT_ONCE]
        _side_by_side(ports, lambda chain: _handle(chain, deliver), portion)
        asked = _asked(portion)
        unread = _look_again(ports, asked, memory)
        refresh_gate(ports, asked)
        worked = _settle(ports, portion, unread)
    worked.asked = asked
    worked.more = len(chains) > len(portion) or len(events) == EVENTS_AT_ONCE
    return worked


def _chains(events: Iterable[InboxEvent]) -> Iterator[_Chain]:
    by_client: dict[ClientId | int, _Chain] = {}
    for event in events:
        key = event.client if event.client is not None else -event.number
        if key in by_client:
            by_client[key].events.append(event)
        else:
            by_client[key] = _Chain([event])
    yield from by_client.values()


def _side_by_side(ports: Ports, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    workers = min(ports.workers, len(items))
    if workers <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(workers, thread_name_prefix="inbox") as pool:
        return list(pool.map(work, items))


def _handle(chain: _Chain, deliver: Deliver) -> None:
    for event in chain.events:
        try:
            chain.done.append((event, deliver(event)))
        except (DatabaseTrouble, Locked):
            raise
        except OddEvent as error:
            chain.trouble = (event, str(error), 0)
            return
        except Exception as error:
            chain.trouble = (event, _line(error), TRIES)
            return


def _line(error: Exception) -> str:
    """An error of ours speaks for itself; anything else is named, and its text may be anybody's."""
    return str(error) if isinstance(error, BridgeError) else f"unexpected {type(error).__name__}: {error}"


def _asked(chains: Iterable[_Chain]) -> dict[ClientId, str]:
    """Return whom to look at, each with every point that asked for it."""
    causes: dict[ClientId, dict[str, None]] = {}
    for chain in chains:
        for _, asked in chain.done:
            for client, cause in asked.items():
                causes.setdefault(client, {})[cause] = None
    return {client: ", ".join(points) for client, points in causes.items()}


def _look_again(ports: Ports, asked: Mapping[ClientId, str], memory: Memory | None) -> dict[ClientId, str]:
    """Re-evaluate them; return those that could not be read, and why."""

    def look(one: tuple[ClientId, str]) -> str:
        client, cause = one
        if ports.mirror.book(client) is None:
            return ""  # new since the last sync: nothing of ours is there to be lifted
        try:
            # Ports of its own: each look holds its own house day.
            report = reevaluate(replace(ports, _day=None), client, cause, memory)
        except (DatabaseTrouble, Locked):
            raise
        except Exception as error:
            return _line(error)
        return "; ".join(report.problems)

    found = _side_by_side(ports, look, list(asked.items()))
    return {client: why for client, why in zip(asked, found, strict=True) if why}


def _settle(ports: Ports, chains: Iterable[_Chain], unread: Mapping[ClientId, str]) -> Worked:
    """Write down what became of each event."""
    now, worked, done = ports.now(), Worked(), list[int]()
    for chain in chains:
        for event, asked in chain.done:
            why = next((unread[client] for client in asked if client in unread), "")
            if why:
                _failed(ports, event, why, UNREAD_TRIES, now, worked)
            else:
                done.append(event.number)
        if chain.trouble is not None:
            event, why, tries = chain.trouble
            _failed(ports, event, why, tries, now, worked)
    if done:
        ports.journal.events_done(done, now)
    worked.handled = len(done)
    return worked


def _failed(ports: Ports, event: InboxEvent, why: str, tries: int, now: datetime, worked: Worked) -> None:
    if event.tries + 1 >= tries:
        ports.journal.events_failed([event.number], why, None)
        ports.journal.add_task(aside_note(event, why), ports.today(), by_hand=False)
        worked.set_aside += 1
        return
    wait = RETRY_SECONDS[min(event.tries, len(RETRY_SECONDS) - 1)]
    ports.journal.events_failed([event.number], why, now + timedelta(seconds=wait))
    worked.failed += 1
