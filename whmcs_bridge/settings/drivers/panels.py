"""Options of the panels that say over HTTPS who lives on a server."""

from collections.abc import Mapping
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.kinds import FilePath, Key, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report


def _url(example: str) -> Key:
    return Key("url", SecureUrl(), "The panel's address.", otherwise="required", example=f'"{example}"', required=True)


def _user(example: str) -> Key:
    return Key(
        "user", Text("a user name"), "User of the panel.", otherwise="required", example=f'"{example}"', required=True
    )


def _secret(name: str, meaning: str, variable: str) -> Key:
    return Key(name, SecretRef(), meaning, otherwise="required", example=f'"env:{variable}"', required=True)


_LINE = (
    Key(
        "ca_file",
        FilePath("a file"),
        "Certificates to trust, where the panel's comes from itself or the house's own authority.",
        otherwise="the system's",
        example='"/etc/ssl/house-ca.pem"',
    ),
    Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "30"),
)


def _check_vesta(options: Mapping[str, Any], at: Place, report: Report) -> None:
    if ("password" in options) == ("hash" in options):
        found = "it beside hash" if "hash" in options else "neither it nor hash"
        report.refuse(at.to("password"), f"found {found}, expected one of them")


WHM = DriverOptions(
    "cPanel & WHM: `listaccts` of its API 1, with an API token that may list accounts and nothing else.",
    (
        _url("https://host1.example.com:2087"),
        _user("root"),
        _secret("token", "API token, with the privilege list-accts.", "WHM_TOKEN"),
        *_LINE,
    ),
)
DIRECTADMIN = DriverOptions(
    "DirectAdmin: its lists of users, resellers and admins, with a login key that may ask for them and nothing else.",
    (
        _url("https://host1.example.com:2222"),
        _user("admin"),
        _secret(
            "login_key",
            "Login key for CMD_API_SHOW_ALL_USERS, CMD_API_SHOW_RESELLERS and CMD_API_SHOW_ADMINS.",
            "DIRECTADMIN_KEY",
        ),
        *_LINE,
    ),
)
HESTIA = DriverOptions(
    "HestiaCP: `v-list-users`, with an access key whose profile allows that command and nothing else.",
    (
        _url("https://host1.example.com:8083"),
        _secret("access_key", "Access key id.", "HESTIA_ACCESS_KEY"),
        _secret("secret_key", "Its secret.", "HESTIA_SECRET_KEY"),
        *_LINE,
    ),
)
VESTA = DriverOptions(
    "VestaCP: `v-list-users`. Its API knows no narrower user than admin.",
    (
        _url("https://host1.example.com:8083"),
        _user("admin"),
        Key("password", SecretRef(), "Password of that user.", otherwise="none", example='"env:VESTA_PASSWORD"'),
        Key("hash", SecretRef(), "API key instead of user and password.", otherwise="none", example='"env:VESTA_KEY"'),
        *_LINE,
    ),
    _check_vesta,
)
