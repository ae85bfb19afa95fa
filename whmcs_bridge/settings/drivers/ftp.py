"""Options of the ftp driver: a folder of another machine, over FTP with TLS."""

from collections.abc import Mapping
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, StoreRoot, check_layout
from whmcs_bridge.settings.drivers.sftp import HostName
from whmcs_bridge.settings.kinds import FilePath, Flag, Key, ListOf, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report


def _check(options: Mapping[str, Any], at: Place, report: Report) -> None:
    check_layout(options, at, report)
    if not options["tls"] and not options["allow_plain_text"]:
        report.refuse(
            at.to("tls"),
            "found false, which shows password and names to the network, expected true, or allow_plain_text = true too",
        )
    if not options["tls"] and "ca_file" in options:
        report.refuse(at.to("ca_file"), "found it beside tls = false, expected it with TLS only")


OPTIONS = DriverOptions(
    "A folder of another machine, over FTP with TLS (AUTH TLS). The server has to know MLSD. FTP does not tell a linked"
    " folder from a folder: let the user's root hold the store and nothing else.",
    (
        Key("host", HostName(), "The machine.", otherwise="required", example='"ftp.example.com"', required=True),
        Key("port", Whole(1, 65535), "Its FTP port.", "21"),
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
            example='"env:FTP_PASSWORD"',
            required=True,
        ),
        Key("tls", Flag(), "Encrypt both connections and check the server's certificate.", "true"),
        Key("allow_plain_text", Flag(), "Beside tls = false: yes, without encryption.", "false"),
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
            "The folder there, as the user sees it.",
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
    _check,
)
