"""VIP for people: who is a member and why, what would change it, what a client's record is, where WHMCS differs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from whmcs_bridge.domain.book import NO_GROUP, ClientGroup
from whmcs_bridge.domain.facts import ClientFacts
from whmcs_bridge.domain.ids import ClientId, GroupId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import ClientStatus
from whmcs_bridge.errors import BridgeError, UnknownId, UsageProblem
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, Memory, client_facts
from whmcs_bridge.jobs.membership import is_first_look, with_effects
from whmcs_bridge.jobs.scope import WHY_OUTSIDE
from whmcs_bridge.policy import Ledgers
from whmcs_bridge.policy.admission import Refusal
from whmcs_bridge.policy.debt import Ledger
from whmcs_bridge.policy.decision import ClientDecision, Kind, Standing
from whmcs_bridge.policy.rules import Rules, VipRules
from whmcs_bridge.policy.vip import decide_client, percent, pin_of, would_change
from whmcs_bridge.ports import ClientBook, JournalStep, StepState

MOVES = (Kind.VIP_ADD, Kind.VIP_REMOVE)
MANY = 10_000
NO_RULES = "the settings have no [vip] table: add one with group, min_tenure_months, ... (docs/how-to/vip.md)"


class Place(StrEnum):
    """Where a client stands to the VIP group."""

    MEMBER = "member"
    WAITING = "waiting"
    """Taken out by us, to come back when paid."""
    ELIGIBLE = "eligible"
    """No member, though the record (or a pin) would do: about to join, or held back."""
    OUT = "out"
    """No member, and the record does not earn it."""


@dataclass(frozen=True, slots=True)
class VipLine:
    """One client's membership, explained."""

    client: ClientId
    name: str
    group: str
    """Name of the client's group; "" is none."""
    place: Place
    standing: Standing
    eligible: bool
    why: str
    since: date | None
    """Member: first seen as one on this day (`date.min`: since before we came). Waiting: out since then."""
    move: str = ""
    """What the next run does: vip_add, vip_remove or nothing; `move_why` says because of what, and what it brings."""
    move_why: str = ""
    move_held: str = ""
    """Why the move is not made all the same: shadow mode, or a client whom the bridge does not act for yet."""
    would_change: tuple[str, ...] = ()
    pin: Record | None = None
    """The one in force."""
    by_hand: date | None = None
    """Day on which somebody else moved the client."""

    @property
    def member(self) -> bool:
        """In the VIP group, as the mirror has it."""
        return self.place is Place.MEMBER

    def to_json(self) -> dict[str, Any]:
        """The shape of a line of `vip list --json`; fields are added, never renamed."""
        return {
            "client": self.client,
            "name": self.name,
            "group": self.group or None,
            "member": self.member,
            "place": self.place.value,
            "eligible": self.eligible,
            "why": self.why,
            "standing": self.standing.value,
            "since": _iso(self.since),
            "next": {"step": self.move, "why": self.move_why, "held": self.move_held or None} if self.move else None,
            "would_change": list(self.would_change),
            "pin": pin_json(self.pin) if self.pin is not None else None,
            "by_hand_on": _iso(self.by_hand),
        }


def pin_json(pin: Record) -> dict[str, Any]:
    """Return a pin for machines."""
    return {"number": pin.id, "author": pin.author, "reason": pin.reason, "until": _iso(pin.until)}


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None and day != date.min else None


# --- the list ---------------------------------------------------------------------------------------


def rules_of(ports: Ports) -> VipRules:
    """Return the rules; raises UsageProblem where there are none."""
    vip = ports.settings.policy.vip
    if vip is None:
        raise UsageProblem(NO_RULES)
    return vip


def group_of(ports: Ports) -> ClientGroup:
    """Return the VIP group as WHMCS has it; raises UsageProblem where it has none, or nothing was read yet."""
    vip = rules_of(ports)
    group = ports.mirror.group_named(vip.group)
    if group is not None:
        return group
    if ports.mirror.last() is None:
        raise UsageProblem("the mirror is empty: run a sync first")
    raise UsageProblem(missing_group(vip.group))


def missing_group(name: str) -> str:
    """Say that WHMCS does not have the group, and what to do."""
    return f"WHMCS has no client group {name}: make it in System Settings > Client Groups (the API cannot), then sync"


def describe_group(group: ClientGroup) -> str:
    """Say what the group does in WHMCS besides its name."""
    said = []
    if group.discount_percent:
        said.append(f"{percent(group.discount_percent)} discount on new invoices")
    if group.separate_invoices:
        said.append("an invoice for each service")
    said.append("exempt from suspension in WHMCS" if group.exempt else "not exempt in WHMCS")
    return ", ".join(said)


def vip_lines(ports: Ports, *, everyone: bool = False) -> Iterator[VipLine]:
    """Yield the clients that are, were or could be members, by id, from mirror and journal; or everyone.

    Raises UsageProblem without rules, or without the group.
    """
    group, memory = group_of(ports), Memory(ports.journal, ports.today())
    first = is_first_look(ports.journal, group)
    with ports.progress.task("judging") as bar:
        for book in ports.mirror.books(ports.today(), set(), everyone=True):
            bar.advance()
            line = _line(ports, book, memory, group, everyone=everyone, first=first)
            if line is not None:
                yield line


def vip_line(ports: Ports, client: ClientId) -> VipLine:
    """Explain one client's membership; raises UnknownId, UsageProblem."""
    group, book = group_of(ports), ports.mirror.book(client)
    if book is None:
        raise UnknownId(f"no client {client} in the mirror; check the number, or run a sync first")
    memory = ClientMemory(ports.journal, ports.today(), client)
    line = _line(ports, book, memory, group, everyone=True, first=is_first_look(ports.journal, group))
    assert line is not None
    return line


def _line(
    ports: Ports, book: ClientBook, memory: Memory, group: ClientGroup, *, everyone: bool, first: bool
) -> VipLine | None:
    policy, today = ports.settings.policy, ports.today()
    facts = client_facts(book, memory)
    decision = decide_client(facts, policy, group, today, Ledgers(facts, policy, today))
    place = _place(facts, decision, group)
    pin = pin_of(facts, today)
    if not everyone and place is Place.OUT and pin is None:
        return None
    membership = facts.membership
    since = membership.removed_by_us_on if place is Place.WAITING else None
    if place is Place.MEMBER:
        since = date.min if first else membership.member_since
    dues = [with_effects(ports.mirror, due, facts.client, membership, group) for due in decision.due]
    return VipLine(
        client=book.client.id,
        name=book.client.name,
        group=facts.group.name if facts.group is not None else "",
        place=place,
        standing=decision.standing,
        eligible=decision.eligible,
        why=decision.why,
        since=since,
        move=dues[0].kind.value if dues else "",
        move_why=dues[0].reason if dues else "",
        move_held=_held_back(ports, memory, facts) if dues else "",
        would_change=would_change(facts, decision, policy, group, today),
        pin=pin,
        by_hand=membership.set_by_hand_on,
    )


def _held_back(ports: Ports, memory: Memory, facts: ClientFacts) -> str:
    if not ports.settings.enforcing:
        return "shadow mode moves nobody"
    return "" if memory.scope.takes(facts.client, facts.group) else WHY_OUTSIDE


def _place(facts: ClientFacts, decision: ClientDecision, group: ClientGroup) -> Place:
    if facts.client.group_id == group.id:
        return Place.MEMBER
    if facts.membership.removed_by_us_on is not None:
        return Place.WAITING
    return Place.ELIGIBLE if decision.eligible else Place.OUT


# --- pins -------------------------------------------------------------------------------------------


def pin_refusals(ports: Ports, wanted: Record, facts: ClientFacts) -> Iterator[Refusal]:
    """Judge a pin: the rules, the group, its end, the client, and that there is none yet."""
    vip, today = ports.settings.policy.vip, ports.today()
    if vip is None:
        yield Refusal(NO_RULES)
        return
    if ports.mirror.group_named(vip.group) is None:
        yield Refusal(missing_group(vip.group))
    if not wanted.reason.strip():
        yield Refusal("a pin needs a reason")
    if wanted.until is not None and wanted.until < today:
        yield Refusal(f"until {wanted.until} is past; today is {today}")
    if wanted.service_id is not None or wanted.invoice_id is not None:
        yield Refusal("a pin is for a client")
    if facts.client.status is ClientStatus.CLOSED:
        yield Refusal(f"client {facts.client.id} is closed in WHMCS", "open it again first")
    known = pin_of(facts, today)
    if known is not None:
        until = f" until {known.until}" if known.until is not None else ""
        yield Refusal(
            f"client {facts.client.id} is pinned already{until} (pin {known.id} by {known.author}: {known.reason})",
            f"first: whmcs-bridge vip unpin {facts.client.id} --reason ...",
        )


def pin_to_end(ports: Ports, client: ClientId) -> Record:
    """Return the client's pin in force; raises UnknownId, UsageProblem for a client that is not pinned."""
    book, today = ports.mirror.book(client), ports.today()
    if book is None:
        raise UnknownId(f"client {client} is not in the mirror; check the number, or run a sync first")
    pin = pin_of(client_facts(book, ClientMemory(ports.journal, today, client)), today)
    if pin is None:
        raise UsageProblem(f"client {client} has no pin; `whmcs-bridge vip history {client}` shows what it had")
    return pin


# --- history ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VipEvent:
    """Something that happened to a client's membership."""

    on: date
    what: str
    """joined, left, not moved, pinned, pin ended."""
    who: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """The shape of a line of `vip history --json`."""
        return {"date": self.on.isoformat(), "what": self.what, "who": self.who, "why": self.why}


def vip_history(ports: Ports, client: ClientId) -> list[VipEvent]:
    """Return everything the journal has about a client's membership, oldest first; raises UnknownId."""
    journal, today = ports.journal, ports.today()
    found: list[VipEvent] = []
    for pin in journal.records(client=client, kind=RecordKind.PIN):
        until = f" until {pin.until}" if pin.until is not None else ""
        found.append(VipEvent(pin.made_on, f"pinned{until}", pin.author, pin.reason))
        if pin.closed_on is not None:
            found.append(VipEvent(pin.closed_on, "pin ended", pin.closed_by or pin.author, pin.closed_why))
        elif pin.until is not None and pin.until < today:
            found.append(VipEvent(pin.until + timedelta(days=1), "pin ended", pin.author, "it had an end"))
    steps = [step for kind in MOVES for step in journal.steps(client=client, kind=kind, limit=MANY)]
    found += [_of_step(step) for step in sorted(steps, key=lambda s: s.number)]
    found += [
        VipEvent(move.on, "joined" if move.joined else "left", "by hand", "moved in WHMCS by somebody else")
        for move in journal.membership_moves(client)
        if move.by_hand
    ]
    if not found and ports.mirror.book(client) is None:
        raise UnknownId(f"client {client} is not in the mirror; check the number, or run a sync first")
    return sorted(found, key=lambda event: event.on)


def _of_step(entry: JournalStep) -> VipEvent:
    joins = entry.step.kind is Kind.VIP_ADD
    done = entry.state is StepState.DONE
    if done:
        return VipEvent(entry.step.date, "joined" if joins else "left", entry.actor, entry.step.reason)
    what = f"not moved ({entry.state.value})"
    return VipEvent(entry.step.date, what, entry.actor, f"{entry.step.kind.value}: {entry.note}")


# --- audit ------------------------------------------------------------------------------------------


class Grade(StrEnum):
    """How a finding is meant."""

    DRIFT = "drift"
    """WHMCS is not as the rules have it; the next sync mends it, unless it says otherwise."""
    LOOK = "look"
    """It is respected, and somebody may want to know."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which WHMCS and the rules differ."""

    grade: Grade
    code: str
    text: str
    todo: str
    client: ClientId | None = None
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """The shape of a line of `vip audit --json`; fields are added, never renamed."""
        return {
            "grade": self.grade.value,
            "code": self.code,
            "client": self.client,
            "name": self.name or None,
            "text": self.text,
            "todo": self.todo,
        }


def vip_audit(ports: Ports, *, live: bool) -> list[Difference]:
    """Hold memberships in WHMCS against the rules; `live` reads groups and clients of WHMCS now, in whole pages.

    Drift first. Raises UsageProblem without rules; WhmcsError where WHMCS cannot be read.
    """
    vip = rules_of(ports)
    groups = {g.id: g for g in ports.panel.groups()} if live else None
    if groups is not None:
        if all(group.name != vip.group for group in groups.values()):
            text = f"WHMCS has no client group {vip.group}"
            return [Difference(Grade.DRIFT, "no-group", text, "make it in System Settings > Client Groups")]
        found = list(_changed(ports, groups))
    else:
        found = []
    group = group_of(ports)
    found += _about_group(ports, vip, group)
    memory = Memory(ports.journal, ports.today())
    for book in ports.mirror.books(ports.today(), set(), everyone=True):
        found += _about_client(ports, book, memory, vip, group)
    order = list(Grade)
    return sorted(found, key=lambda d: (order.index(d.grade), d.code, d.client or 0))


def _changed(ports: Ports, groups: Mapping[GroupId, ClientGroup]) -> Iterator[Difference]:
    """Clients whose group is another one in WHMCS now than at the last sync."""
    known = ports.mirror.client_groups()
    pages = ports.panel.clients()
    for page in pages:
        for client in page:
            before = known.get(client.id, NO_GROUP)
            if client.group_id != before and ports.mirror.book(client.id) is not None:
                text = f"group {_named(groups, before)} at the last sync, {_named(groups, client.group_id)} now"
                todo = "nothing: the next sync sees it, and respects it as made by hand"
                yield Difference(Grade.DRIFT, "changed-in-whmcs", text, todo, client.id, client.name)
    if not pages.end.complete:
        raise BridgeError(f"the clients could not be read whole: {'; '.join(pages.end.problems) or 'incomplete'}")


def _named(groups: Mapping[GroupId, ClientGroup], number: GroupId) -> str:
    if not number:
        return "none"
    return groups[number].name if number in groups else f"{number} (not listed)"


def _about_group(ports: Ports, vip: VipRules, group: ClientGroup) -> Iterator[Difference]:
    if vip.group not in vip.managed_groups:
        text = f"[vip] managed_groups lacks {vip.group}: nobody is taken out of it, whatever they owe"
        yield Difference(Grade.LOOK, "not-managed", text, f'add "{vip.group}" to managed_groups')
    for name in vip.managed_groups:
        if name and ports.mirror.group_named(name) is None:
            text = f"[vip] managed_groups names {name}, and WHMCS has no such client group"
            yield Difference(Grade.LOOK, "unknown-group", text, "correct the name, or make the group")
    if group.exempt:
        text = f"the group {group.name} is exempt in WHMCS: a member who owes is spared by its cron until taken out"
        yield Difference(Grade.LOOK, "exempt", text, "have status --max-age watched: syncs must not stop")


def _about_client(
    ports: Ports, book: ClientBook, memory: Memory, vip: VipRules, group: ClientGroup
) -> Iterator[Difference]:
    policy, today, client = ports.settings.policy, ports.today(), book.client
    facts = client_facts(book, memory)
    ledgers = Ledgers(facts, policy, today)
    decision = decide_client(facts, policy, group, today, ledgers)

    def one(grade: Grade, code: str, text: str, todo: str) -> Difference:
        return Difference(grade, code, text, todo, client.id, client.name)

    sync = _held_back(ports, memory, facts) or "nothing: the next sync does it"
    member, membership = client.group_id == group.id, facts.membership
    for due in decision.due:
        told = with_effects(ports.mirror, due, client, membership, group)
        code = "should-join" if due.kind is Kind.VIP_ADD else "should-leave"
        yield one(Grade.DRIFT, code, told.reason, sync)
    if facts.group is not None and facts.group.exempt and decision.standing is Standing.OVERDUE:
        ledger = ledgers.under(Rules(**policy.defaults))
        todo = "collect it, or take the client out of the group: nothing suspends it"
        yield one(Grade.LOOK, "exempt-debt", f"group {facts.group.name} is exempt in WHMCS, and {_owes(ledger)}", todo)
    if member and not decision.eligible and not decision.due:
        by_hand = f"put in by hand on {membership.set_by_hand_on}; " if membership.set_by_hand_on else ""
        text = f"{by_hand}the record would not earn it: {decision.why}"
        yield one(Grade.LOOK, "unearned", text, "nothing: a member stays while paid up")
    pin = pin_of(facts, today)
    kept_out = decision.eligible and decision.standing is not Standing.OVERDUE
    if not member and not decision.due and (kept_out or pin is not None):
        todo = "; ".join(would_change(facts, decision, policy, group, today))
        yield one(Grade.LOOK, "held-out", decision.why, todo)
    previous = membership.previous_group
    if member and previous and ports.mirror.group(GroupId(previous)) is None:
        text = f"came from group {previous}, which WHMCS does not have any more"
        yield one(Grade.LOOK, "previous-gone", text, "nothing: will go back to no group")


def _owes(ledger: Ledger) -> str:
    debts = [entry for entry in ledger.entries if entry.overdue and entry.counts_for_standing]
    numbers = ", ".join(str(entry.invoice.id) for entry in debts)
    return f"owes {ledger.debt} since {debts[0].due} (invoice {numbers})" if debts else "owes"


def counted(lines: Iterable[VipLine]) -> Mapping[Place, int]:
    """How many stand where."""
    found = dict.fromkeys(Place, 0)
    for line in lines:
        found[line.place] += 1
    return found
