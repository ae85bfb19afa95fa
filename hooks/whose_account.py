"""Whose account it was: kept before WHMCS, or a module, forgets it; its backups may have to be deleted later."""

from collections.abc import Callable
from dataclasses import replace

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import remember
from whmcs_bridge.jobs.explain import facts_for

Keep = Callable[[Ports, ServiceFacts], None]


def keep_account(bridge: Bridge, service: ServiceId, keep: Keep = remember, *, told: Told | None = None) -> None:
    """Keep the account's identity, as told just now, else as the mirror has it; one that we never saw has none."""
    try:
        facts = facts_for(bridge.ports, service, told)
    except UnknownId:
        return
    with bridge.journal.writer():
        keep(bridge.ports, facts)


def keep_accounts(event: HookEvent, bridge: Bridge, client: ClientId, keep: Keep = remember) -> list[ServiceId]:
    """Keep whose accounts all of a client's services are; return them. The caller holds the writer.

    What WHMCS told of them counts, else what the mirror has.
    """
    for service in event.services:
        # a module blanks the name when it ends an account: then the mirror knows better
        if service.client_id == client and service.username:
            bridge.mirror.save_service_live(service)
    book = bridge.mirror.book(client)
    services = [service.id for service in book.services] if book is not None else []
    for number in services:
        keep_account(bridge, number, keep)
    return services


def keep_told_account(event: HookEvent, bridge: Bridge, service: ServiceId) -> None:
    """Keep the identity of an account that ended while the bridge was away, as WHMCS told it at that moment.

    What has been read since may have been blanked by the module; where nothing was told, it has to do.
    """
    told = next((one for one in event.services if one.id == service and one.username), None)
    if told is None:
        keep_account(bridge, service)
        return
    if bridge.mirror.book_of_service(service) is None:
        bridge.mirror.save_service_live(told)
    keep_account(bridge, service, lambda ports, facts: remember(ports, replace(facts, service=told)))
