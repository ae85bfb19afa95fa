"""Whatever happens, the page goes on and no secret leaves."""

import json
import subprocess
from typing import Any

import pytest

from tests.needs import needs
from tests.php.calls import OWING, SUSPEND, UNSUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import ADMIN, ADMIN_PAGE, CLIENT_PAGE, CRON_PAGE, SECRETS, Whmcs

pytestmark = needs("php")


def test_without_settings_nothing_is_asked_and_the_daily_cron_says_so(whmcs: Whmcs, receiver: Receiver) -> None:
    (whmcs.root / "includes/hooks/_whmcs_bridge_settings.php").unlink()
    page = whmcs.page(SUSPEND, ("DailyCronJob", {}))
    assert page.seen["points"] == ["DailyCronJob"]
    assert "missing, unreadable or has no secret" in page.log
    assert receiver.heard == []


@pytest.mark.parametrize(
    "text",
    [
        "<?php return [",
        "<?php throw new Exception('x');",
        "<?php return ['secret' => 'x', 'defaults' => null];",
        "\ufeff<?php return 7;",
        "<?php echo 'hello'; return ['transport' => 'http'];",
        "not PHP at all",
        "",
    ],
)
def test_a_broken_settings_file_breaks_no_page(whmcs: Whmcs, receiver: Receiver, text: str) -> None:
    """A slip of an administrator's hand must not take WHMCS down."""
    (whmcs.root / "includes/hooks/_whmcs_bridge_settings.php").write_text(text, "utf-8")
    page = whmcs.page(SUSPEND, ("DailyCronJob", {}))
    assert page.answers[0] == []
    assert page.log.count("whmcs-bridge: ") == 1
    assert receiver.heard == []


def test_outside_whmcs_the_file_does_nothing(whmcs: Whmcs) -> None:
    for file in ("whmcs_bridge.php", "_whmcs_bridge_settings.php"):
        done = subprocess.run(
            ["php", "-d", "error_reporting=-1", "-d", "display_errors=1", str(whmcs.root / "includes/hooks" / file)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout + done.stderr == ""


def test_hooks_that_our_own_reading_fires_are_not_asked_again(whmcs: Whmcs, receiver: Receiver) -> None:
    """localAPI inside a hook may fire hooks: an ask in an ask would never end."""
    fires = {"GetClientsDetails": SUSPEND, "GetInvoices": ("ClientEdit", {"userid": 3})}
    page = whmcs.page(SUSPEND, local=OWING, fires=fires)
    assert receiver.points() == ["PreModuleSuspend"]
    assert page.seen["nested"] == [[None]] * 4


def test_even_a_log_that_throws_stops_no_page(alone: Whmcs) -> None:
    page = alone.page(SUSPEND, UNSUSPEND, log_throws=True)
    assert page.answers == [[{"abortcmd": True}], [None]]


def test_a_person_is_let_through_even_where_everything_fails(alone: Whmcs) -> None:
    page = alone.page(SUSPEND, log_throws=True, throws=["GetClientsProducts"], session=ADMIN, script=ADMIN_PAGE)
    assert page.answer is None


@pytest.mark.parametrize("vars_", [{}, {"params": []}, {"params": {"serviceid": "x"}}, {"params": {"userid": [1]}}])
def test_strange_variables_break_nothing(whmcs: Whmcs, receiver: Receiver, vars_: Any) -> None:
    for point in ("PreModuleSuspend", "AfterModuleSuspendFailed", "InvoicePaid", "InvoicePaidPreEmail", "ClientEdit"):
        whmcs.page((point, {"params": {}, **vars_}))
    assert receiver.points().count("PreModuleSuspend") == 1


def test_no_secret_ever_leaves(whmcs: Whmcs, receiver: Receiver) -> None:
    """Every hook point with a stand-in that puts passwords, hashes and whole models into its variables."""
    points = whmcs.page().seen["points"]
    said = f"Login failed for root with root-Passw0rd! and {'line-one-of-the-hash' + chr(10) + 'line-two-of-the-hash'}"
    given = {
        "userid": 3,
        "id": 34,
        "invoiceid": 99,
        "password": "client-Passw0rd&<",
        "failureResponseMessage": said,
        "notes": "token-0123456789",
        "whmcs_bridge_reason": "promised",
        "olddata": {"password": "client-Passw0rd&<"},
        "params": {"serviceid": 34, "userid": 3},
    }
    calls = [(point, given) for point in points]
    for session, script in ((ADMIN, ADMIN_PAGE), ({"uid": "3"}, CLIENT_PAGE), ({}, CRON_PAGE)):
        whmcs.page(*calls, session=session, script=script, local=OWING)
    sent = b"\n".join(one.raw for one in receiver.heard).decode()
    assert len(receiver.heard) > 80
    assert "Login failed for root with *** and ***" in sent
    assert [secret for secret in SECRETS if secret in sent] == []
    receiver.signs = False
    whmcs.page(*calls, local=OWING)
    kept = json.dumps(whmcs.spool)
    assert len(whmcs.spool) > 20
    assert [secret for secret in SECRETS if secret in kept] == []


@pytest.mark.parametrize(
    "repeated",
    [
        "s3cr&t w0rd",
        "s3cr%26t+w0rd",
        "s3cr%26t%20w0rd",
        "s3cr&amp;t w0rd",
        "czNjciZ0IHcwcmQ=",
        "MyOwnWord",
        "hash-begins-here-AND-GOES-ON",
    ],
)
def test_a_module_may_repeat_a_secret_in_any_dress(whmcs: Whmcs, receiver: Receiver, repeated: str) -> None:
    """As it went over the line, as a field of the host's own, or as one that begins with another."""
    params = {
        "serviceid": 34,
        "userid": 3,
        "password": "s3cr&t w0rd",
        "serverpassword": "hash-begins-here",
        "serveraccesshash": "hash-begins-here-AND-GOES-ON",
        "customfields": {"Senha": "MyOwnWord"},
    }
    given = {"params": params, "failureResponseMessage": f"refused: {repeated}"}
    whmcs.page(("AfterModuleSuspendFailed", given))
    (event,) = receiver.events()
    assert event["vars"]["failureResponseMessage"].rstrip("=") == "refused: ***"


@pytest.mark.parametrize("repeated", ["api-Key-0042", "Mul%26ti+word", "nested-0042", "third-0042", "12345678", "8877"])
def test_a_module_may_repeat_its_settings_and_what_a_client_filled_in(
    whmcs: Whmcs, receiver: Receiver, repeated: str
) -> None:
    """Modules keep API keys in their settings, hosts passwords in clients' fields: no name of these tells."""
    params = {
        "serviceid": 34,
        "configoption1": "api-Key-0042",
        "configoption24": "Mul&ti word",
        "configoptions": {"Licence": "8877"},
        "clientsdetails": {
            "customfields": [{"id": 1, "value": {"deep": "nested-0042"}}],
            "customfields3": "third-0042",
            "customfields4": 12345678,
        },
    }
    whmcs.page(("AfterModuleSuspendFailed", {"params": params, "failureResponseMessage": f"refused: {repeated}!"}))
    (event,) = receiver.events()
    assert event["vars"]["failureResponseMessage"] == "refused: ***!"


def test_a_modules_message_keeps_its_words_and_the_name_of_the_service(whmcs: Whmcs, receiver: Receiver) -> None:
    said = "user jo42 of jo.example.com is not enabled: on, off, yes, no, default"
    words = ["on", "off", "yes", "no", "default", "Enabled", "jo42", "JO.example.com"]
    params = {
        "serviceid": 34,
        "domain": "jo.example.com",
        "username": "jo42",
        **{f"configoption{place}": word for place, word in enumerate(words, 1)},
    }
    whmcs.page(("AfterModuleSuspendFailed", {"params": params, "failureResponseMessage": said}))
    (event,) = receiver.events()
    assert event["vars"]["failureResponseMessage"] == said
