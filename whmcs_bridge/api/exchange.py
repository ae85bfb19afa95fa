"""One action there and back: sent, read, repeated where that is safe, counted."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Self, TypeVar

from requests.adapters import BaseAdapter

from whmcs_bridge.api.actions import Action, action_of
from whmcs_bridge.api.answer import Answer
from whmcs_bridge.api.encode import form_fields
from whmcs_bridge.api.paging import Listing
from whmcs_bridge.api.parse import Page, RawReader, Reader
from whmcs_bridge.api.reply import Reply, read_reply, warning_of
from whmcs_bridge.api.retry import retrying
from whmcs_bridge.api.transport import Credentials, Timeouts, Transport
from whmcs_bridge.errors import (
    BlockedByFirewall,
    IncompleteList,
    OutcomeUnknown,
    Unavailable,
    UnreadableReply,
    WhmcsError,
)

T = TypeVar("T")
K = TypeVar("K")

_log = logging.getLogger(__name__)


class Exchange:
    """Calls to one WHMCS over a few connections. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        identifier: str,
        secret: str,
        access_key: str | None = None,
        *,
        connections: int = 4,
        page_size: int = 250,
        adapter: BaseAdapter | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeouts: Timeouts | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        """Open nothing yet. Raises WrongAddress for a `url` that is none.

        `connections` pages or invoices are read side by side; `page_size` rows make a page. `adapter` replaces the
        network (the simulator), `sleep` the waiting between attempts. `ca_bundle` is the path of a file with the
        house's own certificate authorities.
        """
        self._credentials = Credentials(identifier, secret, access_key)
        self._transport = Transport(
            url, self._credentials, timeouts=timeouts or Timeouts(), adapter=adapter, ca_bundle=ca_bundle
        )
        self._reading = retrying(reads=True, sleep=sleep)
        self._writing = retrying(reads=False, sleep=sleep)
        self.connections = max(1, connections)
        self.page_size = max(1, page_size)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_of = 0
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._seconds = 0.0
        self._warnings: list[tuple[str, str]] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and end the workers."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._pool_of == os.getpid():
            pool.shutdown(wait=True, cancel_futures=True)
        self._transport.close()

    def mount(self, adapter: BaseAdapter) -> None:
        """Send everything through `adapter` from now on, such as the simulator's."""
        self._transport.mount(adapter)

    # --- what was done --------------------------------------------------------------------------

    @property
    def calls(self) -> Mapping[str, int]:
        """Requests sent so far by action, repeated ones included."""
        with self._lock:
            return dict(self._calls)

    @property
    def seconds(self) -> float:
        """Time spent waiting for answers, added up over all connections."""
        with self._lock:
            return self._seconds

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """(action, text) of every `warning` WHMCS put into a reply, oldest first."""
        with self._lock:
            return tuple(self._warnings)

    # --- calling --------------------------------------------------------------------------------

    def call(self, action: str, /, **params: object) -> Reply:
        """Run any action of WHMCS's API and return its reply as decoded JSON.

        Python values become what PHP expects (facts sheet section 3). Reads are repeated on network trouble, writes
        only if they provably never arrived. Raises WhmcsError; a write whose answer is lost or unreadable raises
        OutcomeUnknown. A `warning` in the reply is kept in `warnings`.
        """
        known = action_of(action)
        reply: Reply = self._send(known, params, lambda answer: self._reply(known, answer))
        return reply

    def listing(self, action: str, /, **params: object) -> Listing[Reply]:
        """Read all pages of a list action as decoded JSON. Raises ValueError for an action that gives no list."""
        reader = RawReader(action)
        return self._listing(reader, {**reader.shape.order, **params}, what=action)

    def _one(self, reader: Reader[T], params: Mapping[str, object]) -> T:
        return self._send(reader.action, params, lambda answer: self._read(reader, answer))

    def _whole(self, reader: Reader[Page[T]], **params: object) -> list[T]:
        """Read a list that WHMCS gives in one piece. Raises IncompleteList where its own count says more."""
        page = self._one(reader, params)
        if page.total is not None and page.total != len(page.rows):
            page = self._one(reader, params)
        if page.total is not None and page.total != len(page.rows):
            raise IncompleteList(
                f"{reader.action.name}: {len(page.rows)} rows came where WHMCS counts {page.total}, twice in a row"
            )
        return list(page.rows)

    def _listing(
        self,
        reader: Reader[Page[T]],
        params: Mapping[str, object],
        *,
        what: str,
        keep: Callable[[T], bool] | None = None,
        page_size: int | None = None,
    ) -> Listing[T]:
        def fetch(start: int, rows: int) -> Page[T]:
            return self._one(reader, {**params, "limitstart": start, "limitnum": rows})

        return Listing(
            fetch,
            self._workers(),
            what=what,
            page_size=page_size or self.page_size,
            ahead=2 * self.connections,
            ordered=params.get("orderby") == "id",
            keep=keep,
        )

    def _side_by_side(self, keys: Iterable[K], work: Callable[[K], T]) -> Iterator[tuple[K, T | WhmcsError]]:
        """Yield `work` of every key as it comes, an error in place of a value; a few keys ahead at a time."""
        pool, waiting, todo = self._workers(), dict[Future[T], K](), iter(keys)
        try:
            while True:
                for key in todo:
                    waiting[pool.submit(work, key)] = key
                    if len(waiting) >= 2 * self.connections:
                        break
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    outcome: T | WhmcsError = _outcome(future)
                    yield waiting.pop(future), outcome
        finally:
            for future in waiting:
                future.cancel()

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pool_of != os.getpid():  # a forked child has the pool but no threads
                self._pool, self._pool_of = ThreadPoolExecutor(self.connections, "whmcs"), os.getpid()
            return self._pool

    # --- one request ----------------------------------------------------------------------------

    def _send(self, action: Action, params: Mapping[str, object], read: Callable[[Answer], T]) -> T:
        fields = form_fields(params)
        loop = self._reading if action.reads else self._writing
        value: T = loop(self._attempt, action, fields, read)
        return value

    def _attempt(self, action: Action, fields: list[tuple[str, str]], read: Callable[[Answer], T]) -> T:
        started = time.perf_counter()
        try:
            answer = self._transport.post(action.name, fields, slow=action.slow, reads=action.reads)
        finally:
            self._count(action, time.perf_counter() - started)
        try:
            return read(answer)
        except BlockedByFirewall:
            self._transport.drop_connections()
            raise
        except (UnreadableReply, Unavailable) as error:
            if action.reads or answer.status == 429:
                raise
            unknown = OutcomeUnknown(f"{error}; {action.name} may have been carried out: read it back")
        raise unknown

    def _read(self, reader: Reader[T], answer: Answer) -> T:
        value = reader.fast(answer.body) if answer.status == 200 else None
        return value if value is not None else reader.tolerant(self._reply(reader.action, answer))

    def _reply(self, action: Action, answer: Answer) -> Reply:
        reply = read_reply(action, answer, self._credentials.scrub)
        warning = warning_of(reply)
        if warning:
            with self._lock:
                self._warnings.append((action.name, self._credentials.scrub(warning)))
        return reply

    def _count(self, action: Action, seconds: float) -> None:
        with self._lock:
            self._calls[action.name] += 1
            self._seconds += seconds
        _log.debug("call action=%s seconds=%.3f", action.name, seconds)


def _outcome(future: "Future[K]") -> K | WhmcsError:
    try:
        return future.result()
    except WhmcsError as error:
        return error
