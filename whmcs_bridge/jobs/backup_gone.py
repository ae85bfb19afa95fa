"""Services whose record was deleted in WHMCS: when that is an end, and the deletion of what they left behind.

Absence never ends a service. A deleted record does so only after the hook that told of it, an error-free empty answer
by id on two different days, and a panel that confirms that nobody has the account (without one: to staff).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from whmcs_bridge.domain.deletions import DeletionPlan, GoneRecord, PlanState, Waiting
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.errors import BridgeError, MovedOn, UnknownId
from whmcs_bridge.jobs.backup_look import Subject
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import delete_all, held_by_record, may_go, remember, standing_wish, subject_for_accounts
from whmcs_bridge.jobs.facts import ClientMemory, Memory
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.cases import DELETE_KEY
from whmcs_bridge.policy.decision import Kind, Note
from whmcs_bridge.policy.rules import Resolved, resolve_kept
from whmcs_bridge.policy.stages import later


def note_deleted(ports: Ports, facts: ServiceFacts) -> None:
    """A hook told that WHMCS deletes the record: keep whose account it was, and how long its backups are kept.

    The caller holds the journal's writer.
    """
    remember(ports, facts)
    service, product, group = facts.service, facts.product, facts.client.group
    if any(not _is_over(record, ports.today()) for record in ports.journal.deletions.gone(service.id)):
        return
    view, _ = view_of(facts, ports.settings.policy, ports.today())
    days = facts.case.kept_days.get(DELETE_KEY, view.rules.delete_backups_after_days)
    record = GoneRecord(
        service.id,
        service.client_id,
        ports.today(),
        days,
        product=service.product_id,
        product_group=(product.group if product else "") or service.group,
        product_type=product.type if product else "",
        client_group=group.name if group else "",
    )
    ports.journal.deletions.save_gone(record)


def _is_over(record: GoneRecord, today: date) -> bool:
    """The record is about an earlier deletion: it is done with, or WHMCS has had the service since it was missing."""
    return record.done or bool(record.empty_on and record.empty_on[-1] < today)


def watch(ports: Ports) -> list[Note]:
    """Ask WHMCS once a day for each deleted record; return what staff has to do where no panel can confirm."""
    notes: list[Note] = []
    for record in ports.journal.deletions.gone():
        after = _kept_longer(ports, _asked_once_more(ports, record))
        if after != record:
            ports.journal.deletions.save_gone(after)
        if after.done or after.ended_on is None:
            continue
        if record.ended_on is None:
            _end_accounts(ports, after)
        if not _confirmable(ports, after.service):
            text = f"service {after.service} was deleted in WHMCS, and nothing confirms that its account is gone"
            todo = "look whether the account is gone from its server, and delete its backups by hand"
            notes.append(Note("backups-of-deleted", text, todo, after.client, after.service))
    return notes


def _asked_once_more(ports: Ports, record: GoneRecord) -> GoneRecord:
    """Return the record after today's question; one that WHMCS has, or whose backups are gone, is done with."""
    plan = ports.journal.deletions.plan_of(record.service)
    ended = record.ended_on is not None
    if ended and plan is not None and plan.state is PlanState.DONE and _is_of(ports, plan, record):
        return replace(record, done=True)
    if ports.today() in record.empty_on or ended:
        return record
    try:
        found = ports.panel.service(record.service)
    except BridgeError:
        return record
    return (
        replace(record, done=True) if found is not None else replace(record, empty_on=(*record.empty_on, ports.today()))
    )


def _is_of(ports: Ports, plan: DeletionPlan, record: GoneRecord) -> bool:
    """The plan is of this end of these accounts, not of one after which the service has lived again."""
    known = ports.journal.deletions.accounts([record.service])
    ends = {(a.server, a.username, a.until or record.told_on) for a in known}
    return ends == {(a.server, a.username, a.until) for a in plan.accounts}


def _end_accounts(ports: Ports, record: GoneRecord) -> None:
    known = ports.journal.deletions.accounts([record.service])
    ports.journal.deletions.save_accounts([replace(a, until=a.until or record.told_on) for a in known])


def _confirmable(ports: Ports, service: ServiceId) -> bool:
    """A panel is configured for every server on which the service had an account."""
    servers = {a.server for a in ports.journal.deletions.accounts([service]) if a.username}
    return bool(servers) and all(any(p.serves(n) for p in ports.account_panels) for n in servers)


def _rules_of(ports: Ports, record: GoneRecord) -> Resolved | None:
    """Return today's rules of such a service; None for records of before what they are found by was kept."""
    if not record.product:
        return None
    found_by = (record.product, record.product_group, record.product_type, record.client_group)
    return resolve_kept(ports.settings.policy, *found_by, record.client, record.service)


def _kept_longer(ports: Ports, record: GoneRecord) -> GoneRecord:
    """Let a policy that keeps backups longer than was said at the end count for it; it may only add to it."""
    resolved = _rules_of(ports, record)
    if resolved is None or not resolved.class_name:
        return record
    return replace(record, keep_days=later(record.keep_days, resolved.rules.delete_backups_after_days))


def due_on(ports: Ports, record: GoneRecord) -> date | None:
    """Return the first day on which the backups may go; None is never, not ended yet, or of no class any more."""
    resolved, days = _rules_of(ports, record), _kept_longer(ports, record).keep_days
    if record.ended_on is None or days is None or (resolved is not None and not resolved.class_name):
        return None
    return record.ended_on + timedelta(days=max(days, 1))


def against_gone(ports: Ports, memory: Memory, record: GoneRecord) -> Waiting | None:
    """Say what stands against the deletion of what a deleted record left, whoever asks; None for nothing.

    A policy of never is none of it: then only a person deletes.
    """
    day, today = due_on(ports, record), ports.today()
    if day is not None and today < day:
        return Waiting("grace", f"its backups are kept until {day - timedelta(days=1)}", day - timedelta(days=1))
    if held := held_by_record(memory.records_of(record.client), record.service, today):
        return Waiting("hold", held)
    for freeze in memory.records_of(record.client):
        if freeze.kind is RecordKind.FREEZE and freeze.protects_on(today):
            return Waiting("freeze", f"frozen until {freeze.until}: {freeze.reason}", freeze.until)
    if wish := standing_wish(ports, record.service):
        return Waiting("handover", f"the client asked for their data on {wish.asked_on}", wish.until)
    return _in_touch(ports, memory, record)


def _in_touch(ports: Ports, memory: Memory, record: GoneRecord) -> Waiting | None:
    """A client in touch holds it for a while, as for a service that WHMCS still has."""
    resolved, today, book = _rules_of(ports, record), ports.today(), ports.mirror.book(record.client)
    if resolved is None or not resolved.rules.recent_contact_days:
        return None
    rules, about = resolved.rules, (None, record.service)
    signs = [
        r.since
        for r in memory.records_of(record.client)
        if r.kind is RecordKind.CONTACT and r.service_id in about and r.sort in ("", "staff", *rules.contact_signs)
    ]
    if "payment" in rules.contact_signs and book is not None:
        signs += [paid.paid_on for paid in book.history if not paid.reversed]
    seen = max((day for day in signs if day <= today), default=None)
    if seen is None or today > seen + timedelta(days=rules.recent_contact_days):
        return None
    if (due_on(ports, record) or today) + timedelta(days=rules.contact_holds_max_days) < today:
        return None
    return Waiting("contact", f"the client was in touch on {seen}", seen + timedelta(days=rules.recent_contact_days))


def steps_of_gone(ports: Ports, memory: Memory) -> Iterator[Step]:
    """Yield the deletions that are due for services whose record is gone."""
    if not ports.stores or ports.settings.policy.approval.get(Kind.DELETE_BACKUPS) == "required":
        return
    today = ports.today()
    for record in ports.journal.deletions.gone():
        if due_on(ports, record) is None or record.service in memory.waits or not _confirmable(ports, record.service):
            continue
        if not memory.scope.everyone or against_gone(ports, memory, record) is not None:
            continue
        yield Step(
            id=f"{Kind.DELETE_BACKUPS}:service:{record.service}@{today}",
            kind=Kind.DELETE_BACKUPS,
            client=record.client,
            service=record.service,
            date=today,
            reason=f"its record was deleted in WHMCS, ended on {record.ended_on}",
            since=record.ended_on,
        )


def is_gone(ports: Ports, step: Step) -> bool:
    """The step is about a service whose record WHMCS has deleted."""
    if step.kind is not Kind.DELETE_BACKUPS or step.service is None:
        return False
    found = ports.journal.deletions.gone(step.service)
    return bool(found) and not found[0].done and found[0].ended_on is not None


def delete_gone(ports: Ports, step: Step) -> str:
    """Delete what such a service left behind; return the evidence in one line. Raises as `erase.delete_for` does."""
    assert step.service is not None
    if ports.panel.service(step.service) is not None:
        raise MovedOn("WHMCS has the service again: nothing is deleted")
    subject, ended = gone_subject(ports, step.service)
    memory = ClientMemory(ports.journal, ports.today(), step.client)
    for record in ports.journal.deletions.gone(step.service):
        if due_on(ports, record) is None:
            raise MovedOn("its backups are not deleted by a run any more")
        if against := against_gone(ports, memory, record):
            raise MovedOn(against.why)
    note = delete_all(ports, subject, ended, may_go(ports, step))
    for record in ports.journal.deletions.gone(step.service):
        ports.journal.deletions.save_gone(replace(record, done=True))
    return note


def gone_subject(ports: Ports, service: ServiceId) -> tuple[Subject, date]:
    """Return whose backups they are where WHMCS has no record any more, and the day of the end.

    Raises UnknownId where no account is known, BridgeError where it is not ended yet or no panel can confirm it.
    """
    known = list(ports.journal.deletions.accounts([service]))
    if not known:
        raise UnknownId(f"WHMCS has no service {service}, and no account of it was ever seen")
    records = ports.journal.deletions.gone(service)
    ended = records[0].ended_on if records else None
    if ended is None:
        seen = len(records[0].empty_on) if records else 0
        raise BridgeError(f"WHMCS's record of service {service} was seen missing on {seen} of 2 days: not ended yet")
    if not _confirmable(ports, service):
        raise BridgeError(f"no [[panel]] says whether the account of service {service} is gone from its server")
    accounts = [replace(a, until=a.until or records[0].told_on) for a in known]
    return subject_for_accounts(ports, service, known[0].client, accounts), ended
