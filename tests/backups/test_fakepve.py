"""The Proxmox VE driver and panel against fakepve, a fake of the whole API by others; no real cluster.

It is licensed under the AGPL and none of our code imports it: it runs as a program of its own, with our settings on its
command line and what happens to its cluster on its standard input, and is spoken to over HTTPS.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.backups.contract import BOB, DAY, MADE, listing, settled
from tests.needs import stop_without
from whmcs_bridge.backups.proxmox import ProxmoxStore
from whmcs_bridge.backups.proxmox import open_store as open_proxmox
from whmcs_bridge.backups.proxmox_panel import ProxmoxPanel, open_panel
from whmcs_bridge.domain.backups import BackupItem, Outcome, Receipt, Verdict
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, ViewIncomplete
from whmcs_bridge.settings.model import BackupStoreSettings, PanelSettings
from whmcs_bridge.settings.secret import Secret

TOKEN_ID, TOKEN = "bridge@pve!backups", "33333333-fake-token-for-tests"
UUID, OTHER = "6f1f2a4e-8f5c-4f0e-9a44-000000000100", "6f1f2a4e-8f5c-4f0e-9a44-000000000200"
CARD = "BC:24:11:00:00:01"
RIGHTS = {
    "/": ["Sys.Audit"],
    "/nodes/pve1": ["Sys.Audit"],
    "/nodes/pve2": ["Sys.Audit"],
    "/storage/backups": ["Datastore.Audit", "Datastore.Allocate", "Datastore.AllocateSpace"],
    "/vms": ["VM.Audit", "VM.Backup"],
}
PROGRAM = """
import asyncio, json, sys
from fakepve import FakePve
from fakepve.certs import make_cert

class Cluster(FakePve):
    # Its own extractconfig says the same of every backup.
    configs = {}
    async def answer(self, request, match, params, user, call=None):
        if request.path.endswith("/vzdump/extractconfig"):
            self.require(user, "/vms", "VM.Backup")
            return self.configs.get(params["volume"], "")
        return await super().answer(request, match, params, user, call)

async def main():
    folder, token_id, token = sys.argv[1:4]
    pve = Cluster(user="root@pam", password=token, host="127.0.0.1", port=0)
    pve.apitokens[token_id] = token
    fresh = dict(pve.__dict__)
    crt, key, _ = make_cert(folder, hosts=("127.0.0.1",))
    await pve.start(crt, key)
    print(json.dumps([pve.url, crt]), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        what, given = json.loads(line)
        if what == "begin":
            pve.vms, pve.cts, pve.failures, pve.quorate = [], [], {}, True
            pve.acl = {token_id: [(path, set(rights)) for path, rights in given["rights"].items()]}
            pve.nodes = {name: {"online": True} for name in given["nodes"]}
            pve.storages["backups"] = {
                "type": "dir", "active": 1, "content": "backup", "files": set(), "path": "/mnt/backups",
                "shared": 1, "avail": 2 ** 40, "volumes": {},
            }
            Cluster.configs = {}
        elif what == "volume":
            name, volume, config = given
            pve.storages["backups"]["volumes"]["backup/" + name] = volume
            Cluster.configs["backups:backup/" + name] = config
        elif what == "guest":
            kind, vmid, config = given
            (pve.add_vm if kind == "qemu" else pve.add_ct)(vmid, "guest%d" % vmid, node="pve1", config=config)
        elif what == "set":
            setattr(pve, *given)
        elif what == "node":
            pve.nodes[given[0]]["online"] = given[1]
        elif what == "fail":
            pve.fail(*given)
        print(json.dumps(sorted(pve.storages.get("backups", {}).get("volumes", {}))), flush=True)

asyncio.run(main())
"""


class Fake:
    """The program, and what happens to its cluster."""

    def __init__(self, folder: Path) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), TOKEN_ID, TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url, self.ca_file = self._line()

    def _line(self) -> Any:
        assert self._program.stdout is not None
        return json.loads(self._program.stdout.readline())

    def tell(self, what: str, given: object = None) -> set[str]:
        """Let something happen; return the volumes that are there then."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps([what, given]) + "\n")
        self._program.stdin.flush()
        return {name.removeprefix("backup/") for name in self._line()}

    def begin(self, **more: Any) -> None:
        self.tell("begin", {"rights": RIGHTS, "nodes": ["pve1"], **more})

    def volume(self, name: str, uuid: str = UUID, **more: Any) -> None:
        vmid = int(name.split("-")[2])
        volume = {"content": "backup", "format": "vma.zst", "size": 1000, "ctime": int(MADE.timestamp()), "vmid": vmid}
        self.tell("volume", [name, volume | more, f"name: web\nsmbios1: uuid={uuid}\nnet0: virtio={CARD},bridge=b\n"])

    def left(self) -> set[str]:
        return self.tell("look")

    @property
    def login(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "ca_file": Path(self.ca_file),
            "token_id": TOKEN_ID,
            "token": Secret.given(TOKEN),
            "timeout_seconds": 30,
        }

    def store(self, **more: Any) -> ProxmoxStore:
        options = {**self.login, "storages": ("backups",), "bytes_kept_days": 0, **more}
        return open_proxmox(BackupStoreSettings("pve", "proxmox", (1,), options))

    def panel(self) -> ProxmoxPanel:
        return open_panel(PanelSettings("cluster", "proxmox", (1,), self.login))

    def close(self) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.close()
        self._program.stdout.close()
        self._program.wait(timeout=30)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    stop_without(["fakepve"], found=importlib.util.find_spec)
    fake = Fake(tmp_path_factory.mktemp("fakepve"))
    yield fake
    fake.close()


@pytest.fixture
def fake(program: Fake) -> Fake:
    program.begin()
    return program


STAMP = f"{DAY:%Y_%m_%d}-04_10_00"
MINE = f"vzdump-qemu-100-{STAMP}.vma.zst"
NEIGHBOUR = f"vzdump-qemu-1001-{STAMP}.vma.zst"
ACCOUNT = replace(BOB, username="100", proofs={"vmid": "100", "uuid": UUID, "numbered_on": "2026-01-01"})


def one(fake: Fake, store: ProxmoxStore, name: str = MINE) -> BackupItem:
    return next(item for item in listing(store) if item.locator.endswith(name))


def test_exactly_the_machine_s_backups_go_and_the_cluster_has_the_others(fake: Fake) -> None:
    fake.volume(MINE)
    fake.volume(NEIGHBOUR, uuid=OTHER)
    again = f"vzdump-qemu-100-{DAY - timedelta(days=1):%Y_%m_%d}-04_10_00.vma.zst"
    fake.volume(again, uuid=OTHER)
    store = fake.store()
    assert store.probe().complete
    items = {item.locator.rpartition("/")[2]: item for item in listing(store)}
    assert {name: store.claim(item, ACCOUNT).verdict for name, item in items.items()} == {
        MINE: Verdict.MINE,
        again: Verdict.NOT_MINE,
        NEIGHBOUR: Verdict.NOT_MINE,
    }
    assert items[MINE].at == datetime.fromtimestamp(int(MADE.timestamp()), UTC)
    receipt = store.delete(items[MINE])
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.task.startswith("UPID:pve1:")
    assert settled(store, receipt).outcome is Outcome.DELETED
    assert fake.left() == {NEIGHBOUR, again}
    assert store.delete(items[MINE]).outcome is Outcome.GONE_BEFORE
    store.close()


def test_the_token_of_an_audit_sees_everything_and_deletes_nothing(fake: Fake) -> None:
    fake.begin(rights={**RIGHTS, "/storage/backups": ["Datastore.Audit", "Datastore.Allocate"]})
    fake.volume(MINE)
    store = fake.store()
    item = one(fake, store)
    assert store.claim(item, ACCOUNT).verdict is Verdict.MINE
    assert store.delete(item).outcome is Outcome.FAILED
    assert fake.left() == {MINE}


def test_a_protected_backup_stays(fake: Fake) -> None:
    fake.volume(MINE, protected=1)
    store = fake.store()
    item = one(fake, store)
    assert (item.lock, store.delete(item).outcome) == ("protected", Outcome.LOCKED)
    assert fake.left() == {MINE}


def test_a_deletion_that_the_cluster_refuses_is_told_as_it_says(fake: Fake) -> None:
    fake.volume(MINE)
    store = fake.store()
    item = one(fake, store)
    suffix = f"/storage/backups/content/backups:backup/{MINE}"
    fake.tell("fail", ["DELETE", suffix, 500, "cannot remove protected volume"])
    assert store.delete(item).outcome is Outcome.LOCKED
    fake.tell("fail", ["DELETE", suffix, 403, "Permission check failed"])
    assert store.delete(item).outcome is Outcome.FAILED
    fake.tell("fail", ["DELETE", suffix, 596, "Connection timed out"])
    assert store.delete(item).outcome is Outcome.UNKNOWN
    assert fake.left() == {MINE}


@pytest.mark.parametrize(
    ("rights", "why"),
    [
        ({**RIGHTS, "/storage/backups": ["Datastore.Audit", "Datastore.AllocateSpace"]}, "lacks Datastore.Allocate"),
        ({**RIGHTS, "/storage/backups": ["Datastore.Allocate"]}, "lacks Datastore.Audit"),
        ({**RIGHTS, "/nodes/pve1": []}, "lacks Sys.Audit"),
        ({"/vms": ["VM.Backup"]}, "node|lacks"),
    ],
)
def test_what_the_token_may_not_see_is_no_empty_list(fake: Fake, rights: dict[str, list[str]], why: str) -> None:
    fake.volume(MINE)
    fake.begin(rights=rights)
    with pytest.raises(StoreTrouble, match=why):
        listing(fake.store())
    assert not fake.store().probe().complete


def test_a_node_that_is_off_hides_what_it_has(fake: Fake) -> None:
    fake.begin(nodes=["pve1", "pve2"])
    fake.volume(MINE)
    assert len(listing(fake.store())) == 1
    fake.tell("node", ["pve2", False])
    with pytest.raises(ViewIncomplete, match="node pve2 is offline"):
        listing(fake.store())
    assert len(listing(fake.store(nodes=("pve1",)))) == 1


def test_another_token_is_not_let_in(fake: Fake) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(fake.store(token=Secret.given("another")))


def test_a_certificate_of_nobody_s_is_not_taken(fake: Fake) -> None:
    with pytest.raises(StoreAuthFailed, match="no certificate that we trust"):
        listing(fake.store(ca_file=None))


def test_the_panel_tells_machines_and_containers_with_their_ids(fake: Fake) -> None:
    fake.tell("guest", ["qemu", 100, {"smbios1": f"uuid={UUID}", "net0": f"virtio={CARD},bridge=vmbr0"}])
    fake.tell("guest", ["lxc", 101, {"net0": f"name=eth0,bridge=vmbr0,hwaddr={CARD}"}])
    living = fake.panel().living()
    assert set(living) == {"100", "101"}
    assert (living["100"].identity, living["100"].ids["uuid"]) == (UUID, UUID)
    assert living["101"].identity == f"mac {CARD.lower()}"
    assert living.get("102") is None


def test_a_machine_that_the_token_may_not_see_is_not_taken_for_gone(fake: Fake) -> None:
    fake.tell("guest", ["lxc", 101, {}])
    fake.tell("guest", ["qemu", 200, {"smbios1": f"uuid={UUID}"}])
    fake.tell("set", ["acl", {TOKEN_ID: [["/", ["Sys.Audit"]], ["/vms/101", ["VM.Audit"]]]}])
    with pytest.raises(ViewIncomplete, match=r"lacks VM.Audit on /vms"):
        fake.panel().living()


@pytest.mark.parametrize("change", [("set", ["quorate", False]), ("begin", {"rights": {}, "nodes": ["pve1"]})])
def test_a_cluster_in_pieces_or_a_token_without_rights_says_nobody_is_gone(fake: Fake, change: tuple[str, Any]) -> None:
    fake.tell("guest", ["lxc", 101, {}])
    fake.tell(*change)
    with pytest.raises(StoreTrouble):
        fake.panel().living()


def test_a_poll_of_an_unknown_task_is_no_end(fake: Fake) -> None:
    task = "UPID:pve1:0003D3A2:01B2C3D4:665953E0:imgdel:100@backups:bridge@pve!backups:"
    with pytest.raises(StoreTrouble):
        fake.store().poll(Receipt(Outcome.ACCEPTED, task=task))
