"""What a case remembers from one enforced run to the next. Pure: the old case and today's facts give the new one."""

from dataclasses import replace
from datetime import date, timedelta

from whmcs_bridge.domain.case import Adoption, Case, SentNotice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.policy.decision import Decision
from whmcs_bridge.policy.stages import View, adoption_of, carries_our_reason, days_to_keep, is_about, restarted_on

REMEMBER_NOTICES_DAYS = 90
DELETE_KEY = "delete_backups_after_days"


def observe(view: View, decision: Decision, today: date, *, adopting: bool = True) -> Case:
    """Return the case after an enforced run has looked at it, before it acts; the old one if nothing changed.

    Suspensions are sorted by runs only (`adopting`): a hook sees one client at an odd moment.
    """
    case = view.case
    status = view.service.status
    if status is not None and status.ended:
        return _ended(view, case, today)
    if case.ended_on is not None:
        case = replace(case, ended_on=None, ended_by="", erased_on=None)
    if status is ServiceStatus.SUSPENDED and adopting:
        case = _adopted(view, case, today)
    elif status is ServiceStatus.ACTIVE:
        case = _up(view, case)
    if view.counted.concerning or view.counted.pending:
        case = _open(view, case, decision, today)
    elif case.opened_on is not None:
        case = _closed(case, down=status is ServiceStatus.SUSPENDED)
    return _pruned(case, today)


def _open(view: View, case: Case, decision: Decision, today: date) -> Case:
    promised = days_to_keep(view.rules, case)
    if case.opened_on is None:
        case = replace(case, opened_on=today, client_id=view.service.client_id)
    if promised != case.kept_days:
        case = replace(case, kept_days=promised)
    if decision.exempt:
        return replace(case, exempt_on=today)
    if case.exempt_on is not None:
        return replace(case, restarted_on=restarted_on(case), exempt_on=None)
    return case


def _closed(case: Case, *, down: bool) -> Case:
    """The debt is gone: notices are remembered, so that none goes out twice, and whose suspension it still is."""
    closed = Case(
        case.service_id,
        notices=case.notices,
        last_act_on=case.last_act_on,
        released_on=case.released_on,
        addons_down=case.addons_down,
    )
    if not down:
        return closed
    return replace(
        closed,
        client_id=case.client_id,
        suspended_on=case.suspended_on,
        adopted_on=case.adopted_on,
        adoption=case.adoption,
        settled_by=case.settled_by,
    )


def _up(view: View, case: Case) -> Case:
    """The service is up. Unless we released it on trust, the next suspension is a new one with its own clock."""
    case = not_adopted(case)
    if case.suspended_on is not None and not _released_on_trust(case.suspended_on, view.facts):
        case = replace(case, suspended_on=None)
    return case


def not_adopted(case: Case) -> Case:
    """The suspension that was sorted is over: whose the next one is, is another question."""
    if case.adoption is None:
        return case
    return replace(case, adoption=None, adopted_on=None, settled_by="")


def settled(case: Case, facts: ServiceFacts, whose: Adoption, today: date, by: str) -> Case:
    """A person has said whose a doubtful suspension is."""
    client = case.client_id or facts.service.client_id
    return replace(case, suspended_on=None, adopted_on=today, adoption=whose, settled_by=by, client_id=client)


def _released_on_trust(suspended_on: date, facts: ServiceFacts) -> bool:
    """A trust release was given since this suspension: the clock of the end goes on under it."""
    return any(
        r.kind is RecordKind.RELEASE and is_about(r, facts) and r.since >= suspended_on for r in facts.client.records
    )


def _adopted(view: View, case: Case, today: date) -> Case:
    ours = carries_our_reason(view.service.suspension_reason)
    if case.adopted_on is not None or (case.suspended_on is not None and ours):
        return case
    if not view.facts.complete:
        return case  # the debt behind a blank reason may be in what could not be read: sorted by the next whole run
    whose = adoption_of(view.facts, view.counted)
    client = case.client_id or view.service.client_id
    # a reason that is not ours any more: somebody suspended it anew since we did
    return replace(case, suspended_on=None, adopted_on=today, adoption=whose, settled_by="", client_id=client)


def _ended(view: View, case: Case, today: date) -> Case:
    seen = view.facts.ended_seen
    if case.erased_on is not None and seen is not None and seen > case.erased_on:
        case = Case(case.service_id)  # it has lived again since its backups went, when nobody had to look at it
    if case.ended_on is not None:
        return _keeping_backups(view, case)
    seen_living = view.facts.ended_seen is not None or case != Case(case.service_id)
    if not seen_living:
        return case
    case = replace(case, ended_on=view.facts.ended_seen or today, ended_by="elsewhere")
    return _keeping_backups(view, case)


def _keeping_backups(view: View, case: Case) -> Case:
    """Backups are kept for as long as was promised at the end; a policy change may only add to it."""
    days = view.rules.delete_backups_after_days
    if DELETE_KEY in case.kept_days and case.kept_days[DELETE_KEY] == days:
        return case
    return replace(case, kept_days={**case.kept_days, DELETE_KEY: days})


def _pruned(case: Case, today: date) -> Case:
    """Forget notices that belong to no open case and are too old to be repeated by mistake."""
    oldest = min(case.opened_on or today, today - timedelta(days=REMEMBER_NOTICES_DAYS))
    kept = tuple(n for n in case.notices if n.on >= oldest - timedelta(days=REMEMBER_NOTICES_DAYS))
    return case if len(kept) == len(case.notices) else replace(case, notices=kept)


# --- what acts leave behind ---------------------------------------------------------------------


def after_suspension(case: Case, facts: ServiceFacts, today: date) -> Case:
    """The service is down by us. The waiting time goes on from the first suspension if a trust release lay between."""
    first = case.suspended_on
    goes_on = first is not None and _released_on_trust(first, facts)
    return replace(
        case,
        opened_on=case.opened_on or today,
        client_id=facts.service.client_id,
        suspended_on=first if goes_on else today,
        adoption=None,
        adopted_on=None,
        settled_by="",
        last_act_on=today,
    )


def after_release(case: Case, today: date, *, on_trust: bool) -> Case:
    """The service is up again, its case over; under a trust release the clock of its end goes on.

    A case left open would carry its final warning over to a debt that begins before the next run.
    """
    if on_trust:
        began = case.suspended_on or case.adopted_on
        return replace(case, released_on=today, suspended_on=began, adoption=None, adopted_on=None, settled_by="")
    return replace(_closed(case, down=False), released_on=today)


def after_hand_back(case: Case) -> Case:
    """The service is still down, but not by us any more: a run that finds it sorts it anew, with its own clock."""
    return replace(case, suspended_on=None, adopted_on=None, adoption=None, settled_by="")


def after_end(case: Case, today: date) -> Case:
    """The service was ended by us and read back as ended."""
    return replace(case, ended_on=today, ended_by="bridge", last_act_on=today)


def delivered_by_tomorrow(case: Case, today: date) -> Case:
    """Foresee that today's mails arrive: whether they did is known to the next run only."""
    if all(n.delivered is not None or n.on != today for n in case.notices):
        return case
    sent = (replace(n, delivered=True) if n.delivered is None and n.on == today else n for n in case.notices)
    return replace(case, notices=tuple(sent))


def after_notice(case: Case, notice: SentNotice) -> Case:
    """A notice went out (or failed later: the same notice with delivered=False takes its place)."""
    others = tuple(n for n in case.notices if (n.message, n.day, n.on) != (notice.message, notice.day, notice.on))
    return replace(case, notices=(*others, notice))
