"""The first day: whose each suspension is, what the rules would do and would have done, what fights them.

Reads the book and writes its findings to the journal; nothing else is changed, here or in WHMCS.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from whmcs_bridge.domain.case import Adoption
from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.money import ZERO, Money
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, WhmcsError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.jobs.findings import Classless, Coming, Down, Findings, Refusal, Subject, column_of
from whmcs_bridge.jobs.oddities import Oddities, subject_of
from whmcs_bridge.jobs.plan import without_collections
from whmcs_bridge.jobs.snapshot import Reading, take_snapshot
from whmcs_bridge.plan.limits import GROUPS, over_limit
from whmcs_bridge.policy import Ledgers, View, view_of
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.forecast import Outlook
from whmcs_bridge.policy.hindsight import Hindsight
from whmcs_bridge.policy.rules import Policy, Resolved, Rules, resolve
from whmcs_bridge.policy.stages import adoption_of, carries_our_reason
from whmcs_bridge.policy.vip import decide_client
from whmcs_bridge.policy.whmcs_settings import NAMES, SettingFinding, judge_settings
from whmcs_bridge.ports import ClientBook

AHEAD_DAYS = 30
SHOWN_FIRST = 20
"""So many subjects are kept by name for each kind of step to come."""
BILLING_WORDS = re.compile(
    r"overdue|unpaid|not paid|non.?payment|payment|invoice|billing|\bdebt|\bdue\b|\barrears|\bpaid\b"
    r"|atras|pagament|inadimpl|fatura|boleto|impag|factura|\bpago|bezahl|rechnung|zahlung|mahn|impay|facture|paiement"
    r"|onbetaald|betaling|factuur|nieopłac|płatno|faktur|ödenmem",
    re.IGNORECASE,
)
"""Words in a foreign suspension reason that speak of money, in the languages that hosts write in most."""


def adopt(ports: Ports, *, offline: bool = False, days: int = AHEAD_DAYS) -> Findings:
    """Find out what there is and what the rules would make of it, and keep that in the journal.

    `offline` reads nothing from WHMCS: the mirror must have been filled before. Raises Locked while a run is under way,
    BridgeError where there is nothing to look at: WHMCS gave nothing at all, or the mirror is empty.
    """
    with ports.journal.writer(), ports.one_day():
        journal, settings, today = ports.journal, ports.settings, ports.today()
        run = ports.begin_run("adopt")
        outcome, summary = "failed", "did not finish"
        try:
            memory = Memory(journal, today)
            reading = None if offline else _read(ports, memory)
            nothing = _nothing(ports, reading)
            if nothing:
                summary = nothing
                raise BridgeError(nothing)
            with without_collections():
                findings = _look_around(ports, memory, reading, today + timedelta(days=days))
            findings.number = journal.add_adoption(
                today, ports.now(), ports.actor, settings.policy.version, findings.to_json()
            )
            outcome = "ok" if findings.complete and not findings.problems else "failed"
            summary = _summary(findings)
            return findings
        finally:
            journal.end_run(run, ports.now(), outcome, summary)


def _nothing(ports: Ports, reading: Reading | None) -> str:
    """Say why there is nothing to look at; "" where there is. Old findings are not passed off as today's."""
    info = ports.mirror.last()
    if reading is None:
        return "" if info is not None else "the mirror is empty: run it without --offline, or run a sync first"
    if reading.answered:
        return ""
    old = f"; to look at what was read {info.at:%Y-%m-%d %H:%M}: --offline" if info is not None else ""
    return f"WHMCS could not be read ({'; '.join(reading.problems)}){old}"


def _summary(found: Findings) -> str:
    whose = ", ".join(f"{len(found.of(one))} {one.value}" for one in Adoption)
    return f"{len(found.down)} suspended ({whose}), {len(found.doubtful)} doubtful"


def _read(ports: Ports, memory: Memory) -> Reading:
    """Take a snapshot, as a sync does; what a sync remembers of WHMCS for its checks is left alone."""
    ours = {c.service_id for c in memory.cases.values() if c.suspended_on or c.adopted_on}
    held_down = ports.mirror.clients_of(ours)
    with ports.progress.task("reading WHMCS") as bar:
        return take_snapshot(
            ports.panel,
            ports.mirror,
            ports.today(),
            ports.now(),
            held_down=held_down,
            keep_empty=False,
            progress=lambda _what, rows: bar.advance(rows),
        )


def _look_around(ports: Ports, memory: Memory, reading: Reading | None, until: date) -> Findings:
    policy, today, mirror = ports.settings.policy, ports.today(), ports.mirror
    info = mirror.last()
    problems = [*reading.problems, *reading.gaps] if reading is not None else list(info.problems if info else ())
    complete = reading.complete if reading is not None else info is not None and info.complete
    findings = Findings(
        today=today,
        mode=ports.settings.mode,
        policy_version=policy.version,
        offline=reading is None,
        complete=complete,
        problems=problems,
        read_at=info.at if info is not None else None,
        quiet=policy.calendar.is_quiet(today),
        scope=memory.scope.said(),
        coming=Coming(until),
        hindsight=Hindsight(policy, today),
    )
    look = _Look(ports, memory, findings, complete=complete)
    with ports.progress.task("looking through the book", info.clients if info is not None else None) as bar:
        for book in mirror.books(today, (), everyone=True):
            look.at(book)
            bar.advance()
    look.finish()
    findings.settings = () if reading is None else _settings(ports, findings)
    findings.refusals.extend(_refusals(policy, findings))
    return findings


def _settings(ports: Ports, findings: Findings) -> tuple[SettingFinding, ...]:
    """Ask WHMCS how it is set; what it does not tell is said to be unknown."""
    values: dict[str, str | None] = {}
    for name in NAMES:
        try:
            values[name] = ports.panel.setting(name)
        except WhmcsError as error:
            findings.problems = [*findings.problems, f"setting {name}: {error}"]
            break
    return judge_settings(values, ports.settings.policy, enforcing=ports.settings.enforcing)


def _refusals(policy: Policy, findings: Findings) -> Iterator[Refusal]:
    """What the limits would say to a first enforced run."""
    due = findings.coming.by_kind_today
    living = findings.active + len(findings.down)
    for name, kinds in GROUPS.items():
        limit, count = policy.limits.by_kind.get(name), sum(due[kind] for kind in kinds)
        if limit is None or not count:
            continue
        why = over_limit(name, count, 0, limit, policy.limits, living, ())
        if why:
            yield Refusal(name, why, f"--allow {name}={count}")


class _Look:
    """One pass over the book; everything is counted into the findings."""

    def __init__(self, ports: Ports, memory: Memory, findings: Findings, *, complete: bool) -> None:
        self.memory, self.findings, self.complete = memory, findings, complete
        self.policy, self.today = ports.settings.policy, findings.today
        self.outlook = Outlook(self.policy, self.today, findings.coming.until)
        self.oddities = Oddities(self.today)
        self.classless: dict[int, Classless] = {}
        self.deletes = bool(ports.stores)
        self.vip_group = ports.mirror.group_named(self.policy.vip.group) if self.policy.vip else None

    def at(self, book: ClientBook) -> None:
        """Look at one client and all of its services."""
        client, services = facts_of(book, self.memory, complete=self.complete)
        self.findings.clients += 1
        self.findings.hindsight.add(services)
        self.oddities.see_client(book, client)
        ledgers = Ledgers(client, self.policy, self.today)
        first = True
        for facts in services:
            self._service(facts, book, ledgers, first=first)
            first = False
        if self.policy.vip is not None:
            self._membership(client, ledgers)

    def finish(self) -> None:
        """Hand over what was gathered apart."""
        self.findings.oddities = self.oddities.found()
        self.findings.classless = sorted(self.classless.values(), key=lambda c: (-c.in_debt, -c.living, c.product))
        order = {Adoption.STAFF: 0, Adoption.WHMCS: 1, Adoption.OURS: 2}
        self.findings.down.sort(key=lambda d: (not d.doubt, order[d.whose], d.since or date.max, d.subject.service))

    def _service(self, facts: ServiceFacts, book: ClientBook, ledgers: Ledgers, *, first: bool) -> None:
        found, status = self.findings, facts.service.status
        found.services += 1
        living = status is not None and status.living
        weighed = bool(facts.client.invoices) or status is ServiceStatus.SUSPENDED or facts.cancel_request is not None
        known = facts.service.id in self.memory.cases or facts.ended_seen is not None
        if living:
            resolved = resolve(self.policy, facts.service, facts.product, facts.client.client, facts.client.group)
            found.active += status is ServiceStatus.ACTIVE
            if resolved.class_name:
                found.classes[resolved.class_name] += 1
            else:
                self._without_class(facts, resolved).living += 1
        if not weighed and not known:
            return
        view, resolved = view_of(facts, self.policy, self.today, ledgers)
        if first and facts.client.invoices:
            self.oddities.see_debt(view)
        if living:
            self.oddities.see_service(view, book)
            self._living(facts, view, resolved)
        if weighed or known:
            self._ahead(facts, ledgers)

    def _without_class(self, facts: ServiceFacts, resolved: Resolved) -> Classless:
        number = int(facts.service.product_id)
        if number not in self.classless:
            name = facts.product.name if facts.product is not None else facts.service.name
            self.classless[number] = Classless(number, name, resolved.tie)
        return self.classless[number]

    def _living(self, facts: ServiceFacts, view: View, resolved: Resolved) -> None:
        if view.counted.concerning:
            self.findings.in_debt += 1
            if not resolved.class_name:
                self._without_class(facts, resolved).in_debt += 1
        if facts.service.status is ServiceStatus.SUSPENDED:
            self.findings.down.append(_down(view, resolved))

    def _ahead(self, facts: ServiceFacts, ledgers: Ledgers) -> None:
        coming = self.findings.coming
        subject: Subject | None = None
        for step in self.outlook.of(facts, ledgers):
            if step.kind is Kind.DELETE_BACKUPS and not self.deletes:
                continue
            if subject is None:
                subject = subject_of(facts.client, facts.service)
                ours = carries_our_reason(facts.service.suspension_reason)
                acted_for = self.memory.scope.takes(facts.client.client, facts.client.group)
            now = acted_for or (ours and step.kind is Kind.UNSUSPEND)
            self._count(step.date, step.kind, column_of(step.kind, step.message), subject, now=now)
            coming.needs_approval += step.needs_approval

    def _count(self, day: date, kind: Kind, column: str, subject: Subject, *, now: bool) -> None:
        """Count a step; `now`: the bridge acts for this client already, not only for a few others."""
        coming = self.findings.coming
        coming.by_day.setdefault(day, Counter())[column] += 1
        if now and day == self.today:
            coming.by_kind_today[kind] += 1
        first = coming.first.setdefault(column, [])
        if len(first) < SHOWN_FIRST or day < first[-1][0]:
            first.append((day, subject))
            first.sort(key=lambda found: (found[0], found[1].service or 0))
            del first[SHOWN_FIRST:]

    def _membership(self, client: ClientFacts, ledgers: Ledgers) -> None:
        """Moves into and out of the VIP group: today's, and those of members whose invoices fall due."""
        subject = Subject(client.client.id, client.client.name)
        decision = decide_client(client, self.policy, self.vip_group, self.today, ledgers)
        now = self.memory.scope.takes(client.client, client.group)
        for due in decision.due:
            self._count(self.today, due.kind, "vip", subject, now=now)
        if decision.due or self.vip_group is None or client.client.group_id != self.vip_group.id:
            return
        book = ledgers.under(Rules(**self.policy.defaults))
        first = min((e.due for e in book.entries if e.counts_for_standing and not e.overdue), default=None)
        if first is not None and self.today <= first < self.findings.coming.until:
            self._count(first + timedelta(days=1), Kind.VIP_REMOVE, "vip", subject, now=now)


# --- whose a suspension is ----------------------------------------------------------------------


def _down(view: View, resolved: Resolved) -> Down:
    facts, case = view.facts, view.case
    reason = facts.service.suspension_reason.strip()
    whose = adoption_of(facts, view.counted)
    if not reason and case.adoption is not None:
        whose = case.adoption
    code, doubt, todo = _doubt(view, whose)
    debts = view.counted.concerning
    owed = Money(sum((d.amount.amount for d in debts), ZERO), facts.client.currency) if debts else None
    return Down(
        subject_of(facts.client, facts.service),
        whose,
        reason,
        resolved.class_name,
        owed,
        debts[0].due if debts else None,
        doubt,
        code,
        todo,
    )


def _doubt(view: View, whose: Adoption) -> tuple[str, str, str]:
    """Return (code, why a person should look, what to do); empty where the book tells enough."""
    reason, number = view.service.suspension_reason.strip(), view.service.id
    if carries_our_reason(reason) or view.case.settled_by:
        return "", "", ""
    if not reason and whose is Adoption.STAFF:
        todo = f"whmcs-bridge adopt --confirm {number} if it was for billing (--as staff if it was not)"
        return "blank", _last_paid(view), todo
    if reason and BILLING_WORDS.search(reason):
        todo = "if it was for billing, blank the reason in WHMCS and run adopt again; else leave it"
        return "wording", "the reason speaks of money: staff's until it is blanked", todo
    return "", "", ""


def _last_paid(view: View) -> str:
    """Say what tells a payment that lifted nothing from a suspension for abuse."""
    if not view.facts.complete:
        return "no reason, and what is owed could not be read whole"
    paid = max((p.paid_on for p in view.facts.client.history if not p.reversed), default=None)
    return f"no reason, nothing owed; last paid {paid}" if paid is not None else "no reason, nothing owed, never paid"
