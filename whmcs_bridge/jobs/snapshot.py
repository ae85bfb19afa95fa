"""Read the book into the mirror: whole lists page by page, lines only of open invoices that changed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from whmcs_bridge.domain.book import InvoiceHead
from whmcs_bridge.domain.ids import ClientId, InvoiceId
from whmcs_bridge.domain.status import InvoiceStatus
from whmcs_bridge.errors import (
    AccessRefused,
    BridgeError,
    DatabaseTrouble,
    Locked,
    NotDelivered,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from whmcs_bridge.ports import Mirror, Panel, Sweep

OPEN_STATUSES = (InvoiceStatus.UNPAID, InvoiceStatus.PAYMENT_PENDING, InvoiceStatus.COLLECTIONS)

Row = TypeVar("Row")


@dataclass(slots=True)
class Reading:
    """How far a snapshot got."""

    number: int
    problems: list[str] = field(default_factory=list)
    """What is missing of a whole list: with any of these the snapshot is incomplete."""
    gaps: list[str] = field(default_factory=list)
    """Single invoices that could not be read: nothing harmful follows for their clients, the others go on."""
    unreachable: bool = False
    """WHMCS did not answer at all: no further list was tried."""
    answered: bool = False
    """Some list was read: the mirror is not quite what it was."""
    rows: int = 0
    lines_read: int = 0
    history_rows: int = 0

    @property
    def complete(self) -> bool:
        return not self.problems

    def failed(self, what: str, error: BridgeError) -> None:
        """Note a list that could not be read. Raises Away when it is no use to try the next one."""
        self.problems.append(f"{what}: {error}")
        if isinstance(error, AccessRefused):
            raise error
        if isinstance(error, (NotDelivered, Unavailable, OutcomeUnknown)):
            self.unreachable = True
            raise Away


class Away(Exception):
    """WHMCS does not answer: reading further lists would only take time."""


def take_snapshot(
    panel: Panel,
    mirror: Mirror,
    today: date,
    at: datetime,
    *,
    held_down: Iterable[ClientId] = (),
    keep_empty: bool = True,
    progress: Callable[[str, int], None] = lambda _what, _rows: None,
) -> Reading:
    """Read everything a decision may need. What cannot be read is named in `problems`; the snapshot is incomplete then.

    `held_down`: clients with a service that we keep suspended; their open invoices are read again once a house day,
    because a partial payment need not change anything that a list shows. `keep_empty`: one that read nothing at all
    counts too, as the newest, and incomplete; else the mirror stands as it stood, with what it says of itself.
    """
    reading = Reading(mirror.begin(at))
    number = reading.number

    def whole(what: str, sweep: Callable[[], Sweep[Row]], save: Callable[[Sequence[Row]], None]) -> bool:
        try:
            pages = sweep()
            for page in pages:
                save(page)
                reading.answered = True
                reading.rows += len(page)
                progress(what, len(page))
        except (DatabaseTrouble, Locked):
            raise
        except BridgeError as error:
            reading.failed(what, error)
            return False
        if not pages.end.complete:
            reading.problems.extend(f"{what}: {problem}" for problem in pages.end.problems or ("incomplete",))
        return pages.end.complete

    def short(what: str, read: Callable[[], Sequence[Row]], save: Callable[[Sequence[Row]], None]) -> None:
        try:
            rows = read()
        except BridgeError as error:
            reading.failed(what, error)
            return
        save(rows)
        reading.answered = True
        progress(what, len(rows))

    try:
        short("client groups", panel.groups, mirror.save_groups)
        short("products", panel.products, mirror.save_products)
        whole("clients", panel.clients, lambda rows: mirror.save_clients(rows, number))
        whole("services", panel.services, lambda rows: mirror.save_services(rows, number))
        short("addons", panel.addons, lambda rows: mirror.save_addons(rows, number))
        whole("cancellation requests", panel.cancel_requests, lambda rows: mirror.save_cancel_requests(rows, number))
        open_read = True
        for status in OPEN_STATUSES:
            open_read &= whole(
                f"{status} invoices",
                lambda status=status: panel.invoice_heads(status),  # type: ignore[misc]
                lambda rows: mirror.save_heads(rows, number, today),
            )
        _read_history(panel, mirror, reading, today, progress)
        wanted = mirror.stale_invoices(number, today, list(held_down))
        if open_read:
            wanted.extend(mirror.vanished_invoices(number))
        _read_lines(panel, mirror, reading, wanted, at, progress)
    except AccessRefused:
        if reading.answered or keep_empty:
            mirror.finish(number, at, False, reading.problems, today)
        raise
    except Away:
        pass
    if reading.answered or keep_empty:
        mirror.finish(number, at, reading.complete, reading.problems, today)
    return reading


def _read_history(
    panel: Panel, mirror: Mirror, reading: Reading, today: date, progress: Callable[[str, int], None]
) -> None:
    """Payment history: all of it once, afterwards only what is newer than the newest kept."""
    newest = mirror.highest_invoice()
    try:
        if not newest:
            for status in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
                sweep = panel.invoice_heads(status)
                for page in sweep:
                    mirror.save_heads(page, reading.number, today)
                    reading.history_rows += len(page)
                    progress("payment history", len(page))
                if not sweep.end.complete:
                    reading.problems.extend(f"payment history: {p}" for p in sweep.end.problems or ("incomplete",))
            return
        for page in _newer_than(panel, newest):
            mirror.save_heads(page, reading.number, today)
            reading.history_rows += len(page)
    except BridgeError as error:
        if isinstance(error, (DatabaseTrouble, Locked)):
            raise
        reading.failed("payment history", error)


def _newer_than(panel: Panel, newest: InvoiceId) -> Iterator[list[InvoiceHead]]:
    """Settled invoices that were made and settled since the last snapshot: newest first until a known one."""
    for status in (InvoiceStatus.PAID, InvoiceStatus.REFUNDED):
        for page in panel.invoice_heads(status, newest_first=True):
            fresh = [head for head in page if head.id > newest]
            if fresh:
                yield fresh
            if len(fresh) < len(page):
                break


def _read_lines(
    panel: Panel,
    mirror: Mirror,
    reading: Reading,
    wanted: Sequence[InvoiceId],
    at: datetime,
    progress: Callable[[str, int], None],
) -> None:
    for invoice_id, found in panel.invoices(wanted):
        if isinstance(found, NotFound):
            continue  # deleted in WHMCS since the list was read: no debt, and no gap
        if isinstance(found, BridgeError):
            reading.gaps.append(f"invoice {invoice_id}: {found}")
            continue
        mirror.save_invoice(found, at)
        reading.lines_read += 1
        progress("invoice lines", 1)
