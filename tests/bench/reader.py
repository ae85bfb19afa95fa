"""A child process that reads a served book into a mirror: `python -m tests.bench.reader URL NOW FOLDER`."""

import sys
import time
from datetime import datetime
from pathlib import Path

from tests.bench.house import Fixed, settings
from tests.bench.machine import hand_over, peak_mib
from whmcs_bridge.wiring import open_bridge


def main(url: str, now: str, folder: str) -> None:
    clock = Fixed(datetime.fromisoformat(now))
    with open_bridge(settings(url, Path(folder)), clock=clock) as bridge:
        before = peak_mib()
        begun = time.perf_counter()
        info = bridge.snapshot()
        seconds = time.perf_counter() - begun
        first = dict(bridge.panel.calls())
        bridge.snapshot()
        again = {action: n - first.get(action, 0) for action, n in bridge.panel.calls().items()}
    hand_over(
        seconds=seconds,
        calls=first,
        calls_again={action: n for action, n in again.items() if n},
        complete=info.complete,
        problems=list(info.problems)[:3],
        mib_before=before,
        mib=peak_mib(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
