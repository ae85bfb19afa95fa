"""Run benchmarks by name, or all: a JSON object a line on standard output, then a table."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.bench import (
    asks,
    audit,
    book,
    bucket_store,
    first_day,
    large,
    local_store,
    php_asks,
    small,
    snapshot,
    vip,
    year,
)
from tests.bench.model import Measure, table

BENCHMARKS: Final[Mapping[str, Callable[[], Iterator[Measure]]]] = {
    "decide": small.decide,
    "cli_start": small.cli_start,
    "scenario": small.scenario,
    "snapshot_calls": snapshot.calls,
    "snapshot_wall": snapshot.wall,
    "snapshot_memory": snapshot.memory,
    "plan_large": large.plan_large,
    "ask_latency": asks.ask_latency,
    "php_ask": php_asks.php_ask,
    "command_ask": php_asks.command_ask,
    "journal_year": year.journal_year,
    "vip_year": vip.vip_year,
    "adopt_large": first_day.adopt_large,
    "store_list": local_store.store_list,
    "store_list_s3": bucket_store.listing,
    "store_delete": bucket_store.store_delete,
    "audit": audit.audit,
    "book_100k": book.book_100k,
}
"""`snapshot_wall` measures `snapshot_gain` as well: they belong in one run."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all of them without")
    names: list[str] = parser.parse_args().names
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    measures: list[Measure] = []
    for name in names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for measure in BENCHMARKS[name]():
            measures.append(measure)
            print(measure.line(), flush=True)
    print(f"\n{table(measures)}", flush=True)


if __name__ == "__main__":
    main()
