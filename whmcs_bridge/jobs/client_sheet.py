"""One client on one screen: position, invoices, services, VIP, what people recorded, what was done and when."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from whmcs_bridge.domain.book import Invoice, Service
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import InvoiceStatus, LineType
from whmcs_bridge.jobs import approvals
from whmcs_bridge.jobs.approvals import Waiting
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.explain import ClientExplanation, explain_client
from whmcs_bridge.jobs.staff import task_json
from whmcs_bridge.ports import ClientBook, Task

HISTORY = 12
"""So many lines of what was done, where nobody asks for more."""
COUNTED = (RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.ARRANGEMENT, RecordKind.RECEIPT, RecordKind.DISPUTE)
"""Kinds of which the past counts: how many there were, and how they ended."""


@dataclass(frozen=True, slots=True)
class WhmcsOverride:
    """WHMCS's own Override Auto-Suspend of one service."""

    service: ServiceId
    until: date | None
    """Day on which a step may happen again; None is never."""
    over: bool
    """The day has come: it protects from nothing any more, and still stands in WHMCS."""

    @property
    def said(self) -> str:
        """One line for people."""
        if self.until is None:
            return "without an end"
        last = self.until - timedelta(days=1)
        return f"ran out on {last}" if self.over else f"until {last}"


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """One open invoice, and what it bills."""

    invoice: Invoice
    days: int
    """Days past due; 0 or less is not yet."""
    services: tuple[ServiceId, ...]
    owner: ClientId
    """Another client than the sheet's: the service was moved."""


@dataclass(frozen=True, slots=True)
class ClientSheet:
    """All that is on the screen."""

    today: date
    explained: ClientExplanation
    membership: Membership | None
    invoices: tuple[OpenInvoice, ...]
    """Open ones, oldest due date first."""
    services_left_out: int
    """Services that were not looked at, because there are so many: none of them is in a case or owes."""
    records: tuple[Record, ...]
    """Of the client, its services and invoices, and freezes for everyone that are in force; the newest first."""
    overrides: tuple[WhmcsOverride, ...]
    waiting: tuple[Waiting, ...]
    tasks: tuple[Task, ...]
    history: tuple[Mapping[str, Any], ...]

    @property
    def book(self) -> ClientBook:
        """What the mirror has of the client."""
        return self.explained.book

    def in_force(self) -> list[Record]:
        """Records that count today, or on a day to come."""
        return [r for r in self.records if counts(r, self.today)]

    def over(self) -> list[Record]:
        """Records that do not count any more."""
        return [r for r in self.records if not counts(r, self.today)]

    def past(self) -> dict[RecordKind, Counter[RecordState]]:
        """How the records of each kind ended that do not count any more."""
        found: dict[RecordKind, Counter[RecordState]] = {}
        for record in self.over():
            if record.kind in COUNTED:
                found.setdefault(record.kind, Counter())[record.state] += 1
        return found

    def owed(self) -> tuple[Decimal, Decimal]:
        """(overdue, not yet due), over the client's own open invoices, in the client's currency."""
        own = [i for i in self.invoices if i.owner == self.book.client.id and i.invoice.status is not _PENDING]
        overdue = sum((i.invoice.balance for i in own if i.days > 0), Decimal(0))
        return overdue, sum((i.invoice.balance for i in own if i.days <= 0), Decimal(0))

    def to_json(self) -> dict[str, Any]:
        """The shape of `client show --json`; fields are added, never renamed."""
        overdue, coming = self.owed()
        vip = self.membership
        return {
            **self.explained.to_json(),
            "date": self.today.isoformat(),
            "currency": self.book.currency,
            "owed": {"overdue": str(overdue), "not_yet_due": str(coming)},
            "credit": str(self.book.credit) if self.book.credit is not None else None,
            "membership": {
                "member_since": _iso(vip.member_since),
                "removed_by_us_on": _iso(vip.removed_by_us_on),
                "set_by_hand_on": _iso(vip.set_by_hand_on),
            }
            if vip is not None
            else None,
            "services_left_out": self.services_left_out,
            "records": [record_json(record, self.today) for record in self.records],
            "records_over": {
                kind.value: {state.value: count for state, count in states.items()}
                for kind, states in self.past().items()
            },
            "whmcs_overrides": [{"service": o.service, "until": _iso(o.until), "over": o.over} for o in self.overrides],
            "waiting_for_approval": [one.to_json() for one in self.waiting],
            "tasks": [task_json(task) for task in self.tasks],
            "history": [dict(line) for line in self.history],
        }


_PENDING = InvoiceStatus.PAYMENT_PENDING


def counts(record: Record, today: date) -> bool:
    """The record is in force today, or will be; a receipt that was found true counts to its deadline."""
    if record.until is not None and record.until < today:
        return False
    return record.state in (RecordState.OPEN, RecordState.VERIFIED)


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None and day != date.min else None


def record_json(record: Record, today: date) -> dict[str, Any]:
    """Return a record for machines, with whether it counts today."""
    return {
        "number": record.id,
        "kind": record.kind.value,
        "state": record.state.value,
        "in_force": record.protects_on(today),
        "author": record.author,
        "reason": record.reason,
        "made_on": record.made_on.isoformat(),
        "since": record.since.isoformat(),
        "until": _iso(record.until),
        "closed_on": _iso(record.closed_on),
        "service": record.service_id,
        "invoice": record.invoice_id,
        "line": record.line_id,
        "amount": str(record.amount) if record.amount is not None else None,
        "sort": record.sort,
        "gateway": record.gateway,
        "against": record.against,
        "closed_by": record.closed_by,
        "closed_why": record.closed_why,
    }


def client_sheet(ports: Ports, client: ClientId, *, services: int | None = None, history: int = HISTORY) -> ClientSheet:
    """Gather everything about a client from mirror and journal; asks WHMCS nothing. Raises UnknownId.

    `services`: so many at most, those in a case or in debt first; `history`: so many lines.
    """
    journal, today = ports.journal, ports.today()
    explained = explain_client(ports, client, at_most=services)
    book = explained.book
    records = [*journal.records(client=client), *_for_everyone(ports, today)]
    tasks = [task for task in journal.tasks(today=today) if task.is_about(client=client)]
    shown = {s.facts.service.id for s in explained.services}
    return ClientSheet(
        today=today,
        explained=explained,
        membership=journal.membership(client),
        invoices=tuple(_open_invoices(book, today)),
        services_left_out=len(book.services) - len(shown),
        records=tuple(sorted(records, key=lambda r: r.id, reverse=True)),
        overrides=tuple(_overrides(book.services, today)),
        waiting=tuple(_waiting(ports, book.services)),
        tasks=tuple(tasks),
        history=tuple(journal.history(client=client, limit=history)),
    )


def _for_everyone(ports: Ports, today: date) -> Iterator[Record]:
    for record in ports.journal.records(kind=RecordKind.FREEZE, open_only=True):
        if record.client_id is None and counts(record, today):
            yield record


def _open_invoices(book: ClientBook, today: date) -> list[OpenInvoice]:
    addons = {int(addon.id): addon.service_id for addon in book.addons}
    found = []
    for invoice in book.invoices:
        billed = dict.fromkeys(
            ServiceId(line.relid) if line.type is LineType.HOSTING else addons[line.relid]
            for line in invoice.lines
            if line.type is LineType.HOSTING or (line.type is LineType.ADDON and line.relid in addons)
        )
        days = (today - invoice.due).days if invoice.due is not None else 0
        found.append(OpenInvoice(invoice, days, tuple(billed), invoice.client_id))
    return sorted(found, key=lambda one: (one.invoice.due or date.max, one.invoice.id))


def _overrides(services: Sequence[Service], today: date) -> Iterator[WhmcsOverride]:
    for service in services:
        if service.override and (service.status is None or not service.status.ended):
            until = service.override_until
            yield WhmcsOverride(service.id, until, until is not None and until <= today)


def _waiting(ports: Ports, services: Sequence[Service]) -> Iterator[Waiting]:
    noted = approvals.services_noted(ports)
    for service in services:
        if service.id in noted:
            yield from approvals.waiting_of(ports, service.id, known=True)
