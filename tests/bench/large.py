"""A plan over a large house's mirror, without network."""

import tempfile
from collections.abc import Iterator
from typing import Final

from tests.bench.machine import child
from tests.bench.model import Measure

SERVICES: Final = 1_000_000
RUNS: Final = 3


def plan_large() -> Iterator[Measure]:
    """1,000,000 services with 200,000 open invoices; the fastest of RUNS, the largest of their peaks."""
    with tempfile.TemporaryDirectory() as folder:
        book = child("tests.bench.large_book", folder, str(SERVICES))
        runs = [child("tests.bench.planner", folder) for _ in range(RUNS)]
    if not all(run["complete"] for run in runs):
        raise RuntimeError("the mirror counts as incomplete")
    detail = {
        "book": {name: count for name, count in book.items() if name != "seconds"},
        "writing_seconds": round(book["seconds"], 1),
        "all_seconds": [round(run["seconds"], 2) for run in runs],
        "steps": runs[0]["steps"],
        "withheld": runs[0]["withheld"],
    }
    yield Measure("plan_large", min(run["seconds"] for run in runs), "s", "<= 20", detail)
    yield Measure("plan_large_memory", max(run["mib"] for run in runs), "MiB", "<= 600", {"runs": RUNS})
