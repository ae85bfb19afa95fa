"""`serve` as it runs: in a process, behind a socket, ended by signals."""

import os
import random
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.house import House
from tests.receiver.office import event
from tests.receiver.town import Town, town, until
from whmcs_bridge.ports import EventState
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.records import Invoice, Service, ServiceStatus


def debtors(here: Town, count: int) -> list[tuple[Service, Invoice]]:
    """So many clients, each with a service that a sync has suspended for an invoice."""
    house = House.__new__(House)
    house.world = here.world
    made = [house.a_debtor(overdue=3)[1:] for _ in range(count)]
    done = here.run("sync")
    assert done.returncode == 0, done.stderr.decode()
    assert all(service.status == ServiceStatus.SUSPENDED for service, _ in made)
    return made


def test_a_payment_releases_the_service_while_the_client_waits(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        ((service, invoice),) = debtors(here, 1)
        here.start()
        asked = here.send(event("PreModuleUnsuspend", serviceid=service.id))
        assert asked.json()["abort"] is True
        with here.whmcs.front.lock:
            record_payment(here.world, invoice, mail=False)
        told = here.send(event("InvoicePaid", actor="payment", invoiceid=invoice.id))
        assert (told.status_code, told.json()) == (202, {"accepted": True})
        until(lambda: service.status == ServiceStatus.ACTIVE, "the release")
        until(lambda: [e.state for e in here.inbox()] == [EventState.HANDLED], "the end of the event")
        assert here.stop() == 0
        log = (tmp_path / "log").read_text()
        assert "ask point=PreModuleUnsuspend outcome=abort" in log
        assert "tell point=InvoicePaid outcome=accepted" in log
        assert "inbox handled=1 clients=1" in log


def before_the_cron(seconds: float) -> dict[str, object]:
    """WHMCS's cron is about to run, and waits so long."""
    return event("PreCronJob") | {"wait_seconds": seconds}


def test_whmcss_cron_waits_until_what_was_told_is_settled(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        made = debtors(here, 3)
        here.start()
        for _, invoice in made:
            with here.whmcs.front.lock:
                record_payment(here.world, invoice, mail=False)
            here.send(event("InvoicePaid", actor="payment", invoiceid=invoice.id))
        said = here.send(before_the_cron(50))
        assert (said.status_code, said.json()) == (202, {"accepted": True, "settled": True})
        assert {service.status for service, _ in made} == {ServiceStatus.ACTIVE}
        assert {e.state for e in here.inbox()} == {EventState.HANDLED}
        assert here.stop() == 0


def test_whmcss_cron_goes_on_when_the_time_is_up_and_nothing_is_lost(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        ((service, invoice),) = debtors(here, 1)
        here.start()
        record_payment(here.world, invoice, mail=False)
        with here.whmcs.front.lock:  # WHMCS answers nobody
            here.send(event("InvoicePaid", invoiceid=invoice.id))
            said = here.send(before_the_cron(0.2))
            assert (said.status_code, said.json()) == (202, {"accepted": True, "settled": False})
        until(lambda: {e.state for e in here.inbox()} == {EventState.HANDLED}, "the end of both events")
        assert service.status == ServiceStatus.ACTIVE
        assert here.stop() == 0


def test_a_sync_and_the_receiver_work_on_the_same_house_side_by_side(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        made = debtors(here, 2)
        here.start()
        for _, invoice in made:
            with here.whmcs.front.lock:
                record_payment(here.world, invoice, mail=False)
            here.send(event("InvoicePaid", invoiceid=invoice.id))
            assert here.run("sync").returncode in (0, 4)
        until(lambda: all(e.state is EventState.HANDLED for e in here.inbox()), "the end of all events")
        assert all(service.status == ServiceStatus.ACTIVE for service, _ in made)
        released = [e for e in here.world.log if e.kind == "module:unsuspend"]
        assert len(released) == len(made)
        assert here.stop() == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /hooks/InvoicePaid HTTP/1.1\r\nContent-Length: 2000000\r\n\r\nana@example.com", 413),
        (b"ana@example.com\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_with_one_line_too(tmp_path: Path, request_: bytes, status: int) -> None:
    with town(tmp_path) as here:
        here.start()
        host, _, port = here.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(request_)
            assert line.recv(4096).split()[1] == str(status).encode()
        assert here.stop() == 0
        (said,) = [line for line in (tmp_path / "log").read_text().splitlines() if "refused" in line]
        assert f"refused status={status} from=127.0.0.1: " in said
        assert "ana@" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_by_itself_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    with town(tmp_path) as here:
        here.start()
        assert requests.get(f"{here.url}/healthz", timeout=60).json()["live"] is True
        assert here.stop(number) == 0


def test_only_one_serves_a_house(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        here.start()
        second = here.run("serve")
        assert second.returncode == 1
        assert b"the inbox is being written by process" in second.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0:0"), b"can be reached from the network"),
        (("--listen", "8765"), b"expected an address and a port"),
    ],
)
def test_what_it_does_not_start_with_is_one_line(tmp_path: Path, words: tuple[str, ...], said: bytes) -> None:
    with town(tmp_path) as here:
        done = here.run("serve", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_without_a_secret_it_does_not_start(tmp_path: Path) -> None:
    with town(tmp_path) as here:
        file = tmp_path / "bridge.toml"
        file.write_text(file.read_text().replace('secret = "env:TOWN_HOOKS"', ""))
        done = here.run("serve")
        assert done.returncode == 2
        assert b"[hooks] secret is not set" in done.stderr


def deliver_all(here: Town, events: list[dict[str, object]], kills: int, seed: int) -> int:
    """Send every event while the receiver is killed so often; what was not accepted is spooled and sent again.

    Returns how often an event had to be sent again.
    """
    chance = random.Random(seed)
    at = sorted(chance.sample(range(1, len(events)), kills))
    spool, again = list(events), 0
    sent = 0
    while spool:
        if at and sent >= at[0]:
            at.pop(0)
            # The kill falls into the middle of what is sent next.
            killer = threading.Timer(chance.random() * 0.05, here.stop, (signal.SIGKILL,))
            killer.start()
        else:
            killer = None
        left = []
        for told in spool[:40]:
            try:
                taken = here.send(told).status_code == 202
            except requests.RequestException:
                taken = False
            if not taken:
                left.append(told)
        sent += min(40, len(spool))
        again += len(left)
        spool = left + spool[40:]
        if killer is not None:
            killer.join()
            here.start()
    return again


@dataclass(frozen=True)
class Storm:
    """How much is sent, and how often the receiver is killed meanwhile."""

    events: int
    clients: int
    kills: int


STORMS = [
    pytest.param(Storm(80, 8, 2), id="small"),
    pytest.param(
        Storm(10_000, 60, 20),
        id="large",
        marks=pytest.mark.skipif(not os.environ.get("WHMCS_BRIDGE_SOAK"), reason="minutes; set WHMCS_BRIDGE_SOAK"),
    ),
]


@pytest.mark.parametrize("storm", STORMS)
def test_whenever_it_is_killed_every_event_is_there_once_and_every_client_is_right(
    tmp_path: Path, storm: Storm
) -> None:
    with town(tmp_path) as here:
        made = debtors(here, storm.clients)
        here.start()
        chance = random.Random(4)
        paid = chance.sample(made, storm.clients * 2 // 3)
        for _, invoice in paid:
            with here.whmcs.front.lock:
                record_payment(here.world, invoice, mail=False)
        events = [event("InvoicePaid", invoiceid=invoice.id) for _, invoice in paid]
        events += [event("ClientEdit", userid=chance.choice(made)[0].client) for _ in range(storm.events - len(paid))]
        chance.shuffle(events)
        deliver_all(here, events, storm.kills, seed=5)
        until(lambda: all(e.state is EventState.HANDLED for e in here.inbox()), "the end of all events")
        assert sorted(e.event_id for e in here.inbox()) == sorted(str(told["id"]) for told in events)
        up = {service.id for service, _ in paid}
        for service, _ in made:
            assert service.status == (ServiceStatus.ACTIVE if service.id in up else ServiceStatus.SUSPENDED)
        assert here.stop() == 0
