"""Options of the s3 driver: a prefix in a bucket of AWS, B2, Wasabi, MinIO or another that speaks S3."""

import re
from typing import Any

from whmcs_bridge.settings.drivers import DriverOptions
from whmcs_bridge.settings.drivers.addresses import SecureUrl
from whmcs_bridge.settings.drivers.paths import KEPT_KEY, LAYOUT_KEYS, check_layout
from whmcs_bridge.settings.kinds import BAD, Choice, Flag, Key, Schema, SecretRef, Text, Whole
from whmcs_bridge.settings.report import Place, Report

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
PREFIX = re.compile(r"[A-Za-z0-9._:@=+-]+(/[A-Za-z0-9._:@=+-]+)*", re.ASCII)


class Bucket:
    """A bucket's name."""

    expected = "a bucket's name: 3 to 63 small letters, digits, dots and hyphens"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and BUCKET.fullmatch(value) and ".." not in value:
            return value
        report.wrong(at, value, self.expected)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{BUCKET.pattern}$"}


class Prefix:
    """Where the store begins in its bucket; a whole bucket is none."""

    expected = "the path in the bucket under which the backups lie, without / at either end, such as panel1/backup"

    def read(self, value: object, at: Place, report: Report) -> Any:
        if isinstance(value, str) and PREFIX.fullmatch(value) and not {".", ".."} & set(value.split("/")):
            return value
        hint = "a whole bucket is no store" if value in ("", "/") else ""
        report.wrong(at, value, self.expected, hint)
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{PREFIX.pattern}$"}


OPTIONS = DriverOptions(
    "A prefix in a bucket that speaks S3. All versions, delete markers and unfinished uploads below it are items.",
    (
        Key("bucket", Bucket(), "The bucket.", otherwise="required", example='"backups"', required=True),
        Key(
            "prefix",
            Prefix(),
            "Where the backups begin; everything below is the store, nothing beside it is looked at.",
            otherwise="required",
            example='"panel1/backup"',
            required=True,
        ),
        Key(
            "endpoint_url",
            SecureUrl(),
            "Address of the service.",
            otherwise="AWS's own, by region",
            example='"https://s3.eu-central-003.backblazeb2.com"',
        ),
        Key("region", Text("a region"), "Its region.", '"us-east-1"'),
        Key(
            "access_key",
            SecretRef(),
            "Access key that may list; for the audit it is enough.",
            otherwise="required",
            example='"env:BACKUPS_ACCESS_KEY"',
            required=True,
        ),
        Key(
            "secret_key",
            SecretRef(),
            "Secret of that access key.",
            otherwise="required",
            example='"env:BACKUPS_SECRET_KEY"',
            required=True,
        ),
        *LAYOUT_KEYS,
        Key("addressing", Choice(("auto", "path", "virtual")), "How the bucket is put into addresses.", '"auto"'),
        Key(
            "conditional_deletes",
            Flag(),
            "The service takes If-Match when something is deleted. One that does not: it is looked at just before.",
            "true",
        ),
        Key("timeout_seconds", Whole(1, 3600, "seconds"), "Wait for an answer.", "30"),
        KEPT_KEY,
    ),
    check_layout,
)
