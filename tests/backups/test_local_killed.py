"""A deletion on a disk that dies at every single system call: the next run finds what is left, and finishes it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backups.contract import BOB, DAY, PLAN, listing, mine_of
from tests.backups.test_local import BOB_S, LocalPlace, opened, whole
from whmcs_bridge.backups.local import LocalStore
from whmcs_bridge.domain.backups import BackupItem, Outcome

CALLS = ("mkdir", "rename", "unlink", "rmdir", "link")
OTHERS = {f"{DAY}/accounts/bob1.tar.gz", f"{DAY}/accounts/alice.tar.gz", "cpbackup/daily/bobby.tar.gz"}


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def dying(patch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
    """Die at the `at`-th call that changes the disk, before it or after it."""
    count = 0

    def wrapped(call: Any) -> Any:
        def do(*args: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count > at:
                raise Killed  # what is cleaned up by a living process is not, by a dead one
            if count == at and not after:
                raise Killed
            found = call(*args, **more)
            if count == at:
                raise Killed
            return found

        return do

    for name in CALLS:
        patch.setattr(os, name, wrapped(getattr(os, name)))


def moments(kind: str) -> Iterator[tuple[int, bool]]:
    """Every call of a deletion, and a few more."""
    for at in range(1, 13 if kind == "file" else 19):
        yield at, False
        yield at, True


def delete_at_once(store: LocalStore, item: BackupItem) -> None:
    assert store.delete(item).outcome is Outcome.DELETED


def delete_by_quarantine(store: LocalStore, item: BackupItem) -> None:
    there = store.quarantine(item, PLAN).item
    assert there is not None
    assert store.delete(there).outcome is Outcome.DELETED


def lay(folder: Path, patch: pytest.MonkeyPatch, kind: str) -> LocalPlace:
    folder.mkdir()
    place = LocalPlace(folder, patch)
    place.make(OTHERS)
    if kind == "file":
        place.make([BOB_S])
    else:
        whole(place, f"{DAY}/accounts/bob")
    return place


def neighbours(place: LocalPlace) -> set[str]:
    return {name for name in place.left() if "bob." not in name and "/bob/" not in name}


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("way", [delete_at_once, delete_by_quarantine])
def test_a_deletion_that_died_anywhere_is_finished(tmp_path: Path, kind: str, way: Any) -> None:
    died = finished = 0
    for number, (at, after) in enumerate(moments(kind)):
        with pytest.MonkeyPatch.context() as place_patch:
            place = lay(tmp_path / str(number), place_patch, kind)
            [item] = mine_of(opened(place), BOB)
            with pytest.MonkeyPatch.context() as patch:
                dying(patch, at, after=after)
                try:
                    way(opened(place), item)
                    finished += 1
                except Killed:
                    died += 1
            left = mine_of(opened(place), BOB)
            assert len(left) <= 1, "it lies in two places"
            for one in left:
                assert opened(place).delete(one).outcome is Outcome.DELETED
            assert mine_of(opened(place), BOB) == []
            assert neighbours(place) == OTHERS
            assert len(listing(opened(place))) == len(OTHERS)
    assert died >= (8 if kind == "file" else 20)
    assert finished, "the last calls were not reached"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_putting_back_that_died_anywhere_loses_nothing_and_is_finished(tmp_path: Path, kind: str) -> None:
    """Between the link and the unlink a file has two names; who puts it back again takes the one aside away."""
    died = finished = 0
    for number, (at, after) in enumerate(moments(kind)):
        with pytest.MonkeyPatch.context() as place_patch:
            place = lay(tmp_path / str(number), place_patch, kind)
            [item] = mine_of(opened(place), BOB)
            there = opened(place).quarantine(item, PLAN).item
            assert there is not None
            with pytest.MonkeyPatch.context() as patch:
                dying(patch, at, after=after)
                try:
                    assert opened(place).put_back(there).item == item
                    finished += 1
                except Killed:
                    died += 1
            assert [one for one in listing(opened(place)) if one.account == "bob"]
            receipt = opened(place).put_back(there)
            assert (receipt.outcome, receipt.item) == (Outcome.PUT_BACK, item)
            assert [one for one in listing(opened(place)) if one.account == "bob"] == [item]
            assert neighbours(place) == OTHERS
    assert died >= 8
    assert finished, "the last calls were not reached"
