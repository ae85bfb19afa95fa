"""A child process that serves a book: `python -m tests.bench.served CLIENTS LATENCY_MS`; 0 is the mid-sized one."""

import gc
import sys
import time

from tests.bench import worlds
from tests.bench.machine import hand_over, peak_mib
from whmcs_bridge.simulator.app import Server, run


def main(clients: int, latency_ms: float) -> None:
    begun = time.perf_counter()
    world = worlds.company(clients, 12) if clients else worlds.mid_sized()
    seconds = time.perf_counter() - begun
    gc.collect()

    def ready(server: Server) -> None:
        hand_over(
            url=server.url,
            now=world.clock.isoformat(),
            seconds=seconds,
            mib=peak_mib(),
            clients=len(world.clients),
            services=len(world.services),
            addons=len(world.addons),
            invoices=len(world.invoices),
            open=worlds.open_invoices(world),
        )

    run(world, latency_ms=latency_ms, ready=ready)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
