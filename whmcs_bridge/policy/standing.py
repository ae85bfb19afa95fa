"""What stands about a service today, whether or not a step is due: records, frozen days, WHMCS's own override."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.policy.arrangements import ends_on
from whmcs_bridge.policy.debt import days_frozen_by
from whmcs_bridge.policy.stages import ONE_DAY, View, arrangements_of, is_about

ON_A_WORD = (RecordKind.PROMISE, RecordKind.RELEASE, RecordKind.DISPUTE, RecordKind.HOLD)


@dataclass(frozen=True, slots=True)
class Stands:
    """One thing that stands, in a line."""

    kind: str
    """promise, release, arrangement, dispute, receipt, hold, freeze, override."""
    said: str
    until: date | None = None
    """Last day; None is open-ended."""
    record: int | None = None
    """Its number; None is WHMCS's own."""
    over: bool = False
    """It has run out and still stands in WHMCS: somebody should take it away."""


def standing(view: View) -> Iterator[Stands]:
    """Name everything in force today, and the freezes that moved the service's clock."""
    for record in view.facts.client.records:
        if record.kind in ON_A_WORD and record.protects_on(view.today) and is_about(record, view.facts):
            yield Stands(
                record.kind.value, f"{_what(record)}, by {record.author}: {record.reason}", record.until, record.id
            )
        elif record.kind is RecordKind.RECEIPT and _waits(record, view.today):
            said = "found true, the money is still to come" if record.state is RecordState.VERIFIED else "to be checked"
            yield Stands("receipt", f"receipt for invoice {record.invoice_id}, {said}", record.until, record.id)
    for record, at in arrangements_of(view):
        following = (
            f"{at.next.amount:.2f} by {at.next.on}" if at.next is not None else "nothing; the discount is to be booked"
        )
        state = "stands" if at.protects else "has not begun" if not at.begun else "is broken"
        said = f"payment in parts {state}: {at.paid:.2f} came, next {following}; by {record.author}: {record.reason}"
        yield Stands("arrangement", said, ends_on(record, at), record.id)
    yield from _freezes(view)
    yield from _override(view)


def _what(record: Record) -> str:
    amount = f" of {record.amount:.2f}" if record.amount is not None else ""
    about = f" about invoice {record.invoice_id}" if record.invoice_id is not None else ""
    sort = f"{record.sort} " if record.kind is RecordKind.HOLD and record.sort else ""
    return f"{sort}{record.kind.value}{amount}{about}"


def _waits(receipt: Record, today: date) -> bool:
    if receipt.state is RecordState.VERIFIED:
        return receipt.until is None or today <= receipt.until
    return receipt.protects_on(today)


def _freezes(view: View) -> Iterator[Stands]:
    """Freezes of everyone or of a gateway that the service's debt is paid by, from the oldest debt on."""
    debts = (*view.counted.concerning, *view.counted.pending, *view.counted.coming)
    if not debts:
        return
    first, gateways = min(d.clock for d in debts), {d.gateway for d in debts}
    for record in view.facts.client.records:
        if record.kind is not RecordKind.FREEZE or record.gateway not in ("", *gateways):
            continue
        days = sum(day > first for day in days_frozen_by(record, view.today))
        if days:
            whose = f"payments by {record.gateway}" if record.gateway else "everyone"
            said = f"the clock stood still for {whose} on {days} of the days since {first}: {record.reason}"
            yield Stands("freeze", f"{said} (by {record.author})", record.until, record.id)


def _override(view: View) -> Iterator[Stands]:
    service = view.service
    if not service.override:
        return
    until = service.override_until
    if until is None:
        yield Stands("override", "WHMCS's Override Auto-Suspend, without an end")
    elif view.today < until:
        yield Stands("override", f"WHMCS's Override Auto-Suspend, until {until}", until - ONE_DAY)
    else:
        yield Stands("override", f"WHMCS's Override Auto-Suspend ran out on {until}", until - ONE_DAY, over=True)
