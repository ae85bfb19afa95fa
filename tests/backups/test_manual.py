"""The manual driver: work for a person, never an empty list, and never verified gone."""

from pathlib import Path

import pytest

from tests.backups.contract import BOB, left_alone
from tests.backups.test_through_the_bridge import Disk, of
from tests.house import service_id
from whmcs_bridge.backups.manual import open_store
from whmcs_bridge.domain.backups import BackupItem, Outcome, Verdict
from whmcs_bridge.domain.deletions import ItemState, PlanState
from whmcs_bridge.errors import ViewIncomplete
from whmcs_bridge.jobs.backup_attest import attest
from whmcs_bridge.jobs.backup_certificate import certificate
from whmcs_bridge.settings.model import BackupStoreSettings

GIVEN = BackupStoreSettings("vault", "manual", (1,), {"product": "Acronis", "todo": "delete its archives"})


def test_it_is_never_an_empty_list() -> None:
    store = open_store(GIVEN)
    with pytest.raises(ViewIncomplete, match="only a person can look into Acronis: delete its archives"):
        store.items()
    probe = store.probe()
    assert not probe.complete
    assert "plans attest" in probe.why
    assert not store.caps.deletes


def test_nothing_in_it_is_known_or_deleted() -> None:
    store = open_store(GIVEN)
    item = BackupItem("vault", "bob", account="bob", made_on=BOB.since)
    assert store.claim(item, BOB).verdict is Verdict.NOT_MINE
    assert store.delete(item).outcome is Outcome.REFUSED
    left_alone(store, item)


def test_a_person_answers_for_it_by_name_and_it_is_never_verified_gone(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    with disk.house as house:
        ports = house.bridge.ports
        ports.stores = [*ports.stores, open_store(GIVEN)]
        service = disk.a_debtor()
        assert "delete_backups" not in disk.until_terminated()
        assert of(disk, service.username) == set()  # the disk's part is done
        plan = house.bridge.journal.deletions.plan_of(service_id(service))
        assert plan is not None
        vault = plan.store("vault")
        assert vault is not None
        assert (vault.state, vault.complete) == (ItemState.UNVERIFIABLE, False)
        assert "delete its archives" in vault.why
        attested = attest(ports, plan.digest, "vault", "deleted by hand, ticket 12", name="Ana Example")
        assert (attested.state, attested.complete, attested.attested) == (PlanState.DONE, False, True)
        page = certificate(ports, service_id(service))
        assert (page["outcome"], page["complete"]) == ("attested", False)
        assert page["stores"][-1]["attested"]["because"] == "deleted by hand, ticket 12"
