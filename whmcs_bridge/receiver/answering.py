"""A bridge for one answer: it reads of one moment, waits for no run, and writes once the answer is found."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, Final, TypeVar, cast

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.ports import Journal, JournalStep

Write = Callable[[], object]
T = TypeVar("T")

WRITING: Final = ("add_", "close_", "drop_", "put", "save_", "set_")
"""So begin the names of the journal's methods that write."""
CAN_WAIT: Final = frozenset({"add_task"})
"""What staff reads later need not be on the disk before WHMCS has its answer."""


@dataclass(slots=True)
class Remembered:
    """What every answer needs of the journal, kept while nobody writes to it."""

    version: object = None
    known: dict[Hashable, Any] = field(default_factory=dict)

    def of(self, version: object) -> dict[Hashable, Any]:
        """Return what is still true."""
        if version != self.version:
            self.version, self.known = version, {}
        return self.known


class _LateJournal:
    """The journal, with everything that is to be written put off.

    Each write is a transaction of its own, so none needs the writer lock: an answer cannot wait while a sync holds it.
    """

    def __init__(self, journal: Journal, writing: Journal, known: dict[Hashable, Any]) -> None:
        self._journal, self._writing, self._known = journal, writing, known
        self.first: list[Write] = []
        """To be written before WHMCS may act."""
        self.later: list[Write] = []

    def writer(self, job: str = "", wait_seconds: float = 0.0) -> AbstractContextManager[None]:
        return nullcontext()

    def recording(self) -> AbstractContextManager[None]:
        return nullcontext()

    @property
    def deletions(self) -> Any:
        late = _LateJournal(cast(Journal, self._journal.deletions), cast(Journal, self._writing.deletions), self._known)
        late.first, late.later = self.first, self.later
        return late

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(WRITING):
            return getattr(self._journal, name)
        write = getattr(self._writing, name)
        waiting = self.later if name in CAN_WAIT else self.first

        def put_off(*given: Any, **named: Any) -> None:
            waiting.append(partial(write, *given, **named))

        return put_off

    # --- what is the same for every client --------------------------------------------------------

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = read()
        found: T = self._known[key]
        return found

    def get(self, key: str, default: Any = None) -> Any:
        return self._once(("get", key), lambda: self._journal.get(key, default))

    def approvals(self) -> Mapping[ServiceId, frozenset[str]]:
        return self._once("approvals", self._journal.approvals)

    def acted_on(self, day: date) -> set[ServiceId]:
        return self._once(("acted_on", day), lambda: self._journal.acted_on(day))

    def open_steps(self) -> list[JournalStep]:
        return self._once("open_steps", self._journal.open_steps)

    def records(
        self, *, client: ClientId | None = None, kind: RecordKind | None = None, open_only: bool = False
    ) -> list[Record]:
        def read() -> list[Record]:
            return self._journal.records(client=client, kind=kind, open_only=open_only)

        return read() if client is not None else self._once(("records", kind, open_only), read)


@contextmanager
def answering(
    bridge: Bridge, remembered: Remembered, writing: Journal, put_off: Callable[[Write], object]
) -> Iterator[Bridge]:
    """Yield a bridge for one handler; when it is done, what has to be written first is, and the rest is put off.

    Handlers here write and do not read what they wrote. Raises what the writing raises.
    """
    # In this order everywhere: whoever streams the mirror may look into the journal on its way.
    with bridge.mirror.moment(), bridge.journal.moment():
        journal = _LateJournal(bridge.journal, writing, remembered.of(bridge.journal.version()))
        yield Bridge(replace(bridge.ports, journal=cast(Journal, journal), _day=None))
    for write in journal.first:
        write()
    for write in journal.later:
        put_off(write)
