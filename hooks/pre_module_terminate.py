"""PreModuleTerminate: nothing ends before its stage, and whose account it was is kept before the module forgets it."""

from hooks.a_persons_act import keep_act, persons_answer
from hooks.about import addon_of, service_of
from hooks.answering import answer
from hooks.whose_account import ids_in, keep_account, keep_told_account
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer, HookEvent
from whmcs_bridge.jobs.requests import note_refused_end
from whmcs_bridge.policy.decision import Kind


def handle(event: HookEvent, bridge: Bridge) -> Answer:
    """Let a person, a cancellation request, a fixed term and our own call through; debt only at its stage."""
    service = service_of(event)
    if service is None:
        return Answer(False, "names no service")
    addon = addon_of(event)
    kind = Kind.CLOSE_ADDON if addon else Kind.TERMINATE
    verdict = bridge.may(kind, service, told=event.told, by_person=event.by_person)
    if verdict.ours:
        return Answer(False, verdict.why, ours=True)
    if event.by_person:
        answered = persons_answer(event, bridge, verdict)
    else:
        answered = answer(bridge, verdict.allowed, verdict.why, advisory=verdict.advisory)
    # In shadow mode, where nothing is ever deleted, what the syncs keep of accounts has to do.
    if not addon and not answered.abort and (verdict.allowed or event.by_person):
        keep_account(bridge, service, told=event.told, ids=ids_in(event, bridge))
    return answered


def note(event: HookEvent, bridge: Bridge) -> None:
    """The bridge was away: a person ended the service, or the cron was refused and the next sync has to look at it."""
    service = service_of(event)
    if event.by_person:
        keep_act(event, bridge, "the bridge was away")
    if service is None or addon_of(event):
        return
    if event.by_person:
        keep_told_account(event, bridge, service)
    else:
        note_refused_end(bridge.ports, service)
