"""PreModuleSuspend: WHMCS's cron looks at dates, the bridge at debt."""

from hooks.a_persons_act import keep_act, persons_answer
from hooks.about import addon_of, service_of
from hooks.answering import answer
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer, HookEvent
from whmcs_bridge.jobs.staff import lag_note
from whmcs_bridge.policy.decision import Kind


def handle(event: HookEvent, bridge: Bridge) -> Answer:
    """Let a person and our own call through; refuse the cron what the house's rules do not have due today."""
    service = service_of(event)
    if service is None:
        return Answer(False, "names no service")
    kind = Kind.SUSPEND_ADDON if addon_of(event) else Kind.SUSPEND
    verdict = bridge.may(kind, service, told=event.told, by_person=event.by_person)
    if verdict.ours:
        return Answer(False, verdict.why, ours=True)
    if event.by_person:
        return persons_answer(event, bridge, verdict)
    if not verdict.allowed and verdict.why.startswith("no debt"):
        text = f"WHMCS wanted to suspend service {service}, which owes nothing: its next due date lags behind"
        with bridge.journal.writer():
            bridge.journal.add_task(lag_note(text, None, service), bridge.today(), by_hand=False)
    return answer(bridge, verdict.allowed, verdict.why, advisory=verdict.advisory)


def note(event: HookEvent, bridge: Bridge) -> None:
    """A person suspended while the bridge was away; a cron that was refused asks again tomorrow."""
    if event.by_person:
        keep_act(event, bridge, "the bridge was away")
