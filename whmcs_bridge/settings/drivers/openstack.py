"""Options of the OpenStack driver."""

from collections.abc import Mapping
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.drivers.hypervisors import Word
from whmcs_bridge.settings.drivers.paths import KEPT_KEY
from whmcs_bridge.settings.kinds import Choice, FilePath, Flag, Key, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report

ID = Word("an id of 32 hexadecimal digits", "[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _check(options: Mapping[str, Any], at: Place, report: Report) -> None:
    if "project_field" in options and not options["all_projects"]:
        report.refuse(at.to("project_field"), "found beside one project, expected all_projects = true")


OPTIONS = DriverOptions(
    "OpenStack: Cinder's volume backups and snapshots, and Glance's images of servers, of one project or of all. They "
    "are an account's by the recorded id of its server and the volumes that were attached to it, seen while it lived, "
    "or by the recorded id of a project of its own; never by a name. Newest first, one at a time, never forced; what a "
    "living server uses stays, and so do protected images.",
    (
        Key(
            "url",
            SecureUrl(),
            "Address of Keystone, with its version.",
            otherwise="required",
            example='"https://cloud.example.com:5000/v3"',
            required=True,
        ),
        Key(
            "application_credential_id",
            ID,
            "Application credential that logs in; its roles are all that it may do.",
            otherwise="required",
            example='"21dced0fd20347869b93710d2b98aae0"',
            required=True,
        ),
        Key(
            "application_credential_secret",
            SecretRef(),
            "Its secret.",
            otherwise="required",
            example='"env:OPENSTACK_SECRET"',
            required=True,
        ),
        Key(
            "project",
            ID,
            "Id of the project that the credential belongs to; one of another project is refused.",
            otherwise="required",
            example='"ce000000000000000000000000000001"',
            required=True,
        ),
        Key(
            "region",
            Text("a region"),
            "Region whose services are asked.",
            otherwise="the only one",
            example='"RegionOne"',
        ),
        Key(
            "interface",
            Choice(("public", "internal", "admin")),
            "Which of the services' addresses are used.",
            '"public"',
        ),
        Key(
            "all_projects",
            Flag(),
            "The store is all projects of the region, and the credential an administrator's. false: its own project.",
            "false",
        ),
        Key(
            "id_field",
            Text("a name"),
            "What the server's id is kept under: a name in `id_fields` of [backups].",
            '"uuid"',
        ),
        Key(
            "project_field",
            Text("a name"),
            "What the id of a service's own project is kept under, as above; no other service may be in it. With "
            "all_projects only.",
            otherwise="a project proves nothing",
            example='"project"',
        ),
        Key(
            "listed_within_hours",
            Whole(1, 168, "hours"),
            "The last look at a server's volumes counts if it is no older than this at the beginning of the day on "
            "which the service ended.",
            "26",
        ),
        Key(
            "wait_seconds",
            Whole(0, 3600, "seconds"),
            "Wait for Cinder to finish a deletion, so that the next older backup of a chain can go in the same run.",
            "60",
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
    needs_servers="accounts of other servers have nothing here",
)
