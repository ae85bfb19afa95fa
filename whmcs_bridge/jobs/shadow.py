"""Shadow mode's record: how far every case would have come if the bridge had acted.

In shadow mode no real case moves and no mail goes out, so a service that needs a warning first would never come to its
suspension. Each sync therefore judges those that matter a second time, as they would stand by now, and imagines done
what is due. The rules are the same; only the case and the status are imagined.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.case import Case, SentNotice
from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import house_stops
from whmcs_bridge.jobs.plan import worth_remembering
from whmcs_bridge.plan.build import ANNOUNCING, ORDER, build, client_step, digest, digests, key_of, step_of
from whmcs_bridge.plan.limits import GROUPS, stops_for
from whmcs_bridge.plan.model import Held, Plan, Step
from whmcs_bridge.policy import Ledgers, decide, view_of
from whmcs_bridge.policy.cases import after_end, after_notice, after_release, after_suspension, observe
from whmcs_bridge.policy.decision import HARMFUL, HARMFUL_SET, ClientDecision, Decision, Due, Kind
from whmcs_bridge.policy.rules import SUSPENSION_WARNING
from whmcs_bridge.policy.stages import reason_for
from whmcs_bridge.policy.whmcs_settings import SUSPENSION, TERMINATION
from whmcs_bridge.ports import ShadowCase, ShadowStep

ANNOUNCED: Final = "shadow:announced"
"""Journal key: step key -> digest of the newest imagined plan, and of the newest on an earlier day."""
MOVED: Final = "shadow:vip"
"""Journal key: client -> the membership move that was imagined already."""
SETTINGS: Final = "shadow:settings"
"""Journal key: WHMCS's own automation as it was set when a shadow run last looked."""
ONCE: Final = frozenset({Kind.CLOSE_ADDON, Kind.CANCEL_INVOICE, Kind.SUSPEND_ADDON, Kind.UNSUSPEND_ADDON})
"""Steps on something beside the service: WHMCS shows them as due until they are done, which they never are."""
_UP, _DOWN, _ENDED = ServiceStatus.ACTIVE.value, ServiceStatus.SUSPENDED.value, ServiceStatus.TERMINATED.value


@dataclass(slots=True)
class Track:
    """One service on its imagined way, while it is judged."""

    case: Case
    status: str
    reason: str
    once: list[str]

    @classmethod
    def of(cls, shadow: ShadowCase) -> "Track":
        return cls(shadow.case, shadow.status, shadow.reason, list(shadow.once))

    def kept(self) -> ShadowCase:
        return ShadowCase(self.case, self.status, self.reason, tuple(self.once))


class Imagining:
    """Looks on while a sync judges the book, and imagines done what is due; `keep` writes the record."""

    def __init__(self, ports: Ports) -> None:
        self.ports, self.policy, self.today = ports, ports.settings.policy, ports.today()
        self.steps: list[Step] = []
        self._cases = ports.journal.shadow_cases()
        self._changed: dict[ServiceId, ShadowCase] = {}
        self._gone: set[ServiceId] = set()
        self._announced, self._before = self._announced_before()
        self._withheld: list[Held] = []
        self._marks: dict[ServiceId, str] = {}
        self._moved: dict[str, str] = dict(ports.journal.get(MOVED) or {})
        self._held_up = {kind for stop in house_stops(ports) for kind in stop.kinds}
        if self._held_up:
            self._held_up.add(Kind.SUSPEND_ADDON)

    @property
    def services(self) -> Collection[ServiceId]:
        """Services with an imagined case: their clients have to be judged, also when nothing is owed any more."""
        return self._cases

    @property
    def days_ahead(self) -> int:
        """It looks at the day of the run."""
        return 0

    def look(
        self,
        client: ClientFacts,
        services: Sequence[ServiceFacts],
        decisions: Sequence[Decision],
        ledgers: Ledgers,
        *,
        acted_for: bool,
    ) -> None:
        """Imagine one client's services; one for whom the bridge acts in earnest needs no imagination any more."""
        if acted_for:
            self._gone.update(f.service.id for f in services if f.service.id in self._cases)
            return
        tracks = dict(self._tracks(services, decisions))
        if tracks:
            self._imagine([f for f in services if f.service.id in tracks], tracks, _Household(client, ledgers, self))

    def member(self, decision: ClientDecision) -> None:
        """Imagine a client's move into or out of the VIP group: once, for as long as it stays due."""
        key = str(decision.client)
        wanted = next(iter(decision.due), None)
        if wanted is None:
            self._moved.pop(key, None)
        elif self._moved.get(key) != wanted.kind.value:
            self._moved[key] = wanted.kind.value
            self.steps.append(client_step(wanted, decision, self.today))

    def as_it_stands(self, facts: ServiceFacts) -> ServiceFacts:
        """The service as it would stand by now, after what this run has imagined."""
        number = facts.service.id
        shadow = self._changed.get(number) or (None if number in self._gone else self._cases.get(number))
        if shadow is None:
            return facts
        return replace(facts, service=_as_imagined(facts, Track.of(shadow)), case=shadow.case, acted_today=False)

    # --- one service --------------------------------------------------------------------------

    def _tracks(
        self, services: Sequence[ServiceFacts], decisions: Sequence[Decision]
    ) -> Iterator[tuple[ServiceId, Track]]:
        for facts, decision in zip(services, decisions, strict=True):
            shadow = self._cases.get(facts.service.id)
            if shadow is not None:
                yield facts.service.id, _met_by_reality(Track.of(shadow), facts, decision)
            elif decision.due or worth_remembering(decision, facts.case, facts.service.status):
                yield facts.service.id, Track.of(ShadowCase(facts.case))

    def _imagine(
        self, services: Sequence[ServiceFacts], tracks: Mapping[ServiceId, Track], house: "_Household"
    ) -> None:
        """Judge a client's services as they would stand, and imagine done what is due, in the order of a run."""
        for facts in services:
            if tracks[facts.service.id].status:
                house.changed(facts, tracks[facts.service.id])
        due: list[tuple[Due, ServiceFacts]] = []
        for facts in services:
            track = tracks[facts.service.id]
            now, decision = house.judged(facts, track)
            if worth_remembering(decision, now.case, now.service.status):
                track.case = observe(view_of(now, self.policy, self.today, house.ledgers)[0], decision, self.today)
            due.extend((one, facts) for one in decision.due)
            for held in decision.withheld:
                self._withheld.append(Held(decision.client, decision.service, held))
                if held.code in ANNOUNCING:
                    self._marks[decision.service] = digest(decision.debts)
        for one, facts in sorted(due, key=lambda d: (ORDER[d[0].kind], d[1].service.id)):
            track = tracks[facts.service.id]
            now, decision = house.judged(facts, track)  # again, as the look before an act does
            if any((d.kind, d.target, d.message) == (one.kind, one.target, one.message) for d in decision.due):
                before = track.status
                self._do(now, facts.service, decision, one, track)
                if track.status != before:
                    house.changed(facts, track)
        for facts in services:
            self._remember(facts.service.id, tracks[facts.service.id])

    def _remember(self, service: ServiceId, track: Track) -> None:
        now = track.kept()
        if now == ShadowCase(Case(service)):
            if service in self._cases:
                self._gone.add(service)
        elif now != self._cases.get(service):
            self._changed[service] = now

    def _do(self, facts: ServiceFacts, really: Service, decision: Decision, due: Due, track: Track) -> None:
        """Imagine one step done, unless a pause or the hour holds it."""
        if due.kind in self._held_up or (due.kind is Kind.DELETE_BACKUPS and not self.ports.stores):
            return
        key = key_of(due.kind, decision.service, decision.client, due.target, due.message)
        if due.kind in ONCE:
            if key in track.once:
                return
            track.once.append(key)
        warned = due.kind is Kind.SUSPEND and any(
            n.message == SUSPENSION_WARNING and n.on < self.today for n in track.case.notices
        )
        self.steps.append(step_of(due, decision, self.today, self._announced, warned=warned))
        self._after(facts, really, decision, due, track)

    def _after(self, facts: ServiceFacts, really: Service, decision: Decision, due: Due, track: Track) -> None:
        today = self.today
        match due.kind:
            case Kind.NOTICE:
                track.case = after_notice(track.case, SentNotice(due.message, due.day, today, True))
                return
            case Kind.SUSPEND:
                track.case = after_suspension(track.case, facts, today)
                track.status, track.reason = _DOWN, reason_for(due.invoices)
            case Kind.UNSUSPEND:
                track.case = after_release(track.case, today, on_trust=_on_trust(facts, today))
                track.status, track.reason = (_UP, really.suspension_reason) if _is_down(really) else ("", "")
            case Kind.TERMINATE:
                track.case = after_end(track.case, today)
                track.status, track.reason = _ENDED, ""
                self._erase_with_the_end(facts, really, decision, track)
            case Kind.DELETE_BACKUPS:
                track.case = replace(track.case, erased_on=today)
            case _:
                return
        if due.message:
            track.case = after_notice(track.case, SentNotice(due.message, None, today, True))

    def _erase_with_the_end(self, facts: ServiceFacts, really: Service, decision: Decision, track: Track) -> None:
        """With 0 days the deletion follows the end in the same run."""
        rules = view_of(facts, self.policy, self.today)[0].rules
        if self.ports.stores and rules.delete_backups_after_days == 0:
            self._do(facts, really, decision, Due(Kind.DELETE_BACKUPS, "with the end of the service"), track)

    # --- the record ---------------------------------------------------------------------------

    def keep(self, run: int, *, complete: bool) -> None:
        """Write down what this run imagined, and whether a limit would have refused it."""
        journal = self.ports.journal
        plan = build(
            self.today,
            self.policy.version,
            self.steps,
            self._withheld,
            complete=complete,
            problems=(),
            services_seen=self.ports.mirror.count_living(),
        )
        over = self._over(plan)
        steps = [ShadowStep(s, over.get(s.kind, "")) for s in plan.steps]
        journal.save_shadow(run, steps, self._changed.values())
        if self._gone:
            journal.drop_shadow_cases(self._gone)
        seen = digests(plan, self._marks)
        journal.put(ANNOUNCED, {"day": self.today.isoformat(), "seen": seen, "before": self._before})
        if self._moved != (journal.get(MOVED) or {}):
            journal.put(MOVED, self._moved)
        self._note_settings()

    def _over(self, plan: Plan) -> dict[Kind, str]:
        """Kind -> why a limit would have refused it today, counted like real steps."""
        journal, limits = self.ports.journal, self.policy.limits
        if not limits.by_kind or not plan.steps:
            return {}
        imagined = journal.shadow_usual(self.today)
        usual = {name: _usual(name, imagined) for name in GROUPS}
        stops = stops_for(plan, limits, journal.shadow_counts(self.today), usual, {})
        return {kind: f"{stop.code}: {stop.why}" for stop in stops for kind in stop.kinds if kind is not Kind.UNSUSPEND}

    def _announced_before(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the digests of the newest imagined plan on an earlier day, twice: to look up and to keep."""
        kept: dict[str, Any] = self.ports.journal.get(ANNOUNCED) or {}
        before = kept.get("before", {}) if kept.get("day") == self.today.isoformat() else kept.get("seen", {})
        return before, before

    def _note_settings(self) -> None:
        """Once a house day: is WHMCS's own automation switched on? The report says it without asking WHMCS."""
        kept = self.ports.journal.get(SETTINGS) or {}
        if kept.get("day") == self.today.isoformat():
            return
        values = {name: self.ports.panel.setting(name) for name in (SUSPENSION, TERMINATION)}
        self.ports.journal.put(SETTINGS, {"day": self.today.isoformat(), **values})


class _Household:
    """One client as it would stand by now: services with their imagined status, credit where it matters."""

    def __init__(self, client: ClientFacts, ledgers: Ledgers, imagining: Imagining) -> None:
        self.client, self.ledgers, self._by = client, ledgers, imagining

    def changed(self, facts: ServiceFacts, track: Track) -> None:
        """Let a service's imagined status be known to the client's other services."""
        service = _as_imagined(facts, track)
        self._become(replace(self.client, services={**self.client.services, service.id: service}))

    def judged(self, facts: ServiceFacts, track: Track) -> tuple[ServiceFacts, Decision]:
        """Judge one service; the client's credit is read before anything harmful, as the look before an act does."""
        now, decision = self._decide(facts, track)
        if self.client.credit is None and any(d.kind in HARMFUL_SET for d in decision.due):
            client = self._with_credit()
            if client is not self.client:
                self._become(client)
                return self._decide(facts, track)
        return now, decision

    def _decide(self, facts: ServiceFacts, track: Track) -> tuple[ServiceFacts, Decision]:
        today = self._by.today
        now = replace(
            facts,
            service=_as_imagined(facts, track),
            client=self.client,
            case=track.case,
            approved=facts.approved | set(HARMFUL),
            acted_today=facts.acted_today or track.case.last_act_on == today,
        )
        return now, decide(now, self._by.policy, today, self.ledgers, timed=False)

    def _become(self, client: ClientFacts) -> None:
        self.client, self.ledgers = client, Ledgers(client, self._by.policy, self._by.today)

    def _with_credit(self) -> ClientFacts:
        ports, client = self._by.ports, self.client.client.id
        try:
            details = ports.panel.client(client)
        except BridgeError:
            return self.client
        ports.mirror.save_credit(client, details.credit, details.currency, self._by.today)
        return replace(self.client, credit=details.credit)


def forget(ports: Ports) -> None:
    """Acting begins: imagined cases go, every real one starts at its first stage. The record stays."""
    if ports.journal.shadow_cases():
        ports.journal.drop_shadow_cases()


def _usual(name: str, imagined: Mapping[str, Sequence[int]]) -> Sequence[int]:
    return imagined.get("vip_remove" if name == "vip" else name, ())


def _met_by_reality(track: Track, facts: ServiceFacts, decision: Decision) -> Track:
    """Let go of what WHMCS has overtaken: a service really ended, really down for another reason, or paid for.

    A word on whose a suspension is, given by a person meanwhile, counts in the imagined case as well.
    """
    real = facts.service.status
    if track.status == _ENDED and real is not None and not real.ended and not (decision.debts or decision.holding):
        return Track.of(ShadowCase(facts.case))  # paid after it would have been ended
    if track.status == _ENDED and (real is None or real.ended):
        track.status = ""
    if track.status == _DOWN:
        blank = real is ServiceStatus.SUSPENDED and not facts.service.suspension_reason.strip()
        if real is not ServiceStatus.ACTIVE and not blank:
            track.status = track.reason = ""
    if track.status == _UP and not (_is_down(facts.service) and facts.service.suspension_reason == track.reason):
        track.status = track.reason = ""
    told = facts.case
    if real is ServiceStatus.SUSPENDED and not track.status and told.settled_by not in ("", track.case.settled_by):
        track.case = replace(track.case, adoption=told.adoption, adopted_on=told.adopted_on, settled_by=told.settled_by)
    return track


def _as_imagined(facts: ServiceFacts, track: Track) -> Service:
    if not track.status:
        return facts.service
    reason = track.reason if track.status == _DOWN else ""
    return replace(facts.service, status=ServiceStatus(track.status), suspension_reason=reason)


def _is_down(service: Service) -> bool:
    return service.status is ServiceStatus.SUSPENDED


def _on_trust(facts: ServiceFacts, today: date) -> bool:
    return any(
        r.kind is RecordKind.RELEASE and r.service_id == facts.service.id and r.protects_on(today)
        for r in facts.client.records
    )
