"""The two files that go into WHMCS's includes/hooks: what belongs into them, what lies there, who owns them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

from commands.php_values import Value, php, returned
from whmcs_bridge.errors import BridgeError, UsageProblem

SHIM = "whmcs_bridge.php"
SETTINGS = "_whmcs_bridge_settings.php"
"""WHMCS's loader skips names that begin with an underscore (facts sheet 11.1)."""

PROOF = ("configuration.php", "init.php", "includes/hooks")
"""What the root of every WHMCS holds."""

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
    return HEAD + "".join(f"    {php(key)} => {php(value)},\n" for key, value in values.items()) + "];\n"


def settings_in(text: str) -> Mapping[str, Value]:
    """Return what a settings file says, also one that was edited by hand; raises Unreadable."""
    return returned(text).values


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
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self.groups() else 0
        return (found.st_mode >> shift) & wanted == wanted

    def groups(self) -> set[int]:
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
