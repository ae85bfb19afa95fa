"""Questions of WHMCS's hooks, asked of `serve` over loopback, beside a Flask application that only echoes."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from uuid import uuid4

from tests.bench.house import settings_file
from tests.bench.large_book import GATEWAYS, PRODUCTS, TODAY, client_of, due_of, invoice_of
from tests.bench.machine import child
from tests.bench.model import Measure
from whmcs_bridge.receiver.signature import signed

SERVICES: Final = 100_000
ASKS: Final = 2_000
ALONE: Final = 300
SIDE_BY_SIDE: Final = 8
THREADS: Final = 8
REPEATS: Final = 5
SECRET: Final = b"a secret of the benchmark"
POINTS: Final = ("PreModuleSuspend", "PreModuleTerminate", "PreModuleUnsuspend")
"""The first only about services that owe: others are not suspended."""
LINE: Final = {"description": "Hosting for a month"}


def ask_latency() -> Iterator[Measure]:
    """2,000 signed questions at 8 side by side, a connection each, over a mirror of 100,000 services.

    Echo and receiver take turns, REPEATS times; of what one is over the other the median counts.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = a_house(Path(name))
        with _process("tests.bench.echo", str(THREADS)) as echo, served(folder) as receiver:
            bodies = questions()
            turns = [(_turn(echo, bodies), _turn(receiver, bodies)) for _ in range(REPEATS)]
    yield from _measures(turns)


@dataclass(frozen=True, slots=True)
class Turn:
    """How one of them did, in seconds."""

    p50: float
    p99: float
    alone: float
    """p50 of one at a time."""
    processor: float
    """Processor time of an answer, 8 side by side."""


def _turn(listener: "Listener", bodies: Sequence[tuple[str, bytes]]) -> Turn:
    before = listener.processor_seconds()
    p50, p99 = percentiles(_crowd(listener.url, bodies, SIDE_BY_SIDE))
    used = listener.processor_seconds() - before
    alone, _ = percentiles(_crowd(listener.url, bodies[:ALONE], 1))
    return Turn(p50, p99, alone, used / len(bodies))


def a_house(folder: Path) -> Path:
    """Make a house of 100,000 services with hooks there; return the folder."""
    child("tests.bench.large_book", str(folder), str(SERVICES))
    with settings_file(folder).open("a") as file:
        file.write(f'[hooks]\nsecret = "env:BENCH_SECRET"\nlisten = "127.0.0.1:0"\nthreads = {THREADS}\n')
    return folder


def _measures(turns: Sequence[tuple[Turn, Turn]]) -> Iterator[Measure]:
    for name, what, target in (
        ("ask_latency_p50", attrgetter("p50"), "<= 3"),
        ("ask_latency_p99", attrgetter("p99"), "<= 5"),
        ("ask_processor", attrgetter("processor"), ""),
    ):
        ours, theirs = median(what(asks) for _, asks in turns), median(what(echo) for echo, _ in turns)
        times = median(what(asks) / what(echo) for echo, asks in turns)
        detail = {"ms": ms(ours), "echo_ms": ms(theirs), "asks": ASKS, "side_by_side": SIDE_BY_SIDE}
        yield Measure(name, times, "x", target, detail)
    alone, echoed = median(asks.alone for _, asks in turns), median(echo.alone for echo, _ in turns)
    yield Measure("ask_latency_alone", alone * 1000, "ms", "<= 3", {"asks": ALONE, "echo_ms": ms(echoed)})


def ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(seconds, n=100)
    return cuts[49], cuts[98]


# --- what is asked --------------------------------------------------------------------------------


def questions() -> list[tuple[str, bytes]]:
    """One in three is about a service that is overdue: what asks about it weighs the most."""
    every = [1 + turn * (SERVICES // ASKS - 1) for turn in range(ASKS)]
    return [question(number if turn % 3 else number - number % 20 + 20) for turn, number in enumerate(every)]


def question(service: int) -> tuple[str, bytes]:
    """A question with the client's whole position, as the file in WHMCS sends it."""
    client, due = client_of(service), due_of(service)
    owing = due is not None and due < TODAY
    point = POINTS[service % 3 if owing else min(service % 3, 1) + 1]
    own = [number for number in range(max(1, service - 3), service + 4) if client_of(number) == client]
    facts = {
        "client": str(client),
        "group": {"id": "0"},
        "credit": "0.00",
        "currency": "EUR",
        "services": [service_row(number) for number in own],
        "invoices": [invoice_row(number) for number in own if due_of(number) is not None],
    }
    told = {
        "v": 1,
        "id": uuid4().hex,
        "point": point,
        "at": f"{TODAY}T09:00:00+00:00",
        "actor": "cron",
        "who": "",
        "vars": {"params": {"serviceid": str(service), "userid": str(client)}},
        "facts": facts,
    }
    return point, json.dumps(told).encode()


def service_row(number: int) -> dict[str, str]:
    name, _, _, price = PRODUCTS[number % len(PRODUCTS)]
    due = due_of(number)
    down = due is not None and (TODAY - due).days >= 20
    return {
        "id": str(number),
        "clientid": str(client_of(number)),
        "pid": str(number % len(PRODUCTS) + 1),
        "regdate": "2020-01-01",
        "name": name,
        "groupname": "Hosting",
        "domain": f"site{number}.example.net",
        "serverid": "1",
        "servername": "web1",
        "username": f"site{number}",
        "paymentmethod": GATEWAYS[number % len(GATEWAYS)],
        "recurringamount": str(price),
        "billingcycle": "Monthly",
        "nextduedate": str(due or TODAY),
        "status": "Suspended" if down else "Active",
        "suspensionreason": f"Overdue: invoice {invoice_of(number)} [whmcs-bridge]" if down else "",
        "overideautosuspend": "0",
        "overidesuspenduntil": "0000-00-00",
        "dedicatedip": "",
        "bwusage": "120",
        "bwlimit": "0",
    }


def invoice_row(number: int) -> dict[str, Any]:
    amount = str(PRODUCTS[number % len(PRODUCTS)][3])
    return {
        "invoiceid": str(invoice_of(number)),
        "userid": str(client_of(number)),
        "date": "2025-01-01",
        "duedate": str(due_of(number)),
        "datepaid": "0000-00-00 00:00:00",
        "invoicenum": "",
        "subtotal": amount,
        "credit": "0.00",
        "tax": "0.00",
        "tax2": "0.00",
        "total": amount,
        "balance": amount,
        "status": "Unpaid",
        "paymentmethod": GATEWAYS[number % len(GATEWAYS)],
        "currencycode": "EUR",
        "items": {
            "item": [
                {"id": str(number), "type": "Hosting", "relid": str(number), "amount": amount, "taxed": "0"} | LINE
            ]
        },
    }


# --- asking ---------------------------------------------------------------------------------------


def _crowd(url: str, bodies: Sequence[tuple[str, bytes]], side_by_side: int) -> list[float]:
    """Ask everything, so many at a time; return how long each answer took, connection included."""
    host, _, port = url.removeprefix("http://").partition(":")
    waiting, took = iter(bodies), list[float]()
    lock = threading.Lock()

    def ask() -> None:
        while True:
            with lock:
                one = next(waiting, None)
            if one is None:
                return
            request = _request(*one)
            begun = time.perf_counter()
            answer = _exchange((host, int(port)), request)
            seconds = time.perf_counter() - begun
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:200].decode(errors="replace"))
            took.append(seconds)

    askers = [threading.Thread(target=ask) for _ in range(side_by_side)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    if len(took) != len(bodies):
        raise RuntimeError(f"{len(bodies) - len(took)} questions were not answered")
    return took


def _request(point: str, body: bytes) -> bytes:
    headers = signed(SECRET, body, uuid4().hex, time.time()) | {
        "Host": "localhost",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /hooks/{point} HTTP/1.1\r\n{head}\r\n".encode() + body


def _exchange(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address) as line:
        line.sendall(request)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
        return b"".join(parts)


# --- who is asked -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that answers."""

    url: str
    number: int

    def processor_seconds(self) -> float:
        """What it has used so far, of all its threads (proc(5)), in steps of 10 ms."""
        words = Path(f"/proc/{self.number}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[Listener]:
    with _listening([sys.executable, "-m", module, *arguments], os.environ.copy()) as listener:
        yield listener


@contextmanager
def served(folder: Path, secret: str = SECRET.decode()) -> Iterator[Listener]:
    """`serve` for the house there."""
    config = str(folder / "bridge.toml")
    command = [sys.executable, "-m", "whmcs_bridge", "--config", config, "serve", "--json"]
    environment = os.environ | {"BENCH_SECRET": secret, "UNUSED": "unused"}
    with _listening(command, environment) as listener:
        yield listener


@contextmanager
def _listening(command: list[str], environment: dict[str, str]) -> Iterator[Listener]:
    """A process that prints its address when it is ready."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Listener(str(json.loads(process.stdout.readline())["url"]), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
