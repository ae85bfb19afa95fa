"""Listing a folder of 100,000 backups: how fast, and how much memory while it streams."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.machine import child, hand_over, peak_mib
from tests.bench.model import Measure

ITEMS: Final = 100_000
DAYS: Final = 50
REPEATS: Final = 3


def store_list() -> Iterator[Measure]:
    """The local driver over a cPanel tree: files of 2,000 accounts on 50 days."""
    with tempfile.TemporaryDirectory() as folder:
        root = _tree(Path(folder) / "backup")
        found = child("tests.bench.local_store", str(root))
    detail = {"items": ITEMS, "seconds": found["seconds"], "bare_walk_seconds": found["bare"], "repeats": REPEATS}
    yield Measure("store_list", ITEMS / found["seconds"], "items/s", "", detail)
    yield Measure("store_list_memory", found["growth_mib"], "MiB")


def _tree(root: Path) -> Path:
    from whmcs_bridge.backups.names import SENTINEL

    for day in range(DAYS):
        accounts = root / f"2026-{day // 25 + 1:02}-{day % 25 + 1:02}" / "accounts"
        accounts.mkdir(parents=True)
        for number in range(ITEMS // DAYS):
            (accounts / f"user{number:05}.tar.gz").touch()
    (root / SENTINEL).touch()
    return root


def _measure(root: str) -> None:
    import os

    from whmcs_bridge.backups.layouts import CPANEL
    from whmcs_bridge.backups.local import LocalStore

    store = LocalStore("disk", root, CPANEL)
    before = peak_mib()
    seconds, bare = [], []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        count = sum(1 for item in store.items() if item.account)
        seconds.append(time.perf_counter() - begun)
        if count != ITEMS:
            raise RuntimeError(f"{count} of {ITEMS} items were listed")
        begun = time.perf_counter()
        for folder, _, files in os.walk(root):
            for name in files:
                os.lstat(f"{folder}/{name}")
        bare.append(time.perf_counter() - begun)
    hand_over(seconds=min(seconds), bare=min(bare), growth_mib=peak_mib() - before)


if __name__ == "__main__":
    _measure(sys.argv[1])
