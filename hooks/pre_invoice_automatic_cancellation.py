"""PreInvoiceAutomaticCancellation: a cancellation request is no way out of debt."""

from hooks.about import client_of, invoice_of
from hooks.answering import answer
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer, HookEvent


def handle(event: HookEvent, bridge: Bridge) -> Answer:
    """Refuse for an overdue invoice that counts as debt; what is not due yet may go."""
    if event.by_person:
        return Answer(False, "a person's act")
    invoice = invoice_of(event)
    client = event.told.client if event.told is not None else client_of(event, bridge)
    if invoice is None or client is None:
        return Answer(False, "names no invoice that we know")
    verdict = bridge.may_cancel(client, invoice, event.told)
    return answer(bridge, verdict.allowed, verdict.why, advisory=verdict.advisory)
