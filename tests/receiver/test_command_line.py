"""Where no daemon may run: one command an event, and what waited in the spool is brought in."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from commands import cli
from tests.receiver.office import SECRET, Office, body_of, event, office
from tests.receiver.test_serving import debtors
from tests.receiver.town import Town, town, until
from tests.storage.test_lock import another_process
from whmcs_bridge.ports import EventState
from whmcs_bridge.receiver.drain import BAD_KEPT, Deliver, Said, drain, into_inbox, over_http
from whmcs_bridge.simulator.automation import record_payment
from whmcs_bridge.simulator.records import ServiceStatus


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as opened:
        yield opened


def invoke(here: Town, *words: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(cli, list(words), input=given, env=here.environment)


def test_a_question_and_a_payment_by_command(here: Town) -> None:
    ((service, invoice),) = debtors(here, 1)
    asked = body_of(event("PreModuleUnsuspend", serviceid=service.id))
    done = invoke(here, "hook", "PreModuleUnsuspend", given=asked)
    assert (done.exit_code, json.loads(done.stdout)["abort"]) == (0, True)
    record_payment(here.world, invoice, mail=False)
    done = invoke(here, "hook", "InvoicePaid", "--wait", given=body_of(event("InvoicePaid", invoiceid=invoice.id)))
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"accepted": True, "settled": True})
    assert service.status == ServiceStatus.ACTIVE


def test_the_caller_does_not_wait_for_the_release(here: Town) -> None:
    """The answer is out and its pipe closed, and the process has ended, before WHMCS is asked for anything."""
    ((service, invoice),) = debtors(here, 1)
    record_payment(here.world, invoice, mail=False)
    with here.whmcs.front.lock:  # WHMCS answers nobody
        done = here.run("hook", "InvoicePaid", given=body_of(event("InvoicePaid", invoiceid=invoice.id)))
        assert (done.returncode, json.loads(done.stdout)) == (0, {"accepted": True})
        assert service.status == ServiceStatus.SUSPENDED
    until(lambda: [e.state for e in here.inbox()] == [EventState.HANDLED], "the end of the event")
    assert service.status == ServiceStatus.ACTIVE


def test_what_staff_saves_on_a_page_is_done_behind_the_command(here: Town) -> None:
    """A release recorded on the services tab: no hook and no sync has to come by for it to act."""
    ((service, _),) = debtors(here, 1)
    here.world.clients[service.client].created = date(2020, 1, 1)
    point = "AdminClientServicesTabFieldsSave"
    fields = {"whmcs_bridge_record": "release", "whmcs_bridge_reason": "pays tomorrow"}
    done = here.run(
        "hook", point, "--screen", given=body_of(event(point, actor="admin", id=service.id) | {"fields": fields})
    )
    assert (done.returncode, json.loads(done.stdout)["message"][:17]) == (0, "recorded: release")
    until(lambda: service.status == ServiceStatus.ACTIVE, "the release")


def test_whmcss_cron_waits_for_the_release_by_command_too(here: Town) -> None:
    ((service, invoice),) = debtors(here, 1)
    record_payment(here.world, invoice, mail=False)
    here.run("hook", "InvoicePaid", given=body_of(event("InvoicePaid", invoiceid=invoice.id)))
    done = here.run("hook", "PreCronJob", "--wait", given=body_of(event("PreCronJob") | {"wait_seconds": 50}))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"accepted": True, "settled": True})
    assert service.status == ServiceStatus.ACTIVE
    assert {e.state for e in here.inbox()} == {EventState.HANDLED}


def test_the_command_ends_when_the_time_is_up_and_its_work_goes_on(here: Town) -> None:
    ((service, invoice),) = debtors(here, 1)
    record_payment(here.world, invoice, mail=False)
    with here.whmcs.front.lock:  # WHMCS answers nobody
        told = event("InvoicePaid", invoiceid=invoice.id) | {"wait_seconds": 0.2}
        done = here.run("hook", "InvoicePaid", "--wait", given=body_of(told))
        assert (done.returncode, json.loads(done.stdout)) == (0, {"accepted": True, "settled": False})
    until(lambda: service.status == ServiceStatus.ACTIVE, "the release")


@pytest.mark.parametrize(
    ("point", "body", "status"),
    [
        ("InvoicePaid", b"no", 400),
        ("InvoicePaid", body_of(event("InvoiceUnpaid", invoiceid=1)), 400),
        ("Gone", b"{}", 404),
        ("InvoicePaid", b" " * 70_000, 413),
    ],
)
def test_what_is_not_taken_is_said_with_its_status(here: Town, point: str, body: bytes, status: int) -> None:
    done = invoke(here, "hook", point, given=body)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["status"]) == (1, status)
    assert said["error"]


def test_wrong_settings_are_said_as_json_too(here: Town) -> None:
    (here.folder / "bridge.toml").write_text("mode = 7")
    done = invoke(here, "hook", "InvoicePaid", given=b"{}")
    assert done.exit_code == 2
    assert "mode" in json.loads(done.stdout)["error"]


def test_a_run_under_way_does_not_hold_an_event_up(here: Town) -> None:
    with another_process(here.folder / "journal.db", "sync"):
        told = body_of(event("ClientEdit", userid=1))
        done = invoke(here, "hook", "ClientEdit", "--wait", given=told)
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"accepted": True, "settled": False})
    assert [e.state for e in here.inbox()] == [EventState.WAITING]


HEAVY = {"requests", "flask", "waitress", "prometheus_client", "rich", "holidays", "jinja2", "tenacity", "werkzeug"}


def test_a_question_loads_only_what_an_answer_needs(here: Town) -> None:
    """The file in WHMCS waits for 1.5 seconds, and Python has to start as well."""
    code = (
        "import sys\n"
        "from commands import cli\n"
        "try: cli.main(['hook', 'PreModuleSuspend'], prog_name='whmcs-bridge')\n"
        "except SystemExit: pass\n"
        "print(sorted(sys.modules), file=sys.stderr)\n"
    )
    asked = body_of(event("PreModuleSuspend", serviceid=1))
    done = subprocess.run(
        [sys.executable, "-c", code], env=here.environment, input=asked, capture_output=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["abort"] is True
    assert not HEAVY & {name.strip("' ") for name in done.stderr.decode().strip("[]\n").split(",")}


# --- the spool --------------------------------------------------------------------------------------


def spooled(folder: Path, *events: dict[str, Any]) -> Path:
    """A spool as the file in WHMCS leaves it, oldest first."""
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    for number, told in enumerate(events, start=len(list(spool.iterdir()))):
        (spool / f"{number:015d}-{told['id']}.json").write_bytes(body_of(told))
    return spool


def tells(count: int) -> list[dict[str, Any]]:
    return [event("ClientEdit", userid=1) for _ in range(count)]


def into(here: Office) -> Any:
    """Deliver as `over_http` does, without a socket."""

    def deliver(point: str, body: bytes) -> Said:
        return Said(here.send_body(point, body).status_code)

    return deliver


@pytest.mark.parametrize("way", ["inbox", "http"])
def test_a_spool_is_delivered_oldest_first_and_once(tmp_path: Path, way: str) -> None:
    with office() as here:
        told = tells(5)
        spool = spooled(tmp_path, *told)
        deliver = into_inbox(here.receiver.desk) if way == "inbox" else into(here)
        assert deliver(told[3]["point"], body_of(told[3])) == Said(202)  # WHMCS delivers it at the same time
        drained = drain(spool, deliver)
        assert (drained.delivered, drained.bad, drained.left) == (5, 0, 0)
        assert here.inbox == [told[3]["id"], *(told[n]["id"] for n in (0, 1, 2, 4))]
        assert list(spool.iterdir()) == []
        assert drain(spool, deliver).delivered == 0


def test_bad_files_are_moved_aside_and_others_are_left_alone(tmp_path: Path) -> None:
    with office() as here:
        good = event("ClientEdit", userid=1)
        spool = spooled(tmp_path, event("Gone"), good, event("InvoicePaid", source="x" * 70_000))
        (spool / ("000000000000009-" + "a" * 32 + ".json")).write_bytes(b"half an ev")
        (spool / "gate.json").write_text("{}")
        (spool / "000000000000010-now.tmp").write_text("being written")
        drained = drain(spool, into_inbox(here.receiver.desk))
        assert (drained.delivered, drained.bad, drained.left) == (1, 3, 0)
        assert here.inbox == [good["id"]]
        left = sorted(path.suffix for path in spool.iterdir())
        assert left == [".bad", ".bad", ".bad", ".json", ".tmp"]


def test_what_nobody_takes_stays(tmp_path: Path) -> None:
    told = tells(3)
    spool = spooled(tmp_path, *told)
    answers = iter([Said(202), Said(503)])
    drained = drain(spool, lambda _point, _body: next(answers), lambda: 3600.0)
    assert (drained.delivered, drained.left, drained.status) == (1, 2, 503)
    assert len(list(spool.iterdir())) == 2
    nobody = over_http("http://127.0.0.1:9", SECRET)
    assert drain(spool, nobody).status == 0


def one_by_one(*said: Said) -> Deliver:
    answers = iter(said)
    return lambda _point, _body: next(answers)


@pytest.mark.parametrize("odd", [Said(413, ours=False), Said(503)], ids=["a proxy's limit", "ill for a day"])
def test_one_that_is_never_taken_stands_in_nobodys_way(tmp_path: Path, odd: Said) -> None:
    """By name these wait since 1970."""
    spool = spooled(tmp_path, *tells(4))
    drained = drain(spool, one_by_one(odd, odd, Said(202), Said(202)))
    assert (drained.delivered, drained.bad, drained.left, drained.status) == (2, 2, 0, 0)
    assert sorted(path.suffix for path in spool.iterdir()) == [".bad", ".bad"]


@pytest.mark.parametrize("odd", [Said(413, ours=False), Said(503), Said(401), Said(202, ours=False)])
def test_where_nothing_gets_through_it_is_not_the_events(tmp_path: Path, odd: Said) -> None:
    spool = spooled(tmp_path, *tells(30))
    drained = drain(spool, lambda _point, _body: odd)
    assert (drained.delivered, drained.bad, drained.left, drained.status) == (0, 0, 30, odd.status)
    assert {path.suffix for path in spool.iterdir()} == {".json"}


def test_of_what_is_never_taken_the_newest_is_kept(tmp_path: Path) -> None:
    spool = spooled(tmp_path, *tells(BAD_KEPT + 5))
    assert drain(spool, lambda _point, _body: Said(404)).bad == BAD_KEPT + 5
    assert min(path.name for path in spool.glob("*.bad")).startswith("000000000000005-")
    assert len(list(spool.iterdir())) == BAD_KEPT


def test_a_question_that_was_answered_without_us_is_kept_and_noted(tmp_path: Path) -> None:
    """A person unsuspended while the bridge was away: the next sync does not undo it."""
    with office() as here:
        _, service, _ = here.suspended()
        clicked = event("PreModuleUnsuspend", actor="admin", serviceid=service.id) | {"answered": "allow"}
        assert here.send(clicked).status_code == 202
        refused = event("PreModuleTerminate", serviceid=service.id)  # as an older file would spool it
        drain(spooled(tmp_path, refused), into_inbox(here.receiver.desk))
        here.work_off()
        assert [e.state for e in here.house.bridge.journal.events()] == [EventState.HANDLED] * 2
        (record,) = here.house.bridge.journal.records()
        assert record.service_id == service.id


def test_an_event_goes_only_by_an_answer_with_our_secret(tmp_path: Path, httpserver: HTTPServer) -> None:
    """Somebody else listens at the address, and says that it has taken everything."""
    httpserver.expect_request("/hooks/ClientEdit").respond_with_json({"accepted": True}, status=202)
    spool = spooled(tmp_path, *tells(1))
    drained = drain(spool, over_http(httpserver.url_for("/").rstrip("/"), SECRET))
    assert (drained.delivered, drained.left) == (0, 1)
    assert len(httpserver.log) == 1


def test_drain_says_how_many_and_works_them_off(here: Town) -> None:
    ((service, invoice),) = debtors(here, 1)
    record_payment(here.world, invoice, mail=False)
    spool = spooled(here.folder, event("InvoicePaid", invoiceid=invoice.id), *tells(2))
    done = invoke(here, "hooks", "drain", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {"spool": str(spool), "delivered": 3, "bad": 0, "left": 0},
    )
    assert service.status == ServiceStatus.ACTIVE
    assert invoke(here, "hooks", "drain").stdout == f"{spool}: 0 delivered, 0 bad, 0 left\n"


def test_drain_delivers_over_http_signed_anew(here: Town) -> None:
    spool = spooled(here.folder, *tells(2))
    here.start()
    done = invoke(here, "hooks", "drain", "--spool", str(spool), "--url", here.url)
    assert done.exit_code == 0, done.stderr
    assert len(here.inbox()) == 2
    here.stop()
    spooled(here.folder, *tells(1))
    done = invoke(here, "hooks", "drain", "--url", here.url)
    assert (done.exit_code, "nobody answered" in done.stderr) == (1, True)


def test_a_folder_that_is_not_there_is_one_line(here: Town) -> None:
    done = invoke(here, "hooks", "drain", "--spool", str(here.folder / "gone"))
    assert (done.exit_code, "say --spool PATH" in done.stderr) == (1, True)
