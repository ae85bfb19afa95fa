"""Whose account it was: kept before WHMCS, or a module, forgets it; its backups may have to be deleted later."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from hooks.about import addon_of, service_of
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.backups import ids_among
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.told import Told
from whmcs_bridge.errors import UnknownId
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.erase import remember
from whmcs_bridge.jobs.explain import facts_for

NO_IDS: Final[Mapping[str, str]] = MappingProxyType({})
Keep = Callable[[Ports, ServiceFacts], None]


def keep_account(
    bridge: Bridge,
    service: ServiceId,
    keep: Keep = remember,
    *,
    told: Told | None = None,
    ids: Mapping[str, str] = NO_IDS,
) -> None:
    """Keep the account's identity, as told just now, else as the mirror has it; one that we never saw has none.

    `ids` are those that its module was called with: they count before what is read of it.
    """
    try:
        facts = facts_for(bridge.ports, service, told)
    except UnknownId:
        return
    with bridge.journal.writer():
        keep(bridge.ports, _with_ids(facts, ids))


def ids_in(event: HookEvent, bridge: Bridge) -> dict[str, str]:
    """Return the ids that a module was called with, from the custom fields that [backups] id_fields names."""
    params = event.vars.get("params")
    fields = params.get("customfields") if isinstance(params, dict) else None
    wanted = bridge.settings.policy.backups.id_fields
    return dict(ids_among(fields.items(), wanted)) if isinstance(fields, dict) else {}


def keep_ids(event: HookEvent, bridge: Bridge) -> None:
    """Keep the ids that a module was called with where none of a machine is known: it may just have been made.

    An event may come late; whoever is known by a number by then is known better.
    """
    service, ids = service_of(event), ids_in(event, bridge)
    if service is None or addon_of(event) or not ids:
        return
    if not any(account.is_machine for account in bridge.journal.deletions.accounts([service])):
        keep_account(bridge, service, ids=ids)


def _with_ids(facts: ServiceFacts, ids: Mapping[str, str]) -> ServiceFacts:
    if not ids:
        return facts
    known = tuple(sorted({**dict(facts.service.ids), **ids}.items()))
    return replace(facts, service=replace(facts.service, ids=known))


def keep_accounts(event: HookEvent, bridge: Bridge, client: ClientId, keep: Keep = remember) -> list[ServiceId]:
    """Keep whose accounts all of a client's services are; return them. The caller holds the writer.

    What WHMCS told of them counts, else what the mirror has.
    """
    for service in event.services:
        # a module blanks the name when it ends an account: then the mirror knows better
        if service.client_id == client and (service.username or service.ids):
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
    told, ids = next((one for one in event.services if one.id == service and one.username), None), ids_in(event, bridge)
    if told is None:
        keep_account(bridge, service, ids=ids)
        return
    if bridge.mirror.book_of_service(service) is None:
        bridge.mirror.save_service_live(told)
    keep_account(bridge, service, lambda ports, facts: remember(ports, _with_ids(replace(facts, service=told), ids)))
