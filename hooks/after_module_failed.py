"""AfterModule*Failed: a module said no; nothing has changed, and staff is told once."""

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.policy.decision import Note


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Open a task for a failure that was not ours: our own runs report theirs."""
    if event.actor == Actor.API:
        return
    service = service_of(event)
    what = event.point.removeprefix("AfterModule").removesuffix("Failed").lower()
    said = str(event.vars.get("failureResponseMessage", "")).strip() or "no reason given"
    text = f"the module could not {what} service {service}: {said}"
    note = Note(f"module-{what}", text, "look at the module queue in WHMCS", client_of(event, bridge), service)
    with bridge.journal.writer():
        bridge.journal.add_task(note, bridge.today())
