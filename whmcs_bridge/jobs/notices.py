"""Send notices: services of one client that have to hear the same share a mail, each once, crashes included."""

from collections.abc import Sequence

from whmcs_bridge.domain.case import SentNotice
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked, MovedOn, OutcomeUnknown
from whmcs_bridge.jobs.facts import Memory
from whmcs_bridge.jobs.hand import Hand, Now
from whmcs_bridge.jobs.mails import MUST_ARRIVE, Concern, compose, reaches_someone, send, whmcs_wrote_today
from whmcs_bridge.jobs.report import StepResult
from whmcs_bridge.plan.build import key_of
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.cases import after_notice
from whmcs_bridge.policy.decision import Kind, Note
from whmcs_bridge.policy.rules import FINAL_WARNING
from whmcs_bridge.ports import StepState


def send_notices(hand: Hand, steps: Sequence[Step]) -> list[StepResult]:
    """Send one mail for these notice steps: one client, one message. Errors become results."""
    client = steps[0].client
    try:
        now = hand.look(client)
        by_whmcs = _whmcs_wrote(hand, now, steps[0])
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        why = f"could not look again: {error}"
        return [hand.finish(hand.begin(step), step, StepState.FAILED, why) for step in steps]
    ready: list[Concern] = []
    results: list[StepResult] = []
    for step in steps:
        try:
            hand.still_due(step, now)
            if by_whmcs:
                _leave_to_whmcs(hand, step)
        except MovedOn as moved:
            results.append(hand.finish(hand.begin(step), step, StepState.SKIPPED, str(moved)))
            continue
        assert step.service is not None
        ready.append(Concern(step, now.facts[step.service], now.decisions[step.service]))
    return results + (_send_one(hand, ready) if ready else [])


def _whmcs_wrote(hand: Hand, now: Now, step: Step) -> bool:
    facts = now.facts.get(step.service) if step.service is not None else None
    if facts is None or step.message == FINAL_WARNING:
        return False
    return hand.whmcs_notices_count(facts) and whmcs_wrote_today(hand.ports, step.client)


def _leave_to_whmcs(hand: Hand, step: Step) -> None:
    """WHMCS wrote about the debt today: a reminder is done with, a warning waits for tomorrow."""
    if step.message in MUST_ARRIVE:
        raise MovedOn("WHMCS wrote about this debt today; the warning goes out tomorrow")
    assert step.service is not None
    notice = SentNotice(step.message, step.day, step.date, True, by_whmcs=True)
    hand.memory.keep(after_notice(hand.memory.case(step.service), notice))
    raise MovedOn("WHMCS wrote about this debt today; its mail counts")


def _send_one(hand: Hand, concerns: Sequence[Concern], after: Step | None = None) -> list[StepResult]:
    """Send one mail; `after` is the step just done that it belongs to: a mailbox went or came with it."""
    name = concerns[0].step.message
    mail = compose(hand.ports, name, concerns)
    # the subject goes into the journal with the beginning: after a crash it is looked for in WHMCS's mail log
    numbers = [hand.begin(c.step, note=mail.subject) for c in concerns]
    try:
        if not reaches_someone(hand.ports, concerns[0].facts, after):
            raise MovedOn("the client's only mailbox is on the suspended domain")
        send(hand.ports, mail)
    except OutcomeUnknown:
        # the subject stays in the journal, and nothing in its place: it is what the next run looks for
        return [hand.finish(n, c.step, StepState.UNKNOWN, mail.subject) for n, c in zip(numbers, concerns, strict=True)]
    except (DatabaseTrouble, Locked):
        raise
    except BridgeError as error:
        for concern in concerns:
            _tell_unsendable(hand, concern.step, error)
        # nobody refused a mail that we did not try to send: it must not open the breaker day after day
        state = StepState.SKIPPED if isinstance(error, MovedOn) else StepState.FAILED
        return [hand.finish(n, c.step, state, str(error)) for n, c in zip(numbers, concerns, strict=True)]
    for concern in concerns:
        remember_notice(hand.memory, concern.step)
    said = mail.subject or mail.template
    return [hand.finish(n, c.step, StepState.DONE, said) for n, c in zip(numbers, concerns, strict=True)]


def remember_notice(memory: Memory, step: Step) -> None:
    """Note in the service's case that the notice went out on the step's day."""
    assert step.service is not None
    delivered = None if step.message in MUST_ARRIVE else True
    notice = SentNotice(step.message, step.day, step.date, delivered)
    memory.keep(after_notice(memory.case(step.service), notice))


def _tell_unsendable(hand: Hand, step: Step, error: BridgeError) -> None:
    text = f"{step.message} for service {step.service} could not be sent: {error}"
    todo = "reach the client another way or mend the mail; the step that needs it waits"
    hand.notes.append(Note(f"mail-failed:{step.message}", text, todo, step.client, step.service))


def message_with(hand: Hand, step: Step, name: str, facts: ServiceFacts, now: Now) -> None:
    """Send the message that belongs to a step just done (suspended, released, ended); its failure undoes nothing."""
    if not name or step.service is None:
        return
    own = Step(
        id=f"{key_of(Kind.NOTICE, step.service, step.client, 0, name)}@{step.date}",
        kind=Kind.NOTICE,
        client=step.client,
        service=step.service,
        date=step.date,
        reason=step.reason,
        invoices=step.invoices,
        amount=step.amount,
        message=name,
        digest=step.digest,
    )
    concern = Concern(own, facts, now.decisions[step.service])
    _send_one(hand, [concern], after=step)
