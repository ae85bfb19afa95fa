"""Settings files for tests, as TOML text."""

from collections.abc import Mapping
from pathlib import Path

from whmcs_bridge.errors import SettingsProblem
from whmcs_bridge.settings import Settings, from_mapping, parse

HEAD = """
[whmcs]
url = "https://billing.example.com"
identifier = "env:ID"
secret = "env:SECRET"
"""
CALENDAR = """
[calendar]
timezone = "UTC"
"""
CLASS = """
[class.hosting]
product_types = ["hostingaccount"]
"""
QUIET = HEAD + CALENDAR
"""Loads without a warning once a class is added."""


def settings_of(text: str, env: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """Load a TOML text; [whmcs] and a time zone are added where the text has none."""
    if "[whmcs]" not in text:
        text += HEAD
    if "[calendar]" not in text:
        text += CALENDAR
    return from_mapping(parse(text.encode(), "bridge.toml"), env=env, path=path)


def problems_of(text: str) -> list[str]:
    """Return what is wrong with a TOML text, without the file's name; [] where it loads."""
    try:
        settings_of(text)
    except SettingsProblem as problem:
        return [line.removeprefix("bridge.toml: ") for line in problem.problems]
    return []


def warnings_of(text: str) -> list[str]:
    """Return the warnings of a TOML text that loads, without the file's name."""
    return [line.removeprefix("bridge.toml: ") for line in settings_of(text).warnings]
