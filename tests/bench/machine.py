"""Child processes and what they cost: time on the clock, peak of memory."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHILD_TIMEOUT_SECONDS = 1800


def peak_mib() -> float:
    """The most memory this process ever held, in MiB.

    VmHWM starts anew with the program; ru_maxrss would count what the parent held when it forked.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def hand_over(**found: Any) -> None:
    """Print what a child measured, as the line that its parent reads."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of this package as a process of its own; return what it handed over."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=CHILD_TIMEOUT_SECONDS,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def serving(*arguments: str) -> Iterator[dict[str, Any]]:
    """A simulator in a process of its own, as `tests.bench.served` takes its arguments; gives what it handed over."""
    command = [sys.executable, "-m", "tests.bench.served", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Run:
    """One finished command."""

    seconds: float
    processor_seconds: float
    peak_mib: float


def run(command: Sequence[str]) -> Run:
    """Run a command with its output thrown away; one that fails is an error."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}: {said.decode()[-2000:]}")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
