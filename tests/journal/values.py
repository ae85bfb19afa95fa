"""Steps and notes for the journal's tests."""

from datetime import date, datetime
from decimal import Decimal

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.plan.model import Step
from whmcs_bridge.policy.decision import Kind, Note

TODAY = date(2025, 3, 10)
AT = datetime.fromisoformat("2025-03-10T09:00:00-03:00")


def a_step(
    kind: Kind = Kind.SUSPEND, service: int | None = 1, client: int = 1, *, day: date = TODAY, announced: bool = False
) -> Step:
    return Step(
        f"{kind}:{service}:{day}",
        kind,
        ClientId(client),
        None if service is None else ServiceId(service),
        day,
        "invoice 5, due 2025-03-01",
        (InvoiceId(5),),
        Money(Decimal("10.00"), "BRL"),
        announced=announced,
    )


def a_note(code: str = "moved", service: int | None = 1, text: str = "service 1 has moved") -> Note:
    return Note(code, text, "look at it", ClientId(1), None if service is None else ServiceId(service))


def a_record(kind: RecordKind = RecordKind.PROMISE, client: int | None = 1) -> Record:
    return Record(
        0,
        kind,
        RecordState.OPEN,
        "staff",
        "will pay on Friday",
        TODAY,
        TODAY,
        date(2025, 3, 14),
        client_id=None if client is None else ClientId(client),
        amount=Decimal("10.00"),
    )
