"""The stage machine: facts -> candidate steps. Says what is due by its day; protections come after."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.case import Adoption, Case, SentNotice, Stage
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import InvoiceId
from whmcs_bridge.domain.money import ZERO, Money
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.domain.status import CancelType, InvoiceStatus, LineType, ServiceStatus
from whmcs_bridge.policy.arrangements import Progress, balances, in_force, overdue_now, progress
from whmcs_bridge.policy.calendar import Calendar, add_days
from whmcs_bridge.policy.debt import Counted, Ledger, billed_by, frozen_for, last_day_to_pay, with_gateway
from whmcs_bridge.policy.decision import Clocks, Debt, Due, Kind, Withheld
from whmcs_bridge.policy.rules import FINAL_WARNING, MARK, SUSPENSION_WARNING, Notice, Policy, Rules

FINAL_WARNING_VALID_DAYS = 30
ONE_DAY = timedelta(days=1)
_OUR_REASON = re.compile(r"Overdue: invoice [\d, ]+ " + re.escape(MARK))
KEPT_KEYS = ("suspend_after_days", "terminate_after_days", "final_warning_days", "delete_backups_after_days")
WARNING_KEY = "suspension_warning_day"


@dataclass(frozen=True, slots=True)
class View:
    """One service with everything weighed: what stages, protections and next look at."""

    facts: ServiceFacts
    policy: Policy
    rules: Rules
    ledger: Ledger
    counted: Counted
    today: date
    exempt: bool = False
    """An exemption that was seen before still stands today."""

    @property
    def case(self) -> Case:
        return self.facts.case

    @property
    def service(self) -> Service:
        return self.facts.service

    @property
    def calendar(self) -> Calendar:
        return self.policy.calendar

    @property
    def frozen(self) -> frozenset[date]:
        return self.ledger.frozen

    @property
    def fresh_from(self) -> date:
        """What was sent before this day does not count for the present case."""
        opened = self.case.opened_on or self.today
        restarted = self.restarted_on
        return max(opened, restarted) if restarted else opened

    @property
    def restarted_on(self) -> date | None:
        """First day after the last exemption; one that still stands has restarted nothing yet."""
        return self.case.restarted_on if self.exempt else restarted_on(self.case)

    def frozen_for(self, debt: Debt) -> frozenset[date]:
        """Days on which the clock of this debt stands still: for everyone, or for its gateway."""
        records = self.facts.client.records
        return with_gateway(self.ledger.frozen, records, debt.gateway, self.today) if records else self.ledger.frozen

    def of_service(self, kind: RecordKind) -> Iterable[Record]:
        """Records of this kind that are about the service, or about its client as a whole."""
        for record in self.facts.client.records:
            if record.kind is kind and is_about(record, self.facts):
                yield record


def is_about(record: Record, facts: ServiceFacts) -> bool:
    """The record names this service, or its client and no single service."""
    if record.service_id is not None:
        return record.service_id == facts.service.id
    return record.client_id is None or record.client_id == facts.service.client_id


def arrangements_of(view: View) -> Iterable[tuple[Record, Progress]]:
    """Arrangements about the service that nobody has ended, and how far each has come."""
    found = [r for r in view.of_service(RecordKind.ARRANGEMENT) if in_force(r, view.today)]
    if not found:
        return
    client = view.facts.client
    left, overdue = balances(client.invoices, client.client.id), overdue_now(view.ledger)
    for record in found:
        yield record, progress(record, left, overdue, view.today, frozen_for(record, client, view.today))


def restarted_on(case: Case) -> date | None:
    """First day after the last exemption; None where there was none in this case."""
    if case.exempt_on is None:
        return case.restarted_on
    after = case.exempt_on + ONE_DAY
    return after if case.restarted_on is None else max(case.restarted_on, after)


# --- whose suspension ---------------------------------------------------------------------------


def reason_for(invoices: Sequence[InvoiceId]) -> str:
    """Return the suspension reason that marks a suspension as ours; ids, because numbers can be anything."""
    return f"Overdue: invoice {', '.join(str(i) for i in invoices)} {MARK}"


def carries_our_reason(reason: str) -> bool:
    """The stored reason is ours and nobody has added to it."""
    return _OUR_REASON.fullmatch(reason.strip()) is not None


def adoption_of(facts: ServiceFacts, counted: Counted) -> Adoption:
    """Sort a suspension that we did not make: ours by its reason, WHMCS's (blank, with debt), else staff's."""
    reason = facts.service.suspension_reason.strip()
    if carries_our_reason(reason):
        return Adoption.OURS
    if not reason and (counted.concerning or counted.holding or counted.pending):
        return Adoption.WHMCS
    return Adoption.STAFF


def is_ours(view: View) -> bool:
    """The present suspension may be lifted and followed up by us: our reason, or a blank one that was adopted."""
    if view.service.status is not ServiceStatus.SUSPENDED:
        return False
    reason = view.service.suspension_reason.strip()
    if carries_our_reason(reason):
        return True
    if reason:
        return False
    if view.case.adoption is None:
        return adoption_of(view.facts, view.counted) is not Adoption.STAFF
    return view.case.adoption in (Adoption.WHMCS, Adoption.OURS)


# --- the case's own day counts ------------------------------------------------------------------


def kept(rules: Rules, case: Case) -> Rules:
    """Return the rules with the day counts that the open case was promised: a change may add to them, never hasten."""
    if not case.kept_days:
        return rules
    changed: dict[str, Any] = {
        key: later(getattr(rules, key), case.kept_days[key])
        for key in KEPT_KEYS
        if key in case.kept_days and key != "final_warning_days"
    }
    promised = case.kept_days.get("final_warning_days")
    if promised is not None:
        changed["final_warning_days"] = max(promised, final_warning_days(rules))
    if WARNING_KEY in case.kept_days and not any(n.message == SUSPENSION_WARNING for n in rules.notices):
        day = case.kept_days[WARNING_KEY]
        if day is not None:
            changed["notices"] = (*rules.notices, Notice(day, SUSPENSION_WARNING))
    return replace(rules, **changed)


def later(one: int | None, other: int | None) -> int | None:
    """Return the longer of two day counts; None is never, the longest."""
    return None if one is None or other is None else max(one, other)


def days_to_keep(rules: Rules, case: Case) -> dict[str, int | None]:
    """Return what an open case is promised from today on."""
    promised = {key: getattr(rules, key) for key in KEPT_KEYS if key != "final_warning_days"}
    if rules.final_warning_days is not None:
        promised["final_warning_days"] = rules.final_warning_days
    warning = next((n.day for n in rules.notices if n.message == SUSPENSION_WARNING), None)
    if warning is not None:
        promised[WARNING_KEY] = warning
    for key, value in case.kept_days.items():
        promised[key] = later(promised[key], value) if key in promised else value
    return promised


# --- clocks -------------------------------------------------------------------------------------


def suspend_on(view: View) -> date | None:
    """First day on which the service may be suspended for its debt; None is never or no debt.

    The later of due + suspend_after_days and due + the gateway's clearing days, by the invoice that allows it first;
    then moved off quiet days.
    """
    return _suspend_on(view, view.counted.concerning)


def _suspend_on(view: View, debts: Sequence[Debt]) -> date | None:
    first = _suspend_floor(view, debts)
    return None if first is None else view.calendar.next_active(first)


def _suspend_floor(view: View, debts: Sequence[Debt]) -> date | None:
    """The day itself, quiet or not: from it on the step stands in the plan, and a quiet day withholds it."""
    days = view.rules.suspend_after_days
    if days is None or not debts:
        return None
    return min(max(add_days(d.clock, days, view.frozen_for(d)), clears_on(view, d)) for d in debts)


def clears_on(view: View, debt: Debt) -> date:
    """First day on which a payment made in time would have been booked."""
    bank_days = view.calendar.clearing_bank_days.get(debt.gateway)
    return debt.clock if bank_days is None else view.calendar.add_bank_days(debt.due, bank_days)


def down_since(view: View) -> date:
    """Day from which the waiting time counts: the actual suspension, the adoption, the end of an exemption."""
    began = view.case.suspended_on or view.case.adopted_on or view.today
    restarted = restarted_on(view.case)
    return max(began, restarted) if restarted else began


def terminate_floor(view: View) -> date | None:
    """First day on which the debt and the waiting time allow the end; the final warning comes on top. None is never."""
    rules = view.rules
    waiting = rules.waiting_days
    if rules.terminate_after_days is None or waiting is None or not view.counted.ending:
        return None
    oldest = view.counted.ending[0]
    broken = _broken_on(view)
    if broken is not None:
        return broken
    frozen = view.frozen_for(oldest)
    return max(
        add_days(oldest.clock, rules.terminate_after_days, frozen),
        add_days(max(down_since(view), oldest.due + ONE_DAY), waiting, frozen),
    )


def _broken_on(view: View) -> date | None:
    """Day on which a promise of this case broke, where that hastens the end; the final warning comes on top."""
    if view.policy.promises.on_broken != "terminate":
        return None
    still = {debt.invoice for debt in view.counted.ending}
    broken = [
        r.closed_on
        for kind in (RecordKind.PROMISE, RecordKind.ARRANGEMENT)
        for r in view.of_service(kind)
        if r.state is RecordState.BROKEN and r.closed_on is not None and r.closed_on >= view.fresh_from
        # a rule that hastens is for what comes after it, not for words given before
        if r.hastens
        # what was paid late hastens nothing: other debt has days of its own
        if any(invoice in still for invoice, _ in r.owed)
    ]
    return max(max(broken), down_since(view)) if broken else None


def final_warning_days(rules: Rules) -> int:
    """Days between the delivered final warning and the end."""
    waiting = rules.waiting_days or 0
    return min(3, waiting) if rules.final_warning_days is None else rules.final_warning_days


def on_suspension_is_final(rules: Rules) -> bool:
    """The waiting time is so short that the message on suspension has to be the final warning."""
    waiting = rules.waiting_days
    return waiting is not None and waiting <= final_warning_days(rules)


def final_warning(view: View) -> SentNotice | None:
    """Return the final warning that counts today: of this case and suspension, not failed, under 30 days old, after any
    protection."""
    oldest = view.today - timedelta(FINAL_WARNING_VALID_DAYS)
    fresh = max(view.fresh_from, down_since(view), protected_until(view) + ONE_DAY, oldest)
    counting = [
        n for n in view.case.notices if n.message == FINAL_WARNING and n.on >= fresh and n.delivered is not False
    ]
    return max(counting, key=lambda n: n.on, default=None)


def protected_until(view: View) -> date:
    """Return the last day before today on which a recorded protection withheld the end; date.min for none."""
    last = date.min
    yesterday = view.today - ONE_DAY
    for record in view.facts.client.records:
        if not _withholds_the_end(record, view) or record.since > yesterday:
            continue
        until = (
            last_day_to_pay(record, view.facts.client, view.today)
            if record.kind is RecordKind.PROMISE
            else record.until
        )
        end = min(until or yesterday, yesterday)
        if record.closed_on is not None and record.state is not RecordState.VERIFIED:
            end = min(end, record.closed_on - ONE_DAY)
        if end >= record.since:
            last = max(last, end)
    return max(last, _contact_until(view, yesterday))


def _contact_until(view: View, yesterday: date) -> date:
    """Return the last day through `yesterday` on which a client in touch withheld the end."""
    days, floor = view.rules.recent_contact_days, terminate_floor(view)
    if not days or floor is None:
        return date.min
    latest = min(yesterday, floor + timedelta(days=view.rules.contact_holds_max_days))
    held = [min(sign + timedelta(days=days), latest) for sign in contact_signs(view) if sign <= latest]
    return max(held, default=date.min)


def contact_signs(view: View) -> Iterable[date]:
    """Days through today on which the client gave a sign of life that the rules look at."""
    signs = view.rules.contact_signs
    for record in view.of_service(RecordKind.CONTACT):
        if record.since <= view.today and (record.sort in signs or record.sort in ("", "staff")):
            yield record.since
    if "payment" in signs:
        yield from (p.paid_on for p in view.facts.client.history if not p.reversed and p.paid_on <= view.today)


def _withholds_the_end(record: Record, view: View) -> bool:
    match record.kind:
        case RecordKind.PROMISE:
            return "terminate" in view.policy.promises.defers and is_about(record, view.facts)
        case RecordKind.RELEASE | RecordKind.HOLD:
            return is_about(record, view.facts)
        case RecordKind.ARRANGEMENT:
            return is_about(record, view.facts) and _has_begun(record, view)
        case RecordKind.FREEZE:
            return not record.gateway
        case RecordKind.RECEIPT:
            return any(record.invoice_id == d.invoice for d in view.counted.concerning)
        case _:
            return False


def _has_begun(record: Record, view: View) -> bool:
    client = view.facts.client
    return progress(record, balances(client.invoices, client.client.id), (), view.today, view.frozen).begun


def clocks(view: View) -> Clocks:
    """Return the dates behind today's decision."""
    status = view.service.status
    suspend = terminate = warn = delete = None
    if status is ServiceStatus.ACTIVE:
        suspend = _suspend_on(view, view.counted.concerning or view.counted.coming)
        terminate = _end_foreseen(view, suspend)
    elif is_ours(view):
        terminate, warn = end_dates(view)
    if status is not None and status.ended:
        delete = delete_on(view)
    return Clocks(suspend, terminate, warn, delete, tuple(_notice_dates(view)))


def _end_foreseen(view: View, suspended: date | None) -> date | None:
    """Day on which a service that is still up would end if nobody paid; None is never or no debt."""
    waiting = view.rules.waiting_days
    debts = view.counted.ending or view.counted.coming
    if suspended is None or waiting is None or view.rules.terminate_after_days is None or not debts:
        return None
    down, frozen = max(suspended, view.today), view.frozen_for(debts[0])
    floor = max(add_days(debts[0].clock, view.rules.terminate_after_days, frozen), down + timedelta(days=waiting))
    return view.calendar.next_active(floor)


def end_dates(view: View) -> tuple[date | None, date | None]:
    """Return (first day of the termination, first day of the final warning), quiet days considered for the first."""
    floor = terminate_floor(view)
    if floor is None:
        return None, None
    ahead, frozen = final_warning_days(view.rules), view.frozen_for(view.counted.ending[0])
    sent = final_warning(view)
    if sent is not None:
        return view.calendar.next_active(max(floor, add_days(sent.on, ahead, frozen))), None
    earliest = down_since(view) if on_suspension_is_final(view.rules) else down_since(view) + ONE_DAY
    warn = max(floor - timedelta(days=ahead), earliest, protected_until(view) + ONE_DAY)
    return view.calendar.next_active(max(floor, add_days(max(warn, view.today), ahead, frozen))), warn


def delete_on(view: View) -> date | None:
    """First day of the deletion of backups; None is never, already done, or an end that was not seen."""
    days = view.rules.delete_backups_after_days
    ended = view.case.ended_on or view.facts.ended_seen
    if days is None or ended is None or view.case.erased_on is not None:
        return None
    return ended + timedelta(days=days if view.case.ended_by == "bridge" else max(days, 1))


# --- candidates ---------------------------------------------------------------------------------


def stage_of(view: View) -> Stage:
    """How far the case has come."""
    status = view.service.status
    if status is not None and status.ended:
        return Stage.ERASED if view.case.erased_on else Stage.TERMINATED
    if status is ServiceStatus.SUSPENDED:
        return Stage.SUSPENDED
    if view.counted.concerning or view.counted.pending:
        fresh = view.fresh_from
        if any(n.on >= fresh and (n.day or 0) >= 1 and n.delivered is not False for n in view.case.notices):
            return Stage.NOTICED
    return Stage.CLEAR


def candidates(view: View) -> tuple[list[Due], list[Withheld]]:
    """Name the steps that are due by their day, and those that a missing earlier stage withholds."""
    status = view.service.status
    if status is not None and status.living and view.facts.end_refused and request_is_due(view):
        request = view.facts.cancel_request
        reason = f"cancellation request ({request.type if request else ''}), refused to WHMCS for want of an answer"
        return [Due(Kind.TERMINATE, reason, by_request=True)], []
    if status is ServiceStatus.ACTIVE:
        return _while_active(view)
    if status is ServiceStatus.SUSPENDED:
        return _while_suspended(view)
    if status is not None and status.ended:
        return _after_the_end(view), []
    return [], []


def _total(debts: Sequence[Debt]) -> Money | None:
    if not debts:
        return None
    return Money(sum((d.amount.amount for d in debts), ZERO), debts[0].amount.currency)


def _ids(debts: Sequence[Debt]) -> tuple[InvoiceId, ...]:
    return tuple(d.invoice for d in debts)


def owes(debts: Sequence[Debt]) -> str:
    """Say what is owed and since when, for plans and explanations."""
    numbers = ", ".join(d.number for d in debts)
    return f"invoice {numbers} unpaid since {debts[0].due}, {_total(debts)}"


def _step(kind: Kind, debts: Sequence[Debt], reason: str, **more: object) -> Due:
    since = debts[0].due if debts else None
    return Due(kind, reason, _ids(debts), _total(debts), since=since, **more)  # type: ignore[arg-type]


def _while_active(view: View) -> tuple[list[Due], list[Withheld]]:
    due: list[Due] = []
    withheld: list[Withheld] = []
    notice = _notice_due(view)
    debts = view.counted.concerning
    first = _suspend_floor(view, debts)
    if first is not None and view.today >= first:
        missing = _warning_missing(view)
        if missing is None:
            message = FINAL_WARNING if on_suspension_is_final(view.rules) else view.rules.on_suspend_message
            due.append(_step(Kind.SUSPEND, debts, owes(debts), message=message))
        else:
            withheld.append(missing)
            if notice is None or notice.message != SUSPENSION_WARNING:
                notice = _warning_notice(view) or notice
    if notice is not None:
        due.append(notice)
    due.extend(_addon_steps(view))
    return due, withheld


def _warning_missing(view: View) -> Withheld | None:
    """A class with a suspension-warning: it must have gone out on an earlier day, for this debt."""
    day = next((n.day for n in view.rules.notices if n.message == SUSPENSION_WARNING), None)
    if day is None:
        return None
    sent = [n.on for n in view.case.notices if _counts(view, n, SUSPENSION_WARNING, day)]
    if any(on < view.today for on in sent):
        return None
    why = "the suspension warning went out today" if sent else "no suspension warning has gone out yet"
    return Withheld(Kind.SUSPEND, "warning", f"{why}; it comes at least a day before", view.today)


def _counts(view: View, sent: SentNotice, message: str, day: int) -> bool:
    """A sent notice counts for the present debt and case."""
    if sent.message != message or sent.delivered is False or not view.counted.concerning:
        return False
    if view.restarted_on is not None and sent.on < view.restarted_on:
        return False
    clock = view.counted.concerning[0].clock
    if day >= 1:
        return sent.on >= max(view.fresh_from, clock + ONE_DAY)
    return sent.on >= clock + timedelta(days=day)


def _warning_notice(view: View) -> Due | None:
    day = next((n.day for n in view.rules.notices if n.message == SUSPENSION_WARNING), None)
    if day is None or any(_counts(view, n, SUSPENSION_WARNING, day) for n in view.case.notices):
        return None
    debts = view.counted.concerning
    return _step(Kind.NOTICE, debts, owes(debts), message=SUSPENSION_WARNING, day=day)


def _notice_dates(view: View) -> Iterable[tuple[date, str]]:
    debts = view.counted.concerning
    if is_ours(view) and debts and view.rules.suspend_after_days is not None:
        for notice in view.rules.notices:
            if notice.day > view.rules.suspend_after_days and notice.message != SUSPENSION_WARNING:
                yield add_days(debts[0].clock, notice.day, view.frozen_for(debts[0])), notice.message
    if view.service.status is not ServiceStatus.ACTIVE:
        return
    for notice in view.rules.notices:
        if notice.day >= 1 and debts:
            yield add_days(debts[0].clock, notice.day, view.frozen_for(debts[0])), notice.message
        elif notice.day >= 1 and view.counted.coming:
            first = view.counted.coming[0]
            yield add_days(first.clock, notice.day, view.frozen_for(first)), notice.message
        elif notice.day < 1 and view.counted.coming:
            yield view.counted.coming[0].clock + timedelta(days=notice.day), notice.message


def _notice_due(view: View) -> Due | None:
    """Return the one notice to send today: the latest of those missed, but a warning still needed goes first."""
    if not view.rules.notices:
        return None
    if view.counted.concerning:
        return _overdue_notice(view)
    if view.counted.coming and not view.counted.pending:
        return _early_notice(view)
    return None


def _overdue_notice(view: View) -> Due | None:
    debts = view.counted.concerning
    clock = debts[0].clock
    frozen = view.frozen_for(debts[0])
    reached = [n for n in view.rules.notices if n.day >= 1 and add_days(clock, n.day, frozen) <= view.today]
    if not reached:
        return None
    sent_days = [
        n.day for n in reached if any(_counts(view, s, n.message, n.day) and s.day == n.day for s in view.case.notices)
    ]
    warning = next((n for n in reached if n.message == SUSPENSION_WARNING), None)
    if warning is not None and view.rules.suspend_after_days is not None:
        needed = _warning_notice(view)
        if needed is not None:
            return needed
    latest = max(reached, key=lambda n: n.day)
    if sent_days and latest.day <= max(sent_days):
        return None
    if sent_on(view, view.today):
        return None  # the warning went out today; no client gets two debt mails in a day
    return _step(Kind.NOTICE, debts, owes(debts), message=latest.message, day=latest.day)


def sent_on(view: View, day: date) -> bool:
    """A notice of the class's list already went out for this service on this day."""
    return any(n.on == day and n.day is not None and n.delivered is not False for n in view.case.notices)


def _early_notice(view: View) -> Due | None:
    """Reminders up to the due date; each once for its invoice."""
    for debt in view.counted.coming:
        reached = [n for n in view.rules.notices if n.day < 1 and debt.clock + timedelta(days=n.day) <= view.today]
        if not reached or view.today > debt.clock:
            continue
        latest = max(reached, key=lambda n: n.day)
        nominal = debt.clock + timedelta(days=latest.day)
        if any(
            s.message == latest.message and s.day == latest.day and s.on >= nominal and s.delivered is not False
            for s in view.case.notices
        ):
            continue
        if any(s.on >= nominal and (s.day or -999) > latest.day for s in view.case.notices):
            continue
        reason = f"invoice {debt.number} due on {debt.due}, {debt.amount}"
        return _step(Kind.NOTICE, (debt,), reason, message=latest.message, day=latest.day)
    return None


def _addon_steps(view: View) -> Iterable[Due]:
    """Addons that answer for themselves: down by status when overdue, up again when paid."""
    if view.rules.overdue_addon_suspends != "addon":
        return
    for addon in view.facts.client.addons.values():
        if addon.service_id != view.service.id:
            continue
        debt = view.counted.addons.get(addon.id)
        if debt is not None and addon.status is ServiceStatus.ACTIVE:
            first = _suspend_floor(view, (debt,))
            if first is not None and view.today >= first:
                yield _step(Kind.SUSPEND_ADDON, (debt,), f"addon {addon.name}: {owes((debt,))}", target=int(addon.id))
        elif debt is None and addon.status is ServiceStatus.SUSPENDED and addon.id in view.case.addons_down:
            yield Due(Kind.UNSUSPEND_ADDON, f"addon {addon.name}: nothing owed any more", target=int(addon.id))


def _while_suspended(view: View) -> tuple[list[Due], list[Withheld]]:
    if not is_ours(view):
        return [], []
    release = _release(view)
    if release is not None:
        return [release], []
    due, withheld = _towards_the_end(view)
    letter = None if due else _letter_while_down(view)
    return ([letter] if letter is not None else due), withheld


def _letter_while_down(view: View) -> Due | None:
    """A notice of the class's list with a day after the suspension; on a day with another mail it waits."""
    debts, after = view.counted.concerning, view.rules.suspend_after_days
    if after is None or not debts or any(n.on == view.today and n.delivered is not False for n in view.case.notices):
        return None
    clock, frozen = debts[0].clock, view.frozen_for(debts[0])
    letters = (n for n in view.rules.notices if n.day > after and n.message != SUSPENSION_WARNING)
    reached = [n for n in letters if add_days(clock, n.day, frozen) <= view.today]
    latest = max(reached, key=lambda n: n.day, default=None)
    if latest is None:
        return None
    sent = (n for n in view.case.notices if n.day is not None and n.day >= latest.day)
    if any(_counts(view, n, n.message, latest.day) for n in sent):
        return None
    return _step(Kind.NOTICE, debts, owes(debts), message=latest.message, day=latest.day)


def _towards_the_end(view: View) -> tuple[list[Due], list[Withheld]]:
    """The final warning, and after it the end."""
    due: list[Due] = []
    withheld: list[Withheld] = []
    floor = terminate_floor(view)
    if floor is None:
        return due, withheld
    debts = view.counted.ending
    last_day, warn = end_dates(view)
    if warn is not None:
        if view.today >= warn:
            due.append(_step(Kind.NOTICE, debts, owes(debts), message=FINAL_WARNING))
        if view.today >= floor:
            text = "the final warning has to be delivered first"
            withheld.append(Withheld(Kind.TERMINATE, "final-warning", text, last_day))
        return due, withheld
    sent = final_warning(view)
    ahead = final_warning_days(view.rules)
    if sent is not None and view.today >= max(floor, add_days(sent.on, ahead, view.frozen_for(debts[0]))):
        if sent.delivered:
            due.append(_step(Kind.TERMINATE, debts, owes(debts), message=view.rules.on_end_message))
        else:
            text = f"the final warning of {sent.on} is not known to be delivered"
            withheld.append(Withheld(Kind.TERMINATE, "final-warning", text, None, view.today > sent.on + ONE_DAY))
    elif view.today >= floor:
        text = f"the final warning of {sent.on if sent else '?'} is less than {ahead} days old"
        withheld.append(Withheld(Kind.TERMINATE, "final-warning", text, last_day))
    return due, withheld


def _release(view: View) -> Due | None:
    """Back only when everything that counts is paid, or under a trust release."""
    for record in view.of_service(RecordKind.RELEASE):
        if record.protects_on(view.today):
            return Due(Kind.UNSUSPEND, f"trust release until {record.until}: {record.reason}".rstrip(": "))
    for record, at in arrangements_of(view):
        if at.protects:
            return Due(Kind.UNSUSPEND, f"the first part of arrangement {record.id} is paid")
    if view.counted.holding or view.counted.concerning or view.counted.pending:
        return None
    if dropped_by_request(view):
        return None
    return Due(Kind.UNSUSPEND, "everything that counts is paid", message=view.rules.on_release_message)


def dropped_by_request(view: View) -> bool:
    """The debt is gone because a cancellation request cancelled it, not because anybody paid."""
    if view.facts.cancel_request is None:
        return False
    named = named_in(view.service.suspension_reason)
    paid = {int(p.id) for p in view.facts.client.history if not p.reversed}
    billing = [
        i
        for i in view.facts.client.cancelled
        if any(x.type is LineType.HOSTING and x.relid == view.service.id for x in i.lines) and int(i.id) not in paid
    ]
    if billing:
        return True
    return bool(named) and not (named & paid)


def request_is_due(view: View) -> bool:
    """WHMCS's own date rules: an immediate request is due at once, the other kind when the period ends."""
    request = view.facts.cancel_request
    if request is None:
        return False
    if request.type is CancelType.END_OF_PERIOD:
        return view.service.next_due is not None and view.today >= view.service.next_due
    return request.type is CancelType.IMMEDIATE


def named_in(reason: str) -> set[int]:
    """Return the invoices that a suspension reason of ours names."""
    return {int(n) for n in re.findall(r"\d+", reason)} if carries_our_reason(reason) else set()


def paid_for(view: View) -> bool:
    """At least one invoice that the suspension names was paid: the debt did not just go away."""
    paid = {int(p.id) for p in view.facts.client.history if not p.reversed}
    return bool(named_in(view.service.suspension_reason) & paid)


def _after_the_end(view: View) -> list[Due]:
    due: list[Due] = []
    if view.case.ended_by == "bridge":
        for addon in view.facts.client.addons.values():
            if addon.service_id == view.service.id and addon.status is not None and addon.status.living:
                due.append(Due(Kind.CLOSE_ADDON, f"addon {addon.name} of an ended service", target=int(addon.id)))
    if view.rules.cancel_invoices_of_ended and view.case.ended_on is not None:
        due.extend(_invoices_of_ended(view))
    first = delete_on(view)
    if first is not None and view.today >= first:
        ended = view.case.ended_on or view.facts.ended_seen
        due.append(Due(Kind.DELETE_BACKUPS, f"ended on {ended}", since=ended))
    return due


def _invoices_of_ended(view: View) -> Iterable[Due]:
    """Unpaid invoices of ended services only; after a request the debt stays, and only later time is cancelled."""
    services, ended = view.facts.client.services, view.case.ended_on
    by_request = view.facts.cancel_request is not None or view.service.status is ServiceStatus.CANCELLED
    for entry in view.ledger.entries:
        invoice = entry.invoice
        billed = billed_by(invoice, view.facts.client)
        if None in billed or min((s for s in billed if s), default=None) != view.service.id:
            continue
        if invoice.status is not InvoiceStatus.UNPAID or (by_request and (ended is None or entry.clock <= ended)):
            continue
        statuses = [services[s].status for s in billed if s is not None]
        if all(s is not None and s.ended for s in statuses):
            amount = Money(entry.owed, view.facts.client.currency)
            text = f"invoice {invoice.number or invoice.id} bills only ended services"
            yield Due(Kind.CANCEL_INVOICE, text, (invoice.id,), amount, target=int(invoice.id))
