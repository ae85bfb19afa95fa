"""What a person asked for by hand: judged by the same rules, with what only a person can answer for said aloud."""

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from whmcs_bridge.domain.money import ZERO, Money
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.debt import Counted, billed_by
from whmcs_bridge.policy.decision import Debt, Decision, Due, Kind, Withheld
from whmcs_bridge.policy.protections import approval, freeze, hold, incomplete, missing, once_a_day, quiet_day, sift
from whmcs_bridge.policy.rules import FINAL_WARNING
from whmcs_bridge.policy.stages import (
    ONE_DAY,
    View,
    clears_on,
    dropped_by_request,
    is_ours,
    on_suspension_is_final,
    owes,
)

BY_HAND = ":by-hand"
"""Ends the kind of an approval that is for a step by hand."""
WAITS = "approval"
"""Code of what waits for another person's word."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """Who asked for a step and why, and what that person takes upon itself."""

    by: str
    reason: str
    staffs: bool = False
    """suspend: for abuse or another reason of the staff's, which no payment lifts; unsuspend: such a one, too."""
    early: bool = False
    """suspend, terminate: before the rules name it as due."""
    override: bool = False
    """unsuspend: although the rules keep it down."""
    until: date | None = None
    """unsuspend with `override`: last day on which it stays up; None is what the rules give on trust."""
    paid_up: bool = False
    """terminate: although nothing is owed for it."""
    undoes: int = 0
    """Run whose step this takes back; 0 is none."""
    words: str = ""
    """unsuspend with `undoes`: the staff's suspension reason that has to stand there still."""
    group: int | None = None
    """A membership move: the group that the client has to be in still."""
    message: str = ""
    """Message to the client, where it is not the rules' own."""


def approval_by_hand(kind: Kind) -> str:
    """Return under which name a step by hand is approved: the rules' own approvals are for what they name as due."""
    return f"{kind.value}{BY_HAND}"


def is_by_hand(approval: str) -> bool:
    """The approval is for a step by hand."""
    return approval.endswith(BY_HAND)


def same_words(one: str, other: str) -> bool:
    """Two suspension reasons are the same; WHMCS may have one with HTML entities."""
    return html.unescape(one).strip() == html.unescape(other).strip()


Judged = tuple[Due | None, tuple[Withheld, ...]]


def judge_by_hand(kind: Kind, asked: ByHand, view: View, decision: Decision, target: int = 0) -> Judged:
    """Return the step as it may be taken now, or None and everything that withholds it. Pure.

    `target` is the addon, where the step is about one.
    """
    absent = missing(view, Due(kind, asked.reason))
    if absent is not None:
        return None, (absent,)
    due, withheld = _JUDGES[kind](asked, view, decision, target)
    if withheld or due is None:
        others = tuple(held for held in withheld if held.code != WAITS)
        return None, others or tuple(withheld)  # what cannot be done anyway is not put before anybody to approve
    return replace(due, message=asked.message or due.message), ()


Found = tuple[Due | None, list[Withheld]]


def _no(kind: Kind, code: str, why: str, until: date | None = None) -> Found:
    return None, [Withheld(kind, code, why, until)]


def _state(view: View) -> str:
    """Say in a few words how the service is."""
    service = view.service
    status = service.status.value if service.status is not None else "in a status we do not know"
    reason = service.suspension_reason.strip()
    return f"{status} ({reason})" if service.status is ServiceStatus.SUSPENDED and reason else status


# --- down -----------------------------------------------------------------------------------------


def _suspend(asked: ByHand, view: View, decision: Decision, target: int) -> Found:
    kind = Kind.SUSPEND
    if view.service.status is ServiceStatus.SUSPENDED:
        return _no(kind, "state", f"it is {_state(view)} already")
    if view.service.status is not ServiceStatus.ACTIVE:
        return _no(kind, "state", f"it is {_state(view)}: nothing to suspend")
    if asked.staffs:
        due = Due(kind, said(asked))
        return due, _against(view, due, (hold, once_a_day, approval))
    debts = view.counted.concerning
    if not decision.class_name:
        return _no(kind, "no-class", "no [class] takes its product, so no payment would lift it; --abuse suspends it")
    if not debts:
        return _no(kind, "no-debt", _nothing_owed(view.counted))
    named = _due_now(kind, decision)
    if named is not None:
        return replace(named, reason=f"{said(asked)}; {named.reason}"), []
    come = _withheld_now(kind, decision, {"warning"})
    withheld = _but_approved(come, view, kind)
    if withheld:
        return None, withheld
    if found := _clearing(kind, view, debts):
        return None, found
    if not come and not asked.early:
        return _no(kind, "early", _not_yet(decision.clocks.suspend_on))
    message = FINAL_WARNING if on_suspension_is_final(view.rules) else view.rules.on_suspend_message
    due = of_debts(kind, asked, debts, message)
    return due, _sifted(view, due)


def _terminate(asked: ByHand, view: View, decision: Decision, target: int) -> Found:
    kind, status, debts = Kind.TERMINATE, view.service.status, view.counted.ending
    if status is None or not status.living:
        return _no(kind, "state", f"it is {_state(view)}: nothing to end")
    due = _due_now(kind, decision)
    if due is not None:
        return replace(due, reason=f"{said(asked)}; {due.reason}"), []
    if not debts:
        if view.counted.pending:
            return _no(kind, "pending", _nothing_owed(view.counted))
        if not asked.paid_up:
            return _no(kind, "paid-up", "nothing is owed for it; --paid-up ends it all the same")
        due = Due(kind, said(asked))
        return due, _against(view, due, (incomplete, hold, _disputed, freeze, quiet_day, once_a_day, approval))
    come = _withheld_now(kind, decision, {"final-warning"})
    withheld = _but_approved(come, view, kind)
    if withheld:
        return None, withheld
    if found := _clearing(kind, view, debts):
        return None, found
    if not come and not asked.early:
        return _no(kind, "early", _not_yet(decision.clocks.terminate_on))
    due = of_debts(kind, asked, debts, view.rules.on_end_message)
    return due, _sifted(view, due)


def _clearing(kind: Kind, view: View, debts: tuple[Debt, ...]) -> list[Withheld]:
    """Who paid in time by a slow gateway is not taken down before the bank could have booked it, haste or not."""
    booked = min(clears_on(view, debt) for debt in debts)
    if view.today >= booked:
        return []
    return [Withheld(kind, "clearing", "a payment made in time may not be booked yet", booked - ONE_DAY)]


def _disputed(view: View, step: Due) -> Withheld | None:
    """What is disputed is no debt, so a service may owe nothing for that alone: it is not ended as one paid up."""
    client, service = view.facts.client, view.service.id
    invoices = {invoice.id: invoice for invoice in client.invoices}
    for record in view.of_service(RecordKind.DISPUTE):
        invoice = invoices.get(record.invoice_id) if record.invoice_id is not None else None
        of_another = record.service_id is None and invoice is not None and service not in billed_by(invoice, client)
        if record.protects_on(view.today) and not of_another:
            why = f"dispute {record.id} about it is open since {record.since}: resolve it first"
            return Withheld(step.kind, "dispute", why, record.until)
    return None


def _nothing_owed(counted: Counted) -> str:
    if counted.pending:
        return f"invoice {counted.pending[0].number} is Payment Pending: wait for it"
    if counted.coming:
        return f"invoice {counted.coming[0].number} is not overdue before {counted.coming[0].due + timedelta(days=1)}"
    return "nothing that counts is owed for it"


def _not_yet(day: date | None) -> str:
    when = f"not before {day}" if day is not None else "on no day to come"
    return f"by the rules {when}; --early does it all the same"


def _due_now(kind: Kind, decision: Decision) -> Due | None:
    return next((due for due in decision.due if due.kind is kind), None)


def _withheld_now(kind: Kind, decision: Decision, stages: set[str]) -> list[Withheld]:
    """What protects it today, of a step whose day has come; a stage that lacks is another matter."""
    return [held for held in decision.withheld if held.kind is kind and held.code not in stages]


def _sifted(view: View, due: Due) -> list[Withheld]:
    return _but_approved(sift(view, (due,))[1], view, due.kind)


def _against(view: View, due: Due, protections: Iterable[Callable[[View, Due], Withheld | None]]) -> list[Withheld]:
    found = [held for protect in protections if (held := protect(view, due)) is not None]
    return _but_approved(found, view, due.kind)


def _but_approved(found: list[Withheld], view: View, kind: Kind) -> list[Withheld]:
    if approval_by_hand(kind) not in view.facts.approved:
        return found
    return [held for held in found if held.code != WAITS]


def said(asked: ByHand) -> str:
    """Return the reason with its author, as plans and journal have it."""
    undone = f"undo of run {asked.undoes}: " if asked.undoes else ""
    return f"{undone}{asked.by}: {asked.reason}"


def of_debts(kind: Kind, asked: ByHand, debts: tuple[Debt, ...], message: str = "") -> Due:
    """Return the step with the money behind it; without debt there is none."""
    if not debts:
        return Due(kind, said(asked), message=message)
    amount = Money(sum((debt.amount.amount for debt in debts), ZERO), debts[0].amount.currency)
    invoices = tuple(debt.invoice for debt in debts)
    return Due(kind, f"{said(asked)}; {owes(debts)}", invoices, amount, message, since=debts[0].due)


# --- up -------------------------------------------------------------------------------------------


def _unsuspend(asked: ByHand, view: View, decision: Decision, target: int) -> Found:
    kind = Kind.UNSUSPEND
    if view.service.status is ServiceStatus.ACTIVE:
        return _no(kind, "state", "it is up already")
    if view.service.status is not ServiceStatus.SUSPENDED:
        return _no(kind, "state", f"it is {_state(view)}: nothing to unsuspend")
    if asked.words and not same_words(view.service.suspension_reason, asked.words):
        return _no(kind, "state", f"it is {_state(view)} by now")
    due = _due_now(kind, decision)
    if due is not None:
        return replace(due, reason=f"{said(asked)}; {due.reason}"), []
    if not is_ours(view) and not asked.staffs:
        why = view.service.suspension_reason.strip() or "no reason was written down"
        return _no(kind, "staffs", f"it was not suspended for debt ({why}); --abuse lifts it")
    keeps = _kept_down_by(view)
    if keeps and not asked.override:
        return _no(kind, "owed", f"{keeps}; whmcs-bridge release {view.service.id}, or --override, lets it up")
    return Due(kind, said(asked), since=None), []


def _kept_down_by(view: View) -> str:
    """Say why the rules keep it down; "" where they do not."""
    owed = (*view.counted.holding, *view.counted.concerning, *view.counted.pending)
    if owed:
        numbers = ", ".join(dict.fromkeys(debt.number for debt in owed))
        return f"invoice {numbers} is still open"
    if is_ours(view) and dropped_by_request(view):
        return "its debt was cancelled by a cancellation request, not paid"
    return "by the rules it stays down" if is_ours(view) else ""


def _unsuspend_addon(asked: ByHand, view: View, decision: Decision, target: int) -> Found:
    kind = Kind.UNSUSPEND_ADDON
    addon = next((a for a in view.facts.client.addons.values() if a.id == target), None)
    if addon is None or addon.status is not ServiceStatus.SUSPENDED or target not in view.case.addons_down:
        status = addon.status.value if addon is not None and addon.status is not None else "gone"
        return _no(kind, "state", f"addon {target} is {status}, and not down by us any more")
    return Due(kind, f"addon {addon.name}: {said(asked)}", target=target), []


_JUDGES: Mapping[Kind, Callable[[ByHand, View, Decision, int], Found]] = {
    Kind.SUSPEND: _suspend,
    Kind.UNSUSPEND: _unsuspend,
    Kind.UNSUSPEND_ADDON: _unsuspend_addon,
    Kind.TERMINATE: _terminate,
}
