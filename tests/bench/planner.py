"""A child process that plans from a mirror: `python -m tests.bench.planner FOLDER`."""

import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.house import TODAY, Fixed, settings
from tests.bench.machine import hand_over, peak_mib
from whmcs_bridge.wiring import open_bridge


def main(folder: str) -> None:
    begun = time.perf_counter()
    clock = Fixed(datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=7))
    with open_bridge(settings(folder=Path(folder)), clock=clock) as bridge:
        plan = bridge.plan(offline=True)
    steps = Counter(str(step.kind) for step in (*plan.steps, *plan.refused))
    hand_over(
        seconds=time.perf_counter() - begun,
        mib=peak_mib(),
        complete=plan.complete,
        steps=dict(steps),
        withheld=len(plan.withheld),
    )


if __name__ == "__main__":
    main(sys.argv[1])
