"""The first day: what `adopt` finds in a messy book, that it changes nothing, and that its word is kept."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.house import HOSTING, WARNED, House, client_id, service_id
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.jobs.findings import Findings
from whmcs_bridge.plan.limits import GROUPS
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.whmcs_settings import Weight
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.faults import Kind as FaultKind
from whmcs_bridge.simulator.records import Actor, Service
from whmcs_bridge.simulator.seed_messy import MessyBook, messy_book

TODAY = date(2026, 3, 17)
"""A Tuesday."""
RULES: Mapping[str, Any] = {
    "class": {
        "hosting": {**WARNED, "product_types": ["hostingaccount", "reselleraccount"]},
        "licence": {"product_types": ["other"], "suspend_after_days": 1, "terminate_after_days": 3},
        "vps": {"product_types": ["server"], "suspend_after_days": 1, "terminate_after_days": 3},
    },
    "approval": {"terminate": "required"},
}


@dataclass
class Found:
    """A messy book, what adopt found in it, and the house it stands in."""

    book: MessyBook
    house: House
    findings: Findings

    def whose(self, kind: str) -> Counter[tuple[str, str]]:
        """(whose, code) of the suspended services of one mess."""
        down = {d.subject.service: (d.whose.value, d.code) for d in self.findings.down}
        return Counter(down[service_id(self.book.world.services[n])] for n in self.book.kinds[kind])


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    book = messy_book(450, 7, TODAY)
    with House.of(RULES, world=book.world) as house:
        house.enforcing(False)
        yield Found(book, house, house.bridge.adopt())


# --- whose a suspension is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mess", "whose"),
    [
        ("abuse_blank", ("staff", "blank")),
        ("paid_but_down", ("staff", "blank")),
        ("abuse_named", ("staff", "")),
        ("abuse_in_debt", ("staff", "")),
        ("staff_overdue", ("staff", "wording")),
        ("down_for_months", ("whmcs", "")),
        ("down_lately", ("whmcs", "")),
    ],
)
def test_every_suspension_is_sorted_and_the_doubtful_are_said(found: Found, mess: str, whose: tuple[str, str]) -> None:
    assert found.book.kinds[mess], mess
    assert set(found.whose(mess)) == {whose}


def test_every_suspended_service_is_listed_once(found: Found) -> None:
    down = [s.id for s in found.book.world.services.values() if s.status == "Suspended"]
    assert sorted(d.subject.service or 0 for d in found.findings.down) == sorted(down)
    assert found.findings.active == sum(s.status == "Active" for s in found.book.world.services.values())


def test_an_earlier_installation_of_ours_is_known_by_its_reason() -> None:
    with House.of() as house:
        _, service, invoice = house.a_debtor(overdue=40)
        service.status, service.suspend_reason = "Suspended", f"Overdue: invoice {invoice.id} [whmcs-bridge]"
        findings = house.bridge.adopt()
        assert [d.subject.service for d in findings.of(Adoption.OURS)] == [service.id]
        assert findings.coming.by_kind_today == {}


# --- what is odd ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mess", "code", "about"),
    [
        ("moved", "moved", "service"),
        ("lost_group", "unlisted-group", "client"),
        ("owing_exempt", "exempt-debt", "service"),
        ("owing_override_open", "override", "service"),
        ("owing_override_ahead", "override", "service"),
        ("lagging", "lagging", "service"),
        ("closed_living", "closed", "service"),
        ("long_cancelled", "request", "service"),
        ("moduleless", "no-module", "service"),
        ("productless", "no-product", "service"),
        ("undated", "special", "client"),
    ],
)
def test_what_a_book_of_ten_years_holds_is_counted_with_examples(
    found: Found, mess: str, code: str, about: str
) -> None:
    ids = found.book.kinds[mess]
    assert ids, mess
    world = found.book.world
    clients = {world.invoices[n].client if mess == "undated" else world.services[n].client for n in ids}
    (oddity,) = [o for o in found.findings.oddities if o.code == code]
    seen = {e.client if about == "client" else e.service for e in oddity.examples}
    assert (clients if about == "client" else set(ids)) <= seen
    assert oddity.count >= len(oddity.examples)
    assert oddity.todo


def test_products_without_a_class_are_counted(found: Found) -> None:
    classless = {c.product: c for c in found.findings.classless}
    assert classless[777].living == sum(found.book.world.services[n].status == "Active" for n in found.book.productless)


def test_settings_of_whmcs_that_fight_are_named(found: Found) -> None:
    weights = {s.setting: s.weight for s in found.findings.settings}
    assert weights["AutoSuspension"] is weights["AutoTermination"] is Weight.FIGHTS
    assert {s.value for s in found.findings.settings if s.setting == "AutoSuspensionDays"} == set()


# --- what the rules would do ----------------------------------------------------------------------


def test_the_first_enforced_run_does_what_was_foreseen_and_no_more() -> None:
    """It suspends or ends nobody who has not passed the stages, though half the debts are years old."""
    book = messy_book(450, 8, TODAY)
    with House.of(RULES, world=book.world) as house:
        house.enforcing(False)
        findings = house.bridge.adopt()
        house.enforcing(True)
        report = house.sync()
        planned = Counter(step.kind for step in report.plan.steps)
        assert planned == findings.coming.by_kind_today
        assert Kind.TERMINATE not in planned
        for result in report.results:
            if result.step.kind is Kind.SUSPEND and result.state is StepState.DONE:
                product = book.world.products[book.world.services[result.step.service or 0].product]
                assert product.type in ("other", "server"), "hosting is warned on an earlier day"


def test_a_month_of_enforced_runs_does_what_was_foreseen_day_by_day() -> None:
    """Nobody pays; every end is approved as soon as it waits."""
    rules = {"class": {"hosting": WARNED}}
    with House.of(rules) as house:
        house.a_debtor(overdue=40)
        house.a_debtor(overdue=1)
        house.a_debtor(overdue=-4)
        house.a_debtor(overdue=-9)
        _, whmcs, _ = house.a_debtor(overdue=60)
        whmcs.status = "Suspended"
        house.enforcing(False)
        findings = house.bridge.adopt()
        house.enforcing(True)
        happened: dict[date, Counter[str]] = {}
        for _ in range(31):
            report = house.sync()
            done = Counter(r.step.message or r.step.kind.value for r in report.results if r.state is StepState.DONE)
            if done:
                happened[house.today] = done
            house.pass_days()
        names = {"reminder": "payment-reminder", "warning": "suspension-warning", "final_warning": "final-warning"}
        foreseen = {
            day: Counter({names.get(column, column): n for column, n in counts.items()})
            for day, counts in findings.coming.by_day.items()
        }
        assert foreseen == happened


def test_what_the_limits_would_refuse_is_said_with_what_goes_past_it() -> None:
    with House.of({"class": {"hosting": HOSTING}, "limits": {"suspend": {"max": 2}}}) as house:
        for _ in range(5):
            house.a_debtor(overdue=5)
        house.enforcing(False)
        (refusal,) = house.bridge.adopt().refusals
        assert refusal.name in GROUPS
        assert refusal.flag == "--allow suspend=5"


def test_a_run_for_a_few_first_begins_with_those_alone() -> None:
    """The days to come are told for everybody; what we suspended ourselves is given back to anybody."""
    with House.of() as house:
        first, _, _ = house.a_debtor(overdue=5)
        house.a_debtor(overdue=5)
        ours = house.a_service()
        ours.status, ours.suspend_reason = "Suspended", "Overdue: invoice 99 [whmcs-bridge]"
        house.bridge.snapshot()
        house.bridge.enforce_only([], [client_id(first)], "ana")
        findings = house.bridge.adopt()
        assert findings.coming.by_day[house.today] == {"suspend": 2, "unsuspend": 1}
        assert findings.coming.by_kind_today == {Kind.SUSPEND: 1, Kind.UNSUSPEND: 1}
        assert Counter(step.kind for step in house.sync().plan.steps) == findings.coming.by_kind_today


def test_vip_moves_are_foreseen() -> None:
    rules = {"class": {"hosting": HOSTING}, "vip": {"group": "VIP"}}
    with House.of(rules) as house:
        house.a_debtor(overdue=1, group=1)
        house.a_debtor(overdue=-5, group=1)
        house.enforcing(False)
        coming = house.bridge.adopt().coming
        assert coming.by_kind_today[Kind.VIP_REMOVE] == 1
        assert coming.by_day[house.day(6)]["vip"] == 1


# --- it changes nothing ---------------------------------------------------------------------------


def tables_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with sqlite3.connect(path) as conn:
        names = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: conn.execute(f"SELECT * FROM {name}").fetchall() for name in names}


@pytest.mark.parametrize("enforcing", [False, True])
@pytest.mark.parametrize("offline", [False, True])
def test_it_writes_its_findings_and_a_run_and_nothing_else(tmp_path: Path, enforcing: bool, offline: bool) -> None:
    book = messy_book(120, 7, TODAY)
    rules = {**RULES, "vip": {"group": "VIP"}}
    with House.of(rules, world=book.world, folder=tmp_path) as house:
        house.enforcing(enforcing)
        house.bridge.snapshot()
        before, log = tables_of(tmp_path / "journal.db"), len(house.world.log)
        house.bridge.adopt(offline=offline)
        after = tables_of(tmp_path / "journal.db")
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed - {"policies"} == {"runs", "adoptions"}, "every run keeps the rules it was under"
        assert len(after["adoptions"]) == 1
        writes = [e for e in house.world.log[log:] if e.actor != Actor.CRON]
        assert writes == []


def test_what_it_found_is_kept_and_its_run_too() -> None:
    with House.of() as house:
        house.a_debtor(overdue=3)
        findings = house.bridge.adopt(days=10)
        (kept,) = house.bridge.journal.adoptions()
        assert kept.payload == findings.to_json()
        assert kept.number == findings.number
        run = house.bridge.journal.last_run("adopt")
        assert run is not None
        assert run.outcome == "ok"


def test_a_gap_in_what_was_read_is_said_and_kept_as_a_failed_run() -> None:
    with House.of() as house:
        client, _, _ = house.a_debtor(overdue=3)
        house.faults(Fault("GetInvoice", FaultKind.HTTP_500, count=0))
        findings = house.bridge.adopt()
        assert findings.problems
        assert client_id(client) in {e.client for o in findings.oddities if o.code == "unread" for e in o.examples}
        assert findings.coming.by_kind_today[Kind.SUSPEND] == 0
        run = house.bridge.journal.last_run("adopt")
        assert run is not None
        assert run.outcome == "failed"


# --- what was settled -----------------------------------------------------------------------------


def test_what_a_person_settled_is_doubtful_no_more() -> None:
    with House.of() as house:
        services = [down(house), down(house)]
        assert len(house.bridge.adopt().doubtful) == 2
        for service, whose in zip(services, (Adoption.WHMCS, Adoption.STAFF), strict=True):
            house.bridge.confirm_suspension(service_id(service), whose, "ana")
        findings = house.bridge.adopt()
        assert findings.doubtful == []
        assert [d.subject.service for d in findings.of(Adoption.WHMCS)] == [services[0].id]
        assert findings.coming.by_kind_today == {Kind.UNSUSPEND: 1}


def down(house: House) -> Service:
    service = house.a_service()
    service.status = "Suspended"
    return service


def test_last_years_payments_are_looked_back_at() -> None:
    with House.of() as house:
        client, service, invoice = house.a_debtor(overdue=20)
        house.pay(invoice)
        house.an_invoice(service, due=-6)
        findings = house.bridge.adopt()
        past = findings.hindsight.by_class["hosting"]
        assert (past.invoices, past.suspended, past.ended) == (2, 2, 1)
        assert findings.hindsight.worst(1)[0].client == client.id
        assert findings.hindsight.since == house.today - timedelta(days=365)
