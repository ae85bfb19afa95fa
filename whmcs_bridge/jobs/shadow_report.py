"""Shadow mode's report: what we would have done beside what others did, and whether it is reasonable to begin."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.jobs.confirm import DOUBTFUL
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.others import QUIET_DAYS, STILL_OWED, other_bridges, told, unknown_acts
from whmcs_bridge.jobs.shadow import SETTINGS
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import HARMFUL_SET, Kind
from whmcs_bridge.policy.whmcs_settings import MODULES, SUSPENSION, TERMINATION, is_on
from whmcs_bridge.ports import Actor, ForeignAct, ShadowStep

DAYS: Final = 14
"""So many shadow days in a row before acting begins, and the default span of the report."""
SAME_DAYS: Final = 1
"""Acts of the same kind so close are the same act."""
LIMIT_DAYS: Final = 7
"""A limit that an imagined day within the last so many broke would be broken by an ordinary day."""
SANITY_DAYS: Final = 3
GOOD_RUNS: Final = frozenset({("shadow", "shadow"), ("enforce", "ok"), ("enforce", "refused")})
"""(mode, outcome) of syncs that saw everything: a house may act for a few clients already."""
COMPARED: Final = frozenset({Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE})
NO_SYNC: Final = "not known yet: no sync has run"


class Verdict(StrEnum):
    """How what we would have done compares with what was done; in the order of the report."""

    ONLY_WE = "only-we"
    """We would have done it, nobody did."""
    ONLY_THEY = "only-they"
    """Others did it, the rules would not have."""
    RELEASED_EARLY = "released-early"
    """WHMCS lifted a suspension after a payment, and more was owed."""
    OTHER_DAY = "other-day"
    """Both, more than a day apart."""
    AGREED = "agreed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One act, or one that nobody took, about one service."""

    verdict: Verdict
    kind: Kind
    client: ClientId
    service: ServiceId
    ours_on: date | None
    """House day on which we would have done it; None: we would not."""
    theirs: ForeignAct | None
    reason: str
    """Ours: what was owed. Theirs: why the rules would not have done it."""
    paid_on: date | None = None
    """Day on which everything behind an imagined step was paid; None: not, as far as is known."""
    over: str = ""
    """Why a limit would have refused it that day."""

    @property
    def day(self) -> date:
        """The day to sort by."""
        return self.theirs.day if self.ours_on is None and self.theirs is not None else self.ours_on or date.min

    def to_json(self) -> dict[str, Any]:
        """The shape of one of `differences`."""
        return {
            "verdict": self.verdict.value,
            "kind": self.kind.value,
            "client": self.client,
            "service": self.service,
            "ours_on": _iso(self.ours_on),
            "theirs": _act_json(self.theirs) if self.theirs is not None else None,
            "reason": self.reason,
            "paid_on": _iso(self.paid_on),
            "over": self.over,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One condition for acting in earnest."""

    code: str
    ok: bool
    text: str
    """How it stands."""
    todo: str = ""
    """What to do where it does not hold; where it holds, what is left for the day on which acting begins."""


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a time in shadow mode has shown."""

    since: date
    until: date
    days: int
    """House days in a row, up to the last one, with a sync that saw everything."""
    mode: str
    steps: Mapping[str, int]
    """Kind -> steps that would have been carried out."""
    acts: Mapping[str, int]
    """Actor -> suspensions, releases and ends by others."""
    differences: tuple[Difference, ...]
    """By verdict, then by day; what was agreed on is among them."""
    second_actors: tuple[ForeignAct, ...]
    """Acts by nobody we know and by another bridge."""
    over: Mapping[date, tuple[str, ...]]
    """Day -> limits that would have refused something."""
    harmed: tuple[Difference, ...]
    """Imagined harm to somebody who had paid by then, as the books say now."""
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """It is reasonable to begin to act."""
        return all(check.ok for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against it."""
        return tuple(check.text for check in self.checks if not check.ok)

    def of(self, verdict: Verdict) -> tuple[Difference, ...]:
        """Return the differences of one sort, by day."""
        return tuple(d for d in self.differences if d.verdict is verdict)

    def counts(self) -> dict[Verdict, dict[str, int]]:
        """Verdict -> kind -> how many."""
        found = Counter((d.verdict, d.kind.value) for d in self.differences)
        return {v: {k.value: found[v, k.value] for k in Kind if found[v, k.value]} for v in Verdict}

    def to_json(self) -> dict[str, Any]:
        """The shape of `shadow report --json`."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "mode": self.mode,
            "shadow_days": self.days,
            "ready": self.ready,
            "reasons": list(self.reasons),
            "checks": [{"code": c.code, "ok": c.ok, "text": c.text, "todo": c.todo} for c in self.checks],
            "steps": dict(self.steps),
            "acts": dict(self.acts),
            "counts": {verdict.value: kinds for verdict, kinds in self.counts().items()},
            "differences": [d.to_json() for d in self.differences],
            "second_actors": [_act_json(a) for a in self.second_actors],
            "limits": {day.isoformat(): list(why) for day, why in self.over.items()},
            "harmed": [d.to_json() for d in self.harmed],
        }


def _act_json(act: ForeignAct) -> dict[str, Any]:
    return {
        "service": act.service,
        "client": act.client,
        "kind": act.kind,
        "actor": act.actor.value,
        "user": act.user,
        "date": act.day.isoformat(),
        "at": act.at.isoformat() if act.at is not None else None,
        "after_reading": act.after_reading.isoformat() if act.after_reading is not None else None,
        "by_reading": act.by_reading.isoformat() if act.by_reading is not None else None,
        "before": act.before,
        "after": act.after,
        "reason": act.reason_after,
        "line": act.line,
        "why_not": act.why_not,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def compare(ports: Ports, since: date) -> ShadowReport:
    """Hold what shadow mode recorded on `since` and later against what others did. Reads mirror and journal only."""
    journal, today = ports.journal, ports.today()
    imagined = journal.shadow_steps(since)
    acts = [a for a in journal.foreign_acts(since) if a.kind in COMPARED]
    paid = _Payments(ports)
    differences = sorted(
        _differences(imagined, acts, paid), key=lambda d: (tuple(Verdict).index(d.verdict), d.day, d.service)
    )
    harmed = tuple(d for d in differences if _harms_the_paid_up(d))
    over = _over(imagined)
    days = shadow_days(ports)
    return ShadowReport(
        since=since,
        until=today,
        days=days,
        mode=ports.settings.mode,
        steps=_by_kind(imagined),
        acts={actor.value: n for actor, n in sorted(Counter(a.actor for a in acts).items())},
        differences=tuple(differences),
        second_actors=tuple(a for a in acts if a.actor in (Actor.UNKNOWN, Actor.BRIDGE)),
        over=over,
        harmed=harmed,
        checks=tuple(_checks(ports, days, over, harmed)),
    )


def _by_kind(imagined: Iterable[ShadowStep]) -> dict[str, int]:
    found = Counter(s.step.kind.value for s in imagined)
    return {kind.value: found[kind.value] for kind in Kind if found[kind.value]}


def _over(imagined: Iterable[ShadowStep]) -> dict[date, tuple[str, ...]]:
    found: dict[date, dict[str, None]] = defaultdict(dict)
    for shadow in imagined:
        if shadow.over:
            found[shadow.step.date][shadow.over] = None
    return {day: tuple(why) for day, why in found.items()}


# --- service by service ---------------------------------------------------------------------------


class _Payments:
    """When invoices were paid, by the mirror's payment history."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[ClientId, Mapping[InvoiceId, date]] = {}

    def of(self, step: Step) -> date | None:
        """Return the day on which the last of the step's invoices was paid; None: one is open, or not known."""
        if step.client not in self._known:
            book = self._ports.mirror.book(step.client)
            history = book.history if book is not None else ()
            self._known[step.client] = {p.id: p.paid_on for p in history if not p.reversed}
        paid = self._known[step.client]
        days = [paid.get(invoice) for invoice in step.invoices]
        known = [day for day in days if day is not None]
        return max(known) if known and len(known) == len(days) else None


def _differences(imagined: Iterable[ShadowStep], acts: Iterable[ForeignAct], paid: _Payments) -> Iterator[Difference]:
    ours: dict[ServiceId, list[ShadowStep]] = defaultdict(list)
    theirs: dict[ServiceId, list[ForeignAct]] = defaultdict(list)
    for shadow in imagined:
        if shadow.step.kind in COMPARED and shadow.step.service is not None:
            ours[shadow.step.service].append(shadow)
    for act in acts:
        theirs[act.service].append(act)
    for service in {**ours, **theirs}:
        yield from _of_service(ours.get(service, []), theirs.get(service, []), paid)


def _of_service(ours: list[ShadowStep], theirs: Sequence[ForeignAct], paid: _Payments) -> Iterator[Difference]:
    """Pair each act with the nearest imagined step of its kind; what is left over is one side's alone."""
    for act in theirs:
        step = _nearest(act, ours)
        if step is not None:
            ours.remove(step)
        yield _paired(act, step, paid)
    suspended = False  # in imagination only
    for shadow in ours:
        kind = shadow.step.kind
        if kind is Kind.UNSUSPEND and suspended:
            suspended = False  # the other end of a suspension that is told already
            continue
        suspended = kind is Kind.SUSPEND
        assert shadow.step.service is not None
        yield Difference(
            Verdict.ONLY_WE,
            kind,
            shadow.step.client,
            shadow.step.service,
            shadow.step.date,
            None,
            shadow.step.reason,
            _paid_after(shadow, ours, paid),
            shadow.over,
        )


def _paid_after(shadow: ShadowStep, ours: Iterable[ShadowStep], paid: _Payments) -> date | None:
    """Return the day on which what was behind a harmful step was paid, by the books or by the release it brought."""
    if shadow.step.kind not in HARMFUL_SET:
        return None
    released = (s.step.date for s in ours if s.step.kind is Kind.UNSUSPEND and s.step.date >= shadow.step.date)
    return paid.of(shadow.step) or next(released, None)


def _nearest(act: ForeignAct, ours: Iterable[ShadowStep]) -> ShadowStep | None:
    same = (s for s in ours if s.step.kind.value == act.kind)
    return min(same, key=lambda s: abs((s.step.date - act.day).days), default=None)


def _paired(act: ForeignAct, shadow: ShadowStep | None, paid: _Payments) -> Difference:
    kind = Kind(act.kind)
    if shadow is None:
        day = act.day if act.ours_too else None
        return Difference(_alone(act), kind, act.client, act.service, day, act, act.why_not)
    step = shadow.step
    together = act.ours_too or abs((step.date - act.day).days) <= SAME_DAYS
    verdict = Verdict.AGREED if together else _alone(act) if _early(act) else Verdict.OTHER_DAY
    reason = act.why_not if verdict is Verdict.RELEASED_EARLY else step.reason
    settled = paid.of(step) if kind in HARMFUL_SET else None
    return Difference(verdict, kind, act.client, act.service, step.date, act, reason, settled, shadow.over)


def _alone(act: ForeignAct) -> Verdict:
    if act.ours_too:
        return Verdict.AGREED
    return Verdict.RELEASED_EARLY if _early(act) else Verdict.ONLY_THEY


def _early(act: ForeignAct) -> bool:
    """WHMCS lifts for any invoice that is paid; where nothing more was owed, or we do not know, that is no reproach."""
    return act.kind == Kind.UNSUSPEND and act.actor is Actor.PAYMENT and act.why_not.startswith(STILL_OWED)


def _harms_the_paid_up(found: Difference) -> bool:
    """We would have taken down or ended somebody who had paid on an earlier day: a payment booked late, as a rule."""
    if found.ours_on is None or found.kind not in HARMFUL_SET or found.paid_on is None:
        return False
    return found.paid_on < found.ours_on


# --- when to begin --------------------------------------------------------------------------------


def shadow_days(ports: Ports) -> int:
    """Count the house days in a row, up to today (or yesterday: today's sync may be to come), with a good sync."""
    today, good = ports.today(), _good_days(ports)
    day = today if today in good else today - timedelta(days=1)
    count = 0
    while day in good:
        count += 1
        day -= timedelta(days=1)
    return count


def _good_days(ports: Ports) -> set[date]:
    since = ports.today() - timedelta(days=400)
    return {day for day, runs in ports.journal.sync_days(since).items() if GOOD_RUNS & set(runs)}


def _checks(
    ports: Ports, days: int, over: Mapping[date, tuple[str, ...]], harmed: Sequence[Difference]
) -> Iterator[Check]:
    yield _days_check(days)
    yield _complete_check(ports)
    yield _actors_check(ports)
    synced = bool(_good_days(ports))
    yield _doubtful_check(ports, synced=synced)
    yield _automation_check(ports)
    yield _limits_check(ports, over)
    yield _harm_check(harmed)
    yield _sanity_check(ports)


def _days_check(days: int) -> Check:
    text = f"{days} of {DAYS} shadow days in a row with a sync that saw everything"
    return Check("days", days >= DAYS, text, "let the sync run every day; a missed or failed day starts the count anew")


def _complete_check(ports: Ports) -> Check:
    info = ports.mirror.last()
    todo = "see what could not be read: whmcs-bridge doctor"
    if info is None:
        return Check("complete", False, "WHMCS was never read", "whmcs-bridge sync")
    if not info.complete:
        return Check("complete", False, f"the last reading of WHMCS ({info.at:%Y-%m-%d %H:%M}) has gaps", todo)
    return Check("complete", True, f"the last reading of WHMCS ({info.at:%Y-%m-%d %H:%M}) is whole")


def _actors_check(ports: Ports) -> Check:
    since = ports.today() - timedelta(days=QUIET_DAYS)
    acts = [*unknown_acts(ports.journal, since), *other_bridges(ports.journal, since)]
    if not acts:
        return Check("second-actor", True, f"nobody unknown has acted for {QUIET_DAYS} days")
    count = "1 act" if len(acts) == 1 else f"{len(acts)} acts"
    todo = "find the other installation, module or program and switch it off"
    return Check("second-actor", False, f"{count} by nobody we know within {QUIET_DAYS} days: {told(acts[-1])}", todo)


def _doubtful_check(ports: Ports, *, synced: bool) -> Check:
    tasks = [t for t in ports.journal.tasks() if t.code == DOUBTFUL]
    if not tasks and not synced:
        text = f"whose each suspension is, is {NO_SYNC}"
        return Check("doubtful", False, text, "whmcs-bridge sync; adopt lists those that are doubtful")
    if not tasks:
        return Check("doubtful", True, "no suspension is left of which nobody knows whose it is")
    number = sum(t.size for t in tasks)
    services = [about.service for t in tasks for about in (t.members or (t,)) if about.service is not None]
    named = ", ".join(str(s) for s in services[:5]) + (", ..." if number > 5 else "")
    count = "1 suspension" if number == 1 else f"{number} suspensions"
    text = f"{count} with a blank reason and no debt: service {named}"
    return Check("doubtful", False, text, "settle whose they are: whmcs-bridge adopt --confirm")


def _automation_check(ports: Ports) -> Check:
    """What ends a service cannot wait; what suspends is left to WHMCS until the day on which we act in its place."""
    kept = ports.journal.get(SETTINGS)
    if kept is None:
        text = f"whether WHMCS's own automation is on is {NO_SYNC}"
        return Check("automation", False, text, "whmcs-bridge sync; adopt asks WHMCS by itself")
    since = ports.today() - timedelta(days=QUIET_DAYS)
    acts = [a for a in ports.journal.foreign_acts(since) if a.actor is Actor.CRON]
    if _runs(TERMINATION, kept, acts, Kind.TERMINATE):
        text = f"WHMCS's own {TERMINATION} {_how(TERMINATION, kept, acts, Kind.TERMINATE)}: it ends by due dates"
        return Check("automation", False, text, f"switch it off today, in {MODULES}")
    if _runs(SUSPENSION, kept, acts, Kind.SUSPEND):
        text = f"WHMCS's own {SUSPENSION} {_how(SUSPENSION, kept, acts, Kind.SUSPEND)}"
        if ports.settings.enforcing:
            return Check("automation", False, f"{text}: it suspends by due dates", f"switch it off, in {MODULES}")
        todo = f'on the day you set mode = "enforce": switch it off, in {MODULES}'
        return Check("automation", True, f"{text}: until the bridge acts, it suspends in its place", todo)
    unknown = [name for name in (SUSPENSION, TERMINATION) if kept.get(name) is None]
    if not unknown:
        return Check("automation", True, f"WHMCS's own {SUSPENSION} and {TERMINATION} are off")
    quiet = f"its cron has suspended and ended nothing for {QUIET_DAYS} days"
    return Check("automation", True, f"WHMCS does not tell whether {', '.join(unknown)} is on; {quiet}")


def _runs(name: str, kept: Mapping[str, str | None], acts: Iterable[ForeignAct], kind: Kind) -> bool:
    """WHMCS says that it is on; where it does not say, its cron does it."""
    value = kept.get(name)
    return is_on(value) if value is not None else any(act.kind == kind for act in acts)


def _how(name: str, kept: Mapping[str, str | None], acts: Sequence[ForeignAct], kind: Kind) -> str:
    if kept.get(name) is not None:
        return "is on"
    last = next(act for act in reversed(acts) if act.kind == kind)
    return f"is on, it seems (WHMCS does not tell, and its cron acted: {told(last)})"


def _limits_check(ports: Ports, over: Mapping[date, tuple[str, ...]]) -> Check:
    since = ports.today() - timedelta(days=LIMIT_DAYS)
    days = {day: why for day, why in over.items() if day > since}
    if not days:
        return Check("limits", True, f"no limit would have refused anything within {LIMIT_DAYS} days")
    day, why = max(days.items())
    text = f"limits would have refused steps on {len(days)} of the last {LIMIT_DAYS} days; {day}: {why[0]}"
    return Check("limits", False, text, "see whether these days were ordinary; if so, widen [limits] in bridge.toml")


def _harm_check(harmed: Sequence[Difference]) -> Check:
    if not harmed:
        return Check("harm", True, "nobody who had paid would have been taken down or ended")
    first = harmed[0]
    text = (
        f"{len(harmed)} would have been harmed who had paid by then; service {first.service} "
        f"on {first.ours_on}, paid on {first.paid_on}"
    )
    todo = "payments are booked late: give the gateway clearing_bank_days, or wait longer"
    return Check("harm", False, text, todo)


def _sanity_check(ports: Ports) -> Check:
    since = ports.today() - timedelta(days=SANITY_DAYS)
    stops = [
        t for t in ports.journal.tasks(open_only=False) if t.code.startswith("sanity:") and t.last_seen_on >= since
    ]
    if not stops:
        return Check("sanity", True, "no sanity check has stopped a run lately")
    return Check("sanity", False, f"{stops[-1].code}: {stops[-1].text}", "look at it: whmcs-bridge tasks")
