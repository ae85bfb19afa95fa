"""bridge.toml into Settings: find the file, read it, name every mistake at once."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whmcs_bridge.errors import SettingsProblem, UsageProblem
from whmcs_bridge.settings.build import REAL, SCENARIO, House, Reader
from whmcs_bridge.settings.kinds import show_free
from whmcs_bridge.settings.model import Settings
from whmcs_bridge.settings.report import Report

FILE_NAME = "bridge.toml"
FOLDER_NAME = "whmcs-bridge"
VARIABLE = "WHMCS_BRIDGE_CONFIG"


def find(config: str | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path:
    """Return the settings file: --config, WHMCS_BRIDGE_CONFIG, ./bridge.toml, the user's configuration folder.

    Raises UsageProblem where none is there, or the one that was named is not.
    """
    for name, said_by in ((config, "--config"), (env.get(VARIABLE), VARIABLE)):
        if name:
            named = cwd / name
            if not named.is_file():
                raise UsageProblem(f"{name}: no such file, named by {said_by}; `whmcs-bridge init` makes one")
            return named
    usual = (cwd / FILE_NAME, _configuration_folder(env, home) / FILE_NAME)
    for path in usual:
        if path.is_file():
            return path
    raise UsageProblem(f"no settings: neither {usual[0]} nor {usual[1]} is there; `whmcs-bridge init` makes one")


def load(path: Path, env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in a file. `env` (default: the process's) is where `env:NAME` secrets are looked up, later.

    Raises SettingsProblem with every mistake, one line each; UsageProblem where the file cannot be read.
    """
    env = os.environ if env is None else env
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be read: {error.strerror}") from error
    data = parse(raw, str(path))
    return from_mapping(data, source=str(path), env=env, path=path)


def parse(raw: bytes, source: str) -> dict[str, Any]:
    """Return the tables of a TOML text. Raises SettingsProblem, with the line where it stops making sense."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsProblem([f"{source}: line {line}: found bytes that are not UTF-8, expected TOML"]) from None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsProblem([f"{source}: {_where(str(error), text)}"]) from None


def _where(message: str, text: str) -> str:
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if match is None:
        return f"not valid TOML: {show_free(message)}"
    what = show_free(message[: match.start()])
    if match[1] is None:
        return f"line {text.count(chr(10)) + 1}: not valid TOML: {what} at the end of the file"
    return f"line {match[1]}, column {match[2]}: not valid TOML: {what}"


def from_mapping(
    data: Mapping[str, Any],
    *,
    source: str = FILE_NAME,
    env: Mapping[str, str] | None = None,
    path: Path | None = None,
    house: House = REAL,
    labels: Mapping[str, Mapping[str, int]] | None = None,
) -> Settings:
    """Return the settings in tables that are read already.

    `source` begins every message; relative paths start beside `path`. Raises SettingsProblem with every mistake.
    """
    env = {} if env is None else env
    path = Path(source) if path is None else path
    report = Report(source, env, path.parent, labels or {})
    settings = Reader(data, report, house).settings(_data_folder(path, env), path)
    if settings is None:
        raise SettingsProblem(report.problems)
    return settings


def scenario_policy(
    config: Mapping[str, Any],
    client_ids: Mapping[str, int],
    service_ids: Mapping[str, int],
    *,
    product_ids: Mapping[str, int] | None = None,
    source: str = "scenario",
) -> Settings:
    """Return the settings of a scenario's `config`: enforcing, approved at once, without limits and sanity stops.

    The labels of [client.LABEL], [service.LABEL] and of product ids are turned into numbers. Raises SettingsProblem.
    """
    labels = {"client": client_ids, "service": service_ids, "product": product_ids or {}}
    return from_mapping(config, source=source, house=SCENARIO, labels=labels)


def _configuration_folder(env: Mapping[str, str], home: Path) -> Path:
    base = env.get("XDG_CONFIG_HOME")
    return (Path(base) if base and Path(base).is_absolute() else home / ".config") / FOLDER_NAME


def _data_folder(path: Path, env: Mapping[str, str]) -> Path:
    """Return the default folder of the databases: beside the file, or the user's state folder."""
    home = env.get("HOME")
    if not home or path.parent != _configuration_folder(env, Path(home)):
        return path.parent
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path(home, ".local", "state")) / FOLDER_NAME
