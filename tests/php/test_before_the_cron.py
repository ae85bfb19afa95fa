"""PreCronJob: what was told is delivered and settled before WHMCS's own cron looks, or the cron goes on without."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from tests.php.estate import Estate, estate
from tests.php.receiver import Receiver
from tests.php.test_command import by_command
from tests.php.test_spool import waiting
from tests.php.whmcs import Call, Whmcs
from whmcs_bridge.simulator.modules import SUSPEND
from whmcs_bridge.simulator.records import Actor

pytestmark = needs("php")

CRON: Call = ("PreCronJob", {})


def test_what_waits_is_told_first_and_an_answer_asked_for(over_http: Whmcs, receiver: Receiver) -> None:
    waiting(over_http, receiver, 12)
    before = len(receiver.heard)
    page = over_http.page(CRON)
    *paid, cron = receiver.events()[before:]
    assert [event["vars"]["invoiceid"] for event in paid] == [str(number) for number in range(1, 13)]
    assert (cron["point"], 0 < cron["wait_seconds"] < 20) == ("PreCronJob", True)
    assert (page.log, over_http.spool) == ("", [])


def test_the_cron_waits_longer_than_a_page(over_http: Whmcs, receiver: Receiver) -> None:
    receiver.hold = threading.Event()
    over_http.set(timeout_ms=50, cron_wait_seconds=100)
    answer = threading.Timer(0.5, receiver.hold.set)
    answer.start()
    page = over_http.page(CRON)
    assert receiver.hold.is_set()
    assert (page.log, over_http.spool) == ("", [])
    answer.join()


def test_the_cron_goes_on_when_the_time_is_up_and_nobody_asks_for_it_later(
    over_http: Whmcs, receiver: Receiver
) -> None:
    receiver.hold = threading.Event()
    over_http.set(cron_wait_seconds=1)
    page = over_http.page(CRON)
    assert not receiver.hold.is_set()
    assert "the bridge did not answer before WHMCS's cron; the cron goes on" in page.log
    assert over_http.spool == []


def test_what_the_bridge_could_not_settle_in_time_is_said(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["PreCronJob"] = (202, {"accepted": True, "settled": False})
    page = whmcs.page(CRON)
    assert "not everything told was settled before WHMCS's cron" in page.log
    assert whmcs.spool == []


def test_a_cron_may_not_wait_at_all(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.set(cron_wait_seconds=0)
    assert whmcs.page(CRON).log == ""
    assert "wait_seconds" not in receiver.events()[0]


def test_by_command_it_is_waited_for_as_well(whmcs: Whmcs) -> None:
    log = by_command(whmcs, {"PreCronJob": {"accepted": True, "settled": True}})
    page = whmcs.page(CRON)
    assert [json.loads(line)[2:] for line in log.read_text().splitlines()] == [["hook", "--wait", "PreCronJob"]]
    assert (page.log, whmcs.spool) == ("", [])


# --- with the bridge itself -----------------------------------------------------------------------------

VIP: dict[str, Any] = {"vip": {"group": "VIP"}}


@pytest.fixture
def town(php_port: int, tmp_path: Path) -> Any:
    with estate(php_port, tmp_path, VIP) as found:
        yield found


def test_a_vip_in_arrears_is_out_and_who_has_paid_is_up_when_the_cron_looks(town: Estate) -> None:
    """The payment is still in the spool, and the invoice of the VIP fell overdue since the last sync."""
    house = town.house
    _, down, paid = house.a_debtor(overdue=10)
    late = house.a_client(group=1)
    house.an_invoice(house.a_service(late), due=0)
    house.sync()
    assert (down.status, late.group) == ("Suspended", 1)
    town.worked_off()
    town.stop_receiver()
    house.pay(paid)
    assert "InvoicePaid" in [event["point"] for event in town.whmcs.spool]
    house.pass_days()
    town.start_receiver()
    page = town.whmcs.cron(CRON)
    assert (page.log, town.whmcs.spool) == ("", [])
    assert (down.status, late.group) == ("Active", 0)
    town.command(Actor.CRON, down, SUSPEND)
    assert down.status == "Active"
