"""What happened, told: a day's notable lines, and the summary of the whole time."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from html import unescape
from typing import TYPE_CHECKING, Any

from whmcs_bridge.demo.company import OPERATOR, Company, DayBook
from whmcs_bridge.demo.proof import Proof
from whmcs_bridge.domain.money import Money
from whmcs_bridge.plan.render import days, totals
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import Actor, JournalStep, StepState

if TYPE_CHECKING:
    from whmcs_bridge.demo.fourth_story import FourthStory
    from whmcs_bridge.demo.second_story import SecondStory
    from whmcs_bridge.demo.third_story import ThirdStory

NAMED = 3
"""So many are named in a line; the others are counted."""
NOT_NOTABLE = frozenset({"warning", "acted-today", "approval", "final-warning"})
"""Reasons that are the ordinary course of a case; they are counted, not told every time."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the account; `tone` is how it feels: quiet, warn, harm, good, staff."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day's account; empty when nothing notable happened."""

    day: dt.date
    lines: tuple[Line, ...]
    act: int = 2
    """1 is the first act, in shadow mode; 3 to 5 the second to the fourth story, in small houses of their own."""


@dataclass(slots=True)
class Journey:
    """One service's way through the stages."""

    service: int
    client: int
    name: str
    warned: dt.date | None = None
    suspended: list[dt.date] = field(default_factory=list)
    back: list[dt.date] = field(default_factory=list)
    ended: dt.date | None = None
    cancelled: dt.date | None = None
    """Ended because its client asked for it."""
    erased: dt.date | None = None

    @property
    def is_down(self) -> bool:
        """Suspended by the bridge, and not back since; a release comes after the suspension of the same day."""
        return bool(self.suspended) and (not self.back or self.back[-1] < self.suspended[-1])

    def to_json(self) -> dict[str, Any]:
        """Return the journey with ISO dates."""
        return {
            "service": self.service,
            "client": self.client,
            "name": self.name,
            "warned": _iso(self.warned),
            "suspended": [_iso(day) for day in self.suspended],
            "back": [_iso(day) for day in self.back],
            "ended": _iso(self.ended),
            "cancelled": _iso(self.cancelled),
            "backups_erased": _iso(self.erased),
        }

    def told(self) -> str:
        """Tell it in one line."""
        parts = [f"warned {self.warned:%d %b}"] if self.warned is not None else []
        ways = sorted([*((day, 0) for day in self.suspended), *((day, 1) for day in self.back)])
        if (ways[0][1] == 1) if ways else (self.ended is not None):
            parts.append("found suspended")
        down: dt.date | None = None
        for day, back in ways:
            if not back:
                parts.append(f"suspended {day:%d %b}")
            elif down is None:
                parts.append(f"back {day:%d %b}")
            else:
                held = (day - down).days
                parts.append(f"back {day:%d %b} ({f'{days(held)} down' if held else 'the same day'})")
            down = None if back else day
        if self.ended is not None:
            parts.append(f"ended {self.ended:%d %b}")
        if self.cancelled is not None:
            parts.append(f"cancelled at its client's request {self.cancelled:%d %b}")
        if self.erased is not None:
            parts.append(f"backups erased {self.erased:%d %b}")
        return ", ".join(parts)


@dataclass(slots=True)
class FirstAct:
    """What came of it, in figures."""

    shadow_days: int
    found: dict[str, Any] = field(default_factory=dict)
    """What adopt found on the eve, as `adopt --json` has it."""
    would: Counter[str] = field(default_factory=Counter)
    """Steps that shadow mode would have carried out, by kind."""
    by_others: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(who, what): suspensions, releases and ends by others meanwhile."""
    put_right: int = 0
    """Services that the operator gave back or took down again after the other program was off."""
    confirmed: Counter[str] = field(default_factory=Counter)
    """Blank suspensions that a person has settled, by whose they are."""
    ready: bool = False
    """The shadow report of the last day said that it is reasonable to enforce."""
    open_conditions: list[str] = field(default_factory=list)
    """Codes of those that did not hold."""
    harmed: int = 0
    """Imagined harm to somebody who had paid by then."""

    def told(self) -> str:
        """Say in a sentence what shadow mode was for."""
        suspends, ends = self.would["suspend"], self.would["terminate"]
        unknown = sum(count for (actor, _), count in self.by_others.items() if actor == Actor.UNKNOWN)
        return (
            f"in {counted(self.shadow_days, 'day')} of shadow before it: {counted(suspends, 'suspension')} and "
            f"{counted(ends, 'end')} foreseen and none carried out; {counted(unknown, 'act')} by nobody we know "
            f"noticed, {self.put_right} of them put right by the {OPERATOR}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures for machines."""
        return {
            "shadow_days": self.shadow_days,
            "adopt": self.found,
            "would_have": dict(sorted(self.would.items())),
            "by_others": [
                {"actor": actor, "kind": kind, "count": n} for (actor, kind), n in sorted(self.by_others.items())
            ],
            "put_right_by_operator": self.put_right,
            "confirmed": dict(sorted(self.confirmed.items())),
            "ready": self.ready,
            "open_conditions": list(self.open_conditions),
            "would_have_harmed_paid_up": self.harmed,
        }


@dataclass(slots=True)
class Summary:
    """The whole time in figures."""

    clients: int
    services: int
    first: dt.date
    last: dt.date
    seed: int
    proof: Proof
    """WHMCS's own tables on what the bridge did."""
    first_act: FirstAct | None = None
    second_story: "SecondStory | None" = None
    third_story: "ThirdStory | None" = None
    fourth_story: "FourthStory | None" = None
    journeys: dict[int, Journey] = field(default_factory=dict)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind, state) -> how many."""
    notices: Counter[str] = field(default_factory=Counter)
    withheld: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    """(kind, code) -> services."""
    why: dict[tuple[str, str], str] = field(default_factory=dict)
    """One reason of each, as the bridge gave it."""
    recovered: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """Paid by clients while a service of theirs was suspended, per currency."""
    released_at_once: int = 0
    """Releases in the moment of the payment; the others came with the next sync."""
    released_by_sync: int = 0
    limits: list[str] = field(default_factory=list)
    approvals: int = 0
    troubles: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    """What staff is left with on the last day."""

    def count(self, kind: Kind, state: StepState = StepState.DONE) -> int:
        """How many steps of a kind ended so."""
        return self.steps[kind.value, state.value]

    @property
    def wrongly_suspended(self) -> int:
        """Suspensions of a service without an overdue invoice, by WHMCS's own book: must be 0."""
        return len(self.proof.failed["suspended_without_debt"])

    @property
    def warned(self) -> list[Journey]:
        return [j for j in self.journeys.values() if j.warned is not None]

    @property
    def suspended(self) -> list[Journey]:
        return [j for j in self.journeys.values() if j.suspended]

    @property
    def returned(self) -> list[Journey]:
        return [j for j in self.suspended if j.back]

    @property
    def ended(self) -> list[Journey]:
        """Ended by the bridge; some were suspended before it came."""
        return [j for j in self.journeys.values() if j.ended is not None]

    @property
    def still_down(self) -> list[Journey]:
        return [j for j in self.suspended if j.is_down and j.ended is None and j.cancelled is None]

    @property
    def erased(self) -> list[Journey]:
        return [j for j in self.journeys.values() if j.erased is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the summary for machines."""
        return {
            "seed": self.seed,
            "clients": self.clients,
            "services": self.services,
            "first": _iso(self.first),
            "last": _iso(self.last),
            "stages": {
                "warned": len(self.warned),
                "suspended": len(self.suspended),
                "came_back": len(self.returned),
                "ended": len(self.ended),
                "still_suspended": len(self.still_down),
                "backups_erased": len(self.erased),
            },
            "steps": [{"kind": kind, "state": state, "count": n} for (kind, state), n in sorted(self.steps.items())],
            "notices": dict(sorted(self.notices.items())),
            "recovered_after_suspension": {code: str(sum_) for code, sum_ in sorted(self.recovered.items())},
            "released_at_once": self.released_at_once,
            "released_by_sync": self.released_by_sync,
            "suspended_without_debt": self.wrongly_suspended,
            "proof": self.proof.to_json(),
            "first_act": self.first_act.to_json() if self.first_act is not None else None,
            "second_story": self.second_story.to_json() if self.second_story is not None else None,
            "third_story": self.third_story.to_json() if self.third_story is not None else None,
            "fourth_story": self.fourth_story.to_json() if self.fourth_story is not None else None,
            "withheld": [
                {"kind": kind, "code": code, "services": len(found), "why": self.why[kind, code]}
                for (kind, code), found in sorted(self.withheld.items())
            ],
            "limits": list(self.limits),
            "approvals": self.approvals,
            "journeys": [j.to_json() for j in self.journeys.values() if j.suspended or j.ended or j.erased],
            "troubles": list(self.troubles),
            "tasks": list(self.tasks),
        }


class Teller:
    """Reads journal and world after each day, tells the day and keeps the summary."""

    def __init__(self, company: Company, summary: Summary) -> None:
        """What happened before now is not told again."""
        self.company, self.summary = company, summary
        self._step = max((step.number for step in company.bridge.journal.steps(limit=1)), default=0)
        self._event = len(company.world.log)
        self._run_jobs: dict[int, str] = {}
        self._told: set[tuple[int, str, str]] = set()

    def tell(self, book: DayBook) -> Day:
        """Tell one day."""
        steps = self._new_steps(book.day)
        self._keep(steps)
        paid = self._payments(book)
        lines = [
            *self._limits(book),
            *self._mails(steps),
            *self._of_kind(steps, Kind.SUSPEND, "suspended", "harm"),
            *self._of_kind(steps, Kind.TERMINATE, "ended", "harm"),
            *self._erased(steps),
            *self._withheld(book),
            *self._people(book),
            *self._back(steps, paid),
            *self._vip(steps),
            *self._gone_wrong(steps),
            *self._approved(book),
        ]
        return Day(book.day, tuple(lines))

    def finish(self, second: "SecondStory", third: "ThirdStory", fourth: "FourthStory") -> Summary:
        """Return the summary, with the tasks that are open now and what came of the other stories."""
        self.summary.second_story, self.summary.third_story = second, third
        self.summary.fourth_story = fourth
        self.summary.troubles += second.troubles + third.troubles + fourth.troubles
        self.summary.tasks = [task.text for task in self.company.bridge.journal.tasks()]
        return self.summary

    # --- reading ------------------------------------------------------------------------------------

    def _new_steps(self, day: dt.date) -> list[JournalStep]:
        journal = self.company.bridge.journal
        self._run_jobs.update({run.number: run.job for run in journal.runs(200)})
        found = [s for s in journal.steps(day=day, limit=100_000) if s.number > self._step]
        found.sort(key=lambda s: s.number)
        if found:
            self._step = found[-1].number
        return found

    def _keep(self, steps: Iterable[JournalStep]) -> None:
        summary = self.summary
        for entry in steps:
            step = entry.step
            summary.steps[step.kind.value, entry.state.value] += 1
            if entry.state is not StepState.DONE or step.service is None:
                continue
            journey = self._journey(step.service)
            if step.kind is Kind.NOTICE:
                summary.notices[step.message] += 1
                if step.message == "suspension-warning" and journey.warned is None:
                    journey.warned = step.date
            elif step.kind is Kind.SUSPEND:
                journey.suspended.append(step.date)
            elif step.kind is Kind.UNSUSPEND:
                journey.back.append(step.date)
                prompt = self._run_jobs.get(entry.run) not in ("sync", "apply")
                summary.released_at_once += prompt
                summary.released_by_sync += not prompt
            elif step.kind is Kind.TERMINATE:
                journey.ended = step.date
            elif step.kind is Kind.DELETE_BACKUPS:
                journey.erased = step.date

    def _journey(self, service: int) -> Journey:
        found = self.summary.journeys.get(service)
        if found is None:
            record = self.company.world.services[service]
            found = Journey(service, record.client, self._service(service))
            self.summary.journeys[service] = found
        return found

    def _payments(self, book: DayBook) -> dict[int, list[Money]]:
        """Money from clients who had a service down, by client; kept as recovered."""
        world, found = self.company.world, defaultdict[int, list[Money]](list)
        for event in world.log[self._event :]:
            if event.kind == "payment" and event.client in book.down_before:
                code = world.currencies[world.clients[event.client].currency].code
                money = Money(Decimal(event.detail), code)
                found[event.client].append(money)
                self.summary.recovered[code] += money.amount
        self._event = len(world.log)
        return found

    # --- telling ------------------------------------------------------------------------------------

    def _limits(self, book: DayBook) -> Iterable[Line]:
        for why, command in book.allowed:
            self.summary.limits.append(f"{book.day}: {why}")
            yield Line(f"A limit stops the run: {why}. The {OPERATOR} looks and lets it pass: {command}", "staff")

    def _mails(self, steps: list[JournalStep]) -> Iterable[Line]:
        by_message: dict[str, list[JournalStep]] = defaultdict(list)
        for entry in steps:
            if entry.step.kind is Kind.NOTICE and entry.state is StepState.DONE:
                by_message[entry.step.message].append(entry)
        for message, mine in sorted(by_message.items(), key=lambda item: item[0] != "payment-reminder"):
            clients = list(dict.fromkeys(entry.step.client for entry in mine))
            if message == "payment-reminder":
                yield Line(f"Reminded: {self._clients(clients)}.", "quiet")
            elif message in ("suspension-warning", "final-warning"):
                what = "Final warning" if message == "final-warning" else "Warned"
                money = " + ".join(str(m) for m in totals(entry.step for entry in mine))
                yield Line(f"{what}: {self._clients(clients)}; {money} overdue.", "warn")

    def _of_kind(self, steps: list[JournalStep], kind: Kind, verb: str, tone: str) -> Iterable[Line]:
        for entry in steps:
            if entry.step.kind is kind and entry.state is StepState.DONE and entry.step.service is not None:
                yield Line(f"{self._service(entry.step.service)} {verb}: {entry.step.reason}.", tone)

    def _erased(self, steps: list[JournalStep]) -> Iterable[Line]:
        for entry in steps:
            if entry.step.kind is Kind.DELETE_BACKUPS and entry.state is StepState.DONE and entry.step.service:
                yield Line(f"{self._service(entry.step.service)}: backups erased ({entry.note}).", "harm")

    def _withheld(self, book: DayBook) -> Iterable[Line]:
        quiet = set[int]()
        for held in (h for report in book.reports for h in report.plan.withheld):
            number, kind, code = int(held.service or 0), held.withheld.kind.value, held.withheld.code
            self.summary.withheld[kind, code].add(number)
            self.summary.why.setdefault((kind, code), held.withheld.why)
            if code == "quiet-day" and kind != Kind.NOTICE.value:
                quiet.add(number)
            elif code not in NOT_NOTABLE and (number, kind, code) not in self._told and number:
                self._told.add((number, kind, code))
                yield Line(f"{self._service(number)}: {kind} withheld: {held.withheld.why}.", "quiet")
        if quiet:
            yield Line(f"Quiet day: {len(quiet)} due to be suspended or ended wait for the next working day.", "quiet")

    def _people(self, book: DayBook) -> Iterable[Line]:
        for number in book.cancelled:
            self._journey(number).cancelled = book.day
            yield Line(f"{self._service(number)} ends as its client asked; WHMCS's cron has cancelled it.", "quiet")
        for sentence in book.said:
            if any(word in sentence for word in ("disputes", "asks to cancel", "bounced")):
                yield Line(sentence, "quiet")
        self.summary.troubles += [f"{book.day}: {trouble}" for trouble in book.troubles]
        for report in book.reports:
            self.summary.troubles += [f"{book.day}: {problem}" for problem in report.problems]

    def _back(self, steps: list[JournalStep], paid: dict[int, list[Money]]) -> Iterable[Line]:
        back: dict[int, list[JournalStep]] = defaultdict(list)
        for entry in steps:
            if entry.step.kind is Kind.UNSUSPEND and entry.state is StepState.DONE and entry.step.service is not None:
                back[entry.step.client].append(entry)
        for client, mine in back.items():
            names = ", ".join(self._service(entry.step.service) for entry in mine if entry.step.service is not None)
            prompt = self._run_jobs.get(mine[0].run) not in ("sync", "apply")
            money = " + ".join(str(money) for money in paid.get(client, ()))
            when = "back at once" if prompt else "back with the sync"
            why = f"{self._client(client)} pays {money}: " if money else f"{self._client(client)} owes nothing: "
            yield Line(f"{why}{names} {when}.", "good")
        for client, amounts in paid.items():
            if client not in back:
                money = " + ".join(str(money) for money in amounts)
                yield Line(f"{self._client(client)} pays {money}, but not all that is overdue: still down.", "warn")

    def _vip(self, steps: list[JournalStep]) -> Iterable[Line]:
        for kind, text, tone in ((Kind.VIP_ADD, "Into VIP", "good"), (Kind.VIP_REMOVE, "Out of VIP", "warn")):
            mine = [e.step.client for e in steps if e.step.kind is kind and e.state is StepState.DONE]
            if mine:
                yield Line(f"{text}: {self._clients(mine)}.", tone)

    def _gone_wrong(self, steps: list[JournalStep]) -> Iterable[Line]:
        for entry in steps:
            if entry.state in (StepState.FAILED, StepState.UNKNOWN):
                yield Line(f"{entry.step.kind} of {entry.step.subject} {entry.state}: {entry.note}.", "harm")

    def _approved(self, book: DayBook) -> Iterable[Line]:
        if book.approved:
            self.summary.approvals += len(book.approved)
            names = ", ".join(self._service(number) for number in book.approved)
            yield Line(f"The {OPERATOR} approves ending {names}.", "staff")

    # --- names --------------------------------------------------------------------------------------

    def _client(self, client: int) -> str:
        record = self.company.world.clients[client]
        return unescape(record.companyname or f"{record.firstname} {record.lastname}")

    def _clients(self, clients: list[Any]) -> str:
        named = ", ".join(self._client(client) for client in clients[:NAMED])
        return named + (f" and {len(clients) - NAMED} more" if len(clients) > NAMED else "")

    def _service(self, service: int) -> str:
        return self.company.name_of(service)


def counted(count: int, one: str) -> str:
    """Return `1 service`, `2 services`."""
    return f"{count} {one if count == 1 else one + 's'}"


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day is not None else None
