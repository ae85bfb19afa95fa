"""What is done with an event, however it came: asks are answered, tells are kept, what was kept is handled."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final

from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import BridgeError, DatabaseTrouble, Locked, OddEvent
from whmcs_bridge.hookpoints import Answer, Ask, HookEvent, Tell, default_answer
from whmcs_bridge.ports import InboxEvent, Journal
from whmcs_bridge.receiver.answering import Remembered, Write, answering
from whmcs_bridge.receiver.events import (
    Delivery,
    ReadFacts,
    ReadServices,
    client_in,
    event_of,
    oddity,
    read,
    service_in,
)
from whmcs_bridge.receiver.refusal import Refusal

OK: Final = 200
ACCEPTED: Final = 202
ANSWERED: Final = "answered"
"""Key of the payload of an ask that was answered without its handler; handled later by its `note`."""

Screen = Callable[[HookEvent, Mapping[str, Any], Bridge], Mapping[str, Any]]
"""Fills a part of one of WHMCS's pages; gets the event and its whole payload."""

log = logging.getLogger("whmcs_bridge.receiver")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an event gets."""

    status: int
    body: Mapping[str, Any]
    outcome: str
    """One word for the log and the metrics."""
    seconds: float = 0.0
    odd: str = ""
    """Why it could not be taken for what it says it is, without a word of what it says."""


@dataclass(slots=True)
class Desk:
    """Events in, replies out. Safe to use from several threads.

    `bridge` answers; `inbox` is where tells are kept, apart from it where both are files, so that no answer waits for
    a tell to reach the disk.
    """

    bridge: Bridge
    handlers: Mapping[str, Ask | Tell]
    facts: ReadFacts | None = None
    inbox: Journal | None = None
    screens: Mapping[str, Screen] = field(default_factory=dict)
    max_body_bytes: int = 64 * 1024
    on_tell: Callable[[], None] = lambda: None
    """Called when something new is in the inbox."""
    put_off: Callable[[Write], object] = lambda write: write()
    """Writes what can wait until WHMCS has its answer."""
    remembered: Remembered = field(default_factory=Remembered)
    pages: Bridge | None = None
    """Fills parts of pages, apart from what answers: a page may read a lot."""
    services: ReadServices | None = None
    """Reads the services that came with what was told."""
    settle: Callable[[float], bool] | None = None
    """Waits at most so many seconds until what was told is settled; says whether it is."""

    @property
    def zone(self) -> tzinfo | None:
        return self.bridge.clock.now().tzinfo

    # --- as it comes ----------------------------------------------------------------------------

    def receive(self, point: str, body: bytes) -> Reply:
        """Answer an ask, or keep a tell, and wait until it is settled where its sender does. Raises Refusal."""
        began = time.perf_counter()
        handler = self.handlers.get(point)
        if handler is None:
            raise Refusal(404, "unknown hook point")
        delivery = self._read(point, body)
        if isinstance(handler, Ask) and not delivery.answered:
            reply = self._ask(handler, delivery)
        else:
            reply = self.keep(delivery)
            if delivery.wait_seconds and self.settle is not None:
                reply = replace(reply, body={**reply.body, "settled": self.settle(delivery.wait_seconds)})
        return replace(reply, seconds=time.perf_counter() - began)

    def show(self, point: str, body: bytes) -> Reply:
        """Fill a part of a page; one that goes wrong is empty. Raises Refusal."""
        began = time.perf_counter()
        screen = self.screens.get(point)
        if screen is None:
            raise Refusal(404, "unknown screen")
        delivery = self._read(point, body)
        try:
            bridge = self.pages or self.bridge
            shown, outcome = screen(self._event(delivery), delivery.payload, bridge), "shown"
            if shown.get("message"):
                self.on_tell()  # something was recorded there, and may have left a client to look at
        except Exception as error:
            shown, outcome = {}, _trouble(point, error)
        return Reply(OK, shown, outcome, time.perf_counter() - began)

    def take_in(self, point: str, body: bytes) -> Reply:
        """Keep an event that has waited elsewhere, also one that was a question: nobody waits for its answer now.

        Raises Refusal.
        """
        if point not in self.handlers:
            raise Refusal(404, "unknown hook point")
        return self.keep(self._read(point, body))

    def keep(self, delivery: Delivery) -> Reply:
        """Keep an event for later, durably; one that came before is taken for kept. Raises Refusal 503."""
        journal = self.inbox or self.bridge.journal
        try:
            new = journal.accept_event(
                delivery.id, delivery.point, self._client(delivery), delivery.payload, self.bridge.clock.now()
            )
        except (DatabaseTrouble, Locked) as error:
            log.error("inbox cannot be written: %s", error)
            raise Refusal(503, "the inbox cannot be written; deliver it again later") from error
        if new:
            self.on_tell()
        return Reply(ACCEPTED, {"accepted": True}, "accepted" if new else "known")

    def _read(self, point: str, body: bytes) -> Delivery:
        if len(body) > self.max_body_bytes:
            raise Refusal(413, f"the body is larger than {self.max_body_bytes // 1024} KiB")
        return read(body, point)

    def _event(self, delivery: Delivery) -> HookEvent:
        return event_of(delivery, self.zone, self.bridge.clock.now(), self.facts)

    def _client(self, delivery: Delivery) -> ClientId | None:
        """Return whose event it is, as far as that is known without asking WHMCS: its events are handled in order."""
        named = client_in(delivery)
        if named is not None:
            return named
        service = service_in(delivery)
        if service is None:
            return None
        return next(iter(self.bridge.mirror.clients_of([service])), None)

    # --- asks -------------------------------------------------------------------------------------

    def _ask(self, handler: Ask, delivery: Delivery) -> Reply:
        event, odd = self._event(delivery), oddity(delivery)
        if odd:
            answer, outcome = default_answer(event), "default"
        else:
            try:
                with answering(self.bridge, self.remembered, self.inbox or self.bridge.journal, self.put_off) as bridge:
                    answer = handler.handle(event, bridge)
                outcome = "ours" if answer.ours else "abort" if answer.abort else "allow"
            except Exception as error:
                answer, outcome = default_answer(event), "default"
                _trouble(delivery.point, error)
                self._note_later(handler, delivery, answer)
        body = {"abort": answer.abort, "reason": answer.reason, "ours": answer.ours}
        return Reply(OK, body, outcome, odd=odd)

    def _note_later(self, handler: Ask, delivery: Delivery, answer: Answer) -> None:
        """Its handler could not record it now (a run holds the journal): the inbox brings it back."""
        if handler.note is None:
            return
        said = {**delivery.payload, ANSWERED: "abort" if answer.abort else "allow"}
        try:
            self.keep(Delivery(delivery.id, delivery.point, said))
        except Refusal:
            return  # the answer stands; keep() has said why it could not be kept

    # --- from the inbox -----------------------------------------------------------------------------

    def handle(self, entry: InboxEvent) -> Mapping[ClientId, str]:
        """Handle what was kept; return whom to look at again, and why. Raises OddEvent, and whatever handlers raise."""
        delivery = Delivery(entry.event_id, entry.point, entry.payload)
        handler = self.handlers.get(entry.point)
        if handler is None:
            raise OddEvent(f"this version knows no hook point {entry.point}")
        odd = oddity(delivery)
        if odd:
            raise OddEvent(odd)
        event = event_of(delivery, self.zone, entry.received_at, services=self.services)
        noting = self.bridge.noting()
        if isinstance(handler, Tell):
            handler.handle(event, noting)
        elif handler.note is not None and (event.by_person or delivery.answered == "abort"):
            handler.note(event, noting)
        return noting.noted


def _trouble(point: str, error: Exception) -> str:
    """One line without the error's text, unless it is ours: what others raise may quote the event."""
    said = str(error) if isinstance(error, BridgeError) else type(error).__name__
    log.error("trouble point=%s: %s", point, said)
    return "trouble"
