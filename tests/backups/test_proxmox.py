"""The Proxmox VE driver against a double of its API that can lie; no real cluster."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.backups.contract import BOB, DAY, MADE, Contract, Place, listing, one_of, settled
from whmcs_bridge.backups.proxmox import ProxmoxStore, open_store
from whmcs_bridge.backups.proxmox_panel import ProxmoxPanel, open_panel
from whmcs_bridge.domain.backups import AccountIdentity, BackupItem, LivingAccount, Outcome, Receipt, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, ViewIncomplete
from whmcs_bridge.policy.ownership import same_account
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.model import BackupStoreSettings, PanelSettings
from whmcs_bridge.settings.secret import Secret

TOKEN = "11111111-pve-token-for-tests"
UUID = "6f1f2a4e-8f5c-4f0e-9a44-000000000100"
OTHER = "6f1f2a4e-8f5c-4f0e-9a44-000000000200"
GENERATION = "0c0c0c0c-8f5c-4f0e-9a44-000000000100"
ACCOUNT = replace(BOB, username="100", proofs={"uuid": UUID})
STAMP = f"{DAY:%Y_%m_%d}-04_10_00"
Seen = tuple[str, str, Mapping[str, str]]


class Double:
    """Answers as PVE 8 does, from a list of volumes, or as it must not be believed."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/").rstrip("/")
        server.expect_request(re.compile(".*")).respond_with_handler(self.answer)
        self.volumes: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, str] = {}
        self.nodes = {"pve1": "online"}
        self.storage: dict[str, Any] = {"active": 1, "enabled": 1, "shared": 1, "content": "iso,backup"}
        self.lacks: set[tuple[str, str]] = set()
        self.active: list[dict[str, Any]] = []
        self.seen: list[Seen] = []
        self.guests: dict[int, dict[str, Any]] = {}
        self.hidden: dict[int, dict[str, Any]] = {}
        self.cluster: list[dict[str, Any]] = [{"type": "cluster", "quorate": 1}, {"type": "node", "name": "pve1"}]
        self.running = 1
        self.ended = "OK"
        self.effect = True
        self.on_delete: Callable[[], Response | None] = lambda: None
        self.number = 0

    def lay(self, name: str, *, uuid: str = UUID, **more: Any) -> None:
        self.number += 1
        volid = f"backups:backup/{name}"
        self.volumes[volid] = {
            "volid": volid,
            "ctime": int(MADE.timestamp()),
            "size": 1000 + self.number,
            "format": "vma.zst",
            "content": "backup",
            **more,
        }
        self.configs[volid] = f"cores: 2\nsmbios1: uuid={uuid}\nvmgenid: {GENERATION}\n"

    def answer(self, request: Request) -> Response:
        path, words = request.path.removeprefix("/api2/json"), dict(request.args)
        self.seen.append((request.method, path, words))
        if request.headers.get("Authorization") != f"PVEAPIToken=bridge@pve!backups={TOKEN}":
            return Response("", 401)
        if request.method == "DELETE":
            return self._delete(path.partition("/content/")[2])
        return self._get(path, words)

    def _get(self, path: str, words: Mapping[str, str]) -> Response:
        match path.strip("/").split("/"):
            case ["access", "permissions"]:
                every = ("Datastore.Allocate", "Sys.Audit", "VM.Audit", "VM.Backup")
                return data({words["path"]: {p: 1 for p in every if (words["path"], p) not in self.lacks}})
            case ["cluster", what]:
                return self._cluster(what, words)
            case ["nodes", _, ("qemu" | "lxc") as kind, vmid, "config"]:
                guest = self.guests.get(int(vmid))
                if guest is None or guest["type"] != kind or guest["config"] is None:
                    return Response("Configuration file does not exist", 500)
                return data(guest["config"])
            case ["nodes"]:
                return data([{"node": node, "status": status} for node, status in self.nodes.items()])
            case ["nodes", _, "storage"]:
                return data([{"storage": "local", "active": 0}, {"storage": "backups", **self.storage}])
            case ["nodes", _, "storage", "backups", "content"]:
                return data(list(self.volumes.values()))
            case ["nodes", _, "vzdump", "extractconfig"]:
                found = self.configs.get(words["volume"])
                return data(found) if found is not None else Response("no config", 500)
            case ["nodes", _, "tasks"]:
                return data(self.active)
            case ["nodes", _, "tasks", _, "status"]:
                self.running -= 1
                running = self.running >= 0
                return data({"status": "running"} if running else {"status": "stopped", "exitstatus": self.ended})
        return Response("not implemented", 501)

    def _cluster(self, what: str, words: Mapping[str, str]) -> Response:
        if what == "status":
            return data(self.cluster)
        if what == "nextid":
            if int(words["vmid"]) in {**self.guests, **self.hidden}:
                taken = f"VM {words['vmid']} already exists"
                return Response(f'{{"errors":{{"vmid":"{taken}"}},"data":null}}', 400)
            return data(words["vmid"])
        assert (what, words) == ("resources", {"type": "vm"})
        rows = [{"vmid": vmid, "node": "pve1", **guest} for vmid, guest in self.guests.items()]
        return data([{key: value for key, value in row.items() if key != "config"} for row in rows])

    def _delete(self, volid: str) -> Response:
        answer = self.on_delete()
        if answer is not None:
            return answer
        if self.effect:
            self.volumes.pop(volid, None)  # one that is missing: OK all the same
        return data("UPID:pve1:0003D3A2:01B2C3D4:665953E0:imgdel:100@backups:bridge@pve!backups:")


def data(found: Any) -> Response:
    import json

    return Response(json.dumps({"data": found}), content_type="application/json")


def store_on(url: str, servers: Collection[int] = (), *, token: str = TOKEN, **more: Any) -> ProxmoxStore:
    options = {
        "url": url,
        "token_id": "bridge@pve!backups",
        "token": Secret.given(token),
        "timeout_seconds": 5,
        "storages": ("backups",),
        "bytes_kept_days": 0,
        **more,
    }
    return open_store(BackupStoreSettings("pve", "proxmox", tuple(servers), options))


class ProxmoxPlace(Place):
    """Volumes of one shared storage; users are vmids, and all machines carry bob's uuid: a vmid must not do."""

    account = ACCOUNT
    secrets = (TOKEN,)
    many = 101  # a list has no pages; every configuration is one request

    def __init__(self, server: HTTPServer) -> None:
        self.double = Double(server)
        self.away = lambda: store_on("http://127.0.0.1:1")
        self.half_forbidden = self._half
        self.cut_after_send = lambda: self._deleting(Response("", 596))
        self.read_only = lambda: self._deleting(Response("", 403))

    def store(self) -> BackupStore:
        return store_on(self.double.url)

    def _half(self) -> BackupStore:
        self.double.lacks.add(("/storage/backups", "Datastore.Allocate"))
        for volid in list(self.double.volumes)[::2]:
            del self.double.volumes[volid]
        return self.store()

    def _deleting(self, answer: Response) -> BackupStore:
        self.double.on_delete = lambda: answer
        return self.store()

    def name_of(self, user: str) -> str:
        vmid = {"bob1": "1001"}.get(user, user.removeprefix("user"))
        return f"vzdump-qemu-{vmid}-{STAMP}.vma.zst"

    def more_of_account(self) -> tuple[str, ...]:
        return (f"vzdump-qemu-100-{STAMP}.vma", "vm/100/2026-05-31T04:10:00Z")

    def odd_names(self) -> tuple[str, ...]:
        mine = self.name_of("100")
        return (
            *(f"{mine}.old", f"{mine}.log", f"x{mine}", f"{mine}/{mine}", f"../{mine}", f"a//{mine}", mine.upper()),
            *map(self.name_of, ("10", "1000", "0100", "200", "100-old-200", "200-100", "100%", "1\u0660\u0660")),
            *("vzdump-qemu-100-2026_02_30-04_10_00.vma.zst", "vzdump-qemu-100-2026_5_31-04_10_00.vma.zst"),
            *("vm/1000/2026-05-31T04:10:00Z", "vm/100/2026-05-31T04:10:00", "host/100/2026-05-31T04:10:00Z"),
        )

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        for name in sorted(made):
            self.double.lay(name)
        return made

    def left(self) -> set[str]:
        return {volid.removeprefix("backups:backup/") for volid in self.double.volumes}

    def replace(self, name: str) -> None:
        self.double.lay(name)

    def remove(self, name: str) -> None:
        del self.double.volumes[self.locator_of(name)]

    def locator_of(self, name: str) -> str:
        return f"backups:backup/{name}"


@pytest.fixture
def place(httpserver: HTTPServer) -> ProxmoxPlace:
    return ProxmoxPlace(httpserver)


class TestProxmox(Contract):
    @pytest.fixture
    def place(self, httpserver: HTTPServer) -> Place:
        return ProxmoxPlace(httpserver)


# --- whose -------------------------------------------------------------------------------------------


def claimed(place: ProxmoxPlace, account: AccountIdentity, config: str, **row: Any) -> tuple[Verdict, str]:
    name = place.name_of("100")
    place.double.lay(name, **row)
    place.double.configs[place.locator_of(name)] = config
    store = place.store()
    claim = store.claim(one_of(place, store, name), account)
    return claim.verdict, claim.why


SAME = f"name: web\nsmbios1: manufacturer=x,uuid={UUID.upper()}\nvmgenid: {GENERATION}\n"


@pytest.mark.parametrize(
    ("proofs", "config", "verdict"),
    [
        ({"uuid": UUID}, SAME, Verdict.MINE),
        ({"panel_id": UUID}, SAME, Verdict.AMBIGUOUS),
        ({"uuid": OTHER, "uuid.1": UUID}, SAME, Verdict.MINE),  # rebuilt under its number: both are its own
        ({"ctime": "1700000000"}, "meta: creation-qemu=8.1.2,ctime=1700000000\n", Verdict.MINE),
        ({"ctime": "1700000001"}, "meta: creation-qemu=8.1.2,ctime=1700000000\n", Verdict.AMBIGUOUS),
        ({"uuid": OTHER, "ctime": "1700000000"}, f"{SAME}meta: ctime=1700000000\n", Verdict.NOT_MINE),
        ({"vmgenid": GENERATION}, SAME, Verdict.MINE),
        ({"uuid": UUID, "vmgenid": OTHER}, SAME, Verdict.MINE),  # a rollback gives it another
        ({"vmgenid": OTHER}, SAME, Verdict.AMBIGUOUS),
        ({"uuid": OTHER}, SAME, Verdict.NOT_MINE),
        ({"uuid": OTHER, "vmgenid": GENERATION}, SAME, Verdict.NOT_MINE),
        ({}, SAME, Verdict.AMBIGUOUS),
        ({"uuid": ""}, "smbios1: base64=1\n", Verdict.AMBIGUOUS),
        ({"uuid": UUID}, "name: container\n", Verdict.AMBIGUOUS),
        ({"uuid": UUID}, f"name: x\n[before-update]\nsmbios1: uuid={UUID}\n", Verdict.AMBIGUOUS),
    ],
)
def test_a_vmid_alone_is_never_enough(
    place: ProxmoxPlace, proofs: dict[str, str], config: str, verdict: Verdict
) -> None:
    assert claimed(place, replace(ACCOUNT, proofs=proofs), config)[0] is verdict


def test_a_uuid_under_another_vmid_may_be_a_copy_of_somebody_else(place: ProxmoxPlace) -> None:
    account = replace(ACCOUNT, username="200")
    assert claimed(place, account, SAME) == (
        Verdict.AMBIGUOUS,
        "its machine's id under another vmid: a copy has it too",
    )


def test_a_recorded_vmid_counts_where_the_account_has_another_name(place: ProxmoxPlace) -> None:
    account = replace(ACCOUNT, username="bob", proofs={"uuid": UUID, "vmid": "100"})
    assert claimed(place, account, SAME)[0] is Verdict.MINE


def test_a_name_that_says_one_vmid_and_a_storage_that_says_another_prove_nothing(place: ProxmoxPlace) -> None:
    verdict, why = claimed(place, ACCOUNT, SAME, vmid=200)
    assert verdict is Verdict.AMBIGUOUS
    assert "the storage 200" in why


@pytest.mark.parametrize(
    ("name", "row", "verdict"),
    [
        ("vzdump-qemu-100-before-upgrade.vma.zst", {"vmid": 100}, Verdict.AMBIGUOUS),
        ("vzdump-qemu-100-before-upgrade.vma.zst", {"vmid": None}, Verdict.AMBIGUOUS),
        ("vzdump-qemu-200-old-100-x.vma.zst", {"vmid": 200}, Verdict.AMBIGUOUS),
        ("keep-this.vma.zst", {"vmid": 100}, Verdict.AMBIGUOUS),
        (f"vzdump-qemu-200-{STAMP}.vma.zst", {"vmid": 100}, Verdict.NOT_MINE),
        ("vzdump-qemu-1000-before-upgrade.vma.zst", {"vmid": 1000}, Verdict.NOT_MINE),
        ("keep-this.vma.zst", {"vmid": 200}, Verdict.NOT_MINE),
        (f"vzdump-qemu-200-{STAMP}.vma.zst", {"vmid": 300}, Verdict.NOT_MINE),
    ],
)
def test_an_odd_name_with_the_account_s_number_is_left_and_told(
    place: ProxmoxPlace, name: str, row: dict[str, Any], verdict: Verdict
) -> None:
    place.double.lay(name, **row)
    store = place.store()
    [item] = listing(store)
    assert store.claim(item, ACCOUNT).verdict is verdict
    assert store.delete(item).outcome is Outcome.REFUSED


def test_ids_that_agree_at_another_time_prove_nothing(place: ProxmoxPlace) -> None:
    assert claimed(place, replace(ACCOUNT, until=DAY.replace(month=3)), SAME)[0] is Verdict.AMBIGUOUS


CARD, OTHER_CARD = "bc:24:11:00:00:01", "bc:24:11:00:00:02"
NUMBERED = {"vmid": "100", "numbered_on": f"{DAY - timedelta(days=30)}"}
WITH_CARD = f"hostname: web\nnet0: name=eth0,bridge=vmbr0,hwaddr={CARD.upper()},ip=dhcp,type=veth\n"


@pytest.mark.parametrize(
    ("proofs", "config", "verdict", "why"),
    [
        ({"mac": CARD}, WITH_CARD, Verdict.MINE, ""),
        ({"mac": f"{OTHER_CARD} {CARD}"}, WITH_CARD, Verdict.MINE, ""),
        ({"mac": OTHER_CARD, "mac.1": CARD}, WITH_CARD, Verdict.MINE, ""),
        ({"mac": OTHER_CARD}, WITH_CARD, Verdict.AMBIGUOUS, "its network card is none"),
        ({}, WITH_CARD, Verdict.MINE, ""),
        ({"mac": CARD}, "hostname: web\n", Verdict.MINE, ""),
        ({"numbered_on": f"{DAY + timedelta(days=1)}"}, WITH_CARD, Verdict.AMBIGUOUS, "first seen under its number"),
        ({"numbered_on": f"{DAY + timedelta(days=1)}", "mac": CARD}, WITH_CARD, Verdict.MINE, ""),
        ({"uuid": UUID, "mac": CARD}, WITH_CARD, Verdict.AMBIGUOUS, "its vmid alone"),  # the service's is no container
    ],
)
def test_a_container_is_told_by_its_cards_and_its_days_and_never_proved(
    place: ProxmoxPlace, proofs: dict[str, str], config: str, verdict: Verdict, why: str
) -> None:
    name = f"vzdump-lxc-100-{STAMP}.tar.zst"
    place.double.lay(name)
    place.double.configs[place.locator_of(name)] = config
    store = place.store()
    claim = store.claim(one_of(place, store, name), replace(ACCOUNT, proofs=NUMBERED | proofs))
    assert (claim.verdict, why in claim.why, claim.proven) == (verdict, True, False)


def test_a_machine_s_backup_without_a_uuid_is_not_told_as_a_container_s(place: ProxmoxPlace) -> None:
    card = f"net0: virtio={CARD.upper()},bridge=vmbr0\n"
    assert claimed(place, replace(ACCOUNT, proofs=NUMBERED | {"mac": CARD}), card)[0] is Verdict.AMBIGUOUS


def test_a_container_after_its_end_is_somebody_else_s(place: ProxmoxPlace) -> None:
    name = f"vzdump-lxc-100-{STAMP}.tar.zst"
    place.double.lay(name)
    place.double.configs[place.locator_of(name)] = "hostname: web\n"
    store = place.store()
    ended = replace(ACCOUNT, proofs=NUMBERED, until=DAY - timedelta(days=1))
    assert store.claim(one_of(place, store, name), ended).verdict is Verdict.AMBIGUOUS


def test_without_the_right_to_read_configurations_the_probe_says_what_is_missing(place: ProxmoxPlace) -> None:
    place.double.lacks.add(("/vms", "VM.Backup"))
    probe = place.store().probe()
    assert probe.complete
    assert "VM.Backup on /vms" in probe.notes[0]


def test_a_configuration_that_cannot_be_read_proves_nothing(place: ProxmoxPlace) -> None:
    name = place.name_of("100")
    place.double.lay(name)
    place.double.configs.clear()
    assert [place.store().claim(item, ACCOUNT).verdict for item in place.store().items()] == [Verdict.AMBIGUOUS]


def test_no_filter_of_the_server_s_is_asked_for(place: ProxmoxPlace) -> None:
    place.make([place.name_of("100")])
    store = place.store()
    store.probe()
    [item] = listing(store)
    settled(store, store.delete(item))
    assert not [words for _, _, words in place.double.seen if "vmid" in words]


# --- the whole list, or none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda double: double.nodes.update(pve2="offline"), "node pve2 is offline"),
        (lambda double: double.nodes.clear(), "no node"),
        (lambda double: double.storage.update(active=0), "not active on node pve1"),
        (lambda double: double.storage.update(enabled=0), "not active"),
        (lambda double: double.storage.update(content="iso"), "does not list backups"),
        (lambda double: double.storage.update(storage="elsewhere"), "no node has the storage backups"),
        (lambda double: double.lacks.add(("/storage/backups", "Datastore.Allocate")), "lacks Datastore.Allocate"),
        (lambda double: double.lacks.add(("/nodes/pve1", "Sys.Audit")), "lacks Sys.Audit"),
        (lambda double: double.volumes.update(x={"volid": "elsewhere:backup/x"}), "another storage"),
        (lambda double: double.volumes.update(x={"volid": None}), "another shape"),
    ],
)
def test_what_may_hide_something_is_no_list(place: ProxmoxPlace, spoil: Callable[[Double], object], why: str) -> None:
    place.make([place.name_of("100")])
    store = place.store()
    [item] = listing(store)
    spoil(place.double)
    with pytest.raises(ViewIncomplete, match=why):
        listing(store)
    probe = store.probe()
    assert not probe.complete
    assert why in probe.why
    assert store.delete(item).outcome is Outcome.FAILED
    assert place.left() >= {place.name_of("100")}


def test_only_nodes_that_are_named_have_to_be_there(place: ProxmoxPlace) -> None:
    place.make([place.name_of("100")])
    place.double.nodes["pve2"] = "offline"
    assert len(listing(store_on(place.double.url, nodes=("pve1",)))) == 1


def test_a_shared_storage_is_listed_once_and_a_local_one_on_every_node(place: ProxmoxPlace) -> None:
    place.make([place.name_of("100")])
    place.double.nodes["pve2"] = "online"
    assert len(listing(place.store())) == 1
    place.double.storage["shared"] = 0
    store = place.store()
    locators = sorted(item.locator for item in listing(store))
    volid = place.locator_of(place.name_of("100"))
    assert locators == [f"pve1/{volid}", f"pve2/{volid}"]
    settled(store, store.delete(next(item for item in listing(store) if item.locator.startswith("pve2/"))))
    assert ("DELETE", f"/nodes/pve2/storage/backups/content/{volid}", {}) in place.double.seen


def test_a_wrong_token_is_no_empty_list(place: ProxmoxPlace) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(store_on(place.double.url, token="another"))


# --- deleting --------------------------------------------------------------------------------------------


def one(place: ProxmoxPlace, **row: Any) -> tuple[BackupStore, BackupItem]:
    place.double.lay(place.name_of("100"), **row)
    store = place.store()
    [item] = listing(store)
    return store, item


def test_what_is_protected_stays_and_is_never_unprotected(place: ProxmoxPlace) -> None:
    store, item = one(place, protected=1)
    assert (item.lock, store.delete(item).outcome) == ("protected", Outcome.LOCKED)
    assert {method for method, _, _ in place.double.seen} == {"GET"}


def test_what_was_protected_meanwhile_is_locked(place: ProxmoxPlace) -> None:
    store, item = one(place)
    place.double.on_delete = lambda: Response("cannot remove protected volume", 500)
    assert store.delete(item).outcome is Outcome.LOCKED
    place.double.on_delete = lambda: None
    place.double.running, place.double.ended, place.double.effect = 0, "cannot remove protected volume 'x'", False
    assert store.poll(store.delete(item)).outcome is Outcome.LOCKED


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        ("OK", Outcome.DELETED),
        ("WARNINGS: 1", Outcome.UNKNOWN),
        ("unable to remove", Outcome.FAILED),
        ("", Outcome.FAILED),
    ],
)
def test_a_task_is_asked_until_it_has_ended(place: ProxmoxPlace, ended: str, outcome: Outcome) -> None:
    store, item = one(place)
    place.double.ended = ended
    receipt = store.delete(item)
    assert receipt.outcome is Outcome.ACCEPTED
    assert store.poll(receipt) == receipt
    assert store.poll(Receipt(Outcome.ACCEPTED, task=receipt.task)).outcome is outcome


def test_a_task_that_says_ok_and_did_nothing_leaves_the_item_in_the_listing(place: ProxmoxPlace) -> None:
    store, item = one(place)
    place.double.effect = False
    assert settled(store, store.delete(item)).outcome is Outcome.DELETED
    assert listing(store) == [item]


def test_a_task_s_odd_number_is_never_asked_for(place: ProxmoxPlace) -> None:
    store, _ = one(place)
    for task in ("", "UPID:../../x:y", "UPID:pve1:a/../b", "x"):
        before = len(place.double.seen)
        assert store.poll(Receipt(Outcome.ACCEPTED, task=task)).outcome is Outcome.UNKNOWN
        assert len(place.double.seen) == before


def test_a_task_that_cannot_be_asked_for_is_no_end(place: ProxmoxPlace) -> None:
    store, item = one(place)
    receipt = store.delete(item)
    with pytest.raises(StoreTrouble):
        store_on("http://127.0.0.1:1").poll(receipt)


@pytest.mark.parametrize("answer", [None, "UPID", 1, {"x": 1}])
def test_an_answer_without_a_task_is_no_task(place: ProxmoxPlace, answer: object) -> None:
    store, item = one(place)
    place.double.on_delete = lambda: data(answer)
    assert store.delete(item).outcome is (Outcome.DELETED if answer is None else Outcome.UNKNOWN)


@pytest.mark.parametrize("active", [{"upid": "UPID:x", "id": "100"}, {"upid": "UPID:x", "id": ""}])
def test_a_backup_at_work_is_told_and_nothing_of_it_is_deleted(place: ProxmoxPlace, active: dict[str, Any]) -> None:
    store, item = one(place)
    place.double.active = [active]
    assert store.probe().busy == (active["id"] or "*",)
    assert store.delete(item).outcome is Outcome.FAILED
    place.double.active = [{"upid": "UPID:x", "id": "1001"}]
    assert store.delete(item).outcome is Outcome.ACCEPTED


def test_the_machine_in_it_is_looked_at_again_before_it_goes(place: ProxmoxPlace) -> None:
    store, item = one(place)
    place.double.configs[item.locator] = f"smbios1: uuid={OTHER}\n"
    assert store.delete(item).outcome is Outcome.REFUSED
    assert place.left()


def test_times_are_the_store_s(place: ProxmoxPlace) -> None:
    _, item = one(place)
    assert (item.at, item.made_on) == (datetime(2026, 5, 31, 4, 10, tzinfo=UTC), DAY)


# --- the panel -------------------------------------------------------------------------------------------

QEMU: dict[str, Any] = {
    "type": "qemu",
    "name": "web",
    "config": {
        "smbios1": f"uuid={UUID.upper()},manufacturer=x",
        "vmgenid": GENERATION,
        "meta": "creation-qemu=8.1.2,ctime=1700000000",
        "net0": f"virtio={CARD.upper()},bridge=vmbr0,firewall=1",
        "net1": f"e1000={OTHER_CARD},bridge=vmbr1",
    },
}
LXC: dict[str, Any] = {
    "type": "lxc",
    "name": "ct",
    "config": {"net0": f"name=eth0,bridge=vmbr0,hwaddr={CARD},ip=dhcp,type=veth"},
}


def panel_on(url: str, token: str = TOKEN, *, servers: tuple[int, ...] = (3, 4)) -> ProxmoxPanel:
    login = {"token_id": "bridge@pve!backups", "token": Secret.given(token)}
    return open_panel(PanelSettings("cluster", "proxmox", servers, {"url": url, "timeout_seconds": 5, **login}))


def a_panel(place: ProxmoxPlace) -> ProxmoxPanel:
    place.double.guests = {100: QEMU, 101: LXC, 102: {**QEMU, "config": None}}
    return panel_on(place.double.url)


def test_the_panel_tells_every_guest_and_what_proves_it(place: ProxmoxPlace) -> None:
    panel = a_panel(place)
    ids = {"uuid": UUID, "vmgenid": GENERATION, "ctime": "1700000000", "mac": f"{CARD} {OTHER_CARD}", "vmid": "100"}
    living = panel.living()
    assert list(living) == ["100", "101", "102"]
    assert living["100"] == LivingAccount("100", UUID, "web", ids=ids)
    assert living["101"] == LivingAccount("101", f"mac {CARD}", "ct", ids={"mac": CARD, "vmid": "101"})
    assert living["102"] == LivingAccount("102", "", "web")  # lives, and nobody can say which one it is
    assert (panel.name, panel.serves(3), panel.serves(1)) == ("cluster", True, False)
    panel.close()


def test_a_guest_is_asked_for_when_somebody_wants_to_know_and_once(place: ProxmoxPlace) -> None:
    panel = a_panel(place)
    living = panel.living()
    asked = len(place.double.seen)
    assert frozenset(living) == {"100", "101", "102"}
    assert len(place.double.seen) == asked
    assert living.get("100") is living.get("100")
    assert "root" not in living
    assert len(place.double.seen) == asked + 1


def test_two_looks_are_compared_by_what_was_looked_at_without_asking_for_more(place: ProxmoxPlace) -> None:
    panel = a_panel(place)
    one, other = panel.living(), panel.living()
    asked = len(place.double.seen)
    assert one == other
    assert one != dict.fromkeys(one)
    assert len(place.double.seen) == asked
    assert one["100"] == other["100"]
    place.double.guests[100] = LXC
    later = panel.living()
    assert later["100"] != one["100"]
    assert later != one
    del place.double.guests[101]
    assert panel.living() != later


def test_a_number_that_is_not_listed_is_free_only_if_the_cluster_says_so(place: ProxmoxPlace) -> None:
    panel = a_panel(place)
    place.double.hidden[200] = QEMU
    living = panel.living()
    assert living.get("201") is None
    assert "201" not in living
    for _ in range(2):
        with pytest.raises(ViewIncomplete, match="leaves out 200"):
            living.get("200")
    assert [path for _, path, _ in place.double.seen].count("/cluster/nextid") == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda double: double.lacks.add(("/vms", "VM.Audit")), "lacks VM.Audit on /vms"),
        (lambda double: double.lacks.add(("/", "Sys.Audit")), "lacks Sys.Audit on /"),
        (lambda double: double.guests.clear(), "no guest at all"),
        (lambda double: double.cluster.clear(), "no quorum"),
        (lambda double: double.cluster.__setitem__(0, {"type": "cluster", "quorate": 0}), "no quorum: its list"),
        (lambda double: double.cluster.__setitem__(0, {"type": "cluster"}), "no quorum"),
        (lambda double: double.guests.update({103: {**LXC, "type": "openvz"}}), "another shape"),
        (lambda double: double.guests.update({103: {**LXC, "node": 3}}), "another shape"),
        (lambda double: double.guests.update({99: LXC}), "another shape"),
        (lambda double: double.guests.update({103: {**LXC, "vmid": 101}}), "another shape"),
        (lambda double: double.guests.update({103: {**LXC, "node": None}}), "another shape"),
    ],
)
def test_what_may_leave_a_guest_out_says_nobody_is_gone(
    place: ProxmoxPlace, spoil: Callable[[Double], object], why: str
) -> None:
    panel = a_panel(place)
    spoil(place.double)
    with pytest.raises(ViewIncomplete, match=why):
        panel.living()


def test_a_node_without_a_cluster_needs_no_quorum(place: ProxmoxPlace) -> None:
    panel = a_panel(place)
    place.double.cluster = [{"type": "node", "name": "pve1"}]
    assert len(panel.living()) == 3


def test_a_panel_that_is_away_or_does_not_let_us_in_says_so_without_its_token(place: ProxmoxPlace) -> None:
    with pytest.raises(StoreTrouble) as raised:
        panel_on("http://127.0.0.1:1").living()
    assert TOKEN not in str(raised.value)
    with pytest.raises(StoreAuthFailed):
        panel_on(place.double.url, token="another").living()


@pytest.mark.parametrize(
    ("captured", "now", "same"),
    [
        ({"uuid": UUID}, QEMU, True),
        ({"panel_id": UUID}, QEMU, True),
        ({"uuid": OTHER}, QEMU, False),
        ({"uuid": OTHER, "uuid.1": UUID}, QEMU, True),  # a former one that was brought back
        ({"uuid": UUID}, LXC, False),
        ({"panel_id": f"mac {CARD}"}, LXC, True),
        ({}, QEMU, None),
        ({"uuid": UUID}, {**QEMU, "config": None}, None),
    ],
)
def test_the_captured_machine_is_told_from_another_under_its_number(
    place: ProxmoxPlace, captured: dict[str, str], now: dict[str, Any], same: bool | None
) -> None:
    place.double.guests[100] = now
    living = panel_on(place.double.url).living()["100"]
    assert same_account(replace(ACCOUNT, proofs=captured), living) is same
