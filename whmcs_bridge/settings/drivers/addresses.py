"""Addresses of stores and panels: https, or a machine's own loopback."""

import re
from typing import Any
from urllib.parse import urlsplit

from whmcs_bridge.settings.kinds import BAD, Schema
from whmcs_bridge.settings.report import Place, Report

LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1", re.ASCII)


class SecureUrl:
    """An https address without user, query or fragment; plain http for this machine only."""

    expected = "an address such as https://s3.example.com"

    def read(self, value: object, at: Place, report: Report) -> Any:
        try:
            parts = urlsplit(value) if isinstance(value, str) and value.isprintable() and " " not in value else None
            host, odd = (parts.hostname, parts.port == 0) if parts else (None, True)
        except ValueError:
            parts, host, odd = None, None, True
        if parts is None or not host or odd or parts.scheme not in ("http", "https"):
            report.wrong(at, value, self.expected)
            return BAD
        if parts.username or parts.password or parts.query or parts.fragment:
            report.refuse(at, f"found more than scheme, host and path (not shown), expected {self.expected}")
            return BAD
        if parts.scheme == "http" and LOOPBACK.fullmatch(host) is None:
            report.refuse(at, f"found plain http, which shows the credentials to the network, expected {self.expected}")
            return BAD
        return parts.geturl().rstrip("/")

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^https?://"}
