"""Whole stories: WHMCS's hooks in real PHP, the receiver over a socket, the bridge's own calls through both."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hooks import HANDLERS
from tests.needs import needs
from tests.php.estate import Estate, estate
from tests.php.whmcs import ADMIN, ADMIN_PAGE, CLIENT_PAGE, Call
from whmcs_bridge.api.told import told_of
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.receiver.desk import Desk
from whmcs_bridge.receiver.drain import drain, into_inbox
from whmcs_bridge.simulator.modules import SUSPEND, TERMINATE, UNSUSPEND
from whmcs_bridge.simulator.records import Actor, Client, Invoice, Service

pytestmark = needs("php")


@pytest.fixture
def town(php_port: int, tmp_path: Path) -> Iterator[Estate]:
    with estate(php_port, tmp_path) as found:
        yield found


@pytest.fixture
def down(town: Estate) -> tuple[Client, Service, Invoice]:
    """A debtor whom the bridge's sync has suspended, through its own hooks."""
    debtor = town.house.a_debtor(overdue=10)
    report = town.house.sync()
    assert report.exit_code == 0
    assert debtor[1].status == "Suspended"
    return debtor


def test_the_bridges_own_suspension_passes_its_own_hooks_once(
    town: Estate, down: tuple[Client, Service, Invoice]
) -> None:
    """No deadlock, no loop, no second record: it is known by its open step."""
    service = down[1]
    assert [point for point, _ in town.pages if "Module" in point] == ["PreModuleSuspend", "AfterModuleSuspend"]
    town.worked_off()
    steps = town.house.bridge.journal.steps(kind="suspend")
    assert [int(entry.step.service) for entry in steps if entry.step.service] == [service.id]
    assert not any(row.get("kind") == "person" for row in town.house.bridge.journal.evidence(ServiceId(service.id)))
    assert town.log("PreModuleSuspend") == ""


def test_a_payment_brings_the_service_back_without_a_sync(town: Estate, down: tuple[Client, Service, Invoice]) -> None:
    _, service, invoice = down
    town.house.pay(invoice)
    town.until(lambda: service.status == "Active")
    (entry,) = town.house.bridge.journal.steps(kind="unsuspend")
    assert entry.step.service == service.id


def test_paying_one_of_two_brings_nothing_back(town: Estate) -> None:
    """WHMCS would lift its own suspension for any one invoice of the service; the bridge refuses."""
    client, service, older = town.house.a_debtor(overdue=40)
    newer = town.house.an_invoice(service, due=-10)
    town.house.world.settings["AutoUnsuspend"] = "on"
    town.house.enforcing(False)
    town.house.sync()
    town.house.enforcing(True)
    town.command(Actor.CRON, service, SUSPEND)
    assert (service.status, service.suspend_reason) == ("Suspended", "")
    town.house.pay(newer)
    assert service.status == "Suspended"
    ((_, page),) = [found for found in town.pages if found[0] == "PreModuleUnsuspend"]
    assert f"invoice {older.id} is still open" in page.log
    assert page.seen["log"][0][1] == client.id
    town.house.pay(older)
    town.until(lambda: service.status == "Active")


def test_whmcs_may_not_suspend_who_owes_nothing(town: Estate) -> None:
    """Its next due date lags behind: WHMCS looks at dates, the bridge at debt. One task, however often it tries."""
    service = town.house.a_service()
    town.house.sync()
    for _ in range(3):
        town.command(Actor.CRON, service, SUSPEND)
    assert service.status == "Active"
    assert "no debt" in town.log("PreModuleSuspend")
    town.worked_off()
    tasks = [task for task in town.house.bridge.journal.tasks() if task.code.startswith("due-date-lag")]
    assert len(tasks) == 1, town.house.task_codes()


def test_the_cron_ends_nobody_before_the_stage(town: Estate, down: tuple[Client, Service, Invoice]) -> None:
    _, service, _ = down
    town.command(Actor.CRON, service, TERMINATE)
    assert service.status == "Suspended"
    assert "PreModuleTerminate refused" in town.log("PreModuleTerminate")


def test_an_admins_click_is_let_through_and_lasts_for_some_days(
    town: Estate, down: tuple[Client, Service, Invoice]
) -> None:
    _, service, _ = down
    town.command(Actor.ADMIN, service, UNSUSPEND)
    assert service.status == "Active"
    town.worked_off()
    (release,) = town.house.bridge.journal.records(kind=RecordKind.RELEASE)
    assert (release.service_id, release.author) == (service.id, "1")
    assert release.until is not None
    assert (release.until - town.house.today).days == 3
    assert town.house.sync().exit_code == 0
    assert service.status == "Active"


def test_without_the_receiver_the_gate_file_answers_and_nothing_is_lost(
    town: Estate, down: tuple[Client, Service, Invoice]
) -> None:
    """The bridge's own file, as its last sync left it; what was told meanwhile arrives once it is back."""
    _, service, invoice = down
    town.worked_off()
    known = len(town.house.bridge.journal.events(limit=1000))
    town.stop_receiver()
    town.whmcs.set(connect_timeout_ms=250)
    town.command(Actor.CRON, service, TERMINATE)
    town.command(Actor.PAYMENT, service, UNSUSPEND)
    assert service.status == "Suspended"
    assert "PreModuleUnsuspend refused" in town.log("PreModuleUnsuspend")
    town.house.pay(invoice)
    waiting = [event["id"] for event in town.whmcs.spool]
    assert len(waiting) == 4, [event["point"] for event in town.whmcs.spool]
    town.start_receiver()
    town.whmcs.page(("AfterCronJob", {}))
    assert town.whmcs.spool == []
    town.until(lambda: service.status == "Active")
    town.worked_off()
    kept = [event.event_id for event in town.house.bridge.journal.events(limit=1000)]
    assert len(kept) >= known + len(waiting)
    assert all(kept.count(event) == 1 for event in waiting)


def test_what_php_spooled_is_drained_by_hand(town: Estate, down: tuple[Client, Service, Invoice]) -> None:
    """The receiver is away for good: `hooks drain` on the same machine brings the events in, and works them off."""
    _, service, invoice = down
    town.worked_off()
    town.stop_receiver()
    town.whmcs.set(connect_timeout_ms=250)
    town.house.pay(invoice)
    spool = Path(town.whmcs.settings["spool"])
    told = [event["point"] for event in town.whmcs.spool]
    assert "InvoicePaid" in told
    bridge = town.house.bridge
    desk = Desk(bridge, HANDLERS, told_of)
    drained = drain(spool, into_inbox(desk))
    assert (drained.delivered, drained.bad, drained.left) == (len(told), 0, 0)
    bridge.deliver = desk.handle
    bridge.work_off()
    assert service.status == "Active"


def test_a_receiver_that_is_slow_is_not_waited_for(town: Estate, down: tuple[Client, Service, Invoice]) -> None:
    """It holds the connection and says nothing: the gate file answers, and the cron goes on."""
    _, service, _ = down
    with socket.create_server(("127.0.0.1", 0)) as mute:
        town.whmcs.set(url=f"http://127.0.0.1:{mute.getsockname()[1]}", timeout_ms=200)
        town.command(Actor.CRON, service, TERMINATE)
        town.command(Actor.PAYMENT, service, UNSUSPEND)
    assert service.status == "Suspended"
    assert "PreModuleUnsuspend refused" in town.log("PreModuleUnsuspend")
    assert [event["answered"] for event in town.whmcs.spool if "answered" in event] == ["abort", "abort"]


def test_pages_show_the_client_as_the_bridge_knows_it(town: Estate, down: tuple[Client, Service, Invoice]) -> None:
    client, service, invoice = down
    page = town.whmcs.page(
        ("AdminAreaClientSummaryPage", {"userid": client.id}),
        ("AdminClientServicesTabFields", {"id": service.id}),
        ("AdminHomeWidgets", {}),
        session=ADMIN,
        script=ADMIN_PAGE,
    )
    (summary,), (fields,), (widget,) = page.answers
    assert str(invoice.id) in summary
    assert fields
    assert widget["html"]
    call: Call = ("ClientAreaHomepagePanels", {})
    found = town.whmcs.page(call, session={"uid": str(client.id), "Language": "dutch"}, script=CLIENT_PAGE)
    ((panel,),) = found.seen["panels"]
    assert str(invoice.id) in str(panel)
