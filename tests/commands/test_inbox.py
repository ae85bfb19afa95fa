"""`journal inbox`: what WHMCS told, and what a person does about what could not be handled."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commands.desk import Desk, a_desk
from whmcs_bridge.domain.ids import ClientId

CAME = datetime(2025, 3, 11, 9, 30, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return a_desk(tmp_path, monkeypatch)


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Three events: handled, set aside, waiting."""
    with desk.journal() as journal:
        for number, point in enumerate(("ClientEdit", "InvoicePaid", "UserLogin"), start=1):
            journal.accept_event(f"{number}", point, ClientId(number), {"vars": {"userid": f"{number}"}}, CAME)
        journal.events_done([1], CAME)
        journal.events_failed([2], "names no invoiceid", None)
    return desk


def test_an_empty_inbox_says_so(desk: Desk) -> None:
    assert desk.run("journal", "inbox") == "Nothing in the inbox answers to that.\n"


def test_what_was_told_is_listed_newest_first_with_what_became_of_it(filled: Desk) -> None:
    shown = filled.run("journal", "inbox")
    assert "1 waiting, 1 set aside." in shown
    assert shown.index("UserLogin") < shown.index("names no invoiceid") < shown.index("ClientEdit")
    assert [row["number"] for row in filled.json("journal", "inbox", "--state", "set-aside")] == [2]
    (row,) = filled.json("journal", "inbox", "--limit", "1")
    assert (row["point"], row["client"], row["state"], row["vars"]) == ("UserLogin", 3, "waiting", {"userid": "3"})


def test_a_person_has_an_event_tried_again(filled: Desk) -> None:
    assert "2 waiting, 0 set aside." in filled.run("journal", "inbox", "--retry", "2")
    assert "no event 2 was set aside" in filled.run("journal", "inbox", "--retry", "2", code=2)


def test_a_state_that_there_is_not_is_refused(desk: Desk) -> None:
    assert "expected one of waiting, handled, set-aside" in desk.run("journal", "inbox", "--state", "lost", code=2)
