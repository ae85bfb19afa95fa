"""AfterModule*Failed: a module said no; nothing has changed, and staff is told once."""

from hooks.about import client_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.jobs.carry import where_it_fails
from whmcs_bridge.jobs.staff import REACHED
from whmcs_bridge.policy.decision import Note


def handle(event: HookEvent, bridge: Bridge) -> None:
    """Open a task for a failure that was not ours: our own runs report theirs."""
    if event.actor == Actor.API:
        return
    service = service_of(event)
    what = event.point.removeprefix("AfterModule").removesuffix("Failed").lower()
    said = str(event.vars.get("failureResponseMessage", "")).strip() or "no reason given"
    text = f"the module could not {what} service {service}: {said}"
    book = bridge.mirror.book_of_service(service) if service is not None else None
    server = next((s.server_id for s in book.services if s.id == service), 0) if book is not None else 0
    pile = where_it_fails(what, server)
    todo = "look at the module queue in WHMCS"
    note = Note(f"module-{what}", text, todo, client_of(event, bridge), service, pile=pile)
    with bridge.journal.writer():
        bridge.journal.add_task(note, bridge.today(), by_hand=note.code not in REACHED)
