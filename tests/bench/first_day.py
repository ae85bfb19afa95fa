"""The first day of a large house, without network."""

import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.house import settings_file
from tests.bench.machine import child, run
from tests.bench.model import Measure

SERVICES: Final = 200_000
RUNS: Final = 3


def adopt_large() -> Iterator[Measure]:
    """`whmcs-bridge adopt --offline` over 200,000 services with 40,000 open invoices.

    The fastest of RUNS, from start to exit with its output thrown away, and the largest of their peaks.
    """
    with tempfile.TemporaryDirectory() as folder:
        book = child("tests.bench.large_book", folder, str(SERVICES))
        command = Path(sysconfig.get_path("scripts")) / "whmcs-bridge"
        words = [str(command), "adopt", "--offline", "--config", str(settings_file(Path(folder)))]
        runs = [run(words) for _ in range(RUNS)]
    detail = {
        "book": {name: count for name, count in book.items() if name != "seconds"},
        "all_seconds": [round(each.seconds, 2) for each in runs],
        "processor_seconds": [round(each.processor_seconds, 2) for each in runs],
    }
    yield Measure("adopt_large", min(each.seconds for each in runs), "s", "<= 60", detail)
    yield Measure("adopt_large_memory", max(each.peak_mib for each in runs), "MiB", "<= 600", {"runs": RUNS})
