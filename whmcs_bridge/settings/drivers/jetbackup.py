"""Options of the JetBackup 5 driver."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.drivers.paths import KEPT_KEY
from whmcs_bridge.settings.kinds import Choice, FilePath, Key, ListOf, SecretRef, Text, Whole

OPTIONS = DriverOptions(
    "JetBackup 5: accounts' snapshots on one server, through its API. It lists, compares and refuses; it deletes only "
    "once `deletes_by` says which id was proved to delete the right snapshot, and only what belongs to an account that "
    "JetBackup calls orphaned.",
    (
        Key(
            "url",
            SecureUrl(),
            "Its address.",
            otherwise="required",
            example='"https://host1.example.com:2087"',
            required=True,
        ),
        Key("through", Choice(("whm", "directadmin", "linux")), "What stands before it.", '"whm"'),
        Key("user", Text("a user name"), "User.", otherwise="required", example='"root"', required=True),
        Key(
            "token",
            SecretRef(),
            "Its API token; for DirectAdmin its login key.",
            otherwise="required",
            example='"env:JETBACKUP_TOKEN"',
            required=True,
        ),
        Key(
            "contains",
            ListOf(Whole(1, 511), "whole numbers from 1 to 511"),
            "Values of `contains` that the jobs here make, as listBackups takes them: 511 is everything of an account. "
            "One that is missing hides its backups.",
            otherwise="required",
            example="[511]",
            required=True,
        ),
        Key(
            "deletes_by",
            Choice(("_id", "parent_id")),
            "Which id deleteSnapshot takes, once a person has proved it: no reply says it; `backups probe` says how.",
            otherwise="nothing is deleted",
            example='"_id"',
        ),
        Key(
            "test_account",
            Text("an account's name"),
            "An account that nobody needs, with two backups, on which a person proves `deletes_by`. The bridge lists "
            "its backups, and never deletes one for a proof.",
            otherwise="none",
            example='"bkptest"',
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
    lists_only=lambda options: "deletes_by" not in options,
    needs_servers="it knows the accounts of one panel, and names are somebody else's on another",
)
