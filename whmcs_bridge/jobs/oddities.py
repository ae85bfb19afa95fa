"""What a book of many years holds that somebody should know before the rules are switched on."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from whmcs_bridge.domain.book import CancelRequest, Service
from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.status import ClientStatus, ServiceStatus
from whmcs_bridge.jobs.findings import Oddity, Subject
from whmcs_bridge.policy import View
from whmcs_bridge.policy.debt import SPECIAL
from whmcs_bridge.policy.stages import request_is_due
from whmcs_bridge.policy.vip import CYCLE_MONTHS, months_before
from whmcs_bridge.ports import ClientBook

EXAMPLES = 50
"""So many are kept by name."""
LAG_DAYS = 3
REQUEST_SLACK_DAYS = 7
"""A cancellation request is forgotten when it was due so many days ago."""

KINDS: Mapping[str, tuple[str, str]] = {
    "moved": (
        "services billed by an open invoice of another client",
        "move or cancel the old owner's invoice; until then nothing is done to them",
    ),
    "unlisted-group": (
        "clients in a group that WHMCS does not list",
        "put them into a group that exists; until then nobody of them is taken down",
    ),
    "no-product": (
        "living services of a product that WHMCS does not list",
        "give them a product that exists; without it no class may take them",
    ),
    "exempt-debt": (
        "services in debt whose client group is exempt in WHMCS",
        "take the client out of the group, or settle the debt: nothing is done to them",
    ),
    "override": (
        "services in debt with Override Auto-Suspend on, without an end or until a day to come",
        "check each: as long as it stands nothing is done to them",
    ),
    "special": (
        "clients with an open invoice that can suspend nothing: an order for funds, no due date, nothing known billed",
        "collect or cancel it by hand",
    ),
    "old-debt": (
        "clients who still owe for services that have ended",
        "collect it or write it off; it holds back no release unless old_debt says so",
    ),
    "lagging": (
        "active services whose next due date is past although nothing for them is overdue",
        "correct the date, or bill it: WHMCS's own cron suspends by that date, our rules never do",
    ),
    "request": (
        "living services that were asked to end, and whose day for that is past",
        "carry the request out in WHMCS, or delete it",
    ),
    "closed": (
        "active services of clients who are Closed or Inactive",
        "end them or open the client again; the rules treat them like any other",
    ),
    "no-module": (
        "services in debt whose product has no module",
        "give the product its module: a suspension sets the status only, and staff gets a task",
    ),
    "unknown-status": ("services in a status that we do not know", "check them in WHMCS; nothing is done to them"),
    "missing": ("services that WHMCS's list does not have any more", "check whether they were deleted in WHMCS"),
    "unread": ("clients with an open invoice that could not be read", "run it again; until then nobody is harmed"),
}
"""Code -> (what there is, what to do), the most important first."""


class Oddities:
    """Counts each kind of KINDS, with the first examples."""

    def __init__(self, today: date) -> None:
        self.today = today
        self._found = {code: Oddity(code, text, todo) for code, (text, todo) in KINDS.items()}

    def found(self) -> list[Oddity]:
        """Return what there is at least one of."""
        return [oddity for oddity in self._found.values() if oddity.count]

    def see_client(self, book: ClientBook, facts: ClientFacts) -> None:
        """Look at one client."""
        about = Subject(facts.client.id, facts.client.name)
        if facts.client.group_id and facts.group is None and any(_lives(s) for s in book.services):
            self._see("unlisted-group", about)
        if book.unread:
            self._see("unread", about)
        closed = facts.client.status in (ClientStatus.CLOSED, ClientStatus.INACTIVE)
        for service in book.services:
            if service.status is None:
                self._see("unknown-status", subject_of(facts, service))
            elif not _lives(service):
                continue
            if not book.invoices and self._lags(service, book):
                self._see("lagging", subject_of(facts, service))
            if closed and service.status is ServiceStatus.ACTIVE:
                self._see("closed", subject_of(facts, service))
            if service.product_id not in book.products:
                self._see("no-product", subject_of(facts, service))
        for number in (*book.missing, *facts.foreign_owner):
            found = facts.services.get(number)
            if found is not None and _lives(found):
                self._see("missing" if number in book.missing else "moved", subject_of(facts, found))

    def _lags(self, service: Service, book: ClientBook) -> bool:
        """WHMCS has had time to bill what was due so long ago; who asked for an end is not billed any more."""
        return (
            service.status is ServiceStatus.ACTIVE
            and service.next_due is not None
            and service.next_due + timedelta(days=LAG_DAYS) < self.today
            and service.amount > 0
            and service.billing_cycle.strip().casefold() in CYCLE_MONTHS
            and service.id not in book.cancel_requests
        )

    def see_service(self, view: View, book: ClientBook) -> None:
        """Look at a living service whose client has an open invoice, or that has a cancellation request."""
        facts = view.facts
        for code in self._of_service(facts, view):
            self._see(code, subject_of(facts.client, facts.service))
        owes = view.counted.concerning or view.counted.pending
        if book.invoices and not owes and self._lags(facts.service, book):
            self._see("lagging", subject_of(facts.client, facts.service))

    def see_debt(self, view: View) -> None:
        """Look once at a client's open invoices, as one of its services sees them."""
        client = view.facts.client
        about = Subject(client.client.id, client.client.name)
        if any(why in SPECIAL for _, why in view.ledger.left_out):
            self._see("special", about)
        if view.counted.old:
            self._see("old-debt", about)

    def _of_service(self, facts: ServiceFacts, view: View) -> Iterator[str]:
        service = facts.service
        if view.counted.concerning:
            if facts.client.group is not None and facts.client.group.exempt:
                yield "exempt-debt"
            if service.override and (service.override_until is None or service.override_until > self.today):
                yield "override"
            if facts.product is not None and not facts.product.module:
                yield "no-module"
        if facts.cancel_request is not None and self._forgotten(
            facts.cancel_request, service, due=request_is_due(view)
        ):
            yield "request"

    def _forgotten(self, request: CancelRequest, service: Service, *, due: bool) -> bool:
        """The day on which it should have been carried out is past: a new period has begun since it was made."""
        if request.at is None:
            return due
        asked = request.at.date()
        months = CYCLE_MONTHS.get(service.billing_cycle.strip().casefold())
        if service.next_due is not None and months is not None and asked < months_before(service.next_due, months):
            return True
        return due and asked + timedelta(days=REQUEST_SLACK_DAYS) < self.today

    def _see(self, code: str, subject: Subject) -> None:
        oddity = self._found[code]
        oddity.count += 1
        if len(oddity.examples) < EXAMPLES:
            oddity.examples.append(subject)


def _lives(service: Service) -> bool:
    return service.status is not None and service.status.living


def subject_of(facts: ClientFacts, service: Service) -> Subject:
    """Return the service with the words by which people know it."""
    return Subject(service.client_id, facts.client.name, service.id, service.domain or service.name)
