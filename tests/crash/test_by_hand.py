"""What staff does by hand, and takes back, killed anywhere: typed again, all is done once and nothing is lost."""

from pathlib import Path
from typing import Any

from tests.crash.place import Place, Trial
from tests.crash.test_kill_every_day import tried
from tests.effort import SOAK
from tests.house import HOSTING, House
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.policy.by_hand import ByHand
from whmcs_bridge.policy.decision import Kind

KILLS = 200 if SOAK >= 3 else 8
CONFIG = {
    "class": {"hosting": HOSTING},
    "policy": {"on_suspend_message": "service-suspended"},
    "approval": {"terminate": "automatic"},
    "vip": {"group": "VIP", "min_tenure_months": 1, "exempt_max_days": 0},
}


def a_morning_of_mistakes(house: House) -> None:
    """Run 1 suspends three, one of them paid by now, and puts a client into VIP."""
    debtors = [house.a_debtor(overdue=5) for _ in range(3)]
    house.a_service(house.a_client(created=house.day(-200)))
    house.sync()
    assert [service.status for _, service, _ in debtors] == ["Suspended"] * 3
    assert [client.group for client in house.world.clients.values()] == [0, 0, 0, 1]
    house.pay(debtors[0][2])


def undo(bridge: Bridge) -> None:
    found = bridge.plan_undo(1, by="ana", reason="wrong settings", days=5, apologise=True)
    if found.plan.steps:
        bridge.apply(found.plan.fingerprint)


def everything(trial: Trial) -> dict[str, Any]:
    """What has to come out the same, records too."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        records = [(r.kind, r.service_id, r.until, r.reason, r.state) for r in journal.records()]
    finally:
        journal.close()
    return {**trial.state(), "records": sorted(records, key=repr)}


def test_an_undo_that_died_is_taken_up_by_the_next(tmp_path: Path) -> None:
    place = Place.furnished(tmp_path, CONFIG, a_morning_of_mistakes)

    def end(trial: Trial) -> dict[str, Any]:
        trial.run(undo)
        trial.sync()
        return everything(trial)

    twin = end(place.trial())
    assert {status for status, _ in twin["services"].values()} == {"Active"}
    assert twin["groups"] == {1: 0, 2: 0, 3: 0, 4: 0}
    assert len(twin["records"]) == 2
    assert sum("apologies" in subject for _, subject in twin["mails"]) == 3
    tried(place, end, undo, kills=KILLS)


def a_desk_with_work(house: House) -> None:
    """1 owes and is down; 2 owes since yesterday; 3 and 4 owe nothing."""
    house.a_debtor(overdue=5)
    house.a_debtor(overdue=1)
    house.a_service()
    house.a_service()
    house.sync()


ACTS = (
    (Kind.UNSUSPEND, (1,), {"override": True}),
    (Kind.TERMINATE, (2,), {"early": True}),
    (Kind.SUSPEND, (3, 4), {"staffs": True}),
)


def work(bridge: Bridge) -> None:
    for kind, services, given in ACTS:
        asked = ByHand("ana", "a reason", **given)  # type: ignore[arg-type]
        plan = bridge.plan_by_hand(kind, [ServiceId(number) for number in services], asked)
        if plan.steps:
            bridge.apply(plan.fingerprint)


def test_acts_by_hand_that_died_are_done_once_when_typed_again(tmp_path: Path) -> None:
    config = {key: table for key, table in CONFIG.items() if key != "vip"}
    place = Place.furnished(tmp_path, config, a_desk_with_work)

    def end(trial: Trial) -> dict[str, Any]:
        trial.run(work)
        trial.sync()
        return everything(trial)

    twin = end(place.trial())
    assert [status for status, _ in twin["services"].values()] == ["Active", "Terminated", "Suspended", "Suspended"]
    assert [reason for _, reason in twin["services"].values()][2:] == ["a reason", "a reason"]
    assert len(twin["records"]) == 1
    tried(place, end, work, kills=KILLS)
