"""From a debt to an empty place on the disk: the whole bridge with a real folder, and a panel that says who lives."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, House, done, results, service_id
from whmcs_bridge.backups.layouts import CPANEL
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.backups.names import QUARANTINE, SENTINEL
from whmcs_bridge.backups.names_panel import NamesPanel
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.records import Service

AT_ONCE: dict[str, dict[str, Any]] = {
    "class": {"hosting": {**HOSTING, "delete_backups_after_days": 0}},
    "backups": {"max_percent_of_store": 100},
}
AGES_AGO = datetime(2025, 3, 9, 4, tzinfo=UTC).timestamp()
NEIGHBOURS = ("site11", "sit", "Site1", "xsite1", "site1_old")


class Disk:
    """A house whose accounts are backed up on a disk, as cPanel does it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "backup"
        self.root.mkdir()
        (self.root / SENTINEL).touch()
        self.users = folder / "users"
        self.living("site11", "sit")
        self.house = House.of(AT_ONCE, stores=[LocalStore("disk", str(self.root), CPANEL, [1])])
        self.house.bridge.ports.account_panels = [NamesPanel("web1", self.users, [1])]

    def living(self, *users: str) -> None:
        self.users.write_text("".join(f"{user}.example.net: {user}\n" for user in users))

    def backup(self, user: str, *days: date) -> None:
        for day in days:
            path = self.root / day.isoformat() / "accounts" / f"{user}.tar.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{user} on {day}")
            os.utime(path, (AGES_AGO, AGES_AGO))

    def left(self) -> set[str]:
        files = (Path(folder) / name for folder, _, names in os.walk(self.root) for name in names if name != SENTINEL)
        return {str(path.relative_to(self.root)) for path in files}

    def a_debtor(self) -> Service:
        _, service, _ = self.house.a_debtor(overdue=3)
        self.living("site11", "sit", self.house.a_service().username)  # who lives by WHMCS the panel names, or is blind
        days = [self.house.day(-n) for n in (1, 2, 9)]
        self.backup(service.username, *days)
        for name in NEIGHBOURS:
            self.backup(name, *days)
        return service

    def until_terminated(self) -> list[str]:
        """Let the service be suspended and ended; return what the last day did."""
        self.house.sync()
        for _ in range(20):
            did = done(self.house.next_day())
            if "terminate" in did:
                return did
        raise AssertionError("it was never terminated")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    with made.house:
        yield made


def of(disk: Disk, user: str) -> set[str]:
    return {path for path in disk.left() if f"/{user}.tar.gz" in path}


def test_an_ended_service_s_backups_are_gone_and_its_neighbours_are_there(disk: Disk) -> None:
    service = disk.a_debtor()
    assert len(of(disk, service.username)) == 3
    before = disk.left()
    assert disk.until_terminated()[-1] == "delete_backups"
    assert of(disk, service.username) == set()
    assert disk.left() == {path for path in before if not path.endswith(f"/{service.username}.tar.gz")}
    assert not (disk.root / QUARANTINE).exists()


def test_an_account_that_lives_on_the_panel_keeps_its_backups(disk: Disk) -> None:
    service = disk.a_debtor()
    disk.living("site11", service.username)
    assert "delete_backups" not in disk.until_terminated()
    assert len(of(disk, service.username)) == 3


@pytest.mark.parametrize("trick", ["unmounted", "a linked day", "no panel file"])
def test_where_something_is_away_nothing_goes_and_the_next_run_finishes(disk: Disk, trick: str) -> None:
    service = disk.a_debtor()
    away = {"unmounted": disk.root / SENTINEL, "no panel file": disk.users}.get(trick)
    unread = disk.root / f"{disk.house.day(-1)}"
    if away is not None:
        os.rename(away, away.with_suffix(".away"))
    else:
        os.rename(unread, disk.root.parent / "day")
        os.symlink(disk.root.parent / "day", unread)
    did = disk.until_terminated()
    if away is not None:
        assert "delete_backups" not in did
        assert len(of(disk, service.username)) == 3
        os.rename(away.with_suffix(".away"), away)
        assert ("delete_backups", "done") in results(disk.house.next_day(), Kind.DELETE_BACKUPS)
        assert of(disk, service.username) == set()
    else:  # what lies behind a link is not in this store, and is not touched
        assert list((disk.root.parent / "day" / "accounts").glob(f"{service.username}.tar.gz"))


def test_a_name_that_was_somebody_else_s_before_keeps_what_was_made_then(disk: Disk) -> None:
    service = disk.a_debtor()
    disk.backup(service.username, date(2023, 5, 1))
    disk.until_terminated()
    assert of(disk, service.username) == {f"2023-05-01/accounts/{service.username}.tar.gz"}


def test_an_old_copy_that_may_be_the_account_s_is_left_and_keeps_the_verdict_open(disk: Disk) -> None:
    service = disk.a_debtor()
    disk.backup(f"{service.username}.old", disk.house.day(-1))
    assert "delete_backups" not in disk.until_terminated()
    assert of(disk, service.username) == set()
    assert len(of(disk, f"{service.username}.old")) == 1
    plan = disk.house.bridge.journal.deletions.plan_of(service_id(service))
    assert plan is not None
    assert not plan.complete
    assert "mentions the account" in plan.untouched[0].why


def test_in_quarantine_backups_wait_aside_for_their_days_and_then_go(disk: Disk) -> None:
    disk.house.reconfigure({**AT_ONCE, "backups": {**AT_ONCE["backups"], "quarantine_days": 2}})
    service = disk.a_debtor()
    neighbours = disk.left() - of(disk, service.username)
    disk.until_terminated()
    aside = of(disk, service.username)
    assert len(aside) == 3
    assert all(path.startswith(f"{QUARANTINE}/") for path in aside)
    disk.house.next_day()
    assert of(disk, service.username) == aside
    disk.house.next_day(2)
    assert disk.left() == neighbours
    assert not (disk.root / QUARANTINE).exists()
