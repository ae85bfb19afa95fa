"""What people record reaches WHMCS: a line in its log and a note at the client, each once."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.house import HOSTING, House, client_id
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.simulator.faults import Fault, Kind
from whmcs_bridge.simulator.records import Client

CONFIG: Mapping[str, Any] = {
    "class": {"hosting": HOSTING},
    "staff": {"morning_mail": "never", "log_records": True, "note_records": True},
}
LATER = timedelta(minutes=11)


@pytest.fixture
def house() -> Iterator[House]:
    with House.of(CONFIG) as house:
        yield house


def promised(house: House, client: Client, days: int = 3, reason: str = "salary on Friday") -> Record:
    """A promise that a person recorded."""
    day = house.bridge.today()
    wanted = Record(
        0,
        RecordKind.PROMISE,
        RecordState.OPEN,
        "ana",
        reason,
        day,
        day,
        day + timedelta(days=days),
        client_id=client_id(client),
    )
    return house.bridge.record(wanted)


def a_debtor(house: House) -> Client:
    client, _, _ = house.a_debtor(overdue=1)
    house.sync()
    return client


def lines(house: House) -> list[str]:
    return [line.description for line in house.world.activity if line.description.startswith("whmcs-bridge: ")]


def notes(house: House) -> list[str]:
    return [note.text for note in house.world.notes.values()]


def test_a_promise_is_told_once_and_its_end_once(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    for _ in range(3):
        house.sync()
    made = "whmcs-bridge: promise 1 recorded by ana: all services until 2025-03-13; salary on Friday"
    assert lines(house) == notes(house) == [made]
    assert [note.client for note in house.world.notes.values()] == [client.id]
    house.next_day(4)
    for _ in range(2):
        house.sync()
    assert lines(house) == notes(house)
    assert len(lines(house)) == 2
    assert lines(house)[1].startswith("whmcs-bridge: promise 1 is broken: all services")


def test_a_look_at_the_client_tells_of_it_at_once_and_of_nobody_else(house: House) -> None:
    one, other = a_debtor(house), a_debtor(house)
    promised(house, one)
    promised(house, other)
    house.bridge.reevaluate(ClientId(one.id), "a hook")
    assert [note.client for note in house.world.notes.values()] == [one.id]
    house.sync()
    assert sorted(note.client for note in house.world.notes.values()) == [one.id, other.id]


def test_in_shadow_mode_nothing_is_told(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.enforcing(False)
    house.sync()
    assert lines(house) == notes(house) == []


def test_what_was_recorded_in_shadow_mode_is_told_when_acting_begins_unless_it_is_old(house: House) -> None:
    one, other = a_debtor(house), a_debtor(house)
    house.enforcing(False)
    promised(house, one, days=10)
    house.next_day(7)
    promised(house, other)
    house.pass_days()
    house.enforcing(True)
    house.sync()
    assert [note.client for note in house.world.notes.values()] == [other.id]


def test_each_way_can_be_switched_off(house: House) -> None:
    client = a_debtor(house)
    house.reconfigure({**CONFIG, "staff": {"note_records": False, "log_records": True}})
    promised(house, client)
    house.sync()
    assert (len(lines(house)), len(notes(house))) == (1, 0)
    house.reconfigure({**CONFIG, "staff": {"note_records": False, "log_records": False}})
    house.bridge.end_record(1, RecordKind.PROMISE, RecordState.CANCELLED, author="ana")
    house.sync()
    assert (len(lines(house)), len(notes(house))) == (1, 0)


def test_nobody_is_told_of_clients_we_do_not_act_for(house: House) -> None:
    one, other = a_debtor(house), a_debtor(house)
    house.bridge.enforce_only([], [client_id(other)], "ana")
    promised(house, one)
    promised(house, other)
    house.sync()
    assert [note.client for note in house.world.notes.values()] == [other.id]
    house.bridge.enforce_everyone("ana")
    house.sync()
    assert sorted(note.client for note in house.world.notes.values()) == [one.id, other.id]


def test_a_freeze_for_everyone_is_a_line_in_the_log_and_no_note(house: House) -> None:
    a_debtor(house)
    day = house.bridge.today()
    freeze = Record(0, RecordKind.FREEZE, RecordState.OPEN, "ana", "the bank was down", day, day, house.day(1))
    house.bridge.record(freeze)
    house.sync()
    assert notes(house) == []
    assert lines(house) == [
        "whmcs-bridge: freeze 1 recorded by ana: who pays by any gateway until 2025-03-11; the bank was down"
    ]


def test_markup_in_a_reason_stays_text(house: House) -> None:
    client = a_debtor(house)
    promised(house, client, reason="<script>alert(1)</script>")
    house.sync()
    assert notes(house)[0].endswith("; (script)alert(1)(/script)")


# --- answers that get lost ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_AFTER, Kind.RESET_AFTER_SEND, Kind.TRUNCATED])
@pytest.mark.parametrize("action", ["LogActivity", "AddClientNote"])
def test_what_was_told_and_not_answered_is_not_told_again(house: House, action: str, kind: Kind) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault(action, kind))
    house.sync()
    for _ in range(3):
        house.world.clock += LATER
        house.sync()
    assert (len(lines(house)), len(notes(house))) == (1, 1)


class Killed(BaseException):
    """The process ends here: nothing catches it."""


@pytest.mark.parametrize("write", range(4))
@pytest.mark.parametrize("kept", [False, True])
def test_killed_around_any_write_nothing_is_told_twice(
    house: House, monkeypatch: pytest.MonkeyPatch, write: int, kept: bool
) -> None:
    """Four writes tell of a record: line begun, line told, note begun, note told. Each is lost, or is the last one."""
    client = a_debtor(house)
    house.world.note_activity("Cron Job: Completed")  # a log that can be read has something in it
    promised(house, client)
    journal, done = house.bridge.journal, 0
    keep = journal.keep_tell

    def dying(*args: Any) -> None:
        nonlocal done
        if kept or done < write:
            keep(*args)
        if done == write:
            raise Killed
        done += 1

    monkeypatch.setattr(journal, "keep_tell", dying)
    with pytest.raises(Killed):
        house.sync()
    monkeypatch.setattr(journal, "keep_tell", keep)
    for _ in range(3):
        house.world.clock += LATER
        house.sync()
    assert len(lines(house)) == 1
    # only a note that was begun and not sent is missing: nobody can tell it from one that arrived
    assert len(notes(house)) == (0 if (write, kept) == (2, True) else 1)


def test_a_line_that_was_sent_and_never_arrived_is_written_again(house: House) -> None:
    client = a_debtor(house)
    house.world.note_activity("Cron Job: Completed")  # a log that can be read has something in it
    promised(house, client)
    house.faults(Fault("LogActivity", Kind.TIMEOUT_BEFORE))
    house.sync()
    house.sync()
    assert lines(house) == []  # it may still be under way
    house.world.clock += LATER
    house.sync()
    house.sync()
    assert len(lines(house)) == 1


def test_a_note_that_was_sent_and_never_arrived_is_left_rather_than_said_twice(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault("AddClientNote", Kind.TIMEOUT_BEFORE))
    for _ in range(3):
        house.sync()
        house.world.clock += LATER
    assert (len(lines(house)), len(notes(house))) == (1, 0)


def test_a_line_that_cannot_be_looked_up_is_left_rather_than_written_twice(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault("LogActivity", Kind.TIMEOUT_AFTER), Fault("GetActivityLog", Kind.DENIED, count=0))
    for _ in range(3):
        house.sync()
        house.world.clock += LATER
    assert len(lines(house)) == 1


def test_what_never_left_us_is_told_by_the_next_run(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault("AddClientNote", Kind.CONNECTION_REFUSED, count=0))
    house.sync()
    assert (len(lines(house)), len(notes(house))) == (1, 0)
    house.faults()
    house.sync()
    assert (len(lines(house)), len(notes(house))) == (1, 1)


def test_a_role_that_may_not_is_a_task_and_what_it_missed_is_told_once_it_may(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault("AddClientNote", Kind.DENIED, count=0))
    house.sync()
    assert house.task_codes() == {"not-told:note"}
    assert len(lines(house)) == 1
    house.faults()
    house.sync()
    assert len(notes(house)) == 1
    house.sync()
    assert house.task_codes() == set()


def test_a_client_whom_whmcs_has_no_more_is_asked_about_once(house: House) -> None:
    client = a_debtor(house)
    promised(house, client)
    house.faults(Fault("AddClientNote", Kind.ERROR, text="Client ID not found", count=0))
    before = house.bridge.panel.calls().get("AddClientNote", 0)
    for _ in range(3):
        house.sync()
    assert house.bridge.panel.calls()["AddClientNote"] == before + 1


def test_records_that_hooks_and_screens_keep_are_told_as_well(house: House) -> None:
    """The job looks at the journal: whoever wrote there."""
    client = a_debtor(house)
    day = house.bridge.today()
    house.bridge.journal.add_record(
        Record(
            0,
            RecordKind.RELEASE,
            RecordState.OPEN,
            "admin 3",
            "unsuspended in WHMCS's admin area",
            day,
            day,
            house.day(3),
            client_id=client_id(client),
        )
    )
    house.sync()
    assert notes(house)[0].startswith("whmcs-bridge: release 1 recorded by admin 3: ")
