"""The s3 driver over a bucket of 100,000 versions, and its deletions beside a bare loop of the same calls."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.bench.bucket_double import BUCKET, PREFIX, etag_of, key_of, version_of
from tests.bench.machine import child, hand_over, peak_mib
from tests.bench.model import Measure

if TYPE_CHECKING:
    from whmcs_bridge.backups.s3 import Connect, S3Store

ITEMS: Final = 100_000
REPEATS: Final = 3
DELETED: Final = 10_000
"""Objects that each of the two deletes."""
TURN: Final = 250
"""Objects that one of them deletes before it is the other's turn."""


@contextmanager
def a_bucket(objects: int) -> Iterator[int]:
    """The double in a process of its own; gives its port."""
    command = [sys.executable, "-m", "tests.bench.bucket_double", str(objects)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(json.loads(process.stdout.readline())["port"])
        finally:
            process.stdin.close()


def listing() -> Iterator[Measure]:
    """Every version of 2,000 accounts on 50 days, in pages of 1,000, beside a bare loop over the same pages."""
    with a_bucket(ITEMS) as port:
        found = child("tests.bench.bucket_store", "list", str(port))
    detail = {"items": ITEMS, "seconds": found["seconds"], "bare_boto3_seconds": found["bare"], "repeats": REPEATS}
    yield Measure("store_list_s3", ITEMS / found["seconds"], "items/s", "", detail)
    yield Measure("store_list_s3_memory", found["growth_mib"], "MiB")


def store_delete() -> Iterator[Measure]:
    """10,000 versions deleted by the driver over as many by a loop of the same HEAD and DELETE, by turns."""
    with a_bucket(2 * DELETED) as port:
        found = child("tests.bench.bucket_store", "delete", str(port))
    detail = {"objects": DELETED, "seconds": found["seconds"], "bare_boto3_seconds": found["bare"], "turns_of": TURN}
    yield Measure("store_delete", found["seconds"] / found["bare"], "x", "<= 1.3", detail)


# --- the child ----------------------------------------------------------------------------------------


def _connect(port: int) -> "Connect":
    from whmcs_bridge.backups.s3 import Connect

    return Connect(
        endpoint_url=f"http://127.0.0.1:{port}",
        region="us-east-1",
        addressing="path",
        timeout_seconds=60,
        reader=("AKIAEXAMPLE", "secret"),
    )


def _store(port: int) -> "S3Store":
    from whmcs_bridge.backups.layouts import CPANEL
    from whmcs_bridge.backups.s3 import S3Store

    return S3Store("bucket", BUCKET, PREFIX, CPANEL, _connect(port))


def _timed(act: Callable[[], int], wanted: int) -> float:
    begun = time.perf_counter()
    count = act()
    seconds = time.perf_counter() - begun
    if count != wanted:
        raise RuntimeError(f"{count} of {wanted} items were met")
    return seconds


def _list(port: int) -> None:
    store, client = _store(port), _connect(port).reader()

    def bare() -> int:
        at: dict[str, str] = {}
        count = 0
        while True:
            page = client.list_object_versions(Bucket=BUCKET, Prefix=f"{PREFIX}/", MaxKeys=1000, **at)
            count += len(page["Versions"])
            if not page["IsTruncated"]:
                return count
            at = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def ours() -> int:
        return sum(1 for item in store.items() if item.account)

    store.probe()  # the client is there
    before = peak_mib()
    seconds, growth = [_timed(ours, ITEMS)], peak_mib() - before
    plain = [_timed(bare, ITEMS)]
    for _ in range(REPEATS - 1):
        seconds.append(_timed(ours, ITEMS))
        plain.append(_timed(bare, ITEMS))
    hand_over(seconds=min(seconds), bare=min(plain), growth_mib=growth)


def _delete(port: int) -> None:
    from whmcs_bridge.domain.backups import BackupItem, Outcome

    store = _store(port)
    store.probe()
    items = list(store.items())
    looking, deleting = _connect(port).reader(), _connect(port).deleter(5)

    def ours(mine: Sequence[BackupItem]) -> int:
        return sum(store.delete(item).outcome is Outcome.DELETED for item in mine)

    def bare(numbers: Sequence[int]) -> int:
        for number in numbers:
            words: dict[str, Any] = {"Bucket": BUCKET, "Key": key_of(number), "VersionId": version_of(number)}
            if looking.head_object(**words)["ETag"] != etag_of(number):
                raise RuntimeError("another object")
            deleting.delete_object(**words)
        return len(numbers)

    ours(items[:1]), bare([1])  # both have their connections
    seconds = [0.0, 0.0]
    for turn in range(DELETED // TURN):
        first = 2 * TURN * turn + (2 if turn == 0 else 0)
        last = 2 * TURN * (turn + 1)
        halves = (range(first, last, 2), range(first + 1, last, 2))
        for which in (0, 1) if turn % 2 else (1, 0):
            numbers = halves[which]
            act = (lambda n=numbers: ours([items[i] for i in n])) if which == 0 else (lambda n=numbers: bare(n))
            seconds[which] += _timed(act, len(numbers))
    if list(store.items()):
        raise RuntimeError("something is left")
    hand_over(seconds=seconds[0], bare=seconds[1])


if __name__ == "__main__":
    {"list": _list, "delete": _delete}[sys.argv[1]](int(sys.argv[2]))
