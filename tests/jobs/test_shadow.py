"""Shadow mode imagines what an enforced run would have done, and does nothing."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import HOSTING, WARNED, House, client_id, done
from tests.jobs.test_others import acting
from whmcs_bridge.api.actions import action_of
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.records import Actor as By
from whmcs_bridge.simulator.records import Service

TO_THE_END = {**WARNED, "terminate_after_days": 10, "final_warning_days": 3}


def a_house(rules: dict[str, Any] | None = None, **more: Any) -> House:
    house = House.of({"class": {"hosting": rules or dict(WARNED)}, **more})
    house.enforcing(False)
    return house


def imagined(house: House, service: Service | None = None) -> list[tuple[int, str]]:
    """(days since the first day, step) of what shadow mode would have done, a notice by its name."""
    return [
        ((s.step.date - date(2025, 3, 10)).days, s.step.message if s.step.kind == "notice" else s.step.kind.value)
        for s in house.bridge.journal.shadow_steps(date.min)
        if service is None or s.step.service == service.id
    ]


def steps_done(house: House) -> list[tuple[int, str]]:
    """The same of what an enforced house did, oldest first; messages that belong to another step left out."""
    return [
        ((s.step.date - date(2025, 3, 10)).days, s.step.message if s.step.kind == "notice" else s.step.kind.value)
        for s in reversed(house.bridge.journal.steps(limit=1000))
        if s.state == "done"
    ]


def writes(house: House) -> dict[str, int]:
    """Calls of ours that change something in WHMCS."""
    return {name: n for name, n in house.bridge.panel.calls().items() if not action_of(name).reads}


def test_a_case_comes_to_its_end_in_imagination_only() -> None:
    with a_house(TO_THE_END) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.next_day(14)
        assert imagined(house, service) == [
            (1, "suspension-warning"),
            (2, "suspend"),
            (6, "final-warning"),
            (9, "terminate"),
        ]
        assert service.status == "Active"
        assert writes(house) == {}
        assert house.mails() == []
        assert house.bridge.journal.cases() == {}
        assert house.bridge.journal.steps() == []


def test_what_is_imagined_is_what_an_enforced_run_does() -> None:
    """The same debt in two houses, one in shadow and one enforced: the same steps on the same days."""
    told: list[list[tuple[int, str]]] = []
    for shadow in (True, False):
        with a_house(TO_THE_END) as house:
            house.enforcing(not shadow)
            _, service, first = house.a_debtor(overdue=-3)
            house.an_invoice(service, due=12)
            for day in range(24):
                if day == 8:
                    house.pay(first)
                house.sync()
                house.pass_days()
            told.append(imagined(house, service) if shadow else steps_done(house))
    assert told[0]
    assert told[0] == told[1]


def test_a_payment_ends_the_imagined_suspension() -> None:
    with a_house(dict(HOSTING)) as house:
        _, service, invoice = house.a_debtor(overdue=5)
        house.sync()
        assert imagined(house, service) == [(0, "suspend")]
        house.next_day(2)
        house.pay(invoice)
        house.next_day(3)
        assert imagined(house, service) == [(0, "suspend"), (3, "unsuspend")]
        assert writes(house) == {}


def test_each_step_is_imagined_once_however_many_syncs_a_day_has() -> None:
    with a_house(TO_THE_END) as house:
        house.a_debtor(overdue=1)
        for _ in range(10):
            for _ in range(3):
                house.sync()
            house.pass_days()
        assert [what for _, what in imagined(house)] == ["suspension-warning", "suspend", "final-warning", "terminate"]


def test_a_service_that_others_took_down_goes_on_from_there() -> None:
    with a_house(TO_THE_END) as house:
        _, service, _ = house.a_debtor(overdue=9)
        acting(house, service, modules.SUSPEND, By.CRON)
        house.sync()
        house.next_day(12)
        assert [what for _, what in imagined(house, service)] == ["final-warning", "terminate"]


def test_a_release_that_nobody_made_is_imagined_once_and_the_next_debt_begins_anew() -> None:
    """WHMCS's cron took it down and lifts nothing (its unsuspension is off): we would have, after the payment."""
    with a_house(dict(HOSTING)) as house:
        _, service, invoice = house.a_debtor(overdue=9)
        acting(house, service, modules.SUSPEND, By.CRON)
        house.sync()
        house.pay(invoice)
        house.next_day(3)
        assert imagined(house, service) == [(1, "unsuspend")]
        house.an_invoice(service, due=0)
        house.next_day(4)
        assert imagined(house, service) == [(1, "unsuspend"), (6, "suspend")]
        assert service.status == "Suspended"


def test_a_service_that_staff_took_down_for_abuse_is_never_imagined_ended() -> None:
    with a_house(TO_THE_END) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.next_day(2)
        acting(house, service, modules.SUSPEND, By.ADMIN, "spam", user="maria", admin=2)
        house.next_day(20)
        assert "terminate" not in {what for _, what in imagined(house, service)}


def test_a_service_that_really_ended_is_imagined_no_further() -> None:
    with a_house(TO_THE_END) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.next_day(2)
        acting(house, service, modules.TERMINATE, By.ADMIN, user="maria", admin=2)
        house.next_day(20)
        assert [what for _, what in imagined(house, service)] == ["suspension-warning", "suspend"]


def test_who_pays_after_the_imagined_end_begins_anew() -> None:
    with a_house(TO_THE_END) as house:
        _, service, invoice = house.a_debtor(overdue=1)
        house.sync()
        house.next_day(10)
        assert imagined(house, service)[-1] == (9, "terminate")
        house.pay(invoice)
        house.next_day()
        house.an_invoice(service, due=0)
        house.next_day(4)
        assert [what for _, what in imagined(house, service)][4:] == ["suspension-warning", "suspend"]


def test_what_protects_a_service_protects_it_in_imagination() -> None:
    with a_house(dict(HOSTING)) as house:
        client, service, _ = house.a_debtor(overdue=2)
        house.sync()
        house.bridge.record(
            Record(
                0,
                RecordKind.HOLD,
                RecordState.OPEN,
                "Ann",
                "a court asked for it",
                house.today,
                house.today,
                None,
                client_id=client_id(client),
            )
        )
        house.next_day(10)
        assert imagined(house, service) == []


def test_credit_that_covers_the_debt_is_read_before_anything_harmful_is_imagined() -> None:
    with a_house() as house:
        client, service, _ = house.a_debtor(overdue=1)
        house.world.add_credit(client, 5000, "prepaid")
        house.sync()
        house.next_day(6)
        assert imagined(house, service) == [(1, "suspension-warning")]


def test_a_day_that_a_limit_would_have_refused_says_so() -> None:
    with a_house(dict(HOSTING), limits={"suspend": {"always_allowed": 1, "max": 2, "percent": 100}}) as house:
        for _ in range(3):
            house.a_debtor(overdue=5)
        house.sync()
        steps = house.bridge.journal.shadow_steps(date.min)
        assert {s.step.kind.value for s in steps} == {"suspend"}
        assert {s.over for s in steps} == {"limit:suspend: 3 suspend steps, 2 a day allowed"}


def test_a_pause_holds_imagined_harm_as_well() -> None:
    with a_house(dict(HOSTING)) as house:
        house.a_debtor(overdue=5)
        house.bridge.pause()
        house.sync()
        assert imagined(house) == []
        house.bridge.end_pause()
        house.next_day()
        assert imagined(house) == [(1, "suspend")]


def test_when_acting_begins_every_case_begins_at_its_first_stage() -> None:
    with a_house(TO_THE_END) as house:
        _, service, _ = house.a_debtor(overdue=1)
        house.sync()
        house.next_day(8)
        assert [what for _, what in imagined(house, service)][-1] == "final-warning"
        house.enforcing(True)
        assert done(house.next_day()) == ["suspension-warning"]
        assert house.bridge.journal.shadow_cases() == {}
        assert len(imagined(house, service)) == 3
        assert done(house.next_day()) == ["suspend"]


def test_clients_for_whom_the_bridge_does_not_act_yet_are_imagined() -> None:
    with a_house(dict(HOSTING)) as house:
        first, served, _ = house.a_debtor(overdue=5)
        _, other, _ = house.a_debtor(overdue=5)
        house.sync()
        assert set(house.bridge.journal.shadow_cases()) == {served.id, other.id}
        house.enforcing(True)
        house.bridge.enforce_only([], [client_id(first)], "test")
        assert done(house.next_day()) == ["suspend"]
        assert (served.status, other.status) == ("Suspended", "Active")
        assert set(house.bridge.journal.shadow_cases()) == {other.id}


@pytest.mark.parametrize("member", [True, False])
def test_a_membership_move_is_imagined_once(member: bool) -> None:
    tables: dict[str, Any] = {"vip": {"group": "VIP", "min_tenure_months": 0}}
    with a_house(dict(HOSTING, suspend_after_days="never", terminate_after_days="never"), **tables) as house:
        client = house.a_client(group=1 if member else 0, created=date(2020, 1, 1))
        service = house.a_service(client)
        if member:
            house.an_invoice(service, due=-5)
        for _ in range(3):
            house.next_day()
        moves = [what for _, what in imagined(house) if what.startswith("vip")]
        assert moves == ["vip_remove" if member else "vip_add"]


A_DAY = st.integers(0, 17)
HISTORIES = st.lists(
    st.tuples(st.integers(-12, 12), st.sampled_from([0, 0, 1]), st.none() | A_DAY), min_size=1, max_size=4
)
"""Invoices: (due so many days after the first day, of which service, paid on which day)."""


@settings(max_examples=5, deadline=None)
@given(history=HISTORIES, warned=st.booleans(), scope=st.sampled_from(["service", "client"]))
def test_any_history_is_imagined_as_an_enforced_run_would_act(
    history: list[tuple[int, int, int | None]], warned: bool, scope: str
) -> None:
    """Whatever falls due and is paid when: shadow mode imagines the steps of the enforced house, on their days."""
    rules = {**(WARNED if warned else HOSTING), "terminate_after_days": 9, "scope": scope}
    told = []
    for shadow in (True, False):
        with a_house(rules) as house:
            house.enforcing(not shadow)
            client = house.a_client()
            services = [house.a_service(client) for _ in range(2)]
            invoices = [house.an_invoice(services[which], due=due) for due, which, _ in history]
            for day in range(18):
                for invoice, (_, _, paid) in zip(invoices, history, strict=True):
                    if paid == day:
                        house.pay(invoice)
                house.sync()
                house.pass_days()
            told.append(sorted(imagined(house)) if shadow else sorted(steps_done(house)))
            if shadow:
                assert writes(house) == {}
    assert told[0] == told[1]
