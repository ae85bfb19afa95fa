"""Questions are answered by the loop that reads them: they wait for no thread, and keep their place on a connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.receiver.office import NOW, SECRET, Office, body_of, event, log_of, office
from whmcs_bridge.receiver.server import Server, _Dispatcher
from whmcs_bridge.receiver.signature import NONCE, SIGNATURE, reply_signature, signed

PATIENCE_SECONDS = 60.0


@contextmanager
def opened(threads: int) -> Iterator[tuple[Office, Server]]:
    """A receiver behind a socket, in this process."""
    with office() as here:
        here.receiver.settings = replace(here.receiver.settings, threads=threads)
        with here.receiver.server("127.0.0.1", 0) as server:
            yield here, server


def sent(server: Server, told: dict[str, Any]) -> requests.Response:
    headers = signed(SECRET, body := body_of(told), uuid4().hex, NOW)
    return requests.post(f"{server.url}/hooks/{told['point']}", data=body, headers=headers, timeout=PATIENCE_SECONDS)


def test_a_question_is_answered_while_all_threads_wait() -> None:
    """WHMCS's cron waits until all is settled, and asks in the meantime from elsewhere."""
    with opened(threads=1) as (here, server):
        waits, over = threading.Event(), threading.Event()

        def settle(seconds: float) -> bool:
            waits.set()
            return over.wait(PATIENCE_SECONDS)

        here.receiver.desk.settle = settle
        heard: list[Any] = []
        cron = threading.Thread(target=lambda: heard.append(sent(server, event("PreCronJob") | {"wait_seconds": 50})))
        cron.start()
        assert waits.wait(PATIENCE_SECONDS)
        reply = sent(server, event("PreModuleSuspend", serviceid=1))
        assert (reply.status_code, reply.json()["abort"], heard) == (200, True, [])
        over.set()
        cron.join(PATIENCE_SECONDS)
        assert heard[0].json()["settled"] is True


def request_of(told: dict[str, Any], nonce: str) -> bytes:
    body = body_of(told)
    words = signed(SECRET, body, nonce, NOW) | {"Host": "localhost", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in words.items())
    return f"POST /hooks/{told['point']} HTTP/1.1\r\n{head}\r\n".encode() + body


def replies(line: socket.socket, count: int) -> Iterator[tuple[int, str, bytes]]:
    """Status, signature and body of so many replies."""
    with line.makefile("rb") as file:
        for _ in range(count):
            status, words = int(file.readline().split()[1]), dict[str, str]()
            while head := file.readline().decode().strip():
                name, _, value = head.partition(": ")
                words[name.lower()] = value
            yield status, words[SIGNATURE.lower()], file.read(int(words["content-length"]))


@pytest.mark.parametrize("threads", [1, 4])
def test_what_comes_on_one_connection_is_answered_in_order(threads: int) -> None:
    """Questions by the loop, what is told by a thread."""
    with opened(threads) as (here, server):
        asked, told = event("PreModuleSuspend", serviceid=1), event("InvoicePaid", invoiceid=5)
        sequence = [asked, asked, told, asked, told, told, asked]
        nonces = [uuid4().hex for _ in sequence]
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as line:
            line.sendall(b"".join(request_of(one, nonce) for one, nonce in zip(sequence, nonces, strict=True)))
            heard = list(replies(line, len(sequence)))
        assert [status for status, _, _ in heard] == [200, 200, 202, 200, 202, 202, 200]
        for nonce, (status, signature, body) in zip(nonces, heard, strict=True):
            assert signature == reply_signature(SECRET, nonce, status, body)
        assert here.inbox == [told["id"]]


def test_a_reply_to_another_method_or_path_is_a_refusal() -> None:
    with opened(threads=1) as (_, server):
        for path, status in (("hooks/PreModuleSuspend", 405), ("gate", 401), ("hooks", 404), ("hooks/a/b", 404)):
            reply = requests.get(f"{server.url}/{path}", headers={NONCE: "a" * 32}, timeout=PATIENCE_SECONDS)
            assert (reply.status_code, SIGNATURE in reply.headers) == (status, False)
            assert reply.json()["error"]


class Broken:
    """A channel on which nothing goes right."""

    def __init__(self, trouble: type[Exception] | None) -> None:
        self.requests, self.total_outbufs_len, self.trouble = [self], 0, trouble
        self.error, self.path, self.done = None, "/hooks/PreModuleSuspend", ""

    def service(self) -> None:
        if self.trouble is not None:
            raise self.trouble("ana@example.com")
        self.done = "answered"

    def cancel(self) -> None:
        self.done = "cut"


def test_trouble_on_one_connection_is_one_line_and_the_others_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = _Dispatcher({"/hooks/PreModuleSuspend"}, 0)
    first, second = Broken(OSError), Broken(None)
    for channel in (first, second):
        dispatcher.add_task(channel)
    dispatcher.answer()
    assert (first.done, second.done) == ("cut", "answered")
    assert log_of(caplog) == "trouble answering: unexpected OSError"


def test_who_does_not_read_what_was_sent_is_left_to_a_thread() -> None:
    """To write more could mean to wait for the loop, which must not wait for itself."""
    dispatcher = _Dispatcher({"/hooks/PreModuleSuspend"}, 0)
    channel = Broken(None)
    channel.total_outbufs_len = 1
    dispatcher.add_task(channel)
    waiting: list[Any] = list(dispatcher.queue)
    assert (list(dispatcher.asked), waiting) == ([], [channel])
