"""AfterModule*Failed: a module said no; nothing has changed, and staff is told once."""

from hooks.about import client_of, service_of, who
from hooks.our_own import our_own
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.carry import where_it_fails
from whmcs_bridge.jobs.staff import REACHED
from whmcs_bridge.policy.decision import Note

MOST_SAID = 500
"""Characters of a module's words that are kept; some print a whole page."""


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Record a failure that was not ours, and open a task: our own runs report theirs."""
    if our_own(event, bridge):
        return
    service = service_of(event)
    what = event.point.removeprefix("AfterModule").removesuffix("Failed").lower()
    said = str(event.vars.get("failureResponseMessage", "")).strip()[:MOST_SAID] or "no reason given"
    text = f"the module could not {what} service {service}: {said}"
    book = bridge.mirror.book_of_service(service) if service is not None else None
    server = next((s.server_id for s in book.services if s.id == service), 0) if book is not None else 0
    pile = where_it_fails(what, server)
    todo = "look at the module queue in WHMCS"
    note = Note(f"module-{what}", text, todo, client_of(event, bridge), service, pile=pile)
    with bridge.journal.writer():
        if service is not None:
            _record(event, bridge, service, said)
        bridge.journal.add_task(note, bridge.today(), by_hand=note.code not in REACHED)


def _record(event: HookEvent, bridge: Bridge, service: ServiceId, said: str) -> None:
    """Add the failure to the service's evidence, once however often it is told."""
    payload = {"kind": "module-failed", "act": event.point, "at": event.at.isoformat(), "by": who(event), "said": said}
    if payload not in bridge.journal.evidence(service):
        bridge.journal.add_evidence(service, event.at, payload)
