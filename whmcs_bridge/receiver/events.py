"""The event in a request's body: read tolerantly, its oddities named."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.ids import ClientId, ServiceId
from whmcs_bridge.domain.told import Told
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.receiver.refusal import Refusal

VERSION: Final = 1
HIGHEST: Final = 2**31 - 1
"""No number of WHMCS's is higher: its columns are INT."""
MOST_WAIT_SECONDS: Final = 60.0
"""A sender that says more waits in vain: threads are few."""
_ID = re.compile(r"[0-9a-f]{32}")
_SERVICE: Final = ("serviceid",)
_INVOICE: Final = ("invoiceid", "invocieid")
_CLIENT: Final = ("userid", "clientId", "client_id")
_NEEDS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "AddInvoicePayment": (_INVOICE,),
    "AfterClientMerge": (("toUserID",), ("fromUserID",)),
    "AfterModuleSuspend": (_SERVICE,),
    "AfterModuleSuspendFailed": (_SERVICE,),
    "AfterModuleTerminate": (_SERVICE,),
    "AfterModuleTerminateFailed": (_SERVICE,),
    "AfterModuleUnsuspend": (_SERVICE,),
    "AfterModuleUnsuspendFailed": (_SERVICE,),
    "CancellationRequest": (("relid", "serviceid"),),
    "ClientClose": (_CLIENT,),
    "ClientEdit": (_CLIENT,),
    "InvoiceCancelled": (_INVOICE,),
    "InvoiceCreated": (_INVOICE,),
    "InvoicePaid": (_INVOICE,),
    "InvoiceRefunded": (_INVOICE,),
    "InvoiceUnpaid": (_INVOICE,),
    "PreDeleteClient": (_CLIENT,),
    "PreInvoiceAutomaticCancellation": (_INVOICE,),
    "PreModuleSuspend": (_SERVICE,),
    "PreModuleTerminate": (_SERVICE,),
    "PreModuleUnsuspend": (_SERVICE,),
    "ServiceDelete": (_SERVICE,),
    "ServiceEdit": (_SERVICE,),
}
"""What each point has to name (facts sheet 11.2 to 11.4); a ticket may be a guest's, and the cron names nobody."""

_SOME_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""For a look at an event's variables only."""
_EARLIEST, _LATEST = 2000, 2200
"""Years in which WHMCS may have been; further off, a day more or another zone is no date any more."""
_ACTORS: Final = tuple(actor.value for actor in Actor)
ReadFacts = Callable[[Mapping[str, object]], Told | None]
ReadServices = Callable[[Mapping[str, object]], tuple[Service, ...]]
_decode: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as it came."""

    id: str
    """Made by the sender; stays with the event for ever."""
    point: str
    payload: Mapping[str, Any]

    @property
    def answered(self) -> str:
        """What the sender did without us, for an ask that it could not get answered: "abort" or "allow"; else ""."""
        said = self.payload.get("answered")
        return said if said in ("abort", "allow") else ""

    @property
    def wait_seconds(self) -> float:
        """How long the sender waits until what was told is settled; 0: not at all."""
        said = self.payload.get("wait_seconds")
        return float(min(said, MOST_WAIT_SECONDS)) if isinstance(said, int | float) and said > 0 else 0.0


def read(body: bytes, point: str = "") -> Delivery:
    """Read a body that came for `point` ("" for whatever it says). Raises Refusal 400 for what is no event of it."""
    try:
        payload = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(payload, dict):
        raise Refusal(400, "the body is not a JSON object")
    said = payload.get("point")
    if not isinstance(said, str) or said != (point or said):
        raise Refusal(400, "the body is about another hook point")
    given = payload.get("id")
    known = isinstance(given, str) and _ID.fullmatch(given)
    # Without one of its own, the same body is the same event.
    return Delivery(str(given) if known else "body-" + hashlib.sha256(body).hexdigest()[:32], said, payload)


def oddity(delivery: Delivery) -> str:
    """Say why the event cannot be handled as what it says it is, in words of ours only; "" if it can."""
    payload, said = delivery.payload, _malformed(delivery.payload)
    if said:
        return said
    event = HookEvent(delivery.point, payload["vars"], _SOME_TIME)
    for names in _NEEDS.get(delivery.point, ()):
        if not 0 < event.number(*names) <= HIGHEST:
            return f"names no {names[0]}"
    return ""


def _malformed(payload: Mapping[str, Any]) -> str:
    if payload.get("v") != VERSION:
        return f"is of another version than {VERSION}"
    if not isinstance(payload.get("vars"), dict):
        return "has no vars"
    if not isinstance(payload.get("facts", {}), dict | list):
        return "has strange facts"
    if payload.get("actor") not in _ACTORS:
        return "does not say who acts"
    if _moment(payload.get("at")) is None:
        return "does not say when it was"
    return ""


def event_of(
    delivery: Delivery,
    zone: tzinfo | None,
    now: datetime,
    facts: ReadFacts | None = None,
    services: ReadServices | None = None,
) -> HookEvent:
    """Return the event for its handler, as far as it can be read.

    `facts` reads what the sender read of the client for a question, `services` what it read of one who goes.
    """
    payload = delivery.payload
    given, actor = _mapping(payload.get("facts")), payload.get("actor")
    return HookEvent(
        point=delivery.point,
        vars=_mapping(payload.get("vars")),
        at=(_moment(payload.get("at")) or now).astimezone(zone),
        actor=actor if actor in _ACTORS else Actor.API,
        who=str(payload.get("who") or "")[:100],
        facts=given,
        told=facts(given) if facts is not None and given else None,
        services=services(given) if services is not None and given else (),
    )


def client_in(delivery: Delivery) -> ClientId | None:
    """Return the client that the event itself names."""
    named = _number(delivery.payload.get("vars"), "userid", "clientId", "client_id", "toUserID")
    client = named or _number(delivery.payload.get("facts"), "client")
    return ClientId(client) if client else None


def service_in(delivery: Delivery) -> ServiceId | None:
    """Return the service that the event itself names."""
    service = _number(delivery.payload.get("vars"), "serviceid", "relid")
    return ServiceId(service) if service else None


def _number(values: object, *names: str) -> int:
    found = HookEvent("", _mapping(values), _SOME_TIME).number(*names)
    return found if found <= HIGHEST else 0


def _mapping(value: object) -> Mapping[str, Any]:
    """PHP writes an empty map as a list."""
    return value if isinstance(value, dict) else {}


def _moment(value: object) -> datetime | None:
    """Return an aware moment; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        found = found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
        return found if found is not None and _EARLIEST <= found.year <= _LATEST else None
    except (ValueError, OverflowError):
        return None
