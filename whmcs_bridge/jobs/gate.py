"""The gate file: what WHMCS may do by itself while the bridge cannot be asked.

A sync writes it; what is found out about a client between two syncs is put into it.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked
from whmcs_bridge.jobs.ask import held_for_all, may_suspend, may_terminate, may_unsuspend
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, facts_of
from whmcs_bridge.jobs.pause import handed_back
from whmcs_bridge.jobs.refusals import refused_kinds, why_all_refused
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.policy import Ledgers, decide, view_of
from whmcs_bridge.policy.decision import ClientDecision, Decision, Kind
from whmcs_bridge.policy.stages import request_is_due

VERSION = 1
ALSO_DOWN = "suspended by the bridge for debt"


class Gate:
    """Gathers the answers while a sync judges the book: no client is read twice."""

    def __init__(self, ports: Ports) -> None:
        self._ports, self._policy, self._today = ports, ports.settings.policy, ports.today()
        self.suspend: dict[int, str] = {}
        """Services that may be suspended today, with why; no others may."""
        self.refused: dict[int, str] = {}
        """Services that may not be unsuspended, with why; all others may."""
        self.kept_down: dict[int, str] = {}
        """Services that may not be unsuspended for another reason than debt: no payment changes that."""
        self.terminate: dict[int, str] = {}
        """Services that may be ended, with why; no others may."""
        self.free: set[int] = set()
        """Products that no class takes: none of our business."""
        self.asked_to_end: set[int] = set()
        """Services whose end rests on their client's request, whatever is paid."""
        self.rests_on: dict[int, list[int]] = {}
        """Open invoices on which what is said of a service rests; none for what no payment changes."""
        self.planned: set[tuple[Kind, int]] = set()
        """What the run does itself, whatever limits keep the cron from."""

    @property
    def services(self) -> Collection[ServiceId]:
        """Those that were asked to end. What nobody judges owes nothing, and nothing may be done to it."""
        return self._ports.mirror.asked_to_end()

    @property
    def days_ahead(self) -> int:
        """No further than a run looks anyway."""
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
        """Note what may be done to the client's services."""
        for facts, decision in zip(services, decisions, strict=True):
            if not decision.class_name:
                self.free.add(int(facts.service.product_id))
            elif facts.service.status is ServiceStatus.SUSPENDED or facts.cancel_request is not None or decision.due:
                self._note(facts, decision, ledgers)

    def member(self, decision: ClientDecision) -> None:
        """Memberships are not asked about."""

    def _note(self, facts: ServiceFacts, decision: Decision, ledgers: Ledgers) -> None:
        number = int(facts.service.id)
        view, _ = view_of(facts, self._policy, self._today, ledgers)
        self.rests_on[number] = sorted({int(d.invoice) for d in (*decision.debts, *decision.holding)})
        kinds = {due.kind for due in decision.due}
        if Kind.SUSPEND in kinds:
            self.suspend[number] = may_suspend(view, decision).why
            self.refused[number] = ALSO_DOWN
        if request_is_due(view):
            self.asked_to_end.add(number)
        ending = may_terminate(view, decision)
        if ending.allowed:
            self.terminate[number] = ending.why
        release = may_unsuspend(view, decision)
        if not release.allowed:
            owes = bool(decision.holding or decision.debts) and not view.case.settled_by
            (self.refused if owes else self.kept_down)[number] = release.why

    def to_json(self) -> dict[str, Any]:
        """The file's content; fields are added, never renamed (docs/reference/receiver.md)."""
        return {
            "v": VERSION,
            "made_at": self._ports.now().isoformat(),
            **_head(self._ports),
            "free_products": sorted(self.free),
        } | self.said()

    def said(self) -> dict[str, dict[str, Any]]:
        """The part of the content that is about single services."""
        refused = refused_kinds(self._ports)
        if Kind.SUSPEND in refused:
            self.suspend = {n: why for n, why in self.suspend.items() if (Kind.SUSPEND, n) in self.planned}
        if Kind.TERMINATE in refused:
            self.terminate = {n: why for n, why in self.terminate.items() if (Kind.TERMINATE, n) in self.planned}
        return {
            "suspend": self._entries(self.suspend),
            "unsuspend_refused": self._entries(self.refused),
            "unsuspend_never": _keyed(self.kept_down),
            "terminate": self._entries(self.terminate, self.asked_to_end),
        }

    def _entries(self, reasons: dict[int, str], asked: Collection[int] = ()) -> dict[str, dict[str, Any]]:
        return {
            str(number): {"why": why, "invoices": [] if number in asked else self.rests_on.get(number, [])}
            for number, why in sorted(reasons.items())
        }


def _head(ports: Ports) -> dict[str, Any]:
    """The part of the content that is about the house: whether anything is refused at all, and to whom."""
    scope = scope_of(ports.journal)
    groups = [ports.mirror.group_named(name) for name in sorted(scope.groups)]
    given_back = handed_back(ports)  # WHMCS's own automation acts as it will: as in shadow mode
    only = {"clients": sorted(scope.clients), "groups": [int(g.id) for g in groups if g is not None]}
    return {
        "mode": "shadow" if given_back else str(ports.settings.mode),
        "held": "" if given_back else held_for_all(ports) or why_all_refused(ports),
        "only": None if scope.everyone else only,
    }


def _keyed(reasons: dict[int, str]) -> dict[str, str]:
    return {str(number): why for number, why in sorted(reasons.items())}


def write_gate(gate: Gate, path: Path) -> None:
    """Write the file, whole or not at all, readable for its owner and group; raises BridgeError."""
    with _alone(path):
        _write(gate.to_json(), path)


def refresh_gate(ports: Ports, clients: Iterable[ClientId]) -> None:
    """Put what is known of these clients now into the file, if that changes anything it says.

    Whoever has paid is not held by an old file while the bridge is away. The file stays as old as it is: it is the
    sync's, and WHMCS tells by its age whether there still is one. Where it cannot be read or written, it stays too.
    """
    _refresh(ports, list(clients))


def refresh_head(ports: Ports) -> None:
    """Put into the file whether anything is held and for whom the bridge acts; else like refresh_gate."""
    _refresh(ports, [])


def _refresh(ports: Ports, clients: Sequence[ClientId]) -> None:
    path = ports.gate_file
    if path is None or not path.exists():
        return
    try:
        with _alone(path):
            known = json.loads(path.read_bytes())
            if _put_in(known, ports, clients):
                _write(known, path)
    except (DatabaseTrouble, Locked):
        raise
    except (OSError, ValueError, TypeError, AttributeError, KeyError, BridgeError):
        return  # it is no more than old; the next sync writes it anew, and says so where it cannot


def _put_in(known: dict[str, Any], ports: Ports, clients: Iterable[ClientId]) -> bool:
    """Replace what the file's content says of the house and of these clients' services; return whether it changed."""
    if known["v"] != VERSION:
        return False
    gate, services = Gate(ports), set[str]()
    for client in clients:
        services |= _judge(gate, ports, client)
    head = _head(ports)
    changed = any(known[name] != value for name, value in head.items())
    known.update(head)
    now = gate.said()
    for name, reasons in now.items():
        before = known[name]
        after = {number: why for number, why in before.items() if number not in services} | reasons
        changed |= after != before
        known[name] = after
    return changed


def _judge(gate: Gate, ports: Ports, client: ClientId) -> set[str]:
    """Let the gate look at one client as mirror and journal have it; return the numbers of its services."""
    book = ports.mirror.book(client)
    if book is None:
        return set()
    policy, today, info = ports.settings.policy, ports.today(), ports.mirror.last()
    memory = ClientMemory(ports.journal, today, client, [service.id for service in book.services])
    facts, services = facts_of(book, memory, complete=info is not None and info.complete)
    ledgers = Ledgers(facts, policy, today)
    decisions = [decide(one, policy, today, ledgers) for one in services]
    gate.look(facts, services, decisions, ledgers, acted_for=memory.scope.takes(book.client, book.group))
    return {str(service.id) for service in book.services}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Write after one another: a pause or a record waits for no run, and a sync's file must not be lost to it."""
    folder = -1
    with suppress(OSError):  # a folder that cannot be locked is no reason for an old file
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if folder >= 0:
            os.close(folder)


def _write(content: Mapping[str, Any], path: Path) -> None:
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise BridgeError(f"the gate file {path} could not be written: {error.strerror}") from error
