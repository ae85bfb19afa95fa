"""A hand-back killed anywhere is taken up by the next: everybody is handed back once, and nobody is stranded."""

import shutil
from copy import deepcopy
from pathlib import Path
from random import Random

from tests.crash.place import NOWHERE, Kill, Place, Trial
from tests.crash.test_kill import differences
from tests.effort import SOAK
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.front import Front

AMONG = 12
"""So many boundaries are tried; every one in a soak."""


def hand_back(bridge: Bridge) -> None:
    found = bridge.hand_back(by="ana")
    assert found.exit_code == 0, found.to_json()


def evening(base: Path) -> Trial:
    """Services are down by us, and one of them is paid by now."""
    place = Place.made(base, seed=5)
    trial = place.trial()
    trial.sync()
    trial.sync()
    down = next(s for s in trial.world.services.values() if "[whmcs-bridge]" in s.suspend_reason)
    for number in trial.world.invoices_by_client[down.client]:
        if trial.world.invoices[number].status == "Unpaid":
            record_payment(trial.world, trial.world.invoices[number], None, mail=False)
    assert down.status == "Suspended"
    return trial


def copy_of(trial: Trial, number: int) -> Trial:
    folder = trial.folder.with_name(f"evening-{number}")
    shutil.copytree(trial.folder, folder)
    return Trial(folder, Front(deepcopy(trial.world)))


def test_a_killed_hand_back_is_taken_up_by_the_next(tmp_path: Path) -> None:
    start = evening(tmp_path)
    ours = [s.id for s in start.world.services.values() if "[whmcs-bridge]" in s.suspend_reason]
    assert len(ours) >= 3
    undisturbed = copy_of(start, 0)
    run = undisturbed.run(hand_back)
    wanted = undisturbed.state()
    assert [undisturbed.world.services[n].suspend_reason for n in ours] == [""] * len(ours)
    assert [undisturbed.world.services[n].status for n in ours] == ["Active"] + ["Suspended"] * (len(ours) - 1)
    writes = [n for n, action in enumerate(run.calls, 1) if action.startswith(("Update", "Module"))]
    kills = [Kill(where, n) for where in ("call-lost", "answer-lost") for n in writes]
    places = range(1, len(run.boundaries) + 1)
    kills += [Kill("boundary", n) for n in (places if SOAK >= 3 else Random(1).sample(places, min(AMONG, len(places))))]
    wrong, died = [], 0
    for number, kill in enumerate(kills, 1):
        trial = copy_of(start, number)
        died += trial.run(hand_back, kill).killed
        trial.run(hand_back, NOWHERE)
        found = differences(trial.state(), wanted)
        if found:
            wrong.append(f"{kill}:\n    " + "\n    ".join(found))
        trial.clear()
    assert not wrong, f"{len(wrong)} of {died} kills:\n" + "\n".join(wrong[:5])
    assert died >= 20
