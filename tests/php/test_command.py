"""The command line instead of a daemon."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.town import Town, a_town
from tests.needs import needs
from tests.php.calls import SUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import Whmcs, module_call

pytestmark = needs("php")


PROGRAM = """
import json, sys
event = json.load(sys.stdin)
print(json.dumps(sys.argv[1:]), file=open({log!r}, "a"))
answer = {answers}.get(event["point"], {{"accepted": True}})
print(json.dumps(answer))
sys.exit(1 if "status" in answer else 0)
"""


def by_command(whmcs: Whmcs, answers: Mapping[str, Any], program: str = PROGRAM) -> Path:
    file, log = whmcs.root / "program.py", whmcs.root / "calls.log"
    file.write_text(program.format(log=str(log), answers=repr(dict(answers))))
    whmcs.set(transport="command", command=[sys.executable, "-S", str(file), "--config", "/etc/bridge it's.toml"])
    return log


def test_the_command_line_answers_like_the_receiver(whmcs: Whmcs, receiver: Receiver) -> None:
    answers = {
        "PreModuleSuspend": {"abort": True, "reason": "no debt"},
        "AdminAreaClientSummaryPage": {"html": "<p>owes</p>"},
    }
    log = by_command(whmcs, answers)
    page = whmcs.page(SUSPEND, ("InvoicePaid", {"invoiceid": 99}), ("AdminAreaClientSummaryPage", {"userid": 3}))
    assert page.answers == [[{"abortcmd": True}], [None], ["<p>owes</p>"]]
    words = ["--config", "/etc/bridge it's.toml", "hook"]
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        [*words, "PreModuleSuspend"],
        [*words, "InvoicePaid"],
        [*words, "--screen", "AdminAreaClientSummaryPage"],
    ]
    assert receiver.heard == []
    assert whmcs.spool == []


def test_a_command_that_fails_is_as_no_bridge(whmcs: Whmcs) -> None:
    by_command(whmcs, {}, "import sys\nsys.stdin.read()\nsys.exit(1)\n")
    page = whmcs.page(SUSPEND, ("InvoicePaid", {"invoiceid": 99}))
    assert page.answers == [[{"abortcmd": True}], [None]]
    assert len(whmcs.spool) == 2


def test_a_command_that_says_never_is_not_asked_again(whmcs: Whmcs) -> None:
    by_command(whmcs, {"InvoicePaid": {"error": "unknown", "status": 404}})
    whmcs.page(("InvoicePaid", {"invoiceid": 99}))
    assert whmcs.spool == []


def test_a_command_that_hangs_is_ended(whmcs: Whmcs) -> None:
    mark = whmcs.root / "alive"
    by_command(whmcs, {}, f"import time, pathlib\ntime.sleep(600)\npathlib.Path({str(mark)!r}).touch()\n")
    whmcs.set(timeout_ms=300)
    assert whmcs.page(SUSPEND).answer == {"abortcmd": True}


def test_a_command_that_is_not_there_is_as_no_bridge(whmcs: Whmcs) -> None:
    whmcs.set(transport="command", command=["/nowhere/whmcs-bridge"])
    assert whmcs.page(SUSPEND).answer == {"abortcmd": True}


# --- the real one -------------------------------------------------------------------------------------

SETTINGS = """
mode = "enforce"
[whmcs]
url = "{url}"
identifier = "file:identifier"
secret = "file:secret"
[calendar]
timezone = "UTC"
[class.hosting]
product_types = ["hostingaccount"]
suspend_after_days = 3
terminate_after_days = 15
"""


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with a_town(tmp_path, monkeypatch) as found:
        (tmp_path / "identifier").write_text("simulator-identifier")
        (tmp_path / "secret").write_text("simulator-secret")
        found.settle(SETTINGS)
        yield found


def test_the_installed_command_answers_and_brings_a_paid_service_back(php_port: int, town: Town) -> None:
    """As `hooks install --transport command` leaves it: no daemon, no secret, and a sync only once."""
    root = town.folder / "whmcs"
    (root / "includes" / "hooks").mkdir(parents=True)
    for name in ("configuration.php", "init.php"):
        (root / name).touch()
    client, service, invoice = town.house.a_debtor(overdue=10)
    paid_up = town.house.a_service()
    assert town.run("sync").exit_code == 0
    assert service.status == "Suspended"
    installed = town.run("hooks", "install", "--whmcs", str(root), "--transport", "command")
    assert installed.exit_code == 0, installed.output
    file = root / "includes" / "hooks" / "_whmcs_bridge_settings.php"
    file.write_text(file.read_text().replace("'timeout_ms' => 5000", "'timeout_ms' => 60000"))
    whmcs = Whmcs(php_port, root)
    page = whmcs.page(module_call("PreModuleSuspend", paid_up.id, paid_up.client))
    assert page.answer == {"abortcmd": True}
    assert "no debt" in page.log
    town.house.pay(invoice)
    whmcs.page(("InvoicePaid", {"invoiceid": invoice.id, "userid": client.id}))
    assert list((town.folder / "spool").glob("*.json")) == []
    end = time.monotonic() + 60
    while service.status != "Active":
        assert time.monotonic() < end
        time.sleep(0.05)
