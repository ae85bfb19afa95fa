"""Whom a hook event is about: its client, its service, its invoice, from its variables or by reading."""

from collections.abc import Mapping

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.errors import BridgeError, NotFound
from whmcs_bridge.hookpoints import HookEvent


def client_of(event: HookEvent, bridge: Bridge) -> ClientId | None:
    """Return the client, in this order: named, read by the shim, of the service, of the invoice (read live).

    None where the event names nobody that we know: the sync makes it true. Raises WhmcsError where WHMCS does not let
    the invoice be read.
    """
    named = event.number("userid", "clientId", "client_id", "toUserID") or _fact(event.facts, "client")
    if named:
        return ClientId(named)
    service = service_of(event)
    book = bridge.mirror.book_of_service(service) if service else None
    if book is not None:
        return book.client.id
    invoice = invoice_of(event)
    for _, found in bridge.panel.invoices([invoice]) if invoice else ():
        if isinstance(found, BridgeError) and not isinstance(found, NotFound):
            raise found  # read again later: whose payment it is cannot be left open
        if not isinstance(found, BridgeError):
            return found.client_id
    return None


def service_of(event: HookEvent) -> ServiceId | None:
    """Return the service; module hooks name it in `params` (facts sheet 11.2), a cancellation request as `relid`."""
    names = ("serviceid", "relid") if event.point == "CancellationRequest" else ("serviceid",)
    found = event.number(*names)
    return ServiceId(found) if found else None


def addon_of(event: HookEvent) -> int:
    """Return the number of the addon that a module hook is about, 0 for the service itself (facts sheet 11.2)."""
    return event.number("addonId")


def invoice_of(event: HookEvent) -> InvoiceId | None:
    """Return the invoice; AddTransaction spells it `invocieid` (facts sheet 11.3)."""
    found = event.number("invoiceid", "invocieid")
    return InvoiceId(found) if found else None


def paying(event: HookEvent) -> InvoiceId | None:
    """Return the invoice that is being paid right now, as far as the shim knows."""
    found = _fact(event.facts, "paying")
    return InvoiceId(found) if found else None


def who(event: HookEvent) -> str:
    """Return who acts, for records."""
    return event.who or ("staff" if event.by_person else event.actor)


def _fact(facts: Mapping[str, object], name: str) -> int:
    text = str(facts.get(name, ""))
    return int(text) if text.isascii() and text.isdigit() else 0
