"""Promises, releases, disputes, receipts, holds, freezes: admitted, settled, closed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import RecordRefused, UnknownId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.policy import Ledgers, view_of
from whmcs_bridge.policy.admission import (
    promise_refusal,
    receipt_refusal,
    release_refusal,
    tier_for,
    verdict_on_promise,
)
from whmcs_bridge.policy.debt import Ledger
from whmcs_bridge.policy.rules import Rules
from whmcs_bridge.policy.vip import tenure_months
from whmcs_bridge.ports import ClientBook, Journal


def add_record(ports: Ports, wanted: Record, *, override: bool = False) -> Record:
    """Judge and store a record; return it with its number. `override`: staff takes it on itself, with a reason.

    Raises RecordRefused with one line why not, UnknownId for a client or service that the mirror does not have.
    """
    if wanted.kind is RecordKind.FREEZE and wanted.client_id is None:
        return ports.journal.add_record(wanted)
    memory = Memory(ports.journal, ports.today())
    book = _book_for(ports, wanted)
    wanted = replace(wanted, client_id=book.client.id)
    wanted = _with_defaults(ports, wanted, book, memory)
    if not override:
        refusal = _refusal(ports, wanted, book, memory)
        if refusal:
            raise RecordRefused(refusal)
    if wanted.kind is RecordKind.PROMISE:
        wanted = replace(wanted, owed=tuple(_owed(ports, book, memory, wanted).items()))
    return ports.journal.add_record(wanted)


def _book_for(ports: Ports, wanted: Record) -> ClientBook:
    book = None
    if wanted.service_id is not None:
        book = ports.mirror.book_of_service(wanted.service_id)
    elif wanted.client_id is not None:
        book = ports.mirror.book(wanted.client_id)
    if book is None:
        what = f"service {wanted.service_id}" if wanted.service_id is not None else f"client {wanted.client_id}"
        raise UnknownId(f"{what} is not in the mirror; check the number, or run a sync first")
    return book


def _with_defaults(ports: Ports, wanted: Record, book: ClientBook, memory: Memory) -> Record:
    policy, today = ports.settings.policy, ports.today()
    if wanted.until is not None:
        return wanted
    if wanted.kind is RecordKind.RELEASE:
        tier = tier_for(policy.trust_release.tiers, tenure_months(book.client.since, today))
        return replace(wanted, until=today + timedelta(days=tier.days if tier else 0))
    if wanted.kind is RecordKind.RECEIPT:
        return replace(wanted, until=policy.calendar.add_bank_days(today, policy.receipts.hold_bank_days))
    return wanted


def _refusal(ports: Ports, wanted: Record, book: ClientBook, memory: Memory) -> str:
    policy, today = ports.settings.policy, ports.today()
    client, services = facts_of(book, memory, complete=True)
    match wanted.kind:
        case RecordKind.PROMISE:
            return promise_refusal(wanted, client, _ledger(ports, services, wanted), policy, today)
        case RecordKind.RELEASE:
            facts = next((f for f in services if f.service.id == wanted.service_id), None)
            if facts is None:
                return "a trust release is for one service"
            return release_refusal(wanted, view_of(facts, policy, today)[0], today)
        case RecordKind.RECEIPT:
            return receipt_refusal(wanted, client)
        case _:
            return ""


def _ledger(ports: Ports, services: list[ServiceFacts], wanted: Record) -> Ledger:
    policy, today = ports.settings.policy, ports.today()
    facts = next((f for f in services if f.service.id == wanted.service_id), None)
    if facts is not None:
        return view_of(facts, policy, today)[0].ledger
    if services:
        return Ledgers(services[0].client, policy, today).under(Rules(**policy.defaults))
    raise RecordRefused("the client has no services")


def settle_records(ports: Ports, memory: Memory) -> None:
    """Find out which promises were kept or broken by now, and close what has run out."""
    today, journal = ports.today(), ports.journal
    changed: set[ClientId] = set()
    for record in journal.records(open_only=True):
        state: RecordState | None = None
        if record.kind is RecordKind.PROMISE and record.client_id is not None:
            book = ports.mirror.book(record.client_id)
            left = _owed(ports, book, memory, record) if book is not None else None
            state = verdict_on_promise(record, _still_owes(ports, memory, record), today, left)
        elif record.kind in (RecordKind.RELEASE, RecordKind.RECEIPT) and record.until is not None:
            state = RecordState.RESOLVED if record.until < today else None
        if record.kind in (RecordKind.PROMISE, RecordKind.RELEASE) and state is None and _leaves(ports, record):
            state = RecordState.BROKEN
        if state is not None:
            closed = record.until + timedelta(days=1) if record.until is not None and record.until < today else today
            journal.close_record(record.id, state, closed)
            if record.client_id is not None:
                changed.add(record.client_id)
    if changed:
        memory.reread_records()


def _leaves(ports: Ports, record: Record) -> bool:
    """The client asked to cancel since: a hook tells at once, and a lost hook is caught up with here."""
    book = ports.mirror.book(record.client_id) if record.client_id is not None else None
    if book is None:
        return False
    return any(
        record.service_id in (None, service) and request.at is not None and request.at.date() >= record.made_on
        for service, request in book.cancel_requests.items()
    )


def _still_owes(ports: Ports, memory: Memory, promise: Record) -> bool:
    """Something overdue that the promise is about is still open."""
    assert promise.client_id is not None
    book = ports.mirror.book(promise.client_id)
    if book is None:
        return True
    _, services = facts_of(book, memory, complete=True)
    for facts in services:
        if promise.service_id is not None and facts.service.id != promise.service_id:
            continue
        counted = view_of(facts, ports.settings.policy, ports.today())[0].counted
        last = promise.until or ports.today()
        if counted.concerning or counted.pending or any(d.clock <= last for d in counted.coming):
            return True
    return False


def _owed(ports: Ports, book: ClientBook, memory: Memory, promise: Record) -> dict[InvoiceId, Decimal]:
    """What each open invoice owes that the promise is about: the service's, or all of the client's."""
    policy, today = ports.settings.policy, ports.today()
    client, services = facts_of(book, memory, complete=True)
    facts = next((f for f in services if f.service.id == promise.service_id), None)
    if facts is None:
        entries = Ledgers(client, policy, today).under(Rules(**policy.defaults)).entries
        return {entry.invoice.id: entry.owed for entry in entries}
    counted = view_of(facts, policy, today)[0].counted
    return {debt.invoice: debt.amount.amount for debt in (*counted.coming, *counted.pending, *counted.concerning)}


def end_promises(ports: Ports, service: ServiceId, why: str) -> None:
    """A cancellation request under a promise or release ends it as broken."""
    book = ports.mirror.book_of_service(service)
    if book is None:
        return
    for record in ports.journal.records(client=book.client.id, open_only=True):
        about = record.service_id in (None, service)
        if about and record.kind in (RecordKind.PROMISE, RecordKind.RELEASE) and record.protects_on(ports.today()):
            ports.journal.close_record(record.id, RecordState.BROKEN, ports.today(), why)


KINDS_THAT_LIFT: Mapping[RecordKind, bool] = {RecordKind.RELEASE: True, RecordKind.DISPUTE: True}
"""Records that may bring a suspended service back at once."""

WAYS_TO_END: Mapping[RecordKind, frozenset[RecordState]] = {
    RecordKind.PROMISE: frozenset({RecordState.CANCELLED}),
    RecordKind.RELEASE: frozenset({RecordState.CANCELLED}),
    RecordKind.ARRANGEMENT: frozenset({RecordState.CANCELLED}),
    RecordKind.DISPUTE: frozenset({RecordState.UPHELD, RecordState.RESOLVED, RecordState.CANCELLED}),
    RecordKind.RECEIPT: frozenset({RecordState.VERIFIED, RecordState.REJECTED, RecordState.FORGED}),
    RecordKind.HOLD: frozenset({RecordState.LIFTED}),
    RecordKind.FREEZE: frozenset({RecordState.LIFTED}),
    RecordKind.PIN: frozenset({RecordState.LIFTED, RecordState.CANCELLED}),
    RecordKind.ATTESTED: frozenset({RecordState.CANCELLED}),
}
"""How a person may end a record of each kind; whether a promise was kept, the runs find out."""

_LATER_FORGED = frozenset({RecordState.VERIFIED, RecordState.REJECTED, RecordState.RESOLVED})
"""Receipts that are closed and may still turn out to be forged."""


def find_record(journal: Journal, number: int, kind: RecordKind) -> Record:
    """Return a record by its number; raises UnknownId where there is none of this kind."""
    found = next((r for r in journal.records() if r.id == number), None)
    if found is None:
        raise UnknownId(f"no {kind} {number}; see: whmcs-bridge {kind} list")
    if found.kind is not kind:
        raise UnknownId(f"{number} is a {found.kind}, no {kind}; see: whmcs-bridge {kind} list")
    return found


def end_record(
    ports: Ports, number: int, kind: RecordKind, state: RecordState, *, author: str, reason: str = ""
) -> Record:
    """Close a record today as a person says; raises UnknownId, RecordRefused."""
    found = find_record(ports.journal, number, kind)
    if state not in WAYS_TO_END.get(kind, frozenset()):
        raise RecordRefused(f"a {kind} cannot be {state} by hand")
    late = kind is RecordKind.RECEIPT and state is RecordState.FORGED and found.state in _LATER_FORGED
    if found.state is not RecordState.OPEN and not late:
        raise RecordRefused(f"{kind} {number} is {found.state} since {found.closed_on}: there is nothing to end")
    ports.journal.close_record(number, state, ports.today(), reason, author)
    return find_record(ports.journal, number, kind)
