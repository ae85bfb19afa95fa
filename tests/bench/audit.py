"""Sorting 100,000 backups by whose they are, in a house with 20,000 services: the whole command."""

import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from tests.bench.house import settings_file
from tests.bench.machine import child, hand_over, run
from tests.bench.model import Measure

ITEMS: Final = 100_000
SERVICES: Final = 20_000
DAYS: Final = 5
RUNS: Final = 3
FIRST: Final = date(2026, 3, 1)
STORE: Final = """
[[backup_store]]
name = "disk"
driver = "local"
root = "{root}"
layout = "cpanel"
"""


def audit() -> Iterator[Measure]:
    """`whmcs-bridge backups audit --json`, from start to exit with its output thrown away, over a folder of files.

    Every fifth service has ended, and every fifth of these had a name that another has now; 4 % of the names are
    nobody's. The fastest of RUNS, and the largest of their peaks.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = child("tests.bench.audit", folder)
        file = settings_file(Path(folder))
        file.write_text(file.read_text("utf-8") + STORE.format(root=Path(folder, "backup").resolve()), "utf-8")
        words = [str(Path(sysconfig.get_path("scripts")) / "whmcs-bridge"), "backups", "audit", "--json"]
        runs = [run([*words, "--config", str(file)]) for _ in range(RUNS)]
    detail = {
        **found,
        "all_seconds": [round(each.seconds, 2) for each in runs],
        "processor_seconds": [round(each.processor_seconds, 2) for each in runs],
    }
    yield Measure("audit", min(each.seconds for each in runs), "s", "<= 60", detail)
    yield Measure("audit_memory", max(each.peak_mib for each in runs), "MiB", "<= 500", {"runs": RUNS})


# --- the child ----------------------------------------------------------------------------------------


def name_of(number: int) -> str:
    """Every fifth of the ended services had the name of the one after it."""
    return f"u{number + 1 if number % 25 == 0 else number:06}"


def main(folder: str) -> None:
    """Write the journal and the folder; hand over what there is."""
    from tests.bench.house import settings
    from whmcs_bridge.backups.names import SENTINEL
    from whmcs_bridge.domain.backups import AccountIdentity
    from whmcs_bridge.domain.ids import ClientId, ServiceId
    from whmcs_bridge.journal import SqliteJournal

    ended = FIRST + timedelta(days=2)
    accounts = [
        AccountIdentity(
            ServiceId(number),
            ClientId(number),
            1,
            name_of(number),
            f"site{number}.example.net",
            since=(ended if number % 25 == 1 else FIRST - timedelta(days=400)),
            until=ended if number % 5 == 0 else None,
        )
        for number in range(1, SERVICES + 1)
    ]
    journal = SqliteJournal(settings(folder=Path(folder)).journal)
    with journal.writer():
        journal.deletions.save_accounts(accounts)
    journal.close()
    root = Path(folder) / "backup"
    names = sorted({account.username for account in accounts})
    names += [f"x{number:06}" for number in range(SERVICES - len(names))]
    for day in range(DAYS):
        place = root / (FIRST + timedelta(days=day)).isoformat() / "accounts"
        place.mkdir(parents=True)
        for name in names:
            (place / f"{name}.tar.gz").touch()
    (root / SENTINEL).touch()
    hand_over(items=len(names) * DAYS, services=len(accounts), names=len(names))


if __name__ == "__main__":
    main(sys.argv[1])
