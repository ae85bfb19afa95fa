"""What erased for others the wrong backups, or left the right ones. Numbers: docs/reference/failure-stories.md."""

from datetime import date, timedelta

from hooks import service_delete
from tests.house import HOSTING, House, service_id
from tests.jobs.shelves import Names, Shelf
from whmcs_bridge.domain.backups import BackupItem
from whmcs_bridge.domain.deletions import PlanState
from whmcs_bridge.domain.panel_lists import PanelInventory
from whmcs_bridge.hookpoints import HookEvent
from whmcs_bridge.jobs.backup_audit import Standing, audit
from whmcs_bridge.jobs.backup_certificate import certificate
from whmcs_bridge.jobs.panel_lists import ask_all
from whmcs_bridge.simulator.records import Actor, Service, ServiceStatus

AT_ONCE = {"class": {"hosting": {**HOSTING, "delete_backups_after_days": 0}}}


def end(house: House, service: Service) -> None:
    """Staff ends a service that the bridge has seen living; the next days delete its backups."""
    house.sync()
    house.pass_days()
    set_status(house, service, ServiceStatus.TERMINATED)
    house.sync()
    house.next_day()


def set_status(house: House, service: Service, status: ServiceStatus) -> None:
    with house.world.acting(Actor.ADMIN):
        house.world.set_service_status(service, status, recorded=True)


def is_done(house: House, service: Service) -> bool:
    plan = house.bridge.journal.deletions.plan_of(service_id(service))
    return plan is not None and plan.complete and plan.state is PlanState.DONE


def test_a_name_that_a_new_client_got_leads_nobody_to_their_backups() -> None:
    """Story 42: the old account ended long ago; a new client has its name now, and what they made since is theirs."""
    shelf = Shelf()
    with House.of(AT_ONCE, stores=[shelf]) as house:
        old = house.a_service(username="bakery")
        house.sync()
        house.pass_days()
        set_status(house, old, ServiceStatus.TERMINATED)
        house.next_day()
        shelf.put("bakery", "of the old one", house.today - timedelta(days=30))
        house.next_day(20)
        assert shelf.names() == []
        new = house.a_service(username="bakery", registered=house.today)
        house.next_day(5)
        shelf.put("bakery", "of the new one", house.today)
        house.next_day(5)
        assert shelf.names() == ["bakery/of the new one"]
        shelf.put("bakery", "found of the old one", date(2025, 1, 10))
        house.next_day(5)
        assert "bakery/of the new one" in shelf.names()
        end(house, new)
        house.next_day()
        assert "bakery/of the new one" not in shelf.names()


def test_every_place_counts_and_the_one_that_keeps_something_keeps_the_verdict_open() -> None:
    """Story 43: the disk is clean, the object storage is not."""
    disk, bucket = Shelf("disk"), Shelf("bucket", locks=True)
    with House.of(AT_ONCE, stores=[disk, bucket]) as house:
        service = house.a_service()
        disk.put("site1", "full", date(2025, 1, 10))
        held = bucket.put("site1", "full", date(2025, 1, 10), lock="governance")
        end(house, service)
        assert (disk.names(), bucket.names()) == ([], ["site1/full"])
        assert not is_done(house, service)
        told = certificate(house.bridge.ports, service_id(service))
        assert not told["complete"]
        bucket.held[held.locator, ""] = BackupItem(
            held.store, held.locator, held.size, held.at, etag=held.etag, account=held.account
        )
        house.next_day(2)
        assert bucket.names() == []
        assert is_done(house, service)


def test_a_copy_that_a_running_job_makes_after_the_deletion_is_found() -> None:
    """Story 44: the upload queue sends the archive once more, hours after it was deleted."""
    shelf = Shelf()
    with House.of(AT_ONCE, stores=[shelf]) as house:
        service = house.a_service()
        shelf.put("site1", "full", date(2025, 1, 10))
        end(house, service)
        assert is_done(house, service)
        shelf.put("site1", "full, sent again", date(2025, 1, 10))
        house.next_day()
        assert "backups-back" in house.task_codes()
        house.next_day(2)
        assert shelf.names() == []
        assert is_done(house, service)


def test_a_client_whom_a_restored_whmcs_brings_back_is_told_of() -> None:
    """Story 46: WHMCS is restored to a day on which the service still lived; its backups are erased by now."""
    shelf = Shelf()
    with House.of(AT_ONCE, stores=[shelf]) as house:
        service = house.a_service()
        shelf.put("site1", "full", date(2025, 1, 10))
        end(house, service)
        assert is_done(house, service)
        stone = house.bridge.journal.deletions.tombstones()[service_id(service)]
        assert all("site1" not in word and len(word) == 64 for word in stone.accounts)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.next_day()
        assert "erased-is-back" in house.task_codes()


def test_the_proof_outlives_the_data_and_the_record() -> None:
    """Story 47: months later the record is deleted in WHMCS; the certificate still says what went, and no content."""
    shelf = Shelf()
    with House.of(AT_ONCE, stores=[shelf]) as house:
        service = house.a_service()
        shelf.put("site1", "full", date(2025, 1, 10))
        end(house, service)
        house.next_day(200)
        variables = {"serviceid": service.id, "userid": service.client}
        service_delete.handle(HookEvent("ServiceDelete", variables, house.bridge.clock.now()), house.bridge)
        house.world.delete_service(service)
        house.next_day(3)
        told = certificate(house.bridge.ports, service_id(service))
        assert told["complete"]
        assert told["client"] == service.client
        assert [item["locator"] for store in told["stores"] for item in store["items"]] == ["site1/full"]
        assert house.bridge.journal.deletions.broken_at() == ""


def test_an_account_that_outlived_its_record_is_on_the_list_of_orphans() -> None:
    """Story 48: the record was deleted in WHMCS, the account still lives on the server, and so do its backups."""
    shelf, panel = Shelf(), Names(lists=PanelInventory())
    with House.of(AT_ONCE, stores=[shelf]) as house:
        house.bridge.ports.account_panels = [panel]
        kept = house.a_service()
        panel.add(kept.username)
        panel.add("forgotten")
        shelf.put("forgotten", "full", date(2025, 1, 10))
        shelf.put("nowhere", "full", date(2025, 1, 10))
        house.sync()
        (says,) = ask_all(house.bridge.ports)
        assert says.unknown == ["forgotten"]
        (found,) = audit(house.bridge.ports).stores
        assert {heap.account: heap.standing for heap in found.heaps} == {
            "forgotten": Standing.LIVE,  # it lives, whoever pays for it: nothing of it may go
            "nowhere": Standing.UNKNOWN,
        }
        house.next_day(3)
        assert shelf.names() == ["forgotten/full", "nowhere/full"]
