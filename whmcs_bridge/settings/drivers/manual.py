"""Options of the manual driver: what people delete by hand, and answer for."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.kinds import Key, Text

OPTIONS = DriverOptions(
    "Backups that no driver can list: VMware's products, R1Soft, Bacula, Acronis, tapes. Each ended service becomes "
    "work for staff; its deletion stays unverifiable until a person closes the plan and says what was done. Nothing in "
    "it ever counts as verified gone.",
    (
        Key(
            "product",
            Text("a product"),
            "What holds the backups.",
            otherwise="required",
            example='"Acronis, tenant hosting"',
            required=True,
        ),
        Key(
            "todo",
            Text("what to do"),
            "What staff has to do for an ended service, in one line.",
            otherwise="required",
            example='"delete the archives of its machine by resource id, and look again the next day"',
            required=True,
        ),
    ),
)
