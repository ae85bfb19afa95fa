"""Options of the drivers of Proxmox VE and Proxmox Backup Server."""

import re
from dataclasses import dataclass
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.drivers.paths import KEPT_KEY
from whmcs_bridge.settings.kinds import BAD, FilePath, Flag, Key, ListOf, Schema, SecretRef, Whole
from whmcs_bridge.settings.report import Place, Report


@dataclass(frozen=True, slots=True)
class Word:
    """A name that goes into addresses as it is."""

    what: str
    pattern: str

    @property
    def expected(self) -> str:
        return self.what

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII):
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


NAME = Word("a name of letters, digits, dots and hyphens", "[A-Za-z0-9][A-Za-z0-9._-]*")
NAMESPACE = Word(
    'a namespace such as "cluster1/web", or "" for the root one',
    "([A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?",
)
TOKEN_ID = Word("a token's id as user@realm!name", r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+![A-Za-z0-9._-]+")


def _line(url: str, token: str) -> tuple[Key, ...]:
    return (
        Key("url", SecureUrl(), "Its address.", otherwise="required", example=f'"{url}"', required=True),
        Key(
            "token_id",
            TOKEN_ID,
            "API token: its user and name.",
            otherwise="required",
            example='"bridge@pve!backups"',
            required=True,
        ),
        Key("token", SecretRef(), "Its secret.", otherwise="required", example=f'"env:{token}"', required=True),
        Key(
            "ca_file",
            FilePath("a file"),
            "Certificates to trust, where its own comes from itself or the house's own authority.",
            otherwise="the system's",
            example='"/etc/ssl/house-ca.pem"',
        ),
        Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "60"),
    )


PROXMOX = DriverOptions(
    "Proxmox VE: backups of virtual machines in storages of a cluster. The token needs Datastore.Audit and "
    "Datastore.Allocate on each storage, Sys.Audit on each node and VM.Backup on `/vms`, all with propagate: without "
    "the last no machine is told, without the others nothing is concluded from its lists; to delete, "
    "Datastore.AllocateSpace on each storage as well. A backup is an account's by its vmid ([backups] id_fields, else "
    "WHMCS's user name) and the recorded uuid of the machine in it. A container has no uuid: its backup is the "
    "account's by vmid, network card and days, once a panel with driver `proxmox` says that it is gone.",
    (
        *_line("https://pve1.example.com:8006", "PVE_TOKEN"),
        Key(
            "storages",
            ListOf(NAME, "storages"),
            "The storages that hold backups.",
            otherwise="required",
            example='["backups"]',
            required=True,
        ),
        Key(
            "nodes",
            ListOf(NAME, "nodes"),
            "Nodes that have them; all have to be online.",
            otherwise="every node of the cluster",
            example='["pve1", "pve2"]',
        ),
        KEPT_KEY,
    ),
)

PBS = DriverOptions(
    "Proxmox Backup Server: single snapshots in namespaces of a datastore. The token needs Datastore.Audit on each of "
    "them, with propagate; to delete, Datastore.Modify, or Datastore.Prune and the snapshots' ownership. Chunks leave "
    "the disk with the first garbage collection a day after the deletion.",
    (
        *_line("https://pbs.example.com:8007", "PBS_TOKEN"),
        Key("datastore", NAME, "The datastore.", otherwise="required", example='"backups"', required=True),
        Key(
            "namespaces",
            ListOf(NAMESPACE, "namespaces"),
            'Its namespaces that are looked at, each by itself; "" is the root one.',
            otherwise="required",
            example='["cluster1"]',
            required=True,
        ),
        Key(
            "exclusive_namespace",
            Flag(),
            "One cluster alone writes into each of these namespaces. false: an id proves nothing without the recorded "
            "uuid in the snapshot's comment, because clusters use the same vmids.",
            "false",
        ),
        Key("garbage_collected_days", Whole(1, 365, "days"), "Time between two garbage collections.", "1"),
    ),
)

PANEL = DriverOptions(
    "Proxmox VE: the machines and containers of a cluster, on all its nodes, and the ids that prove a backup to be one "
    "machine's: uuid, generation, time of creation, network cards. The token needs the role PVEAuditor on `/` with "
    "propagate, and nothing else.",
    _line("https://pve1.example.com:8006", "PVE_AUDIT_TOKEN"),
)
