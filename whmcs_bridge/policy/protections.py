"""Protections: each may withhold kinds of step, with its reason and its end. One function each, in PROTECTIONS."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from whmcs_bridge.domain.case import Stage
from whmcs_bridge.domain.ids import AddonId, InvoiceId
from whmcs_bridge.domain.money import ZERO
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.arrangements import ends_on
from whmcs_bridge.policy.calendar import add_days
from whmcs_bridge.policy.debt import last_day_to_pay
from whmcs_bridge.policy.decision import Debt, Due, Kind, Withheld
from whmcs_bridge.policy.rules import FINAL_WARNING, SUSPENSION_WARNING
from whmcs_bridge.policy.stages import (
    FINAL_WARNING_VALID_DAYS,
    ONE_DAY,
    View,
    arrangements_of,
    contact_signs,
    delete_on,
    end_dates,
    is_about,
    request_is_due,
    suspend_on,
    terminate_floor,
)

Protection = Callable[[View, Due], Withheld | None]

TAKES_DOWN = frozenset({Kind.SUSPEND, Kind.SUSPEND_ADDON, Kind.TERMINATE})
HARMS = TAKES_DOWN | {Kind.DELETE_BACKUPS}


def effect_of(step: Due) -> Kind:
    """Return the kind a protection judges the step by: a final warning is withheld with the end it announces."""
    if step.kind is Kind.NOTICE and step.message == FINAL_WARNING:
        return Kind.TERMINATE
    if step.kind is Kind.NOTICE and step.message == SUSPENSION_WARNING:
        return Kind.SUSPEND
    return step.kind


def _hold(step: Due, code: str, why: str, until: date | None = None, *, to_staff: bool = False) -> Withheld:
    return Withheld(step.kind, code, why, until, to_staff)


def behind(view: View, step: Due) -> tuple[Debt, ...]:
    """The debt that a step rests on: the addon's own, or what concerns the service."""
    if step.kind is not Kind.SUSPEND_ADDON:
        return view.counted.concerning
    debt = view.counted.addons.get(AddonId(step.target))
    return (debt,) if debt is not None else ()


# --- what was read ------------------------------------------------------------------------------


def incomplete(view: View, step: Due) -> Withheld | None:
    """Unknown, partial or stale facts: nothing harmful."""
    if view.facts.complete or step.kind not in HARMS:
        return None
    return _hold(step, "incomplete", "what was read from WHMCS has gaps")


def missing(view: View, step: Due) -> Withheld | None:
    """A service that the last complete list did not have is reported, never acted on."""
    if not view.facts.missing or step.kind in (Kind.UNSUSPEND_ADDON,):
        return None
    return _hold(step, "missing", "WHMCS's list does not have this service any more", to_staff=True)


def moved(view: View, step: Due) -> Withheld | None:
    """The invoice's client is not the service's: no harmful step, and no release by payment."""
    moved_in_case = view.case.client_id not in (None, view.service.client_id)
    if view.service.id not in view.facts.client.foreign_owner and not moved_in_case:
        return None
    if step.kind in HARMS or step.kind in (Kind.UNSUSPEND, Kind.NOTICE):
        why = f"its case is client {view.case.client_id}'s" if moved_in_case else "another client's invoice bills it"
        return _hold(step, "moved", f"moved to another client: {why}", to_staff=True)
    return None


def unlisted_group(view: View, step: Due) -> Withheld | None:
    """A client group that WHMCS does not list may be an exempt one: nobody is taken down on a guess."""
    client = view.facts.client
    if effect_of(step) not in TAKES_DOWN or client.group is not None or not client.client.group_id:
        return None
    return _hold(step, "unlisted-group", f"WHMCS does not list client group {client.client.group_id}", to_staff=True)


# --- exemptions: the case does not move, and starts afresh when they end -------------------------


def override(view: View, step: Due) -> Withheld | None:
    """WHMCS's own Override Auto-Suspend; its date is the day on which the step may happen again."""
    if effect_of(step) not in TAKES_DOWN or not view.service.override:
        return None
    until = view.service.override_until
    if until is None:
        return _hold(step, "override", "WHMCS's override is on without an end")
    if view.today < until:
        return _hold(step, "override", f"WHMCS's override holds until {until}", until - ONE_DAY)
    return None


def exempt_group(view: View, step: Due) -> Withheld | None:
    """A client group that WHMCS exempts from suspension and termination."""
    group = view.facts.client.group
    if effect_of(step) not in TAKES_DOWN or group is None or not group.exempt:
        return None
    return _hold(step, "exempt-group", f"the client group {group.name} is exempt in WHMCS")


def vip_courtesy(view: View, step: Due) -> Withheld | None:
    """Who was VIP on the due date is not suspended until `exempt_max_days`, or until the debt is too big."""
    vip = view.policy.vip
    debts = behind(view, step)
    if vip is None or not debts or effect_of(step) not in TAKES_DOWN or view.service.status is not ServiceStatus.ACTIVE:
        return None
    clock = debts[0].clock
    membership = view.facts.client.membership
    group = view.facts.client.group
    is_member = group is not None and group.name == vip.group
    was_member = is_member or (membership.last_member_on is not None and membership.last_member_on >= clock)
    joined = membership.member_since or membership.last_member_since
    joined_in_time = joined is None or joined <= clock
    if not was_member or not joined_in_time:
        return None
    first = add_days(clock, vip.exempt_max_days, view.frozen_for(debts[0]))
    owed = sum((d.amount.amount for d in debts), ZERO)
    if view.today >= first or (vip.exempt_max_debt is not None and owed > vip.exempt_max_debt):
        return None
    return _hold(step, "vip", f"VIP on the due date: not before {first}", first - ONE_DAY)


EXEMPTIONS: tuple[Protection, ...] = (override, exempt_group, vip_courtesy)


# --- records ------------------------------------------------------------------------------------


def _in_force(view: View, kind: RecordKind) -> Iterable[Record]:
    return (r for r in view.of_service(kind) if r.protects_on(view.today))


def _promises(view: View) -> Iterable[Record]:
    """Those that run, with the last day on which each may be kept: where clients could not pay on it, a later one."""
    for record in view.of_service(RecordKind.PROMISE):
        moved = replace(record, until=last_day_to_pay(record, view.facts.client, view.today))
        if moved.protects_on(view.today):
            yield moved


def hold(view: View, step: Due) -> Withheld | None:
    """A legal or other hold: nothing harmful, deletion included."""
    if effect_of(step) not in HARMS:
        return None
    for record in _in_force(view, RecordKind.HOLD):
        return _hold(step, "hold", f"{record.sort or 'legal'} hold by {record.author}: {record.reason}", record.until)
    return None


def promise(view: View, step: Due) -> Withheld | None:
    """A promised date defers what `defers` names, through its last day. Warnings still go out.

    A promise of one invoice concerns that debt alone: what rests on another one as well is not deferred.
    """
    kind = Kind.SUSPEND if step.kind is Kind.SUSPEND_ADDON else effect_of(step)
    if kind not in view.policy.promises.defers or _is_suspension_warning(step):
        return None
    running = list(_promises(view))
    named = {r.invoice_id for r in running}
    if running and (None in named or all(d.invoice in named for d in behind(view, step))):
        record = next((r for r in running if r.invoice_id is None), running[0])
        return _hold(step, "promise", f"promised by {record.author} to be paid by {record.until}", record.until)
    return None


def _is_suspension_warning(step: Due) -> bool:
    return step.kind is Kind.NOTICE and step.message == SUSPENSION_WARNING


def trust_release(view: View, step: Due) -> Withheld | None:
    """A service released on trust stays up through the release's last day."""
    if effect_of(step) not in TAKES_DOWN or _is_suspension_warning(step):
        return None
    for record in _in_force(view, RecordKind.RELEASE):
        return _hold(step, "release", f"released on trust until {record.until}", record.until)
    return None


def arrangement(view: View, step: Due) -> Withheld | None:
    """Payment in parts: from the first part booked on, nothing harmful through the day of the next one."""
    if effect_of(step) not in HARMS or _is_suspension_warning(step):
        return None
    for record, at in arrangements_of(view):
        if at.protects:
            until = ends_on(record, at)
            why = f"the next part of the arrangement with {record.author} is due on {until}"
            return _hold(step, "arrangement", why if until else "all parts of the arrangement are paid", until)
    return None


def receipt(view: View, step: Due) -> Withheld | None:
    """ "It is paid": holds harmful steps until its bank-day deadline, where the gateway's setting lets it."""
    if effect_of(step) not in HARMS or _is_suspension_warning(step):
        return None
    rules = view.policy.receipts
    debts = behind(view, step)
    said: dict[InvoiceId, Record] = {}
    least = view.rules.min_debt.of(view.facts.client.currency)
    for record in view.facts.client.records:
        if record.kind is not RecordKind.RECEIPT or record.invoice_id is None or not _believed(record, view.today):
            continue
        if _owed_beside(record, view) <= least:
            said[record.invoice_id] = record
    if not said or not debts:
        return None
    open_debts = [
        d for d in debts if d.invoice not in said or rules.accept.get(d.gateway, rules.accept_default) != "hold"
    ]
    if open_debts:
        return None
    until = min((r.until for r in said.values() if r.until is not None), default=None)
    return _hold(step, "receipt", f"a receipt waits to be checked until {until}", until, to_staff=True)


def _owed_beside(receipt: Record, view: View) -> Decimal:
    """What its invoice would owe still if the amount on it came; 0 for one that says all."""
    if receipt.amount is None:
        return ZERO
    owed = sum((e.owed for e in view.ledger.entries if e.invoice.id == receipt.invoice_id), ZERO)
    return max(owed - receipt.amount, ZERO)


def short_receipts(view: View) -> Iterable[tuple[Record, Decimal]]:
    """Yield the receipts that wait to be checked and are of too little to hold anything, with what is owed beside."""
    least = view.rules.min_debt.of(view.facts.client.currency)
    for record in view.facts.client.records:
        if record.kind is RecordKind.RECEIPT and record.protects_on(view.today):
            beside = _owed_beside(record, view)
            if beside > least:
                yield record, beside


def _believed(receipt: Record, today: date) -> bool:
    """It waits to be checked, or was found true and the money is still to be booked; never past its deadline."""
    if receipt.state is RecordState.VERIFIED:
        return receipt.since <= today and (receipt.until is None or today <= receipt.until)
    return receipt.protects_on(today)


def freeze(view: View, step: Due) -> Withheld | None:
    """An outage freeze: clients cannot pay, the clock stands still."""
    if effect_of(step) not in HARMS:
        return None
    for record in view.facts.client.records:
        if record.kind is not RecordKind.FREEZE or not record.protects_on(view.today):
            continue
        if not record.gateway or all(d.gateway == record.gateway for d in behind(view, step)):
            return _hold(step, "freeze", f"frozen until {record.until}: {record.reason}", record.until)
    return None


def gateway_silence(view: View, step: Due) -> Withheld | None:
    """A gateway that books nothing any more: who owes by it may have paid. Warnings of a suspension still go out."""
    silent = view.facts.client.silent_gateways
    if not silent or effect_of(step) not in HARMS or _is_suspension_warning(step):
        return None
    for debt in behind(view, step):
        since = silent.get(debt.gateway)
        if since is not None:
            return _hold(step, "gateway-silence", f"{debt.gateway} has booked no payment since {since}")
    return None


def recent_contact(view: View, step: Due) -> Withheld | None:
    """A client in touch holds termination and deletion, for a while, and staff is asked."""
    days = view.rules.recent_contact_days
    if not days or effect_of(step) not in (Kind.TERMINATE, Kind.DELETE_BACKUPS):
        return None
    seen = max(contact_signs(view), default=None)
    if seen is None or view.today > seen + timedelta(days=days):
        return None
    if _contact_began(view, step) + timedelta(days=view.rules.contact_holds_max_days) < view.today:
        return None
    until = seen + timedelta(days=days)
    return _hold(step, "contact", f"the client was in touch on {seen}", until, to_staff=True)


def _contact_began(view: View, step: Due) -> date:
    """Day on which the step became due but for its warning; the longest hold counts from here."""
    if effect_of(step) is Kind.DELETE_BACKUPS:
        return delete_on(view) or view.today
    return terminate_floor(view) or view.today


def deletion_waits(view: View, step: Due) -> Withheld | None:
    """Backups are not deleted while their plan waits: for a lock's end, an approval, staff, the client's wish."""
    found = view.facts.deletion
    if found is None or effect_of(step) is not Kind.DELETE_BACKUPS:
        return None
    return _hold(step, found.code, found.why, found.until)


def disputed(view: View, step: Due) -> Withheld | None:
    """While something is disputed nothing of it is deleted: backups may be what it is about."""
    if effect_of(step) is not Kind.DELETE_BACKUPS:
        return None
    for record in view.of_service(RecordKind.DISPUTE):
        if record.protects_on(view.today):
            return _hold(step, "dispute", f"disputed since {record.since}", record.until)
    return None


def fraud(view: View, step: Due) -> Withheld | None:
    """A service marked as Fraud keeps its backups, which may be evidence, unless the house says that it counts."""
    if view.service.status is not ServiceStatus.FRAUD or effect_of(step) is not Kind.DELETE_BACKUPS:
        return None
    return None if view.policy.backups.fraud_ends else _hold(step, "fraud", "marked as Fraud: its backups are kept")


def cancelled(view: View, step: Due) -> Withheld | None:
    """Cancelled without a request, by a person's hand: whether the account is gone with it, the house has to say."""
    if view.service.status is not ServiceStatus.CANCELLED or effect_of(step) is not Kind.DELETE_BACKUPS:
        return None
    if view.policy.backups.cancelled_ends or view.facts.cancel_request is not None or view.case.ended_by == "bridge":
        return None
    return _hold(step, "cancelled", "set to Cancelled without a request: its backups are kept")


def asked_to_end(view: View, step: Due) -> Withheld | None:
    """A cancellation request ends the service by WHMCS's own date, not by the debt ladder, which waits for that day."""
    if effect_of(step) is not Kind.TERMINATE or view.facts.cancel_request is None or request_is_due(view):
        return None
    ends = view.service.next_due
    return _hold(step, "request", f"asked to end on {ends or 'a day to come'}", ends - ONE_DAY if ends else None)


# --- money on its way ---------------------------------------------------------------------------


def credit(view: View, step: Due) -> Withheld | None:
    """Credit that covers the debt: WHMCS books it, we do not; staff is told."""
    if effect_of(step) not in HARMS or _is_suspension_warning(step):
        return None
    have = view.facts.client.credit
    owed = sum((d.amount.amount for d in behind(view, step)), ZERO)
    if have is None or owed <= 0 or have < owed:
        return None
    return _hold(step, "credit", f"account credit of {_plain(have)} covers the debt", to_staff=True)


def _plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


# --- days ---------------------------------------------------------------------------------------


def quiet_day(view: View, step: Due) -> Withheld | None:
    """On a quiet day nothing is suspended or terminated; it moves to the next day that is not quiet."""
    if step.kind not in TAKES_DOWN or not view.calendar.is_quiet(view.today):
        return None
    return _hold(step, "quiet-day", "a quiet day", view.calendar.next_active(view.today) - ONE_DAY)


def once_a_day(view: View, step: Due) -> Withheld | None:
    """One suspend-or-terminate per service and house day."""
    if step.kind not in (Kind.SUSPEND, Kind.TERMINATE) or not view.facts.acted_today:
        return None
    return _hold(step, "acted-today", "one suspension or termination a day", view.today)


def approval(view: View, step: Due) -> Withheld | None:
    """A person has to approve it first."""
    if view.policy.approval.get(step.kind) != "required" or step.kind in view.facts.approved:
        return None
    return _hold(step, "approval", f"waits for approval: whmcs-bridge approve {view.service.id}", to_staff=True)


PROTECTIONS: tuple[Protection, ...] = (
    missing,
    moved,
    incomplete,
    unlisted_group,
    hold,
    *EXEMPTIONS,
    promise,
    trust_release,
    arrangement,
    receipt,
    freeze,
    gateway_silence,
    credit,
    recent_contact,
    deletion_waits,
    disputed,
    fraud,
    cancelled,
    asked_to_end,
    quiet_day,
    once_a_day,
    approval,
)


AT_ANY_STAGE: tuple[Protection, ...] = (missing, incomplete, hold)
"""What holds an end that WHMCS's own rules ask for (a request, a fixed term): not the debt ladder's protections."""


OF_HARMLESS: tuple[Protection, ...] = (missing, moved, approval)
"""All that can withhold a reminder, a release or a closed addon; every other one asks for harm first."""


def protections_for(step: Due) -> tuple[Protection, ...]:
    """Return those that may have something against this step; a large book is mostly reminders."""
    if step.by_request:
        return AT_ANY_STAGE
    return PROTECTIONS if effect_of(step) in HARMS else OF_HARMLESS


def sift(view: View, due: Iterable[Due]) -> tuple[list[Due], list[Withheld]]:
    """Let each step through, or say who withholds it: every protection that does, the first one first."""
    passed: list[Due] = []
    withheld: list[Withheld] = []
    for step in due:
        against = [found for protect in protections_for(step) if (found := protect(view, step)) is not None]
        if against:
            withheld.extend(against)
        else:
            passed.append(step)
    return passed, withheld


def exempt_today(view: View) -> bool:
    """An exemption stands, whether or not a step is due: the case does not move, and starts afresh afterwards."""
    if not (view.counted.concerning or view.counted.pending):
        return False
    probe = Due(Kind.SUSPEND if view.service.status is ServiceStatus.ACTIVE else Kind.TERMINATE, "")
    return any(protect(view, probe) is not None for protect in EXEMPTIONS)


def about(record: Record, view: View) -> bool:
    """The record is about this service or its client."""
    return is_about(record, view.facts)


RUNS_OUT = timedelta(days=FINAL_WARNING_VALID_DAYS) + ONE_DAY
"""From a final warning to the first day on which it does not count any more."""


def _days_after(day: date | None) -> set[date]:
    """The next day; none for a record that was written down until the last year that there is: it has no end."""
    return {day + ONE_DAY} if day is not None and day.year < date.max.year else set()


def changes_on(view: View, stage: Stage) -> set[date]:
    """Days after today on which a protection ends or a clock strikes: where `next` has to ask again."""
    days: set[date] = set()
    for record in view.facts.client.records:
        days |= _days_after(record.until)
        for part in record.parts:
            days |= _days_after(part.on)
        if record.closed_on is not None:
            days.add(record.closed_on)
    if view.rules.recent_contact_days:
        days.update(_contact_ends(view))
    days.update(e.counts_again for e in view.ledger.entries if e.counts_again is not None)
    if view.service.override_until is not None:
        days.add(view.service.override_until)
    if view.facts.cancel_request is not None and view.service.next_due is not None:
        days.add(view.service.next_due)
    vip = view.policy.vip
    if vip is not None and view.counted.concerning:
        debt = view.counted.concerning[0]
        days.add(add_days(debt.clock, vip.exempt_max_days, view.frozen_for(debt)))
    if stage is Stage.SUSPENDED:
        days.update(d for d in end_dates(view) if d is not None)
        days.update(n.on + RUNS_OUT for n in view.case.notices if n.message == FINAL_WARNING)
    else:
        first = suspend_on(view)
        if first is not None:
            days.add(first)
    return {d for d in days if d > view.today}


def _contact_ends(view: View) -> Iterable[date]:
    for sign in contact_signs(view):
        yield sign + timedelta(days=view.rules.recent_contact_days) + ONE_DAY
    for began in (terminate_floor(view), delete_on(view)):
        if began is not None:
            yield began + timedelta(days=view.rules.contact_holds_max_days) + ONE_DAY
