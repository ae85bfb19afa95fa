"""The third story: what clients say. A promise is kept, one broken, a release ends, a VIP is lost and regained."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from whmcs_bridge.demo.company import OPERATOR_AT, Company, demo_settings
from whmcs_bridge.demo.proof import what
from whmcs_bridge.demo.second_story import bill, small_whmcs
from whmcs_bridge.demo.story import Day, Line
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import RecordRefused
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.records import Client, Invoice, Service
from whmcs_bridge.simulator.state import SimEvent

PHONES_AT = dt.time(11)
PAYS_AT = dt.time(15)
DAYS = 8
"""From a Monday to the Monday of the week after."""
MONDAY = 0
ASK, VIP_PAYS, ONE_PAYS, ASKS_AGAIN = 1, 2, 3, 7
"""Days of the scene, counted from 0."""
PROMISED_DAYS = 2
AUTHOR = "operator"
HERE_FOR, VIP_FOR = dt.timedelta(days=400), dt.timedelta(days=1200)
"""Long enough for a release, long enough to be VIP."""
PRICE = 4000
"""Cents."""
ONE_DAY = dt.timedelta(days=1)
_DONE = {"suspend": ("is suspended", "harm"), "release": ("is back", "good"), "end": ("is ended", "harm")}
_TONES = {RecordState.KEPT: "good", RecordState.BROKEN: "harm"}


@dataclass(slots=True)
class ThirdStory:
    """What came of the four clients, by WHMCS's log and the bridge's records."""

    kept: int = 0
    broken: int = 0
    trusted: int = 0
    vip: int = 0
    """Services: of who keeps a promise, breaks one, is given a release; of the VIP."""
    acts: list[tuple[dt.datetime, str, int]] = field(default_factory=list)
    """(when, suspend or release or end, service)."""
    records: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why a record was not taken."""
    membership: list[tuple[dt.date, str]] = field(default_factory=list)
    """(day, lost or regained)."""
    notes: int = 0
    """Notes that WHMCS got at the clients."""
    troubles: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the story for machines."""
        return {
            "kept": self._of(self.kept),
            "broken": {**self._of(self.broken), "refused": list(self.refused)},
            "trusted": self._of(self.trusted),
            "vip": {
                **self._of(self.vip),
                "membership": [{"on": day.isoformat(), "what": act} for day, act in self.membership],
            },
            "notes": self.notes,
        }

    def _of(self, service: int) -> dict[str, Any]:
        return {
            "service": service,
            "acts": [{"at": at.isoformat(), "act": act} for at, act, number in self.acts if number == service],
            "records": [
                {
                    "kind": one.kind.value,
                    "state": one.state.value,
                    "until": one.until.isoformat() if one.until is not None else None,
                }
                for one in self.records
                if one.service_id == service
            ],
        }


class PeopleScene:
    """Plays the third story in a small house of its own."""

    def __init__(self, last: dt.date) -> None:
        """It ends on the last Monday up to `last`."""
        self.first = last - dt.timedelta(days=(last.weekday() - MONDAY) % 7 + DAYS - 1)
        self.world = small_whmcs(AutoSuspension="")
        self.story = ThirdStory()
        self._open: dict[int, Record] = {}

    def play(self) -> Iterator[Day]:
        """Yield the eve, on which the bridge sees the book for the first time, and the days; then `story` is whole."""
        story = self.story
        kept, broken = self._client("kept", due=0), self._client("broken", due=0)
        trusted, vip = self._client("trusted", due=-3), self._client("vip", due=1, group=1)
        story.kept, story.broken, story.trusted, story.vip = kept.id, broken.id, trusted.id, vip.id
        with Company(self.world, demo_settings(None), seed=0) as company:
            self.company = company
            self.mark = len(self.world.log)
            yield self._eve(kept, broken, trusted, vip)
            for number in range(DAYS):
                day = self.first + number * ONE_DAY
                book = company.morning(day)
                lines = [*self._over(), *self._happened()]
                if number == ASK:
                    lines += self._asked(day, kept, broken, trusted)
                if number == VIP_PAYS:
                    lines += self._pays(day, vip, "a day late")
                if number == ONE_PAYS:
                    lines += self._pays(day, kept, "as promised")
                if number == ASKS_AGAIN:
                    lines += self._asks_again(day, broken)
                    lines += self._sums()
                story.troubles += [f"{day}: {trouble}" for trouble in book.troubles]
                story.troubles += [f"{day}: {problem}" for report in book.reports for problem in report.problems]
                yield Day(day, tuple(lines), act=4)
            story.records = [r for r in company.bridge.journal.records() if r.kind is not RecordKind.CONTACT]
            story.notes = len(self.world.notes)

    # --- the book -----------------------------------------------------------------------------------

    def _client(self, name: str, *, due: int, group: int = 0) -> Service:
        """A client with one service and one invoice, due so many days from the first; a VIP with a group."""
        world, day = self.world, self.first + due * ONE_DAY
        number = len(world.clients) + 1
        client = world.add_client(
            Client(
                0,
                "Client",
                f"{number}",
                email=f"client{number}@example.com",
                created=self.first - (VIP_FOR if group else HERE_FOR),
                group=group,
            )
        )
        service = world.add_service(
            Service(0, client.id, 1, domain=f"{name}.example.com", username=f"u{number}", amount=PRICE, next_due=day)
        )
        bill(world, service, day)
        return service

    def _invoice(self, service: Service) -> Invoice:
        return self.world.invoices[self.world.invoices_by_client[service.client][0]]

    # --- what happens -------------------------------------------------------------------------------

    def _eve(self, kept: Service, broken: Service, trusted: Service, vip: Service) -> Day:
        eve = self.first - ONE_DAY
        self.company.at(eve, OPERATOR_AT)
        self.company.bridge.sync()
        self.company.deliver()
        tomorrow = f"{self._name(kept.id)} and {self._name(broken.id)}"
        lines = (
            Line(
                f"A third house in these same days. {self._name(trusted.id)} owes since "
                f"{self._invoice(trusted).due:%A}, {tomorrow} will have to pay tomorrow.",
                "quiet",
            ),
            Line(f"{self._name(vip.id)} is a VIP's; its invoice is due on {self._invoice(vip).due:%A}.", "quiet"),
        )
        return Day(eve, (*lines, *self._happened()), act=4)

    def _asked(self, day: dt.date, kept: Service, broken: Service, trusted: Service) -> Iterator[Line]:
        """Three clients phone: two promise, the third has paid at a bank that books in two days."""
        self.company.at(day, PHONES_AT)
        until = day + PROMISED_DAYS * ONE_DAY
        for service in (kept, broken):
            self._keep(RecordKind.PROMISE, service, "pays after payday", until)
            yield Line(f"The client of {self._name(service.id)} phones and promises {until:%A}: recorded.", "staff")
        self._keep(RecordKind.RELEASE, trusted, "paid at the bank today", until)
        text = f"{self._name(trusted.id)} was never late before: staff releases it on trust, until {until:%A}."
        yield Line(text, "staff")
        yield from self._happened()

    def _keep(self, kind: RecordKind, service: Service, why: str, until: dt.date) -> None:
        """Record it as `promise add` and `release` do."""
        bridge = self.company.bridge
        today = bridge.today()
        record = Record(
            0,
            kind,
            RecordState.OPEN,
            AUTHOR,
            why,
            today,
            today,
            until,
            client_id=ClientId(service.client),
            service_id=ServiceId(service.id),
        )
        made = bridge.record(record)
        self._open[made.id] = made
        self.company.deliver()

    def _pays(self, day: dt.date, service: Service, how: str) -> list[Line]:
        self.company.at(day, PAYS_AT)
        record_payment(self.world, self._invoice(service))
        self.company.deliver()
        paid = Line(f"The client of {self._name(service.id)} pays, {how}.", "quiet")
        return [paid, *self._over(), *self._happened()]

    def _asks_again(self, day: dt.date, service: Service) -> Iterator[Line]:
        self.company.at(day, PHONES_AT)
        try:
            self._keep(RecordKind.PROMISE, service, "promises once more", day + PROMISED_DAYS * ONE_DAY)
        except RecordRefused as refused:
            self.story.refused.append(str(refused))
            yield Line(f"The client of {self._name(service.id)} promises once more. Refused: {refused}.", "warn")

    def _sums(self) -> Iterator[Line]:
        lines = sum(one.description.startswith("whmcs-bridge: ") for one in self.world.activity)
        text = f"WHMCS has {lines} lines in its log and {len(self.world.notes)} notes at the clients about all this."
        yield Line(text, "quiet")

    # --- telling ------------------------------------------------------------------------------------

    def _over(self) -> Iterator[Line]:
        """Tell which records are over since the last look."""
        for record in self.company.bridge.journal.records():
            before = self._open.get(record.id)
            if before is None or record.state is RecordState.OPEN:
                continue
            del self._open[record.id]
            assert record.service_id is not None
            state = record.state.value if record.state in _TONES else "over"
            text = f"The {record.kind.value} of {self._name(record.service_id)} is {state}."
            yield Line(text, _TONES.get(record.state, "quiet"))

    def _happened(self) -> list[Line]:
        """Tell what was done to services and to the VIP since the last look."""
        events, self.mark = self.world.log[self.mark :], len(self.world.log)
        return [line for event in events for line in self._told(event)]

    def _told(self, event: SimEvent) -> Iterator[Line]:
        act = what(event)
        if act:
            self.story.acts.append((event.at, act, event.service))
            verb, tone = _DONE[act]
            yield Line(f"{self._name(event.service)} {verb}{self._why(act, event.service)}.", tone)
        elif event.kind == "group":
            member = self.world.clients[event.client].group == 1
            self.story.membership.append((event.at.date(), "regained" if member else "lost"))
            name = self._name(self.story.vip)
            said = "is VIP again: nothing is overdue" if member else "is no VIP any more: an invoice is overdue"
            yield Line(f"The client of {name} {said}.", "good" if member else "warn")

    def _why(self, act: str, service: int) -> str:
        kind = Kind.SUSPEND if act == "suspend" else Kind.UNSUSPEND
        steps = self.company.bridge.journal.steps(service=ServiceId(service), kind=kind.value, limit=1)
        return f": {steps[0].step.reason}" if steps else ""

    def _name(self, service: int) -> str:
        return self.company.name_of(service)
