"""`python -m tests.soak`: a thousand histories of 60 days on every processor; any failure names its seed."""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from functools import partial

from tests.soak.one import MOST_STORY, Outcome, lived


def main() -> int:
    """Play, report, and return 1 if anything did not hold."""
    asked = _arguments().parse_args()
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.runs)
    began = time.monotonic()
    failed: list[Outcome] = []
    tally: Counter[str] = Counter()
    with multiprocessing.Pool(min(asked.jobs, len(seeds))) as pool:
        for number, outcome in enumerate(pool.imap_unordered(partial(lived, days=asked.days), seeds), start=1):
            tally += outcome.tally
            if outcome.wrong:
                failed.append(outcome)
                _tell(outcome, asked.days, whole=asked.seed is not None)
            _progress(number, len(seeds), len(failed), began)
    print(f"\n{_summary(len(seeds), tally, time.monotonic() - began)}")
    if failed:
        print(f"{len(failed)} of {len(seeds)} failed: seeds {', '.join(str(o.seed) for o in failed)}")
    return 1 if failed else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many histories (1000)")
    parser.add_argument("--days", type=int, default=60, help="how many days each (60)")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seed", type=int, help="this history only, with its whole story if it fails")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many side by side (all processors)")
    return parser


def _tell(outcome: Outcome, days: int, *, whole: bool) -> None:
    story = outcome.story if whole else outcome.story[-MOST_STORY:]
    print(f"\n\nseed {outcome.seed} ({outcome.rules}): {outcome.wrong}")
    print("\n".join(f"    {line}" for line in story))
    print(f"again: python -m tests.soak --seed {outcome.seed} --days {days}", flush=True)


def _progress(done: int, of: int, failed: int, began: float) -> None:
    if sys.stdout.isatty() or done % 50 == 0 or done == of:
        spent = time.monotonic() - began
        end = "" if sys.stdout.isatty() else "\n"
        print(f"\r{done} of {of} histories, {failed} failed, {spent:.0f} s", end=end, flush=True)


def _summary(histories: int, tally: Counter[str], seconds: float) -> str:
    struck = {name.removeprefix("fault:"): n for name, n in tally.items() if name.startswith("fault:") and n}
    return (
        f"{histories} histories, {tally['days']} days, {tally['runs']} runs, {tally['kills']} of them killed, "
        f"{sum(struck.values())} calls struck by {len(struck)} kinds of fault, {seconds:.0f} s"
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # a seed means the same history every time
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.soak", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main())
