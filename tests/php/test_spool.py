"""What could not be told waits on the disk, within bounds, and is delivered in order."""

import fcntl
from pathlib import Path

from tests.needs import needs
from tests.php.calls import OWING, SUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import Whmcs

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
    assert len(list(Path(whmcs.settings["spool"]).glob("*.bad"))) == 2
    assert page.log.count("the bridge refused an event that had waited") == 2


def test_the_spool_has_an_end(alone: Whmcs) -> None:
    alone.set(spool_max_files=3)
    alone.page(*[("InvoicePaid", {"invoiceid": number}) for number in range(1, 6)])
    alone.page(("InvoicePaid", {"invoiceid": 6}))
    assert [event["vars"]["invoiceid"] for event in alone.spool] == ["1", "2", "3"]


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
