"""Options of the webdav driver: a folder that speaks WebDAV."""

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, StoreRoot, check_layout
from whmcs_bridge.settings.kinds import FilePath, Key, ListOf, SecretRef, Text, Whole

OPTIONS = DriverOptions(
    "A folder over WebDAV, with Basic authentication. Redirects are not followed.",
    (
        Key(
            "url",
            SecureUrl(),
            "Address of the service, up to where its folders begin.",
            otherwise="required",
            example='"https://dav.example.com/remote.php/dav/files/bridge"',
            required=True,
        ),
        Key(
            "user",
            Text("a user name"),
            "User to log in as.",
            otherwise="required",
            example='"bridge"',
            required=True,
        ),
        Key(
            "password",
            SecretRef(),
            "Password.",
            otherwise="required",
            example='"env:WEBDAV_PASSWORD"',
            required=True,
        ),
        Key(
            "ca_file",
            FilePath("a file"),
            "Certificates to trust, where the server's comes from the house's own authority.",
            otherwise="the system's",
            example='"/etc/ssl/house-ca.pem"',
        ),
        Key(
            "root",
            StoreRoot(),
            "The folder below that address.",
            otherwise="required",
            example='"/backup"',
            required=True,
        ),
        *LAYOUT_KEYS,
        Key(
            "leave_out",
            ListOf(Text("the name of a folder"), "names of folders", empty=True),
            "Folders directly below the root that hold no backups.",
            '["lost+found"]',
        ),
        Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "30"),
        KEPT_KEY,
    ),
    check_layout,
)
