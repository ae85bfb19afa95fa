"""The second story: WHMCS asks before it acts. A debtor pays half, WHMCS's cron is wrong, staff clicks."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from whmcs_bridge.demo.company import OPERATOR_AT, Asked, Company, demo_settings
from whmcs_bridge.demo.proof import overdue, what
from whmcs_bridge.demo.story import Day, Line, counted
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator import modules
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.invoicing import create_invoice
from whmcs_bridge.simulator.records import Actor, Client, Invoice, InvoiceLine, Product, ProductGroup, Service
from whmcs_bridge.simulator.records import Group as ClientGroup
from whmcs_bridge.simulator.state import SimEvent, World, new_world

PAYS_AT = dt.time(15)
CLICKS_AT = dt.time(11)
DAYS = 10
"""From a Wednesday to the Friday of the week after: what is due falls on no weekend."""
FRIDAY = 4
FIRST_PAYMENT, CLICK, SECOND_PAYMENT = 5, 5, 7
"""Days of the scene, counted from 0."""
CRON_SUSPENDS_AFTER_DAYS = 5
PRICE = 4000
"""Cents."""
ONE_DAY = dt.timedelta(days=1)
_WANTS = {"PreModuleSuspend": "suspend", "PreModuleUnsuspend": "unsuspend"}
_WHO = {Actor.CRON: "WHMCS's cron", Actor.PAYMENT: "WHMCS, for the payment,"}
_DONE = {"suspend": ("is suspended", "harm"), "release": ("is back", "good"), "end": ("is ended", "harm")}
_BY = {Actor.API: " by the bridge", Actor.CRON: " by WHMCS's cron", Actor.PAYMENT: " in the moment of the payment"}


@dataclass(slots=True)
class SecondStory:
    """What came of the three clients, by WHMCS's log and the bridge's answers and records."""

    two_invoices: int = 0
    paid_up: int = 0
    clicked: int = 0
    """Services: of who owes two invoices, of who owes nothing, of the debtor that staff unsuspends."""
    asked: list[Asked] = field(default_factory=list)
    acts: list[tuple[dt.datetime, str, str, int]] = field(default_factory=list)
    """(when, suspend or release or end, who, service)."""
    payments: list[dt.datetime] = field(default_factory=list)
    releases: list[tuple[dt.date, dt.date]] = field(default_factory=list)
    """Since and until of what staff's click was recorded as."""
    tasks: list[str] = field(default_factory=list)
    """What staff was left with about the next due date that lags behind."""
    troubles: list[str] = field(default_factory=list)

    def answers(self, service: int) -> list[Asked]:
        """Return what was asked about one service, oldest first."""
        return [one for one in self.asked if one.service == service]

    def to_json(self) -> dict[str, Any]:
        """Return the story for machines; every answer with its reason."""
        return {
            "two_invoices": {
                "service": self.two_invoices,
                "paid_at": [at.isoformat() for at in self.payments],
                **self._of(self.two_invoices),
            },
            "paid_up": {
                "service": self.paid_up,
                **self._of(self.paid_up),
                "tasks": list(self.tasks),
            },
            "staffs_click": {
                "service": self.clicked,
                **self._of(self.clicked),
                "releases": [
                    {"since": since.isoformat(), "until": until.isoformat()} for since, until in self.releases
                ],
            },
        }

    def _of(self, service: int) -> dict[str, Any]:
        return {
            "asked": [
                {
                    "at": one.at.isoformat(),
                    "by": one.actor,
                    "hook": one.point,
                    "refused": one.refused,
                    "reason": one.reason,
                }
                for one in self.answers(service)
            ],
            "acts": [
                {"at": at.isoformat(), "act": act, "by": by} for at, act, by, number in self.acts if number == service
            ],
        }


class Scene:
    """Plays the second story in a small house of its own, whose WHMCS suspends by dates as well."""

    def __init__(self, last: dt.date) -> None:
        """It ends on the last Friday up to `last`."""
        self.first = last - dt.timedelta(days=(last.weekday() - FRIDAY) % 7 + DAYS - 1)
        self.world = small_whmcs()
        self.story = SecondStory()
        self._told: set[tuple[int, str, str]] = set()

    def play(self) -> Iterator[Day]:
        """Yield the eve, on which the bridge sees the book for the first time, and the days; then `story` is whole."""
        two, paid, clicked = self._two_invoices(), self._paid_up(), self._debtor()
        self.story.two_invoices, self.story.paid_up, self.story.clicked = two.id, paid.id, clicked.id
        owed = [self.world.invoices[number] for number in self.world.invoices_by_client[two.client]]
        with Company(self.world, demo_settings(None), seed=0) as company:
            self.company = company
            self.mark = len(self.world.log)
            yield self._eve(two, paid)
            for number in range(DAYS):
                day = self.first + number * ONE_DAY
                book = company.morning(day)
                lines = self._happened()
                if number == CLICK:
                    lines += self._click(day, clicked)
                if number in (FIRST_PAYMENT, SECOND_PAYMENT):
                    lines += self._pay(day, owed[0 if number == FIRST_PAYMENT else 1], two)
                if number == DAYS - 1:
                    lines += self._sums(paid)
                self.story.troubles += [f"{day}: {trouble}" for trouble in book.troubles]
                self.story.troubles += [f"{day}: {problem}" for report in book.reports for problem in report.problems]
                yield Day(day, tuple(lines), act=3)

    # --- the book -----------------------------------------------------------------------------------

    def _two_invoices(self) -> Service:
        """Suspended by WHMCS's cron before the bridge came, with a blank reason: the kind that a payment lifts."""
        service = self._service("two-invoices.example.com", self.first - 40 * ONE_DAY)
        for due in (self.first - 40 * ONE_DAY, self.first - 10 * ONE_DAY):
            self._bill(service, due)
        self.world.clock = dt.datetime.combine(self.first - 5 * ONE_DAY, dt.time(9))
        with self.world.acting(Actor.CRON):
            modules.run_module(self.world, service, modules.SUSPEND)
        return service

    def _paid_up(self) -> Service:
        """Paid in time, by a payment that left the next due date where it was (facts sheet Q32)."""
        due = self.first - 6 * ONE_DAY
        service = self._service("paid-up.example.com", due)
        invoice = self._bill(service, due)
        self.world.switches.due_date_lag = True
        record_payment(self.world, invoice, mail=False)
        self.world.switches.due_date_lag = False
        return service

    def _debtor(self) -> Service:
        """Warned and suspended by the bridge in the first days of the scene."""
        due = self.first - 2 * ONE_DAY
        service = self._service("one-click.example.com", due)
        self._bill(service, due)
        return service

    def _service(self, domain: str, due: dt.date) -> Service:
        world = self.world
        number = len(world.clients) + 1
        client = world.add_client(Client(0, "Client", f"{number}", email=f"client{number}@example.com"))
        return world.add_service(
            Service(0, client.id, 1, domain=domain, username=f"u{number}", next_due=due, next_invoice=due, amount=PRICE)
        )

    def _bill(self, service: Service, due: dt.date) -> Invoice:
        return bill(self.world, service, due)

    # --- what happens -------------------------------------------------------------------------------

    def _eve(self, two: Service, paid: Service) -> Day:
        """The bridge reads the book; until then it could answer nothing about it."""
        eve = self.first - ONE_DAY
        self.company.at(eve, OPERATOR_AT)
        self.company.bridge.sync()
        self.company.deliver()
        open_ = overdue(self.world, two, eve)
        lines = (
            Line(
                "Another, small house in these same days, hooks on. In its WHMCS AutoSuspension is on as well, "
                f"{CRON_SUSPENDS_AFTER_DAYS} days after the next due date.",
                "quiet",
            ),
            Line(
                f"{self._name(two.id)} is down, suspended by WHMCS; {counted(len(open_), 'invoice')} overdue.", "quiet"
            ),
            Line(f"{self._name(paid.id)} owes nothing, but its next due date still says {paid.next_due}.", "quiet"),
        )
        return Day(eve, (*lines, *self._happened()), act=3)

    def _pay(self, day: dt.date, invoice: Invoice, service: Service) -> list[Line]:
        self.company.at(day, PAYS_AT)
        self.story.payments.append(self.world.clock)
        money = Money(Decimal(self.world.balance(invoice)) / 100, self.world.currencies[1].code)
        record_payment(self.world, invoice)
        self.company.deliver()
        left = overdue(self.world, service, day)
        rest = f"invoice {', '.join(str(one.id) for one in left)} stays open" if left else "nothing is open any more"
        paid = f"The client of {self._name(service.id)} pays invoice {invoice.id}, {money}; {rest}."
        return [Line(paid, "quiet"), *self._happened()]

    def _click(self, day: dt.date, service: Service) -> list[Line]:
        self.company.at(day, CLICKS_AT)
        with self.world.acting(Actor.ADMIN):
            modules.run_module(self.world, service, modules.UNSUSPEND)
        self.company.deliver()
        records = self.company.bridge.journal.records(kind=RecordKind.RELEASE)
        spans = [(one.since, one.until) for one in records if one.service_id == service.id and one.until is not None]
        self.story.releases += spans
        kept = "".join(
            f": recorded as a release of {(until - since).days} days, until {until}" for since, until in spans
        )
        clicks = Line(f"Staff clicks Unsuspend on {self._name(service.id)}, which still owes{kept}.", "staff")
        return [clicks, *self._happened()]

    def _sums(self, paid: Service) -> Iterator[Line]:
        """How often the cron was refused, and what staff has of it."""
        story = self.story
        story.tasks = [task.text for task in self.company.bridge.journal.tasks() if task.code == "due-date-lag"]
        asks = [one for one in story.answers(paid.id) if one.actor == Actor.CRON]
        refused = sum(one.refused for one in asks)
        each = "each time" if refused == len(asks) else f"on {refused} of them"
        yield Line(
            f"WHMCS's cron asked for {self._name(paid.id)} on {counted(len(asks), 'morning')} and was refused {each}; "
            f"staff has {counted(len(story.tasks), 'task')} about it: {'; '.join(story.tasks)}.",
            "good" if refused == len(asks) else "harm",
        )

    # --- telling ------------------------------------------------------------------------------------

    def _happened(self) -> list[Line]:
        """Tell what was refused and what was done to services since the last look, in that order."""
        asked, self.company.asked = self.company.asked, []
        events, self.mark = self.world.log[self.mark :], len(self.world.log)
        self.story.asked += asked
        lines = [line for one in asked if one.refused for line in self._refusal(one)]
        return [*lines, *(line for event in events for line in self._act(event, asked))]

    def _refusal(self, one: Asked) -> Iterator[Line]:
        """The same question with the same answer is told once."""
        if (one.service, one.point, one.reason) in self._told:
            return
        self._told.add((one.service, one.point, one.reason))
        stays = self.world.services[one.service].status.lower()
        wants = f"{_WHO[Actor(one.actor)]} wants to {_WANTS[one.point]}"
        reason = one.reason if one.reason.endswith("?") else f"{one.reason}."
        text = f"{wants} {self._name(one.service)}. The bridge refuses: {reason} It stays {stays}."
        yield Line(text, "good" if one.point == "PreModuleSuspend" else "warn")

    def _act(self, event: SimEvent, asked: list[Asked]) -> Iterator[Line]:
        act = what(event)
        if not act:
            return
        self.story.acts.append((event.at, act, event.actor, event.service))
        verb, tone = _DONE[act]
        why = self._why(act, event, asked)
        yield Line(f"{self._name(event.service)} {verb}{_BY.get(Actor(event.actor), '')}{why}.", tone)

    def _why(self, act: str, event: SimEvent, asked: list[Asked]) -> str:
        """The reason of the bridge's own step, or what it told the cron that asked."""
        if event.actor == Actor.API:
            kind = Kind.SUSPEND if act == "suspend" else Kind.UNSUSPEND
            steps = self.company.bridge.journal.steps(service=ServiceId(event.service), kind=kind.value, limit=1)
            return f": {steps[0].step.reason}" if steps else ""
        told = [one.reason for one in asked if one.service == event.service and one.actor == event.actor == Actor.CRON]
        return f", and the bridge lets it: {told[-1]}" if told else ""

    def _name(self, service: int) -> str:
        return self.company.name_of(service)


def bill(world: World, service: Service, due: dt.date) -> Invoice:
    """Make the service's invoice, ten days before it is due, as WHMCS's cron does."""
    world.clock = dt.datetime.combine(due - 10 * ONE_DAY, dt.time(9))
    line = InvoiceLine(0, "Hosting", service.id, "Starter", service.amount)
    return create_invoice(world, world.clients[service.client], [line], due, actor=Actor.CRON, mail=False)


def small_whmcs(**settings: str) -> World:
    """Return a WHMCS with one product and a VIP group, whose cron suspends unless its settings say otherwise."""
    world = new_world()
    world.settings |= {
        "AutoSuspension": "on",
        "AutoSuspensionDays": f"{CRON_SUSPENDS_AFTER_DAYS}",
        "AutoUnsuspend": "on",
        "AutoTermination": "",
        "GenerateInvoices": "",
        "SendOverdueReminders": "",
        **settings,
    }
    world.add_product_group(ProductGroup(1, "Hosting", "hosting"))
    world.add_product(Product(1, 1, "Starter", module="cpanel"))
    world.add_group(ClientGroup(1, "VIP"))
    return world
