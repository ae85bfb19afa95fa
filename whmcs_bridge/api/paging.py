"""Whole lists out of limitstart/limitnum: side by side, streamed, and never short without saying so.

WHMCS has no cursor: rows shift when the book changes between two pages. So each page asks for one row more than
the step to the next, and two neighbours must share a row. Each reply is a gap-free stretch of the list; stretches
that share a row leave no gap between them, so a chain of them from the first row to the end has everything that was
there all along. A broken link is bridged by reading across it. What the chain cannot see (a reply that skips a row
without being short, a row that moves) shows in the count against `totalresults`, and is read again.
"""

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from whmcs_bridge.api.parse import Page
from whmcs_bridge.errors import AccessRefused, IncompleteList, WhmcsError
from whmcs_bridge.ports import SweepEnd

T = TypeVar("T")

MAX_ROUNDS = 3
"""How often a list whose count does not come out is read again."""
MAX_FAILED_PAGES = 3
"""After so many unreadable pages the rest is not asked for."""
_MIN_CAP = 2
"""With one row a page no two pages could share one."""


@dataclass(frozen=True, slots=True)
class SweepResult(SweepEnd):
    """How the reading of a whole list went. `complete`: every row that was there throughout was handed out."""

    total: int = 0
    """WHMCS's own count when the reading ended."""
    calls: int = 0


class Listing(Generic[T]):
    """A whole list, handed out page by page in WHMCS's order; every row once.

    Iterate once; memory holds a few pages, whatever the length. A first page that cannot be read raises its error;
    a later one is told in `end`, which is there when the pages are exhausted.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Page[T]],
        executor: Executor,
        *,
        what: str,
        page_size: int,
        ahead: int,
        ordered: bool,
        keep: Callable[[T], bool] | None = None,
    ) -> None:
        """`fetch(limitstart, limitnum)` reads one page; `ahead` pages are asked for at a time.

        `ordered` says that WHMCS was asked to order by id; whether it did is checked.
        `what` names the list in messages. `keep` checks a row against the filter that was asked for, because
        servers ignore parameters they do not know; rows that fail it are dropped and reported.
        """
        self._sweep = _Sweep(fetch, executor, what, page_size, ahead, ordered)
        self._keep = keep
        self._what = what
        self._pages: Iterator[Sequence[T]] = self._filtered()
        self._end: SweepResult | None = None

    def __iter__(self) -> Iterator[Sequence[T]]:
        return self._pages

    @property
    def end(self) -> SweepResult:
        """How it went. Raises RuntimeError while pages are left."""
        if self._end is None:
            raise RuntimeError(f"{self._what}: not read to its end yet")
        return self._end

    result = end

    def everything(self) -> list[T]:
        """Return all rows; for short lists. Raises IncompleteList when the list is not certainly whole."""
        rows = [row for page in self._pages for row in page]
        if not self.end.complete:
            raise IncompleteList("; ".join(self.end.problems) or f"{self._what}: not certainly whole; read it again")
        return rows

    def _filtered(self) -> Iterator[Sequence[T]]:
        handed, foreign = 0, 0
        for page in self._sweep.pages():
            rows = page if self._keep is None else [row for row in page if self._keep(row)]
            foreign += len(page) - len(rows)
            handed += len(rows)
            if rows:
                yield rows
        sweep = self._sweep
        if foreign:
            sweep.problems.append(
                f"{self._what}: WHMCS ignored the filter; {foreign} rows that do not fit were dropped"
            )
        self._end = SweepResult(
            complete=sweep.complete,
            rows=handed,
            problems=tuple(dict.fromkeys(sweep.problems)),
            total=sweep.total or 0,
            calls=sweep.calls,
        )


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    """One page as it came, with the place it was asked for."""

    offset: int
    limit: int
    page: Page[T]
    ids: frozenset[int]

    @property
    def end(self) -> int:
        return self.offset + len(self.page.ids)

    @property
    def reaches_end(self) -> bool:
        return self.page.total is not None and self.end >= self.page.total

    @property
    def fault(self) -> str:
        """What is wrong with this reply in itself, "" if nothing."""
        rows, total = len(self.page.ids), self.page.total
        if len(self.ids) != rows:
            return "repeats rows"
        if total is None:
            returned = self.page.returned
            return "" if returned is None or returned == rows else f"says {returned} rows and has {rows}"
        left = max(0, total - self.offset)
        if rows < min(self.limit, left):
            return f"has {rows} rows where {min(self.limit, left)} of {total} were due"
        return f"has {rows} rows where only {left} of {total} are left" if rows > left else ""


class _Sweep(Generic[T]):
    """The state of one reading; all but `_fetch` runs in the consumer's thread."""

    def __init__(
        self,
        fetch: Callable[[int, int], Page[T]],
        executor: Executor,
        what: str,
        page_size: int,
        ahead: int,
        ordered: bool,
    ) -> None:
        self._ask = fetch
        self._executor = executor
        self._what = what
        self._limit = page_size + 1
        self._ahead = max(1, ahead)
        self._lock = threading.Lock()
        self.calls = 0
        self.total: int | None = None
        self.complete = False
        self.problems: list[str] = []
        self._seen = _IdSet()
        self._readings: dict[int, tuple[array[int], int | None]] = {}
        """Offset -> ids and total of its latest reading."""
        self._ascending = self._descending = ordered
        self._broken = False
        self._failed = 0
        self._fresh = 0
        """New rows in the page taken last."""
        self._stale_pages = 0
        """Pages in a row that brought nothing new."""

    # --- reading --------------------------------------------------------------------------------

    def pages(self) -> Iterator[list[T]]:
        """Yield the new rows of each page, then settle what does not come out."""
        waiting: deque[tuple[int, Future[_Reading[T]]]] = deque()
        try:
            yield from self._run(waiting)
        finally:
            for _, future in waiting:
                future.cancel()

    def _run(self, waiting: deque[tuple[int, Future[_Reading[T]]]]) -> Iterator[list[T]]:
        here = self._first()
        ended = here.reaches_end
        yield self._take(here)
        planned = 0
        while not self._given_up:
            planned = self._plan(waiting, planned, here, ended)
            if not waiting:
                break
            offset, future = waiting.popleft()
            reading = self._result(offset, future)
            if reading is None or (ended and not reading.ids):
                continue
            yield from self._link(here, reading)
            yield self._take(reading)
            ended = reading.reaches_end
            if reading.ids:
                here = reading
        if not self._broken and not self._given_up:
            yield from self._settle()

    @property
    def _given_up(self) -> bool:
        return self._failed >= MAX_FAILED_PAGES

    def _plan(
        self, waiting: deque[tuple[int, Future[_Reading[T]]]], planned: int, here: _Reading[T], ended: bool
    ) -> int:
        """Ask for the next pages; return the offset of the last one asked for."""
        if self.total is None:
            # Without a count, nothing but a page that brings only the shared row proves the end.
            if not waiting and self._fresh:
                planned = here.end - 1
                waiting.append((planned, self._submit(planned)))
            return planned
        step = self._limit - 1
        while len(waiting) < self._ahead and planned + step + 1 < self.total:
            planned += step
            waiting.append((planned, self._submit(planned)))
        if not waiting and not ended and not self._broken:
            # The list shrank while it was read: the last page did not see its end.
            planned = here.end - 1
            waiting.append((planned, self._submit(planned)))
        return planned

    def _first(self) -> _Reading[T]:
        """Read the first page; learn how many rows a page this server really gives."""
        reading = self._fetch(0)
        if not reading.fault:
            return self._widened(reading)
        again = self._fetch(0)
        if not again.fault:
            return self._widened(again)
        rows = len(again.page.ids)
        if _MIN_CAP <= rows < self._limit and again.page.ids == reading.page.ids and len(again.ids) == rows:
            self._limit = rows
            capped = self._fetch(0)
            if not capped.fault:
                return capped
            again = capped
        self._spoil(0, again.fault)
        return again

    def _widened(self, reading: _Reading[T]) -> _Reading[T]:
        """A server that gives more than asked for gives its own page size."""
        self._limit = max(self._limit, len(reading.page.ids))
        return reading

    def _fetch(self, offset: int) -> _Reading[T]:
        with self._lock:
            self.calls += 1
            limit = self._limit
        page = self._ask(offset, limit)
        with self._lock:
            if page.total is not None:
                self.total = page.total
        return _Reading(offset, limit, page, frozenset(page.ids))

    def _submit(self, offset: int) -> "Future[_Reading[T]]":
        return self._executor.submit(self._fetch, offset)

    def _result(self, offset: int, future: "Future[_Reading[T]]") -> _Reading[T] | None:
        """Return a sound reading of this page, or None after noting what went wrong."""
        try:
            reading = future.result()
            if reading.fault:
                reading = self._fetch(offset)
        except WhmcsError as error:
            self._failed += MAX_FAILED_PAGES if isinstance(error, AccessRefused) else 1
            self._break(f"page at {offset}: {error}")
            return None
        if reading.fault:
            self._spoil(offset, reading.fault)
        return reading

    def _spoil(self, offset: int, fault: str) -> None:
        self._failed += 1
        self._break(f"page at {offset} {fault}, twice in a row")

    # --- taking and linking ---------------------------------------------------------------------

    def _take(self, reading: _Reading[T]) -> list[T]:
        """Return the rows not handed out yet; remember what this page promised."""
        ids = reading.page.ids
        self._readings[reading.offset] = (array("q", ids), reading.page.total)
        self._ascending = self._ascending and all(a < b for a, b in pairwise(ids))
        self._descending = self._descending and all(a > b for a, b in pairwise(ids))
        rows = self._new_rows(reading)
        self._fresh = len(rows)
        return rows

    def _link(self, here: _Reading[T], reading: _Reading[T]) -> Iterator[list[T]]:
        """Make sure nothing lies between two neighbours; read across the border where they share no row."""
        if self._broken:
            return
        if not here.ids.isdisjoint(reading.ids):
            self._notice_repetition(reading)
            return
        if self.total is None:
            self._break(f"the page at {reading.offset} does not go on where the one before it ended")
            return
        known = set(here.ids)
        for back in (self._limit // 2, self._limit - 1, 0):
            bridge = self._across(max(0, reading.offset - back))
            if bridge is None or known.isdisjoint(bridge.ids):
                continue
            known |= bridge.ids
            yield self._new_rows(bridge)
            if (reading.ids and not known.isdisjoint(reading.ids)) or (not reading.ids and bridge.reaches_end):
                return
        self._break(f"rows shifted by more than a page around {reading.offset}; read it again")

    def _notice_repetition(self, reading: _Reading[T]) -> None:
        """A server that does not know limitstart gives its first page for ever."""
        nothing_new = len(reading.ids) > 1 and all(number in self._seen for number in reading.ids)
        self._stale_pages = self._stale_pages + 1 if nothing_new else 0
        if self._stale_pages > 1:
            self._break("WHMCS gives the same rows again and again: it ignores limitstart")
            self._failed = MAX_FAILED_PAGES

    def _break(self, problem: str) -> None:
        self._broken = True
        self.problems.append(f"{self._what}: {problem}")

    def _across(self, offset: int) -> _Reading[T] | None:
        try:
            bridge = self._fetch(offset)
        except WhmcsError:
            return None
        return None if bridge.fault else bridge

    def _new_rows(self, reading: _Reading[T]) -> list[T]:
        add = self._seen.add
        return [row for id_, row in zip(reading.page.ids, reading.page.rows, strict=True) if add(id_)]

    # --- settling -------------------------------------------------------------------------------

    def _settle(self) -> Iterator[list[T]]:
        """Compare with WHMCS's count; read again what does not come out, a few times."""
        if self.total is None:
            self.complete = self._seen.size > 0
            if not self.complete:
                self._break("an empty list without a count proves nothing")
            return
        for round_ in range(MAX_ROUNDS):
            if self._settled():
                break
            yield from self._read_again(self._doubtful(round_))
            yield from self._tail()
            if self._broken:
                return
        self.complete = self._settled()
        if not self.complete:
            self._break(
                f"{self._seen.size} rows came where WHMCS counts {self.total}, also after reading again; "
                "nothing harmful may follow from this list"
            )

    def _settled(self) -> bool:
        """No page promised more rows than came; and without an order by id, all pages are of one count.

        Rows in the order of their ids cannot move, so there the chain is the proof. In any other order a row may
        move to where we have been, while one that we have seen goes away and makes the count fit: so there only
        rows that are still in their pages count.
        """
        counts = {said for _, said in self._readings.values()}
        if self.total is None or any(said is None or said > self._seen.size for said in counts | {self.total}):
            return False
        if self._ascending or self._descending:
            return True
        return counts == {self.total} and self._standing() >= self.total

    def _standing(self) -> int:
        return len({number for ids, _ in self._readings.values() for number in ids})

    def _doubtful(self, round_: int) -> list[int]:
        """Both ends first, where new rows appear; then pages read under another count; then everything."""
        offsets = sorted(self._readings)
        if round_ == 0:
            return sorted({offsets[0], offsets[-1]})
        stale = [offset for offset in offsets if self._readings[offset][1] != self.total]
        return stale if stale and round_ < MAX_ROUNDS - 1 else offsets

    def _read_again(self, offsets: list[int]) -> Iterator[list[T]]:
        for start in range(0, len(offsets), self._ahead):
            batch = [(offset, self._submit(offset)) for offset in offsets[start : start + self._ahead]]
            for offset, future in batch:
                reading = self._result(offset, future)
                if reading is None or self._broken:
                    return
                yield self._take(reading)

    def _tail(self) -> Iterator[list[T]]:
        """The list may have grown behind the last page."""
        while not self._broken:
            offset = max(self._readings)
            following = offset + self._limit - 1
            if len(self._readings[offset][0]) < self._limit or following + 1 >= (self.total or 0):
                return
            yield from self._read_again([following])
            if not self._fresh:
                return


class _IdSet:
    """Numbers seen so far, a bit each: a million invoices in a few hundred kilobytes."""

    _BITS = 4096

    def __init__(self) -> None:
        self.size = 0
        self._chunks: dict[int, bytearray] = {}

    def __contains__(self, number: int) -> bool:
        index, bit = divmod(number, self._BITS)
        chunk = self._chunks.get(index)
        return chunk is not None and bool(chunk[bit >> 3] & (1 << (bit & 7)))

    def add(self, number: int) -> bool:
        """Return whether `number` is new, and remember it."""
        index, bit = divmod(number, self._BITS)
        chunk = self._chunks.get(index)
        if chunk is None:
            chunk = self._chunks[index] = bytearray(self._BITS // 8)
        byte, mask = bit >> 3, 1 << (bit & 7)
        if chunk[byte] & mask:
            return False
        chunk[byte] |= mask
        self.size += 1
        return True
