"""The disk is full from some write on: the run ends with one line, and goes on when there is room again."""

import os
from pathlib import Path
from random import Random

import pytest

from tests.crash.place import Place, Trial
from tests.crash.power import Disk, forgetful, need_a_forgetful_disk
from tests.crash.recorded import watched_bridge
from tests.crash.test_kill import differences
from tests.journeys.town import a_town, error_of
from whmcs_bridge.errors import DatabaseTrouble

SOAK = int(os.environ.get("WHMCS_BRIDGE_SOAK", "1"))
"""How many times as many writes are tried; from 10 on, every one."""
WRITES = 6
"""Writes tried of each file and place."""


@pytest.fixture(scope="module", autouse=True)
def disk_needed(tmp_path_factory: pytest.TempPathFactory) -> None:
    need_a_forgetful_disk(tmp_path_factory.mktemp("probe"))


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    return text


def sync_into(trial: Trial, disk: Disk, log_pages: int) -> DatabaseTrouble | None:
    """One sync; return the error that it ended with. Whatever it did had been written down before."""
    try:
        with watched_bridge(trial, disk, log_pages) as (bridge, network):
            try:
                bridge.sync()
            finally:
                assert network.undocumented == []
    except DatabaseTrouble as error:
        return error
    return None


@pytest.fixture(scope="module", params=range(min(2 * SOAK - 1, 10)))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.made(tmp_path_factory.mktemp("place"), request.param, 5)


@pytest.mark.parametrize("file", ["journal.db", "mirror.db"])
def test_a_sync_that_ran_out_of_room_is_taken_up_when_there_is_some(file: str, place: Place) -> None:
    """From the n-th write on, none finds room: nothing is done unwritten, nothing lost, nothing twice."""
    chance = Random(f"{place.seed} {file}")
    wanted = place.undisturbed()
    log_pages = (8, 1000)[place.seed % 2]
    with forgetful((trial := place.trial()).folder) as disk:
        disk.fill(file, 10**9)
        assert sync_into(trial, disk, log_pages) is None
    writes = range(disk.writes + 1)
    wrong: list[str] = []
    stopped = 0
    for room_for in writes if SOAK >= 10 else sorted(chance.sample(writes, min(WRITES * SOAK, len(writes)))):
        trial = place.trial()
        with forgetful(trial.folder) as disk:
            disk.fill(file, room_for)
            error = sync_into(trial, disk, log_pages)
        if error is not None:
            stopped += 1
            text = one_line(error)
            assert f"no room left for {trial.folder / file}" in text, text
            assert "free some disk space" in text
            assert error.exit_code == 1
        trial.sync()
        trial.sync()
        found = differences(trial.state(), wanted)
        if found:
            wrong.append(f"room for {room_for} of {len(writes)}:\n    " + "\n    ".join(found))
        trial.clear()
    assert not wrong, f"seed {place.seed}, {file}:\n" + "\n".join(wrong[:8])
    assert stopped >= WRITES // 2


@pytest.mark.parametrize("file", ["journal.db", "mirror.db"])
def test_the_command_says_in_one_line_that_there_is_no_room(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_town(tmp_path, monkeypatch) as town:
        for due in range(1, 6):
            town.house.an_invoice(town.house.a_service(), due=-due)
        town.settle(mode="enforce")
        assert town.run("sync").exit_code in (0, 3)
        town.house.an_invoice(town.house.a_service(), due=-9)
        for room_for in (0, 3, 9):
            with forgetful(tmp_path) as disk:
                disk.fill(file, room_for)
                result = town.run("sync")
            assert result.exit_code == 1
            assert "free some disk space" in error_of(result)
        assert town.run("sync").exit_code in (0, 3)
