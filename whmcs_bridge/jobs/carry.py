"""Carry out one step: look again, write it down, do it, read it back, write down how it went."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.case import Case
from whmcs_bridge.domain.facts import Membership, ServiceFacts
from whmcs_bridge.domain.ids import AddonId, GroupId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind
from whmcs_bridge.domain.status import InvoiceStatus, ServiceStatus
from whmcs_bridge.errors import (
    AccountLives,
    BridgeError,
    DatabaseTrouble,
    Locked,
    ModuleFailed,
    MovedOn,
    NoModule,
    OutcomeUnknown,
    WhmcsError,
)
from whmcs_bridge.jobs import erase
from whmcs_bridge.jobs.backup_capture import capture_before_end
from whmcs_bridge.jobs.backup_gone import delete_gone, is_gone
from whmcs_bridge.jobs.hand import Hand, Now
from whmcs_bridge.jobs.membership import group_to_go_back_to
from whmcs_bridge.jobs.notices import message_with
from whmcs_bridge.jobs.pause import held_up
from whmcs_bridge.jobs.report import StepResult
from whmcs_bridge.jobs.requests import forget_refused_end
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy import decide, view_of
from whmcs_bridge.policy.by_hand import same_words
from whmcs_bridge.policy.cases import after_end, after_release, after_suspension
from whmcs_bridge.policy.decision import HARMFUL_SET, Due, Kind, Note
from whmcs_bridge.policy.stages import carries_our_reason, paid_for, reason_for
from whmcs_bridge.ports import StepState


def carry_out(hand: Hand, step: Step) -> StepResult:
    """Carry out one step that is not a notice. Errors become results; only a broken database is raised."""
    if is_gone(hand.ports, step):
        return _of_a_deleted_record(hand, step)
    try:
        now = hand.look(step.client, credit=step.kind in HARMFUL_SET, services=step.service is not None)
        if step.kind is Kind.UNSUSPEND and not _somebody_paid(hand, now, step):
            now = _with_requests(hand, step)
        due = hand.still_due(step, now)
        _owes_on_no_day(hand, step, now)
    except MovedOn as moved:
        return hand.finish(hand.begin(step), step, StepState.SKIPPED, str(moved))
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        return hand.finish(hand.begin(step), step, StepState.FAILED, f"could not look again: {error}")
    if held_up(hand.ports, step):  # a pause may have come while we were reading
        return hand.leave(step)
    before = _before(step, now)
    number = hand.begin(step, note=before)
    try:
        note = DOERS[step.kind](hand, step, due, now)
    except OutcomeUnknown as error:
        return hand.finish(number, step, StepState.UNKNOWN, f"{before}: {error}" if before else str(error))
    except MovedOn as moved:
        _tell_if_alive(hand, step, moved)
        return hand.finish(number, step, StepState.SKIPPED, str(moved))
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        if step.service is not None and isinstance(error, ModuleFailed):
            text = f"{step.kind} of service {step.service} failed: {error}"
            code = f"module-failed:{step.kind}"
            todo = "mend the module or the server; it is tried again by the next run"
            pile = where_it_fails(step.kind, now.facts[step.service].service.server_id)
            hand.notes.append(Note(code, text, todo, step.client, step.service, pile=pile))
        return hand.finish(number, step, StepState.FAILED, str(error))
    return hand.finish(number, step, StepState.DONE, note)


def _of_a_deleted_record(hand: Hand, step: Step) -> StepResult:
    """WHMCS has nothing to look at any more: the journal's identity and the panels say all there is."""
    if held_up(hand.ports, step):
        return hand.leave(step)
    number = hand.begin(step)
    try:
        note = delete_gone(hand.ports, step)
    except MovedOn as moved:
        _tell_if_alive(hand, step, moved)
        return hand.finish(number, step, StepState.SKIPPED, str(moved))
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        return hand.finish(number, step, StepState.FAILED, str(error))
    return hand.finish(number, step, StepState.DONE, note)


def _tell_if_alive(hand: Hand, step: Step, moved: MovedOn) -> None:
    """An ended service's account that its panel still has is skipped every day: nobody would hear of it."""
    if isinstance(moved, AccountLives):
        text = f"service {step.service} has ended in WHMCS, and {moved}"
        todo = "end the account on its server, or set the service's status right; its backups go once it is gone"
        hand.notes.append(Note("backups-account-lives", text, todo, step.client, step.service))


FROM_GROUP = "from group "


def _before(step: Step, now: Now) -> str:
    """Return what the journal has to keep of how things stood, to settle the step if the mirror loses it."""
    vip = step.kind in (Kind.VIP_ADD, Kind.VIP_REMOVE)
    return f"{FROM_GROUP}{int(now.book.client.group_id)}" if vip else ""


def _somebody_paid(hand: Hand, now: Now, step: Step) -> bool:
    facts = now.facts.get(step.service) if step.service is not None else None
    return facts is not None and paid_for(view_of(facts, hand.ports.settings.policy, hand.ports.today())[0])


def _owes_on_no_day(hand: Hand, step: Step, now: Now) -> None:
    """Where our clock may be behind, nobody comes back only because the debt is not due yet by it; raises MovedOn."""
    if step.kind is not Kind.UNSUSPEND or hand.perhaps is None or step.service is None:
        return
    decision = decide(now.facts[step.service], hand.ports.settings.policy, hand.perhaps)
    if not any(due.kind is Kind.UNSUSPEND for due in decision.due):
        raise MovedOn(f"our clock is in doubt, and if today were {hand.perhaps} something would be owed")


def _with_requests(hand: Hand, step: Step) -> Now:
    """The debt went away and nobody paid: did a cancellation request take it?"""
    sweep = hand.ports.panel.cancel_requests()
    for page in sweep:
        hand.ports.mirror.save_cancel_requests(page, 0)
    if not sweep.end.complete:
        raise BridgeError("the cancellation requests could not be read whole")
    return hand.look(step.client)


# --- one function a kind; each returns its evidence ----------------------------------------------


@contextmanager
def _reading_back(what: str) -> Iterator[None]:
    """WHMCS accepted the step: what cannot be read back now is not known, and no failure; the next run finds out."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except WhmcsError as error:
        raise OutcomeUnknown(f"{what}: accepted by WHMCS, but it could not be read back: {error}") from error


def _read_back(hand: Hand, service: ServiceId, wanted: Callable[[Service], bool], what: str) -> Service:
    """Read the service, keep it in the mirror, and make sure that what we asked for is what there is."""
    with _reading_back(what):
        found = hand.ports.panel.service(service)
    if found is None:
        raise BridgeError(f"{what}: WHMCS does not list the service any more")
    hand.ports.mirror.save_service_live(found)
    if not wanted(found):
        raise BridgeError(f"{what}: WHMCS said success, but the service is {found.status} ({found.suspension_reason})")
    return found


def _suspend(hand: Hand, step: Step, due: Due, now: Now) -> str:
    assert step.service is not None
    facts = now.facts[step.service]
    staffs = step.by_hand is not None and step.by_hand.staffs
    reason = step.by_hand.reason if step.by_hand is not None and staffs else reason_for(due.invoices)
    by_status = without_module(facts)
    if not by_status:
        try:
            hand.ports.panel.suspend(step.service, reason)
        except NoModule:
            by_status = True
    if by_status:
        hand.ports.panel.set_service_status(step.service, ServiceStatus.SUSPENDED, reason)
        hand.tell_staff(no_module_note(step, facts))
    found = _read_back(
        hand,
        step.service,
        lambda s: suspended_as_asked(s, step),
        "suspend",
    )
    if not staffs:
        hand.memory.keep(after_suspension(hand.memory.case(step.service), facts, step.date))
    message_with(hand, step, due.message, facts, now)
    return f"{found.status}: {found.suspension_reason}" + (" (by status, no module)" if by_status else "")


def suspended_as_asked(service: Service, step: Step) -> bool:
    """It is down with the reason that the step gives it: ours, or the staff's own, which no payment lifts."""
    if service.status is not ServiceStatus.SUSPENDED:
        return False
    if step.by_hand is not None and step.by_hand.staffs:
        return same_words(service.suspension_reason, step.by_hand.reason)
    return carries_our_reason(service.suspension_reason)


def where_it_fails(what: str, server: int) -> str:
    """Name the one cause when a server is down and nothing on it can be done."""
    return f"{what} fails on server {server}" if server else f"{what} fails for services without a server"


def without_module(facts: ServiceFacts) -> bool:
    """A product without a module: WHMCS switches nothing, only the status can be set."""
    return facts.product is not None and not facts.product.module


_BY_HAND: Mapping[Kind, tuple[ServiceStatus, str]] = {
    Kind.SUSPEND: (ServiceStatus.SUSPENDED, "switch it off by hand"),
    Kind.UNSUSPEND: (ServiceStatus.ACTIVE, "switch it on by hand"),
    Kind.TERMINATE: (ServiceStatus.TERMINATED, "remove it by hand"),
}


def no_module_note(step: Step, facts: ServiceFacts) -> Note:
    """What staff is told when only a status was set."""
    status, todo = _BY_HAND[step.kind]
    text = f"service {step.service} ({facts.service.name}) has no module: only its status was set to {status}"
    return Note("no-module", text, todo, step.client, step.service)


def _unsuspend(hand: Hand, step: Step, due: Due, now: Now) -> str:
    assert step.service is not None
    facts = now.facts[step.service]
    by_status = without_module(facts)
    if not by_status:
        try:
            hand.ports.panel.unsuspend(step.service)
        except NoModule:
            by_status = True
    if by_status:
        hand.ports.panel.set_service_status(step.service, ServiceStatus.ACTIVE, "")
        hand.tell_staff(no_module_note(step, facts))
    _read_back(hand, step.service, lambda s: s.status is ServiceStatus.ACTIVE, "unsuspend")
    on_trust = released_on_trust(step, facts.client.records)
    hand.memory.keep(after_release(hand.memory.case(step.service), step.date, on_trust=on_trust))
    message_with(hand, step, due.message, facts, now)
    return "Active"


def released_on_trust(step: Step, records: Iterable[Record]) -> bool:
    """The clock of the end goes on: it came back under a trust release, and not because it was taken down wrongly."""
    if step.by_hand is not None and step.by_hand.undoes:
        return False
    return any(
        r.kind is RecordKind.RELEASE and r.service_id == step.service and r.protects_on(step.date) for r in records
    )


def _terminate(hand: Hand, step: Step, due: Due, now: Now) -> str:
    assert step.service is not None
    facts = now.facts[step.service]
    erase.remember(hand.ports, facts)
    capture_before_end(hand.ports, step.service)
    by_status = without_module(facts)
    if not by_status:
        try:
            hand.ports.panel.terminate(step.service)
        except NoModule:
            by_status = True
    if by_status:
        hand.ports.panel.set_service_status(step.service, ServiceStatus.TERMINATED)
        hand.tell_staff(no_module_note(step, facts))
    found = _read_back(hand, step.service, lambda s: s.status is not None and s.status.ended, "terminate")
    hand.memory.keep(after_end(hand.memory.case(step.service), step.date))
    hand.ports.journal.drop_approval(step.service, Kind.TERMINATE)
    if due.by_request:
        forget_refused_end(hand.ports.journal, step.service)
        _say_cancelled(hand, step.service)
    closed = [_close(hand, a.id) for a in facts.client.addons.values() if _closes_with(a.service_id, a.status, step)]
    message_with(hand, step, due.message, facts, now)
    return f"{found.status}" + (f", addons {', '.join(closed)}" if closed else "")


def _say_cancelled(hand: Hand, service: ServiceId) -> None:
    """WHMCS's own word for an end on request (facts sheet 10.2); the end has been read back, whatever becomes of it."""
    with suppress(WhmcsError):
        hand.ports.panel.set_service_status(service, ServiceStatus.CANCELLED)


def _closes_with(service: ServiceId, status: ServiceStatus | None, step: Step) -> bool:
    return service == step.service and status is not None and status.living


def _close(hand: Hand, addon: AddonId) -> str:
    """Close an addon of an ended service; what fails is left to the next run, which sees it still open."""
    try:
        hand.ports.panel.set_addon_status(addon, ServiceStatus.TERMINATED)
    except BridgeError as error:
        return f"{addon} not closed ({error})"
    return f"{addon} closed"


def _addon_status(status: ServiceStatus) -> Callable[[Hand, Step, Due, Now], str]:
    def act(hand: Hand, step: Step, due: Due, now: Now) -> str:
        hand.ports.panel.set_addon_status(AddonId(step.target), status)
        with _reading_back(f"addon {step.target}"):
            found = next((a for a in hand.ports.panel.addons_of(step.client) if a.id == step.target), None)
        if found is None or found.status is not status:
            raise BridgeError(f"addon {step.target}: WHMCS said success, but it is {found.status if found else 'gone'}")
        assert step.service is not None
        case = hand.memory.case(step.service)
        hand.memory.keep(_addons_after(case, step.target, status))
        return str(status)

    return act


def _addons_after(case: Case, addon: int, status: ServiceStatus) -> Case:
    others = tuple(a for a in case.addons_down if a != addon)
    return replace(case, addons_down=(*others, addon) if status is ServiceStatus.SUSPENDED else others)


def _cancel_invoice(hand: Hand, step: Step, due: Due, now: Now) -> str:
    hand.ports.panel.cancel_invoice(InvoiceId(step.target))
    for _, found in hand.ports.panel.invoices([InvoiceId(step.target)]):
        if isinstance(found, BridgeError):
            with _reading_back(f"invoice {step.target}"):
                raise found
        if found.status is not InvoiceStatus.CANCELLED:
            raise BridgeError(f"invoice {step.target}: WHMCS said success, but it is {found.status}")
        hand.ports.mirror.save_invoice(found, hand.ports.now())
    return "Cancelled"


def _vip(joins: bool) -> Callable[[Hand, Step, Due, Now], str]:
    def act(hand: Hand, step: Step, due: Due, now: Now) -> str:
        ports = hand.ports
        vip = ports.settings.policy.vip
        group = ports.mirror.group_named(vip.group) if vip else None
        assert vip is not None
        assert group is not None
        membership = hand.memory.membership(step.client)
        before = ports.panel.client(step.client).group_id
        if before != now.book.client.group_id:
            ports.mirror.save_client_group(step.client, before)
            raise MovedOn(f"the client's group changed from {now.book.client.group_id} to {before}")
        target = group.id if joins else group_to_go_back_to(ports.mirror, membership, group.id)
        if step.by_hand is not None:
            target = GroupId(step.target)
        ports.panel.set_group(step.client, target)
        with _reading_back("group"):
            after = ports.panel.client(step.client).group_id
        if after != target:
            raise BridgeError(f"group: WHMCS said success, but the client is in group {after}")
        ports.mirror.save_client_group(step.client, after)
        moved = moved_membership(
            membership, joins=joins, before=int(before), today=step.date, taken_back=step.by_hand is not None
        )
        hand.memory.keep_membership(step.client, moved)
        return f"group {before} -> {after}"

    return act


def moved_membership(
    membership: Membership, *, joins: bool, before: int, today: date, taken_back: bool = False
) -> Membership:
    """Return the membership after we moved the client; one that a person took back counts as made by hand.

    The same again for one that is kept already: a run may have died before it wrote the step's end down.
    """
    began = membership.member_since or membership.last_member_since
    if taken_back and not joins:
        return Membership(None, today, None, membership.previous_group, today, began)
    if joins:
        by_hand = membership.set_by_hand_on if membership.removed_by_us_on is not None else None
        return Membership(today, today, None, before, by_hand)
    return Membership(None, today, today, membership.previous_group, membership.set_by_hand_on, began)


def _delete_backups(hand: Hand, step: Step, due: Due, now: Now) -> str:
    assert step.service is not None
    note = erase.delete_for(hand.ports, now.facts[step.service], step)
    hand.memory.keep(replace(hand.memory.case(step.service), erased_on=step.date))
    return note


DOERS: Mapping[Kind, Callable[[Hand, Step, Due, Now], str]] = {
    Kind.SUSPEND: _suspend,
    Kind.UNSUSPEND: _unsuspend,
    Kind.TERMINATE: _terminate,
    Kind.SUSPEND_ADDON: _addon_status(ServiceStatus.SUSPENDED),
    Kind.UNSUSPEND_ADDON: _addon_status(ServiceStatus.ACTIVE),
    Kind.CLOSE_ADDON: _addon_status(ServiceStatus.TERMINATED),
    Kind.CANCEL_INVOICE: _cancel_invoice,
    Kind.VIP_ADD: _vip(True),
    Kind.VIP_REMOVE: _vip(False),
    Kind.DELETE_BACKUPS: _delete_backups,
}
