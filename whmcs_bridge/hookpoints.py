"""The contract between whatever delivers WHMCS's hook events and the handlers in `hooks/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from whmcs_bridge.domain.book import Service
from whmcs_bridge.domain.told import Told

if TYPE_CHECKING:
    from whmcs_bridge.bridge import Bridge


_DIGITS = 10
"""WHMCS's numbers are INT; a longer text is none of them."""


class Actor(StrEnum):
    """Who made WHMCS do what the event tells of (facts sheet 11.1, "Who acts")."""

    ADMIN = "admin"
    """A person of the staff, in the admin area."""
    CRON = "cron"
    API = "api"
    PAYMENT = "payment"
    """A payment that was just booked."""
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One hook point that WHMCS called, with the scalars that the shim forwards."""

    point: str
    vars: Mapping[str, object]
    at: datetime
    """Aware, in the house's time zone."""
    actor: str = Actor.API
    who: str = ""
    """Name or number of the person, where there is one."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the shim read through localAPI in the same request, so that no call back is needed: the client's number,
    the invoice that is being paid."""
    told: Told | None = None
    """The client's whole position, where the shim could read it; else the mirror's is taken."""
    services: tuple[Service, ...] = ()
    """Told of a client who goes: its services as WHMCS had them then, as far as they could be read."""

    def number(self, *names: str) -> int:
        """Return the first of the named variables that holds a number above 0, else 0.

        Module hooks hold theirs in `params` (facts sheet 11.2).
        """
        params = self.vars.get("params")
        places = (self.vars, params) if isinstance(params, dict) else (self.vars,)
        for name in names:
            for place in places:
                if name not in place:
                    continue
                text = str(place[name]).strip()
                if text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text):
                    return int(text)
        return 0

    @property
    def by_person(self) -> bool:
        """Somebody of the staff clicked."""
        return self.actor == Actor.ADMIN


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ask gets: whether WHMCS has to leave it, and why in one line."""

    abort: bool
    reason: str = ""
    ours: bool = False
    """It was the bridge's own call, known by its open journal step: let through without a judgement."""


@dataclass(frozen=True, slots=True)
class Tell:
    """A hook point whose reply WHMCS ignores: handled after the fact, by reading again."""

    handle: Callable[[HookEvent, "Bridge"], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """A hook point that waits for an answer. `note` records an act that was let through without asking us."""

    handle: Callable[[HookEvent, "Bridge"], Answer]
    note: Callable[[HookEvent, "Bridge"], None] | None = None


def default_answer(event: HookEvent) -> Answer:
    """Return what the shim answers when the bridge cannot be asked (design.md section 8).

    A person is let through. For the cron, payments and the API, an unsuspension passes, a suspension
    returns tomorrow, a termination waits.
    """
    if event.by_person or event.point not in ("PreModuleSuspend", "PreModuleTerminate"):
        return Answer(False, "the bridge is away")
    return Answer(True, "the bridge is away; asked again by the next cron")
