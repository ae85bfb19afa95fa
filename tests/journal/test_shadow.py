"""The journal's record of shadow mode, and of what others did."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from whmcs_bridge.domain.case import Case, SentNotice
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import Actor, ForeignAct, ShadowCase, ShadowStep

MONDAY = date(2025, 3, 10)
TUESDAY = date(2025, 3, 11)
NOON = datetime(2025, 3, 10, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))


def a_step(day: date = MONDAY, service: int = 1, kind: Kind = Kind.SUSPEND, *, announced: bool = False) -> ShadowStep:
    step = Step(f"{kind}-s{service}@{day}", kind, ClientId(1), ServiceId(service), day, "owes", announced=announced)
    return ShadowStep(step)


def an_act(day: date = MONDAY, service: int = 1) -> ForeignAct:
    return ForeignAct(
        ServiceId(service),
        ClientId(1),
        "suspend",
        Actor.CRON,
        day,
        "Active",
        "Suspended",
        by_reading=NOON,
        at=datetime(2025, 3, 10, 9, 0),  # noqa: DTZ001 (WHMCS's wall clock)
        line="Cron Job: Suspending Service - Service ID: 1",
    )


def test_a_step_is_imagined_once_however_often_it_is_told() -> None:
    journal = SqliteJournal()
    journal.save_shadow(1, [a_step(), a_step(service=2)], [])
    journal.save_shadow(2, [ShadowStep(a_step().step, over="too many"), a_step(TUESDAY)], [])
    kept = journal.shadow_steps(MONDAY)
    assert [(s.step.id, s.over) for s in kept] == [
        ("suspend-s1@2025-03-10", ""),
        ("suspend-s2@2025-03-10", ""),
        ("suspend-s1@2025-03-11", ""),
    ]
    assert [s.step.date for s in journal.shadow_steps(TUESDAY)] == [TUESDAY]


def test_imagined_steps_are_counted_by_day_as_real_ones_are() -> None:
    journal = SqliteJournal()
    journal.save_shadow(1, [a_step(), a_step(service=2), a_step(service=3, announced=True)], [])
    journal.save_shadow(2, [a_step(TUESDAY, service=4), a_step(TUESDAY, kind=Kind.NOTICE)], [])
    assert journal.shadow_counts(MONDAY) == {("suspend", False): 2, ("suspend", True): 1}
    assert journal.shadow_usual(date(2025, 3, 12)) == {"suspend": [1, 3], "notice": [1]}
    assert journal.shadow_usual(date(2025, 3, 12), days=1) == {"suspend": [1], "notice": [1]}
    assert journal.shadow_usual(TUESDAY) == {"suspend": [3]}


def test_an_imagined_case_comes_back_as_it_was_and_goes_when_acting_begins() -> None:
    journal = SqliteJournal()
    case = Case(ServiceId(7), opened_on=MONDAY, notices=(SentNotice("suspension-warning", 2, MONDAY, True),))
    shadow = ShadowCase(case, "Suspended", "Overdue: invoice 3 [whmcs-bridge]", ("cancel_invoice-s7-3",))
    journal.save_shadow(1, [a_step()], [shadow, ShadowCase(Case(ServiceId(8)))])
    assert journal.shadow_cases()[ServiceId(7)] == shadow
    journal.drop_shadow_cases([ServiceId(8)])
    assert set(journal.shadow_cases()) == {7}
    journal.drop_shadow_cases()
    assert journal.shadow_cases() == {}
    assert journal.shadow_steps(MONDAY), "what was imagined stays"
    assert journal.cases() == {}


def test_what_others_did_is_found_by_day_and_by_service() -> None:
    journal = SqliteJournal()
    journal.save_foreign_acts(1, [an_act(), an_act(service=2)])
    journal.save_foreign_acts(2, [an_act(TUESDAY)])
    assert journal.foreign_acts(MONDAY) == [an_act(), an_act(service=2), an_act(TUESDAY)]
    assert journal.foreign_acts(TUESDAY) == [an_act(TUESDAY)]
    assert journal.foreign_acts(MONDAY, ServiceId(2)) == [an_act(service=2)]


def test_days_with_syncs_are_known_with_how_they_went() -> None:
    journal = SqliteJournal()
    for job, mode, day, outcome in (
        ("sync", "shadow", MONDAY, "shadow"),
        ("sync", "shadow", MONDAY, "failed"),
        ("apply", "enforce", TUESDAY, "ok"),
        ("sync", "enforce", date(2025, 3, 12), "ok"),
    ):
        journal.end_run(journal.begin_run(job, mode, day, NOON, "v"), NOON, outcome, "")
    assert journal.sync_days(MONDAY) == {
        MONDAY: {("shadow", "shadow"), ("shadow", "failed")},
        date(2025, 3, 12): {("enforce", "ok")},
    }
    assert set(journal.sync_days(TUESDAY)) == {date(2025, 3, 12)}
