"""The first days, killed anywhere: adopt changes nothing, shadow mode imagines once, others' acts are found once."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from tests.crash.place import FATES, Place, Trial
from tests.crash.test_kill import differences
from tests.crash.test_kill_every_day import tried
from tests.house import WARNED, House
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.jobs.shadow import MOVED
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor

# --- adopt ------------------------------------------------------------------------------------------


def adopt(bridge: Bridge) -> None:
    bridge.adopt()


def found_last(trial: Trial) -> dict[str, Any]:
    """What the newest adopt found, without its number."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return {**journal.adoptions(1)[0].payload, "number": None}
    finally:
        journal.close()


def test_a_killed_adopt_has_changed_nothing_and_the_next_finds_everything(tmp_path: Path) -> None:
    """On a house that acted before: its cases are what would be lost."""
    place = Place.made(tmp_path, seed=7, fates=len(FATES))
    untouched = {**place.trial().state(), "unfinished": []}

    def after(trial: Trial, killed: bool) -> list[str]:
        return differences({**trial.state(), "unfinished": []}, untouched)

    def end(trial: Trial) -> dict[str, Any]:
        run = trial.run(adopt)
        assert {action for action in run.calls if not action.startswith("Get")} <= {"WhmcsDetails"}
        return {"findings": found_last(trial), **trial.state()}

    assert untouched["cases"]
    twin = end(place.trial())
    assert twin["findings"]["complete"] is True
    assert differences({**twin, "unfinished": []}, untouched) == []
    tried(place, end, adopt, after=after, calls=("GetInvoices", "GetConfiguration"), kills=12)


# --- shadow mode and the acts of others ----------------------------------------------------------------


def others_act(house: House) -> None:
    """Staff suspends one for spam and puts another back on; WHMCS's module ends a third."""
    services = list(house.world.services.values())
    with house.world.acting(Actor.ADMIN):
        assert modules.run_module(house.world, services[-1], modules.SUSPEND, reason="spam") == ""
        assert modules.run_module(house.world, services[-2], modules.UNSUSPEND) == ""
        assert modules.run_module(house.world, services[-3], modules.TERMINATE) == ""


def a_shadow_morning(base: Path) -> Place:
    """A fortnight in, with every stage to be imagined, a client who joins the VIPs and one who paid."""
    rules = {
        "class": {"hosting": {**WARNED, "terminate_after_days": 10}},
        "vip": {"group": "VIP", "min_tenure_months": 12, "exempt_max_days": 1},
    }

    def furnish(house: House) -> None:
        invoices = [house.a_debtor(overdue=overdue)[2] for overdue in (-10, -8, -4, -3, 2, 4)]
        old = house.a_client(created=house.day(-1000), group=3)
        house.a_service(old)
        house.a_service()
        house.a_service(status="Suspended", suspend_reason="fraud check")
        house.a_service()
        house.sync()
        house.next_day(5)
        house.pass_days()
        old.group = 0
        house.pay(invoices[-1])
        others_act(house)

    return Place.furnished(base, rules, furnish, shadow=True)


def imagined(trial: Trial) -> dict[str, Any]:
    """The whole record of shadow mode, and what was found of others."""
    journal = SqliteJournal(trial.folder / "journal.db")
    try:
        return {
            "steps": [(s.step.id, s.step.message, s.step.announced, s.over) for s in journal.shadow_steps(date.min)],
            "cases": journal.shadow_cases(),
            "moved": journal.get(MOVED),
            "others": [
                replace(act, line="", after_reading=None, by_reading=None) for act in journal.foreign_acts(date.min)
            ],
            "real": (journal.steps(), journal.memberships()),
            "tasks": sorted((t.code, t.text, t.service or 0, t.opened_on) for t in journal.tasks()),
        }
    finally:
        journal.close()


def test_a_killed_shadow_run_imagines_each_step_once_and_finds_others_once(tmp_path: Path) -> None:
    """The day itself and the next one come out as if nobody had died; in WHMCS nothing changes."""
    place = a_shadow_morning(tmp_path)
    before = imagined(place.trial())

    def end(trial: Trial) -> dict[str, Any]:
        trial.sync()
        today = imagined(trial)
        trial.world.advance(days=1)
        calls = trial.sync().calls
        assert not [action for action in calls if action.startswith(("Update", "Module", "Send"))]
        return {**imagined(trial), **{f"{name} of the day": value for name, value in today.items()}}

    def after(trial: Trial, _killed: bool) -> list[str]:
        ours = [e for e in trial.world.log if e.actor == Actor.API]
        return [f"{event.kind} of service {event.service}" for event in ours]

    twin = end(place.trial())
    ids = [step[0] for step in twin["steps"]]
    assert len(ids) == len(set(ids))
    assert len(ids) > len(before["steps"])
    assert len(twin["others"]) == len(before["others"]) + 3
    assert {act.kind for act in twin["others"]} == {"suspend", "unsuspend", "terminate"}
    assert twin["moved"]
    assert twin["real"] == ([], {})
    tried(place, end, Bridge.sync, after=after, calls=("GetActivityLog", "GetClientsDetails"), kills=12)
