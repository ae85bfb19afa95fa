"""The first enforced days over a ten-year-old book: nobody who has not passed the stages goes down or ends.

The oracle reads WHMCS's own tables and the list of who is what that the book was made with; of the bridge it reads
what it did, never what it thought.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest

from tests.house import HOSTING, House
from whmcs_bridge.demo.company import Company, demo_settings
from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.simulator.records import NO_DAY, Invoice, Service
from whmcs_bridge.simulator.seed_messy import MessyBook, messy_book
from whmcs_bridge.simulator.state import SimEvent, World

EVE = date(2025, 6, 10)
FIRST = EVE + timedelta(days=1)
DAYS, APPROVES_AFTER_DAYS = 20, 15
CLIENTS, SEED = 320, 7
OPEN = ("Unpaid", "Collections", "Payment Pending")
ENDED = ("Terminated", "Cancelled", "Fraud")
MARK = "[whmcs-bridge]"

RULES = {
    # product type: (suspended from this day on, days between suspension and end), as the demo's settings have it
    "hostingaccount": (3, 12),
    "reselleraccount": (3, 12),
    "server": (2, 6),
    "other": (2, 8),
}
FINAL_WARNING_DAYS = 3
BLANK_WITH_DEBT = ("down_for_months", "down_lately")
BLANK_WITHOUT = ("abuse_blank", "paid_but_down")
BY_STAFF = ("abuse_named", "abuse_in_debt", "staff_overdue")


# --- the oracle -----------------------------------------------------------------------------------


def overdue(world: World, service: Service, today: date) -> list[Invoice]:
    """Open invoices of the service's own client, dated and past due, that bill the service or an addon of it.

    One that was made after its due date (imported, or for a period long past) is due on the day it was made.
    """
    addons = set(world.addons_by_service.get(service.id, ()))
    found = []
    for number in world.invoices_by_client.get(service.client, ()):
        invoice = world.invoices[number]
        if invoice.status not in OPEN or invoice.due == NO_DAY or world.balance(invoice) <= 0:
            continue
        if max(invoice.due, invoice.created) >= today:
            continue
        if any(
            (line.type == "Hosting" and line.relid == service.id) or (line.type == "Addon" and line.relid in addons)
            for line in invoice.lines
        ):
            found.append(invoice)
    return found


def days_overdue(invoices: list[Invoice], today: date) -> int:
    """Since the oldest fell due, or was made if that was later: an imported invoice is as old as its import."""
    return max((today - max(each.due, each.created)).days for each in invoices)


def product_type(world: World, service: Service) -> str:
    product = world.products.get(service.product)
    return product.type if product is not None else ""


def protected(world: World, service: Service, today: date) -> bool:
    """By WHMCS's own means: an exempt group, a group nobody knows, an override whose day has not come."""
    group = world.clients[service.client].group
    if group and (group not in world.groups or world.groups[group].exempt):
        return True
    return service.override and (service.override_until is None or today < service.override_until)


@dataclass
class Watch:
    """Sees every act as it happens, by its place in WHMCS's log, and keeps what was wrong with it."""

    book: MessyBook
    down_since: dict[int, date] = field(default_factory=dict)
    """Services whose suspension the bridge made, or found as WHMCS's own with debt behind it."""
    approved: set[int] = field(default_factory=set)
    acts: list[tuple[date, str, int]] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)

    def judge(self, events: list[SimEvent], today: date) -> None:
        """What the bridge did, and what WHMCS's cron did with its leave, which it had to ask for."""
        for event in events:
            act = what(event)
            if not act or event.actor not in ("api", "cron"):
                continue
            service = self.book.world.services[event.service]
            if event.actor == "api":
                self.acts.append((today, act, service.id))
            if act == "suspend":
                self._suspended(service, today, ours=event.actor == "api")
            elif act == "release":
                self._released(service, today)
            elif event.actor == "api" or not self._ends_by_itself(service):
                self._ended(service, today)

    def _suspended(self, service: Service, today: date, *, ours: bool) -> None:
        world = self.book.world
        debts = overdue(world, service, today)
        after, _ = RULES.get(product_type(world, service), (10**6, 0))
        if not debts or days_overdue(debts, today) < after:
            self.wrong(today, "suspend", service, f"owes {[(each.id, each.due) for each in debts]}")
        if protected(world, service, today):
            self.wrong(today, "suspend", service, "is protected by WHMCS's own means")
        if not self._mailed(service, "Please pay before", EVE, today - timedelta(days=1)):
            self.wrong(today, "suspend", service, "was not warned on an earlier day")
        if ours and not (
            service.suspend_reason.startswith("Overdue: invoice ") and service.suspend_reason.endswith(MARK)
        ):
            self.wrong(today, "suspend", service, f"has the reason {service.suspend_reason!r}")
        self.down_since[service.id] = today

    def _released(self, service: Service, today: date) -> None:
        world = self.book.world
        if service.id not in self.down_since:
            self.wrong(today, "release", service, "was somebody else's suspension")
        for number in world.services_by_client[service.client]:
            other = world.services[number]
            if other.status not in ENDED and [each for each in overdue(world, other, today) if counts(world, each)]:
                self.wrong(today, "release", service, f"its client still owes for service {number}")
        self.down_since.pop(service.id, None)

    def _ended(self, service: Service, today: date) -> None:
        world = self.book.world
        since = self.down_since.get(service.id)
        _, waiting = RULES.get(product_type(world, service), (0, 10**6))
        if since is None or (today - since).days < waiting:
            self.wrong(today, "end", service, f"down since {since}")
        if not overdue(world, service, today):
            self.wrong(today, "end", service, "owes nothing")
        if service.id not in self.approved:
            self.wrong(today, "end", service, "nobody approved it")
        warned = since or today
        if not self._mailed(service, "Final warning", warned, today - timedelta(days=FINAL_WARNING_DAYS)):
            self.wrong(today, "end", service, "without a final warning in time")

    def _ends_by_itself(self, service: Service) -> bool:
        """A trial at the end of its term, or a client's own wish."""
        asked = any(each.service == service.id for each in self.book.world.cancel_requests.values())
        product = self.book.world.products.get(service.product)
        return asked or (product is not None and product.autoterminate_days > 0)

    def _mailed(self, service: Service, subject: str, first: date, last: date) -> bool:
        return any(
            event.kind == "email"
            and event.client == service.client
            and event.detail.startswith(subject)
            and first <= event.at.date() <= last
            for event in self.book.world.log
        )

    def wrong(self, today: date, act: str, service: Service, why: str) -> None:
        self.wrongs.append(f"{today} {act} of service {service.id} ({service.status}): {why}")


def what(event: SimEvent) -> str:
    """An event of the log as an act on a service; "" for everything else."""
    if event.kind == "service:status":
        after = event.detail.rpartition("->")[2]
        return {"Suspended": "suspend", "Active": "release", "Terminated": "end", "Cancelled": "end"}.get(after, "")
    return {"module:suspend": "suspend", "module:unsuspend": "release", "module:terminate": "end"}.get(event.kind, "")


def counts(world: World, invoice: Invoice) -> bool:
    """More than the demo's `min_debt`, and not on its way."""
    return invoice.status != "Payment Pending" and world.balance(invoice) > 100


# --- the days -------------------------------------------------------------------------------------


@dataclass
class Told:
    """What the first weeks left behind."""

    company: Company
    watch: Watch
    reasons: dict[int, str]
    """Suspension reasons on the eve, by service."""
    first_acts: list[tuple[date, str, int]]
    first_stops: list[str]
    first_tasks: dict[str, set[int]]
    adopted: dict[int, tuple[Adoption | None, date | None, date | None]]

    @property
    def book(self) -> MessyBook:
        return self.watch.book


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Live the first days in enforce mode, hooks connected, WHMCS's own automation on as the book has it.

    What waits for a person is approved from the sixteenth day on, not before.
    """
    book = messy_book(CLIENTS, SEED, EVE)
    world, watch = book.world, Watch(book)
    watch.down_since = {number: FIRST for name in BLANK_WITH_DEBT for number in book.kinds[name]}
    for service in world.services.values():
        if service.status == "Suspended" and not service.suspend_reason and overdue(world, service, EVE):
            watch.down_since.setdefault(service.id, FIRST)
    reasons = {number: world.services[number].suspend_reason for name in BY_STAFF for number in book.kinds[name]}
    settings = demo_settings(None)
    settings = replace(
        settings, policy=replace(settings.policy, vip=None)
    )  # a hundred moves a day, and no harm in them
    with Company(world, settings, SEED, approving=False) as company:
        found = Told(company, watch, reasons, [], [], {}, {})
        for number in range(DAYS):
            today, mark = FIRST + timedelta(days=number), len(world.log)
            company.approving = number >= APPROVES_AFTER_DAYS
            day = company.morning(today)
            watch.judge(world.log[mark:], today)
            if number == 0:
                _keep_first(found, [stop.code for report in day.reports for stop in report.plan.stops])
            mark = len(world.log)
            company.afternoon(day)
            _follow(watch, world.log[mark:], today)
            watch.approved.update(day.approved)
        yield found


def _keep_first(found: Told, stops: list[str]) -> None:
    journal = found.company.bridge.journal
    found.first_acts = list(found.watch.acts)
    found.first_stops = stops
    for task in journal.tasks():
        if task.service is not None:
            found.first_tasks.setdefault(task.code, set()).add(int(task.service))
    cases = journal.cases()
    for name in (*BLANK_WITH_DEBT, *BLANK_WITHOUT):
        for number in found.book.kinds[name]:
            case = cases[ServiceId(number)]
            found.adopted[number] = (case.adoption, case.adopted_on, case.suspended_on)


def _follow(watch: Watch, events: list[SimEvent], today: date) -> None:
    """In the afternoon payers come back: by the bridge's hooks, or by WHMCS itself, which may lift a blank reason."""
    watch.judge([event for event in events if event.actor == "api"], today)
    for event in events:
        if what(event) == "release":
            watch.down_since.pop(event.service, None)
        elif what(event):
            watch.wrongs.append(f"{today} {event.kind} of service {event.service} outside a sync")


def test_nothing_in_twenty_days_was_done_to_anybody_who_had_not_passed_the_stages(told: Told) -> None:
    assert told.watch.wrongs == []
    assert told.company.bridge.journal.tasks()


def test_the_days_were_not_empty(told: Told) -> None:
    """Debtors were suspended and ended, and payers came back: the oracle had something to look at."""
    acts = [act for _, act, _ in told.watch.acts]
    assert min(acts.count("suspend"), acts.count("release"), acts.count("end")) > 3


def test_on_the_first_day_nobody_goes_down_comes_back_or_ends(told: Told) -> None:
    assert told.first_acts == []


def test_nobody_is_ended_before_a_person_said_yes(told: Told) -> None:
    ends = [day for day, act, _ in told.watch.acts if act == "end"]
    assert min(ends) > FIRST + timedelta(days=APPROVES_AFTER_DAYS)


def test_what_staff_took_down_stays_down_and_is_theirs(told: Told) -> None:
    """Also where the client is in debt, and also where the words are about debt."""
    touched = {number for _, _, number in told.watch.acts}
    for number, reason in told.reasons.items():
        service = told.book.world.services[number]
        assert (service.status, service.suspend_reason) == ("Suspended", reason)
        assert number not in touched
    assert told.first_tasks["foreign-suspension"] >= {*told.book.abuse_in_debt, *told.book.staff_overdue}


def test_blank_suspensions_without_debt_become_tasks_and_are_nobodys_to_lift(told: Told) -> None:
    blank = {number for name in BLANK_WITHOUT for number in told.book.kinds[name]}
    assert told.first_tasks["blank-suspension"] >= blank
    assert {told.adopted[number][0] for number in blank} == {Adoption.STAFF}
    assert not blank & {number for _, _, number in told.watch.acts}


def test_debtors_who_were_down_for_months_enter_at_suspended_with_the_clock_from_the_first_day(told: Told) -> None:
    for name in BLANK_WITH_DEBT:
        for number in told.book.kinds[name]:
            assert told.adopted[number] == (Adoption.WHMCS, FIRST, None)
    world = told.book.world
    for day, act, number in told.watch.acts:
        if act == "end" and number in told.book.down_for_months:
            _, waiting = RULES[product_type(world, world.services[number])]
            assert day >= FIRST + timedelta(days=waiting)


@pytest.mark.parametrize(
    "kind",
    [
        "owing_exempt",
        "owing_override_open",
        "owing_override_ahead",
        "productless",
        "lost_group",
        "moved",
        "pending_for_years",
        "completed",
        "fraud",
        "ended_owing",
    ],
)
def test_who_is_exempt_overridden_or_not_ours_to_judge_is_left_alone(told: Told, kind: str) -> None:
    assert not set(told.book.kinds[kind]) & {number for _, _, number in told.watch.acts}


def test_an_override_whose_day_is_past_protects_no_more_but_is_warned_first(told: Told) -> None:
    suspended = {number: day for day, act, number in told.watch.acts if act == "suspend"}
    gone = set(told.book.owing_override_past) & suspended.keys()
    assert gone
    assert min(suspended[number] for number in gone) > FIRST


# --- a house that warns nobody --------------------------------------------------------------------


def test_a_house_without_warnings_is_stopped_by_its_limits_before_the_first_act() -> None:
    """Its rules have everybody in debt due at once; each of them really owes, and the run stops all the same."""
    book = messy_book(CLIENTS, SEED, EVE)
    limits = {"suspend": {"always_allowed": 5, "max": 25, "percent": 2.0}}
    config = {"class": {"hosting": HOSTING}, "limits": limits, "sanity": {"same_age_percent": 20}}
    book.world.settings["SystemURL"] = "http://127.0.0.1"
    with House.of(config, world=book.world) as house:
        book.world.clock = datetime(FIRST.year, FIRST.month, FIRST.day, 10)  # noqa: DTZ001 (WHMCS's wall clock)
        report = house.sync()
        assert [stop.code for stop in report.plan.stops] == ["limit:suspend"]
        assert report.exit_code == 3
        refused = [step for step in report.plan.refused if step.kind.value == "suspend"]
        assert report.plan.stops[0].way_past == f"whmcs-bridge sync --allow suspend={len(refused)}"
        assert len(refused) > 5
        assert not [event for event in book.world.log if what(event)]
        for step in refused:
            assert step.service is not None
            service = book.world.services[int(step.service)]
            debts = overdue(book.world, service, FIRST)
            assert service.status == "Active"
            assert days_overdue(debts, FIRST) >= 3
            assert not protected(book.world, service, FIRST)
