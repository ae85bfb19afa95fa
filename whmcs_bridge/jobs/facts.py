"""Mirror and journal -> facts: one client's book joined with what we remember and what people told us."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Final

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.deletions import Waiting
from whmcs_bridge.domain.facts import ClientFacts, Membership, ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import LineType
from whmcs_bridge.jobs.backup_waits import waits
from whmcs_bridge.jobs.requests import refused_ends
from whmcs_bridge.jobs.scope import scope_of
from whmcs_bridge.jobs.silence import silent_gateways
from whmcs_bridge.policy.by_hand import is_by_hand
from whmcs_bridge.ports import ClientBook, Journal

NO_MEMBERSHIP = Membership()


class Memory:
    """The journal's side of the facts, read once a run; `refresh` reads one client's part again."""

    _waits: Mapping[ServiceId, Waiting] | None = None

    def __init__(self, journal: Journal, today: date) -> None:
        self.journal, self.today = journal, today
        self.cases: dict[ServiceId, Case] = journal.cases()
        self.memberships: dict[ClientId, Membership] = journal.memberships()
        self.approvals: Mapping[ServiceId, frozenset[str]] = journal.approvals()
        self.acted: set[ServiceId] = journal.acted_on(today)
        self.refused_ends = refused_ends(journal)
        self.scope = scope_of(journal)
        self.silent_gateways: Mapping[str, date] = silent_gateways(journal)
        self._for_all: list[Record] = []
        self._records: dict[ClientId, list[Record]] = {}
        self.reread_records()

    def reread_records(self) -> None:
        """Read what people told us again: a run closes promises before it plans."""
        self._for_all, records = [], defaultdict(list)
        for record in self.journal.records():
            if record.client_id is None:
                self._for_all.append(record)
            else:
                records[record.client_id].append(record)
        self._records = dict(records)

    def refresh(self, client: ClientId) -> None:
        """Read again what people told us about one client: a hold may have come since the plan was made."""
        self._records[client] = self.journal.records(client=client)
        self._for_all = _for_all(self.journal)

    def records_of(self, client: ClientId) -> tuple[Record, ...]:
        """Records of the client, and those for everyone."""
        own = self._records.get(client)
        if own is None:
            return tuple(self._for_all) if self._for_all else ()
        return (*own, *self._for_all)

    @property
    def waits(self) -> Mapping[ServiceId, Waiting]:
        """Why deletions of backups cannot go on, by service; read when an ended service first asks."""
        if self._waits is None:
            self._waits = waits(self.journal, self.today)
        return self._waits

    def forget_waits(self) -> None:
        """Read them again: a plan has moved on."""
        self._waits = None

    def clients_with_records(self) -> set[ClientId]:
        return {c for c, records in self._records.items() if records}

    def case(self, service: ServiceId) -> Case:
        return self.cases.get(service) or Case(service)

    def membership(self, client: ClientId) -> Membership:
        return self.memberships.get(client, NO_MEMBERSHIP)

    def keep_membership(self, client: ClientId, membership: Membership) -> None:
        """Remember a membership here and in the journal."""
        membership = replace(membership, merged_since=self.membership(client).merged_since)
        self.memberships[client] = membership
        self.journal.save_membership(client, membership)

    def forget_old_approvals(self) -> None:
        """An approval is for the case it was given in: what was paid since needs a new one."""
        kept = dict(self.approvals)
        for service, kinds in self.approvals.items():
            case = self.cases.get(service)
            if case is None or case.opened_on is not None or case.ended_on is not None:
                continue
            by_hand = frozenset(kind for kind in kinds if is_by_hand(kind))  # these end with their proposal
            for kind in kinds - by_hand:
                self.journal.drop_approval(service, kind)
            kept[service] = by_hand
        self.approvals = kept

    def keep(self, case: Case) -> None:
        """Remember a changed case here and in the journal."""
        self.cases[case.service_id] = case
        self.journal.save_cases((case,))


def _for_all(journal: Journal) -> list[Record]:
    return [record for record in journal.records(kind=RecordKind.FREEZE) if record.client_id is None]


class ClientMemory(Memory):
    """The journal's side of one client, read as it is asked for: a hook is about one among a hundred thousand."""

    def __init__(self, journal: Journal, today: date, client: ClientId, services: Collection[ServiceId] = ()) -> None:
        """`services`: those whose cases will be asked for; the others' are read when they are."""
        self.journal, self.today = journal, today
        own, membership, cases = journal.kept_of(client, services)
        self.cases = {service: cases.get(service) or Case(service) for service in services}
        self.memberships = {client: membership or NO_MEMBERSHIP}
        self.approvals = journal.approvals()
        self.acted = journal.acted_on(today)
        self.refused_ends = refused_ends(journal)
        self.scope = scope_of(journal)
        self.silent_gateways = silent_gateways(journal)
        self._for_all, self._records = _for_all(journal), {client: own}

    def case(self, service: ServiceId) -> Case:
        if service not in self.cases:
            found = self.journal.cases([service])
            self.cases[service] = found.get(service) or Case(service)
        return self.cases[service]

    def membership(self, client: ClientId) -> Membership:
        if client not in self.memberships:
            self.memberships[client] = self.journal.membership(client) or NO_MEMBERSHIP
        return self.memberships[client]


def client_facts(book: ClientBook, memory: Memory) -> ClientFacts:
    """Join one client's book with what was recorded about it."""
    services = {s.id: s for s in book.services}
    foreign: frozenset[ServiceId] = frozenset()
    if any(i.client_id != book.client.id for i in book.invoices):
        foreign = frozenset(
            ServiceId(line.relid)
            for invoice in book.invoices
            if invoice.client_id != book.client.id
            for line in invoice.lines
            if line.type is LineType.HOSTING and line.relid in services
        )
    return ClientFacts(
        client=book.client,
        group=book.group,
        currency=book.currency,
        services=services,
        addons={a.id: a for a in book.addons},
        invoices=book.invoices,
        created_on=book.created_on,
        pending_since=book.pending_since,
        cancelled=book.cancelled,
        history=book.history,
        records=memory.records_of(book.client.id),
        membership=memory.membership(book.client.id),
        credit=book.credit if book.credit_read_on == memory.today else None,
        foreign_owner=foreign,
        silent_gateways=memory.silent_gateways,
    )


def facts_of(book: ClientBook, memory: Memory, *, complete: bool) -> tuple[ClientFacts, list[ServiceFacts]]:
    """Return the client's facts and those of each of its services."""
    client, whole = client_facts(book, memory), complete and not book.unread
    return client, [_service_facts(service, book, client, memory, complete=whole) for service in book.services]


def facts_of_service(book: ClientBook, memory: Memory, service: ServiceId, *, complete: bool) -> ServiceFacts:
    """Return the facts of one of the book's services."""
    found = next(s for s in book.services if s.id == service)
    return _service_facts(found, book, client_facts(book, memory), memory, complete=complete and not book.unread)


_NOTHING_APPROVED: Final[frozenset[str]] = frozenset()


def _service_facts(
    service: Service, book: ClientBook, client: ClientFacts, memory: Memory, *, complete: bool
) -> ServiceFacts:
    return ServiceFacts(
        service=service,
        product=book.products.get(service.product_id),
        client=client,
        case=memory.case(service.id),
        cancel_request=book.cancel_requests.get(service.id),
        approved=memory.approvals.get(service.id, _NOTHING_APPROVED),
        ended_seen=book.ended_seen.get(service.id),
        missing=service.id in book.missing,
        as_of=book.as_of,
        complete=complete,
        acted_today=service.id in memory.acted,
        deletion=memory.waits.get(service.id) if service.status is not None and service.status.ended else None,
        end_refused=service.id in memory.refused_ends,
    )
