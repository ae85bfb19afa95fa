"""Captured while it lived, ended, kept for its grace, deleted, verified, certified: machines and JetBackup accounts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.backups import test_jetbackup as jet
from tests.backups import test_pbs as pbs
from tests.backups import test_proxmox as pve
from tests.house import HOSTING, House, done, service_id
from tests.jobs.shelves import Names
from whmcs_bridge.backups.two_handed import TwoHanded
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.deletions import DeletionPlan, PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines
from whmcs_bridge.ports import AccountPanel, BackupStore
from whmcs_bridge.simulator.records import Actor, Service

GRACE_DAYS = 2
RULES: dict[str, dict[str, Any]] = {
    "class": {"hosting": {**HOSTING, "delete_backups_after_days": GRACE_DAYS}},
    "backups": {"max_percent_of_store": 100, "id_fields": {"vmid": ["VM ID"]}},
}
NEW_UUID = "6f1f2a4e-8f5c-4f0e-9a44-000000000300"


class Estate:
    """A house whose accounts are backed up in one store, and what happens on its server."""

    def __init__(self, store: BackupStore, panel: AccountPanel) -> None:
        self.house = House.of(RULES, stores=[store])
        self.house.bridge.ports.account_panels = [panel]
        self.house.world.field_names[7] = "VM ID"

    def vm(self, number: int, **more: Any) -> Service:
        """A service whose machine has this number; WHMCS's user name is everybody's."""
        return self.house.a_service(username="root", customfields={7: str(number)}, **more)

    def terminate(self, service: Service) -> None:
        """The module ends it and blanks what it knew."""
        with self.house.world.acting(Actor.ADMIN):
            self.house.world.set_service_status(service, ServiceStatus.TERMINATED)
        service.customfields = {7: ""}
        self.house.next_day()

    def account(self, service: Service) -> AccountIdentity:
        [found] = self.house.bridge.journal.deletions.accounts([service_id(service)])
        return found

    def plan(self, service: Service) -> DeletionPlan:
        plan = self.house.bridge.journal.deletions.plan_of(service_id(service))
        assert plan is not None
        return plan

    def until_deleted(self, days: int = 2) -> list[str]:
        """What all steps of the days were."""
        return [kind for _ in range(days) for kind in done(self.house.next_day())]

    def certified(self, service: Service) -> str:
        return "\n".join(certificate_lines(certificate(self.house.bridge.ports, service_id(service))))


# --- Proxmox VE --------------------------------------------------------------------------------------


class Cluster(Estate):
    """Machines of one cluster, its storage and its panel."""

    def __init__(self, server: HTTPServer) -> None:
        self.double = pve.Double(server)
        self.double.running = 10**6
        panel = pve.panel_on(self.double.url, servers=(1,))
        super().__init__(pve.store_on(self.double.url, (1,)), panel)
        self.double.guests = {}
        self.guest(900, uuid=pve.OTHER)

    def guest(self, number: int, *, uuid: str = pve.UUID, card: str = pve.CARD, kind: str = "qemu") -> None:
        config = {"smbios1": f"uuid={uuid}", "net0": f"virtio={card},bridge=vmbr0"}
        if kind == "lxc":
            config = {"net0": f"name=eth0,hwaddr={card},bridge=vmbr0"}
        self.double.guests[number] = {"type": kind, "name": f"guest{number}", "config": config}

    def backup(self, number: int, day: date, *, uuid: str = pve.UUID, card: str = pve.CARD, kind: str = "qemu") -> str:
        """Back a guest up in the night to a day; return the volume."""
        ending = "vma.zst" if kind == "qemu" else "tar.zst"
        name = f"vzdump-{kind}-{number}-{day:%Y_%m_%d}-04_10_00.{ending}"
        made = datetime.combine(day, time(4, 10), UTC)
        self.double.lay(name, uuid=uuid, ctime=int(made.timestamp()))
        volid = f"backups:backup/{name}"
        if kind == "lxc":
            self.double.configs[volid] = f"hostname: web\nnet0: name=eth0,bridge=vmbr0,hwaddr={card.upper()}\n"
        return volid

    def left(self) -> set[str]:
        return set(self.double.volumes)

    def finish_tasks(self) -> None:
        self.double.running = 0


@pytest.fixture
def cluster(httpserver: HTTPServer) -> Iterator[Cluster]:
    made = Cluster(httpserver)
    made.finish_tasks()
    with made.house:
        yield made


def test_a_machine_s_backups_go_by_its_uuid_though_its_number_lives_again(cluster: Cluster) -> None:
    house, service = cluster.house, cluster.vm(104)
    cluster.guest(104)
    house.next_day(2)
    assert cluster.account(service).proofs["uuid"] == pve.UUID
    own = {cluster.backup(104, house.day(-n)) for n in (0, 1, 7)}
    others = {cluster.backup(number, house.today, uuid=pve.OTHER) for number in (10, 900, 1040)}
    cluster.terminate(service)
    heir = cluster.vm(104)
    cluster.guest(104, uuid=NEW_UUID, card=pve.OTHER_CARD)
    others.add(cluster.backup(104, house.today, uuid=NEW_UUID))
    assert cluster.left() == own | others
    house.next_day(GRACE_DAYS - 1)
    assert cluster.left() == own | others
    assert "delete_backups" in cluster.until_deleted()
    assert cluster.left() == others
    assert cluster.plan(service).state is PlanState.DONE
    assert {proof for row in cluster.plan(service).items for proof in row.proofs} >= {"vmid", "recorded uuid"}
    assert cluster.account(heir).recorded("uuid") == {NEW_UUID}
    said = cluster.certified(service)
    assert all(volid in said for volid in own)
    assert not any(volid in said for volid in others)


def test_a_machine_that_still_runs_keeps_its_backups(cluster: Cluster) -> None:
    house, service = cluster.house, cluster.vm(104)
    cluster.guest(104)
    house.next_day(2)
    own = {cluster.backup(104, house.today)}
    cluster.terminate(service)
    assert "delete_backups" not in cluster.until_deleted()
    assert cluster.left() == own
    del cluster.double.guests[104]
    assert "delete_backups" in cluster.until_deleted()
    assert cluster.left() == set()


def test_a_machine_whose_ids_nobody_recorded_keeps_its_backups_and_staff_is_told(cluster: Cluster) -> None:
    house, service = cluster.house, cluster.vm(104)
    house.next_day(2)  # its node is off: nobody can say which machine has the number
    own = {cluster.backup(104, house.today)}
    cluster.terminate(service)
    cluster.until_deleted()
    assert cluster.left() == own
    assert not cluster.plan(service).complete
    assert "no uuid proves the machine" in cluster.plan(service).untouched[0].why


@pytest.mark.parametrize("reused", [False, True])
def test_a_container_s_backups_go_once_its_number_is_free(cluster: Cluster, *, reused: bool) -> None:
    house, service = cluster.house, cluster.vm(105)
    cluster.guest(105, kind="lxc")
    house.next_day(2)
    own = {cluster.backup(105, house.day(-n), kind="lxc") for n in (0, 1)}
    before = {cluster.backup(105, date(2023, 5, 1), kind="lxc", card=pve.OTHER_CARD)}
    cluster.terminate(service)
    del cluster.double.guests[105]
    if reused:
        cluster.guest(105, kind="lxc", card=pve.OTHER_CARD)
    cluster.until_deleted()
    assert cluster.left() == (own | before if reused else before)
    assert not cluster.plan(service).complete  # what was made before the service may be somebody else's


def test_a_store_that_cannot_tell_a_container_from_the_next_one_leaves_it(cluster: Cluster) -> None:
    """The number went to another service at once, whose container was backed up the same night."""
    house, service = cluster.house, cluster.vm(105)
    cluster.guest(105, kind="lxc")
    house.next_day(2)
    old = {cluster.backup(105, house.day(-5), kind="lxc"), cluster.backup(105, house.today, kind="lxc")}
    cluster.terminate(service)
    cluster.vm(105, registered=house.today)
    cluster.guest(105, kind="lxc", card=pve.OTHER_CARD)
    cluster.until_deleted()
    assert cluster.left() == old


# --- Proxmox Backup Server ---------------------------------------------------------------------------


class Datastore(Estate):
    """A namespace of its own on a backup server, beside a cluster that says who lives."""

    def __init__(self, server: HTTPServer, cluster: HTTPServer) -> None:
        self.double, self.cluster = pbs.Double(server), pve.Double(cluster)
        self.cluster.guests = {900: {"type": "lxc", "name": "x", "config": {}}}
        super().__init__(pbs.store_on(self.double.url, (1,)), pve.panel_on(self.cluster.url, servers=(1,)))
        self.cluster.guests[104] = {"type": "qemu", "name": "web", "config": {"smbios1": f"uuid={pve.UUID}"}}

    def backup(self, number: int, day: date, kind: str = "vm") -> str:
        moment = int(datetime.combine(day, time(4, 10), UTC).timestamp())
        name = f"{kind}-{number}-{moment}"
        self.double.lay(name, kind=kind)
        self.double.rows[name] |= {"backup-id": str(number), "backup-time": moment}
        return name


@pytest.fixture
def datastore(httpserver: HTTPServer) -> Iterator[Datastore]:
    with HTTPServer(host="127.0.0.1", port=0) as cluster:
        made = Datastore(httpserver, cluster)
        with made.house:
            yield made


def test_snapshots_of_the_number_s_days_go_once_it_is_free_and_chunks_are_told(datastore: Datastore) -> None:
    house, service = datastore.house, datastore.vm(104)
    house.next_day(2)
    own = {datastore.backup(104, house.day(-n)) for n in (0, 1)}
    others = {datastore.backup(1040, house.today), datastore.backup(104, house.today, kind="host")}
    before = datastore.backup(104, date(2024, 6, 1))  # the number was another machine's, as far as anybody knows
    datastore.terminate(service)
    datastore.until_deleted()
    assert set(datastore.double.rows) == own | others | {before}
    del datastore.cluster.guests[104]
    assert "delete_backups" not in datastore.until_deleted()
    assert set(datastore.double.rows) == others | {before}
    assert "first seen under its number" in datastore.plan(service).untouched[0].why
    del datastore.double.rows[before]
    datastore.until_deleted(3)
    assert datastore.plan(service).state is PlanState.DONE
    assert set(datastore.double.rows) == others


# --- JetBackup ----------------------------------------------------------------------------------------


class Jet(Estate):
    """Accounts of a panel whose backups JetBackup keeps."""

    def __init__(self, server: HTTPServer) -> None:
        self.double = jet.Double(server)
        self.panel = Names(servers=(1,))
        self.panel.add("somebody")
        store = jet.store_on(self.double.url, (1,), deletes_by="_id")
        # one credential lists, another one deletes
        super().__init__(TwoHanded(store, jet.store_on(self.double.url, (1,), deletes_by="_id")), self.panel)

    def living(self, user: str, letter: str) -> dict[str, Any]:
        self.panel.add(user)
        account = {"_id": letter * 24, "uuid": f"uuid-{letter}", "username": user, "orphan": 0}
        self.double.accounts[letter] = account
        return account

    def backup(self, account: dict[str, Any], day: date) -> str:
        number = self.double.next()
        self.double.backups[number] = {
            "_id": number,
            "parent_id": self.double.next(),
            "account_id": account["_id"],
            "account": account["username"],
            "created": datetime.combine(day, time(4, 10), UTC).isoformat(),
            "size": 1000,
            "lock": 0,
            "deleted": False,
        }
        return number


@pytest.fixture
def jets(httpserver: HTTPServer) -> Iterator[Jet]:
    made = Jet(httpserver)
    with made.house:
        yield made


def test_an_account_s_snapshots_go_by_the_id_that_it_had_while_it_lived(jets: Jet) -> None:
    house, service = jets.house, jets.house.a_service(username="bob")
    bob, neighbour = jets.living("bob", "a"), jets.living("bob1", "c")
    house.next_day(2)
    assert jets.account(service).proofs["jetbackup_id"] == "a" * 24
    own = {jets.backup(bob, house.day(-n)) for n in (0, 1, 7)}
    others = {jets.backup(neighbour, house.today)}
    jets.terminate(service)
    bob["orphan"], jets.panel.living_now["bob"] = 1, jets.panel.living_now.pop("bob")
    del jets.panel.living_now["bob"]
    again = jets.living("bob", "d")  # somebody else gets the name at once
    del jets.panel.living_now["bob"]  # and is not on the panel any more, but JetBackup keeps what it had
    again["orphan"] = 1
    others |= {jets.backup(again, house.today)}
    house.next_day(GRACE_DAYS - 1)
    assert set(jets.double.backups) == own | others
    jets.until_deleted()
    assert set(jets.double.backups) == others
    plan = jets.plan(service)
    assert plan.state is PlanState.DONE
    assert {proof for row in plan.items for proof in row.proofs} >= {"recorded jetbackup_id", "recorded jetbackup_uuid"}
    assert "bob" in jets.certified(service)


def test_an_account_that_jetbackup_takes_for_living_again_keeps_its_snapshots(jets: Jet) -> None:
    house, service = jets.house, jets.house.a_service(username="bob")
    bob = jets.living("bob", "a")
    house.next_day(2)
    own = {jets.backup(bob, house.today)}
    jets.terminate(service)
    del jets.panel.living_now["bob"]
    jets.until_deleted()
    assert set(jets.double.backups) == own
    bob["orphan"] = 1
    jets.until_deleted()
    assert set(jets.double.backups) == set()
