"""The book generator at the size of a large house."""

from collections.abc import Iterator

from tests.bench.machine import serving
from tests.bench.model import Measure


def book_100k() -> Iterator[Measure]:
    """100,000 clients with 12 months of history: how long it takes to make, how much memory it is served from."""
    with serving("100000", "0") as book:
        detail = {name: book[name] for name in ("clients", "services", "addons", "invoices", "open")}
    yield Measure("book_100k", book["seconds"], "s", "<= 60", detail)
    yield Measure("book_100k_memory", book["mib"], "MiB", "<= 2048")
