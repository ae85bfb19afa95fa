"""What a client may ask for on the home page of the client area, and what became of it: links that work once."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.jobs.wishes import link_for, promised_until
from whmcs_bridge.screens.later import look_again_soon
from whmcs_bridge.screens.offers import offers
from whmcs_bridge.screens.words import Speaker

ASKED: Final = "whmcs_bridge_ask"
"""The parameter of the page's address that carries the token; the shim forwards it as `ask`."""
OFFERED_AT_MOST: Final = 5


def answer(bridge: Bridge, event: HookEvent, client: ClientId, voice: Speaker) -> str:
    """Record what the link on this page asks for, and return what to tell the client; "" where nothing was asked.

    Why a wish is refused is staff's to say: the client reads that it was. A service comes back by way of the inbox.
    """
    token = event.vars.get("ask")
    if not isinstance(token, str) or not token:
        return ""
    noting = bridge.noting()
    try:
        kept = noting.redeem_link(token, client)
    except (BridgeError, ValueError):
        return voice.say("not_asked")
    book = bridge.mirror.book(client)
    service = next((s for s in book.services if s.id == kept.service_id), None) if book is not None else None
    if kept.service_id is not None:
        for number in noting.noted:
            look_again_soon(bridge, kept.service_id, number, Actor.CLIENT, "")
    name = (service.domain or service.name) if service is not None else str(kept.service_id)
    return voice.say("asked", service=name, date=voice.day(kept.until or bridge.today()))


def links(bridge: Bridge, client: ClientId, services: Sequence[ServiceFacts], voice: Speaker) -> list[dict[str, Any]]:
    """Return the links under the panel: a release for what is down, else a promise, where the rules admit it.

    WHMCS's menus print name, label and address as they are, so all three are HTML here.
    """
    if not bridge.settings.policy.requests.link:
        return []
    return [link for facts in services[:OFFERED_AT_MOST] for link in _links(bridge, client, facts, voice)]


def _links(bridge: Bridge, client: ClientId, facts: ServiceFacts, voice: Speaker) -> Iterator[dict[str, Any]]:
    policy, today, service = bridge.settings.policy, bridge.today(), facts.service
    for offer in sorted(offers(facts, policy, today), key=lambda o: o.kind is not RecordKind.RELEASE):
        if offer.why_not or offer.until is None or offer.kind not in (RecordKind.RELEASE, RecordKind.PROMISE):
            continue
        token = link_for(bridge.ports, offer.kind, service.id, client)
        if token:
            until = min(offer.until, promised_until(policy, today)) if offer.kind is RecordKind.PROMISE else offer.until
            text = voice.say(f"ask_{offer.kind.value}", service=service.domain or service.name, date=voice.day(until))
            made = {"name": f"whmcs-bridge-{service.id}", "label": text, "uri": f"clientarea.php?{ASKED}={token}"}
            yield {key: escape(value) for key, value in made.items()}
            return
