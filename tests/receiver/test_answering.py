"""An answer waits for nobody, and what has to be written for it is."""

from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.house import service_id
from tests.receiver.office import event, office
from tests.storage.test_lock import another_process
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.errors import DatabaseTrouble
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.deletions import SqliteDeletions as Deletions
from whmcs_bridge.ports import EventState
from whmcs_bridge.receiver.answering import Write
from whmcs_bridge.simulator.endings import request_cancellation


def test_a_persons_click_is_let_through_and_recorded_while_a_sync_runs(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        _, service, _ = here.suspended()
        with another_process(tmp_path / "journal.db", "sync"):
            reply = here.send(event("PreModuleUnsuspend", actor="admin", serviceid=service.id))
            assert reply.json is not None
            assert (reply.status_code, reply.json["abort"]) == (200, False)
            (record,) = here.house.bridge.journal.records()
        assert record.service_id == service.id
        assert [row["act"] for row in here.house.bridge.journal.evidence(record.service_id)] == ["PreModuleUnsuspend"]


def test_whose_account_it_was_is_written_when_the_answer_is_found() -> None:
    """In the midst of what it reads of one moment it could not be: another process may have written since."""
    with office() as here:
        _, service, _ = here.suspended()
        store, written = here.house.bridge.journal._store, []  # type: ignore[attr-defined]
        save = Deletions.save_accounts

        def look(self: Deletions, accounts: Iterable[AccountIdentity]) -> None:
            written.append(store.depth)
            save(self, accounts)

        with patch.object(Deletions, "save_accounts", look):
            assert here.send(event("PreModuleTerminate", actor="admin", serviceid=service.id)).status_code == 200
        assert written == [0]
        kinds = [str(row.get("kind")) for row in here.house.bridge.journal.evidence(service_id(service))]
        assert sorted(kinds) == ["identity", "person"]


def test_what_cannot_be_recorded_now_falls_to_the_default_and_is_recorded_later() -> None:
    with office() as here:
        _, service, _ = here.suspended()
        clicked = event("PreModuleUnsuspend", actor="admin", serviceid=service.id)
        with patch.object(SqliteJournal, "add_record", side_effect=DatabaseTrouble("no room left")):
            reply = here.send(clicked)
        assert reply.json is not None
        assert (reply.status_code, reply.json["abort"]) == (200, False)
        assert here.house.bridge.journal.records() == []
        assert here.inbox == [clicked["id"]]
        here.work_off()
        assert [e.state for e in here.house.bridge.journal.events()] == [EventState.HANDLED]
        (record,) = here.house.bridge.journal.records()
        assert record.service_id is not None
        assert len(here.house.bridge.journal.evidence(record.service_id)) == 1


def test_an_answer_that_came_too_late_is_not_recorded_a_second_time() -> None:
    """The sender has given up, let the person through, and tells it again from its spool."""
    with office() as here:
        _, service, _ = here.suspended()
        clicked = event("PreModuleUnsuspend", actor="admin", serviceid=service.id)
        assert here.send(clicked).status_code == 200
        assert here.send(clicked | {"answered": "allow"}).status_code == 202
        here.work_off()
        (record,) = here.house.bridge.journal.records()
        assert record.service_id is not None
        assert len(here.house.bridge.journal.evidence(record.service_id)) == 1


@pytest.mark.parametrize("told", ["by the spool", "by our own trouble"])
def test_an_end_that_was_refused_for_want_of_an_answer_comes_with_the_next_sync(told: str) -> None:
    """WHMCS's cron does not ask again by itself before tomorrow, and its module queue waits for a person."""
    with office() as here:
        service, other = here.house.a_service(), here.house.a_service()
        for one in (service, other):
            request_cancellation(here.house.world, one, "Immediate", "moving")
        here.house.sync()
        asked = event("PreModuleTerminate", actor="cron", serviceid=service.id)
        if told == "by the spool":
            assert here.send(asked | {"answered": "abort"}).status_code == 202
        else:
            with patch.object(Bridge, "may", side_effect=DatabaseTrouble("damaged")):
                reply = here.send(asked)
            assert reply.json is not None
            assert reply.json["abort"]
        here.work_off()
        here.house.sync()
        assert (service.status, other.status) == ("Cancelled", "Active")
        assert here.house.next_day().results == []


def test_what_was_read_once_is_read_again_when_something_was_written() -> None:
    with office() as here:
        _, service, invoice = here.suspended()
        asked = event("PreModuleUnsuspend", serviceid=service.id)

        def abort() -> bool:
            reply = here.send(asked)
            assert reply.json is not None
            return bool(reply.json["abort"])

        assert abort()
        here.house.pay(invoice)
        here.house.sync()
        assert not abort()


def test_a_refusal_that_comes_again_and_again_is_one_task() -> None:
    """WHMCS's cron asks every day; staff reads it once."""
    with office() as here:
        service = here.house.a_service()
        here.house.sync()
        for _ in range(5):
            reply = here.send(event("PreModuleSuspend", serviceid=service.id))
            assert reply.json is not None
            assert reply.json["abort"]
        tasks = [task for task in here.house.bridge.journal.tasks() if "owes nothing" in task.text]
        assert len(tasks) == 1


def test_tasks_are_written_once_whmcs_has_its_answer() -> None:
    with office() as here:
        service = here.house.a_service()
        here.house.sync()
        put_off: list[Write] = []
        here.receiver.desk.put_off = put_off.append
        assert here.send(event("PreModuleSuspend", serviceid=service.id)).status_code == 200
        assert "owes nothing" not in str(here.house.bridge.journal.tasks())
        for write in put_off:
            write()
        assert "owes nothing" in str(here.house.bridge.journal.tasks())
