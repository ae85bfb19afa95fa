"""Every rule in every driver: taken away by itself, in what drivers share, or kept by the runs; or why it is none.

`python -m tests.backups.test_mutants_table` prints the part of docs/reference/backup-drivers.md that says so.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.backups import (
    test_mutants,
    test_mutants_clouds,
    test_mutants_core,
    test_mutants_evidence,
    test_mutants_folders,
    test_mutants_programs,
    test_mutants_s3,
)
from whmcs_bridge.backups import DRIVERS

RULES = tuple(f"I{number}" for number in range(1, 18))
RUNS = "runs"
FOLDERS = ("ftp", "sftp", "webdav")
OVER_HTTP = ("jetbackup", "openstack", "pbs", "proxmox", "solusvm2", "virtualizor")
BY_LAYOUT = ("borg", "ftp", "local", "s3", "sftp", "webdav")
OF_MACHINES = ("openstack", "pbs", "proxmox", "solusvm2", "virtualizor")
NO_QUARANTINE = ("borg", "jetbackup", "openstack", "pbs", "proxmox", "restic", "s3", "virtualizor")
ONLY_LISTS = ("manual", "solusvm2")

KEPT_BY_RUNS = ("I5", "I6", "I9")
"""Nothing that a driver could keep alone: who lives, what has ended, how much goes unasked."""
SHARED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "I1": (BY_LAYOUT, "layouts"),
    "I2": (("borg", "jetbackup", "openstack", "proxmox", "solusvm2"), "settings: what it may look at is named there"),
    "I3": (("solusvm2",), "the HTTPS line, which sends no odd path"),
    "I4": (BY_LAYOUT, "claims"),
    "I7": (BY_LAYOUT, "layouts"),
    "I8": (tuple(DRIVERS), "a look at every driver's calls for a verb that takes more than one"),
    "I12": (tuple(DRIVERS), "I13: a whole listing is what the runs compare"),
    "I14": (tuple(DRIVERS), "two credentials where they are given, of which looking never takes up the deleting one"),
    "I15": (FOLDERS, "the times of files, as in local"),
    "I17": (OVER_HTTP, "the HTTPS line"),
}
"""Rule -> drivers that keep it through what they share, whose guards are taken away there."""
NONE: Mapping[tuple[str, tuple[str, ...]], str] = {
    ("I7", OF_MACHINES): "a backup is one machine's",
    ("I11", NO_QUARANTINE): "it cannot move aside: the grace period is its quarantine",
    (
        "I15",
        ("jetbackup", "s3", "openstack", "virtualizor"),
    ): "it does not tell whose backup is being made, or of single items only",
    ("I16", ("ftp", "local", "restic", "sftp")): "it has no locks of its own",
    ("I16", ("webdav", "virtualizor")): "a lock of its own is a refusal, and told",
    ("I17", ("local",)): "it has no credential and no line",
}
"""Why there is nothing to keep."""
NOTHING_TO_ACT_ON = "it deletes nothing"
LISTS_NOTHING = "it lists nothing and talks to nobody"


def tried() -> Counter[tuple[str, str]]:
    """Rule and driver -> how many guards are taken away."""
    found: Counter[tuple[str, str]] = Counter()
    for local in (*test_mutants.MUTANTS, *test_mutants.BACK):
        found[local.invariant, "local"] += 1
    for bucket in test_mutants_s3.MUTANTS:
        found[bucket.invariant, "s3"] += 1
    for one in (
        *test_mutants_core.MUTANTS,
        *test_mutants_evidence.MUTANTS,
        *test_mutants_clouds.MUTANTS,
        *test_mutants_programs.MUTANTS,
        *test_mutants_folders.FOLDERS,
        *test_mutants_folders.SFTP,
        *test_mutants_folders.FTP,
        *test_mutants_folders.WEBDAV,
    ):
        of = one.of if one.of in DRIVERS or one.of == "folders" else RUNS
        for driver in FOLDERS if of == "folders" else (of,):
            found[one.invariant, driver] += 1
    return found


def cell(rule: str, driver: str, counted: Mapping[tuple[str, str], int]) -> str:
    """How a rule is tried in a driver: "own", "shared", "runs", or why it is not; "" for by nothing at all."""
    if counted.get((rule, driver)):
        return "own"
    if driver == "manual" and rule not in KEPT_BY_RUNS:
        return LISTS_NOTHING
    if driver in SHARED.get(rule, ((), ""))[0]:
        return "shared"
    if rule in KEPT_BY_RUNS:
        return RUNS
    if driver in ONLY_LISTS and rule in ("I10", "I11", "I15", "I16"):
        return NOTHING_TO_ACT_ON
    return next((why for (of, drivers), why in NONE.items() if of == rule and driver in drivers), "")


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_tried_in_the_runs_or_in_every_driver(rule: str) -> None:
    counted = tried()
    untried = [driver for driver in DRIVERS if not cell(rule, driver, counted)]
    assert untried == []
    own = sum(counted[rule, driver] for driver in DRIVERS)
    assert counted[rule, RUNS] + own > 0


@pytest.mark.parametrize("rule", [rule for rule in SHARED if rule not in ("I8", "I2")])
def test_what_is_shared_is_taken_away_somewhere(rule: str) -> None:
    counted = tried()
    assert sum(count for (of, _), count in counted.items() if of == rule) > 0


@pytest.mark.parametrize("rule", KEPT_BY_RUNS)
def test_what_the_runs_keep_is_taken_away_there(rule: str) -> None:
    assert tried()[rule, RUNS] > 2


def test_no_reason_stands_where_something_is_tried() -> None:
    """A reason that is no longer true would hide what is not tried."""
    counted = tried()
    stale = [(of, driver) for of, drivers in NONE for driver in drivers if counted.get((of, driver))]
    assert stale == []


# --- as the reference tells it ---------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "backup-drivers.md"
TITLE = "## How each rule is tried\n"
TEXT = """\
A rule is worth what happens when it is broken. So each guard is taken away, one at a time, in the very function that
has it, and a test of what it guards has to fail; with the guard the same test passes. A test counts them and keeps this
table. Beside it every driver is put before a server that lies, and random days of ends, moves, second lives, lies and
deaths are watched by somebody who knows whose each backup really is.
"""


def page() -> str:
    """The part of the reference, as the mutants are."""
    counted = tried()
    lines = [
        TITLE,
        TEXT,
        "| | In the runs | In the driver itself | In what drivers share | Nothing to keep |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES:
        cells = {driver: cell(rule, driver, counted) for driver in sorted(DRIVERS)}
        own = _listed(driver for driver, how in cells.items() if how == "own")
        shared = _listed(driver for driver, how in cells.items() if how == "shared")
        if shared:
            shared += f": {SHARED[rule][1]}"
        reasons: dict[str, list[str]] = {}
        for driver, how in cells.items():
            if how not in ("own", "shared", RUNS):
                reasons.setdefault(how, []).append(driver)
        none = "; ".join(f"{_listed(drivers)}: {why}" for why, drivers in reasons.items())
        by_runs = "yes" if counted[rule, RUNS] else ""
        if RUNS in cells.values():
            by_runs = "yes, for every driver"
        lines.append(f"| {rule} | {by_runs} | {own} | {shared} | {none} |")
    return "\n".join(lines) + "\n"


def _listed(drivers: object) -> str:
    assert hasattr(drivers, "__iter__")
    return ", ".join(f"`{driver}`" for driver in drivers)


def test_the_reference_tells_how_each_rule_is_tried() -> None:
    assert page() in PAGE.read_text(encoding="utf-8"), "run: python -m tests.backups.test_mutants_table"


if __name__ == "__main__":
    sys.stdout.write(page())
