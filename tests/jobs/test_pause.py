"""A pause stops every harmful step wherever a run is, hooks included, and nothing else; it ends by itself."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.house import WARNED, House, done, results, service_id
from whmcs_bridge.errors import UsageProblem
from whmcs_bridge.jobs.pause import GO_ON, pause_stop, standing
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState


def paused(house: House) -> str:
    stop = pause_stop(house.bridge.ports)
    return stop.why if stop is not None else ""


def test_a_pause_stops_harm_and_nothing_else_until_it_is_ended() -> None:
    with House.of({"class": {"hosting": WARNED}}) as house:
        _, down, paid = house.a_debtor()
        house.next_day(3)
        assert down.status == "Suspended"
        _, service, _ = house.a_debtor(overdue=2)
        house.sync()
        house.pay(paid)
        house.bridge.pause(reason="boletos are late")
        house.a_debtor(overdue=1)
        report = house.next_day()
        assert done(report) == ["unsuspend", "suspension-warning"]
        assert [s.kind for s in report.plan.refused] == [Kind.SUSPEND]
        assert report.exit_code == 3
        (stop,) = report.plan.stops
        assert (stop.code, stop.way_past) == ("paused", GO_ON)
        assert stop.why.endswith(": boletos are late")
        house.bridge.end_pause()
        house.sync()
        assert service.status == "Suspended"


def test_a_pause_ends_by_itself() -> None:
    with House.of() as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.bridge.pause(house.bridge.clock.now() + timedelta(days=2))
        house.sync()
        house.next_day()
        assert service.status == "Active"
        house.next_day()
        assert (service.status, paused(house)) == ("Suspended", "")
        assert standing(house.bridge.ports) is None


def test_a_pause_is_replaced_by_the_next_and_none_is_made_for_the_past() -> None:
    with House.of() as house:
        now = house.bridge.clock.now()
        house.bridge.pause(now + timedelta(hours=1), "one")
        house.bridge.pause(now + timedelta(hours=2), "two")
        assert paused(house).endswith("until 2025-03-10 14:00: two")
        with pytest.raises(UsageProblem, match="has passed"):
            house.bridge.pause(now)
        stood = house.bridge.end_pause()
        assert stood is not None
        assert stood.reason == "two"
        assert house.bridge.end_pause() is None


def test_who_paused_and_who_went_on_stands_in_the_journal() -> None:
    with House.of() as house:
        house.bridge.ports.actor = "ana"
        house.bridge.pause(reason="why not")
        house.bridge.ports.actor = "bob"
        house.bridge.end_pause()
        ended, begun = house.bridge.journal.runs(2)
        assert begun.summary == "paused by ana since 2025-03-10 12:00: why not"
        assert ended.summary == f"pause ended by bob; it was {begun.summary}"


def test_a_pause_and_the_file_both_hold_and_both_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "the house"
    folder.mkdir()
    with House.of(folder=folder) as house:
        file = folder / "PAUSE"
        file.touch()
        house.bridge.pause()
        stop = pause_stop(house.bridge.ports)
        assert stop is not None
        assert stop.way_past == f"{GO_ON} && rm '{file}'"
        house.bridge.end_pause()
        assert paused(house) == f"{file} exists"


# --- wherever a run is ------------------------------------------------------------------------------


def when(house: House, action: str, then: Any) -> None:
    """Do something at the moment at which WHMCS is asked for this action."""
    house.adapter.front.on_call = lambda name, _params: then() if name == action else None


def test_a_pause_between_two_services_of_one_client_leaves_the_second_up() -> None:
    with House.of() as house:
        client = house.a_client()
        services = [house.a_service(client) for _ in range(3)]
        for service in services:
            house.an_invoice(service, due=-3)
        when(house, "ModuleSuspend", house.bridge.pause)
        report = house.sync()
        assert [s.status for s in services] == ["Suspended", "Active", "Active"]
        assert len(report.left) == 2
        assert (report.exit_code, report.outcome) == (3, "refused")
        assert house.sync().summary() == "2 refused by a pause"


def test_a_pause_while_a_client_is_looked_at_again_stops_the_step_in_hand() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        house.sync()
        _, service, _ = house.a_debtor(overdue=3)
        looks = iter(range(100))
        when(house, "GetClientsDetails", lambda: house.bridge.pause() if next(looks) else None)  # first, for the plan
        report = house.sync()
        assert (service.status, results(report)) == ("Active", [])
        assert len(report.left) == 1
        assert not [e for e in house.bridge.journal.steps(service=service_id(service)) if e.state is StepState.BEGUN]


def test_releases_go_on_when_a_pause_comes_during_a_run() -> None:
    with House.of() as house:
        book = [house.a_debtor(overdue=3) for _ in range(3)]
        house.sync()
        for _, _, invoice in book:
            house.pay(invoice)
        house.a_debtor(overdue=3)
        when(house, "ModuleUnsuspend", house.bridge.pause)
        report = house.next_day()
        assert done(report) == ["unsuspend"] * 3
        assert len(report.left) == 1


PAUSING = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from whmcs_bridge.jobs.pause import pause
from whmcs_bridge.journal import SqliteJournal

journal = SqliteJournal(Path(sys.argv[1]))
settings = SimpleNamespace(mode="enforce", policy=SimpleNamespace(version="x"))
ports = SimpleNamespace(journal=journal, actor="another process", settings=settings,
                        now=lambda: datetime(2025, 3, 10, 12, tzinfo=timezone.utc),
                        begin_run=lambda job: journal.begin_run(job, "enforce", ports.now().date(), ports.now(), "x"))
pause(ports)
journal.close()
"""


def test_a_pause_by_another_process_does_not_wait_for_the_run_that_is_under_way(tmp_path: Path) -> None:
    """The run holds the journal's writer lock; the pause writes through and the run's next harmful step sees it."""
    with House.of(folder=tmp_path) as house:
        services = [house.a_debtor(overdue=3)[1] for _ in range(3)]

        def elsewhere() -> None:
            ran = [sys.executable, "-c", dedent(PAUSING), str(house.bridge.settings.journal)]
            subprocess.run(ran, check=True, timeout=60)

        when(house, "ModuleSuspend", elsewhere)
        report = house.sync()
        assert [s.status for s in services] == ["Suspended", "Active", "Active"]
        assert len(report.left) == 2
        assert "another process" in paused(house)
