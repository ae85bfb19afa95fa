"""bridge.toml: found, read, checked, and turned into frozen Settings."""

from whmcs_bridge.settings.load import find, from_mapping, load, parse, scenario_policy
from whmcs_bridge.settings.messages import render
from whmcs_bridge.settings.model import BackupStoreSettings, Settings, WhmcsSettings
from whmcs_bridge.settings.secret import Secret

__all__ = [
    "BackupStoreSettings",
    "Secret",
    "Settings",
    "WhmcsSettings",
    "find",
    "from_mapping",
    "load",
    "parse",
    "render",
    "scenario_policy",
]
