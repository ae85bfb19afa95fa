"""The whole record: every type of line, documented, streamed, cut by days; and the story of one service."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.journal.values import AT, TODAY, a_note, a_record, a_step
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem
from whmcs_bridge.domain.deletions import (
    DeletionPlan,
    GoneRecord,
    Handover,
    ItemState,
    PlannedItem,
    PlanState,
    StoreVerdict,
    Tombstone,
    Untouched,
)
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import RecordState
from whmcs_bridge.journal import SqliteJournal
from whmcs_bridge.journal.export import CHUNK, KINDS
from whmcs_bridge.policy.decision import Kind, Note
from whmcs_bridge.ports import Actor, Approval, ForeignAct, MorningMail, ShadowStep, StepState

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "journal-export.md"
NEXT = TODAY + timedelta(days=1)
LATER = TODAY + timedelta(days=9)


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    opened = SqliteJournal()
    yield opened
    opened.close()


def an_act(service: int = 1, client: int = 1, day: date = TODAY) -> ForeignAct:
    return ForeignAct(
        ServiceId(service),
        ClientId(client),
        "unsuspend",
        Actor.STAFF,
        day,
        "Suspended",
        "Active",
        user="ben",
        line="by ben",
    )


def filled(journal: SqliteJournal) -> None:
    """One of everything, about service 1 of client 1, and something about another."""
    journal.note_policy("v1", "{}", TODAY)
    run = journal.begin_run("sync", "enforce", TODAY, AT, "v1")
    journal.end(journal.begin(run, a_step(), AT, "bridge", "v1"), StepState.DONE, AT, "Suspended")
    journal.begin(run, a_step(service=2, client=2), AT, "ana", "v1")
    journal.save_shadow(run, [ShadowStep(a_step(Kind.TERMINATE), "limit:terminate: too many")], [])
    journal.save_foreign_acts(run, [an_act(), an_act(2, 2)])
    journal.add_record(a_record())
    journal.approve(Approval("terminate", ServiceId(1), "ana", TODAY))
    journal.drop_approval(ServiceId(1), "terminate")
    journal.reconcile_tasks([a_note(), Note("credit", "client 2", "apply it", ClientId(2))], TODAY, complete=True)
    journal.comment_task(1, AT, "ana", "called them")
    journal.add_adoption(TODAY, AT, "ana", "v1", {"suspended": 3})
    journal.begin_morning_mail(MorningMail(TODAY, run, "sent", AT, "a quiet day", "nothing"))
    journal.add_evidence(ServiceId(1), AT, {"account": "site1"})
    journal.end_run(run, AT, "ok", "1 suspend done")
    deletions_of(journal)


def deletions_of(journal: SqliteJournal) -> None:
    """The backups of service 1 went; a client wished for theirs, and a record was deleted."""
    one, own = ServiceId(1), ClientId(1)
    account = AccountIdentity(one, own, 3, "site1", "example.com", TODAY, None, {"uid": "1001"})
    journal.deletions.save_accounts([account])
    item = BackupItem("offsite", "site1/full\u00e9.tar", 10, AT)
    plan = DeletionPlan(
        0,
        "f" * 64,
        one,
        own,
        AT,
        TODAY,
        PlanState.DONE,
        accounts=(account,),
        items=(PlannedItem(item, ("name", "time"), ItemState.GONE_VERIFIED),),
        stores=(StoreVerdict("offsite", ItemState.GONE_VERIFIED, complete=True),),
        untouched=(Untouched(BackupItem("offsite", "all.tar"), "shared", "it holds more"),),
    )
    journal.deletions.add_plan(plan, [(one, plan.digest, AT, "plan", {"items": [item.locator]})])
    journal.deletions.add_links([(one, plan.digest, AT, "deleted", {"locator": item.locator})])
    journal.deletions.save_handover(Handover(ServiceId(2), ClientId(2), TODAY, TODAY))
    journal.deletions.save_tombstone(Tombstone(one, own, TODAY, ("a" * 64,)))
    journal.deletions.save_gone(GoneRecord(ServiceId(4), ClientId(4), TODAY, done=True))


def lines(journal: SqliteJournal, **days: date) -> list[dict[str, Any]]:
    """The export as a reader gets it."""
    return [json.loads(json.dumps(line)) for line in journal.export(**days)]


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", fields))) for kind, fields in rows}


def test_every_type_of_line_is_there_and_documented_with_its_fields(journal: SqliteJournal) -> None:
    filled(journal)
    found = lines(journal)
    assert found[0] == {"type": "export", "version": 1, "since": None, "until": None}
    assert {line["type"] for line in found} == {"export", *(kind.name for kind in KINDS)}
    told = documented()
    assert set(told) == {line["type"] for line in found}
    for line in found:
        assert set(line) - {"type"} == told[line["type"]], line["type"]


def test_a_used_approval_and_what_was_said_are_in_it(journal: SqliteJournal) -> None:
    filled(journal)
    found = {line["type"]: line for line in lines(journal)}
    assert (found["approval"]["author"], found["approval"]["kind"]) == ("ana", "terminate")
    (task,) = [line for line in lines(journal) if line["type"] == "task" and line["code"] == "moved"]
    assert [said["text"] for said in task["comments"]] == ["called them"]


def test_how_a_record_ended_and_what_it_was_about_is_in_it(journal: SqliteJournal) -> None:
    kept = journal.add_record(replace(a_record(), owed=((InvoiceId(7), Decimal("10.00")),), leaving=True))
    journal.close_record(kept.id, RecordState.BROKEN, NEXT, "nothing came", "bridge")
    (told,) = [line for line in lines(journal) if line["type"] == "record"]
    assert (told["closed_by"], told["closed_why"], told["leaving"]) == ("bridge", "nothing came", True)
    assert told["owed"] == [{"invoice": 7, "amount": "10.00"}]


def test_it_is_cut_by_days_and_keeps_what_lasts(journal: SqliteJournal) -> None:
    filled(journal)
    kinds = {line["type"] for line in lines(journal, since=NEXT, until=LATER)}
    assert kinds == {"export", "task", "record"}, "open ones last"
    journal.reconcile_tasks([], NEXT, complete=True)
    assert "task" not in {line["type"] for line in lines(journal, since=LATER)}
    assert "task" in {line["type"] for line in lines(journal, since=NEXT, until=NEXT)}
    assert {line["type"] for line in lines(journal, until=TODAY - timedelta(days=1))} == {"export"}


def test_what_went_is_in_it_item_by_item_with_what_was_left(journal: SqliteJournal) -> None:
    filled(journal)
    (plan,) = [line for line in lines(journal) if line["type"] == "deletion_plan"]
    assert (plan["complete"], plan["attested"], plan["state"]) == (True, False, "done")
    assert [(i["locator"], i["state"], i["proofs"]) for i in plan["items"]] == [
        ("site1/full\u00e9.tar", "gone_verified", ["name", "time"])
    ]
    assert plan["left_alone"][0]["verdict"] == "shared"
    assert plan["stores"][0]["store"] == "offsite"


def test_the_chain_of_evidence_can_be_checked_from_the_export_alone(journal: SqliteJournal) -> None:
    filled(journal)
    before = "0" * 64
    for line in [line for line in lines(journal) if line["type"] == "evidence_record"]:
        whole = [line[name] for name in ("previous", "number", "service", "plan", "at", "kind", "body")]
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
        assert line["previous"] == before
        assert hashlib.sha256(text.encode()).hexdigest() == line["digest"]
        before = line["digest"]
    assert before == journal.deletions.head()


def test_a_plan_that_was_worked_on_is_in_the_export_of_that_day(journal: SqliteJournal) -> None:
    filled(journal)
    later = AT + (LATER - TODAY)
    journal.deletions.add_links([(ServiceId(1), "f" * 64, later, "verified", {"store": "offsite"})])
    kinds = [line["type"] for line in lines(journal, since=LATER, until=LATER)]
    assert [kind for kind in kinds if kind.startswith(("deletion", "evidence", "tomb"))] == [
        "deletion_plan",
        "evidence_record",
    ]


def test_it_is_read_in_chunks_while_others_write(journal: SqliteJournal) -> None:
    run = journal.begin_run("sync", "enforce", TODAY, AT, "v1")
    for number in range(1, CHUNK + 3):
        journal.begin(run, a_step(service=number), AT, "bridge", "v1")
    found = 0
    for line in journal.export():
        if line["type"] == "step":
            found += 1
            if found == 1:
                journal.begin(run, a_step(service=9999), AT, "bridge", "v1")
    assert found == CHUNK + 3


# --- one story ----------------------------------------------------------------------------------------


def test_the_story_of_a_service_has_what_everybody_did_and_said(journal: SqliteJournal) -> None:
    filled(journal)
    story = journal.history(client=ClientId(1), service=ServiceId(1))
    assert {line["type"] for line in story} == {
        "step",
        "shadow_step",
        "foreign_act",
        "record",
        "approval",
        "task",
        "task_comment",
    }
    assert all(line.get("service", 1) in (1, None) for line in story)
    assert [line["step"]["service"] for line in story if line["type"] == "step"] == [1]


def test_a_clients_story_has_its_services(journal: SqliteJournal) -> None:
    filled(journal)
    story = journal.history(client=ClientId(2))
    assert {line["type"] for line in story} == {"step", "foreign_act", "task"}


def test_the_newest_come_first_and_days_cut(journal: SqliteJournal) -> None:
    run = journal.begin_run("sync", "enforce", TODAY, AT, "v1")
    journal.begin(run, a_step(), AT, "bridge", "v1")
    journal.save_foreign_acts(run, [an_act(day=NEXT), an_act(day=LATER)])
    story = journal.history(service=ServiceId(1))
    assert [line.get("day") or line["date"] for line in story] == [str(LATER), str(NEXT), str(TODAY)]
    assert len(journal.history(service=ServiceId(1), limit=2)) == 2
    assert [line["day"] for line in journal.history(service=ServiceId(1), since=NEXT, until=NEXT)] == [str(NEXT)]


def test_a_task_of_many_is_in_the_story_of_each_with_its_own_line(journal: SqliteJournal) -> None:
    notes = [
        Note("module-failed:suspend", f"service {n} failed", "mend it", ClientId(n), ServiceId(n), pile="server 3")
        for n in range(1, 50)
    ]
    journal.reconcile_tasks(notes, TODAY, complete=True)
    for story in (journal.history(service=ServiceId(7)), journal.history(client=ClientId(7))):
        (task,) = story
        assert [member["text"] for member in task["members"]] == ["service 7 failed"]
    assert journal.history(service=ServiceId(50)) == []
