"""Tell WHMCS what people recorded: a line in its activity log and a note at the client, each once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.errors import AccessRefused, ActionRefused, NotDelivered, Refused, WhmcsError
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.jobs.pause import handed_back
from whmcs_bridge.jobs.scope import Scope
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.ports import Telling, TellState

TOLD_KINDS: Final = frozenset(
    {
        RecordKind.PROMISE,
        RecordKind.RELEASE,
        RecordKind.ARRANGEMENT,
        RecordKind.DISPUTE,
        RecordKind.RECEIPT,
        RecordKind.HOLD,
        RecordKind.FREEZE,
        RecordKind.PIN,
    }
)
LOOKS_BACK_DAYS: Final = 7
"""What is older is history: it is not told when acting begins, or when WHMCS is back after long."""
LOG, NOTE = "log", "note"
MADE, CLOSED = "made", "closed"
ON_ITS_WAY: Final = timedelta(minutes=10)
"""So long a call whose answer was lost may still be carried out."""
LONGEST: Final = 400
ACTIONS: Final = {LOG: "LogActivity", NOTE: "AddClientNote"}
_ENDS: Final[Mapping[tuple[RecordKind, RecordState], str]] = {
    (RecordKind.DISPUTE, RecordState.UPHELD): "resolved for the client",
    (RecordKind.DISPUTE, RecordState.RESOLVED): "resolved for the house",
    (RecordKind.RECEIPT, RecordState.RESOLVED): "over, unverified",
    (RecordKind.RELEASE, RecordState.RESOLVED): "over",
}
_UNMARKED: Final = str.maketrans("<>", "()")


def tell_whmcs(ports: Ports, scope: Scope, client: ClientId | None = None) -> list[Note]:
    """Tell what was recorded or closed lately and not told yet, of one client or of all; return what staff should know.

    Nothing is said twice: each is written down first, and where an answer was lost the log is read. A note cannot be
    read back, so one that may have arrived counts as told. Nothing is told in shadow mode, of clients we do not act
    for, or once the house is handed back.
    """
    staff = ports.settings.staff
    channels = [name for name, wanted in ((LOG, staff.log_records), (NOTE, staff.note_records)) if wanted]
    if not channels or not ports.settings.enforcing or handed_back(ports):
        return []
    since = ports.today() - timedelta(days=LOOKS_BACK_DAYS)
    records = ports.journal.recent_records(TOLD_KINDS, since, client)
    if not records:
        return []
    teller = _Teller(ports, channels)
    known = ports.journal.tells_of([record.id for record in records])
    for saying in (one for record in records for one in _sayings(record) if one.day >= since):
        for telling in (Telling(saying.record.id, saying.what, channel) for channel in channels):
            state, at = known.get(telling, (None, None))
            waits = at is not None and ports.now() - at < ON_ITS_WAY
            if state in (TellState.TOLD, TellState.REFUSED) or waits or not _acts_for(ports, scope, saying.record):
                continue
            teller.tell(telling, saying, perhaps=state is TellState.BEGUN)
    return teller.notes


def _acts_for(ports: Ports, scope: Scope, record: Record) -> bool:
    if scope.everyone or record.client_id is None:
        return True
    book = ports.mirror.book(record.client_id)
    return book is not None and scope.takes(book.client, book.group)


# --- what is said -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Saying:
    """One thing to tell of a record."""

    record: Record
    what: str
    day: date
    begins: str
    """How the line begins and no other one does: by this it is found again."""
    text: str


def _sayings(record: Record) -> Iterator[_Saying]:
    """What there is to tell of a record: that it was made, and that it is over."""
    name = f"whmcs-bridge: {record.kind} {record.id}"
    until = f" until {record.until}" if record.until is not None else ""
    against = f", against the rule: {record.against}" if record.against else ""
    made = f"{name} recorded"
    text = f"{made} by {record.author}: {_about(record)}{until}{against}{_because(record.reason)}"
    yield _Saying(record, MADE, record.made_on, made, _plain(text))
    if record.closed_on is not None:
        over = f"{name} is {_ENDS.get((record.kind, record.state), record.state.value)}"
        by = f", by {record.closed_by}" if record.closed_by else ""
        text = f"{over}: {_about(record)}{by}{_because(record.closed_why)}"
        yield _Saying(record, CLOSED, record.closed_on, over, _plain(text))


def _about(record: Record) -> str:
    """Whom it is about, and how much."""
    found = [("service", record.service_id), ("invoice", record.invoice_id), ("line", record.line_id)]
    said = [f"{what} {number}" for what, number in found if number is not None]
    if not said:
        said.append(
            "all services" if record.client_id is not None else f"who pays by {record.gateway or 'any gateway'}"
        )
    if record.amount is not None:
        said.append(f"{record.amount:.2f}")
    said += [f"{part.amount:.2f} by {part.on}" for part in record.parts]
    if record.sort:
        said.append(record.sort)
    return ", ".join(said)


def _because(reason: str) -> str:
    return f"; {reason}" if reason else ""


def _plain(text: str) -> str:
    """One line without markup: a client may have written part of it."""
    return " ".join(text.translate(_UNMARKED).split())[:LONGEST]


# --- saying it ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Teller:
    """Says things one by one; a way that WHMCS has closed to us is not tried again in the same run."""

    ports: Ports
    open: list[str]
    notes: list[Note] = field(default_factory=list)
    _log_is_read: bool | None = None

    def tell(self, telling: Telling, saying: _Saying, *, perhaps: bool) -> None:
        """Say it. `perhaps`: it was begun once, and nobody knows whether it arrived."""
        journal, channel = self.ports.journal, telling.channel
        client = saying.record.client_id
        if channel not in self.open or self.ports.stopping.asked:
            return
        if channel == NOTE and client is None:
            return
        if perhaps and self._arrived(telling, saying):
            journal.keep_tell(telling, TellState.TOLD, self.ports.now())
            return
        journal.keep_tell(telling, TellState.BEGUN, self.ports.now())
        state: TellState | None = TellState.TOLD
        try:
            if channel == LOG:
                self.ports.panel.log(saying.text, client)
            elif client is not None:
                self.ports.panel.note(client, saying.text)
        except (AccessRefused, NotDelivered) as error:
            state = None
            self._close(channel, error)
        except Refused:
            state = TellState.REFUSED  # this client, this text: the next record may be told
        except WhmcsError as error:
            state = TellState.BEGUN
            self._close(channel, error)
        journal.keep_tell(telling, state, self.ports.now())

    def _arrived(self, telling: Telling, saying: _Saying) -> bool:
        """It is in the log, or cannot be looked up: then it is rather missing than there twice."""
        if telling.channel != LOG:
            return True
        if self._log_is_read is None:
            self._log_is_read = bool(self.ports.panel.activity(limit=1))
        if not self._log_is_read:
            return True
        found = self.ports.panel.activity(text=saying.begins)
        return any(entry.description.startswith(saying.begins) for entry in found)

    def _close(self, channel: str, error: WhmcsError) -> None:
        self.open.remove(channel)
        if isinstance(error, ActionRefused):
            way = f"allow {ACTIONS[channel]} in System Settings > API Roles, or set [staff] {channel}_records = false"
            self.notes.append(Note(f"not-told:{channel}", f"WHMCS is not told what people record: {error}", way))
