"""Options of the Virtualizor driver."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import LOOPBACK, SecureUrl
from whmcs_bridge.settings.drivers.hypervisors import Word
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, StoreRoot
from whmcs_bridge.settings.kinds import Choice, FilePath, Key, ListOf, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report, show_text

PORT = 4085
"""The administrator's API over TLS; 4084 is the same without."""
PROOFS = ("get_vps", "delete")
ENDING = Word("an ending such as img or tar.gz", r"[a-z0-9]+(\.[a-z0-9]+)*")


def _check(options: Mapping[str, Any], at: Place, report: Report) -> None:
    parts = urlsplit(options["url"])
    if parts.port != PORT and LOOPBACK.fullmatch(parts.hostname or "") is None:
        expected = f"its administrator's port over TLS, such as https://master.example.com:{PORT}"
        report.refuse(at.to("url"), f"found {show_text(options['url'])}, expected {expected}")


OPTIONS = DriverOptions(
    "Virtualizor: backups of virtual machines, as `get_vps` lists them for one machine at a time. No vendor says what "
    "becomes of them when a machine is deleted, and its deletion takes any file of any folder: nothing is concluded "
    "about a machine that is gone, and nothing is deleted, until `proved` says what a person has seen.",
    (
        Key(
            "url",
            SecureUrl(),
            f"Address of the master, with port {PORT}.",
            otherwise="required",
            example=f'"https://master.example.com:{PORT}"',
            required=True,
        ),
        Key(
            "api_pass",
            SecretRef(),
            "The master's API password; a key is made of it for each request.",
            otherwise="required",
            example='"env:VIRTUALIZOR_PASS"',
            required=True,
        ),
        Key(
            "directories",
            ListOf(StoreRoot(), "folders"),
            "Folders that hold the days' folders, on nodes and backup servers; what lies elsewhere is left alone.",
            otherwise="required",
            example='["/var/virtualizor/backups"]',
            required=True,
        ),
        Key(
            "endings",
            ListOf(ENDING, "endings"),
            "What follows the machine's number in a name.",
            '["img", "tar", "tar.gz"]',
        ),
        Key(
            "id_field",
            Text("a name"),
            "What the machine's number is kept under: a name in `id_fields` of [backups].",
            '"vpsid"',
        ),
        Key(
            "proved",
            ListOf(Choice(PROOFS), "proofs"),
            "What a person has seen on the real system. `get_vps`: a machine was deleted, and it went on listing "
            "exactly the files that were left on the disks. `delete`: one file was deleted by it, and nothing else.",
            otherwise="nothing is deleted",
            example='["get_vps", "delete"]',
        ),
        Key(
            "ca_file",
            FilePath("a file"),
            "Certificates to trust, where its own comes from itself or the house's own authority.",
            otherwise="the system's",
            example='"/etc/ssl/house-ca.pem"',
        ),
        Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "60"),
        KEPT_KEY,
    ),
    check=_check,
    needs_servers="machines have numbers that other masters use too",
)
