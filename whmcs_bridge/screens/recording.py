"""What staff writes into the form on the services tab: recorded under the rules, with the admin's name, or refused."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import BridgeError, Locked, UsageProblem
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.policy import view_of
from whmcs_bridge.ports import ClientBook
from whmcs_bridge.screens.later import look_again_soon
from whmcs_bridge.screens.staff import record_said

PREFIX: Final = "whmcs_bridge_"
KINDS: Final = (RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.RECEIPT, RecordKind.HOLD)
"""All of them hold something back or lift it: nothing harmful can be asked for here."""
LONGEST_REASON: Final = 300
HIGHEST_AMOUNT: Final = Decimal(10**12)


def save(bridge: Bridge, event: HookEvent, fields: Mapping[str, object]) -> dict[str, Any]:
    """Record what the form says; the message tells what became of it. {} where the form was left empty.

    A service that it lifts comes back by way of the inbox: WHMCS does not wait for the module here.
    """
    given = {name.removeprefix(PREFIX): str(value).strip() for name, value in fields.items() if name.startswith(PREFIX)}
    if not any(given.values()):
        return {}
    try:
        return {"message": _recorded(bridge, event, given)}
    except Locked:
        return {"message": "not recorded: others are writing; save it again"}
    except BridgeError as refused:
        return {"message": f"not recorded: {refused}"}


def _recorded(bridge: Bridge, event: HookEvent, given: Mapping[str, str]) -> str:
    if not event.by_person:
        raise UsageProblem("only an administrator may record something here")
    number = ServiceId(event.number("id", "serviceid"))
    book = bridge.mirror.book_of_service(number)
    if book is None:
        raise UsageProblem(f"the bridge does not know service {number} yet; it will after the next sync")
    wanted = _read(bridge, event, given, book, number)
    noting = bridge.noting()
    kept = noting.record(wanted)
    for client in noting.noted:
        look_again_soon(bridge, number, client, Actor.ADMIN, event.who)
    said = f"recorded: {record_said(kept)}"
    if not bridge.settings.enforcing:
        return f"{said}. Shadow mode: it is kept, and nothing is done"
    if not bridge.acts_for(book.client.id):
        return f"{said}. The bridge does not act for this client yet: it is kept, and nothing is done"
    return (
        f"{said}. The service comes back shortly, with the next sync at the latest"
        if kept.kind is RecordKind.RELEASE
        else said
    )


# --- the form ---------------------------------------------------------------------------------------


def _read(bridge: Bridge, event: HookEvent, given: Mapping[str, str], book: ClientBook, service: ServiceId) -> Record:
    kind = _kind(given.get("record", ""))
    reason = " ".join(given.get("reason", "").split())[:LONGEST_REASON]
    until, amount = _day(given.get("until", "")), _amount(given.get("amount", ""))
    today = bridge.today()
    if not reason:
        raise UsageProblem("say why, or what the client said")
    if kind in (RecordKind.PROMISE, RecordKind.HOLD) and until is None:
        raise UsageProblem(f"a {kind.value} needs its last day")
    if until is not None and until < today:
        raise UsageProblem(f"{until} is past")
    if amount is not None and kind is not RecordKind.PROMISE:
        raise UsageProblem(f"a {kind.value} has no amount")
    return Record(
        0,
        kind,
        RecordState.OPEN,
        author(event),
        reason,
        today,
        today,
        until,
        client_id=book.client.id,
        service_id=service,
        invoice_id=_invoice(bridge, given.get("invoice", ""), book, service) if kind is RecordKind.RECEIPT else None,
        amount=amount,
        sort={RecordKind.HOLD: "other", RecordKind.RECEIPT: "client"}.get(kind, ""),
    )


def author(event: HookEvent) -> str:
    """Name the administrator; WHMCS tells a number."""
    who = event.who.strip()
    return f"admin {who}" if who.isdigit() else who or "staff"


def _kind(text: str) -> RecordKind:
    for kind in KINDS:
        if kind.value == text:
            return kind
    raise UsageProblem(f"choose what to record: {', '.join(KINDS)}")


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"{text[:20]!r} is no day; write it as 2025-12-31") from None


def _amount(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 < amount < HIGHEST_AMOUNT or amount != amount.quantize(Decimal("0.01")):
        raise UsageProblem(f"{text[:20]!r} is no amount; write it as 1234.50")
    return amount


def _invoice(bridge: Bridge, text: str, book: ClientBook, service: ServiceId) -> InvoiceId:
    """The invoice that is said to be paid: the one named, or else the only one there is."""
    facts = bridge.explain_service(service).facts
    entries = view_of(facts, bridge.settings.policy, bridge.today())[0].ledger.entries
    open_ones = [entry.invoice.id for entry in entries if entry.invoice.client_id == book.client.id]
    if not text and len(open_ones) == 1:
        return open_ones[0]
    named = next((i for i in open_ones if str(i) == text), None)
    if named is None:
        raise UsageProblem("choose the invoice that is said to be paid" if not text else "that invoice is not open")
    return named
