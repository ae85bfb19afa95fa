"""Around WHMCS's own cron, and when two clients become one."""

from datetime import date, timedelta

from hooks.daily_cron_job import SEEN
from hooks.pre_cron_job import handle
from tests.hooks.house import ANA, BOB, SITE, event, house, open_tasks, tell
from tests.house import HOSTING, House, client_id
from whmcs_bridge.domain.facts import Membership
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.policy.decision import Note
from whmcs_bridge.simulator.endings import merge_clients

DAY_4 = date(2026, 3, 14)
VIP = {"class": {"hosting": HOSTING}, "vip": {"group": "VIP"}}


def test_a_vip_who_is_overdue_is_out_before_the_cron_looks() -> None:
    """The invoice fell overdue after the last sync: the cron would have passed over an exempt client."""
    with House.of(VIP) as house_:
        late = house_.a_client(group=1)
        house_.an_invoice(house_.a_service(late), due=0)
        fine = house_.a_client(group=1)
        house_.an_invoice(house_.a_service(fine), due=5)
        house_.sync()
        assert (late.group, fine.group) == (1, 1)
        house_.pass_days()
        assert house_.bridge.members_to_remove() == [client_id(late)]
        handle(HookEvent("PreCronJob", {}, house_.bridge.clock.now(), Actor.CRON), house_.bridge)
        assert (late.group, fine.group) == (0, 1)
        assert house_.bridge.members_to_remove() == []


def test_without_vip_rules_there_is_nothing_to_do_before_the_cron() -> None:
    with house(DAY_4) as stage:
        runs = len(stage.bridge.journal.runs(100))
        tell(stage, event(stage, "PreCronJob"))
        assert len(stage.bridge.journal.runs(100)) == runs


def test_the_newest_daily_run_is_kept_however_late_its_events_come() -> None:
    with house(DAY_4) as stage:
        late, now = event(stage, "DailyCronJob"), stage.now()
        tell(stage, HookEvent("DailyCronJob", {}, now + timedelta(days=1), Actor.CRON))
        tell(stage, late)
        assert stage.bridge.journal.get(SEEN) == (now + timedelta(days=1)).isoformat()


def test_what_was_recorded_about_a_client_follows_it_into_another() -> None:
    with house(DAY_4) as stage:
        journal, today = stage.bridge.journal, stage.today
        record = Record(0, RecordKind.HOLD, RecordState.OPEN, "ana", "in court", today, today, None, client_id=ANA)
        journal.add_record(record)
        journal.add_task(Note("look", "look at it", "look", ANA), today)
        journal.accept_event("e1", "ClientEdit", ANA, {}, stage.now())
        journal.save_membership(ANA, Membership(member_since=today))
        merge_clients(stage.world, stage.world.clients[ANA], stage.world.clients[BOB])
        tell(stage, event(stage, "AfterClientMerge", Actor.ADMIN, toUserID=BOB, fromUserID=ANA))
        assert journal.records(client=ANA) == []
        assert [(r.kind, r.client_id) for r in journal.records(client=BOB)] == [(RecordKind.HOLD, BOB)]
        assert [t.client for t in journal.tasks() if t.code == "look"] == [BOB]
        assert [e.client for e in journal.events()] == [BOB]
        kept = journal.membership(BOB)
        assert journal.membership(ANA) is None
        assert kept is not None
        assert kept.member_since == today
        assert journal.cases([SITE])[SITE].client_id == BOB
        assert open_tasks(stage, "moved") == []


def test_a_client_that_is_merged_into_itself_loses_nothing() -> None:
    with house(DAY_4) as stage:
        stage.bridge.journal.save_membership(ANA, Membership(member_since=stage.today))
        tell(stage, event(stage, "AfterClientMerge", Actor.ADMIN, toUserID=ANA, fromUserID=ANA))
        assert stage.bridge.journal.membership(ANA) is not None
