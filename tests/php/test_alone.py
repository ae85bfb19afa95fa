"""While the bridge is away: the gate file, the defaults, nobody waits for it, and staff hears of it."""

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.needs import needs
from tests.php.calls import CANCELS, INVOICE, NONE, OWING, SUSPEND, TERMINATE, UNSUSPEND, gate
from tests.php.receiver import Receiver
from tests.php.whmcs import ADMIN, ADMIN_PAGE, Whmcs, module_call

pytestmark = needs("php")


# --- without the bridge ---------------------------------------------------------------------------


def stopped(whmcs: Whmcs, point: str, service: int, **more: Any) -> bool:
    return bool(whmcs.page(module_call(point, service), **more).answer == {"abortcmd": True})


def test_without_bridge_and_gate_the_cron_waits_and_a_payment_releases(alone: Whmcs) -> None:
    calls = (SUSPEND, UNSUSPEND, TERMINATE, CANCELS)
    page = alone.page(*calls)
    assert page.answers == [[{"abortcmd": True}], [None], [{"abortcmd": True}], [None]]


def test_a_person_is_let_through_while_the_bridge_is_away_and_it_is_kept(alone: Whmcs) -> None:
    page = alone.page(SUSPEND, TERMINATE, session=ADMIN, script=ADMIN_PAGE, local=OWING)
    assert page.answers == [[None], [None]]
    kept = alone.spool
    assert [(event["point"], event["actor"], event["answered"]) for event in kept] == [
        ("PreModuleSuspend", "admin", "allow"),
        ("PreModuleTerminate", "admin", "allow"),
    ]
    assert set(kept[1]["facts"]) == {"client", "service"}


def test_the_defaults_can_be_set(alone: Whmcs) -> None:
    alone.set(defaults={"PreModuleSuspend": "allow", "PreModuleUnsuspend": "abort"})
    assert not stopped(alone, "PreModuleSuspend", 34)
    assert stopped(alone, "PreModuleUnsuspend", 34)
    assert stopped(alone, "PreModuleTerminate", 34)


@pytest.mark.parametrize(
    ("point", "service", "stops"),
    [
        ("PreModuleSuspend", 34, False),
        ("PreModuleSuspend", 35, True),
        ("PreModuleUnsuspend", 35, True),
        ("PreModuleUnsuspend", 34, False),
        ("PreModuleTerminate", 36, False),
        ("PreModuleTerminate", 34, True),
    ],
)
def test_a_fresh_gate_file_decides(alone: Whmcs, point: str, service: int, stops: bool) -> None:
    gate(alone)
    assert stopped(alone, point, service) is stops


LATER: Mapping[str, Any] = {**OWING, "GetInvoice": {**INVOICE, "duedate": "2999-01-01"}}
CLEAN: Mapping[str, Any] = {**OWING, "GetInvoices": {"": NONE}}
LISTED: Mapping[str, Any] = {
    "suspend": {"34": "due"},
    "unsuspend_refused": {"34": "invoice 99 is open"},
    "terminate": {"34": "due"},
}


@pytest.mark.parametrize(
    ("point", "local", "stops"),
    [
        ("PreModuleSuspend", OWING, False),
        ("PreModuleSuspend", CLEAN, True),
        ("PreModuleSuspend", LATER, True),
        ("PreModuleUnsuspend", OWING, True),
        ("PreModuleUnsuspend", CLEAN, False),
        ("PreModuleUnsuspend", LATER, False),
        ("PreModuleTerminate", OWING, False),
        ("PreModuleTerminate", CLEAN, True),
    ],
)
def test_who_has_paid_since_is_not_held_to_the_gate_file(
    alone: Whmcs, point: str, local: Mapping[str, Any], stops: bool
) -> None:
    """It may be a day old; what is open now is read in the same request."""
    gate(alone, **LISTED)
    assert stopped(alone, point, 34, local=local) is stops


def resting_on(*invoices: int) -> dict[str, Any]:
    """The lists of the gate file, resting on these invoices; 99 is open and overdue, the others are paid."""
    entry = {"why": "invoice 12 is still open", "invoices": invoices}
    return {name: {"34": entry} for name in LISTED}


@pytest.mark.parametrize(
    ("point", "invoices", "stops"),
    [
        ("PreModuleSuspend", (12, 99), False),
        ("PreModuleSuspend", (12,), True),
        ("PreModuleSuspend", (), False),
        ("PreModuleUnsuspend", (12, 99), True),
        ("PreModuleUnsuspend", (12,), False),
        ("PreModuleUnsuspend", (), True),
        ("PreModuleTerminate", (12, 99), False),
        ("PreModuleTerminate", (12,), True),
        ("PreModuleTerminate", (), False),
    ],
)
def test_an_entry_of_the_gate_file_holds_while_one_of_its_invoices_is_open(
    alone: Whmcs, point: str, invoices: tuple[int, ...], stops: bool
) -> None:
    """Who paid what it names is not held for a domain that is overdue; without invoices it is as in an older file."""
    gate(alone, **resting_on(*invoices))
    assert stopped(alone, point, 34, local=OWING) is stops


def test_what_is_paid_by_now_is_not_named_as_open(alone: Whmcs) -> None:
    gate(alone, **resting_on(12, 99))
    page = alone.page(UNSUSPEND, local=OWING)
    assert "refused - Service ID: 34 - still open: invoice 99" in page.log
    gate(alone, **resting_on(99))
    assert "refused - Service ID: 34 - invoice 12 is still open" in alone.page(UNSUSPEND, local=OWING).log


@pytest.mark.parametrize(("invoice", "stops"), [(98, False), (97, True)])
def test_nothing_harmful_is_done_for_an_invoice_that_is_not_due_any_more(
    alone: Whmcs, invoice: int, stops: bool
) -> None:
    """98 is overdue; 97 was put off, and only the release still waits for it."""
    heads = [{"id": "98"}, {"id": "97"}]
    listed = {"result": "success", "totalresults": "2", "invoices": {"invoice": heads}}
    overdue = {**INVOICE, "invoiceid": "98"}
    put_off = {**INVOICE, "invoiceid": "97", "duedate": "2999-01-01"}
    invoices = {"GetInvoices": {"": NONE, "Unpaid": listed}, "GetInvoice": {"98": overdue, "97": put_off}}
    local = {**OWING, **invoices}
    gate(alone, **resting_on(invoice))
    assert stopped(alone, "PreModuleSuspend", 34, local=local) is stops
    assert stopped(alone, "PreModuleUnsuspend", 34, local=local)


@pytest.mark.parametrize("point", ["PreModuleSuspend", "PreModuleTerminate", "PreModuleUnsuspend"])
def test_an_entry_holds_where_the_invoices_cannot_be_read(alone: Whmcs, point: str) -> None:
    gate(alone, **resting_on(12))
    assert stopped(alone, point, 34) is (point == "PreModuleUnsuspend")


def test_an_entry_that_is_not_understood_is_none(alone: Whmcs) -> None:
    odd: Any
    for odd in ({"invoices": [99]}, {"why": ["x"]}, [], {"why": "", "invoices": "99"}, None):
        gate(alone, suspend={"34": odd})
        assert stopped(alone, "PreModuleSuspend", 34, local=OWING), odd


def test_who_is_down_for_something_else_is_not_released_by_a_payment(alone: Whmcs) -> None:
    gate(alone, unsuspend_never={"34": {"why": "abuse", "invoices": [12]}})
    assert stopped(alone, "PreModuleUnsuspend", 34, local=OWING)


def test_the_invoice_that_is_being_paid_holds_nothing_back_without_the_bridge(alone: Whmcs) -> None:
    gate(alone, **LISTED)
    paying = ("InvoicePaidPreEmail", {"invoiceid": 99})
    assert alone.page(paying, UNSUSPEND, local=OWING).answers[1] == [None]
    other = ("InvoicePaidPreEmail", {"invoiceid": 98})
    assert alone.page(other, UNSUSPEND, local=OWING).answers[1] == [{"abortcmd": True}]


def test_an_old_or_broken_gate_file_decides_nothing(alone: Whmcs) -> None:
    gate(alone, age_hours=27)
    assert stopped(alone, "PreModuleSuspend", 34)
    assert not stopped(alone, "PreModuleUnsuspend", 35)
    Path(alone.settings["gate"]).write_text('{"made_at": "2026')
    assert not stopped(alone, "PreModuleUnsuspend", 35)


@pytest.mark.parametrize(
    ("known", "point", "service", "stops"),
    [
        ({"mode": "shadow"}, "PreModuleSuspend", 35, False),
        ({"mode": "shadow"}, "PreModuleUnsuspend", 35, False),
        ({"held": "paused"}, "PreModuleSuspend", 34, True),
        ({"held": "paused"}, "PreModuleTerminate", 36, True),
        ({"held": "paused"}, "PreModuleUnsuspend", 34, False),
        ({"free_products": [1]}, "PreModuleSuspend", 35, False),
        ({"only": {"clients": [3], "groups": []}}, "PreModuleSuspend", 35, True),
        ({"only": {"clients": [], "groups": [2]}}, "PreModuleSuspend", 35, True),
        ({"only": {"clients": [4], "groups": [1]}}, "PreModuleSuspend", 35, False),
        ({"only": {"clients": [], "groups": []}}, "PreModuleUnsuspend", 35, False),
    ],
)
def test_the_gate_file_knows_whom_the_bridge_acts_for(
    alone: Whmcs, known: dict[str, Any], point: str, service: int, stops: bool
) -> None:
    gate(alone, **known)
    assert stopped(alone, point, service, local=OWING) is stops


def test_a_bridge_that_does_not_answer_in_time_is_not_waited_for(over_http: Whmcs, receiver: Receiver) -> None:
    """The page is done while the bridge still holds the question."""
    receiver.hold = threading.Event()
    over_http.set(timeout_ms=300)
    page = over_http.page(SUSPEND)
    assert not receiver.hold.is_set()
    assert page.answer == {"abortcmd": True}
    assert over_http.spool[0]["answered"] == "abort"


def test_a_bridge_that_answers_byte_by_byte_is_not_waited_for(over_http: Whmcs, receiver: Receiver) -> None:
    receiver.drips = threading.Event()
    over_http.set(timeout_ms=300)
    assert over_http.page(SUSPEND).answer == {"abortcmd": True}
    assert not receiver.drips.is_set()


def test_after_three_silences_the_bridge_is_left_alone_for_a_while(whmcs: Whmcs, receiver: Receiver) -> None:
    """A cron run over hundreds of services must not wait for each."""
    receiver.hold = threading.Event()
    whmcs.set(timeout_ms=200)
    calls = [module_call("PreModuleSuspend", number) for number in range(1, 9)]
    page = whmcs.page(*calls)
    assert page.answers == [[{"abortcmd": True}]] * 8
    assert len(receiver.heard) == 3
    assert len(whmcs.spool) == 8


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"abort": "no"}),
        (200, {}),
        (200, []),
        (500, {"error": "broken"}),
        (503, {"error": "disk full"}),
        (202, {"accepted": True}),
        (302, {}),
    ],
    ids=str,
)
def test_an_answer_that_is_none_falls_back(over_http: Whmcs, receiver: Receiver, answer: Any) -> None:
    receiver.answers["PreModuleSuspend"] = answer
    assert over_http.page(SUSPEND).answer == {"abortcmd": True}


def test_an_answer_that_the_bridge_did_not_sign_is_none(over_http: Whmcs, receiver: Receiver) -> None:
    """Another user of the machine may listen on the port while the bridge is down."""
    receiver.signs = False
    receiver.answers["AdminAreaClientSummaryPage"] = (200, {"html": "<script>steal()</script>"})
    page = over_http.page(SUSPEND, ("AdminAreaClientSummaryPage", {"userid": 3}), ("InvoicePaid", {"invoiceid": 99}))
    assert page.answers == [[{"abortcmd": True}], [""], [None]]
    assert [event["point"] for event in over_http.spool] == ["PreModuleSuspend", "InvoicePaid"]


def test_a_wrong_secret_falls_back(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.set(secret="another")
    assert whmcs.page(SUSPEND).answer == {"abortcmd": True}
    assert not receiver.heard[0].signed


@pytest.mark.parametrize("url", ["", "http:///", "nonsense", "http://[::1", "ftp://127.0.0.1:1"])
def test_an_address_that_cannot_be_is_as_no_bridge(over_http: Whmcs, url: str) -> None:
    over_http.set(url=url, connect_timeout_ms=250)
    assert over_http.page(SUSPEND).answer == {"abortcmd": True}


# --- a dead bridge is noticed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "said"), [(27.5, "its last sync was 27 hours ago"), (None, "there is no gate file")], ids=["old", "none"]
)
def test_a_bridge_that_no_longer_runs_is_told_to_the_admins(alone: Whmcs, age: float | None, said: str) -> None:
    if age is not None:
        gate(alone, age_hours=age)
    page = alone.page(("DailyCronJob", {}), local={"SendAdminEmail": {"result": "success"}})
    assert said in page.log
    (mail,) = page.local("SendAdminEmail")
    assert said in mail["custommessage"]
    assert mail["type"] == "system"


def test_a_receiver_that_no_longer_runs_is_told_to_the_admins(alone: Whmcs) -> None:
    """Its sync runs and its gate file is fresh, but for more than a day nobody takes what WHMCS tells."""
    gate(alone)
    alone.page(("InvoicePaid", {"invoiceid": 99}))
    assert alone.page(("DailyCronJob", {})).local("SendAdminEmail") == []
    (waiting, *_) = sorted(Path(alone.settings["spool"]).glob("*.json"))
    then = int((time.time() - 27.5 * 3600) * 1000)
    waiting.rename(waiting.with_name(f"{then:015d}-{waiting.name.partition('-')[2]}"))
    page = alone.page(("DailyCronJob", {}))
    (mail,) = page.local("SendAdminEmail")
    assert "3 events wait to be told, the oldest for 27 hours" in mail["custommessage"]
    assert "sync" not in page.log


def test_a_bridge_that_runs_is_no_news(whmcs: Whmcs) -> None:
    gate(whmcs, age_hours=25)
    page = whmcs.page(("DailyCronJob", {}))
    assert page.log == ""
    assert page.local("SendAdminEmail") == []


def test_a_bridge_elsewhere_is_asked_for_its_gate_file(over_http: Whmcs, receiver: Receiver) -> None:
    made = datetime.now(UTC).isoformat()
    receiver.answers["gate"] = (200, {"made_at": made, "mode": "enforce"})
    over_http.page(("AfterCronJob", {}))
    assert json.loads(Path(over_http.settings["gate"]).read_text())["made_at"] == made
    assert [(heard.method, heard.path, heard.signed) for heard in receiver.heard] == [("GET", "/gate", True)]
    over_http.page(("AfterCronJob", {}))
    assert len(receiver.heard) == 1


def test_an_older_gate_file_replaces_no_newer_one(whmcs: Whmcs, receiver: Receiver) -> None:
    gate(whmcs, age_hours=2)
    before = Path(whmcs.settings["gate"]).read_text()
    receiver.answers["gate"] = (200, {"made_at": "2026-01-01T00:00:00+00:00"})
    whmcs.page(("AfterCronJob", {}))
    assert receiver.points() == ["gate"]
    assert Path(whmcs.settings["gate"]).read_text() == before
