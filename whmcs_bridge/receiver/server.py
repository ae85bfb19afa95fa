"""The receiver as it runs: waitress in front, the worker behind, an orderly end."""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final, cast

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from whmcs_bridge.receiver.worker import Worker

LOOP_SECONDS: Final = 0.5
LINGER_SECONDS: Final = 5.0
"""Requests in hand are answered at the end, but not for longer than this."""
MOST_BYTES: Final = 1088 * 1024
"""A body over the limit is read up to here, so that its refusal can be signed; above all that `max_body_kib` takes."""

log = logging.getLogger("whmcs_bridge.receiver")


class _Refusal(ErrorTask):
    """What is no request at all is refused by waitress itself; it leaves a line in the log like all that is refused."""

    def execute(self) -> None:
        error = cast(Any, self.request).error
        log.warning("refused status=%d from=%s: %s", error.code, self.channel.addr[0], error.reason.lower())
        super().execute()


class _Channel(HTTPChannel):
    error_task_class = _Refusal


class _Dispatcher(ThreadedTaskDispatcher):
    """Leaves questions to the loop that has read them; gives everything else to the threads.

    Beside a thread that judges in the interpreter, every look into a database is a chance to lose it: answers side by
    side, or on a thread of their own, take twice the processor's time and all of them take longer. What is told waits
    for the disk and pages read a lot, so they stay out of the way.
    """

    def __init__(self, questions: Collection[str], threads: int) -> None:
        """`questions` are the paths that are answered by the loop."""
        super().__init__()
        self._questions = questions
        self.asked: deque[Any] = deque()
        self.set_thread_count(threads)

    def add_task(self, task: Any) -> None:
        """Take a channel with a request that was read."""
        request = task.requests[0]
        # A channel with much to send may have to wait for the loop.
        if not request.error and request.path in self._questions and not task.total_outbufs_len:
            self.asked.append(task)
        else:
            super().add_task(task)

    def answer(self) -> None:
        """Answer what was asked, in order; called by the loop."""
        while self.asked:
            channel = self.asked.popleft()
            try:
                channel.service()
            except Exception as error:  # one channel's trouble ends no loop
                log.error("trouble answering: unexpected %s", type(error).__name__)
                channel.cancel()


class Server:
    """A receiver that is being served; `url` is where."""

    def __init__(
        self,
        app: Flask,
        worker: Worker,
        host: str,
        port: int,
        *,
        threads: int,
        proxied: bool,
        questions: Collection[str] = (),
    ) -> None:
        """Listen; raises OSError. `proxied`: one proxy in front says in X-Forwarded-For who sends.

        `questions` are the paths on which WHMCS waits for an answer; on the others `threads` are served at once.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
        bound = listening.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        self.worker = worker
        behind: dict[str, Any] = {
            "trusted_proxy": "*",
            "trusted_proxy_count": 1,
            "trusted_proxy_headers": {"x-forwarded-for"},
        }
        self._dispatcher = _Dispatcher(questions, threads)
        self._server: Any = create_server(
            app,
            _dispatcher=self._dispatcher,
            sockets=[listening],
            ident=None,
            max_request_body_size=MOST_BYTES,
            channel_timeout=30,
            clear_untrusted_proxy_headers=True,
            **(behind if proxied else {}),
        )
        cast(Any, self._server).channel_class = _Channel
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="receiver")

    def start(self) -> None:
        self.worker.start()
        self._thread.start()

    def wait(self) -> None:
        """Block until `stop` is called from elsewhere, or a signal handler does."""
        while not self._stopping.wait(LOOP_SECONDS):
            if not self._thread.is_alive():
                return

    def stop(self) -> None:
        """Ask for the end; returns at once, and may be called from a signal handler."""
        self._stopping.set()

    def close(self) -> None:
        """Answer what is in hand, work off the portion in hand, and end. A second call does nothing."""
        self._stopping.set()
        with suppress(OSError):  # the loop may have ended by itself in between
            self._server.pull_trigger()
        if self._thread.is_alive():
            self._thread.join()
        self.worker.stop()

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loop(self) -> None:
        server = self._server
        while not self._stopping.is_set():
            self._turn(LOOP_SECONDS)
        deadline = time.monotonic() + LINGER_SECONDS
        while self._busy() and time.monotonic() < deadline:
            self._turn(0.05)
        server.task_dispatcher.shutdown(timeout=1)
        server.asyncore.close_all(server._map)

    def _turn(self, seconds: float) -> None:
        """Read and write whatever is ready within so many seconds, and answer what was asked."""
        self._server.asyncore.loop(timeout=seconds, map=self._server._map, count=1)
        self._dispatcher.answer()

    def _busy(self) -> bool:
        """A request is being answered, or its answer is not out yet."""
        dispatcher = self._dispatcher
        channels = list(self._server.active_channels.values())
        return bool(
            dispatcher.queue
            or dispatcher.asked
            or dispatcher.active_count
            or any(channel.total_outbufs_len or channel.requests for channel in channels)
        )
