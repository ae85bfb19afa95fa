"""Who may speak to the receiver, and what becomes of everybody else."""

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hooks import HANDLERS
from tests.receiver.office import NOW, SECRET, Office, body_of, event, hear_everything, log_of, office
from whmcs_bridge.errors import DatabaseTrouble
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.receiver.signature import NONCE, SIGNATURE, TIMESTAMP, reply_signature, signed
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import ServiceStatus

PRIVATE = "ana@example.com"
"""Something that no log may hold."""


def test_a_signed_question_is_answered_and_the_answer_is_signed() -> None:
    with office() as here:
        _, service, invoice = here.suspended()
        body = body_of(event("PreModuleUnsuspend", serviceid=service.id))
        headers = signed(SECRET, body, "a" * 32, NOW)
        reply = here.http.post("/hooks/PreModuleUnsuspend", data=body, headers=headers)
        assert reply.status_code == 200
        assert reply.json == {"abort": True, "reason": f"invoice {invoice.id} is still open", "ours": False}
        assert reply.headers[SIGNATURE] == reply_signature(SECRET, "a" * 32, 200, reply.data)


def test_what_is_told_is_in_the_inbox_when_it_is_accepted_and_once_only() -> None:
    with office() as here:
        told = event("InvoicePaid", invoiceid=5)
        assert [here.send(told).status_code for _ in range(3)] == [202, 202, 202]
        assert here.inbox == [told["id"]]


def wrong(headers: dict[str, str], how: str) -> dict[str, str]:
    changes = {
        "no signature": {SIGNATURE: ""},
        "another signature": {SIGNATURE: "0" * 64},
        "not ASCII": {SIGNATURE: "\xe9" * 64},
        "another time": {TIMESTAMP: str(int(NOW) + 1)},
        "another nonce": {NONCE: "b" * 32},
        "no time": {TIMESTAMP: ""},
    }
    return headers | changes[how]


@pytest.mark.parametrize(
    "how", ["no signature", "another signature", "not ASCII", "another time", "another nonce", "no time"]
)
def test_a_wrong_signature_is_refused_with_one_line_and_no_payload(how: str, caplog: pytest.LogCaptureFixture) -> None:
    hear_everything(caplog)
    with office() as here:
        body = body_of(event("InvoicePaid", invoiceid=5, source=PRIVATE))
        reply = here.http.post("/hooks/InvoicePaid", data=body, headers=wrong(signed(SECRET, body, "a" * 32, NOW), how))
        assert reply.status_code == 401
        assert SIGNATURE not in reply.headers
        assert here.inbox == []
        (record,) = caplog.records
        assert "status=401 from=127.0.0.1" in record.getMessage()
        assert PRIVATE not in log_of(caplog)
        assert SECRET.decode() not in log_of(caplog)


def test_a_body_that_was_changed_on_the_way_is_refused() -> None:
    with office() as here:
        body = body_of(event("InvoicePaid", invoiceid=5))
        headers = signed(SECRET, body, "a" * 32, NOW)
        for other in (body[:-1], body + b" ", body.replace(b'"5"', b'"6"')):
            assert here.http.post("/hooks/InvoicePaid", data=other, headers=headers).status_code == 401
        assert here.http.post("/hooks/InvoicePaid", data=body, headers=headers).status_code == 202


@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (301, 401), (-300, 202), (300, 202)])
def test_a_signature_holds_as_long_as_the_clocks_may_differ(seconds: int, status: int) -> None:
    with office() as here:
        assert here.send(event("InvoicePaid", invoiceid=5), at=NOW + seconds).status_code == status


def test_a_nonce_is_taken_once_also_after_a_restart(tmp_path: Path) -> None:
    with office(nonces=tmp_path / "nonces") as here:
        assert here.send(event("InvoicePaid", invoiceid=5), nonce="a" * 32).status_code == 202
        assert here.send(event("InvoicePaid", invoiceid=6), nonce="a" * 32).status_code == 409
        first = event("PreModuleSuspend", serviceid=1)
        assert here.send(first, nonce="b" * 32).status_code == 200
    with office(nonces=tmp_path / "nonces") as again:
        assert again.send(first, nonce="b" * 32).status_code == 409
        again.now += 301
        assert again.send(first, nonce="b" * 32, at=NOW).status_code == 401
        assert again.send(first, nonce="c" * 32).status_code == 200
    assert "b" * 32 not in (tmp_path / "nonces").read_text()  # too old to come again: forgotten


def test_a_large_body_is_refused() -> None:
    with office() as here:
        told = event("InvoicePaid", invoiceid=5, source="x" * 70_000)
        reply = here.send(told)
        assert (reply.status_code, here.inbox) == (413, [])
        assert SIGNATURE in reply.headers  # its sender may believe that it will never be taken
        reply = here.send(told, secret=b"another")
        assert (reply.status_code, here.inbox) == (413, [])
        assert SIGNATURE not in reply.headers


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("wrong", {"secret": b"another"}, 401),
    ("stale", {"at": NOW - 301}, 401),
    ("again", {"nonce": "a" * 32}, 409),
    ("large", {"body": b"x" * 70_000}, 413),
    ("no JSON", {"body": PRIVATE.encode()}, 400),
    ("unknown", {"point": "Unheard"}, 404),
]


@pytest.mark.parametrize(("more", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_is_one_line_with_its_sender_and_none_of_what_it_says(
    caplog: pytest.LogCaptureFixture, more: dict[str, Any], status: int
) -> None:
    with office() as here:
        assert here.send(event("InvoicePaid", invoiceid=5), nonce="a" * 32).status_code == 202
        hear_everything(caplog)
        caplog.clear()
        words = {"point": "InvoicePaid", "body": body_of(event("InvoicePaid", invoiceid=6, source=PRIVATE))} | more
        assert here.send_body(**words).status_code == status
        (record,) = caplog.records
        assert f"refused status={status} from=127.0.0.1: " in record.getMessage()
        assert not [word for word in (PRIVATE, "Unheard", SECRET.decode()) if word in log_of(caplog)]


@pytest.mark.parametrize("field", ["v", "at", "actor"])
def test_a_strange_question_is_one_line_with_its_sender_and_none_of_what_it_says(
    caplog: pytest.LogCaptureFixture, field: str
) -> None:
    hear_everything(caplog)
    with office() as here:
        assert here.send(event("PreModuleSuspend", serviceid=1) | {field: PRIVATE}).status_code == 200
        said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(said) == 1
        assert said[0].startswith("odd point=PreModuleSuspend from=127.0.0.1: it ")
        assert PRIVATE not in log_of(caplog)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'"text"', b"\xff\xfe", b"[" * 50_000, b"null"])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with office() as here:
        reply = here.send_body("InvoicePaid", body)
        assert reply.status_code == 400
        assert reply.json is not None
        assert reply.json["error"]


def test_an_event_for_another_point_than_it_was_sent_to_is_refused() -> None:
    """The signature covers the body only."""
    with office() as here:
        assert here.send_body("InvoicePaid", body_of(event("InvoiceUnpaid", invoiceid=5))).status_code == 400


def test_an_unknown_point_is_refused_without_a_word_of_it_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    hear_everything(caplog)
    with office() as here:
        assert here.send_body("Nonsense%0aadmitted", body_of(event("Nonsense"))).status_code == 404
        assert here.http.get("/elsewhere").status_code == 404
        assert here.http.get("/hooks/InvoicePaid").status_code == 405
        assert "Nonsense" not in log_of(caplog)


@pytest.mark.parametrize(
    ("point", "change", "abort"),
    [
        ("PreModuleSuspend", {"vars": {}}, True),
        ("PreModuleTerminate", {"vars": {"params": {"serviceid": "x"}}}, True),
        ("PreModuleUnsuspend", {"vars": {"params": {"serviceid": "9" * 5000}}}, False),
        ("PreModuleSuspend", {"at": "yesterday"}, True),
        ("PreModuleSuspend", {"at": "0001-01-01T00:00:00+00:00"}, True),
        ("PreModuleSuspend", {"at": "9999-12-31T23:59:59+00:00"}, True),
        ("PreModuleSuspend", {"actor": "nobody"}, True),
        ("PreModuleSuspend", {"vars": {}, "actor": "admin"}, False),
        ("PreModuleTerminate", {"v": 2}, True),
        ("PreInvoiceAutomaticCancellation", {"vars": []}, False),
    ],
)
def test_a_strange_question_falls_to_the_default(point: str, change: dict[str, Any], abort: bool) -> None:
    with office() as here:
        reply = here.send(event(point, serviceid=1, invoiceid=1) | change)
        assert reply.status_code == 200
        assert reply.json is not None
        assert reply.json["abort"] is abort


@pytest.mark.parametrize("change", [{"vars": {}}, {"v": 2}, {"at": None}, {"id": "no"}, {"vars": "x"}, {"facts": 7}])
def test_a_strange_tell_is_kept_and_shown(change: dict[str, Any]) -> None:
    with office() as here:
        told = event("InvoicePaid", invoiceid=5) | change
        assert [here.send(told).status_code for _ in range(2)] == [202, 202]
        here.work_off()
        (entry,) = here.house.bridge.journal.events()
        assert entry.payload == told
        assert entry.state == ("handled" if change == {"id": "no"} else "set aside")


def test_a_full_disk_makes_the_sender_keep_it(caplog: pytest.LogCaptureFixture) -> None:
    hear_everything(caplog)
    with office() as here:
        told = event("InvoicePaid", invoiceid=5, source=PRIVATE)
        trouble = DatabaseTrouble("no room left for journal.db")
        with patch.object(SqliteJournal, "accept_event", side_effect=trouble):
            assert here.send(told).status_code == 503
            _, service, _ = here.suspended()
            assert here.send(event("PreModuleUnsuspend", serviceid=service.id)).status_code == 200
        assert here.send(told).status_code == 202
        assert "no room left" in log_of(caplog)
        assert PRIVATE not in log_of(caplog)


def test_when_the_disk_is_really_full_nothing_is_said_to_be_kept(tmp_path: Path) -> None:
    """SQLite's own word, from the file to the status; what was kept before is still there."""
    with office(tmp_path) as here:
        told = [event("InvoicePaid", invoiceid=5, source="x" * 400) for _ in range(200)]
        conn = here.house.bridge.journal._store.conn  # type: ignore[attr-defined]
        (pages,) = conn.execute("PRAGMA page_count").fetchone()
        conn.execute(f"PRAGMA max_page_count={pages + 2}")
        taken = [one["id"] for one in told if here.send(one).status_code == 202]
        assert 0 < len(taken) < len(told)
        assert here.inbox == taken
        conn.execute("PRAGMA max_page_count=1000000")
        assert {here.send(one).status_code for one in told} == {202}
        assert sorted(here.inbox) == sorted(one["id"] for one in told)


def test_the_gate_file_is_given_to_who_signs() -> None:
    with office() as here:
        assert here.get_signed("/gate").status_code == 404
        assert here.http.get("/gate").status_code == 401


def test_the_gate_file_of_the_last_sync_is_what_is_given(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        _, service, _ = here.suspended()
        reply = here.get_signed("/gate")
        assert reply.status_code == 200
        assert str(service.id) in json.loads(reply.data)["unsuspend_refused"]
        assert SIGNATURE in reply.headers


def test_health_and_metrics_tell_numbers_and_no_names() -> None:
    with office() as here:
        assert here.http.get("/healthz").status_code == 503  # nobody works the inbox off
        here.receiver.worker.start()
        assert here.http.get("/healthz/ready").status_code == 503  # nothing was read yet
        client, service, _ = here.suspended()
        here.receiver.worker.stop()
        here.send(event("PreModuleUnsuspend", serviceid=service.id))
        here.send(event("InvoicePaid", invoiceid=5))
        here.send(event("InvoicePaid", invoiceid=5), secret=b"x")
        text = here.http.get("/metrics").get_data(as_text=True)
        assert 'whmcs_bridge_asks_total{outcome="abort",point="PreModuleUnsuspend"} 1.0' in text
        assert 'whmcs_bridge_tells_total{outcome="accepted",point="InvoicePaid"} 1.0' in text
        assert 'whmcs_bridge_refused_requests_total{status="401"} 1.0' in text
        assert 'whmcs_bridge_steps_today{kind="suspend",outcome="done"} 1.0' in text
        assert "whmcs_bridge_inbox_waiting 1.0" in text
        said = here.http.get("/healthz").get_data(as_text=True)
        assert client.email not in said + text
        assert json.loads(said)["inbox"]["waiting"] == 1


def test_a_payment_is_tried_again_while_whmcs_does_not_say_whose_it_is() -> None:
    with office() as here:
        _, service, invoice = here.suspended()
        here.house.pay(invoice)
        here.send(event("InvoicePaid", invoiceid=invoice.id))
        here.house.faults(Fault("GetInvoice", Kind.HTTP_503, count=0))
        here.work_off()
        (entry,) = here.house.bridge.journal.events()
        assert (entry.state, entry.tries) == ("waiting", 1)
        here.house.faults()
        here.house.world.clock += timedelta(seconds=2)
        here.work_off()
        assert service.status == ServiceStatus.ACTIVE


# --- whatever comes ---------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("v", "id", "at", "actor", "who", "vars", "facts", "answered")


@pytest.fixture(scope="module")
def here() -> Any:
    with office() as opened:
        opened.suspended()
        yield opened


def state_of(here: Office) -> list[str]:
    return [event.kind for event in here.house.world.log]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(HANDLERS)), st.data())
def test_no_signed_nonsense_makes_it_fail_or_act(
    here: Office, caplog: pytest.LogCaptureFixture, point: str, data: st.DataObject
) -> None:
    """Signed, so it comes from WHMCS's side: still nothing but an answer, an entry in the inbox, or a refusal."""
    caplog.clear()
    before = state_of(here)
    told = event(point, serviceid=1, invoiceid=1, userid=1, source=PRIVATE)
    changed = data.draw(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=3))
    reply = here.send(told | changed)
    assert reply.status_code in (200, 202, 400)
    with suppress(DatabaseTrouble):
        here.work_off()
    assert state_of(here) == before
    assert all(service.status == ServiceStatus.SUSPENDED for service in here.house.world.services.values())
    assert PRIVATE not in log_of(caplog)


def forge(here: Office, body: bytes, how: str, place: float) -> tuple[bytes, dict[str, str]]:
    """A signed event as somebody on the way, or somebody without the secret, could send it."""
    headers = signed(SECRET, body, uuid4().hex, here.now)
    at = int(place * (len(body) - 1))
    if how == "forged":
        return body, signed(b"guessed", body, uuid4().hex, here.now)
    if how == "stale":
        return body, signed(SECRET, body, uuid4().hex, here.now + (301 + 1e6 * place) * (-1 if at % 2 else 1))
    if how == "truncated":
        return body[:at], headers
    if how == "changed":
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], headers
    if how == "oversize":
        body += b" " * (here.receiver.desk.max_body_bytes + at)
        return body, signed(SECRET, body, uuid4().hex, here.now)
    return body, headers


REFUSALS = {"forged": 401, "stale": 401, "truncated": 401, "changed": 401, "oversize": 413, "replayed": 409}


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(HANDLERS)), st.sampled_from(sorted(REFUSALS)), st.floats(0, 1))
def test_whatever_is_forged_changed_or_sent_again_does_nothing(
    here: Office, caplog: pytest.LogCaptureFixture, point: str, how: str, place: float
) -> None:
    hear_everything(caplog)
    caplog.clear()
    body, headers = forge(here, body_of(event(point, serviceid=1, invoiceid=1, userid=1, source=PRIVATE)), how, place)
    if how == "replayed":
        assert here.http.post(f"/hooks/{point}", data=body, headers=headers).status_code in (200, 202)
    before = here.inbox, state_of(here), here.house.bridge.journal.tasks()
    reply = here.http.post(f"/hooks/{point}", data=body, headers=headers)
    assert reply.status_code == REFUSALS[how]
    assert before == (here.inbox, state_of(here), here.house.bridge.journal.tasks())
    assert not [word for word in (PRIVATE, SECRET.decode()) if word in log_of(caplog)]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.booleans(), st.sampled_from(["InvoicePaid", "PreModuleTerminate", "gone"]))
def test_random_bytes_are_refused(
    here: Office, caplog: pytest.LogCaptureFixture, body: bytes, is_signed: bool, point: str
) -> None:
    caplog.clear()
    kept = here.inbox
    if is_signed:
        status = here.send_body(point, body).status_code
    else:
        headers = {TIMESTAMP: str(int(NOW)), NONCE: uuid4().hex, SIGNATURE: uuid4().hex * 2}
        status = here.http.post(f"/hooks/{point}", data=body, headers=headers).status_code
    assert status in ((400, 404) if is_signed else (401,))
    assert here.inbox == kept
    assert SECRET.decode() not in log_of(caplog)
