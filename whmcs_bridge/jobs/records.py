"""What people told us: admitted and stored, ended by a person, found kept or broken by the runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import RecordRefused, UnknownId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import ClientMemory, Memory, facts_of
from whmcs_bridge.jobs.vip import pin_refusals
from whmcs_bridge.policy import Ledgers, view_of
from whmcs_bridge.policy import admission as admitting
from whmcs_bridge.policy import arrangements as in_parts
from whmcs_bridge.policy.admission import GIVEN_ON_WORD, Refusal
from whmcs_bridge.policy.debt import Ledger, frozen_for, last_day_to_pay
from whmcs_bridge.policy.rules import Rules
from whmcs_bridge.policy.vip import tenure_months
from whmcs_bridge.ports import ClientBook, Journal

WITH_A_REASON = frozenset(
    {
        RecordKind.PROMISE,
        RecordKind.RELEASE,
        RecordKind.ARRANGEMENT,
        RecordKind.DISPUTE,
        RecordKind.RECEIPT,
        RecordKind.HOLD,
        RecordKind.FREEZE,
    }
)
"""What people tell us; the others are signs that hooks and settings leave."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whom a record is about, as mirror and journal have it today."""

    book: ClientBook
    client: ClientFacts
    services: list[ServiceFacts]
    ledger: Ledger

    def service(self, number: ServiceId | None) -> ServiceFacts | None:
        return next((f for f in self.services if f.service.id == number), None)

    def leaving(self, number: ServiceId | None) -> bool:
        """The client has asked to cancel the service; all that live, where none is named."""
        about = [f for f in self.services if number in (None, f.service.id) and f.service.status is not None]
        living = [f for f in about if f.service.status is not None and f.service.status.living]
        return bool(living) and all(f.cancel_request is not None for f in living)


# --- admitting ----------------------------------------------------------------------------------


def add_record(ports: Ports, wanted: Record, *, override: bool = False) -> Record:
    """Judge and store a record; return it with its number. Call it under the writer's lock: what is judged must hold.

    `override`: staff goes past the rules of the house, and the record says past which. Raises RecordRefused with one
    line why not and what to do, UnknownId for a client, service or invoice that the mirror does not have.
    """
    with ports.one_day():
        wanted = replace(wanted, author=wanted.author.strip(), reason=" ".join(wanted.reason.split()))
        if wanted.kind in WITH_A_REASON and not (wanted.reason and wanted.author):
            raise RecordRefused(f"a {wanted.kind} needs a reason and somebody who gives it: say why")
        if wanted.kind is RecordKind.FREEZE and wanted.client_id is None:
            known = ports.journal.records(kind=RecordKind.FREEZE)
            return _store(ports, wanted, admitting.freeze_refusals(wanted, known, ports.today()), override=override)
        subject = _judged(ports, _subject(ports, _book_for(ports, wanted)))
        leaving = subject.leaving(wanted.service_id)
        wanted = _with_defaults(ports, replace(wanted, client_id=subject.book.client.id, leaving=leaving), subject)
        return _store(ports, wanted, _refusals(ports, wanted, subject), override=override)


def _store(ports: Ports, wanted: Record, refusals: Iterable[Refusal], *, override: bool) -> Record:
    found = list(refusals)
    cannot = next((r for r in found if not r.rule), None)
    against = cannot or (found[0] if found and not override else None)
    if against is not None:
        raise RecordRefused(against.line, rule=cannot is None)
    return ports.journal.add_record(replace(wanted, against="; ".join(r.why for r in found)))


def _book_for(ports: Ports, wanted: Record) -> ClientBook:
    mirror, client = ports.mirror, wanted.client_id
    if wanted.service_id is not None:
        what, book = f"service {wanted.service_id}", mirror.book_of_service(wanted.service_id)
    elif client is not None:
        what, book = f"client {client}", mirror.book(client)
    else:
        what = f"invoice {wanted.invoice_id}"
        owner = mirror.client_of_invoice(wanted.invoice_id) if wanted.invoice_id is not None else None
        book = mirror.book(owner) if owner is not None else None
    if book is None:
        raise UnknownId(f"{what} is not in the mirror; check the number, or run a sync first")
    if client is not None and client != book.client.id:
        raise RecordRefused(f"{what} is client {book.client.id}'s, not client {client}'s; name one of them")
    return book


def _subject(ports: Ports, book: ClientBook) -> _Subject:
    policy, today = ports.settings.policy, ports.today()
    client, services = facts_of(book, ClientMemory(ports.journal, today, book.client.id), complete=True)
    return _Subject(book, client, services, Ledgers(client, policy, today).under(Rules(**policy.defaults)))


def _judged(ports: Ports, subject: _Subject) -> _Subject:
    """Take for broken, though nothing is recorded yet, what ran out and is unpaid as far as we know.

    The next run settles it after it has read what was paid; until then nothing more is given on the same word.
    """
    today = ports.today()
    word = (r for r in subject.client.records if r.kind in GIVEN_ON_WORD and r.state is RecordState.OPEN)
    broken = {r.id: r for r in word if _verdict(ports, r, subject)[0] is RecordState.BROKEN}
    if not broken:
        return subject
    records = tuple(
        replace(r, state=RecordState.BROKEN, closed_on=today) if r.id in broken else r for r in subject.client.records
    )
    client = replace(subject.client, records=records)
    return replace(subject, client=client, services=[replace(f, client=client) for f in subject.services])


def _with_defaults(ports: Ports, wanted: Record, subject: _Subject) -> Record:
    """Fill in what the house's rules say where nobody has: last days, and what is owed."""
    policy, today = ports.settings.policy, ports.today()
    match wanted.kind:
        case RecordKind.RELEASE if wanted.until is None:
            tier = admitting.tier_for(policy.trust_release.tiers, tenure_months(subject.book.client.since, today))
            return replace(wanted, until=today + timedelta(days=tier.days if tier else 0))
        case RecordKind.RECEIPT if wanted.until is None:
            said = [
                r for r in subject.client.records if r.kind is RecordKind.RECEIPT and r.invoice_id == wanted.invoice_id
            ]
            last = admitting.receipt_until(said, policy, today)
            return replace(wanted, until=max(last, today))
        case RecordKind.PROMISE:
            hastens = policy.promises.on_broken == "terminate"
            return replace(wanted, owed=tuple(_promised(ports, wanted, subject).items()), hastens=hastens)
        case RecordKind.DISPUTE:
            asked = [(i.id, i.subtotal + i.tax) for i in subject.client.invoices if i.id == wanted.invoice_id]
            return replace(wanted, owed=tuple(asked))
        case RecordKind.ARRANGEMENT:
            until = wanted.parts[-1].on if wanted.parts else None
            owed = _to_pay_in_parts(wanted, subject)
            beside = tuple(i for i in in_parts.overdue_now(subject.ledger) if i not in owed)
            hastens = policy.promises.on_broken == "terminate"
            return replace(wanted, until=until, owed=tuple(owed.items()), beside=beside, hastens=hastens)
        case _:
            return wanted


def _promised(ports: Ports, wanted: Record, subject: _Subject) -> dict[InvoiceId, Decimal]:
    """What it is about: what is owed by its last day; where that is nothing yet, whatever is open."""
    owed = _owed(ports, subject, wanted)
    last = wanted.until or ports.today()
    clocks = {e.invoice.id: e.clock for e in subject.ledger.entries}
    by_then = {i: amount for i, amount in owed.items() if clocks.get(i, last) <= last}
    return by_then or owed


def _at_most(wanted: Record, subject: _Subject) -> Decimal:
    """What may be promised: all that its invoices owe, also for lines that bill something else."""
    whole = {e.invoice.id: e.owed for e in subject.ledger.entries}
    return sum((max(amount, whole.get(invoice, ZERO)) for invoice, amount in wanted.owed), ZERO)


def _to_pay_in_parts(wanted: Record, subject: _Subject) -> dict[InvoiceId, Decimal]:
    """What is overdue, of the service or of the client as a whole; where nothing is yet, what is open."""
    entries = [e for e in subject.ledger.entries if e.counts_for_standing]
    if wanted.service_id is not None:
        entries = [e for e in entries if any(part.service == wanted.service_id for part in e.parts)]
    overdue = [e for e in entries if e.overdue]
    return {e.invoice.id: e.invoice.balance for e in overdue or entries}


def _refusals(ports: Ports, wanted: Record, subject: _Subject) -> Iterable[Refusal]:
    policy, today, client = ports.settings.policy, ports.today(), subject.client
    if wanted.service_id is not None and subject.service(wanted.service_id) is None:
        return [Refusal(f"service {wanted.service_id} is not among the client's services; run a sync first")]
    match wanted.kind:
        case RecordKind.PROMISE:
            return admitting.promise_refusals(
                wanted,
                client,
                subject.ledger,
                policy,
                today,
                owed=_at_most(wanted, subject),
                opened={f.service.id: f.case.opened_on for f in subject.services if f.case.opened_on is not None},
            )
        case RecordKind.RELEASE:
            facts = subject.service(wanted.service_id)
            if facts is None:
                return [Refusal("a trust release is for one service: name it")]
            return admitting.release_refusals(wanted, view_of(facts, policy, today)[0], today)
        case RecordKind.ARRANGEMENT:
            return admitting.arrangement_refusals(wanted, client, policy, today)
        case RecordKind.RECEIPT:
            return admitting.receipt_refusals(wanted, client, policy, today)
        case RecordKind.DISPUTE:
            return admitting.dispute_refusals(wanted, client, today)
        case RecordKind.HOLD:
            return admitting.hold_refusals(wanted, today)
        case RecordKind.PIN:
            return pin_refusals(ports, wanted, client)
        case _:
            return ()


def _owed(ports: Ports, subject: _Subject, promise: Record) -> dict[InvoiceId, Decimal]:
    """What each open invoice owes that it is about: the one it names, the service's, or all of the client's."""
    facts = subject.service(promise.service_id)
    if facts is None:
        owed = {entry.invoice.id: entry.owed for entry in subject.ledger.entries}
    else:
        counted = view_of(facts, ports.settings.policy, ports.today())[0].counted
        debts = (*counted.coming, *counted.pending, *counted.concerning)
        owed = {debt.invoice: debt.amount.amount for debt in debts}
    if promise.invoice_id is not None:
        return {promise.invoice_id: owed[promise.invoice_id]} if promise.invoice_id in owed else {}
    return owed


# --- found kept or broken -----------------------------------------------------------------------


def settle_records(ports: Ports, memory: Memory) -> None:
    """Find out which promises were kept or broken by now, and close what has run out."""
    if _settle(ports, ports.journal.records(open_only=True), kept_only=False):
        memory.reread_records()


def settle_paid(ports: Ports, client: ClientId) -> None:
    """Find out at once which of a client's promises are kept; what is broken, the next run finds."""
    _settle(ports, ports.journal.records(client=client, open_only=True), kept_only=True)


def _settle(ports: Ports, records: Iterable[Record], *, kept_only: bool) -> bool:
    today, journal, changed = ports.today(), ports.journal, False
    subjects: dict[ClientId, _Subject | None] = {}
    for record in records:
        state: RecordState | None = None
        why = ""
        if record.kind in (*GIVEN_ON_WORD, RecordKind.RECEIPT) and record.client_id is not None:
            if record.client_id not in subjects:
                book = ports.mirror.book(record.client_id)
                subjects[record.client_id] = _subject(ports, book) if book is not None else None
            state, why = _verdict(ports, record, subjects[record.client_id])
        if state is None or (kept_only and state is not RecordState.KEPT):
            continue
        over = record.until is not None and record.until < today and record.kind is not RecordKind.ARRANGEMENT
        closed = record.until + timedelta(days=1) if over and record.until is not None else today
        changed = _close_if_open(journal, record, state, closed, why) or changed
    return changed


def _close_if_open(journal: Journal, record: Record, state: RecordState, on: date, why: str) -> bool:
    """Close what is still open: a person may have ended it since it was read, and what a person says stands."""
    with journal.recording():
        still = journal.records(client=record.client_id, kind=record.kind, open_only=True)
        if all(one.id != record.id for one in still):
            return False
        journal.close_record(record.id, state, on, why, BY_THE_BRIDGE)
    return True


BY_THE_BRIDGE = "bridge"


def _verdict(ports: Ports, record: Record, subject: _Subject | None) -> tuple[RecordState | None, str]:
    """Say what has become of a record, and why in a few words."""
    today = ports.today()
    state: RecordState | None = None
    why = ""
    if record.kind is RecordKind.PROMISE:
        state, why = _of_promise(ports, record, subject)
    elif record.kind is RecordKind.ARRANGEMENT:
        state, why = _of_arrangement(record, subject, today)
    elif record.until is not None and record.until < today:
        return RecordState.RESOLVED, f"ran out on {record.until}"
    if state is None and record.kind in GIVEN_ON_WORD and subject is not None and _leaves(subject, record):
        return RecordState.BROKEN, LEAVING
    return state, why


LEAVING = "the client asked to cancel"


def _of_promise(ports: Ports, promise: Record, subject: _Subject | None) -> tuple[RecordState | None, str]:
    today = ports.today()
    if subject is None:
        return admitting.verdict_on_promise(promise, True, today, None), "the client is not in the mirror any more"
    left = _owed(ports, subject, promise)
    until = last_day_to_pay(promise, subject.client, today)
    owes = _still_owes(ports, subject, promise)
    if promise.owed and until is not None and until < today:
        # in its end it was about what was owed when it was made; until then it holds whatever else fell due
        owes = any(left.get(i, ZERO) > 0 for i, _ in promise.owed)
    state = admitting.verdict_on_promise(replace(promise, until=until), owes, today, left)
    instead = _in_its_place(promise, subject) if state is RecordState.BROKEN else None
    if instead is not None:
        return RecordState.CANCELLED, f"arrangement {instead.id} was made in its place"
    paid = sum((max(then - left.get(i, ZERO), ZERO) for i, then in promise.owed), ZERO)
    whole = promise.amount or sum((then for _, then in promise.owed), ZERO)
    return state, f"{paid:.2f} of {whole:.2f} came by {promise.until}" if promise.owed else ""


def _in_its_place(promise: Record, subject: _Subject) -> Record | None:
    """The arrangement that was made after the promise for all that it still is about, and is not broken."""
    unpaid = {e.invoice.id for e in subject.ledger.entries} & {invoice for invoice, _ in promise.owed}
    for record in subject.client.records:
        stands = record.kind is RecordKind.ARRANGEMENT and record.state in (RecordState.OPEN, RecordState.KEPT)
        if stands and record.id > promise.id and unpaid <= {invoice for invoice, _ in record.owed}:
            return record
    return None


def _of_arrangement(record: Record, subject: _Subject | None, today: date) -> tuple[RecordState | None, str]:
    if subject is None:
        return None, ""
    client = subject.client
    left = in_parts.balances(client.invoices, client.client.id)
    frozen = frozen_for(record, client, today)
    at = in_parts.progress(record, left, in_parts.overdue_now(subject.ledger), today, frozen)
    state = in_parts.verdict(record, at)
    if state is RecordState.KEPT:
        return state, f"all parts came: {at.paid:.2f}"
    if at.missed is not None:
        return state, f"{at.missed.amount:.2f} was due on {at.missed.on} and did not come"
    return state, f"invoice {at.new_debt} became overdue" if at.new_debt is not None else ""


def _leaves(subject: _Subject, record: Record) -> bool:
    """The client asked to cancel since: a hook tells at once, and a lost hook is caught up with here.

    What is about all services is broken when the last one that lives is to go: the others are not to blame for one.
    """
    asked = any(
        record.service_id in (None, service) and request.at is not None and request.at.date() >= record.made_on
        for service, request in subject.book.cancel_requests.items()
    )
    return asked and not record.leaving and (record.service_id is not None or subject.leaving(None))


def _still_owes(ports: Ports, subject: _Subject, promise: Record) -> bool:
    """Something that is overdue, or will be by its last day, is still open; of one invoice: that one."""
    if promise.invoice_id is not None:
        return _owed(ports, subject, promise).get(promise.invoice_id, ZERO) > 0
    last = promise.until or ports.today()
    for facts in subject.services:
        if promise.service_id is not None and facts.service.id != promise.service_id:
            continue
        counted = view_of(facts, ports.settings.policy, ports.today())[0].counted
        if counted.concerning or counted.pending or any(d.clock <= last for d in counted.coming):
            return True
    return False


def end_promises(ports: Ports, service: ServiceId, why: str) -> None:
    """A cancellation request under a promise, a release or an arrangement ends it as broken."""
    book = ports.mirror.book_of_service(service)
    if book is None:
        return
    all_leave = _subject(ports, book).leaving(None)
    for record in ports.journal.records(client=book.client.id, open_only=True):
        about = record.service_id == service or (record.service_id is None and all_leave)
        if about and record.kind in GIVEN_ON_WORD and _stands(record, ports.today()):
            _close_if_open(ports.journal, record, RecordState.BROKEN, ports.today(), why)


def _stands(record: Record, today: date) -> bool:
    return in_parts.in_force(record, today) if record.kind is RecordKind.ARRANGEMENT else record.protects_on(today)


# --- ended by a person --------------------------------------------------------------------------


KINDS_THAT_LIFT: Mapping[RecordKind, bool] = {
    RecordKind.RELEASE: True,
    RecordKind.DISPUTE: True,
    RecordKind.PIN: True,
}
"""Records that may bring a suspended service back, or make a client a VIP, at once."""

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

LATER_FORGED = frozenset({RecordState.VERIFIED, RecordState.REJECTED, RecordState.RESOLVED})
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
    late = kind is RecordKind.RECEIPT and state is RecordState.FORGED and found.state in LATER_FORGED
    if found.state is not RecordState.OPEN and not late:
        raise RecordRefused(f"{kind} {number} is {found.state} since {found.closed_on}: there is nothing to end")
    ports.journal.close_record(number, state, ports.today(), reason, author)
    return find_record(ports.journal, number, kind)
