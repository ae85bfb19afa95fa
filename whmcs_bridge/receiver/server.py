"""The receiver as it runs: waitress in front, the worker behind, an orderly end."""

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final, cast

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

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


class Server:
    """A receiver that is being served; `url` is where."""

    def __init__(self, app: Flask, worker: Worker, host: str, port: int, *, threads: int, proxied: bool) -> None:
        """Listen; raises OSError. `proxied`: one proxy in front says in X-Forwarded-For who sends."""
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
        self._server: Any = create_server(
            app,
            sockets=[listening],
            threads=threads,
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
        server, channels = self._server, self._server._map
        while not self._stopping.is_set():
            server.asyncore.loop(timeout=LOOP_SECONDS, map=channels, count=1)
        deadline = time.monotonic() + LINGER_SECONDS
        while self._busy() and time.monotonic() < deadline:
            server.asyncore.loop(timeout=0.05, map=channels, count=1)
        server.task_dispatcher.shutdown(timeout=1)
        server.asyncore.close_all(channels)

    def _busy(self) -> bool:
        """A request is being answered, or its answer is not out yet."""
        dispatcher = self._server.task_dispatcher
        channels = list(self._server.active_channels.values())
        return bool(
            dispatcher.queue
            or dispatcher.active_count
            or any(channel.total_outbufs_len or channel.requests for channel in channels)
        )
