"""Messages that belong to a step and were never sent, because the run died or the answer was lost in between."""

from collections.abc import Iterator
from datetime import timedelta

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked
from whmcs_bridge.jobs.hand import Hand
from whmcs_bridge.jobs.notices import message_with
from whmcs_bridge.plan.build import key_of
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.policy.rules import FINAL_WARNING
from whmcs_bridge.policy.stages import carries_our_reason
from whmcs_bridge.ports import JournalStep, StepState

LOOKS_BACK_DAYS = 2
"""A message that is older would only confuse."""
MANY = 100_000
FOUND_OUT = "found out by reading"
"""Begins the journal's note about a step whose outcome a later run read from WHMCS."""
WITH_MESSAGE = (Kind.SUSPEND, Kind.UNSUSPEND, Kind.TERMINATE)


def send_owed(hand: Hand) -> None:
    """Send what the steps of the last days still owe, if the service is as the step left it.

    What cannot be read or sent now stays owed for the next run. A final warning is the policy's own business: it is
    due again by itself.
    """
    for step in _owed(hand):
        try:
            now = hand.look(step.client)
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError:
            continue
        facts = now.facts.get(step.service) if step.service is not None else None
        if facts is not None and _still_true(step, facts):
            message_with(hand, step, step.message, facts, now)


def _owed(hand: Hand) -> Iterator[Step]:
    journal, today = hand.ports.journal, hand.ports.today()
    for day in (today - timedelta(days=n) for n in range(LOOKS_BACK_DAYS, -1, -1)):
        done = [
            entry.step
            for kind in WITH_MESSAGE
            for entry in journal.steps(kind=kind, day=day, limit=MANY)
            if entry.state is StepState.DONE and entry.step.message not in ("", FINAL_WARNING)
        ]
        if not done:
            continue
        told = {
            entry.step.id.rsplit("@", 1)[0]
            for later in {day, today, *(day + timedelta(days=n) for n in range(LOOKS_BACK_DAYS))}
            for entry in journal.steps(kind=Kind.NOTICE, day=later, limit=MANY)
            if not _got_lost(entry) and entry.step.date == day
        }
        for step in done:
            if key_of(Kind.NOTICE, step.service, step.client, 0, step.message) not in told:
                yield step


def _got_lost(notice: JournalStep) -> bool:
    """It was begun and provably never sent; a refusal is not that, staff was told of it."""
    return notice.state is StepState.FAILED and notice.note.startswith(FOUND_OUT)


def _still_true(step: Step, facts: ServiceFacts) -> bool:
    service = facts.service
    match step.kind:
        case Kind.SUSPEND:
            return service.status is ServiceStatus.SUSPENDED and carries_our_reason(service.suspension_reason)
        case Kind.UNSUSPEND:
            return service.status is ServiceStatus.ACTIVE
        case _:
            return service.status is not None and service.status.ended
