"""Two weeks of shadow, with WHMCS's own cron on and a second module that acts: what the report says of it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from tests.house import WARNED, House, service_id
from tests.jobs.test_others import acting
from tests.jobs.test_shadow import writes
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.jobs.shadow_report import DAYS, Check, Difference, ShadowReport, Verdict
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.cron import run_daily_cron
from whmcs_bridge.simulator.records import Actor as By
from whmcs_bridge.simulator.records import Invoice, Service

RULES: dict[str, Any] = {**WARNED, "terminate_after_days": 30}


@dataclass
class Fortnight:
    """A house in shadow mode that lives day by day: WHMCS's cron in the morning, our sync at noon."""

    house: House

    @classmethod
    def of(cls, **more: Any) -> Self:
        house = House.of({"class": {"hosting": RULES}, **more})
        house.enforcing(False)
        return cls(house)

    def live(self, days: int, *, cron: bool = False) -> None:
        for _ in range(days):
            if cron:
                run_daily_cron(self.house.world)
            self.house.sync()
            self.house.pass_days()

    def report(self, days: int = 30) -> ShadowReport:
        return self.house.bridge.shadow_report(days)

    def debtor(self, *, overdue: int, lagging: bool = False) -> tuple[Service, Invoice]:
        """A service with one overdue invoice; `lagging`: its next due date has passed as well, so the cron sees it."""
        house = self.house
        fields = {"next_due": house.day(-overdue)} if lagging else {}
        service = house.a_service(house.a_client(), **fields)
        return service, house.an_invoice(service, due=-overdue)


def the_one(found: ShadowReport, service: Service) -> Difference:
    (difference,) = [d for d in found.differences if d.service == service.id]
    return difference


def test_two_weeks_of_shadow_with_a_second_module_acting() -> None:
    life = Fortnight.of()
    with life.house as house:
        world = house.world
        world.settings.update({"AutoSuspension": "on", "AutoSuspensionDays": "3", "AutoUnsuspend": "on"})
        world.settings.update({"AutoTermination": "on", "AutoTerminationDays": "300", "GenerateInvoices": ""})
        start = house.today
        alike, _ = life.debtor(overdue=1, lagging=True)
        left_alone, soon_paid = life.debtor(overdue=1)
        lagging = house.a_service(next_due=start - timedelta(days=1))
        twice, first = life.debtor(overdue=1, lagging=True)
        second = house.an_invoice(twice, due=0)
        by_module = house.a_service()
        slow, _ = life.debtor(overdue=1)
        life.live(5, cron=True)
        record_payment(world, soon_paid, mail=False)
        record_payment(world, first, mail=False)
        life.live(3, cron=True)
        acting(house, by_module, modules.SUSPEND, By.PAYMENT)
        acting(house, slow, modules.SUSPEND, By.ADMIN, user="maria", admin=2)
        life.live(6, cron=True)
        found = life.report()

        agreed = the_one(found, alike)
        assert (agreed.verdict, agreed.kind) == (Verdict.AGREED, Kind.SUSPEND)
        assert agreed.theirs is not None
        assert agreed.theirs.actor == "cron"

        nobody = the_one(found, left_alone)
        assert (nobody.verdict, nobody.kind, nobody.theirs) == (Verdict.ONLY_WE, Kind.SUSPEND, None)
        assert nobody.ours_on == start + timedelta(days=2)
        assert nobody.paid_on == start + timedelta(days=5)

        wrong = the_one(found, lagging)
        assert (wrong.verdict, wrong.ours_on) == (Verdict.ONLY_THEY, None)
        assert wrong.reason == "nothing overdue concerns it"

        early = [d for d in found.of(Verdict.RELEASED_EARLY) if d.service == twice.id]
        assert len(early) == 1
        assert early[0].reason == f"still owed: invoice {second.number or second.id}"

        stranger = the_one(found, by_module)
        assert stranger.verdict is Verdict.ONLY_THEY
        assert [a.service for a in found.second_actors] == [by_module.id]
        assert found.second_actors[0].line == f"Module Suspend Successful - Service ID: {by_module.id}"

        late = the_one(found, slow)
        assert (late.verdict, late.ours_on) == (Verdict.OTHER_DAY, start + timedelta(days=2))
        assert late.theirs is not None
        assert (late.theirs.actor, late.theirs.user) == ("staff", "maria")

        assert found.counts()[Verdict.AGREED]["suspend"] >= 1
        assert found.steps["suspend"] >= 3
        assert found.acts["unknown"] == 1
        assert writes(house) == {}
        assert house.bridge.journal.cases() == {}
        assert not found.ready
        refused = {c.code for c in found.checks if not c.ok}
        assert {"second-actor", "automation", "doubtful"} <= refused
        assert "days" not in refused


def test_a_release_by_whmcs_after_which_nothing_more_was_owed_is_not_told_as_too_early() -> None:
    """Staff's blank suspension, lifted by WHMCS at the next payment: the rules would not have, but nothing is owed."""
    life = Fortnight.of()
    with life.house as house:
        house.world.settings.update({"AutoUnsuspend": "on", "GenerateInvoices": ""})
        blank = house.a_service(status="Suspended", suspend_reason="")
        coming = house.an_invoice(blank, due=10)
        life.live(2)
        record_payment(house.world, coming, mail=False)
        life.live(2)
        assert blank.status == "Active"
        found = life.report()
        assert found.of(Verdict.RELEASED_EARLY) == ()
        lifted = the_one(found, blank)
        assert (lifted.verdict, lifted.kind) == (Verdict.ONLY_THEY, Kind.UNSUSPEND)


def test_a_quiet_fortnight_is_reasonable_to_enforce() -> None:
    life = Fortnight.of()
    with life.house as house:
        house.world.settings.update({"AutoSuspension": "", "AutoTermination": ""})
        _, invoice = life.debtor(overdue=1)
        life.live(5)
        house.pay(invoice)
        life.live(DAYS - 6)
        assert [c.code for c in life.report().checks if not c.ok] == ["days"]
        life.live(1)
        found = life.report()
        assert (found.days, found.ready, found.reasons) == (DAYS, True, ())


def test_a_missed_day_and_a_failed_one_begin_the_count_anew() -> None:
    life = Fortnight.of()
    with life.house as house:
        life.live(DAYS)
        assert life.report().days == DAYS
        house.pass_days()
        life.live(2)
        assert life.report().days == 2
        run = house.bridge.journal.begin_run("sync", "shadow", house.today, house.bridge.clock.now(), "v")
        house.bridge.journal.end_run(run, house.bridge.clock.now(), "failed", "")
        house.pass_days()
        assert life.report().days == 0


def the_check(life: Fortnight, code: str) -> Check:
    (check,) = [c for c in life.report().checks if c.code == code]
    return check


def test_whmcs_own_termination_speaks_against_it_and_its_suspension_is_for_the_day_itself() -> None:
    life = Fortnight.of()
    with life.house as house:
        house.world.settings.update({"AutoSuspension": "on", "AutoTermination": "on"})
        life.live(1)
        check = the_check(life, "automation")
        assert not check.ok
        assert "AutoTermination is on" in check.text
        assert "today" in check.todo
        house.world.settings["AutoTermination"] = ""
        life.live(1)
        check = the_check(life, "automation")
        assert check.ok
        assert "AutoSuspension is on" in check.text
        assert check.todo.startswith('on the day you set mode = "enforce": switch it off')
        house.enforcing(True)
        assert not the_check(life, "automation").ok
        house.enforcing(False)
        house.world.settings["AutoSuspension"] = ""
        life.live(1)
        assert (the_check(life, "automation").ok, the_check(life, "automation").todo) == (True, "")


def test_adopt_doctor_and_report_name_the_same_day_for_each_setting() -> None:
    life = Fortnight.of()
    with life.house as house:
        house.world.settings.update({"AutoSuspension": "on", "AutoTermination": "on"})
        said = {s.setting: s.set_to for s in house.bridge.adopt().settings}
        assert said["AutoSuspension"] == 'off, on the day you set mode = "enforce"'
        assert said["AutoTermination"] == "off, today"
        life.live(1)
        assert "switch it off today" in the_check(life, "automation").todo


def test_before_the_first_sync_nothing_is_said_to_be_in_order_that_nobody_has_looked_at() -> None:
    life = Fortnight.of()
    with life.house as house:
        house.a_service().status = "Suspended"
        assert len(house.bridge.adopt().doubtful) == 1
        for code in ("doubtful", "automation"):
            assert not the_check(life, code).ok
            assert "not known yet: no sync has run" in the_check(life, code).text


def test_a_confirmed_suspension_is_asked_about_no_more_at_once() -> None:
    life = Fortnight.of()
    with life.house as house:
        services = [house.a_service(), house.a_service()]
        for service in services:
            service.status = "Suspended"
        life.live(1)
        assert "2 suspensions" in the_check(life, "doubtful").text
        for service, whose in zip(services, (Adoption.WHMCS, Adoption.STAFF), strict=True):
            house.bridge.confirm_suspension(service_id(service), whose, "ana")
        assert "blank-suspension" not in house.task_codes()
        assert the_check(life, "doubtful").ok
        life.live(1)
        assert "blank-suspension" not in house.task_codes()


def test_a_limit_that_would_have_refused_an_ordinary_day_speaks_against_it() -> None:
    life = Fortnight.of(limits={"suspend": {"always_allowed": 0, "max": 1, "percent": 100}})
    with life.house:
        for _ in range(3):
            life.debtor(overdue=1)
        life.live(4)
        found = life.report()
        assert [c.code for c in found.checks if not c.ok and c.code == "limits"] == ["limits"]
        ((day, why),) = found.over.items()
        assert day == date(2025, 3, 12)
        assert why == ("limit:suspend: 3 suspend steps, 1 a day allowed",)
        life.live(7)
        assert "limits" not in {c.code for c in life.report().checks if not c.ok}


def test_a_payment_that_was_booked_late_is_told_as_harm() -> None:
    life = Fortnight.of()
    with life.house as house:
        service, invoice = life.debtor(overdue=1)
        life.live(4)
        record_payment(house.world, invoice, at=house.world.clock - timedelta(days=3), mail=False)
        invoice.paid_at = house.world.clock - timedelta(days=3)
        life.live(1)
        found = life.report()
        assert [d.service for d in found.harmed] == [service.id]
        assert "harm" in {c.code for c in found.checks if not c.ok}


def test_the_report_is_the_same_for_machines() -> None:
    life = Fortnight.of()
    with life.house as house:
        service, _ = life.debtor(overdue=1)
        life.live(4)
        acting(house, service, modules.TERMINATE, By.API)
        life.live(1)
        told = life.report(days=5).to_json()
        assert told["ready"] is False
        assert told["reasons"]
        assert told["shadow_days"] == 5
        assert (told["since"], told["until"]) == ("2025-03-11", "2025-03-15")
        assert {d["verdict"] for d in told["differences"]} == {"only-we", "only-they"}
        assert told["second_actors"][0]["line"] == f"Module Terminate Successful - Service ID: {service.id}"
        assert told["steps"] == {"notice": 1, "suspend": 1}
