"""WHMCS tells after the fact: read again, lift what may be lifted, keep what has to be kept."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.hooks.house import ANA, BOB, INVOICE, SHOP, SITE, event, house, module_event, open_tasks, tell
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


def test_a_module_that_failed_for_the_cron_is_a_task_and_for_us_it_is_not() -> None:
    with house(DAY_4) as stage:
        for actor in (Actor.CRON, Actor.CRON, Actor.API):
            tell(stage, module_event(stage, "AfterModuleTerminateFailed", SHOP, actor))
        (text,) = open_tasks(stage, "module-terminate")
        assert text == f"the module could not terminate service {SHOP}: no reason given"


def test_our_own_acts_are_not_looked_at_again() -> None:
    """What the API did was read back already: no second reading, no loop."""
    with house(DAY_4) as stage:
        before = dict(stage.bridge.panel.calls())
        tell(stage, module_event(stage, "AfterModuleSuspend", SITE, Actor.API))
        tell(stage, event(stage, "ClientEdit", Actor.API, userid=int(ANA)))
        assert stage.bridge.panel.calls() == before
        tell(stage, module_event(stage, "AfterModuleSuspend", SITE, Actor.CRON))
        assert stage.bridge.panel.calls() != before
