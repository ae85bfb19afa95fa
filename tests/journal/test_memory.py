"""Cases, records, plans and the rest come back as they were given."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.values import AT, TODAY, a_record
from whmcs_bridge.domain.case import Adoption, Case, SentNotice
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, InvoiceId, LineId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import Approval, StepState

DAY = st.none() | st.dates()
NUMBERS = st.integers(1, 2**32)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MONEY = st.decimals(-(10**9), 10**9, places=2) | st.sampled_from([Decimal("1E+3"), Decimal("0.0000001")])
NOTICES = st.builds(
    SentNotice, TEXT, st.none() | st.integers(-60, 60), st.dates(), st.none() | st.booleans(), st.booleans()
)
CASES = st.builds(
    Case,
    NUMBERS.map(ServiceId),
    opened_on=DAY,
    restarted_on=DAY,
    exempt_on=DAY,
    kept_days=st.dictionaries(TEXT, st.none() | st.integers(0, 999), max_size=3),
    notices=st.lists(NOTICES, max_size=3).map(tuple),
    suspended_on=DAY,
    adopted_on=DAY,
    adoption=st.none() | st.sampled_from(Adoption),
    ended_on=DAY,
    ended_by=TEXT,
    erased_on=DAY,
    last_act_on=DAY,
    released_on=DAY,
    addons_down=st.lists(NUMBERS, max_size=3).map(tuple),
)
RECORDS = st.builds(
    Record,
    st.just(0),
    st.sampled_from(RecordKind),
    st.sampled_from(RecordState),
    TEXT,
    TEXT,
    st.dates(),
    st.dates(),
    DAY,
    DAY,
    st.none() | NUMBERS.map(ClientId),
    st.none() | NUMBERS.map(ServiceId),
    st.none() | NUMBERS.map(InvoiceId),
    st.none() | NUMBERS.map(LineId),
    st.none() | MONEY,
    TEXT,
    TEXT,
)
STEPS = st.builds(
    Step,
    TEXT,
    st.sampled_from(Kind),
    NUMBERS.map(ClientId),
    st.none() | NUMBERS.map(ServiceId),
    st.dates(),
    TEXT,
    st.lists(NUMBERS.map(InvoiceId), max_size=3).map(tuple),
    st.none() | st.builds(Money, MONEY, TEXT),
    TEXT,
    st.none() | st.integers(-60, 60),
    NUMBERS,
    st.booleans(),
    st.booleans(),
    TEXT,
    st.booleans(),
)
INSTANTS = st.datetimes() | st.datetimes(timezones=st.just(UTC))


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    opened = SqliteJournal()
    yield opened
    opened.close()


# --- round trips ------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(CASES, max_size=3, unique_by=lambda c: c.service_id))
def test_cases_come_back_whole(cases: list[Case]) -> None:
    journal = SqliteJournal()
    journal.save_cases(cases)
    assert journal.cases() == {case.service_id: case for case in cases}
    assert journal.cases([case.service_id for case in cases[:1]]) == {c.service_id: c for c in cases[:1]}
    journal.close()


@settings(max_examples=60)
@given(RECORDS)
def test_records_come_back_whole(record: Record) -> None:
    journal = SqliteJournal()
    kept = journal.add_record(record)
    assert kept == replace(record, id=1)
    assert journal.records() == [kept]
    journal.close()


@settings(max_examples=60)
@given(STEPS, INSTANTS, INSTANTS, TEXT, st.sampled_from(StepState))
def test_steps_come_back_whole(step: Step, begun: datetime, ended: datetime, text: str, state: StepState) -> None:
    journal = SqliteJournal()
    run = journal.begin_run("apply", "enforce", TODAY, begun, text)
    number = journal.begin(run, step, begun, text, text, text)
    assert journal.open_steps()[0].note == text
    journal.end(number, state, ended, text)
    found = journal.steps()[0]
    assert (found.step, found.state, found.begun_at, found.ended_at) == (step, state, begun, ended)
    assert (found.note, found.actor, found.policy_version) == (text, text, text)
    journal.close()


@settings(max_examples=30)
@given(st.builds(Membership, DAY, DAY, DAY, st.none() | NUMBERS, DAY))
def test_memberships_come_back_whole(membership: Membership) -> None:
    journal = SqliteJournal()
    journal.save_membership(ClientId(1), Membership(date.min))
    journal.save_membership(ClientId(1), membership)
    assert journal.memberships() == {1: membership}
    journal.close()


# --- cases ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(ServiceId(1)), False),
        (Case(ServiceId(1), opened_on=TODAY), True),
        (Case(ServiceId(1), suspended_on=TODAY), True),
        (Case(ServiceId(1), adopted_on=TODAY), True),
        (Case(ServiceId(1), ended_on=TODAY), True),
        (Case(ServiceId(1), ended_on=TODAY, erased_on=TODAY), False),
        (Case(ServiceId(1), last_act_on=TODAY, released_on=TODAY), False),
    ],
)
def test_a_case_is_open_while_something_may_have_to_happen(journal: SqliteJournal, case: Case, expected: bool) -> None:
    journal.save_cases([Case(ServiceId(1), opened_on=TODAY)])
    journal.save_cases([case])
    assert journal.clients_of_open_cases() == ({1} if expected else set())


# --- records ----------------------------------------------------------------------------------


def test_records_are_found_by_client_kind_and_state(journal: SqliteJournal) -> None:
    promise = journal.add_record(a_record())
    freeze = journal.add_record(a_record(RecordKind.FREEZE, None))
    other = journal.add_record(a_record(client=2))
    assert [r.id for r in (promise, freeze, other)] == [1, 2, 3]
    assert journal.records(client=ClientId(1)) == [promise]
    assert journal.records(kind=RecordKind.FREEZE) == [freeze]
    journal.close_record(1, RecordState.KEPT, TODAY, "paid in full", by="Ana")
    closed = replace(promise, state=RecordState.KEPT, closed_on=TODAY, closed_by="Ana", closed_why="paid in full")
    assert journal.records(open_only=True) == [freeze, other]
    assert journal.records(client=ClientId(1), kind=RecordKind.PROMISE) == [closed]


def test_an_unknown_record_is_named(journal: SqliteJournal) -> None:
    with pytest.raises(UnknownId, match="no record 9"):
        journal.close_record(9, RecordState.KEPT, TODAY)


# --- plans ------------------------------------------------------------------------------------


def test_a_plan_is_found_by_its_fingerprint(journal: SqliteJournal) -> None:
    payload = '{"steps": [' + ",".join('{"kind": "suspend"}' for _ in range(2000)) + "]}"
    journal.save_plan(TODAY, "4f1c", payload, {"suspend:1": "aa"})
    assert journal.plan("4f1c") == (TODAY, payload)
    assert journal.plan("9999") is None


def test_announced_is_what_stood_in_the_last_plan_of_an_earlier_day(journal: SqliteJournal) -> None:
    """Monday's plan is held against Friday's last one, whatever the weekend did not run."""
    friday, monday = TODAY - timedelta(days=3), TODAY
    assert journal.announced(monday) == {}
    journal.save_plan(friday, "f1", "{}", {"suspend:1": "aa"})
    journal.save_plan(friday, "f2", "{}", {"suspend:1": "bb", "suspend:2": "cc"})
    journal.save_plan(monday, "m1", "{}", {"suspend:3": "dd"})
    assert journal.announced(monday) == {"suspend:1": "bb", "suspend:2": "cc"}
    assert journal.announced(friday) == {}
    journal.save_plan(monday, "f2", "{}", {})
    assert journal.announced(monday) == {"suspend:1": "bb", "suspend:2": "cc"}


def test_a_day_that_was_read_in_part_does_not_take_back_what_an_earlier_one_announced(journal: SqliteJournal) -> None:
    days = [TODAY + timedelta(days=number) for number in range(9)]
    journal.save_plan(days[0], "f0", "{}", {"suspend:1": "aa", "suspend:2": "old"})
    for day in days[1:8]:
        assert journal.announced(day)["suspend:1"] == "aa"
        journal.save_plan(day, f"{day}", "{}", {"suspend:2": f"{day}"})
    assert journal.announced(days[8]) == {"suspend:2": f"{days[7]}"}


def test_old_plans_go_but_never_the_last_one_before_a_pause(journal: SqliteJournal) -> None:
    old, last, back = TODAY, TODAY + timedelta(days=40), TODAY + timedelta(days=200)
    for day, name in ((old, "old"), (last, "last"), (back, "back")):
        journal.save_plan(day, name, "{}", {name: name})
    assert journal.plan("old") is None
    assert journal.announced(back) == {"last": "last"}


# --- approvals, policies, small values, evidence ------------------------------------------------------


def test_approvals_stand_until_dropped(journal: SqliteJournal) -> None:
    for kind in ("terminate", "delete_backups", "terminate"):
        journal.approve(Approval(kind, ServiceId(1), "boss", TODAY))
    journal.approve(Approval("terminate", ServiceId(2), "boss", TODAY))
    assert journal.approvals() == {1: {"terminate", "delete_backups"}, 2: {"terminate"}}
    journal.drop_approval(ServiceId(2), "terminate")
    journal.drop_approval(ServiceId(3), "terminate")
    assert journal.approvals() == {1: {"terminate", "delete_backups"}}


def test_policies_are_kept_with_their_days_of_use(journal: SqliteJournal) -> None:
    for day in (TODAY, TODAY + timedelta(days=5)):
        journal.note_policy("v1", "[policy]", day)
    with journal._store.looking as conn:
        assert conn.execute("SELECT * FROM policies").fetchall() == [("v1", "2025-03-10", "2025-03-15", "[policy]")]


@pytest.mark.parametrize("value", [None, 0, "", [1, "a", None], {"a": {"b": 1.5}}, True, "ü\x00"])
def test_small_values_are_remembered(journal: SqliteJournal, value: Any) -> None:
    assert journal.get("key") is None
    assert journal.get("key", "default") == "default"
    journal.put("key", value)
    assert journal.get("key", "default") == value


def test_evidence_is_kept_in_order(journal: SqliteJournal) -> None:
    pieces: list[dict[str, Any]] = [{"store": "offsite", "items": [1, 2]}, {"store": "offsite", "left": 0}]
    for piece in pieces:
        journal.add_evidence(ServiceId(1), AT, piece)
    assert journal.evidence(ServiceId(1)) == pieces
    assert journal.evidence(ServiceId(2)) == []
