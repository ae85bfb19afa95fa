"""Ids of machines: what a configuration tells, whatever else is in it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from whmcs_bridge.backups.machines import ids_in, lines_of, numbers_of
from whmcs_bridge.domain.backups import AccountIdentity
from whmcs_bridge.domain.ids import ClientId, ServiceId

UUID = "6f1f2a4e-8f5c-4f0e-9a44-000000000100"
DUMPED = f"""#a note: smbios1: uuid={UUID[::-1]}
#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:
boot: order=scsi0
meta: creation-qemu=8.1.2,ctime=1700000000
name: net0
net0: virtio=BC:24:11:AA:00:02,bridge=vmbr0,firewall=1
net1: e1000=BC:24:11:AA:00:01,bridge=vmbr0
scsi0: local-lvm:vm-100-disk-0,serial=BC:24:11:AA:00:03,size=8G
smbios1: base64=1,manufacturer=eA==,uuid={UUID.upper()}
vmgenid: {UUID}

[before]
smbios1: uuid=00000000-8f5c-4f0e-9a44-000000000100
net2: virtio=BC:24:11:AA:00:09,bridge=vmbr0
"""


def test_a_configuration_tells_uuid_generation_birth_and_cards_without_those_of_snapshots() -> None:
    assert ids_in(lines_of(DUMPED)) == {
        "uuid": UUID,
        "vmgenid": UUID,
        "ctime": "1700000000",
        "mac": "bc:24:11:aa:00:01 bc:24:11:aa:00:02",
    }
    assert ids_in(lines_of("[" + DUMPED)) == {}


def test_what_has_another_form_is_no_id() -> None:
    wrong = [("smbios1", "uuid=x"), ("vmgenid", "1"), ("meta", "ctime=soon"), ("net0", "virtio=BC:24:11,bridge=v")]
    assert ids_in(wrong) == {}
    assert ids_in([("smbios1", None), ("meta", 3), ("net0", ["x"]), ("nets", f"virtio={UUID}")]) == {}


@given(st.text(max_size=60), st.lists(st.tuples(st.sampled_from(["smbios1", "net0", "meta", "vmgenid"]), st.text())))
@settings(max_examples=60)
def test_no_text_breaks_it_or_brings_an_id_of_another_form(text: str, fields: list[tuple[str, str]]) -> None:
    for config in (lines_of(text), fields):
        found = ids_in(config)
        assert set(found) <= {"uuid", "vmgenid", "ctime", "mac"}
        assert all(value.isascii() and value == value.lower() for value in found.values())


def test_only_numbers_that_proxmox_gives_are_numbers() -> None:
    proofs = {"vmid": "104", "vmid.1": "99", "vmid.2": "205"}
    account = AccountIdentity(ServiceId(1), ClientId(1), 1, "root", "", None, None, proofs)
    assert numbers_of(account) == {"104", "205"}
