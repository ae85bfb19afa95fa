"""Reading the book: how many calls, how long, how much memory."""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import requests

from tests.bench import worlds
from tests.bench.house import Following, settings
from tests.bench.machine import child, serving
from tests.bench.model import Measure
from whmcs_bridge.simulator.actions.base import Params
from whmcs_bridge.simulator.adapter import SimulatorAdapter
from whmcs_bridge.wiring import open_bridge

LATENCY_SECONDS: Final = 0.05
CONNECTIONS: Final = 4
PAGE_SIZE: Final = 250
SMALL_PAGE: Final = 25
HISTORY: Final = ("Paid", "Refunded")
APART: Final = ("getclientsdetails",)
"""Account credit, of clients with a harmful step due only."""
LARGE_CLIENTS: Final = 100_000


def calls() -> Iterator[Measure]:
    """A first sync and a second one of the unchanged book."""
    world = worlds.mid_sized()
    adapter = SimulatorAdapter(world)
    counted: Counter[str] = Counter()

    def count(action: str, parameters: Params) -> None:
        name = action.lower()
        past = name == "getinvoices" and parameters.text("status") in HISTORY
        counted[f"{name} history" if past else name] += 1

    adapter.front.on_call = count
    with open_bridge(settings(), adapter=adapter, clock=Following(world), in_memory=True) as bridge:
        report = bridge.sync()
        first = Counter(counted)
        counted.clear()
        bridge.sync()
    if not report.plan.complete:
        raise RuntimeError(f"the snapshot is incomplete: {report.problems}")
    counts = worlds.open_invoices(world)
    fewest = _fewest(len(world.clients), len(world.services), counts)
    ours = sum(n for name, n in first.items() if not name.endswith("history") and name not in APART)
    detail = {
        "calls": ours,
        "fewest": fewest,
        "history_calls": sum(n for name, n in first.items() if name.endswith("history")),
        "credit_calls": sum(first[name] for name in APART),
        "by_action": dict(first),
        "book": {"clients": len(world.clients), "services": len(world.services), "open_invoices": counts},
    }
    yield Measure("snapshot_calls", ours / fewest, "calls / fewest", "<= 1.02", detail)
    yield Measure(
        "snapshot_lines_again", counted["getinvoice"], "GetInvoice calls", "<= 0", {"by_action": dict(counted)}
    )


def _fewest(clients: int, services: int, open_invoices: Mapping[str, int], page_size: int = PAGE_SIZE) -> int:
    """Pages of clients, services and open invoices, and a call for each open invoice's lines."""
    lists = (clients, services, *(n for n in open_invoices.values() if n))
    return sum(math.ceil(rows / page_size) for rows in lists) + sum(open_invoices.values())


def wall() -> Iterator[Measure]:
    """A first snapshot over HTTP; then the same lists and invoices one call at a time, in small pages."""
    with serving("0", str(LATENCY_SECONDS * 1000)) as book, tempfile.TemporaryDirectory() as folder:
        ours = child("tests.bench.reader", book["url"], book["now"], folder)
        slow_seconds, slow_calls = _one_at_a_time(book["url"])
    if not ours["complete"]:
        raise RuntimeError(f"the snapshot is incomplete: {ours['problems']}")
    number = sum(ours["calls"].values())
    ideal = number * LATENCY_SECONDS / CONNECTIONS
    size = {"clients": book["clients"], "services": book["services"], "open_invoices": book["open"]}
    detail = {"seconds": round(ours["seconds"], 2), "calls": number, "ideal_seconds": round(ideal, 2), "book": size}
    yield Measure("snapshot_wall", ours["seconds"] / ideal, "wall / ideal", "<= 1.25", detail)
    gain = slow_seconds / ours["seconds"]
    detail = {"one_at_a_time_seconds": round(slow_seconds, 2), "calls": slow_calls, "page_size": SMALL_PAGE}
    yield Measure("snapshot_gain", gain, "times as fast", ">= 5", detail)


def _one_at_a_time(url: str) -> tuple[float, int]:
    """Read the same lists with a plain loop over one kept-alive connection; return seconds and calls."""
    asked = 0
    begun = time.perf_counter()
    with requests.Session() as session:

        def ask(action: str, **parameters: Any) -> Any:
            nonlocal asked
            asked += 1
            form = {
                "identifier": "simulator-identifier",
                "secret": "simulator-secret",
                "action": action,
                "responsetype": "json",
                **parameters,
            }
            return session.post(f"{url}includes/api.php", data=form, timeout=60).json()

        def whole(action: str, table: str, row: str, **parameters: Any) -> list[Any]:
            found: list[Any] = []
            while True:
                page = ask(action, limitstart=len(found), limitnum=SMALL_PAGE, **parameters)
                rows = page[table][row] if page.get(table) else []
                found += rows
                if not rows or len(found) >= int(page["totalresults"]):
                    return found

        for action in ("GetClientGroups", "GetProducts", "GetClientsAddons"):
            ask(action)
        whole("GetClients", "clients", "client")
        whole("GetClientsProducts", "products", "product")
        whole("GetCancelledPackages", "packages", "package")
        for status in worlds.OPEN:
            for head in whole("GetInvoices", "invoices", "invoice", status=status):
                ask("GetInvoice", invoiceid=head["id"])
        for status in HISTORY:
            whole("GetInvoices", "invoices", "invoice", status=status)
    return time.perf_counter() - begun, asked


def memory() -> Iterator[Measure]:
    """A first snapshot of a large book with a year of payment history; the reader's own peak, the server is apart."""
    with serving(str(LARGE_CLIENTS), "0") as book, tempfile.TemporaryDirectory() as folder:
        ours = child("tests.bench.reader", book["url"], book["now"], folder)
    if not ours["complete"]:
        raise RuntimeError(f"the snapshot is incomplete: {ours['problems']}")
    detail = {name: book[name] for name in ("clients", "services", "addons", "invoices", "open")} | {
        "seconds": round(ours["seconds"], 1),
        "calls": sum(ours["calls"].values()),
        "mib_before": round(ours["mib_before"]),
    }
    yield Measure("snapshot_memory", ours["mib"], "MiB", "<= 300", detail)
