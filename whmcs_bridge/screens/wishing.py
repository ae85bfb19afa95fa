"""What a client may ask for on the home page of the client area: a link shows it, a button asks for it, once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.errors import BridgeError
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.jobs.wishes import granted, link_for, promised_until, read_link
from whmcs_bridge.screens.later import look_again_soon
from whmcs_bridge.screens.offers import offers
from whmcs_bridge.screens.words import Speaker

ASKED: Final = "whmcs_bridge_ask"
"""The parameter that carries the token, in the page's address and in the form; the shim forwards it as `ask`."""
CONFIRMED: Final = "yes"
"""What the shim says in `confirmed` where the token came by the form's button, and not by an address."""
OFFERED_AT_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of the token on this page."""

    said: str = ""
    """To be told to the client; "" where nothing was asked."""
    confirm: Mapping[str, str] | None = None
    """Parts of the form that has to be sent first (token, question, button, way back), as HTML; the shim draws it."""


NOTHING_ASKED: Final = Asked()


def answer(
    bridge: Bridge, event: HookEvent, client: ClientId, services: Mapping[ServiceId, ServiceFacts], voice: Speaker
) -> Asked:
    """Record what the form on this page asks for; where only its link was opened, show the form and change nothing.

    Whatever looks at links by itself (a mail program, a browser that reads ahead) asks for nothing. Why a wish is
    refused is staff's to say: the client reads that it was. A service comes back by way of the inbox.
    """
    token = event.vars.get("ask")
    if not isinstance(token, str) or not token:
        return NOTHING_ASKED
    if event.vars.get("confirmed") == CONFIRMED:
        return Asked(_redeemed(bridge, token, client, voice))
    confirm = _form(bridge, token, client, services, voice)
    return Asked(confirm=confirm) if confirm else Asked(voice.say("not_asked"))


def _form(
    bridge: Bridge, token: str, client: ClientId, services: Mapping[ServiceId, ServiceFacts], voice: Speaker
) -> Mapping[str, str]:
    """Return the parts of the form; {} for a token that is nobody's or another client's, and where the rules say no."""
    try:
        wish = read_link(bridge.ports, token)
    except (BridgeError, ValueError):
        return {}
    facts = services.get(wish.service)
    if facts is None or wish.client != client or not granted(bridge.settings.policy, wish.kind):
        return {}
    until = next((until for kind, until in _offered(bridge, facts) if kind is wish.kind), None)
    if until is None:
        return {}
    made = {"ask": token, "text": _text(voice, wish.kind, facts, until)}
    made |= {"button": voice.say("confirm"), "back": voice.say("leave")}
    return {key: escape(value) for key, value in made.items()}


def _redeemed(bridge: Bridge, token: str, client: ClientId, voice: Speaker) -> str:
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
    service = facts.service
    for kind, until in _offered(bridge, facts):
        token = link_for(bridge.ports, kind, service.id, client)
        if token:
            made = {"name": f"whmcs-bridge-{service.id}", "label": _text(voice, kind, facts, until)}
            made["uri"] = f"clientarea.php?{ASKED}={token}"
            yield {key: escape(value) for key, value in made.items()}
            return


def _offered(bridge: Bridge, facts: ServiceFacts) -> Iterator[tuple[RecordKind, date]]:
    """What the rules admit for this service today, a release first, and its last day."""
    policy, today = bridge.settings.policy, bridge.today()
    for offer in sorted(offers(facts, policy, today), key=lambda o: o.kind is not RecordKind.RELEASE):
        if offer.why_not or offer.until is None:
            continue
        if offer.kind is RecordKind.RELEASE:
            yield offer.kind, offer.until
        elif offer.kind is RecordKind.PROMISE:
            yield offer.kind, min(offer.until, promised_until(policy, today))


def _text(voice: Speaker, kind: RecordKind, facts: ServiceFacts, until: date) -> str:
    service = facts.service
    return voice.say(f"ask_{kind.value}", service=service.domain or service.name, date=voice.day(until))
