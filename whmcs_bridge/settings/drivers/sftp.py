"""Options of the sftp driver: a folder of another machine, over SSH."""

import re
from collections.abc import Mapping
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, StoreRoot, check_layout
from whmcs_bridge.settings.kinds import BAD, Key, ListOf, Schema, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report, show_text

HOST_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) (AAAA[A-Za-z0-9+/]{20,2000}={0,2})", re.ASCII
)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}", re.ASCII)


class HostKey:
    """A public host key, as `ssh-keyscan` prints it without the host."""

    expected = 'a host key such as "ssh-ed25519 AAAA...", as ssh-keyscan prints it after the host\'s name'

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and HOST_KEY.fullmatch(value):
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{HOST_KEY.pattern}$"}


class HostName:
    """A host's name or address."""

    expected = "a host's name or address, such as backup.example.com"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and HOST.fullmatch(value):
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^({HOST.pattern})$"}


def _check(options: Mapping[str, Any], at: Place, report: Report) -> None:
    check_layout(options, at, report)
    if ("private_key" in options) == ("password" in options):
        report.refuse(at.to("private_key"), f"found {_both(options)}, expected one of private_key and password")
    if "passphrase" in options and "private_key" not in options:
        report.refuse(at.to("passphrase"), f"found it without {show_text('private_key')}, expected it beside one")


def _both(options: Mapping[str, Any]) -> str:
    return "it beside password" if "password" in options else "neither it nor password"


OPTIONS = DriverOptions(
    "A folder of another machine, over SFTP. The host's key is written here and no other is taken.",
    (
        Key(
            "host",
            HostName(),
            "The machine.",
            otherwise="required",
            example='"backup.example.com"',
            required=True,
        ),
        Key("port", Whole(1, 65535), "Its SSH port.", "22"),
        Key(
            "user",
            Text("a user name"),
            "User to log in as.",
            otherwise="required",
            example='"bridge"',
            required=True,
        ),
        Key(
            "host_key",
            HostKey(),
            "The machine's public host key.",
            otherwise="required",
            example='"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExam"',
            required=True,
        ),
        Key(
            "private_key",
            SecretRef(),
            "Private key in OpenSSH's form.",
            otherwise="none",
            example='"file:/etc/whmcs-bridge/backup-key"',
        ),
        Key("passphrase", SecretRef(), "What the private key is locked with.", otherwise="none"),
        Key("password", SecretRef(), "Password, where there is no key.", otherwise="none"),
        Key(
            "root",
            StoreRoot(),
            "The folder there; no part of its path may be a symbolic link.",
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
