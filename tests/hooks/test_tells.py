"""WHMCS tells after the fact: read again, lift what may be lifted, keep what has to be kept."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.bench.asks import service_row
from tests.hooks.house import ANA, BOB, INVOICE, SHOP, SITE, UNKNOWN, event, house, module_event, open_tasks, tell
from whmcs_bridge.api.told import services_told
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.hookpoints import Actor
from whmcs_bridge.scenarios.stage import Stage
from whmcs_bridge.simulator import automation
from whmcs_bridge.simulator.records import ServiceStatus

DAY_4 = date(2026, 3, 14)


@pytest.mark.parametrize("point", ["InvoicePaid", "AddInvoicePayment", "InvoiceCancelled", "InvoiceRefunded"])
def test_any_hint_about_the_invoice_brings_a_paid_up_client_back(point: str) -> None:
    """The event only hints: what is paid is read from WHMCS, whatever the hook is called."""
    with house(DAY_4) as stage:
        stage.world.hook_listener = None
        automation.record_payment(stage.world, INVOICE)
        assert stage.world.services[SITE].status == ServiceStatus.SUSPENDED
        tell(stage, event(stage, point, Actor.PAYMENT, invoiceid=INVOICE))
        assert stage.world.services[SITE].status == ServiceStatus.ACTIVE


def test_a_hint_that_is_not_true_changes_nothing() -> None:
    with house(DAY_4) as stage:
        tell(stage, event(stage, "InvoicePaid", Actor.PAYMENT, invoiceid=INVOICE))
        assert stage.world.services[SITE].status == ServiceStatus.SUSPENDED


def test_nothing_goes_down_by_a_tell() -> None:
    """Hooks lift, move VIP and veto; what takes down begins in a sync."""
    with house(date(2026, 3, 12)) as stage:
        stage.world.clock += timedelta(days=5)
        before = {number: service.status for number, service in stage.world.services.items()}
        tell(stage, event(stage, "InvoiceUnpaid", Actor.PAYMENT, invoiceid=INVOICE))
        tell(stage, event(stage, "InvoiceCreated", Actor.CRON, invoiceid=INVOICE))
        assert {number: service.status for number, service in stage.world.services.items()} == before


@pytest.mark.parametrize("point", ["InvoicePaid", "ServiceEdit", "TicketOpen", "CancellationRequest", "UserLogin"])
def test_an_event_about_nobody_we_know_is_no_error(point: str) -> None:
    with house(DAY_4) as stage:
        tell(stage, event(stage, point, Actor.CLIENT))
        assert stage.bridge.journal.records() == []


@pytest.mark.parametrize(
    ("point", "sign"), [("TicketOpen", "ticket"), ("TicketUserReply", "ticket"), ("UserLogin", "login")]
)
def test_a_sign_of_life_is_kept_once_a_day(point: str, sign: str) -> None:
    with house(DAY_4) as stage:
        for _ in range(3):
            tell(stage, event(stage, point, Actor.CLIENT, userid=int(ANA)))
        (contact,) = stage.bridge.journal.records(kind=RecordKind.CONTACT)
        assert (contact.client_id, contact.sort, contact.since) == (ANA, sign, DAY_4)


def a_promise(stage: Stage) -> Record:
    today = stage.today
    open_until = date(2026, 3, 18)
    wanted = Record(0, RecordKind.PROMISE, RecordState.OPEN, "staff", "phoned", today, today, open_until)
    return stage.bridge.record(replace(wanted, service_id=SITE))


def test_a_cancellation_request_breaks_the_promise_and_is_known_at_once() -> None:
    with house(date(2026, 3, 11)) as stage:
        promise = a_promise(stage)
        request = event(stage, "CancellationRequest", Actor.CLIENT, userid=1, relid=int(SITE), type="Immediate")
        tell(stage, request)
        (record,) = stage.bridge.journal.records(kind=RecordKind.PROMISE)
        assert (record.id, record.state) == (promise.id, RecordState.BROKEN)
        book = stage.bridge.mirror.book(ANA)
        assert book is not None
        assert book.cancel_requests[SITE].type == "Immediate"


def test_a_deleted_record_goes_to_staff_and_its_backups_stay() -> None:
    with house(DAY_4) as stage:
        tell(stage, event(stage, "ServiceDelete", Actor.ADMIN, userid=int(ANA), serviceid=int(SITE)))
        (text,) = open_tasks(stage, "service-deleted")
        assert str(SITE) in text
        assert stage.backups_of(SITE) == 1


def test_whose_accounts_they_were_is_kept_before_a_client_is_deleted() -> None:
    with house(DAY_4) as stage:
        tell(stage, event(stage, "PreDeleteClient", Actor.ADMIN, userid=int(BOB)))
        (kept,) = [entry for entry in stage.bridge.journal.evidence(SHOP) if entry.get("kind") == "identity"]
        assert kept["username"] == stage.world.services[SHOP].username


# --- what is gone ---------------------------------------------------------------------------------


def a_record(stage: Stage, kind: RecordKind, **more: object) -> Record:
    today = stage.today
    wanted = Record(0, kind, RecordState.OPEN, "staff", "phoned", today, today, None, client_id=ANA)
    return stage.bridge.journal.add_record(replace(wanted, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("point", "closed"),
    [
        ("ServiceDelete", {"promise": "cancelled", "release": "open", "hold": "open"}),
        ("PreDeleteClient", {"promise": "cancelled", "release": "cancelled", "hold": "open"}),
        ("ClientClose", {"promise": "cancelled", "release": "cancelled", "hold": "open"}),
    ],
)
def test_what_was_said_about_what_is_gone_is_closed_and_a_hold_stays(point: str, closed: dict[str, str]) -> None:
    """A hold keeps backups too, which outlive their service; the release here is about the client."""
    with house(date(2026, 3, 11)) as stage:
        a_record(stage, RecordKind.PROMISE, service_id=SITE, until=date(2026, 3, 18))
        a_record(stage, RecordKind.RELEASE)
        a_record(stage, RecordKind.HOLD, service_id=SITE, sort="legal")
        other = a_record(stage, RecordKind.PROMISE, client_id=BOB, until=date(2026, 3, 18))
        for _ in range(2):
            tell(stage, event(stage, point, Actor.ADMIN, userid=int(ANA), serviceid=int(SITE)))
        records = {record.id: record for record in stage.bridge.journal.records()}
        assert records.pop(other.id).state is RecordState.OPEN
        assert {record.kind.value: record.state.value for record in records.values()} == closed
        promise = next(record for record in records.values() if record.kind is RecordKind.PROMISE)
        assert (promise.closed_by, promise.closed_on) == ("bridge", stage.today)
        assert promise.closed_why.endswith("in WHMCS")


@pytest.mark.parametrize("point", ["PreDeleteClient", "ClientClose"])
def test_whose_accounts_they_were_is_taken_from_what_whmcs_told(point: str) -> None:
    """It was told at the moment of the end: newer than the mirror, and there for a service that no sync has seen."""
    with house(DAY_4) as stage:
        book = stage.bridge.mirror.book(BOB)
        assert book is not None
        moved = replace(book.services[0], username="renamed")
        new = replace(moved, id=UNKNOWN, username="newcomer")
        blanked = replace(moved, id=ServiceId(998), username="")
        told = event(stage, point, Actor.ADMIN, userid=int(BOB))
        tell(stage, replace(told, services=(moved, new, blanked)))
        kept = {
            service: [entry["username"] for entry in stage.bridge.journal.evidence(service) if "username" in entry]
            for service in (SHOP, UNKNOWN, ServiceId(998))
        }
        assert kept == {SHOP: ["renamed"], UNKNOWN: ["newcomer"], ServiceId(998): []}


def test_a_row_that_cannot_be_read_loses_only_itself() -> None:
    assert [s.id for s in services_told({"services": [service_row(5), {"id": "x"}, 3, None, service_row(6)]})] == [5, 6]
    assert services_told({"services": "all"}) == ()
    assert services_told({}) == ()


# --- who did it -----------------------------------------------------------------------------------

DAY_3 = date(2026, 3, 13)
"""Ana's service goes down on this morning, by a step of ours."""


@pytest.mark.parametrize("actor", [Actor.CRON, Actor.ADMIN, Actor.API])
def test_a_module_that_failed_for_anybody_else_is_recorded_and_a_task(actor: Actor) -> None:
    """Other programs use WHMCS's API as well."""
    with house(DAY_4) as stage:
        told = module_event(stage, "AfterModuleTerminateFailed", SHOP, actor)
        for _ in range(2):
            tell(stage, told)
        (text,) = open_tasks(stage, "module-terminate")
        assert text == f"the module could not terminate service {SHOP}: no reason given"
        (kept,) = [entry for entry in stage.bridge.journal.evidence(SHOP) if entry.get("kind") == "module-failed"]
        assert (kept["act"], kept["said"]) == ("AfterModuleTerminateFailed", "no reason given")


def test_a_module_that_failed_for_our_own_step_is_the_runs_to_report() -> None:
    with house(DAY_3) as stage:
        tell(stage, module_event(stage, "AfterModuleSuspendFailed", SITE, Actor.API))
        assert open_tasks(stage, "module-suspend") == []
        tell(stage, module_event(stage, "AfterModuleTerminateFailed", SITE, Actor.API))
        assert len(open_tasks(stage, "module-terminate")) == 1


def test_our_own_acts_are_not_looked_at_again() -> None:
    """The run that did it has read it back already: no second reading, no loop."""
    with house(DAY_3) as stage:
        before = dict(stage.bridge.panel.calls())
        tell(stage, module_event(stage, "AfterModuleSuspend", SITE, Actor.API))
        assert stage.bridge.panel.calls() == before
        tell(stage, module_event(stage, "AfterModuleSuspend", SITE, Actor.CRON))
        assert stage.bridge.panel.calls() != before


@pytest.mark.parametrize("point", ["AfterModuleSuspend", "AfterModuleUnsuspend", "ServiceEdit", "ClientEdit"])
def test_what_another_program_does_through_the_api_is_looked_at(point: str) -> None:
    with house(DAY_4) as stage:
        before = dict(stage.bridge.panel.calls())
        tell(stage, event(stage, point, Actor.API, userid=int(ANA), serviceid=int(SITE)))
        assert stage.bridge.panel.calls() != before
