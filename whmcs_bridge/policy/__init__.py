"""decide(facts, policy, today) -> Decision: stages name candidate steps, protections withhold some, next asks again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from heapq import heappop, heappush

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.facts import ClientFacts, ServiceFacts
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.cases import delivered_by_tomorrow
from whmcs_bridge.policy.debt import EMPTY_LEDGER, NOTHING, SPECIAL, Counted, Ledger, count, ledger
from whmcs_bridge.policy.decision import Clocks, Decision, Due, Kind, Note, Standing, Withheld
from whmcs_bridge.policy.protections import changes_on, exempt_today, short_receipts, sift
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING, Category, Policy, Resolved, Rules, resolve
from whmcs_bridge.policy.stages import (
    View,
    candidates,
    carries_our_reason,
    clocks,
    dropped_by_request,
    is_ours,
    kept,
    stage_of,
)

HORIZON_DAYS = 800
"""How far `next_step` looks: a promise, a notice and a termination lie well within."""


_NO_CLOCKS = Clocks()


class Ledgers:
    """The ledgers of one client on one day, weighed once for services that share min_debt and payment order."""

    __slots__ = ("_found", "facts", "policy", "today")

    def __init__(self, facts: ClientFacts, policy: Policy, today: date) -> None:
        self.facts, self.policy, self.today = facts, policy, today
        self._found: list[tuple[Rules, Ledger]] = []

    def under(self, rules: Rules) -> Ledger:
        """Return the client's ledger as these rules weigh it."""
        if not self.facts.invoices:
            return EMPTY_LEDGER
        for known, found in self._found:
            if known.min_debt == rules.min_debt and known.payment_order == rules.payment_order:
                return found
        book = ledger(self.facts, rules, self.policy.calendar, self.today)
        self._found.append((rules, book))
        return book


def view_of(facts: ServiceFacts, policy: Policy, today: date, ledgers: Ledgers | None = None) -> tuple[View, Resolved]:
    """Weigh everything for one service: its rules, its client's ledger, what of it counts."""
    resolved = resolve(policy, facts.service, facts.product, facts.client.client, facts.client.group)
    rules = kept(resolved.rules, facts.case)
    book = (ledgers or Ledgers(facts.client, policy, today)).under(rules)
    counted = count(book, facts.client, facts.service, rules) if book.entries else NOTHING
    view = View(facts, policy, rules, book, counted, today)
    if facts.case.exempt_on is not None and exempt_today(view):
        view = replace(view, exempt=True)
    return view, resolved


def decide(
    facts: ServiceFacts, policy: Policy, today: date, ledgers: Ledgers | None = None, *, timed: bool = True
) -> Decision:
    """Judge one service for `today`, a date in the house's time zone. Pure: no clock, no network, no database.

    Without `timed` the decision says nothing of later dates (`clocks`): a fifth of the work, for whole books.
    """
    view, resolved = view_of(facts, policy, today, ledgers)
    return judge(view, resolved, timed=timed)


def judge(view: View, resolved: Resolved, *, timed: bool = True, noted: bool = True) -> Decision:
    """Judge what has been weighed: `decide` without the weighing, for who needs the view as well.

    Without `noted` it has no words for staff: they are for whoever looks at the whole book.
    """
    facts, stage = view.facts, stage_of(view)
    if not resolved.class_name:
        return _without_class(view, resolved, stage)
    wanted, early = candidates(view)
    due, withheld = sift(view, wanted) if wanted else ([], [])
    return Decision(
        service=facts.service.id,
        client=facts.service.client_id,
        stage=stage,
        standing=view.ledger.standing,
        class_name=resolved.class_name,
        due=tuple(due),
        withheld=(*early, *withheld),
        notes=tuple(_notes(view, withheld)) if noted else (),
        debts=view.counted.concerning,
        holding=view.counted.holding,
        clocks=clocks(view) if timed and (view.ledger.entries or stage is not Stage.CLEAR) else _NO_CLOCKS,
        exempt=exempt_today(view) if view.ledger.entries else False,
        layers=resolved.layers,
    )


def _without_class(view: View, resolved: Resolved, stage: Stage) -> Decision:
    notes: list[Note] = []
    if view.counted.concerning or is_ours(view):
        product = view.facts.product
        name = (product.name if product else view.service.name) or f"{view.service.product_id} (without a name)"
        if resolved.tie:
            text = f"product {name} is claimed by the classes {', '.join(resolved.tie)} with equal right"
        else:
            text = f"no class takes product {name}; its services are never acted on"
        code = f"no-class:{view.service.product_id}"
        notes.append(Note(code, text, "give the product to exactly one [class] in bridge.toml"))
    return Decision(
        service=view.service.id,
        client=view.service.client_id,
        stage=stage,
        standing=view.ledger.standing,
        class_name="",
        notes=tuple(notes),
        debts=view.counted.concerning,
        holding=view.counted.holding,
        layers=resolved.layers,
    )


def _notes(view: View, withheld: list[Withheld]) -> list[Note]:
    """Say what staff should know about this service today."""
    notes = [
        _note(view, w.code, f"{w.kind} withheld: {w.why}", _WHAT_TO_DO.get(w.code, "look at it"))
        for w in withheld
        if w.to_staff
    ]
    service = view.service
    if service.status is None:
        notes.append(
            _note(view, "unknown-status", "WHMCS prints a status we do not know", "check the service in WHMCS")
        )
    if service.status is ServiceStatus.SUSPENDED and not is_ours(view):
        if not service.suspension_reason.strip():
            if not view.case.settled_by:
                notes.append(_note(view, "blank-suspension", BLANK, BLANK_TODO.format(service.id)))
        elif view.counted.concerning and not carries_our_reason(service.suspension_reason):
            text = f"suspended by others ({service.suspension_reason}) and in debt: never ended by us"
            notes.append(_note(view, "foreign-suspension", text, "decide by hand what happens to it"))
    if (
        service.status is ServiceStatus.SUSPENDED
        and is_ours(view)
        and not view.counted.holding
        and dropped_by_request(view)
    ):
        text = "its debt was cancelled by a cancellation request, not paid: it stays down to its end"
        notes.append(_note(view, "debt-dropped", text, "let the request run, or unsuspend by hand"))
    if view.facts.client.group is not None and view.facts.client.group.exempt and view.counted.concerning:
        text = (
            f"group {view.facts.client.group.name} is exempt in WHMCS and owes since {view.counted.concerning[0].due}"
        )
        pile = f"group {view.facts.client.group.name} is exempt in WHMCS and owes"
        todo = "take the client out of the group, or settle the debt"
        notes.append(replace(_note(view, "exempt-debt", text, todo), pile=pile))
    if service.id in view.facts.client.foreign_owner and not any(n.code == "moved" for n in notes):
        notes.append(_note(view, "moved", "an open invoice of another client bills this service", _WHAT_TO_DO["moved"]))
    if service.id == min(view.facts.client.services):
        notes.extend(_about_the_client(view))
    if service.status is not None and service.status.living and service.override and service.override_until is not None:
        notes.extend(_override_over(view))
    for message in (SUSPENSION_WARNING, FINAL_WARNING) if view.case.notices else ():
        last = next((n for n in reversed(view.case.notices) if n.message == message), None)
        if last is not None and last.delivered is False and last.on >= view.fresh_from:
            text = f"WHMCS could not send the {message} of {last.on}: it is sent again, and the step waits"
            notes.append(_note(view, f"mail-failed:{message}", text, "look at the client's address and the mail log"))
    return notes


def _override_over(view: View) -> Iterator[Note]:
    """WHMCS keeps an override that has run out; nobody sees from it that it does nothing any more."""
    until = view.service.override_until
    if until is not None and until <= view.today and view.counted.concerning:
        text = f"WHMCS's Override Auto-Suspend ran out on {until}"
        yield replace(_note(view, "override-over", text, "take it off the service"), pile="overrides that ran out")


def _about_the_client(view: View) -> Iterator[Note]:
    """Debt that moves nothing is reported, once for a client: special invoices, and what ended services still owe."""
    special = [invoice for invoice, why in view.ledger.left_out if why in SPECIAL]
    special.extend(
        e.invoice.id
        for e in view.ledger.entries
        if e.overdue and all(p.category is Category.NOTHING_KNOWN for p in e.parts)
    )
    client = view.service.client_id
    for receipt, beside in short_receipts(view):
        text = f"receipt {receipt.id} says {receipt.amount} of invoice {receipt.invoice_id} and holds nothing: "
        text += f"{beside} would be owed still"
        yield Note("receipt-short", text, "ask for the rest, then verify or reject the receipt", client)
    if special:
        numbers = ", ".join(str(i) for i in sorted(special))
        text = f"invoice {numbers} is an order, has no due date, or bills nothing that can be suspended"
        pile = "invoices that can suspend nothing"
        yield Note("special-invoices", text, "collect or cancel it by hand", client, pile=pile)
    if view.counted.old:
        numbers = ", ".join(d.number for d in view.counted.old)
        text = f"invoice {numbers} is for ended services"
        yield Note("old-debt", text, "collect it or write it off", client, pile="debt of ended services")


BLANK = "suspended with a blank reason and no debt was seen: taken for staff's until somebody says whose it is"
BLANK_TODO = "unsuspend it, or whmcs-bridge adopt --confirm {0} if it was for billing (--as staff if it was not)"

_WHAT_TO_DO = {
    "missing": "check whether it was deleted in WHMCS",
    "moved": "move or cancel the old owner's invoice",
    "unlisted-group": "put the client into a group that exists; GetClientGroups has to list them all",
    "credit": "apply the credit to the invoice in WHMCS",
    "receipt": "look for the payment, then verify or reject the receipt",
    "contact": "talk to the client, or let the hold run out",
    "approval": "approve it, or record why not",
}


def _note(view: View, code: str, text: str, todo: str) -> Note:
    return Note(code, text, todo, view.service.client_id, view.service.id)


def next_step(facts: ServiceFacts, policy: Policy, today: date) -> tuple[Due, date] | None:
    """Return the next step that will be due and its day, if nothing changes but the date; None for never.

    Asks again on each day on which a clock strikes or a protection ends, and on the days after it: a stage may wait
    for the one before it. Each of those days is asked in turn what comes after it: a clock that stands still moves on.
    """
    if not view_of(facts, policy, today)[1].class_name:
        return None
    later = replace(facts, acted_today=False, case=delivered_by_tomorrow(facts.case, today))
    asked = {today, today + timedelta(days=1)}
    days = sorted(asked)
    while days:
        day = heappop(days)
        now = facts if day == today else later
        due = decide(now, policy, day).due
        if due:
            return _weightiest(due), day
        for struck in days_to_ask(view_of(now, policy, day)[0], policy, today) - asked:
            asked.add(struck)
            heappush(days, struck)
    return None


def _weightiest(due: tuple[Due, ...]) -> Due:
    order = (Kind.UNSUSPEND, Kind.DELETE_BACKUPS, Kind.TERMINATE, Kind.SUSPEND, Kind.NOTICE)
    return min(due, key=lambda d: order.index(d.kind) if d.kind in order else len(order))


def days_to_ask(view: View, policy: Policy, today: date) -> set[date]:
    """Days after the view's own on which something may change, as far as it can be foreseen from there."""
    stage = stage_of(view)
    struck = changes_on(view, stage)
    at = clocks(view)
    ends_on = at.terminate_on if stage is Stage.SUSPENDED else None  # before that it moves on with every day asked
    for known in (at.suspend_on, ends_on, at.final_warning_on, at.delete_backups_on):
        if known is not None:
            struck.add(known)
    struck.update(day for day, _ in at.notice_days)
    if policy.calendar.is_quiet(view.today):
        struck.add(policy.calendar.next_active(view.today))
    for entry in view.ledger.entries:
        struck.add(entry.due + timedelta(days=1))
    days: set[date] = set()
    for day in struck:
        days.add(day)
        days.add(policy.calendar.next_active(day))
        days.add(policy.calendar.next_active(day + timedelta(days=1)))
    last = today + timedelta(days=HORIZON_DAYS)
    return {d for d in days if view.today < d <= last}


__all__ = ["Counted", "Ledgers", "Standing", "View", "days_to_ask", "decide", "judge", "next_step", "view_of"]
