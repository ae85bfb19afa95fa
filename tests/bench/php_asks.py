"""Questions as WHMCS asks them: by the hook file in real PHP, over a socket to `serve` or through the command line."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from tests.bench.asks import SERVICES, a_house, invoice_row, ms, percentiles, served, service_row
from tests.bench.large_book import client_of
from tests.bench.model import Measure
from tests.php.receiver import SECRET
from tests.php.whmcs import Whmcs, module_call, php_server

PAGES: Final = 30
"""Pages of WHMCS, a new PHP for each."""
ON_A_PAGE: Final = 10
COMMANDS: Final = 25
SERVICE: Final = 4_020
"""Up, and overdue."""
ASKED: Final = module_call("PreModuleSuspend", SERVICE, client_of(SERVICE))


def php_ask() -> Iterator[Measure]:
    """From the call of the hook to its answer: what WHMCS tells is read, signed, sent, answered and checked."""
    if _no_php():
        return
    with _whmcs() as (whmcs, folder), served(folder, SECRET) as receiver:
        whmcs.set(url=receiver.url)
        took = [seconds for _ in range(PAGES) for seconds in _asked(whmcs, ON_A_PAGE)]
        yield _measure("php_ask", took, "<= 30")


def command_ask() -> Iterator[Measure]:
    """The same without a daemon: each question starts a Python."""
    if _no_php():
        return
    with _compiled(), _whmcs() as (whmcs, folder):
        whmcs.set(
            transport="command",
            command=[sys.executable, "-P", "-m", "whmcs_bridge", "--config", str(folder / "bridge.toml")],
        )
        _asked(whmcs, 1)  # an installed program is compiled
        yield _measure("command_ask", [seconds for _ in range(COMMANDS) for seconds in _asked(whmcs, 1)], "")


def _measure(name: str, took: Sequence[float], target: str) -> Measure:
    p50, p99 = percentiles(took)
    return Measure(name, p50 * 1000, "ms", target, {"p99_ms": ms(p99), "asks": len(took), "services": SERVICES})


@contextmanager
def _compiled() -> Iterator[None]:
    """Let children keep what they compile, also where this process was told not to; nothing of it stays."""
    with tempfile.TemporaryDirectory() as name, patch.dict(os.environ, PYTHONPYCACHEPREFIX=name):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield


def _no_php() -> bool:
    if shutil.which("php") is not None:
        return False
    print("left out: it needs php (Debian: php-cli)", file=sys.stderr)
    return True


@contextmanager
def _whmcs() -> Iterator[tuple[Whmcs, Path]]:
    """A stand-in for WHMCS with the hook file in it, and the folder of a large house."""
    os.environ.update(BENCH_SECRET=SECRET, UNUSED="unused")
    with tempfile.TemporaryDirectory() as name, php_server() as port:
        folder = a_house(Path(name))
        whmcs = Whmcs.at(port, folder / "whmcs", "http://127.0.0.1:9")
        whmcs.job = {"local": _known()}
        yield whmcs, folder


def _known() -> dict[str, Any]:
    """What WHMCS's own API says of the client."""
    own = [number for number in range(SERVICE - 3, SERVICE + 4) if client_of(number) == client_of(SERVICE)]
    invoice = invoice_row(SERVICE)
    head = {"id": invoice["invoiceid"], "currencycode": "EUR"}
    some = {"result": "success", "totalresults": "1", "invoices": {"invoice": [head]}}
    return {
        "GetClientsProducts": {
            "result": "success",
            "totalresults": str(len(own)),
            "products": {"product": [service_row(number) for number in own]},
        },
        "GetClientsDetails": {
            "result": "success",
            "client": {"groupid": "0", "credit": "0.00", "currency_code": "EUR"},
        },
        "GetInvoices": {"": {"result": "success", "totalresults": "0", "invoices": ""}, "Unpaid": some},
        "GetInvoice": {"result": "success", **invoice},
    }


def _asked(whmcs: Whmcs, times: int) -> list[float]:
    """Open a page on which the question is asked so often; return how long each took."""
    page = whmcs.page(*[ASKED] * times)
    if whmcs.spool:
        raise RuntimeError(f"the bridge did not answer: {page.log}")
    found: list[float] = page.seen["seconds"]
    return found
