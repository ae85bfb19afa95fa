"""`morning`: what the staff's mail says, from the keyboard."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.commands.desk import Desk, a_desk
from tests.journal.values import AT
from tests.journeys.town import Town, a_town, error_of
from whmcs_bridge.ports import MorningMail

DAY = date(2025, 3, 10)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return a_desk(tmp_path, monkeypatch)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with a_town(tmp_path, monkeypatch) as found:
        yield found


def test_the_mail_of_a_day_is_printed_as_it_was(desk: Desk) -> None:
    with desk.journal() as journal:
        journal.begin_morning_mail(MorningMail(DAY, 3, "begun", AT, "3 suspended", "Today\n  suspended: 3\n"))
        journal.end_morning_mail(DAY, "sent", AT)
    assert desk.run("morning", "--date", "2025-03-10") == "3 suspended\n\nToday\n  suspended: 3\n"
    told = desk.json("morning", "--date", "2025-03-10")
    assert (told["date"], told["state"], told["subject"]) == ("2025-03-10", "sent", "3 suspended")


def test_a_day_without_a_mail_is_named(desk: Desk) -> None:
    assert "no morning mail of 2025-03-09" in desk.run("morning", "--date", "2025-03-09", code=2)


def test_an_old_mail_is_not_sent_again(desk: Desk) -> None:
    assert "leave --date out" in desk.run("morning", "--date", "2025-03-10", "--send", code=2)


def test_todays_is_written_anew_without_whmcs(desk: Desk) -> None:
    assert "the mirror is empty: run a sync first" in desk.run("morning")
    assert desk.json("morning")["state"] is None


def test_it_is_sent_once_by_the_sync_or_by_a_person(town: Town) -> None:
    town.settle(mode="enforce")
    town.house.a_debtor(overdue=3)
    town.run("sync")
    (mail,) = town.house.events("email:staff")
    assert "1 suspended" in mail.detail
    assert "suspended: 1" in town.run("morning").stdout
    refused = town.run("morning", "--send")
    assert (refused.exit_code, "none is sent twice" in error_of(refused)) == (2, True)


def test_a_person_may_send_it_in_shadow_mode(town: Town) -> None:
    town.settle()
    town.house.a_debtor(overdue=3)
    town.run("sync")
    assert town.house.events("email:staff") == []
    assert town.run("morning", "--send").exit_code == 0
    (mail,) = town.house.events("email:staff")
    assert mail.detail.startswith("[shadow]")
