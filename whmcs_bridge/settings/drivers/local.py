"""Options of the local driver: a folder of this machine."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, StoreRoot, check_layout
from whmcs_bridge.settings.kinds import Key, ListOf, Text, Whole

OPTIONS = DriverOptions(
    "A folder on this machine. It is a store only while the file `.whmcs-bridge-store` lies in it, "
    "so that a disk that is not mounted is not taken for an empty store.",
    (
        Key(
            "root",
            StoreRoot(),
            "The folder; no part of its path may be a symbolic link.",
            otherwise="required",
            example='"/backup"',
            required=True,
        ),
        *LAYOUT_KEYS,
        Key(
            "device_number",
            Whole(1, 999_999_999),
            "Device the folder has to lie on, as `stat -c %d` prints it.",
            otherwise="any, as long as it does not change",
            example="64769",
        ),
        Key(
            "leave_out",
            ListOf(Text("the name of a folder"), "names of folders", empty=True),
            "Folders directly below the root that hold no backups.",
            '["lost+found"]',
        ),
        Key(
            "busy_files",
            ListOf(Text("an absolute path"), "absolute paths", empty=True),
            "While one of these files is there and not empty, a backup runs: nothing is deleted.",
            "[]",
            example='["/usr/local/hestia/data/queue/backup.pipe"]',
        ),
        KEPT_KEY,
    ),
    check_layout,
)
