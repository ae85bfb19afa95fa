"""What could not be told waits on the disk, within bounds, and is delivered in order."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from tests.php.calls import OWING, SUSPEND
from tests.php.receiver import Heard, Receiver, Reply
from tests.php.whmcs import ADMIN, ADMIN_PAGE, Whmcs

pytestmark = needs("php")


def test_what_could_not_be_told_is_told_later_in_order(whmcs: Whmcs, receiver: Receiver) -> None:
    here, whmcs.settings["url"] = receiver.url, "http://127.0.0.1:9"
    whmcs.set(connect_timeout_ms=250)
    calls = [("InvoicePaid", {"invoiceid": number}) for number in range(1, 5)]
    whmcs.page(*calls)
    kept = [event["id"] for event in whmcs.spool]
    assert len(kept) == 4
    whmcs.set(url=here)
    whmcs.page(("InvoicePaid", {"invoiceid": 5}))
    told = receiver.events("InvoicePaid")
    assert [event["vars"]["invoiceid"] for event in told] == ["5", "1", "2", "3", "4"]
    assert [event["id"] for event in told[1:]] == kept
    assert all(heard.signed for heard in receiver.heard)
    assert whmcs.spool == []


def test_a_page_delivers_a_few_and_the_cron_the_rest(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 13)])
    assert len(whmcs.spool) == 12
    receiver.answers.clear()
    whmcs.page(("InvoiceCreated", {"invoiceid": 13}))
    assert len(whmcs.spool) == 7
    whmcs.page(("AfterCronJob", {}))
    assert whmcs.spool == []


def test_who_waits_for_an_answer_does_not_wait_for_the_spool(whmcs: Whmcs, receiver: Receiver) -> None:
    """A question has its time-out, and nothing comes on top of it."""
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(("InvoicePaid", {"invoiceid": 1}))
    receiver.answers.clear()
    before = len(receiver.heard)
    whmcs.page(SUSPEND, local=OWING)
    assert len(receiver.heard) == before + 1
    assert len(whmcs.spool) == 1


def test_a_page_gives_what_waits_a_second_and_not_a_time_out_more(over_http: Whmcs, receiver: Receiver) -> None:
    """However many events it tells, and however long the bridge takes over the last one that waited."""
    waiting(over_http, receiver, 3)
    answered, given_up = [], threading.Event()

    def slow(event: Any) -> Reply:
        answered.append(given_up.wait(8))
        return 202, {}

    receiver.answers["InvoicePaid"] = slow
    before = len(receiver.events("InvoicePaid"))
    over_http.page(*[("InvoiceCreated", {"invoiceid": number}) for number in range(7, 10)])
    assert answered == []
    assert len(receiver.events("InvoicePaid")) - before <= 1
    assert len(over_http.spool) == 3
    given_up.set()


def test_delivery_stops_at_the_first_silence_and_loses_nothing(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 4)])
    before = len(receiver.heard)
    whmcs.page(("AfterCronJob", {}))
    assert len(receiver.events()) == before + 1
    assert len(whmcs.spool) == 3


def test_what_the_bridge_will_never_take_is_set_aside(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 4)])
    first = sorted(Path(whmcs.settings["spool"]).glob("*.json"))[0]
    first.write_text("{")
    receiver.answers["InvoicePaid"] = lambda event: (400 if event["vars"]["invoiceid"] == "2" else 202, {})
    page = whmcs.page(("AfterCronJob", {}))
    assert whmcs.spool == []
    assert len(bad(whmcs)) == 2
    assert page.log.count("the bridge never takes 2 of the events told") == 1
    assert whmcs.page(("AfterCronJob", {})).log == ""


def bad(whmcs: Whmcs) -> list[Path]:
    """What was set aside, oldest first."""
    return sorted(Path(whmcs.settings["spool"]).glob("*.bad"))


def waiting(whmcs: Whmcs, receiver: Receiver, count: int, *, hours: float = 0) -> None:
    """So many payments of invoices 1, 2, ... wait, since so many hours."""
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, count + 1)])
    receiver.answers.clear()
    for file in Path(whmcs.settings["spool"]).glob("*.json"):
        stamp, _, rest = file.name.partition("-")
        file.rename(file.with_name(f"{int(stamp) - int(hours * 3_600_000):015d}-{rest}"))


def about(number: int) -> Callable[[Heard], bool]:
    return lambda heard: heard.method == "POST" and heard.event["vars"].get("invoiceid") == str(number)


def test_one_that_somebody_on_the_way_finds_too_large_stands_in_nobodys_way(
    over_http: Whmcs, receiver: Receiver
) -> None:
    """A proxy's refusal is not signed: it is believed once the bridge takes the others."""
    waiting(over_http, receiver, 3)
    receiver.mute = about(1)
    receiver.answers["InvoicePaid"] = lambda event: (413 if event["vars"]["invoiceid"] == "1" else 202, {})
    page = over_http.page(("AfterCronJob", {}))
    assert over_http.spool == []
    (kept,) = bad(over_http)
    assert json.loads(kept.read_text())["vars"]["invoiceid"] == "1"
    assert page.log.count("the bridge never takes 1 of the events told") == 1


def test_a_page_that_got_through_need_not_find_another_that_does(whmcs: Whmcs, receiver: Receiver) -> None:
    waiting(whmcs, receiver, 1)
    receiver.mute = about(1)
    receiver.answers["InvoicePaid"] = (413, {})
    whmcs.page(("InvoiceCreated", {"invoiceid": 7}))
    assert (whmcs.spool, len(bad(whmcs))) == ([], 1)


def test_somebody_else_on_the_bridges_port_makes_nothing_go(whmcs: Whmcs, receiver: Receiver) -> None:
    waiting(whmcs, receiver, 4)
    receiver.signs = False
    receiver.answers["InvoicePaid"] = (413, {})
    assert whmcs.page(("AfterCronJob", {})).log == ""
    assert (len(whmcs.spool), bad(whmcs)) == (4, [])


@pytest.mark.parametrize(("hours", "left", "aside"), [(1, 3, 0), (25, 0, 1)])
def test_one_that_makes_the_bridge_ill_is_tried_for_a_day(
    whmcs: Whmcs, receiver: Receiver, hours: float, left: int, aside: int
) -> None:
    waiting(whmcs, receiver, 3, hours=hours)
    receiver.answers["InvoicePaid"] = lambda event: (503 if event["vars"]["invoiceid"] == "1" else 202, {})
    whmcs.page(("AfterCronJob", {}))
    assert (len(whmcs.spool), len(bad(whmcs))) == (left, aside)


def test_what_was_set_aside_has_an_end_and_takes_nobodys_room(whmcs: Whmcs, receiver: Receiver) -> None:
    folder = Path(whmcs.settings["spool"])
    folder.mkdir()
    for number in range(205):
        (folder / f"{number:015d}-{number:032x}.bad").write_text("{}")
    whmcs.set(spool_max_files=2)
    waiting(whmcs, receiver, 2)
    assert len(whmcs.spool) == 2
    receiver.answers["InvoicePaid"] = (404, {})
    whmcs.page(("AfterCronJob", {}))
    left = bad(whmcs)
    assert (whmcs.spool, len(left)) == ([], 200)
    assert [about(number)(heard_in(left[number - 3])) for number in (1, 2)] == [True, True]


def heard_in(file: Path) -> Heard:
    return Heard("POST", "", b"", file.read_text(), True, "")


def test_the_spool_has_an_end(alone: Whmcs) -> None:
    alone.set(spool_max_files=3)
    alone.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 6)])
    alone.page(("InvoicePaid", {"invoiceid": 6}))
    assert [event["vars"]["invoiceid"] for event in alone.spool] == ["1", "2", "3"]


def test_a_full_spool_says_so_once_a_day(alone: Whmcs) -> None:
    alone.set(spool_max_files=3)
    told = [("InvoicePaid", {"invoiceid": number}) for number in range(1, 6)]
    assert alone.page(*told[:3]).log == ""
    assert alone.page(*told[3:]).log.count("is full") == 1
    assert alone.page(*told[3:]).log == ""
    mark = Path(alone.settings["spool"], ".full")
    then = time.time() - 90_000
    os.utime(mark, (then, then))
    assert alone.page(*told[3:]).log.count("is full") == 1
    assert len(alone.spool) == 3


def test_the_last_room_is_for_persons_and_payments(alone: Whmcs) -> None:
    """A cron's refusals come again tomorrow; a click, a payment and whose account it was do not."""
    alone.set(spool_max_files=20)
    alone.page(*[("InvoiceCreated", {"invoiceid": number}) for number in range(1, 21)], SUSPEND)
    assert len(alone.spool) == 18
    alone.page(SUSPEND, session=ADMIN, script=ADMIN_PAGE)
    alone.page(("InvoicePaid", {"invoiceid": 1}), ("InvoicePaid", {"invoiceid": 2}))
    kept = {(event["point"], event["actor"]) for event in alone.spool if event["point"] != "InvoiceCreated"}
    assert kept == {("PreModuleSuspend", "admin"), ("InvoicePaid", "cron")}
    assert len(alone.spool) == 20


def test_what_waits_is_nobody_elses_to_read(alone: Whmcs) -> None:
    alone.page(("InvoicePaid", {"invoiceid": 1}))
    folder = Path(alone.settings["spool"])
    (file,) = folder.glob("*.json")
    assert file.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.glob("*.tmp")) == []


def test_a_spool_that_cannot_be_written_is_said_and_survived(alone: Whmcs) -> None:
    Path(alone.root, "file").write_text("")
    alone.set(spool=str(Path(alone.root, "file", "spool")))
    page = alone.page(("InvoicePaid", {"invoiceid": 1}))
    assert page.answer is None
    assert "cannot be made" in page.log


def test_two_requests_do_not_deliver_the_same_event_at_once(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["InvoicePaid"] = (503, {"error": "disk full"})
    whmcs.page(("InvoicePaid", {"invoiceid": 1}))
    receiver.answers.clear()
    with Path(whmcs.settings["spool"], ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whmcs.page(("AfterCronJob", {}))
        assert len(whmcs.spool) == 1
    whmcs.page(("AfterCronJob", {}))
    assert whmcs.spool == []
