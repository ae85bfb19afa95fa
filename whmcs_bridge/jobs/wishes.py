"""What clients ask for themselves: a release or a promise, by a signed link or by words in a ticket, each once."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from whmcs_bridge.domain.facts import ServiceFacts
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import RecordRefused, UnknownId
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.explain import judged_now
from whmcs_bridge.jobs.records import add_record
from whmcs_bridge.policy import view_of
from whmcs_bridge.policy.rules import Policy
from whmcs_bridge.policy.stages import is_ours

AUTHOR: Final = "client"
KINDS: Final = (RecordKind.RELEASE, RecordKind.PROMISE)
_PURPOSE: Final = b"whmcs-bridge: a client's own wish\n"
"""What else is signed with the same secret is no wish."""
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What a link asks for, for whom, until when."""

    kind: RecordKind
    service: ServiceId
    client: ClientId
    expires: datetime


def granted(policy: Policy, kind: RecordKind) -> bool:
    """Return whether clients may ask for this kind themselves."""
    if kind is RecordKind.RELEASE:
        return policy.trust_release.on_request
    return kind is RecordKind.PROMISE and policy.promises.on_request


# --- links ------------------------------------------------------------------------------------------


def link_for(ports: Ports, kind: RecordKind, service: ServiceId, client: ClientId) -> str:
    """Return the token of a link that asks for this; "" where clients may not, or nothing is there to sign with.

    The token is the same all day, so that it works once however often the page is looked at.
    """
    policy, secret = ports.settings.policy, ports.settings.hooks.secret
    if secret is None or not policy.requests.link or not granted(policy, kind):
        return ""
    midnight = datetime.combine(ports.today(), time(), ports.now().tzinfo)
    expires = int((midnight + timedelta(days=1, hours=policy.requests.link_hours)).timestamp())
    body = f"{kind.value}.{service}.{client}.{expires}"
    return f"{body}.{_signature(secret.reveal(), body)}"


def read_link(ports: Ports, token: str) -> Wish:
    """Return what a token asks for; raises RecordRefused for one that is not ours, changed, or too old."""
    secret = ports.settings.hooks.secret
    body, _, signature = token[:_LONGEST].rpartition(".")
    if secret is None or not body or not hmac.compare_digest(_signature(secret.reveal(), body), signature):
        raise RecordRefused("the link is not one of ours, or not all of it came; open it from the client area again")
    kind, service, client, expires = body.split(".")
    wish = Wish(
        RecordKind(kind), ServiceId(int(service)), ClientId(int(client)), datetime.fromtimestamp(int(expires), UTC)
    )
    if ports.now() >= wish.expires:
        raise RecordRefused("the link is too old; open it from the client area again")
    return wish


def _signature(secret: str, body: str) -> str:
    return hmac.new(secret.encode(), _PURPOSE + body.encode(), hashlib.sha256).hexdigest()


def redeem(ports: Ports, token: str, client: ClientId) -> Record:
    """Record what the link asks for, once; `client` is who is logged in. Call it under the writer's lock.

    Raises RecordRefused for a link that is not this client's, too old, used already, or where the rules say no.
    """
    wish = read_link(ports, token)
    if wish.client != client:
        raise RecordRefused("the link is another client's")
    return ask(ports, wish.kind, wish.service, client, f"link {token.rpartition('.')[2][:16]}")


# --- asking -----------------------------------------------------------------------------------------


def ask(ports: Ports, kind: RecordKind, service: ServiceId, client: ClientId, how: str) -> Record:
    """Judge and record a client's own wish under the rules that staff is judged by; each `how` works once.

    Raises RecordRefused, UnknownId. Call it under the writer's lock.
    """
    policy, today = ports.settings.policy, ports.today()
    if not granted(policy, kind):
        raise RecordRefused(f"clients may not ask for a {kind} themselves ([requests])")
    if any(record.how == how for record in ports.journal.records(client=client)):
        raise RecordRefused("this was asked for already; it works once")
    wanted = Record(
        0,
        kind,
        RecordState.OPEN,
        AUTHOR,
        f"asked for by the client ({how})",
        today,
        today,
        promised_until(policy, today) if kind is RecordKind.PROMISE else None,
        client_id=client,
        service_id=service,
        how=how,
    )
    return add_record(ports, wanted)


def promised_until(policy: Policy, today: date) -> date:
    """Return the last day of a promise that a client makes by a request today."""
    return today + timedelta(days=min(policy.requests.promise_days, policy.promises.max_days))


def ask_by_ticket(ports: Ports, client: ClientId, ticket: int, subject: str) -> Record | None:
    """Take a ticket with one of the house's phrases as a wish: a release of the one service that is down for debt,
    else a promise for the one that is overdue. None where it is none, or where more than one could be meant.

    Raises RecordRefused where the rules say no. Call it under the writer's lock.
    """
    phrases, said = ports.settings.policy.requests.ticket_phrases, " ".join(subject.casefold().split())
    if not any(" ".join(phrase.casefold().split()) in said for phrase in phrases):
        return None
    down, owing = _meant(ports, client)
    kind, services = (RecordKind.RELEASE, down) if down else (RecordKind.PROMISE, owing)
    if len(services) != 1 or not granted(ports.settings.policy, kind):
        return None
    return ask(ports, kind, services[0].service.id, client, f"ticket {ticket}")


def _meant(ports: Ports, client: ClientId) -> tuple[list[ServiceFacts], list[ServiceFacts]]:
    """Return the client's services that are down for debt, and those that are up and owe."""
    book = ports.mirror.book(client)
    if book is None:
        raise UnknownId(f"no client {client} in the mirror")
    now, _ = judged_now(ports, book)
    policy, today = ports.settings.policy, ports.today()
    down = [f for f in now.facts.values() if is_ours(view_of(f, policy, today)[0])]
    owing = [f for number, f in now.facts.items() if f not in down and now.decisions[number].debts]
    return down, owing
