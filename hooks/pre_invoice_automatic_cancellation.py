"""PreInvoiceAutomaticCancellation: a cancellation request is no way out of debt."""

from hooks.about import client_of, invoice_of
from hooks.answering import answer
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer, HookEvent


def handle(event: HookEvent, bridge: Bridge) -> Answer:
    """Refuse for an overdue invoice that counts as debt; what is not due yet may go."""
    invoice, client = invoice_of(event), client_of(event, bridge)
    if invoice is None or client is None or event.by_person:
        return Answer(False, "a person's act" if event.by_person else "names no invoice that we know")
    for explained in bridge.explain_client(client).services:
        decision = explained.decision
        if any(debt.invoice == invoice for debt in (*decision.debts, *decision.holding)):
            why = f"invoice {invoice} is overdue: it stays open"
            return answer(bridge, False, why, advisory=not bridge.acts_for(client))
    return Answer(False, "not overdue")
