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
from pathlib import Path
from statistics import quantiles
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
REPEATS: Final = 3
SECRET: Final = b"a secret of the benchmark"
POINTS: Final = ("PreModuleSuspend", "PreModuleTerminate", "PreModuleUnsuspend")
"""The first only about services that owe: others are not suspended."""
LINE: Final = {"description": "Hosting for a month"}


def ask_latency() -> Iterator[Measure]:
    """2,000 signed questions at 8 side by side, a connection each, over a mirror of 100,000 services.

    Echo and receiver take turns; of each the best of REPEATS counts.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = a_house(Path(name))
        with _process("tests.bench.echo", str(THREADS)) as echo, served(folder) as receiver:
            bodies = questions()
            crowds: dict[str, list[tuple[float, float]]] = {"echo": [], "asks": []}
            single: dict[str, list[tuple[float, float]]] = {"echo": [], "asks": []}
            for _ in range(REPEATS):
                for which, url in (("echo", echo), ("asks", receiver)):
                    crowds[which].append(percentiles(_crowd(url, bodies, SIDE_BY_SIDE)))
                    single[which].append(percentiles(_crowd(url, bodies[:ALONE], 1)))
    yield from _measures(crowds, single)


def a_house(folder: Path) -> Path:
    """Make a house of 100,000 services with hooks there; return the folder."""
    child("tests.bench.large_book", str(folder), str(SERVICES))
    with settings_file(folder).open("a") as file:
        file.write(f'[hooks]\nsecret = "env:BENCH_SECRET"\nlisten = "127.0.0.1:0"\nthreads = {THREADS}\n')
    return folder


def _measures(
    crowds: dict[str, list[tuple[float, float]]], single: dict[str, list[tuple[float, float]]]
) -> Iterator[Measure]:
    best = {which: (min(p50 for p50, _ in runs), min(p99 for _, p99 in runs)) for which, runs in crowds.items()}
    for place, percent, target in ((0, "p50", "<= 3"), (1, "p99", "<= 5")):
        ours, theirs = best["asks"][place], best["echo"][place]
        detail = {"ms": ms(ours), "echo_ms": ms(theirs), "asks": ASKS, "side_by_side": SIDE_BY_SIDE}
        yield Measure(f"ask_latency_{percent}", ours / theirs, "x", target, detail)
    alone, echoed = min(p50 for p50, _ in single["asks"]), min(p50 for p50, _ in single["echo"])
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


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[str]:
    with _listening([sys.executable, "-m", module, *arguments], os.environ.copy()) as url:
        yield url


@contextmanager
def served(folder: Path, secret: str = SECRET.decode()) -> Iterator[str]:
    """`serve` for the house there; yield its address."""
    config = str(folder / "bridge.toml")
    command = [sys.executable, "-m", "whmcs_bridge", "--config", config, "serve", "--json"]
    environment = os.environ | {"BENCH_SECRET": secret, "UNUSED": "unused"}
    with _listening(command, environment) as url:
        yield url


@contextmanager
def _listening(command: list[str], environment: dict[str, str]) -> Iterator[str]:
    """A process that prints its address when it is ready."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.send_signal(signal.SIGTERM)
