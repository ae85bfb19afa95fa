"""Who changed a service that we did not touch."""

from datetime import date

import pytest

from tests.house import HOSTING, House, done, service_id
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.jobs import others
from whmcs_bridge.jobs.others import QUIET_DAYS, other_bridges, unknown_acts
from whmcs_bridge.ports import Actor, ForeignAct
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.cron import run_daily_cron
from whmcs_bridge.simulator.records import Actor as By
from whmcs_bridge.simulator.records import Service

SHADOW = {"mode": "shadow", "class": {"hosting": HOSTING}}


def a_house(*, shadow: bool = True) -> House:
    house = House.of()
    house.enforcing(not shadow)
    return house


def acts(house: House, service: Service | None = None) -> list[ForeignAct]:
    found = house.bridge.journal.foreign_acts(date.min)
    return [a for a in found if service is None or a.service == service.id]


def the_act(house: House, service: Service) -> ForeignAct:
    (act,) = acts(house, service)
    return act


def suspends(house: House, service: Service, by: str, reason: str = "", *, user: str = "", admin: int = 0) -> None:
    """Somebody suspends through the module; `user` and `admin` are what WHMCS's log names instead."""
    acting(house, service, modules.SUSPEND, by, reason, user=user, admin=admin)


def acting(
    house: House,
    service: Service,
    command: modules.Command,
    by: str,
    reason: str = "",
    *,
    user: str = "",
    admin: int = 0,
) -> None:
    with house.world.acting(by):
        assert modules.run_module(house.world, service, command, reason=reason) == ""
    if user:
        line = house.world.activity[-1]
        line.username, line.admin = user, admin


def test_what_whmcs_own_cron_suspends_and_ends_is_the_crons() -> None:
    with a_house() as house:
        house.world.settings.update({"AutoSuspension": "on", "AutoSuspensionDays": "5"})
        late = house.a_service(next_due=house.day(-5))
        house.sync()
        run_daily_cron(house.world)
        house.sync()
        act = the_act(house, late)
        assert (act.actor, act.kind, act.before, act.after) == (Actor.CRON, "suspend", "Active", "Suspended")
        assert act.line == f"Cron Job: Suspending Service - Service ID: {late.id}"
        assert not act.ours_too
        assert act.why_not == "nothing overdue concerns it"
        assert "second-actor" not in house.task_codes()


def test_what_staff_does_is_told_with_the_name_in_the_log() -> None:
    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, By.ADMIN, "spam", user="maria", admin=2)
        house.sync()
        act = the_act(house, service)
        assert (act.actor, act.user, act.reason_after) == (Actor.STAFF, "maria", "spam")
        acting(house, service, modules.TERMINATE, By.ADMIN, user="maria", admin=2)
        house.next_day()
        assert [(a.kind, a.actor) for a in acts(house, service)] == [
            ("suspend", Actor.STAFF),
            ("terminate", Actor.STAFF),
        ]
        assert "second-actor" not in house.task_codes()


def test_a_release_after_a_payment_is_the_payments() -> None:
    with a_house() as house:
        house.world.settings["AutoUnsuspend"] = "on"
        _, service, invoice = house.a_debtor(overdue=9)
        suspends(house, service, By.CRON)
        house.sync()
        house.pass_days()
        house.pay(invoice)
        house.sync()
        act = the_act(house, service)
        assert (act.kind, act.actor, act.ours_too) == ("unsuspend", Actor.PAYMENT, True)


def test_a_release_after_one_of_two_payments_is_told_with_what_is_still_owed() -> None:
    with a_house() as house:
        house.world.settings["AutoUnsuspend"] = "on"
        _, service, first = house.a_debtor(overdue=40)
        second = house.an_invoice(service, due=-9)
        suspends(house, service, By.CRON)
        house.sync()
        house.pay(first)
        house.sync()
        act = the_act(house, service)
        assert (act.actor, act.ours_too) == (Actor.PAYMENT, False)
        assert act.why_not == f"still owed: invoice {second.number or second.id}"


@pytest.mark.parametrize("by", [By.API, By.PAYMENT])
def test_a_program_that_is_not_us_is_nobody_we_know(by: str) -> None:
    """By our own credential's user (another program has it), or by a module whose line names no user."""
    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, by)
        house.sync()
        act = the_act(house, service)
        assert act.actor is Actor.UNKNOWN
        assert act.line == f"Module Suspend Successful - Service ID: {service.id}"
        (task,) = [t for t in house.bridge.journal.tasks() if t.code == "second-actor"]
        assert f"service {service.id} suspended at 2025-03-10 12:00" in task.text
        assert act.line in task.text


def test_a_change_without_a_line_is_nobodys_we_know() -> None:
    with a_house() as house:
        service, other = house.a_service(), house.a_service()
        house.sync()
        house.world.set_service_status(service, "Suspended")
        house.sync()
        act = the_act(house, service)
        assert (act.actor, act.line, act.at) == (Actor.UNKNOWN, "", None)
        assert act.after_reading is not None
        assert acts(house, other) == []


def test_a_line_about_service_123_says_nothing_about_service_12() -> None:
    with a_house() as house:
        for _ in range(12):
            service = house.a_service()
        assert service.id == 12
        house.sync()
        house.world.set_service_status(service, "Suspended")
        with house.world.acting(By.CRON):
            house.world.note_activity("Cron Job: Suspending Service - Service ID: 123")
        house.sync()
        assert the_act(house, service).actor is Actor.UNKNOWN


def test_an_old_line_explains_nothing_new() -> None:
    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, By.CRON)
        house.world.set_service_status(service, "Active")  # up again before anybody looked
        house.pass_days(3)
        house.sync()
        assert acts(house, service) == []
        house.pass_days(3)
        house.world.set_service_status(service, "Suspended")
        house.sync()
        assert the_act(house, service).actor is Actor.UNKNOWN


def test_what_we_did_ourselves_is_nobody_elses() -> None:
    with a_house(shadow=False) as house:
        _, service, invoice = house.a_debtor(overdue=5)
        assert done(house.sync()) == ["suspend"]
        house.next_day(2)
        house.pay(invoice)
        assert done(house.next_day()) == ["unsuspend"]
        house.next_day()
        assert acts(house, service) == []
        again = house.an_invoice(service, due=-5)
        assert done(house.sync()) == ["suspend"]
        house.next_day(20)
        assert service.status == "Terminated", again
        assert acts(house) == []


def test_what_others_undo_of_ours_is_theirs() -> None:
    with a_house(shadow=False) as house:
        _, service, _ = house.a_debtor(overdue=5)
        house.sync()
        house.pass_days()
        acting(house, service, modules.UNSUSPEND, By.ADMIN, user="maria", admin=2)
        house.sync()
        act = the_act(house, service)
        assert (act.kind, act.actor, act.user) == ("unsuspend", Actor.STAFF, "maria")
        assert "still owed" in act.why_not


def test_a_suspension_with_our_reason_that_we_know_nothing_of_is_another_bridges() -> None:
    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, By.API, "Overdue: invoice 3 [whmcs-bridge]")
        house.sync()
        assert [a.service for a in other_bridges(house.bridge.journal, house.today)] == [service.id]
        assert unknown_acts(house.bridge.journal, house.today) == []
        assert "another-bridge" in house.task_codes()


def test_one_task_whatever_the_second_actor_did_and_it_closes_when_it_is_quiet() -> None:
    with a_house() as house:
        services = [house.a_service() for _ in range(8)]
        house.sync()
        for service in services:
            suspends(house, service, By.PAYMENT)
        house.sync()
        (task,) = house.bridge.journal.tasks()[-1:]
        assert task.code == "second-actor"
        assert task.text.startswith("8 acts on 2025-03-10 on services 1, 2, 3, 4, 5, ... by nobody we know")
        house.next_day(QUIET_DAYS)
        assert "second-actor" in house.task_codes()
        house.next_day()
        assert "second-actor" not in house.task_codes()


def test_a_quiet_day_asks_whmcs_for_nothing() -> None:
    with a_house() as house:
        house.a_debtor(overdue=1)
        house.sync()
        before = house.bridge.panel.calls().get("GetActivityLog", 0)
        house.next_day(3)
        assert house.bridge.panel.calls().get("GetActivityLog", 0) == before


def test_many_changes_cost_two_calls_of_the_log_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "LINES", 5)
    with a_house() as house:
        services = [house.a_service() for _ in range(30)]
        house.sync()
        for service in services:
            suspends(house, service, By.CRON)
        before = house.bridge.panel.calls().get("GetActivityLog", 0)
        house.sync()
        assert house.bridge.panel.calls()["GetActivityLog"] == before + 2
        assert {a.actor for a in acts(house)} == {Actor.CRON}
        assert len(acts(house)) == 30


def test_a_mirror_made_anew_counts_from_one_again() -> None:
    from whmcs_bridge.mirror import SqliteMirror

    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, By.CRON)
        house.sync()
        assert len(acts(house)) == 1
        house.bridge.ports.mirror = SqliteMirror(None)
        house.sync()
        house.sync()
        assert len(acts(house)) == 1
        acting(house, service, modules.UNSUSPEND, By.ADMIN, user="maria", admin=2)
        house.sync()
        assert [(a.kind, a.actor) for a in acts(house)] == [("suspend", Actor.CRON), ("unsuspend", Actor.STAFF)]


def test_each_change_is_found_once() -> None:
    with a_house() as house:
        service = house.a_service()
        house.sync()
        suspends(house, service, By.CRON)
        for _ in range(3):
            house.sync()
        assert len(acts(house)) == 1
        assert house.bridge.journal.foreign_acts(date.min, ServiceId(service_id(service))) == acts(house)
