"""Options of the SolusVM 2 driver."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.kinds import FilePath, Key, SecretRef, Text, Whole

OPTIONS = DriverOptions(
    "SolusVM 2, verified only: it deletes a server's backups with the server. What a server has is listed and kept "
    "while it lives, twice a day and right before the bridge ends it; afterwards the server and each of these backups "
    "have to be unknown to the panel. What was never listed, or too long before the end, stays unverifiable. Copies of "
    "a backup node that the panel has lost are seen by a store on that node only (`sftp`).",
    (
        Key(
            "url",
            SecureUrl(),
            "Address of the panel.",
            otherwise="required",
            example='"https://panel.example.com"',
            required=True,
        ),
        Key(
            "token",
            SecretRef(),
            "API token of an administrator who may only read.",
            otherwise="required",
            example='"env:SOLUSVM_TOKEN"',
            required=True,
        ),
        Key(
            "id_field",
            Text("a name"),
            "What the server's number is kept under: a name in `id_fields` of [backups].",
            '"server_id"',
        ),
        Key(
            "listed_within_hours",
            Whole(1, 168, "hours"),
            "The last list counts if it is no older than this at the beginning of the day on which the service ended. "
            "A backup made after it is not looked for by its number.",
            "26",
        ),
        Key(
            "ca_file",
            FilePath("a file"),
            "Certificates to trust, where its own comes from itself or the house's own authority.",
            otherwise="the system's",
            example='"/etc/ssl/house-ca.pem"',
        ),
        Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "60"),
    ),
    needs_servers="servers have numbers that other panels use too",
    lists_only=lambda _options: True,
)
