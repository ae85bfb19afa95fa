"""What staff may offer for a service today, or why not and from which day: the rules that a record is judged by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy import View, view_of
from whmcs_bridge.policy.admission import promise_refusal, receipt_refusal, receipt_until, release_refusal, tier_for
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.policy.vip import tenure_months

LOOKS_AHEAD_DAYS = 400
"""Longer than any cool-down and than the months of a tier are apart."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of record, judged for today."""

    kind: RecordKind
    why_not: str = ""
    """"" is: it may be offered."""
    until: date | None = None
    """Its last day at the most."""
    opens: date | None = None
    """Refused today: the first day on which it may be offered, if only the date changes; None is not to be foreseen."""
    invoices: tuple[InvoiceId, ...] = ()
    """receipt: the invoices for which one may be taken."""


def offers(facts: ServiceFacts, policy: Policy, today: date) -> tuple[Offer, ...]:
    """Judge a promise, a trust release and a receipt for this service."""
    view, _ = view_of(facts, policy, today)
    return _promise(view, policy, today), _release(view, policy, today), _receipt(view, policy, today)


def _wanted(kind: RecordKind, view: View, day: date, until: date | None, invoice: InvoiceId | None = None) -> Record:
    return Record(
        0,
        kind,
        RecordState.OPEN,
        "",
        "",
        day,
        day,
        until,
        client_id=view.service.client_id,
        service_id=view.service.id,
        invoice_id=invoice,
    )


def _opens(refusal: Callable[[date], str], today: date) -> date | None:
    for days in range(1, LOOKS_AHEAD_DAYS + 1):
        day = today + timedelta(days=days)
        if not refusal(day):
            return day
    return None


def _promise(view: View, policy: Policy, today: date) -> Offer:
    def refusal(day: date, length: int = 0) -> str:
        wanted = _wanted(RecordKind.PROMISE, view, day, day + timedelta(days=length))
        return promise_refusal(wanted, view.facts.client, view.ledger, policy, day)

    why_not = refusal(today)
    if why_not:
        return Offer(RecordKind.PROMISE, why_not, opens=_opens(refusal, today) if view.ledger.entries else None)
    longest = next(n for n in range(policy.promises.max_days, -1, -1) if not refusal(today, n))
    return Offer(RecordKind.PROMISE, until=today + timedelta(days=longest))


def _release(view: View, policy: Policy, today: date) -> Offer:
    def refusal(day: date) -> str:
        return release_refusal(_wanted(RecordKind.RELEASE, view, day, None), view, day)

    why_not = refusal(today)
    if why_not:
        return Offer(RecordKind.RELEASE, why_not, opens=_opens(refusal, today))
    tier = tier_for(policy.trust_release.tiers, tenure_months(view.facts.client.client.since, today))
    return Offer(RecordKind.RELEASE, until=today + timedelta(days=tier.days if tier is not None else 0))


def _receipt(view: View, policy: Policy, today: date) -> Offer:
    rules, client = policy.receipts, view.facts.client
    if not view.ledger.entries:
        return Offer(RecordKind.RECEIPT, "no invoice is open that counts")
    why_not, taken = "", []
    for entry in view.ledger.entries:
        invoice = entry.invoice
        if rules.accept.get(invoice.gateway, rules.accept_default) != "hold":
            why_not = why_not or f"payments by {invoice.gateway} are booked at once ([receipts] accept)"
            continue
        refused = receipt_refusal(_wanted(RecordKind.RECEIPT, view, today, None, invoice.id), client, policy, today)
        if refused:
            why_not = refused
        else:
            taken.append(invoice.id)
    if not taken:
        return Offer(RecordKind.RECEIPT, why_not)
    said = [r for r in client.records if r.kind is RecordKind.RECEIPT and r.invoice_id in taken]
    until = receipt_until(said, policy, today)
    return Offer(RecordKind.RECEIPT, until=until, invoices=tuple(taken))
