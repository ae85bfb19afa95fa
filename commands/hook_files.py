"""The two files that go into WHMCS's includes/hooks: what belongs into them, what lies there, who owns them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

from whmcs_bridge.errors import BridgeError, UsageProblem

SHIM = "whmcs_bridge.php"
SETTINGS = "_whmcs_bridge_settings.php"
"""WHMCS's loader skips names that begin with an underscore (facts sheet 11.1)."""

PROOF = ("configuration.php", "init.php", "includes/hooks")
"""What the root of every WHMCS holds."""

Value = str | int | bool | Sequence[str] | Mapping[str, str]

HEAD = """<?php
// Written by `whmcs-bridge hooks install`; what each line means stands in whmcs_bridge.php.
// It holds the shared secret: keep it readable for PHP only (mode 0600).
if (!defined('WHMCS')) {
    return [];
}
return [
"""


def shim() -> bytes:
    """Return the hook file that ships with this version."""
    return resources.files("hooks").joinpath("php", SHIM).read_bytes()


# --- the settings file as PHP -----------------------------------------------------------------------


def settings_php(values: Mapping[str, Value]) -> str:
    """Return the settings file: one key a line."""
    return HEAD + "".join(f"    '{key}' => {_php(value)},\n" for key, value in values.items()) + "];\n"


def _php(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, Mapping):
        return "[" + ", ".join(f"{_php(key)} => {_php(one)}" for key, one in value.items()) + "]"
    return "[" + ", ".join(_php(one) for one in value) + "]"


_TEXT = r"'(?:[^'\\]|\\.)*'"
_LIST = rf"\[(?:\s*{_TEXT}(?:\s*=>\s*{_TEXT})?\s*,?)*\s*\]"
_ENTRY = re.compile(rf"^    '(\w+)'\s*=>\s*({_TEXT}|-?\d+|true|false|{_LIST})\s*,", re.MULTILINE)


def settings_in(text: str) -> dict[str, Value]:
    """Return what a settings file says, as far as its lines are like ours; a key we cannot read is left out."""
    return {key: _value(found) for key, found in _ENTRY.findall(text)}


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    if "=>" in text and text.startswith("["):
        return {_plain(key): _plain(one) for key, one in re.findall(rf"({_TEXT})\s*=>\s*({_TEXT})", text)}
    if text.startswith("["):
        return [_plain(one) for one in re.findall(_TEXT, text)]
    return _plain(text) if text.startswith("'") else int(text)


def _plain(quoted: str) -> str:
    return re.sub(r"\\([\\'])", r"\1", quoted[1:-1])


# --- the folder ---------------------------------------------------------------------------------------


def hooks_folder(root: Path) -> Path:
    """Return includes/hooks of a WHMCS; raises UsageProblem for a folder that is no WHMCS root."""
    missing = [name for name in PROOF if not (root / name).exists()]
    if missing:
        raise UsageProblem(
            f"--whmcs {root} is no WHMCS root: it has no {missing[0]}; expected the folder that configuration.php is in"
        )
    return root / "includes" / "hooks"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files they are to be: PHP runs as this user."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        import pwd

        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"

    def may(self, path: Path, bits: int) -> bool:
        """The user can get to the path and has these rights (4 read, 2 write, 1 search) to it.

        By mode bits alone; access lists and containers may say otherwise.
        """
        if self.uid == 0:
            return path.exists()
        path = path.resolve()
        steps = [(parent, 1) for parent in path.parents] + [(path, bits)]
        return all(self._has(step, wanted) for step, wanted in steps)

    def _has(self, path: Path, wanted: int) -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self._groups() else 0
        return (found.st_mode >> shift) & wanted == wanted

    def _groups(self) -> set[int]:
        import pwd

        try:
            return {self.gid, *os.getgrouplist(pwd.getpwuid(self.uid).pw_name, self.gid)}
        except (KeyError, OSError):
            return {self.gid}


def owner_named(text: str) -> Owner:
    """Return the owner of `USER[:GROUP]`; raises UsageProblem."""
    import grp
    import pwd

    user, _, group = text.partition(":")
    try:
        known = pwd.getpwnam(user)
        return Owner(known.pw_uid, grp.getgrnam(group).gr_gid if group else known.pw_gid)
    except KeyError:
        raise UsageProblem(f"--owner {text}: no such user or group here; expected USER or USER:GROUP") from None


def owner_of(path: Path) -> Owner:
    found = path.stat()
    return Owner(found.st_uid, found.st_gid)


# --- writing ------------------------------------------------------------------------------------------


def put(path: Path, content: bytes, mode: int, owner: Owner | None, at: datetime) -> tuple[bool, Path | None]:
    """Write the file whole or not at all; return whether anything changed, and the backup of what it replaced.

    `owner` None leaves it ours. Raises BridgeError.
    """
    try:
        before = path.read_bytes() if path.exists() else None
        kept = set_aside(path, at, move=False) if before not in (None, content) else None
        _replace(path, content, mode, owner)
    except OSError as error:
        raise BridgeError(f"{path} could not be written: {error.strerror}") from error
    return before != content, kept


def _replace(path: Path, content: bytes, mode: int, owner: Owner | None) -> None:
    descriptor, name = tempfile.mkstemp(prefix="_", suffix=".php", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if owner is not None:
            os.chown(name, owner.uid, owner.gid)
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise


def set_aside(path: Path, at: datetime, *, move: bool = True) -> Path:
    """Keep the file under a dated name that WHMCS does not load and a browser cannot read; raises OSError.

    It stays PHP behind the same guard: under another ending a web server would hand its text out.
    """
    stem = "_" + path.stem.lstrip("_")
    kept = path.with_name(f"{stem}.{at:%Y%m%d-%H%M%S}.php")
    count = 1
    while kept.exists():
        count += 1
        kept = path.with_name(f"{stem}.{at:%Y%m%d-%H%M%S}-{count}.php")
    if move:
        os.rename(path, kept)
        os.chmod(kept, 0o600)
        return kept
    found = path.stat()
    owner = Owner(found.st_uid, found.st_gid) if os.geteuid() == 0 else None
    _replace(kept, path.read_bytes(), 0o600, owner)
    return kept
