"""Options of the restic and borg drivers: repositories that many accounts share."""

import re
from collections.abc import Mapping
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, parts_of
from whmcs_bridge.settings.kinds import BAD, FilePath, Flag, Key, Schema, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report, show_text

WITH_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")
TOO_WIDE = frozenset(("/", ".", ".."))


class Repository:
    """Where a repository is, in its program's own words; never with a password in it."""

    expected = "a repository as its program writes it, such as sftp:backup@host:/srv/restic"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or value in TOO_WIDE:
            report.wrong(at, value, self.expected)
            return BAD
        if WITH_PASSWORD.search(value):
            report.refuse(at, "found a password in it (not shown), expected none: its program has other ways")
            return BAD
        if value.startswith("-") or "::" in value:
            report.wrong(at, value, self.expected)
            return BAD
        return value

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class Exactly:
    """A text with {user} in it, to be compared from end to end."""

    expected = 'a text with {user} in it once, such as "user={user}" or "/home/{user}"'

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and value.count("{user}") == 1 and value.isprintable():
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"\{user\}"}


def _check_restic(options: Mapping[str, Any], at: Place, report: Report) -> None:
    if "tag" not in options and "path" not in options:
        report.refuse(at.to("tag"), "missing, as is path, expected at least one: what tells whose a snapshot is")
    if ("access_key" in options) != ("secret_key" in options):
        missing = "secret_key" if "access_key" in options else "access_key"
        report.refuse(at.to(missing), "missing, expected access_key and secret_key together")


def _check_borg(options: Mapping[str, Any], at: Place, report: Report) -> None:
    try:
        parts_of(options["template"], options["user_characters"])
    except ValueError as error:
        report.refuse(at.to("template"), f"found {show_text(options['template'])}: {error}")
    if ("passphrase" in options) == options["unencrypted"]:
        found = "it beside unencrypted = true" if options["unencrypted"] else "neither it nor unencrypted = true"
        report.refuse(at.to("passphrase"), f"found {found}, expected one of them")


_REPOSITORY = Key(
    "repository",
    Repository(),
    "The repository.",
    otherwise="required",
    example='"sftp:backup@backup.example.com:/srv/restic"',
    required=True,
)
_TIMEOUT = Key("timeout_seconds", Whole(1, 86_400, "seconds"), "Wait for the program to end.", "3600")

RESTIC = DriverOptions(
    "A restic repository that many accounts share, through the `restic` program. A snapshot is an account's by its "
    "exact tag, its exact path, or both; one that holds other paths too is shared and stays.",
    (
        _REPOSITORY,
        Key(
            "password",
            SecretRef(),
            "The repository's password.",
            otherwise="required",
            example='"file:/etc/whmcs-bridge/restic-password"',
            required=True,
        ),
        Key("tag", Exactly(), "Tag of an account's snapshots.", otherwise="not looked at", example='"user={user}"'),
        Key(
            "path", Exactly(), "The one path in an account's snapshots.", otherwise="any one", example='"/home/{user}"'
        ),
        Key("access_key", SecretRef(), "AWS_ACCESS_KEY_ID for a repository in S3.", otherwise="none"),
        Key("secret_key", SecretRef(), "AWS_SECRET_ACCESS_KEY for a repository in S3.", otherwise="none"),
        Key(
            "prune",
            Flag(),
            "Free the bytes after each deletion (`restic prune`). false: something else does, see bytes_kept_days.",
            "true",
        ),
        _TIMEOUT,
        KEPT_KEY,
    ),
    _check_restic,
)

BORG = DriverOptions(
    "A Borg repository that many accounts share, through the `borg` program. An archive is an account's by its whole "
    "name.",
    (
        _REPOSITORY,
        Key("passphrase", SecretRef(), "The repository's passphrase.", otherwise="none"),
        Key("unencrypted", Flag(), "The repository has no passphrase.", "false"),
        Key(
            "template",
            Text("an archive's name with {user}"),
            "How archives are called, with the placeholders of the custom layout.",
            otherwise="required",
            example='"{user}@{date}T{time}"',
            required=True,
        ),
        next(key for key in LAYOUT_KEYS if key.name == "user_characters"),
        Key(
            "identity_file",
            FilePath("a file"),
            "SSH key for a repository on another machine, whose host key has to be known already.",
            otherwise="ssh's own",
        ),
        Key(
            "append_only",
            Flag(),
            "The server keeps what is deleted (`borg serve --append-only`): nothing can be deleted from here.",
            "false",
        ),
        Key(
            "compact",
            Flag(),
            "Free the bytes after each deletion (`borg compact`). false: something else does, see bytes_kept_days.",
            "true",
        ),
        _TIMEOUT,
        KEPT_KEY,
    ),
    _check_borg,
    lists_only=lambda options: bool(options["append_only"]),
)
