"""Options of the names panel: a file of this machine that lists who lives."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.kinds import FilePath, Key, Whole

OPTIONS = DriverOptions(
    "A file on this machine with the living accounts, one a line: `user`, or `domain: user` "
    "as cPanel's /etc/trueuserdomains has it.",
    (
        Key(
            "path",
            FilePath("a file"),
            "The file. Empty or missing, it says nothing about who lives, and nothing is deleted.",
            otherwise="required",
            example='"/etc/trueuserdomains"',
            required=True,
        ),
        Key(
            "max_age_hours",
            Whole(1, 8760, "hours"),
            "An older file is no answer; for a copy that something writes regularly.",
            otherwise="any age",
            example="2",
        ),
    ),
)
