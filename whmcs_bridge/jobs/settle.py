"""Find out, by reading, what became of steps that were sent and not answered. Nothing is ever blindly repeated."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, GroupId, InvoiceId
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked
from whmcs_bridge.jobs.carry import (
    FROM_GROUP,
    moved_membership,
    no_module_note,
    released_on_trust,
    suspended_as_asked,
    without_module,
)
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.facts import Memory, facts_of
from whmcs_bridge.jobs.mails import Concern, compose, find_sent, pattern_of
from whmcs_bridge.jobs.notices import remember_notice
from whmcs_bridge.jobs.others import log_says
from whmcs_bridge.jobs.owed import FOUND_OUT
from whmcs_bridge.jobs.requests import forget_refused_end
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import decide
from whmcs_bridge.policy.cases import after_end, after_hand_back, after_release, after_suspension
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.stages import carries_our_reason
from whmcs_bridge.ports import JournalStep, StepState

Verdict = tuple[bool, str]
"""Whether the step took effect, and what was read."""


def settle(ports: Ports, memory: Memory, client: ClientId | None = None) -> list[str]:
    """Settle every open step; return what could not be found out, one line each. Those stay open.

    `client`: only that client's, and no mails, which WHMCS may not have in its log so soon.
    """
    problems: list[str] = []
    for entry in ports.journal.open_steps():
        if client is not None and (entry.step.client != client or entry.step.kind is Kind.NOTICE):
            continue
        try:
            done, note = ASK[entry.step.kind](ports, memory, entry)
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError as error:
            problems.append(f"{entry.step.kind} of {entry.step.subject}, sent {entry.begun_at:%Y-%m-%d %H:%M}: {error}")
            continue
        state = StepState.DONE if done else StepState.FAILED
        if done:
            _tell_of_missing_module(ports, memory, entry.step)
        ports.journal.end(entry.number, state, ports.now(), f"{FOUND_OUT}: {note}")
        if not done and entry.step.service is not None and entry.step.kind in (Kind.SUSPEND, Kind.TERMINATE):
            memory.acted.discard(entry.step.service)
    return problems


def _facts_of_service(ports: Ports, memory: Memory, step: Step) -> ServiceFacts | None:
    """The service as the mirror has it."""
    book = ports.mirror.book(step.client)
    if book is None:
        return None
    return next((f for f in facts_of(book, memory, complete=False)[1] if f.service.id == step.service), None)


def _tell_of_missing_module(ports: Ports, memory: Memory, step: Step) -> None:
    """The run that did it may have died before it told staff that nothing was switched."""
    if step.kind in (Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE):
        facts = _facts_of_service(ports, memory, step)
        if facts is not None and without_module(facts):
            ports.journal.add_task(no_module_note(step, facts), ports.today())


def _suspended(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    assert step.service is not None
    found = ports.panel.service(step.service)
    done = found is not None and suspended_as_asked(found, step)
    if done and step.by_hand is not None and step.by_hand.staffs:
        return True, f"{found.status if found else ''}: {step.by_hand.reason}"
    if done:
        facts = _facts_of_service(ports, memory, step)
        case = memory.case(step.service)
        if facts is not None:
            memory.keep(after_suspension(case, facts, step.date))
        else:
            memory.keep(
                replace(case, opened_on=case.opened_on or step.date, suspended_on=step.date, last_act_on=step.date)
            )
    elif found is not None and log_says(ports, step.service, Kind.SUSPEND, entry.begun_at):
        return True, f"{found.status}, after WHMCS's log says that it was suspended: somebody has undone it"
    return done, f"{found.status if found else 'not listed'}"


def _released(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    assert step.service is not None
    found = ports.panel.service(step.service)
    done = found is not None and found.status is ServiceStatus.ACTIVE
    if done:
        on_trust = released_on_trust(step, memory.records_of(step.client))
        memory.keep(after_release(memory.case(step.service), step.date, on_trust=on_trust))
    return done, f"{found.status if found else 'not listed'}"


def _handed_back(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    assert step.service is not None
    found = ports.panel.service(step.service)
    done = found is not None and not carries_our_reason(found.suspension_reason)
    if done:
        memory.keep(after_hand_back(memory.case(step.service)))
    return done, f"{found.status}: {found.suspension_reason or 'no reason'}" if found else "not listed"


def _ended(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    assert step.service is not None
    found = ports.panel.service(step.service)
    done = found is not None and found.status is not None and found.status.ended
    if done:
        memory.keep(after_end(memory.case(step.service), step.date))
        ports.journal.drop_approval(step.service, Kind.TERMINATE)
        forget_refused_end(ports.journal, step.service)
    return done, f"{found.status if found else 'not listed'}"


def _addon(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    found = next((a for a in ports.panel.addons_of(step.client) if a.id == step.target), None)
    wanted = {
        Kind.SUSPEND_ADDON: ServiceStatus.SUSPENDED,
        Kind.UNSUSPEND_ADDON: ServiceStatus.ACTIVE,
        Kind.CLOSE_ADDON: ServiceStatus.TERMINATED,
    }[step.kind]
    done = found is not None and found.status is wanted
    if done and step.service is not None:
        case = memory.case(step.service)
        others = tuple(a for a in case.addons_down if a != step.target)
        down = (*others, step.target) if wanted is ServiceStatus.SUSPENDED else others
        memory.keep(replace(case, addons_down=down))
    return done, f"{found.status if found else 'not listed'}"


def _invoice(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    for _, found in ports.panel.invoices([InvoiceId(entry.step.target)]):
        if isinstance(found, BridgeError):
            raise found
        return found.status is InvoiceStatus.CANCELLED, str(found.status)
    raise BridgeError(f"invoice {entry.step.target} could not be read")


def _membership(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    step = entry.step
    vip = ports.settings.policy.vip
    group = ports.mirror.group_named(vip.group) if vip else None
    details = ports.panel.client(step.client)
    seen = _group_before(ports, entry)
    ports.mirror.save_client_group(step.client, GroupId(details.group_id))
    joins = step.kind is Kind.VIP_ADD
    done = group is not None and (details.group_id == group.id) is joins
    if done:
        known = memory.membership(step.client)
        before = seen if group is not None and seen != group.id else known.previous_group or 0
        taken_back = step.by_hand is not None
        moved = moved_membership(known, joins=joins, before=before, today=step.date, taken_back=taken_back)
        memory.keep_membership(step.client, moved)
    return done, f"group {details.group_id}"


def _group_before(ports: Ports, entry: JournalStep) -> int:
    """Return the client's group before the step: as the journal has it, since a power cut can take the mirror back."""
    kept = re.match(rf"{FROM_GROUP}(\d+)", entry.note)
    if kept:
        return int(kept[1])
    book = ports.mirror.book(entry.step.client)  # begun by a version that did not write it down
    return int(book.client.group_id) if book is not None else 0


def _notice(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    """Look for the mail in WHMCS's log: by its subject, or by its template's."""
    step = entry.step
    book = ports.mirror.book(step.client)
    if book is None or step.service is None:
        raise BridgeError("the client is not in the mirror yet")
    facts = next((f for f in facts_of(book, memory, complete=False)[1] if f.service.id == step.service), None)
    if facts is None:
        raise BridgeError("the service is not in the mirror yet")
    subject = entry.note
    if not subject:
        decision = decide(facts, ports.settings.policy, step.date)
        subject = compose(ports, step.message, [Concern(step, facts, decision)]).subject
    found = find_sent(ports, subject, step.client, step.date) if subject else _by_template(ports, step)
    if found:
        remember_notice(memory, step)
    return bool(found), "in WHMCS's mail log" if found else "not in WHMCS's mail log"


def _by_template(ports: Ports, step: Step) -> bool:
    message = ports.settings.policy.messages.get(step.message)
    name = message.template if message and message.template else step.message
    subjects = ports.panel.template_subjects(name)
    patterns = [pattern_of(s) for s in subjects]
    if not patterns:
        raise BridgeError(f"the subject of template {name} cannot be read")
    return any(
        mail.at is not None and mail.at.date() >= step.date and any(p.fullmatch(mail.subject) for p in patterns)
        for mail in ports.panel.emails(step.client, step.date)
    )


def _erased(ports: Ports, memory: Memory, entry: JournalStep) -> Verdict:
    service = entry.step.service
    if service is not None and memory.case(service).erased_on is not None:
        return True, "every store was listed and had nothing left"
    return False, "the deletion is looked at again from the start; what is gone is not deleted twice"


ASK: Mapping[Kind, Callable[[Ports, Memory, JournalStep], Verdict]] = {
    Kind.SUSPEND: _suspended,
    Kind.UNSUSPEND: _released,
    Kind.HAND_BACK: _handed_back,
    Kind.TERMINATE: _ended,
    Kind.SUSPEND_ADDON: _addon,
    Kind.UNSUSPEND_ADDON: _addon,
    Kind.CLOSE_ADDON: _addon,
    Kind.CANCEL_INVOICE: _invoice,
    Kind.VIP_ADD: _membership,
    Kind.VIP_REMOVE: _membership,
    Kind.NOTICE: _notice,
    Kind.DELETE_BACKUPS: _erased,
}
