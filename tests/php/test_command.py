"""The command line instead of a daemon."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.needs import needs
from tests.php.calls import SUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import Whmcs

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
